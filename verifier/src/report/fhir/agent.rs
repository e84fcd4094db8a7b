//! Who takes part in an event: the agent's program as client, the target as server, and the subject as user.

use serde_json::{Value, json};

use super::code;
use super::entity::identified;
use crate::evidence::{RefusedLine, SessionLine};
use crate::report::about::urn;
use crate::report::interaction::Interaction;
use crate::report::peer::{Host, Peer};

/// FHIR's type of an address that is the name of a machine.
const MACHINE: &str = "1";

/// FHIR's type of an address that is one of IP.
const IP: &str = "2";

/// FHIR's type of an address that is a URI.
const URI: &str = "5";

/// Client, server and user of a command.
pub(super) fn of_command(interaction: Interaction, session: &SessionLine, policy: &str) -> Vec<Value> {
    // BALP wants a network of every client, and of an address that is not known the reason why it is absent.
    let unknown = || json!({ "extension": [{ "url": code::ABSENT, "valueCode": "unknown" }] });
    let client = json!({
        "type": { "coding": [interaction.client()] },
        "who": identified("urn:exhibit:credential", &session.evidence),
        "requestor": false,
        "network": network(&session.peer).unwrap_or_else(unknown),
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
    if let (Some(network), Some(agent)) = (network(&line.peer), agent.as_object_mut()) {
        agent.insert("network".to_owned(), network);
    }
    vec![agent, server(&code::destination(), &line.target)]
}

/// Where somebody comes from. FHIR has no place for a port.
fn network(peer: &str) -> Option<Value> {
    Some(match Peer::of(peer)?.host {
        Host::Address(address) => json!({ "address": address.to_string(), "type": IP }),
        Host::Name(name) => json!({ "address": name, "type": MACHINE }),
    })
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
