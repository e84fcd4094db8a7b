//! `exhibit`, the person's tool: set up, run, approve, read and export.
//!
//! Each command is one file of [`commands`], and its doc comment is its help. What it prints goes through [`output`], what
//! goes wrong is a [`error::CliError`] with an exit code and a hint.
//!
//! Not here: what a command does beyond talking to a person. The ledger, the proxies and the verifier are libraries.

mod append;
mod authority;
mod client;
mod commands;
mod config;
mod copy;
mod deployment;
mod error;
mod export;
mod files;
mod handed;
mod observed;
mod output;
mod proven;
mod reader;
mod replay;
mod request;
mod signer;

use std::process::ExitCode;

use clap::Parser as _;

use crate::output::Output;

fn main() -> ExitCode {
    let arguments = commands::Arguments::parse();
    let mut output = Output::of_process();
    match commands::run(&arguments, &mut output) {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    }
}
