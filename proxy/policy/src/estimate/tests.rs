//! Rules by estimated rows, when an estimate is wanted, and what a retry may differ in.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Access, Action, Attribute, Effect, Facts, Principal};

use super::{ESTIMATED_ROWS, Estimate, same_again};
use crate::decide::decide;
use crate::hours::timed;
use crate::snapshot::Snapshot;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "billing"
protocol = "postgres"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 900
[[rules]]
name = "most"
roles = ["ci"]
targets = ["clinic"]
actions = ["write", "delete"]
over = { estimated_rows = 1000 }
effect = "deny"
[[rules]]
name = "many"
roles = ["ci"]
targets = ["clinic"]
actions = ["write", "delete"]
over = { estimated_rows = 10 }
effect = "ask"
approval = "privacy"
[[rules]]
name = "changes"
roles = ["ci"]
targets = ["clinic", "billing"]
actions = ["read", "write"]
effect = "allow"
"#;

fn facts(action: Action) -> Facts {
    Facts {
        accesses: vec![Access(action, Some("public.claims".to_owned()))],
        attributes: [].into(),
        columns: None,
    }
}

fn principal() -> Principal {
    Principal {
        method: "api-key".to_owned(),
        issuer: "keys".to_owned(),
        subject: "ci".to_owned(),
        client_id: None,
        groups: Vec::new(),
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn snapshot(policy: &str) -> Snapshot {
    Snapshot::parse(policy.as_bytes()).unwrap()
}

fn at(action: Action, estimate: Option<Estimate>) -> Facts {
    let mut facts = facts(action);
    if let Some(estimate) = estimate {
        estimate.state(&mut facts);
    }
    facts
}

#[expect(clippy::unnecessary_wraps, reason = "they stand in lists beside `None`")]
fn rows(rows: u64) -> Option<Estimate> {
    Some(Estimate::Rows(rows))
}

#[expect(clippy::unnecessary_wraps, reason = "they stand in lists beside `None`")]
fn unknown() -> Option<Estimate> {
    Some(Estimate::Unknown("it took too long".to_owned()))
}

#[test]
fn what_is_not_known_is_more_than_any_number() {
    let snapshot = snapshot(POLICY);
    let ruled = |estimate| {
        let decision = decide(&snapshot, &principal(), "clinic", &at(Action::Write, estimate));
        (decision.effect, decision.rule.unwrap())
    };
    assert_eq!(ruled(rows(0)), (Effect::Allow, "changes".to_owned()));
    assert_eq!(ruled(rows(10)), (Effect::Allow, "changes".to_owned()));
    assert_eq!(ruled(rows(11)), (Effect::Ask, "many".to_owned()));
    assert_eq!(ruled(rows(1000)), (Effect::Ask, "many".to_owned()));
    for most in [rows(1001), rows(u64::MAX), unknown(), None] {
        assert_eq!(ruled(most), (Effect::Deny, "most".to_owned()));
    }
    let mut other = facts(Action::Write);
    other
        .attributes
        .insert(ESTIMATED_ROWS.to_owned(), Attribute::Bool(false));
    assert_eq!(decide(&snapshot, &principal(), "clinic", &other).effect, Effect::Deny);
    let most = snapshot_of_most();
    let decided = |estimate| decide(&most, &principal(), "clinic", &at(Action::Write, estimate)).effect;
    assert_eq!(
        (decided(rows(u64::MAX)), decided(None), decided(unknown())),
        (Effect::Allow, Effect::Deny, Effect::Deny)
    );
}

fn snapshot_of_most() -> Snapshot {
    let policy = POLICY.replacen("estimated_rows = 1000 ", &format!("estimated_rows = {} ", i64::MAX), 1);
    let policy = policy.replacen("estimated_rows = 10 ", &format!("estimated_rows = {} ", i64::MAX), 1);
    snapshot(&policy).with_rules(|rules| {
        for over in rules.iter_mut().filter_map(|rule| rule.over.as_mut()) {
            over.estimated_rows = Some(u64::MAX);
        }
    })
}

#[test]
fn an_estimate_is_wanted_where_it_decides_and_something_may_pass() {
    let snapshot = snapshot(POLICY);
    let wanted = |target: &str, facts: &Facts| snapshot.wants_estimate(&principal(), target, facts);
    assert!(snapshot.estimates("clinic") && !snapshot.estimates("billing"));
    assert!(wanted("clinic", &facts(Action::Write)));
    // What is stated already does not matter.
    assert!(wanted("clinic", &at(Action::Write, rows(5))));
    assert!(!wanted("clinic", &facts(Action::Read)));
    assert!(!wanted("billing", &facts(Action::Write)));
    let mut unproven = facts(Action::Write);
    let cause = Attribute::Text("a cause".to_owned());
    unproven.attributes.insert("unproven".to_owned(), cause);
    assert!(!wanted("clinic", &unproven));
    let other = Principal {
        method: "oidc".to_owned(),
        ..principal()
    };
    assert!(!snapshot.wants_estimate(&other, "clinic", &facts(Action::Write)));
    // Few deletions are denied, some are asked about, and most are denied.
    assert!(wanted("clinic", &facts(Action::Delete)));
    // All of them are, by one rule or another.
    let denying = POLICY.replacen("effect = \"ask\"\napproval = \"privacy\"", "effect = \"deny\"", 1);
    let denying = Snapshot::parse(denying.as_bytes()).unwrap();
    assert!(!denying.wants_estimate(&principal(), "clinic", &facts(Action::Delete)));
    assert!(denying.wants_estimate(&principal(), "clinic", &facts(Action::Write)));
}

#[test]
fn people_are_told_where_their_approval_says_so() {
    let asking = POLICY.replacen("over = { estimated_rows = 1000 }\n", "", 1);
    let asking = asking.replacen("effect = \"deny\"", "effect = \"ask\"\napproval = \"privacy\"", 1);
    let asking = asking.replacen("over = { estimated_rows = 10 }\n", "", 1);
    let told = asking.replacen("people = 1\n", "people = 1\nestimate = true\n", 1);
    for (policy, tells) in [(asking, false), (told, true)] {
        let snapshot = snapshot(&policy);
        assert_eq!(snapshot.estimates("clinic"), tells);
        assert!(!snapshot.estimates("billing"));
        let write = facts(Action::Write);
        assert_eq!(snapshot.wants_estimate(&principal(), "clinic", &write), tells);
        assert!(!snapshot.hangs_on_estimate(&principal(), "clinic", &write));
        assert!(!snapshot.wants_estimate(&principal(), "clinic", &facts(Action::Read)));
        // It decides nothing.
        let decided = |estimate| decide(&snapshot, &principal(), "clinic", &at(Action::Write, estimate));
        assert_eq!(decided(rows(5)), decided(None));
    }
}

#[test]
fn a_rule_by_estimates_alone_is_no_threshold_of_replies_and_may_be_observed() {
    let observed = POLICY.replacen("name = \"many\"", "name = \"many\"\nmode = \"observe\"", 1);
    let snapshot = snapshot(&observed);
    assert!(!snapshot.has_thresholds());
    let decision = decide(&snapshot, &principal(), "clinic", &at(Action::Write, rows(11)));
    assert_eq!(decision.effect, Effect::Allow);
    assert_eq!(decision.observed.unwrap().len(), 1);
    let both = POLICY.replacen("{ estimated_rows = 10 }", "{ estimated_rows = 10, rows = 5 }", 1);
    assert!(Snapshot::parse(both.as_bytes()).unwrap().has_thresholds());
}

#[test]
fn a_rule_by_estimates_that_means_nothing_is_refused() {
    let refused = |from: &str, to: &str, wanted: &str| {
        let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refused("effect = \"deny\"", "effect = \"allow\"", "asks or denies");
    refused(
        "over = { estimated_rows = 10 }",
        "when = { estimated_rows = 10 }",
        "write `over = { estimated_rows",
    );
    refused(
        "actions = [\"write\", \"delete\"]",
        "actions = [\"write\", \"session\"]",
        "those have no rows",
    );
    refused(
        "over = { estimated_rows = 10 }",
        "mode = \"observe\"\nover = { estimated_rows = 10, rows = 5 }",
        "is enforced",
    );
}

#[test]
fn a_retry_differs_in_its_time_and_in_fewer_rows_alone() {
    let mut late = at(Action::Write, rows(5));
    timed(&mut late, Timestamp(5_000_000));
    let mut early = at(Action::Write, rows(5));
    timed(&mut early, Timestamp(1_000_000));
    assert!(early != late && same_again(&early, &late));
    for (first, again, same) in [
        (rows(5), rows(4), true),
        (rows(5), rows(6), false),
        (rows(5), unknown(), false),
        (rows(5), None, false),
        (unknown(), rows(6), true),
        (unknown(), unknown(), true),
        (unknown(), None, false),
        (None, None, true),
        (None, rows(0), false),
    ] {
        let (first, again) = (at(Action::Write, first), at(Action::Write, again));
        assert_eq!(same_again(&first, &again), same, "{first:?} {again:?}");
    }
    assert!(!same_again(&at(Action::Write, rows(5)), &at(Action::Read, rows(5))));
    late.attributes.insert("ddl".into(), Attribute::Bool(true));
    assert!(!same_again(&early, &late));
}
