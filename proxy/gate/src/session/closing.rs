//! How a session ends: whatever is still open is said to have ended with it.

use std::collections::BTreeMap;

use exhibit_schemas::event::access::SessionClosed;

use super::{EndStatus, Session, Stopped, Ticket};
use crate::error::GateError;
use crate::release::{End, Totals};

/// Why a session ended that a threshold stopped, in its closing event.
const THRESHOLD: &str = "threshold";

/// Why a session ended that people's approval stopped, in its closing event.
const APPROVAL: &str = "approval";

/// Why a session that nobody closed ended, in its closing event.
const DROPPED: &str = "agent";

impl Session {
    pub(super) fn hand_over_close(&mut self, reason: &str) -> Result<Ticket, GateError> {
        self.closed = true;
        // Whatever else happens meanwhile, that is why nothing more leaves.
        let reason = match self.stopped {
            Some(Stopped::Threshold) => THRESHOLD,
            Some(Stopped::Approval) => APPROVAL,
            None => reason,
        };
        // A refused submission left no gap, so the end of the session can still be recorded; a lost one may have.
        self.failure.check_lost()?;
        let uncommitted = self.uncommitted();
        let cut = |(command, totals): (&u64, &Totals)| {
            let end = End {
                status: EndStatus::Cut,
                code: None,
                masked: BTreeMap::new(),
            };
            end.event(*command, totals, uncommitted.clone())
        };
        // A question whose asker goes away is one that nobody answered.
        let waiting = self.waiting.take().map(|waiting| waiting.bodies(self.next));
        let (mut bodies, command) = waiting.unwrap_or_default();
        if let Some(command) = command {
            self.commands = self.commands.saturating_add(1);
            self.open.insert(command, Totals::default());
        }
        bodies.extend(self.open.iter().map(cut));
        bodies.push(
            SessionClosed {
                reason: reason.to_owned(),
                commands: self.commands,
                bytes: self.bytes,
            }
            .into(),
        );
        self.submit(bodies).map(|handed| handed.ticket)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // The hand-over alone records the end; nobody is left to wait for the ticket.
        if let Err(error) = self.hand_over_close(DROPPED) {
            tracing::warn!(session = %self.id, %error, "the end of a session was not recorded");
        }
    }
}
