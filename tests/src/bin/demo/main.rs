//! `make demo`: the whole chain on this machine, from a pipeline's query to an offline proof, every claim checked.
//!
//! A private PostgreSQL holds a generated clinic, a private Ceph its exports; `exhibit up` stands before both; psql and the AWS CLI are
//! the pipelines. Files are left under `target/demo`; everything that was started ends. Exit code 1 when a claim does not hold, 3 when
//! the demo cannot go on.

#![allow(clippy::print_stderr, reason = "a demo that cannot go on says why")]

mod claims;
mod evidence;
mod lake;
mod paper;
mod pipeline;
mod scoped;
mod token;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use exhibit_tests::HarnessError;
use exhibit_tests::ceph::Ceph;
use exhibit_tests::stack::{LAKE_POLICY, Options, POLICY, Stack};

use crate::claims::Claims;
use crate::token::Issuer;

/// Where the demo leaves its files when no argument names another place; made anew.
const DIRECTORY: &str = "target/demo";

fn main() -> ExitCode {
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the demo cannot go on: {error}");
            ExitCode::from(3)
        }
    }
}

fn demo() -> Result<bool, HarnessError> {
    let named = std::env::args().nth(1);
    let directory = Path::new(named.as_deref().unwrap_or(DIRECTORY));
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    // `exhibit init` makes the directory itself.
    std::fs::remove_dir(&directory)?;
    let mut claims = Claims::default();

    claims.part("A clinic, and Exhibit before it");
    let issuer = Issuer::new()?;
    let mut stack = start(&directory, &issuer)?;
    let patients = direct(&stack, "SELECT count(*) FROM patients")?;
    let enough = patients.trim().parse().is_ok_and(|count: u32| count >= 5_000);
    claims.check(
        &format!("PostgreSQL holds a clinic of {} patients", patients.trim()),
        enough,
        &patients,
    );
    let status = claims::Ran::of(stack.exhibit()?.arg("status"))?;
    claims.check(
        "`exhibit status` takes the ledger's head under the log key",
        status.code == Some(0),
        &status.shown(),
    );

    pipeline::reads(&stack, &mut claims)?;
    pipeline::extract(&stack, &mut claims)?;
    pipeline::refusals(&stack, &mut claims)?;
    let change = pipeline::schema_change(&stack, &mut claims)?;
    lake::exports(&stack, &issuer, &mut claims)?;
    evidence::export(&stack, &mut claims)?;
    evidence::tampering(&stack, &change, &mut claims)?;
    evidence::search(&stack, &change, &mut claims)?;
    scoped::session(&stack, &change, &mut claims)?;
    evidence::report(&stack, &mut claims)?;
    evidence::canaries(&stack, &mut claims)?;

    claims.part("The end");
    let down = stack.down();
    claims.check(
        "`exhibit up` ends cleanly",
        down.is_ok(),
        &down.err().map_or(String::new(), |error| error.to_string()),
    );
    evidence::summary(&stack, &mut claims)?;
    Ok(claims.end())
}

/// Starts the demo's stack, which takes the tokens of this issuer.
fn start(directory: &Path, issuer: &Issuer) -> Result<Stack, HarnessError> {
    let mut stack = Stack::prepare(&Options {
        policy: format!("{POLICY}\n{LAKE_POLICY}"),
        store: Some(Arc::new(Ceph::start()?)),
        ..Options::new(directory)
    })?;
    let (section, keys) = issuer.known();
    exhibit_tests::write(&directory.join(token::KEYS), keys.as_bytes())?;
    let config = std::fs::read_to_string(stack.config())? + &section;
    exhibit_tests::write(&stack.config(), config.as_bytes())?;
    stack.up()?;
    stack.enrol_approver()?;
    Ok(stack)
}

/// Asks the database itself, past Exhibit.
fn direct(stack: &Stack, sql: &str) -> Result<String, HarnessError> {
    exhibit_tests::run(stack.psql_direct().args(["--command", sql]))
}

/// What stands for NULL in [`rows`].
const NULL: &str = "(null)";

/// Rows of a statement as text; NULL as [`NULL`].
fn rows(command: &mut Command, sql: &str) -> Result<Vec<Vec<String>>, HarnessError> {
    let text = exhibit_tests::run(command.args(["--csv", &format!("--pset=null={NULL}"), "--command", sql]))?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let read = reader.records().map(|record| {
        let record = record.map_err(|error| HarnessError::Failed {
            program: "psql".to_owned(),
            said: error.to_string(),
        })?;
        Ok(record.iter().map(str::to_owned).collect())
    });
    read.collect()
}
