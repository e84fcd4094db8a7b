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
use exhibit_schemas::event::{Body, Event, Kind, SessionId};
use exhibit_schemas::key::{KeyId, PublicKey, SecretKey};
use exhibit_schemas::keyring::{Keyring, KeyringError};
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::seal::{Chain, SealPayload};
use exhibit_schemas::wire::{Receipt, Refusal, RefusalCode, Standing};
use tokio::sync::oneshot;

use crate::admission::{CheckedBatch, refusal};
use crate::claims::Claimed;
use crate::error::LedgerError;
use crate::ledger::{PublishedBatch, Shared};
use crate::projection::{self, ApprovalRecord, SessionRecord};
use crate::queue::{Queued, Ready};
use crate::store::{Commit, Durable, HeadRecord};
use crate::tree::{Stored, Tree};

/// Open sessions whose records are held in memory, some hundred bytes each; past it they are read from the store again.
const SESSIONS_HELD_MAX: usize = 4_096;

/// What a sender gets back.
pub type Answer = Result<Receipt, Refusal>;

/// The state of the log at its end, owned by the committer's thread.
pub struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tree: Tree,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) origin: Origin,
    pub(crate) log_key: SecretKey,
    pub(crate) durable: Box<dyn Durable>,
    pub(crate) held: Held,
}

/// Records as the store has them, of those who appended lately: what is not here is read from the store.
#[derive(Default)]
pub(crate) struct Held {
    // Bounded by the keys that a log may enrol.
    emitters: HashMap<KeyId, Chain>,
    sessions: HashMap<SessionId, SessionRecord>,
    pub(crate) claimed: Claimed,
}

/// What a commit will change, beside the tree: looked up before the store.
pub(crate) struct Staged {
    keyring: Arc<Keyring>,
    emitters: BTreeMap<KeyId, Chain>,
    sessions: HashMap<SessionId, SessionRecord>,
    pub(crate) approvals: HashMap<Digest, Option<ApprovalRecord>>,
    pub(crate) claimed: Claimed,
    accepted: Vec<Accepted>,
    /// Size of the log before.
    begin: u64,
    /// Size of the log with what is accepted.
    size: u64,
    /// The log took these batches before: neither the clock nor what people claim is judged again.
    pub(crate) again: bool,
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
    pub fn run(mut self, mut queue: Queued) {
        while let Some(group) = queue.group() {
            self.commit(group.ready);
        }
    }

    /// Makes the batches durable in one commit, and answers every sender.
    pub fn commit(&mut self, group: Vec<Ready>) {
        let mut staged = self.stage();
        for Ready { batch, answer } in group {
            let admitted = match batch {
                Ok(batch) if self.shared.is_poisoned() => Err(poisoned(&batch)),
                Ok(batch) => self.admit(&mut staged, batch),
                Err(refusal) => Err(refusal),
            };
            // The sender may have gone away meanwhile.
            match admitted {
                Ok(Admitted::New(place) | Admitted::InThisCommit(place)) => {
                    if let Some(accepted) = staged.accepted.get_mut(place) {
                        accepted.answers.push(answer);
                    }
                }
                Ok(Admitted::Before(receipt)) => drop(answer.send(Ok(receipt))),
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
        if !staged.accepted.is_empty() {
            self.integrate(staged);
        }
    }

    fn stage(&self) -> Staged {
        Staged {
            keyring: Arc::clone(&self.keyring),
            emitters: BTreeMap::new(),
            sessions: HashMap::new(),
            approvals: HashMap::new(),
            claimed: self.held.claimed.clone(),
            accepted: Vec::new(),
            begin: self.tree.size().0,
            size: self.tree.size().0,
            again: false,
        }
    }

    /// Begins to derive records of batches that the log took before.
    pub(crate) fn stage_again(&self) -> Staged {
        Staged {
            again: true,
            ..self.stage()
        }
    }

    /// Takes a batch of the log again, in the order of the log.
    pub(crate) fn admit_again(&self, staged: &mut Staged, batch: CheckedBatch) -> Result<(), LedgerError> {
        match self.admit(staged, batch) {
            Ok(Admitted::New(_)) => Ok(()),
            Ok(Admitted::InThisCommit(_) | Admitted::Before(_)) => Err(LedgerError::Damaged {
                rule: "a batch stands in the log twice",
            }),
            Err(refusal) => {
                tracing::error!(%refusal.code, %refusal.text, "a batch of the log does not follow what is before it");
                Err(LedgerError::Damaged {
                    rule: "a batch of the log does not follow what is before it",
                })
            }
        }
    }

    /// Writes what is derived from the batches, and the head that says so once they are the last.
    pub(crate) fn project_again(&mut self, staged: Staged, head: Option<&HeadRecord>) -> Result<(), LedgerError> {
        let shared = Arc::clone(&self.shared);
        let mut commit = shared.store.commit();
        for accepted in &staged.accepted {
            accepted.integrate(&mut self.tree, &mut commit);
        }
        staged.project(&mut commit);
        if let Some(head) = head {
            commit.head(head);
        }
        self.durable.commit(commit.into_batch())?;
        self.keyring = staged.keyring;
        Ok(())
    }

    /// Checks a batch against the log as it will be after the batches before it; changes `staged` only if it is taken.
    fn admit(&self, staged: &mut Staged, batch: CheckedBatch) -> Result<Admitted, Refusal> {
        let payload = batch.payload();
        let place = (payload.boot, payload.sequence);
        let refuse = |code, cause: &dyn std::fmt::Display| refusal(place, code, cause);
        let store = |error: LedgerError| refuse(RefusalCode::Poisoned, &error);
        let standing = match staged.emitters.get(&payload.emitter) {
            Some(chain) => Some(*chain),
            None => self.standing(payload.emitter).map_err(store)?,
        };
        // Whatever was taken of this emitter stands before its standing; a retry is looked up only there.
        let before = standing.is_some_and(|standing| place < (standing.boot, standing.sequence));
        if before && let Some(known) = self.taken(staged, &batch).map_err(store)? {
            return known.map_err(|Another| refuse(RefusalCode::Chain, &OTHER_BATCH));
        }
        let next = chain::next_seal(standing, payload, batch.seal_leaf())
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
            staged.keyring = Arc::new(keyring);
        }
        staged.emitters.insert(payload.emitter, next);
        staged.sessions.extend(effects.sessions);
        staged.approvals.extend(effects.approvals);
        if let Some(claimed) = effects.claimed {
            staged.claimed = claimed;
        }
        staged.accepted.push(Accepted {
            batch,
            first,
            published,
            answers: Vec::new(),
        });
        Ok(Admitted::New(staged.accepted.len() - 1))
    }

    fn standing(&self, emitter: KeyId) -> Result<Option<Chain>, LedgerError> {
        if let Some(held) = self.held.emitters.get(&emitter) {
            return Ok(Some(*held));
        }
        let standing = self.shared.store.emitter(emitter)?;
        Ok(standing.map(|standing| Chain {
            boot: standing.boot,
            sequence: standing.sequence,
            previous: Some(standing.previous),
        }))
    }

    /// What was taken at the place of this batch, if anything was.
    fn taken(&self, staged: &Staged, batch: &CheckedBatch) -> Result<Option<Result<Admitted, Another>>, LedgerError> {
        let payload = batch.payload();
        let place = |of: &SealPayload| (of.emitter, of.boot, of.sequence);
        let twin = |accepted: &Accepted| place(accepted.batch.payload()) == place(payload);
        if let Some(twin) = staged.accepted.iter().position(twin) {
            let same = staged.accepted.get(twin).map(|accepted| accepted.batch.seal_leaf()) == Some(batch.seal_leaf());
            return Ok(Some(same.then_some(Admitted::InThisCommit(twin)).ok_or(Another)));
        }
        let store = &self.shared.store;
        let Some(seal) = store.seal(payload.emitter, payload.boot, payload.sequence)? else {
            return Ok(None);
        };
        let damaged = LedgerError::Damaged {
            rule: "a seal is not where its emitter's record says",
        };
        let entry = store.entry(seal)?.ok_or(damaged)?;
        if Digest::leaf(&entry) != batch.seal_leaf() {
            return Ok(Some(Err(Another)));
        }
        let receipt = self.first_receipt(payload, seal)?;
        Ok(Some(Ok(Admitted::Before(receipt))))
    }

    /// What the events of a batch change, if each of them may stand where it would.
    fn effects(&self, staged: &Staged, batch: &CheckedBatch, emitter: KeyId) -> Result<Effects, (RefusalCode, String)> {
        let mut effects = Effects::default();
        for (event, (leaf, index)) in batch.events().iter().zip(batch.leaves().iter().zip(staged.size..)) {
            let keyring = effects.keyring.as_ref().unwrap_or(staged.keyring.as_ref());
            let key = |error: KeyringError| (RefusalCode::Key, error.to_string());
            keyring.may_emit(emitter, event.kind()).map_err(key)?;
            // Genesis is applied where the keyring begins; anywhere else `apply` refuses it.
            let begins = index == 0 && event.kind() == Kind::Genesis;
            if !begins && is_key_event(event.kind()) {
                let mut changed = keyring.clone();
                changed.apply(Index(index), event.emitter, &event.body).map_err(key)?;
                effects.keyring = Some(changed);
            } else if let Body::SessionOpened(opened) = &event.body {
                keyring.may_open(emitter, opened).map_err(key)?;
            } else if let Body::EvidenceRead(read) = &event.body {
                keyring.may_read(emitter, read).map_err(key)?;
                self.is_copy(read.copy.as_ref())?;
            } else if let Body::PolicySigned(signed) = &event.body {
                keyring.may_sign(emitter, signed).map_err(key)?;
            } else if let Body::ApprovalRevoked(revoked) = &event.body
                && !staged.again
            {
                let before = effects.claimed.as_ref().unwrap_or(&staged.claimed);
                let person = keyring.in_force(emitter).map_err(key)?;
                effects.claimed = Some(self.revokes(before, &person.name, revoked)?);
            } else if let Body::ReviewSigned(said) = &event.body
                && !staged.again
            {
                let before = effects.claimed.as_ref().unwrap_or(&staged.claimed);
                let person = keyring.in_force(emitter).map_err(key)?;
                effects.claimed = Some(self.reviews(before, &person.name, event.time, said)?);
            } else if is_sign_off(event.kind()) && !staged.again {
                let before = effects.claimed.as_ref().unwrap_or(&staged.claimed);
                let person = keyring.in_force(emitter).map_err(key)?;
                effects.claimed = self.signs_off(before, &person.name, event).transpose()?;
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
            before = self.session(staged, effects, place.0).map_err(store)?;
        }
        let state = before.as_ref().map(SessionRecord::chain);
        let next: Option<SessionChain> =
            chain::next_event(state, event).map_err(|error| (RefusalCode::Chain, error.to_string()))?;
        for change in projection::approval_changes(before.as_ref(), event, index, leaf) {
            self.asked(staged, effects, event, change)?;
        }
        if let (Some(chain), Some(place)) = (next, event.session) {
            let record = projection::step_session(before, chain, event, index, leaf);
            effects.sessions.insert(place.0, record);
        }
        Ok(())
    }

    /// Where a session stands.
    pub(crate) fn session(
        &self,
        staged: &Staged,
        effects: &Effects,
        id: SessionId,
    ) -> Result<Option<SessionRecord>, LedgerError> {
        let known = effects
            .sessions
            .get(&id)
            .or_else(|| staged.sessions.get(&id))
            .or_else(|| self.held.sessions.get(&id));
        match known {
            Some(record) => Ok(Some(record.clone())),
            None => self.shared.store.session(id.0),
        }
    }

    /// Integrates what was admitted, signs the head, commits, and answers.
    fn integrate(&mut self, staged: Staged) {
        let mut tree = self.tree.clone();
        let shared = Arc::clone(&self.shared);
        let mut commit = shared.store.commit();
        let mut index = tree.size().0;
        for accepted in &staged.accepted {
            for entry in accepted.batch.entries() {
                commit.entry(index, &entry.0);
                index += 1;
            }
            accepted.integrate(&mut tree, &mut commit);
        }
        let signed = Checkpoint::sign(self.origin.clone(), tree.size(), tree.root(), &self.log_key);
        let Ok(checkpoint) = signed else {
            // A key in memory always signs; if it does not, nothing may be acknowledged.
            self.poison(staged.accepted);
            return;
        };
        staged.project(&mut commit);
        let size = tree.size().0;
        commit.head(&HeadRecord {
            size,
            note: checkpoint.note().to_owned(),
            projected: size,
        });
        let batch = commit.into_batch();
        // The commit point: before this call returns nothing of the commit counts, after it everything does.
        if let Err(error) = self.durable.commit(batch) {
            tracing::error!(%error, "the store failed; the ledger is poisoned until it is restarted");
            self.poison(staged.accepted);
            return;
        }
        self.tree = tree;
        self.keyring = staged.keyring;
        self.held.take(staged.emitters, staged.sessions);
        self.held.claimed = staged.claimed;
        self.shared.publish_head(checkpoint, Arc::clone(&self.keyring));
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

    /// The root of the log when it had this size, which its head covers.
    pub(crate) fn root(&self, size: TreeSize) -> Result<Digest, LedgerError> {
        if size == self.tree.size() {
            return Ok(self.tree.root());
        }
        let store = &self.shared.store;
        Ok(Frontier::load(size, &Stored { store })?.root())
    }

    /// The receipt that the batch got when it was taken: the signature of Ed25519 is the same each time.
    fn first_receipt(&self, payload: &SealPayload, seal: u64) -> Result<Receipt, LedgerError> {
        let missing = LedgerError::Damaged {
            rule: "the size of a commit is missing",
        };
        let size = TreeSize(self.shared.store.commit_size(seal)?.ok_or(missing)?);
        let root = self.root(size)?;
        let checkpoint = Checkpoint::sign(self.origin.clone(), size, root, &self.log_key)?;
        Ok(Receipt {
            boot: payload.boot,
            sequence: payload.sequence,
            first: seal.saturating_sub(payload.count),
            checkpoint: checkpoint.note().to_owned(),
        })
    }
}

impl Held {
    /// Takes over what became durable.
    fn take(&mut self, emitters: BTreeMap<KeyId, Chain>, sessions: HashMap<SessionId, SessionRecord>) {
        self.emitters.extend(emitters);
        for (session, record) in sessions {
            if record.closed {
                self.sessions.remove(&session);
                continue;
            }
            if self.sessions.len() >= SESSIONS_HELD_MAX && !self.sessions.contains_key(&session) {
                self.sessions.clear();
            }
            self.sessions.insert(session, record);
        }
    }
}

impl Accepted {
    /// Appends the leaves to the tree, and notes what is derived from the batch alone.
    fn integrate(&self, tree: &mut Tree, commit: &mut Commit<'_>) {
        let payload = self.batch.payload();
        for leaf in self.batch.leaves().iter().chain([&self.batch.seal_leaf()]) {
            tree.append(*leaf, |node| commit.node(node.level, node.index, node.hash));
        }
        let seal = self.first.saturating_add(payload.count);
        commit.seal(payload.emitter, payload.boot, payload.sequence, seal);
        if self.published {
            commit.published(self.first, payload.count);
        }
    }
}

impl Staged {
    /// Batches taken so far.
    pub(crate) fn batches(&self) -> usize {
        self.accepted.len()
    }

    /// The public key of an emitter that the log has enrolled so far.
    pub(crate) fn public_key(&self, key: KeyId) -> Option<PublicKey> {
        self.keyring.record(key).map(|record| record.key)
    }

    /// Notes where emitters, sessions and approvals stand afterwards.
    fn project(&self, commit: &mut Commit<'_>) {
        for (emitter, chain) in &self.emitters {
            if let Some(previous) = chain.previous {
                let (boot, sequence) = (chain.boot, chain.sequence);
                let standing = Standing {
                    boot,
                    sequence,
                    previous,
                };
                commit.emitter(*emitter, &standing);
            }
        }
        for (session, record) in &self.sessions {
            commit.session(session.0, record, record.opened >= self.begin);
        }
        for (leaf, record) in &self.approvals {
            commit.approval(*leaf, record.as_ref());
        }
    }
}

/// Whether an event changes the keyring.
pub const fn is_key_event(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Genesis | Kind::KeyEnrolled | Kind::KeyRevoked | Kind::KeyRotated | Kind::MaskKeyAnnounced
    )
}

/// Whether an event is what a person signs about a report.
const fn is_sign_off(kind: Kind) -> bool {
    matches!(kind, Kind::ReportSigned | Kind::ExceptionNoted | Kind::ExceptionClosed)
}

/// What one batch changes beside the tree.
#[derive(Default)]
pub(crate) struct Effects {
    keyring: Option<Keyring>,
    sessions: HashMap<SessionId, SessionRecord>,
    pub(crate) approvals: HashMap<Digest, Option<ApprovalRecord>>,
    claimed: Option<Claimed>,
}

enum Admitted {
    /// Taken, at this place of the commit.
    New(usize),
    /// The same batch was taken earlier in this very commit.
    InThisCommit(usize),
    /// The same batch was taken by an earlier commit.
    Before(Receipt),
}

/// Another batch has the place.
struct Another;

const OTHER_BATCH: &str = "another batch of this emitter has this boot and sequence";

fn acknowledge(shared: &Shared, accepted: Vec<Accepted>) {
    let head = shared.head();
    for accepted in accepted.iter().filter(|accepted| accepted.published) {
        shared.publish_batch(PublishedBatch {
            first: accepted.first,
            count: accepted.batch.payload().count,
        });
    }
    // From the last to the first: a sender waits for its oldest, and finds all of them when it wakes.
    for accepted in accepted.into_iter().rev() {
        let payload = accepted.batch.payload();
        for answer in accepted.answers {
            let _ = answer.send(Ok(Receipt {
                boot: payload.boot,
                sequence: payload.sequence,
                first: accepted.first,
                checkpoint: head.note().to_owned(),
            }));
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
