//! A report that was handed over, as a directory: read where its files are those that its manifest lists.

use std::path::Path;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_verify::report::package::{JSON, MANIFEST, MANIFEST_BYTES_MAX, Manifest, compare};
use serde::Deserialize;

use crate::error::CliError;
use crate::files;

/// Bytes that are read of one's JSON at the most: the first 5,000 lines of each table, and up to 10,000 exceptions of each control.
const JSON_BYTES_MAX: u64 = 1 << 30;

/// A report of a log that verified, or whose record at least is sound.
pub(crate) struct Handed {
    pub(crate) manifest: Manifest,
    /// Root of its log.
    pub(crate) root: Digest,
    pub(crate) controls: Vec<Control>,
    /// Notes of exceptions that its log has.
    pub(crate) notes: Vec<Note>,
}

/// A row of its control matrix.
#[derive(Deserialize)]
pub(crate) struct Control {
    pub(crate) id: String,
    pub(crate) cite: String,
    pub(crate) title: String,
    pub(crate) exceptions: Vec<Exception>,
}

/// An exception of a row.
#[derive(Deserialize)]
pub(crate) struct Exception {
    pub(crate) id: String,
    pub(crate) index: Option<u64>,
    pub(crate) leaf: Option<String>,
    pub(crate) cause: String,
    pub(crate) detail: String,
    pub(crate) state: String,
    pub(crate) handling: Option<Handling>,
}

/// What was signed about an exception by then.
#[derive(Deserialize)]
pub(crate) struct Handling {
    pub(crate) noted: u64,
    pub(crate) owner: String,
    pub(crate) due: Option<String>,
}

/// A note of an exception that stands in its log.
#[derive(Deserialize)]
pub(crate) struct Note {
    pub(crate) noted: u64,
    pub(crate) leaf: String,
    pub(crate) person: String,
    pub(crate) control: String,
    pub(crate) cause: String,
    pub(crate) detail: String,
    pub(crate) owner: String,
    pub(crate) remediation: String,
    pub(crate) uncounted: Option<String>,
}

#[derive(Deserialize)]
struct Json {
    controls: Vec<Control>,
    evidence: Evidence,
}

#[derive(Deserialize)]
struct Evidence {
    exception_notes: Vec<Note>,
}

impl Handed {
    /// Reads the report in a directory, which has to be of this log.
    ///
    /// # Errors
    /// [`CliError`].
    pub(crate) fn read(directory: &Path, trust: &TrustAnchors) -> Result<Self, CliError> {
        let refuse = |why: String| CliError::Usage(format!("{}: {why}", directory.display()));
        let path = directory.join(MANIFEST);
        let text = files::read_at_most(&path, MANIFEST_BYTES_MAX)?;
        let text = std::str::from_utf8(&text).map_err(|error| refuse(format!("{MANIFEST}: {error}")))?;
        let manifest = Manifest::parse(text).map_err(|error| refuse(format!("{MANIFEST}: {error}")))?;
        let differences = compare(directory, &manifest).map_err(|error| refuse(error.to_string()))?;
        if let Some(first) = differences.first() {
            return Err(refuse(format!(
                "it is not what its {MANIFEST} lists ({} differences): {first}",
                differences.len()
            )));
        }
        let ours = trust.log.origin.as_str();
        if manifest.origin != ours {
            let of = crate::output::printable(&manifest.origin);
            return Err(refuse(format!("it is a report of the log {of}, and this is {ours}")));
        }
        let root = manifest.root.as_deref().and_then(Digest::from_hex);
        let root = root.ok_or_else(|| refuse("it is of a bundle of which nothing was proven".to_owned()))?;
        let json = files::read_at_most(&directory.join(JSON), JSON_BYTES_MAX)?;
        let json: Json = serde_json::from_slice(&json).map_err(|error| refuse(format!("{JSON}: {error}")))?;
        Ok(Self {
            manifest,
            root,
            controls: json.controls,
            notes: json.evidence.exception_notes,
        })
    }

    /// Its exceptions, each with its control.
    pub(crate) fn exceptions(&self) -> impl Iterator<Item = (&Control, &Exception)> {
        self.controls.iter().flat_map(|control| {
            let exceptions = control.exceptions.iter();
            exceptions.map(move |exception| (control, exception))
        })
    }
}
