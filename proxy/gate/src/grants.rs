//! Grants in force: what people approved beside the one command that they were asked about.
//!
//! A command that a grant covers passes without a question, and is recorded as approved by the request of the first. How many pass is counted
//! here, for all sessions of the proxy at once and before any of them passes, so never too few are counted.
//!
//! What is *the same* is said by [`exhibit_policy::grant`]. For a fingerprint the session has to be the same, too: what it began with, and all
//! that ran in it, but what is proven to read rows alone, and changes of rows that passed by grants.
//!
//! # Known limits
//! The table is this process's own: grants end with it, and the same command is asked about anew.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_policy::approval::in_hours;
use exhibit_policy::decide::{Asker, askers};
use exhibit_policy::grant::{Covered, differs};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{DecisionRecord, Facts, Principal};
use exhibit_schemas::event::approval::GrantScope;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::terms::Granted;

use crate::allowance::Allowance;
use crate::approval::Question;
use crate::error::GateError;
use crate::request::{Approved, Asking, Judged, Pending, Permit};
use crate::session::Session;

/// Grants of one proxy at the most, each with a question of an event's size. With more, an approval is for its own command alone.
const GRANTS_MAX: usize = 1_024;

/// A grant, with the command that passed by it first.
pub(crate) struct InForce {
    allowance: Arc<Allowance>,
    first: First,
    ends: Timestamp,
}

impl std::fmt::Debug for InForce {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "InForce({}, until {})", self.question().id(), self.ends)
    }
}

impl InForce {
    fn question(&self) -> &Question {
        self.allowance.question()
    }

    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends
    }
}

struct First {
    requester: Principal,
    target: String,
    session: SessionId,
    shape: Digest,
    statement: String,
    parameters: Vec<String>,
    facts: Facts,
    decision: DecisionRecord,
    askers: BTreeSet<Asker>,
}

impl First {
    fn covered(&self) -> Covered<'_> {
        Covered {
            requester: &self.requester,
            target: &self.target,
            session: self.session,
            statement: &self.statement,
            parameters: &self.parameters,
            facts: &self.facts,
            decision: &self.decision,
            askers: &self.askers,
        }
    }
}

/// All of one proxy.
#[derive(Default)]
pub(crate) struct Grants {
    in_force: Mutex<Vec<Arc<InForce>>>,
}

impl Grants {
    /// Those of a term that have not ended by `now`; the others are gone.
    fn of(&self, term: u64, now: Timestamp) -> Vec<Arc<InForce>> {
        let mut grants = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        grants.retain(|grant| !grant.is_over(now) && grant.question().term == term && !grant.allowance.is_used_up());
        grants.clone()
    }

    fn begin(&self, grant: InForce) {
        let mut grants = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if grants.len() < GRANTS_MAX {
            grants.push(Arc::new(grant));
        }
    }
}

impl Session {
    /// Has a command that people were asked about cover others, where what they approved is a grant. It is in the ledger, passed at that
    /// time, and the session had that shape before it.
    pub(crate) fn begin_grant(&self, permit: &Permit, shape: Digest, time: Timestamp) {
        let Permit { judged, approved } = permit;
        let own = approved.as_ref().filter(|approved| approved.by.is_none());
        let Some((approved, granted)) = own.and_then(|approved| Some((approved, approved.allowance.grant()?))) else {
            return;
        };
        let gate = self.gate();
        // Those that have ended make room.
        gate.grants().of(gate.policy_term(), gate.now());
        gate.grants().begin(InForce {
            allowance: Arc::clone(&approved.allowance),
            first: First {
                requester: self.principal().clone(),
                target: self.target().to_owned(),
                session: self.id(),
                shape,
                statement: judged.request.statement.clone(),
                parameters: judged.request.parameters.clone(),
                facts: judged.request.facts.clone(),
                decision: judged.decision.clone(),
                askers: self.askers(judged),
            },
            ends: granted.ends(time),
        });
    }

    /// Lets a request pass by a grant that covers it; else gives it back, and people are to be asked.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn covered(&mut self, pending: Pending) -> Result<Result<Permit, Pending>, GateError> {
        self.own([pending.judged.session])?;
        // The policy that decided has to be in force, and stays so until what passes is handed over.
        let policy = self.hold_policy().await;
        if policy.snapshot().digest() != pending.judged.decision.policy {
            return Ok(Err(pending));
        }
        let now = self.gate().now();
        let grants = self.gate().grants().of(policy.term(), now);
        if grants.is_empty() {
            return Ok(Err(pending));
        }
        let asks = self.askers(&pending.judged);
        let grant = grants
            .into_iter()
            .find(|grant| self.is_covered(grant, &pending, &asks, now) && grant.allowance.takes_command());
        let Some(grant) = grant else { return Ok(Err(pending)) };
        let approved = Approved {
            request: Asking::Earlier(grant.question().leaf()),
            decisions: grant.allowance.decisions().to_vec(),
            allowance: Arc::clone(&grant.allowance),
            by: Some(grant),
        };
        Ok(Ok(Permit {
            judged: pending.judged,
            approved: Some(approved),
        }))
    }

    fn is_covered(&self, grant: &InForce, pending: &Pending, asks: &BTreeSet<Asker>, now: Timestamp) -> bool {
        let Some(granted) = grant.allowance.grant() else {
            return false;
        };
        let Pending {
            judged, requirement, ..
        } = pending;
        let next = Covered {
            requester: self.principal(),
            target: self.target(),
            session: self.id(),
            statement: &judged.request.statement,
            parameters: &judged.request.parameters,
            facts: &judged.request.facts,
            decision: &judged.decision,
            askers: asks,
        };
        // What may be granted for it says what it may be covered by.
        let offered = requirement.grants.as_ref();
        let fits = |scope: &GrantScope| offered.is_some_and(|bounds| bounds.scopes.contains(scope));
        granted.scopes.iter().all(fits)
            && (pending.counted || grant.allowance.most().is_none())
            && self.is_of_shape(&granted, grant.first.shape)
            && in_hours(&grant.question().body.requirement, now)
            && differs(&granted, &grant.first.covered(), &next).is_none()
    }

    fn is_of_shape(&self, granted: &Granted, shape: Digest) -> bool {
        !granted.scopes.contains(&GrantScope::Fingerprint) || self.shape() == shape
    }

    fn askers(&self, judged: &Judged) -> BTreeSet<Asker> {
        askers(self.policy(), self.principal(), self.target(), &judged.request.facts)
    }
}
