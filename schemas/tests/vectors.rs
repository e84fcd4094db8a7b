//! Golden vectors: the bytes of every format, kept in `schemas/vectors`, made again here and compared.
//!
//! `valid/<format>-<name>.hex` must decode and encode to itself; `invalid/<format>-<fault>.hex` must be refused; a `.diag`
//! beside a CBOR vector is its diagnostic notation (RFC 8949 section 8). `EXHIBIT_WRITE_VECTORS=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "makers of vectors fail as loudly as the tests that call them, and write plain files"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use coset::TaggedCborSerializable as _;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Event;
use exhibit_schemas::key::{PublicKey, SecretKey, Signature, Signer as _};
use exhibit_schemas::merkle::{Frontier, Index, NodeSource};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::scoped::{Scope, ScopedFile, push_record, records};
use exhibit_schemas::seal::{Chain, Sealed, UnverifiedSeal};
use exhibit_schemas::tile::{Tile, entries, push_entry};
use exhibit_schemas::wire::{
    Append, Challenge, Hello, Message, Nonce, Published, Receipt, Refusal, RefusalCode, Standing, Welcome,
};

#[path = "samples/events.rs"]
mod events;
#[path = "samples/security_key.rs"]
mod security_key;

use security_key::{SoftwareKey, TOUCHED};

type Vectors = BTreeMap<String, Vec<u8>>;

fn emitter() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn log_signer() -> SecretKey {
    SecretKey::from_seed(&[2; 32])
}

fn log_key() -> VerifierKey {
    VerifierKey {
        origin: Origin::new("exhibit.example/vectors").unwrap(),
        key: log_signer().public_key(),
    }
}

fn event_of(kind: &str) -> Bytes {
    let mut all = events::all().into_iter();
    all.find(|(found, _)| found.as_str() == kind).expect("a kind").1
}

/// A batch of two events whose emitter is the key that seals them.
fn batch() -> Sealed {
    let own = |bytes: Bytes| {
        let mut event = Event::decode(&bytes.0).unwrap();
        event.emitter.0 = emitter().public_key().id();
        event.encode().unwrap()
    };
    let chain = Chain {
        boot: events::TIME.0,
        sequence: 300,
        previous: Some(events::digest()),
    };
    let sealed = vec![own(event_of("fault")), own(event_of("policy-snapshot"))];
    Sealed::seal(sealed, chain, &emitter()).unwrap()
}

/// A seal over the same events by a security key that somebody touched, and that counts this signature as its seventh.
fn touched() -> Sealed {
    let chain = Chain {
        boot: events::TIME.0,
        sequence: 300,
        previous: None,
    };
    Sealed::seal(batch().events().to_vec(), chain, &touched_key()).unwrap()
}

fn touched_key() -> SoftwareKey {
    SoftwareKey::new(5, "ssh:")
}

/// That seal with another signature over the same bytes.
fn touched_otherwise(signature: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut seal = coset::CoseSign1::from_tagged_slice(&touched().seal_bytes().0).unwrap();
    seal.signature = signature(&seal.tbs_data(b""));
    seal.to_tagged_vec().unwrap()
}

struct Nodes(BTreeMap<(u8, u64), Digest>);

impl NodeSource for Nodes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.get(&(level, index)).copied()
    }
}

/// A log of the batch alone: its checkpoint, and the proof of its first event.
fn checkpoint_and_proof() -> (Checkpoint, EventProof) {
    let (sealed, mut nodes, mut frontier) = (batch(), Nodes(BTreeMap::new()), Frontier::default());
    for entry in sealed.events().iter().chain([sealed.seal_bytes()]) {
        frontier.append(Digest::leaf(&entry.0), |level, index, hash| {
            nodes.0.insert((level, index), hash);
        });
    }
    let checkpoint = Checkpoint::sign(log_key().origin, frontier.size(), frontier.root(), &log_signer()).unwrap();
    let leaves: Vec<_> = sealed.events().iter().map(|event| Digest::leaf(&event.0)).collect();
    let seal = sealed.seal_bytes().clone();
    let proof = EventProof::make(Index(2), seal, &leaves, 0, &checkpoint, &nodes).unwrap();
    (checkpoint, proof)
}

fn messages() -> [(&'static str, Message); 7] {
    let (sealed, note) = (batch(), checkpoint_and_proof().0.note().to_owned());
    let (events, seal) = (sealed.events().to_vec(), sealed.seal_bytes().clone());
    let (boot, sequence, first) = (events::TIME.0, 300, 0);
    let standing = Some(Standing {
        boot,
        sequence,
        previous: events::digest(),
    });
    let challenge = Challenge { nonce: Nonce([3; 32]) };
    let emitter = SecretKey::from_seed(&[1; 32]);
    let hello = Hello::sign("log.example", &challenge, 24, &emitter).unwrap();
    let append = Append {
        events: events.clone(),
        seal: seal.clone(),
    };
    let receipt = Receipt {
        boot,
        sequence,
        first,
        checkpoint: note.clone(),
    };
    let refusal = Refusal {
        boot,
        sequence,
        code: RefusalCode::Chain,
        text: "a gap".into(),
    };
    let welcome = Welcome {
        checkpoint: note,
        standing,
    };
    [
        ("hello", Message::Hello(hello)),
        ("welcome", Message::Welcome(welcome)),
        ("append", Message::Append(append)),
        ("receipt", Message::Receipt(receipt)),
        ("refusal", Message::Refusal(refusal)),
        ("published", Message::Published(Published { first, events, seal })),
        ("challenge", Message::Challenge(challenge)),
    ]
}

fn valid() -> Vectors {
    let mut vectors = Vectors::new();
    for (kind, bytes) in events::all() {
        // A second sample of a kind has the fields that the first one leaves out.
        let name = format!("event-{kind}");
        let name = if vectors.contains_key(&name) {
            format!("{name}-in-full")
        } else {
            name
        };
        vectors.insert(name, bytes.0);
    }
    let sealed = batch();
    vectors.insert("seal-of-two".into(), sealed.seal_bytes().0.clone());
    vectors.insert("seal-by-a-security-key".into(), touched().seal_bytes().0.clone());
    let mut bundle = Vec::new();
    for entry in sealed.events().iter().chain([sealed.seal_bytes()]) {
        push_entry(&mut bundle, &entry.0).unwrap();
    }
    vectors.insert("entries-of-a-batch".into(), bundle);
    let (checkpoint, proof) = checkpoint_and_proof();
    vectors.insert("checkpoint-of-three".into(), checkpoint.note().into());
    vectors.insert("proof-of-an-event".into(), proof.to_text().into());
    vectors.insert("key-of-the-log".into(), log_key().to_string().into());
    vectors.insert("tile-deep".into(), b"tile/entries/x001/x234/067.p/3".to_vec());
    let administrators = vec![("root".to_owned(), emitter().public_key())];
    let trust = TrustAnchors {
        log: log_key(),
        administrators,
        policy_signers: Vec::new(),
    };
    vectors.insert("trust-anchors".into(), trust.to_toml().into());
    let mut records = Vec::new();
    push_record(&mut records, 1, &sealed.events()[1].0).unwrap();
    push_record(&mut records, 2, &sealed.seal_bytes().0).unwrap();
    vectors.insert("disclosed-of-a-tile".into(), records);
    let scope = r#"{"session":"09090909090909090909090909090909","subject":"ci"}"#;
    vectors.insert("scope-of-a-session".into(), scope.into());
    vectors.insert("file-proof-of-an-event".into(), b"event/1234067.tlog-proof".to_vec());
    vectors.insert("file-of-seals".into(), b"seals/x001/x234/067".to_vec());
    for (name, message) in messages() {
        vectors.insert(format!("wire-{name}"), message.encode());
    }
    vectors
}

/// Replaces the first `from` by `to`; the vector must have it.
fn with(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let place = bytes.windows(from.len()).position(|window| window == from);
    let mut changed = bytes.to_vec();
    let place = place.expect("the vector holds what its fault replaces");
    changed.splice(place..place + from.len(), to.iter().copied());
    changed
}

/// S + L in place of S, with L the order of the base point: the second form of a signature (RFC 8032 section 5.1.7).
fn second_signature(seal: &[u8]) -> Vec<u8> {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut changed = seal.to_vec();
    let start = changed.len() - 32;
    let mut carry = 0u16;
    for (byte, add) in changed[start..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    changed
}

fn invalid() -> Vectors {
    let good = valid();
    let (event, seal) = (&good["event-fault"], &good["seal-of-two"]);
    let text = |name: &str| String::from_utf8(good[name].clone()).unwrap();
    let kid = emitter().public_key().id();
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("event-non-shortest-integer", with(event, &[1, 1, 2], &[1, 0x18, 1, 2])),
        ("event-key-order", with(event, &[3, 19, 4], &[4, 19, 3])),
        (
            "event-unknown-key",
            with(&[&event[..], &[7, 0]].concat(), &event[..1], &[event[0] + 1]),
        ),
        ("event-trailing-bytes", [&event[..], &[0]].concat()),
        ("event-indefinite-map", [&[0xbf], &event[1..], &[0xff]].concat()),
        ("event-body-of-another-kind", with(event, &[3, 19, 4], &[3, 0, 4])),
        ("event-unknown-kind", with(event, &[3, 19, 4], &[3, 22, 4])),
        ("event-oversize", [&event[..], &vec![0; 65_536]].concat()),
        ("event-cut", event[..event.len() - 1].to_vec()),
        ("event-tagged", [&[0xc1], &event[..]].concat()),
        ("seal-bad-tag", with(seal, &[0xd2, 0x84], &[0xd1, 0x84])),
        ("seal-trailing-bytes", [&seal[..], &[0]].concat()),
        ("seal-second-signature-form", second_signature(seal)),
        ("seal-another-kid", with(seal, &kid.0, &[9; 8])),
        ("seal-another-algorithm", with(seal, &[1, 0x32], &[1, 0x26])),
        ("entries-cut", good["entries-of-a-batch"][..40].to_vec()),
        (
            "entries-one-more",
            [&good["entries-of-a-batch"][..], &[0, 1, 7]].concat(),
        ),
        ("disclosed-cut", good["disclosed-of-a-tile"][..40].to_vec()),
        ("disclosed-twice", good["disclosed-of-a-tile"].repeat(2)),
        ("disclosed-empty-entry", vec![0, 0, 0]),
        ("scope-of-everything", b"{}".to_vec()),
        ("scope-unknown-key", br#"{"all":true}"#.to_vec()),
        ("scope-another-order", br#"{"target":"a","subject":"b"}"#.to_vec()),
        (
            "scope-empty-period",
            br#"{"from":"2026-11-01T00:00:00.000000Z","to":"2026-11-01T00:00:00.000000Z"}"#.to_vec(),
        ),
        ("file-climbing", b"event/../checkpoint".to_vec()),
        ("file-leading-zero", b"event/07".to_vec()),
        ("tile-leading-zero", b"tile/00/000".to_vec()),
        ("tile-climbing", b"tile/0/../000".to_vec()),
        ("tile-empty-partial", b"tile/0/000.p/0".to_vec()),
        ("wire-unknown-code", with(&good["wire-hello"], &[1, 0xa4], &[9, 0xa4])),
        ("wire-trailing-bytes", [&good["wire-hello"][..], &[0]].concat()),
        ("wire-empty", Vec::new()),
    ];
    let header_length = usize::from(seal[3]);
    let mut filled = seal.clone();
    filled.splice(4 + header_length..=4 + header_length, [0xa1, 0x01, 0x26]);
    cases.push(("seal-filled-unprotected-header", filled));
    cases.extend(faults_of_security_keys());
    let note = text("checkpoint-of-three");
    cases.push((
        "checkpoint-extension-line",
        note.replacen("\n\n", "\nmore\n\n", 1).into(),
    ));
    cases.push(("checkpoint-leading-zero", note.replacen("\n3\n", "\n03\n", 1).into()));
    cases.push(("checkpoint-another-size", note.replacen("\n3\n", "\n4\n", 1).into()));
    cases.push((
        "key-another-name",
        text("key-of-the-log").replacen("vectors", "vectorz", 1).into(),
    ));
    let proof = text("proof-of-an-event");
    cases.push(("proof-leading-zero", proof.replacen("index ", "index 0", 1).into()));
    cases.push(("proof-without-path", proof.replacen("extra ", "", 1).into()));
    let weak = format!("01{}", "00".repeat(31));
    let key = emitter().public_key().to_bytes().to_string();
    cases.push(("trust-weak-key", text("trust-anchors").replacen(&key, &weak, 1).into()));
    cases.push((
        "trust-unknown-key",
        format!("more = 1\n{}", text("trust-anchors")).into(),
    ));
    cases
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect()
}

fn faults_of_security_keys() -> Vec<(&'static str, Vec<u8>)> {
    let plain = |message: &[u8]| match SecretKey::from_seed(&[5; 32]).sign(message).unwrap() {
        Signature::Plain(signature) => signature.0.to_vec(),
        Signature::Security(_) => unreachable!("a key in memory is an ordinary one"),
    };
    let other = SoftwareKey::new(5, "ssh:other");
    let mut counted = touched().seal_bytes().0.clone();
    *counted.last_mut().unwrap() += 1;
    vec![
        (
            "seal-security-key-not-touched",
            touched_otherwise(|message| touched_key().assert(message, 0, 7).0.to_vec()),
        ),
        (
            "seal-security-key-of-another-application",
            touched_otherwise(|message| other.assert(message, TOUCHED, 7).0.to_vec()),
        ),
        ("seal-security-key-another-counter", counted),
        (
            "seal-security-key-signature-of-an-ordinary-key",
            touched_otherwise(plain),
        ),
    ]
}

/// Reads a vector as its format and gives the bytes that it is written again as; `None` when it is refused.
fn reread(format: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let text = || std::str::from_utf8(bytes).ok();
    match format {
        "event" => Some(Event::decode(bytes).ok()?.encode().ok()?.0),
        "seal" => {
            let events = batch().events().to_vec();
            let keys = [emitter().public_key(), touched_key().public_key()];
            let verified = keys.map(|key| Sealed::verify(events.clone(), Bytes(bytes.to_vec()), &key).ok());
            let sealed = verified.into_iter().flatten().next()?;
            Some(sealed.seal_bytes().0.clone())
        }
        "entries" => {
            let mut bundle = Vec::new();
            for entry in entries(bytes, 3).ok()? {
                push_entry(&mut bundle, entry).ok()?;
            }
            Some(bundle)
        }
        "checkpoint" => Some(Checkpoint::verify(text()?, &log_key()).ok()?.note().into()),
        "key" => Some(VerifierKey::parse(text()?).ok()?.to_string().into()),
        "proof" => {
            let proof = EventProof::parse(text()?).ok()?;
            let event = batch().events()[0].clone();
            proof.verify(&event.0, &log_key(), &emitter().public_key()).ok()?;
            Some(proof.to_text().into())
        }
        "disclosed" => {
            let mut again = Vec::new();
            for (position, entry) in records(bytes, 256).ok()? {
                push_record(&mut again, position, entry).ok()?;
            }
            Some(again)
        }
        "scope" => Some(Scope::parse(text()?)?.to_json().into()),
        "file" => Some(ScopedFile::parse(text()?)?.path().into()),
        "tile" => Some(Tile::parse(text()?).ok()?.path().into()),
        "trust" => Some(TrustAnchors::parse(text()?).ok()?.to_toml().into()),
        "wire" => Some(Message::decode(bytes).ok()?.encode()),
        other => panic!("no decoder for {other}"),
    }
}

fn format(name: &str) -> &str {
    name.split('-').next().expect("a split has a first part")
}

/// The CBOR of a vector, where it is one item of plain CBOR.
fn plain_cbor<'bytes>(name: &str, bytes: &'bytes [u8]) -> Option<&'bytes [u8]> {
    match format(name) {
        "event" | "seal" => Some(bytes),
        "wire" => bytes.get(1..),
        _ => None,
    }
}

fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (folder, vectors) in [("valid", valid()), ("invalid", invalid())] {
        for (name, bytes) in vectors {
            if folder == "valid"
                && let Some(cbor) = plain_cbor(&name, &bytes)
            {
                let item = dcbor::CBOR::try_from_data(cbor).unwrap();
                files.insert(format!("{folder}/{name}.diag"), format!("{}\n", item.diagnostic()));
            }
            files.insert(format!("{folder}/{name}.hex"), format!("{}\n", hex::encode(bytes)));
        }
    }
    files
}

#[test]
fn the_vectors_are_made_again_byte_for_byte() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let write = std::env::var_os("EXHIBIT_WRITE_VECTORS").is_some();
    let mut found = Vec::new();
    for (path, content) in &files() {
        let file = root.join(path);
        if write {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, content).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).ok().as_ref(), Some(content), "{path}");
    }
    for folder in ["valid", "invalid"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            found.push(format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    found.sort();
    assert_eq!(
        found,
        files().into_keys().collect::<Vec<_>>(),
        "no file without its maker"
    );
}

#[test]
fn every_valid_vector_decodes_and_encodes_to_itself() {
    for (name, bytes) in valid() {
        assert_eq!(reread(format(&name), &bytes), Some(bytes), "{name}");
    }
}

#[test]
fn every_invalid_vector_is_refused() {
    let good = valid();
    for (name, bytes) in invalid() {
        assert!(good.values().all(|valid| *valid != bytes), "{name} has no fault");
        assert_eq!(reread(format(&name), &bytes), None, "{name}");
    }
}

#[test]
fn dcbor_encodes_every_vector_as_we_do() {
    for (name, bytes) in valid() {
        if let Some(cbor) = plain_cbor(&name, &bytes) {
            assert_eq!(dcbor::CBOR::try_from_data(cbor).unwrap().to_cbor_data(), cbor, "{name}");
        }
    }
}

#[test]
fn coset_reads_our_seal_and_signs_the_same_bytes() {
    let bytes = batch().seal_bytes().0.clone();
    let theirs = coset::CoseSign1::from_tagged_slice(&bytes).unwrap();
    assert_eq!(theirs.protected.header.key_id, emitter().public_key().id().0);
    let key: PublicKey = emitter().public_key();
    let checked = theirs.verify_signature(b"", |signature, message| {
        key.verify(message, &Signature::try_from(signature).expect("64 bytes"))
    });
    assert_eq!(checked, Ok(()));
    assert!(UnverifiedSeal::read(&bytes).is_ok());
    assert_eq!(theirs.to_tagged_vec().unwrap(), bytes);
}
