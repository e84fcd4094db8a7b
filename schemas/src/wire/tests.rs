//! Every message round trips, and whatever is accepted is the one encoding of its message.

use proptest::prelude::{any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::{
    Append, BATCH_BYTES_MAX, Challenge, Hello, MESSAGE_BYTES_MAX, Message, Nonce, Published, Receipt, Refusal,
    RefusalCode, Standing, Welcome,
};
use crate::cbor::{Bytes, DecodeError};
use crate::digest::Digest;
use crate::key::KeyId;
use crate::seal::{BATCH_EVENTS_MAX, ENTRY_BYTES_MAX};

fn all() -> Vec<Message> {
    let standing = Standing {
        boot: 7,
        sequence: 3,
        previous: Digest([1; 32]),
    };
    let (events, seal) = (vec![Bytes(vec![1]), Bytes(vec![2; 300])], Bytes(vec![0xd2]));
    vec![
        Message::Challenge(Challenge { nonce: Nonce([3; 32]) }),
        Message::Hello(Hello {
            version: 2,
            emitter: KeyId([1; 8]),
            since: 24,
            proof: Bytes(vec![0xd2]),
        }),
        Message::Welcome(Welcome {
            checkpoint: "note".into(),
            standing: None,
        }),
        Message::Welcome(Welcome {
            checkpoint: "note".into(),
            standing: Some(standing),
        }),
        Message::Append(Append {
            events: events.clone(),
            seal: seal.clone(),
        }),
        Message::Receipt(Receipt {
            boot: 7,
            sequence: 3,
            first: 9,
            checkpoint: "note".into(),
        }),
        Message::Refusal(Refusal {
            boot: 7,
            sequence: 3,
            code: RefusalCode::Busy,
            text: "later".into(),
        }),
        Message::Published(Published { first: 9, events, seal }),
    ]
}

fn invalid(result: &Result<Message, DecodeError>) -> Option<&'static str> {
    match result {
        Err(DecodeError::Invalid { rule, .. }) => Some(*rule),
        _ => None,
    }
}

#[test]
fn every_message_round_trips_under_its_own_code() {
    for message in all() {
        let bytes = message.encode();
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        for code in (0..=255).filter(|code| *code != bytes[0]) {
            let mut changed = bytes.clone();
            changed[0] = code;
            // A Receipt and a Refusal have records of one shape; the code alone tells them apart.
            assert_ne!(Message::decode(&changed).as_ref(), Ok(&message));
        }
    }
}

#[test]
fn empty_unknown_trailing_and_cut_messages_are_refused() {
    assert_eq!(invalid(&Message::decode(&[])), Some("it is empty"));
    assert_eq!(invalid(&Message::decode(&[0, 0xa0])), Some("its code is unknown"));
    assert_eq!(invalid(&Message::decode(&[8, 0xa0])), Some("its code is unknown"));
    for message in all() {
        let mut bytes = message.encode();
        for length in 0..bytes.len() {
            assert!(Message::decode(&bytes[..length]).is_err());
        }
        bytes.push(0);
        assert!(Message::decode(&bytes).is_err());
    }
}

#[test]
fn the_limit_of_a_message_holds_at_and_past_the_edge() {
    let of_size = |size| {
        let seal = Bytes(vec![0; size]);
        Message::Append(Append { events: vec![], seal }).encode()
    };
    let overhead = of_size(MESSAGE_BYTES_MAX - 100).len() - (MESSAGE_BYTES_MAX - 100);
    let edge = of_size(MESSAGE_BYTES_MAX - overhead);
    assert_eq!(edge.len(), MESSAGE_BYTES_MAX);
    assert!(Message::decode(&edge).is_ok());
    let past = of_size(MESSAGE_BYTES_MAX - overhead + 1);
    assert_eq!(
        invalid(&Message::decode(&past)),
        Some("it is longer than a batch can be")
    );
}

#[test]
fn every_batch_within_its_limits_fits_a_message() {
    let seal = Bytes(vec![0; ENTRY_BYTES_MAX]);
    let many = vec![Bytes(vec![0; BATCH_BYTES_MAX / BATCH_EVENTS_MAX]); BATCH_EVENTS_MAX];
    let large = vec![Bytes(vec![0; ENTRY_BYTES_MAX]); 16];
    for events in [many, large] {
        let append = Message::Append(Append {
            events: events.clone(),
            seal: seal.clone(),
        });
        let published = Message::Published(Published {
            first: u64::MAX,
            events,
            seal: seal.clone(),
        });
        for message in [append, published] {
            let bytes = message.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX, "{}", bytes.len());
            assert_eq!(Message::decode(&bytes), Ok(message));
        }
    }
}

#[test]
fn refusal_codes_and_words_are_unique() {
    for (position, code) in RefusalCode::ALL.iter().enumerate() {
        assert_eq!(usize::from(code.code()), position);
        assert_eq!(RefusalCode::from_word(code.as_str()), Some(*code));
    }
    assert_eq!(RefusalCode::from_code(8), None);
}

fn one_encoding(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

proptest! {
    #[test]
    fn accepted_bytes_are_the_one_encoding_of_their_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        one_encoding(&bytes);
    }

    #[test]
    fn accepted_bytes_near_a_message_are_its_one_encoding(
        which in 0..7usize,
        edits in prop::collection::vec((any::<u16>(), prop_oneof![any::<u8>(), (0x9f..=0xbf_u8).boxed()]), 1..4),
    ) {
        let mut bytes = all()[which].encode();
        for (place, byte) in edits {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        one_encoding(&bytes);
    }
}
