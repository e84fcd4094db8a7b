//! `exhibit policy scan`: masks that would suit a database.

use std::process::ExitCode;

use exhibit_policy::scan::Proposal;
use exhibit_proxy::enforcement::Scanned;

use super::super::target::Access;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};

/// Propose masks for the columns of a target's database that have none
///
/// Looks at the names and types of all columns, and at some rows of each table; values are counted and forgotten, and none
/// is printed. What is printed can be appended to the policy, after somebody who knows the data has read it: a sample misses
/// what is rare.
///
/// Exits with 1 when a mask is proposed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// Rows that are looked at in each table; 0 goes by names and types alone
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    rows: u32,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let access = &arguments.access;
    let mut connection = access.connect(config).await?;
    let bar = output.progress(0, "looking at relations");
    let scanned = connection
        .scan(arguments.rows, &|done, all| {
            bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        })
        .await?;
    bar.finish_and_clear();
    if access.json {
        output.json(&as_json(&access.target, &scanned))?;
    } else {
        output.line(&as_text(&access.target, &scanned))?;
    }
    Ok(if scanned.proposals.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Sections for a policy, each under a comment that says why.
fn as_text(target: &str, scanned: &Scanned) -> String {
    let mut lines = vec![format!(
        "# {}: {} columns, {} masked by the policy, {} more proposed",
        printable(target),
        scanned.columns,
        scanned.masked.len(),
        scanned.proposals.len()
    )];
    for (relation, code) in &scanned.unread {
        let relation = printable(relation);
        lines.push(format!("# {relation}: no rows were read ({})", printable(code)));
    }
    for proposal in &scanned.proposals {
        let Proposal { category, because, .. } = proposal;
        lines.push(String::new());
        lines.push(format!("# {}: {because}", category.as_str()));
        lines.push(proposal.section(target));
    }
    lines.join("\n")
}

fn as_json(target: &str, scanned: &Scanned) -> serde_json::Value {
    let proposals = scanned.proposals.iter().map(|proposal| {
        serde_json::json!({
            "resource": proposal.resource,
            "category": proposal.category.as_str(),
            "technique": proposal.technique.as_str(),
            "because": proposal.because.to_string(),
        })
    });
    let unread = scanned
        .unread
        .iter()
        .map(|(relation, code)| serde_json::json!({ "relation": relation, "sqlstate": code }));
    serde_json::json!({
        "target": target,
        "columns": scanned.columns,
        "masked": scanned.masked,
        "proposals": proposals.collect::<Vec<_>>(),
        "unread": unread.collect::<Vec<_>>(),
    })
}
