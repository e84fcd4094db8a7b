//! Which rule decides, the strictest access, hours, observed rules, and that everything else is denied.

use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, Observed, Principal};

use super::{askers, decide, decide_enforcing};
use crate::hours::timed;
use crate::snapshot::Snapshot;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { method = "api-key", subject = "ci-*", groups = ["dev*"] }
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "billing"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 900
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[rules]]
name = "no-mass-updates"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
when = { no_where = true }
effect = "deny"
reason = "an update needs a WHERE"
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
"#;

fn agent() -> Principal {
    Principal {
        method: "api-key".into(),
        issuer: "exhibit".into(),
        subject: "ci-agent".into(),
        client_id: None,
        groups: vec!["developers".into()],
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn facts(accesses: &[(Action, &str)], no_where: bool) -> Facts {
    let named =
        |(action, resource): &(Action, &str)| Access(*action, (!resource.is_empty()).then(|| (*resource).to_owned()));
    let attributes: BTreeMap<_, _> = [("no_where".to_owned(), Attribute::Bool(no_where))].into();
    Facts {
        accesses: accesses.iter().map(named).collect(),
        attributes,
        columns: None,
    }
}

fn check(accesses: &[(Action, &str)], effect: Effect, rule: Option<&str>) {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let decision = decide(&snapshot, &agent(), "clinic", &facts(accesses, false));
    assert_eq!(
        (decision.effect, decision.rule.as_deref()),
        (effect, rule),
        "{accesses:?}"
    );
    assert_eq!(decision.policy, snapshot.digest());
}

#[test]
fn the_first_rule_that_matches_decides_an_access() {
    check(&[(Action::Read, "public.patients")], Effect::Allow, Some("reads"));
    check(&[(Action::Read, "public.notes")], Effect::Ask, Some("notes"));
    check(&[(Action::Write, "public.claims")], Effect::Allow, Some("writes"));
}

#[test]
fn what_no_rule_names_is_denied() {
    check(&[], Effect::Deny, None);
    check(&[(Action::Read, "secret.patients")], Effect::Deny, None);
    check(&[(Action::Write, "public.patients")], Effect::Deny, None);
    check(&[(Action::Execute, "public.anything")], Effect::Deny, None);
}

#[test]
fn the_strictest_access_decides_in_any_order() {
    let read = (Action::Read, "public.patients");
    let define = (Action::Define, "public.patients");
    let stranger = (Action::Read, "secret.patients");
    for accesses in [[read, define], [define, read]] {
        check(&accesses, Effect::Ask, Some("schema"));
    }
    for accesses in [[define, stranger], [stranger, define]] {
        check(&accesses, Effect::Deny, None);
    }
}

#[test]
fn two_different_approvals_at_once_are_denied() {
    let (define, notes) = ((Action::Define, "public.x"), (Action::Read, "public.notes"));
    for accesses in [[define, notes], [notes, define]] {
        check(&accesses, Effect::Deny, None);
    }
}

#[test]
fn requests_that_name_nothing_need_the_word_none() {
    check(&[(Action::Read, "")], Effect::Allow, Some("reads"));
    check(&[(Action::Read, "none")], Effect::Deny, None);
    check(&[(Action::Transaction, "")], Effect::Deny, None);
}

#[test]
fn conditions_are_compared_exactly() {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let decide = |facts: &Facts| decide(&snapshot, &agent(), "clinic", facts);
    let update = facts(&[(Action::Write, "public.claims")], true);
    assert_eq!(decide(&update).reason, "an update needs a WHERE");
    assert_eq!(decide(&update).effect, Effect::Deny);
}

#[test]
fn a_request_of_several_kinds_is_denied_with_each_and_allowed_with_none() {
    let policy = POLICY.replacen("when = { no_where = true }", "when = { class = \"truncate\" }", 1);
    let allowed = "effect = \"allow\"";
    let policy = policy.replacen(allowed, &format!("when = {{ class = \"update\" }}\n{allowed}"), 1);
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let decided = |class: &str| {
        let mut write = facts(&[(Action::Write, "public.claims")], false);
        write.attributes.insert("class".into(), Attribute::Text(class.into()));
        decide(&snapshot, &agent(), "clinic", &write)
    };
    assert_eq!(decided("update").effect, Effect::Allow);
    assert_eq!(decided("truncate").reason, "an update needs a WHERE");
    assert_eq!(decided("mixed").reason, "an update needs a WHERE");
    assert_eq!(decided("insert").rule, None);
    // An allowing rule is not for them.
    let policy = policy.replacen(
        "when = { class = \"truncate\" }",
        "when = { class = \"truncate\", ddl = true }",
        1,
    );
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let mut write = facts(&[(Action::Write, "public.claims")], false);
    write.attributes.insert("class".into(), Attribute::Text("mixed".into()));
    let decided = decide(&snapshot, &agent(), "clinic", &write);
    assert_eq!((decided.effect, decided.rule), (Effect::Deny, None));
}

#[test]
fn a_rule_with_hours_matches_within_them_and_nothing_passes_without_a_time() {
    let hours = "hours = { windows = [\"Mon-Fri 08:00-18:00\"], zone = \"Europe/Vienna\" }";
    let rule = "resources = [\"public.claims\"]\n";
    let policy = POLICY.replacen(rule, &format!("{rule}{hours}\n"), 1);
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let mut write = facts(&[(Action::Write, "public.claims")], false);
    let decided = |facts: &Facts| decide(&snapshot, &agent(), "clinic", facts);
    assert_eq!(decided(&write).reason, "the time of the request is not known");
    assert_eq!(
        decided(&facts(&[(Action::Read, "public.patients")], false)).effect,
        Effect::Deny
    );
    // Friday, 27 November 2026, 17:59 and 18:00 in Vienna.
    for (time_s, effect) in [(1_795_798_740, Effect::Allow), (1_795_798_800, Effect::Deny)] {
        timed(&mut write, Timestamp(time_s * 1_000_000));
        assert_eq!(decided(&write).effect, effect, "{time_s}");
    }
}

#[test]
fn a_role_needs_every_claim_that_it_names() {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    let read = facts(&[(Action::Read, "public.patients")], false);
    let effect = |principal: &Principal, target: &str| decide(&snapshot, principal, target, &read).effect;
    assert_eq!(effect(&agent(), "clinic"), Effect::Allow);
    assert_eq!(effect(&agent(), "billing"), Effect::Deny);
    assert_eq!(
        effect(
            &Principal {
                method: "oidc".into(),
                ..agent()
            },
            "clinic"
        ),
        Effect::Deny
    );
    assert_eq!(
        effect(
            &Principal {
                subject: "dev-agent".into(),
                ..agent()
            },
            "clinic"
        ),
        Effect::Deny
    );
    assert_eq!(
        effect(
            &Principal {
                groups: vec!["ops".into()],
                ..agent()
            },
            "clinic"
        ),
        Effect::Deny
    );
    assert_eq!(
        effect(
            &Principal {
                groups: vec![],
                ..agent()
            },
            "clinic"
        ),
        Effect::Deny
    );
}

/// The policy with rules in front that are only observed.
fn observing(rules: &str) -> Snapshot {
    let (head, rest) = POLICY.split_once("[[rules]]").unwrap();
    let rules = rules.replace(
        "[[rules]]",
        "[[rules]]\nmode = \"observe\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]",
    );
    Snapshot::parse(format!("{head}{rules}\n[[rules]]{rest}").as_bytes()).unwrap()
}

/// Accesses, and the rules that are observed.
type Case = (&'static [(Action, &'static str)], &'static [&'static str]);

const READ: (Action, &str) = (Action::Read, "public.patients");
const CLAIMS: (Action, &str) = (Action::Write, "public.claims");

const NEXT: &str = r#"
[[rules]]
name = "patients-next"
actions = ["read"]
resources = ["public.patients"]
effect = "deny"
[[rules]]
name = "people-next"
actions = ["read", "write"]
effect = "ask"
approval = "dba"
"#;

#[test]
fn what_an_observed_rule_would_do_is_recorded_and_the_rules_behind_it_decide() {
    let (plain, snapshot) = (Snapshot::parse(POLICY.as_bytes()).unwrap(), observing(NEXT));
    let cases: [Case; 7] = [
        (&[READ], &["patients-next", "people-next"]),
        (&[(Action::Read, "public.notes")], &["people-next"]),
        // In the order of the file and each once, whatever the order of the accesses.
        (&[CLAIMS, READ, READ], &["patients-next", "people-next"]),
        (&[(Action::Define, "public.x")], &[]),
        // What is denied by default stays so.
        (&[(Action::Read, "secret.patients")], &["people-next"]),
        (&[(Action::Execute, "public.anything")], &[]),
        (&[], &[]),
    ];
    for (accesses, observed) in cases {
        let facts = facts(accesses, false);
        let (without, with) = (
            decide(&plain, &agent(), "clinic", &facts),
            decide(&snapshot, &agent(), "clinic", &facts),
        );
        let names = with
            .observed
            .as_ref()
            .map(|observed| observed.iter().map(|one| one.rule.as_str()).collect::<Vec<_>>());
        assert_eq!(names.unwrap_or_default(), observed, "{accesses:?}");
        assert_ne!(with.observed, Some(Vec::new()));
        let unobserved = DecisionRecord {
            observed: None,
            policy: plain.digest(),
            ..with
        };
        assert_eq!(unobserved, without, "{accesses:?}");
    }
    let decision = decide(&snapshot, &agent(), "clinic", &facts(&[READ], false));
    let wanted = |rule: &str, effect, approval: Option<&str>| Observed {
        rule: rule.to_owned(),
        effect,
        approval: approval.map(str::to_owned),
    };
    let both = vec![
        wanted("patients-next", Effect::Deny, None),
        wanted("people-next", Effect::Ask, Some("dba")),
    ];
    assert_eq!(decision.observed, Some(both));
}

#[test]
fn an_observed_rule_behind_the_one_that_decides_does_not_match() {
    let policy = format!(
        "{POLICY}[[rules]]\nname = \"late\"\nmode = \"observe\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\neffect = \"deny\"\n"
    );
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let of = |resource| {
        decide(
            &snapshot,
            &agent(),
            "clinic",
            &facts(&[(Action::Read, resource)], false),
        )
        .observed
    };
    assert_eq!(of("public.patients"), None);
    assert_eq!(of("secret.patients").map(|observed| observed.len()), Some(1));
}

#[test]
fn nothing_is_observed_where_no_rule_is_asked() {
    let snapshot = observing(NEXT);
    let mut read = facts(&[(Action::Read, "public.patients")], false);
    read.attributes
        .insert(super::UNPROVEN.to_owned(), Attribute::Text("no proof".to_owned()));
    let decision = decide(&snapshot, &agent(), "clinic", &read);
    assert_eq!((decision.effect, decision.observed), (Effect::Deny, None));
}

#[test]
fn an_observed_rule_asks_nobody_and_can_be_taken_to_be_enforced() {
    let snapshot = observing(NEXT);
    let read = facts(&[(Action::Read, "public.patients")], false);
    assert_eq!(askers(&snapshot, &agent(), "clinic", &read), [].into());
    let enforcing = |rule| decide_enforcing(&snapshot, rule, &agent(), "clinic", &read);
    let (first, second, none) = (enforcing("patients-next"), enforcing("people-next"), enforcing("reads"));
    assert_eq!(
        (first.effect, first.rule.as_deref()),
        (Effect::Deny, Some("patients-next"))
    );
    assert_eq!(
        (second.effect, second.rule.as_deref()),
        (Effect::Ask, Some("people-next"))
    );
    assert_eq!(none, decide(&snapshot, &agent(), "clinic", &read));
}

#[test]
fn rules_go_by_the_columns_that_a_request_may_touch() {
    let decided = |effect: &str, columns: &str, touched: Option<&[&str]>| {
        let more = if effect == "ask" { "approval = \"dba\"\n" } else { "" };
        let rule = format!(
            "resources = [\"public.claims\"]\ncolumns = [{columns}]\neffect = \"{effect}\"\n{more}[[rules]]\nname = \"rest\"\nroles = [\"agent\"]\n\
             targets = [\"clinic\"]\nactions = [\"write\"]\neffect = \"{}\"\n",
            if effect == "allow" { "deny" } else { "allow" }
        );
        let policy = POLICY.replacen("resources = [\"public.claims\"]\neffect = \"allow\"\n", &rule, 1);
        assert!(policy.contains("rest"));
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let mut write = facts(&[(Action::Write, "public.claims")], false);
        write.columns = touched.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        decide(&snapshot, &agent(), "clinic", &write).rule.unwrap()
    };
    let (paid, ssn, other) = ("public.claims.paid", "public.claims.ssn", "public.visits.ssn");
    for effect in ["deny", "ask"] {
        for (columns, touched, matches) in [
            ("\"public.claims.ssn\"", Some(&[paid, ssn][..]), true),
            ("\"public.claims.ssn\"", Some(&[paid]), false),
            ("\"public.claims.ssn\"", Some(&[other, paid]), false),
            ("\"*.ssn\"", Some(&[ssn]), true),
            ("\"public.claims.ssn\"", Some(&["public.claims.*"]), true),
            ("\"*.ssn\"", Some(&["public.claims.*"]), true),
            ("\"public.visits.*\"", Some(&["public.claims.*"]), false),
            ("\"public.claims.ssn\"", Some(&[]), false),
            ("\"public.claims.ssn\"", None, true),
        ] {
            let rule = decided(effect, columns, touched);
            assert_eq!(rule == "writes", matches, "{effect} {columns} {touched:?}");
        }
    }
    for (columns, touched, matches) in [
        ("\"public.claims.paid\"", Some(&[paid][..]), true),
        ("\"public.claims.paid\"", Some(&[paid, other]), true),
        ("\"public.claims.paid\"", Some(&[paid, ssn]), false),
        ("\"public.claims.paid\", \"*.ssn\"", Some(&[paid, ssn]), true),
        ("\"public.claims.paid\"", Some(&["public.claims.*"]), false),
        ("\"public.claims.*\"", Some(&["public.claims.*"]), true),
        ("\"*.ssn\"", Some(&["public.claims.*"]), false),
        ("\"public.claims.paid\"", Some(&[]), true),
        ("\"public.claims.paid\"", None, false),
    ] {
        let rule = decided("allow", columns, touched);
        assert_eq!(rule == "writes", matches, "allow {columns} {touched:?}");
    }
}
