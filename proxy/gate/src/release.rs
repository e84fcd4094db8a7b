//! Replies: masked frames are cut into events, and leave only when those are durable. What the session's net caught in them
//! is told by `detection` events that go before them.
//!
//! Not here: masking, and how frames look on the wire.

mod packed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exhibit_policy::decide::Asker;
use exhibit_policy::mask::Masked;
use exhibit_policy::net::Caught;
use exhibit_policy::snapshot::Counts;
use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Column, Detection, Frame, ResponseEnd};
use exhibit_schemas::event::{Body, SessionId};

use crate::allowance::Allowance;
use crate::error::GateError;
use crate::failure::Failure;
use crate::recorder::Ticket;
use crate::request::Recorded;
use crate::threshold::Watched;

pub use self::packed::ROW_BYTES_MAX;
use self::packed::cell_bytes;
pub(crate) use self::packed::{Packed, chunks};

/// Encoded columns that still share a chunk with frames; longer ones are a chunk of their own.
const COLUMNS_BYTES_SHARED_MAX: usize = 4_000;

/// The reply to one command, as far as it was released.
#[derive(Debug)]
pub struct Reply {
    pub(crate) session: SessionId,
    pub(crate) command: u64,
    pub(crate) of_patients: bool,
}

impl Reply {
    /// Whether its rows may be records of patients.
    pub const fn is_of_patients(&self) -> bool {
        self.of_patients
    }
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
    /// Rows that the target says the command changed.
    pub(crate) changed: u64,
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
    /// What people approved of the command itself, where they were asked about that.
    pub(crate) own: Option<Arc<Allowance>>,
    /// What people approved lets out, its own among it; all of them have to.
    pub(crate) allowances: Vec<Arc<Allowance>>,
    /// What the command is to be known by when its reply is complete, where people approved that.
    pub(crate) known_by: Option<Digest>,
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

/// The end of a command.
pub(crate) struct End {
    pub(crate) status: EndStatus,
    pub(crate) code: Option<String>,
    pub(crate) masked: BTreeMap<String, u64>,
}

impl End {
    /// Its event; `uncommitted` as it says there.
    pub(crate) fn event(mut self, command: u64, totals: &Totals, uncommitted: Option<Vec<u64>>) -> Body {
        self.masked.extend(totals.caught.clone());
        ResponseEnd {
            command,
            status: self.status.as_str().to_owned(),
            code: self.code,
            chunks: totals.chunks,
            rows: totals.rows,
            bytes: totals.bytes,
            masked: self.masked,
            uncommitted,
            changed: Some(totals.changed).filter(|rows| *rows > 0),
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
