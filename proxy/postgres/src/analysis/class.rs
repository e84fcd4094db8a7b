//! The class of a message: of which kind it is, in the word that rules go by.
//!
//! A message has the class of its statements where that is one, and is `mixed` otherwise. A statement is also of the class of each one
//! in it that changes rows (`WITH`, `EXPLAIN`, `PREPARE`, `COPY`, `EXECUTE` of such a one), so that no change hides in another class.

use std::collections::BTreeSet;

use exhibit_policy::decide::MIXED;

use super::kind::{Statement, StatementClass};
use super::tree::Tree;

/// Kinds of nodes that change rows.
const CHANGES: [(&str, StatementClass); 4] = [
    ("InsertStmt", StatementClass::Insert),
    ("UpdateStmt", StatementClass::Update),
    ("DeleteStmt", StatementClass::Delete),
    ("MergeStmt", StatementClass::Merge),
];

/// Classes of what changes rows in a statement.
pub(super) fn changes(tree: &Tree) -> BTreeSet<StatementClass> {
    let found = CHANGES.iter().filter(|(kind, _)| tree.kinds.contains(*kind));
    found.map(|(_, class)| *class).collect()
}

/// The word for the statements of a message together.
pub(crate) fn class_of(statements: &[Statement]) -> &'static str {
    let each = statements
        .iter()
        .flat_map(|statement| statement.changes.iter().copied().chain([statement.class]));
    let classes: BTreeSet<StatementClass> = each.collect();
    match (classes.first(), classes.len()) {
        (None, _) => "empty",
        (Some(class), 1) => class.as_str(),
        (Some(_), _) => MIXED,
    }
}
