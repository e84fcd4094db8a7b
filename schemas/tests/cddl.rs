//! The normative CDDL accepts one event of every kind and a seal, and refuses bodies under another kind.

use cddl_cat::{ValidateError, validate_cbor_bytes};
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::event::Kind;
use exhibit_schemas::key::SecretKey;
use exhibit_schemas::seal::{Chain, Sealed};

#[path = "samples/events.rs"]
mod events;
#[path = "samples/security_key.rs"]
mod security_key;

use events::{TIME, all, digest};
use security_key::SoftwareKey;

const CDDL: &str = include_str!("../cddl/exhibit.cddl");
const TAGGED: &str = "#6.18([bytes, {}, bytes, signature])";

/// The checker, cddl-cat, does not read tags: the array is checked by it, and the tag byte in the test.
fn check(rule: &str, bytes: &[u8]) -> Result<(), ValidateError> {
    assert!(CDDL.contains(TAGGED));
    let untagged = CDDL.replace(TAGGED, "[bytes, {}, bytes, signature]");
    let result = validate_cbor_bytes(rule, &untagged, bytes);
    // A fault of the CDDL text itself must not count as a refusal.
    let judged = matches!(
        result,
        Ok(()) | Err(ValidateError::Mismatch(_) | ValidateError::MapCut(_))
    );
    assert!(judged, "{rule}: {result:?}");
    result
}

#[test]
fn accepts_an_event_of_every_kind_under_its_own_rule() {
    let all = all();
    let mut kinds: Vec<_> = all.iter().map(|(kind, _)| *kind).collect();
    kinds.sort();
    kinds.dedup(); // several samples of one kind have different fields
    assert_eq!(kinds, Kind::ALL);
    for (kind, bytes) in all {
        check("event", &bytes.0).unwrap_or_else(|error| panic!("{kind}: {error}"));
        check(&format!("event-{kind}"), &bytes.0).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn refuses_a_body_under_the_rule_of_another_kind() {
    for (kind, bytes) in all() {
        for other in Kind::ALL.iter().filter(|other| **other != kind) {
            assert!(check(&format!("event-{other}"), &bytes.0).is_err(), "{kind} as {other}");
        }
    }
}

#[test]
fn accepts_a_seal_and_its_parts() {
    let chain = Chain {
        boot: TIME.0,
        sequence: 0,
        previous: Some(digest()),
    };
    let sealed = Sealed::seal(vec![Bytes(vec![1])], chain, &SecretKey::from_seed(&[1; 32])).unwrap();
    check("seal-payload", &cbor::encode(sealed.payload())).unwrap();
    let (tag, array) = sealed.seal_bytes().0.split_first().unwrap();
    assert_eq!(*tag, 0xd2, "tag 18");
    check("seal", array).unwrap();
    assert!(check("seal-payload", array).is_err());
    let touched = Sealed::seal(vec![Bytes(vec![1])], chain, &SoftwareKey::new(1, "ssh:")).unwrap();
    let (_, array) = touched.seal_bytes().0.split_first().unwrap();
    check("seal", array).unwrap();
    assert!(check("seal", &[&array[..array.len() - 71], &[0x58, 68], &[0; 68]].concat()).is_err());
}

/// The bytes of a golden vector.
fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/vectors/valid/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vector is in the repository");
    hex::decode(text.trim_end()).expect("a vector is hexadecimal")
}

#[test]
fn accepts_every_message_of_the_append_protocol_under_its_own_rule() {
    let rules = [
        "hello",
        "welcome",
        "append",
        "receipt",
        "refusal",
        "published",
        "challenge",
    ];
    for (code, rule) in (1u8..).zip(rules) {
        let message = vector(&format!("wire-{rule}"));
        let (found, record) = message.split_first().unwrap();
        assert_eq!(*found, code, "{rule}");
        check(rule, record).unwrap_or_else(|error| panic!("{rule}: {error}"));
        for other in rules.iter().filter(|other| **other != rule) {
            // Codes are small integers and so may an index be: these two are told apart by the message's code alone.
            let alike = ["receipt", "refusal"].contains(&rule) && ["receipt", "refusal"].contains(other);
            assert_eq!(check(other, record).is_ok(), alike, "{rule} as {other}");
        }
    }
}

#[test]
fn accepts_every_event_vector() {
    for kind in Kind::ALL {
        check(&format!("event-{kind}"), &vector(&format!("event-{kind}")))
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}
