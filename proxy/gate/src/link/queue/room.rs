//! The line before a queue that is full: who came first goes first, when a batch has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify};
use tokio::time::timeout_at;

use super::super::{GIVE_UP, RECEIPT_WAIT};
use super::{EVENTS_QUEUED_MAX, Queue};
use crate::error::GateError;
use crate::recorder::Room;

/// The line.
#[derive(Default)]
pub(super) struct Line {
    /// How many stand in it.
    waiting: AtomicUsize,
    /// Held by the first, who alone looks whether there is room. Its waiters are served in the order of their coming.
    first: Mutex<()>,
    /// A batch has left, or nothing is taken any more.
    moved: Notify,
}

impl Line {
    /// Wakes the first.
    pub(super) fn go_on(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.moved.notify_one();
        }
    }
}

/// A place in the line, up to its drop: also of who goes away.
struct Place<'a>(&'a Line);

impl<'a> Place<'a> {
    fn take(line: &'a Line) -> Self {
        line.waiting.fetch_add(1, Ordering::AcqRel);
        Self(line)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Queue {
    /// Waits until there is room for one more submission; `None` where there is, and nobody waits for it.
    pub(in crate::link) fn room(self: &Arc<Self>) -> Option<Room> {
        let nobody_waits = self.line.waiting.load(Ordering::Acquire) == 0;
        if nobody_waits && self.state().has_room() {
            return None;
        }
        let queue = Arc::clone(self);
        Some(Box::pin(async move { queue.turn().await }))
    }

    /// Waits for its turn, for as long as batches leave: a ledger that takes one, however slowly, is one to wait for. One that
    /// takes none for as long as a broken link may be mended is not.
    async fn turn(&self) -> Result<(), GateError> {
        let came = tokio::time::Instant::now();
        let _place = Place::take(&self.line);
        let _first = self.line.first.lock().await;
        loop {
            let (has_room, left) = {
                let state = self.state();
                state.standing.clone()?;
                (state.has_room(), state.left)
            };
            if has_room {
                return Ok(());
            }
            let until = left.max(came) + RECEIPT_WAIT + GIVE_UP;
            if timeout_at(until, self.line.moved.notified()).await.is_err() {
                return Err(GateError::QueueFull {
                    limit: EVENTS_QUEUED_MAX,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex as Shared, PoisonError};
    use std::time::Duration;

    use exhibit_schemas::event::trust::Fault;
    use exhibit_schemas::key::{SecretKey, Signer as _};
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, advance};

    use super::super::{BYTES_BEFORE_WAITING, Due, EVENTS_BEFORE_WAITING};
    use super::*;
    use crate::clock::SystemClock;
    use crate::recorder::Draft;

    /// Not quite as long as it takes to give a ledger up.
    const ALMOST: Duration = Duration::from_millis(14_999);
    const MOMENT: Duration = Duration::from_millis(1);

    fn drafts(count: usize, bytes: usize) -> Vec<Draft> {
        let fault = Fault {
            place: "gate".into(),
            text: "x".repeat(bytes),
        };
        let draft = Draft {
            session: None,
            body: fault.into(),
        };
        vec![draft; count]
    }

    fn queue_with(events: usize) -> Arc<Queue> {
        let key = SecretKey::from_seed(&[3; 32]).public_key().id();
        let queue = Arc::new(Queue::new(key, Arc::new(SystemClock)));
        queue.open(None);
        queue.submit(drafts(events, 1)).unwrap();
        queue
    }

    fn take(queue: &Queue) -> usize {
        queue.take_batch(Due::Submissions(1)).len()
    }

    /// Lets every task go on that can.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    type Ended = Arc<Shared<Vec<(usize, Result<(), GateError>)>>>;

    fn ended(ended: &Ended) -> Vec<(usize, Result<(), GateError>)> {
        ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Comes, waits for room, and hands over so many events.
    fn comes(queue: &Arc<Queue>, number: usize, events: usize, ended: &Ended) -> JoinHandle<()> {
        let (queue, ended) = (Arc::clone(queue), Arc::clone(ended));
        tokio::spawn(async move {
            let room = match queue.room() {
                Some(room) => room.await,
                None => Ok(()),
            };
            ended.lock().unwrap().push((number, room.clone()));
            if room.is_ok() {
                queue.submit(drafts(events, 1)).unwrap();
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_before_half_of_it_is_full() {
        assert!(queue_with(EVENTS_BEFORE_WAITING - 1).room().is_none());
        assert!(queue_with(EVENTS_BEFORE_WAITING).room().is_some());
        let queue = queue_with(1);
        for _ in 0..BYTES_BEFORE_WAITING / 60_000 {
            assert!(queue.room().is_none());
            queue.submit(drafts(1, 60_000)).unwrap();
        }
        queue.submit(drafts(1, 60_000)).unwrap();
        assert!(queue.room().is_some());
        // What cannot wait is still taken.
        queue.submit(drafts(400, 60_000)).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_first_goes_first_and_who_went_away_holds_nobody_up() {
        let queue = queue_with(EVENTS_BEFORE_WAITING + 1_000);
        let (order, mut tasks) = (Ended::default(), Vec::new());
        for number in 0..6 {
            // Each but the last fills it again.
            tasks.push(comes(&queue, number, 1_024, &order));
            settle().await;
        }
        assert_eq!(ended(&order), []);
        tasks[1].abort();
        take(&queue);
        settle().await;
        assert_eq!(ended(&order), [(0, Ok(()))], "one batch left, and one came");
        // There is room for a moment, and the next in line has it before who comes now.
        take(&queue);
        let late = comes(&queue, 7, 1, &order);
        settle().await;
        assert_eq!(ended(&order)[1..], [(2, Ok(()))]);
        for _ in 0..4 {
            take(&queue);
            settle().await;
        }
        let numbers: Vec<usize> = ended(&order).into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [0, 2, 3, 4, 5, 7]);
        late.await.unwrap();
        assert!(queue.line.waiting.load(Ordering::Acquire) == 0 && queue.room().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_takes_anything_is_waited_for_however_slow_it_is() {
        let queue = queue_with(EVENTS_QUEUED_MAX);
        let (order, begun) = (Ended::default(), Instant::now());
        comes(&queue, 0, 1, &order);
        while ended(&order).is_empty() {
            settle().await;
            advance(ALMOST).await;
            assert_eq!(take(&queue), 1_024);
            settle().await;
        }
        assert_eq!((ended(&order), begun.elapsed()), (vec![(0, Ok(()))], ALMOST * 9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_takes_nothing_is_given_up_for_everybody_who_waits() {
        let queue = queue_with(EVENTS_QUEUED_MAX);
        let (order, full) = (
            Ended::default(),
            Err(GateError::QueueFull {
                limit: EVENTS_QUEUED_MAX,
            }),
        );
        for number in 0..3 {
            comes(&queue, number, 1, &order);
        }
        settle().await;
        advance(ALMOST).await;
        comes(&queue, 3, 1, &order);
        settle().await;
        assert_eq!(ended(&order), []);
        advance(MOMENT * 2).await;
        settle().await;
        assert_eq!(ended(&order), [(0, full.clone()), (1, full.clone()), (2, full)]);
        // Whoever came late hears at once what became of the ledger.
        let gone = GateError::Stopping;
        queue.shut(&gone);
        settle().await;
        assert_eq!(ended(&order)[3..], [(3, Err(gone))]);
    }
}
