//! The way from the senders to the committer: in order, bounded, and checked on all cores while it waits.
//!
//! ```text
//! submit ─▶ room (batches, bytes) ─┬─▶ queue, in the order of arrival ─────────────┐
//!                                  └─▶ check (decode, hash, verify) on any core ─▶ ├─▶ group, checked, in order
//! ```
//!
//! A batch of one emitter must follow the one before it, so the order of arrival is kept although checks end in any order.
//! The room is given back when the batch is answered: a stalled disk stops the senders, not the memory.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use exhibit_schemas::wire::{Append, Refusal, RefusalCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::admission::{self, CheckedBatch, refusal};
use crate::committer::Answer;
use crate::ledger::Shared;

/// Batches that may be under way at a time; past it, senders wait, and their peers feel it.
pub const QUEUE_BATCHES_MAX: usize = 1_024;

/// Bytes of entries that may be under way at a time, for the same reason: what a stalled disk costs in memory.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Bytes of entries in one commit at the most: some hundred milliseconds of disk, so that receipts do not wait longer.
const COMMIT_BYTES_MAX: usize = 32 << 20;

/// How long a commit waits for checks that are under way once it has a batch. A commit costs about as much as a check, so
/// many small ones would take the cores from the checks; a sender that waits alone waits for nobody.
const GATHER: Duration = Duration::from_millis(1);

/// A batch to check, and where the result goes.
struct Check {
    append: Append,
    shared: Arc<Shared>,
    checked: oneshot::Sender<Result<CheckedBatch, Refusal>>,
}

/// A batch on its way.
struct Submission {
    /// Comes when the check is over; nothing comes when the check itself broke.
    checked: oneshot::Receiver<Result<CheckedBatch, Refusal>>,
    answer: oneshot::Sender<Answer>,
    room: OwnedSemaphorePermit,
}

/// The senders' end.
pub struct Queue {
    // Taken out at the shutdown, so that the committer ends although clones of the ledger live on.
    sender: Mutex<Option<mpsc::Sender<Submission>>>,
    room: Arc<Semaphore>,
    // As bounded as the queue: a check is handed over for what has its place there.
    checks: blocking::Sender<Check>,
}

/// The committer's end.
pub struct Queued {
    receiver: mpsc::Receiver<Submission>,
    /// The first one whose check was not over.
    next: Option<Submission>,
}

/// A batch whose check is over.
pub struct Ready {
    /// The batch, or why it is refused.
    pub batch: Result<CheckedBatch, Refusal>,
    /// Where its answer goes; a sender that went away is no fault.
    pub answer: oneshot::Sender<Answer>,
}

/// What one commit takes.
pub struct Group {
    /// The batches, in the order of their arrival.
    pub ready: Vec<Ready>,
    _rooms: Vec<OwnedSemaphorePermit>,
}

/// Makes a queue, and a thread that checks for each core; they end with the queue.
///
/// # Errors
/// When the system gives no threads.
pub fn queue() -> io::Result<(Queue, Queued)> {
    let (checks, waiting) = blocking::channel();
    let waiting = Arc::new(Mutex::new(waiting));
    for number in 0..thread::available_parallelism()?.get() {
        let waiting = Arc::clone(&waiting);
        let name = format!("admission-{number}");
        thread::Builder::new().name(name).spawn(move || check_all(&waiting))?;
    }
    let (sender, receiver) = mpsc::channel(QUEUE_BATCHES_MAX);
    let queue = Queue {
        sender: Mutex::new(Some(sender)),
        room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
        checks,
    };
    Ok((queue, Queued { receiver, next: None }))
}

fn check_all(waiting: &Mutex<blocking::Receiver<Check>>) {
    loop {
        // One thread waits for a batch, the others for the lock.
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Check {
            append,
            shared,
            checked,
        }) = next
        else {
            return;
        };
        let keyring = shared.keyring();
        let check = || admission::check(append, |key| keyring.record(key).map(|record| record.key));
        if let Ok(result) = panic::catch_unwind(AssertUnwindSafe(check)) {
            // The committer may have ended.
            let _ = checked.send(result);
        } else {
            // Nothing is sent, so the batch is answered by nobody and its stream ends; the others go on.
            tracing::error!("the check of a batch broke off; its stream ends");
        }
    }
}

impl Queue {
    /// Queues a batch and has it checked; waits while there is no room.
    pub async fn submit(&self, shared: Arc<Shared>, append: Append) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let bytes: usize = append
            .events
            .iter()
            .chain([&append.seal])
            .map(|entry| entry.0.len())
            .sum();
        let bytes = u32::try_from(bytes.min(QUEUE_BYTES_MAX)).expect("the limit fits");
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(bytes).await else {
            return answered;
        };
        let (check, checked) = oneshot::channel();
        let submission = Submission { checked, answer, room };
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let refused = match sender {
            Some(sender) => match sender.send(submission).await {
                Ok(()) => {
                    // Without its threads the check is dropped, and with it the answer.
                    let _ = self.checks.send(Check {
                        append,
                        shared,
                        checked: check,
                    });
                    return answered;
                }
                Err(mpsc::error::SendError(submission)) => submission,
            },
            None => submission,
        };
        // The sender may have gone away meanwhile.
        let _ = refused
            .answer
            .send(Err(refusal((0, 0), RefusalCode::Busy, &"the ledger is stopping")));
        answered
    }

    /// Takes nothing more; what is queued goes on.
    pub fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Queued {
    /// Waits for the next batch and its check, and takes with it what follows and is checked soon; `None` at the end.
    pub fn group(&mut self) -> Option<Group> {
        let (mut ready, mut rooms) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut since: Option<Instant> = None;
        while bytes < COMMIT_BYTES_MAX {
            let next = match (self.next.take(), since) {
                (Some(next), _) => next,
                (None, None) => self.receiver.blocking_recv()?,
                (None, Some(_)) => match self.receiver.try_recv() {
                    Ok(next) => next,
                    Err(_) => break,
                },
            };
            let Submission {
                mut checked,
                answer,
                room,
            } = next;
            let batch = match checked.try_recv() {
                Ok(batch) => Some(batch),
                Err(oneshot::error::TryRecvError::Empty) if since.is_some_and(|since| since.elapsed() >= GATHER) => {
                    self.next = Some(Submission { checked, answer, room });
                    break;
                }
                // It is under way on another core, and so are those after it.
                Err(oneshot::error::TryRecvError::Empty) => checked.blocking_recv().ok(),
                Err(oneshot::error::TryRecvError::Closed) => None,
            };
            since.get_or_insert_with(Instant::now);
            if let Some(batch) = batch {
                bytes += batch.as_ref().map_or(0, CheckedBatch::bytes);
                ready.push(Ready { batch, answer });
                rooms.push(room);
            }
        }
        Some(Group { ready, _rooms: rooms })
    }
}
