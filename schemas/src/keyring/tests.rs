//! Who may emit what and when, every refusal, and that a refused event changes nothing.

use super::{Keyring, KeyringError};
use crate::event::trust::{Administrator, Fault, Genesis, KeyEnrolled, KeyRevoked, KeyRotated, Role};
use crate::event::{Body, Kind};
use crate::key::{KeyBytes, KeyError, KeyId, PublicKey, SecretKey, Signer as _};
use crate::merkle::Index;

fn key(number: u8) -> PublicKey {
    SecretKey::from_seed(&[number; 32]).public_key()
}

const LOG: u8 = 100;

fn genesis(administrators: &[u8]) -> Genesis {
    let administrators = administrators.iter().map(|number| Administrator {
        name: format!("administrator {number}"),
        key: key(*number).to_bytes(),
    });
    Genesis {
        origin: "log.example".into(),
        log_key: key(LOG).to_bytes(),
        administrators: administrators.collect(),
    }
}

fn begun(administrators: &[u8]) -> Keyring {
    Keyring::begin(&genesis(administrators), key(administrators[0]).id()).unwrap()
}

fn enrolled(number: u8, role: Role) -> Body {
    KeyEnrolled {
        key: key(number).to_bytes(),
        role,
        name: format!("name {number}"),
        groups: vec!["dba".into()],
    }
    .into()
}

fn revoked(number: u8) -> Body {
    KeyRevoked {
        key: key(number).id(),
        reason: "left".into(),
    }
    .into()
}

fn rotated(from: u8, to: u8) -> Body {
    KeyRotated {
        from: key(from).id(),
        to: key(to).to_bytes(),
    }
    .into()
}

fn weak() -> (KeyBytes, KeyId) {
    let mut identity = [0; 32];
    identity[0] = 1;
    match PublicKey::from_bytes(KeyBytes(identity)) {
        Err(KeyError::Weak(id)) => (KeyBytes(identity), id),
        other => panic!("the identity is weak: {other:?}"),
    }
}

#[track_caller]
fn check_refused(keyring: &Keyring, body: &Body, wanted: &KeyringError) {
    let mut changed = keyring.clone();
    assert_eq!(changed.apply(Index(9), body).as_ref(), Err(wanted));
    assert_eq!(changed, *keyring, "a refused event changes nothing");
}

#[test]
fn begins_with_a_genesis_that_its_first_administrator_sealed() {
    let keyring = begun(&[1, 2]);
    assert_eq!(
        (keyring.origin(), keyring.log_key()),
        ("log.example", key(LOG).to_bytes())
    );
    assert_eq!(keyring.keys().count(), 2);
    let record = keyring.in_force(key(2).id()).unwrap();
    assert_eq!(
        (record.role, record.enrolled, record.ended),
        (Role::Administrator, Index(0), None)
    );
    let begin = |genesis: &Genesis, emitter| Keyring::begin(genesis, key(emitter).id()).map(|_| ());
    let twice = |number| Err(KeyringError::Twice(key(number).id()));
    assert!(matches!(begin(&genesis(&[]), 1), Err(KeyringError::Genesis(_))));
    assert!(matches!(begin(&genesis(&[1, 2]), 2), Err(KeyringError::Genesis(_))));
    assert_eq!(begin(&genesis(&[1, 1]), 1), twice(1));
    assert_eq!(begin(&genesis(&[LOG]), LOG), twice(LOG));
    let (bytes, id) = weak();
    let mut weak_log = genesis(&[1]);
    weak_log.log_key = bytes;
    assert_eq!(begin(&weak_log, 1), Err(KeyringError::Key(KeyError::Weak(id))));
    let mut weak_administrator = genesis(&[1, 2]);
    weak_administrator.administrators[1].key = bytes;
    assert_eq!(
        begin(&weak_administrator, 1),
        Err(KeyringError::Key(KeyError::Weak(id)))
    );
}

#[test]
fn a_key_is_in_force_from_its_enrolment_to_its_end() {
    let mut keyring = begun(&[1]);
    let id = key(3).id();
    assert_eq!(keyring.in_force(id), Err(KeyringError::Unknown(id)));
    keyring.apply(Index(2), &enrolled(3, Role::Proxy)).unwrap();
    assert_eq!(keyring.in_force(id).unwrap().enrolled, Index(2));
    keyring.apply(Index(4), &revoked(3)).unwrap();
    let ended = KeyringError::Ended {
        key: id,
        ended: Index(4),
    };
    assert_eq!(keyring.in_force(id), Err(ended));
    assert!(keyring.record(id).is_some(), "an ended key is still known");
}

#[test]
fn a_rotation_hands_role_name_and_groups_to_the_new_key_and_ends_the_old() {
    let mut keyring = begun(&[1]);
    keyring.apply(Index(2), &enrolled(3, Role::Person)).unwrap();
    let old = keyring.in_force(key(3).id()).unwrap().clone();
    keyring.apply(Index(4), &rotated(3, 4)).unwrap();
    let new = keyring.in_force(key(4).id()).unwrap();
    assert_eq!((&new.role, &new.name, &new.groups), (&old.role, &old.name, &old.groups));
    assert!(matches!(keyring.in_force(key(3).id()), Err(KeyringError::Ended { .. })));
    // The only administrator may be rotated: its new key is in force before the old one ends.
    keyring.apply(Index(6), &rotated(1, 5)).unwrap();
    assert_eq!(keyring.in_force(key(5).id()).unwrap().role, Role::Administrator);
}

#[test]
fn key_events_that_do_not_fit_are_refused_whole() {
    let mut keyring = begun(&[1]);
    keyring.apply(Index(2), &enrolled(3, Role::Proxy)).unwrap();
    keyring.apply(Index(3), &enrolled(4, Role::Person)).unwrap();
    keyring.apply(Index(4), &revoked(4)).unwrap();
    let (one, three, four) = (key(1).id(), key(3).id(), key(4).id());
    let ended = KeyringError::Ended {
        key: four,
        ended: Index(4),
    };
    check_refused(&keyring, &enrolled(3, Role::Person), &KeyringError::Twice(three));
    check_refused(&keyring, &enrolled(4, Role::Person), &KeyringError::Twice(four));
    check_refused(
        &keyring,
        &enrolled(LOG, Role::Proxy),
        &KeyringError::Twice(key(LOG).id()),
    );
    check_refused(&keyring, &revoked(9), &KeyringError::Unknown(key(9).id()));
    check_refused(&keyring, &revoked(4), &ended);
    check_refused(&keyring, &revoked(1), &KeyringError::LastAdministrator(one));
    check_refused(&keyring, &rotated(4, 5), &ended);
    check_refused(&keyring, &rotated(9, 5), &KeyringError::Unknown(key(9).id()));
    check_refused(&keyring, &rotated(3, 3), &KeyringError::Twice(three));
    check_refused(&keyring, &rotated(3, 4), &KeyringError::Twice(four));
    let genesis = KeyringError::Genesis("it is not the first entry");
    check_refused(&keyring, &Body::from(self::genesis(&[1])), &genesis);
    let (bytes, id) = weak();
    let weak: Body = KeyRotated { from: three, to: bytes }.into();
    check_refused(&keyring, &weak, &KeyringError::Key(KeyError::Weak(id)));
}

#[test]
fn the_last_administrator_stays_and_one_before_it_may_go() {
    let mut keyring = begun(&[1, 2]);
    keyring.apply(Index(2), &revoked(1)).unwrap();
    check_refused(&keyring, &revoked(2), &KeyringError::LastAdministrator(key(2).id()));
}

#[test]
fn other_events_change_no_key() {
    let mut keyring = begun(&[1]);
    let before = keyring.clone();
    let fault = Fault {
        place: "gate".into(),
        text: "queue".into(),
    };
    keyring.apply(Index(2), &fault.into()).unwrap();
    assert_eq!(keyring, before);
}

#[test]
fn each_role_emits_its_own_kinds_and_no_other() {
    let mut keyring = begun(&[1]);
    let roles = [
        (1, Role::Administrator),
        (2, Role::Proxy),
        (3, Role::Ledger),
        (4, Role::Person),
    ];
    for (number, role) in roles.into_iter().skip(1) {
        keyring.apply(Index(2), &enrolled(number, role)).unwrap();
    }
    let wanted = |role| match role {
        Role::Administrator => "genesis key-enrolled key-revoked key-rotated policy-snapshot hold erasure",
        Role::Proxy => {
            "policy-snapshot catalog-snapshot session-opened session-closed command approval-requested \
             approval-expired response-chunk response-end command-data detection fault"
        }
        Role::Ledger => "evidence-read anchor fault",
        Role::Person => "approval-decided review-signed",
    };
    for (number, role) in roles {
        let id = key(number).id();
        for kind in Kind::ALL {
            let expected = if wanted(role).split(' ').any(|word| word == kind.as_str()) {
                Ok(role)
            } else {
                Err(KeyringError::WrongRole {
                    key: id,
                    role,
                    kind: *kind,
                })
            };
            assert_eq!(keyring.may_emit(id, *kind).map(|record| record.role), expected);
        }
    }
    keyring.apply(Index(5), &revoked(2)).unwrap();
    assert!(matches!(
        keyring.may_emit(key(2).id(), Kind::Command),
        Err(KeyringError::Ended { .. })
    ));
}

#[test]
fn the_number_of_keys_is_limited_at_and_past_the_edge() {
    let mut keyring = begun(&[1]);
    let record = keyring.record(key(1).id()).unwrap().clone();
    // Records under made-up ids stand for the keys of a long-lived log; deriving 100,000 keys would take a minute.
    for number in 0..super::KEYS_MAX - 2 {
        let mut id = [0xff; 8];
        id[..4].copy_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
        keyring.keys.insert(KeyId(id), record.clone());
    }
    assert_eq!(keyring.keys().count(), super::KEYS_MAX - 1);
    keyring.apply(Index(2), &enrolled(3, Role::Proxy)).unwrap();
    let full = keyring.apply(Index(3), &enrolled(4, Role::Proxy));
    assert_eq!(full, Err(KeyringError::Full));
    assert_eq!(keyring.keys().count(), super::KEYS_MAX);
}
