//! Real tables as objects: masked as CSV, TSV, NDJSON and JSON, plain and packed, and read again by parsers that are not ours.
//!
//! The tables are `../shared/data/synthea`, a synthetic hospital. No name, number or address of a patient may be in what comes
//! out, every other cell has to be what it was, and the same search finds the values in what went in.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use exhibit_documents::Masker;
use exhibit_policy::mask::MaskKey;
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;

const POLICY: &str = include_str!("../src/objects.toml");

/// Columns of patients that the policy masks, and of which every value is looked for.
const MASKED: [&str; 9] = [
    "SSN",
    "DRIVERS",
    "PASSPORT",
    "FIRST",
    "LAST",
    "MAIDEN",
    "BIRTHPLACE",
    "ADDRESS",
    "ZIP",
];

/// Bytes of a piece that an object comes in.
const PIECE_BYTES: usize = 777;

/// The folder of the tables, beside one of the folders around this crate.
fn tables() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data/synthea"))
        .find(|path| path.exists())
        .expect("shared/data stands beside the repository")
}

/// A table: its header and its rows.
type Rows = (Vec<String>, Vec<Vec<String>>);

fn read(bytes: &[u8], separator: u8) -> Rows {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(bytes);
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (header, rows.collect())
}

/// What comes of an object, and how many values were masked.
fn masked(key: &str, bytes: &[u8]) -> (Vec<u8>, u64) {
    let policy = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let mut net = SessionNet::new(&policy, "lake");
    let document = policy.reading("lake", key).document().unwrap();
    let mut masker = Masker::new(&policy, "lake", document, MaskKey::new([7; 32]));
    let mut frames = Vec::new();
    for piece in bytes.chunks(PIECE_BYTES) {
        frames.extend(masker.push(piece, &mut net).unwrap());
    }
    frames.extend(masker.finish(&mut net).unwrap());
    let out = frames.into_iter().flat_map(|frame| match frame.into_inner() {
        Frame::Verbatim(Bytes(bytes)) => bytes,
        Frame::Row(_) => panic!("no rows"),
    });
    (out.collect(), masker.masked().values().sum())
}

/// Every value of the masked columns that cannot be there by chance.
fn values((header, rows): &Rows) -> BTreeSet<String> {
    let columns = MASKED.map(|name| header.iter().position(|column| column == name).unwrap());
    let cells = rows.iter().flat_map(|row| columns.map(|column| row[column].clone()));
    cells.filter(|cell| cell.len() > 5).collect()
}

fn found(text: &[u8], values: &BTreeSet<String>) -> usize {
    let search = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(values)
        .unwrap();
    let found: BTreeSet<usize> = search.find_iter(text).map(|found| found.pattern().as_usize()).collect();
    found.len()
}

/// Holds masked rows against those that they come from.
fn compare((header, before): &Rows, after: &[Vec<String>]) -> u64 {
    assert_eq!(before.len(), after.len());
    let mut count = 0;
    for (before, after) in before.iter().zip(after) {
        for ((name, before), after) in header.iter().zip(before).zip(after) {
            if before.is_empty() || !MASKED.contains(&name.as_str()) {
                assert_eq!(before, after, "{name}");
            } else {
                assert_ne!(before, after, "{name}");
                count += 1;
            }
        }
    }
    count
}

#[test]
fn no_value_of_a_patient_comes_out_and_every_other_cell_is_what_it_was() {
    let file = std::fs::read(tables().join("patients.csv")).unwrap();
    let patients = read(&file, b',');
    let values = values(&patients);
    assert!(values.len() > 100);
    assert!(
        found(&file, &values) >= values.len() - 5,
        "the search finds what is there, but for what stands in a longer one"
    );

    let (csv, counted) = masked("lake/patients.csv", &file);
    assert_eq!(found(&csv, &values), 0);
    assert_eq!(compare(&patients, &read(&csv, b',').1), counted);

    let mut tsv = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    tsv.write_record(&patients.0).unwrap();
    patients.1.iter().for_each(|row| tsv.write_record(row).unwrap());
    let (tsv, counted) = masked("lake/patients.tsv", &tsv.into_inner().unwrap());
    assert_eq!(found(&tsv, &values), 0);
    assert_eq!(compare(&patients, &read(&tsv, b'\t').1), counted);
}

#[test]
fn the_same_rows_as_documents_are_masked_by_path() {
    let patients = read(&std::fs::read(tables().join("patients.csv")).unwrap(), b',');
    let values = values(&patients);
    let objects = patients.1.iter().map(|row| {
        let members = patients.0.iter().zip(row).map(|(name, cell)| {
            let cell = Some(cell.as_str()).filter(|cell| !cell.is_empty());
            (name.clone(), cell.into())
        });
        serde_json::Value::Object(members.collect())
    });
    let objects: Vec<serde_json::Value> = objects.collect();
    let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let list = serde_json::to_string_pretty(&objects).unwrap();
    let rows = |objects: Vec<serde_json::Value>| -> Vec<Vec<String>> {
        let cells = |object: serde_json::Value| {
            patients
                .0
                .iter()
                .map(|name| object[name].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        objects.into_iter().map(cells).collect()
    };
    let (out, _) = masked("lake/patients.ndjson", lines.as_bytes());
    assert_eq!(found(&out, &values), 0);
    let out = String::from_utf8(out).unwrap();
    compare(
        &patients,
        &rows(out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()),
    );
    let (out, _) = masked("lake/patients.json", list.as_bytes());
    assert_eq!(found(&out, &values), 0);
    compare(&patients, &rows(serde_json::from_slice(&out).unwrap()));
}

#[test]
fn every_table_of_the_hospital_passes_byte_for_byte_where_nothing_is_masked() {
    let mut read = 0;
    for entry in std::fs::read_dir(tables()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let file = std::fs::read(&path).unwrap();
            let (out, counted) = masked("other/table.csv", &file);
            assert!(out == file && counted == 0, "{}", path.display());
            read += 1;
        }
    }
    assert!(read >= 15, "{read}");
}
