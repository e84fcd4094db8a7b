//! Rules by what they ask of a request's attributes (`when`): of hundreds that each ask something else, those that a request does not meet
//! are gone in a few words, without being asked one by one.
//!
//! Not here: what else a rule asks ([`crate::decide`] holds whatever is left to all of it).

use std::collections::BTreeMap;

use exhibit_schemas::event::access::{Attribute, Effect, Facts};

use super::Places;
use crate::decide::{CLASS, MIXED};
use crate::snapshot::Rule;

/// The rules of a policy by the attributes that they ask about.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(BTreeMap<String, OfAttribute>);

/// The rules that ask about one attribute.
#[derive(Clone, Debug, Default)]
struct OfAttribute {
    all: Places,
    /// Those that allow.
    allowing: Places,
    /// By what they want it to be.
    wanting: BTreeMap<Attribute, Places>,
}

impl Asked {
    pub(super) fn of(all: &[Rule]) -> Self {
        let mut asked: BTreeMap<String, OfAttribute> = BTreeMap::new();
        for (place, rule) in all.iter().enumerate() {
            for (name, wanted) in &rule.when {
                let of = asked.entry(name.clone()).or_default();
                of.all.insert(place);
                if rule.effect == Effect::Allow {
                    of.allowing.insert(place);
                }
                of.wanting.entry(wanted.clone()).or_default().insert(place);
            }
        }
        Self(asked)
    }

    /// Takes out of some rules those that ask for another attribute than a request has.
    pub(super) fn keep_met(&self, among: &mut Places, facts: &Facts) {
        let none = Places::default();
        for (name, of) in &self.0 {
            let stated = facts.attributes.get(name);
            // A request of several kinds is for every rule about one of them that does not allow.
            let mixed = name == CLASS && matches!(stated, Some(Attribute::Text(class)) if class == MIXED);
            let asking = if mixed { &of.allowing } else { &of.all };
            let met = stated.and_then(|stated| of.wanting.get(stated)).unwrap_or(&none);
            among.take_out(asking, met);
        }
    }
}
