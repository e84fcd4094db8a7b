//! The evidence report: what a verified log shows, each line with the indexes it stands on, as JSON, as HTML and as OSCAL ([`oscal`]).
//!
//! A refused bundle gets a cover that says so and lists its findings. The same bundle gives the same bytes: there is no clock and no order but the log's.
//!
//! That of a scoped bundle says so on its cover, in every section and in every row: no control is tested by it.
//!
//! It is of a period: the control matrix, the counts, and the lines of sessions, commands, refused log-ins, detections and readings
//! are of the events that their emitters dated into it. Approvals, observed rules, reviews, emergencies, policies and keys are
//! listed of the whole log, and whether the record is sound is always about that. Controls are the fourteen of [`control`], each with its state ([`matrix`]); the auditor concludes.
//!
//! A bundle with errors passes nothing. Where none of them is about the record itself, its exceptions are listed row by row,
//! because then the record shows what was done; where one is, nothing is read from it.
//!
//! Not here: what an index stands for (the bundle holds it).

pub mod about;
pub mod cells;
pub mod control;
mod ending;
pub mod fhir;
pub mod handling;
pub(crate) mod html;
mod interaction;
pub mod matrix;
pub mod ocsf;
pub mod oscal;
pub mod package;
pub mod paper;
mod peer;
pub mod since;
pub mod table;

use serde::Serialize;

use self::matrix::Row;
use self::paper::Paper;
use self::since::Since;
use crate::VERIFIER_VERSION;
use crate::census::Figures;
use crate::evidence::Evidence;
use crate::period::{Period, Span};
use crate::scoped::Scoped;
use crate::summary::{FindingLine, SCOPED};
use crate::verify::{Bundle, Outcome, Refused};

/// Name and version of the JSON.
pub const REPORT_FORMAT: &str = "exhibit-report/1";

/// What the report does not claim; stands on every cover.
pub const LIMITS: [&str; 7] = [
    "It covers what went through the gateway since the log began. Access that goes round the gateway is not in it.",
    "Entries are tamper-evident: a change of what was recorded shows. That nothing was cut off after the last entry shows only against checkpoints kept elsewhere.",
    "Who signed is shown by keys. That a key was used only by its holder is not shown.",
    "A proxy states what it saw and what it released. A proxy whose machine is owned can state what is false about its own sessions from then on.",
    "Sealed copies of exact commands are found whole and encrypted, and are not opened. That a copy holds the bytes of its command is shown only by who can open it, against the command's digest. Who copies a copy and opens it elsewhere leaves no event.",
    "Masks are compared with the policy and with the look of each released cell. Masked values may still be protected health information.",
    "This is evidence for an assessment, not its conclusion, and no statement about law.",
];

/// The same of a scoped bundle.
pub const SCOPED_LIMITS: [&str; 8] = [
    "It is of a scoped bundle: what the scope discloses was checked, and everything else of the log is known by hashes alone. No control is tested by it, and every count is of what it discloses.",
    LIMITS[0],
    LIMITS[1],
    LIMITS[2],
    LIMITS[3],
    LIMITS[4],
    LIMITS[5],
    LIMITS[6],
];

/// A report.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The cover.
    pub cover: Cover,
    /// What is new since an earlier report, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// The control matrix: each of the fourteen rows, whatever can be said of it.
    pub controls: Vec<Row>,
    /// Commands of the period by what they are told apart by; none of a bundle whose record is not sound.
    pub figures: Option<&'a Figures>,
    /// Findings: notes of a verified bundle, all of a refused one.
    pub findings: Vec<FindingLine>,
    /// The lines; none of a bundle whose record is not sound.
    pub evidence: Option<&'a Evidence>,
}

/// What stands on the first page.
#[derive(Debug, Serialize)]
pub struct Cover {
    /// [`REPORT_FORMAT`].
    pub format: &'static str,
    /// `verified`, `verified-scoped` of a scoped bundle, or `refused`.
    pub result: &'static str,
    /// `verified`; `scoped`, where a scoped bundle has no error; `exceptions`, where every error is about what was done and the record shows it; or `broken`.
    pub record: &'static str,
    /// Whose evidence it is, as the caller says; nothing proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The period, with its first moment and without its last; `always` for the whole log.
    pub period: Period,
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// What a scoped bundle discloses, and what it does not prove; absent of a whole one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoped: Option<Scoped>,
    /// When the first and the last event were made of those that could be read, by their emitters' clocks; of a bundle whose
    /// record is broken nothing proves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Span>,
    /// The root, of a verified bundle.
    pub root: Option<String>,
    /// The log's key.
    pub log_key: String,
    /// Version of the verifier.
    pub verifier: &'static str,
    /// SHA-256 of the verifier's program, as the caller says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier_sha256: Option<String>,
    /// Kept checkpoints that the log was compared with.
    pub heads: usize,
    /// Errors.
    pub errors: u64,
    /// Notes.
    pub notes: u64,
    /// What is not claimed.
    pub limits: &'static [&'static str],
}

impl<'a> Report<'a> {
    /// The report of an answer, for the period of which its evidence was gathered.
    pub fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Verified(verified) if verified.get().scoped.is_some() => {
                Self::shown(verified.get(), SCOPED, "scoped")
            }
            Outcome::Verified(verified) => Self::shown(verified.get(), "verified", "verified"),
            Outcome::Refused(Refused {
                shown: Some(bundle), ..
            }) => Self::shown(bundle, "refused", "exceptions"),
            Outcome::Refused(refused) => Self::refused(refused),
        }
    }

    /// The same report with the name of whose evidence it is.
    #[must_use]
    pub fn for_entity(mut self, entity: &str) -> Self {
        self.cover.entity = Some(entity.to_owned());
        self
    }

    /// The same report with the digest of the program that makes it.
    #[must_use]
    pub fn by_program(mut self, sha256: Option<String>) -> Self {
        self.cover.verifier_sha256 = sha256;
        self
    }

    /// The same report with what is new since an earlier one.
    #[must_use]
    pub fn since(mut self, since: Since) -> Self {
        self.since = Some(since);
        self
    }

    fn shown(bundle: &'a Bundle, result: &'static str, record: &'static str) -> Self {
        Self {
            cover: Cover {
                format: REPORT_FORMAT,
                result,
                record,
                entity: None,
                period: bundle.census.period(),
                origin: bundle.origin.clone(),
                size: bundle.size.0,
                scoped: bundle.scoped.clone(),
                events: bundle.span,
                root: Some(bundle.root.to_string()),
                log_key: bundle.log_key.clone(),
                verifier: VERIFIER_VERSION,
                verifier_sha256: None,
                heads: bundle.heads,
                errors: bundle.findings.errors(),
                notes: bundle.findings.notes(),
                limits: limits(bundle.scoped.as_ref()),
            },
            since: None,
            controls: matrix::rows(bundle),
            figures: Some(bundle.census.figures()),
            findings: bundle.findings.list().iter().map(FindingLine::of).collect(),
            evidence: Some(&bundle.evidence),
        }
    }

    fn refused(refused: &'a Refused) -> Self {
        Self {
            cover: Cover {
                format: REPORT_FORMAT,
                result: "refused",
                record: "broken",
                entity: None,
                period: refused.period,
                origin: refused.origin.clone(),
                size: refused.size.0,
                scoped: refused.scoped.as_deref().cloned(),
                events: refused.span,
                root: None,
                log_key: refused.log_key.clone(),
                verifier: VERIFIER_VERSION,
                verifier_sha256: None,
                heads: 0,
                errors: refused.findings.errors(),
                notes: refused.findings.notes(),
                limits: limits(refused.scoped.as_deref()),
            },
            since: None,
            controls: matrix::broken(&refused.findings),
            figures: None,
            findings: refused.findings.list().iter().map(FindingLine::of).collect(),
            evidence: None,
        }
    }

    /// JSON, indented.
    pub fn json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("strings, numbers and lists are JSON");
        json.push('\n');
        json
    }

    /// Writes the same, which is long in a long log.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_json(&self, mut to: impl std::io::Write) -> Result<(), std::io::Error> {
        serde_json::to_writer_pretty(&mut to, self)?;
        to.write_all(b"\n")
    }

    /// One HTML page that needs nothing else: no script, no font, no picture from anywhere.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// The same page as it is printed, for a typesetter.
    pub fn paper(&self) -> Paper {
        Paper::of(self)
    }
}

/// What is not claimed.
fn limits(scoped: Option<&Scoped>) -> &'static [&'static str] {
    if scoped.is_some() { &SCOPED_LIMITS } else { &LIMITS }
}
