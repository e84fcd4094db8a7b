//! S3 through the proxy, by the clients that people have, in front of a real store: what they find there is what they find at the store
//! itself, but for what policy forbids, masks and records; and the evidence of it is verified.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use exhibit_tests::ceph::{Ceph, DOMAIN, REGION};
use exhibit_tests::stack::{Options, Stack};
use serde_json::Value;

/// A policy that lets everything pass as it is.
const OPEN: &str = include_str!("s3/open.toml");

/// One with documents, masks and people.
const CLOSED: &str = include_str!("s3/closed.toml");

/// Cases that cannot be the same through the proxy: it serves no forms and answers no preflight, and says so.
const NOT_SERVED: [&str; 2] = ["forms", "preflight"];

/// A deployment before the shared store, with this policy.
fn stack(directory: &Path, policy: &str) -> (Arc<Ceph>, Stack) {
    let store = Ceph::shared().unwrap();
    let options = Options {
        patients: 0,
        policy: policy.to_owned(),
        store: Some(Arc::clone(&store)),
        ..Options::new(directory)
    };
    (store, Stack::start(&options).unwrap())
}

fn python() -> Command {
    Command::new(exhibit_tests::drivers().unwrap().join("venv/bin/python"))
}

/// The cases of `tests/drivers/s3` at an endpoint, whose certificate this authority signed.
fn cases(endpoint: [&str; 2], authority: &Path, (id, secret): (&str, &str), user: &str, direct: bool) -> Output {
    let mut command = python();
    command.arg("-B").arg(exhibit_tests::driver("s3"));
    command.args(["--endpoint", endpoint[0], "--tls-endpoint", endpoint[1]]);
    command.arg("--authority").arg(authority);
    command.args(["--domain", DOMAIN, "--region", REGION, "--user", user]);
    if direct {
        command.arg("--direct");
    }
    command.env("S3_ACCESS_KEY", id).env("S3_SECRET_KEY", secret);
    command.output().unwrap()
}

fn by_case(output: &Output) -> BTreeMap<String, Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| (line["case"].as_str().unwrap().to_owned(), line))
        .collect()
}

/// An exchange as it is compared: without what HTTP may say of the same answer in two ways, and of an error without its words, which are
/// each side's own.
fn plain(exchange: &Value) -> Value {
    if let Some(text) = exchange.as_str() {
        return said(text).into();
    }
    let mut exchange = exchange.clone();
    let is_error = exchange["status"].as_u64().is_some_and(|status| status >= 400);
    if let Some(headers) = exchange.get_mut("headers").and_then(Value::as_object_mut) {
        // A store may send an answer in chunks, and tell of itself beside an error.
        headers.remove("content-length");
        if is_error {
            headers.remove("accept-ranges");
        }
        // S3 keeps of an object's codings all but this one; Ceph keeps it, too.
        if headers
            .get("content-encoding")
            .is_some_and(|coding| coding == "aws-chunked")
        {
            headers.remove("content-encoding");
        }
    }
    if let Some(body) = exchange.get("body").and_then(Value::as_str) {
        exchange["body"] = if is_error {
            code(body).into()
        } else {
            own_buckets(body).into()
        };
    }
    if let Some(request) = exchange.get("request").and_then(Value::as_str) {
        exchange["request"] = request.replace("http://", "https://").into();
    }
    exchange
}

/// The code of an error, where its body has one.
fn code(body: &str) -> &str {
    let code = body
        .split("<Code>")
        .nth(1)
        .and_then(|rest| rest.split("</Code>").next());
    code.unwrap_or_default()
}

/// The list of all buckets without those of other cases, which come and go meanwhile.
fn own_buckets(body: &str) -> String {
    let foreign = |bucket: &&str| bucket.starts_with("<Bucket><Name>") && !bucket.contains("<Name>PREFIX");
    let buckets = body
        .split_inclusive("</Bucket>")
        .flat_map(|text| match text.find("<Bucket>") {
            Some(at) => [&text[..at], &text[at..]],
            None => [text, ""],
        });
    buckets.filter(|bucket| !foreign(bucket)).collect()
}

/// What a command line printed: an error as that it is one, since it has the words of whoever answered, and Ceph has none; of a list of all
/// buckets those of this case.
fn said(text: &str) -> String {
    // What version 1.23 of the CLI says of an error without a body.
    if text.starts_with("\nargument of type 'NoneType' is not iterable") || text.starts_with("\nAn error occurred (") {
        return "an error".to_owned();
    }
    let foreign = |line: &&str| {
        line.strip_prefix("TIME ")
            .is_some_and(|name| is_bucket(name.trim_end()))
    };
    text.split_inclusive('\n').filter(|line| !foreign(line)).collect()
}

/// Whether it is the name of a bucket alone, and of no case's own.
fn is_bucket(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && !name.starts_with("PREFIX") && name.bytes().all(letters)
}

/// Whether two transcripts say the same. Of an error that Ceph answers without a body, its status is all that it says.
fn same(direct: &Value, proxied: &Value) -> bool {
    let (direct, mut proxied) = (plain(direct), plain(proxied));
    let has_no_body = direct["status"].as_u64().is_some_and(|status| status >= 400) && direct["body"] == "";
    if has_no_body {
        for what in ["body", "headers"] {
            proxied[what] = direct[what].clone();
        }
    }
    direct == proxied
}

#[test]
fn clients_find_what_they_find_at_the_store_itself() {
    let directory = tempfile::tempdir().unwrap();
    let (store, stack) = stack(&directory.path().join("x"), OPEN);
    let own = store.owner();
    let keys = stack.store_keys().unwrap();
    let url = stack.store_url().unwrap();
    let authority = stack.store_authority();
    let (plain_url, tls_url) = (store.endpoint(), store.tls_endpoint());
    let [direct, proxied] = std::thread::scope(|scope| {
        let direct = scope.spawn(|| {
            let keys = (own.access_key.as_str(), own.secret_key.as_str());
            cases([&plain_url, &tls_url], &store.authority(), keys, &own.name, true)
        });
        let proxied = scope.spawn(|| {
            let keys = (keys.0.as_str(), keys.1.as_str());
            cases([&url, &url], &authority, keys, &own.name, false)
        });
        [direct.join().unwrap(), proxied.join().unwrap()]
    });
    assert!(direct.status.success(), "{}", String::from_utf8_lossy(&direct.stderr));
    let (direct, found) = (by_case(&direct), by_case(&proxied));
    let mut different = Vec::new();
    for (name, case) in &direct {
        if NOT_SERVED.iter().any(|story| name.starts_with(story)) {
            continue;
        }
        let Some(other) = found.get(name) else {
            different.push(format!("{name}: it does not hold through the proxy"));
            continue;
        };
        // What the store does not do as S3 does, the proxy has to.
        if case.get("unlike").is_some() {
            continue;
        }
        let exchanges = |case: &Value| case["transcript"].as_array().unwrap().clone();
        let (direct, proxied) = (exchanges(case), exchanges(other));
        let all_same = direct
            .iter()
            .zip(&proxied)
            .all(|(direct, proxied)| same(direct, proxied));
        if direct.len() != proxied.len() || !all_same {
            different.push(format!("{name}\n{case}\n{other}"));
        }
    }
    let said = String::from_utf8_lossy(&proxied.stderr);
    assert!(different.is_empty(), "{}\n{said}", different.join("\n\n"));
    assert!(direct.len() >= 190, "{} cases", direct.len());
}

/// Runs a story of `tests/drivers/s3_masked.py` and gives the lines that it says.
fn told(stack: &Stack, story: &str) -> Vec<Value> {
    let (id, secret) = stack.store_keys().unwrap();
    let mut command = python();
    command.arg("-B").arg(exhibit_tests::driver("s3_masked.py")).arg(story);
    command
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret);
    command.env("S3_URL", stack.store_url().unwrap());
    command.env("S3_CA", stack.store_authority());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exports the log, verifies it, and gives every byte of it.
fn verified(stack: &Stack) -> Vec<u8> {
    let bundle = stack.directory().join("bundle.tar");
    exhibit_tests::run(stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = exhibit_tests::programs::command("exhibit-verify").unwrap();
    verify.arg(&bundle).arg("--keys").arg(stack.trust());
    let said = exhibit_tests::run(&mut verify).unwrap();
    assert!(said.contains("No findings"), "{said}");
    std::fs::read(&bundle).unwrap()
}

#[test]
fn what_is_masked_leaves_in_no_way_and_the_evidence_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let (_store, stack) = stack(&directory.path().join("x"), CLOSED);
    let lines = told(&stack, "masked");
    let line = |name: &str| lines.iter().find(|line| line["name"] == name).unwrap().clone();
    let canaries: Vec<String> = serde_json::from_value(line("canaries")["values"].clone()).unwrap();
    assert!(canaries.len() > 100);
    let received = line("received")["text"].as_str().unwrap().to_owned();
    assert!(received.len() > 10_000);
    let log = verified(&stack);
    let log_text = String::from_utf8_lossy(&log);
    for canary in &canaries {
        assert!(!received.contains(canary), "{canary} reached the agent");
        assert!(!log_text.contains(canary.as_str()), "{canary} is in the log");
    }
    let held: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["held"] == true)
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    let failed: Vec<&Value> = lines.iter().filter(|line| line["held"] == false).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(held.len() >= 20, "{held:?}");
}
