//! Views, partitions and children of relations with masks on real servers: what they show is masked, what their owner's
//! definition would tell is refused, and a definition that changes meanwhile is noticed.

use std::sync::Arc;

use tokio_postgres::SimpleQueryMessage;

use crate::enforced::attempts::canaries;
use crate::enforced::{CLINIC, POLICY};
use crate::server::Server;
use crate::stand::{Stand, talk};

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
[[masks]]
name = "secrets"
targets = ["clinic"]
resources = ["public.spread.secret"]
technique = "redact"
"#;

/// Views as owners of databases define them.
const VIEWS: &str = "
CREATE TABLE kin (more int) INHERITS (patients);
CREATE VIEW plain_view AS SELECT id, name AS who, ssn AS number, city FROM patients;
CREATE VIEW nested WITH (security_barrier) AS SELECT who, city AS place FROM plain_view;
CREATE VIEW invoked WITH (security_invoker) AS SELECT * FROM patients;
CREATE VIEW joined AS SELECT p.name, v.note, v.day FROM patients p LEFT JOIN visits v ON v.patient = p.id;
CREATE VIEW using_id AS SELECT * FROM patients JOIN plain USING (id);
CREATE VIEW both_of AS SELECT id, name AS word FROM patients UNION ALL SELECT id, word FROM plain;
CREATE VIEW twice AS SELECT name FROM patients UNION ALL SELECT name FROM patients;
CREATE VIEW made AS SELECT id, upper(name) AS upper, right(ssn, 4) AS last4, substr(ssn, 1, 3) AS area,
  name || ', ' || city AS text, coalesce(pin, 0) AS pin, extract(year FROM born) AS year FROM patients;
CREATE VIEW rows_of AS SELECT p AS row, city FROM patients p;
CREATE VIEW cities AS SELECT city, count(*) AS n, max(name) AS last, string_agg(name, ',' ORDER BY name) AS names
  FROM patients GROUP BY city;
CREATE VIEW windowed AS SELECT id, lag(name) OVER (ORDER BY id) AS before, row_number() OVER (ORDER BY id) AS n FROM patients;
CREATE VIEW with_query AS WITH c AS (SELECT id, name FROM patients) SELECT c.name, c.id FROM c WHERE c.id < 3;
CREATE VIEW lateral_of AS SELECT q.name, g FROM generate_series(1, 2) g, LATERAL (SELECT name FROM patients p WHERE p.id = g) q;
CREATE VIEW there AS SELECT w.word FROM plain w WHERE EXISTS (SELECT * FROM patients p WHERE p.id = w.id);
CREATE MATERIALIZED VIEW kept AS SELECT id, name, ssn, lower(name) AS lower FROM patients;
CREATE VIEW by_like AS SELECT id FROM patients WHERE ssn LIKE '912%';
CREATE VIEW by_null AS SELECT id, city FROM patients WHERE doc IS NULL;
CREATE VIEW by_join AS SELECT p.id FROM patients p JOIN patients q ON q.name = p.name;
CREATE VIEW by_order AS SELECT id FROM patients ORDER BY born;
CREATE VIEW by_group AS SELECT count(*) FROM patients GROUP BY name;
CREATE VIEW by_distinct AS SELECT DISTINCT name FROM patients;
CREATE VIEW by_union AS SELECT name FROM patients UNION SELECT word FROM plain;
CREATE VIEW by_having AS SELECT city FROM patients GROUP BY city HAVING max(name) > 'C';
CREATE VIEW by_window AS SELECT id, rank() OVER (ORDER BY name) FROM patients;
CREATE VIEW by_limit AS SELECT city FROM plain, patients LIMIT (SELECT max(pin) FROM patients);
CREATE VIEW by_rows AS SELECT id, unnest(tags) IS NULL AS n FROM patients;
CREATE VIEW by_nested AS SELECT city FROM plain_view WHERE number < '913';
CREATE VIEW fails AS SELECT id, ssn::date AS d FROM patients;
CREATE VIEW divides AS SELECT id, 1 / (CASE WHEN ssn LIKE '912%' THEN 0 ELSE 1 END) AS n FROM patients;
CREATE VIEW asks AS SELECT id, (SELECT name FROM patients q WHERE q.id = p.id) AS name FROM patients p;
CREATE VIEW goes_round AS WITH RECURSIVE r AS (SELECT id, name FROM patients UNION ALL SELECT id + 1, name FROM r WHERE id < 2)
  SELECT * FROM r;
CREATE VIEW calls AS SELECT ssn_of(id) FROM plain;
CREATE VIEW by_text AS SELECT id, query_to_xml('SELECT ssn FROM patients', true, false, '')::text AS x FROM plain;
CREATE VIEW by_stat AS SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM patients');
CREATE VIEW by_file AS SELECT pg_read_file('PG_VERSION') AS x;
CREATE VIEW by_text_ruled AS SELECT id, query_to_xml('SELECT ssn FROM patients', true, false, '')::text AS x FROM plain;
CREATE RULE r AS ON INSERT TO by_text_ruled DO INSTEAD NOTHING;
CREATE VIEW plain_ruled AS SELECT id, word FROM plain;
CREATE RULE r AS ON INSERT TO plain_ruled WHERE new.id > 1 DO INSTEAD NOTHING;
CREATE VIEW rule_by_text AS SELECT id, word FROM plain;
CREATE RULE r AS ON INSERT TO rule_by_text WHERE query_to_xml('SELECT ssn FROM patients', true, false, '') IS NOT NULL
  DO INSTEAD NOTHING;
DO $$ BEGIN
  EXECUTE 'CREATE VIEW by_text_long AS SELECT query_to_xml(''SELECT ssn FROM patients'', true, false, '''')::text AS x, ARRAY['
    || (SELECT string_agg(quote_literal(n), ',') FROM generate_series(1, 12000) n) || '] AS y FROM plain';
  EXECUTE 'CREATE VIEW plain_long AS SELECT word, ARRAY['
    || (SELECT string_agg(quote_literal(n), ',') FROM generate_series(1, 12000) n) || '] AS y FROM plain';
END $$;
CREATE TABLE secured (id int, word text);
INSERT INTO secured VALUES (1, 'open');
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured USING (EXISTS (SELECT 1 FROM patients WHERE ssn = current_setting('app.guess', true)));
CREATE VIEW over_secured AS SELECT id FROM secured;
CREATE TABLE secured_rows (id int, word text);
ALTER TABLE secured_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_rows USING (EXISTS (SELECT 1 FROM patients q WHERE q::text LIKE '%912%'));
CREATE TABLE secured_checks (id int, word text);
ALTER TABLE secured_checks ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_checks WITH CHECK (word IN (SELECT ssn FROM patients));
CREATE TABLE secured_plain (id int, word text);
INSERT INTO secured_plain VALUES (1, 'open');
ALTER TABLE secured_plain ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_plain USING (id IN (SELECT id FROM patients WHERE city = 'Ulm'));
CREATE TABLE secured_not (id int, word text);
INSERT INTO secured_not VALUES (1, 'open');
CREATE POLICY p ON secured_not USING (EXISTS (SELECT 1 FROM patients WHERE ssn LIKE '912%'));
CREATE TABLE spread (id int, secret text) PARTITION BY LIST (secret);
CREATE TABLE spread_z PARTITION OF spread FOR VALUES IN ('Zyxwara Qonterly');
INSERT INTO spread VALUES (1, 'Zyxwara Qonterly');
CREATE VIEW parts AS SELECT id, tableoid::regclass::text AS part FROM spread;
CREATE VIEW places AS SELECT id, ctid, tableoid FROM patients;
CREATE VIEW ruled AS SELECT id, name, city FROM patients;
CREATE RULE r AS ON INSERT TO ruled DO INSTEAD INSERT INTO patients (id, name, city) VALUES (new.id, new.name, new.city)
  RETURNING id, city, name;
";

/// Statements over them, and what comes out.
const SHOWN: &[(&str, &str)] = &[
    (
        "SELECT id, who, city FROM plain_view ORDER BY id",
        "1|[redacted]|Ulm\n2|[redacted]|Bonn\n",
    ),
    (
        "SELECT left(number, 4) AS t, count(number) FROM plain_view GROUP BY city, number",
        "ERROR",
    ),
    ("SELECT count(number), count(*) FROM plain_view", "2|2\n"),
    ("SELECT upper(who) FROM plain_view", "\n\n"),
    (
        "SELECT * FROM nested ORDER BY place",
        "[redacted]|Bonn\n[redacted]|Ulm\n",
    ),
    (
        "SELECT name, born, city FROM invoked WHERE id = 1",
        "[redacted]|1943-01-01|Ulm\n",
    ),
    (
        "SELECT name, note, day FROM joined WHERE day > '2024-01-01'",
        "[redacted]|[redacted]|2024-05-05\n",
    ),
    ("SELECT id, name, word FROM using_id", "1|[redacted]|open\n"),
    ("SELECT * FROM both_of ORDER BY id", "1|\n1|\n2|\n"),
    (
        "SELECT * FROM twice",
        "[redacted]\n[redacted]\n[redacted]\n[redacted]\n",
    ),
    ("SELECT * FROM made ORDER BY id", "1||||||\n2||||||\n"),
    ("SELECT * FROM rows_of ORDER BY city", "|Bonn\n|Ulm\n"),
    ("SELECT * FROM cities ORDER BY city", "Bonn|1||\nUlm|1||\n"),
    ("SELECT * FROM windowed ORDER BY id", "1||1\n2||2\n"),
    ("SELECT * FROM with_query ORDER BY id", "[redacted]|1\n[redacted]|2\n"),
    ("SELECT * FROM lateral_of ORDER BY g", "[redacted]|1\n[redacted]|2\n"),
    ("SELECT * FROM there", "open\n"),
    (
        "SELECT id, name, lower FROM kept ORDER BY id",
        "1|[redacted]|\n2|[redacted]|\n",
    ),
    (
        "SELECT p.city, v.who FROM patients p JOIN plain_view v USING (id) ORDER BY city",
        "Bonn|[redacted]\nUlm|[redacted]\n",
    ),
    (
        "BEGIN; DECLARE c CURSOR FOR SELECT who FROM plain_view; FETCH 1 FROM c; COMMIT",
        "BEGIN\nDECLARE CURSOR\n[redacted]\nCOMMIT\n",
    ),
    (
        "PREPARE q AS SELECT who, city FROM plain_view WHERE id = $1; EXECUTE q (1)",
        "PREPARE\n[redacted]|Ulm\n",
    ),
    (
        "COPY (SELECT who, city FROM plain_view WHERE id = 1) TO STDOUT",
        "[redacted]\tUlm\n",
    ),
    (
        "BEGIN; UPDATE plain_view SET city = 'Jena' WHERE id = 1 RETURNING who, city; ROLLBACK",
        "BEGIN\n[redacted]|Jena\nUPDATE 1\nROLLBACK\n",
    ),
    ("SELECT id, note FROM visits_2024", "1|[redacted]\n"),
    ("COPY visits_2024 (note) TO STDOUT", "[redacted]\n"),
    (
        "BEGIN; INSERT INTO kin (id, name, city, more) VALUES (3, 'Zyxwara', 'Gera', 1) RETURNING name, more; \
         SELECT name, more FROM kin; ROLLBACK",
        "BEGIN\n[redacted]|1\nINSERT 0 1\n[redacted]|1\nROLLBACK\n",
    ),
    ("SELECT id FROM plain_view WHERE number = '912-84-7731'", "ERROR"),
    ("SELECT id FROM plain_view ORDER BY who", "ERROR"),
    ("INSERT INTO plain SELECT id, who FROM plain_view", "ERROR"),
    ("SELECT * FROM by_like", "ERROR"),
    ("SELECT * FROM by_null", "ERROR"),
    ("SELECT * FROM by_join", "ERROR"),
    ("SELECT * FROM by_order", "ERROR"),
    ("SELECT * FROM by_group", "ERROR"),
    ("SELECT * FROM by_distinct", "ERROR"),
    ("SELECT * FROM by_union", "ERROR"),
    ("SELECT * FROM by_having", "ERROR"),
    ("SELECT * FROM by_window", "ERROR"),
    ("SELECT * FROM by_limit", "ERROR"),
    ("SELECT * FROM by_rows", "ERROR"),
    ("SELECT * FROM by_nested", "ERROR"),
    ("SELECT id FROM fails", "ERROR"),
    ("SELECT id FROM divides", "ERROR"),
    ("SELECT id FROM asks", "ERROR"),
    ("SELECT id FROM goes_round", "ERROR"),
    ("SELECT * FROM calls", "ERROR"),
    ("SELECT id FROM by_text", "ERROR"),
    ("SELECT * FROM by_stat", "ERROR"),
    ("SELECT * FROM by_file", "ERROR"),
    ("SELECT * FROM by_text_ruled", "ERROR"),
    ("SELECT * FROM rule_by_text", "ERROR"),
    ("SELECT x FROM by_text_long", "ERROR"),
    ("SELECT word FROM plain_ruled", "open\n"),
    ("SELECT word FROM plain_long", "open\n"),
    ("SELECT id FROM ruled", "ERROR"),
    ("SELECT word FROM secured", "ERROR"),
    ("SELECT id FROM over_secured", "ERROR"),
    ("SELECT word FROM secured_rows", "ERROR"),
    ("INSERT INTO secured_checks VALUES (1, 'x')", "ERROR"),
    ("SELECT word FROM secured_plain", "open\n"),
    ("SELECT word FROM secured_not", "open\n"),
    ("SELECT * FROM spread", "1|[redacted]\n"),
    ("SELECT id FROM spread_z", "ERROR"),
    ("SELECT tableoid::regclass FROM spread", "ERROR"),
    ("SELECT id, part FROM parts", "1|\n"),
    ("SELECT id FROM places ORDER BY ctid", "1\n2\n"),
    ("INSERT INTO ruled VALUES (7, 'x', 'y') RETURNING name", "ERROR"),
    ("SELECT note FROM visits_2024 ORDER BY note", "ERROR"),
    ("CREATE VIEW mine AS SELECT name FROM patients", "ERROR"),
    (
        "CREATE OR REPLACE VIEW plain_view AS SELECT id, city AS who, ssn AS number, name AS city FROM patients",
        "ERROR",
    ),
    ("REFRESH MATERIALIZED VIEW kept", "ERROR"),
    (
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; COMMIT",
        "BEGIN\n1\nCOMMIT\n",
    ),
];

async fn stand(server: Server) -> Stand {
    server.execute(CLINIC);
    server.execute(VIEWS);
    Stand::start_with(Arc::new(server), &format!("{POLICY}{ALLOWED}"), |_| {}).await
}

async fn shows(server: Server) {
    let stand = stand(server).await;
    let mut wrong = Vec::new();
    for (sql, wanted) in SHOWN {
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
async fn views_and_partitions_are_masked_or_refused() {
    shows(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_partitions_are_masked_or_refused_on_postgresql_18() {
    shows(Server::start_18()).await;
}

/// The owner gives names of a view to other columns while sessions are open.
const SWAPPED: &str = "CREATE OR REPLACE VIEW plain_view AS \
     SELECT id, city AS who, ssn AS number, name AS city FROM patients";

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_was_replaced_meanwhile_is_read_anew() {
    let stand = stand(Server::start()).await;
    let mut stream = stand.raw_session().await;
    let query: &[(u8, &[u8])] = &[(b'Q', b"SELECT who, city FROM plain_view WHERE id = 1\0")];
    let shown = talk(&mut stream, query).await;
    assert!(shown.contains("[redacted]") && shown.contains("Ulm"), "{shown}");
    stand.server.execute(SWAPPED);
    let shown = talk(&mut stream, query).await;
    assert!(canaries(&shown).is_empty(), "{shown}");
    assert!(shown.contains("[redacted]") && shown.contains("Ulm"), "{shown}");
    // A view that was clean until now.
    let clean: &[(u8, &[u8])] = &[(b'Q', b"SELECT * FROM there\0")];
    assert!(talk(&mut stream, clean).await.contains("open"));
    stand
        .server
        .execute("CREATE OR REPLACE VIEW there AS SELECT ssn::text AS word FROM patients");
    let shown = talk(&mut stream, clean).await;
    assert!(canaries(&shown).is_empty() && shown.contains("SELECT 2"), "{shown}");
    let evidence = String::from_utf8_lossy(&stand.memory.evidence()).into_owned();
    assert!(canaries(&evidence).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_over_a_view_that_was_replaced_is_masked_anew() {
    let stand = stand(Server::start()).await;
    let client = stand.driver().await;
    let statement = client
        .prepare("SELECT who, city FROM plain_view WHERE id = 1")
        .await
        .unwrap();
    let row = client.query_one(&statement, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("[redacted]", "Ulm"));
    stand.server.execute(SWAPPED);
    let row = client.query_one(&statement, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("Ulm", "[redacted]"));
    client
        .batch_execute("PREPARE q AS SELECT who FROM plain_view WHERE id = 2")
        .await
        .unwrap();
    stand
        .server
        .execute("CREATE OR REPLACE VIEW plain_view AS SELECT id, name AS who, ssn AS number, city FROM patients");
    let rows = client.simple_query("EXECUTE q").await.unwrap();
    let shown = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    assert_eq!(shown.as_deref(), Some("[redacted]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_sees_the_past_reads_no_view_over_masked_columns() {
    let stand = stand(Server::start()).await;
    for isolation in ["REPEATABLE READ", "SERIALIZABLE"] {
        let mut stream = stand.raw_session().await;
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}; SELECT * FROM plain\0");
        talk(&mut stream, &[(b'Q', begin.as_bytes())]).await;
        stand.server.execute(SWAPPED);
        let shown = talk(&mut stream, &[(b'Q', b"SELECT who, city FROM plain_view\0")]).await;
        assert!(
            shown.contains("READ COMMITTED") && canaries(&shown).is_empty(),
            "{shown}"
        );
    }
}
