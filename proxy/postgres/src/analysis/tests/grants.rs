//! What changes who may do what, and that what is not known counts as such.

use exhibit_schemas::event::access::Attribute;

use super::run;

fn fact(sql: &str, name: &str) -> bool {
    let analysis = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}"));
    match analysis.facts.attributes.get(name) {
        Some(Attribute::Bool(fact)) => *fact,
        other => panic!("{sql}: {other:?}"),
    }
}

fn grants(sql: &str) -> bool {
    fact(sql, "grants")
}

#[test]
fn operators_and_types_that_may_run_code_which_is_not_compiled_are_told() {
    for (sql, custom) in [
        (
            "SELECT id + 1, city || 'x', city::text FROM patients WHERE id = 1",
            false,
        ),
        ("SELECT some_function(1)", false),
        ("GRANT SELECT ON patients TO x", false),
        ("SELECT 1 OPERATOR(app.+) 2", true),
        ("SELECT 1 OPERATOR(app.<#>) 2", true),
        ("SELECT 1::app.some_type", true),
        ("SELECT CAST(city AS some_type) FROM patients", true),
        ("PREPARE p AS SELECT 1 OPERATOR(app.<#>) 2", true),
        ("COPY (SELECT 1 OPERATOR(app.<#>) 2) TO STDOUT", true),
        ("SELECT 1; SELECT 1 OPERATOR(app.<#>) 2", true),
        ("SELECT 1 @@@ 2", true),
        ("SELECT 1 WHERE 1 @@@ ANY (SELECT 2)", true),
        ("SELECT 1 OPERATOR(pg_catalog.+) 2", false),
        ("CREATE TABLE t (a int); SELECT 1 + 2", true),
        ("CREATE TABLE t (a int); SELECT 1 OPERATOR(pg_catalog.+) 2", false),
        ("SELECT id FROM patients ORDER BY id USING OPERATOR(app.<)", true),
        ("SELECT id FROM patients TABLESAMPLE app.some_method (1)", true),
    ] {
        assert_eq!(fact(sql, "custom_operators"), custom, "{sql}");
    }
}

#[test]
fn what_changes_who_may_do_what_is_told() {
    for sql in [
        "GRANT SELECT ON patients TO x",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT x TO y",
        "REVOKE x FROM y CASCADE",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x",
        "CREATE ROLE x",
        "CREATE USER x PASSWORD 'y'",
        "CREATE GROUP x",
        "ALTER ROLE x SUPERUSER",
        "ALTER USER x SET role = 'y'",
        "ALTER GROUP x ADD USER y",
        "ALTER ROLE x RENAME TO y",
        "DROP ROLE x",
        "DROP USER IF EXISTS x",
        "DROP OWNED BY x",
        "REASSIGN OWNED BY x TO y",
        "SET ROLE x",
        "SET LOCAL ROLE x",
        "SET SESSION AUTHORIZATION x",
        "RESET ROLE",
        "RESET SESSION AUTHORIZATION",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('role', 'x', false)",
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'role'",
        "ALTER TABLE patients OWNER TO x",
        "ALTER TABLE patients ADD COLUMN a int, OWNER TO x",
        "ALTER SCHEMA public OWNER TO x",
        "ALTER FUNCTION f() OWNER TO x",
        "ALTER DATABASE d OWNER TO x",
        "CREATE SCHEMA AUTHORIZATION x",
        "CREATE SCHEMA s AUTHORIZATION x",
        "CREATE SCHEMA s GRANT SELECT ON t TO x",
        "CREATE POLICY p ON patients USING (true)",
        "ALTER POLICY p ON patients TO x",
        "ALTER POLICY p ON patients RENAME TO q",
        "DROP POLICY p ON patients",
        "ALTER TABLE patients ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE patients DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE patients FORCE ROW LEVEL SECURITY",
        "ALTER TABLE patients NO FORCE ROW LEVEL SECURITY",
        "ALTER VIEW v SET (security_invoker = false)",
        "SECURITY LABEL FOR x ON TABLE patients IS 'y'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role = 'x' AS 'SELECT 1'",
        "ALTER FUNCTION f() SECURITY DEFINER",
        "ALTER FUNCTION f() SET role = 'x'",
        "CREATE USER MAPPING FOR x SERVER s",
        "ALTER SYSTEM SET log_connections = off",
        "ALTER DATABASE d SET role = 'x'",
        "UPDATE pg_authid SET rolsuper = true",
        "INSERT INTO pg_catalog.pg_auth_members VALUES (1, 2, 3)",
        "DELETE FROM pg_policy",
        "WITH x AS (DELETE FROM pg_policy RETURNING 1) SELECT 1",
        "COPY pg_authid FROM STDIN",
        "SET search_path = pg_catalog; UPDATE pg_authid SET rolsuper = true",
        "SELECT 1; GRANT SELECT ON patients TO x; SELECT 2",
        "EXPLAIN ANALYZE CREATE TABLE t AS EXECUTE p",
    ] {
        assert!(grants(sql), "{sql}");
    }
}

#[test]
fn what_is_not_known_to_change_nothing_of_it_counts_as_such() {
    for sql in [
        "SELECT some_function(1)",
        "SELECT app.some_function(1)",
        "INSERT INTO claims SELECT some_function(1)",
        "CREATE TABLE t AS SELECT some_function(1)",
        "CREATE INDEX ON patients (some_function(city))",
        "PREPARE p AS SELECT some_function(1)",
        "DECLARE c CURSOR FOR SELECT some_function(1)",
        "COPY (SELECT some_function(1)) TO STDOUT",
        "EXPLAIN ANALYZE SELECT some_function(1)",
        "SELECT 1::app.some_type",
        "SELECT 1 OPERATOR(app.+) 2",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = f); SELECT 1 === 2",
        "CALL p()",
        "DO $$ BEGIN END $$",
        "LOAD 'x'",
        "CREATE EXTENSION dblink",
        "ALTER EXTENSION x ADD TABLE patients",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "COPY patients TO PROGRAM 'sh'",
        "COPY patients TO '/tmp/x'",
        "EXECUTE p",
        "EXECUTE p(some_function(1))",
        "FETCH c",
        "EXPLAIN ANALYZE EXECUTE p",
        "CREATE TABLE t AS EXECUTE p",
    ] {
        assert!(grants(sql), "{sql}");
    }
}

#[test]
fn nothing_else_does() {
    for sql in [
        "",
        "SELECT * FROM patients",
        "SELECT lower(city), count(*) FROM patients GROUP BY 1",
        "SELECT nextval('s')",
        "SELECT set_config('search_path', '', false)",
        "SELECT * FROM pg_roles",
        "INSERT INTO facilities SELECT * FROM facilities",
        "UPDATE patients SET city = 'x'",
        "DELETE FROM patients",
        "TRUNCATE patients",
        "COPY patients TO STDOUT",
        "COPY patients FROM STDIN",
        "CREATE TABLE t (a int DEFAULT 1)",
        "CREATE TABLE t AS SELECT * FROM patients",
        "CREATE VIEW v AS SELECT 1",
        "CREATE SCHEMA s",
        "CREATE SCHEMA s CREATE TABLE t (a int)",
        "ALTER TABLE patients ADD COLUMN a int",
        "ALTER TABLE patients SET (fillfactor = 70)",
        "ALTER TABLE patients RENAME TO t",
        "ALTER FUNCTION f() IMMUTABLE",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY INVOKER AS 'SELECT 1'",
        "CREATE INDEX ON patients (city)",
        "DROP TABLE patients",
        "COMMENT ON TABLE patients IS 'x'",
        "VACUUM patients",
        "SET work_mem = '1MB'",
        "SHOW role",
        "DISCARD PLANS",
        "BEGIN; SELECT 1; COMMIT",
        "LISTEN x",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "EXPLAIN ANALYZE UPDATE patients SET city = 'x'",
    ] {
        assert!(!grants(sql), "{sql}");
    }
}
