//! Who may emit what and when, every refusal, and that a refused event changes nothing.

use proptest::prelude::*;

use super::{Keyring, KeyringError, ReadingError};
use crate::digest::Digest;
use crate::event::access::{Principal, SessionOpened};
use crate::event::trust::{
    Administrator, CopyPlace, EvidenceRead, Fault, Genesis, KeyEnrolled, KeyRevoked, KeyRotated, MaskKeyAnnounced,
    MaskKeyId, PolicySigned, REVEAL, Role,
};
use crate::event::{Body, Emitter, Kind};
use crate::key::{KeyBytes, KeyError, KeyId, PublicKey, SecretKey, Signer as _};
use crate::merkle::Index;

fn key(number: u8) -> PublicKey {
    SecretKey::from_seed(&[number; 32]).public_key()
}

/// The administrator of the key 1.
fn root() -> Emitter {
    Emitter(key(1).id(), 1)
}

/// A run of a proxy.
fn run(proxy: KeyId, boot: u64) -> Emitter {
    Emitter(proxy, boot)
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
        application: None,
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
        application: None,
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
    assert_eq!(changed.apply(Index(9), root(), body).as_ref(), Err(wanted));
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
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    assert_eq!(keyring.in_force(id).unwrap().enrolled, Index(2));
    keyring.apply(Index(4), root(), &revoked(3)).unwrap();
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
    keyring.apply(Index(2), root(), &enrolled(3, Role::Person)).unwrap();
    let old = keyring.in_force(key(3).id()).unwrap().clone();
    keyring.apply(Index(4), root(), &rotated(3, 4)).unwrap();
    let new = keyring.in_force(key(4).id()).unwrap();
    assert_eq!((&new.role, &new.name, &new.groups), (&old.role, &old.name, &old.groups));
    assert!(matches!(keyring.in_force(key(3).id()), Err(KeyringError::Ended { .. })));
    // The only administrator may be rotated: its new key is in force before the old one ends.
    keyring.apply(Index(6), root(), &rotated(1, 5)).unwrap();
    assert_eq!(keyring.in_force(key(5).id()).unwrap().role, Role::Administrator);
}

#[test]
fn key_events_that_do_not_fit_are_refused_whole() {
    let mut keyring = begun(&[1]);
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    keyring.apply(Index(3), root(), &enrolled(4, Role::Person)).unwrap();
    keyring.apply(Index(4), root(), &revoked(4)).unwrap();
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
    let weak: Body = KeyRotated {
        from: three,
        to: bytes,
        application: None,
    }
    .into();
    check_refused(&keyring, &weak, &KeyringError::Key(KeyError::Weak(id)));
}

#[test]
fn the_last_administrator_stays_and_one_before_it_may_go() {
    let mut keyring = begun(&[1, 2]);
    keyring.apply(Index(2), root(), &revoked(1)).unwrap();
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
    keyring.apply(Index(2), root(), &fault.into()).unwrap();
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
        keyring.apply(Index(2), root(), &enrolled(number, role)).unwrap();
    }
    let wanted = |role| match role {
        Role::Administrator => {
            "genesis key-enrolled key-revoked key-rotated policy-snapshot hold erasure policy-signed"
        }
        Role::Proxy => {
            "policy-snapshot catalog-snapshot session-opened session-closed command approval-requested \
             approval-expired response-chunk response-end command-data detection mask-key-announced \
             threshold-decided login-refused command-sealed policy-in-force preview-run fault"
        }
        Role::Ledger => "evidence-read anchor fault",
        Role::Person => {
            "approval-decided evidence-read review-signed policy-signed approval-revoked report-signed exception-noted exception-closed"
        }
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
    keyring.apply(Index(5), root(), &revoked(2)).unwrap();
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
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    let full = keyring.apply(Index(3), root(), &enrolled(4, Role::Proxy));
    assert_eq!(full, Err(KeyringError::Full));
    assert_eq!(keyring.keys().count(), super::KEYS_MAX);
}

fn announced(number: u8, replaces: &[u8]) -> Body {
    MaskKeyAnnounced {
        key: MaskKeyId([number; 16]),
        replaces: replaces.iter().map(|number| MaskKeyId([*number; 16])).collect(),
    }
    .into()
}

fn opened(mask_key: Option<u8>) -> SessionOpened {
    SessionOpened {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "api-keys.toml".into(),
            subject: "ci".into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest([1; 32]),
            run: None,
        },
        peer: "127.0.0.1:5".into(),
        transport: "TLSv1.3".into(),
        policy: Digest([2; 32]),
        client: None,
        expires: None,
        mask_key: mask_key.map(|number| MaskKeyId([number; 16])),
    }
}

#[test]
fn sessions_mask_under_the_key_that_their_proxy_announced_last() {
    let mut keyring = begun(&[1]);
    let proxy = key(3).id();
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    let check = |keyring: &Keyring, right: Option<u8>| {
        for named in [None, Some(1), Some(2), Some(3)] {
            let refused = KeyringError::MaskKeyNotInForce {
                proxy,
                key: named.map(|number| MaskKeyId([number; 16])),
            };
            let wanted = if named == right { Ok(()) } else { Err(refused) };
            assert_eq!(keyring.may_open(proxy, &opened(named)), wanted, "{right:?}");
        }
    };
    check(&keyring, None);
    keyring.apply(Index(4), run(proxy, 1), &announced(1, &[])).unwrap();
    check(&keyring, Some(1));
    // At each start it says so again; within the run it is the key.
    keyring.apply(Index(5), run(proxy, 2), &announced(1, &[])).unwrap();
    check(&keyring, Some(1));
    let within = KeyringError::MaskKeyWithinRun {
        proxy,
        key: MaskKeyId([3; 16]),
    };
    let before = keyring.clone();
    let refused = keyring.apply(Index(6), run(proxy, 2), &announced(3, &[2, 1]));
    assert_eq!(refused, Err(within));
    assert_eq!(keyring, before);
    // A run that began without an announcement has one key, too, once a session is known of it.
    let mut later = keyring.clone();
    later.opened(run(proxy, 3));
    assert!(later.apply(Index(6), run(proxy, 3), &announced(3, &[2, 1])).is_err());
    // A key that was replaced before it was used stands between.
    keyring.apply(Index(6), run(proxy, 3), &announced(3, &[2, 1])).unwrap();
    check(&keyring, Some(3));
    let terms: Vec<_> = keyring.record(proxy).unwrap().mask_keys.iter().collect();
    let terms: Vec<_> = terms
        .iter()
        .map(|term| (term.key.0[0], term.announced, term.ended))
        .collect();
    assert_eq!(terms, [(1, Index(4), Some(Index(6))), (3, Index(6), None)]);
    assert_eq!(
        keyring.may_open(key(9).id(), &opened(None)),
        Err(KeyringError::Unknown(key(9).id()))
    );
}

#[test]
fn a_key_of_masks_follows_the_one_before_it_and_never_comes_back() {
    let mut keyring = begun(&[1]);
    let proxy = key(3).id();
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    keyring.apply(Index(3), run(proxy, 1), &announced(1, &[])).unwrap();
    keyring.apply(Index(4), run(proxy, 2), &announced(2, &[1])).unwrap();
    let check = |keyring: &Keyring, body: &Body, wanted: &KeyringError| {
        let mut changed = keyring.clone();
        assert_eq!(changed.apply(Index(9), run(proxy, 3), body).as_ref(), Err(wanted));
        assert_eq!(changed, *keyring, "a refused event changes nothing");
        assert!(wanted.is_of_masks());
    };
    let (one, two, three) = (MaskKeyId([1; 16]), MaskKeyId([2; 16]), MaskKeyId([3; 16]));
    for replaces in [&[][..], &[1], &[3, 4]] {
        let wanted = KeyringError::MaskKeyUnlinked {
            proxy,
            key: three,
            current: two,
        };
        check(&keyring, &announced(3, replaces), &wanted);
    }
    let ended = Index(4);
    let back = KeyringError::MaskKeyReplaced { proxy, key: one, ended };
    check(&keyring, &announced(1, &[2]), &back);
    let unknown = keyring.apply(Index(9), run(key(9).id(), 1), &announced(1, &[]));
    assert_eq!(unknown, Err(KeyringError::Unknown(key(9).id())));
    assert!(!KeyringError::Unknown(key(9).id()).is_of_masks());
    // Another proxy may mask under the same key, for as long as it likes.
    keyring.apply(Index(5), root(), &enrolled(4, Role::Proxy)).unwrap();
    keyring
        .apply(Index(6), run(key(4).id(), 2), &announced(1, &[]))
        .unwrap();
    // A rotation of the proxy's own key changes nothing about what it masks under.
    keyring.apply(Index(7), root(), &rotated(3, 5)).unwrap();
    keyring.may_open(key(5).id(), &opened(Some(2))).unwrap();
    let mut back = keyring.clone();
    assert!(matches!(
        back.apply(Index(9), run(key(5).id(), 3), &announced(1, &[2])),
        Err(KeyringError::MaskKeyReplaced { .. })
    ));
    keyring
        .apply(Index(8), run(key(5).id(), 3), &announced(3, &[2]))
        .unwrap();
    keyring.may_open(key(5).id(), &opened(Some(3))).unwrap();
}

#[test]
fn a_person_speaks_of_copies_that_it_opens_itself_and_the_ledger_of_all_else() {
    let mut keyring = begun(&[1]);
    for (number, role) in [(3, Role::Ledger), (4, Role::Person), (5, Role::Person)] {
        keyring.apply(Index(2), root(), &enrolled(number, role)).unwrap();
    }
    let copy = CopyPlace {
        index: Index(7),
        leaf: Digest([7; 32]),
    };
    let read = |reader: &str, operation: &str, named: bool| EvidenceRead {
        reader: reader.to_owned(),
        operation: operation.to_owned(),
        scope: "why".to_owned(),
        copy: named.then(|| copy.clone()),
        by: None,
    };
    for (number, read, right) in [
        (4, read("name 4", REVEAL, true), true),
        (4, read("name 4", REVEAL, false), false),
        (4, read("name 4", "search", true), false),
        (4, read("name 4", "search", false), false),
        (4, read("name 5", REVEAL, true), false),
        (3, read("name 3", REVEAL, true), false),
        (3, read("name 4", REVEAL, false), false),
        (3, read("name 4", "search", true), false),
    ] {
        let key = key(number).id();
        let wanted = if right {
            Ok(())
        } else {
            Err(KeyringError::Reading { key })
        };
        assert_eq!(keyring.may_read(key, &read), wanted, "{number} {read:?}");
    }
    // Of what else is read the ledger says how the reader proved who it is.
    let unproven = keyring.may_read(key(3).id(), &read("name 4", "search", false));
    assert!(matches!(unproven, Err(KeyringError::Reader(ReadingError::Event(_)))));
    keyring.apply(Index(3), root(), &revoked(4)).unwrap();
    let ended = keyring.may_read(key(4).id(), &read("name 4", REVEAL, true));
    assert!(matches!(ended, Err(KeyringError::Ended { .. })));
}

#[test]
fn a_policy_is_signed_for_this_log_by_a_person_or_an_administrator() {
    let mut keyring = begun(&[1]);
    for (number, role) in [(2, Role::Proxy), (3, Role::Ledger), (4, Role::Person)] {
        keyring.apply(Index(2), root(), &enrolled(number, role)).unwrap();
    }
    let signed = |log_key| PolicySigned {
        log_key,
        policy: Digest([1; 32]),
        reason: "reviewed".to_owned(),
        expires: None,
    };
    let own = keyring.log_key();
    for (number, right) in [(1, true), (2, false), (3, false), (4, true), (9, false)] {
        let key = key(number).id();
        assert_eq!(keyring.may_sign(key, &signed(own)).is_ok(), right, "{number}");
    }
    let other = signed(KeyBytes([9; 32]));
    let key = key(4).id();
    assert_eq!(keyring.may_sign(key, &other), Err(KeyringError::OtherLog { key }));
}

#[test]
fn the_number_of_keys_of_masks_is_limited_at_and_past_the_edge() {
    let mut keyring = begun(&[1]);
    let proxy = key(3).id();
    keyring.apply(Index(2), root(), &enrolled(3, Role::Proxy)).unwrap();
    let announced = |number: usize| {
        let id = |number: usize| MaskKeyId(u128::try_from(number).unwrap().to_be_bytes());
        Body::from(MaskKeyAnnounced {
            key: id(number),
            replaces: number.checked_sub(1).map(id).into_iter().collect(),
        })
    };
    for number in 0..super::MASK_KEYS_MAX {
        let run = run(proxy, u64::try_from(number).unwrap());
        keyring.apply(Index(3), run, &announced(number)).unwrap();
    }
    let last = super::MASK_KEYS_MAX - 1;
    let run = run(proxy, u64::MAX);
    keyring.apply(Index(4), run, &announced(last)).unwrap();
    let run = Emitter(proxy, u64::MAX - 1);
    let full = keyring.apply(Index(4), run, &announced(last + 1));
    assert_eq!(full, Err(KeyringError::MaskKeysFull(proxy)));
}

proptest! {
    /// Whatever two proxies announce, in whatever order: what is taken is one line of keys for each, and sessions open under
    /// its end alone.
    #[test]
    fn announcements_that_are_taken_make_one_line_of_keys(
        said in proptest::collection::vec((3_u8..5, 1_u8..6, proptest::collection::vec(1_u8..6, 0..4), any::<bool>()), 0..40)
    ) {
        let mut keyring = begun(&[1]);
        for number in [3, 4] {
            keyring.apply(Index(2), root(), &enrolled(number, Role::Proxy)).unwrap();
        }
        let mut boot = 1;
        for (place, (proxy, number, replaces, starts)) in (3..).zip(said) {
            boot += u64::from(starts);
            let proxy = key(proxy).id();
            let before = keyring.clone();
            let last = before.record(proxy).unwrap().mask_keys.last();
            let same_run = last.is_some_and(|term| term.boot == boot);
            let last = last.map(|term| term.key.0[0]);
            let taken = keyring.apply(Index(place), run(proxy, boot), &announced(number, &replaces)).is_ok();
            let known = before.record(proxy).unwrap().mask_keys.iter().any(|term| term.key.0[0] == number);
            let follows = last.is_none_or(|last| replaces.contains(&last)) && !known && !same_run;
            prop_assert_eq!(taken, last == Some(number) || follows);
            if !taken {
                prop_assert_eq!(&keyring, &before);
            }
            let terms = &keyring.record(proxy).unwrap().mask_keys;
            for pair in terms.windows(2) {
                prop_assert_eq!(pair[0].ended, Some(pair[1].announced));
            }
            prop_assert!(terms.last().is_none_or(|term| term.ended.is_none()));
            let end = terms.last().map(|term| term.key.0[0]);
            for named in (1..6).map(Some).chain([None]) {
                prop_assert_eq!(keyring.may_open(proxy, &opened(named)).is_ok(), named == end);
            }
        }
    }
}
