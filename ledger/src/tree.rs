//! The tree of the log as the committer holds it, and as readers find it in the store.
//!
//! ```text
//! leaves 0..255 | 256..511 | ...        level-0 hashes are not stored: they are the hashes of the entries
//!      node (1,0)   node (1,1)  ...     tile level 1 and up: 32 bytes each, written when their 256 children are there
//! ```
//!
//! In memory: the peaks alone, two kilobytes at any size; a leaf costs one interior hash, and the root at most 63 more.
//! `rs_merkle`, with the prefixes of RFC 9162, builds for readers what lies inside of a tile.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Frontier, NodeSource, ProofError, TreeSize};

use crate::store::Store;

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

/// Enough of the tree to append and to give the root: the peaks, at most 64 hashes at any size.
#[derive(Clone, Debug, Default)]
pub struct Tree(Frontier);

impl Tree {
    /// Reads the tree of a log of `size` entries.
    ///
    /// # Errors
    /// [`ProofError::MissingNode`] when the store lacks an entry or a node.
    pub fn load(size: TreeSize, store: &Store) -> Result<Self, ProofError> {
        Frontier::load(size, &Stored { store }).map(Self)
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        self.0.size()
    }

    /// Appends one leaf; reports the nodes that it completes.
    pub fn append(&mut self, leaf: Digest, mut made: impl FnMut(TileNode)) {
        self.0.append(leaf, |level, index, hash| {
            // Leaves are not stored, and of the levels above only every eighth is a tile level.
            if level > 0 && level % TILE_LEVELS == 0 {
                let level = level / TILE_LEVELS;
                made(TileNode { level, index, hash });
            }
        });
    }

    /// RFC 9162 root of the log.
    pub fn root(&self) -> Digest {
        self.0.root()
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
