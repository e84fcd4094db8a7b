//! The documents of a report in other formats, whole, from lines that are made by hand. Checkers that are not ours hold the same
//! documents to the formats (`tests/tests/checkers/`).

#[path = "formats/lines.rs"]
mod lines;

use std::collections::BTreeSet;

use exhibit_verify::report::fhir;
use serde_json::Value;

use crate::lines::{about, accesses, refused};

fn events() -> Vec<Value> {
    let about = about();
    let of_commands = accesses()
        .into_iter()
        .flat_map(|access| fhir::command(&about, &access.session, &access.command, &access.patients));
    of_commands
        .chain(refused().iter().map(|line| fhir::refused(&about, line)))
        .collect()
}

#[test]
fn accesses_as_audit_events() {
    insta::assert_json_snapshot!("fhir", events());
}

#[test]
fn the_same_line_gives_the_same_events_and_no_two_events_are_one() {
    let (events, again) = (events(), events());
    assert_eq!(events, again);
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn patients_are_told_one_by_one_and_those_who_are_not_known_together() {
    let about = about();
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
        let events = fhir::command(&about, &access.session, &access.command, given);
        assert_eq!(patients(&events), wanted, "{counted:?}");
    }
}
