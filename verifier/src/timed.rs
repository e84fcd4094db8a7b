//! The time of day: that what a policy with hours decided was decided by the time at which it happened.
//!
//! Whether a rule or an approval holds then is said by `exhibit_policy` alone.

use exhibit_policy::hours::time_of;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{DecisionRecord, Facts};

use crate::batch::Placed;
use crate::finding::{Code, Place};
use crate::session::{Context, JUDGED_US};

/// Holds that what is decided by the time of day is decided by its own.
pub(crate) fn timed(placed: &Placed, facts: &Facts, decision: &DecisionRecord, context: &mut Context) {
    let policy = context.policies.get(decision.policy);
    let Some(time) = time_of(facts).filter(|_| policy.is_some_and(Snapshot::tells_time)) else {
        return; // without a time everything is denied
    };
    let apart_us = placed.event.time.0.abs_diff(time.0);
    if apart_us > JUDGED_US {
        let detail = format!("decided as of {time}, {} s from its event", apart_us / 1_000_000);
        context
            .findings
            .add(Code::DecisionTime, Place::Entry(placed.index), detail);
    }
}
