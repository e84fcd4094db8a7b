//! Each step that must follow, and each one that must not.

use super::{ChainError, SessionChain, next_event, next_seal, same_emitter};
use crate::digest::Digest;
use crate::event::access::SessionClosed;
use crate::event::access::{Principal, SessionOpened};
use crate::event::trust::Fault;
use crate::event::{Body, Emitter, Event, Kind, SessionId, SessionPlace, Timestamp};
use crate::key::KeyId;
use crate::seal::{Chain, SealPayload};

const KEY: KeyId = KeyId([1; 8]);
const SESSION: SessionId = SessionId([2; 16]);
const LEAF: Digest = Digest([3; 32]);

fn payload(boot: u64, sequence: u64, previous: Option<Digest>) -> SealPayload {
    SealPayload {
        version: 1,
        emitter: KEY,
        boot,
        sequence,
        count: 1,
        root: Digest([0; 32]),
        previous,
    }
}

const STATE: Chain = Chain {
    boot: 10,
    sequence: 4,
    previous: Some(LEAF),
};

#[test]
fn a_seal_follows_its_boot_its_sequence_and_the_seal_before() {
    let leaf = Digest([4; 32]);
    let step = |state, boot, sequence, previous| next_seal(state, &payload(boot, sequence, previous), leaf);
    let after = |boot, sequence| {
        Ok(Chain {
            boot,
            sequence,
            previous: Some(leaf),
        })
    };
    assert_eq!(step(None, 10, 0, None), after(10, 1));
    assert_eq!(step(Some(STATE), 10, 4, Some(LEAF)), after(10, 5));
    assert_eq!(step(Some(STATE), 11, 0, Some(LEAF)), after(11, 1));
    let sequence = |found, wanted| {
        Err(ChainError::SealSequence {
            emitter: KEY,
            found,
            wanted,
        })
    };
    assert_eq!(step(None, 10, 1, None), sequence(1, 0));
    assert_eq!(step(Some(STATE), 10, 3, Some(LEAF)), sequence(3, 4));
    assert_eq!(step(Some(STATE), 10, 5, Some(LEAF)), sequence(5, 4));
    assert_eq!(step(Some(STATE), 11, 4, Some(LEAF)), sequence(4, 0));
    let old = ChainError::OldBoot {
        emitter: KEY,
        found: 9,
        last: 10,
    };
    assert_eq!(step(Some(STATE), 9, 0, Some(LEAF)), Err(old));
    let previous = |sequence| Err(ChainError::Previous { emitter: KEY, sequence });
    assert_eq!(step(None, 10, 0, Some(LEAF)), previous(0));
    assert_eq!(step(Some(STATE), 10, 4, None), previous(4));
    assert_eq!(step(Some(STATE), 10, 4, Some(leaf)), previous(4));
    assert_eq!(step(Some(STATE), 11, 0, None), previous(0));
}

fn event(emitter: Emitter, place: Option<u64>, body: impl Into<Body>) -> Event {
    Event {
        time: Timestamp(1),
        emitter,
        session: place.map(|sequence| SessionPlace(SESSION, sequence)),
        body: body.into(),
    }
}

fn fault() -> Fault {
    Fault {
        place: "gate".into(),
        text: "queue".into(),
    }
}

fn opened() -> SessionOpened {
    let principal = Principal {
        method: "api-key".into(),
        issuer: "here".into(),
        subject: "nightly".into(),
        client_id: None,
        groups: vec![],
        evidence: Digest([0; 32]),
        run: None,
    };
    SessionOpened {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal,
        peer: "loopback".into(),
        transport: "TLSv1.3".into(),
        policy: Digest([0; 32]),
        client: None,
        expires: None,
        mask_key: None,
    }
}

fn closed() -> SessionClosed {
    SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    }
}

const HERE: Emitter = Emitter(KEY, 10);

#[test]
fn an_event_stands_under_a_seal_of_its_own_emitter_and_boot() {
    let payload = payload(10, 0, None);
    let check = |emitter| same_emitter(&event(emitter, None, fault()), &payload);
    assert_eq!(check(HERE), Ok(()));
    let other = |event| Err(ChainError::OtherEmitter { event, seal: KEY });
    assert_eq!(check(Emitter(KeyId([9; 8]), 10)), other(KeyId([9; 8])));
    assert_eq!(check(Emitter(KEY, 11)), other(KEY));
}

#[test]
fn a_session_opens_once_counts_without_gaps_and_ends_with_its_close() {
    let state = |next, closed| SessionChain {
        emitter: KEY,
        boot: 10,
        next,
        closed,
    };
    let step = |state, event: &Event| next_event(state, event);
    let open = |next| Some(state(next, false));
    assert_eq!(step(None, &event(HERE, None, fault())), Ok(None));
    assert_eq!(step(None, &event(HERE, Some(0), opened())), Ok(open(1)));
    assert_eq!(step(open(1), &event(HERE, Some(1), fault())), Ok(open(2)));
    assert_eq!(step(open(2), &event(HERE, Some(2), closed())), Ok(Some(state(3, true))));
    let opening = |kind, sequence| {
        Err(ChainError::Opening {
            session: SESSION,
            kind,
            sequence,
        })
    };
    assert_eq!(step(None, &event(HERE, Some(0), fault())), opening(Kind::Fault, 0));
    assert_eq!(
        step(None, &event(HERE, Some(1), opened())),
        opening(Kind::SessionOpened, 1)
    );
    assert_eq!(
        step(open(1), &event(HERE, Some(1), opened())),
        opening(Kind::SessionOpened, 1)
    );
    let gap = |found| {
        Err(ChainError::SessionSequence {
            session: SESSION,
            found,
            wanted: 2,
        })
    };
    assert_eq!(step(open(2), &event(HERE, Some(1), fault())), gap(1));
    assert_eq!(step(open(2), &event(HERE, Some(3), fault())), gap(3));
    for (found, body) in [(3, Body::from(fault())), (4, closed().into()), (3, opened().into())] {
        let after = Err(ChainError::Closed {
            session: SESSION,
            found,
        });
        assert_eq!(step(Some(state(3, true)), &event(HERE, Some(found), body)), after);
    }
    for emitter in [Emitter(KeyId([9; 8]), 10), Emitter(KEY, 11)] {
        let stranger = Err(ChainError::SessionEmitter {
            session: SESSION,
            found: 1,
        });
        assert_eq!(step(open(1), &event(emitter, Some(1), fault())), stranger);
    }
}
