//! What is new since an earlier report of the same log.
//!
//! The earlier report says of how many entries it is, and what root they had. That this log begins with that one is checked with the
//! proof that RFC 9162 section 2.1.4 makes of it, which stands in the report for other tools. Everything else compares what both reports
//! say.
//!
//! Not here: whether the earlier report is what its bundle gave (`exhibit-verify report --check`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{TreeSize, consistency_proof, verify_consistency};
use serde::{Deserialize, Serialize};

use super::Report;
use super::package::{JSON, MANIFEST, MANIFEST_BYTES_MAX, Manifest, ManifestError};
use crate::archive::Archive;
use crate::nodes::Nodes;

/// Bytes that are read of an earlier report's JSON at the most.
const JSON_BYTES_MAX: u64 = 1 << 30;

/// Why nothing can be said since an earlier report.
#[derive(Debug, thiserror::Error)]
pub enum SinceError {
    /// A file of it cannot be read.
    #[error("{name}: {error}")]
    Read {
        /// The file.
        name: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file of it is longer than one is.
    #[error("{name} has more than {most} bytes")]
    Long {
        /// The file.
        name: &'static str,
        /// The limit.
        most: u64,
    },
    /// Its manifest is none.
    #[error("{MANIFEST}: {0}")]
    Manifest(#[from] ManifestError),
    /// Its JSON is none.
    #[error("{JSON}: {0}")]
    Json(#[from] serde_json::Error),
    /// Its JSON is not the one that its manifest lists.
    #[error("{JSON} is not the one that {MANIFEST} lists")]
    Changed,
    /// It is of a bundle that proved nothing.
    #[error("it is of a bundle of which nothing was proven")]
    Unproven,
    /// It is of another log.
    #[error("it is of the log {0}")]
    Origin(String),
    /// The log is not the one that it was.
    #[error(
        "it is of a log of {size} entries with the root {root}, and this one does not begin with that: one of the two is not the log"
    )]
    Inconsistent {
        /// Entries of the earlier one.
        size: TreeSize,
        /// Its root.
        root: Digest,
    },
    /// One of both is of a part of the log.
    #[error("one of the two reports is of a scoped bundle, and a part of a log is compared with nothing")]
    Scoped,
    /// The record of this bundle is not sound.
    #[error("the record of this bundle is not sound, so nothing is compared")]
    Broken,
}

/// An earlier report, as far as it is compared.
#[derive(Debug)]
pub struct Earlier {
    manifest: Manifest,
    root: Digest,
    json: Json,
}

#[derive(Debug, Deserialize)]
struct Json {
    cover: Cover,
    controls: Vec<Row>,
    evidence: Option<Lines>,
}

#[derive(Debug, Deserialize)]
struct Cover {
    #[serde(default)]
    scoped: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    state: String,
    result: String,
    exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    id: String,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Lines {
    events: BTreeMap<String, u64>,
    policies: Vec<Policy>,
    keys: Vec<Key>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    policy: String,
}

#[derive(Debug, Deserialize)]
struct Key {
    key: String,
    ended: Option<u64>,
}

impl Earlier {
    /// Reads the manifest and the JSON of a report in a directory.
    ///
    /// # Errors
    /// [`SinceError`].
    pub fn read(directory: &Path) -> Result<Self, SinceError> {
        let manifest = read(directory, MANIFEST, MANIFEST_BYTES_MAX)?;
        let manifest = Manifest::parse(&String::from_utf8_lossy(&manifest))?;
        let bytes = read(directory, JSON, JSON_BYTES_MAX)?;
        let digest = Digest::of(&bytes).to_string();
        let listed = manifest.files.iter().find(|file| file.name == JSON);
        if listed.is_none_or(|file| file.sha256 != digest) {
            return Err(SinceError::Changed);
        }
        let root = manifest.root.as_deref().and_then(Digest::from_hex);
        Ok(Self {
            root: root.ok_or(SinceError::Unproven)?,
            json: serde_json::from_slice(&bytes)?,
            manifest,
        })
    }

    /// SHA-256 of its manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }
}

fn read(directory: &Path, name: &'static str, most: u64) -> Result<Vec<u8>, SinceError> {
    use std::io::Read as _;
    let failed = |error| SinceError::Read { name, error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(directory.join(name)).map_err(failed)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(SinceError::Long { name, most });
    }
    Ok(bytes)
}

/// What is new since an earlier report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Since {
    /// SHA-256 of its manifest.
    pub manifest: String,
    /// Its period.
    pub period: String,
    /// Its result.
    pub result: String,
    /// Who signed it by the end of this log, with the index; the earlier report says of itself all else that is compared.
    pub signed: Vec<String>,
    /// Entries that its log had.
    pub size: u64,
    /// Their root.
    pub root: String,
    /// Proof that this log begins with that one (RFC 9162 section 2.1.4), hash by hash.
    pub proof: Vec<String>,
    /// Entries that are new.
    pub entries: u64,
    /// Events that are new, by kind.
    pub events: BTreeMap<String, u64>,
    /// Controls of which something else is said, or other exceptions are listed.
    pub controls: Vec<ControlChange>,
    /// Policies that are new.
    pub policies: Vec<String>,
    /// Keys that are new.
    pub keys: Vec<String>,
    /// Keys that have ended.
    pub ended_keys: Vec<String>,
}

/// A control of which something else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControlChange {
    /// The control.
    pub id: &'static str,
    /// What was said.
    pub before: String,
    /// What is said now.
    pub after: String,
    /// Exceptions that are listed now and were not.
    pub new: Vec<String>,
    /// Exceptions that were listed and are not now.
    pub gone: Vec<String>,
    /// Exceptions of which something else was signed: name, state before, state now.
    pub handled: Vec<(String, String, &'static str)>,
}

impl Since {
    /// Compares a report with an earlier one, by the bundle that the later one is of.
    ///
    /// # Errors
    /// [`SinceError::Broken`], [`SinceError::Scoped`], [`SinceError::Origin`] and [`SinceError::Inconsistent`].
    pub fn of(earlier: &Earlier, report: &Report<'_>, archive: &Archive) -> Result<Self, SinceError> {
        let Earlier { manifest, root, json } = earlier;
        let (Some(evidence), Some(now)) = (report.evidence, report.cover.root.as_deref().and_then(Digest::from_hex))
        else {
            return Err(SinceError::Broken);
        };
        if report.cover.scoped.is_some() || json.cover.scoped.is_some() {
            return Err(SinceError::Scoped);
        }
        if manifest.origin != report.cover.origin {
            return Err(SinceError::Origin(manifest.origin.clone()));
        }
        let (from, to) = (TreeSize(manifest.size), TreeSize(report.cover.size));
        let nodes = Nodes { archive, size: to };
        let inconsistent = || SinceError::Inconsistent {
            size: from,
            root: *root,
        };
        let proof = consistency_proof(from, to, &nodes).map_err(|_| inconsistent())?;
        verify_consistency(from, *root, to, now, &proof).map_err(|_| inconsistent())?;
        let none = Lines {
            events: BTreeMap::new(),
            policies: Vec::new(),
            keys: Vec::new(),
        };
        let lines = json.evidence.as_ref().unwrap_or(&none);
        let events = evidence.events.iter().filter_map(|(kind, count)| {
            let before = lines.events.get(*kind).copied().unwrap_or(0);
            let new = count.saturating_sub(before);
            (new > 0).then(|| ((*kind).to_owned(), new))
        });
        let policies: BTreeSet<&str> = lines.policies.iter().map(|line| line.policy.as_str()).collect();
        let keys: BTreeMap<&str, bool> = lines
            .keys
            .iter()
            .map(|line| (line.key.as_str(), line.ended.is_some()))
            .collect();
        let ended = |key: &str, ended: bool| ended && keys.get(key) == Some(&false);
        let digest = earlier.digest().to_string();
        let signatures = evidence.report_signatures.iter();
        let signatures = signatures.filter(|line| line.uncounted.is_none() && line.manifest == digest);
        Ok(Self {
            signed: signatures
                .map(|line| format!("{} #{}", line.person, line.signed))
                .collect(),
            manifest: digest,
            period: manifest.made.period.clone(),
            result: manifest.result.clone(),
            size: from.0,
            root: root.to_string(),
            proof: proof.iter().map(ToString::to_string).collect(),
            entries: to.0.saturating_sub(from.0),
            events: events.collect(),
            controls: controls(&json.controls, report),
            policies: evidence
                .policies
                .iter()
                .filter(|line| !policies.contains(line.policy.as_str()))
                .map(|line| line.policy.clone())
                .collect(),
            keys: evidence
                .keys
                .iter()
                .filter(|line| !keys.contains_key(line.key.as_str()))
                .map(|line| line.key.clone())
                .collect(),
            ended_keys: evidence
                .keys
                .iter()
                .filter(|line| ended(&line.key, line.ended.is_some()))
                .map(|line| line.key.clone())
                .collect(),
        })
    }
}

fn controls(before: &[Row], report: &Report<'_>) -> Vec<ControlChange> {
    let mut changes = Vec::new();
    for row in &report.controls {
        let earlier = before.iter().find(|earlier| earlier.id == row.id);
        let listed = earlier.map(|earlier| earlier.exceptions.as_slice()).unwrap_or_default();
        let states: BTreeMap<&str, &str> = listed
            .iter()
            .map(|exception| (exception.id.as_str(), exception.state.as_str()))
            .collect();
        let now: BTreeSet<&str> = row.exceptions.iter().map(|exception| exception.id.as_str()).collect();
        let handled = row.exceptions.iter().filter_map(|exception| {
            let (state, now) = (states.get(exception.id.as_str())?, exception.state.as_str());
            (*state != now).then(|| (exception.id.clone(), (*state).to_owned(), now))
        });
        let change = ControlChange {
            id: row.id,
            before: earlier.map_or_else(String::new, |earlier| said(&earlier.state, &earlier.result)),
            after: said(row.state.as_str(), &row.result),
            new: now
                .iter()
                .filter(|id| !states.contains_key(**id))
                .map(|id| (*id).to_owned())
                .collect(),
            gone: states
                .keys()
                .filter(|id| !now.contains(**id))
                .map(|id| (*id).to_owned())
                .collect(),
            handled: handled.collect(),
        };
        let same = change.before == change.after && change.new.is_empty() && change.gone.is_empty();
        if !same || !change.handled.is_empty() {
            changes.push(change);
        }
    }
    changes
}

/// `exception: 2 exceptions`; states are words with a hyphen in JSON and with a space for people.
fn said(state: &str, result: &str) -> String {
    format!("{}: {result}", state.replace('-', " "))
}
