//! Proofs of every event of batches of many sizes, and the refusal of every other text.

use std::collections::BTreeMap;

use proptest::prelude::{any, proptest};

use super::{EXTRA_BYTES_MAX, EventProof, EventProofError, PROOF_BYTES_MAX};
use crate::cbor::Bytes;
use crate::checkpoint::{Checkpoint, Origin, VerifierKey};
use crate::digest::Digest;
use crate::event::trust::Fault;
use crate::event::{Emitter, Event, Timestamp};
use crate::key::{SecretKey, Signer as _};
use crate::merkle::{Frontier, Index, NodeSource, ProofError};
use crate::seal::{Chain, Sealed};

const BOOT: u64 = 1_700_000_000_000_000;

struct Nodes(BTreeMap<(u8, u64), Digest>);

impl NodeSource for Nodes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.get(&(level, index)).copied()
    }
}

struct Log {
    nodes: Nodes,
    batches: Vec<(u64, Sealed)>,
    checkpoint: Checkpoint,
}

fn emitter() -> SecretKey {
    SecretKey::from_seed(&[9; 32])
}

fn log_key() -> VerifierKey {
    VerifierKey {
        origin: Origin::new("log.example").unwrap(),
        key: SecretKey::from_seed(&[5; 32]).public_key(),
    }
}

fn event(batch: usize, place: usize, author: &SecretKey) -> Bytes {
    let body = Fault {
        place: "gate".into(),
        text: format!("{batch} {place}"),
    };
    let event = Event {
        time: Timestamp(BOOT + 5),
        emitter: Emitter(author.public_key().id(), BOOT),
        session: None,
        body: body.into(),
    };
    event.encode().unwrap()
}

fn log(batch_sizes: &[usize]) -> Log {
    let (mut nodes, mut frontier, mut batches) = (Nodes(BTreeMap::new()), Frontier::default(), Vec::new());
    let mut chain = Chain {
        boot: BOOT,
        sequence: 0,
        previous: None,
    };
    for (batch, size) in batch_sizes.iter().enumerate() {
        let events = (0..*size).map(|place| event(batch, place, &emitter())).collect();
        let sealed = Sealed::seal(events, chain, &emitter()).unwrap();
        chain = sealed.next();
        for entry in sealed.events().iter().chain([sealed.seal_bytes()]) {
            frontier.append(Digest::leaf(&entry.0), |level, index, hash| {
                nodes.0.insert((level, index), hash);
            });
        }
        batches.push((frontier.size().0 - 1, sealed));
    }
    let origin = log_key().origin;
    let checkpoint = Checkpoint::sign(
        origin,
        frontier.size(),
        frontier.root(),
        &SecretKey::from_seed(&[5; 32]),
    );
    Log {
        nodes,
        batches,
        checkpoint: checkpoint.unwrap(),
    }
}

fn leaves(sealed: &Sealed) -> Vec<Digest> {
    sealed.events().iter().map(|event| Digest::leaf(&event.0)).collect()
}

impl Log {
    fn proof(&self, batch: usize, position: u64) -> Result<EventProof, EventProofError> {
        let (index, sealed) = &self.batches[batch];
        EventProof::make(
            Index(*index),
            sealed.seal_bytes().clone(),
            &leaves(sealed),
            position,
            &self.checkpoint,
            &self.nodes,
        )
    }
}

fn check_refused(text: &str) {
    assert!(EventProof::parse(text).is_err(), "{text}");
}

#[test]
fn every_event_is_proven_at_its_index_and_under_its_own_bytes_alone() {
    let log = log(&[1, 2, 3, 7, 1, 64, 65, 5]);
    let mut first = 0;
    for (batch, (_, sealed)) in log.batches.iter().enumerate() {
        for (position, bytes) in (0u64..).zip(sealed.events()) {
            let made = log.proof(batch, position).unwrap();
            let read = EventProof::parse(&made.to_text()).unwrap();
            assert_eq!(read, made);
            let proven = read.verify(&bytes.0, &log_key(), &emitter().public_key()).unwrap();
            assert_eq!(proven.index, Index(first + position));
            assert_eq!((&proven.seal, &proven.checkpoint), (sealed.payload(), &log.checkpoint));
            for other in sealed.events().iter().filter(|other| *other != bytes) {
                assert!(read.verify(&other.0, &log_key(), &emitter().public_key()).is_err());
            }
        }
        first += sealed.payload().count + 1;
    }
}

#[test]
fn the_largest_batch_fits_the_limit_of_its_path() {
    let log = log(&[1_024]);
    let text = log.proof(0, 1_023).unwrap().to_text();
    let extra = text.lines().nth(1).unwrap().len() * 3 / 4;
    assert!(extra < EXTRA_BYTES_MAX, "{extra}");
    let last = log.batches[0].1.events()[1_023].clone();
    let proof = EventProof::parse(&text).unwrap();
    let proven = proof.verify(&last.0, &log_key(), &emitter().public_key()).unwrap();
    assert_eq!(proven.index, Index(1_023));
}

#[test]
fn a_proof_holds_no_byte_string_of_another_event() {
    let log = log(&[4]);
    let made = log.proof(0, 1).unwrap();
    let held = crate::cbor::encode(&made.batch);
    for other in log.batches[0].1.events() {
        assert!(!held.windows(other.0.len()).any(|window| window == other.0));
    }
}

#[test]
fn other_keys_are_refused() {
    let log = log(&[3]);
    let proof = log.proof(0, 1).unwrap();
    let bytes = &log.batches[0].1.events()[1].0;
    let other = SecretKey::from_seed(&[8; 32]).public_key();
    let other_log = VerifierKey {
        key: other,
        ..log_key()
    };
    assert!(matches!(
        proof.verify(bytes, &log_key(), &other),
        Err(EventProofError::Signature(_))
    ));
    assert!(matches!(
        proof.verify(bytes, &other_log, &emitter().public_key()),
        Err(EventProofError::Checkpoint(_))
    ));
}

#[test]
fn what_does_not_fit_together_is_not_made() {
    let log = log(&[3, 2]);
    let (index, sealed) = &log.batches[1];
    let make = |place, leaves: &[Digest], position| {
        let seal = sealed.seal_bytes().clone();
        EventProof::make(Index(place), seal, leaves, position, &log.checkpoint, &log.nodes).map(|_| ())
    };
    let right = leaves(sealed);
    assert_eq!(make(*index, &right, 1), Ok(()));
    let range = ProofError::OutOfRange {
        index: Index(2),
        size: crate::merkle::TreeSize(2),
    };
    assert_eq!(make(*index, &right, 2), Err(EventProofError::Event(range)));
    assert!(matches!(make(index - 1, &right, 1), Err(EventProofError::Seal(_))));
    assert!(matches!(make(index + 1, &right, 1), Err(EventProofError::Seal(_))));
    assert!(matches!(
        make(*index, &right[..1], 0),
        Err(EventProofError::Format { .. })
    ));
    let swapped = [right[1], right[0]];
    assert!(matches!(make(*index, &swapped, 0), Err(EventProofError::Event(_))));
    let empty = Nodes(BTreeMap::new());
    let seal = sealed.seal_bytes().clone();
    let missing = EventProof::make(Index(*index), seal, &right, 0, &log.checkpoint, &empty);
    assert!(matches!(
        missing,
        Err(EventProofError::Seal(ProofError::MissingNode { .. }))
    ));
}

#[test]
fn an_event_that_names_another_emitter_is_refused() {
    let stranger = SecretKey::from_seed(&[8; 32]);
    let chain = Chain {
        boot: BOOT,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(vec![event(0, 0, &stranger)], chain, &emitter()).unwrap();
    let proof = single(&sealed).unwrap();
    let result = proof.verify(&sealed.events()[0].0, &log_key(), &emitter().public_key());
    assert!(matches!(result, Err(EventProofError::Emitter(_))), "{result:?}");
}

#[test]
fn sealed_bytes_that_are_no_event_are_refused() {
    let chain = Chain {
        boot: BOOT,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(vec![Bytes(b"no event".to_vec())], chain, &emitter()).unwrap();
    let result = single(&sealed)
        .unwrap()
        .verify(b"no event", &log_key(), &emitter().public_key());
    assert!(matches!(result, Err(EventProofError::NotAnEvent(_))), "{result:?}");
}

/// The proof of the first event of the only batch of a log.
fn single(sealed: &Sealed) -> Result<EventProof, EventProofError> {
    let (mut nodes, mut frontier) = (Nodes(BTreeMap::new()), Frontier::default());
    for entry in sealed.events().iter().chain([sealed.seal_bytes()]) {
        frontier.append(Digest::leaf(&entry.0), |level, index, hash| {
            nodes.0.insert((level, index), hash);
        });
    }
    let log = SecretKey::from_seed(&[5; 32]);
    let checkpoint = Checkpoint::sign(log_key().origin, frontier.size(), frontier.root(), &log).unwrap();
    let index = Index(frontier.size().0 - 1);
    EventProof::make(
        index,
        sealed.seal_bytes().clone(),
        &leaves(sealed),
        0,
        &checkpoint,
        &nodes,
    )
}

#[test]
fn a_seal_with_more_events_than_entries_before_it_is_refused() {
    let chain = Chain {
        boot: BOOT,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(vec![event(0, 0, &emitter())], chain, &emitter()).unwrap();
    let (mut nodes, mut frontier) = (Nodes(BTreeMap::new()), Frontier::default());
    frontier.append(Digest::leaf(&sealed.seal_bytes().0), |level, index, hash| {
        nodes.0.insert((level, index), hash);
    });
    let log = SecretKey::from_seed(&[5; 32]);
    let checkpoint = Checkpoint::sign(log_key().origin, frontier.size(), frontier.root(), &log).unwrap();
    let seal = sealed.seal_bytes().clone();
    let proof = EventProof::make(Index(0), seal, &leaves(&sealed), 0, &checkpoint, &nodes).unwrap();
    let result = proof.verify(&sealed.events()[0].0, &log_key(), &emitter().public_key());
    assert!(matches!(result, Err(EventProofError::Format { .. })), "{result:?}");
}

#[test]
fn any_changed_byte_is_refused() {
    let log = log(&[2, 3, 4]);
    let text = log.proof(1, 1).unwrap().to_text();
    let bytes = &log.batches[1].1.events()[1].0;
    for position in 0..text.len() {
        for replacement in ['0', 'A', '\n', ' '] {
            if !text.is_char_boundary(position) || !text.is_char_boundary(position + 1) {
                continue;
            }
            let mut changed = text.clone();
            changed.replace_range(position..=position, &replacement.to_string());
            if changed != text
                && let Ok(proof) = EventProof::parse(&changed)
            {
                let result = proof.verify(bytes, &log_key(), &emitter().public_key());
                assert!(result.is_err(), "byte {position} as {replacement:?}");
            }
        }
    }
}

#[test]
fn refuses_every_other_form_of_the_same_proof() {
    let text = log(&[2, 3, 4]).proof(1, 1).unwrap().to_text();
    check_refused(&text.replacen("@v1", "@v2", 1));
    check_refused(&text.replacen("index ", "index 0", 1));
    check_refused(&text.replacen("index ", "index +", 1));
    check_refused(&text.replacen("extra ", "", 1));
    check_refused(&text.replacen('\n', "\r\n", 1));
    check_refused(&text.replacen("=\n", "\n", 1));
    check_refused(&format!("\n{text}"));
    check_refused(text.split_once("\n\n").unwrap().0);
    let hash = "BgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgY=\n";
    check_refused(&text.replacen("\n\n", &format!("\n{}\n", hash.repeat(65)), 1));
    check_refused(&" ".repeat(PROOF_BYTES_MAX + 1));
}

proptest! {
    #[test]
    fn an_accepted_text_is_written_again_as_it_was(text in any::<String>(), cut in any::<u16>(), put in any::<char>()) {
        let _ = EventProof::parse(&text).map(|proof| assert_eq!(proof.to_text(), text));
        let mut near = log(&[2, 3]).proof(1, 1).unwrap().to_text();
        let place = usize::from(cut) % near.len();
        if near.is_char_boundary(place) {
            near.insert(place, put);
        }
        if let Ok(proof) = EventProof::parse(&near) {
            assert_eq!(proof.to_text(), near);
        }
    }
}
