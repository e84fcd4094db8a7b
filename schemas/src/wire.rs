//! The append protocol: what an emitter and the ledger say to each other, one message to a WebSocket binary frame.
//!
//! ```text
//! message = <code, 1 byte> <record in deterministic CBOR>
//!
//! emitter                              ledger
//!               ◀──────────  Challenge (7)       random, of this stream
//!    Hello (1)        ──────────▶                      proves that the emitter has the key which it names
//!               ◀──────────  Welcome (2)         the log's head, and where the emitter stands
//!               ◀──────────  Published (6) ...   every batch of key events and decisions from `since` on, then as they come
//!    Append (3)       ──────────▶
//!               ◀──────────  Receipt (4)         in the order of the appends; only after the batch is durable
//!               ◀──────────  Refusal (5)         nothing of the batch was taken; the ledger ends the stream after it
//! ```
//!
//! An emitter may have several appends under way. After a Refusal, or when the stream breaks, it connects again, reads from
//! the Welcome where it stands, and sends again what has no receipt: a batch that was taken already gets the same
//! indexes again. One batch without a stream (a person's decision, a key event) is `POST /v1/append` with an Append
//! message as body and a Receipt or a Refusal as answer.
//!
//! Not here: transport (mutual TLS, or an in-process pipe) and who may append ([`crate::keyring`]).

use crate::cbor::{self, Bytes, DecodeError};
use crate::digest::Digest;
use crate::seal::{BATCH_EVENTS_MAX, ENTRY_BYTES_MAX};

mod hello;

pub use self::hello::{Hello, HelloError};

/// Version of the protocol.
///
/// 2: the ledger begins, with a challenge that the hello answers.
pub const WIRE_VERSION: u8 = 2;

/// Bytes of the events of one batch at the most; a flush that holds more is cut into several batches.
///
/// Sixteen events of the largest size: large enough that a signature is never the price of an event, small enough that
/// the ledger's bounded queue of batches is bounded in bytes.
pub const BATCH_BYTES_MAX: usize = 16 * ENTRY_BYTES_MAX;

/// Bytes of one message at the most: a batch with its seal and the framing of 1,025 byte strings.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX + ENTRY_BYTES_MAX + 8 * (BATCH_EVENTS_MAX + 1);

crate::fixed_bytes! {
    /// Random bytes that come once.
    pub struct Nonce([u8; 32]);
}

crate::record! {
    /// The first message of a stream, the ledger's.
    pub struct Challenge {
        /// What the hello has to sign.
        1 => nonce: Nonce,
    }
}

crate::record! {
    /// Where an emitter's chain stands in the ledger.
    pub struct Standing {
        /// Boot of its last seal.
        1 => boot: u64,
        /// Sequence that its next seal of that boot must have.
        2 => sequence: u64,
        /// Leaf hash of its last seal.
        3 => previous: Digest,
    }
}

crate::record! {
    /// The answer to Hello.
    pub struct Welcome {
        /// The signed checkpoint (C2SP note) of the log as it is now.
        1 => checkpoint: String,
        /// Where the emitter stands; absent before its first seal ever.
        (?) 2 => standing: Standing,
    }
}

crate::record! {
    /// A batch: its events and their seal.
    pub struct Append {
        /// The encoded events, in order.
        1 => events: Vec<Bytes>,
        /// The encoded seal.
        2 => seal: Bytes,
    }
}

crate::record! {
    /// A batch is durable: its entries stand in the log from `first` on, and the checkpoint covers them.
    pub struct Receipt {
        /// Boot of the batch's seal.
        1 => boot: u64,
        /// Sequence of the batch's seal.
        2 => sequence: u64,
        /// Index of its first event; the seal follows its last event.
        3 => first: u64,
        /// The signed checkpoint (C2SP note) of the commit that took it.
        4 => checkpoint: String,
    }
}

crate::code! {
    /// Why a batch was refused; the part that a program acts on.
    pub enum RefusalCode {
        /// The message or an entry in it cannot be read, or breaks a limit.
        Malformed = 0 "malformed",
        /// The seal does not verify.
        Seal = 1 "seal",
        /// The key is unknown, ended, or of another role.
        Key = 2 "key",
        /// The seal or an event does not follow the ones before it.
        Chain = 3 "chain",
        /// The queue is full; try again.
        Busy = 4 "busy",
        /// The store failed; the ledger takes nothing until it is restarted.
        Poisoned = 5 "poisoned",
        /// The caller may not append as this emitter.
        Forbidden = 6 "forbidden",
        /// A decision about a request that is not there or has expired.
        Request = 7 "request",
    }
}

crate::record! {
    /// Nothing of a batch was taken.
    pub struct Refusal {
        /// Boot of the batch's seal, 0 where it could not be read.
        1 => boot: u64,
        /// Sequence of the batch's seal, 0 where it could not be read.
        2 => sequence: u64,
        /// The cause.
        3 => code: RefusalCode,
        /// The cause for people; repeats no value.
        4 => text: String,
    }
}

crate::record! {
    /// A batch of key events or decisions, as it stands in the log, for proxies to check for themselves.
    pub struct Published {
        /// Index of its first event.
        1 => first: u64,
        /// The encoded events, in order.
        2 => events: Vec<Bytes>,
        /// The encoded seal.
        3 => seal: Bytes,
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Code 1.
    Hello(Hello),
    /// Code 2.
    Welcome(Welcome),
    /// Code 3.
    Append(Append),
    /// Code 4.
    Receipt(Receipt),
    /// Code 5.
    Refusal(Refusal),
    /// Code 6.
    Published(Published),
    /// Code 7.
    Challenge(Challenge),
}

impl Message {
    /// The bytes of the message.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(body) => cbor::encode_after(1, body),
            Self::Welcome(body) => cbor::encode_after(2, body),
            Self::Append(body) => cbor::encode_after(3, body),
            Self::Receipt(body) => cbor::encode_after(4, body),
            Self::Refusal(body) => cbor::encode_after(5, body),
            Self::Published(body) => cbor::encode_after(6, body),
            Self::Challenge(body) => cbor::encode_after(7, body),
        }
    }

    /// Reads a message strictly.
    ///
    /// # Errors
    /// [`DecodeError`] for an unknown code, a message past [`MESSAGE_BYTES_MAX`], and any other form of its record.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let refuse = |rule| DecodeError::Invalid { what: "Message", rule };
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(refuse("it is longer than a batch can be"));
        }
        let (code, body) = bytes.split_first().ok_or(refuse("it is empty"))?;
        match code {
            1 => cbor::decode(body).map(Self::Hello),
            2 => cbor::decode(body).map(Self::Welcome),
            3 => cbor::decode(body).map(Self::Append),
            4 => cbor::decode(body).map(Self::Receipt),
            5 => cbor::decode(body).map(Self::Refusal),
            6 => cbor::decode(body).map(Self::Published),
            7 => cbor::decode(body).map(Self::Challenge),
            _ => Err(refuse("its code is unknown")),
        }
    }
}

#[cfg(test)]
mod tests;
