//! The committer: one thread that owns the tree and makes everything queued durable in one commit.
//!
//! ```text
//! take all that is queued ─▶ admit each batch whole or refuse it ─▶ integrate, sign the checkpoint
//!      ─▶ ONE store batch, ONE sync   ◀── the commit point
//!      ─▶ receipts, the new head, published batches
//! ```
//!
//! **Invariant:** a receipt is sent only after the sync that made its batch durable returned. A sync that failed, or of
//! which nothing is known, poisons the ledger: nothing is taken until it is opened again and has recovered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use exhibit_schemas::chain::{self, SessionChain};
use exhibit_schemas::checkpoint::{Checkpoint, Origin};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Event, Kind, SessionId, Timestamp};
use exhibit_schemas::key::{KeyId, SecretKey};
use exhibit_schemas::keyring::{Keyring, KeyringError};
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::seal::Chain;
use exhibit_schemas::wire::{Receipt, Refusal, RefusalCode, Standing};
use tokio::sync::{mpsc, oneshot};

use crate::admission::{CheckedBatch, refusal};
use crate::error::LedgerError;
use crate::ledger::{PublishedBatch, Shared};
use crate::projection::{self, ApprovalChange, ApprovalRecord, SessionRecord};
use crate::store::{Durable, HeadRecord, SealRecord, Store};
use crate::tree::{Stored, Tree};

/// Batches that may wait for the committer; past it, senders wait, and their peers feel it.
pub const QUEUE_BATCHES_MAX: usize = 256;

/// Bytes of entries in one commit at the most: some hundred milliseconds of disk, so that receipts do not wait longer.
const COMMIT_BYTES_MAX: usize = 32 << 20;

/// Decisions about one request at the most; policies ask for a handful of people.
const DECISIONS_MAX: usize = 64;

/// What a sender gets back.
pub type Answer = Result<Receipt, Refusal>;

/// A checked batch on its way to the committer.
pub struct Submission {
    /// The batch.
    pub batch: CheckedBatch,
    /// Where its answer goes; a sender that went away is no fault.
    pub answer: oneshot::Sender<Answer>,
}

/// The state of the log at its end, owned by the committer's thread.
pub struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tree: Tree,
    pub(crate) keyring: Keyring,
    pub(crate) origin: Origin,
    pub(crate) log_key: SecretKey,
    pub(crate) durable: Box<dyn Durable>,
}

/// What a commit will change, beside the tree: looked up before the store.
struct Staged {
    keyring: Keyring,
    emitters: BTreeMap<KeyId, Chain>,
    sessions: HashMap<SessionId, SessionRecord>,
    approvals: HashMap<Digest, Option<ApprovalRecord>>,
    seals: HashMap<(KeyId, u64, u64), SealRecord>,
    accepted: Vec<Accepted>,
    size: u64,
}

/// A batch that was admitted, with its sender.
struct Accepted {
    batch: CheckedBatch,
    first: u64,
    published: bool,
    answers: Vec<oneshot::Sender<Answer>>,
}

impl Committer {
    /// Runs until every sender is gone.
    pub fn run(mut self, mut queue: mpsc::Receiver<Submission>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.batch.bytes();
            let mut taken = vec![first];
            while bytes < COMMIT_BYTES_MAX {
                let Ok(next) = queue.try_recv() else { break };
                bytes += next.batch.bytes();
                taken.push(next);
            }
            self.commit(taken);
        }
    }

    /// Makes the batches durable in one commit, and answers every sender.
    pub fn commit(&mut self, submissions: Vec<Submission>) {
        if self.shared.is_poisoned() {
            for Submission { batch, answer } in submissions {
                let _ = answer.send(Err(poisoned(&batch)));
            }
            return;
        }
        let mut staged = Staged {
            keyring: self.keyring.clone(),
            emitters: BTreeMap::new(),
            sessions: HashMap::new(),
            approvals: HashMap::new(),
            seals: HashMap::new(),
            accepted: Vec::new(),
            size: self.tree.size().0,
        };
        for Submission { batch, answer } in submissions {
            match self.admit(&mut staged, batch) {
                Ok(Admitted::New(batch, first, published)) => staged.accepted.push(Accepted {
                    batch,
                    first,
                    published,
                    answers: vec![answer],
                }),
                Ok(Admitted::InThisCommit(place)) => {
                    if let Some(accepted) = staged.accepted.get_mut(place) {
                        accepted.answers.push(answer);
                    }
                }
                Ok(Admitted::Before(receipt)) => {
                    let _ = answer.send(Ok(receipt));
                }
                Err(refusal) => {
                    let _ = answer.send(Err(refusal));
                }
            }
        }
        if !staged.accepted.is_empty() {
            self.integrate(staged);
        }
    }

    /// Checks a batch against the log as it will be after the batches before it; changes `staged` only if it is taken.
    fn admit(&self, staged: &mut Staged, batch: CheckedBatch) -> Result<Admitted, Refusal> {
        let payload = batch.payload().clone();
        let place = (payload.boot, payload.sequence);
        let key = (payload.emitter, payload.boot, payload.sequence);
        let refuse = |code, cause: &dyn std::fmt::Display| refusal(place, code, cause);
        let store = |error: LedgerError| refuse(RefusalCode::Poisoned, &error);
        if let Some(known) = staged.seals.get(&key) {
            let twin = staged
                .accepted
                .iter()
                .position(|accepted| accepted.first == known.first);
            return match twin {
                Some(twin) if known.leaf == batch.seal_leaf() => Ok(Admitted::InThisCommit(twin)),
                _ => Err(refuse(RefusalCode::Chain, &OTHER_BATCH)),
            };
        }
        if let Some(known) = self.shared.store.seal(key.0, key.1, key.2).map_err(store)? {
            if known.leaf != batch.seal_leaf() {
                return Err(refuse(RefusalCode::Chain, &OTHER_BATCH));
            }
            let receipt = self.first_receipt(place, &known).map_err(store)?;
            return Ok(Admitted::Before(receipt));
        }
        let standing = match staged.emitters.get(&payload.emitter) {
            Some(chain) => Some(*chain),
            None => self
                .shared
                .store
                .emitter(payload.emitter)
                .map_err(store)?
                .map(|standing| Chain {
                    boot: standing.boot,
                    sequence: standing.sequence,
                    previous: Some(standing.previous),
                }),
        };
        let next = chain::next_seal(standing, &payload, batch.seal_leaf())
            .map_err(|error| refuse(RefusalCode::Chain, &error))?;
        let effects = self
            .effects(staged, &batch, payload.emitter)
            .map_err(|(code, cause)| refuse(code, &cause))?;
        let first = staged.size;
        let published = batch
            .events()
            .iter()
            .any(|event| projection::is_published(event.kind()));
        staged.size = first
            .saturating_add(u64::try_from(batch.leaves().len()).unwrap_or(u64::MAX))
            .saturating_add(1);
        if let Some(keyring) = effects.keyring {
            staged.keyring = keyring;
        }
        staged.emitters.insert(payload.emitter, next);
        staged.sessions.extend(effects.sessions);
        staged.approvals.extend(effects.approvals);
        let record = SealRecord {
            first,
            count: payload.count,
            size: 0, // known when the commit is whole
            leaf: batch.seal_leaf(),
        };
        staged.seals.insert(key, record);
        Ok(Admitted::New(batch, first, published))
    }

    /// What the events of a batch change, if each of them may stand where it would.
    fn effects(&self, staged: &Staged, batch: &CheckedBatch, emitter: KeyId) -> Result<Effects, (RefusalCode, String)> {
        let mut effects = Effects::default();
        for (event, (leaf, index)) in batch.events().iter().zip(batch.leaves().iter().zip(staged.size..)) {
            let keyring = effects.keyring.as_ref().unwrap_or(&staged.keyring);
            let key = |error: KeyringError| (RefusalCode::Key, error.to_string());
            keyring.may_emit(emitter, event.kind()).map_err(key)?;
            // Genesis is applied where the keyring begins; anywhere else `apply` refuses it.
            let begins = index == 0 && event.kind() == Kind::Genesis;
            if !begins && is_key_event(event.kind()) {
                let mut changed = keyring.clone();
                changed.apply(Index(index), &event.body).map_err(key)?;
                effects.keyring = Some(changed);
            }
            self.session_effects(staged, &mut effects, event, index, *leaf)?;
        }
        Ok(effects)
    }

    fn session_effects(
        &self,
        staged: &Staged,
        effects: &mut Effects,
        event: &Event,
        index: u64,
        leaf: Digest,
    ) -> Result<(), (RefusalCode, String)> {
        let store = |error: LedgerError| (RefusalCode::Poisoned, error.to_string());
        let mut before = None;
        if let Some(place) = event.session {
            let known = effects
                .sessions
                .get(&place.0)
                .or_else(|| staged.sessions.get(&place.0))
                .cloned();
            before = match known {
                Some(record) => Some(record),
                None => self.shared.store.session(place.0.0).map_err(store)?,
            };
        }
        let state = before.as_ref().map(SessionRecord::chain);
        let next: Option<SessionChain> =
            chain::next_event(state, event).map_err(|error| (RefusalCode::Chain, error.to_string()))?;
        for change in projection::approval_changes(before.as_ref(), event, index, leaf) {
            match change {
                ApprovalChange::Begins(request, record) => effects.approvals.insert(request, Some(record)),
                ApprovalChange::Ends(request) => effects.approvals.insert(request, None),
                ApprovalChange::Decided(request, index) => {
                    let decided = self.decide(staged, effects, event, request, index)?;
                    effects.approvals.insert(request, Some(decided))
                }
            };
        }
        if let (Some(chain), Some(place)) = (next, event.session) {
            let record = projection::step_session(before, chain, event, index, leaf);
            effects.sessions.insert(place.0, record);
        }
        Ok(())
    }

    /// A decision needs a request that waits and has not expired by the ledger's clock.
    fn decide(
        &self,
        staged: &Staged,
        effects: &Effects,
        event: &Event,
        request: Digest,
        index: u64,
    ) -> Result<ApprovalRecord, (RefusalCode, String)> {
        let refuse = |cause: &str| (RefusalCode::Request, cause.to_owned());
        let known = effects
            .approvals
            .get(&request)
            .or_else(|| staged.approvals.get(&request))
            .cloned();
        let found = match known {
            Some(found) => found,
            None => self
                .shared
                .store
                .approval(request)
                .map_err(|error| (RefusalCode::Poisoned, error.to_string()))?,
        };
        let mut record = found.ok_or_else(|| refuse("no request with this hash waits: it ended, or never was"))?;
        let Body::ApprovalDecided(decided) = &event.body else {
            return Err(refuse("not a decision"));
        };
        if decided.session != record.session {
            return Err(refuse("the decision names another session than its request"));
        }
        let now: Timestamp = self.shared.now();
        if now.0 > record.expires_us {
            return Err(refuse("the request has expired"));
        }
        if record.decisions.len() >= DECISIONS_MAX {
            return Err(refuse("the request has as many decisions as a request can have"));
        }
        record.decisions.push(index);
        Ok(record)
    }

    /// Integrates what was admitted, signs the head, commits, and answers.
    fn integrate(&mut self, staged: Staged) {
        let mut tree = self.tree.clone();
        let store: &Store = &self.shared.store;
        let mut commit = store.commit();
        let mut index = tree.size().0;
        for accepted in &staged.accepted {
            for (entry, leaf) in accepted
                .batch
                .entries()
                .zip(accepted.batch.leaves().iter().chain([&accepted.batch.seal_leaf()]))
            {
                commit.entry(index, &entry.0);
                tree.append(*leaf, |node| commit.node(node.level, node.index, node.hash));
                index += 1;
            }
            if accepted.published {
                commit.published(accepted.first, accepted.batch.payload().count);
            }
        }
        let signed = Checkpoint::sign(self.origin.clone(), tree.size(), tree.root(), &self.log_key);
        let Ok(checkpoint) = signed else {
            // A key in memory always signs; if it does not, nothing may be acknowledged.
            self.poison(staged.accepted);
            return;
        };
        let size = tree.size().0;
        for ((emitter, boot, sequence), record) in &staged.seals {
            let record = SealRecord { size, ..record.clone() };
            commit.seal(*emitter, *boot, *sequence, &record);
        }
        for (emitter, chain) in &staged.emitters {
            if let Some(previous) = chain.previous {
                let (boot, sequence) = (chain.boot, chain.sequence);
                commit.emitter(
                    *emitter,
                    &Standing {
                        boot,
                        sequence,
                        previous,
                    },
                );
            }
        }
        for (session, record) in &staged.sessions {
            commit.session(session.0, record);
        }
        for (leaf, record) in &staged.approvals {
            commit.approval(*leaf, record.as_ref());
        }
        let note = checkpoint.note().to_owned();
        commit.head(&HeadRecord { size, note });
        let batch = commit.into_batch();
        // The commit point: before this call returns nothing of the commit counts, after it everything does.
        if let Err(error) = self.durable.commit(batch) {
            tracing::error!(%error, "the store failed; the ledger is poisoned until it is restarted");
            self.poison(staged.accepted);
            return;
        }
        self.tree = tree;
        self.keyring = staged.keyring;
        self.shared.publish_head(checkpoint, self.keyring.clone());
        acknowledge(&self.shared, staged.accepted);
    }

    fn poison(&self, accepted: Vec<Accepted>) {
        self.shared.poison();
        for accepted in accepted {
            for answer in accepted.answers {
                let _ = answer.send(Err(poisoned(&accepted.batch)));
            }
        }
    }

    /// The receipt that the batch got when it was taken: the signature of Ed25519 is the same each time.
    fn first_receipt(&self, (boot, sequence): (u64, u64), known: &SealRecord) -> Result<Receipt, LedgerError> {
        let store = Stored {
            store: &self.shared.store,
        };
        let size = TreeSize(known.size);
        let root = Frontier::load(size, &store)?.root();
        let checkpoint = Checkpoint::sign(self.origin.clone(), size, root, &self.log_key)?;
        Ok(Receipt {
            boot,
            sequence,
            first: known.first,
            checkpoint: checkpoint.note().to_owned(),
        })
    }
}

/// Whether an event changes the keyring.
pub const fn is_key_event(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Genesis | Kind::KeyEnrolled | Kind::KeyRevoked | Kind::KeyRotated
    )
}

/// What one batch changes beside the tree.
#[derive(Default)]
struct Effects {
    keyring: Option<Keyring>,
    sessions: HashMap<SessionId, SessionRecord>,
    approvals: HashMap<Digest, Option<ApprovalRecord>>,
}

enum Admitted {
    /// Taken: the batch, its first index, and whether streams publish it.
    New(CheckedBatch, u64, bool),
    /// The same batch was taken earlier in this very commit.
    InThisCommit(usize),
    /// The same batch was taken by an earlier commit.
    Before(Receipt),
}

const OTHER_BATCH: &str = "another batch of this emitter has this boot and sequence";

fn acknowledge(shared: &Shared, accepted: Vec<Accepted>) {
    let head = shared.head();
    for accepted in accepted {
        let payload = accepted.batch.payload();
        for answer in accepted.answers {
            let _ = answer.send(Ok(Receipt {
                boot: payload.boot,
                sequence: payload.sequence,
                first: accepted.first,
                checkpoint: head.note().to_owned(),
            }));
        }
        if accepted.published {
            shared.publish_batch(PublishedBatch {
                first: accepted.first,
                count: payload.count,
            });
        }
    }
}

fn poisoned(batch: &CheckedBatch) -> Refusal {
    let place = (batch.payload().boot, batch.payload().sequence);
    refusal(
        place,
        RefusalCode::Poisoned,
        &"the ledger's store failed; it takes nothing until it is restarted",
    )
}
