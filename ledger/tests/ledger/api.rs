//! The API as a reader sees it: nothing of the evidence without a reading, a reading that is recorded first and good for one
//! question on one connection, questions that find what was acknowledged, and lists that go page by page.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::{Extension, Router};
use exhibit_ledger::api::readings::Channel;
use exhibit_ledger::readings::{EVENTS_PER_MINUTE_MAX, Readings};
use exhibit_ledger::store::{Durable, SyncedCommit};
use exhibit_ledger::{Ledger, api, follow};
use exhibit_schemas::cbor::{self, Bytes};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::PatientToken;
use exhibit_schemas::event::trust::{EvidenceRead, KeyEnrolled, KeyRevoked, Role};
use exhibit_schemas::event::{self, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::reading::{Asked, FRESH_US, Question, READING_HEADER, READINGS_PATH, SignedAsked, Statement};
use exhibit_schemas::scoped::Scope;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_search::Searcher;
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use crate::fixture::{
    NOW, ORIGIN, administrator, append, batch, begin, beginning, check_whole, event, key, now, opened, proxy, start,
};

pub(crate) const CHANNEL: Digest = Digest([1; 32]);

/// A ledger with its own key, a person of `compliance` (5), one of `dba` (6) and one of neither (7).
pub(crate) struct Place {
    _directory: tempfile::TempDir,
    pub(crate) ledger: Ledger,
    pub(crate) readings: Arc<Readings>,
    searcher: Option<Searcher>,
    pub(crate) administrator: Chain,
}

impl Place {
    pub(crate) async fn new(search: bool) -> Self {
        Self::with(search, Box::new(SyncedCommit), now).await
    }

    /// The same with another commit and clock.
    pub(crate) async fn with(search: bool, durable: Box<dyn Durable>, clock: fn() -> Timestamp) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = begin(directory.path());
        let readers = "[{ role = 'compliance', people = ['compliance'] }, { role = 'approver', people = ['dba'] }]";
        config.readers = toml::from_str::<toml::Table>(&format!("readers = {readers}")).unwrap()["readers"]
            .clone()
            .try_into()
            .unwrap();
        crate::fixture::secret(directory.path(), "ledger.key", 4);
        let ledger = Ledger::open_with(&config, durable, clock).unwrap();
        let enrol = |seed, role, name: &str, group: &str| KeyEnrolled {
            key: key(seed).public_key().to_bytes(),
            role,
            name: name.into(),
            groups: vec![group.to_owned()],
            application: None,
        };
        let bodies = [
            enrol(4, Role::Ledger, "ledger", ""),
            enrol(5, Role::Person, "carol", "compliance"),
            enrol(6, Role::Person, "dora", "dba"),
            enrol(7, Role::Person, "erin", "others"),
        ];
        let events = bodies.map(|body| event(&administrator(), 1, None, body)).into();
        let enrolled = Sealed::seal(events, beginning()[0].next(), &administrator()).unwrap();
        ledger.submit(append(&enrolled)).await.await.unwrap().unwrap();
        let index = directory.path().join("search");
        let searcher = search.then(|| follow::follow(&ledger, &index, &Handle::current()).unwrap());
        let readings = Readings::new(ledger.clone(), &config).unwrap();
        Self {
            _directory: directory,
            ledger,
            readings,
            searcher,
            administrator: enrolled.next(),
        }
    }

    /// The API on the connection that a channel tells.
    fn router(&self, channel: Digest) -> Router {
        let router = api::router(self.ledger.clone(), self.searcher.clone(), Arc::clone(&self.readings));
        router.layer(Extension(Channel(channel)))
    }

    async fn ask(&self, path: &str, reading: Option<&str>) -> (StatusCode, Vec<u8>) {
        self.ask_on(CHANNEL, path, reading).await
    }

    async fn ask_on(&self, channel: Digest, path: &str, reading: Option<&str>) -> (StatusCode, Vec<u8>) {
        let mut request = Request::get(path);
        if let Some(reading) = reading {
            request = request.header(READING_HEADER, reading);
        }
        let answer = self.router(channel).oneshot(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        let status = answer.status();
        (status, to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec())
    }

    async fn read(&self, path: &str, reading: &str) -> Value {
        let (status, body) = self.ask(path, Some(reading)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    pub(crate) async fn post(&self, asked: &Asked) -> (StatusCode, Value) {
        let request = Request::post(READINGS_PATH).body(Body::from(cbor::encode(asked)));
        let answer = self.router(CHANNEL).oneshot(request.unwrap()).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// A reading of the person of `compliance`.
    pub(crate) async fn open(&self, question: &Question, nonce: u8) -> (String, u64) {
        let (status, answer) = self.post(&asked(&statement(question, nonce), question, &key(5))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        (
            answer["reading"].as_str().unwrap().to_owned(),
            answer["index"].as_u64().unwrap(),
        )
    }

    pub(crate) fn size(&self) -> u64 {
        self.ledger.shared().head().size().0
    }

    fn event(&self, index: u64) -> EvidenceRead {
        let entry = self.ledger.entry(Index(index)).unwrap().unwrap();
        match Event::decode(&entry).unwrap().body {
            event::Body::EvidenceRead(read) => read,
            other => panic!("{other:?}"),
        }
    }

    /// What was recorded is whole.
    pub(crate) async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || {
            check_whole(&self.ledger);
            self.ledger.shutdown();
        });
        ended.await.unwrap();
    }
}

pub(crate) fn statement(question: &Question, nonce: u8) -> Statement {
    Statement {
        origin: ORIGIN.into(),
        channel: CHANNEL,
        operation: question.operation().as_str().to_owned(),
        scope: question.scope(),
        question: question.digest(&[9; 32]),
        time: NOW,
        nonce: Bytes(vec![nonce; 16]),
    }
}

pub(crate) fn asked(statement: &Statement, question: &Question, signer: &SecretKey) -> Asked {
    Asked {
        operation: question.operation(),
        text: question.text(),
        signed: Some(SignedAsked {
            statement: statement.sign(signer).unwrap(),
            blind: Bytes(vec![9; 32]),
        }),
    }
}

fn search(text: &str) -> Question {
    Question::Search(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_finds_what_was_acknowledged_before_it_and_is_recorded_before_it_is_answered() {
    let place = Place::new(true).await;
    let mut chain = start(10);
    for number in 0..5 {
        let word = format!("word{number}");
        let next = batch(chain, &[&word]);
        chain = next.next();
        let receipt = place.ledger.submit(append(&next)).await.await.unwrap().unwrap();
        let (reading, index) = place.open(&search(&word), number).await;
        let read = place.event(index);
        assert_eq!(
            (read.reader.as_str(), read.operation.as_str(), read.scope.as_str()),
            ("carol", "search", "?")
        );
        let by = read.by.unwrap();
        assert_eq!((by.count, by.times, by.role.as_str()), (1, 1, "compliance"));
        assert!(by.statement.is_some() && by.until > by.since);
        let found = place.read(&format!("/v1/search?q={word}"), &reading).await;
        assert_eq!(found["matches"], 1, "{found}");
        assert_eq!(found["hits"][0]["index"], receipt.first, "{found}");
        // What was found is told by another reading, and another question is none of this one.
        for path in [
            "/v1/search?q=other".to_owned(),
            format!("/v1/entries/{}", receipt.first),
        ] {
            assert_eq!(
                place.ask(&path, Some(&reading)).await.0,
                StatusCode::FORBIDDEN,
                "{path}"
            );
        }
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_of_a_search_keeps_no_session_and_no_time_that_is_not_of_the_log() {
    let place = Place::new(true).await;
    let session = SessionId([1; 16]);
    let opening = event(&proxy(), 10, Some(SessionPlace(session, 0)), opened());
    let opened = Sealed::seal(vec![opening], start(10), &proxy()).unwrap();
    place.ledger.submit(append(&opened)).await.await.unwrap().unwrap();
    let size = place.size();
    let year = 366 * 86_400 * 1_000_000;
    let (before, after) = (Timestamp(NOW.0 - year - 1), Timestamp(NOW.0 + year + 1));
    let strangers = [
        "session:00112233445566778899aabbccddeeff".to_owned(),
        format!("session:{session} kind:command session:{}", SessionId([9; 16])),
        "from:1971-03-12".to_owned(),
        "to:9999-12-31 kind:command".to_owned(),
        format!("from:{before}"),
        format!("to:{after}"),
    ];
    for (nonce, text) in (1..).zip(&strangers) {
        let (status, answer) = place
            .post(&asked(&statement(&search(text), nonce), &search(text), &key(5)))
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}: {answer}");
        assert_eq!(place.size(), size, "{text} is in no event");
    }
    for (nonce, text) in (50..).zip([
        format!("session:{session}"),
        format!("from:{} to:{}", Timestamp(before.0 + 1), Timestamp(after.0 - 1)),
        "session:somebody from:1971".to_owned(), // masked
    ]) {
        place.open(&search(&text), nonce).await;
    }
    // Of who may not read nothing is looked up.
    let question = search(&strangers[0]);
    let (status, _) = place.post(&asked(&statement(&question, 90), &question, &key(77))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_of_a_scoped_export_keeps_no_token_that_the_index_does_not_know() {
    for search in [true, false] {
        let place = Place::new(search).await;
        let size = place.size();
        // An identifier of a patient, as it stands, where a token is to be.
        let scope = Scope::new(None, None, None, None, Some(PatientToken([0xab; 16]))).unwrap();
        let question = Question::Scoped(TreeSize(size), Box::new(scope));
        let (status, answer) = place.post(&asked(&statement(&question, 1), &question, &key(5))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert!(
            answer.to_string().contains("no session of this log is of the scope"),
            "{answer}"
        );
        assert_eq!(place.size(), size, "it is in no event");
        place.end().await;
    }
}

#[tokio::test]
async fn an_export_is_of_what_there_is_and_no_cache_keeps_it() {
    let place = Place::new(false).await;
    let size = place.size();
    let export = |size| Question::Export(TreeSize(size));
    for beyond in [size + 1, u64::MAX] {
        let question = export(beyond);
        let (status, answer) = place.post(&asked(&statement(&question, 1), &question, &key(5))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    assert_eq!(place.size(), size);
    let (reading, _) = place.open(&export(size), 1).await;
    for (path, wanted) in [
        (format!("/tile/entries/000.p/{size}"), "no-store"),
        ("/v1/entries/1".to_owned(), "no-store"),
        ("/v1/sessions".to_owned(), "no-store"),
        (format!("/tile/0/000.p/{size}"), "max-age=31536000, immutable"),
    ] {
        let request = Request::get(&path).header(READING_HEADER, &reading);
        let answer = place.router(CHANNEL).oneshot(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["cache-control"], wanted, "{path}");
    }
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_of_catalogs_finds_catalogs_alone() {
    let place = Place::new(true).await;
    let next = batch(start(10), &["SELECT ward"]);
    place.ledger.submit(append(&next)).await.await.unwrap().unwrap();
    let (reading, _) = place.open(&Question::Catalogs, 1).await;
    let digest = "0a".repeat(32);
    let check = async |question: &str, wanted: StatusCode| {
        let path = format!("/v1/search?q=kind:catalog-snapshot{}", question.replace(' ', "%20"));
        assert_eq!(place.ask(&path, Some(&reading)).await.0, wanted, "{question}");
    };
    check("", StatusCode::OK).await;
    check(&format!(" {digest}"), StatusCode::OK).await;
    for more in [
        " kind:fault".to_owned(),
        " ward".to_owned(),
        "s".to_owned(),
        digest.clone(),
        format!(" {digest}0"),
        format!(" {}", "g".repeat(64)),
        format!(" {digest} kind:fault"),
        format!("  {digest}"),
    ] {
        check(&more, StatusCode::FORBIDDEN).await;
    }
    let (status, _) = place.ask("/v1/search?q=kind:fault", Some(&reading)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_of_policies_finds_policies_alone() {
    let place = Place::new(true).await;
    let next = batch(start(10), &["SELECT ward"]);
    let receipt = place.ledger.submit(append(&next)).await.await.unwrap().unwrap();
    let command = format!("/v1/entries/{}", receipt.first);
    let (reading, _) = place.open(&Question::Policies, 1).await;
    for (path, wanted) in [
        ("/v1/search?q=kind:policy-in-force", StatusCode::OK),
        ("/v1/search?q=kind:policy-signed", StatusCode::OK),
        ("/v1/search?q=kind:policy-signed%20kind:command", StatusCode::FORBIDDEN),
        ("/v1/search?q=kind:command", StatusCode::FORBIDDEN),
        ("/v1/sessions", StatusCode::FORBIDDEN),
        (&command, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(place.ask(path, Some(&reading)).await.0, wanted, "{path}");
    }
    place.end().await;
}

#[tokio::test]
async fn sessions_come_page_by_page_from_the_newest_on() {
    let place = Place::new(false).await;
    let mut chain = start(10);
    for number in 0..7 {
        let session = SessionPlace(SessionId([number; 16]), 0);
        let next = Sealed::seal(vec![event(&proxy(), 10, Some(session), opened())], chain, &proxy()).unwrap();
        chain = next.next();
        place.ledger.submit(append(&next)).await.await.unwrap().unwrap();
    }
    let (status, body) = place.ask("/v1/status", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["open_sessions"], 7);
    let (reading, index) = place.open(&Question::Sessions, 1).await;
    assert_eq!(place.event(index).by.unwrap().count, 7);
    let mut seen = Vec::new();
    let mut path = "/v1/sessions?limit=3".to_owned();
    loop {
        let page = place.read(&path, &reading).await;
        let page = page.as_array().unwrap();
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        let Some(last) = page.last() else { break };
        path = format!("/v1/sessions?limit=3&before={}", last["opened"]);
    }
    let wanted: Vec<String> = (0..7).rev().map(|number| SessionId([number; 16]).to_string()).collect();
    assert_eq!(seen, wanted);
    place.end().await;
}

#[tokio::test]
async fn what_shows_evidence_needs_a_reading_of_it_and_what_shows_none_needs_none() {
    let place = Place::new(false).await;
    let session = SessionId([1; 16]);
    let events = vec![event(&proxy(), 10, Some(SessionPlace(session, 0)), opened())];
    let batch = Sealed::seal(events, start(10), &proxy()).unwrap();
    let opened = place.ledger.submit(append(&batch)).await.await.unwrap().unwrap().first;
    let size = place.size();
    let evidence = [
        "/v1/search?q=".to_owned(),
        "/v1/sessions".to_owned(),
        format!("/v1/sessions/{session}"),
        "/v1/approvals".to_owned(),
        "/v1/approvals/0123456789ab".to_owned(),
        format!("/v1/entries/{opened}"),
        format!("/tile/entries/000.p/{size}"),
    ];
    for path in &evidence {
        for reading in [None, Some("00"), Some("000102030405060708090a0b0c0d0e0f")] {
            assert_eq!(place.ask(path, reading).await.0, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    assert_eq!(place.size(), size, "nothing was asked that has to be recorded");
    // Keys, seals, hashes, counts and proofs.
    for path in [
        "/checkpoint".to_owned(),
        format!("/tile/0/000.p/{size}"),
        "/v1/status".to_owned(),
        "/v1/keys".to_owned(),
        format!("/v1/emitters/{}", proxy().public_key().id()),
        "/v1/entries/0".to_owned(),
        "/v1/entries/1".to_owned(),
        format!("/v1/entries/{}", opened + 1),
        format!("/v1/proof/event/{opened}"),
        format!("/v1/proof/inclusion?index={opened}&size={size}"),
        format!("/v1/proof/consistency?from=1&to={size}"),
    ] {
        assert_eq!(place.ask(&path, None).await.0, StatusCode::OK, "{path}");
    }
    // Each reading is of what it says.
    let readings = [
        (Question::Sessions, vec![1]),
        (Question::Session(session), vec![2, 5]),
        (Question::SessionOf(Index(opened)), vec![2, 5]),
        (Question::SessionOf(Index(0)), vec![]),
        (Question::Session(SessionId([2; 16])), vec![]),
        (Question::Approvals, vec![3, 4]),
        (Question::Export(TreeSize(size)), vec![5, 6]),
        (Question::Export(TreeSize(size - 2)), vec![]),
    ];
    for (nonce, (question, shown)) in (1..).zip(readings) {
        let (reading, index) = place.open(&question, nonce).await;
        assert_eq!(index + 2, place.size(), "it is recorded before it is answered");
        for (number, path) in evidence.iter().enumerate() {
            let status = place.ask(path, Some(&reading)).await.0;
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !shown.contains(&number), "{question:?} {path}: {status}");
        }
        assert_eq!(
            place.ask_on(Digest([2; 32]), &evidence[2], Some(&reading)).await.0,
            StatusCode::UNAUTHORIZED,
            "a reading is good on its connection alone"
        );
    }
    place.end().await;
}

#[tokio::test]
async fn nobody_reads_who_does_not_prove_who_it_is_and_that_it_may() {
    let place = Place::new(false).await;
    let question = Question::Sessions;
    let good = statement(&question, 1);
    let unsigned = Asked {
        signed: None,
        ..asked(&good, &question, &key(5))
    };
    let blind = |bytes: Vec<u8>| {
        let mut asked = asked(&good, &question, &key(5));
        asked.signed.as_mut().unwrap().blind = Bytes(bytes);
        asked
    };
    let changed = |change: fn(&mut Statement)| {
        let mut statement = good.clone();
        change(&mut statement);
        asked(&statement, &question, &key(5))
    };
    let size = place.size();
    for (asked, wanted) in [
        (unsigned, "sign the reading"),
        (blind(vec![8; 32]), "another question"),
        (blind(vec![9; 31]), "32 bytes"),
        (changed(|said| said.origin = "other.example/log".into()), "another log"),
        (changed(|said| said.channel = Digest([2; 32])), "another connection"),
        (changed(|said| said.operation = "export".into()), "another operation"),
        (changed(|said| said.scope = "all".into()), "another operation or scope"),
        (changed(|said| said.question = Digest([3; 32])), "another question"),
        (
            changed(|said| said.time = Timestamp(NOW.0 + FRESH_US + 1)),
            "a minute off",
        ),
        (
            changed(|said| said.time = Timestamp(NOW.0 - FRESH_US - 1)),
            "a minute off",
        ),
        // The proxy, the ledger, the administrator, and a stranger.
        (asked(&good, &question, &proxy()), "not that of a person"),
        (asked(&good, &question, &key(4)), "not that of a person"),
        (asked(&good, &question, &administrator()), "not that of a person"),
        (asked(&good, &question, &key(8)), "not that of a person"),
    ] {
        let (status, answer) = place.post(&asked).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wanted}");
        assert!(answer["error"].as_str().unwrap().contains(wanted), "{answer}");
    }
    // An approver sees what waits and nothing else, and who is in no role sees nothing.
    for (signer, question, wanted) in [
        (6, Question::Sessions, StatusCode::FORBIDDEN),
        (6, search("x"), StatusCode::FORBIDDEN),
        (6, Question::Session(SessionId([1; 16])), StatusCode::FORBIDDEN),
        (6, Question::Export(TreeSize(1)), StatusCode::FORBIDDEN),
        (7, Question::Approvals, StatusCode::FORBIDDEN),
    ] {
        let answer = place
            .post(&asked(&statement(&question, 2), &question, &key(signer)))
            .await;
        assert_eq!(answer.0, wanted, "{question:?} {}", answer.1);
    }
    assert_eq!(place.size(), size, "nobody was shown anything");
    let waiting = Question::Approvals;
    let answer = place.post(&asked(&statement(&waiting, 3), &waiting, &key(6))).await;
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    // At the edge of freshness it is taken, once.
    let late = changed(|said| said.time = Timestamp(NOW.0 + FRESH_US));
    assert_eq!(place.post(&late).await.0, StatusCode::OK);
    let (status, answer) = place.post(&late).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(answer["error"].as_str().unwrap().contains("used before"), "{answer}");
    place.end().await;
}

#[tokio::test]
async fn a_revoked_key_ends_its_readings_at_once() {
    let place = Place::new(false).await;
    let (reading, _) = place.open(&Question::Sessions, 1).await;
    place.read("/v1/sessions", &reading).await;
    let revoked = KeyRevoked {
        key: key(5).public_key().id(),
        reason: "left".into(),
    };
    let events = vec![event(&administrator(), 1, None, revoked)];
    let revoked = Sealed::seal(events, place.administrator, &administrator()).unwrap();
    place.ledger.submit(append(&revoked)).await.await.unwrap().unwrap();
    assert_eq!(
        place.ask("/v1/sessions", Some(&reading)).await.0,
        StatusCode::UNAUTHORIZED
    );
    let question = Question::Sessions;
    let (status, answer) = place.post(&asked(&statement(&question, 2), &question, &key(5))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    place.end().await;
}

#[tokio::test]
async fn a_program_that_asks_again_and_again_fills_no_log() {
    let place = Place::new(false).await;
    let (_, first) = place.open(&Question::Sessions, 1).await;
    let size = place.size();
    for nonce in 2..102 {
        let (reading, index) = place.open(&Question::Sessions, nonce).await;
        assert_eq!(index, first, "it is of the event of the first");
        place.read("/v1/sessions", &reading).await;
    }
    assert_eq!(place.size(), size);
    // How many followed is said at the end of the minute, or when the ledger ends.
    place.readings.settle().await;
    assert_eq!(place.size(), size + 2);
    let by = place.event(size).by.unwrap();
    assert_eq!(by.times, 100);
    let signed = by.statement.unwrap();
    assert_eq!(signed, statement(&Question::Sessions, 101).sign(&key(5)).unwrap());
    place.readings.settle().await;
    assert_eq!(place.size(), size + 2, "it is said once");
    place.end().await;
}

#[tokio::test]
async fn what_a_reader_asks_in_a_minute_is_limited_at_and_past_the_edge() {
    let place = Place::new(false).await;
    let session = |number: usize| Question::Session(SessionId([u8::try_from(number).unwrap(); 16]));
    for number in 0..EVENTS_PER_MINUTE_MAX {
        place.open(&session(number), u8::try_from(number).unwrap()).await;
    }
    let size = place.size();
    let question = session(EVENTS_PER_MINUTE_MAX);
    let (status, answer) = place.post(&asked(&statement(&question, 250), &question, &key(5))).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    assert_eq!(place.size(), size);
    // Another reader is not held up.
    let waiting = Question::Approvals;
    assert_eq!(
        place.post(&asked(&statement(&waiting, 1), &waiting, &key(6))).await.0,
        StatusCode::OK
    );
    place.end().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_shown() {
    let place = Place::new(false).await;
    // The ledger's key is taken away: its events are refused from now on.
    let revoked = KeyRevoked {
        key: key(4).public_key().id(),
        reason: "lost".into(),
    };
    let events = vec![event(&administrator(), 1, None, revoked)];
    let revoked = Sealed::seal(events, place.administrator, &administrator()).unwrap();
    place.ledger.submit(append(&revoked)).await.await.unwrap().unwrap();
    let question = Question::Sessions;
    let (status, answer) = place.post(&asked(&statement(&question, 1), &question, &key(5))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        answer["error"].as_str().unwrap().contains("nothing is shown"),
        "{answer}"
    );
    place.end().await;
}
