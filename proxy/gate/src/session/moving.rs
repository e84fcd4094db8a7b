//! How a session moves from one policy to the next: between two groups of commands, and in one piece.

use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;

use super::Session;
use crate::error::GateError;
use crate::in_force::Policy;

impl Session {
    /// Takes up the policy in force, by which requests are to be read and decided from here on. It stays in force until what
    /// is decided was handed over, so nothing is to be waited for in between but people, and that is looked at again.
    ///
    /// To be called where no reply is under way: another policy may mask otherwise.
    pub async fn take_up_policy(&mut self) -> Arc<Snapshot> {
        let policy = self.hold_policy().await;
        let snapshot = Arc::clone(policy.snapshot());
        if snapshot.digest() != self.policy().digest() {
            self.net.renew(&snapshot, &self.target);
            self.policy = policy;
        }
        snapshot
    }

    /// Whether what its commands are decided by is in force, and then stays so until something is handed over.
    pub async fn goes_by_policy_in_force(&mut self) -> bool {
        let current = self.hold_policy().await.snapshot().digest();
        let same = current == self.policy().digest();
        if !same {
            self.let_go_of_policy();
        }
        same
    }

    /// Lets another policy come into force, where nothing was decided that is not handed over.
    pub fn let_go_of_policy(&mut self) {
        if self.held.is_empty() {
            self.deciding = None;
        }
    }

    /// The policy that its commands are decided by.
    pub fn policy(&self) -> &Arc<Snapshot> {
        self.policy.snapshot()
    }

    /// The policy in force, which stays so until something is handed over.
    pub(crate) async fn hold_policy(&mut self) -> Arc<Policy> {
        if self.deciding.is_none() {
            self.deciding = Some(self.gate.deciding().await);
        }
        let deciding = self.deciding.as_ref().expect("it was just put there");
        Arc::clone(&deciding.policy)
    }

    /// Holds that what was decided goes out under the policy in force.
    pub(crate) async fn decided_by(&mut self, policies: impl IntoIterator<Item = Digest>) -> Result<(), GateError> {
        let current = self.hold_policy().await.snapshot().digest();
        match policies.into_iter().find(|policy| *policy != current) {
            None => Ok(()),
            Some(_) => Err(self.refused(GateError::PolicyChanged)),
        }
    }
}
