//! The events of a report, held to the schema of OCSF by a validator that is not ours.

use exhibit_tests::run;
use exhibit_verify::report::ocsf;

use crate::lines::{about, accesses, detections, of_pipeline, refused, rows, session};
use crate::{Checkers, ndjson};

/// The time of a report's end, which rows do not hold.
const THEN: &str = "2026-11-24T10:00:00.000000Z";

fn events() -> tempfile::NamedTempFile {
    let about = about();
    let mut events = vec![ocsf::opened(&about, &session()), ocsf::opened(&about, &of_pipeline())];
    events.extend(ocsf::closed(&about, &session()));
    events.extend(refused().iter().map(|line| ocsf::refused(&about, line)));
    let commands = accesses();
    let commands = commands.iter();
    events.extend(commands.map(|access| ocsf::command(&about, &access.session, &access.command)));
    events.extend(detections().iter().map(|line| ocsf::detection(&about, line)));
    events.extend(rows().iter().filter_map(|row| ocsf::control(&about, row, THEN)));
    ndjson(events.into_iter())
}

#[test]
fn every_class_of_events_holds_to_ocsf() {
    let checkers = Checkers::ready();
    let said = run(checkers.script("python/ocsf.py").arg(events().path())).unwrap();
    assert!(said.contains("events hold: 2003 2006 3002 6003 6005"), "{said}");
}

#[test]
fn every_mutant_of_an_event_is_refused() {
    let checkers = Checkers::ready();
    let said = run(checkers.script("python/test_ocsf.py").arg(events().path())).unwrap();
    assert!(said.contains("33 of 33 mutants refused for the right reason"), "{said}");
}
