//! Sessions share a catalog only while they see the same definitions: each that the queries read shows in the state.

use exhibit_postgres::catalog::Catalog;

use crate::server::Server;

const SCHEMA: &str = "CREATE SCHEMA other; CREATE TABLE other.x (id int); CREATE TABLE t (id int, word text); CREATE TABLE u (id int, d date); \
     CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 (id int); CREATE TABLE p2 (id int); CREATE TABLE k (id int PRIMARY KEY); \
     CREATE VIEW v AS SELECT id FROM t; CREATE SEQUENCE s; \
     CREATE TABLE l (id int, word text); ALTER TABLE l ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON l USING (id > 1); \
     CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
     CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN $1 = $2; END'; \
     CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
     CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN small AS int;";

/// Definitions, and whether the state of what initdb made changes with them.
const CHANGES: [(&str, bool); 39] = [
    ("CREATE TABLE n (id int)", false),
    ("CREATE TABLE other.t (id int)", false),
    ("CREATE TEMPORARY TABLE n (id int)", false),
    ("DROP TABLE u", false),
    ("ALTER TABLE t RENAME TO t2", false),
    ("ALTER TABLE t RENAME word TO words", false),
    ("ALTER TABLE t ADD x int", false),
    ("ALTER TABLE t DROP word", false),
    ("ALTER TABLE t ALTER word TYPE varchar", false),
    ("ALTER TABLE t SET SCHEMA other", false),
    ("ALTER SCHEMA other RENAME TO another", false),
    ("ALTER TABLE t INHERIT p2", false),
    ("ALTER TABLE p ATTACH PARTITION p1 FOR VALUES IN (1)", false),
    ("CREATE OR REPLACE VIEW v AS SELECT id FROM u", false),
    ("CREATE VIEW w AS SELECT f() FROM t", false),
    ("CREATE MATERIALIZED VIEW m AS SELECT id FROM t", false),
    ("CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY x", false),
    (
        "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION touched()",
        false,
    ),
    ("ALTER TABLE t ALTER id SET DEFAULT nextval('s')", false),
    ("ALTER TABLE t ADD g int GENERATED ALWAYS AS (id + 1) STORED", false),
    ("ALTER TABLE t ADD i int GENERATED ALWAYS AS IDENTITY", false),
    ("ALTER TABLE t ADD CHECK (id > f())", false),
    (
        "ALTER TABLE u ADD FOREIGN KEY (id) REFERENCES k ON DELETE CASCADE",
        false,
    ),
    ("ALTER TABLE u ALTER id TYPE small", false),
    ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", false),
    ("CREATE POLICY q ON l USING (word = 'x')", false),
    ("ALTER POLICY own ON l USING (word IS NULL)", false),
    ("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'", false),
    (
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        false,
    ),
    ("ALTER FUNCTION f() RENAME TO f2", false),
    ("DROP FUNCTION f()", false),
    (
        "CREATE OPERATOR === (FUNCTION = same, LEFTARG = int, RIGHTARG = int)",
        false,
    ),
    ("CREATE TYPE weather AS ENUM ('rain')", false),
    ("ALTER TYPE mood RENAME TO moods", false),
    (
        "CREATE FUNCTION cast_it(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (mood AS int) WITH FUNCTION cast_it(mood)",
        false,
    ),
    ("ALTER LANGUAGE plpgsql RENAME TO pl", true),
    (
        "CREATE OR REPLACE VIEW information_schema.information_schema_catalog_name AS SELECT 'x'::information_schema.sql_identifier AS catalog_name",
        true,
    ),
    ("ALTER SCHEMA information_schema RENAME TO info", true),
    (
        "ALTER TABLE information_schema.sql_features ENABLE ROW LEVEL SECURITY",
        true,
    ),
];

/// What the server answers, one string for each query.
fn answers(server: &Server, before: &str, queries: &[String]) -> Vec<String> {
    // `psql` prints all that one session answers; a line of its own parts the queries.
    let parted: Vec<String> = queries
        .iter()
        .map(|query| format!("{query}; SELECT '--part--'"))
        .collect();
    let printed = server.execute(&format!("{before}; {}", parted.join("; ")));
    let parts: Vec<String> = printed.split("--part--\n").map(str::to_owned).collect();
    assert_eq!(parts.len(), queries.len() + 1, "{printed}");
    parts.into_iter().take(queries.len()).collect()
}

fn every_definition_shows(server: &Server) {
    server.execute(SCHEMA);
    let state = |before: &str| {
        let [state, _path] = <[String; 2]>::try_from(answers(server, before, Catalog::state_queries())).unwrap();
        let (system, all) = state.trim().split_once('|').unwrap();
        (system.to_owned(), all.to_owned())
    };
    let start = state("SELECT");
    assert_eq!(state("SELECT"), start, "the same definitions are the same state");
    assert_eq!(
        state("BEGIN; INSERT INTO t VALUES (1, 'a'); UPDATE t SET id = 2"),
        start,
        "rows are no definitions"
    );
    let all = |before: &str| {
        let own = answers(server, before, Catalog::own_queries());
        let system = answers(server, before, Catalog::system_queries());
        let rows = |answers: Vec<String>| answers[1..answers.len() - 1].to_vec();
        (rows(system), rows(own))
    };
    let (system_rows, own_rows) = all("SELECT");
    for (change, system) in CHANGES {
        let change = format!("BEGIN; {change}");
        let (new_system, new_all) = state(&change);
        assert_ne!(new_all, start.1, "{change}");
        assert_eq!(new_system != start.0, system, "{change}");
        // The other direction: what the queries answer does not change without the state.
        let (new_system_rows, new_own_rows) = all(&change);
        assert!(
            new_system_rows != system_rows || new_own_rows != own_rows,
            "{change}: the case is void"
        );
        assert!(
            system || new_system_rows == system_rows,
            "{change}: of initdb, and not in its state"
        );
    }
    assert_eq!(state("SELECT"), start, "what was rolled back leaves no trace");
    server.execute("VACUUM ANALYZE");
    let vacuumed = state("SELECT");
    server.execute("CREATE DATABASE other");
    assert_eq!(state("SELECT"), vacuumed, "other databases do not count");
}

#[test]
fn every_definition_that_is_read_shows_in_the_state() {
    every_definition_shows(&Server::start());
    every_definition_shows(&Server::start_18());
}
