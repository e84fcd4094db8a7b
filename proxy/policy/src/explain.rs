//! Why a request is decided as it is: for the author of a policy, and for whoever asks why an agent was refused.
//!
//! ```text
//! decision ◀─ cause ◀─ the rule of each access ◀─ roles of the principal
//!     └─ obligations: the approval that is asked for, the masks of what is read, the nets under the target
//! ```
//!
//! [`explain`] calls [`decide`] itself and looks rules up with its code, so what it says of a request is what a proxy does
//! with it.
//!
//! Not here: facts. A protocol reads them from a command, and what it refuses before any policy is not known here.

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Access, Action, DecisionRecord, Effect, Facts, Principal};

use crate::decide::{Choice, UNPROVEN, decide, decide_enforcing, roles};
use crate::hours::time_of;
use crate::mask::Technique;
use crate::net::Net;
use crate::probe::{self, Predicates};
use crate::seen;
use crate::snapshot::{Approval, Counts, Mode, Over, Rule, Snapshot, facts_at};

/// A decision with what led to it and what it demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision, as a proxy would record it.
    pub decision: DecisionRecord,
    /// What brought it about.
    pub cause: Cause,
    /// Roles that the principal has, sorted.
    pub roles: Vec<String>,
    /// What each access alone comes to, in the order of the facts.
    pub accesses: Vec<ExplainedAccess>,
    /// The approval that the decision asks for; who may let it pass in an emergency is in it where that holds on the target.
    pub approval: Option<Approval>,
    /// Masks of what the request reads; none where it is denied.
    pub masks: Vec<AppliedMask>,
    /// Values that it tries on masked columns.
    pub probes: Vec<ExplainedProbe>,
    /// Nets under everything that the target sends; none where it is denied.
    pub nets: Vec<Net>,
    /// Rules that match and are only observed, in the order of the file.
    pub observed: Vec<Observation>,
    /// Rules that would match once the reply comes to more, in the order of the file; none where it is denied.
    pub thresholds: Vec<Threshold>,
}

/// A rule that matches and is only observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The rule.
    pub rule: String,
    /// Its effect.
    pub effect: Effect,
    /// The approval that it asks for.
    pub approval: Option<String>,
    /// What would be decided if it were enforced, and no other observed rule.
    pub enforced: DecisionRecord,
}

/// A rule about what the reply comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The rule.
    pub rule: String,
    /// What it does then.
    pub effect: Effect,
    /// From when on.
    pub over: Over,
    /// The approval that it asks for.
    pub approval: Option<String>,
}

/// What brought a decision about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule of the policy.
    Rule,
    /// The reply cannot be proven masked ([`UNPROVEN`]), or rules have hours and its time is not known, or they go by what was seen and
    /// nothing says whether it was; no rule was asked.
    Unproven,
    /// No rule matches one of the accesses.
    NoRule,
    /// The request does nothing that can be named.
    NoAccess,
    /// Two accesses ask for different approvals, which one request cannot both meet.
    TwoApprovals,
    /// A mask, for the values that the request tries on its columns; what the rules say stands with the accesses.
    Mask,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Rule,
        Self::Unproven,
        Self::NoRule,
        Self::NoAccess,
        Self::TwoApprovals,
    ];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Unproven => "unproven",
            Self::NoRule => "no-rule",
            Self::NoAccess => "no-access",
            Self::TwoApprovals => "two-approvals",
            Self::Mask => "mask",
        }
    }
}

/// What an access alone comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedAccess {
    /// The access.
    pub access: Access,
    /// What the policy says of it.
    pub effect: Effect,
    /// The rule that decides it: the first that matches.
    pub rule: Option<String>,
    /// Rules that one thing keeps from matching it, in the order of the file; only where none matches.
    pub near: Vec<NearMiss>,
}

/// A rule about the access's action, and not one that is only observed, that would match but for one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The rule.
    pub rule: String,
    /// What it would do.
    pub effect: Effect,
    /// What keeps it from matching.
    pub lack: Lack,
}

/// What keeps a rule from matching.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The principal has none of its roles.
    Role,
    /// It is for other targets.
    Target,
    /// It names other resources.
    Resource,
    /// This condition does not hold.
    Condition(String),
}

impl Lack {
    /// The word in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Target => "target",
            Self::Resource => "resource",
            Self::Condition(_) => "condition",
        }
    }
}

/// A mask that reaches something that the request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMask {
    /// What is masked; the mask's own pattern where the parts of what is read are not known.
    pub resource: String,
    /// The mask.
    pub mask: String,
    /// How it changes a value.
    pub technique: Technique,
    /// What it says of conditions that go by its columns.
    pub predicates: Predicates,
}

/// Values that the request tries on a masked column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedProbe {
    /// The column.
    pub column: String,
    /// How many values.
    pub values: u64,
    /// Its mask.
    pub mask: Option<String>,
    /// Values that the mask lets be tried in an hour.
    pub per_hour: u64,
}

/// Explains the decision about a request.
///
/// `parts` gives the resources that a resource is made of, such as the columns of a relation, and nothing where the caller
/// does not know them.
pub fn explain(
    snapshot: &Snapshot,
    principal: &Principal,
    target: &str,
    facts: &Facts,
    parts: &dyn Fn(&str) -> Vec<String>,
) -> Explanation {
    let decision = decide(snapshot, principal, target, facts);
    let roles = roles(snapshot, principal);
    let mut choice = Choice::of(snapshot, None, principal, target, facts);
    let explained = facts.accesses.iter().map(|access| {
        let rule = choice.rule_for(access);
        ExplainedAccess {
            access: access.clone(),
            effect: rule.map_or(Effect::Deny, |rule| rule.effect),
            rule: rule.map(|rule| rule.name.clone()),
            near: match rule {
                Some(_) => Vec::new(),
                None => near(snapshot, &roles, target, access, facts),
            },
        }
    });
    let accesses: Vec<_> = explained.collect();
    let cause = match () {
        () if facts.attributes.contains_key(UNPROVEN) => Cause::Unproven,
        () if snapshot.tells_time() && time_of(facts).is_none() => Cause::Unproven,
        () if snapshot.tells_seen(target) && !seen::is_stated(facts) => Cause::Unproven,
        () if accesses.is_empty() => Cause::NoAccess,
        () if decision.rule.is_some() => Cause::Rule,
        () if accesses.iter().any(|access| access.rule.is_none()) => Cause::NoRule,
        () if two_approvals(choice, facts) => Cause::TwoApprovals,
        () => Cause::Mask,
    };
    let (masks, nets, thresholds) = match decision.effect {
        Effect::Deny => (Vec::new(), Vec::new(), Vec::new()),
        Effect::Allow | Effect::Ask => (
            masks(snapshot, target, facts, parts),
            snapshot.nets(target).cloned().collect(),
            thresholds(snapshot, &roles, target, facts),
        ),
    };
    Explanation {
        approval: decision
            .approval
            .as_deref()
            .and_then(|name| snapshot.approval(name))
            .map(|approval| Approval {
                emergency: approval.emergency.clone().filter(|emergency| emergency.is_for(target)),
                ..approval.clone()
            }),
        observed: decision
            .observed
            .iter()
            .flatten()
            .map(|one| Observation {
                rule: one.rule.clone(),
                effect: one.effect,
                approval: one.approval.clone(),
                enforced: decide_enforcing(snapshot, &one.rule, principal, target, facts),
            })
            .collect(),
        probes: probe::columns(facts)
            .map(|(column, values)| explained_probe(snapshot, target, column, values))
            .collect(),
        roles: roles.into_iter().map(str::to_owned).collect(),
        decision,
        cause,
        accesses,
        masks,
        nets,
        thresholds,
    }
}

fn explained_probe(snapshot: &Snapshot, target: &str, column: &str, values: u64) -> ExplainedProbe {
    let mask = snapshot.mask(target, column);
    ExplainedProbe {
        column: column.to_owned(),
        values,
        mask: mask.map(|mask| mask.name.clone()),
        per_hour: mask.map_or(0, |mask| mask.predicates.per_hour()),
    }
}

/// Whether the rules of the accesses ask for different approvals.
fn two_approvals(mut choice: Choice<'_>, facts: &Facts) -> bool {
    let deciding = facts.accesses.iter().filter_map(|access| choice.rule_for(access));
    let approvals: BTreeSet<_> = deciding.filter_map(|rule| rule.approval.as_deref()).collect();
    approvals.len() > 1
}

/// Rules about what the reply comes to that match one of the accesses.
fn thresholds(snapshot: &Snapshot, roles: &BTreeSet<&str>, target: &str, facts: &Facts) -> Vec<Threshold> {
    let most = Counts {
        rows: u64::MAX,
        bytes: u64::MAX,
        session_rows: u64::MAX,
        session_bytes: u64::MAX,
        patients: Some(u64::MAX),
        session_patients: Some(u64::MAX),
    };
    let grown = facts_at(facts, most);
    let about = |rule: &Rule| {
        let over = rule.over.filter(|over| over.is_of_replies() && over.holds(&grown))?;
        let matches = |access: &Access| rule.matches(roles, target, access, &grown);
        facts.accesses.iter().any(matches).then(|| Threshold {
            rule: rule.name.clone(),
            effect: rule.effect,
            over,
            approval: rule.approval.clone(),
        })
    };
    snapshot.rules.iter().filter_map(about).collect()
}

/// Rules about the action that exactly one thing keeps from matching.
fn near(snapshot: &Snapshot, roles: &BTreeSet<&str>, target: &str, access: &Access, facts: &Facts) -> Vec<NearMiss> {
    let Access(action, resource) = access;
    let lacks = |rule: &Rule| {
        let fixed = [
            (rule.is_for(roles), Lack::Role),
            (rule.targets.contains(target), Lack::Target),
            (rule.names(resource.as_deref()), Lack::Resource),
        ];
        let over = rule.over.filter(|over| !over.holds(facts));
        let over = over.map(|_| Lack::Condition("over".to_owned()));
        let conditions = rule
            .conditions()
            .unmet(facts)
            .map(|name| Lack::Condition(name.to_owned()));
        let lacking = fixed.into_iter().filter(|(holds, _)| !holds).map(|(_, lack)| lack);
        let hours = (!rule.conditions().in_hours(facts)).then(|| Lack::Condition("hours".to_owned()));
        let columns = rule.columns_hold(resource.as_deref(), facts);
        let columns = (!columns).then(|| Lack::Condition("columns".to_owned()));
        lacking
            .chain(conditions)
            .chain(columns)
            .chain(over)
            .chain(hours)
            .collect::<Vec<_>>()
    };
    let mut near = Vec::new();
    let about = |rule: &&Rule| rule.mode == Mode::Enforce && rule.actions.contains(action);
    for rule in snapshot.rules.iter().filter(about) {
        if let [lack] = lacks(rule).as_slice() {
            near.push(NearMiss {
                rule: rule.name.clone(),
                effect: rule.effect,
                lack: lack.clone(),
            });
        }
    }
    near
}

/// Masks of everything that a request reads, each resource once.
fn masks(snapshot: &Snapshot, target: &str, facts: &Facts, parts: &dyn Fn(&str) -> Vec<String>) -> Vec<AppliedMask> {
    let mut applied: Vec<AppliedMask> = Vec::new();
    let mut add = |resource: String, mask: &crate::snapshot::Mask| {
        if !applied.iter().any(|one| one.resource == resource) {
            applied.push(AppliedMask {
                resource,
                mask: mask.name.clone(),
                technique: mask.technique.clone(),
                predicates: mask.predicates.clone(),
            });
        }
    };
    let read = facts
        .accesses
        .iter()
        .filter_map(|Access(action, resource)| match action {
            Action::Read => resource.as_deref(),
            _ => None,
        });
    for resource in read {
        let parts = parts(resource);
        for named in parts.iter().map(String::as_str).chain([resource]) {
            if let Some(mask) = snapshot.mask(target, named) {
                add(named.to_owned(), mask);
            }
        }
        if !parts.is_empty() {
            continue;
        }
        let below = format!("{resource}.");
        for mask in snapshot.masks.iter().filter(|mask| mask.targets.contains(target)) {
            for pattern in mask.resources.iter().filter(|pattern| pattern.can_match_below(&below)) {
                add(pattern.as_str().to_owned(), mask);
            }
        }
    }
    applied
}

#[cfg(test)]
mod tests;
