//! What reaches the server before its event is durable, on a real server: reads and what a rollback takes back, and nothing
//! that acts outside of the transaction (P1); and that no reply leaves before (P2).

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, Stand, read_until_ready, talk};

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "work"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "execute", "session", "transaction"]
effect = "allow"
"#;

/// Everything through which a statement could move the sequence, which no rollback takes back.
const SCHEMA: &str = "CREATE SEQUENCE s; CREATE TABLE plain (id int); INSERT INTO plain VALUES (1); \
     CREATE FUNCTION move() RETURNS int LANGUAGE sql AS $$ SELECT nextval('s')::int $$; \
     CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('s'); RETURN NEW; END $$; \
     CREATE TABLE defaulted (id int, n int DEFAULT nextval('s')); \
     CREATE TABLE triggered (id int); \
     CREATE TRIGGER t AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION touched(); \
     CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); \
     CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE); INSERT INTO child VALUES (1); \
     CREATE FUNCTION deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('s'); RETURN OLD; END $$; \
     CREATE TRIGGER t BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION deleted(); \
     CREATE VIEW seen AS SELECT move() AS moved; \
     CREATE TABLE checked (id int CHECK (id < move() + 1000)); \
     CREATE DOMAIN judged AS int CHECK (VALUE < move() + 1000); CREATE TABLE of_domain (id judged); \
     CREATE TABLE ruled (id int); CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT nextval('s'); \
     CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME counted_s), n int);";

const OUTSIDE: [&str; 13] = [
    "SELECT nextval('s')",
    "SELECT setval('s', 100)",
    "SELECT move()",
    "SELECT * FROM seen",
    "SELECT 1; SELECT nextval('s')",
    "INSERT INTO defaulted (id) VALUES (1)",
    "INSERT INTO triggered VALUES (1)",
    "DELETE FROM parent",
    "INSERT INTO checked VALUES (1)",
    "INSERT INTO of_domain VALUES (1)",
    "INSERT INTO ruled VALUES (1)",
    "INSERT INTO counted (n) VALUES (1)",
    "INSERT INTO plain SELECT nextval('s')",
];

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    Stand::start_with(Arc::new(server), POLICY, |_| {}).await
}

async fn send(stream: &mut Encrypted, sql: &str) {
    let message = encode::message(b'Q', &[sql.as_bytes(), &[0]].concat());
    stream.write_all(&message).await.unwrap();
    stream.flush().await.unwrap();
}

/// Where both sequences stand, and what other sessions see of the table.
fn seen(stand: &Stand) -> String {
    stand.server.execute(
        "SELECT s.last_value, s.is_called, c.last_value, c.is_called, (SELECT count(*) FROM plain) FROM s, counted_s c",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_acts_outside_the_transaction_waits_for_its_event() {
    let stand = stand().await;
    for begin in ["BEGIN", ""] {
        for sql in OUTSIDE {
            let mut stream = stand.raw_session().await;
            if !begin.is_empty() {
                talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
            }
            let before = seen(&stand);
            let events = stand.memory.hold();
            send(&mut stream, sql).await;
            stand.memory.handed_over(events + 1).await;
            assert_eq!(seen(&stand), before, "{begin} {sql}");
            stand.memory.go_on();
            read_until_ready(&mut stream).await;
            assert_ne!(seen(&stand), before, "{begin} {sql} moves it, once it may");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_reach_the_server_first_and_their_rows_leave_last() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let events = stand.memory.hold();
    send(&mut stream, "SELECT id FROM plain").await;
    // Command, chunk and end: the server has answered, although nothing is durable.
    stand.memory.handed_over(events + 3).await;
    let mut byte = [0];
    let left = {
        let mut reading = std::pin::pin!(tokio::io::AsyncReadExt::read(&mut stream, &mut byte));
        reading
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    };
    assert!(left.is_pending(), "a byte left before its event was durable");
    stand.memory.go_on();
    let answer = read_until_ready(&mut stream).await;
    assert!(answer.windows(2).any(|window| window == b"D\0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_and_what_follows_it_wait_although_the_transaction_seems_open() {
    let stand = stand().await;
    for (sql, wanted) in [
        ("COMMIT", "2"),
        ("ROLLBACK; INSERT INTO plain VALUES (3)", "3"),
        ("COMMIT; INSERT INTO plain VALUES (3)", "5"),
    ] {
        let mut stream = stand.raw_session().await;
        talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
        let before = seen(&stand);
        talk(&mut stream, &[(b'Q', b"INSERT INTO plain VALUES (2)\0")]).await;
        assert_eq!(seen(&stand), before);
        let events = stand.memory.hold();
        send(&mut stream, sql).await;
        stand.memory.handed_over(events + 1).await;
        assert_eq!(seen(&stand), before, "{sql}");
        stand.memory.go_on();
        read_until_ready(&mut stream).await;
        assert!(seen(&stand).trim_end().ends_with(wanted), "{sql}: {}", seen(&stand));
    }
}
