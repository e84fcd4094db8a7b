//! Proofs of all small trees against the RFC's definition and against `ct-merkle`, and what must be refused.

use std::collections::BTreeMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;

use super::{
    Frontier, Index, NodeSource, ProofError, TreeSize, consistency_proof, empty_root, inclusion_proof,
    verify_consistency, verify_inclusion,
};
use crate::digest::Digest;

const SIZES: u64 = 70;

#[derive(Default)]
struct Nodes(BTreeMap<(u8, u64), Digest>);

impl NodeSource for Nodes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.get(&(level, index)).copied()
    }
}

fn leaf(number: u64) -> Digest {
    Digest::leaf(&number.to_be_bytes())
}

/// Nodes of a log of `SIZES` entries, and its root at each size.
fn log() -> (Nodes, Vec<Digest>) {
    let (mut nodes, mut frontier) = (Nodes::default(), Frontier::default());
    let mut roots = vec![frontier.root()];
    for number in 0..SIZES {
        frontier.append(leaf(number), |level, index, hash| {
            assert!(nodes.0.insert((level, index), hash).is_none(), "a subtree is made once");
        });
        roots.push(frontier.root());
    }
    (nodes, roots)
}

/// RFC 9162 section 2.1.1, word by word.
fn root_by_definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Digest::node(root_by_definition(left), root_by_definition(right))
        }
    }
}

#[test]
fn roots_are_those_of_the_definition() {
    let leaves: Vec<_> = (0..SIZES).map(leaf).collect();
    let (nodes, roots) = log();
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(*root, root_by_definition(&leaves[..size]), "{size}");
        let loaded = Frontier::load(TreeSize(size.try_into().unwrap()), &nodes).unwrap();
        assert_eq!(loaded.root(), *root);
    }
}

#[test]
fn every_inclusion_proof_verifies_for_its_own_leaf_only() {
    let (nodes, roots) = log();
    for (size, root) in (0..).zip(roots).skip(1) {
        for index in 0..size {
            let proof = inclusion_proof(Index(index), TreeSize(size), &nodes).unwrap();
            for other in 0..size {
                let result = verify_inclusion(leaf(other), Index(index), TreeSize(size), &proof, root);
                assert_eq!(result.is_ok(), other == index, "{other} for {index} of {size}");
                let moved = verify_inclusion(leaf(index), Index(other), TreeSize(size), &proof, root);
                assert_eq!(moved.is_ok(), other == index, "{index} at {other} of {size}");
            }
        }
    }
}

#[test]
fn every_consistency_proof_verifies_for_its_own_sizes_only() {
    let (nodes, roots) = log();
    for to in 1..=SIZES {
        for from in 1..=to {
            let proof = consistency_proof(TreeSize(from), TreeSize(to), &nodes).unwrap();
            let roots_of = |size: u64| roots[usize::try_from(size).unwrap()];
            let check = |from_root, to_root, proof: &[Digest]| {
                verify_consistency(TreeSize(from), from_root, TreeSize(to), to_root, proof)
            };
            assert_eq!(check(roots_of(from), roots_of(to), &proof), Ok(()), "{from} to {to}");
            assert!(check(Digest([7; 32]), roots_of(to), &proof).is_err());
            assert!(check(roots_of(from), Digest([7; 32]), &proof).is_err());
            let mut longer = proof.clone();
            longer.push(Digest([0; 32]));
            assert!(matches!(
                check(roots_of(from), roots_of(to), &longer),
                Err(ProofError::Length { .. })
            ));
            for position in 0..proof.len() {
                let mut changed = proof.clone();
                changed[position].0[0] ^= 1;
                assert!(
                    check(roots_of(from), roots_of(to), &changed).is_err(),
                    "{from} to {to}, {position}"
                );
            }
        }
    }
}

#[test]
fn trailing_and_missing_hashes_are_refused() {
    let (nodes, roots) = log();
    let root = roots[usize::try_from(SIZES).unwrap()];
    let proof = inclusion_proof(Index(3), TreeSize(SIZES), &nodes).unwrap();
    let check = |proof: &[Digest]| verify_inclusion(leaf(3), Index(3), TreeSize(SIZES), proof, root);
    assert_eq!(check(&proof), Ok(()));
    assert!(matches!(check(&proof[1..]), Err(ProofError::Length { .. })));
    let longer = [proof.as_slice(), &[Digest([0; 32])]].concat();
    assert!(matches!(check(&longer), Err(ProofError::Length { .. })));
}

#[test]
fn sizes_out_of_range_are_refused() {
    let (nodes, roots) = log();
    let out = inclusion_proof(Index(5), TreeSize(5), &nodes);
    assert_eq!(
        out,
        Err(ProofError::OutOfRange {
            index: Index(5),
            size: TreeSize(5)
        })
    );
    assert!(verify_inclusion(leaf(5), Index(5), TreeSize(5), &[], roots[5]).is_err());
    assert!(consistency_proof(TreeSize(0), TreeSize(5), &nodes).is_err());
    assert!(consistency_proof(TreeSize(6), TreeSize(5), &nodes).is_err());
    assert!(verify_consistency(TreeSize(0), empty_root(), TreeSize(5), roots[5], &[]).is_err());
    let missing = inclusion_proof(Index(0), TreeSize(200), &nodes);
    assert!(matches!(missing, Err(ProofError::MissingNode { .. })));
}

#[test]
fn sizes_near_the_end_of_the_range_do_not_overflow() {
    let hash = Digest([1; 32]);
    let proof = [hash; 64];
    let top = TreeSize(u64::MAX);
    assert!(verify_inclusion(hash, Index(u64::MAX - 1), top, &proof, hash).is_err());
    assert!(verify_inclusion(hash, Index(0), top, &proof, hash).is_err());
    assert!(verify_consistency(TreeSize(u64::MAX - 1), hash, top, hash, &proof).is_err());
}

/// The same proofs, made by a library that we did not write, pass our checks; ours pass its checks.
#[test]
fn agrees_with_ct_merkle() {
    let (nodes, roots) = log();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for number in 0..SIZES {
        oracle.push(number.to_be_bytes().to_vec());
        let size = number + 1;
        let root = roots[usize::try_from(size).unwrap()];
        assert_eq!(oracle.root().as_bytes().as_slice(), root.0);
        for index in 0..size {
            let theirs = oracle.prove_inclusion(usize::try_from(index).unwrap());
            let ours = inclusion_proof(Index(index), TreeSize(size), &nodes).unwrap();
            let bytes: Vec<u8> = ours.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(theirs.as_bytes(), bytes, "{index} of {size}");
        }
        for from in 1..=size {
            let theirs = oracle.prove_consistency(usize::try_from(size - from).unwrap());
            let ours = consistency_proof(TreeSize(from), TreeSize(size), &nodes).unwrap();
            let bytes: Vec<u8> = ours.iter().flat_map(|hash| hash.0).collect();
            assert_eq!(theirs.as_bytes(), bytes, "{from} to {size}");
        }
    }
}
