//! Documents of a line each: NDJSON, and the bulk exports of FHIR. An empty line is no record, and line ends stay.

use exhibit_policy::mask::document::{DocumentMasker, Otherwise, Piece, Slot, Treatment};
use exhibit_policy::mask::path::Step;
use exhibit_policy::net::SessionNet;

use crate::error::Reason;
use crate::extent;
use crate::reader::{Pending, RECORD_BYTES_MAX, Reader, text};
use crate::resource::Resources;

/// What a line is.
enum Line {
    /// Any document; the slot is that of all of them.
    Json(Option<Slot>),
    /// A resource of FHIR.
    Resource(Resources),
}

/// Reads documents of a line each.
pub(crate) struct Lines {
    line: Line,
    pending: Pending,
    records: u64,
}

impl std::fmt::Debug for Lines {
    /// Of what is read its length alone.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Lines")
            .field("pending", &self.pending)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Lines {
    pub(crate) fn json() -> Self {
        Self::of(Line::Json(None))
    }

    pub(crate) fn resources() -> Self {
        Self::of(Line::Resource(Resources::default()))
    }

    fn of(line: Line) -> Self {
        Self {
            line,
            pending: Pending::default(),
            records: 0,
        }
    }

    fn line(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            out.structure(bytes);
            return Ok(());
        }
        self.records += 1;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Reason::RecordTooLong);
        }
        let text = text(bytes)?;
        extent::bounded(text)?;
        let piece = Piece {
            member: None,
            element: None,
            text,
        };
        match &mut self.line {
            Line::Resource(resources) => resources.piece(piece, None, out, net),
            Line::Json(slot) => {
                let slot = slot.get_or_insert_with(|| out.slot("", "", net)).clone();
                let mut treat = |_: &[Step]| Treatment {
                    slot: slot.clone(),
                    outer: 0,
                    otherwise: Otherwise::Keep,
                };
                out.json(piece, &mut treat, net).ok_or(Reason::Json)
            }
        }
    }
}

impl Reader for Lines {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        // What waits has no line end, or it would not wait.
        let waiting = self.pending.rest().len();
        self.pending.push(bytes);
        let pending = std::mem::take(&mut self.pending);
        let (mut start, mut from) = (0, waiting);
        while let Some(end) = memchr::memchr(b'\n', pending.rest().get(from..).unwrap_or_default()) {
            let end = from + end + 1;
            self.line(pending.rest().get(start..end).unwrap_or_default(), out, net)?;
            (start, from) = (end, end);
        }
        self.pending = pending;
        self.pending.advance(start);
        self.pending.bounded().inspect_err(|_| self.records += 1)
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let pending = std::mem::take(&mut self.pending);
        self.line(pending.rest(), out, net)
    }

    fn records(&self) -> u64 {
        self.records
    }
}
