//! Recorded catalogs: what [`Catalog::snapshot`] gives, and how it is read back.
//!
//! Two documents with sorted keys: one of what initdb made, which hardly ever changes, and one of everything else, which
//! names the first by its digest. They hold names and type numbers, no data, and no temporary relation, so that all sessions
//! of a target record the same.
//!
//! ```json
//! {
//!   "relations": { "public.patients": { "kind": "table", "columns": [[1, "id", 23]], "parents": [], "depends_on": [],
//!                                       "calls_functions": false, "generated": [] },
//!                  "public.cities": { "kind": "view", ..., "shows": { "outputs": [[1, [["public.patients", 4]], true]],
//!                                     "conditions": [], "fallible": [] } } },
//!   "functions": { "leak": { "interpreted": true, "schemas": ["public"] } },
//!   "operators": [], "types": [],
//!   "system": "5f0c..."
//! }
//! ```
//!
//! The first document has nothing but `relations`. What is read has it in the place of its digest ([`whole`]).
//!
//! Statements mean the same under it as under the catalog that was recorded, as far as it goes: numbers of relations are
//! not in it and are made up, temporary relations and the search path belong to a session and are missing.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_gate::gate::CatalogDocument;
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use super::shared::System;
use super::{Catalog, CatalogColumn, Code, ColumnId, Definition, Functions, Relation, RelationKind, Source};

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
    /// It names the document of what initdb made, which has to stand in it.
    #[error("the document of the server's own relations is not in it")]
    Part,
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
    system: Option<Part>,
}

/// What initdb made: the document's digest, or the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Digest(String),
    Whole(SystemDocument),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SystemDocument {
    relations: BTreeMap<String, RelationDocument>,
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
    /// Of a view. Catalogs that were recorded before views were read have none.
    #[serde(default)]
    shows: Option<ShowsDocument>,
    #[serde(default)]
    partitioned_by: BTreeSet<i16>,
    #[serde(default)]
    secured_by: BTreeSet<ColumnName>,
}

/// A column: the relation's name, and the number of the attribute.
type ColumnName = (String, i16);

/// What a view shows.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ShowsDocument {
    outputs: Vec<(i16, BTreeSet<ColumnName>, bool)>,
    conditions: BTreeSet<ColumnName>,
    fallible: BTreeSet<ColumnName>,
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

/// Whether a recorded document is a catalog, and not only the part that others stand on.
pub fn is_catalog(document: &[u8]) -> bool {
    serde_json::from_slice::<Document>(document).is_ok()
}

/// The digest of the document that a recorded catalog stands on, if it names one.
pub fn stands_on(document: &[u8]) -> Option<String> {
    let document: Document = serde_json::from_slice(document).ok()?;
    match document.system? {
        Part::Digest(digest) => Some(digest),
        Part::Whole(_) => None,
    }
}

/// A recorded catalog with the document that it stands on in the place of its digest.
///
/// # Errors
/// [`DocumentError`] when one of them is no document.
pub fn whole(document: &[u8], system: &[u8]) -> Result<Vec<u8>, DocumentError> {
    let mut whole: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(document).map_err(shape)?;
    whole.insert("system".to_owned(), serde_json::from_slice(system).map_err(shape)?);
    let whole = serde_json::Value::Object(whole).to_string().into_bytes();
    Catalog::from_snapshot(&whole)?;
    Ok(whole)
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn shape(error: serde_json::Error) -> DocumentError {
    DocumentError::Shape {
        line: error.line(),
        column: error.column(),
    }
}

/// The document of what initdb made.
pub(super) fn system_document(layer: &Layer) -> CatalogDocument {
    let relations = relations(layer, &|oid| layer.relations.get(&oid));
    CatalogDocument::new(serde_json::json!({ "relations": relations }).to_string().into_bytes())
}

/// The document of everything else.
pub(super) fn own_document(system: &System, own: &Layer) -> CatalogDocument {
    let find = |oid: u32| own.relations.get(&oid).or_else(|| system.layer.relations.get(&oid));
    let functions: BTreeMap<&String, FunctionsDocument> = own
        .functions
        .iter()
        .map(|(name, functions)| (name, functions.into()))
        .collect();
    let document = serde_json::json!({
        "relations": relations(own, &find),
        "functions": functions,
        "operators": own.operators,
        "types": own.types,
        "system": system.document.digest().to_string(),
    });
    CatalogDocument::new(document.to_string().into_bytes())
}

fn relations<'a>(layer: &'a Layer, find: &dyn Fn(u32) -> Option<&'a Relation>) -> BTreeMap<String, serde_json::Value> {
    let lasting = |relation: &&Relation| !relation.schema.starts_with("pg_temp");
    let relations = layer.relations.values().filter(lasting);
    relations
        .map(|relation| (relation.resource(), describe(relation, find)))
        .collect()
}

fn describe<'a>(relation: &Relation, find: &dyn Fn(u32) -> Option<&'a Relation>) -> serde_json::Value {
    let name = |oid: &u32| find(*oid).map_or_else(|| UNKNOWN.to_owned(), Relation::resource);
    let names = |oids: &BTreeSet<u32>| -> BTreeSet<String> { oids.iter().map(name).collect() };
    let columns: Vec<(i16, &str, u32)> = relation
        .columns
        .iter()
        .map(|(number, column)| (*number, column.name.as_str(), column.type_oid))
        .collect();
    let mut description = serde_json::json!({
        "kind": relation.kind.as_str(),
        "columns": columns,
        "parents": names(&relation.parents),
        "depends_on": names(&relation.depends_on),
        "calls_functions": relation.calls_functions,
        "generated": relation.generated.iter().collect::<Vec<_>>(),
    });
    if let (false, Some(fields)) = (relation.partitioned_by.is_empty(), description.as_object_mut()) {
        fields.insert("partitioned_by".to_owned(), serde_json::json!(relation.partitioned_by));
    }
    if let (false, Some(fields)) = (relation.secured_by.is_empty(), description.as_object_mut()) {
        let columns = named(&relation.secured_by, &name);
        fields.insert("secured_by".to_owned(), serde_json::json!(columns));
    }
    if let (Some(definition), Some(fields)) = (&relation.definition, description.as_object_mut()) {
        fields.insert("shows".to_owned(), shows(definition, &name));
    }
    description
}

fn named(columns: &BTreeSet<ColumnId>, name: &dyn Fn(&u32) -> String) -> BTreeSet<ColumnName> {
    let columns = columns.iter();
    columns.map(|(relation, number)| (name(relation), *number)).collect()
}

fn shows(definition: &Definition, name: &dyn Fn(&u32) -> String) -> serde_json::Value {
    let named = |columns| named(columns, name);
    let outputs = definition.outputs.iter();
    let document = ShowsDocument {
        outputs: outputs
            .map(|(number, source)| (*number, named(&source.columns), source.bare))
            .collect(),
        conditions: named(&definition.conditions),
        fallible: named(&definition.fallible),
    };
    serde_json::json!(document)
}

impl Catalog {
    /// Reads what [`whole`] gives; its search path is empty.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document: Document = serde_json::from_slice(bytes).map_err(shape)?;
        let base = match document.system {
            Some(Part::Digest(_)) => return Err(DocumentError::Part),
            Some(Part::Whole(base)) => base,
            None => SystemDocument::default(),
        };
        let mut numbers = BTreeMap::from([(UNKNOWN.to_owned(), UNKNOWN_OID)]);
        let names = base.relations.keys().chain(document.relations.keys());
        for (name, number) in names.zip(UNKNOWN_OID + 1..) {
            numbers.insert(name.clone(), number);
        }
        if numbers.len() <= base.relations.len() + document.relations.len() {
            return Err(DocumentError::TooMany);
        }
        let system = layer(base.relations, &numbers)?;
        let mut own = layer(document.relations, &numbers)?;
        own.operators = document.operators;
        own.types = document.types;
        for (name, functions) in document.functions {
            let FunctionsDocument { interpreted, schemas } = functions;
            own.functions.insert(name, Functions { schemas, interpreted });
        }
        own.index();
        Ok(Self::of(system, own))
    }
}

fn layer(
    relations: BTreeMap<String, RelationDocument>,
    numbers: &BTreeMap<String, u32>,
) -> Result<Layer, DocumentError> {
    let mut layer = Layer::default();
    for (name, relation) in relations {
        layer.add(relation.read(&name, numbers)?);
    }
    layer.index();
    Ok(layer)
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
            depends_on: set(&self.depends_on)?,
            calls_functions: self.calls_functions,
            generated: self.generated.into_iter().collect(),
            partitioned_by: self.partitioned_by,
            secured_by: columns_of(self.secured_by, &number)?,
            definition: self.shows.map(|shows| shows.read(&number)).transpose()?,
            // The document does not say; it decides what runs ahead of its event, which no document's reader does.
            code: Code::Unrecorded,
            schema,
            name,
        })
    }
}

fn columns_of(
    columns: BTreeSet<ColumnName>,
    number: &dyn Fn(&String) -> Result<u32, DocumentError>,
) -> Result<BTreeSet<ColumnId>, DocumentError> {
    let columns = columns.into_iter();
    columns
        .map(|(relation, attribute)| Ok((number(&relation)?, attribute)))
        .collect()
}

impl ShowsDocument {
    fn read(self, number: &dyn Fn(&String) -> Result<u32, DocumentError>) -> Result<Definition, DocumentError> {
        let columns = |columns| columns_of(columns, number);
        let outputs = self.outputs.into_iter().map(|(number, sources, bare)| {
            let columns = columns(sources)?;
            Ok((number, Source { columns, bare }))
        });
        Ok(Definition {
            outputs: outputs.collect::<Result<_, _>>()?,
            conditions: columns(self.conditions)?,
            fallible: columns(self.fallible)?,
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
