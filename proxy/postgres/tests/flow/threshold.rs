//! Rules about what replies come to, on a real server: rows, copies, cursors and sessions; what is held waits for people.

use std::sync::Arc;

use exhibit_postgres::message::encode::message;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::approval::Verdict;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, talk};

const THRESHOLDS: &str = r#"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[rules]]
name = "never"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.much"]
over = { rows = 1000 }
effect = "deny"
reason = "nobody reads so much"
[[rules]]
name = "paged"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.paged"]
over = { session_rows = 1000 }
effect = "deny"
[[rules]]
name = "long"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.long"]
over = { bytes = 100000 }
effect = "deny"
[[rules]]
name = "bulk"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.bulk"]
over = { rows = 1000 }
effect = "ask"
approval = "privacy"
"#;

const TABLES: &str = "CREATE TABLE much AS SELECT n AS id, 'row ' || n AS text FROM generate_series(1, 20000) n; \
     CREATE TABLE paged AS TABLE much; CREATE TABLE bulk AS TABLE much; \
     CREATE TABLE long AS SELECT repeat('x', 2000000) AS text;";

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute(TABLES);
    let policy = POLICY.replacen("[[rules]]", &format!("{THRESHOLDS}[[rules]]"), 1);
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

/// Rows that psql prints without a frame around them.
fn rows(shown: &str) -> usize {
    shown.lines().filter(|line| line.contains("row ")).count()
}

fn ended(stand: &Stand) -> Vec<(u64, u64, Outcome)> {
    let decided = |body: &Body| match body {
        Body::ThresholdDecided(decided) => Some((decided.rows, decided.session_rows, decided.outcome)),
        _ => None,
    };
    stand.memory.each(decided)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_denies_past_its_rows_never_leaves() {
    for sql in [
        "SELECT * FROM much",
        "SELECT id, text FROM much ORDER BY id DESC",
        "COPY much TO STDOUT",
        "COPY much TO STDOUT (FORMAT csv, HEADER)",
        "COPY (SELECT * FROM much) TO STDOUT",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM much; FETCH ALL FROM c",
        "SELECT 1 FROM patients; SELECT * FROM much",
        "PREPARE p AS SELECT * FROM much; EXECUTE p",
        "WITH w AS (SELECT * FROM much) SELECT * FROM w UNION ALL SELECT * FROM w",
    ] {
        let stand = stand().await;
        let shown = stand.psql(sql).await;
        assert!(shown.contains("nobody reads so much (rule: never)"), "{sql}: {shown}");
        assert!(rows(&shown) <= 1000, "{sql}: {}", rows(&shown));
        let (_, reasons) = stand.memory.sessions();
        assert_eq!(reasons, ["threshold"], "{sql}");
        let found = ended(&stand);
        assert!(
            matches!(found.as_slice(), [(rows, _, Outcome::Denied)] if *rows > 1000),
            "{sql}: {found:?}"
        );
        let released = String::from_utf8_lossy(&stand.memory.released())
            .matches("row ")
            .count();
        assert!(released <= 1000, "{sql}: {released}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_below_passes() {
    let stand = stand().await;
    for sql in [
        "SELECT * FROM much LIMIT 1000",
        "COPY (SELECT * FROM much LIMIT 1000) TO STDOUT",
        "COPY (SELECT * FROM much LIMIT 1000) TO STDOUT (FORMAT csv)",
        "SELECT * FROM much LIMIT 600",
    ] {
        let shown = stand.psql(sql).await;
        assert!(!shown.contains("refused"), "{sql}: {shown}");
        assert!(rows(&shown) >= 600, "{sql}: {}", rows(&shown));
    }
    assert_eq!(ended(&stand), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_copied_out_are_counted_in_every_format() {
    let stand = stand().await;
    for (form, from) in [
        ("", "much"),
        ("(FORMAT csv)", "much"),
        ("(FORMAT csv, HEADER)", "much"),
        ("(FORMAT binary)", "much"),
        ("(FORMAT binary)", "patients"),
        ("(FORMAT csv, HEADER)", "patients"),
        ("", "patients"),
    ] {
        let before = stand.memory.each(|body| Some(body.kind())).len();
        let mut stream = stand.raw_session().await;
        for condition in ["LIMIT 2", "WHERE false"] {
            let sql = format!("COPY (SELECT * FROM {from} {condition}) TO STDOUT {form}\0");
            talk(&mut stream, &[(b'Q', sql.as_bytes())]).await;
        }
        let ends: Vec<u64> = stand
            .memory
            .each(|body| Some(body.clone()))
            .split_off(before)
            .iter()
            .filter_map(|body| match body {
                Body::ResponseEnd(end) => Some(end.rows),
                _ => None,
            })
            .collect();
        assert_eq!(ends, [2, 0], "{form} of {from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_session_add_up() {
    let stand = stand().await;
    let client = stand.driver().await;
    let mut read = 0;
    let ended_by = loop {
        let page = client
            .simple_query(&format!("SELECT * FROM paged ORDER BY id LIMIT 90 OFFSET {read}"))
            .await;
        match page {
            Ok(page) => read += page.len() - 2,
            Err(error) => break error,
        }
        assert!(read <= 1000, "{read}");
    };
    assert_eq!(read, 990);
    let code = ended_by.as_db_error().map(|error| error.code().code().to_owned());
    assert_eq!(code.as_deref(), Some("42501"), "{ended_by}");
    let found = ended(&stand);
    assert!(matches!(found.as_slice(), [(90, 1080, Outcome::Denied)]), "{found:?}");
    // Another session counts anew.
    assert_eq!(rows(&stand.psql("SELECT * FROM paged LIMIT 900").await), 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_that_is_too_long_never_leaves() {
    let stand = stand().await;
    let shown = stand.psql("SELECT text FROM long").await;
    assert!(!shown.contains("xxxx"), "{} bytes", shown.len());
    let released = stand.memory.released().len();
    assert!(released <= 100_000, "{released}");
    assert_eq!(ended(&stand).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_leaves_when_a_person_lets_it() {
    let stand = stand().await;
    let memory = Arc::clone(&stand.memory);
    let asked = tokio::spawn(async move { memory.decide("ann", "privacy", Verdict::Approve).await });
    let shown = stand.psql("SELECT * FROM bulk").await;
    assert!(
        shown.contains("approval") && shown.contains("is needed by privacy"),
        "{shown}"
    );
    assert_eq!(rows(&shown), 20_000);
    asked.await.unwrap();
    let found = ended(&stand);
    assert!(
        matches!(found.as_slice(), [(rows, _, Outcome::Approved)] if *rows > 1000),
        "{found:?}"
    );
    let kinds = stand.memory.each(|body| Some(body.kind().as_str()));
    let place = |kind: &str| kinds.iter().position(|found| *found == kind).unwrap();
    assert!(place("command") < place("approval-requested"));
    assert!(place("approval-requested") < place("threshold-decided"));
    assert!(place("threshold-decided") < place("response-end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_never_leaves_when_a_person_refuses() {
    let stand = stand().await;
    let memory = Arc::clone(&stand.memory);
    let asked = tokio::spawn(async move { memory.decide("ann", "privacy", Verdict::Deny).await });
    let shown = stand.psql("COPY bulk TO STDOUT").await;
    assert!(shown.contains("a person refused it (rule: bulk)"), "{shown}");
    assert!(rows(&shown) <= 1000, "{}", rows(&shown));
    asked.await.unwrap();
    let (_, reasons) = stand.memory.sessions();
    assert_eq!(reasons, ["threshold"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_withdraws_what_is_held() {
    let stand = stand().await;
    let client = stand.driver().await;
    let cancel = client.cancel_token();
    let query = tokio::spawn(async move { client.simple_query("SELECT * FROM bulk").await });
    stand.memory.asked().await;
    let stream = stand.raw().await;
    cancel.cancel_query_raw(stream, tokio_postgres::NoTls).await.unwrap();
    let ended_by = query.await.unwrap().unwrap_err();
    let code = ended_by.as_db_error().map(|error| error.code().code().to_owned());
    assert_eq!(code.as_deref(), Some("42501"), "{ended_by}");
    assert!(matches!(ended(&stand).as_slice(), [(_, _, Outcome::Expired)]));
}

/// A session that has sent a statement and waits.
async fn sent(stand: &Stand, sql: &str) -> Encrypted {
    let mut stream = stand.raw_session().await;
    let body = [sql.as_bytes(), b"\0"].concat();
    stream.write_all(&message(b'Q', &body)).await.unwrap();
    stream.flush().await.unwrap();
    stand.memory.asked().await;
    stream
}

/// Held in the middle, and at the end, where all of the server's answer is there.
const HELD: [&str; 2] = ["SELECT * FROM bulk", "SELECT * FROM bulk LIMIT 1200"];

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_goes_away_ends_what_is_held() {
    for sql in HELD {
        let stand = stand().await;
        drop(sent(&stand, sql).await);
        assert_eq!(stand.memory.closed().await, "agent", "{sql}");
        let kinds = stand.memory.each(|body| Some(body.kind().as_str()));
        assert!(kinds.contains(&"approval-expired"), "{sql}: {kinds:?}");
        assert!(!kinds.contains(&"threshold-decided"), "{sql}: {kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_ends_does_not_wait_for_people() {
    for sql in HELD {
        let stand = stand().await;
        let _stream = sent(&stand, sql).await;
        stand.shutdown.cancel();
        assert_eq!(stand.memory.closed().await, "shutdown", "{sql}");
    }
}
