//! `exhibit init`: a new deployment.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::SystemClock;
use exhibit_ledger::Ledger;
use exhibit_schemas::checkpoint::Origin;

use crate::config::Config;
use crate::deployment;
use crate::error::CliError;
use crate::output::Output;

/// Make a new deployment: keys, certificates, an empty ledger, and commented sample files
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A new or empty directory
    directory: PathBuf,
    /// The log's name, such as clinic.example/exhibit; it never changes
    #[arg(long, default_value = "localhost/exhibit")]
    origin: String,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let origin = Origin::new(&arguments.origin).map_err(|error| CliError::Usage(format!("--origin: {error}")))?;
    let made = deployment::create(&arguments.directory, &origin, &SystemClock)?;
    let config = Config::read(&made.config)?;
    Ledger::initialise(&config.ledger()?, made.batches).map_err(|error| CliError::Ledger(error.to_string()))?;
    output.line(&format!("{}", made.config.display()))?;
    output.note(&format!("log key: {}", made.trust.log));
    output.note("keep a copy of trust.toml where the auditors find it, and administrator.key where nobody else does");
    output.note(&format!(
        "name your databases in {}, then run `exhibit up --config {}`",
        made.config.display(),
        made.config.display()
    ));
    Ok(ExitCode::SUCCESS)
}
