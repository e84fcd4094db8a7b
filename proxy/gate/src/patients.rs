//! How many different patients a session's replies show records of, each reply by itself and all together.
//!
//! Not here: whose records rows are (policy), and what comes of how many (`threshold`).

use std::collections::{BTreeMap, HashSet};

use exhibit_policy::mask::Masked;
use exhibit_policy::patients::{Distinct, Records};
use exhibit_schemas::event::access::{Frame, PatientToken};

/// Patients whose records a session was given.
#[derive(Debug, Default)]
pub(crate) struct Patients {
    all: Distinct,
    /// Of replies that have not ended, by the sequence of their command.
    replies: BTreeMap<u64, Distinct>,
}

impl Patients {
    /// How many a reply, and with it the session, comes to with these frames.
    pub(crate) fn with(&self, command: u64, frames: &[Masked<Frame>]) -> (u64, u64) {
        let records = || frames.iter().map(Masked::records);
        let unknown = records().fold(0, |sum: u64, records| sum.saturating_add(records.unknown));
        let named: HashSet<PatientToken> = records().flat_map(|records| &records.patients).copied().collect();
        let reply = self.replies.get(&command);
        let reply = reply.map_or_else(
            || Distinct::default().with(&named, unknown),
            |reply| reply.with(&named, unknown),
        );
        (reply, self.all.with(&named, unknown))
    }

    /// Takes in what was handed over of a reply.
    pub(crate) fn add(&mut self, command: u64, frames: &[Masked<Frame>]) {
        for records in frames.iter().map(Masked::records) {
            if *records == Records::none() {
                continue;
            }
            let reply = self.replies.entry(command).or_default();
            reply.add(records.patients.iter().copied(), records.unknown);
            self.all.add(records.patients.iter().copied(), records.unknown);
        }
    }

    /// A reply has ended.
    pub(crate) fn end(&mut self, command: u64) {
        self.replies.remove(&command);
    }
}
