//! What every reader of a format does: it finds values in bytes that come in pieces, and hands them to the policy.

use std::fmt;

use exhibit_policy::mask::document::DocumentMasker;
use exhibit_policy::net::SessionNet;

use crate::error::Reason;

/// Bytes of a record at the most, which is what a document needs of memory: a row, a line, a resource of FHIR (which may
/// hold a scanned page), a value of a JSON document or an element of a list in it, a segment.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// A reader of one format.
///
/// Bytes come in order and in pieces that mean nothing. Every one of them goes into the masker once, in order, and only
/// when nothing that follows can change what it is. After an error the reader is not asked again.
pub(crate) trait Reader: fmt::Debug + Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Reason`] of the record that [`Self::records`] then counts last.
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason>;

    /// Takes the end of the document.
    ///
    /// # Errors
    /// [`Reason`], as above.
    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason>;

    /// Records that have begun to go out.
    fn records(&self) -> u64;
}

/// The text of a record.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Reason> {
    if memchr::memchr(0, bytes).is_some() {
        return Err(Reason::ZeroByte);
    }
    std::str::from_utf8(bytes).map_err(|_| Reason::NotText)
}

/// Bytes that wait for the rest of their record.
#[derive(Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    /// Bytes at the beginning that are done with.
    done: usize,
}

impl fmt::Debug for Pending {
    /// Without the bytes, which are data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pending({} bytes)", self.rest().len())
    }
}

impl Pending {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.done > 0 {
            self.bytes.drain(..self.done);
            self.done = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.done..).unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, bytes: usize) {
        self.done += bytes;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Holds the record that waits to its limit.
    pub(crate) fn bounded(&self) -> Result<(), Reason> {
        if self.rest().len() > RECORD_BYTES_MAX {
            return Err(Reason::RecordTooLong);
        }
        Ok(())
    }
}
