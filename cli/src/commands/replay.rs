//! `exhibit replay`: what happened in one session, read from its events.

use std::process::ExitCode;

use exhibit_schemas::event::{Event, SessionId};
use exhibit_schemas::reading::Question;

use super::reading;
use super::search::search;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::reader;
use crate::replay::{self, Entry};

/// Events of one session that are read at the most; a longer one is read with `exhibit export` and the verifier.
const EVENTS_MAX: usize = 100_000;

/// Show a session as a timeline: who, what was asked and decided, and what was released
///
/// Released values are shown as the agent got them: masked. SESSION is the id that `exhibit sessions` lists.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The session: 32 hexadecimal digits
    session: String,
    /// Answer in JSON, one line to an event
    #[arg(long)]
    json: bool,
    /// Rows of each result, or lines of each piece of an object, to show at the most
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    rows: usize,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let session = SessionId::from_hex(&arguments.session)
        .ok_or_else(|| CliError::Usage("a session id is 32 hexadecimal digits; see `exhibit sessions`".to_owned()))?;
    let mut client = reading(config, &arguments.reader, Question::Session(session)).await?;
    let found = search(&mut client, &format!("session:{session}"), EVENTS_MAX).await?;
    if found.hits.is_empty() {
        return Err(CliError::Unknown {
            what: "session",
            id: session.to_string(),
        });
    }
    if found.matches > u64::try_from(EVENTS_MAX).unwrap_or(u64::MAX) {
        return Err(CliError::Usage(format!(
            "the session has {} events; replay shows at most {EVENTS_MAX}",
            found.matches
        )));
    }
    let mut entries = Vec::with_capacity(found.hits.len());
    for hit in found.hits.into_iter().rev() {
        let bytes = client.fetch(&format!("/v1/entries/{}", hit.index)).await?;
        let event = Event::decode(&bytes)
            .map_err(|error| CliError::Untrusted(format!("entry {} is no event: {error}", hit.index)))?;
        entries.push(Entry {
            index: hit.index,
            people: hit.approvers,
            event,
        });
    }
    // The index says where to look; what is shown, and that nothing is missing, comes from the events themselves.
    replay::check(session, &entries).map_err(|error| CliError::Untrusted(error.to_string()))?;
    if arguments.json {
        for entry in &entries {
            output.json(&replay::to_json(entry))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&replay::timeline(session, &entries, arguments.rows))?;
    Ok(ExitCode::SUCCESS)
}
