//! `exhibit target plan`.

use std::process::ExitCode;

use exhibit_proxy::enforcement::{MaskedRelation, Plan, Shown};

use super::Access;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};

/// Print what would be installed in a target's database so that it enforces the masks itself
///
/// The plan is made from the policy and from what the database says of itself; nothing is changed. It lists every masked
/// column with what it will show, and the statements in order. $1 and $2 stand for the key of tokens, which is not printed,
/// and $3 for the class of letters.
///
/// Exits with 1, and says why, when the agents' role would still reach masked values.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let access = &arguments.access;
    let plan = match access.connect(config).await?.plan().await {
        Ok(plan) => plan,
        Err(error) => return access.refused(error, output),
    };
    if access.json {
        output.json(&as_json(&access.target, &plan))?;
    } else {
        output.line(&as_text(&access.target, &plan))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The plan as SQL, with what it is about as comments.
pub(super) fn as_text(target: &str, plan: &Plan) -> String {
    let mut lines = vec![format!(
        "-- target {}, agents' role {}, plan {}",
        printable(target),
        printable(plan.role()),
        plan.digest()
    )];
    for MaskedRelation {
        resource,
        view,
        columns,
    } in plan.relations()
    {
        lines.push(format!(
            "-- {}: view exhibit.{:?}",
            printable(resource),
            printable(view)
        ));
        for column in columns {
            let shown = match column.shown {
                Shown::Technique => column.technique.to_owned(),
                Shown::Null(why) => format!("{}: NULL ({why})", column.technique),
            };
            let column_name = printable(&column.resource);
            lines.push(format!(
                "--   {column_name}  {shown}  [mask {}]",
                printable(&column.mask)
            ));
        }
    }
    let warnings = plan.warnings().iter();
    lines.extend(warnings.map(|warning| format!("-- warning: {}", printable(&warning.to_string()))));
    lines.push("BEGIN;".to_owned());
    lines.extend(plan.steps().iter().map(|step| format!("{};", printable(&step.sql))));
    lines.push("COMMIT;".to_owned());
    lines.join("\n")
}

/// What an administrator should know of the plan.
pub(super) fn warnings(plan: &Plan) -> Vec<String> {
    plan.warnings().iter().map(ToString::to_string).collect()
}

pub(super) fn as_json(target: &str, plan: &Plan) -> serde_json::Value {
    let statements: Vec<&str> = plan.steps().iter().map(|step| step.sql.as_str()).collect();
    serde_json::json!({
        "target": target,
        "role": plan.role(),
        "plan": plan.digest().to_string(),
        "relations": plan.relations(),
        "warnings": warnings(plan),
        "statements": statements,
    })
}
