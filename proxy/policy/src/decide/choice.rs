//! Which rule decides each access of a request: the first that matches it and is enforced.
//!
//! What all accesses have in common is asked once: which rules are for the target, the roles and the attributes ([`Snapshot::rules_about`]), and
//! whether conditions hold, be they those of one rule or of hundreds. Of a rule whose conditions do not hold nothing is asked again.
//!
//! Not here: what several accesses come to ([`super::decide`]).

use exhibit_schemas::event::access::{Access, Facts, Observed, Principal};

use crate::snapshot::{Mode, Places, Rule, Snapshot};

/// The choice of rules for one request.
pub(crate) struct Choice<'a> {
    snapshot: &'a Snapshot,
    /// A rule that is observed, and taken to be enforced.
    enforced: Option<&'a str>,
    facts: &'a Facts,
    /// For its target and its principal's roles, but those whose conditions were found not to hold.
    rules: Places,
    /// Whether conditions hold that were asked, by their numbers in the snapshot.
    held: Vec<Option<bool>>,
    /// Those that matched, are only observed, and stood before the one that decided.
    observed: Places,
}

impl<'a> Choice<'a> {
    pub(crate) fn of(
        snapshot: &'a Snapshot,
        enforced: Option<&'a str>,
        principal: &Principal,
        target: &str,
        facts: &'a Facts,
    ) -> Self {
        Self {
            snapshot,
            enforced,
            facts,
            rules: snapshot.rules_about(principal, target, facts),
            held: vec![None; snapshot.conditions()],
            observed: Places::default(),
        }
    }

    /// The rule that decides an access.
    pub(crate) fn rule_for(&mut self, access: &Access) -> Option<&'a Rule> {
        let Access(_, resource) = access;
        let naming = self.snapshot.rules_naming(&self.rules, access);
        for place in naming.iter() {
            let rule = self.snapshot.rules.get(place)?;
            if !self.conditions_hold(place, rule) {
                self.rules.remove(place);
            } else if rule.columns_hold(resource.as_deref(), self.facts) {
                if rule.mode == Mode::Enforce || self.enforced == Some(rule.name.as_str()) {
                    return Some(rule);
                }
                self.observed.insert(place);
            }
        }
        None
    }

    /// Whether the conditions of the rule at that place hold.
    fn conditions_hold(&mut self, place: usize, rule: &Rule) -> bool {
        let ask = || rule.conditions().hold(self.facts);
        let number = self.snapshot.conditions_at(place);
        match number.and_then(|number| self.held.get_mut(number)) {
            Some(held) => *held.get_or_insert_with(ask),
            None => ask(),
        }
    }

    /// The rules that are only observed and matched so far, in the order of the file.
    pub(crate) fn observed(&self) -> Option<Vec<Observed>> {
        let rules = self.observed.iter().filter_map(|place| self.snapshot.rules.get(place));
        let observed: Vec<_> = rules
            .map(|rule| Observed {
                rule: rule.name.clone(),
                effect: rule.effect,
                approval: rule.approval.clone(),
            })
            .collect();
        (!observed.is_empty()).then_some(observed)
    }
}

#[cfg(test)]
mod tests;
