//! `exhibit policy approve`: an administrator's word that a policy may come into force.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::SystemClock;
use exhibit_schemas::event::trust::PolicyApproved;

use super::super::{administrator, connect};
use super::question::read_policy;
use crate::append;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;

/// Approve a policy, by its exact bytes, with the administrator's key in `[client] administrator`
///
/// Where `trust.toml` says `policy_approvals = K`, a proxy takes a policy only when K of the administrators that it names have
/// approved it; each of them runs this with their own key.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, as the proxies will have it
    policy: PathBuf,
    /// Why: a ticket, a change, a review
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(
    arguments: &Arguments,
    config: &Config,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    // What no proxy would take, nobody approves.
    let policy = read_policy(&arguments.policy)?.digest();
    let administrator = administrator(config)?;
    let body = PolicyApproved {
        policy,
        reason: arguments.reason.clone(),
    };
    let receipt = append::append(&mut connect(config)?, &SystemClock, &administrator, vec![body.into()]).await?;
    output.line(&format!("policy {policy} is approved (entry {})", receipt.first))?;
    Ok(ExitCode::SUCCESS)
}
