//! Objects that several classes have: who, from where, to what, by which policy.

use serde_json::{Value, json};

use super::document::{OTHER, milliseconds};
use crate::evidence::SessionLine;
use crate::report::peer::{Host, Peer};

/// Who a session is of. What kind of account it is, the log does not say.
pub(super) fn user(session: &SessionLine) -> Value {
    json!({ "name": session.subject, "domain": session.issuer, "type_id": OTHER, "type": "agent" })
}

/// A session. Its credential is named by the digest of its public part.
pub(super) fn session(session: &SessionLine) -> Value {
    let mut object = json!({
        "uid": session.session,
        "issuer": session.issuer,
        "credential_uid": session.evidence,
        "created_time": milliseconds(&session.time),
    });
    if let Some(object) = object.as_object_mut() {
        let expires = session.expires.as_deref().and_then(milliseconds);
        object.extend(expires.map(|time| ("expiration_time".to_owned(), time.into())));
    }
    object
}

/// The agent's end. Every class wants one that says something: where the address is not known it is the session's.
pub(super) fn agent_end(session: &SessionLine) -> Value {
    end(&session.peer).unwrap_or_else(|| json!({ "uid": session.session }))
}

/// Where somebody comes from; `None` where that is not one place.
pub(super) fn end(peer: &str) -> Option<Value> {
    let Peer { host, port } = Peer::of(peer)?;
    let mut object = match host {
        Host::Address(address) => json!({ "ip": address.to_string() }),
        Host::Name(name) => json!({ "name": name }),
    };
    if let Some(object) = object.as_object_mut() {
        object.extend(port.map(|port| ("port".to_owned(), port.into())));
    }
    Some(object)
}

/// The target, as what is logged in to.
pub(super) fn service(target: &str) -> Value {
    json!({ "name": target })
}

/// The target, as an end of a connection.
pub(super) fn target_end(session: &SessionLine) -> Value {
    json!({ "name": session.target, "svc_name": session.protocol })
}

/// The agent as version 1.9 of the schema has it.
pub(super) fn ai_agent(session: &SessionLine) -> Value {
    json!({ "uid": session.subject, "name": session.subject, "instance_uid": session.session, "type_id": 0 })
}

/// How somebody proved who it is, in the numbers of the schema.
pub(super) fn protocol(method: &str) -> (u64, &str) {
    match method {
        "oidc" => (4, "OpenID"),
        other => (OTHER, other),
    }
}
