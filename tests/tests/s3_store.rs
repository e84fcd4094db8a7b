//! The object store of the tests is a real one: what boto3, the AWS CLI and rclone do at it holds, and twice the same transcript comes of it.
//!
//! `tests/drivers/s3` has the cases. Their transcripts are made to compare a way through the proxy with the direct one; that two runs
//! at the store itself give equal ones shows that nothing is left in them that differs by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

use exhibit_tests::ceph::{Ceph, DOMAIN, REGION, User};

/// Cases that there are at the least.
const CASES_MIN: usize = 190;

/// The cases whose names have a text in them, by a user, at this endpoint without TLS.
fn cases(store: &Ceph, user: &User, endpoint: &str, only: &str) -> Output {
    let place = exhibit_tests::drivers().unwrap();
    let mut command = Command::new(place.join("venv/bin/python"));
    command.arg("-B").arg(exhibit_tests::driver("s3"));
    command.args(["--endpoint", endpoint, "--tls-endpoint", &store.tls_endpoint()]);
    command.arg("--authority").arg(store.authority());
    command.args(["--domain", DOMAIN, "--region", REGION, "--direct", "--only", only]);
    command.args(["--user", &user.name]);
    command.env("S3_ACCESS_KEY", &user.access_key);
    command.env("S3_SECRET_KEY", &user.secret_key);
    command.output().unwrap()
}

/// The transcript of each case, by its name.
fn transcripts(store: &Ceph, user: &User) -> BTreeMap<String, serde_json::Value> {
    let output = cases(store, user, &store.endpoint(), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let name = |line: &serde_json::Value| line.get("case").and_then(|name| name.as_str()).unwrap().to_owned();
    let named = |line: serde_json::Value| (name(&line), line);
    let found: BTreeMap<_, _> = lines.map(named).collect();
    assert_eq!(found.len(), text.lines().count(), "each case has a name of its own");
    found
}

#[test]
fn clients_do_the_same_twice() {
    let store = Ceph::shared().unwrap();
    // Both at once; each user has a list of buckets of its own.
    let users = ["first-run", "second-run"].map(|name| store.create_user(name).unwrap());
    let [first, second] = std::thread::scope(|scope| {
        let runs = users.each_ref().map(|user| scope.spawn(|| transcripts(&store, user)));
        runs.map(|run| run.join().unwrap())
    });
    assert!(first.len() >= CASES_MIN, "{} cases", first.len());
    let names = |run: &BTreeMap<String, serde_json::Value>| run.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second));
    let different = first.iter().filter(|(name, case)| second.get(*name) != Some(case));
    let different: Vec<_> = different
        .map(|(name, case)| format!("{name}\n{case}\n{}", second[name]))
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn no_case_holds_where_there_is_no_store() {
    let store = Ceph::shared().unwrap();
    let nowhere = format!("http://127.0.0.1:{}", exhibit_tests::free_port().unwrap());
    // One of boto3, one of raw requests, and one that has to fail where there is a store.
    for case in ["put_and_get/path/header", "anonymous/path", "forged_chunk/path"] {
        let output = cases(&store, store.owner(), &nowhere, case);
        assert_eq!(output.status.code(), Some(1), "{case}");
        assert!(output.stdout.is_empty(), "{case}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("Could not connect"), "{said}");
    }
}

#[test]
fn a_user_has_keys_of_its_own() {
    let store = Ceph::shared().unwrap();
    let user = store.create_user("another").unwrap();
    assert_ne!(user.access_key, store.owner().access_key);
    let refused = store
        .create_user("another")
        .map(|user| user.name)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("radosgw-admin") || refused.contains("exists"),
        "{refused}"
    );
}

/// Processes whose command line has a text in it.
fn processes(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}

#[test]
fn a_store_ends_with_its_value() {
    // It was started by a thread that ends before it does, as tests that share a store do.
    let store = std::thread::spawn(|| Ceph::start().unwrap()).join().unwrap();
    let address = store.endpoint().replace("http://", "");
    let directory = store.authority().parent().unwrap().to_owned();
    let name = directory.display().to_string();
    assert!(TcpStream::connect(&address).is_ok());
    assert_eq!(processes(&name), 3);
    drop(store);
    assert!(TcpStream::connect(&address).is_err());
    assert_eq!(processes(&name), 0);
    assert!(!Path::new(&name).exists());
}
