//! Changes by people's approval whose reply has ended and that are not committed, when the approval is taken back.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::approval::{Terms, Verdict};
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, read_message, read_rest, talk};

const ASKS: &str = r#"[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
hold_s = 1
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write"]
resources = ["public.notes", "public.notes.*"]
effect = "ask"
approval = "dba"
[[rules]]"#;

const UPDATE: &str = "UPDATE notes SET text = 'new' WHERE id = 1";

async fn stand() -> Stand {
    stand_on(ASKS).await
}

async fn stand_on(asks: &str) -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute("INSERT INTO notes SELECT id, 'old' FROM generate_series(1, 50) AS id");
    let policy = POLICY.replacen("[[rules]]", asks, 1);
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

async fn send(stream: &mut Encrypted, messages: &[(u8, &[u8])]) {
    for (tag, body) in messages {
        stream.write_all(&encode::message(*tag, body)).await.unwrap();
    }
    stream.flush().await.unwrap();
}

async fn query(stream: &mut Encrypted, sql: &str) -> String {
    talk(stream, &[(b'Q', &[sql.as_bytes(), b"\0"].concat())]).await
}

/// A session with an open transaction that has changed a row by what a person approved.
async fn changed(stand: &Stand) -> Encrypted {
    let told = query(&mut stand.raw_session().await, UPDATE).await;
    assert!(told.contains("waits for people"), "{told}");
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    let mut stream = stand.raw_session().await;
    query(&mut stream, "BEGIN").await;
    let told = query(&mut stream, UPDATE).await;
    assert!(told.contains("UPDATE 1"), "{told}");
    stream
}

fn rows_changed(stand: &Stand) -> String {
    let count = stand.server.execute("SELECT count(*) FROM notes WHERE text <> 'old'");
    count.trim().to_owned()
}

/// What the ends of replies say is not committed, from the first that says something.
fn uncommitted(stand: &Stand) -> Vec<Option<Vec<u64>>> {
    let said = stand.memory.each(|body| match body {
        Body::ResponseEnd(end) => Some(end.uncommitted.clone()),
        _ => None,
    });
    said.into_iter().skip_while(Option::is_none).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_commit_passes_once_the_approval_was_taken_back() {
    for end in ["COMMIT", "ROLLBACK"] {
        let stand = stand().await;
        let mut stream = changed(&stand).await;
        let stream = &mut stream;
        stand.memory.take_back("ann", "dba").await;
        let told = query(stream, "COMMIT").await;
        assert!(told.contains("C42501") && told.contains("was taken back"), "{told}");
        for refused in ["SELECT 1", "RELEASE s", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'x'"] {
            let told = query(stream, refused).await;
            assert!(told.contains("C42501"), "{refused}: {told}");
        }
        let told = query(stream, end).await;
        assert!(told.contains("ROLLBACK"), "{told}");
        let told = query(stream, "SELECT 'still here'").await;
        assert!(told.contains("still here"), "{told}");
        assert_eq!(rows_changed(&stand), "0");
        let said = uncommitted(&stand);
        let (last, before) = said.split_last().unwrap();
        assert!(last.is_none(), "{said:?}");
        assert!(before.split_last().unwrap().1.iter().all(Option::is_some), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_back_in_the_transaction_saves_what_was_taken_back() {
    let stand = stand().await;
    let mut stream = changed(&stand).await;
    let stream = &mut stream;
    query(stream, "SAVEPOINT s").await;
    let told = query(stream, "SELECT 1 / 0").await;
    assert!(told.contains("C22012"), "{told}");
    stand.memory.take_back("ann", "dba").await;
    let told = query(stream, "ROLLBACK TO s").await;
    assert!(told.contains("C42501"), "{told}");
    // Of a pipeline, which commits at its `Sync`, nothing passes either.
    let select: (u8, &[u8]) = (b'P', b"\0SELECT 1\0\0\0");
    let told = talk(stream, &[select, (b'B', &[0; 8]), (b'E', &[0; 5]), (b'S', b"")]).await;
    assert!(told.contains("C42501"), "{told}");
    let told = query(stream, "ROLLBACK; SELECT 1").await;
    assert!(told.contains("C42501"), "{told}");
    let told = query(stream, "ROLLBACK").await;
    assert!(told.contains("ROLLBACK"), "{told}");
    assert_eq!(rows_changed(&stand), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_stays() {
    let stand = stand().await;
    let mut stream = changed(&stand).await;
    let stream = &mut stream;
    let told = query(stream, "COMMIT").await;
    assert!(told.contains("COMMIT"), "{told}");
    stand.memory.take_back("ann", "dba").await;
    let told = query(stream, "BEGIN").await;
    assert!(told.contains("BEGIN"), "{told}");
    let told = query(stream, "COMMIT").await;
    assert!(told.contains("COMMIT"), "{told}");
    assert_eq!(rows_changed(&stand), "1");
    let said = uncommitted(&stand);
    assert!(said.iter().skip(1).all(Option::is_none), "{said:?}");
    assert_eq!(said.first().unwrap().as_ref().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_commits_at_its_sync_ends_with_its_session() {
    // The agent waits, so that it need not run the same again.
    let stand = stand_on(&ASKS.replace("hold_s = 1\n", "")).await;
    let parse = [b"\0", UPDATE.as_bytes(), b"\0\0\0"].concat();
    let bind: (u8, &[u8]) = (b'B', &[0; 8]);
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    // A flush, so that the server has run it, and has not committed it.
    send(stream, &[(b'P', &parse), bind, (b'E', &[0; 5]), (b'H', b"")]).await;
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    while read_message(stream).await[0] != b'C' {}
    stand.memory.take_back("ann", "dba").await;
    send(stream, &[(b'S', b"")]).await;
    let told = String::from_utf8_lossy(&read_rest(stream).await).into_owned();
    assert!(told.contains("C42501"), "{told}");
    assert_eq!(stand.memory.closed().await, "approval");
    assert_eq!(rows_changed(&stand), "0");
}

const BIND: (u8, &[u8]) = (b'B', &[0; 8]);
const EXECUTE: (u8, &[u8]) = (b'E', &[0; 5]);
const SYNC: (u8, &[u8]) = (b'S', b"");

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_the_server_does_not_run_takes_nothing_back() {
    for before in [true, false] {
        let stand = stand().await;
        let mut stream = changed(&stand).await;
        let stream = &mut stream;
        query(stream, "SAVEPOINT s").await;
        let told = talk(stream, &[(b'P', b"twice\0SELECT 1\0\0\0"), SYNC]).await;
        assert!(!told.contains("SERROR"), "{told}");
        if before {
            stand.memory.take_back("ann", "dba").await;
        }
        let bind: (u8, &[u8]) = (b'B', b"\0twice\0\0\0\0\0\0\0");
        let told = talk(stream, &[(b'P', b"twice\0ROLLBACK\0\0\0"), bind, EXECUTE, SYNC]).await;
        assert!(told.contains("C42P05"), "{told}");
        if !before {
            stand.memory.take_back("ann", "dba").await;
        }
        let told = query(stream, "ROLLBACK TO s").await;
        assert!(told.contains("C42501"), "{told}");
        let told = query(stream, "COMMIT").await;
        assert!(told.contains("ROLLBACK"), "{told}");
        assert_eq!(rows_changed(&stand), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_prepared_before_it_runs_passes() {
    let stand = stand().await;
    let mut stream = changed(&stand).await;
    let stream = &mut stream;
    stand.memory.take_back("ann", "dba").await;
    let told = talk(stream, &[(b'P', b"\0ROLLBACK\0\0\0"), SYNC]).await;
    assert!(!told.contains("SERROR"), "{told}");
    let told = talk(stream, &[BIND, EXECUTE, SYNC]).await;
    assert!(told.contains("ROLLBACK"), "{told}");
    assert!(query(stream, "SELECT 'still here'").await.contains("still here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_chain_of_transactions_has_committed_stays() {
    let stand = stand().await;
    let mut stream = changed(&stand).await;
    let stream = &mut stream;
    let told = query(stream, "COMMIT AND CHAIN").await;
    assert!(told.contains("COMMIT"), "{told}");
    stand.memory.take_back("ann", "dba").await;
    let told = query(stream, "COMMIT").await;
    assert!(told.contains("COMMIT"), "{told}");
    assert_eq!(rows_changed(&stand), "1");
}

/// Runs messages that change all 50 rows, which a person has approved for five; gives what is told, and what the end of the reply says.
async fn limited(messages: &[(u8, &[u8])]) -> (Stand, String, Vec<(Option<u64>, bool)>) {
    let stand = stand_on(&ASKS.replace("hold_s = 1\n", "")).await;
    let mut stream = stand.raw_session().await;
    send(&mut stream, messages).await;
    let terms = Terms {
        rows: Some(5),
        grant: None,
    };
    stand
        .memory
        .decide_for("ann", "dba", Verdict::Approve, Some(terms))
        .await;
    let told = String::from_utf8_lossy(&read_rest(&mut stream).await).into_owned();
    assert_eq!(stand.memory.closed().await, "approval");
    let ends = stand.memory.each(|body| match body {
        Body::ResponseEnd(end) if end.status == "cut" => Some((end.changed, end.uncommitted.is_some())),
        _ => None,
    });
    (stand, told, ends)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_begin_stands_before_is_taken_back() {
    let (stand, told, ends) = limited(&[(b'Q', b"BEGIN; UPDATE notes SET text = 'new'\0")]).await;
    assert!(told.contains("more rows than people approved"), "{told}");
    assert_eq!(ends, [(Some(50), true)]);
    assert_eq!(rows_changed(&stand), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_given_in_parts_hide_no_count() {
    let parse: (u8, &[u8]) = (b'P', b"\0UPDATE notes SET text = 'new' RETURNING id\0\0\0");
    let execute: (u8, &[u8]) = (b'E', b"\0\0\0\0\x01");
    let begin: (u8, &[u8]) = (b'P', b"\0BEGIN\0\0\0");
    let (stand, told, ends) = limited(&[begin, BIND, EXECUTE, parse, BIND, execute, SYNC]).await;
    assert!(told.contains("more rows than people approved"), "{told}");
    assert_eq!(ends, [(None, true)]);
    assert_eq!(rows_changed(&stand), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_transaction_is_prepared_that_has_changed_something_by_an_approval() {
    let prepare = "PREPARE TRANSACTION 'x'";
    for by_message in [false, true] {
        let stand = stand().await;
        let mut stream = changed(&stand).await;
        let stream = &mut stream;
        let told = if by_message {
            let parse = [b"\0", prepare.as_bytes(), b"\0\0\0"].concat();
            talk(stream, &[(b'P', &parse), BIND, EXECUTE, SYNC]).await
        } else {
            query(stream, prepare).await
        };
        assert!(told.contains("C0A000") && told.contains("is not prepared"), "{told}");
        // The server takes back what it is not to keep.
        let told = query(stream, "COMMIT").await;
        assert!(told.contains("ROLLBACK"), "{told}");
        assert_eq!(rows_changed(&stand), "0");
        let told = query(stream, &format!("BEGIN; {UPDATE}; {prepare}")).await;
        assert!(told.contains("C0A000") && told.contains("is not prepared"), "{told}");
        // Of what nobody is asked about, the server says what becomes of it.
        query(stream, "BEGIN").await;
        let told = query(stream, prepare).await;
        assert!(told.contains("C55000"), "{told}");
        assert_eq!(rows_changed(&stand), "0");
    }
}
