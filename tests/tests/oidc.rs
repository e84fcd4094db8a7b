//! Tokens of an issuer that others wrote let an agent in, on the whole system: psql with the token as password and with
//! libpq's password file, what the ledger then says of who it was, and tokens that are refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::process::Command;

use exhibit_tests::issuer::Issuer;
use exhibit_tests::stack::{Options, Stack};

const AUDIENCE: &str = "https://exhibit.clinic.example";

/// Lets those with a token read.
const POLICY: &str = r#"
version = 1
[[roles]]
name = "etl"
match = { method = "oidc", client_id = "etl" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "reads"
roles = ["etl"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
[limits]
expiry_ends_session = true
"#;

/// psql as `user`, with its password where libpq looks for it.
fn psql(stack: &Stack, user: &str, environment: (&str, &str)) -> std::process::Output {
    let url = stack.proxy_url();
    let (_, place) = url.split_once('@').unwrap();
    Command::new("psql")
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", "SELECT count(*) FROM patients"])
        .arg(format!("postgresql://{user}@{place}"))
        .env(environment.0, environment.1)
        .env("PGCONNECT_TIMEOUT", "60")
        .output()
        .unwrap()
}

fn said(output: &std::process::Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

#[test]
fn a_token_of_a_real_issuer_lets_its_client_in_and_is_told_by_the_ledger() {
    let mut issuer = Issuer::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    POLICY.clone_into(&mut options.policy);
    options.patients = 10;
    let mut stack = Stack::prepare(&options).unwrap();
    let section = format!(
        "\n[[proxy.oidc]]\nissuer = \"{}\"\naudience = [\"{AUDIENCE}\"]\n",
        issuer.url()
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();

    let token = issuer.token(AUDIENCE).unwrap();
    let answer = psql(&stack, "oidc", ("PGPASSWORD", &token));
    assert_eq!(said(&answer).trim(), "10");

    // The same through libpq's password file, which `exhibit login` writes.
    let (file, passwords) = (directory.path().join("token"), directory.path().join("pgpass"));
    exhibit_tests::write(&file, token.as_bytes()).unwrap();
    let url = stack.proxy_url();
    let (host, port) = url
        .split_once('@')
        .unwrap()
        .1
        .split('/')
        .next()
        .unwrap()
        .split_once(':')
        .unwrap();
    let mut login = stack.exhibit().unwrap();
    login
        .args(["login", "--host", host, "--port", port, "--token-file"])
        .arg(&file);
    exhibit_tests::run(login.arg("--password-file").arg(&passwords)).unwrap();
    let answer = psql(&stack, "oidc", ("PGPASSFILE", passwords.to_str().unwrap()));
    assert_eq!(said(&answer).trim(), "10");

    let other = issuer.token("https://other.example").unwrap();
    let refused = [
        ("oidc", other.as_str(), "another audience"),
        ("somebody", token.as_str(), "neither its subject"),
        ("oidc", &token[..token.len() - 6], "signature is not good"),
    ];
    for (user, token, wanted) in refused {
        let answer = psql(&stack, user, ("PGPASSWORD", token));
        assert!(!answer.status.success());
        assert!(said(&answer).contains(wanted), "{}", said(&answer));
    }

    let sessions = exhibit_tests::run(stack.exhibit().unwrap().arg("sessions")).unwrap();
    let sessions: Vec<Vec<&str>> = sessions.lines().map(|line| line.split("  ").collect()).collect();
    assert_eq!(
        sessions.iter().map(|line| line[2]).collect::<Vec<_>>(),
        ["etl", "etl"],
        "{sessions:?}"
    );
    let id = sessions[0][0];
    let replay = exhibit_tests::run(stack.exhibit().unwrap().args(["replay", id])).unwrap();
    assert!(
        replay.contains(&format!("proved by oidc of {}", issuer.url())),
        "{replay}"
    );
    assert!(!replay.contains(&token));
    stack.down().unwrap();
}
