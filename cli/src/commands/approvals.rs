//! `exhibit approvals`: what waits for people.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::reading::Question;
use serde::Deserialize;

use super::reading;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::proven;
use crate::reader;
use crate::request::Request;

/// How often `--watch` asks; a person reads slower.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// List the commands that wait for people
///
/// Approve or deny one with `exhibit approve ID --reason …` or `exhibit deny ID --reason …`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Answer in JSON, one line to a request
    #[arg(long)]
    json: bool,
    /// Go on until interrupted, and show requests as they come
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

/// One of the ledger's list; everything else is read from the event.
#[derive(Deserialize)]
struct Listed {
    index: u64,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let mut client = reading(config, &arguments.reader, Question::Approvals).await?;
    let trust = config.trust()?;
    let mut shown = BTreeSet::new();
    loop {
        let requests = waiting(&mut client, &trust).await?;
        for request in requests {
            if shown.insert(request.leaf) {
                show(arguments, &request, output)?;
            }
        }
        if !arguments.watch {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    if shown.is_empty() && !arguments.json {
        output.note("nothing waits");
    }
    Ok(ExitCode::SUCCESS)
}

/// Every request that waits, read from its own event, whose proof was checked.
///
/// # Errors
/// [`CliError::Client`], and [`CliError::Untrusted`] when the ledger lists something that no proxy sealed as a request.
pub(super) async fn waiting(client: &mut Client, trust: &TrustAnchors) -> Result<Vec<Request>, CliError> {
    let listed: Vec<Listed> = client.fetch_json("/v1/approvals").await?;
    let mut requests = Vec::new();
    for Listed { index } in listed {
        let entry = proven::of_proxy(client, trust, index).await?;
        let request = Request::read(index, &entry).map_err(|error| CliError::Untrusted(error.to_string()))?;
        requests.push(request);
    }
    Ok(requests)
}

fn show(arguments: &Arguments, request: &Request, output: &mut Output) -> Result<(), CliError> {
    if arguments.json {
        output.json(&request.to_json())
    } else {
        output.line(&request.describe(SystemClock.now()))
    }
}
