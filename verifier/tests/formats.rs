//! The documents of a report in other formats, whole, from lines that are made by hand. Checkers that are not ours hold the same
//! documents to the formats (`tests/tests/checkers/`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

#[path = "formats/lines.rs"]
mod lines;

use std::collections::BTreeSet;

use exhibit_verify::report::{fhir, ocsf};
use serde_json::Value;

use crate::lines::{about, accesses, audit_events, detections, of_pipeline, refused, rows, session};

fn events() -> Vec<Value> {
    let about = about();
    let of_commands = accesses()
        .into_iter()
        .flat_map(|access| audit_events(&access, &access.patients));
    of_commands
        .chain(refused().iter().map(|line| fhir::refused(&about, line)))
        .collect()
}

/// The time of a close, or of a report's end; lines do not hold it.
const THEN: &str = "2026-11-24T10:00:00.000000Z";

fn watched() -> Vec<Value> {
    let about = about();
    let mut events = vec![ocsf::opened(&about, &session()), ocsf::opened(&about, &of_pipeline())];
    events.extend(ocsf::closed(&about, &session()));
    events.extend(refused().iter().map(|line| ocsf::refused(&about, line)));
    events.extend(
        accesses()
            .iter()
            .map(|access| ocsf::command(&about, &access.session, &access.command)),
    );
    events.extend(detections().iter().map(|line| ocsf::detection(&about, line)));
    events.extend(rows().iter().filter_map(|row| ocsf::control(&about, row, THEN)));
    events
}

#[test]
fn a_report_as_events_of_ocsf() {
    insta::assert_json_snapshot!("ocsf", watched());
}

#[test]
fn what_was_not_closed_and_what_has_no_exception_is_no_event() {
    assert_eq!(ocsf::closed(&about(), &of_pipeline()), None);
    assert_eq!(
        rows()
            .iter()
            .filter_map(|row| ocsf::control(&about(), row, THEN))
            .count(),
        1
    );
}

#[test]
fn a_detection_names_the_event_of_its_command() {
    let events = watched();
    let uid = |class: u64| {
        let event = events.iter().find(|event| event["class_uid"] == class).unwrap();
        (
            event["metadata"]["uid"].clone(),
            event["finding_info"]["related_events"][0]["uid"].clone(),
        )
    };
    assert_eq!(uid(6005).0, uid(2006).1);
}

#[test]
fn no_token_of_a_patient_is_in_an_event_of_ocsf() {
    let text = serde_json::to_string(&watched()).unwrap();
    let mut tokens = accesses().into_iter().flat_map(|access| access.patients).peekable();
    assert!(tokens.peek().is_some());
    assert!(tokens.all(|token| !text.contains(&token)));
}

#[test]
fn accesses_as_audit_events() {
    insta::assert_json_snapshot!("fhir", events());
}

#[test]
fn the_same_line_gives_the_same_events_and_no_two_events_are_one() {
    assert_eq!((events(), watched()), (events(), watched()));
    let (events, watched) = (events(), watched());
    let ids = events.iter().map(|event| &event["id"]);
    let ids = ids.chain(watched.iter().map(|event| &event["metadata"]["uid"]));
    let ids: BTreeSet<_> = ids.map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len() + watched.len());
}

#[test]
fn patients_are_told_one_by_one_and_those_who_are_not_known_together() {
    let mut access = accesses().remove(0);
    let patients = |events: &[Value]| {
        let named = |event: &Value| {
            let entities = event["entity"].as_array().unwrap();
            let patient = entities.iter().find(|entity| entity["what"]["type"] == "Patient");
            patient.map(|patient| patient["what"]["identifier"]["value"].as_str().unwrap()[..2].to_owned())
        };
        events.iter().map(named).collect::<Vec<_>>()
    };
    let (one, two) = (Some("01".to_owned()), Some("02".to_owned()));
    for (counted, given, wanted) in [
        (Some(2), 3, vec![one.clone(), two.clone()]),
        (Some(3), 3, vec![one.clone(), two.clone(), None]),
        (None, 3, vec![one, two]),
        (None, 0, vec![None]),
        (Some(2), 0, vec![None]),
    ] {
        access.command.patients = counted;
        let given = access.patients.get(..given).unwrap();
        let events = audit_events(&access, given);
        assert_eq!(patients(&events), wanted, "{counted:?}");
    }
}

#[test]
fn the_event_of_a_patient_does_not_hang_on_who_else_there_was() {
    let mut many = 0;
    for mut access in accesses() {
        access.command.patients = None;
        let together = audit_events(&access, &access.patients);
        let tokens: BTreeSet<_> = access.patients.iter().cloned().collect();
        let apart = tokens
            .iter()
            .flat_map(|token| audit_events(&access, std::slice::from_ref(token)));
        if !tokens.is_empty() {
            assert_eq!(together, apart.collect::<Vec<_>>());
        }
        many += usize::from(tokens.len() > 1);
    }
    assert!(many > 0);
}
