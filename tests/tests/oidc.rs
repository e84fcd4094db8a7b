//! Tokens of an issuer that others wrote let an agent in, on the whole system: psql with the token as password and with
//! libpq's password file, what the ledger then says of who it was, and tokens that are refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread::JoinHandle;

use exhibit_tests::issuer::Issuer;
use exhibit_tests::programs;
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

/// The service of a CI runner that gives tokens to whoever has its secret: answers one request, and gives what was asked.
fn service(answer: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token?api-version=2.0", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        while lines.read_line(&mut asked).unwrap() > 2 {}
        let told = asked.to_lowercase().contains("authorization: bearer runner-secret\r\n");
        let (status, body) = if told {
            ("200 OK", answer)
        } else {
            ("401 Unauthorized", "{}")
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        asked
    });
    (url, served)
}

#[test]
fn a_run_of_github_actions_gets_its_token_where_libpq_looks() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("pgpass");
    let before = "other:5432:*:me:secret\n";
    let login = |url: &str, secret: &str| {
        let mut login = programs::command("exhibit").unwrap();
        login
            .args([
                "login",
                "--host",
                "exhibit.example",
                "--audience",
                "https://a.example/b&c",
            ])
            .arg("--password-file")
            .arg(&file)
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", url)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", secret);
        login.output().unwrap()
    };
    for (answer, secret, told) in [
        (r#"{"value": "e30.e30.c2ln"}"#, "another", "401"),
        (r#"{"token": "e30.e30.c2ln"}"#, "runner-secret", "no token"),
        (r#"{"value": "no-token"}"#, "runner-secret", "no token"),
        (r#"{"value": "e30.e30.c2ln"}"#, "runner-secret", ""),
    ] {
        exhibit_tests::write(&file, before.as_bytes()).unwrap();
        let (url, served) = service(answer);
        let output = login(&url, secret);
        let said = String::from_utf8(output.stderr).unwrap();
        let asked = served.join().unwrap();
        assert!(
            asked.starts_with("GET /token?api-version=2.0&audience=https%3A%2F%2Fa.example%2Fb%26c HTTP/1.1\r\n"),
            "{asked}"
        );
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(!said.contains("runner-secret") && !said.contains("c2ln"), "{said}");
        if told.is_empty() {
            assert!(output.status.success(), "{said}");
            assert_eq!(kept, format!("exhibit.example:6432:*:oidc:e30.e30.c2ln\n{before}"));
        } else {
            assert!(!output.status.success() && said.contains(told), "{said}");
            assert_eq!(kept, before);
        }
    }
}
