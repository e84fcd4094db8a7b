//! What a session has changed by people's approval, and its target has not committed yet: nothing but its rollback passes once such an
//! approval was taken back.
//!
//! Not here: how a protocol commits. It says when its target has nothing open, and when all of it is to be rolled back.

use std::sync::Arc;

use super::{Permit, Session};
use crate::allowance::Ended;
use crate::error::GateError;

impl Session {
    /// Whether what was changed by people's approval may be committed by the target, as far as it is not yet.
    /// Otherwise a rollback of all of it alone may pass, which [`Session::settled`] announces.
    pub fn may_commit(&self) -> bool {
        self.stand().is_ok()
    }

    /// The target has nothing open, or what passes next takes back all of it, and does nothing else.
    pub fn settled(&mut self) {
        self.uncommitted.clear();
    }

    /// Holds that whatever passes next may commit what was changed before.
    pub(super) fn may_settle(&mut self) -> Result<(), GateError> {
        self.stand().map_err(|ended| self.stops(ended, 0))
    }

    fn stand(&self) -> Result<(), Ended> {
        self.uncommitted
            .iter()
            .try_for_each(|(_, allowance)| allowance.may_last())
    }

    /// Notes what passes by people's approval, and may change something, with the sequences of its commands.
    pub(super) fn changes<'a>(&mut self, passing: impl Iterator<Item = (&'a Permit, u64)>) {
        for (permit, command) in passing.filter(|(permit, _)| !permit.judged.request.leaves_session()) {
            let Some(approved) = &permit.approved else { continue };
            let known = |(_, allowance): &(u64, _)| Arc::ptr_eq(allowance, &approved.allowance);
            if !self.uncommitted.iter().any(known) {
                self.uncommitted.push((command, Arc::clone(&approved.allowance)));
            }
        }
    }

    /// The first command of each approval by which something was changed that is not committed, for the end of a reply.
    pub(super) fn uncommitted(&self) -> Option<Vec<u64>> {
        let commands: Vec<u64> = self.uncommitted.iter().map(|(command, _)| *command).collect();
        Some(commands).filter(|commands| !commands.is_empty())
    }
}
