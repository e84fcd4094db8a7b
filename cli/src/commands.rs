//! The commands: one file each, whose doc comment is its help. This file is the list.

mod approvals;
mod approve;
mod exception;
mod export;
mod init;
mod key;
mod login;
mod patient;
mod policy;
mod replay;
mod report;
mod reveal;
mod review;
mod search;
mod sessions;
mod status;
mod target;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::reading::Question;

use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::reader::{self, Reader};

/// Evidence-first access: every command, answer and approval is signed into a ledger before it takes effect.
///
/// Exit codes: 0 fine, 1 findings or a refusal, 2 wrong use or configuration, 3 anything else.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(
        long,
        global = true,
        env = "EXHIBIT_CONFIG",
        default_value = "exhibit.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Arguments),
    Up(up::Arguments),
    Status(status::Arguments),
    Approvals(approvals::Arguments),
    Approve(approve::Approving),
    Deny(approve::Arguments),
    Search(search::Arguments),
    Sessions(sessions::Arguments),
    Replay(replay::Arguments),
    Reveal(reveal::Arguments),
    Export(export::Arguments),
    #[command(subcommand)]
    Review(review::Command),
    #[command(subcommand)]
    Report(report::Command),
    #[command(subcommand)]
    Exception(exception::Command),
    Login(login::Arguments),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Patient(patient::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Target(target::Command),
}

/// Runs the command that was asked for.
///
/// # Errors
/// [`CliError`].
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let config = || Config::read(&arguments.config);
    match &arguments.command {
        Command::Init(command) => init::run(command, output),
        Command::Up(command) => up::run(command, &config()?, output),
        Command::Status(command) => wait(status::run(command, &config()?, output)),
        Command::Approvals(command) => wait(approvals::run(command, &config()?, output)),
        Command::Approve(command) => wait(approve::approve(command, &config()?, output)),
        Command::Deny(command) => wait(approve::deny(command, &config()?, output)),
        Command::Search(command) => wait(search::run(command, &config()?, output)),
        Command::Sessions(command) => wait(sessions::run(command, &config()?, output)),
        Command::Replay(command) => wait(replay::run(command, &config()?, output)),
        Command::Reveal(command) => wait(reveal::run(command, &config()?, output)),
        Command::Export(command) => wait(export::run(command, &config()?, output)),
        Command::Review(command) => wait(review::run(command, &config()?, output)),
        Command::Report(command) => wait(report::run(command, &config()?, output)),
        Command::Exception(command) => wait(exception::run(command, &config()?, output)),
        Command::Login(command) => wait(login::run(command, output)),
        Command::Key(command) => wait(key::run(command, &config()?, output)),
        Command::Patient(command) => patient::run(command, &config()?, output),
        Command::Policy(command) => policy::run(command, config, output),
        Command::Target(command) => wait(target::run(command, &config()?, output)),
    }
}

/// Runs a command that talks to the ledger, on one thread.
fn wait(command: impl Future<Output = Result<ExitCode, CliError>>) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(command)
}

/// The same for what is read: recorded when this returns.
async fn reading(config: &Config, reader: &reader::Arguments, question: Question) -> Result<Client, CliError> {
    let reader = Reader::open(reader, config)?;
    let mut client = connect(config)?;
    client.read(&reader, &config.trust()?.log.origin, question).await?;
    Ok(client)
}

/// A moment, as arguments name it.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time is written 2026-11-24 or 2026-11-24T09:30:00Z".to_owned())
}

/// A connection to the ledger that the configuration names.
fn connect(config: &Config) -> Result<Client, CliError> {
    Ok(Client::new(&config.client()?)?)
}
