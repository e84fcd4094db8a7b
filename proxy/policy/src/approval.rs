//! Approvals as a pure function: what a set of signed decisions comes to for one request.
//!
//! The proxy asks before it lets a command through, and the verifier asks again. Both run this code, and neither takes
//! the ledger's word: the caller has checked each decision's seal and that its signer's key was in force.
//!
//! That a decision was made after its request needs no clock: it names the request's leaf hash.
//!
//! Not here: seals, keys over time, and waiting.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalRequested, ApprovalRevoked, REASON_BYTES_MAX, Requirement, Verdict,
};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::keyring::KeyRecord;

use crate::hours;

/// Why a decision does not count for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalFault {
    /// It is about another request, or says another value of it.
    #[error("the decision is bound to another {0}")]
    Other(&'static str),
    /// It was made after the request expired.
    #[error("the decision was made after the request expired")]
    Late,
    /// The signer is not a person.
    #[error("the signer's key is not a person's")]
    NotAPerson,
    /// The signer is in none of the groups that may approve.
    #[error("the signer is in none of the groups that may approve")]
    Group,
    /// The policy lets nobody pass it in an emergency.
    #[error("the policy lets nobody pass it in an emergency")]
    NoEmergency,
    /// The signer is in none of the groups that may let it pass in an emergency.
    #[error("the signer is in none of the groups that may let it pass in an emergency")]
    Initiator,
    /// An emergency without words that say which, or with too many.
    #[error("an emergency needs a reason in words, of {REASON_BYTES_MAX} bytes at the most")]
    Reason,
    /// An emergency that is to be for other commands, too.
    #[error("an emergency is for one command, and grants no others")]
    Grant,
    /// It was made outside of the hours in which approvals count.
    #[error("the approval was given outside of the hours for it")]
    Hours,
    /// The signer is the requester.
    #[error("the signer is the requester")]
    Requester,
    /// The signer's key was revoked after it had approved.
    #[error("the signer's key was revoked since")]
    Revoked,
}

/// A request as it stands in the log.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Leaf hash of the request event.
    pub leaf: Digest,
    /// Its session.
    pub session: SessionId,
    /// Who asks.
    pub requester: &'a Principal,
    /// The request.
    pub body: &'a ApprovalRequested,
}

/// A decision as it stands in the log.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// Leaf hash of the decision event.
    pub leaf: Digest,
    /// When it was made, by the signer's clock.
    pub time: Timestamp,
    /// Whose key sealed it.
    pub signer: &'a KeyRecord,
    /// That key was revoked since, before anything came of the decision.
    pub revoked: bool,
    /// The decision.
    pub body: &'a ApprovalDecided,
}

/// A person's word that takes back what was approved, as it stands in the log.
#[derive(Clone, Copy, Debug)]
pub struct Revocation<'a> {
    /// Leaf hash of its event.
    pub leaf: Digest,
    /// Whose key sealed it.
    pub signer: &'a KeyRecord,
    /// What it says.
    pub body: &'a ApprovalRevoked,
}

/// What the decisions come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tally {
    /// Enough distinct people approved, of all the groups that must be there: the leaf hashes of their decisions, in the order given.
    Approved(Vec<Digest>),
    /// Too few did, and somebody who may lets it pass in an emergency: leaf hash of that decision, the one that lasts longest. How long
    /// it does says [`crate::emergency::ends`].
    Emergency(Digest),
    /// A person refused it, or took it back: leaf hash of that event.
    Refused(Digest),
    /// Not enough yet, or not of each group that must be there: distinct people that approved.
    Waiting(u64),
}

/// Checks that one decision counts for the request.
///
/// # Errors
/// The first [`ApprovalFault`].
pub fn check(request: &Request<'_>, decided: &Decided<'_>) -> Result<(), ApprovalFault> {
    let Request { body: asked, .. } = request;
    let Decided { body, signer, .. } = decided;
    let bindings = [
        ("request", body.request == request.leaf),
        ("command", body.command == asked.command),
        ("session", body.session == request.session),
        ("target", body.target == asked.target),
        ("policy", body.policy == asked.decision.policy),
        ("expiry", body.expires == asked.expires),
    ];
    if let Some((what, _)) = bindings.iter().find(|(_, same)| !same) {
        return Err(ApprovalFault::Other(what));
    }
    let of_requester = requests(&signer.name, request.requester);
    match () {
        () if decided.time > asked.expires => Err(ApprovalFault::Late),
        () if signer.role != Role::Person => Err(ApprovalFault::NotAPerson),
        () if body.verdict == Verdict::Emergency => check_emergency(request, decided),
        () if !signer.groups.iter().any(|group| counts(&asked.requirement, group)) => Err(ApprovalFault::Group),
        () if of_requester && !asked.requirement.requester_may_approve => Err(ApprovalFault::Requester),
        // People may refuse at any time.
        () if body.verdict == Verdict::Approve && !in_hours(&asked.requirement, decided.time) => {
            Err(ApprovalFault::Hours)
        }
        // A refusal stands: whoever may have signed it, nothing passes by it.
        () if decided.revoked && body.verdict == Verdict::Approve => Err(ApprovalFault::Revoked),
        () => Ok(()),
    }
}

/// Hours, groups and the number of people do not hold in an emergency; everything else does, also that nobody lets pass what is that
/// person's own.
fn check_emergency(request: &Request<'_>, decided: &Decided<'_>) -> Result<(), ApprovalFault> {
    let Decided { body, signer, .. } = decided;
    let requirement = &request.body.requirement;
    let Some(emergency) = &requirement.emergency else {
        return Err(ApprovalFault::NoEmergency);
    };
    match () {
        () if !signer.groups.iter().any(|group| emergency.groups.contains(group)) => Err(ApprovalFault::Initiator),
        () if requests(&signer.name, request.requester) && !requirement.requester_may_approve => {
            Err(ApprovalFault::Requester)
        }
        () if !body.gives_reason() => Err(ApprovalFault::Reason),
        () if body.terms.as_ref().is_some_and(|terms| terms.grant.is_some()) => Err(ApprovalFault::Grant),
        () if decided.revoked => Err(ApprovalFault::Revoked),
        () => Ok(()),
    }
}

/// The decision that lets it pass in an emergency: of several that count the one that was signed last.
pub fn emergency<'a>(request: &Request<'_>, decisions: &'a [Decided<'a>]) -> Option<&'a Decided<'a>> {
    let counted = decisions
        .iter()
        .filter(|decided| decided.body.verdict == Verdict::Emergency && check(request, decided).is_ok());
    counted.max_by_key(|decided| decided.time)
}

/// Checks that a person may take back what was approved for the request: whoever may approve it, and whoever did. It counts at any
/// time, and whoever's key ends then.
///
/// # Errors
/// The first [`ApprovalFault`].
pub fn check_revocation(
    request: &Request<'_>,
    decisions: &[Decided<'_>],
    revocation: &Revocation<'_>,
) -> Result<(), ApprovalFault> {
    let Revocation { body, signer, .. } = revocation;
    let approved = |decided: &Decided<'_>| {
        let by_hand = Decided {
            revoked: false,
            ..*decided
        };
        decided.signer.name == signer.name && decided.body.verdict != Verdict::Deny && check(request, &by_hand).is_ok()
    };
    match () {
        () if body.request != request.leaf => Err(ApprovalFault::Other("request")),
        () if body.session != request.session => Err(ApprovalFault::Other("session")),
        () if signer.role != Role::Person => Err(ApprovalFault::NotAPerson),
        () if signer
            .groups
            .iter()
            .any(|group| counts(&request.body.requirement, group)) =>
        {
            Ok(())
        }
        () if decisions.iter().any(approved) => Ok(()),
        () => Err(ApprovalFault::Group),
    }
}

/// The revocation among these that counts: the first one.
pub fn taken_back(request: &Request<'_>, decisions: &[Decided<'_>], revocations: &[Revocation<'_>]) -> Option<Digest> {
    let counts = |revocation: &&Revocation<'_>| check_revocation(request, decisions, revocation).is_ok();
    revocations.iter().find(counts).map(|revocation| revocation.leaf)
}

/// Those of the decisions that approve, or let pass in an emergency, and count, also where fewer were enough: whoever limits what is approved is heard.
pub fn approving<'a>(request: &Request<'_>, decisions: &[Decided<'a>]) -> Vec<Decided<'a>> {
    let approves = |decided: &&Decided<'_>| decided.body.verdict != Verdict::Deny && check(request, decided).is_ok();
    decisions.iter().filter(approves).copied().collect()
}

/// Whether somebody refuses, and counts.
pub fn is_refused(request: &Request<'_>, decisions: &[Decided<'_>]) -> bool {
    let refuses = |decided: &Decided<'_>| decided.body.verdict == Verdict::Deny && check(request, decided).is_ok();
    decisions.iter().any(refuses)
}

/// Whether people of a group count.
pub fn counts(requirement: &Requirement, group: &String) -> bool {
    requirement.groups.contains(group) || requirement.all_groups.iter().flatten().any(|other| other == group)
}

/// Whether approvals count at a time. People's clocks say when they approve, and the proxy's when something comes of it: both have to
/// be within the hours.
pub fn in_hours(requirement: &Requirement, time: Timestamp) -> bool {
    let hours = requirement.hours.as_ref();
    hours.is_none_or(|hours| hours::hold(hours, time))
}

/// Whether of each group that must be there another person is among them: a person stands for one group, however many that
/// person is in. It is Kuhn's search for a matching of groups with people.
fn of_all_groups(requirement: &Requirement, people: &[&KeyRecord]) -> bool {
    // Whom each group has so far, by their place; a person goes to another group if the one before can have somebody else.
    fn find(group: usize, of: &[Vec<usize>], tried: &mut BTreeSet<usize>, has: &mut BTreeMap<usize, usize>) -> bool {
        for person in of.get(group).into_iter().flatten() {
            if !tried.insert(*person) {
                continue;
            }
            let free = match has.get(person).copied() {
                None => true,
                Some(other) => find(other, of, tried, has),
            };
            if free {
                has.insert(*person, group);
                return true;
            }
        }
        false
    }
    let of_group = |group: &String| {
        let places = people.iter().enumerate();
        let members = places.filter(|(_, person)| person.groups.contains(group));
        members.map(|(place, _)| place).collect()
    };
    let of: Vec<Vec<usize>> = requirement.all_groups.iter().flatten().map(of_group).collect();
    let mut has = BTreeMap::new();
    (0..of.len()).all(|group| find(group, &of, &mut BTreeSet::new(), &mut has))
}

/// Whether a person is the requester, or set off the run that requests.
///
/// CI services take names of accounts without regard to case, and people are enrolled under the name that they have there; what an
/// authority writes into a certificate may be spelt otherwise, too.
pub fn requests(person: &str, requester: &Principal) -> bool {
    let actor = requester.run.as_ref().map(|run| run.actor.as_str());
    let names = [Some(requester.subject.as_str()), requester.client_id.as_deref(), actor];
    names
        .into_iter()
        .flatten()
        .any(|name| name.eq_ignore_ascii_case(person))
}

/// What the decisions that count come to; decisions that do not count are passed over.
///
/// People are told apart by name, so several keys of one person count once. An emergency is asked for last: where enough people approved,
/// there is none. One refusal ends the request, also where enough
/// people had approved it and nothing has come of that yet; so does what takes it back.
pub fn tally(request: &Request<'_>, decisions: &[Decided<'_>], revocations: &[Revocation<'_>]) -> Tally {
    let counted = || decisions.iter().filter(|decided| check(request, decided).is_ok());
    if let Some(refusal) = counted().find(|decided| decided.body.verdict == Verdict::Deny) {
        return Tally::Refused(refusal.leaf);
    }
    if let Some(revocation) = taken_back(request, decisions, revocations) {
        return Tally::Refused(revocation);
    }
    let requirement = &request.body.requirement;
    let mut people: Vec<&KeyRecord> = Vec::new();
    let mut leaves = Vec::new();
    for decided in counted().filter(|decided| decided.body.verdict == Verdict::Approve) {
        if people.iter().any(|person| person.name == decided.signer.name) {
            continue;
        }
        people.push(decided.signer);
        leaves.push(decided.leaf);
        if count(people.len()) >= requirement.people && of_all_groups(requirement, &people) {
            return Tally::Approved(leaves);
        }
    }
    match emergency(request, decisions) {
        Some(decided) => Tally::Emergency(decided.leaf),
        None => Tally::Waiting(count(people.len())),
    }
}

/// Whether two sessions are of one requester: the same account with the same groups, and the same job of the same run of a
/// pipeline. What each proved itself with may differ, as tokens do.
pub fn same_requester(left: &Principal, right: &Principal) -> bool {
    let as_left = Principal {
        evidence: left.evidence,
        ..right.clone()
    };
    as_left == *left
}

fn count(people: usize) -> u64 {
    u64::try_from(people).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
