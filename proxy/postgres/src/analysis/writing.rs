//! Changes of masked columns by statements that read masked columns of the same relation, where the database masks.
//!
//! Through the installed view a masked column is an expression, which takes no value; to the relation itself the agents' role
//! may write it, and read none. So such a statement goes to a second view ([`writing_name`]), which has both: the columns
//! themselves, that the role may write and not read, in the places of the relation's and under names of their own; and behind
//! them the masked forms, that it may read and not write, under the names that the agent knows.
//!
//! | in the text | becomes |
//! | --- | --- |
//! | `UPDATE patients SET ssn = 'x' … RETURNING ssn` | `UPDATE exhibit.".public.patients" AS "patients" SET "raw:3" = 'x' … RETURNING ssn` |
//! | `INSERT INTO patients (id, ssn) … RETURNING *` | `INSERT INTO exhibit.".public.patients" AS "patients" (id, "raw:3") … RETURNING "patients"."id", …` |
//!
//! Rights keep the values, not this: a name that is missed here is one that the server denies. What is refused is what would
//! write masked forms in the place of values, and what the server would refuse without saying what to do.
//!
//! `ON CONFLICT … SET column = excluded.column` is one of them: the server asks for the right to read what is set.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{InsertStmt, MergeStmt, MergeWhenClause, Node, RangeVar, ResTarget, UpdateStmt};
use serde_json::Value as Json;

use super::Names;
use super::mapping::{masked_columns, needs_view, view_of};
use super::tree::{Place, Range, Reference, Tree, reference, tagged};
use crate::catalog::{Relation, RelationKind};
use crate::enforce::{SCHEMA, identifier, raw_column, writing_name};

/// A name that means another one: where it begins, its parts, and what stands in its place.
type Renamed = (usize, usize, String);

/// A change that goes through the view that can be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Writing {
    /// Where the name of the relation begins.
    pub(super) target: usize,
    /// What stands for the relation.
    pub(super) view: String,
    pub(super) names: Vec<Renamed>,
}

/// Why a statement cannot run, and what can.
pub(super) fn unwritable(node: &Node, tree: &Tree, names: &Names<'_>, masked: &dyn Fn(&str) -> bool) -> Option<String> {
    writing(node, tree, names, masked)?.err()
}

/// How a statement that changes masked columns and reads masked columns of the same rows is made; `None` where it is none.
///
/// # Errors
/// Why it cannot be, and what to do instead.
pub(super) fn writing(
    node: &Node,
    tree: &Tree,
    names: &Names<'_>,
    masked: &dyn Fn(&str) -> bool,
) -> Option<Result<Writing, String>> {
    let change = Change::of(node)?;
    let target = usize::try_from(change.relation.location).ok()?;
    let here = |range: &&Range| range.place == Place::Target && range.location == Some(target);
    let range = tree.ranges.iter().find(here)?;
    let relation = names.relation(range)?;
    view_of(relation, names.catalog)?;
    let hidden = masked_columns(relation, names.catalog, masked);
    // What a view takes, the server says of its twin.
    if relation.kind == RelationKind::View || !needs_view(tree, range, relation, &hidden) {
        return None;
    }
    let column = change.written(relation).intersection(&hidden).next()?.clone();
    let resource = relation.column_resource(&column);
    let scope = Scope {
        tree,
        names,
        masked,
        range,
    };
    let made = scope.made(&change, relation, &hidden);
    let made = made.map(|(view, names)| Writing { target, view, names });
    Some(made.map_err(|cause| {
        format!(
            "it changes {resource}, which is masked, and reads masked columns of the same row: {cause}; name in RETURNING, in \
             conditions and in what is set only columns that are not masked, and read the others by a statement of their own"
        )
    }))
}

/// What of a statement matters here.
struct Change<'n> {
    relation: &'n RangeVar,
    /// Columns that are given values, and those values where they stand beside.
    targets: Vec<&'n ResTarget>,
    /// How many columns are given values without being named.
    unnamed: usize,
    /// Other values.
    values: Vec<&'n Node>,
    returned: &'n [Node],
    /// Whether a star in `RETURNING` is that of the relation alone.
    alone: bool,
}

impl<'n> Change<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        match node.node.as_ref()? {
            NodeEnum::InsertStmt(insert) => Self::insert(insert),
            NodeEnum::UpdateStmt(update) => Self::update(update),
            NodeEnum::MergeStmt(merge) => Self::merge(merge),
            NodeEnum::PrepareStmt(prepare) => Self::of(prepare.query.as_deref()?),
            NodeEnum::ExplainStmt(explain) => Self::of(explain.query.as_deref()?),
            NodeEnum::CopyStmt(copy) => Self::of(copy.query.as_deref()?),
            _ => None,
        }
    }

    fn insert(insert: &'n InsertStmt) -> Option<Self> {
        let conflict = insert.on_conflict_clause.as_deref();
        let set = conflict.map_or(&[][..], |conflict| conflict.target_list.as_slice());
        Some(Self {
            relation: insert.relation.as_ref()?,
            targets: targets(&insert.cols).chain(targets(set)).collect(),
            unnamed: if insert.cols.is_empty() { width(insert) } else { 0 },
            values: insert.select_stmt.as_deref().into_iter().collect(),
            returned: returned(insert.returning_clause.as_ref()),
            alone: true,
        })
    }

    fn update(update: &'n UpdateStmt) -> Option<Self> {
        Some(Self {
            relation: update.relation.as_ref()?,
            targets: targets(&update.target_list).collect(),
            unnamed: 0,
            values: Vec::new(),
            returned: returned(update.returning_clause.as_ref()),
            alone: update.from_clause.is_empty(),
        })
    }

    fn merge(merge: &'n MergeStmt) -> Option<Self> {
        let clauses = || {
            let clauses = merge.merge_when_clauses.iter();
            clauses.filter_map(|clause| match clause.node.as_ref()? {
                NodeEnum::MergeWhenClause(clause) => Some(clause.as_ref()),
                _ => None,
            })
        };
        let unnamed = |clause: &MergeWhenClause| match clause.target_list.len() {
            0 => clause.values.len(),
            _ => 0,
        };
        Some(Self {
            relation: merge.relation.as_ref()?,
            targets: clauses().flat_map(|clause| targets(&clause.target_list)).collect(),
            unnamed: clauses().map(unnamed).max().unwrap_or(0),
            values: clauses().flat_map(|clause| &clause.values).collect(),
            returned: returned(merge.returning_clause.as_ref()),
            alone: false,
        })
    }

    /// The columns that are given values, as far as that is told.
    fn written(&self, relation: &Relation) -> BTreeSet<String> {
        let unnamed = relation.columns.values().take(self.unnamed);
        let named = self.targets.iter().map(|target| target.name.clone());
        named.chain(unnamed.map(|column| column.name.clone())).collect()
    }
}

fn targets(list: &[Node]) -> impl Iterator<Item = &ResTarget> {
    list.iter().filter_map(|node| match node.node.as_ref()? {
        NodeEnum::ResTarget(target) => Some(target.as_ref()),
        _ => None,
    })
}

fn returned(clause: Option<&pg_query::protobuf::ReturningClause>) -> &[Node] {
    clause.map_or(&[], |clause| clause.exprs.as_slice())
}

/// How many values a row has that is inserted; more than any relation has columns where that is not told.
fn width(insert: &InsertStmt) -> usize {
    let Some(select) = insert.select_stmt.as_ref().and_then(|select| select.node.as_ref()) else {
        return 0;
    };
    let NodeEnum::SelectStmt(query) = select else {
        return usize::MAX;
    };
    match query.values_lists.first().and_then(|row| row.node.as_ref()) {
        Some(NodeEnum::List(row)) => row.items.len(),
        _ => usize::MAX,
    }
}

/// Where names of a statement are looked up.
struct Scope<'a> {
    tree: &'a Tree,
    names: &'a Names<'a>,
    masked: &'a dyn Fn(&str) -> bool,
    /// The relation that is changed.
    range: &'a Range,
}

impl Scope<'_> {
    /// The view that takes the change, and the names that mean others there.
    fn made(
        &self,
        change: &Change<'_>,
        relation: &Relation,
        hidden: &BTreeSet<String>,
    ) -> Result<(String, Vec<Renamed>), String> {
        let view = writing_name(&relation.resource());
        let installed = self.names.catalog.named(SCHEMA, &view);
        let installed = installed.ok_or("nothing is installed that takes it")?;
        if self.range.only && self.names.catalog.children(relation).next().is_some() {
            return Err("it leaves relations below out".to_owned());
        }
        let set = change.targets.iter().filter(|target| hidden.contains(&target.name));
        let set = set.filter_map(|target| target.val.as_deref());
        if let Some(name) = change
            .values
            .iter()
            .copied()
            .chain(set)
            .find_map(|value| self.reads(value))
        {
            return Err(format!(
                "what is set comes from {name}, whose masked form would be written"
            ));
        }
        let mut names = Vec::new();
        for target in &change.targets {
            let Some((number, _)) = relation
                .columns
                .iter()
                .find(|(_, column)| column.name == target.name && hidden.contains(&column.name))
            else {
                continue;
            };
            let raw = raw_column(*number);
            let there = installed.columns.values().any(|column| column.name == raw);
            let place = usize::try_from(target.location).ok().filter(|_| there);
            let place = place.ok_or("its place is not known")?;
            names.push((place, 1, identifier(&raw)));
        }
        for node in change.returned {
            names.extend(self.star(node, change.alone, relation)?);
        }
        Ok((format!("{SCHEMA}.{}", identifier(&view)), names))
    }

    /// What a value that is written reads of what is masked.
    fn reads(&self, value: &Node) -> Option<String> {
        let mut waiting = vec![serde_json::to_value(value).unwrap_or_default()];
        while let Some(value) = waiting.pop() {
            match value {
                Json::Array(items) => waiting.extend(items),
                Json::Object(object) => {
                    if let Some(("ColumnRef", fields)) = tagged(&object) {
                        let reference = reference(fields);
                        if self.is_masked(&reference) {
                            let last = reference.last().cloned().flatten();
                            return Some(last.unwrap_or_else(|| "a star".to_owned()));
                        }
                    } else {
                        waiting.extend(object.into_iter().map(|(_, value)| value));
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a reference could be one to a masked column, or to a row with one.
    fn is_masked(&self, reference: &Reference) -> bool {
        let (qualifier, name) = match reference.as_slice() {
            [name] => (None, name),
            [.., Some(qualifier), name] => (Some(qualifier), name),
            _ => return true,
        };
        self.tree.ranges.iter().any(|range| {
            let Some(relation) = self.names.relation(range) else {
                return false;
            };
            let hidden = masked_columns(relation, self.names.catalog, self.masked);
            let version = std::ptr::eq(range, self.range)
                && qualifier.is_some_and(|qualifier| ["excluded", "old", "new"].contains(&qualifier.as_str()));
            let of_range = qualifier.is_none_or(|qualifier| *qualifier == range.alias) || version;
            let row = qualifier.is_none() && name.as_ref() == Some(&range.alias);
            !hidden.is_empty() && of_range && (row || name.as_ref().is_none_or(|name| hidden.contains(name)))
        })
    }

    /// The columns of the relation in the place of a star in `RETURNING`, for the view has more.
    fn star(&self, node: &Node, alone: bool, relation: &Relation) -> Result<Option<Renamed>, String> {
        let serialized = serde_json::to_value(node).unwrap_or_default();
        let fields = || {
            let (_, target) = tagged(serialized.as_object()?)?;
            tagged(target.get("val")?.as_object()?).filter(|(kind, _)| *kind == "ColumnRef")
        };
        let Some((_, fields)) = fields() else {
            return Ok(None);
        };
        let reference = reference(fields);
        let own = |qualifier: &String| *qualifier == self.range.alias;
        let qualifier = match reference.as_slice() {
            [None] if alone => self.range.alias.clone(),
            [Some(qualifier), None] if own(qualifier) || qualifier == "old" || qualifier == "new" => qualifier.clone(),
            [None] => return Err("RETURNING has a star over several relations".to_owned()),
            [Some(row)] if own(row) => return Err("RETURNING gives a whole row".to_owned()),
            [_, .., None] if reference.len() > 2 => return Err("RETURNING has a star behind a schema".to_owned()),
            _ => return Ok(None),
        };
        let columns = relation.columns.values();
        let columns = columns.map(|column| format!("{}.{}", identifier(&qualifier), identifier(&column.name)));
        let columns: Vec<String> = columns.collect();
        let place = super::tree::location(fields).ok_or("a star has no place")?;
        Ok(Some((place, reference.len(), columns.join(", "))))
    }
}
