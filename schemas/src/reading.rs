//! Readings: what somebody asks the ledger to be shown, and the reader's signed word that it is so.
//!
//! ```text
//! question  = operation and text; its scope is the text with every value replaced that could be a patient's
//! statement = COSE_Sign1 by the reader's key, content type "application/vnd.exhibit.reading+cbor", payload
//!             { 1: origin, 2: channel, 3: operation, 4: scope, 5: question, 6: time, 7: nonce }
//! channel   = what both ends of the TLS connection derive (RFC 8446, 7.5), so that it is good on no other
//! question  = SHA-256(blind, operation, 0x00, text); the blind goes to the ledger beside the statement and into no event
//! ```
//!
//! The statement stands in the event of the reading. It says who reads, what and when, without the ledger's word; the exact
//! question is bound to it and cannot be guessed back from it. Not here: who may read what, which the ledger's
//! configuration says.

use crate::cbor::{self, Bytes, DecodeError};
use crate::cose::{self, CoseError, Sign1};
use crate::digest::Digest;
use crate::event::access::{Action, Effect, Outcome};
use crate::event::approval::Verdict;
use crate::event::trust::{EvidenceRead, Role};
use crate::event::{Kind, SessionId, Timestamp};
use crate::key::{KeyError, KeyId, PublicKey, Signer};
use crate::keyring::Keyring;
use crate::merkle::{Index, TreeSize};
use crate::scoped::Scope;

/// Bytes of a question's text at the most; a search of more is refused by the index too.
pub const QUESTION_BYTES_MAX: usize = 4_096;

/// Bytes of a statement at the most: a scope is no longer than its text, and the rest are names and digests.
pub const STATEMENT_BYTES_MAX: usize = 8_192;

/// How far the reader's clock may be from the ledger's, and how old a statement may be.
pub const FRESH_US: u64 = 60 * 1_000_000;

/// How long a reading is good at the most; an export that takes longer asks again.
pub const READING_US: u64 = 10 * 60 * 1_000_000;

/// How long after a reading ends its event may still come: readings that followed are recorded after their minute, and a
/// ledger that is busy then tries again.
pub const LATE_US: u64 = 10 * 60 * 1_000_000;

/// Readings of one event at the most, a thousand in each second of its minute. That there were more than one is the
/// ledger's word: only the last statement stands in the event.
pub const TIMES_MAX: u64 = 60_000;

/// The method of a reader who signed a statement with an enrolled key.
pub const BY_KEY: &str = "ssh-key";

/// The method of a reader who came with a token.
pub const BY_TOKEN: &str = "oidc";

/// Label of the value that a reading's TLS connection is told by (RFC 8446, 7.5).
pub const CHANNEL_LABEL: &[u8] = b"EXPORTER-exhibit-reading";

/// The path at which readings are opened.
pub const READINGS_PATH: &str = "/v1/readings";

/// The header that names an open reading.
pub const READING_HEADER: &str = "exhibit-reading";

/// In the place of a value that is not kept.
const MASKED: &str = "?";

/// What stands between the size and the scope of a scoped export.
const SCOPE: &str = " scope:";

const CONTENT_TYPE: &str = "application/vnd.exhibit.reading+cbor";

crate::code! {
    /// What is done with evidence.
    pub enum Operation {
        /// Events are looked for.
        Search = 0 "search",
        /// Sessions are listed.
        Sessions = 1 "sessions",
        /// The events of one session are read.
        Replay = 2 "replay",
        /// The whole log is read, up to a size.
        Export = 3 "export",
        /// The requests for approval that wait are read.
        Approvals = 4 "approvals",
        /// The catalogs of targets are read, which hold definitions and no data.
        Catalogs = 5 "catalogs",
        /// Which policies are in force, and who signed them, are read.
        Policies = 6 "policies",
    }
}

crate::code! {
    /// What a reader is here for.
    pub enum ReaderRole {
        /// Looks at everything.
        Compliance = 0 "compliance",
        /// Looks at everything but what waits for approval.
        Auditor = 1 "auditor",
        /// Looks at what waits for approval.
        Approver = 2 "approver",
    }
}

impl ReaderRole {
    /// Whether it may do this.
    pub const fn may(self, operation: Operation) -> bool {
        match self {
            Self::Compliance => true,
            Self::Auditor => !matches!(operation, Operation::Approvals),
            Self::Approver => matches!(operation, Operation::Approvals),
        }
    }
}

crate::fixed_bytes! {
    /// An open reading, by random bytes that only its connection may use.
    pub struct ReadingId([u8; 16]);
}

/// A value that the scope of a search keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The id of a session, or of something else.
    Session(SessionId),
    /// A time of the log, or another.
    Time(Timestamp),
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Events that match this, in the language of the search.
    Search(String),
    /// The list of sessions.
    Sessions,
    /// A session.
    Session(SessionId),
    /// The session that an entry belongs to.
    SessionOf(Index),
    /// The entries before this size.
    Export(TreeSize),
    /// Of the entries before this size what is of a scope.
    Scoped(TreeSize, Box<Scope>),
    /// The requests that wait.
    Approvals,
    /// The catalogs of targets.
    Catalogs,
    /// Which policies are in force, and who signed them.
    Policies,
}

impl Question {
    /// Reads the text of a question; `None` when an operation has no such question.
    pub fn parse(operation: Operation, text: &str) -> Option<Self> {
        if text.len() > QUESTION_BYTES_MAX {
            return None;
        }
        let question = match operation {
            Operation::Search => Self::Search(text.to_owned()),
            Operation::Sessions => Self::Sessions,
            Operation::Approvals => Self::Approvals,
            Operation::Catalogs => Self::Catalogs,
            Operation::Policies => Self::Policies,
            Operation::Export => {
                let text = text.strip_prefix("size:")?;
                match text.split_once(SCOPE) {
                    None => Self::Export(TreeSize(text.parse().ok()?)),
                    Some((size, scope)) => Self::Scoped(TreeSize(size.parse().ok()?), Box::new(Scope::parse(scope)?)),
                }
            }
            Operation::Replay => match text.strip_prefix("session:") {
                Some(session) => Self::Session(SessionId::from_hex(session)?),
                None => Self::SessionOf(Index(text.strip_prefix("entry:")?.parse().ok()?)),
            },
        };
        // One text to a question.
        (question.text() == text).then_some(question)
    }

    /// The operation.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Search(_) => Operation::Search,
            Self::Sessions => Operation::Sessions,
            Self::Session(_) | Self::SessionOf(_) => Operation::Replay,
            Self::Export(_) | Self::Scoped(..) => Operation::Export,
            Self::Approvals => Operation::Approvals,
            Self::Catalogs => Operation::Catalogs,
            Self::Policies => Operation::Policies,
        }
    }

    /// Its text, which may hold values.
    pub fn text(&self) -> String {
        match self {
            Self::Search(text) => text.clone(),
            Self::Sessions | Self::Approvals | Self::Catalogs | Self::Policies => String::new(),
            Self::Session(session) => format!("session:{session}"),
            Self::SessionOf(index) => format!("entry:{}", index.0),
            Self::Export(size) => format!("size:{}", size.0),
            Self::Scoped(size, scope) => format!("size:{}{SCOPE}{}", size.0, scope.to_json()),
        }
    }

    /// Its text as events have it: without values.
    pub fn scope(&self) -> String {
        match self {
            Self::Search(text) => masked(text),
            _ => self.text(),
        }
    }

    /// What the scope of a search keeps that could be anybody's: ids of sessions and times. A birth date looks like a time, and an
    /// id of something else like that of a session; whether there are such, the log knows.
    pub fn kept(&self) -> Vec<Kept> {
        let text = match self {
            Self::Search(text) => text,
            Self::Scoped(_, scope) => {
                let session = scope.session().map(Kept::Session).into_iter();
                let times = scope.period().into_iter().flat_map(|(from, to)| [from, to]);
                return session.chain(times.map(Kept::Time)).collect();
            }
            _ => return Vec::new(), // its text is what was looked up
        };
        let pairs = terms(text).filter_map(|term| term.split_once(':'));
        let kept = pairs.filter_map(|(key, value)| match key {
            "session" => SessionId::from_hex(value).map(Kept::Session),
            "from" | "to" => Timestamp::parse(value).map(Kept::Time),
            _ => None,
        });
        kept.collect()
    }

    /// The digest that a statement has of it.
    pub fn digest(&self, blind: &[u8; 32]) -> Digest {
        Digest::of(&[&blind[..], &self.bytes()].concat())
    }

    /// The bytes that digests are of: the operation, a zero, and the text.
    pub fn bytes(&self) -> Vec<u8> {
        [self.operation().as_str().as_bytes(), &[0], self.text().as_bytes()].concat()
    }
}

/// A search without its words, phrases and names: `kind:command agent:? ?`. What is kept is a word of ours, a session's id or
/// a time, and nothing else.
fn masked(text: &str) -> String {
    let scope: Vec<String> = terms(text)
        .map(|term| match term.split_once(':') {
            // Without a value there is none to mask, and a scope is no longer than its text.
            Some((key, "")) if KEYS.contains(&key) => format!("{key}:"),
            Some((key, value)) if keeps(key, value) => format!("{key}:{value}"),
            Some((key, _)) if KEYS.contains(&key) => format!("{key}:{MASKED}"),
            _ => MASKED.to_owned(),
        })
        .collect();
    scope.join(" ")
}

/// The terms of a search, quotes and all.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let (term, after) = Some(rest).filter(|rest| !rest.is_empty()).map(term)?;
        rest = after.trim_start();
        Some(term)
    })
}

/// Keys of searches. A key that is missing here is masked with its value.
const KEYS: [&str; 21] = [
    "agent", "subject", "client", "group", "target", "protocol", "resource", "table", "relation", "action", "decision",
    "outcome", "rule", "observed", "approver", "verdict", "patient", "kind", "session", "from", "to",
];

/// Whether this value of this key can be nothing but one of ours.
fn keeps(key: &str, value: &str) -> bool {
    match key {
        "action" => Action::from_word(value).is_some(),
        "decision" => Effect::from_word(value).is_some(),
        "outcome" => Outcome::from_word(value).is_some(),
        "verdict" => Verdict::from_word(value).is_some(),
        "kind" => Kind::from_word(value).is_some(),
        "session" => SessionId::from_hex(value).is_some(),
        "from" | "to" => Timestamp::parse(value).is_some(),
        _ => false,
    }
}

/// The first term, quotes and all; a quote that does not end takes everything.
fn term(text: &str) -> (&str, &str) {
    let (mut quoted, mut escaped) = (false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            space if space.is_whitespace() && !quoted => return text.split_at(place),
            _ => {}
        }
    }
    (text, "")
}

crate::record! {
    /// What the ledger is asked with `POST /v1/readings`.
    pub struct Asked {
        /// What is to be done.
        1 => operation: Operation,
        /// The question's text.
        2 => text: String,
        /// The reader's signed statement; one who has none comes with a token.
        (?) 3 => signed: SignedAsked,
    }
}

crate::record! {
    /// A statement with what its digest of the question is blinded by.
    pub struct SignedAsked {
        /// The statement, as [`Statement::sign`] gives it.
        1 => statement: Bytes,
        /// 32 random bytes.
        2 => blind: Bytes,
    }
}

crate::record! {
    /// What a reader signs.
    pub struct Statement {
        /// Name of the log.
        1 => origin: String,
        /// What the TLS connection is told by.
        2 => channel: Digest,
        /// The operation, in a word.
        3 => operation: String,
        /// The question without values.
        4 => scope: String,
        /// Blinded digest of the question.
        5 => question: Digest,
        /// When, by the reader's clock.
        6 => time: Timestamp,
        /// 16 random bytes, so that no two statements are alike.
        7 => nonce: Bytes,
    }
}

crate::record! {
    /// Who reads, in the event of the ledger.
    pub struct Reader {
        /// How the reader proved who it is: [`BY_KEY`], [`BY_TOKEN`].
        1 => method: String,
        /// Who vouches: the log's name for a key that it enrolled, the URL of a token's issuer.
        2 => issuer: String,
        /// Who it is to the issuer: the key's id, the token's subject.
        3 => subject: String,
        /// SHA-256 of the statement, or of the signed part of the token.
        4 => evidence: Digest,
        /// The role of the ledger's configuration that lets it read.
        5 => role: String,
        /// Digest of the exact question, keyed by the ledger (HMAC-SHA-256).
        6 => question: Digest,
        /// How much there was to read when it was asked: events that match, sessions, entries, requests.
        7 => count: u64,
        /// When the first reading that this event is about was asked for.
        8 => since: Timestamp,
        /// Until when it may be read.
        9 => until: Timestamp,
        /// How many readings this event is about: the first one of its like, or those that followed within a minute.
        10 => times: u64,
        /// The statement of the last of them; of a reader who came with a token there is none.
        (?) 11 => statement: Bytes,
    }
}

/// Why a statement, or the event of a reading, is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadingError {
    /// The statement is no signed structure of its kind.
    #[error("the reader's statement is refused: {0}")]
    Cose(#[from] CoseError),
    /// The statement cannot be read.
    #[error("the reader's statement cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// It is longer than any.
    #[error("the reader's statement has more than {STATEMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Its key is not a person's in force.
    #[error("key {0} of the reader's statement is not that of a person in force")]
    Key(KeyId),
    /// Its signature is not good.
    #[error("the signature of the reader's statement is not good")]
    Signature,
    /// The event says something else, or too little.
    #[error("the event of a reading {0}")]
    Event(&'static str),
}

impl Statement {
    /// Signs it with the reader's key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn sign(&self, signer: &impl Signer) -> Result<Bytes, KeyError> {
        cose::sign(CONTENT_TYPE, cbor::encode(self), signer)
    }

    /// What was signed, and the key of a person in force that signed it.
    ///
    /// # Errors
    /// [`ReadingError`].
    pub fn verify(bytes: &[u8], keyring: &Keyring) -> Result<(Self, PublicKey), ReadingError> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(ReadingError::TooLong);
        }
        let signed = Sign1::read(bytes, CONTENT_TYPE)?;
        let id = signed.claimed_key();
        let record = keyring.in_force(id).map_err(|_| ReadingError::Key(id))?;
        if record.role != Role::Person {
            return Err(ReadingError::Key(id));
        }
        signed.verify(&record.key).map_err(|_| ReadingError::Signature)?;
        Ok((cbor::decode(signed.payload())?, record.key))
    }
}

/// Holds that the ledger's event of a reading says who read in a way that needs no word of the ledger where there is a
/// statement, and that is whole where there is none.
///
/// # Errors
/// [`ReadingError`].
pub fn check(read: &EvidenceRead, keyring: &Keyring) -> Result<(), ReadingError> {
    let refuse = |rule| Err(ReadingError::Event(rule));
    let Some(reader) = &read.by else {
        return refuse("does not say how the reader proved who it is");
    };
    let Some(operation) = Operation::from_word(&read.operation) else {
        return refuse("is of no operation that there is");
    };
    let said = Question::parse(operation, &read.scope).is_some_and(|question| question.scope() == read.scope);
    let role = ReaderRole::from_word(&reader.role);
    match (reader.method.as_str(), &reader.statement) {
        _ if read.reader.is_empty() => refuse("does not name its reader"),
        _ if !role.is_some_and(|role| role.may(operation)) => refuse("names no role that may do this"),
        _ if !said => refuse("has a scope that its operation has not, or with more than words of ours"),
        (BY_KEY, Some(bytes)) => signed(read, reader, bytes, keyring),
        (BY_TOKEN, None) if reader.issuer.is_empty() || reader.subject.is_empty() => {
            refuse("does not say how the reader proved who it is")
        }
        (BY_TOKEN, None) if reader.subject != read.reader => refuse("names another reader than its token"),
        (BY_TOKEN, None) => Ok(()),
        _ => refuse("does not say how the reader proved who it is"),
    }
}

/// Holds that the reader's own statement stands behind what the event says.
fn signed(read: &EvidenceRead, reader: &Reader, bytes: &Bytes, keyring: &Keyring) -> Result<(), ReadingError> {
    let refuse = |rule| Err(ReadingError::Event(rule));
    let (statement, key) = Statement::verify(&bytes.0, keyring)?;
    let name = keyring.record(key.id()).map(|record| record.name.as_str());
    let signed = reader.since.0.saturating_sub(FRESH_US)..=reader.until.0;
    match () {
        () if reader.evidence != Digest::of(&bytes.0) => refuse("has the digest of another statement"),
        () if reader.subject != key.id().to_string() => refuse("names another key than its statement"),
        () if name != Some(read.reader.as_str()) => refuse("names another person than its statement"),
        () if statement.origin != keyring.origin() || reader.issuer != keyring.origin() => {
            refuse("is about another log")
        }
        () if statement.operation != read.operation || statement.scope != read.scope => {
            refuse("says something else than its statement")
        }
        () if !signed.contains(&statement.time.0) => refuse("is of another time than its statement"),
        () => Ok(()),
    }
}

impl Reader {
    /// Whether an event of this time can say from when until when was read, and how often. What a reading of one statement
    /// is bound to in time is bound to the event's time by this.
    pub fn can_be(&self, recorded: Timestamp) -> bool {
        let (since, until) = (self.since.0, self.until.0);
        (1..=TIMES_MAX).contains(&self.times)
            && until.checked_sub(since).is_some_and(|span| span <= READING_US)
            && (since..=until.saturating_add(LATE_US)).contains(&recorded.0)
    }
}

#[cfg(test)]
mod tests;
