//! Which administrators approved which policy.
//!
//! Whose approvals count is not said here and nowhere in the log: one administrator alone can enrol as many others as it likes. The
//! trust anchors say it ([`crate::bundle::TrustAnchors::policy_approvals`]). What was approved stays approved, whatever becomes of
//! the key later; a key that has ended approves nothing.

use std::collections::BTreeMap;

use super::KeyringError;
use crate::digest::Digest;
use crate::key::KeyId;
use crate::merkle::Index;

/// Policies that may ever be approved: ten a day for seventeen years. Each takes some hundred bytes of every reader.
pub const POLICIES_MAX: usize = 65_536;

/// Approvals of policies by administrators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyApprovals(BTreeMap<Digest, BTreeMap<KeyId, Index>>);

impl PolicyApprovals {
    /// The keys that approved a policy, and the index of each one's first approval.
    pub fn of_policy(&self, policy: Digest) -> impl Iterator<Item = (KeyId, Index)> {
        let approved = self.0.get(&policy).into_iter().flatten();
        approved.map(|(key, index)| (*key, *index))
    }

    pub(super) fn approve(&mut self, index: Index, key: KeyId, policy: Digest) -> Result<(), KeyringError> {
        if self.0.len() >= POLICIES_MAX && !self.0.contains_key(&policy) {
            return Err(KeyringError::PoliciesFull);
        }
        self.0.entry(policy).or_default().entry(key).or_insert(index);
        Ok(())
    }
}
