//! Writes the evidence report of a bundle, or says whether a directory holds what the bundle gives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use exhibit_schemas::digest::Digest;
use exhibit_verify::report::Report;
use exhibit_verify::report::package::{
    Difference, Head, MANIFEST, MANIFEST_BYTES_MAX, Made, Manifest, Package, compare,
};
use exhibit_verify::summary::text;
use exhibit_verify::verify::report;
use exhibit_verify::{Options, Outcome, Period, VERIFIER_VERSION};

use super::check::{Check, Given, code, read_text};
use super::{FINDINGS, Failure};
use crate::output;

#[derive(Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    check: Check,
    /// The period to report on, in days or times of UTC, without its last moment; the whole log where it is left out
    #[arg(long, value_name = "FROM..TO", value_parser = Period::parse, conflicts_with = "of")]
    period: Option<Period>,
    /// Whose evidence it is, for the cover
    #[arg(long, value_name = "NAME", conflicts_with = "of")]
    entity: Option<String>,
    /// Directory to write the report to; made if it is not there. An earlier report in it is replaced
    #[arg(long, value_name = "DIR", required_unless_present = "of", conflicts_with = "of")]
    out: Option<PathBuf>,
    /// Write nothing, and say whether this directory holds the report that the bundle gives, by the options in its manifest
    #[arg(long = "check", value_name = "DIR")]
    of: Option<PathBuf>,
}

pub(crate) fn run(wanted: &Wanted) -> Result<u8, Failure> {
    let given = Given::read(&wanted.check)?;
    if let Some(directory) = &wanted.of {
        return checked(wanted, given, directory);
    }
    let made = Made {
        command: String::new(),
        period: wanted.period.unwrap_or(Period::ALWAYS).to_string(),
        entity: wanted.entity.clone(),
        keys: Digest::of(given.trust.as_bytes()).to_string(),
        heads: heads(&given),
        verifier_sha256: program(),
    };
    let (outcome, manifest) = make(&given, command(made), wanted.out.as_deref())?;
    let mut answer = text(&outcome);
    if let Some(out) = &wanted.out {
        let files = manifest.files.len() + 1;
        let written = writeln!(
            answer,
            "Report in {}: {files} files, {MANIFEST} SHA-256 {}.",
            out.display(),
            manifest.digest()
        );
        written.expect("a String takes every text");
    }
    output::say(&answer).map_err(Failure::Print)?;
    Ok(code(&outcome, &wanted.check))
}

/// Makes the report.
fn make(given: &Given, made: Made, out: Option<&Path>) -> Result<(Outcome, Manifest), Failure> {
    // The parser of arguments, or of a manifest, took it before.
    let period = Period::parse(&made.period).unwrap_or(Period::ALWAYS);
    let mut package = Package::begin(out, made.entity.as_deref())?;
    let bar = output::Bar::new();
    let options = Options {
        heads: &given.heads,
        evidence: Some(period),
        progress: &mut |progress| bar.show(progress),
    };
    let outcome = report(&given.archive, &given.anchors, options, &mut package);
    bar.say("files of the report");
    let outcome = outcome?;
    let mut report = Report::of(&outcome).by_program(made.verifier_sha256.clone());
    if let Some(entity) = &made.entity {
        report = report.for_entity(entity);
    }
    let manifest = package.finish(&report, made);
    bar.end();
    Ok((outcome, manifest?))
}

/// The command line that makes the report, with names for what stands elsewhere on every machine.
fn command(mut made: Made) -> Made {
    let mut line = "exhibit-verify report BUNDLE --keys TRUST.TOML".to_owned();
    if !made.heads.is_empty() {
        line.push_str(" --heads");
        for head in &made.heads {
            line.push(' ');
            line.push_str(&quoted(&head.name));
        }
    }
    if made.period != Period::ALWAYS.to_string() {
        line.push_str(" --period ");
        line.push_str(&made.period);
    }
    if let Some(entity) = &made.entity {
        line.push_str(" --entity ");
        line.push_str(&quoted(entity));
    }
    line.push_str(" --out DIR");
    made.command = line;
    made
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:,@".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn heads(given: &Given) -> Vec<Head> {
    let head = |kept: &exhibit_verify::KeptHead| Head {
        name: kept.name.clone(),
        sha256: Digest::of(kept.note.as_bytes()).to_string(),
    };
    given.heads.iter().map(head).collect()
}

/// SHA-256 of the program that runs; absent where the system does not show it.
fn program() -> Option<String> {
    let bytes = std::fs::read(std::env::current_exe().ok()?).ok()?;
    Some(Digest::of(&bytes).to_string())
}

/// Calls kept checkpoints what the maker of a report called the same ones, in its order: findings name them.
fn call_as(given: &mut Given, stated: &[Head]) {
    let mut left = std::mem::take(&mut given.heads);
    for head in stated {
        let same = |kept: &exhibit_verify::KeptHead| Digest::of(kept.note.as_bytes()).to_string() == head.sha256;
        if let Some(place) = left.iter().position(same) {
            let mut kept = left.remove(place);
            kept.name.clone_from(&head.name);
            given.heads.push(kept);
        }
    }
    given.heads.append(&mut left);
}

/// Makes the report again by the options of the one that was handed over, and compares.
fn checked(wanted: &Wanted, mut given: Given, directory: &Path) -> Result<u8, Failure> {
    let path = directory.join(MANIFEST);
    let stated = read_text(&path, MANIFEST_BYTES_MAX)?;
    let stated = Manifest::parse(&stated).map_err(|error| Failure::Manifest {
        path: path.clone(),
        error,
    })?;
    call_as(&mut given, &stated.made.heads);
    let given = &given;
    let period = Period::parse(&stated.made.period);
    let always = stated.made.period == Period::ALWAYS.to_string();
    let mut hints = Vec::new();
    if period.is_err() && !always {
        hints.push(format!("Its manifest has no period: `{}`.", stated.made.period));
    }
    let keys = Digest::of(given.trust.as_bytes()).to_string();
    if stated.made.keys != keys {
        hints.push(format!(
            "It was made under other trust anchors, of SHA-256 {}; these are {keys}.",
            stated.made.keys
        ));
    }
    if stated.made.heads != heads(given) {
        let names: Vec<_> = stated.made.heads.iter().map(|head| head.name.as_str()).collect();
        hints.push(format!(
            "It was compared with other kept checkpoints: --heads {}.",
            names.join(" ")
        ));
    }
    if stated.verifier != VERIFIER_VERSION {
        hints.push(format!(
            "It was made by exhibit-verify {}; this is {VERIFIER_VERSION}.",
            stated.verifier
        ));
    }
    let made = Made {
        keys,
        heads: heads(given),
        // One that is written otherwise than here is no period of a report of ours.
        period: period.unwrap_or(Period::ALWAYS).to_string(),
        ..stated.made.clone()
    };
    let (outcome, again) = make(given, command(made), None)?;
    let differences = compare(directory, &again)?;
    let answer = answer(&outcome, directory, &stated, &differences, &hints);
    output::say(&answer).map_err(Failure::Print)?;
    Ok(if differences.is_empty() {
        code(&outcome, &wanted.check)
    } else {
        FINDINGS
    })
}

fn answer(
    outcome: &Outcome,
    directory: &Path,
    stated: &Manifest,
    differences: &[Difference],
    hints: &[String],
) -> String {
    let mut answer = text(outcome);
    let mut line = |text: &str| {
        answer.push_str(text);
        answer.push('\n');
    };
    if differences.is_empty() {
        let files = stated.files.len() + 1;
        line(&format!(
            "SAME     {}: each of its {files} files is what this bundle gives.",
            directory.display()
        ));
        if stated.made.verifier_sha256 != program() {
            line("         It names another program of the same version as its maker.");
        }
    } else {
        line(&format!(
            "DIFFERS  {}: it is not what this bundle gives.",
            directory.display()
        ));
        for difference in differences {
            line(&format!("         {difference}"));
        }
    }
    for hint in hints {
        line(hint);
    }
    answer
}
