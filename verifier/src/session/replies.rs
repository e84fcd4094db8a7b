//! What is sent for the commands of a session, what is released of their replies, and how these end.

use exhibit_policy::mask::Technique;
use exhibit_policy::snapshot::{Snapshot, with_cells};
use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::access::{CommandData, Detection, Outcome, ResponseChunk, ResponseEnd, ThresholdDecided};
use exhibit_schemas::merkle::Index;

use super::{CUT, Context, Session, who};
use crate::batch::Placed;
use crate::finding::{Code, Place};

impl Session {
    pub(super) fn data(&mut self, placed: &Placed, body: &CommandData, context: &mut Context) {
        let place = Place::Entry(placed.index);
        match self.responses.get_mut(&body.command) {
            Some(pending) => {
                pending.response.data(placed.index, body, &mut context.findings);
                for request in &pending.by {
                    context.approvals.goes_on(*request, placed, &mut context.findings);
                }
            }
            None if self.incomplete => {}
            None => {
                let detail = format!("it names event {} of its session", body.command);
                context.findings.add(Code::CommandData, place, detail);
            }
        }
    }

    pub(super) fn chunk(&mut self, placed: &Placed, body: &ResponseChunk, context: &mut Context) {
        let Some(pending) = self.responses.get_mut(&body.command) else {
            return self.stray(placed.index, body.command, context);
        };
        let target = self.opened.as_ref().map(|opened| opened.target.as_str());
        let policy = context.policies.get(pending.policy);
        let findings = &mut context.findings;
        if let Some(ending) = self.ending {
            let detail = format!("released after the detection #{ending}");
            findings.add(Code::DetectionEnd, Place::Entry(placed.index), detail);
        }
        if let (Some(opened), Some(policy)) = (&self.opened, policy)
            && opened.mask_key.is_none()
            && !self.unnamed
            && shows_keyed(body, &opened.target, policy)
        {
            self.unnamed = true; // told once of a session
            let detail = "its session names no key of masks";
            findings.add(Code::MaskKeyUnnamed, Place::Entry(placed.index), detail);
        }
        if let Some(stopped) = self.stopped {
            let detail = format!("released after #{stopped} had stopped it");
            findings.add(Code::ThresholdPassed, Place::Entry(placed.index), detail);
        }
        let before = (
            pending.response.rows,
            pending.response.bytes,
            pending.response.all_cells,
        );
        pending.response.chunk(placed.index, body, target, policy, findings);
        let rows = pending.response.rows - before.0;
        for request in &pending.by {
            context.approvals.released(*request, rows, placed, findings);
        }
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(pending.response.bytes - before.1);
        self.cells = self.cells.saturating_add(pending.response.all_cells - before.2);
        if let Some(released) = &body.patients {
            let both = [Some(&mut self.patients), pending.patients.as_mut()];
            for distinct in both.into_iter().flatten() {
                distinct.add(released.patients.iter().map(|one| one.patient), released.unknown);
            }
        }
        let after = pending.counts(self.rows, with_cells(self.bytes, self.cells), &self.patients);
        if let Some(watch) = pending.watch.as_mut().filter(|_| !pending.response.doubtful) {
            let who = self.opened.as_ref().map(who);
            watch.chunk(placed.index, after, policy, who, findings);
        }
    }

    pub(super) fn threshold(&mut self, placed: &Placed, id: SessionId, body: &ThresholdDecided, context: &mut Context) {
        let place = Place::Entry(placed.index);
        let Some(pending) = self.responses.get_mut(&body.command) else {
            return self.stray(placed.index, body.command, context);
        };
        let released = pending.counts(self.rows, with_cells(self.bytes, self.cells), &self.patients);
        let Some(watch) = &mut pending.watch else {
            if context.policies.get(pending.policy).is_some() {
                let what = "its policy has no threshold, or its command did not pass";
                context.findings.add(Code::ThresholdDecided, place, what);
            }
            return;
        };
        let policy = context.policies.get(pending.policy);
        let who = self.opened.as_ref().map(who);
        watch.decided(placed.index, body, released, policy, who, &mut context.findings);
        let (again, line) = (watch.at(body), pending.line);
        self.replay(placed.index, &again.facts, &body.decision, context);
        let asking = body.request.and_then(|request| self.requests.get(&request));
        let request = asking.map(|asking| asking.leaf);
        if matches!(body.outcome, Outcome::Approved | Outcome::Refused | Outcome::Expired) {
            // People approve the reply of one command.
            self.settle(placed, id, &again, request, None, context);
        }
        if let Some(pending) = self.responses.get_mut(&body.command) {
            pending.allowed(&again, request, &mut context.approvals);
        }
        if body.outcome != Outcome::Approved {
            self.stopped.get_or_insert(placed.index);
        }
        let approvals = &context.approvals;
        context.evidence.threshold(line, placed.index, body, request, approvals);
    }

    pub(super) fn detection(&mut self, placed: &Placed, body: &Detection, context: &mut Context) {
        let Some(pending) = self.responses.get_mut(&body.command) else {
            return self.stray(placed.index, body.command, context);
        };
        let target = self.opened.as_ref().map(|opened| opened.target.as_str());
        let policy = context.policies.get(pending.policy);
        let findings = &mut context.findings;
        pending.response.detection(placed.index, body, target, policy, findings);
        context.evidence.detected(placed, pending.response.command, body);
        if body.ends {
            self.ending.get_or_insert(placed.index);
        }
    }

    pub(super) fn end(&mut self, placed: &Placed, body: &ResponseEnd, context: &mut Context) {
        let Some(mut pending) = self.responses.remove(&body.command) else {
            return self.stray(placed.index, body.command, context);
        };
        for request in &pending.by {
            context.approvals.ended(*request, placed);
        }
        if body.status == CUT {
            self.cut.extend(&pending.by);
        }
        self.leaves_uncommitted(placed.index, &pending, body, &mut context.findings);
        if let Some(request) = &pending.own {
            // What its session's end cut off before it was committed was taken back.
            let back = body.status == CUT && self.uncommitted.values().flatten().any(|open| open == request);
            let rows = body.changed.filter(|_| !back).unwrap_or(0);
            context.approvals.changed(*request, rows, placed, &mut context.findings);
        }
        let target = self.opened.as_ref().map(|opened| opened.target.as_str());
        let policy = context.policies.get(pending.policy);
        let findings = &mut context.findings;
        pending.response.end(placed.index, body, target.zip(policy), findings);
        context.evidence.ended(placed.index, &pending, body);
    }

    fn stray(&self, index: Index, command: u64, context: &mut Context) {
        if !self.incomplete {
            let detail = format!("it names event {command} of its session");
            context.findings.add(Code::ResponseCommand, Place::Entry(index), detail);
        }
    }
}

/// Whether a chunk begins a table with a column that its policy masks, or that names patients, under the key.
fn shows_keyed(chunk: &ResponseChunk, target: &str, policy: &Snapshot) -> bool {
    chunk.columns.iter().flatten().any(|column| {
        let mask = column.origin.as_deref().and_then(|origin| policy.mask(target, origin));
        let nulled = column.technique.as_deref() == Some(Technique::Null.as_str());
        column.patients.is_some() || !nulled && mask.is_some_and(|mask| mask.technique.is_keyed())
    })
}
