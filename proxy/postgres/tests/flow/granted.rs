//! Grants, and approvals for so many rows, on a real server.

use std::sync::Arc;

use exhibit_schemas::event::Body;
use exhibit_schemas::event::approval::{Grant, GrantScope, Terms, Verdict};

use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand};

const ASKS: &str = r#"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
hold_s = 1
grants = { scopes = ["fingerprint", "session"], minutes = 60, uses = 10 }
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write"]
resources = ["public.notes", "public.notes.*"]
effect = "ask"
approval = "dba"
[[rules]]"#;

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute("INSERT INTO notes SELECT id, 'old' FROM generate_series(1, 50) AS id");
    let policy = POLICY.replacen("[[rules]]", ASKS.trim_start(), 1);
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

fn grant(uses: u64) -> Terms {
    Terms {
        rows: None,
        grant: Some(Grant {
            scope: GrantScope::Fingerprint,
            minutes: 30,
            uses,
        }),
    }
}

/// Runs a statement again that a person has approved with these terms after it was postponed.
async fn approved(stand: &Stand, sql: &str, terms: Terms) -> String {
    assert!(asks(&stand.psql(sql).await));
    let decided = stand.memory.decide_for("ann", "dba", Verdict::Approve, Some(terms));
    decided.await;
    stand.psql(sql).await
}

/// Runs statements in one session, one message each; psql sends their semicolons, too.
async fn one_by_one(stand: &Stand, statements: &[&str]) -> String {
    let input = format!("{}\n", statements.join("\n"));
    stand.psql_with("\\i /dev/stdin", &input).await
}

fn asks(shown: &str) -> bool {
    shown.contains("waits for people")
}

fn questions(stand: &Stand) -> usize {
    let asked = |body: &Body| matches!(body, Body::ApprovalRequested(_)).then_some(());
    stand.memory.each(asked).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_values_pass_by_a_grant_and_nothing_else_does() {
    let stand = stand().await;
    let update = |text: &str, id: u32| format!("UPDATE notes SET text = '{text}' WHERE id = {id};");
    let shown = approved(&stand, &update("one", 1), grant(4)).await;
    assert!(shown.contains("UPDATE 1"), "{shown}");
    let shown = stand.psql(&update("two", 2)).await;
    assert!(shown.contains("UPDATE 1"), "{shown}");
    // Two changes in one session and transaction.
    let both = ["BEGIN;", &update("more", 3), &update("more", 4), "COMMIT;"];
    let shown = one_by_one(&stand, &both).await;
    assert_eq!(shown.matches("UPDATE 1").count(), 2, "{shown}");
    assert_eq!(questions(&stand), 1);
    let others = [
        // Four were granted.
        update("five", 5),
        "UPDATE notes SET text = upper('x') WHERE id = 6".to_owned(),
        "UPDATE notes SET text = 'x' WHERE id > 6".to_owned(),
    ];
    for sql in others {
        let shown = stand.psql(&sql).await;
        assert!(asks(&shown), "{sql}: {shown}");
    }
    let changed = stand.server.execute("SELECT count(*) FROM notes WHERE text <> 'old'");
    assert!(changed.split_whitespace().any(|word| word == "4"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_another_is_asked_anew() {
    let stand = stand().await;
    let shown = approved(&stand, "UPDATE public.notes SET text = 'one' WHERE id = 1;", grant(10)).await;
    assert!(shown.contains("UPDATE 1"), "{shown}");
    for before in ["SET search_path TO staging, public;", "PREPARE other AS SELECT 1;"] {
        let earlier = questions(&stand);
        let update = "UPDATE public.notes SET text = 'two' WHERE id = 2;";
        let shown = one_by_one(&stand, &[before, update]).await;
        assert!(asks(&shown) && questions(&stand) > earlier, "{before}: {shown}");
    }
    let update = "UPDATE public.notes SET text = 'two' WHERE id = 2;";
    let shown = one_by_one(&stand, &["SELECT 1;", update]).await;
    assert!(shown.contains("UPDATE 1"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_person_approved_take_the_change_back() {
    let stand = stand().await;
    let sql = "UPDATE notes SET text = 'new' RETURNING id";
    let terms = Terms {
        rows: Some(10),
        grant: None,
    };
    // In a transaction of several statements, of which only the change is asked about.
    stand.driver().await.simple_query(sql).await.unwrap_err();
    stand
        .memory
        .decide_for("ann", "dba", Verdict::Approve, Some(terms))
        .await;
    let client = stand.driver().await;
    client.simple_query("BEGIN").await.unwrap();
    let error = client.simple_query(sql).await.unwrap_err();
    let told = error
        .as_db_error()
        .map(|error| (error.code().code().to_owned(), error.message().to_owned()));
    let (code, message) = told.unwrap();
    assert_eq!(code, "42501");
    assert!(message.contains("more rows than people approved"), "{message}");
    assert_eq!(stand.memory.closed().await, "approval");
    let changed = stand.server.execute("SELECT count(*) FROM notes WHERE text <> 'old'");
    assert!(changed.split_whitespace().any(|word| word == "0"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_person_approved_are_not_committed() {
    for begin in ["BEGIN", "SELECT 1"] {
        let stand = stand().await;
        let sql = "UPDATE notes SET text = 'new'";
        let terms = Terms {
            rows: Some(10),
            grant: None,
        };
        stand.driver().await.simple_query(sql).await.unwrap_err();
        stand
            .memory
            .decide_for("ann", "dba", Verdict::Approve, Some(terms))
            .await;
        let client = stand.driver().await;
        client.simple_query(begin).await.unwrap();
        let error = client.simple_query(sql).await.unwrap_err();
        let told = error.as_db_error().unwrap();
        assert_eq!(told.code().code(), "42501");
        assert!(told.message().contains("more rows than people approved"), "{told}");
        assert_eq!(stand.memory.closed().await, "approval");
        // The server has ended the session, too, once nobody waits for its rows.
        stand.server.execute("BEGIN; LOCK TABLE notes; COMMIT");
        let changed = stand.server.execute("SELECT count(*) FROM notes WHERE text <> 'old'");
        assert_eq!(changed.trim(), "0", "{begin}");
        let told = stand.memory.each(|body| match body {
            Body::ResponseEnd(end) => end.changed.map(|rows| (rows, end.uncommitted.is_some())),
            _ => None,
        });
        assert_eq!(told, [(50, true)]);
    }
}
