//! Plain text: searched window by window, or masked line by line.
//!
//! Where the mask is `detect`, or there is none and nets are, detectors look through windows of the text that overlap, so that
//! an identifier is found wherever pieces of the object or windows meet. The windows are counted from the text's beginning,
//! so how the object is cut changes nothing. With any other mask each line is a value.

use exhibit_policy::mask::document::{DocumentMasker, Slot, Spelling, TEXT_OVERLAP_BYTES, TEXT_WINDOW_BYTES, Written};
use exhibit_policy::net::SessionNet;

use crate::error::Reason;
use crate::reader::{Pending, RECORD_BYTES_MAX, Reader, text};

/// Reads a text.
#[derive(Debug, Default)]
pub(crate) struct Text {
    slot: Option<Slot>,
    pending: Pending,
    /// Bytes at the beginning of what waits that are out already and say what the next words are.
    context: usize,
    records: u64,
    /// Whether a line has begun that has not ended.
    in_line: bool,
}

impl Text {
    /// Searches one window, of so many bytes.
    fn window(
        &mut self,
        slot: &Slot,
        bytes: usize,
        is_last: bool,
        out: &mut DocumentMasker,
        net: &mut SessionNet,
    ) -> Result<(), Reason> {
        let window = self.pending.rest().get(..bytes).unwrap_or_default();
        // A window may end inside of a character, and the text may not.
        let window = match std::str::from_utf8(window) {
            Err(error) if !is_last && error.error_len().is_none() => window.get(..error.valid_up_to()),
            _ => Some(window),
        };
        let window = text(window.unwrap_or_default())?;
        let settled = out.window(slot, window, self.context, is_last, net);
        self.count(self.context, settled);
        let window = text(self.pending.rest().get(..settled).unwrap_or_default())?;
        let kept = window.ceil_char_boundary(settled.saturating_sub(TEXT_OVERLAP_BYTES));
        self.context = settled - kept;
        self.pending.advance(kept);
        Ok(())
    }

    /// Counts the lines that begin in these bytes of what waits.
    fn count(&mut self, from: usize, to: usize) {
        let bytes = self.pending.rest().get(from..to).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        let ends = memchr::memchr_iter(b'\n', bytes).count();
        let ends_inside = bytes.last() != Some(&b'\n');
        let begun = ends + usize::from(ends_inside) - usize::from(self.in_line);
        self.records += u64::try_from(begun).unwrap_or(u64::MAX);
        self.in_line = ends_inside;
    }

    /// Masks all whole lines, and what is left where nothing follows.
    fn lines(
        &mut self,
        slot: &Slot,
        is_last: bool,
        out: &mut DocumentMasker,
        net: &mut SessionNet,
    ) -> Result<(), Reason> {
        loop {
            let rest = self.pending.rest();
            let end = memchr::memchr(b'\n', rest).map(|end| end + 1);
            let Some(end) = end.or((is_last && !rest.is_empty()).then_some(rest.len())) else {
                return self.pending.bounded();
            };
            self.records += 1;
            if end > RECORD_BYTES_MAX {
                return Err(Reason::RecordTooLong);
            }
            let line = text(rest.get(..end).unwrap_or_default())?;
            let value = line.trim_end_matches(['\n', '\r']);
            if !value.is_empty() {
                let raw = value.as_bytes();
                let spelling = &Plain;
                out.value(
                    slot,
                    Written {
                        raw,
                        text: value,
                        spelling,
                    },
                    net,
                );
            }
            out.structure(line.as_bytes().get(value.len()..).unwrap_or_default());
            self.pending.advance(end);
        }
    }

    fn go(&mut self, is_last: bool, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let slot = self.slot.take().unwrap_or_else(|| out.slot("", "", net));
        if out.searches(&slot) {
            while self.pending.rest().len() > TEXT_WINDOW_BYTES {
                self.window(&slot, TEXT_WINDOW_BYTES, false, out, net)?;
            }
            if is_last {
                self.window(&slot, self.pending.rest().len(), true, out, net)?;
            }
        } else {
            self.lines(&slot, is_last, out, net)?;
        }
        self.slot = Some(slot);
        Ok(())
    }
}

impl Reader for Text {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.pending.push(bytes);
        self.go(false, out, net)
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.go(true, out, net)
    }

    fn records(&self) -> u64 {
        self.records
    }
}

/// How lines are written: as they are.
#[derive(Debug)]
struct Plain;

impl Spelling for Plain {
    fn spell(&self, text: Option<&str>, _raw: &[u8], into: &mut Vec<u8>) {
        into.extend_from_slice(text.unwrap_or_default().as_bytes());
    }

    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize> {
        0..raw.len()
    }
}
