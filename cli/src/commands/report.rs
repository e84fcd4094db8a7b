//! `exhibit report`: a reviewer's signature under a report.
//!
//! Not here: making a report, which is the verifier's, on a machine without the ledger.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::SystemClock;
use exhibit_schemas::event::sign_off::ReportSigned;
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::sign_off::TEXT_BYTES_MAX;
use serde_json::json;

use super::connect;
use crate::append;
use crate::config::Config;
use crate::error::CliError;
use crate::handed::Handed;
use crate::output::{Output, printable};
use crate::reader;

/// Sign a report
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Sign(Arguments),
}

/// Sign a report with your ssh key, so that everybody can tell that you took this one over
///
/// The report is a directory that `exhibit-verify report --out` wrote. Its files have to be those of its manifest, and what you
/// sign is the manifest: whoever changes a file afterwards has another report. The signature is an event of the log;
/// `exhibit-verify report --signed DIR BUNDLE` shows it by a bundle that is exported later. Run `exhibit-verify report --check`
/// before you sign what somebody else made.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The directory of the report
    report: PathBuf,
    /// What you say of it, in your words and without values; the ledger keeps it
    #[arg(long, value_parser = text)]
    statement: String,
    /// Your key, as for `exhibit approve`
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// A text that may be signed.
pub(super) fn text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(format!("it has 1 to {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

/// Runs a command.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let Command::Sign(arguments) = command;
    let trust = config.trust()?;
    let handed = Handed::read(&arguments.report, &trust)?;
    let (manifest, digest) = (&handed.manifest, handed.manifest.digest());
    output.note(&printable(&format!(
        "{}\n  log       {}, {} entries\n  root      {}\n  result    {}\n  period    {}\n  entity    {}\n  manifest  SHA-256 {digest}, of {} files",
        arguments.report.display(),
        manifest.origin,
        manifest.size,
        handed.root,
        manifest.result,
        manifest.made.period,
        manifest.made.entity.as_deref().unwrap_or("-"),
        manifest.files.len(),
    )));
    if !arguments.yes && !output.confirm("Sign this report?")? {
        return Err(CliError::Declined);
    }
    let key = reader::person(arguments.key.as_deref(), config)?;
    let body = ReportSigned {
        manifest: digest,
        root: handed.root,
        size: manifest.size,
        statement: arguments.statement.clone(),
    };
    let receipt = append::append(&mut connect(config)?, &trust, &SystemClock, &*key, vec![body.into()]).await?;
    let by = key.public_key().id();
    if arguments.json {
        output.json(&json!({
            "signed": receipt.first,
            "key": by.to_string(),
            "manifest": digest.to_string(),
            "size": manifest.size,
            "root": handed.root.to_string(),
        }))?;
    } else {
        output.line(&format!(
            "signed: manifest {digest} by key {by} (entry {})",
            receipt.first
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
