//! Policies that administrators must have approved before they come into force.
//!
//! How many, and whose approvals count, is said by the trust anchors, which neither the ledger nor whoever writes the policy can
//! change. The approvals are those of the log, each checked by the link from genesis on.

use std::time::Duration;

use exhibit_schemas::bundle::PolicyApprovers;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::keyring::PolicyApprovals;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long nothing more is published before a policy counts as approved by no more than have. After a start the log's keys and
/// decisions come from its beginning on, batch after batch.
const QUIET: Duration = Duration::from_secs(3);

/// Too few have approved a policy.
#[derive(Debug, thiserror::Error)]
#[error("policy {policy} is approved by {approved} of {wanted} administrators; see `exhibit policy approve`")]
pub struct Unapproved {
    /// Its digest.
    pub policy: Digest,
    /// How many have, as far as the log says.
    pub approved: usize,
    /// How many must.
    pub wanted: usize,
    /// The link to the ledger ended, so no more will.
    ended: bool,
}

/// What was approved, and by how many it must be.
#[derive(Clone)]
pub(crate) struct Approvals {
    log: watch::Receiver<PolicyApprovals>,
    wanted: Option<PolicyApprovers>,
}

impl Approvals {
    pub(crate) fn new(log: watch::Receiver<PolicyApprovals>, wanted: Option<PolicyApprovers>) -> Self {
        Self { log, wanted }
    }

    /// Holds that a policy was approved.
    ///
    /// # Errors
    /// [`Unapproved`], when nothing more comes of the log.
    pub(crate) async fn check(&self, policy: Digest) -> Result<(), Unapproved> {
        let Some(wanted) = &self.wanted else {
            return Ok(());
        };
        let mut log = self.log.clone();
        loop {
            let approved = wanted.approved(policy, &log.borrow_and_update()).len();
            if approved >= wanted.people() {
                return Ok(());
            }
            let more = timeout(QUIET, log.changed()).await;
            if !matches!(more, Ok(Ok(()))) {
                return Err(Unapproved {
                    policy,
                    approved,
                    wanted: wanted.people(),
                    ended: matches!(more, Ok(Err(_))),
                });
            }
        }
    }

    /// Waits until a policy was approved; says in the log what is missing.
    ///
    /// # Errors
    /// [`Unapproved`], when the link to the ledger has ended.
    pub(crate) async fn wait(&self, policy: Digest) -> Result<(), Unapproved> {
        let mut told = None;
        loop {
            match self.check(policy).await {
                Err(missing) if !missing.ended => {
                    if told != Some(missing.approved) {
                        tracing::warn!("the proxy waits before it lets anybody in: {missing}");
                        told = Some(missing.approved);
                    }
                }
                settled => return settled,
            }
        }
    }
}
