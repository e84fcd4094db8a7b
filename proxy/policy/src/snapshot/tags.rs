//! Targets of a rule: by their names, or by the tags that they have in the same file. Either way the rule holds names.

use std::collections::BTreeSet;

use super::{PolicyError, Target, known};

/// The targets of these names.
pub(super) fn named(place: &str, names: &[String], targets: &[Target]) -> Result<BTreeSet<String>, PolicyError> {
    if names.is_empty() {
        return Err(broken(place, "an empty list of targets is for none"));
    }
    let defined = targets.iter().map(|target| target.name.clone()).collect();
    known(place, "target", names, &defined)?;
    Ok(names.iter().cloned().collect())
}

/// The targets that have each of these tags.
pub(super) fn tagged(place: &str, tags: &[String], targets: &[Target]) -> Result<BTreeSet<String>, PolicyError> {
    if tags.is_empty() {
        return Err(broken(place, "an empty list of tags is for no target"));
    }
    let defined = targets.iter().flat_map(|target| target.tags.iter().cloned()).collect();
    known(place, "tag", tags, &defined)?;
    let all = |target: &&Target| tags.iter().all(|tag| target.tags.contains(tag));
    let found: BTreeSet<String> = targets.iter().filter(all).map(|target| target.name.clone()).collect();
    if found.is_empty() {
        return Err(broken(place, "no target has all of these tags"));
    }
    Ok(found)
}

fn broken(place: &str, rule: &'static str) -> PolicyError {
    PolicyError::Rule {
        place: place.to_owned(),
        rule,
    }
}
