//! Writes the evidence report of a bundle, or says whether a directory holds what the bundle gives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::report::Report;
use crate::report::package::{Difference, Head, MANIFEST, MANIFEST_BYTES_MAX, Made, Manifest, PDF, Package, compare};
use crate::report::paper::Typesetter;
use crate::report::since::{Earlier, Since};
use crate::summary::text;
use crate::verify::report;
use crate::{Options, Outcome, Period, VERIFIER_VERSION};
use clap::Args;
use exhibit_schemas::digest::Digest;

use super::check::{Check, Given, code, read_text};
use super::{FINDINGS, Failure, USAGE, signed};
use crate::output;

/// The program that sets reports as PDF, too.
const WITH_PDF: &str = "exhibit-verify-pdf";

#[derive(Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    check: Check,
    /// The period to report on, in days or times of UTC, without its last moment; the whole log where it is left out
    #[arg(long, value_name = "FROM..TO", value_parser = Period::parse, conflicts_with_all = ["of", "signed"])]
    period: Option<Period>,
    /// Whose evidence it is, for the cover
    #[arg(long, value_name = "NAME", conflicts_with_all = ["of", "signed"])]
    entity: Option<String>,
    /// Directory to write the report to; made if it is not there. An earlier report in it is replaced
    #[arg(long, value_name = "DIR", required_unless_present_any = ["of", "signed"], conflicts_with_all = ["of", "signed"])]
    out: Option<PathBuf>,
    /// Say, too, what is new since the earlier report in this directory, and prove that the log only grew
    #[arg(long, value_name = "REPORT", conflicts_with = "signed")]
    since: Option<PathBuf>,
    /// Write nothing, and say whether this directory holds the report that the bundle gives, by the options in its manifest
    #[arg(long = "check", value_name = "DIR")]
    of: Option<PathBuf>,
    /// Write nothing, and say who signed the report in this directory, by a bundle that was exported after they did
    #[arg(long, value_name = "DIR", conflicts_with = "of")]
    signed: Option<PathBuf>,
}

/// What may set pages.
type Setting = Option<&'static dyn Typesetter>;

pub(crate) fn run(wanted: &Wanted, typesetter: Setting) -> Result<u8, Failure> {
    let given = Given::read(&wanted.check)?;
    if let Some(directory) = &wanted.signed {
        return signed::run(&given, &wanted.check, directory);
    }
    if let Some(directory) = &wanted.of {
        return checked(wanted, given, directory, typesetter);
    }
    let earlier = wanted.since.as_deref().map(earlier).transpose()?;
    let made = Made {
        since: earlier.as_ref().map(|(_, earlier)| earlier.digest().to_string()),
        command: String::new(),
        period: wanted.period.unwrap_or(Period::ALWAYS).to_string(),
        entity: wanted.entity.clone(),
        keys: Digest::of(given.trust.as_bytes()).to_string(),
        heads: heads(&given),
        verifier_sha256: program(),
    };
    let made = command(made, typesetter.is_some());
    let (outcome, manifest) = make(&given, made, earlier.as_ref(), wanted.out.as_deref(), typesetter)?;
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

/// An earlier report, and where it is.
type At<'a> = (&'a Path, Earlier);

fn earlier(path: &Path) -> Result<At<'_>, Failure> {
    let failed = |error| Failure::Since {
        path: path.to_owned(),
        error,
    };
    Ok((path, Earlier::read(path).map_err(failed)?))
}

/// Makes the report.
fn make(
    given: &Given,
    made: Made,
    earlier: Option<&At<'_>>,
    out: Option<&Path>,
    typesetter: Setting,
) -> Result<(Outcome, Manifest), Failure> {
    // The parser of arguments, or of a manifest, took it before.
    let period = Period::parse(&made.period).unwrap_or(Period::ALWAYS);
    let mut package = Package::begin(out, made.entity.as_deref())?.set_by(typesetter);
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
    if let Some((path, earlier)) = earlier {
        let since = Since::of(earlier, &report, &given.archive).map_err(|error| Failure::Since {
            path: (*path).to_owned(),
            error,
        })?;
        report = report.since(since);
    }
    let manifest = package.finish(&report, made);
    bar.end();
    Ok((outcome, manifest?))
}

/// The command line that makes the report, with names for what stands elsewhere on every machine.
fn command(mut made: Made, with_pdf: bool) -> Made {
    let program = if with_pdf { WITH_PDF } else { "exhibit-verify" };
    let mut line = format!("{program} report BUNDLE --keys TRUST.TOML");
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
    if made.since.is_some() {
        line.push_str(" --since REPORT");
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
    let head = |kept: &crate::KeptHead| Head {
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
        let same = |kept: &crate::KeptHead| Digest::of(kept.note.as_bytes()).to_string() == head.sha256;
        if let Some(place) = left.iter().position(same) {
            let mut kept = left.remove(place);
            kept.name.clone_from(&head.name);
            given.heads.push(kept);
        }
    }
    given.heads.append(&mut left);
}

/// The manifest of the report in a directory.
pub(super) fn stated(directory: &Path) -> Result<Manifest, Failure> {
    let path = directory.join(MANIFEST);
    let text = read_text(&path, MANIFEST_BYTES_MAX)?;
    Manifest::parse(&text).map_err(|error| Failure::Manifest { path, error })
}

/// Makes the report again by the options of the one that was handed over, and compares.
fn checked(wanted: &Wanted, mut given: Given, directory: &Path, typesetter: Setting) -> Result<u8, Failure> {
    let stated = stated(directory)?;
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
    let earlier = wanted.since.as_deref().map(earlier).transpose()?;
    let since = earlier.as_ref().map(|(_, earlier)| earlier.digest().to_string());
    if stated.made.since != since {
        hints.push(match &stated.made.since {
            Some(digest) => {
                format!("It was compared with an earlier report, of manifest SHA-256 {digest}: --since REPORT.")
            }
            None => "It was not compared with an earlier report: leave out --since.".to_owned(),
        });
    }
    let made = Made {
        since,
        keys,
        heads: heads(given),
        // One that is written otherwise than here is no period of a report of ours.
        period: period.unwrap_or(Period::ALWAYS).to_string(),
        ..stated.made.clone()
    };
    let pdf = stated.files.iter().find(|file| file.name == PDF);
    let typesetter = typesetter.filter(|_| pdf.is_some());
    let (outcome, mut again) = make(given, command(made, pdf.is_some()), earlier.as_ref(), None, typesetter)?;
    // Without a typesetter the PDF is held against its manifest alone, which proves nothing of what it says.
    let unset = pdf.filter(|_| typesetter.is_none());
    again.files.extend(unset.cloned());
    again.files.sort_by(|left, right| left.name.cmp(&right.name));
    let mut differences = compare(directory, &again)?;
    if unset.is_some() {
        let unlisted = |difference: &mut Difference| {
            if *difference == Difference::Changed(PDF.to_owned()) {
                *difference = Difference::Unlisted(PDF.to_owned());
            }
        };
        differences.iter_mut().for_each(unlisted);
        hints.push(format!(
            "{PDF} was not made again, and what it says was not compared: `{WITH_PDF} report BUNDLE --keys TRUST.TOML --check DIR` does."
        ));
    }
    let answer = answer(&outcome, directory, (&stated, unset.is_some()), &differences, &hints);
    output::say(&answer).map_err(Failure::Print)?;
    Ok(match code(&outcome, &wanted.check) {
        _ if !differences.is_empty() => FINDINGS,
        // Whoever asks for the exit code alone must not take a part for the whole.
        0 if unset.is_some() => USAGE,
        code => code,
    })
}

fn answer(
    outcome: &Outcome,
    directory: &Path,
    (stated, in_part): (&Manifest, bool),
    differences: &[Difference],
    hints: &[String],
) -> String {
    let mut answer = text(outcome);
    let mut line = |text: &str| {
        answer.push_str(text);
        answer.push('\n');
    };
    if differences.is_empty() {
        let (files, directory) = (stated.files.len() + 1, directory.display());
        line(&if in_part {
            let compared = files - 1;
            format!(
                "PARTLY   {directory}: {compared} of its {files} files are what this bundle gives; {PDF} was not compared."
            )
        } else {
            format!("SAME     {directory}: each of its {files} files is what this bundle gives.")
        });
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
