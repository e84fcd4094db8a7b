//! What a statement can change before its event is durable (P1).
//!
//! > A statement reaches *nothing* when it only reads plain relations with harmless code, or is about the session or the
//! > bounds of a transaction and commits nothing. It reaches its *transaction* when, besides, it changes rows of plain
//! > tables on which no code hangs: a rollback takes all of it back. Everything else reaches *anything*.
//!
//! Code that could act outside the transaction (a sequence, `dblink`, a program) hides in functions, views, row security,
//! rules, triggers, defaults, checks, domains, cascades, casts and operators; a statement that meets one of them, or meets
//! what the catalog does not know, waits for its event like any other.
//!
//! # Known limits
//! What the server's owner declares as immutable (code of indexes), or compiles into the server (planners of its own, too), is believed;
//! and so are operators that are not spelled out (`IN`, `CASE`, `USING`, `BETWEEN`) and casts, unless an interpreted function of theirs is
//! volatile.
//!
//! Not here: whether a transaction is open; the session knows that.

use exhibit_gate::session::Reach;
use exhibit_schemas::event::access::{Access, Action};

use super::Names;
use super::kind::{Form, StatementClass, TransactionControl};
use super::known;
use super::tree::{Place, Range, Tree};
use crate::catalog::{Code, Relation, RelationKind};

/// What one statement can change.
pub(super) fn reach(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> Reach {
    match form.class {
        StatementClass::Session => Reach::Nothing,
        StatementClass::Transaction => control(form.transaction),
        StatementClass::Select
        | StatementClass::Insert
        | StatementClass::Update
        | StatementClass::Delete
        | StatementClass::Merge => rows(form, tree, names, accesses),
        _ => Reach::Anything,
    }
}

/// A commit, of one phase or the first of two, is the gate; what begins or takes back changes nothing.
fn control(control: Option<TransactionControl>) -> Reach {
    use TransactionControl::{Begin, Release, Rollback, RollbackTo, Savepoint};
    match control {
        Some(Begin | Release | Rollback { .. } | RollbackTo | Savepoint) => Reach::Nothing,
        _ => Reach::Anything,
    }
}

fn rows(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> Reach {
    if !plans_alone(tree, names, accesses) {
        return Reach::Anything;
    }
    let reads = |Access(action, _): &Access| *action == Action::Read;
    if form.class == StatementClass::Select && !tree.locks && accesses.iter().all(reads) {
        return Reach::Nothing;
    }
    let mut changed = tree.ranges.iter().filter(|range| range.place == Place::Target);
    if changed.all(|range| {
        names
            .relation(range)
            .is_some_and(|relation| changes_rows_alone(relation, names))
    }) {
        Reach::Transaction
    } else {
        Reach::Anything
    }
}

/// Whether the server can plan and read all that is named without running code that is not its own: plain relations, and
/// nothing called that is not harmless.
pub(super) fn plans_alone(tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> bool {
    let of_rows = |Access(action, _): &Access| matches!(action, Action::Read | Action::Write | Action::Delete);
    // A domain may be called like a type of the server's, and be found first.
    let hidden = |parts: &Vec<String>| matches!(parts.as_slice(), [name] if names.catalog.other_type(name));
    !tree.types.iter().any(hidden)
        && names.catalog.code() != Code::OnReads
        && accesses.iter().all(of_rows)
        && harmless(tree, names)
        && tree.ranges.iter().all(|range| plain(range, names))
}

/// Whether all operators, types and methods that are named run no foreign code. Functions are among the accesses.
pub(super) fn harmless(tree: &Tree, names: &Names<'_>) -> bool {
    let last = |parts: &[String]| parts.last().cloned().unwrap_or_default();
    let operator = |parts: &Vec<String>| !names.catalog.interpreted_operator(&last(parts));
    let of_server = |parts: &Vec<String>| match parts.as_slice() {
        [name] => known::builtin_type(name) || names.catalog.compiled_type(name),
        [schema, name] => schema == "pg_catalog" && known::builtin_type(name),
        _ => false,
    };
    !tree.foreign_sampling && tree.operators.iter().all(operator) && tree.types.iter().all(of_server)
}

/// Whether a relation is read without running code that the catalog knows of, and all that is read with it too.
fn plain(range: &Range, names: &Names<'_>) -> bool {
    code(range, names).is_some_and(|code| code < Code::OnReads)
}

/// The code that hangs on a relation and on all that is read and changed with it; `None` where one of them is not known, or
/// its rows are not stored in it.
pub(super) fn code(range: &Range, names: &Names<'_>) -> Option<Code> {
    let mut left: Vec<&Relation> = vec![names.relation(range)?];
    let mut seen = std::collections::BTreeSet::new();
    let mut code = Code::None;
    while let Some(relation) = left.pop() {
        let stored = matches!(
            relation.kind,
            RelationKind::Table | RelationKind::PartitionedTable | RelationKind::MaterializedView
        );
        if !stored {
            return None;
        }
        code = code.max(relation.code);
        if seen.insert(relation.oid) {
            for child in names.catalog.children(relation) {
                let child = names.catalog.relation(child)?;
                left.extend((child.kind != RelationKind::Index).then_some(child));
            }
        }
    }
    Some(code)
}

/// Whether changes of its rows run no code, and change no other relation.
fn changes_rows_alone(relation: &Relation, names: &Names<'_>) -> bool {
    let children = names.catalog.children(relation).next().is_some();
    relation.kind == RelationKind::Table && relation.code == Code::None && !children
}
