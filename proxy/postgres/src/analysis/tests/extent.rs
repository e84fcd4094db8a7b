//! How many rows statements say that they read out or change, and which the server may be asked about.

use super::super::Extent;
use super::run;

fn extents(sql: &str) -> Vec<Extent> {
    let analysis = run(sql, false).unwrap_or_else(|error| panic!("{sql}: {error}"));
    analysis
        .statements
        .into_iter()
        .map(|statement| statement.extent)
        .collect()
}

#[test]
fn what_is_planned_by_the_servers_own_code_alone_may_be_asked_about() {
    for sql in [
        "SELECT * FROM patients",
        "SELECT lower(city), count(*) FROM patients GROUP BY 1",
        "SELECT * FROM patients FOR UPDATE",
        "SELECT * FROM pg_class",
        "SELECT 1",
        "VALUES (1), (2)",
        "TABLE facilities",
        "UPDATE patients SET city = 'x'",
        "DELETE FROM patients WHERE id = 1",
        "INSERT INTO facilities SELECT * FROM facilities",
        "INSERT INTO facilities VALUES (1) LIMIT 1",
        "INSERT INTO facilities SELECT generate_series(1, 5)",
        "INSERT INTO facilities VALUES ((SELECT max(id) FROM facilities))",
        "INSERT INTO facilities VALUES (generate_series(1, 5))",
        "WITH x AS (DELETE FROM facilities RETURNING id) SELECT * FROM x",
        "WITH x AS (DELETE FROM facilities RETURNING id) INSERT INTO facilities VALUES (1)",
        "DECLARE c CURSOR FOR SELECT * FROM patients",
        "EXECUTE q",
    ] {
        assert_eq!(extents(sql), [Extent::Plan(None)], "{sql}");
    }
    let copied = |text: &str| [Extent::Plan(Some(text.to_owned()))];
    assert_eq!(
        extents("COPY patients (id, city) TO STDOUT"),
        copied("SELECT \"id\", \"city\" FROM ONLY \"patients\"")
    );
    assert_eq!(extents("COPY (SELECT 1) TO STDOUT"), copied("SELECT 1"));
}

#[test]
fn what_could_run_other_code_is_not_known() {
    for sql in [
        "SELECT some_function(1)",
        "SELECT * FROM patients WHERE id = some_function(1)",
        "SELECT app.some_function(1)",
        "SELECT nextval('s')",
        "SELECT pg_sleep(1)",
        "SELECT 1 @@@ 2",
        "SELECT 1::app.some_type",
        "SELECT CAST(city AS some_type) FROM patients",
        "SELECT * FROM patients TABLESAMPLE app.some_method (1)",
        "SELECT * FROM nothing_of_that_name",
        "INSERT INTO facilities VALUES (some_function(1))",
        "INSERT INTO nothing_of_that_name VALUES (1)",
        "UPDATE facilities SET id = some_function(1)",
        "WITH x AS (SELECT some_function(1)) DELETE FROM facilities",
        "DECLARE c CURSOR FOR SELECT some_function(1)",
        "COPY (SELECT some_function(1)) TO STDOUT",
        "COPY nothing_of_that_name TO STDOUT",
        "EXECUTE q(1)",
        "EXECUTE q('x')",
        "EXECUTE q(some_function(1))",
        "EXECUTE q(1::app.some_type)",
        "EXECUTE q(nextval('s'))",
        "CREATE TABLE x AS SELECT 1",
        "CREATE TABLE x AS EXECUTE q",
        "SELECT 1 INTO x",
        "TRUNCATE patients",
        "COPY patients FROM STDIN",
        "COPY patients TO '/tmp/x'",
        "COPY patients TO PROGRAM 'sh'",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (ANALYZE) SELECT 1",
        "EXPLAIN (ANALYZE true) DELETE FROM facilities",
        "EXPLAIN ANALYZE EXECUTE q",
        "FETCH ALL FROM c",
        "FETCH BACKWARD ALL FROM c",
        "MOVE ALL FROM c",
        "CALL p()",
        "DO $$ BEGIN END $$",
        "GRANT SELECT ON patients TO x",
        "VACUUM patients",
        "DROP TABLE facilities",
    ] {
        let found = extents(sql);
        assert!(matches!(found.as_slice(), [Extent::Unknown(_)]), "{sql}: {found:?}");
    }
}

#[test]
fn what_says_how_many_is_not_asked_about() {
    for (sql, rows) in [
        ("INSERT INTO facilities VALUES (1)", 1),
        ("INSERT INTO facilities VALUES (1), (2), (3) ON CONFLICT DO NOTHING", 3),
        ("INSERT INTO facilities DEFAULT VALUES RETURNING id", 1),
        ("FETCH FROM c", 1),
        ("FETCH 7 FROM c", 7),
        ("FETCH BACKWARD 7 FROM c", 7),
        ("FETCH -7 FROM c", 7),
        ("FETCH 0 FROM c", 1),
        ("FETCH ABSOLUTE 100 FROM c", 1),
        ("MOVE 5 FROM c", 5),
        ("PREPARE q AS SELECT * FROM patients", 0),
        ("DEALLOCATE q", 0),
        ("CLOSE c", 0),
        ("EXPLAIN SELECT some_function(1)", 0),
        ("EXPLAIN (ANALYZE off) DELETE FROM facilities", 0),
        ("LOCK TABLE patients", 0),
        ("NOTIFY x", 0),
        ("SET work_mem = '1MB'", 0),
        ("BEGIN", 0),
    ] {
        assert_eq!(extents(sql), [Extent::Rows(rows)], "{sql}");
    }
}

#[test]
fn a_name_is_of_the_extent_that_it_stands_for() {
    let (plan, unknown) = (Extent::Plan(None), Extent::Unknown("a cause"));
    let copy = Extent::Plan(Some("TABLE x".to_owned()));
    assert_eq!(plan.by_name(Some(&plan)), plan);
    assert_eq!(plan.by_name(Some(&Extent::Rows(3))), Extent::Rows(3));
    assert_eq!(plan.by_name(Some(&unknown)), unknown);
    assert!(matches!(plan.by_name(Some(&copy)), Extent::Unknown(_)));
    assert!(matches!(plan.by_name(None), Extent::Unknown(_)));
    for own in [Extent::Rows(2), Extent::Unknown("its own")] {
        for other in [None, Some(&plan), Some(&unknown), Some(&Extent::Rows(3))] {
            assert_eq!(own.by_name(other), own);
        }
    }
}
