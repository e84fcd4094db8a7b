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
//! volatile. Nothing is run and rolled back for a preview where there is any such operator or cast.
//!
//! Not here: whether a transaction is open; the session knows that.

use std::sync::Arc;

use exhibit_gate::session::Reach;
use exhibit_policy::preview::Met;
use exhibit_schemas::event::access::{Access, Action};

use super::Names;
use super::kind::{Form, StatementClass, TransactionControl};
use super::known;
use super::tree::{Place, Range, Tree};
use crate::catalog::{Code, Relation, RelationKind, is_system_column};

/// What one statement can change; and, where it is one change of rows, with no other inside of it, of which the rollback of its
/// transaction takes back all, what it meets without naming it: the server's count is then of all that it changes.
pub(super) fn reach(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> (Reach, Option<Arc<[Met]>>) {
    let reach = reached(form, tree, names, accesses);
    let taken_back =
        reach == Reach::Transaction || meets_no_default(form, tree) && rows_but_for_defaults(tree, names, accesses);
    (reach, taken_back.then(|| changes_once(form, tree, names)).flatten())
}

/// Whether a change gives no column its default, which may move a sequence or ask the clock.
fn meets_no_default(form: &Form, tree: &Tree) -> bool {
    form.class == StatementClass::Delete || form.class == StatementClass::Update && !tree.kinds.contains("SetToDefault")
}

/// Whether all that is named is read and changed without code but that of defaults.
fn rows_but_for_defaults(tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> bool {
    let mut changed = tree.ranges.iter().filter(|range| range.place == Place::Target);
    plans_alone(tree, names, accesses)
        && changed.all(|range| {
            names
                .relation(range)
                .is_some_and(|relation| relation.code <= Code::Sequences && stores_alone(relation, names))
        })
}

fn reached(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> Reach {
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

fn changes_once(form: &Form, tree: &Tree, names: &Names<'_>) -> Option<Arc<[Met]>> {
    let change = matches!(
        form.class,
        StatementClass::Insert | StatementClass::Update | StatementClass::Delete | StatementClass::Merge
    );
    let mut targets = tree.ranges.iter().filter(|range| range.place == Place::Target);
    let target = names.relation(targets.next().filter(|_| change)?)?;
    // What is compared and cast without being spelled out: `IN`, `CASE`, `USING`, `BETWEEN`, and what is assigned.
    let unspelled = ["=", "<>", "<", "<=", ">", ">="];
    if names.catalog.code() != Code::None || unspelled.iter().any(|name| names.catalog.interpreted_operator(name)) {
        return None;
    }
    // What bounds a partition is an expression of its parent's, which may call somebody's operators; and masks of a parent hold for what
    // inherits, too.
    let alone = |relation: &Relation| relation.parents.is_empty() && names.catalog.children(relation).next().is_none();
    let all_alone = tree.ranges.iter().all(|range| names.relation(range).is_some_and(alone));
    if targets.next().is_some() || !all_alone {
        return None;
    }
    let met = |(relation, attribute)| {
        let other = names.catalog.relation(relation).filter(|other| alone(other))?;
        Some(Met {
            relation: other.resource(),
            column: names.catalog.resource(relation, attribute)?,
        })
    };
    let mut met = names.catalog.met(target).map(met).collect::<Option<Vec<_>>>()?;
    if tree.conflicts {
        // By any of its keys, also by columns that the row has by default.
        let relation = target.resource();
        let column = format!("{relation}.*");
        met.push(Met { relation, column });
    }
    Some(met.into())
}

/// Whether nothing that a statement calls or names tells of the session, the clock, chance, the marks that transactions leave in rows, or
/// the locks of others.
/// Otherwise it could tell a preview from what runs after it, and choose what people are shown.
pub(super) fn same_again(tree: &Tree) -> bool {
    let marks = |part: &String| is_system_column(part);
    let varies = ["SqlvalueFunction", "RangeTableSample", "LockingClause"];
    !tree.computes_time
        && !tree.texts.iter().any(|text| known::tells_clock(text.as_bytes()))
        && !tree.called.iter().any(|name| known::tells(name))
        && !varies.iter().any(|kind| tree.kinds.contains(*kind))
        && !tree.references.iter().flatten().flatten().any(marks)
        && !tree.fields.iter().any(marks)
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
    relation.code == Code::None && stores_alone(relation, names)
}

/// Whether all of its rows are its own.
fn stores_alone(relation: &Relation, names: &Names<'_>) -> bool {
    relation.kind == RelationKind::Table && names.catalog.children(relation).next().is_none()
}
