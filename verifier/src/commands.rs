//! One file per command, and why a command could not answer.

pub(crate) mod check;
pub(crate) mod report;
pub(crate) mod sample;

use std::path::PathBuf;

use exhibit_schemas::bundle::TrustError;
use exhibit_verify::VerifyError;
use exhibit_verify::report::package::{ManifestError, PackageError};

/// There are findings that count.
pub(crate) const FINDINGS: u8 = 1;

/// What was asked for cannot be done with what was given.
pub(crate) const USAGE: u8 = 2;

const INTERNAL: u8 = 3;

/// Why nothing could be said of the bundle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Trust { path: PathBuf, error: TrustError },
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("{path}: {error}")]
    Manifest { path: PathBuf, error: ManifestError },
    #[error("cannot make the report: {0}")]
    Package(#[from] PackageError),
    #[error("cannot write {path}: {error}")]
    Write { path: PathBuf, error: std::io::Error },
    #[error("cannot print the answer: {0}")]
    Print(std::io::Error),
}

impl Failure {
    /// The exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Verify(VerifyError::Lines(_)) => INTERNAL,
            Self::Read { .. }
            | Self::Trust { .. }
            | Self::Verify(_)
            | Self::Manifest { .. }
            | Self::Package(PackageError::Occupied { .. }) => USAGE,
            Self::Package(_) | Self::Write { .. } | Self::Print(_) => INTERNAL,
        }
    }

    /// What to do now.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "Check the path and its permissions.",
            Self::Trust { .. } => "Ask the administrators of the log for their trust.toml.",
            Self::Write { .. }
            | Self::Verify(VerifyError::Lines(_))
            | Self::Package(PackageError::File { .. } | PackageError::Workbook(_)) => {
                "Check that the directory, and that of temporary files, can be written and have room."
            }
            Self::Verify(VerifyError::Scoped(..)) => "Ask for the whole bundle: `exhibit export` without a scope.",
            Self::Verify(_) => "The bundle must be the directory or the tar archive that the export wrote.",
            Self::Manifest { .. } => "The directory must be one that `exhibit-verify report --out` wrote, whole.",
            Self::Package(PackageError::Occupied { .. }) => {
                "Name a directory that is empty, or not there yet, or holds an earlier report."
            }
            Self::Print(_) => "The answer was not printed whole; run it again.",
        }
    }
}
