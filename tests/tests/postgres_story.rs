//! Stories on the real programs: a kill in the middle of the pipeline's work, and what the evidence says afterwards.
//!
//! The pipeline is psql with a list of short statements, so that it prints each answer as it comes. What it printed is the
//! client's own log: every row of it must be in the export (promise P2), whoever was killed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop where something is wrong"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};

use exhibit_schemas::event::access::Frame;
use exhibit_schemas::event::{Body, Event};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::daemon::{Daemon, apart};
use exhibit_tests::programs;
use exhibit_tests::stack::{Options, Stack};

/// Statements of the pipeline; far more than it gets through before the kill.
const STATEMENTS: u32 = 5_000;

/// Answers after which the kill comes.
const SEEN_FIRST: usize = 40;

fn prepared(directory: &Path) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = 200;
    Stack::prepare(&options).unwrap()
}

/// A pipeline that asks for one encounter after the other, and what it has said so far.
struct Pipeline {
    psql: Child,
    said: BufReader<std::process::ChildStdout>,
    rows: BTreeSet<String>,
}

impl Pipeline {
    fn start(stack: &Stack) -> Self {
        let mut command = stack.psql();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut psql = command.spawn().unwrap();
        let mut input = psql.stdin.take().unwrap();
        let said = BufReader::new(psql.stdout.take().unwrap());
        std::thread::spawn(move || {
            for id in 1..=STATEMENTS {
                let id = id % 400 + 1;
                // It breaks when psql ends, as it shall.
                if writeln!(input, "SELECT id, department, cost FROM encounters WHERE id = {id};").is_err() {
                    return;
                }
            }
        });
        Self {
            psql,
            said,
            rows: BTreeSet::new(),
        }
    }

    /// Reads answers until there are so many.
    fn answers(&mut self, count: usize) {
        while self.rows.len() < count {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the pipeline ended early");
            self.rows.insert(line.trim_end().to_owned());
        }
    }

    /// Everything that it saw to its end, and what it complained of.
    fn end(mut self) -> (BTreeSet<String>, String) {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        // A row that psql printed in part would have no line end; psql prints whole answers.
        self.rows.extend(rest.lines().map(str::to_owned));
        let output = self.psql.wait_with_output().unwrap();
        assert!(
            !output.status.success(),
            "the pipeline came through although something was killed"
        );
        (self.rows, String::from_utf8(output.stderr).unwrap())
    }
}

/// Every row that the export says was released, as psql prints it.
fn released(bundle: &Path) -> BTreeSet<String> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
    let size = TreeSize(manifest["size"].as_u64().unwrap());
    let mut rows = BTreeSet::new();
    for tile in tiles(size).filter(|tile| tile.kind() == TileKind::Entries) {
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        for entry in entries(&bytes, tile.width()).unwrap() {
            // Seals are no events.
            let Ok(Event {
                body: Body::ResponseChunk(chunk),
                ..
            }) = Event::decode(entry)
            else {
                continue;
            };
            for frame in &chunk.frames {
                let Frame::Row(cells) = frame else { continue };
                let text = |cell: &Option<exhibit_schemas::cbor::Bytes>| {
                    String::from_utf8(cell.as_ref().map_or(Vec::new(), |cell| cell.0.clone())).unwrap()
                };
                rows.insert(cells.iter().map(text).collect::<Vec<_>>().join("|"));
            }
        }
    }
    rows
}

/// Exports, has the verifier look, and compares with what the client saw.
fn check(stack: &Stack, seen: &BTreeSet<String>) {
    let bundle = stack.directory().join("bundle");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    exhibit_tests::run(verify.arg(&bundle).arg("--keys").arg(stack.trust())).unwrap();
    let released = released(&bundle);
    let missing: Vec<_> = seen.difference(&released).collect();
    assert!(missing.is_empty(), "seen but not recorded: {missing:?}");
    assert!(seen.len() >= SEEN_FIRST);
    // The ledger itself is asked, too: under the policy in force everything stays as it was decided.
    let mut diff = stack.exhibit().unwrap();
    diff.args(["policy", "diff", "--json"])
        .arg(stack.directory().join("policy.toml"));
    let answer = diff.output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert!(answer["decisions"].as_u64().unwrap() > 0);
    assert_eq!(answer["groups"], serde_json::json!([]));
}

#[test]
fn what_the_client_saw_before_everything_was_killed_is_in_the_export() {
    let place = tempfile::tempdir().unwrap();
    let mut stack = prepared(place.path());
    stack.up().unwrap();
    let mut pipeline = Pipeline::start(&stack);
    pipeline.answers(SEEN_FIRST);
    stack.kill().unwrap();
    let (seen, _) = pipeline.end();
    stack.up().unwrap();
    // A new session works after the restart, and is recorded too.
    exhibit_tests::run(stack.psql().args(["--command", "SELECT count(*) FROM claims"])).unwrap();
    check(&stack, &seen);
    stack.down().unwrap();
}

#[test]
fn when_the_ledger_is_killed_nothing_more_passes_and_nothing_passed_unrecorded() {
    let place = tempfile::tempdir().unwrap();
    let stack = prepared(place.path());
    apart(&stack).unwrap();
    let ledger = Daemon::start("exhibit-ledger", &stack).unwrap();
    stack.enrol_reader().unwrap();
    let proxy = Daemon::start("exhibit-proxy", &stack).unwrap();
    let mut pipeline = Pipeline::start(&stack);
    pipeline.answers(SEEN_FIRST);
    drop(ledger);
    let (seen, complaint) = pipeline.end();
    assert!(seen.len() < 400, "the pipeline went on without a ledger");
    assert!(!complaint.is_empty(), "the pipeline was told nothing");
    // Nobody new comes in either.
    let refused = stack
        .psql()
        .args(["--command", "SELECT count(*) FROM claims"])
        .output()
        .unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let ledger = Daemon::start("exhibit-ledger", &stack).unwrap();
    check(&stack, &seen);
    drop((proxy, ledger));
}

#[test]
fn when_the_proxy_is_killed_what_the_client_saw_is_in_the_ledger() {
    let place = tempfile::tempdir().unwrap();
    let stack = prepared(place.path());
    apart(&stack).unwrap();
    let ledger = Daemon::start("exhibit-ledger", &stack).unwrap();
    stack.enrol_reader().unwrap();
    let proxy = Daemon::start("exhibit-proxy", &stack).unwrap();
    let mut pipeline = Pipeline::start(&stack);
    pipeline.answers(SEEN_FIRST);
    drop(proxy);
    let (seen, _) = pipeline.end();
    check(&stack, &seen);
    drop(ledger);
}
