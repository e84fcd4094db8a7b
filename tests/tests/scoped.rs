//! Scoped bundles of a real deployment: what an auditor of one incident gets, and what stays in the ledger.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::path::Path;
use std::process::Output;

use exhibit_schemas::event::Timestamp;
use exhibit_tests::stack::{Options, Stack};
use exhibit_tests::{programs, run};
use serde_json::Value;

const PATIENTS: &str = "
[[patients]]
name = \"patient\"
targets = [\"clinic\"]
resources = [\"public.patients.id\", \"public.encounters.patient_id\", \"public.claims.patient_id\", \"public.notes.patient_id\"]
";

/// What the clients of the sessions call themselves; nothing else in the log says so.
const CLIENTS: [&str; 3] = ["first-of-three", "second-of-three", "third-of-three"];

fn exhibit(stack: &Stack, arguments: &[&str]) -> Output {
    stack.exhibit().unwrap().args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(error))
}

fn verifier(arguments: &[&str]) -> Output {
    programs::command("exhibit-verify")
        .unwrap()
        .args(arguments)
        .output()
        .unwrap()
}

/// Three sessions, each with rows of another patient.
fn started(directory: &Path) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = 20;
    options.policy.push_str(PATIENTS);
    let stack = Stack::start(&options).unwrap();
    for (patient, client) in (1..).zip(CLIENTS) {
        let mut psql = stack.psql();
        psql.env("PGAPPNAME", client);
        psql.args([
            "-c",
            &format!("SELECT id, last_name FROM patients WHERE id = {patient}"),
        ]);
        run(&mut psql).unwrap();
    }
    stack
}

/// All bytes of a directory, one file after the other.
fn bytes(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for child in std::fs::read_dir(directory).unwrap() {
        let path = child.unwrap().path();
        all.extend(if path.is_dir() {
            bytes(&path)
        } else {
            std::fs::read(&path).unwrap()
        });
        all.push(0);
    }
    all
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The sessions, in the order in which they were opened, and when that was.
fn sessions(stack: &Stack) -> Vec<(String, String)> {
    let found = exhibit(stack, &["search", "--json", "kind:session-opened"]);
    assert!(found.status.success(), "{}", said(&found));
    let hits = String::from_utf8(found.stdout).unwrap();
    let mut hits: Vec<Value> = hits.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    hits.sort_by_key(|hit| hit["index"].as_u64());
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap().to_owned();
    let all: Vec<_> = hits
        .iter()
        .map(|hit| {
            (
                text(hit, "session"),
                Timestamp(hit["time"].as_u64().unwrap()).to_string(),
            )
        })
        .collect();
    assert_eq!(all.len(), CLIENTS.len());
    all
}

/// The token of a patient.
fn token(stack: &Stack, patient: &str) -> String {
    let mut command = stack.exhibit().unwrap();
    command.args(["patient", "token", "--target", "clinic"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{patient}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let terms = String::from_utf8(output.stdout).unwrap();
    terms
        .trim()
        .strip_prefix("patient:")
        .unwrap_or_else(|| panic!("{terms}"))
        .to_owned()
}

#[test]
fn each_scope_gives_its_sessions_and_nothing_of_the_others() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let mut stack = started(directory);
    let sessions = sessions(&stack);
    let (first, from) = &sessions[0];
    let (_, to) = &sessions[1];
    let patient = token(&stack, "2");
    let trust = stack.trust();
    let trust = trust.to_str().unwrap();
    let period = format!("{from}..{to}");
    for (name, scope, held) in [
        ("session", vec!["--session", first], &CLIENTS[..1]),
        ("period", vec!["--period", &period], &CLIENTS[..1]),
        ("patient", vec!["--patient", &patient], &CLIENTS[1..2]),
        ("subject", vec!["--subject", "ci-nightly"], &CLIENTS[..]),
        ("target", vec!["--target", "clinic", "--session", first], &CLIENTS[..1]),
    ] {
        let out = directory.join(name);
        let exported = exhibit(
            &stack,
            &[&["export", out.to_str().unwrap(), "--json"][..], &scope].concat(),
        );
        assert!(exported.status.success(), "{name}: {}", said(&exported));
        let answer: Value = serde_json::from_slice(&exported.stdout).unwrap();
        let checked = verifier(&[out.to_str().unwrap(), "--keys", trust, "--scoped"]);
        assert!(checked.status.success(), "{name}: {}", said(&checked));
        let text = said(&checked);
        let disclosed = format!("SCOPED   {} events of the session", answer["disclosed"]);
        assert!(
            text.starts_with(&disclosed) && text.contains("Not proven by this bundle:"),
            "{text}"
        );
        let bytes = bytes(&out);
        for client in CLIENTS {
            assert_eq!(
                holds(&bytes, client.as_bytes()),
                held.contains(&client),
                "{name}: {client}"
            );
        }
        for (session, _) in sessions.iter().filter(|_| held.len() == 1) {
            let id = hex::decode(session).unwrap();
            let of_held = CLIENTS.iter().position(|client| *client == held[0]).unwrap();
            assert_eq!(holds(&bytes, &id), sessions[of_held].0 == *session, "{name}: {session}");
        }
    }
    refusals(&stack, directory);
    report_and_sample(directory, trust);
    readings(&stack, directory, trust, first, &patient);
    stack.down().unwrap();
}

/// What is not asked for in the right way, or is not there.
fn refusals(stack: &Stack, directory: &Path) {
    let out = directory.join("refused.tar");
    let out = out.to_str().unwrap();
    let (nobody, none) = ("ab".repeat(16), "cd".repeat(16));
    for (scope, wanted) in [
        (["--session", &nobody], "no session of this log has such an id"),
        (["--subject", "john smith"], "no session of this log has such a subject"),
        (["--patient", &none], "no session of this log is of the scope"),
        (["--patient", "7"], "32 hexadecimal digits"),
        (["--period", "2026-12-01..2026-11-01"], "begins before it ends"),
        (["--period", "1980-01-01..1980-01-02"], "nothing of such a time"),
        (["--subject", ""], "1 to 1024 bytes"),
    ] {
        let refused = exhibit(stack, &[&["export", out][..], &scope].concat());
        assert!(
            !refused.status.success() && said(&refused).contains(wanted),
            "{}",
            said(&refused)
        );
        assert!(!Path::new(out).exists());
    }
    // Who may not export may not export a part.
    let approver = stack.approver_key();
    let scope = [
        "export",
        out,
        "--subject",
        "ci-nightly",
        "--key",
        approver.to_str().unwrap(),
    ];
    let refused = exhibit(stack, &scope);
    assert!(said(&refused).contains("no role"), "{}", said(&refused));
}

/// The report says what it is of, and no sample is drawn.
fn report_and_sample(directory: &Path, trust: &str) {
    let (bundle, out) = (directory.join("session"), directory.join("report"));
    let (bundle, out) = (bundle.to_str().unwrap(), out.to_str().unwrap());
    let made = verifier(&["report", bundle, "--keys", trust, "--out", out, "--scoped"]);
    assert!(made.status.success(), "{}", said(&made));
    let report: Value = serde_json::from_slice(&std::fs::read(Path::new(out).join("report.json")).unwrap()).unwrap();
    assert_eq!(report["cover"]["result"], "verified-scoped");
    assert_eq!(report["cover"]["scoped"]["sessions"], 1);
    assert_eq!(report["evidence"]["sessions"].as_array().unwrap().len(), 1);
    let states: Vec<_> = report["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["state"])
        .collect();
    assert!(states.iter().all(|state| **state == "not-tested"), "{states:?}");
    let again = verifier(&["report", "--check", out, bundle, "--keys", trust, "--scoped"]);
    assert!(
        again.status.success() && said(&again).contains("SAME "),
        "{}",
        said(&again)
    );
    // Whoever looks at the exit code alone, and did not say that a part will do, is not given one for the whole.
    let whole = verifier(&[bundle, "--keys", trust]);
    assert_eq!(whole.status.code(), Some(1), "{}", said(&whole));
    assert!(said(&whole).contains("unless --scoped is given"), "{}", said(&whole));
    let sampled = verifier(&[
        "sample",
        bundle,
        "--keys",
        trust,
        "--control",
        "312.a.1",
        "--n",
        "1",
        "--nonce",
        "0011223344556677",
    ]);
    assert_eq!(sampled.status.code(), Some(2));
    assert!(said(&sampled).contains("this is a scoped bundle") && said(&sampled).contains("Ask for the whole bundle"));
}

/// Every scoped export is in the log with its scope, by the reader's own statement; so a whole export shows.
fn readings(stack: &Stack, directory: &Path, trust: &str, session: &str, patient: &str) {
    let (bundle, out) = (directory.join("whole.tar"), directory.join("whole-report"));
    let (bundle, out) = (bundle.to_str().unwrap(), out.to_str().unwrap());
    let exported = exhibit(stack, &["export", bundle]);
    assert!(exported.status.success(), "{}", said(&exported));
    let made = verifier(&["report", bundle, "--keys", trust, "--out", out]);
    assert!(
        made.status.success() && said(&made).starts_with("VERIFIED "),
        "{}",
        said(&made)
    );
    let report: Value = serde_json::from_slice(&std::fs::read(Path::new(out).join("report.json")).unwrap()).unwrap();
    let reads = report["evidence"]["reads"].as_array().unwrap();
    let scopes: Vec<_> = reads.iter().map(|read| read["scope"].as_str().unwrap()).collect();
    for scope in [
        format!(" scope:{{\"session\":\"{session}\"}}"),
        format!(" scope:{{\"patient\":\"{patient}\"}}"),
        " scope:{\"subject\":\"ci-nightly\"}".to_owned(),
    ] {
        assert!(
            scopes
                .iter()
                .any(|read| read.starts_with("size:") && read.ends_with(&scope)),
            "{scope}: {scopes:?}"
        );
    }
    let replayed = said(&exhibit(stack, &["replay", session]));
    assert!(
        replayed.contains("export by"),
        "who took the session stands at it: {replayed}"
    );
    assert!(
        !scopes
            .iter()
            .any(|read| read.contains("john") || read.contains(&"cd".repeat(16))),
        "nothing of a question that is refused is kept"
    );
}
