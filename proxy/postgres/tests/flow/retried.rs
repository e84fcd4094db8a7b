//! Approvals for which a session waits a while only, on a real server: the retry takes them up.

use std::sync::Arc;

use exhibit_postgres::Config;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::approval::Verdict;

use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand};

const ASKS: &str = r#"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
hold_s = 1
[[rules]]
name = "schema"
roles = ["ci"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
"#;

const ALTER: &str = "ALTER TABLE notes ADD COLUMN more text";

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    Stand::start_with(Arc::new(server), &format!("{POLICY}{ASKS}"), |_| {}).await
}

fn outcomes(stand: &Stand) -> Vec<String> {
    let statements = stand.memory.statements().into_iter();
    let asked = statements.filter(|(statement, _)| statement.starts_with("ALTER"));
    asked.map(|(_, outcome)| outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_wait_runs_its_statement_again() {
    let stand = stand().await;
    let shown = stand.psql(ALTER).await;
    for told in [
        "waits for people",
        "needed by dba",
        "run the same statement again until",
        "(rule: schema)",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    let shown = stand.psql(ALTER).await;
    assert!(shown.contains("ALTER TABLE"), "{shown}");
    // It was for once.
    let shown = stand.psql(ALTER).await;
    assert!(shown.contains("waits for people"), "{shown}");
    assert_eq!(outcomes(&stand), ["postponed", "approved", "postponed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_failed_so_is_run_again_in_its_session() {
    let stand = stand().await;
    let client = stand.driver().await;
    client.simple_query("BEGIN").await.unwrap();
    let error = client.simple_query(ALTER).await.unwrap_err();
    let code = error.as_db_error().map(|error| error.code().code().to_owned());
    assert_eq!(code.as_deref(), Some("42501"), "{error}");
    client.simple_query("ROLLBACK").await.unwrap();
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    for sql in ["BEGIN", ALTER, "COMMIT"] {
        client.simple_query(sql).await.unwrap();
    }
    assert_eq!(outcomes(&stand), ["postponed", "approved"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_another_setting_people_are_asked_anew() {
    let stand = stand().await;
    let client = stand.driver().await;
    client.simple_query(ALTER).await.unwrap_err();
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    client.simple_query("SET statement_timeout TO 60000").await.unwrap();
    client.simple_query(ALTER).await.unwrap_err();
    let requests = stand
        .memory
        .each(|body| (body.kind().as_str() == "approval-requested").then_some(()));
    assert_eq!(requests.len(), 2);
    assert_eq!(outcomes(&stand), ["postponed", "postponed"]);
}

/// How many questions people were asked.
fn questions(stand: &Stand) -> usize {
    let asked = |body: &Body| matches!(body, Body::ApprovalRequested(_)).then_some(());
    stand.memory.each(asked).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_for_one_database_is_not_taken_up_in_another() {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute("CREATE DATABASE twin TEMPLATE postgres");
    let whichever = |config: &mut Config| config.server.database = None;
    let stand = Stand::start_with(Arc::new(server), &format!("{POLICY}{ASKS}"), whichever).await;
    // The same text, by the same agent, in the database beside it.
    for (database, wanted) in [("postgres", 1), ("twin", 2), ("postgres", 2), ("twin", 2)] {
        let shown = stand.psql_in(database, ALTER).await;
        assert!(shown.contains("waits for people"), "{shown}");
        assert_eq!(questions(&stand), wanted, "{database}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_over_rows_of_a_temporary_table_is_not_taken_up_over_others() {
    let server = Server::start();
    server.execute(SCHEMA);
    let asks = ASKS.replace("\"define\"]", "\"delete\"]");
    let policy = POLICY.replacen("[[rules]]", &format!("{}[[rules]]", asks.trim_start()), 1);
    let policy = policy.replace(
        "\"session\", \"transaction\"]",
        "\"define\", \"session\", \"transaction\"]",
    );
    let stand = Stand::start_with(Arc::new(server), &policy, |_| {}).await;
    let delete = "DELETE FROM notes WHERE id IN (SELECT id FROM gone)";
    for (id, wanted) in [(1, 1), (2, 2), (1, 2)] {
        let client = stand.driver().await;
        client.simple_query("CREATE TEMP TABLE gone (id int)").await.unwrap();
        let insert = format!("INSERT INTO gone VALUES ({id})");
        client.simple_query(&insert).await.unwrap();
        client.simple_query(delete).await.unwrap_err();
        assert_eq!(questions(&stand), wanted, "{id}");
    }
}

/// Requests of one requester that wait at the most.
const WAITING: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn one_request_more_than_may_wait_is_denied_and_its_session_goes_on() {
    let server = Server::start();
    server.execute(SCHEMA);
    let asks = ASKS.replace("hold_s = 1\n", "");
    let stand = Stand::start_with(Arc::new(server), &format!("{POLICY}{asks}"), |_| {}).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..WAITING {
        let client = stand.driver().await;
        waiting.spawn(async move { client.simple_query(ALTER).await.map(|_| ()) });
    }
    while questions(&stand) < WAITING {
        tokio::task::yield_now().await;
    }
    let client = stand.driver().await;
    let error = client.simple_query(ALTER).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42501", "{error}");
    let told = format!("{WAITING} requests of this requester wait for people already");
    assert!(error.message().contains(&told), "{error}");
    client.simple_query("SELECT 1").await.unwrap();
    assert_eq!(outcomes(&stand), ["denied"]);
    assert_eq!(questions(&stand), WAITING);
}
