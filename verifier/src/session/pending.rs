//! Commands whose response has not ended.

use exhibit_policy::patients::Distinct;
use exhibit_policy::snapshot::{Counts, with_cells};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Outcome};

use crate::approval::Approvals;
use crate::response::Response;
use crate::threshold::Watch;

/// What of a command is open until its response has ended.
pub(crate) struct Pending {
    pub(crate) response: Response,
    pub(super) policy: Digest,
    pub(crate) line: Option<usize>,
    pub(super) watch: Option<Box<Watch>>,
    /// Leaf hashes of the requests by whose approval it is released.
    pub(super) by: Vec<Digest>,
    /// Different patients; `None` where its policy does not name those of the target.
    pub(crate) patients: Option<Distinct>,
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
