//! Rule 3: the relations that a statement names, and their masked columns.

use std::collections::BTreeSet;

use super::super::tree::{Place, Range, Tree};
use super::super::{Names, known};
use super::sources::Sources;
use crate::catalog::{Relation, RelationKind};

/// Rule 3: every relation is known, and of each is known what it shows.
pub(super) fn relations_unproven(tree: &Tree, names: &Names<'_>, sources: &Sources<'_>) -> Option<String> {
    for range in &tree.ranges {
        let candidates = candidates(names, range.schema.as_deref(), &range.name);
        if range.place == Place::Made {
            continue;
        }
        if candidates.is_empty() {
            return Some(format!("the relation {} is not known", names.resource(range)));
        }
        let mut unsure = candidates.iter().filter_map(|relation| sources.unsure(relation));
        if let Some(cause) = unsure.next() {
            return Some(cause);
        }
    }
    leaking(tree, names)
}

/// Relations of the system that may hold something of the content of others.
pub(super) fn leaking(tree: &Tree, names: &Names<'_>) -> Option<String> {
    let system = |relation: &&Relation| matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
    let ranges = tree.ranges.iter().filter(|range| range.place != Place::Made);
    let mut leaking = ranges.filter_map(|range| {
        let candidates = candidates(names, range.schema.as_deref(), &range.name);
        candidates
            .into_iter()
            .filter(|relation| system(relation) && relation.kind != RelationKind::Index)
            .find(|relation| {
                !known::definition_relation(&relation.schema, &relation.name) && !counts(tree, range, relation)
            })
    });
    let relation = leaking.next()?;
    Some(format!(
        "{} is not known to hold definitions alone",
        relation.resource()
    ))
}

/// Whether it reads subscriptions and not how they connect, whose passwords stand there in a column of its own. `pg_dump`
/// counts them.
fn counts(tree: &Tree, range: &Range, relation: &Relation) -> bool {
    let connects = |reference: &Vec<Option<String>>| {
        let star_or_row = |part: &Option<String>| part.as_ref().is_none_or(|name| *name == range.alias);
        reference.last().is_none_or(star_or_row)
    };
    relation.schema == "pg_catalog"
        && relation.name == "pg_subscription"
        && !range.renames_columns
        && !tree.opaque_join
        && !tree.references.iter().any(connects)
        && !tree.fields.contains("subconninfo")
        && !tree.names.contains("subconninfo")
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

/// The relations of a statement that have masked columns.
pub(super) struct Masks<'a> {
    pub(super) ranges: Vec<Masked<'a>>,
    /// Names of columns that are masked in any of them.
    columns: BTreeSet<String>,
    sources: &'a Sources<'a>,
}

pub(super) struct Masked<'a> {
    pub(super) range: &'a Range,
    relations: Vec<&'a Relation>,
}

impl<'a> Masks<'a> {
    pub(super) fn of(tree: &'a Tree, names: &'a Names<'_>, sources: &'a Sources<'a>) -> Self {
        let mut masks = Self {
            ranges: Vec::new(),
            columns: BTreeSet::new(),
            sources,
        };
        for range in tree.ranges.iter().filter(|range| range.place != Place::Made) {
            let relations = candidates(names, range.schema.as_deref(), &range.name);
            let columns: BTreeSet<String> = relations.iter().flat_map(|relation| sources.hidden(relation)).collect();
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
        self.columns.contains(name) || relations.any(|relation| self.sources.would_mask(relation, name))
    }

    /// Whether a name stands for a whole relation with masked columns.
    pub(super) fn is_row(&self, name: &str) -> bool {
        let mut ranges = self.ranges.iter().map(|masked| masked.range);
        ranges.any(|range| range.alias == name)
    }
}
