//! Which rules name a resource, without trying the patterns of all of them.
//!
//! A pattern is found by what stands before its first star, or by what stands behind its last one, whichever is longer: of all
//! beginnings in order, those that a name begins with stand on one chain from the last one that is not after the name, each a
//! beginning of the one before it.
//!
//! ```text
//! beginnings, in order         of public.notes
//! public.                   ◀─┐ 2nd
//! public.claims               │
//! public.no                 ──┘ 1st, the last that is not after the name
//! public.visits
//! ```
//!
//! What is found is matched whole, so a pattern that is found for a wrong name costs time alone.

use std::collections::BTreeMap;

use super::Places;
use crate::pattern::Pattern;
use crate::snapshot::{NO_RESOURCE, Rule};

/// The rules of a policy by the resources that they name.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// Rules that ask for no resource.
    whatever: Places,
    /// Rules for requests that name nothing, among others.
    nothing: Places,
    /// Patterns by what they begin with; those that begin and end with a star begin with nothing.
    beginning: Chains,
    /// Patterns by what they end with, read from the end.
    ending: Chains,
}

/// A pattern of the rule at that place.
type Use = (Pattern, usize);

/// Beginnings in their order.
#[derive(Clone, Debug)]
struct Chains(Vec<Beginning>);

#[derive(Clone, Debug)]
struct Beginning {
    text: Vec<u8>,
    uses: Vec<Use>,
    /// The longest other one that this one begins with.
    shorter: Option<usize>,
}

impl Named {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let (mut whatever, mut nothing) = (Places::default(), Places::default());
        let (mut beginning, mut ending) = (BTreeMap::new(), BTreeMap::new());
        for (place, rule) in rules.iter().enumerate() {
            let Some(patterns) = &rule.resources else {
                whatever.insert(place);
                continue;
            };
            for pattern in patterns {
                if pattern.as_str() == NO_RESOURCE {
                    nothing.insert(place);
                    continue;
                }
                let (first, last) = pattern.ends();
                let (ends, text) = if last.len() > first.len() {
                    (&mut ending, last.bytes().rev().collect())
                } else {
                    (&mut beginning, first.bytes().collect::<Vec<u8>>())
                };
                ends.entry(text).or_insert_with(Vec::new).push((pattern.clone(), place));
            }
        }
        Self {
            whatever,
            nothing,
            beginning: Chains::of(beginning),
            ending: Chains::of(ending),
        }
    }

    /// Those of some rules that name a resource; `None` is a request that names nothing.
    pub(super) fn naming(&self, among: &Places, resource: Option<&str>) -> Places {
        let mut naming = among.clone();
        let Some(resource) = resource else {
            let mut without = self.nothing.clone();
            without.add(&self.whatever);
            naming.keep(&without);
            return naming;
        };
        naming.keep(&self.whatever);
        let reversed: Vec<u8> = resource.bytes().rev().collect();
        let found = self.beginning.found(resource.as_bytes());
        for (pattern, place) in found.chain(self.ending.found(&reversed)) {
            if among.contains(*place) && !naming.contains(*place) && pattern.matches(resource) {
                naming.insert(*place);
            }
        }
        naming
    }
}

impl Chains {
    fn of(beginnings: BTreeMap<Vec<u8>, Vec<Use>>) -> Self {
        let mut all: Vec<Beginning> = Vec::with_capacity(beginnings.len());
        for (text, uses) in beginnings {
            let mut shorter = all.len().checked_sub(1);
            while let Some(other) = shorter.and_then(|place| all.get(place)) {
                if text.starts_with(&other.text) {
                    break;
                }
                shorter = other.shorter;
            }
            all.push(Beginning { text, uses, shorter });
        }
        Self(all)
    }

    /// What is kept by all that a text begins with.
    fn found(&self, text: &[u8]) -> impl Iterator<Item = &Use> {
        let last = self.0.partition_point(|one| one.text.as_slice() <= text).checked_sub(1);
        let at = |place: Option<usize>| place.and_then(|place| self.0.get(place));
        let chain = std::iter::successors(at(last), move |one| at(one.shorter));
        chain
            .filter(move |one| text.starts_with(&one.text))
            .flat_map(|one| &one.uses)
    }
}
