use std::collections::{BTreeMap, BTreeSet};

use super::{Allowed, MINUTE_US, allowed};
use crate::digest::Digest;
use crate::event::access::{DecisionRecord, Effect, Facts};
use crate::event::approval::{
    ApprovalDecided, ApprovalRequested, Grant, GrantBounds, GrantScope, Requirement, Terms, Verdict,
};
use crate::event::{SessionId, Timestamp};

const SIGNED: Timestamp = Timestamp(1_000_000_000);

fn request(grants: Option<GrantBounds>) -> ApprovalRequested {
    ApprovalRequested {
        target: "clinic".into(),
        statement: "SELECT 1".into(),
        command: Digest([1; 32]),
        facts: Facts {
            accesses: vec![],
            attributes: BTreeMap::new(),
            columns: None,
        },
        decision: DecisionRecord {
            effect: Effect::Ask,
            policy: Digest([2; 32]),
            rule: None,
            reason: "asked".into(),
            approval: Some("dba".into()),
            observed: None,
        },
        requirement: Requirement {
            name: "dba".into(),
            groups: vec!["dba".into()],
            people: 2,
            requester_may_approve: false,
            all_groups: None,
            hours: None,
            emergency: None,
            grants,
        },
        expires: Timestamp(u64::MAX),
        held_until: None,
        preview: None,
        requester: None,
    }
}

fn bounds() -> GrantBounds {
    GrantBounds {
        scopes: vec![GrantScope::Fingerprint, GrantScope::Session],
        minutes: 60,
        uses: 100,
        rows: Some(1_000),
    }
}

/// Somebody's approval, with a grant and rows.
fn decided(grant: Option<(GrantScope, u64, u64)>, rows: Option<u64>) -> ApprovalDecided {
    let grant = grant.map(|(scope, minutes, uses)| Grant { scope, minutes, uses });
    ApprovalDecided {
        request: Digest([3; 32]),
        command: Digest([1; 32]),
        session: SessionId([4; 16]),
        target: "clinic".into(),
        policy: Digest([2; 32]),
        expires: Timestamp(u64::MAX),
        verdict: Verdict::Approve,
        reason: "fine".into(),
        terms: (grant.is_some() || rows.is_some()).then_some(Terms { rows, grant }),
    }
}

fn check(request: &ApprovalRequested, decisions: &[ApprovalDecided]) -> Allowed {
    // Each signs a minute after the one before.
    let times = (0..).map(|number| Timestamp(SIGNED.0 + number * MINUTE_US));
    allowed(request, &times.zip(decisions).collect::<Vec<_>>())
}

const FINGERPRINT: GrantScope = GrantScope::Fingerprint;
const SESSION: GrantScope = GrantScope::Session;

#[test]
fn the_narrowest_of_all_people_and_of_the_policy_holds() {
    let two = [
        decided(Some((FINGERPRINT, 30, 20)), Some(500)),
        decided(Some((FINGERPRINT, 10, 50)), None),
    ];
    let found = check(&request(Some(bounds())), &two);
    let granted = found.grant.unwrap();
    assert_eq!((found.rows, granted.uses), (Some(500), 20));
    assert_eq!(granted.scopes, BTreeSet::from([FINGERPRINT]));
    // Eleven minutes after the first signature; ten after something first came of it, should that be earlier.
    assert_eq!(granted.ends(Timestamp(u64::MAX)).0, SIGNED.0 + 11 * MINUTE_US);
    assert_eq!(
        granted.ends(Timestamp(SIGNED.0 - MINUTE_US)).0,
        SIGNED.0 + 9 * MINUTE_US
    );

    let more = [decided(Some((SESSION, 6_000, 5_000)), Some(9_000))];
    let found = check(&request(Some(bounds())), &more);
    let granted = found.grant.unwrap();
    assert_eq!((found.rows, granted.uses), (Some(1_000), 100));
    assert_eq!(granted.ends(Timestamp(u64::MAX)).0, SIGNED.0 + 60 * MINUTE_US);
}

#[test]
fn what_two_people_grant_for_different_things_has_to_be_both() {
    let two = [
        decided(Some((FINGERPRINT, 5, 5)), None),
        decided(Some((SESSION, 5, 5)), None),
    ];
    let granted = check(&request(Some(bounds())), &two).grant.unwrap();
    assert_eq!(granted.scopes, BTreeSet::from([FINGERPRINT, SESSION]));
}

#[test]
fn without_everybody_and_the_policy_it_is_for_one_command() {
    let grants = decided(Some((FINGERPRINT, 5, 5)), Some(7));
    let once = Allowed {
        rows: Some(7),
        grant: None,
    };
    assert_eq!(
        check(&request(Some(bounds())), &[grants.clone(), decided(None, None)]),
        once
    );
    assert_eq!(
        check(&request(Some(bounds())), &[decided(None, Some(9)), grants.clone()]),
        once
    );
    assert_eq!(check(&request(None), std::slice::from_ref(&grants)), once);
    let sessions_alone = GrantBounds {
        scopes: vec![SESSION],
        ..bounds()
    };
    assert_eq!(check(&request(Some(sessions_alone)), &[grants]), once);
    // The policy's rows are about grants alone.
    let found = check(&request(Some(bounds())), &[decided(None, None)]);
    assert_eq!(found, Allowed::default());
}
