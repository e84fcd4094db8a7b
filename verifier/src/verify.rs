//! Verifying: one bundle, all checks, one answer.
//!
//! `Verified<Bundle>` can be made here alone, and only of a bundle without an error. A report with results takes nothing
//! else.

mod answer;
mod reader;
mod scoped;

use std::collections::BTreeMap;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::keyring::KeyringError;
use exhibit_schemas::merkle::{Index, TreeSize};

use self::reader::Reader;
use crate::approval::Approvals;
use crate::archive::{Archive, ArchiveError};
use crate::batch::Batches;
use crate::census::Census;
use crate::comparison::{Candidate, Comparison};
use crate::copy::Copies;
use crate::emergency::Emergencies;
use crate::evidence::{Evidence, Line, Lines};
use crate::files::{self, Head, Layout};
use crate::finding::{Code, Finding, Findings, Place};
use crate::in_force::InForce;
use crate::period::{Period, Span};
use crate::policy::Policies;
use crate::probe::Probes;
use crate::reading::Readings;
use crate::response::UnderWay;
use crate::review::Reviews;
use crate::sample::{Draw, Drawn, Sampling};
use crate::schedule::{Scheduled, Schedules};
use crate::scoped::{Scoped, Scoping};
use crate::seen::Seen;
use crate::session::{Context, Sessions};
use crate::sign_off::SignOffs;
use crate::spill::Spill;
pub use crate::spill::SpillError;
use crate::tree::Tree;

const HASH_BYTES: usize = 32;

/// Why a bundle could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bundle cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A line of the report cannot be handed on.
    #[error("cannot write the lines of the report: {0}")]
    Lines(std::io::Error),
    /// No keyring can begin with the trust anchors.
    #[error("the trust anchors are refused: {0}")]
    Anchors(#[from] KeyringError),
    /// What was read cannot be kept until the log ends.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// What is to be done needs every entry of the log.
    #[error("this is a scoped bundle, of {0}: {1}")]
    Scoped(String, &'static str),
}

/// A checkpoint that somebody kept, as a file name and its note.
#[derive(Clone, Debug)]
pub struct KeptHead {
    /// What to call it in findings.
    pub name: String,
    /// The signed note.
    pub note: String,
}

/// How far the verifier is: files of the manifest, then entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This many files were compared with the manifest.
    Files(u64),
    /// This many of the log's entries were read.
    Entries(u64, TreeSize),
}

/// What to do besides checking.
pub struct Options<'a> {
    /// Checkpoints that were kept; the log must begin with each of their logs.
    pub heads: &'a [KeptHead],
    /// The period of which to gather the lines and counts of a report, where there is to be one.
    pub evidence: Option<Period>,
    /// Is told how far the verifier is.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// Something that went through all checks without an error.
///
/// **Invariant:** only [`verify`] makes one.
#[derive(Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// What was verified.
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// A log that was exported, as far as its bundle proves it.
#[derive(Debug)]
pub struct Bundle {
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: TreeSize,
    /// RFC 9162 root over them.
    pub root: Digest,
    /// The log's key, as a note verifier key.
    pub log_key: String,
    /// When its first and its last event were made.
    pub span: Option<Span>,
    /// Kept checkpoints that it was compared with.
    pub heads: usize,
    /// Notes.
    pub findings: Findings,
    /// Lines of the report, where they were asked for.
    pub evidence: Evidence,
    /// Counts of the report's period, where one was asked for.
    pub census: Census,
    /// Of each entry that a finding or an exception names its leaf hash, when it was made, and of which session it is; only for a report.
    pub cited: BTreeMap<Index, Cited>,
    /// Reviews that the policies in force asked for.
    pub scheduled: Scheduled,
    /// Uses of emergency access, and their reviews.
    pub emergencies: Emergencies,
    /// What another policy would have decided, where that was asked for.
    pub comparison: Option<Comparison>,
    /// What was drawn, where that was asked for.
    pub(crate) drawn: Option<Drawn>,
    /// What a scoped bundle discloses, and what it cannot prove; `None` of a whole one.
    pub scoped: Option<Scoped>,
}

/// What is known of an entry that a finding names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cited {
    /// Its leaf hash.
    pub leaf: Digest,
    /// When it was made, by its emitter's clock; a seal has no time.
    pub time: Option<Timestamp>,
    /// Its session.
    pub session: Option<SessionId>,
    /// When that was opened, where the log says it.
    pub opened: Option<Timestamp>,
}

/// A bundle with errors.
#[derive(Debug)]
pub struct Refused {
    /// The name of the log that is trusted.
    pub origin: String,
    /// Its key.
    pub log_key: String,
    /// Number of entries that were looked at.
    pub size: TreeSize,
    /// The period that a report was asked for.
    pub period: Period,
    /// When the first and the last event were made of those that could be read; it dates the answer and proves nothing.
    pub span: Option<Span>,
    /// Everything that was found.
    pub findings: Findings,
    /// What the log shows nonetheless, where no error is about the record itself: every error is then about something that was
    /// done and recorded. It proves nothing as passed.
    pub shown: Option<Box<Bundle>>,
    /// What a scoped bundle discloses; `None` of a whole one.
    pub scoped: Option<Box<Scoped>>,
}

/// The answer.
#[derive(Debug)]
pub enum Outcome {
    /// No error was found.
    Verified(Box<Verified<Bundle>>),
    /// There are errors.
    Refused(Refused),
}

impl Outcome {
    /// What a scoped bundle discloses; `None` of a whole one.
    pub fn scoped(&self) -> Option<&Scoped> {
        match self {
            Self::Verified(verified) => verified.get().scoped.as_ref(),
            Self::Refused(refused) => refused.scoped.as_deref(),
        }
    }

    /// All findings.
    pub fn findings(&self) -> &Findings {
        match self {
            Self::Verified(verified) => &verified.get().findings,
            Self::Refused(refused) => &refused.findings,
        }
    }

    /// The findings that were kept, by place.
    pub fn list(&self) -> &[Finding] {
        self.findings().list()
    }
}

/// Checks everything about a bundle, under these anchors.
///
/// # Errors
/// [`VerifyError`] when it could not be judged; everything wrong with the bundle itself is a finding.
pub fn verify(archive: &Archive, anchors: &TrustAnchors, options: Options<'_>) -> Result<Outcome, VerifyError> {
    examine(archive, anchors, options, Besides::default(), &mut Nobody)
}

/// Checks everything as [`verify`] does, and draws a sample; the options name the period that it is of.
///
/// # Errors
/// As [`verify`].
pub fn sample(
    archive: &Archive,
    anchors: &TrustAnchors,
    options: Options<'_>,
    sampling: Sampling,
) -> Result<Outcome, VerifyError> {
    let besides = Besides {
        sampling: Some(sampling),
        ..Besides::default()
    };
    examine(archive, anchors, options, besides, &mut Nobody)
}

/// What is done on the way.
#[derive(Default)]
struct Besides {
    comparison: Option<Comparison>,
    sampling: Option<Sampling>,
}

/// Checks everything as [`verify`] does, and hands out the lines of the report, which are as many as the log is long. They are
/// handed out before it is known whether the log is sound.
///
/// # Errors
/// As [`verify`], and where a line cannot be taken.
pub fn report(
    archive: &Archive,
    anchors: &TrustAnchors,
    options: Options<'_>,
    lines: &mut dyn Lines,
) -> Result<Outcome, VerifyError> {
    examine(archive, anchors, options, Besides::default(), lines)
}

/// Takes lines that nobody asked for.
struct Nobody;

impl Lines for Nobody {
    fn begin(&mut self, _: &str, _: Option<Digest>, _: bool) {}

    fn take(&mut self, _: &Line) -> Result<(), std::io::Error> {
        Ok(())
    }
}

/// Checks everything as [`verify`] does, and decides what was decided again under another policy.
///
/// # Errors
/// As [`verify`].
pub fn compare(
    archive: &Archive,
    anchors: &TrustAnchors,
    options: Options<'_>,
    candidate: Candidate,
) -> Result<Outcome, VerifyError> {
    let besides = Besides {
        comparison: Some(Comparison::new(candidate)),
        ..Besides::default()
    };
    examine(archive, anchors, options, besides, &mut Nobody)
}

fn examine(
    archive: &Archive,
    anchors: &TrustAnchors,
    options: Options<'_>,
    besides: Besides,
    lines: &mut dyn Lines,
) -> Result<Outcome, VerifyError> {
    let Options {
        heads,
        evidence,
        progress,
    } = options;
    let mut findings = archive.findings().clone();
    let mut done = 0;
    let head = files::check(archive, anchors, &mut findings, &mut |files| {
        done += files;
        progress(Progress::Files(done));
    })?;
    let scoping = scoping(&head, &besides)?;
    // Where nobody signed a root nothing is shown.
    let root = head.checkpoint.as_ref().map(Checkpoint::root);
    lines.begin(anchors.log.origin.as_str(), root, scoping.is_some());
    let draw = besides
        .sampling
        .zip(root)
        .map(|(sampling, root)| Draw::new(sampling, root));
    let kept = read_heads(heads, anchors, &mut findings);
    let spill = Spill::default();
    let mut reader = Reader {
        archive,
        tree: Tree::new(archive, kept),
        batches: Batches::new(anchors)?,
        sessions: Sessions::new(&spill),
        sign_offs: SignOffs::default(),
        span: None,
        scoping,
        context: Context {
            findings,
            policies: Policies::default(),
            in_force: InForce::new(&anchors.policy_signers),
            approvals: Approvals::new(&spill),
            evidence: Evidence::new(evidence),
            census: Census::new(evidence, &spill).sampled(draw),
            comparison: besides.comparison,
            probes: Probes::default(),
            seen: Seen::new(&spill),
            copies: Copies::new(&spill),
            readings: Readings::new(&spill),
            reviews: Reviews::default(),
            schedules: Schedules::default(),
            objects: UnderWay::default(),
        },
        spill,
    };
    if reader.scoping.is_some() {
        reader.read_scoped(&head, progress, lines)?;
    } else {
        reader.read(head.size, progress, lines)?;
    }
    reader.finish(anchors, &head, heads.len(), lines)
}

/// What a scoped bundle is held to; `None` of a whole one.
fn scoping(head: &Head, besides: &Besides) -> Result<Option<Scoping>, VerifyError> {
    let Layout::Scoped(stated) = &head.layout else {
        return Ok(None);
    };
    let scope = stated.as_ref().map(|stated| stated.scope.clone());
    let words = scope
        .as_ref()
        .map_or_else(|| "an unknown scope".to_owned(), ToString::to_string);
    if besides.sampling.is_some() {
        let why = "a sample is drawn from the whole population of a control, which only a whole bundle holds";
        return Err(VerifyError::Scoped(words, why));
    }
    if besides.comparison.is_some() {
        let why = "a policy is compared over all decisions of a log, which only a whole bundle holds";
        return Err(VerifyError::Scoped(words, why));
    }
    Ok(Some(Scoping::new(scope)))
}

fn read_heads(heads: &[KeptHead], anchors: &TrustAnchors, findings: &mut Findings) -> Vec<(String, Checkpoint)> {
    let mut kept = Vec::new();
    for head in heads {
        match Checkpoint::verify(&head.note, &anchors.log) {
            Ok(checkpoint) => kept.push((head.name.clone(), checkpoint)),
            Err(error) => {
                let place = Place::Receipt(head.name.clone());
                findings.add(Code::ReceiptSignature, place, error.to_string());
            }
        }
    }
    kept
}
