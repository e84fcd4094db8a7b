//! Responses: that what was released to a command is all there, fits its description, and carries the masks of its policy.
//!
//! The verifier has no raw value, so it cannot see that a mask was computed rightly; it sees that each column that the
//! policy masks says so, that each of its cells looks as its technique leaves it, and that the counts agree; and that each
//! detection is one of a net of the policy, and its counts stand in the end. Objects of a store have no columns: what is held of them says
//! [`object`].

mod look;
mod object;

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::detect::Category;
use exhibit_policy::mask::Technique;
use exhibit_policy::net::{Channel, Net};
use exhibit_policy::patients::are_touched;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::{
    Column, CommandData, Detection, Facts, Frame, Outcome, ResponseChunk, ResponseEnd,
};
use exhibit_schemas::merkle::Index;

use self::look::looks_like;
pub(crate) use self::object::{Object, UnderWay};
use crate::finding::{Code, Findings, Place};
use crate::patients;

/// Bytes of cells past which a proxy may frame a row itself (`exhibit_gate`'s `ROW_BYTES_MAX`); such rows are not counted
/// as rows, so from here on masked cells may be more than the rows show.
const FRAMED_ROW_BYTES: u64 = 48 * 1_024;

/// How a command ended, in the words of the format.
const STATUSES: [&str; 4] = [COMPLETE, "failed", "skipped", CUT];

/// The word of a reply that nothing cut off.
const COMPLETE: &str = "complete";

/// The word of a reply that the end of its session cut off.
const CUT: &str = "cut";

/// The response to one command, as far as it was read.
pub(crate) struct Response {
    /// Index of the command.
    pub(crate) command: Index,
    pub(crate) outcome: Outcome,
    /// Whether its rows may be records of patients.
    of_patients: bool,
    /// First and last index of its chunks.
    pub(crate) span: Option<(Index, Index)>,
    pub(crate) rows: u64,
    /// Bytes of verbatim frames and of cells.
    pub(crate) bytes: u64,
    /// Cells of rows.
    pub(crate) all_cells: u64,
    /// What was masked, in order: (origin, mask, technique).
    pub(crate) masks: BTreeSet<(String, String, String)>,
    chunks: u64,
    /// Parts of data that followed the command.
    parts: u64,
    verbatim_bytes: u64,
    /// Rows stand in verbatim frames, whose cells are not seen.
    framed: bool,
    columns: Option<Vec<Shown>>,
    cells: BTreeMap<String, Cells>,
    /// Findings of its detections, by net.
    caught: BTreeMap<String, u64>,
    /// Where an object is read, what is held of that.
    object: Option<Box<Object>>,
    /// Events of its session are missing, which was said: what follows from that is not told again.
    pub(crate) doubtful: bool,
    /// The first fault of a kind is told; the same again in the next chunk is not.
    told: BTreeSet<Code>,
}

/// A column as it was released, with the technique that its policy puts on it.
struct Shown {
    name: String,
    data_type: String,
    mask: Option<String>,
    technique: Option<Technique>,
    nulled: bool,
    /// Whether it names the patient whose record a row is.
    names_patients: bool,
}

/// Cells under one mask.
#[derive(Default)]
struct Cells {
    all: u64,
    shown: u64,
}

impl Response {
    pub(crate) fn new(command: Index, outcome: Outcome, facts: &Facts) -> Self {
        Self {
            command,
            outcome,
            of_patients: are_touched(facts),
            span: None,
            rows: 0,
            bytes: 0,
            all_cells: 0,
            masks: BTreeSet::new(),
            chunks: 0,
            parts: 0,
            verbatim_bytes: 0,
            framed: false,
            columns: None,
            cells: BTreeMap::new(),
            caught: BTreeMap::new(),
            object: None,
            doubtful: false,
            told: BTreeSet::new(),
        }
    }

    /// The same of a command that reads an object.
    pub(crate) fn of_object(self, object: Option<Box<Object>>) -> Self {
        Self { object, ..self }
    }

    pub(crate) fn passed(&self) -> bool {
        matches!(self.outcome, Outcome::Allowed | Outcome::Approved)
    }

    /// Takes a part of the data that followed the command.
    pub(crate) fn data(&mut self, index: Index, data: &CommandData, findings: &mut Findings) {
        if !self.passed() {
            let detail = format!("its command is {}", self.outcome);
            findings.add(Code::CommandData, Place::Entry(index), detail);
        } else if data.part != self.parts && !self.doubtful {
            let detail = format!("part {} where {} must follow", data.part, self.parts);
            findings.add(Code::CommandData, Place::Entry(index), detail);
        }
        self.parts = data.part.saturating_add(1);
    }

    /// Takes a chunk. `policy` is the snapshot that the command was decided by.
    pub(crate) fn chunk(
        &mut self,
        index: Index,
        chunk: &ResponseChunk,
        target: Option<&str>,
        policy: Option<&Snapshot>,
        findings: &mut Findings,
    ) {
        if chunk.chunk != self.chunks && !self.doubtful {
            let detail = format!("chunk {} where {} must follow", chunk.chunk, self.chunks);
            findings.add(Code::ResponseChunk, Place::Entry(index), detail);
        }
        self.chunks = chunk.chunk.saturating_add(1);
        self.span = Some((self.span.map_or(index, |(first, _)| first), index));
        if let Some(columns) = &chunk.columns {
            let shown = columns
                .iter()
                .map(|column| self.column(index, column, target, policy, findings));
            self.columns = Some(shown.collect());
        }
        let verbatim = chunk.frames.iter().map(|frame| match frame {
            Frame::Verbatim(bytes) => length(bytes),
            Frame::Row(_) => 0,
        });
        let framed_rows = chunk.framed_rows.unwrap_or(0);
        if framed_rows > verbatim.sum() {
            let detail = format!("{framed_rows} rows in fewer bytes");
            self.tell(Code::ResponseChunk, index, detail, findings);
        }
        let rows = chunk.frames.iter().filter(|frame| matches!(frame, Frame::Row(_)));
        let rows = framed_rows.saturating_add(u64::try_from(rows.count()).unwrap_or(u64::MAX));
        self.patients(index, chunk, rows, findings);
        self.rows = self.rows.saturating_add(framed_rows);
        self.framed |= chunk.framed_rows.is_some();
        for frame in &chunk.frames {
            match frame {
                Frame::Verbatim(bytes) => {
                    self.verbatim_bytes += length(bytes);
                    self.bytes += length(bytes);
                    if let Some(object) = self.object.as_mut().filter(|_| !self.doubtful) {
                        object.frame(index, &bytes.0, findings);
                    }
                }
                Frame::Row(cells) => self.row(index, cells, findings),
            }
        }
    }

    /// Holds whose records the rows of a chunk are against how many there are.
    fn patients(&mut self, index: Index, chunk: &ResponseChunk, rows: u64, findings: &mut Findings) {
        let columns = self.columns.iter().flatten().filter(|column| column.names_patients);
        let naming = u64::try_from(columns.count()).unwrap_or(u64::MAX);
        let fault = patients::fault(chunk.patients.as_ref(), self.of_patients, rows, naming);
        if let Some((code, detail)) = fault.filter(|_| !self.doubtful) {
            self.tell(code, index, detail, findings);
        }
    }

    /// Takes a detection in what was about to be released.
    pub(crate) fn detection(
        &mut self,
        index: Index,
        detection: &Detection,
        target: Option<&str>,
        policy: Option<&Snapshot>,
        findings: &mut Findings,
    ) {
        if let Some(object) = &mut self.object {
            object.detection(&detection.channel);
        }
        let all = self.caught.entry(detection.net.clone()).or_default();
        *all = detection
            .findings
            .values()
            .fold(*all, |sum, count| sum.saturating_add(*count));
        let (Some(target), Some(policy)) = (target, policy) else {
            return; // the session's opening or the policy is missing, which was said
        };
        let net = policy.nets(target).find(|net| net.name == detection.net);
        let fault = match net {
            None => "its policy has no net of that name for the target",
            Some(net) if net.ends_session != detection.ends => "its net says otherwise whether the session ends",
            Some(net) if !detection.findings.keys().all(|word| names(net, word)) => {
                "it finds what its net does not name"
            }
            Some(_) if detection.findings.is_empty() || detection.findings.values().any(|count| *count == 0) => {
                "it finds nothing"
            }
            Some(_) if Channel::from_word(&detection.channel).is_none() => "its channel is no word of the format",
            Some(_) => return,
        };
        findings.add(Code::DetectionNet, Place::Entry(index), fault);
    }

    /// Takes the end; `policy` is the target and the snapshot that the command was decided by, where both are known.
    pub(crate) fn end(
        &mut self,
        index: Index,
        end: &ResponseEnd,
        policy: Option<(&str, &Snapshot)>,
        findings: &mut Findings,
    ) {
        let place = Place::Entry(index);
        if self.doubtful {
            return;
        }
        let totals = [
            ("chunks", end.chunks, self.chunks),
            ("rows", end.rows, self.rows),
            ("bytes", end.bytes, self.bytes),
        ];
        for (what, stated, found) in totals {
            if stated != found {
                let detail = format!("it states {stated} {what}, {found} were recorded");
                findings.add(Code::ResponseTotals, place.clone(), detail);
            }
        }
        if !STATUSES.contains(&end.status.as_str()) {
            findings.add(
                Code::ResponseTotals,
                place.clone(),
                "its status is no word of the format",
            );
        }
        let nets = policy.into_iter().flat_map(|(target, policy)| policy.nets(target));
        let nets: BTreeSet<&String> = nets.map(|net| &net.name).chain(self.caught.keys()).collect();
        for net in &nets {
            let count = |counts: &BTreeMap<String, u64>| counts.get(*net).copied().unwrap_or(0);
            let (stated, found) = (count(&end.masked), count(&self.caught));
            if stated != found {
                let detail = format!("net `{net}`: it states {stated} findings, {found} were recorded");
                findings.add(Code::DetectionCount, place.clone(), detail);
            }
        }
        if let Some(object) = &mut self.object {
            let found = object.end(index, end, end.status == COMPLETE, findings);
            let technique = |mask: &str| {
                let mut masks = policy.into_iter().flat_map(|(_, policy)| policy.masks());
                let own = masks.find(|own| own.name == mask);
                own.map_or("", |own| own.technique.as_str()).to_owned()
            };
            let found = found.into_iter().map(|(document, mask)| {
                let technique = technique(&mask);
                (document, mask, technique)
            });
            self.masks.extend(found);
            return; // it has no columns to count cells of
        }
        let masks = end.masked.keys().filter(|mask| !nets.contains(mask));
        let masks: BTreeSet<&String> = masks.collect();
        if end.status == CUT && masks.is_empty() {
            return; // a session that broke closes its replies without the protocol's counts
        }
        for mask in self.cells.keys().chain(masks).collect::<BTreeSet<_>>() {
            let stated = end.masked.get(mask).copied().unwrap_or(0);
            let (all, shown) = self.cells.get(mask).map_or((0, 0), |cells| (cells.all, cells.shown));
            // Rows that a protocol frames itself throughout (copied out) are never seen as rows.
            let framed = self.framed || (self.rows == 0 && self.columns.is_some());
            let may_be_more = framed || self.verbatim_bytes > FRAMED_ROW_BYTES;
            if stated < shown || (stated > all && !may_be_more) {
                let detail = format!("mask `{mask}`: it states {stated} cells; {shown} of {all} were released");
                findings.add(Code::MaskCount, place.clone(), detail);
            }
        }
    }

    /// Its session, or the log, ends before it.
    pub(crate) fn left_open(&mut self, findings: &mut Findings) {
        let last = self.span.map_or(self.command, |(_, last)| last);
        if let Some(object) = self.object.as_mut().filter(|_| !self.doubtful) {
            object.left_open(last, findings);
        }
    }

    fn tell(&mut self, code: Code, index: Index, detail: String, findings: &mut Findings) {
        if self.told.insert(code) {
            findings.add(code, Place::Entry(index), detail);
        }
    }

    /// Checks that a column carries the mask that the policy puts on where it comes from, and no other.
    fn column(
        &mut self,
        index: Index,
        column: &Column,
        target: Option<&str>,
        policy: Option<&Snapshot>,
        findings: &mut Findings,
    ) -> Shown {
        let mut shown = Shown {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            mask: column.mask.clone(),
            technique: None,
            nulled: column.technique.as_deref() == Some(Technique::Null.as_str()),
            names_patients: column.patients.is_some(),
        };
        let (Some(target), Some(policy)) = (target, policy) else {
            return shown; // the session's opening or the policy is missing, which was said
        };
        patients::column(index, column, target, policy, findings);
        let wanted = column.origin.as_deref().and_then(|origin| policy.mask(target, origin));
        let Some(wanted) = wanted else {
            if column.mask.is_some() || column.technique.is_some() {
                let detail = format!(
                    "column `{}` names a mask that its policy does not put on it",
                    column.name
                );
                findings.add(Code::MaskMissing, Place::Entry(index), detail);
            }
            return shown;
        };
        // NULL is what every technique falls back to where it cannot keep the value's type valid.
        let technique = column.technique.as_deref();
        let right = technique == Some(wanted.technique.as_str()) || shown.nulled;
        if column.mask.as_deref() != Some(&wanted.name) || !right {
            let detail = format!(
                "column `{}`: mask `{}`, technique {}",
                column.name,
                wanted.name,
                wanted.technique.as_str()
            );
            findings.add(Code::MaskMissing, Place::Entry(index), detail);
            // What follows from a missing mask is not told again.
            shown.mask = None;
            return shown;
        }
        let origin = column.origin.clone().unwrap_or_default();
        let technique = technique.unwrap_or_default().to_owned();
        self.masks.insert((origin, wanted.name.clone(), technique));
        shown.technique = Some(wanted.technique.clone());
        shown
    }

    fn row(&mut self, index: Index, cells: &[Option<Bytes>], findings: &mut Findings) {
        self.rows = self.rows.saturating_add(1);
        let count = u64::try_from(cells.len()).unwrap_or(u64::MAX);
        self.all_cells = self.all_cells.saturating_add(count);
        self.bytes += cells.iter().flatten().map(length).sum::<u64>();
        if !self.passed() {
            self.tell(
                Code::ResponseDenied,
                index,
                format!("its outcome is {}", self.outcome),
                findings,
            );
        }
        let columns = self.columns.take();
        match &columns {
            Some(columns) if columns.len() == cells.len() => {
                for (column, cell) in columns.iter().zip(cells) {
                    self.cell(index, column, cell.as_ref(), findings);
                }
            }
            Some(columns) => {
                let detail = format!("a row of {} cells under {} columns", cells.len(), columns.len());
                self.tell(Code::ResponseColumns, index, detail, findings);
            }
            None if self.doubtful => {}
            None => self.tell(
                Code::ResponseColumns,
                index,
                "a row before its columns".to_owned(),
                findings,
            ),
        }
        self.columns = columns;
    }

    fn cell(&mut self, index: Index, column: &Shown, cell: Option<&Bytes>, findings: &mut Findings) {
        let Some(mask) = &column.mask else { return };
        let cells = self.cells.entry(mask.clone()).or_default();
        cells.all += 1;
        let Some(cell) = cell else { return };
        cells.shown += 1;
        let fits = !column.nulled
            && column
                .technique
                .as_ref()
                .is_none_or(|technique| looks_like(technique, &column.data_type, &cell.0));
        if !fits {
            let detail = format!("column `{}`, mask `{mask}`", column.name);
            self.tell(Code::MaskValue, index, detail, findings);
        }
    }
}

/// Whether a net names the category of a word.
fn names(net: &Net, word: &str) -> bool {
    Category::from_word(word).is_some_and(|category| net.categories.contains(&category))
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.0.len()).unwrap_or(u64::MAX)
}
