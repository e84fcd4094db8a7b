//! Sessions: each one's events in order, its decisions decided again, and its commands paired with their responses.
//!
//! An open session is held with its commands that still wait for their end; of a closed one it is kept aside where it ended, so that
//! nothing can follow its close.

mod closed;
mod commands;
mod pending;
mod replies;

use std::collections::BTreeMap;

use exhibit_policy::decide::decide;
use exhibit_policy::patients::Distinct;
use exhibit_policy::snapshot::Counts;
use exhibit_schemas::chain::{SessionChain, next_event};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{DecisionRecord, Facts, Outcome, SessionClosed, SessionOpened};
use exhibit_schemas::event::approval::PreviewRun;
use exhibit_schemas::event::{Body, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::merkle::Index;

use self::closed::Closed;
pub(crate) use self::pending::Pending;
use crate::approval::Approvals;
use crate::batch::{Placed, Withheld};
use crate::census::Census;
use crate::comparison::{Comparison, Recorded};
use crate::copy::{Copies, Copy};
use crate::evidence::Evidence;
use crate::finding::{Code, Findings, Place};
use crate::in_force::{InForce, Named};
use crate::observed;
use crate::policy::Policies;
use crate::preview::{Ran, shown};
use crate::probe::Probes;
use crate::reading::Readings;
use crate::response::UnderWay;
use crate::review::Reviews;
use crate::schedule::Schedules;
use crate::seen::Seen;
use crate::spill::Spill;
use crate::threshold::Who;
use crate::timed::timed;

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
    /// Objects that are read again.
    pub(crate) objects: UnderWay,
}

pub(crate) struct Sessions {
    open: BTreeMap<SessionId, Box<Session>>,
    closed: Closed,
    gaps: u64,
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
    /// The preview that was run, until people are asked.
    preview: Option<Ran>,
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
    /// None yet.
    pub(crate) fn new(spill: &Spill) -> Self {
        Self {
            open: BTreeMap::new(),
            closed: Closed::new(spill),
            gaps: 0,
        }
    }

    /// Entries are missing here: each session is taken up again at its next event.
    pub(crate) fn gap(&mut self) {
        self.gaps += 1;
    }

    /// Takes the next event of a session.
    pub(crate) fn event(&mut self, placed: &Placed, place: SessionPlace, context: &mut Context) {
        let SessionPlace(id, sequence) = place;
        let open = self.open.get(&id).map(|session| (session.chain, session.gaps));
        let closed = if open.is_some() { None } else { self.closed.chain(id) };
        let (chain, known) = match (open, closed) {
            (Some((chain, gaps)), _) => (Some(chain), gaps),
            (None, Some(chain)) => (Some(chain), self.gaps),
            (None, None) => (None, 0),
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
        if closed.is_some() {
            return; // nothing of it is held any more to check the event against
        }
        let session = self.open.entry(id).or_insert_with(|| {
            Box::new(Session {
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
                preview: None,
            })
        });
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
            self.open.remove(&id);
            self.closed.insert(id, chain);
        }
    }

    /// The log ends: what is still open is reported. Of a scoped bundle later events of it may be withheld; gives the sessions of which
    /// that is so, with their last events here.
    pub(crate) fn finish(self, context: &mut Context, withheld: &Withheld) -> Vec<(SessionId, Index)> {
        let mut tails = Vec::new();
        let mut open: Vec<_> = self
            .open
            .into_iter()
            // One without an opening was told as out of order; so was everything of it.
            .filter(|(_, session)| session.opened.is_some())
            .map(|(id, session)| (session.first, id, session))
            .collect();
        open.sort_by_key(|(first, _, _)| *first);
        for (first, id, mut session) in open {
            if let Some(copy) = &session.copy {
                let detail = format!("session {id}: nothing follows it");
                context.findings.add(Code::CopyOpen, Place::Entry(copy.command), detail);
            }
            for pending in session.responses.values_mut() {
                pending.response.left_open(&mut context.findings);
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
            Body::PreviewRun(body) => self.preview_run(placed, body, context),
            Body::ApprovalRequested(body) => {
                // At a threshold it is the time of the command, and about one that was run that of the run.
                if Counts::of(&body.facts).is_none() {
                    let ran = self.ran_of(placed.index, body.command, context);
                    if !self.incomplete {
                        shown(placed, body, ran.as_ref(), &context.policies, &mut context.findings);
                    }
                    if ran.is_none() {
                        timed(placed, &body.facts, &body.decision, context);
                    }
                } else if body.preview.is_some() {
                    let (place, what) = (Place::Entry(placed.index), "what it is about has run");
                    context.findings.add(Code::PreviewUnasked, place, what);
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

    /// A command is run and rolled back, before people are asked about it.
    fn preview_run(&mut self, placed: &Placed, body: &PreviewRun, context: &mut Context) {
        timed(placed, &body.facts, &body.decision, context);
        self.in_time(placed, body.decision.policy, context);
        self.replay(placed.index, &body.facts, &body.decision, context);
        let Context {
            findings,
            in_force,
            policies,
            ..
        } = context;
        in_force.named(placed, Named::Question, body.decision.policy, None, findings);
        let ran = Ran::of(placed, body, self.opened.as_ref(), policies, findings);
        if let Some(before) = self.preview.replace(ran).filter(|_| !self.incomplete) {
            before.unfollowed(placed.index, findings);
        }
    }

    /// The run before a request about that command, or before the command itself where an earlier one has asked about it.
    fn ran_of(&mut self, index: Index, command: Digest, context: &mut Context) -> Option<Ran> {
        let ran = self.preview.take()?;
        if ran.is_of(command) {
            return Some(ran);
        }
        if !self.incomplete {
            ran.unfollowed(index, &mut context.findings);
        }
        None
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
        for pending in self.responses.values_mut() {
            pending.response.left_open(&mut context.findings);
            context.evidence.unended(pending);
        }
        context.evidence.closed(id, placed, body, &self.patients);
    }
}

/// Who reads, and from which target.
fn who(opened: &SessionOpened) -> Who<'_> {
    (&opened.principal, opened.target.as_str())
}
