//! Who takes part in an event: the agent's program as client, the target as server, and the subject as user.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::code;
use super::entity::identified;
use crate::evidence::{RefusedLine, SessionLine};
use crate::report::about::urn;
use crate::report::interaction::Interaction;

/// FHIR's type of an address that is one of IP.
const IP: &str = "2";

/// FHIR's type of an address that is a URI.
const URI: &str = "5";

/// The address in the place of several.
const SEVERAL: &str = "*";

/// Client, server and user of a command.
pub(super) fn of_command(interaction: Interaction, session: &SessionLine, policy: &str) -> Vec<Value> {
    let client = json!({
        "type": { "coding": [interaction.client()] },
        "who": identified("urn:exhibit:credential", &session.evidence),
        "requestor": false,
        // BALP wants a network, and the line has none.
        "network": { "extension": [{ "url": code::ABSENT, "valueCode": "unknown" }] },
    });
    let mut user = json!({
        "type": { "coding": [interaction.user()] },
        "who": subject(session),
        "name": session.subject,
        "requestor": true,
        "policy": [urn("policy", policy)],
    });
    if let (Some(run), Some(user)) = (&session.run, user.as_object_mut()) {
        // The pipeline's run is another name that the same subject goes by.
        user.insert("altId".to_owned(), run.clone().into());
    }
    vec![client, server(&interaction.server(), &session.target), user]
}

/// The one who was not let in, and the target.
pub(super) fn of_refused(line: &RefusedLine) -> Vec<Value> {
    let who = match &line.user {
        Some(user) => identified("urn:exhibit:user", user),
        None => identified("urn:exhibit:user-digest", &line.named),
    };
    let mut agent = json!({
        "type": { "coding": [code::source()] },
        "who": who,
        "requestor": true,
    });
    if let (true, Some(agent)) = (line.peer != SEVERAL, agent.as_object_mut()) {
        let mut network = Map::new();
        network.insert("address".to_owned(), line.peer.as_str().into());
        let kind = line.peer.parse::<IpAddr>().ok();
        network.extend(kind.map(|_| ("type".to_owned(), IP.into())));
        agent.insert("network".to_owned(), network.into());
    }
    vec![agent, server(&code::destination(), &line.target)]
}

fn server(kind: &Value, target: &str) -> Value {
    json!({
        "type": { "coding": [kind] },
        "who": identified("urn:exhibit:target", target),
        "requestor": false,
        "network": { "address": urn("target", target), "type": URI },
    })
}

/// The subject, and who vouches for it.
fn subject(session: &SessionLine) -> Value {
    json!({
        "identifier": {
            "system": "urn:exhibit:subject",
            "value": session.subject,
            "assigner": { "display": session.issuer },
        },
    })
}
