//! Masks and patients held against columns: what they name that is not there, and what is there that they do not name.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::inspect::{Kind, Place, Warning, readers};
use exhibit_policy::pattern::Pattern;
use exhibit_policy::snapshot::{Mask, Snapshot};
use exhibit_proxy::reading::RecordedCatalog;

/// Dots in the resource of a column of PostgreSQL at the least: `schema.relation.column`.
const DOTS: usize = 2;

/// The name of a column that says nothing of what it identifies.
const UNTELLING: &str = "id";

/// Everything that can be said of masks and of patients, as far as there are catalogs.
pub(super) fn inspect(snapshot: &Snapshot, catalogs: &BTreeMap<String, RecordedCatalog>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, mask) in snapshot.masks().iter().enumerate() {
        let place = Place { list: "masks", element };
        warnings.extend(nothing(snapshot, mask, place, catalogs));
    }
    for (target, catalog) in catalogs {
        warnings.extend(unmasked(snapshot, target, catalog));
        warnings.extend(unidentified(snapshot, target, catalog));
    }
    warnings
}

/// Columns that are to identify patients and are not there, and relations that have a column called so and are not named.
fn unidentified(snapshot: &Snapshot, target: &str, catalog: &RecordedCatalog) -> Vec<Warning> {
    let warning = |element, text| Warning {
        kind: Kind::Unidentified,
        place: Place {
            list: "patients",
            element,
        },
        text,
    };
    let columns: BTreeSet<(String, &str, String)> = catalog.columns().collect();
    let mut warnings = Vec::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (element, _, column) in snapshot.patients().filter(|(_, of, _)| *of == target) {
        match columns.iter().find(|(_, _, known)| known == column) {
            Some((_, name, _)) => drop(names.insert(name, element)),
            None => warnings.push(warning(
                element,
                format!("no column of the catalog of target `{target}` is called `{column}`, so nobody is known by it"),
            )),
        }
    }
    for (relation, name, column) in &columns {
        let Some(element) = names.get(name).filter(|_| *name != UNTELLING) else {
            continue;
        };
        if snapshot.identifying(target, relation).is_none() {
            warnings.push(warning(
                *element,
                format!("rows of `{relation}` of target `{target}` are nobody's records, and `{column}` is called as if it named patients"),
            ));
        }
    }
    warnings
}

/// Patterns of a mask that match no column of any of its targets.
fn nothing(
    snapshot: &Snapshot,
    mask: &Mask,
    place: Place,
    catalogs: &BTreeMap<String, RecordedCatalog>,
) -> Vec<Warning> {
    let of_postgres = |name: &str| {
        let mut targets = snapshot.targets().iter();
        targets.any(|target| target.name == name && target.protocol == "postgres")
    };
    let known: Option<Vec<&RecordedCatalog>> = mask.targets().map(|target| catalogs.get(target)).collect();
    let mut warnings = Vec::new();
    for pattern in mask.resources() {
        let text = pattern.as_str();
        let absent = known
            .as_ref()
            .is_some_and(|known| !known.iter().any(|catalog| has(catalog, pattern)));
        let cause = if mask.targets().all(of_postgres) && !text.contains('*') && text.matches('.').count() < DOTS {
            "a column is schema.relation.column"
        } else if absent {
            "no column of the catalog is called so"
        } else {
            continue;
        };
        warnings.push(Warning {
            kind: Kind::MaskedNothing,
            place,
            text: format!("mask `{}` masks nothing by `{text}`: {cause}", mask.name),
        });
    }
    warnings
}

fn has(catalog: &RecordedCatalog, pattern: &Pattern) -> bool {
    catalog.columns().any(|(_, _, column)| pattern.matches(&column))
}

/// Columns that somebody reads as they are, and that are called as a masked column of the same target.
fn unmasked(snapshot: &Snapshot, target: &str, catalog: &RecordedCatalog) -> Vec<Warning> {
    let mut masked: BTreeMap<&str, &Mask> = BTreeMap::new();
    for (_, name, column) in catalog.columns() {
        if let Some(mask) = snapshot.mask(target, &column) {
            masked.entry(name).or_insert(mask);
        }
    }
    let mut warnings = Vec::new();
    let mut columns: BTreeSet<(String, &str, String)> = catalog.columns().collect();
    columns.retain(|(_, _, column)| snapshot.mask(target, column).is_none());
    for (relation, name, column) in columns {
        let Some(mask) = masked.get(name) else { continue };
        let readers = readers(snapshot, target, &relation);
        let element = snapshot.masks().iter().position(|other| other.name == mask.name);
        let (Some(element), [_, ..]) = (element, readers.as_slice()) else {
            continue;
        };
        let text = format!(
            "role {} reads `{column}` of target `{target}` as it is; mask `{}` is for another column `{name}`",
            readers.join(", "),
            mask.name
        );
        let place = Place { list: "masks", element };
        warnings.push(Warning {
            kind: Kind::Unmasked,
            place,
            text,
        });
    }
    warnings
}
