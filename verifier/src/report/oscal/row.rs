//! What a row of the control matrix becomes: one observation of the row, one for each cause of exceptions, and a finding where
//! the row has a conclusion.
//!
//! A row without a population or without a test is an observation and no finding, because OSCAL's states are only `satisfied` and
//! `not-satisfied`. Evidence is an entry of the bundle, by its index.

use std::collections::BTreeMap;

use super::catalog::{control_id, objective_id, test};
use super::dates::Date;
use super::identifier::{Identifier, Names};
use super::model::{
    Actor, Finding, Link, Observation, Origin, Property, RelatedObservation, RelevantEvidence, Status, Target,
};
use super::text::Line;
use crate::finding::Code;
use crate::report::control::Strength;
use crate::report::handling::ExceptionLine;
use crate::report::matrix::{Row, State};

/// Exceptions of one row that are listed; the rest is counted. A person reads no more, and `report.json` lists more of them.
pub(super) const LISTED_MAX: usize = 1_000;

/// What all rows of a report share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) names: Names,
    /// The resource that is the bundle.
    pub(super) bundle: Identifier,
    /// The component that is the verifier.
    pub(super) tool: Identifier,
    /// Until when evidence was collected.
    pub(super) collected: Date,
}

impl Rows {
    /// The observations of a row, the one of the row first.
    pub(super) fn observations(self, row: &Row) -> Vec<Observation> {
        let mut by_cause: BTreeMap<&str, Vec<&ExceptionLine>> = BTreeMap::new();
        for exception in row.exceptions.iter().take(LISTED_MAX) {
            by_cause.entry(&exception.cause).or_default().push(exception);
        }
        let causes = by_cause.iter().map(|(cause, of)| self.cause(row, cause, of));
        std::iter::once(self.row(row)).chain(causes).collect()
    }

    /// The finding of a row, where it has a conclusion, with the observations that it stands on.
    pub(super) fn finding(self, row: &Row, observations: &[Observation]) -> Option<Finding> {
        let (state, reason) = match row.state {
            State::Pass => ("satisfied", "pass"),
            State::Exception => ("not-satisfied", "fail"),
            State::NoPopulation | State::NotTested => return None,
        };
        let related = observations.iter().map(|observation| RelatedObservation {
            observation_uuid: observation.uuid,
        });
        Some(Finding {
            uuid: self.names.identifier(&format!("finding/{}", row.id)),
            title: title(row),
            description: format!("{} {}", described(row), carried(row.strength)),
            props: properties(row),
            origins: self.origins(),
            target: Target {
                kind: "objective-id",
                id: objective_id(row.id),
                status: Status {
                    state,
                    reason,
                    remarks: carried(row.strength),
                },
            },
            related_observations: related.collect(),
        })
    }

    fn row(self, row: &Row) -> Observation {
        let method = match row.state {
            State::Pass | State::Exception => "TEST",
            State::NoPopulation | State::NotTested => "EXAMINE",
        };
        let population = RelevantEvidence {
            href: self.bundle.reference(),
            description: "The population is in the bundle; the property query selects it.".to_owned(),
            props: Vec::new(),
            links: Vec::new(),
        };
        Observation {
            uuid: self.names.identifier(&format!("row/{}", row.id)),
            title: title(row),
            description: described(row),
            props: properties(row),
            methods: [method],
            types: ["control-objective"],
            origins: self.origins(),
            relevant_evidence: (row.count > 0).then_some(population).into_iter().collect(),
            collected: self.collected,
        }
    }

    fn cause(self, row: &Row, cause: &str, exceptions: &[&ExceptionLine]) -> Observation {
        let known = Code::ALL.iter().find(|code| code.as_str() == cause);
        let meaning = known.map_or(String::new(), |code| format!(" It means: {}.", code.meaning()));
        Observation {
            uuid: self.names.identifier(&format!("row/{}/{cause}", row.id)),
            title: format!("{}: {cause}", row.cite),
            description: format!("Exceptions of the cause {cause}, each with its entry.{meaning}"),
            props: vec![
                Property::of("control-id", &control_id(row.id)),
                Property::of("cause", &cause),
                Property::of("exceptions-listed", &exceptions.len()),
            ],
            methods: ["TEST"],
            types: ["finding"],
            origins: self.origins(),
            relevant_evidence: exceptions.iter().map(|exception| self.evidence(exception)).collect(),
            collected: self.collected,
        }
    }

    fn evidence(self, exception: &ExceptionLine) -> RelevantEvidence {
        let detail = Line::of(&exception.detail).escaped();
        let href = self.bundle.reference();
        match exception.index {
            Some(index) => RelevantEvidence {
                description: format!("Entry {index}: {detail}"),
                props: vec![Property::of("entry", &index)],
                links: vec![Link {
                    href: href.clone(),
                    rel: "reference",
                    resource_fragment: Some(format!("entry-{index}")),
                }],
                href,
            },
            None => RelevantEvidence {
                description: format!("The bundle: {detail}"),
                props: Vec::new(),
                links: Vec::new(),
                href,
            },
        }
    }

    fn origins(self) -> [Origin; 1] {
        [Origin {
            actors: [Actor {
                kind: "tool",
                actor_uuid: self.tool,
            }],
        }]
    }
}

fn title(row: &Row) -> String {
    format!("{}: {}", row.cite, row.title)
}

fn described(row: &Row) -> String {
    let (test, result) = (test(row.test), Line::of(&row.result).escaped());
    format!(
        "Population: {}. {test} Result: {result}. The log cannot show: {}.",
        row.population, row.cannot_show
    )
}

/// How far a finding's evidence carries its control.
const fn carried(strength: Strength) -> &'static str {
    match strength {
        Strength::Strong => "The state is of the test alone, on one log; it is evidence, and the assessor concludes.",
        Strength::Partial => {
            "The evidence is partial: a part of what the provision asks for is not in the log. The state is of the test alone, on \
             one log; it is evidence, and the assessor concludes."
        }
        Strength::None => {
            "The evidence is partial: nothing of what the provision itself asks for is in the log. The state is of the test \
             alone, on one log; it is evidence, and the assessor concludes."
        }
    }
}

fn properties(row: &Row) -> Vec<Property> {
    let unlisted = u64::try_from(row.exceptions.len().saturating_sub(LISTED_MAX)).unwrap_or(u64::MAX);
    let listed = row.exceptions.len().min(LISTED_MAX);
    let mut properties = vec![
        Property::of("control-id", &control_id(row.id)),
        Property::of("row-state", &row.state.as_str().replace(' ', "-")),
        Property::of("population", &row.count),
        Property::of("query", &row.query),
        Property::of("evidence-strength", &row.strength.as_str()),
    ];
    if row.state == State::Exception {
        properties.push(Property::of("exceptions-listed", &listed));
        properties.push(Property::of(
            "exceptions-not-listed",
            &row.not_listed.saturating_add(unlisted),
        ));
    }
    properties
}
