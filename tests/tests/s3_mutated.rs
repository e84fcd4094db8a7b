//! Uploads that something happened to, through the proxy and before a real store: not one of them creates an object, or a part of
//! one.
//!
//! `tests/drivers/s3_mutated.py` makes them, in each form that S3 has for a body (a hash, nothing, signed chunks without and with a trailer,
//! an unsigned trailer), signed in headers and presigned. The proxy is ended before the store is looked at, by its own key: what was still
//! under way is over by then. The same uploads, where nothing happened to them, are there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, in its helpers too; a campaign says how large it was"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use exhibit_tests::ceph::Ceph;
use exhibit_tests::stack::{Options, Stack};
use serde_json::Value;

/// A policy that lets everything pass as it is.
const OPEN: &str = include_str!("s3/open.toml");

/// Mutated uploads at the least, of each form and in all.
const MUTANTS_MIN: (usize, usize) = (250, 3_000);

/// Forms of a body by places of a signature.
const FORMS: usize = 10;

/// One thing of the driver, and the lines that it says.
fn driver(store: &Ceph, stack: &Stack, command: &str) -> Vec<Value> {
    let own = store.owner();
    let (id, secret) = stack.store_keys().unwrap();
    let mut python = Command::new("python3");
    python
        .arg("-B")
        .arg(exhibit_tests::driver("s3_mutated.py"))
        .arg(command);
    python
        .env("GATEWAY", stack.store_url().unwrap())
        .env("GATEWAY_CA", stack.store_authority());
    python.env("GATEWAY_KEY", format!("{id}:{secret}"));
    python.env("STORE", store.endpoint());
    python.env("STORE_KEY", format!("{}:{}", own.access_key, own.secret_key));
    let said = exhibit_tests::run(&mut python).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Its form: `hex header`.
fn form(line: &Value) -> String {
    let name = line["name"].as_str().unwrap();
    name.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_mutated_upload_creates_an_object() {
    let directory = tempfile::tempdir().unwrap();
    let store = Ceph::shared().unwrap();
    let options = Options {
        patients: 0,
        policy: OPEN.to_owned(),
        store: Some(Arc::clone(&store)),
        ..Options::new(&directory.path().join("x"))
    };
    let mut stack = Stack::start(&options).unwrap();
    driver(&store, &stack, "prepare");
    let controls = driver(&store, &stack, "control");
    let sent = driver(&store, &stack, "send");
    stack.down().unwrap();
    let [mutated, right] = <[Value; 2]>::try_from(driver(&store, &stack, "list")).unwrap();

    // Each was looked at and refused, but for those that broke off, which nobody waits to be told of.
    let taken: Vec<&Value> = sent
        .iter()
        .filter(|line| line["status"].as_u64().is_some_and(|status| status < 400))
        .collect();
    assert!(taken.is_empty(), "{} were taken: {taken:?}", taken.len());
    let unanswered = |line: &&Value| line["status"].is_null() && line["breaks"] == false;
    let unanswered: Vec<&Value> = sent.iter().filter(unanswered).collect();
    assert!(
        unanswered.is_empty(),
        "{} were not answered: {unanswered:?}",
        unanswered.len()
    );
    for kind in ["keys", "versions", "parts"] {
        assert_eq!(
            mutated[kind],
            Value::Array(Vec::new()),
            "{kind} of mutated uploads are in the store"
        );
    }

    let mut of_form: BTreeMap<String, usize> = BTreeMap::new();
    for line in &sent {
        *of_form.entry(form(line)).or_default() += 1;
    }
    assert_eq!(of_form.len(), FORMS, "{of_form:?}");
    assert!(
        of_form.values().all(|count| *count >= MUTANTS_MIN.0) && sent.len() >= MUTANTS_MIN.1,
        "{of_form:?}"
    );
    let of_bodies: BTreeSet<&str> = sent.iter().filter_map(|line| line["code"].as_str()).collect();
    for code in [
        "BadDigest",
        "IncompleteBody",
        "SignatureDoesNotMatch",
        "XAmzContentSHA256Mismatch",
        "MalformedTrailerError",
    ] {
        assert!(of_bodies.contains(code), "nothing was refused by {code}: {of_bodies:?}");
    }

    assert!(controls.iter().all(|line| line["status"] == 200), "{controls:?}");
    let count = |kind: &str| right[kind].as_array().map(Vec::len);
    assert_eq!(
        (count("right"), count("parts")),
        (Some(FORMS * 3), Some(FORMS)),
        "{right}"
    );
    assert_eq!(controls.len(), FORMS * 4);

    stack.up().unwrap();
    let bundle = directory.path().join("bundle.tar");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = exhibit_tests::programs::command("exhibit-verify").unwrap();
    let said = exhibit_tests::run(verify.arg(&bundle).arg("--keys").arg(stack.trust())).unwrap();
    assert!(said.contains("No findings"), "{said}");
    println!("{} mutated uploads, {of_form:?}", sent.len());
}
