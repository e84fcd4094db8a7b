//! Emergency access on the whole system: one listed person lets a waiting command pass by ssh-agent, everybody sees that, and somebody
//! else reviews it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use exhibit_tests::programs;
use exhibit_tests::ssh_agent::SshAgent;
use exhibit_tests::stack::{Options, Stack};
use serde_json::Value;

/// People may read records in the first minute of Monday alone; what is more than a hundred rows waits for somebody of the privacy office.
const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "records"
groups = ["lead"]
people = 2
expires_s = 600
hours = { windows = ["Mon 00:00-00:01"] }
emergency = { groups = ["dba"], minutes = 30, reviewers = ["compliance"], review_within_days = 3 }
[[approvals]]
name = "bulk"
groups = ["privacy"]
people = 1
expires_s = 600
[[rules]]
name = "bulk"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 100 }
effect = "ask"
approval = "bulk"
[[rules]]
name = "records"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*"]
effect = "ask"
approval = "records"
[[rules]]
name = "session"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
"#;

const REASON: &str = "ward 3 has no medication lists: its system is down";

const TABLE: &str =
    "CREATE TABLE lists AS SELECT n AS id FROM generate_series(1, 500) n; GRANT SELECT ON lists TO PUBLIC;";

fn started(directory: &Path) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    POLICY.clone_into(&mut options.policy);
    let sql = directory.join("lists.sql");
    exhibit_tests::write(&sql, TABLE.as_bytes()).unwrap();
    options.sql = Some(sql);
    options.patients = 0;
    let mut stack = Stack::prepare(&options).unwrap();
    stack.up().unwrap();
    stack
}

fn enrol(stack: &Stack, agent: &SshAgent, person: &str, groups: &[&str]) {
    let mut enrol = stack.exhibit().unwrap();
    enrol
        .args(["key", "enrol"])
        .arg(agent.public(person))
        .args(["--name", person]);
    for group in groups {
        enrol.args(["--group", group]);
    }
    exhibit_tests::run(&mut enrol).unwrap();
}

/// What the key of a person does that only ssh-agent has.
fn by(stack: &Stack, agent: &SshAgent, person: &str, arguments: &[&str]) -> Output {
    let mut command = stack.exhibit().unwrap();
    command.args(arguments).arg("--key").arg(agent.public(person));
    command.env("SSH_AUTH_SOCK", agent.socket()).output().unwrap()
}

fn said(output: &Output) -> String {
    let out = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(out).unwrap()
}

fn listed(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let listed = exhibit_tests::run(stack.exhibit().unwrap().args(arguments).arg("--json")).unwrap();
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A client that reads the lists, and the id of what it waits for.
fn reading(stack: &Stack) -> (Child, BufReader<ChildStderr>, String) {
    let mut psql: Command = stack.psql();
    psql.args(["-c", "COPY (SELECT id FROM lists ORDER BY id) TO STDOUT"]);
    let mut psql = psql.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut notices = BufReader::new(psql.stderr.take().unwrap());
    let told = asked(&mut notices, "lead");
    let [one] = &listed(stack, &["approvals"])[..] else {
        panic!("one question: {told}")
    };
    assert_eq!(one["emergency"]["groups"][0], "dba");
    (psql, notices, one["id"].as_str().unwrap().to_owned())
}

/// The client is told that it waits for somebody of a group.
fn asked(notices: &mut BufReader<ChildStderr>, group: &str) -> String {
    let mut told = String::new();
    notices.read_line(&mut told).unwrap();
    assert!(told.contains(&format!("is needed by {group}")), "{told}");
    told
}

fn review(stack: &Stack) -> (Option<i32>, Value) {
    let output = stack
        .exhibit()
        .unwrap()
        .args(["review", "list", "--json"])
        .output()
        .unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), list["emergencies"][0].clone())
}

fn reported(stack: &Stack) -> Value {
    let (bundle, out) = (stack.directory().join("bundle"), stack.directory().join("report"));
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(&bundle).arg("--keys").arg(stack.trust());
    exhibit_tests::run(verify.arg("--out").arg(&out)).unwrap();
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(
        html.contains("Emergency access (1)") && html.contains(REASON),
        "the page tells of it, too"
    );
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    report["evidence"]["emergencies"][0].clone()
}

#[test]
fn one_listed_person_lets_it_pass_and_somebody_else_reviews_it() {
    let place = tempfile::tempdir().unwrap();
    let agent = SshAgent::start(place.path(), &["ana", "ben"]).unwrap();
    let mut stack = started(place.path());
    enrol(&stack, &agent, "ana", &["dba", "compliance"]);
    enrol(&stack, &agent, "ben", &["privacy"]);
    let (mut psql, mut notices, id) = reading(&stack);

    // It needs a reason, and who is not on the list lets nothing pass.
    let no_reason = by(
        &stack,
        &agent,
        "ana",
        &["approve", &id, "--emergency", "--reason", " ", "--yes"],
    );
    assert!(
        no_reason.status.code() == Some(2) && said(&no_reason).contains("which emergency"),
        "{no_reason:?}"
    );
    let emergency = |person| {
        by(
            &stack,
            &agent,
            person,
            &["approve", &id, "--emergency", "--reason", REASON, "--yes"],
        )
    };
    assert!(emergency("ben").status.success());
    assert_eq!(listed(&stack, &["approvals"]).len(), 1);
    let signed = said(&emergency("ana"));
    assert!(signed.contains("emergency: request"), "{signed}");

    // What comes to more waits all the same, and meanwhile everybody sees by what the rest was let out.
    asked(&mut notices, "privacy");
    let approvals = listed(&stack, &["approvals"]);
    let passed = approvals.iter().find(|one| one["id"] == id.as_str()).unwrap();
    let told = passed["passed"]["emergency"].as_array().unwrap();
    let ana = told.iter().find(|one| one["person"] == "ana").unwrap();
    assert_eq!(ana["reason"], REASON);
    let shown = exhibit_tests::run(stack.exhibit().unwrap().arg("approvals")).unwrap();
    assert!(shown.contains("EMERGENCY let pass by ana"), "{shown}");
    let held = approvals.iter().find(|one| one["approval"] == "bulk").unwrap();
    let held = held["id"].as_str().unwrap();
    let approved = by(
        &stack,
        &agent,
        "ben",
        &["approve", held, "--reason", "the whole ward", "--yes"],
    );
    assert!(approved.status.success(), "{}", said(&approved));
    let mut rows = String::new();
    psql.stdout.take().unwrap().read_to_string(&mut rows).unwrap();
    assert!(psql.wait().unwrap().success());
    assert_eq!(rows.lines().count(), 500);

    // Somebody else has to review it.
    let (code, due) = review(&stack);
    assert_eq!(
        (code, &due["state"], &due["person"]),
        (Some(0), &"due".into(), &"ana".into()),
        "{due}"
    );
    let text = exhibit_tests::run(stack.exhibit().unwrap().args(["review", "list", "--open"])).unwrap();
    let decision = due["decision"].to_string();
    assert!(
        text.contains(&format!("exhibit review sign --emergency {decision}")),
        "{text}"
    );
    let sign = [
        "review",
        "sign",
        "--emergency",
        &decision,
        "--finding",
        "it was one",
        "--yes",
    ];
    let own = by(&stack, &agent, "ana", &sign);
    assert!(own.status.success(), "{}", said(&own));
    let (_, due) = review(&stack);
    assert_eq!(
        (&due["state"], &due["uncounted"][0]["why"]),
        (&"due".into(), &"own".into()),
        "{due}"
    );
    let reviewed = exhibit_tests::run(stack.exhibit().unwrap().args(sign)).unwrap();
    assert!(reviewed.contains("reviewed: signed"), "{reviewed}");
    let (code, done) = review(&stack);
    assert_eq!((code, &done["state"]), (Some(0), &"done".into()), "{done}");

    let line = reported(&stack);
    assert_eq!(
        (&line["person"], &line["reason"], &line["rows"]),
        (&"ana".into(), &REASON.into(), &500.into())
    );
    assert!(line["statement"].as_str().unwrap().starts_with("COPY"), "{line}");
    assert_eq!(line["reviews"][0]["person"], exhibit_tests::stack::READER);
    stack.down().unwrap();
}
