//! What reaches the server before its event is durable, on a real server: reads and what a rollback takes back, and nothing
//! that acts outside of the transaction (P1); and that no reply leaves before (P2).

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, Stand, read_rest, read_until_ready, talk};

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "hidden"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["hidden.*"]
effect = "deny"
[[rules]]
name = "work"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "execute", "define", "session", "transaction"]
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

/// Code that defines more code, or another search path, while it runs.
const DEFINERS: &str = "CREATE TABLE late (id int); CREATE TABLE arming (id int); \
     CREATE FUNCTION arm() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
     CREATE TRIGGER t AFTER INSERT ON late FOR EACH ROW EXECUTE FUNCTION touched(); RETURN 1; END $$; \
     CREATE FUNCTION armed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM arm(); RETURN NULL; END $$; \
     CREATE TRIGGER t AFTER INSERT ON arming FOR EACH ROW EXECUTE FUNCTION armed(); \
     CREATE TABLE deferring (id int); \
     CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferring DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION armed(); \
     CREATE VIEW arms AS SELECT arm(); \
     CREATE SCHEMA hidden; CREATE TABLE hidden.plain (id int); INSERT INTO hidden.plain VALUES (4711); \
     CREATE FUNCTION hide() RETURNS void LANGUAGE sql AS $$ SELECT set_config('search_path', 'hidden, public', false) $$;";

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

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_ahead_after_code_that_may_have_defined_more() {
    let stand = stand().await;
    stand.server.execute(DEFINERS);
    let transactions: [&[&str]; 6] = [
        &["BEGIN", "SELECT arm()"],
        &["BEGIN", "INSERT INTO arming VALUES (1)"],
        &["BEGIN", "SELECT * FROM arms"],
        &["BEGIN", "PREPARE q AS SELECT arm()", "EXECUTE q"],
        &["BEGIN", "DECLARE c CURSOR FOR SELECT arm()", "FETCH c"],
        &["BEGIN", "INSERT INTO deferring VALUES (1)", "COMMIT", "BEGIN"],
    ];
    for transaction in transactions {
        let mut stream = stand.raw_session().await;
        for sql in transaction {
            talk(&mut stream, &[(b'Q', &[sql.as_bytes(), b"\0"].concat())]).await;
        }
        let before = seen(&stand);
        let events = stand.memory.hold();
        send(&mut stream, "INSERT INTO late VALUES (1)").await;
        stand.memory.handed_over(events + 1).await;
        assert_eq!(seen(&stand), before, "{transaction:?}");
        stand.memory.go_on();
        read_until_ready(&mut stream).await;
        assert_ne!(seen(&stand), before, "{transaction:?}");
        talk(&mut stream, &[(b'Q', b"ROLLBACK\0")]).await;
        stand.server.execute("DROP TRIGGER IF EXISTS t ON late");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inserts_into_tables_with_serial_and_clock_defaults_leave_reads_running_ahead() {
    let stand = stand().await;
    stand
        .server
        .execute("CREATE TABLE kept (id serial, at timestamptz DEFAULT now(), n int)");
    let mut stream = stand.raw_session().await;
    talk(&mut stream, &[(b'Q', b"INSERT INTO kept (n) VALUES (1)\0")]).await;
    let events = stand.memory.hold();
    send(&mut stream, "SELECT id FROM plain").await;
    // Command, chunk and end: the server has answered before anything was durable.
    stand.memory.handed_over(events + 3).await;
    stand.memory.go_on();
    read_until_ready(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_decided_on_by_the_path_that_a_called_function_has_set() {
    let stand = stand().await;
    stand.server.execute(DEFINERS);
    for call in ["SELECT hide()", "SELECT set_config('search_path', 'hidden', false)"] {
        let parse = |sql: &str| [b"\0", sql.as_bytes(), b"\0\0\0"].concat();
        let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
        let execute: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
        let (first, second) = (parse(call), parse("SELECT id FROM plain"));
        let mut stream = stand.raw_session().await;
        // In one pipeline, after it, and in one message.
        let pipeline = [
            (b'P', &first[..]),
            bind,
            execute,
            (b'P', &second),
            bind,
            execute,
            (b'S', b""),
        ];
        let told = talk(&mut stream, &pipeline).await;
        assert!(told.contains("C42501") && !told.contains("4711"), "{call}: {told}");
        // A query in an unfinished pipeline.
        let mut unfinished = stand.raw_session().await;
        let query: (u8, &[u8]) = (b'Q', b"SELECT id FROM plain\0");
        let told = talk(
            &mut unfinished,
            &[(b'P', &first[..]), bind, execute, query, (b'S', b"")],
        )
        .await;
        assert!(told.contains("C42501") && !told.contains("4711"), "{call}: {told}");
        talk(&mut stream, &[(b'Q', &[call.as_bytes(), b"\0"].concat())]).await;
        let told = talk(&mut stream, &[(b'Q', b"SELECT id FROM plain\0")]).await;
        assert!(told.contains("C42501") && !told.contains("4711"), "{call}: {told}");
        let told = talk(&mut stream, &[(b'Q', b"SELECT id FROM public.plain\0")]).await;
        assert!(told.contains("SELECT 1"), "{call}: {told}");
        let mut stream = stand.raw_session().await;
        let both = [call.as_bytes(), b"; SELECT id FROM plain\0"].concat();
        talk(&mut stream, &[(b'Q', &both)]).await;
        let statements = stand.memory.accesses();
        assert!(
            statements.last().is_some_and(|all| all.contains("read ?.plain")),
            "{statements:?}"
        );
        let mut stream = stand.raw_session().await;
        talk(
            &mut stream,
            &[(b'Q', &[b"PREPARE q AS ", call.as_bytes(), b"\0"].concat())],
        )
        .await;
        let told = talk(&mut stream, &[(b'Q', b"EXECUTE q; SELECT id FROM plain\0")]).await;
        assert!(told.contains("C0A000") && !told.contains("4711"), "{call}: {told}");
        // Prepared by a message, and as a cursor.
        let mut stream = stand.raw_session().await;
        let named = [b"q\0", call.as_bytes(), b"\0\0\0"].concat();
        talk(&mut stream, &[(b'P', &named), (b'S', b"")]).await;
        let told = talk(&mut stream, &[(b'Q', b"EXECUTE q; SELECT id FROM plain\0")]).await;
        assert!(told.contains("C0A000") && !told.contains("4711"), "{call}: {told}");
        let mut stream = stand.raw_session().await;
        let cursor = [b"BEGIN; DECLARE c CURSOR FOR ", call.as_bytes(), b"\0"].concat();
        talk(&mut stream, &[(b'Q', &cursor)]).await;
        let told = talk(&mut stream, &[(b'Q', b"FETCH c; SELECT id FROM plain\0")]).await;
        assert!(!told.contains("4711"), "{call}: {told}");
        for around in ["EXPLAIN ANALYZE ", "CREATE TEMP TABLE t AS "] {
            let mut stream = stand.raw_session().await;
            let both = [around.as_bytes(), call.as_bytes(), b"; SELECT id FROM plain\0"].concat();
            talk(&mut stream, &[(b'Q', &both)]).await;
            let statements = stand.memory.accesses();
            let unknown = |all: &String| all.contains("read ?.plain");
            assert!(statements.last().is_some_and(unknown), "{around}{call}: {statements:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_in_a_pipeline_hold_for_what_follows_in_it() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
    let execute: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
    let pipeline = [
        (b'P', &b"\0CREATE TABLE made (id int)\0\0\0"[..]),
        bind,
        execute,
        (b'P', b"\0INSERT INTO made VALUES (7)\0\0\0"),
        bind,
        execute,
        (b'P', b"\0SELECT id FROM made\0\0\0"),
        bind,
        execute,
        (b'S', b""),
    ];
    let told = talk(&mut stream, &pipeline).await;
    assert!(
        told.contains("CREATE TABLE") && told.contains("INSERT 0 1") && told.contains("SELECT 1"),
        "{told}"
    );
    let statements = stand.memory.accesses();
    assert!(
        statements.iter().any(|all| all.contains("read public.made")),
        "{statements:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_definition_failed_ends_by_commit_as_at_the_server() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
    let told = talk(&mut stream, &[(b'Q', b"CREATE TABLE plain (id int)\0")]).await;
    assert!(told.contains("C42P07"), "{told}");
    let told = talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await;
    assert!(told.contains("C25P02") && told.contains("aborted"), "{told}");
    let told = talk(&mut stream, &[(b'Q', b"COMMIT\0")]).await;
    assert!(told.contains("ROLLBACK"), "{told}");
    let told = talk(&mut stream, &[(b'Q', b"SELECT id FROM plain\0")]).await;
    assert!(told.contains("SELECT 1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_statements_are_read_by_ends_the_session_within_a_pipeline() {
    let stand = stand().await;
    let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
    let execute: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
    let mut stream = stand.raw_session().await;
    let messages: [(u8, &[u8]); 7] = [
        (
            b'P',
            b"\0SELECT set_config('standard_conforming_strings', 'off', false)\0\0\0",
        ),
        bind,
        execute,
        (b'P', b"\0SELECT 4711\0\0\0"),
        bind,
        execute,
        (b'S', b""),
    ];
    for (tag, body) in messages {
        stream.write_all(&encode::message(tag, body)).await.unwrap();
    }
    stream.flush().await.unwrap();
    let told = String::from_utf8_lossy(&read_rest(&mut stream).await).into_owned();
    assert!(told.contains("FATAL") && !told.contains("4711"), "{told}");
    // Nothing was read by the other setting, let alone passed on.
    let statements = stand.memory.statements();
    assert!(
        statements.last().is_some_and(|(last, _)| last.contains("set_config")),
        "{statements:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_outlive_the_questions_of_the_proxy() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    talk(&mut stream, &[(b'Q', b"LISTEN news\0")]).await;
    let events = stand.memory.hold();
    // The second is there when the first is released, so the proxy asks for the catalog and reads nothing before.
    send(&mut stream, "SET search_path = public").await;
    send(&mut stream, "SELECT 1").await;
    stand.memory.handed_over(events + 3).await;
    stand.server.execute("NOTIFY news, 'from outside'");
    stand.memory.go_on();
    let mut told = read_until_ready(&mut stream).await;
    told.extend(read_until_ready(&mut stream).await);
    told.extend(talk(&mut stream, &[(b'Q', b"SELECT 2\0")]).await.bytes());
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("from outside"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_outlive_code_unless_the_code_has_made_them_others() {
    let stand = stand().await;
    stand.server.execute(
        "CREATE FUNCTION remake() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE n'; \
         EXECUTE 'DEALLOCATE q'; EXECUTE 'PREPARE n AS SELECT id FROM hidden.plain'; \
         EXECUTE 'PREPARE q AS SELECT id FROM hidden.plain'; END $$; \
         CREATE SCHEMA hidden; CREATE TABLE hidden.plain (id int); INSERT INTO hidden.plain VALUES (4711);",
    );
    let mut stream = stand.raw_session().await;
    let bind: (u8, &[u8]) = (b'B', b"\0n\0\0\0\0\0\0\0");
    let execute: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
    let prepare = [(b'P', &b"n\0SELECT id FROM plain\0\0\0"[..]), (b'S', b"")];
    talk(&mut stream, &prepare).await;
    talk(&mut stream, &[(b'Q', b"SELECT 1; PREPARE q AS SELECT id FROM plain\0")]).await;
    for code in ["SELECT move()", "DO 'BEGIN PERFORM 1; END'"] {
        talk(&mut stream, &[(b'Q', &[code.as_bytes(), b"\0"].concat())]).await;
        let told = talk(&mut stream, &[bind, execute, (b'S', b"")]).await;
        assert!(told.contains("SELECT 1"), "{code}: {told}");
        let told = talk(&mut stream, &[(b'Q', b"EXECUTE q\0")]).await;
        assert!(told.contains("SELECT 1"), "{code}: {told}");
    }
    // In one pipeline with what follows, and by the other way.
    let remake = [
        (b'P', &b"\0SELECT remake()\0\0\0"[..]),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        execute,
        bind,
        execute,
        (b'S', b""),
    ];
    let told = talk(&mut stream, &remake).await;
    assert!(!told.contains("4711"), "{told}");
    talk(&mut stream, &[(b'Q', b"SELECT remake()\0")]).await;
    let before = stand.memory.accesses().len();
    talk(&mut stream, &[(b'Q', b"EXECUTE q\0")]).await;
    let after = stand.memory.accesses();
    assert!(
        after.get(before).is_some_and(|all| all.contains("?.execute")),
        "decided on as unknown: {after:?}"
    );
}
