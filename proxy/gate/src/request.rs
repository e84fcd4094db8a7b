//! A request on its way through the gate: what was asked, what the policy ruled, and what is recorded.
//!
//! Every type here is made by the session alone ([`crate::session`]), each from the one before it.
//!
//! Not here: waiting for people ([`crate::approval`]) and replies ([`crate::release`]).

use std::sync::Arc;

use exhibit_policy::decide::{NOBODY_TO_ASK, UNPROVEN, decide};
use exhibit_policy::hours;
use exhibit_policy::patients;
use exhibit_policy::probe;
use exhibit_policy::sealed::COMMAND_BYTES_MAX;
use exhibit_policy::seen;
use exhibit_policy::snapshot::{Approval, Counts, facts_at};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Command, DecisionRecord, Effect, Facts, Outcome, Principal, StatementFingerprint,
};
use exhibit_schemas::event::approval::{GrantBounds, GrantScope, Previewed, Requirement};
use exhibit_schemas::event::{SessionId, Timestamp};

use self::fitted::fitted;
use crate::allowance::Allowance;
use crate::error::GateError;
use crate::gate::Gate;
use crate::grants::InForce;
use crate::in_force::Policy;
use crate::preview::NO_PREVIEWS;
use crate::recorder::Receipt;
use crate::release::Reply;
use crate::sealed::{Sealing, Told};
use crate::waits::Wait;

/// Bytes of a recorded statement at the most, the mark of a cut aside; the digest always covers all of it.
pub use exhibit_policy::grant::STATEMENT_BYTES_MAX;

/// Bytes of encoded facts at the most. With the statement, the parameters and the decision they fit one event, and so do the
/// few bytes of each mask that the gate adds for what was tried before.
pub const FACTS_BYTES_MAX: usize = 16 * 1_024;

/// Bytes of encoded parameter types at the most; 65,535 parameters with names of types would not fit an event.
pub const PARAMETERS_BYTES_MAX: usize = 8 * 1_024;

/// Bytes of encoded types that the target has described at the most; longer ones are left out, for those that the agent gave, and
/// the statement, are recorded as ever.
pub const DESCRIBED_BYTES_MAX: usize = 1_024;

/// Why a request is denied whose resource has a name that evidence may not show, and that rules go by.
const OTHERWISE_BY_NAME: &str =
    "its resource's name holds an identifier, and the rules say something else of the name without it";

/// What a request can change in the target before its event is durable, as its protocol has proven.
///
/// Not recorded: it is about the order of recording and forwarding alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nothing: the target stays as it is.
    Nothing,
    /// Only what the rollback of its open transaction takes back.
    Transaction,
    /// Anything, or it is not known.
    Anything,
}

/// A request of an agent, parsed by its protocol.
#[derive(Clone)]
pub struct Request {
    /// The command as it may be read: every literal replaced by a typed placeholder.
    pub statement: String,
    /// The exact bytes that the target would get.
    pub exact: Vec<u8>,
    /// What it does.
    pub facts: Facts,
    /// Types of its bound parameters, as the protocol names them.
    pub parameters: Vec<String>,
    /// Fingerprint of the statement, where its protocol has any.
    pub statement_fingerprint: Option<StatementFingerprint>,
    /// The types of its parameters as the target has described them already.
    pub described: Option<Vec<String>>,
    /// What it can change.
    pub reach: Reach,
    /// Whether its exact bytes are all that is asked, and go by no name that only its session knows, such as that of a
    /// prepared statement. Only such a request can be taken up by a retry.
    pub says_all: bool,
    /// Whether its statement goes by a name that only its session knows, such as that of a prepared statement or cursor, so that the
    /// same text can be something else.
    pub by_name: bool,
    /// Whether the names of its resources are data, such as keys of objects: evidence has them in a form that may be read, and what is
    /// decided has to be the same by both.
    pub names_are_data: bool,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Request({} bytes)", self.exact.len())
    }
}

/// Whether the target has a transaction open that only a command of its own can commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Each command commits by itself.
    None,
    /// Nothing lasts before the commit, which waits for its event, and with it for all before it.
    Open,
}

/// What the policy says of a request.
#[derive(Debug)]
pub enum Ruling {
    /// It may pass once it is recorded.
    Permit(Permit),
    /// People must be asked.
    Pending(Pending),
    /// It may not pass.
    Denial(Denial),
}

/// A request with the decision about it.
#[derive(Debug)]
pub(crate) struct Judged {
    // Invariant: `digest` is the keyed digest of `request.exact`, and `decision` was made from `request.facts` in `session`.
    pub(crate) session: SessionId,
    pub(crate) request: Request,
    pub(crate) digest: Digest,
    pub(crate) decision: DecisionRecord,
    /// To whom its exact bytes are encrypted, by the policy that decided it.
    sealing: Option<Arc<Sealing>>,
}

impl Judged {
    /// Whether its exact bytes are sealed with its event.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealing.is_some()
    }
}

/// The question that people were asked about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// Its own: sequence in its session.
    Own(u64),
    /// The one that an earlier command left open: leaf hash.
    Earlier(Digest),
}

impl Asking {
    fn own(self) -> Option<u64> {
        match self {
            Self::Own(sequence) => Some(sequence),
            Self::Earlier(_) => None,
        }
    }

    fn earlier(self) -> Option<Digest> {
        match self {
            Self::Own(_) => None,
            Self::Earlier(leaf) => Some(leaf),
        }
    }
}

/// The approval of people, as a command event names it.
#[derive(Clone, Debug)]
pub(crate) struct Approved {
    pub(crate) request: Asking,
    /// Leaf hashes of the decisions.
    pub(crate) decisions: Vec<Digest>,
    /// What they let out.
    pub(crate) allowance: Arc<Allowance>,
    /// The grant that covers it; `None` where people were asked about it.
    pub(crate) by: Option<Arc<InForce>>,
}

impl Approved {
    /// Whether it is for other commands, too.
    pub(crate) fn is_grant(&self) -> bool {
        self.allowance.grant().is_some()
    }
}

/// A request that may pass once it is recorded.
#[derive(Debug)]
pub struct Permit {
    // Invariant: the policy allows it, or `approved` holds enough decisions.
    pub(crate) judged: Judged,
    pub(crate) approved: Option<Approved>,
}

/// A request that people must be asked about.
#[derive(Debug)]
pub struct Pending {
    pub(crate) judged: Judged,
    pub(crate) requirement: Requirement,
    pub(crate) expires_s: u64,
    /// Seconds that its session waits, where a retry can take it up afterwards.
    pub(crate) hold_s: Option<u64>,
    /// What people are told of a preview; `None` where the policy asks for none.
    pub(crate) preview: Option<Previewed>,
    /// Its place among the requests of its requester that wait, where it has one already.
    pub(crate) wait: Option<Arc<Wait>>,
    /// Whether the target counts what it changes before that is committed.
    pub(crate) counted: bool,
    /// When it was run for its preview.
    pub(crate) ran: Option<Timestamp>,
}

/// A request that does not pass.
#[derive(Debug)]
pub struct Denial {
    pub(crate) judged: Judged,
    pub(crate) outcome: Outcome,
    /// The request that people refused, let expire or have not decided.
    pub(crate) asked: Option<Asking>,
    pub(crate) reason: String,
}

/// A value whose event is durable in the ledger.
#[derive(Debug)]
pub struct Recorded<T> {
    // Invariant: made after the ledger's receipt for the event of `value`, in this crate alone.
    pub(crate) value: T,
    pub(crate) session: SessionId,
    pub(crate) command: u64,
    pub(crate) receipt: Option<Receipt>,
}

impl<T> Recorded<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Sequence in its session of the command's event.
    pub fn command(&self) -> u64 {
        self.command
    }

    /// The receipt of its last event; `None` for frames that were none.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt
    }
}

impl Recorded<Denial> {
    /// Begins the reply to it.
    pub fn reply(&self) -> Reply {
        Reply {
            session: self.session,
            command: self.command,
            of_patients: false,
        }
    }
}

/// A permit that may reach the target: its event is durable, or it was handed over and the permit may run ahead of it.
#[derive(Debug)]
pub struct Cleared {
    // Invariant: made by the session alone, with the receipt or for a permit that may run ahead (P1).
    pub(crate) permit: Permit,
    pub(crate) session: SessionId,
    pub(crate) command: u64,
    pub(crate) receipt: Option<Receipt>,
}

impl Cleared {
    /// The exact bytes that the target may get.
    pub fn exact(&self) -> &[u8] {
        &self.permit.judged.request.exact
    }

    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Sequence in its session of the command's event.
    pub fn command(&self) -> u64 {
        self.command
    }

    /// The receipt of its event; `None` when it runs ahead.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt
    }

    /// Begins the reply to it.
    pub fn reply(&self) -> Reply {
        Reply {
            session: self.session,
            command: self.command,
            of_patients: patients::are_touched(&self.permit.judged.request.facts),
        }
    }
}

impl Request {
    /// Whether it is proven to leave its session as it was: it reads rows alone, and runs no code that is not known. What changes rows
    /// may change those that are its session's own.
    pub(crate) fn leaves_session(&self) -> bool {
        let reads = |Access(action, _): &Access| *action == Action::Read;
        self.reach < Reach::Anything && self.facts.accesses.iter().all(reads)
    }

    /// Whether it is proven to read and change rows alone.
    pub(crate) fn is_about_rows(&self) -> bool {
        let rows = |Access(action, _): &Access| matches!(action, Action::Read | Action::Write | Action::Delete);
        self.reach < Reach::Anything && self.facts.accesses.iter().all(rows)
    }

    /// Whether it is about the bounds of a transaction alone.
    pub(crate) fn is_bound(&self) -> bool {
        let bound = |Access(action, _): &Access| *action == Action::Transaction;
        self.facts.accesses.iter().all(bound)
    }
}

impl Permit {
    /// Whether it may reach the target before its event is durable: it changes nothing, or nothing that outlives the open
    /// transaction. What people approved always waits.
    pub(crate) fn may_run_ahead(&self, open: Transaction) -> bool {
        let reach = match open {
            Transaction::None => Reach::Nothing,
            Transaction::Open => Reach::Transaction,
        };
        self.approved.is_none() && self.judged.request.reach <= reach
    }

    /// What the policy said.
    pub fn decision(&self) -> &DecisionRecord {
        &self.judged.decision
    }

    pub(crate) const fn policy(&self) -> Digest {
        self.judged.decision.policy
    }
}

impl Denial {
    /// What the policy said.
    pub fn decision(&self) -> &DecisionRecord {
        &self.judged.decision
    }

    /// Whether the policy denied it, a person refused it, nobody decided in time, or nobody has decided yet.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What to tell the agent, without values.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Pending {
    /// Groups of which people must approve.
    pub fn groups(&self) -> &[String] {
        &self.requirement.groups
    }

    /// The target does not count what it changes before that is committed: no grant of so many rows covers it.
    #[must_use]
    pub fn uncounted(self) -> Self {
        Self { counted: false, ..self }
    }
}

/// Who asks, and of what, and what decides.
pub(crate) struct Asker<'a> {
    pub(crate) session: SessionId,
    pub(crate) principal: &'a Principal,
    pub(crate) target: &'a str,
    pub(crate) gate: &'a Gate,
    pub(crate) policy: &'a Policy,
}

/// Decides a request, after it was brought to the size that an event holds.
pub(crate) fn rule(asker: &Asker<'_>, request: Request) -> Ruling {
    let Asker {
        principal,
        target,
        gate,
        policy,
        ..
    } = *asker;
    let sealing = policy.sealing(target);
    let snapshot = policy.snapshot();
    let (request, own) = read(gate, request);
    let mut request = fitted(request, sealing.is_some());
    if snapshot.tells_time() {
        hours::timed(&mut request.facts, gate.now());
    }
    if snapshot.tells_seen(target) {
        let known = request.is_known(asker);
        seen::state(&mut request.facts, known);
    }
    let decision = gate
        .probes()
        .decide(snapshot, target, gate.now(), &mut request.facts, |facts| {
            decide(snapshot, principal, target, facts)
        });
    let decision = match own {
        Some(own) => same_by_both(asker, &own, &mut request.facts, decision),
        None => decision,
    };
    let judged = Judged {
        session: asker.session,
        digest: gate.digest_key().digest(&request.exact),
        request,
        decision,
        sealing,
    };
    let approval = judged.decision.approval.as_deref();
    match (
        judged.decision.effect,
        approval.and_then(|name| snapshot.approval(name)),
    ) {
        (Effect::Allow, _) => Ruling::Permit(Permit { judged, approved: None }),
        (Effect::Ask, Some(approval)) => Ruling::Pending(Pending {
            requirement: Requirement {
                grants: offered(approval, &judged.request),
                ..requirement(approval, target)
            },
            expires_s: approval.expires_s,
            preview: approval.preview.map(|_| Previewed::Not(NO_PREVIEWS.to_owned())),
            wait: None,
            counted: true,
            ran: None,
            hold_s: approval.hold_s.filter(|hold_s| {
                // What was tried before stands in the facts, so a retry is another request.
                let tries = probe::columns(&judged.request.facts).next().is_some();
                *hold_s < approval.expires_s && judged.request.says_all && !tries
            }),
            judged,
        }),
        // A snapshot has the approval that its rule names; without it nobody could approve, so the request ends here.
        (Effect::Ask, None) | (Effect::Deny, _) => Ruling::Denial(Denial {
            outcome: Outcome::Denied,
            asked: None,
            reason: judged.decision.reason.clone(),
            judged,
        }),
    }
}

/// A request whose resources have the names that evidence may show, and its accesses by their own names where those are others.
fn read(gate: &Gate, mut request: Request) -> (Request, Option<Vec<Access>>) {
    if !request.names_are_data {
        return (request, None);
    }
    let own = request.facts.accesses.clone();
    for Access(_, resource) in &mut request.facts.accesses {
        if let Some(name) = resource {
            *name = gate.readable(name);
        }
    }
    let differs = own != request.facts.accesses;
    (request, differs.then_some(own))
}

/// What was decided by the names that evidence shows, if the same is decided by the resources' own; else a denial. The verifier has the
/// former alone, and a rule must not be passed by because it is about the latter.
fn same_by_both(asker: &Asker<'_>, own: &[Access], facts: &mut Facts, decision: DecisionRecord) -> DecisionRecord {
    let snapshot = asker.policy.snapshot();
    let accesses = own.to_vec();
    let by_own = Facts {
        accesses,
        ..facts.clone()
    };
    let decided = |facts: &Facts| decide(snapshot, asker.principal, asker.target, facts);
    // Rules about what a reply comes to hold later, and are asked by the names that evidence shows alone.
    let most = |facts: &Facts| {
        snapshot
            .has_thresholds()
            .then(|| decided(&facts_at(facts, Counts::MAX)))
    };
    let same = decided(&by_own) == decision && most(&by_own) == most(facts);
    if same || facts.attributes.contains_key(UNPROVEN) {
        return decision;
    }
    facts
        .attributes
        .insert(UNPROVEN.to_owned(), Attribute::Text(OTHERWISE_BY_NAME.to_owned()));
    decide(snapshot, asker.principal, asker.target, facts)
}

/// What people may grant beside this request.
fn offered(approval: &Approval, request: &Request) -> Option<GrantBounds> {
    let grants = approval.grants.as_ref()?;
    let mut bounds = grants.bounds(&request.statement, &request.facts)?;
    // Where code runs that is not known, or a name of its session says more than its text, values may be more than data.
    let values_are_data = request.reach < Reach::Anything && request.says_all;
    bounds
        .scopes
        .retain(|scope| *scope == GrantScope::Session || values_are_data);
    (!bounds.scopes.is_empty()).then_some(bounds)
}

/// Who must approve, as a question says it. Nothing may be granted.
pub(crate) fn requirement(approval: &Approval, target: &str) -> Requirement {
    Requirement {
        name: approval.name.clone(),
        groups: approval.groups.clone(),
        people: approval.people,
        requester_may_approve: approval.requester_may_approve,
        all_groups: approval.all_groups.clone(),
        hours: approval.hours.as_ref().map(|hours| hours.stated().clone()),
        grants: None,
        emergency: approval
            .emergency
            .as_ref()
            .and_then(|emergency| emergency.stated(target))
            .map(Box::new),
    }
}

/// Decides a request about which nobody can be asked: where people would have to be, it is not proven that it may pass.
pub(crate) fn rule_at_once(asker: &Asker<'_>, request: Request, why: Option<&str>) -> Result<Permit, Box<Denial>> {
    match rule(asker, request) {
        Ruling::Permit(permit) => Ok(permit),
        Ruling::Denial(denial) => Err(Box::new(denial)),
        Ruling::Pending(Pending { judged, .. }) => {
            let cause = why.map_or_else(|| NOBODY_TO_ASK.to_owned(), |why| format!("{why}, so {NOBODY_TO_ASK}"));
            Err(Box::new(unasked(asker, judged, &cause)))
        }
    }
}

/// The denial of a request about which people would have to be asked, and are not for that cause.
pub(crate) fn unasked(asker: &Asker<'_>, mut judged: Judged, cause: &str) -> Denial {
    let rule = judged.decision.rule.as_deref().unwrap_or("none");
    let cause = format!("the rule {rule} asks for an approval, and {cause}");
    let facts = &mut judged.request.facts;
    facts.attributes.insert(UNPROVEN.to_owned(), Attribute::Text(cause));
    // A decision of its own, which replays: every policy denies what is not proven.
    judged.decision = decide(asker.policy.snapshot(), asker.principal, asker.target, facts);
    Denial {
        outcome: Outcome::Denied,
        asked: None,
        reason: judged.decision.reason.clone(),
        judged,
    }
}

/// What is recorded of a command that passes.
///
/// # Errors
/// Where its copy cannot be made.
pub(crate) fn permitted(permit: &Permit) -> Result<Told, GateError> {
    let outcome = match permit.approved {
        Some(_) => Outcome::Approved,
        None => Outcome::Allowed,
    };
    let command = Command {
        request: permit.approved.as_ref().and_then(|approved| approved.request.own()),
        retries: permit.approved.as_ref().and_then(|approved| approved.request.earlier()),
        approvals: permit.approved.as_ref().map(|approved| approved.decisions.clone()),
        ..command(&permit.judged, outcome)
    };
    told(&permit.judged, command)
}

/// What is recorded of a command that does not pass.
///
/// # Errors
/// Where its copy cannot be made.
pub(crate) fn denied(denial: &Denial) -> Result<Told, GateError> {
    let command = Command {
        request: denial.asked.and_then(Asking::own),
        retries: denial.asked.and_then(Asking::earlier),
        ..command(&denial.judged, denial.outcome)
    };
    told(&denial.judged, command)
}

/// What is recorded of a command whose session ends while people are asked about it.
///
/// # Errors
/// Where its copy cannot be made.
pub(crate) fn unanswered(judged: &Judged, asked: Asking) -> Result<Told, GateError> {
    // The question of an earlier command stays open.
    let outcome = match asked {
        Asking::Own(_) => Outcome::Expired,
        Asking::Earlier(_) => Outcome::Postponed,
    };
    let command = Command {
        request: asked.own(),
        retries: asked.earlier(),
        ..command(judged, outcome)
    };
    told(judged, command)
}

/// A command with its copy, where its policy has one. What is too long for a copy was denied for it, and has none.
fn told(judged: &Judged, command: Command) -> Result<Told, GateError> {
    let exact = &judged.request.exact;
    let sealing = judged.sealing.as_deref().filter(|_| exact.len() <= COMMAND_BYTES_MAX);
    Told::new(command, exact, sealing)
}

fn command(judged: &Judged, outcome: Outcome) -> Command {
    Command {
        statement: judged.request.statement.clone(),
        digest: judged.digest,
        facts: judged.request.facts.clone(),
        decision: judged.decision.clone(),
        outcome,
        parameters: judged.request.parameters.clone(),
        request: None,
        approvals: None,
        retries: None,
        statement_fingerprint: judged.request.statement_fingerprint,
        described: judged.request.described.clone(),
    }
}

mod fitted;
