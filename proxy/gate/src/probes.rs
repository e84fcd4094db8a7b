//! Values that were tried on masked columns in the last hour ([`exhibit_policy::probe`]), by everybody of this proxy.
//!
//! A request is counted with its decision, under one lock: two at once never both take what is left. What is decided counts,
//! whatever becomes of it then (people refuse it, the target fails), so the count is never too low.
//!
//! # Known limits
//! The count is this proxy's own. After a restart it is not known what was tried before, so nothing is tried for an hour unless
//! this proxy has never recorded anything; with several proxies before one target, each counts for itself. The verifier
//! counts again, over all of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::probe::{self, HOUR_US, Tried};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Attribute, DecisionRecord, Effect, Facts};

/// Why nothing is tried after a restart.
const NOT_KNOWN: &str =
    "how many values were tried in the last hour is not known: the proxy was started again less than an hour ago";

/// The count of one proxy.
pub(crate) struct Probes {
    tried: Mutex<Tried>,
    /// When an hour has passed since anything that was not counted here.
    known_from: Timestamp,
}

impl Probes {
    /// The count of a proxy that starts `now`; `earlier` says whether it may have recorded anything before.
    pub(crate) fn starting(now: Timestamp, earlier: bool) -> Self {
        let closed_us = if earlier { HOUR_US } else { 0 };
        Self {
            tried: Mutex::default(),
            known_from: Timestamp(now.0.saturating_add(closed_us)),
        }
    }

    /// Says in the facts of a request what was tried before it, decides with them, and counts what it tries unless it is
    /// denied.
    pub(crate) fn decide(
        &self,
        snapshot: &Snapshot,
        target: &str,
        now: Timestamp,
        facts: &mut Facts,
        decide: impl FnOnce(&Facts) -> DecisionRecord,
    ) -> DecisionRecord {
        let asked = probe::by_mask(snapshot, target, facts);
        if asked.is_empty() {
            return decide(facts);
        }
        if now < self.known_from {
            let cause = Attribute::Text(NOT_KNOWN.to_owned());
            facts.attributes.entry(UNPROVEN.to_owned()).or_insert(cause);
            return decide(facts);
        }
        let mut tried = self.tried();
        for mask in asked.keys() {
            probe::state(facts, mask, tried.before(snapshot, target, mask, now));
        }
        let decision = decide(facts);
        if decision.effect != Effect::Deny {
            tried.add(target, facts, now);
        }
        decision
    }

    fn tried(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
