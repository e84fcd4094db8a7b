//! What masks say of values that are tried, beside what rules say.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, Principal};

use super::{HOUR_US, Predicates, Tried, by_mask, state};
use crate::decide::decide;
use crate::explain::{Cause, ExplainedProbe, explain};
use crate::snapshot::Snapshot;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.patients"]
effect = "allow"
[[rules]]
name = "notes"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.notes"]
effect = "ask"
approval = "dba"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["*.ssn"]
technique = "redact"
predicates = "equality"
probes_per_hour = 5
[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["*.mrn"]
technique = "redact"
predicates = "ask"
approval = "privacy"
[[masks]]
name = "badge"
targets = ["clinic"]
resources = ["*.badge"]
technique = "redact"
predicates = "ask"
approval = "dba"
[[masks]]
name = "born"
targets = ["clinic"]
resources = ["*.born"]
technique = "year"
"#;

fn agent() -> Principal {
    Principal {
        method: "api-key".into(),
        issuer: "api-keys".into(),
        subject: "ci".into(),
        client_id: None,
        groups: vec![],
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn of(relation: &str, attributes: &[(&str, u64)]) -> DecisionRecord {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    decide(&snapshot, &agent(), "clinic", &facts(relation, attributes))
}

fn facts(relation: &str, attributes: &[(&str, u64)]) -> Facts {
    let attributes = attributes.iter();
    let attributes = attributes.map(|(name, value)| ((*name).to_owned(), Attribute::Integer(*value)));
    Facts {
        accesses: vec![Access(Action::Read, Some(relation.to_owned()))],
        attributes: attributes.collect(),
        columns: None,
    }
}

fn check(attributes: &[(&str, u64)], effect: Effect, reason: &str) {
    let decision = of("public.patients", attributes);
    assert_eq!(decision.effect, effect, "{attributes:?}: {}", decision.reason);
    assert!(decision.reason.contains(reason), "{attributes:?}: {}", decision.reason);
}

#[test]
fn values_are_tried_up_to_the_limit_of_their_mask() {
    let (patients, claims) = ("probe:public.patients.ssn", "probe:public.claims.ssn");
    let before = "probed:ssn";
    check(&[(patients, 1), (before, 0)], Effect::Allow, "reads");
    check(&[(patients, 1), (before, 4)], Effect::Allow, "reads");
    check(
        &[(patients, 1), (before, 5)],
        Effect::Deny,
        "lets 5 values be tried in an hour; 5 were",
    );
    check(&[(patients, 5), (before, 0)], Effect::Allow, "reads");
    check(&[(patients, 6), (before, 0)], Effect::Deny, "these would be 6 more");
    check(&[(patients, u64::MAX), (before, u64::MAX)], Effect::Deny, "more");
    // The columns of one mask count together.
    check(&[(patients, 3), (claims, 2), (before, 0)], Effect::Allow, "reads");
    check(
        &[(patients, 3), (claims, 3), (before, 0)],
        Effect::Deny,
        "these would be 6 more",
    );
}

#[test]
fn what_is_not_counted_is_not_tried() {
    check(&[("probe:public.patients.ssn", 1)], Effect::Deny, "is not known");
    check(
        &[("probe:public.patients.ssn", 1), ("probed:mrn", 0)],
        Effect::Deny,
        "is not known",
    );
    check(
        &[("probe:public.patients.ssn", 0), ("probed:ssn", 0)],
        Effect::Deny,
        "is not known",
    );
    let mut facts = facts("public.patients", &[("probed:ssn", 0)]);
    let word = Attribute::Text("one".to_owned());
    facts.attributes.insert("probe:public.patients.ssn".to_owned(), word);
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    assert_eq!(
        by_mask(&snapshot, "clinic", &facts),
        BTreeMap::from([("ssn", u64::MAX)])
    );
}

#[test]
fn columns_whose_mask_denies_and_columns_without_a_mask_are_not_tried() {
    check(
        &[("probe:public.patients.born", 1), ("probed:born", 0)],
        Effect::Deny,
        "public.patients.born",
    );
    check(
        &[("probe:public.patients.name", 1)],
        Effect::Deny,
        "public.patients.name",
    );
    let both = [
        ("probe:public.patients.ssn", 1),
        ("probed:ssn", 0),
        ("probe:public.patients.born", 1),
    ];
    check(&both, Effect::Deny, "public.patients.born");
}

#[test]
fn a_mask_asks_beside_the_rules() {
    let mrn = [("probe:public.patients.mrn", 1), ("probed:mrn", 0)];
    let asked = of("public.patients", &mrn);
    assert_eq!(
        (asked.effect, asked.approval.as_deref(), asked.rule),
        (Effect::Ask, Some("privacy"), None)
    );
    assert!(asked.reason.contains("mask `mrn` asks"), "{}", asked.reason);
    let badge = [("probe:public.notes.badge", 1), ("probed:badge", 0)];
    let same = of("public.notes", &badge);
    assert_eq!((same.effect, same.rule.as_deref()), (Effect::Ask, Some("notes")));
    // Two approvals cannot both be met by one request.
    assert_eq!(of("public.notes", &mrn).effect, Effect::Deny);
    assert_eq!(of("public.patients", &[mrn, badge].concat()).effect, Effect::Deny);
    // An approval does not lift the limit, and no mask lifts what the rules deny.
    assert_eq!(
        of(
            "public.patients",
            &[("probe:public.patients.mrn", 1), ("probed:mrn", 10)]
        )
        .effect,
        Effect::Deny
    );
    let denied = of("secret.patients", &mrn);
    assert_eq!(
        (denied.effect, denied.reason.as_str()),
        (Effect::Deny, "no rule allows it")
    );
}

#[test]
fn an_explanation_says_what_is_tried_and_that_a_mask_decided() {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let explained = |attributes: &[(&str, u64)]| {
        let facts = facts("public.patients", attributes);
        explain(&snapshot, &agent(), "clinic", &facts, &|_| {
            vec!["public.patients.ssn".to_owned()]
        })
    };
    let allowed = explained(&[("probe:public.patients.ssn", 2), ("probed:ssn", 0)]);
    let probe = ExplainedProbe {
        column: "public.patients.ssn".to_owned(),
        values: 2,
        mask: Some("ssn".to_owned()),
        per_hour: 5,
    };
    assert_eq!((allowed.cause, allowed.probes), (Cause::Rule, vec![probe]));
    assert_eq!(allowed.masks[0].predicates, Predicates::Equality { per_hour: 5 });
    let asked = explained(&[("probe:public.patients.mrn", 1), ("probed:mrn", 0)]);
    assert_eq!(asked.cause, Cause::Mask);
    assert_eq!(asked.approval.map(|approval| approval.name).as_deref(), Some("privacy"));
    let denied = explained(&[("probe:public.patients.ssn", 6), ("probed:ssn", 0)]);
    assert_eq!((denied.cause, denied.decision.effect), (Cause::Mask, Effect::Deny));
}

#[test]
fn an_hour_has_no_edge_at_which_it_begins_again() {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let mut tried = Tried::default();
    let at = |minutes: u64| Timestamp(minutes * 60_000_000);
    let ssn = |values| facts("public.patients", &[("probe:public.patients.ssn", values)]);
    let claims = facts("public.claims", &[("probe:public.claims.ssn", 3)]);
    tried.add("clinic", &ssn(2), at(0));
    tried.add("clinic", &claims, at(50));
    tried.add("billing", &ssn(9), at(50));
    let mut before = |mask, now| tried.before(&snapshot, "clinic", mask, now);
    assert_eq!(before("ssn", at(59)), 5);
    assert_eq!(before("mrn", at(59)), 0);
    assert_eq!(before("ssn", Timestamp(HOUR_US - 1)), 5);
    assert_eq!(before("ssn", at(60)), 3);
    assert_eq!(before("ssn", at(109)), 3);
    assert_eq!(before("ssn", at(110)), 0);
    // What a clock that was set back has seen stays counted.
    tried.add("clinic", &ssn(1), at(200));
    assert_eq!(tried.before(&snapshot, "clinic", "ssn", at(100)), 1);
}

#[test]
fn a_mask_has_what_was_tried_on_its_columns_whatever_its_name_was() {
    let named = |name: &str| POLICY.replace("name = \"ssn\"", &format!("name = \"{name}\""));
    let both = named("numbers").replace("resources = [\"*.ssn\"]", "resources = [\"*.ssn\", \"*.mrn\"]");
    let both = Snapshot::parse(both.as_bytes()).unwrap();
    let one = Snapshot::parse(named("number").as_bytes()).unwrap();
    let mut tried = Tried::default();
    let now = Timestamp(1);
    tried.add(
        "clinic",
        &facts("public.patients", &[("probe:public.patients.ssn", 2)]),
        now,
    );
    tried.add(
        "clinic",
        &facts("public.patients", &[("probe:public.patients.mrn", 1)]),
        now,
    );
    assert_eq!(tried.before(&one, "clinic", "number", now), 2);
    assert_eq!(tried.before(&one, "clinic", "mrn", now), 1);
    assert_eq!(tried.before(&one, "clinic", "ssn", now), 0, "no mask has that name");
    assert_eq!(tried.before(&both, "clinic", "numbers", now), 3);
}

#[test]
fn what_is_stated_is_what_is_read() {
    let mut facts = facts("public.patients", &[("probe:public.patients.ssn", 1)]);
    state(&mut facts, "ssn", 4);
    assert_eq!(super::before(&facts, "ssn"), Some(4));
}
