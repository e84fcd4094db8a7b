//! Decisions by security keys in a log: taken by touch, and found where they are anything else.

use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::{KeyEnrolled, Role};
use exhibit_schemas::event::{Emitter, Event, SessionId, Timestamp};
use exhibit_schemas::key::security::Application;
use exhibit_schemas::key::{SecretKey, Signer};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_tests::bundle_builder::clinic::{ADMINISTRATOR, LOG, ORIGIN, clinic};
use exhibit_tests::bundle_builder::{Batch, Planned, checkpoint, files, key_id, write_tar};
use exhibit_tests::ssh_agent::security_key::{SoftwareKey, TOUCHED};
use exhibit_verify::Code;

use super::check;

const SEED: u8 = 61;

/// When the key is enrolled, after all else of the log, and when it signs.
const TIME: Timestamp = Timestamp(1_700_100_000_000_000);

/// The seal of a decision by the key.
fn sealed(key: &impl Signer) -> Sealed {
    let chain = Chain {
        boot: TIME.0,
        sequence: 0,
        previous: None,
    };
    let decided = ApprovalDecided {
        request: Digest([1; 32]),
        command: Digest([2; 32]),
        session: SessionId([3; 16]),
        target: "clinic".into(),
        policy: Digest([4; 32]),
        expires: TIME,
        verdict: Verdict::Deny,
        reason: "not today".into(),
        terms: None,
    };
    let event = Event {
        time: TIME,
        emitter: Emitter(key.public_key().id(), TIME.0),
        session: None,
        body: decided.into(),
    };
    Sealed::seal(vec![event.encode().unwrap()], chain, key).unwrap()
}

/// What a seal signs (`Sig_structure` of RFC 9052 section 4.4): two byte strings of 24 to 255 bytes stand in it, with an empty map between.
fn signed(seal: &[u8]) -> Vec<u8> {
    let string = |from: usize| {
        assert_eq!(seal[from], 0x58);
        let end = from + 2 + usize::from(seal[from + 1]);
        (Bytes(seal[from + 2..end].to_vec()), end)
    };
    let (protected, end) = string(2);
    let (payload, _) = string(end + 1);
    cbor::encode(&("Signature1", protected, Bytes::default(), payload))
}

/// What the verifier finds in a log that enrols the key so, with a seal behind it that was changed.
fn found(role: Role, application: Option<&str>, sealed: &Sealed, change: impl FnOnce(&Bytes) -> Bytes) -> Vec<Code> {
    let mut clinic = clinic(3);
    let enrolled = KeyEnrolled {
        key: SecretKey::from_seed(&[SEED; 32]).public_key().to_bytes(),
        role,
        name: "ann".into(),
        groups: vec!["dba".into()],
        application: application.map(|text| Application::new(text).unwrap()),
    };
    let first = clinic.plan.find(|event| event.emitter.0 == key_id(ADMINISTRATOR))[0];
    let event = Event {
        time: TIME,
        emitter: clinic.plan.event(first).emitter,
        session: None,
        body: enrolled.into(),
    };
    clinic.plan.batches.push(Batch {
        seed: ADMINISTRATOR,
        events: vec![Planned::new(event)],
    });
    let mut entries = clinic.plan.build().entries;
    entries.extend(sealed.events().iter().map(|event| event.0.clone()));
    entries.push(change(sealed.seal_bytes()).0);
    let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let mut codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

#[test]
fn a_decision_is_taken_from_a_security_key_that_was_touched_alone() {
    let own = sealed(&SoftwareKey::new(SEED, "ssh:"));
    let same = Bytes::clone;
    // The signature ends a seal.
    let again = |flags: u8, counter: u32| {
        move |seal: &Bytes| {
            let signature = SoftwareKey::new(SEED, "ssh:").assert(&signed(&seal.0), flags, counter);
            let from = seal.0.len() - signature.0.len();
            Bytes([&seal.0[..from], &signature.0].concat())
        }
    };
    // Nothing is wrong with it, and it is about no request.
    let about_nothing = vec![Code::ApprovalUncounted];
    assert_eq!(found(Role::Person, Some("ssh:"), &own, same), about_nothing);
    assert_eq!(
        found(Role::Person, Some("ssh:"), &own, again(TOUCHED, 900)),
        about_nothing
    );
    let forged = vec![Code::SealSignature, Code::ApprovalUncounted];
    assert_eq!(found(Role::Person, Some("ssh:"), &own, again(0, 7)), forged);
    assert_eq!(found(Role::Person, Some("ssh:other"), &own, same), forged);
    assert_eq!(found(Role::Person, None, &own, same), forged);
    let counted = |seal: &Bytes| {
        let (last, rest) = seal.0.split_last().unwrap();
        Bytes([rest, &[last ^ 1]].concat())
    };
    assert_eq!(found(Role::Person, Some("ssh:"), &own, counted), forged);
    let plain = sealed(&SecretKey::from_seed(&[SEED; 32]));
    assert_eq!(found(Role::Person, Some("ssh:"), &plain, same), forged);
    assert_eq!(found(Role::Person, None, &plain, same), about_nothing);
    // A proxy with one would be enrolled for nobody, so the key is a stranger's.
    let proxy = found(Role::Proxy, Some("ssh:"), &own, same);
    assert!(
        proxy.contains(&Code::KeyEvent) && proxy.contains(&Code::KeyNotInForce),
        "{proxy:?}"
    );
}
