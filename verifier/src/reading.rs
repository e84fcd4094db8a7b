//! Readings of the evidence, as the ledger's events say: who, how that is proven, and what the report lists of them.
//!
//! That a reader's own statement stands behind each event is held where keys are ([`exhibit_schemas::reading::check`]). Here:
//! that no statement stands for two readings, and that times and numbers can be. How often a reading followed the one whose
//! statement is there, and how much there was to read, is the ledger's word.

use std::collections::BTreeMap;

use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::{BY_KEY, Reader};
use serde::Serialize;

use crate::batch::Placed;
use crate::evidence::Evidence;
use crate::finding::{Code, Findings, Place};
use crate::spill::{Slots, Spill};

/// A reading, or those that followed it within a minute.
#[derive(Clone, Debug, Serialize)]
pub struct ReadLine {
    /// Index of the event.
    pub read: Index,
    /// When the first of them was asked for.
    pub since: String,
    /// Until when it was shown.
    pub until: String,
    /// Name of the person, or subject of the token.
    pub reader: String,
    /// How the reader proved who it is.
    pub method: String,
    /// Who vouches.
    pub issuer: String,
    /// The key's id, or the token's subject.
    pub subject: String,
    /// The role that let it read.
    pub role: String,
    /// What was done.
    pub operation: String,
    /// The question without values.
    pub scope: String,
    /// How much there was to read.
    pub count: u64,
    /// How many readings these are.
    pub times: u64,
}

/// All readings of one reader.
#[derive(Clone, Debug, Serialize)]
pub struct ReaderLine {
    /// Name of the person, or subject of the token.
    pub reader: String,
    /// How the reader proved who it is.
    pub method: String,
    /// Who vouches.
    pub issuer: String,
    /// The key's id, or the token's subject.
    pub subject: String,
    /// Readings by what was done.
    pub readings: BTreeMap<String, u64>,
    /// Index of the first event.
    pub first: Index,
    /// Index of the last event.
    pub last: Index,
}

/// The statements of readers so far, with the index of the last reading that each stands for.
pub(crate) struct Readings(Slots<32, 8>);

impl Readings {
    /// None yet.
    pub(crate) fn new(spill: &Spill) -> Self {
        Self(Slots::new(spill))
    }

    /// Takes a reading of which the ledger says that it showed it.
    pub(crate) fn read(
        &mut self,
        placed: &Placed,
        read: &EvidenceRead,
        evidence: &mut Evidence,
        findings: &mut Findings,
    ) {
        let Some(by) = &read.by else { return };
        let place = || Place::Entry(placed.index);
        if !by.can_be(placed.event.time) {
            let detail = format!(
                "{} from {} to {}, said at {}",
                by.times, by.since, by.until, placed.event.time
            );
            findings.add(Code::ReadCount, place(), detail);
        }
        if by.method == BY_KEY
            && let Some(before) = self.0.insert(by.evidence.0, placed.index.0.to_be_bytes())
        {
            let before = Index(u64::from_be_bytes(before));
            findings.add(Code::ReadTwice, place(), format!("it stands for #{before} too"));
        }
        evidence.read(placed, read, by);
    }
}

impl ReadLine {
    pub(crate) fn of(index: Index, read: &EvidenceRead, by: &Reader) -> Self {
        Self {
            read: index,
            since: by.since.to_string(),
            until: by.until.to_string(),
            reader: read.reader.clone(),
            method: by.method.clone(),
            issuer: by.issuer.clone(),
            subject: by.subject.clone(),
            role: by.role.clone(),
            operation: read.operation.clone(),
            scope: read.scope.clone(),
            count: by.count,
            times: by.times,
        }
    }
}

impl ReaderLine {
    /// Name, method, issuer and subject are what readers are told apart by.
    pub(crate) fn of([reader, method, issuer, subject]: &[String; 4], index: Index) -> Self {
        Self {
            reader: reader.clone(),
            method: method.clone(),
            issuer: issuer.clone(),
            subject: subject.clone(),
            readings: BTreeMap::new(),
            first: index,
            last: index,
        }
    }

    /// Counts an event of the same reader.
    pub(crate) fn add(&mut self, index: Index, read: &EvidenceRead, by: &Reader) {
        let count = self.readings.entry(read.operation.clone()).or_default();
        *count = count.saturating_add(by.times);
        self.last = index;
    }
}
