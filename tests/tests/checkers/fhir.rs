//! The `AuditEvent`s of a report, held to FHIR R4 and IHE BALP by validators that are not ours.

use exhibit_tests::run;
use exhibit_verify::report::fhir;

use crate::lines::{about, accesses, audit_events, refused};
use crate::{Checkers, ndjson};

fn events() -> tempfile::NamedTempFile {
    let about = about();
    let of_commands = accesses()
        .into_iter()
        .flat_map(|access| audit_events(&access, &access.patients));
    ndjson(of_commands.chain(refused().iter().map(|line| fhir::refused(&about, line))))
}

#[test]
fn every_pattern_of_accesses_holds_to_fhir_and_balp() {
    let checkers = Checkers::ready();
    let said = run(checkers.script("python/fhir.py").arg(events().path())).unwrap();
    let patterns =
        "Create Delete PatientCreate PatientDelete PatientQuery PatientRead PatientUpdate Query Read Update none";
    assert!(said.contains(&format!("events hold: {patterns}")), "{said}");
}

#[test]
fn every_mutant_of_an_event_is_refused() {
    let checkers = Checkers::ready();
    let said = run(checkers.script("python/test_fhir.py").arg(events().path())).unwrap();
    assert!(said.contains("32 of 32 mutants refused for the right reason"), "{said}");
}
