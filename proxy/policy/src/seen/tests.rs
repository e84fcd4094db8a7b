//! Rules by what was seen, what has a fingerprint, and what tells two of them apart.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{
    Access, Action, Attribute, Command, DecisionRecord, Effect, Facts, Outcome, Principal, Run,
};

use super::{FIRST_SEEN, fingerprint, is_claimed, passed, state};
use crate::decide::decide;
use crate::estimate::{Estimate, same_again};
use crate::explain::{Cause, explain};
use crate::grant::STATEMENT_BYTES_MAX;
use crate::hours::timed;
use crate::inspect::inspect;
use crate::snapshot::{Counts, Snapshot, facts_at};

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { method = "oidc" }
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
[[rules]]
name = "known-deletes"
roles = ["ci"]
targets = ["clinic"]
actions = ["delete"]
when = { first_seen = false }
effect = "allow"
[[rules]]
name = "new"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write"]
when = { first_seen = true }
effect = "ask"
approval = "dba"
[[rules]]
name = "rest"
roles = ["ci"]
targets = ["clinic", "billing"]
actions = ["read", "write", "session"]
effect = "allow"
"#;

const STATEMENT: &str = "UPDATE claims SET paid = <string> WHERE id = <number>";

fn snapshot() -> Snapshot {
    Snapshot::parse(POLICY.as_bytes()).unwrap()
}

fn facts(action: Action) -> Facts {
    let class = ("class".to_owned(), Attribute::Text("update".to_owned()));
    Facts {
        accesses: vec![Access(action, Some("public.claims".to_owned()))],
        attributes: [class].into(),
        columns: Some(vec!["public.claims.paid".to_owned()]),
    }
}

fn principal() -> Principal {
    let run = Run {
        provider: "github-actions".into(),
        repository: "octo/etl".into(),
        repository_id: "1".into(),
        owner_id: "2".into(),
        reference: "refs/heads/main".into(),
        commit: "0".into(),
        workflow: Some("octo/etl/.github/workflows/nightly.yml@refs/heads/main".into()),
        run_id: "3".into(),
        job_id: None,
        actor: "mona".into(),
        actor_id: "4".into(),
        trigger: "schedule".into(),
        environment: None,
    };
    Principal {
        method: "oidc".into(),
        issuer: "https://idp.example".into(),
        subject: "repo:octo/etl".into(),
        client_id: None,
        groups: Vec::new(),
        evidence: Digest([0; 32]),
        run: Some(Box::new(run)),
    }
}

fn decided(target: &str, facts: &Facts) -> (Effect, Option<String>) {
    let decision = decide(&snapshot(), &principal(), target, facts);
    (decision.effect, decision.rule)
}

fn said(action: Action, seen: bool) -> Facts {
    let mut facts = facts(action);
    state(&mut facts, seen);
    facts
}

#[test]
fn rules_go_by_what_was_seen() {
    let by = |effect, rule: &str| (effect, Some(rule.to_owned()));
    assert_eq!(decided("clinic", &said(Action::Write, false)), by(Effect::Ask, "new"));
    assert_eq!(decided("clinic", &said(Action::Write, true)), by(Effect::Allow, "rest"));
    assert_eq!(
        decided("clinic", &said(Action::Delete, true)),
        by(Effect::Allow, "known-deletes")
    );
    assert_eq!(decided("clinic", &said(Action::Delete, false)), (Effect::Deny, None));
}

/// Where it is left out, no rule is asked: a request without it is not one that was seen, nor one that no rule is about.
#[test]
fn what_does_not_say_it_is_denied_where_a_rule_goes_by_it() {
    assert_eq!(decided("clinic", &facts(Action::Read)), (Effect::Deny, None));
    let mut other = facts(Action::Read);
    other
        .attributes
        .insert(FIRST_SEEN.to_owned(), Attribute::Text("no".to_owned()));
    assert_eq!(decided("clinic", &other), (Effect::Deny, None));
    let explained = explain(&snapshot(), &principal(), "clinic", &facts(Action::Read), &|_| {
        Vec::new()
    });
    assert_eq!(explained.cause, Cause::Unproven);
    assert_eq!(
        decided("billing", &facts(Action::Read)),
        (Effect::Allow, Some("rest".to_owned()))
    );
    assert!(snapshot().tells_seen("clinic") && !snapshot().tells_seen("billing"));
}

/// A rule may be milder by what was seen, and never by what was not: that is what nobody knows.
#[test]
fn a_rule_that_lets_pass_what_is_not_known_is_refused() {
    let refused = |from: &str, to: &str, wanted: &str| {
        let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    refused("first_seen = false", "first_seen = true", "are one");
    refused("first_seen = true", "first_seen = false", "are one");
    refused("first_seen = true", "first_seen = 1", "true or false");
    refused("first_seen = true", "first_seen = \"yes\"", "true or false");
    refused(
        "actions = [\"read\", \"write\"]",
        "actions = [\"read\", \"session\"]",
        "never seen",
    );
    refused("actions = [\"delete\"]", "actions = [\"transaction\"]", "never seen");
}

#[test]
fn the_condition_is_known_to_whoever_checks_a_policy() {
    let dead = |policy: &str| {
        let warnings = inspect(&Snapshot::parse(policy.as_bytes()).unwrap(), &|_| {
            Some(&[("class", "text")])
        });
        let named = |warning: &crate::inspect::Warning| warning.text.contains("for its condition");
        warnings.iter().filter(|warning| named(warning)).count()
    };
    assert_eq!(dead(POLICY), 0);
    assert_eq!(dead(&POLICY.replacen("first_seen = true", "first_seem = true", 1)), 1);
}

#[test]
fn a_fingerprint_is_of_everything_but_values_and_the_moment() {
    let of = |principal: &Principal, target: &str, statement: &str, parameters: &[String], facts: &Facts| {
        fingerprint(principal, target, statement, parameters, facts).unwrap()
    };
    let (who, does) = (principal(), facts(Action::Write));
    let own = of(&who, "clinic", STATEMENT, &[], &does);
    let mut moment = does.clone();
    timed(&mut moment, Timestamp(5_000_000));
    Estimate::Rows(7).state(&mut moment);
    state(&mut moment, true);
    let again = Principal {
        evidence: Digest([9; 32]),
        ..who.clone()
    };
    assert_eq!(of(&again, "clinic", STATEMENT, &[], &moment), own);
    // Another run of the same workflow, set off by somebody else, with a subject of its own.
    let mut later = who.clone();
    later.subject = "repo:octo/etl:environment:x".into();
    if let Some(run) = later.run.as_mut() {
        (run.run_id, run.commit, run.actor) = ("9".into(), "1".into(), "lisa".into());
    }
    assert_eq!(of(&later, "clinic", STATEMENT, &[], &does), own);

    let mut others = vec![
        of(&who, "billing", STATEMENT, &[], &does),
        of(&who, "clinic", "UPDATE claims SET paid = <string>", &[], &does),
        of(&who, "clinic", STATEMENT, &["int4".to_owned()], &does),
        of(&who, "clinic", STATEMENT, &[], &facts(Action::Delete)),
    ];
    let mut columns = does.clone();
    columns.columns = None;
    others.push(of(&who, "clinic", STATEMENT, &[], &columns));
    let mut attribute = does.clone();
    attribute
        .attributes
        .insert("no_where".to_owned(), Attribute::Bool(true));
    others.push(of(&who, "clinic", STATEMENT, &[], &attribute));
    let run = |change: fn(&mut Run)| {
        let mut who = who.clone();
        who.run.iter_mut().for_each(|run| change(run));
        of(&who, "clinic", STATEMENT, &[], &does)
    };
    others.push(run(|run| run.repository_id = "7".into()));
    others.push(run(|run| run.provider = "gitlab-ci".into()));
    others.push(run(|run| run.workflow = None));
    // A branch is another pipeline, also where the workflow does not say so.
    others.push(run(|run| run.reference = "refs/heads/evil".into()));
    others.push(run(|run| {
        (run.reference, run.workflow) = ("refs/heads/evil".into(), None);
    }));
    let account = |change: fn(&mut Principal)| {
        let mut who = Principal {
            run: None,
            ..who.clone()
        };
        change(&mut who);
        of(&who, "clinic", STATEMENT, &[], &does)
    };
    others.push(account(|_| {}));
    others.push(account(|who| who.subject = "other".into()));
    others.push(account(|who| who.issuer = "other".into()));
    others.push(account(|who| who.method = "api-key".into()));
    others.push(account(|who| who.client_id = Some("other".into())));
    // A role of AWS is one, whatever a session of it calls itself; one that was made again under its name is another.
    let role = |client: &'static str| {
        let who = Principal {
            run: None,
            method: "aws-iam".into(),
            client_id: Some(client.into()),
            ..who.clone()
        };
        of(&who, "clinic", STATEMENT, &[], &does)
    };
    assert_eq!(role("AROAEXAMPLEROLEIDENT1:run-7"), role("AROAEXAMPLEROLEIDENT1:run-8"));
    others.push(role("AROAEXAMPLEROLEIDENT1:run-7"));
    others.push(role("AROAEXAMPLEROLEIDENT2:run-7"));
    // Elsewhere the issuer says all of it.
    others.push(account(|who| who.client_id = Some("app:1".into())));
    others.push(account(|who| who.client_id = Some("app:2".into())));
    others.push(own);
    let different: std::collections::BTreeSet<_> = others.iter().collect();
    assert_eq!(different.len(), others.len());
}

/// Where values may be code, or something is not recorded, nothing is known by its fingerprint.
#[test]
fn what_has_no_fingerprint_was_never_seen() {
    let none = |statement: &str, facts: &Facts| {
        assert_eq!(
            fingerprint(&principal(), "clinic", statement, &[], facts),
            None,
            "{facts:?}"
        );
    };
    let does = facts(Action::Write);
    assert!(fingerprint(&principal(), "clinic", &"x".repeat(STATEMENT_BYTES_MAX), &[], &does).is_some());
    none(&"x".repeat(STATEMENT_BYTES_MAX + 1), &does);
    // Hidden names are alike: it says as much of another statement.
    none(
        "UPDATE claims AS \"?\" SET paid = <string> WHERE \"?\".id = <number>",
        &does,
    );
    for action in [
        Action::Define,
        Action::Grant,
        Action::Execute,
        Action::Session,
        Action::Transaction,
    ] {
        none(STATEMENT, &facts(action));
    }
    let mut tries = does.clone();
    tries
        .attributes
        .insert("probe:public.claims.id".to_owned(), Attribute::Integer(1));
    none(STATEMENT, &tries);
    none(STATEMENT, &facts_at(&does, Counts::default()));
}

#[test]
fn a_command_is_seen_once_it_has_passed() {
    let command = |outcome| Command {
        statement: STATEMENT.to_owned(),
        digest: Digest([1; 32]),
        facts: said(Action::Write, false),
        decision: DecisionRecord {
            effect: Effect::Ask,
            policy: Digest([2; 32]),
            rule: None,
            reason: String::new(),
            approval: None,
            observed: None,
        },
        outcome,
        parameters: Vec::new(),
        request: None,
        approvals: None,
        retries: None,
        statement_fingerprint: None,
        described: None,
    };
    let own = fingerprint(&principal(), "clinic", STATEMENT, &[], &facts(Action::Write));
    for outcome in Outcome::ALL {
        let passes = matches!(outcome, Outcome::Allowed | Outcome::Approved);
        let found = passed(&principal(), "clinic", &command(*outcome));
        assert_eq!(found, own.filter(|_| passes), "{outcome}");
    }
}

/// What people approved goes on to pass, also once its like has passed: its decision is compared by itself.
#[test]
fn a_retry_may_have_been_seen_meanwhile() {
    let (first, again) = (said(Action::Write, false), said(Action::Write, true));
    assert!(same_again(&first, &again) && is_claimed(&again) && !is_claimed(&first));
    assert!(!is_claimed(&facts(Action::Write)));
}
