//! What became of an exception: who is to mend it, by when, and whether somebody signed that it is done with.
//!
//! A note is about the exception with the same control, cause, entry and detail. Of several the last one holds, but the day of an
//! earlier one stays: nobody is in time by naming a later one. The exception is closed where somebody signed the end of the last
//! note, by the first who did. One that is told once for many stays open: more like it may stand behind it, in no line of a report.
//! A control with a closed exception has an exception still: what speaks against it happened, and the auditor concludes.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use serde::Serialize;

use super::control::is_told_once;
use super::matrix::Row;
use crate::census::Exception;
use crate::sign_off::{ExceptionCloseLine, ExceptionNoteLine};
use crate::verify::Bundle;

/// Bytes of the digest by which an exception is called.
const ID_BYTES: usize = 8;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handled {
    /// Nobody has signed anything about it.
    Open,
    /// Somebody is to mend it.
    Noted,
    /// Somebody was to have mended it by now, by the log's clock.
    Overdue,
    /// Somebody signed that it is done with.
    Closed,
}

impl Handled {
    /// The word in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Noted => "noted",
            Self::Overdue => "overdue",
            Self::Closed => "closed",
        }
    }
}

/// What somebody signed about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Handling {
    /// Index of the note.
    pub noted: Index,
    /// Who signed it.
    pub person: String,
    /// Notes of before about the same exception.
    pub earlier: u64,
    /// Who is to mend it.
    pub owner: String,
    /// How.
    pub remediation: String,
    /// Until when, by this note.
    pub due: Option<String>,
    /// What ends it, where somebody signed that.
    pub end: Option<End>,
}

/// The end of an exception.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct End {
    /// Index of the event.
    pub closed: Index,
    /// Who signed it.
    pub person: String,
    /// How it was done with.
    pub disposition: &'static str,
    /// What was done, or why it may stay.
    pub statement: String,
    /// Whether the same person signed a note about it, or was to mend it.
    pub own: bool,
}

/// An exception of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExceptionLine {
    /// By what people call it: the first bytes of SHA-256 of control, cause, entry and detail.
    pub id: String,
    /// Index of the entry, or of the first of several; absent for what is of the bundle as a whole.
    pub index: Option<u64>,
    /// Leaf hash of that entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<String>,
    /// A stable word.
    pub cause: String,
    /// What exactly, without values.
    pub detail: String,
    /// How far it is.
    pub state: Handled,
    /// What was signed about it.
    pub handling: Option<Handling>,
}

impl ExceptionLine {
    /// One about which nobody has signed anything.
    pub fn open(control: &str, exception: Exception) -> Self {
        let Exception { index, cause, detail } = exception;
        let entry = index.map(|index| index.to_string()).unwrap_or_default();
        let named = [control, &cause, &entry, &detail].join("\0");
        let digest = Digest::of(named.as_bytes());
        Self {
            id: hex::encode(digest.0.get(..ID_BYTES).unwrap_or_default()),
            index,
            leaf: None,
            cause,
            detail,
            state: Handled::Open,
            handling: None,
        }
    }
}

/// What an exception is told apart by.
type Named<'a> = (&'a str, &'a str, Option<u64>, &'a str);

/// Says of each exception what was signed about it, by the log's clock at its end.
pub(crate) fn handle(rows: &mut [Row], bundle: &Bundle) {
    let (evidence, clock) = (&bundle.evidence, bundle.scheduled.head());
    let mut notes: BTreeMap<Named<'_>, Vec<&ExceptionNoteLine>> = BTreeMap::new();
    for note in evidence.exception_notes.iter().filter(|note| note.uncounted.is_none()) {
        let entry = note.entry.map(|entry| entry.0);
        let named = (note.control.as_str(), note.cause.as_str(), entry, note.detail.as_str());
        notes.entry(named).or_default().push(note);
    }
    let mut closes: BTreeMap<Index, &ExceptionCloseLine> = BTreeMap::new();
    for close in evidence
        .exception_closes
        .iter()
        .filter(|close| close.uncounted.is_none())
    {
        // The first one holds.
        closes.entry(close.note).or_insert(close);
    }
    for row in rows {
        let control = row.id;
        for line in &mut row.exceptions {
            let cited = line.index.and_then(|index| bundle.cited.get(&Index(index)));
            line.leaf = cited.map(|cited| cited.leaf.to_string());
            let named = (control, line.cause.as_str(), line.index, line.detail.as_str());
            let Some((note, earlier)) = notes.get(&named).and_then(|notes| notes.split_last()) else {
                continue;
            };
            let end = closes.get(&note.noted).map(|close| End {
                closed: close.closed,
                person: close.person.clone(),
                disposition: close.disposition,
                statement: close.statement.clone(),
                own: close.own,
            });
            let over = |note: &ExceptionNoteLine| {
                let due = note.due.as_deref().and_then(Timestamp::parse);
                due.is_some_and(|due| due <= clock)
            };
            line.state = match &end {
                Some(_) if !is_told_once(&line.cause) => Handled::Closed,
                _ if over(note) || earlier.iter().any(|note| over(note)) => Handled::Overdue,
                _ => Handled::Noted,
            };
            line.handling = Some(Handling {
                noted: note.noted,
                person: note.person.clone(),
                earlier: u64::try_from(earlier.len()).unwrap_or(u64::MAX),
                owner: note.owner.clone(),
                remediation: note.remediation.clone(),
                due: note.due.clone(),
                end,
            });
        }
    }
}
