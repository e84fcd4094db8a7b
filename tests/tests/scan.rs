//! `exhibit policy scan` on a real database: it proposes the columns that hold identifiers and no others, what it prints is a
//! policy's, and no value of the database is in it.

#![allow(clippy::unwrap_used, reason = "tests stop where something is wrong")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use exhibit_policy::snapshot::Snapshot;
use exhibit_tests::stack::{DATABASE, Options, POLICY, Stack};

/// A policy of the clinic without masks.
fn unmasked() -> String {
    let mut policy: toml::Table = toml::from_str(POLICY).unwrap();
    policy.remove("masks");
    toml::to_string(&policy).unwrap()
}

fn prepared(directory: &Path, patients: u32) -> Stack {
    let mut options = Options::new(&directory.join("deployment"));
    options.patients = patients;
    options.policy = unmasked();
    Stack::prepare(&options).unwrap()
}

fn scan(stack: &Stack, more: &[&str]) -> Output {
    let mut command = stack.exhibit().unwrap();
    command
        .args(["policy", "scan", DATABASE, "--user", "postgres", "--database", DATABASE])
        .args(more);
    command.env("PGPASSWORD", stack.postgres().password()).output().unwrap()
}

#[test]
fn proposes_masks_for_what_identifies_people_and_prints_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let stack = prepared(directory.path(), 300);
    stack
        .postgres()
        .execute(
            DATABASE,
            "CREATE TABLE odd (\"na me\" text, \"kontakt\" text, code text, stay daterange, secret text);
             INSERT INTO odd SELECT 'x', 'p' || i || '@example.org', 'I10', NULL, NULL FROM generate_series(1, 2500) i;
             CREATE TABLE parts (id int, phone text) PARTITION BY RANGE (id);
             CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
             ANALYZE;",
        )
        .unwrap();
    let json: serde_json::Value = {
        let output = scan(&stack, &["--json"]);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let proposals = json["proposals"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let found: BTreeMap<String, String> = proposals
        .iter()
        .map(|one| (text(&one["resource"]), text(&one["technique"])))
        .collect();
    let wanted = [
        ("public.claims.document", "detect"),
        ("public.claims.member_id", "token"),
        ("public.encounters.started", "year"),
        ("public.notes.author", "redact"),
        ("public.notes.body", "detect"),
        ("public.patient_directory.name", "redact"),
        ("public.patient_directory.phone", "redact"),
        ("public.patients.birth_date", "year"),
        ("public.patients.city", "redact"),
        ("public.patients.email", "redact"),
        ("public.patients.first_name", "redact"),
        ("public.patients.last_name", "redact"),
        ("public.patients.mrn", "token"),
        ("public.patients.phone", "redact"),
        ("public.patients.profile", "detect"),
        ("public.patients.ssn", "token"),
        ("public.patients.street", "redact"),
        ("public.patients.zip", "redact"),
        ("public.odd.kontakt", "redact"),
        ("public.parts.phone", "redact"),
        ("public.odd.na me", "redact"),
    ];
    let wanted: BTreeMap<String, String> = wanted
        .map(|(one, technique)| (one.to_owned(), technique.to_owned()))
        .into();
    assert_eq!(found, wanted);

    // What is printed for people is the rest of a policy, after which nothing more is proposed.
    let output = scan(&stack, &[]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let policy = format!("{}\n{printed}", unmasked());
    Snapshot::parse(policy.as_bytes()).unwrap();
    exhibit_tests::write(&directory.path().join("deployment/policy.toml"), policy.as_bytes()).unwrap();
    let again = scan(&stack, &[]);
    assert_eq!(again.status.code(), Some(0));
    let masked = format!("{} masked by the policy, 0 more proposed", wanted.len());
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(again.contains(&masked), "{again}");

    let values = stack
        .postgres()
        .execute(DATABASE, "SELECT mrn, ssn, phone, email, last_name FROM patients")
        .unwrap();
    let all = [printed, json.to_string(), again].concat();
    let mut looked_for = 0;
    for value in values.split(['|', '\n']).filter(|value| value.len() > 5) {
        looked_for += 1;
        assert!(!all.contains(value));
    }
    assert!(looked_for > 900, "only {looked_for} values were looked for");
}

#[test]
fn an_administrator_who_may_not_read_rows_is_told_which() {
    let directory = tempfile::tempdir().unwrap();
    let stack = prepared(directory.path(), 5);
    stack
        .postgres()
        .execute(
            DATABASE,
            "CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON patients TO reader;",
        )
        .unwrap();
    let mut command = stack.exhibit().unwrap();
    command.args([
        "policy",
        "scan",
        DATABASE,
        "--user",
        "reader",
        "--database",
        DATABASE,
        "--json",
    ]);
    let output = command.env("PGPASSWORD", "reader").output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let unread: Vec<&str> = json["unread"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["relation"].as_str())
        .collect();
    assert_eq!(unread, ["public.claims", "public.encounters", "public.notes"]);
    assert_eq!(json["unread"][0]["sqlstate"], "42501");
}
