//! The conditions of a rule: what it asks of a request, whatever that accesses.
//!
//! Whether they hold goes by what they say and by nothing else of their rule, so rules with equal conditions have one answer for a
//! request ([`super::choice`]).
//!
//! Not here: columns, which are of each access.

use std::collections::BTreeMap;

use exhibit_schemas::event::access::{Attribute, Effect, Facts};

use super::{CLASS, MIXED};
use crate::hours::Hours;
use crate::snapshot::{Over, Rule};

/// All that the conditions of a rule say; their order says nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conditions<'a> {
    when: &'a BTreeMap<String, Attribute>,
    over: Option<Over>,
    hours: Option<&'a Hours>,
    /// Whether the rule allows: one that does is not for requests of several kinds.
    allows: bool,
}

impl Rule {
    /// What it asks of a request.
    pub(crate) fn conditions(&self) -> Conditions<'_> {
        Conditions {
            when: &self.when,
            over: self.over,
            hours: self.hours.as_ref(),
            allows: self.effect == Effect::Allow,
        }
    }
}

impl<'a> Conditions<'a> {
    /// Whether all of them hold.
    pub(crate) fn hold(self, facts: &Facts) -> bool {
        self.unmet(facts).next().is_none() && self.over.is_none_or(|over| over.holds(facts)) && self.in_hours(facts)
    }

    /// Whether the time of the request is one of the rule's.
    pub(crate) fn in_hours(self, facts: &Facts) -> bool {
        self.hours.is_none_or(|hours| hours.hold_for(facts))
    }

    /// Names of the attributes that are others than `when` says.
    pub(crate) fn unmet(self, facts: &Facts) -> impl Iterator<Item = &'a str> {
        self.when
            .iter()
            .filter(move |(name, wanted)| match facts.attributes.get(*name) {
                Some(Attribute::Text(class)) if *name == CLASS && class == MIXED && !self.allows => false,
                stated => stated != Some(*wanted),
            })
            .map(|(name, _)| name.as_str())
    }
}
