//! A log of two years from a real ledger: its report counts what was put in, however little of it the page shows.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use exhibit_tests::programs;
use exhibit_tests::two_years::{Counts, Order, make};

/// Events of the log: enough for more commands than the report keeps ([`exhibit_verify::evidence::LINES_MAX`]).
const EVENTS: u64 = 20_500;

/// What a page may have at the most.
const PAGE_BYTES_MAX: u64 = 5_000_000;

fn verifier(directory: &Path, wanted: &[&str]) -> String {
    let mut command = Command::new(programs::path("exhibit-verify").unwrap());
    command
        .arg("report")
        .arg(directory.join("bundle"))
        .arg("--keys")
        .arg(directory.join("trust.toml"));
    let ran = command.args(wanted).output().unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{wanted:?}: {said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    said
}

/// How many rows each table must have.
fn tables(counts: &Counts) -> BTreeMap<&'static str, u64> {
    [
        ("controls", 14),
        ("exceptions", 0),
        ("findings", 0),
        ("sessions", counts.of("session-opened")),
        ("refused-logins", counts.of("login-refused")),
        ("commands", counts.of("command")),
        ("approvals", counts.of("approval-requested")),
        ("approval-decisions", counts.of("approval-decided")),
        ("detections", counts.of("detection")),
        ("reveals", 0),
        ("readings", counts.of("evidence-read")),
        ("reviews", counts.of("review-signed")),
        ("review-periods", counts.periods_over),
        ("emergencies", 0),
        ("observed-rules", 0),
        ("policies", counts.policies),
        ("policies-in-force", counts.policy_terms),
        ("keys", counts.keys),
    ]
    .into()
}

/// How many there must be of each control's population.
fn populations(counts: &Counts) -> BTreeMap<&'static str, u64> {
    let sessions = counts.of("session-opened");
    [
        ("312.a.1", counts.of("command") + counts.of("approval-requested")),
        ("312.a.2.i", sessions),
        ("312.a.2.ii", 0),
        ("312.a.2.iii", sessions),
        ("312.b", sessions),
        ("308.a.1.ii.D", counts.periods_over + counts.of("review-signed")),
        ("312.c.2", counts.entries),
        ("308.a.4", counts.outcome("approved")),
        ("308.a.3.ii.C", 1),
        ("308.a.5.ii.C", counts.refused_logins),
        ("502.b", counts.replies_with_rows),
        ("514.b", 0),
        ("316.b.2.i", counts.policies),
        ("528", 0),
    ]
    .into()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every file below a directory.
fn files(directory: &Path, of: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(of).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(directory, &path, into);
        } else {
            let name = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
            into.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_report_counts_what_was_put_into_a_log_that_is_longer_than_its_page() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path();
    let counts = make(
        Order {
            events: EVENTS,
            seed: 7,
        },
        directory,
    )
    .unwrap();
    assert!(counts.all_events() >= EVENTS);
    let kept = u64::try_from(exhibit_verify::evidence::LINES_MAX).unwrap();
    assert!(counts.of("command") > kept, "{counts:?}");
    for outcome in ["allowed", "approved", "denied", "refused", "expired"] {
        assert!(counts.outcome(outcome) > 0, "{outcome}: {counts:?}");
    }

    let report = reported(directory);
    let said = verifier(directory, &["--check", report.to_str().unwrap()]);
    assert!(said.contains("SAME"), "{said}");
    let page = std::fs::metadata(report.join("report.html")).unwrap().len();
    assert!(page < PAGE_BYTES_MAX, "{page} bytes");
    has_tables(&report, &counts);

    let wanted = populations(&counts);
    let report = json(&report.join("report.json"));
    let rows = report["controls"].as_array().unwrap();
    assert_eq!(rows.len(), wanted.len());
    for row in rows {
        let id = row["id"].as_str().unwrap();
        assert_eq!(row["count"].as_u64(), Some(wanted[id]), "{id}");
        assert!(row["state"] != "exception", "{row}");
    }
}

/// Writes the report of a log beside it.
fn reported(directory: &Path) -> PathBuf {
    let report = directory.join("report");
    let said = verifier(directory, &["--strict", "--out", report.to_str().unwrap()]);
    assert!(said.contains("VERIFIED"), "{said}");
    report
}

/// Every table has the rows that it must, and the manifest says so.
fn has_tables(report: &Path, counts: &Counts) {
    let manifest = json(&report.join("manifest.json"));
    let files = manifest["files"].as_array().unwrap().iter();
    let rows: BTreeMap<_, _> = files
        .map(|file| (file["name"].as_str().unwrap(), file["rows"].as_u64()))
        .collect();
    for (table, wanted) in tables(counts) {
        let name = format!("tables/{table}.csv");
        assert_eq!(rows[name.as_str()], Some(wanted), "{name}");
        let table = csv::Reader::from_path(report.join(&name)).unwrap();
        let read = table.into_records().map(Result::unwrap).count();
        assert_eq!(u64::try_from(read), Ok(wanted), "{name}");
    }
    assert_eq!(commands(&report.join("tables/commands.csv")), counts.commands);
}

/// Commands by outcome, as the table has them.
fn commands(table: &Path) -> BTreeMap<String, u64> {
    let mut table = csv::Reader::from_path(table).unwrap();
    let column = table
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "outcome")
        .unwrap();
    let mut outcomes = BTreeMap::new();
    for row in table.records() {
        *outcomes.entry(row.unwrap()[column].to_owned()).or_default() += 1;
    }
    outcomes
}

#[test]
fn an_order_gives_the_same_log_and_the_same_report_again_and_another_seed_gives_others() {
    let place = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for (name, seed) in [("one", 1), ("again", 1), ("other", 2)] {
        let directory = place.path().join(name);
        let counts = make(Order { events: 1_000, seed }, &directory).unwrap();
        reported(&directory);
        let (mut bundle, mut report) = (BTreeMap::new(), BTreeMap::new());
        files(&directory, &directory.join("bundle"), &mut bundle);
        files(&directory, &directory.join("report"), &mut report);
        made.push((counts, bundle, report));
    }
    assert!(made[0].1 == made[1].1, "the same order, and another log");
    assert!(made[0].2 == made[1].2, "the same log, and another report");
    assert_eq!(made[0].0, made[1].0);
    assert!(
        made[0].1 != made[2].1 && made[0].2 != made[2].2,
        "another seed, and the same log"
    );
}
