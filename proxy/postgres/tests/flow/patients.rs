//! Whose records are released, on a real server: by the columns that the policy names, however they come, and by rows where
//! nobody is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use exhibit_policy::mask::MaskKey;
use exhibit_policy::patients::{are_touched, token};
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::PatientToken;

use crate::enforced::session::{apply_rules, enforced};
use crate::server::Server;
use crate::stand::{POLICY, SCHEMA, Stand, talk};

const TABLES: &str = "
CREATE TABLE people (mrn text, name text, place text);
INSERT INTO people VALUES ('Hushmrn-1', 'Ann', 'Ulm'), ('Hushmrn-2', 'Bob', 'Bonn'), (NULL, 'Cay', 'Köln');
CREATE TABLE claims (id int, patient_id bigint, note text);
INSERT INTO claims VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
CREATE VIEW overview AS SELECT id, name FROM patients;
CREATE TABLE parted (id int, patient int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
INSERT INTO parted VALUES (1, 1);
CREATE FUNCTION everybody() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM public.patients';
INSERT INTO notes VALUES (1, 'a note');
";

const PATIENTS: &str = r#"
[[patients]]
name = "patient"
targets = ["clinic"]
resources = ["public.patients.id", "public.claims.patient_id", "public.parted.patient"]
[[patients]]
name = "people"
targets = ["clinic"]
resources = ["public.people.mrn"]
domain = "mrn"
"#;

const MASKS: &str = r#"
[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["public.people.mrn"]
technique = "redact"
[[masks]]
name = "people"
targets = ["clinic"]
resources = ["public.people.name"]
technique = "redact"
"#;

fn of(domain: &str, identifier: &str) -> PatientToken {
    token(&MaskKey::new([1; 32]), domain, identifier.as_bytes())
}

/// Whose records were released since that event, and how many rows of unknown ones; `None` where nothing says so.
fn released(stand: &Stand, since: usize) -> Option<(BTreeMap<PatientToken, u64>, u64)> {
    let all = stand.memory.each(|body| Some(body.clone()));
    let mut found = None;
    for body in &all[since..] {
        let Body::ResponseChunk(chunk) = body else { continue };
        if let Some(records) = &chunk.patients {
            let (patients, unknown): &mut (BTreeMap<_, _>, u64) = found.get_or_insert_default();
            for one in &records.patients {
                *patients.entry(one.patient).or_default() += one.records;
            }
            *unknown += records.unknown;
        }
    }
    let touched = all[since..].iter().any(|body| match body {
        Body::Command(command) => are_touched(&command.facts),
        _ => false,
    });
    assert!(
        touched || found.is_none(),
        "rows of patients to a command that reads none"
    );
    found
}

/// Statements, and whose records they release: number of rows by the patient's `id`, rows of unknown ones.
type Case<'a> = (&'a str, Option<(&'a [(u8, u64)], u64)>);

const CASES: &[Case<'_>] = &[
    ("SELECT id, name FROM patients", Some((&[(1, 1), (2, 1)], 0))),
    ("TABLE patients", Some((&[(1, 1), (2, 1)], 0))),
    (
        "SELECT x.born, x.i AS y FROM (SELECT born, id AS i FROM patients) x",
        Some((&[(1, 1), (2, 1)], 0)),
    ),
    (
        "SELECT DISTINCT upper(note), patient_id FROM claims",
        Some((&[(1, 2), (2, 1)], 0)),
    ),
    ("SELECT id, name FROM patients WHERE id = 9", None),
    ("SELECT patient_id FROM claims c, notes n", Some((&[(1, 2), (2, 1)], 0))),
    (
        "SELECT p.id, c.patient_id, c.note FROM patients p JOIN claims c ON c.patient_id = p.id",
        Some((&[(1, 2), (2, 1)], 0)),
    ),
    (
        "SELECT p.id, c.patient_id FROM patients p JOIN claims c ON c.id = 1",
        Some((&[(1, 2), (2, 1)], 0)),
    ),
    (
        "SELECT p.id, c.note FROM patients p, claims c WHERE c.id = 1",
        Some((&[(1, 1), (2, 1)], 2)),
    ),
    (
        "SELECT a.id, b.name FROM patients a, patients b WHERE a.id = 1",
        Some((&[(1, 2)], 2)),
    ),
    (
        "SELECT id, (SELECT max(note) FROM claims) FROM patients",
        Some((&[(1, 1), (2, 1)], 2)),
    ),
    (
        "SELECT id, count(*) OVER () FROM patients",
        Some((&[(1, 1), (2, 1)], 2)),
    ),
    (
        "SELECT id, max(name) FROM patients GROUP BY id",
        Some((&[(1, 1), (2, 1)], 2)),
    ),
    (
        "WITH w AS (SELECT * FROM patients) SELECT a.id, b.name FROM w a, w b",
        Some((&[(1, 2), (2, 2)], 4)),
    ),
    (
        "SELECT id FROM patients UNION ALL SELECT patient_id FROM claims",
        Some((&[], 5)),
    ),
    ("SELECT name FROM patients", Some((&[], 2))),
    ("SELECT id + 0, name FROM patients", Some((&[], 2))),
    ("SELECT count(*) FROM patients", Some((&[], 1))),
    ("SELECT string_agg(name, ',') FROM patients", Some((&[], 1))),
    ("SELECT * FROM overview", Some((&[], 2))),
    ("SELECT * FROM parted", Some((&[(1, 1)], 0))),
    ("SELECT * FROM parted_1", Some((&[], 1))),
    ("SELECT 7; SELECT id FROM patients", Some((&[(1, 1), (2, 1)], 1))),
    (
        "UPDATE claims SET patient_id = 1 WHERE id = 1 RETURNING patient_id, note",
        Some((&[(1, 1)], 1)),
    ),
    (
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM patients; FETCH 1 FROM c; FETCH 5 FROM c",
        Some((&[(1, 1), (2, 1)], 0)),
    ),
    (
        "PREPARE p AS SELECT id FROM patients WHERE id = 2; EXECUTE p",
        Some((&[(2, 1)], 0)),
    ),
    ("COPY claims TO STDOUT", Some((&[(1, 2), (2, 1)], 0))),
    (
        "COPY claims TO STDOUT (FORMAT csv, HEADER)",
        Some((&[(1, 2), (2, 1)], 0)),
    ),
    ("COPY claims TO STDOUT (FORMAT binary)", Some((&[(1, 2), (2, 1)], 0))),
    (
        "COPY (SELECT note, patient_id FROM claims) TO STDOUT (DELIMITER '|')",
        Some((&[(1, 2), (2, 1)], 0)),
    ),
    ("COPY claims (note) TO STDOUT", Some((&[], 3))),
    (
        "COPY (SELECT count(*) FROM claims) TO STDOUT (FORMAT binary)",
        Some((&[], 1)),
    ),
    ("SELECT 7", None),
    ("SELECT * FROM notes", None),
    ("COPY notes TO STDOUT", None),
    ("SELECT relname FROM pg_class LIMIT 1", None),
];

fn wanted((patients, unknown): (&[(u8, u64)], u64)) -> (BTreeMap<PatientToken, u64>, u64) {
    let known = patients
        .iter()
        .map(|(id, rows)| (of("patient", &id.to_string()), *rows));
    (known.collect(), unknown)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_counted_by_whom_they_are_of_and_released_as_ever() {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute(TABLES);
    let server = Arc::new(server);
    let (bare, masks) = POLICY.split_at(POLICY.find("[[masks]]").unwrap());
    for policy in [bare, &format!("{bare}{masks}{MASKS}")] {
        let plain = Stand::start_with(Arc::clone(&server), policy, |_| {}).await;
        let stand = Stand::start_with(Arc::clone(&server), &format!("{policy}{PATIENTS}"), |_| {}).await;
        for (sql, records) in CASES {
            let since = stand.memory.each(|_| Some(())).len();
            let message = [sql.as_bytes(), b"\0"].concat();
            let shown = talk(&mut stand.raw_session().await, &[(b'Q', &message)]).await;
            assert!(!shown.contains("SERROR"), "{sql}: {shown}");
            assert_eq!(released(&stand, since), records.map(wanted), "{sql}");
            assert_eq!(
                talk(&mut plain.raw_session().await, &[(b'Q', &message)]).await,
                shown,
                "{sql}"
            );
        }
        let known = [of("mrn", "Hushmrn-1"), of("mrn", "Hushmrn-2")].map(|patient| (patient, 1));
        for sql in [
            "SELECT * FROM people",
            "COPY people TO STDOUT",
            "COPY people (mrn) TO STDOUT (FORMAT binary)",
        ] {
            let since = stand.memory.each(|_| Some(())).len();
            let message = [sql.as_bytes(), b"\0"].concat();
            let shown = talk(&mut stand.raw_session().await, &[(b'Q', &message)]).await;
            // One of them has no number.
            assert_eq!(released(&stand, since), Some((known.into(), 1)), "{sql}: {shown}");
        }
        // By a driver: prepared, and in binary format.
        let client = stand.driver().await;
        let since = stand.memory.each(|_| Some(())).len();
        for sql in [
            "SELECT patient_id FROM claims WHERE id < $1",
            "SELECT id FROM patients WHERE id < $1",
        ] {
            client.query(sql, &[&3_i32]).await.unwrap();
        }
        assert_eq!(released(&stand, since), Some(wanted((&[(1, 3), (2, 1)], 0))));
        assert!(
            plain
                .memory
                .each(|body| match body {
                    Body::ResponseChunk(chunk) => chunk.patients.clone(),
                    _ => None,
                })
                .is_empty()
        );
        // A masked identifier is in the evidence by its token alone.
        let identifiers = String::from_utf8_lossy(&stand.memory.evidence())
            .matches("Hushmrn")
            .count();
        assert_eq!(identifiers > 0, policy == bare);
    }
    // Code may read anybody's.
    let stand = Stand::start_with(
        server,
        &format!(
            "{}{PATIENTS}",
            bare.replace("\"delete\", \"session\"", "\"execute\", \"session\"")
        ),
        |_| {},
    )
    .await;
    stand.psql("SELECT everybody()").await;
    assert_eq!(released(&stand, 0), Some((BTreeMap::new(), 2)));
}

const THRESHOLDS: &str = r#"
[[rules]]
name = "many"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
over = { patients = 200, session_patients = 300 }
effect = "deny"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn more_different_patients_than_a_rule_lets_out_never_leave() {
    let server = Server::start();
    server.execute(SCHEMA);
    server.execute(TABLES);
    server.execute("INSERT INTO claims SELECT n, n % 250, repeat('x', 200) FROM generate_series(10, 5000) n");
    let (bare, _) = POLICY.split_at(POLICY.find("[[masks]]").unwrap());
    let policy = format!(
        "{}{PATIENTS}",
        bare.replacen("[[rules]]", &format!("{THRESHOLDS}[[rules]]"), 1)
    );
    let stand = Stand::start_with(Arc::new(server), &policy, |_| {}).await;
    let denied = |shown: &str| shown.contains("(rule: many)");
    let passes = "SELECT patient_id, note FROM claims WHERE patient_id < 150";
    assert!(!denied(&stand.psql(passes).await));
    assert!(!denied(
        &stand
            .psql("COPY (SELECT patient_id, note FROM claims WHERE patient_id < 150) TO STDOUT")
            .await
    ));
    // As many rows, but nobody is named in them.
    for sql in [
        "SELECT note FROM claims WHERE patient_id < 150",
        "COPY claims TO STDOUT",
        "SELECT * FROM claims",
    ] {
        let shown = stand.psql(sql).await;
        assert!(denied(&shown), "{sql}: {shown}");
    }
    // Everybody's records in one row are those of one unknown patient; bytes count those.
    assert!(!denied(&stand.psql("SELECT string_agg(note, '') FROM claims").await));
    let client = stand.driver().await;
    client.simple_query(passes).await.unwrap();
    client.simple_query(passes).await.unwrap();
    let others = client.simple_query("SELECT patient_id FROM claims WHERE patient_id > 90 AND patient_id < 250");
    assert!(others.await.unwrap().len() > 2_000);
    client.simple_query("SELECT text FROM notes").await.unwrap();
    let past = client.simple_query("SELECT id, name FROM patients; SELECT note FROM claims LIMIT 60");
    let error = past.await.unwrap_err();
    assert_eq!(
        error.as_db_error().map(|error| error.code().code()),
        Some("42501"),
        "{error}"
    );
    let decided = stand.memory.each(|body| match body {
        Body::ThresholdDecided(decided) => Some((decided.patients, decided.session_patients)),
        _ => None,
    });
    assert_eq!(decided.len(), 4);
    assert!(
        decided[..3].iter().all(|(patients, _)| *patients > Some(200)),
        "{decided:?}"
    );
    assert_eq!(decided[3], (Some(62), Some(310)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_masks_names_patients_by_its_own_tokens_or_not_at_all() {
    let server = Server::start();
    server.execute(
        "CREATE ROLE agent LOGIN PASSWORD 'agent';
         CREATE TABLE people (mrn text, ssn text, name text);
         CREATE TABLE claims (id int, patient_id bigint, note text);
         CREATE TABLE stays (patient int, note text);
         INSERT INTO people VALUES ('Hushmrn-1', '1', 'Ann'), ('Hushmrn-2', '2', 'Bob');
         INSERT INTO claims VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
         INSERT INTO stays VALUES (1, 'a');
         GRANT SELECT ON people, claims, stays TO agent;",
    );
    let policy = format!(
        "{}{PATIENTS}\n{}",
        POLICY.split_at(POLICY.find("[[masks]]").unwrap()).0,
        r#"
[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["public.people.mrn", "public.stays.patient"]
technique = "token"
[[masks]]
name = "notes"
targets = ["clinic"]
resources = ["public.claims.note", "public.people.name"]
technique = "redact"
"#
    )
    .replace("\"public.parted.patient\"", "\"public.stays.patient\"");
    apply_rules(&server, &policy, &MaskKey::new([1; 32])).await;
    let stand = enforced(Arc::new(server), &policy).await;
    let mrn = [of("mrn", "Hushmrn-1"), of("mrn", "Hushmrn-2")].map(|patient| (patient, 1));
    let ids = wanted((&[(1, 2), (2, 1)], 0));
    for (sql, records) in [
        ("SELECT * FROM people", (mrn.into(), 0)),
        (
            "SELECT p.mrn FROM people p WHERE ssn = '1'",
            (mrn[..1].iter().copied().collect(), 0),
        ),
        ("SELECT name FROM people", (BTreeMap::new(), 2)),
        // Not masked itself, beside what is.
        ("SELECT patient_id, note FROM claims", ids),
        // The token of a number has no room for all of it.
        ("SELECT * FROM stays", (BTreeMap::new(), 1)),
        ("COPY people TO STDOUT", (BTreeMap::new(), 2)),
    ] {
        let since = stand.memory.each(|_| Some(())).len();
        let shown = stand.psql(sql).await;
        assert_eq!(released(&stand, since), Some(records), "{sql}: {shown}");
    }
    let client = stand.driver().await;
    let since = stand.memory.each(|_| Some(())).len();
    client.query("SELECT mrn FROM people", &[]).await.unwrap();
    assert_eq!(released(&stand, since), Some((mrn.into(), 0)));
}
