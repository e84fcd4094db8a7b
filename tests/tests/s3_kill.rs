//! The kill campaign on S3: clients, the gateway, the ledger and the store's own gateway are killed at random points while objects are put,
//! read, deleted, sent in parts and listed, and started again.
//!
//! What must hold afterwards, from the export and the store alone: the export verifies without an error; every byte and head that a client
//! received is in it; every version, deletion and open upload in the store has its command, and the content of every version was recorded by
//! its digest; every session that is not closed is told as open. `EXHIBIT_KILLS` sets the number of kills (12 by default), `EXHIBIT_SEED`
//! another campaign.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in its helpers too; a campaign says how large it was"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Frame, Outcome};
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::ceph::Ceph;
use exhibit_tests::daemon::{Daemon, apart};
use exhibit_tests::programs;
use exhibit_tests::stack::{Options, Stack};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A policy that lets everything pass as it is.
const OPEN: &str = include_str!("s3/open.toml");

/// What clients do, one each at a time.
const LOADS: [&str; 4] = ["puts", "deletes", "parts", "lists"];

/// Objects that a client has in hand; it is killed, or its server is, long before the end.
const OBJECTS: u64 = 300;

/// The campaign that runs where no other is named: it kills each of [`PARTS`] twice in twelve kills.
const SEED: u64 = 0x6b69_6c9e;

/// What is killed: a client, the store's gateway, both daemons in one process, the ledger, the proxy, and both of them.
const PARTS: usize = 6;

/// How long a client may say nothing.
const SILENT: Duration = Duration::from_mins(1);

/// `SplitMix64`, so that a campaign can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % limit
    }
}

/// What the driver puts under a key.
fn content(key: &str) -> Vec<u8> {
    let last: u64 = key[key.len() - 1..].parse().unwrap();
    format!("{key} of the campaign\n")
        .repeat(if last.is_multiple_of(5) { 20_000 } else { 100 })
        .into_bytes()
}

/// The driver by these keys at this place.
fn driver(url: &str, key: &str, authority: Option<&Path>) -> Command {
    let mut python = Command::new("python3");
    python.arg("-B").arg(exhibit_tests::driver("s3_killed.py"));
    python.env("WIRE_URL", url).env("WIRE_KEY", key);
    if let Some(authority) = authority {
        python.env("WIRE_CA", authority);
    }
    python
}

/// What an export says.
#[derive(Default)]
struct Evidence {
    /// Bytes that were released, by the command that they answer.
    released: BTreeMap<(SessionId, u64), Vec<u8>>,
    /// Operations that were let through, with the object that they change.
    commands: BTreeSet<(String, String)>,
    /// Digests of data that followed commands.
    data: BTreeSet<Digest>,
    opened: BTreeSet<SessionId>,
    closed: BTreeSet<SessionId>,
    /// Sessions that the verifier tells as open.
    told_open: usize,
}

fn evidence(stack: &Stack, directory: &Path) -> Evidence {
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
        let Some(session) = event.session.map(|place| place.0) else {
            return;
        };
        match event.body {
            Body::SessionOpened(_) => {
                self.opened.insert(session);
            }
            Body::SessionClosed(_) => {
                self.closed.insert(session);
            }
            Body::Command(command) if command.outcome == Outcome::Allowed => {
                let operation = command.statement.split(' ').next().unwrap_or_default().to_owned();
                let is_change = |access: &&Access| matches!(access.0, Action::Write | Action::Delete);
                let objects = command
                    .facts
                    .accesses
                    .iter()
                    .filter(is_change)
                    .filter_map(|access| access.1.clone());
                self.commands.extend(objects.map(|object| (operation.clone(), object)));
            }
            Body::CommandData(data) => {
                self.data.insert(data.digest);
            }
            Body::ResponseChunk(chunk) => {
                let released = self.released.entry((session, chunk.command)).or_default();
                for frame in chunk.frames {
                    match frame {
                        Frame::Verbatim(bytes) => released.extend(bytes.0),
                        Frame::Row(_) => panic!("objects have no rows"),
                    }
                }
            }
            _ => {}
        }
    }

    /// Heads and bodies of answers, by the id of the request that the head has.
    fn answers(&self) -> BTreeMap<String, Vec<(String, &[u8])>> {
        let mut answers: BTreeMap<String, Vec<(String, &[u8])>> = BTreeMap::new();
        for released in self.released.values() {
            let end = released.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            let head = String::from_utf8_lossy(&released[..end + 2]).into_owned();
            let id = head
                .lines()
                .find_map(|line| line.strip_prefix("x-amz-request-id: "))
                .unwrap_or_default();
            answers
                .entry(id.to_owned())
                .or_default()
                .push((head, &released[end + 4..]));
        }
        answers
    }
}

/// Whether the evidence has what a client says that it received.
fn is_held(told: &Value, answers: &BTreeMap<String, Vec<(String, &[u8])>>) -> bool {
    let Some(id) = told["id"].as_str() else {
        // Words of our own before there is a session.
        return told["status"].as_u64().is_some_and(|status| status >= 400);
    };
    let bytes = usize::try_from(told["bytes"].as_u64().unwrap()).unwrap();
    let header = |name: &str, value: &Value| value.as_str().map(|value| format!("\r\n{name}: {value}\r\n"));
    let lines = [
        header("etag", &told["etag"]),
        header("x-amz-version-id", &told["version"]),
    ];
    answers.get(id).into_iter().flatten().any(|(head, body)| {
        head.starts_with(&format!("HTTP/1.1 {}\r\n", told["status"]))
            && lines.iter().flatten().all(|line| head.contains(line.as_str()))
            && body
                .get(..bytes)
                .is_some_and(|body| told["sha256"] == hex::encode(Sha256::digest(body)))
    })
}

/// What in the store has no command, and versions whose content no command's data is.
fn unrecorded(found: &[Value], evidence: &Evidence, key: &[u8]) -> Vec<Value> {
    let commanded = |operation: &str, object: &str| {
        evidence
            .commands
            .contains(&(operation.to_owned(), format!("killed/{object}")))
    };
    let recorded = |object: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(&content(object));
        evidence.data.contains(&Digest(mac.finalize().into_bytes().into()))
    };
    let is_held = |one: &&Value| {
        let object = one["key"].as_str().unwrap();
        let size: Option<usize> = one["bytes"].as_str().and_then(|text| text.parse().ok());
        let whole = size == Some(content(object).len()) && recorded(object);
        match one["kind"].as_str().unwrap() {
            "DeleteMarker" => commanded("DeleteObject", object),
            "Upload" => commanded("CreateMultipartUpload", object),
            _ if object.starts_with("parts/") => {
                whole && commanded("CompleteMultipartUpload", object) && commanded("UploadPart", object)
            }
            _ => whole && commanded("PutObject", object),
        }
    };
    found.iter().filter(|one| !is_held(one)).cloned().collect()
}

/// The parts that a campaign kills: the two daemons apart, or both in one process.
enum Gateway {
    Down,
    Together,
    Apart { ledger: Daemon, proxy: Daemon },
}

/// A deployment of each kind, over one store and one ledger.
struct Campaign {
    stack: Stack,
    store: Arc<Ceph>,
    /// The agent's.
    key: String,
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

    /// A client at work; every line that it says is of what it received.
    fn client(&self, load: &str, first: u64, seen: mpsc::Sender<Value>) -> Child {
        let url = self.stack.store_url().unwrap();
        let mut python = driver(&url, &self.key, Some(&self.stack.store_authority()));
        python.arg(load).arg(first.to_string()).arg(OBJECTS.to_string());
        let mut child = python
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The last line of one that was killed may be a part of one.
                if let Ok(told) = serde_json::from_str(&line) {
                    let _ = seen.send(told);
                }
            }
        });
        child
    }

    /// Kills one part, and brings back what the next round needs.
    fn kill(&mut self) {
        let killed = match self.random.below(8) {
            0 => "client",
            1 | 2 => {
                self.store.crash().unwrap();
                "store"
            }
            choice => match std::mem::replace(&mut self.gateway, Gateway::Down) {
                Gateway::Together => {
                    self.stack.kill().unwrap();
                    "gateway"
                }
                Gateway::Apart { ledger, proxy } if choice < 5 => {
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

/// Kills so often; gives everything that clients said.
fn killed(campaign: &mut Campaign, kills: u64) -> Vec<Value> {
    let (seen, received) = mpsc::channel();
    let mut from_clients = Vec::new();
    for round in 0..kills {
        campaign.start();
        let first = round * OBJECTS;
        let mut clients = LOADS.map(|load| campaign.client(load, first, seen.clone()));
        // The point of the kill is a number of answers, not a time.
        let point = 1 + campaign.random.below(120);
        for _ in 0..point {
            from_clients.push(received.recv_timeout(SILENT).unwrap());
        }
        campaign.kill();
        for client in &mut clients {
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    drop(seen);
    from_clients.extend(received.iter());
    from_clients
}

#[test]
fn everything_that_a_client_received_is_in_the_export_after_every_kill() {
    let (kills, seed) = (number("EXHIBIT_KILLS", 12), number("EXHIBIT_SEED", SEED));
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Ceph::start().unwrap());
    let options = Options {
        patients: 0,
        policy: OPEN.to_owned(),
        store: Some(Arc::clone(&store)),
        ..Options::new(&directory.path().join("deployment"))
    };
    let stack = Stack::prepare(&options).unwrap();
    let own = store.owner();
    let (url, own) = (store.endpoint(), format!("{}:{}", own.access_key, own.secret_key));
    exhibit_tests::run(driver(&url, &own, None).arg("prepare")).unwrap();
    let one = std::fs::read(stack.config()).unwrap();
    apart(&stack).unwrap();
    let two = std::fs::read(stack.config()).unwrap();
    let (id, secret) = stack.store_keys().unwrap();
    let mut campaign = Campaign {
        stack,
        store,
        key: format!("{id}:{secret}"),
        random: Random(seed),
        gateway: Gateway::Down,
        configurations: [one, two],
        kills: BTreeMap::new(),
    };
    let from_clients = killed(&mut campaign, kills);
    // Sessions whose clients are gone may still be closing; a clean end waits for them, and then all is recorded.
    campaign.end();
    exhibit_tests::write(&campaign.stack.config(), &campaign.configurations[0]).unwrap();
    campaign.stack.up().unwrap();
    let evidence = evidence(&campaign.stack, directory.path());

    let answers = evidence.answers();
    let missing: Vec<&Value> = from_clients.iter().filter(|told| !is_held(told, &answers)).collect();
    assert!(missing.is_empty(), "received, and not in the export: {missing:?}");
    let found = exhibit_tests::run(driver(&url, &own, None).arg("found")).unwrap();
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let key = std::fs::read_to_string(campaign.stack.directory().join("proxy/digest.key")).unwrap();
    let unrecorded = unrecorded(&found, &evidence, &hex::decode(key.trim()).unwrap());
    assert!(
        unrecorded.is_empty(),
        "in the store, and not in the export: {unrecorded:?}"
    );
    let open = evidence.opened.difference(&evidence.closed).count();
    assert_eq!(evidence.told_open, open, "sessions that are open, and told as open");

    // Every part was killed, every load did something, and was answered.
    assert!(
        seed != SEED || kills < 12 || campaign.kills.len() == PARTS,
        "{:?}",
        campaign.kills
    );
    for load in LOADS {
        let of_load = |one: &&Value| one["kind"] == "Version" && one["key"].as_str().unwrap().starts_with(load);
        assert!(found.iter().any(|one| of_load(&one)), "{load}");
    }
    assert!(found.iter().any(|one| one["kind"] == "DeleteMarker"));
    assert!(from_clients.iter().filter(|told| told["status"] == 200).count() > from_clients.len() / 2);
    println!(
        "{kills} kills ({:?}): {} answers or parts of one received, all in the export; {} effects, all with their commands; {} sessions, \
         {open} of them told as open",
        campaign.kills,
        from_clients.len(),
        found.len(),
        evidence.opened.len(),
    );
}
