//! The framing of `aws-chunked`, byte by byte: a line, the chunk, a line end, and so on to the empty chunk and what follows it.
//!
//! A signed chunk waits here until its signature is right; an unsigned one passes.

use super::chain::Chain;
use super::checksum::{Algorithm, Checksum};
use super::error::BodyError;
use super::object::Object;
use super::{CHUNK_HEADER_BYTES_MAX, SIGNED_CHUNK_BYTES_MAX, TRAILER_BYTES_MAX, trailer};
use crate::signature::Signed;
use crate::signature::key::Signature;
use crate::signature::payload::Payload;

pub(super) struct Frames {
    /// None where chunks are not signed.
    chain: Option<Chain>,
    trailer: Option<Algorithm>,
    state: State,
    /// A signed chunk so far, or the line before a chunk, or what follows the last one; each has its limit.
    waiting: Vec<u8>,
}

enum State {
    /// In the line before a chunk.
    Line,
    /// In a chunk.
    Chunk { missing: u64, signature: Option<Signature> },
    /// In the line end after it.
    ChunkEnd { missing: &'static [u8] },
    /// Behind the empty chunk.
    Trailer,
}

impl Frames {
    pub(super) fn new(signed: &Signed, trailer: Option<Algorithm>) -> Self {
        let signs = signed.payload() != Payload::UnsignedChunksTrailer;
        Self {
            chain: signs.then(|| Chain::new(signed)),
            trailer,
            state: State::Line,
            waiting: Vec::new(),
        }
    }

    pub(super) fn push(
        &mut self,
        mut input: &[u8],
        object: &mut Object,
        released: &mut Vec<u8>,
    ) -> Result<(), BodyError> {
        while !input.is_empty() {
            input = match self.state {
                State::Line => self.line(input, object)?,
                State::Chunk { missing, signature } => self.chunk(input, missing, signature, object, released)?,
                State::ChunkEnd { missing } => self.chunk_end(input, missing)?,
                State::Trailer => self.trailer(input)?,
            };
        }
        Ok(())
    }

    /// The end of the body, and the checksum that came behind the last chunk.
    pub(super) fn finish(mut self) -> Result<Option<Checksum>, BodyError> {
        match self.state {
            State::Trailer => trailer::read(&self.waiting, self.trailer, self.chain.as_mut()),
            _ => Err(BodyError::Unfinished),
        }
    }

    fn line<'a>(&mut self, input: &'a [u8], object: &Object) -> Result<&'a [u8], BodyError> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (part, rest) = end
            .and_then(|end| input.split_at_checked(end + 1))
            .unwrap_or((input, &[]));
        if self.waiting.len() + part.len() > CHUNK_HEADER_BYTES_MAX {
            return Err(BodyError::ChunkHeaderLength);
        }
        self.waiting.extend_from_slice(part);
        if end.is_some() {
            let line = Line::parse(&self.waiting, self.chain.is_some())?;
            self.waiting.clear();
            object.room(line.bytes)?;
            self.state = match (line.bytes, line.signature, &mut self.chain) {
                (0, Some(signature), Some(chain)) => {
                    chain.check_chunk(&[], signature)?;
                    State::Trailer
                }
                (0, ..) => State::Trailer,
                (bytes, Some(_), _) if bytes > SIGNED_CHUNK_BYTES_MAX => return Err(BodyError::ChunkSize),
                (missing, signature, _) => State::Chunk { missing, signature },
            };
        }
        Ok(rest)
    }

    fn chunk<'a>(
        &mut self,
        input: &'a [u8],
        missing: u64,
        signature: Option<Signature>,
        object: &mut Object,
        released: &mut Vec<u8>,
    ) -> Result<&'a [u8], BodyError> {
        let bytes = usize::try_from(missing).map_or(input.len(), |missing| missing.min(input.len()));
        let (part, rest) = input.split_at_checked(bytes).unwrap_or((input, &[]));
        let missing = missing - u64::try_from(part.len()).unwrap_or(missing);
        match (&mut self.chain, signature) {
            (Some(chain), Some(signature)) => {
                self.waiting.extend_from_slice(part);
                if missing == 0 {
                    chain.check_chunk(&self.waiting, signature)?;
                    object.take(&self.waiting, released)?;
                    self.waiting.clear();
                }
            }
            _ => object.take(part, released)?,
        }
        self.state = if missing == 0 {
            State::ChunkEnd { missing: b"\r\n" }
        } else {
            State::Chunk { missing, signature }
        };
        Ok(rest)
    }

    fn chunk_end<'a>(&mut self, input: &'a [u8], missing: &'static [u8]) -> Result<&'a [u8], BodyError> {
        match (input.split_first(), missing.split_first()) {
            (Some((byte, rest)), Some((expected, missing))) if byte == expected => {
                self.state = if missing.is_empty() {
                    State::Line
                } else {
                    State::ChunkEnd { missing }
                };
                Ok(rest)
            }
            _ => Err(BodyError::ChunkEnd),
        }
    }

    /// Read at the end of the body, as a whole.
    fn trailer<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], BodyError> {
        if self.waiting.len() + input.len() > TRAILER_BYTES_MAX {
            return Err(BodyError::TrailerLength);
        }
        self.waiting.extend_from_slice(input);
        Ok(&[])
    }
}

/// The line before a chunk: `10000;chunk-signature=<64 digits>\r\n`, or `10000\r\n`.
struct Line {
    bytes: u64,
    /// There where chunks are signed, and nowhere else.
    signature: Option<Signature>,
}

impl Line {
    fn parse(line: &[u8], signed: bool) -> Result<Self, BodyError> {
        let malformed = |why| BodyError::ChunkHeader { why };
        let line = line
            .strip_suffix(b"\r\n")
            .ok_or(malformed("it does not end in \\r\\n"))?;
        let line = str::from_utf8(line).map_err(|_| malformed("it is no text"))?;
        let (size, signature) = match (line.split_once(';'), signed) {
            (Some((size, extension)), true) => {
                let signature = extension.strip_prefix("chunk-signature=").and_then(Signature::parse);
                let signature = signature.ok_or(malformed(
                    "chunk-signature= and 64 lower-case hexadecimal digits do not follow the size",
                ))?;
                (size, Some(signature))
            }
            (None, true) => return Err(malformed("it has no chunk-signature")),
            (Some(_), false) => return Err(malformed("something follows the size, and chunks are not signed")),
            (None, false) => (line, None),
        };
        let digits = size == "0" || !size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes = u64::from_str_radix(size, 16).ok().filter(|_| digits);
        Ok(Self {
            bytes: bytes.ok_or(malformed(
                "the size is not a number in hexadecimal digits without zeros in front",
            ))?,
            signature,
        })
    }
}
