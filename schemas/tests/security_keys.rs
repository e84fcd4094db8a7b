//! Seals by security keys: taken with somebody's touch, for their own application, and for nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as loudly as they"
)]

use coset::TaggedCborSerializable as _;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::trust::{Administrator, Genesis, KeyEnrolled, KeyRotated, Role};
use exhibit_schemas::event::{Body, Emitter, Event, Kind, Timestamp};
use exhibit_schemas::key::security::{APPLICATION_BYTES_MAX, Application, ApplicationError};
use exhibit_schemas::key::{KeyError, PublicKey, SecretKey, Signature, Signer as _};
use exhibit_schemas::keyring::{Keyring, KeyringError};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::{Chain, SealError, Sealed};

#[path = "samples/security_key.rs"]
mod security_key;

use security_key::{SoftwareKey, TOUCHED};

const START: Chain = Chain {
    boot: 1,
    sequence: 0,
    previous: None,
};

fn token() -> SoftwareKey {
    SoftwareKey::new(1, "ssh:")
}

fn events() -> Vec<Bytes> {
    vec![Bytes(b"a decision".to_vec())]
}

fn sealed() -> Sealed {
    Sealed::seal(events(), START, &token()).unwrap()
}

/// The seal of the token with another signature over the same bytes.
fn with(signature: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut seal = coset::CoseSign1::from_tagged_slice(&sealed().seal_bytes().0).unwrap();
    seal.signature = signature(&seal.tbs_data(b""));
    seal.to_tagged_vec().unwrap()
}

fn taken(seal: Vec<u8>, key: &PublicKey) -> Result<(), SealError> {
    Sealed::verify(events(), Bytes(seal), key).map(|_| ())
}

#[test]
fn a_seal_of_a_security_key_is_taken_as_its_own() {
    let (sealed, key) = (sealed(), token().public_key());
    let seal = sealed.seal_bytes().0.clone();
    assert_eq!(taken(seal.clone(), &key), Ok(()));
    // The helper of these tests signs what is signed.
    let again = with(|signed| token().assert(signed, TOUCHED, 7).0.to_vec());
    assert_eq!(again, seal);
    // The presence of somebody who was verified, too, is presence.
    let verified = with(|signed| token().assert(signed, TOUCHED | 0x04, 7).0.to_vec());
    assert_eq!(taken(verified, &key), Ok(()));
}

#[test]
fn a_signature_without_a_touch_is_nobodys() {
    let key = token().public_key();
    for flags in [0, 0x04, 0xfe] {
        let absent = with(|signed| token().assert(signed, flags, 7).0.to_vec());
        assert_eq!(
            taken(absent, &key),
            Err(KeyError::Absent(key.id()).into()),
            "{flags:#x}"
        );
    }
    for flags in [0x41, 0x81] {
        let more = with(|signed| token().assert(signed, flags, 7).0.to_vec());
        assert_eq!(taken(more, &key), Err(KeyError::Flags(key.id()).into()), "{flags:#x}");
    }
}

#[test]
fn another_application_counter_or_message_is_refused() {
    let key = token().public_key();
    let bad = || Err(SealError::from(KeyError::BadSignature(key.id())));
    let other = with(|signed| SoftwareKey::new(1, "ssh:other").assert(signed, TOUCHED, 7).0.to_vec());
    assert_eq!(taken(other, &key), bad());
    let mut counted = sealed().seal_bytes().0.clone();
    *counted.last_mut().unwrap() ^= 1;
    assert_eq!(taken(counted, &key), bad());
    let message = with(|_| token().assert(b"another", TOUCHED, 7).0.to_vec());
    assert_eq!(taken(message, &key), bad());
}

/// An ordinary key's and a security key's signatures are never taken for each other, whoever has the key.
#[test]
fn no_signature_of_one_kind_passes_for_one_of_the_other() {
    let (token, plain) = (token(), SecretKey::from_seed(&[1; 32]));
    let (key, point) = (token.public_key(), plain.public_key());
    assert!(key.id() == point.id() && key != point, "one point, two kinds");
    let other = Err(SealError::from(KeyError::OtherKind(key.id())));
    // Each is right for its own kind of key, and says so in its header.
    let ordinary = Sealed::seal(events(), START, &plain).unwrap();
    assert_eq!(taken(ordinary.seal_bytes().0.clone(), &key), other);
    assert_eq!(taken(sealed().seal_bytes().0.clone(), &point), other);
    // Under the algorithm of the other kind it is not even read.
    let algorithm = Err(SealError::Rule {
        rule: "its algorithm is not that of its signature: Ed25519 (-19, or -8 of old), or that of security keys (-65555)",
    });
    let passed_off = with(|signed| match plain.sign(signed).unwrap() {
        Signature::Plain(signature) => signature.0.to_vec(),
        Signature::Security(_) => unreachable!("a key in memory is an ordinary one"),
    });
    assert_eq!(taken(passed_off, &key), algorithm);
    let mut seal = coset::CoseSign1::from_tagged_slice(&ordinary.seal_bytes().0).unwrap();
    seal.signature = token.assert(&seal.tbs_data(b""), TOUCHED, 7).0.to_vec();
    assert_eq!(taken(seal.to_tagged_vec().unwrap(), &point), algorithm);
    // Nor with bytes that make up the length of the other kind.
    let stretched = with(|signed| match plain.sign(signed).unwrap() {
        Signature::Plain(signature) => [&signature.0[..], &[TOUCHED, 0, 0, 0, 7]].concat(),
        Signature::Security(_) => unreachable!("a key in memory is an ordinary one"),
    });
    assert_eq!(taken(stretched, &key), Err(KeyError::BadSignature(key.id()).into()));
}

#[test]
fn every_byte_of_such_a_seal_counts() {
    let (seal, key) = (sealed().seal_bytes().0.clone(), token().public_key());
    for position in 0..seal.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = seal.clone();
            bytes[position] ^= flip;
            assert!(taken(bytes, &key).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
    let longer = with(|signed| [&token().assert(signed, TOUCHED, 7).0[..], &[0]].concat());
    assert!(matches!(taken(longer, &key), Err(SealError::Decode(_))));
}

#[test]
fn an_application_is_one_of_opensshs() {
    let check = |text: &str, wanted: bool| {
        let made = Application::new(text);
        assert_eq!(made.as_ref().map(Application::as_str).ok(), wanted.then_some(text));
        assert_eq!(made.is_err(), made == Err(ApplicationError));
    };
    check("ssh:", true);
    check("ssh:ward 3", true);
    check("", false);
    check("ssh", false);
    check("SSH:", false);
    check("https://clinic.example", false);
    check("ssh:\n", false);
    check("ssh:é", false);
    let longest = format!("ssh:{}", "a".repeat(APPLICATION_BYTES_MAX - 4));
    check(&longest, true);
    check(&format!("{longest}a"), false);
}

fn administrator() -> Emitter {
    Emitter(SecretKey::from_seed(&[9; 32]).public_key().id(), 1)
}

fn keyring() -> Keyring {
    let genesis = Genesis {
        origin: "log.example".into(),
        log_key: SecretKey::from_seed(&[8; 32]).public_key().to_bytes(),
        administrators: vec![Administrator {
            name: "root".into(),
            key: SecretKey::from_seed(&[9; 32]).public_key().to_bytes(),
        }],
    };
    Keyring::begin(&genesis, administrator().0).unwrap()
}

fn enrolled(role: Role, application: Option<Application>) -> Body {
    KeyEnrolled {
        key: token().public_key().to_bytes(),
        role,
        name: "ann".into(),
        groups: Vec::new(),
        application,
    }
    .into()
}

#[test]
fn people_enrol_security_keys_and_nobody_else_does() {
    let (mut keyring, key) = (keyring(), token().public_key());
    let ssh = Some(token().application().clone());
    for role in [Role::Proxy, Role::Ledger, Role::Administrator] {
        let refused = keyring.apply(Index(1), administrator(), &enrolled(role, ssh.clone()));
        assert_eq!(refused, Err(KeyringError::SecurityKey { key: key.id(), role }));
    }
    keyring
        .apply(Index(1), administrator(), &enrolled(Role::Person, ssh))
        .unwrap();
    let record = keyring.may_emit(key.id(), Kind::ApprovalDecided).unwrap();
    assert_eq!(record.key, key);
    assert!(record.key.is_security_key());
    // The same point does not come back as an ordinary key.
    let again = keyring.apply(Index(2), administrator(), &enrolled(Role::Person, None));
    assert_eq!(again, Err(KeyringError::Twice(key.id())));
}

#[test]
fn a_person_moves_to_a_security_key_and_a_proxy_does_not() {
    let (mut keyring, plain) = (keyring(), SecretKey::from_seed(&[3; 32]).public_key());
    let (proxy, token) = (SecretKey::from_seed(&[4; 32]).public_key(), token());
    for (key, role) in [(plain, Role::Person), (proxy, Role::Proxy)] {
        let body = KeyEnrolled {
            key: key.to_bytes(),
            role,
            name: "ann".into(),
            groups: vec!["dba".into()],
            application: None,
        };
        keyring.apply(Index(1), administrator(), &body.into()).unwrap();
    }
    let rotated = |from: &PublicKey| -> Body {
        KeyRotated {
            from: from.id(),
            to: token.public_key().to_bytes(),
            application: Some(token.application().clone()),
        }
        .into()
    };
    let (key, role) = (token.public_key().id(), Role::Proxy);
    let refused = keyring.apply(Index(2), administrator(), &rotated(&proxy));
    assert_eq!(refused, Err(KeyringError::SecurityKey { key, role }));
    assert!(keyring.in_force(proxy.id()).is_ok(), "nothing has changed");
    keyring.apply(Index(2), administrator(), &rotated(&plain)).unwrap();
    let record = keyring.may_emit(key, Kind::ApprovalDecided).unwrap();
    assert!(record.key == token.public_key() && record.groups == ["dba"]);
}

#[test]
fn an_event_with_an_application_that_is_none_is_no_event() {
    let event = Event {
        time: Timestamp(1),
        emitter: administrator(),
        session: None,
        body: enrolled(Role::Person, Some(token().application().clone())),
    };
    let bytes = event.encode().unwrap();
    assert_eq!(Event::decode(&bytes.0).unwrap(), event);
    let place = bytes.0.windows(4).position(|window| window == b"ssh:").unwrap();
    let mut other = bytes.0;
    other[place] = b'w';
    assert!(Event::decode(&other).is_err());
}
