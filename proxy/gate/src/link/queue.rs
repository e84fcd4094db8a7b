//! What waits to be sealed: events are timed, checked and encoded in the order in which they are handed over.
//!
//! A ledger that is slower than the targets fills it. Whoever can wait then waits for room first (`room`), and goes on in the
//! order of coming when what was there before was sent. What cannot wait, because it follows what has happened, finds
//! the other half kept for it; and the submission that ends a session is taken however full it is.

mod room;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::chain::{SessionChain, next_event};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::seal::BATCH_EVENTS_MAX;
use exhibit_schemas::wire::BATCH_BYTES_MAX;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::room::Line;
use crate::clock::Clock;
use crate::error::GateError;
use crate::recorder::{Draft, Receipt};

/// Events that wait at the most; some seconds of a busy proxy. More is refused, but for the ends of sessions: each has one, of what
/// it held already.
pub(super) const EVENTS_QUEUED_MAX: usize = 16_384;

/// Bytes of events that wait at the most; bounds the proxy's memory while the ledger is away.
pub(super) const BYTES_QUEUED_MAX: usize = 64 << 20;

/// Events from which whoever can wait does: the rest is for what cannot, and for submissions that are larger than usual.
const EVENTS_BEFORE_WAITING: usize = EVENTS_QUEUED_MAX / 2;

/// The same in bytes; what is left has room for the longest single submission there is, a catalog.
const BYTES_BEFORE_WAITING: usize = 24 << 20;

/// Events that are a batch of their own: a signature to each is then no cost.
pub(super) const EVENTS_WORTH_A_BATCH: usize = 256;

/// Bytes that are, too: hashing and storing them costs more than a signature, and a reply that flows is not held up.
pub(super) const BYTES_WORTH_A_BATCH: usize = BATCH_BYTES_MAX / 8;

/// How far the clock may run back before it counts as broken: what time synchronisation does in steps.
const CLOCK_BACK_MAX_US: u64 = 1_000_000;

type Answer = Result<Vec<Receipt>, GateError>;

/// Collects the receipts of one submission, which may lie in several batches.
struct Collector {
    receipts: Vec<Receipt>,
    wanted: usize,
    answer: Option<oneshot::Sender<Answer>>,
}

/// An event with its encoding.
pub(super) struct Queued {
    pub(super) bytes: Bytes,
    time: Timestamp,
    collector: Arc<Mutex<Collector>>,
}

impl Queued {
    /// Notes that it is durable, at this place and with this leaf hash; gives whether its submission is answered with it.
    pub(super) fn acknowledge(self, index: Index, leaf: Digest) -> bool {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        let time = self.time;
        collector.receipts.push(Receipt { index, leaf, time });
        let answered = collector.receipts.len() == collector.wanted;
        if answered {
            let receipts = std::mem::take(&mut collector.receipts);
            // Nobody waits any more when the send fails; the event is durable all the same.
            if let Some(answer) = collector.answer.take() {
                let _ = answer.send(Ok(receipts));
            }
        }
        answered
    }

    pub(super) fn fail(self, error: &GateError) {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = collector.answer.take() {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

/// How many submissions are sent as one batch; what is as much as [`EVENTS_WORTH_A_BATCH`] or [`BYTES_WORTH_A_BATCH`] goes
/// in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// So many, and one at the least.
    Submissions(usize),
    /// However many there are, they wait.
    Large,
}

struct State {
    /// The boot, while the ledger takes events; otherwise why it does not.
    standing: Result<u64, GateError>,
    last_us: u64,
    events: VecDeque<Queued>,
    bytes: usize,
    /// Submissions that wait, whole or in part.
    submissions: usize,
    /// What the link wants to be woken for.
    due: Due,
    sessions: HashMap<SessionId, SessionChain>,
    /// When a batch was taken out of it last.
    left: Instant,
}

impl State {
    /// Whether who could wait need not.
    fn has_room(&self) -> bool {
        self.events.len() < EVENTS_BEFORE_WAITING && self.bytes < BYTES_BEFORE_WAITING
    }

    fn is_due(&self) -> bool {
        let enough = match self.due {
            Due::Submissions(least) => self.submissions >= least.max(1),
            Due::Large => false,
        };
        enough || self.events.len() >= EVENTS_WORTH_A_BATCH || self.bytes >= BYTES_WORTH_A_BATCH
    }
}

/// The queue of one link.
pub(super) struct Queue {
    key: KeyId,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// A batch is due.
    pub(super) filled: Notify,
    line: Line,
}

impl Queue {
    pub(super) fn new(key: KeyId, clock: Arc<dyn Clock>) -> Self {
        let standing = Err(GateError::LedgerUnavailable {
            reason: "it was not reached yet".to_owned(),
        });
        Self {
            key,
            clock,
            state: Mutex::new(State {
                standing,
                last_us: 0,
                events: VecDeque::new(),
                bytes: 0,
                submissions: 0,
                due: Due::Submissions(1),
                sessions: HashMap::new(),
                left: Instant::now(),
            }),
            filled: Notify::new(),
            line: Line::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all drafts or none.
    pub(super) fn submit(&self, drafts: Vec<Draft>) -> Result<oneshot::Receiver<Answer>, GateError> {
        let mut state = self.state();
        let boot = state.standing.clone()?;
        let (answer, receipts) = oneshot::channel();
        if drafts.is_empty() {
            let _ = answer.send(Ok(Vec::new()));
            return Ok(receipts);
        }
        let full = GateError::QueueFull {
            limit: EVENTS_QUEUED_MAX,
        };
        let ends = drafts.iter().any(|draft| matches!(draft.body, Body::SessionClosed(_)));
        if state.events.len().saturating_add(drafts.len()) > EVENTS_QUEUED_MAX && !ends {
            return Err(full);
        }
        let collector = Arc::new(Mutex::new(Collector {
            receipts: Vec::with_capacity(drafts.len()),
            wanted: drafts.len(),
            answer: Some(answer),
        }));
        let mut last_us = state.last_us;
        let mut sessions: HashMap<SessionId, SessionChain> = HashMap::new();
        let mut queued = Vec::with_capacity(drafts.len());
        for Draft { session, body } in drafts {
            last_us = self.time_after(last_us)?;
            let event = Event {
                time: Timestamp(last_us),
                emitter: Emitter(self.key, boot),
                session,
                body,
            };
            if let Some(place) = event.session {
                let stands = sessions.get(&place.0).or_else(|| state.sessions.get(&place.0)).copied();
                match next_event(stands, &event) {
                    Ok(Some(stands)) => sessions.insert(place.0, stands),
                    _ => return Err(GateError::Gap { session: place.0 }),
                };
            }
            let bytes = event.encode()?;
            queued.push(Queued {
                time: event.time,
                bytes,
                collector: Arc::clone(&collector),
            });
        }
        let bytes = queued.iter().map(|event| event.bytes.0.len()).sum::<usize>();
        if state.bytes.saturating_add(bytes) > BYTES_QUEUED_MAX && !ends {
            return Err(full);
        }
        state.last_us = last_us;
        state.bytes += bytes;
        state.submissions += 1;
        state.events.extend(queued);
        for (session, stands) in sessions {
            if stands.closed {
                state.sessions.remove(&session);
            } else {
                state.sessions.insert(session, stands);
            }
        }
        let due = state.is_due();
        drop(state);
        // Woken for each submission that only gathers, the link would cost more than what it gathers saves.
        if due {
            self.filled.notify_one();
        }
        Ok(receipts)
    }

    /// The next event's time: the clock's, or one microsecond after the last event's.
    fn time_after(&self, last_us: u64) -> Result<u64, GateError> {
        let now_us = self.clock.now().0;
        if now_us == 0 || now_us.saturating_add(CLOCK_BACK_MAX_US) < last_us {
            return Err(GateError::Clock { now_us, last_us });
        }
        Ok(now_us.max(last_us.saturating_add(1)))
    }

    /// Events for one batch, in order; none before it is due.
    pub(super) fn take_batch(&self, due: Due) -> Vec<Queued> {
        let mut state = self.state();
        state.due = due;
        if !state.is_due() {
            return Vec::new();
        }
        let mut batch = Vec::new();
        let mut bytes = 0_usize;
        while batch.len() < BATCH_EVENTS_MAX {
            let Some(size) = state.events.front().map(|event| event.bytes.0.len()) else {
                break;
            };
            if bytes + size > BATCH_BYTES_MAX {
                break;
            }
            bytes += size;
            batch.extend(state.events.pop_front());
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        // How many of those that are left are whole is not known; one will do to send them.
        state.submissions = usize::from(!state.events.is_empty());
        state.left = Instant::now();
        drop(state);
        self.line.go_on();
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().events.is_empty()
    }

    /// Takes events from now on, under a new boot that is after `past_boot`; no older session goes on.
    pub(super) fn open(&self, past_boot: Option<u64>) -> u64 {
        let mut state = self.state();
        let boot = self
            .clock
            .now()
            .0
            .max(past_boot.map_or(0, |boot| boot.saturating_add(1)));
        state.sessions.clear();
        state.standing = Ok(boot);
        boot
    }

    /// Takes nothing from now on, and fails what waits.
    pub(super) fn shut(&self, error: &GateError) {
        let mut state = self.state();
        state.standing = Err(error.clone());
        state.sessions.clear();
        state.bytes = 0;
        state.submissions = 0;
        let events = std::mem::take(&mut state.events);
        drop(state);
        self.line.go_on();
        for event in events {
            event.fail(error);
        }
    }
}
