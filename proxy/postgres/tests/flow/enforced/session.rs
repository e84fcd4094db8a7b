//! Agents' sessions with a database that masks: ordinary statements are masked and not refused, nothing shows a masked
//! value, and a session that meets anything else than what was applied does not begin.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Administrator, CLINIC, Config, MaskKey, POLICY, Server, attempts, config, policy};
use crate::stand::Stand;

/// Everything is allowed to everybody but what `no-audit` denies.
const RULES: &str = r#"
[[roles]]
name = "ci"
match = { subject = "ci" }
[[rules]]
name = "no-audit"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.audit"]
effect = "deny"
[[rules]]
name = "work"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define", "execute", "grant", "session", "transaction"]
effect = "allow"
"#;

pub(super) fn rules() -> String {
    format!("{POLICY}{RULES}")
}

/// The key of the gate that the stand opens.
pub(super) fn key() -> MaskKey {
    MaskKey::new([1; 32])
}

async fn install(server: &Server) {
    install_with(server, &key()).await;
}

async fn install_with(server: &Server, key: &MaskKey) {
    apply_rules(server, &rules(), key).await;
}

pub(crate) async fn apply_rules(server: &Server, rules: &str, key: &MaskKey) {
    let password = Server::password().to_owned().into();
    let administrator = Administrator::connect(&config(server), "postgres", password, "postgres").await;
    administrator
        .unwrap()
        .apply(&policy(rules), "clinic", key)
        .await
        .unwrap();
}

async fn stand(server: Arc<Server>) -> Stand {
    enforced(server, &rules()).await
}

/// A stand before a server that masks by itself.
pub(crate) async fn enforced(server: Arc<Server>, rules: &str) -> Stand {
    let password = server.directory().join("agent.password");
    std::fs::write(&password, "agent").unwrap();
    let change = |listener: &mut Config| {
        listener.masking = super::Masking::Database;
        "agent".clone_into(&mut listener.server.user);
        listener.server.password_file = password;
    };
    Stand::start_with(server, rules, change).await
}

/// A stand with a clinic, whose database masks.
pub(super) async fn clinic() -> Stand {
    let server = Server::start();
    server.execute(CLINIC);
    server.execute(
        "CREATE SCHEMA alike; CREATE TABLE alike.patients (id int, ssn text); GRANT USAGE ON SCHEMA alike TO agent; \
        GRANT SELECT ON alike.patients TO agent; INSERT INTO alike.patients VALUES (1, 'alike'); \
        CREATE TABLE audit (id int); GRANT SELECT ON audit TO agent",
    );
    install(&server).await;
    stand(Arc::new(server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_statements_are_masked_and_not_refused() {
    let stand = clinic().await;
    let token = key().token("ssn", b"912-84-7731");
    let row = format!("1|[redacted]|{token}|1943-01-01|0|{{[redacted]}}|\"[redacted]\"|Ulm\n");
    for (sql, wanted) in [
        ("SELECT * FROM patients WHERE id = 1", row.as_str()),
        (
            "SELECT p.ssn AS x FROM public.patients p WHERE p.id = 1",
            &format!("{token}\n"),
        ),
        (
            "SELECT public.patients.ssn FROM public.patients WHERE patients.id = 1",
            &format!("{token}\n"),
        ),
        ("SELECT upper(name) FROM patients WHERE id = 1", "[REDACTED]\n"),
        ("SELECT count(DISTINCT ssn) FROM patients", "2\n"),
        (
            "WITH q AS (SELECT name, city FROM patients) SELECT * FROM q WHERE city = 'Bonn'",
            "[redacted]|Bonn\n",
        ),
        (
            "SELECT city FROM patients UNION SELECT name FROM patients ORDER BY 1",
            "Bonn\nUlm\n[redacted]\n",
        ),
        (
            "SELECT v.note, p.born FROM visits v JOIN patients p ON p.id = v.patient",
            "[redacted]|1943-01-01\n",
        ),
        (
            "COPY (SELECT name FROM patients WHERE id = 1) TO STDOUT",
            "[redacted]\n",
        ),
        (
            "COPY patients (id, name) TO STDOUT WITH CSV",
            "1,[redacted]\n2,[redacted]\n",
        ),
        (
            "BEGIN; DECLARE c CURSOR FOR SELECT name FROM patients; FETCH 1 FROM c; END",
            "BEGIN\nDECLARE CURSOR\n[redacted]\nCOMMIT\n",
        ),
        (
            "PREPARE q AS SELECT name FROM patients WHERE id = $1; EXECUTE q (1)",
            "PREPARE\n[redacted]\n",
        ),
        (
            "UPDATE patients SET city = city WHERE id = 1 RETURNING name, city",
            "[redacted]|Ulm\nUPDATE 1\n",
        ),
        (&format!("SELECT id FROM patients WHERE ssn = '{token}'"), "1\n"),
        ("CREATE VIEW mine AS SELECT * FROM patients", "CREATE VIEW\n"),
        ("SELECT name FROM mine WHERE id = 1", "[redacted]\n"),
        ("DROP VIEW mine", "DROP VIEW\n"),
        ("SELECT ssn FROM alike.patients", "alike\n"),
        ("SET search_path = alike; SELECT 1", "SET\n1\n"),
        (
            "SELECT set_config('search_path', 'alike', false); SELECT 1",
            "alike\n1\n",
        ),
        ("EXPLAIN (COSTS off) SELECT id FROM patients", "Seq Scan on patients\n"),
    ] {
        assert_eq!(stand.psql(sql).await, wanted, "{sql}");
    }
    let script = "SELECT set_config('search_path', 'alike', false);\nSELECT ssn FROM patients;\n\
        SELECT set_config('search_path', 'public', false);\nSELECT ssn FROM patients WHERE id = 1;\n";
    let said = stand.psql_with_file(script).await;
    assert_eq!(said, format!("alike\nalike\npublic\n{token}\n"));
    let accesses = stand.memory.accesses();
    assert!(
        accesses.iter().all(|access| !access.contains("exhibit")),
        "{accesses:?}"
    );
    assert_eq!(accesses[1], "read public.patients");
    let evidence = stand.memory.evidence();
    assert!(attempts::canaries(&String::from_utf8_lossy(&evidence)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_agent_tries_shows_a_masked_value() {
    let stand = clinic().await;
    let (mut leaks, mut refused) = (Vec::new(), Vec::new());
    for attempt in attempts::all() {
        let plain = attempt.replace("{v}", "patients").replace("{w}", "patients");
        for script in BTreeSet::from([plain, attempts::through_views(attempt)]) {
            let shown = stand.psql_with_file(&script).await;
            let found = attempts::canaries(&shown);
            // The database is what holds: the proxy lets all of them pass that name nothing of what is installed.
            if shown.contains("refused by policy") && !script.contains("exhibit.") {
                refused.push(script.clone());
            }
            if !found.is_empty() {
                leaks.push((script, found));
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    let forms = "INSERT INTO patients SELECT id + 10, name, 'x' || id, born, pin, tags, doc, NULL FROM patients";
    assert_eq!(refused, [forms], "masked forms would be written");
    let evidence = stand.memory.evidence();
    assert!(attempts::canaries(&String::from_utf8_lossy(&evidence)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_column_is_changed_or_read_and_what_does_both_is_told_what_to_do() {
    let stand = clinic().await;
    for (sql, wanted) in [
        (
            "INSERT INTO patients (id, ssn, city) VALUES (7, '1', 'x') RETURNING id, city",
            "7|x\nINSERT 0 1\n",
        ),
        (
            "INSERT INTO patients VALUES (8, 'n', '2') RETURNING 1",
            "1\nINSERT 0 1\n",
        ),
        (
            "INSERT INTO patients (id, city) VALUES (9, 'x') RETURNING name AS ssn",
            "\nINSERT 0 1\n",
        ),
        (
            "UPDATE patients SET name = 'y' WHERE id = 7 RETURNING city",
            "x\nUPDATE 1\n",
        ),
        (
            "UPDATE patients SET city = 'z' WHERE id = 7 RETURNING name",
            "[redacted]\nUPDATE 1\n",
        ),
        (
            "UPDATE patients SET name = 'New Name', pin = 7 WHERE id = 7 AND name = '[redacted]' RETURNING id, name, pin, public.patients.city",
            "7|[redacted]|0|z\nUPDATE 1\n",
        ),
        (
            "UPDATE patients p SET (city, name) = ('w', 'other') WHERE id = 7 RETURNING p.*, name IS NULL",
            "7|[redacted]|{1}||0|||w|f\nUPDATE 1\n",
        ),
        (
            "INSERT INTO patients (id, ssn, city) VALUES (10, '6', 'x') RETURNING *",
            "10||{6}|||||x\nINSERT 0 1\n",
        ),
        (
            "INSERT INTO patients VALUES (11, 'n', '3', NULL, NULL, NULL, NULL, 'x') RETURNING ssn, 'é', *",
            "{3}|é|11|[redacted]|{3}|||||x\nINSERT 0 1\n",
        ),
        (
            "INSERT INTO patients (id, ssn, city) VALUES (11, '5', 'y') ON CONFLICT (id) DO UPDATE SET ssn = '4', city = excluded.city RETURNING ssn, city",
            "{4}|y\nINSERT 0 1\n",
        ),
        (
            "PREPARE q (text) AS UPDATE patients SET ssn = $1 WHERE id = 11 RETURNING ssn; EXECUTE q ('1x')",
            "PREPARE\n{1x}\nUPDATE 1\n",
        ),
        (
            "UPDATE patients SET name = p.word FROM plain p WHERE p.id = 1 AND patients.id = 11 RETURNING name, p.*",
            "[redacted]|1|open\nUPDATE 1\n",
        ),
        (
            "DELETE FROM patients WHERE id > 6 RETURNING id, name IS NULL",
            "8|f\n9|t\n7|f\n10|t\n11|f\nDELETE 5\n",
        ),
    ] {
        let wanted = ["1x", "1", "3", "4", "6"]
            .iter()
            .fold(wanted.to_owned(), |wanted, value| {
                wanted.replace(&format!("{{{value}}}"), &key().token("ssn", value.as_bytes()))
            });
        let sql = sql.replace(
            "VALUES (8, 'n', '2')",
            "VALUES (8, 'n', '2', NULL, NULL, NULL, NULL, 'x')",
        );
        assert_eq!(stand.psql(&sql).await, wanted, "{sql}");
    }
    for (sql, column) in [
        ("INSERT INTO patients VALUES (7, 'n') RETURNING patients", "name"),
        ("INSERT INTO patients SELECT * FROM patients RETURNING id", "born"),
        (
            "UPDATE patients SET name = 'x' FROM visits v WHERE v.patient = patients.id RETURNING *",
            "name",
        ),
        ("UPDATE patients SET ssn = v.note FROM visits v RETURNING name", "ssn"),
        (
            "INSERT INTO patients (id, ssn, city) VALUES (1, '1', 'x') ON CONFLICT (id) DO UPDATE SET ssn = excluded.ssn",
            "ssn",
        ),
        ("UPDATE patients SET name = upper(name)", "name"),
        (
            "UPDATE public.patients p SET (city, name) = (SELECT p.city, p.name)",
            "name",
        ),
        ("PREPARE q AS UPDATE patients SET ssn = ssn || '1' RETURNING ssn", "ssn"),
    ] {
        let said = stand.psql(sql).await;
        let wanted = format!("it changes public.patients.{column}, which is masked, and reads");
        assert!(said.contains(&wanted), "{sql}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_is_not_named_by_agents() {
    let stand = clinic().await;
    for sql in [
        "SELECT * FROM exhibit.\"public.patients\"",
        "SET search_path = exhibit; SELECT 1",
        "UPDATE exhibit.\"public.patients\" SET city = 'x'",
        "COPY exhibit.standing TO STDOUT",
        "CREATE TEMP VIEW mine AS SELECT * FROM exhibit.\"public.visits\"",
    ] {
        let said = stand.psql(sql).await;
        let refused = said.contains("name the relation itself") || sql.starts_with("SET");
        assert!(refused, "{sql}: {said}");
    }
    let script = "SET search_path = exhibit;\nSELECT * FROM \"public.patients\";\n";
    let said = stand.psql_with_file(script).await;
    assert!(said.contains("name the relation itself"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_whose_names_mean_something_else_does_not_run() {
    let stand = clinic().await;
    // The server keeps the view that the name was mapped to, so policy would be asked about another relation.
    let script = "PREPARE q AS SELECT ssn FROM patients WHERE id = 1;\nEXECUTE q;\nSET search_path = alike;\nEXECUTE q;\n\
        SET search_path = public;\nEXECUTE q;\n";
    let said = stand.psql_with_file(script).await;
    let token = key().token("ssn", b"912-84-7731");
    assert_eq!(said.matches(&token).count(), 2, "{said}");
    assert!(said.contains("prepare it again") && !said.contains("alike\n"), "{said}");

    // The server is asked whether code has given the name to another statement: it is the text that it got that counts.
    let script = "PREPARE q AS SELECT ssn FROM patients WHERE id = 1;\nDO 'BEGIN END';\nEXECUTE q;\n";
    assert!(stand.psql_with_file(script).await.contains(&token));

    let client = stand.driver().await;
    let statement = client
        .prepare("SELECT id, ssn, born FROM patients WHERE id = $1")
        .await
        .unwrap();
    let row = client.query_one(&statement, &[&1_i32]).await.unwrap();
    assert_eq!(row.get::<_, &str>(1), token);
    client.batch_execute("DO 'BEGIN END'").await.unwrap();
    let row = client.query_one(&statement, &[&1_i32]).await.unwrap();
    assert_eq!(row.get::<_, &str>(1), token);
    client.batch_execute("SET search_path = alike").await.unwrap();
    let refused = client.query_one(&statement, &[&1_i32]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "0A000");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dump_does_gives_out_masked_data() {
    let stand = clinic().await;
    let script = "SELECT pg_catalog.set_config('search_path', '', false);\nBEGIN;\n\
        SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n\
        LOCK TABLE public.patients, public.visits, public.visits_2024 IN ACCESS SHARE MODE;\n\
        COPY public.patients (id, name, ssn, born, pin, tags, doc, city) TO stdout;\n\
        COPY public.visits_2024 (id, patient, note, day) TO stdout;\nCOMMIT;\n";
    let said = stand.psql_with_file(script).await;
    let token = key().token("ssn", b"912-84-7731");
    assert!(said.contains(&format!("1\t[redacted]\t{token}\t1943-01-01")), "{said}");
    assert!(said.contains("1\t1\t[redacted]\t2024-05-05"), "{said}");
    assert!(
        attempts::canaries(&said).is_empty() && said.contains("COMMIT"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_point_into_the_agent_s_own_text() {
    let stand = clinic().await;
    let client = stand.driver().await;
    let sql = "SELECT 'é', ssn FROM patients WHERE nowhere = 1";
    let error = client.simple_query(sql).await.unwrap_err();
    let position = match error.as_db_error().unwrap().position().unwrap() {
        tokio_postgres::error::ErrorPosition::Original(position) => *position,
        tokio_postgres::error::ErrorPosition::Internal { .. } => panic!("it is the agent's"),
    };
    let wanted = sql[..sql.find("nowhere").unwrap()].chars().count() + 1;
    assert_eq!(usize::try_from(position).unwrap(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_begins_only_where_the_database_masks_as_it_has_to() {
    let server = Arc::new(Server::start());
    server.execute(CLINIC);
    let missing = stand(Arc::clone(&server)).await;
    let said = missing.psql("SELECT 1").await;
    assert!(
        said.contains("nothing is installed") && said.contains("exhibit target check"),
        "{said}"
    );
    install(&server).await;
    assert_eq!(missing.psql("SELECT 1").await, "1\n");
    for (change, undo, wanted) in [
        (
            "GRANT SELECT (name) ON patients TO agent",
            "REVOKE SELECT (name) ON patients FROM agent",
            "has changed",
        ),
        (
            "CREATE TABLE late (id int, name text); GRANT SELECT ON late TO agent; GRANT SELECT (name) ON patients TO agent",
            "DROP TABLE late; REVOKE SELECT (name) ON patients FROM agent",
            "has changed",
        ),
        (
            "UPDATE exhibit.constants SET inner_pad = outer_pad",
            "",
            "key of tokens",
        ),
    ] {
        server.execute(change);
        let said = missing.psql("SELECT 1").await;
        assert!(said.contains(wanted), "{change}: {said}");
        if !undo.is_empty() {
            server.execute(undo);
            assert_eq!(missing.psql("SELECT 1").await, "1\n", "{undo}");
        }
    }
    // What the policy masks and the plan did not meet yet.
    install(&server).await;
    server.execute(
        "CREATE SCHEMA more; CREATE TABLE more.patients (name text); GRANT USAGE ON SCHEMA more TO agent; \
        GRANT SELECT ON more.patients TO agent",
    );
    assert_eq!(missing.psql("SELECT 1").await, "1\n");
    server.execute("CREATE TABLE odd (name text); ALTER TABLE visits RENAME TO gone");
    let said = missing.psql("SELECT 1").await;
    assert!(said.contains("has changed"), "{said}");
    let (opened, ended) = missing.memory.sessions();
    assert_eq!(opened, ended.len());
    assert!(ended.iter().any(|reason| reason == "target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_another_key_no_session_begins_until_that_key_is_applied() {
    let server = Arc::new(Server::start());
    server.execute(CLINIC);
    let former = MaskKey::new([9; 32]);
    install_with(&server, &former).await;
    let stand = stand(Arc::clone(&server)).await;
    let ssn = "SELECT ssn FROM patients WHERE id = 1";
    let said = stand.psql(ssn).await;
    assert!(
        said.contains("key of tokens") && said.contains("exhibit target check"),
        "{said}"
    );
    install(&server).await;
    let said = stand.psql(ssn).await;
    let token = |key: &MaskKey| key.token("ssn", b"912-84-7731");
    assert_eq!(said.trim_end(), token(&key()));
    assert_ne!(token(&key()), token(&former));
}

impl Stand {
    fn agent_address(&self) -> String {
        format!(
            "host=localhost hostaddr=127.0.0.1 port={} user=ci dbname=postgres sslmode=verify-full sslrootcert={} \
             password=exk_0000000000000001_test",
            self.address.port(),
            self.authority().display()
        )
    }

    /// What `pg_dump` says, standard output and error.
    pub(super) async fn pg_dump(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("pg_dump");
        command.arg(self.agent_address()).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat()
    }

    /// What psql says to a script that it reads line by line, past errors.
    pub(super) async fn psql_with_file(&self, script: &str) -> String {
        let address = self.agent_address();
        let script = script.to_owned();
        tokio::task::spawn_blocking(move || super::run_script(&address, &script))
            .await
            .unwrap()
    }
}
