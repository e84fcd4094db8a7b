//! What people's approval of one question lets out, for as long as something comes of it: commands, rows, and the time until somebody
//! takes it back.
//!
//! Whoever records a command or releases a part of a reply asks first. Rows are taken before they are handed over, so the count is never
//! too low.
//!
//! Not here: who may take an approval back ([`exhibit_policy::approval::check_revocation`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use exhibit_policy::approval::in_hours;
use exhibit_policy::mask::Masked;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Frame;
use exhibit_schemas::event::approval::GrantScope;
use exhibit_schemas::terms::{Allowed, Granted};

use crate::answers::Answers;
use crate::approval::{POLICY_CHANGED, Question};
use crate::error::GateError;
use crate::release::Reply;
use crate::request::{Approved, Cleared, Permit};
use crate::session::{Session, Stopped};

/// What an agent is told whose reply came to more rows than people approved.
const ROWS: &str = "it came to more rows than people approved";

/// What an agent is told of whom nothing goes on after the emergency by which it passed has ended.
const EMERGENCY_OVER: &str = "the time of the emergency by which it passed is over";

/// What an agent is told where a person has taken the approval back.
const TAKEN_BACK: &str = "a person took its approval back";

/// What an agent is told where the approval has ended with the word, or the key, of one who gave it.
const ENDED: &str = "the key of a person who approved it was revoked";

/// What an agent is told where the time is over in which something may begin by the approval.
const OVER: &str = "the time of its approval is over";

/// What was approved, and what came of it so far.
pub(crate) struct Allowance {
    answers: Answers,
    /// Leaf hashes of the decisions.
    decisions: Vec<Digest>,
    state: Mutex<State>,
    /// When it ends, where it was let pass in an emergency.
    ends: Option<Timestamp>,
}

struct State {
    allowed: Allowed,
    /// Rows.
    released: u64,
    /// Rows that were changed.
    changed: u64,
    /// Commands that passed by it, the first among them.
    commands: u64,
}

/// Why nothing more comes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// By what people said.
    Approval(&'static str),
    /// What people said was missed, and may have taken it back.
    Missed(&'static str),
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Allowance({:?})", self.state().allowed)
    }
}

impl Allowance {
    /// What the approval of a question by these decisions allows from now on; so many rows of the same reply have left before.
    ///
    /// # Errors
    /// Why nobody can know.
    pub(crate) fn new(
        answers: Answers,
        decisions: Vec<Digest>,
        released: u64,
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        let ends = answers.ends(&decisions, now)?;
        let state = Mutex::new(State {
            allowed: answers.allowed()?,
            released,
            changed: 0,
            commands: 1,
        });
        Ok(Self {
            answers,
            decisions,
            state,
            ends,
        })
    }

    /// What people were asked.
    pub(crate) fn question(&self) -> &Question {
        &self.answers.question
    }

    /// The grant, where it is one.
    pub(crate) fn grant(&self) -> Option<Granted> {
        self.state().allowed.grant.clone()
    }

    /// Leaf hashes of the decisions.
    pub(crate) fn decisions(&self) -> &[Digest] {
        &self.decisions
    }

    /// Takes one more command; says whether there was one left.
    pub(crate) fn takes_command(&self) -> bool {
        let mut state = self.state();
        let commands = state.commands.saturating_add(1);
        let rows = state.released.max(state.changed);
        let rows_left = state.allowed.rows.is_none_or(|most| rows < most);
        let grant = state.allowed.grant.as_ref();
        let left = grant.is_some_and(|grant| commands <= grant.uses) && rows_left;
        let takes = left && self.stands(&state).is_ok();
        if takes {
            state.commands = commands;
        }
        takes
    }

    /// Whether nothing more can come of its grant.
    pub(crate) fn is_used_up(&self) -> bool {
        let state = self.state();
        let grant = state.allowed.grant.as_ref();
        grant.is_none_or(|grant| state.commands >= grant.uses) || self.stands(&state).is_err()
    }

    /// Whether a person refuses it, or took it back.
    pub(crate) fn is_refused(&self) -> bool {
        self.answers.are_taken_back() == Ok(true)
    }

    /// Whether it is for a command by itself or for what is the same: not for whatever a session asks, and not in an emergency.
    pub(crate) fn is_for_the_like(&self) -> bool {
        let session = |grant: Granted| grant.scopes.contains(&GrantScope::Session);
        self.ends.is_none() && !self.grant().is_some_and(session)
    }

    /// Holds that something may begin by it: people say what they said, and nobody's key has ended since.
    fn may_begin(&self) -> Result<(), Ended> {
        self.stands(&self.state())?;
        if self.answers.are(&self.decisions)? {
            Ok(())
        } else {
            Err(Ended::Approval(ENDED))
        }
    }

    /// Hears who has limited it since.
    fn limit(&self) -> Result<(), Ended> {
        let allowed = self.answers.allowed()?;
        self.state().allowed = allowed;
        Ok(())
    }

    /// Holds that what was changed by it may last.
    pub(crate) fn may_last(&self) -> Result<(), Ended> {
        self.stands(&self.state())
    }

    /// Takes so many rows that are about to be released now.
    fn takes(&self, rows: u64, now: Timestamp) -> Result<(), Ended> {
        self.lasts(now)?;
        let mut state = self.state();
        self.stands(&state)?;
        let released = state.released.saturating_add(rows);
        if state.allowed.rows.is_some_and(|most| released > most) {
            return Err(Ended::Approval(ROWS));
        }
        state.released = released;
        Ok(())
    }

    /// Rows that people let it change and let out at the most, where they said how many.
    pub(crate) fn most(&self) -> Option<u64> {
        self.state().allowed.rows
    }

    /// Takes so many rows that were changed; `None` is that nobody knows how many, and so more than anybody approved.
    fn takes_changed(&self, rows: Option<u64>) -> Result<(), GateError> {
        let mut state = self.state();
        let Some(most) = state.allowed.rows else {
            state.changed = state.changed.saturating_add(rows.unwrap_or(0));
            return Ok(());
        };
        state.changed = state.changed.saturating_add(rows.unwrap_or(u64::MAX));
        if state.changed <= most {
            return Ok(());
        }
        Err(GateError::MoreRows {
            request: self.question().id(),
            changed: rows.map(|_| state.changed),
            most,
        })
    }

    /// Holds that the emergency is not over, where it is one.
    fn lasts(&self, now: Timestamp) -> Result<(), Ended> {
        if self.ends.is_some_and(|ends| now > ends) {
            return Err(Ended::Approval(EMERGENCY_OVER));
        }
        Ok(())
    }

    /// Holds that people still say what they said. One command that has passed is ended by what takes it back alone; a grant ends, too, with
    /// the key of one of those who signed it.
    fn stands(&self, state: &State) -> Result<(), Ended> {
        if self.answers.are_taken_back()? {
            return Err(Ended::Approval(TAKEN_BACK));
        }
        if state.allowed.grant.is_some() && !self.answers.are(&self.decisions)? {
            return Err(Ended::Approval(ENDED));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ended {
    /// The error of a group of which nothing was recorded.
    pub(crate) fn before(self) -> GateError {
        match self {
            Self::Approval(reason) => GateError::ApprovalEnded { reason },
            Self::Missed(reason) => missed(reason),
        }
    }
}

impl From<&'static str> for Ended {
    fn from(missed: &'static str) -> Self {
        Self::Missed(missed)
    }
}

impl Approved {
    /// Holds that something may begin by it at a time.
    fn may_begin(&self, now: Timestamp) -> Result<(), Ended> {
        self.allowance.may_begin()?;
        self.allowance.lasts(now)?;
        let question = self.allowance.question();
        let over = match &self.by {
            Some(grant) => grant.is_over(now),
            None => now > question.expires(),
        };
        // Hours do not hold in an emergency.
        let in_hours = self.allowance.ends.is_some() || in_hours(&question.body.requirement, now);
        if over || !in_hours {
            return Err(Ended::Approval(OVER));
        }
        Ok(())
    }
}

impl Session {
    /// Holds, where the policy in force is held and before anything is recorded, that what is to pass by people's approval still may: it may
    /// have waited for people who were asked about something beside it.
    pub(crate) fn may_begin(&self, permits: &[Permit]) -> Result<(), Ended> {
        let (now, term) = (self.gate().now(), self.gate().policy_term());
        for approved in approved(permits) {
            if approved.allowance.question().term != term {
                return Err(Ended::Approval(POLICY_CHANGED));
            }
            approved.may_begin(now)?;
            if approved.by.is_none() {
                approved.allowance.limit()?;
            }
        }
        Ok(())
    }

    /// Holds the same once all of it is recorded, before anything of it takes effect.
    pub(crate) fn still_may(&mut self, permits: &[Permit]) -> Result<(), GateError> {
        let now = self.gate().now();
        let ended = approved(permits).find_map(|approved| approved.may_begin(now).err());
        ended.map_or(Ok(()), |ended| Err(self.stops(ended, 0)))
    }

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
        let now = self.gate().now();
        let ended = totals
            .allowances
            .iter()
            .find_map(|allowance| allowance.takes(rows, now).err());
        let released = totals.rows;
        ended.map_or(Ok(()), |ended| Err(self.stops(ended, released)))
    }

    /// Takes so many rows that the target says a command has changed, of which the agent does not know yet, and holds that people approved as
    /// many of the command. `None` where it tells its rows in parts, or not how many it has changed.
    ///
    /// The target has not committed them: a protocol has it wait for that ([`Permit::most_rows`]).
    ///
    /// # Errors
    /// [`GateError`]; then the session has to end before the target commits them.
    pub fn changed(&mut self, reply: &Reply, rows: Option<u64>) -> Result<(), GateError> {
        self.own([reply.session])?;
        let Some(totals) = self.open.get_mut(&reply.command) else {
            return Ok(());
        };
        totals.changed = totals.changed.saturating_add(rows.unwrap_or(0));
        let Some(own) = totals.own.clone() else {
            return Ok(());
        };
        // What only reads is read in parts by whoever likes.
        if rows.is_none() && !self.changed_by(&own) {
            return Ok(());
        }
        own.takes_changed(rows).map_err(|error| {
            self.stopped = Some(Stopped::Approval);
            self.refused(error)
        })
    }

    /// Refuses commands of which one is approved for so many rows and is not counted before the target commits it: records that
    /// none of them passes.
    pub async fn uncounted(&mut self, permits: Vec<Permit>, place: usize, reason: &'static str) -> GateError {
        let error = uncounted(permits.get(place), reason);
        self.withdrawn(permits, error).await
    }

    /// The same once they are recorded: people have said how many rows while they waited for that.
    pub fn uncounted_now(&mut self, cleared: &Cleared, reason: &'static str) -> GateError {
        self.stopped = Some(Stopped::Approval);
        self.refused(uncounted(Some(cleared.permit()), reason))
    }

    /// Nothing passes any more by what has ended; so many rows had left.
    pub(crate) fn stops(&mut self, ended: Ended, rows: u64) -> GateError {
        let error = match ended {
            Ended::Approval(reason) => {
                self.stopped = Some(Stopped::Approval);
                GateError::Approval { reason, rows }
            }
            Ended::Missed(reason) => missed(reason),
        };
        self.refused(error)
    }
}

impl Permit {
    /// Whether people have approved it.
    pub const fn is_approved(&self) -> bool {
        self.approved.is_some()
    }

    /// Rows that it may change at the most, where people said how many: what it changes is then to be counted ([`Session::changed`]) before
    /// the target commits it, and what is not counted may not pass ([`Session::uncounted`]).
    pub fn most_rows(&self) -> Option<u64> {
        self.approved.as_ref().and_then(|approved| approved.allowance.most())
    }
}

fn uncounted(permit: Option<&Permit>, reason: &'static str) -> GateError {
    let approved = permit.and_then(|permit| permit.approved.as_ref());
    let allowance = approved.map(|approved| &approved.allowance);
    GateError::Uncounted {
        request: allowance.map(|allowance| allowance.question().id()).unwrap_or_default(),
        most: allowance.and_then(|allowance| allowance.most()).unwrap_or_default(),
        reason,
    }
}

/// What is to pass by people's approval.
fn approved(permits: &[Permit]) -> impl Iterator<Item = &Approved> {
    permits.iter().filter_map(|permit| permit.approved.as_ref())
}

/// The error of a session that cannot know what people say.
fn missed(reason: &str) -> GateError {
    GateError::LedgerUnavailable {
        reason: reason.to_owned(),
    }
}
