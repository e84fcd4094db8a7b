//! The program from outside: its help, its answers and its exit codes, on a bundle of an earlier day.
//!
//! `fixtures/bundle.tar` and `fixtures/trust.toml` were written by `tests/tests/verifier.rs`, which also checks that they
//! still are what is written today. That a bundle of old is still read is the point of keeping it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

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
    insta::assert_snapshot!("help_sample", answer(&["sample", "--help"]).1);
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
    let (_, trust) = paths();
    let file = changed();
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

/// Every file below a directory, by its path, with its bytes.
fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Writes a report of the fixture.
fn write_report(out: &Path, more: &[&str]) -> (Option<i32>, String) {
    let (bundle, trust) = paths();
    let mut arguments = vec!["report", &bundle, "--keys", &trust, "--out", out.to_str().unwrap()];
    arguments.extend(more);
    answer(&arguments)
}

/// The fixture with a byte of an entry changed.
fn changed() -> tempfile::NamedTempFile {
    let mut bytes = std::fs::read(fixture("bundle.tar")).unwrap();
    let place = bytes
        .windows(20)
        .position(|window| window == b"DELETE FROM patients")
        .unwrap();
    bytes[place] ^= 1;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    file
}

#[test]
fn reports_are_written_the_same_twice() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--entity", "O'Neil & Sons", "--period", "2023-11-14..2023-11-15"];
    let write = |name: &str| {
        let out = directory.path().join(name);
        let (code, text) = write_report(&out, &options);
        assert_eq!(code, Some(0), "{text}");
        tree(&out)
    };
    let (one, two) = (write("one"), write("two"));
    assert!(one == two, "two runs differ");
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    insta::assert_snapshot!("report_files", names.join("\n"));
    // Over an earlier report, and over one that was cut off, the same stands in the end.
    let partial = directory.path().join("one/.partial/tables");
    std::fs::create_dir_all(&partial).unwrap();
    std::fs::write(partial.join("commands.csv"), "half of i").unwrap();
    assert!(write("one") == two, "an earlier report shows through");
    let (code, _) = write_report(Path::new("/dev/null/report"), &[]);
    assert_eq!(
        code,
        Some(3),
        "a report that cannot be written is the verifier's own failure"
    );
}

#[test]
fn the_manifest_holds_the_digest_of_each_file_and_the_rows_of_each_table() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(write_report(directory.path(), &[]).0, Some(0));
    let files = tree(directory.path());
    let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len() + 1, files.len());
    let mut rows = BTreeMap::new();
    for file in listed {
        let name = file["name"].as_str().unwrap();
        let bytes = &files[name];
        assert_eq!(file["bytes"], bytes.len(), "{name}");
        assert_eq!(file["sha256"], hex::encode(Sha256::digest(bytes)), "{name}");
        if name.starts_with("tables/") {
            let mut csv = csv::Reader::from_reader(bytes.as_slice());
            let found = csv.records().map(Result::unwrap).count();
            assert_eq!(file["rows"], found, "{name}");
            rows.insert(name.to_owned(), found);
        }
        if name.ends_with(".ndjson") {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            assert_eq!(file["rows"], lines.count(), "{name}");
        }
    }
    let report: serde_json::Value = serde_json::from_slice(&files["report.json"]).unwrap();
    let events = |kind: &str| usize::try_from(report["evidence"]["events"][kind].as_u64().unwrap_or(0)).unwrap();
    for (table, kind) in [
        ("commands", "command"),
        ("sessions", "session-opened"),
        ("refused-logins", "login-refused"),
        ("approvals", "approval-requested"),
        ("approval-decisions", "approval-decided"),
        ("reviews", "review-signed"),
        ("report-signatures", "report-signed"),
        ("exception-notes", "exception-noted"),
        ("exception-closes", "exception-closed"),
        ("readings", "evidence-read"),
    ] {
        assert_eq!(rows[&format!("tables/{table}.csv")], events(kind), "{table}");
    }
    assert!(rows["tables/commands.csv"] > 5 && rows["tables/approval-decisions.csv"] > 2);
    assert_eq!(rows["tables/controls.csv"], 14);
}

#[test]
fn a_report_that_was_handed_over_is_checked() {
    let (bundle, trust) = paths();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("report");
    let options = ["--entity", "Clinic", "--period", "2023-11-14..2023-11-15"];
    assert_eq!(write_report(&out, &options).0, Some(0));
    let check = |bundle: &str, wanted: Option<i32>, lines: &[&str]| {
        let (code, text) = answer(&["report", bundle, "--keys", &trust, "--check", out.to_str().unwrap()]);
        assert_eq!(code, wanted, "{text}");
        for line in lines {
            assert!(text.contains(line), "{line}: {text}");
        }
    };
    check(&bundle, Some(0), &["SAME", "38 files"]);
    let keep = tree(&out);
    let restore = |name: &str| std::fs::write(out.join(name), &keep[name]).unwrap();
    // One thing after the other: a byte, a file less, a file more, another manifest.
    let mut bytes = keep["tables/commands.csv"].clone();
    bytes.push(b'\n');
    std::fs::write(out.join("tables/commands.csv"), bytes).unwrap();
    check(
        &bundle,
        Some(1),
        &["DIFFERS", "tables/commands.csv is not what the bundle gives"],
    );
    restore("tables/commands.csv");
    std::fs::remove_file(out.join("report.html")).unwrap();
    check(&bundle, Some(1), &["report.html is missing"]);
    restore("report.html");
    std::fs::create_dir(out.join("more")).unwrap();
    std::fs::write(out.join("more/page.html"), "<p>").unwrap();
    check(&bundle, Some(1), &["more/page.html is no file of this report"]);
    std::fs::remove_dir_all(out.join("more")).unwrap();
    let manifest = String::from_utf8(keep["manifest.json"].clone()).unwrap();
    std::fs::write(out.join("manifest.json"), manifest.replace("Clinic", "Hospital")).unwrap();
    check(
        &bundle,
        Some(1),
        &["report.html is not what", "manifest.json is not what"],
    );
    std::fs::write(out.join("manifest.json"), manifest.replace("\"0.1.0\"", "\"0.0.9\"")).unwrap();
    check(&bundle, Some(1), &["It was made by exhibit-verify 0.0.9"]);
    restore("manifest.json");
    check(&bundle, Some(0), &["SAME"]);
    // The report of another bundle.
    let other = changed();
    check(
        other.path().to_str().unwrap(),
        Some(1),
        &["DIFFERS", "report.json is not what"],
    );
    for no_manifest in ["{}", "{\"format\":\"exhibit-report-manifest/9\"}", ""] {
        std::fs::write(out.join("manifest.json"), no_manifest).unwrap();
        check(&bundle, Some(2), &[]);
    }
}

#[test]
fn of_a_record_that_is_not_sound_nothing_is_listed() {
    let (_, trust) = paths();
    let other = changed();
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    assert_eq!(write_report(directory.path(), &[]).0, Some(0)); // an earlier one, of which nothing may stay
    let (code, _) = answer(&["report", other.path().to_str().unwrap(), "--keys", &trust, "--out", out]);
    assert_eq!(code, Some(1));
    let files = tree(directory.path());
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    insta::assert_snapshot!("report_files_refused", names.join("\n"));
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("FROM patients"), "{name} lists a statement");
    }
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("thesis.txt"), "years").unwrap();
    std::fs::create_dir(directory.path().join(".partial")).unwrap();
    std::fs::write(directory.path().join(".partial/draft.txt"), "days").unwrap();
    let (code, _) = write_report(directory.path(), &[]);
    assert_eq!(code, Some(2));
    let files: Vec<_> = tree(directory.path()).into_keys().collect();
    assert_eq!(files, [".partial/draft.txt", "thesis.txt"]);
    // A manifest that anybody may have written removes nothing that stands elsewhere.
    let place = directory.path().join("report");
    assert_eq!(write_report(&place, &[]).0, Some(0));
    let path = place.join("manifest.json");
    let manifest = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, manifest.replace("tables/commands.csv", "../thesis.txt")).unwrap();
    write_report(&place, &[]);
    assert!(directory.path().join("thesis.txt").exists());
}

#[test]
fn samples_are_drawn_by_the_root_and_the_nonce() {
    let (bundle, trust) = paths();
    let directory = tempfile::tempdir().unwrap();
    let sample = |nonce: &str, more: &[&str]| {
        let mut arguments = vec!["sample", &bundle, "--keys", &trust, "--n", "5", "--nonce", nonce];
        arguments.extend(more);
        answer(&arguments)
    };
    let out = directory.path().to_str().unwrap();
    let nonce = "00112233445566778899";
    let (code, text) = sample(nonce, &["--control", "312.c.2", "--out", out]);
    assert_eq!(code, Some(0), "{text}");
    insta::assert_snapshot!("sample", text.replace(out, "DIR"));
    let (code, json) = sample(nonce, &["--control", "312.c.2", "--json"]);
    assert_eq!(code, Some(0));
    let said: serde_json::Value = serde_json::from_str(&json).unwrap();
    let root = hex::decode(said["root"].as_str().unwrap()).unwrap();
    // Computed here from the definition.
    let seed = Sha256::digest([root.as_slice(), &hex::decode(nonce).unwrap()].concat());
    assert_eq!(said["seed"], hex::encode(seed));
    let rank = |index: u64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&seed).unwrap();
        mac.update(format!("312.c.2:{index}").as_bytes());
        (hex::encode(mac.finalize().into_bytes()), index)
    };
    let mut all: Vec<_> = (0..said["size"].as_u64().unwrap()).map(rank).collect();
    all.sort();
    let drawn: Vec<_> = said["items"].as_array().unwrap().iter().collect();
    assert_eq!(drawn.len(), 5);
    for (item, (rank, index)) in drawn.iter().zip(&all) {
        assert_eq!(
            (item["rank"].as_str(), item["entry"].as_u64()),
            (Some(rank.as_str()), Some(*index))
        );
    }
    assert_ne!(sample("0011223344556677889a", &["--control", "312.c.2"]).1, text);
    let files: Vec<_> = tree(directory.path()).into_keys().collect();
    let name = format!("sample-312.c.2-{}", &hex::encode(seed)[..16]);
    assert_eq!(files, ["csv", "html", "json"].map(|ending| format!("{name}.{ending}")));
    for (control, nonce) in [("312", nonce), ("312.c.2", "00"), ("312.c.2", "0011223344556677889")] {
        assert_eq!(sample(nonce, &["--control", control]).0, Some(2), "{control} {nonce}");
    }
    // From a record that is not sound nothing is drawn.
    let other = changed();
    let (code, text) = answer(&[
        "sample",
        other.path().to_str().unwrap(),
        "--keys",
        &trust,
        "--control",
        "312.a.1",
        "--n",
        "5",
        "--nonce",
        nonce,
    ]);
    assert_eq!(code, Some(1));
    assert!(text.contains("no sample can be drawn"), "{text}");
}
