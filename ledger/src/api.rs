//! The ledger's API: the C2SP static paths, the append protocol, and JSON for people and programs.
//!
//! ```text
//! GET  /checkpoint                         the signed head (C2SP tlog-checkpoint)
//! GET  /tile/<L>/<N>[.p/<W>]               hashes and entry bundles (C2SP tlog-tiles)
//! GET  /v1/append/stream                   WebSocket of an emitter (exhibit_schemas::wire)
//! POST /v1/append                          one batch; a wire message in, a wire message out
//! GET  /v1/entries/<index>                 the bytes of an entry
//! GET  /v1/proof/event/<index>             the proof of one event
//! GET  /v1/proof/inclusion?index=&size=    hashes, hexadecimal
//! GET  /v1/proof/consistency?from=&to=     hashes, hexadecimal
//! GET  /v1/status /v1/keys /v1/emitters/<key> /v1/approvals /v1/approvals/<prefix> /v1/sessions /v1/sessions/<id>
//! GET  /v1/search?q=&limit=&cursor=        where the ledger has an index
//! ```
//!
//! What it answers is evidence only as far as it is signed: a reader checks heads, seals and proofs itself.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use exhibit_schemas::event::{Event, SessionId};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::MaskKeyRecord;
use exhibit_schemas::merkle::{self, Index, TreeSize};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, SEAL_FIRST_BYTE};
use exhibit_schemas::tile::{Tile, TileKind};
use exhibit_schemas::wire::{MESSAGE_BYTES_MAX, Message, RefusalCode};
use exhibit_search::{Parameters, Searcher};
use serde::{Deserialize, Serialize};

use crate::admission::refusal;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::projection::{ApprovalRecord, SessionRecord};
use crate::stream;

/// Sessions in one answer at the most.
const SESSIONS_MAX: usize = 1_000;

/// Entries looked at for the events of one session in one answer; a longer session is read on from `next`.
const SESSION_ENTRIES_MAX: u64 = 100_000;

/// How long a question waits for the index to take what the log has: some steps of a busy one.
const SEARCH_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Hexadecimal digits of an approval's id that must be given at least.
const PREFIX_DIGITS_MIN: usize = 8;

/// What the routes share.
#[derive(Clone)]
struct Api {
    ledger: Ledger,
    searcher: Option<Searcher>,
}

/// The API of a ledger; with a searcher also `/v1/search`.
pub fn router(ledger: Ledger, searcher: Option<Searcher>) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint))
        .route("/tile/{*path}", get(tile))
        .route(
            "/v1/append",
            post(append).layer(DefaultBodyLimit::max(MESSAGE_BYTES_MAX)),
        )
        .route("/v1/append/stream", get(append_stream))
        .route("/v1/entries/{index}", get(entry))
        .route("/v1/proof/event/{index}", get(event_proof))
        .route("/v1/proof/inclusion", get(inclusion_proof))
        .route("/v1/proof/consistency", get(consistency_proof))
        .route("/v1/status", get(status))
        .route("/v1/keys", get(keys))
        .route("/v1/emitters/{key}", get(emitter))
        .route("/v1/approvals", get(approvals))
        .route("/v1/approvals/{prefix}", get(approval))
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}", get(session))
        .route("/v1/search", get(search))
        .with_state(Api { ledger, searcher })
}

/// Why a question has no answer.
enum ApiError {
    /// The question cannot be read.
    Question(&'static str),
    /// There is nothing.
    Nothing(&'static str),
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
            Self::Question(text) => (StatusCode::BAD_REQUEST, text.to_owned()),
            Self::Nothing(text) => (StatusCode::NOT_FOUND, text.to_owned()),
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
            (header::CACHE_CONTROL, "no-store"),
        ],
        note,
    )
}

async fn tile(State(api): State<Api>, Path(path): Path<String>) -> Result<Response, ApiError> {
    let tile = Tile::parse(&format!("tile/{path}")).map_err(|_| ApiError::Question("not the path of a tile"))?;
    let bytes = blocking(move || Ok(api.ledger.tile(tile)?)).await?;
    let bytes = bytes.ok_or(ApiError::Nothing("the log does not reach that far"))?;
    let kind = match tile.kind() {
        TileKind::Hashes(_) => "application/octet-stream",
        TileKind::Entries => "application/vnd.exhibit.entries",
    };
    // A tile of a given width never changes.
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "max-age=31536000, immutable"),
    ];
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

async fn entry(State(api): State<Api>, Path(index): Path<u64>) -> Result<Response, ApiError> {
    let bytes = blocking(move || Ok(api.ledger.entry(Index(index))?)).await?;
    let bytes = bytes.ok_or(ApiError::Nothing("the log does not reach that far"))?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response())
}

async fn event_proof(State(api): State<Api>, Path(index): Path<u64>) -> Result<String, ApiError> {
    blocking(move || prove_event(&api.ledger, index)).await
}

/// Finds the batch of an event: the entries after the seal before it, up to its own seal.
fn prove_event(ledger: &Ledger, index: u64) -> Result<String, ApiError> {
    let head = ledger.shared().head();
    let limit = u64::try_from(BATCH_EVENTS_MAX).unwrap_or(u64::MAX);
    let read = |index: u64| -> Result<Vec<u8>, ApiError> {
        let entry = ledger.entry(Index(index))?;
        entry.ok_or(ApiError::Nothing("the log does not reach that far"))
    };
    if read(index)?.first() == Some(&SEAL_FIRST_BYTE) {
        return Err(ApiError::Question("that entry is a seal; ask for one of its events"));
    }
    let mut first = index;
    while first > 0 && index - first < limit && read(first - 1)?.first() != Some(&SEAL_FIRST_BYTE) {
        first -= 1;
    }
    let mut leaves = Vec::new();
    let mut place = first;
    let seal = loop {
        let entry = read(place)?;
        if entry.first() == Some(&SEAL_FIRST_BYTE) {
            break entry;
        }
        leaves.push(exhibit_schemas::digest::Digest::leaf(&entry));
        place += 1;
    };
    let made = EventProof::make(
        Index(place),
        seal.into(),
        &leaves,
        index - first,
        &head,
        &ledger.nodes(),
    );
    let damaged = LedgerError::Damaged {
        rule: "a batch of the log cannot be proven",
    };
    Ok(made.map_err(|_| damaged)?.to_text())
}

#[derive(Deserialize)]
struct InclusionQuestion {
    index: u64,
    size: u64,
}

async fn inclusion_proof(
    State(api): State<Api>,
    Query(asked): Query<InclusionQuestion>,
) -> Result<Json<Vec<String>>, ApiError> {
    blocking(move || {
        covered(&api.ledger, asked.size)?;
        let made = merkle::inclusion_proof(Index(asked.index), TreeSize(asked.size), &api.ledger.nodes());
        let hashes = made.map_err(|error| ApiError::Ledger(error.into()))?;
        Ok(Json(hashes.iter().map(ToString::to_string).collect()))
    })
    .await
}

#[derive(Deserialize)]
struct ConsistencyQuestion {
    from: u64,
    to: u64,
}

async fn consistency_proof(
    State(api): State<Api>,
    Query(asked): Query<ConsistencyQuestion>,
) -> Result<Json<Vec<String>>, ApiError> {
    blocking(move || {
        covered(&api.ledger, asked.to)?;
        let made = merkle::consistency_proof(TreeSize(asked.from), TreeSize(asked.to), &api.ledger.nodes());
        let hashes = made.map_err(|error| ApiError::Ledger(error.into()))?;
        Ok(Json(hashes.iter().map(ToString::to_string).collect()))
    })
    .await
}

fn covered(ledger: &Ledger, size: u64) -> Result<(), ApiError> {
    if size <= ledger.shared().head().size().0 {
        Ok(())
    } else {
        Err(ApiError::Nothing("the log does not reach that far"))
    }
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

async fn approvals(State(api): State<Api>) -> Result<Json<Vec<Waiting>>, ApiError> {
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
        if record.expires_us >= now {
            found.push(waiting(leaf, record));
        }
    }
    Ok(found)
}

async fn approval(State(api): State<Api>, Path(prefix): Path<String>) -> Result<Json<Waiting>, ApiError> {
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
) -> Result<Json<Vec<Session>>, ApiError> {
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
) -> Result<Json<SessionEvents>, ApiError> {
    let id = SessionId::from_hex(&id).ok_or(ApiError::Question("a session id is 32 hexadecimal digits"))?;
    blocking(move || {
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

async fn search(State(api): State<Api>, Query(asked): Query<Parameters>) -> Result<Response, ApiError> {
    let searcher = api
        .searcher
        .ok_or(ApiError::Nothing("this ledger has no search index"))?;
    let shared = api.ledger.shared();
    let (size, mut indexed) = (shared.head().size().0, shared.indexed.subscribe());
    if *indexed.borrow() < size {
        shared.asked.notify_one();
        // An index that fails or is rebuilt answers from what it has, and says how far that goes.
        let _ = tokio::time::timeout(SEARCH_WAIT, indexed.wait_for(|indexed| *indexed >= size)).await;
    }
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
