//! Documents in gzip (RFC 1952) and Zstandard (RFC 8878): unpacked in bounded steps, and packed again.
//!
//! Several members or frames make one document, as `cat` joins them. What stands behind the last one is refused, and so are
//! bombs: a document may grow [`EXPANSION_MAX`] times, and beyond [`EXPANSION_FREE_BYTES`] never faster than that. The names,
//! comments and times in a gzip header are not kept: they are data too.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, Crc, Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};
use zstd::stream::write::Encoder;

use crate::error::Reason;

/// How many times longer a document may be than what it is packed in. Exports come to ten or twenty, and deflate ends at
/// some thousand.
pub const EXPANSION_MAX: u64 = 200;

/// Bytes that a document may have whatever it is packed in, so that short ones of equal rows pass.
pub const EXPANSION_FREE_BYTES: u64 = 16 << 20;

/// Bytes of an unpacked document at the most.
pub const UNPACKED_BYTES_MAX: u64 = 1 << 36;

/// Bytes that are unpacked in one step.
const STEP_BYTES: usize = 64 * 1024;

/// Bytes of a gzip header at the most: names and comments end somewhere.
const HEADER_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a member that are taken for its header at first. Members can be many and short, so a step never takes all that is there.
const HEADER_FIRST_BYTES: usize = 32;

/// Bytes by which a longer header goes on.
const HEADER_STEP_BYTES: usize = 1024;

/// The window of Zstandard, as a power of two: what its decoder is asked to support at least (RFC 8878, 3.1.1.1.2).
const WINDOW_LOG_MAX: u32 = 23;

/// Bytes that say how a document is packed.
pub(crate) const PACKING_BYTES: usize = 4;

/// What is around a document.
pub(crate) enum Outer {
    /// Not known yet: its first bytes.
    Opening(Vec<u8>),
    /// Nothing.
    Plain,
    /// Gzip or Zstandard.
    Packed(Unpacker),
}

impl Default for Outer {
    fn default() -> Self {
        Self::Opening(Vec::new())
    }
}

impl std::fmt::Debug for Outer {
    /// Without bytes of the document.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Opening(opening) => write!(formatter, "Opening({} bytes)", opening.len()),
            Self::Plain => formatter.write_str("Plain"),
            Self::Packed(unpacker) => unpacker.fmt(formatter),
        }
    }
}

/// How well Zstandard packs again: its fastest, for the bytes are on their way.
const ZSTD_LEVEL: i32 = 1;

/// How a document is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Packing {
    /// The packing that a document begins with.
    pub fn of(opening: &[u8]) -> Option<Self> {
        if opening.starts_with(b"\x1f\x8b") {
            Some(Self::Gzip)
        } else if opening.starts_with(b"\x28\xb5\x2f\xfd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    /// Whether a stream begins with what this does not look through: a frame of Zstandard that decoders skip (RFC 8878, 3.1.2), whose
    /// magic numbers are letters.
    pub(crate) fn is_skipped(opening: &[u8]) -> bool {
        matches!(opening, [0x50..=0x5f, b'*', b'M', 0x18, ..])
    }

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Takes packed bytes and gives what is in them.
pub(crate) struct Unpacker {
    stream: Stream,
    taken: u64,
    given: u64,
    step: Vec<u8>,
}

enum Stream {
    Gzip(Box<Gzip>),
    Zstd {
        decoder: Box<Decoder<'static>>,
        is_between: bool,
    },
}

/// What a step of a stream did: bytes that it took and gave.
struct Done {
    taken: usize,
    given: usize,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Unpacker({} bytes taken, {} given)", self.taken, self.given)
    }
}

impl Unpacker {
    pub(crate) fn new(packing: Packing) -> Result<Self, Reason> {
        let stream = match packing {
            Packing::Gzip => Stream::Gzip(Box::new(Gzip::new())),
            Packing::Zstd => {
                let mut decoder = Decoder::new().map_err(|_| Reason::Packed)?;
                let window = DParameter::WindowLogMax(WINDOW_LOG_MAX);
                decoder.set_parameter(window).map_err(|_| Reason::Packed)?;
                Stream::Zstd {
                    decoder: Box::new(decoder),
                    is_between: true,
                }
            }
        };
        Ok(Self {
            stream,
            taken: 0,
            given: 0,
            step: vec![0; STEP_BYTES],
        })
    }

    /// Takes the next bytes; `put` gets what is in them, in steps.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        put: &mut dyn FnMut(&[u8]) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let mut was_idle = false;
        loop {
            let Done { taken, given } = match &mut self.stream {
                Stream::Gzip(gzip) => gzip.step(bytes, &mut self.step)?,
                Stream::Zstd { decoder, is_between } => zstd_step(decoder, is_between, bytes, &mut self.step)?,
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            self.taken = self.taken.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
            self.given = self.given.saturating_add(u64::try_from(given).unwrap_or(u64::MAX));
            if self.given > UNPACKED_BYTES_MAX {
                return Err(Reason::TooMuch);
            }
            if self.given > EXPANSION_FREE_BYTES && self.given / EXPANSION_MAX > self.taken {
                return Err(Reason::Expansion);
            }
            put(self.step.get(..given).unwrap_or_default())?;
            // A full step may have left more inside.
            if bytes.is_empty() && given < self.step.len() {
                return Ok(());
            }
            // The end of a member may show in a step that takes and gives nothing, and never in two of them.
            let is_idle = taken == 0 && given == 0;
            if is_idle && was_idle {
                return Err(Reason::Packed);
            }
            was_idle = is_idle;
        }
    }

    /// Takes the end.
    pub(crate) fn end(&self) -> Result<(), Reason> {
        let is_whole = match &self.stream {
            Stream::Gzip(gzip) => matches!(&gzip.part, Part::Header(header) if header.is_empty()),
            Stream::Zstd { is_between, .. } => *is_between,
        };
        if is_whole { Ok(()) } else { Err(Reason::Packed) }
    }
}

fn zstd_step(
    decoder: &mut Decoder<'static>,
    is_between: &mut bool,
    bytes: &[u8],
    into: &mut [u8],
) -> Result<Done, Reason> {
    if bytes.is_empty() && *is_between {
        return Ok(Done { taken: 0, given: 0 });
    }
    let mut input = InBuffer::around(bytes);
    let mut output = OutBuffer::around(into);
    let left = decoder.run(&mut input, &mut output).map_err(|_| Reason::Packed)?;
    *is_between = left == 0;
    Ok(Done {
        taken: input.pos(),
        given: output.pos(),
    })
}

/// Members of gzip, one behind the other.
struct Gzip {
    part: Part,
    inflate: Decompress,
    crc: Crc,
}

/// What of a member is being read, with the bytes of it that are there.
enum Part {
    Header(Vec<u8>),
    Body,
    Trailer(Vec<u8>),
}

impl Gzip {
    fn new() -> Self {
        Self {
            part: Part::Header(Vec::new()),
            inflate: Decompress::new(false),
            crc: Crc::new(),
        }
    }

    fn step(&mut self, bytes: &[u8], into: &mut [u8]) -> Result<Done, Reason> {
        match &mut self.part {
            Part::Header(header) => {
                let before = header.len();
                let most = if header.is_empty() {
                    HEADER_FIRST_BYTES
                } else {
                    HEADER_STEP_BYTES
                };
                let bytes = bytes.get(..most.min(bytes.len())).unwrap_or_default();
                header.extend_from_slice(bytes);
                let Some(length) = header_length(header)? else {
                    return if header.len() > HEADER_BYTES_MAX {
                        Err(Reason::Packed)
                    } else {
                        Ok(Done {
                            taken: bytes.len(),
                            given: 0,
                        })
                    };
                };
                self.part = Part::Body;
                self.inflate.reset(false);
                self.crc.reset();
                Ok(Done {
                    taken: length.saturating_sub(before),
                    given: 0,
                })
            }
            Part::Body => {
                let before = (self.inflate.total_in(), self.inflate.total_out());
                let status = self.inflate.decompress(bytes, into, FlushDecompress::None);
                let status = status.map_err(|_| Reason::Packed)?;
                let count = |now: u64, before: u64| usize::try_from(now - before).map_err(|_| Reason::Packed);
                let taken = count(self.inflate.total_in(), before.0)?;
                let given = count(self.inflate.total_out(), before.1)?;
                self.crc.update(into.get(..given).unwrap_or_default());
                if status == Status::StreamEnd {
                    self.part = Part::Trailer(Vec::new());
                }
                Ok(Done { taken, given })
            }
            Part::Trailer(trailer) => {
                let taken = bytes.len().min(8 - trailer.len());
                trailer.extend_from_slice(bytes.get(..taken).unwrap_or_default());
                if trailer.len() == 8 {
                    let wanted = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
                    if *trailer != wanted {
                        return Err(Reason::Packed);
                    }
                    self.part = Part::Header(Vec::new());
                }
                Ok(Done { taken, given: 0 })
            }
        }
    }
}

/// The length of a header (RFC 1952, 2.3) once all of it is there.
fn header_length(header: &[u8]) -> Result<Option<usize>, Reason> {
    let fixed = [0x1f, 0x8b, 8];
    if header.iter().zip(fixed).any(|(byte, wanted)| *byte != wanted) {
        return Err(Reason::Packed);
    }
    let Some(flags) = header.get(3).filter(|_| header.len() >= 10) else {
        return Ok(None);
    };
    if flags & 0b1110_0000 != 0 {
        return Err(Reason::Packed);
    }
    let mut at = 10;
    if flags & 0b100 != 0 {
        let Some([low, high]) = header.get(at..at + 2).and_then(<[u8]>::first_chunk).copied() else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [0b1000, 0b1_0000] {
        if flags & flag != 0 {
            let Some(end) = header.get(at..).and_then(|rest| memchr::memchr(0, rest)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & 0b10 != 0 {
        at += 2;
    }
    Ok((header.len() >= at).then_some(at))
}

/// Packs what is released as it came.
pub(crate) enum Packer {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(Encoder<'static, Vec<u8>>),
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Packer(..)")
    }
}

impl Packer {
    pub(crate) fn new(packing: Packing) -> Result<Self, Reason> {
        Ok(match packing {
            Packing::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Packing::Zstd => Self::Zstd(Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(|_| Reason::Packed)?),
        })
    }

    /// The packed bytes that are ready behind these.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Reason> {
        match self {
            Self::Gzip(encoder) => {
                encoder.write_all(bytes).map_err(|_| Reason::Packed)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(bytes).map_err(|_| Reason::Packed)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// The packed bytes that are left.
    pub(crate) fn end(self) -> Result<Vec<u8>, Reason> {
        match self {
            Self::Gzip(encoder) => encoder.finish().map_err(|_| Reason::Packed),
            Self::Zstd(encoder) => encoder.finish().map_err(|_| Reason::Packed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gzip, HEADER_FIRST_BYTES, HEADER_STEP_BYTES, Part};

    #[test]
    fn a_header_takes_a_bounded_part_of_what_is_there_in_each_step() {
        let mut member = b"\x1f\x8b\x08\x08\0\0\0\0\0\0".to_vec();
        member.resize(60_000, b'n');
        let mut gzip = Gzip::new();
        let mut step = [0; 64];
        let mut at = 0;
        for most in [HEADER_FIRST_BYTES, HEADER_STEP_BYTES, HEADER_STEP_BYTES] {
            let done = gzip.step(&member[at..], &mut step).ok().unwrap();
            assert_eq!((done.taken, done.given), (most, 0));
            at += done.taken;
        }
        assert!(matches!(&gzip.part, Part::Header(header) if header.len() == at));
        // What stands behind a header is not taken with it.
        let mut gzip = Gzip::new();
        let done = gzip
            .step(b"\x1f\x8b\x08\x08\0\0\0\0\0\0name\0\x03\0", &mut step)
            .ok()
            .unwrap();
        assert_eq!(done.taken, 15);
        assert!(matches!(gzip.part, Part::Body));
    }
}
