//! The catalog of a target: which relations there are, what they are made of, and whose data they show.
//!
//! A session loads it over its own connection, before the agent's first statement and again after every statement that may
//! change it; what other sessions have loaded already is shared (see `shared`). Names in statements are resolved by it, and
//! origins in descriptions of rows (`relation oid`, `attribute number`) are turned into resources
//! (`schema.relation.column`) by it. What it does not know is unknown, never harmless.
//!
//! What is recorded of it ([`Catalog::snapshot`]) is read back to explain a policy without the server
//! ([`Catalog::from_snapshot`]).
//!
//! Not here: statements (see [`crate::analysis`]), and masks (policy).

mod by_text;
mod definition;
mod document;
mod layer;
mod load;
mod node_tree;
mod queries;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exhibit_gate::gate::CatalogDocument;

pub(crate) use self::definition::{ColumnId, Definition, Source};
pub use self::document::{DocumentError, is_catalog, stands_on, whole};
use self::layer::Layer;
pub use self::load::CatalogError;
pub(crate) use self::load::cells;
pub use self::queries::Table;
pub(crate) use self::shared::{Definitions, Seen, SharedDefinitions, System};
use crate::message::Raw;

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
    /// The catalog is a recorded one, which does not say. All may.
    Unrecorded,
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
    /// Relations that its rules name: for a view, what it reads.
    pub depends_on: BTreeSet<u32>,
    /// Whether its rules call functions or operators that are not the server's own.
    pub calls_functions: bool,
    /// Generated columns, with the columns that they are computed from.
    pub generated: BTreeMap<i16, BTreeSet<i16>>,
    /// What it shows, of a view whose query is understood and that has no other rules.
    pub(crate) definition: Option<Definition>,
    /// Columns that its partitions go by; zero for an expression.
    pub partitioned_by: BTreeSet<i16>,
    /// Columns that its row security goes by; number zero is any column of the relation.
    pub(crate) secured_by: BTreeSet<ColumnId>,
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

    /// Whether it is one of the server's own.
    pub(crate) fn is_system(&self) -> bool {
        matches!(self.schema.as_str(), "pg_catalog" | "information_schema")
    }

    /// `schema.relation.column`.
    pub fn column_resource(&self, column: &str) -> String {
        format!("{}.{}.{}", part(self.schema_alias()), part(&self.name), part(column))
    }

    /// Whether it has a column of that name; system columns count.
    pub fn has_column(&self, name: &str) -> bool {
        is_system_column(name) || self.columns.values().any(|column| column.name == name)
    }
}

/// Whether every stored relation has a system column of that name.
pub(crate) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}

/// The catalog of a target, as one session sees it.
#[derive(Clone)]
pub struct Catalog {
    definitions: Arc<Definitions>,
    search_path: Vec<String>,
}

impl Default for Catalog {
    /// A catalog that knows nothing.
    fn default() -> Self {
        Self::of(Layer::default(), Layer::default())
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Catalog({} relations)", self.relations().count())
    }
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
    /// What a session asks its own connection first: the state of all definitions, and the search path.
    pub fn state_queries() -> &'static [String] {
        &queries::SESSION
    }

    /// What is asked about everything but what initdb made, where it is not shared yet.
    pub fn own_queries() -> &'static [String] {
        &queries::OWN
    }

    /// The same about what initdb made.
    pub fn system_queries() -> &'static [String] {
        &queries::SYSTEM
    }

    /// Whether the server's tree of a view's query (`pg_rewrite.ev_action`) is understood; a view of which it is not is refused
    /// where masks are.
    pub fn understands(tree: &str) -> bool {
        Definition::of(tree).is_some()
    }

    /// What tells the search path in force: one row per schema, in order, first column the name.
    pub(crate) const SEARCH_PATH: &'static str = queries::SEARCH_PATH;

    /// What tells whether views show what they did: the versions of all rules, and how transactions are isolated.
    pub(crate) const RULES: &'static str = queries::RULES;

    /// What tells the settings that statements are read by: client encoding, and whether strings are standard.
    pub(crate) const HELD: &'static str = queries::HELD;

    /// What tells the prepared statements that the server has: name and text.
    pub(crate) const PREPARED: &'static str = queries::PREPARED;

    /// A catalog that no connection gave.
    fn of(system: Layer, own: Layer) -> Self {
        let system = Arc::new(System::new(None, system));
        Self {
            definitions: Arc::new(Definitions::new(None, system, own)),
            search_path: Vec::new(),
        }
    }

    /// The catalog of definitions under a search path, one row per schema.
    pub(crate) fn new(definitions: Arc<Definitions>, search_path: &[Raw]) -> Result<Self, CatalogError> {
        Ok(Self {
            search_path: schemas(search_path)?,
            definitions,
        })
    }

    /// Whether it is sure to be what the server says now: its answers to [`Catalog::state_queries`], one behind the other.
    pub(crate) fn is_as(&self, answers: &[Raw]) -> Result<bool, CatalogError> {
        let Some((state, search_path)) = answers.split_at_checked(1) else {
            return Err(CatalogError::State);
        };
        Ok(self.definitions.are_of(&Seen::of(state)?) && self.search_path == schemas(search_path)?)
    }

    /// The schemas that names are looked up in when the session begins.
    pub fn search_path(&self) -> &[String] {
        &self.search_path
    }

    /// The relation with that number.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        let Definitions { system, own, .. } = self.definitions.as_ref();
        own.relations.get(&oid).or_else(|| system.layer.relations.get(&oid))
    }

    /// The relation with that schema and name; `pg_temp` is the session's own temporary schema.
    pub fn named(&self, schema: &str, name: &str) -> Option<&Relation> {
        let Definitions { system, own, .. } = self.definitions.as_ref();
        let schema = match (schema, &own.temporary_schema) {
            ("pg_temp", Some(temporary)) => temporary,
            _ => schema,
        };
        own.named(schema, name).or_else(|| system.layer.named(schema, name))
    }

    /// Numbers of the relations that inherit from it, or are its partitions.
    pub fn children(&self, relation: &Relation) -> impl Iterator<Item = u32> {
        let Definitions { system, own, .. } = self.definitions.as_ref();
        system.layer.children(relation.oid).chain(own.children(relation.oid))
    }

    /// The relation that a name without a schema means under a search path.
    ///
    /// The temporary schema and then `pg_catalog` come first, unless the path says where they stand
    /// (PostgreSQL documentation, `search_path`).
    pub fn resolve(&self, name: &str, search_path: &[String]) -> Option<&Relation> {
        let implicit = |schema: &'static str| (!search_path.iter().any(|entry| entry == schema)).then_some(schema);
        let temporary = &self.definitions.own.temporary_schema;
        let temporary = temporary
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
        self.relations().filter(move |relation| relation.name == name)
    }

    /// Every relation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        let Definitions { system, own, .. } = self.definitions.as_ref();
        system.layer.relations.values().chain(own.relations.values())
    }

    /// `schema.relation.column` of a description of rows; `None` when the catalog knows no such column.
    ///
    /// System columns have the resource of their name.
    pub fn resource(&self, relation_oid: u32, attribute: i16) -> Option<String> {
        let relation = self.relation(relation_oid)?;
        if attribute < 0 {
            let place = usize::try_from(attribute.checked_add(6)?).ok()?;
            return Some(relation.column_resource(SYSTEM_COLUMNS.get(place)?));
        }
        let column = relation.columns.get(&attribute)?;
        Some(relation.column_resource(&column.name))
    }

    /// Columns of other relations whose rows are met where rows of this one are changed: on the other side of foreign keys.
    pub(crate) fn met(&self, relation: &Relation) -> impl Iterator<Item = ColumnId> {
        let met = self.definitions.own.meets.get(&relation.oid);
        met.into_iter().flatten().copied()
    }

    /// The functions of that name that are not the server's own, if there are any.
    pub fn functions(&self, name: &str) -> Option<&Functions> {
        self.definitions.own.functions.get(name)
    }

    /// Whether a type of that name is an enumeration or a compiled type whose casts run no interpreted code.
    pub fn compiled_type(&self, name: &str) -> bool {
        self.definitions.own.types.contains(name)
    }

    /// Whether another type of that name is not the server's own: a domain, a row type, a range, or one with interpreted casts.
    pub(crate) fn other_type(&self, name: &str) -> bool {
        self.definitions.own.other_types.contains(name)
    }

    /// Whether an operator of that name may run code that can read relations.
    pub fn interpreted_operator(&self, name: &str) -> bool {
        self.definitions.own.operators.contains(name)
    }

    /// Code that every statement could run, over whatever relation.
    pub fn code(&self) -> Code {
        self.definitions.own.code
    }

    /// Whether anything in the catalog has that name: a schema, a relation, a column, a type or a function.
    pub fn knows_name(&self, name: &str) -> bool {
        let Definitions { system, own, .. } = self.definitions.as_ref();
        own.knows_name(name) || system.layer.knows_name(name)
    }

    /// The versions of all rules when it was loaded.
    pub(crate) fn rules(&self) -> &str {
        &self.definitions.own.rules
    }

    /// What the catalog-snapshot events hold, the same for the same definitions: the document of what initdb made, and the
    /// one of everything else, which stands on it.
    pub fn snapshot(&self) -> [&CatalogDocument; 2] {
        [&self.definitions.system.document, &self.definitions.document]
    }
}

/// The schemas of a search path.
pub(crate) fn schemas(rows: &[Raw]) -> Result<Vec<String>, CatalogError> {
    let schema = |row| match <[String; 1]>::try_from(cells(row)?) {
        Ok([schema]) => Ok(schema),
        Err(_) => Err(CatalogError::SearchPath),
    };
    rows.iter().map(schema).collect()
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
