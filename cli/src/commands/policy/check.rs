//! `exhibit policy check`.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_policy::snapshot::Snapshot;

use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// Read a policy file as a proxy would, and say what is wrong with it
///
/// Exits with 1 when a proxy would refuse the file.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
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
