//! Who reads, as a route sees it: the one extractor that every route which shows evidence takes.

use axum::body::Bytes;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Json;
use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Event, Kind, SessionId};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::{Asked, QUESTION_BYTES_MAX, Question, READING_HEADER, ReadingId, STATEMENT_BYTES_MAX};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_search::{Parameters, Searcher};
use serde::Serialize;

use super::{Api, ApiError, Passed, blocking, indexed, passed_approvals, waiting_approvals};
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::readers::ReaderError;
use crate::readings::{OpenError, Reading};

/// What a reader without one is told.
pub(super) const NO_READING: &str = "this shows evidence: open a reading first (POST /v1/readings), on this connection; \
                                     one is good for ten minutes, and as long as its reader's key or token";

/// Bytes of what is asked at the most.
pub(super) const ASKED_BYTES_MAX: usize = QUESTION_BYTES_MAX + STATEMENT_BYTES_MAX + 1_024;

/// The searches for the policies in force and the signatures under them.
const POLICIES: [&str; 2] = ["kind:policy-in-force", "kind:policy-signed"];

/// The search for catalogs. One of them is looked for with its digest behind it; of any other term the index might make more
/// than catalogs, for of one key given several times any value may hold.
const CATALOGS: &str = "kind:catalog-snapshot";

/// Hexadecimal digits of a catalog's digest.
const DIGEST_DIGITS: usize = 64;

/// Sessions that are counted for the event that somebody lists them; more are this many.
const SESSIONS_COUNTED_MAX: usize = 100_000;

/// What a connection is told by; a connection that has none reads nothing.
#[derive(Clone, Copy, Debug)]
pub struct Channel(pub Digest);

/// The reading that a request came with.
pub(super) struct Open(std::sync::Arc<Reading>);

impl FromRequestParts<Api> for Open {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let channel = parts.extensions.get::<Channel>().ok_or(ApiError::NoReading)?;
        let named = parts.headers.get(READING_HEADER).and_then(|named| named.to_str().ok());
        let id = named.and_then(ReadingId::from_hex).ok_or(ApiError::NoReading)?;
        let reading = api.readings.find(id, channel.0).ok_or(ApiError::NoReading)?;
        Ok(Self(reading))
    }
}

impl Open {
    /// What may be read.
    pub(super) fn question(&self) -> &Question {
        self.0.question()
    }

    /// Holds that it is of this.
    pub(super) fn covers(&self, question: &Question) -> Result<(), ApiError> {
        held(self.0.question() == question)
    }

    /// Holds that it is of this search, or of the session that is looked for.
    pub(super) fn covers_search(&self, text: &str) -> Result<(), ApiError> {
        held(match self.0.question() {
            Question::Search(asked) => asked == text,
            Question::Session(session) => text == format!("session:{session}"),
            Question::Catalogs => of_catalogs(text),
            Question::Policies => POLICIES.contains(&text),
            _ => false,
        })
    }

    /// Holds that it is of the log up to this size, or more of it.
    pub(super) fn covers_before(&self, end: u64) -> Result<(), ApiError> {
        held(matches!(self.0.question(), Question::Export(size) if end <= size.0))
    }

    /// Holds that it is of this session.
    pub(super) fn covers_session(&self, ledger: &Ledger, session: SessionId) -> Result<(), ApiError> {
        held(match self.0.question() {
            Question::Session(asked) => *asked == session,
            Question::SessionOf(index) => session_of(ledger, *index)? == Some(session),
            _ => false,
        })
    }

    /// Holds that it is of this entry.
    pub(super) fn covers_entry(&self, ledger: &Ledger, index: u64, entry: &[u8]) -> Result<(), ApiError> {
        let event = Event::decode(entry).ok();
        let kind = event.as_ref().map(Event::kind);
        // What the reader has signed is no news to the reader.
        if self.0.key().is_some() && event.map(|event| event.emitter.0) == self.0.key() {
            return Ok(());
        }
        match self.0.question() {
            Question::Export(_) => self.covers_before(index.saturating_add(1)),
            Question::Session(_) | Question::SessionOf(_) => {
                let session = about(entry).ok_or(ApiError::Reading)?;
                self.covers_session(ledger, session)
            }
            Question::Approvals => {
                let waits = waiting_approvals(ledger)?.iter().any(|waiting| waiting.index == index);
                let shows = |passed: &Passed| passed.index == index || passed.decisions.contains(&index);
                held(waits || passed_approvals(ledger)?.iter().any(shows))
            }
            Question::Catalogs => held(kind == Some(Kind::CatalogSnapshot)),
            Question::Policies => held(matches!(kind, Some(Kind::PolicyInForce | Kind::PolicySigned))),
            // What is of a scope is asked for by tiles.
            Question::Search(_) | Question::Sessions | Question::Scoped(..) => Err(ApiError::Reading),
        }
    }
}

/// Whether a search is for catalogs, or one of them, and for nothing else.
fn of_catalogs(text: &str) -> bool {
    match text.strip_prefix(CATALOGS) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(' ')
            .is_some_and(|digest| digest.len() == DIGEST_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())),
        None => false,
    }
}

fn held(covers: bool) -> Result<(), ApiError> {
    if covers { Ok(()) } else { Err(ApiError::Reading) }
}

/// Whether an entry says more than seals, proofs and the list of keys do.
pub(super) fn shows_evidence(entry: &[u8]) -> bool {
    let open = |event: Event| {
        matches!(
            event.kind(),
            Kind::Genesis | Kind::KeyEnrolled | Kind::KeyRevoked | Kind::KeyRotated
        )
    };
    entry.first() != Some(&SEAL_FIRST_BYTE) && !Event::decode(entry).is_ok_and(open)
}

/// The session that an entry belongs to, or is about.
fn about(entry: &[u8]) -> Option<SessionId> {
    Event::decode(entry).ok()?.about()
}

fn session_of(ledger: &Ledger, index: Index) -> Result<Option<SessionId>, LedgerError> {
    Ok(ledger.entry(index)?.and_then(|entry| about(&entry)))
}

/// What the ledger gives whoever opens a reading.
#[derive(Serialize)]
pub(super) struct Opened {
    /// Its id, for the header `exhibit-reading` of what is read.
    reading: String,
    /// Index of its event.
    index: u64,
    /// Until when it is good.
    until_us: u64,
}

/// `POST /v1/readings`.
pub(super) async fn open(
    State(api): State<Api>,
    channel: Option<axum::Extension<Channel>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Opened>, ApiError> {
    let asked: Asked = cbor::decode(&body).map_err(|_| ApiError::Question("the body asks for no reading"))?;
    let question = Question::parse(asked.operation, &asked.text);
    let question = question.ok_or(ApiError::Question("the operation has no such question"))?;
    if matches!(&question, Question::Export(size) | Question::Scoped(size, _) if *size > api.ledger.shared().head().size())
    {
        // It would be of entries that nobody has counted.
        return Err(ApiError::Question("the log does not reach that far"));
    }
    let channel = channel.ok_or(ApiError::NoReading)?.0.0;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    let counted = count(&api, &question);
    let opened = api
        .readings
        .open(question.clone(), asked.signed, token, channel, counted);
    let (id, reading) = opened.await.map_err(|error| {
        tracing::warn!(%error, operation = %question.operation(), "a reading is refused");
        ApiError::Open(error)
    })?;
    Ok(Json(Opened {
        reading: id.to_string(),
        index: reading.index(),
        until_us: reading.until().0,
    }))
}

/// How much there is to read. A question that the index does not understand finds nothing; it is told so when it is asked.
async fn count(api: &Api, question: &Question) -> Result<u64, LedgerError> {
    let (api, question) = (api.clone(), question.clone());
    let searcher = match &question {
        Question::Search(_) | Question::Catalogs | Question::Policies => indexed(&api).await.ok(),
        Question::Scoped(_, scope) if scope.patient().is_some() => indexed(&api).await.ok(),
        _ => None,
    };
    let counted = blocking(move || {
        let ledger = &api.ledger;
        let store = &ledger.shared().store;
        let session = |session: SessionId| Ok(store.session(session.0)?.map_or(0, |record| record.next));
        Ok(match question {
            Question::Search(text) => matches(searcher.as_ref(), &text),
            Question::Catalogs => matches(searcher.as_ref(), CATALOGS),
            Question::Policies => {
                let each = POLICIES.map(|text| matches(searcher.as_ref(), text));
                each.into_iter().sum()
            }
            Question::Sessions => number(store.sessions(None).take(SESSIONS_COUNTED_MAX).count()),
            Question::Session(id) => session(id).map_err(ApiError::Ledger)?,
            Question::SessionOf(index) => match session_of(ledger, index)? {
                Some(id) => session(id).map_err(ApiError::Ledger)?,
                None => 0,
            },
            Question::Export(size) => size.0.min(ledger.shared().head().size().0),
            Question::Scoped(_, scope) => match scope.patient() {
                Some(patient) => matches(searcher.as_ref(), &format!("patient:{patient}")),
                None => super::scoped::count(ledger, &scope).map_err(ApiError::Ledger)?,
            },
            Question::Approvals => number(waiting_approvals(ledger)?.len() + passed_approvals(ledger)?.len()),
        })
    });
    match counted.await {
        Ok(count) => Ok(count),
        Err(ApiError::Ledger(error)) => Err(error),
        Err(_) => Err(LedgerError::Stopped),
    }
}

/// How many events a search finds.
fn matches(searcher: Option<&Searcher>, text: &str) -> u64 {
    let parameters = Parameters {
        q: text.to_owned(),
        limit: Some(1),
        cursor: None,
    };
    let answer = searcher.and_then(|searcher| searcher.answer(&parameters).ok());
    answer.map_or(0, |results| results.matches)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whose fault it is that there is no reading.
pub(super) fn status(error: &OpenError) -> StatusCode {
    match error {
        OpenError::Reader(ReaderError::Role { .. }) => StatusCode::FORBIDDEN,
        OpenError::Reader(_) | OpenError::Again => StatusCode::UNAUTHORIZED,
        OpenError::Stranger(_) => StatusCode::BAD_REQUEST,
        OpenError::Busy => StatusCode::TOO_MANY_REQUESTS,
        OpenError::Record(_) | OpenError::Random => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
