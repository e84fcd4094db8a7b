//! The report as OSCAL 1.2 `assessment-results`, and the catalog of controls that it refers to, as JSON (NIST, pages.nist.gov/OSCAL).
//!
//! ```text
//! cover     ─▶ metadata, result (dates, props), back-matter: no assessment plan, the bundle, the catalog
//! row       ─▶ observation; pass ─▶ finding `satisfied`, exception ─▶ finding `not-satisfied`
//! exception ─▶ relevant-evidence of the observation of its cause, by the entry's index
//! ```
//!
//! A finding's target is the objective of our test (`catalog`), not the provision: that a test found no exception is what can be
//! said. A row without a population or a test has an observation and no finding.
//!
//! The same report gives the same bytes: UUIDs are of version 5, of what the document is about, and dates are the period's and
//! the log's. `docs/formats/oscal.md` says what maps to what.
//!
//! Not here: the lines and figures of the report, which OSCAL has no place for, and notes that speak against no control.

mod catalog;
mod dates;
mod identifier;
mod model;
mod row;
#[cfg(test)]
mod tests;
mod text;

use exhibit_schemas::digest::Digest;
use serde::Serialize;

use self::catalog::control_id;
use self::dates::Dates;
use self::identifier::{Identifier, Names};
use self::model::{
    Assets, BackMatter, Component, ComponentStatus, ControlSelection, Hash, ImportPlan, Link, LocalDefinitions,
    Metadata, Platform, Property, Resource, ResourceLink, ReviewedControls, SelectedControl, TestResult, UsedComponent,
};
use self::row::Rows;
use super::{Cover, Report};

/// Where the catalog stands, seen from the results.
const CATALOG_FILE: &str = "catalog.json";

const NO_PLAN: &str = "No assessment plan exists. The tests are the objectives of the catalog; each is made on the whole population \
    that the log holds.";

const DATED: &str =
    "No clock was read. Dates are those of the period and of the log's events by their emitters' clocks.";

const NEVER_DATED: &str = "No clock was read, and no event could be: where there is no period, the dates mean nothing.";

/// The root of a document: an object of one name.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Document {
    Catalog(catalog::Catalog),
    AssessmentResults(Box<AssessmentResults>),
}

/// `assessment-results`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct AssessmentResults {
    uuid: Identifier,
    metadata: Metadata,
    import_ap: ImportPlan,
    results: [TestResult; 1],
    back_matter: BackMatter,
}

/// What a document of results refers to within itself.
#[derive(Clone, Copy)]
struct Places {
    plan: Identifier,
    bundle: Identifier,
    catalog: Identifier,
    tool: Identifier,
}

/// The report as OSCAL `assessment-results`, JSON, indented. It refers to [`catalog()`] as `catalog.json` beside it.
pub fn assessment_results(report: &Report<'_>) -> String {
    let cover = &report.cover;
    let names = Names::of_report(report);
    let places = Places {
        plan: names.identifier("resource/plan"),
        bundle: names.identifier("resource/bundle"),
        catalog: names.identifier("resource/catalog"),
        tool: names.identifier("component/verifier"),
    };
    let dates = Dates::of(cover);
    let remarks = if cover.events.is_some() { DATED } else { NEVER_DATED };
    // The revision of the document is how far the log had grown.
    let metadata = Metadata::of(
        "Evidence from a log of access",
        dates.modified,
        &cover.size.to_string(),
        remarks,
    );
    let metadata = match &cover.entity {
        Some(entity) => metadata.for_entity(names.identifier("party/entity"), entity),
        None => metadata,
    };
    json(&Document::AssessmentResults(Box::new(AssessmentResults {
        uuid: names.identifier("document"),
        metadata,
        import_ap: ImportPlan {
            href: places.plan.reference(),
            remarks: NO_PLAN,
        },
        results: [result(report, names, places, dates)],
        back_matter: BackMatter {
            resources: resources(cover, places),
        },
    })))
}

/// The catalog of the fourteen controls, JSON, indented; the same of every report of this version.
pub fn catalog() -> String {
    json(&Document::Catalog(catalog::catalog()))
}

fn json(document: &Document) -> String {
    let mut json = serde_json::to_string_pretty(document).expect("strings, numbers and lists are JSON");
    json.push('\n');
    json
}

fn result(report: &Report<'_>, names: Names, places: Places, dates: Dates) -> TestResult {
    let rows = Rows {
        names,
        bundle: places.bundle,
        tool: places.tool,
        collected: dates.end,
    };
    let (mut observations, mut findings) = (Vec::new(), Vec::new());
    for row in &report.controls {
        let of_row = rows.observations(row);
        findings.extend(rows.finding(row, &of_row));
        observations.extend(of_row);
    }
    TestResult {
        uuid: names.identifier("result"),
        title: if report.cover.scoped.is_some() {
            "Checks of what a scoped bundle discloses; no control is tested on its population"
        } else {
            "Tests of the whole population of each control"
        },
        description: answer(&report.cover),
        start: dates.start,
        end: dates.end,
        props: properties(&report.cover),
        local_definitions: tool(&report.cover, names, places),
        reviewed_controls: reviewed(report, places),
        observations,
        findings,
        remarks: report.cover.limits.join("\n\n"),
    }
}

/// What the verifier's answer means for the findings.
fn answer(cover: &Cover) -> String {
    let answer = match cover.record {
        "verified" => "The bundle was verified: no error was found.",
        "scoped" => {
            "The bundle is scoped: no error was found in what it discloses, and no control is tested, for its population is not in it."
        }
        "exceptions" => {
            "The bundle is refused for what was done, which its record shows. Nothing is satisfied; exceptions are listed."
        }
        _ => {
            "The bundle is refused because its record is not sound. Nothing is read from it but what speaks against the record, \
             and nothing is satisfied."
        }
    };
    format!("{answer} Findings are evidence for an assessment, not its conclusion.")
}

fn properties(cover: &Cover) -> Vec<Property> {
    let mut properties = vec![
        Property::of("verification", &cover.result),
        Property::of("record", &cover.record),
        Property::of("period", &cover.period),
        Property::of("errors", &cover.errors),
        Property::of("notes", &cover.notes),
        Property::of("kept-checkpoints", &cover.heads),
    ];
    if let Some(scoped) = &cover.scoped {
        properties.push(Property::of("scope", &scoped.words));
        properties.push(Property::of("disclosed-events", &scoped.disclosed));
    }
    if let Some(events) = cover.events {
        properties.push(Property::of("first-event", &events.first));
        properties.push(Property::of("last-event", &events.last));
    }
    properties
}

fn tool(cover: &Cover, names: Names, places: Places) -> LocalDefinitions {
    LocalDefinitions {
        assessment_assets: Assets {
            components: vec![Component {
                uuid: places.tool,
                kind: "software",
                title: "exhibit-verify",
                description: "The offline verifier that made every test here.",
                props: vec![Property::of_oscal("version", cover.verifier)],
                status: ComponentStatus { state: "operational" },
            }],
            assessment_platforms: vec![Platform {
                uuid: names.identifier("platform"),
                title: "A machine that needs no network",
                uses_components: vec![UsedComponent {
                    component_uuid: places.tool,
                }],
            }],
        },
    }
}

fn reviewed(report: &Report<'_>, places: Places) -> ReviewedControls {
    let controls = report.controls.iter().map(|row| SelectedControl {
        control_id: control_id(row.id),
    });
    ReviewedControls {
        description: "Controls that the log was looked at for. One without a finding had no population or was not tested; its \
                      observation says which, and why.",
        links: vec![Link {
            href: places.catalog.reference(),
            rel: "reference",
            resource_fragment: None,
        }],
        control_selections: vec![ControlSelection {
            include_controls: controls.collect(),
        }],
    }
}

fn resources(cover: &Cover, places: Places) -> Vec<Resource> {
    let root = match &cover.root {
        Some(root) => Property::of("root", root),
        None => Property::of("root-not-proven", &"the bundle is refused"),
    };
    let head = vec![
        Property::of("origin", &cover.origin),
        Property::of("size", &cover.size),
        root,
        Property::of("log-key", &cover.log_key),
    ];
    vec![
        Resource {
            uuid: places.plan,
            title: "No assessment plan",
            description: format!("{NO_PLAN} The log that was tested is the one of these properties."),
            props: head.clone(),
            rlinks: Vec::new(),
        },
        Resource {
            uuid: places.bundle,
            title: "The exported log",
            description: "The bundle that was read, which whoever made this document holds. The fragment entry-N of a link is its \
                          entry of index N, counted from 0."
                .to_owned(),
            props: head,
            rlinks: Vec::new(),
        },
        Resource {
            uuid: places.catalog,
            title: "The catalog of the controls",
            description: "What each control is, its test, and what the log cannot show of it.".to_owned(),
            props: Vec::new(),
            rlinks: vec![ResourceLink {
                href: CATALOG_FILE,
                media_type: "application/json",
                hashes: [Hash {
                    algorithm: "SHA-256",
                    value: Digest::of(catalog().as_bytes()).to_string(),
                }],
            }],
        },
    ]
}
