//! The OSCAL of whole reports by validators that share no code with Exhibit: NIST's JSON schemas, the models of compliance-trestle,
//! and a check of what both leave out (`tests/checkers/python/oscal.py`).

use std::path::Path;
use std::process::Command;

use exhibit_schemas::event::{Body, Event};
use exhibit_tests::bundle_builder::clinic::{Clinic, LOG, ORIGIN, clinic};
use exhibit_tests::bundle_builder::{Files, checkpoint, files, write_tar};
use exhibit_tests::run;
use exhibit_verify::report::Report;
use exhibit_verify::report::oscal::{assessment_results, catalog};
use exhibit_verify::{Archive, Options, Outcome, Period, verify};

use super::Checkers;

/// Phrases that no output may hold, beside those that a report cannot come to say.
const NEVER: &[&str] = &[
    "compliant",
    "certified",
    "guarantee",
    "tamper-proof",
    "complete audit trail",
    "de-identified",
];

fn bundle(clinic: &Clinic) -> Files {
    let entries = clinic.plan.build().entries;
    files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors)
}

fn verified(bundle: &Files, period: Period) -> Outcome {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, bundle).unwrap();
    let archive = Archive::open(&path).unwrap();
    let options = Options {
        heads: &[],
        evidence: Some(period),
        progress: &mut |_| {},
    };
    verify(&archive, &clinic(1).anchors, options).unwrap()
}

/// A bundle whose commands were decided otherwise than its facts say: an error about what was done.
fn with_exceptions() -> Files {
    let mut clinic = clinic(6);
    let allowed = |event: &Event| matches!(&event.body, Body::Command(body) if body.outcome.as_str() == "allowed");
    for command in clinic.plan.find(allowed) {
        if let Body::Command(body) = &mut clinic.plan.event_mut(command).body {
            "another".clone_into(&mut body.decision.reason);
        }
    }
    bundle(&clinic)
}

/// A verified bundle with exceptions, by notes, beside what passes.
fn with_notes() -> Files {
    let mut clinic = clinic(6);
    clinic.plan.batches.pop();
    bundle(&clinic)
}

/// A bundle of which one bit of an entry was changed: its record is not sound.
fn broken() -> Files {
    let mut bundle = bundle(&clinic(6));
    let (_, entries) = bundle
        .iter_mut()
        .find(|(path, _)| path.starts_with("tile/entries/000"))
        .unwrap();
    let place = entries
        .windows(12)
        .position(|window| window == b"DELETE FROM ")
        .unwrap();
    entries[place] ^= 0x20;
    bundle
}

/// A bundle of which no event can be read.
fn unreadable() -> Files {
    let mut bundle = bundle(&clinic(1));
    bundle.retain(|path, _| !path.starts_with("tile/entries/"));
    bundle
}

fn write(report: &Report<'_>, directory: &Path) {
    let documents = [
        ("assessment-results.json", assessment_results(report)),
        ("catalog.json", catalog()),
    ];
    let documents = documents.map(|(name, document)| (name.to_owned(), document.into_bytes()));
    exhibit_tests::bundle_builder::write_directory(directory, &documents.into()).unwrap();
}

#[test]
fn validators_take_the_oscal_of_every_kind_of_report() {
    let checkers = Checkers::ready();
    let november = Period::parse("2023-11-01..2023-12-01").unwrap();
    let later = Period::parse("2990-01-01..9999-01-01").unwrap();
    for (name, bundle, period, wanted) in [
        ("verified", bundle(&clinic(24)), Period::ALWAYS, [8, 0, 14]),
        ("of a period", bundle(&clinic(24)), november, [8, 0, 14]),
        ("of a period without events", bundle(&clinic(24)), later, [2, 0, 14]),
        ("notes", with_notes(), Period::ALWAYS, [7, 1, 15]),
        ("exceptions", with_exceptions(), Period::ALWAYS, [0, 1, 15]),
        ("broken", broken(), Period::ALWAYS, [0, 1, 18]),
        ("unreadable", unreadable(), Period::ALWAYS, [0, 1, 15]),
        ("unreadable, of a period", unreadable(), november, [0, 1, 15]),
    ] {
        let outcome = verified(&bundle, period);
        let report = Report::of(&outcome).for_entity("A Clinic\n of <Springfield>");
        assert_eq!(report.cover.events.is_none(), name.starts_with("unreadable"), "{name}");
        let place = tempfile::tempdir().unwrap();
        write(&report, place.path());
        let said = run(Command::new(&checkers.oscal)
            .arg(checkers.root.join("tests/checkers/python/oscal.py"))
            .arg(place.path()))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        let [satisfied, not_satisfied, observations] = wanted;
        let wanted = format!("{satisfied} satisfied, {not_satisfied} not satisfied, {observations} observations;");
        assert!(said.starts_with(&wanted), "{name}: {said}");
        assert!(said.contains("compliance-trestle 5.2.0"), "{said}");
    }
}

#[test]
fn the_check_of_oscal_refuses_every_mutant() {
    let checkers = Checkers::ready();
    let outcome = verified(&with_notes(), Period::ALWAYS);
    let place = tempfile::tempdir().unwrap();
    write(&Report::of(&outcome), place.path());
    let said = run(Command::new(&checkers.oscal)
        .arg(checkers.root.join("tests/checkers/python/test_oscal.py"))
        .arg(place.path()))
    .unwrap();
    assert!(said.contains("36 of 36 mutants refused for the right reason"), "{said}");
}

#[test]
fn two_runs_give_the_same_bytes_and_claim_nothing() {
    for bundle in [bundle(&clinic(24)), with_exceptions(), broken()] {
        let (first, second) = (verified(&bundle, Period::ALWAYS), verified(&bundle, Period::ALWAYS));
        let document = assessment_results(&Report::of(&first));
        assert_eq!(document, assessment_results(&Report::of(&second)));
        for text in [document, catalog()] {
            assert!(text.ends_with("}\n"));
            let text = text.to_lowercase();
            assert_eq!(NEVER.iter().find(|phrase| text.contains(**phrase)), None);
        }
    }
}
