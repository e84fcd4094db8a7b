//! `exhibit patient`: who a patient is in the evidence.
//!
//! The ledger knows patients by tokens under the proxy's key of masks and cannot make them. This runs where that key is,
//! asks nobody, and writes nothing.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use exhibit_policy::mask::MaskKey;
use exhibit_policy::patients;
use exhibit_proxy::mask_key;
use exhibit_schemas::event::trust::MaskKeyId;
use serde::Serialize;
use zeroize::Zeroizing;

use super::policy::read_policy;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};

/// Bytes of an identifier at the most: a value that names somebody is short, and a whole file given by mistake is not one.
const IDENTIFIER_BYTES_MAX: usize = 1_024;

/// Identifiers of one call at the most.
const IDENTIFIERS_MAX: usize = 10_000;

/// Find what the evidence knows a patient by
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Token(Token),
}

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit patient token --target clinic            # type the identifier, end with Enter and Ctrl-D
  exhibit search $(exhibit patient token --target clinic < identifier.txt)";

/// Make the tokens by which the evidence knows patients
///
/// Run it where the proxy's directory is. It reads identifiers from its standard input, one to a line and written as the
/// target writes them as text, so that none stands in the history of a shell; for each it prints the terms of a search that
/// finds every reply with a record of the patient, one term to a key: the key of masks of today and every earlier one that is
/// kept beside it. Records that were released under a key whose file is gone cannot be found; it says so.
///
/// Whoever has the key can do this for every identifier; it leaves no event. The search does.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Token {
    /// The target's name in the policy
    #[arg(long)]
    target: String,
    /// The domain of the tokens, where the policy's `[[patients]]` has several for the target
    #[arg(long)]
    domain: Option<String>,
    /// Print JSON, one line to an identifier
    #[arg(long)]
    json: bool,
}

/// A patient's token under one key.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Under {
    key: String,
    token: String,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`].
pub(crate) fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let Command::Token(arguments) = command;
    let proxy = config.proxy()?;
    let policy = read_policy(&proxy.policy)?;
    let domain = domain(&policy.patients_domains(&arguments.target), arguments)?;
    let (keys, lost) = keys(&proxy.directory)?;
    let identifiers = identifiers(output)?;
    for identifier in &identifiers {
        let tokens = tokens(&keys, domain, identifier);
        if arguments.json {
            output.json(&serde_json::json!({ "domain": domain, "tokens": tokens }))?;
        } else {
            let terms: Vec<String> = tokens.iter().map(|under| format!("patient:{}", under.token)).collect();
            output.line(&terms.join(" "))?;
        }
    }
    if !lost.is_empty() {
        let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
        output.note(&format!(
            "keys of masks whose files are gone: {}; records that were released under them are not found by this",
            lost.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The domain that is meant.
fn domain<'a>(known: &BTreeSet<&'a str>, arguments: &Token) -> Result<&'a str, CliError> {
    let known: Vec<&str> = known.iter().copied().collect();
    let target = printable(&arguments.target);
    let told = match (known.as_slice(), &arguments.domain) {
        ([], _) => format!("the policy names no patients of a target `{target}`; see `[[patients]]` in it"),
        ([only], None) => return Ok(only),
        (several, None) => format!(
            "patients of `{target}` have tokens of several domains, say which with `--domain`: {}",
            printable(&several.join(", "))
        ),
        (several, Some(wanted)) => match several.iter().find(|domain| *domain == wanted) {
            Some(domain) => return Ok(domain),
            None => format!(
                "patients of `{target}` have no tokens of the domain `{}`, but of {}",
                printable(wanted),
                printable(&several.join(", "))
            ),
        },
    };
    Err(CliError::Usage(told))
}

/// The key in force and those before it whose files are there, and the ids of the others that they name. A key that took the
/// place of a lost one names no more than that one, so the files are looked for, too.
fn keys(directory: &Path) -> Result<(Vec<MaskKey>, Vec<MaskKeyId>), CliError> {
    let key = mask_key::read(&directory.join(mask_key::FILE))?;
    let mut named: Vec<MaskKeyId> = key.replaced().to_vec();
    let mut keys = vec![key];
    for id in mask_key::all_retired(directory)? {
        let path = mask_key::retired(directory, id);
        let retired = mask_key::read(&path)?;
        if retired.id() != id {
            return Err(CliError::Usage(format!(
                "{} holds the key {}, not the one that its name says",
                path.display(),
                retired.id()
            )));
        }
        named.extend(retired.replaced());
        keys.push(retired);
    }
    let mut lost = Vec::new();
    for id in named {
        if !lost.contains(&id) && !keys.iter().any(|key| key.id() == id) {
            lost.push(id);
        }
    }
    Ok((keys, lost))
}

fn tokens(keys: &[MaskKey], domain: &str, identifier: &[u8]) -> Vec<Under> {
    let under = |key: &MaskKey| Under {
        key: key.id().to_string(),
        token: patients::token(key, domain, identifier).to_string(),
    };
    keys.iter().map(under).collect()
}

/// What standard input has, a line each, without their ends.
fn identifiers(output: &mut Output) -> Result<Vec<Zeroizing<Vec<u8>>>, CliError> {
    let input = std::io::stdin();
    if input.is_terminal() {
        output.note("identifiers, one to a line; Ctrl-D ends:");
    }
    let limit = u64::try_from(IDENTIFIERS_MAX * IDENTIFIER_BYTES_MAX).unwrap_or(u64::MAX);
    read_identifiers(std::io::BufReader::new(input.lock().take(limit)))
}

fn read_identifiers(mut input: impl std::io::BufRead) -> Result<Vec<Zeroizing<Vec<u8>>>, CliError> {
    let mut identifiers = Vec::new();
    loop {
        let mut line = Zeroizing::new(Vec::new());
        if input.read_until(b'\n', &mut line).map_err(CliError::Input)? == 0 {
            break;
        }
        let end = line.len()
            - line
                .iter()
                .rev()
                .take_while(|byte| matches!(byte, b'\r' | b'\n'))
                .count();
        line.truncate(end);
        let number = identifiers.len() + 1;
        if line.is_empty() || line.len() > IDENTIFIER_BYTES_MAX || number > IDENTIFIERS_MAX {
            // The line itself may be a patient's.
            return Err(CliError::Usage(format!(
                "line {number} of the standard input is no identifier: at most {IDENTIFIERS_MAX} are taken, of 1 to \
                 {IDENTIFIER_BYTES_MAX} bytes"
            )));
        }
        identifiers.push(line);
    }
    if identifiers.is_empty() {
        let rule = "the standard input is empty; give the identifiers there, one to a line";
        return Err(CliError::Usage(rule.to_owned()));
    }
    Ok(identifiers)
}

#[cfg(test)]
mod tests;
