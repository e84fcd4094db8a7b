use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{DecisionRecord, Effect, Facts, Principal};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalRequested, ApprovalRevoked, Grant, GrantBounds, GrantScope, REASON_BYTES_MAX, Requirement,
    Terms, Verdict,
};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::terms::allowed;

use super::{deadline, ends};
use crate::approval::{ApprovalFault, Decided, Request, Revocation, Tally, approving, check, check_revocation, tally};
use crate::hours::Hours;
use crate::snapshot::{Approval, Snapshot};

const MINUTE_US: u64 = 60_000_000;

const POLICY: &str = r#"
version = 1
[[targets]]
name = "clinic"
protocol = "postgres"
[[targets]]
name = "billing"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 2
expires_s = 900
hours = { windows = ["Fri 08:00-18:00"] }
emergency = { groups = ["on-call"], minutes = 30, reviewers = ["privacy"], review_within_days = 3, targets = ["clinic"] }
"#;

fn approval() -> Approval {
    let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
    snapshot.approval("dba").unwrap().clone()
}

fn asked(target: &str) -> ApprovalRequested {
    let approval = approval();
    ApprovalRequested {
        target: target.into(),
        statement: "DROP TABLE visits".into(),
        command: Digest([1; 32]),
        facts: Facts {
            accesses: Vec::new(),
            attributes: BTreeMap::new(),
            columns: None,
        },
        decision: DecisionRecord {
            effect: Effect::Ask,
            policy: Digest([2; 32]),
            rule: None,
            reason: String::new(),
            approval: Some("dba".into()),
            observed: None,
        },
        requirement: Requirement {
            name: "dba".into(),
            groups: approval.groups,
            people: approval.people,
            requester_may_approve: false,
            all_groups: None,
            hours: approval.hours.as_ref().map(Hours::stated).cloned(),
            grants: None,
            emergency: approval.emergency.unwrap().stated(target).map(Box::new),
        },
        expires: Timestamp(900 * 1_000_000),
        held_until: None,
        preview: None,
        requester: None,
    }
}

fn requester() -> Principal {
    Principal {
        method: "api-key".into(),
        issuer: "exhibit".into(),
        subject: "ci".into(),
        client_id: None,
        groups: Vec::new(),
        evidence: Digest([0; 32]),
        run: None,
    }
}

fn person(name: &str, group: &str) -> KeyRecord {
    KeyRecord {
        key: SecretKey::from_seed(&[5; 32]).public_key(),
        role: Role::Person,
        name: name.to_owned(),
        groups: vec![group.to_owned()],
        enrolled: Index(0),
        ended: None,
        mask_keys: Vec::new(),
    }
}

/// A decision, its signer, when it was made, and whether its key was revoked since.
#[derive(Clone)]
struct Made {
    signer: KeyRecord,
    time: Timestamp,
    revoked: bool,
    body: ApprovalDecided,
}

fn made(asked: &ApprovalRequested, verdict: Verdict, (name, group): (&str, &str)) -> Made {
    Made {
        signer: person(name, group),
        // A Thursday, on which nobody may approve.
        time: Timestamp(1),
        revoked: false,
        body: ApprovalDecided {
            request: Digest([3; 32]),
            command: asked.command,
            session: SessionId([4; 16]),
            target: asked.target.clone(),
            policy: asked.decision.policy,
            expires: asked.expires,
            verdict,
            reason: "the ward is without its list of medicines".into(),
            terms: None,
        },
    }
}

/// Of every other command of the session for an hour.
fn granted() -> Terms {
    Terms {
        rows: None,
        grant: Some(Grant {
            scope: GrantScope::Session,
            minutes: 60,
            uses: 9,
        }),
    }
}

fn decided(made: &[Made]) -> Vec<Decided<'_>> {
    (0..)
        .zip(made)
        .map(|(number, made)| Decided {
            leaf: Digest([number; 32]),
            time: made.time,
            signer: &made.signer,
            revoked: made.revoked,
            body: &made.body,
        })
        .collect()
}

fn with<T>(asked: &ApprovalRequested, requester: &Principal, run: impl FnOnce(&Request<'_>) -> T) -> T {
    run(&Request {
        leaf: Digest([3; 32]),
        session: SessionId([4; 16]),
        requester,
        body: asked,
    })
}

type Change = fn(&mut Made);

fn checked(asked: &ApprovalRequested, change: impl FnOnce(&mut Made)) -> Result<(), ApprovalFault> {
    let mut one = made(asked, Verdict::Emergency, ("ann", "on-call"));
    change(&mut one);
    with(asked, &requester(), |request| check(request, &decided(&[one])[0]))
}

#[test]
fn an_emergency_counts_of_a_listed_person_with_a_reason_and_at_any_hour() {
    let asked = asked("clinic");
    assert_eq!(checked(&asked, |_| ()), Ok(()));
    let faults: [(Change, ApprovalFault); 13] = [
        (|one| one.signer.groups = vec!["dba".into()], ApprovalFault::Initiator),
        (
            |one| one.signer.groups = vec!["privacy".into()],
            ApprovalFault::Initiator,
        ),
        (|one| one.signer.role = Role::Administrator, ApprovalFault::NotAPerson),
        (|one| one.signer.name = "CI".into(), ApprovalFault::Requester),
        (|one| one.body.reason = String::new(), ApprovalFault::Reason),
        (|one| one.body.reason = " \n\u{a0}".into(), ApprovalFault::Reason),
        (
            |one| one.body.reason = "x".repeat(REASON_BYTES_MAX + 1),
            ApprovalFault::Reason,
        ),
        (|one| one.body.terms = Some(granted()), ApprovalFault::Grant),
        (|one| one.revoked = true, ApprovalFault::Revoked),
        (|one| one.time = Timestamp(900 * 1_000_000 + 1), ApprovalFault::Late),
        (
            |one| one.body.request = Digest([9; 32]),
            ApprovalFault::Other("request"),
        ),
        (
            |one| one.body.command = Digest([9; 32]),
            ApprovalFault::Other("command"),
        ),
        (|one| one.body.target = "billing".into(), ApprovalFault::Other("target")),
    ];
    for (change, wanted) in faults {
        assert_eq!(checked(&asked, change), Err(wanted));
    }
    let longest: Change = |one| one.body.reason = "x".repeat(REASON_BYTES_MAX);
    assert_eq!(checked(&asked, longest), Ok(()));
    let mut own = asked.clone();
    own.requirement.requester_may_approve = true;
    assert_eq!(checked(&own, |one| one.signer.name = "ci".into()), Ok(()));
}

#[test]
fn where_the_policy_names_nobody_there_is_no_emergency() {
    assert_eq!(checked(&asked("billing"), |_| ()), Err(ApprovalFault::NoEmergency));
    let mut none = asked("clinic");
    none.requirement.emergency = None;
    assert_eq!(checked(&none, |_| ()), Err(ApprovalFault::NoEmergency));
}

#[test]
fn an_emergency_is_no_approval_and_a_refusal_or_enough_people_come_before_it() {
    let mut asked = asked("clinic");
    asked.requirement.hours = None;
    let comes_to = |made: &[Made]| with(&asked, &requester(), |request| tally(request, &decided(made), &[]));
    let emergency = made(&asked, Verdict::Emergency, ("ann", "on-call"));
    let approves = |name| made(&asked, Verdict::Approve, (name, "dba"));
    assert_eq!(comes_to(&[]), Tally::Waiting(0));
    assert_eq!(
        comes_to(std::slice::from_ref(&emergency)),
        Tally::Emergency(Digest([0; 32]))
    );
    assert_eq!(
        comes_to(&[approves("bob"), emergency.clone()]),
        Tally::Emergency(Digest([1; 32]))
    );
    let enough = [emergency.clone(), approves("bob"), approves("cid")];
    assert_eq!(
        comes_to(&enough),
        Tally::Approved(vec![Digest([1; 32]), Digest([2; 32])])
    );
    // Somebody who is in both groups, and says that it is an emergency, is none of those who approve.
    let mut both = emergency.clone();
    both.signer.groups.push("dba".into());
    assert_eq!(comes_to(&[both, approves("bob")]), Tally::Emergency(Digest([0; 32])));
    let refuses = made(&asked, Verdict::Deny, ("bob", "dba"));
    assert_eq!(comes_to(&[emergency.clone(), refuses]), Tally::Refused(Digest([1; 32])));
    // Of two the one that lasts longer.
    let mut later = emergency.clone();
    later.time.0 += 1;
    assert_eq!(comes_to(&[later, emergency]), Tally::Emergency(Digest([0; 32])));
}

#[test]
fn an_emergency_grants_no_other_commands_nor_does_a_grant_of_too_few_people_beside_it() {
    let mut asked = asked("clinic");
    asked.requirement.hours = None;
    asked.requirement.grants = Some(GrantBounds {
        scopes: vec![GrantScope::Session],
        minutes: 60,
        uses: 9,
        rows: None,
    });
    let mut approves = made(&asked, Verdict::Approve, ("bob", "dba"));
    approves.body.terms = Some(granted());
    let emergency = made(&asked, Verdict::Emergency, ("ann", "on-call"));
    let grants = |made: &[Made]| {
        with(&asked, &requester(), |request| {
            let decided = decided(made);
            let heard = approving(request, &decided);
            let stated: Vec<_> = heard.iter().map(|decided| (decided.time, decided.body)).collect();
            allowed(request.body, &stated).grant.is_some()
        })
    };
    assert!(grants(std::slice::from_ref(&approves)));
    assert!(!grants(&[approves.clone(), emergency.clone()]));
    // Also where the terms of a decision that does not count were asked for.
    let mut both = emergency;
    both.body.terms = Some(granted());
    assert!(allowed(&asked, &[(both.time, &both.body)]).grant.is_none());
}

#[test]
fn who_let_it_pass_takes_it_back_and_says_how_many_rows() {
    let asked = asked("clinic");
    let mut emergency = made(&asked, Verdict::Emergency, ("ann", "on-call"));
    emergency.body.terms = Some(Terms {
        rows: Some(3),
        grant: None,
    });
    let body = ApprovalRevoked {
        index: 0,
        request: Digest([3; 32]),
        session: SessionId([4; 16]),
        reason: "it is over".into(),
    };
    let made = [emergency];
    let decided = decided(&made);
    with(&asked, &requester(), |request| {
        let heard = approving(request, &decided);
        let stated: Vec<_> = heard.iter().map(|decided| (decided.time, decided.body)).collect();
        assert_eq!(allowed(request.body, &stated).rows, Some(3));
        for (name, group, wanted) in [
            ("ann", "on-call", Ok(())),
            ("bob", "dba", Ok(())),
            ("eve", "on-call", Err(ApprovalFault::Group)),
        ] {
            let revocation = Revocation {
                leaf: Digest([8; 32]),
                signer: &person(name, group),
                body: &body,
            };
            assert_eq!(check_revocation(request, &decided, &revocation), wanted, "{name}");
        }
    });
}

#[test]
fn neither_clock_lets_it_last_longer_than_the_policy_says() {
    let asked = asked("clinic");
    let half_an_hour = 30 * MINUTE_US;
    for (decided, first, wanted) in [(100, 100, 100), (100, 5_000, 100), (5_000, 100, 100)] {
        let ends = ends(&asked, Timestamp(decided), Timestamp(first));
        assert_eq!(ends, Timestamp(wanted + half_an_hour));
    }
    assert_eq!(deadline(&asked, Timestamp(7)), Timestamp(7 + 3 * 86_400_000_000));
    let mut none = asked;
    none.requirement.emergency = None;
    assert_eq!(ends(&none, Timestamp(5), Timestamp(9)), Timestamp(5));
}

#[test]
fn what_is_wrong_in_a_policy_is_told_with_its_line() {
    for (from, to, wanted) in [
        (
            "[\"on-call\"]",
            "[]",
            "line 9: approval `dba`: emergency: name at least one group that may use it",
        ),
        (
            "[\"privacy\"]",
            "[]",
            "emergency: name at least one group that reviews each use",
        ),
        ("minutes = 30", "minutes = 0", "emergency: minutes is 1 to 1440"),
        ("minutes = 30", "minutes = 1441", "emergency: minutes is 1 to 1440"),
        ("days = 3", "days = 0", "emergency: review_within_days is 1 to 366"),
        ("days = 3", "days = 367", "emergency: review_within_days is 1 to 366"),
        ("minutes = 30, ", "", "missing field `minutes`"),
        (
            "[\"clinic\"] }",
            "[] }",
            "emergency: targets is left out for all of them",
        ),
        (
            "[\"clinic\"] }",
            "[\"clinics\"] }",
            "names target `clinics`, which is not defined; the nearest is `clinic`",
        ),
        ("minutes", "minute", "unknown field `minute`"),
    ] {
        assert!(POLICY.contains(from), "{from}");
        let text = POLICY.replacen(from, to, 1);
        let error = Snapshot::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{from} {to}: {error}");
    }
}
