//! A question of the proxy's own that is cancelled, or runs out of time, in the agent's transaction: the agent is told as by
//! the server, and the session goes on.

use std::sync::Arc;

use exhibit_postgres::message::Raw;
use exhibit_postgres::message::backend::Backend;
use exhibit_postgres::message::encode;
use exhibit_postgres::message::startup::cancel_request;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{
    Encrypted, POLICY, SCHEMA, Stand, enter, messages, read_message, read_rest, read_until_ready, sqlstate, talk,
};

/// What is asked for the catalog and for nothing else here.
const READ_FOR_CATALOGS: &str = "pg_catalog.pg_policy";

async fn stand() -> Stand {
    let server = Arc::new(Server::start());
    server.execute(SCHEMA);
    let policy = POLICY.replace("\"transaction\"]", "\"transaction\", \"define\"]");
    Stand::start_with(server, &policy, |_| {}).await
}

/// A session, and its key for cancelling.
pub(crate) async fn session(stand: &Stand) -> (Encrypted, Vec<u8>) {
    let mut stream = stand.raw().await;
    let answers = enter(&mut stream, 2, &[]).await;
    let key = answers.iter().find(|answer| answer.tag() == b'K').unwrap();
    match Backend::parse(key).unwrap() {
        Backend::KeyData(process, secret) => (stream, cancel_request(process, &secret)),
        _ => panic!("a session has a key"),
    }
}

async fn send(stream: &mut Encrypted, messages: &[(u8, &[u8])]) {
    for (tag, body) in messages {
        stream.write_all(&encode::message(*tag, body)).await.unwrap();
    }
    stream.flush().await.unwrap();
}

async fn cancel(stand: &Stand, request: &[u8]) {
    stand.server.wait_for_lock();
    let mut socket = stand.plain().await;
    socket.write_all(request).await.unwrap();
    read_rest(&mut socket).await;
}

fn state(answer: &[u8]) -> u8 {
    *answer.last().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transaction_fails_and_the_session_goes_on() {
    let stand = stand().await;
    for (mut limit, ends) in [(250, "ROLLBACK"), (0, "COMMIT")] {
        let (mut stream, request) = session(&stand).await;
        loop {
            let begin = format!("BEGIN; SET LOCAL statement_timeout = {limit}\0");
            talk(&mut stream, &[(b'Q', begin.as_bytes())]).await;
            let created = talk(&mut stream, &[(b'Q', b"CREATE TABLE x (id int)\0")]).await;
            if created.contains("CREATE TABLE") {
                break;
            }
            // A machine that is slower than that gets more time.
            assert!(created.contains("C57014"), "{created}");
            limit *= 2;
            talk(&mut stream, &[(b'Q', b"ROLLBACK\0")]).await;
        }
        let lock = stand.server.lock(READ_FOR_CATALOGS);
        send(&mut stream, &[(b'Q', b"SELECT id FROM x\0")]).await;
        if limit == 0 {
            cancel(&stand, &request).await;
        }
        let told = read_until_ready(&mut stream).await;
        assert_eq!(
            (sqlstate(&told).as_deref(), state(&told)),
            (Some("57014"), b'E'),
            "{limit}"
        );
        send(&mut stream, &[(b'Q', b"SELECT 1\0")]).await;
        let told = read_until_ready(&mut stream).await;
        assert_eq!(
            (sqlstate(&told).as_deref(), state(&told)),
            (Some("25P02"), b'E'),
            "{limit}"
        );
        drop(lock);
        let end = format!("{ends}\0");
        let told = talk(&mut stream, &[(b'Q', end.as_bytes())]).await;
        assert!(told.contains("ROLLBACK\0"), "{told}");
        let told = talk(&mut stream, &[(b'Q', b"SELECT name FROM patients WHERE id = 2\0")]).await;
        assert!(told.contains("Bob"), "{told}");
    }
    let denied = ("SELECT id FROM x".to_owned(), "denied".to_owned());
    assert_eq!(
        stand.memory.statements().iter().filter(|one| **one == denied).count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_passed_over_up_to_its_sync() {
    let stand = stand().await;
    for (synced, asks) in [(true, true), (false, true), (true, false)] {
        let (mut stream, request) = session(&stand).await;
        let unnamed: [(u8, &[u8]); 2] = [(b'B', &[0; 8]), (b'E', &[0; 5])];
        let create = [
            (b'P', &b"\0CREATE TABLE x (id int)\0\0\0"[..]),
            unnamed[0],
            unnamed[1],
            (b'H', b""),
        ];
        send(&mut stream, &create).await;
        while read_message(&mut stream).await[0] != b'C' {}
        let lock = stand.server.lock(READ_FOR_CATALOGS);
        let end: (u8, &[u8]) = if synced { (b'S', b"") } else { (b'H', b"") };
        let select = [(b'P', &b"\0SELECT id FROM x\0\0\0"[..]), unnamed[0], unnamed[1], end];
        send(&mut stream, if asks { &select } else { &select[3..] }).await;
        cancel(&stand, &request).await;
        let mut told = Vec::new();
        if !synced {
            told = read_message(&mut stream).await;
            send(&mut stream, &[select[0], (b'S', b"")]).await;
        }
        told.extend(read_until_ready(&mut stream).await);
        let tags: Vec<u8> = messages(&told).iter().map(Raw::tag).collect();
        assert_eq!(
            (sqlstate(&told).as_deref(), tags.as_slice()),
            (Some("57014"), &b"EZ"[..])
        );
        assert_eq!(state(&told), b'I');
        drop(lock);
        let told = talk(&mut stream, &[(b'Q', b"SELECT name FROM patients WHERE id = 2\0")]).await;
        assert!(told.contains("Bob"), "{told}");
    }
    assert_eq!(
        stand
            .server
            .execute("SELECT count(*) FROM pg_class WHERE relname = 'x'")
            .trim(),
        "0"
    );
}
