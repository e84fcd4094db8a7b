//! `exhibit target check`.

use std::process::ExitCode;

use super::Access;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};

/// Say whether a target's database enforces the masks of the policy in force
///
/// Compared are the record of what was applied, everything that it is about as it is now, the key of tokens, and what the
/// agents' role may read. It changes nothing.
///
/// Exits with 1, and says in what it differs, when it does not match.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let access = &arguments.access;
    let checked = match access.connect(config).await?.check().await {
        Ok(checked) => checked,
        Err(error) => return access.refused(error, output),
    };
    let drift = checked.drift.as_ref().map(ToString::to_string);
    let target = printable(&access.target);
    if access.json {
        output.json(&serde_json::json!({
            "target": access.target,
            "plan": checked.plan.digest().to_string(),
            "matches": drift.is_none(),
            "drift": drift,
        }))?;
    } else {
        let said = drift
            .as_ref()
            .map_or("what is installed matches the policy".to_owned(), |drift| {
                format!("{}; run `exhibit target apply`", printable(drift))
            });
        output.line(&format!("{target}: {said}"))?;
    }
    Ok(if drift.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
