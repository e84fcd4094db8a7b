//! What people signed about reports: signatures under them, notes of exceptions, and their ends.
//!
//! Each is the word of its signer. Of what can be checked against the log it is checked that it is so: the log had that root, the cited
//! entry has that leaf hash, and what ends a note names one. What does not hold counts for nothing, and a note says so; it is no fault
//! of the log.
//!
//! Not here: whether a report has such an exception ([`crate::report::handling`]), or such a manifest, which only the report shows.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::sign_off::{CitedEntry, ExceptionClosed, ExceptionNoted, ReportSigned};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::merkle::{Index, NodeSource as _, TreeSize};
use exhibit_schemas::sign_off::{SignOffError, check_close, check_note, check_report};
use serde::Serialize;

use crate::archive::Archive;
use crate::batch::Placed;
use crate::evidence::Evidence;
use crate::finding::{Code, Findings, Place};
use crate::nodes::Nodes;

/// What people signed about reports that is looked at. Each is listed, so that none of them is missed by an exception.
const SIGN_OFFS_MAX: usize = 20_000;

/// A signature under a report.
#[derive(Clone, Debug, Serialize)]
pub struct ReportSignatureLine {
    /// Index of the signature.
    pub signed: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// SHA-256 of the report's manifest.
    pub manifest: String,
    /// Size of the log that the report is of.
    pub size: u64,
    /// Its root.
    pub root: String,
    /// What the person says of it.
    pub statement: String,
    /// Why it counts for nothing; absent where it counts.
    pub uncounted: Option<String>,
}

/// A note of an exception.
#[derive(Clone, Debug, Serialize)]
pub struct ExceptionNoteLine {
    /// Index of the note.
    pub noted: Index,
    /// Its leaf hash.
    pub leaf: String,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// The control.
    pub control: String,
    /// The cause.
    pub cause: String,
    /// The entry that is cited.
    pub entry: Option<Index>,
    /// What exactly.
    pub detail: String,
    /// Size of the log that the report was of.
    pub size: u64,
    /// Who is to mend it.
    pub owner: String,
    /// How.
    pub remediation: String,
    /// Until when.
    pub due: Option<String>,
    /// What was signed that ends it, in order.
    pub closes: Vec<Index>,
    /// Why it counts for nothing; absent where it counts.
    pub uncounted: Option<String>,
}

/// An end of an exception.
#[derive(Clone, Debug, Serialize)]
pub struct ExceptionCloseLine {
    /// Index of the event.
    pub closed: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// Index of the note that it names.
    pub note: Index,
    /// How it was done with.
    pub disposition: &'static str,
    /// What was done, or why it may stay.
    pub statement: String,
    /// Whether the same person signed a note about it, or was to mend it.
    pub own: bool,
    /// Why it counts for nothing; absent where it counts.
    pub uncounted: Option<String>,
}

/// The root of the log of a bundle of so many entries as it was when it had `then`, from its tiles; nothing where one is missing, or it
/// never had as many. It stands on a bundle that was verified alone.
pub fn root_then(archive: &Archive, size: TreeSize, then: TreeSize) -> Option<Digest> {
    Nodes { archive, size }.root(then)
}

/// Something that was signed, as it passed by.
#[derive(Debug)]
struct Signed<T> {
    index: Index,
    leaf: Digest,
    time: Timestamp,
    person: String,
    groups: Vec<String>,
    said: T,
    fault: Option<String>,
}

/// Everything of a log that people signed about reports.
#[derive(Debug, Default)]
pub(crate) struct SignOffs {
    reports: Vec<Signed<ReportSigned>>,
    notes: Vec<Signed<ExceptionNoted>>,
    closes: Vec<Signed<ExceptionClosed>>,
}

impl SignOffs {
    /// Takes an event, if it is one of these.
    pub(crate) fn event(&mut self, placed: &Placed, findings: &mut Findings) {
        let before = TreeSize(placed.index.0);
        match &placed.event.body {
            Body::ReportSigned(said) => {
                let checked = check_report(said, before);
                self.take(placed, said, checked, findings, |all| &mut all.reports);
            }
            Body::ExceptionNoted(said) => {
                let checked = check_note(said, placed.event.time, before);
                self.take(placed, said, checked, findings, |all| &mut all.notes);
            }
            Body::ExceptionClosed(said) => {
                let checked = check_close(said, before);
                self.take(placed, said, checked, findings, |all| &mut all.closes);
            }
            _ => {}
        }
    }

    fn take<T: Clone>(
        &mut self,
        placed: &Placed,
        said: &T,
        checked: Result<(), SignOffError>,
        findings: &mut Findings,
        of: impl Fn(&mut Self) -> &mut Vec<Signed<T>>,
    ) {
        let Some(signer) = &placed.signer else { return }; // whose key it is was not known, which was said
        if self.reports.len() + self.notes.len() + self.closes.len() >= SIGN_OFFS_MAX {
            let detail = format!("{SIGN_OFFS_MAX} signatures about reports are looked at, and this is one more");
            findings.add(Code::SignOffFalse, Place::Entry(placed.index), detail);
            return;
        }
        of(self).push(Signed {
            index: placed.index,
            leaf: placed.leaf,
            time: placed.event.time,
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            said: said.clone(),
            fault: checked.err().map(|error| error.to_string()),
        });
    }

    /// Holds what was signed against a log that was read whole, and lists it.
    pub(crate) fn finish(mut self, nodes: Nodes<'_>, evidence: &mut Evidence, findings: &mut Findings) {
        let mut roots = Roots {
            nodes,
            known: BTreeMap::new(),
        };
        for signed in self.reports.iter_mut().filter(|signed| signed.fault.is_none()) {
            signed.fault = roots.fault(signed.said.size, signed.said.root);
        }
        for signed in self.notes.iter_mut().filter(|signed| signed.fault.is_none()) {
            let cited = || signed.said.entry.as_ref().and_then(|entry| stands(nodes, entry));
            signed.fault = roots.fault(signed.said.size, signed.said.root).or_else(cited);
        }
        let counted = self.notes.iter().filter(|note| note.fault.is_none());
        let noted: BTreeMap<Index, &Signed<ExceptionNoted>> = counted.map(|note| (note.index, note)).collect();
        let mut ends: BTreeMap<Index, Vec<Index>> = BTreeMap::new();
        for close in &mut self.closes {
            let CitedEntry { index, leaf } = close.said.note;
            let note = noted.get(&index).filter(|note| note.leaf == leaf);
            if close.fault.is_none() {
                close.fault = match note {
                    None => Some(format!("no note of an exception that counts stands at #{index}")),
                    Some(note) => exhibit_schemas::sign_off::ends(&close.said, &note.said)
                        .err()
                        .map(|error| error.to_string()),
                };
            }
            if close.fault.is_none() {
                ends.entry(index).or_default().push(close.index);
            }
        }
        self.say(findings);
        let closes = self.closes.iter();
        let closes = closes.map(|signed| close(signed, &self.notes));
        let noted = self.notes.iter();
        let noted = noted.map(|signed| note(signed, ends.remove(&signed.index).unwrap_or_default()));
        let reports = self.reports.iter().map(signature);
        evidence.signed_off(reports.collect(), noted.collect(), closes.collect());
    }

    /// Says of what counts for nothing why, in the order of the log.
    fn say(&self, findings: &mut Findings) {
        let reports = self.reports.iter().map(|signed| (signed.index, &signed.fault));
        let notes = self.notes.iter().map(|signed| (signed.index, &signed.fault));
        let closes = self.closes.iter().map(|signed| (signed.index, &signed.fault));
        let all: BTreeMap<Index, &Option<String>> = reports.chain(notes).chain(closes).collect();
        for (index, fault) in all {
            if let Some(fault) = fault {
                findings.add(Code::SignOffFalse, Place::Entry(index), fault.clone());
            }
        }
    }
}

/// Roots of the log as it was, each computed once.
struct Roots<'a> {
    nodes: Nodes<'a>,
    known: BTreeMap<u64, Option<Digest>>,
}

impl Roots<'_> {
    /// Why the log of so many entries is not the one with this root.
    fn fault(&mut self, size: u64, root: Digest) -> Option<String> {
        let nodes = self.nodes;
        let found = *self.known.entry(size).or_insert_with(|| nodes.root(TreeSize(size)));
        match found {
            Some(found) if found == root => None,
            Some(found) => Some(format!("the log of {size} entries has the root {found}")),
            None => Some(format!("the log of {size} entries could not be read")),
        }
    }
}

/// Why an entry that is cited is not the one that stands there.
fn stands(nodes: Nodes<'_>, cited: &CitedEntry) -> Option<String> {
    let CitedEntry { index, leaf } = cited;
    (nodes.node(0, index.0) != Some(*leaf)).then(|| format!("another entry stands at #{index}"))
}

fn signature(signed: &Signed<ReportSigned>) -> ReportSignatureLine {
    let said = &signed.said;
    ReportSignatureLine {
        signed: signed.index,
        time: signed.time.to_string(),
        person: signed.person.clone(),
        groups: signed.groups.clone(),
        manifest: said.manifest.to_string(),
        size: said.size,
        root: said.root.to_string(),
        statement: said.statement.clone(),
        uncounted: signed.fault.clone(),
    }
}

fn note(signed: &Signed<ExceptionNoted>, closes: Vec<Index>) -> ExceptionNoteLine {
    let said = &signed.said;
    ExceptionNoteLine {
        noted: signed.index,
        leaf: signed.leaf.to_string(),
        time: signed.time.to_string(),
        person: signed.person.clone(),
        groups: signed.groups.clone(),
        control: said.control.clone(),
        cause: said.cause.clone(),
        entry: said.entry.as_ref().map(|entry| entry.index),
        detail: said.detail.clone(),
        size: said.size,
        owner: said.owner.clone(),
        remediation: said.remediation.clone(),
        due: said.due.map(|due| due.to_string()),
        closes,
        uncounted: signed.fault.clone(),
    }
}

fn close(signed: &Signed<ExceptionClosed>, notes: &[Signed<ExceptionNoted>]) -> ExceptionCloseLine {
    let said = &signed.said;
    let named = notes.iter().find(|note| note.index == said.note.index);
    // Of several entries the words may be the same.
    let entry = named.map(|named| &named.said.entry);
    let about = |note: &ExceptionNoted| {
        (&note.control, &note.cause, &note.detail) == (&said.control, &said.cause, &said.detail)
            && Some(&note.entry) == entry
    };
    let same = |name: &str| name.eq_ignore_ascii_case(&signed.person);
    let theirs = |note: &Signed<ExceptionNoted>| about(&note.said) && (same(&note.person) || same(&note.said.owner));
    ExceptionCloseLine {
        closed: signed.index,
        time: signed.time.to_string(),
        person: signed.person.clone(),
        groups: signed.groups.clone(),
        note: said.note.index,
        disposition: said.disposition.as_str(),
        statement: said.statement.clone(),
        own: notes.iter().any(theirs),
        uncounted: signed.fault.clone(),
    }
}
