//! Real clients, a real server, and a recorder in memory: what passes, what does not, and what is recorded of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may stop, and writes its own files, which need not last"
)]

#[path = "flow/ahead.rs"]
mod ahead;
#[path = "flow/attached.rs"]
mod attached;
#[path = "flow/between.rs"]
mod between;
#[path = "flow/cancelled.rs"]
mod cancelled;
#[path = "flow/choices.rs"]
mod choices;
#[path = "flow/copy.rs"]
mod copy;
#[path = "flow/credentials.rs"]
mod credentials;
#[path = "flow/encoding.rs"]
mod encoding;
#[path = "flow/ending.rs"]
mod ending;
#[path = "flow/enforced.rs"]
mod enforced;
#[path = "flow/entry.rs"]
mod entry;
#[path = "flow/estimated.rs"]
mod estimated;
#[path = "flow/full.rs"]
mod full;
#[path = "flow/granted.rs"]
mod granted;
#[path = "flow/limited.rs"]
mod limited;
#[path = "flow/lineage.rs"]
mod lineage;
#[path = "flow/moved.rs"]
mod moved;
#[path = "flow/named.rs"]
mod named;
#[path = "flow/netted.rs"]
mod netted;
#[path = "flow/pairs.rs"]
mod pairs;
#[path = "flow/patients.rs"]
mod patients;
#[path = "flow/pipeline.rs"]
mod pipeline;
#[path = "flow/previewed.rs"]
mod previewed;
#[path = "flow/probed.rs"]
mod probed;
#[path = "flow/retried.rs"]
mod retried;
#[path = "flow/sealed.rs"]
mod sealed;
#[path = "flow/seen.rs"]
mod seen;
#[path = "flow/server.rs"]
mod server;
#[path = "flow/shared.rs"]
mod shared;
#[path = "flow/stand.rs"]
mod stand;
#[path = "flow/threshold.rs"]
mod threshold;
#[path = "flow/typed.rs"]
mod typed;
#[path = "flow/uncommitted.rs"]
mod uncommitted;
#[path = "flow/views.rs"]
mod views;

use std::sync::atomic::Ordering;

use exhibit_postgres::message::encode;
use stand::{Stand, read_until_ready, talk};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn simple_statements_are_masked_recorded_and_refused() {
    let stand = Stand::start().await;
    let rows = stand.psql("SELECT id, name, ssn, born FROM patients ORDER BY id").await;
    assert_eq!(rows, "1|Ann|***-**-6789|1970-01-01\n2|Bob||1981-01-01\n");

    let denied = stand.psql("SELECT * FROM audit").await;
    assert!(denied.contains("the audit table is not for pipelines"), "{denied}");
    assert!(denied.contains("no-audit"), "{denied}");
    let unproven = stand.psql("SELECT id FROM patients WHERE ssn = '1'").await;
    assert!(unproven.contains("refused by policy"), "{unproven}");
    let syntax = stand.psql("SELEC 'secret-word'").await;
    assert!(
        syntax.contains("not valid SQL") && !syntax.contains("secret-word"),
        "{syntax}"
    );
    let error = stand.psql("INSERT INTO patients VALUES (1, 'x', 'y', NULL)").await;
    assert!(error.contains("withheld") && !error.contains("(1)"), "{error}");

    let multi = stand
        .psql("INSERT INTO notes VALUES (1, 'a'); SELECT text FROM notes")
        .await;
    assert!(multi.contains('a'), "{multi}");

    let statements = stand.memory.statements();
    let outcomes: Vec<&str> = statements.iter().map(|(_, outcome)| outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        ["allowed", "denied", "denied", "denied", "allowed", "allowed"]
    );
    let evidence = stand.memory.evidence();
    for value in ["123-45", "1970-02", "secret-word"] {
        let found = evidence.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "{value} is in the evidence");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_are_masked_and_reused() {
    let stand = Stand::start().await;
    let client = stand.driver().await;
    let statement = client
        .prepare("SELECT name, ssn, born FROM patients WHERE id = $1")
        .await
        .unwrap();
    for _ in 0..3 {
        let row = client.query_one(&statement, &[&1_i32]).await.unwrap();
        assert_eq!(row.get::<_, String>(1), "***-**-6789");
    }
    let error = client.query("SELECT id FROM audit", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    // The session goes on after a refusal, and a failed pipeline too.
    let failed = client
        .execute("INSERT INTO patients VALUES ($1, 'x', 'y', NULL)", &[&1_i32])
        .await
        .unwrap_err();
    assert_eq!(failed.code().unwrap().code(), "23505");
    assert!(failed.as_db_error().unwrap().detail().is_none());
    assert_eq!(client.query("SELECT id FROM notes", &[]).await.unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_fails_its_transaction() {
    let stand = Stand::start().await;
    let client = stand.driver().await;
    client.batch_execute("BEGIN").await.unwrap();
    client
        .batch_execute("INSERT INTO notes VALUES (7, 'half')")
        .await
        .unwrap();
    client.batch_execute("SELECT * FROM audit").await.unwrap_err();
    // Nothing at all passes, as at the server, and ends nothing.
    client.batch_execute("").await.unwrap();
    let passed_over = client
        .batch_execute("INSERT INTO notes VALUES (9, 'x')")
        .await
        .unwrap_err();
    assert_eq!(passed_over.code().unwrap().code(), "25P02");
    // The server takes it all back, whichever way it ends, or up to a savepoint.
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
    client
        .batch_execute("BEGIN; INSERT INTO notes VALUES (7, 'kept'); SAVEPOINT s")
        .await
        .unwrap();
    client.batch_execute("SELECT * FROM audit").await.unwrap_err();
    client.batch_execute("ROLLBACK TO s").await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "1");
    client
        .batch_execute("INSERT INTO notes VALUES (8, 'whole')")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_without_the_ledger() {
    let stand = Stand::start().await;
    let client = stand.driver().await;
    client
        .batch_execute("INSERT INTO notes VALUES (1, 'recorded')")
        .await
        .unwrap();
    stand.memory.broken.store(true, Ordering::SeqCst);
    client
        .batch_execute("INSERT INTO notes VALUES (2, 'unrecorded')")
        .await
        .unwrap_err();
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "1");
    assert!(stand.psql("SELECT 1").await.contains("ledger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_gets_exactly_what_is_recorded_even_byte_by_byte() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let statement = encode::message(b'P', b"\0SELECT id, name, ssn FROM patients ORDER BY id\0\0\0");
    let group = [
        statement,
        encode::message(b'B', b"\0\0\0\0\0\0\0\0"),
        encode::message(b'D', b"P\0"),
        encode::message(b'E', b"\0\0\0\0\x01"),
        encode::message(b'E', b"\0\0\0\0\0"),
        encode::message(b'S', b""),
    ]
    .concat();
    for byte in group {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let extended = read_until_ready(&mut stream).await;
    stream
        .write_all(&encode::message(b'Q', b"SELECT ssn FROM patients; SELECT 1\0"))
        .await
        .unwrap();
    stream.flush().await.unwrap();
    let simple = read_until_ready(&mut stream).await;
    assert_eq!([extended, simple].concat(), stand.memory.released());
    // Bytes that are no message end the session.
    stream.write_all(&encode::message(b'z', b"")).await.unwrap();
    stream.flush().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.windows(5).any(|window| window == b"08P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_is_decided_by_what_its_names_meant_when_it_was_bound() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(stream, &[(b'Q', b"SET search_path = staging\0")]).await;
    let parse = b"s\0SELECT id FROM audit\0\0\0";
    let parsed = talk(stream, &[(b'P', parse), (b'S', b"")]).await;
    assert!(
        parsed.starts_with('1'),
        "the relation of that path may be read: {parsed}"
    );
    talk(stream, &[(b'Q', b"SET search_path = public\0")]).await;
    // The portal is planned here, where the name means the relation that is denied; something else is executed.
    let bind = [
        (b'P', b"h\0SELECT 1\0\0\0".as_slice()),
        (b'B', b"p\0s\0\0\0\0\0\0\0"),
        (b'B', b"\0h\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ];
    talk(stream, &bind).await;
    talk(stream, &[(b'Q', b"SET search_path = staging\0")]).await;
    let executed = talk(stream, &[(b'E', b"p\0\0\0\0\0"), (b'S', b"")]).await;
    assert!(!executed.contains("4711"), "{executed}");
    assert!(executed.contains("42501"), "{executed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn preparing_a_rollback_does_not_end_a_refused_transaction() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(stream, &[(b'Q', b"INSERT INTO notes VALUES (7, 'half')\0")]).await;
    talk(stream, &[(b'Q', b"SELECT * FROM audit\0")]).await;
    let prepared = talk(stream, &[(b'P', b"r\0ROLLBACK\0\0\0"), (b'S', b"")]).await;
    assert!(prepared.starts_with('1'), "{prepared}");
    let passed_over = talk(stream, &[(b'Q', b"INSERT INTO notes VALUES (9, 'more')\0")]).await;
    assert!(passed_over.contains("25P02"), "{passed_over}");
    talk(
        stream,
        &[(b'B', b"\0r\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
    )
    .await;
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
    let after = talk(stream, &[(b'Q', b"INSERT INTO notes VALUES (8, 'whole')\0")]).await;
    assert!(after.contains("INSERT 0 1"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_key_cancels() {
    let stand = Stand::start().await;
    let client = stand.driver().await;
    let token = client.cancel_token();
    // Locked by the server's own session, so the statement waits until it is cancelled.
    let lock = stand.server.lock("notes");
    let waiting = tokio::spawn(async move { client.batch_execute("INSERT INTO notes VALUES (3, 'x')").await });
    stand.server.wait_for_lock();
    let mut socket = tokio::net::TcpStream::connect(stand.address).await.unwrap();
    let wrong = exhibit_postgres::message::startup::cancel_request(1, &[0; 4]);
    socket.write_all(&wrong).await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert!(!waiting.is_finished());
    let socket = tokio::net::TcpStream::connect(stand.address).await.unwrap();
    token.cancel_query_raw(socket, tokio_postgres::NoTls).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_and_plain_connections_stay_out() {
    let stand = Stand::start().await;
    let stream = stand.raw().await;
    let mut config = tokio_postgres::Config::new();
    config.user("ci").password("exk_wrong").dbname("postgres");
    let refused = config.connect_raw(stream, tokio_postgres::NoTls).await.err().unwrap();
    assert_eq!(refused.code().unwrap().code(), "28P01");
    let mut socket = tokio::net::TcpStream::connect(stand.address).await.unwrap();
    let start = exhibit_postgres::message::startup::startup(0, &[("user", "ci")]);
    socket.write_all(&start).await.unwrap();
    let mut told = Vec::new();
    socket.read_to_end(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("takes only TLS"));
}
