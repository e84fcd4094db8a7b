//! `exhibit policy test`: whether a policy says what its authors expect, for the CI of a policy.

mod expectations;
mod expected;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_policy::snapshot::Snapshot;
use serde_json::json;

use self::expectations::{Case, Expectations};
use self::expected::Difference;
use super::question::{Answer, read_policy};
use crate::error::CliError;
use crate::output::{Output, printable};

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit policy test policy.toml expectations.toml
  exhibit policy test policy.toml expectations.toml --json";

/// Compare what a policy decides with a file of expectations
///
/// Each case of the file is a request as `exhibit policy explain` takes it, SQL with the target's catalog, an operation of S3 or accesses, with
/// what is expected of it: effect, rule or cause, and where they matter reason, approval, roles, observed rules, masks and nets.
/// What is not as expected is shown with all that the policy says of the request. Rules that match no access of any case are named.
///
/// It knows what `exhibit policy explain` knows, and no more: nothing of a session, a credential or a database.
///
/// Exits with 1 when a case is not as expected, and with 2 when a file is refused.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The policy
    policy: PathBuf,
    /// The expectations
    expectations: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of all cases.
struct Outcome {
    snapshot: Snapshot,
    cases: Vec<Tried>,
    /// Rules that decided no access of a case, and were not observed to match one, in the order of the file.
    idle: Vec<String>,
}

/// What became of a case.
struct Tried {
    name: String,
    line: usize,
    differences: Vec<Difference>,
    answer: Answer,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let outcome = compare(arguments)?;
    if arguments.json {
        output.json(&outcome.json())?;
    } else {
        output.line(&outcome.text(&arguments.expectations.display().to_string()))?;
    }
    Ok(match outcome.failed().count() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    })
}

fn compare(arguments: &Arguments) -> Result<Outcome, CliError> {
    let snapshot = read_policy(&arguments.policy)?;
    let expectations = Expectations::read(&arguments.expectations)?;
    let mut cases = Vec::with_capacity(expectations.cases.len());
    for case in expectations.cases {
        let Case {
            name,
            line,
            question,
            expected,
        } = case;
        let answer = question
            .put(&snapshot)
            .map_err(|error| CliError::Usage(format!("{}, line {line}: {error}", arguments.expectations.display())))?;
        cases.push(Tried {
            name,
            line,
            differences: expected.differences(&answer.explanation),
            answer,
        });
    }
    let accesses = cases.iter().flat_map(|case| &case.answer.explanation.accesses);
    let observed = cases.iter().flat_map(|case| &case.answer.explanation.observed);
    let observed = observed.map(|one| one.rule.as_str());
    let reached: BTreeSet<&str> = accesses
        .filter_map(|access| access.rule.as_deref())
        .chain(observed)
        .collect();
    let idle = snapshot.rule_names().filter(|name| !reached.contains(name));
    Ok(Outcome {
        idle: idle.map(str::to_owned).collect(),
        snapshot,
        cases,
    })
}

impl Outcome {
    fn failed(&self) -> impl Iterator<Item = &Tried> {
        self.cases.iter().filter(|case| !case.differences.is_empty())
    }

    /// Every case that failed, then how many did.
    fn text(&self, file: &str) -> String {
        let mut lines = Vec::new();
        for case in self.failed() {
            lines.push(format!("{file}, line {}: {}", case.line, case.name));
            for Difference { what, expected, found } in &case.differences {
                lines.push(format!("  {what}: expected {expected}, found {found}"));
            }
            lines.push("  the policy says".to_owned());
            lines.extend(
                case.answer
                    .text()
                    .lines()
                    .map(|line| format!("    {line}").trim_end().to_owned()),
            );
            lines.push(String::new());
        }
        if !self.idle.is_empty() {
            lines.push(format!("no case reaches {}", rules(&self.idle)));
        }
        let (failed, all) = (self.failed().count(), self.cases.len());
        let digest = self.snapshot.digest();
        lines.push(match failed {
            0 => format!("{all} cases, all as expected of {digest}"),
            _ => format!("{failed} of {all} cases are not as expected of {digest}"),
        });
        printable(&lines.join("\n"))
    }

    /// The same for programs; every field is always there.
    fn json(&self) -> serde_json::Value {
        let cases = self.cases.iter().map(|case| {
            let differences = case
                .differences
                .iter()
                .map(|one| json!({ "what": one.what, "expected": one.expected, "found": one.found }));
            json!({
                "name": case.name,
                "line": case.line,
                "passed": case.differences.is_empty(),
                "differences": differences.collect::<Vec<_>>(),
                "answer": case.answer.json(),
            })
        });
        json!({
            "policy": self.snapshot.digest().to_string(),
            "failed": self.failed().count(),
            "cases": cases.collect::<Vec<_>>(),
            "unreached_rules": self.idle,
        })
    }
}

/// Names as a list in a sentence.
fn rules(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let noun = if quoted.len() == 1 { "rule" } else { "rules" };
    format!("{noun} {}", quoted.join(", "))
}

#[cfg(test)]
mod tests;
