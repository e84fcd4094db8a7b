//! Messages that the server sends on its own: notifications at any time, notices and settings while nothing is under way.
//!
//! Each is a request of its own, with a decision, a command event and a reply: a notification reads its channel
//! (`channel:name`), the others are about the session. What the policy does not plainly allow is recorded as denied, and not
//! delivered. On a target with masks a notification comes without its payload, because nobody knows what other sessions put
//! there, and a notice does not come at all.

use std::collections::BTreeMap;

use exhibit_gate::session::{EndStatus, Reach, Request, Session};
use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use crate::agent::Agent;
use crate::analysis::channel;
use crate::message::Raw;
use crate::message::backend::Backend;
use crate::message::encode;
use crate::reply::check_setting;
use crate::session::SessionError;

/// Delivers one message that the server sent on its own, as far as that may be.
pub(crate) async fn deliver(
    session: &mut Session,
    agent: &mut Agent,
    masked: bool,
    raw: &Raw,
) -> Result<(), SessionError> {
    let (statement, access, bytes) = match Backend::parse(raw)? {
        Backend::Notification { process, channel: name } => {
            let access = Access(Action::Read, Some(channel(&name)));
            let bytes = if masked {
                let body = [&process.to_be_bytes(), name.as_bytes(), &[0, 0]].concat();
                encode::message(b'A', &body)
            } else {
                raw.bytes().to_vec()
            };
            ("NOTIFICATION", access, bytes)
        }
        Backend::Notice(_) if masked => return Ok(()),
        Backend::Notice(_) => ("NOTICE", Access(Action::Session, None), raw.bytes().to_vec()),
        Backend::ParameterStatus { name, value } => {
            check_setting(&name, &value, masked)?;
            ("PARAMETER STATUS", Access(Action::Session, None), raw.bytes().to_vec())
        }
        _ => return Err(SessionError::Unexpected),
    };
    let request = Request {
        statement: statement.to_owned(),
        exact: raw.bytes().to_vec(),
        facts: Facts {
            accesses: vec![access],
            attributes: BTreeMap::from([("class".to_owned(), Attribute::Text("notification".to_owned()))]),
        },
        parameters: Vec::new(),
        reach: Reach::Nothing,
    };
    // Nobody asked for it, so nobody is asked about it.
    let permit = match session.decide_at_once(request) {
        Ok(permit) => permit,
        Err(denial) => {
            session.refuse(*denial).await?;
            return Ok(());
        }
    };
    let recorded = session.record(vec![permit]).await?;
    for command in &recorded {
        let reply = command.reply();
        let frames = vec![Masked::framing(bytes.clone())];
        let releasing = session.finish(reply, None, frames, EndStatus::Complete, None, BTreeMap::new());
        agent.release(&releasing.durable().await?).await?;
    }
    Ok(())
}
