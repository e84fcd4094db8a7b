//! The policy in force: one at a time, and exactly from its event on.
//!
//! An event of the proxy's own chain says which policy is in force (`policy-in-force`). What is decided is handed over before
//! the next such event, or decided after it: whoever decides holds the policy until then ([`Deciding`]), and a policy comes into
//! force while nobody does. So the policy that a command names is the one that the chain says at its place, and the verifier
//! needs no tolerance.
//!
//! Where the trust anchors ask for signatures, a policy comes into force only once enough people have signed exactly its bytes. It
//! is recorded first: what stands in the log before its snapshot is known here by then, revoked keys among it.
//!
//! A policy is in force for a *term*, up to the next such event. One that comes back begins another term.

use std::collections::BTreeMap;
use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{PolicyInForce, PolicySnapshot};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::policy_signatures::{PolicySignatures, SignedBy};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock, watch};

use crate::clock::Clock;
use crate::error::GateError;
use crate::recorder::{Draft, Recorder, submit};
use crate::sealed::Sealing;

/// Bytes of one part of a snapshot; a part and its framing fit an event.
const PART_BYTES: usize = 60_000;

/// The policy in force of one gate.
pub(crate) struct InForce {
    current: watch::Sender<Arc<Policy>>,
    /// Read by those who decide, from the decision until it is handed over; written while the next policy comes into force.
    deciding: Arc<RwLock<()>>,
    /// Whether the ledger is known to have what says so. It is not where it failed in between: then that is said again before
    /// the next session opens.
    said: Mutex<bool>,
}

/// What came of another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It is the one in force.
    Unchanged,
    /// It is in force, and the ledger has what says so.
    InForce,
    /// It is in force, and the ledger is not known to have what says so, for this reason. No session opens before it has.
    Unsaid(GateError),
}

/// A policy with its exact bytes, ready to be decided by.
pub(crate) struct Policy {
    /// Which term of this gate it is in force for.
    term: u64,
    bytes: Vec<u8>,
    snapshot: Arc<Snapshot>,
    /// To whom exact commands are encrypted, by target.
    sealing: BTreeMap<String, Arc<Sealing>>,
}

/// Holds that no other policy comes into force. To be held while something is decided and handed over, and not longer.
pub(crate) struct Deciding {
    pub(crate) policy: Arc<Policy>,
    _nothing_else: OwnedRwLockReadGuard<()>,
}

impl InForce {
    /// Records the first policy, waits until it is signed, and records that it is in force.
    pub(crate) async fn begin(
        policy: (Vec<u8>, Snapshot),
        recorder: &dyn Recorder,
        clock: &dyn Clock,
    ) -> Result<Self, GateError> {
        let policy = Policy::new(policy, 0)?;
        submit(recorder, policy.parts()).await?.await?;
        policy.wait_until_signed(recorder, clock).await?;
        submit(recorder, vec![policy.in_force()]).await?.await?;
        Ok(Self {
            current: watch::Sender::new(Arc::new(policy)),
            deciding: Arc::default(),
            said: Mutex::new(true),
        })
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current.borrow().snapshot)
    }

    /// Its term.
    pub(crate) fn term(&self) -> u64 {
        self.current.borrow().term
    }

    /// Is told when another policy comes into force.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.current.subscribe())
    }

    /// The policy in force, which stays in force while this is held.
    pub(crate) async fn deciding(&self) -> Deciding {
        let guard = Arc::clone(&self.deciding).read_owned().await;
        Deciding {
            policy: Arc::clone(&self.current.borrow()),
            _nothing_else: guard,
        }
    }

    /// Holds that the ledger has heard which policy is in force.
    pub(crate) async fn said(&self, recorder: &dyn Recorder, clock: &dyn Clock) -> Result<(), GateError> {
        let mut said = self.said.lock().await;
        if *said {
            return Ok(());
        }
        let policy = Arc::clone(&self.current.borrow());
        submit(recorder, policy.parts()).await?.await?;
        policy.signed(recorder, clock)?;
        submit(recorder, vec![policy.in_force()]).await?.await?;
        *said = true;
        Ok(())
    }

    /// Records the next policy and puts it in force. An error leaves the one before in force.
    pub(crate) async fn replace(
        &self,
        (bytes, snapshot): (Vec<u8>, Snapshot),
        recorder: &dyn Recorder,
        clock: &dyn Clock,
    ) -> Result<Replaced, GateError> {
        let mut said = self.said.lock().await;
        if snapshot.digest() == self.policy().digest() {
            return Ok(Replaced::Unchanged);
        }
        let next = Policy::new((bytes, snapshot), self.term().saturating_add(1))?;
        submit(recorder, next.parts()).await?.await?;
        let nobody_decides = self.deciding.write().await;
        next.signed(recorder, clock)?;
        let ticket = recorder.submit(vec![next.in_force()])?;
        // From here on the chain says so. Whoever drops this future leaves it unsaid, not undone.
        *said = false;
        self.current.send_replace(Arc::new(next));
        drop(nobody_decides);
        if let Err(error) = ticket.await {
            return Ok(Replaced::Unsaid(error));
        }
        *said = true;
        Ok(Replaced::InForce)
    }
}

impl Policy {
    /// A policy with its exact bytes.
    ///
    /// # Errors
    /// [`GateError::Sealing`] where nothing can be encrypted to a recipient of it.
    fn new((bytes, snapshot): (Vec<u8>, Snapshot), term: u64) -> Result<Self, GateError> {
        let mut sealing = BTreeMap::new();
        for target in snapshot.targets() {
            if let Some(to) = Sealing::new(snapshot.recipients(&target.name))? {
                sealing.insert(target.name.clone(), Arc::new(to));
            }
        }
        Ok(Self {
            term,
            bytes,
            snapshot: Arc::new(snapshot),
            sealing,
        })
    }

    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// To whom exact commands to a target are encrypted; `None` where nobody is named.
    pub(crate) fn sealing(&self, target: &str) -> Option<Arc<Sealing>> {
        self.sealing.get(target).map(Arc::clone)
    }

    /// Holds that enough people have signed it. To be asked when its snapshot is in the log, and before it is said that it is in
    /// force.
    fn signed(&self, recorder: &dyn Recorder, clock: &dyn Clock) -> Result<(), GateError> {
        match recorder.policy_signatures() {
            Some(signatures) => self.signed_in(&signatures.borrow(), clock.now()),
            None => Ok(()),
        }
    }

    /// Waits until enough people have; says in the log who is missing.
    async fn wait_until_signed(&self, recorder: &dyn Recorder, clock: &dyn Clock) -> Result<(), GateError> {
        let Some(mut signatures) = recorder.policy_signatures() else {
            return Ok(());
        };
        let mut told = None;
        loop {
            let Err(missing) = self.signed_in(&signatures.borrow_and_update(), clock.now()) else {
                return Ok(());
            };
            if told.as_ref() != Some(&missing) {
                tracing::warn!("nobody is let in yet: {missing}");
                told = Some(missing);
            }
            if signatures.changed().await.is_err() {
                return Err(GateError::Stopping);
            }
        }
    }

    fn signed_in(&self, signatures: &PolicySignatures, now: Timestamp) -> Result<(), GateError> {
        let policy = self.snapshot.digest();
        match signatures.now(policy, now) {
            Some(by) if !by.suffices() => {
                let SignedBy { wanted, people } = by;
                let signed = people.into_keys().collect();
                Err(GateError::Unsigned { policy, signed, wanted })
            }
            _ => Ok(()),
        }
    }

    fn parts(&self) -> Vec<Draft> {
        let policy = self.snapshot.digest();
        parts(&self.bytes, |part, parts, bytes| {
            Body::PolicySnapshot(PolicySnapshot {
                policy,
                part,
                parts,
                bytes,
            })
        })
    }

    fn in_force(&self) -> Draft {
        let policy: Digest = self.snapshot.digest();
        Draft {
            session: None,
            body: PolicyInForce { policy }.into(),
        }
    }
}

/// Tells when another policy comes into force.
pub struct Changes(watch::Receiver<Arc<Policy>>);

impl Changes {
    /// Waits until another policy is in force than at the last call. Safe to be dropped while it waits.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The gate is gone, and no policy will come.
            std::future::pending::<()>().await;
        }
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Changes")
    }
}

/// Cuts bytes into the parts of a snapshot; no bytes are one empty part.
pub(crate) fn parts(bytes: &[u8], body: impl Fn(u64, u64, Bytes) -> Body) -> Vec<Draft> {
    let count = u64::try_from(bytes.len().div_ceil(PART_BYTES).max(1)).unwrap_or(u64::MAX);
    let draft = |(part, bytes): (u64, &[u8])| Draft {
        session: None,
        body: body(part, count, Bytes(bytes.to_vec())),
    };
    if bytes.is_empty() {
        return vec![draft((0, bytes))];
    }
    (0..).zip(bytes.chunks(PART_BYTES)).map(draft).collect()
}
