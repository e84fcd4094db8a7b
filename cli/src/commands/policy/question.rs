//! A request that is put to a policy: who asks, of which target, for what. `explain` asks one, `test` a file of them.
//!
//! Not here: a session. What it adds to a statement is not known without one.

use std::path::Path;

use exhibit_policy::estimate::Estimate;
use exhibit_policy::explain::{Explanation, explain};
use exhibit_policy::hours::timed;
use exhibit_policy::seen::{fingerprint, state};
use exhibit_policy::snapshot::Snapshot;
use exhibit_proxy::reading::{ObjectReading, ObjectRequest, Reading, ReadingError, RecordedCatalog};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Action, Facts, Principal, Run};

use crate::error::CliError;
use crate::files;

/// Bytes of a catalog at the most, as the gate records it.
const CATALOG_BYTES_MAX: u64 = 32 << 20;

/// A request.
pub(super) struct Question {
    pub(super) principal: Principal,
    pub(super) target: String,
    pub(super) request: Request,
    /// When it is made; rules with hours go by that.
    pub(super) time: Option<Timestamp>,
    /// How many rows the target would expect; not known where it is left out, and then more than any number.
    pub(super) estimated_rows: Option<u64>,
    /// Whether one like it has passed before; rules by what was seen go by that.
    pub(super) seen: bool,
}

/// What is asked for.
pub(super) enum Request {
    /// A command, read as a proxy reads it.
    Sql {
        command: String,
        catalog: RecordedCatalog,
        schemas: Vec<String>,
    },
    /// An operation of S3 and what it is about.
    Object(ObjectRequest),
    /// Accesses and attributes that are taken as given.
    Facts(Facts),
}

/// What was read of a request.
enum Read {
    Sql(Reading),
    Object(ObjectReading),
    Given(Facts),
}

impl Read {
    fn facts(&self) -> Facts {
        match self {
            Self::Sql(reading) => reading.facts.clone(),
            Self::Object(reading) => reading.facts.clone(),
            Self::Given(facts) => facts.clone(),
        }
    }

    /// The command without its values.
    fn statement(&self) -> Option<&str> {
        match self {
            Self::Sql(reading) => Some(&reading.statement),
            Self::Object(reading) => Some(&reading.statement),
            Self::Given(_) => None,
        }
    }

    /// What a resource is made of, as far as that is known.
    fn parts(&self, resource: &str) -> Vec<String> {
        match self {
            Self::Sql(reading) => reading.parts(resource),
            Self::Object(reading) => reading.parts(resource),
            Self::Given(_) => Vec::new(),
        }
    }
}

/// What the policy says of a request, with everything that it was told.
pub(super) struct Answer {
    pub(super) principal: Principal,
    pub(super) target: String,
    /// The command without its values; absent where accesses were given.
    pub(super) statement: Option<String>,
    pub(super) facts: Facts,
    /// How many rows are estimated, where the decision hangs on it.
    pub(super) estimate: Option<Estimate>,
    pub(super) explanation: Explanation,
}

impl Question {
    /// Asks the policy.
    ///
    /// # Errors
    /// [`ReadingError`] where the policy has no such target (a request for it would be denied, and only because of the
    /// misspelling), or commands of its protocol cannot be read here.
    pub(super) fn put(self, snapshot: &Snapshot) -> Result<Answer, ReadingError> {
        let Self {
            principal,
            target,
            request,
            time,
            estimated_rows,
            seen,
        } = self;
        if !snapshot.targets().iter().any(|known| known.name == target) {
            return Err(ReadingError::Target(target));
        }
        let read = match request {
            Request::Sql {
                command,
                catalog,
                schemas,
            } => Read::Sql(Reading::of(snapshot, &target, &command, &catalog, &schemas)?),
            Request::Object(request) => Read::Object(ObjectReading::of(snapshot, &target, &request)?),
            Request::Facts(facts) => Read::Given(facts),
        };
        let mut facts = read.facts();
        if let Some(time) = time.filter(|_| snapshot.tells_time()) {
            timed(&mut facts, time);
        }
        if let Some(rows) = estimated_rows.filter(|_| snapshot.estimates(&target)) {
            Estimate::Rows(rows).state(&mut facts);
        }
        if snapshot.tells_seen(&target) {
            let known_by = fingerprint(&principal, &target, read.statement().unwrap_or_default(), &[], &facts);
            state(&mut facts, seen && known_by.is_some());
        }
        let explanation = explain(snapshot, &principal, &target, &facts, &|resource| read.parts(resource));
        Ok(Answer {
            statement: read.statement().map(str::to_owned),
            estimate: estimate(snapshot, &principal, &target, &facts),
            principal,
            target,
            facts,
            explanation,
        })
    }
}

fn estimate(snapshot: &Snapshot, principal: &Principal, target: &str, facts: &Facts) -> Option<Estimate> {
    let wanted = snapshot.hangs_on_estimate(principal, target, facts);
    let unknown = || Estimate::Unknown("the target was not asked".to_owned());
    wanted.then(|| Estimate::of(facts).unwrap_or_else(unknown))
}

/// Reads a policy.
///
/// # Errors
/// [`CliError::File`], [`CliError::Policy`].
pub(in crate::commands) fn read_policy(path: &Path) -> Result<Snapshot, CliError> {
    Snapshot::parse(&files::read(path)?).map_err(|error| CliError::Policy {
        path: path.to_owned(),
        error,
    })
}

/// Reads the recorded catalog of a target.
///
/// # Errors
/// [`CliError::File`], [`CliError::Reading`].
pub(super) fn read_catalog(path: &Path) -> Result<RecordedCatalog, CliError> {
    let bytes = files::read_at_most(path, CATALOG_BYTES_MAX)?;
    RecordedCatalog::read(&bytes).map_err(|error| CliError::Reading {
        path: path.to_owned(),
        error,
    })
}

/// Somebody who has shown no credential; roles do not match on it.
pub(super) fn principal(
    method: &str,
    issuer: &str,
    subject: &str,
    groups: &[String],
    run: Option<Box<Run>>,
) -> Principal {
    Principal {
        method: method.to_owned(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        client_id: None,
        groups: groups.to_vec(),
        evidence: Digest([0; 32]),
        run,
    }
}

/// Reads `ACTION[:RESOURCE]`.
pub(super) fn access(text: &str) -> Result<Access, String> {
    let (action, resource) = match text.split_once(':') {
        Some((_, "")) => return Err("a resource follows the colon".to_owned()),
        Some((action, resource)) => (action, Some(resource.to_owned())),
        None => (text, None),
    };
    let words = || {
        Action::ALL
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let action =
        Action::from_word(action).ok_or_else(|| format!("`{action}` is no action; actions are {}", words()))?;
    Ok(Access(action, resource))
}

/// Reads a time.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is 2026-11-24 or 2026-11-24T09:30:00Z".to_owned())
}
