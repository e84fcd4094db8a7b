//! Checkers that share no code with Exhibit read its bundles: Python (cbor2, cryptography) and Go (sumdb/note, sumdb/tlog). The
//! schema of policies is held against their reader by Python's `jsonschema`, and the documents of a report in other formats against
//! those formats, by validators of other people. `report.json` and its like are held to their schemas, and the tables of a whole package
//! to its workbook by `openpyxl`. Debian's Chromium shows its page.
//!
//! `tests/checkers/setup.sh` makes them, once, under `target/checkers`; without Python 3.11 or, the first time, without npm and
//! a package index, these tests fail. The mutants that each checker must refuse are its own `test_*.py`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "checkers/browser.rs"]
mod browser;
#[path = "checkers/fhir.rs"]
mod fhir;
#[path = "../../verifier/tests/formats/lines.rs"]
mod lines;
#[path = "checkers/ocsf.rs"]
mod ocsf;
#[path = "checkers/oscal.rs"]
mod oscal;
#[allow(dead_code, reason = "packages that the PDF is tested with, too")]
#[path = "checkers/packages.rs"]
mod packages;
#[allow(dead_code, reason = "plants of the verifier's tests, of which some are used here")]
#[path = "verifier/planted/plans.rs"]
mod plans;
#[path = "checkers/policy_schema.rs"]
mod policy_schema;
#[path = "checkers/report_schema.rs"]
mod report_schema;
#[path = "checkers/scoped.rs"]
mod scoped;
#[path = "checkers/workbook.rs"]
mod workbook;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use exhibit_tests::bundle_builder::clinic::{Clinic, LOG, ORIGIN, POLICY, SEALING, clinic, clinic_under};
use exhibit_tests::bundle_builder::{checkpoint, files, write_directory};
use exhibit_tests::run;

struct Checkers {
    root: PathBuf,
    python: PathBuf,
    oscal: PathBuf,
    go: PathBuf,
}

impl Checkers {
    /// Makes the checkers; one test at a time, in whichever process.
    fn ready() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let place = root.join("target/checkers");
        std::fs::create_dir_all(&place).unwrap();
        let lock = std::fs::File::create(place.join("lock")).unwrap();
        lock.lock().unwrap();
        run(Command::new("sh").arg(root.join("tests/checkers/setup.sh"))).unwrap();
        Self {
            python: place.join("venv/bin/python"),
            oscal: place.join("oscal/bin/python"),
            go: place.join("check-go"),
            root,
        }
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.root.join("tests/checkers").join(name));
        command
    }

    /// The bundle that `schemas/examples/bundle.rs` writes, in a directory of its own.
    fn example(&self) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "exhibit-schemas",
            "--example",
            "bundle",
            "--",
        ]);
        run(cargo.arg(place.path()).current_dir(&self.root)).unwrap();
        place
    }
}

/// A file with a document on each line.
fn ndjson(documents: impl Iterator<Item = serde_json::Value>) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for document in documents {
        writeln!(file, "{document}").unwrap();
    }
    file
}

#[test]
fn both_checkers_take_a_log_with_every_kind_of_work() {
    let checkers = Checkers::ready();
    for clinic in [clinic(24), clinic_under(&format!("{POLICY}{SEALING}"), 24)] {
        taken(&checkers, &clinic);
    }
}

fn taken(checkers: &Checkers, clinic: &Clinic) {
    let entries = clinic.plan.build().entries;
    let note = checkpoint(&entries, ORIGIN, LOG);
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle");
    write_directory(&bundle, &files(&entries, note.note(), &clinic.anchors)).unwrap();
    let trust = bundle.join("trust.toml");
    let root = format!("root {}", note.root());
    let python = run(checkers.script("python/check.py").arg(&bundle).arg(&trust)).unwrap();
    assert!(python.contains(&format!(" {} entries", entries.len())), "{python}");
    assert!(python.contains(&root), "{python}");
    let go = run(Command::new(&checkers.go).arg(&bundle).arg(&trust)).unwrap();
    assert!(go.starts_with(&format!("{} entries", entries.len())), "{go}");
    assert!(go.contains(&root), "{go}");
}

#[test]
fn the_python_checker_refuses_every_mutant() {
    let checkers = Checkers::ready();
    let bundle = checkers.example();
    let said = run(checkers.script("python/test_check.py").arg(bundle.path())).unwrap();
    assert!(said.contains("27 of 27 mutants refused for the right reason"), "{said}");
}

#[test]
fn the_go_checker_refuses_every_mutant() {
    let checkers = Checkers::ready();
    let bundle = checkers.example();
    let said = run(checkers.script("go/test_main.py").arg(&checkers.go).arg(bundle.path())).unwrap();
    assert!(said.contains("30 of 30 mutants refused for the right reason"), "{said}");
}
