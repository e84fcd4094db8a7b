//! Previews before people are asked: where one is run, and what people are told where none is.
//!
//! It is run between the agent's transactions alone: in one that is open, what it locks and what it conflicts with would outlast the way
//! back to a savepoint.

use exhibit_gate::session::{Denial, Pending};

use super::asking::cancellation;
use super::{AHEAD_BYTES_MAX, Driver, SessionError};
use crate::analysis::Foreign;
use crate::encoding::Encoding;
use crate::group::Draft;
use crate::preview::{LONGEST, NOT_TAKEN_BACK, Trial};
use crate::upstream::Place;

/// Why nothing is run.
const OPEN: &str = "it stands in an open transaction";
const WITHIN_PIPELINE: &str = "it stands in a pipeline whose Sync is still to come";
const AMONG_OTHERS: &str = "it stands among other commands in the same pipeline";
const LETTERS: &str = "the session is in another encoding than UTF8";
const CANCELLED: &str = "its agent had cancelled it";
const FOREIGN: &str = "code that is not known has run in the session since the definitions were read";

impl Driver {
    /// Whether it is known of these requests what may be run and rolled back; `false` where the definitions are to be loaded, and the
    /// messages read, again.
    pub(super) async fn knows_what_to_preview(&mut self, drafts: &mut [Draft]) -> Result<bool, SessionError> {
        if !self.policy.previews(&self.target) {
            return Ok(true);
        }
        // These messages are those that were read again, whatever comes of them.
        let reread = std::mem::take(&mut self.state.reread_to_preview);
        let idle = self.place() == Place::Idle && !self.deaf();
        // What stands before it would not be applied to its run, and would be recorded between the run and its command.
        let alone = drafts.len() == 1;
        let mut wants = false;
        for draft in drafts {
            if !alone && draft.trial.is_ok() {
                draft.trial = Err(AMONG_OTHERS);
            }
            // By other definitions it may be taken back after all.
            let may_run = matches!(draft.trial, Ok(_) | Err(NOT_TAKEN_BACK));
            wants |= may_run && self.session.wants_preview(&draft.request);
        }
        wants &= self.upstream.encoding == Encoding::Utf8;
        // Where they are others again by the time of the run, that is seen then.
        if !idle || !wants || reread {
            return Ok(true);
        }
        // The answer may take its time. What is decided is decided after it.
        self.session.let_go_of_policy();
        let known = self.state.foreign == Foreign::None;
        let holds = known
            && self
                .upstream
                .defines(&self.catalog)
                .await
                .map_err(SessionError::Target)?
                != Ok(false);
        self.state.stale |= !holds;
        self.state.reread_to_preview = !holds;
        Ok(holds)
    }

    /// What people are asked, with what a preview has shown where they are to be shown one.
    pub(super) async fn previewed(
        &mut self,
        mut pending: Pending,
        trial: Result<Trial, &'static str>,
    ) -> Result<Result<Pending, Denial>, SessionError> {
        let to_preview = tokio::select! {
            biased;
            to_preview = self.session.is_to_preview(&mut pending) => to_preview?,
            () = self.incoming.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
            () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
        };
        if !to_preview {
            return Ok(Ok(pending));
        }
        let trial = match (trial, self.unpreviewed()) {
            (Ok(trial), None) => trial,
            (Err(why), _) | (Ok(_), Some(why)) => return Ok(Ok(pending.unpreviewed(why))),
        };
        // Nothing is run any more of what was cancelled before; it is withdrawn as soon as it is asked.
        let cancelled = cancellation(&mut self.state.cancellation, &self.registered.cancelled);
        let is_cancelled = tokio::select! {
            biased;
            () = cancelled => true,
            () = std::future::ready(()) => false,
        };
        if is_cancelled {
            return Ok(Ok(pending.unpreviewed(CANCELLED)));
        }
        self.room().await?;
        if self.take_up().await?.digest() != pending.policy() {
            return Ok(Err(self.session.outrun(pending)));
        }
        // P1: from here on the target may get it.
        let recorded = match self.session.preview(&pending, trial.parts(), trial.met()).await? {
            Ok(recorded) => recorded,
            Err(why) => return Ok(Ok(pending.unpreviewed(&why))),
        };
        self.session.let_go_of_policy();
        self.state.under_way = true;
        let run = tokio::time::timeout(LONGEST, self.upstream.preview(&recorded, &self.catalog));
        let rows = tokio::select! {
            biased;
            // What is not over by then ends with its session, whose connection the server then has no more.
            rows = run => rows.map_err(|_| SessionError::Slow)?.map_err(SessionError::Target)?,
            () = self.incoming.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
            () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
        };
        self.state.under_way = false;
        // Before a policy is held.
        self.room().await?;
        if self.take_up().await?.digest() != pending.policy() {
            return Ok(Err(self.session.outrun(pending)));
        }
        Ok(Ok(pending.previewed(&recorded, rows)))
    }

    /// Why nothing is run, whatever it is.
    fn unpreviewed(&self) -> Option<&'static str> {
        match self.place() {
            Place::Transaction => Some(OPEN),
            Place::Pipeline => Some(WITHIN_PIPELINE),
            Place::Idle if self.upstream.encoding != Encoding::Utf8 => Some(LETTERS),
            Place::Idle => (self.state.foreign > Foreign::None).then_some(FOREIGN),
        }
    }
}
