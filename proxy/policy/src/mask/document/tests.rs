//! The masker of documents by itself: what a reader can and cannot make of it.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;

use super::{DocumentMasker, Otherwise, Piece, Slot, Spelling, Treatment, Written};
use crate::mask::{MaskKey, apply};
use crate::net::{Channel, SessionNet};
use crate::snapshot::Snapshot;

const POLICY: &str = r#"
version = 1
[[targets]]
name = "lake"
protocol = "s3"
[[documents]]
name = "d"
targets = ["lake"]
resources = ["b/*"]
format = "csv"
[[masks]]
name = "first"
targets = ["lake"]
resources = ["d.ssn", "d.PID-5"]
technique = "redact"
[[masks]]
name = "second"
targets = ["lake"]
resources = ["d.*", "d"]
technique = "null"
[[nets]]
name = "n"
targets = ["lake"]
categories = ["ssn", "name"]
"#;

struct Bare;

impl Spelling for Bare {
    fn spell(&self, text: Option<&str>, _raw: &[u8], into: &mut Vec<u8>) {
        into.extend_from_slice(text.unwrap_or("-").as_bytes());
    }

    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize> {
        0..raw.len()
    }
}

fn parts(policy: &str) -> (DocumentMasker, SessionNet) {
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let document = snapshot.reading("lake", "b/k").document().unwrap();
    let masker = DocumentMasker::new(&snapshot, "lake", document, MaskKey::new([7; 32]));
    (masker, SessionNet::new(&snapshot, "lake"))
}

fn written(text: &str) -> Written<'_> {
    Written {
        raw: text.as_bytes(),
        text,
        spelling: &Bare,
    }
}

fn released(masker: &mut DocumentMasker) -> String {
    match masker.take(0).into_inner() {
        Frame::Verbatim(Bytes(bytes)) => String::from_utf8(bytes).unwrap(),
        Frame::Row(_) => panic!("no rows"),
    }
}

#[test]
fn the_first_mask_that_names_a_place_is_for_it_and_is_counted() {
    let (mut masker, mut net) = parts(POLICY);
    for (place, wanted) in [("ssn", "[redacted]"), ("other", "-"), ("", "-")] {
        let slot = masker.slot(place, place, &net);
        masker.value(&slot, written("123-45-6789"), &mut net);
        assert_eq!(released(&mut masker), wanted, "{place}");
    }
    let slot = masker.first_slot(&["PID-5.1.1", "PID-5.1", "PID-5"], &net);
    masker.value(&slot, written("x"), &mut net);
    assert_eq!(released(&mut masker), "[redacted]");
    let counts: Vec<_> = masker.masked().into_iter().collect();
    assert_eq!(counts, [("first".to_owned(), 2), ("second".to_owned(), 2)]);
    assert_eq!(
        masker.named_places().collect::<Vec<_>>(),
        [("first", "ssn"), ("first", "PID-5")]
    );
}

#[test]
fn what_no_mask_names_goes_through_the_net_and_names_are_learned_of_masked_places() {
    let (mut masker, mut net) = parts(&POLICY.replace("\"d.*\", \"d\"", "\"d.last\""));
    let last = masker.slot("last", "last", &net);
    masker.value(&last, written("Kowalczyk"), &mut net);
    let note = masker.slot("note", "note", &net);
    assert!(!note.is_masked());
    for (text, wanted) in [
        ("plain", "plain"),
        ("id 123-45-6789", "id [ssn]"),
        ("saw kowalczyk", "saw [name]"),
    ] {
        released(&mut masker);
        masker.value(&note, written(text), &mut net);
        assert_eq!(released(&mut masker), wanted);
    }
    let caught = net.take();
    assert!(
        caught
            .iter()
            .all(|one| one.channel == Channel::Cell && one.column.as_deref() == Some("d.note"))
    );
    assert_eq!(
        caught
            .iter()
            .flat_map(|one| &one.findings)
            .map(|(_, count)| count)
            .sum::<u64>(),
        2
    );
}

#[test]
fn a_piece_that_is_no_document_gives_nothing() {
    let (mut masker, mut net) = parts(POLICY);
    let mut kept = |_: &[crate::mask::path::Step]| Treatment {
        slot: Slot::default(),
        outer: 0,
        otherwise: Otherwise::Keep,
    };
    for (member, text) in [(None, "{"), (None, "1 2"), (Some("\"a\""), "1,\"b\":2}"), (None, "")] {
        let piece = Piece {
            member,
            element: None,
            text,
        };
        assert_eq!(masker.json(piece, &mut kept, &mut net), None, "{text}");
        assert_eq!(masker.waiting(), 0);
    }
}

#[test]
fn a_text_is_masked_as_a_value_of_it_is() {
    // Documents have a way of their own for what they are full of.
    let key = MaskKey::new([7; 32]);
    let (masker, _) = parts(&POLICY.replace("\"null\"", "\"partial\"\nkeep = 2"));
    let snapshot_masks = masker.masks.iter().map(|mask| mask.technique.clone());
    let token = crate::mask::Technique::Token { domain: "x".to_owned() };
    for technique in snapshot_masks.chain([token, crate::mask::Technique::Year, crate::mask::Technique::Null]) {
        for text in ["", "a", "1970-02-03", "O'Neil \u{e9}\u{df}9", "123-45-6789"] {
            let mut own = String::new();
            let told = apply::append(&technique, text, &key, &mut own).then_some(own);
            let wanted = match apply::apply(&technique, crate::mask::value::Value::Text(text.to_owned()), &key) {
                Some(crate::mask::value::Value::Text(text)) => Some(text),
                _ => None,
            };
            assert_eq!(told, wanted, "{technique:?} {text}");
        }
    }
}
