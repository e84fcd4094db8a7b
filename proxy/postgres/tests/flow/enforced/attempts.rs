//! What somebody tries who is connected as the agents' role, with no proxy between: every attempt finds a masked value where
//! there is no plan, and none where there is one.

use base64::Engine as _;

use super::{CLINIC, POLICY, apply, as_agent, drift, key};
use crate::server::Server;

/// Values of masked columns, none of whose masks shows them.
const CANARIES: [&str; 12] = [
    "Zyxwara",
    "Qonterly",
    "Brontelia",
    "912-84-7731",
    "913-55-0042",
    "1943-08-17",
    "1951-03-09",
    "48151623",
    "62951413",
    "Hushtagword",
    "Quillfeatherdoc",
    "Murmelkraut",
];

/// Attempts that find a canary where nothing is installed. `{v}` is the installed view of `patients`, or the table itself
/// where there is none.
pub(crate) const ATTEMPTS: &[&str] = &[
    // The relation itself, by every name.
    "SELECT * FROM patients",
    "SELECT ssn FROM public.patients",
    "SELECT name FROM postgres.public.patients",
    "TABLE patients",
    "SELECT * FROM ONLY patients",
    "SELECT * FROM patients TABLESAMPLE SYSTEM (100)",
    "SELECT * FROM visits",
    "SELECT note FROM visits_2024",
    "SELECT note FROM ONLY visits_2024",
    "SET search_path = nowhere, public; SELECT * FROM patients",
    // Whole rows.
    "SELECT p FROM patients p",
    "SELECT patients FROM patients",
    "SELECT (p).ssn FROM patients p",
    "SELECT ssn(p) FROM patients p",
    "SELECT p.*::text FROM patients p",
    "SELECT row_to_json(p) FROM patients p",
    "SELECT to_jsonb(p) -> 'name' FROM patients p",
    "SELECT json_agg(p) FROM patients p",
    "SELECT jsonb_each_text(to_jsonb(p)) FROM patients p",
    "SELECT jsonb_path_query(to_jsonb(p), '$.*') FROM patients p",
    "SELECT (jsonb_populate_record(NULL::patients, to_jsonb(p))).name FROM patients p",
    "SELECT concat(p) FROM patients p",
    "SELECT format('%s', p) FROM patients p",
    "SELECT array_agg(p) FROM patients p",
    "SELECT ROW(p.*) FROM patients p",
    "SELECT q FROM (SELECT * FROM patients) q",
    "SELECT name FROM patients p WHERE p IS NOT NULL",
    // Expressions.
    "SELECT upper(name) FROM patients",
    "SELECT reverse(name) FROM patients",
    "SELECT encode(name::bytea, 'hex') FROM patients",
    "SELECT encode(convert_to(name, 'UTF8'), 'base64') FROM patients WHERE id = 1",
    "SELECT substr(ssn, i, 1) FROM patients, generate_series(1, 11) i ORDER BY id, i",
    "SELECT regexp_split_to_table(name, '') FROM patients",
    "SELECT string_agg(name, ',') FROM patients",
    "SELECT min(name), max(ssn) FROM patients",
    "SELECT lag(name) OVER (ORDER BY id) FROM patients",
    "SELECT name FROM patients GROUP BY ROLLUP (name)",
    "SELECT CASE WHEN true THEN name END FROM patients",
    "SELECT coalesce(NULL, greatest(name, '')) FROM patients",
    "SELECT xmlforest(name, ssn) FROM patients",
    "SELECT to_tsvector('simple', name) FROM patients",
    "SELECT doc ->> 'n' FROM patients",
    "SELECT jsonb_pretty(doc) FROM patients",
    "SELECT unnest(tags) FROM patients",
    "SELECT array_to_string(tags, '') FROM patients",
    "SELECT pin + 0, pin::text FROM patients",
    "SELECT born + interval '0 days' FROM patients",
    "SELECT quote_literal(name) FROM patients",
    // Shapes of queries.
    "WITH q AS (SELECT ssn AS x FROM patients) SELECT x FROM q",
    "WITH RECURSIVE q(x) AS (SELECT name FROM patients UNION SELECT x FROM q) SELECT x FROM q",
    "SELECT word FROM plain UNION SELECT name FROM patients",
    "SELECT ARRAY(SELECT name FROM patients)",
    "VALUES ((SELECT name FROM patients WHERE id = 1))",
    "SELECT (SELECT ssn FROM patients p WHERE p.id = plain.id) FROM plain",
    "SELECT x FROM plain, LATERAL (SELECT name AS x FROM patients) q",
    "SELECT name FROM (SELECT 'x' AS name) q FULL JOIN patients USING (name)",
    "SELECT * FROM plain NATURAL JOIN patients",
    "SELECT id FROM patients ORDER BY name LIMIT 1 \\gset\nSELECT name FROM patients WHERE id = :id",
    // Copying, cursors, prepared statements.
    "COPY patients TO STDOUT",
    "COPY patients (ssn) TO STDOUT WITH (FORMAT csv)",
    "COPY (SELECT name FROM patients) TO STDOUT",
    "\\copy patients TO STDOUT",
    "BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; FETCH ALL FROM c",
    "PREPARE q AS SELECT name FROM patients; EXECUTE q",
    "SELECT query_to_xml('SELECT * FROM patients', true, false, '')",
    "SELECT table_to_xml('patients', true, false, '')",
    "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM public.patients')",
    // Errors, notices, notifications, settings.
    "SELECT name::int FROM patients",
    "SELECT ssn::date FROM patients",
    "SELECT name::uuid FROM patients",
    "DO $$ BEGIN RAISE NOTICE '%', (SELECT string_agg(name, ',') FROM patients); END $$",
    "DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'x', DETAIL = (SELECT name FROM patients WHERE id = 1); END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT * FROM public.patients' LOOP RAISE NOTICE '%', r; END LOOP; END $$",
    "SELECT set_config('a.b', (SELECT name FROM patients WHERE id = 1), false); SHOW a.b",
    "LISTEN c; SELECT pg_notify('c', name) FROM patients",
    "UPDATE patients SET city = NULL",
    "UPDATE patients SET city = ''",
    "INSERT INTO patients SELECT id + 10, name, 'x' || id, born, pin, tags, doc, NULL FROM patients",
    // Places of the agent's own.
    "CREATE TEMP TABLE mine AS SELECT * FROM patients; SELECT * FROM mine",
    "SELECT name INTO TEMP mine FROM patients; TABLE mine",
    "CREATE TEMP VIEW mine AS SELECT ssn FROM patients; SELECT * FROM mine",
    "BEGIN; CREATE MATERIALIZED VIEW mine AS SELECT name FROM patients; SELECT * FROM mine",
    "BEGIN; CREATE FUNCTION mine() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM public.patients'; SELECT mine()",
    "BEGIN; CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT name FROM public.patients LIMIT 1); END'; SELECT mine()",
    "SELECT ssn_of(1)",
    "SELECT lo_from_bytea(47110, (SELECT name::bytea FROM patients WHERE id = 1)); SELECT encode(lo_get(47110), 'escape')",
    // Changes of rows.
    "BEGIN; UPDATE patients SET city = city RETURNING ssn",
    "BEGIN; DELETE FROM patients RETURNING *",
    "BEGIN; UPDATE patients SET city = name; SELECT city FROM patients",
    "BEGIN; INSERT INTO plain SELECT id, name FROM patients RETURNING word",
    "BEGIN; UPDATE plain SET word = name FROM patients; SELECT word FROM plain",
    "BEGIN; INSERT INTO patients (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = patients.name RETURNING city",
    "BEGIN; MERGE INTO plain p USING patients q ON p.id = q.id WHEN MATCHED THEN UPDATE SET word = q.name; TABLE plain",
    "BEGIN; WITH gone AS (DELETE FROM visits RETURNING note) SELECT note FROM gone",
    "BEGIN; CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', OLD; RETURN NEW; END'; \
     CREATE TRIGGER mine BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION mine(); UPDATE patients SET city = 'x'",
    // Statistics.
    "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'patients'",
    // Through the view.
    "SELECT * FROM {v}",
    "SELECT v FROM {v} v",
    "COPY (SELECT * FROM {v}) TO STDOUT",
    "BEGIN; CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     SELECT id FROM {v} WHERE leak(name)",
    "BEGIN; CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     SELECT id FROM {v} v WHERE leak(v::text) AND false IS NOT TRUE",
    "BEGIN; CREATE FUNCTION leak(text, text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     CREATE OPERATOR ==> (FUNCTION = leak, LEFTARG = text, RIGHTARG = text); SELECT id FROM {v} WHERE ssn::text ==> 'x'",
    "BEGIN; CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     CREATE DOMAIN mine AS text CHECK (leak(VALUE)); SELECT name::mine FROM {v}",
    "BEGIN; CREATE FUNCTION leak(anyelement) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     UPDATE {v} v SET city = 'x' WHERE leak(v)",
    "SELECT name::int FROM {v}",
    "SELECT * FROM {v} FOR UPDATE",
    "BEGIN; UPDATE {v} SET city = name RETURNING city",
    "BEGIN; DELETE FROM {v} RETURNING *",
    "BEGIN; INSERT INTO {v} (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = excluded.city RETURNING *",
    "UPDATE {v} SET city = NULL",
    "BEGIN; DECLARE c CURSOR FOR SELECT * FROM {v} FOR UPDATE; MOVE 1 FROM c; FETCH ALL FROM c",
    "CREATE TEMP VIEW mine AS SELECT * FROM {v}; SELECT * FROM mine",
    "SELECT * FROM {v} a JOIN {v} b USING (ssn)",
];

/// Attempts that need more than the role ever had, or that look for what a plan adds.
const BEYOND: &[&str] = &[
    "SELECT pg_read_file(pg_relation_filepath('patients'))",
    "SELECT pg_read_binary_file(pg_relation_filepath('patients'))",
    "SELECT pg_ls_dir('.')",
    "COPY patients TO '/tmp/exhibit-should-not-be'",
    "COPY patients TO PROGRAM 'cat'",
    "SELECT lo_import('/etc/passwd')",
    "SET ROLE exhibit_owner; SELECT * FROM public.patients",
    "SET SESSION AUTHORIZATION postgres; SELECT * FROM patients",
    "GRANT exhibit_owner TO agent; SET ROLE exhibit_owner; TABLE patients",
    "GRANT SELECT ON patients TO agent; TABLE patients",
    "SELECT * FROM exhibit.constants",
    "SELECT * FROM exhibit.applied",
    "CREATE OR REPLACE VIEW exhibit.\"public.patients\" AS SELECT * FROM public.patients; SELECT * FROM exhibit.\"public.patients\"",
    "ALTER VIEW exhibit.\"public.patients\" SET (security_invoker = true); SELECT * FROM exhibit.\"public.patients\"",
    "ALTER VIEW exhibit.\"public.patients\" OWNER TO agent",
    "CREATE TABLE exhibit.mine (id int)",
    "SELECT * FROM pg_stats_ext",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_statistic_ext_data",
    "SELECT rolpassword FROM pg_authid",
    "CREATE EXTENSION dblink; SELECT * FROM dblink('', 'SELECT name FROM patients') t(x text)",
    "CREATE TABLE heir () INHERITS (patients)",
    "CREATE INDEX ON patients (lower(name))",
    "ALTER TABLE patients ADD COLUMN copied text GENERATED ALWAYS AS (name) STORED",
    "CREATE PUBLICATION p FOR TABLE patients; SELECT pg_create_logical_replication_slot('s', 'test_decoding')",
    "SELECT currtid2('patients', '(0,1)'), ctid FROM patients",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {v} WHERE ssn > 'tok_'",
    "SELECT pg_get_viewdef('exhibit.\"public.patients\"'::regclass)",
    "SELECT definition FROM pg_views WHERE schemaname = 'exhibit'",
    "SELECT query FROM pg_stat_activity",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION ssn_of()",
    // The function that gives the rows of the relation alone, for its owner.
    "SELECT f, to_json(f) FROM {v}() f",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {v}() WHERE ssn > 'tok_'",
    "CREATE TEMP TABLE constants (inner_pad bytea, outer_pad bytea, letters text); CREATE TEMP TABLE patients AS SELECT 1 AS id; \
     SET search_path = pg_temp, public; SELECT * FROM {v}()",
    "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'; \
     CREATE FUNCTION public.is_text(text, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     CREATE OPERATOR public.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.is_text); \
     SET search_path = public, pg_catalog; SELECT * FROM {v}()",
    "CREATE FUNCTION shout(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     SELECT id FROM {v}() WHERE shout(name) AND shout(ssn)",
    "ALTER FUNCTION {v}() SECURITY INVOKER; SELECT * FROM {v}()",
    "ALTER FUNCTION {v}() RESET search_path; SELECT * FROM {v}()",
    "ALTER FUNCTION {v}() OWNER TO agent; SELECT * FROM {v}()",
    "CREATE OR REPLACE FUNCTION {v}() RETURNS SETOF public.patients LANGUAGE sql SECURITY DEFINER AS 'TABLE public.patients'; \
     SELECT * FROM {v}()",
    "SELECT prosrc, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'exhibit'::regnamespace",
    "SET client_min_messages = debug5; SET log_executor_stats = on; SELECT * FROM {v}()",
    "CREATE AGGREGATE mine (text) (SFUNC = textcat, STYPE = text); SELECT mine(name) FROM {v}()",
    // The view that takes changes of masked columns, whose own columns nobody reads: 2 is the name, 3 the number, 6 the tags,
    // 7 the document.
    "SELECT \"raw:3\" FROM {w}",
    "SELECT * FROM {w}",
    "TABLE {w}",
    "SELECT w FROM {w} w",
    "SELECT to_json(w) FROM {w} w",
    "SELECT count(*) FROM {w} w WHERE w IS NOT NULL",
    "SELECT (w).\"raw:3\" FROM {w} w",
    "SELECT \"raw:3\"(w) FROM {w} w",
    "SELECT id FROM {w} ORDER BY \"raw:3\"",
    "SELECT * FROM {w} a JOIN {w} b USING (\"raw:3\")",
    "SELECT w.id FROM {w} w NATURAL JOIN (SELECT '912-8' || chr(52) || '-773' || g AS \"raw:3\" FROM generate_series(0, 9) g) q",
    "COPY {w} (\"raw:3\") TO STDOUT",
    "COPY (SELECT \"raw:2\" FROM {w}) TO STDOUT",
    "CREATE TEMP VIEW mine AS SELECT \"raw:2\" AS x FROM {w}; SELECT * FROM mine",
    "CREATE FUNCTION f() RETURNS SETOF text LANGUAGE sql AS 'SELECT \"raw:2\" FROM {w}'; SELECT f()",
    "BEGIN; UPDATE {w} SET city = 'x' RETURNING \"raw:2\"",
    "BEGIN; UPDATE {w} SET city = 'x' RETURNING *",
    "BEGIN; UPDATE {w} w SET city = 'x' RETURNING w",
    "BEGIN; UPDATE {w} SET \"raw:2\" = \"raw:2\" || ' ' RETURNING name",
    "BEGIN; UPDATE {w} SET city = \"raw:2\" RETURNING city",
    "BEGIN; UPDATE {w} SET (city, \"raw:2\") = (SELECT \"raw:2\", 'x') RETURNING city",
    "BEGIN; UPDATE {w} SET \"raw:2\" = 'x' WHERE \"raw:3\" LIKE '912%' RETURNING id, city",
    "BEGIN; UPDATE {w} SET \"raw:6\"[2] = 'x' WHERE id = 1 RETURNING tags",
    "BEGIN; UPDATE {w} SET \"raw:3\" = DEFAULT RETURNING ssn",
    "BEGIN; INSERT INTO {w} (id, city, \"raw:3\") VALUES (1, 'x', 'y') ON CONFLICT (id) DO UPDATE SET city = {w}.\"raw:3\" RETURNING city",
    "BEGIN; INSERT INTO {w} AS w (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = w.\"raw:2\" RETURNING city",
    "BEGIN; INSERT INTO {w} (id, city) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = excluded.\"raw:2\" RETURNING *",
    "BEGIN; INSERT INTO {w} (id, city, \"raw:3\") VALUES (9, 'x', '912-8' || chr(52) || '-7731') ON CONFLICT (\"raw:3\") DO UPDATE SET city = 'y' RETURNING id, \"raw:3\"",
    "BEGIN; INSERT INTO {w} (id, city, \"raw:2\") SELECT id + 10, city, \"raw:2\" FROM {w} RETURNING name",
    "BEGIN; INSERT INTO {w} (name, id, city) VALUES ('x', 9, 'y')",
    "BEGIN; DELETE FROM {w} RETURNING \"raw:2\"",
    "BEGIN; MERGE INTO {w} w USING plain p ON p.id = w.id WHEN MATCHED THEN UPDATE SET city = w.\"raw:2\"; SELECT city FROM {w}",
    "BEGIN; MERGE INTO {w} w USING plain p ON p.id = w.id WHEN MATCHED AND w.\"raw:3\" LIKE '9%' THEN UPDATE SET city = 'x' RETURNING w.*",
    "BEGIN; UPDATE {w} SET city = 'x' RETURNING old.\"raw:2\", new.\"raw:3\"",
    "BEGIN; UPDATE {w} SET \"raw:2\" = 'x' RETURNING old",
    "BEGIN; UPDATE {w} SET \"raw:2\" = 'x' RETURNING old.*",
    "BEGIN; CREATE FUNCTION shout(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; \
     UPDATE {w} SET \"raw:2\" = 'x' WHERE shout(name) AND shout(ssn) RETURNING name",
    "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', OLD; RETURN NEW; END'; \
     CREATE TRIGGER mine INSTEAD OF UPDATE ON {w} FOR EACH ROW EXECUTE FUNCTION mine(); UPDATE {w} SET city = 'x'",
    "CREATE RULE mine AS ON UPDATE TO {w} DO ALSO INSERT INTO plain VALUES (1, old.\"raw:2\"); UPDATE {w} SET city = 'x'; TABLE plain",
    "ALTER VIEW {w} ALTER COLUMN \"raw:2\" SET DEFAULT 'x'",
    "BEGIN; DECLARE c CURSOR FOR SELECT id FROM {w} FOR UPDATE; FETCH c; UPDATE {w} SET \"raw:2\" = 'x' WHERE CURRENT OF c RETURNING name, \"raw:2\"",
    "EXPLAIN (ANALYZE, VERBOSE) UPDATE {w} SET \"raw:2\" = 'x' RETURNING name",
    "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE schemaname = 'exhibit'",
    "BEGIN; UPDATE {w} SET \"raw:3\" = '913-5' || chr(53) || '-0042' WHERE id = 1",
    "BEGIN; UPDATE {w} SET \"raw:4\" = 'no date' RETURNING born",
];

/// A part of a value is changed, and the row then breaks a rule of the relation: the server's error shows what was changed,
/// which is the whole value, whoever may read it (`ExecBuildSlotValueDescription`). Nothing that is installed keeps that; the
/// proxy does, by withholding the text.
const FAILING: &[&str] = &[
    "BEGIN; UPDATE {w} SET \"raw:6\"[2] = 'x', city = '' WHERE id = 1",
    "BEGIN; UPDATE {w} SET \"raw:7\"['m'] = '1', city = '' WHERE id = 1",
    "BEGIN; UPDATE patients SET tags[2] = 'x', city = '' WHERE id = 1",
    "BEGIN; UPDATE patients SET doc['m'] = '1', city = '' WHERE id = 1",
];

/// All attempts.
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    ATTEMPTS.iter().chain(BEYOND).chain(FAILING).copied()
}

/// An attempt on the views that are installed for `patients`.
pub(crate) fn through_views(attempt: &str) -> String {
    let attempt = attempt.replace("{v}", "exhibit.\"public.patients\"");
    attempt.replace("{w}", "exhibit.\".public.patients\"")
}

fn letters(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The canaries in a text: as they are, reversed, in hexadecimal digits or base64, or one character at a time.
pub(crate) fn canaries(shown: &str) -> Vec<&'static str> {
    let all = letters(shown);
    let found = |canary: &&str| {
        let plain = letters(canary);
        let reversed: String = plain.chars().rev().collect();
        let digits = hex::encode(canary);
        let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(canary);
        // The last characters of base64 depend on what follows.
        let base64 = letters(&base64[..base64.len() - 2]);
        [plain, reversed, digits, base64].iter().any(|form| all.contains(form))
    };
    CANARIES.iter().copied().filter(found).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_role_tries_shows_a_masked_value() {
    check([Server::start(), Server::start()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_of_postgresql_18() {
    check([Server::start_18(), Server::start_18()]).await;
}

/// Tries everything on a server where nothing is installed, and on one where a plan is.
async fn check([open, held]: [Server; 2]) {
    assert!(ATTEMPTS.len() + BEYOND.len() >= 201);
    for server in [&open, &held] {
        server.execute(CLINIC);
    }
    apply(&held, POLICY).await.unwrap();
    let (mut leaks, mut blunt) = (Vec::new(), Vec::new());
    for attempt in ATTEMPTS {
        let control = as_agent(&open, &attempt.replace("{v}", "public.patients"));
        if canaries(&control).is_empty() {
            blunt.push((attempt, control));
        }
    }
    for attempt in ATTEMPTS.iter().chain(BEYOND) {
        let attempt = &through_views(attempt);
        let shown = as_agent(&held, attempt);
        let found = canaries(&shown);
        let pads = key().pads().map(|pad| hex::encode(*pad));
        if !found.is_empty() || pads.iter().any(|pad| shown.contains(pad)) {
            leaks.push((attempt.clone(), found));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(
        blunt.is_empty(),
        "these find nothing where nothing is installed: {blunt:#?}"
    );
    for attempt in FAILING {
        let shown = as_agent(&held, &through_views(attempt));
        assert_eq!(
            canaries(&shown).len(),
            1,
            "this is a known hole no more: {attempt}: {shown}"
        );
    }
    // Whoever tried all that has changed nothing of what is installed.
    assert_eq!(drift(&held, POLICY, &key()).await, None);
}
