//! Code that hangs on relations and sets another search path: what follows is decided on by the names that the server reads (P7).

use std::sync::Arc;

use crate::server::Server;
use crate::stand::{Encrypted, Stand, talk};

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
actions = ["read", "write", "session", "transaction"]
effect = "allow"
"#;

/// A trigger, a deferred one, a default, a view and row security, each of which has names mean what is in another schema.
const SCHEMA: &str = "CREATE SCHEMA hidden; CREATE TABLE plain (id int); INSERT INTO plain VALUES (1); \
     CREATE TABLE hidden.plain (id int); INSERT INTO hidden.plain VALUES (4711); \
     CREATE TABLE sole (id int); INSERT INTO sole VALUES (1); \
     CREATE FUNCTION hide() RETURNS text LANGUAGE sql AS $$ SELECT set_config('search_path', 'hidden, public', false) $$; \
     CREATE FUNCTION hiding() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM hide(); RETURN NEW; END $$; \
     CREATE TABLE triggered (id int); \
     CREATE TRIGGER t AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION hiding(); \
     CREATE TABLE deferring (id int); \
     CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferring DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION hiding(); \
     CREATE TABLE defaulted (id int, was text DEFAULT hide()); \
     CREATE VIEW seen AS SELECT hide() AS was;";

/// Statements that name no code, and run some.
const ATTACHED: [&str; 4] = [
    "INSERT INTO public.triggered VALUES (1)",
    "INSERT INTO public.deferring VALUES (1)",
    "INSERT INTO public.defaulted (id) VALUES (1)",
    "SELECT was FROM public.seen",
];

const BIND: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");

async fn stand(schema: &str) -> Stand {
    let server = Server::start();
    server.execute(schema);
    Stand::start_with(Arc::new(server), POLICY, |_| {}).await
}

fn parse(sql: &str) -> Vec<u8> {
    [b"\0", sql.as_bytes(), b"\0\0\0"].concat()
}

async fn query(stream: &mut Encrypted, sql: &str) -> String {
    talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await
}

/// The rule about the other schema has denied it.
fn is_denied(told: &str) -> bool {
    told.contains("C42501") && told.contains("rule: hidden") && !told.contains("4711")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_in_other_messages_is_decided_on_by_the_path_that_was_set() {
    let stand = stand(SCHEMA).await;
    let select = parse("SELECT id FROM plain");
    for attached in ATTACHED {
        let mut stream = stand.raw_session().await;
        let told = query(&mut stream, attached).await;
        assert!(
            told.contains("INSERT") || told.contains("SELECT 1"),
            "{attached}: {told}"
        );
        let told = query(&mut stream, "SELECT id FROM plain").await;
        assert!(is_denied(&told), "{attached}: {told}");
        let told = query(&mut stream, "SELECT id FROM public.plain").await;
        assert!(told.contains("SELECT 1"), "{attached}: {told}");
        if attached.contains("deferring") {
            continue;
        }
        // In a transaction, and in one pipeline.
        let mut stream = stand.raw_session().await;
        query(&mut stream, "BEGIN").await;
        query(&mut stream, attached).await;
        let told = query(&mut stream, "SELECT id FROM plain").await;
        assert!(is_denied(&told), "{attached}: {told}");
        let mut stream = stand.raw_session().await;
        let first = parse(attached);
        let pipeline = [
            (b'P', &first[..]),
            BIND,
            EXECUTE,
            (b'P', &select),
            BIND,
            EXECUTE,
            (b'S', b""),
        ];
        let told = talk(&mut stream, &pipeline).await;
        assert!(is_denied(&told), "{attached}: {told}");
    }
    // At the end of its transaction.
    let mut stream = stand.raw_session().await;
    query(&mut stream, "BEGIN; INSERT INTO public.deferring VALUES (1)").await;
    query(&mut stream, "COMMIT").await;
    let told = query(&mut stream, "SELECT id FROM plain").await;
    assert!(is_denied(&told), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_in_the_same_message_is_known_where_a_name_can_mean_one_relation_alone() {
    let stand = stand(SCHEMA).await;
    for attached in ATTACHED {
        for (name, access) in [("plain", "read ?.plain"), ("sole", "read public.sole")] {
            let mut stream = stand.raw_session().await;
            query(&mut stream, &format!("{attached}; SELECT id FROM {name}")).await;
            let accesses = stand.memory.accesses();
            let last = accesses.last().expect("a command was recorded");
            assert!(last.contains(access), "{attached}: {last}");
        }
        // By its name, and as a cursor.
        let mut stream = stand.raw_session().await;
        query(&mut stream, &format!("PREPARE q AS {attached}")).await;
        let told = query(&mut stream, "EXECUTE q; SELECT id FROM plain").await;
        assert!(told.contains("C0A000") && !told.contains("4711"), "{attached}: {told}");
    }
    let mut stream = stand.raw_session().await;
    query(&mut stream, "BEGIN; DECLARE c CURSOR FOR SELECT was FROM public.seen").await;
    let told = query(&mut stream, "FETCH c; SELECT id FROM plain").await;
    assert!(told.contains("C0A000") && !told.contains("4711"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_that_nobody_names_may_set_the_path_too() {
    let cast = "CREATE TYPE mark AS ENUM ('a'); \
         CREATE FUNCTION marks(mark) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT hide() $$; \
         CREATE CAST (mark AS text) WITH FUNCTION marks(mark) AS IMPLICIT; \
         CREATE TABLE marked (at mark); INSERT INTO marked VALUES ('a');";
    let stand = stand(&format!("{SCHEMA} {cast}")).await;
    let mut stream = stand.raw_session().await;
    let told = query(&mut stream, "SELECT id FROM plain").await;
    assert!(told.contains("SELECT 1"), "{told}");
    let told = query(&mut stream, "SELECT 1 FROM public.marked WHERE at = 'x'::text").await;
    assert!(told.contains("SELECT"), "{told}");
    let told = query(&mut stream, "SELECT id FROM plain").await;
    assert!(is_denied(&told), "{told}");
}
