//! What passes beside rows, through the session's net: errors, notices, notifications, settings and names of columns.
//!
//! A message in which nothing is found keeps its bytes. In another one the texts that hold a finding are written anew; codes,
//! places and numbers stay, and so do the places in a statement that an error points at.
//!
//! Not here: what of an error may pass at all where masks hold (see [`crate::reply`]), and cells ([`crate::types`]).

use exhibit_policy::net::{Channel, SessionNet};

use crate::message::backend::Field;
use crate::message::{Raw, encode};

/// Fields of an error or notice that hold no text: severity, code, places, and where in the server's source it was made
/// (PostgreSQL documentation, "Error and Notice Message Fields").
const PLAIN: &[u8] = b"SVCPpFLR";

/// Fields that name things of the schema: schema, table, column, type, constraint.
const NAMES: &[u8] = b"stcdn";

/// An error or notice.
pub(crate) fn report(net: &mut SessionNet, channel: Channel, raw: &Raw) -> Vec<u8> {
    let mut body = Vec::new();
    let mut changed = false;
    for field in raw.body().split(|byte| *byte == 0) {
        if let Some((code, text)) = field.split_first() {
            let masked = match code {
                code if PLAIN.contains(code) => None,
                code if NAMES.contains(code) => net.text(Channel::Column, text),
                _ => net.text(channel, text),
            };
            changed |= masked.is_some();
            body.push(*code);
            body.extend_from_slice(masked.as_deref().unwrap_or(text));
            body.push(0);
        }
    }
    body.push(0);
    if changed {
        encode::message(raw.tag(), &body)
    } else {
        raw.bytes().to_vec()
    }
}

/// A text of the proxy's own that may repeat a word of a statement.
pub(crate) fn words(net: &mut SessionNet, text: String) -> String {
    match net.text(Channel::Error, text.as_bytes()) {
        Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
        None => text,
    }
}

/// A notification: the number of a process, a channel and a payload. The channel is a resource that policy was asked about.
pub(crate) fn notification(net: &mut SessionNet, raw: &Raw) -> Vec<u8> {
    last_text(net, Channel::Notification, raw)
}

/// A setting: a name and a value.
pub(crate) fn setting(net: &mut SessionNet, raw: &Raw) -> Vec<u8> {
    last_text(net, Channel::Setting, raw)
}

/// Settings that the server tells at the start, of which an agent is told.
pub(crate) fn settings(net: &mut SessionNet, settings: &[(String, String)]) -> Vec<(String, String)> {
    let told = |(name, value): &(String, String)| {
        let masked = net.text(Channel::Setting, value.as_bytes());
        let value = masked.map_or_else(|| value.clone(), |masked| String::from_utf8_lossy(&masked).into_owned());
        (name.clone(), value)
    };
    settings.iter().map(told).collect()
}

/// A message whose last string may hold anything.
fn last_text(net: &mut SessionNet, channel: Channel, raw: &Raw) -> Vec<u8> {
    let body = raw.body();
    let text = body.strip_suffix(&[0]).unwrap_or(body);
    let start = text.iter().rposition(|byte| *byte == 0).map_or(0, |zero| zero + 1);
    let (before, text) = text.split_at(start);
    match net.text(channel, text) {
        Some(masked) => encode::message(raw.tag(), &[before, &masked, &[0]].concat()),
        None => raw.bytes().to_vec(),
    }
}

/// Names of columns, in place; whether one of them was changed.
pub(crate) fn names(net: &mut SessionNet, fields: &mut [Field]) -> bool {
    let mut changed = false;
    for field in fields {
        if let Some(masked) = net.text(Channel::Column, field.name.as_bytes()) {
            field.name = String::from_utf8_lossy(&masked).into_owned();
            changed = true;
        }
    }
    changed
}
