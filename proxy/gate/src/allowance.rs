//! What people's approval of one question lets out, for as long as something comes of it: rows, and the time until somebody takes it
//! back.
//!
//! Whoever releases asks first. Rows are taken before they are handed over, so the count is never too low.
//!
//! Not here: who may take an approval back ([`exhibit_policy::approval::check_revocation`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use exhibit_policy::mask::Masked;
use exhibit_schemas::event::access::Frame;

use crate::approval::Answers;
use crate::error::GateError;
use crate::session::{Session, Stopped};

/// What an agent is told whose reply came to more rows than people approved.
const ROWS: &str = "it came to more rows than people approved";

/// What an agent is told where a person has taken the approval back.
const TAKEN_BACK: &str = "a person took its approval back";

/// What was approved, and what came of it so far.
pub(crate) struct Allowance {
    state: Mutex<State>,
    /// Rows that may be released at the most.
    rows: Option<u64>,
}

struct State {
    answers: Answers,
    released: u64,
}

/// Why nothing more leaves.
enum Ended {
    /// By what people said.
    Approval(&'static str),
    /// What people said was missed, and may have taken it back.
    Missed(&'static str),
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Allowance({:?} rows)", self.rows)
    }
}

impl Allowance {
    /// What the approval of a question allows; so many rows of the same reply have left before.
    pub(crate) fn new(answers: Answers, released: u64) -> Self {
        let rows = answers.rows();
        let state = Mutex::new(State { answers, released });
        Self { state, rows }
    }

    /// Takes so many rows that are about to be released.
    fn takes(&self, rows: u64) -> Result<(), Ended> {
        let mut state = self.state();
        state.answers.read().map_err(Ended::Missed)?;
        if state.answers.are_taken_back() {
            return Err(Ended::Approval(TAKEN_BACK));
        }
        let released = state.released.saturating_add(rows);
        if self.rows.is_some_and(|most| released > most) {
            return Err(Ended::Approval(ROWS));
        }
        state.released = released;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Holds that what people approved lets these frames of a reply out, and takes their rows.
    pub(crate) fn lets_out(&mut self, command: u64, frames: &[Masked<Frame>]) -> Result<(), GateError> {
        if frames.is_empty() {
            return Ok(());
        }
        self.goes_on(command, frames.iter().map(Masked::rows).fold(0, u64::saturating_add))
    }

    /// Holds that what people approved still stands, for so many rows of a reply or for data that follows a command.
    pub(crate) fn goes_on(&mut self, command: u64, rows: u64) -> Result<(), GateError> {
        let Some(totals) = self.open.get(&command) else {
            return Ok(());
        };
        let ended = totals
            .allowances
            .iter()
            .find_map(|allowance| allowance.takes(rows).err());
        let released = totals.rows;
        match ended {
            None => Ok(()),
            Some(Ended::Approval(reason)) => {
                self.stopped = Some(Stopped::Approval);
                Err(self.refused(GateError::Approval { reason, rows: released }))
            }
            Some(Ended::Missed(reason)) => Err(self.refused(GateError::LedgerUnavailable {
                reason: reason.to_owned(),
            })),
        }
    }
}
