//! The nodes of the tree of a bundle, from its tiles (C2SP tlog-tiles): for roots of the log as it was, and for proofs.
//!
//! The tiles are what was compared with the entries before; of a bundle in which they differ nothing stands on these.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Frontier, NodeSource, TreeSize};
use exhibit_schemas::tile::{TILE_WIDTH, Tile, TileKind};

use crate::archive::Archive;
use crate::files;

const HASH_BYTES: usize = 32;
const TILE_BYTES_MAX: usize = 256 * HASH_BYTES;

/// Levels of the tree to one level of tiles.
const TILE_LEVELS: u8 = 8;

/// The nodes of a log of this size.
#[derive(Clone, Copy)]
pub(crate) struct Nodes<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) size: TreeSize,
}

impl Nodes<'_> {
    /// The root of the log when it had this many entries; nothing where a tile is missing, or it never had as many.
    pub(crate) fn root(&self, size: TreeSize) -> Option<Digest> {
        if size > self.size {
            return None;
        }
        Some(Frontier::load(size, self).ok()?.root())
    }
}

impl NodeSource for Nodes<'_> {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        let (tile_level, rest) = (level / TILE_LEVELS, level % TILE_LEVELS);
        // At most 2^7 hashes, all of one tile.
        let count = 1_usize << rest;
        let first = index.checked_mul(1 << rest)?;
        let number = first / u64::from(TILE_WIDTH);
        let width = files::width(tile_level, number, self.size)?;
        let path = Tile::new(TileKind::Hashes(tile_level), number, width)?.path();
        let bytes = self.archive.read(&path, TILE_BYTES_MAX).ok()??;
        let at = usize::try_from(first % u64::from(TILE_WIDTH)).ok()?;
        let hashes = bytes.chunks_exact(HASH_BYTES).skip(at).take(count);
        let hashes: Option<Vec<Digest>> = hashes.map(|hash| Digest::try_from(hash).ok()).collect();
        let hashes = hashes.filter(|hashes| hashes.len() == count)?;
        let mut subtree = Frontier::default();
        for hash in hashes {
            subtree.append(hash, |_, _, _| {});
        }
        Some(subtree.root())
    }
}
