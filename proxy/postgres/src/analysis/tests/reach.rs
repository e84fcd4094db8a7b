//! What statements can change before their event is durable.

use exhibit_gate::session::Reach::{Anything, Nothing, Transaction};

use super::run;

#[test]
fn only_what_a_rollback_takes_back_reaches_less_than_anything() {
    let mut wrong = Vec::new();
    let mut check = |sql: &str, wanted| {
        let found = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}")).reach;
        if found != wanted {
            wrong.push(format!("{sql}: {found:?}"));
        }
    };
    check("", Nothing);
    check("SELECT 1", Nothing);
    check(
        "SELECT id, upper(name) FROM patients WHERE ssn = $1 ORDER BY 1",
        Nothing,
    );
    check(
        "WITH x AS (SELECT * FROM patients) SELECT count(*) FROM x JOIN facilities f ON f.id = x.id",
        Nothing,
    );
    check("TABLE visits", Nothing);
    check("SELECT 'x'::text, '1'::pg_catalog.int4, 'sad'::mood", Nothing);
    check("BEGIN", Nothing);
    check("SAVEPOINT a; RELEASE a; ROLLBACK TO a", Nothing);
    check("ROLLBACK", Nothing);
    check("SET application_name = 'x'", Nothing);
    check("SHOW search_path", Nothing);
    check("INSERT INTO facilities VALUES (1, 'x', 'y') RETURNING id", Transaction);
    check("UPDATE facilities SET name = 'x' WHERE id = 1", Transaction);
    check("DELETE FROM facilities", Transaction);
    check(
        "WITH gone AS (DELETE FROM facilities RETURNING *) SELECT * FROM gone",
        Transaction,
    );
    check("SELECT * FROM facilities FOR UPDATE", Transaction);
    check(
        "MERGE INTO facilities f USING patients p ON p.id = f.id WHEN MATCHED THEN DELETE",
        Transaction,
    );
    check("COMMIT", Anything);
    check("COMMIT AND CHAIN", Anything);
    check("PREPARE TRANSACTION 'x'", Anything);
    check("COMMIT PREPARED 'x'", Anything);
    check("SELECT nextval('patients_id_seq')", Anything);
    check("SELECT setval('patients_id_seq', 1)", Anything);
    check("SELECT leak(1)", Anything);
    check("SELECT unknown_function()", Anything);
    check("SELECT dblink_exec('x', 'y')", Anything);
    check("SELECT pg_notify('a', 'b')", Anything);
    check("SELECT lo_create(0)", Anything);
    check("SELECT pg_advisory_lock(1)", Anything);
    check("SELECT pg_terminate_backend(1)", Anything);
    check("SELECT 'x' @@@ 'y'", Anything);
    check("SELECT 'x'::unknown_domain", Anything);
    // The grammar's word is the server's own; in quotes it is looked up.
    check("SELECT '1'::\"bigint\"", Anything);
    check("SELECT '1'::bigint", Nothing);
    check("SELECT (p).leak FROM patients p", Anything);
    check("SELECT * FROM patient_view", Anything);
    check("SELECT * FROM caller_view", Anything);
    check("SELECT * FROM nowhere", Anything);
    check("SELECT * FROM patients_id_seq", Anything);
    check("SELECT * FROM family", Anything);
    check("SELECT * FROM ruled", Anything);
    check("SELECT * FROM facilities TABLESAMPLE foreign_method (1)", Anything);
    check("INSERT INTO encounters DEFAULT VALUES", Anything);
    check("DELETE FROM encounters", Anything);
    check("UPDATE visits SET note = ''", Anything);
    check("UPDATE trunk SET pin = ''", Anything);
    check("INSERT INTO facilities SELECT nextval('s'), 'a', 'b'", Anything);
    check("UPDATE facilities SET name = leak(1)::text", Anything);
    check("INSERT INTO patient_view VALUES (1)", Anything);
    check("TRUNCATE facilities", Anything);
    check("CREATE TABLE t (id int)", Anything);
    check("SELECT 1 INTO t", Anything);
    check("NOTIFY a", Anything);
    check("LISTEN a", Anything);
    check("DO 'begin end'", Anything);
    check("CALL p()", Anything);
    check("COPY facilities TO STDOUT", Anything);
    check("COPY facilities FROM STDIN", Anything);
    check("EXPLAIN ANALYZE DELETE FROM facilities", Anything);
    check("DECLARE c CURSOR FOR SELECT 1", Anything);
    check("LOCK facilities", Anything);
    check("VACUUM", Anything);
    check("GRANT SELECT ON facilities TO x", Anything);
    check("SELECT 1; SELECT nextval('s')", Anything);
    check("SELECT 1; UPDATE facilities SET name = ''", Transaction);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
