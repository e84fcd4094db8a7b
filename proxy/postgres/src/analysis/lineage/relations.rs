//! Rule 3: the relations that a statement names, and their masked columns.

use std::collections::BTreeSet;

use super::super::tree::{Place, Range, Tree};
use super::super::{Names, known};
use crate::catalog::{Catalog, Relation, RelationKind};

/// Relations that are walked from one to the next at the most: views over views, trees of partitions.
const WALK_MAX: usize = 100_000;

/// Rule 3: every relation is known, and none shows masked columns under another origin.
pub(super) fn relations_unproven(tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    for range in &tree.ranges {
        let candidates = candidates(names, range.schema.as_deref(), &range.name);
        if range.place == Place::Made {
            continue;
        }
        if candidates.is_empty() {
            return Some(format!("the relation {} is not known", names.resource(range)));
        }
        let mut wrong = candidates
            .iter()
            .filter_map(|relation| wrong_origin(relation, names.catalog, masked));
        if let Some(cause) = wrong.next() {
            return Some(cause);
        }
        let system = |relation: &&Relation| matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
        let leaking = candidates
            .iter()
            .filter(|relation| system(relation) && relation.kind != RelationKind::Index)
            .find(|relation| !known::definition_relation(&relation.schema, &relation.name));
        if let Some(relation) = leaking {
            return Some(format!(
                "{} is not known to hold definitions alone",
                relation.resource()
            ));
        }
    }
    None
}

/// What a name may mean: where its schema is not given, any relation of its name outside of the system's schemas too, so
/// that a proof does not hang on the search path.
pub(super) fn candidates<'a>(names: &'a Names<'_>, schema: Option<&str>, name: &'a str) -> Vec<&'a Relation> {
    let resolved = names.find(schema, name);
    let mut candidates: Vec<&Relation> = resolved.into_iter().collect();
    if schema.is_none() {
        let own = resolved.map(|relation| relation.oid);
        let others = names
            .catalog
            .all_named(name)
            .filter(|relation| Some(relation.oid) != own)
            .filter(|relation| !matches!(relation.schema.as_str(), "pg_catalog" | "information_schema"));
        candidates.extend(others);
    }
    candidates
}

/// Why the server would name another origin for masked columns that this relation shows.
fn wrong_origin(relation: &Relation, catalog: &Catalog, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    let any_masked = |relation: &Relation| {
        let mut columns = relation.columns.values();
        columns.any(|column| masked(&relation.column_resource(&column.name)))
    };
    let unsure = || Some(format!("what {} depends on is not known", relation.resource()));
    // Views and rules: everything that they read, and what that reads, and so on.
    let mut waiting: Vec<u32> = relation.depends_on.iter().copied().collect();
    let mut seen = BTreeSet::new();
    if relation.calls_functions {
        return Some(format!(
            "{} calls functions that may read other relations",
            relation.resource()
        ));
    }
    while let Some(oid) = waiting.pop() {
        if oid == relation.oid || !seen.insert(oid) {
            continue;
        }
        let Some(used) = catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX) else {
            return unsure();
        };
        let system = matches!(used.schema.as_str(), "pg_catalog" | "information_schema");
        let leaking = system && !known::definition_relation(&used.schema, &used.name);
        let own_system = matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
        if any_masked(used) || used.calls_functions || (leaking && !own_system) {
            return Some(format!("{} shows data of {}", relation.resource(), used.resource()));
        }
        // The system's own views are listed by name as a whole; what they are made of is not looked into.
        if !system {
            waiting.extend(used.depends_on.iter().chain(&used.parents));
            waiting.extend(catalog.children(used));
        }
    }
    // Inheritance and partitions: rows of children come under the parent's origin, and the child can be read alone.
    let mut waiting: Vec<(u32, bool)> = relation.parents.iter().map(|parent| (*parent, true)).collect();
    waiting.extend(catalog.children(relation).map(|child| (child, false)));
    let mut seen = BTreeSet::new();
    while let Some((oid, up)) = waiting.pop() {
        if !seen.insert(oid) {
            continue;
        }
        let Some(kin) = catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX) else {
            return unsure();
        };
        for column in kin.columns.values() {
            let same_here = relation.has_column(&column.name) && !masked(&relation.column_resource(&column.name));
            if same_here && masked(&kin.column_resource(&column.name)) {
                return Some(format!("{} shows data of {}", relation.resource(), kin.resource()));
            }
        }
        if up {
            waiting.extend(kin.parents.iter().map(|parent| (*parent, up)));
        } else {
            waiting.extend(catalog.children(kin).map(|child| (child, up)));
        }
    }
    None
}

/// The relations of a statement that have masked columns.
pub(super) struct Masks<'a> {
    pub(super) ranges: Vec<Masked<'a>>,
    /// Names of columns that are masked in any of them.
    columns: BTreeSet<String>,
    masked: &'a dyn Fn(&str) -> bool,
}

pub(super) struct Masked<'a> {
    pub(super) range: &'a Range,
    relations: Vec<&'a Relation>,
}

impl<'a> Masks<'a> {
    pub(super) fn of(tree: &'a Tree, names: &'a Names<'_>, masked: &'a dyn Fn(&str) -> bool) -> Self {
        let mut masks = Self {
            ranges: Vec::new(),
            columns: BTreeSet::new(),
            masked,
        };
        for range in tree.ranges.iter().filter(|range| range.place != Place::Made) {
            let relations = candidates(names, range.schema.as_deref(), &range.name);
            let columns: BTreeSet<String> = relations.iter().flat_map(|relation| hidden(relation, masked)).collect();
            if !columns.is_empty() {
                masks.columns.extend(columns);
                masks.ranges.push(Masked { range, relations });
            }
        }
        masks
    }

    /// Whether a name without qualifier could be a masked column, one that the catalog does not know yet included.
    pub(super) fn could_be(&self, name: &str) -> bool {
        let mut relations = self.ranges.iter().flat_map(|masked| &masked.relations);
        self.columns.contains(name) || relations.any(|relation| (self.masked)(&relation.column_resource(name)))
    }

    /// Whether a name stands for a whole relation with masked columns.
    pub(super) fn is_row(&self, name: &str) -> bool {
        let mut ranges = self.ranges.iter().map(|masked| masked.range);
        ranges.any(|range| range.alias == name)
    }
}

/// Whether a column has a mask; one that the catalog does not know counts as masked.
pub(super) fn is_masked(relation: &Relation, number: i16, masked: &dyn Fn(&str) -> bool) -> bool {
    let column = relation.columns.get(&number);
    column.is_none_or(|column| masked(&relation.column_resource(&column.name)))
}

/// Names of the masked columns of a relation, and of the ones that are generated from them. A generated column cannot be
/// made of another generated one, so one step is all.
fn hidden(relation: &Relation, masked: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let is_masked = |number: &i16| is_masked(relation, *number, masked);
    let made = |number: &i16| relation.generated.get(number).into_iter().flatten().any(is_masked);
    let columns = relation.columns.iter();
    columns
        .filter(|(number, _)| is_masked(number) || made(number))
        .map(|(_, column)| column.name.clone())
        .collect()
}
