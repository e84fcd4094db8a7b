//! Masking by the proxy on real servers: statements of reports pass and are masked, whatever is tried shows no masked value,
//! and a reply that is not what was proven does not come out.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::enforced::attempts::{all, canaries};
use crate::enforced::{CLINIC, POLICY};
use crate::server::Server;
use crate::stand::{Stand, talk};

/// A role that may do everything, so that masks alone stand against it.
const ALLOWED: &str = r#"
[[roles]]
name = "ci"
match = { subject = "ci" }
[[rules]]
name = "everything"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define", "grant", "execute", "session", "transaction"]
effect = "allow"
"#;

async fn stand(server: Server) -> Stand {
    server.execute(CLINIC);
    Stand::start_with(Arc::new(server), &format!("{POLICY}{ALLOWED}"), |_| {}).await
}

/// Statements as reports have them, and what masks leave of their rows; no row where the server is older than the statement.
const REPORTS: &[(&str, &str)] = &[
    (
        "SELECT id, name AS who, born, city FROM patients ORDER BY id",
        "1|[redacted]|1943-01-01|Ulm\n2|[redacted]|1951-01-01|Bonn\n",
    ),
    (
        "SELECT * FROM (SELECT id, name, pin FROM public.patients) q ORDER BY id",
        "1|[redacted]|0\n2|[redacted]|0\n",
    ),
    (
        "SELECT upper(name), left(ssn, 3), length(name), city FROM patients ORDER BY id",
        "|||Ulm\n|||Bonn\n",
    ),
    (
        "SELECT p.name || ' (' || p.city || ')' AS who, upper(p.city) FROM patients p ORDER BY 2",
        "|BONN\n|ULM\n",
    ),
    (
        "SELECT p.city, v.note FROM patients p JOIN visits v ON v.patient = p.id",
        "Ulm|[redacted]\n",
    ),
    (
        "SELECT p.city, v.note FROM patients p LEFT JOIN visits v ON v.patient = p.id ORDER BY city",
        "Bonn|\nUlm|[redacted]\n",
    ),
    (
        "SELECT * FROM plain JOIN (SELECT id, born FROM patients) p USING (id)",
        "1|open|1943-01-01\n",
    ),
    (
        "WITH p AS (SELECT id, name AS x FROM patients), q AS (SELECT * FROM p) SELECT x FROM q ORDER BY id",
        "[redacted]\n[redacted]\n",
    ),
    (
        "WITH RECURSIVE t(id, name, depth) AS (SELECT id, name, 1 FROM patients WHERE id = 1 UNION ALL \
         SELECT p.id, p.name, t.depth + 1 FROM patients p JOIN t ON p.id = t.id + 1) SELECT * FROM t ORDER BY depth",
        "1|[redacted]|1\n2|[redacted]|2\n",
    ),
    (
        "SELECT born FROM patients UNION ALL SELECT born FROM patients ORDER BY 1",
        "ERROR",
    ),
    (
        "SELECT city, born FROM patients UNION ALL SELECT city, born FROM patients WHERE id = 1 ORDER BY city",
        "Bonn|1951-01-01\nUlm|1943-01-01\nUlm|1943-01-01\n",
    ),
    (
        "SELECT id, word FROM plain UNION ALL SELECT id, name FROM patients ORDER BY id",
        "1|\n1|\n2|\n",
    ),
    (
        "SELECT count(*), count(ssn), count(DISTINCT city), max(born), string_agg(name, ',') FROM patients",
        "2|2|2||\n",
    ),
    (
        "SELECT city, count(*), max(name) FROM patients GROUP BY city ORDER BY count(*), city",
        "Bonn|1|\nUlm|1|\n",
    ),
    (
        "SELECT row_number() OVER (ORDER BY id), lag(name) OVER (ORDER BY id), name FROM patients",
        "1||[redacted]\n2||[redacted]\n",
    ),
    (
        "SELECT DISTINCT ON (city) city, name FROM patients ORDER BY city",
        "Bonn|[redacted]\nUlm|[redacted]\n",
    ),
    (
        "SELECT row_to_json(p), p, to_jsonb(p) ->> 'name', (p).ssn, ROW(name), ARRAY[name], id FROM patients p ORDER BY id",
        "||||||1\n||||||2\n",
    ),
    (
        "SELECT CASE WHEN city = 'Ulm' THEN name ELSE city END, COALESCE(name, 'none'), born::text, pin + 1 FROM patients ORDER BY id",
        "|||\n|||\n",
    ),
    (
        "SELECT (SELECT name FROM patients p WHERE p.id = plain.id) AS who, EXISTS (SELECT name FROM patients) FROM plain",
        "[redacted]|t\n",
    ),
    (
        "SELECT q.name, g FROM generate_series(1, 2) g, LATERAL (SELECT name FROM patients p WHERE p.id = g) q ORDER BY g",
        "[redacted]|1\n[redacted]|2\n",
    ),
    (
        "SELECT id, name, doc FROM patients ORDER BY id LIMIT 1",
        "1|[redacted]|\"[redacted]\"\n",
    ),
    (
        "COPY (SELECT id, name, upper(name), city FROM patients ORDER BY id) TO STDOUT",
        "1\t[redacted]\t\\N\tUlm\n2\t[redacted]\t\\N\tBonn\n",
    ),
    (
        "COPY (SELECT born, lower(name) AS l FROM patients ORDER BY id) TO STDOUT WITH CSV HEADER",
        "born,l\n1943-01-01,\n1951-01-01,\n",
    ),
    (
        "PREPARE q (int) AS SELECT name, upper(name), city FROM patients WHERE id = $1; EXECUTE q (1); EXECUTE q (2)",
        "PREPARE\n[redacted]||Ulm\n[redacted]||Bonn\n",
    ),
    (
        "BEGIN; DECLARE c CURSOR FOR SELECT name, upper(name), city FROM patients ORDER BY id; FETCH 1 FROM c; FETCH 1 FROM c; COMMIT",
        "BEGIN\nDECLARE CURSOR\n[redacted]||Ulm\n[redacted]||Bonn\nCOMMIT\n",
    ),
    (
        "INSERT INTO patients (id, name, city) VALUES (3, 'Zyxwara', 'Jena') RETURNING id, name, upper(name), city",
        "3|[redacted]||Jena\nINSERT 0 1\n",
    ),
    (
        "UPDATE patients p SET city = 'Gera' WHERE id = 3 RETURNING p.name, p.city",
        "[redacted]|Gera\nUPDATE 1\n",
    ),
    (
        "WITH gone AS (DELETE FROM patients WHERE id = 3 RETURNING id, name) SELECT * FROM gone",
        "3|[redacted]\n",
    ),
    ("SELECT id FROM patients WHERE name = 'Zyxwara Qonterly'", "ERROR"),
    (
        "SELECT 1 / (CASE WHEN ssn LIKE '9%' THEN 0 ELSE 1 END) FROM patients",
        "\n\n",
    ),
    ("SELECT name::int, ssn::date FROM patients", "|\n|\n"),
    (
        "EXPLAIN SELECT name FROM patients WHERE city = 'Ulm'",
        "Seq Scan on patients\n  Filter: (city = 'Ulm'::text)\n",
    ),
    (
        "/* a plan */ explain (costs ON, FORMAT text) SELECT name FROM patients",
        "Seq Scan on patients\n",
    ),
    (
        "EXPLAIN (COSTS off) (SELECT name FROM patients)",
        "Seq Scan on patients\n",
    ),
    ("EXPLAIN (SELECT name FROM patients)", "Seq Scan on patients\n"),
    (
        "EXPLAIN INSERT INTO patients (id, city) VALUES (4, 'x') RETURNING name",
        "Insert on patients\n  ->  Result\n",
    ),
    (
        "EXPLAIN SELECT upper(name) FROM patients",
        "Seq Scan on patients\n  SubPlan 1\n    ->  Result\n          One-Time Filter: false\n",
    ),
    ("EXPLAIN ANALYZE SELECT name FROM patients", "ERROR"),
    ("EXPLAIN VERBOSE SELECT name FROM patients", "ERROR"),
    ("EXPLAIN SELECT id FROM patients WHERE name > 'M'", "ERROR"),
];

async fn reports(server: Server) {
    let stand = stand(server).await;
    let mut wrong = Vec::new();
    for (sql, wanted) in REPORTS {
        let shown = stand.psql(sql).await;
        let right = if *wanted == "ERROR" {
            shown.contains("refused by policy")
        } else {
            shown == *wanted
        };
        if !right || !canaries(&shown).is_empty() {
            wrong.push(format!("{sql}\n  {shown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let evidence = String::from_utf8_lossy(&stand.memory.evidence()).into_owned();
    let found = canaries(&evidence);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_reports_pass_and_are_masked() {
    reports(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn and_so_on_postgresql_18() {
    reports(Server::start_18()).await;
}

/// More ways, of those that the proof lets pass or must refuse: values reversed, as digits, in pieces, by errors.
const WAYS: &[&str] = &[
    "SELECT reverse(x) FROM (SELECT name AS x FROM patients) q",
    "SELECT encode(convert_to(x, 'UTF8'), 'hex') FROM (SELECT name AS x FROM patients) q",
    "WITH q AS (SELECT encode(name::bytea, 'base64') AS b FROM patients) SELECT b, reverse(b) FROM q",
    "SELECT string_agg(substr(name, i, 1), '-' ORDER BY i) FROM patients, generate_series(1, 20) i GROUP BY id",
    "SELECT ascii(substr(name, i, 1)) FROM patients, generate_series(1, 20) i ORDER BY id, i",
    "SELECT array_agg(ascii(c)) FROM patients, regexp_split_to_table(name, '') c",
    "SELECT q FROM (SELECT name, ssn FROM patients) q",
    "SELECT row_to_json(q) FROM (SELECT name AS a, ssn AS b FROM patients) q",
    "SELECT to_jsonb(q) -> 'a' FROM (SELECT name AS a FROM patients) q",
    "WITH RECURSIVE q(x, y) AS (SELECT '', name FROM patients UNION ALL SELECT x || left(y, 1), substr(y, 2) FROM q WHERE length(x) < 20) SELECT x FROM q",
    "WITH RECURSIVE q(x, n) AS (SELECT name, 1 FROM patients UNION ALL SELECT x || '', n + 1 FROM q WHERE n < 3) SELECT x FROM q",
    "SELECT CASE WHEN x LIKE 'Z%' THEN 'Zyxwara' END FROM (SELECT name AS x FROM patients) q",
    "SELECT CASE WHEN name LIKE 'Z%' THEN 1 / 0 ELSE 1 END FROM patients",
    "SELECT (SELECT name FROM patients WHERE id = 1) || ''",
    "SELECT ARRAY(SELECT name FROM patients), array_to_string(ARRAY(SELECT ssn FROM patients), ',')",
    "SELECT name FROM (VALUES ((SELECT name FROM patients WHERE id = 1))) v(name) UNION ALL SELECT name || '' FROM patients",
    "SELECT l.x FROM patients p, LATERAL (SELECT p.name || '!' AS x) l",
    "SELECT x.y FROM (SELECT name FROM patients) x(y) ORDER BY x.y",
    "SELECT j.who || '' FROM (patients p CROSS JOIN plain) AS j(n, who)",
    "SELECT word || name FROM plain JOIN patients USING (id)",
    "SELECT overlay(name PLACING '' FROM 1 FOR 0), name COLLATE \"C\", name::varchar(30) FROM patients",
    "SELECT json_object_agg(id, name), xmlagg(xmlelement(name a, name)) FROM patients",
    "SELECT JSON_OBJECT('n': name), JSON_ARRAYAGG(name) FROM patients GROUP BY id, name",
    "COPY (SELECT reverse(name), name || '' FROM patients) TO STDOUT",
    "COPY (SELECT q FROM (SELECT name FROM patients) q) TO STDOUT WITH CSV",
    "BEGIN; DECLARE c CURSOR FOR SELECT reverse(name), p FROM patients p; FETCH ALL FROM c; COMMIT",
    "PREPARE q AS SELECT md5(name), p::text FROM patients p; EXECUTE q; EXPLAIN ANALYZE EXECUTE q",
    "BEGIN; UPDATE patients SET city = city RETURNING name || '', patients; ROLLBACK",
    "BEGIN; WITH g AS (DELETE FROM visits RETURNING note) SELECT note, reverse(note) FROM g; ROLLBACK",
    "BEGIN; INSERT INTO patients (id, name, city) VALUES (9, 'x', 'y') ON CONFLICT (id) DO UPDATE SET city = excluded.name RETURNING city; ROLLBACK",
    "SELECT min(name), max(name), any_value(name) FROM patients",
    "SELECT first_value(name) OVER w, nth_value(ssn, 2) OVER w FROM patients WINDOW w AS (ORDER BY id)",
    "SELECT GREATEST(name, ''), LEAST(name, '~'), NULLIF(name, ''), name IS DISTINCT FROM '' FROM patients",
    "SELECT repeat(name, 2), lpad(name, 40), translate(name, 'a', 'b'), replace(name, 'a', 'a') FROM patients",
    "SELECT (ARRAY[name])[1], (ROW(name, ssn)::text), (tags)[1], doc #>> '{n}', doc -> 'n' FROM patients",
    "SELECT tags[1], tags || tags, array_length(tags, 1) FROM patients",
    "SELECT pin::text, pin * 1, to_char(pin, '99999999'), to_hex(pin), pin::bit(32) FROM patients",
    "SELECT to_char(born, 'YYYY-MM-DD'), born - 1, extract(day FROM born), age(born) FROM patients",
];

async fn tries(server: Server) {
    let stand = stand(server).await;
    let mut leaks = Vec::new();
    for attempt in all().chain(WAYS.iter().copied()) {
        let shown = stand.psql(&attempt.replace("{v}", "public.patients")).await;
        let found = canaries(&shown);
        // What an attempt writes itself is not found in the data.
        let own = canaries(attempt);
        if found.iter().any(|canary| !own.contains(canary)) {
            leaks.push((attempt, found));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    let evidence = String::from_utf8_lossy(&stand.memory.evidence()).into_owned();
    let found = canaries(&evidence);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_tried_through_the_proxy_shows_a_masked_value() {
    tries(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_on_postgresql_18() {
    tries(Server::start_18()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_get_masked_values_in_binary_form() {
    let stand = stand(Server::start()).await;
    let client = stand.driver().await;
    let sql = "SELECT id, name, upper(name), pin + 1, length(ssn), p.ssn AS number FROM patients p WHERE id = $1";
    let statement = client.prepare(sql).await.unwrap();
    let names: Vec<&str> = statement.columns().iter().map(tokio_postgres::Column::name).collect();
    assert_eq!(names, ["id", "name", "upper", "?column?", "length", "number"]);
    let types: Vec<String> = statement
        .columns()
        .iter()
        .map(|column| column.type_().to_string())
        .collect();
    assert_eq!(types, ["int4", "text", "text", "int4", "int4", "varchar"]);
    for id in [1_i32, 2] {
        let row = client.query_one(&statement, &[&id]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), id);
        assert_eq!(row.get::<_, String>(1), "[redacted]");
        assert_eq!(row.get::<_, Option<String>>(2), None);
        assert_eq!(row.get::<_, Option<i32>>(3), None);
        assert_eq!(row.get::<_, Option<i32>>(4), None);
        assert!(row.get::<_, String>(5).starts_with("tok_"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_not_what_was_proven_does_not_come_out() {
    for (change, sql) in [
        // A column more than was known, and the same number of columns under other names.
        (
            "ALTER TABLE patients ADD COLUMN more text DEFAULT 'Murmelkraut'",
            "SELECT * FROM patients",
        ),
        (
            "ALTER TABLE patients RENAME COLUMN city TO town; ALTER TABLE patients RENAME COLUMN name TO city",
            "SELECT city, id FROM patients",
        ),
        (
            "ALTER TABLE patients RENAME COLUMN city TO town; ALTER TABLE patients RENAME COLUMN name TO city",
            "SELECT x.city FROM (SELECT city FROM patients) x",
        ),
    ] {
        let stand = stand(Server::start()).await;
        let mut stream = stand.raw_session().await;
        talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await;
        stand.server.execute(change);
        let query = [sql.as_bytes(), b"\0"].concat();
        stream.write_all(&encode::message(b'Q', &query)).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let shown = String::from_utf8_lossy(&rest).into_owned();
        assert!(canaries(&shown).is_empty() && !shown.contains("Ulm"), "{sql}: {shown}");
        assert!(shown.contains("FATAL"), "{sql}: {shown}");
    }
}

/// A stand whose social security numbers are tokens, and whose agents may define.
async fn tokens() -> Stand {
    let server = Server::start();
    server.execute(crate::stand::SCHEMA);
    let policy = crate::stand::POLICY
        .replace(
            "technique = \"partial\"\nkeep = 4",
            "technique = \"token\"\ndomain = \"ssn\"",
        )
        .replace("\"transaction\"]", "\"transaction\", \"define\"]");
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

/// A relation of an agent's own under the name of a masked one, which a name without a schema means: it is masked as that, and
/// shows no token of what the agent guesses.
#[tokio::test(flavor = "multi_thread")]
async fn a_relation_of_the_agents_own_shows_no_token_of_a_guess() {
    let stand = tokens().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let token = talk(stream, &[(b'Q', b"SELECT ssn FROM public.patients WHERE id = 1\0")]).await;
    assert!(token.contains("tok_"), "{token}");
    for sql in [
        "CREATE TEMP TABLE patients (id int, ssn text)",
        "INSERT INTO pg_temp.patients VALUES (1, '123-45-6710')",
        // Its own name says whose rows these are, and shows what the agent wrote.
        "SELECT ssn FROM pg_temp.patients",
    ] {
        let answer = talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
        assert!(!answer.contains("42501") && !answer.contains("tok_"), "{sql}: {answer}");
    }
    for sql in [
        "SELECT ssn FROM patients",
        "SELECT q.s FROM (SELECT ssn AS s FROM patients) q",
        "SELECT ssn FROM patients UNION ALL SELECT ssn FROM public.patients",
        "SELECT ssn FROM public.patients INTERSECT SELECT ssn FROM patients",
        "SELECT ssn, count(*) FROM patients GROUP BY ssn",
        "COPY patients (ssn) TO STDOUT",
        "INSERT INTO patients VALUES (2, '123-45-6711') RETURNING ssn",
    ] {
        let answer = talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
        assert!(!answer.contains("tok_"), "{sql}: {answer}");
    }
}

/// What stands first in the search path since the catalog was loaded, and the server tells no origin of.
#[tokio::test(flavor = "multi_thread")]
async fn a_relation_that_another_session_puts_first_shows_no_token_of_a_guess() {
    let stand = tokens().await;
    stand.server.execute("CREATE SCHEMA mine");
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let queries = [
        "SELECT ssn FROM patients UNION ALL SELECT ssn FROM patients",
        "SELECT (SELECT ssn FROM patients LIMIT 1) AS ssn",
    ];
    talk(stream, &[(b'Q', b"SET search_path = mine, public\0")]).await;
    for sql in queries {
        let answer = talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
        assert!(
            answer.contains("SELECT ") && !answer.contains("tok_"),
            "{sql}: {answer}"
        );
        let named = sql.replace("FROM patients", "FROM public.patients");
        let answer = talk(stream, &[(b'Q', &[named.as_bytes(), &[0]].concat())]).await;
        assert!(answer.contains("tok_"), "{named}: {answer}");
    }
    stand
        .server
        .execute("CREATE TABLE mine.patients (id int, ssn text); INSERT INTO mine.patients VALUES (1, '123-45-6710')");
    for sql in queries {
        let answer = talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
        assert!(!answer.contains("tok_"), "{sql}: {answer}");
    }
}

/// What another session makes of a table of its own after the catalog was loaded, and statements that would show by it what is masked, or
/// what a mask makes of a guess.
const CAPTURES: &[(&str, &[&str])] = &[
    (
        "ALTER TABLE mine.t DROP COLUMN ssn, DROP COLUMN p",
        &[
            "SELECT (SELECT ssn FROM mine.t LIMIT 1) AS x FROM public.patients p",
            "SELECT (SELECT p FROM mine.t LIMIT 1)::text AS x FROM public.patients p",
            "SELECT p::text AS x FROM mine.t, public.patients p",
            "SELECT count(*) FROM public.patients p WHERE EXISTS (SELECT 1 FROM mine.t WHERE ssn LIKE '1%')",
            "SELECT upper(y.c) FROM (mine.t CROSS JOIN public.patients) AS y(a, b, c)",
            "SELECT 1 FROM (mine.t CROSS JOIN public.patients) AS y(a, b, c, d, e) WHERE y.e LIKE '1%'",
            "WITH y(a, b, c, d, e) AS (SELECT * FROM mine.t, public.patients) SELECT upper(c) FROM y",
            "SELECT * FROM mine.t, public.patients UNION ALL SELECT * FROM mine.t, public.patients",
        ],
    ),
    (
        "ALTER TABLE mine.n ADD COLUMN ssn text; UPDATE mine.n SET ssn = '123-45-6789'",
        &[
            "SELECT k FROM mine.n NATURAL JOIN public.patients p",
            "SELECT (SELECT ssn FROM mine.n LIMIT 1) AS ssn FROM public.patients p",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_another_session_changes_meanwhile_shows_nothing() {
    for (change, statements) in CAPTURES {
        let stand = tokens().await;
        stand.server.execute(
            "CREATE SCHEMA mine; CREATE TABLE mine.t (k int, ssn text, p text); INSERT INTO mine.t VALUES (1, 'x', 'y'); \
             CREATE TABLE mine.n (k int); INSERT INTO mine.n VALUES (1)",
        );
        let mut stream = stand.raw_session().await;
        let stream = &mut stream;
        talk(stream, &[(b'Q', b"SELECT 1\0")]).await;
        let before = stand.memory.tried().len();
        stand.server.execute(change);
        for sql in *statements {
            let answer = talk(stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
            let shows = answer.contains("123-45-6789") || answer.contains("tok_") || answer.contains("ANN");
            assert!(!shows, "{sql}: {answer}");
            // No row tells what a comparison came to either.
            let compares = sql.contains("LIKE") || sql.contains("NATURAL");
            assert!(!compares || answer.contains("SERROR"), "{sql}: {answer}");
        }
        assert_eq!(stand.memory.tried().len(), before);
    }
}

/// Rows of a table with two parents are read by either; the masks of one hold for what the other shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_parent_shows_no_masked_value_of_its_child() {
    let stand = tokens().await;
    stand.server.execute(
        "CREATE TABLE up (id int, ssn text); CREATE TABLE child () INHERITS (patients, up); \
         INSERT INTO child (id, ssn) VALUES (9, '987-65-4321'); INSERT INTO up VALUES (10, '555-55-5555')",
    );
    let mut stream = stand.raw_session().await;
    for sql in [
        "SELECT ssn FROM up",
        "SELECT upper(ssn) FROM public.up",
        "SELECT * FROM up u",
    ] {
        let answer = talk(&mut stream, &[(b'Q', &[sql.as_bytes(), &[0]].concat())]).await;
        assert!(
            answer.contains("SELECT 2") && !answer.contains("987-65"),
            "{sql}: {answer}"
        );
    }
}
