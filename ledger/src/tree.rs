//! The tree of the log as the committer holds it, and as readers find it in the store.
//!
//! ```text
//! leaves 0..255 | 256..511 | ...        level-0 hashes are not stored: they are the hashes of the entries
//!      node (1,0)   node (1,1)  ...     tile level 1 and up: 32 bytes each, written when their 256 children are there
//! ```
//!
//! In memory: the hashes of the last, unfinished tile and the peaks over the finished ones, some kilobytes at any size.
//! `rs_merkle`, with the prefixes of RFC 9162, builds each tile.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Frontier, NodeSource, ProofError, TreeSize};

use crate::store::Store;

/// Leaves under one hash of tile level 1 (C2SP tlog-tiles).
pub const TILE_LEAVES: usize = 256;

/// Levels of the tree to one tile level.
const TILE_LEVELS: u8 = 8;

/// RFC 9162's interior nodes for `rs_merkle`; leaves come hashed.
#[derive(Clone)]
struct Rfc9162;

impl rs_merkle::Hasher for Rfc9162 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Digest::leaf(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        // An odd last hash moves up unchanged: the shape of RFC 9162 section 2.1.1.
        right.map_or(*left, |right| Digest::node(Digest(*left), Digest(*right)).0)
    }
}

/// A complete subtree of one or more whole tile levels, to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileNode {
    /// Tile level, from 1.
    pub level: u8,
    /// Place in the level.
    pub index: u64,
    /// Its hash.
    pub hash: Digest,
}

/// Enough of the tree to append and to give the root.
#[derive(Clone, Debug)]
pub struct Tree {
    // Invariant: fewer than TILE_LEAVES hashes, those after the last whole tile.
    last_tile: Vec<[u8; 32]>,
    // Over hashes of whole tiles.
    tiles: Frontier,
}

impl Tree {
    /// The tree of an empty log.
    pub fn empty() -> Self {
        Self {
            last_tile: Vec::with_capacity(TILE_LEAVES),
            tiles: Frontier::default(),
        }
    }

    /// Reads the tree of a log of `size` entries.
    ///
    /// # Errors
    /// [`ProofError::MissingNode`] when the store lacks an entry or a node.
    pub fn load(size: TreeSize, store: &Store) -> Result<Self, ProofError> {
        let leaves = u64::try_from(TILE_LEAVES).unwrap_or(u64::MAX);
        let whole = size.0 / leaves;
        let source = Stored { store };
        let tiles = Frontier::load(TreeSize(whole), &Shifted(&source))?;
        let mut last_tile = Vec::with_capacity(TILE_LEAVES);
        for index in whole * leaves..size.0 {
            let leaf = source.node(0, index);
            last_tile.push(leaf.ok_or(ProofError::MissingNode { level: 0, index })?.0);
        }
        Ok(Self { last_tile, tiles })
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        let leaves = u64::try_from(TILE_LEAVES).unwrap_or(u64::MAX);
        let last = u64::try_from(self.last_tile.len()).unwrap_or(u64::MAX);
        TreeSize(self.tiles.size().0 * leaves + last)
    }

    /// Appends one leaf; reports the nodes that it completes.
    pub fn append(&mut self, leaf: Digest, mut made: impl FnMut(TileNode)) {
        self.last_tile.push(leaf.0);
        if self.last_tile.len() < TILE_LEAVES {
            return;
        }
        let hash = root_of(&self.last_tile).expect("a whole tile has leaves");
        self.last_tile.clear();
        self.tiles.append(hash, |level, index, hash| {
            // Level 0 of this frontier is tile level 1 of the log; of the others only every eighth is a tile level.
            if level % TILE_LEVELS == 0 {
                made(TileNode {
                    level: level / TILE_LEVELS + 1,
                    index,
                    hash,
                });
            }
        });
    }

    /// RFC 9162 root of the log.
    pub fn root(&self) -> Digest {
        match root_of(&self.last_tile) {
            None => self.tiles.root(),
            Some(last) => self
                .tiles
                .peaks()
                .iter()
                .rev()
                .fold(last, |right, left| Digest::node(*left, right)),
        }
    }
}

fn root_of(leaves: &[[u8; 32]]) -> Option<Digest> {
    rs_merkle::MerkleTree::<Rfc9162>::from_leaves(leaves).root().map(Digest)
}

/// The nodes of the log, recomputed from entries below tile level 1 and from stored nodes above.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// The store.
    pub store: &'a Store,
}

impl NodeSource for Stored<'_> {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        let (tile_level, rest) = (level / TILE_LEVELS, level % TILE_LEVELS);
        // At most 2^7 children: the rest of a level inside its tile.
        let first = index.checked_mul(1 << rest)?;
        let last = first.checked_add(1 << rest)?;
        let children: Option<Vec<[u8; 32]>> = (first..last)
            .map(|child| self.tile_hash(tile_level, child).map(|hash| hash.0))
            .collect();
        root_of(&children?)
    }
}

impl Stored<'_> {
    /// One hash of a tile level.
    pub fn tile_hash(&self, tile_level: u8, index: u64) -> Option<Digest> {
        if tile_level == 0 {
            self.store.entry(index).ok()?.map(|entry| Digest::leaf(&entry))
        } else {
            self.store.node(tile_level, index).ok()?
        }
    }
}

/// The same nodes with whole tiles as leaves.
struct Shifted<'a, 'b>(&'a Stored<'b>);

impl NodeSource for Shifted<'_, '_> {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.node(level.checked_add(TILE_LEVELS)?, index)
    }
}
