//! `exhibit approvals`: what waits for people, what is released by what they approved, and how they take that back.

mod revoke;

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::reading::Question;
use serde::Deserialize;
use serde_json::json;

use super::reading;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::proven;
use crate::reader;
use crate::request::Request;

/// How often `--watch` asks; a person reads slower.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// List the commands that wait for people, and those by whose approval something is released
///
/// Approve or deny one with `exhibit approve ID --reason …` or `exhibit deny ID --reason …`; take an approval back with `exhibit approvals
/// revoke ID --reason …`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Answer in JSON, one line to a request
    #[arg(long)]
    json: bool,
    /// Go on until interrupted, and show requests as they come
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

#[derive(clap::Subcommand)]
enum Command {
    Revoke(revoke::Revoking),
}

/// What comes of a request that was approved, in the ledger's words.
#[derive(Deserialize)]
pub(crate) struct Passed {
    index: u64,
    decisions: Vec<u64>,
    commands: u64,
    rows: u64,
    open: u64,
    rows_most: Option<u64>,
    commands_most: Option<u64>,
    until_us: Option<u64>,
}

impl Passed {
    /// `3 of 20 commands until …, 120 of 5000 rows, 1 reply under way`.
    fn describe(&self) -> String {
        let of = |count: u64, most: Option<u64>| match most {
            Some(most) => format!("{count} of {most}"),
            None => count.to_string(),
        };
        let until = self.until_us.map(|until| format!(" until {}", Timestamp(until)));
        format!(
            "{} commands{}, {} rows, {} replies under way",
            of(self.commands, self.commands_most),
            until.unwrap_or_default(),
            of(self.rows, self.rows_most),
            self.open
        )
    }
}

/// A person's word that a request passes in an emergency, read from the event itself.
struct Signed {
    index: u64,
    time: Timestamp,
    person: String,
    key: KeyId,
    reason: String,
}

/// One of the ledger's list; everything else is read from the event.
#[derive(Deserialize)]
struct Listed {
    index: u64,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    if let Some(Command::Revoke(revoking)) = &arguments.command {
        return revoke::run(revoking, config, output).await;
    }
    let mut client = reading(config, &arguments.reader, Question::Approvals).await?;
    let trust = config.trust()?;
    let mut shown = BTreeSet::new();
    loop {
        let requests = waiting(&mut client, &trust).await?;
        for request in requests {
            if shown.insert((request.leaf, false)) {
                show(arguments, &request, None, output)?;
            }
        }
        for (request, passed) in passed(&mut client, &trust).await? {
            if shown.insert((request.leaf, true)) {
                let signed = emergencies(&mut client, &trust, &request, &passed).await?;
                show(arguments, &request, Some((&passed, &signed)), output)?;
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
        output.note("nothing waits, and nothing is released by an approval");
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

/// Every request by whose approval something is released, read in the same way.
async fn passed(client: &mut Client, trust: &TrustAnchors) -> Result<Vec<(Request, Passed)>, CliError> {
    let listed: Vec<Passed> = client.fetch_json("/v1/approvals/passed").await?;
    let mut requests = Vec::new();
    for passed in listed {
        let entry = proven::of_proxy(client, trust, passed.index).await?;
        let request = Request::read(passed.index, &entry).map_err(|error| CliError::Untrusted(error.to_string()))?;
        requests.push((request, passed));
    }
    Ok(requests)
}

/// Who of those that decided about a request said that it is an emergency, each read from its own event, whose proof was checked.
async fn emergencies(
    client: &mut Client,
    trust: &TrustAnchors,
    request: &Request,
    passed: &Passed,
) -> Result<Vec<Signed>, CliError> {
    let mut signed = Vec::new();
    for index in passed.decisions.iter().copied() {
        let (entry, person) = proven::of_person(client, trust, index).await?;
        let event = Event::decode(&entry).map_err(|error| CliError::Untrusted(error.to_string()))?;
        match event.body {
            Body::ApprovalDecided(decided) if decided.request == request.leaf => {
                if decided.verdict == Verdict::Emergency {
                    signed.push(Signed {
                        index,
                        time: event.time,
                        person,
                        key: event.emitter.0,
                        reason: decided.reason,
                    });
                }
            }
            _ => {
                let id = request.id();
                return Err(CliError::Untrusted(format!("event {index} is no decision about {id}")));
            }
        }
    }
    Ok(signed)
}

impl Signed {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "decision": self.index,
            "time_us": self.time.0,
            "person": self.person,
            "key": self.key.to_string(),
            "reason": self.reason,
        })
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, person, key, .. } = self;
        write!(
            formatter,
            "let pass by {person} (key {key}, event {index}): {}",
            self.reason
        )
    }
}

fn show(
    arguments: &Arguments,
    request: &Request,
    passed: Option<(&Passed, &[Signed])>,
    output: &mut Output,
) -> Result<(), CliError> {
    if arguments.json {
        let passed = passed.map(|(passed, signed)| {
            json!({
                "emergency": signed.iter().map(Signed::to_json).collect::<Vec<_>>(),
                "commands": passed.commands,
                "rows": passed.rows,
                "replies_open": passed.open,
                "rows_most": passed.rows_most,
                "commands_most": passed.commands_most,
                "until_us": passed.until_us,
            })
        });
        let mut value = request.to_json();
        if let Some(object) = value.as_object_mut() {
            object.insert("passed".to_owned(), passed.into());
        }
        return output.json(&value);
    }
    let mut text = request.describe(SystemClock.now());
    if let Some((passed, signed)) = passed {
        for signed in signed {
            let _ = write!(
                text,
                "\n  EMERGENCY {}",
                printable(&signed.to_string()).replace('\n', " ")
            );
        }
        let _ = write!(text, "\n  passed    {}", passed.describe());
    }
    output.line(&text)
}
