//! `exhibit exception list`: the exceptions of a report, by the names that `note` takes.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_verify::plain::in_one_line;
use serde_json::json;

use crate::config::Config;
use crate::error::CliError;
use crate::handed::{Control, Exception, Handed};
use crate::output::{Output, printable};

/// List the exceptions of a report, and how far each was when it was made
///
/// Exits with 0 when all of them are closed, and with 1 when some are not.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The directory of the report
    report: PathBuf,
    /// Only what is not closed
    #[arg(long)]
    open: bool,
    /// Print JSON, one line to an exception
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let handed = Handed::read(&arguments.report, &config.trust()?)?;
    let is_open = |exception: &Exception| exception.state != "closed";
    let open = handed.exceptions().any(|(_, exception)| is_open(exception));
    let shown = handed
        .exceptions()
        .filter(|(_, exception)| !arguments.open || is_open(exception));
    let mut any = false;
    for (control, exception) in shown {
        any = true;
        if arguments.json {
            output.json(&json!({
                "exception": exception.id,
                "control": control.id,
                "entry": exception.index,
                "cause": exception.cause,
                "detail": exception.detail,
                "state": exception.state,
                "noted": exception.handling.as_ref().map(|handling| handling.noted),
                "owner": exception.handling.as_ref().map(|handling| &handling.owner),
                "due": exception.handling.as_ref().and_then(|handling| handling.due.as_ref()),
            }))?;
        } else {
            output.line(&printable(&line(control, exception)))?;
        }
    }
    if !any && !arguments.json {
        output.line(if arguments.open {
            "no exception is open"
        } else {
            "no exceptions"
        })?;
    }
    Ok(if open { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `9f86d081884c7d65  164.312(b)  session-open at #41: …` and how far it is.
pub(super) fn line(control: &Control, exception: &Exception) -> String {
    let at = exception
        .index
        .map_or_else(|| "the bundle".to_owned(), |index| format!("#{index}"));
    let mut line = format!(
        "{}  {}  {} at {at}: {}\n    {} ({}): {}",
        exception.id,
        control.id,
        exception.cause,
        in_one_line(&exception.detail),
        control.title,
        control.cite,
        exception.state
    );
    if let Some(handling) = &exception.handling {
        let due = handling
            .due
            .as_ref()
            .map(|due| format!(", until {due}"))
            .unwrap_or_default();
        line = format!(
            "{line}, {} (note #{}){due}",
            in_one_line(&handling.owner),
            handling.noted
        );
    }
    line
}
