//! What a command does, read as a proxy reads it, but without a server and without a session: for explaining a policy.
//!
//! In the place of the server stands its recorded catalog. What a session adds is not known here: a search path or
//! temporary relations of its own, definitions that changed since, names that it prepared, the state of a transaction.
//!
//! Not here: the decision (policy).

mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::inspect::Attributes;
use exhibit_policy::probe;
use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::analysis::{
    ATTRIBUTES, AnalysisError, Columns, Identifying, Probe, analyse, array_parameters, state_probes,
};
use exhibit_postgres::catalog::{Catalog, DocumentError};
pub use exhibit_postgres::catalog::{is_catalog, stands_on, whole};
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

pub use self::objects::{ObjectError, ObjectReading, ObjectRequest};

/// How resources of the system's own relations begin.
const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog.", "information_schema."];

/// The attributes that requests of a protocol have, each with the word of its type; `None` for protocols that are not read
/// here.
pub fn attributes(protocol: &str) -> Option<Attributes> {
    match protocol {
        "postgres" => Some(ATTRIBUTES),
        objects::PROTOCOL => Some(objects::ATTRIBUTES),
        _ => None,
    }
}

/// Why a command cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadingError {
    /// The policy has no such target.
    #[error("the policy defines no target `{0}`")]
    Target(String),
    /// Commands of the target's protocol are no SQL.
    #[error("commands of the protocol `{0}` are not read here; of a store of objects give an operation")]
    Protocol(String),
    /// The target is no store of objects.
    #[error("the target `{target}` is of the protocol `{protocol}`, and operations on objects are of `s3`")]
    NoStore {
        /// The target.
        target: String,
        /// Its protocol.
        protocol: String,
    },
    /// The catalog is none.
    #[error(transparent)]
    Catalog(#[from] DocumentError),
}

/// The recorded catalog of a target, read once for any number of commands.
#[derive(Clone, Debug)]
pub struct RecordedCatalog(Arc<Catalog>);

impl RecordedCatalog {
    /// Reads a catalog as `exhibit policy catalog` prints it.
    ///
    /// # Errors
    /// [`ReadingError::Catalog`].
    pub fn read(bytes: &[u8]) -> Result<Self, ReadingError> {
        Ok(Self(Arc::new(Catalog::from_snapshot(bytes)?)))
    }

    /// Every column, but of the system's own relations: its relation as a resource, its name, and itself as a resource.
    pub fn columns(&self) -> impl Iterator<Item = (String, &str, String)> {
        let own = self.0.relations().filter(|relation| {
            let resource = relation.resource();
            !SYSTEM_SCHEMAS.iter().any(|schema| resource.starts_with(schema))
        });
        own.flat_map(|relation| {
            let columns = relation.columns.values();
            columns.map(|column| {
                (
                    relation.resource(),
                    column.name.as_str(),
                    relation.column_resource(&column.name),
                )
            })
        })
    }
}

/// What a command does.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The command without its values, as it would be recorded.
    pub statement: String,
    /// What it does, as policy decides on it.
    pub facts: Facts,
    catalog: RecordedCatalog,
}

impl Reading {
    /// Reads a command for a target of a policy. `catalog` is the target's recorded catalog, and `search_path` holds the
    /// schemas that names are looked up in.
    ///
    /// What a proxy refuses before any rule is not an error: it is read as the denied request that it would become.
    ///
    /// # Errors
    /// [`ReadingError`].
    pub fn of(
        snapshot: &Snapshot,
        target: &str,
        command: &str,
        catalog: &RecordedCatalog,
        search_path: &[String],
    ) -> Result<Self, ReadingError> {
        let known = snapshot.targets().iter().find(|known| known.name == target);
        let protocol = &known.ok_or_else(|| ReadingError::Target(target.to_owned()))?.protocol;
        if protocol != "postgres" {
            return Err(ReadingError::Protocol(protocol.clone()));
        }
        let masked = |resource: &str| snapshot.mask(target, resource).is_some();
        let columns = Columns {
            masked: &masked,
            probed: &|resource| snapshot.probed(target, resource),
        };
        let columns = snapshot.masks_target(target).then_some(columns);
        let identifying = |relation: &str| snapshot.identifying(target, relation).map(str::to_owned);
        let identifying: Option<Identifying<'_>> = snapshot.names_patients(target).then_some(&identifying);
        let (statement, facts) = match analyse(command, &catalog.0, search_path, columns, identifying) {
            Ok(analysis) => (
                analysis.redacted,
                tried(snapshot, target, &analysis.probes, analysis.facts),
            ),
            Err(error) => refused(&error),
        };
        Ok(Self {
            statement,
            facts,
            catalog: catalog.clone(),
        })
    }

    /// The columns of a relation, as resources; nothing for any other resource.
    pub fn parts(&self, resource: &str) -> Vec<String> {
        let mut relations = self.catalog.0.relations();
        let relation = relations.find(|relation| relation.resource() == resource);
        let columns = relation.into_iter().flat_map(|relation| {
            let columns = relation.columns.values();
            columns.map(|column| relation.column_resource(&column.name))
        });
        columns.collect()
    }
}

/// The facts with what it tries, as the first that tries anything within an hour. Of an array that is bound nothing is known; it
/// is taken to hold one value.
fn tried(snapshot: &Snapshot, target: &str, probes: &[Probe], mut facts: Facts) -> Facts {
    let bound = array_parameters(probes).map(|number| (number, 1)).collect();
    if let Err(cause) = state_probes(probes, &[], &bound, &mut facts) {
        facts
            .attributes
            .insert(UNPROVEN.to_owned(), Attribute::Text(cause.to_owned()));
    }
    for mask in probe::by_mask(snapshot, target, &facts).into_keys() {
        probe::state(&mut facts, mask, 0);
    }
    facts
}

/// The request that a session makes of a command that is not understood.
fn refused(error: &AnalysisError) -> (String, Facts) {
    let facts = Facts {
        accesses: vec![Access(Action::Session, None)],
        attributes: BTreeMap::from([(UNPROVEN.to_owned(), Attribute::Text(error.to_string()))]),
        columns: None,
    };
    ("(not understood)".to_owned(), facts)
}

#[cfg(test)]
mod tests {
    use exhibit_policy::decide::UNPROVEN;
    use exhibit_policy::inspect::type_of;
    use exhibit_policy::snapshot::Snapshot;
    use exhibit_schemas::event::access::{Access, Action, Attribute};

    use super::{Reading, ReadingError, RecordedCatalog, attributes};

    const POLICY: &str = r#"
version = 1
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "plain"
protocol = "postgres"
[[targets]]
name = "files"
protocol = "s3"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "redact"
[[patients]]
name = "patient"
targets = ["clinic"]
resources = ["public.patients.id"]
"#;

    const CATALOG: &str = r#"{"relations": {
        "public.patients": {"kind": "table", "columns": [[1, "id", 23], [2, "ssn", 25]], "parents": [],
            "depends_on": [], "calls_functions": false, "generated": []}},
        "functions": {}, "operators": [], "types": []}"#;

    fn read(target: &str, command: &str, catalog: &str) -> Result<Reading, ReadingError> {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let catalog = RecordedCatalog::read(catalog.as_bytes())?;
        Reading::of(&snapshot, target, command, &catalog, &["public".to_owned()])
    }

    #[test]
    fn names_and_masks_are_those_of_the_recorded_catalog() {
        let reading = read("clinic", "SELECT ssn FROM patients WHERE id = 4711", CATALOG).unwrap();
        assert_eq!(
            reading.facts.accesses,
            [Access(Action::Read, Some("public.patients".into()))]
        );
        assert!(!reading.facts.attributes.contains_key(UNPROVEN));
        assert!(!reading.statement.contains("4711"), "{}", reading.statement);
        let columns = ["public.patients.id", "public.patients.ssn"];
        assert_eq!(reading.parts("public.patients"), columns);
        assert!(reading.parts("public.nowhere").is_empty());
    }

    #[test]
    fn what_a_proxy_refuses_is_a_denied_request() {
        let check = |target: &str, command: &str, wanted: Option<&str>| {
            let reading = read(target, command, CATALOG).unwrap();
            let found = match reading.facts.attributes.get(UNPROVEN) {
                Some(Attribute::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            let same = found.is_some() == wanted.is_some() && found.unwrap_or("").contains(wanted.unwrap_or(""));
            assert!(same, "{command}: {found:?}");
        };
        check(
            "clinic",
            "SELECT id FROM patients WHERE ssn = '1'",
            Some("masked column"),
        );
        check("clinic", "SELECT lower(ssn) FROM patients", None);
        check("plain", "SELECT lower(ssn) FROM patients", None);
        check("plain", "SELEC 1", Some("not valid SQL"));
        check("plain", "COPY patients TO STDOUT", None);
        check(
            "plain",
            "SET standard_conforming_strings = off",
            Some("cannot be changed"),
        );
    }

    #[test]
    fn the_attributes_that_policies_can_ask_for_are_those_of_requests() {
        let reading = read("clinic", "SELECT ssn FROM patients", CATALOG).unwrap();
        let of_request = reading.facts.attributes.iter();
        let of_request: Vec<_> = of_request
            .map(|(name, value)| (name.as_str(), type_of(value)))
            .collect();
        assert_eq!(attributes("postgres").unwrap(), of_request);
        assert_eq!(attributes("kubernetes"), None);
    }

    #[test]
    fn says_what_it_cannot_read() {
        let check = |target: &str, catalog: &str, wanted: &str| {
            let error = read(target, "SELECT 1", catalog).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        check("clinics", CATALOG, "no target `clinics`");
        check("files", CATALOG, "protocol `s3`");
        check("clinic", "[]", "not a recorded catalog: line 1");
    }
}
