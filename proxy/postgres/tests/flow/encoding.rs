//! Encodings that agents choose, on a real server: what passes is read as the server reads it.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, Stand, ask, enter, read_rest, read_until_ready, sqlstate};

/// Names in three alphabets; one of them is denied.
const NAMES: &str = "CREATE TABLE \"pr\u{fc}fung\" (id int); INSERT INTO \"pr\u{fc}fung\" VALUES (4711); \
     CREATE TABLE \"z\u{f6}lle\" (id int); CREATE TABLE \"\u{442}\u{430}\u{431}\" (id int); CREATE TABLE other (id int)";

async fn start() -> Stand {
    let policy = POLICY.split("[[masks]]").next().unwrap();
    let policy = policy.replace("\"public.audit\"", "\"public.z\u{f6}lle\", \"public.audit\"");
    let policy = policy.replace(r#""delete", "session""#, r#""delete", "define", "execute", "session""#);
    let server = Arc::new(Server::start());
    server.execute(NAMES);
    Stand::start_with(server, &policy, |_| {}).await
}

/// What is answered to messages, as letters of LATIN1.
async fn told(stream: &mut Encrypted, messages: &[(u8, &[u8])]) -> String {
    let bytes: Vec<u8> = messages
        .iter()
        .flat_map(|(tag, body)| encode::message(*tag, body))
        .collect();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let answer = read_until_ready(stream).await;
    answer.into_iter().map(char::from).collect()
}

async fn query(stream: &mut Encrypted, sql: &[u8]) -> String {
    told(stream, &[(b'Q', &[sql, &[0]].concat())]).await
}

/// The statement of the denied relation, and the one of the other, in LATIN1.
const DENIED: &[u8] = b"SELECT * FROM \"z\xf6lle\"";
const TAKEN: &[u8] = b"SELECT id, 'gr\xfcn' AS \"sch\xf6n\" FROM \"pr\xfcfung\"";

async fn reads_latin1(stream: &mut Encrypted) {
    let answer = query(stream, TAKEN).await;
    assert!(
        answer.contains("4711") && answer.contains("gr\u{fc}n") && answer.contains("sch\u{f6}n"),
        "{answer}"
    );
    let answer = query(stream, DENIED).await;
    assert!(answer.contains("no-audit"), "{answer}");
    let answer = query(stream, b"SHOW client_encoding").await;
    assert!(answer.contains("LATIN1"), "{answer}");
}

async fn reads_utf8(stream: &mut Encrypted) {
    let answer = query(stream, "SELECT id, 'gr\u{fc}n' FROM \"pr\u{fc}fung\"".as_bytes()).await;
    assert!(
        answer.contains("4711") && answer.contains("gr\u{c3}\u{bc}n"),
        "{answer}"
    );
    let answer = query(stream, "SELECT * FROM \"z\u{f6}lle\"".as_bytes()).await;
    assert!(answer.contains("no-audit"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_read_in_the_encoding_that_is_in_force() {
    let stand = start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    reads_utf8(stream).await;
    for set in [
        "SET client_encoding TO 'latin1'",
        "SET NAMES 'iso-8859-1'",
        "SELECT set_config('client_encoding', 'LATIN1', false)",
    ] {
        query(stream, set.as_bytes()).await;
        reads_latin1(stream).await;
        // The names that no LATIN1 has are still loaded.
        query(stream, b"CREATE TABLE made (id int)").await;
        reads_latin1(stream).await;
        query(stream, b"DROP TABLE made").await;
        for back in [
            "SET client_encoding TO 'UNICODE'",
            "RESET client_encoding",
            "DISCARD ALL",
        ] {
            query(stream, back.as_bytes()).await;
            reads_utf8(stream).await;
            query(stream, set.as_bytes()).await;
        }
        query(stream, b"SET client_encoding TO DEFAULT").await;
    }
    // What is recorded is one text, whatever its bytes were.
    let statements = stand.memory.statements();
    let recorded = |sql: &str| statements.iter().filter(|(statement, _)| statement == sql).count();
    assert_eq!(recorded("SELECT * FROM \"z\u{f6}lle\""), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_of_a_transaction_ends_with_it() {
    let stand = start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    query(stream, b"BEGIN").await;
    query(stream, b"SET client_encoding TO 'LATIN1'").await;
    query(stream, b"CREATE TABLE made (id int)").await;
    let answer = query(stream, TAKEN).await;
    assert!(answer.contains("gr\u{fc}n"), "{answer}");
    let answer = query(stream, b"SHOW client_encoding").await;
    assert!(
        answer.contains("LATIN1"),
        "the proxy's own questions leave it as it is: {answer}"
    );
    query(stream, b"COMMIT").await;
    reads_latin1(stream).await;
    query(stream, b"RESET client_encoding").await;
    for end in [b"ROLLBACK".as_slice(), b"COMMIT"] {
        query(stream, b"BEGIN").await;
        query(stream, b"SET LOCAL client_encoding TO 'LATIN1'").await;
        query(stream, b"CREATE TEMPORARY TABLE temporary (id int) ON COMMIT DROP").await;
        let answer = query(stream, TAKEN).await;
        assert!(answer.contains("gr\u{fc}n"), "{answer}");
        query(stream, end).await;
        reads_utf8(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_holds_from_the_next_message_of_a_pipeline() {
    let stand = start().await;
    for (sql, wanted) in [(TAKEN, "gr\u{fc}n"), (DENIED, "no-audit")] {
        let mut stream = stand.raw_session().await;
        let parse = [b"\0", sql, b"\0\0\0"].concat();
        let run: [(u8, &[u8]); 2] = [(b'B', b"\0\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0")];
        let set = b"\0SET client_encoding TO 'LATIN1'\0\0\0".as_slice();
        let first = [(b'P', set), run[0], run[1]];
        let second = [
            (b'P', parse.as_slice()),
            run[0],
            (b'D', b"P\0".as_slice()),
            run[1],
            (b'S', b"".as_slice()),
        ];
        let answer = told(&mut stream, &[first.as_slice(), &second].concat()).await;
        assert!(answer.contains(wanted), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_may_be_chosen_at_start_up() {
    let stand = start().await;
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &[("client_encoding", "LATIN1")]).await;
    reads_latin1(&mut stream).await;
    query(&mut stream, b"SET client_encoding TO UTF8").await;
    query(&mut stream, b"RESET client_encoding").await;
    reads_latin1(&mut stream).await;
    let mut stream = stand.raw().await;
    ask(&mut stream, 0, &[("client_encoding", "SJIS")]).await;
    assert_eq!(sqlstate(&read_rest(&mut stream).await).as_deref(), Some("0A000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_nobody_can_read_are_refused() {
    let stand = start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    query(stream, b"SET client_encoding TO 'KOI8R'").await;
    let answer = query(stream, b"SELECT '\xf4\xc1\xc2', id FROM other").await;
    assert!(answer.contains("SELECT 0"), "{answer}");
    let answer = query(stream, b"SELECT id FROM \"\xd4\xc1\xc2\"").await;
    assert!(answer.contains("C0A000") && answer.contains("beyond ASCII"), "{answer}");
    // Errors of the server come in the agent's encoding, as it wrote them.
    let answer = query(stream, b"SELECT '\xf4\xc1\xc2'::int").await;
    assert!(
        answer.contains("C22P02") && answer.contains("\u{f4}\u{c1}\u{c2}"),
        "{answer}"
    );
    for encoding in ["SJIS", "GBK", "MULE_INTERNAL", "nothing"] {
        let answer = query(stream, format!("SET client_encoding TO '{encoding}'").as_bytes()).await;
        assert!(answer.contains("C42501"), "{encoding}: {answer}");
    }
    // By a function it comes as far as the server, and the session ends before anything is read by it.
    let set = encode::message(b'Q', b"SELECT set_config('client_encoding', 'SJIS', false)\0");
    stream.write_all(&set).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(sqlstate(&read_rest(stream).await).as_deref(), Some("XX000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_masks_are_it_stays_what_it_is() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    for set in ["SET client_encoding TO 'LATIN1'", "SET NAMES 'KOI8R'"] {
        let answer = query(stream, set.as_bytes()).await;
        assert!(answer.contains("C42501"), "{answer}");
    }
    for set in ["SET client_encoding TO 'UNICODE'", "RESET client_encoding"] {
        let answer = query(stream, set.as_bytes()).await;
        assert!(answer.contains("SET"), "{answer}");
        let answer = query(stream, b"SELECT name FROM patients").await;
        assert!(answer.contains("Ann"), "{answer}");
    }
}

/// Tables whose triggers set what text is read by: at once, and when constraints are checked.
const TURNING: &str = "CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     PERFORM set_config(NEW.setting, NEW.value, false); RETURN NULL; END $$; \
     CREATE TABLE turning (setting text, value text); CREATE TABLE later (setting text, value text); \
     CREATE TRIGGER t AFTER INSERT ON turning FOR EACH ROW EXECUTE FUNCTION turn(); \
     CREATE CONSTRAINT TRIGGER t AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION turn();";

fn turn(table: &str, setting: &str, value: &str) -> Vec<u8> {
    format!("INSERT INTO {table} VALUES ('{setting}', '{value}')").into_bytes()
}

/// What is answered to statements of the extended protocol that have one `Sync`, or before the session ends.
async fn pipelined(stream: &mut Encrypted, statements: &[&[u8]]) -> String {
    let run = |sql: &&[u8]| {
        [
            encode::message(b'P', &[b"\0", *sql, b"\0\0\0"].concat()),
            encode::message(b'B', b"\0\0\0\0\0\0\0\0"),
            encode::message(b'E', b"\0\0\0\0\0"),
        ]
        .concat()
    };
    let mut bytes: Vec<u8> = statements.iter().flat_map(run).collect();
    bytes.extend(encode::message(b'S', b""));
    bytes.extend(encode::message(b'X', b""));
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    read_rest(stream).await.into_iter().map(char::from).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoding_that_a_trigger_sets_is_the_one_that_text_is_read_in() {
    let stand = start().await;
    stand.server.execute(TURNING);
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    for table in ["turning", "later"] {
        query(stream, &turn(table, "client_encoding", "LATIN1")).await;
        reads_latin1(stream).await;
        query(stream, &turn(table, "client_encoding", "UTF8")).await;
        reads_utf8(stream).await;
    }
    // By the extended protocol, and in a transaction that takes it back.
    told(
        stream,
        &[
            (
                b'P',
                b"\0INSERT INTO turning VALUES ('client_encoding', 'LATIN1')\0\0\0",
            ),
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'S', b""),
        ],
    )
    .await;
    reads_latin1(stream).await;
    query(stream, b"BEGIN").await;
    query(stream, &turn("turning", "client_encoding", "UTF8")).await;
    reads_utf8(stream).await;
    query(stream, b"ROLLBACK").await;
    reads_latin1(stream).await;
    // One whose letters could hide a quote ends the session before anything is read in it.
    let set = encode::message(b'Q', &[&turn("turning", "client_encoding", "SJIS")[..], b"\0"].concat());
    stream.write_all(&set).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(sqlstate(&read_rest(stream).await).as_deref(), Some("XX000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_sets_holds_from_the_next_statement_of_a_pipeline() {
    let stand = start().await;
    stand.server.execute(TURNING);
    let denied = "SELECT * FROM \"z\u{f6}lle\"".as_bytes();
    let taken = "SELECT id, 'gr\u{fc}n' FROM \"pr\u{fc}fung\"".as_bytes();
    let later = turn("later", "client_encoding", "UTF8");
    let immediate = b"SET CONSTRAINTS ALL IMMEDIATE".as_slice();
    // As LATIN1 the first names a table that there is not; the server reads UTF-8.
    for (sql, wanted) in [(denied, "no-audit"), (taken, "4711")] {
        for before in [
            &[turn("turning", "client_encoding", "UTF8").as_slice()][..],
            &[b"BEGIN", &later, b"COMMIT"],
            &[b"BEGIN", &later, immediate],
            &[&later, immediate],
        ] {
            let mut stream = stand.raw_session().await;
            query(&mut stream, b"SET client_encoding TO 'LATIN1'").await;
            let answer = pipelined(&mut stream, &[before, &[sql]].concat()).await;
            assert!(answer.contains(wanted), "{answer}");
        }
        // The transaction is open before.
        for end in [b"COMMIT".as_slice(), immediate] {
            let mut stream = stand.raw_session().await;
            query(&mut stream, b"SET client_encoding TO 'LATIN1'").await;
            query(&mut stream, b"BEGIN").await;
            query(&mut stream, &later).await;
            let answer = pipelined(&mut stream, &[end, sql]).await;
            assert!(answer.contains(wanted), "{answer}");
        }
    }
    // Text that could hide a quote is not read at all.
    for (setting, value) in [("client_encoding", "SJIS"), ("standard_conforming_strings", "off")] {
        let mut stream = stand.raw_session().await;
        let answer = pipelined(&mut stream, &[&turn("turning", setting, value), b"SELECT 4711"]).await;
        assert!(
            answer.contains("FATAL") && !answer.contains("4711"),
            "{setting}: {answer}"
        );
    }
    // A name of a statement is text, too: read in LATIN1 it is another one.
    let mut stream = stand.raw_session().await;
    query(&mut stream, b"SET client_encoding TO 'LATIN1'").await;
    let named = |name: &[u8], sql: &[u8]| [name, b"\0", sql, b"\0\0\0"].concat();
    let (first, second) = (named(b"\xc3\xb6", b"SELECT 1"), named(b"\xf6", b"SELECT 4711, 2"));
    told(&mut stream, &[(b'P', &first), (b'P', &second), (b'S', b"")]).await;
    let insert = named(b"", &turn("turning", "client_encoding", "UTF8"));
    let run: [(u8, &[u8]); 3] = [(b'P', &insert), (b'B', b"\0\0\0\0\0\0\0\0"), (b'E', b"\0\0\0\0\0")];
    let bind = [(b'B', b"\0\xc3\xb6\0\0\0\0\0\0\0".as_slice()), run[2], (b'S', b"")];
    let answer = told(&mut stream, &[run.as_slice(), &bind].concat()).await;
    assert!(answer.contains("4711"), "{answer}");
    let statements = stand.memory.statements();
    let (last, _) = statements.last().unwrap();
    assert_eq!(last, "SELECT <number>, <number>", "what is recorded is what ran");
}
