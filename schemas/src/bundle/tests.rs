//! The trust file round trips and is refused whole; the manifest takes no unknown key.

use super::{BUNDLE_FORMAT, Manifest, ManifestFile, TrustAnchors, TrustError};
use crate::checkpoint::{Origin, VerifierKey};
use crate::key::{KeyError, SecretKey, Signer as _};
use crate::merkle::Index;
use crate::policy_signatures::{PolicySigners, SignersError};

fn anchors() -> TrustAnchors {
    TrustAnchors {
        log: VerifierKey {
            origin: Origin::new("log.example").unwrap(),
            key: SecretKey::from_seed(&[5; 32]).public_key(),
        },
        administrators: vec![
            ("root".into(), SecretKey::from_seed(&[1; 32]).public_key()),
            ("deputy \"d\"".into(), SecretKey::from_seed(&[2; 32]).public_key()),
        ],
        policy_signers: Vec::new(),
    }
}

#[test]
fn trust_anchors_round_trip_in_order() {
    let text = anchors().to_toml();
    assert_eq!(TrustAnchors::parse(&text), Ok(anchors()));
    assert_eq!(TrustAnchors::parse(&text).unwrap().to_toml(), text);
}

#[test]
fn a_trust_file_is_refused_whole_for_any_fault() {
    let text = anchors().to_toml();
    let parse = |text: &str| TrustAnchors::parse(text);
    let syntax = |text: &str| assert!(matches!(parse(text), Err(TrustError::Syntax(_))), "{text}");
    syntax("");
    syntax("log = 1");
    syntax(&format!("extra = 1\n{text}"));
    syntax(&format!("{text}extra = 1\n"));
    syntax(&text.replacen("log = ", "logs = ", 1));
    syntax(&format!("{text}\u{0}"));
    let log = text.replacen("log.example", "log.examplf", 1);
    assert!(matches!(parse(&log), Err(TrustError::Log(_))));
    let nobody = format!("log = \"{}\"\nadministrators = []\n", anchors().log);
    assert_eq!(parse(&nobody), Err(TrustError::Nobody));
    let refused = |key: &str, error: KeyError| {
        let own = anchors().administrators[0].1.to_bytes().to_string();
        let name = "root".into();
        assert_eq!(
            parse(&text.replacen(&own, key, 1)),
            Err(TrustError::Administrator { name, error })
        );
    };
    refused("00", KeyError::NotAKey);
    refused(&"g".repeat(64), KeyError::NotAKey);
    let identity = format!("01{}", "00".repeat(31));
    let bytes = crate::key::KeyBytes::from_hex(&identity).unwrap();
    refused(&identity, crate::key::PublicKey::from_bytes(bytes).unwrap_err());
}

/// The same, with two steps of who signs policies.
fn signed() -> TrustAnchors {
    let key = |seed| SecretKey::from_seed(&[seed; 32]).public_key();
    let keys = vec![("ann".to_owned(), key(7)), ("bob".to_owned(), key(8))];
    let signers = |from, people| PolicySigners::new(Index(from), people, keys.clone()).unwrap();
    TrustAnchors {
        policy_signers: vec![signers(0, 1), signers(40, 2)],
        ..anchors()
    }
}

#[test]
fn who_signs_policies_round_trips_and_is_refused_whole() {
    let text = signed().to_toml();
    assert_eq!(TrustAnchors::parse(&text), Ok(signed()));
    assert_eq!(TrustAnchors::parse(&text).unwrap().to_toml(), text);
    assert!(
        !anchors().to_toml().contains("policy_signatures"),
        "older programs read it"
    );
    let refused = |from: &str, to: &str| TrustAnchors::parse(&text.replacen(from, to, 1)).unwrap_err();
    assert_eq!(refused("from = 0", "from = 40"), TrustError::PolicySignaturesOrder(40));
    let people = refused("people = 2", "people = 3");
    let error = SignersError::People { names: 2 };
    assert_eq!(people, TrustError::PolicySignatures { from: 40, error });
    assert!(matches!(refused("people = 1", "people = -1"), TrustError::Syntax(_)));
    assert!(matches!(
        refused("people = 1", "people = 1\nmore = 1"),
        TrustError::Syntax(_)
    ));
    let own = signed().policy_signers[0].keys()[0].1.to_bytes().to_string();
    assert!(matches!(refused(&own, "00"), TrustError::Administrator { .. }));
}

#[test]
fn a_manifest_round_trips_and_takes_no_unknown_key() {
    let file = ManifestFile {
        bytes: 3,
        sha256: "00".repeat(32),
    };
    let manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        origin: "log.example".into(),
        size: 1,
        root: "11".repeat(32),
        files: [("checkpoint".to_owned(), file)].into(),
    };
    let text = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    let more = text.replacen('{', "{\"extra\":1,", 1);
    assert!(serde_json::from_str::<Manifest>(&more).is_err());
    let more = text.replacen("\"bytes\":3", "\"bytes\":3,\"extra\":1", 1);
    assert!(serde_json::from_str::<Manifest>(&more).is_err());
    assert!(serde_json::from_str::<Manifest>(&text.replacen("\"bytes\":3", "\"bytes\":-3", 1)).is_err());
}
