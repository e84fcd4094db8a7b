//! Time and the commands of a session: when what the agent came with expires, and rules that match at some hours alone.

use exhibit_policy::decide::decide;
use exhibit_policy::estimate::same_again;
use exhibit_policy::hours::{time_of, timed};

use super::{Permit, Session};
use crate::error::GateError;

/// How long after its decision a command may be recorded by it, where its policy has hours. Only what was decided together with
/// something that people were asked about waits longer.
const DECIDED_US: u64 = 1_000_000;

impl Session {
    /// Holds that what the agent came with has not expired.
    pub(crate) fn in_time(&self) -> Result<(), GateError> {
        let expires = self.expires.filter(|_| self.policy().limits().expiry_ends_session);
        match expires {
            Some(expires) if self.gate.now() >= expires => Err(GateError::Expired),
            _ => Ok(()),
        }
    }

    /// Decides again what waited since it was decided: it passes by what holds now. What people approved passes by their word.
    pub(super) fn in_hours(&self, permits: &mut [Permit]) -> Result<(), GateError> {
        let now = self.gate.now();
        for permit in permits.iter_mut().filter(|permit| permit.approved.is_none()) {
            let judged = &mut permit.judged;
            let Some(decided) = time_of(&judged.request.facts) else {
                continue;
            };
            if now.0.abs_diff(decided.0) <= DECIDED_US {
                continue;
            }
            let mut facts = judged.request.facts.clone();
            timed(&mut facts, now);
            let again = decide(self.policy.snapshot(), &self.principal, &self.target, &facts);
            debug_assert!(same_again(&judged.request.facts, &facts));
            if again.effect != judged.decision.effect {
                return Err(self.refused(GateError::Hours));
            }
            (judged.request.facts, judged.decision) = (facts, again);
        }
        Ok(())
    }
}
