//! `exhibit exception`: who mends the exceptions of a report, by when, and that one is done with.

mod close;
mod list;
mod note;

use std::process::ExitCode;

use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;

/// Say who mends an exception of a report, and sign that it is done with
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Note(note::Arguments),
    Close(close::Arguments),
}

/// Runs a command.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    match command {
        Command::List(arguments) => list::run(arguments, config, output),
        Command::Note(arguments) => note::run(arguments, config, output).await,
        Command::Close(arguments) => close::run(arguments, config, output).await,
    }
}
