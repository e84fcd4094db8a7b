//! Replies: masked frames are cut into events, and leave only when those are durable. What the session's net caught in them
//! is told by `detection` events that go before them.
//!
//! Not here: masking, and how frames look on the wire.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exhibit_policy::decide::Asker;
use exhibit_policy::mask::Masked;
use exhibit_policy::net::Caught;
use exhibit_policy::snapshot::Counts;
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::event::access::{Column, Detection, Frame, ResponseEnd};
use exhibit_schemas::event::{Body, SessionId};

use crate::allowance::Allowance;
use crate::error::GateError;
use crate::failure::Failure;
use crate::recorder::Ticket;
use crate::request::Recorded;
use crate::threshold::Watched;

/// Bytes of one row's cells at the most; a protocol turns a longer row into its wire bytes first
/// ([`Masked::framed`]), which are then cut into several chunks.
pub const ROW_BYTES_MAX: usize = 48 * 1_024;

/// Encoded bytes of the frames of one chunk at the most: an event's 65,535 less its head, and less the columns.
const CHUNK_BYTES_MAX: usize = 60_000;

/// Encoded columns that still share a chunk with frames; longer ones are a chunk of their own.
const COLUMNS_BYTES_SHARED_MAX: usize = 4_000;

/// Head of a CBOR string or array of up to 4 GiB, at the most; also the price of an absent cell.
const HEAD_BYTES: usize = 5;

/// The reply to one command, as far as it was released.
#[derive(Debug)]
pub struct Reply {
    pub(crate) session: SessionId,
    pub(crate) command: u64,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStatus {
    /// As asked.
    Complete,
    /// With an error.
    Failed,
    /// Not run, because an earlier command of its group failed.
    Skipped,
    /// The session broke.
    Cut,
}

impl EndStatus {
    /// The word in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cut => "cut",
        }
    }
}

/// Frames on their way into the ledger.
#[must_use = "frames that are not awaited never reach the agent"]
pub struct Releasing {
    pub(crate) session: SessionId,
    pub(crate) command: u64,
    pub(crate) frames: Vec<Masked<Frame>>,
    /// `None` when there was nothing to record.
    pub(crate) ticket: Result<Option<Ticket>, GateError>,
    pub(crate) failure: Failure,
}

impl std::fmt::Debug for Releasing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Releasing({} frames)", self.frames.len())
    }
}

impl Releasing {
    /// Waits until the events are durable, and gives the frames back for the agent's socket.
    ///
    /// # Errors
    /// [`GateError`]; then none of the frames may leave.
    pub async fn durable(self) -> Result<Recorded<Vec<Masked<Frame>>>, GateError> {
        let receipts = match self.ticket? {
            None => Vec::new(),
            Some(ticket) => match ticket.await {
                Ok(receipts) => receipts,
                Err(error) => return Err(self.failure.lost(error)),
            },
        };
        // P2: only here, after the receipts, do the frames come out again. A failure of the session that is already
        // known holds back what was recorded, too.
        self.failure.check()?;
        Ok(Recorded {
            value: self.frames,
            session: self.session,
            command: self.command,
            receipt: receipts.last().copied(),
        })
    }
}

impl Recorded<Vec<Masked<Frame>>> {
    /// What the agent may get.
    pub fn frames(&self) -> &[Masked<Frame>] {
        &self.value
    }

    /// What the agent may get.
    pub fn into_frames(self) -> Vec<Masked<Frame>> {
        self.value
    }
}

/// What a reply came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Parts of data that followed the command.
    pub(crate) parts: u64,
    pub(crate) chunks: u64,
    pub(crate) rows: u64,
    /// Bytes of verbatim frames and of cells.
    pub(crate) bytes: u64,
    /// Cells of rows.
    pub(crate) cells: u64,
    /// Findings, by net.
    pub(crate) caught: BTreeMap<String, u64>,
    /// What was decided about, where rules are about what the reply comes to: what it and its session came to at its last
    /// frames.
    pub(crate) weighed: Counts,
    /// Where rules are about what the reply comes to.
    pub(crate) watched: Option<Arc<Watched>>,
    /// What asked for people, and was approved.
    pub(crate) approved: BTreeSet<Asker>,
    /// What people approved lets out; all of them have to.
    pub(crate) allowances: Vec<Arc<Allowance>>,
}

/// The event of what was caught in one place, added to the totals of its command.
pub(crate) fn detection(command: u64, caught: Caught, totals: &mut Totals) -> Detection {
    let all = caught.findings.iter().map(|(_, count)| *count);
    let total = totals.caught.entry(caught.net.clone()).or_default();
    *total = all.fold(*total, u64::saturating_add);
    let word = |(category, count): (exhibit_policy::detect::Category, u64)| (category.as_str().to_owned(), count);
    Detection {
        command,
        net: caught.net,
        channel: caught.channel.as_str().to_owned(),
        column: caught.column,
        findings: caught.findings.into_iter().map(word).collect(),
        ends: caught.ends,
    }
}

/// Cuts frames into chunks that fit events; verbatim frames may be split, rows stay whole.
pub(crate) fn chunks(frames: &[Masked<Frame>]) -> Result<Vec<Packed>, GateError> {
    let mut packer = Packer::default();
    for frame in frames {
        match frame.get() {
            Frame::Verbatim(bytes) => packer.verbatim(&bytes.0, frame.rows()),
            row @ Frame::Row(_) => packer.row(row)?,
        }
    }
    packer.close();
    Ok(packer.chunks)
}

/// The end of a command.
pub(crate) struct End {
    pub(crate) status: EndStatus,
    pub(crate) code: Option<String>,
    pub(crate) masked: BTreeMap<String, u64>,
}

impl End {
    /// Its event.
    pub(crate) fn event(mut self, command: u64, totals: &Totals) -> Body {
        self.masked.extend(totals.caught.clone());
        ResponseEnd {
            command,
            status: self.status.as_str().to_owned(),
            code: self.code,
            chunks: totals.chunks,
            rows: totals.rows,
            bytes: totals.bytes,
            masked: self.masked,
        }
        .into()
    }
}

/// Puts the columns on the first chunk, or on one of their own where they are long or nothing follows yet.
pub(crate) fn with_columns(
    columns: Option<Vec<Column>>,
    chunks: Vec<Packed>,
) -> impl Iterator<Item = (Option<Vec<Column>>, Packed)> {
    let alone = columns
        .as_ref()
        .is_some_and(|columns| chunks.is_empty() || cbor::encode(columns).len() > COLUMNS_BYTES_SHARED_MAX);
    let own = alone.then(Packed::default);
    let mut columns = columns;
    own.into_iter()
        .chain(chunks)
        .map(move |packed| (columns.take(), packed))
}

/// Adds up rows and bytes of frames.
pub(crate) fn count(frames: &[Masked<Frame>], totals: &mut Totals) {
    for frame in frames {
        let bytes = match frame.get() {
            Frame::Verbatim(bytes) => bytes.0.len(),
            Frame::Row(cells) => {
                let count = u64::try_from(cells.len()).unwrap_or(u64::MAX);
                totals.cells = totals.cells.saturating_add(count);
                cell_bytes(cells)
            }
        };
        totals.rows = totals.rows.saturating_add(frame.rows());
        totals.bytes = totals.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// Frames of one chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) frames: Vec<Frame>,
    /// Rows that begin in verbatim ones among them.
    pub(crate) framed_rows: u64,
}

#[derive(Default)]
struct Packer {
    chunks: Vec<Packed>,
    open: Packed,
    used: usize,
}

impl Packer {
    fn verbatim(&mut self, mut bytes: &[u8], mut rows: u64) {
        while !bytes.is_empty() {
            if self.used + HEAD_BYTES >= CHUNK_BYTES_MAX {
                self.close();
            }
            let room = CHUNK_BYTES_MAX - self.used - HEAD_BYTES;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.used += now.len() + HEAD_BYTES;
            self.open.frames.push(Frame::Verbatim(Bytes(now.to_vec())));
            self.open.framed_rows += std::mem::take(&mut rows);
            bytes = later;
        }
    }

    fn row(&mut self, row: &Frame) -> Result<(), GateError> {
        let Frame::Row(cells) = row else { return Ok(()) };
        let bytes = cell_bytes(cells);
        let encoded = bytes + HEAD_BYTES * (cells.len() + 1);
        if bytes > ROW_BYTES_MAX || encoded > CHUNK_BYTES_MAX {
            return Err(GateError::RowTooLong { bytes });
        }
        if self.used + encoded > CHUNK_BYTES_MAX {
            self.close();
        }
        self.used += encoded;
        self.open.frames.push(row.clone());
        Ok(())
    }

    fn close(&mut self) {
        if !self.open.frames.is_empty() {
            self.chunks.push(std::mem::take(&mut self.open));
        }
        self.used = 0;
    }
}

fn cell_bytes(cells: &[Option<Bytes>]) -> usize {
    cells.iter().flatten().map(|cell| cell.0.len()).sum()
}

#[cfg(test)]
mod tests {
    use exhibit_policy::mask::{MaskKey, Masked, RowMasker};
    use exhibit_policy::net::SessionNet;
    use exhibit_schemas::cbor;
    use exhibit_schemas::event::access::Frame;
    use proptest::prelude::*;

    use super::{CHUNK_BYTES_MAX, ROW_BYTES_MAX, chunks};
    use crate::error::GateError;

    fn row(cells: Vec<Option<Vec<u8>>>) -> Masked<Frame> {
        let mut masker = RowMasker::new(vec![None; cells.len()], MaskKey::new([0; 32]));
        masker.row(cells, &mut SessionNet::default()).unwrap()
    }

    fn wire<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            match frame {
                Frame::Verbatim(part) => bytes.extend_from_slice(&part.0),
                Frame::Row(cells) => bytes.extend(cbor::encode(cells)),
            }
        }
        bytes
    }

    fn frame() -> impl Strategy<Value = Masked<Frame>> {
        prop_oneof![
            (0_usize..200_000, any::<u8>()).prop_map(|(size, byte)| Masked::framing(vec![byte; size])),
            proptest::collection::vec(proptest::option::of((0_usize..9_000, any::<u8>())), 0..5).prop_map(|cells| {
                row(cells
                    .into_iter()
                    .map(|cell| cell.map(|(size, byte)| vec![byte; size]))
                    .collect())
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn chunks_fit_events_and_hold_exactly_the_frames_in_order(frames in proptest::collection::vec(frame(), 0..8)) {
            let chunks = chunks(&frames).unwrap();
            for chunk in &chunks {
                prop_assert!(!chunk.frames.is_empty());
                prop_assert!(cbor::encode(&chunk.frames).len() <= CHUNK_BYTES_MAX + 5);
            }
            prop_assert_eq!(wire(chunks.iter().flat_map(|chunk| &chunk.frames)), wire(frames.iter().map(Masked::get)));
        }
    }

    #[test]
    fn a_row_past_its_limit_is_refused() {
        let sized = |bytes| chunks(&[row(vec![Some(vec![b'x'; bytes])])]).map(|chunks| chunks.len());
        assert_eq!(sized(ROW_BYTES_MAX), Ok(1));
        assert_eq!(
            sized(ROW_BYTES_MAX + 1),
            Err(GateError::RowTooLong {
                bytes: ROW_BYTES_MAX + 1
            })
        );
        let wide = chunks(&[row(vec![None; 12_000])]);
        assert_eq!(wide, Err(GateError::RowTooLong { bytes: 0 }));
    }
}
