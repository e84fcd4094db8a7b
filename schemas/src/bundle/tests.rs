//! The trust file round trips and is refused whole; the manifest takes no unknown key.

use super::{BUNDLE_FORMAT, Manifest, ManifestFile, TrustAnchors, TrustError};
use crate::checkpoint::{Origin, VerifierKey};
use crate::key::{KeyError, SecretKey, Signer as _};

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
