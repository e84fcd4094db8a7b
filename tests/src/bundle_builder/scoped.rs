//! Scoped bundles made in memory: of any log the files of its format, whatever is to be disclosed.
//!
//! Not here: what an exporter chooses. [`Disclosed::of`] gives what the format asks for; a test adds and takes from it.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::bundle::{ManifestFile, TrustAnchors};
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Event;
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::{Frontier, Index, NodeSource};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::scoped::{Members, Part, SCOPED_FORMAT, Scope, ScopedFile, ScopedManifest, part, push_record};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::TILE_WIDTH;

use super::{Files, files};

/// Places of the events that are disclosed.
#[derive(Clone, Debug, Default)]
pub struct Disclosed(pub BTreeSet<usize>);

impl Disclosed {
    /// What a scope discloses of these entries, where these keys are those of administrators.
    pub fn of(entries: &[Vec<u8>], scope: &Scope, administrators: &[KeyId]) -> Self {
        let events: Vec<_> = entries.iter().map(|entry| Event::decode(entry).ok()).collect();
        let mut members = Members::new(scope.clone());
        for (entry, event) in entries.iter().zip(&events) {
            if let Some(event) = event {
                members.event(Digest::leaf(entry), event);
            }
        }
        let sessions = members.sessions();
        let is_of = |index: usize| {
            let event = events[index].as_ref()?;
            Some(match part(event, administrators.contains(&event.emitter.0)) {
                Part::Foundation => true,
                Part::Of(session) => sessions.contains(session),
                Part::Copy(copy) => {
                    let copy = events[usize::try_from(copy.0).ok()?].as_ref()?;
                    copy.session.is_some_and(|place| sessions.contains(place.0))
                }
                Part::Outside => false,
            })
        };
        Self((0..entries.len()).filter(|index| is_of(*index) == Some(true)).collect())
    }
}

/// Hashes of every complete subtree of a log.
pub struct Nodes(BTreeMap<(u8, u64), Digest>);

impl Nodes {
    /// Those of these entries.
    pub fn of(entries: &[Vec<u8>]) -> Self {
        let (mut nodes, mut frontier) = (BTreeMap::new(), Frontier::default());
        for entry in entries {
            frontier.append(Digest::leaf(entry), |level, index, hash| {
                nodes.insert((level, index), hash);
            });
        }
        Self(nodes)
    }
}

impl NodeSource for Nodes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.get(&(level, index)).copied()
    }
}

/// The proof of the event at a place, under a checkpoint.
pub fn proof(entries: &[Vec<u8>], place: usize, checkpoint: &Checkpoint, nodes: &Nodes) -> String {
    let is_seal = |entry: &Vec<u8>| entry.first() == Some(&SEAL_FIRST_BYTE);
    let first = entries[..place].iter().rposition(is_seal).map_or(0, |seal| seal + 1);
    let seal = place + entries[place..].iter().position(is_seal).expect("a seal follows");
    let leaves: Vec<_> = entries[first..seal].iter().map(|entry| Digest::leaf(entry)).collect();
    let index = |place: usize| u64::try_from(place).expect("fits");
    let bytes = entries[seal].clone().into();
    EventProof::make(
        Index(index(seal)),
        bytes,
        &leaves,
        index(place - first),
        checkpoint,
        nodes,
    )
    .expect("the log of the checkpoint holds it")
    .to_text()
}

/// The files of a scoped bundle that discloses these events.
pub fn scoped_files(
    entries: &[Vec<u8>],
    checkpoint: &Checkpoint,
    anchors: &TrustAnchors,
    scope: &Scope,
    disclosed: &Disclosed,
) -> Files {
    let mut files = files(entries, checkpoint.note(), anchors);
    files.retain(|path, _| !path.starts_with("tile/entries/"));
    let nodes = Nodes::of(entries);
    let mut seals: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let index = Index(u64::try_from(place).expect("fits"));
        if entry.first() == Some(&SEAL_FIRST_BYTE) {
            let position = u8::try_from(index.0 % u64::from(TILE_WIDTH)).expect("fits");
            let records = seals.entry(index.0 / u64::from(TILE_WIDTH)).or_default();
            push_record(records, position, entry).expect("a seal fits");
        } else if disclosed.0.contains(&place) {
            files.insert(ScopedFile::Event(index).path(), entry.clone());
            let proof = proof(entries, place, checkpoint, &nodes);
            files.insert(ScopedFile::Proof(index).path(), proof.into_bytes());
        }
    }
    files.extend(
        seals
            .into_iter()
            .map(|(number, records)| (ScopedFile::Seals(number).path(), records)),
    );
    state_scope(&mut files, checkpoint, scope);
    files
}

/// Writes the manifest of these files anew.
pub fn state_scope(files: &mut Files, checkpoint: &Checkpoint, scope: &Scope) {
    files.remove("manifest.json");
    let stated = |bytes: &Vec<u8>| ManifestFile {
        bytes: u64::try_from(bytes.len()).expect("fits"),
        sha256: Digest::of(bytes).to_string(),
    };
    let events = files
        .keys()
        .filter(|path| matches!(ScopedFile::parse(path), Some(ScopedFile::Event(_))));
    let manifest = ScopedManifest {
        format: SCOPED_FORMAT.into(),
        origin: checkpoint.origin().as_str().into(),
        size: checkpoint.size().0,
        root: checkpoint.root().to_string(),
        scope: scope.clone(),
        words: scope.to_string(),
        disclosed: u64::try_from(events.count()).expect("fits"),
        files: files
            .iter()
            .map(|(path, bytes)| (path.clone(), stated(bytes)))
            .collect(),
    };
    let json = serde_json::to_vec_pretty(&manifest).expect("strings and numbers are JSON");
    files.insert("manifest.json".into(), json);
}
