//! The JSON Schemas of `report.json`, `manifest.json` and samples against what is written, by a validator that is not ours.
//!
//! Every property that a schema names is seen in one of the documents, none excepted, so that a schema cannot keep what nothing
//! writes; and as unknown properties are refused, it cannot lack what is written.
//!
//! Not here: what the documents say, which snapshots hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use exhibit_policy::review::{Every, Own};
use exhibit_schemas::event::access::{Effect, Outcome};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::sign_off::Disposition;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::review::Scope;
use exhibit_tests::run;
use exhibit_verify::Severity;
use exhibit_verify::evidence::{
    CommandLine, DecisionLine, GrantLine, PolicyLine, PolicySignersLine, PolicyTermLine, RevocationLine, ThresholdLine,
};
use exhibit_verify::report::REPORT_FORMAT;
use exhibit_verify::report::control::{Control, Strength};
use exhibit_verify::report::handling::Handled;
use exhibit_verify::report::matrix::State;
use exhibit_verify::report::package::MANIFEST_FORMAT;
use exhibit_verify::report::since::{ControlChange, Since};
use exhibit_verify::review::ReviewLine;
use exhibit_verify::sample::{SAMPLE_FORMAT, SIZE_MAX};
use exhibit_verify::schedule::{Fault, ScheduleLine, State as Review};
use exhibit_verify::void::VoidLine;
use serde_json::{Value, json};

use crate::Checkers;
use crate::lines::{accesses, of_pipeline};
use crate::packages::{Exported, broken, november, whole, with_exceptions};

const REPORT: &str = include_str!("../../../docs/formats/report.schema.json");
const MANIFEST: &str = include_str!("../../../docs/formats/manifest.schema.json");
const SAMPLE: &str = include_str!("../../../docs/formats/sample.schema.json");

fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Documents of one schema, each with its name.
type Documents = Vec<(&'static str, Value)>;

/// Reports, manifests and samples.
struct Written {
    reports: Documents,
    manifests: Documents,
    samples: Documents,
}

fn written() -> Written {
    let (whole, exceptions) = (whole(), with_exceptions());
    let mut written = Written {
        reports: Vec::new(),
        manifests: Vec::new(),
        samples: vec![
            ("whole", serde_json::from_str(&whole.sample().json()).unwrap()),
            ("exceptions", serde_json::from_str(&exceptions.sample().json()).unwrap()),
        ],
    };
    for (name, exported) in [
        ("verified", whole),
        ("scoped", Exported::scoped()),
        ("exceptions", exceptions),
        ("broken", broken()),
    ] {
        let place = tempfile::tempdir().unwrap();
        exported.report(november(), place.path());
        let report = read(&place.path().join("report.json"));
        assert_eq!(report["cover"]["record"], name);
        written.reports.push((name, report));
        written
            .manifests
            .push((name, read(&place.path().join("manifest.json"))));
    }
    let mut since = written.manifests[0].1.clone();
    since["made"]["since"] = json!("0a".repeat(32));
    written.manifests.push(("since", since));
    let by_hand = with_rare_lines(written.reports[0].1.clone());
    written.reports.push(("by hand", by_hand));
    written
}

fn read(path: &Path) -> Value {
    serde_json::from_reader(std::fs::File::open(path).unwrap()).unwrap()
}

/// A decision about nothing that was asked.
fn void() -> VoidLine {
    VoidLine {
        entry: Index(9),
        time: "2023-11-14T22:13:20.000000Z".to_owned(),
        kind: "decision",
        person: "bob".to_owned(),
        groups: vec!["privacy".to_owned()],
        about: "0a".repeat(32),
        verdict: Some("approve".to_owned()),
        words: "nothing".to_owned(),
        why: "it names no request that stands before it".to_owned(),
    }
}

/// What is new since an earlier report, with everything that there can be.
fn since() -> Since {
    let digest = || "0a".repeat(32);
    let names = || vec!["9f86d081884c7d65".to_owned()];
    Since {
        manifest: digest(),
        period: "always".to_owned(),
        result: "verified".to_owned(),
        signed: names(),
        size: 7,
        root: digest(),
        proof: vec![digest()],
        entries: 3,
        events: BTreeMap::from([("command".to_owned(), 2)]),
        controls: vec![ControlChange {
            id: Control::Audit.definition().id,
            before: "pass: no exception among 3".to_owned(),
            after: "exception: 1 exception".to_owned(),
            new: names(),
            gone: names(),
            handled: vec![("9f86d081884c7d65".to_owned(), "open".to_owned(), "closed")],
        }],
        policies: vec![digest()],
        keys: names(),
        ended_keys: names(),
    }
}

/// Lines of what none of the logs has, made by hand: grants, what is taken back, thresholds, pipelines, attempts on masked columns,
/// who signs policies, and how long what is no longer in force is kept.
fn with_rare_lines(mut report: Value) -> Value {
    let time = || "2023-11-14T22:13:20.000000Z".to_owned();
    let digest = || "0a".repeat(32);
    report["since"] = json!(since());
    let evidence = &mut report["evidence"];
    let approval = &mut evidence["approvals"][0];
    approval["preview"] = json!("12 rows, by a run that was rolled back");
    approval["grant"] = json!(GrantLine {
        scopes: vec!["session".to_owned()],
        ends: time(),
        uses: 3,
        used: 1,
    });
    approval["revocations"] = json!([RevocationLine {
        revocation: Index(7),
        time: time(),
        person: "alice".to_owned(),
        reason: "enough".to_owned(),
    }]);
    approval["decisions"] = json!([DecisionLine {
        decision: Index(6),
        time: time(),
        after_s: -1,
        person: "alice".to_owned(),
        groups: vec!["dba".to_owned()],
        verdict: Verdict::Approve.to_string(),
        reason: "reviewed".to_owned(),
        terms: Some("at most 5 rows".to_owned()),
        enrolled: Index(1),
    }]);
    let threshold = ThresholdLine {
        decided: Index(8),
        rows: 10,
        bytes: 100,
        rule: Some("bulk".to_owned()),
        outcome: Outcome::Approved.to_string(),
        request: Some(Index(7)),
        approvals: vec![Index(7)],
    };
    evidence["commands"] = json!([CommandLine {
        columns: Some(vec!["public.patients.ssn".to_owned()]),
        probes: BTreeMap::from([("public.patients.ssn".to_owned(), 2)]),
        thresholds: vec![threshold],
        ..accesses().remove(0).command
    }]);
    evidence["sessions"] = json!([of_pipeline()]);
    evidence["policy_signatures"] = json!([PolicySignersLine {
        from: Index(0),
        people: 2,
        administrators: vec!["root".to_owned(), "second".to_owned()],
    }]);
    evidence["policies"] = json!([PolicyLine {
        policy: digest(),
        snapshot: Index(3),
        bytes: 1_000,
        last_in_force: Some(time()),
        keep_until: Some("2029-11-14".to_owned()),
    }]);
    evidence["policy_terms"] = json!([PolicyTermLine {
        policy: digest(),
        proxy: digest(),
        from: Index(4),
        since: time(),
        until: Some(Index(9)),
        ended: Some(time()),
        sessions: 1,
        commands: 2,
        signatures: Some(2),
        signed: BTreeMap::from([("root".to_owned(), Index(2))]),
    }]);
    evidence["reviews"] = json!([ReviewLine {
        review: Index(9),
        time: time(),
        person: "bob".to_owned(),
        groups: vec!["privacy".to_owned()],
        from: time(),
        to: time(),
        scope: Scope::All.to_string(),
        emergency: Some(Index(6)),
        counts: BTreeMap::from([("command".to_owned(), 2)]),
        population: digest(),
        finding: "nothing".to_owned(),
        own: 0,
        later: 0,
    }]);
    evidence["void"] = json!([void()]);
    evidence["review_schedules"] = json!([ScheduleLine {
        name: "daily".to_owned(),
        scope: Scope::Commands.to_string(),
        every: Every::Day.to_string(),
        zone: "UTC".to_owned(),
        within_days: 1,
        groups: vec!["privacy".to_owned()],
        own: Own::Deny.to_string(),
        first: Index(4),
        from: time(),
        until: Some(time()),
    }]);
    report
}

/// What is wrong with each document, nothing with what is accepted.
fn faults(checkers: &Checkers, schema: &str, documents: &[&Value]) -> Vec<Option<String>> {
    let file = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    let (schema, documents) = (file(schema), file(&serde_json::to_string(documents).unwrap()));
    let mut command = checkers.script("python/schema.py");
    let said = run(command.arg(schema.path()).arg(documents.path())).unwrap();
    serde_json::from_str(&said).unwrap()
}

#[test]
fn what_is_written_holds_to_its_schema_and_has_every_property() {
    let checkers = Checkers::ready();
    let written = written();
    let mut seen = BTreeSet::new();
    let mut named = BTreeSet::new();
    for (text, documents) in [
        (REPORT, &written.reports),
        (MANIFEST, &written.manifests),
        (SAMPLE, &written.samples),
    ] {
        let values: Vec<_> = documents.iter().map(|(_, document)| document).collect();
        for ((name, _), fault) in documents.iter().zip(faults(&checkers, text, &values)) {
            assert_eq!(fault, None, "{name}");
        }
        let schema = schema(text);
        named.extend(properties(&schema));
        for value in values {
            visit(&schema, &schema, &title(&schema), value, &mut seen);
        }
    }
    assert!(named.len() > 300, "{}", named.len());
    let unseen: Vec<_> = named.difference(&seen).map(String::as_str).collect();
    assert!(unseen.is_empty(), "no document has {unseen:?}");
}

fn title(schema: &Value) -> String {
    schema["title"].as_str().unwrap().to_owned()
}

/// Every property that a schema names, behind the title of its object.
fn properties(schema: &Value) -> BTreeSet<String> {
    let parts = schema["$defs"].as_object().unwrap().values().chain([schema]);
    let of = |part: &Value| {
        let title = title(part);
        let names = part["properties"].as_object().into_iter().flatten();
        names
            .map(move |(name, _)| format!("{title}.{name}"))
            .collect::<Vec<_>>()
    };
    parts.flat_map(of).collect()
}

/// Notes which properties of a part of a schema a value has; null is none.
fn visit(schema: &Value, part: &Value, title: &str, value: &Value, seen: &mut BTreeSet<String>) {
    if let Some(name) = part["$ref"].as_str() {
        let part = &schema["$defs"][name.trim_start_matches("#/$defs/")];
        return visit(schema, part, &self::title(part), value, seen);
    }
    for one in part["anyOf"].as_array().into_iter().flatten() {
        visit(schema, one, title, value, seen);
    }
    match value {
        Value::Object(values) => {
            for (name, value) in values.iter().filter(|(_, value)| !value.is_null()) {
                if let Some(inside) = part["properties"].get(name) {
                    seen.insert(format!("{title}.{name}"));
                    visit(schema, inside, title, value, seen);
                } else if part["additionalProperties"].is_object() {
                    visit(schema, &part["additionalProperties"], title, value, seen);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                visit(schema, &part["items"], title, value, seen);
            }
        }
        _ => {}
    }
}

/// Nothing that a schema describes may have more than it names; what is missing where, and equal parts of two schemas.
#[test]
fn objects_are_closed_and_parts_that_two_schemas_share_are_equal() {
    let mut parts: BTreeMap<String, Value> = BTreeMap::new();
    for text in [REPORT, MANIFEST, SAMPLE] {
        let schema = schema(text);
        for (name, part) in schema["$defs"].as_object().unwrap() {
            let before = parts.entry(name.clone()).or_insert_with(|| part.clone());
            assert_eq!(before, part, "{name}");
        }
        for part in schema["$defs"].as_object().unwrap().values().chain([&schema]) {
            if let Some(properties) = part["properties"].as_object() {
                assert_eq!(part["additionalProperties"], false, "{}", title(part));
                let described = |one: &Value| one["description"].is_string() || one["$ref"].is_string();
                assert!(properties.values().all(described), "{}", title(part));
            }
        }
    }
}

#[test]
fn the_words_of_the_schemas_are_those_of_the_code() {
    let (report, manifest, sample) = (schema(REPORT), schema(MANIFEST), schema(SAMPLE));
    let words = |part: &str, name: &str| report["$defs"][part]["properties"][name]["enum"].clone();
    let ids: Vec<_> = Control::ALL.iter().map(|control| control.definition().id).collect();
    for (part, name, wanted) in [
        ("control", "id", json!(ids)),
        (
            "control",
            "state",
            json!([State::Pass, State::Exception, State::NoPopulation, State::NotTested]),
        ),
        (
            "control",
            "strength",
            json!([Strength::Strong, Strength::Partial, Strength::None]),
        ),
        (
            "finding",
            "severity",
            json!([Severity::Error.as_str(), Severity::Note.as_str()]),
        ),
        (
            "review-period",
            "state",
            json!([
                Review::Done,
                Review::Late,
                Review::Due,
                Review::Overdue,
                Review::Reopened
            ]),
        ),
        (
            "uncounted-review",
            "why",
            json!([
                Fault::False,
                Fault::Unchecked,
                Fault::Definition,
                Fault::Group,
                Fault::Cut,
                Fault::Revoked,
                Fault::Own,
            ]),
        ),
        (
            "exception",
            "state",
            json!([Handled::Open, Handled::Noted, Handled::Overdue, Handled::Closed]),
        ),
        ("exception-end", "disposition", listed(Disposition::ALL)),
        ("exception-close", "disposition", listed(Disposition::ALL)),
        ("command", "effect", listed(Effect::ALL)),
        ("observed-rule", "effect", listed(Effect::ALL)),
        ("command", "outcome", listed(Outcome::ALL)),
        ("threshold", "outcome", listed(Outcome::ALL)),
        ("decision", "verdict", listed(Verdict::ALL)),
        ("key", "role", listed(Role::ALL)),
        ("review", "scope", listed(Scope::ALL)),
        ("review-period", "scope", listed(Scope::ALL)),
        ("review-schedule", "every", listed(Every::ALL)),
        ("review-schedule", "own", listed(Own::ALL)),
    ] {
        assert_eq!(words(part, name), wanted, "{part}.{name}");
    }
    assert_eq!(words("emergency", "state"), words("review-period", "state"));
    assert_eq!(report["$defs"]["cover"]["properties"]["format"]["const"], REPORT_FORMAT);
    assert_eq!(manifest["properties"]["format"]["const"], MANIFEST_FORMAT);
    assert_eq!(sample["properties"]["format"]["const"], SAMPLE_FORMAT);
    assert_eq!(sample["properties"]["asked"]["maximum"], SIZE_MAX);
}

fn listed(all: &[impl std::fmt::Display]) -> Value {
    all.iter().map(ToString::to_string).collect()
}

/// What is changed, and where that has to be found.
type Mutant = (&'static str, fn(&mut Value), &'static str);

const OF_A_REPORT: &[Mutant] = &[
    (
        "verified",
        |it| it["cover"]["signed"] = json!(true),
        "$.cover: Additional properties",
    ),
    (
        "verified",
        |it| it["cover"]["result"] = json!("passed"),
        "$.cover.result: ",
    ),
    (
        "verified",
        |it| it["cover"]["record"] = json!("exceptions"),
        "$.cover.result: ",
    ),
    (
        "verified",
        |it| it["cover"]["period"] = json!("2023-11"),
        "$.cover.period: ",
    ),
    ("verified", |it| it["evidence"] = Value::Null, "$.evidence: "),
    (
        "broken",
        |it| it["cover"]["root"] = json!("0".repeat(64)),
        "$.cover.root: ",
    ),
    ("broken", |it| it["figures"] = json!({}), "$.figures: "),
    (
        "verified",
        |it| drop(it["controls"].as_array_mut().unwrap().pop()),
        "$.controls: ",
    ),
    (
        "verified",
        |it| it["controls"][3]["state"] = json!("passed"),
        "$.controls[3].state: ",
    ),
    (
        "verified",
        |it| it["controls"][3]["strength"] = json!("full"),
        "$.controls[3].strength: ",
    ),
    (
        "exceptions",
        |it| it["findings"][0]["severity"] = json!("warning"),
        "$.findings[0].severity: ",
    ),
    (
        "exceptions",
        |it| it["findings"][0]["code"] = json!("Decision"),
        "$.findings[0].code: ",
    ),
    (
        "exceptions",
        |it| it["findings"][0]["meaning"] = Value::Null,
        "$.findings[0].meaning: ",
    ),
    (
        "verified",
        |it| it["evidence"]["commands"][4]["time"] = json!("2023-11-14 22:13"),
        "$.evidence.commands[4].time: ",
    ),
    (
        "verified",
        |it| it["evidence"]["commands"][4]["outcome"] = json!("passed"),
        "$.evidence.commands[4].outcome: ",
    ),
    (
        "verified",
        |it| without(&mut it["evidence"]["commands"][4], "statement"),
        "$.evidence.commands[4]: 'statement'",
    ),
    (
        "verified",
        |it| it["evidence"]["commands"][0]["masks"][0] = json!(["a", "b"]),
        "$.evidence.commands[0].masks[0]: ",
    ),
    (
        "verified",
        |it| it["evidence"]["sessions"][2]["opened"] = json!(-1),
        "$.evidence.sessions[2].opened: ",
    ),
    (
        "verified",
        |it| it["evidence"]["sessions"][2]["peer"] = json!(["192.0.2.7", 1]),
        "$.evidence.sessions[2].peer: ",
    ),
    (
        "verified",
        |it| without(&mut it["evidence"]["sessions"][2], "closed"),
        "$.evidence.sessions[2]: 'closed'",
    ),
    (
        "exceptions",
        |it| it["evidence"]["review_periods"][0]["state"] = json!("signed"),
        "$.evidence.review_periods[0].state: ",
    ),
    (
        "verified",
        |it| it["figures"]["actions"]["read"] = json!(1.5),
        "$.figures.actions.read: ",
    ),
];

const OF_A_MANIFEST: &[Mutant] = &[
    (
        "verified",
        |it| it["format"] = json!("exhibit-report-manifest/2"),
        "$.format: ",
    ),
    (
        "verified",
        |it| it["files"][0]["sha256"] = json!("A".repeat(64)),
        "$.files[0].sha256: ",
    ),
    (
        "verified",
        |it| it["files"][0]["mode"] = json!(0o644),
        "$.files[0]: Additional properties",
    ),
    ("verified", |it| without(&mut it["made"], "keys"), "$.made: 'keys'"),
    ("broken", |it| it["root"] = json!(""), "$.root: "),
];

const OF_A_SAMPLE: &[Mutant] = &[
    ("whole", |it| it["nonce"] = json!("00112233445566"), "$.nonce: "),
    ("whole", |it| it["asked"] = json!(0), "$.asked: "),
    (
        "whole",
        |it| it["items"][0]["concluded"] = json!("fine"),
        "$.items[0]: Additional properties",
    ),
    ("whole", |it| it["control"]["id"] = json!("312.a"), "$.control.id: "),
];

fn without(of: &mut Value, name: &str) {
    of.as_object_mut().unwrap().remove(name).unwrap();
}

#[test]
fn every_mutant_is_refused_where_it_was_changed() {
    let checkers = Checkers::ready();
    let written = written();
    for (text, documents, mutants) in [
        (REPORT, &written.reports, OF_A_REPORT),
        (MANIFEST, &written.manifests, OF_A_MANIFEST),
        (SAMPLE, &written.samples, OF_A_SAMPLE),
    ] {
        let changed: Vec<_> = mutants
            .iter()
            .map(|(of, change, _)| {
                let (_, document) = documents.iter().find(|(name, _)| name == of).unwrap();
                let mut document = document.clone();
                change(&mut document);
                document
            })
            .collect();
        let found = faults(&checkers, text, &changed.iter().collect::<Vec<_>>());
        for ((of, _, wanted), fault) in mutants.iter().zip(found) {
            let fault = fault.unwrap_or_else(|| panic!("{of}: {wanted} is not refused"));
            assert!(fault.starts_with(wanted), "{wanted}: {fault}");
        }
    }
}
