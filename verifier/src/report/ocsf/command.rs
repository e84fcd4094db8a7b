//! A command as an event: of a datastore, or of an API.

use exhibit_schemas::merkle::Index;
use serde_json::{Value, json};

use super::document::{API, Coded, DATASTORE, Document, INFORMATIONAL, LOW, OTHER};
use super::object;
use crate::evidence::{CommandLine, SessionLine};
use crate::report::about::About;
use crate::report::ending::Ending;
use crate::report::interaction::{Interaction, QUERIES, word_and_resource};

/// The word of an approved command.
const APPROVED: &str = "approved";

/// The event of a command: 6005 of a database, 6003 of anything else.
pub(super) fn event(about: &About<'_>, session: &SessionLine, command: &CommandLine) -> Value {
    let ending = Ending::of(command);
    let mut document = if session.protocol == QUERIES {
        datastore(about, session, command, ending)
    } else {
        api(session, command, ending)
    };
    document.put("message", ending.words(command));
    document.put_coded("status", status(ending));
    if let Some(detail) = ending.detail(command) {
        document.put("status_detail", detail);
    }
    document.put("status_code", command.status.as_deref().unwrap_or(&command.outcome));
    document.put_control(action(command, ending), disposition(command, ending));
    document.put("policy", json!({ "uid": command.policy, "is_applied": true }));
    document.put("src_endpoint", object::agent_end(session));
    document.put("dst_endpoint", object::target_end(session));
    let actor = json!({
        "user": object::user(session),
        "session": object::session(session),
        "authorizations": [{ "decision": command.outcome, "policy": { "uid": command.policy } }],
    });
    document.put("actor", actor);
    let unmapped = json!({
        "ai_agent": object::ai_agent(session),
        "session": session.session,
        "policy": command.policy,
        "rule": command.rule,
        "effect": command.effect,
        "accesses": command.accesses,
        "rows": command.rows,
        "patients": command.patients,
    });
    document.of_entry(about, command.command, "command", cited(command), unmapped)
}

/// Entries that the line of a command cites beside its own, in their order.
fn cited(command: &CommandLine) -> Vec<Index> {
    let (first, last) = command.released.unzip();
    let mut cited: Vec<_> = [command.request, first, last, command.ended]
        .into_iter()
        .flatten()
        .collect();
    cited.extend(&command.approvals);
    cited.sort_unstable();
    cited.dedup();
    cited
}

fn datastore(about: &About<'_>, session: &SessionLine, command: &CommandLine, ending: Ending) -> Document {
    let (interaction, resource) = Interaction::of(session, command);
    let activity = match interaction {
        Interaction::Query => (4, "Query"),
        Interaction::Read => (1, "Read"),
        Interaction::Create => (6, "Create"),
        Interaction::Update => (2, "Update"),
        Interaction::Delete => (7, "Delete"),
        Interaction::Operation => (OTHER, other(command)),
    };
    let mut document = Document::new(&DATASTORE, activity, severity(ending), &command.time);
    let database = json!({ "name": session.target, "type_id": 1, "type": "Relational" });
    document.put("database", database);
    match resource {
        Some(resource) => {
            document.put_coded("type", (3, "Table"));
            document.put("table", json!({ "name": resource }));
        }
        None => document.put_coded("type", (1, "Database")),
    }
    // The statement as the log has it: every literal is replaced already.
    let query = json!({
        "uid": about.entry(command.command),
        "query_string": command.statement,
        "bytes": command.bytes,
    });
    document.put("query_info", query);
    document
}

fn api(session: &SessionLine, command: &CommandLine, ending: Ending) -> Document {
    let (interaction, _) = Interaction::of(session, command);
    let activity = match interaction {
        Interaction::Create => (1, "Create"),
        Interaction::Query | Interaction::Read => (2, "Read"),
        Interaction::Update => (3, "Update"),
        Interaction::Delete => (4, "Delete"),
        Interaction::Operation => (OTHER, other(command)),
    };
    let mut document = Document::new(&API, activity, severity(ending), &command.time);
    let service = json!({ "name": session.protocol });
    document.put("api", json!({ "operation": command.statement, "service": service }));
    let resources = command.accesses.iter().filter_map(|access| word_and_resource(access).1);
    let resources: Vec<_> = resources
        .map(|resource| json!({ "name": resource, "role_id": 1, "role": "Target" }))
        .collect();
    if !resources.is_empty() {
        document.put("resources", resources);
    }
    document
}

/// The log's own word of what the schema has no number for.
fn other(command: &CommandLine) -> &str {
    command
        .accesses
        .first()
        .map_or("unknown", |access| word_and_resource(access).0)
}

const fn severity(ending: Ending) -> Coded {
    if ending.is_stopped() { LOW } else { INFORMATIONAL }
}

const fn status(ending: Ending) -> Coded {
    match ending {
        Ending::Complete => (1, "Success"),
        Ending::Unknown => (0, "Unknown"),
        _ => (2, "Failure"),
    }
}

fn action(command: &CommandLine, ending: Ending) -> Coded {
    if ending.is_stopped() {
        (2, "Denied")
    } else if command.masks.is_empty() {
        (1, "Allowed")
    } else {
        (4, "Modified")
    }
}

fn disposition(command: &CommandLine, ending: Ending) -> Coded {
    if ending.is_stopped() {
        (2, "Blocked")
    } else if command.outcome == APPROVED {
        (8, "Approved")
    } else {
        (1, "Allowed")
    }
}
