//! Drivers that others wrote do through the proxy what they do at the server: the same values in text and binary, errors,
//! transactions, pipelines, copies, notifications and cancelling.
//!
//! Each script under `tests/drivers`, and the Rust driver's beside this file, gives a line to each thing that it did; run at the server and through
//! the proxy, as the same role, the lines have to be equal. `tests/drivers/setup.sh` fetches the drivers, once, into `target/drivers`; without
//! Python 3.10, npm or, the first time, a package index, these tests fail.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "drivers/rust.rs"]
mod rust;

use std::path::Path;
use std::process::Command;

use exhibit_tests::stack::{Options, Stack};
use exhibit_tests::{driver, drivers, run};

/// Lets everything pass and masks nothing.
const POLICY: &str = r#"
version = 1
[[roles]]
name = "anyone"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "everything"
roles = ["anyone"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define", "grant", "execute", "session", "transaction"]
effect = "allow"
"#;

/// The server's own URL, as the role that the proxy comes as.
fn direct(stack: &Stack) -> String {
    let password = std::fs::read_to_string(stack.directory().join("secrets/clinic.password")).unwrap();
    let url = stack.direct_url();
    let (_, server) = url.split_once('@').unwrap();
    format!("postgresql://exhibit:{}@{server}", password.trim())
}

/// Runs a script both ways and compares its lines, of which there are this many at the least.
fn check(program: &Path, script: &str, lines_min: usize) {
    let place = drivers().unwrap();
    compare(lines_min, |url| {
        let mut command = Command::new(program);
        command.current_dir(&place).arg(driver(script)).arg(url);
        run(&mut command).unwrap()
    });
}

/// Compares what is said both ways, line by line.
fn compare(lines_min: usize, said: impl Fn(&str) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    POLICY.clone_into(&mut options.policy);
    options.patients = 10;
    let mut stack = Stack::start(&options).unwrap();
    let wanted = said(&direct(&stack));
    let found = said(&stack.proxy_url());
    assert!(wanted.lines().count() >= lines_min, "{wanted}");
    for (wanted, found) in wanted.lines().zip(found.lines()) {
        assert_eq!(found, wanted);
    }
    assert_eq!(found.lines().count(), wanted.lines().count());
    stack.down().unwrap();
}

#[test]
fn psycopg_does_what_it_does_at_the_server() {
    let place = drivers().unwrap();
    check(&place.join("venv/bin/python"), "use_psycopg.py", 70);
}

#[test]
fn asyncpg_does_what_it_does_at_the_server() {
    let place = drivers().unwrap();
    check(&place.join("venv/bin/python"), "use_asyncpg.py", 40);
}

#[test]
fn tokio_postgres_does_what_it_does_at_the_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    compare(45, |url| runtime.block_on(rust::lines(url)).join("\n"));
}

#[test]
fn node_postgres_does_what_it_does_at_the_server() {
    check(Path::new("node"), "use_pg.js", 50);
}
