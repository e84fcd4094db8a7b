//! Why a body is not taken, with S3's own code for it and what to do now.

use super::{CHUNK_HEADER_BYTES_MAX, OBJECT_BYTES_MAX, SIGNED_CHUNK_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::signature::SignatureError;
use crate::signature::code::Code;

/// Why a body is not taken. The agent is to blame for each of them, or a broken connection; no variant holds bytes of the body.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// A header that says something of the body cannot be read.
    #[error(transparent)]
    Head(#[from] SignatureError),
    /// Chunks that are not checked.
    #[error(
        "Content-Encoding says aws-chunked and x-amz-content-sha256 is no STREAMING form; a store could take the frames of chunks for the object, or not"
    )]
    Framed,
    /// A body in chunks without its object's length.
    #[error("the header x-amz-decoded-content-length is missing; a body in chunks needs the object's length")]
    DecodedLengthMissing,
    /// A length is none.
    #[error("the header {header} is not a number in decimal digits")]
    LengthMalformed {
        /// Its name.
        header: &'static str,
    },
    /// A limit.
    #[error("the object has more than {OBJECT_BYTES_MAX} bytes; use a multipart upload")]
    TooLarge,
    /// More bytes than were announced.
    #[error("the body has more than the {announced} bytes that its headers announce")]
    TooLong {
        /// The length of the headers.
        announced: u64,
    },
    /// Fewer bytes than were announced.
    #[error("the body ended after {received} of {announced} bytes; send it again")]
    TooShort {
        /// The length that came.
        received: u64,
        /// The length of the headers.
        announced: u64,
    },
    /// A form's file is longer than its policy says.
    #[error("the file has more than the {max} bytes that the form's policy takes")]
    AboveRange {
        /// The greatest length.
        max: u64,
    },
    /// A form's file is shorter than its policy says.
    #[error("the file has fewer than the {min} bytes that the form's policy takes")]
    BelowRange {
        /// The smallest length.
        min: u64,
    },
    /// The line before a chunk is none.
    #[error("the line before a chunk is malformed: {why}")]
    ChunkHeader {
        /// What is wrong.
        why: &'static str,
    },
    /// A limit.
    #[error("the line before a chunk has more than {CHUNK_HEADER_BYTES_MAX} bytes")]
    ChunkHeaderLength,
    /// A limit.
    #[error("a signed chunk has more than {SIGNED_CHUNK_BYTES_MAX} bytes; set a smaller chunk size")]
    ChunkSize,
    /// A chunk has another signature.
    #[error(
        "the signature of a chunk is not the one that it has; check the secret key, and that nothing on the way changes bodies"
    )]
    ChunkSignature,
    /// A chunk is not followed by a line end.
    #[error("a chunk is longer than its line says: no line end follows it")]
    ChunkEnd,
    /// The body ended before its last chunk.
    #[error("the body ended before its last chunk, the empty one; send it again")]
    Unfinished,
    /// No `x-amz-trailer` where there has to be one.
    #[error("the header x-amz-trailer is missing; name the checksum that follows the last chunk")]
    TrailerMissing,
    /// A `x-amz-trailer` where nothing can follow.
    #[error(
        "the header x-amz-trailer is there, but x-amz-content-sha256 says that nothing follows the last chunk; use a form that ends in -TRAILER"
    )]
    TrailerUnexpected,
    /// What is to follow is unknown.
    #[error(
        "x-amz-trailer names something else than one of x-amz-checksum-crc32, -crc32c, -crc64nvme, -sha1 and -sha256"
    )]
    TrailerUnknown,
    /// A limit.
    #[error("more than {TRAILER_BYTES_MAX} bytes follow the last chunk")]
    TrailerLength,
    /// What follows is not of the form.
    #[error("what follows the last chunk is malformed: {why}")]
    Trailer {
        /// What is wrong.
        why: &'static str,
    },
    /// The trailer has another signature.
    #[error("x-amz-trailer-signature is not the signature that the trailer has; check the secret key")]
    TrailerSignature,
    /// Another SHA-256.
    #[error("the provided x-amz-content-sha256 header does not match what was computed")]
    Sha256,
    /// More than one checksum.
    #[error(
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed; send one, in a header or as the trailer"
    )]
    ManyChecksums,
    /// A checksum is none.
    #[error("Value for {header} header is invalid; send the base64 of the checksum's bytes")]
    ChecksumMalformed {
        /// Its name.
        header: &'static str,
    },
    /// Another checksum.
    #[error("the checksum of {header} did not match the calculated checksum; send the body again")]
    Checksum {
        /// Its name.
        header: &'static str,
    },
    /// `Content-MD5` is none.
    #[error("the Content-MD5 that was specified is not the base64 of 16 bytes")]
    Md5Malformed,
    /// Another MD5.
    #[error("the Content-MD5 that was specified did not match what was received; send the body again")]
    Md5,
}

impl BodyError {
    /// S3's own code, which has the HTTP status.
    pub const fn code(&self) -> Code {
        match self {
            Self::Head(error) => error.code(),
            Self::DecodedLengthMissing => Code::MissingContentLength,
            Self::LengthMalformed { .. } => Code::InvalidArgument,
            Self::TooLarge | Self::AboveRange { .. } => Code::EntityTooLarge,
            Self::BelowRange { .. } => Code::EntityTooSmall,
            Self::TooLong { .. } | Self::TooShort { .. } | Self::Unfinished => Code::IncompleteBody,
            Self::Framed
            | Self::ChunkHeader { .. }
            | Self::ChunkHeaderLength
            | Self::ChunkEnd
            | Self::TrailerMissing
            | Self::TrailerUnexpected
            | Self::TrailerUnknown
            | Self::ManyChecksums
            | Self::ChecksumMalformed { .. } => Code::InvalidRequest,
            Self::ChunkSize => Code::InvalidChunkSizeError,
            Self::ChunkSignature | Self::TrailerSignature => Code::SignatureDoesNotMatch,
            Self::TrailerLength | Self::Trailer { .. } => Code::MalformedTrailerError,
            Self::Sha256 => Code::XAmzContentSha256Mismatch,
            Self::Checksum { .. } | Self::Md5 => Code::BadDigest,
            Self::Md5Malformed => Code::InvalidDigest,
        }
    }
}
