//! What a connection keeps: the session of whoever signed last, and what ends it whatever it is at.

use std::sync::Arc;

use exhibit_gate::Gate;
use exhibit_gate::session::Session;
use exhibit_identity::Standing;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;
use tokio::time::Instant;

use super::SessionError;

/// What a connection has.
pub(crate) struct State {
    pub(crate) open: Option<Open>,
    /// When something was last asked or answered.
    pub(crate) active: Instant,
    /// Why it ended, where it did by itself.
    pub(crate) ended: Option<&'static str>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            open: None,
            active: Instant::now(),
            ended: None,
        }
    }
}

/// The session of whoever signed last.
pub(crate) struct Open {
    pub(crate) session: Session,
    pub(super) principal: Principal,
    pub(super) watch: Arc<Watch>,
}

impl Open {
    pub(crate) const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Why it has to end, whatever it is at.
    pub(crate) fn over(&self, gate: &Gate) -> Option<SessionError> {
        self.watch.over(gate)
    }
}

/// What ends a session whatever it is at.
pub(crate) struct Watch {
    pub(super) expires: Option<Timestamp>,
    pub(super) standing: Standing,
    pub(super) begun: Instant,
}

impl Watch {
    /// Why it has to end.
    pub(crate) fn over(&self, gate: &Gate) -> Option<SessionError> {
        let limits = gate.policy().limits();
        if !self.standing.stands() {
            return Some(SessionError::Revoked);
        }
        if self.begun.elapsed().as_secs() >= limits.session_s {
            return Some(SessionError::Limit);
        }
        let expired = self.expires.is_some_and(|expires| gate.now() >= expires);
        (expired && limits.expiry_ends_session).then_some(SessionError::Expired)
    }
}
