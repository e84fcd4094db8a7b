//! Who counts as having signed a policy, and until when.

use super::{PolicySignatures, PolicySigners, SIGNATURES_MAX, SignersError};
use crate::digest::Digest;
use crate::event::Timestamp;
use crate::event::trust::PolicySigned;
use crate::key::{KeyBytes, PublicKey, SecretKey, Signer as _};
use crate::merkle::Index;

const NOW: Timestamp = Timestamp(1_000);

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public_key()
}

fn keys(people: &[(&str, u8)]) -> Vec<(String, PublicKey)> {
    people
        .iter()
        .map(|(name, seed)| ((*name).to_owned(), key(*seed)))
        .collect()
}

/// Two of ann, who has two keys, bob and carol.
fn signers(from: u64) -> PolicySigners {
    let people = keys(&[("ann", 1), ("ann", 2), ("bob", 3), ("carol", 4)]);
    PolicySigners::new(Index(from), 2, people).unwrap()
}

fn policy(number: u8) -> Digest {
    Digest([number; 32])
}

fn signed(policy: Digest, expires: Option<u64>) -> PolicySigned {
    PolicySigned {
        log_key: KeyBytes([0; 32]),
        policy,
        reason: "reviewed".to_owned(),
        expires: expires.map(Timestamp),
    }
}

/// What is signed by the keys of these seeds, one entry each from 10 on.
fn with(seeds: &[u8]) -> PolicySignatures {
    let mut signatures = PolicySignatures::new(&[signers(0)]);
    for (index, seed) in (10..).zip(seeds) {
        signatures.signed(Index(index), key(*seed).id(), &signed(policy(1), None));
    }
    signatures
}

fn people(signatures: &PolicySignatures) -> Vec<String> {
    let by = signatures.now(policy(1), NOW).unwrap();
    assert_eq!(by.suffices(), by.people.len() >= 2);
    by.people.into_keys().collect()
}

#[test]
fn people_count_and_not_keys_and_only_those_that_are_named() {
    let cases: [(&[u8], &[&str]); 5] = [
        (&[], &[]),
        (&[1, 2], &["ann"]),
        (&[2, 3], &["ann", "bob"]),
        (&[5, 6, 4], &["carol"]),
        (&[3, 3, 3], &["bob"]),
    ];
    for (seeds, wanted) in cases {
        assert_eq!(people(&with(seeds)), wanted, "{seeds:?}");
    }
    assert!(
        !with(&[1])
            .clone()
            .signed(Index(20), key(9).id(), &signed(policy(1), None))
    );
}

#[test]
fn a_signature_is_for_one_policy() {
    let signatures = with(&[1, 3]);
    for other in [0, 2] {
        assert!(!signatures.now(policy(other), NOW).unwrap().suffices());
    }
}

#[test]
fn a_signature_counts_until_its_expiry_and_a_later_one_takes_its_place() {
    let mut signatures = with(&[3]);
    signatures.signed(Index(20), key(1).id(), &signed(policy(1), Some(NOW.0 + 1)));
    assert_eq!(people(&signatures), ["ann", "bob"]);
    signatures.signed(Index(21), key(1).id(), &signed(policy(1), Some(NOW.0)));
    assert_eq!(people(&signatures), ["bob"]);
    signatures.signed(Index(22), key(1).id(), &signed(policy(1), None));
    assert_eq!(people(&signatures), ["ann", "bob"]);
}

#[test]
fn a_revoked_key_has_signed_nothing_for_whoever_knows_that() {
    let mut signatures = with(&[1, 3]);
    signatures.revoked(Index(20), key(3).id());
    signatures.revoked(Index(30), key(3).id());
    assert_eq!(people(&signatures), ["ann"]);
    let suffices = |known| {
        signatures
            .at(Index(40), policy(1), NOW, Index(known))
            .unwrap()
            .suffices()
    };
    assert!(suffices(20), "it was revoked after that was recorded");
    assert!(!suffices(21));
}

#[test]
fn each_entry_has_the_signers_that_hold_from_before_it() {
    let later = PolicySigners::new(Index(50), 1, keys(&[("carol", 4)])).unwrap();
    let mut signatures = PolicySignatures::new(&[signers(30), later]);
    for (index, seed) in [(10, 1), (11, 3)] {
        signatures.signed(Index(index), key(seed).id(), &signed(policy(1), None));
    }
    let at = |entry| {
        signatures
            .at(Index(entry), policy(1), NOW, Index(entry))
            .map(|by| by.suffices())
    };
    assert_eq!(
        [at(29), at(30), at(49), at(50)],
        [None, Some(true), Some(true), Some(false)]
    );
    assert!(
        !signatures.now(policy(1), NOW).unwrap().suffices(),
        "the last ones hold now"
    );
    assert_eq!(PolicySignatures::new(&[]).now(policy(1), NOW), None);
}

#[test]
fn signers_are_refused_who_could_not_be_enough_or_be_two() {
    let new = |people, keys| PolicySigners::new(Index(0), people, keys);
    let two = [("ann", 1), ("ann", 2), ("bob", 3)];
    for people in [0, 3] {
        assert_eq!(new(people, keys(&two)), Err(SignersError::People { names: 2 }));
    }
    assert!(new(2, keys(&two)).is_ok());
    assert_eq!(new(1, keys(&[])), Err(SignersError::People { names: 0 }));
    let twice = new(1, keys(&[("ann", 1), ("bob", 1)]));
    assert_eq!(twice, Err(SignersError::Twice(key(1).id())));
}

#[test]
fn no_more_signatures_are_kept_than_the_limit() {
    let number = |number: usize| {
        let mut digest = [0xff; 32];
        digest[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        Digest(digest)
    };
    let mut signatures = PolicySignatures::new(&[signers(0)]);
    for count in 0..=SIGNATURES_MAX {
        signatures.signed(Index(0), key(1).id(), &signed(number(count), None));
    }
    let ann = |count| signatures.now(number(count), NOW).unwrap().people.len();
    assert_eq!([ann(SIGNATURES_MAX - 1), ann(SIGNATURES_MAX)], [1, 0]);
}
