//! The way from the senders to the committer: in order, bounded, and checked on all cores while it waits.
//!
//! ```text
//! submit ─▶ room (batches, bytes) ─▶ line, in the order of arrival: waiting ─▶ under check ─▶ checked ─▶ group
//!                                                                   any core ───┘     from the front on ───┘
//! ```
//!
//! A batch of one emitter must follow the one before it, so the order of arrival is kept although checks end in any order.
//! The room is given back when the batch is answered: a stalled disk stops the senders, not the memory.
//!
//! The committer checks too while it has nothing to commit, so a batch that comes alone wakes one thread, not two. Nobody
//! is woken for what another thread takes anyway: under load the price of a batch is its check, not its way.

use std::collections::VecDeque;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use exhibit_schemas::wire::{Append, Refusal, RefusalCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::admission::{self, CheckedBatch, refusal};
use crate::committer::Answer;
use crate::ledger::Shared;

/// Batches that may be under way at a time; past it, senders wait, and their peers feel it.
pub const QUEUE_BATCHES_MAX: usize = 1_024;

/// Bytes of entries that may be under way at a time, for the same reason: what a stalled disk costs in memory.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Room that the smallest batch takes: with it, one count of bytes holds both limits.
const BATCH_ROOM: usize = QUEUE_BYTES_MAX / QUEUE_BATCHES_MAX;

/// Bytes of entries in one commit at the most: some hundred milliseconds of disk, so that receipts do not wait longer.
const COMMIT_BYTES_MAX: usize = 32 << 20;

/// How long a commit waits for checks that are not over once it has a batch. A commit costs as much as four checks, so many
/// small ones would take the cores from them; in this time two cores end a hundred and more. A sender that waits alone
/// waits for nobody, and no sender waits when nothing is left to check.
const GATHER: Duration = Duration::from_millis(4);

/// How far a batch is.
enum Progress {
    Waiting(Append),
    UnderCheck,
    /// `None` when the check itself broke: it is answered by nobody, and its stream ends.
    Checked(Option<Box<Result<CheckedBatch, Refusal>>>),
}

/// A batch on its way.
struct Submission {
    progress: Progress,
    answer: oneshot::Sender<Answer>,
    room: OwnedSemaphorePermit,
}

/// What the committer waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Committer {
    /// Nothing: it is at work.
    Busy,
    /// A batch to check, or the check of the front.
    ForFront,
    /// The end of all checks.
    ForRest,
}

/// The batches under way, in the order of their arrival.
struct Line {
    /// Number of the front; batches are numbered as they come.
    first: u64,
    submissions: VecDeque<Submission>,
    /// Number of the first whose check nobody has begun. **Invariant:** from `first` to one past the last.
    next: u64,
    under_check: usize,
    /// Bytes of entries that are checked.
    checked_bytes: usize,
    /// Nothing more is taken.
    closed: bool,
    /// Threads that check and have nothing to do.
    idle: usize,
    committer: Committer,
}

/// What the threads share.
struct Common {
    line: Mutex<Line>,
    /// The checking threads wait here, and the committer on its own.
    work: Condvar,
    front: Condvar,
    shared: Arc<Shared>,
}

/// The senders' end; the queue closes with it.
pub struct Queue {
    common: Arc<Common>,
    room: Arc<Semaphore>,
}

/// The committer's end; what is in the queue is answered by nobody when it goes.
pub struct Queued {
    common: Arc<Common>,
    // They end when the queue is closed; joined, so that nothing holds the store after the committer.
    threads: Vec<JoinHandle<()>>,
}

/// A batch whose check is over.
pub struct Ready {
    /// The batch, or why it is refused.
    pub batch: Result<CheckedBatch, Refusal>,
    /// Where its answer goes; a sender that went away is no fault.
    pub answer: oneshot::Sender<Answer>,
}

/// What one commit takes.
#[derive(Default)]
pub struct Group {
    /// The batches, in the order of their arrival.
    pub ready: Vec<Ready>,
    room: Option<OwnedSemaphorePermit>,
}

/// Makes a queue, and a thread that checks for each core; they end with the queue.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn queue(shared: Arc<Shared>) -> io::Result<(Queue, Queued)> {
    let common = Arc::new(Common {
        line: Mutex::new(Line {
            first: 0,
            submissions: VecDeque::new(),
            next: 0,
            under_check: 0,
            checked_bytes: 0,
            closed: false,
            idle: 0,
            committer: Committer::Busy,
        }),
        work: Condvar::new(),
        front: Condvar::new(),
        shared,
    });
    // Dropped on the way out of an error, which ends the threads that there are.
    let mut queued = Queued {
        common: Arc::clone(&common),
        threads: Vec::new(),
    };
    for number in 0..thread::available_parallelism()?.get() {
        let common = Arc::clone(&common);
        let name = format!("admission-{number}");
        let thread = thread::Builder::new().name(name).spawn(move || common.check_all())?;
        queued.threads.push(thread);
    }
    let queue = Queue {
        common,
        room: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)),
    };
    Ok((queue, queued))
}

impl Queue {
    /// Queues a batch and has it checked; waits while there is no room.
    pub async fn submit(&self, append: Append) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let entries = append.events.iter().chain([&append.seal]);
        let bytes: usize = entries.map(|entry| entry.0.len()).sum();
        let room = u32::try_from(bytes.clamp(BATCH_ROOM, QUEUE_BYTES_MAX)).expect("the limit fits");
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(room).await else {
            return answered;
        };
        let mut line = self.common.line();
        if line.closed {
            drop(line);
            let _ = answer.send(Err(refusal((0, 0), RefusalCode::Busy, &"the ledger is stopping")));
            return answered;
        }
        line.submissions.push_back(Submission {
            progress: Progress::Waiting(append),
            answer,
            room,
        });
        if line.committer == Committer::ForFront && line.submissions.len() == 1 {
            line.committer = Committer::Busy;
            self.common.front.notify_one();
        } else if line.idle > 0 {
            line.idle -= 1;
            self.common.work.notify_one();
        }
        answered
    }

    /// Takes nothing more; what is queued goes on.
    pub fn close(&self) {
        self.common.close();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queued {
    /// Waits for the next batch and its check, and takes with it what follows and is checked soon; `None` at the end.
    pub fn group(&mut self) -> Option<Group> {
        let mut line = self.common.line();
        while !line.is_front_checked() {
            line = match self.common.check_next(line) {
                Ok(line) => line,
                Err(line) if line.closed && line.submissions.is_empty() => return None,
                Err(line) => self.common.wait(line, Committer::ForFront, None),
            };
        }
        let since = Instant::now();
        while !line.is_rest_checked()
            && let Some(left) = GATHER.checked_sub(since.elapsed())
        {
            line = match self.common.check_next(line) {
                Ok(line) => line,
                Err(line) => self.common.wait(line, Committer::ForRest, Some(left)),
            };
        }
        Some(line.take_group())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.common.close();
        let mut line = self.common.line();
        let left = std::mem::take(&mut line.submissions);
        line.first = line.next;
        drop(line);
        drop(left);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Common {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        line.idle = 0;
        self.work.notify_all();
        self.front.notify_all();
    }

    /// The committer waits; it is busy again when it comes back.
    fn wait<'line>(
        &'line self,
        mut line: MutexGuard<'line, Line>,
        what: Committer,
        most: Option<Duration>,
    ) -> MutexGuard<'line, Line> {
        line.committer = what;
        let mut line = match most {
            None => self.front.wait(line).unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.front.wait_timeout(line, most);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        line.committer = Committer::Busy;
        line
    }

    /// Checks until the queue is closed and nothing waits any more.
    fn check_all(&self) {
        let mut line = self.line();
        loop {
            line = match self.check_next(line) {
                Ok(line) => line,
                Err(line) if line.closed => return,
                Err(mut line) => {
                    line.idle += 1;
                    self.work.wait(line).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Checks the first batch that waits, outside the lock; gives the line back as an error when none does.
    fn check_next<'line>(
        &'line self,
        mut line: MutexGuard<'line, Line>,
    ) -> Result<MutexGuard<'line, Line>, MutexGuard<'line, Line>> {
        let Some((number, append)) = line.begin_check() else {
            return Err(line);
        };
        drop(line);
        let keyring = self.shared.keyring();
        let check = || admission::check(append, |key| keyring.record(key).map(|record| record.key));
        let checked = panic::catch_unwind(AssertUnwindSafe(check));
        if checked.is_err() {
            tracing::error!("the check of a batch broke off; its stream ends");
        }
        let mut line = self.line();
        line.end_check(number, checked.ok().map(Box::new));
        let waits_no_more = match line.committer {
            Committer::Busy => false,
            Committer::ForFront => line.is_front_checked(),
            Committer::ForRest => line.is_rest_checked(),
        };
        if waits_no_more {
            line.committer = Committer::Busy;
            self.front.notify_one();
        }
        Ok(line)
    }
}

impl Line {
    fn at(&mut self, number: u64) -> Option<&mut Submission> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.submissions.get_mut(place)
    }

    fn begin_check(&mut self) -> Option<(u64, Append)> {
        let number = self.next;
        let waiting = std::mem::replace(&mut self.at(number)?.progress, Progress::UnderCheck);
        let Progress::Waiting(append) = waiting else {
            unreachable!("nobody has begun the checks from `next` on");
        };
        self.next += 1;
        self.under_check += 1;
        Some((number, append))
    }

    fn end_check(&mut self, number: u64, checked: Option<Box<Result<CheckedBatch, Refusal>>>) {
        self.under_check -= 1;
        let bytes = match checked.as_deref() {
            Some(Ok(batch)) => batch.bytes(),
            _ => 0,
        };
        // It is gone when the committer is.
        if let Some(submission) = self.at(number) {
            submission.progress = Progress::Checked(checked);
            self.checked_bytes += bytes;
        }
    }

    fn is_front_checked(&self) -> bool {
        let front = self.submissions.front();
        front.is_some_and(|front| matches!(front.progress, Progress::Checked(_)))
    }

    /// Whether nothing is left to wait for: all is checked, or as much as a commit takes.
    fn is_rest_checked(&self) -> bool {
        let waits = u64::try_from(self.submissions.len()).unwrap_or(u64::MAX) > self.next - self.first;
        (self.under_check == 0 && !waits) || self.checked_bytes >= COMMIT_BYTES_MAX
    }

    /// Takes from the front what is checked, as much as a commit takes.
    fn take_group(&mut self) -> Group {
        let mut group = Group::default();
        let mut bytes = 0;
        while bytes < COMMIT_BYTES_MAX && self.is_front_checked() {
            let Some(Submission { progress, answer, room }) = self.submissions.pop_front() else {
                break;
            };
            self.first += 1;
            match &mut group.room {
                Some(all) => all.merge(room),
                none => *none = Some(room),
            }
            if let Progress::Checked(Some(batch)) = progress {
                bytes += batch.as_ref().as_ref().map_or(0, CheckedBatch::bytes);
                group.ready.push(Ready { batch: *batch, answer });
            }
        }
        self.checked_bytes -= bytes;
        group
    }
}
