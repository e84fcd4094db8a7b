//! A report and what people sign about it, on the whole system: the log has an exception, somebody is to mend it, somebody else says
//! that it is done with, a reviewer signs the report, and later bundles show all of it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_tests::stack::{APPROVER, Options, READER, Stack};
use exhibit_tests::{programs, write};
use serde_json::Value;

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// The system, and where reports and bundles go.
struct Story {
    stack: Stack,
    place: PathBuf,
}

impl Story {
    fn exhibit(&self, arguments: &[&str]) -> Output {
        self.stack.exhibit().unwrap().args(arguments).output().unwrap()
    }

    fn path(&self, name: &str) -> String {
        self.place.join(name).to_str().unwrap().to_owned()
    }

    /// Exports the log as it is.
    fn export(&self, name: &str) -> String {
        let bundle = self.path(name);
        let exported = self.exhibit(&["export", &bundle]);
        assert!(exported.status.success(), "{}", said(&exported));
        bundle
    }

    fn verify(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut verify = programs::command("exhibit-verify").unwrap();
        verify
            .arg("report")
            .args(arguments)
            .arg("--keys")
            .arg(self.stack.trust());
        let output = verify.output().unwrap();
        (output.status.code(), said(&output))
    }

    fn report(&self, bundle: &str, name: &str, more: &[&str]) -> (String, Value) {
        let out = self.path(name);
        let (code, told) = self.verify(&[&[bundle, "--out", &out], more].concat());
        assert_eq!(code, Some(0), "{told}");
        let json = std::fs::read(Path::new(&out).join("report.json")).unwrap();
        (out, serde_json::from_slice(&json).unwrap())
    }

    fn sign(&self, arguments: &[&str], key: &Path) -> Value {
        let key = key.to_str().unwrap();
        let output = self.exhibit(&[arguments, &["--key", key, "--yes", "--json"]].concat());
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The exceptions of a report's row of reviews.
fn exceptions(report: &Value) -> Vec<Value> {
    let rows = report["controls"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == "308.a.1.ii.D").unwrap();
    row["exceptions"].as_array().unwrap().clone()
}

/// A reviewer signs off her own readings, which speaks against the control of reviews.
fn begun() -> (tempfile::TempDir, Story) {
    let place = tempfile::tempdir().unwrap();
    let stack = Stack::start(&Options::new(&place.path().join("stack"))).unwrap();
    let story = Story {
        place: place.path().to_owned(),
        stack,
    };
    story.export("before");
    let period = format!("2026-01-01..{}", SystemClock.now());
    let review = ["review", "sign", "--period", &period, "--scope", "readings"];
    let reader = story.stack.reader_key();
    story.sign(&[&review[..], &["--finding", "nothing unusual"]].concat(), &reader);
    (place, story)
}

#[test]
fn a_report_is_signed_and_its_exception_is_noted_and_closed() {
    let (_place, story) = begun();
    let (reader, approver) = (story.stack.reader_key(), story.stack.approver_key());
    let (first, report) = story.report(&story.export("first"), "r1", &[]);
    let open = exceptions(&report);
    assert_eq!(
        (open.len(), &open[0]["cause"], &open[0]["state"]),
        (1, &"review-own".into(), &"open".into())
    );
    let id = open[0]["id"].as_str().unwrap();

    // It is listed by its name, and somebody is to mend it.
    let listed = story.exhibit(&["exception", "list", &first]);
    assert_eq!(listed.status.code(), Some(1), "one is open");
    assert!(said(&listed).contains(id), "{}", said(&listed));
    let note = [
        "exception",
        "note",
        &id[..6],
        "--report",
        &first,
        "--owner",
        "privacy office",
    ];
    let how = ["--remediation", "somebody else reviews", "--due", "2999-01-01"];
    let noted = story.sign(&[&note[..], &how].concat(), &reader);
    let signed = story.sign(&["report", "sign", &first, "--statement", "read whole"], &reader);
    assert_eq!(signed["size"], report["cover"]["size"]);

    // A later bundle says who signed the first report; the first one does not.
    let second = story.export("second");
    let (code, told) = story.verify(&[&second, "--signed", &first]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(&format!("SIGNED   by {READER}")) && told.contains("read whole"),
        "{told}"
    );
    let (code, told) = story.verify(&[&story.path("first"), "--signed", &first]);
    assert!(code == Some(1) && told.contains("UNSIGNED"), "{told}");

    // The next report stands on the first.
    let (later, report) = story.report(&second, "r2", &["--since", &first]);
    let handling = &exceptions(&report)[0];
    assert_eq!((&handling["id"], &handling["state"]), (&open[0]["id"], &"noted".into()));
    let (handling, due) = (&handling["handling"], "2999-01-01T00:00:00.000000Z");
    assert_eq!(
        (&handling["noted"], &handling["owner"]),
        (&noted["noted"], &"privacy office".into())
    );
    assert_eq!(handling["due"], due);
    let since = &report["since"];
    assert_eq!(since["events"]["exception-noted"], 1);
    assert_eq!(since["events"]["report-signed"], 1);
    assert_eq!(
        since["controls"][0]["handled"],
        serde_json::json!([[id, "open", "noted"]])
    );
    assert_eq!(since["manifest"], signed["manifest"]);
    let (code, told) = story.verify(&[&second, "--check", &later, "--since", &first]);
    assert!(code == Some(0) && told.contains("SAME"), "{told}");
    let (code, told) = story.verify(&[&second, "--check", &later]);
    assert!(
        code == Some(1) && told.contains("compared with an earlier report"),
        "{told}"
    );

    // Somebody else says that it is done with.
    let number = noted["noted"].to_string();
    let close = ["exception", "close", &number, "--report", &later, "--as", "remediated"];
    story.sign(
        &[&close[..], &["--statement", "reviewed by another"]].concat(),
        &approver,
    );
    let (last, report) = story.report(&story.export("third"), "r3", &["--since", &later]);
    let closed = &exceptions(&report)[0];
    let end = &closed["handling"]["end"];
    assert_eq!((&closed["state"], &end["person"]), (&"closed".into(), &APPROVER.into()));
    assert_eq!(
        (&end["disposition"], &end["own"]),
        (&"remediated".into(), &false.into())
    );
    assert_eq!(
        report["since"]["controls"][0]["handled"],
        serde_json::json!([[id, "noted", "closed"]])
    );
    let listed = story.exhibit(&["exception", "list", &last]);
    assert_eq!(listed.status.code(), Some(0), "{}", said(&listed));
    let page = std::fs::read_to_string(Path::new(&last).join("report.html")).unwrap();
    assert!(page.contains("Since the earlier report") && page.contains("reviewed by another"));
    that_is_not_so_is_refused(&story, &first, &last);
}

/// What was changed is not signed, and what is of another log is compared with nothing.
fn that_is_not_so_is_refused(story: &Story, first: &str, last: &str) {
    let refused = |arguments: &[&str], wanted: &str| {
        let output = story.exhibit(&[arguments, &["--yes"]].concat());
        assert!(!output.status.success(), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{}", said(&output));
    };
    let note = ["--owner", "o", "--remediation", "r"];
    let unknown = ["exception", "note", "zz", "--report", last];
    refused(&[&unknown[..], &note].concat(), "there is no exception `zz`");
    let close = [
        "exception",
        "close",
        "0",
        "--report",
        last,
        "--as",
        "accepted",
        "--statement",
        "s",
    ];
    refused(&close, "there is no note of an exception in the report `0`");

    let path = Path::new(first).join("manifest.json");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let root = serde_json::from_str::<Value>(&manifest).unwrap()["root"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = root.chars().rev().collect::<String>();
    write(&path, manifest.replace(&root, &other).as_bytes()).unwrap();
    let third = story.path("third");
    let (code, told) = story.verify(&[&third, "--out", &story.path("r4"), "--since", first]);
    assert!(
        code == Some(1) && told.contains("one of the two is not the log"),
        "{told}"
    );
    assert!(
        !Path::new(&story.path("r4")).join("manifest.json").exists(),
        "nothing is written"
    );
    let (code, told) = story.verify(&[&third, "--signed", first]);
    assert!(
        code == Some(1) && told.contains("This log is not the one of the report"),
        "{told}"
    );
    refused(&["report", "sign", first, "--statement", "s"], "has another root");
    write(&path, manifest.as_bytes()).unwrap();

    let table = Path::new(first).join("tables/commands.csv");
    write(&table, b"command\n").unwrap();
    refused(
        &["report", "sign", first, "--statement", "s"],
        "tables/commands.csv is not what",
    );
    let (code, told) = story.verify(&[&third, "--signed", first]);
    assert!(
        code == Some(1) && told.contains("SIGNED") && told.contains("DIFFERS"),
        "{told}"
    );
}
