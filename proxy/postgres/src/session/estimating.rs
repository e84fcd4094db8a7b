//! How many rows the server expects of requests, asked before they are decided where the policy goes by it.
//!
//! Where code ran of which nobody knows what it did, the definitions by which a plan is known to run none are loaded first, and
//! the messages are read again.

use exhibit_gate::session::Reach;
use exhibit_policy::estimate::Estimate;

use super::{AHEAD_BYTES_MAX, Driver, SessionError};
use crate::analysis::Foreign;
use crate::encoding::Encoding;
use crate::estimate::Question;
use crate::group::{Draft, Known};
use crate::upstream::Place;

/// Why the server is not asked.
const WITHIN_PIPELINE: &str = "it stands in a pipeline whose Sync is still to come";
const AFTER_CHANGE: &str = "it follows what may change rows in the same pipeline";
const FAILED: &str = "the transaction has failed";
const LETTERS: &str = "it has letters beyond ASCII in another encoding than UTF8";

impl Driver {
    /// Has each request whose decision hangs on it say how many rows it reads out or changes. `false` where the messages have to be
    /// read again, by definitions that are loaded before.
    pub(super) async fn estimated(&mut self, drafts: &mut [Draft]) -> Result<bool, SessionError> {
        if !self.policy.estimates(&self.target) {
            return Ok(true);
        }
        let mut unchanged = true;
        for draft in drafts {
            let behind = !unchanged;
            unchanged &= !draft.runs || draft.request.reach == Reach::Nothing;
            if !self.session.wants_estimate(&draft.request) {
                continue;
            }
            let unknown = |cause: &str| Estimate::Unknown(cause.to_owned());
            let estimate = match (draft.known(), self.unasked(behind)) {
                (Known::Said(estimate), _) => estimate,
                (Known::Asks(_), Some(cause)) => unknown(cause),
                (Known::Asks(_), None) if self.state.foreign > Foreign::None => {
                    self.state.stale = true;
                    return Ok(false);
                }
                (Known::Asks(question), None) if self.upstream.encoding != Encoding::Utf8 && !question.is_ascii() => {
                    unknown(LETTERS)
                }
                (Known::Asks(question), None) => self.ask_for_rows(&question).await?,
            };
            estimate.state(&mut draft.request.facts);
        }
        Ok(true)
    }

    /// Why the server is not asked about what runs next.
    fn unasked(&self, behind_change: bool) -> Option<&'static str> {
        match self.place() {
            _ if self.deaf() => Some(FAILED),
            Place::Pipeline => Some(WITHIN_PIPELINE),
            Place::Idle | Place::Transaction => behind_change.then_some(AFTER_CHANGE),
        }
    }

    async fn ask_for_rows(&mut self, question: &Question) -> Result<Estimate, SessionError> {
        // The answer may take its time. What is decided is decided after it.
        self.session.let_go_of_policy();
        let place = self.place();
        let answer = tokio::select! {
            biased;
            answer = self.upstream.estimate(place, question) => answer.map_err(SessionError::Target)?,
            () = self.incoming.gone(AHEAD_BYTES_MAX) => return Err(SessionError::gone()),
            () = self.shutdown.cancelled() => return Err(SessionError::Shutdown),
        };
        self.state.status = answer.status;
        Ok(answer.rows.map_or_else(Estimate::Unknown, Estimate::Rows))
    }
}
