//! The API as a reader sees it: a question about what was acknowledged finds it, and lists go page by page.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use exhibit_ledger::{api, follow};
use exhibit_schemas::event::{SessionId, SessionPlace};
use exhibit_schemas::seal::Sealed;
use serde_json::Value;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use crate::fixture::{append, batch, begin, event, open, opened, proxy, start};

async fn read(router: &Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_finds_what_was_acknowledged_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let searcher = follow::follow(&ledger, &directory.path().join("search"), &Handle::current()).unwrap();
    let router = api::router(ledger.clone(), Some(searcher));
    let mut chain = start(10);
    for number in 0..5 {
        let word = format!("word{number}");
        let next = batch(chain, &[&word]);
        chain = next.next();
        let receipt = ledger.submit(append(&next)).await.await.unwrap().unwrap();
        let found = read(&router, &format!("/v1/search?q={word}")).await;
        assert_eq!(found["matches"], 1, "{found}");
        assert_eq!(found["hits"][0]["index"], receipt.first, "{found}");
    }
    tokio::task::spawn_blocking(move || ledger.shutdown()).await.unwrap();
}

#[tokio::test]
async fn sessions_come_page_by_page_from_the_newest_on() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let router = api::router(ledger.clone(), None);
    let mut chain = start(10);
    for number in 0..7 {
        let place = SessionPlace(SessionId([number; 16]), 0);
        let next = Sealed::seal(vec![event(&proxy(), 10, Some(place), opened())], chain, &proxy()).unwrap();
        chain = next.next();
        ledger.submit(append(&next)).await.await.unwrap().unwrap();
    }
    assert_eq!(read(&router, "/v1/status").await["open_sessions"], 7);
    let mut seen = Vec::new();
    let mut path = "/v1/sessions?limit=3".to_owned();
    loop {
        let page = read(&router, &path).await;
        let page = page.as_array().unwrap();
        assert!(page.len() <= 3);
        seen.extend(page.iter().map(|session| session["id"].as_str().unwrap().to_owned()));
        let Some(last) = page.last() else { break };
        path = format!("/v1/sessions?limit=3&before={}", last["opened"]);
    }
    let wanted: Vec<String> = (0..7).rev().map(|number| SessionId([number; 16]).to_string()).collect();
    assert_eq!(seen, wanted);
    ledger.shutdown();
}
