//! Who was not let in, as evidence: the first refusal of its like at once, those of the next minute in one event.
//!
//! Whoever has no credential can be refused as often as it likes. So likes are counted, and past [`LIKES_MAX`] of them a minute
//! their addresses and names are not told apart any more: the ledger grows by a bounded number of events a minute.
//!
//! What could not be recorded is counted on, and recorded once it can be; where the ledger was lost and may have taken it, it is counted
//! twice and not never. Nobody waits for that: a refusal lets nothing out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::LoginRefused;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::recorder::{Draft, Recorder, submit};

/// For how long refusals that are alike go into one event.
const WINDOW: Duration = Duration::from_mins(1);

/// Refusals of one window that are told apart by address and name.
const LIKES_MAX: usize = 128;

/// The address in the place of all that are not told apart.
const OTHERS: &str = "*";

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Like {
    pub(crate) target: String,
    pub(crate) protocol: String,
    pub(crate) peer: String,
    pub(crate) method: String,
    pub(crate) reason: String,
    pub(crate) user: Option<String>,
    pub(crate) named: Digest,
}

/// How many of a like are not recorded yet, and since when.
#[derive(Clone, Copy)]
struct Count {
    count: u64,
    since: Timestamp,
}

/// The refusals of one proxy.
pub(crate) struct Logins {
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the window that is open.
    likes: BTreeMap<Like, Count>,
    /// Whether a task ends windows; it does as long as there is a like.
    running: bool,
}

impl Logins {
    pub(crate) fn new(recorder: Arc<dyn Recorder>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            recorder,
            clock,
            state: Mutex::default(),
        })
    }

    /// Takes a refusal.
    pub(crate) fn refused(self: &Arc<Self>, mut like: Like) {
        let since = self.clock.now();
        let first = {
            let State { likes, .. } = &mut *self.state();
            if likes.len() >= LIKES_MAX && !likes.contains_key(&like) {
                OTHERS.clone_into(&mut like.peer);
                like.user = None;
                like.named = Digest([0; 32]);
            }
            if let Some(known) = likes.get_mut(&like) {
                if known.count == 0 {
                    known.since = since;
                }
                known.count += 1;
                false
            } else {
                likes.insert(like.clone(), Count { count: 0, since });
                true
            }
        };
        self.run();
        if first {
            let logins = Arc::clone(self);
            tokio::spawn(async move { logins.record(vec![(like, Count { count: 1, since })]).await });
        }
    }

    /// Sees to it that windows end.
    fn run(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.state().running, true) {
            tokio::spawn(Arc::clone(self).windows());
        }
    }

    /// Records what is counted and not recorded.
    pub(crate) async fn settle(self: &Arc<Self>) {
        let counted: Vec<(Like, Count)> = {
            let counted = std::mem::take(&mut self.state().likes);
            counted.into_iter().filter(|(_, count)| count.count > 0).collect()
        };
        if !counted.is_empty() {
            self.record(counted).await;
        }
    }

    /// Settles at the end of each window, until one has nothing in it.
    async fn windows(self: Arc<Self>) {
        loop {
            sleep(WINDOW).await;
            self.settle().await;
            let mut state = self.state();
            if state.likes.is_empty() {
                state.running = false;
                return;
            }
        }
    }

    async fn record(self: &Arc<Self>, counted: Vec<(Like, Count)>) {
        let drafts = counted.iter().map(|(like, count)| Draft {
            session: None,
            body: event(like, *count).into(),
        });
        let recorded = match submit(self.recorder.as_ref(), drafts.collect()).await {
            Ok(ticket) => ticket.await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            tracing::warn!(%error, "refused log-ins are not recorded yet");
            let mut state = self.state();
            for (like, Count { count, since }) in counted {
                let known = state.likes.entry(like).or_insert(Count { count: 0, since });
                known.count += count;
                known.since = known.since.min(since);
            }
            drop(state);
            self.run();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(like: &Like, Count { count, since }: Count) -> LoginRefused {
    let Like {
        target,
        protocol,
        peer,
        method,
        reason,
        user,
        named,
    } = like.clone();
    LoginRefused {
        target,
        protocol,
        peer,
        method,
        reason,
        user,
        named,
        count,
        since,
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Body;

    use super::*;
    use crate::memory::{Memory, Mode, Standing};

    fn like(peer: usize) -> Like {
        Like {
            target: "clinic".to_owned(),
            protocol: "postgres".to_owned(),
            peer: format!("192.0.2.{peer}"),
            method: "api-key".to_owned(),
            reason: "unknown".to_owned(),
            user: Some("ci".to_owned()),
            named: Digest([1; 32]),
        }
    }

    fn started() -> (Arc<Memory>, Arc<Logins>) {
        let memory = Memory::new();
        let clock = Arc::new(Standing(Mutex::new(7)));
        let recorder = Arc::clone(&memory);
        (memory, Logins::new(recorder, clock))
    }

    /// Address and number of each event so far.
    fn recorded(memory: &Memory) -> Vec<(String, u64)> {
        let events = memory.events.lock().unwrap();
        let login = |body: &Body| match body {
            Body::LoginRefused(refused) => Some((refused.peer.clone(), refused.count)),
            _ => None,
        };
        events.iter().filter_map(|event| login(&event.body)).collect()
    }

    /// Lets every task go on that can.
    async fn settled() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_recorded_at_once_and_the_others_of_a_minute_together() {
        let (memory, logins) = started();
        for peer in [1, 1, 1, 2] {
            logins.refused(like(peer));
        }
        settled().await;
        let first = [("192.0.2.1".to_owned(), 1), ("192.0.2.2".to_owned(), 1)];
        assert_eq!(recorded(&memory), first);
        tokio::time::advance(WINDOW).await;
        settled().await;
        assert_eq!(recorded(&memory)[2..], [("192.0.2.1".to_owned(), 2)]);
        // The minute is over: the next is a first one again.
        tokio::time::advance(WINDOW).await;
        logins.refused(like(1));
        settled().await;
        assert_eq!(recorded(&memory)[3..], [("192.0.2.1".to_owned(), 1)]);
        assert_eq!(memory.events.lock().unwrap().len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_counted_whole_in_a_bounded_number_of_events() {
        let (memory, logins) = started();
        for peer in 0..10 * LIKES_MAX {
            logins.refused(like(peer));
        }
        settled().await;
        logins.settle().await;
        let recorded = recorded(&memory);
        assert_eq!(recorded.iter().map(|(_, count)| count).sum::<u64>(), 10 * 128);
        assert_eq!(recorded.len(), LIKES_MAX + 2);
        assert_eq!(recorded.last().unwrap().0, OTHERS);
        let events = memory.events.lock().unwrap();
        let Body::LoginRefused(others) = &events.last().unwrap().body else {
            panic!("the last is a refusal");
        };
        assert_eq!((&others.user, others.named), (&None, Digest([0; 32])));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_recorded_is_counted_on() {
        let (memory, logins) = started();
        memory.mode.send_replace(Mode::Refuse);
        for _ in 0..3 {
            logins.refused(like(1));
        }
        settled().await;
        tokio::time::advance(WINDOW).await;
        settled().await;
        assert_eq!(recorded(&memory), []);
        memory.mode.send_replace(Mode::Durable);
        tokio::time::advance(WINDOW).await;
        settled().await;
        assert_eq!(recorded(&memory), [("192.0.2.1".to_owned(), 3)]);
    }
}
