//! `exhibit-verify`: checks an exported bundle on a machine without a network, and writes the evidence report.
//!
//! Exit codes: 0 no findings that count, 1 findings, 2 usage (also a bundle or a key file that cannot be read), 3 the
//! verifier itself failed.

mod commands;
mod output;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::commands::check::{self, Check};
use self::commands::{Failure, USAGE, report, sample};

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
        (Some(Command::Report(wanted)), _) => report::run(&wanted),
        (Some(Command::Sample(wanted)), _) => sample::run(&wanted),
        (None, Some(check)) => check::run(&check, arguments.json),
        (None, None) => Ok(USAGE), // clap has asked for the bundle before
    }
}
