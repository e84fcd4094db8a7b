//! Sessions: each one's events in order, its decisions decided again, and its commands paired with their responses.
//!
//! An open session is held with its commands that still wait for their end; a closed one leaves 50 bytes, so that nothing
//! can follow its close.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::decide::{Asker, askers, decide};
use exhibit_policy::mask::Technique;
use exhibit_policy::patients::Distinct;
use exhibit_policy::snapshot::{Counts, Snapshot, with_cells};
use exhibit_schemas::chain::{SessionChain, next_event};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Command, CommandData, CommandSealed, DecisionRecord, Detection, Effect, Facts, Outcome, ResponseChunk, ResponseEnd,
    SessionClosed, SessionOpened, ThresholdDecided,
};
use exhibit_schemas::event::{Body, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::merkle::Index;

use crate::approval::{Approvals, Settled};
use crate::batch::{Placed, Withheld};
use crate::census::Census;
use crate::comparison::{Comparison, Recorded};
use crate::copy::{Copies, Copy, Part};
use crate::evidence::Evidence;
use crate::finding::{Code, Findings, Place};
use crate::in_force::{InForce, Named};
use crate::observed;
use crate::patients;
use crate::policy::Policies;
use crate::probe::Probes;
use crate::reading::Readings;
use crate::response::Response;
use crate::review::Reviews;
use crate::schedule::Schedules;
use crate::seen::{self, Seen};
use crate::threshold::{Watch, Who};
use crate::timed::timed;

pub(crate) use self::pending::Pending;

/// The reason of a close that follows a detection.
const DETECTION: &str = "detection";

/// The reason of a close that follows a threshold past which nothing was let out.
const THRESHOLD: &str = "threshold";

/// The reason of a close that follows a reply of which what people approved let no more out.
const APPROVAL: &str = "approval";

/// The status of a response that its session's end cut off.
const CUT: &str = "cut";

/// Microseconds from when a command is judged to the time of its event at the most: the events of a flush have one time.
pub(crate) const JUDGED_US: u64 = 5_000_000;

/// Everything that the checks of an event share.
pub(crate) struct Context {
    pub(crate) findings: Findings,
    pub(crate) policies: Policies,
    pub(crate) in_force: InForce,
    pub(crate) approvals: Approvals,
    pub(crate) evidence: Evidence,
    pub(crate) census: Census,
    /// Where another policy is compared with.
    pub(crate) comparison: Option<Comparison>,
    pub(crate) probes: Probes,
    pub(crate) seen: Seen,
    pub(crate) copies: Copies,
    pub(crate) readings: Readings,
    pub(crate) reviews: Reviews,
    pub(crate) schedules: Schedules,
}

#[derive(Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<SessionId, State>,
    gaps: u64,
}

enum State {
    Open(Box<Session>),
    Closed(SessionChain),
}

struct Session {
    chain: SessionChain,
    /// `None` where the opening is missing.
    opened: Option<SessionOpened>,
    first: Index,
    last: Index,
    /// Commands whose response has not ended, by sequence.
    responses: BTreeMap<u64, Pending>,
    /// Requests of the session, by sequence.
    requests: BTreeMap<u64, Request>,
    commands: u64,
    /// Rows of everything released.
    rows: u64,
    /// Bytes of it.
    bytes: u64,
    /// Cells of its rows.
    cells: u64,
    /// Different patients whose records were released.
    patients: Distinct,
    gaps: u64,
    /// Events of it are missing: its totals cannot be compared.
    incomplete: bool,
    /// A detection ends it: index of the first.
    ending: Option<Index>,
    /// A threshold ends it: index of the decision.
    stopped: Option<Index>,
    /// Leaf hashes of the requests by whose approval replies were released that did not end as they would have.
    cut: Vec<Digest>,
    /// Commands by approvals whose reply has ended, and whose changes are not committed, with the requests.
    uncommitted: BTreeMap<u64, Vec<Digest>>,
    /// A command passed after its credential had expired.
    expired: bool,
    /// It released keyed values and names no key.
    unnamed: bool,
    /// The copy of its last command, while parts of it must follow.
    copy: Option<Copy>,
    /// The command of which a part of a copy was told to be wrong.
    miscopied: Option<u64>,
}

/// A request of a session.
#[derive(Clone, Copy)]
struct Request {
    leaf: Digest,
    time: Timestamp,
    /// What it was asked by.
    policy: Digest,
}

impl Sessions {
    /// Entries are missing here: each session is taken up again at its next event.
    pub(crate) fn gap(&mut self) {
        self.gaps += 1;
    }

    /// Takes the next event of a session.
    pub(crate) fn event(&mut self, placed: &Placed, place: SessionPlace, context: &mut Context) {
        let SessionPlace(id, sequence) = place;
        let (chain, known) = match self.sessions.get(&id) {
            Some(State::Open(session)) => (Some(session.chain), session.gaps),
            Some(State::Closed(chain)) => (Some(*chain), self.gaps),
            None => (None, 0),
        };
        let next = next_event(chain, &placed.event);
        let broken = next.is_err();
        let chain = match next {
            Ok(Some(next)) => next,
            Ok(None) => return,
            Err(error) => {
                if known == self.gaps {
                    context
                        .findings
                        .add(Code::SessionChain, Place::Entry(placed.index), error.to_string());
                }
                SessionChain {
                    emitter: placed.event.emitter.0,
                    boot: placed.event.emitter.1,
                    next: sequence.saturating_add(1),
                    closed: matches!(placed.event.body, Body::SessionClosed(_)),
                }
            }
        };
        if matches!(self.sessions.get(&id), Some(State::Closed(_))) {
            return; // nothing of it is held any more to check the event against
        }
        let state = self.sessions.entry(id).or_insert_with(|| {
            State::Open(Box::new(Session {
                chain,
                opened: None,
                first: placed.index,
                last: placed.index,
                responses: BTreeMap::new(),
                requests: BTreeMap::new(),
                commands: 0,
                rows: 0,
                bytes: 0,
                cells: 0,
                patients: Distinct::default(),
                gaps: self.gaps,
                incomplete: false,
                ending: None,
                stopped: None,
                cut: Vec::new(),
                uncommitted: BTreeMap::new(),
                expired: false,
                unnamed: false,
                copy: None,
                miscopied: None,
            }))
        });
        let State::Open(session) = state else { return };
        session.chain = chain;
        session.last = placed.index;
        if broken {
            session.gaps = self.gaps; // what is missing is forgiven once
            session.incomplete = true;
            for pending in session.responses.values_mut() {
                pending.response.doubtful = true;
            }
        }
        session.body(placed, id, sequence, context);
        if chain.closed {
            *state = State::Closed(chain);
        }
    }

    /// The log ends: what is still open is reported. Of a scoped bundle later events of it may be withheld; gives the sessions of which
    /// that is so, with their last events here.
    pub(crate) fn finish(self, context: &mut Context, withheld: &Withheld) -> Vec<(SessionId, Index)> {
        let mut tails = Vec::new();
        let mut open: Vec<_> = self
            .sessions
            .into_iter()
            .filter_map(|(id, state)| match state {
                // One without an opening was told as out of order; so was everything of it.
                State::Open(session) if session.opened.is_some() => Some((session.first, id, session)),
                State::Open(_) | State::Closed(_) => None,
            })
            .collect();
        open.sort_by_key(|(first, _, _)| *first);
        for (first, id, session) in open {
            if let Some(copy) = &session.copy {
                let detail = format!("session {id}: nothing follows it");
                context.findings.add(Code::CopyOpen, Place::Entry(copy.command), detail);
            }
            for pending in session.responses.values() {
                context.evidence.unended(pending);
            }
            let waiting = session.responses.len();
            let detail = format!("session {id}: {waiting} of its commands have no end of their response");
            let run = (session.chain.emitter, session.chain.boot);
            let code = if withheld.has_behind(run, session.last) {
                tails.push((id, session.last));
                Code::ScopeTail
            } else {
                Code::SessionOpen
            };
            context.findings.add(code, Place::Entry(first), detail);
        }
        tails
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

impl Session {
    fn body(&mut self, placed: &Placed, id: SessionId, sequence: u64, context: &mut Context) {
        if let Body::CommandSealed(body) = &placed.event.body {
            return self.sealed(placed, body, context);
        }
        if let Some(copy) = self.copy.take().filter(|_| !self.incomplete) {
            let detail = format!("#{} follows instead", placed.index);
            context
                .findings
                .add(Code::CopyMissing, Place::Entry(copy.command), detail);
        }
        match &placed.event.body {
            Body::SessionOpened(body) => {
                context.policies.find(body.policy, placed.index, &mut context.findings);
                let findings = &mut context.findings;
                let in_force = &mut context.in_force;
                in_force.named(placed, Named::Session, body.policy, None, findings);
                context.evidence.opened(placed, id, body);
                if self.opened.is_none() {
                    self.opened = Some(body.clone());
                }
            }
            Body::SessionClosed(body) => self.closed(placed, id, body, context),
            Body::Command(body) => self.command(placed, id, sequence, body, context),
            Body::ApprovalRequested(body) => {
                // At a threshold it is the time of the command.
                if Counts::of(&body.facts).is_none() {
                    timed(placed, &body.facts, &body.decision, context);
                }
                self.replay(placed.index, &body.facts, &body.decision, context);
                if let Some((comparison, recorded)) = self.recorded(placed, &body.facts, &body.decision, context) {
                    comparison.request(&recorded, id, sequence);
                }
                let target = self.opened.as_ref().map(|opened| opened.target.as_str());
                if target.is_some_and(|target| target != body.target) {
                    let place = Place::Entry(placed.index);
                    let what = "its target is not that of its session";
                    context.findings.add(Code::ApprovalBinding, place, what);
                }
                let policy = body.decision.policy;
                let request = Request {
                    leaf: placed.leaf,
                    time: placed.event.time,
                    policy,
                };
                self.requests.insert(sequence, request);
                // About a threshold people are asked by the policy of its command.
                let mut watches = self.responses.values().filter_map(|pending| pending.watch.as_ref());
                let bound = watches
                    .any(|watch| watch.is_asked(body.command, policy))
                    .then_some(policy);
                let findings = &mut context.findings;
                context.in_force.named(placed, Named::Question, policy, bound, findings);
                let requester = self.opened.as_ref().map(|opened| opened.principal.clone());
                let policy = context.policies.get(body.decision.policy);
                let by = (policy, context.in_force.term(placed.event.emitter.0));
                let findings = &mut context.findings;
                context.approvals.requested(placed, id, requester, body, by, findings);
            }
            Body::ApprovalExpired(body) => {
                let request = self.requests.get(&body.request).map(|request| request.leaf);
                context.approvals.expired(placed.index, request, &mut context.findings);
            }
            Body::CommandData(body) => self.data(placed, body, context),
            Body::Detection(body) => self.detection(placed, body, context),
            Body::ThresholdDecided(body) => self.threshold(placed, id, body, context),
            Body::ResponseChunk(body) => self.chunk(placed, body, context),
            Body::ResponseEnd(body) => self.end(placed, body, context),
            _ => {}
        }
    }

    /// Decides again from what was recorded, and compares.
    fn replay(&self, index: Index, facts: &Facts, recorded: &DecisionRecord, context: &mut Context) {
        let snapshot = context.policies.find(recorded.policy, index, &mut context.findings);
        let (Some(snapshot), Some(opened)) = (snapshot, &self.opened) else {
            return;
        };
        let again = decide(snapshot, &opened.principal, &opened.target, facts);
        if again != *recorded {
            let word = |decision: &DecisionRecord| {
                let rule = decision.rule.as_deref().unwrap_or("no rule");
                format!("{} by {rule}{}", decision.effect, observed::words(decision))
            };
            let detail = format!("recorded: {}; decided again: {}", word(recorded), word(&again));
            context.findings.add(Code::DecisionDiffers, Place::Entry(index), detail);
        }
    }

    /// A decision with what it was made from, where another policy is compared with.
    fn recorded<'a>(
        &'a self,
        placed: &Placed,
        facts: &'a Facts,
        decision: &'a DecisionRecord,
        context: &'a mut Context,
    ) -> Option<(&'a mut Comparison, Recorded<'a>)> {
        let recorded = Recorded {
            index: placed.index,
            time: placed.event.time,
            opened: self.opened.as_ref()?,
            facts,
            decision,
            policy: context.policies.get(decision.policy)?,
        };
        Some((context.comparison.as_mut()?, recorded))
    }

    /// Holds that nothing passed after the agent's credential had expired, where the policy ends sessions then.
    fn in_time(&mut self, placed: &Placed, body: &Command, context: &mut Context) {
        let Some(opened) = &self.opened else { return };
        let passed = matches!(body.outcome, Outcome::Allowed | Outcome::Approved);
        let policy = context.policies.get(body.decision.policy);
        let ends = policy.is_some_and(|policy| policy.limits().expiry_ends_session);
        let late = |expires: Timestamp| placed.event.time.0 > expires.0.saturating_add(JUDGED_US);
        if passed && ends && !self.expired && opened.expires.is_some_and(late) {
            self.expired = true; // told once: all that follows is late, too
            let detail = "a command of a session whose credential had expired";
            context
                .findings
                .add(Code::SessionExpired, Place::Entry(placed.index), detail);
        }
    }

    fn command(&mut self, placed: &Placed, id: SessionId, sequence: u64, body: &Command, context: &mut Context) {
        self.commands += 1;
        self.in_time(placed, body, context);
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
            let settled = Settled {
                index: placed.index,
                time: placed.event.time,
                session: id,
                proxy: placed.event.emitter.0,
                target: self.opened.as_ref().map(|opened| opened.target.as_str()),
                requester: self.opened.as_ref().map(|opened| &opened.principal),
                command: body,
                term: context.in_force.term(placed.event.emitter.0),
                request,
                askers: self.askers(body, &context.policies),
            };
            context.approvals.settle(&settled, &mut context.findings);
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
        let mut pending = Pending {
            response: Response::new(placed.index, outcome, &body.facts),
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

    /// All rules that ask about a command.
    fn askers(&self, body: &Command, policies: &Policies) -> Option<BTreeSet<Asker>> {
        let (opened, policy) = (self.opened.as_ref()?, policies.get(body.decision.policy)?);
        Some(askers(policy, &opened.principal, &opened.target, &body.facts))
    }

    /// Takes a part of the copy of the last command.
    fn sealed(&mut self, placed: &Placed, body: &CommandSealed, context: &mut Context) {
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

    fn data(&mut self, placed: &Placed, body: &CommandData, context: &mut Context) {
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

    fn chunk(&mut self, placed: &Placed, body: &ResponseChunk, context: &mut Context) {
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

    fn threshold(&mut self, placed: &Placed, id: SessionId, body: &ThresholdDecided, context: &mut Context) {
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
            let settled = Settled {
                index: placed.index,
                time: placed.event.time,
                session: id,
                proxy: placed.event.emitter.0,
                target: self.opened.as_ref().map(|opened| opened.target.as_str()),
                requester: self.opened.as_ref().map(|opened| &opened.principal),
                command: &again,
                term: context.in_force.term(placed.event.emitter.0),
                request,
                // People approve the reply of one command.
                askers: None,
            };
            context.approvals.settle(&settled, &mut context.findings);
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

    fn detection(&mut self, placed: &Placed, body: &Detection, context: &mut Context) {
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

    fn end(&mut self, placed: &Placed, body: &ResponseEnd, context: &mut Context) {
        let Some(pending) = self.responses.remove(&body.command) else {
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

    fn closed(&mut self, placed: &Placed, id: SessionId, body: &SessionClosed, context: &mut Context) {
        let place = Place::Entry(placed.index);
        let totals = [
            ("commands", body.commands, self.commands),
            ("bytes", body.bytes, self.bytes),
        ];
        for (what, stated, found) in totals {
            if stated != found && !self.incomplete {
                let detail = format!("it states {stated} {what}, {found} were recorded");
                context.findings.add(Code::SessionTotals, place.clone(), detail);
            }
        }
        let detected = body.reason == DETECTION;
        if detected != self.ending.is_some() && !self.incomplete {
            let detail = match self.ending {
                Some(ending) => format!("its reason is not `{DETECTION}` after the detection #{ending}"),
                None => format!("its reason is `{DETECTION}` without a detection that ends it"),
            };
            context.findings.add(Code::DetectionEnd, place, detail);
        }
        let stopped = body.reason == THRESHOLD;
        if stopped != self.stopped.is_some() && !self.incomplete {
            let detail = match self.stopped {
                Some(stopped) => format!("its reason is not `{THRESHOLD}` after #{stopped}"),
                None => format!("its reason is `{THRESHOLD}` without a decision that stops it"),
            };
            context
                .findings
                .add(Code::ThresholdDecided, Place::Entry(placed.index), detail);
        }
        let approvals = &context.approvals;
        let uncommitted = self.uncommitted.values().flatten();
        let may_stop = self
            .cut
            .iter()
            .chain(uncommitted)
            .any(|request| approvals.may_stop(*request, placed.event.time));
        if body.reason == APPROVAL && !self.incomplete && !may_stop {
            let detail = format!("its reason is `{APPROVAL}`");
            context
                .findings
                .add(Code::ApprovalStopped, Place::Entry(placed.index), detail);
        }
        for pending in self.responses.values() {
            let passed = matches!(pending.response.outcome, Outcome::Allowed | Outcome::Approved);
            if passed {
                let place = Place::Entry(pending.response.command);
                let what = format!("its session was closed at #{} before it", placed.index);
                context.findings.add(Code::ResponseOpen, place, what);
            }
        }
        for pending in self.responses.values() {
            context.evidence.unended(pending);
        }
        context.evidence.closed(id, placed, body, &self.patients);
    }
}

/// Who reads, and from which target.
fn who(opened: &SessionOpened) -> Who<'_> {
    (&opened.principal, opened.target.as_str())
}

mod pending;
