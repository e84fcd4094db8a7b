//! What a scope discloses, tile by tile: nothing else of the log is handed to whoever exports by one.
//!
//! Which sessions are of the scope is found in one pass over the log when the first tile is asked for, and kept for the others. One
//! such pass runs at a time; who comes back while it does waits for it.

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

use super::readings::Open;
use super::{Api, ApiError, NO_STORE, blocking};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::projection::SessionRecord;

/// Selections that are kept: so many exports of scopes go on at once without looking through the log again.
const SELECTIONS_MAX: usize = 8;

/// Sessions of scopes, the last ones that were asked for; locked by who looks through the whole log.
#[derive(Default)]
pub(super) struct Selections(Mutex<Vec<Selection>>);

struct Selection {
    size: TreeSize,
    scope: Scope,
    sessions: Arc<Sessions>,
}

impl Selections {
    /// The sessions that a scope discloses of a log of this size.
    fn of(&self, ledger: &Ledger, size: TreeSize, scope: &Scope) -> Result<Arc<Sessions>, LedgerError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &Selection| one.size == size && one.scope == *scope;
        let one = match kept.iter().position(same) {
            Some(place) => kept.remove(place),
            None => Selection {
                size,
                scope: scope.clone(),
                sessions: Arc::new(select(ledger, size, scope)?),
            },
        };
        let sessions = Arc::clone(&one.sessions);
        kept.insert(0, one);
        kept.truncate(SELECTIONS_MAX);
        Ok(sessions)
    }
}

/// `GET /v1/disclosed/<tile>`: the records of one tile.
pub(super) async fn disclosed(
    State(api): State<Api>,
    Path(number): Path<u64>,
    open: Open,
) -> Result<Response, ApiError> {
    let bytes = blocking(move || {
        let Question::Scoped(size, scope) = open.question() else {
            return Err(ApiError::Reading);
        };
        let first = number
            .checked_mul(u64::from(TILE_WIDTH))
            .filter(|first| *first < size.0);
        let first = first.ok_or(ApiError::Nothing("the bundle does not reach that far"))?;
        let sessions = api.selections.of(&api.ledger, *size, scope)?;
        if sessions.of_scope.is_empty() {
            return Err(ApiError::Nothing("no session of this log is of the scope"));
        }
        Ok(tile(&api.ledger, first, *size, &sessions)?)
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
