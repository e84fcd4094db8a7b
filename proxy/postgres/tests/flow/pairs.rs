//! Debian's libpq and libpq 18, before Debian's PostgreSQL and PostgreSQL 18: every pair.

use std::process::Command;
use std::sync::Arc;

use crate::server::{Server, tool};
use crate::stand::{POLICY, SCHEMA, Stand};

async fn before(server: Server) -> Stand {
    server.execute(SCHEMA);
    // The scripts sleep at the server, which is a function with an effect.
    let policy = POLICY.replace("\"transaction\"]", "\"transaction\", \"execute\"]");
    Stand::start_with(Arc::new(server), &policy, |_| {}).await
}

/// What psql of Debian's libpq sees.
async fn psql(stand: &Stand) {
    let rows = stand.psql("SELECT id, name, ssn, born FROM patients ORDER BY id").await;
    assert_eq!(rows, "1|Ann|***-**-6789|1970-01-01\n2|Bob||1981-01-01\n");
    let written = stand.psql("INSERT INTO notes VALUES (1, 'a'); DELETE FROM notes").await;
    assert!(written.contains("DELETE 1"), "{written}");
    let denied = stand.psql("SELECT * FROM audit").await;
    assert!(denied.contains("no-audit"), "{denied}");
}

/// What psycopg with libpq 18 sees; the script stops at the first surprise.
async fn libpq18(stand: &Stand) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flow/libpq18.py");
    let mut command = Command::new(tool("libpq-18").join("bin/python"));
    command
        .arg(script)
        .arg(stand.address.port().to_string())
        .arg(stand.authority())
        .arg(stand.server.address());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "as through the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn debian_s_server_with_both_clients() {
    let stand = before(Server::start()).await;
    psql(&stand).await;
    libpq18(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_18_with_both_clients() {
    let stand = before(Server::start_18()).await;
    assert!(stand.server.execute("SHOW server_version").starts_with("18."));
    psql(&stand).await;
    libpq18(&stand).await;
}
