//! Commands of a session: decided again, held to what people were asked, and followed by the copy that their policy asks for.

use std::collections::BTreeSet;

use exhibit_policy::decide::{Asker, askers};
use exhibit_policy::patients::Distinct;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, CommandSealed, Effect, Outcome};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::merkle::Index;

use super::{Context, JUDGED_US, Pending, Session, who};
use crate::approval::Settled;
use crate::batch::Placed;
use crate::copy::{Copy, Part};
use crate::finding::{Code, Findings, Place};
use crate::in_force::Named;
use crate::patients;
use crate::policy::Policies;
use crate::response::{Object, Response};
use crate::seen;
use crate::threshold::Watch;
use crate::timed::timed;

impl Session {
    /// Holds that nothing passed after the agent's credential had expired, where the policy ends sessions then.
    pub(super) fn in_time(&mut self, placed: &Placed, policy: Digest, context: &mut Context) {
        let Some(opened) = &self.opened else { return };
        let policy = context.policies.get(policy);
        let ends = policy.is_some_and(|policy| policy.limits().expiry_ends_session);
        let late = |expires: Timestamp| placed.event.time.0 > expires.0.saturating_add(JUDGED_US);
        if ends && !self.expired && opened.expires.is_some_and(late) {
            self.expired = true; // told once: all that follows is late, too
            let detail = "a command of a session whose credential had expired";
            context
                .findings
                .add(Code::SessionExpired, Place::Entry(placed.index), detail);
        }
    }

    pub(super) fn command(
        &mut self,
        placed: &Placed,
        id: SessionId,
        sequence: u64,
        body: &Command,
        context: &mut Context,
    ) {
        self.commands += 1;
        self.ran_of(placed.index, body.digest, context);
        if matches!(body.outcome, Outcome::Allowed | Outcome::Approved) {
            self.in_time(placed, body.decision.policy, context);
        }
        self.replay(placed.index, &body.facts, &body.decision, context);
        seen::command(placed, body, self.opened.as_ref(), context);
        if body.outcome == Outcome::Allowed {
            timed(placed, &body.facts, &body.decision, context);
        }
        if let Some((comparison, recorded)) = self.recorded(placed, &body.facts, &body.decision, context) {
            comparison.command(&recorded, id, body.request);
        }
        let (effect, outcome) = (body.decision.effect, body.outcome);
        let fits = match outcome {
            Outcome::Allowed => effect == Effect::Allow,
            Outcome::Denied => effect == Effect::Deny,
            Outcome::Approved | Outcome::Refused | Outcome::Expired | Outcome::Postponed => effect == Effect::Ask,
        };
        let asked = !matches!(outcome, Outcome::Allowed | Outcome::Denied);
        if !fits {
            let detail = format!("outcome {outcome} of the decision {effect}");
            context
                .findings
                .add(Code::OutcomeDiffers, Place::Entry(placed.index), detail);
        } else if !asked && (body.request.is_some() || body.approvals.is_some() || body.retries.is_some()) {
            let what = "it names approvals, and nobody was to be asked";
            context
                .findings
                .add(Code::OutcomeDiffers, Place::Entry(placed.index), what);
        } else if body.request.is_some() && body.retries.is_some() {
            let what = "it names a request of its own, and that of an earlier command";
            context
                .findings
                .add(Code::OutcomeDiffers, Place::Entry(placed.index), what);
        }
        let asking = body.request.and_then(|request| self.requests.get(&request).copied());
        let request = asking.map(|asking| asking.leaf).or(body.retries);
        // What people did not let pass goes by the policy that asked them.
        let refused = matches!(outcome, Outcome::Refused | Outcome::Expired | Outcome::Postponed);
        let asked_by = asking.map(|asking| asking.policy);
        let asked_by = asked_by.or_else(|| body.retries.and_then(|leaf| context.approvals.policy(leaf)));
        let bound = asked_by.filter(|_| refused);
        let findings = &mut context.findings;
        let in_force = &mut context.in_force;
        in_force.named(placed, Named::Command, body.decision.policy, bound, findings);
        if let (Outcome::Allowed | Outcome::Approved, Some(opened), Some(policy)) =
            (outcome, &self.opened, context.policies.get(body.decision.policy))
        {
            let time = asking.map_or(placed.event.time, |asking| asking.time);
            let proxy = placed.event.emitter.0;
            let policy = (body.decision.policy, policy);
            context
                .probes
                .passed(placed.index, proxy, time, &opened.target, &body.facts, policy);
        }
        if asked {
            let askers = self.askers(body, &context.policies);
            self.settle(placed, id, body, request, askers, context);
        }
        let policy = context.policies.get(body.decision.policy);
        let line = context.evidence.command(placed, id, body, request, &context.approvals);
        context.evidence.observed(placed.index, body, self.opened.as_ref());
        let who = self.opened.as_ref().map(who);
        let target = who.map(|(_, target)| target);
        if let Some((target, policy)) = target.zip(policy) {
            patients::command(placed.index, body, target, policy, &mut context.findings);
        }
        self.copy = target
            .zip(policy)
            .and_then(|(target, policy)| Copy::of(placed, sequence, body, target, policy, line));
        let response = Response::new(placed.index, outcome, &body.facts);
        let passed = response.passed();
        let object = target.zip(policy).and_then(|(target, policy)| {
            let told = (&context.objects, &mut context.findings);
            Object::of(placed.index, body, passed, target, policy, told)
        });
        let mut pending = Pending {
            response: response.of_object(object),
            policy: body.decision.policy,
            line,
            watch: policy.and_then(|policy| Watch::of(body, policy, who)).map(Box::new),
            by: Vec::new(),
            own: request.filter(|_| body.outcome == Outcome::Approved),
            patients: target
                .zip(policy)
                .filter(|(target, policy)| policy.names_patients(target))
                .map(|_| Distinct::default()),
        };
        pending.allowed(body, request, &mut context.approvals);
        self.responses.insert(sequence, pending);
    }

    /// Holds a command, or a reply as the command that it is of, to what people were asked about it.
    pub(super) fn settle(
        &self,
        placed: &Placed,
        id: SessionId,
        command: &Command,
        request: Option<Digest>,
        askers: Option<BTreeSet<Asker>>,
        context: &mut Context,
    ) {
        let settled = Settled {
            index: placed.index,
            time: placed.event.time,
            session: id,
            proxy: placed.event.emitter.0,
            target: self.opened.as_ref().map(|opened| opened.target.as_str()),
            requester: self.opened.as_ref().map(|opened| &opened.principal),
            command,
            term: context.in_force.term(placed.event.emitter.0),
            request,
            askers,
        };
        context.approvals.settle(&settled, &mut context.findings);
    }

    /// All rules that ask about a command.
    fn askers(&self, body: &Command, policies: &Policies) -> Option<BTreeSet<Asker>> {
        let (opened, policy) = (self.opened.as_ref()?, policies.get(body.decision.policy)?);
        Some(askers(policy, &opened.principal, &opened.target, &body.facts))
    }

    /// Takes a part of the copy of the last command.
    pub(super) fn sealed(&mut self, placed: &Placed, body: &CommandSealed, context: &mut Context) {
        let findings = &mut context.findings;
        if let Some(mut copy) = self.copy.take() {
            let Some(part) = copy.part(placed, body, findings) else {
                return self.miscopied(placed.index, body.command, Code::CopyPart, findings);
            };
            if body.part == 0 {
                context.copies.begin(placed, copy.command);
            }
            match part {
                Part::Last(first) => context.evidence.copied(copy.line, first, placed.index),
                Part::One => self.copy = Some(copy),
            }
            return;
        }
        let Some(pending) = self.responses.get(&body.command) else {
            return self.miscopied(placed.index, body.command, Code::CopyPart, findings);
        };
        let target = self.opened.as_ref().map(|opened| opened.target.as_str());
        // Where the policy is not known, that was said.
        if let Some((target, policy)) = target.zip(context.policies.get(pending.policy)) {
            let unasked = policy.recipients(target).is_empty();
            let code = if unasked { Code::CopyUnasked } else { Code::CopyPart };
            self.miscopied(placed.index, body.command, code, findings);
        }
    }

    /// Says once of a command that a part of a copy is wrong.
    fn miscopied(&mut self, index: Index, command: u64, code: Code, findings: &mut Findings) {
        if !self.incomplete && self.miscopied.replace(command) != Some(command) {
            let detail = format!("it names event {command} of its session");
            findings.add(code, Place::Entry(index), detail);
        }
    }
}
