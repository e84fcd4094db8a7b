//! The kill campaign: `exhibit up` and its clients are killed at random points under load, and started again.
//!
//! What must hold afterwards, from the export alone: it verifies without an error, everything that a client received is in
//! it, and every effect in the database has its command. `EXHIBIT_KILLS` sets the number of kills (24 by default).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in its helpers too; a campaign says how large it was"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use exhibit_schemas::event::access::Frame;
use exhibit_schemas::event::{Body, Event};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::programs;
use exhibit_tests::stack::{DATABASE, Options, Stack};

/// Clients at a time.
const CLIENTS: u64 = 3;

/// Statements that a client has in hand; it is killed, or its server is, long before the end.
const STATEMENTS: u64 = 400;

/// First number of the rows that the campaign inserts; the clinic's own are far below.
const FIRST: u64 = 1_000_000;

/// `SplitMix64`, so that a campaign can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % limit
    }
}

/// psql that inserts rows and reads each back; every number that it prints was released to it.
fn client(stack: &Stack, first: u64, seen: mpsc::Sender<u64>) -> Child {
    let mut child = stack
        .psql()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for id in first..first + STATEMENTS {
            let sql = format!(
                "INSERT INTO claims (id, patient_id, encounter_id, payer, status, document) VALUES ({id}, 1, 1, 'kill', 'x', '{{}}');\n\
                 SELECT id FROM claims WHERE id = {id};\n"
            );
            if stdin.write_all(sql.as_bytes()).is_err() {
                return; // the client is gone, as it should be one day
            }
        }
    });
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if let Ok(id) = line.trim().parse() {
                let _ = seen.send(id);
            }
        }
    });
    child
}

/// What an export says: numbers released to agents, and commands recorded that insert.
fn evidence(stack: &Stack, directory: &std::path::Path) -> (BTreeSet<u64>, u64) {
    let bundle = directory.join("bundle");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg(&bundle).arg("--keys").arg(stack.trust()).arg("--json");
    // Sessions that a kill left open are notes; an error fails the test with what the verifier said.
    exhibit_tests::run(&mut verify).unwrap();
    let note = std::fs::read_to_string(bundle.join("checkpoint")).unwrap();
    let size = note.lines().nth(1).unwrap().parse().unwrap();
    let (mut released, mut inserts) = (BTreeSet::new(), 0);
    for tile in tiles(exhibit_schemas::merkle::TreeSize(size)) {
        if tile.kind() != TileKind::Entries {
            continue;
        }
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        for entry in entries(&bytes, tile.width()).unwrap() {
            if entry.first() == Some(&SEAL_FIRST_BYTE) {
                continue;
            }
            match Event::decode(entry).unwrap().body {
                Body::Command(command) => inserts += u64::from(command.statement.starts_with("INSERT")),
                Body::ResponseChunk(chunk) => released.extend(numbers(&chunk.frames)),
                _ => {}
            }
        }
    }
    (released, inserts)
}

fn numbers(frames: &[Frame]) -> Vec<u64> {
    let cells = frames.iter().filter_map(|frame| match frame {
        Frame::Row(cells) => Some(cells.iter().flatten()),
        Frame::Verbatim(_) => None,
    });
    let text = |cell: &exhibit_schemas::cbor::Bytes| std::str::from_utf8(&cell.0).ok()?.parse().ok();
    cells.flatten().filter_map(text).collect()
}

#[test]
fn everything_that_a_client_saw_is_in_the_export_after_every_kill() {
    let kills: u64 = std::env::var("EXHIBIT_KILLS").map_or(24, |text| text.parse().unwrap());
    let mut random = Random(0x6b69_6c6c);
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    options.patients = 20;
    let mut stack = Stack::prepare(&options).unwrap();
    let (seen, received) = mpsc::channel();
    let mut from_clients = BTreeSet::new();
    let mut killed_up = 0;
    let mut running = false;
    for round in 0..kills {
        if !running {
            stack.up().unwrap();
        }
        let first = FIRST + round * CLIENTS * STATEMENTS;
        let mut clients: Vec<Child> = (0..CLIENTS)
            .map(|number| client(&stack, first + number * STATEMENTS, seen.clone()))
            .collect();
        // The point of the kill is a number of answers, not a time.
        let point = 1 + random.below(60);
        for _ in 0..point {
            from_clients.insert(received.recv_timeout(std::time::Duration::from_mins(1)).unwrap());
        }
        if random.below(4) == 0 {
            // Clients alone die; the gateway goes on and serves the next round.
            running = true;
        } else {
            stack.kill().unwrap();
            killed_up += 1;
            running = false;
        }
        for client in &mut clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    if !running {
        stack.up().unwrap();
    }
    drop(seen);
    from_clients.extend(received.iter());
    // Sessions whose clients are gone may still be closing; a clean end waits for them, and then all is recorded.
    stack.down().unwrap();
    stack.up().unwrap();
    let (released, inserts) = evidence(&stack, directory.path());
    let missing: Vec<_> = from_clients.difference(&released).collect();
    assert!(missing.is_empty(), "received, and not in the export: {missing:?}");
    let count = format!("SELECT count(*) FROM claims WHERE id >= {FIRST}");
    let effects: u64 = stack
        .postgres()
        .execute(DATABASE, &count)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(effects <= inserts, "{effects} effects, {inserts} commands");
    assert!(u64::try_from(from_clients.len()).unwrap() >= kills && killed_up > 0);
    println!(
        "{kills} kills ({killed_up} of the gateway): {} answers received, all in the export; {effects} effects, {inserts} commands",
        from_clients.len()
    );
}
