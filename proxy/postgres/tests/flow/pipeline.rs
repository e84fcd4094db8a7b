//! The extended protocol, as a server has it: pipelines, errors in them, and what comes in unusual places.

use std::sync::Arc;
use std::time::Duration;

use exhibit_postgres::message::{MESSAGE_BYTES_MAX, encode};
use exhibit_schemas::event::Kind;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, read_until_ready, talk};

const BIND: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
const SYNC: (u8, &[u8]) = (b'S', b"");

#[tokio::test(flavor = "multi_thread")]
async fn a_query_in_an_unfinished_pipeline_runs_as_it_does_at_the_server() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let insert: (u8, &[u8]) = (b'P', b"\0INSERT INTO notes VALUES (1, 'a')\0\0\0");
    let told = talk(stream, &[insert, BIND, EXECUTE, (b'Q', b"SELECT text FROM notes\0")]).await;
    assert!(told.contains("INSERT 0 1") && told.contains("SELECT 1"), "{told}");
    // After an error the query is passed over, and only the `Sync` is answered.
    let bad: (u8, &[u8]) = (b'P', b"\0SELECT nothing_of_that_name\0\0\0");
    let told = talk(stream, &[bad, (b'Q', b"SELECT 'passed over'\0"), SYNC]).await;
    assert!(told.contains("C42703") && !told.contains("passed over"), "{told}");
    let denied: (u8, &[u8]) = (b'P', b"\0SELECT id FROM audit\0\0\0");
    let told = talk(stream, &[denied, (b'Q', b"SELECT 'passed over'\0"), SYNC]).await;
    assert!(told.contains("C42501") && !told.contains("passed over"), "{told}");
    let told = talk(stream, &[(b'Q', b"SELECT 'still here'\0")]).await;
    assert!(told.contains("still here"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_back_what_was_flushed_before_it() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let insert: (u8, &[u8]) = (b'P', b"\0INSERT INTO notes VALUES (1, 'half')\0\0\0");
    let denied: (u8, &[u8]) = (b'P', b"\0SELECT id FROM audit\0\0\0");
    let told = talk(
        stream,
        &[insert, BIND, EXECUTE, (b'H', b""), denied, BIND, EXECUTE, SYNC],
    )
    .await;
    assert!(told.contains("INSERT 0 1") && told.contains("C42501"), "{told}");
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
    // The same with the `Sync` apart, and inside of a transaction, which then has failed.
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    let group = [insert, BIND, EXECUTE, (b'H', b""), denied, (b'H', b""), SYNC];
    let told = talk(stream, &group).await;
    assert!(told.contains("C42501"), "{told}");
    let told = talk(stream, &[(b'Q', b"COMMIT\0")]).await;
    assert!(told.contains("ROLLBACK"), "{told}");
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
    let told = talk(stream, &[insert, BIND, EXECUTE, SYNC]).await;
    assert!(told.contains("INSERT 0 1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_function_by_message_is_refused_and_the_session_goes_on() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let told = talk(stream, &[(b'F', b"\0\0\x05\x28\0\0\0\0\0\0")]).await;
    assert!(told.contains("C0A000") && told.contains("SELECT"), "{told}");
    let told = talk(stream, &[(b'Q', b"SELECT 'still here'\0")]).await;
    assert!(told.contains("still here"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn portals_give_their_rows_in_parts() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let begin: [(u8, &[u8]); 5] = [
        (b'P', b"s\0SELECT id, ssn FROM patients ORDER BY id\0\0\0"),
        (b'D', b"Ss\0"),
        (b'B', b"p\0s\0\0\0\0\0\0\0"),
        (b'D', b"Pp\0"),
        (b'E', b"p\0\0\0\0\x01"),
    ];
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    let first = talk(stream, &[&begin[..], &[SYNC]].concat()).await;
    assert!(
        first.contains("***-**-6789") && first.contains("s\0\0\0\x04"),
        "{first}"
    );
    let rest = talk(stream, &[(b'E', b"p\0\0\0\0\0"), SYNC]).await;
    assert!(rest.contains("SELECT 1"), "{rest}");
    // Each format on its own: the number comes in binary form, the masked text as text.
    let bind = b"\0s\0\0\0\0\0\0\x02\0\x01\0\0";
    let mixed = talk(stream, &[(b'B', bind), EXECUTE, SYNC]).await;
    assert!(mixed.contains("\0\0\0\x04\0\0\0\x01\0\0\0\x0b***-**-6789"), "{mixed:?}");
    talk(stream, &[(b'Q', b"COMMIT\0")]).await;
    let gone = talk(stream, &[(b'E', b"p\0\0\0\0\0"), SYNC]).await;
    assert!(gone.contains("C34000"), "{gone}");
    let empty = talk(stream, &[(b'P', b"\0\0\0\0"), BIND, EXECUTE, SYNC]).await;
    assert!(empty.contains("I\0\0\0\x04"), "{empty:?}");
    let empty = talk(stream, &[(b'Q', b" ;  \0")]).await;
    assert!(empty.starts_with("I\0\0\0\x04"), "{empty:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_prepared_once_and_executed_a_thousand_times() {
    let stand = Stand::start().await;
    let client = stand.driver().await;
    let insert = client.prepare("INSERT INTO notes VALUES ($1, $2)").await.unwrap();
    for id in 0..1_000_i32 {
        client.execute(&insert, &[&id, &"x"]).await.unwrap();
    }
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "1000");
    let inserts = stand.memory.statements();
    let inserts = inserts.iter().filter(|(statement, _)| statement.starts_with("INSERT"));
    // One for preparing, and one for each execution.
    assert_eq!(inserts.count(), 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_one_chunk_and_is_described_once() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let prepare: (u8, &[u8]) = (b'P', b"\0SELECT id, ssn FROM patients WHERE id = 1\0\0\0");
    let describe: (u8, &[u8]) = (b'D', b"P\0");
    for (messages, described) in [
        (vec![BIND, describe, EXECUTE, SYNC], true),
        (vec![BIND, EXECUTE, SYNC], false),
    ] {
        talk(stream, &[prepare, SYNC]).await;
        let before = stand.memory.kinds_after(0).len();
        let told = talk(stream, &messages).await;
        assert!(told.contains("***-**-6789") && !told.contains("123-45"), "{told}");
        assert_eq!(told.matches("ssn\0").count(), usize::from(described), "{told}");
        let kinds = stand.memory.kinds_after(before);
        assert_eq!(kinds, [Kind::Command, Kind::ResponseChunk, Kind::ResponseEnd]);
    }
    // A description of another portal tells nothing of this one.
    let named: (u8, &[u8]) = (b'B', b"p\0\0\0\0\0\0\0\0");
    let other: (u8, &[u8]) = (b'P', b"\0SELECT name FROM patients WHERE id = 1\0\0\0");
    let group = [prepare, named, other, BIND, (b'D', b"Pp\0"), EXECUTE, SYNC];
    let told = talk(stream, &group).await;
    assert!(told.contains("Ann") && !told.contains("***"), "{told}");
}

/// Messages of one session whose answers do not depend on anything else.
fn script() -> Vec<u8> {
    let messages: [(u8, &[u8]); 12] = [
        (b'Q', b"SELECT id, name, ssn FROM patients ORDER BY id; SELECT 1\0"),
        (b'P', b"s\0SELECT ssn FROM patients WHERE id = $1\0\0\x01\0\0\0\x17"),
        (b'D', b"Ss\0"),
        (b'B', b"\0s\0\0\0\0\x01\0\0\0\x011\0\0"),
        EXECUTE,
        SYNC,
        (b'P', b"\0SELECT nothing\0\0\0"),
        BIND,
        SYNC,
        (b'Q', b"COPY patients TO STDOUT\0"),
        (b'Q', b"PREPARE q AS SELECT born FROM patients\0"),
        (b'Q', b"EXECUTE q; DEALLOCATE ALL\0"),
    ];
    messages
        .iter()
        .flat_map(|(tag, body)| encode::message(*tag, body))
        .collect()
}

/// `ReadyForQuery` in the answers to the script.
const READY: usize = 6;

async fn answers(stand: &Stand, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let mut stream = stand.raw_session().await;
    for piece in pieces {
        stream.write_all(&piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut all = Vec::new();
    for _ in 0..READY {
        all.extend(read_until_ready(&mut stream).await);
    }
    all
}

#[test]
fn messages_may_be_cut_and_joined_anywhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stand = runtime.block_on(Stand::start());
    let wanted = runtime.block_on(answers(&stand, vec![script()]));
    let text = String::from_utf8_lossy(&wanted).into_owned();
    assert!(text.contains("***-**-6789") && !text.contains("123-45"), "{text}");
    let cuts = proptest::collection::vec(1_usize..script().len(), 0..12);
    proptest!(ProptestConfig::with_cases(24), |(cuts in cuts)| {
        let mut cuts = cuts;
        cuts.extend([0, script().len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| script()[pair[0]..pair[1]].to_vec()).collect();
        prop_assert_eq!(runtime.block_on(answers(&stand, pieces)), wanted.clone());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_may_change_inside_of_a_transaction() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let sql = POLICY_OF_DEFINITIONS;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(stream, &[(b'Q', b"SET LOCAL search_path = staging, public\0")]).await;
    // Prepared with a `Flush`, executed with the `Sync`, as asyncpg does it.
    for _ in 0..2 {
        let told = talk(
            stream,
            &[
                (b'P', sql),
                (b'D', b"Sq\0"),
                (b'H', b""),
                (b'B', b"\0q\0\0\0\0\0\0\0"),
                EXECUTE,
                SYNC,
                (b'C', b"Sq\0"),
                SYNC,
            ],
        )
        .await;
        assert!(told.contains("SELECT 0"), "{told}");
        read_until_ready(stream).await;
    }
    // A way back makes names mean something else again.
    talk(stream, &[(b'Q', b"SAVEPOINT a\0")]).await;
    talk(stream, &[(b'Q', b"SET LOCAL search_path = public\0")]).await;
    let told = talk(stream, &[(b'Q', b"SELECT id FROM audit\0")]).await;
    assert!(told.contains("no-audit"), "{told}");
    talk(stream, &[(b'Q', b"ROLLBACK TO a\0")]).await;
    let told = talk(stream, &[(b'Q', b"SELECT id FROM audit\0")]).await;
    assert!(told.contains("SELECT 0"), "{told}");
    talk(stream, &[(b'Q', b"ROLLBACK\0")]).await;
    let told = talk(stream, &[(b'Q', b"SELECT id FROM audit\0")]).await;
    assert!(told.contains("no-audit"), "{told}");
}

/// Its relation is another one by the path of the transaction.
const POLICY_OF_DEFINITIONS: &[u8] = b"q\0SELECT id FROM audit\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_past_the_limit_is_refused_by_its_size() {
    use tokio::io::AsyncReadExt as _;
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let text = vec![b'x'; 9 << 20];
    let value = [
        b"\0q\0\0\0\0\x01".as_slice(),
        &u32::try_from(text.len()).unwrap().to_be_bytes(),
        &text,
        b"\0\0",
    ]
    .concat();
    let told = talk(
        &mut stream,
        &[
            (b'P', b"q\0SELECT length($1::text)\0\0\0"),
            (b'B', &value),
            EXECUTE,
            SYNC,
        ],
    )
    .await;
    assert!(told.contains("9437184"), "{told}");
    let mut head = vec![b'B'];
    head.extend(u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes());
    stream.write_all(&head).await.unwrap();
    stream.flush().await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(told.windows(6).any(|window| window == b"C54000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_of_what_is_not_planned_is_read_when_it_runs() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    for (statement, control) in [
        (b"s\0COPY audit TO STDOUT\0\0\0".as_slice(), "COPY 0"),
        (b"s\0TRUNCATE audit\0\0\0", "TRUNCATE"),
    ] {
        let bind: [(u8, &[u8]); 3] = [(b'P', statement), (b'B', b"p\0s\0\0\0\0\0\0\0"), SYNC];
        let run: [(u8, &[u8]); 2] = [(b'E', b"p\0\0\0\0\0"), SYNC];
        talk(stream, &[(b'Q', b"BEGIN\0")]).await;
        talk(stream, &[(b'Q', b"SET LOCAL search_path = staging\0")]).await;
        let bound = talk(stream, &bind).await;
        assert!(bound.starts_with('1'), "{bound}");
        // The same portal means the relation that is denied once the path is another one.
        talk(stream, &[(b'Q', b"SET LOCAL search_path = public\0")]).await;
        let told = talk(stream, &run).await;
        assert!(told.contains("no-audit") && !told.contains("4711"), "{told}");
        talk(stream, &[(b'Q', b"ROLLBACK\0")]).await;
        talk(stream, &[(b'Q', b"DEALLOCATE s\0")]).await;
        talk(stream, &[(b'Q', b"BEGIN\0")]).await;
        talk(stream, &[(b'Q', b"SET LOCAL search_path = staging\0")]).await;
        talk(stream, &bind).await;
        let told = talk(stream, &run).await;
        assert!(told.contains(control), "{told}");
        talk(stream, &[(b'Q', b"ROLLBACK\0")]).await;
        talk(stream, &[(b'Q', b"DEALLOCATE s\0")]).await;
    }
    // As a cursor, too.
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(stream, &[(b'Q', b"SET LOCAL search_path = staging\0")]).await;
    let explain: [(u8, &[u8]); 3] = [
        (b'P', b"s\0EXPLAIN SELECT * FROM audit\0\0\0"),
        (b'B', b"p\0s\0\0\0\0\0\0\0"),
        SYNC,
    ];
    talk(stream, &explain).await;
    talk(stream, &[(b'Q', b"SET LOCAL search_path = public\0")]).await;
    let told = talk(stream, &[(b'Q', b"FETCH ALL FROM p\0")]).await;
    assert!(told.contains("no-audit"), "{told}");
    assert_eq!(stand.server.execute("SELECT count(*) FROM audit").trim(), "1");
}

/// A message's tag and body.
type Message<'a> = (u8, &'a [u8]);

/// The first policy, under which definitions and functions pass, too.
async fn defining() -> Stand {
    let policy = POLICY.replace(r#""delete", "session""#, r#""delete", "define", "execute", "session""#);
    assert_ne!(policy, POLICY);
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute("CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$");
    let policy = policy.split("[[masks]]").next().unwrap();
    Stand::start_with(Arc::new(server), policy, |_| {}).await
}

/// What is answered up to `ReadyForQuery`, which has to come.
async fn answered(stream: &mut Encrypted, messages: &[Message<'_>]) -> String {
    let answer = tokio::time::timeout(Duration::from_secs(30), talk(stream, messages));
    answer.await.expect("an answer to the `Sync`")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_fails_before_its_sync_leaves_the_session_in_use() {
    let stand = defining().await;
    let flush: Message<'_> = (b'H', b"");
    let exists: Message<'_> = (b'P', b"\0CREATE TABLE public.notes (id int)\0\0\0");
    let made: Message<'_> = (b'P', b"\0CREATE TABLE made (id int)\0\0\0");
    let called: Message<'_> = (b'P', b"\0SELECT fails()\0\0\0");
    let path: Message<'_> = (b'P', b"\0SET search_path = staging\0\0\0");
    let select: Message<'_> = (b'P', b"\0SELECT 'passed over'\0\0\0");
    let query: Message<'_> = (b'Q', b"SELECT 'passed over'\0");
    let failing: [(&[Message<'_>], &str); 5] = [
        (&[exists, BIND, EXECUTE, flush], "C42P07"),
        // After what succeeded, in groups of their own and in one.
        (&[made, BIND, EXECUTE, flush, exists, BIND, EXECUTE, flush], "C42P07"),
        (&[path, BIND, EXECUTE, exists, BIND, EXECUTE, flush], "C42P07"),
        // After code that may have defined something.
        (&[called, BIND, EXECUTE, flush], "CP0001"),
        (&[made, BIND, EXECUTE, called, BIND, EXECUTE, flush, flush], "CP0001"),
    ];
    let following: [&[Message<'_>]; 4] = [
        &[SYNC],
        &[select, BIND, EXECUTE, SYNC],
        &[select, BIND, EXECUTE, flush, made, BIND, EXECUTE, flush, SYNC],
        &[query, SYNC],
    ];
    for (failing, code) in failing {
        for following in following {
            for inside in [false, true] {
                let mut stream = stand.raw_session().await;
                let stream = &mut stream;
                if inside {
                    answered(stream, &[(b'Q', b"BEGIN\0")]).await;
                }
                let told = answered(stream, &[failing, following].concat()).await;
                assert!(told.contains(code) && !told.contains("passed over"), "{told}");
                if inside {
                    let told = answered(stream, &[(b'Q', b"SELECT 'passed over'\0")]).await;
                    assert!(told.contains("C25P02"), "{told}");
                    answered(stream, &[(b'Q', b"ROLLBACK\0")]).await;
                }
                // Nothing of it lasts, and names are decided on as the server reads them.
                let told = answered(stream, &[(b'Q', b"SELECT id FROM audit\0")]).await;
                assert!(told.contains("no-audit"), "{told}");
                let told = answered(stream, &[(b'P', b"\0SELECT id FROM made\0\0\0"), SYNC]).await;
                assert!(told.contains("C42P01"), "{told}");
                let told = answered(stream, &[select, BIND, EXECUTE, SYNC]).await;
                assert!(told.contains("passed over"), "{told}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_policy_refuses_ends_a_failed_pipeline_all_the_same() {
    let policy = POLICY.replace(r#""delete", "session", "transaction"]"#, r#""delete", "define"]"#);
    assert_ne!(policy, POLICY);
    let server = Server::start();
    server.execute(SCHEMA);
    let stand = Stand::start_with(Arc::new(server), &policy, |_| {}).await;
    let mut stream = stand.raw_session().await;
    let exists: Message<'_> = (b'P', b"\0CREATE TABLE public.notes (id int)\0\0\0");
    let told = answered(&mut stream, &[exists, BIND, EXECUTE, (b'H', b""), SYNC]).await;
    assert!(told.contains("C42P07") && told.contains("C42501"), "{told}");
    let select: Message<'_> = (b'P', b"\0SELECT text FROM notes\0\0\0");
    for _ in 0..2 {
        let told = answered(&mut stream, &[select, BIND, EXECUTE, SYNC]).await;
        assert!(told.contains("SELECT 0"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_mean_what_they_meant_before_a_transaction_that_ends_in_the_same_pipeline() {
    let stand = defining().await;
    for (end, bytes) in [
        ("ROLLBACK", b"\0ROLLBACK\0\0\0".as_slice()),
        ("COMMIT", b"\0COMMIT\0\0\0"),
        ("ROLLBACK TO a", b"\0ROLLBACK TO a\0\0\0"),
    ] {
        let select: Message<'_> = (b'P', b"\0SELECT id FROM audit\0\0\0");
        let begin = b"BEGIN; SAVEPOINT a\0";
        let set = b"SET LOCAL search_path = staging\0";
        let mut stream = stand.raw_session().await;
        let stream = &mut stream;
        answered(stream, &[(b'Q', begin)]).await;
        answered(stream, &[(b'Q', set)]).await;
        let told = answered(stream, &[(b'P', bytes), BIND, EXECUTE, select, BIND, EXECUTE, SYNC]).await;
        assert!(told.contains("no-audit") && !told.contains("4711"), "{end}: {told}");
        answered(stream, &[(b'Q', b"ROLLBACK\0")]).await;
        answered(stream, &[(b'Q', begin)]).await;
        answered(stream, &[(b'Q', set)]).await;
        let query = format!("{end}; SELECT id FROM audit\0");
        let told = answered(stream, &[(b'Q', query.as_bytes())]).await;
        assert!(told.contains("C0A000") && !told.contains("4711"), "{end}: {told}");
        answered(stream, &[(b'Q', b"ROLLBACK\0")]).await;
        // Where nothing has changed what names mean, both pass.
        answered(stream, &[(b'Q', begin)]).await;
        let query = format!("{end}; SELECT id FROM staging.audit\0");
        let told = answered(stream, &[(b'Q', query.as_bytes())]).await;
        assert!(told.contains("SELECT 0"), "{end}: {told}");
    }
}
