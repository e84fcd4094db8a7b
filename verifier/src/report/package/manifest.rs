//! `manifest.json`: which files a report has, of which log, and with which options it was made.

use exhibit_schemas::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::VERIFIER_VERSION;
use crate::plain::in_one_line;
use crate::report::Report;

/// Its name in the report.
pub const MANIFEST: &str = "manifest.json";

/// Name and version of its format.
pub const MANIFEST_FORMAT: &str = "exhibit-report-manifest/1";

/// Bytes that are read of one at the most: a report has some thirty files, and each checkpoint that was compared is a line.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 22;

/// Why a text is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the JSON of one.
    #[error("it is no manifest of a report: {0}")]
    Json(#[from] serde_json::Error),
    /// It holds what no manifest of ours does.
    #[error("its {0} is none: it has characters that end lines or act on terminals, or is no digest")]
    Word(&'static str),
    /// It is of another format.
    #[error("its format is `{0}`; this verifier reads `{MANIFEST_FORMAT}`")]
    Format(String),
}

/// A checkpoint that the log was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// What it is called in findings: the path that was given.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// How a report was made: everything besides the bundle that its bytes depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The command line, with the bundle, the anchors and the directory under names that say what they are.
    pub command: String,
    /// The period, as `--period` reads it; `always` for the whole log.
    pub period: String,
    /// Whose evidence it is, as the caller said.
    pub entity: Option<String>,
    /// SHA-256 of the trust anchors.
    pub keys: String,
    /// The checkpoints that were given.
    pub heads: Vec<Head>,
    /// SHA-256 of the manifest of the earlier report that this one is compared with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// SHA-256 of the verifier's own program, as it stands on the cover.
    pub verifier_sha256: Option<String>,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path in the report.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Rows of a table without its head, or documents of a file that has one to a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`].
    pub format: String,
    /// Version of the verifier.
    pub verifier: String,
    /// The log's name.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// Its root; of a bundle without one that was checked nothing.
    pub root: Option<String>,
    /// `verified` or `refused`.
    pub result: String,
    /// How it was made.
    pub made: Made,
    /// The files, by their paths.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    pub(super) fn of(report: &Report<'_>, made: Made, files: Vec<FileEntry>) -> Self {
        let cover = &report.cover;
        Self {
            format: MANIFEST_FORMAT.to_owned(),
            verifier: VERIFIER_VERSION.to_owned(),
            origin: cover.origin.clone(),
            size: cover.size,
            root: cover.root.clone(),
            result: cover.result.to_owned(),
            made,
            files,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let Format { format } = serde_json::from_str(text)?;
        if format != MANIFEST_FORMAT {
            return Err(ManifestError::Format(format));
        }
        let manifest: Self = serde_json::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Words of a manifest are printed, and stand in one line each.
    fn check(&self) -> Result<(), ManifestError> {
        let made = &self.made;
        let words = [
            ("verifier", &self.verifier),
            ("origin", &self.origin),
            ("result", &self.result),
            ("period", &made.period),
        ];
        let heads = made.heads.iter().map(|head| ("kept checkpoint", &head.name));
        let files = self.files.iter().map(|file| ("file", &file.name));
        for (what, word) in words.into_iter().chain(heads).chain(files) {
            if in_one_line(word) != *word {
                return Err(ManifestError::Word(what));
            }
        }
        let is_digest = |digest: &String| Digest::from_hex(digest).is_some();
        if !self.root.as_ref().is_none_or(is_digest) {
            return Err(ManifestError::Word("root"));
        }
        let since = made.since.as_ref().is_none_or(is_digest);
        if since {
            Ok(())
        } else {
            Err(ManifestError::Word("earlier report"))
        }
    }

    /// Its bytes.
    pub fn json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("strings, numbers and lists are JSON");
        json.push('\n');
        json
    }

    /// SHA-256 of its bytes: what stands for the whole report.
    pub fn digest(&self) -> Digest {
        Digest::of(self.json().as_bytes())
    }
}
