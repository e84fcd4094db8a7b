//! `exhibit status`: is the ledger there, how far is it, and does anything wait?

use std::process::ExitCode;

use exhibit_schemas::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use super::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;

/// Show the ledger's head, and what waits
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Deserialize)]
struct Status {
    origin: String,
    size: u64,
    root: String,
    poisoned: bool,
    waiting: usize,
    open_sessions: usize,
    disk_bytes: u64,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let mut client = connect(config)?;
    let note = client.fetch("/checkpoint").await?;
    let untrusted = |cause: &dyn std::fmt::Display| CliError::Untrusted(cause.to_string());
    let note = std::str::from_utf8(&note).map_err(|error| untrusted(&error))?;
    let head = Checkpoint::verify(note, &config.trust()?.log).map_err(|error| untrusted(&error))?;
    let status: Status = client.fetch_json("/v1/status").await?;
    if arguments.json {
        output.json(&serde_json::to_value(&status).map_err(|error| untrusted(&error))?)?;
    } else {
        output.line(&format!("log            {}", head.origin().as_str()))?;
        output.line(&format!("entries        {} (head signed by the log key)", head.size()))?;
        output.line(&format!("root           {}", head.root()))?;
        output.line(&format!("on disk        {} bytes", status.disk_bytes))?;
        output.line(&format!("open sessions  {}", status.open_sessions))?;
        output.line(&format!("approvals      {} waiting", status.waiting))?;
    }
    if status.poisoned {
        output.note("the ledger's store failed: it takes nothing until it is restarted; look at its log and its disk");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}
