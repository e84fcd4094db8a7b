//! `exhibit policy check`: whether a proxy takes a policy, and what its author should look at.

mod columns;
mod operations;
mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_policy::inspect::{Kind, Reach, Warning, inspect, reach};
use exhibit_policy::snapshot::Snapshot;
use exhibit_proxy::reading::{ReadingError, RecordedCatalog, attributes};
use exhibit_schemas::digest::Digest;
use exhibit_startup::configuration::{File, Step};

use super::question::read_catalog;
use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit policy check policy.toml
  exhibit policy check policy.toml --catalog clinic=clinic.json --deny-warnings --accept unapproved-change";

/// Read a policy file as a proxy would, say what is wrong with it, and what to look at
///
/// Warnings are about what a proxy takes and its author may not mean: rules, resources, masks and documents that earlier ones leave
/// nothing to (shadowed-rule, shadowed-resource, shadowed-mask, shadowed-document), conditions that never hold (dead-condition), masks that name
/// no column (masked-nothing), columns that are read as they are and of which one of the same name is masked elsewhere
/// (unmasked, with --catalog), targets that are read without a mask or a net, and documents with PHI without a mask (nothing-masked), what a net passes over and no
/// mask masks (net-exception), changes of whatever agents name without an approval (unapproved-change), rules that are only observed and would deny what is
/// denied anyway (idle-observation), targets of which all rules are (only-observed), values that may be tried
/// and of which a mask shows a part (guessable), names that nothing uses (unused), and columns that are to identify patients and
/// do not (unidentified). Below them stands what each role reaches without an approval.
///
/// A rule that is called shadowed decides no request. Not every dead rule is found: roles that nobody has, and earlier rules that
/// share all values of a condition, are not.
///
/// Exits with 1 when a proxy would refuse the file, and with --deny-warnings when there is a warning that is not accepted.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The policy
    file: PathBuf,
    /// A target's catalog, from `exhibit policy catalog`, to compare masks with; may be given several times
    #[arg(long = "catalog", value_name = "TARGET=FILE", value_parser = catalog)]
    catalogs: Vec<(String, PathBuf)>,
    /// Exit with 1 when there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// A kind of warnings that are known and do not count; may be given several times
    #[arg(long = "accept", value_name = "KIND", value_parser = kind, requires = "deny_warnings")]
    accepted: Vec<Kind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn catalog(text: &str) -> Result<(String, PathBuf), String> {
    let (target, path) = text.split_once('=').ok_or("give TARGET=FILE")?;
    Ok((target.to_owned(), PathBuf::from(path)))
}

fn kind(word: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
    known.ok_or_else(|| {
        let words = Kind::ALL.map(Kind::as_str).join(", ");
        format!("`{word}` is no kind of warnings; kinds are {words}")
    })
}

/// What there is to say of a policy file.
struct Checked {
    file: String,
    /// The policy's digest, or why a proxy refuses it.
    policy: Result<Digest, String>,
    /// Each with its line.
    warnings: Vec<(usize, Warning)>,
    /// What is reached without an approval.
    reach: Vec<Reach>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let checked = check(arguments)?;
    if arguments.json {
        output.json(&checked.json())?;
    } else {
        output.line(&checked.text())?;
    }
    let counts = |(_, warning): &(usize, Warning)| !arguments.accepted.contains(&warning.kind);
    let warned = arguments.deny_warnings && checked.warnings.iter().any(counts);
    Ok(match checked.policy {
        Ok(_) if !warned => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn check(arguments: &Arguments) -> Result<Checked, CliError> {
    let bytes = files::read(&arguments.file)?;
    let name = arguments.file.display().to_string();
    let snapshot = match Snapshot::parse(&bytes) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            return Ok(Checked {
                file: name,
                policy: Err(error.to_string()),
                warnings: Vec::new(),
                reach: Vec::new(),
            });
        }
    };
    let catalogs = read_catalogs(arguments, &snapshot)?;
    let mut warnings = inspect(&snapshot, &attributes);
    warnings.extend(columns::inspect(&snapshot, &catalogs));
    let file = File::of(&arguments.file, &String::from_utf8_lossy(&bytes));
    warnings.extend(operations::inspect(&file));
    let line = |warning: &Warning| file.line(&[Step::Key(warning.place.list), Step::Element(warning.place.element)]);
    let mut warnings: Vec<_> = warnings.into_iter().map(|warning| (line(&warning), warning)).collect();
    warnings.sort_by_key(|(line, _)| *line);
    Ok(Checked {
        file: name,
        policy: Ok(snapshot.digest()),
        warnings,
        reach: reach(&snapshot),
    })
}

fn read_catalogs(arguments: &Arguments, snapshot: &Snapshot) -> Result<BTreeMap<String, RecordedCatalog>, CliError> {
    let mut catalogs = BTreeMap::new();
    for (target, path) in &arguments.catalogs {
        if !snapshot.targets().iter().any(|known| known.name == *target) {
            return Err(CliError::Reading {
                path: arguments.file.clone(),
                error: ReadingError::Target(target.clone()),
            });
        }
        if catalogs.insert(target.clone(), read_catalog(path)?).is_some() {
            return Err(CliError::Usage(format!("two catalogs are given for target `{target}`")));
        }
    }
    Ok(catalogs)
}

#[cfg(test)]
mod tests;
