//! Approvals: requests, what people decided about them, and whether a command may lean on it.
//!
//! Whether a decision counts, and what decisions come to, is said by `exhibit_policy::approval` alone, the code that the
//! proxy ran. Here it is asked again with the keys as they were at each index, and every decision is used once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exhibit_policy::approval::{ApprovalFault, Decided, Request, Tally, check, in_hours, same_requester, tally};
use exhibit_policy::decide::Asker;
use exhibit_policy::estimate::same_again;
use exhibit_policy::grant::within;
use exhibit_policy::hours::Hours;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Effect, Outcome, Principal};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, Verdict};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;

use crate::allowance::{Released, Revoked};
use crate::batch::Placed;
use crate::emergency::Passed;
use crate::finding::{Code, Findings, Place};
use crate::grant::{InForce, beyond};

/// How much later than its expiry, or than what takes an approval back, an approved command may be recorded: its proxy had what
/// it decided by in time, and then needs a moment to record the command.
pub(crate) const USE_GRACE_US: u64 = 60_000_000;

const SECOND_US: u64 = 1_000_000;

/// A request as it stands in the log.
pub(crate) struct Asked {
    pub(crate) index: Index,
    pub(crate) session: SessionId,
    /// By its proxy's clock.
    pub(crate) time: Timestamp,
    pub(crate) body: ApprovalRequested,
    proxy: KeyId,
    pub(crate) requester: Option<Principal>,
    /// Where the term of the policy in force then begins.
    term: Option<Index>,
    decisions: Vec<Digest>,
    pub(crate) revocations: Vec<Revoked>,
    pub(crate) released: Released,
    /// Where what was approved is a grant.
    pub(crate) granted: Option<InForce>,
    /// What passed by it in an emergency.
    pub(crate) emergency: Option<Passed>,
    ended: Option<Ended>,
}

#[derive(Clone, Copy)]
enum Ended {
    Expired(Index),
    Settled(Index),
}

/// A decision as it stands in the log.
pub(crate) struct Decision {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    /// When it stood in the log at the earliest, as far as the log's clock tells: nobody could know of it before.
    said: Timestamp,
    /// Shared with all decisions of the same person under the same key.
    pub(crate) signer: Arc<KeyRecord>,
    pub(crate) body: ApprovalDecided,
    used: Option<Index>,
}

/// A command that was to wait for people, and where it stands.
pub(crate) struct Settled<'a> {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) proxy: KeyId,
    pub(crate) target: Option<&'a str>,
    pub(crate) requester: Option<&'a Principal>,
    pub(crate) command: &'a Command,
    /// Where the term of the policy in force begins.
    pub(crate) term: Option<Index>,
    /// Leaf hash of the request that it names.
    pub(crate) request: Option<Digest>,
    /// All rules that ask about it, where its policy and its session are known.
    pub(crate) askers: Option<BTreeSet<Asker>>,
}

/// What took approvals back.
#[derive(Clone, Copy)]
pub(crate) struct TakenBack {
    pub(crate) index: Index,
    /// When it stood in the log at the earliest: by its signer's clock, which may be slow, or by the log's.
    pub(crate) time: Timestamp,
}

impl TakenBack {
    /// Whether the proxy had to know it when it let a command through that leans on decisions up to `last`: it is told in the
    /// order of the log, and has a moment otherwise.
    fn known(self, settled: &Settled<'_>, last: Option<Index>) -> bool {
        last.is_some_and(|last| self.index < last) || self.time.0.saturating_add(USE_GRACE_US) < settled.time.0
    }
}

#[derive(Default)]
pub(crate) struct Approvals {
    requests: BTreeMap<Digest, Asked>,
    decisions: BTreeMap<Digest, Decision>,
    /// Who signed them, as they were last.
    signers: BTreeMap<KeyId, Arc<KeyRecord>>,
    /// Keys that were revoked.
    revoked: BTreeMap<KeyId, TakenBack>,
    /// Entries are missing, and a request or a decision may have been among them.
    pub(crate) after_gap: bool,
}

impl Decision {
    fn decided(&self, leaf: Digest) -> Decided<'_> {
        Decided {
            leaf,
            time: self.time,
            signer: &self.signer,
            revoked: false,
            body: &self.body,
        }
    }
}

impl Asked {
    /// Leaf hashes of the decisions about it, in the order of the log.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = Digest> {
        self.decisions.iter().copied()
    }

    pub(crate) fn request(&self, leaf: Digest) -> Option<Request<'_>> {
        Some(Request {
            leaf,
            session: self.session,
            requester: self.requester.as_ref()?,
            body: &self.body,
        })
    }
}

impl Approvals {
    /// Requests in the order of the log.
    pub(crate) fn requests(&self) -> Vec<(&Digest, &Asked)> {
        let mut requests: Vec<_> = self.requests.iter().collect();
        requests.sort_by_key(|(_, asked)| asked.index);
        requests
    }

    /// Decisions in the order of the log.
    pub(crate) fn decisions(&self) -> Vec<(&Digest, &Decision)> {
        let mut decisions: Vec<_> = self.decisions.iter().collect();
        decisions.sort_by_key(|(_, decision)| decision.index);
        decisions
    }

    pub(crate) fn asked(&self, leaf: Digest) -> Option<&Asked> {
        self.requests.get(&leaf)
    }

    pub(crate) fn asked_mut(&mut self, leaf: Digest) -> Option<&mut Asked> {
        self.requests.get_mut(&leaf)
    }

    pub(crate) fn decision(&self, leaf: Digest) -> Option<&Decision> {
        self.decisions.get(&leaf)
    }

    /// Index of a request.
    pub(crate) fn request_index(&self, leaf: Digest) -> Option<Index> {
        self.requests.get(&leaf).map(|asked| asked.index)
    }

    /// Index of a decision.
    pub(crate) fn decision_index(&self, leaf: Digest) -> Option<Index> {
        self.decisions.get(&leaf).map(|decision| decision.index)
    }

    /// The policy by which a request was made.
    pub(crate) fn policy(&self, leaf: Digest) -> Option<Digest> {
        self.requests.get(&leaf).map(|asked| asked.body.decision.policy)
    }

    /// Takes a request whose decision was replayed already; checks that it asks what its policy says.
    pub(crate) fn requested(
        &mut self,
        placed: &Placed,
        session: SessionId,
        requester: Option<Principal>,
        body: &ApprovalRequested,
        (policy, term): (Option<&Snapshot>, Option<Index>),
        findings: &mut Findings,
    ) {
        if let Some(policy) = policy
            && let Some(what) = requirement_fault(body, placed.event.time, policy)
        {
            findings.add(Code::ApprovalRequirement, Place::Entry(placed.index), what);
        }
        if let (Some(said), Some(opened)) = (&body.requester, &requester)
            && **said != *opened
        {
            let detail = format!(
                "it names `{}`, and its session is of `{}`",
                said.subject, opened.subject
            );
            findings.add(Code::ApprovalAsker, Place::Entry(placed.index), detail);
        }
        let asked = Asked {
            index: placed.index,
            session,
            time: placed.event.time,
            body: body.clone(),
            proxy: placed.event.emitter.0,
            requester,
            term,
            decisions: Vec::new(),
            revocations: Vec::new(),
            released: Released::default(),
            granted: None,
            emergency: None,
            ended: None,
        };
        self.requests.insert(placed.leaf, asked);
    }

    /// Takes a person's decision; gives why it counts for nothing.
    pub(crate) fn takes_decision(
        &mut self,
        placed: &Placed,
        clock: Timestamp,
        body: &ApprovalDecided,
        findings: &mut Findings,
    ) -> Option<String> {
        let place = Place::Entry(placed.index);
        // Where its key is unknown, that was said with its seal.
        let signer = self.shared(placed.signer.as_ref()?);
        let decision = Decision {
            index: placed.index,
            time: placed.event.time,
            said: placed.event.time.max(clock),
            signer,
            body: body.clone(),
            used: None,
        };
        let why = match self.requests.get_mut(&body.request) {
            Some(asked) => {
                let fault = asked
                    .request(body.request)
                    .map(|request| check(&request, &decision.decided(placed.leaf)));
                if let Some(what) = beyond(&asked.body, body) {
                    findings.add(Code::GrantTerms, place.clone(), what);
                }
                asked.decisions.push(placed.leaf);
                fault.and_then(Result::err).map(|fault| fault.to_string())
            }
            None if self.after_gap => None,
            None => Some("it names no request that stands before it".to_owned()),
        };
        if let Some(why) = &why {
            findings.add(Code::ApprovalUncounted, place, why.clone());
        }
        self.decisions.insert(placed.leaf, decision);
        why
    }

    /// A signer as it was then, which is the same for most of what a key signs.
    fn shared(&mut self, signer: &KeyRecord) -> Arc<KeyRecord> {
        let known = self.signers.entry(signer.key.id());
        let known = known.or_insert_with(|| Arc::new(signer.clone()));
        if **known != *signer {
            *known = Arc::new(signer.clone());
        }
        Arc::clone(known)
    }

    /// A key was revoked.
    pub(crate) fn key_revoked(&mut self, placed: &Placed, clock: Timestamp, key: KeyId) {
        let (index, time) = (placed.index, placed.event.time.max(clock));
        self.revoked.entry(key).or_insert(TakenBack { index, time });
    }

    /// Whether a key was revoked by now.
    pub(crate) fn is_revoked(&self, signer: &KeyRecord) -> bool {
        self.revoked.contains_key(&signer.key.id())
    }

    /// A request ended without a decision; `request` is its leaf hash, where the session has such a request.
    pub(crate) fn expired(&mut self, index: Index, request: Option<Digest>, findings: &mut Findings) {
        match request.and_then(|leaf| self.requests.get_mut(&leaf)) {
            Some(asked) if asked.ended.is_none() => asked.ended = Some(Ended::Expired(index)),
            Some(_) => findings.add(Code::ApprovalLate, Place::Entry(index), "the request had ended before"),
            None if self.after_gap => {}
            None => findings.add(
                Code::ApprovalMissing,
                Place::Entry(index),
                "it names no request of its session",
            ),
        }
    }

    /// Checks a command that people were asked about: approved, refused, expired or postponed.
    pub(crate) fn settle(&mut self, settled: &Settled<'_>, findings: &mut Findings) {
        let place = Place::Entry(settled.index);
        let asked = settled.request.and_then(|leaf| Some((leaf, self.requests.get(&leaf)?)));
        let Some((leaf, asked)) = asked else {
            if !self.after_gap {
                let what = match settled.command.retries {
                    None => "it names no request of its session",
                    Some(_) => "it names no request that stands before it",
                };
                findings.add(Code::ApprovalMissing, place, what);
            }
            return;
        };
        let granted = settled.command.outcome == Outcome::Approved && asked.granted.is_some();
        // The first is the command that people were asked about; a proxy lets others pass by its grant once that one is in the log.
        let other = settled.command.retries.is_some() && (granted || self.may_be_granted(settled, leaf));
        if let Some(what) = binding_fault(settled, asked)
            && !other
        {
            let detail = format!("{what} is not that of its request #{}", asked.index);
            findings.add(Code::ApprovalBinding, place.clone(), detail);
        }
        if settled.command.retries.is_some() && asked.body.held_until.is_none() && !other {
            let detail = format!("its request #{} ended with the wait of its session", asked.index);
            findings.add(Code::ApprovalBinding, place.clone(), detail);
        }
        if settled.command.outcome == Outcome::Postponed {
            if let Some(what) = postponed_fault(settled, asked) {
                findings.add(Code::OutcomeDiffers, place, what);
            }
            return; // the request stays open
        }
        match (settled.command.outcome, asked.ended) {
            (_, Some(Ended::Settled(_))) if granted => {
                self.same_term(settled, leaf, findings);
                self.approved(settled, leaf, findings);
            }
            (_, Some(Ended::Settled(before))) => {
                let detail = format!("its request #{} was settled by #{before}", asked.index);
                findings.add(Code::ApprovalReused, place, detail);
            }
            (Outcome::Approved, ended) => {
                if let Some(Ended::Expired(at)) = ended {
                    let detail = format!("its request #{} had expired at #{at}", asked.index);
                    findings.add(Code::ApprovalLate, place, detail);
                }
                self.same_term(settled, leaf, findings);
                self.approved(settled, leaf, findings);
            }
            (Outcome::Refused, _) => {
                if !matches!(self.tally(leaf, |_, _| true, |_| true), Some(Tally::Refused(_))) && !self.after_gap {
                    findings.add(Code::OutcomeDiffers, place, "no person of the right group refused it");
                }
            }
            (_, ended) => {
                // The session of a retry cannot end a request of another; its time alone does.
                let over = settled.command.retries.is_some() && settled.time >= asked.body.expires;
                if !over && !matches!(ended, Some(Ended::Expired(_))) && !self.after_gap {
                    findings.add(Code::OutcomeDiffers, place, "its request did not expire before it");
                }
            }
        }
        // An expired request keeps saying that it expired, unless a command came of it.
        if let Some(asked) = self.requests.get_mut(&leaf) {
            asked.ended = Some(Ended::Settled(settled.index));
        }
    }

    /// Holds that the policy in force is still in the term in which it asked.
    fn same_term(&self, settled: &Settled<'_>, request: Digest, findings: &mut Findings) {
        let Some(asked) = self.requests.get(&request) else {
            return;
        };
        if let (Some(asked_in), Some(term)) = (asked.term, settled.term)
            && asked_in != term
        {
            let detail = format!(
                "its request #{} was asked before #{term} put another policy in force",
                asked.index
            );
            findings.add(Code::ApprovalLate, Place::Entry(settled.index), detail);
        }
    }

    fn approved(&mut self, settled: &Settled<'_>, request: Digest, findings: &mut Findings) {
        let named = settled.command.approvals.as_deref().unwrap_or_default();
        let before = findings.errors();
        self.named(settled, request, named, findings);
        // A decision that does not count says so, and the missing person follows from it.
        if findings.errors() == before && !self.after_gap {
            self.enough(settled, request, named, findings);
        }
        self.passes_by_grant(settled, request, named, findings);
        self.used(request, named, settled.index, settled.time);
        for leaf in named {
            if let Some(decision) = self.decisions.get_mut(leaf) {
                decision.used.get_or_insert(settled.index);
            }
        }
    }

    /// Checks each decision that an approved command names.
    fn named(&self, settled: &Settled<'_>, request: Digest, named: &[Digest], findings: &mut Findings) {
        let mut add = |code, detail: String| findings.add(code, Place::Entry(settled.index), detail);
        if named.is_empty() {
            add(Code::ApprovalMissing, "it names no decision".to_owned());
        }
        // A grant outlives the request, and its decisions are named each time.
        let again = self.requests.get(&request).is_some_and(|asked| asked.granted.is_some());
        let expires = self.requests.get(&request).map(|asked| asked.body.expires);
        let expires = expires.filter(|_| !again);
        if expires.is_some_and(|expires| settled.time.0 > expires.0.saturating_add(USE_GRACE_US)) {
            add(Code::ApprovalLate, "it ran after its request expired".to_owned());
        }
        let requirement = self.requests.get(&request).map(|asked| &asked.body.requirement);
        // The proxy read its clock up to so long before it made the event.
        let since = Timestamp(settled.time.0.saturating_sub(USE_GRACE_US));
        let emergency = self.emergency_of(named).is_some();
        if self.is_over(request, named, settled.time) {
            add(Code::EmergencyOver, "it passed after the emergency was over".to_owned());
        }
        if !emergency && requirement.is_some_and(|of| !in_hours(of, settled.time) && !in_hours(of, since)) {
            add(Code::ApprovalHours, "it passed outside of the hours".to_owned());
        }
        let last = self.last(named);
        let mut seen = BTreeSet::new();
        for leaf in named {
            let Some(decision) = self.decisions.get(leaf) else {
                if !self.after_gap {
                    add(
                        Code::ApprovalMissing,
                        format!("decision {leaf} does not stand before it"),
                    );
                }
                continue;
            };
            let of = format!("decision #{}", decision.index);
            if let Some(used) = decision.used.filter(|_| !again) {
                add(Code::ApprovalReused, format!("{of} was used by #{used}"));
            } else if !seen.insert(*leaf) {
                add(Code::ApprovalReused, format!("{of} is named twice"));
            }
            let revoked = self.revoked.get(&decision.signer.key.id());
            let decided = Decided {
                revoked: revoked.is_some_and(|revoked| revoked.known(settled, last)),
                ..decision.decided(*leaf)
            };
            let asked = self.requests.get(&request).and_then(|asked| asked.request(request));
            match asked.map(|asked| check(&asked, &decided)) {
                Some(Err(error)) => add(code(error), format!("{of}: {error}")),
                _ if decision.body.verdict == Verdict::Deny => add(Code::ApprovalRefused, format!("{of} refuses it")),
                _ => {}
            }
        }
    }

    /// Checks that the decisions that an approved command names are enough, and that nobody had refused it.
    fn enough(&self, settled: &Settled<'_>, request: Digest, named: &[Digest], findings: &mut Findings) {
        let place = Place::Entry(settled.index);
        let last = self.last(named);
        let counts = |leaf: &Digest, decision: &Decision| match decision.body.verdict {
            Verdict::Approve | Verdict::Emergency => named.contains(leaf),
            Verdict::Deny => {
                let (index, time) = (decision.index, decision.said);
                TakenBack { index, time }.known(settled, last)
            }
        };
        let takes_back = |revoked: &Revoked| revoked.taken_back().known(settled, last);
        match self.tally(request, counts, takes_back) {
            Some(Tally::Approved(leaves)) if named.iter().all(|leaf| leaves.contains(leaf)) => {}
            Some(Tally::Emergency(leaf)) if *named == [leaf] => {}
            Some(Tally::Approved(_) | Tally::Emergency(_)) => findings.add(
                Code::ApprovalMissing,
                place,
                "it names other decisions than those that count",
            ),
            Some(Tally::Refused(leaf)) => match self.decision_index(leaf) {
                Some(index) => findings.add(Code::ApprovalRefused, place, format!("decision #{index} refuses it")),
                None => findings.add(Code::ApprovalRevoked, place, "it had been taken back"),
            },
            Some(Tally::Waiting(people)) => {
                findings.add(Code::ApprovalPeople, place, format!("{people} approved it"));
            }
            None => {}
        }
    }

    /// Index of the last of these decisions.
    fn last(&self, named: &[Digest]) -> Option<Index> {
        named.iter().filter_map(|leaf| self.decision_index(*leaf)).max()
    }

    /// What those of the decisions and revocations so far come to that are chosen; `None` where the requester is not known.
    fn tally(
        &self,
        request: Digest,
        chosen: impl Fn(&Digest, &Decision) -> bool,
        takes_back: impl Fn(&Revoked) -> bool,
    ) -> Option<Tally> {
        let asked = self.requests.get(&request)?;
        let revocations = asked.revocations.iter().filter(|revoked| takes_back(revoked));
        let revocations: Vec<_> = revocations.map(Revoked::revocation).collect();
        let decisions = self.decided(asked, chosen);
        Some(tally(&asked.request(request)?, &decisions, &revocations))
    }

    /// Those of the decisions about a request that are chosen.
    pub(crate) fn decided(&self, asked: &Asked, chosen: impl Fn(&Digest, &Decision) -> bool) -> Vec<Decided<'_>> {
        let decisions = asked
            .decisions
            .iter()
            .filter_map(|leaf| Some((leaf, self.decisions.get(leaf)?)));
        decisions
            .filter(|(leaf, decision)| chosen(leaf, decision))
            .map(|(leaf, decision)| decision.decided(*leaf))
            .collect()
    }
}

/// What of a request is not as its policy has it.
fn requirement_fault(body: &ApprovalRequested, time: Timestamp, policy: &Snapshot) -> Option<String> {
    let asked = &body.requirement;
    if body.decision.effect != Effect::Ask {
        return Some("the policy does not ask".to_owned());
    }
    let name = body.decision.approval.as_deref().unwrap_or_default();
    let Some(approval) = policy.approval(name) else {
        return Some("the policy has no such approval".to_owned());
    };
    let longest = time.0.saturating_add(approval.expires_s.saturating_mul(SECOND_US));
    let held = approval
        .hold_s
        .map(|hold_s| time.0.saturating_add(hold_s.saturating_mul(SECOND_US)));
    let differs = [
        ("the name", asked.name != approval.name),
        ("the groups", !same_groups(&asked.groups, &approval.groups)),
        (
            "the groups of which each must be there",
            asked.all_groups != approval.all_groups,
        ),
        (
            "the hours",
            asked.hours.as_ref() != approval.hours.as_ref().map(Hours::stated),
        ),
        ("the number of people", asked.people != approval.people),
        (
            "who may let it pass in an emergency",
            asked.emergency.as_deref().cloned()
                != approval
                    .emergency
                    .as_ref()
                    .and_then(|emergency| emergency.stated(&body.target)),
        ),
        (
            "whether the requester may approve",
            asked.requester_may_approve != approval.requester_may_approve,
        ),
        (
            "what may be granted",
            asked.grants.as_ref().is_some_and(|stated| {
                let most = approval
                    .grants
                    .as_ref()
                    .and_then(|grants| grants.bounds(&body.statement, &body.facts));
                most.is_none_or(|most| !within(stated, &most))
            }),
        ),
        // The proxy reads its clock before it makes the event, so a request may only end earlier than that.
        ("the expiry", body.expires.0 > longest),
        ("the wait", body.held_until.is_some_and(|until| Some(until.0) > held)),
    ];
    let (what, _) = differs.into_iter().find(|(_, differs)| *differs)?;
    Some(format!("{what} of approval `{name}`"))
}

fn same_groups(left: &[String], right: &[String]) -> bool {
    let set = |groups: &[String]| groups.iter().cloned().collect::<BTreeSet<_>>();
    set(left) == set(right)
}

/// Why a command cannot have left its request open.
fn postponed_fault(settled: &Settled<'_>, asked: &Asked) -> Option<&'static str> {
    let retry = settled.command.retries.is_some();
    match (retry, asked.body.held_until, asked.ended) {
        (false, None, _) => Some("its request does not stay open"),
        (false, Some(_), Some(Ended::Expired(_))) => Some("its request had ended before it"),
        // A retry may take the request up, and be recorded, before this one is.
        (false, Some(until), _) if settled.time < until => Some("its session was still to wait"),
        // A retry may find that it came second.
        (_, _, _) if settled.command.approvals.is_some() => Some("it names decisions, and did not pass"),
        (_, _, _) => None,
    }
}

/// What of a command is not that of the request that it names.
fn binding_fault(settled: &Settled<'_>, asked: &Asked) -> Option<&'static str> {
    let (command, body) = (settled.command, &asked.body);
    let retry = command.retries.is_some();
    let of_another = match (&asked.requester, settled.requester) {
        (Some(first), Some(again)) => !same_requester(first, again),
        (_, _) => false, // an opening is missing, which was said
    };
    let differs = [
        ("its session", !retry && asked.session != settled.session),
        ("its proxy", asked.proxy != settled.proxy),
        ("its requester", of_another),
        ("its target", settled.target.is_some_and(|target| target != body.target)),
        ("its digest", command.digest != body.command),
        ("its statement", command.statement != body.statement),
        // A retry is made at another time, and no more rows may be estimated of it.
        (
            "its facts",
            command.facts != body.facts && !(retry && same_again(&body.facts, &command.facts)),
        ),
        ("its decision", command.decision != body.decision),
    ];
    differs.into_iter().find_map(|(what, differs)| differs.then_some(what))
}

fn code(fault: ApprovalFault) -> Code {
    match fault {
        ApprovalFault::Other(_) => Code::ApprovalBinding,
        ApprovalFault::Late => Code::ApprovalLate,
        ApprovalFault::NotAPerson => Code::ApprovalSigner,
        ApprovalFault::Group => Code::ApprovalGroup,
        ApprovalFault::NoEmergency | ApprovalFault::Grant => Code::EmergencyPolicy,
        ApprovalFault::Initiator => Code::EmergencyInitiator,
        ApprovalFault::Reason => Code::EmergencyReason,
        ApprovalFault::Requester => Code::ApprovalRequester,
        ApprovalFault::Hours => Code::ApprovalHours,
        ApprovalFault::Revoked => Code::ApprovalRevoked,
    }
}
