//! Messages that the server sends on its own: notifications at any time, notices and settings while nothing is under way.
//!
//! Each is a request of its own, with a decision, a command event and a reply: a notification reads its channel
//! (`channel:name`), the others are about the session. What the policy does not plainly allow is recorded as denied, and not
//! delivered. On a target with masks a notification comes without its payload, because nobody knows what other sessions put
//! there, and a notice does not come at all; elsewhere both go through the session's net.

use std::collections::BTreeMap;

use exhibit_gate::session::{EndStatus, Reach, Request, Session};
use exhibit_policy::estimate::Estimate;
use exhibit_policy::mask::Masked;
use exhibit_policy::net::Channel;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use crate::agent::Agent;
use crate::analysis::channel;
use crate::message::Raw;
use crate::message::backend::Backend;
use crate::message::encode;
use crate::netted;
use crate::reply::check_setting;
use crate::session::SessionError;

/// Delivers one message that the server sent on its own, as far as that may be.
pub(crate) async fn deliver(
    session: &mut Session,
    agent: &mut Agent,
    masked: bool,
    raw: &Raw,
) -> Result<(), SessionError> {
    let (statement, access) = match Backend::parse(raw)? {
        Backend::Notification { channel: name, .. } => ("NOTIFICATION", Access(Action::Read, Some(channel(&name)))),
        Backend::Notice(_) if masked => return Ok(()),
        Backend::Notice(_) => ("NOTICE", Access(Action::Session, None)),
        Backend::ParameterStatus { name, value } => {
            check_setting(&name, &value, masked)?;
            ("PARAMETER STATUS", Access(Action::Session, None))
        }
        _ => return Err(SessionError::Unexpected),
    };
    let facts = Facts {
        accesses: vec![access],
        attributes: BTreeMap::from([("class".to_owned(), Attribute::Text("notification".to_owned()))]),
        columns: Some(Vec::new()),
    };
    let mut request = Request {
        statement: statement.to_owned(),
        exact: raw.bytes().to_vec(),
        facts,
        parameters: Vec::new(),
        statement_fingerprint: None,
        described: None,
        reach: Reach::Nothing,
        says_all: false,
        by_name: false,
        names_are_data: false,
    };
    if session.wants_estimate(&request) {
        // It has no rows of any relation.
        Estimate::Rows(0).state(&mut request.facts);
    }
    // Nobody asked for it, so nobody is asked about it.
    let permit = match session.decide_at_once(request, None) {
        Ok(permit) => permit,
        Err(denial) => {
            session.refuse(*denial).await?;
            return Ok(());
        }
    };
    // It is no command of the agent's.
    session.commits_nothing();
    let recorded = session.record(vec![permit]).await?;
    for command in &recorded {
        let reply = command.reply();
        let bytes = told(session, masked, raw)?;
        let frames = vec![Masked::framing(bytes)];
        if let Some(held) = session.weigh(&reply, &frames).await? {
            session.held(held, std::future::ready(())).await?;
        }
        session.room().await?;
        let releasing = session.finish(reply, None, frames, EndStatus::Complete, None, BTreeMap::new());
        agent.release(&releasing.durable().await?).await?;
    }
    Ok(())
}

/// What the agent gets of a message.
fn told(session: &mut Session, masked: bool, raw: &Raw) -> Result<Vec<u8>, SessionError> {
    Ok(match Backend::parse(raw)? {
        Backend::Notification { process, channel } if masked => {
            let body = [&process.to_be_bytes(), channel.as_bytes(), &[0, 0]].concat();
            encode::message(b'A', &body)
        }
        Backend::Notification { .. } => netted::notification(session.net(), raw),
        Backend::Notice(_) => netted::report(session.net(), Channel::Notice, raw),
        _ => netted::setting(session.net(), raw),
    })
}
