//! The tree: every published hash against the entries, the root, and kept checkpoints (RFC 9162, C2SP tlog-tiles).
//!
//! Leaves come in order. The tile at the right edge of each level is held until it is full and is then compared, so memory
//! is 8 KiB to a level whatever the size of the log.

use std::collections::BTreeMap;

use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::tile::{TILE_WIDTH, Tile, TileKind};

use crate::archive::{Archive, ArchiveError};
use crate::finding::{Code, Findings, Place};

const HASH_BYTES: usize = 32;
const TILE_BYTES_MAX: usize = 256 * HASH_BYTES;

/// A checkpoint that the caller kept, and what the caller calls it.
pub(crate) type Kept = (String, Checkpoint);

/// The tree as far as its leaves have come.
pub(crate) struct Tree<'a> {
    archive: &'a Archive,
    frontier: Frontier,
    levels: Vec<Edge>,
    kept: BTreeMap<u64, Vec<Kept>>,
    /// A leaf is not known, so no hash above it is.
    broken: bool,
}

/// The tile at the right edge of a level.
#[derive(Default)]
struct Edge {
    tile: u64,
    hashes: Vec<Digest>,
    /// Something below one of the hashes was found to differ; the hashes above it differ for that reason alone.
    tainted: Vec<bool>,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(archive: &'a Archive, kept: Vec<Kept>) -> Self {
        let mut by_size: BTreeMap<u64, Vec<Kept>> = BTreeMap::new();
        for head in kept {
            by_size.entry(head.1.size().0).or_default().push(head);
        }
        Self {
            archive,
            frontier: Frontier::default(),
            levels: Vec::new(),
            kept: by_size,
            broken: false,
        }
    }

    /// Takes the next leaf.
    pub(crate) fn leaf(&mut self, leaf: Digest, findings: &mut Findings) -> Result<(), ArchiveError> {
        self.compare_kept(findings);
        let mut made = Vec::new();
        self.frontier.append(leaf, |level, _, hash| {
            if level % 8 == 0 {
                made.push(hash);
            }
        });
        let mut tainted = false;
        for (level, hash) in made.into_iter().enumerate() {
            if self.levels.len() <= level {
                self.levels.push(Edge::default());
            }
            let Some(edge) = self.levels.get_mut(level) else { break };
            edge.hashes.push(hash);
            edge.tainted.push(tainted);
            if edge.hashes.len() == usize::from(TILE_WIDTH) {
                tainted = self.compare(level, findings)?;
            }
        }
        Ok(())
    }

    /// A leaf is not known: neither it nor anything above it can be checked any more.
    pub(crate) fn lost(&mut self) {
        self.broken = true;
    }

    /// Compares the partial tiles, the root and what was kept.
    pub(crate) fn finish(
        mut self,
        checkpoint: Option<&Checkpoint>,
        findings: &mut Findings,
    ) -> Result<Digest, ArchiveError> {
        self.compare_kept(findings);
        for level in 0..self.levels.len() {
            self.compare(level, findings)?;
        }
        let root = self.frontier.root();
        if let Some(checkpoint) = checkpoint
            && !self.broken
            && checkpoint.root() != root
        {
            let detail = format!("the checkpoint states {}, the entries give {root}", checkpoint.root());
            findings.add(Code::CheckpointRoot, Place::Bundle, detail);
        }
        for (size, heads) in std::mem::take(&mut self.kept) {
            for (name, _) in heads {
                let detail = format!(
                    "it is of a log of {size} entries; this one has {}",
                    self.frontier.size()
                );
                findings.add(Code::ReceiptInconsistent, Place::Receipt(name), detail);
            }
        }
        Ok(root)
    }

    /// Compares the heads that were kept at exactly this size.
    fn compare_kept(&mut self, findings: &mut Findings) {
        let TreeSize(size) = self.frontier.size();
        let Some(heads) = self.kept.remove(&size) else { return };
        for (name, head) in heads {
            if self.broken || head.root() != self.frontier.root() {
                let detail = format!("at {size} entries it has another root than this log had");
                findings.add(Code::ReceiptInconsistent, Place::Receipt(name), detail);
            }
        }
    }

    /// Compares the edge of a level with its file and begins the next one; whether anything in or below it differs.
    fn compare(&mut self, level: usize, findings: &mut Findings) -> Result<bool, ArchiveError> {
        let Some(edge) = self.levels.get_mut(level) else {
            return Ok(false);
        };
        let next = Edge {
            tile: edge.tile + 1,
            ..Edge::default()
        };
        let edge = std::mem::replace(edge, next);
        let width = u16::try_from(edge.hashes.len()).unwrap_or(TILE_WIDTH);
        let kind = u8::try_from(level).map(TileKind::Hashes);
        let Some(tile) = kind.ok().and_then(|kind| Tile::new(kind, edge.tile, width)) else {
            return Ok(false); // an edge without hashes
        };
        let path = tile.path();
        let mut tainted = edge.tainted.contains(&true);
        // A tile that is missing or too long was named with the files.
        let Some(bytes) = self.archive.read(&path, TILE_BYTES_MAX)? else {
            return Ok(tainted);
        };
        if self.broken {
            return Ok(true);
        }
        if bytes.len() != edge.hashes.len() * HASH_BYTES {
            findings.add(
                Code::TileHash,
                Place::File(path),
                format!("it does not hold {width} hashes"),
            );
            return Ok(true);
        }
        let differs = |(place, (hash, found)): (usize, (&Digest, &[u8]))| {
            (hash.0 != *found && edge.tainted.get(place) == Some(&false)).then_some(place)
        };
        let pairs = edge.hashes.iter().zip(bytes.chunks(HASH_BYTES));
        let different: Vec<usize> = pairs.enumerate().filter_map(differs).collect();
        if let (Some(first), Some(last)) = (different.first(), different.last()) {
            findings.add(
                Code::TileHash,
                place(level, edge.tile, *first, *last, &path),
                format!("{path}: {} of its {width} hashes differ", different.len()),
            );
            tainted = true;
        }
        Ok(tainted)
    }
}

/// A hash of level 0 is that of an entry; the others are named by their file.
fn place(level: usize, tile: u64, first: usize, last: usize, path: &str) -> Place {
    let index = |place: usize| Index(tile * u64::from(TILE_WIDTH) + u64::try_from(place).unwrap_or(0));
    if level == 0 {
        Place::entries(index(first), index(last))
    } else {
        Place::File(path.to_owned())
    }
}
