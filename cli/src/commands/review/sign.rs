//! `exhibit review sign`: a reviewer's signature under what happened in a period.

use std::process::ExitCode;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::review::{FINDING_BYTES_MAX, Scope};
use exhibit_verify::{VerifyError, review};
use serde_json::json;

use super::Log;
use crate::append;
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::reader::{self, Reader};

/// Sign off the events of a period with your ssh key
///
/// The log is exported into a temporary directory (which is recorded) and verified whole. The events of the period and the
/// scope are counted and shown, and what you sign is the root over all of them: whoever verifies the log counts them again.
/// Search and replay them before.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// From when on until before when, such as 2026-11-01..2026-12-01; both may have a time: 2026-11-24T09:30:00Z
    #[arg(long, value_name = "FROM..TO", value_parser = period)]
    period: (Timestamp, Timestamp),
    /// What: all, sessions, commands, approvals, readings, changes
    #[arg(long, value_parser = scope)]
    scope: Scope,
    /// What you found, in your words and without values; the ledger keeps it
    #[arg(long, value_parser = finding)]
    finding: String,
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

fn period(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let wanted = || "a period is FROM..TO, such as 2026-11-01..2026-12-01".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wanted)?;
    let time = |text: &str| Timestamp::parse(text).ok_or_else(wanted);
    let (from, to) = (time(from)?, time(to)?);
    if from < to {
        Ok((from, to))
    } else {
        Err("the period is empty".to_owned())
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    let words = Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
    Scope::from_word(text).ok_or_else(|| format!("a scope is one of {}", words.join(", ")))
}

fn finding(text: &str) -> Result<String, String> {
    if text.len() > FINDING_BYTES_MAX {
        return Err(format!("a finding has {FINDING_BYTES_MAX} bytes at the most"));
    }
    Ok(text.to_owned())
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let (from, to) = arguments.period;
    if to > SystemClock.now() {
        return Err(CliError::Usage("the period is not over yet".to_owned()));
    }
    let key = reader::person(arguments.key.as_deref(), config)?;
    let mut client = connect(config)?;
    let log = Log::read(&mut client, &Reader::Key(Rc::clone(&key)), config, output).await?;
    let (archive, checkpoint) = (&log.archive, &log.checkpoint);
    let population = review::population(archive, checkpoint.size(), arguments.scope, (from, to));
    let population = population.map_err(VerifyError::from)?;
    let signed = population.signed(checkpoint.root(), arguments.finding.clone());
    output.note(&format!(
        "{} from {from} to {to}, in {} entries",
        signed.scope, signed.size
    ));
    for (kind, count) in &signed.counts {
        output.note(&format!("{count:>8}  {kind}"));
    }
    output.note(&format!("root      {}", signed.population));
    if !arguments.yes && !output.confirm("Sign that you have reviewed these events?")? {
        return Err(CliError::Declined);
    }
    let receipt = append::append(&mut client, &SystemClock, &*key, vec![signed.clone().into()]).await?;
    let by = key.public_key().id();
    if arguments.json {
        output.json(&json!({
            "review": receipt.first,
            "key": by.to_string(),
            "scope": signed.scope,
            "from_us": from.0,
            "to_us": to.0,
            "size": signed.size,
            "root": signed.root.to_string(),
            "population": signed.population.to_string(),
            "counts": signed.counts,
        }))?;
    } else {
        output.line(&format!("reviewed: signed by key {by} (entry {})", receipt.first))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::{FINDING_BYTES_MAX, finding, period, scope};

    #[test]
    fn periods_scopes_and_findings_are_what_they_say_or_refused() {
        assert!(period("2026-11-01..2026-12-01").is_ok());
        for text in [
            "2026-11-01",
            "2026-12-01..2026-11-01",
            "2026-11-01..2026-11-01",
            "a..b",
            "..",
        ] {
            assert!(period(text).is_err(), "{text}");
        }
        assert!(scope("readings").is_ok() && scope("everything").is_err());
        let long = "f".repeat(FINDING_BYTES_MAX + 1);
        assert!(finding(&long).is_err() && finding(&long[1..]).is_ok());
    }
}
