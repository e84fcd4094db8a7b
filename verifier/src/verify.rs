//! Verifying: one bundle, all checks, one answer.
//!
//! `Verified<Bundle>` can be made here alone, and only of a bundle without an error. A report with results takes nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Event, SessionId, Timestamp};
use exhibit_schemas::keyring::KeyringError;
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, TILE_WIDTH, Tile, TileError, TileKind, entries};

use crate::approval::Approvals;
use crate::archive::{Archive, ArchiveError};
use crate::batch::{Batches, Placed};
use crate::census::Census;
use crate::comparison::{Candidate, Comparison};
use crate::copy::Copies;
use crate::emergency::Emergencies;
use crate::evidence::{Evidence, Line, Lines};
use crate::files::{self, Head, Layout};
use crate::finding::{Code, Finding, Findings, Place};
use crate::in_force::InForce;
use crate::nodes::Nodes;
use crate::period::{Period, Span};
use crate::policy::Policies;
use crate::probe::Probes;
use crate::reading::Readings;
use crate::report::control::{Control, breaks_record};
use crate::report::matrix;
use crate::review::Reviews;
use crate::sample::{Draw, Drawn, Sampling};
use crate::schedule::{Scheduled, Schedules};
use crate::scoped::{Scoped, Scoping};
use crate::seen::Seen;
use crate::session::{Context, Sessions};
use crate::sign_off::SignOffs;
use crate::tree::Tree;
use crate::void::VoidLine;

mod scoped;

const HASH_BYTES: usize = 32;

/// Entry files that may be missing or broken before the rest is no longer looked at: a size that nobody signed, or an
/// owned log key, can claim 2^64 entries.
const SKIPPED_MAX: usize = 1_000;

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
    let mut reader = Reader {
        archive,
        tree: Tree::new(archive, kept),
        batches: Batches::new(anchors)?,
        sessions: Sessions::default(),
        sign_offs: SignOffs::default(),
        span: None,
        scoping,
        context: Context {
            findings,
            policies: Policies::default(),
            in_force: InForce::new(&anchors.policy_signers),
            approvals: Approvals::default(),
            evidence: Evidence::new(evidence),
            census: Census::new(evidence).sampled(draw),
            comparison: besides.comparison,
            probes: Probes::default(),
            seen: Seen::default(),
            copies: Copies::default(),
            readings: Readings::default(),
            reviews: Reviews::default(),
            schedules: Schedules::default(),
        },
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

/// Reads the entries in order and hands each to the checks.
struct Reader<'a> {
    archive: &'a Archive,
    tree: Tree<'a>,
    batches: Batches,
    sessions: Sessions,
    sign_offs: SignOffs,
    span: Option<Span>,
    /// Of a scoped bundle: what it may hold, and what it holds.
    scoping: Option<Scoping>,
    context: Context,
}

impl Reader<'_> {
    fn read(
        &mut self,
        size: TreeSize,
        progress: &mut dyn FnMut(Progress),
        lines: &mut dyn Lines,
    ) -> Result<(), VerifyError> {
        let mut number = 0;
        let mut skipped = 0;
        while let Some(width) = files::width(0, number, size) {
            if skipped == SKIPPED_MAX {
                let detail = format!("{SKIPPED_MAX} files of entries are missing or broken; reading stopped there");
                self.context.findings.add(Code::EntryBundle, Place::Bundle, detail);
                self.tree.lost();
                break;
            }
            skipped += 1;
            let first = number * u64::from(TILE_WIDTH);
            let tile = |kind| {
                Tile::new(kind, number, width)
                    .map(|tile| tile.path())
                    .unwrap_or_default()
            };
            let path = tile(TileKind::Entries);
            let bytes = self.archive.read(&path, BUNDLE_BYTES_MAX)?;
            // A bundle that is not there, or too long, was named with the files.
            let split = bytes.as_deref().map(|bytes| entries(bytes, width)).transpose();
            match split {
                Ok(Some(entries)) => {
                    skipped -= 1;
                    for (index, entry) in (first..).zip(entries) {
                        self.entry(Index(index), entry)?;
                    }
                }
                Ok(None) => self.skip(&tile(TileKind::Hashes(0)), width)?,
                Err(error) => {
                    let place = match &error {
                        TileError::Bundle { position, .. } if *position < usize::from(width) => {
                            Place::Entry(Index(first + u64::try_from(*position).unwrap_or(0)))
                        }
                        _ => Place::File(path.clone()),
                    };
                    self.context
                        .findings
                        .add(Code::EntryBundle, place, format!("{path}: {error}"));
                    self.skip(&tile(TileKind::Hashes(0)), width)?;
                }
            }
            hand_out(&mut self.context.evidence, lines)?;
            progress(Progress::Entries(first + u64::from(width), size));
            number += 1;
        }
        Ok(())
    }

    fn entry(&mut self, index: Index, entry: &[u8]) -> Result<(), VerifyError> {
        let leaf = Digest::leaf(entry);
        self.context.census.offer(Control::Integrity, || index.to_string());
        self.tree.leaf(leaf, &mut self.context.findings)?;
        let unreadable = self.batches.unreadable();
        let placed = self.batches.entry(index, leaf, entry, &mut self.context.findings);
        if self.batches.unreadable() > unreadable {
            self.sessions.gap(); // an event of some session is not known, and its next one must not be told for that
            self.context.in_force.gap();
            self.context.seen.gap();
        }
        self.events(&placed);
        Ok(())
    }

    fn events(&mut self, placed: &[Placed]) {
        for placed in placed {
            self.event(placed);
        }
    }

    fn event(&mut self, placed: &Placed) {
        self.span = Some(Span::with(self.span, placed.event.time));
        if let Some(scoping) = &mut self.scoping {
            scoping.event(placed, self.batches.keyring());
        }
        let context = &mut self.context;
        context.evidence.event(placed);
        let (index, emitter) = (placed.index, placed.event.emitter.0);
        let role = self.batches.keyring().record(emitter).map(|record| record.role);
        context.schedules.event(placed, role);
        context.census.event(placed, &context.policies);
        self.sign_offs.event(placed, &mut context.findings);
        match &placed.event.body {
            Body::PolicySnapshot(body) => {
                context.in_force.recorded(index, emitter, body.policy);
                context.policies.policy(index, emitter, body, &mut context.findings);
            }
            Body::PolicySigned(body) => context.in_force.signed(placed, body, &mut context.findings),
            Body::PolicyInForce(body) => {
                let policy = context.policies.find(body.policy, index, &mut context.findings);
                context.schedules.in_force(placed, policy, &mut context.findings);
                context.in_force.said(placed, body.policy, &mut context.findings);
            }
            Body::CatalogSnapshot(body) => context.policies.catalog(index, emitter, body, &mut context.findings),
            Body::LoginRefused(body) if body.count == 0 || body.since > placed.event.time => {
                let detail = format!("{} from {} on", body.count, body.since);
                context.findings.add(Code::LoginCount, Place::Entry(index), detail);
            }
            Body::ApprovalDecided(body) => {
                let clock = context.schedules.clock();
                let approvals = &mut context.approvals;
                let why = approvals.takes_decision(placed, clock, body, &mut context.findings);
                let void = why.and_then(|why| VoidLine::decision(placed, body, why));
                context.evidence.voids(void);
            }
            Body::ApprovalRevoked(body) => {
                let clock = context.schedules.clock();
                let why = context.approvals.taken_back(placed, clock, body, &mut context.findings);
                let void = why.and_then(|why| VoidLine::revocation(placed, body, why));
                context.evidence.voids(void);
            }
            Body::EvidenceRead(body) => {
                context
                    .readings
                    .read(placed, body, &mut context.evidence, &mut context.findings);
                if let Some(command) = context.copies.revealed(index, body, &mut context.findings) {
                    context.evidence.revealed(placed, body, command);
                }
            }
            Body::ReviewSigned(body) => {
                let clock = context.schedules.clock();
                let why = context.reviews.signed(placed, clock, body, &mut context.findings);
                let void = why.and_then(|why| VoidLine::review(placed, body, why));
                context.evidence.voids(void);
            }
            Body::KeyRevoked(body) => {
                context
                    .approvals
                    .key_revoked(placed, context.schedules.clock(), body.key);
                context.in_force.key_revoked(index, body.key);
            }
            _ => {}
        }
        if let Some(place) = placed.event.session {
            self.sessions.event(placed, place, context);
        }
    }

    /// Entries cannot be read: their published hashes stand in for them in the tree, and the chains begin anew after them.
    fn skip(&mut self, hashes: &str, width: u16) -> Result<(), VerifyError> {
        let bytes = self
            .archive
            .read(hashes, usize::from(width) * HASH_BYTES)?
            .unwrap_or_default();
        let mut leaves = bytes
            .chunks_exact(HASH_BYTES)
            .filter_map(|hash| Digest::try_from(hash).ok());
        for _ in 0..width {
            let leaf = leaves.next().unwrap_or_else(|| {
                self.tree.lost();
                Digest([0; HASH_BYTES])
            });
            self.tree.leaf(leaf, &mut self.context.findings)?;
        }
        let placed = self.batches.gap(&mut self.context.findings);
        self.events(&placed);
        self.sessions.gap();
        self.context.policies.after_gap = true;
        self.context.in_force.gap();
        self.context.seen.gap();
        self.context.approvals.after_gap = true;
        self.context.copies.after_gap = true;
        Ok(())
    }

    fn finish(
        mut self,
        anchors: &TrustAnchors,
        head: &Head,
        heads: usize,
        lines: &mut dyn Lines,
    ) -> Result<Outcome, VerifyError> {
        let placed = self.batches.finish(&mut self.context.findings);
        self.events(&placed);
        if head.size == TreeSize(0) {
            let detail = "the log is empty: it has no genesis";
            self.context.findings.add(Code::GenesisAnchors, Place::Bundle, detail);
        }
        let mut scoped = match self.scoping.take() {
            Some(scoping) => Some(scoping.finish(&head.layout, &self.batches, &mut self.context.findings)),
            None => None,
        };
        let context = &mut self.context;
        context.policies.finish(&mut context.findings);
        let tails = self.sessions.finish(context, self.batches.withheld());
        if let Some(scoped) = &mut scoped {
            scoped.open_ended(&tails);
        }
        context
            .evidence
            .finish(anchors, &self.batches, &context.policies, &context.in_force);
        let evidence = &mut context.evidence;
        evidence.list_approvals(&context.approvals, &mut |evidence| hand_out(evidence, lines))?;
        if let Some(comparison) = &mut context.comparison {
            comparison.finish();
        }
        context.probes.finish(&context.policies, &mut context.findings);
        // What was to be reviewed, and by whom, is a question to the whole log.
        if scoped.is_some() {
            context.schedules.leave();
        }
        let reviews = std::mem::take(&mut context.reviews);
        let reviews = if scoped.is_some() {
            Vec::new()
        } else {
            reviews.finish(
                self.archive,
                head.size,
                self.batches.keyring(),
                &mut context.evidence,
                &mut context.findings,
            )?
        };
        if scoped.is_none() {
            let nodes = Nodes {
                archive: self.archive,
                size: head.size,
            };
            self.sign_offs
                .finish(nodes, &mut context.evidence, &mut context.findings);
        }
        // A review of one use is of no period.
        let (of_uses, reviews) = reviews.into_iter().partition(|review| review.said.emergency.is_some());
        let (clock, revoked) = (context.schedules.clock(), context.schedules.revoked().clone());
        let emergencies = Emergencies::new(&context.approvals, of_uses, clock, revoked);
        if scoped.is_some() {
            emergencies.find_uses(&mut context.findings);
        } else {
            context.evidence.emergencies(emergencies.find(&mut context.findings));
        }
        let scheduled = std::mem::take(&mut context.schedules).finish(reviews, &mut context.findings);
        let periods = scheduled.find(&mut context.findings);
        context.evidence.scheduled(scheduled.schedules(), periods);
        hand_out(&mut context.evidence, lines)?;
        if scoped.is_none() {
            context.census.finish(clock);
        }
        matrix::offer(&context.evidence, &mut context.census);
        let drawn = match context.census.take_draw() {
            Some(draw) => {
                let events = events(self.archive, head, draw.indexes())?;
                Some(Drawn { draw, events })
            }
            None => None,
        };
        let root = self.tree.finish(head.checkpoint.as_ref(), &mut context.findings)?;
        let (origin, log_key) = (anchors.log.origin.as_str().to_owned(), anchors.log.to_string());
        let (size, findings) = (head.size, self.context.findings);
        let bundle = Box::new(Bundle {
            origin,
            size,
            root,
            log_key,
            span: self.span,
            heads,
            cited: if self.context.census.is_taken() {
                cited(self.archive, head, &findings, &self.context.census)?
            } else {
                BTreeMap::new()
            },
            findings,
            evidence: self.context.evidence,
            census: self.context.census,
            scheduled,
            emergencies,
            comparison: self.context.comparison,
            drawn,
            scoped,
        });
        Ok(judged(bundle, head.checkpoint.is_some()))
    }
}

/// The answer about a bundle whose head is signed, or is not.
fn judged(mut bundle: Box<Bundle>, sealed: bool) -> Outcome {
    if let Some(scoped) = bundle
        .scoped
        .as_mut()
        .filter(|_| bundle.findings.errors() > 0 || !sealed)
    {
        scoped.proven.clear(); // a bundle with errors proves nothing of what it does not hold
    }
    // The one place where a bundle becomes verified.
    if bundle.findings.errors() == 0 && sealed {
        Outcome::Verified(Box::new(Verified(*bundle)))
    } else {
        // A finding that was only counted may be about anything.
        let sound = sealed
            && bundle.findings.not_kept() == 0
            && !bundle.findings.list().iter().any(|finding| breaks_record(finding.code));
        Outcome::Refused(Refused {
            origin: bundle.origin.clone(),
            log_key: bundle.log_key.clone(),
            size: bundle.size,
            period: bundle.census.period(),
            span: bundle.span,
            findings: bundle.findings.clone(),
            scoped: bundle.scoped.clone().map(Box::new),
            shown: Some(bundle).filter(|_| sound),
        })
    }
}

/// Hands out the lines that are finished.
fn hand_out(evidence: &mut Evidence, lines: &mut dyn Lines) -> Result<(), VerifyError> {
    for line in evidence.take_finished() {
        lines.take(&line).map_err(VerifyError::Lines)?;
    }
    Ok(())
}

/// What is known of each entry that a finding or an exception names.
fn cited(
    archive: &Archive,
    head: &Head,
    findings: &Findings,
    census: &Census,
) -> Result<BTreeMap<Index, Cited>, VerifyError> {
    let found = findings.list().iter().filter_map(|finding| match &finding.place {
        Place::Entry(index) | Place::Entries(index, _) => Some(*index),
        _ => None,
    });
    let controls = Control::ALL.iter();
    let exceptions = controls.flat_map(|control| census.exceptions(*control));
    let excepted = exceptions.filter_map(|exception| exception.index.map(Index));
    let mut cited = BTreeMap::new();
    each(archive, head, found.chain(excepted), |index, entry| {
        let event = Event::decode(entry).ok();
        let of = Cited {
            leaf: Digest::leaf(entry),
            time: event.as_ref().map(|event| event.time),
            session: event.and_then(|event| event.session).map(|place| place.0),
        };
        cited.insert(index, of);
    })?;
    Ok(cited)
}

/// The events among these entries.
fn events(
    archive: &Archive,
    head: &Head,
    named: impl Iterator<Item = Index>,
) -> Result<BTreeMap<Index, Event>, VerifyError> {
    let mut made = BTreeMap::new();
    each(archive, head, named, |index, entry| {
        made.extend(Event::decode(entry).ok().map(|event| (index, event)));
    })?;
    Ok(made)
}

/// Hands on these entries, as far as they can be read.
fn each(
    archive: &Archive,
    head: &Head,
    named: impl Iterator<Item = Index>,
    mut take: impl FnMut(Index, &[u8]),
) -> Result<(), VerifyError> {
    if head.layout.is_scoped() {
        return scoped::each(archive, named, take);
    }
    let size = head.size;
    let mut tiles: BTreeMap<u64, BTreeSet<Index>> = BTreeMap::new();
    for index in named {
        tiles.entry(index.0 / u64::from(TILE_WIDTH)).or_default().insert(index);
    }
    for (number, indexes) in tiles {
        let Some(width) = files::width(0, number, size) else {
            continue;
        };
        let Some(tile) = Tile::new(TileKind::Entries, number, width) else {
            continue;
        };
        let Some(bytes) = archive.read(&tile.path(), BUNDLE_BYTES_MAX)? else {
            continue;
        };
        let Ok(entries) = entries(&bytes, width) else { continue };
        for (index, entry) in (number * u64::from(TILE_WIDTH)..).map(Index).zip(entries) {
            if indexes.contains(&index) {
                take(index, entry);
            }
        }
    }
    Ok(())
}
