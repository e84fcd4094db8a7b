//! Ten thousand canaries over the identifiers of 45 CFR 164.514(b)(2)(i), seeded: by the detectors alone, by the net alone,
//! and through the real programs (`canaries/through.rs`). What comes out is counted by category.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop where something is wrong, and this one says what came out"
)]

#[path = "canaries/made.rs"]
mod made;
#[path = "canaries/seen.rs"]
mod seen;
#[path = "canaries/through.rs"]
mod through;

use std::collections::BTreeMap;

use exhibit_policy::detect::{Category, Confidence, Detectors, Hints};
use exhibit_policy::mask::value::{Coding, Value, characters};
use exhibit_policy::mask::{CellKind, MaskKey, RowMasker};
use exhibit_policy::net::{Channel, Known, SessionNet};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::Frame;

use crate::made::{LABELLED, Random, canary, sentence};
use crate::seen::{out, table};

/// Canaries that are made.
const CANARIES: usize = 10_000;

/// Nothing came out.
fn check_misses(misses: &BTreeMap<Category, Vec<String>>) {
    assert!(misses.is_empty(), "{}", table(misses));
}

#[test]
fn no_canary_of_ten_thousand_comes_out() {
    let mut random = Random(20_260_101);
    let mut misses: BTreeMap<Category, Vec<String>> = BTreeMap::new();
    let found: Vec<Category> = Category::ALL
        .into_iter()
        .filter(|category| !LABELLED.iter().any(|(other, _)| other == category))
        .collect();
    for count in 0..CANARIES {
        let category = found[count % found.len()];
        let (before, value) = canary(&mut random, category);
        let text = sentence(&mut random, &before, &value);
        let masked = Detectors::shared()
            .mask(&text, &Hints::none(), Confidence::Likely)
            .unwrap_or_else(|| text.clone());
        if out(&masked, &value) {
            misses.entry(category).or_default().push(format!("{text} -> {masked}"));
        }
    }
    check_misses(&misses);
}

/// A value of a type that is read and not written.
#[derive(Debug)]
struct AsText;

impl Coding for AsText {
    fn read(&self, bytes: &[u8]) -> Option<Value> {
        Some(Value::Other(characters(bytes).into_owned()))
    }

    fn write(&self, _: &Value) -> Option<Vec<u8>> {
        None
    }
}

/// The ways by which a value is released: what comes out of the net, and whether it is what went in.
fn released(net: &mut SessionNet, way: usize, label: Option<&str>, text: &str) -> (String, bool) {
    let cell = |net: &mut SessionNet, kind: CellKind, bytes: Vec<u8>| {
        let known = Known {
            name: label.unwrap_or("body"),
            origin: None,
            label,
            meaning: None,
        };
        let column = net.column(known, kind);
        let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32])).described(vec![column]);
        let shown = match masker.row(vec![Some(bytes.clone())], net).unwrap().into_inner() {
            Frame::Row(cells) => cells[0].as_ref().map(|cell| cell.0.clone()).unwrap_or_default(),
            Frame::Verbatim(_) => panic!("a row stays a row"),
        };
        let same = shown == bytes;
        (shown, same)
    };
    let plain = text.as_bytes().to_vec();
    let (shown, same) = match way {
        0 => cell(net, CellKind::Text, plain),
        1 => cell(
            net,
            CellKind::Json,
            serde_json::to_vec(&serde_json::json!({ "a": [7, text] })).unwrap(),
        ),
        2 => cell(net, CellKind::Json, serde_json::to_vec(text).unwrap()),
        3 => cell(
            net,
            CellKind::Opaque,
            format!("{{x,\"{}\"}}", text.replace('"', "\\\"")).into_bytes(),
        ),
        4 => cell(net, CellKind::Coded(&AsText), plain),
        // Bytes between which zeros stand, as the binary forms of rows have them.
        5 => cell(
            net,
            CellKind::Opaque,
            [&[0, 0, 0, 25, 0xff, 0, 0, 1], plain.as_slice()].concat(),
        ),
        // A column's name says nothing of a text beside rows.
        _ if label.is_some() => cell(net, CellKind::Text, plain),
        _ => match net.text(Channel::Error, &plain) {
            Some(masked) => (masked, false),
            None => (plain, true),
        },
    };
    (String::from_utf8_lossy(&shown).into_owned(), same)
}

#[test]
fn no_canary_of_ten_thousand_comes_out_of_the_net() {
    let categories: Vec<String> = Category::ALL
        .iter()
        .map(|one| format!("\"{}\"", one.as_str()))
        .collect();
    let policy = format!(
        "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[nets]]\nname = \"phi\"\n\
         targets = [\"clinic\"]\ncategories = [{}]\n",
        categories.join(", ")
    );
    let policy = Snapshot::parse(policy.as_bytes()).unwrap();
    let mut random = Random(20_261_128);
    let mut misses: BTreeMap<Category, Vec<String>> = BTreeMap::new();
    let mut net = SessionNet::new(&policy, "clinic");
    for count in 0..CANARIES {
        let category = Category::ALL[count % Category::ALL.len()];
        let (before, value) = canary(&mut random, category);
        let text = sentence(&mut random, &before, &value);
        let label = LABELLED
            .iter()
            .find(|(other, _)| *other == category)
            .map(|(_, label)| *label);
        let way = random.index(7);
        let (shown, same) = released(&mut net, way, label, &text);
        assert_eq!(
            net.take().is_empty(),
            same,
            "what is changed is told: {text} -> {shown}"
        );
        if out(&shown, &value) {
            misses
                .entry(category)
                .or_default()
                .push(format!("{way}: {text} -> {shown}"));
        }
    }
    check_misses(&misses);
}
