//! Messages of the PostgreSQL protocol 3 (PostgreSQL documentation, "Message Formats"), cut from a stream and put on one.
//!
//! ```text
//! after start-up:   tag (1 byte)   length (4 bytes, big endian, counts itself)   body
//! at start-up:                     length (4 bytes, big endian, counts itself)   body      (see `startup`)
//! ```
//!
//! A length past its limit ends the connection: nobody can say where the next message starts.
//!
//! Not here: what messages mean for a session, sockets, and TLS.

pub mod backend;
pub mod encode;
pub mod frontend;
pub mod read;
pub mod startup;

/// Bytes of a message from an agent at the most: its exact bytes are held until they are digested and recorded. The server
/// itself takes 1 GiB; larger values go in by `COPY`, in messages of any number.
pub const FRONTEND_BYTES_MAX: usize = 64 << 20;

/// Bytes of a message from the server at the most: one row is held in memory while it is masked.
pub const BACKEND_BYTES_MAX: usize = 64 << 20;

/// Bytes of a start-up message at the most, as the server has it (`MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// Tag and length.
const HEAD_BYTES: usize = 5;

/// Why bytes are not a message. Never repeats what the message holds.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MessageError {
    /// The length is less than itself, or past the limit.
    #[error("a message says that it has {length} bytes; 4 to {limit} are taken")]
    Length {
        /// The length stated.
        length: u64,
        /// The limit.
        limit: usize,
    },
    /// A message of that tag has another shape.
    #[error("a message `{}` is malformed: {what}", tag.escape_ascii())]
    Shape {
        /// Its tag; zero at start-up.
        tag: u8,
        /// What is wrong.
        what: &'static str,
    },
    /// A message that is not taken.
    #[error("messages `{}` are not taken", tag.escape_ascii())]
    Unknown {
        /// Its tag.
        tag: u8,
    },
}

/// One message, whole, not yet understood.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw {
    /// **Invariant:** at least a head, whose length is that of these bytes less the tag.
    bytes: Vec<u8>,
}

impl Raw {
    /// What kind of message it says it is.
    pub fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// What follows the head.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(HEAD_BYTES..).unwrap_or_default()
    }

    /// All of it, as it came.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// All of it, as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Raw({}, {} bytes)",
            self.tag().escape_ascii(),
            self.bytes.len()
        )
    }
}

/// Cuts messages from a stream of bytes, however it was cut before.
#[derive(Debug)]
pub struct Decoder {
    buffer: bytes::BytesMut,
    limit: usize,
}

impl Decoder {
    /// A decoder of messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: bytes::BytesMut::new(),
            limit,
        }
    }

    /// Where what was read goes.
    pub fn buffer(&mut self) -> &mut bytes::BytesMut {
        &mut self.buffer
    }

    /// Whether a part of a message, or a whole one, waits.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The tag of the next message, once all of it is here; the message stays.
    ///
    /// # Errors
    /// [`MessageError::Length`]; then the stream has no further message.
    pub fn tag(&self) -> Result<Option<u8>, MessageError> {
        let Some(length) = self.buffer.get(1..HEAD_BYTES) else {
            return Ok(None);
        };
        let length = read::length(length, self.limit)?;
        let whole = self.buffer.len() > length;
        Ok(self.buffer.first().copied().filter(|_| whole))
    }

    /// The next whole message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`MessageError::Length`]; then the stream has no further message.
    pub fn message(&mut self) -> Result<Option<Raw>, MessageError> {
        if self.tag()?.is_none() {
            return Ok(None);
        }
        let Some(length) = self.buffer.get(1..HEAD_BYTES) else {
            return Ok(None);
        };
        let length = read::length(length, self.limit)?;
        let bytes = self.buffer.split_to(length + 1).to_vec();
        Ok(Some(Raw { bytes }))
    }
}

#[cfg(test)]
mod tests;
