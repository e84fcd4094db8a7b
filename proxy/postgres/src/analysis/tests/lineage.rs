//! What each column of a reply comes from: statements that pass, with masks on what they show.

use exhibit_policy::decide::UNPROVEN;
use exhibit_schemas::event::access::Attribute;

use super::super::lineage::Output;
use super::run;
use crate::catalog::{Catalog, sample};
use crate::group::tests::read_alone;

/// Statements, and the columns of their replies: `name` alone is clean, `name = column` is a masked column itself, and
/// `name < columns` is computed from masked ones. `-` is left to the server's origins.
const MASKED: &[(&str, &str)] = &[
    ("SELECT upper(ssn) FROM patients", "upper < patients.ssn"),
    ("SELECT ssn || '' FROM patients", "? < patients.ssn"),
    ("SELECT ssn::text FROM patients", "ssn < patients.ssn"),
    ("SELECT CAST(ssn AS varchar) FROM patients", "ssn < patients.ssn"),
    (
        "SELECT (ssn) || name AS city FROM patients",
        "city < patients.name patients.ssn",
    ),
    ("SELECT COALESCE(ssn, '') FROM patients", "coalesce < patients.ssn"),
    ("SELECT NULLIF(ssn, '') FROM patients", "? < patients.ssn"),
    ("SELECT GREATEST(ssn, ssn) FROM patients", "? < patients.ssn"),
    (
        "SELECT CASE WHEN true THEN ssn END FROM patients",
        "case < patients.ssn",
    ),
    (
        "SELECT CASE ssn WHEN 'x' THEN 1 ELSE 0 END FROM patients",
        "case < patients.ssn",
    ),
    ("SELECT ARRAY[ssn] FROM patients", "array < patients.ssn"),
    ("SELECT (ARRAY[ssn])[1] FROM patients", "? < patients.ssn"),
    ("SELECT array_agg(ssn) FROM patients", "array_agg < patients.ssn"),
    (
        "SELECT string_agg(p.ssn, ',') FROM patients p",
        "string_agg < patients.ssn",
    ),
    (
        "SELECT min(ssn), max(ssn) FROM patients",
        "min < patients.ssn, max < patients.ssn",
    ),
    ("SELECT count(ssn) FROM patients", "count"),
    ("SELECT any_value(ssn) FROM patients", "any_value < patients.ssn"),
    (r#"SELECT ssn COLLATE "C" FROM patients"#, "ssn < patients.ssn"),
    ("SELECT ssn IS NULL FROM patients", "?"),
    ("SELECT upper(ssn) IS NULL FROM patients", "? < patients.ssn"),
    (
        "SELECT CASE WHEN ssn IS NULL THEN 'no' ELSE name END FROM patients",
        "name < patients.name",
    ),
    ("SELECT ssn = '1' FROM patients", "? < patients.ssn"),
    ("SELECT ssn LIKE '9%' FROM patients", "? < patients.ssn"),
    ("SELECT ssn ~ '^9' FROM patients", "? < patients.ssn"),
    (
        "SELECT left(ssn, 3), substr(ssn, 4) FROM patients",
        "left < patients.ssn, substr < patients.ssn",
    ),
    ("SELECT length(ssn) FROM patients", "length < patients.ssn"),
    (
        "SELECT md5(public.patients.ssn) FROM public.patients",
        "md5 < patients.ssn",
    ),
    ("SELECT to_json(ssn) FROM patients", "to_json < patients.ssn"),
    (
        "SELECT json_build_object('a', ssn) FROM patients",
        "json_build_object < patients.ssn",
    ),
    ("SELECT JSON_OBJECT('a': ssn) FROM patients", "? < patients.ssn"),
    ("SELECT JSON_ARRAY(ssn) FROM patients", "? < patients.ssn"),
    ("SELECT JSON_ARRAYAGG(ssn) FROM patients", "? < patients.ssn"),
    ("SELECT JSON_OBJECTAGG(id: ssn) FROM patients", "? < patients.ssn"),
    ("SELECT JSON_SCALAR(ssn) FROM patients", "? < patients.ssn"),
    ("SELECT JSON_SERIALIZE(ssn) FROM patients", "? < patients.ssn"),
    (
        "SELECT JSON_VALUE(to_jsonb(ssn), '$') FROM patients",
        "? < patients.ssn",
    ),
    ("SELECT XMLELEMENT(NAME a, ssn) FROM patients", "? < patients.ssn"),
    ("SELECT XMLFOREST(ssn) FROM patients", "? < patients.ssn"),
    ("SELECT format('%s', ssn) FROM patients", "format < patients.ssn"),
    (
        "SELECT concat(VARIADIC ARRAY[ssn]) FROM patients",
        "concat < patients.ssn",
    ),
    ("SELECT lag(ssn) OVER (ORDER BY id) FROM patients", "lag < patients.ssn"),
    (
        "SELECT first_value(name) OVER w FROM patients WINDOW w AS (PARTITION BY city)",
        "first_value < patients.name",
    ),
    ("SELECT ssn AT TIME ZONE 'UTC' FROM patients", "timezone < patients.ssn"),
    ("SELECT (SELECT ssn) FROM patients", "ssn = patients.ssn"),
    ("SELECT 1 = ANY (SELECT ssn FROM patients)", "? < patients.ssn"),
    ("SELECT ROW(ssn) FROM patients", "row < patients.ssn"),
    ("SELECT (ROW(ssn, 1)).f1 FROM patients", "? < patients.ssn"),
    (r#"SELECT "ssn" || '' FROM "patients""#, "? < patients.ssn"),
    ("SELECT SSN || '' FROM PATIENTS", "? < patients.ssn"),
    (r#"SELECT U&"\0073sn" || '' FROM patients"#, "? < patients.ssn"),
    ("SELECT ssn/**/||/**/'' FROM patients", "? < patients.ssn"),
    ("SELECT p FROM patients p", "p < patients.name patients.ssn"),
    ("SELECT patients FROM patients", "patients < patients.name patients.ssn"),
    ("SELECT p AS x FROM patients AS p", "x < patients.name patients.ssn"),
    ("SELECT p::text FROM patients p", "p < patients.name patients.ssn"),
    ("SELECT (p) FROM patients p", "p < patients.name patients.ssn"),
    ("SELECT (p).ssn FROM patients p", "? < patients.name patients.ssn"),
    (
        "SELECT row_to_json(p) FROM patients p",
        "row_to_json < patients.name patients.ssn",
    ),
    (
        "SELECT to_jsonb(p) FROM patients p",
        "to_jsonb < patients.name patients.ssn",
    ),
    (
        "SELECT json_agg(p) FROM patients p",
        "json_agg < patients.name patients.ssn",
    ),
    (
        "SELECT array_agg(p) FROM patients p",
        "array_agg < patients.name patients.ssn",
    ),
    (
        "SELECT array_agg(patients) FROM patients",
        "array_agg < patients.name patients.ssn",
    ),
    ("SELECT count(p) FROM patients p", "count < patients.name patients.ssn"),
    ("SELECT p IS NULL FROM patients p", "? < patients.name patients.ssn"),
    ("SELECT p = p FROM patients p", "? < patients.name patients.ssn"),
    (
        "SELECT p = ROW(1, 'a', 'b', 'c', NULL::date)::text FROM patients p",
        "? < patients.name patients.ssn",
    ),
    (
        "SELECT concat(p) FROM patients p",
        "concat < patients.name patients.ssn",
    ),
    (
        "SELECT format('%s', p) FROM patients p",
        "format < patients.name patients.ssn",
    ),
    ("SELECT (SELECT p) FROM patients p", "p < patients.name patients.ssn"),
    (
        "SELECT (SELECT (p).ssn) FROM patients p",
        "? < patients.name patients.ssn",
    ),
    (
        "SELECT (array_agg(p))[1].ssn FROM patients p",
        "? < patients.name patients.ssn",
    ),
    (
        "SELECT ((array_agg(p))[1]).ssn FROM patients p",
        "? < patients.name patients.ssn",
    ),
    (
        "SELECT lag(p) OVER () FROM patients p",
        "lag < patients.name patients.ssn",
    ),
    (
        "SELECT j.ssn || '' FROM (patients p JOIN encounters e ON p.id = e.patient_id) AS j",
        "? < patients.ssn",
    ),
    (
        "SELECT j FROM (patients p JOIN encounters e ON p.id = e.patient_id) AS j",
        "j < patients.name patients.ssn",
    ),
    ("SELECT DISTINCT ON (id) ssn FROM patients", "ssn = patients.ssn"),
    ("SELECT id, ssn FROM patients GROUP BY id", "id, ssn = patients.ssn"),
    ("SELECT x FROM (SELECT ssn AS x FROM patients) s", "x = patients.ssn"),
    (
        "SELECT * FROM (SELECT * FROM patients) s",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    ("SELECT s.ssn FROM (SELECT * FROM patients) s", "ssn = patients.ssn"),
    (
        "SELECT * FROM (SELECT p.* FROM patients p) s",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "SELECT ssn FROM (SELECT ssn FROM patients OFFSET 0) s",
        "ssn = patients.ssn",
    ),
    ("SELECT s FROM (SELECT ssn FROM patients) s", "s < patients.ssn"),
    (
        "SELECT * FROM (TABLE patients) s",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "WITH c AS (SELECT ssn FROM patients) SELECT * FROM c",
        "ssn = patients.ssn",
    ),
    (
        "WITH c AS (SELECT * FROM patients) SELECT ssn FROM c",
        "ssn = patients.ssn",
    ),
    (
        "WITH c AS (TABLE patients) TABLE c",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "WITH c(x) AS (SELECT ssn FROM patients) SELECT x FROM c",
        "x = patients.ssn",
    ),
    (
        "WITH c AS MATERIALIZED (SELECT name FROM patients) SELECT name FROM c",
        "name = patients.name",
    ),
    (
        "WITH RECURSIVE c AS (SELECT ssn FROM patients UNION ALL SELECT ssn FROM c WHERE false) SELECT * FROM c",
        "ssn = patients.ssn",
    ),
    (
        "WITH patients AS (SELECT * FROM patients) SELECT ssn || '' FROM patients",
        "? < patients.ssn",
    ),
    (
        "WITH patients AS (SELECT * FROM public.patients) SELECT * FROM patients",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "WITH c AS (SELECT 1) SELECT ssn || '' FROM (WITH patients AS (SELECT 1 AS ssn) SELECT 1) s, patients",
        "? < patients.ssn",
    ),
    (
        "WITH c AS (UPDATE patients SET city = 'x' RETURNING ssn) SELECT * FROM c",
        "ssn = patients.ssn",
    ),
    (
        "WITH c AS (DELETE FROM patients RETURNING *) SELECT * FROM c",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "WITH c AS (INSERT INTO patients (city) VALUES ('x') RETURNING patients) SELECT * FROM c",
        "patients < patients.name patients.ssn",
    ),
    ("SELECT (SELECT ssn FROM patients LIMIT 1)", "ssn = patients.ssn"),
    ("SELECT ARRAY(SELECT ssn FROM patients)", "array < patients.ssn"),
    ("SELECT JSON_ARRAY(SELECT ssn FROM patients)", "? < patients.ssn"),
    (
        "SELECT l.x FROM patients p, LATERAL (SELECT p.ssn AS x) l",
        "x = patients.ssn",
    ),
    (
        "SELECT l.x FROM patients p CROSS JOIN LATERAL (VALUES (p.ssn)) l(x)",
        "x = patients.ssn",
    ),
    (
        "SELECT l.x FROM patients p LEFT JOIN LATERAL (SELECT ssn x) l ON true",
        "x = patients.ssn",
    ),
    (
        "SELECT x.* FROM patients p, LATERAL (SELECT p.*) x",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "SELECT JSON_QUERY('{}', '$s' PASSING ssn AS s) FROM patients",
        "? < patients.ssn",
    ),
    ("SELECT ssn FROM patients UNION ALL SELECT ''", "ssn < patients.ssn"),
    ("SELECT '' UNION ALL SELECT ssn FROM patients", "? < patients.ssn"),
    ("VALUES ((SELECT ssn FROM patients LIMIT 1))", "column1 = patients.ssn"),
    (
        "SELECT name FROM facilities UNION ALL (SELECT name FROM patients LIMIT 1)",
        "name < patients.name",
    ),
    ("SELECT last4 FROM derived", "last4 < derived.ssn"),
    ("SELECT * FROM patient_view", "id, ssn = patients.ssn, city"),
    ("SELECT id FROM patient_view", "id"),
    ("SELECT ssn AS number FROM view_of_view", "number = patients.ssn"),
    ("TABLE view_of_view", "id, ssn = patients.ssn"),
    ("SELECT upper(ssn) FROM patient_view", "upper < patients.ssn"),
    ("SELECT v FROM patient_view v", "v < patients.ssn"),
    (
        "SELECT p.city, v.ssn FROM patients p JOIN patient_view v USING (id)",
        "city, ssn = patients.ssn",
    ),
    ("SELECT count(ssn) FROM patient_view", "count"),
    (
        "INSERT INTO patient_view (id) VALUES (1) RETURNING ssn",
        "ssn = patients.ssn",
    ),
    ("ALTER VIEW patient_view ALTER COLUMN city SET DEFAULT 'x'", "-"),
    (
        "COPY (SELECT * FROM patient_view) TO STDOUT",
        "id, ssn = patients.ssn, city",
    ),
    ("SELECT * FROM visits_2024", "id, patient_id, note = visits.note"),
    ("SELECT secret FROM family_child", "secret = family.secret"),
    ("SELECT * FROM trunk", "id, pin = leaf.pin"),
    ("SELECT * FROM spread", "id, secret = spread.secret"),
    ("COPY visits_2024 TO STDOUT", "id, patient_id, note = visits.note"),
    ("COPY family_child (secret) TO STDOUT", "secret = family.secret"),
    (
        "SELECT (SELECT ctid FROM facility_view) FROM (SELECT ssn AS ctid FROM patients) q",
        "ctid < patients.ssn",
    ),
    (
        "SELECT * FROM derived",
        "id, ssn = derived.ssn, last4 < derived.ssn, twice",
    ),
    (
        "INSERT INTO patients (city) VALUES ('x') RETURNING ssn",
        "ssn = patients.ssn",
    ),
    (
        "INSERT INTO patients (city) VALUES ('x') RETURNING *",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "INSERT INTO patients (city) VALUES ('x') RETURNING patients",
        "patients < patients.name patients.ssn",
    ),
    (
        "INSERT INTO patients AS p (city) VALUES ('x') RETURNING p.ssn || ''",
        "? < patients.ssn",
    ),
    ("UPDATE patients SET city = 'x' RETURNING ssn", "ssn = patients.ssn"),
    ("UPDATE patients SET city = 'x' RETURNING old.ssn", "ssn = patients.ssn"),
    (
        "UPDATE patients SET city = 'x' RETURNING new.*",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "UPDATE patients SET city = 'x' RETURNING old",
        "old < patients.name patients.ssn",
    ),
    (
        "DELETE FROM patients RETURNING *",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "DELETE FROM facilities USING patients p WHERE p.id = facilities.id RETURNING p.ssn",
        "ssn = patients.ssn",
    ),
    (
        "MERGE INTO patients p USING facilities f ON f.id = p.id WHEN MATCHED THEN DELETE RETURNING p.*",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    ("COPY (SELECT ssn || '' FROM patients) TO STDOUT", "? < patients.ssn"),
    (
        "COPY (SELECT p FROM patients p) TO STDOUT",
        "p < patients.name patients.ssn",
    ),
    (
        "COPY (SELECT s.ssn FROM (SELECT * FROM patients) s) TO STDOUT",
        "ssn = patients.ssn",
    ),
    (
        "COPY (WITH c AS (TABLE patients) TABLE c) TO STDOUT",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "COPY (UPDATE patients SET city = 'x' RETURNING ssn) TO STDOUT",
        "ssn = patients.ssn",
    ),
    (
        "COPY (INSERT INTO patients (city) VALUES ('x') RETURNING *) TO STDOUT",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    ("EXPLAIN SELECT upper(ssn) FROM patients WHERE id = 1", "-"),
    ("EXPLAIN (FORMAT json, COSTS) TABLE patients", "-"),
    ("EXPLAIN DELETE FROM patients WHERE id = 1 RETURNING ssn", "-"),
    ("COPY derived TO STDOUT", "id, ssn = derived.ssn"),
    ("COPY derived (id) TO STDOUT", "id"),
    (
        "PREPARE q AS SELECT upper(ssn) FROM patients; EXECUTE q",
        "-; upper < patients.ssn",
    ),
    ("PREPARE q AS SELECT p FROM patients p", "-"),
    ("PREPARE q AS DELETE FROM patients RETURNING ssn", "-"),
    ("DECLARE c CURSOR FOR SELECT ssn || '' FROM patients", "-"),
    (
        "DECLARE c CURSOR FOR SELECT p FROM patients p; FETCH c",
        "-; p < patients.name patients.ssn",
    ),
    (
        "DECLARE c CURSOR WITH HOLD FOR SELECT s.ssn FROM (TABLE patients) s",
        "-",
    ),
    ("DECLARE c CURSOR FOR VALUES ((SELECT ssn FROM patients LIMIT 1))", "-"),
    (
        "COPY (DELETE FROM patients RETURNING *) TO STDOUT",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    ("PREPARE q AS SELECT ssn || '' FROM patients", "-"),
    (
        r#"SELECT JSON_EXISTS(to_jsonb(p), '$.ssn ? (@ starts with "9")') FROM patients p"#,
        "? < patients.name patients.ssn",
    ),
    ("SELECT 1; SELECT upper(ssn) FROM patients", "-; upper < patients.ssn"),
    (
        "SELECT * FROM patients; SELECT p FROM patients p",
        "id, name = patients.name, ssn = patients.ssn, city, born; p < patients.name patients.ssn",
    ),
    (
        "BEGIN; SELECT ssn || '' FROM patients; COMMIT",
        "-; ? < patients.ssn; -",
    ),
    ("SELECT x.ssn || '' FROM patients x, facilities y", "? < patients.ssn"),
    (
        "SELECT e.name || '' FROM facilities e, (SELECT 1 FROM patients e) s",
        "?",
    ),
    (
        "SELECT s.p FROM (SELECT p FROM patients p) s",
        "p < patients.name patients.ssn",
    ),
    // Ordinary statements.
    (
        "SELECT * FROM patients",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    (
        "SELECT id, ssn, upper(city) AS place FROM patients ORDER BY place",
        "id, ssn = patients.ssn, place",
    ),
    (
        "SELECT p.ssn AS number, e.kind FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id",
        "number = patients.ssn, kind",
    ),
    (
        "SELECT * FROM patients p JOIN facilities f USING (id)",
        "id, name = patients.name, ssn = patients.ssn, city, born, name, city",
    ),
    (
        "SELECT p.name, (SELECT count(*) FROM encounters e WHERE e.patient_id = p.id) AS visits FROM patients p",
        "name = patients.name, visits",
    ),
    (
        "SELECT city, count(*), count(ssn), max(ssn), string_agg(name, ', ') FROM patients GROUP BY city HAVING count(name) > 1",
        "city, count, count, max < patients.ssn, string_agg < patients.name",
    ),
    (
        "SELECT name || ' (' || city || ')' AS who, city FROM patients ORDER BY city",
        "who < patients.name, city",
    ),
    (
        "WITH recent AS (SELECT patient_id FROM encounters), p AS (SELECT id, name, ssn FROM patients) SELECT p.* FROM p JOIN recent r ON r.patient_id = p.id",
        "id, name = patients.name, ssn = patients.ssn",
    ),
    (
        "WITH RECURSIVE t(id, name, depth) AS (SELECT id, name, 1 FROM patients UNION ALL SELECT p.id, p.name, t.depth + 1 FROM patients p JOIN t ON p.id = t.id + 1) SELECT * FROM t",
        "id, name = patients.name, depth",
    ),
    (
        "WITH RECURSIVE t(id, x) AS (SELECT id, city FROM patients UNION ALL SELECT p.id, p.ssn FROM patients p JOIN t ON p.id = t.id + 1) SELECT * FROM t",
        "id, x < patients.ssn",
    ),
    (
        "SELECT id, ssn FROM patients UNION ALL SELECT id, ssn FROM patients ORDER BY id",
        "id, ssn = patients.ssn",
    ),
    (
        "SELECT id, ssn FROM patients UNION ALL SELECT id, name FROM patients ORDER BY 1",
        "id, ssn = patients.name patients.ssn",
    ),
    (
        "SELECT row_to_json(t) FROM (SELECT id, ssn FROM patients) t",
        "row_to_json < patients.ssn",
    ),
    (
        "SELECT EXISTS (SELECT ssn FROM patients), id FROM facilities",
        "exists, id",
    ),
    (
        "SELECT CASE WHEN city = 'x' THEN ssn ELSE 'none' END FROM patients",
        "case < patients.ssn",
    ),
    (
        "SELECT ssn::text, name COLLATE \"C\", CAST(ssn AS varchar(3)) FROM patients",
        "ssn < patients.ssn, name < patients.name, ssn < patients.ssn",
    ),
    (
        "SELECT row_number() OVER (PARTITION BY city ORDER BY id) AS n, lag(ssn) OVER (ORDER BY id) FROM patients",
        "n, lag < patients.ssn",
    ),
    (
        "SELECT DISTINCT ON (city) city, ssn FROM patients ORDER BY city, id",
        "city, ssn = patients.ssn",
    ),
    (
        "SELECT f.name, p.name FROM facilities f JOIN LATERAL (SELECT name FROM patients p WHERE p.city = f.city LIMIT 1) p ON true",
        "name, name = patients.name",
    ),
    (
        "SELECT g, ssn FROM generate_series(1, 3) g, patients WHERE g = id",
        "g, ssn = patients.ssn",
    ),
    (
        "SELECT p.ssn, j.key FROM patients p, jsonb_each('{}') j",
        "ssn = patients.ssn, key",
    ),
    (
        "SELECT note FROM visits v WHERE EXISTS (SELECT 1 FROM patients p WHERE p.id = v.patient_id)",
        "note = visits.note",
    ),
    (
        "INSERT INTO patients (name, ssn) VALUES ('a', 'b') RETURNING id, ssn, upper(name) AS loud",
        "id, ssn = patients.ssn, loud < patients.name",
    ),
    (
        "UPDATE patients p SET city = f.city FROM facilities f WHERE f.id = p.id RETURNING p.*, f.name",
        "id, name = patients.name, ssn = patients.ssn, city, born, name",
    ),
    (
        "COPY patients TO STDOUT",
        "id, name = patients.name, ssn = patients.ssn, city, born",
    ),
    ("COPY patients (ssn, id) TO STDOUT", "ssn = patients.ssn, id"),
    ("COPY derived (last4, id) TO STDOUT", "last4 < derived.ssn, id"),
    (
        "PREPARE q AS SELECT ssn, lower(ssn) AS l FROM patients; EXECUTE q",
        "-; ssn = patients.ssn, l < patients.ssn",
    ),
    (
        "DECLARE c CURSOR FOR SELECT ssn, lower(ssn) AS l FROM patients; FETCH c",
        "-; ssn = patients.ssn, l < patients.ssn",
    ),
    ("SELECT (SELECT p.ssn WHERE false) FROM patients p", "ssn"),
    ("SELECT ssn FROM other.patients p, facilities", "-"),
];

/// The columns of the replies to a message.
fn columns(sql: &str, catalog: &Catalog) -> String {
    let statements = read_alone(sql, true).statements;
    let replies = statements.iter().map(|statement| match &statement.outputs {
        Some(outputs) => {
            let columns: Vec<String> = outputs.iter().map(|output| column(output, catalog)).collect();
            columns.join(", ")
        }
        None => "-".to_owned(),
    });
    replies.collect::<Vec<_>>().join("; ")
}

fn column(output: &Output, catalog: &Catalog) -> String {
    let name = output.name.as_deref().unwrap_or("?");
    let resource = |(relation, attribute): &(u32, i16)| {
        let resource = catalog.resource(*relation, *attribute).unwrap_or_default();
        resource.trim_start_matches("public.").to_owned()
    };
    let masked: Vec<String> = output.value.masked.iter().map(resource).collect();
    match (masked.is_empty(), output.value.bare) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{name} = {}", masked.join(" ")),
        (false, false) => format!("{name} < {}", masked.join(" ")),
    }
}

#[test]
fn tells_what_each_column_comes_from() {
    let catalog = sample::catalog();
    let mut wrong = Vec::new();
    for (sql, wanted) in MASKED {
        // That alone compares what the recorded catalog makes of it.
        drop(run(sql, true));
        let draft = read_alone(sql, true);
        let unproven = draft.request.facts.attributes.get(UNPROVEN);
        let found = unproven.map_or_else(|| columns(sql, &catalog), |cause| format!("refused: {cause:?}"));
        if found != *wanted {
            wrong.push(format!("{sql}: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_server_gets_no_masked_column_to_compute_from() {
    let check = |sql: &str, wanted: Option<&str>| {
        let analysis = run(sql, true).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(analysis.mapped.map(|mapped| mapped.text).as_deref(), wanted, "{sql}");
    };
    check(
        "-- a plan\nEXPLAIN SELECT upper(ssn) FROM patients",
        Some("-- a plan\nEXPLAIN (COSTS OFF) SELECT upper((SELECT ssn WHERE false)) FROM patients"),
    );
    check(
        "EXPLAIN (costs ON, FORMAT json) (SELECT ssn FROM patients)",
        Some("EXPLAIN (costs ON, FORMAT json, COSTS OFF) (SELECT ssn FROM patients)"),
    );
    check("EXPLAIN (COSTS on, COSTS off) SELECT ssn FROM patients", None);
    check("EXPLAIN SELECT id FROM facilities", None);
    check("SELECT id, ssn, upper(city) FROM patients", None);
    check("SELECT count(ssn) FROM patients", None);
    check(
        "SELECT /* a */ upper(p . ssn), ssn FROM patients p",
        Some("SELECT /* a */ upper((SELECT p . ssn WHERE false)), ssn FROM patients p"),
    );
    check(
        r#"SELECT 'é', "ssn" || name FROM patients"#,
        Some(r#"SELECT 'é', (SELECT "ssn" WHERE false) || (SELECT name WHERE false) FROM patients"#),
    );
    check(
        "SELECT row_to_json(p) FROM patients p",
        Some("SELECT row_to_json((SELECT p WHERE false)) FROM patients p"),
    );
    check(
        "SELECT 1 = ANY (SELECT ssn FROM patients)",
        Some("SELECT 1 = ANY (SELECT (SELECT ssn WHERE false) FROM patients)"),
    );
    check(
        "PREPARE q AS SELECT lower(ssn) FROM patients",
        Some("PREPARE q AS SELECT lower((SELECT ssn WHERE false)) FROM patients"),
    );
    check(
        "COPY (SELECT lower(ssn) FROM patients) TO STDOUT",
        Some("COPY (SELECT lower((SELECT ssn WHERE false)) FROM patients) TO STDOUT"),
    );
    check("SELECT lower((SELECT p.ssn WHERE false)) FROM patients p", None);
}

#[test]
fn a_refusal_says_what_goes_by_which_column() {
    let check = |sql: &str, wanted: &str| {
        let facts = run(sql, true).unwrap_or_else(|error| panic!("{sql}: {error}")).facts;
        let Some(Attribute::Text(cause)) = facts.attributes.get(UNPROVEN) else {
            panic!("{sql} passes");
        };
        assert!(cause.contains(wanted), "{sql}: {cause}");
    };
    check(
        "SELECT id FROM patients WHERE ssn = '1'",
        "WHERE goes by the masked column public.patients.ssn",
    );
    check(
        "SELECT word FROM secured",
        "row security of public.secured goes by a masked column of public.patients",
    );
    check(
        "SELECT id, ssn FROM patients ORDER BY 2",
        "ORDER BY goes by the masked column public.patients.ssn",
    );
    check(
        "SELECT DISTINCT ssn FROM patients",
        "DISTINCT compares the masked column public.patients.ssn",
    );
    check(
        "SELECT count(DISTINCT ssn) FROM patients",
        "an aggregate compares the masked column",
    );
    check("SELECT ssn FROM patients UNION SELECT ''", "UNION ALL does not");
    check(
        "SELECT unnest(ARRAY[ssn]) FROM patients",
        "the number of rows depends on the masked column",
    );
    check(
        "SELECT set_config('jit', ssn, false) FROM patients",
        "an effect depends on the masked column",
    );
    check(
        "INSERT INTO facilities (name) SELECT ssn FROM patients",
        "a copy would have no mask of the masked column",
    );
    check(
        "SELECT x.y FROM (SELECT upper('a') UNION ALL SELECT ssn FROM patients) x(z)",
        "no column of that name",
    );
    check(
        "SELECT id FROM facilities, (SELECT greatest('', '') UNION ALL SELECT ssn FROM patients) x WHERE greatest > 'a'",
        "could stand for a masked column without a name",
    );
    check("SELECT ROW(p.*) FROM patients p", "name the columns");
    check(
        "WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT ssn FROM patients) SELECT * FROM a",
        "stands further on",
    );
}

/// What stands at a place of a relation, and what a name without a qualifier stands for behind another, another session can change.
#[test]
fn what_can_be_captured_is_refused() {
    let places = [
        "SELECT a.x FROM patients a(x, y, z)",
        "SELECT z || '' FROM patients AS p(x, y, z)",
        "SELECT x FROM (patients p CROSS JOIN facilities f) AS j(w, x)",
        "SELECT * FROM (TABLE patients) s(a, b, c)",
        "WITH s(a, b, c) AS (SELECT * FROM patients) SELECT a FROM s",
        "COPY (TABLE patients UNION ALL TABLE patients) TO STDOUT",
        "SELECT x FROM visits v(a, b, x)",
        "SELECT id FROM patients NATURAL FULL JOIN encounters",
        "SELECT id FROM facilities NATURAL JOIN patients",
        "SELECT (SELECT name FROM facilities LIMIT 1) FROM patients",
        "SELECT id FROM patients WHERE EXISTS (SELECT 1 FROM facilities WHERE name = 'x')",
        "SELECT (SELECT name FROM facilities LIMIT 1) FROM visits name",
    ];
    for sql in places {
        let facts = run(sql, true).unwrap_or_else(|error| panic!("{sql}: {error}")).facts;
        let cause = facts.attributes.get(UNPROVEN);
        assert!(cause.is_some(), "{sql} passes");
    }
    for sql in [
        "SELECT a FROM (SELECT ssn, id FROM patients) AS s(a, b)",
        "SELECT ssn FROM patients UNION ALL SELECT ssn FROM patients",
        "SELECT (SELECT f.name FROM facilities f LIMIT 1) FROM patients p",
        "SELECT f.id FROM facilities f JOIN patients p USING (id)",
    ] {
        let facts = run(sql, true).unwrap_or_else(|error| panic!("{sql}: {error}")).facts;
        assert_eq!(facts.attributes.get(UNPROVEN), None, "{sql}");
    }
}

#[test]
fn what_takes_too_many_steps_is_refused() {
    let nested = |depth: usize, columns: usize| {
        let columns = vec!["id"; columns].join(", ");
        let mut sql = format!("SELECT {columns} FROM patients");
        for level in 0..depth {
            sql = format!(
                "SELECT * FROM (WITH RECURSIVE c{level} AS (SELECT {columns} FROM patients UNION ALL {sql}) \
                 SELECT * FROM c{level}) s{level}"
            );
        }
        let facts = run(&sql, true).unwrap_or_else(|error| panic!("{error}")).facts;
        facts.attributes.get(UNPROVEN).cloned()
    };
    assert_eq!(nested(2, 100), None);
    let Some(Attribute::Text(cause)) = nested(8, 1_000) else {
        panic!("it passes");
    };
    assert!(cause.contains("too deep or too long"), "{cause}");
    // Deeper trees than these are not taken at all.
    let deep = format!("SELECT {}ssn{} FROM patients", "lower(".repeat(450), ")".repeat(450));
    assert!(run(&deep, true).is_err());
}
