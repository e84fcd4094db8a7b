//! The ledger's API: the C2SP static paths, the append protocol, and JSON for people and programs.
//!
//! ```text
//! with a certificate of the deployment
//! GET  /checkpoint                         the signed head (C2SP tlog-checkpoint)
//! GET  /tile/<L>/<N>[.p/<W>]               hashes (C2SP tlog-tiles)
//! GET  /v1/append/stream                   WebSocket of an emitter (exhibit_schemas::wire)
//! POST /v1/append                          one batch; a wire message in, a wire message out
//! GET  /v1/proof/event/<index>             the proof of one event
//! GET  /v1/proof/inclusion?index=&size=    hashes, hexadecimal
//! GET  /v1/proof/consistency?from=&to=     hashes, hexadecimal
//! GET  /v1/status /v1/keys /v1/emitters/<key>
//! GET  /v1/entries/<index>                 seals, genesis and changes of keys, which `/v1/keys` tells of
//! POST /v1/readings                        who reads what (exhibit_schemas::reading); recorded, then answered
//!
//! and with the reading that this gave, in the header `exhibit-reading`
//! GET  /v1/search?q=&limit=&cursor=        search, or replay of `session:…`; where the ledger has an index
//! GET  /v1/sessions                        sessions
//! GET  /v1/sessions/<id>                   replay
//! GET  /v1/approvals /v1/approvals/<prefix>  approvals
//! GET  /v1/approvals/passed                approvals, by which something is released
//! GET  /v1/entries/<index>                 replay of its session; approvals, where it waits or passed; export
//! GET  /tile/entries/<N>[.p/<W>]           export
//! GET  /v1/disclosed/<N>                   scoped export: what the scope discloses of the entries under tile/0/<N>
//! ```
//!
//! The line is drawn at what events say: whatever shows it, or was found by it, is a reading of evidence.
//! What it answers is evidence only as far as it is signed: a reader checks heads, seals and proofs itself.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State, WebSocketUpgrade};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use exhibit_schemas::event::{Event, SessionId};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::MaskKeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::Question;
use exhibit_schemas::scoped::DISCLOSED_PATH;
use exhibit_schemas::tile::{TILE_WIDTH, Tile, TileKind};
use exhibit_schemas::wire::{MESSAGE_BYTES_MAX, Message, RefusalCode};
use exhibit_search::{Parameters, Searcher};
use serde::{Deserialize, Serialize};

use self::readings::Open;
use self::scoped::Selections;
use crate::admission::refusal;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::projection::{ApprovalRecord, SessionRecord};
use crate::readings::{OpenError, Readings};
use crate::stream;

mod proofs;
pub mod readings;
mod scoped;

/// Sessions in one answer at the most.
const SESSIONS_MAX: usize = 1_000;

/// Entries looked at for the events of one session in one answer; a longer session is read on from `next`.
const SESSION_ENTRIES_MAX: u64 = 100_000;

/// How long a question waits for the index to take what the log has: some steps of a busy one.
const SEARCH_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Hexadecimal digits of an approval's id that must be given at least.
const PREFIX_DIGITS_MIN: usize = 8;

/// That no cache keeps an answer.
const NO_STORE: &str = "no-store";

/// What the routes share.
#[derive(Clone)]
struct Api {
    ledger: Ledger,
    searcher: Option<Searcher>,
    readings: Arc<Readings>,
    selections: Arc<Selections>,
}

/// The API of a ledger; with a searcher also `/v1/search`.
pub fn router(ledger: Ledger, searcher: Option<Searcher>, readings: Arc<Readings>) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*path}", get(tile))
        .route(
            "/v1/append",
            post(append).layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX)),
        )
        .route("/v1/append/stream", get(append_stream))
        .route("/v1/entries/{index}", get(entry))
        .route("/v1/proof/event/{index}", get(proofs::event_proof))
        .route("/v1/proof/inclusion", get(proofs::inclusion_proof))
        .route("/v1/proof/consistency", get(proofs::consistency_proof))
        .route("/v1/status", get(status))
        .route("/v1/keys", get(keys))
        .route("/v1/emitters/{key}", get(emitter))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/passed", get(passed))
        .route("/v1/approvals/{prefix}", get(approval))
        .route(&format!("{DISCLOSED_PATH}/{{number}}"), get(scoped::disclosed))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}", get(session))
        .route("/v1/search", get(search))
        .route(
            "/v1/readings",
            post(readings::open).layer(DefaultBodyLimit::max(readings::ASKED_BYTES_MAX)),
        )
        .layer(map_response(unkept))
        .with_state(Api {
            ledger,
            searcher,
            readings,
            selections: Arc::default(),
        })
}

/// No cache keeps an answer that does not say that it may.
async fn unkept(mut response: Response) -> Response {
    let kept = response.headers_mut().entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static(NO_STORE));
    response
}

/// Why a question has no answer.
enum ApiError {
    /// It shows evidence, and comes with no reading that is good.
    NoReading,
    /// The reading is of something else.
    Reading,
    /// There is no reading.
    Open(OpenError),
    /// The question cannot be read.
    Question(&'static str),
    /// There is nothing.
    Nothing(&'static str),
    /// Too many others wait for the same.
    Busy,
    /// The ledger failed.
    Ledger(LedgerError),
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NoReading => (StatusCode::UNAUTHORIZED, readings::NO_READING.to_owned()),
            Self::Reading => (StatusCode::FORBIDDEN, "the reading is of something else".to_owned()),
            Self::Open(error) => (readings::status(&error), error.to_string()),
            Self::Question(text) => (StatusCode::BAD_REQUEST, text.to_owned()),
            Self::Nothing(text) => (StatusCode::NOT_FOUND, text.to_owned()),
            Self::Busy => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many wait for scoped exports; try again in a minute".to_owned(),
            ),
            Self::Ledger(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        (status, Json(serde_json::json!({ "error": text }))).into_response()
    }
}

/// Runs a reader of the store where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(ApiError::Ledger(LedgerError::Stopped)))
}

async fn checkpoint(State(api): State<Api>) -> impl IntoResponse {
    let note = api.ledger.shared().head().note().to_owned();
    (
        [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, NO_STORE),
        ],
        note,
    )
}

async fn tile(
    State(api): State<Api>,
    Path(path): Path<String>,
    open: Result<Open, ApiError>,
) -> Result<Response, ApiError> {
    let tile = Tile::parse(&format!("tile/{path}")).map_err(|_| ApiError::Question("not the path of a tile"))?;
    if tile.kind() == TileKind::Entries {
        let first = tile.index().saturating_mul(u64::from(TILE_WIDTH));
        open?.covers_before(first.saturating_add(u64::from(tile.width())))?;
    }
    let bytes = blocking(move || Ok(api.ledger.tile(tile)?)).await?;
    let bytes = bytes.ok_or(ApiError::Nothing("the log does not reach that far"))?;
    let (kind, kept) = match tile.kind() {
        // A tile of a given width never changes.
        TileKind::Hashes(_) => ("application/octet-stream", "max-age=31536000, immutable"),
        // What needs a reading is kept by nobody between the ledger and its reader.
        TileKind::Entries => ("application/vnd.exhibit.entries", NO_STORE),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)];
    Ok((headers, bytes).into_response())
}

async fn append(State(api): State<Api>, body: Bytes) -> Response {
    let message = match Message::decode(&body) {
        Ok(Message::Append(append)) => match api.ledger.submit(append).await.await {
            Ok(Ok(receipt)) => Message::Receipt(receipt),
            Ok(Err(refused)) => Message::Refusal(refused),
            Err(_) => Message::Refusal(refusal((0, 0), RefusalCode::Busy, &"the ledger is stopping")),
        },
        Ok(_) => Message::Refusal(refusal(
            (0, 0),
            RefusalCode::Malformed,
            &"the body is not an append message",
        )),
        Err(error) => Message::Refusal(refusal((0, 0), RefusalCode::Malformed, &error)),
    };
    let status = match &message {
        Message::Refusal(refused) if matches!(refused.code, RefusalCode::Busy | RefusalCode::Poisoned) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Message::Refusal(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    (
        status,
        [(header::CONTENT_TYPE, "application/vnd.exhibit.append")],
        message.encode(),
    )
        .into_response()
}

async fn append_stream(State(api): State<Api>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| stream::serve(api.ledger, socket))
}

async fn entry(
    State(api): State<Api>,
    Path(index): Path<u64>,
    open: Result<Open, ApiError>,
) -> Result<Response, ApiError> {
    let bytes = blocking(move || {
        let bytes = api.ledger.entry(Index(index))?;
        let bytes = bytes.ok_or(ApiError::Nothing("the log does not reach that far"))?;
        if readings::shows_evidence(&bytes) {
            open?.covers_entry(&api.ledger, index, &bytes)?;
        }
        Ok(bytes)
    })
    .await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response())
}

#[derive(Serialize)]
struct Status {
    origin: String,
    size: u64,
    root: String,
    poisoned: bool,
    waiting: usize,
    open_sessions: usize,
    disk_bytes: u64,
}

async fn status(State(api): State<Api>) -> Result<Json<Status>, ApiError> {
    blocking(move || {
        let shared = api.ledger.shared();
        let head = shared.head();
        Ok(Json(Status {
            origin: head.origin().as_str().to_owned(),
            size: head.size().0,
            root: head.root().to_string(),
            poisoned: shared.is_poisoned(),
            waiting: waiting_approvals(&api.ledger)?.len(),
            open_sessions: shared.store.open_sessions(),
            disk_bytes: shared.store.disk_bytes()?,
        }))
    })
    .await
}

#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "a key has a key")]
struct Key {
    id: String,
    key: String,
    role: &'static str,
    name: String,
    groups: Vec<String>,
    /// Whether it is that of a security key.
    security_key: bool,
    enrolled: u64,
    ended: Option<u64>,
    /// Of a proxy, what it masked under.
    mask_keys: Vec<MaskKey>,
}

#[derive(Serialize)]
struct MaskKey {
    id: String,
    announced: u64,
    ended: Option<u64>,
}

async fn keys(State(api): State<Api>) -> Json<Vec<Key>> {
    let keyring = api.ledger.shared().keyring();
    let keys = keyring.keys().map(|(id, record)| Key {
        id: id.to_string(),
        key: record.key.to_bytes().to_string(),
        role: record.role.as_str(),
        name: record.name.clone(),
        groups: record.groups.clone(),
        security_key: record.key.is_security_key(),
        enrolled: record.enrolled.0,
        ended: record.ended.map(|index| index.0),
        mask_keys: record.mask_keys.iter().map(mask_key).collect(),
    });
    Json(keys.collect())
}

fn mask_key(record: &MaskKeyRecord) -> MaskKey {
    MaskKey {
        id: record.key.to_string(),
        announced: record.announced.0,
        ended: record.ended.map(|index| index.0),
    }
}

#[derive(Serialize)]
struct EmitterStanding {
    boot: u64,
    sequence: u64,
    previous: String,
}

async fn emitter(State(api): State<Api>, Path(key): Path<String>) -> Result<Json<EmitterStanding>, ApiError> {
    let key = KeyId::from_hex(&key).ok_or(ApiError::Question("a key id is 16 hexadecimal digits"))?;
    let standing = blocking(move || Ok(api.ledger.shared().store.emitter(key)?)).await?;
    let standing = standing.ok_or(ApiError::Nothing("this key has sealed nothing"))?;
    Ok(Json(EmitterStanding {
        boot: standing.boot,
        sequence: standing.sequence,
        previous: standing.previous.to_string(),
    }))
}

#[derive(Serialize)]
struct Waiting {
    id: String,
    index: u64,
    leaf: String,
    session: String,
    expires_us: u64,
    decisions: Vec<u64>,
}

fn waiting(leaf: exhibit_schemas::digest::Digest, record: ApprovalRecord) -> Waiting {
    let leaf = leaf.to_string();
    Waiting {
        id: leaf.chars().take(12).collect(),
        index: record.index,
        leaf,
        session: record.session.to_string(),
        expires_us: record.expires_us,
        decisions: record.decisions,
    }
}

async fn approvals(State(api): State<Api>, open: Open) -> Result<Json<Vec<Waiting>>, ApiError> {
    open.covers(&Question::Approvals)?;
    let mut found = blocking(move || waiting_approvals(&api.ledger)).await?;
    found.sort_by_key(|waiting| waiting.index);
    Ok(Json(found))
}

fn waiting_approvals(ledger: &Ledger) -> Result<Vec<Waiting>, ApiError> {
    let now = ledger.shared().now().0;
    let mut found = Vec::new();
    for record in ledger.shared().store.approvals() {
        let (leaf, record) = record?;
        // A proxy that was killed leaves its requests; once expired they wait for nobody.
        if record.waits() && record.expires_us >= now {
            found.push(waiting(leaf, record));
        }
    }
    Ok(found)
}

/// A request by whose approval something is released.
#[derive(Serialize)]
struct Passed {
    index: u64,
    leaf: String,
    decisions: Vec<u64>,
    commands: u64,
    rows: u64,
    open: u64,
    rows_most: Option<u64>,
    commands_most: Option<u64>,
    until_us: Option<u64>,
}

async fn passed(State(api): State<Api>, open: Open) -> Result<Json<Vec<Passed>>, ApiError> {
    open.covers(&Question::Approvals)?;
    let mut found = blocking(move || passed_approvals(&api.ledger)).await?;
    found.sort_by_key(|passed| passed.index);
    Ok(Json(found))
}

fn passed_approvals(ledger: &Ledger) -> Result<Vec<Passed>, ApiError> {
    let now = ledger.shared().now();
    let mut found = Vec::new();
    for (leaf, record) in ledger.approvals()? {
        let passed = record.passed.filter(|passed| passed.goes_on(now));
        let Some(passed) = passed else { continue };
        found.push(Passed {
            index: record.index,
            leaf: leaf.to_string(),
            decisions: record.decisions,
            commands: passed.commands,
            rows: passed.rows,
            open: passed.open,
            rows_most: passed.rows_most,
            commands_most: passed.commands_most,
            until_us: passed.until_us,
        });
    }
    Ok(found)
}

async fn approval(State(api): State<Api>, Path(prefix): Path<String>, open: Open) -> Result<Json<Waiting>, ApiError> {
    open.covers(&Question::Approvals)?;
    let digits = prefix.len() >= PREFIX_DIGITS_MIN && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits {
        return Err(ApiError::Question("an id is 8 or more hexadecimal digits"));
    }
    let prefix = prefix.to_ascii_lowercase();
    let mut found = blocking(move || waiting_approvals(&api.ledger)).await?;
    found.retain(|waiting| waiting.leaf.starts_with(&prefix));
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(Json(only)),
        (Some(_), false) => Err(ApiError::Question(
            "several requests begin with these digits; give more of them",
        )),
        (None, _) => Err(ApiError::Nothing(
            "no request with this id waits: it ended, expired, or never was",
        )),
    }
}

#[derive(Serialize)]
struct Session {
    id: String,
    target: String,
    subject: String,
    opened: u64,
    opened_us: u64,
    last: u64,
    last_us: u64,
    commands: u64,
    closed: bool,
}

fn session_json(id: [u8; 16], record: SessionRecord) -> Session {
    Session {
        id: SessionId(id).to_string(),
        target: record.target,
        subject: record.subject,
        opened: record.opened,
        opened_us: record.opened_us,
        last: record.last,
        last_us: record.last_us,
        commands: record.commands,
        closed: record.closed,
    }
}

#[derive(Deserialize)]
struct SessionsQuestion {
    limit: Option<usize>,
    /// Only sessions opened before this index.
    before: Option<u64>,
}

async fn sessions(
    State(api): State<Api>,
    Query(asked): Query<SessionsQuestion>,
    open: Open,
) -> Result<Json<Vec<Session>>, ApiError> {
    open.covers(&Question::Sessions)?;
    let limit = asked.limit.unwrap_or(100);
    if !(1..=SESSIONS_MAX).contains(&limit) {
        return Err(ApiError::Question("a limit is 1 to 1,000"));
    }
    blocking(move || {
        let newest = api.ledger.shared().store.sessions(asked.before).take(limit);
        let newest = newest.map(|found| found.map(|(id, record)| session_json(id, record)));
        Ok(Json(newest.collect::<Result<_, _>>()?))
    })
    .await
}

#[derive(Serialize)]
struct SessionEvents {
    #[serde(flatten)]
    session: Session,
    /// Indexes of its events, in order.
    events: Vec<u64>,
    /// Where to read on; absent when these are all.
    next: Option<u64>,
}

#[derive(Deserialize)]
struct SessionQuestion {
    from: Option<u64>,
}

async fn session(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked): Query<SessionQuestion>,
    open: Open,
) -> Result<Json<SessionEvents>, ApiError> {
    let id = SessionId::from_hex(&id).ok_or(ApiError::Question("a session id is 32 hexadecimal digits"))?;
    blocking(move || {
        open.covers_session(&api.ledger, id)?;
        let record = api.ledger.shared().store.session(id.0)?;
        let record = record.ok_or(ApiError::Nothing("no such session"))?;
        let from = asked.from.unwrap_or(record.opened).max(record.opened);
        let end = record
            .last
            .saturating_add(1)
            .min(from.saturating_add(SESSION_ENTRIES_MAX));
        let mut events = Vec::new();
        for index in from..end {
            let entry = api.ledger.entry(Index(index))?.unwrap_or_default();
            let place = Event::decode(&entry).ok().and_then(|event| event.session);
            if place.is_some_and(|place| place.0 == id) {
                events.push(index);
            }
        }
        let next = (end <= record.last).then_some(end);
        let session = session_json(id.0, record);
        Ok(Json(SessionEvents { session, events, next }))
    })
    .await
}

async fn search(State(api): State<Api>, Query(asked): Query<Parameters>, open: Open) -> Result<Response, ApiError> {
    open.covers_search(&asked.q)?;
    let searcher = indexed(&api).await?;
    let answer = tokio::task::spawn_blocking(move || match searcher.answer(&asked) {
        Ok(results) => Json(results).into_response(),
        Err(error) => {
            let blame = if error.blames_caller() {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            (blame, Json(serde_json::json!({ "error": error.to_string() }))).into_response()
        }
    });
    answer.await.map_err(|_| ApiError::Ledger(LedgerError::Stopped))
}

/// The index, with what the log has by now.
async fn indexed(api: &Api) -> Result<Searcher, ApiError> {
    let none = ApiError::Nothing("this ledger has no search index");
    let searcher = api.searcher.clone().ok_or(none)?;
    let shared = api.ledger.shared();
    let (size, mut indexed) = (shared.head().size().0, shared.indexed.subscribe());
    if *indexed.borrow() < size {
        shared.asked.notify_one();
        // An index that fails or is rebuilt answers from what it has, and says how far that goes.
        let _ = tokio::time::timeout(SEARCH_WAIT, indexed.wait_for(|indexed| *indexed >= size)).await;
    }
    Ok(searcher)
}
