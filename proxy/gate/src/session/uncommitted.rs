//! What a session has changed by people's approval, and its target has not committed yet: nothing but its rollback passes once such an
//! approval was taken back.
//!
//! Not here: how a protocol commits. It says what its target has committed, when that has nothing open, and what cannot commit anything.

use std::sync::Arc;

use super::{Permit, Session};
use crate::allowance::{Allowance, Ended};
use crate::error::GateError;
use crate::release::Reply;

/// What was changed by people's approval and is not committed.
#[derive(Default)]
pub(super) struct Uncommitted {
    /// Each by one that people gave for it, or by a grant.
    by: Vec<Changed>,
    /// What passes next commits nothing of that.
    commits_nothing: bool,
}

/// Commands by one approval that changed something.
struct Changed {
    first: u64,
    last: u64,
    allowance: Arc<Allowance>,
}

impl Session {
    /// Whether what was changed by people's approval may be committed by the target, as far as it is not yet.
    /// Otherwise nothing may pass but what commits nothing.
    pub fn may_commit(&self) -> bool {
        self.stand().is_ok()
    }

    /// Holds that the target may commit now what was changed by people's approval, where the protocol has it do that without a command
    /// of the agent's.
    ///
    /// # Errors
    /// [`GateError`]; then the session has to end, and the target takes it back.
    pub fn commits(&mut self) -> Result<(), GateError> {
        self.may_settle()
    }

    /// Whether something was changed by people's approval, as far as is known, and the target may still take it back.
    pub fn has_uncommitted(&self) -> bool {
        !self.uncommitted.by.is_empty()
    }

    /// What passes next commits nothing of what was changed before, whatever comes of it: it takes all of it back, or runs nothing.
    pub fn commits_nothing(&mut self) {
        self.uncommitted.commits_nothing = true;
    }

    /// The target has nothing open: what was changed is committed or taken back.
    pub fn settled(&mut self) {
        self.uncommitted.by.clear();
    }

    /// The target has committed what was changed before a command, and by its parts before this one.
    pub fn committed(&mut self, reply: &Reply) {
        let command = reply.command;
        self.uncommitted.by.retain(|one| one.last >= command);
    }

    /// Whether what passes next may commit something; said once of each.
    pub(super) fn may_settle_next(&mut self) -> bool {
        !std::mem::take(&mut self.uncommitted.commits_nothing)
    }

    /// Holds that whatever passes next may commit what was changed before.
    pub(super) fn may_settle(&mut self) -> Result<(), GateError> {
        self.stand().map_err(|ended| self.stops(ended, 0))
    }

    fn stand(&self) -> Result<(), Ended> {
        self.uncommitted.by.iter().try_for_each(|one| one.allowance.may_last())
    }

    /// Notes what passes by people's approval, and may change something, with the sequences of its commands.
    pub(super) fn changes<'a>(&mut self, passing: impl Iterator<Item = (&'a Permit, u64)>) {
        for (permit, command) in passing.filter(|(permit, _)| !permit.judged.request.leaves_session()) {
            let Some(approved) = &permit.approved else { continue };
            let mut known = self.uncommitted.by.iter_mut();
            match known.find(|one| Arc::ptr_eq(&one.allowance, &approved.allowance)) {
                Some(known) => known.last = command,
                None => self.uncommitted.by.push(Changed {
                    first: command,
                    last: command,
                    allowance: Arc::clone(&approved.allowance),
                }),
            }
        }
    }

    /// Whether an approval is one by which something was changed that is not committed.
    pub(crate) fn changed_by(&self, allowance: &Arc<Allowance>) -> bool {
        self.uncommitted
            .by
            .iter()
            .any(|one| Arc::ptr_eq(&one.allowance, allowance))
    }

    /// The first command of each approval by which something was changed that is not committed, for the end of a reply.
    pub(super) fn uncommitted(&self) -> Option<Vec<u64>> {
        let commands: Vec<u64> = self.uncommitted.by.iter().map(|one| one.first).collect();
        Some(commands).filter(|commands| !commands.is_empty())
    }
}
