//! Events: what happened, who says so, and where it stands in its session.
//!
//! ```text
//! event = { 1: version, 2: time, 3: kind, 4: [emitter key id, boot], ? 5: [session id, sequence], 6: body }
//! ```
//!
//! One deterministic CBOR map ([`crate::cbor`]), at most 65,535 bytes, first byte 0xa5 or 0xa6. The kind names the shape
//! of the body; the bodies are in [`access`] (sessions, commands, responses), [`approval`], [`sign_off`] (reports, exceptions) and
//! [`trust`] (genesis, keys, policy, upkeep). The normative text is `schemas/cddl/exhibit.cddl`.
//!
//! An event carries no signature of its own: the seal of its batch does ([`crate::seal`]).

pub mod access;
pub mod approval;
pub mod sign_off;
pub mod trust;

mod time;

use serde::de::Error as _;
use serde::ser::SerializeMap as _;

use crate::cbor::{self, Bytes, DecodeError};
use crate::key::KeyId;
use crate::merkle::Index;
use crate::reading::{Operation, Question};
use crate::seal::ENTRY_BYTES_MAX;

/// Version of the event format.
pub const EVENT_VERSION: u8 = 1;

crate::fixed_bytes! {
    /// A session: 16 random bytes, drawn by the proxy when an agent connects.
    pub struct SessionId([u8; 16]);
}

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

/// Which run of which emitter made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Emitter(
    /// The emitter's key.
    pub KeyId,
    /// Start of the run, unix microseconds, as in its seals.
    pub u64,
);

/// Where an event stands in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SessionPlace(
    /// The session.
    pub SessionId,
    /// Number of the event in the session, from 0 without gaps.
    pub u64,
);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the emitter made it, by the emitter's clock.
    pub time: Timestamp,
    /// Who made it.
    pub emitter: Emitter,
    /// Its place in a session, for the kinds that have one.
    pub session: Option<SessionPlace>,
    /// What happened.
    pub body: Body,
}

/// Why an event is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// The bytes are not an event.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The event does not fit an entry of the log.
    #[error("the event has {bytes} bytes; an entry holds at most {ENTRY_BYTES_MAX}: split it into chunks")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// A kind that belongs to a session has none, or the other way round.
    #[error("a {kind} event must {} a place in a session", if *.wanted { "have" } else { "not have" })]
    SessionPlace {
        /// The kind.
        kind: Kind,
        /// Whether a place is wanted.
        wanted: bool,
    },
}

impl Event {
    /// The kind, as its body says.
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The session that it belongs to, or that it is about: a decision or its revocation, a hold, or that somebody read it.
    pub fn about(&self) -> Option<SessionId> {
        match &self.body {
            Body::ApprovalDecided(decided) => Some(decided.session),
            Body::ApprovalRevoked(revoked) => Some(revoked.session),
            Body::Hold(hold) => Some(hold.session),
            Body::EvidenceRead(read) => match Question::parse(Operation::from_word(&read.operation)?, &read.scope)? {
                Question::Session(session) => Some(session),
                Question::Scoped(_, scope) => scope.session(),
                _ => None,
            },
            _ => self.session.map(|place| place.0),
        }
    }

    /// The entry that it is about where it names one in the place of a session: of a command that was opened (`reveal`), or one
    /// by which somebody asked for its session. The event is about the session of that entry.
    pub fn about_entry(&self) -> Option<Index> {
        let Body::EvidenceRead(read) = &self.body else {
            return None;
        };
        if let Some(copy) = &read.copy {
            return Some(copy.index);
        }
        match Question::parse(Operation::from_word(&read.operation)?, &read.scope)? {
            Question::SessionOf(index) => Some(index),
            _ => None,
        }
    }

    /// Encodes the event as an entry of the log.
    ///
    /// # Errors
    /// [`EventError::TooLong`] past 65,535 bytes and [`EventError::SessionPlace`].
    pub fn encode(&self) -> Result<Bytes, EventError> {
        self.check_place()?;
        let bytes = cbor::encode(self);
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EventError::TooLong { bytes: bytes.len() });
        }
        Ok(Bytes(bytes))
    }

    /// Reads an entry of the log strictly.
    ///
    /// # Errors
    /// [`EventError`]: too long, not the one encoding of an event of a known kind, or without the place it must have.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EventError::TooLong { bytes: bytes.len() });
        }
        let event: Self = cbor::decode(bytes)?;
        event.check_place()?;
        Ok(event)
    }

    fn check_place(&self) -> Result<(), EventError> {
        let kind = self.kind();
        match kind.belongs_to_session() {
            Some(wanted) if wanted != self.session.is_some() => Err(EventError::SessionPlace { kind, wanted }),
            _ => Ok(()),
        }
    }
}

/// Declares the kinds with their bodies, so that a kind and the shape of its body cannot fall apart.
macro_rules! kinds {
    ($( $(#[$meta:meta])* $variant:ident($body:ty) = $code:literal $word:literal, )*) => {
        crate::code! {
            /// What an event is about.
            pub enum Kind { $( $(#[$meta])* $variant = $code $word, )* }
        }

        /// What happened: one variant to a kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Body { $( $(#[$meta])* $variant($body), )* }

        impl Body {
            /// The kind of this body.
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$variant(_) => Kind::$variant, )* }
            }

            fn write<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self { $( Self::$variant(body) => map.serialize_entry(&6u8, body), )* }
            }

            fn read<'de, A: serde::de::MapAccess<'de>>(kind: Kind, map: &mut A) -> Result<Self, A::Error> {
                match kind { $( Kind::$variant => map.next_value::<$body>().map(Self::$variant), )* }
            }
        }

        $( impl From<$body> for Body {
            fn from(body: $body) -> Self {
                Self::$variant(body)
            }
        } )*
    };
}

kinds! {
    /// The first event of a log: its name, key and administrators.
    Genesis(trust::Genesis) = 0 "genesis",
    /// A key may emit from here on.
    KeyEnrolled(trust::KeyEnrolled) = 1 "key-enrolled",
    /// A key may not emit any more.
    KeyRevoked(trust::KeyRevoked) = 2 "key-revoked",
    /// A key takes the place of another.
    KeyRotated(trust::KeyRotated) = 3 "key-rotated",
    /// The exact bytes of a policy, or a part of them.
    PolicySnapshot(trust::PolicySnapshot) = 4 "policy-snapshot",
    /// What a target's catalog looked like when decisions were made from it.
    CatalogSnapshot(trust::CatalogSnapshot) = 5 "catalog-snapshot",
    /// An agent was let in.
    SessionOpened(access::SessionOpened) = 6 "session-opened",
    /// A session ended, or a connection was refused.
    SessionClosed(access::SessionClosed) = 7 "session-closed",
    /// What the gate did with a command.
    Command(access::Command) = 8 "command",
    /// A command waits for people.
    ApprovalRequested(approval::ApprovalRequested) = 9 "approval-requested",
    /// A person decided.
    ApprovalDecided(approval::ApprovalDecided) = 10 "approval-decided",
    /// Nobody decided in time, or the agent went away.
    ApprovalExpired(approval::ApprovalExpired) = 11 "approval-expired",
    /// A part of what was released.
    ResponseChunk(access::ResponseChunk) = 12 "response-chunk",
    /// How a command ended.
    ResponseEnd(access::ResponseEnd) = 13 "response-end",
    /// Somebody read the evidence.
    EvidenceRead(trust::EvidenceRead) = 14 "evidence-read",
    /// A reviewer signed off a period.
    ReviewSigned(trust::ReviewSigned) = 15 "review-signed",
    /// A checkpoint was witnessed elsewhere.
    Anchor(trust::Anchor) = 16 "anchor",
    /// Evidence is kept past its retention.
    Hold(trust::Hold) = 17 "hold",
    /// Evidence past its retention was erased.
    Erasure(trust::Erasure) = 18 "erasure",
    /// Something went wrong in a proxy or the ledger.
    Fault(trust::Fault) = 19 "fault",
    /// A part of the data that follows a command to the target.
    CommandData(access::CommandData) = 20 "command-data",
    /// Detectors found identifiers in what was about to be released.
    Detection(access::Detection) = 21 "detection",
    /// From here on a proxy masks under another key.
    MaskKeyAnnounced(trust::MaskKeyAnnounced) = 22 "mask-key-announced",
    /// Whether a reply goes on past a threshold.
    ThresholdDecided(access::ThresholdDecided) = 23 "threshold-decided",
    /// Somebody was not let in.
    LoginRefused(access::LoginRefused) = 24 "login-refused",
    /// A part of the exact bytes of a command, encrypted to people of the policy.
    CommandSealed(access::CommandSealed) = 25 "command-sealed",
    /// From here on a proxy decides by this policy.
    PolicyInForce(trust::PolicyInForce) = 26 "policy-in-force",
    /// Somebody signed a policy, so that it may come into force.
    PolicySigned(trust::PolicySigned) = 27 "policy-signed",
    /// A person took an approval back.
    ApprovalRevoked(approval::ApprovalRevoked) = 28 "approval-revoked",
    /// A reviewer signed a report.
    ReportSigned(sign_off::ReportSigned) = 29 "report-signed",
    /// A person says who mends an exception of a report, and how.
    ExceptionNoted(sign_off::ExceptionNoted) = 30 "exception-noted",
    /// A person signs that an exception is done with.
    ExceptionClosed(sign_off::ExceptionClosed) = 31 "exception-closed",
    /// A command is run at its target and rolled back before people are asked about it.
    PreviewRun(approval::PreviewRun) = 32 "preview-run",
}

impl Kind {
    /// Whether events of this kind have a place in a session; `None` when both are right.
    pub const fn belongs_to_session(self) -> Option<bool> {
        match self {
            Self::SessionOpened
            | Self::SessionClosed
            | Self::Command
            | Self::ApprovalRequested
            | Self::ApprovalExpired
            | Self::ResponseChunk
            | Self::ResponseEnd
            | Self::CommandData
            | Self::Detection
            | Self::ThresholdDecided
            | Self::CommandSealed
            | Self::PreviewRun => Some(true),
            Self::Fault => None,
            _ => Some(false),
        }
    }
}

impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5 + usize::from(self.session.is_some())))?;
        map.serialize_entry(&1u8, &EVENT_VERSION)?;
        map.serialize_entry(&2u8, &self.time)?;
        map.serialize_entry(&3u8, &self.kind())?;
        map.serialize_entry(&4u8, &self.emitter)?;
        if let Some(session) = &self.session {
            map.serialize_entry(&5u8, session)?;
        }
        self.body.write(&mut map)?;
        map.end()
    }
}

impl<'de> serde::Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> serde::de::Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an event map with the keys 1 to 6")
    }

    /// Keys must ascend, because the body can only be read once the kind is known; so must they in the encoding.
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        expect_key(&mut map, 1)?;
        if map.next_value::<u8>()? != EVENT_VERSION {
            return Err(A::Error::custom("unknown event version"));
        }
        expect_key(&mut map, 2)?;
        let time = map.next_value()?;
        expect_key(&mut map, 3)?;
        let kind = map.next_value()?;
        expect_key(&mut map, 4)?;
        let emitter = map.next_value()?;
        let mut session = None;
        match map.next_key::<u8>()? {
            Some(5) => {
                session = Some(map.next_value()?);
                expect_key(&mut map, 6)?;
            }
            Some(6) => {}
            _ => return Err(A::Error::custom("expected the session or the body")),
        }
        let body = Body::read(kind, &mut map)?;
        match map.next_key::<u8>()? {
            None => Ok(Event {
                time,
                emitter,
                session,
                body,
            }),
            Some(_) => Err(A::Error::custom("unknown or repeated key")),
        }
    }
}

fn expect_key<'de, A: serde::de::MapAccess<'de>>(map: &mut A, wanted: u8) -> Result<(), A::Error> {
    match map.next_key::<u8>()? {
        Some(key) if key == wanted => Ok(()),
        _ => Err(A::Error::custom("a key of the event is missing or out of order")),
    }
}

#[cfg(test)]
mod tests;
