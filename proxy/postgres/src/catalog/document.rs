//! A recorded catalog, read back: what [`Catalog::snapshot`] wrote.
//!
//! ```json
//! {
//!   "relations": { "public.patients": { "kind": "table", "columns": [[1, "id", 23]], "parents": [], "depends_on": [],
//!                                       "calls_functions": false, "generated": [] } },
//!   "functions": { "leak": { "interpreted": true, "schemas": ["public"] } },
//!   "operators": [], "types": []
//! }
//! ```
//!
//! Statements mean the same under it as under the catalog that was recorded, as far as it goes: numbers of relations are
//! not in it and are made up, temporary relations and the search path belong to a session and are missing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Catalog, CatalogColumn, Code, Functions, Relation, RelationKind};

/// In the place of a relation that was not known to the recorded catalog either; no relation has this number.
const UNKNOWN_OID: u32 = 0;

/// The name of such a relation.
const UNKNOWN: &str = "?";

/// Why a document is not a recorded catalog.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DocumentError {
    /// It is not JSON of this shape.
    #[error("it is not a recorded catalog: line {line}, column {column}")]
    Shape {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A relation's name is not a schema and a name.
    #[error("`{0}` does not name a relation of a schema")]
    Name(String),
    /// A relation's kind is not one.
    #[error("`{0}` is no kind of relation")]
    Kind(String),
    /// A relation names another that is not there.
    #[error("`{0}` is named, but not described")]
    Missing(String),
    /// More relations than have numbers.
    #[error("it has too many relations")]
    TooMany,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    relations: BTreeMap<String, RelationDocument>,
    functions: BTreeMap<String, FunctionsDocument>,
    operators: BTreeSet<String>,
    types: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationDocument {
    kind: String,
    columns: Vec<(i16, String, u32)>,
    parents: BTreeSet<String>,
    depends_on: BTreeSet<String>,
    calls_functions: bool,
    generated: Vec<(i16, BTreeSet<i16>)>,
}

/// The functions of one name, as the document holds them.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionsDocument {
    interpreted: bool,
    schemas: BTreeSet<String>,
}

impl From<&Functions> for FunctionsDocument {
    fn from(functions: &Functions) -> Self {
        let Functions { schemas, interpreted } = functions.clone();
        Self { interpreted, schemas }
    }
}

impl Catalog {
    /// Reads what [`Catalog::snapshot`] wrote; its search path is empty.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document: Document = serde_json::from_slice(bytes).map_err(|error| DocumentError::Shape {
            line: error.line(),
            column: error.column(),
        })?;
        let mut numbers = BTreeMap::from([(UNKNOWN.to_owned(), UNKNOWN_OID)]);
        for (name, number) in document.relations.keys().zip(UNKNOWN_OID + 1..) {
            numbers.insert(name.clone(), number);
        }
        if numbers.len() <= document.relations.len() {
            return Err(DocumentError::TooMany);
        }
        let mut catalog = Self {
            operators: document.operators,
            types: document.types,
            ..Self::default()
        };
        for (name, functions) in document.functions {
            let FunctionsDocument { interpreted, schemas } = functions;
            catalog.functions.insert(name, Functions { schemas, interpreted });
        }
        for (name, relation) in document.relations {
            let relation = relation.read(&name, &numbers)?;
            let key = (relation.schema.clone(), relation.name.clone());
            catalog.by_name.insert(key, relation.oid);
            catalog.relations.insert(relation.oid, relation);
        }
        catalog.add_children();
        catalog.index_names();
        Ok(catalog)
    }

    fn add_children(&mut self) {
        let relations = self.relations.values();
        let pairs: Vec<(u32, u32)> = relations
            .flat_map(|relation| relation.parents.iter().map(|parent| (*parent, relation.oid)))
            .collect();
        for (parent, child) in pairs {
            if let Some(relation) = self.relations.get_mut(&parent) {
                relation.children.insert(child);
            }
        }
    }
}

impl RelationDocument {
    fn read(self, resource: &str, numbers: &BTreeMap<String, u32>) -> Result<Relation, DocumentError> {
        let number = |name: &String| numbers.get(name).copied().ok_or(DocumentError::Missing(name.clone()));
        let set = |names: &BTreeSet<String>| names.iter().map(number).collect::<Result<BTreeSet<u32>, _>>();
        let (schema, name) = names(resource).ok_or(DocumentError::Name(resource.to_owned()))?;
        let columns = self.columns.into_iter();
        Ok(Relation {
            oid: number(&resource.to_owned())?,
            kind: RelationKind::from_word(&self.kind).ok_or(DocumentError::Kind(self.kind))?,
            columns: columns
                .map(|(number, name, type_oid)| (number, CatalogColumn { name, type_oid }))
                .collect(),
            parents: set(&self.parents)?,
            children: BTreeSet::new(),
            depends_on: set(&self.depends_on)?,
            calls_functions: self.calls_functions,
            generated: self.generated.into_iter().collect(),
            // The document does not say; it decides what runs ahead of its event, which no document's reader does.
            code: Code::OnReads,
            schema,
            name,
        })
    }
}

impl RelationKind {
    fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Table,
            Self::PartitionedTable,
            Self::View,
            Self::MaterializedView,
            Self::ForeignTable,
            Self::Sequence,
            Self::Index,
        ];
        all.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// The two parts of a resource, which [`super::part`] wrote.
fn names(resource: &str) -> Option<(String, String)> {
    let (schema, rest) = first(resource)?;
    let (name, rest) = first(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, name))
}

/// The first part, and what follows it.
fn first(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (name, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        return (super::part(name) == name).then(|| (name.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}
