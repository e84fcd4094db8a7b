//! Which columns a statement may read or write.
//!
//! Columns are told by their names: a column counts as touched where its name stands anywhere in the statement in a place where columns
//! are mentioned. That is more than what is read, never less, as long as every way to read a column without its name counts as all of them:
//!
//! | all columns | of |
//! | --- | --- |
//! | `*`, a whole row, a name that is no column of any relation here | the relations that it can mean |
//! | `NATURAL JOIN`, a list of other names (`AS p (a, b)`), a relation that is not known | the relation |
//! | an `INSERT` without a list of columns, `ON CONFLICT ON CONSTRAINT` | what it writes to |
//! | every other statement than a query or a change of rows: definitions, `TRUNCATE`, `COPY` without a list | the relation |
//!
//! What a view reads, what code of the database reads, and what a cursor or `EXECUTE` of an unknown name stands for, is not told here, as
//! in accesses.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::access::{Access, Action};

use super::Names;
use super::kind::Form;
use super::tree::{Place, Range, Reference, Tree};
use crate::catalog::{Relation, is_system_column, part};

/// Columns that are told by name at the most; a statement that touches more touches all of its relations'.
const COLUMNS_MAX: usize = 256;

/// All columns of a relation.
const ALL: &str = "*";

/// The columns that a statement with these accesses may touch.
pub(super) fn columns(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> BTreeSet<String> {
    let relations: Vec<(&Range, Option<&Relation>)> =
        tree.ranges.iter().map(|range| (range, names.relation(range))).collect();
    let mentioned = Mentioned::of(tree, &relations);
    let mut touched: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (range, relation) in &relations {
        let columns = touched.entry(names.resource(range)).or_default();
        match relation {
            Some(relation) if !mentioned.all(range, tree, form) => {
                let known = relation.columns.values().map(|column| column.name.as_str());
                columns.extend(known.filter(|column| mentioned.columns.contains(*column)));
            }
            _ => drop(columns.insert(ALL)),
        }
    }
    // What is named as an object (`DROP TABLE`, `COMMENT ON`) is no relation of the tree; what has a kind has no columns.
    for Access(action, resource) in accesses {
        let relation = resource
            .as_deref()
            .filter(|name| !name.contains(':') && !name.ends_with(".*"));
        if let Some(relation) = relation.filter(|_| *action != Action::Execute)
            && !touched.contains_key(relation)
        {
            touched.insert(relation.to_owned(), BTreeSet::from([ALL]));
        }
    }
    let wide = touched.values().map(BTreeSet::len).sum::<usize>() > COLUMNS_MAX;
    let mut columns = BTreeSet::new();
    for (resource, of) in touched {
        if wide || of.contains(ALL) {
            columns.insert(format!("{resource}.{ALL}"));
        } else {
            columns.extend(of.iter().map(|column| format!("{resource}.{}", part(column))));
        }
    }
    columns
}

/// What the places say in which a statement names columns.
struct Mentioned<'a> {
    columns: BTreeSet<&'a str>,
    /// Aliases whose whole rows are mentioned.
    rows: BTreeSet<&'a str>,
    /// Something is named that may be all columns of any relation.
    everything: bool,
}

impl<'a> Mentioned<'a> {
    fn of(tree: &'a Tree, relations: &[(&Range, Option<&Relation>)]) -> Self {
        let lists = [
            &tree.output_names,
            &tree.keys,
            &tree.fields,
            &tree.merged,
            &tree.copied_columns,
        ];
        let mut mentioned = Self {
            columns: lists.into_iter().flatten().map(String::as_str).collect(),
            rows: BTreeSet::new(),
            everything: tree.opaque_join,
        };
        for reference in &tree.references {
            mentioned.refer(reference, tree, relations);
        }
        mentioned
    }

    fn refer(&mut self, reference: &'a Reference, tree: &Tree, relations: &[(&Range, Option<&Relation>)]) {
        let is_alias = |name: &str| {
            relations
                .iter()
                .any(|(range, _)| range.alias == name || range.name == name)
        };
        match reference.as_slice() {
            [.., Some(qualifier), None] if is_alias(qualifier) => drop(self.rows.insert(qualifier)),
            // Whole rows of what is derived were read where that is.
            [Some(qualifier), None] if tree.derived.contains(qualifier) => {}
            [.., Some(name)] => {
                let column = |(_, relation): &(&Range, Option<&Relation>)| {
                    relation.is_some_and(|relation| relation.has_column(name))
                };
                let known = relations.iter().any(column) || is_system_column(name);
                if is_alias(name) {
                    self.rows.insert(name);
                }
                let derived = tree.derived.contains(name) || tree.output_names.contains(name);
                self.everything |= !known && !derived && !is_alias(name);
                self.columns.insert(name);
            }
            _ => self.everything = true,
        }
    }

    /// Whether all columns of a relation count.
    fn all(&self, range: &Range, tree: &Tree, form: &Form) -> bool {
        let row = self.rows.contains(range.alias.as_str()) || self.rows.contains(range.name.as_str());
        let by_place = match range.place {
            Place::Source => false,
            Place::Target => tree.writes_all,
            Place::Object => form.copy.is_none() || tree.copied_columns.is_empty(),
            Place::Made | Place::ForeignKey => true,
        };
        self.everything || row || range.renames_columns || by_place
    }
}
