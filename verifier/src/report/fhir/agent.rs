//! Who takes part in an event: the agent's program as client, the target as server, and the subject as user.

use serde_json::{Value, json};

use super::code;
use super::entity::identified;
use super::pattern::Pattern;
use crate::evidence::{RefusedLine, SessionLine};
use crate::report::about::urn;

/// FHIR's type of an address that is one of IP.
const IP: &str = "2";

/// FHIR's type of an address that is a URI.
const URI: &str = "5";

/// The address in the place of several.
const SEVERAL: &str = "*";

/// Client, server and user of a command.
pub(super) fn of_command(pattern: Pattern, session: &SessionLine, policy: &str) -> Vec<Value> {
    let client = json!({
        "type": { "coding": [pattern.client()] },
        "who": identified("urn:exhibit:credential", &session.evidence),
        "requestor": false,
        // BALP wants a network, and the line has none.
        "network": { "extension": [{ "url": code::ABSENT, "valueCode": "unknown" }] },
    });
    let mut user = json!({
        "type": { "coding": [pattern.user()] },
        "who": subject(session),
        "name": session.subject,
        "requestor": true,
        "policy": [urn("policy", policy)],
    });
    if let (Some(run), Some(user)) = (&session.run, user.as_object_mut()) {
        // The pipeline's run is another name that the same subject goes by.
        user.insert("altId".to_owned(), run.clone().into());
    }
    vec![client, server(pattern.server(), &session.target), user]
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
        agent.insert("network".to_owned(), json!({ "address": line.peer, "type": IP }));
    }
    vec![agent, server(code::destination(), &line.target)]
}

fn server(kind: Value, target: &str) -> Value {
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
