//! Approvals: requests, what people decided about them, and whether a command may lean on it.
//!
//! Whether a decision counts, and what decisions come to, is said by `exhibit_policy::approval` alone, the code that the
//! proxy ran. Here it is asked again with the keys as they were at each index, and every decision is used once.
//!
//! Something may be said about a request until the log ends, however long ago it was settled: all of them are kept, and those that were
//! used last stand in memory ([`Shelf`]).

mod requirement;
mod settled;

use std::collections::BTreeMap;
use std::rc::Rc;

use exhibit_policy::approval::{Decided, Request, check};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use serde::{Deserialize, Serialize};

pub(crate) use self::settled::{Settled, TakenBack};
use crate::allowance::{Released, Revoked};
use crate::batch::Placed;
use crate::emergency::Passed;
use crate::finding::{Code, Findings, Place};
use crate::grant::{InForce, beyond};
use crate::spill::{Shelf, Slots, Spill};

/// How much later than its expiry, or than what takes an approval back, an approved command may be recorded: its proxy had what
/// it decided by in time, and then needs a moment to record the command.
pub(crate) const USE_GRACE_US: u64 = 60_000_000;

/// Requests that stand in memory: more than people are asked at once in most places. Of some kilobytes each, and read again in microseconds.
const REQUESTS_NEAR_MAX: usize = 64;

/// Decisions that do: two to each of those requests. Of hundreds of bytes each.
const DECISIONS_NEAR_MAX: usize = 128;

/// A request as it stands in the log.
#[derive(Clone, Serialize, Deserialize)]
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

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Ended {
    Expired(Index),
    Settled(Index),
}

/// A decision as it stands in the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Decision {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    /// When it stood in the log at the earliest, as far as the log's clock tells: nobody could know of it before.
    said: Timestamp,
    pub(crate) signer: Signer,
    pub(crate) body: ApprovalDecided,
    used: Option<Index>,
}

/// The key of who signed, as it was then: its number in [`Approvals`].
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Signer(usize);

/// Requests and decisions of a log, with who signed.
pub(crate) struct Approvals {
    requests: Shelf<Asked>,
    decisions: Shelf<Decision>,
    /// Index and leaf hash of each request, by its number in the order of the log.
    asked: Order,
    /// The same of each decision.
    decided: Order,
    /// Keys that signed, as they were then: several of one key only where something of it changed.
    signers: Vec<Rc<KeyRecord>>,
    /// Of each key the last of these.
    signed: BTreeMap<KeyId, Signer>,
    /// Keys that were revoked.
    revoked: BTreeMap<KeyId, TakenBack>,
    /// Entries are missing, and a request or a decision may have been among them.
    pub(crate) after_gap: bool,
}

/// Leaf hashes with their indexes, in the order of the log.
struct Order {
    count: u64,
    leaves: Slots<8, 40>,
}

/// Decisions with who signed them, held while they are looked at.
pub(crate) struct Made(Vec<(Digest, Rc<Decision>, Rc<KeyRecord>)>);

impl Made {
    /// Those that are chosen.
    pub(crate) fn decided(&self, chosen: impl Fn(&Digest, &Decision) -> bool) -> Vec<Decided<'_>> {
        let made = self.0.iter().filter(|(leaf, decision, _)| chosen(leaf, decision));
        made.map(|(leaf, decision, signer)| decision.decided(*leaf, signer))
            .collect()
    }

    /// What people signed, and when.
    pub(crate) fn said(&self) -> Vec<(Timestamp, &ApprovalDecided)> {
        let made = self.0.iter();
        made.map(|(_, decision, _)| (decision.time, &decision.body)).collect()
    }
}

impl Decision {
    fn decided<'a>(&'a self, leaf: Digest, signer: &'a KeyRecord) -> Decided<'a> {
        Decided {
            leaf,
            time: self.time,
            signer,
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

impl Order {
    fn new(spill: &Spill) -> Self {
        Self {
            count: 0,
            leaves: Slots::new(spill),
        }
    }

    fn push(&mut self, index: Index, leaf: Digest) {
        let mut record = [0; 40];
        let (of_index, of_leaf) = record.split_at_mut(8);
        of_index.copy_from_slice(&index.0.to_be_bytes());
        of_leaf.copy_from_slice(&leaf.0);
        self.leaves.insert(self.count.to_be_bytes(), record);
        self.count += 1;
    }

    fn each(&self) -> impl Iterator<Item = (Index, Digest)> {
        let records = (0..self.count).filter_map(|number| self.leaves.get(&number.to_be_bytes()));
        records.filter_map(|record| {
            let (index, leaf) = record.split_first_chunk()?;
            Some((Index(u64::from_be_bytes(*index)), Digest::try_from(leaf).ok()?))
        })
    }
}

impl Approvals {
    pub(crate) fn new(spill: &Spill) -> Self {
        Self {
            requests: Shelf::new(spill, REQUESTS_NEAR_MAX),
            decisions: Shelf::new(spill, DECISIONS_NEAR_MAX),
            asked: Order::new(spill),
            decided: Order::new(spill),
            signers: Vec::new(),
            signed: BTreeMap::new(),
            revoked: BTreeMap::new(),
            after_gap: false,
        }
    }

    /// Requests in the order of the log. One that stands in the log twice is the later one.
    pub(crate) fn requests(&self) -> impl Iterator<Item = Rc<Asked>> {
        let asked = self.asked.each();
        asked.filter_map(|(index, leaf)| self.asked(leaf).filter(|asked| asked.index == index))
    }

    /// Decisions in the order of the log. One that stands in the log twice is the later one.
    pub(crate) fn decisions(&self) -> impl Iterator<Item = Rc<Decision>> {
        let decided = self.decided.each();
        decided.filter_map(|(index, leaf)| self.decision(leaf).filter(|decision| decision.index == index))
    }

    pub(crate) fn asked(&self, leaf: Digest) -> Option<Rc<Asked>> {
        self.requests.get(leaf)
    }

    pub(crate) fn asked_mut(&mut self, leaf: Digest) -> Option<&mut Asked> {
        self.requests.get_mut(leaf)
    }

    pub(crate) fn decision(&self, leaf: Digest) -> Option<Rc<Decision>> {
        self.decisions.get(leaf)
    }

    /// Who signed, as the key was then.
    pub(crate) fn signer(&self, Signer(number): Signer) -> Option<&Rc<KeyRecord>> {
        self.signers.get(number)
    }

    /// Index of a request.
    pub(crate) fn request_index(&self, leaf: Digest) -> Option<Index> {
        self.asked(leaf).map(|asked| asked.index)
    }

    /// Index of a decision.
    pub(crate) fn decision_index(&self, leaf: Digest) -> Option<Index> {
        self.decision(leaf).map(|decision| decision.index)
    }

    /// The policy by which a request was made.
    pub(crate) fn policy(&self, leaf: Digest) -> Option<Digest> {
        self.asked(leaf).map(|asked| asked.body.decision.policy)
    }

    /// Those of these decisions that stand in the log so far.
    pub(crate) fn made(&self, leaves: impl Iterator<Item = Digest>) -> Made {
        let made = leaves.filter_map(|leaf| {
            let decision = self.decision(leaf)?;
            let signer = self.signer(decision.signer)?;
            Some((leaf, decision, Rc::clone(signer)))
        });
        Made(made.collect())
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
            && let Some(what) = requirement::fault(body, placed.event.time, policy)
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
        self.asked.push(placed.index, placed.leaf);
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
        let record = placed.signer.as_ref()?;
        let decision = Decision {
            index: placed.index,
            time: placed.event.time,
            said: placed.event.time.max(clock),
            signer: self.shared(record),
            body: body.clone(),
            used: None,
        };
        let why = match self.requests.get_mut(body.request) {
            Some(asked) => {
                let fault = asked
                    .request(body.request)
                    .map(|request| check(&request, &decision.decided(placed.leaf, record)));
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
        self.decided.push(placed.index, placed.leaf);
        why
    }

    /// A signer as it was then, which is the same for most of what a key signs.
    pub(crate) fn shared(&mut self, signer: &KeyRecord) -> Signer {
        let known = self.signed.get(&signer.key.id()).copied();
        let same = |known: &Signer| self.signer(*known).is_some_and(|known| **known == *signer);
        if let Some(known) = known.filter(same) {
            return known;
        }
        let number = Signer(self.signers.len());
        self.signers.push(Rc::new(signer.clone()));
        self.signed.insert(signer.key.id(), number);
        number
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
        match request.and_then(|leaf| self.requests.get_mut(leaf)) {
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
}
