//! Approvals: requests, what people decided about them, and whether a command may lean on it.
//!
//! Whether a decision counts, and what decisions come to, is said by `exhibit_policy::approval` alone, the code that the
//! proxy ran. Here it is asked again with the keys as they were at each index, and every decision is used once.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::approval::{ApprovalFault, Decided, Request, Tally, check, tally};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Effect, Outcome, Principal};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, Verdict};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;

use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};

/// How much later than its expiry an approved command may be recorded: the decision came in time, and its proxy then
/// needs a moment to record the command.
const USE_GRACE_US: u64 = 60_000_000;

const SECOND_US: u64 = 1_000_000;

/// A request as it stands in the log.
pub(crate) struct Asked {
    pub(crate) index: Index,
    pub(crate) session: SessionId,
    pub(crate) body: ApprovalRequested,
    requester: Option<Principal>,
    decisions: Vec<Digest>,
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
    pub(crate) signer: KeyRecord,
    pub(crate) body: ApprovalDecided,
    used: Option<Index>,
}

/// A command that was to wait for people, and where it stands.
pub(crate) struct Settled<'a> {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) target: Option<&'a str>,
    pub(crate) command: &'a Command,
    /// Leaf hash of the request that it names.
    pub(crate) request: Option<Digest>,
}

#[derive(Default)]
pub(crate) struct Approvals {
    requests: BTreeMap<Digest, Asked>,
    decisions: BTreeMap<Digest, Decision>,
    /// Entries are missing, and a request or a decision may have been among them.
    pub(crate) after_gap: bool,
}

impl Decision {
    fn decided(&self, leaf: Digest) -> Decided<'_> {
        Decided {
            leaf,
            time: self.time,
            signer: &self.signer,
            body: &self.body,
        }
    }
}

impl Asked {
    fn request(&self, leaf: Digest) -> Option<Request<'_>> {
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

    /// Index of a request.
    pub(crate) fn request_index(&self, leaf: Digest) -> Option<Index> {
        self.requests.get(&leaf).map(|asked| asked.index)
    }

    /// Index of a decision.
    pub(crate) fn decision_index(&self, leaf: Digest) -> Option<Index> {
        self.decisions.get(&leaf).map(|decision| decision.index)
    }

    /// Takes a request whose decision was replayed already; checks that it asks what its policy says.
    pub(crate) fn requested(
        &mut self,
        placed: &Placed,
        session: SessionId,
        requester: Option<Principal>,
        body: &ApprovalRequested,
        policy: Option<&Snapshot>,
        findings: &mut Findings,
    ) {
        if let Some(policy) = policy
            && let Some(what) = requirement_fault(body, placed.event.time, policy)
        {
            findings.add(Code::ApprovalRequirement, Place::Entry(placed.index), what);
        }
        let asked = Asked {
            index: placed.index,
            session,
            body: body.clone(),
            requester,
            decisions: Vec::new(),
            ended: None,
        };
        self.requests.insert(placed.leaf, asked);
    }

    /// Takes a person's decision.
    pub(crate) fn decided(&mut self, placed: &Placed, body: &ApprovalDecided, findings: &mut Findings) {
        let place = Place::Entry(placed.index);
        let Some(signer) = placed.signer.clone() else {
            return; // its key is unknown, which was said with its seal
        };
        let decision = Decision {
            index: placed.index,
            time: placed.event.time,
            signer,
            body: body.clone(),
            used: None,
        };
        match self.requests.get_mut(&body.request) {
            Some(asked) => {
                let fault = asked
                    .request(body.request)
                    .map(|request| check(&request, &decision.decided(placed.leaf)));
                if let Some(Err(fault)) = fault {
                    findings.add(Code::ApprovalUncounted, place, fault.to_string());
                }
                asked.decisions.push(placed.leaf);
            }
            None if self.after_gap => {}
            None => findings.add(
                Code::ApprovalUncounted,
                place,
                "it names no request that stands before it",
            ),
        }
        self.decisions.insert(placed.leaf, decision);
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

    /// Checks a command that people were asked about: approved, refused or expired.
    pub(crate) fn settle(&mut self, settled: &Settled<'_>, findings: &mut Findings) {
        let place = Place::Entry(settled.index);
        let asked = settled.request.and_then(|leaf| Some((leaf, self.requests.get(&leaf)?)));
        let Some((leaf, asked)) = asked else {
            if !self.after_gap {
                findings.add(Code::ApprovalMissing, place, "it names no request of its session");
            }
            return;
        };
        let bound = binding_fault(settled, asked);
        if let Some(what) = bound {
            let detail = format!("{what} is not that of its request #{}", asked.index);
            findings.add(Code::ApprovalBinding, place.clone(), detail);
        }
        let expired = matches!(asked.ended, Some(Ended::Expired(_)));
        match (settled.command.outcome, asked.ended) {
            (_, Some(Ended::Settled(before))) => {
                let detail = format!("its request #{} was settled by #{before}", asked.index);
                findings.add(Code::ApprovalReused, place, detail);
            }
            (Outcome::Approved, ended) => {
                if let Some(Ended::Expired(at)) = ended {
                    let detail = format!("its request #{} had expired at #{at}", asked.index);
                    findings.add(Code::ApprovalLate, place, detail);
                }
                self.approved(settled, leaf, findings);
            }
            (Outcome::Refused, _) => {
                if !matches!(self.tally(leaf), Some(Tally::Refused(_))) && !self.after_gap {
                    findings.add(Code::OutcomeDiffers, place, "no person of the right group refused it");
                }
            }
            (_, _) => {
                if !expired && !self.after_gap {
                    findings.add(Code::OutcomeDiffers, place, "its request did not expire before it");
                }
            }
        }
        // An expired request keeps saying that it expired, unless a command came of it.
        if let Some(asked) = self.requests.get_mut(&leaf) {
            asked.ended = Some(Ended::Settled(settled.index));
        }
    }

    fn approved(&mut self, settled: &Settled<'_>, request: Digest, findings: &mut Findings) {
        let place = Place::Entry(settled.index);
        let mut fault = false;
        let mut add = |code, detail: String| {
            fault = true;
            findings.add(code, place.clone(), detail);
        };
        let named = settled.command.approvals.as_deref().unwrap_or_default();
        if named.is_empty() {
            add(Code::ApprovalMissing, "it names no decision".to_owned());
        }
        let expires = self.requests.get(&request).map(|asked| asked.body.expires);
        if expires.is_some_and(|expires| settled.time.0 > expires.0.saturating_add(USE_GRACE_US)) {
            add(Code::ApprovalLate, "it ran after its request expired".to_owned());
        }
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
            if let Some(used) = decision.used {
                add(Code::ApprovalReused, format!("{of} was used by #{used}"));
            } else if !seen.insert(*leaf) {
                add(Code::ApprovalReused, format!("{of} is named twice"));
            }
            let asked = self.requests.get(&request).and_then(|asked| asked.request(request));
            match asked.map(|asked| check(&asked, &decision.decided(*leaf))) {
                Some(Err(error)) => add(code(error), format!("{of}: {error}")),
                _ if decision.body.verdict == Verdict::Deny => add(Code::ApprovalRefused, format!("{of} refuses it")),
                _ => {}
            }
        }
        // A decision that does not count says so above, and the missing person follows from it.
        if !fault && !self.after_gap {
            match self.tally(request) {
                Some(Tally::Approved(leaves)) if leaves.iter().all(|leaf| named.contains(leaf)) => {}
                Some(Tally::Approved(_)) => findings.add(
                    Code::ApprovalMissing,
                    place,
                    "it does not name the decisions that count",
                ),
                Some(Tally::Refused(leaf)) => {
                    let index = self.decision_index(leaf).unwrap_or(settled.index);
                    findings.add(Code::ApprovalRefused, place, format!("decision #{index} refuses it"));
                }
                Some(Tally::Waiting(people)) => {
                    findings.add(Code::ApprovalPeople, place, format!("{people} approved it"));
                }
                None => {}
            }
        }
        for leaf in named {
            if let Some(decision) = self.decisions.get_mut(leaf) {
                decision.used.get_or_insert(settled.index);
            }
        }
    }

    /// What the decisions so far come to; `None` where the requester is not known.
    fn tally(&self, request: Digest) -> Option<Tally> {
        let asked = self.requests.get(&request)?;
        let decisions: Vec<_> = asked
            .decisions
            .iter()
            .filter_map(|leaf| Some(self.decisions.get(leaf)?.decided(*leaf)))
            .collect();
        Some(tally(&asked.request(request)?, &decisions))
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
    let differs = [
        ("the name", asked.name != approval.name),
        ("the groups", !same_groups(&asked.groups, &approval.groups)),
        ("the number of people", asked.people != approval.people),
        (
            "whether the requester may approve",
            asked.requester_may_approve != approval.requester_may_approve,
        ),
        // The proxy reads its clock before it makes the event, so a request may only end earlier than that.
        ("the expiry", body.expires.0 > longest),
    ];
    let (what, _) = differs.into_iter().find(|(_, differs)| *differs)?;
    Some(format!("{what} of approval `{name}`"))
}

fn same_groups(left: &[String], right: &[String]) -> bool {
    let set = |groups: &[String]| groups.iter().cloned().collect::<BTreeSet<_>>();
    set(left) == set(right)
}

/// What of a command is not that of the request that it names.
fn binding_fault(settled: &Settled<'_>, asked: &Asked) -> Option<&'static str> {
    let (command, body) = (settled.command, &asked.body);
    let differs = [
        ("its session", asked.session != settled.session),
        ("its target", settled.target.is_some_and(|target| target != body.target)),
        ("its digest", command.digest != body.command),
        ("its statement", command.statement != body.statement),
        ("its facts", command.facts != body.facts),
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
        ApprovalFault::Requester => Code::ApprovalRequester,
    }
}
