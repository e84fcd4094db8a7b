//! No bundle, however broken, makes the verifier panic, and none that still verifies has another root.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::io::Write as _;
use std::path::Path;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_verify::report::Report;
use exhibit_verify::{Archive, Options, Outcome, verify};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(fixtures.join(name)).unwrap()
}

/// The root, of a bundle that verifies.
fn root(tar: &[u8]) -> Option<Digest> {
    let anchors = TrustAnchors::parse(std::str::from_utf8(&fixture("trust.toml")).unwrap()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(tar).unwrap();
    let archive = Archive::open(file.path()).ok()?;
    let options = Options {
        heads: &[],
        evidence: Some(exhibit_verify::Period::ALWAYS),
        progress: &mut |_| {},
    };
    let outcome = verify(&archive, &anchors, options).unwrap();
    assert!(!Report::of(&outcome).html().is_empty());
    match outcome {
        Outcome::Verified(verified) => Some(verified.get().root),
        Outcome::Refused(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn edits_of_an_archive_never_panic_and_never_verify_as_another_log(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let whole = fixture("bundle.tar");
        let mut tar = whole.clone();
        for (place, byte) in edits {
            let place = place.index(tar.len());
            if let Some(found) = tar.get_mut(place) {
                *found = byte;
            }
        }
        if let Some(length) = length {
            tar.truncate(length.index(whole.len()));
        }
        let honest = root(&whole);
        prop_assert!(honest.is_some());
        if let Some(root) = root(&tar) {
            prop_assert_eq!(Some(root), honest);
        }
    }
}
