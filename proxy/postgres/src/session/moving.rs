//! What a session does when another policy comes into force: it goes on under that one from its next group of messages on, or
//! ends.
//!
//! Statements are read again, as texts; what was read of them goes with the policy that it was read by (`read.rs`). A portal
//! keeps a plan and what was proven of it, so where other masks hold it runs no more. A session ends where what it was let in
//! by has changed: whether anything of its target is masked, which decides how text may be read, and where the database masks,
//! what it masks. A session that begins then is refused until the database does.
//!
//! Not here: limits, which hold at once whatever a session is at (see [`crate::last`]).

use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;

use super::{Driver, SessionError};
use crate::config::Masking;

/// The protocol of targets in policies.
const PROTOCOL: &str = "postgres";

/// Why a session ends, and none begins half-way.
pub(crate) const MASKED_OTHERWISE: &str = "it masks this target now, or does no more";

impl Driver {
    /// The policy in force, by which the next messages are read and decided. It stays in force until what they ask for was
    /// handed over.
    ///
    /// # Errors
    /// [`SessionError::PolicyChanged`] where the session cannot go on under it.
    pub(super) async fn take_up(&mut self) -> Result<Arc<Snapshot>, SessionError> {
        let policy = self.session.take_up_policy().await;
        if policy.digest() == self.policy.digest() {
            return Ok(policy);
        }
        let before = std::mem::replace(&mut self.policy, Arc::clone(&policy));
        let target: &str = &self.target;
        let mut targets = policy.targets().iter();
        if !targets.any(|known| known.name == target && known.protocol == PROTOCOL) {
            return Err(SessionError::PolicyChanged("it does not have this target"));
        }
        if before.masks_target(target) != policy.masks_target(target) {
            return Err(SessionError::PolicyChanged(MASKED_OTHERWISE));
        }
        if !policy.masks_like(&before, target) {
            if self.masking == Masking::Database {
                return Err(SessionError::PolicyChanged("the database is to mask otherwise"));
            }
            self.state.names.outdate_portals();
        }
        tracing::debug!(session = %self.session.id(), policy = %policy.digest(), "a session goes on under another policy");
        Ok(policy)
    }
}
