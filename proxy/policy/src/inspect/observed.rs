//! Rules that are only observed and tell nothing, and targets where all rules are.

use exhibit_schemas::event::access::Effect;

use super::{Kind, Place, Warning};
use crate::snapshot::{Mode, Rule, Snapshot};

/// Where a rule would deny, and no enforced rule behind it lets anything of the like pass: what it matches is denied already.
pub(super) fn idle(rule: &Rule, later: &[Rule]) -> Option<String> {
    let lets_pass = |other: &Rule| other.mode == Mode::Enforce && other.effect != Effect::Deny && meet(rule, other);
    let idle = rule.mode == Mode::Observe && rule.effect == Effect::Deny && !later.iter().any(lets_pass);
    idle.then(|| {
        format!(
            "rule `{}` is observed and would deny what is denied anyway: no enforced rule behind it lets any of it pass",
            rule.name
        )
    })
}

/// Whether both are for one role, target and action; their resources and conditions are not compared.
fn meet(one: &Rule, other: &Rule) -> bool {
    !one.roles.is_disjoint(&other.roles)
        && !one.targets.is_disjoint(&other.targets)
        && !one.actions.is_disjoint(&other.actions)
}

/// Targets that rules name, and all of them only to observe.
pub(super) fn only(snapshot: &Snapshot) -> Vec<Warning> {
    let targets = snapshot.targets().iter().enumerate();
    let only = targets.filter(|(_, target)| {
        let mut rules = snapshot
            .rules
            .iter()
            .filter(|rule| rule.targets.contains(&target.name))
            .peekable();
        rules.peek().is_some() && rules.all(|rule| rule.mode == Mode::Observe)
    });
    let warning = |(element, target): (usize, &crate::snapshot::Target)| Warning {
        kind: Kind::OnlyObserved,
        place: Place {
            list: "targets",
            element,
        },
        text: format!(
            "all rules of target `{}` are only observed: all is denied there",
            target.name
        ),
    };
    only.map(warning).collect()
}
