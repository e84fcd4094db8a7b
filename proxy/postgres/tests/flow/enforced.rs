//! Masking by the database: what is installed on a real server, what stands against it, and what somebody reaches who is
//! connected as the agents' role without any proxy.

#[path = "enforced/attempts.rs"]
pub(crate) mod attempts;
#[path = "enforced/dumps.rs"]
mod dumps;
#[path = "enforced/session.rs"]
pub(crate) mod session;
#[path = "enforced/takeover.rs"]
mod takeover;
#[path = "enforced/twins.rs"]
mod twins;
#[path = "enforced/values.rs"]
mod values;

use std::io::Write as _;
use std::process::{Command, Stdio};

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_postgres::Config;
use exhibit_postgres::config::{ChannelBinding, Masking, Server as ServerConfig, ServerTls, Tls};
use exhibit_postgres::enforce::{Administrator, AdministratorError, Drift, Plan, PlanError};

use crate::server::Server;

pub(crate) const POLICY: &str = r#"
version = 1
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "other"
protocol = "postgres"
[[masks]]
name = "names"
targets = ["clinic"]
resources = ["public.patients.name", "public.patients.pin", "public.patients.tags"]
technique = "redact"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "token"
domain = "ssn"
[[masks]]
name = "born"
targets = ["clinic"]
resources = ["public.patients.born"]
technique = "year"
[[masks]]
name = "notes"
targets = ["clinic"]
resources = ["public.visits.note", "public.patients.doc"]
technique = "redact"
"#;

/// A clinic whose agents' role reads and changes everything. `CANARIES` stand in its masked columns.
pub(crate) const CLINIC: &str = "
CREATE ROLE agent LOGIN PASSWORD 'agent';
CREATE ROLE staff;
GRANT CREATE ON SCHEMA public TO agent;
CREATE TABLE patients (id int PRIMARY KEY, name text, ssn varchar(11) UNIQUE, born date, pin int, tags text[], doc jsonb,
  city text NOT NULL CHECK (city <> ''));
INSERT INTO patients VALUES (1, 'Zyxwara Qonterly', '912-84-7731', '1943-08-17', 48151623, '{Hushtagword}',
  '{\"n\": \"Quillfeatherdoc\"}', 'Ulm'), (2, 'Brontelia Vux', '913-55-0042', '1951-03-09', 62951413, NULL, NULL, 'Bonn');
CREATE TABLE visits (id int, patient int, note text, day date) PARTITION BY RANGE (day);
CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO visits VALUES (1, 1, 'Murmelkraut seen', '2024-05-05');
CREATE TABLE plain (id int, word text);
INSERT INTO plain VALUES (1, 'open');
CREATE FUNCTION ssn_of(int) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM public.patients WHERE id = $1';
GRANT SELECT, INSERT, UPDATE, DELETE, TRIGGER, REFERENCES ON ALL TABLES IN SCHEMA public TO agent;
CREATE STATISTICS both_columns ON name, city FROM patients;
ANALYZE;
";

fn config(server: &Server) -> Config {
    Config {
        target: "clinic".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        tls: Tls {
            certificate: "none".into(),
            key: "none".into(),
        },
        server: ServerConfig {
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            database: None,
            user: "agent".to_owned(),
            password_file: "none".into(),
            tls: ServerTls::Off,
            ca: None,
            channel_binding: ChannelBinding::Prefer,
        },
        masking: Masking::Database,
    }
}

fn key() -> MaskKey {
    MaskKey::new([7; 32])
}

fn policy(text: &str) -> Snapshot {
    Snapshot::parse(text.as_bytes()).unwrap()
}

async fn administrator(server: &Server) -> Administrator {
    let password = Server::password().to_owned().into();
    let connected = Administrator::connect(&config(server), "postgres", password, "postgres").await;
    connected.unwrap()
}

async fn apply(server: &Server, text: &str) -> Result<Plan, AdministratorError> {
    administrator(server).await.apply(&policy(text), "clinic", &key()).await
}

async fn drift(server: &Server, text: &str, key: &MaskKey) -> Option<Drift> {
    let checked = administrator(server).await.check(&policy(text), "clinic", key).await;
    checked.unwrap().drift
}

/// Runs a script as the agents' role, on past errors; gives all that is shown of it, with every field of every error.
fn as_agent(server: &Server, script: &str) -> String {
    let address = server.address();
    let address = address.replace("user=postgres", "user=agent");
    let address = address.replace(&format!("password={}", Server::password()), "password=agent");
    run_script(&address, script)
}

/// Runs a script by psql, on past errors.
fn run_script(address: &str, script: &str) -> String {
    let mut psql = Command::new("psql")
        .arg(address)
        .args(["--no-psqlrc", "--no-align", "--tuples-only", "--set=VERBOSITY=verbose"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = psql.stdin.take().unwrap().write_all(script.as_bytes());
    let output = psql.wait_with_output().unwrap();
    [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_applied_once_and_again_and_then_matches() {
    let server = Server::start();
    server.execute(CLINIC);
    assert_eq!(drift(&server, POLICY, &key()).await, Some(Drift::Missing));
    let plan = apply(&server, POLICY).await.unwrap();
    assert_eq!(drift(&server, POLICY, &key()).await, None);
    let resources: Vec<&str> = plan
        .relations()
        .iter()
        .map(|relation| relation.resource.as_str())
        .collect();
    assert_eq!(resources, ["public.patients", "public.visits", "public.visits_2024"]);

    let seen = as_agent(&server, "SELECT * FROM exhibit.\"public.patients\" ORDER BY id LIMIT 1");
    let token = key().token("ssn", b"912-84-7731");
    assert_eq!(
        seen,
        format!("1|[redacted]|{token}|1943-01-01|0|{{[redacted]}}|\"[redacted]\"|Ulm\n")
    );
    let note = as_agent(&server, "SELECT note FROM exhibit.\"public.visits\"");
    assert_eq!(note, "[redacted]\n");

    let again = apply(&server, POLICY).await.unwrap();
    assert_eq!(again.digest(), plan.digest());
    assert_eq!(drift(&server, POLICY, &key()).await, None);
    // The key is in no text of the plan, and in no log of the statements.
    let pads = key().pads().map(|pad| hex::encode(*pad));
    assert!(plan.steps().iter().any(|step| step.takes_key));
    let shown = format!("{plan:?}");
    assert!(pads.iter().all(|pad| !shown.contains(pad)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_changed_as_before_and_come_back_masked() {
    let server = Server::start();
    server.execute(CLINIC);
    apply(&server, POLICY).await.unwrap();
    let run = |sql: &str| as_agent(&server, sql);
    assert_eq!(run("SELECT id, city FROM patients ORDER BY id"), "1|Ulm\n2|Bonn\n");
    let sql = "INSERT INTO patients (id, name, ssn, city) VALUES (3, 'New', '914-00-0001', 'Jena') RETURNING id";
    assert_eq!(run(sql), "3\nINSERT 0 1\n");
    let sql = "UPDATE exhibit.\"public.patients\" SET city = 'Kiel' WHERE id = 3 RETURNING name, city";
    assert_eq!(run(sql), "[redacted]|Kiel\nUPDATE 1\n");
    assert_eq!(run("UPDATE patients SET name = 'Other' WHERE id = 3"), "UPDATE 1\n");
    let sql = "DELETE FROM exhibit.\"public.patients\" WHERE id = 3 RETURNING name";
    assert_eq!(run(sql), "[redacted]\nDELETE 1\n");
    let kept = server.execute("SELECT count(*) FROM patients WHERE ssn IS NOT NULL");
    assert_eq!(kept.trim(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifted_mask_gives_back_what_it_took() {
    let server = Server::start();
    server.execute(CLINIC);
    server
        .execute("CREATE TABLE narrow (id int, secret text, other text); GRANT SELECT (id, secret) ON narrow TO agent");
    let more = "[[masks]]\nname = \"narrow\"\ntargets = [\"clinic\"]\nresources = [\"public.narrow.secret\"]\ntechnique = \"null\"\n";
    apply(&server, &format!("{POLICY}{more}")).await.unwrap();
    let denied = |sql: &str| as_agent(&server, sql).contains("permission denied");
    assert!(denied("SELECT secret FROM narrow") && denied("SELECT other FROM exhibit.\"public.narrow\""));
    assert!(!denied("SELECT id, secret FROM exhibit.\"public.narrow\"") && denied("SELECT name FROM patients"));
    // One mask of a relation, and all masks of another.
    apply(&server, &POLICY.replace("\"public.patients.name\", ", ""))
        .await
        .unwrap();
    assert!(!denied("SELECT name FROM patients") && denied("SELECT ssn FROM patients"));
    assert!(!denied("SELECT id, secret FROM narrow") && denied("SELECT other FROM narrow"));
    assert_eq!(
        as_agent(
            &server,
            "SELECT 1 WHERE to_regclass('exhibit.\"public.narrow\"') IS NULL"
        ),
        "1\n"
    );
    let left =
        server.execute("SELECT count(*) FROM pg_class WHERE relname = 'narrow' AND relacl::text ~ 'exhibit_owner'");
    assert_eq!(left.trim(), "0");
    apply(
        &server,
        "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n",
    )
    .await
    .unwrap();
    assert!(!denied("SELECT * FROM patients"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_what_is_installed_is_drift() {
    let server = Server::start();
    server.execute(CLINIC);
    apply(&server, POLICY).await.unwrap();
    assert_eq!(drift(&server, POLICY, &MaskKey::new([8; 32])).await, Some(Drift::Key));
    let masks = POLICY.replace("domain = \"ssn\"", "domain = \"mrn\"");
    assert_eq!(drift(&server, &masks, &key()).await, Some(Drift::Masks));
    let rules = POLICY.replace("version = 1", "version = 1\n[limits]\nidle_s = 60\n");
    assert_eq!(drift(&server, &rules, &key()).await, None, "rules are not masks");
    for change in [
        "GRANT SELECT (ssn) ON patients TO agent",
        "GRANT SELECT ON exhibit.constants TO agent",
        "GRANT SELECT ON exhibit.applied TO PUBLIC",
        "CREATE OR REPLACE VIEW exhibit.\"public.visits\" AS SELECT id, patient, note, day FROM visits",
        "ALTER VIEW exhibit.\"public.visits\" RESET (security_barrier)",
        "GRANT SELECT (\"raw:3\") ON exhibit.\".public.patients\" TO agent",
        "ALTER VIEW exhibit.\".public.patients\" RENAME COLUMN \"raw:3\" TO ssn_itself",
        "UPDATE exhibit.constants SET letters = 'a-z'",
        "UPDATE exhibit.constants SET inner_pad = outer_pad",
        "DELETE FROM exhibit.constants",
        "DELETE FROM exhibit.applied",
        "ALTER TABLE exhibit.constants OWNER TO postgres",
        "ALTER TABLE patients ADD COLUMN more text",
        "ALTER TABLE patients RENAME COLUMN city TO town",
        "ALTER TABLE patients OWNER TO staff",
        "CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION t()",
        "CREATE VIEW shown AS SELECT ssn FROM patients",
        "CREATE FUNCTION exhibit.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION acts() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "GRANT staff TO agent",
        "GRANT exhibit_owner TO staff",
        "ALTER ROLE agent CREATEROLE",
        "ALTER ROLE exhibit_owner LOGIN",
        "ALTER TABLE patients ENABLE ROW LEVEL SECURITY",
        "CREATE RULE r AS ON UPDATE TO patients DO ALSO NOTHING",
        "CREATE STATISTICS lower_names ON lower(name), city FROM patients",
        "CREATE VIEW common AS SELECT stavalues1::text FROM pg_statistic",
    ] {
        assert!(server.finds_drift_after(change).await, "{change}");
    }
    let new = "CREATE TABLE late (id int); ALTER TABLE late ADD COLUMN name text; GRANT SELECT ON late TO agent";
    server.execute(new);
    let late = POLICY.replace(
        "\"public.patients.name\", ",
        "\"public.patients.name\", \"public.late.*\", ",
    );
    assert_eq!(drift(&server, &late, &key()).await, Some(Drift::Masks));
}

impl Server {
    /// Makes a change in a copy of the database, and says whether a check finds it.
    async fn finds_drift_after(&self, change: &str) -> bool {
        self.execute("CREATE DATABASE changed TEMPLATE postgres");
        let database = |sql: &str| {
            let mut psql = Command::new("psql");
            let address = self.address().replace("dbname=postgres", "dbname=changed");
            psql.arg(address)
                .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql]);
            let output = psql.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        database(change);
        let password = Server::password().to_owned().into();
        let administrator = Administrator::connect(&config(self), "postgres", password, "changed").await;
        let checked = administrator.unwrap().check(&policy(POLICY), "clinic", &key()).await;
        // Roles are of all databases: they are put back as they were.
        self.execute(
            "REVOKE staff FROM agent; REVOKE exhibit_owner FROM staff; ALTER ROLE agent NOCREATEROLE; \
             ALTER ROLE exhibit_owner NOLOGIN",
        );
        self.execute("DROP DATABASE changed");
        match checked {
            Ok(checked) => checked.drift.is_some(),
            Err(AdministratorError::Plan(PlanError::Refused(_))) => true,
            Err(error) => panic!("{change}: {error}"),
        }
    }
}

/// What makes a database show masked values, how it is undone, and a part of the reason that is told.
const HAZARDS: &[(&str, &str, &str)] = &[
    (
        "ALTER ROLE agent SUPERUSER",
        "ALTER ROLE agent NOSUPERUSER",
        "is a superuser",
    ),
    (
        "ALTER ROLE agent BYPASSRLS",
        "ALTER ROLE agent NOBYPASSRLS",
        "bypasses row security",
    ),
    (
        "ALTER ROLE agent CREATEROLE",
        "ALTER ROLE agent NOCREATEROLE",
        "creates roles",
    ),
    (
        "ALTER ROLE agent REPLICATION",
        "ALTER ROLE agent NOREPLICATION",
        "replicates",
    ),
    (
        "GRANT pg_read_all_data TO agent",
        "REVOKE pg_read_all_data FROM agent",
        "pg_read_all_data",
    ),
    (
        "GRANT pg_monitor TO agent",
        "REVOKE pg_monitor FROM agent",
        "pg_monitor",
    ),
    (
        "GRANT pg_read_server_files TO staff; GRANT staff TO agent",
        "REVOKE pg_read_server_files FROM staff; REVOKE staff FROM agent",
        "pg_read_server_files",
    ),
    (
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO agent",
        "REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM agent",
        "function pg_read_file(text)",
    ),
    (
        "CREATE EXTENSION pg_stat_statements",
        "DROP EXTENSION pg_stat_statements",
        "relation public.pg_stat_statements:",
    ),
    (
        "GRANT SELECT ON pg_statistic TO agent",
        "REVOKE SELECT ON pg_statistic FROM agent",
        "relation pg_statistic",
    ),
    (
        "CREATE DOMAIN number AS text; CREATE DOMAIN social AS number; ALTER TABLE patients ALTER ssn TYPE social; \
         ALTER DOMAIN number OWNER TO agent",
        "ALTER TABLE patients ALTER ssn TYPE text; DROP DOMAIN social; DROP DOMAIN number",
        "the domain of public.patients.ssn is owned by",
    ),
    (
        "CREATE VIEW common AS SELECT stavalues1::text FROM pg_statistic; GRANT SELECT ON common TO agent",
        "DROP VIEW common",
        "relation public.common",
    ),
    (
        "CREATE VIEW inner_common AS SELECT stavalues1::text AS v FROM pg_statistic; \
         CREATE VIEW common AS SELECT upper(v) FROM inner_common; GRANT SELECT ON common TO agent",
        "DROP VIEW inner_common CASCADE",
        "relation public.common",
    ),
    (
        "CREATE MATERIALIZED VIEW common AS SELECT lo.data FROM pg_largeobject lo; GRANT SELECT ON common TO staff; \
         GRANT staff TO agent",
        "DROP MATERIALIZED VIEW common; REVOKE staff FROM agent",
        "relation public.common",
    ),
    (
        "ALTER TABLE patients OWNER TO agent",
        "ALTER TABLE patients OWNER TO postgres; GRANT ALL ON patients TO agent",
        "is owned by",
    ),
    (
        "GRANT staff TO agent; ALTER TABLE visits OWNER TO staff",
        "REVOKE staff FROM agent; ALTER TABLE visits OWNER TO postgres",
        "public.visits is owned by",
    ),
    (
        "GRANT SELECT ON patients TO PUBLIC",
        "REVOKE SELECT ON patients FROM PUBLIC",
        "public.patients.ssn can be read",
    ),
    (
        "ALTER ROLE agent NOINHERIT; GRANT staff TO agent; GRANT SELECT (name) ON patients TO staff",
        "ALTER ROLE agent INHERIT; REVOKE staff FROM agent; REVOKE SELECT (name) ON patients FROM staff",
        "public.patients.name can be read",
    ),
    (
        "GRANT TRIGGER ON visits TO PUBLIC",
        "REVOKE TRIGGER ON visits FROM PUBLIC",
        "takes triggers",
    ),
    (
        "ALTER TABLE patients ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE patients DISABLE ROW LEVEL SECURITY",
        "row security",
    ),
    (
        "CREATE RULE r AS ON UPDATE TO patients DO ALSO INSERT INTO plain VALUES (OLD.id, OLD.ssn)",
        "DROP RULE r ON patients",
        "public.patients has rules",
    ),
    (
        "CREATE RULE r AS ON UPDATE TO plain DO ALSO UPDATE patients SET city = name",
        "DROP RULE r ON plain",
        "public.plain reads masked columns",
    ),
    (
        "CREATE MATERIALIZED VIEW copied AS SELECT ssn AS number FROM patients; GRANT SELECT ON copied TO agent",
        "DROP MATERIALIZED VIEW copied",
        "public.copied reads masked columns",
    ),
    (
        "CREATE VIEW v AS SELECT id, ssn AS number FROM patients; CREATE VIEW w AS SELECT number FROM v; GRANT SELECT ON w TO PUBLIC",
        "DROP VIEW w, v",
        "public.w reads masked columns",
    ),
    (
        "CREATE VIEW v AS SELECT id, row_to_json(p) AS row FROM patients p; GRANT SELECT (row) ON v TO PUBLIC",
        "DROP VIEW v",
        "public.v reads masked columns",
    ),
    (
        "CREATE FUNCTION acts(int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.patients'",
        "DROP FUNCTION acts(int)",
        "the function public.acts(integer)",
    ),
    (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO audit SELECT NEW.*; RETURN NEW; END'; \
             CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION t()",
        "DROP TRIGGER t ON patients; DROP FUNCTION t()",
        "trigger t of public.patients runs public.t()",
    ),
    (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION t()",
        "DROP TRIGGER t ON patients; DROP FUNCTION t()",
        "trigger t of public.patients",
    ),
    (
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER t BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION t()",
        "DROP TRIGGER t ON plain; DROP FUNCTION t()",
        "trigger t of public.plain",
    ),
    (
        "CREATE FUNCTION valid(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN shape($1); END'; \
             ALTER TABLE patients ADD CONSTRAINT shape CHECK (valid(ssn)) NOT VALID",
        "ALTER TABLE patients DROP CONSTRAINT shape; DROP FUNCTION valid(text)",
        "constraint shape of public.patients",
    ),
    (
        "CREATE FUNCTION valid(text) RETURNS bool LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'SELECT true'; \
             ALTER FUNCTION valid(text) OWNER TO agent; REVOKE INSERT, UPDATE, DELETE ON patients FROM agent; \
             ALTER TABLE patients ADD CONSTRAINT shape CHECK (valid(ssn)) NOT VALID",
        "ALTER TABLE patients DROP CONSTRAINT shape; DROP FUNCTION valid(text); GRANT INSERT, UPDATE, DELETE ON patients TO agent",
        "constraint shape of public.patients",
    ),
    (
        "CREATE STATISTICS lower_names ON lower(name), city FROM patients",
        "DROP STATISTICS lower_names",
        "statistics lower_names",
    ),
    (
        "CREATE TABLE above (id int, name text); ALTER TABLE patients INHERIT above",
        "ALTER TABLE patients NO INHERIT above; DROP TABLE above",
        "public.above.name shows the rows of public.patients.name",
    ),
    (
        "ALTER TABLE patients ADD COLUMN last4 text GENERATED ALWAYS AS (right(ssn, 4)) STORED",
        "ALTER TABLE patients DROP COLUMN last4",
        "public.patients.last4 is computed from the masked column public.patients.ssn",
    ),
    (
        "CREATE SCHEMA exhibit",
        "DROP SCHEMA exhibit",
        "the schema `exhibit` belongs to `postgres`",
    ),
    (
        "CREATE ROLE exhibit_owner LOGIN",
        "DROP ROLE exhibit_owner",
        "attributes beyond",
    ),
    (
        "CREATE ROLE exhibit_owner; GRANT exhibit_owner TO agent",
        "DROP ROLE exhibit_owner",
        "has the member `agent`",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_would_show_a_masked_value_is_refused_with_the_reason() {
    let server = Server::start();
    server.execute(CLINIC);
    for (hazard, undo, wanted) in HAZARDS {
        server.execute(hazard);
        let refused = apply(&server, POLICY).await;
        let Err(AdministratorError::Plan(PlanError::Refused(reasons))) = refused else {
            panic!("{hazard}: {:?}", refused.map(|plan| plan.digest()));
        };
        let told: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|reason| reason.contains(wanted)), "{hazard}: {told:?}");
        server.execute(undo);
    }
    // A right that somebody else has given is not the owner's to take: the plan is rolled back.
    for (right, wanted) in [
        ("SELECT", "keeps a right on public.patients"),
        ("TRIGGER", "keeps a right on public.patients"),
        ("SELECT (ssn)", "may read the masked column public.patients.ssn"),
    ] {
        server.execute(&format!(
            "CREATE ROLE giver; GRANT SELECT, TRIGGER ON patients TO giver WITH GRANT OPTION; SET ROLE giver; \
             GRANT {right} ON patients TO agent"
        ));
        let fell = apply(&server, POLICY).await.map(|plan| plan.digest());
        let told = fell.unwrap_err().to_string();
        assert!(told.contains("rolled back") && told.contains(wanted), "{told}");
        assert_eq!(server.execute("SELECT to_regnamespace('exhibit') IS NULL").trim(), "t");
        server.execute(&format!(
            "SET ROLE giver; REVOKE {right} ON patients FROM agent; RESET ROLE; REVOKE ALL ON patients FROM giver; DROP ROLE giver"
        ));
    }
    // What reads with the rights of who asks, shows nothing masked, is for others, or is held, stands against nothing.
    server.execute(
        "CREATE VIEW asks WITH (security_invoker) AS SELECT ssn FROM patients; CREATE VIEW open AS SELECT id, city FROM patients; \
         GRANT SELECT ON asks, open TO agent; CREATE VIEW closed AS SELECT ssn FROM patients; \
         CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'; \
         CREATE TRIGGER t BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION t(); \
         CREATE FUNCTION acts(int) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.patients'; \
         REVOKE EXECUTE ON FUNCTION acts(int) FROM PUBLIC",
    );
    apply(&server, POLICY).await.unwrap();
    assert_eq!(drift(&server, POLICY, &key()).await, None);
    let asked = as_agent(&server, "SELECT ssn FROM asks");
    assert!(asked.contains("permission denied"), "{asked}");
}
