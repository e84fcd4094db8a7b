//! Reading a whole bundle: the entries in order, each handed to the checks.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Body;
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, TILE_WIDTH, Tile, TileError, TileKind, entries};

use super::{HASH_BYTES, Progress, VerifyError};
use crate::archive::Archive;
use crate::batch::{Batches, Placed};
use crate::evidence::{Evidence, Lines};
use crate::files;
use crate::finding::{Code, Place};
use crate::period::Span;
use crate::report::control::Control;
use crate::scoped::Scoping;
use crate::session::{Context, Sessions};
use crate::sign_off::SignOffs;
use crate::spill::Spill;
use crate::tree::Tree;
use crate::void::VoidLine;

/// Entry files that may be missing or broken before the rest is no longer looked at: a size that nobody signed, or an
/// owned log key, can claim 2^64 entries.
pub(super) const SKIPPED_MAX: usize = 1_000;

/// Reads the entries in order and hands each to the checks.
pub(super) struct Reader<'a> {
    pub(super) archive: &'a Archive,
    pub(super) tree: Tree<'a>,
    pub(super) batches: Batches,
    pub(super) sessions: Sessions,
    pub(super) sign_offs: SignOffs,
    pub(super) span: Option<Span>,
    /// Of a scoped bundle: what it may hold, and what it holds.
    pub(super) scoping: Option<Scoping>,
    pub(super) context: Context,
    /// What the others keep things in.
    pub(super) spill: Spill,
}

impl Reader<'_> {
    pub(super) fn read(
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
            self.spill.check()?;
            hand_out(&mut self.context.evidence, lines)?;
            progress(Progress::Entries(first + u64::from(width), size));
            number += 1;
        }
        Ok(())
    }

    pub(super) fn entry(&mut self, index: Index, entry: &[u8]) -> Result<(), VerifyError> {
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

    pub(super) fn events(&mut self, placed: &[Placed]) {
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
    pub(super) fn skip(&mut self, hashes: &str, width: u16) -> Result<(), VerifyError> {
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
}

/// Hands out the lines that are finished.
pub(super) fn hand_out(evidence: &mut Evidence, lines: &mut dyn Lines) -> Result<(), VerifyError> {
    for line in evidence.take_finished() {
        lines.take(&line).map_err(VerifyError::Lines)?;
    }
    Ok(())
}
