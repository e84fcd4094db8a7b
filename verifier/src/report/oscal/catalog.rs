//! The catalog of the fourteen controls: what each test is, for findings to point at.
//!
//! No catalog of the provisions is published in OSCAL that we know of, so this one comes with the report. It names the
//! provisions and describes our tests; the text of the regulation is not in it. A finding's target is a control's
//! `assessment-objective`, which is the test and no more.

use exhibit_schemas::event::Timestamp;
use serde::Serialize;

use super::dates::Date;
use super::identifier::{Identifier, NAMESPACE, Names};
use super::model::{Metadata, Property};
use crate::report::control::{Control, Definition};

/// When the controls were written as they are: 2026-11-29T00:00:00Z. To be moved on with [`VERSION`] when one changes.
const WRITTEN: Timestamp = Timestamp(1_795_910_400_000_000);

/// Revision of the controls.
const VERSION: &str = "1";

/// Subparts of 45 CFR Part 164, with the digit that their sections begin with.
const SUBPARTS: [(&str, &str, char); 2] = [
    ("subpart-c", "45 CFR Part 164, Subpart C: Security Standards", '3'),
    (
        "subpart-e",
        "45 CFR Part 164, Subpart E: Privacy of Health Information",
        '5',
    ),
];

const REMARKS: &str = "Names provisions of 45 CFR Part 164 and describes tests of the log of an access gateway. The text of the \
    regulation is not repeated and holds alone. That an objective is satisfied says that its test found no exception in one \
    log; whether a provision is met is for the assessor to conclude.";

/// `catalog`.
#[derive(Debug, Serialize)]
pub(super) struct Catalog {
    uuid: Identifier,
    metadata: Metadata,
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    id: &'static str,
    title: &'static str,
    controls: Vec<ControlEntry>,
}

#[derive(Debug, Serialize)]
struct ControlEntry {
    id: String,
    title: &'static str,
    props: Vec<Property>,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    id: String,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ns: Option<&'static str>,
    prose: String,
}

/// The catalog.
pub(super) fn catalog() -> Catalog {
    let groups = SUBPARTS.map(|(id, title, digit)| Group {
        id,
        title,
        controls: Control::ALL
            .iter()
            .map(|control| control.definition())
            .filter(|definition| definition.id.starts_with(digit))
            .map(|definition| entry(&definition))
            .collect(),
    });
    Catalog {
        uuid: Names::of(&("catalog", VERSION, &groups)).identifier("document"),
        metadata: Metadata::of("Controls that Exhibit tests", Date::of(WRITTEN), VERSION, REMARKS),
        groups: groups.into(),
    }
}

/// A control's id in the catalog: `hipaa-164.312-b` of `312.b`.
pub(super) fn control_id(id: &str) -> String {
    match id.split_once('.') {
        Some((section, paragraph)) => format!("hipaa-164.{section}-{paragraph}"),
        None => format!("hipaa-164.{id}"),
    }
}

/// The id of a control's objective, which a finding points at.
pub(super) fn objective_id(id: &str) -> String {
    format!("{}_obj", control_id(id))
}

/// What a test is, in a sentence.
pub(super) fn test(test: &str) -> String {
    match test {
        "none" => "There is no test.".to_owned(),
        test => format!("Test of each: {test}."),
    }
}

fn entry(definition: &Definition) -> ControlEntry {
    let id = control_id(definition.id);
    let part = |suffix: &str, name, ns, prose| Part {
        id: format!("{id}_{suffix}"),
        name,
        ns,
        prose,
    };
    let statement = format!(
        "{}, 45 CFR {}. The text of the regulation is not repeated here.",
        definition.title, definition.cite
    );
    let objective = format!("Population: {}. {}", definition.population, test(definition.test));
    let own = Some(NAMESPACE);
    ControlEntry {
        title: definition.title,
        props: vec![
            Property::of_oscal("label", definition.cite),
            Property::of("row", &definition.id),
            Property::of("query", &definition.query),
            Property::of("evidence-strength", &definition.strength.as_str()),
        ],
        parts: vec![
            part("smt", "statement", None, statement),
            part("obj", "assessment-objective", None, objective),
            part(
                "limits",
                "not-shown",
                own,
                format!("The log cannot show: {}.", definition.cannot_show),
            ),
        ],
        id,
    }
}
