//! The kill campaign: the gateway, the ledger, the database and their clients are killed at random points under mixed load,
//! and started again.
//!
//! What must hold afterwards, from the export alone: it verifies without an error, everything that a client received is in
//! it, every effect in the database has its command (by the digest of the exact bytes, where a command is one row), and
//! every session that is not closed is told as open. `EXHIBIT_KILLS` sets the number of kills (24 by default),
//! `EXHIBIT_SEED` another campaign.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in its helpers too; a campaign says how large it was"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use exhibit_postgres::message::{Decoder, encode};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Frame, Outcome};
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::daemon::{Daemon, apart};
use exhibit_tests::programs;
use exhibit_tests::stack::{DATABASE, Options, Stack};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Clients at a time, one of each load.
const CLIENTS: u64 = 3;

/// Rows that a client has in hand; it is killed, or its server is, long before the end.
const ROWS: u64 = 400;

/// Rows of one `COPY` or transaction.
const BLOCK: u64 = 4;

/// First number of the rows that the campaign inserts; the clinic's own are far below.
const FIRST: u64 = 1_000_000;

/// Columns of the rows.
const COLUMNS: &str = "(id, patient_id, encounter_id, payer, status, document)";

/// `SplitMix64`, so that a campaign can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % limit
    }
}

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Load {
    /// Inserts a row, and reads it back.
    Rows,
    /// Copies rows in, and reads them back.
    CopyIn,
    /// Inserts rows in a transaction, and copies them out.
    Transactions,
}

impl Load {
    /// The load that a row belongs to.
    fn of(id: u64) -> Self {
        match (id - FIRST) / ROWS % CLIENTS {
            0 => Self::Rows,
            1 => Self::CopyIn,
            _ => Self::Transactions,
        }
    }

    /// Statements for the rows from `first` on, up to and without `end`.
    fn script(self, first: u64, end: u64) -> String {
        let last = end - 1;
        let mut script = String::new();
        match self {
            Self::Rows => {
                for id in first..end {
                    writeln!(script, "{}\nSELECT id FROM claims WHERE id = {id};", insert(id)).unwrap();
                }
            }
            Self::CopyIn => {
                writeln!(script, "COPY claims {COLUMNS} FROM STDIN;").unwrap();
                for id in first..end {
                    writeln!(script, "{id}\t1\t1\tkill\tx\t{{}}").unwrap();
                }
                writeln!(
                    script,
                    "\\.\nSELECT id FROM claims WHERE id BETWEEN {first} AND {last};"
                )
                .unwrap();
            }
            Self::Transactions => {
                writeln!(script, "BEGIN;").unwrap();
                for id in first..end {
                    writeln!(script, "{}", insert(id)).unwrap();
                }
                writeln!(
                    script,
                    "COMMIT;\nCOPY (SELECT id FROM claims WHERE id BETWEEN {first} AND {last}) TO STDOUT;"
                )
                .unwrap();
            }
        }
        script
    }
}

fn insert(id: u64) -> String {
    format!("INSERT INTO claims {COLUMNS} VALUES ({id}, 1, 1, 'kill', 'x', '{{}}');")
}

/// psql at work; every number that it prints was released to it.
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
        for block in (first..first + ROWS).step_by(usize::try_from(BLOCK).unwrap()) {
            let script = Load::of(block).script(block, block + BLOCK);
            if stdin.write_all(script.as_bytes()).is_err() {
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

/// What an export says.
#[derive(Default)]
struct Evidence {
    /// Numbers released to agents.
    released: BTreeSet<u64>,
    /// Digests of the exact bytes of commands that were let through, each as often as it was.
    commands: BTreeMap<Digest, u64>,
    /// Commands that copy in and had data.
    copies: BTreeSet<(SessionId, u64)>,
    opened: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
    /// Sessions that the verifier tells as open.
    told_open: usize,
}

fn evidence(stack: &Stack, directory: &std::path::Path) -> Evidence {
    let bundle = directory.join("bundle");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg(&bundle).arg("--keys").arg(stack.trust()).arg("--json");
    // Sessions that a kill left open are notes; an error fails the test with what the verifier said.
    let told = exhibit_tests::run(&mut verify).unwrap();
    let mut evidence = Evidence {
        told_open: told.matches("\"session-open\"").count(),
        ..Evidence::default()
    };
    let note = std::fs::read_to_string(bundle.join("checkpoint")).unwrap();
    let size = note.lines().nth(1).unwrap().parse().unwrap();
    for tile in tiles(exhibit_schemas::merkle::TreeSize(size)) {
        if tile.kind() != TileKind::Entries {
            continue;
        }
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        for entry in entries(&bytes, tile.width()).unwrap() {
            if entry.first() != Some(&SEAL_FIRST_BYTE) {
                evidence.take(Event::decode(entry).unwrap());
            }
        }
    }
    evidence
}

impl Evidence {
    fn take(&mut self, event: Event) {
        let session = event.session.map(|place| place.0);
        match (event.body, session) {
            (Body::SessionOpened(_), Some(session)) => {
                self.opened.insert(session);
            }
            (Body::SessionClosed(_), Some(session)) => {
                self.closed.insert(session);
            }
            (Body::Command(command), _) if command.outcome == Outcome::Allowed => {
                *self.commands.entry(command.digest).or_default() += 1;
            }
            (Body::CommandData(data), Some(session)) => {
                self.copies.insert((session, data.command));
            }
            (Body::ResponseChunk(chunk), _) => self.released.extend(numbers(&chunk.frames)),
            _ => {}
        }
    }
}

/// Numbers in rows, and in rows that were copied out.
fn numbers(frames: &[Frame]) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut take = |cell: &[u8]| {
        numbers.extend(
            std::str::from_utf8(cell)
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok()),
        );
    };
    for frame in frames {
        match frame {
            Frame::Row(cells) => cells.iter().flatten().for_each(|cell| take(&cell.0)),
            Frame::Verbatim(bytes) => {
                let mut decoder = Decoder::new(bytes.0.len() + 1);
                decoder.buffer().extend_from_slice(&bytes.0);
                while let Ok(Some(message)) = decoder.message() {
                    if message.tag() == b'd' {
                        message.body().split(|byte| *byte == b'\n').for_each(&mut take);
                    }
                }
            }
        }
    }
    numbers
}

/// The digest that a command event has for the query that psql sends for a statement.
fn digest(key: &[u8], statement: &str) -> Digest {
    let query = encode::message(b'Q', &[statement.as_bytes(), &[0]].concat());
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(&query);
    Digest(mac.finalize().into_bytes().into())
}

/// The parts that a campaign kills: the two daemons apart, or both in one process.
enum Gateway {
    Down,
    Together,
    Apart { ledger: Daemon, proxy: Daemon },
}

/// A deployment of each kind, over one database and one ledger.
struct Campaign {
    stack: Stack,
    random: Random,
    gateway: Gateway,
    /// The configuration for one process, and for two.
    configurations: [Vec<u8>; 2],
    kills: BTreeMap<&'static str, u64>,
}

impl Campaign {
    fn start(&mut self) {
        let together = self.random.below(2) == 0;
        if let Gateway::Down = self.gateway {
            let [one, two] = &self.configurations;
            exhibit_tests::write(&self.stack.config(), if together { one } else { two }).unwrap();
            self.gateway = if together {
                self.stack.up().unwrap();
                Gateway::Together
            } else {
                let ledger = Daemon::start("exhibit-ledger", &self.stack).unwrap();
                let proxy = Daemon::start("exhibit-proxy", &self.stack).unwrap();
                Gateway::Apart { ledger, proxy }
            };
        }
    }

    /// Kills one part, and brings back what the next round needs.
    fn kill(&mut self) {
        let killed = match self.random.below(8) {
            0 => "client",
            1 => {
                self.stack.postgres_mut().crash().unwrap();
                self.stack.postgres_mut().restart().unwrap();
                "server"
            }
            choice => match std::mem::replace(&mut self.gateway, Gateway::Down) {
                Gateway::Together => {
                    self.stack.kill().unwrap();
                    "gateway"
                }
                Gateway::Apart { ledger, proxy } if choice < 4 => {
                    drop(ledger);
                    let ledger = Daemon::start("exhibit-ledger", &self.stack).unwrap();
                    self.gateway = Gateway::Apart { ledger, proxy };
                    "ledger"
                }
                Gateway::Apart { ledger, proxy } if choice < 7 => {
                    drop(proxy);
                    let proxy = Daemon::start("exhibit-proxy", &self.stack).unwrap();
                    self.gateway = Gateway::Apart { ledger, proxy };
                    "proxy"
                }
                Gateway::Apart { ledger, proxy } => {
                    drop((ledger, proxy));
                    "both daemons"
                }
                Gateway::Down => panic!("nothing runs"),
            },
        };
        *self.kills.entry(killed).or_default() += 1;
    }

    /// Ends what runs, cleanly.
    fn end(&mut self) {
        match std::mem::replace(&mut self.gateway, Gateway::Down) {
            Gateway::Down => {}
            Gateway::Together => self.stack.down().unwrap(),
            Gateway::Apart { ledger, proxy } => {
                proxy.end().unwrap();
                ledger.end().unwrap();
            }
        }
    }
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn everything_that_a_client_saw_is_in_the_export_after_every_kill() {
    let kills = number("EXHIBIT_KILLS", 24);
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    options.patients = 20;
    let stack = Stack::prepare(&options).unwrap();
    let one = std::fs::read(stack.config()).unwrap();
    apart(&stack).unwrap();
    let two = std::fs::read(stack.config()).unwrap();
    let mut campaign = Campaign {
        stack,
        random: Random(number("EXHIBIT_SEED", 0x6b69_6c6c)),
        gateway: Gateway::Down,
        configurations: [one, two],
        kills: BTreeMap::new(),
    };
    let (seen, received) = mpsc::channel();
    let mut from_clients = BTreeSet::new();
    for round in 0..kills {
        campaign.start();
        let first = FIRST + round * CLIENTS * ROWS;
        let mut clients: Vec<Child> = (0..CLIENTS)
            .map(|number| client(&campaign.stack, first + number * ROWS, seen.clone()))
            .collect();
        // The point of the kill is a number of answers, not a time.
        let point = 1 + campaign.random.below(60);
        for _ in 0..point {
            from_clients.insert(received.recv_timeout(std::time::Duration::from_mins(1)).unwrap());
        }
        campaign.kill();
        for client in &mut clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    drop(seen);
    from_clients.extend(received.iter());
    // Sessions whose clients are gone may still be closing; a clean end waits for them, and then all is recorded.
    campaign.end();
    exhibit_tests::write(&campaign.stack.config(), &campaign.configurations[0]).unwrap();
    campaign.stack.up().unwrap();
    let found = evidence(&campaign.stack, directory.path());
    let missing: Vec<_> = from_clients.difference(&found.released).collect();
    assert!(missing.is_empty(), "received, and not in the export: {missing:?}");
    let effects = campaign
        .stack
        .postgres()
        .execute(DATABASE, &format!("SELECT id FROM claims WHERE id >= {FIRST}"))
        .unwrap();
    let effects: BTreeSet<u64> = effects.lines().map(|line| line.trim().parse().unwrap()).collect();
    let key = std::fs::read_to_string(campaign.stack.directory().join("proxy/digest.key")).unwrap();
    let key = hex::decode(key.trim()).unwrap();
    let of_copies = effects.iter().filter(|id| Load::of(**id) == Load::CopyIn).count();
    let alone = effects.iter().filter(|id| Load::of(**id) != Load::CopyIn);
    let without: Vec<_> = alone
        .filter(|id| !found.commands.contains_key(&digest(&key, &insert(**id))))
        .collect();
    assert!(without.is_empty(), "effects without their command: {without:?}");
    let copies = found.copies.len();
    assert!(
        of_copies <= copies * usize::try_from(BLOCK).unwrap(),
        "{of_copies} rows of {copies} copies"
    );
    assert!(of_copies > 0 && of_copies < effects.len(), "every load did something");
    let open = found.opened.difference(&found.closed).count();
    assert_eq!(found.told_open, open, "sessions that are open, and told as open");
    assert!(u64::try_from(from_clients.len()).unwrap() >= kills);
    println!(
        "{kills} kills ({:?}): {} answers received, all in the export; {} effects, all with their commands; {} sessions, {open} of them told as open",
        campaign.kills,
        from_clients.len(),
        effects.len(),
        found.opened.len(),
    );
}
