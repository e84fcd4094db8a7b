//! Rules that matched and were not enforced, as a decision holds them.

use exhibit_schemas::event::access::DecisionRecord;
use serde_json::json;

/// A line to each.
pub(crate) fn observed(decision: &DecisionRecord) -> Vec<String> {
    let observed = decision.observed.iter().flatten();
    observed
        .map(|one| match &one.approval {
            Some(approval) => format!("rule {} would {} for {approval}", one.rule, one.effect),
            None => format!("rule {} would {}", one.rule, one.effect),
        })
        .collect()
}

/// The same for programs; a list without elements where there are none.
pub(crate) fn observed_json(decision: &DecisionRecord) -> serde_json::Value {
    let observed = decision.observed.iter().flatten();
    observed
        .map(|one| json!({ "rule": one.rule, "effect": one.effect.as_str(), "approval": one.approval }))
        .collect()
}
