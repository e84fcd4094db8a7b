//! The checksums that clients send with objects: in a header, or behind the last chunk.
//!
//! Specification: "Checking object integrity" of the Amazon S3 user guide. Each is written as the base64 of its bytes, the highest first.
//!
//! Not here: digests of evidence; these say that nothing was garbled on the way, and no more.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A kind of checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 of ISO-HDLC, that of zip files.
    Crc32,
    /// CRC-32C, Castagnoli's.
    Crc32c,
    /// CRC-64 of NVM Express.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All that there are.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The header, or trailer, that it is sent in.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The one that is sent in a header, whose name may be in any case.
    pub(super) fn of_header(name: &str) -> Option<Self> {
        let mut known = Self::ALL.into_iter();
        known.find(|algorithm| name.eq_ignore_ascii_case(algorithm.header()))
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A checksum of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    algorithm: Algorithm,
    /// As many as the algorithm has.
    value: Vec<u8>,
}

impl Checksum {
    /// Reads the base64 of a header, if it is of the algorithm.
    pub(super) fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        let value = STANDARD.decode(text).ok()?;
        (value.len() == algorithm.bytes()).then_some(Self { algorithm, value })
    }

    /// Its kind.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The base64 of its bytes, as in its header.
    pub fn as_text(&self) -> String {
        STANDARD.encode(&self.value)
    }
}

/// A checksum in the making.
pub(super) enum Hasher {
    Crc(Algorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let crc = |kind| Self::Crc(algorithm, crc_fast::Digest::new(kind));
        match algorithm {
            Algorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => {
                // The library gives each of them as 64 bits.
                let wide = digest.finalize().to_be_bytes();
                let unused = wide.len() - algorithm.bytes();
                (algorithm, wide.into_iter().skip(unused).collect())
            }
            Self::Sha1(digest) => (Algorithm::Sha1, digest.finalize().to_vec()),
            Self::Sha256(digest) => (Algorithm::Sha256, digest.finalize().to_vec()),
        };
        Checksum { algorithm, value }
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Checksum, Hasher};

    /// The check values of the catalogue of CRCs, and the hashes of FIPS 180 of the same nine digits.
    #[test]
    fn checksums_are_those_of_their_catalogues() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                Algorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"56789");
            let checksum = hasher.finish();
            assert_eq!(hex::encode(&checksum.value), expected, "{algorithm:?}");
            assert_eq!(Checksum::parse(algorithm, &checksum.as_text()), Some(checksum));
            assert_eq!(
                Algorithm::of_header(&algorithm.header().to_uppercase()),
                Some(algorithm)
            );
        }
    }

    #[test]
    fn a_checksum_has_the_length_of_its_kind() {
        assert!(Checksum::parse(Algorithm::Crc32, "sOO8/Q==").is_some());
        for text in ["", "sOO8/Q", "sOO8/Q==\n", "sOO8_Q==", "sOO8", "sOO8/QAA"] {
            assert_eq!(Checksum::parse(Algorithm::Crc32, text), None, "{text}");
        }
        assert_eq!(Checksum::parse(Algorithm::Crc64Nvme, "sOO8/Q=="), None);
    }
}
