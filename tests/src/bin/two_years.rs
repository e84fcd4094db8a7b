//! `two_years EVENTS SEED DIRECTORY`: makes the log of `exhibit_tests::two_years` in a new directory, and prints what it put in.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its one line of output is its interface"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use exhibit_tests::HarnessError;
use exhibit_tests::two_years::{Order, make};

/// Make a log of two years from a seed, through a real ledger, and its bundle
#[derive(Parser)]
struct Arguments {
    /// Events at the least
    events: u64,
    /// What everything that varies is drawn from
    seed: u64,
    /// A new directory for the ledger, the bundle and the trust anchors
    directory: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two_years: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), HarnessError> {
    std::fs::create_dir(&arguments.directory)?;
    let order = Order {
        events: arguments.events,
        seed: arguments.seed,
    };
    let counts = make(order, &arguments.directory)?;
    println!("{}", serde_json::json!(counts));
    Ok(())
}
