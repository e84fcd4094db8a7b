//! The program from outside: its help, its answers and its exit codes, on a bundle of an earlier day.
//!
//! `fixtures/bundle.tar` and `fixtures/trust.toml` were written by `tests/tests/verifier.rs`, which also checks that they
//! still are what is written today. That a bundle of old is still read is the point of keeping it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_exhibit-verify"))
        .args(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

/// Exit code and standard output.
fn answer(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn paths() -> (String, String) {
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    (text(fixture("bundle.tar")), text(fixture("trust.toml")))
}

#[test]
fn help_is_as_reviewed() {
    insta::assert_snapshot!("help", answer(&["--help"]).1);
    insta::assert_snapshot!("help_report", answer(&["report", "--help"]).1);
}

#[test]
fn a_clean_bundle_exits_with_0() {
    let (bundle, trust) = paths();
    let (code, text) = answer(&[&bundle, "--keys", &trust, "--strict"]);
    assert_eq!(code, Some(0), "{text}");
    insta::assert_snapshot!("clean", text);
    let (code, json) = answer(&[&bundle, "--keys", &trust, "--json"]);
    assert_eq!(code, Some(0));
    insta::assert_snapshot!("clean_json", json);
}

#[test]
fn a_changed_bundle_exits_with_1() {
    let (bundle, trust) = paths();
    let mut bytes = std::fs::read(&bundle).unwrap();
    let place = bytes
        .windows(20)
        .position(|window| window == b"DELETE FROM patients")
        .unwrap();
    bytes[place] ^= 1;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    let (code, text) = answer(&[file.path().to_str().unwrap(), "--keys", &trust]);
    assert_eq!(code, Some(1), "{text}");
    insta::assert_snapshot!("changed", text);
}

#[test]
fn what_cannot_be_judged_exits_with_2() {
    let (bundle, trust) = paths();
    let check = |arguments: &[&str], wanted: &str| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(wanted), "{text}");
    };
    check(&[], "Usage");
    check(&[&bundle], "--keys");
    check(&[&bundle, "--keys", "nowhere.toml"], "nowhere.toml");
    check(&[&bundle, "--keys", &bundle], "cannot read");
    check(&["nowhere", "--keys", &trust], "nowhere");
    check(&[&trust, "--keys", &trust], "neither a directory nor a tar");
    check(&[&bundle, "--keys", &trust, "--heads", "nowhere"], "nowhere");
    check(&[&bundle, "--keys", &trust, "--no-such-option"], "--no-such-option");
}

#[test]
fn kept_heads_are_compared() {
    let (bundle, trust) = paths();
    let checkpoint = {
        let file = std::fs::File::open(&bundle).unwrap();
        let mut archive = tar::Archive::new(file);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.find_map(|entry| entry.ok().filter(|entry| &*entry.path_bytes() == b"checkpoint"));
        let mut text = String::new();
        std::io::Read::read_to_string(entry.as_mut().unwrap(), &mut text).unwrap();
        text
    };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // Another root under the same signature: the root is the third line.
    let root = checkpoint.lines().nth(2).unwrap();
    let (first, rest) = root.split_at(1);
    let other = format!("{}{rest}", if first == "A" { "B" } else { "A" });
    let (kept, forged) = (
        write("kept", &checkpoint),
        write("forged", &checkpoint.replacen(root, &other, 1)),
    );
    let (code, text) = answer(&[&bundle, "--keys", &trust, "--heads", &kept]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 checkpoints agree"), "{text}");
    let (code, text) = answer(&[&bundle, "--keys", &trust, "--heads", &kept, &forged]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("receipt-signature"), "{text}");
}

#[test]
fn reports_are_written_the_same_twice() {
    let (bundle, trust) = paths();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let out = directory.path().join(name);
        let code = answer(&["report", &bundle, "--keys", &trust, "--out", out.to_str().unwrap()]).0;
        assert_eq!(code, Some(0));
        ["report.html", "report.json"].map(|name| std::fs::read(out.join(name)).unwrap())
    };
    assert_eq!(write("one"), write("two"));
    let (code, _) = answer(&["report", &bundle, "--keys", &trust, "--out", "/dev/null/report"]);
    assert_eq!(
        code,
        Some(3),
        "a report that cannot be written is the verifier's own failure"
    );
}
