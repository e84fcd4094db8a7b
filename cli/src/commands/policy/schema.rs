//! `exhibit policy schema`: the JSON Schema of policy files.

use std::process::ExitCode;

use exhibit_policy::snapshot::JSON_SCHEMA;

use crate::error::CliError;
use crate::output::Output;

/// Print the JSON Schema of policy files, for editors
///
/// It says what a proxy says of a file, but for names that have to be defined: `exhibit policy check` knows those. A policy names
/// the schema in its first line, such as `#:schema policy.schema.json`.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(super) fn run(_: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    output.line(JSON_SCHEMA.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
