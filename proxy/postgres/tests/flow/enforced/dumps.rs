//! What `pg_dump` gives out, in both modes: what "Dumps" in docs/masking.md says.

use std::sync::Arc;

use super::session::{apply_rules, clinic, enforced, key, rules};
use super::{CLINIC, Config, attempts};
use crate::server::Server;
use crate::stand::Stand;

/// Each kind of dump, and what has to be in it. Tokens and `{masked}` stand for what a mask leaves.
const DUMPS: &[(&[&str], &[&str])] = &[
    (
        &["--data-only"],
        &[
            "1\t[redacted]\t{token}\t1943-01-01\t0\t{[redacted]}\t",
            "1\t1\t[redacted]\t2024-05-05",
            "1\topen",
        ],
    ),
    (
        &["--data-only", "--table=patients"],
        &["1\t[redacted]\t{token}\t1943-01-01"],
    ),
    (
        &["--data-only", "--schema=public"],
        &["1\t[redacted]\t{token}\t1943-01-01", "1\t1\t[redacted]\t2024-05-05"],
    ),
    (
        &["--data-only", "--inserts"],
        &["INSERT INTO public.patients VALUES (1, '[redacted]', '{token}', '1943-01-01', 0, '{[redacted]}'"],
    ),
    (
        &["--data-only", "--column-inserts"],
        &["INSERT INTO public.patients (id, name, ssn, born, pin, tags, doc, city) VALUES (1, '[redacted]', '{token}'"],
    ),
    (
        &["--data-only", "--rows-per-insert=2"],
        &["\t(1, '[redacted]', '{token}', '1943-01-01'"],
    ),
    (
        &["--schema-only"],
        &[
            "CREATE TABLE public.patients",
            "PARTITION BY RANGE (day)",
            "CREATE FUNCTION public.ssn_of",
        ],
    ),
    (
        &["--table=patients"],
        &["CREATE TABLE public.patients", "1\t[redacted]\t{token}\t1943-01-01"],
    ),
    (
        &[],
        &[
            "CREATE TABLE public.patients",
            "1\t[redacted]\t{token}\t1943-01-01",
            "1\t1\t[redacted]\t2024-05-05",
            "PRIMARY KEY (id)",
        ],
    ),
];

/// A stand before the clinic whose proxy masks, as the same role.
async fn proxied() -> Stand {
    let server = Server::start();
    server.execute(CLINIC);
    server.execute("CREATE TABLE audit (id int)");
    let password = server.directory().join("agent.password");
    std::fs::write(&password, "agent").unwrap();
    let change = |listener: &mut Config| {
        "agent".clone_into(&mut listener.server.user);
        listener.server.password_file = password;
    };
    Stand::start_with(Arc::new(server), &rules(), change).await
}

async fn check(stand: &Stand) {
    let token = key().token("ssn", b"912-84-7731");
    for (arguments, wanted) in DUMPS {
        let more = ["--exclude-schema=exhibit", "--exclude-table=audit"];
        let said = stand.pg_dump(&[*arguments, &more].concat()).await;
        assert!(
            said.contains("PostgreSQL database dump complete"),
            "{arguments:?}: {said}"
        );
        for part in *wanted {
            let part = part.replace("{token}", &token);
            assert!(said.contains(&part), "{arguments:?} lacks {part}: {said}");
        }
        assert!(attempts::canaries(&said).is_empty(), "{arguments:?}: {said}");
    }
    // Large objects are read by calls, which are no statements.
    stand.server.execute("SELECT lo_from_bytea(0, 'x')");
    let data = ["--data-only", "--exclude-schema=exhibit", "--exclude-table=audit"];
    let said = stand.pg_dump(&data).await;
    assert!(said.contains("calls of functions by message are not taken"), "{said}");
    let said = stand.pg_dump(&[&data[..], &["--no-blobs"]].concat()).await;
    assert!(said.contains("dump complete"), "{said}");
    let evidence = stand.memory.evidence();
    assert!(attempts::canaries(&String::from_utf8_lossy(&evidence)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_proxy_masks_every_dump_is_masked() {
    let stand = proxied().await;
    check(&stand).await;
    // How subscriptions connect stands beside them, passwords among it.
    for sql in [
        "SELECT subname, subconninfo FROM pg_subscription",
        "SELECT * FROM pg_subscription",
        "SELECT row_to_json(s) FROM pg_subscription s",
        "SELECT a FROM pg_subscription s (a, b, c, d, e, f, g, h, i, j)",
        "SELECT 1 FROM pg_subscription s JOIN pg_subscription t USING (subconninfo)",
        "TABLE pg_subscription",
    ] {
        let said = stand.psql(sql).await;
        assert!(said.contains("not known to hold definitions alone"), "{sql}: {said}");
    }
    assert_eq!(stand.psql("SELECT count(*) FROM pg_subscription").await, "0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_masks_every_dump_is_masked() {
    let stand = clinic().await;
    check(&stand).await;
    let said = stand.pg_dump(&["--data-only", "--exclude-table=audit"]).await;
    assert!(said.contains("--exclude-schema=exhibit"), "{said}");
}

/// A masked relation below and above others: `COPY` and `ONLY` mean its own rows, as they do to the server.
const FAMILY: &str = "CREATE TABLE family (id int, secret text); CREATE TABLE child (more int) INHERITS (family); \
    INSERT INTO family VALUES (1, 'Zyxwara'); INSERT INTO child VALUES (2, 'Brontelia', 7); \
    CREATE TABLE narrow (id int, secret text, other text); INSERT INTO narrow VALUES (1, 'Murmelkraut', 'closed'); \
    GRANT SELECT ON family, child TO agent; GRANT SELECT (id, secret) ON narrow TO agent";

const MORE: &str = "[[masks]]\nname = \"family\"\ntargets = [\"clinic\"]\n\
    resources = [\"public.family.secret\", \"public.narrow.secret\"]\ntechnique = \"redact\"\n";

/// What somebody says who has the server expand no views, as `pg_dump` does, and what is answered.
const COPIES: &[(&str, &str)] = &[
    ("COPY family TO STDOUT", "1\t[redacted]\n"),
    ("COPY child TO STDOUT", "2\t[redacted]\t7\n"),
    ("COPY family (secret) TO STDOUT WITH CSV", "[redacted]\n"),
    ("SELECT id, secret FROM ONLY family", "1|[redacted]\n"),
    ("SELECT f.secret FROM ONLY public.family AS f", "[redacted]\n"),
    ("TABLE ONLY family", "1|[redacted]\n"),
    ("COPY narrow (id, secret) TO STDOUT", "1\t[redacted]\n"),
    (
        "BEGIN; DECLARE c CURSOR FOR SELECT secret FROM ONLY public.family; FETCH ALL FROM c; COMMIT",
        "BEGIN\nDECLARE CURSOR\n[redacted]\nCOMMIT\n",
    ),
];

async fn check_copies(server: Server) {
    server.execute(CLINIC);
    server.execute(FAMILY);
    let rules = format!("{}{MORE}", rules());
    apply_rules(&server, &rules, &key()).await;
    let restricts = server.execute("SELECT 1 FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'");
    let stand = enforced(Arc::new(server), &rules).await;
    assert_eq!(
        stand.psql("SELECT secret FROM family ORDER BY id").await,
        "[redacted]\n[redacted]\n"
    );
    let restrict = "SET restrict_nonsystem_relation_kind = 'view, foreign-table'";
    assert_eq!(
        restricts.trim(),
        "1",
        "the server is older than the dumps that are tried"
    );
    for (sql, wanted) in COPIES {
        assert_eq!(stand.psql(sql).await, *wanted, "{sql}");
        let said = stand.psql_with_file(&format!("{restrict};\n{sql};\n")).await;
        assert_eq!(said, format!("SET\n{wanted}"), "{sql}");
    }
    for sql in [
        "COPY narrow TO STDOUT",
        "SELECT other FROM ONLY narrow",
        "COPY visits TO STDOUT",
    ] {
        let said = stand.psql(sql).await;
        assert!(
            said.contains("permission denied") || said.contains("does not exist"),
            "{sql}: {said}"
        );
    }
    // The rows are read through the relation's name, and policy knows of it.
    for sql in [
        "SELECT * FROM exhibit.\"public.family\"()",
        "SELECT (exhibit.\"public.family\"()).secret",
        "SELECT secret FROM ROWS FROM (exhibit.\"public.family\"()) f",
    ] {
        let said = stand.psql(sql).await;
        assert!(said.contains("name the relation itself"), "{sql}: {said}");
        let said = stand
            .psql_with_file(&format!(
                "SET search_path = exhibit;\n{};\n",
                sql.replace("exhibit.", "")
            ))
            .await;
        assert!(said.contains("name the relation itself"), "{sql}: {said}");
    }
    let evidence = stand.memory.evidence();
    assert!(attempts::canaries(&String::from_utf8_lossy(&evidence)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_only_mean_the_relation_s_own_rows() {
    check_copies(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_only_mean_the_relation_s_own_rows_on_postgresql_18() {
    check_copies(Server::start_18()).await;
}
