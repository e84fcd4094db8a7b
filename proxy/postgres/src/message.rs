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
pub(crate) mod bound;
pub mod encode;
pub mod frontend;
pub mod read;
pub mod startup;

/// Bytes of a message after start-up at the most, its tag aside, either way: what the server takes and allocates
/// (`PQ_LARGE_MESSAGE_LIMIT`, `MaxAllocSize`). A message is held in memory until it is recorded.
pub const MESSAGE_BYTES_MAX: usize = 0x3fff_ffff;

/// Bytes from which on a message is long: it waits for room that all sessions of a listener share.
pub const LONG_BYTES: usize = 1 << 20;

/// Bytes of a start-up message at the most, as the server has it (`MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_BYTES_MAX: usize = 10_000;

/// Bytes of the answer to a request for a password at the most, as the server has it (`PG_MAX_AUTH_TOKEN_LENGTH`).
pub const SECRET_BYTES_MAX: usize = 65_535;

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

    /// The message that these bytes were.
    pub(crate) fn again(bytes: Vec<u8>) -> Self {
        Self { bytes }
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
        let announced = self.announced()?;
        let whole = announced.is_some_and(|(bytes, here)| here == bytes);
        Ok(self.buffer.first().copied().filter(|_| whole))
    }

    /// Bytes of the next message, once its head is here, and how many of them are.
    ///
    /// # Errors
    /// [`MessageError::Length`]; then the stream has no further message.
    pub fn announced(&self) -> Result<Option<(usize, usize)>, MessageError> {
        let Some(length) = self.buffer.get(1..HEAD_BYTES) else {
            return Ok(None);
        };
        let bytes = read::length(length, self.limit)? + 1;
        Ok(Some((bytes, self.buffer.len().min(bytes))))
    }

    /// The next whole message; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`MessageError::Length`]; then the stream has no further message.
    pub fn message(&mut self) -> Result<Option<Raw>, MessageError> {
        let Some((bytes, here)) = self.announced()? else {
            return Ok(None);
        };
        if here < bytes {
            return Ok(None);
        }
        if bytes < LONG_BYTES {
            let bytes = self.buffer.split_to(bytes).to_vec();
            return Ok(Some(Raw { bytes }));
        }
        // A long message takes the buffer along, and leaves what follows it; a copy would be as long again.
        let rest = self.buffer.get(bytes..).unwrap_or_default().into();
        let mut whole = std::mem::replace(&mut self.buffer, rest);
        whole.truncate(bytes);
        Ok(Some(Raw { bytes: whole.into() }))
    }
}

#[cfg(test)]
mod tests;
