//! The decision: a pure function of the snapshot, the principal, the target and the facts.
//!
//! For each access the first rule that matches it decides; no match denies. Over all accesses the strictest effect holds:
//! deny before ask before allow. A request that does nothing nameable still has one access; one without any is denied.
//!
//! One rule stands before all rules of the file: a request that carries the attribute [`UNPROVEN`] is denied. A protocol
//! sets it when it cannot prove that the reply holds masked resources only where masks reach them. And where rules have hours, a
//! request whose time is not known is denied.
//!
//! Masks stand beside the rules where a request tries values on their columns ([`crate::probe`]): what they deny or ask about
//! is denied or asked about whatever the rules say, and what the rules deny stays denied.

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Access, Attribute, DecisionRecord, Effect, Facts, Principal};

use crate::hours;
use crate::probe;
use crate::snapshot::{NO_RESOURCE, Role, Rule, Snapshot};

/// The attribute (a text: the cause) of a request whose reply might carry a masked value where no mask reaches it.
pub const UNPROVEN: &str = "unproven";

/// How the cause ends of a request that is not proven because a rule would have people asked, and nobody can be: what it
/// does is not told by its facts alone then, but by the policy that was in force.
pub const NOBODY_TO_ASK: &str = "nobody can be asked about it here";

/// Decides a request.
pub fn decide(snapshot: &Snapshot, principal: &Principal, target: &str, facts: &Facts) -> DecisionRecord {
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
    let roles = roles(snapshot, principal);
    let mut strictest: Option<Outcome<'_>> = None;
    for access in &facts.accesses {
        let rule = rule_for(snapshot, &roles, target, access, facts);
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
    let roles = roles(snapshot, principal);
    let deciding = facts
        .accesses
        .iter()
        .filter_map(|access| rule_for(snapshot, &roles, target, access, facts));
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

/// The rule that decides an access: the first that matches it.
pub(crate) fn rule_for<'a>(
    snapshot: &'a Snapshot,
    roles: &BTreeSet<&str>,
    target: &str,
    access: &Access,
    facts: &Facts,
) -> Option<&'a Rule> {
    let mut in_order = snapshot.rules.iter();
    in_order.find(|rule| rule.matches(roles, target, access, facts))
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
            && self.unmet(facts).next().is_none()
            && self.over.is_none_or(|over| over.holds(facts))
            && self.in_hours(facts)
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

    /// Whether it does not match every request that its lists name.
    pub(crate) fn has_conditions(&self) -> bool {
        !self.when.is_empty() || self.over.is_some() || self.hours.is_some()
    }

    /// Whether it is for the time of the request.
    pub(crate) fn in_hours(&self, facts: &Facts) -> bool {
        self.hours.as_ref().is_none_or(|hours| hours.hold_for(facts))
    }

    /// Names of its conditions that do not hold.
    pub(crate) fn unmet<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = &'a str> {
        self.when
            .iter()
            .filter(|(name, wanted)| facts.attributes.get(*name) != Some(*wanted))
            .map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::Timestamp;
    use exhibit_schemas::event::access::{Access, Action, Attribute, Effect, Facts, Principal};

    use super::decide;
    use crate::hours::timed;
    use crate::snapshot::Snapshot;

    const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { method = "api-key", subject = "ci-*", groups = ["dev*"] }
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "billing"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[rules]]
name = "no-mass-updates"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
when = { no_where = true }
effect = "deny"
reason = "an update needs a WHERE"
[[rules]]
name = "writes"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
resources = ["public.claims"]
effect = "allow"
[[rules]]
name = "schema"
roles = ["agent"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
[[rules]]
name = "notes"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.notes"]
effect = "ask"
approval = "privacy"
[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]
effect = "allow"
"#;

    fn agent() -> Principal {
        Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci-agent".into(),
            client_id: None,
            groups: vec!["developers".into()],
            evidence: Digest([0; 32]),
            run: None,
        }
    }

    fn facts(accesses: &[(Action, &str)], no_where: bool) -> Facts {
        let named = |(action, resource): &(Action, &str)| {
            Access(*action, (!resource.is_empty()).then(|| (*resource).to_owned()))
        };
        let attributes: BTreeMap<_, _> = [("no_where".to_owned(), Attribute::Bool(no_where))].into();
        Facts {
            accesses: accesses.iter().map(named).collect(),
            attributes,
        }
    }

    fn check(accesses: &[(Action, &str)], effect: Effect, rule: Option<&str>) {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let decision = decide(&snapshot, &agent(), "clinic", &facts(accesses, false));
        assert_eq!(
            (decision.effect, decision.rule.as_deref()),
            (effect, rule),
            "{accesses:?}"
        );
        assert_eq!(decision.policy, snapshot.digest());
    }

    #[test]
    fn the_first_rule_that_matches_decides_an_access() {
        check(&[(Action::Read, "public.patients")], Effect::Allow, Some("reads"));
        check(&[(Action::Read, "public.notes")], Effect::Ask, Some("notes"));
        check(&[(Action::Write, "public.claims")], Effect::Allow, Some("writes"));
    }

    #[test]
    fn what_no_rule_names_is_denied() {
        check(&[], Effect::Deny, None);
        check(&[(Action::Read, "secret.patients")], Effect::Deny, None);
        check(&[(Action::Write, "public.patients")], Effect::Deny, None);
        check(&[(Action::Execute, "public.anything")], Effect::Deny, None);
    }

    #[test]
    fn the_strictest_access_decides_in_any_order() {
        let read = (Action::Read, "public.patients");
        let define = (Action::Define, "public.patients");
        let stranger = (Action::Read, "secret.patients");
        for accesses in [[read, define], [define, read]] {
            check(&accesses, Effect::Ask, Some("schema"));
        }
        for accesses in [[define, stranger], [stranger, define]] {
            check(&accesses, Effect::Deny, None);
        }
    }

    #[test]
    fn two_different_approvals_at_once_are_denied() {
        let (define, notes) = ((Action::Define, "public.x"), (Action::Read, "public.notes"));
        for accesses in [[define, notes], [notes, define]] {
            check(&accesses, Effect::Deny, None);
        }
    }

    #[test]
    fn requests_that_name_nothing_need_the_word_none() {
        check(&[(Action::Read, "")], Effect::Allow, Some("reads"));
        check(&[(Action::Read, "none")], Effect::Deny, None);
        check(&[(Action::Transaction, "")], Effect::Deny, None);
    }

    #[test]
    fn conditions_are_compared_exactly() {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let decide = |facts: &Facts| decide(&snapshot, &agent(), "clinic", facts);
        let update = facts(&[(Action::Write, "public.claims")], true);
        assert_eq!(decide(&update).reason, "an update needs a WHERE");
        assert_eq!(decide(&update).effect, Effect::Deny);
    }

    #[test]
    fn a_rule_with_hours_matches_within_them_and_nothing_passes_without_a_time() {
        let hours = "hours = { windows = [\"Mon-Fri 08:00-18:00\"], zone = \"Europe/Vienna\" }";
        let rule = "resources = [\"public.claims\"]\n";
        let policy = POLICY.replacen(rule, &format!("{rule}{hours}\n"), 1);
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let mut write = facts(&[(Action::Write, "public.claims")], false);
        let decided = |facts: &Facts| decide(&snapshot, &agent(), "clinic", facts);
        assert_eq!(decided(&write).reason, "the time of the request is not known");
        assert_eq!(
            decided(&facts(&[(Action::Read, "public.patients")], false)).effect,
            Effect::Deny
        );
        // Friday, 27 November 2026, 17:59 and 18:00 in Vienna.
        for (time_s, effect) in [(1_795_798_740, Effect::Allow), (1_795_798_800, Effect::Deny)] {
            timed(&mut write, Timestamp(time_s * 1_000_000));
            assert_eq!(decided(&write).effect, effect, "{time_s}");
        }
    }

    #[test]
    fn a_role_needs_every_claim_that_it_names() {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let read = facts(&[(Action::Read, "public.patients")], false);
        let effect = |principal: &Principal, target: &str| decide(&snapshot, principal, target, &read).effect;
        assert_eq!(effect(&agent(), "clinic"), Effect::Allow);
        assert_eq!(effect(&agent(), "billing"), Effect::Deny);
        assert_eq!(
            effect(
                &Principal {
                    method: "oidc".into(),
                    ..agent()
                },
                "clinic"
            ),
            Effect::Deny
        );
        assert_eq!(
            effect(
                &Principal {
                    subject: "dev-agent".into(),
                    ..agent()
                },
                "clinic"
            ),
            Effect::Deny
        );
        assert_eq!(
            effect(
                &Principal {
                    groups: vec!["ops".into()],
                    ..agent()
                },
                "clinic"
            ),
            Effect::Deny
        );
        assert_eq!(
            effect(
                &Principal {
                    groups: vec![],
                    ..agent()
                },
                "clinic"
            ),
            Effect::Deny
        );
    }
}
