//! The store: a fjall database, written in one atomic durable batch to a commit and read by everybody.
//!
//! ```text
//! entries     index u64          entry bytes                                     the truth
//! nodes       level u8, index    32 bytes; tile levels 1 and up                  derived
//! head        "head"             size, signed checkpoint
//! seals       key, boot, seq     first index, events, size of the commit, leaf   derived
//! emitters    key                boot, next sequence, leaf of the last seal      derived
//! sessions    id                 SessionRecord                                   derived
//! approvals   leaf               ApprovalRecord, only while it waits             derived
//! batches     first index        events; only batches that streams publish       derived
//! ```
//!
//! Integers in keys are big-endian, so that their order is the order of the keys.

use std::path::Path;

use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::wire::Standing;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::projection::{ApprovalRecord, SessionRecord};

/// Bytes of journals before fjall must flush tables; keeps the store's own overhead and its recovery time small.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

exhibit_schemas::record! {
    /// The log's head as of the last commit.
    pub struct HeadRecord {
        /// Number of entries.
        1 => size: u64,
        /// The signed checkpoint of exactly that size.
        2 => note: String,
    }
}

exhibit_schemas::record! {
    /// Where a batch stands, by its seal's emitter, boot and sequence.
    pub struct SealRecord {
        /// Index of its first event.
        1 => first: u64,
        /// Number of its events; the seal follows them.
        2 => count: u64,
        /// Size of the log after the commit that took it.
        3 => size: u64,
        /// Leaf hash of the seal.
        4 => leaf: Digest,
    }
}

/// The open store.
pub struct Store {
    database: Database,
    entries: Keyspace,
    nodes: Keyspace,
    head: Keyspace,
    seals: Keyspace,
    emitters: Keyspace,
    sessions: Keyspace,
    approvals: Keyspace,
    batches: Keyspace,
}

/// Makes a commit durable.
///
/// Contract: when it returns `Ok`, everything in the batch survives a crash, or none of it was written. After an error
/// nothing is known; the caller must stop until the store was opened again.
pub trait Durable: Send {
    /// Commits the batch.
    ///
    /// # Errors
    /// Any failure to write or to sync.
    fn commit(&mut self, batch: OwnedWriteBatch) -> Result<(), fjall::Error>;
}

/// The one commit of the product: fjall's journal, synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct SyncedCommit;

impl Durable for SyncedCommit {
    fn commit(&mut self, batch: OwnedWriteBatch) -> Result<(), fjall::Error> {
        batch.durability(Some(PersistMode::SyncAll)).commit()
    }
}

/// What one commit writes.
pub struct Commit<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
}

impl Store {
    /// Opens or makes the database in a directory.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another process has it, [`LedgerError::Store`].
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        let opened = Database::builder(directory)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .open();
        let database = match opened {
            Err(fjall::Error::Locked) => return Err(LedgerError::Locked(directory.to_owned())),
            other => other?,
        };
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        Ok(Self {
            entries: keyspace("entries")?,
            nodes: keyspace("nodes")?,
            head: keyspace("head")?,
            seals: keyspace("seals")?,
            emitters: keyspace("emitters")?,
            sessions: keyspace("sessions")?,
            approvals: keyspace("approvals")?,
            batches: keyspace("batches")?,
            database,
        })
    }

    /// The head, `None` before the first commit.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn head(&self) -> Result<Option<HeadRecord>, LedgerError> {
        read(self.head.get("head")?)
    }

    /// An entry.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.entries.get(index.to_be_bytes())?.map(|bytes| bytes.to_vec()))
    }

    /// A node of a tile level from 1.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn node(&self, level: u8, index: u64) -> Result<Option<Digest>, LedgerError> {
        let found = self.nodes.get(node_key(level, index))?;
        Ok(found.and_then(|bytes| Digest::try_from(&*bytes).ok()))
    }

    /// Where a batch stands.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn seal(&self, emitter: KeyId, boot: u64, sequence: u64) -> Result<Option<SealRecord>, LedgerError> {
        read(self.seals.get(seal_key(emitter, boot, sequence))?)
    }

    /// Where an emitter stands.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn emitter(&self, emitter: KeyId) -> Result<Option<Standing>, LedgerError> {
        read(self.emitters.get(emitter.0)?)
    }

    /// A session.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn session(&self, session: [u8; 16]) -> Result<Option<SessionRecord>, LedgerError> {
        read(self.sessions.get(session)?)
    }

    /// All sessions, in no useful order, with their ids.
    pub fn sessions(&self) -> impl Iterator<Item = Result<([u8; 16], SessionRecord), LedgerError>> {
        self.sessions.iter().map(|guard| {
            let (key, value) = guard.into_inner()?;
            let id = <[u8; 16]>::try_from(&*key).map_err(|_| damaged())?;
            Ok((id, cbor::decode(&value).map_err(|_| damaged())?))
        })
    }

    /// An approval that waits.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn approval(&self, leaf: Digest) -> Result<Option<ApprovalRecord>, LedgerError> {
        read(self.approvals.get(leaf.0)?)
    }

    /// All approvals that wait, by leaf hash.
    pub fn approvals(&self) -> impl Iterator<Item = Result<(Digest, ApprovalRecord), LedgerError>> {
        self.approvals.iter().map(|guard| {
            let (key, value) = guard.into_inner()?;
            let leaf = Digest::try_from(&*key).map_err(|_| damaged())?;
            Ok((leaf, cbor::decode(&value).map_err(|_| damaged())?))
        })
    }

    /// First index and number of events of the batches that streams publish, from an index on.
    pub fn batches(&self, since: u64) -> impl Iterator<Item = Result<(u64, u64), LedgerError>> {
        self.batches.range(since.to_be_bytes()..).map(|guard| {
            let (key, value) = guard.into_inner()?;
            let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged());
            Ok((number(&key)?, number(&value)?))
        })
    }

    /// Begins a commit.
    pub fn commit(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.database.batch(),
        }
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn disk_bytes(&self) -> Result<u64, LedgerError> {
        Ok(self.database.disk_space()?)
    }
}

impl Commit<'_> {
    /// Adds an entry.
    pub fn entry(&mut self, index: u64, bytes: &[u8]) {
        self.batch.insert(&self.store.entries, index.to_be_bytes(), bytes);
    }

    /// Adds a node of a tile level.
    pub fn node(&mut self, level: u8, index: u64, hash: Digest) {
        self.batch.insert(&self.store.nodes, node_key(level, index), hash.0);
    }

    /// Sets the head.
    pub fn head(&mut self, head: &HeadRecord) {
        self.batch.insert(&self.store.head, "head", cbor::encode(head));
    }

    /// Adds where a batch stands.
    pub fn seal(&mut self, emitter: KeyId, boot: u64, sequence: u64, record: &SealRecord) {
        let key = seal_key(emitter, boot, sequence);
        self.batch.insert(&self.store.seals, key, cbor::encode(record));
    }

    /// Sets where an emitter stands.
    pub fn emitter(&mut self, emitter: KeyId, standing: &Standing) {
        self.batch
            .insert(&self.store.emitters, emitter.0, cbor::encode(standing));
    }

    /// Sets a session.
    pub fn session(&mut self, session: [u8; 16], record: &SessionRecord) {
        self.batch.insert(&self.store.sessions, session, cbor::encode(record));
    }

    /// Sets an approval that waits, or takes out one that does not any more.
    pub fn approval(&mut self, leaf: Digest, record: Option<&ApprovalRecord>) {
        match record {
            Some(record) => self.batch.insert(&self.store.approvals, leaf.0, cbor::encode(record)),
            None => self.batch.remove(&self.store.approvals, leaf.0),
        }
    }

    /// Adds a batch that streams publish.
    pub fn published(&mut self, first: u64, count: u64) {
        self.batch
            .insert(&self.store.batches, first.to_be_bytes(), count.to_be_bytes());
    }

    /// What is to be committed.
    pub fn into_batch(self) -> OwnedWriteBatch {
        self.batch
    }
}

fn node_key(level: u8, index: u64) -> [u8; 9] {
    let mut key = [level; 9];
    if let Some(place) = key.last_chunk_mut::<8>() {
        *place = index.to_be_bytes();
    }
    key
}

fn seal_key(emitter: KeyId, boot: u64, sequence: u64) -> Vec<u8> {
    [emitter.0, boot.to_be_bytes(), sequence.to_be_bytes()].concat()
}

fn read<T: DeserializeOwned + serde::Serialize>(found: Option<fjall::UserValue>) -> Result<Option<T>, LedgerError> {
    found
        .map(|bytes| cbor::decode(&bytes).map_err(|_| damaged()))
        .transpose()
}

fn damaged() -> LedgerError {
    LedgerError::Damaged {
        rule: "a derived record cannot be read",
    }
}
