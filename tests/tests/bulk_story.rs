//! A bulk export on the whole system: a pipeline with a token of GitHub's form copies a table out, is held at ten thousand rows,
//! and goes on when two people have signed by ssh-agent, one of them with a security key; then an auditor finds all of it in the report.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_tests::programs;
use exhibit_tests::ssh_agent::{SecurityKeyAgent, SshAgent};
use exhibit_tests::stack::{Options, Stack};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "https://exhibit.clinic.example";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

const POLICY: &str = r#"
version = 1
[[roles]]
name = "nightly"
match = { method = "oidc", run = { repository_id = "456789", reference = "refs/heads/main" } }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 2
expires_s = 600
[[rules]]
name = "bulk-export"
roles = ["nightly"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*"]
over = { rows = 10000 }
effect = "ask"
approval = "privacy"
reason = "more than ten thousand records"
[[rules]]
name = "reads"
roles = ["nightly"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.exports.ssn"]
technique = "redact"
"#;

/// Rows of the table.
const ROWS: usize = 25_000;

const TABLE: &str = "CREATE TABLE exports (id int, ssn text); \
     INSERT INTO exports SELECT n, '912-55-' || 10000 + n FROM generate_series(1, 25000) n; \
     GRANT SELECT ON exports TO PUBLIC;";

/// What GitHub Actions would sign, by a key of ours whose public half the proxy is given.
fn token(directory: &Path) -> String {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    public.common.key_id = Some("k1".to_owned());
    let keys = json!({ "keys": [public] }).to_string();
    exhibit_tests::write(&directory.join("idp-keys.json"), keys.as_bytes()).unwrap();
    // Of the proxy's own clock, which the token has to be good by.
    let now = SystemClock.now().0 / 1_000_000;
    let claims = json!({
        "jti": "one", "iss": ISSUER, "aud": AUDIENCE, "sub": "repo:octo@123456/etl@456789:ref:refs/heads/main",
        "iat": now - 5, "nbf": now - 5, "exp": now + 600, "ref": "refs/heads/main", "ref_type": "branch", "sha": COMMIT,
        "repository": "octo/etl", "repository_id": "456789", "repository_owner": "octo", "repository_owner_id": "123456",
        "repository_visibility": "private", "run_id": "9876543210", "run_number": "10", "run_attempt": "1",
        "runner_environment": "github-hosted", "actor": "mona", "actor_id": "583231", "workflow": "nightly",
        "workflow_ref": "octo/etl/.github/workflows/nightly.yml@refs/heads/main",
        "job_workflow_ref": "octo/etl/.github/workflows/nightly.yml@refs/heads/main",
        "event_name": "schedule", "head_ref": "", "base_ref": "",
    });
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k1".to_owned());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn started(directory: &Path) -> (Stack, String) {
    let mut options = Options::new(&directory.join("deployment"));
    POLICY.clone_into(&mut options.policy);
    let sql = directory.join("exports.sql");
    exhibit_tests::write(&sql, TABLE.as_bytes()).unwrap();
    options.sql = Some(sql);
    options.patients = 0;
    let mut stack = Stack::prepare(&options).unwrap();
    let token = token(stack.directory());
    let section = format!(
        "\n[[proxy.oidc]]\nissuer = \"{ISSUER}\"\naudience = [\"{AUDIENCE}\"]\nclaims = \"github-actions\"\n\
         algorithms = [\"ES256\"]\nkeys = \"idp-keys.json\"\n"
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();
    (stack, token)
}

/// People of the group that may approve.
fn enrol(stack: &Stack, directory: &Path, people: &[&str]) {
    for person in people {
        let mut enrol = stack.exhibit().unwrap();
        enrol
            .args(["key", "enrol"])
            .arg(directory.join(person).with_extension("pub"));
        exhibit_tests::run(enrol.args(["--name", person, "--group", "privacy"])).unwrap();
    }
}

/// The pipeline copies the table out.
fn copy(stack: &Stack, token: &str, rows: Stdio) -> Child {
    let url = stack.proxy_url();
    let (_, server) = url.split_once('@').unwrap();
    let mut psql = Command::new("psql");
    psql.args(["-XAtq", "-v", "VERBOSITY=verbose", "-c"])
        .arg("COPY (SELECT id, ssn FROM exports ORDER BY id) TO STDOUT")
        .arg(format!("postgresql://oidc@{server}"))
        .env("PGPASSWORD", token);
    psql.stdout(rows).stderr(Stdio::piped()).spawn().unwrap()
}

/// A person says something with a key that only ssh-agent has.
fn say(stack: &Stack, agent: &SshAgent, person: &str, words: &[&str]) -> String {
    let mut say = stack.exhibit().unwrap();
    say.args(words)
        .args(["--yes", "--reason", "the nightly export", "--key"])
        .arg(agent.public(person))
        .env("SSH_AUTH_SOCK", agent.socket());
    exhibit_tests::run(&mut say).unwrap()
}

fn approve(stack: &Stack, agent: &SshAgent, person: &str, id: &str) -> String {
    say(stack, agent, person, &["approve", id])
}

/// A person approves with a security key; what that comes to.
fn approve_by_touch(stack: &Stack, agent: &SecurityKeyAgent, id: &str) -> Output {
    let mut approve = stack.exhibit().unwrap();
    approve
        .args(["approve", id, "--yes", "--reason", "the nightly export", "--key"])
        .arg(agent.public())
        .env("SSH_AUTH_SOCK", agent.socket());
    approve.output().unwrap()
}

fn waiting(stack: &Stack) -> Vec<Value> {
    let listed = exhibit_tests::run(stack.exhibit().unwrap().args(["approvals", "--json"])).unwrap();
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The line of the report about the copy.
fn reported(stack: &Stack) -> (Value, Value) {
    let (bundle, out) = (stack.directory().join("bundle"), stack.directory().join("report"));
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(&bundle).arg("--keys").arg(stack.trust());
    exhibit_tests::run(verify.arg("--out").arg(&out)).unwrap();
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("(bulk-export): approved"), "the page tells of it, too");
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    let evidence = &report["evidence"];
    let lines = evidence["commands"].as_array().unwrap();
    let copied = lines
        .iter()
        .find(|line| line["statement"].as_str().unwrap().starts_with("COPY"));
    (copied.unwrap().clone(), evidence["sessions"][0].clone())
}

#[test]
fn a_bulk_export_is_held_until_two_people_sign_and_the_report_tells_all_of_it() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let agent = SshAgent::start(directory, &["ana", "mona"]).unwrap();
    let bens = SecurityKeyAgent::start(directory, "ben").unwrap();
    let (mut stack, token) = started(directory);
    enrol(&stack, directory, &["ana", "ben", "mona"]);
    let keys = exhibit_tests::run(stack.exhibit().unwrap().args(["key", "list"])).unwrap();
    assert!(keys.contains("ben  privacy  (security key)"), "{keys}");

    let mut psql = copy(&stack, &token, Stdio::piped());
    let mut output = psql.stdout.take().unwrap();
    let copied = std::thread::spawn(move || {
        let mut copied = String::new();
        output.read_to_string(&mut copied).map(|_| copied)
    });
    // psql tells of the question when it reads on, which it does while it copies.
    let mut told = String::new();
    let mut notices = BufReader::new(psql.stderr.take().unwrap());
    notices.read_line(&mut told).unwrap();
    assert!(told.contains("is needed by privacy"), "{told}");
    let asked = waiting(&stack);
    let [asked] = asked.as_slice() else {
        panic!("one question: {asked:?}")
    };
    let held = asked["held"]["rows"].as_u64().unwrap();
    assert!(held > 10_000 && held < 12_000, "{asked}");
    let id = asked["id"].as_str().unwrap();
    let shown = exhibit_tests::run(stack.exhibit().unwrap().arg("approvals")).unwrap();
    assert!(shown.contains(&format!("held at   {held} rows")), "{shown}");
    // Who asks, from the token's own claims, in what people sign.
    let (requester, run) = (&asked["requester"], &asked["requester"]["run"]);
    assert_eq!(
        (requester["method"].as_str(), run["actor"].as_str()),
        (Some("oidc"), Some("mona"))
    );
    for (name, claim) in [("repository", "octo/etl"), ("commit", COMMIT)] {
        assert_eq!(run[name], claim, "{asked}");
    }
    assert!(shown.contains("\n  run       ") && shown.contains(COMMIT), "{shown}");
    assert!(shown.contains("facts     class copy, copy"), "{shown}");

    // Whoever set off the run does not count, and one person alone is not enough.
    approve(&stack, &agent, "mona", id);
    approve(&stack, &agent, "ana", id);
    assert_eq!(waiting(&stack).len(), 1);
    assert!(psql.try_wait().unwrap().is_none(), "it still waits");
    // Nor is a security key that nobody touches.
    bens.touch(false);
    let untouched = approve_by_touch(&stack, &bens, id);
    let said = String::from_utf8(untouched.stderr).unwrap();
    assert!(
        !untouched.status.success() && said.contains("without being touched"),
        "{said}"
    );
    assert!(psql.try_wait().unwrap().is_none(), "it still waits");
    bens.touch(true);
    let touched = approve_by_touch(&stack, &bens, id);
    assert!(touched.status.success(), "{touched:?}");

    assert!(psql.wait().unwrap().success());
    let copied = copied.join().unwrap().unwrap();
    assert_eq!(copied.lines().count(), ROWS);
    assert!(!copied.contains("912-55"), "masked");
    let (line, session) = reported(&stack);
    assert_eq!(
        (line["rows"].as_u64(), line["outcome"].as_str()),
        (Some(25_000), Some("allowed"))
    );
    let passed = &line["thresholds"][0];
    assert_eq!(
        (passed["outcome"].as_str(), passed["rule"].as_str()),
        (Some("approved"), Some("bulk-export"))
    );
    assert_eq!(passed["rows"].as_u64(), Some(held));
    assert_eq!(passed["approvals"].as_array().map(Vec::len), Some(2));
    let run = session["run"].as_str().unwrap();
    assert!(
        run.contains("octo/etl") && run.contains(COMMIT) && run.contains("mona"),
        "{run}"
    );
    stack.down().unwrap();
}

#[test]
fn who_watches_sees_each_request_and_a_copy_that_is_denied_or_taken_back_ends() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let people = ["ana", "ben"];
    let agent = SshAgent::start(directory, &people).unwrap();
    let (mut stack, token) = started(directory);
    enrol(&stack, directory, &people);
    let mut watch = stack.exhibit().unwrap();
    let mut watch = watch
        .args(["approvals", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&seen.next().unwrap().unwrap()).unwrap() };

    let denied = copy(&stack, &token, Stdio::null());
    let asked = next();
    say(&stack, &agent, "ana", &["deny", asked["id"].as_str().unwrap()]);
    let denied = denied.wait_with_output().unwrap();
    let told = String::from_utf8(denied.stderr).unwrap();
    assert!(!denied.status.success() && told.contains("42501"), "{told}");

    let taken_back = copy(&stack, &token, Stdio::null());
    let again = next();
    let id = again["id"].as_str().unwrap();
    assert_ne!(again["id"], asked["id"]);
    approve(&stack, &agent, "ana", id);
    say(&stack, &agent, "ana", &["approvals", "revoke", id]);
    let taken_back = taken_back.wait_with_output().unwrap();
    let told = String::from_utf8(taken_back.stderr).unwrap();
    assert!(!taken_back.status.success() && told.contains("42501"), "{told}");

    let number = watch.id().to_string();
    exhibit_tests::run(Command::new("kill").args(["-INT", &number])).unwrap();
    assert!(watch.wait().unwrap().success(), "an interrupt is how watching ends");
    let (bundle, out) = (stack.directory().join("bundle"), stack.directory().join("report"));
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(&bundle).arg("--keys").arg(stack.trust());
    exhibit_tests::run(verify.arg("--out").arg(&out)).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["cover"]["result"], "verified");
    let revoked = report["evidence"]["approvals"][1]["revocations"].as_array().unwrap();
    assert_eq!(revoked.len(), 1, "{report}");
    stack.down().unwrap();
}
