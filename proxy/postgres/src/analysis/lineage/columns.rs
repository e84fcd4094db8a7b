//! What is known of columns: which masked columns a value comes from, and which column a name means.
//!
//! Names are looked up as the server does (`parse_relation.c`, `colNameToVar` and `refnameNamespaceItem`): from the innermost
//! query outwards, columns before whole rows, never past a level where the name could mean something that is not known here.

use std::collections::BTreeSet;

use super::super::tree::Reference;
pub(super) use crate::catalog::ColumnId;
use crate::catalog::is_system_column;

/// Why nothing is proven.
pub(super) type Proof<T> = Result<T, String>;

/// What a value comes from, as far as masks must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// The masked columns that it depends on; none for a clean value.
    pub(crate) masked: BTreeSet<ColumnId>,
    /// Whether it is, in every row, the value of one of them or NULL; otherwise it is computed from them.
    pub(crate) bare: bool,
    /// Whether another relation may stand in the place of one that it comes from by the time it runs: that was named without its schema, so
    /// it is whichever the search path means, or shows others, and can be made anew.
    pub(crate) replaceable: bool,
    /// The column that the server names as its origin, where it is one.
    pub(crate) shown: Option<ColumnId>,
}

impl Value {
    /// A value that is computed from these masked columns; clean if there are none.
    pub(super) fn computed(masked: BTreeSet<ColumnId>) -> Self {
        Self {
            masked,
            bare: false,
            replaceable: false,
            shown: None,
        }
    }

    /// Bytes of what it comes from, about.
    fn bytes(&self) -> usize {
        2 * self.masked.len() * size_of::<ColumnId>()
    }

    /// Whether it depends on a masked column.
    pub(crate) fn is_masked(&self) -> bool {
        !self.masked.is_empty()
    }

    /// A value that is one of both, as in a set operation.
    pub(super) fn or(self, other: Self) -> Self {
        // A clean value among masked ones would show what the mask makes of a chosen value: the token of a guess.
        let bare = self.bare && other.bare;
        let mut masked = self.masked;
        masked.extend(other.masked);
        Self {
            masked,
            bare,
            replaceable: self.replaceable || other.replaceable,
            shown: None,
        }
    }
}

/// A column of a query, or of something that stands in `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its name; `None` where the server makes one up that is not known here.
    pub(crate) name: Option<String>,
    /// What it comes from.
    pub(crate) value: Value,
}

impl Output {
    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let name = self.name.as_ref().map_or(0, String::len);
        size_of::<Self>() + name + self.value.bytes()
    }
}

/// Columns in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outputs {
    pub(super) columns: Vec<Output>,
    /// Whether there are more, whose names and places are not known, and which are clean.
    pub(super) open: bool,
    /// Whether their places are those in a relation, which another session may have changed since the catalog was loaded.
    pub(super) shifting: bool,
}

impl Outputs {
    pub(super) fn masked(&self) -> BTreeSet<ColumnId> {
        self.columns
            .iter()
            .flat_map(|column| column.value.masked.iter().copied())
            .collect()
    }

    /// The value of the one column of that name; `None` where there is none, and an error where that is not sure.
    fn named(&self, name: &str) -> Proof<Option<&Value>> {
        let same = |column: &&Output| column.name.as_deref() == Some(name);
        let mut found = self.columns.iter().filter(same);
        let first = found.next();
        if found.next().is_some() {
            return Err("a name stands for several columns; qualify it".to_owned());
        }
        let unnamed = |column: &Output| column.name.is_none() && column.value.is_masked();
        if first.is_none() && self.columns.iter().any(unnamed) {
            return Err("a name could stand for a masked column without a name; give that a name with AS".to_owned());
        }
        Ok(first.map(|column| &column.value))
    }

    /// Whether a name that is not found may stand for a clean column.
    fn may_have_more(&self) -> bool {
        self.open || self.columns.iter().any(|column| column.name.is_none())
    }

    /// The same columns under other names, as an alias gives them to the first ones.
    pub(super) fn renamed(mut self, names: &[String]) -> Proof<Self> {
        if self.open && !names.is_empty() && self.columns.iter().any(|column| column.value.is_masked()) {
            return Err("an alias names columns of which not all are known".to_owned());
        }
        if self.shifting && !names.is_empty() && self.columns.iter().any(|column| column.value.is_masked()) {
            return Err("an alias names columns by their places in a relation, which can change; name them in a query of their own".to_owned());
        }
        for (column, name) in self.columns.iter_mut().zip(names) {
            column.name = Some(name.clone());
        }
        Ok(self)
    }
}

/// One name of `FROM`, and its columns.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What columns are qualified with.
    pub(super) alias: Option<String>,
    /// Schema and name of a relation without an alias of its own.
    pub(super) relation: Option<(String, String)>,
    pub(super) outputs: Outputs,
    /// Whether it has system columns.
    pub(super) stored: bool,
}

/// Something that stands in `FROM`.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    /// By what columns can be qualified with.
    pub(super) entries: Vec<Entry>,
    /// Columns that need no qualifier, in the order of a star.
    pub(super) flat: Outputs,
}

impl Items {
    pub(super) fn of(entry: Entry) -> Self {
        Self {
            flat: entry.outputs.clone(),
            entries: vec![entry],
        }
    }
}

/// What can be named at a place, besides the levels around it.
#[derive(Clone)]
pub(super) struct Level<'s> {
    pub(super) outer: Option<&'s Level<'s>>,
    pub(super) parts: Vec<&'s Items>,
}

/// What a reference stands for.
#[derive(Debug)]
pub(super) enum Found {
    Column(Value),
    /// A whole row: the masked columns in it.
    Row(BTreeSet<ColumnId>),
    Star(Outputs),
}

impl Found {
    /// The masked columns that it shows.
    pub(super) fn masked(&self) -> BTreeSet<ColumnId> {
        match self {
            Self::Column(value) => value.masked.clone(),
            Self::Row(masked) => masked.clone(),
            Self::Star(outputs) => outputs.masked(),
        }
    }
}

/// What a reference stands for, from a level outwards.
pub(super) fn resolve(level: Option<&Level<'_>>, reference: &Reference) -> Proof<Found> {
    match reference.as_slice() {
        [None] => star(level),
        [Some(name)] => unqualified(level, name),
        [Some(alias), None] => Ok(Found::Star(entry(level, alias)?.outputs.clone())),
        [Some(alias), Some(name)] => column_of(entry(level, alias)?, name),
        [Some(schema), Some(relation), None] => Ok(Found::Star(of_schema(level, schema, relation)?.outputs.clone())),
        [Some(schema), Some(relation), Some(name)] => column_of(of_schema(level, schema, relation)?, name),
        _ => Err("a reference is not understood; qualify columns with an alias alone".to_owned()),
    }
}

fn levels<'s>(level: Option<&'s Level<'s>>) -> impl Iterator<Item = &'s Level<'s>> {
    std::iter::successors(level, |level| level.outer)
}

fn star(level: Option<&Level<'_>>) -> Proof<Found> {
    let level = level.ok_or("a star stands where there is nothing")?;
    let mut all = Outputs::default();
    for part in &level.parts {
        all.columns.extend(part.flat.columns.iter().cloned());
        all.open |= part.flat.open;
        all.shifting |= part.flat.shifting;
    }
    Ok(Found::Star(all))
}

/// A column without a qualifier, or a whole row. What it stands for may have gone by the time it runs, or another may have come in front
/// of it: another session changes relations of its own. So nothing masked may stand behind what it is.
fn unqualified(innermost: Option<&Level<'_>>, name: &str) -> Proof<Found> {
    let (mut unsure, mut behind) = (false, false);
    for level in levels(innermost) {
        let mut found = Vec::new();
        for part in &level.parts {
            found.extend(part.flat.named(name)?);
        }
        match found.as_slice() {
            [] => {}
            [value] if unsure && value.is_masked() => {
                return Err(format!("{name} could stand for a masked column; qualify it"));
            }
            [value] => {
                let mut value = (*value).clone();
                if value.is_masked() {
                    value.bare &= !behind;
                } else if masked_behind(level, innermost, name)? {
                    return Err(format!("{name} is a masked column, too, where it stands; qualify it"));
                }
                return Ok(Found::Column(value));
            }
            _ => return Err(format!("{name} stands for several columns; qualify it")),
        }
        let entries = || level.parts.iter().flat_map(|part| &part.entries);
        if is_system_column(name) && entries().any(|entry| entry.stored) {
            return Ok(Found::Column(Value::default()));
        }
        unsure |= level.parts.iter().any(|part| part.flat.may_have_more());
        behind |= !level.parts.is_empty();
    }
    let row = levels(innermost).find_map(|level| {
        let mut entries = level.parts.iter().flat_map(|part| &part.entries);
        entries.find(|entry| entry.alias.as_deref() == Some(name))
    });
    match row {
        Some(entry) => Ok(Found::Row(entry.outputs.masked())),
        None if unsure => Ok(Found::Column(Value::default())),
        None => Err(format!("{name} is no column that is known here")),
    }
}

/// Whether a name that stands for a clean column of a level would stand for something masked without that.
fn masked_behind(level: &Level<'_>, innermost: Option<&Level<'_>>, name: &str) -> Proof<bool> {
    for outer in levels(level.outer) {
        for part in &outer.parts {
            if part.flat.named(name)?.is_some_and(Value::is_masked) {
                return Ok(true);
            }
        }
    }
    let mut entries = levels(innermost)
        .flat_map(|level| &level.parts)
        .flat_map(|part| &part.entries);
    Ok(entries.any(|entry| entry.alias.as_deref() == Some(name) && !entry.outputs.masked().is_empty()))
}

fn entry<'s>(level: Option<&'s Level<'s>>, alias: &str) -> Proof<&'s Entry> {
    one(level, |entry| entry.alias.as_deref() == Some(alias))
        .map_err(|()| format!("{alias} is no name, or no single name, of anything in FROM"))
}

fn of_schema<'s>(level: Option<&'s Level<'s>>, schema: &str, relation: &str) -> Proof<&'s Entry> {
    let same = |(own_schema, own): &(String, String)| own_schema == schema && own == relation;
    one(level, |entry| entry.relation.as_ref().is_some_and(same))
        .map_err(|()| format!("{schema}.{relation} is no relation, or no single relation, of anything in FROM"))
}

/// The one entry of the innermost level that has such a one.
fn one<'s>(level: Option<&'s Level<'s>>, same: impl Fn(&Entry) -> bool) -> Result<&'s Entry, ()> {
    for level in levels(level) {
        let mut found = level
            .parts
            .iter()
            .flat_map(|part| &part.entries)
            .filter(|entry| same(entry));
        if let Some(entry) = found.next() {
            return if found.next().is_none() { Ok(entry) } else { Err(()) };
        }
    }
    Err(())
}

fn column_of(entry: &Entry, name: &str) -> Proof<Found> {
    if let Some(value) = entry.outputs.named(name)? {
        return Ok(Found::Column(value.clone()));
    }
    let clean = (entry.stored && is_system_column(name)) || entry.outputs.may_have_more();
    // Otherwise it calls a function, or is a column that came after the catalog was read.
    clean
        .then(|| Found::Column(Value::default()))
        .ok_or_else(|| format!("{name} is no column of that name in FROM"))
}
