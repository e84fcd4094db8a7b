//! Explanations: each cause, near misses, masks, and that none of it differs from the decision itself.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Effect, Facts, Principal};
use proptest::prelude::*;

use super::{Cause, Explanation, Lack, explain};
use crate::decide::{UNPROVEN, decide};
use crate::snapshot::Snapshot;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { subject = "ci-*" }
[[roles]]
name = "auditor"
match = { groups = ["audit"] }
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "billing"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba", "leads"]
people = 2
expires_s = 900
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 60
[[rules]]
name = "no-mass-updates"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
when = { no_where = true }
effect = "deny"
[[rules]]
name = "writes"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
resources = ["public.claims"]
effect = "allow"
[[rules]]
name = "schema"
roles = ["agent"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
[[rules]]
name = "notes"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.notes"]
effect = "ask"
approval = "privacy"
[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.*", "none"]
effect = "allow"
[[rules]]
name = "deletes"
roles = ["auditor"]
targets = ["clinic"]
actions = ["delete"]
when = { no_where = false }
effect = "allow"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn", "*.ssn_copy"]
technique = "partial"
keep = 4
[[masks]]
name = "everything"
targets = ["clinic"]
resources = ["public.patients.*"]
technique = "redact"
[[masks]]
name = "elsewhere"
targets = ["billing"]
resources = ["*"]
technique = "null"
"#;

fn agent() -> Principal {
    Principal {
        method: "api-key".into(),
        issuer: "api-keys".into(),
        subject: "ci-nightly".into(),
        client_id: None,
        groups: vec![],
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn facts(accesses: &[(Action, &str)]) -> Facts {
    let named =
        |(action, resource): &(Action, &str)| Access(*action, (!resource.is_empty()).then(|| (*resource).to_owned()));
    Facts {
        accesses: accesses.iter().map(named).collect(),
        attributes: BTreeMap::from([("no_where".to_owned(), Attribute::Bool(false))]),
        columns: None,
    }
}

fn of(target: &str, facts: &Facts) -> Explanation {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    explain(&snapshot, &agent(), target, facts, &|_| Vec::new())
}

#[test]
fn every_cause_is_told_apart() {
    let check = |facts: &Facts, effect: Effect, cause: Cause| {
        let explanation = of("clinic", facts);
        assert_eq!(
            (explanation.decision.effect, explanation.cause),
            (effect, cause),
            "{facts:?}"
        );
    };
    check(&facts(&[(Action::Read, "public.patients")]), Effect::Allow, Cause::Rule);
    check(&facts(&[(Action::Define, "x")]), Effect::Ask, Cause::Rule);
    check(&facts(&[]), Effect::Deny, Cause::NoAccess);
    check(&facts(&[(Action::Read, "secret.x")]), Effect::Deny, Cause::NoRule);
    let two = [(Action::Define, "public.x"), (Action::Read, "public.notes")];
    check(&facts(&two), Effect::Deny, Cause::TwoApprovals);
    // An access that no rule names is what is told, even where two approvals meet as well.
    let three = [two[0], two[1], (Action::Read, "secret.x")];
    check(&facts(&three), Effect::Deny, Cause::NoRule);
    let mut unproven = facts(&[(Action::Read, "public.patients")]);
    unproven
        .attributes
        .insert(UNPROVEN.to_owned(), Attribute::Text("why".into()));
    check(&unproven, Effect::Deny, Cause::Unproven);
    assert_eq!(of("clinic", &unproven).decision.reason, "why");
    assert_eq!(of("clinic", &unproven).accesses[0].rule.as_deref(), Some("reads"));
}

#[test]
fn an_asked_for_approval_comes_with_its_terms() {
    let approval = of("clinic", &facts(&[(Action::Define, "x")])).approval.unwrap();
    assert_eq!((approval.name.as_str(), approval.people), ("dba", 2));
    assert_eq!(approval.groups, ["dba", "leads"]);
    assert!(of("clinic", &facts(&[(Action::Read, "public.x")])).approval.is_none());
}

#[test]
fn rules_that_one_thing_keeps_from_matching_are_named() {
    let check = |target: &str, access: (Action, &str), wanted: &[(&str, Lack)]| {
        let explanation = of(target, &facts(&[access]));
        let near = explanation.accesses[0].near.iter();
        let near: Vec<_> = near.map(|miss| (miss.rule.as_str(), miss.lack.clone())).collect();
        assert_eq!(near, wanted, "{target} {access:?}");
    };
    check("clinic", (Action::Delete, "public.x"), &[("deletes", Lack::Role)]);
    check(
        "clinic",
        (Action::Write, "public.patients"),
        &[
            ("no-mass-updates", Lack::Condition("no_where".into())),
            ("writes", Lack::Resource),
        ],
    );
    check("clinic", (Action::Grant, "public.x"), &[]);
    // Both the role and the target are others.
    check("billing", (Action::Delete, "public.x"), &[]);
    check(
        "billing",
        (Action::Read, "public.notes"),
        &[("notes", Lack::Target), ("reads", Lack::Target)],
    );
    check("clinic", (Action::Read, "public.x"), &[]);
}

#[test]
fn masks_are_named_by_part_or_by_their_patterns() {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let check = |access: (Action, &str), columns: &[&str], wanted: &[(&str, &str)]| {
        let parts = |resource: &str| columns.iter().map(|column| format!("{resource}.{column}")).collect();
        let explanation = explain(&snapshot, &agent(), "clinic", &facts(&[access]), &parts);
        let masks = explanation.masks.iter();
        let masks: Vec<_> = masks.map(|mask| (mask.resource.as_str(), mask.mask.as_str())).collect();
        assert_eq!(masks, wanted, "{access:?} {columns:?}");
    };
    let patients = (Action::Read, "public.patients");
    check(
        patients,
        &["ssn", "id"],
        &[("public.patients.ssn", "ssn"), ("public.patients.id", "everything")],
    );
    check(
        patients,
        &[],
        &[
            ("public.patients.ssn", "ssn"),
            ("*.ssn_copy", "ssn"),
            ("public.patients.*", "everything"),
        ],
    );
    check(
        (Action::Read, "public.other"),
        &["id", "ssn_copy"],
        &[("public.other.ssn_copy", "ssn")],
    );
    check((Action::Read, "public.other"), &[], &[("*.ssn_copy", "ssn")]);
    // A column that stands as the resource itself is masked by what names it.
    check(
        (Action::Read, "public.patients.ssn"),
        &["x"],
        &[("public.patients.ssn.x", "everything"), ("public.patients.ssn", "ssn")],
    );
    // What is not read shows nothing, and what is denied releases nothing.
    check((Action::Write, "public.claims"), &["ssn_copy"], &[]);
    check((Action::Read, "secret.patients"), &["ssn_copy"], &[]);
}

fn access() -> impl Strategy<Value = Access> {
    let resource = proptest::option::of("(public|secret)\\.(patients|claims|notes)".prop_map(String::from));
    (proptest::sample::select(Action::ALL.to_vec()), resource).prop_map(|(action, resource)| Access(action, resource))
}

proptest! {
    #[test]
    fn what_is_explained_is_what_is_decided(
        accesses in proptest::collection::vec(access(), 0..5),
        no_where: bool,
        unproven: bool,
        groups in proptest::collection::vec("audit|dev", 0..2),
        target in "clinic|billing",
    ) {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let principal = Principal { groups, ..agent() };
        let mut facts = Facts { accesses, attributes: BTreeMap::from([("no_where".to_owned(), Attribute::Bool(no_where))]), columns: None, };
        if unproven {
            facts.attributes.insert(UNPROVEN.to_owned(), Attribute::Text("why".into()));
        }
        let explanation = explain(&snapshot, &principal, &target, &facts, &|_| Vec::new());
        prop_assert_eq!(&explanation.decision, &decide(&snapshot, &principal, &target, &facts));
        prop_assert_eq!(explanation.decision.effect == Effect::Ask, explanation.approval.is_some());
        prop_assert_eq!(explanation.decision.rule.is_some(), explanation.cause == Cause::Rule);
        facts.attributes.remove(UNPROVEN);
        for one in &explanation.accesses {
            let alone = Facts { accesses: vec![one.access.clone()], ..facts.clone() };
            let alone = decide(&snapshot, &principal, &target, &alone);
            prop_assert_eq!((alone.effect, &alone.rule), (one.effect, &one.rule));
            // Nothing that matches is called a near miss.
            prop_assert!(one.rule.is_none() || one.near.is_empty());
        }
    }
}

#[test]
fn an_observed_rule_is_shown_with_what_it_would_come_to() {
    let next = "[[rules]]\nname = \"next\"\nmode = \"observe\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\n\
                effect = \"ask\"\napproval = \"dba\"\n[[rules]]";
    let snapshot = Snapshot::parse(POLICY.replacen("[[rules]]", next, 1).as_bytes()).unwrap();
    let of = |resource| {
        explain(
            &snapshot,
            &agent(),
            "clinic",
            &facts(&[(Action::Read, resource)]),
            &|_| Vec::new(),
        )
    };
    let read = of("public.patients");
    assert_eq!((read.decision.effect, read.approval), (Effect::Allow, None));
    let [one] = read.observed.as_slice() else {
        panic!("{:?}", read.observed)
    };
    assert_eq!(
        (one.rule.as_str(), one.effect, one.approval.as_deref()),
        ("next", Effect::Ask, Some("dba"))
    );
    assert_eq!(
        (one.enforced.effect, one.enforced.rule.as_deref()),
        (Effect::Ask, Some("next"))
    );
    // It lets nobody in, so it is no near miss either.
    let other = of("secret.patients");
    assert_eq!((other.decision.effect, other.cause), (Effect::Deny, Cause::NoRule));
    let define = explain(
        &snapshot,
        &agent(),
        "billing",
        &facts(&[(Action::Read, "public.x")]),
        &|_| Vec::new(),
    );
    assert!(
        define
            .accesses
            .iter()
            .flat_map(|one| &one.near)
            .all(|near| near.rule != "next")
    );
}
