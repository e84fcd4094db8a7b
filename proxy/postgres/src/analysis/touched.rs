//! Which columns a statement may read or write.
//!
//! Columns are told by their names: a column counts as touched where its name stands anywhere in the statement in a place where columns
//! are mentioned. That is more than what is read, never less, as long as every way to read a column without its name counts as all of them:
//!
//! | all columns | of |
//! | --- | --- |
//! | `*`, a whole row, rows of `RETURNING` (`old`, `new`), a name that is neither a column nor an output here | the relations that it can mean |
//! | `NATURAL JOIN`, a list of other names (`AS p (a, b)`), a relation that is not known | the relation |
//! | an `INSERT` without a list of columns, `ON CONFLICT ON CONSTRAINT` | what it writes to |
//! | every other statement than a query or a change of rows: definitions, `TRUNCATE`, `COPY` without a list | the relation |
//!
//! The name of an output that is no known column counts as a column of every relation too: there may be one since the catalog was read. Where it
//! is what the query itself sorts by (`ORDER BY` means an output first), or is qualified by what is no relation, it is the output.
//!
//! What a view reads, what code of the database reads, and what a cursor or `EXECUTE` of an unknown name stands for, is not told here, as
//! in accesses.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::access::{Access, Action};

use super::Names;
use super::kind::Form;
use super::tree::{Place, Range, Reference, Tree};
use crate::catalog::{Relation, is_system_column, part};

/// Columns that are told by name at the most; a message that touches more touches all of its relations'.
const COLUMNS_MAX: usize = 256;

/// All columns of a relation.
const ALL: &str = "*";

/// Names of rows in `RETURNING` and `ON CONFLICT` that no alias gives.
const ROWS: [&str; 3] = ["old", "new", "excluded"];

/// Columns by resource; [`ALL`] stands for all of it.
pub(super) type Columns = BTreeMap<String, BTreeSet<String>>;

/// The columns that a statement with these accesses may touch.
pub(super) fn columns(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> Columns {
    let relations: Vec<(&Range, Option<&Relation>)> =
        tree.ranges.iter().map(|range| (range, names.relation(range))).collect();
    let mentioned = Mentioned::of(tree, &relations);
    let mut touched = Columns::new();
    for (range, relation) in &relations {
        let columns = touched.entry(names.resource(range)).or_default();
        match relation {
            Some(relation) if !mentioned.all(range, tree, form) => {
                let known = relation.columns.values().map(|column| column.name.as_str());
                let known = known.filter(|column| mentioned.columns.contains(*column));
                columns.extend(known.chain(mentioned.outputs.iter().copied()).map(str::to_owned));
            }
            _ => drop(columns.insert(ALL.to_owned())),
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
            touched.insert(relation.to_owned(), BTreeSet::from([ALL.to_owned()]));
        }
    }
    touched
}

/// What events say of them: each by its name, or all of every resource where that would be too many.
pub(super) fn stated(touched: Columns) -> Vec<String> {
    let wide = touched.values().map(BTreeSet::len).sum::<usize>() > COLUMNS_MAX;
    let mut columns = BTreeSet::new();
    for (resource, of) in touched {
        if wide && !of.is_empty() || of.contains(ALL) {
            columns.insert(format!("{resource}.{ALL}"));
        } else {
            columns.extend(of.iter().map(|column| format!("{resource}.{}", part(column))));
        }
    }
    columns.into_iter().collect()
}

/// The columns of both, where all are known and they are not too many; else nothing is known of columns.
pub(crate) fn both(own: Option<Vec<String>>, other: Option<&Vec<String>>) -> Option<Vec<String>> {
    let both: BTreeSet<String> = own?.into_iter().chain(other?.iter().cloned()).collect();
    (both.len() <= COLUMNS_MAX).then(|| both.into_iter().collect())
}

/// What the places say in which a statement names columns.
struct Mentioned<'a> {
    columns: BTreeSet<&'a str>,
    /// Names of outputs that may be columns which are not known.
    outputs: BTreeSet<&'a str>,
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
            outputs: BTreeSet::new(),
            rows: BTreeSet::new(),
            everything: tree.opaque_join || tree.renames_old_new,
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
        let is_column = |name: &str| {
            let has = |(_, relation): &(&Range, Option<&Relation>)| relation.is_some_and(|it| it.has_column(name));
            is_system_column(name) || relations.iter().any(has)
        };
        match reference.as_slice() {
            // The rows of what is changed, by names that nothing gives them.
            [Some(row), None] | [Some(row)] if ROWS.contains(&row.as_str()) && !is_column(row) => {
                self.everything = true;
            }
            [.., Some(qualifier), None] if is_alias(qualifier) => drop(self.rows.insert(qualifier)),
            // Whole rows of what is derived were read where that is.
            [Some(qualifier), None] if tree.derived.contains(qualifier) => {}
            [.., Some(name)] if is_column(name) || is_alias(name) => {
                if is_alias(name) {
                    self.rows.insert(name);
                }
                self.columns.insert(name);
            }
            [Some(qualifier), Some(_)] if tree.derived.contains(qualifier) && !is_alias(qualifier) => {}
            [Some(name)] if tree.derived.contains(name) || tree.output_names.contains(name) => {
                let only = |one: &&Reference| one.as_slice() == reference.as_slice();
                let sorted = tree.sorted.iter().filter(|one| *one == name).count();
                if !tree.output_names.contains(name) || tree.references.iter().filter(only).count() > sorted {
                    self.outputs.insert(name);
                }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{COLUMNS_MAX, Columns, both, stated};

    fn wide(columns: usize) -> Columns {
        let names = (0..columns).map(|number| format!("c{number:03}"));
        Columns::from([
            ("public.a".to_owned(), names.collect()),
            ("public.b".to_owned(), BTreeSet::from(["id".to_owned()])),
            ("public.c".to_owned(), BTreeSet::new()),
        ])
    }

    #[test]
    fn too_many_columns_are_all_of_each_relation() {
        assert_eq!(stated(wide(COLUMNS_MAX - 1)).len(), COLUMNS_MAX);
        assert_eq!(stated(wide(COLUMNS_MAX)), ["public.a.*", "public.b.*"]);
    }

    #[test]
    fn of_too_many_in_several_parts_nothing_is_known() {
        let names = |from: usize, to: usize| {
            (from..to)
                .map(|number| format!("public.a.c{number:03}"))
                .collect::<Vec<_>>()
        };
        let all = both(Some(names(0, 200)), Some(&names(100, COLUMNS_MAX)));
        assert_eq!(all, Some(names(0, COLUMNS_MAX)));
        assert_eq!(both(Some(names(0, 200)), Some(&names(200, COLUMNS_MAX + 1))), None);
        assert_eq!(both(None, Some(&names(0, 1))), None);
        assert_eq!(both(Some(names(0, 1)), None), None);
    }
}
