//! Writes a bundle of about 600 entries into a new directory, for the independent checkers: `bundle DIRECTORY`.
//!
//! Keys are made from fixed seeds and times are constants, so every run writes the same bytes.
#![allow(
    clippy::disallowed_methods,
    reason = "an example writes plain files; the ledger's export has the durable writer"
)]

use std::collections::BTreeMap;
use std::path::Path;

use exhibit_schemas::bundle::{
    BUNDLE_FORMAT, CHECKPOINT_PATH, MANIFEST_PATH, Manifest, ManifestFile, TRUST_PATH, TrustAnchors,
};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Principal, SessionClosed, SessionOpened};
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::{Administrator, Fault, Genesis, KeyEnrolled, KeyRotated, Role};
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer};
use exhibit_schemas::merkle::Frontier;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::{TileKind, push_entry, tiles};

#[path = "../tests/samples/security_key.rs"]
mod security_key;

use security_key::SoftwareKey;

type Failure = Box<dyn std::error::Error>;

const BOOT: u64 = 1_700_000_000_000_000;
const SESSIONS: u8 = 60;
const EVENTS_PER_SESSION: u64 = 9;

struct Author<Key> {
    key: Key,
    chain: Chain,
}

impl Author<SecretKey> {
    fn new(seed: u8) -> Self {
        Self::of(SecretKey::from_seed(&[seed; 32]))
    }
}

impl<Key: Signer> Author<Key> {
    fn of(key: Key) -> Self {
        let chain = Chain {
            boot: BOOT,
            sequence: 0,
            previous: None,
        };
        Self { key, chain }
    }

    fn seal(&mut self, entries: &mut Vec<Bytes>, bodies: Vec<(Option<SessionPlace>, Body)>) -> Result<(), Failure> {
        let encode = |(session, body)| {
            let event = Event {
                time: Timestamp(BOOT + 1),
                emitter: Emitter(self.key.public_key().id(), BOOT),
                session,
                body,
            };
            event.encode()
        };
        let events = bodies.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let sealed = Sealed::seal(events, self.chain, &self.key)?;
        self.chain = sealed.next();
        entries.extend(sealed.events().iter().cloned());
        entries.push(sealed.seal_bytes().clone());
        Ok(())
    }
}

fn session(number: u8) -> Vec<(Option<SessionPlace>, Body)> {
    let principal = Principal {
        method: "api-key".into(),
        issuer: "exhibit".into(),
        subject: "nightly".into(),
        client_id: None,
        groups: vec![],
        evidence: Digest::of(&[number]),
        run: None,
    };
    let opened = SessionOpened {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal,
        peer: "127.0.0.1:5".into(),
        transport: "TLSv1.3".into(),
        policy: Digest::of(b"policy"),
        client: None,
        expires: None,
        mask_key: None,
    };
    let closed = SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    };
    let fault = |sequence| Fault {
        place: "gate".into(),
        text: format!("event {sequence}"),
    };
    let middle = (1..EVENTS_PER_SESSION - 1).map(|sequence| fault(sequence).into());
    let bodies = std::iter::once(opened.into()).chain(middle).chain([closed.into()]);
    (0..)
        .zip(bodies)
        .map(|(sequence, body)| (Some(SessionPlace(SessionId([number; 16]), sequence)), body))
        .collect()
}

fn entries(trust: &TrustAnchors) -> Result<Vec<Bytes>, Failure> {
    let (mut entries, mut administrator, mut proxy) = (Vec::new(), Author::new(1), Author::new(3));
    let administrators = trust.administrators.iter().map(|(name, key)| Administrator {
        name: name.clone(),
        key: key.to_bytes(),
    });
    let genesis = Genesis {
        origin: trust.log.origin.as_str().to_owned(),
        log_key: trust.log.key.to_bytes(),
        administrators: administrators.collect(),
    };
    let enrolled = KeyEnrolled {
        key: proxy.key.public_key().to_bytes(),
        role: Role::Proxy,
        name: "proxy".into(),
        groups: vec![],
        application: None,
    };
    let mut approver = Author::of(SoftwareKey::new(5, "ssh:"));
    let person = KeyEnrolled {
        key: approver.key.public_key().to_bytes(),
        role: Role::Person,
        name: "ann".into(),
        groups: vec!["dba".into()],
        application: Some(approver.key.application().clone()),
    };
    administrator.seal(
        &mut entries,
        vec![(None, genesis.into()), (None, enrolled.into()), (None, person.into())],
    )?;
    for number in 0..SESSIONS {
        if number == SESSIONS / 2 {
            let successor = Author::new(4);
            let rotated = KeyRotated {
                from: proxy.key.public_key().id(),
                to: successor.key.public_key().to_bytes(),
                application: None,
            };
            administrator.seal(&mut entries, vec![(None, rotated.into())])?;
            proxy = successor;
        }
        proxy.seal(&mut entries, session(number))?;
    }
    approver.seal(&mut entries, vec![(None, decision().into())])?;
    Ok(entries)
}

/// What somebody says with a security key.
fn decision() -> ApprovalDecided {
    ApprovalDecided {
        request: Digest::of(b"request"),
        command: Digest::of(b"command"),
        session: SessionId([1; 16]),
        target: "clinic".into(),
        policy: Digest::of(b"policy"),
        expires: Timestamp(BOOT + 2),
        verdict: Verdict::Approve,
        reason: "seen".into(),
        terms: None,
    }
}

fn main() -> Result<(), Failure> {
    let directory = std::env::args_os().nth(1).ok_or("usage: bundle DIRECTORY")?;
    let log = SecretKey::from_seed(&[2; 32]);
    let trust = TrustAnchors {
        log: VerifierKey {
            origin: Origin::new("exhibit.example/bundle")?,
            key: log.public_key(),
        },
        administrators: vec![("root".into(), SecretKey::from_seed(&[1; 32]).public_key())],
        policy_signers: Vec::new(),
    };
    let entries = entries(&trust)?;
    let (mut frontier, mut nodes) = (Frontier::default(), BTreeMap::new());
    for entry in &entries {
        frontier.append(Digest::leaf(&entry.0), |level, index, hash| {
            nodes.insert((level, index), hash);
        });
    }
    let checkpoint = Checkpoint::sign(trust.log.origin.clone(), frontier.size(), frontier.root(), &log)?;
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    files.insert(CHECKPOINT_PATH.into(), checkpoint.note().into());
    files.insert(TRUST_PATH.into(), trust.to_toml().into());
    for tile in tiles(frontier.size()) {
        let first = tile.index() * 256;
        let mut content = Vec::new();
        for index in first..first + u64::from(tile.width()) {
            match tile.kind() {
                TileKind::Hashes(level) => {
                    content.extend(nodes.get(&(level * 8, index)).ok_or("a node is missing")?.0);
                }
                TileKind::Entries => {
                    let entry = entries.get(usize::try_from(index)?).ok_or("an entry is missing")?;
                    push_entry(&mut content, &entry.0)?;
                }
            }
        }
        files.insert(tile.path(), content);
    }
    write(Path::new(&directory), &checkpoint, files)
}

fn write(directory: &Path, checkpoint: &Checkpoint, mut files: BTreeMap<String, Vec<u8>>) -> Result<(), Failure> {
    let mut listed = BTreeMap::new();
    for (path, content) in &files {
        let file = ManifestFile {
            bytes: u64::try_from(content.len())?,
            sha256: Digest::of(content).to_string(),
        };
        listed.insert(path.clone(), file);
    }
    let manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        origin: checkpoint.origin().as_str().to_owned(),
        size: checkpoint.size().0,
        root: checkpoint.root().to_string(),
        files: listed,
    };
    files.insert(MANIFEST_PATH.into(), serde_json::to_vec_pretty(&manifest)?);
    for (path, content) in files {
        let file = directory.join(path);
        std::fs::create_dir_all(file.parent().ok_or("a path has a parent")?)?;
        std::fs::write(file, content)?;
    }
    Ok(())
}
