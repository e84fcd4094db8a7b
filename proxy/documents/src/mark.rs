//! Our own marks in what an agent writes: tokens of masks and what stands for redacted values.
//!
//! Who reads masked data and writes it back would overwrite values with their masks. What is found is what masks write as a
//! text of its own form: `tok_` and 32 hexadecimal digits, `[redacted]`, and the tokens of detectors such as `[ssn]`. What
//! `partial`, `year`, `date_shift`, `ff1`, `zip3` and `age` write looks as other data does and is not found, nor is a mark
//! that is written in escapes (`\u005bredacted]`), in another encoding, or in a format that is not read. What is packed in a way in
//! which nobody looked is an error.

use std::fmt;

use exhibit_policy::detect::Category;
use exhibit_policy::mask::{REDACTED, TOKEN_BYTES, TOKEN_PREFIX};

use crate::error::Reason;
use crate::packing::{Outer, PACKING_BYTES, Packing, Unpacker};

/// Bytes of the longest mark: a token.
const MARK_BYTES_MAX: usize = TOKEN_PREFIX.len() + 2 * TOKEN_BYTES;

/// Bytes that are looked through at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A mark of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A keyed token.
    Token,
    /// What stands for a redacted text.
    Redacted,
    /// The token of a detector.
    Found(Category),
}

/// Looks for marks in an upload, piece by piece, also in gzip and Zstandard.
#[derive(Debug, Default)]
pub struct Marks {
    outer: Outer,
    search: Search,
    fault: Option<Reason>,
}

impl fmt::Debug for Search {
    /// Without bytes of the upload.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Search({} bytes wait, found {:?})",
            self.tail.len(),
            self.found
        )
    }
}

#[derive(Default)]
struct Search {
    /// The first bytes of what is packed.
    opening: Vec<u8>,
    /// The last bytes, in which a mark may have begun.
    tail: Vec<u8>,
    found: Option<Mark>,
}

impl Marks {
    /// Takes the next bytes; the first mark that was found so far.
    ///
    /// # Errors
    /// [`Reason`] where what is packed cannot be unpacked, or is packed once more: nobody knows what is in it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Mark>, Reason> {
        self.guarded(|marks| bytes.chunks(PIECE_BYTES).try_for_each(|piece| marks.take(piece)))
    }

    /// Takes the end; the first mark that was found.
    ///
    /// # Errors
    /// [`Reason`], as above.
    pub fn finish(&mut self) -> Result<Option<Mark>, Reason> {
        self.guarded(|marks| {
            if matches!(marks.outer, Outer::Opening(_)) {
                marks.opened()?;
            }
            match &marks.outer {
                Outer::Packed(unpacker) => unpacker.end(),
                Outer::Opening(_) | Outer::Plain => Ok(()),
            }
        })
    }

    /// After an error every call gives that error again: what follows says nothing of what nobody looked through.
    fn guarded(&mut self, run: impl FnOnce(&mut Self) -> Result<(), Reason>) -> Result<Option<Mark>, Reason> {
        if self.fault.is_none() {
            self.fault = run(self).err();
        }
        match &self.fault {
            None => Ok(self.search.found),
            Some(fault) => Err(fault.clone()),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        match &mut self.outer {
            Outer::Opening(opening) => {
                opening.extend_from_slice(bytes);
                if opening.len() >= PACKING_BYTES {
                    self.opened()?;
                }
            }
            Outer::Plain => self.search.push(bytes),
            Outer::Packed(unpacker) => {
                let search = &mut self.search;
                unpacker.push(bytes, &mut |piece| search.unpacked(piece))?;
            }
        }
        Ok(())
    }

    fn opened(&mut self) -> Result<(), Reason> {
        let Outer::Opening(opening) = std::mem::replace(&mut self.outer, Outer::Plain) else {
            return Ok(());
        };
        if Packing::is_skipped(&opening) {
            return Err(Reason::Packed);
        }
        if let Some(packing) = Packing::of(&opening) {
            self.outer = Outer::Packed(Unpacker::new(packing)?);
        }
        self.take(&opening)
    }
}

impl Search {
    /// Takes bytes of what was packed, in which nothing may be packed again.
    fn unpacked(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        let more = PACKING_BYTES - self.opening.len().min(PACKING_BYTES);
        if more > 0 {
            self.opening
                .extend_from_slice(bytes.get(..more.min(bytes.len())).unwrap_or_default());
            if Packing::of(&self.opening).is_some() || Packing::is_skipped(&self.opening) {
                return Err(Reason::Packed);
            }
        }
        self.push(bytes);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.found.is_some() {
            return;
        }
        // What may have begun before ends within the first bytes of these.
        let before = self.tail.len();
        self.tail
            .extend_from_slice(bytes.get(..bytes.len().min(MARK_BYTES_MAX)).unwrap_or_default());
        self.found = first_mark(&self.tail).or_else(|| first_mark(bytes));
        if bytes.len() >= MARK_BYTES_MAX {
            self.tail.clear();
            self.tail
                .extend_from_slice(bytes.get(bytes.len() - (MARK_BYTES_MAX - 1)..).unwrap_or_default());
        } else {
            let length = before + bytes.len();
            self.tail.drain(..length.saturating_sub(MARK_BYTES_MAX - 1));
        }
    }
}

/// The first mark in bytes.
fn first_mark(bytes: &[u8]) -> Option<Mark> {
    let first = TOKEN_PREFIX.as_bytes().first().copied().unwrap_or_default();
    let mut starts = memchr::memchr2_iter(b'[', first, bytes);
    starts.find_map(|start| mark_at(bytes.get(start..).unwrap_or_default()))
}

/// The mark with which bytes begin.
fn mark_at(bytes: &[u8]) -> Option<Mark> {
    if bytes.starts_with(REDACTED.as_bytes()) {
        return Some(Mark::Redacted);
    }
    if let Some(digits) = bytes.strip_prefix(TOKEN_PREFIX.as_bytes()) {
        let digits = digits.get(..2 * TOKEN_BYTES)?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        return digits.iter().all(is_digit).then_some(Mark::Token);
    }
    let mut all = Category::ALL.into_iter();
    all.find(|category| bytes.starts_with(category.token().as_bytes()))
        .map(Mark::Found)
}
