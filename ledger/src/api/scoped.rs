//! What a scope discloses, tile by tile: nothing else of the log is handed to whoever exports by one.
//!
//! Which sessions are of the scope is found in one pass over the log when the first tile is asked for, and kept for the others. One
//! such pass runs at a time; who comes back while it does waits for it, on no thread, and where too many wait is told so.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Event, SessionId, Timestamp};
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::reading::Question;
use exhibit_schemas::scoped::{Member, Members, Opening, Part, Scope, Sessions, part, push_record};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_schemas::tile::TILE_WIDTH;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::readings::Open;
use super::{Api, ApiError, NO_STORE, blocking};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::projection::SessionRecord;

/// Selections that are kept: so many exports of scopes go on at once without looking through the log again.
const SELECTIONS_MAX: usize = 8;

/// Questions that wait for a pass over the log at the most.
const WAITING_MAX: usize = 64;

/// Sessions of scopes, the last ones that were asked for.
pub(super) struct Selections {
    kept: Mutex<Vec<Selection>>,
    /// Whoever looks through the whole log has it.
    turn: Arc<Semaphore>,
    /// Whoever waits for that has one.
    places: Arc<Semaphore>,
}

/// Held as long as a pass over the log goes on, whether or not whoever asked for it is still there.
struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Default for Selections {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }
}

struct Selection {
    size: TreeSize,
    scope: Scope,
    sessions: Arc<Sessions>,
}

impl Selections {
    /// Those of a scope and a size that are kept.
    fn kept(&self, size: TreeSize, scope: &Scope) -> Option<Arc<Sessions>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|one| one.size == size && one.scope == *scope)?;
        let one = kept.remove(place);
        let sessions = Arc::clone(&one.sessions);
        kept.insert(0, one);
        Some(sessions)
    }

    fn keep(&self, one: Selection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(0, one);
        kept.truncate(SELECTIONS_MAX);
    }

    /// Waits for a turn to look through the log. A thread is taken after that: readers who wait on theirs would leave none for others.
    async fn turn(&self) -> Result<Turn, ApiError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| ApiError::Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(|_| ApiError::Ledger(LedgerError::Stopped))?;
        Ok(Turn {
            _turn: turn,
            _place: place,
        })
    }

    /// The sessions that a scope discloses of a log of this size, for whom it is the turn.
    fn find(&self, ledger: &Ledger, size: TreeSize, scope: &Scope, turn: Turn) -> Result<Arc<Sessions>, LedgerError> {
        // Whoever had the turn before may have looked for the same.
        if let Some(sessions) = self.kept(size, scope) {
            return Ok(sessions);
        }
        let sessions = Arc::new(select(ledger, size, scope)?);
        self.keep(Selection {
            size,
            scope: scope.clone(),
            sessions: Arc::clone(&sessions),
        });
        drop(turn);
        Ok(sessions)
    }
}

/// `GET /v1/disclosed/<tile>`: the records of one tile.
pub(super) async fn disclosed(
    State(api): State<Api>,
    Path(number): Path<u64>,
    open: Open,
) -> Result<Response, ApiError> {
    let Question::Scoped(size, scope) = open.question() else {
        return Err(ApiError::Reading);
    };
    let (size, scope) = (*size, scope.clone());
    let first = number
        .checked_mul(u64::from(TILE_WIDTH))
        .filter(|first| *first < size.0);
    let first = first.ok_or(ApiError::Nothing("the bundle does not reach that far"))?;
    let kept = api.selections.kept(size, &scope);
    let turn = match kept {
        Some(_) => None,
        None => Some(api.selections.turn().await?),
    };
    let bytes = blocking(move || {
        let sessions = match (kept, turn) {
            (Some(sessions), _) => sessions,
            (None, Some(turn)) => api.selections.find(&api.ledger, size, &scope, turn)?,
            (None, None) => return Err(ApiError::Busy),
        };
        if sessions.of_scope.is_empty() {
            return Err(ApiError::Nothing("no session of this log is of the scope"));
        }
        Ok(tile(&api.ledger, first, size, &sessions)?)
    })
    .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/vnd.exhibit.disclosed"),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    Ok((headers, bytes).into_response())
}

/// The sessions that a scope discloses of a log of this size.
fn select(ledger: &Ledger, size: TreeSize, scope: &Scope) -> Result<Sessions, LedgerError> {
    let mut members = Members::new(scope.clone());
    for entry in ledger.entries(0, size.0) {
        let entry = entry?;
        if let Some(event) = event(&entry)? {
            members.event(Digest::leaf(&entry), &event);
        }
    }
    Ok(members.sessions())
}

/// The records of a tile that begins at an entry.
fn tile(ledger: &Ledger, first: u64, size: TreeSize, sessions: &Sessions) -> Result<Vec<u8>, LedgerError> {
    let keyring = ledger.shared().keyring();
    let end = first.saturating_add(u64::from(TILE_WIDTH)).min(size.0);
    let mut records = Vec::new();
    for (position, entry) in (0u8..=u8::MAX).zip(ledger.entries(first, end)) {
        let entry = entry?;
        let is_disclosed = match event(&entry)? {
            None => true,
            Some(event) => is_disclosed(ledger, &keyring, &event, sessions)?,
        };
        if is_disclosed {
            push_record(&mut records, position, &entry).map_err(|_| LedgerError::Damaged {
                rule: "an entry has 1 to 65,535 bytes",
            })?;
        }
    }
    Ok(records)
}

fn is_disclosed(ledger: &Ledger, keyring: &Keyring, event: &Event, sessions: &Sessions) -> Result<bool, LedgerError> {
    let role = keyring.record(event.emitter.0).map(|record| record.role);
    Ok(match part(event, role == Some(Role::Administrator)) {
        Part::Foundation => true,
        Part::Of(session) => sessions.contains(session),
        Part::Copy(index) => {
            let copy = ledger.entry(index)?.and_then(|entry| Event::decode(&entry).ok());
            let place = copy.and_then(|copy| copy.session);
            place.is_some_and(|place| sessions.contains(place.0))
        }
        Part::Outside => false,
    })
}

/// The event of an entry; a seal is none.
fn event(entry: &[u8]) -> Result<Option<Event>, LedgerError> {
    if entry.first() == Some(&SEAL_FIRST_BYTE) {
        return Ok(None);
    }
    let damaged = |_| LedgerError::Damaged {
        rule: "an entry is an event or a seal",
    };
    Event::decode(entry).map(Some).map_err(damaged)
}

/// How many events the sessions have that a scope without a patient is of, as the ledger keeps count.
pub(super) fn count(ledger: &Ledger, scope: &Scope) -> Result<u64, LedgerError> {
    let mut count = 0u64;
    let mut add = |id, record: &SessionRecord| {
        if scope.holds(SessionId(id), &member(record)) {
            count = count.saturating_add(record.next);
        }
    };
    let store = &ledger.shared().store;
    match scope.session() {
        Some(session) => {
            if let Some(record) = store.session(session.0)? {
                add(session.0, &record);
            }
        }
        None => {
            for found in store.sessions(None) {
                let (id, record) = found?;
                add(id, &record);
            }
        }
    }
    Ok(count)
}

/// A session as the ledger knows it beside its events.
fn member(record: &SessionRecord) -> Member {
    Member {
        opened: Some(Opening {
            subject: record.subject.clone(),
            target: record.target.clone(),
            time: Timestamp(record.opened_us),
        }),
        last: Timestamp(record.last_us),
        of_patient: true,
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::{ApiError, Selections, WAITING_MAX};

    #[tokio::test]
    async fn one_looks_through_the_log_and_not_too_many_wait_for_it() {
        let selections = Selections::default();
        let Ok(first) = selections.turn().await else {
            panic!("nobody has it");
        };
        let mut waiting = Vec::new();
        for number in 1..WAITING_MAX {
            let mut next = Box::pin(selections.turn());
            let polled = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Pending), "{number} waits");
            waiting.push(next);
        }
        assert!(matches!(selections.turn().await, Err(ApiError::Busy)));
        // Whoever goes away makes room, and so does whoever has done it.
        waiting.pop();
        drop(first);
        let next = waiting.remove(0).await;
        assert!(next.is_ok());
    }
}
