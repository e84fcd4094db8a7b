//! The catalog of a target: which relations there are, what they are made of, and whose data they show.
//!
//! A session loads it over its own connection with [`Catalog::QUERIES`], before the agent's first statement and again
//! after every statement that may change it. Names in statements are resolved by it, and origins in descriptions of rows
//! (`relation oid`, `attribute number`) are turned into resources (`schema.relation.column`) by it. What it does not know
//! is unknown, never harmless.
//!
//! Its snapshot ([`Catalog::snapshot`]) is one JSON document with sorted keys: relations, their kinds, columns and types,
//! parents and dependencies. It holds names and type numbers, no data, and no temporary relation, so that all sessions of
//! a target record the same snapshot. [`Catalog::from_snapshot`] reads it back, to explain a policy without the server.
//!
//! Not here: statements (see [`crate::analysis`]), and masks (policy).

mod document;
mod load;
mod queries;

use std::collections::{BTreeMap, BTreeSet};

pub use self::document::DocumentError;
pub use self::load::CatalogError;

/// Attribute numbers of system columns (`ctid`, `tableoid`, ...) are below zero; they have no resource of their own.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"];

/// What kind of relation it is, as `pg_class.relkind` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table.
    PartitionedTable,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A foreign table.
    ForeignTable,
    /// A sequence.
    Sequence,
    /// An index, partitioned or not.
    Index,
}

/// Whether statements run code that hangs on a relation and could act outside their transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// None that the catalog knows of.
    #[default]
    None,
    /// Those that change its rows move sequences or ask the clock; no definition of the target changes by that.
    Sequences,
    /// Those that change its rows do.
    OnWrites,
    /// Those that read it do, too.
    OnReads,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// Number of its type.
    pub type_oid: u32,
}

/// A relation.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its number.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RelationKind,
    /// Its columns by attribute number; dropped ones are not here.
    pub columns: BTreeMap<i16, CatalogColumn>,
    /// Relations that it inherits from, or whose partition it is.
    pub parents: BTreeSet<u32>,
    /// Relations that inherit from it, or are its partitions.
    pub children: BTreeSet<u32>,
    /// Relations that its rules name: for a view, what it reads.
    pub depends_on: BTreeSet<u32>,
    /// Whether its rules call functions or operators that are not the server's own.
    pub calls_functions: bool,
    /// Generated columns, with the columns that they are computed from.
    pub generated: BTreeMap<i16, BTreeSet<i16>>,
    /// Code that statements over it run.
    pub code: Code,
}

impl Relation {
    /// `schema.relation`, as rules and masks of a policy name it.
    ///
    /// The session's own temporary schema is `pg_temp`, whatever its number.
    pub fn resource(&self) -> String {
        format!("{}.{}", part(self.schema_alias()), part(&self.name))
    }

    fn schema_alias(&self) -> &str {
        if self.schema.starts_with("pg_temp_") {
            "pg_temp"
        } else {
            &self.schema
        }
    }

    /// `schema.relation.column`.
    pub fn column_resource(&self, column: &str) -> String {
        format!("{}.{}.{}", part(self.schema_alias()), part(&self.name), part(column))
    }

    /// Whether it has a column of that name; system columns count.
    pub fn has_column(&self, name: &str) -> bool {
        SYSTEM_COLUMNS.contains(&name) || self.columns.values().any(|column| column.name == name)
    }
}

/// The catalog of a target, as one session sees it.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    relations: BTreeMap<u32, Relation>,
    by_name: BTreeMap<(String, String), u32>,
    /// Functions that are not the server's own, by name.
    functions: BTreeMap<String, Functions>,
    /// Names of operators that run code which is neither the server's own nor compiled.
    operators: BTreeSet<String>,
    /// Names of types that are not the server's own and whose casts run no interpreted code.
    types: BTreeSet<String>,
    /// Every name that the catalog knows.
    names: BTreeSet<String>,
    search_path: Vec<String>,
    temporary_schema: Option<String>,
    /// Code of casts and operators, which every statement could run.
    code: Code,
}

/// The functions of one name that are not the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Functions {
    /// Schemas that have one.
    pub schemas: BTreeSet<String>,
    /// Whether at least one is written in SQL or another language that can read relations.
    pub interpreted: bool,
}

impl Catalog {
    /// What a session asks its own connection, in this order; each by the simple protocol, with results as text.
    pub const QUERIES: [&'static str; 11] = queries::ALL;

    /// What tells the search path in force: one row per schema, in order, first column the name.
    pub const SEARCH_PATH: &'static str = queries::SEARCH_PATH;

    /// What tells the settings that statements are read by: client encoding, and whether strings are standard.
    pub(crate) const HELD: &'static str = queries::HELD;

    /// What tells the prepared statements that the server has: name and text.
    pub(crate) const PREPARED: &'static str = queries::PREPARED;

    /// Takes the rows of [`Self::QUERIES`], one table for each query, in the same order.
    ///
    /// # Errors
    /// [`CatalogError`] when a table is missing, a row has another shape, or a limit is broken.
    pub fn from_rows(tables: &[Vec<Vec<Option<String>>>]) -> Result<Self, CatalogError> {
        load::load(tables)
    }

    /// The schemas that names are looked up in when the session begins.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// The relation with that number.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    /// The relation with that schema and name; `pg_temp` is the session's own temporary schema.
    pub fn named(&self, schema: &str, name: &str) -> Option<&Relation> {
        let schema = match (schema, &self.temporary_schema) {
            ("pg_temp", Some(temporary)) => temporary,
            _ => schema,
        };
        let oid = self.by_name.get(&(schema.to_owned(), name.to_owned()))?;
        self.relations.get(oid)
    }

    /// The relation that a name without a schema means under a search path.
    ///
    /// The temporary schema and then `pg_catalog` come first, unless the path says where they stand
    /// (PostgreSQL documentation, `search_path`).
    pub fn resolve(&self, name: &str, search_path: &[String]) -> Option<&Relation> {
        let implicit = |schema: &'static str| (!search_path.iter().any(|entry| entry == schema)).then_some(schema);
        let temporary = self
            .temporary_schema
            .as_deref()
            .filter(|own| !search_path.iter().any(|entry| entry == own || entry == "pg_temp"));
        temporary
            .into_iter()
            .chain(implicit("pg_catalog"))
            .chain(search_path.iter().map(String::as_str))
            .find_map(|schema| self.named(schema, name))
    }

    /// Every relation of that name, in any schema.
    pub fn all_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Relation> {
        self.relations.values().filter(move |relation| relation.name == name)
    }

    /// Every relation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// `schema.relation.column` of a description of rows; `None` when the catalog knows no such column.
    ///
    /// System columns have the resource of their name.
    pub fn resource(&self, relation_oid: u32, attribute: i16) -> Option<String> {
        let relation = self.relations.get(&relation_oid)?;
        if attribute < 0 {
            let place = usize::try_from(attribute.checked_add(6)?).ok()?;
            return Some(relation.column_resource(SYSTEM_COLUMNS.get(place)?));
        }
        let column = relation.columns.get(&attribute)?;
        Some(relation.column_resource(&column.name))
    }

    /// The functions of that name that are not the server's own, if there are any.
    pub fn functions(&self, name: &str) -> Option<&Functions> {
        self.functions.get(name)
    }

    /// Whether a type of that name is an enumeration or a compiled type whose casts run no interpreted code.
    pub fn compiled_type(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    /// Whether an operator of that name may run code that can read relations.
    pub fn interpreted_operator(&self, name: &str) -> bool {
        self.operators.contains(name)
    }

    /// Code that every statement could run, over whatever relation.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether anything in the catalog has that name: a schema, a relation, a column, a type or a function.
    pub fn knows_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn index_names(&mut self) {
        let relations = self.relations.values().flat_map(|relation| {
            let columns = relation.columns.values().map(|column| column.name.clone());
            columns.chain([relation.name.clone(), relation.schema.clone()])
        });
        let others = self.functions.keys().chain(&self.types).cloned();
        self.names = relations.chain(others).collect();
    }

    /// What the catalog-snapshot event holds; the same bytes for the same definitions.
    pub fn snapshot(&self) -> Vec<u8> {
        let relations: BTreeMap<String, serde_json::Value> = self
            .relations
            .values()
            .filter(|relation| !relation.schema.starts_with("pg_temp"))
            .map(|relation| (relation.resource(), self.describe(relation)))
            .collect();
        let functions: BTreeMap<&String, document::FunctionsDocument> = self
            .functions
            .iter()
            .map(|(name, functions)| (name, functions.into()))
            .collect();
        serde_json::json!({ "relations": relations, "functions": functions, "operators": self.operators, "types": self.types })
            .to_string()
            .into_bytes()
    }

    fn describe(&self, relation: &Relation) -> serde_json::Value {
        let names = |oids: &BTreeSet<u32>| -> BTreeSet<String> {
            oids.iter()
                .map(|oid| {
                    self.relations
                        .get(oid)
                        .map_or_else(|| "?".to_owned(), Relation::resource)
                })
                .collect()
        };
        let columns: Vec<(i16, &str, u32)> = relation
            .columns
            .iter()
            .map(|(number, column)| (*number, column.name.as_str(), column.type_oid))
            .collect();
        serde_json::json!({
            "kind": relation.kind.as_str(),
            "columns": columns,
            "parents": names(&relation.parents),
            "depends_on": names(&relation.depends_on),
            "calls_functions": relation.calls_functions,
            "generated": relation.generated.iter().collect::<Vec<_>>(),
        })
    }
}

impl RelationKind {
    /// The word in snapshots.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::PartitionedTable => "partitioned-table",
            Self::View => "view",
            Self::MaterializedView => "materialized-view",
            Self::ForeignTable => "foreign-table",
            Self::Sequence => "sequence",
            Self::Index => "index",
        }
    }
}

/// A part of a resource: as it is, or quoted where a dot, quote, star or question mark in it could be read as another
/// resource.
pub(crate) fn part(name: &str) -> String {
    let plain = !name.is_empty() && !name.contains(['.', '"', '*', '?']) && !name.contains(char::is_control);
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
