//! Readings that are recorded although something comes between: a reader who goes away, a key that ends, a count that takes
//! longer than its statement is good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use axum::http::StatusCode;
use exhibit_ledger::readings::OpenError;
use exhibit_ledger::store::{Durable, SyncedCommit};
use exhibit_schemas::event::trust::{EvidenceRead, KeyRevoked};
use exhibit_schemas::event::{self, Event, SessionId, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::{Asked, FRESH_US, Question};
use exhibit_schemas::seal::Sealed;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::api::{CHANNEL, Place, asked, statement};
use crate::fixture::{NOW, administrator, append, event, key};

/// Holds one commit up, once it is armed.
struct Gated {
    armed: Arc<AtomicBool>,
    entered: UnboundedSender<()>,
    released: Receiver<()>,
}

impl Durable for Gated {
    fn commit(&mut self, batch: fjall::OwnedWriteBatch) -> Result<(), fjall::Error> {
        if self.armed.swap(false, Ordering::SeqCst) {
            self.entered.send(()).unwrap();
            self.released.recv().unwrap();
        }
        SyncedCommit.commit(batch)
    }
}

/// A reading of the person of `compliance`, signed at a time.
fn at(question: &Question, nonce: u8, time: Timestamp) -> Asked {
    let mut statement = statement(question, nonce);
    statement.time = time;
    asked(&statement, question, &key(5))
}

/// Scope and number of all readings in the log.
fn recorded(place: &Place) -> Vec<(u64, String, u64)> {
    let read = |index| {
        let entry = place.ledger.entry(Index(index)).unwrap().unwrap();
        let event::Body::EvidenceRead(EvidenceRead { scope, by, .. }) = Event::decode(&entry).ok()?.body else {
            return None;
        };
        Some((index, scope, by.unwrap().times))
    };
    (0..place.size()).filter_map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_recorded_although_its_reader_goes_away() {
    static ADVANCED: AtomicU64 = AtomicU64::new(0);
    fn clock() -> Timestamp {
        Timestamp(NOW.0 + ADVANCED.load(Ordering::SeqCst))
    }
    let armed = Arc::new(AtomicBool::new(false));
    let (entered, mut held) = unbounded_channel();
    let (release, released) = channel();
    let gated = Gated {
        armed: Arc::clone(&armed),
        entered,
        released,
    };
    let place = Place::with(false, Box::new(gated), clock).await;
    let (often, once) = (Question::Sessions, Question::Session(SessionId([7; 16])));
    for nonce in 1..4 {
        assert_eq!(place.post(&at(&often, nonce, clock())).await.0, StatusCode::OK);
    }
    ADVANCED.store(61_000_000, Ordering::SeqCst);
    armed.store(true, Ordering::SeqCst);
    let dropped = at(&once, 4, clock());
    tokio::select! {
        _ = place.post(&dropped) => panic!("nothing is durable yet"),
        entered = held.recv() => entered.unwrap(),
    }
    // Whoever comes next while that is not durable finds a chain that goes on.
    let again = at(&often, 5, clock());
    let (answer, ()) = tokio::join!(place.post(&again), async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
    });
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    place.readings.settle().await;
    let found: Vec<_> = recorded(&place)
        .into_iter()
        .map(|(_, scope, times)| (scope, times))
        .collect();
    let wanted = [
        (often.scope(), 1),
        (often.scope(), 2),
        (once.scope(), 1),
        (often.scope(), 1),
    ];
    assert_eq!(found, wanted);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_followed_by_a_key_is_recorded_before_the_key_ends() {
    let place = Place::new(false).await;
    for nonce in 1..=50 {
        place.open(&Question::Sessions, nonce).await;
    }
    let revoked = KeyRevoked {
        key: key(5).public_key().id(),
        reason: "left".into(),
    };
    let events = vec![event(&administrator(), 1, None, revoked)];
    let revoked = Sealed::seal(events, place.administrator, &administrator()).unwrap();
    let receipt = place.ledger.submit(append(&revoked)).await.await.unwrap().unwrap();
    let size = place.size();
    place.readings.settle().await;
    assert_eq!(place.size(), size, "nothing is left");
    let found = recorded(&place);
    let times: Vec<_> = found.iter().map(|(_, _, times)| *times).collect();
    assert_eq!(times, [1, 49]);
    assert!(found.iter().all(|(index, ..)| *index < receipt.first), "{found:?}");
    place.end().await;
}

#[tokio::test]
async fn a_statement_that_is_too_old_once_all_is_counted_opens_nothing() {
    static ADVANCED: AtomicU64 = AtomicU64::new(0);
    fn clock() -> Timestamp {
        Timestamp(NOW.0 + ADVANCED.load(Ordering::SeqCst))
    }
    let place = Place::with(false, Box::new(SyncedCommit), clock).await;
    let question = Question::Sessions;
    let check = async |nonce, takes: u64| {
        let signed = at(&question, nonce, clock()).signed;
        let count = async {
            ADVANCED.fetch_add(takes, Ordering::SeqCst);
            Ok(1)
        };
        let opened = place.readings.open(question.clone(), signed, None, CHANNEL, count);
        opened.await.map(|_| ())
    };
    check(1, FRESH_US).await.unwrap();
    let refused = check(2, FRESH_US + 1).await;
    assert!(matches!(refused, Err(OpenError::Reader(_))), "{refused:?}");
    assert_eq!(recorded(&place).len(), 1);
    place.end().await;
}
