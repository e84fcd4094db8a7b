//! `exhibit policy explain`: what a policy decides about a request, and why.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exhibit_identity::api_key::{ISSUER, METHOD};
use exhibit_policy::explain::{Explanation, explain};
use exhibit_policy::snapshot::Snapshot;
use exhibit_proxy::reading::{Reading, ReadingError};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Effect, Facts, Principal};

use crate::error::CliError;
use crate::files;
use crate::output::Output;

mod page;
mod run;

/// Bytes of a catalog at the most, as the gate records it.
const CATALOG_BYTES_MAX: u64 = 32 << 20;

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit policy catalog clinic > clinic.json
  exhibit policy explain --policy policy.toml --subject ci-nightly --group pipelines \\
    --target clinic --catalog clinic.json -- \"SELECT id, ssn FROM patients\"
  exhibit policy explain --policy policy.toml --subject ci-nightly --group pipelines \\
    --target clinic --access define:public.claims";

/// Show what a policy decides about a request, and why
///
/// The request is SQL with the target's catalog, or accesses given with --access. The answer names the rule that decides
/// each access, rules that nearly match, who must approve, and what is masked. It is what a proxy with this policy and
/// catalog decides.
///
/// It asks neither a proxy nor a database, so it cannot know what a session adds: its own search path, temporary tables,
/// prepared names or transaction, and definitions that changed since the catalog was recorded. It cannot know whether the
/// API key is valid, nor what the database itself refuses. With --access it takes the accesses as given and proves
/// nothing about masks: SQL on the same table may still be denied.
///
/// Exits with 1 when the request is denied.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("request").required(true).args(["sql", "accesses"]))]
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
    #[arg(long = "run", value_name = "NAME=VALUE", value_parser = run::claim)]
    run: Vec<(run::Claim, String)>,
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
    /// With --access: a fact that conditions of rules test, such as `no_where=true`; may be given several times
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = fact, conflicts_with = "sql")]
    facts: Vec<(String, Attribute)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The statement; its values are not repeated
    #[arg(last = true, requires = "catalog", value_name = "SQL")]
    sql: Vec<String>,
}

/// A request with everything that is said about it.
struct Explained<'a> {
    principal: &'a Principal,
    target: &'a str,
    /// The command without its values; absent where accesses were given.
    statement: Option<&'a str>,
    facts: &'a Facts,
    explanation: &'a Explanation,
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
    let target = known_target(&snapshot, &arguments.target, &arguments.policy)?;
    let principal = Principal {
        method: arguments.method.clone(),
        issuer: arguments.issuer.clone(),
        subject: arguments.subject.clone(),
        client_id: None,
        groups: arguments.groups.clone(),
        // No credential was shown; roles do not match on it.
        evidence: Digest([0; 32]),
        run: run::of(&arguments.run),
    };
    let catalog = arguments.catalog.as_ref();
    let reading = catalog.map(|catalog| read_command(arguments, &snapshot, catalog));
    let reading = reading.transpose()?;
    let given = Facts {
        accesses: arguments.accesses.clone(),
        attributes: arguments.facts.iter().cloned().collect(),
    };
    let facts = reading.as_ref().map_or(&given, |reading| &reading.facts);
    let parts = |resource: &str| {
        reading
            .as_ref()
            .map(|reading| reading.parts(resource))
            .unwrap_or_default()
    };
    let explanation = explain(&snapshot, &principal, target, facts, &parts);
    let explained = Explained {
        principal: &principal,
        target,
        statement: reading.as_ref().map(|reading| reading.statement.as_str()),
        facts,
        explanation: &explanation,
    };
    let answer = if arguments.json {
        explained.json().to_string()
    } else {
        explained.text()
    };
    Ok((explanation.decision.effect, answer))
}

fn read_policy(path: &Path) -> Result<Snapshot, CliError> {
    Snapshot::parse(&files::read(path)?).map_err(|error| CliError::Policy {
        path: path.to_owned(),
        error,
    })
}

fn read_command(arguments: &Arguments, snapshot: &Snapshot, catalog: &Path) -> Result<Reading, CliError> {
    let bytes = files::read_at_most(catalog, CATALOG_BYTES_MAX)?;
    // An unquoted statement comes in words.
    let command = arguments.sql.join(" ");
    let read = Reading::of(snapshot, &arguments.target, &command, &bytes, &arguments.schemas);
    read.map_err(|error| {
        let path = match error {
            ReadingError::Catalog(_) => catalog,
            ReadingError::Target(_) | ReadingError::Protocol(_) => &arguments.policy,
        };
        CliError::Reading {
            path: path.to_owned(),
            error,
        }
    })
}

/// A name that the policy has: a request for another would be denied, and only because of the misspelling.
fn known_target<'a>(snapshot: &'a Snapshot, name: &str, path: &Path) -> Result<&'a str, CliError> {
    let known = snapshot.targets().iter().find(|target| target.name == name);
    known
        .map(|target| target.name.as_str())
        .ok_or_else(|| CliError::Reading {
            path: path.to_owned(),
            error: ReadingError::Target(name.to_owned()),
        })
}

/// `ACTION[:RESOURCE]`.
fn access(text: &str) -> Result<Access, String> {
    let (action, resource) = match text.split_once(':') {
        Some((_, "")) => return Err("a resource follows the colon".to_owned()),
        Some((action, resource)) => (action, Some(resource.to_owned())),
        None => (text, None),
    };
    let words = || {
        Action::ALL
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let action =
        Action::from_word(action).ok_or_else(|| format!("`{action}` is no action; actions are {}", words()))?;
    Ok(Access(action, resource))
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
