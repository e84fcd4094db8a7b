//! `exhibit search`: events that match a question.

use std::fmt::Write as _;
use std::process::ExitCode;

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::reading::Question;
use serde::{Deserialize, Serialize};

use super::reading;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::reader;

/// Hits that the ledger gives in one answer at the most.
const PAGE_HITS: usize = 1_000;

/// Search the ledger: statements, released rows, reasons, and who did what
///
/// QUERY is words, "phrases" and filters, all of which must hold; a filter given twice takes either value:
/// agent: client: group: target: protocol: table: action: decision: outcome: rule: observed: approver: verdict: patient: kind:
/// session: from: to: (2026-11-24 or 2026-11-24T09:30:00Z). Newest events come first.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to look for; everything when left out
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Answer in JSON, one line to an event
    #[arg(long)]
    json: bool,
    /// Events to show at the most
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    #[command(flatten)]
    reader: reader::Arguments,
}

/// One event that matches, as the ledger's index says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Hit {
    pub(crate) index: u64,
    pub(crate) time: u64,
    pub(crate) kind: String,
    pub(crate) session: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) decision: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) observed: Vec<String>,
    pub(crate) approvers: Vec<String>,
    pub(crate) snippet: String,
}

/// Hits with what the ledger says of all of them.
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    pub(crate) matches: u64,
    pub(crate) high_water: u64,
}

#[derive(Deserialize)]
struct Page {
    hits: Vec<Hit>,
    matches: u64,
    next: Option<u64>,
    high_water: u64,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let query = arguments.query.join(" ");
    let question = Question::Search(query.clone());
    let mut client = reading(config, &arguments.reader, question).await?;
    let found = search(&mut client, &query, arguments.limit).await?;
    for hit in &found.hits {
        if arguments.json {
            output.line(&json(hit)?)?;
        } else {
            output.line(&line(hit))?;
        }
    }
    if !arguments.json {
        output.note(&summary(&found));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the ledger page by page, newest first, for `limit` hits at the most.
///
/// # Errors
/// [`CliError::Client`], and [`CliError::Untrusted`] when a page does not go on where the last one ended.
pub(super) async fn search(client: &mut Client, query: &str, limit: usize) -> Result<Found, CliError> {
    let mut hits: Vec<Hit> = Vec::new();
    loop {
        let count = (limit - hits.len()).clamp(1, PAGE_HITS);
        let mut path = format!("/v1/search?q={}&limit={count}", escaped(query));
        if let Some(last) = hits.last() {
            let _ = write!(path, "&cursor={}", last.index);
        }
        let page: Page = client.fetch_json(&path).await?;
        let mut floor = hits.last().map_or(u64::MAX, |last| last.index);
        for hit in &page.hits {
            if hit.index >= floor {
                return Err(CliError::Untrusted("its hits are not in order".to_owned()));
            }
            floor = hit.index;
        }
        let ended = page.next.is_none() || page.hits.is_empty();
        hits.extend(page.hits);
        hits.truncate(limit);
        if ended || hits.len() >= limit {
            return Ok(Found {
                hits,
                matches: page.matches,
                high_water: page.high_water,
            });
        }
    }
}

/// A hit as one line of JSON.
///
/// # Errors
/// [`CliError::Untrusted`], which strings and numbers do not cause.
pub(super) fn json(hit: &Hit) -> Result<String, CliError> {
    serde_json::to_string(hit).map_err(|error| CliError::Untrusted(error.to_string()))
}

fn line(hit: &Hit) -> String {
    let outcome = hit.outcome.as_deref().or(hit.decision.as_deref()).unwrap_or("");
    let observed = match hit.observed.as_slice() {
        [] => String::new(),
        rules => format!("observed:{}", rules.join(",")),
    };
    let words = [
        hit.index.to_string(),
        Timestamp(hit.time).to_string(),
        hit.kind.clone(),
        hit.agent.clone().unwrap_or_default(),
        hit.target.clone().unwrap_or_default(),
        outcome.to_owned(),
        observed,
        hit.approvers.join(","),
        hit.session.clone().unwrap_or_default(),
    ];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut text = printable(&words.join("  ")).replace('\n', " ");
    if !hit.snippet.is_empty() {
        text.push_str("\n    ");
        text.push_str(&printable(&hit.snippet).replace('\n', " "));
    }
    text
}

/// `3 of 40 events; entries before 120 were searched`.
fn summary(found: &Found) -> String {
    format!(
        "{} of {} events; entries before {} were searched",
        found.hits.len(),
        found.matches,
        found.high_water
    )
}

/// Percent-encoding of RFC 3986: everything but unreserved characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Hit, escaped, line};

    #[test]
    fn a_question_goes_into_a_url_whole() {
        assert_eq!(escaped("agent:\"a b\"&x=é"), "agent%3A%22a%20b%22%26x%3D%C3%A9");
    }

    #[test]
    fn a_hit_cannot_steer_the_terminal() {
        let hit = Hit {
            index: 7,
            time: 1_795_512_601_000_001,
            kind: "command".into(),
            session: Some("00".repeat(16)),
            agent: Some("ci\u{1b}[2J\nx".into()),
            target: Some("clinic".into()),
            decision: Some("allow".into()),
            outcome: Some("allowed".into()),
            observed: vec!["next".into(), "later".into()],
            approvers: vec![],
            snippet: "SELECT \u{9b}1".into(),
        };
        let wanted = "7  2026-11-24T09:30:01.000001Z  command  ci\\u{1b}[2J x  clinic  allowed  observed:next,later  \
                      00000000000000000000000000000000\n    SELECT \\u{9b}1";
        assert_eq!(line(&hit), wanted);
    }
}
