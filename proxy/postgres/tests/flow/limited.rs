//! Changes of which people approved so many rows, on real servers: more of them never last, whichever way they are sent, and what lasts is
//! told as the server tells it.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::approval::{Terms, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, messages, read_message, read_until_ready};

/// Changes of `notes` are nobody's matter; all others are asked about.
const ASKS: &str = r#"[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[rules]]
name = "notes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write", "delete"]
resources = ["public.notes", "public.notes.*"]
effect = "allow"
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write", "delete", "define", "execute"]
effect = "ask"
approval = "dba"
[[rules]]"#;

const TABLES: &str = "CREATE TABLE counted (id int PRIMARY KEY, text text); \
     CREATE TABLE child (id int REFERENCES counted DEFERRABLE INITIALLY DEFERRED); \
     CREATE TABLE parted (id int) PARTITION BY RANGE (id); \
     CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100); \
     CREATE FUNCTION emptied() RETURNS text LANGUAGE sql AS 'DELETE FROM counted; SELECT ''gone'''; \
     CREATE PROCEDURE emptied_too() LANGUAGE sql AS 'DELETE FROM counted'; \
     CREATE FUNCTION wiped(int, int) RETURNS int LANGUAGE sql AS 'DELETE FROM counted; SELECT 1'; \
     CREATE OPERATOR public.### (LEFTARG = int, RIGHTARG = int, FUNCTION = wiped); \
     CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (1000);";

/// What a case begins with.
const ROWS: &str = "DELETE FROM child; DELETE FROM counted; DELETE FROM parted; DELETE FROM notes; \
     INSERT INTO counted SELECT id, 'old' FROM generate_series(1, 10) id; INSERT INTO parted SELECT generate_series(1, 10);";

const STANDING: &str = "SELECT * FROM counted ORDER BY id; SELECT * FROM child ORDER BY id; SELECT * FROM parted ORDER BY id; \
     SELECT * FROM notes ORDER BY id; SELECT relname FROM pg_class WHERE relname IN ('made', 'counted') ORDER BY relname";

const UPDATE: &str = "UPDATE counted SET text = 'new'";

type Message = (u8, Vec<u8>);

fn query(sql: &str) -> Message {
    (b'Q', [sql.as_bytes(), b"\0"].concat())
}

/// Prepares, binds and runs a statement.
fn runs(sql: &str) -> [Message; 3] {
    let parse = [b"\0", sql.as_bytes(), b"\0\0\0"].concat();
    [(b'P', parse), (b'B', vec![0; 8]), (b'E', vec![0; 5])]
}

/// Prepares a statement under the name `u`.
fn prepares(sql: &str) -> Message {
    (b'P', [b"u\0", sql.as_bytes(), b"\0\0\0"].concat())
}

fn sync() -> Message {
    (b'S', Vec::new())
}

/// Statements in one pipeline.
fn pipeline(statements: &[&str]) -> Vec<Message> {
    let runs = statements.iter().flat_map(|sql| runs(sql));
    runs.chain([sync()]).collect()
}

fn copy_done() -> Message {
    (b'c', Vec::new())
}

/// Without masks, under which less is proven and less is told.
fn policy(asks: bool) -> String {
    let (policy, _) = POLICY.split_once("[[masks]]").unwrap();
    let asks = if asks { ASKS } else { "[[rules]]" };
    policy.replacen("[[rules]]", asks, 1)
}

/// A server of each version, with the tables.
fn servers() -> [Arc<Server>; 2] {
    [Server::start(), Server::start_18()].map(|server| {
        server.execute(SCHEMA);
        server.execute(TABLES);
        Arc::new(server)
    })
}

/// A case: what comes before, each up to its `ReadyForQuery`, and what changes rows.
struct Case {
    before: Vec<Vec<Message>>,
    messages: Vec<Message>,
    /// What is sent once the server copies in.
    copied: Vec<Message>,
}

fn case(messages: impl IntoIterator<Item = Message>) -> Case {
    Case {
        before: Vec::new(),
        messages: messages.into_iter().collect(),
        copied: Vec::new(),
    }
}

impl Case {
    fn after(mut self, before: impl IntoIterator<Item = Message>) -> Self {
        self.before.push(before.into_iter().collect());
        self
    }

    /// It copies in so many rows that nobody has yet.
    fn copying(mut self, rows: usize, ends: impl IntoIterator<Item = Message>) -> Self {
        let rows: Vec<String> = (0..rows).map(|row| format!("{}\tnew\n", 100 + row)).collect();
        self.copied.push((b'd', rows.concat().into_bytes()));
        self.copied.extend(ends);
        self
    }
}

async fn send(stream: &mut Encrypted, messages: &[Message]) {
    let bytes: Vec<u8> = messages
        .iter()
        .flat_map(|(tag, body)| encode::message(*tag, body))
        .collect();
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// All that comes until the session is ready or ends.
async fn rest(stream: &mut Encrypted) -> Vec<u8> {
    let mut told = Vec::new();
    loop {
        let mut head = [0; 5];
        if stream.read_exact(&mut head).await.is_err() {
            return told;
        }
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; usize::try_from(length).unwrap() - 4];
        stream.read_exact(&mut body).await.unwrap();
        told.extend(head);
        told.extend(body);
        if head[0] == b'Z' {
            return told;
        }
    }
}

/// What became of a case.
struct Run {
    stand: Stand,
    told: Vec<u8>,
    before: String,
    after: String,
}

impl Run {
    fn words(&self) -> String {
        String::from_utf8_lossy(&self.told).into_owned()
    }

    /// What the ends of replies say was changed, and whether it was committed, of those that were cut.
    fn cut(&self) -> Vec<(Option<u64>, bool)> {
        self.stand.memory.each(|body| match body {
            Body::ResponseEnd(end) if end.status == "cut" => Some((end.changed, end.uncommitted.is_some())),
            _ => None,
        })
    }

    /// How commands ended of which people were asked.
    fn outcomes(&self) -> Vec<Outcome> {
        self.stand.memory.each(|body| match body {
            Body::Command(command) if command.request.is_some() => Some(command.outcome),
            _ => None,
        })
    }
}

/// Runs a case for so many rows that a person approves, or where nobody is asked.
async fn run(server: &Arc<Server>, rows: Option<u64>, case: &Case) -> Run {
    server.execute(ROWS);
    let before = server.execute(STANDING);
    let stand = Stand::start_with(Arc::clone(server), &policy(rows.is_some()), |_| {}).await;
    let mut stream = stand.raw_session().await;
    for messages in &case.before {
        send(&mut stream, messages).await;
        read_until_ready(&mut stream).await;
    }
    send(&mut stream, &case.messages).await;
    if rows.is_some() {
        let terms = Some(Terms { rows, grant: None });
        stand.memory.decide_for("ann", "dba", Verdict::Approve, terms).await;
    }
    let mut told = Vec::new();
    if !case.copied.is_empty() {
        while told.last().is_none_or(|last: &Vec<u8>| last[0] != b'G') {
            told.push(read_message(&mut stream).await);
        }
        send(&mut stream, &case.copied).await;
    }
    let told = [told.concat(), rest(&mut stream).await].concat();
    drop(stream);
    stand.memory.closed().await;
    Run {
        after: server.execute(STANDING),
        stand,
        told,
        before,
    }
}

/// Each changes more than five rows.
fn past() -> Vec<Case> {
    let parts = (b'E', b"\0\0\0\0\x01".to_vec());
    let [parse, bind, _] = runs("UPDATE counted SET text = 'new' RETURNING id");
    vec![
        case([query(UPDATE)]),
        case([query("DELETE FROM counted WHERE id > 0")]),
        case([query(
            "UPDATE counted SET text = 'new' WHERE id < 4; UPDATE counted SET text = 'new' WHERE id > 7",
        )]),
        case([query(
            "INSERT INTO counted SELECT id, 'new' FROM generate_series(8, 15) id ON CONFLICT (id) DO UPDATE SET text = 'new'",
        )]),
        case([query(
            "MERGE INTO counted c USING generate_series(8, 15) n ON c.id = n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN \
             INSERT VALUES (n, 'new')",
        )]),
        case([query("UPDATE counted SET text = 'new' RETURNING id")]),
        case([query("UPDATE parted SET id = id + 100")]),
        case([query(
            "INSERT INTO notes VALUES (1, 'beside'); UPDATE counted SET text = 'new'",
        )]),
        case([query("EXECUTE u")]).after([prepares(UPDATE), sync()]),
        case([query("COPY counted FROM STDIN")]).copying(6, [copy_done()]),
        case(pipeline(&["COPY counted FROM STDIN"])).copying(6, [copy_done(), sync()]),
        case(pipeline(&[UPDATE])),
        case(pipeline(&["INSERT INTO notes VALUES (1, 'before')", UPDATE])),
        case(pipeline(&[UPDATE, "INSERT INTO notes VALUES (1, 'behind')"])),
        case(pipeline(&[UPDATE, "COMMIT"])),
        case(pipeline(&["BEGIN", UPDATE, "COMMIT"])),
        case(pipeline(&[UPDATE, "COMMIT", "BEGIN"])),
        case(runs(UPDATE).into_iter().chain([query("COMMIT")])),
        case([parse, bind, parts, sync()]),
        case(pipeline(&[UPDATE, "COMMIT"])).after([query("BEGIN")]),
        case(pipeline(&[UPDATE, "ROLLBACK TO s", "COMMIT"]))
            .after([query("BEGIN")])
            .after([query("SAVEPOINT s")]),
        case([query("BEGIN; UPDATE counted SET text = 'new'")]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_rows_last_than_people_approved() {
    for server in servers() {
        for (place, case) in past().iter().enumerate() {
            let run = run(&server, Some(5), case).await;
            let words = run.words();
            assert!(words.contains("C42501"), "{place}: {words}");
            assert!(words.contains("more rows than people approved"), "{place}: {words}");
            assert_eq!(run.after, run.before, "{place}");
            let cut = run.cut();
            assert!(!cut.is_empty() && cut.iter().all(|(_, back)| *back), "{place}: {cut:?}");
            assert_eq!(run.stand.memory.closed().await, "approval", "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_is_told_which_request_and_how_many_rows() {
    let [server, _] = servers();
    let run = run(&server, Some(5), &case([query(UPDATE)])).await;
    let words = run.words();
    let (_, rest) = words.split_once("approval ").unwrap();
    let (id, _) = rest.split_once(" is needed").unwrap();
    let wanted = format!("it changed 10 rows, and request {id} was approved for 5");
    assert!(words.contains("SFATAL") && words.contains(&wanted), "{words}");
    assert_eq!(run.cut(), [(Some(10), true)]);
}

/// Each may change rows that the server does not count, or commits before it has.
fn untold() -> Vec<Case> {
    let mut behind = runs("SELECT 1").to_vec();
    behind.push(query(UPDATE));
    let returning = (b'P', [b"\0", UPDATE.as_bytes(), b" RETURNING id\0\0\0"].concat());
    let portal = (b'B', b"p\0\0\0\0\0\0\0\0".to_vec());
    vec![
        case([query("TRUNCATE counted CASCADE")]),
        case([query(
            "WITH d AS (DELETE FROM counted RETURNING 1) SELECT count(*) FROM d",
        )]),
        case([query(
            "WITH d AS (UPDATE counted SET text = 'new' RETURNING 1) UPDATE parted SET id = 11 WHERE id = 1",
        )]),
        case([query(
            "WITH counted AS (SELECT 1), d AS (DELETE FROM counted RETURNING 1) UPDATE parted SET id = 11 WHERE id = 1",
        )]),
        case([query("EXPLAIN ANALYZE DELETE FROM counted")]),
        case([query("COPY (DELETE FROM counted RETURNING id) TO STDOUT")]),
        case([query("DROP TABLE counted CASCADE")]),
        case([query("CREATE TABLE made AS SELECT * FROM counted")]),
        case([query("SELECT * INTO made FROM counted")]),
        case([query("DO 'BEGIN DELETE FROM counted; END'")]),
        case([query("SELECT emptied()")]),
        case([query("UPDATE parted SET id = length(emptied()) WHERE id = 1")]),
        case([query("CALL emptied_too()")]),
        case([query("UPDATE parted SET id = id OPERATOR(public.###) 1 WHERE id = 1")]),
        case([query("EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1")]),
        case([query("EXPLAIN ANALYZE CREATE MATERIALIZED VIEW made AS SELECT 1")]),
        case([query("UPDATE counted SET text = 'new'; COMMIT")]),
        case([query("BEGIN; UPDATE counted SET text = 'new'; COMMIT")]),
        case([query("COMMIT; UPDATE counted SET text = 'new'")]).after([query("BEGIN")]),
        case([query("UPDATE counted SET text = 'new'; TRUNCATE parted")]),
        case([query("EXPLAIN ANALYZE EXECUTE u")]).after([prepares(UPDATE), sync()]),
        case([query("EXECUTE u")]).after([
            prepares("WITH d AS (DELETE FROM counted RETURNING 1) SELECT * FROM d"),
            sync(),
        ]),
        case(pipeline(&["TRUNCATE counted CASCADE"])),
        case(pipeline(&[
            "WITH d AS (DELETE FROM counted RETURNING 1) SELECT count(*) FROM d",
        ])),
        case(behind),
        case([query("FETCH 1 FROM p")])
            .after([query("BEGIN")])
            .after([returning, portal, sync()]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_counted_does_not_run_by_an_approval_for_so_many_rows() {
    for server in servers() {
        for (place, case) in untold().iter().enumerate() {
            let run = run(&server, Some(5), case).await;
            let words = run.words();
            assert!(words.contains("C42501"), "{place}: {words}");
            assert!(words.contains("was approved for 5 rows, and"), "{place}: {words}");
            assert_eq!(run.after, run.before, "{place}");
            assert_eq!(run.outcomes(), [Outcome::Expired], "{place}");
            assert_eq!(run.stand.memory.closed().await, "policy", "{place}");
        }
    }
}

/// Each changes ten rows at the most.
fn within() -> Vec<Case> {
    vec![
        case([query("UPDATE counted SET text = 'new' RETURNING id, text")]),
        case([query("UPDATE counted SET text = 'new' WHERE false")]),
        case([query(
            "UPDATE counted SET text = 'new' WHERE id < 4; UPDATE counted SET text = 'more' WHERE id > 7;",
        )]),
        case([query("SELECT 1; UPDATE counted SET text = 'new'; SELECT 2;;")]),
        case([query("SET application_name = 'other'; UPDATE counted SET text = 'new'")]),
        case([query("SHOW transaction_isolation; UPDATE counted SET text = 'new'")])
            .after([query("SET default_transaction_isolation = 'serializable'")]),
        case([query("UPDATE counted SET text = 'new'")]).after([query("SET default_transaction_read_only = on")]),
        case([query("UPDATE counted SET text = 'new'; NOTIFY told, 'this'")]).after([query("LISTEN told")]),
        case([query("INSERT INTO counted VALUES (11, 'new'), (1, 'there')")]),
        case([query(
            "UPDATE counted SET text = 'new'; UPDATE counted SET id = 1 / (id - 1)",
        )]),
        // What is checked at the commit.
        case([query("INSERT INTO child VALUES (1)")]),
        case([query("INSERT INTO child VALUES (99)")]),
        case([query("INSERT INTO child VALUES (99) RETURNING id")]),
        case([query(
            "UPDATE counted SET text = 'new' WHERE id < 4; INSERT INTO child VALUES (99)",
        )]),
        case([query("BEGIN; UPDATE counted SET text = 'new'")]),
        case([query("UPDATE counted SET text = 'new'")]).after([query("BEGIN")]),
        case([query("SAVEPOINT s; UPDATE counted SET text = 'new'; ROLLBACK TO s")]).after([query("BEGIN")]),
        case([query("COPY counted FROM STDIN")]).copying(4, [copy_done()]),
        case([query("COPY counted FROM STDIN")]).copying(4, [(b'f', b"no\0".to_vec())]),
        case(pipeline(&["COPY counted FROM STDIN"])).copying(4, [copy_done(), sync()]),
        case(pipeline(&[UPDATE])),
        case(pipeline(&[UPDATE, "INSERT INTO notes VALUES (1, 'behind')"])),
        case(pipeline(&["INSERT INTO notes VALUES (1, 'before')", UPDATE])),
        case(pipeline(&["INSERT INTO child VALUES (99)"])),
        case(pipeline(&[
            "INSERT INTO child VALUES (99)",
            "INSERT INTO notes VALUES (1, 'behind')",
        ])),
        case(pipeline(&[
            "UPDATE counted SET id = 1 / (id - 1)",
            "INSERT INTO notes VALUES (1, 'behind')",
        ])),
        case(pipeline(&["BEGIN", UPDATE, "COMMIT"])),
        case(pipeline(&[UPDATE, "COMMIT"])).after([query("BEGIN")]),
        case(pipeline(&[UPDATE, "ROLLBACK"])).after([query("BEGIN")]),
        case(runs(UPDATE).into_iter().chain([query("COMMIT")])).after([query("BEGIN")]),
    ]
}

/// Messages without what tells that people are waited for, and without the number of the process that notifies.
fn without_wait(bytes: &[u8]) -> Vec<(char, String)> {
    let waits = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("is needed by dba");
    let all = messages(bytes).into_iter().filter(|message| !waits(message.bytes()));
    all.map(|message| {
        let body = message.bytes().get(5..).unwrap_or_default();
        let body = if message.tag() == b'A' {
            body.get(4..).unwrap_or_default()
        } else {
            body
        };
        (char::from(message.tag()), String::from_utf8_lossy(body).into_owned())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_within_its_rows_is_told_as_if_nobody_had_counted() {
    for server in servers() {
        for (place, case) in within().iter().enumerate() {
            let free = run(&server, None, case).await;
            let limited = run(&server, Some(10), case).await;
            let (free_told, limited_told) = (without_wait(&free.told), without_wait(&limited.told));
            assert_eq!(limited_told, free_told, "{place}");
            assert_eq!(limited.after, free.after, "{place}");
            assert_eq!(limited.outcomes(), [Outcome::Approved], "{place}");
        }
    }
}
