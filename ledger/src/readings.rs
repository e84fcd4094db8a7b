//! Readings: nothing of the evidence is shown before the event that says to whom is durable.
//!
//! ```text
//! asked ─▶ who is it, may they, how much is there ─▶ event, durable ─▶ a reading, good for ten minutes on one connection,
//!                                                                      and no longer than its reader's key or token
//! ```
//!
//! A reading is what every route that shows evidence takes. Readings that are alike (the same reader and question) within a
//! minute are one event at the first of them, and one more for those that followed, at the end of the minute: a program that
//! asks again and again cannot fill the log, and none of its answers is outside of an event that says until when it reads.
//! What differs is bounded in number, for each reader and minute.
//!
//! What could not be recorded is not shown. What followed by a key is recorded before the key ends. Only how many followed can be lost, with a ledger that is killed within that minute.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exhibit_identity::oidc::Issuers;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::key::{KeyId, SecretKey};
use exhibit_schemas::reading::{Question, Reader, ReadingError, ReadingId, SignedAsked, TIMES_MAX};
use exhibit_schemas::wire::Append;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::committer::Answer;
use crate::config::Config;
use crate::error::LedgerError;
use crate::ledger::{LEDGER_KEY_FILE, Ledger, read_seed};
use crate::readers::{Known, People, ReaderError, Shown};
use crate::scribe::{Scribe, ScribeError};

mod bounds;
mod kept;

use bounds::{PerMinute, Statements};

/// For how long readings that are alike go into one event.
const WINDOW: Duration = Duration::from_mins(1);
const WINDOW_US: u64 = 60 * 1_000_000;

/// Events of one reader within a minute at the most; a person asks less, and a program must not fill the log.
pub const EVENTS_PER_MINUTE_MAX: usize = 120;

/// Questions of one reader within a minute at the most, whatever comes of them: what a question costs to count is bounded so.
pub const QUESTIONS_PER_MINUTE_MAX: usize = 1_200;

/// Readings of one reader that are open at once; the oldest ends where there would be more.
const OPEN_MAX: usize = 128;

/// Readers that are told apart at once; each holds [`OPEN_MAX`] small records at the most.
const READERS_MAX: usize = 1_024;

/// Statements that are remembered so that none is taken twice: two minutes of a hundred readers who ask as much as they may.
const SHOWN_MAX: usize = 2 * 100 * QUESTIONS_PER_MINUTE_MAX;

/// What the key of questions is derived with from the ledger's key.
const QUESTION_LABEL: &[u8] = b"exhibit ledger question digest v1";

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Whoever asks may not.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// The same statement came before.
    #[error("the statement was used before; sign each reading anew")]
    Again,
    /// Too much at once.
    #[error("too many readings at once; ask again in a minute")]
    Busy,
    /// What is read cannot be recorded, so it is not shown.
    #[error("the reading cannot be recorded, so nothing is shown: {0}")]
    Record(#[from] ScribeError),
    /// Its event would keep what is not of this log.
    #[error("{0}; nothing was searched, and nothing of the question is kept")]
    Stranger(&'static str),
    /// Nothing random is to be had.
    #[error("the system gives no random bytes")]
    Random,
}

/// A reading whose event is durable.
///
/// **Invariant:** made by [`Readings::open`] alone, after the receipt.
#[derive(Clone, Debug)]
pub struct Reading {
    question: Question,
    channel: Digest,
    until: Timestamp,
    /// The reader's key, which may be revoked meanwhile.
    key: Option<KeyId>,
    index: u64,
}

impl Reading {
    /// What may be read.
    pub const fn question(&self) -> &Question {
        &self.question
    }

    /// The reader's key, where it is one.
    pub const fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// Index of its event.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Until when it is good.
    pub const fn until(&self) -> Timestamp {
        self.until
    }
}

/// Readers whose readings are one event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Like {
    who: Who,
    question: Digest,
}

/// Method, issuer and subject.
type Who = (&'static str, String, String);

/// Open readings by reader, the oldest first.
type HandedOut = BTreeMap<Who, Vec<(ReadingId, Arc<Reading>)>>;

/// What followed the first reading of a like.
struct Followed {
    /// Index of the first one's event.
    index: u64,
    /// When that was recorded.
    recorded: Timestamp,
    /// Until when it reads, and those that follow it.
    until: Timestamp,
    /// What the next event says of them: those that are not in one yet.
    next: Option<EvidenceRead>,
}

impl Followed {
    /// Whether the next one of its like is a first one again.
    fn is_over(&self, now: Timestamp) -> bool {
        self.recorded.0.saturating_add(WINDOW_US) <= now.0
    }

    /// Whether one that is good until then follows it: not where the first one's token expires, or has, much earlier.
    fn takes(&self, now: Timestamp, until: Timestamp) -> bool {
        !self.is_over(now) && now < self.until && until.0 <= self.until.0.saturating_add(WINDOW_US)
    }

    /// Takes one more into the event of those that followed.
    fn join(&mut self, mut read: EvidenceRead) -> Result<(u64, Timestamp), OpenError> {
        if let Some(by) = &mut read.by {
            by.until = self.until;
            if let Some(before) = self.next.as_ref().and_then(|before| before.by.as_ref()) {
                if before.times >= TIMES_MAX {
                    return Err(OpenError::Busy);
                }
                by.since = before.since;
                by.times = before.times + 1;
            }
        }
        self.next = Some(read);
        Ok((self.index, self.until))
    }
}

/// What opening needs; one reading is opened after the other.
struct Opening {
    scribe: Option<Scribe>,
    likes: BTreeMap<Like, Followed>,
    events: PerMinute,
    questions: PerMinute,
    shown: Statements,
    /// Whether a task ends windows; it does as long as there is a like.
    running: bool,
}

/// All readings of a ledger.
pub struct Readings {
    ledger: Ledger,
    people: People,
    question_key: [u8; 32],
    opening: Arc<tokio::sync::Mutex<Opening>>,
    open: Mutex<HandedOut>,
}

impl Readings {
    /// Those that the configuration allows; nobody reads where it names no readers.
    ///
    /// # Errors
    /// [`LedgerError::KeyFile`] for the ledger's own key, [`LedgerError::Issuer`] for a file of an issuer.
    pub fn new(ledger: Ledger, config: &Config) -> Result<Arc<Self>, LedgerError> {
        if config.readers.is_empty() {
            return Ok(Self::nobody(ledger));
        }
        let issuers = Issuers::read(&config.oidc, ledger.shared().now())?;
        let people = People::new(config.readers.clone(), issuers);
        let seed = read_seed(&config.directory.join(LEDGER_KEY_FILE))?;
        let scribe = Scribe::new(ledger.clone(), SecretKey::from_seed(&seed));
        let question_key = keyed(&*seed, QUESTION_LABEL).0;
        let readings = Self::of(ledger, people, Some(scribe), question_key);
        readings.ledger.settles_with(&readings);
        Ok(readings)
    }

    /// None: nobody reads.
    pub fn nobody(ledger: Ledger) -> Arc<Self> {
        Self::of(ledger, People::default(), None, [0; 32])
    }

    fn of(ledger: Ledger, people: People, scribe: Option<Scribe>, question_key: [u8; 32]) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            people,
            question_key,
            opening: Arc::new(tokio::sync::Mutex::new(Opening {
                scribe,
                likes: BTreeMap::new(),
                events: PerMinute::of(EVENTS_PER_MINUTE_MAX),
                questions: PerMinute::of(QUESTIONS_PER_MINUTE_MAX),
                shown: Statements::default(),
                running: false,
            })),
            open: Mutex::default(),
        })
    }

    /// Takes what a reader shows, and records that it reads; `count` says how much there is, once it is known who asks.
    ///
    /// # Errors
    /// [`OpenError`]; nothing may be shown then.
    pub async fn open(
        self: &Arc<Self>,
        question: Question,
        signed: Option<SignedAsked>,
        token: Option<&str>,
        channel: Digest,
        count: impl Future<Output = Result<u64, LedgerError>>,
    ) -> Result<(ReadingId, Arc<Reading>), OpenError> {
        let shown = Shown {
            question: &question,
            signed,
            token,
            channel,
        };
        let (keyring, now) = (self.ledger.shared().keyring(), self.ledger.shared().now());
        let known = self.people.identify(shown, &keyring, now).await?;
        self.opening.lock().await.once(&known, now)?;
        // Before anything is looked for on its behalf.
        let (ledger, asked) = (self.ledger.clone(), question.clone());
        let stranger = tokio::task::spawn_blocking(move || kept::stranger(&ledger, &asked)).await;
        let stranger = stranger.unwrap_or(Err(LedgerError::Stopped));
        if let Some(what) = stranger.map_err(ScribeError::from)? {
            return Err(OpenError::Stranger(what));
        }
        let count = count.await.map_err(ScribeError::from)?;
        if let Some(what) = kept::unknown_patient(&question, count) {
            return Err(OpenError::Stranger(what));
        }
        let (who, key) = (who(&known), known.key());
        // Whoever asked may go away meanwhile; what is under way is recorded all the same.
        let recording = tokio::spawn(Arc::clone(self).record(known, question.clone(), count));
        let stopped = |_| OpenError::Record(LedgerError::Stopped.into());
        let (index, until) = recording.await.map_err(stopped)??;
        let reading = Arc::new(Reading {
            question,
            channel,
            until,
            key,
            index,
        });
        let id = self.hand_out(who, Arc::clone(&reading))?;
        Ok((id, reading))
    }

    /// The reading of this id on this connection, as long as it and its reader's key are good.
    pub fn find(&self, id: ReadingId, channel: Digest) -> Option<Arc<Reading>> {
        let now = self.ledger.shared().now();
        let found = {
            let open = self.handed_out();
            let mut all = open.values().flatten();
            all.find(|(other, _)| *other == id)
                .map(|(_, reading)| Arc::clone(reading))
        };
        let keyring = self.ledger.shared().keyring();
        found.filter(|reading| {
            reading.channel == channel
                && now <= reading.until
                && reading.key.is_none_or(|key| keyring.in_force(key).is_ok())
        })
    }

    /// Records what followed and is in no event yet.
    pub async fn settle(self: &Arc<Self>) {
        let _ = self.settled().await;
    }

    /// The same; until what this gives is dropped, nobody opens a reading. To its end whether or not it is waited for.
    async fn settled(self: &Arc<Self>) -> Result<OwnedMutexGuard<Opening>, JoinError> {
        let opening = Arc::clone(&self.opening);
        let settling = tokio::spawn(async move {
            let mut opening = opening.lock_owned().await;
            opening.settle(None).await;
            opening
        });
        settling.await
    }

    /// Submits a batch that may end keys. What followed by them is recorded before, for no event names a key that has ended,
    /// and nothing is opened until it is known whether they have.
    pub(crate) async fn submit_ends(self: Arc<Self>, append: Append) -> oneshot::Receiver<Answer> {
        let settled = self.settled().await;
        let answer = self.ledger.queue(append).await;
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let answered = answer.await;
            drop(settled);
            if let Ok(answered) = answered {
                // A sender that went away is no fault.
                let _ = sender.send(answered);
            }
        });
        receiver
    }

    /// The event of a reading: a new one, or that of the first of its like.
    async fn record(
        self: Arc<Self>,
        known: Known,
        question: Question,
        count: u64,
    ) -> Result<(u64, Timestamp), OpenError> {
        let mut opening = self.opening.lock().await;
        let now = self.ledger.shared().now();
        // Counting takes its time, and so do others.
        known.is_of(now)?;
        if let Some(key) = known.key() {
            let keyring = self.ledger.shared().keyring();
            keyring
                .in_force(key)
                .map_err(|_| ReaderError::from(ReadingError::Key(key)))?;
        }
        let like = Like {
            who: who(&known),
            question: self.digest(&question),
        };
        let until = known.until(now)?;
        let read = event(known, &question, like.question, count, (now, until));
        let joined = opening
            .likes
            .get_mut(&like)
            .filter(|followed| followed.takes(now, until));
        if let Some(followed) = joined {
            let (index, reads_until) = followed.join(read)?;
            return Ok((index, reads_until.min(until)));
        }
        opening.events.take(&like.who, now)?;
        // Those that followed in an older window go into their own event, so that none is lost.
        opening.settle_like(&like).await?;
        opening.settle(Some(now)).await;
        let index = opening.append(read).await?;
        let followed = Followed {
            index,
            recorded: now,
            until,
            next: None,
        };
        opening.likes.insert(like, followed);
        if !std::mem::replace(&mut opening.running, true) {
            tokio::spawn(Arc::clone(&self).windows());
        }
        Ok((index, until))
    }

    /// Ends the windows that are over, until there is none.
    async fn windows(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = sleep(WINDOW) => {}
                () = self.ledger.stopping() => return,
            }
            let mut opening = self.opening.lock().await;
            opening.settle(Some(self.ledger.shared().now())).await;
            if opening.likes.is_empty() {
                opening.running = false;
                return;
            }
        }
    }

    fn hand_out(&self, who: Who, reading: Arc<Reading>) -> Result<ReadingId, OpenError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| OpenError::Random)?;
        let (id, now) = (ReadingId(random), self.ledger.shared().now());
        let mut open = self.handed_out();
        open.retain(|_, readings| {
            readings.retain(|(_, reading)| now <= reading.until);
            !readings.is_empty()
        });
        if open.len() >= READERS_MAX && !open.contains_key(&who) {
            return Err(OpenError::Busy);
        }
        let own = open.entry(who).or_default();
        if own.len() >= OPEN_MAX {
            own.remove(0);
        }
        own.push((id, reading));
        Ok(id)
    }

    /// The keyed digest of a question.
    fn digest(&self, question: &Question) -> Digest {
        keyed(&self.question_key, &question.bytes())
    }

    fn handed_out(&self) -> MutexGuard<'_, HandedOut> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opening {
    /// Holds that a statement comes for the first time, and a reader to its questions of a minute.
    fn once(&mut self, known: &Known, now: Timestamp) -> Result<(), OpenError> {
        self.questions.take(&who(known), now)?;
        match known.statement {
            Some(_) => self.shown.take(known.evidence, now),
            None => Ok(()),
        }
    }

    /// Records what followed: of all likes, or of those whose window is over at a time.
    async fn settle(&mut self, now: Option<Timestamp>) {
        let over = |followed: &Followed| now.is_none_or(|now| followed.is_over(now));
        let due = self.likes.iter().filter(|(_, followed)| over(followed));
        let due: Vec<Like> = due.map(|(like, _)| like.clone()).collect();
        for like in due {
            if let Err(error) = self.settle_like(&like).await {
                tracing::warn!(%error, "readings that followed others are not recorded yet");
            }
        }
    }

    /// Records what followed of one like; what could not be recorded is kept.
    async fn settle_like(&mut self, like: &Like) -> Result<(), ScribeError> {
        let Some(followed) = self.likes.remove(like) else {
            return Ok(());
        };
        let Some(next) = followed.next.clone() else {
            return Ok(());
        };
        let recorded = self.append(next).await;
        if recorded.is_err() {
            self.likes.insert(like.clone(), followed);
        }
        recorded.map(|_| ())
    }

    /// Appends the event of readings; gives its index.
    async fn append(&mut self, read: EvidenceRead) -> Result<u64, ScribeError> {
        let scribe = self.scribe.as_mut().ok_or(LedgerError::Stopped)?;
        Ok(scribe.record(read.into()).await?.first)
    }
}

/// HMAC-SHA-256.
fn keyed(key: &[u8], message: &[u8]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    Digest(mac.finalize().into_bytes().into())
}

fn who(known: &Known) -> Who {
    (known.method, known.issuer.clone(), known.subject.clone())
}

fn event(
    known: Known,
    question: &Question,
    digest: Digest,
    count: u64,
    (since, until): (Timestamp, Timestamp),
) -> EvidenceRead {
    EvidenceRead {
        reader: known.name,
        operation: question.operation().as_str().to_owned(),
        scope: question.scope(),
        copy: None,
        by: Some(Reader {
            method: known.method.to_owned(),
            issuer: known.issuer,
            subject: known.subject,
            evidence: known.evidence,
            role: known.role.to_owned(),
            question: digest,
            count,
            since,
            until,
            times: 1,
            statement: known.statement,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_follows_one_that_is_good_for_about_as_long() {
        let at = |seconds: u64| Timestamp(seconds * 1_000_000);
        let followed = |until| Followed {
            index: 7,
            recorded: at(1_000),
            until: at(until),
            next: None,
        };
        assert!(followed(1_600).takes(at(1_059), at(1_659)));
        assert!(!followed(1_600).takes(at(1_060), at(1_660)), "its window is over");
        assert!(!followed(1_005).takes(at(1_005), at(1_030)), "it is good no longer");
        assert!(
            !followed(1_005).takes(at(1_002), at(1_602)),
            "it would end much earlier"
        );
    }
}
