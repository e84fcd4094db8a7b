use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, Principal};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalRequested, Grant, GrantBounds, GrantScope, Requirement, Terms, Verdict,
};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::terms::{Granted, allowed};

use super::{Covered, Grants, STATEMENT_BYTES_MAX, differs, within};
use crate::decide::Asker;
use crate::estimate::Estimate;

fn grants(text: &str) -> Grants {
    toml::from_str(text).unwrap()
}

const BOTH: &str = "scopes = [\"fingerprint\", \"session\"]\nminutes = 60\nuses = 20\n";

fn facts(action: Action) -> Facts {
    Facts {
        accesses: vec![Access(action, Some("public.claims".into()))],
        attributes: [("class".to_owned(), Attribute::Text("update".into()))].into(),
        columns: None,
    }
}

#[test]
fn numbers_and_words_of_grants_have_bounds() {
    let unfit = |change: &dyn Fn(&mut Grants)| {
        let mut changed = grants(BOTH);
        change(&mut changed);
        changed.unfit().is_some()
    };
    assert!(!unfit(&|_| ()));
    for (minutes, wrong) in [(0, true), (1, false), (1_440, false), (1_441, true)] {
        assert_eq!(unfit(&|grants| grants.minutes = minutes), wrong);
    }
    for (uses, wrong) in [(1, true), (2, false), (100_000, false), (100_001, true)] {
        assert_eq!(unfit(&|grants| grants.uses = uses), wrong);
    }
    assert!(unfit(&|grants| grants.rows = Some(0)) && !unfit(&|grants| grants.rows = Some(1)));
    assert!(unfit(&|grants| grants.scopes.clear()));
    assert!(unfit(&|grants| grants.scopes = vec!["everything".into()]));
    assert!(unfit(&|grants| grants.scopes = vec!["session".into(), "session".into()]));
}

#[test]
fn what_may_be_granted_depends_on_what_is_asked() {
    let scopes = |statement: &str, facts: &Facts| {
        let bounds = grants(BOTH).bounds(statement, facts);
        bounds.map(|bounds| bounds.scopes)
    };
    let both = Some(vec![GrantScope::Fingerprint, GrantScope::Session]);
    let session = Some(vec![GrantScope::Session]);
    for action in Action::ALL {
        let rows = matches!(action, Action::Read | Action::Write | Action::Delete);
        let wanted = if rows { &both } else { &session };
        assert_eq!(&scopes("UPDATE claims SET paid = <number>", &facts(*action)), wanted);
    }
    // What was cut has no fingerprint.
    let whole = "x".repeat(STATEMENT_BYTES_MAX);
    assert_eq!(scopes(&whole, &facts(Action::Read)), both);
    assert_eq!(scopes(&format!("{whole}x"), &facts(Action::Read)), session);
    // Hidden names are alike, so which of them stands where is not known.
    let hidden = "DELETE FROM claims USING patients \"?\", patients \"?\" WHERE \"?\".id = <number>";
    assert_eq!(scopes(hidden, &facts(Action::Delete)), session);
    assert_eq!(scopes(&hidden.replace("\"?\"", "\"p\""), &facts(Action::Delete)), both);
    // Replies at a threshold, and values that are tried, are asked about each time.
    for name in ["reply_rows", "probe:public.claims.ssn"] {
        let mut other = facts(Action::Read);
        for count in ["reply_rows", "reply_bytes", "session_rows", "session_bytes"] {
            if name == "reply_rows" {
                other.attributes.insert(count.to_owned(), Attribute::Integer(1));
            }
        }
        other.attributes.insert(name.to_owned(), Attribute::Integer(1));
        assert_eq!(scopes("SELECT", &other), None, "{name}");
    }
}

#[test]
fn a_question_may_say_less_than_the_policy_and_not_more() {
    let most = grants(BOTH).bounds("SELECT", &facts(Action::Read)).unwrap();
    let less = GrantBounds {
        scopes: vec![GrantScope::Session],
        ..most.clone()
    };
    assert!(within(&less, &most) && !within(&most, &less));
    for changed in [
        GrantBounds {
            minutes: 61,
            ..most.clone()
        },
        GrantBounds {
            uses: 21,
            ..most.clone()
        },
        GrantBounds {
            rows: Some(1),
            ..most.clone()
        },
    ] {
        assert!(!within(&changed, &most));
    }
}

/// A command with everything of which a grant takes account.
#[derive(Clone)]
struct Owned {
    requester: Principal,
    target: String,
    session: SessionId,
    statement: String,
    parameters: Vec<String>,
    facts: Facts,
    decision: DecisionRecord,
    askers: BTreeSet<Asker>,
}

impl Owned {
    fn new() -> Self {
        Self {
            requester: Principal {
                method: "api-key".into(),
                issuer: "exhibit".into(),
                subject: "ci".into(),
                client_id: None,
                groups: vec![],
                evidence: Digest([0; 32]),
                run: None,
            },
            target: "clinic".into(),
            session: SessionId([1; 16]),
            statement: "UPDATE claims SET paid = <number>".into(),
            parameters: vec!["int4".into()],
            facts: facts(Action::Write),
            decision: DecisionRecord {
                effect: Effect::Ask,
                policy: Digest([2; 32]),
                rule: Some("changes".into()),
                reason: "a change".into(),
                approval: Some("dba".into()),
                observed: None,
            },
            askers: BTreeSet::from([Some("changes".to_owned())]),
        }
    }

    fn covered(&self) -> Covered<'_> {
        Covered {
            requester: &self.requester,
            target: &self.target,
            session: self.session,
            statement: &self.statement,
            parameters: &self.parameters,
            facts: &self.facts,
            decision: &self.decision,
            askers: &self.askers,
        }
    }
}

fn granted(scope: GrantScope) -> Granted {
    let first = Owned::new();
    let bounds = grants(BOTH).bounds(&first.statement, &first.facts);
    let request = ApprovalRequested {
        target: first.target.clone(),
        statement: first.statement.clone(),
        command: Digest([1; 32]),
        facts: first.facts.clone(),
        decision: first.decision.clone(),
        requirement: Requirement {
            name: "dba".into(),
            groups: vec!["dba".into()],
            people: 1,
            requester_may_approve: false,
            all_groups: None,
            hours: None,
            grants: bounds,
            emergency: None,
        },
        expires: Timestamp(9),
        held_until: None,
        preview: None,
        requester: None,
    };
    let decided = ApprovalDecided {
        request: Digest([3; 32]),
        command: Digest([1; 32]),
        session: first.session,
        target: first.target.clone(),
        policy: first.decision.policy,
        expires: Timestamp(9),
        verdict: Verdict::Approve,
        reason: "fine".into(),
        terms: Some(Terms {
            rows: None,
            grant: Some(Grant {
                scope,
                minutes: 5,
                uses: 5,
            }),
        }),
    };
    allowed(&request, &[(Timestamp(1), &decided)]).grant.unwrap()
}

/// Whether a grant of a scope covers what was changed.
fn covers(scope: GrantScope, change: impl Fn(&mut Owned)) -> bool {
    let (first, mut next) = (Owned::new(), Owned::new());
    change(&mut next);
    differs(&granted(scope), &first.covered(), &next.covered()).is_none()
}

#[test]
fn a_fingerprint_is_everything_but_values_and_the_session() {
    let fits = |change: &dyn Fn(&mut Owned)| covers(GrantScope::Fingerprint, change);
    assert!(fits(&|_| ()));
    assert!(fits(&|next| next.session = SessionId([9; 16])));
    assert!(fits(&|next| next.requester.evidence = Digest([9; 32])));
    assert!(fits(&|next| {
        next.facts.attributes.insert("time_s".into(), Attribute::Integer(9));
    }));
    assert!(!fits(&|next| next.statement.push(' ')));
    assert!(!fits(&|next| next.parameters = vec!["text".into()]));
    assert!(!fits(&|next| next
        .facts
        .accesses
        .push(Access(Action::Write, Some("public.claims".into())))));
    // Another search path reads another relation by the same name.
    assert!(!fits(
        &|next| next.facts.accesses = vec![Access(Action::Write, Some("audit.claims".into()))]
    ));
    assert!(!fits(&|next| {
        next.facts.attributes.insert("no_where".into(), Attribute::Bool(true));
    }));
}

#[test]
fn a_session_may_do_anything_about_which_the_same_rules_ask() {
    let fits = |change: &dyn Fn(&mut Owned)| covers(GrantScope::Session, change);
    assert!(fits(&|next| {
        next.statement = "DELETE FROM notes".into();
        next.facts = facts(Action::Delete);
        next.parameters = vec![];
    }));
    assert!(!fits(&|next| next.session = SessionId([9; 16])));
    assert!(!fits(&|next| {
        // The decision names the one rule, and another asks as well.
        next.askers.insert(Some("exports".to_owned()));
    }));
}

#[test]
fn no_grant_covers_another_requester_target_or_decision_nor_what_is_asked_each_time() {
    type Change = fn(&mut Owned);
    let changes: [Change; 8] = [
        |next| next.requester.subject = "other".into(),
        |next| next.requester.groups = vec!["dba".into()],
        |next| next.target = "billing".into(),
        |next| next.decision.policy = Digest([9; 32]),
        |next| next.decision.rule = Some("exports".into()),
        |next| next.decision.approval = Some("privacy".into()),
        |next| {
            let name = "probe:public.claims.ssn".to_owned();
            next.facts.attributes.insert(name, Attribute::Integer(1));
        },
        |next| {
            let counts = ["reply_rows", "reply_bytes", "session_rows", "session_bytes"];
            let counts = counts.map(|name| (name.to_owned(), Attribute::Integer(1)));
            next.facts.attributes.extend(BTreeMap::from(counts));
        },
    ];
    for scope in GrantScope::ALL {
        for (number, change) in changes.iter().enumerate() {
            assert!(!covers(*scope, change), "{scope} {number}");
        }
    }
}

#[test]
fn no_grant_covers_what_more_rows_are_estimated_of() {
    let estimated = |owned: &mut Owned, estimate: Estimate| estimate.state(&mut owned.facts);
    for scope in GrantScope::ALL {
        for (told, next, fits) in [(9, 9, true), (9, 8, true), (9, 10, false)] {
            let (mut first, mut again) = (Owned::new(), Owned::new());
            estimated(&mut first, Estimate::Rows(told));
            estimated(&mut again, Estimate::Rows(next));
            let found = differs(&granted(*scope), &first.covered(), &again.covered());
            assert_eq!(found.is_none(), fits, "{scope} {told} {next}");
        }
        assert!(!covers(*scope, |next| estimated(next, Estimate::Unknown("why".into()))));
    }
}
