//! The documents as values: what is said of each state of a row, the limits, and that nothing dangles. Validators of OSCAL read
//! them in `tests/tests/checkers/oscal.rs`.

use std::collections::BTreeSet;

use exhibit_schemas::event::Timestamp;
use serde_json::Value;

use super::row::LISTED_MAX;
use super::{assessment_results, catalog};
use crate::census::Exception;
use crate::finding::{Code, Finding, Place};
use crate::period::{Period, Span};
use crate::report::control::Control;
use crate::report::handling::ExceptionLine;
use crate::report::matrix::{Row, State};
use crate::report::{Cover, LIMITS, REPORT_FORMAT, Report};
use crate::summary::FindingLine;

/// A cover of a log of ten entries.
pub(super) fn cover() -> Cover {
    Cover {
        format: REPORT_FORMAT,
        result: "verified",
        record: "verified",
        entity: None,
        period: Period::ALWAYS,
        origin: "exhibit.example/log".to_owned(),
        size: 10,
        events: Some(Span {
            first: Timestamp(1_700_000_000_000_000),
            last: Timestamp(1_700_000_100_000_000),
        }),
        root: Some("00".repeat(32)),
        log_key: "exhibit.example/log+00000000+key".to_owned(),
        verifier: "0.0.0",
        verifier_sha256: None,
        heads: 0,
        errors: 0,
        notes: 0,
        limits: &LIMITS,
        scoped: None,
    }
}

fn row(control: Control, state: State, exceptions: usize, not_listed: u64) -> Row {
    let definition = control.definition();
    Row {
        id: definition.id,
        cite: definition.cite,
        title: definition.title,
        population: definition.population,
        query: definition.query,
        count: 7,
        test: definition.test,
        strength: definition.strength,
        cannot_show: definition.cannot_show,
        state,
        result: "what the test came to".to_owned(),
        exceptions: (0..exceptions)
            .map(|index| Exception {
                index: u64::try_from(index).ok(),
                cause: if index % 2 == 0 { "session-open" } else { "idle-longer" }.to_owned(),
                detail: "of <role> a_b".to_owned(),
            })
            .map(|exception| ExceptionLine::open(definition.id, exception))
            .collect(),
        not_listed,
        months: std::collections::BTreeMap::new(),
    }
}

fn report(controls: Vec<Row>) -> Report<'static> {
    Report {
        since: None,
        cover: cover(),
        controls,
        figures: None,
        findings: Vec::new(),
        evidence: None,
    }
}

/// All states, on controls of each strength.
fn mixed() -> Report<'static> {
    report(vec![
        row(Control::Access, State::Pass, 0, 0),
        row(Control::Logoff, State::Pass, 0, 0),
        row(Control::Audit, State::Exception, 3, 2),
        row(Control::Emergency, State::NoPopulation, 0, 0),
        row(Control::Disclosures, State::NotTested, 0, 0),
    ])
}

fn read(report: &Report<'_>) -> Value {
    serde_json::from_str(&assessment_results(report)).unwrap()
}

fn list<'a>(document: &'a Value, name: &str) -> &'a [Value] {
    let found = document["assessment-results"]["results"][0][name].as_array();
    found.map_or(&[], Vec::as_slice)
}

/// The value of a property of ours.
fn property<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    let all = of["props"].as_array()?;
    all.iter().find(|one| one["name"] == name)?["value"].as_str()
}

#[test]
fn a_row_has_a_finding_where_it_has_a_conclusion_and_always_an_observation() {
    let document = read(&mixed());
    let findings: Vec<_> = list(&document, "findings")
        .iter()
        .map(|finding| {
            let target = &finding["target"];
            (
                target["target-id"].as_str().unwrap(),
                target["status"]["state"].as_str().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("hipaa-164.312-a.1_obj", "satisfied"),
        ("hipaa-164.312-a.2.iii_obj", "satisfied"),
        ("hipaa-164.312-b_obj", "not-satisfied"),
    ];
    assert_eq!(findings, wanted);
    let states: Vec<_> = list(&document, "observations")
        .iter()
        .filter_map(|observation| {
            Some((
                property(observation, "control-id")?,
                property(observation, "row-state")?,
            ))
        })
        .collect();
    let wanted = [
        ("hipaa-164.312-a.1", "pass"),
        ("hipaa-164.312-a.2.iii", "pass"),
        ("hipaa-164.312-b", "exception"),
        ("hipaa-164.312-a.2.ii", "no-population"),
        ("hipaa-164.528", "not-tested"),
    ];
    assert_eq!(states, wanted);
}

#[test]
fn a_pass_on_partial_evidence_says_so_wherever_its_state_is_read() {
    let document = read(&mixed());
    for finding in list(&document, "findings") {
        let partial = property(finding, "evidence-strength") != Some("strong");
        for text in [&finding["description"], &finding["target"]["status"]["remarks"]] {
            assert_eq!(
                text.as_str().unwrap().contains("The evidence is partial"),
                partial,
                "{finding}"
            );
        }
    }
    let of = |id: &str| {
        list(&document, "findings")
            .iter()
            .find(|one| one["target"]["target-id"] == id)
            .unwrap()
    };
    assert_eq!(
        property(of("hipaa-164.312-a.2.iii_obj"), "evidence-strength"),
        Some("partial")
    );
    // No row without evidence can pass today; were one to, its finding would say that.
    let none = read(&report(vec![row(Control::Disclosures, State::Pass, 0, 0)]));
    assert!(
        list(&none, "findings")[0]["description"]
            .as_str()
            .unwrap()
            .contains("The evidence is partial")
    );
}

#[test]
fn exceptions_are_evidence_of_their_cause_by_entry() {
    let document = read(&mixed());
    let causes: Vec<_> = list(&document, "observations")
        .iter()
        .filter_map(|observation| {
            let cause = property(observation, "cause")?;
            let evidence = observation["relevant-evidence"].as_array()?;
            let fragment = |one: &Value| one["links"][0]["resource-fragment"].as_str().unwrap().to_owned();
            Some((
                cause,
                evidence.iter().map(fragment).collect::<Vec<_>>(),
                evidence[0]["description"].clone(),
            ))
        })
        .collect();
    let [(first, of_first, detail), (second, of_second, _)] = &causes[..] else {
        panic!("two causes were given: {causes:?}");
    };
    assert_eq!((*first, *second), ("idle-longer", "session-open"));
    assert_eq!(
        (of_first.join(" "), of_second.join(" ")),
        ("entry-1".into(), "entry-0 entry-2".into())
    );
    assert_eq!(detail, r"Entry 1: of \<role\> a\_b");
    let finding = &list(&document, "findings")[2];
    assert_eq!(finding["related-observations"].as_array().unwrap().len(), 3);
}

#[test]
fn exceptions_past_the_limit_are_counted() {
    for (exceptions, not_listed, wanted) in [
        (LISTED_MAX, 0, ("1000", "0")),
        (LISTED_MAX + 1, 0, ("1000", "1")),
        (LISTED_MAX + 1, 4, ("1000", "5")),
        (2, u64::MAX, ("2", "18446744073709551615")),
    ] {
        let document = read(&report(vec![row(
            Control::Audit,
            State::Exception,
            exceptions,
            not_listed,
        )]));
        let finding = &list(&document, "findings")[0];
        let said = ["exceptions-listed", "exceptions-not-listed"].map(|name| property(finding, name).unwrap());
        assert_eq!(said, [wanted.0, wanted.1]);
        let evidence: usize = list(&document, "observations")
            .iter()
            .filter(|observation| property(observation, "cause").is_some())
            .map(|observation| observation["relevant-evidence"].as_array().unwrap().len())
            .sum();
        assert_eq!(evidence, exceptions.min(LISTED_MAX));
    }
}

#[test]
fn uuids_are_distinct_and_those_of_another_report_are_others() {
    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("uuid").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let uuids = |report: &Report<'_>| {
        let mut found = Vec::new();
        collect(&read(report), &mut found);
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(distinct.len(), found.len());
        distinct
    };
    let first = uuids(&mixed());
    assert_eq!(first, uuids(&mixed()), "the same report");
    let found = |detail: &str| {
        FindingLine::of(&Finding {
            code: Code::SealRoot,
            place: Place::Bundle,
            detail: detail.to_owned(),
        })
    };
    let changes: [fn(&mut Report<'static>); 6] = [
        |report| report.cover.root = Some("11".repeat(32)),
        |report| report.cover.root = None,
        |report| report.cover.period = Period::parse("2026-11-01..2026-12-01").unwrap(),
        |report| report.cover.entity = Some("A Clinic".to_owned()),
        |report| report.cover.size = 11,
        |report| report.cover.heads = 1,
    ];
    let mut all = vec![first];
    for change in changes {
        let mut other = mixed();
        change(&mut other);
        all.push(uuids(&other));
    }
    for detail in ["a", "b"] {
        let mut refused = mixed();
        refused.cover.root = None;
        refused.findings.push(found(detail));
        all.push(uuids(&refused));
    }
    let distinct: BTreeSet<_> = all.iter().flatten().collect();
    assert_eq!(
        distinct.len(),
        all.iter().map(BTreeSet::len).sum::<usize>(),
        "none in two reports"
    );
}

#[test]
fn the_caller_s_name_of_the_entity_is_a_line() {
    for (entity, wanted) in [("A\n Clinic ", "A Clinic"), (" ", "(blank)")] {
        let document = read(&mixed().for_entity(entity));
        assert_eq!(document["assessment-results"]["metadata"]["parties"][0]["name"], wanted);
    }
}

/// Definitions are written as they are into texts that are Markdown.
#[test]
fn definitions_hold_no_markup() {
    for control in Control::ALL {
        let definition = control.definition();
        for text in [
            definition.title,
            definition.population,
            definition.test,
            definition.cannot_show,
        ] {
            assert_eq!(super::text::Line::of(text).escaped(), text);
        }
    }
}

#[test]
fn the_catalog_holds_each_control_once() {
    let document: Value = serde_json::from_str(&catalog()).unwrap();
    let groups = document["catalog"]["groups"].as_array().unwrap();
    let ids: BTreeSet<_> = groups
        .iter()
        .flat_map(|group| group["controls"].as_array().unwrap())
        .map(|control| control["id"].as_str().unwrap().to_owned())
        .collect();
    let wanted: BTreeSet<_> = Control::ALL
        .iter()
        .map(|control| super::control_id(control.definition().id))
        .collect();
    assert_eq!(ids, wanted);
    assert_eq!(ids.len(), 14);
    assert!(ids.contains("hipaa-164.312-b") && ids.contains("hipaa-164.528"));
}

#[test]
fn the_documents_are_what_they_were() {
    insta::assert_snapshot!("catalog", catalog());
    insta::assert_snapshot!(
        "assessment_results",
        assessment_results(&mixed().for_entity("A Clinic"))
    );
}
