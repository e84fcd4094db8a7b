//! Stories of a rotated key of masks on the real programs: what agents get before and after, what the proxy and the ledger
//! refuse, and what the auditor sees.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop where something is wrong"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use exhibit_postgres::config::Masking;
use exhibit_tests::postgres::SUPERUSER;
use exhibit_tests::programs;
use exhibit_tests::stack::{DATABASE, Options, Stack};

/// What the first story adds to its policy.
const PATIENTS: &str = r#"
[[patients]]
name = "patient"
targets = ["clinic"]
resources = ["public.patients.id"]
"#;

const QUESTION: &str = "SELECT mrn FROM patients ORDER BY id LIMIT 3";

/// A record of the patient whose identifier is 2.
const ONE_PATIENT: &str = "SELECT id, mrn FROM patients WHERE id = 2";

/// What a database can mask: the agents' role owns nothing of it.
const OWNED_BY_ANOTHER: &str = "CREATE TABLE public.patients (id int PRIMARY KEY, mrn text NOT NULL);
INSERT INTO public.patients SELECT number, 'MRN-' || 1000 + number FROM generate_series(1, 9) number;
GRANT SELECT ON public.patients TO exhibit;
";

const MASKS: &str = r#"version = 1

[[roles]]
name = "pipeline"
match = { method = "api-key", subject = "ci-*" }

[[targets]]
name = "clinic"
protocol = "postgres"

[[rules]]
name = "reads"
roles = ["pipeline"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]
effect = "allow"

[[masks]]
name = "record-numbers"
targets = ["clinic"]
resources = ["public.patients.mrn"]
technique = "token"
"#;

fn options(directory: &Path, masking: Masking) -> Options {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = 20;
    options.masking = masking;
    options
}

fn mask_key(stack: &Stack) -> PathBuf {
    stack.directory().join("proxy/mask.key")
}

/// What the agent gets, or what it is told.
fn ask(stack: &Stack) -> Result<String, String> {
    told(stack, QUESTION)
}

fn told(stack: &Stack, question: &str) -> Result<String, String> {
    let output = stack.psql().arg("--command").arg(question).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

fn rotate(stack: &Stack) -> serde_json::Value {
    let said = exhibit_tests::run(stack.exhibit().unwrap().args(["key", "rotate-mask", "--json"])).unwrap();
    serde_json::from_str(&said).unwrap()
}

fn put(path: &Path, bytes: &[u8]) {
    exhibit_tests::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Exports, has the verifier look, and gives its report.
fn report(stack: &Stack) -> serde_json::Value {
    let (bundle, reports) = (stack.directory().join("bundle"), stack.directory().join("reports"));
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    verify.arg("report").arg(&bundle).arg("--keys").arg(stack.trust());
    exhibit_tests::run(verify.arg("--out").arg(&reports)).unwrap();
    serde_json::from_slice(&std::fs::read(reports.join("report.json")).unwrap()).unwrap()
}

/// The files below a directory that hold these bytes.
fn holders(directory: &Path, bytes: &[u8], found: &mut Vec<PathBuf>) {
    for child in std::fs::read_dir(directory).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() {
            holders(&path, bytes, found);
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path);
            }
        }
    }
}

/// The patient was read under three keys, and the file of the one in the middle, `lost`, was removed.
fn the_records_of_a_patient_are_found_under_every_key_that_is_left(stack: &Stack, lost: &str) {
    let identifiers = stack.directory().join("identifiers");
    exhibit_tests::write(&identifiers, b"2\n3\n").unwrap();
    let mut token = stack.exhibit().unwrap();
    token.args(["patient", "token", "--target", DATABASE]);
    let output = token
        .stdin(std::fs::File::open(&identifiers).unwrap())
        .output()
        .unwrap();
    let (terms, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{said}");
    assert!(said.contains("files are gone") && said.contains(lost), "{said}");
    let terms: Vec<&str> = terms.lines().collect();
    let [read, other] = terms[..] else { panic!("{terms:?}") };
    assert_eq!(read.split(' ').count(), 2, "{read}");
    let search = |terms: &str| {
        let found = exhibit_tests::run(
            stack
                .exhibit()
                .unwrap()
                .args(["search", "--json"])
                .args(terms.split(' ')),
        );
        let lines: Vec<serde_json::Value> = found
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines
    };
    let found = search(read);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .all(|hit| hit["kind"] == "response-chunk" && hit["agent"] == "ci-nightly"),
        "{found:?}"
    );
    assert_eq!(search(other), Vec::<serde_json::Value>::new());
}

#[test]
fn a_rotation_is_told_by_the_ledger_and_no_key_comes_in_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), Masking::Proxy);
    options.policy.push_str(PATIENTS);
    let mut stack = Stack::start(&options).unwrap();
    let first = std::fs::read(mask_key(&stack)).unwrap();
    let digest_key = || std::fs::read(directory.path().join("deployment/proxy/digest.key")).unwrap();
    let digests = digest_key();
    let before = ask(&stack).unwrap();
    assert!(before.starts_with("tok_"), "{before}");
    told(&stack, ONE_PATIENT).unwrap();
    let rotated = rotate(&stack);
    assert_eq!(ask(&stack).unwrap(), before, "a running proxy keeps its key");
    stack.down().unwrap();
    stack.up().unwrap();
    let after = ask(&stack).unwrap();
    assert!(after.starts_with("tok_") && after != before);
    told(&stack, ONE_PATIENT).unwrap();
    stack.down().unwrap();

    // A key that does not say whose place it took, and the one that was replaced: the proxy does not start.
    let second = std::fs::read(mask_key(&stack)).unwrap();
    let other = format!("{}\n", hex::encode([9; 32]));
    for (wrong, told) in [
        (other.as_bytes(), "does not say that it replaces"),
        (&first, "never comes back"),
    ] {
        put(&mask_key(&stack), wrong);
        let refused = stack.up().unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
        assert!(!refused.contains(&hex::encode([9; 32])));
    }
    // Who has lost the file names the key that the ledger knows.
    let id = rotated["key"].as_str().unwrap();
    std::fs::remove_file(mask_key(&stack)).unwrap();
    exhibit_tests::run(stack.exhibit().unwrap().args(["key", "rotate-mask", "--replaces", id])).unwrap();
    stack.up().unwrap();
    let last = ask(&stack).unwrap();
    assert!(last != after && last != before);
    told(&stack, ONE_PATIENT).unwrap();
    the_records_of_a_patient_are_found_under_every_key_that_is_left(&stack, id);

    assert_eq!(digest_key(), digests, "digests of before are proven as ever");
    let listed = exhibit_tests::run(stack.exhibit().unwrap().args(["key", "list"])).unwrap();
    let lines: Vec<_> = listed.lines().filter(|line| line.contains("masks under")).collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(
        lines[0].contains(rotated["replaces"].as_str().unwrap()) && lines[0].contains("until"),
        "{listed}"
    );
    assert!(lines[1].contains(id) && lines[1].contains("until"), "{listed}");
    let report = report(&stack);
    assert_eq!(report["cover"]["result"], "verified");
    let terms = report["evidence"]["mask_keys"].as_array().unwrap();
    let sessions: Vec<_> = terms.iter().map(|term| term["sessions"].as_u64().unwrap()).collect();
    assert_eq!(sessions, [3, 2, 2], "{terms:?}");
    assert_eq!(terms[1]["key"], id);
    assert_eq!(terms[0]["ended"], terms[1]["announced"]);

    // The keys are where they are said to be, and nowhere else: not in the ledger, the index, the log or the export.
    stack.down().unwrap();
    let retired = |id: &serde_json::Value| {
        stack
            .directory()
            .join(format!("proxy/retired/mask-{}.key", id.as_str().unwrap()))
    };
    for (key, places) in [(first, vec![retired(&rotated["replaces"])]), (second, vec![])] {
        for form in [key[..64].to_vec(), hex::decode(&key[..64]).unwrap()] {
            let mut found = Vec::new();
            holders(stack.directory(), &form, &mut found);
            let wanted: &[_] = if form.len() == 64 { &places } else { &[] };
            assert_eq!(found, wanted);
        }
    }
}

#[test]
fn a_database_that_masks_needs_the_new_key_before_anybody_gets_in() {
    let directory = tempfile::tempdir().unwrap();
    let sql = directory.path().join("database.sql");
    exhibit_tests::write(&sql, OWNED_BY_ANOTHER.as_bytes()).unwrap();
    let mut options = options(directory.path(), Masking::Database);
    (options.patients, options.sql, options.policy) = (0, Some(sql), MASKS.to_owned());
    let mut stack = Stack::start(&options).unwrap();
    let before = ask(&stack).unwrap();
    assert!(before.starts_with("tok_"), "{before}");
    assert_eq!(rotate(&stack)["apply"], serde_json::json!([DATABASE]));
    stack.down().unwrap();
    stack.up().unwrap();
    let refused = ask(&stack).unwrap_err();
    assert!(refused.contains("the key of tokens among them"), "{refused}");
    let mut apply = stack.exhibit().unwrap();
    apply.env("PGPASSWORD", stack.postgres().password());
    exhibit_tests::run(apply.args(["target", "apply", DATABASE, "--user", SUPERUSER, "--database", DATABASE])).unwrap();
    let after = ask(&stack).unwrap();
    assert!(after.starts_with("tok_") && after != before);
    let report = report(&stack);
    assert_eq!(report["cover"]["result"], "verified");
    assert_eq!(report["evidence"]["mask_keys"].as_array().unwrap().len(), 2);
}
