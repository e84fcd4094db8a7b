//! Round trips and refusals of events.

use std::collections::BTreeMap;

use super::access::{Access, Action, Attribute, Facts, Frame, ResponseChunk, SessionClosed};
use super::trust::{Fault, KeyRevoked};
use super::{Body, Emitter, Event, EventError, Kind, SessionId, SessionPlace, Timestamp};
use crate::cbor::{self, Bytes};
use crate::key::KeyId;

fn event(session: Option<u64>, body: impl Into<Body>) -> Event {
    Event {
        time: Timestamp(1_700_000_000_000_000),
        emitter: Emitter(KeyId([1; 8]), 1_600_000_000_000_000),
        session: session.map(|sequence| SessionPlace(SessionId([2; 16]), sequence)),
        body: body.into(),
    }
}

fn chunk(frames: Vec<Frame>) -> ResponseChunk {
    ResponseChunk {
        command: 1,
        chunk: 0,
        columns: None,
        frames,
        framed_rows: None,
        patients: None,
    }
}

fn check_round_trip(event: &Event) {
    let bytes = event.encode().unwrap();
    assert!((0xa0..=0xbf).contains(&bytes.0[0]), "an event begins as a map");
    assert_eq!(Event::decode(&bytes.0).unwrap(), *event);
}

#[test]
fn round_trips() {
    check_round_trip(&event(
        None,
        KeyRevoked {
            key: KeyId([3; 8]),
            reason: "left".into(),
        },
    ));
    check_round_trip(&event(
        Some(4),
        SessionClosed {
            reason: "agent".into(),
            commands: 3,
            bytes: 70_000,
        },
    ));
    let cells = vec![None, Some(Bytes(vec![])), Some(Bytes(b"x".to_vec()))];
    check_round_trip(&event(
        Some(2),
        chunk(vec![Frame::Verbatim(Bytes(vec![1])), Frame::Row(cells)]),
    ));
    for place in [None, Some(1)] {
        check_round_trip(&event(
            place,
            Fault {
                place: "gate".into(),
                text: "queue over its limit".into(),
            },
        ));
    }
}

#[test]
fn facts_keep_the_kind_of_each_attribute() {
    let attributes = [
        ("a", Attribute::Bool(true)),
        ("b", Attribute::Integer(1)),
        ("c", Attribute::Text("1".into())),
    ];
    let attributes: BTreeMap<_, _> = attributes.map(|(name, value)| (name.to_owned(), value)).into();
    let accesses = vec![
        Access(Action::Read, Some("public.notes".into())),
        Access(Action::Transaction, None),
    ];
    let facts = Facts {
        accesses,
        attributes,
        columns: None,
    };
    assert_eq!(cbor::decode::<Facts>(&cbor::encode(&facts)).unwrap(), facts);
}

#[test]
fn text_keys_stand_in_the_order_of_their_encoded_bytes() {
    let attributes = ["b", "aa", "a"].map(|name| (name.to_owned(), Attribute::Integer(1)));
    let facts = Facts {
        accesses: vec![],
        attributes: attributes.into(),
        columns: None,
    };
    let bytes = cbor::encode(&facts);
    let wanted = [
        0xa2, 1, 0x80, 2, 0xa3, 0x61, b'a', 1, 0x61, b'b', 1, 0x62, b'a', b'a', 1,
    ];
    assert_eq!(bytes, wanted);
    let alphabetical = [
        0xa2, 1, 0x80, 2, 0xa3, 0x61, b'a', 1, 0x62, b'a', b'a', 1, 0x61, b'b', 1,
    ];
    assert!(cbor::decode::<Facts>(&alphabetical).is_err());
}

#[test]
fn a_place_in_a_session_is_there_exactly_when_the_kind_has_one() {
    let closed = || SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    };
    let wanted = |kind, wanted| Err(EventError::SessionPlace { kind, wanted });
    assert_eq!(event(None, closed()).encode(), wanted(Kind::SessionClosed, true));
    let revoked = KeyRevoked {
        key: KeyId([3; 8]),
        reason: "left".into(),
    };
    assert_eq!(event(Some(0), revoked).encode(), wanted(Kind::KeyRevoked, false));
    // Bytes that somebody else encoded are held to the same rule.
    assert!(Event::decode(&cbor::encode(&event(None, closed()))).is_err());
}

#[test]
fn the_limit_of_an_entry_holds_at_and_past_the_edge() {
    let of_size = |size| event(Some(0), chunk(vec![Frame::Verbatim(Bytes(vec![0; size]))]));
    let overhead = of_size(60_000).encode().unwrap().0.len() - 60_000;
    assert_eq!(of_size(65_535 - overhead).encode().unwrap().0.len(), 65_535);
    assert_eq!(
        of_size(65_536 - overhead).encode(),
        Err(EventError::TooLong { bytes: 65_536 })
    );
}

#[test]
fn any_changed_byte_is_refused_or_reads_as_another_event() {
    let original = event(
        Some(4),
        SessionClosed {
            reason: "agent".into(),
            commands: 3,
            bytes: 70_000,
        },
    );
    let bytes = original.encode().unwrap().0;
    for position in 0..bytes.len() {
        for flip in 1..=255 {
            let mut changed = bytes.clone();
            changed[position] ^= flip;
            if let Ok(read) = Event::decode(&changed) {
                assert_ne!(read, original);
                assert_eq!(read.encode().unwrap().0, changed, "one encoding to an event");
            }
        }
    }
}

#[test]
fn unknown_versions_kinds_and_keys_are_refused() {
    let bytes = event(
        None,
        KeyRevoked {
            key: KeyId([3; 8]),
            reason: "left".into(),
        },
    )
    .encode()
    .unwrap()
    .0;
    assert_eq!(bytes[..3], [0xa5, 1, 1]);
    let mut version = bytes.clone();
    version[2] = 2;
    assert!(Event::decode(&version).is_err());
    let mut kind = bytes.clone();
    let place = 3 + 1 + 9; // after the version: key 2 and a time of nine bytes, then key 3
    assert_eq!(kind[place..place + 2], [3, 2]);
    kind[place + 1] = 22;
    assert!(Event::decode(&kind).is_err());
    let mut more = bytes;
    more[0] = 0xa6;
    more.extend([7, 0]);
    assert!(Event::decode(&more).is_err());
}

#[test]
fn codes_and_words_are_unique() {
    for (position, kind) in Kind::ALL.iter().enumerate() {
        assert_eq!(usize::from(kind.code()), position);
        assert_eq!(Kind::from_code(kind.code()), Some(*kind));
        assert_eq!(Kind::from_word(kind.as_str()), Some(*kind));
    }
    assert_eq!(Kind::from_code(33), None);
}

#[test]
fn debug_of_released_data_shows_no_data() {
    let text = format!(
        "{:?}",
        chunk(vec![Frame::Row(vec![Some(Bytes(b"123-45-6789".to_vec()))])])
    );
    assert!(!text.contains("6789") && !text.contains("49, 50"), "{text}");
}
