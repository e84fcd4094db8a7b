//! What statements do, as policy sees it.

use exhibit_gate::session::Reach;
use exhibit_policy::decide::UNPROVEN;
use exhibit_schemas::event::access::{Access, Action, Attribute};

use super::run;
use crate::analysis::{AnalysisError, Foreign, TransactionControl};

/// Accesses as `action resource`, sorted.
fn accesses(sql: &str) -> Vec<String> {
    let analysis = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut words: Vec<String> = analysis
        .facts
        .accesses
        .iter()
        .map(|Access(action, resource)| format!("{} {}", action.as_str(), resource.as_deref().unwrap_or("-")))
        .collect();
    words.sort();
    words
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn names_everything_that_a_statement_touches() {
    let mut wrong = Vec::new();
    let mut check = |sql: &str, wanted: &[&str]| {
        let found = accesses(sql);
        if found != wanted {
            wrong.push(format!("{sql}: {found:?}"));
        }
    };
    check("", &["session -"]);
    check("SELECT 1", &["read -"]);
    check("SELECT * FROM patients", &["read public.patients"]);
    check("SELECT * FROM nowhere", &["read ?.nowhere"]);
    check("SELECT * FROM scratch", &["read pg_temp.scratch"]);
    check("SELECT * FROM pg_class", &["read pg_catalog.pg_class"]);
    check("SELECT * FROM a.b", &["read a.b"]);
    check(
        "SELECT * FROM patients FOR SHARE",
        &["read public.patients", "write public.patients"],
    );
    check(
        "WITH x AS (SELECT * FROM patients) SELECT * FROM x",
        &["read public.patients"],
    );
    check(
        "WITH patients AS (SELECT * FROM patients) TABLE patients",
        &["read public.patients"],
    );
    check("WITH patients AS (SELECT 1) TABLE patients", &["read -"]);
    check("WITH RECURSIVE a AS (TABLE b), b AS (SELECT 1) TABLE a", &["read -"]);
    check("WITH a AS (TABLE b), b AS (SELECT 1) TABLE a", &["read ?.b"]);
    check(
        "SELECT * FROM (WITH facilities AS (SELECT 1) TABLE facilities) s, facilities",
        &["read public.facilities"],
    );
    check(
        "WITH x AS (DELETE FROM patients RETURNING id) INSERT INTO facilities SELECT * FROM x",
        // A `RETURNING` anywhere counts as a reading of every target of the statement.
        &[
            "delete public.patients",
            "read public.facilities",
            "read public.patients",
            "write public.facilities",
        ],
    );
    check("WITH x AS (SELECT 1) INSERT INTO x TABLE x", &["write ?.x"]);
    check(
        "UPDATE patients SET city = 'x' FROM facilities",
        &["read public.facilities", "write public.patients"],
    );
    check(
        "DELETE FROM patients USING facilities",
        &["delete public.patients", "read public.facilities"],
    );
    check(
        "MERGE INTO patients USING facilities ON true WHEN MATCHED THEN DELETE",
        &[
            "delete public.patients",
            "read public.facilities",
            "write public.patients",
        ],
    );
    check(
        "TRUNCATE patients, facilities",
        &["delete public.facilities", "delete public.patients"],
    );
    check(
        "CREATE TABLE x AS TABLE patients",
        &["define public.x", "read public.patients"],
    );
    check(
        "SELECT * INTO TEMP x FROM patients",
        &["define pg_temp.x", "read public.patients"],
    );
    check(
        "ALTER TABLE patients RENAME TO x",
        &["define public.patients", "define public.x"],
    );
    check(
        "ALTER TABLE patients SET SCHEMA audit",
        &["define audit.patients", "define public.patients"],
    );
    check(
        "DROP TABLE patients, other.plain",
        &["define other.plain", "define public.patients"],
    );
    check("DROP TRIGGER t ON patients", &["define public.patients"]);
    check(
        "DROP SCHEMA audit CASCADE",
        &["define audit.*", "define audit.log", "define audit.named"],
    );
    check("COMMENT ON COLUMN patients.ssn IS 'x'", &["define public.patients"]);
    check("GRANT SELECT ON patients TO x", &["grant public.patients"]);
    check(
        "GRANT SELECT ON ALL TABLES IN SCHEMA audit TO x",
        &["grant audit.*", "grant audit.log", "grant audit.named"],
    );
    check("GRANT admin TO x", &["grant role:admin"]);
    check("CREATE ROLE x", &["grant role:x"]);
    check("SET ROLE x", &["grant role:x", "session -"]);
    check("SET a.b = 'x'", &["session -"]);
    check("BEGIN", &["transaction -"]);
    check("SELECT lower('x'), pg_catalog.now()", &["read -"]);
    check("SELECT leak()", &["execute other.leak", "execute public.leak"]);
    check("SELECT nowhere()", &["execute ?.nowhere"]);
    check(
        "SELECT pg_catalog.pg_read_file('x')",
        &["execute pg_catalog.pg_read_file"],
    );
    check(
        "SELECT f.secret_of FROM facilities f",
        &["execute public.secret_of", "read public.facilities"],
    );
    check("CALL leak()", &["execute other.leak", "execute public.leak"]);
    check("DO 'x'", &["execute ?.do"]);
    check("EXECUTE x", &["execute ?.execute"]);
    check("COPY patients TO STDOUT", &["read public.patients"]);
    check("COPY patients FROM STDIN", &["write public.patients"]);
    check(
        "COPY patients TO PROGRAM 'x'",
        &["execute ?.copy_program", "read public.patients"],
    );
    check(
        "COPY patients FROM '/x'",
        &["execute ?.copy_file", "write public.patients"],
    );
    check(
        "COPY (TABLE patients) TO '/x'",
        &["execute ?.copy_file", "read public.patients"],
    );
    check("LISTEN news", &["read channel:news"]);
    check("NOTIFY news, 'x'", &["write channel:news"]);
    check("UNLISTEN *", &["session -"]);
    check("EXPLAIN DELETE FROM patients", &["delete public.patients"]);
    check(
        "SET search_path = other; SELECT * FROM patients",
        &["read ?.patients", "session -"],
    );
    check(
        "SET ROLE other; SELECT * FROM patients",
        &["grant role:other", "read ?.patients", "session -"],
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tells_policy_and_session_what_they_ask() {
    let text = |sql: &str, name: &str| run(sql, false).expect(sql).facts.attributes.get(name).cloned();
    let word = |value: &str| Some(Attribute::Text(value.to_owned()));
    assert_eq!(text("SELECT 1", "class"), word("select"));
    assert_eq!(text("SELECT 1; DELETE FROM patients", "class"), word("mixed"));
    assert_eq!(text("SELECT 1 INTO x", "class"), word("ddl"));
    for hidden in [
        "WITH x AS (DELETE FROM patients RETURNING id) SELECT FROM x",
        "EXPLAIN ANALYZE DELETE FROM patients",
        "PREPARE d AS UPDATE patients SET id = 1",
        "COPY (INSERT INTO patients (id) VALUES (1) RETURNING id) TO STDOUT",
        "SELECT 1; TRUNCATE patients",
    ] {
        assert_eq!(text(hidden, "class"), word("mixed"), "{hidden}");
    }
    assert_eq!(text("EXPLAIN SELECT 1", "class"), word("explain"));
    assert_eq!(text("DELETE FROM patients", "no_where"), Some(Attribute::Bool(true)));
    assert_eq!(
        text("DELETE FROM patients WHERE true", "no_where"),
        Some(Attribute::Bool(false))
    );
    assert_eq!(
        text("WITH x AS (UPDATE patients SET id = 1) SELECT", "no_where"),
        Some(Attribute::Bool(true))
    );
    let merge = |actions: &str| format!("MERGE INTO patients p USING (VALUES (1)) v (x) ON true {actions}");
    let insert = |rest: &str| format!("INSERT INTO patients (id) {rest}");
    for (sql, unbounded) in [
        ("TRUNCATE patients".to_owned(), true),
        (merge("WHEN MATCHED THEN UPDATE SET id = 1"), true),
        (merge("WHEN MATCHED THEN DELETE"), true),
        (
            merge("WHEN MATCHED AND p.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET id = 1"),
            true,
        ),
        (merge("WHEN MATCHED AND p.id = 1 THEN DELETE"), false),
        (merge("WHEN NOT MATCHED THEN INSERT (id) VALUES (1)"), false),
        (
            insert("SELECT id FROM patients ON CONFLICT (id) DO UPDATE SET id = 1"),
            true,
        ),
        (
            insert("SELECT id FROM patients ON CONFLICT (id) DO UPDATE SET id = 1 WHERE excluded.id = 1"),
            false,
        ),
        (insert("SELECT id FROM patients ON CONFLICT DO NOTHING"), false),
        (insert("VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1"), false),
        (insert("SELECT id FROM patients"), false),
    ] {
        assert_eq!(text(&sql, "no_where"), Some(Attribute::Bool(unbounded)), "{sql}");
    }
    assert_eq!(text("SELECT 1; SELECT 2", "statements"), Some(Attribute::Integer(2)));
    let first = |sql: &str| run(sql, false).expect(sql).statements.remove(0);
    assert!(!first("SELECT * FROM patients").may_write && first("SELECT leak()").may_write);
    assert!(
        first("WITH x AS (DELETE FROM patients) SELECT").may_write
            && first("SELECT FROM patients FOR UPDATE").may_write
    );
    assert!(
        first("SET search_path = a").changes_search_path
            && first("SELECT set_config('search_path', 'a', true)").changes_search_path
            && first("RESET ALL").changes_search_path
    );
    assert!(first("SET ROLE x").changes_role && first("DISCARD ALL").changes_role);
    assert!(first("DROP TABLE x").changes_catalog && !first("SELECT 1").changes_catalog);
    assert_eq!(
        first("COMMIT AND CHAIN").transaction,
        Some(TransactionControl::Commit { chain: true })
    );
}

#[test]
fn tells_which_code_is_not_known() {
    let check = |sql: &str, wanted: Foreign| {
        let found = run(sql, false)
            .expect(sql)
            .statements
            .into_iter()
            .map(|one| one.foreign);
        assert_eq!(found.max(), Some(wanted), "{sql}");
    };
    for sql in [
        "SELECT id, upper(name) FROM patients",
        "SELECT * FROM pg_class, information_schema.columns",
        "SELECT nextval('patients_id_seq')",
        "INSERT INTO other.plain VALUES (1)",
        "COPY other.plain FROM STDIN",
        "SET work_mem = '1MB'; SHOW search_path",
        "COMMIT",
        "NOTIFY a",
        "EXECUTE q",
        "SELECT set_config('search_path', 'x', false)",
        "CREATE TABLE t AS SELECT leak()",
    ] {
        check(sql, Foreign::None);
    }
    for sql in [
        "INSERT INTO encounters VALUES (1)",
        "COPY encounters FROM STDIN",
        "UPDATE visits SET note = 'x'",
        "TRUNCATE encounters",
        "SELECT * FROM facility_view",
        "SELECT * FROM family",
        "SELECT * FROM nowhere",
        "COPY (SELECT * FROM facility_view) TO STDOUT",
    ] {
        check(sql, Foreign::Attached);
    }
    for sql in [
        "SELECT leak()",
        "SELECT set_config('search_path', 'x', false) FROM facilities",
        "SELECT pg_catalog.set_config('search_path', id::text, false) FROM facilities",
        "SELECT query_to_xml('x', true, true, '')",
        "SELECT other.nextval(1)",
        "SELECT 1 @@@ 2",
        "SELECT 'x'::judged",
        "INSERT INTO facilities SELECT leak()",
        "EXPLAIN ANALYZE SELECT leak()",
        "COPY (SELECT leak()) TO STDOUT",
        "DECLARE c CURSOR FOR SELECT leak()",
    ] {
        check(sql, Foreign::Called);
    }
}

#[test]
fn a_setting_is_set_by_the_server_s_own_list_of_them_alone() {
    let set = |relation: &str| format!("SELECT set_config(name, 'a', false) FROM {relation} WHERE name = 'jit'");
    for relation in ["pg_settings", "pg_catalog.pg_settings"] {
        let facts = run(&set(relation), true).unwrap().facts;
        assert!(!facts.attributes.contains_key(UNPROVEN), "{relation}: {facts:?}");
    }
    for relation in ["other.pg_settings", "pg_temp.pg_settings", "public.pg_settings"] {
        let analysis = run(&set(relation), true).unwrap();
        assert!(analysis.facts.attributes.contains_key(UNPROVEN), "{relation}");
        assert_eq!(analysis.reach, Reach::Anything, "{relation}");
        let executes = |Access(action, _): &Access| *action == Action::Execute;
        assert!(analysis.facts.accesses.iter().any(executes), "{relation}");
    }
}

#[test]
fn names_what_belongs_to_the_server_and_proves_none_of_it() {
    let check = |sql: &str, expected: Action, resource: &str| {
        let analysis = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let access = Access(expected, Some(resource.to_owned()));
        assert!(analysis.facts.accesses.contains(&access), "{sql}: {:?}", analysis.facts);
        assert_eq!(analysis.reach, Reach::Anything, "{sql}");
        let masked = run(sql, true).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(masked.facts.attributes.contains_key(UNPROVEN), "{sql}");
    };
    check("CREATE DATABASE x", Action::Define, "database:x");
    check("DROP DATABASE x", Action::Define, "database:x");
    check("ALTER DATABASE x SET work_mem = '1MB'", Action::Define, "database:x");
    check("ALTER SYSTEM SET work_mem = '1MB'", Action::Define, "system:work_mem");
    check("CREATE TABLESPACE t LOCATION '/x'", Action::Define, "tablespace:t");
    check("CREATE SERVER s FOREIGN DATA WRAPPER w", Action::Define, "server:s");
    check("CREATE USER MAPPING FOR x SERVER s", Action::Define, "server:s");
    check("IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b", Action::Define, "b.*");
    check(
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        Action::Define,
        "subscription:s",
    );
    check(
        "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()",
        Action::Define,
        "event_trigger:e",
    );
    check("LOAD 'x'", Action::Execute, "?.load");
}

#[test]
fn refuses_what_it_does_not_know() {
    let check = |sql: &str| assert!(run(sql, false).is_err(), "{sql}");
    check("ALTER SYSTEM SET standard_conforming_strings = off");
    check("ALTER ROLE x SET standard_conforming_strings = off");
    check("ALTER DATABASE x SET client_encoding = 'SJIS'");
    check("SET standard_conforming_strings = off");
    check("SET NAMES 'SJIS'");
    check("SAVEPOINT \"exhibit.estimate\"");
    check("BEGIN; ROLLBACK TO SAVEPOINT \"exhibit.other\"");
    assert!(run("SAVEPOINT exhibit; RELEASE exhibit", false).is_ok());
    check(&"SELECT 1;".repeat(257));
    assert_eq!(run("SELEC 'jane'", false).unwrap_err(), AnalysisError::Syntax);
}

#[test]
fn tells_the_columns_that_it_may_touch() {
    let mut wrong = Vec::new();
    let mut check = |sql: &str, wanted: &[&str]| {
        let analysis = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = analysis.facts.columns.unwrap_or_default();
        if found != wanted {
            wrong.push(format!("{sql}: {found:?}"));
        }
    };
    let (id, ssn, all) = ("public.patients.id", "public.patients.ssn", "public.patients.*");
    check("SELECT 1", &[]);
    check("SELECT count(*) FROM patients", &[]);
    check("SELECT id FROM patients WHERE ssn = 'x'", &[id, ssn]);
    check("SELECT p.id AS n FROM public.patients p ORDER BY n", &[id]);
    check("SELECT (SELECT max(ssn) FROM patients)", &[ssn]);
    check("SELECT city AS c FROM patients ORDER BY c", &["public.patients.city"]);
    check(
        "SELECT city AS c FROM patients GROUP BY c",
        &["public.patients.c", "public.patients.city"],
    );
    check("SELECT x AS x FROM patients ORDER BY x", &["public.patients.x"]);
    check(
        "SELECT count(*) OVER (ORDER BY x) AS x FROM patients",
        &["public.patients.x"],
    );
    check("SELECT x FROM patients, (SELECT 1) x", &["public.patients.x"]);
    check("SELECT s.n FROM (SELECT id AS n FROM patients) s", &[id]);
    // There may be such a column by now.
    check("SELECT x AS x FROM patients", &["public.patients.x"]);
    check(
        "SELECT n FROM (SELECT id AS n FROM patients) s",
        &[id, "public.patients.n"],
    );
    check("WITH x AS (SELECT id FROM patients) SELECT * FROM x", &[all]);
    check("WITH x AS (SELECT id FROM patients) SELECT x.* FROM x", &[id]);
    check("SELECT EXISTS (SELECT FROM patients WHERE id = 1)", &[id]);
    check("DELETE FROM patients WHERE id = 1", &[id]);
    check("UPDATE patients SET ssn = 'x' WHERE id = 1", &[id, ssn]);
    check("UPDATE patients SET ssn = 'x' WHERE id = 1 RETURNING *", &[all]);
    check("INSERT INTO patients (id) VALUES (1)", &[id]);
    check(
        "INSERT INTO patients (id) VALUES (1) ON CONFLICT (ssn) DO NOTHING",
        &[id, ssn],
    );
    check("COPY patients (id, ssn) TO STDOUT", &[id, ssn]);
    check("COPY (SELECT ssn FROM patients) TO STDOUT", &[ssn]);
    check("PREPARE q AS SELECT id FROM patients", &[id]);
    check("SELECT ctid FROM patients", &[]);
    check(
        "SELECT p.id FROM patients p JOIN facilities f USING (id)",
        &["public.facilities.id", id],
    );
    for everything in [
        "SELECT * FROM patients",
        "TABLE patients",
        "SELECT patients FROM patients",
        "SELECT p FROM patients p",
        "SELECT ssn(p) FROM patients p",
        "SELECT (p).ssn FROM patients p",
        "SELECT row_to_json(public.patients) FROM public.patients",
        "SELECT row_to_json(patients.*) FROM patients",
        "SELECT count(patients) FROM patients",
        "SELECT a FROM patients AS p (a, b)",
        "SELECT nothing_like_it FROM patients",
        "UPDATE patients SET city = 'x' WHERE id = 1 RETURNING old AS old",
        "UPDATE patients SET city = 'x' WHERE id = 1 RETURNING row_to_json(new) AS new",
        "UPDATE patients SET city = 'x' WHERE id = 1 RETURNING old.*, (SELECT 1 FROM (SELECT 1) AS old)",
        "UPDATE patients SET city = 'x' WHERE id = 1 RETURNING WITH (OLD AS o) o::text AS o",
        "INSERT INTO patients (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET city = excluded::text RETURNING id AS excluded",
        "SELECT p.nothing_like_it AS nothing_like_it FROM patients p",
        "INSERT INTO patients VALUES (1)",
        "INSERT INTO patients DEFAULT VALUES",
        "INSERT INTO patients (id) VALUES (1) ON CONFLICT ON CONSTRAINT patients_pkey DO NOTHING",
        "MERGE INTO patients p USING (VALUES (1)) v (x) ON p.id = x WHEN NOT MATCHED THEN INSERT VALUES (1)",
        "COPY patients TO STDOUT",
        "COPY patients FROM STDIN",
        "TRUNCATE patients",
        "DROP TABLE patients",
        "ALTER TABLE patients DROP COLUMN id",
        "CREATE INDEX ON patients (id)",
        "COMMENT ON TABLE patients IS 'x'",
        "LOCK patients",
    ] {
        check(everything, &[all]);
    }
    check("SELECT id FROM nowhere", &["?.nowhere.*"]);
    check(
        "SELECT f.id FROM patients NATURAL JOIN facilities f",
        &["public.facilities.*", all],
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
