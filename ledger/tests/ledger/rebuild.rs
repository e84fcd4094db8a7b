//! The derived records are made again from the entries, and are what they were.

use std::sync::atomic::{AtomicUsize, Ordering};

use exhibit_ledger::store::{Durable, Store, SyncedCommit};
use exhibit_ledger::{Config, Ledger, LedgerError};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, DecisionRecord, Effect, Facts, SessionClosed};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, Requirement, Verdict};
use exhibit_schemas::event::trust::{KeyEnrolled, Role};
use exhibit_schemas::event::{SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::tiles;

use crate::fixture::{
    NOW, administrator, append, batch, begin, beginning, check_whole, event, key, now, open, opened, proxy, start,
    submit,
};

pub(crate) fn requested() -> ApprovalRequested {
    ApprovalRequested {
        target: "clinic".into(),
        statement: "DROP TABLE visits".into(),
        command: Digest([1; 32]),
        facts: Facts {
            accesses: vec![Access(Action::Session, None)],
            attributes: std::collections::BTreeMap::new(),
            columns: None,
        },
        decision: DecisionRecord {
            effect: Effect::Ask,
            policy: Digest([0; 32]),
            rule: Some("changes".into()),
            reason: "a change".into(),
            approval: Some("two".into()),
            observed: None,
        },
        requirement: Requirement {
            name: "two".into(),
            groups: vec!["dba".into()],
            people: 2,
            requester_may_approve: false,
            all_groups: None,
            hours: None,
            grants: None,
            emergency: None,
        },
        expires: NOW,
        held_until: None,
        preview: None,
        requester: None,
    }
}

/// A log with everything that records are derived from; gives its batches by the proxy.
fn fill(ledger: &Ledger) -> Vec<Sealed> {
    let enrolled = KeyEnrolled {
        key: key(7).public_key().to_bytes(),
        role: Role::Person,
        name: "ada".into(),
        groups: vec!["dba".into()],
        application: None,
    };
    let chain = Chain {
        boot: 2,
        sequence: 0,
        previous: beginning()[0].next().previous,
    };
    let signer = administrator();
    let enrolled = Sealed::seal(vec![event(&signer, 2, None, enrolled)], chain, &signer).unwrap();
    submit(ledger, &enrolled).unwrap();
    let mut made = Vec::new();
    let mut chain = start(10);
    let mut take = |sealed: Sealed| {
        submit(ledger, &sealed).unwrap();
        chain = sealed.next();
        made.push(sealed);
        chain
    };
    let mut chain = take(batch(start(10), &["a", "b"]));
    for number in 0..3_u8 {
        let id = SessionId([number; 16]);
        let mut events = vec![event(&proxy(), 10, Some(SessionPlace(id, 0)), opened())];
        if number > 0 {
            events.push(event(&proxy(), 10, Some(SessionPlace(id, 1)), requested()));
        }
        if number == 2 {
            let closed = SessionClosed {
                reason: "agent".into(),
                commands: 0,
                bytes: 0,
            };
            events.push(event(&proxy(), 10, Some(SessionPlace(id, 2)), closed));
        }
        chain = take(Sealed::seal(events, chain, &proxy()).unwrap());
    }
    let (request, _) = ledger.approvals().unwrap().remove(0);
    let decided = ApprovalDecided {
        request,
        command: Digest([1; 32]),
        session: SessionId([1; 16]),
        target: "clinic".into(),
        policy: Digest([0; 32]),
        expires: NOW,
        verdict: Verdict::Approve,
        reason: "fine".into(),
        terms: None,
    };
    let decided = Sealed::seal(vec![event(&key(7), 5, None, decided)], start(5), &key(7)).unwrap();
    submit(ledger, &decided).unwrap();
    // Many batches in few commits, so that pages and runs hold several of them.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut answers = Vec::new();
        for number in 0..600 {
            let next = batch(chain, &[&format!("event {number}")]);
            chain = next.next();
            answers.push(ledger.submit(append(&next)).await);
            made.push(next);
        }
        for answered in answers {
            answered.await.unwrap().unwrap();
        }
    });
    made
}

/// Everything that readers and emitters get out of derived records.
fn derived(ledger: &Ledger, batches: &[Sealed]) -> Vec<String> {
    let size = ledger.shared().head().size();
    let mut found = vec![
        format!("{:?}", ledger.approvals().unwrap()),
        format!("{:?}", ledger.published(0).unwrap()),
        format!("{:?}", ledger.shared().keyring()),
    ];
    let tiles = tiles(TreeSize(size.0)).map(|tile| format!("{:?}", ledger.tile(tile).unwrap()));
    found.extend(tiles);
    found.extend(
        batches
            .iter()
            .map(|batch| format!("{:?}", submit(ledger, batch).unwrap())),
    );
    found
}

fn much_later() -> Timestamp {
    Timestamp(NOW.0 * 2)
}

/// Opening indexes of the sessions that a store lists, and how many are open.
fn listed(directory: &std::path::Path, before: Option<u64>) -> (Vec<u64>, usize) {
    let store = Store::open(&directory.join("store")).unwrap();
    let opened = store.sessions(before).map(|found| found.unwrap().1.opened);
    (opened.collect(), store.open_sessions())
}

#[test]
fn sessions_are_listed_from_the_newest_on_and_the_open_ones_counted() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let batches = fill(&ledger);
    ledger.shutdown();
    let check = || {
        let (all, open) = listed(directory.path(), None);
        assert_eq!((all.len(), open), (3, 2), "one of three is closed");
        assert!(all.is_sorted_by(|newer, older| newer > older), "{all:?}");
        for place in 0..3 {
            assert_eq!(listed(directory.path(), Some(all[place])).0, all[place + 1..]);
            assert_eq!(listed(directory.path(), Some(all[place] + 1)).0, all[place..]);
        }
    };
    check();
    Ledger::drop_projections(&config).unwrap();
    assert_eq!(listed(directory.path(), None), (vec![], 0));
    open(&config).shutdown();
    check();
    // The last one ends in a later commit.
    let ledger = open(&config);
    let closed = SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    };
    let place = SessionPlace(SessionId([0; 16]), 1);
    let events = vec![event(&proxy(), 10, Some(place), closed)];
    submit(
        &ledger,
        &Sealed::seal(events, batches.last().unwrap().next(), &proxy()).unwrap(),
    )
    .unwrap();
    ledger.shutdown();
    let (all, open) = listed(directory.path(), None);
    assert_eq!((all.len(), open), (3, 1));
}

#[test]
fn derived_records_are_made_again_from_the_entries() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let batches = fill(&ledger);
    let (size, before) = (check_whole(&ledger), derived(&ledger, &batches));
    assert_eq!(ledger.approvals().unwrap().len(), 1);
    ledger.shutdown();
    Ledger::drop_projections(&config).unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    assert_eq!(store.head().unwrap().unwrap().projected, 0);
    assert!(
        store.sessions(None).next().is_none()
            && store.open_sessions() == 0
            && store.approvals().next().is_none()
            && store.batches(0).next().is_none()
    );
    assert!(store.node(1, 0).unwrap().is_none() && store.seal(proxy().public_key().id(), 10, 5).unwrap().is_none());
    drop(store);
    // Long after the requests have expired: what the log took is not judged by the clock again.
    let ledger = Ledger::open_with(&config, Box::new(SyncedCommit), much_later).unwrap();
    assert_eq!(check_whole(&ledger), size);
    assert_eq!(derived(&ledger, &batches), before);
    let next = batch(batches.last().unwrap().next(), &["more"]);
    submit(&ledger, &next).unwrap();
    ledger.shutdown();
    let ledger = open(&config);
    // As of the last commit, and the receipts of before.
    let after = derived(&ledger, &batches);
    assert_eq!(after[..3], before[..3]);
    assert_eq!(
        after[after.len() - batches.len()..],
        before[before.len() - batches.len()..]
    );
}

/// Fails at one commit.
struct FailingAt(usize, AtomicUsize);

impl Durable for FailingAt {
    fn commit(&mut self, batch: fjall::OwnedWriteBatch) -> Result<(), fjall::Error> {
        if self.1.fetch_add(1, Ordering::SeqCst) == self.0 {
            return Err(fjall::Error::Io(std::io::Error::other("the disk is gone")));
        }
        SyncedCommit.commit(batch)
    }
}

#[test]
fn a_rebuild_that_breaks_off_begins_again() {
    let directory = tempfile::tempdir().unwrap();
    let config: Config = begin(directory.path());
    let ledger = open(&config);
    let batches = fill(&ledger);
    let before = derived(&ledger, &batches);
    ledger.shutdown();
    Ledger::drop_projections(&config).unwrap();
    let failing = FailingAt(0, AtomicUsize::new(0));
    let broken = Ledger::open_with(&config, Box::new(failing), now).map(|_| ());
    assert!(matches!(broken, Err(LedgerError::Store(_))));
    let ledger = open(&config);
    assert_eq!(derived(&ledger, &batches), before);
}
