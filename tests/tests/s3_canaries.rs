//! Planted values in objects of every format that is masked, plain and packed, through the proxy: none is in what an agent receives, by
//! whole objects, by ranges and by heads, and none in what is kept of that: the export, the logs, the ledger and its index. The same
//! search finds every one of them in what the store itself gives.
//!
//! In each record one value stands where a mask is, and one where a net alone is; one more in the object's metadata, and one in a key.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in its helpers too, and says what it has counted"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_policy::document::Format;
use exhibit_schemas::event::access::Frame;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::ceph::Ceph;
use exhibit_tests::stack::{Options, Stack};
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

const POLICY: &str = include_str!("s3/canaries.toml");

/// Records of a document.
const RECORDS: usize = 40;

/// Ways of an object: plain, and packed.
const PACKINGS: [&str; 3] = ["", ".gz", ".zst"];

/// Parts of an object that are asked for.
const RANGES: [&str; 4] = ["bytes=0-79", "bytes=50-1049", "bytes=60-", "bytes=-70"];

/// An object as it lies in the store, and what is planted in it.
struct Planted {
    path: String,
    bytes: Vec<u8>,
    metadata: String,
    values: Vec<String>,
}

/// Where an agent asks, and by which key.
struct Door {
    url: String,
    key: String,
    authority: Option<PathBuf>,
}

/// Letters that nothing else has, by a number.
fn letters(number: usize) -> String {
    let digits = b"QXZWKVJ";
    let letter = |place: u32| char::from(digits[number / 7_usize.pow(place) % 7]);
    (0..8).map(letter).chain("QXZWKV".chars()).collect()
}

/// What a net finds: a social security number, an address of mail or a number of a telephone.
fn identifier(number: usize) -> String {
    match number % 3 {
        0 => format!(
            "{}-{:02}-{:04}",
            100 + number % 500,
            10 + number % 89,
            1_000 + number % 8_999
        ),
        1 => format!("{}@mail.example", letters(number).to_lowercase()),
        _ => format!("({}) 555-{:04}", 212 + number % 700, 1_000 + number % 8_999),
    }
}

/// A document, and what is planted in it.
fn document(format: Format, first: usize) -> (String, Vec<String>) {
    let mut records = Vec::new();
    let mut values = Vec::new();
    for number in first..first + RECORDS {
        let (secret, note) = (letters(number), identifier(number));
        records.push(match format {
            Format::Csv => format!("{number},\"{secret}\",call {note} today\n"),
            Format::Tsv => format!("{number}\t{secret}\tcall {note} today\n"),
            Format::Json | Format::Ndjson => format!("{{\"n\":{number},\"secret\":[\"{secret}\"],\"note\":\"call {note} today\"}}"),
            Format::Fhir | Format::FhirNdjson => format!(
                "{{\"resourceType\":\"Patient\",\"id\":\"{number}\",\"secret\":\"{secret}\",\"note\":\"call {note} today\"}}"
            ),
            Format::Hl7 => format!("MSH|^~\\&|A\rPID|1||{number}||{secret}^b\rNTE|1||call {note} today\r"),
            Format::Text => format!("{number} call {note} today\n"),
        });
        values.push(note);
        if format != Format::Text {
            values.push(secret);
        }
    }
    let text = match format {
        Format::Csv => "n,secret,note\n".to_owned() + &records.concat(),
        Format::Tsv => "n\tsecret\tnote\n".to_owned() + &records.concat(),
        Format::Json => format!("[{}]", records.join(",\n")),
        Format::Fhir => {
            let entries: Vec<String> = records
                .iter()
                .map(|record| format!("{{\"resource\":{record}}}"))
                .collect();
            format!("{{\"resourceType\":\"Bundle\",\"entry\":[{}]}}", entries.join(","))
        }
        Format::Ndjson | Format::FhirNdjson => records.join("\n") + "\n",
        Format::Hl7 | Format::Text => records.concat(),
    };
    (text, values)
}

fn packed(text: &str, packing: &str) -> Vec<u8> {
    match packing {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(text.as_bytes(), 3).unwrap(),
        _ => text.as_bytes().to_vec(),
    }
}

/// What is in it; a part of a packed object is unpacked as far as that goes.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if bytes.starts_with(b"\x1f\x8b") {
        let _ = MultiGzDecoder::new(bytes).read_to_end(&mut plain);
    } else if bytes.starts_with(b"\x28\xb5\x2f\xfd") {
        let _ = zstd::Decoder::new(bytes).unwrap().read_to_end(&mut plain);
    } else {
        return bytes.to_vec();
    }
    plain
}

/// Objects of each format and packing. The key of one holds a value, too.
fn objects() -> Vec<Planted> {
    let mut planted = Vec::new();
    for format in Format::ALL {
        for packing in PACKINGS {
            let first = planted.len() * RECORDS * 3;
            let (text, mut values) = document(format, first);
            let metadata = identifier(first + 2 * RECORDS);
            values.push(metadata.clone());
            let mut name = "records".to_owned();
            if format == Format::Text && packing.is_empty() {
                name = identifier((first + 2 * RECORDS + 1).next_multiple_of(3));
                values.push(name.clone());
            }
            planted.push(Planted {
                path: format!("/phi/{}/{name}{packing}", format.as_str()),
                bytes: packed(&text, packing),
                metadata,
                values,
            });
        }
    }
    planted
}

impl Door {
    /// The answers to these requests.
    fn ask(&self, requests: &[Value]) -> Vec<Value> {
        let mut python = Command::new("python3");
        python.arg("-B").arg(exhibit_tests::driver("s3_wire.py"));
        python.env("WIRE_URL", &self.url).env("WIRE_KEY", &self.key);
        if let Some(authority) = &self.authority {
            python.env("WIRE_CA", authority);
        }
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let lines: Vec<String> = requests.iter().map(|request| format!("{request}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), requests.len());
        answers
    }

    /// Every object whole, its head, and parts of it, in this order; at the end the list of them.
    fn read(&self, planted: &[Planted]) -> Vec<Value> {
        let mut requests = Vec::new();
        for one in planted {
            requests.push(json!({ "method": "GET", "path": one.path }));
            requests.push(json!({ "method": "HEAD", "path": one.path }));
            requests.extend(
                RANGES.map(|range| json!({ "method": "GET", "path": one.path, "headers": { "range": range } })),
            );
        }
        requests.push(json!({ "method": "GET", "path": "/phi" }));
        self.ask(&requests)
    }
}

fn body(answer: &Value) -> Vec<u8> {
    STANDARD.decode(answer["body"].as_str().unwrap()).unwrap()
}

/// Everything of answers: headers, bodies, and what is packed in these.
fn all(answers: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for answer in answers {
        bytes.extend(answer["headers"].to_string().into_bytes());
        let body = body(answer);
        bytes.extend(unpacked(&body));
        bytes.extend(body);
    }
    bytes
}

/// The forms in which a value is looked for: as it stands, backwards, in hexadecimal digits, and in base64 at each of the three places that
/// it can begin at.
fn forms(value: &str) -> Vec<String> {
    let hex = hex::encode(value);
    let mut forms = vec![value.to_owned(), value.chars().rev().collect(), hex.to_uppercase(), hex];
    for before in 0..3 {
        let text = STANDARD.encode([&b"   "[..before], value.as_bytes()].concat());
        // What the bytes around it have a part in is not its own.
        let (start, end) = ([0, 2, 3][before], (before + value.len()) * 8 / 6);
        forms.push(text[start..end].to_owned());
    }
    forms
}

/// Looks for values in any form.
struct Search<'a> {
    forms: AhoCorasick,
    /// Of each form, the value.
    values: Vec<&'a str>,
}

impl<'a> Search<'a> {
    fn new(values: &'a [String]) -> Self {
        let of: Vec<(String, &str)> = values
            .iter()
            .flat_map(|value| forms(value).into_iter().map(|form| (form, value.as_str())))
            .collect();
        Self {
            forms: AhoCorasick::new(of.iter().map(|(form, _)| form)).unwrap(),
            values: of.iter().map(|(_, value)| *value).collect(),
        }
    }

    /// The values that are in these bytes.
    fn found(&self, bytes: &[u8]) -> BTreeSet<&'a str> {
        let found = self.forms.find_overlapping_iter(bytes);
        found.map(|found| self.values[found.pattern().as_usize()]).collect()
    }
}

/// Exports and verifies; gives what was released to agents, each answer unpacked.
fn released(stack: &Stack) -> Vec<Vec<u8>> {
    let bundle = stack.directory().join("bundle");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = exhibit_tests::programs::command("exhibit-verify").unwrap();
    let said = exhibit_tests::run(verify.arg(&bundle).arg("--keys").arg(stack.trust())).unwrap();
    assert!(said.contains("No findings"), "{said}");
    let note = std::fs::read_to_string(bundle.join("checkpoint")).unwrap();
    let size = note.lines().nth(1).unwrap().parse().unwrap();
    let mut answers: BTreeMap<(SessionId, u64), Vec<u8>> = BTreeMap::new();
    for tile in tiles(exhibit_schemas::merkle::TreeSize(size)) {
        if tile.kind() != TileKind::Entries {
            continue;
        }
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        for entry in entries(&bytes, tile.width()).unwrap() {
            if entry.first() == Some(&SEAL_FIRST_BYTE) {
                continue;
            }
            let event = Event::decode(entry).unwrap();
            let (Some(place), Body::ResponseChunk(chunk)) = (event.session, event.body) else {
                continue;
            };
            let answer = answers.entry((place.0, chunk.command)).or_default();
            for frame in chunk.frames {
                if let Frame::Verbatim(bytes) = frame {
                    answer.extend(bytes.0);
                }
            }
        }
    }
    let without_head = |answer: Vec<u8>| {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        [unpacked(&answer[end + 4..]), answer].concat()
    };
    answers.into_values().map(without_head).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What an agent was answered is whole: parts are those of the whole, heads are true.
fn check_answers(planted: &[Planted], answers: &[Value]) {
    let of_each = 2 + RANGES.len();
    for (one, answers) in planted.iter().zip(answers.chunks(of_each)) {
        let whole = body(&answers[0]);
        assert_eq!(
            answers[0]["status"],
            200,
            "{}: {}",
            one.path,
            String::from_utf8_lossy(&whole)
        );
        let shown = unpacked(&whole);
        let places = String::from_utf8_lossy(&shown).matches("call ").count();
        assert_eq!(places, RECORDS, "{}: every record is there", one.path);
        assert_eq!(answers[1]["status"], 200, "{}", one.path);
        assert_eq!(
            answers[1]["headers"]["content-length"],
            whole.len().to_string(),
            "{}",
            one.path
        );
        for (range, answer) in RANGES.iter().zip(&answers[2..]) {
            assert_eq!(answer["status"], 206, "{} {range}", one.path);
            let length = whole.len();
            let part = match *range {
                "bytes=0-79" => &whole[..80],
                "bytes=50-1049" => &whole[50..1_050.min(length)],
                "bytes=60-" => &whole[60..],
                _ => &whole[length - 70..],
            };
            assert!(body(answer) == part, "{} {range}", one.path);
        }
    }
}

#[test]
fn no_planted_value_of_any_format_comes_through_or_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = Ceph::shared().unwrap();
    let options = Options {
        patients: 0,
        policy: POLICY.to_owned(),
        store: Some(Arc::clone(&store)),
        ..Options::new(&directory.path().join("x"))
    };
    let mut stack = Stack::start(&options).unwrap();
    let own = store.owner();
    let direct = Door {
        url: store.endpoint(),
        key: format!("{}:{}", own.access_key, own.secret_key),
        authority: None,
    };
    let (id, secret) = stack.store_keys().unwrap();
    let agent = Door {
        url: stack.store_url().unwrap(),
        key: format!("{id}:{secret}"),
        authority: Some(stack.store_authority()),
    };

    let planted = objects();
    let put = |one: &Planted| {
        let headers = json!({ "x-amz-meta-patient": one.metadata });
        json!({ "method": "PUT", "path": one.path, "headers": headers, "body": STANDARD.encode(&one.bytes) })
    };
    let mut requests = vec![json!({ "method": "PUT", "path": "/phi" })];
    requests.extend(planted.iter().map(put));
    assert!(direct.ask(&requests).iter().all(|answer| answer["status"] == 200));

    let values: Vec<String> = planted.iter().flat_map(|one| one.values.clone()).collect();
    assert_eq!(
        values.iter().collect::<BTreeSet<_>>().len(),
        values.len(),
        "each value is there once"
    );
    let search = Search::new(&values);
    let from_store = search.found(&all(&direct.read(&planted)));
    assert_eq!(from_store.len(), values.len(), "the search finds what is there");

    let answers = agent.read(&planted);
    let out = search.found(&all(&answers));
    assert!(
        out.is_empty(),
        "{} of {} reached the agent: {out:?}",
        out.len(),
        values.len()
    );
    check_answers(&planted, &answers);
    assert!(String::from_utf8_lossy(&body(&answers[answers.len() - 1])).contains("<Key>csv/records.gz</Key>"));

    let answered = released(&stack);
    assert_eq!(answered.len(), answers.len(), "the evidence has every answer");
    let out = search.found(&answered.concat());
    assert!(out.is_empty(), "{} are in the export: {out:?}", out.len());
    stack.down().unwrap();
    let kept = files(stack.directory());
    for place in ["exhibit.log", "bundle/checkpoint"] {
        assert!(kept.contains(&stack.directory().join(place)), "{place}");
    }
    assert!(
        kept.iter()
            .any(|file| file.starts_with(stack.directory().join("ledger/search")))
    );
    for file in &kept {
        let out = search.found(&std::fs::read(file).unwrap());
        assert!(out.is_empty(), "{}: {out:?}", file.display());
    }
    println!(
        "{} values in {} objects; {} answers, {} files: none",
        values.len(),
        planted.len(),
        answers.len(),
        kept.len()
    );
}
