//! Where the columns of relations come from: masked columns of their own, those of their kin, those that a generated column is
//! made of, and those that a view's query shows.
//!
//! Inheritance and partitions: rows of a child are rows of its parents, under the same names. So a column is masked as the
//! columns of that name above and below it are, by whichever of these relations it is read.
//!
//! Views: what each column shows is read from the catalog's definition. The server computes a view's expressions from what is
//! in the columns; so they must not be able to fail, and its rows must not go by masked columns, or the view is not read at
//! all: whoever defined it chose what it would tell, but the agent chooses where it asks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::super::known;
use super::columns::{ColumnId, Value};
use crate::catalog::{Catalog, Definition, Relation, Source};

/// Relations that are walked from one to the next at the most: views over views, trees of partitions.
const WALK_MAX: usize = 100_000;

/// Where columns come from, under the masks of a target.
pub(super) struct Sources<'a> {
    pub(super) catalog: &'a Catalog,
    masked: &'a dyn Fn(&str) -> bool,
    /// Columns of views that were looked at.
    shown: RefCell<BTreeMap<ColumnId, Value>>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(catalog: &'a Catalog, masked: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            catalog,
            masked,
            shown: RefCell::default(),
        }
    }

    /// Whether a column of that name would have a mask of its own.
    pub(super) fn would_mask(&self, relation: &Relation, name: &str) -> bool {
        (self.masked)(&relation.column_resource(name))
    }

    /// What a column of a relation comes from. One that the catalog does not know counts as masked.
    pub(super) fn value(&self, relation: &Relation, number: i16) -> Value {
        let id = (relation.oid, number);
        if let Some(known) = self.shown.borrow().get(&id) {
            return known.clone();
        }
        let mut value = self.stored(relation, number);
        if let Some(definition) = &relation.definition {
            let shown = match definition.outputs.get(&number) {
                Some(source) => self.shown_by(source),
                None => unknown(id),
            };
            value.bare = match (value.is_masked(), shown.is_masked()) {
                (true, true) => value.bare && shown.bare,
                _ => value.bare || shown.bare,
            };
            value.masked.extend(shown.masked);
        }
        value.shown = Some(id);
        self.shown.borrow_mut().insert(id, value.clone());
        value
    }

    /// Names of the masked columns of a relation, and of those that come from masked ones.
    pub(super) fn hidden(&self, relation: &Relation) -> BTreeSet<String> {
        let columns = relation.columns.iter();
        let hidden = columns.filter(|(number, _)| self.value(relation, **number).is_masked());
        hidden.map(|(_, column)| column.name.clone()).collect()
    }

    /// Why masks would not reach every masked column that a relation shows.
    pub(super) fn unsure(&self, relation: &Relation) -> Option<String> {
        let mut waiting = vec![relation];
        let mut seen = BTreeSet::new();
        while let Some(relation) = waiting.pop() {
            if !seen.insert(relation.oid) {
                continue;
            }
            if relation.calls_functions {
                return Some(format!(
                    "{} calls functions that may read other relations",
                    relation.resource()
                ));
            }
            if let Some(cause) = self.secured(relation) {
                return Some(cause);
            }
            let Some(kin) = self.kin(relation).filter(|_| seen.len() <= WALK_MAX) else {
                return Some(not_known(relation));
            };
            let mut above = kin.iter().filter(|(_, up)| *up);
            if let Some((parted, _)) = above.find(|(kin, _)| self.goes_by_masked(kin)) {
                let (relation, parted) = (relation.resource(), parted.resource());
                return Some(format!(
                    "rows are in {relation} by what a masked column of {parted} has"
                ));
            }
            let Some(definition) = &relation.definition else {
                if let Some(cause) = self.below(relation) {
                    return Some(cause);
                }
                continue;
            };
            if let Some(cause) = self.tells(relation, definition) {
                return Some(cause);
            }
            for oid in &relation.depends_on {
                let Some(used) = self.catalog.relation(*oid) else {
                    return Some(not_known(relation));
                };
                if !is_system(used) {
                    waiting.push(used);
                } else if !known::definition_relation(&used.schema, &used.name) {
                    return Some(shows(relation, used));
                }
            }
        }
        None
    }

    /// Why the row security of a relation tells of a masked column: which rows it shows goes by that.
    fn secured(&self, relation: &Relation) -> Option<String> {
        let mut columns = relation.secured_by.iter();
        let (oid, _) = columns.find(|(oid, number)| match (self.catalog.relation(*oid), number) {
            (None, _) => true,
            (Some(named), 0) => !self.hidden(named).is_empty(),
            (Some(_), _) => self.column((*oid, *number)).is_masked(),
        })?;
        let named = self.catalog.relation(*oid).map(Relation::resource).unwrap_or_default();
        let relation = relation.resource();
        Some(format!("row security of {relation} goes by a masked column of {named}"))
    }

    /// Whether in which partition a row of a relation lies tells something of a masked column.
    pub(super) fn parted(&self, relation: &Relation) -> bool {
        let kin = self.kin(relation).unwrap_or_default();
        let mut all = kin.into_iter().map(|(kin, _)| kin).chain([relation]);
        all.any(|relation| self.goes_by_masked(relation))
    }

    /// Whether the partitions of a relation go by a masked column. Expressions are not looked into.
    fn goes_by_masked(&self, relation: &Relation) -> bool {
        let mut keys = relation.partitioned_by.iter();
        keys.any(|number| match number {
            0 => !self.hidden(relation).is_empty(),
            number => self.value(relation, *number).is_masked(),
        })
    }

    /// What a view tells of masked columns beside its own columns.
    fn tells(&self, view: &Relation, definition: &Definition) -> Option<String> {
        let first = |columns: &BTreeSet<ColumnId>| {
            let masked = columns.iter().find_map(|id| self.column(*id).masked.pop_first())?;
            Some(self.catalog.resource(masked.0, masked.1).unwrap_or_default())
        };
        if let Some(column) = first(&definition.conditions) {
            let view = view.resource();
            return Some(format!("the rows of {view} go by the masked column {column}"));
        }
        let column = first(&definition.fallible)?;
        let view = view.resource();
        Some(format!("{view} computes from the masked column {column} what can fail"))
    }

    /// A relation whose rules are not understood shows data of whatever they name, and of what that shows, and so on.
    fn below(&self, relation: &Relation) -> Option<String> {
        let mut waiting: Vec<u32> = relation.depends_on.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(oid) = waiting.pop() {
            if oid == relation.oid || !seen.insert(oid) {
                continue;
            }
            let Some(used) = self.catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX) else {
                return Some(not_known(relation));
            };
            let leaking = is_system(used) && !known::definition_relation(&used.schema, &used.name);
            if let Some(cause) = self.secured(used) {
                return Some(cause);
            }
            if !self.hidden(used).is_empty() || used.calls_functions || (leaking && !is_system(relation)) {
                return Some(shows(relation, used));
            }
            // The system's own views are listed by name as a whole; what they are made of is not looked into.
            if !is_system(used) {
                waiting.extend(used.depends_on.iter().chain(&used.parents));
                waiting.extend(self.catalog.children(used));
            }
        }
        None
    }

    /// What a column of the relation itself comes from: itself, or for a generated one the columns that it is made of. A
    /// generated column cannot be made of another generated one, so one step is all.
    fn stored(&self, relation: &Relation, number: i16) -> Value {
        let masked = self.masks(relation, number);
        if !masked.is_empty() {
            return Value {
                masked,
                bare: true,
                replaceable: false,
                shown: None,
            };
        }
        let sources = relation.generated.get(&number).into_iter().flatten();
        Value::computed(sources.flat_map(|source| self.masks(relation, *source)).collect())
    }

    /// The masked columns that a column is: itself, and those of its name in the relations above and below.
    fn masks(&self, relation: &Relation, number: i16) -> BTreeSet<ColumnId> {
        let Some(column) = relation.columns.get(&number) else {
            return unknown((relation.oid, number)).masked;
        };
        let kin = self.kin(relation).unwrap_or_default();
        let kin = kin.into_iter().map(|(kin, _)| kin);
        let same = kin.chain([relation]).filter_map(|relation| {
            let mut columns = relation.columns.iter();
            let (number, same) = columns.find(|(_, other)| other.name == column.name)?;
            self.would_mask(relation, &same.name).then_some((relation.oid, *number))
        });
        same.collect()
    }

    /// The relations that show rows of it, or of what it shows (`true`), and those whose rows it shows; `None` where one of them is not
    /// known.
    fn kin(&self, relation: &Relation) -> Option<Vec<(&'a Relation, bool)>> {
        let mut waiting: Vec<(u32, bool)> = relation.parents.iter().map(|parent| (*parent, true)).collect();
        waiting.extend(self.catalog.children(relation).map(|child| (child, false)));
        let mut kin = Vec::new();
        let mut seen = BTreeSet::from([relation.oid]);
        while let Some((oid, up)) = waiting.pop() {
            if !seen.insert(oid) {
                continue;
            }
            let one = self.catalog.relation(oid).filter(|_| seen.len() <= WALK_MAX)?;
            waiting.extend(one.parents.iter().map(|parent| (*parent, true)));
            if !up {
                waiting.extend(self.catalog.children(one).map(|child| (child, up)));
            }
            kin.push((one, up));
        }
        Some(kin)
    }

    fn shown_by(&self, source: &Source) -> Value {
        let mut columns = source.columns.iter().map(|id| self.column(*id));
        let first = columns.next().unwrap_or_default();
        let mut value = columns.fold(first, Value::or);
        value.bare &= source.bare && value.is_masked();
        value
    }

    /// What a column that a definition names comes from; its number is zero for a whole row, and less for a system column.
    fn column(&self, id: ColumnId) -> Value {
        match (self.catalog.relation(id.0), id.1) {
            (None, _) => unknown(id),
            (Some(relation), ..0) if !self.parted(relation) => Value::default(),
            (Some(relation), ..=0) => {
                let columns = relation.columns.keys().map(|number| self.value(relation, *number));
                Value::computed(columns.flat_map(|value| value.masked).collect())
            }
            (Some(relation), number) => self.value(relation, number),
        }
    }
}

/// A column of which nothing is known: no reply is released that has it.
fn unknown(id: ColumnId) -> Value {
    Value {
        masked: BTreeSet::from([id]),
        bare: true,
        replaceable: false,
        shown: None,
    }
}

/// Whether it came with the server.
pub(super) fn is_system(relation: &Relation) -> bool {
    matches!(relation.schema.as_str(), "pg_catalog" | "information_schema")
}

fn not_known(relation: &Relation) -> String {
    format!("what {} depends on is not known", relation.resource())
}

fn shows(relation: &Relation, used: &Relation) -> String {
    format!("{} shows data of {}", relation.resource(), used.resource())
}
