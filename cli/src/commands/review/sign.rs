//! `exhibit review sign`: a reviewer's signature under what happened in a period.

use std::process::ExitCode;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::EmergencyUse;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::review::{FINDING_BYTES_MAX, Scope};
use exhibit_verify::Period;
use exhibit_verify::{VerifyError, review};
use serde_json::json;

use super::{Log, list};
use crate::append;
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::reader::{self, Reader};

/// Sign off the events of a period, or of a use of emergency access, with your ssh key
///
/// The log is exported into a temporary directory (which is recorded) and verified whole. The events of the period and the
/// scope are counted and shown, and what you sign is the root over all of them: whoever verifies the log counts them again.
/// Search and replay them before.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// From when on until before when, such as 2026-11-01..2026-12-01; both may have a time: 2026-11-24T09:30:00Z
    #[arg(long, value_name = "FROM..TO", value_parser = Period::parse, required_unless_present = "emergency")]
    period: Option<Period>,
    /// What: all, sessions, commands, approvals, readings, changes
    #[arg(long, value_parser = scope, required_unless_present = "emergency")]
    scope: Option<Scope>,
    /// One use of emergency access, by the entry of the decision that let it pass, as `exhibit review list` shows it: everything of its
    /// session from the request to the end of its reply
    #[arg(long, value_name = "ENTRY", conflicts_with_all = ["period", "scope"])]
    emergency: Option<u64>,
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
    let over = |(from, to): (Timestamp, Timestamp)| {
        let period = (to <= SystemClock.now()).then_some((from, to));
        period.ok_or_else(|| CliError::Usage(format!("the period ends at {to}, and is not over yet")))
    };
    let period = arguments.period.map(|period| over((period.from(), period.to())));
    let period = period.transpose()?;
    let key = reader::person(arguments.key.as_deref(), config)?;
    let mut client = connect(config)?;
    let log = Log::read(&mut client, &Reader::Key(Rc::clone(&key)), config, output).await?;
    let (archive, checkpoint) = (&log.archive, &log.checkpoint);
    let (scope, (from, to), emergency) = match (arguments.emergency, arguments.scope, period) {
        (None, Some(scope), Some(period)) => (scope, period, None),
        (Some(entry), _, _) => {
            let (named, period) = used(&log, entry, output)?;
            (Scope::All, over(period)?, Some(named))
        }
        (None, _, _) => return Err(CliError::Usage("name a period and a scope".to_owned())),
    };
    let population = review::population(archive, checkpoint.size(), scope, (from, to), emergency);
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
    let receipt = append::append(
        &mut client,
        &config.trust()?,
        &SystemClock,
        &*key,
        vec![signed.clone().into()],
    )
    .await?;
    let by = key.public_key().id();
    if arguments.json {
        output.json(&json!({
            "review": receipt.first,
            "key": by.to_string(),
            "scope": signed.scope,
            "emergency": arguments.emergency,
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

/// A use of emergency access, by the entry of its decision, and the shortest period that holds all of it; shows what it was.
fn used(log: &Log, entry: u64, output: &mut Output) -> Result<(EmergencyUse, (Timestamp, Timestamp)), CliError> {
    let lines = log.bundle.get().emergencies.lines(SystemClock.now());
    let line = lines.into_iter().find(|line| line.decision.0 == entry);
    let line = line.ok_or_else(|| CliError::Unknown {
        what: "use of emergency access",
        id: entry.to_string(),
    })?;
    output.note(&list::used(&line));
    output.note(&printable(&line.statement));
    let unreadable = || CliError::Untrusted(format!("the use by entry {entry} cannot be named"));
    let named = EmergencyUse {
        index: line.decision,
        decision: Digest::from_hex(&line.leaf).ok_or_else(unreadable)?,
        session: SessionId::from_hex(&line.session).ok_or_else(unreadable)?,
    };
    Ok((
        named,
        (Timestamp(line.from_us), Timestamp(line.to_us.saturating_add(1))),
    ))
}

#[cfg(test)]
mod tests {
    use super::{FINDING_BYTES_MAX, finding, scope};

    #[test]
    fn scopes_and_findings_are_what_they_say_or_refused() {
        assert!(scope("readings").is_ok() && scope("everything").is_err());
        let long = "f".repeat(FINDING_BYTES_MAX + 1);
        assert!(finding(&long).is_err() && finding(&long[1..]).is_ok());
    }
}
