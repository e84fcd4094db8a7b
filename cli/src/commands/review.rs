//! `exhibit review`: what is to be reviewed, and a reviewer's signature under what happened in a period.

mod list;
mod sign;

use std::process::ExitCode;

use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_verify::{Archive, Bundle, Options, Outcome, Verified, VerifyError, verify};
use tempfile::TempDir;

use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::export;
use crate::files;
use crate::output::Output;
use crate::reader::Reader;

/// See what is to be reviewed, and sign off what happened in a period
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Sign(sign::Arguments),
    List(list::Arguments),
}

/// Runs a command.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Sign(arguments) => sign::run(arguments, config, output).await,
        Command::List(arguments) => list::run(arguments, config, output).await,
    }
}

/// The whole log as it is now, exported and verified.
struct Log {
    archive: Archive,
    checkpoint: Checkpoint,
    bundle: Box<Verified<Bundle>>,
    /// Where it stands until this is dropped.
    _directory: TempDir,
}

impl Log {
    /// Exports it into a temporary directory, which is recorded, and verifies it.
    async fn read(client: &mut Client, reader: &Reader, config: &Config, output: &Output) -> Result<Self, CliError> {
        let trust = config.trust()?;
        let directory = tempfile::tempdir().map_err(files::at(&std::env::temp_dir()))?;
        let place = directory.path().join("bundle");
        let checkpoint = export::export(client, reader, &trust, &place, output).await?;
        let archive = Archive::open(&place).map_err(VerifyError::from)?;
        let options = Options {
            heads: &[],
            evidence: None,
            progress: &mut |_| {},
        };
        match verify(&archive, &trust, options)? {
            Outcome::Verified(bundle) => Ok(Self {
                archive,
                checkpoint,
                bundle,
                _directory: directory,
            }),
            Outcome::Refused(refused) => Err(CliError::Untrusted(format!(
                "the log does not verify; `exhibit-verify` names its errors, of which there are {}",
                refused.findings.errors()
            ))),
        }
    }
}
