//! What people's approval of one question lets out, for as long as something comes of it: rows, and the time until somebody takes it
//! back.
//!
//! Whoever releases asks first. Rows are taken before they are handed over, so the count is never too low.
//!
//! Not here: who may take an approval back ([`exhibit_policy::approval::check_revocation`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exhibit_policy::mask::Masked;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Frame;
use exhibit_schemas::terms::{Allowed, Granted};

use crate::approval::{Answers, Question};
use crate::error::GateError;
use crate::session::{Session, Stopped};

/// What an agent is told whose reply came to more rows than people approved.
const ROWS: &str = "it came to more rows than people approved";

/// What an agent is told where a person has taken the approval back.
const TAKEN_BACK: &str = "a person took its approval back";

/// What was approved, and what came of it so far.
pub(crate) struct Allowance {
    state: Mutex<State>,
    question: Arc<Question>,
    decisions: Vec<Digest>,
    allowed: Allowed,
}

struct State {
    answers: Answers,
    /// Rows.
    released: u64,
    /// Commands that passed by it, the first among them.
    commands: u64,
    /// Why nobody can know any more what people say of it.
    missed: Option<&'static str>,
}

/// What an agent is told where a grant has ended with the word, or the key, of one who gave it.
const GRANT_ENDED: &str = "the grant that it passed by has ended";

/// Why nothing more leaves.
enum Ended {
    /// By what people said.
    Approval(&'static str),
    /// What people said was missed, and may have taken it back.
    Missed(&'static str),
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Allowance({:?})", self.allowed)
    }
}

impl Allowance {
    /// What the approval of a question by these decisions allows; so many rows of the same reply have left before.
    pub(crate) fn new(answers: Answers, decisions: Vec<Digest>, released: u64) -> Self {
        let (question, allowed) = (Arc::clone(&answers.question), answers.allowed());
        let state = Mutex::new(State {
            answers,
            released,
            commands: 1,
            missed: None,
        });
        Self {
            state,
            question,
            decisions,
            allowed,
        }
    }

    /// What people were asked.
    pub(crate) fn question(&self) -> &Question {
        &self.question
    }

    /// The grant, where it is one.
    pub(crate) fn grant(&self) -> Option<&Granted> {
        self.allowed.grant.as_ref()
    }

    /// Leaf hashes of the decisions.
    pub(crate) fn decisions(&self) -> &[Digest] {
        &self.decisions
    }

    /// Takes one more command; says whether there was one left.
    pub(crate) fn takes_command(&self) -> bool {
        let mut state = self.state();
        let commands = state.commands.saturating_add(1);
        let rows_left = self.allowed.rows.is_none_or(|most| state.released < most);
        let left = self.grant().is_some_and(|grant| commands <= grant.uses) && rows_left;
        let takes = left && self.stands(&mut state).is_ok();
        if takes {
            state.commands = commands;
        }
        takes
    }

    /// Whether people still say what they said.
    pub(crate) fn still_stands(&self) -> bool {
        self.stands(&mut self.state()).is_ok()
    }

    /// Whether nothing more can come of its grant.
    pub(crate) fn is_used_up(&self) -> bool {
        let mut state = self.state();
        self.grant().is_none_or(|grant| state.commands >= grant.uses) || self.stands(&mut state).is_err()
    }

    /// Takes so many rows that are about to be released.
    fn takes(&self, rows: u64) -> Result<(), Ended> {
        let mut state = self.state();
        self.stands(&mut state)?;
        let released = state.released.saturating_add(rows);
        if self.allowed.rows.is_some_and(|most| released > most) {
            return Err(Ended::Approval(ROWS));
        }
        state.released = released;
        Ok(())
    }

    /// Holds that people still say what they said. One command that has passed is ended by what takes it back alone; a grant ends, too, with
    /// a refusal, and with the key of one of those who signed it.
    fn stands(&self, state: &mut State) -> Result<(), Ended> {
        let State { answers, missed, .. } = state;
        if missed.is_none() {
            *missed = answers.read().err();
        }
        if let Some(reason) = missed {
            return Err(Ended::Missed(reason));
        }
        if state.answers.are_taken_back() {
            return Err(Ended::Approval(TAKEN_BACK));
        }
        if self.grant().is_some() && !state.answers.are(&self.decisions) {
            return Err(Ended::Approval(GRANT_ENDED));
        }
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
