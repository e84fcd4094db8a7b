//! `exhibit target apply`.

use std::process::ExitCode;

use super::Access;
use super::plan::warnings;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};

/// Install in a target's database what makes it enforce the masks itself
///
/// Everything that `exhibit target plan` prints is done in one transaction, and checked before it is committed. Run it again
/// after the masks of the policy, the key of tokens or the database have changed: sessions are refused until then. A mask
/// that was taken out of the policy gives its rights back.
///
/// The administrator has to be a superuser. Exits with 1, and says why, when there is no plan that would hold.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let access = &arguments.access;
    let plan = match access.connect(config).await?.apply().await {
        Ok(plan) => plan,
        Err(error) => return access.refused(error, output),
    };
    let relations = plan.relations();
    let columns: usize = relations.iter().map(|relation| relation.columns.len()).sum();
    if access.json {
        output.json(&serde_json::json!({
            "target": access.target,
            "plan": plan.digest().to_string(),
            "relations": relations.len(),
            "columns": columns,
            "warnings": warnings(&plan),
        }))?;
    } else {
        output.line(&format!(
            "{}: {columns} columns of {} relations are masked by the database, plan {}",
            printable(&access.target),
            relations.len(),
            plan.digest()
        ))?;
        for warning in warnings(&plan) {
            output.line(&format!("warning: {}", printable(&warning)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
