//! Previews: that a command was run and rolled back only where its policy asks for that, by the policy in force, and that people were
//! asked about that very command then.
//!
//! > A run says what it is of and what decided it, and stands in its session before the request that shows its count. Between the two
//! > the session asks about nothing else and runs nothing else. Where the session ends, no request follows.
//!
//! Whoever asks may read all that it names, as it is and without anybody being asked.
//!
//! Not here: whether the count is true, which the log cannot say, whether a command could have been run, and what it meets without naming
//! it, by foreign keys (the proxy proves it).

use exhibit_policy::preview::FRESH_US;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Action, DecisionRecord, Facts, SessionOpened};
use exhibit_schemas::event::approval::{ApprovalRequested, PreviewRun, Previewed};
use exhibit_schemas::merkle::Index;

use crate::approval::USE_GRACE_US;
use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};
use crate::policy::Policies;

/// A run that nobody was asked about yet.
pub(crate) struct Ran {
    index: Index,
    time: Timestamp,
    statement: String,
    command: Digest,
    facts: Facts,
    decision: DecisionRecord,
}

impl Ran {
    /// Takes a run; says what its policy has against it.
    pub(crate) fn of(
        placed: &Placed,
        body: &PreviewRun,
        opened: Option<&SessionOpened>,
        policies: &Policies,
        findings: &mut Findings,
    ) -> Self {
        let decision = &body.decision;
        if let Some(policy) = policies.get(decision.policy) {
            let sealed = opened.is_some_and(|opened| !policy.recipients(&opened.target).is_empty());
            let unread =
                opened.is_some_and(|opened| !policy.may_read_all(&opened.principal, &opened.target, &body.facts, &[]));
            let what = if policy.preview(decision).is_none() {
                Some("its policy asks for none")
            } else if sealed {
                Some("its policy has exact commands sealed")
            } else if !changes_rows(&body.facts) {
                Some("it does something else than to change rows")
            } else if unread {
                Some("its requester may not read all that it names unasked and unmasked")
            } else {
                None
            };
            if let Some(what) = what {
                findings.add(Code::PreviewUnasked, Place::Entry(placed.index), what);
            }
        }
        Self {
            index: placed.index,
            time: placed.event.time,
            statement: body.statement.clone(),
            command: body.command,
            facts: body.facts.clone(),
            decision: decision.clone(),
        }
    }

    /// Something else follows than a question about it.
    pub(crate) fn unfollowed(&self, by: Index, findings: &mut Findings) {
        let detail = format!("#{by} follows instead");
        findings.add(Code::PreviewUnfollowed, Place::Entry(self.index), detail);
    }

    /// Whether it says the same of its command as the request that shows its count.
    fn is_the_same(&self, body: &ApprovalRequested) -> bool {
        (&self.statement, self.command) == (&body.statement, body.command)
            && (&self.facts, &self.decision) == (&body.facts, &body.decision)
    }

    /// How many seconds before a time it was recorded, where that is too long: its proxy asks within a minute, and has a moment to
    /// record that.
    fn is_stale(&self, time: Timestamp) -> Option<u64> {
        let passed = time.0.saturating_sub(self.time.0);
        (passed > FRESH_US.saturating_add(USE_GRACE_US)).then_some(passed / 1_000_000)
    }

    /// Whether it is of that command.
    pub(crate) fn is_of(&self, command: Digest) -> bool {
        self.command == command
    }
}

/// Holds that a request about a command shows what its policy asks for, by the run before it.
pub(crate) fn shown(
    placed: &Placed,
    body: &ApprovalRequested,
    ran: Option<&Ran>,
    policies: &Policies,
    findings: &mut Findings,
) {
    let place = || Place::Entry(placed.index);
    let asks = policies
        .get(body.decision.policy)
        .map(|policy| policy.preview(&body.decision).is_some());
    match (&body.preview, asks) {
        (Some(_), Some(false)) => findings.add(Code::PreviewUnasked, place(), "its policy asks for none"),
        (None, Some(true)) => findings.add(Code::PreviewMissing, place(), "its policy asks for one"),
        (Some(Previewed::Not(why)), _) if why.trim().is_empty() => {
            findings.add(Code::PreviewMissing, place(), "it says there is none, and not why");
        }
        (Some(Previewed::Rows(_)), _) if ran.is_none_or(|ran| !ran.is_the_same(body)) => {
            findings.add(
                Code::PreviewUnrun,
                place(),
                "no run of the command, with the same statement, facts and decision, stands before it",
            );
        }
        (Some(Previewed::Rows(_)), _) => {
            let stale = ran.and_then(|ran| Some((ran.index, ran.is_stale(placed.event.time)?)));
            if let Some((index, seconds)) = stale {
                let detail = format!("it was run {seconds} s before, by #{index}");
                findings.add(Code::PreviewLate, place(), detail);
            }
        }
        _ => {}
    }
}

/// Whether a request changes rows, and does nothing else.
fn changes_rows(facts: &Facts) -> bool {
    let changes = |Access(action, _): &Access| matches!(action, Action::Write | Action::Delete);
    let of_rows = |access: &Access| changes(access) || access.0 == Action::Read;
    facts.accesses.iter().any(changes) && facts.accesses.iter().all(of_rows)
}
