//! `exhibit-verify`: checks an exported bundle on a machine without a network, and writes the evidence report.
//!
//! Exit codes: 0 no findings that count, 1 findings, 2 usage (also a bundle or a key file that cannot be read), 3 the
//! verifier itself failed.

mod output;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use exhibit_schemas::bundle::{TrustAnchors, TrustError};
use exhibit_schemas::checkpoint::NOTE_BYTES_MAX;
use exhibit_verify::report::Report;
use exhibit_verify::summary::{Summary, text};
use exhibit_verify::{Archive, KeptHead, Options, Outcome, Period, VerifyError, verify};

const FINDINGS: u8 = 1;
const USAGE: u8 = 2;
const INTERNAL: u8 = 3;

/// Bytes of a trust file at the most, as in a bundle.
const TRUST_BYTES_MAX: u64 = 1 << 16;

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
    /// Check a bundle and write the evidence report
    Report {
        #[command(flatten)]
        check: Check,
        /// The period to report on, in days or times of UTC, without its last moment; the whole log where it is left out
        #[arg(long, value_name = "FROM..TO", value_parser = Period::parse)]
        period: Option<Period>,
        /// Whose evidence it is, for the cover
        #[arg(long, value_name = "NAME")]
        entity: Option<String>,
        /// Directory to write report.html and report.json to; made if it is not there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[derive(Args)]
struct Check {
    /// The bundle: a directory or a tar archive
    bundle: PathBuf,
    /// Trust anchors, obtained from the administrators and not from the bundle
    #[arg(long, value_name = "TRUST.TOML")]
    keys: PathBuf,
    /// Checkpoints that you kept; the log must begin with each of their logs
    #[arg(long, value_name = "FILE", num_args = 1..)]
    heads: Vec<PathBuf>,
    /// Count notes as errors in the exit code
    #[arg(long)]
    strict: bool,
}

/// Why nothing could be said of the bundle.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Trust { path: PathBuf, error: TrustError },
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("cannot write {path}: {error}")]
    Write { path: PathBuf, error: std::io::Error },
    #[error("cannot print the answer: {0}")]
    Print(std::io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::Trust { .. } | Self::Verify(_) => USAGE,
            Self::Write { .. } | Self::Print(_) => INTERNAL,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "Check the path and its permissions.",
            Self::Trust { .. } => "Ask the administrators of the log for their trust.toml.",
            Self::Verify(_) => "The bundle must be the directory or the tar archive that the export wrote.",
            Self::Write { .. } => "Check that the directory can be written and has room.",
            Self::Print(_) => "The answer was not printed whole; run it again.",
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::failure(&failure.to_string(), failure.hint());
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<u8, Failure> {
    match (arguments.command, arguments.check) {
        (
            Some(Command::Report {
                check,
                period,
                entity,
                out,
            }),
            _,
        ) => {
            let outcome = examine(&check, Some(period.unwrap_or(Period::ALWAYS)))?;
            write_report(&outcome, entity.as_deref(), &out)?;
            output::print(&format!("{}Report in {}.\n", text(&outcome), out.display())).map_err(Failure::Print)?;
            Ok(code(&outcome, check.strict))
        }
        (None, Some(check)) => {
            let outcome = examine(&check, None)?;
            let answer = if arguments.json {
                format!("{}\n", Summary::of(&outcome).json())
            } else {
                text(&outcome)
            };
            output::print(&answer).map_err(Failure::Print)?;
            Ok(code(&outcome, check.strict))
        }
        (None, None) => Ok(USAGE), // clap has asked for the bundle before
    }
}

fn code(outcome: &Outcome, strict: bool) -> u8 {
    let findings = outcome.findings();
    let verified = matches!(outcome, Outcome::Verified(_));
    if verified && !(strict && findings.notes() > 0) {
        0
    } else {
        FINDINGS
    }
}

fn examine(check: &Check, evidence: Option<Period>) -> Result<Outcome, Failure> {
    let trust = read_text(&check.keys, TRUST_BYTES_MAX)?;
    let anchors = TrustAnchors::parse(&trust).map_err(|error| Failure::Trust {
        path: check.keys.clone(),
        error,
    })?;
    let mut heads = Vec::new();
    for path in &check.heads {
        heads.push(KeptHead {
            name: path.display().to_string(),
            note: read_text(path, u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX))?,
        });
    }
    let archive = Archive::open(&check.bundle).map_err(VerifyError::from)?;
    let bar = output::Bar::new();
    let outcome = verify(
        &archive,
        &anchors,
        Options {
            heads: &heads,
            evidence,
            progress: &mut |progress| bar.show(progress),
        },
    );
    bar.end();
    Ok(outcome?)
}

/// Reads a text file, and one byte past the limit at the most, which no parser then takes.
fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    let failed = |error| Failure::Read {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn write_report(outcome: &Outcome, entity: Option<&str>, out: &Path) -> Result<(), Failure> {
    let mut report = Report::of(outcome);
    if let Some(entity) = entity {
        report = report.for_entity(entity);
    }
    std::fs::create_dir_all(out).map_err(|error| Failure::Write {
        path: out.to_owned(),
        error,
    })?;
    for (name, content) in [("report.html", report.html()), ("report.json", report.json())] {
        let path = out.join(name);
        let write = || {
            let mut file = std::fs::File::create(&path)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| Failure::Write {
            path: path.clone(),
            error,
        })?;
    }
    Ok(())
}
