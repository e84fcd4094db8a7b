//! `exhibit exception close`: a person's signature that an exception is done with.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::SystemClock;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::sign_off::{CitedEntry, Disposition, ExceptionClosed};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::Index;
use exhibit_verify::plain::in_one_line;
use serde_json::json;

use super::super::report::text;
use crate::append;
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::handed::Handed;
use crate::output::{Output, printable};
use crate::reader;

/// Sign that an exception is done with
///
/// The note is one that the report has: make a report of a bundle that was exported after it. The control keeps its
/// exception in every report, with what you signed beside it: what speaks against it happened, and the auditor concludes. Let somebody else close what you noted; the report says where it was the same person.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The entry of the note, as `exhibit exception note` and the report say it
    note: u64,
    /// The directory of the report
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// How it was done with: remediated, accepted
    #[arg(long = "as", value_parser = disposition)]
    disposition: Disposition,
    /// What was done, or why it may stay, in your words and without values; the ledger keeps it
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

fn disposition(text: &str) -> Result<Disposition, String> {
    let words: Vec<_> = Disposition::ALL.iter().map(|one| one.as_str()).collect();
    Disposition::from_word(text).ok_or_else(|| format!("it is one of {}", words.join(", ")))
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let trust = config.trust()?;
    let handed = Handed::read(&arguments.report, &trust)?;
    let noted = handed.notes.iter().find(|note| note.noted == arguments.note);
    let noted = noted.ok_or_else(|| CliError::Unknown {
        what: "note of an exception in the report",
        id: arguments.note.to_string(),
    })?;
    if let Some(why) = &noted.uncounted {
        let why = printable(why);
        return Err(CliError::Usage(format!("the note counts for nothing: {why}")));
    }
    let leaf = Digest::from_hex(&noted.leaf).ok_or_else(|| {
        let path = arguments.report.display();
        CliError::Usage(format!("{path}: the note has no leaf hash"))
    })?;
    output.note(&format!(
        "{}\n  {}\nas the report says, noted by {}, to be mended by {}:\n  {}",
        in_one_line(&format!("{} of {}:", noted.cause, noted.control)),
        in_one_line(&noted.detail),
        in_one_line(&noted.person),
        in_one_line(&noted.owner),
        in_one_line(&noted.remediation)
    ));
    if !arguments.yes && !output.confirm("Sign that this exception is done with?")? {
        return Err(CliError::Declined);
    }
    let body = ExceptionClosed {
        note: CitedEntry {
            index: Index(arguments.note),
            leaf,
        },
        disposition: arguments.disposition,
        statement: arguments.statement.clone(),
        // What was shown is what is signed: a report that says otherwise than its log is refused.
        control: noted.control.clone(),
        cause: noted.cause.clone(),
        detail: noted.detail.clone(),
    };
    let key = reader::person(arguments.key.as_deref(), config)?;
    let receipt = append::append(&mut connect(config)?, &trust, &SystemClock, &*key, vec![body.into()]).await?;
    let by = key.public_key().id();
    if arguments.json {
        output.json(&json!({
            "closed": receipt.first,
            "key": by.to_string(),
            "note": arguments.note,
            "disposition": arguments.disposition.as_str(),
        }))?;
    } else {
        output.line(&format!(
            "closed: note {} as {} by key {by} (entry {})",
            arguments.note, arguments.disposition, receipt.first
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
