//! The command line: one file per command, and why a command could not answer.
//!
//! It stands in the library because two programs are this command line: `exhibit-verify`, and `exhibit-verify-pdf`, which brings a
//! typesetter ([`Typesetter`]).
//!
//! Exit codes: 0 no findings that count, 1 findings, 2 usage (also what cannot be read, and a report that this program can compare
//! only in part), 3 the verifier itself failed.

pub(crate) mod check;
pub(crate) mod report;
pub(crate) mod sample;
mod signed;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use exhibit_schemas::bundle::TrustError;

use self::check::Check;
use crate::VerifyError;
use crate::output;
use crate::report::package::{ManifestError, PackageError};
use crate::report::paper::Typesetter;
use crate::report::since::SinceError;

/// Check an exported Exhibit bundle offline and say everything that is wrong with it
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    check: Option<Check>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Check a bundle and write the evidence report, or check a report that was handed over
    Report(report::Wanted),
    /// Check a bundle and draw a sample of a control's population by its root and a nonce of yours
    Sample(sample::Wanted),
}

/// Does what the process was called for, and says how it went. With a typesetter reports are written as PDF, too.
pub fn main(typesetter: Option<&'static dyn Typesetter>) -> ExitCode {
    match run(Arguments::parse(), typesetter) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::failure(&failure.to_string(), failure.hint());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: Arguments, typesetter: Option<&'static dyn Typesetter>) -> Result<u8, Failure> {
    match (arguments.command, arguments.check) {
        (Some(Command::Report(wanted)), _) => report::run(&wanted, typesetter),
        (Some(Command::Sample(wanted)), _) => sample::run(&wanted),
        (None, Some(check)) => check::run(&check, arguments.json),
        (None, None) => Ok(USAGE), // clap has asked for the bundle before
    }
}

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
    #[error("{path}: {error}")]
    Since { path: PathBuf, error: SinceError },
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
            Self::Verify(VerifyError::Lines(_) | VerifyError::Spill(_)) => INTERNAL,
            // One of the two logs is not the log: that is a finding, and the gravest there is.
            Self::Since {
                error: SinceError::Inconsistent { .. } | SinceError::Broken,
                ..
            } => FINDINGS,
            Self::Read { .. }
            | Self::Since { .. }
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
            Self::Verify(VerifyError::Spill(_)) => {
                "Nothing was said of the bundle. Name a directory with room in TMPDIR, and run it again."
            }
            Self::Verify(VerifyError::Scoped(..)) => "Ask for the whole bundle: `exhibit export` without a scope.",
            Self::Verify(_) => "The bundle must be the directory or the tar archive that the export wrote.",
            Self::Since {
                error: SinceError::Inconsistent { .. },
                ..
            } => "Keep both bundles and both reports, and ask who made each; nothing was written.",
            Self::Since {
                error: SinceError::Broken,
                ..
            } => "Make the report without `--since`: it lists what is wrong. Nothing was written.",
            Self::Since { .. } => "Name the directory of an earlier report of this log, whole. Nothing was written.",
            Self::Manifest { .. } => "The directory must be one that `exhibit-verify report --out` wrote, whole.",
            Self::Package(PackageError::Occupied { .. }) => {
                "Name a directory that is empty, or not there yet, or holds an earlier report."
            }
            Self::Package(PackageError::Typesetter(_)) => {
                "No report was written. `exhibit-verify report` makes it without the PDF."
            }
            Self::Print(_) => "The answer was not printed whole; run it again.",
        }
    }
}
