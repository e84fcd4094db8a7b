//! The log's Merkle tree: roots, inclusion and consistency proofs (RFC 9162 section 2.1), strictly checked.
//!
//! A proof is accepted only if it has exactly the hashes that its sizes call for: nothing missing and nothing after. The
//! checks fold the path from the leaf upward as RFC 9162 sections 2.1.3.2 and 2.1.4.2 do.
//!
//! Not here: where hashes are stored; [`NodeSource`] hands them in.

use crate::digest::Digest;

/// Place of an entry in the log, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Index(pub u64);

/// Number of entries in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TreeSize(pub u64);

impl std::fmt::Display for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl std::fmt::Display for TreeSize {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Why a proof is refused, or cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// The index is not in a tree of that size.
    #[error("index {index} is not in a log of {size} entries")]
    OutOfRange {
        /// The index.
        index: Index,
        /// The size.
        size: TreeSize,
    },
    /// The earlier size is larger than the later one, or the earlier tree is empty.
    #[error("no consistency proof leads from a log of {from} entries to one of {to}")]
    Sizes {
        /// Earlier size.
        from: TreeSize,
        /// Later size.
        to: TreeSize,
    },
    /// The proof has more or fewer hashes than the sizes call for.
    #[error("the proof has {found} hashes, its sizes call for {wanted}")]
    Length {
        /// Hashes in the proof.
        found: usize,
        /// Hashes that there must be.
        wanted: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another {which} root")]
    WrongRoot {
        /// `earlier` or `later`.
        which: &'static str,
    },
    /// A hash that the proof needs is not in the store.
    #[error("the hash of level {level}, index {index} is missing")]
    MissingNode {
        /// Level, 0 for leaves.
        level: u8,
        /// Place in the level.
        index: u64,
    },
}

/// The root of the empty tree: SHA-256 of nothing (RFC 9162 section 2.1.1).
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// Hashes of complete subtrees: level 0 are leaves, `index` counts subtrees of 2^level leaves.
///
/// A source must only ever answer for complete subtrees, and always with the same hash.
pub trait NodeSource {
    /// The hash of one complete subtree, `None` if the source does not hold it.
    fn node(&self, level: u8, index: u64) -> Option<Digest>;
}

/// The hashes of the complete subtrees that cover a log, from left to right: enough to append and to give the root.
///
/// At most 64 hashes, whatever the size.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    // Invariant: one hash for each bit that is set in `size`, the highest bit first.
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// Reads the frontier of a log of `size` entries out of a store.
    ///
    /// # Errors
    /// [`ProofError::MissingNode`].
    pub fn load(size: TreeSize, source: &impl NodeSource) -> Result<Self, ProofError> {
        let mut peaks = Vec::new();
        let mut start = 0u64;
        for level in (0..64u8).rev().filter(|level| size.0 >> level & 1 == 1) {
            peaks.push(require(source, level, start >> level)?);
            start += 1 << level;
        }
        Ok(Self { size: size.0, peaks })
    }

    /// The hashes, from left to right.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Number of leaves.
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// Appends one leaf and reports each complete subtree that it makes, as (level, index, hash), leaf first.
    pub fn append(&mut self, leaf: Digest, mut made: impl FnMut(u8, u64, Digest)) {
        let mut hash = leaf;
        let mut level = 0u8;
        made(0, self.size, hash);
        while self.size >> level & 1 == 1 {
            let left = self
                .peaks
                .pop()
                .expect("a peak stands for each bit that is set in the size");
            hash = Digest::node(left, hash);
            level += 1;
            made(level, self.size >> level, hash);
        }
        self.peaks.push(hash);
        self.size = self.size.checked_add(1).expect("no log reaches 2^64 entries");
    }

    /// The root of the log (RFC 9162 section 2.1.1).
    pub fn root(&self) -> Digest {
        let joined = self
            .peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| Digest::node(left, right));
        joined.unwrap_or_else(empty_root)
    }
}

/// Makes the inclusion proof of a leaf, lowest sibling first (RFC 9162 section 2.1.3.1).
///
/// # Errors
/// [`ProofError::OutOfRange`] and [`ProofError::MissingNode`].
pub fn inclusion_proof(index: Index, size: TreeSize, source: &impl NodeSource) -> Result<Vec<Digest>, ProofError> {
    if index.0 >= size.0 {
        return Err(ProofError::OutOfRange { index, size });
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size.0);
    // From the root down: at each split the half without the leaf is a sibling.
    while end - start > 1 {
        let middle = start + split(end - start);
        if index.0 < middle {
            proof.push(subtree_root(middle, end, source)?);
            end = middle;
        } else {
            proof.push(subtree_root(start, middle, source)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Makes the proof that a log of `to` entries begins with the log of `from` entries (RFC 9162 section 2.1.4.1).
///
/// # Errors
/// [`ProofError::Sizes`] and [`ProofError::MissingNode`].
pub fn consistency_proof(from: TreeSize, to: TreeSize, source: &impl NodeSource) -> Result<Vec<Digest>, ProofError> {
    if from.0 == 0 || from > to {
        return Err(ProofError::Sizes { from, to });
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, to.0);
    // From the root down, towards the subtree that ends exactly at `from`.
    while end != from.0 {
        let middle = start + split(end - start);
        if from.0 <= middle {
            proof.push(subtree_root(middle, end, source)?);
            end = middle;
        } else {
            proof.push(subtree_root(start, middle, source)?);
            start = middle;
        }
    }
    // A subtree that is the whole earlier log needs no hash: its root is the earlier root, which the verifier knows.
    if start != 0 {
        proof.push(subtree_root(start, end, source)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the leaf stands at `index` in the log with this root (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofError`] for anything but the one right proof.
pub fn verify_inclusion(
    leaf: Digest,
    index: Index,
    size: TreeSize,
    proof: &[Digest],
    root: Digest,
) -> Result<(), ProofError> {
    if index.0 >= size.0 {
        return Err(ProofError::OutOfRange { index, size });
    }
    let wanted = inclusion_length(index.0, size.0);
    if proof.len() != wanted {
        return Err(ProofError::Length {
            found: proof.len(),
            wanted,
        });
    }
    let (mut node, mut last, mut hash) = (index.0, size.0 - 1, leaf);
    for sibling in proof {
        // On the right edge, levels without a sibling are passed over.
        while node == last && node & 1 == 0 {
            node >>= 1;
            last >>= 1;
        }
        hash = if node & 1 == 1 {
            Digest::node(*sibling, hash)
        } else {
            Digest::node(hash, *sibling)
        };
        node >>= 1;
        last >>= 1;
    }
    if hash == root {
        Ok(())
    } else {
        Err(ProofError::WrongRoot { which: "later" })
    }
}

/// Checks that the log with root `to_root` begins with the one with root `from_root` (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// [`ProofError`] for anything but the one right proof.
pub fn verify_consistency(
    from: TreeSize,
    from_root: Digest,
    to: TreeSize,
    to_root: Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if from.0 == 0 || from > to {
        return Err(ProofError::Sizes { from, to });
    }
    let wanted = consistency_length(from.0, to.0);
    if proof.len() != wanted {
        return Err(ProofError::Length {
            found: proof.len(),
            wanted,
        });
    }
    let (mut node, mut last) = (from.0 - 1, to.0 - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut siblings = proof.iter();
    // The walk starts at the subtree that ends the earlier log: the earlier log itself when that is one whole subtree.
    let start = if from.0.is_power_of_two() || from == to {
        Some(from_root)
    } else {
        siblings.next().copied()
    };
    let start = start.ok_or(ProofError::Length {
        found: proof.len(),
        wanted,
    })?;
    let (mut earlier, mut later) = (start, start);
    for sibling in siblings {
        while node == last && node & 1 == 0 {
            node >>= 1;
            last >>= 1;
        }
        if node & 1 == 1 {
            earlier = Digest::node(*sibling, earlier);
            later = Digest::node(*sibling, later);
        } else {
            later = Digest::node(later, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if earlier != from_root {
        return Err(ProofError::WrongRoot { which: "earlier" });
    }
    if later == to_root {
        Ok(())
    } else {
        Err(ProofError::WrongRoot { which: "later" })
    }
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// The root of the leaves from `start` to `end`, where `start` is a place that splits of the tree lead to.
fn subtree_root(start: u64, end: u64, source: &impl NodeSource) -> Result<Digest, ProofError> {
    let mut peaks = Vec::new();
    let mut place = start;
    while place < end {
        // The largest complete subtree that begins here and ends in time.
        let level = (end - place).ilog2().min(place.trailing_zeros());
        let level = u8::try_from(level).expect("a logarithm of 64 bits is below 64");
        peaks.push(require(source, level, place >> level)?);
        place += 1 << level;
    }
    let joined = peaks.into_iter().rev().reduce(|right, left| Digest::node(left, right));
    Ok(joined.expect("a subtree of a split has at least one leaf"))
}

fn require(source: &impl NodeSource, level: u8, index: u64) -> Result<Digest, ProofError> {
    source
        .node(level, index)
        .ok_or(ProofError::MissingNode { level, index })
}

/// Hashes in the inclusion proof of `index` in a log of `size`.
fn inclusion_length(index: u64, size: u64) -> usize {
    let (mut start, mut end, mut length) = (0, size, 0);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            end = middle;
        } else {
            start = middle;
        }
        length += 1;
    }
    length
}

/// Hashes in the consistency proof from `from` to `to`.
fn consistency_length(from: u64, to: u64) -> usize {
    let (mut start, mut end, mut length) = (0, to, 0);
    while end != from {
        let middle = start + split(end - start);
        if from <= middle {
            end = middle;
        } else {
            start = middle;
        }
        length += 1;
    }
    length + usize::from(start != 0)
}

#[cfg(test)]
mod tests;
