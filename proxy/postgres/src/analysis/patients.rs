//! Whose records the rows of a statement can be, on a target whose policy names columns that identify patients.
//!
//! | a statement | its rows are |
//! | --- | --- |
//! | names no relation with such a column, none that depends on one or is above or below one, and nothing that is not known to be harmless (rule 2 of [`super`]) | nobody's |
//! | is a plain `SELECT` or `COPY`, and names each such relation once | of those whom these columns name, where the reply has all of them |
//! | is any other | of nobody knows whom |
//!
//! A plain one changes nothing and has no `WITH`, no aggregates and no windows. Each of its rows is then made from one row of each
//! relation: what a row shows of a relation belongs to whom that relation's column names in it. A relation that is named twice, or
//! gathered, could put the name of one patient beside the record of another.
//!
//! Not here: which columns a reply has (the server's own origins say so, see `reply/masking.rs`).

use std::collections::BTreeSet;

use super::kind::{Form, StatementClass};
use super::lineage::unproven;
use super::tree::{Place, Tree};
use super::{Analysis, Names, known};
use crate::catalog::{Catalog, Relation};

/// Relations that one hangs on, or is above or below, at the most; past that it may be one of patients.
const RELATED_MAX: usize = 10_000;

/// Whose records rows are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Nobody's.
    #[default]
    Nobody,
    /// Those whom these columns (`schema.relation.column`) name, where all of them are in the reply.
    Named(BTreeSet<String>),
    /// Nobody knows whose.
    Unknown,
}

impl Subjects {
    /// Of a statement that stands for another one.
    pub(crate) fn standing_for(self, other: &Self) -> Self {
        match (self, other) {
            (own, Self::Nobody) => own,
            (Self::Nobody, other) => other.clone(),
            _ => Self::Unknown,
        }
    }
}

/// The column (`schema.relation.column`) of a relation (`schema.relation`) that identifies patients; `None` of one that holds no
/// records of patients.
pub type Identifying<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whose records the rows of a statement are; `inner` is the statement inside of it.
pub(super) fn subjects(
    form: &Form,
    tree: &Tree,
    names: &Names<'_>,
    inner: Option<&Analysis>,
    identifying: Identifying<'_>,
) -> Subjects {
    match inner.map(|inner| inner.statements.as_slice()) {
        // Its rows are those of the query inside, which has the columns of the relation where it copies one.
        Some([query]) if form.copy.is_some() => query.subjects.clone(),
        _ => own(form, tree, names, identifying),
    }
}

fn own(form: &Form, tree: &Tree, names: &Names<'_>, identifying: Identifying<'_>) -> Subjects {
    if unproven(form, tree, names) {
        return Subjects::Unknown;
    }
    let mut columns = BTreeSet::new();
    let mut plain = is_plain(form, tree);
    for range in tree.ranges.iter().filter(|range| range.place != Place::Made) {
        let Some(relation) = names.relation(range) else {
            return Subjects::Unknown;
        };
        match identifying(&relation.resource()) {
            Some(column) => plain &= columns.insert(column) && range.is_read(),
            // A copy that a session has made for itself, or what shows rows of others.
            None if relation.schema.starts_with("pg_temp") => return Subjects::Unknown,
            None if relation.is_system() => {}
            None if shows_patients(relation, names.catalog, identifying) => return Subjects::Unknown,
            None => plain &= range.is_read(),
        }
    }
    match (plain, columns.is_empty()) {
        (_, true) => Subjects::Nobody,
        (true, false) => Subjects::Named(columns),
        (false, false) => Subjects::Unknown,
    }
}

/// Whether each row is made from one row of each relation that is named.
fn is_plain(form: &Form, tree: &Tree) -> bool {
    let gathers = |kind: &String| kind == "CommonTableExpr" || kind == "WithClause" || kind.contains("Agg");
    let gathered = |function: &Vec<String>| function.last().is_none_or(|name| known::gathers(name));
    form.class == StatementClass::Select
        && !tree.kinds.iter().any(gathers)
        && !tree.functions.iter().any(gathered)
        && !tree.over
}

/// Whether a relation shows rows of one with patients: it hangs on it, calls what may read it, or is above or below it.
fn shows_patients(relation: &Relation, catalog: &Catalog, identifying: Identifying<'_>) -> bool {
    let mut seen = BTreeSet::from([relation.oid]);
    let mut waiting = vec![relation.oid];
    while let Some(oid) = waiting.pop() {
        let Some(relation) = catalog.relation(oid) else {
            return true;
        };
        if identifying(&relation.resource()).is_some() || relation.calls_functions || seen.len() > RELATED_MAX {
            return true;
        }
        let related = relation.depends_on.iter().chain(&relation.parents).copied();
        for next in related.chain(catalog.children(relation)) {
            if seen.insert(next) {
                waiting.push(next);
            }
        }
    }
    false
}
