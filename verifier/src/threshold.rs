//! Thresholds: that no reply came to more than its policy lets out, unless people did.
//!
//! Whether a reply passes a threshold, and what the policy says then, is said by `exhibit_policy` alone, the code that the
//! proxy ran.

use std::collections::BTreeSet;

use exhibit_policy::decide::{Asker, askers, decide, stands};
use exhibit_policy::snapshot::{Counts, Snapshot, facts_at};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Effect, Outcome, Principal, ThresholdDecided};
use exhibit_schemas::merkle::Index;

use crate::finding::{Code, Findings, Place};

/// Who reads, and from which target.
pub(crate) type Who<'a> = (&'a Principal, &'a str);

/// A reply under a policy with thresholds.
pub(crate) struct Watch {
    command: Command,
    /// What asked for people, and was approved.
    approved: BTreeSet<Asker>,
    /// What it came to at its last chunk, or up to what it was decided.
    decided: Counts,
}

impl Watch {
    /// Watches the reply to a command that passed, where its policy has thresholds.
    pub(crate) fn of(command: &Command, policy: &Snapshot, who: Option<Who<'_>>) -> Option<Self> {
        let approved = match (command.outcome, who) {
            (Outcome::Approved, Some((principal, target))) => askers(policy, principal, target, &command.facts),
            (Outcome::Allowed | Outcome::Approved, _) => BTreeSet::new(),
            (Outcome::Denied | Outcome::Refused | Outcome::Expired | Outcome::Postponed, _) => return None,
        };
        policy.has_thresholds().then(|| Self {
            command: command.clone(),
            approved,
            decided: Counts::default(),
        })
    }

    /// Whether people who are asked about that command's bytes, under that policy, are asked about this reply.
    pub(crate) fn is_asked(&self, command: Digest, policy: Digest) -> bool {
        (self.command.digest, self.command.decision.policy) == (command, policy)
    }

    /// The command as it was decided again at a threshold.
    pub(crate) fn at(&self, body: &ThresholdDecided) -> Command {
        Command {
            facts: facts_at(&self.command.facts, counts(body)),
            decision: body.decision.clone(),
            outcome: body.outcome,
            request: body.request,
            retries: None,
            statement_fingerprint: None,
            described: None,
            approvals: body.approvals.clone(),
            ..self.command.clone()
        }
    }

    /// Takes a decision about a threshold, when the reply has come to so much.
    pub(crate) fn decided(
        &mut self,
        index: Index,
        body: &ThresholdDecided,
        released: Counts,
        policy: Option<&Snapshot>,
        who: Option<Who<'_>>,
        findings: &mut Findings,
    ) {
        let place = Place::Entry(index);
        let asked = matches!(body.outcome, Outcome::Approved | Outcome::Refused | Outcome::Expired);
        let fits = match body.outcome {
            Outcome::Allowed | Outcome::Postponed => false,
            Outcome::Denied => body.decision.effect == Effect::Deny,
            Outcome::Approved | Outcome::Refused | Outcome::Expired => body.decision.effect == Effect::Ask,
        };
        let fault = match () {
            () if body.decision.policy != self.command.decision.policy => Some("its policy is not that of its command"),
            () if !fits => Some("its outcome does not follow from its decision"),
            () if !asked && (body.request.is_some() || body.approvals.is_some()) => {
                Some("it names approvals, and nobody was to be asked")
            }
            () if counts(body) != counts(body).max(released) => Some("more had been released before it"),
            () if body.patients.is_some() != released.patients.is_some()
                || body.session_patients.is_some() != released.session_patients.is_some() =>
            {
                Some("it counts patients, and its policy names none")
            }
            () => None,
        };
        if let Some(fault) = fault {
            findings.add(Code::ThresholdDecided, place, fault);
        }
        if body.outcome == Outcome::Approved {
            if let (Some(policy), Some((principal, target))) = (policy, who) {
                let facts = facts_at(&self.command.facts, counts(body));
                self.approved.extend(askers(policy, principal, target, &facts));
            }
            self.decided = counts(body);
        }
    }

    /// Holds a chunk with which the reply comes to that.
    pub(crate) fn chunk(
        &mut self,
        index: Index,
        after: Counts,
        policy: Option<&Snapshot>,
        who: Option<Who<'_>>,
        findings: &mut Findings,
    ) {
        // A decision lets out what it was made about, however many chunks that is.
        let before = self.decided;
        self.decided = before.max(after);
        let (Some(policy), Some((principal, target))) = (policy, who) else {
            return; // what is missing was said
        };
        if !policy.crosses(before, after) {
            return;
        }
        let facts = facts_at(&self.command.facts, after);
        let decision = decide(policy, principal, target, &facts);
        let askers = askers(policy, principal, target, &facts);
        if stands(decision.effect, &askers, &self.approved) {
            return;
        }
        let rule = decision.rule.as_deref().unwrap_or("no rule");
        let detail = format!(
            "{} rows and {} bytes{}; {} by {rule}",
            after.rows,
            after.bytes,
            after
                .patients
                .map(|patients| format!(" of {patients} patients"))
                .unwrap_or_default(),
            decision.effect
        );
        findings.add(Code::ThresholdPassed, Place::Entry(index), detail);
    }
}

/// What the reply would come to by a decision about a threshold.
const fn counts(body: &ThresholdDecided) -> Counts {
    Counts {
        rows: body.rows,
        bytes: body.bytes,
        session_rows: body.session_rows,
        session_bytes: body.session_bytes,
        patients: body.patients,
        session_patients: body.session_patients,
    }
}
