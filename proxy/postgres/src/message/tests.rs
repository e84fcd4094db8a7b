//! Every cut of a stream gives the same messages; nothing panics; limits hold at the edge and one past it.

use proptest::prelude::*;

use super::backend::Backend;
use super::encode::message;
use super::frontend::{Frontend, Kind};
use super::startup::First;
use super::{Decoder, MESSAGE_BYTES_MAX, MessageError, Raw};

fn raws(pieces: &[&[u8]]) -> Vec<Raw> {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut raws = Vec::new();
    for piece in pieces {
        decoder.buffer().extend_from_slice(piece);
        while let Some(raw) = decoder.message().unwrap() {
            raws.push(raw);
        }
    }
    assert!(decoder.is_empty());
    raws
}

fn one(tag: u8, body: &[u8]) -> Raw {
    raws(&[&message(tag, body)]).remove(0)
}

#[test]
fn every_cut_gives_the_same_messages() {
    let parts = [
        message(b'Q', b"SELECT 1\0"),
        message(b'S', b""),
        message(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
    ];
    let stream = parts.concat();
    let whole = raws(&[&stream]);
    assert_eq!(whole.len(), 3);
    for cut in 0..=stream.len() {
        let (left, right) = stream.split_at(cut);
        assert_eq!(raws(&[left, right]), whole, "{cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(raws(&bytes), whole);
    assert_eq!(whole.into_iter().flat_map(Raw::into_bytes).collect::<Vec<_>>(), stream);
}

#[test]
fn lengths_hold_at_and_past_the_edge() {
    let stated = |length: u32| {
        let mut decoder = Decoder::new(8);
        decoder.buffer().extend_from_slice(b"Q");
        decoder.buffer().extend_from_slice(&length.to_be_bytes());
        decoder.message()
    };
    assert_eq!(stated(8), Ok(None));
    for length in [0, 3, 9, u32::MAX] {
        let wanted = MessageError::Length {
            length: length.into(),
            limit: 8,
        };
        assert_eq!(stated(length), Err(wanted));
    }
    assert!(matches!(stated(4), Ok(Some(_))));
}

#[test]
fn messages_of_agents_are_read_strictly() {
    let check = |tag, body: &[u8], wanted: Option<Frontend>| {
        assert_eq!(Frontend::parse(&one(tag, body)).ok(), wanted, "{}", tag.escape_ascii());
    };
    check(b'Q', b"S\0", Some(Frontend::Query { sql: "S".into() }));
    check(b'Q', b"S", None);
    check(b'Q', b"S\0\0", None);
    check(b'Q', b"\xff\0", None);
    check(b'S', b"", Some(Frontend::Sync));
    check(b'S', b"x", None);
    let close = Frontend::Close {
        kind: Kind::Portal,
        name: "p".into(),
    };
    check(b'C', b"Pp\0", Some(close));
    check(b'C', b"Xp\0", None);
    let bind = Frontend::Bind {
        portal: String::new(),
        statement: "s".into(),
        parameters: 1,
    };
    check(b'B', b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0", Some(bind));
    check(b'B', b"\0s\0\0\0\0\x01\0\0\0\x02x\0\0", None);
    check(b'B', b"\0s\0\0\x01\0\x02\0\0\0\0", None);
    check(b'd', b"anything", Some(Frontend::CopyData));
    check(b'c', b"", Some(Frontend::CopyDone));
    check(b'c', b"x", None);
    check(b'f', b"why\0", Some(Frontend::CopyFail));
    check(b'f', b"why", None);
    check(b'F', b"anything", Some(Frontend::FunctionCall));
    // Passwords have no place after start-up.
    for tag in *b"pz\0" {
        let wanted = Err(MessageError::Unknown { tag });
        assert_eq!(Frontend::parse(&one(tag, b"")), wanted);
    }
}

#[test]
fn first_messages_are_read_strictly() {
    let check = |body: &[u8], taken: bool| assert_eq!(First::parse(body).is_ok(), taken, "{body:?}");
    check(&80_877_103_i32.to_be_bytes(), true);
    check(b"\0\x03\0\0user\0ann\0\0", true);
    check(b"\0\x03\0\x02user\0ann\0\0", true);
    check(b"\0\x03\0\0user\0ann\0user\0bob\0\0", false);
    check(b"\0\x03\0\0user\0ann\0", false);
    // Another protocol is told apart, so that the answer can say which ones are spoken.
    check(b"\0\x02\0\0user\0ann\0\0", true);
    check(b"\0\x02\0\0anything", true);
    check(b"\0\x03\0\0user\0ann\0\0x", false);
    check(b"", false);
    let cancel = |secret: usize| {
        [
            &80_877_102_i32.to_be_bytes(),
            b"\0\0\0\x07".as_slice(),
            &vec![1; secret],
        ]
        .concat()
    };
    for (secret, taken) in [(0, false), (1, true), (4, true), (32, true), (256, true), (257, false)] {
        check(&cancel(secret), taken);
    }
    check(&80_877_102_i32.to_be_bytes(), false);
}

proptest! {
    #[test]
    fn never_panics(tag in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let raw = one(tag, &body);
        let _ = Frontend::parse(&raw);
        let _ = Backend::parse(&raw);
        let _ = First::parse(&body);
    }

    #[test]
    fn any_cuts_give_the_same_messages(
        bodies in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
        size in 1_usize..30,
    ) {
        let stream: Vec<u8> = bodies.iter().flat_map(|(tag, body)| message(*tag, body)).collect();
        let pieces: Vec<&[u8]> = stream.chunks(size).collect();
        let found: Vec<(u8, Vec<u8>)> = raws(&pieces).iter().map(|raw| (raw.tag(), raw.body().to_vec())).collect();
        prop_assert_eq!(found, bodies);
    }
}
