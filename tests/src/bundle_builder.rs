//! Bundles made in memory: a realistic signed log, every part of which can be changed and signed again.
//!
//! A [`Plan`] holds events in batches, before anything is signed. [`Plan::build`] seals them with the keys of their
//! emitters and gives the entries; [`files`] lays them out as the ledger's export does. Events name others by leaf hash
//! (approvals their request, commands their approvals): those names follow when a plan is changed and built again.
//!
//! Not here: the ledger. Nothing of this goes through it, so that what it would refuse can be built too.

#![allow(
    clippy::indexing_slicing,
    reason = "places come from the plan itself, and a wrong one is a fault of the test"
)]

pub mod clinic;
pub mod lake;
pub mod scoped;

use std::collections::BTreeMap;
use std::io::Write as _;

use exhibit_schemas::bundle::{BUNDLE_FORMAT, Manifest, ManifestFile, TrustAnchors};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::key::{KeyId, SecretKey, Signer as _};
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::{TILE_WIDTH, TileKind, push_entry, tiles};

/// Files of a bundle by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// An event that is not sealed yet.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its leaf hash when it was planned: what later events call it.
    pub leaf: Digest,
    /// The event.
    pub event: Event,
}

/// Events that one key seals together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Seed of the key that seals them.
    pub seed: u8,
    /// The events.
    pub events: Vec<Planned>,
}

/// A log before it is signed.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its batches, in order.
    pub batches: Vec<Batch>,
}

/// What an entry of a built plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// An event of a batch.
    Event {
        /// The batch.
        batch: usize,
        /// The event in it.
        event: usize,
    },
    /// The seal of a batch.
    Seal {
        /// The batch.
        batch: usize,
    },
}

/// A signed log.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its entries.
    pub entries: Vec<Vec<u8>>,
    /// What each entry is.
    pub slots: Vec<Slot>,
}

/// The key of a seed.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

/// The id of the key of a seed.
pub fn key_id(seed: u8) -> KeyId {
    key(seed).public_key().id()
}

impl Planned {
    /// Plans an event; its leaf hash now is its name from here on.
    pub fn new(event: Event) -> Self {
        let bytes = event.encode().expect("planned events fit their limits");
        Self {
            leaf: Digest::leaf(&bytes.0),
            event,
        }
    }
}

impl Plan {
    /// Seals every batch with the key of its seed, each key's seals in one chain.
    pub fn build(&self) -> Built {
        let mut built = Built {
            entries: Vec::new(),
            slots: Vec::new(),
        };
        let mut names = BTreeMap::new();
        let mut chains: BTreeMap<u8, Chain> = BTreeMap::new();
        for (batch, planned) in self.batches.iter().enumerate() {
            let mut events = Vec::new();
            for (event, planned) in planned.events.iter().enumerate() {
                let mut renamed = planned.event.clone();
                rename(&mut renamed.body, &names);
                let bytes = renamed.encode().expect("planned events fit their limits");
                names.insert(planned.leaf, Digest::leaf(&bytes.0));
                built.entries.push(bytes.0.clone());
                built.slots.push(Slot::Event { batch, event });
                events.push(bytes);
            }
            let boot = planned.events.first().map_or(0, |planned| planned.event.emitter.1);
            let chain = match chains.get(&planned.seed) {
                Some(chain) if chain.boot == boot => *chain,
                before => Chain {
                    boot,
                    sequence: 0,
                    previous: before.and_then(|chain| chain.previous),
                },
            };
            let sealed = Sealed::seal(events, chain, &key(planned.seed)).expect("a batch has 1 to 1,024 events");
            chains.insert(planned.seed, sealed.next());
            built.entries.push(sealed.seal_bytes().0.clone());
            built.slots.push(Slot::Seal { batch });
        }
        built
    }

    /// Batch and place of every event that fits, in the order of the log.
    pub fn find(&self, fits: impl Fn(&Event) -> bool) -> Vec<(usize, usize)> {
        let batches = self.batches.iter().enumerate();
        let events = batches.flat_map(|(batch, planned)| {
            let each = planned.events.iter().enumerate();
            each.map(move |(event, planned)| ((batch, event), &planned.event))
        });
        events
            .filter(|(_, event)| fits(event))
            .map(|(place, _)| place)
            .collect()
    }

    /// The event at a place.
    pub fn event(&self, place: (usize, usize)) -> &Event {
        &self.batches[place.0].events[place.1].event
    }

    /// The event at a place, to change it.
    pub fn event_mut(&mut self, place: (usize, usize)) -> &mut Event {
        &mut self.batches[place.0].events[place.1].event
    }

    /// Moves everything up to a place so much into the past, and until when requests among it may be answered.
    pub fn earlier(&mut self, until: (usize, usize), by_us: u64) {
        for place in self.find(|_| true).into_iter().filter(|place| *place <= until) {
            let event = self.event_mut(place);
            event.time.0 -= by_us;
            match &mut event.body {
                Body::ApprovalRequested(body) => {
                    body.expires.0 -= by_us;
                    body.held_until.iter_mut().for_each(|held| held.0 -= by_us);
                }
                Body::ApprovalDecided(body) => body.expires.0 -= by_us,
                _ => {}
            }
        }
    }

    /// Takes an event out; a batch without events goes with it.
    pub fn remove(&mut self, place: (usize, usize)) -> Event {
        let planned = self.batches[place.0].events.remove(place.1);
        if self.batches[place.0].events.is_empty() {
            self.batches.remove(place.0);
        }
        planned.event
    }

    /// Numbers a session's events anew in their order, and everything that names them by number.
    pub fn renumber(&mut self, session: SessionId) {
        let mut numbers = BTreeMap::new();
        let events = self.batches.iter_mut().flat_map(|batch| &mut batch.events);
        for planned in events {
            let Some(place) = planned.event.session.as_mut().filter(|place| place.0 == session) else {
                continue;
            };
            let next = u64::try_from(numbers.len()).expect("fits");
            numbers.insert(place.1, next);
            place.1 = next;
            let named = match &mut planned.event.body {
                Body::ResponseChunk(body) => Some(&mut body.command),
                Body::ResponseEnd(body) => Some(&mut body.command),
                Body::CommandData(body) => Some(&mut body.command),
                Body::CommandSealed(body) => Some(&mut body.command),
                Body::Detection(body) => Some(&mut body.command),
                Body::ApprovalExpired(body) => Some(&mut body.request),
                Body::Command(body) => body.request.as_mut(),
                _ => None,
            };
            if let Some(named) = named
                && let Some(number) = numbers.get(named)
            {
                *named = *number;
            }
        }
    }
}

impl Built {
    /// Index of an event, or of a seal.
    pub fn index(&self, slot: Slot) -> Index {
        let place = self.slots.iter().position(|found| *found == slot);
        Index(u64::try_from(place.expect("the slot is in this log")).expect("fits"))
    }

    /// Index of the event at a place of the plan.
    pub fn index_of(&self, place: (usize, usize)) -> Index {
        let (batch, event) = place;
        self.index(Slot::Event { batch, event })
    }
}

/// Whatever an event calls by leaf hash gets the name that it has now.
fn rename(body: &mut Body, names: &BTreeMap<Digest, Digest>) {
    let follow = |name: &mut Digest| {
        if let Some(now) = names.get(name) {
            *name = *now;
        }
    };
    match body {
        Body::ApprovalDecided(body) => follow(&mut body.request),
        Body::Command(body) => {
            let leaves = body.approvals.iter_mut().flatten();
            leaves.chain(&mut body.retries).for_each(follow);
        }
        Body::ApprovalRevoked(body) => follow(&mut body.request),
        Body::EvidenceRead(body) => body.copy.iter_mut().map(|copy| &mut copy.leaf).for_each(follow),
        _ => {}
    }
}

/// The signed head of these entries.
pub fn checkpoint(entries: &[Vec<u8>], origin: &str, log_seed: u8) -> Checkpoint {
    let mut frontier = Frontier::default();
    for entry in entries {
        frontier.append(Digest::leaf(entry), |_, _, _| {});
    }
    let origin = Origin::new(origin).expect("a plain name");
    Checkpoint::sign(origin, frontier.size(), frontier.root(), &key(log_seed)).expect("the key signs")
}

/// Trust anchors of a log key and administrators, by seed.
pub fn anchors(origin: &str, log_seed: u8, administrators: &[(&str, u8)]) -> TrustAnchors {
    TrustAnchors {
        log: VerifierKey {
            origin: Origin::new(origin).expect("a plain name"),
            key: key(log_seed).public_key(),
        },
        administrators: administrators
            .iter()
            .map(|(name, seed)| ((*name).to_owned(), key(*seed).public_key()))
            .collect(),
        policy_signers: Vec::new(),
    }
}

/// The files of a bundle of these entries, under any checkpoint.
pub fn files(entries: &[Vec<u8>], checkpoint: &str, anchors: &TrustAnchors) -> Files {
    let mut levels: BTreeMap<u8, Vec<Digest>> = BTreeMap::new();
    let mut frontier = Frontier::default();
    for entry in entries {
        frontier.append(Digest::leaf(entry), |level, _, hash| {
            if level % 8 == 0 {
                levels.entry(level / 8).or_default().push(hash);
            }
        });
    }
    let mut files = Files::new();
    for tile in tiles(frontier.size()) {
        let first = usize::try_from(tile.index() * u64::from(TILE_WIDTH)).expect("fits");
        let range = first..first + usize::from(tile.width());
        let mut bytes = Vec::new();
        match tile.kind() {
            TileKind::Entries => {
                for entry in &entries[range] {
                    push_entry(&mut bytes, entry).expect("an entry fits");
                }
            }
            TileKind::Hashes(level) => {
                for hash in &levels[&level][range] {
                    bytes.extend(hash.0);
                }
            }
        }
        files.insert(tile.path(), bytes);
    }
    files.insert("checkpoint".into(), checkpoint.as_bytes().to_vec());
    files.insert("trust.toml".into(), anchors.to_toml().into_bytes());
    state_manifest(
        &mut files,
        anchors.log.origin.as_str(),
        frontier.size(),
        frontier.root(),
    );
    files
}

/// Writes the manifest of these files anew.
pub fn state_manifest(files: &mut Files, origin: &str, size: TreeSize, root: Digest) {
    files.remove("manifest.json");
    let stated = |bytes: &Vec<u8>| ManifestFile {
        bytes: u64::try_from(bytes.len()).expect("fits"),
        sha256: Digest::of(bytes).to_string(),
    };
    let manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        origin: origin.into(),
        size: size.0,
        root: root.to_string(),
        files: files
            .iter()
            .map(|(path, bytes)| (path.clone(), stated(bytes)))
            .collect(),
    };
    let json = serde_json::to_vec_pretty(&manifest).expect("strings and numbers are JSON");
    files.insert("manifest.json".into(), json);
}

/// Writes a tar archive of files, in any order and with any repetition.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tar<'a>(
    path: &std::path::Path,
    files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>,
) -> Result<(), std::io::Error> {
    let mut builder = tar::Builder::new(std::io::BufWriter::new(std::fs::File::create(path)?));
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).expect("fits"));
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice())?;
    }
    builder.into_inner()?.flush()
}

/// Writes a bundle directory.
///
/// # Errors
/// When a file cannot be written.
pub fn write_directory(path: &std::path::Path, files: &Files) -> Result<(), std::io::Error> {
    for (name, bytes) in files {
        let path = path.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::File::create(path)?.write_all(bytes)?;
    }
    Ok(())
}

/// A byte string of text.
pub fn text(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}
