//! `exhibit policy explain`: what a policy decides about a request, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_identity::api_key::{ISSUER, METHOD};
use exhibit_proxy::reading::ObjectRequest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Attribute, Effect, Facts};

use super::pipeline_run;
use super::question::{Question, Request, access, principal, read_catalog, read_policy, time};
use crate::error::CliError;
use crate::output::Output;

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit policy catalog clinic > clinic.json
  exhibit policy explain --policy policy.toml --subject ci-nightly --group pipelines \\
    --target clinic --catalog clinic.json -- \"SELECT id, ssn FROM patients\"
  exhibit policy explain --policy policy.toml --subject ci-nightly --group pipelines \\
    --target clinic --access define:public.claims
  exhibit policy explain --policy policy.toml --subject ci-nightly --group pipelines \\
    --target lake --operation DeleteObject --object clinic-exports/patients.csv";

/// Show what a policy decides about a request, and why
///
/// The request is SQL with the target's catalog, an operation of S3 with --operation, or accesses given with --access. The answer names the rule that decides
/// each access, rules that nearly match, who must approve, and what is masked. It is what a proxy with this policy and
/// catalog decides.
///
/// It asks neither a proxy nor a database, so it cannot know what a session adds: its own search path, temporary tables,
/// prepared names or transaction, and definitions that changed since the catalog was recorded. It cannot know whether the
/// API key is valid, nor what the database itself refuses. With --access it takes the accesses as given and proves
/// nothing about masks: SQL on the same table may still be denied. With --operation it does not know what headers add (a grant, a
/// lock, a condition) or a body holds, nor whether an object can be read as its document.
///
/// Exits with 1 when the request is denied.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("request").required(true).args(["sql", "operation", "accesses"]))]
pub(crate) struct Arguments {
    /// The policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Who asks: the user name of the agent
    #[arg(long)]
    subject: String,
    /// A group of the agent; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// How the agent proved who it is
    #[arg(long, default_value = METHOD)]
    method: String,
    /// Who vouches for the agent
    #[arg(long, default_value = ISSUER)]
    issuer: String,
    /// Something about the pipeline's run, by its name in roles, such as `repository_id=456789`; may be given several times
    #[arg(long = "run", value_name = "NAME=VALUE", value_parser = pipeline_run::claim)]
    run: Vec<(pipeline_run::Claim, String)>,
    /// The target's name in the policy
    #[arg(long)]
    target: String,
    /// The target's catalog, from `exhibit policy catalog`
    #[arg(long, value_name = "FILE", requires = "sql")]
    catalog: Option<PathBuf>,
    /// A schema that names without one are looked up in; may be given several times, in order
    #[arg(long = "schema", value_name = "SCHEMA", default_value = "public", requires = "sql")]
    schemas: Vec<String>,
    /// An access: read, write, delete, define, grant, execute, session or transaction, and to what; may be given
    /// several times
    #[arg(long = "access", value_name = "ACTION[:RESOURCE]", value_parser = access)]
    accesses: Vec<Access>,
    /// An operation of S3, such as `GetObject`
    #[arg(long, value_name = "OPERATION")]
    operation: Option<String>,
    /// With --operation: the bucket or the object that it is about; several times for `DeleteObjects`, not at all for the service
    #[arg(long = "object", value_name = "BUCKET[/KEY]", requires = "operation")]
    objects: Vec<String>,
    /// With --operation: what a copy is made of
    #[arg(long, value_name = "BUCKET/KEY", requires = "operation")]
    source: Option<String>,
    /// With --access or --operation: a fact that conditions of rules test, such as `no_where=true`; may be given several times
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = fact, conflicts_with = "sql")]
    facts: Vec<(String, Attribute)>,
    /// When it is asked for, such as 2026-11-24 or 2026-11-24T09:30:00Z, for rules with hours; now if left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// How many rows the database would expect, for rules by estimated rows; not known, which counts as more than any
    /// number, if left out
    #[arg(long, value_name = "N")]
    estimated_rows: Option<u64>,
    /// One like it, with other values, has passed before, for rules by `first_seen`; what has no fingerprint was never seen all the same
    #[arg(long)]
    seen: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The statement; its values are not repeated
    #[arg(last = true, requires = "catalog", value_name = "SQL")]
    sql: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let (effect, answer) = answer(arguments)?;
    output.line(&answer)?;
    Ok(match effect {
        Effect::Deny => ExitCode::from(1),
        Effect::Allow | Effect::Ask => ExitCode::SUCCESS,
    })
}

/// The decision's effect, and all that is printed.
fn answer(arguments: &Arguments) -> Result<(Effect, String), CliError> {
    let snapshot = read_policy(&arguments.policy)?;
    let given = || arguments.facts.iter().cloned().collect();
    let request = match (&arguments.catalog, &arguments.operation) {
        (_, Some(operation)) => {
            let request = ObjectRequest::parse(operation, &arguments.objects, arguments.source.as_deref(), given());
            Request::Object(request.map_err(|error| CliError::Usage(error.to_string()))?)
        }
        (Some(catalog), None) => Request::Sql {
            // An unquoted statement comes in words.
            command: arguments.sql.join(" "),
            catalog: read_catalog(catalog)?,
            schemas: arguments.schemas.clone(),
        },
        (None, None) => Request::Facts(Facts {
            accesses: arguments.accesses.clone(),
            attributes: given(),
            columns: None,
        }),
    };
    let Arguments {
        method,
        issuer,
        subject,
        groups,
        ..
    } = arguments;
    let question = Question {
        principal: principal(method, issuer, subject, groups, pipeline_run::of(&arguments.run)),
        target: arguments.target.clone(),
        request,
        time: Some(arguments.at.unwrap_or_else(|| SystemClock.now())),
        estimated_rows: arguments.estimated_rows,
        seen: arguments.seen,
    };
    let answer = question.put(&snapshot).map_err(|error| CliError::Reading {
        path: arguments.policy.clone(),
        error,
    })?;
    let shown = if arguments.json {
        answer.json().to_string()
    } else {
        answer.text()
    };
    Ok((answer.explanation.decision.effect, shown))
}

/// `NAME=VALUE`: true and false, numbers, and everything else a word.
fn fact(text: &str) -> Result<(String, Attribute), String> {
    let (name, value) = text.split_once('=').ok_or("a fact is NAME=VALUE")?;
    let value = match (value.parse(), value.parse()) {
        (Ok(value), _) => Attribute::Bool(value),
        (_, Ok(value)) => Attribute::Integer(value),
        _ => Attribute::Text(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests;
