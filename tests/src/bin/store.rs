//! The tests' object store by itself, left running until a signal; one line of JSON says where it is and by what keys.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its one line of output is its interface"
)]

use std::process::ExitCode;

use exhibit_tests::HarnessError;
use exhibit_tests::ceph::Ceph;
use exhibit_tests::programs::ended;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("store: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<(), HarnessError> {
    let store = Ceph::start()?;
    println!("{}", store.describe());
    Ok(tokio::runtime::Runtime::new()?.block_on(ended())?)
}
