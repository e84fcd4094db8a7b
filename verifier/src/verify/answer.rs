//! The answer about a bundle whose entries were read: what is known only at the end of the log, and whether it is verified.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Event;
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, TILE_WIDTH, Tile, TileKind, entries};

use super::reader::{Reader, hand_out};
use super::{Bundle, Cited, Outcome, Refused, Verified, VerifyError, scoped};
use crate::archive::Archive;
use crate::census::Census;
use crate::emergency::Emergencies;
use crate::evidence::Lines;
use crate::files::{self, Head};
use crate::finding::{Code, Findings, Place};
use crate::nodes::Nodes;
use crate::report::control::{Control, breaks_record};
use crate::report::matrix;
use crate::sample::Drawn;
use crate::spill::Kept;

impl Reader<'_> {
    pub(super) fn finish(
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
        // Nothing is asked of what was kept from here on.
        let kept = self.spill.check()?;
        Ok(judged(bundle, head.checkpoint.is_some(), kept))
    }
}

/// The answer about a bundle whose head is signed, or is not, and of which everything was kept that had to be.
fn judged(mut bundle: Box<Bundle>, sealed: bool, _: Kept) -> Outcome {
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
        let time = event.as_ref().map(|event| event.time);
        let session = event.and_then(|event| event.session).map(|place| place.0);
        let of = Cited {
            leaf: Digest::leaf(entry),
            time,
            session,
            opened: session.and_then(|session| census.opened(session)),
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
