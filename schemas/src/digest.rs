//! SHA-256 digests and the leaf hash of the log (RFC 9162 section 2.1.1).
//!
//! Not here: interior nodes and proofs, which are in `merkle`, and keyed digests, which belong to the proxies.

use sha2::{Digest as _, Sha256};

crate::fixed_bytes! {
    /// A SHA-256 digest (FIPS 180-4), 32 bytes.
    pub struct Digest([u8; 32]);
}

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of 0x00 and then the entry: the hash of a leaf (RFC 9162 section 2.1.1).
    pub fn leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into())
    }

    /// SHA-256 of 0x01 and then both children: the hash of an interior node (RFC 9162 section 2.1.1).
    pub fn node(left: Self, right: Self) -> Self {
        Self(
            Sha256::new()
                .chain_update([0x01])
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn matches_published_values() {
        // FIPS 180-4 example "abc", and the leaf hash of the empty entry that RFC 6962 logs publish.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        let empty_leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(Digest::leaf(b"").to_string(), empty_leaf);
    }

    #[test]
    fn a_leaf_is_never_a_node() {
        let (left, right) = (Digest([1; 32]), Digest([2; 32]));
        let both = [left.0, right.0].concat();
        assert_ne!(Digest::leaf(&both), Digest::node(left, right));
        assert_ne!(Digest::node(left, right), Digest::node(right, left));
    }
}
