//! What is left of a run: the export, the search index, and every file of the deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use exhibit_policy::detect::Category;
use exhibit_schemas::event::access::Frame;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::programs;
use exhibit_tests::stack::Stack;

use crate::client::Transcript;
use crate::finder::{Finder, Heard};

/// How long the ledger may take to close the last session; far more than it does.
const SETTLE_TIMEOUT: Duration = Duration::from_mins(1);

/// What the ledger has of sessions, by the names that they gave themselves.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) sessions: BTreeMap<String, Session>,
    /// Entries of the export.
    pub(crate) entries: usize,
    /// What belongs to no session.
    pub(crate) rest: Heard,
}

/// An event of what happened to a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    /// A net caught something on this channel; and whether the session ends for it.
    Caught(String, bool),
    /// A part of a reply was released; and whether a token of a category stands in it.
    Released(bool),
}

/// What it has of all sessions of one name.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    pub(crate) commands: u64,
    /// What a net caught, and what was released, in order.
    pub(crate) course: Vec<Recording>,
    /// Why its sessions ended.
    pub(crate) reasons: Vec<String>,
    /// Every event of it.
    pub(crate) events: Heard,
    /// What was released, by session and command.
    released: BTreeMap<(SessionId, u64), Vec<u8>>,
}

/// Waits until all sessions are closed, exports, lets the verifier look, and reads the events.
pub(crate) fn export(stack: &Stack) -> Recorded {
    let start = Instant::now();
    loop {
        let status = exhibit_tests::run(stack.exhibit().unwrap().args(["status", "--json"])).unwrap();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        if status["open_sessions"].as_u64() == Some(0) {
            break;
        }
        assert!(start.elapsed() < SETTLE_TIMEOUT, "sessions stay open: {status}");
    }
    let bundle = stack.directory().join("bundle");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    exhibit_tests::run(verify.arg(&bundle).arg("--keys").arg(stack.trust())).unwrap();
    read(&bundle)
}

fn read(bundle: &Path) -> Recorded {
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
    let size = TreeSize(manifest["size"].as_u64().unwrap());
    let mut recorded = Recorded::default();
    let mut names: BTreeMap<SessionId, String> = BTreeMap::new();
    for tile in tiles(size).filter(|tile| tile.kind() == TileKind::Entries) {
        let bytes = std::fs::read(bundle.join(tile.path())).unwrap();
        for entry in entries(&bytes, tile.width()).unwrap() {
            recorded.entries += 1;
            // Seals are no events.
            match Event::decode(entry) {
                Ok(event) => recorded.take(&event, entry, &mut names),
                Err(_) => recorded.rest.add(entry),
            }
        }
    }
    recorded
}

impl Recorded {
    fn take(&mut self, event: &Event, entry: &[u8], names: &mut BTreeMap<SessionId, String>) {
        let Some(place) = &event.session else {
            self.rest.add(entry);
            return;
        };
        if let Body::SessionOpened(opened) = &event.body {
            names.insert(place.0, opened.client.clone().unwrap());
        }
        let session = self.sessions.entry(names[&place.0].clone()).or_default();
        // Ids and digests are random bytes, whose letters would happen to spell a piece of a value one day.
        for text in strings(entry) {
            session.events.add(&text);
        }
        match &event.body {
            Body::SessionOpened(_) => session.opened += 1,
            Body::SessionClosed(closed) => {
                session.closed += 1;
                session.reasons.push(closed.reason.clone());
            }
            Body::Detection(caught) => session
                .course
                .push(Recording::Caught(caught.channel.clone(), caught.ends)),
            Body::Command(_) => session.commands += 1,
            Body::ResponseChunk(chunk) => {
                let bytes: Vec<u8> = chunk.frames.iter().flat_map(wire).collect();
                let token = Category::ALL.iter().any(|one| holds(&bytes, one.token()));
                session.course.push(Recording::Released(token));
                let released = session.released.entry((place.0, chunk.command)).or_default();
                released.extend(bytes);
            }
            _ => {}
        }
    }
}

impl Session {
    /// What the evidence says that the agent heard, and everything else that the events hold.
    pub(crate) fn heard(&self) -> Heard {
        let mut transcript = Transcript::default();
        for bytes in self.released.values() {
            transcript.take_all(bytes);
        }
        let mut heard = transcript.heard;
        heard.rows.extend(self.events.rows.iter().cloned());
        heard
    }
}

/// Lengths of byte strings that are ids and digests; what an agent got is looked at as it was released.
const RANDOM: [usize; 3] = [8, 16, 32];

/// The texts and byte strings of an event, which is CBOR of definite lengths (RFC 8949, 4.2.1), but for ids and digests.
fn strings(mut event: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((head, rest)) = event.split_first() {
        let (major, low) = (head >> 5, head & 31);
        let width = match low {
            0..24 => 0,
            24..28 => 1 << (low - 24),
            _ => panic!("no event has a head of {head:#x}"),
        };
        let (argument, rest) = rest.split_at(width);
        let argument = argument.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let length = if width == 0 { usize::from(low) } else { argument };
        event = rest;
        if major == 2 || major == 3 {
            let (string, rest) = event.split_at(length);
            if major == 3 || !RANDOM.contains(&length) {
                found.push(string.to_vec());
            }
            event = rest;
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A frame as it went to the agent.
fn wire(frame: &Frame) -> Vec<u8> {
    let cells = match frame {
        Frame::Verbatim(bytes) => return bytes.0.clone(),
        Frame::Row(cells) => cells,
    };
    let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        let Some(cell) = cell else {
            body.extend((-1_i32).to_be_bytes());
            continue;
        };
        body.extend(u32::try_from(cell.0.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&cell.0);
    }
    let length = u32::try_from(body.len() + 4).unwrap();
    [&b"D"[..], &length.to_be_bytes(), &body].concat()
}

/// What the index shows of everything that it has, and of each word that is asked for: nothing of the latter may be there.
pub(crate) fn index(stack: &Stack, words: &[&str]) -> (Heard, Vec<String>) {
    let search = |question: &[&str]| {
        let mut search = stack.exhibit().unwrap();
        exhibit_tests::run(search.args(["search", "--json", "--limit", "1000000"]).args(question)).unwrap()
    };
    let all = search(&[]);
    assert!(all.lines().count() > 100, "the index has next to nothing");
    // Digits of clocks and of random ids come to everything in the end; none of them is of the target.
    let told = |line: &str| {
        let mut hit: serde_json::Value = serde_json::from_str(line).unwrap();
        for derived in ["time", "session"] {
            hit.as_object_mut().unwrap().remove(derived).unwrap();
        }
        hit.to_string()
    };
    let all: String = all.lines().map(|line| told(line) + "\n").collect();
    let hits = words.iter().filter(|word| !search(&[word]).is_empty());
    (Heard::of(all.as_bytes()), hits.map(|word| (*word).to_owned()).collect())
}

/// The files of the deployment in which something is found; and how many files there are.
pub(crate) fn files(stack: &Stack, finder: &Finder) -> (usize, Vec<(PathBuf, BTreeSet<&'static str>)>) {
    let mut files = Vec::new();
    collect(stack.directory(), &mut files);
    for part in ["exhibit.log", "bundle/checkpoint"] {
        assert!(files.contains(&stack.directory().join(part)), "{part} is missing");
    }
    let count = files.len();
    let found = files.into_iter().filter_map(|file| {
        let found = finder.found(&Heard::of(&std::fs::read(&file).unwrap()));
        (!found.is_empty()).then_some((file, found))
    });
    (count, found.collect())
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
