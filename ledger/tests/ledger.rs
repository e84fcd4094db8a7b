//! The ledger as its emitters see it: what it takes, what it refuses, and what is left after every way a commit can fail.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests stop where something is wrong"
)]

#[path = "ledger/api.rs"]
mod api;
#[path = "ledger/crash.rs"]
mod crash;
#[path = "ledger/fixture.rs"]
mod fixture;
#[path = "ledger/mask_keys.rs"]
mod mask_keys;
#[path = "ledger/passed.rs"]
mod passed;
#[path = "ledger/queue.rs"]
mod queue;
#[path = "ledger/readings.rs"]
mod readings;
#[path = "ledger/rebuild.rs"]
mod rebuild;
#[path = "ledger/retries.rs"]
mod retries;
#[path = "ledger/reveals.rs"]
mod reveals;
#[path = "ledger/reviews.rs"]
mod reviews;
#[path = "ledger/sign_offs.rs"]
mod sign_offs;
#[path = "ledger/stream.rs"]
mod stream;

use exhibit_ledger::store::{Durable as _, Store, SyncedCommit};
use exhibit_ledger::{Ledger, LedgerError};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::SessionClosed;
use exhibit_schemas::event::trust::KeyRevoked;
use exhibit_schemas::event::{SessionId, SessionPlace};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::{Tile, TileKind};
use exhibit_schemas::wire::{Append, RefusalCode};

use fixture::{
    administrator, append, batch, begin, beginning, check_whole, event, fault, key, now, open, opened, proxy, start,
    submit,
};

#[test]
fn batches_get_receipts_and_stand_in_the_log_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let mut chain = start(10);
    let mut receipts = Vec::new();
    for number in 0..300 {
        let batch = batch(chain, &[&format!("event {number}"), "second"]);
        receipts.push((submit(&ledger, &batch).unwrap(), batch.clone()));
        chain = batch.next();
    }
    let size = check_whole(&ledger);
    assert_eq!(size, 3 + 300 * 3);
    ledger.shutdown();
    let ledger = open(&config);
    assert_eq!(check_whole(&ledger), size);
    for (receipt, batch) in &receipts {
        let stored = ledger.entry(Index(receipt.first)).unwrap().unwrap();
        assert_eq!(stored, batch.events()[0].0);
        let seal = ledger.entry(Index(receipt.first + 2)).unwrap().unwrap();
        assert_eq!(seal, batch.seal_bytes().0);
    }
}

#[test]
fn a_retried_batch_gets_the_first_receipt_bit_by_bit() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let first = batch(start(10), &["one"]);
    let receipt = submit(&ledger, &first).unwrap();
    let mut chain = first.next();
    for _ in 0..260 {
        let next = batch(chain, &["more"]);
        submit(&ledger, &next).unwrap();
        chain = next.next();
    }
    assert_eq!(submit(&ledger, &first).unwrap(), receipt);
    ledger.shutdown();
    let ledger = open(&config);
    assert_eq!(submit(&ledger, &first).unwrap(), receipt);
    let size = check_whole(&ledger);
    let other = batch(start(10), &["another under the same number"]);
    assert_eq!(submit(&ledger, &other).unwrap_err().code, RefusalCode::Chain);
    assert_eq!(check_whole(&ledger), size);
}

#[test]
fn what_does_not_belong_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let size = check_whole(&ledger);
    let check = |batch: Append, code: RefusalCode, name: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(async { ledger.submit(batch).await.await.unwrap() });
        assert_eq!(answer.unwrap_err().code, code, "{name}");
        assert_eq!(check_whole(&ledger), size, "{name}");
    };
    let good = append(&batch(start(10), &["x"]));
    let unknown = Sealed::seal(vec![fault(&key(9), 10, "x")], start(10), &key(9)).unwrap();
    check(append(&unknown), RefusalCode::Key, "a key that nobody enrolled");
    let role = session_opened_by_an_administrator();
    check(role, RefusalCode::Key, "an administrator does not open sessions");
    let gap = Chain {
        sequence: 1,
        ..start(10)
    };
    check(append(&batch(gap, &["x"])), RefusalCode::Chain, "a gap in the seals");
    let named = Chain {
        previous: Some(Digest([1; 32])),
        ..start(10)
    };
    check(
        append(&batch(named, &["x"])),
        RefusalCode::Chain,
        "a seal before it that never was",
    );
    let stranger = Sealed::seal(vec![fault(&key(9), 10, "x")], start(10), &proxy()).unwrap();
    check(append(&stranger), RefusalCode::Chain, "an event of another emitter");
    let text = Sealed::seal(vec![Bytes(b"not an event".to_vec())], start(10), &proxy()).unwrap();
    check(append(&text), RefusalCode::Malformed, "bytes that are no event");
    let mut long = fault(&proxy(), 10, "x").0;
    long[1] = 0x18; // key 1 in two bytes: another encoding
    long.insert(2, 1);
    let long = Sealed::seal(vec![Bytes(long)], start(10), &proxy()).unwrap();
    check(append(&long), RefusalCode::Malformed, "another encoding of an event");
    let mut broken = good.clone();
    *broken.seal.0.last_mut().unwrap() ^= 1;
    check(broken, RefusalCode::Seal, "a signature that is none");
    let mut swapped = good.clone();
    swapped.events = vec![fault(&proxy(), 10, "y")];
    check(swapped, RefusalCode::Seal, "another event under the seal");
    let place = SessionPlace(SessionId([5; 16]), 1);
    let closed = SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    };
    let orphan = Sealed::seal(vec![event(&proxy(), 10, Some(place), closed)], start(10), &proxy()).unwrap();
    check(append(&orphan), RefusalCode::Chain, "a session that was never opened");
    let mixed = vec![fault(&proxy(), 10, "x"), event(&proxy(), 10, None, revoke())];
    let mixed = Sealed::seal(mixed, start(10), &proxy()).unwrap();
    check(
        append(&mixed),
        RefusalCode::Key,
        "one event of a batch is of another role",
    );
}

fn session_opened_by_an_administrator() -> Append {
    let signer = administrator();
    let chain = Chain {
        boot: 2,
        sequence: 0,
        previous: beginning()[0].next().previous,
    };
    let place = SessionPlace(SessionId([4; 16]), 0);
    append(&Sealed::seal(vec![event(&signer, 2, Some(place), opened())], chain, &signer).unwrap())
}

fn revoke() -> KeyRevoked {
    KeyRevoked {
        key: proxy().public_key().id(),
        reason: "left".into(),
    }
}

#[test]
fn a_revoked_key_is_refused_from_then_on_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let first = batch(start(10), &["x"]);
    submit(&ledger, &first).unwrap();
    let chain = Chain {
        boot: 2,
        sequence: 0,
        previous: beginning()[0].next().previous,
    };
    let revocation = vec![event(&administrator(), 2, None, revoke())];
    submit(&ledger, &Sealed::seal(revocation, chain, &administrator()).unwrap()).unwrap();
    let next = batch(first.next(), &["y"]);
    assert_eq!(submit(&ledger, &next).unwrap_err().code, RefusalCode::Key);
    ledger.shutdown();
    let ledger = open(&config);
    assert_eq!(submit(&ledger, &next).unwrap_err().code, RefusalCode::Key);
}

/// A row of the crash table: how one commit of a running ledger fails.
#[test]
fn damage_is_found_at_the_start() {
    let check = |damage: &dyn Fn(&Store), name: &str| {
        let directory = tempfile::tempdir().unwrap();
        let config = begin(directory.path());
        let ledger = open(&config);
        submit(&ledger, &batch(start(10), &["a"])).unwrap();
        ledger.shutdown();
        let store = Store::open(&directory.path().join("store")).unwrap();
        damage(&store);
        drop(store);
        assert!(
            Ledger::open_with(&config, Box::new(SyncedCommit), now).is_err(),
            "{name}"
        );
    };
    let change = |index: u64, bytes: &'static [u8]| {
        move |store: &Store| {
            let mut commit = store.commit();
            commit.entry(index, bytes);
            SyncedCommit.commit(commit.into_batch()).unwrap();
        }
    };
    check(&change(3, b"changed"), "an entry was changed");
    check(&change(5, b"more"), "an entry stands after the head");
    check(
        &|store: &Store| {
            let mut head = store.head().unwrap().unwrap();
            head.size -= 2;
            let mut commit = store.commit();
            commit.head(&head);
            SyncedCommit.commit(commit.into_batch()).unwrap();
        },
        "the head says another size",
    );
}

#[test]
fn a_directory_has_one_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let _ledger = open(&config);
    let second = Ledger::open_with(&config, Box::new(SyncedCommit), now);
    assert!(matches!(second.map(|_| ()), Err(LedgerError::Locked(_))));
    assert!(matches!(
        Ledger::initialise(&config, beginning()),
        Err(LedgerError::Locked(_))
    ));
}

#[test]
fn tiles_of_every_width_are_those_of_their_entries() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let mut chain = start(10);
    for _ in 0..3 {
        let texts: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
        let next = batch(chain, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        submit(&ledger, &next).unwrap();
        chain = next.next();
    }
    assert_eq!(check_whole(&ledger), 306);
    let tile = |kind, index, width| ledger.tile(Tile::new(kind, index, width).unwrap()).unwrap();
    assert_eq!(tile(TileKind::Hashes(0), 1, 50).unwrap().len(), 50 * 32);
    assert!(tile(TileKind::Hashes(0), 1, 51).is_none());
    assert!(tile(TileKind::Hashes(1), 0, 1).is_some());
    assert!(tile(TileKind::Hashes(1), 0, 2).is_none());
    // The one hash of level 1 is the root of the first 256 leaves.
    let leaves = tile(TileKind::Hashes(0), 0, 256).unwrap();
    let mut frontier = Frontier::default();
    for leaf in leaves.chunks(32) {
        frontier.append(Digest::try_from(leaf).unwrap(), |_, _, _| {});
    }
    assert_eq!(frontier.size(), TreeSize(256));
    assert_eq!(tile(TileKind::Hashes(1), 0, 1).unwrap(), frontier.root().0);
}
