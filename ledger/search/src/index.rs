//! The index: documents on disk, the mark up to which they stand for the log, and what carries a session on.
//!
//! ```text
//! commit payload = JSON { "version": documents' version, "high_water": entries taken, "last": leaf hash of the last one }
//! ```
//!
//! The commit point is the commit of tantivy, which writes documents and payload together. Between commits the index
//! remembers names of keys, decisions and sessions in memory; after a restart it finds them in its own documents.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::KeyRotated;
use exhibit_schemas::event::{Body, Event, EventError, Kind, SessionId};
use exhibit_schemas::key::{KeyBytes, KeyId, PublicKey};
use exhibit_schemas::merkle::Index as EntryIndex;
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use tantivy::collector::DocSetCollector;
use tantivy::query::TermSetQuery;
use tantivy::schema::Value as _;
use tantivy::{IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use crate::document::{self, Context, Fields, Surroundings, VERSION};
use crate::query::{Filter, Query, QueryError};
use crate::searcher::{Results, Searcher};
use crate::text;

/// Bytes that the writer collects before it starts a new segment on disk; the least that tantivy takes is 15 MB.
const WRITER_BYTES: usize = 32_000_000;

/// Sessions whose context is held in memory; a session past it is looked up in the index. A context is a few hundred
/// bytes, so that this is about two megabytes, for more sessions than one machine's proxies keep open.
pub const SESSIONS_MAX: usize = 4_096;

/// Decisions of people between two commits that are held in memory; one more forces a commit.
const DECISIONS_MAX: usize = 4_096;

/// Why the index could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Another process has the index open.
    #[error("the search index in {} is open in another process", directory.display())]
    Locked {
        /// Where it is.
        directory: PathBuf,
    },
    /// The store of the index failed.
    #[error("the search index failed: {0}")]
    Store(#[from] Box<TantivyError>),
    /// A directory could not be emptied or made.
    #[error("the search index cannot use {}: {source}", directory.display())]
    Directory {
        /// Where it is.
        directory: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// An entry of the log is not an event.
    #[error("entry {index} cannot be indexed: {source}")]
    Entry {
        /// Its index.
        index: EntryIndex,
        /// Why.
        source: EventError,
    },
    /// An entry was given out of order.
    #[error("the search index takes entry {wanted} next, not {given}")]
    OutOfOrder {
        /// The entry that comes next.
        wanted: EntryIndex,
        /// The entry that was given.
        given: EntryIndex,
    },
    /// The log did not hand out an entry that it has.
    #[error("the log did not hand out entry {index}")]
    Missing {
        /// Its index.
        index: EntryIndex,
    },
    /// The question is not understood.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// Why an index was emptied and starts again from zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rebuilt {
    /// It was written by another version.
    #[error("it was written by another version of its documents")]
    Version,
    /// Its files are damaged or missing.
    #[error("its files are damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// It does not stand for this log.
    #[error("it was built from another log: entry {index} is not the one that it holds")]
    OtherLog {
        /// The last entry that it stands for.
        index: EntryIndex,
    },
}

/// What a commit says of itself.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    version: u32,
    high_water: u64,
    last: Option<String>,
}

/// The index of one log; the only writer. Any number of [`Searcher`]s read it meanwhile.
pub struct Index {
    directory: PathBuf,
    fields: Fields,
    writer: IndexWriter,
    searcher: Searcher,
    /// The next entry to take.
    next: EntryIndex,
    /// Leaf hash of the entry before it.
    last: Option<Digest>,
    /// Entries that the last commit stands for.
    committed: EntryIndex,
    /// Names of people, proxies and administrators by key. Complete: bounded by the ledger's own limit of keys.
    names: BTreeMap<KeyId, String>,
    /// Approvers by decision, since the last commit.
    decisions: HashMap<Digest, String>,
    sessions: Sessions,
    rebuilt: Option<Rebuilt>,
}

impl Index {
    /// Opens the index in a directory that is its own, or begins one. Reads and checks every file once, so it takes as
    /// long as reading the index from disk: the ledger calls it on the follower's thread.
    ///
    /// An index that is damaged or of another version is emptied; [`Index::rebuilt`] says why.
    ///
    /// # Errors
    /// [`SearchError::Locked`], [`SearchError::Directory`] and [`SearchError::Store`] when no index can be made there.
    pub fn open(directory: &Path) -> Result<Self, SearchError> {
        std::fs::create_dir_all(directory).map_err(|source| SearchError::Directory {
            directory: directory.to_owned(),
            source,
        })?;
        match Self::open_as_it_is(directory) {
            Ok(index) => Ok(index),
            Err(Unfit::Error(error)) => Err(error),
            Err(Unfit::Rebuild(cause)) => Self::begin_again(directory, cause),
        }
    }

    fn begin_again(directory: &Path, cause: Rebuilt) -> Result<Self, SearchError> {
        tracing::warn!(%cause, "the search index starts again from zero");
        empty(directory)?;
        match Self::open_as_it_is(directory) {
            Ok(mut index) => {
                index.rebuilt = Some(cause);
                Ok(index)
            }
            Err(Unfit::Error(error)) => Err(error),
            Err(Unfit::Rebuild(cause)) => Err(SearchError::Directory {
                directory: directory.to_owned(),
                source: std::io::Error::other(cause.to_string()),
            }),
        }
    }

    fn open_as_it_is(directory: &Path) -> Result<Self, Unfit> {
        let fields = Fields::new();
        let damaged = |error: TantivyError| {
            Unfit::Rebuild(Rebuilt::Damaged {
                what: error.to_string(),
            })
        };
        let store = tantivy::directory::MmapDirectory::open(directory)
            .map_err(|error| Unfit::Error(TantivyError::from(error).into()))?;
        let fresh = !tantivy::Index::exists(&store).map_err(|error| damaged(error.into()))?;
        let index = if fresh {
            tantivy::Index::create(store, fields.schema.clone(), tantivy::IndexSettings::default())
                .map_err(|error| Unfit::Error(error.into()))?
        } else {
            tantivy::Index::open(store).map_err(damaged)?
        };
        if index.schema() != fields.schema {
            return Err(Unfit::Rebuild(Rebuilt::Version));
        }
        index.tokenizers().register(text::ANALYZER, text::analyzer());
        let writer = index
            .writer_with_num_threads(1, WRITER_BYTES)
            .map_err(|error| match error {
                TantivyError::LockFailure(..) => Unfit::Error(SearchError::Locked {
                    directory: directory.to_owned(),
                }),
                other => damaged(other),
            })?;
        let (next, last) = standing(&index, fresh).map_err(Unfit::Rebuild)?;
        let bad_files = index.validate_checksum().map_err(damaged)?;
        if let Some(file) = bad_files.iter().min() {
            return Err(Unfit::Rebuild(Rebuilt::Damaged {
                what: format!("{} has another checksum", file.display()),
            }));
        }
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(damaged)?;
        let searcher = Searcher::new(fields.clone(), reader, next);
        let names = names(&fields, &searcher).map_err(damaged)?;
        Ok(Self {
            directory: directory.to_owned(),
            fields,
            writer,
            searcher,
            next,
            last,
            committed: next,
            names,
            decisions: HashMap::new(),
            sessions: Sessions::default(),
            rebuilt: None,
        })
    }

    /// Why the index was emptied when it was opened or reset, if it was.
    pub const fn rebuilt(&self) -> Option<&Rebuilt> {
        self.rebuilt.as_ref()
    }

    /// The next entry to take; what was taken after [`Index::high_water`] is not searchable and not durable yet.
    pub const fn next(&self) -> EntryIndex {
        self.next
    }

    /// Entries of the log that the index durably stands for; following goes on from here after a restart.
    pub const fn high_water(&self) -> EntryIndex {
        self.committed
    }

    /// Leaf hash of the entry before [`Index::next`].
    pub(crate) const fn last(&self) -> Option<Digest> {
        self.last
    }

    /// A reader, for any thread.
    pub fn searcher(&self) -> Searcher {
        self.searcher.clone()
    }

    /// Answers a question from what is committed; see [`Searcher::search`].
    ///
    /// # Errors
    /// [`SearchError::Store`].
    pub fn search(&self, query: &Query, limit: usize, cursor: Option<EntryIndex>) -> Result<Results, SearchError> {
        self.searcher.search(query, limit, cursor)
    }

    /// Takes the next entry of the log, an event or a seal; a seal only moves the mark.
    ///
    /// # Errors
    /// [`SearchError::OutOfOrder`], [`SearchError::Entry`] and [`SearchError::Store`]; the entry was not taken then.
    pub fn apply(&mut self, index: EntryIndex, entry: &[u8]) -> Result<(), SearchError> {
        if index != self.next {
            return Err(SearchError::OutOfOrder {
                wanted: self.next,
                given: index,
            });
        }
        let leaf = Digest::leaf(entry);
        if entry.first() != Some(&SEAL_FIRST_BYTE) {
            let event = Event::decode(entry).map_err(|source| SearchError::Entry { index, source })?;
            self.add(index, leaf, &event)?;
        }
        self.next = EntryIndex(index.0 + 1);
        self.last = Some(leaf);
        Ok(())
    }

    /// Makes everything that was taken durable and searchable, in one step with the new high water.
    ///
    /// # Errors
    /// [`SearchError::Store`].
    pub fn commit(&mut self) -> Result<(), SearchError> {
        if self.committed == self.next {
            return Ok(());
        }
        let payload = Payload {
            version: VERSION,
            high_water: self.next.0,
            last: self.last.map(|leaf| leaf.to_string()),
        };
        let payload = serde_json::to_string(&payload).expect("numbers and a string have a JSON form");
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&payload);
        // The commit point: documents and high water together.
        prepared.commit()?;
        self.committed = self.next;
        self.searcher.reload(self.committed)?;
        self.decisions.clear();
        Ok(())
    }

    /// Empties the index: everything is read again from entry 0.
    ///
    /// # Errors
    /// [`SearchError`], as [`Index::open`].
    pub fn rebuild(self, cause: Rebuilt) -> Result<Self, SearchError> {
        let Self { directory, writer, .. } = self;
        // The writer holds the lock.
        writer.wait_merging_threads()?;
        Self::begin_again(&directory, cause)
    }

    /// Moves every clone of an older searcher over to this index.
    pub(crate) fn take_over(&mut self, searcher: &Searcher) {
        searcher.show_as(&self.searcher);
        self.searcher = searcher.clone();
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn add(&mut self, index: EntryIndex, leaf: Digest, event: &Event) -> Result<(), SearchError> {
        let mut around = Surroundings::default();
        match &event.body {
            Body::Genesis(genesis) => {
                let administrators = genesis.administrators.iter();
                around.keys = administrators.filter_map(|who| named(who.key, &who.name)).collect();
            }
            Body::KeyEnrolled(enrolled) => around.keys.extend(named(enrolled.key, &enrolled.name)),
            Body::KeyRotated(KeyRotated { from, to, .. }) => {
                let name = self.names.get(from).cloned().unwrap_or_default();
                around.keys.extend(named(*to, &name));
            }
            Body::ApprovalDecided(_) => {
                let approver = self.names.get(&event.emitter.0).cloned();
                around.approvers.extend(approver);
                around.leaf = Some(leaf.to_string());
            }
            Body::Command(command) => {
                for decision in command.approvals.iter().flatten() {
                    around.approvers.extend(self.approver(decision)?);
                }
            }
            Body::ThresholdDecided(threshold) => {
                for decision in threshold.approvals.iter().flatten() {
                    around.approvers.extend(self.approver(decision)?);
                }
            }
            Body::SessionOpened(opened) => {
                if let Some(session) = event.about() {
                    self.remember(session, index, Context::of(opened))?;
                }
            }
            _ => {}
        }
        around.session = match event.about_entry() {
            Some(entry) => self.session_of(entry)?,
            None => event.about(),
        };
        if let Some(session) = around.session {
            around.context = self.context(session)?;
        }
        self.writer
            .add_document(document::document(&self.fields, index, event, &around))?;
        self.names.extend(
            around
                .keys
                .into_iter()
                .filter_map(|(key, name)| Some((KeyId::from_hex(&key)?, name))),
        );
        if let (Body::ApprovalDecided(_), Some(approver)) = (&event.body, around.approvers.pop_first()) {
            if self.decisions.len() >= DECISIONS_MAX {
                self.commit()?;
            }
            self.decisions.insert(leaf, approver);
        }
        Ok(())
    }

    /// The session of an entry that was taken, as its document has it.
    fn session_of(&mut self, entry: EntryIndex) -> Result<Option<SessionId>, SearchError> {
        if entry >= self.next {
            return Ok(None);
        }
        if entry >= self.committed {
            self.commit()?;
        }
        let found = self.searcher.one(&[Term::from_field_u64(self.fields.index, entry.0)])?;
        let session = found.and_then(|document| values(&document, &self.fields, Filter::Session).pop());
        Ok(session.and_then(|session| SessionId::from_hex(&session)))
    }

    /// Who made a decision: of this commit, or of an earlier one.
    fn approver(&self, decision: &Digest) -> Result<Option<String>, SearchError> {
        if let Some(approver) = self.decisions.get(decision) {
            return Ok(Some(approver.clone()));
        }
        let term = Term::from_field_text(self.fields.leaf, &decision.to_string());
        let found = self.searcher.one(&[term])?;
        Ok(found.and_then(|document| values(&document, &self.fields, Filter::Approver).pop()))
    }

    fn context(&mut self, session: SessionId) -> Result<Context, SearchError> {
        if let Some(context) = self.sessions.context(session) {
            return Ok(context);
        }
        let terms = [
            Term::from_field_text(self.fields.filter(Filter::Session), &session.to_string()),
            Term::from_field_text(self.fields.filter(Filter::Kind), Kind::SessionOpened.as_str()),
        ];
        let Some(document) = self.searcher.one(&terms)? else {
            return Ok(Context::default());
        };
        let of = |filter| values(&document, &self.fields, filter);
        let context = Context {
            agent: of(Filter::Agent),
            client: of(Filter::Client),
            group: of(Filter::Group),
            target: of(Filter::Target),
            protocol: of(Filter::Protocol),
        };
        // It was found in a commit, so it may be forgotten again at any time.
        self.remember(session, EntryIndex(0), context.clone())?;
        Ok(context)
    }

    /// Keeps a session's context, and forgets the oldest past the limit once its event can be found in the index.
    fn remember(&mut self, session: SessionId, opened: EntryIndex, context: Context) -> Result<(), SearchError> {
        if self.sessions.full() {
            if self.sessions.oldest().is_some_and(|oldest| oldest >= self.committed) {
                self.commit()?;
            }
            self.sessions.forget_oldest();
        }
        self.sessions.insert(session, opened, context);
        Ok(())
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Index({} of {})", self.committed, self.directory.display())
    }
}

/// Contexts of sessions in the order in which they came, at most [`SESSIONS_MAX`].
#[derive(Default)]
struct Sessions {
    contexts: HashMap<SessionId, Context>,
    order: VecDeque<(SessionId, EntryIndex)>,
}

impl Sessions {
    fn context(&self, session: SessionId) -> Option<Context> {
        self.contexts.get(&session).cloned()
    }

    fn full(&self) -> bool {
        self.order.len() >= SESSIONS_MAX
    }

    /// Index of the event from which the oldest context comes.
    fn oldest(&self) -> Option<EntryIndex> {
        self.order.front().map(|(_, opened)| *opened)
    }

    fn forget_oldest(&mut self) {
        if let Some((session, _)) = self.order.pop_front() {
            self.contexts.remove(&session);
        }
    }

    fn insert(&mut self, session: SessionId, opened: EntryIndex, context: Context) {
        if self.contexts.insert(session, context).is_none() {
            self.order.push_back((session, opened));
        }
    }
}

/// Why an index is not opened as it is.
enum Unfit {
    Rebuild(Rebuilt),
    Error(SearchError),
}

/// Where the last commit stands.
fn standing(index: &tantivy::Index, fresh: bool) -> Result<(EntryIndex, Option<Digest>), Rebuilt> {
    let metas = index.load_metas().map_err(|error| Rebuilt::Damaged {
        what: error.to_string(),
    })?;
    let Some(text) = metas.payload else {
        // Killed before the first commit: there is nothing in it, as in a fresh one.
        return if fresh || metas.segments.is_empty() {
            Ok((EntryIndex(0), None))
        } else {
            Err(Rebuilt::Version)
        };
    };
    let payload: Payload = serde_json::from_str(&text).map_err(|_| Rebuilt::Version)?;
    if payload.version != VERSION {
        return Err(Rebuilt::Version);
    }
    let last = payload.last.as_deref().and_then(Digest::from_hex);
    if last.is_some() != (payload.high_water > 0) {
        return Err(Rebuilt::Version);
    }
    Ok((EntryIndex(payload.high_water), last))
}

/// Removes everything in the index's own directory.
fn empty(directory: &Path) -> Result<(), SearchError> {
    let failed = |source| SearchError::Directory {
        directory: directory.to_owned(),
        source,
    };
    std::fs::remove_dir_all(directory).map_err(failed)?;
    std::fs::create_dir_all(directory).map_err(failed)
}

/// Names of all keys that the index has seen enrolled, in the order of the log.
fn names(fields: &Fields, searcher: &Searcher) -> Result<BTreeMap<KeyId, String>, TantivyError> {
    let kind = fields.filter(Filter::Kind);
    let kinds = [Kind::Genesis, Kind::KeyEnrolled, Kind::KeyRotated];
    let query = TermSetQuery::new(kinds.map(|word| Term::from_field_text(kind, word.as_str())));
    let reader = searcher.reader();
    let mut found = BTreeMap::new();
    for address in reader.search(&query, &DocSetCollector)? {
        let document: TantivyDocument = reader.doc(address)?;
        let texts = |field| {
            let values = document.get_all(field).filter_map(|value| value.as_str());
            values.map(str::to_owned).collect::<Vec<_>>()
        };
        let pairs = texts(fields.key).into_iter().zip(texts(fields.holder));
        found.extend(pairs.filter_map(|(key, name)| Some((KeyId::from_hex(&key)?, name))));
    }
    Ok(found)
}

/// A key's id in hexadecimal with its holder's name; a key that is refused everywhere has none.
fn named(key: KeyBytes, name: &str) -> Option<(String, String)> {
    let id = PublicKey::from_bytes(key).ok()?.id();
    Some((id.to_string(), name.to_owned()))
}

/// Stored values of a filter.
pub(crate) fn values(document: &TantivyDocument, fields: &Fields, filter: Filter) -> Vec<String> {
    let values = document.get_all(fields.filter(filter));
    let texts: BTreeSet<_> = values.filter_map(|value| value.as_str()).map(str::to_owned).collect();
    texts.into_iter().collect()
}
