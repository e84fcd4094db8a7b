//! However the input is split, the result is the same; every form, checksum and line end is decoded to the object.

use proptest::prelude::*;

use super::send;
use super::upload::{Plan, STREAMING, checksum, digest, put};
use crate::chunked::checksum::Algorithm;
use crate::signature::payload::Payload;

/// Pieces of a body, cut at places that were drawn.
fn pieces<'a>(body: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for place in places.into_iter().chain([body.len()]) {
        pieces.push(&body[from..place]);
        from = place;
    }
    pieces
}

#[test]
fn every_form_and_checksum_is_decoded_byte_by_byte() {
    let object: Vec<u8> = (0..=255).cycle().take(700).collect();
    for payload in STREAMING {
        for algorithm in Algorithm::ALL {
            for (chunk, lenient) in [(1, false), (64, true), (699, false), (700, true), (1_000, false)] {
                let plan = Plan {
                    payload,
                    object: &object,
                    chunk,
                    algorithm,
                    lenient,
                };
                let upload = plan.upload();
                let body = upload.body();
                let outcome = send(&upload.request, body.chunks(1));
                assert_eq!(
                    outcome.object().as_deref(),
                    Some(object.as_slice()),
                    "{payload:?} {algorithm:?} {chunk}: {:?}",
                    outcome.end
                );
                assert_eq!(outcome.early.len(), 699);
            }
        }
    }
}

#[test]
fn an_empty_object_has_no_last_byte() {
    for payload in STREAMING {
        let plan = Plan {
            payload,
            object: &[],
            chunk: 64,
            algorithm: Algorithm::Crc64Nvme,
            lenient: false,
        };
        let upload = plan.upload();
        let outcome = send(&upload.request, [upload.body().as_slice()]);
        assert_eq!(outcome.object(), Some(Vec::new()));
    }
    let (request, _) = put(Payload::Unsigned, &[]);
    assert_eq!(send(&request, []).object(), Some(Vec::new()));
}

#[test]
fn plain_bodies_hold_their_last_byte_too() {
    let object = b"Welcome to Amazon S3.";
    let mut hash = [0; 32];
    hex::decode_to_slice(digest(object), &mut hash).expect("32 bytes");
    for payload in [Payload::Unsigned, Payload::Sha256(hash)] {
        for algorithm in Algorithm::ALL {
            let sum = checksum(algorithm, object);
            let (request, _) = put(payload, &[(algorithm.header(), &sum), ("content-length", "21")]);
            let request = request.with("content-md5", "oM58T8mHWPzhKDLmXIIi0w==");
            let outcome = send(&request.clone().without("content-md5"), [&object[..10], &object[10..]]);
            assert_eq!(outcome.early, object[..20]);
            let whole = outcome.end.expect("it is whole");
            assert_eq!(whole.last().as_bytes(), b".");
            assert_eq!(whole.checksum().map(crate::chunked::Checksum::as_text), Some(sum));
            assert!(send(&request, [&object[..]]).end.is_err(), "another MD5");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_split_gives_the_same(
        object in prop::collection::vec(any::<u8>(), 0..300),
        (payload, algorithm) in (prop::sample::select(&STREAMING[..]), prop::sample::select(&Algorithm::ALL[..])),
        chunk in 1_usize..200,
        lenient in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        change in prop::option::of((any::<prop::sample::Index>(), 1_u8..)),
    ) {
        let plan = Plan { payload, object: &object, chunk, algorithm, lenient };
        let upload = plan.upload();
        let mut body = upload.body();
        if let Some((place, bits)) = change {
            let place = place.index(body.len());
            body[place] ^= bits;
        }
        let whole = send(&upload.request, [body.as_slice()]);
        let split = send(&upload.request, pieces(&body, &cuts));
        prop_assert_eq!(&whole.end, &split.end);
        if change.is_none() {
            prop_assert_eq!(whole.object(), Some(object));
            prop_assert_eq!(whole.early, split.early);
        }
    }
}
