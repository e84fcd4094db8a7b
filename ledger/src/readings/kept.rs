//! What the event of a search keeps for good: ids of sessions, and times; that of a scoped export also names. All have to be of this
//! log, for a birth date looks like a time, and the id of a patient may look like that of a session. The token of a patient is kept
//! as it is, for it is keyed, where the search index knows it: an identifier that somebody gives in its place may look like one.
//!
//! Not here: that of all else a search keeps words of ours alone ([`exhibit_schemas::reading`]).

use exhibit_schemas::event::{Event, Timestamp};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::{Kept, Question};
use exhibit_schemas::scoped::Scope;

use crate::error::LedgerError;
use crate::ledger::Ledger;

/// How far outside of the log a time may be, as in "from the beginning of the year": more days than any year has.
const AROUND_US: u64 = 366 * 86_400 * 1_000_000;

/// What of a question is not of this log, in words for who asked.
pub(super) fn stranger(ledger: &Ledger, question: &Question) -> Result<Option<&'static str>, LedgerError> {
    let (mut sessions, mut times) = (Vec::new(), Vec::new());
    for kept in question.kept() {
        match kept {
            Kept::Session(session) => sessions.push(session),
            Kept::Time(time) => times.push(time),
        }
    }
    for session in sessions {
        if ledger.shared().store.session(session.0)?.is_none() {
            return Ok(Some("no session of this log has such an id"));
        }
    }
    if let Question::Scoped(_, scope) = question
        && !is_known(ledger, scope)?
    {
        return Ok(Some("no session of this log has such a subject, or such a target"));
    }
    if times.is_empty() {
        return Ok(None);
    }
    let first = ledger.entry(Index(0))?.and_then(|entry| Event::decode(&entry).ok());
    let begin = first.map_or(Timestamp(0), |genesis| genesis.time);
    let around = begin.0.saturating_sub(AROUND_US)..=ledger.shared().now().0.saturating_add(AROUND_US);
    let outside = times.iter().any(|time| !around.contains(&time.0));
    Ok(outside.then_some("the log has nothing of such a time"))
}

/// What of a question is not of this log, as far as how much there is to read says: a token of a patient that the index knows nothing
/// of may be an identifier as it stands. Where there is no index, every token is unknown.
pub(super) fn unknown_patient(question: &Question, count: u64) -> Option<&'static str> {
    match question {
        Question::Scoped(_, scope) if scope.patient().is_some() && count == 0 => {
            Some("no session of this log is of the scope: its search index knows no such patient")
        }
        _ => None,
    }
}

/// Whether the names of a scope are those of a session of this log.
fn is_known(ledger: &Ledger, scope: &Scope) -> Result<bool, LedgerError> {
    let (mut subject, mut target) = (scope.subject(), scope.target());
    let mut sessions = ledger.shared().store.sessions(None);
    while subject.is_some() || target.is_some() {
        let Some(found) = sessions.next() else { return Ok(false) };
        let (_, record) = found?;
        subject = subject.filter(|name| *name != record.subject);
        target = target.filter(|name| *name != record.target);
    }
    Ok(true)
}
