//! Rows of the queries become a layer of a catalog, or are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Definition;
use super::layer::Layer;
use super::queries::Table;
use super::{CatalogColumn, Code, Relation, RelationKind};
use crate::message::backend::Backend;
use crate::message::{MessageError, Raw};

/// Rows of one query at the most: a hundred thousand relations of ten columns. More would hold the session's memory and
/// start for longer than an agent waits.
pub(crate) const ROWS_MAX: usize = 1_000_000;

/// Why a catalog cannot be taken. Blames the target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CatalogError {
    /// There is not one table of rows for each query.
    #[error("the catalog has {found} tables of rows, it wants {wanted}")]
    Tables {
        /// Tables given.
        found: usize,
        /// Queries.
        wanted: usize,
    },
    /// A query gave more than `ROWS_MAX` rows.
    #[error("the catalog's query for {table:?} gave {rows} rows, at most {ROWS_MAX} are taken")]
    Rows {
        /// What was asked for.
        table: Table,
        /// Rows given.
        rows: usize,
    },
    /// A row is not of the query's shape.
    #[error("the catalog's query for {table:?} gave a row {row} that is not of its shape")]
    Row {
        /// What was asked for.
        table: Table,
        /// The row's place.
        row: usize,
    },
    /// The state of the definitions is not of its shape.
    #[error("the catalog's query for its state gave something else")]
    State,
    /// The search path is not of its shape.
    #[error("the catalog's query for the search path gave something else")]
    SearchPath,
    /// A message is not one of rows.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Takes what the server answered to the queries of `asked`, one table of rows for each, in the same order.
pub(super) fn load(asked: &[Table], tables: &[Vec<Raw>]) -> Result<Layer, CatalogError> {
    if tables.len() != asked.len() {
        return Err(CatalogError::Tables {
            found: tables.len(),
            wanted: asked.len(),
        });
    }
    let mut layer = Layer::default();
    for (table, rows) in asked.iter().copied().zip(tables) {
        if rows.len() > ROWS_MAX {
            let rows = rows.len();
            return Err(CatalogError::Rows { table, rows });
        }
        for (row, raw) in rows.iter().enumerate() {
            let cells = cells(raw)?;
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            take(&mut layer, table, &cells).ok_or(CatalogError::Row { table, row })?;
        }
    }
    layer.index();
    Ok(layer)
}

/// The cells of a row as text; NULL is empty.
pub(crate) fn cells(raw: &Raw) -> Result<Vec<String>, MessageError> {
    let shape = |what| MessageError::Shape { tag: b'D', what };
    let Backend::DataRow(cells) = Backend::parse(raw)? else {
        return Err(shape("it is no row"));
    };
    let text = |cell: Option<Vec<u8>>| String::from_utf8(cell.unwrap_or_default()).map_err(|_| shape("no UTF-8"));
    cells.into_iter().map(text).collect()
}

/// Takes one row; `None` when it is not of its query's shape.
fn take(layer: &mut Layer, table: Table, cells: &[&str]) -> Option<()> {
    match (table, cells) {
        (Table::Relations, [oid, schema, name, kind, temporary]) => {
            let relation = Relation {
                oid: oid.parse().ok()?,
                schema: (*schema).to_owned(),
                name: (*name).to_owned(),
                kind: kind_of(kind)?,
                columns: BTreeMap::new(),
                parents: BTreeSet::new(),
                depends_on: BTreeSet::new(),
                calls_functions: false,
                generated: BTreeMap::new(),
                definition: None,
                partitioned_by: BTreeSet::new(),
                secured_by: BTreeSet::new(),
                code: Code::None,
            };
            if *temporary == "t" {
                layer.temporary_schema = Some(relation.schema.clone());
            }
            layer.add(relation);
        }
        (Table::Columns, [relation, number, name, type_oid]) => {
            // A column of a relation that was not loaded (another session's temporary one) is not needed.
            let column = CatalogColumn {
                name: (*name).to_owned(),
                type_oid: type_oid.parse().ok()?,
            };
            let number = number.parse().ok()?;
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.columns.insert(number, column);
            }
        }
        (Table::Parents, [child, parent]) => {
            let parent = parent.parse().ok()?;
            if let Some(relation) = layer.relations.get_mut(&child.parse().ok()?) {
                relation.parents.insert(parent);
            }
        }
        (Table::Dependencies, [relation, used]) => {
            let used = used.parse().ok()?;
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.depends_on.insert(used);
            }
        }
        (Table::Callers, [relation]) => {
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.calls_functions = true;
            }
        }
        (Table::Generated, [relation, generated, source]) => {
            let (generated, source) = (generated.parse().ok()?, source.parse().ok()?);
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.generated.entry(generated).or_default().insert(source);
            }
        }
        (Table::Views, [relation, tree]) => {
            // What is not understood is unknown; a target may have views of any kind.
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.definition = Definition::of(tree);
            }
        }
        (Table::Keys, [relation, number]) => {
            let number = number.parse().ok()?;
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.partitioned_by.insert(number);
            }
        }
        (Table::Policies, [relation, named, number]) => {
            let column = (named.parse().ok()?, number.parse().ok()?);
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.secured_by.insert(column);
            }
        }
        (Table::Rules, [versions, _]) => (*versions).clone_into(&mut layer.rules),
        (Table::Code, [relation, when]) => {
            let code = code_of(when)?;
            if let Some(relation) = layer.relations.get_mut(&relation.parse().ok()?) {
                relation.code = relation.code.max(code);
            }
        }
        (Table::AnyCode, [when]) => layer.code = layer.code.max(code_of(when)?),
        (Table::Functions, [schema, name, language]) => {
            let known = layer.functions.entry((*name).to_owned()).or_default();
            known.schemas.insert((*schema).to_owned());
            known.interpreted |= !matches!(*language, "internal" | "c");
        }
        (Table::Operators, [name]) => {
            layer.operators.insert((*name).to_owned());
        }
        (Table::References, [from, column, to, key]) => {
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            layer.meets.entry(from).or_default().insert((to, key.parse().ok()?));
            layer.meets.entry(to).or_default().insert((from, column.parse().ok()?));
        }
        (Table::Types, [name, "t"]) => drop(layer.types.insert((*name).to_owned())),
        (Table::Types, [name, "f"]) => drop(layer.other_types.insert((*name).to_owned())),
        _ => return None,
    }
    Some(())
}

fn code_of(when: &str) -> Option<Code> {
    Some(match when {
        "r" => Code::OnReads,
        "s" => Code::Sequences,
        "w" => Code::OnWrites,
        _ => return None,
    })
}

fn kind_of(kind: &str) -> Option<RelationKind> {
    Some(match kind {
        "r" => RelationKind::Table,
        "p" => RelationKind::PartitionedTable,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        "S" => RelationKind::Sequence,
        "i" | "I" => RelationKind::Index,
        _ => return None,
    })
}
