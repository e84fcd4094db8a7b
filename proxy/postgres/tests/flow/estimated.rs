//! Rules by how many rows the server expects: what it is asked, what counts where it is not, and that the agent's session stays
//! as it was.

use std::sync::Arc;

use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Attribute;
use exhibit_schemas::event::approval::Verdict;
use tokio::io::AsyncWriteExt as _;

use crate::enforced::session::{apply_rules, enforced};
use crate::server::Server;
use crate::stand::{Encrypted, POLICY, SCHEMA, Stand, read_until_ready, talk};

const RULE: &str = r#"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[rules]]
name = "many"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "execute"]
over = { estimated_rows = 1000 }
effect = "deny"
reason = "nobody moves so many"
"#;

/// 20,000 rows, and 10 of somebody's; what has code around it has few.
const TABLES: &str = "CREATE TABLE many AS SELECT n AS id, 'row ' || n AS text FROM generate_series(1, 20000) n; \
     ALTER TABLE many ADD PRIMARY KEY (id); CREATE TABLE few AS SELECT * FROM many WHERE id <= 10; \
     CREATE VIEW shown AS SELECT * FROM few; \
     CREATE FUNCTION looked() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'; \
     CREATE TABLE secured AS TABLE few; ALTER TABLE secured ENABLE ROW LEVEL SECURITY; \
     CREATE TABLE parted (id int) PARTITION BY RANGE (id); \
     CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (5000); \
     CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (5000) TO (30000); \
     INSERT INTO parted SELECT id FROM many; \
     CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; \
     CREATE TABLE kept AS TABLE many; CREATE TRIGGER noted BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION noted(); \
     CREATE DOMAIN word AS text CHECK (length(value) < 9); CREATE TABLE words (id int, word word);";

fn rules(change: impl FnOnce(&str) -> String) -> String {
    let rule = change(RULE);
    let open = POLICY.replacen(
        "\"delete\", \"session\"",
        "\"delete\", \"define\", \"execute\", \"session\"",
        1,
    );
    open.replacen("[[rules]]", &format!("{rule}[[rules]]"), 1)
}

fn tables(server: Server) -> Arc<Server> {
    server.execute(SCHEMA);
    server.execute(TABLES);
    server.execute("VACUUM ANALYZE");
    Arc::new(server)
}

async fn stand_on(server: Server) -> Stand {
    Stand::start_with(tables(server), &rules(str::to_owned), |_| {}).await
}

/// The same without masks, where the rule is observed: everything passes, and estimates are recorded.
async fn observing() -> Stand {
    let observed = rules(|rule| rule.replacen("name = \"many\"", "name = \"many\"\nmode = \"observe\"", 1));
    let (unmasked, _) = observed.split_once("[[masks]]").unwrap();
    Stand::start_with(tables(Server::start()), unmasked, |_| {}).await
}

/// What each command is estimated at, as text, with what it came to.
fn estimates(stand: &Stand) -> Vec<String> {
    stand.memory.each(|body| match body {
        Body::Command(command) => Some(match command.facts.attributes.get("estimated_rows") {
            Some(Attribute::Integer(rows)) => format!("{rows} {}", command.outcome),
            Some(Attribute::Text(cause)) => format!("{cause}: {}", command.outcome),
            Some(Attribute::Bool(_)) => "a word".to_owned(),
            None => format!("- {}", command.outcome),
        }),
        _ => None,
    })
}

/// The last of them.
fn last(stand: &Stand) -> String {
    estimates(stand).pop().unwrap()
}

/// Whether what is told is that number of rows, or the text; `~` is about it, as statistics are samples.
fn is_like(told: &str, wanted: &str) -> bool {
    let Some((wanted, outcome)) = wanted.strip_prefix('~').and_then(|wanted| wanted.split_once(' ')) else {
        return told == wanted;
    };
    let (rows, told) = told.split_once(' ').unwrap();
    let wanted: u64 = wanted.parse().unwrap();
    told == outcome
        && rows
            .parse::<u64>()
            .is_ok_and(|rows| rows.abs_diff(wanted) <= wanted / 4)
}

const NOT_ALONE: &str = "its plan may run functions, or reads views or row security: denied";
const NO_PLAN: &str = "the server makes no plan of such a statement: denied";
const AMONG: &str = "it stands among other statements in the same message: denied";

/// Statements by themselves, and what is recorded of the last command of each.
const ALONE: &[(&str, &str)] = &[
    ("SELECT * FROM many", "20000 denied"),
    ("TABLE many", "20000 denied"),
    ("SELECT * FROM many WHERE id = 5", "1 allowed"),
    ("SELECT * FROM many ORDER BY text LIMIT 10", "10 allowed"),
    ("SELECT count(*) FROM many", "1 allowed"),
    ("SELECT a.id FROM many a, few b", "200000 denied"),
    ("SELECT * FROM parted WHERE id < 200", "~199 allowed"),
    ("SELECT * FROM parted", "20000 denied"),
    ("UPDATE many SET text = 'x'", "20000 denied"),
    ("UPDATE many SET text = 'x' WHERE id = 5", "1 allowed"),
    ("UPDATE kept SET text = 'x'", "20000 denied"),
    ("UPDATE kept SET text = 'x' WHERE id = 5", "1 allowed"),
    ("UPDATE parted SET id = id", "20000 denied"),
    ("DELETE FROM many WHERE id <= 15000", "~15000 denied"),
    ("DELETE FROM many WHERE id = 6 RETURNING text", "1 allowed"),
    ("INSERT INTO few SELECT * FROM many", "20000 denied"),
    ("INSERT INTO few SELECT * FROM many WHERE id = 7", "1 allowed"),
    (
        "INSERT INTO few VALUES (11, 'a'), (12, 'b'), (13, lower('C'))",
        "3 allowed",
    ),
    ("INSERT INTO few VALUES (14, 'a'), (15, 'b')", "2 allowed"),
    ("INSERT INTO few VALUES (generate_series(1, 5000), 'c')", "5000 denied"),
    ("INSERT INTO few DEFAULT VALUES", "1 allowed"),
    (
        "MERGE INTO few f USING many m ON f.id = m.id WHEN MATCHED THEN UPDATE SET text = m.text",
        "~10 allowed",
    ),
    (
        "MERGE INTO many m USING many n ON m.id = n.id WHEN MATCHED THEN DELETE",
        "20000 denied",
    ),
    (
        "WITH d AS (DELETE FROM many RETURNING id) SELECT count(*) FROM d",
        "20000 denied",
    ),
    ("COPY many TO STDOUT", "20000 denied"),
    ("COPY (SELECT * FROM many LIMIT 5) TO STDOUT", "5 allowed"),
    ("COPY few (id) TO STDOUT", "~13 allowed"),
    ("EXPLAIN SELECT * FROM many", "0 allowed"),
    ("EXPLAIN ANALYZE SELECT * FROM few", NO_PLAN),
    ("PREPARE p AS SELECT * FROM many", "0 allowed"),
    ("SELECT * FROM shown", NOT_ALONE),
    ("SELECT * FROM secured", NOT_ALONE),
    ("CREATE TABLE other AS TABLE many", NO_PLAN),
    ("TRUNCATE few", NO_PLAN),
    ("BEGIN; SELECT * FROM few", AMONG),
    (
        "COPY few FROM STDIN",
        "the rows of a copy come after its statement: denied",
    ),
    (
        "SELECT nothing FROM few",
        "the server does not plan it (SQLSTATE 42703): denied",
    ),
    ("BEGIN", "- allowed"),
    ("SET work_mem = '8MB'", "- allowed"),
];

async fn statements_are_decided_by_what_the_server_expects(server: Server) {
    let stand = stand_on(server).await;
    for (sql, wanted) in ALONE {
        let shown = stand.psql(sql).await;
        let told = last(&stand);
        let few: String = shown.chars().take(400).collect();
        assert!(is_like(&told, wanted), "{sql}: {told} and not {wanted}; {few}");
        let refused = few.contains("nobody moves so many (rule: many)");
        assert_eq!(refused, wanted.ends_with("denied"), "{sql}: {few}");
    }
    assert_eq!(stand.server.execute("SELECT count(*) FROM many").trim(), "19999");
    assert_eq!(
        stand
            .server
            .execute("SELECT count(*) FROM many WHERE text = 'x'")
            .trim(),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_decided_by_what_the_server_expects_15() {
    statements_are_decided_by_what_the_server_expects(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_decided_by_what_the_server_expects_18() {
    statements_are_decided_by_what_the_server_expects(Server::start_18()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_bound_are_asked_with() {
    for server in [Server::start(), Server::start_18()] {
        let stand = stand_on(server).await;
        let mut client = stand.driver().await;
        let below = client.prepare("SELECT id FROM many WHERE id < $1").await.unwrap();
        let change = client.prepare("UPDATE many SET text = $2 WHERE id < $1").await.unwrap();
        // More often than the server plans anew for each value.
        for _ in 0..8 {
            assert_eq!(client.query(&below, &[&9]).await.unwrap().len(), 8);
            assert!(is_like(&last(&stand), "~8 allowed"), "{}", last(&stand));
        }
        assert!(client.query(&below, &[&15_000]).await.is_err());
        assert!(is_like(&last(&stand), "~15000 denied"), "{}", last(&stand));
        assert_eq!(client.execute(&change, &[&9, &"few"]).await.unwrap(), 8);
        assert!(client.execute(&change, &[&15_000, &"most"]).await.is_err());
        assert!(is_like(&last(&stand), "~15000 denied"), "{}", last(&stand));
        let transaction = client.transaction().await.unwrap();
        assert_eq!(transaction.query(&below, &[&9]).await.unwrap().len(), 8);
        assert_eq!(transaction.execute(&change, &[&5, &"fewer"]).await.unwrap(), 4);
        transaction.commit().await.unwrap();
        assert_eq!(
            stand
                .server
                .execute("SELECT count(*) FROM many WHERE text = 'fewer'")
                .trim(),
            "4"
        );
        // A domain may read its values by a function of somebody's.
        let mut stream = stand.raw_session().await;
        let parse: (u8, &[u8]) = (b'P', b"\0UPDATE words SET word = $1 WHERE id = 1\0\0\0");
        let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\x01\0\0\0\x017\0\0");
        let told = talk(&mut stream, &[parse, bind, EXECUTE, SYNC]).await;
        assert!(told.contains("nobody moves so many"), "{told}");
        assert_eq!(
            last(&stand),
            "a parameter has a type that may run code of its own: denied"
        );
        let long = "x".repeat(20_000);
        // Held, as the driver closes what is dropped, which is a command of its own.
        let alike = client.prepare("SELECT id FROM many WHERE text = $1").await.unwrap();
        assert!(client.query(&alike, &[&long]).await.is_err());
        assert_eq!(
            last(&stand),
            "what runs cannot be put into a question to the server: denied"
        );
    }
}

const SYNC: (u8, &[u8]) = (b'S', b"");
const EXECUTE: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_session_stays_as_it_was() {
    let stand = observing().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let query = async |stream: &mut Encrypted, sql: &str| {
        let body = [sql.as_bytes(), b"\0"].concat();
        talk(stream, &[(b'Q', &body)]).await
    };
    // The unnamed statement lasts beyond its message.
    let parse: (u8, &[u8]) = (b'P', b"\0SELECT text FROM many WHERE id = $1\0\0\0");
    talk(stream, &[parse, (b'D', b"S\0"), SYNC]).await;
    for _ in 0..2 {
        let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\x01\0\0\0\x017\0\0");
        let told = talk(stream, &[bind, EXECUTE, SYNC]).await;
        assert!(told.contains("row 7"), "{told}");
        assert_eq!(last(&stand), "1 allowed");
    }
    // So do settings, savepoints, cursors, and what the transaction has done.
    query(stream, "SET statement_timeout = 12345").await;
    query(stream, "BEGIN").await;
    query(stream, "SET LOCAL lock_timeout = 54321").await;
    query(stream, "DECLARE c CURSOR FOR SELECT text FROM many ORDER BY id").await;
    assert_eq!(last(&stand), "20000 allowed");
    assert!(query(stream, "FETCH 2 FROM c").await.contains("row 2"));
    assert_eq!(last(&stand), "2 allowed");
    query(stream, "SAVEPOINT mine").await;
    query(stream, "CREATE TEMPORARY TABLE scratch AS SELECT id FROM many").await;
    assert!(
        query(stream, "SELECT id FROM scratch WHERE id = 4711")
            .await
            .contains("4711")
    );
    assert!(!last(&stand).contains("plan"), "{}", last(&stand));
    query(stream, "UPDATE many SET text = 'mine' WHERE id = 1").await;
    assert!(query(stream, "FETCH 1 FROM c").await.contains("row 3"));
    // An error of the question is not one of the transaction: that fails by the statement itself.
    let told = query(stream, "SELECT nothing FROM few").await;
    assert!(told.contains("C42703"), "{told}");
    assert_eq!(last(&stand), "the server does not plan it (SQLSTATE 42703): allowed");
    let told = query(stream, "SELECT id FROM few").await;
    assert!(told.contains("C25P02"), "{told}");
    query(stream, "ROLLBACK TO mine").await;
    assert!(query(stream, "SHOW lock_timeout").await.contains("54321"));
    assert!(query(stream, "SHOW plan_cache_mode").await.contains("auto"));
    assert!(
        query(stream, "SELECT text FROM many WHERE id = 1")
            .await
            .contains("row 1")
    );
    query(stream, "PREPARE q AS SELECT text FROM many WHERE id <= 3").await;
    assert_eq!(last(&stand), "0 allowed");
    assert!(query(stream, "EXECUTE q").await.contains("row 3"));
    assert!(is_like(&last(&stand), "~3 allowed"), "{}", last(&stand));
    query(stream, "PREPARE r (int) AS SELECT text FROM many WHERE id <= $1").await;
    query(stream, "EXECUTE r (3)").await;
    assert_eq!(last(&stand), "the types of its arguments are not known: allowed");
    query(stream, "FETCH ALL FROM c").await;
    assert_eq!(last(&stand), "nobody knows what is left of a cursor: allowed");
    query(stream, "COMMIT").await;
    assert!(query(stream, "SHOW statement_timeout").await.contains("12345"));
    let told = query(
        stream,
        "SELECT name FROM pg_prepared_statements WHERE name LIKE 'exhibit%'",
    )
    .await;
    assert!(told.contains("SELECT 0"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_where_it_could_not_be_sure() {
    let stand = observing().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let one: (u8, &[u8]) = (b'P', b"\0SELECT id FROM few WHERE id = 1\0\0\0");
    let insert: (u8, &[u8]) = (b'P', b"\0INSERT INTO few VALUES (99, 'a')\0\0\0");
    let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
    let begin: (u8, &[u8]) = (b'P', b"\0BEGIN\0\0\0");
    // What only reads, or begins, leaves the next as it is.
    talk(
        stream,
        &[begin, bind, EXECUTE, one, bind, EXECUTE, one, bind, EXECUTE, SYNC],
    )
    .await;
    assert_eq!(estimates(&stand), ["- allowed", "1 allowed", "1 allowed"]);
    talk(
        stream,
        &[insert, bind, EXECUTE, insert, bind, EXECUTE, one, bind, EXECUTE, SYNC],
    )
    .await;
    let behind = "it follows what may change rows in the same pipeline: allowed";
    assert_eq!(estimates(&stand)[3..], ["1 allowed", "1 allowed", behind]);
    let flushed = [one, bind, EXECUTE, (b'H', &b""[..]), one, bind, EXECUTE, SYNC];
    talk(stream, &flushed).await;
    let within = "it stands in a pipeline whose Sync is still to come: allowed";
    assert_eq!(estimates(&stand)[6..], ["1 allowed", within]);
    // After code that is not known the definitions are loaded again, and then it is asked.
    talk(stream, &[(b'Q', b"SELECT looked()\0")]).await;
    assert_eq!(last(&stand), NOT_ALONE.replace("denied", "allowed"));
    talk(stream, &[(b'Q', b"SELECT id FROM few WHERE id = looked()\0")]).await;
    assert_eq!(last(&stand), NOT_ALONE.replace("denied", "allowed"));
    talk(stream, &[(b'Q', b"SELECT id FROM few WHERE id = 1\0")]).await;
    assert_eq!(last(&stand), "1 allowed");
    talk(stream, &[(b'Q', b"EXECUTE unknown\0")]).await;
    assert_eq!(last(&stand), "the prepared statement or cursor is not known: allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_again_runs_once() {
    let stand = observing().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let bind: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\0\0\0");
    let read: (u8, &[u8]) = (b'P', b"\0SELECT id FROM few WHERE id = 1\0\0\0");
    let path: (u8, &[u8]) = (b'P', b"\0SET search_path = public\0\0\0");
    let insert: (u8, &[u8]) = (b'P', b"\0INSERT INTO few VALUES (77, 'once')\0\0\0");
    // Code that is not known has the definitions loaded and the messages read again, and the path ends their group.
    talk(stream, &[(b'Q', b"SELECT looked()\0")]).await;
    let pipeline = [read, bind, EXECUTE, path, bind, EXECUTE, insert, bind, EXECUTE, SYNC];
    let told = talk(stream, &pipeline).await;
    assert_eq!(told.matches("INSERT 0 1").count(), 1, "{told}");
    let told = talk(stream, &[(b'Q', b"SELECT 'still here'\0")]).await;
    assert!(told.contains("still here") && !told.contains("INSERT"), "{told}");
    assert_eq!(
        stand.server.execute("SELECT count(*) FROM few WHERE id = 77").trim(),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_or_a_plan_that_takes_too_long_counts_as_more() {
    let stand = stand_on(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let lock = stand.server.lock("few");
    let told = talk(stream, &[(b'Q', b"SELECT id FROM few WHERE id = 1\0")]).await;
    assert!(told.contains("nobody moves so many"), "{told}");
    drop(lock);
    assert_eq!(
        last(&stand),
        "planning it took too long, or met a lock (SQLSTATE 55P03): denied"
    );
    // An index whose expression the planner computes.
    stand.server.execute(
        "CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'; \
         CREATE INDEX ON few (id) WHERE slow();",
    );
    stand.server.execute(
        "CREATE OR REPLACE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \
         'BEGIN PERFORM pg_sleep(3600); RETURN true; END'",
    );
    let told = talk(stream, &[(b'Q', b"SELECT id FROM few WHERE id = 1\0")]).await;
    assert!(told.contains("nobody moves so many"), "{told}");
    assert_eq!(
        last(&stand),
        "planning it took too long, or met a lock (SQLSTATE 57014): denied"
    );
    stand.server.execute("DROP FUNCTION slow() CASCADE");
    let told = talk(stream, &[(b'Q', b"SELECT id FROM few WHERE id = 1\0")]).await;
    assert!(told.contains("SELECT 1"), "{told}");
    assert_eq!(last(&stand), "1 allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_is_estimated() {
    let asking = rules(|rule| rule.replacen("effect = \"deny\"", "effect = \"ask\"\napproval = \"privacy\"", 1));
    let stand = Stand::start_with(tables(Server::start()), &asking, |_| {}).await;
    let mut stream = stand.raw_session().await;
    let message = exhibit_postgres::message::encode::message(b'Q', b"DELETE FROM many\0");
    stream.write_all(&message).await.unwrap();
    stream.flush().await.unwrap();
    let (asked, _, _) = stand.memory.asked().await;
    assert_eq!(
        asked.facts.attributes.get("estimated_rows"),
        Some(&Attribute::Integer(20_000))
    );
    assert_eq!(stand.server.execute("SELECT count(*) FROM many").trim(), "20000");
    stand.memory.decide("ann", "privacy", Verdict::Approve).await;
    let told = String::from_utf8_lossy(&read_until_ready(&mut stream).await).into_owned();
    assert!(told.contains("DELETE 20000"), "{told}");
    assert_eq!(last(&stand), "20000 approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_is_estimated_where_no_rule_goes_by_it() {
    let telling = rules(|rule| {
        let rule = rule.replacen("over = { estimated_rows = 1000 }\n", "", 1);
        let rule = rule.replacen("effect = \"deny\"", "effect = \"ask\"\napproval = \"privacy\"", 1);
        rule.replacen("people = 1\n", "people = 1\nestimate = true\n", 1)
    });
    let stand = Stand::start_with(tables(Server::start()), &telling, |_| {}).await;
    let memory = Arc::clone(&stand.memory);
    let decided = tokio::spawn(async move { memory.decide("ann", "privacy", Verdict::Approve).await });
    let shown = stand.psql("UPDATE many SET text = 'y' WHERE id <= 15000").await;
    decided.await.unwrap();
    assert!(shown.contains("UPDATE 15000"), "{shown}");
    assert!(is_like(&last(&stand), "~15000 approved"), "{}", last(&stand));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_masks_is_asked_about_as_it_runs() {
    let server = Server::start();
    server.execute(crate::enforced::CLINIC);
    server.execute(
        "INSERT INTO patients (id, name, city) SELECT n, 'name', 'Ulm' FROM generate_series(10, 3009) n; ANALYZE patients",
    );
    let rules = format!(
        "{}{}",
        crate::enforced::POLICY,
        RULE.to_owned()
            + "[[roles]]\nname = \"ci\"\nmatch = { subject = \"ci\" }\n[[rules]]\nname = \"work\"\n\
         roles = [\"ci\"]\ntargets = [\"clinic\"]\n\
         actions = [\"read\", \"write\", \"delete\", \"session\", \"transaction\"]\neffect = \"allow\"\n"
    );
    apply_rules(&server, &rules, &exhibit_policy::mask::MaskKey::new([1; 32])).await;
    let stand = enforced(Arc::new(server), &rules).await;
    for (sql, wanted) in [
        ("SELECT name FROM patients WHERE id = 1", "1 allowed"),
        ("SELECT * FROM patients", "~3002 denied"),
        ("COPY patients (id, name) TO STDOUT", "~3002 denied"),
        ("COPY (SELECT name FROM patients WHERE id = 1) TO STDOUT", "1 allowed"),
        (
            "SELECT name FROM ONLY patients",
            "its rows come out of a function: denied",
        ),
        (
            "COPY (SELECT name FROM ONLY patients) TO STDOUT",
            "its rows come out of a function: denied",
        ),
        ("UPDATE patients SET city = 'Bonn' WHERE id = 1", "1 allowed"),
        ("UPDATE patients SET city = 'Bonn'", "~3002 denied"),
    ] {
        let shown = stand.psql(sql).await;
        let few: String = shown.chars().take(400).collect();
        assert!(is_like(&last(&stand), wanted), "{sql}: {}; {few}", last(&stand));
    }
}
