//! `exhibit exception note`: a person's word who mends an exception of a report, and how.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::sign_off::{CitedEntry, ExceptionNoted};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::sign_off::NAME_BYTES_MAX;
use serde_json::json;

use super::super::report::text;
use super::super::time;
use super::list::line;
use crate::append;
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::handed::{Control, Exception, Handed};
use crate::output::{Output, printable};
use crate::reader;

/// Say who mends an exception of a report, how, and until when
///
/// The exception is one of a report that `exhibit-verify report --out` wrote. The note is an event of the log under your own
/// key, and stands beside the exception in every later report. Of several notes the last one holds.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The exception, as the report and `exhibit exception list` name it, or the beginning of that name
    exception: String,
    /// The directory of the report
    #[arg(long, value_name = "DIR")]
    report: PathBuf,
    /// Who is to mend it
    #[arg(long, value_parser = name)]
    owner: String,
    /// How, in your words and without values; the ledger keeps it
    #[arg(long, value_parser = text)]
    remediation: String,
    /// Until when, such as 2026-12-01
    #[arg(long, value_name = "TIME", value_parser = time)]
    due: Option<Timestamp>,
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

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(format!("an owner has 1 to {NAME_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let trust = config.trust()?;
    if arguments.due.is_some_and(|due| due <= SystemClock.now()) {
        return Err(CliError::Usage("`--due` is a time to come".to_owned()));
    }
    let handed = Handed::read(&arguments.report, &trust)?;
    let (control, exception) = named(&handed, &arguments.exception)?;
    output.note(&printable(&line(control, exception)));
    if !arguments.yes && !output.confirm("Sign this note?")? {
        return Err(CliError::Declined);
    }
    let key = reader::person(arguments.key.as_deref(), config)?;
    let body = ExceptionNoted {
        control: control.id.clone(),
        cause: exception.cause.clone(),
        entry: cited(exception)?,
        detail: exception.detail.clone(),
        root: handed.root,
        size: handed.manifest.size,
        owner: arguments.owner.clone(),
        remediation: arguments.remediation.clone(),
        due: arguments.due,
    };
    let receipt = append::append(&mut connect(config)?, &trust, &SystemClock, &*key, vec![body.into()]).await?;
    let by = key.public_key().id();
    if arguments.json {
        output.json(&json!({ "noted": receipt.first, "key": by.to_string(), "exception": exception.id }))?;
    } else {
        output.line(&format!(
            "noted: exception {} by key {by} (entry {})",
            exception.id, receipt.first
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The one exception whose name begins like this.
fn named<'a>(handed: &'a Handed, prefix: &str) -> Result<(&'a Control, &'a Exception), CliError> {
    let mut found = handed
        .exceptions()
        .filter(|(_, exception)| !prefix.is_empty() && exception.id.starts_with(prefix));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(CliError::Usage(format!(
            "several exceptions begin with `{}`; name more of it",
            printable(prefix)
        ))),
        (None, _) => Err(CliError::Unknown {
            what: "exception",
            id: printable(prefix),
        }),
    }
}

/// The entry that the report cites.
fn cited(exception: &Exception) -> Result<Option<CitedEntry>, CliError> {
    let Some(index) = exception.index else { return Ok(None) };
    let leaf = exception.leaf.as_deref().and_then(Digest::from_hex);
    let leaf =
        leaf.ok_or_else(|| CliError::Usage(format!("the report does not say which entry it found at #{index}")))?;
    let index = Index(index);
    Ok(Some(CitedEntry { index, leaf }))
}
