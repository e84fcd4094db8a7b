//! `exhibit sessions`: who was let in, and to what.

use std::process::ExitCode;

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::reading::Question;

use super::reading;
use super::search::{json, search};
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::reader;

/// List sessions, newest first
///
/// QUERY narrows them as in `exhibit search`: agent:NAME, group:NAME, target:NAME, from:DATE, to:DATE.
/// Show one with `exhibit replay SESSION`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to look for; every session when left out
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Answer in JSON, one line to a session
    #[arg(long)]
    json: bool,
    /// Sessions to show at the most
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let query = format!("kind:session-opened {}", arguments.query.join(" "));
    let question = Question::Search(query.clone());
    let mut client = reading(config, &arguments.reader, question).await?;
    let found = search(&mut client, &query, arguments.limit).await?;
    for hit in &found.hits {
        if arguments.json {
            output.line(&json(hit)?)?;
            continue;
        }
        let text = format!(
            "{}  {}  {}  {}",
            hit.session.as_deref().unwrap_or("-"),
            Timestamp(hit.time),
            hit.agent.as_deref().unwrap_or("-"),
            hit.target.as_deref().unwrap_or("-"),
        );
        output.line(&printable(&text).replace('\n', " "))?;
    }
    if !arguments.json {
        output.note(&format!(
            "{} of {} sessions; entries before {} were searched",
            found.hits.len(),
            found.matches,
            found.high_water
        ));
    }
    Ok(ExitCode::SUCCESS)
}
