//! The body of a signed request: every form that S3 has for it, decoded and checked as it streams by.
//!
//! ```text
//! 10000;chunk-signature=<64 digits>\r\n  65,536 bytes  \r\n       released once the chunk's signature is right, but for the last byte
//! 0;chunk-signature=<64 digits>\r\n
//! x-amz-checksum-crc32c:sOO8/Q==\r\n
//! x-amz-trailer-signature:<64 digits>\r\n
//! \r\n                                                           now the last byte
//! ```
//!
//! Specification: `sigv4-streaming`, `sigv4-streaming-trailers` and "Checking object integrity" of the Amazon S3 API reference and user
//! guide. In every form, the plain ones too, the object's last byte is held back until length, hash, signatures and checksums are right:
//! a target that was promised the whole length creates no object of a bad upload.
//!
//! Not here: HTTP's own chunks, which whoever reads HTTP takes off before, and what the object holds.

mod chain;
mod checksum;
mod declared;
mod error;
mod frames;
mod object;
mod trailer;

pub use checksum::{Algorithm, Checksum};
pub use declared::ChecksumHeaders;
pub use error::BodyError;

use self::declared::Declared;
use self::frames::Frames;
use self::object::Object;
use crate::signature::Signed;
use crate::signature::form::SignedForm;
use crate::signature::head::Head;
use crate::signature::payload::Payload;

/// Bytes of an object that comes in one request, at the most: 5 GiB, S3's own limit ("Amazon S3 multipart upload limits").
pub const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Bytes of a signed chunk at the most. A chunk is in memory until its signature is right, and for a moment twice as it is released, so this
/// is the memory of an upload; SDKs send 64 KiB to 1 MiB.
pub const SIGNED_CHUNK_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of the line before a chunk, line end included: 16 digits, `;chunk-signature=`, 64 digits and `\r\n` are 99.
pub const CHUNK_HEADER_BYTES_MAX: usize = 128;

/// Bytes behind the last chunk at the most: a checksum and a signature are 180.
pub const TRAILER_BYTES_MAX: usize = 1_024;

/// Bytes of an object that were checked as far as they can be before its end. Made by [`Body`] alone, and what an upstream takes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Decoded(Vec<u8>);

impl Decoded {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Decoded({} bytes)", self.0.len())
    }
}

/// What is left when a body was right to its end. Made by [`Body::finish`] alone.
///
/// **Invariant:** its last byte was given to nobody before. An empty object has none, so its request may not be sent before this is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    last: Decoded,
    length: u64,
    checksum: Option<Checksum>,
}

impl Whole {
    /// The end of the object: one byte, or none of an empty object.
    pub const fn last(&self) -> &Decoded {
        &self.last
    }

    /// Bytes of the whole object.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The checksum that the client sent in a header or behind the last chunk, which is right.
    pub const fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }
}

/// A body on its way. After an error it gives nothing more, and the same error again.
///
/// A request without a body has one here, too: [`Self::finish`] says whether nothing is what its signer announced.
pub struct Body {
    framing: Framing,
    object: Object,
    failed: Option<BodyError>,
}

enum Framing {
    Plain,
    Chunked(Box<Frames>),
}

impl Body {
    /// The body of a signed request. `head` is the head that was checked, for `Content-Length` and `Content-MD5`,
    /// which need not be signed.
    ///
    /// # Errors
    /// [`BodyError`] where the headers that say something of the body are missing, malformed or contradict each other.
    pub fn new(signed: &Signed, head: &Head<'_>, headers: ChecksumHeaders) -> Result<Self, BodyError> {
        let declared = Declared::of_request(signed, head, headers)?;
        let framing = match signed.payload() {
            Payload::Sha256(_) | Payload::Unsigned => Framing::Plain,
            Payload::SignedChunks | Payload::SignedChunksTrailer | Payload::UnsignedChunksTrailer => {
                Framing::Chunked(Box::new(Frames::new(signed, declared.trailer)))
            }
        };
        Ok(Self {
            framing,
            object: Object::new(&declared),
            failed: None,
        })
    }

    /// The file of a form.
    ///
    /// # Errors
    /// [`BodyError`] where a field that says something of the file is malformed.
    pub fn of_file(form: &SignedForm) -> Result<Self, BodyError> {
        Ok(Self {
            framing: Framing::Plain,
            object: Object::new(&Declared::of_form(form)?),
            failed: None,
        })
    }

    /// The length that the object has to have, where that is known before its end.
    pub const fn length(&self) -> Option<u64> {
        self.object.length()
    }

    /// Takes the next bytes of the body, however they are split, and gives those of the object that are free to go.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn push(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut released = Vec::new();
        let taken = match &mut self.framing {
            Framing::Plain => self.object.take(input, &mut released),
            Framing::Chunked(frames) => frames.push(input, &mut self.object, &mut released),
        };
        match taken {
            Ok(()) => Ok(Decoded(released)),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Says that the body has ended. The object is whole where this is no error.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn finish(mut self) -> Result<Whole, BodyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Framing::Chunked(frames) = self.framing
            && let Some(sent) = frames.finish()?
        {
            self.object.expect(sent);
        }
        self.object.finish()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Body")
    }
}

#[cfg(test)]
mod tests;
