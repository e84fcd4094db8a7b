//! The example of the documentation, whole answers by snapshot, and files that are refused.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;

use super::{Arguments, compare};

const POLICY: &str = include_str!("../../../../../docs/policy/policy.toml");
const EXPECTATIONS: &str = include_str!("../../../../../docs/policy/expectations.toml");
const CATALOG: &str = include_str!("../../../../../docs/policy/clinic.json");

/// Compares; the number of cases that failed, the page and the JSON, or what is wrong.
fn compared(policy: &str, expectations: &str) -> Result<(usize, String, String), (ExitCode, String)> {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        crate::files::create(&path, text.as_bytes(), crate::files::PUBLIC).unwrap();
        path
    };
    file("clinic.json", CATALOG);
    let arguments = Arguments {
        policy: file("policy.toml", policy),
        expectations: file("expectations.toml", expectations),
        json: false,
    };
    let outcome = compare(&arguments).map_err(|error| {
        let directory = format!("{}/", directory.path().display());
        (error.exit_code(), error.to_string().replace(&directory, ""))
    })?;
    let json = serde_json::to_string_pretty(&outcome.json()).unwrap();
    Ok((outcome.failed().count(), outcome.text("expectations.toml"), json))
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn help_is_as_reviewed() {
    let mut program = crate::commands::Arguments::command().term_width(100);
    let policy = program.find_subcommand_mut("policy").unwrap();
    let help = policy.find_subcommand_mut("test").unwrap().render_long_help();
    insta::assert_snapshot!("help", help.to_string());
}

#[test]
fn the_documented_policy_is_as_its_expectations_say() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy");
    let arguments = Arguments {
        policy: example.join("policy.toml"),
        expectations: example.join("expectations.toml"),
        json: false,
    };
    let outcome = compare(&arguments).unwrap();
    assert_eq!(outcome.failed().count(), 0, "{}", outcome.text("expectations.toml"));
    assert_eq!((outcome.cases.len(), outcome.idle.as_slice()), (13, &[][..]));
}

#[test]
fn each_part_of_the_policy_that_is_changed_fails_a_case() {
    for (from, to) in [
        (
            "run = { repository_id = \"456789\"",
            "run = { repository_id = \"456780\"",
        ),
        (", reference = \"refs/heads/main\"", ""),
        ("groups = [\"analysts\"]", "groups = [\"others\"]"),
        ("when = { no_where = true }", "when = { no_where = false }"),
        ("reason = \"a change needs a WHERE\"", "reason = \"no\""),
        ("approval = \"notes\"", "approval = \"schema-change\""),
        ("\"public.claims\", \"none\"]", "\"none\"]"),
        ("actions = [\"define\"]", "actions = [\"grant\"]"),
        ("\"session\", \"transaction\"", "\"session\""),
        ("[\"public.patients.ssn\"]", "[\"public.patients.id\"]"),
        ("name = \"birth-dates\"", "name = \"dates\""),
        ("[[nets]]\nname = \"identifiers\"", "[[nets]]\nname = \"others\""),
    ] {
        let (failed, ..) = compared(&changed(POLICY, from, to), EXPECTATIONS).unwrap();
        assert!(failed > 0, "{to}");
    }
}

#[test]
fn differences_are_as_reviewed() {
    let policy = changed(POLICY, "\"public.claims\", \"none\"]", "\"none\"]");
    let policy = changed(&policy, "[\"public.notes.body\"]", "[\"public.notes.id\"]");
    let expectations = changed(
        EXPECTATIONS,
        "observed = [\"claims-next\"]",
        "observed = [\"claims-now\"]",
    );
    let (failed, text, json) = compared(&policy, &expectations).unwrap();
    assert_eq!(failed, 3);
    insta::assert_snapshot!("differences", text);
    let one = EXPECTATIONS
        .split("[[cases]]")
        .take(3)
        .collect::<Vec<_>>()
        .join("[[cases]]");
    let (_, text, one) = compared(
        POLICY,
        &changed(
            &one,
            "\"public.patients.ssn\" = \"ssn\"",
            "\"public.claims.id\" = \"ssn\"",
        ),
    )
    .unwrap();
    insta::assert_snapshot!("differences_json", one);
    assert!(
        text.contains(
            "no case reaches rules `grants`, `no-mass-change`, `notes`, `claims-next`, `claim-status`, `schema`, `session`"
        ),
        "{text}"
    );
    let keys = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&json), keys(&one));
}

#[test]
fn no_value_of_a_command_is_repeated() {
    let expectations = changed(
        EXPECTATIONS,
        "effect = \"deny\", cause = \"unproven\", reason = \"WHERE goes by the masked column public.patients.ssn\"",
        "effect = \"allow\"",
    );
    let (failed, text, json) = compared(POLICY, &expectations).unwrap();
    assert_eq!(failed, 1);
    assert!(!text.contains("123-45") && !json.contains("123-45"), "{text}");
}

/// What the demo's policy says of its store of objects.
#[test]
fn operations_on_objects_are_cases_too() {
    let policy = concat!(
        include_str!("../../../../../tests/src/policy.toml"),
        include_str!("../../../../../tests/src/lake.toml")
    );
    let expectations = r#"
version = 1
[[agents]]
name = "nightly"
subject = "ci-nightly"
groups = ["pipelines"]
[[cases]]
name = "an export is read masked"
agent = "nightly"
target = "lake"
operation = "GetObject"
objects = ["clinic-exports/patients.csv"]
expect = { effect = "allow", rule = "exports-are-read", masks = { "export.first_name" = "export-names", "export.last_name" = "export-names", "export.mrn" = "export-record-numbers", "export.ssn" = "export-ssn", "export.birth_date" = "export-birth-dates" } }
[[cases]]
name = "an export is not deleted without a person"
agent = "nightly"
target = "lake"
operation = "DeleteObject"
objects = ["clinic-exports/patients.csv"]
expect = { effect = "ask", rule = "exports-are-kept", approval = "export-delete" }
[[cases]]
name = "an export is not copied out"
agent = "nightly"
target = "lake"
operation = "CopyObject"
objects = ["work/patients.csv"]
source = "clinic-exports/patients.csv"
expect = { effect = "deny", cause = "unproven", reason = "the copy would stand where other masks hold than for what it is a copy of" }
"#;
    let (failed, text, _) = compared(policy, expectations).unwrap();
    assert_eq!(failed, 0, "{text}");
    let (failed, ..) = compared(policy, &changed(expectations, "\"DeleteObject\"", "\"GetObject\"")).unwrap();
    assert_eq!(failed, 1);
    for (from, to, wanted) in [
        ("\"DeleteObject\"", "\"DeleteObjekt\"", "no operation `DeleteObjekt`"),
        (
            "operation = \"DeleteObject\"",
            "accesses = [\"delete\"]",
            "go with an operation",
        ),
        (
            "operation = \"DeleteObject\"",
            "operation = \"DeleteObject\"\nschemas = [\"a\"]",
            "schemas go with a command",
        ),
        (
            "operation = \"DeleteObject\"",
            "operation = \"DeleteObject\"\naccesses = [\"read\"]",
            "one of them",
        ),
    ] {
        let (_, error) = compared(policy, &changed(expectations, from, to)).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

/// What is changed in the expectations, and what is said of it.
const REFUSED: &[(&str, &str, &str)] = &[
    ("version = 1", "version = 2", "expectations.toml, line 2: version = 2"),
    (
        "rule = \"reads\"\n",
        "rules = \"reads\"\n",
        "line 34: unknown field `rules`",
    ),
    ("agent = \"nightly\"", "agnt = \"nightly\"", "did you mean `agent`?"),
    (
        "agent = \"nightly\"",
        "agent = \"nighty\"",
        "line 26: there is no agent `nighty`",
    ),
    (
        "target = \"clinic\"",
        "target = \"clinics\"",
        "line 26: a command needs the catalog of its target",
    ),
    (
        "run = { repository_id",
        "run = { repositry_id",
        "line 7: a run has no `repositry_id`",
    ),
    (
        "subject = \"mona\"",
        "subject = \"mona\"\nrun = {}",
        "line 21: `run = {}` says nothing",
    ),
    (
        "name = \"analyst\"",
        "name = \"nightly\"",
        "line 21: agent `nightly` is defined twice",
    ),
    (
        "name = \"a branch may do nothing\"",
        "name = \"the nightly run reads patients, masked\"",
        "line 26 has a case of that name",
    ),
    (
        "effect = \"allow\"\nrule",
        "effect = \"permit\"\nrule",
        "line 26: `permit` is no effect",
    ),
    ("cause = \"unproven\"", "cause = \"unproved\"", "`unproved` is no cause"),
    (
        "cause = \"no-rule\", roles",
        "rule = \"reads\", cause = \"no-rule\", roles",
        "no other cause",
    ),
    (
        "effect = \"deny\", cause = \"no-rule\", roles",
        "effect = \"ask\", cause = \"no-rule\", roles",
        "is denied",
    ),
    (
        "effect = \"deny\", cause = \"no-rule\", roles",
        "effect = \"deny\", roles",
        "give its rule or its cause",
    ),
    (
        ", reason = \"WHERE goes by the masked column public.patients.ssn\"",
        "",
        "give the reason",
    ),
    (
        "effect = \"ask\", rule = \"notes\"",
        "effect = \"allow\", rule = \"notes\"",
        "names an approval",
    ),
    (
        "cause = \"no-rule\", roles = []",
        "cause = \"no-rule\", nets = [\"identifiers\"]",
        "releases nothing",
    ),
    (
        "accesses = [\"transaction\"]",
        "accesses = [\"transact\"]",
        "`transact` is no action",
    ),
    ("accesses = [\"transaction\"]", "", "an operation or accesses"),
    (
        "accesses = [\"transaction\"]",
        "accesses = [\"transaction\"]\nschemas = [\"a\"]",
        "schemas go with a command",
    ),
    (
        "command = \"SELECT 1\"",
        "command = \"SELECT 1\"\nfacts = {}",
        "facts go with accesses",
    ),
    (
        "command = \"SELECT 1\"",
        "command = \"SELECT 1\"\naccesses = []",
        "an operation or accesses",
    ),
    ("\"clinic.json\"", "\"nowhere.json\"", "nowhere.json"),
    (
        "\"clinic.json\"",
        "\"policy.toml\"",
        "policy.toml: it is not a recorded catalog",
    ),
];

#[test]
fn a_file_is_refused_whole_with_its_line() {
    let check = |from: &str, to: &str, wanted: &str| {
        let refused = compared(POLICY, &changed(EXPECTATIONS, from, to));
        let (code, error) = refused.map(|_| panic!("{to} is accepted")).unwrap_err();
        assert!(error.contains(wanted), "{to}: {error}");
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)), "{to}");
    };
    for (from, to, wanted) in REFUSED {
        check(from, to, wanted);
    }
    let (_, error) = compared(POLICY, "version = 1\n").unwrap_err();
    assert!(error.contains("no [[cases]]"), "{error}");
    let misspelt = EXPECTATIONS.replace("target = \"clinic\"\naccesses", "target = \"clinics\"\naccesses");
    let (code, error) = compared(POLICY, &misspelt).unwrap_err();
    assert!(
        error.contains("expectations.toml, line 95: the policy defines no target `clinics`"),
        "{error}"
    );
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
}
