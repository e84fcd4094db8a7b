//! What the approval of a request lets through: the narrowest of what everybody who counts has signed, and of what the policy lets them
//! grant.
//!
//! The proxy asks before it lets anything through, the ledger to show it, and the verifier again.
//!
//! Not here: who counts, and which commands are covered (both in `exhibit-policy`).

use std::collections::BTreeSet;

use crate::event::Timestamp;
use crate::event::approval::{ApprovalDecided, ApprovalRequested, Grant, GrantScope, Verdict};

/// Microseconds of a minute.
const MINUTE_US: u64 = 60_000_000;

/// What the approval of a request lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Rows at the most, by everything that it lets through; `None` for as many as come.
    pub rows: Option<u64>,
    /// Other commands; `None` where it is for the one that people were asked about.
    pub grant: Option<Granted>,
}

/// A grant of all who count.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Granted {
    /// For what; a command has to be covered by each of these.
    pub scopes: BTreeSet<GrantScope>,
    /// Commands at the most, the one that people were asked about among them.
    pub uses: u64,
    /// Minutes at the most.
    minutes: u64,
    /// Until when, by the clocks of those who signed.
    until: Timestamp,
}

impl Granted {
    /// Until when, where something came of it for the first time at `first`, by the proxy's clock: neither that clock nor those of
    /// people let it last longer.
    pub fn ends(&self, first: Timestamp) -> Timestamp {
        self.until.min(after(first, self.minutes))
    }
}

/// What these decisions, each with its time, let through of a request that they approve.
pub fn allowed(request: &ApprovalRequested, decisions: &[(Timestamp, &ApprovalDecided)]) -> Allowed {
    let rows = decisions.iter().filter_map(|(_, decided)| decided.terms.as_ref()?.rows);
    let rows = rows.min();
    // Whoever says nothing of a grant has approved one command, and an emergency is for one.
    let granted_by = |(time, decided): &(Timestamp, &ApprovalDecided)| {
        let grant = decided.terms.as_ref()?.grant.clone()?;
        (decided.verdict == Verdict::Approve).then_some((*time, grant))
    };
    let grants: Option<Vec<_>> = decisions.iter().map(granted_by).collect();
    let grant = grants.and_then(|grants| granted(request, &grants));
    let most = request.requirement.grants.as_ref().and_then(|bounds| bounds.rows);
    let most = most.filter(|_| grant.is_some());
    Allowed {
        rows: rows.into_iter().chain(most).min(),
        grant,
    }
}

fn granted(request: &ApprovalRequested, grants: &[(Timestamp, Grant)]) -> Option<Granted> {
    let bounds = request.requirement.grants.as_ref()?;
    if !grants.iter().all(|(_, grant)| bounds.scopes.contains(&grant.scope)) {
        return None;
    }
    let until = |(time, grant): &(Timestamp, Grant)| after(*time, grant.minutes.min(bounds.minutes));
    Some(Granted {
        scopes: grants.iter().map(|(_, grant)| grant.scope).collect(),
        uses: grants.iter().map(|(_, grant)| grant.uses).min()?.min(bounds.uses),
        minutes: grants.iter().map(|(_, grant)| grant.minutes).min()?.min(bounds.minutes),
        until: grants.iter().map(until).min()?,
    })
}

fn after(time: Timestamp, minutes: u64) -> Timestamp {
    Timestamp(time.0.saturating_add(minutes.saturating_mul(MINUTE_US)))
}

#[cfg(test)]
mod tests;
