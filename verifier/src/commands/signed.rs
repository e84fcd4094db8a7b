//! Says who signed a report, by a later bundle of the same log.

use std::path::Path;

use crate::report::package::{MANIFEST, Manifest, compare};
use crate::sign_off::{ReportSignatureLine, root_then};
use crate::summary::text;
use crate::{Bundle, Options, Outcome, Period, Refused, verify};
use exhibit_schemas::merkle::TreeSize;

use super::check::{Check, Given, code};
use super::report::stated;
use super::{FINDINGS, Failure};
use crate::output;
use crate::plain::in_one_line;

/// Checks that the files are those of the manifest, that the log is the one that the report is of, and lists whose signatures it holds.
pub(crate) fn run(given: &Given, check: &Check, directory: &Path) -> Result<u8, Failure> {
    let manifest = stated(directory)?;
    let bar = output::Bar::new();
    let options = Options {
        heads: &given.heads,
        evidence: Some(Period::ALWAYS),
        progress: &mut |progress| bar.show(progress),
    };
    let outcome = verify(&given.archive, &given.anchors, options)?;
    bar.end();
    let mut lines = Vec::new();
    for difference in compare(directory, &manifest)? {
        lines.push(format!("         {difference}"));
    }
    let changed = !lines.is_empty();
    if changed {
        lines.insert(
            0,
            format!("DIFFERS  {}: it is not what its manifest lists.", directory.display()),
        );
    }
    let signatures = shown(&outcome).map(|bundle| under(given, bundle, &manifest));
    let signed = match signatures {
        None => {
            lines.push("UNKNOWN  The record of this bundle is not sound: nothing is read from it.".to_owned());
            false
        }
        Some(Err(why)) => {
            lines.push(format!("UNKNOWN  {why}"));
            false
        }
        Some(Ok(signatures)) => {
            lines.extend(signatures.iter().map(|line| signature(line)));
            if signatures.is_empty() {
                let digest = manifest.digest();
                lines.push(format!(
                    "UNSIGNED {}: nobody signed its {MANIFEST}, of SHA-256 {digest}, by the last entry.",
                    directory.display()
                ));
            }
            !signatures.is_empty()
        }
    };
    let answer = format!("{}{}\n", text(&outcome), lines.join("\n"));
    output::say(&answer).map_err(Failure::Print)?;
    Ok(if signed && !changed {
        code(&outcome, check)
    } else {
        FINDINGS
    })
}

/// What may be read from a bundle.
fn shown(outcome: &Outcome) -> Option<&Bundle> {
    match outcome {
        Outcome::Verified(verified) => Some(verified.get()),
        Outcome::Refused(Refused { shown, .. }) => shown.as_deref(),
    }
}

/// The signatures under a manifest that count, where the log of the bundle is that of the report.
fn under<'a>(given: &Given, bundle: &'a Bundle, manifest: &Manifest) -> Result<Vec<&'a ReportSignatureLine>, String> {
    if bundle.scoped.is_some() {
        return Err(
            "This bundle is scoped, and holds no signatures under reports; take one of the whole log.".to_owned(),
        );
    }
    let Some(root) = &manifest.root else {
        return Err("The report is of a bundle of which nothing was proven, so nobody can sign it.".to_owned());
    };
    if manifest.origin != bundle.origin {
        return Err(format!(
            "The report is of the log {}, and this is {}.",
            manifest.origin, bundle.origin
        ));
    }
    let then = root_then(&given.archive, bundle.size, TreeSize(manifest.size));
    if then.is_none_or(|then| then.to_string() != *root) {
        return Err(format!(
            "This log is not the one of the report: it did not have the root {root} at {} entries.",
            manifest.size
        ));
    }
    let digest = manifest.digest().to_string();
    let lines = bundle.evidence.report_signatures.iter();
    Ok(lines
        .filter(|line| line.uncounted.is_none() && line.manifest == digest && line.size == manifest.size)
        .collect())
}

fn signature(line: &ReportSignatureLine) -> String {
    let groups = line.groups.join(", ");
    // A line of its own would look like an answer of ours.
    in_one_line(&format!(
        "SIGNED   by {} ({groups}), {}, entry #{}: {}",
        line.person, line.time, line.signed, line.statement
    ))
}
