//! At least 1,000 changed uploads of each form, none of which makes an object.
//!
//! The generator is a plain one with a fixed seed, so a failure comes again. A change that says the same (hexadecimal digits or the name
//! of a header in the other case) may pass, if the object is the very same.

use super::send;
use super::upload::{Plan, STREAMING, Upload, checksum, digest, put};
use crate::chunked::checksum::Algorithm;
use crate::signature::payload::Payload;

/// Changed uploads of each form, at the least.
const CHANGED_MIN: usize = 1_000;

/// Numbers without a pattern: Knuth's multiplier, the high bits.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("below 256")
    }
}

/// Changes bytes anywhere.
fn change_bytes(body: &mut Vec<u8>, numbers: &mut Numbers) {
    let byte = numbers.byte();
    if body.is_empty() {
        body.push(byte);
        return;
    }
    let place = numbers.below(body.len());
    match numbers.below(6) {
        0 => body[place] ^= byte.max(1),
        1 => body[place] = b"0123456789abcdef;:=\r\n"[numbers.below(21)],
        2 => body.insert(place, byte),
        3 => drop(body.remove(place)),
        4 => body.truncate(place),
        _ => body.extend(std::iter::repeat_n(byte, 1 + numbers.below(3))),
    }
}

/// Changes whole parts: chunks that are left out, there twice, exchanged, from elsewhere.
fn change_parts(parts: &mut Vec<Vec<u8>>, numbers: &mut Numbers) {
    let (one, other) = (numbers.below(parts.len()), numbers.below(parts.len()));
    match numbers.below(4) {
        0 => drop(parts.remove(one)),
        1 => parts.insert(other, parts[one].clone()),
        2 => parts.swap(one, other),
        _ => parts.truncate(one),
    }
}

/// Sends a changed body; whether it counts as one.
fn check(upload: &Upload, object: &[u8], body: &[u8], numbers: &mut Numbers) -> bool {
    let original = upload.body();
    if body == original {
        return false;
    }
    let outcome = send(&upload.request, body.chunks(1 + numbers.below(300)));
    if let Some(made) = outcome.object() {
        assert!(
            body.eq_ignore_ascii_case(&original),
            "{:?}",
            String::from_utf8_lossy(body)
        );
        assert_eq!(made, object);
        return false;
    }
    assert!(
        outcome.early.len() < object.len(),
        "a refused upload has given the whole length"
    );
    true
}

#[test]
fn no_changed_upload_in_chunks_makes_an_object() {
    let object: Vec<u8> = b"The quick brown fox jumps over the lazy dog. "
        .iter()
        .copied()
        .cycle()
        .take(900)
        .collect();
    for payload in STREAMING {
        let mut numbers = Numbers(8);
        let mut changed = 0;
        for round in 0..2_400 {
            let algorithm = Algorithm::ALL[round % 5];
            let plan = Plan {
                payload,
                object: &object,
                chunk: 150 + 37 * (round % 7),
                algorithm,
                lenient: round % 3 == 0,
            };
            let upload = plan.upload();
            let body = if round % 3 == 0 {
                let mut parts = upload.parts.clone();
                change_parts(&mut parts, &mut numbers);
                parts.concat()
            } else {
                let mut body = upload.body();
                for _ in 0..=numbers.below(3) {
                    change_bytes(&mut body, &mut numbers);
                }
                body
            };
            changed += usize::from(check(&upload, &object, &body, &mut numbers));
        }
        assert!(changed >= CHANGED_MIN, "{payload:?}: only {changed}");
    }
}

#[test]
fn no_changed_plain_upload_makes_an_object() {
    let object: Vec<u8> = b"The quick brown fox jumps over the lazy dog. "
        .iter()
        .copied()
        .cycle()
        .take(300)
        .collect();
    let mut hash = [0; 32];
    hex::decode_to_slice(digest(&object), &mut hash).expect("32 bytes");
    for payload in [Payload::Sha256(hash), Payload::Unsigned] {
        let mut numbers = Numbers(9);
        let mut changed = 0;
        for round in 0..1_200 {
            let algorithm = Algorithm::ALL[round % 5];
            let (request, _) = put(
                payload,
                &[
                    ("content-length", "300"),
                    (algorithm.header(), &checksum(algorithm, &object)),
                ],
            );
            let upload = Upload {
                request,
                parts: vec![object.clone()],
            };
            let mut body = object.clone();
            change_bytes(&mut body, &mut numbers);
            changed += usize::from(check(&upload, &object, &body, &mut numbers));
        }
        assert!(changed >= CHANGED_MIN, "{payload:?}: only {changed}");
    }
}

/// A chunk of one upload is none of another, whatever its place.
#[test]
fn chunks_of_another_upload_do_not_pass() {
    let (one, other) = (vec![b'a'; 300], vec![b'b'; 300]);
    let plan = |object| Plan {
        payload: Payload::SignedChunks,
        object,
        chunk: 100,
        algorithm: Algorithm::Crc32,
        lenient: false,
    };
    let (first, second) = (plan(&one).upload(), plan(&other).upload());
    for place in 0..4 {
        let mut parts = first.parts.clone();
        parts[place].clone_from(&second.parts[place]);
        let outcome = send(&first.request, [parts.concat().as_slice()]);
        assert!(outcome.object().is_none(), "{place}");
        assert!(outcome.early.len() < 300 && !outcome.early.contains(&b'b'));
    }
}
