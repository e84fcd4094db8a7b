//! The decision: a pure function of the snapshot, the principal, the target and the facts.
//!
//! For each access the first rule that matches it decides; no match denies. Over all accesses the strictest effect holds:
//! deny before ask before allow. A request that does nothing nameable still has one access; one without any is denied.
//!
//! One rule stands before all rules of the file: a request that carries the attribute [`UNPROVEN`] is denied. A protocol
//! sets it when it cannot prove that the reply holds masked resources only where masks reach them. And where rules have hours, a
//! request whose time is not known is denied; where they go by what was seen, one that does not say whether it was.
//!
//! A rule that is only observed decides nothing: where it matches, that is recorded and the rules behind it are asked.
//!
//! Masks stand beside the rules where a request tries values on their columns ([`crate::probe`]): what they deny or ask about
//! is denied or asked about whatever the rules say, and what the rules deny stays denied.

mod choice;
mod conditions;

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Access, Attribute, DecisionRecord, Effect, Facts, Principal};

pub(crate) use self::choice::Choice;
use crate::hours;
use crate::pattern::{Pattern, covered};
use crate::probe;
use crate::seen;
use crate::snapshot::{NO_RESOURCE, Role, Rule, Snapshot};

/// The attribute (a text: the cause) of a request whose reply might carry a masked value where no mask reaches it.
pub const UNPROVEN: &str = "unproven";

/// The attribute that says of which kind a request is, in a word of its protocol.
pub const CLASS: &str = "class";

/// Its word for a request that does things of several kinds. A rule that denies or asks about one kind is for such a request, too; one
/// that allows a kind is not.
pub const MIXED: &str = "mixed";

/// How the cause ends of a request that is not proven because a rule would have people asked, and nobody can be: what it
/// does is not told by its facts alone then, but by the policy that was in force.
pub const NOBODY_TO_ASK: &str = "nobody can be asked about it here";

/// Decides a request.
pub fn decide(snapshot: &Snapshot, principal: &Principal, target: &str, facts: &Facts) -> DecisionRecord {
    decide_by(snapshot, None, principal, target, facts)
}

/// What would be decided if the rule of that name, which the policy only observes, were enforced.
pub fn decide_enforcing(
    snapshot: &Snapshot,
    rule: &str,
    principal: &Principal,
    target: &str,
    facts: &Facts,
) -> DecisionRecord {
    decide_by(snapshot, Some(rule), principal, target, facts)
}

fn decide_by(
    snapshot: &Snapshot,
    enforced: Option<&str>,
    principal: &Principal,
    target: &str,
    facts: &Facts,
) -> DecisionRecord {
    if let Some(cause) = facts.attributes.get(UNPROVEN) {
        let cause = match cause {
            Attribute::Text(cause) => cause.as_str(),
            _ => "its reply cannot be proven masked",
        };
        return denied(snapshot, cause.to_owned());
    }
    if snapshot.tells_time() && hours::time_of(facts).is_none() {
        return denied(snapshot, "the time of the request is not known".to_owned());
    }
    if snapshot.tells_seen(target) && !seen::is_stated(facts) {
        return denied(snapshot, "whether the request was seen before is not said".to_owned());
    }
    let mut choice = Choice::of(snapshot, enforced, principal, target, facts);
    let mut strictest: Option<Outcome<'_>> = None;
    for access in &facts.accesses {
        let rule = choice.rule_for(access);
        let outcome = Outcome {
            effect: rule.map_or(Effect::Deny, |rule| rule.effect),
            rule,
        };
        // The first of the equally strict ones is named, so that the same request always names the same rule.
        strictest = match strictest.take() {
            Some(other) if other.effect >= outcome.effect => Some(other.with_approval_of(&outcome)),
            _ => Some(outcome),
        };
    }
    let Outcome { effect, rule } = strictest.unwrap_or(Outcome {
        effect: Effect::Deny,
        rule: None,
    });
    let by_rules = DecisionRecord {
        effect,
        policy: snapshot.digest(),
        rule: rule.map(|rule| rule.name.clone()),
        reason: rule.map_or_else(|| "no rule allows it".to_owned(), |rule| rule.reason.clone()),
        approval: rule.and_then(|rule| rule.approval.clone()),
        observed: choice.observed(),
    };
    match effect {
        Effect::Deny => by_rules,
        Effect::Allow | Effect::Ask => with_masks(by_rules, probe::judge(snapshot, target, facts)),
    }
}

/// A denial before any rule was asked.
fn denied(snapshot: &Snapshot, reason: String) -> DecisionRecord {
    DecisionRecord {
        effect: Effect::Deny,
        policy: snapshot.digest(),
        rule: None,
        reason,
        approval: None,
        observed: None,
    }
}

/// The decision of the rules with what masks say of the values that the request tries.
fn with_masks(by_rules: DecisionRecord, judged: probe::Judged<'_>) -> DecisionRecord {
    let by_masks = |effect, reason, approval| DecisionRecord {
        effect,
        policy: by_rules.policy,
        rule: None,
        reason,
        approval,
        observed: by_rules.observed.clone(),
    };
    match (judged, &by_rules.approval) {
        (probe::Judged::Allowed, _) => by_rules,
        (probe::Judged::Denied(reason), _) => by_masks(Effect::Deny, reason, None),
        (probe::Judged::Asked { approval, reason }, None) => by_masks(Effect::Ask, reason, Some(approval.to_owned())),
        (probe::Judged::Asked { approval, .. }, Some(other)) if approval == other => by_rules,
        (probe::Judged::Asked { reason, .. }, Some(_)) => by_masks(
            Effect::Deny,
            format!("{reason}, and a rule asks for another approval"),
            None,
        ),
    }
}

/// Who asks for people: a rule by its name, or the masks of columns on which values are tried.
pub type Asker = Option<String>;

/// All that asks for people about a request, where a decision names one of them alone: the approval of a request is one of all
/// these.
pub fn askers(snapshot: &Snapshot, principal: &Principal, target: &str, facts: &Facts) -> BTreeSet<Asker> {
    let mut choice = Choice::of(snapshot, None, principal, target, facts);
    let deciding = facts.accesses.iter().filter_map(|access| choice.rule_for(access));
    let asking = deciding.filter(|rule| rule.effect == Effect::Ask);
    let mut askers: BTreeSet<Asker> = asking.map(|rule| Some(rule.name.clone())).collect();
    if matches!(probe::judge(snapshot, target, facts), probe::Judged::Asked { .. }) {
        askers.insert(None);
    }
    askers
}

/// Whether a request that was decided so passes when people have approved that: it is allowed, or all that asks was approved.
pub fn stands(effect: Effect, askers: &BTreeSet<Asker>, approved: &BTreeSet<Asker>) -> bool {
    match effect {
        Effect::Allow => true,
        Effect::Ask => !askers.is_empty() && askers.is_subset(approved),
        Effect::Deny => false,
    }
}

/// What one access, or all up to here, came to.
struct Outcome<'a> {
    effect: Effect,
    rule: Option<&'a Rule>,
}

impl<'a> Outcome<'a> {
    /// Two accesses that ask for different approvals cannot both be met by one request: that is denied.
    fn with_approval_of(self, other: &Self) -> Self {
        let approval = |rule: Option<&'a Rule>| rule.and_then(|rule| rule.approval.as_ref());
        let conflict = self.effect == Effect::Ask
            && other.effect == Effect::Ask
            && approval(self.rule) != other.rule.and_then(|rule| rule.approval.as_ref());
        if conflict {
            Self {
                effect: Effect::Deny,
                rule: None,
            }
        } else {
            self
        }
    }
}

/// Names of the roles that the principal has.
pub(crate) fn roles<'a>(snapshot: &'a Snapshot, principal: &Principal) -> BTreeSet<&'a str> {
    let has = |role: &&Role| role.matches(principal);
    snapshot
        .roles
        .iter()
        .filter(has)
        .map(|role| role.name.as_str())
        .collect()
}

impl Rule {
    /// Whether it matches an access, by all that it says; [`Choice`] comes to the same for all rules at once.
    pub(crate) fn matches(
        &self,
        roles: &BTreeSet<&str>,
        target: &str,
        Access(action, resource): &Access,
        facts: &Facts,
    ) -> bool {
        self.actions.contains(action)
            && self.targets.contains(target)
            && self.is_for(roles)
            && self.names(resource.as_deref())
            && self.columns_hold(resource.as_deref(), facts)
            && self.conditions().hold(facts)
    }

    /// Whether one of the roles is among its own.
    pub(crate) fn is_for(&self, roles: &BTreeSet<&str>) -> bool {
        self.roles.iter().any(|role| roles.contains(role.as_str()))
    }

    /// Whether its resources name this one; `None` is a request that names nothing.
    pub(crate) fn names(&self, resource: Option<&str>) -> bool {
        self.resources.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| match resource {
                Some(resource) => pattern.as_str() != NO_RESOURCE && pattern.matches(resource),
                None => pattern.as_str() == NO_RESOURCE,
            })
        })
    }

    /// Whether it is about the columns that the request touches of a resource. Where nothing is known of columns, a rule that allows is
    /// not, and one that denies or asks is.
    pub(crate) fn columns_hold(&self, resource: Option<&str>, facts: &Facts) -> bool {
        let Some(patterns) = &self.columns else { return true };
        let allows = self.effect == Effect::Allow;
        let (Some(resource), Some(columns)) = (resource, &facts.columns) else {
            return !allows;
        };
        let below = format!("{resource}.");
        let mut touched = columns
            .iter()
            .filter(|column| column.starts_with(&below))
            .map(|column| {
                let all = column.get(below.len()..) == Some("*");
                (column, all)
            });
        if allows {
            touched.all(|(column, all)| match Pattern::new(column) {
                Ok(everything) if all => covered(&everything, &patterns.iter().collect::<Vec<_>>()),
                _ => patterns.iter().any(|pattern| pattern.matches(column)),
            })
        } else {
            touched.any(|(column, all)| {
                let names = |pattern: &Pattern| {
                    if all {
                        pattern.can_match_below(&below)
                    } else {
                        pattern.matches(column)
                    }
                };
                patterns.iter().any(names)
            })
        }
    }

    /// Whether it does not match every request that its lists name.
    pub(crate) fn has_conditions(&self) -> bool {
        self.columns.is_some() || !self.when.is_empty() || self.over.is_some() || self.hours.is_some()
    }
}

#[cfg(test)]
mod tests;
