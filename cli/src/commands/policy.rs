//! `exhibit policy`: check a policy, see what it says of a request, and sign it.

mod catalog;
mod check;
mod diff;
mod explain;
mod page;
mod pipeline_run;
mod question;
mod scan;
mod schema;
mod sign;
mod status;
mod test;

use std::process::ExitCode;

use crate::config::{Config, ConfigError};
use crate::error::CliError;
use crate::output::Output;

pub(super) use self::question::read_policy;

/// Check a policy, see what it says, and sign it
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Check(check::Arguments),
    Explain(Box<explain::Arguments>),
    Test(test::Arguments),
    Diff(diff::Arguments),
    Catalog(catalog::Arguments),
    Scan(scan::Arguments),
    Schema(schema::Arguments),
    Sign(sign::Arguments),
    Status(status::Arguments),
}

/// Runs a command; `config` is read by those that need it.
pub(crate) fn run(
    command: &Command,
    config: impl FnOnce() -> Result<Config, ConfigError>,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    match command {
        Command::Check(arguments) => check::run(arguments, output),
        Command::Explain(arguments) => explain::run(arguments, output),
        Command::Test(arguments) => test::run(arguments, output),
        Command::Diff(arguments) => super::wait(diff::run(arguments, config, output)),
        Command::Schema(arguments) => schema::run(arguments, output),
        Command::Scan(arguments) => super::wait(scan::run(arguments, &config()?, output)),
        Command::Catalog(arguments) => super::wait(catalog::run(arguments, &config()?, output)),
        Command::Sign(arguments) => super::wait(sign::run(arguments, &config()?, output)),
        Command::Status(arguments) => super::wait(status::run(arguments, &config()?, output)),
    }
}
