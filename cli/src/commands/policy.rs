//! `exhibit policy`.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_policy::snapshot::Snapshot;

use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// Check a policy, and see what it says
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Check(Check),
}

/// Read a policy file as a proxy would, and say what is wrong with it
///
/// Exits with 1 when a proxy would refuse the file.
#[derive(clap::Args)]
pub(crate) struct Check {
    /// The policy
    file: PathBuf,
}

pub(crate) fn run(command: &Command, output: &mut Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Check(check) => run_check(check, output),
    }
}

fn run_check(arguments: &Check, output: &mut Output) -> Result<ExitCode, CliError> {
    let bytes = files::read(&arguments.file)?;
    match Snapshot::parse(&bytes) {
        Ok(snapshot) => {
            output.line(&format!(
                "{}: fine, snapshot {}",
                arguments.file.display(),
                snapshot.digest()
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            output.line(&format!("{}: {error}", arguments.file.display()))?;
            Ok(ExitCode::FAILURE)
        }
    }
}
