//! The page of a report in Debian's Chromium: nothing of it asks for anything or runs, and people read it whole, on every width, in both
//! themes, by keyboard, at twice the size and on paper.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use exhibit_tests::run;
use exhibit_verify::Period;

use crate::Checkers;
use crate::packages::{broken, hostile, november};

fn node(checkers: &Checkers, script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(checkers.root.join("tests/checkers/browser").join(script));
    command
}

/// The page of a log whose agents and people write what no page may take for its own, and which has exceptions.
fn page(place: &Path) -> std::path::PathBuf {
    hostile().report(Period::ALWAYS, place);
    place.join("report.html")
}

#[test]
fn pages_hold_to_what_browsers_and_people_need() {
    let checkers = Checkers::ready();
    let (place, refused, sampled) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    broken().report(november(), refused.path());
    let sample = sampled.path().join("sample.html");
    let mut file = std::fs::File::create(&sample).unwrap();
    file.write_all(hostile().sample().html().as_bytes()).unwrap();
    let mut check = node(&checkers, "check.js");
    check
        .arg(page(place.path()))
        .arg(refused.path().join("report.html"))
        .arg(sample);
    let said = run(&mut check).unwrap();
    assert_eq!(said.matches(": 11 checks hold").count(), 3, "{said}");
}

#[test]
fn every_mutant_of_a_page_is_refused() {
    let checkers = Checkers::ready();
    let place = tempfile::tempdir().unwrap();
    let said = run(node(&checkers, "test_check.js").arg(page(place.path()))).unwrap();
    assert!(said.contains("47 of 47 mutants refused for the right reason"), "{said}");
}
