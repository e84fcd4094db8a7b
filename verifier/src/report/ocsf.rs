//! A report as events of OCSF 1.8.0 (Open Cybersecurity Schema Framework), for systems that watch over accesses.
//!
//! ```text
//! session opened, closed   3002 Authentication: Logon, Logoff          command      6005 Datastore Activity, 6003 API Activity
//! log-in refused           3002 Authentication: Logon, Failure         detection    2006 Data Security Finding
//!                                                                      exceptions   2003 Compliance Finding
//! ```
//!
//! All keep to the profile `security_control`, which has what a gate did. What 1.9 calls `ai_agent` and `record_integrity` stands in
//! `unmapped` until a version has it: the session, the root, and the indexes of the entries. It names entries; it attests nothing of
//! the event itself.
//!
//! Not here: patients by token, which have no place in the schema ([`super::fhir`] has them). `docs/formats/ocsf.md` says what stands where.

mod command;
mod document;
mod finding;
mod object;

use serde_json::{Value, json};

use self::document::{AUTHENTICATION, Document, INFORMATIONAL, LOW, milliseconds};
use crate::evidence::{CommandLine, DetectionLine, RefusedLine, SessionLine};
use crate::report::about::About;
use crate::report::matrix::Row;

/// The activity of who comes.
const LOGON: (u64, &str) = (1, "Logon");

/// The activity of who goes.
const LOGOFF: (u64, &str) = (2, "Logoff");

/// The kind of all log-ins.
const NETWORK: (u64, &str) = (3, "Network");

/// A session that was opened: 3002, Logon.
pub fn opened(about: &About<'_>, session: &SessionLine) -> Value {
    let mut document = of_session(session, LOGON, &session.time);
    document.put_control((1, "Allowed"), (1, "Allowed"));
    document.put("session", object::session(session));
    document.of_entry(about, session.opened, "opened", [], beside(session))
}

/// A session that was closed: 3002, Logoff. `None` for one whose close is not in the log.
pub fn closed(about: &About<'_>, session: &SessionLine) -> Option<Value> {
    let (closed, time) = (session.closed?, session.ended.as_ref()?);
    let mut document = of_session(session, LOGOFF, time);
    let mut object = object::session(session);
    if let (Some(reason), Some(object)) = (&session.reason, object.as_object_mut()) {
        object.insert("expiration_reason".to_owned(), reason.as_str().into());
        document.put("message", format!("closed: {reason}"));
    }
    document.put("session", object);
    Some(document.of_entry(about, closed, "closed", [session.opened], beside(session)))
}

fn of_session(session: &SessionLine, activity: (u64, &str), time: &str) -> Document {
    let mut document = Document::new(&AUTHENTICATION, activity, INFORMATIONAL, time);
    document.put_coded("status", (1, "Success"));
    document.put_coded("logon_type", NETWORK);
    document.put_coded("auth_protocol", object::protocol(&session.method));
    document.put("user", object::user(session));
    document.put("service", object::service(&session.target));
    document.put("src_endpoint", object::agent_end(session));
    document.put("dst_endpoint", object::target_end(session));
    document
}

/// What the schema has no place for.
fn beside(session: &SessionLine) -> Value {
    json!({
        "ai_agent": object::ai_agent(session),
        "session": session.session,
        "run": session.run,
        "transport": session.transport,
        "commands": session.commands,
        "patients": session.patients,
    })
}

/// A log-in that was refused, or several that are alike, with their number: 3002, Logon, Failure.
pub fn refused(about: &About<'_>, line: &RefusedLine) -> Value {
    let mut document = Document::new(&AUTHENTICATION, LOGON, LOW, &line.time);
    document.put_coded("status", (2, "Failure"));
    document.put("status_detail", line.reason.as_str());
    document.put_control((2, "Denied"), (2, "Blocked"));
    document.put_coded("logon_type", NETWORK);
    document.put_coded("auth_protocol", object::protocol(&line.method));
    // A name that the proxy does not know may be a secret in the wrong place, and is there as a keyed digest alone.
    let user = match &line.user {
        Some(user) => json!({ "name": user, "uid": line.named }),
        None => json!({ "uid": line.named }),
    };
    document.put("user", user);
    document.put("service", object::service(&line.target));
    if let Some(end) = object::end(&line.peer) {
        document.put("src_endpoint", end);
    }
    document.put("count", line.count);
    document.put("start_time", milliseconds(&line.since));
    document.put("end_time", milliseconds(&line.time));
    document.of_entry(about, line.refused, "refused", [], json!({}))
}

/// A command: 6005 of a database, 6003 of anything else.
pub fn command(about: &About<'_>, session: &SessionLine, command: &CommandLine) -> Value {
    command::event(about, session, command)
}

/// What a net caught in a reply: 2006.
pub fn detection(about: &About<'_>, line: &DetectionLine) -> Value {
    finding::detection(about, line)
}

/// A row of the control matrix with exceptions: 2003, as of `time`. `None` for a row without any. Whether an exception is a failure is
/// for the auditor to say.
pub fn control(about: &About<'_>, row: &Row, time: &str) -> Option<Value> {
    finding::control(about, row, time)
}
