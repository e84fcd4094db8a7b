//! The queue before the committer: a stalled disk stops the senders, and order holds.

use std::sync::mpsc;
use std::task::Poll;

use exhibit_ledger::Ledger;
use exhibit_ledger::queue::{QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
use exhibit_ledger::store::{Durable, SyncedCommit};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::RefusalCode;

use crate::fixture::{append, batch, begin, check_whole, now, start};

/// Commits when it is told to, once each time, and on its own when nobody is left to tell.
struct Told(mpsc::Receiver<()>);

impl Durable for Told {
    fn commit(&mut self, batch: fjall::OwnedWriteBatch) -> Result<(), fjall::Error> {
        let _ = self.0.recv();
        SyncedCommit.commit(batch)
    }
}

fn stalled() -> (tempfile::TempDir, Ledger, mpsc::Sender<()>) {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let (tell, told) = mpsc::channel();
    let ledger = Ledger::open_with(&config, Box::new(Told(told)), now).unwrap();
    (directory, ledger, tell)
}

fn chain_of(texts: &[&str]) -> impl Iterator<Item = Sealed> {
    let mut chain: Chain = start(10);
    std::iter::from_fn(move || {
        let next = batch(chain, texts);
        chain = next.next();
        Some(next)
    })
}

#[tokio::test]
async fn a_stalled_disk_stops_the_senders_at_the_limit() {
    let (_directory, ledger, tell) = stalled();
    let long = "x".repeat(60_000);
    let texts = [long.as_str(); 16];
    let mut answers = Vec::new();
    let mut bytes = 0;
    for sealed in chain_of(&texts) {
        let append = append(&sealed);
        let size: usize = append
            .events
            .iter()
            .chain([&append.seal])
            .map(|entry| entry.0.len())
            .sum();
        // Not by the runtime's own budget of steps, which makes futures wait without a reason.
        let mut submitting = Box::pin(tokio::task::unconstrained(ledger.submit(append)));
        match futures_util::poll!(&mut submitting) {
            Poll::Ready(answered) => {
                bytes += size;
                answers.push(answered);
            }
            Poll::Pending => {
                assert!(bytes + size > QUEUE_BYTES_MAX, "{bytes}");
                // The disk goes on: there is room again, and nothing was lost.
                drop(tell);
                answers.push(submitting.await);
                break;
            }
        }
        assert!(bytes <= QUEUE_BYTES_MAX);
    }
    for answered in answers {
        answered.await.unwrap().unwrap();
    }
    check_whole(&ledger);
}

#[tokio::test]
async fn small_batches_stop_the_senders_by_their_number() {
    let (_directory, ledger, tell) = stalled();
    let mut answers = Vec::new();
    for sealed in chain_of(&["a"]) {
        let mut submitting = Box::pin(tokio::task::unconstrained(ledger.submit(append(&sealed))));
        match futures_util::poll!(&mut submitting) {
            Poll::Ready(answered) => answers.push(answered),
            Poll::Pending => {
                assert_eq!(answers.len(), QUEUE_BATCHES_MAX);
                drop(tell);
                answers.push(submitting.await);
                break;
            }
        }
    }
    for answered in answers {
        answered.await.unwrap().unwrap();
    }
    check_whole(&ledger);
}

#[tokio::test]
async fn what_is_queued_at_the_end_is_answered_and_nothing_after_it_is_taken() {
    let (_directory, ledger, tell) = stalled();
    let batches: Vec<Sealed> = chain_of(&["a"]).take(40).collect();
    let (last, queued) = batches.split_last().unwrap();
    let mut answers = Vec::new();
    for batch in queued {
        answers.push(ledger.submit(append(batch)).await);
    }
    let ending = ledger.clone();
    let ended = tokio::task::spawn_blocking(move || ending.shutdown());
    ledger.stopping().await;
    drop(tell);
    for answered in answers {
        answered.await.unwrap().unwrap();
    }
    ended.await.unwrap();
    let refused = ledger.submit(append(last)).await.await.unwrap();
    assert_eq!(refused.unwrap_err().code, RefusalCode::Busy);
    assert_eq!(check_whole(&ledger), 3 + 39 * 2);
}

#[tokio::test]
async fn a_batch_that_comes_twice_in_one_commit_is_taken_once() {
    let (_directory, ledger, tell) = stalled();
    let sealed: Vec<Sealed> = chain_of(&["a"]).take(3).collect();
    let first = ledger.submit(append(&sealed[0])).await;
    // While the first commit waits, the others queue up, one of them twice.
    let mut others = Vec::new();
    for batch in [&sealed[1], &sealed[1], &sealed[2], &sealed[1]] {
        others.push(ledger.submit(append(batch)).await);
    }
    drop(tell);
    first.await.unwrap().unwrap();
    let mut receipts = Vec::new();
    for answered in others {
        receipts.push(answered.await.unwrap().unwrap());
    }
    assert_eq!(receipts[0], receipts[1]);
    assert_eq!(receipts[0], receipts[3]);
    assert_eq!((receipts[0].first, receipts[2].first), (5, 7));
    assert_eq!(check_whole(&ledger), 9);
}

#[tokio::test]
async fn batches_of_one_emitter_keep_their_order_whatever_their_checks_take() {
    let (_directory, ledger, tell) = stalled();
    drop(tell);
    let long = "x".repeat(60_000);
    let many = vec![long.as_str(); 16];
    let mut chain = start(10);
    let mut answers = Vec::new();
    for number in 0..400 {
        let texts: &[&str] = if number % 7 == 0 { &many } else { &["a"] };
        let next = batch(chain, texts);
        chain = next.next();
        answers.push(ledger.submit(append(&next)).await);
    }
    for answered in answers {
        answered.await.unwrap().unwrap();
    }
    check_whole(&ledger);
}
