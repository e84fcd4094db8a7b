//! Views over masked relations, where the database masks: each has a twin that asks the same of the masked ones, or is
//! refused.

use std::sync::Arc;

use super::session::{apply_rules, enforced, key, rules};
use super::{Administrator, AdministratorError, CLINIC, Drift, PlanError, as_agent, attempts, config, policy};
use crate::server::Server;

/// Views of all kinds. The agents may read `closed` through `joined` alone.
const VIEWS: &str = "CREATE TABLE closed (id int, word text); INSERT INTO closed VALUES (1, 'open');
CREATE VIEW who AS SELECT id, name AS who, ssn AS number, city FROM patients;
CREATE VIEW ulm AS SELECT id, who, city FROM who w WHERE city = 'Ulm' WITH LOCAL CHECK OPTION;
CREATE VIEW asks WITH (security_invoker) AS SELECT id, name AS who, ssn AS number FROM patients;
CREATE VIEW asks_closed WITH (security_invoker) AS SELECT p.name, c.word FROM patients p JOIN closed c USING (id);
CREATE VIEW joined AS SELECT p.name, p.born, c.word FROM public.patients AS p LEFT JOIN closed c ON c.id = p.id;
CREATE VIEW grouped AS SELECT city, max(name) AS last, count(DISTINCT ssn) AS numbers FROM patients GROUP BY city;
CREATE VIEW records AS SELECT id, row_to_json(p) AS record, p::text AS line FROM patients p;
CREATE VIEW chosen AS SELECT id FROM patients WHERE name LIKE 'Z%' ORDER BY ssn;
CREATE VIEW nested AS WITH q AS (SELECT * FROM patients UNION ALL TABLE patients) SELECT (SELECT max(note) FROM visits) AS note,
  name FROM q WHERE EXISTS (SELECT 1 FROM ONLY patients p WHERE p.name = q.name);
CREATE VIEW keyed WITH (security_invoker) AS SELECT id, name, count(*) AS n FROM patients GROUP BY id;
CREATE VIEW unused AS SELECT ssn FROM patients;
CREATE VIEW \"Odd Name\" AS SELECT \"who\" AS \"a \"\"b\" FROM who;
CREATE VIEW clean AS SELECT id, city FROM patients;
GRANT SELECT ON ulm, asks, asks_closed, joined, grouped, records, chosen, nested, keyed, \"Odd Name\", clean TO agent;
GRANT SELECT, UPDATE, INSERT ON who, ulm TO agent;";

const READ: &[(&str, &str)] = &[
    (
        "SELECT * FROM who ORDER BY id",
        "1|[redacted]|{one}|Ulm\n2|[redacted]|{two}|Bonn\n",
    ),
    (
        "SELECT w.who, public.ulm.city FROM who w, public.ulm WHERE w.id = ulm.id",
        "[redacted]|Ulm\n",
    ),
    ("SELECT number FROM asks WHERE id = 1", "{one}\n"),
    (
        "SELECT * FROM joined ORDER BY word",
        "[redacted]|1943-01-01|open\n[redacted]|1951-01-01|\n",
    ),
    (
        "SELECT * FROM grouped ORDER BY city",
        "Bonn|[redacted]|1\nUlm|[redacted]|1\n",
    ),
    ("SELECT record ->> 'ssn' FROM records WHERE id = 1", "{one}\n"),
    ("SELECT count(*) FROM chosen", "0\n"),
    ("SELECT DISTINCT note, name FROM nested", "[redacted]|[redacted]\n"),
    ("SELECT * FROM \"Odd Name\" LIMIT 1", "[redacted]\n"),
    ("SELECT * FROM clean ORDER BY id", "1|Ulm\n2|Bonn\n"),
    ("COPY (SELECT who FROM who) TO STDOUT", "[redacted]\n[redacted]\n"),
    (
        "BEGIN; UPDATE who SET city = 'Jena' WHERE id = 2 RETURNING id, who, city; ROLLBACK",
        "BEGIN\n2|[redacted]|Jena\nUPDATE 1\nROLLBACK\n",
    ),
];

/// What is said to somebody who may not, or who breaks what a view checks.
const REFUSED: &[(&str, &str)] = &[
    ("SELECT * FROM asks_closed", "permission denied for table closed"),
    ("SELECT * FROM closed", "permission denied for table closed"),
    ("SELECT * FROM unused", "permission denied for view"),
    ("SELECT name FROM keyed", "permission denied for table patients"),
    ("UPDATE ulm SET city = 'Jena'", "the statement failed"),
    ("UPDATE who SET who = 'x'", "cannot update column"),
    ("DELETE FROM who", "permission denied for view"),
];

async fn check(server: Server) {
    server.execute(CLINIC);
    server.execute(VIEWS);
    let rules = rules();
    apply_rules(&server, &rules, &key()).await;
    // Once more makes the same of what is there, and an older installation is replaced.
    apply_rules(&server, &rules, &key()).await;
    let server = Arc::new(server);
    let stand = enforced(Arc::clone(&server), &rules).await;
    let [one, two] = ["912-84-7731", "913-55-0042"].map(|ssn| key().token("ssn", ssn.as_bytes()));
    for (sql, wanted) in READ {
        let wanted = wanted.replace("{one}", &one).replace("{two}", &two);
        assert_eq!(stand.psql(sql).await, wanted, "{sql}");
    }
    let script = "CREATE TEMP VIEW mine AS SELECT * FROM who;\nSELECT number FROM mine WHERE id = 1;\n";
    assert_eq!(stand.psql_with_file(script).await, format!("CREATE VIEW\n{one}\n"));
    for (sql, wanted) in REFUSED {
        let said = stand.psql(sql).await;
        assert!(said.contains(wanted), "{sql}: {said}");
    }
    let accesses = stand.memory.accesses();
    assert!(
        accesses.iter().any(|access| access == "read public.who"),
        "{accesses:?}"
    );
    assert!(
        accesses.iter().all(|access| !access.contains("exhibit")),
        "{accesses:?}"
    );
    let evidence = stand.memory.evidence();
    assert!(attempts::canaries(&String::from_utf8_lossy(&evidence)).is_empty());
    // Without any proxy the views themselves are closed.
    for view in [
        "who",
        "ulm",
        "asks",
        "joined",
        "grouped",
        "records",
        "chosen",
        "nested",
        "keyed",
        "unused",
        "\"Odd Name\"",
    ] {
        for sql in [
            "SELECT * FROM {v}",
            "UPDATE {v} SET id = id",
            "COPY (TABLE {v}) TO STDOUT",
            "SELECT v::text FROM {v} v",
        ] {
            let said = as_agent(&server, &sql.replace("{v}", view));
            let closed = said.contains("permission denied")
                || said.contains("cannot update view")
                || said.contains("does not exist");
            assert!(closed, "{sql} of {view}: {said}");
        }
    }
    let said = as_agent(&server, "SELECT who, number FROM exhibit.\"public.who\" WHERE id = 1");
    assert_eq!(said, format!("[redacted]|{one}\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_over_masked_relations_are_masked() {
    check(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_over_masked_relations_are_masked_on_postgresql_18() {
    check(Server::start_18()).await;
}

async fn administrator(server: &Server) -> Administrator {
    let password = Server::password().to_owned().into();
    Administrator::connect(&config(server), "postgres", password, "postgres")
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_twin_could_show_more_is_refused() {
    let server = Server::start();
    server.execute(CLINIC);
    server.execute("CREATE ROLE app; GRANT SELECT ON patients TO app; CREATE TABLE closed (id int, word text)");
    let v = "CREATE VIEW v AS SELECT p.id, p.ssn, c.word FROM patients p LEFT JOIN closed c ON c.id = p.id";
    for (change, undo) in [
        ("GRANT SELECT ON v TO PUBLIC", ""),
        (
            "GRANT SELECT ON v TO staff; GRANT staff TO agent",
            "REVOKE staff FROM agent",
        ),
        ("ALTER VIEW v OWNER TO app; GRANT SELECT ON v TO agent", ""),
        (
            "ALTER TABLE closed ENABLE ROW LEVEL SECURITY; GRANT SELECT ON v TO agent",
            "ALTER TABLE closed DISABLE ROW LEVEL SECURITY",
        ),
        (
            "CREATE RULE r AS ON UPDATE TO v DO INSTEAD NOTHING; GRANT SELECT ON v TO agent",
            "",
        ),
        (
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS 'BEGIN RETURN NEW; END'; \
             CREATE TRIGGER t INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION t(); GRANT INSERT ON v TO agent",
            "DROP FUNCTION t() CASCADE",
        ),
    ] {
        server.execute(&format!("{v}; {change}"));
        let refused = administrator(&server)
            .await
            .apply(&policy(&rules()), "clinic", &key())
            .await;
        let Err(AdministratorError::Plan(PlanError::Refused(reasons))) = refused else {
            panic!("{change}: {:?}", refused.map(|plan| plan.digest()));
        };
        let shows = reasons
            .iter()
            .any(|reason| reason.to_string().contains("public.v reads masked columns"));
        assert!(shows, "{change}: {reasons:?}");
        server.execute("DROP VIEW v");
        if !undo.is_empty() {
            server.execute(undo);
        }
    }
    // The server has the last word on whether a view can stand.
    server.execute(
        "CREATE VIEW v AS SELECT id, name, count(*) AS n FROM patients GROUP BY id; GRANT SELECT ON v TO agent",
    );
    let refused = administrator(&server)
        .await
        .apply(&policy(&rules()), "clinic", &key())
        .await;
    let said = refused.map(|plan| plan.digest()).unwrap_err().to_string();
    assert!(
        said.contains("public.v reads masked columns") && said.contains("GROUP BY"),
        "{said}"
    );
    assert_eq!(server.execute("SELECT to_regnamespace('exhibit') IS NULL").trim(), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_below_a_view_is_drift_and_a_lifted_mask_gives_it_back() {
    let server = Server::start();
    server.execute(CLINIC);
    server.execute(
        "CREATE VIEW v AS SELECT id, note FROM visits; GRANT SELECT, UPDATE ON v TO agent; \
        CREATE VIEW w AS SELECT ssn FROM patients; GRANT SELECT (ssn) ON w TO agent",
    );
    let rules = rules();
    apply_rules(&server, &rules, &key()).await;
    for change in [
        "CREATE OR REPLACE VIEW v AS SELECT id, note FROM visits WHERE id > 0",
        "GRANT SELECT ON v TO agent",
        "CREATE OR REPLACE VIEW exhibit.\"public.v\" WITH (security_barrier) AS SELECT id, note FROM visits",
        "ALTER VIEW v SET (security_invoker)",
    ] {
        server.execute(change);
        let checked = administrator(&server)
            .await
            .check(&policy(&rules), "clinic", &key())
            .await;
        assert_eq!(checked.unwrap().drift, Some(Drift::State), "{change}");
        server
            .execute("CREATE OR REPLACE VIEW v AS SELECT id, note FROM visits; ALTER VIEW v RESET (security_invoker)");
        apply_rules(&server, &rules, &key()).await;
    }
    assert!(as_agent(&server, "SELECT note FROM v").contains("permission denied"));
    let lifted = rules.replace("\"public.visits.note\", ", "");
    apply_rules(&server, &lifted, &key()).await;
    assert_eq!(as_agent(&server, "SELECT note FROM v"), "Murmelkraut seen\n");
    assert_eq!(as_agent(&server, "UPDATE v SET id = 1"), "UPDATE 1\n");
    assert!(as_agent(&server, "SELECT ssn FROM w").contains("permission denied"));
    let none = "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n";
    apply_rules(&server, none, &key()).await;
    assert!(as_agent(&server, "SELECT ssn FROM w").contains("912-84-7731"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_told_what_agents_are_denied_and_what_only_the_proxy_withholds() {
    let server = Server::start();
    server.execute(&CLINIC.replace("agent", "exhibit"));
    server.execute(
        "CREATE VIEW keyed WITH (security_invoker) AS SELECT id, name, count(*) AS n FROM patients GROUP BY id;
        CREATE VIEW moved WITH (security_invoker) AS SELECT id, name FROM patients;
        CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER moves INSTEAD OF UPDATE ON moved FOR EACH ROW EXECUTE FUNCTION moves();
        CREATE VIEW over_moved WITH (security_invoker) AS SELECT name FROM moved;
        CREATE VIEW unused WITH (security_invoker) AS SELECT name FROM patients GROUP BY id;
        GRANT SELECT ON keyed, moved, over_moved TO exhibit;
        ALTER TABLE visits ADD COLUMN \"raw:3\" int;",
    );
    let mut config = config(&server);
    "exhibit".clone_into(&mut config.server.user);
    let password = Server::password().to_owned().into();
    let mut administrator = Administrator::connect(&config, "postgres", password, "postgres")
        .await
        .unwrap();
    let policy = policy(&rules());
    let told = |plan: &super::Plan| plan.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let planned = told(&administrator.plan(&policy, "clinic").await.unwrap());
    let beginnings = [
        "the agents' role is named as the schema `exhibit`",
        "public.moved reads masked columns and has no twin, so agents are denied it: it has triggers",
        "public.over_moved reads masked columns and has no twin, so agents are denied it: a view that it reads has none",
        "agents may change a part of public.patients.tags",
        "agents may change a part of public.patients.doc",
        "public.visits has a column named `raw:3`, so agents cannot change its masked columns and",
        "public.visits_2024 has a column named `raw:3`, so",
    ];
    assert_eq!(planned.len(), beginnings.len(), "{planned:#?}");
    for beginning in beginnings {
        assert!(
            planned.iter().any(|one| one.starts_with(beginning)),
            "{beginning}: {planned:#?}"
        );
    }
    let applied = told(&administrator.apply(&policy, "clinic", &key()).await.unwrap());
    let (before, more) = applied.split_at(planned.len());
    assert_eq!(before, planned);
    // Who says so is the server, when the twin is made; the other view of this kind is none that agents may read.
    let [unused, keyed] = more else { panic!("{more:#?}") };
    assert!(
        keyed.starts_with("public.keyed reads") || unused.starts_with("public.keyed reads"),
        "{more:#?}"
    );
    assert!(
        more.iter()
            .all(|one| one.contains("the server does not take it: column")),
        "{more:#?}"
    );
}
