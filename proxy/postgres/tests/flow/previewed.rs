//! Previews on real servers: what people are shown, that nothing of the run stays, and what is not run.
//!
//! What may come between the steps of a run is in `meanwhile`, and who may stand between proxy and server in `between`.

#[path = "previewed/between.rs"]
mod between;
#[path = "previewed/meanwhile.rs"]
mod meanwhile;

use std::sync::Arc;

use exhibit_policy::mask::MaskKey;
use exhibit_postgres::message::encode;
use exhibit_schemas::event::approval::{Previewed, Verdict};
use exhibit_schemas::event::{Body, Kind};
use tokio::io::AsyncWriteExt as _;

use crate::enforced::session::{apply_rules, enforced};
use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, read_until_ready, talk};

const ASKS: &str = r#"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
preview = "rolled-back"
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic"]
actions = ["write", "delete", "execute"]
effect = "ask"
approval = "dba"
"#;

/// Ten rows to count, and what has code around it, which would be seen in `log` and in sequences.
const TABLES: &str = "CREATE TABLE counted AS SELECT n AS id, 'planted-' || n AS text FROM generate_series(1, 10) n; \
     ALTER TABLE counted ADD PRIMARY KEY (id); CREATE TABLE log (text text); \
     CREATE TABLE child (id int REFERENCES counted ON DELETE CASCADE); \
     CREATE TABLE alone AS SELECT * FROM counted; ALTER TABLE alone ADD PRIMARY KEY (id); \
     CREATE TABLE numbered (id serial, text text); \
     CREATE FUNCTION touched() RETURNS text LANGUAGE sql VOLATILE AS 'INSERT INTO log VALUES (''touched'') RETURNING text'; \
     CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS \
     'BEGIN INSERT INTO log VALUES (''noted''); PERFORM nextval(''numbered_id_seq''); RETURN new; END'; \
     CREATE TABLE fired AS TABLE alone; CREATE TRIGGER noted BEFORE UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION noted(); \
     CREATE VIEW shown AS SELECT * FROM alone; \
     CREATE TABLE parted (id int) PARTITION BY RANGE (id); \
     CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (5000); INSERT INTO parted VALUES (1); \
     CREATE FUNCTION short(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN length($1) < 9; END'; \
     CREATE DOMAIN word AS text CHECK (short(value)); CREATE TABLE words (id int, word word); \
     CREATE TABLE indexed AS TABLE alone; CREATE INDEX ON indexed (short(text)); \
     CREATE TABLE partial AS TABLE alone; CREATE INDEX ON partial (id) WHERE short(text); \
     CREATE FUNCTION near(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN length($1) < 99; END'; \
     CREATE OPERATOR ~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = near); \
     CREATE TABLE checked AS TABLE alone; ALTER TABLE checked ADD CHECK (text ~~~ 'x'); \
     CREATE FUNCTION same(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN int4eq($1, $2); END'; \
     CREATE FUNCTION order_of(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN btint4cmp($1, $2); END'; \
     CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same); \
     CREATE OPERATOR CLASS own FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 ===, OPERATOR 4 >=, \
     OPERATOR 5 >, FUNCTION 1 order_of(int, int); \
     CREATE TABLE keyed (id int); CREATE UNIQUE INDEX ON keyed (id own); CREATE TABLE referring (id int REFERENCES keyed (id)); \
     CREATE TYPE pair AS (a word, b int); CREATE TYPE span AS RANGE (subtype = word); \
     CREATE TABLE made (id int, words word[], pair pair, span span); \
     CREATE FUNCTION lesser(uuid, uuid) RETURNS uuid LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''numbered_id_seq''); RETURN $1; END'; \
     CREATE AGGREGATE min(uuid) (SFUNC = lesser, STYPE = uuid); CREATE TABLE ids AS SELECT md5(text)::uuid AS id FROM alone; \
     CREATE DOMAIN \"serial\" AS text CHECK (short(value)); \
     CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE moods AS SELECT id, 'sad'::mood AS mood, '{sad}'::mood[] AS all_of FROM alone;";

/// Everything that a run could have left, but for the marks of rows that a rollback took back.
const STANDING: &str = "SELECT xmin, ctid, * FROM alone ORDER BY id; SELECT xmin, ctid, * FROM counted ORDER BY id; \
     SELECT xmin, * FROM fired; SELECT * FROM parted; SELECT count(*) FROM log; \
     SELECT last_value, is_called FROM numbered_id_seq; SELECT count(*) FROM numbered";

/// What the agents' sessions hold.
const HELD: &str = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.pid <> pg_backend_pid() AND \
     a.backend_type = 'client backend'";

/// Rows that a run has met: a rollback leaves its number in them.
const MET: &str = "SELECT count(*) FROM alone WHERE xmax <> 0";

const NOT_TAKEN_BACK: &str = "a rollback is not proven";
const SEVERAL: &str = "it is not one INSERT";
const NOT_THE_SAME: &str = "it may go by the session, the clock, chance";
const RETURNS: &str = "it returns rows";

/// Statements by themselves, with the number of rows or a word of the reason.
const ALONE: &[(&str, &str)] = &[
    ("DELETE FROM alone WHERE id <= 3", "3"),
    ("UPDATE alone SET text = 'x'", "10"),
    ("UPDATE alone SET text = 'x' WHERE id > 8", "2"),
    ("INSERT INTO alone VALUES (11, 'a'), (12, 'b')", "2"),
    ("INSERT INTO alone SELECT id + 100, text FROM alone", "10"),
    (
        "INSERT INTO alone VALUES (1, 'a'), (13, 'b') ON CONFLICT DO NOTHING",
        "1",
    ),
    ("DELETE FROM alone WHERE id = 99", "0"),
    (
        "MERGE INTO alone a USING (SELECT id + 5 AS id FROM alone) v ON a.id = v.id \
         WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'n')",
        "10",
    ),
    (
        "INSERT INTO alone VALUES (1, 'again')",
        "its run failed at the target (SQLSTATE 23505)",
    ),
    (
        "DELETE FROM alone WHERE id / 0 = 1",
        "its run failed at the target (SQLSTATE 22012)",
    ),
    (
        "WITH gone AS (DELETE FROM alone RETURNING id) SELECT id FROM gone",
        SEVERAL,
    ),
    (
        "DELETE FROM alone WHERE id = 1; DELETE FROM alone WHERE id = 2",
        SEVERAL,
    ),
    ("COPY alone FROM STDIN", SEVERAL),
];

/// Statements over what looks like code and is not run by them.
const HARMLESS: &[(&str, &str)] = &[
    // Defaults are for rows that are inserted.
    ("DELETE FROM numbered", "0"),
    ("UPDATE numbered SET text = 'x'", "0"),
    (
        "DELETE FROM moods WHERE mood = 'sad' AND all_of = '{sad}' AND id < 4",
        "3",
    ),
];

/// Statements of which a rollback is not proven to take back all, or that code hangs on.
const REACHING: &[&str] = &[
    "INSERT INTO numbered (text) VALUES ('a')",
    "INSERT INTO alone VALUES (nextval('numbered_id_seq'), 'a')",
    "UPDATE alone SET text = touched()",
    "DELETE FROM alone WHERE touched() = 'a'",
    "UPDATE fired SET text = 'x'",
    "DELETE FROM counted",
    "DELETE FROM shown",
    "DELETE FROM parted",
    "INSERT INTO words VALUES (1, 'a')",
    "UPDATE indexed SET text = 'x'",
    "UPDATE partial SET text = 'x'",
    "DELETE FROM parted_low",
    "UPDATE checked SET text = 'x'",
    "INSERT INTO keyed VALUES (1)",
    "INSERT INTO referring VALUES (1)",
    "DELETE FROM made WHERE words = '{a}'",
    "DELETE FROM alone WHERE id IN (SELECT id FROM made WHERE span = '[a,b]')",
    "DELETE FROM alone WHERE id IN (SELECT id FROM words WHERE ARRAY[word] = '{a}')",
    "DELETE FROM alone WHERE id = 1 AND '{abc}'::_word IS NOT NULL",
    "DELETE FROM alone WHERE id = 1 AND '{\"(1,abc)\"}'::_words IS NOT NULL",
    "DELETE FROM alone WHERE id = 1 AND 'abc'::\"serial\" IS NOT NULL",
    "DELETE FROM alone WHERE (SELECT min(id) FROM ids) IS NOT NULL",
    "DELETE FROM alone WHERE id IN (SELECT id FROM parted)",
    "UPDATE numbered SET id = DEFAULT",
    "DELETE FROM alone WHERE EXISTS (SELECT FROM pg_settings WHERE name = 'lock_timeout' AND setting = '500')",
    "DELETE FROM alone WHERE EXISTS (SELECT FROM pg_prepared_statements WHERE name LIKE 'exhibit%')",
    "WITH gone AS (DELETE FROM alone WHERE id = 1 RETURNING id) DELETE FROM alone WHERE id IN (SELECT id + 1 FROM gone)",
];

/// Statements that could tell their own preview, or have what they read come out of it.
const TELLING: &[(&str, &str)] = &[
    ("UPDATE alone SET text = 'x' WHERE id > 8 RETURNING text", RETURNS),
    // What the run has read would come as the value of a setting.
    (
        "UPDATE alone SET text = set_config('application_name', (SELECT string_agg(text, ',') FROM alone), false)",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE set_config('lock_timeout', '0', false) = '0'",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE current_setting('lock_timeout') <> '500ms'",
        NOT_THE_SAME,
    ),
    ("DELETE FROM alone WHERE now() > '2020-01-01'", NOT_THE_SAME),
    ("DELETE FROM alone WHERE current_date > '2020-01-01'", NOT_THE_SAME),
    (
        "DELETE FROM alone WHERE 'now'::timestamptz > '2020-01-01'",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE E'n\\x6fw'::timestamptz > '2020-01-01'",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE 'no'\n'w'::timestamptz > '2020-01-01'",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE ('no' || 'w')::timestamptz > '2020-01-01'",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE '{n\\ow}'::timestamptz[] IS NOT NULL",
        NOT_THE_SAME,
    ),
    ("DELETE FROM alone WHERE text::date > '2020-01-01'", NOT_THE_SAME),
    ("DELETE FROM alone WHERE '12:00'::timetz > '11:00+00'", NOT_THE_SAME),
    (
        "DELETE FROM alone WHERE EXISTS (SELECT FROM json_to_record('{\"t\":\"no\\u0077\"}') AS x(t timestamptz))",
        NOT_THE_SAME,
    ),
    (
        "DELETE FROM alone WHERE id IN (SELECT id FROM alone FOR UPDATE SKIP LOCKED)",
        NOT_THE_SAME,
    ),
    ("DELETE FROM alone WHERE random() < 2", NOT_THE_SAME),
    ("DELETE FROM alone WHERE id > 99 AND setseed(0.5) IS NULL", NOT_THE_SAME),
    (
        "DELETE FROM alone WHERE txid_current_if_assigned() IS NULL",
        NOT_THE_SAME,
    ),
    ("DELETE FROM alone WHERE pg_relation_size('alone') = 0", NOT_THE_SAME),
    ("DELETE FROM alone WHERE xmax = 0", NOT_THE_SAME),
    ("DELETE FROM alone a WHERE (a).ctid = '(0,1)'", NOT_THE_SAME),
    (
        "DELETE FROM alone WHERE id IN (SELECT id FROM counted TABLESAMPLE system (50))",
        NOT_THE_SAME,
    ),
];

/// Without masks, so that code of somebody's is for people to decide about.
fn policy(change: impl FnOnce(&str) -> String) -> String {
    let (unmasked, _) = POLICY.split_once("[[masks]]").unwrap();
    unmasked.replacen("[[rules]]", &format!("{}[[rules]]", change(ASKS)), 1)
}

fn tables(server: Server) -> Arc<Server> {
    server.execute(SCHEMA);
    server.execute(TABLES);
    Arc::new(server)
}

/// People have as long as they want.
async fn stand_on(server: Server) -> Stand {
    Stand::start_with(tables(server), &policy(str::to_owned), |_| {}).await
}

/// Sessions wait a second for them.
async fn in_a_hurry(server: Server) -> Stand {
    Stand::start_with(tables(server), &hurried(), |_| {}).await
}

fn hurried() -> String {
    policy(|asks| asks.replacen("expires_s", "hold_s = 1\nexpires_s", 1))
}

/// What people were shown, question by question.
fn shown(stand: &Stand) -> Vec<String> {
    stand.memory.each(|body| match body {
        Body::ApprovalRequested(asked) => Some(match &asked.preview {
            Some(Previewed::Rows(rows)) => rows.to_string(),
            Some(Previewed::Not(why)) => why.clone(),
            None => "nothing".to_owned(),
        }),
        _ => None,
    })
}

fn last(stand: &Stand) -> String {
    shown(stand).pop().unwrap()
}

fn kinds(stand: &Stand) -> Vec<Kind> {
    stand.memory.each(|body| match body.kind() {
        Kind::PreviewRun | Kind::ApprovalRequested | Kind::ApprovalExpired | Kind::Command => Some(body.kind()),
        _ => None,
    })
}

fn runs(stand: &Stand) -> usize {
    kinds(stand)
        .into_iter()
        .filter(|kind| *kind == Kind::PreviewRun)
        .count()
}

async fn send(stream: &mut Encrypted, sql: &str) {
    let query = [sql.as_bytes(), &[0]].concat();
    stream.write_all(&encode::message(b'Q', &query)).await.unwrap();
    stream.flush().await.unwrap();
}

async fn query(stream: &mut Encrypted, sql: &str) -> String {
    send(stream, sql).await;
    String::from_utf8_lossy(&read_until_ready(stream).await).into_owned()
}

async fn are_shown(stand: &Stand, statements: &[(&str, &str)]) {
    let before = stand.server.execute(STANDING);
    let mut stream = stand.raw_session().await;
    let mut wrong = Vec::new();
    for (sql, wanted) in statements {
        let told = query(&mut stream, sql).await;
        let shown = last(stand);
        let as_wanted = shown == *wanted || shown.starts_with(wanted) && wanted.len() > 3;
        if !as_wanted || !told.contains("waits for people") || told.contains("planted") {
            wrong.push(format!("{sql}: {shown}, and its agent: {told}"));
        }
        assert_eq!(stand.server.execute(STANDING), before, "{sql}");
        assert_eq!(stand.server.execute(HELD).trim(), "0", "{sql}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing of it comes later, either.
    assert!(!query(&mut stream, "SELECT 1").await.contains("planted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_tell_its_own_preview_is_not_run() {
    for server in [Server::start(), Server::start_18()] {
        let stand = in_a_hurry(server).await;
        are_shown(&stand, TELLING).await;
        assert_eq!(runs(&stand), 0);
        assert!(!met(&stand));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rollback_may_not_take_back_is_not_run() {
    for server in [Server::start(), Server::start_18()] {
        let stand = in_a_hurry(server).await;
        let reaching: Vec<_> = REACHING.iter().map(|sql| (*sql, NOT_TAKEN_BACK)).collect();
        let (first, rest) = reaching.split_at(reaching.len() / 2);
        are_shown(&stand, first).await;
        // So many wait for people at the most.
        let again = Stand::start_with(Arc::clone(&stand.server), &hurried(), |_| {}).await;
        are_shown(&again, rest).await;
        assert_eq!((runs(&stand), runs(&again)), (0, 0));
        assert!(!met(&stand));
        are_shown(&again, HARMLESS).await;
        assert_eq!(runs(&again), HARMLESS.len());
    }
}

async fn people_are_shown_what_a_command_changes_and_nothing_of_it_stays(server: Server) {
    let stand = in_a_hurry(server).await;
    are_shown(&stand, ALONE).await;
    let ran = ALONE.iter().filter(|(_, wanted)| *wanted != SEVERAL);
    assert_eq!(runs(&stand), ran.count());
    // What was met was met by runs that were rolled back, so they have run.
    assert_eq!(stand.server.execute(MET).trim(), "10");
    // Neither values nor messages of the server are in what is recorded.
    let evidence = stand.memory.evidence();
    let has = |text: &[u8]| evidence.windows(text.len()).any(|window| window == text);
    assert!(!has(b"planted") && !has(b"duplicate key") && !has(b"division"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_shown_what_a_command_changes_and_nothing_of_it_stays_15() {
    people_are_shown_what_a_command_changes_and_nothing_of_it_stays(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_shown_what_a_command_changes_and_nothing_of_it_stays_18() {
    people_are_shown_what_a_command_changes_and_nothing_of_it_stays(Server::start_18()).await;
}

const SYNC: (u8, &[u8]) = (b'S', b"");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_bound_run_and_the_agents_session_stays_as_it_was() {
    for server in [Server::start(), Server::start_18()] {
        let stand = in_a_hurry(server).await;
        let mut stream = stand.raw_session().await;
        let stream = &mut stream;
        // The unnamed statement lasts beyond its message.
        let parse: (u8, &[u8]) = (b'P', b"\0SELECT text FROM alone WHERE id = $1\0\0\0");
        let read: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\x01\0\0\0\x017\0\0");
        talk(stream, &[parse, SYNC]).await;
        let delete: (u8, &[u8]) = (b'P', b"d\0DELETE FROM alone WHERE id <= $1\0\0\0");
        let four: (u8, &[u8]) = (b'B', b"p\0d\0\0\0\0\x01\0\0\0\x014\0\0");
        let execute: (u8, &[u8]) = (b'E', b"p\0\0\0\0\0");
        let told = talk(stream, &[delete, four, execute, SYNC]).await;
        assert!(told.contains("waits for people"), "{told}");
        assert_eq!(last(&stand), "4");
        let told = talk(stream, &[read, EXECUTE, SYNC]).await;
        assert!(told.contains("planted-7"), "{told}");
        let kept = "SELECT count(*) AS kept FROM pg_prepared_statements WHERE name LIKE 'exhibit%'";
        let told = query(stream, kept).await;
        assert!(told.contains("\u{1}0"), "{told:?}");
        // Long values are not kept to run with.
        let word: (u8, &[u8]) = (b'P', b"\0DELETE FROM alone WHERE text = $1\0\0\0");
        let long = [&b"\0\0\0\0\0\x01\0\0\x4e\x20"[..], &vec![b'x'; 20_000], b"\0\0"].concat();
        talk(stream, &[word, (b'B', &long), EXECUTE, SYNC]).await;
        assert_eq!(last(&stand), "its values are too long, or not known");
        // In a pipeline behind a change, within one, and in a transaction nothing is run.
        let one: (u8, &[u8]) = (b'P', b"\0DELETE FROM alone WHERE id = 1\0\0\0");
        let none: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
        let runs_before = runs(&stand);
        talk(
            stream,
            &[
                (b'P', b"\0SELECT 1\0\0\0"),
                none,
                EXECUTE,
                (b'H', b""),
                one,
                none,
                EXECUTE,
                SYNC,
            ],
        )
        .await;
        assert_eq!(last(&stand), "it stands in a pipeline whose Sync is still to come");
        query(stream, "BEGIN").await;
        query(stream, "DELETE FROM alone WHERE id = 2").await;
        assert_eq!(last(&stand), "it stands in an open transaction");
        query(stream, "ROLLBACK").await;
        assert_eq!(runs(&stand), runs_before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_runs_once_and_what_was_refused_never() {
    for (verdict, left, tag) in [
        (Verdict::Approve, "7", "DELETE 3"),
        (Verdict::Deny, "10", "refused by policy"),
    ] {
        let stand = stand_on(Server::start()).await;
        let mut stream = stand.raw_session().await;
        send(&mut stream, "DELETE FROM alone WHERE id <= 3").await;
        let (asked, _, _) = stand.memory.asked().await;
        assert_eq!(asked.preview, Some(Previewed::Rows(3)));
        assert_eq!(stand.server.execute("SELECT count(*) FROM alone").trim(), "10");
        assert_eq!(stand.server.execute(HELD).trim(), "0");
        stand.memory.decide("ann", "dba", verdict).await;
        let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
        assert!(told.contains(tag), "{told}");
        assert_eq!(stand.server.execute("SELECT count(*) FROM alone").trim(), left);
        assert_eq!(
            kinds(&stand),
            [Kind::PreviewRun, Kind::ApprovalRequested, Kind::Command]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_prepares_first_is_previewed() {
    let stand = stand_on(Server::start_18()).await;
    let client = stand.driver().await;
    let statement = client
        .prepare("UPDATE alone SET text = $2 WHERE id <= $1")
        .await
        .unwrap();
    let memory = Arc::clone(&stand.memory);
    let decided = tokio::spawn(async move { memory.decide("ann", "dba", Verdict::Approve).await });
    assert_eq!(client.execute(&statement, &[&6, &"new"]).await.unwrap(), 6);
    decided.await.unwrap();
    assert_eq!(last(&stand), "6");
    let changed = stand.server.execute("SELECT count(*) FROM alone WHERE text = 'new'");
    assert_eq!(changed.trim(), "6");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_run_again_for_its_approval_is_not_previewed_again() {
    let stand = in_a_hurry(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let delete = "DELETE FROM alone WHERE id <= 3";
    assert!(query(&mut stream, delete).await.contains("waits for people"));
    stand.memory.decide("ann", "dba", Verdict::Approve).await;
    assert!(query(&mut stream, delete).await.contains("DELETE 3"));
    assert_eq!(runs(&stand), 1);
    assert_eq!(stand.server.execute("SELECT count(*) FROM alone").trim(), "7");
}

/// Whether the target has got anything of a run.
fn met(stand: &Stand) -> bool {
    stand.server.execute(MET).trim() != "0"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_without_a_preview_shows_none() {
    let plain = policy(|asks| asks.replacen("preview = \"rolled-back\"\n", "hold_s = 1\n", 1));
    let stand = Stand::start_with(tables(Server::start()), &plain, |_| {}).await;
    let mut stream = stand.raw_session().await;
    query(&mut stream, "DELETE FROM alone").await;
    assert_eq!((last(&stand).as_str(), runs(&stand)), ("nothing", 0));
    assert!(!met(&stand));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_masks_are_what_is_sent_otherwise_is_not_run() {
    let asks = ASKS.replacen("expires_s", "hold_s = 1\nexpires_s", 1);
    let masked = POLICY.replacen("[[rules]]", &format!("{asks}[[rules]]"), 1);
    let stand = Stand::start_with(tables(Server::start()), &masked, |_| {}).await;
    let mut stream = stand.raw_session().await;
    let unread = "it goes by what its requester may not read unasked, or only masked";
    stand.server.execute(
        "ALTER TABLE patients ADD UNIQUE (ssn); CREATE TABLE cards (ssn text REFERENCES patients (ssn), note text)",
    );
    for (sql, wanted) in [
        ("UPDATE patients SET name = 'x' WHERE id <= 2", "2"),
        ("UPDATE patients SET ssn = 'x' WHERE id = 2", unread),
        (
            "INSERT INTO patients (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING",
            unread,
        ),
        ("UPDATE cards SET note = 'x'", unread),
        (
            "UPDATE patients SET name = 'x' WHERE id = 1 RETURNING ssn",
            "it returns rows",
        ),
        (
            "UPDATE patients SET name = 'x' WHERE id = 1 RETURNING upper(ssn)",
            "the target gets it otherwise than it was written, for its masks",
        ),
    ] {
        let told = query(&mut stream, sql).await;
        assert!(told.contains("waits for people"), "{sql}: {told}");
        assert_eq!(last(&stand), wanted, "{sql}");
    }
    let evidence = stand.memory.evidence();
    assert!(!evidence.windows(11).any(|window| window == b"123-45-6789"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_agent_may_not_read_is_met_by_no_run() {
    let hidden = "[[rules]]\nname = \"hidden\"\nroles = [\"ci\"]\ntargets = [\"clinic\"]\nresources = [\"public.counted\"]\n\
                  actions = [\"read\"]\neffect = \"ask\"\napproval = \"dba\"\n";
    let policy = policy(|asks| format!("{}{hidden}", asks.replacen("expires_s", "hold_s = 1\nexpires_s", 1)));
    let stand = Stand::start_with(tables(Server::start()), &policy, |_| {}).await;
    let mut stream = stand.raw_session().await;
    let unread = "it goes by what its requester may not read unasked, or only masked";
    for (sql, wanted) in [
        (
            "UPDATE alone SET text = 'x' WHERE id IN (SELECT id FROM counted WHERE text = 'planted-3')",
            unread,
        ),
        // Its foreign key is to what is hidden.
        ("INSERT INTO child VALUES (3)", unread),
        ("UPDATE alone SET text = 'x' WHERE id = 3", "1"),
    ] {
        query(&mut stream, sql).await;
        assert_eq!(last(&stand), wanted, "{sql}");
    }
    assert_eq!(runs(&stand), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_among_others_in_its_pipeline_is_not_run() {
    let stand = in_a_hurry(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let none: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
    let set: (u8, &[u8]) = (b'P', b"\0SET extra_float_digits = 0\0\0\0");
    let delete: (u8, &[u8]) = (b'P', b"\0DELETE FROM alone WHERE id = 1\0\0\0");
    for (tag, body) in [set, none, EXECUTE, delete, none, EXECUTE, SYNC] {
        stream.write_all(&encode::message(tag, body)).await.unwrap();
    }
    stream.flush().await.unwrap();
    // No retry can take it up, so it waits.
    let (asked, _, _) = stand.memory.asked().await;
    let why = "it stands among other commands in the same pipeline";
    assert_eq!(asked.preview, Some(Previewed::Not(why.to_owned())));
    assert_eq!(runs(&stand), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_another_encoding_goes_on_without_a_run() {
    let stand = in_a_hurry(Server::start()).await;
    stand
        .server
        .execute("CREATE SCHEMA \"größe\"; GRANT USAGE ON SCHEMA \"größe\" TO PUBLIC");
    let mut stream = stand.raw_session().await;
    query(&mut stream, "SET search_path TO \"größe\", public").await;
    query(&mut stream, "SET client_encoding TO 'LATIN1'").await;
    query(&mut stream, "DELETE FROM alone WHERE id = 1").await;
    assert_eq!(last(&stand), "the session is in another encoding than UTF8");
    assert!(query(&mut stream, "SELECT 1").await.contains("SELECT 1"));
    assert_eq!(runs(&stand), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_masks_what_is_sent_as_it_was_written_is_run() {
    let server = Server::start();
    server.execute(crate::enforced::CLINIC);
    let asks = ASKS.replacen("expires_s", "hold_s = 1\nexpires_s", 1);
    let rules = format!(
        "{}[[roles]]\nname = \"ci\"\nmatch = {{ subject = \"ci\" }}\n{asks}[[rules]]\nname = \"work\"\nroles = [\"ci\"]\n\
         targets = [\"clinic\"]\nactions = [\"read\", \"session\", \"transaction\"]\neffect = \"allow\"\n",
        crate::enforced::POLICY,
    );
    apply_rules(&server, &rules, &MaskKey::new([1; 32])).await;
    let stand = enforced(Arc::new(server), &rules).await;
    for (sql, wanted) in [
        ("UPDATE plain SET word = 'x' WHERE id = 1", "1"),
        (
            "DELETE FROM plain WHERE word IN (SELECT name FROM patients)",
            "the target gets it otherwise than it was written, for its masks",
        ),
    ] {
        let told = stand.psql(sql).await;
        assert_eq!(last(&stand), wanted, "{sql}: {told}");
    }
    assert_eq!(runs(&stand), 1);
}
