//! Policies in force: which one each proxy decided by, from which of its events on.
//!
//! A proxy says which policy is in force (`policy-in-force`), at each of its starts and whenever that changes, and hands over
//! nothing that it decided before on the other side of that event. So, in the order of its own events, a session is opened, a
//! command is decided and people are asked by the policy that it named last. Two things are bound to what they follow: a command
//! that people did not let pass names the policy of their request, and what is decided about a reply that passes a threshold
//! names the policy of its command.
//!
//! Where the trust anchors ask for signatures under policies, enough people had signed it by then. What a proxy knows when it says
//! so is what stands before the snapshot that it recorded just before.
//!
//! A policy that comes back is in force for another term, in which nothing passes by what people were asked in the one before.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::trust::PolicySigned;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::{PolicySignatures, PolicySigners, SignedBy};

use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};
use crate::session::JUDGED_US;

/// A policy in force at one proxy.
pub(crate) struct Term {
    pub(crate) policy: Digest,
    /// Index of the event that says so.
    pub(crate) from: Index,
    /// When that was, by the proxy's clock.
    pub(crate) since: Timestamp,
    /// Index of the proxy's next such event that names another policy.
    pub(crate) until: Option<Index>,
    /// When that was.
    pub(crate) ended: Option<Timestamp>,
    /// Sessions that were opened under it.
    pub(crate) sessions: u64,
    /// Commands that were decided by it.
    pub(crate) commands: u64,
    /// Who had signed it when it came into force, where anybody had to.
    pub(crate) signed: Option<SignedBy>,
}

pub(crate) struct InForce {
    signatures: PolicySignatures,
    proxies: BTreeMap<KeyId, Proxy>,
    /// What was told, once for each proxy, policy and policy in force.
    told: BTreeSet<(KeyId, Digest, Option<Digest>)>,
    /// Entries are missing, and what a proxy said may be among them.
    after_gap: bool,
}

#[derive(Default)]
struct Proxy {
    terms: Vec<Term>,
    /// Entries are missing since it said that.
    unsure: bool,
    /// The snapshot that it recorded last, and where its last part is.
    recorded: Option<(Digest, Index)>,
}

/// What names the policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Session,
    Command,
    Question,
}

impl InForce {
    /// Nothing yet; these must sign policies.
    pub(crate) fn new(signers: &[PolicySigners]) -> Self {
        Self {
            signatures: PolicySignatures::new(signers),
            proxies: BTreeMap::new(),
            told: BTreeSet::new(),
            after_gap: false,
        }
    }

    /// A proxy recorded a part of a snapshot.
    pub(crate) fn recorded(&mut self, index: Index, emitter: KeyId, policy: Digest) {
        self.proxies.entry(emitter).or_default().recorded = Some((policy, index));
    }

    /// Somebody signed a policy.
    pub(crate) fn signed(&mut self, placed: &Placed, body: &PolicySigned, findings: &mut Findings) {
        let Some(signer) = &placed.signer else {
            return; // its key may not, which was said
        };
        let counts = self.signatures.signed(placed.index, signer.key.id(), body);
        if !counts && self.signatures.asks() {
            let detail = format!("key {} of {}", signer.key.id(), signer.name);
            findings.add(Code::PolicySignatureUncounted, Place::Entry(placed.index), detail);
        }
    }

    /// A key was revoked.
    pub(crate) fn key_revoked(&mut self, index: Index, key: KeyId) {
        self.signatures.revoked(index, key);
    }

    /// Every policy that each proxy said was in force, in its order.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&KeyId, &Term)> {
        let proxies = self.proxies.iter();
        proxies.flat_map(|(proxy, known)| known.terms.iter().map(move |term| (proxy, term)))
    }

    /// Where the term of the policy in force at a proxy begins; `None` where that is not known.
    pub(crate) fn term(&self, proxy: KeyId) -> Option<Index> {
        let known = self.proxies.get(&proxy).filter(|known| !known.unsure)?;
        known.terms.last().map(|term| term.from)
    }

    /// Entries are missing here.
    pub(crate) fn gap(&mut self) {
        self.after_gap = true;
        for proxy in self.proxies.values_mut() {
            proxy.unsure = true;
        }
    }

    /// A proxy says which policy is in force.
    pub(crate) fn said(&mut self, placed: &Placed, policy: Digest, findings: &mut Findings) {
        let signed = self.signed_by(placed, policy);
        if let Some(signed) = signed.as_ref().filter(|signed| !signed.suffices() && !self.after_gap) {
            let by: Vec<_> = signed
                .people
                .iter()
                .map(|(name, index)| format!("{name} (#{index})"))
                .collect();
            let by = if by.is_empty() {
                "nobody".to_owned()
            } else {
                by.join(", ")
            };
            let detail = format!("policy {policy}: signed by {by}, and {} are asked for", signed.wanted);
            findings.add(Code::PolicyUnsigned, Place::Entry(placed.index), detail);
        }
        let proxy = self.proxies.entry(placed.event.emitter.0).or_default();
        proxy.unsure = false;
        match proxy.terms.last_mut() {
            Some(last) if last.policy == policy => return,
            Some(last) => {
                last.until = Some(placed.index);
                last.ended = Some(placed.event.time);
            }
            None => {}
        }
        proxy.terms.push(Term {
            policy,
            from: placed.index,
            since: placed.event.time,
            until: None,
            ended: None,
            sessions: 0,
            commands: 0,
            signed,
        });
    }

    /// Who has signed a policy that a proxy says is in force; `None` where nobody had to.
    fn signed_by(&self, placed: &Placed, policy: Digest) -> Option<SignedBy> {
        let proxy = self.proxies.get(&placed.event.emitter.0);
        let recorded = proxy.and_then(|proxy| proxy.recorded);
        let known = recorded
            .filter(|(of, _)| *of == policy)
            .map_or(placed.index, |(_, index)| index);
        // The proxy reads its clock before it makes the event.
        let time = Timestamp(placed.event.time.0.saturating_sub(JUDGED_US));
        self.signatures.at(placed.index, policy, time, known)
    }

    /// Holds that what was opened, decided or asked was by the policy in force at its proxy, or by the one that it is `bound` to.
    pub(crate) fn named(
        &mut self,
        placed: &Placed,
        named: Named,
        policy: Digest,
        bound: Option<Digest>,
        findings: &mut Findings,
    ) {
        let emitter = placed.event.emitter.0;
        let after_gap = self.after_gap;
        let known = self.proxies.get_mut(&emitter);
        let current = known.and_then(|proxy| Some((proxy.unsure, proxy.terms.last_mut()?)));
        let Some((unsure, term)) = current else {
            if !after_gap && self.told.insert((emitter, Digest([0; 32]), None)) {
                let detail = format!("proxy {emitter}");
                findings.add(Code::PolicyUnsaid, Place::Entry(placed.index), detail);
            }
            return;
        };
        match named {
            Named::Session => term.sessions += u64::from(term.policy == policy),
            Named::Command => term.commands += u64::from(term.policy == policy),
            Named::Question => {}
        }
        let right = bound.unwrap_or(term.policy);
        if unsure || policy == right {
            return;
        }
        let in_force = term.policy;
        if self.told.insert((emitter, policy, Some(in_force))) {
            let detail = format!("policy {policy}; in force at proxy {emitter} is {in_force}");
            findings.add(Code::PolicyNotInForce, Place::Entry(placed.index), detail);
        }
    }
}
