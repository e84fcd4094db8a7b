//! The store: a fjall database, written in one atomic durable batch to a commit and read by everybody.
//!
//! ```text
//! entries     first index u64    a page: entries as in a tlog-tiles bundle       the truth
//! commits     size u64           nothing; the sizes that were signed             the truth
//! head        "head"             size, signed checkpoint                         the truth
//! nodes       level u8, index    32 bytes; tile levels 1 and up                  derived
//! seals       key, boot, seq     indexes of the seals from that sequence on      derived
//! emitters    key                boot, next sequence, leaf of the last seal      derived
//! sessions    id                 SessionRecord                                   derived
//! opened      index u64, id      nothing; sessions by their opening              derived
//! open        id                 nothing; sessions that are not closed           derived
//! approvals   leaf               ApprovalRecord, while it waits or passes        derived
//! batches     first index        events; only batches that streams publish       derived
//! ```
//!
//! Integers in keys are big-endian, so that their order is the order of the keys. One commit writes few, long values: its
//! entries share pages and its seals of one emitter share a record, so that the price of a record is not that of an event.
//! "derived" says what [`Store::drop_projections`] takes away and the next opening makes again from the entries.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::tile;
use exhibit_schemas::wire::Standing;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use serde::de::DeserializeOwned;

use crate::error::LedgerError;
use crate::projection::{ApprovalRecord, SessionRecord};

/// Bytes of journals before fjall must flush tables; keeps the store's own overhead and its recovery time small.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// Threads that flush and compact. Of several, fjall 3.1's first one hands compactions back to the queue as fast as it can until
/// another one takes them, which was a core while a long result was stored. One is enough: keys ascend, so that there is
/// little to compact.
const WORKERS: usize = 1;

exhibit_schemas::record! {
    /// The log's head as of the last commit.
    pub struct HeadRecord {
        /// Number of entries.
        1 => size: u64,
        /// The signed checkpoint of exactly that size.
        2 => note: String,
        /// Entries that the derived records cover: all of them, or none after they were dropped.
        3 => projected: u64,
    }
}

/// Bytes of a page at the most, unless one entry alone is longer: what reading one entry costs, against what each costs.
const PAGE_BYTES_MAX: usize = 16 << 10;

exhibit_schemas::record! {
    /// Where the seals of one emitter and boot stand that one commit took, from the sequence in the key on.
    struct SealRun {
        /// Index of the first.
        1 => first: u64,
        /// From each to the next: its events and itself, and what others appended between.
        2 => steps: Vec<u64>,
    }
}

/// The open store.
pub struct Store {
    database: Database,
    entries: Keyspace,
    commits: Keyspace,
    head: Keyspace,
    nodes: Keyspace,
    seals: Keyspace,
    emitters: Keyspace,
    sessions: Keyspace,
    opened: Keyspace,
    open: Keyspace,
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
    // Index of its first entry, and the entries; none between two pages.
    first: u64,
    page: Vec<u8>,
    // Sequence of the first and index of the last, beside the record.
    seals: BTreeMap<(KeyId, u64), (u64, u64, SealRun)>,
}

impl Store {
    /// Opens or makes the database in a directory.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another process has it, [`LedgerError::Store`].
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        let opened = Database::builder(directory)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(WORKERS)
            // A journal is short-lived; compressing it was a third of the committer's time.
            .journal_compression(fjall::CompressionType::None)
            .open();
        let database = match opened {
            Err(fjall::Error::Locked) => return Err(LedgerError::Locked(directory.to_owned())),
            other => other?,
        };
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        Ok(Self {
            entries: keyspace("entries")?,
            commits: keyspace("commits")?,
            head: keyspace("head")?,
            nodes: keyspace("nodes")?,
            seals: keyspace("seals")?,
            emitters: keyspace("emitters")?,
            sessions: keyspace("sessions")?,
            opened: keyspace("opened")?,
            open: keyspace("open")?,
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
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.entries(index).next().transpose()
    }

    /// The entries from an index on, in order, as far as they go.
    pub fn entries(&self, first: u64) -> Entries<'_> {
        Entries {
            store: self,
            next: first,
            page: VecDeque::new(),
        }
    }

    /// The entries of the page that holds an index, from that index on.
    fn page(&self, index: u64) -> Result<VecDeque<Vec<u8>>, LedgerError> {
        let Some(guard) = self.entries.range(..=index.to_be_bytes()).next_back() else {
            return Ok(VecDeque::new());
        };
        let (key, value) = guard.into_inner()?;
        let passed = usize::try_from(index.saturating_sub(number(&key)?)).unwrap_or(usize::MAX);
        let entries = tile::split(&value, PAGE_BYTES_MAX).map_err(|_| damaged())?;
        Ok(entries.into_iter().skip(passed).map(<[u8]>::to_vec).collect())
    }

    /// The size of the log after the commit that appended an entry.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn commit_size(&self, index: u64) -> Result<Option<u64>, LedgerError> {
        let after = index.saturating_add(1).to_be_bytes();
        let found = self.commits.range(after..).next();
        found.map(|guard| number(&guard.key()?)).transpose()
    }

    /// A node of a tile level from 1.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn node(&self, level: u8, index: u64) -> Result<Option<Digest>, LedgerError> {
        let found = self.nodes.get(node_key(level, index))?;
        Ok(found.and_then(|bytes| Digest::try_from(&*bytes).ok()))
    }

    /// Index of the seal of a batch, by its emitter, boot and sequence.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn seal(&self, emitter: KeyId, boot: u64, sequence: u64) -> Result<Option<u64>, LedgerError> {
        let key = seal_key(emitter, boot, sequence);
        let Some(guard) = self.seals.range(..=key.clone()).next_back() else {
            return Ok(None);
        };
        let (found, value) = guard.into_inner()?;
        let (run, first) = found.split_last_chunk::<8>().ok_or_else(damaged)?;
        if !key.starts_with(run) {
            return Ok(None);
        }
        let SealRun { first: start, steps } = cbor::decode(&value).map_err(|_| damaged())?;
        let place = usize::try_from(sequence.saturating_sub(u64::from_be_bytes(*first))).unwrap_or(usize::MAX);
        Ok(steps
            .get(..place)
            .map(|steps| steps.iter().fold(start, |index, step| index.saturating_add(*step))))
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

    /// Sessions with their ids, from the newest opening on; with `before`, only those opened before that index.
    pub fn sessions(
        &self,
        before: Option<u64>,
    ) -> impl Iterator<Item = Result<([u8; 16], SessionRecord), LedgerError>> {
        let end = before.unwrap_or(u64::MAX).to_be_bytes();
        self.opened.range(..end).rev().map(|guard| {
            let key = guard.key()?;
            let id = key.last_chunk::<16>().ok_or_else(damaged)?;
            Ok((*id, self.session(*id)?.ok_or_else(damaged)?))
        })
    }

    /// Number of sessions that are not closed.
    pub fn open_sessions(&self) -> usize {
        self.open.iter().count()
    }

    /// Whether all derived records are of this version: a store of before has sessions, but not by their opening.
    pub(crate) fn is_current(&self) -> bool {
        self.opened.first_key_value().is_some() || self.sessions.first_key_value().is_none()
    }

    /// A request that waits, or by whose approval something is released.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn approval(&self, leaf: Digest) -> Result<Option<ApprovalRecord>, LedgerError> {
        read(self.approvals.get(leaf.0)?)
    }

    /// All of them, by leaf hash.
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
            Ok((number(&key)?, number(&value)?))
        })
    }

    /// Begins a commit.
    pub fn commit(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.database.batch(),
            first: 0,
            page: Vec::new(),
            seals: BTreeMap::new(),
        }
    }

    /// Notes that the derived records are gone, durably, before they go: the next opening makes them again.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn drop_projections(&self) -> Result<(), LedgerError> {
        if let Some(head) = self.head()? {
            let mut commit = self.commit();
            commit.head(&HeadRecord { projected: 0, ..head });
            SyncedCommit.commit(commit.into_batch())?;
        }
        self.clear_projections()
    }

    /// Takes the derived records away.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub(crate) fn clear_projections(&self) -> Result<(), LedgerError> {
        for derived in [
            &self.nodes,
            &self.seals,
            &self.emitters,
            &self.sessions,
            &self.opened,
            &self.open,
            &self.approvals,
            &self.batches,
        ] {
            derived.clear()?;
        }
        Ok(())
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
    /// Adds an entry; entries come in the order of their indexes.
    pub fn entry(&mut self, index: u64, bytes: &[u8]) {
        if self.page.len() + bytes.len() > PAGE_BYTES_MAX {
            self.end_page();
        }
        if self.page.is_empty() {
            self.first = index;
        }
        tile::push_entry(&mut self.page, bytes).expect("an admitted entry is at most 65,535 bytes long");
    }

    fn end_page(&mut self) {
        if !self.page.is_empty() {
            let (first, page) = (self.first.to_be_bytes(), self.page.as_slice());
            self.batch.insert(&self.store.entries, first, page);
            self.page.clear();
        }
    }

    /// Adds a node of a tile level.
    pub fn node(&mut self, level: u8, index: u64, hash: Digest) {
        self.batch.insert(&self.store.nodes, node_key(level, index), hash.0);
    }

    /// Sets the head, and notes its size as one that was signed.
    pub fn head(&mut self, head: &HeadRecord) {
        self.batch.insert(&self.store.head, "head", cbor::encode(head));
        self.batch.insert(&self.store.commits, head.size.to_be_bytes(), []);
    }

    /// Adds where a seal stands; those of one emitter and boot come in the order of their sequences.
    pub fn seal(&mut self, emitter: KeyId, boot: u64, sequence: u64, index: u64) {
        let run = SealRun {
            first: index,
            steps: Vec::new(),
        };
        let (_, last, run) = self.seals.entry((emitter, boot)).or_insert((sequence, index, run));
        if *last < index {
            run.steps.push(index - *last);
            *last = index;
        }
    }

    /// Sets where an emitter stands.
    pub fn emitter(&mut self, emitter: KeyId, standing: &Standing) {
        self.batch
            .insert(&self.store.emitters, emitter.0, cbor::encode(standing));
    }

    /// Sets a session, which is new when this commit holds its opening.
    pub fn session(&mut self, session: [u8; 16], record: &SessionRecord, new: bool) {
        self.batch.insert(&self.store.sessions, session, cbor::encode(record));
        if new {
            let key = [&record.opened.to_be_bytes()[..], &session].concat();
            self.batch.insert(&self.store.opened, key, []);
        }
        match (new, record.closed) {
            (true, false) => self.batch.insert(&self.store.open, session, []),
            (false, true) => self.batch.remove(&self.store.open, session),
            _ => {}
        }
    }

    /// Sets one of them, or takes it out.
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
    pub fn into_batch(mut self) -> OwnedWriteBatch {
        self.end_page();
        for ((emitter, boot), (sequence, _, run)) in &self.seals {
            let key = seal_key(*emitter, *boot, *sequence);
            self.batch.insert(&self.store.seals, key, cbor::encode(run));
        }
        self.batch
    }
}

/// Entries in order; see [`Store::entries`].
pub struct Entries<'a> {
    store: &'a Store,
    next: u64,
    page: VecDeque<Vec<u8>>,
}

impl Iterator for Entries<'_> {
    type Item = Result<Vec<u8>, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() {
            match self.store.page(self.next) {
                Ok(page) => self.page = page,
                Err(error) => return Some(Err(error)),
            }
        }
        let entry = self.page.pop_front()?;
        self.next = self.next.saturating_add(1);
        Some(Ok(entry))
    }
}

fn number(bytes: &[u8]) -> Result<u64, LedgerError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged())
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
