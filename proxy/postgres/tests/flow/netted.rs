//! The net under everything released, on a target without masks: what a planted set of identifiers comes out as, by every
//! channel, and what is recorded of it. A control without the net finds every one of them.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{POLICY, Stand, enter, messages, read_rest, read_until_ready, sqlstate, talk};

const NET: &str = r#"
[[nets]]
name = "phi"
targets = ["clinic"]
categories = ["ssn", "card", "email", "phone", "name"]
except = ["public.open.*"]
"#;

/// What may not come out, in the forms that it is released and recorded in.
const PLANTED: &[&str] = &[
    "219-09-9999",
    "4111111111111111",
    "okonkwo@example.org",
    "212-555-0123",
    "Okonkwo",
    "3231392d30392d39393939",
];

const SCHEMA: &str = "CREATE TABLE notes (id int PRIMARY KEY, body text, doc json, docb jsonb, tags text[], raw bytea, \
     digits bigint, paid numeric, \"when\" date, last_name varchar(40)); \
     INSERT INTO notes VALUES (1, 'ssn 219-09-9999, call 212-555-0123', '{\"m\": \"okonkwo@example.org\", \"n\": 7}', \
       '{\"m\": [\"219-09-9999\"]}', '{plain,219-09-9999}', '219-09-9999', 4111111111111111, 4111111111111111, \
       '1970-02-03', 'Okonkwo'), \
     (2, 'stable', '{\"n\": 7}', '{\"n\": 7}', '{plain}', 'abc', 7, 7.5, '1970-02-03', NULL); \
     CREATE TABLE open (body text); INSERT INTO open VALUES ('219-09-9999'); \
     CREATE TABLE keyed (ssn text PRIMARY KEY); INSERT INTO keyed VALUES ('219-09-9999');";

/// The policy without masks, where everything may be executed, with these nets.
fn policy(nets: &str) -> String {
    let free = POLICY.split("[[masks]]").next().unwrap();
    let free = free.replace("\"transaction\"]", "\"transaction\", \"execute\", \"define\"]");
    format!("{free}{nets}")
}

async fn stand(nets: &str) -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    Stand::start_with(Arc::new(server), &policy(nets), |_| {}).await
}

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

/// Statements of one message each, and what psql shows of them under the net.
const STATEMENTS: &[(&str, &str)] = &[
    (
        "SELECT body FROM notes ORDER BY id",
        "ssn [ssn], call [phone]\nstable\n",
    ),
    (
        "SELECT doc, docb FROM notes ORDER BY id",
        "{\"m\": \"[email]\", \"n\": 7}|{\"m\": [\"[ssn]\"]}\n{\"n\": 7}|{\"n\": 7}\n",
    ),
    (
        "SELECT tags, raw FROM notes ORDER BY id",
        "{plain,[ssn]}|\n{plain}|\\x616263\n",
    ),
    ("SELECT digits, paid FROM notes ORDER BY id", "|\n7|7.5\n"),
    ("SELECT last_name FROM notes WHERE id = 1", "[name]\n"),
    ("SELECT 'x' AS \"219-09-9999\"", "x\n"),
    ("SELECT upper(body) AS ssn FROM notes WHERE id = 2", "[ssn]\n"),
    (
        "SELECT encode(convert_to(body, 'utf8'), 'base64') FROM notes WHERE id = 1",
        "[phone]\n",
    ),
    ("SELECT * FROM open", "219-09-9999\n"),
    (
        "COPY (SELECT body, tags, digits FROM notes ORDER BY id) TO STDOUT",
        "ssn [ssn], call [phone]\t{plain,[ssn]}\t\\N\nstable\t{plain}\t7\n",
    ),
    (
        "COPY (SELECT body, tags, docb FROM notes ORDER BY id) TO STDOUT (FORMAT csv, HEADER)",
        "body,tags,docb\n\"ssn [ssn], call [phone]\",\"{plain,[ssn]}\",\"{\"\"m\"\": [\"\"[ssn]\"\"]}\"\nstable,{plain},\"{\"\"n\"\": 7}\"\n",
    ),
    ("COPY keyed TO STDOUT", "[ssn]\n"),
    (
        "BEGIN; DECLARE c CURSOR FOR SELECT body FROM notes ORDER BY id; FETCH 1 FROM c; COMMIT",
        "BEGIN\nDECLARE CURSOR\nssn [ssn], call [phone]\nCOMMIT\n",
    ),
    (
        "PREPARE p AS SELECT body FROM notes WHERE id = $1; EXECUTE p (1)",
        "PREPARE\nssn [ssn], call [phone]\n",
    ),
    (
        "INSERT INTO keyed VALUES ('219-09-9999')",
        "ERROR:  duplicate key value violates unique constraint \"keyed_pkey\"\nDETAIL:  Key (ssn)=([ssn]) already exists.\n",
    ),
    (
        "SELECT 'okonkwo@example.org'::int",
        "ERROR:  invalid input syntax for type integer: \"[email]\"\nLINE 1: SELECT 'okonkwo@example.org'::int\n               ^\n",
    ),
    (
        "DO $$BEGIN RAISE EXCEPTION 'no' USING HINT = 'call 212-555-0123'; END$$",
        "ERROR:  no\nHINT:  call [phone]\n",
    ),
    (
        "SELECT ('{\"a\": \"' || tags[2] || '\" x}')::json FROM notes WHERE id = 1",
        "ERROR:  invalid input syntax for type json\nDETAIL:  Token \"x\" is invalid.\nCONTEXT:  JSON data, line 1: {\"a\": \"[ssn]\" x...\n",
    ),
    (
        "DO $$BEGIN EXECUTE 'SELECT ''' || (SELECT tags[2] FROM notes WHERE id = 1) || ''' + nonsense'; END$$",
        "ERROR:  column \"nonsense\" does not exist\nLINE 1: SELECT '[ssn]' + nonsense\n                               ^\nQUERY:  SELECT '[ssn]' + nonsense\n",
    ),
    (
        "DO $$BEGIN RAISE NOTICE 'seen 219-09-9999'; END$$",
        "DO\nNOTICE:  seen [ssn]\n",
    ),
    (
        "LISTEN news; NOTIFY news, 'call 212-555-0123'",
        "LISTEN\nNOTIFY\nAsynchronous notification \"news\" with payload \"call [phone]\" received from server process with PID ",
    ),
];

/// Whether a statement names a planted value itself, so that psql repeats its own words, or reads what the net passes over.
fn own(sql: &str) -> bool {
    sql.contains("okonkwo@") || sql.contains("open")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_comes_out_by_no_channel() {
    let stand = stand(NET).await;
    for (sql, wanted) in STATEMENTS {
        let shown = stand.psql(sql).await;
        assert!(shown.starts_with(wanted), "{sql}: {shown}");
        if !own(sql) {
            assert!(!PLANTED.iter().any(|value| shown.contains(value)), "{sql}: {shown}");
        }
    }
    let evidence = stand.memory.evidence();
    for value in PLANTED {
        // The excepted column is released as it is.
        let text = String::from_utf8_lossy(&evidence);
        let count = text.matches(value).count();
        assert_eq!(count, usize::from(*value == "219-09-9999"), "{value}");
    }
    let detections = stand.memory.detections();
    for wanted in [
        "phi cell public.notes.body phone 1, ssn 1",
        "phi cell public.notes.tags ssn 1",
        "phi cell public.notes.raw ssn 1",
        "phi cell public.notes.digits card 1",
        "phi cell public.notes.last_name name 1",
        "phi cell public.keyed.ssn ssn 1",
        "phi column - ssn 1",
        "phi error - ssn 1",
        "phi error - email 1",
        "phi notice - ssn 1",
        "phi notification - phone 1",
    ] {
        assert!(
            detections.iter().any(|line| line == wanted),
            "{wanted}: {detections:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_net_every_channel_carries_what_is_planted() {
    let stand = stand("").await;
    for (sql, masked) in STATEMENTS {
        let shown = stand.psql(sql).await;
        // An alias stands in the description, and a function has changed the case or the form.
        let other = sql.contains("AS") || sql.contains("encode");
        if other {
            continue;
        }
        assert!(PLANTED.iter().any(|value| shown.contains(value)), "{sql}: {shown}");
        assert!(sql.contains("open") || !shown.starts_with(masked), "{sql}");
    }
    assert!(holds(&stand.memory.released(), "219-09-9999\0"), "the alias");
    assert!(stand.memory.detections().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_values_are_searched_as_what_they_stand_for() {
    let stand = stand(NET).await;
    let client = stand.driver().await;
    let row = client
        .query_one(
            "SELECT body, last_name, tags, raw, digits, ARRAY[digits] AS list, \"when\" FROM notes WHERE id = 1",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "ssn [ssn], call [phone]");
    assert_eq!(row.get::<_, String>(1), "[name]");
    assert_eq!(row.get::<_, Vec<String>>(2), ["plain", "[ssn]"]);
    assert_eq!(row.get::<_, Option<Vec<u8>>>(3), None);
    assert_eq!(row.get::<_, Option<i64>>(4), None);
    assert_eq!(row.get::<_, Vec<Option<i64>>>(5), [None]);
    let row = client
        .query_one("SELECT body, tags, raw, digits FROM notes WHERE id = 2", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "stable");
    assert_eq!(row.get::<_, Vec<String>>(1), ["plain"]);
    assert_eq!(row.get::<_, Vec<u8>>(2), b"abc");
    assert_eq!(row.get::<_, i64>(3), 7);
    // jsonb, numeric and rows in binary form, and COPY in it.
    let mut stream = stand.raw_session().await;
    let bind = [&b"\0\0\0\0\0\0\0\x01\0\x01"[..]].concat();
    let answer = talk(
        &mut stream,
        &[
            (
                b'P',
                b"\0SELECT docb, paid, ROW(body, digits) FROM notes ORDER BY id\0\0\0",
            ),
            (b'B', &bind),
            (b'E', b"\0\0\0\0\0"),
            (b'S', b""),
        ],
    )
    .await;
    let nulls = "\u{fffd}".repeat(8);
    let row = format!("D\0\0\0#\0\x03\0\0\0\x11\x01{{\"m\": [\"[ssn]\"]}}{nulls}");
    assert!(answer.contains(&row), "{answer:?}");
    assert!(
        answer.contains("stable") && !PLANTED.iter().any(|value| answer.contains(value)),
        "{answer:?}"
    );
    let copied = talk(
        &mut stream,
        &[(
            b'Q',
            b"COPY (SELECT body, docb, digits FROM notes ORDER BY id) TO STDOUT (FORMAT binary)\0",
        )],
    )
    .await;
    assert!(
        copied.contains("ssn [ssn], call [phone]") && copied.contains("stable"),
        "{copied:?}"
    );
    assert!(!PLANTED.iter().any(|value| copied.contains(value)), "{copied:?}");
    let evidence = stand.memory.evidence();
    assert!(!PLANTED.iter().any(|value| holds(&evidence, value)));
    for value in [
        4_111_111_111_111_111_i64.to_be_bytes(),
        [0x0f, 0xa0, 0x04, 0x57, 0x04, 0x57, 0x04, 0x57],
    ] {
        assert!(!evidence.windows(8).any(|window| window == value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_cells_are_not_known_is_refused() {
    let stand = stand(NET).await;
    for sql in [
        "COPY keyed TO STDOUT; SELECT 1",
        "COPY keyed TO STDOUT (ENCODING 'latin1')",
        "COPY keyed TO STDOUT (NULL '\\x')",
    ] {
        let shown = stand.psql(sql).await;
        assert!(shown.contains("cannot be searched"), "{sql}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_policy_says_so_a_finding_ends_the_session_and_nothing_of_it_comes() {
    let stand = stand(&format!("{NET}ends_session = true\n")).await;
    let mut stream = stand.raw_session().await;
    let shown = talk(&mut stream, &[(b'Q', b"SELECT body FROM notes WHERE id = 2\0")]).await;
    assert!(shown.contains("stable"));
    let query = encode::message(b'Q', b"SELECT body FROM notes ORDER BY id DESC\0");
    stream.write_all(&query).await.unwrap();
    stream.flush().await.unwrap();
    let rest = read_rest(&mut stream).await;
    assert_eq!(sqlstate(&rest).as_deref(), Some("42501"));
    let tags: Vec<u8> = messages(&rest)
        .iter()
        .map(exhibit_postgres::message::Raw::tag)
        .collect();
    assert_eq!(tags, b"E", "not even the row before it, nor the description");
    assert_eq!(stand.memory.sessions().1, ["detection"]);
    assert_eq!(
        stand.memory.detections(),
        ["phi cell public.notes.body phone 1, ssn 1 ends"]
    );
    // Other channels end it as well.
    for sql in [
        "SELECT 'okonkwo@example.org'::int",
        "DO $$BEGIN RAISE NOTICE 'seen 219-09-9999'; END$$",
        "COPY keyed TO STDOUT",
        "SELECT 1 AS \"219-09-9999\"",
        "SELECT digits FROM notes",
    ] {
        let mut stream = stand.raw_session().await;
        let query = [sql.as_bytes(), &[0]].concat();
        stream.write_all(&encode::message(b'Q', &query)).await.unwrap();
        stream.flush().await.unwrap();
        let rest = read_rest(&mut stream).await;
        assert_eq!(sqlstate(&rest).as_deref(), Some("42501"), "{sql}");
        assert_eq!(messages(&rest).len(), 1, "{sql}");
    }
    let (opened, reasons) = stand.memory.sessions();
    assert_eq!((opened, reasons), (6, vec!["detection".to_owned(); 6]));
    let evidence = stand.memory.evidence();
    assert!(!PLANTED.iter().any(|value| holds(&evidence, value)));
    let mut again = stand.raw_session().await;
    again.write_all(&encode::message(b'S', b"")).await.unwrap();
    again.flush().await.unwrap();
    read_until_ready(&mut again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_net_holds_beside_masks_too() {
    let server = Server::start();
    server.execute(crate::stand::SCHEMA);
    server.execute(
        "INSERT INTO notes VALUES (1, 'ssn 219-09-9999'); UPDATE patients SET name = 'mail okonkwo@example.org'",
    );
    let stand = Stand::start_with(Arc::new(server), &format!("{POLICY}{NET}"), |_| {}).await;
    let shown = stand.psql("SELECT name, ssn FROM patients ORDER BY id").await;
    assert_eq!(shown, "[name]|***-**-6789\n[name]|\n");
    let shown = stand.psql("SELECT text FROM notes").await;
    assert_eq!(shown, "ssn [ssn]\n");
    let shown = stand.psql("SELECT 1 FROM \"219-09-9999\"").await;
    assert!(!shown.contains("relation \"219-09-9999\""), "{shown}");
    assert!(!holds(&stand.memory.evidence(), "219-09-9999"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_the_server_tells_at_the_start_go_through_the_net() {
    let server = Server::start();
    server.execute("ALTER ROLE CURRENT_USER SET application_name = 'ssn 219-09-9999'");
    let server = Arc::new(server);
    for (nets, wanted) in [("", "ssn 219-09-9999"), (NET, "ssn [ssn]")] {
        let stand = Stand::start_with(Arc::clone(&server), &policy(nets), |_| {}).await;
        let mut stream = stand.raw().await;
        let told = enter(&mut stream, 0, &[]).await;
        let told: Vec<u8> = told.iter().flat_map(|message| message.bytes().to_vec()).collect();
        assert!(holds(&told, wanted), "{}", String::from_utf8_lossy(&told));
        assert_eq!(holds(&told, PLANTED[0]), nets.is_empty());
        talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await;
        let found = stand.memory.detections();
        assert_eq!(found.is_empty(), nets.is_empty(), "{found:?}");
    }
}
