//! Whether a request asks for what its policy says.

use std::collections::BTreeSet;

use exhibit_policy::grant::within;
use exhibit_policy::hours::Hours;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Effect;
use exhibit_schemas::event::approval::ApprovalRequested;

const SECOND_US: u64 = 1_000_000;

/// What of a request is not as its policy has it.
pub(super) fn fault(body: &ApprovalRequested, time: Timestamp, policy: &Snapshot) -> Option<String> {
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
