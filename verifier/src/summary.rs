//! The answer as text for people and as JSON for programs.
//!
//! The JSON's shape is stable: fields are added, never renamed or removed, under `format`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::VERIFIER_VERSION;
use crate::finding::{Finding, Findings, Place};
use crate::plain::in_one_line;
use crate::scoped::Scoped;
use crate::verify::Outcome;

/// Name and version of the JSON.
pub const SUMMARY_FORMAT: &str = "exhibit-verification/1";

/// The result of a scoped bundle in which there is no error: never that of a whole one.
pub(crate) const SCOPED: &str = "verified-scoped";

/// The answer, ready to print.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// [`SUMMARY_FORMAT`].
    pub format: &'static str,
    /// Version of the verifier.
    pub verifier: &'static str,
    /// `verified`, `verified-scoped` of a scoped bundle, or `refused`.
    pub result: &'static str,
    /// The log's name.
    pub origin: String,
    /// The log's key.
    pub log_key: String,
    /// Entries that were read.
    pub size: u64,
    /// What a scoped bundle discloses, and what it does not prove; absent of a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoped: Option<Scoped>,
    /// The root, of a verified bundle.
    pub root: Option<String>,
    /// Kept checkpoints that the log agrees with, of a verified bundle.
    pub heads: usize,
    /// Number of errors.
    pub errors: u64,
    /// Number of notes.
    pub notes: u64,
    /// Findings that are counted above and not listed.
    pub not_listed: u64,
    /// The findings.
    pub findings: Vec<FindingLine>,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingLine {
    /// Its stable word.
    pub code: &'static str,
    /// `error` or `note`.
    pub severity: &'static str,
    /// Index of the entry, or of the first of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Index of the last of several entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Path of the file in the bundle, or name of the kept checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What the code means.
    pub meaning: &'static str,
    /// What exactly was found.
    pub detail: String,
}

impl FindingLine {
    /// A finding as it is printed.
    pub fn of(finding: &Finding) -> Self {
        let (index, last, file) = match &finding.place {
            Place::Bundle => (None, None, None),
            Place::File(name) | Place::Receipt(name) => (None, None, Some(name.clone())),
            Place::Entry(index) => (Some(index.0), None, None),
            Place::Entries(first, last) => (Some(first.0), Some(last.0), None),
        };
        Self {
            code: finding.code.as_str(),
            severity: finding.code.severity().as_str(),
            index,
            last,
            file,
            meaning: finding.code.meaning(),
            detail: finding.detail.clone(),
        }
    }
}

impl Summary {
    /// What the answer comes to.
    pub fn of(outcome: &Outcome) -> Self {
        let findings = outcome.findings();
        let (result, origin, log_key, size, root, heads) = match outcome {
            Outcome::Verified(verified) => {
                let bundle = verified.get();
                let root = Some(bundle.root.to_string());
                (
                    if bundle.scoped.is_some() { SCOPED } else { "verified" },
                    &bundle.origin,
                    &bundle.log_key,
                    bundle.size,
                    root,
                    bundle.heads,
                )
            }
            Outcome::Refused(refused) => ("refused", &refused.origin, &refused.log_key, refused.size, None, 0),
        };
        Self {
            format: SUMMARY_FORMAT,
            verifier: VERIFIER_VERSION,
            result,
            origin: origin.clone(),
            log_key: log_key.clone(),
            size: size.0,
            scoped: outcome.scoped().cloned(),
            root,
            heads,
            errors: findings.errors(),
            notes: findings.notes(),
            not_listed: findings.not_kept(),
            findings: findings.list().iter().map(FindingLine::of).collect(),
        }
    }

    /// JSON, indented.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers are JSON")
    }
}

/// The answer in words.
pub fn text(outcome: &Outcome) -> String {
    let summary = Summary::of(outcome);
    let mut text = String::new();
    let findings = outcome.findings();
    let line = |text: &mut String, label: &str, value: &str| {
        writeln!(text, "{label:<9}{value}").expect("a String takes every text");
    };
    if let (0, Some(scoped)) = (summary.errors, &summary.scoped) {
        let what = format!(
            "{} events of {}, checked; the others of {} entries of {} are hashes",
            scoped.disclosed, scoped.words, summary.size, summary.origin
        );
        line(&mut text, "SCOPED", &what);
    } else if summary.errors == 0 {
        line(
            &mut text,
            "VERIFIED",
            &format!("{} entries of {}", summary.size, summary.origin),
        );
    } else {
        let what = format!(
            "{} errors in {} entries of {}",
            summary.errors, summary.size, summary.origin
        );
        line(&mut text, "REFUSED", &what);
    }
    line(&mut text, "log key", &summary.log_key);
    if let Some(root) = &summary.root {
        line(&mut text, "root", root);
        line(&mut text, "kept", &format!("{} checkpoints agree", summary.heads));
    }
    if let Some(scoped) = &summary.scoped {
        describe(&mut text, scoped);
    }
    list(&mut text, findings);
    let end = match (summary.errors, summary.notes) {
        (0, notes) if summary.scoped.is_some() => {
            format!(
                "No errors in what is disclosed; {notes} notes. This is no verification of the whole log.\nThe exit code of a scoped bundle is 1 unless --scoped is given."
            )
        }
        (0, 0) => "No findings.".to_owned(),
        (0, notes) => format!("No errors; {notes} notes."),
        (errors, notes) => format!("{errors} errors, {notes} notes. Do not rely on this bundle."),
    };
    writeln!(text, "\n{end}").expect("a String takes every text");
    text
}

/// What a scoped bundle is, and what it proves.
fn describe(text: &mut String, scoped: &Scoped) {
    let mut write = |line: &str| writeln!(text, "{line}").expect("a String takes every text");
    write(&format!("scope    {}", in_one_line(&scoped.words)));
    write(&format!(
        "         {} sessions of it, and {} of the requests by which their commands passed",
        scoped.sessions, scoped.asked_in
    ));
    let withheld: Vec<_> = scoped
        .withheld
        .iter()
        .map(|(role, count)| format!("{count} of the role {role}"))
        .collect();
    let withheld = if withheld.is_empty() {
        "no event".to_owned()
    } else {
        withheld.join(", ")
    };
    write(&format!(
        "withheld {withheld}; disclosed {} events, and all {} seals",
        scoped.disclosed, scoped.seals
    ));
    for (title, lines) in [
        ("Proven by this bundle:", &scoped.proven),
        ("Not proven by this bundle:", &scoped.not_proven),
    ] {
        if lines.is_empty() {
            continue;
        }
        write("");
        write(title);
        for line in lines {
            write(&format!("  - {line}"));
        }
    }
}

fn list(text: &mut String, findings: &Findings) {
    for finding in findings.list() {
        let severity = finding.code.severity().as_str();
        let written = write!(
            text,
            "\n{severity} {} at {}\n    {}\n    {}\n",
            finding.code.as_str(),
            finding.place,
            finding.code.meaning(),
            in_one_line(&finding.detail)
        );
        written.expect("a String takes every text");
    }
    if findings.not_kept() > 0 {
        let written = writeln!(text, "\n{} more findings are not listed.", findings.not_kept());
        written.expect("a String takes every text");
    }
}
