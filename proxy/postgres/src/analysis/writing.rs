//! Changes that a database which masks cannot make: of a masked column, and of a row of which masked columns are read by the
//! same statement. Through the installed view a masked column is an expression, which takes no value; to the relation itself
//! the agents' role may write it, and read none. The server would say only that a column cannot be changed.
//!
//! `ON CONFLICT … SET column = excluded.column` is one of them: the server asks for the right to read what was refused, too.
//!
//! Nothing is refused here that the server would take.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{InsertStmt, Node, RangeVar};

use super::Names;
use super::mapping::{masked_columns, needs_view, view_of};
use super::tree::{Place, Tree};
use crate::catalog::{Relation, RelationKind};

/// Why a statement cannot run, and what can.
pub(super) fn unwritable(node: &Node, tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    let target: &RangeVar = match node.node.as_ref()? {
        NodeEnum::InsertStmt(insert) => insert.relation.as_ref()?,
        NodeEnum::UpdateStmt(update) => update.relation.as_ref()?,
        _ => return None,
    };
    let place = usize::try_from(target.location).ok();
    let here = |range: &&super::tree::Range| range.place == Place::Target && range.location == place;
    let range = tree.ranges.iter().find(here)?;
    let relation = names.relation(range)?;
    view_of(relation, names.catalog)?;
    let hidden = masked_columns(relation, names.catalog, masked);
    // What a view takes, the server says of its twin.
    if relation.kind == RelationKind::View || !needs_view(tree, range, relation, &hidden) {
        return None;
    }
    let written = match node.node.as_ref()? {
        NodeEnum::InsertStmt(insert) => inserted(insert, relation),
        NodeEnum::UpdateStmt(update) => targets(&update.target_list),
        _ => return None,
    };
    let column = written.intersection(&hidden).next()?;
    Some(format!(
        "it changes {}, which is masked, and reads masked columns of the same row: name in RETURNING, in conditions and in \
         what is set only columns that are not masked, and read the others by a statement of their own",
        relation.column_resource(column)
    ))
}

/// The columns that an `INSERT` gives values, as far as it says that.
fn inserted(insert: &InsertStmt, relation: &Relation) -> BTreeSet<String> {
    let conflict = insert.on_conflict_clause.as_ref();
    let mut written = conflict
        .map(|conflict| targets(&conflict.target_list))
        .unwrap_or_default();
    if insert.cols.is_empty() {
        let count = values(insert).unwrap_or(0);
        written.extend(relation.columns.values().take(count).map(|column| column.name.clone()));
    }
    written.extend(targets(&insert.cols));
    written
}

/// How many values a row of `VALUES` has.
fn values(insert: &InsertStmt) -> Option<usize> {
    let NodeEnum::SelectStmt(query) = insert.select_stmt.as_ref()?.node.as_ref()? else {
        return None;
    };
    match query.values_lists.first()?.node.as_ref()? {
        NodeEnum::List(row) => Some(row.items.len()),
        _ => None,
    }
}

fn targets(list: &[Node]) -> BTreeSet<String> {
    let name = |node: &Node| match node.node.as_ref()? {
        NodeEnum::ResTarget(target) => Some(target.name.clone()),
        _ => None,
    };
    list.iter().filter_map(name).collect()
}
