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
//! What is found is matched whole, once for all rules that have the pattern, so one that is found for a wrong name costs time alone.

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

/// A pattern, and the rules that have it.
type Use = (Pattern, Holders);

/// Rules that have a pattern, in the smaller of two forms.
#[derive(Clone, Debug)]
enum Holders {
    Few(Vec<usize>),
    Many(Places),
}

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
        let mut patterns = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            let Some(resources) = &rule.resources else {
                whatever.insert(place);
                continue;
            };
            for pattern in resources {
                if pattern.as_str() == NO_RESOURCE {
                    nothing.insert(place);
                    continue;
                }
                let (_, places) = patterns.entry(pattern.as_str()).or_insert((pattern, Vec::new()));
                places.push(place);
            }
        }
        let (mut beginning, mut ending) = (BTreeMap::new(), BTreeMap::new());
        for (pattern, places) in patterns.into_values() {
            let (first, last) = pattern.ends();
            let (ends, text) = if last.len() > first.len() {
                (&mut ending, last.bytes().rev().collect())
            } else {
                (&mut beginning, first.bytes().collect::<Vec<u8>>())
            };
            let uses = ends.entry(text).or_insert_with(Vec::new);
            uses.push((pattern.clone(), Holders::of(places)));
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
        for (pattern, holders) in found.chain(self.ending.found(&reversed)) {
            if holders.have_more(&naming, among) && pattern.matches(resource) {
                holders.add(&mut naming, among);
            }
        }
        naming
    }
}

impl Holders {
    fn of(places: Vec<usize>) -> Self {
        let mut bits = Places::default();
        for place in &places {
            bits.insert(*place);
        }
        if places.len() < bits.words() {
            Self::Few(places)
        } else {
            Self::Many(bits)
        }
    }

    /// Whether some of them are among `among`, and not found yet.
    fn have_more(&self, found: &Places, among: &Places) -> bool {
        match self {
            Self::Few(places) => places
                .iter()
                .any(|place| among.contains(*place) && !found.contains(*place)),
            Self::Many(places) => found.lacks(places, among),
        }
    }

    /// Adds those that are among `among`.
    fn add(&self, found: &mut Places, among: &Places) {
        match self {
            Self::Few(places) => {
                let places = places.iter().filter(|place| among.contains(**place));
                places.for_each(|place| found.insert(*place));
            }
            Self::Many(places) => found.add_among(places, among),
        }
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

#[cfg(test)]
mod tests;
