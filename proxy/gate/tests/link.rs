//! The link against a small ledger in this process that breaks streams, lies, and forgets.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::similar_names,
    clippy::single_match_else,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "link/full.rs"]
mod full;
#[path = "link/published.rs"]
mod published;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exhibit_gate::clock::SystemClock;
use exhibit_gate::error::GateError;
use exhibit_gate::link::connect::PipeConnect;
use exhibit_gate::link::{Link, LinkConfig};
use exhibit_gate::recorder::{Draft, Recorder as _};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::chain::next_seal;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::trust::Fault;
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::{Frontier, TreeSize};
use exhibit_schemas::seal::{Chain, Sealed, UnverifiedSeal};
use exhibit_schemas::wire::{Append, Challenge, Message, Nonce, Receipt, Refusal, RefusalCode, Standing, Welcome};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Packet;

/// What the ledger does with the next append; then it is good again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misdeed {
    /// Breaks the stream and forgets the batch.
    DropBefore,
    /// Takes the batch and breaks the stream.
    DropAfter,
    /// Refuses the batch.
    RefuseChain,
    /// Signs the receipt's checkpoint with another key.
    OtherKey,
    /// Acknowledges the batch after it.
    OutOfOrder,
    /// Gives a checkpoint that does not cover the batch.
    Short,
    /// Breaks the stream and forgets everything that it had acknowledged.
    Rollback,
}

struct Ledger {
    entries: Vec<Vec<u8>>,
    /// Of all entries; a ledger that is asked for less counts again.
    frontier: Frontier,
    chain: Option<Chain>,
    /// Receipts given, for what is sent again.
    taken: Vec<(u64, u64, u64)>,
    faults: VecDeque<Misdeed>,
    streams: usize,
    /// Whether receipts are held back.
    held: watch::Sender<bool>,
}

type Shared = Arc<Mutex<Ledger>>;

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn origin() -> Origin {
    Origin::new("clinic.example/test").unwrap()
}

fn trust() -> TrustAnchors {
    TrustAnchors {
        log: VerifierKey {
            origin: origin(),
            key: secret(1).public_key(),
        },
        administrators: vec![("root".into(), secret(2).public_key())],
        policy_signers: Vec::new(),
    }
}

impl Ledger {
    fn note(&self, size: usize, seed: u8) -> String {
        let mut frontier = Frontier::default();
        if size == self.entries.len() {
            frontier = self.frontier.clone();
        } else {
            for entry in &self.entries[..size] {
                frontier.append(Digest::leaf(entry), |_, _, _| ());
            }
        }
        let size = TreeSize(u64::try_from(size).unwrap());
        let root = if size.0 == 0 {
            exhibit_schemas::merkle::empty_root()
        } else {
            frontier.root()
        };
        Checkpoint::sign(origin(), size, root, &secret(seed))
            .unwrap()
            .note()
            .to_owned()
    }

    /// Takes a batch, or finds it taken; gives the index of its first event.
    fn take(&mut self, append: &Append) -> Result<(u64, u64, u64), String> {
        let payload = UnverifiedSeal::read(&append.seal.0)
            .unwrap()
            .verify(&secret(3).public_key())
            .unwrap();
        if let Some(receipt) = self
            .taken
            .iter()
            .find(|one| (one.0, one.1) == (payload.boot, payload.sequence))
        {
            return Ok(*receipt);
        }
        let sealed = Sealed::verify(append.events.clone(), append.seal.clone(), &secret(3).public_key()).unwrap();
        let leaf = Digest::leaf(&append.seal.0);
        self.chain = Some(next_seal(self.chain, &payload, leaf).map_err(|error| error.to_string())?);
        let first = u64::try_from(self.entries.len()).unwrap();
        for entry in sealed.events().iter().chain([&append.seal]) {
            self.frontier.append(Digest::leaf(&entry.0), |_, _, _| ());
            self.entries.push(entry.0.clone());
        }
        self.taken.push((payload.boot, payload.sequence, first));
        Ok((payload.boot, payload.sequence, first))
    }
}

fn challenge() -> Challenge {
    Challenge { nonce: Nonce([7; 32]) }
}

async fn serve(ledger: Shared, stream: DuplexStream) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    let send = |message: Message| Packet::Binary(message.encode().into());
    if socket.send(send(Message::Challenge(challenge()))).await.is_err() {
        return;
    }
    while let Some(Ok(packet)) = socket.next().await {
        let Packet::Binary(bytes) = packet else { continue };
        let answer = match Message::decode(&bytes).unwrap() {
            Message::Hello(hello) => {
                let proven = hello.verify(origin().as_str(), &challenge(), &secret(3).public_key());
                assert_eq!(proven, Ok(()));
                let ledger = ledger.lock().unwrap();
                let standing = ledger.chain.map(
                    |Chain {
                         boot,
                         sequence,
                         previous,
                     }| Standing {
                        boot,
                        sequence,
                        previous: previous.unwrap(),
                    },
                );
                vec![Message::Welcome(Welcome {
                    checkpoint: ledger.note(ledger.entries.len(), 1),
                    standing,
                })]
            }
            Message::Append(append) => {
                let mut ledger = ledger.lock().unwrap();
                let fault = ledger.faults.pop_front();
                match fault {
                    Some(Misdeed::DropBefore) => return,
                    Some(Misdeed::Rollback) => {
                        ledger.entries.clear();
                        ledger.frontier = Frontier::default();
                        ledger.taken.clear();
                        ledger.chain = None;
                        return;
                    }
                    Some(Misdeed::RefuseChain) => vec![Message::Refusal(Refusal {
                        boot: 0,
                        sequence: 0,
                        code: RefusalCode::Chain,
                        text: "test".into(),
                    })],
                    _ => {
                        let (boot, mut sequence, first) = ledger.take(&append).unwrap();
                        if fault == Some(Misdeed::DropAfter) {
                            return;
                        }
                        sequence += u64::from(fault == Some(Misdeed::OutOfOrder));
                        let size = ledger.entries.len() - usize::from(fault == Some(Misdeed::Short));
                        let seed = if fault == Some(Misdeed::OtherKey) { 9 } else { 1 };
                        let checkpoint = ledger.note(size, seed);
                        vec![Message::Receipt(Receipt {
                            boot,
                            sequence,
                            first,
                            checkpoint,
                        })]
                    }
                }
            }
            other => panic!("{other:?}"),
        };
        if let [Message::Receipt(_)] = answer.as_slice() {
            let mut held = ledger.lock().unwrap().held.subscribe();
            let _ = held.wait_for(|held| !held).await;
        }
        for message in answer {
            if socket.send(send(message)).await.is_err() {
                return;
            }
        }
    }
}

fn ledger() -> Shared {
    Arc::new(Mutex::new(Ledger {
        entries: vec![],
        frontier: Frontier::default(),
        chain: None,
        taken: vec![],
        faults: VecDeque::new(),
        streams: 0,
        held: watch::channel(false).0,
    }))
}

async fn start(ledger: &Shared, state: PathBuf) -> Result<Link, GateError> {
    let shared = Arc::clone(ledger);
    let connect = PipeConnect::new(move || {
        let (ours, theirs) = tokio::io::duplex(65_536);
        shared.lock().unwrap().streams += 1;
        tokio::spawn(serve(Arc::clone(&shared), theirs));
        Ok(ours)
    });
    let config = LinkConfig {
        connect: Arc::new(connect),
        key: secret(3),
        trust: trust(),
        clock: Arc::new(SystemClock),
        state,
    };
    Link::start(config).await
}

fn drafts(count: usize) -> Vec<Draft> {
    let fault = |number| Fault {
        place: "gate".into(),
        text: format!("event {number}"),
    };
    (0..count)
        .map(|number| Draft {
            session: None,
            body: fault(number).into(),
        })
        .collect()
}

/// The second of three submissions meets the fault; gives what the submissions came to.
async fn check(fault: Misdeed) -> (Shared, Link, Vec<Result<usize, GateError>>) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let link = start(&ledger, directory.path().join("state")).await.unwrap();
    let mut results = Vec::new();
    for number in 0..3 {
        if number == 1 {
            ledger.lock().unwrap().faults.push_back(fault);
        }
        let result = match link.submit(drafts(2)) {
            Ok(ticket) => ticket.await.map(|receipts| receipts.len()),
            Err(error) => Err(error),
        };
        results.push(result);
    }
    (ledger, link, results)
}

#[tokio::test]
async fn a_broken_stream_is_mended_and_every_event_stands_once() {
    for fault in [Misdeed::DropBefore, Misdeed::DropAfter] {
        let (ledger, link, results) = check(fault).await;
        assert_eq!(results, [Ok(2), Ok(2), Ok(2)], "{fault:?}");
        link.shutdown().await;
        let ledger = ledger.lock().unwrap();
        assert_eq!((ledger.entries.len(), ledger.streams), (9, 2), "{fault:?}");
    }
}

#[tokio::test]
async fn a_ledger_that_lies_or_forgets_is_never_used_again() {
    for fault in [
        Misdeed::OtherKey,
        Misdeed::OutOfOrder,
        Misdeed::Short,
        Misdeed::Rollback,
    ] {
        let (_, _, results) = check(fault).await;
        assert_eq!(results[0], Ok(2));
        for result in &results[1..] {
            assert!(
                matches!(result, Err(GateError::LedgerDistrusted { .. })),
                "{fault:?}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_refused_batch_fails_its_tickets() {
    let (_, _, results) = check(Misdeed::RefuseChain).await;
    assert!(
        matches!(
            &results[1],
            Err(GateError::LedgerRefused {
                code: RefusalCode::Chain,
                ..
            })
        ),
        "{results:?}"
    );
}

#[tokio::test]
async fn receipts_name_the_entries_in_order_across_batches() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let link = start(&ledger, directory.path().join("state")).await.unwrap();
    let tickets: Vec<_> = (0..40)
        .map(|number| link.submit(drafts(1 + number * 7)).unwrap())
        .collect();
    let mut last = None;
    for ticket in tickets {
        for receipt in ticket.await.unwrap() {
            assert!(Some((receipt.index, receipt.time)) > last, "{receipt:?}");
            last = Some((receipt.index, receipt.time));
            let ledger = ledger.lock().unwrap();
            let entry = &ledger.entries[usize::try_from(receipt.index.0).unwrap()];
            assert_eq!(Digest::leaf(entry), receipt.leaf);
        }
    }
}

/// All that the link can do with what it has, it does.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Hands over submissions while receipts are held back; gives how many batches they came to.
async fn batches(submissions: Vec<Vec<Draft>>) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let link = start(&ledger, directory.path().join("state")).await.unwrap();
    ledger.lock().unwrap().held.send_replace(true);
    let mut tickets = Vec::new();
    for drafts in submissions {
        tickets.push(link.submit(drafts).unwrap());
        settle().await;
    }
    ledger.lock().unwrap().held.send_replace(false);
    for ticket in tickets {
        ticket.await.unwrap();
    }
    let ledger = ledger.lock().unwrap();
    ledger.taken.len()
}

#[tokio::test]
async fn what_comes_while_a_batch_is_in_flight_gathers_to_one_until_it_is_worth_its_own() {
    let small = |counts: &[usize]| counts.iter().map(|count| drafts(*count)).collect::<Vec<_>>();
    assert_eq!(batches(small(&[1; 50])).await, 2, "one, and all the others");
    assert_eq!(
        batches(small(&[1, 255, 1, 1])).await,
        3,
        "256 events go, and what is left"
    );
    assert_eq!(batches(small(&[1, 254, 1, 1])).await, 2, "255 events wait for the next");
    let long = |count| {
        let text = "x".repeat(40_000);
        let fault = Fault {
            place: "gate".into(),
            text,
        };
        let draft = Draft {
            session: None,
            body: fault.into(),
        };
        let mut submissions = vec![vec![draft]; count];
        submissions.insert(0, drafts(1));
        submissions.push(drafts(1));
        submissions
    };
    assert_eq!(batches(long(4)).await, 3, "160 KB go");
    assert_eq!(batches(long(3)).await, 2, "120 KB wait");
}

/// A link to which so many submissions were answered together, and its ledger.
async fn answered(submissions: usize) -> (Shared, Link) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let link = start(&ledger, directory.path().join("state")).await.unwrap();
    ledger.lock().unwrap().held.send_replace(true);
    let mut tickets = Vec::new();
    for _ in 0..=submissions {
        tickets.push(link.submit(drafts(1)).unwrap());
        // The first goes alone, and the others gather.
        settle().await;
    }
    ledger.lock().unwrap().held.send_replace(false);
    for ticket in tickets {
        ticket.await.unwrap();
    }
    assert_eq!(ledger.lock().unwrap().taken.len(), 2);
    (ledger, link)
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_half_of_those_that_were_answered_together_and_for_few_only() {
    for (submissions, wanted) in [(1, 1), (2, 1), (3, 2), (9, 5), (32, 16), (200, 16)] {
        let (ledger, link) = answered(submissions).await;
        let began = Instant::now();
        let mut tickets = Vec::new();
        for come in 1..=wanted {
            let sent = ledger.lock().unwrap().taken.len();
            assert_eq!(sent, 2, "{come} of {submissions} came");
            tickets.push(link.submit(drafts(1)).unwrap());
            settle().await;
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
        assert_eq!(ledger.lock().unwrap().taken.len(), 3, "{submissions}");
        assert!(began.elapsed().is_zero(), "{submissions}: nobody waits for more");
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_do_not_come_back_are_waited_for_once_and_shortly() {
    let (_ledger, link) = answered(9).await;
    let began = Instant::now();
    link.submit(drafts(1)).unwrap().await.unwrap();
    let waited = began.elapsed();
    assert!(!waited.is_zero() && waited <= Duration::from_millis(2), "{waited:?}");
    for _ in 0..5 {
        link.submit(drafts(1)).unwrap().await.unwrap();
    }
    assert_eq!(began.elapsed(), waited);
}

#[tokio::test]
async fn a_restart_sees_a_ledger_that_was_rolled_back() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let ledger = ledger();
    let link = start(&ledger, state.clone()).await.unwrap();
    link.submit(drafts(1)).unwrap().await.unwrap();
    link.shutdown().await;
    assert!(matches!(link.submit(drafts(1)), Err(GateError::Stopping)));
    let again = start(&ledger, state.clone()).await.unwrap();
    again.submit(drafts(1)).unwrap().await.unwrap();
    again.shutdown().await;
    let rolled_back = self::ledger();
    let error = start(&rolled_back, state).await.err();
    assert!(matches!(error, Some(GateError::LedgerDistrusted { .. })), "{error:?}");
}

#[tokio::test]
async fn a_link_knows_whether_its_key_recorded_anything_before_this_run() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger();
    let first = start(&ledger, directory.path().join("state")).await.unwrap();
    first.submit(drafts(1)).unwrap().await.unwrap();
    assert!(!first.recorded_before(), "what there is, is of this run");
    first.shutdown().await;
    // The ledger tells it, also where the state file is lost.
    let again = start(&ledger, directory.path().join("other")).await.unwrap();
    assert!(again.recorded_before());
    again.shutdown().await;
}

#[tokio::test]
async fn a_full_queue_and_a_gap_are_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let link = start(&ledger(), directory.path().join("state")).await.unwrap();
    assert!(matches!(
        link.submit(drafts(16_385)),
        Err(GateError::QueueFull { limit: 16_384 })
    ));
    let session = SessionId([1; 16]);
    let closed = exhibit_schemas::event::access::SessionClosed {
        reason: "agent".into(),
        commands: 0,
        bytes: 0,
    };
    let place = exhibit_schemas::event::SessionPlace(session, 4);
    let stray = Draft {
        session: Some(place),
        body: closed.into(),
    };
    assert!(matches!(link.submit(vec![stray]), Err(GateError::Gap { .. })));
    link.submit(drafts(1)).unwrap().await.unwrap();
}
