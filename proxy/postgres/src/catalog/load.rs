//! Rows of the queries become a catalog, or are refused.

use std::collections::BTreeSet;

use super::{Catalog, CatalogColumn, Code, Relation, RelationKind};

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
    #[error("query {query} of the catalog gave {rows} rows, at most {ROWS_MAX} are taken")]
    Rows {
        /// The query's place.
        query: usize,
        /// Rows given.
        rows: usize,
    },
    /// A row is not of the query's shape.
    #[error("query {query} of the catalog gave a row {row} that is not of its shape")]
    Row {
        /// The query's place.
        query: usize,
        /// The row's place.
        row: usize,
    },
}

/// One cell of text, or NULL.
type Cell = Option<String>;

pub(super) fn load(tables: &[Vec<Vec<Cell>>]) -> Result<Catalog, CatalogError> {
    let wanted = Catalog::QUERIES.len();
    if tables.len() != wanted {
        return Err(CatalogError::Tables {
            found: tables.len(),
            wanted,
        });
    }
    let mut catalog = Catalog::default();
    for (query, rows) in tables.iter().enumerate() {
        if rows.len() > ROWS_MAX {
            return Err(CatalogError::Rows {
                query,
                rows: rows.len(),
            });
        }
        for (row, cells) in rows.iter().enumerate() {
            let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect();
            take(&mut catalog, query, &cells).ok_or(CatalogError::Row { query, row })?;
        }
    }
    catalog.index_names();
    Ok(catalog)
}

/// Takes one row; `None` when it is not of its query's shape.
fn take(catalog: &mut Catalog, query: usize, cells: &[&str]) -> Option<()> {
    match (query, cells) {
        (0, [oid, schema, name, kind, temporary]) => {
            let relation = Relation {
                oid: oid.parse().ok()?,
                schema: (*schema).to_owned(),
                name: (*name).to_owned(),
                kind: kind_of(kind)?,
                columns: std::collections::BTreeMap::new(),
                parents: BTreeSet::new(),
                children: BTreeSet::new(),
                depends_on: BTreeSet::new(),
                calls_functions: false,
                generated: std::collections::BTreeMap::new(),
                code: Code::None,
            };
            if *temporary == "t" {
                catalog.temporary_schema = Some(relation.schema.clone());
            }
            let key = (relation.schema.clone(), relation.name.clone());
            catalog.by_name.insert(key, relation.oid);
            catalog.relations.insert(relation.oid, relation);
        }
        (1, [relation, number, name, type_oid]) => {
            // A column of a relation that was not loaded (another session's temporary one) is not needed.
            let column = CatalogColumn {
                name: (*name).to_owned(),
                type_oid: type_oid.parse().ok()?,
            };
            let number = number.parse().ok()?;
            if let Some(relation) = catalog.relations.get_mut(&relation.parse().ok()?) {
                relation.columns.insert(number, column);
            }
        }
        (2, [child, parent]) => {
            let (child, parent) = (child.parse().ok()?, parent.parse().ok()?);
            if let Some(relation) = catalog.relations.get_mut(&child) {
                relation.parents.insert(parent);
            }
            if let Some(relation) = catalog.relations.get_mut(&parent) {
                relation.children.insert(child);
            }
        }
        (3, [relation, used]) => {
            let used = used.parse().ok()?;
            if let Some(relation) = catalog.relations.get_mut(&relation.parse().ok()?) {
                relation.depends_on.insert(used);
            }
        }
        (4, [relation]) => {
            if let Some(relation) = catalog.relations.get_mut(&relation.parse().ok()?) {
                relation.calls_functions = true;
            }
        }
        (5, [relation, generated, source]) => {
            let (generated, source) = (generated.parse().ok()?, source.parse().ok()?);
            if let Some(relation) = catalog.relations.get_mut(&relation.parse().ok()?) {
                relation.generated.entry(generated).or_default().insert(source);
            }
        }
        (6, [schema, name, language]) => {
            let known = catalog.functions.entry((*name).to_owned()).or_default();
            known.schemas.insert((*schema).to_owned());
            known.interpreted |= !matches!(*language, "internal" | "c");
        }
        (7, [name]) => {
            catalog.operators.insert((*name).to_owned());
        }
        (8, [name]) => {
            catalog.types.insert((*name).to_owned());
        }
        (9, [schema]) => catalog.search_path.push((*schema).to_owned()),
        (10, [relation, when]) => {
            let code = match *when {
                "r" => Code::OnReads,
                "s" => Code::Sequences,
                "w" => Code::OnWrites,
                _ => return None,
            };
            let relation = relation.parse().ok()?;
            if relation == 0 {
                catalog.code = catalog.code.max(code);
            } else if let Some(relation) = catalog.relations.get_mut(&relation) {
                relation.code = relation.code.max(code);
            }
        }
        _ => return None,
    }
    Some(())
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
