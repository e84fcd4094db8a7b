//! Commands whose response has not ended, or whose changes are not committed.

use exhibit_policy::patients::Distinct;
use exhibit_policy::snapshot::{Counts, with_cells};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Outcome, ResponseEnd};
use exhibit_schemas::merkle::Index;

use super::Session;
use crate::approval::Approvals;
use crate::evidence::LineNumber;
use crate::finding::{Code, Findings, Place};
use crate::response::Response;
use crate::threshold::Watch;

/// What of a command is open until its response has ended.
pub(crate) struct Pending {
    pub(crate) response: Response,
    pub(super) policy: Digest,
    pub(crate) line: Option<LineNumber>,
    pub(super) watch: Option<Box<Watch>>,
    /// Leaf hashes of the requests by whose approval it is released.
    pub(super) by: Vec<Digest>,
    /// The one among them that people were asked about the command itself.
    pub(super) own: Option<Digest>,
    /// Different patients; `None` where its policy does not name those of the target.
    pub(crate) patients: Option<Distinct>,
}

impl Session {
    /// Takes what the end of a response says of changes that are not committed.
    pub(super) fn leaves_uncommitted(
        &mut self,
        index: Index,
        ended: &Pending,
        end: &ResponseEnd,
        findings: &mut Findings,
    ) {
        let mut before = std::mem::take(&mut self.uncommitted);
        before.insert(end.command, ended.by.clone());
        let mut last = None;
        for command in end.uncommitted.iter().flatten() {
            let by = before.remove(command).filter(|by| !by.is_empty());
            let is_open = || self.responses.get(command).is_some_and(|open| !open.by.is_empty());
            let known = by.is_some() || is_open();
            if last >= Some(command) || (!known && !self.incomplete) {
                let detail =
                    format!("it says that what event {command} of its session changed by an approval is not committed");
                findings.add(Code::ResponseCommand, Place::Entry(index), detail);
            }
            last = Some(command);
            self.uncommitted.extend(by.map(|by| (*command, by)));
        }
    }
}

impl Pending {
    /// Notes by which request's approval it is released, from here on.
    pub(super) fn allowed(&mut self, command: &Command, request: Option<Digest>, approvals: &mut Approvals) {
        let request = request.filter(|_| command.outcome == Outcome::Approved);
        if let Some(request) = request {
            let named = command.approvals.as_deref().unwrap_or_default();
            approvals.allows(request, named, self.response.rows);
            self.by.push(request);
        }
    }

    /// What it, and its session, come to.
    pub(super) fn counts(&self, session_rows: u64, session_bytes: u64, patients: &Distinct) -> Counts {
        Counts {
            rows: self.response.rows,
            bytes: with_cells(self.response.bytes, self.response.all_cells),
            session_rows,
            session_bytes,
            patients: self.patients.as_ref().map(Distinct::count),
            session_patients: self.patients.as_ref().map(|_| patients.count()),
        }
        .of_rows()
    }
}
