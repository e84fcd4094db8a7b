//! What `x-amz-content-sha256` says of the body.
//!
//! Specification: the table of `sigv4-auth-using-authorization-header`.
//!
//! Not here: the body ([`crate::chunked`]).

use super::key::lower_hex;

/// How the body is covered by the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// By its SHA-256.
    Sha256([u8; 32]),
    /// Not at all.
    Unsigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: chunk by chunk.
    SignedChunks,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: chunk by chunk, and the trailer.
    SignedChunksTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: chunks and a checksum after them, none of them signed.
    UnsignedChunksTrailer,
}

/// What is wrong with the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadFault {
    /// One of the forms of Signature Version 4A.
    Asymmetric,
    /// None that there is.
    Unknown,
}

impl Payload {
    pub(super) fn parse(text: &str) -> Result<Self, PayloadFault> {
        Ok(match text {
            "UNSIGNED-PAYLOAD" => Self::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::SignedChunks,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::SignedChunksTrailer,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::UnsignedChunksTrailer,
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
                return Err(PayloadFault::Asymmetric);
            }
            _ => Self::Sha256(lower_hex(text).ok_or(PayloadFault::Unknown)?),
        })
    }

    /// As it is signed and sent.
    pub fn as_text(self) -> String {
        match self {
            Self::Sha256(digest) => hex::encode(digest),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            Self::UnsignedChunksTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Payload, PayloadFault};
    const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn each_form_is_written_as_it_was_read() {
        for text in [
            SHA256_OF_NOTHING,
            "UNSIGNED-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ] {
            assert_eq!(Payload::parse(text).map(Payload::as_text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_other_forms() {
        for text in [
            "",
            "unsigned-payload",
            "STREAMING-UNSIGNED-PAYLOAD",
            &SHA256_OF_NOTHING.to_uppercase(),
        ] {
            assert_eq!(Payload::parse(text), Err(PayloadFault::Unknown), "{text}");
        }
        let asymmetric = Payload::parse("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
        assert_eq!(asymmetric, Err(PayloadFault::Asymmetric));
    }
}
