//! Readings of sealed copies: what the ledger takes of a person's word that it opens one.

use exhibit_ledger::Ledger;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::CommandSealed;
use exhibit_schemas::event::trust::{CopyPlace, EvidenceRead, KeyEnrolled, REVEAL, Role};
use exhibit_schemas::event::{Body, SessionId, SessionPlace};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::{Receipt, Refusal, RefusalCode};

use crate::fixture::{administrator, begin, beginning, check_whole, event, key, open, opened, proxy, start, submit};

fn part(part: u64) -> Body {
    let bytes = Bytes(b"age-encryption.org/v1\n".to_vec());
    CommandSealed {
        command: 1,
        part,
        parts: 2,
        bytes,
    }
    .into()
}

fn read(reader: &str, operation: &str, copy: Option<CopyPlace>) -> EvidenceRead {
    EvidenceRead {
        reader: reader.to_owned(),
        operation: operation.to_owned(),
        scope: "a complaint".to_owned(),
        copy,
        by: None,
    }
}

fn say(ledger: &Ledger, signer: &SecretKey, chain: Chain, read: EvidenceRead) -> Result<Receipt, Refusal> {
    let events = vec![event(signer, chain.boot, None, read)];
    submit(ledger, &Sealed::seal(events, chain, signer).unwrap())
}

/// The place of an entry.
fn place(ledger: &Ledger, index: u64) -> CopyPlace {
    let entry = ledger.entry(Index(index)).unwrap().unwrap();
    CopyPlace {
        index: Index(index),
        leaf: Digest::leaf(&entry),
    }
}

#[test]
fn a_person_says_of_itself_that_it_opens_a_copy_that_is_there_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let (person, keeper) = (key(5), key(6));
    let enrol = |key: &SecretKey, role, name: &str| KeyEnrolled {
        key: key.public_key().to_bytes(),
        role,
        name: name.to_owned(),
        groups: Vec::new(),
        application: None,
    };
    let enrolled = [
        enrol(&person, Role::Person, "alice"),
        enrol(&keeper, Role::Ledger, "ledger"),
    ];
    let events = enrolled.map(|body| event(&administrator(), 1, None, body)).into();
    let chain = beginning()[0].next();
    submit(&ledger, &Sealed::seal(events, chain, &administrator()).unwrap()).unwrap();
    let at = |sequence| Some(SessionPlace(SessionId([1; 16]), sequence));
    let bodies: [Body; 3] = [opened().into(), part(0), part(1)];
    let events = (0..)
        .zip(bodies)
        .map(|(sequence, body)| event(&proxy(), 10, at(sequence), body));
    let batch = Sealed::seal(events.collect(), start(10), &proxy()).unwrap();
    let first = submit(&ledger, &batch).unwrap().first + 1;

    let right = place(&ledger, first);
    let size = check_whole(&ledger);
    let no_copy = |said: EvidenceRead| {
        let refusal = say(&ledger, &person, start(20), said).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::Chain);
        assert!(
            refusal.text.contains("no sealed copy begins at index"),
            "{}",
            refusal.text
        );
        assert_eq!(check_whole(&ledger), size, "it is refused whole");
    };
    let refused = |signer: &SecretKey, chain: Chain, said: EvidenceRead| {
        let refusal = say(&ledger, signer, chain, said).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::Key, "{}", refusal.text);
        assert_eq!(check_whole(&ledger), size, "it is refused whole");
    };
    let other = |index: u64, leaf: Digest| {
        Some(CopyPlace {
            index: Index(index),
            leaf,
        })
    };
    for copy in [
        other(first, Digest([7; 32])),
        other(first + 1, right.leaf),
        other(size, right.leaf),
        other(u64::MAX, right.leaf),
        Some(place(&ledger, first - 1)),
        Some(place(&ledger, first + 1)),
        Some(place(&ledger, size - 1)),
    ] {
        no_copy(read("alice", REVEAL, copy));
    }
    for said in [
        read("bob", REVEAL, Some(right.clone())),
        read("alice", REVEAL, None),
        read("alice", "search", None),
        read("alice", "search", Some(right.clone())),
    ] {
        refused(&person, start(20), said);
    }
    for said in [
        read("ledger", REVEAL, Some(right.clone())),
        read("alice", REVEAL, None),
        read("alice", "search", Some(right.clone())),
        // Without what the reader proved.
        read("alice", "search", None),
    ] {
        refused(&keeper, start(20), said);
    }
    refused(&proxy(), batch.next(), read("proxy", REVEAL, Some(right.clone())));
    say(&ledger, &person, start(20), read("alice", REVEAL, Some(right))).unwrap();
    ledger.shutdown();
    check_whole(&open(&config));
}
