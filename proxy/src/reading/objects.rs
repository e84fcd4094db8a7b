//! Requests of S3 by the operation and the names that they are about, read without a signature and a store: for explaining a policy.
//!
//! ```text
//! DeleteObject  clinic-exports/a.csv                     delete clinic-exports/a.csv
//! CopyObject    work/b.csv  from  clinic-exports/a.csv   write work/b.csv, read clinic-exports/a.csv
//! ```
//!
//! Not here: what headers add (a grant, a lock, a condition) and bodies, which only a request has.

use std::collections::BTreeMap;

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::inspect::Attributes;
use exhibit_policy::snapshot::{Mask, Snapshot};
use exhibit_s3::address::{AddressError, Bucket, Key, Level};
use exhibit_s3::operation::Operation;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use super::ReadingError;

/// The protocol of targets that are stores of objects.
pub(super) const PROTOCOL: &str = "s3";

/// The attributes that requests of S3 can have, with the words of their types.
pub(super) const ATTRIBUTES: Attributes = &[
    ("document", "text"),
    ("objects", "integer"),
    ("operation", "text"),
    ("presigned", "bool"),
    ("version", "bool"),
];

/// Why a request is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ObjectError {
    /// There is no such operation.
    #[error("S3 has no operation `{name}`{}", near.map(|near| format!("; is it `{near}`?")).unwrap_or_default())]
    Operation {
        /// What was given.
        name: String,
        /// One that is called so but for its case.
        near: Option<&'static str>,
    },
    /// It is about something else, or about more or less of it.
    #[error("{operation} is about {wanted}")]
    About {
        /// The operation.
        operation: &'static str,
        /// What has to be named.
        wanted: &'static str,
    },
    /// A name is none.
    #[error("`{name}`: {error}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        error: AddressError,
    },
}

/// A request: an operation, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRequest {
    operation: Operation,
    /// Names as policies have them. Invariant: as many, and of the level, as the operation is about.
    names: Vec<String>,
    /// Of a copy, what is copied.
    source: Option<String>,
    /// Facts that are given beside it.
    given: BTreeMap<String, Attribute>,
}

impl ObjectRequest {
    /// Reads names of an operation, of buckets (`bucket`) and of objects (`bucket/key`). `given` are facts that a request would have by its
    /// signature and its parameters.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn parse(
        operation: &str,
        names: &[String],
        source: Option<&str>,
        given: BTreeMap<String, Attribute>,
    ) -> Result<Self, ObjectError> {
        let operation = named(operation)?;
        let about = |wanted| ObjectError::About {
            operation: operation.as_str(),
            wanted,
        };
        let levels = names.iter().map(|name| level_of(name)).collect::<Result<Vec<_>, _>>()?;
        match (operation, levels.as_slice()) {
            (Operation::DeleteObjects, [_, ..]) if levels.iter().all(|level| *level == Level::Object) => {}
            (Operation::DeleteObjects, _) => return Err(about("objects, as bucket/key, one or more")),
            (_, levels) => match (operation.level(), levels) {
                (Level::Service, []) | (Level::Bucket, [Level::Bucket]) | (Level::Object, [Level::Object]) => {}
                (Level::Service, _) => {
                    return Err(about("the service itself, and names neither a bucket nor an object"));
                }
                (Level::Bucket, _) => return Err(about("one bucket")),
                (Level::Object, _) => return Err(about("one object, as bucket/key")),
            },
        }
        let source_level = source.map(level_of).transpose()?;
        match (operation.copies(), source_level) {
            (true, Some(Level::Object)) | (false, None) => {}
            (true, _) => return Err(about("a copy, and needs its source, as bucket/key")),
            (false, Some(_)) => return Err(about("no copy, and has no source")),
        }
        Ok(Self {
            operation,
            names: names.to_vec(),
            source: source.map(str::to_owned),
            given,
        })
    }
}

impl ObjectRequest {
    /// Holds that there is an operation of this name.
    ///
    /// # Errors
    /// [`ObjectError::Operation`].
    pub fn is_operation(name: &str) -> Result<(), ObjectError> {
        named(name).map(drop)
    }
}

/// The operation of a name.
fn named(name: &str) -> Result<Operation, ObjectError> {
    let known = || Operation::ALL.iter().copied();
    let near = || known().find(|one| one.as_str().eq_ignore_ascii_case(name));
    let found = known().find(|one| one.as_str() == name);
    found.ok_or_else(|| ObjectError::Operation {
        name: name.to_owned(),
        near: near().map(Operation::as_str),
    })
}

/// What a request does.
#[derive(Clone, Debug)]
pub struct ObjectReading {
    /// The operation and what it is about.
    pub statement: String,
    /// What it does, as policy decides on it.
    pub facts: Facts,
    /// Places that masks name in what it reads.
    places: Vec<String>,
}

impl ObjectReading {
    /// Reads a request for a target of a policy. What a proxy refuses before any rule is read as the denied request that it becomes.
    ///
    /// # Errors
    /// [`ReadingError`].
    pub fn of(snapshot: &Snapshot, target: &str, request: &ObjectRequest) -> Result<Self, ReadingError> {
        let known = snapshot.targets().iter().find(|known| known.name == target);
        let protocol = &known.ok_or_else(|| ReadingError::Target(target.to_owned()))?.protocol;
        if protocol != PROTOCOL {
            return Err(ReadingError::NoStore {
                target: target.to_owned(),
                protocol: protocol.clone(),
            });
        }
        let operation = request.operation;
        let names: Vec<Option<String>> = match request.names.as_slice() {
            [] => vec![None],
            names => names.iter().cloned().map(Some).collect(),
        };
        let actions = std::iter::once(operation.action()).chain(operation.also());
        let mut accesses: Vec<Access> = actions
            .flat_map(|action| names.iter().cloned().map(move |name| Access(action, name)))
            .collect();
        accesses.extend(request.source.clone().map(|source| Access(Action::Read, Some(source))));
        accesses.sort();
        let object = request.names.first().map_or("", String::as_str);
        let reading = snapshot.reading(target, object);
        let mut attributes = BTreeMap::from([
            ("operation".to_owned(), Attribute::Text(operation.as_str().to_owned())),
            ("presigned".to_owned(), Attribute::Bool(false)),
            ("version".to_owned(), Attribute::Bool(false)),
        ]);
        if operation == Operation::DeleteObjects {
            let objects = u64::try_from(request.names.len()).unwrap_or(u64::MAX);
            attributes.insert("objects".to_owned(), Attribute::Integer(objects));
        }
        let document = reading.document().filter(|_| operation.reads_object());
        if let Some(document) = document {
            attributes.insert("document".to_owned(), Attribute::Text(document.name.clone()));
        }
        attributes.extend(request.given.clone());
        if let Some(cause) = cause(snapshot, target, request) {
            attributes.insert(UNPROVEN.to_owned(), Attribute::Text(cause));
        }
        let source = request.source.iter().flat_map(|source| ["from", source.as_str()]);
        let words = std::iter::once(operation.as_str()).chain(request.names.iter().map(String::as_str));
        Ok(Self {
            statement: words.chain(source).collect::<Vec<_>>().join(" "),
            facts: Facts {
                accesses,
                attributes,
                columns: None,
            },
            places: document.map_or_else(Vec::new, |document| places(snapshot, target, &document.name)),
        })
    }

    /// Places of the object's document that masks name; nothing for what is not read.
    pub fn parts(&self, _resource: &str) -> Vec<String> {
        self.places.clone()
    }
}

/// Why it is denied before any rule, as `exhibit-s3` says it of requests.
fn cause(snapshot: &Snapshot, target: &str, request: &ObjectRequest) -> Option<String> {
    let operation = request.operation;
    if operation == Operation::PostObject {
        return Some("forms of browsers are not served; put the object instead".to_owned());
    }
    if let Some(why) = operation.refused() {
        return Some(format!("{} is not served: {why}", operation.as_str()));
    }
    let is_netted = snapshot.nets(target).next().is_some();
    let object = request.names.first().map_or("", String::as_str);
    let cause = exhibit_s3::refusal(
        snapshot,
        target,
        is_netted,
        operation,
        object,
        request.source.as_deref(),
    );
    cause.map(str::to_owned)
}

/// Names that masks have for places in a document. A star at the beginning of one stands for the document.
fn places(snapshot: &Snapshot, target: &str, document: &str) -> Vec<String> {
    let masks = snapshot.masks().iter().filter(|mask| mask.is_for(target));
    let named = masks.flat_map(Mask::resources).filter_map(|pattern| {
        let text = match pattern.as_str().strip_prefix("*.") {
            Some(place) => format!("{document}.{place}"),
            None => pattern.as_str().to_owned(),
        };
        let place = text.strip_prefix(document)?;
        (place.is_empty() || place.starts_with('.')).then_some(text)
    });
    named.collect()
}

/// What a name names.
fn level_of(name: &str) -> Result<Level, ObjectError> {
    let wrong = |error| ObjectError::Name {
        name: name.to_owned(),
        error,
    };
    let (bucket, key) = match name.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (name, None),
    };
    Bucket::parse(bucket.as_bytes()).map_err(wrong)?;
    match key {
        None => Ok(Level::Bucket),
        Some(key) => Key::parse(key.as_bytes()).map_err(wrong).map(|_| Level::Object),
    }
}

#[cfg(test)]
mod tests;
