//! What an event is about: the statement or the object, the patient, the entry of the log, and how a failure ended.
//!
//! BALP tells entities apart by their type. 1 is the patient and 2 the statement or the object, each once; ours are of other types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::code::{self, coding};
use crate::evidence::{CommandLine, SessionLine};
use crate::report::about::urn;
use crate::report::interaction::Interaction;

/// What stands beside every token.
const TOKEN: &str = "keyed token of a patient, not an identifier of the target; still protected health information";

/// The statement of a search, or the object of anything else with its statement.
pub(super) fn subject(
    interaction: Interaction,
    session: &SessionLine,
    command: &CommandLine,
    resource: Option<&str>,
) -> Option<Value> {
    // The statement as the log has it: every literal is replaced already. FHIR has no empty bytes.
    let query = Some(&command.statement).filter(|statement| !statement.is_empty());
    let query = query.map(|statement| STANDARD.encode(statement));
    let mut entity = Map::new();
    entity.insert("type".to_owned(), coding(code::ENTITY, "2", "System Object"));
    let role = if interaction.is_query() {
        query.as_ref()?;
        coding(code::ROLE, "24", "Query")
    } else {
        let name = resource.map_or_else(
            || session.target.clone(),
            |resource| format!("{}/{resource}", session.target),
        );
        entity.insert("what".to_owned(), identified("urn:exhibit:resource", &name));
        coding(code::ROLE, "4", "Domain Resource")
    };
    entity.insert("role".to_owned(), role);
    if let Some(query) = query {
        entity.insert("query".to_owned(), query.into());
    }
    Some(entity.into())
}

/// The patient, by token. Tokens of one key of masks are comparable with each other alone, so the key is in the system.
pub(super) fn patient(session: &SessionLine, token: &str) -> Value {
    let system = session.mask_key.as_deref();
    let system = system.map_or_else(
        || "urn:exhibit:patient-token".to_owned(),
        |key| urn("patient-token", key),
    );
    json!({
        "type": coding(code::ENTITY, "1", "Person"),
        "role": coding(code::ROLE, "1", "Patient"),
        "what": {
            "type": "Patient",
            "identifier": { "system": system, "value": token },
            "display": TOKEN,
        },
    })
}

/// The entry of the log that the event stands on, with what the log says of it.
pub(super) fn entry(name: &str, details: Vec<(&str, String)>) -> Value {
    let details = details.into_iter().filter(|(_, value)| !value.is_empty());
    let details: Vec<_> = details
        .map(|(kind, value)| json!({ "type": kind, "valueString": value }))
        .collect();
    json!({
        "type": coding(code::ENTITY, "4", "Other"),
        "what": identified("urn:exhibit:entry", name),
        "detail": details,
    })
}

/// How a failure ended.
pub(super) fn failure() -> Value {
    json!({
        "type": coding(code::RESOURCE, "OperationOutcome", "OperationOutcome"),
        "what": { "reference": "#outcome", "type": "OperationOutcome" },
    })
}

/// A reference to what has no resource of its own, by an identifier.
pub(super) fn identified(system: &str, value: &str) -> Value {
    json!({ "identifier": { "system": system, "value": value } })
}
