//! Commands that people were asked about: whether what they say of their request, and of the decisions that they name, is so.

use std::collections::BTreeSet;

use exhibit_policy::approval::{ApprovalFault, Decided, Tally, check, in_hours, same_requester, tally};
use exhibit_policy::decide::Asker;
use exhibit_policy::estimate::same_again;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Outcome, Principal};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;

use super::{Approvals, Asked, Decision, Ended, USE_GRACE_US};
use crate::allowance::Revoked;
use crate::finding::{Code, Findings, Place};

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

impl Approvals {
    /// Checks a command that people were asked about: approved, refused, expired or postponed.
    pub(crate) fn settle(&mut self, settled: &Settled<'_>, findings: &mut Findings) {
        let place = Place::Entry(settled.index);
        let asked = settled.request.and_then(|leaf| Some((leaf, self.asked(leaf)?)));
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
        if let Some(what) = binding_fault(settled, &asked)
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
            if let Some(what) = postponed_fault(settled, &asked) {
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
        if let Some(asked) = self.requests.get_mut(leaf) {
            asked.ended = Some(Ended::Settled(settled.index));
        }
    }

    /// Holds that the policy in force is still in the term in which it asked.
    fn same_term(&self, settled: &Settled<'_>, request: Digest, findings: &mut Findings) {
        let Some(asked) = self.asked(request) else {
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
            if let Some(decision) = self.decisions.get_mut(*leaf) {
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
        let asked = self.asked(request);
        let again = asked.as_ref().is_some_and(|asked| asked.granted.is_some());
        let expires = asked.as_ref().map(|asked| asked.body.expires);
        let expires = expires.filter(|_| !again);
        if expires.is_some_and(|expires| settled.time.0 > expires.0.saturating_add(USE_GRACE_US)) {
            add(Code::ApprovalLate, "it ran after its request expired".to_owned());
        }
        let requirement = asked.as_ref().map(|asked| &asked.body.requirement);
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
            let Some(decision) = self.decision(*leaf) else {
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
            let Some(signer) = self.signer(decision.signer) else {
                continue;
            };
            let revoked = self.revoked.get(&signer.key.id());
            let decided = Decided {
                revoked: revoked.is_some_and(|revoked| revoked.known(settled, last)),
                ..decision.decided(*leaf, signer)
            };
            let asked = asked.as_ref().and_then(|asked| asked.request(request));
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
        let asked = self.asked(request)?;
        let revocations = asked.revocations.iter().filter(|revoked| takes_back(revoked));
        let made = self.made(asked.decisions());
        let decisions = made.decided(chosen);
        let revocations = revocations.filter_map(|revoked| Some(revoked.revocation(self.signer(revoked.signer)?)));
        let revocations: Vec<_> = revocations.collect();
        Some(tally(&asked.request(request)?, &decisions, &revocations))
    }
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
