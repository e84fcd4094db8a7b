//! Reading a scoped bundle: at each place of the log the entry that is disclosed, or the hash of what is withheld.
//!
//! Each proof is checked by itself as well, as a reader of it alone would: it has to lead from its event to the same checkpoint, at the
//! same place.

use std::collections::BTreeMap;

use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::proof::{EventProof, PROOF_BYTES_MAX};
use exhibit_schemas::scoped::{SEALS_BYTES_MAX, ScopedFile, records};
use exhibit_schemas::seal::{ENTRY_BYTES_MAX, SEAL_FIRST_BYTE};
use exhibit_schemas::tile::{TILE_WIDTH, Tile, TileKind};

use super::reader::{Reader, SKIPPED_MAX, hand_out};
use super::{HASH_BYTES, Progress, VerifyError};
use crate::archive::Archive;
use crate::evidence::Lines;
use crate::files::{self, Head};
use crate::finding::{Code, Place};

/// Hands on the disclosed events among these entries.
pub(super) fn each(
    archive: &Archive,
    named: impl Iterator<Item = Index>,
    mut take: impl FnMut(Index, &[u8]),
) -> Result<(), VerifyError> {
    for index in named {
        if let Some(bytes) = archive.read(&ScopedFile::Event(index).path(), ENTRY_BYTES_MAX)? {
            take(index, &bytes);
        }
    }
    Ok(())
}

impl Reader<'_> {
    pub(super) fn read_scoped(
        &mut self,
        head: &Head,
        progress: &mut dyn FnMut(Progress),
        lines: &mut dyn Lines,
    ) -> Result<(), VerifyError> {
        // Commands that are withheld may have passed before.
        self.context.seen.gap();
        let (mut number, mut skipped) = (0, 0);
        while let Some(width) = files::width(0, number, head.size) {
            if skipped == SKIPPED_MAX {
                let detail = format!("{SKIPPED_MAX} files of hashes are missing or broken; reading stopped there");
                self.context.findings.add(Code::EntryBundle, Place::Bundle, detail);
                self.tree.lost();
                break;
            }
            let path = Tile::new(TileKind::Hashes(0), number, width)
                .map(|tile| tile.path())
                .unwrap_or_default();
            let bytes = self.archive.read(&path, usize::from(width) * HASH_BYTES)?;
            // One that is not there, or not as long, is named with the files, or with the tree.
            if let Some(hashes) = bytes.filter(|bytes| bytes.len() == usize::from(width) * HASH_BYTES) {
                self.tile(head, number, &hashes)?;
            } else {
                skipped += 1;
                self.skip(&path, width)?;
            }
            self.spill.check()?;
            hand_out(&mut self.context.evidence, lines)?;
            let first = number * u64::from(TILE_WIDTH);
            progress(Progress::Entries(first + u64::from(width), head.size));
            number += 1;
        }
        Ok(())
    }

    /// Reads the entries under a tile of hashes.
    fn tile(&mut self, head: &Head, number: u64, hashes: &[u8]) -> Result<(), VerifyError> {
        let path = ScopedFile::Seals(number).path();
        let file = self.archive.read(&path, SEALS_BYTES_MAX)?.unwrap_or_default();
        let width = u16::try_from(hashes.len() / HASH_BYTES).unwrap_or(TILE_WIDTH);
        let seals = records(&file, width).unwrap_or_else(|error| {
            let findings = &mut self.context.findings;
            findings.add(Code::ScopeFile, Place::File(path.clone()), error.to_string());
            BTreeMap::new()
        });
        if file.is_empty() && self.archive.has(&path) {
            let findings = &mut self.context.findings;
            findings.add(Code::ScopeFile, Place::File(path), "it holds no seal");
        }
        let first = number * u64::from(TILE_WIDTH);
        for ((position, index), hash) in (0u8..=u8::MAX).zip(first..).zip(hashes.chunks_exact(HASH_BYTES)) {
            let index = Index(index);
            let event = self.archive.read(&ScopedFile::Event(index).path(), ENTRY_BYTES_MAX)?;
            match (seals.get(&position), event) {
                (Some(seal), event) => {
                    if event.is_some() || seal.first() != Some(&SEAL_FIRST_BYTE) {
                        self.misplaced(index, "a seal and an event at one place, or a seal that is none");
                    }
                    self.entry(index, seal)?;
                }
                (None, Some(event)) => {
                    if event.first() == Some(&SEAL_FIRST_BYTE) {
                        self.misplaced(index, "a seal among the events");
                    }
                    self.prove(head, index, &event)?;
                    self.entry(index, &event)?;
                }
                (None, None) => {
                    let hash = Digest::try_from(hash).unwrap_or(Digest([0; HASH_BYTES]));
                    self.tree.leaf(hash, &mut self.context.findings)?;
                    let placed = self.batches.hash(index, hash, &mut self.context.findings);
                    self.events(&placed);
                }
            }
        }
        Ok(())
    }

    fn misplaced(&mut self, index: Index, what: &str) {
        self.context.findings.add(Code::ScopeFile, Place::Entry(index), what);
    }

    /// Checks the proof of an event as a reader of it alone would.
    fn prove(&mut self, head: &Head, index: Index, event: &[u8]) -> Result<(), VerifyError> {
        let bytes = self.archive.read(&ScopedFile::Proof(index).path(), PROOF_BYTES_MAX)?;
        // One that is not there, or too long, was named with the files; so was a head that is not accepted.
        let (Some(bytes), Some(checkpoint)) = (bytes, &head.checkpoint) else {
            return Ok(());
        };
        if let Some(fault) = self.fault(checkpoint, index, event, &bytes) {
            let findings = &mut self.context.findings;
            findings.add(Code::ScopeProof, Place::Entry(index), fault);
        }
        Ok(())
    }

    fn fault(&self, checkpoint: &Checkpoint, index: Index, event: &[u8], proof: &[u8]) -> Option<String> {
        let Ok(text) = std::str::from_utf8(proof) else {
            return Some("it is not text".to_owned());
        };
        let proof = match EventProof::parse(text) {
            Ok(proof) => proof,
            Err(error) => return Some(error.to_string()),
        };
        let keyring = self.batches.keyring();
        let claimed = proof.claimed_emitter();
        let Some(emitter) = keyring.record(claimed) else {
            return Some(format!("its seal is of key {claimed}, which was never enrolled"));
        };
        let log = self.batches.log();
        match proof.verify(event, log, &emitter.key) {
            Err(error) => Some(error.to_string()),
            Ok(proven) if proven.index != index => Some(format!("it is of #{}", proven.index)),
            Ok(proven) if proven.checkpoint.note() != checkpoint.note() => {
                Some("it is under another checkpoint than the bundle's".to_owned())
            }
            Ok(_) => None,
        }
    }
}
