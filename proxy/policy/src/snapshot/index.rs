//! What is known of the rules of a policy before any request comes: for which targets, roles, actions and resources each of them
//! is, which have equal conditions, and what decisions about a target go by. It is made once, with the snapshot.
//!
//! Sets of rules are bits ([`Places`]), one for each rule of the file, so that all that a request rules out is gone in a few words, and what is
//! left stands in the order of the file. Names of resources are looked up by how patterns begin or end ([`Named`]).
//!
//! The size is that of the file but for a bit to each rule of each target and role.
//!
//! Not here: whether conditions hold, columns, and which rule decides ([`crate::decide`]).

mod asked;
mod named;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::access::{Action, Facts, Principal};

use self::asked::Asked;
use self::named::Named;
pub(crate) use self::places::Places;
use super::{Approval, Over, Role, Rule};
use crate::seen::FIRST_SEEN;

/// The rules of a policy by what they are for.
#[derive(Clone, Debug)]
pub(super) struct Index {
    targets: BTreeMap<String, OfTarget>,
    /// In the order of the roles.
    roles: Vec<Places>,
    actions: BTreeMap<Action, Places>,
    named: Named,
    asked: Asked,
    /// The number of each rule's conditions; equal ones have one.
    conditions: Vec<usize>,
    /// How many numbers there are.
    different: usize,
    has_hours: bool,
    over: Vec<Over>,
}

/// What the rules for one target go by.
#[derive(Clone, Debug, Default)]
struct OfTarget {
    rules: Places,
    seen: bool,
    estimates: bool,
    previews: bool,
    estimate_limits: BTreeSet<u64>,
}

impl Index {
    pub(super) fn of(all: &[Rule], roles: &[Role], approvals: &[Approval]) -> Self {
        let mut numbers = BTreeMap::new();
        let conditions = all.iter().map(|rule| {
            let next = numbers.len();
            *numbers.entry(rule.conditions()).or_insert(next)
        });
        let conditions = conditions.collect();
        let mut index = Self {
            targets: BTreeMap::new(),
            roles: vec![Places::default(); roles.len()],
            actions: BTreeMap::new(),
            named: Named::of(all),
            asked: Asked::of(all),
            conditions,
            different: numbers.len(),
            has_hours: all.iter().any(|rule| rule.hours.is_some()),
            over: all.iter().filter_map(|rule| rule.over).collect(),
        };
        let named = |tells: fn(&Approval) -> bool| -> BTreeSet<&str> {
            let approvals = approvals.iter().filter(|approval| tells(approval));
            approvals.map(|approval| approval.name.as_str()).collect()
        };
        let with_estimate = named(|approval| approval.estimate);
        let with_preview = named(|approval| approval.preview.is_some());
        for (place, rule) in all.iter().enumerate() {
            let limit = rule.over.and_then(|over| over.estimated_rows);
            let asks = |of: &BTreeSet<&str>| rule.approval.as_deref().is_some_and(|name| of.contains(name));
            let (tells, shows) = (asks(&with_estimate), asks(&with_preview));
            for target in &rule.targets {
                let of = index.targets.entry(target.clone()).or_default();
                of.rules.insert(place);
                of.seen |= rule.when.contains_key(FIRST_SEEN);
                of.estimates |= limit.is_some() || tells;
                of.previews |= shows;
                of.estimate_limits.extend(limit);
            }
            for (role, places) in roles.iter().zip(&mut index.roles) {
                if rule.roles.contains(&role.name) {
                    places.insert(place);
                }
            }
            for action in &rule.actions {
                index.actions.entry(*action).or_default().insert(place);
            }
        }
        index
    }

    /// The rules for a target and for any role that the principal has, but those that ask for other attributes than the request has.
    pub(super) fn about(&self, roles: &[Role], principal: &Principal, target: &str, facts: &Facts) -> Places {
        let mut about = Places::default();
        let Some(of) = self.targets.get(target) else {
            return about;
        };
        for (_, places) in roles
            .iter()
            .zip(&self.roles)
            .filter(|(role, _)| role.matches(principal))
        {
            about.add(places);
        }
        about.keep(&of.rules);
        self.asked.keep_met(&mut about, facts);
        about
    }

    /// Those of some rules that are for an action and name a resource; `None` is a request that names nothing.
    pub(super) fn naming(&self, among: &Places, action: Action, resource: Option<&str>) -> Places {
        let Some(actions) = self.actions.get(&action) else {
            return Places::default();
        };
        let mut among = among.clone();
        among.keep(actions);
        self.named.naming(&among, resource)
    }

    /// How many different conditions there are.
    pub(super) const fn conditions(&self) -> usize {
        self.different
    }

    /// The number of the conditions of the rule at that place.
    pub(super) fn conditions_at(&self, place: usize) -> Option<usize> {
        self.conditions.get(place).copied()
    }

    pub(super) const fn has_hours(&self) -> bool {
        self.has_hours
    }

    /// The thresholds of all rules.
    pub(super) fn over(&self) -> impl Iterator<Item = Over> {
        self.over.iter().copied()
    }

    pub(super) fn tells_seen(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|of| of.seen)
    }

    pub(super) fn estimates(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|of| of.estimates)
    }

    pub(super) fn previews(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|of| of.previews)
    }

    pub(super) fn estimate_limits(&self, target: &str) -> impl Iterator<Item = u64> {
        let limits = self.targets.get(target).map(|of| of.estimate_limits.iter().copied());
        limits.into_iter().flatten()
    }
}
