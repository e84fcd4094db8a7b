//! Values that a policy lets be tried on masked columns: what is counted, and that everything else stays refused.

use std::collections::BTreeMap;

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::probe::columns;
use exhibit_schemas::event::access::{Attribute, Facts};

use super::super::probe::{array_parameters, state};
use super::{run, run_probing};

/// The columns that the policy of these tests lets be tried.
fn probed(resource: &str) -> bool {
    matches!(
        resource,
        "public.patients.ssn" | "public.derived.ssn" | "public.family.secret"
    )
}

/// Statements, and how many values they try on which column when every array that is bound holds three.
const TRIED: &[(&str, &str)] = &[
    ("SELECT id FROM patients WHERE ssn = '1'", "public.patients.ssn 1"),
    ("SELECT id FROM patients WHERE '1' = ssn", "public.patients.ssn 1"),
    (
        "SELECT id, ssn FROM public.patients p WHERE p.ssn = '1' AND city = 'Ulm'",
        "public.patients.ssn 1",
    ),
    (
        "SELECT id FROM patients WHERE city > 'A' AND (id = 1 AND ssn = $1)",
        "public.patients.ssn 1",
    ),
    (
        "SELECT id FROM patients WHERE ssn OPERATOR(pg_catalog.=) '1'",
        "public.patients.ssn 1",
    ),
    (
        "SELECT id FROM patients WHERE ssn = '1' AND ssn = '2'",
        "public.patients.ssn 2",
    ),
    (
        "SELECT id FROM patients WHERE ssn IN ('1', $1, '3'::text)",
        "public.patients.ssn 3",
    ),
    (
        "SELECT id FROM patients WHERE ssn = ANY (ARRAY['1', '2'])",
        "public.patients.ssn 2",
    ),
    (
        "SELECT id FROM patients WHERE ssn = ANY (ARRAY['1', $1]::text[])",
        "public.patients.ssn 2",
    ),
    (
        "SELECT id FROM patients WHERE ssn = ANY ('{1,2,3,4}')",
        "public.patients.ssn 4",
    ),
    ("SELECT id FROM patients WHERE ssn = ANY ($1)", "public.patients.ssn 3"),
    (
        "SELECT id FROM patients WHERE ssn = ANY ($1::text[]) AND ssn = $2",
        "public.patients.ssn 4",
    ),
    (
        "SELECT id FROM patients WHERE ssn = $1::varchar",
        "public.patients.ssn 1",
    ),
    ("SELECT count(*) FROM patients WHERE ssn = '1'", "public.patients.ssn 1"),
    (
        "SELECT a.id FROM patients a JOIN patients b ON a.id = b.id WHERE a.ssn = '1' AND b.ssn = '1'",
        "public.patients.ssn 2",
    ),
    (
        "SELECT id FROM (SELECT id, ssn AS s FROM patients) q WHERE s = '1'",
        "public.patients.ssn 1",
    ),
    (
        "WITH q AS (SELECT id, ssn FROM patients) SELECT id FROM q WHERE ssn = '1'",
        "public.patients.ssn 1",
    ),
    (
        "SELECT id FROM patients WHERE ssn = '1' ORDER BY id LIMIT 1",
        "public.patients.ssn 1",
    ),
    (
        "SELECT v.id FROM visits v JOIN patients p ON p.id = v.id AND p.ssn IN ('1', '2')",
        "public.patients.ssn 2",
    ),
    (
        "SELECT v.id FROM (visits v JOIN patients p ON p.ssn = $1) JOIN facilities f ON f.id = p.id, visits w",
        "public.patients.ssn 1",
    ),
    (
        "SELECT v.id FROM facilities f, visits v CROSS JOIN patients p JOIN visits w ON p.ssn = '1' WHERE p.ssn = '2'",
        "public.patients.ssn 2",
    ),
    (
        "COPY (SELECT id, ssn FROM patients WHERE ssn = '1') TO STDOUT",
        "public.patients.ssn 1",
    ),
    // It compares with `1` in every row, whatever the values are.
    (
        "SELECT id FROM patients WHERE ssn = '1' AND id IN (SELECT id FROM visits)",
        "public.patients.ssn 1",
    ),
];

/// What stays refused, though the policy lets values be tried on `patients.ssn`.
const REFUSED: &[&str] = &[
    // Not a part of the AND that the condition is.
    "SELECT id FROM patients WHERE ssn = '1' OR true",
    "SELECT id FROM patients WHERE NOT ssn = '1'",
    "SELECT id FROM patients WHERE (ssn = '1') IS TRUE",
    "SELECT id FROM patients WHERE (ssn = '1') = (city = 'Ulm')",
    "SELECT id FROM patients WHERE CASE WHEN ssn = '1' THEN true ELSE 1 / 0 = 1 END",
    "SELECT id FROM patients WHERE COALESCE(ssn = '1', true)",
    // Not an equality.
    "SELECT id FROM patients WHERE ssn <> '1'",
    "SELECT id FROM patients WHERE ssn < '5'",
    "SELECT id FROM patients WHERE ssn BETWEEN '1' AND '2'",
    "SELECT id FROM patients WHERE ssn LIKE '1%'",
    "SELECT id FROM patients WHERE ssn ~ '^1'",
    "SELECT id FROM patients WHERE nullif(ssn, '1') IS NULL",
    "SELECT id FROM patients WHERE ssn IS NOT DISTINCT FROM '1'",
    "SELECT id FROM patients WHERE ssn NOT IN ('1')",
    "SELECT id FROM patients WHERE ssn <> ALL (ARRAY['1'])",
    "SELECT id FROM patients WHERE ssn = ALL (ARRAY['1'])",
    "SELECT id FROM patients WHERE ssn < ANY (ARRAY['1'])",
    "SELECT id FROM patients WHERE (ssn, city) = ('1', 'Ulm')",
    "SELECT id FROM patients WHERE ssn SIMILAR TO '1'",
    // Not the column alone.
    "SELECT id FROM patients WHERE left(ssn, 1) = '1'",
    "SELECT id FROM patients WHERE ssn || '' = '1'",
    "SELECT id FROM patients WHERE ssn::int = 1",
    r#"SELECT id FROM patients WHERE ssn COLLATE "C" = '1'"#,
    r#"SELECT id FROM patients WHERE ssn = '1' COLLATE "C""#,
    "SELECT id FROM (SELECT id, upper(ssn) AS s FROM patients) q WHERE s = '1'",
    "SELECT id FROM (SELECT id, ssn FROM patients UNION ALL SELECT id, city FROM patients) q WHERE ssn = '1'",
    // No constant: a value of a row, of a query, of a function or of a setting.
    "SELECT p.id FROM patients p, visits v WHERE p.ssn = v.patient",
    "SELECT a.id FROM patients a, patients b WHERE a.ssn = b.ssn",
    "SELECT id FROM patients WHERE ssn = (SELECT '1')",
    "SELECT id FROM patients WHERE ssn IN (SELECT i::text FROM generate_series(1, 1000) i)",
    "SELECT p.id FROM patients p, generate_series(1, 1000) i WHERE p.ssn = i::text",
    "SELECT p.id FROM patients p JOIN (VALUES ('1'), ('2')) v(x) ON p.ssn = v.x",
    "SELECT p.id FROM patients p, LATERAL (SELECT p.city AS x) q WHERE p.ssn = q.x",
    "SELECT id FROM patients WHERE ssn = ANY (ARRAY(SELECT city FROM patients))",
    "SELECT id FROM patients WHERE ssn = ANY (string_to_array('1,2', ','))",
    "SELECT id FROM patients WHERE ssn = upper('a')",
    "SELECT id FROM patients WHERE ssn = 'a' || 'b'",
    "SELECT id FROM patients WHERE ssn = current_user",
    "SELECT id FROM patients WHERE ssn = city",
    "SELECT id FROM patients WHERE ssn IN ('1', city)",
    // A constant of another kind: the comparison would be made by a cast of the column.
    "SELECT id FROM patients WHERE ssn = 1",
    "SELECT id FROM patients WHERE ssn = '1'::int",
    "SELECT id FROM patients WHERE ssn = '1'::regclass",
    "SELECT id FROM patients WHERE ssn = '1'::varchar(2)",
    "SELECT id FROM patients WHERE ssn = '1'::text::text",
    "SELECT id FROM patients WHERE ssn = ANY ('{1}'::text)",
    "SELECT id FROM patients WHERE ssn = ANY ('{1}'::int[])",
    "SELECT id FROM patients WHERE ssn = NULL",
    "SELECT id FROM patients WHERE ssn = true",
    // A parameter that stands again, where another place could give it a type, or the reply show it.
    "SELECT id FROM patients WHERE ssn = $1 AND $1::float8 > 0",
    "SELECT id, $1 FROM patients WHERE ssn = $1",
    "SELECT id FROM patients WHERE ssn = $1 AND ssn = $1",
    // Not the outermost query.
    "SELECT 1 WHERE EXISTS (SELECT FROM patients WHERE ssn = '1')",
    "SELECT id, EXISTS (SELECT FROM patients p WHERE p.ssn = '1' AND p.id = v.id) FROM visits v",
    "SELECT (SELECT count(*) FROM patients WHERE ssn = '1')",
    "SELECT id FROM (SELECT id FROM patients WHERE ssn = '1') q",
    "WITH q AS (SELECT id FROM patients WHERE ssn = '1') SELECT * FROM q a, q b",
    "WITH RECURSIVE q AS (SELECT id FROM patients WHERE ssn = '1' UNION ALL SELECT id FROM q) SELECT * FROM q",
    "SELECT id FROM patients WHERE ssn = '1' UNION ALL SELECT 1",
    "SELECT v.id FROM visits v, LATERAL (SELECT FROM patients p WHERE p.ssn = '1') q",
    "SELECT count(*) FILTER (WHERE ssn = '1') FROM patients",
    "SELECT city FROM patients GROUP BY city HAVING max(ssn) = '1'",
    "SELECT p.id FROM patients p JOIN visits v ON p.ssn = '1' OR v.id = 1",
    "SELECT p.id FROM patients p JOIN visits v ON p.ssn = v.patient",
    "SELECT v.id FROM visits v LEFT JOIN (patients p JOIN facilities f ON p.ssn = '1' AND p.id = f.id) ON p.id = v.id",
    "SELECT v.id FROM visits v FULL JOIN patients p ON p.ssn = '1'",
    "SELECT v.id FROM visits v, LATERAL (SELECT FROM patients p JOIN facilities f ON p.ssn = '1') q",
    "SELECT id FROM (SELECT p.id FROM patients p JOIN visits v ON p.ssn = '1') q",
    "SELECT v.id FROM visits v JOIN (SELECT 1 FROM patients p JOIN facilities f ON p.ssn = '1') q ON true",
    "SELECT v.id FROM visits v WHERE EXISTS (SELECT FROM patients p JOIN facilities f ON p.ssn = '1')",
    "SELECT v.id FROM visits v LEFT JOIN patients p ON p.ssn = '1' AND p.id = v.id",
    // Not a SELECT that stands alone and changes nothing.
    "DELETE FROM patients WHERE ssn = '1'",
    "UPDATE patients SET city = 'x' WHERE ssn = '1'",
    "INSERT INTO visits (id) SELECT id FROM patients WHERE ssn = '1'",
    "MERGE INTO visits v USING patients p ON p.ssn = '1' WHEN MATCHED THEN DELETE",
    "SELECT id INTO t FROM patients WHERE ssn = '1'",
    "CREATE TABLE t AS SELECT id FROM patients WHERE ssn = '1'",
    "CREATE VIEW v AS SELECT id FROM patients WHERE ssn = '1'",
    "CREATE MATERIALIZED VIEW v AS SELECT id FROM patients WHERE ssn = '1'",
    "WITH d AS (DELETE FROM visits RETURNING id) SELECT p.id FROM patients p WHERE ssn = '1'",
    "SELECT id FROM patients WHERE ssn = '1' FOR UPDATE",
    "SELECT id, nextval('s') FROM patients WHERE ssn = '1'",
    "SELECT pg_advisory_lock(id) FROM patients WHERE ssn = '1'",
    "SELECT set_config('a.b', 'c', false) FROM patients WHERE ssn = '1'",
    "EXPLAIN SELECT id FROM patients WHERE ssn = '1'",
    "EXPLAIN (COSTS OFF) SELECT id FROM patients WHERE ssn = '1'",
    "EXPLAIN ANALYZE SELECT id FROM patients WHERE ssn = '1'",
    "PREPARE q AS SELECT id FROM patients WHERE ssn = $1",
    "DECLARE c CURSOR FOR SELECT id FROM patients WHERE ssn = '1'",
    "COPY (SELECT id FROM patients WHERE ssn = '1' OR true) TO STDOUT",
    "COPY (SELECT id FROM patients WHERE ssn = '1' FOR UPDATE) TO STDOUT",
    "COPY (SELECT id FROM (SELECT id FROM patients WHERE ssn = '1') q) TO STDOUT",
    "COPY (DELETE FROM patients WHERE ssn = '1' RETURNING id) TO STDOUT",
    "COPY (SELECT id FROM patients WHERE ssn = '1') TO PROGRAM 'cat'",
    "COPY (SELECT id FROM patients WHERE ssn = '1') TO '/tmp/found'",
    "SELECT 1; COPY (SELECT id FROM patients WHERE ssn = '1') TO STDOUT",
    "COPY patients (id) FROM STDIN WHERE ssn = '1'",
    "SELECT 1; SELECT id FROM patients WHERE ssn = '1'",
    "SELECT id FROM patients WHERE ssn = '1'; SELECT id FROM patients WHERE ssn = '2'",
    "BEGIN; SELECT id FROM patients WHERE ssn = '1'",
    // A column whose mask does not let values be tried.
    "SELECT id FROM patients WHERE name = 'Ann'",
    "SELECT id FROM patients WHERE ssn = '1' AND name = 'Ann'",
];

#[test]
fn values_that_are_tried_are_counted() {
    for (sql, wanted) in TRIED {
        let analysis = run_probing(sql, true, &probed).unwrap();
        assert!(
            !analysis.facts.attributes.contains_key(UNPROVEN),
            "{sql}: {:?}",
            analysis.facts
        );
        assert!(
            columns(&analysis.facts).next().is_none(),
            "{sql}: nothing is tried before it runs"
        );
        let arrays: BTreeMap<u32, u64> = array_parameters(&analysis.probes).map(|number| (number, 3)).collect();
        let mut facts = analysis.facts.clone();
        state(&analysis.probes, &[], &arrays, &mut facts).unwrap();
        let tried: Vec<String> = columns(&facts)
            .map(|(column, values)| format!("{column} {values}"))
            .collect();
        assert_eq!(tried.join(", "), *wanted, "{sql}");
        // Without that policy the same is refused, as ever.
        let denied = run(sql, true).unwrap();
        assert!(denied.facts.attributes.contains_key(UNPROVEN), "{sql}");
        assert!(denied.probes.is_empty(), "{sql}");
    }
}

#[test]
fn everything_else_that_goes_by_a_masked_column_stays_refused() {
    for sql in REFUSED {
        let Ok(analysis) = run_probing(sql, true, &probed) else {
            continue;
        };
        assert!(
            analysis.facts.attributes.contains_key(UNPROVEN),
            "{sql}: {:?}",
            analysis.probes
        );
    }
}

#[test]
fn the_reason_says_what_is_wrong() {
    for (sql, wanted) in [
        (
            "SELECT id FROM patients WHERE ssn = 1",
            "another kind of type is compared with the masked column public.patients.ssn",
        ),
        (
            "SELECT id FROM patients WHERE ssn = $1 AND ssn = $1",
            "bind the value twice",
        ),
        (
            "SELECT id FROM patients WHERE ssn = '1' FOR UPDATE",
            "not sure to change nothing",
        ),
        (
            "SELECT id FROM patients WHERE ssn LIKE '1'",
            "WHERE goes by the masked column public.patients.ssn",
        ),
    ] {
        let analysis = run_probing(sql, true, &probed).unwrap();
        let Some(Attribute::Text(cause)) = analysis.facts.attributes.get(UNPROVEN) else {
            panic!("{sql}: it is proven");
        };
        assert!(cause.contains(wanted), "{sql}: {cause}");
    }
}

#[test]
fn a_parameter_has_the_columns_kind_of_type() {
    let check = |sql: &str, types: &[u32], taken: bool| {
        let analysis = run_probing(sql, true, &probed).unwrap();
        let mut facts: Facts = analysis.facts.clone();
        let stated = state(&analysis.probes, types, &BTreeMap::from([(1, 2)]), &mut facts);
        assert_eq!(stated.is_ok(), taken, "{sql} with {types:?}");
    };
    let (one, all) = (
        "SELECT id FROM patients WHERE ssn = $1",
        "SELECT id FROM patients WHERE ssn = ANY ($1)",
    );
    for (sql, oid, taken) in [
        (one, 0, true),
        (one, 25, true),
        (one, 1043, true),
        (one, 701, false),
        (one, 1700, false),
        (one, 2205, false),
        (one, 1009, false),
        (all, 0, true),
        (all, 1009, true),
        (all, 25, false),
        (all, 1007, false),
    ] {
        check(sql, &[oid], taken);
    }
    check("SELECT id FROM patients WHERE ssn = $2 AND city = $1", &[701], true);
    check(
        "SELECT id FROM patients WHERE ssn = $2 AND city = $1",
        &[25, 701],
        false,
    );
    // An array of which nothing is known tries nothing.
    let analysis = run_probing(all, true, &probed).unwrap();
    assert!(state(&analysis.probes, &[], &BTreeMap::new(), &mut analysis.facts.clone()).is_err());
}
