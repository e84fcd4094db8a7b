//! COPY over the connection, both ways, on a real server.

use std::sync::Arc;

use bytes::Bytes;
use exhibit_postgres::message::encode;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::Server;
use crate::stand::{POLICY, Stand, read_until_ready, talk};

/// `shown` holds what masks leave of `patients`, as the server itself would write it.
const ROWS: &str = r#"
CREATE TABLE patients (id int, name text, ssn text, born date);
CREATE TABLE shown (LIKE patients);
INSERT INTO patients VALUES
  (1, 'Ann', '123-45-6789', '1970-02-03'), (2, 'Bob', NULL, NULL), (3, '', '', '1981-04-05'),
  (4, E'a\tb,c;d', E'ab,cd\tefgh', '1999-12-31'), (5, E'back\\slash', E'\\ab"c\'xdefg', '2000-01-01'),
  (6, E'two\nlines', E'ab\ncdefgh', '2001-01-01'), (7, '"quoted"', '"abcdefgh"', '2002-01-01'),
  (8, '\N', '\N', '2003-01-01'), (9, '\.', '\.', '2004-01-01');
INSERT INTO shown VALUES
  (1, 'Ann', '***-**-6789', '1970-01-01'), (2, 'Bob', NULL, NULL), (3, '', '', '1981-01-01'),
  (4, E'a\tb,c;d', E'**,**\tefgh', '1999-01-01'), (5, E'back\\slash', E'\\**"*\'*defg', '2000-01-01'),
  (6, E'two\nlines', E'**\n**efgh', '2001-01-01'), (7, '"quoted"', '"****efgh"', '2002-01-01'),
  (8, '\N', '\*', '2003-01-01'), (9, '\.', '\.', '2004-01-01');
CREATE TABLE notes (id int PRIMARY KEY, text text);
CREATE TABLE audit (id int);
CREATE TABLE wide (id int, gone int, twice int GENERATED ALWAYS AS (id * 2) STORED, ssn text);
ALTER TABLE wide DROP COLUMN gone;
INSERT INTO wide VALUES (1, DEFAULT, '123-45-6789');
"#;

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(ROWS);
    let policy = POLICY.replace(
        r#"resources = ["public.patients.ssn"]"#,
        r#"resources = ["public.patients.ssn", "public.wide.ssn"]"#,
    );
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_out_is_masked_in_every_format() {
    let stand = stand().await;
    let check = async |copied: &str, shown: &str| {
        let found = stand.psql(copied).await;
        assert_eq!(found, stand.server.execute(shown), "{copied}");
        assert!(!found.is_empty() && !found.contains("ERROR"), "{copied}: {found}");
    };
    for options in [
        "",
        "WITH (HEADER)",
        "WITH (DELIMITER '|', NULL 'none')",
        "WITH CSV",
        "WITH CSV HEADER DELIMITER ';' NULL '' QUOTE '''' ESCAPE '\\' FORCE QUOTE ssn",
        "WITH (FORMAT csv, FORCE_QUOTE *)",
        "WITH (FORMAT csv, NULL 'Bob')",
    ] {
        check(
            &format!("COPY patients TO STDOUT {options}"),
            &format!("COPY shown TO STDOUT {options}"),
        )
        .await;
        check(
            &format!(
                "COPY patients (ssn, id) TO STDOUT {}",
                options.replace("FORCE QUOTE ssn", "")
            ),
            &format!(
                "COPY shown (ssn, id) TO STDOUT {}",
                options.replace("FORCE QUOTE ssn", "")
            ),
        )
        .await;
        check(
            &format!("COPY (SELECT name, born, ssn FROM patients p WHERE id > 1 ORDER BY id) TO STDOUT {options}"),
            &format!("COPY (SELECT name, born, ssn FROM shown p WHERE id > 1 ORDER BY id) TO STDOUT {options}"),
        )
        .await;
    }
    // Nothing of a relation without masks changes, and generated and dropped columns are not counted.
    check("COPY shown TO STDOUT", "COPY shown TO STDOUT").await;
    assert_eq!(stand.psql("COPY wide TO STDOUT").await, "1\t***-**-6789\n");
    let evidence = stand.memory.evidence();
    for value in ["123-45", "abcd", "1999-12"] {
        let found = evidence.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "{value} is in the evidence");
    }
}

async fn copied_out(client: &tokio_postgres::Client, sql: &str) -> Vec<u8> {
    let stream = client.copy_out(sql).await.unwrap();
    let parts: Vec<_> = stream.map(|part| part.unwrap().to_vec()).collect().await;
    parts.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_extended_protocol_copies_out_in_binary_form() {
    let stand = stand().await;
    let client = stand.driver().await;
    let masked = copied_out(&client, "COPY patients TO STDOUT (FORMAT binary)").await;
    let shown = copied_out(&client, "COPY shown TO STDOUT (FORMAT binary)").await;
    assert!(masked == shown && masked.len() > 100);
    // The session goes on, and so does the driver's next copy by the same names.
    assert_eq!(client.query("SELECT id FROM patients", &[]).await.unwrap().len(), 9);
    assert_eq!(
        copied_out(&client, "COPY patients TO STDOUT (FORMAT binary)").await,
        shown
    );
    let error = client.copy_out("COPY nowhere TO STDOUT").await.err().unwrap();
    assert_eq!(error.code().unwrap().code(), "42501");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_copy_leave_the_session_usable() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    for (sql, wanted) in [
        ("COPY patients (id, nothing) TO STDOUT\0", "C42501"),
        ("COPY (SELECT 1 / (id - id) FROM patients) TO STDOUT\0", "C22012"),
        ("COPY patients TO STDOUT (ENCODING 'LATIN1')\0", "C42501"),
        ("COPY patients TO PROGRAM 'cat'\0", "C42501"),
        ("COPY audit FROM STDIN\0", "C42501"),
    ] {
        let told = talk(stream, &[(b'Q', sql.as_bytes())]).await;
        assert!(told.contains(wanted), "{sql}: {told}");
        let after = talk(stream, &[(b'Q', b"SELECT 'still here'\0")]).await;
        assert!(after.contains("still here"), "{sql}: {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_copied_in_is_recorded_before_it_passes() {
    let stand = stand().await;
    let copied = stand
        .psql_with("COPY notes FROM STDIN WITH CSV", "1,\"secret-word, quoted\"\n2,b\n")
        .await;
    assert!(!copied.contains("ERROR"), "{copied}");
    assert_eq!(
        stand.server.execute("SELECT * FROM notes ORDER BY id"),
        "1|secret-word, quoted\n2|b\n"
    );
    let bytes: u64 = stand.memory.data().iter().map(|(_, _, bytes)| bytes).sum();
    // The lines, the head of each message, and `CopyDone`.
    assert!(bytes >= 34, "{bytes}");
    let evidence = stand.memory.evidence();
    assert!(!evidence.windows(6).any(|window| window == b"secret"));

    let client = stand.driver().await;
    let sink = client
        .copy_in::<_, Bytes>("COPY notes (id, text) FROM STDIN")
        .await
        .unwrap();
    let mut sink = std::pin::pin!(sink);
    for id in 10..2_010 {
        let line = format!("{id}\t{}\n", "x".repeat(1_000));
        sink.send(line.into()).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 2_000);
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "2002");
    let parts = stand.memory.data();
    let last = parts.last().unwrap().0;
    let own: Vec<u64> = parts.iter().filter(|data| data.0 == last).map(|data| data.1).collect();
    assert_eq!(own, (0..u64::try_from(own.len()).unwrap()).collect::<Vec<_>>());
    assert!(own.len() > 1, "2 MB are more than one part");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_in_without_the_ledger() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    stream
        .write_all(&encode::message(b'Q', b"COPY notes FROM STDIN\0"))
        .await
        .unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'G');
    stand.memory.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let rest = [encode::message(b'd', b"1\ta\n"), encode::message(b'c', b"")].concat();
    stream.write_all(&rest).await.unwrap();
    stream.flush().await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(told.windows(6).any(|window| window == b"C58030"));
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_ends_as_the_agent_or_the_server_says() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    // The agent gives up.
    let copy: (u8, &[u8]) = (b'Q', b"COPY notes FROM STDIN\0");
    let failed = talk(stream, &[copy, (b'd', b"1\ta\n"), (b'f', b"no more\0")]).await;
    assert!(failed.contains("C57014"), "{failed}");
    // The server finds an error; what the agent still sends is passed over.
    let bad = talk(stream, &[copy, (b'd', b"x\ta\n"), (b'd', b"2\tb\n"), (b'c', b"")]).await;
    assert!(bad.contains("C22P02") && !bad.contains("invalid input"), "{bad}");
    let after = talk(stream, &[(b'Q', b"SELECT 'still here'\0")]).await;
    assert!(after.contains("still here"), "{after}");
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
    // By the extended protocol, with a `Sync` before the data, as libpq sends it, and one after.
    let extended: [(u8, &[u8]); 6] = [
        (b'P', b"\0COPY notes FROM STDIN\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'D', b"P\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
        (b'd', b"3\tc\n"),
    ];
    let good = talk(stream, &[&extended[..], &[(b'c', b""), (b'S', b"")]].concat()).await;
    assert!(good.contains("COPY 1"), "{good}");
    let twice = talk(stream, &[&extended[..], &[(b'c', b""), (b'S', b"")]].concat()).await;
    assert!(twice.contains("C23505"), "{twice}");
    // Refused before it begins: the first `Sync` is answered, and the data that follows is passed over.
    let denied: [(u8, &[u8]); 4] = [
        (b'P', b"\0COPY audit FROM STDIN\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ];
    let denied = talk(stream, &denied).await;
    assert!(denied.contains("C42501"), "{denied}");
    let after = talk(stream, &[(b'd', b"1\n"), (b'c', b""), (b'Q', b"SELECT 'still here'\0")]).await;
    assert!(after.contains("still here"), "{after}");
    // Among other statements of one message.
    let several = talk(
        stream,
        &[
            (b'Q', b"COPY notes FROM STDIN; SELECT count(*) FROM notes\0"),
            (b'd', b"4\td\n"),
            (b'c', b""),
        ],
    )
    .await;
    assert!(several.contains("COPY 1") && several.contains("SELECT 1"), "{several}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_leaves_in_the_middle_has_copied_nothing() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let begin = [
        encode::message(b'Q', b"COPY notes FROM STDIN\0"),
        encode::message(b'd', b"1\ta\n"),
    ]
    .concat();
    stream.write_all(&begin).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'G');
    drop(stream);
    while stand.memory.sessions().1.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(stand.memory.sessions().1, ["agent"]);
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_message_in_the_middle_of_a_copy_ends_the_session() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let messages = [
        encode::message(b'Q', b"COPY notes FROM STDIN\0"),
        encode::message(b'd', b"1\ta\n"),
        encode::message(b'Q', b"SELECT 1\0"),
    ];
    stream.write_all(&messages.concat()).await.unwrap();
    stream.flush().await.unwrap();
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told).await;
    assert!(told.windows(6).any(|window| window == b"C08P01"));
    assert_eq!(stand.server.execute("SELECT count(*) FROM notes").trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_cut_anywhere_and_joined() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let messages = [
        encode::message(b'Q', b"COPY notes FROM STDIN\0"),
        encode::message(b'd', b"1\ta"),
        encode::message(b'd', b"\n2\tb\n3"),
        encode::message(b'd', b"\tc\n"),
        encode::message(b'c', b""),
    ]
    .concat();
    for byte in messages {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    read_until_ready(&mut stream).await;
    assert_eq!(
        stand
            .server
            .execute("SELECT string_agg(text, '' ORDER BY id) FROM notes")
            .trim(),
        "abc"
    );
}
