//! The open ledger: recovery, and what its API is made of.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::thread::JoinHandle;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::merkle::{self, Index, TreeSize};
use exhibit_schemas::seal::{Sealed, UnverifiedSeal};
use exhibit_schemas::tile::{Tile, TileKind, push_entry};
use exhibit_schemas::wire::{Append, Published, Refusal, RefusalCode};
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::admission;
use crate::committer::{Answer, Committer, Held};
use crate::config::Config;
use crate::error::LedgerError;
use crate::projection::ApprovalRecord;
use crate::queue::{self, Queue, Ready};
use crate::readings::Readings;
use crate::store::{Durable, Store, SyncedCommit};
use crate::tree::{Stored, Tree};
use crate::turns::Turns;

/// Published batches that a slow stream may lag behind before it must read them from the store again.
const PUBLISHED_LAG_MAX: usize = 1_024;

/// Name of the store's directory inside the ledger's.
const STORE_DIRECTORY: &str = "store";

/// Name of the file that holds the seed of the key that signs checkpoints.
pub const LOG_KEY_FILE: &str = "log.key";

/// Name of the file that holds the seed of the key that seals the ledger's own events.
pub const LEDGER_KEY_FILE: &str = "ledger.key";

/// A batch that streams publish, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedBatch {
    /// Index of its first event.
    pub first: u64,
    /// Number of its events.
    pub count: u64,
}

/// What the committer and the readers share.
pub struct Shared {
    pub(crate) store: Store,
    pub(crate) turns: Turns,
    head: RwLock<Arc<Checkpoint>>,
    keyring: RwLock<Arc<Keyring>>,
    poisoned: AtomicBool,
    size: watch::Sender<u64>,
    published: broadcast::Sender<PublishedBatch>,
    clock: fn() -> Timestamp,
    stopping: CancellationToken,
    /// Somebody searches: what follows the log into an index does not rest.
    pub(crate) asked: Arc<Notify>,
    /// Entries that the index stands for.
    pub(crate) indexed: watch::Sender<u64>,
}

impl Shared {
    /// The signed head of the last commit.
    pub fn head(&self) -> Arc<Checkpoint> {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys as of the last commit.
    pub fn keyring(&self) -> Arc<Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a commit failed, or nothing is known of it.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::SeqCst)
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn publish_head(&self, head: Checkpoint, keyring: Arc<Keyring>) {
        let size = head.size().0;
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(head);
        self.size.send_replace(size);
    }

    pub(crate) fn publish_batch(&self, batch: PublishedBatch) {
        // Nobody may listen.
        let _ = self.published.send(batch);
    }
}

/// An open log. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
    /// What has to be settled before a key ends; empty where nobody reads.
    readings: Arc<OnceLock<Weak<Readings>>>,
}

impl Ledger {
    /// Begins a log: its first batch must begin with genesis, and every batch must be admitted.
    ///
    /// # Errors
    /// [`LedgerError::Begun`] when there is a log already, [`LedgerError::Beginning`] for batches that are refused.
    pub fn initialise(config: &Config, batches: Vec<Sealed>) -> Result<(), LedgerError> {
        let store = open_store(&config.directory)?;
        if store.head()?.is_some() {
            return Err(LedgerError::Begun(config.directory.clone()));
        }
        let beginning = |code, text: &str| LedgerError::Beginning {
            code,
            text: text.to_owned(),
        };
        let first = batches
            .first()
            .ok_or(beginning(RefusalCode::Malformed, "there is no batch"))?;
        let genesis = first.events().first().and_then(|bytes| Event::decode(&bytes.0).ok());
        let Some(Body::Genesis(genesis)) = genesis.map(|event| event.body) else {
            return Err(beginning(RefusalCode::Malformed, "the first event is not genesis"));
        };
        let keyring = Keyring::begin(&genesis, first.payload().emitter)?;
        let log_key = SecretKey::from_seed(&*read_seed(&config.directory.join(LOG_KEY_FILE))?);
        check_names(config, &keyring, &log_key)?;
        let origin = Origin::new(&config.origin)?;
        let empty = Checkpoint::sign(origin.clone(), TreeSize(0), merkle::empty_root(), &log_key)?;
        let keyring = Arc::new(keyring);
        let shared = Arc::new(shared(store, empty, Arc::clone(&keyring), system_time));
        let mut committer = Committer {
            shared: shared.clone(),
            tree: Tree::default(),
            keyring,
            origin,
            log_key,
            durable: Box::new(SyncedCommit),
            held: Held::default(),
        };
        for sealed in batches {
            let append = Append {
                events: sealed.events().to_vec(),
                seal: sealed.seal_bytes().clone(),
            };
            let refused = |refusal: Refusal| LedgerError::Beginning {
                code: refusal.code,
                text: refusal.text,
            };
            let keyring = shared.keyring();
            let batch = admission::check(append, |key| keyring.record(key).map(|record| record.key));
            let (answer, mut answered) = oneshot::channel();
            committer.commit(vec![Ready { batch, answer }]);
            answered
                .try_recv()
                .map_err(|_| LedgerError::Stopped)?
                .map_err(refused)?;
        }
        Ok(())
    }

    /// Opens a log and recovers: the signed head must verify and be the root of what the store holds.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was changed then.
    pub fn open(config: &Config) -> Result<Self, LedgerError> {
        Self::open_with(config, Box::new(SyncedCommit), system_time)
    }

    /// The same with another commit and clock, for tests of failures.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with(
        config: &Config,
        durable: Box<dyn Durable>,
        clock: fn() -> Timestamp,
    ) -> Result<Self, LedgerError> {
        let store = open_store(&config.directory)?;
        if !store.is_current() {
            store.drop_projections()?;
        }
        let head = store
            .head()?
            .ok_or_else(|| LedgerError::Empty(config.directory.clone()))?;
        let log_key = SecretKey::from_seed(&*read_seed(&config.directory.join(LOG_KEY_FILE))?);
        let origin = Origin::new(&config.origin)?;
        let key = VerifierKey {
            origin: origin.clone(),
            key: log_key.public_key(),
        };
        let checkpoint = Checkpoint::verify(&head.note, &key)?;
        let first = first_keyring(&store)?;
        check_names(config, &first, &log_key)?;
        let shared = Arc::new(shared(store, checkpoint.clone(), Arc::new(first), clock));
        let mut committer = Committer {
            shared: shared.clone(),
            tree: Tree::default(),
            keyring: shared.keyring(),
            origin,
            log_key,
            durable,
            held: Held::default(),
        };
        if head.projected == head.size {
            committer.tree = Tree::load(TreeSize(head.size), &shared.store)?;
            committer.keyring = Arc::new(recover_keyring(&shared)?);
        } else {
            committer.rebuild(&head)?;
        }
        let fits = checkpoint.size() == committer.tree.size() && checkpoint.root() == committer.tree.root();
        if !fits || shared.store.entry(checkpoint.size().0)?.is_some() {
            return Err(LedgerError::Damaged {
                rule: "the signed head is not the root of the entries",
            });
        }
        shared.publish_head(checkpoint, Arc::clone(&committer.keyring));
        let thread_failed = |error| LedgerError::File {
            path: config.directory.clone(),
            error,
        };
        let (queue, queued) = queue::queue(Arc::clone(&shared)).map_err(thread_failed)?;
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run(queued))
            .map_err(thread_failed)?;
        Ok(Self {
            shared,
            queue: Arc::new(queue),
            thread: Arc::new(Mutex::new(Some(thread))),
            readings: Arc::default(),
        })
    }

    /// Takes the derived records away; the next opening makes them again from the entries.
    ///
    /// # Errors
    /// [`LedgerError`], as for a directory that another process has.
    pub fn drop_projections(config: &Config) -> Result<(), LedgerError> {
        open_store(&config.directory)?.drop_projections()
    }

    /// Queues a batch and has it checked; the answer comes through the receiver once it is durable or refused.
    ///
    /// Waits while the queue is full: the caller reads nothing more from its peer meanwhile.
    pub async fn submit(&self, append: Append) -> oneshot::Receiver<Answer> {
        match self.readings.get().and_then(Weak::upgrade) {
            Some(readings) if self.may_end_keys(&append) => readings.submit_ends(append).await,
            _ => self.queue(append).await,
        }
    }

    /// Queues a batch and nothing before it.
    pub(crate) async fn queue(&self, append: Append) -> oneshot::Receiver<Answer> {
        self.queue.submit(append).await
    }

    /// Names the readings that are settled before a key ends: the first that read of this ledger.
    pub(crate) fn settles_with(&self, readings: &Arc<Readings>) {
        self.readings.get_or_init(|| Arc::downgrade(readings));
    }

    /// Whether a batch is an administrator's, by its own word; nobody else ends keys, and the committer makes sure of that.
    fn may_end_keys(&self, append: &Append) -> bool {
        let Ok(seal) = UnverifiedSeal::read(&append.seal.0) else {
            return false;
        };
        let keyring = self.shared.keyring();
        let emitter = keyring.record(seal.claimed_emitter());
        emitter.is_some_and(|record| record.role == Role::Administrator)
    }

    /// Resolves when the ledger begins to stop.
    pub async fn stopping(&self) {
        self.shared.stopping.cancelled().await;
    }

    /// What the readers see.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// An entry, if the head covers it.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn entry(&self, index: Index) -> Result<Option<Vec<u8>>, LedgerError> {
        if index.0 >= self.shared.head().size().0 {
            return Ok(None);
        }
        self.shared.store.entry(index.0)
    }

    /// The bytes of a tile, full or partial, if the head covers it.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        let size = self.shared.head().size().0;
        let (level, entries) = match tile.kind() {
            TileKind::Hashes(level) => (level, false),
            TileKind::Entries => (0, true),
        };
        let shift = u32::from(level) * 8;
        let first = tile.index().checked_mul(256);
        let Some((first, last)) = first.and_then(|first| Some((first, first.checked_add(u64::from(tile.width()))?)))
        else {
            return Ok(None);
        };
        if size.checked_shr(shift).unwrap_or(0) < last {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        if level > 0 {
            for index in first..last {
                let hash = self.shared.store.node(level, index)?.ok_or(missing())?;
                bytes.extend(hash.0);
            }
            return Ok(Some(bytes));
        }
        for entry in self.entries(first, last) {
            let entry = entry?;
            if entries {
                push_entry(&mut bytes, &entry).map_err(|_| LedgerError::Damaged {
                    rule: "an entry is too long",
                })?;
            } else {
                bytes.extend(Digest::leaf(&entry).0);
            }
        }
        Ok(Some(bytes))
    }

    /// Exactly the entries of a range.
    pub(crate) fn entries(&self, first: u64, last: u64) -> impl Iterator<Item = Result<Vec<u8>, LedgerError>> {
        let mut found = self.shared.store.entries(first);
        (first..last).map(move |_| found.next().unwrap_or_else(|| Err(missing())))
    }

    /// The nodes that proofs are made from.
    pub fn nodes(&self) -> Stored<'_> {
        Stored {
            store: &self.shared.store,
        }
    }

    /// A batch by its place: its events and its seal.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn batch(&self, place: PublishedBatch) -> Result<Published, LedgerError> {
        let last = place.first.saturating_add(place.count);
        let entries = self.entries(place.first, last.saturating_add(1));
        let mut entries = entries.map(|entry| entry.map(Bytes)).collect::<Result<Vec<_>, _>>()?;
        let seal = entries.pop().ok_or(missing())?;
        Ok(Published {
            first: place.first,
            events: entries,
            seal,
        })
    }

    /// Approval requests that wait, or by whose approval something is released, by leaf hash; a request whose time is over stays until its session says so.
    ///
    /// # Errors
    /// [`LedgerError::Store`], [`LedgerError::Damaged`].
    pub fn approvals(&self) -> Result<Vec<(Digest, ApprovalRecord)>, LedgerError> {
        self.shared.store.approvals().collect()
    }

    /// Batches of key events and decisions from an index on, as far as the head goes.
    ///
    /// # Errors
    /// [`LedgerError::Store`].
    pub fn published(&self, since: u64) -> Result<Vec<PublishedBatch>, LedgerError> {
        let place =
            |found: Result<(u64, u64), LedgerError>| found.map(|(first, count)| PublishedBatch { first, count });
        self.shared.store.batches(since).map(place).collect()
    }

    /// Batches of key events and decisions from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<PublishedBatch> {
        self.shared.published.subscribe()
    }

    /// The log's size, whenever it grows.
    pub fn sizes(&self) -> watch::Receiver<u64> {
        self.shared.size.subscribe()
    }

    /// Ends the committer after what is queued is durable. Clones take nothing any more, and their streams end.
    ///
    /// Blocks until the committer has ended.
    pub fn shutdown(self) {
        self.shared.stopping.cancel();
        self.queue.close();
        let handle = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            let _ = handle.join();
        }
    }
}

fn shared(store: Store, head: Checkpoint, keyring: Arc<Keyring>, clock: fn() -> Timestamp) -> Shared {
    Shared {
        store,
        turns: Turns::default(),
        size: watch::channel(head.size().0).0,
        head: RwLock::new(Arc::new(head)),
        keyring: RwLock::new(keyring),
        poisoned: AtomicBool::new(false),
        published: broadcast::channel(PUBLISHED_LAG_MAX).0,
        clock,
        stopping: CancellationToken::new(),
        asked: Arc::new(Notify::new()),
        indexed: watch::channel(0).0,
    }
}

fn open_store(directory: &Path) -> Result<Store, LedgerError> {
    if !directory.is_dir() {
        return Err(LedgerError::Empty(directory.to_owned()));
    }
    Store::open(&directory.join(STORE_DIRECTORY))
}

fn read_event(store: &Store, index: u64) -> Result<Event, LedgerError> {
    let entry = store.entry(index)?.ok_or(missing())?;
    Event::decode(&entry).map_err(|_| LedgerError::Damaged {
        rule: "an entry of a key batch cannot be read",
    })
}

/// The keys that genesis names.
fn first_keyring(store: &Store) -> Result<Keyring, LedgerError> {
    let first = read_event(store, 0)?;
    let Body::Genesis(genesis) = &first.body else {
        return Err(LedgerError::Damaged {
            rule: "the first entry is not genesis",
        });
    };
    Ok(Keyring::begin(genesis, first.emitter.0)?)
}

/// Steps the keyring through the key events of the log, as the committer did.
fn recover_keyring(shared: &Shared) -> Result<Keyring, LedgerError> {
    let mut keyring = Keyring::clone(&shared.keyring());
    for batch in shared.store.batches(0) {
        let (start, count) = batch?;
        for index in start.max(1)..start.saturating_add(count) {
            let event = read_event(&shared.store, index)?;
            keyring.apply(Index(index), event.emitter, &event.body)?;
        }
    }
    Ok(keyring)
}

fn missing() -> LedgerError {
    LedgerError::Damaged {
        rule: "an entry or a node below the head is missing",
    }
}

fn check_names(config: &Config, keyring: &Keyring, log_key: &SecretKey) -> Result<(), LedgerError> {
    if keyring.origin() != config.origin {
        return Err(LedgerError::Origin {
            configured: config.origin.clone(),
            found: keyring.origin().to_owned(),
        });
    }
    if keyring.log_key() == log_key.public_key().to_bytes() {
        Ok(())
    } else {
        Err(LedgerError::KeyFile {
            path: config.directory.join(LOG_KEY_FILE),
            rule: "it is not the key that genesis names",
        })
    }
}

/// Reads a seed: 64 hexadecimal digits in a file that only its owner can read.
pub(crate) fn read_seed(path: &PathBuf) -> Result<zeroize::Zeroizing<[u8; 32]>, LedgerError> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = |error| LedgerError::File {
        path: path.clone(),
        error,
    };
    let rule = |rule| LedgerError::KeyFile {
        path: path.clone(),
        rule,
    };
    let mode = std::fs::metadata(path).map_err(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(rule("others can read it; `chmod 600` it"));
    }
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(file)?);
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), seed.as_mut_slice())
        .map_err(|_| rule("a key file is 64 hexadecimal digits"))?;
    Ok(seed)
}

#[allow(clippy::disallowed_methods, reason = "the ledger's clock; tests hand in another")]
fn system_time() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX)))
}
