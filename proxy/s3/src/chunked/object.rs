//! The object as it comes out of the framing: counted, hashed, and its last byte held back.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::checksum::{Checksum, Hasher};
use super::declared::{Declared, Length};
use super::error::BodyError;
use super::{Decoded, OBJECT_BYTES_MAX, Whole};

pub(super) struct Object {
    length: Length,
    /// Bytes so far; not above what `length` allows.
    seen: u64,
    /// The last byte so far, which nobody was given.
    held: Option<u8>,
    sha256: Option<(Sha256, [u8; 32])>,
    md5: Option<(Md5, [u8; 16])>,
    checksum: Option<Hasher>,
    expected: Option<Checksum>,
}

impl Object {
    pub(super) fn new(declared: &Declared) -> Self {
        let algorithm = declared.checksum.as_ref().map(Checksum::algorithm).or(declared.trailer);
        Self {
            length: declared.length,
            seen: 0,
            held: None,
            sha256: declared.sha256.map(|expected| (Sha256::new(), expected)),
            md5: declared.md5.map(|expected| (Md5::new(), expected)),
            checksum: algorithm.map(Hasher::new),
            expected: declared.checksum.clone(),
        }
    }

    pub(super) const fn length(&self) -> Option<u64> {
        match self.length {
            Length::Exactly(length) => Some(length),
            Length::Within(_) | Length::Any => None,
        }
    }

    /// Whether so many bytes more may come.
    pub(super) fn room(&self, more: u64) -> Result<(), BodyError> {
        let seen = self.seen.saturating_add(more);
        match self.length {
            Length::Exactly(announced) if seen > announced => Err(BodyError::TooLong { announced }),
            Length::Within(range) if seen > range.max() => Err(BodyError::AboveRange { max: range.max() }),
            _ if seen > OBJECT_BYTES_MAX => Err(BodyError::TooLarge),
            _ => Ok(()),
        }
    }

    /// Takes bytes whose framing was checked, and releases all but the last.
    pub(super) fn take(&mut self, bytes: &[u8], released: &mut Vec<u8>) -> Result<(), BodyError> {
        let Some((last, rest)) = bytes.split_last() else {
            return Ok(());
        };
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.room(more)?;
        self.seen = self.seen.saturating_add(more);
        if let Some((hash, _)) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some((hash, _)) = &mut self.md5 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.checksum {
            hash.update(bytes);
        }
        released.reserve(bytes.len());
        released.extend(self.held.replace(*last));
        released.extend_from_slice(rest);
        Ok(())
    }

    /// The checksum that came behind the last chunk.
    pub(super) fn expect(&mut self, checksum: Checksum) {
        self.expected = Some(checksum);
    }

    /// The commit point of an upload: only here the last byte is let go.
    pub(super) fn finish(self) -> Result<Whole, BodyError> {
        match self.length {
            Length::Exactly(announced) if self.seen < announced => {
                let received = self.seen;
                return Err(BodyError::TooShort { received, announced });
            }
            Length::Within(range) if self.seen < range.min() => return Err(BodyError::BelowRange { min: range.min() }),
            _ => {}
        }
        if self
            .sha256
            .is_some_and(|(hash, expected)| hash.finalize()[..] != expected)
        {
            return Err(BodyError::Sha256);
        }
        if self.md5.is_some_and(|(hash, expected)| hash.finalize()[..] != expected) {
            return Err(BodyError::Md5);
        }
        let checksum = self.checksum.map(Hasher::finish);
        if let Some(checksum) = checksum
            .as_ref()
            .filter(|checksum| self.expected.as_ref() != Some(*checksum))
        {
            let header = checksum.algorithm().header();
            return Err(BodyError::Checksum { header });
        }
        Ok(Whole {
            last: Decoded(self.held.into_iter().collect()),
            length: self.seen,
            checksum,
        })
    }
}
