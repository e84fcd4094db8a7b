//! Requests that outlive the wait of their session, until a retry takes them up or they expire.
//!
//! A retry is the same: the exact bytes, what they do and the decision about them, the requester, and everything that could have
//! made its session another than that of the first was run there as it was run here. Whoever holds a request's place decides
//! what comes of it, so it is taken up once, however many try at the same time.
//!
//! # Known limits
//! The table is this process's own. What it holds ends with it, and the same command is asked about anew.

use std::sync::Arc;

use exhibit_policy::approval::same_requester;
use exhibit_policy::estimate::same_again;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};

use crate::answers::Answers;
use crate::approval::Question;
use crate::request::Judged;
use crate::session::Session;

/// Requests at the most, each a question of an event's size: 64 MiB of a proxy's memory. With more, sessions wait to the end.
const OPEN_MAX: usize = 1_024;

/// Where the answers to a question are while nobody waits for them; `None` while its first asker does, and once it has ended.
pub(crate) type Place = Arc<Mutex<Option<Answers>>>;

/// The place of a question, held by the session that waits.
pub(crate) type Held = OwnedMutexGuard<Option<Answers>>;

/// A request that is open.
pub(crate) struct Open {
    pub(crate) question: Arc<Question>,
    pub(crate) place: Place,
    /// What its session had run before, as [`Session::before`] says.
    before: Digest,
}

/// All of one proxy.
#[derive(Default)]
pub(crate) struct Retries {
    open: Mutex<Vec<Open>>,
}

impl Retries {
    /// The table; while one looks up what to ask, nobody else begins to ask the same.
    pub(crate) async fn lock(&self) -> Table<'_> {
        Table(self.open.lock().await)
    }
}

/// The table, in one hand.
pub(crate) struct Table<'a>(MutexGuard<'a, Vec<Open>>);

impl Table<'_> {
    /// The open request of which a command is a retry. Those of an earlier term are gone: their policy has left since.
    pub(crate) fn find(&mut self, judged: &Judged, session: &Session, now: Timestamp) -> Option<&Open> {
        let term = session.gate().policy_term();
        self.0.retain(|open| {
            let ended = open.place.try_lock().is_ok_and(|answers| answers.is_none());
            !ended && now < open.question.expires() && open.question.term == term
        });
        self.0.iter().find(|open| {
            let Question { body, requester, .. } = &*open.question;
            body.command == judged.digest
                && body.target == session.target()
                && body.statement == judged.request.statement
                && same_again(&body.facts, &judged.request.facts)
                && body.decision == judged.decision
                && open.before == session.before()
                && same_requester(requester, session.principal())
        })
    }

    /// Whether one more finds room.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < OPEN_MAX
    }

    /// Takes a question in whose asker waits; gives its place.
    pub(crate) fn begin(&mut self, question: Arc<Question>, before: Digest) -> Held {
        let place: Place = Arc::default();
        let held = Arc::clone(&place).try_lock_owned();
        self.0.push(Open {
            question,
            place,
            before,
        });
        held.expect("nobody else has seen a place that was made here")
    }
}
