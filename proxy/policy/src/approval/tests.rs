use std::collections::BTreeMap;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{DecisionRecord, Effect, Facts, Principal, Run};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, Hours, Requirement, Verdict};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use proptest::prelude::*;

use super::{ApprovalFault, Decided, Request, Tally, check, requests, tally};

fn asked(people: u64, all_groups: &[&str], hours: Option<Hours>) -> ApprovalRequested {
    let all_groups: Vec<_> = all_groups.iter().map(|group| (*group).to_owned()).collect();
    ApprovalRequested {
        target: "clinic".into(),
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
            approval: Some("a".into()),
            observed: None,
        },
        requirement: Requirement {
            name: "a".into(),
            groups: vec!["lead".into()],
            people,
            requester_may_approve: false,
            all_groups: (!all_groups.is_empty()).then_some(all_groups),
            hours,
            grants: None,
            emergency: None,
        },
        expires: Timestamp(u64::MAX),
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

/// What people of these groups come to who approve one after another: how many of them it took, or `None`.
fn took<Name: AsRef<str>, Group: AsRef<str>>(body: &ApprovalRequested, people: &[(Name, Vec<Group>)]) -> Option<usize> {
    let requester = requester();
    let request = Request {
        leaf: Digest([3; 32]),
        session: SessionId([4; 16]),
        requester: &requester,
        body,
    };
    let keys = people.iter().map(|(name, groups)| person(name.as_ref(), groups));
    let keys: Vec<_> = keys.collect();
    let made = decided(body, Verdict::Approve);
    let decided = (0..).zip(&keys).map(|(number, signer)| Decided {
        leaf: Digest([number; 32]),
        time: Timestamp(0),
        signer,
        revoked: false,
        body: &made,
    });
    match tally(&request, &decided.collect::<Vec<_>>(), &[]) {
        Tally::Approved(leaves) => Some(leaves.len()),
        Tally::Emergency(_) | Tally::Refused(_) | Tally::Waiting(_) => None,
    }
}

fn person<Group: AsRef<str>>(name: &str, groups: &[Group]) -> KeyRecord {
    KeyRecord {
        key: SecretKey::from_seed(&[5; 32]).public_key(),
        role: Role::Person,
        name: name.to_owned(),
        groups: groups.iter().map(|group| group.as_ref().to_owned()).collect(),
        enrolled: Index(0),
        ended: None,
        mask_keys: Vec::new(),
    }
}

fn decided(body: &ApprovalRequested, verdict: Verdict) -> ApprovalDecided {
    ApprovalDecided {
        request: Digest([3; 32]),
        command: body.command,
        session: SessionId([4; 16]),
        target: body.target.clone(),
        policy: body.decision.policy,
        expires: body.expires,
        verdict,
        reason: "seen".into(),

        terms: None,
    }
}

#[test]
fn a_person_in_several_groups_counts_once() {
    let two = asked(2, &[], None);
    let ann = || ("ann", vec!["lead", "dba"]);
    assert_eq!(took(&two, &[ann(), ann()]), None);
    assert_eq!(took(&two, &[ann(), ("bob", vec!["lead"])]), Some(2));
}

#[test]
fn each_of_all_groups_has_a_person_of_its_own() {
    let each = asked(1, &["dba", "privacy"], None);
    let both = |name| (name, vec!["dba", "privacy"]);
    let dba = |name| (name, vec!["dba"]);
    let privacy = |name| (name, vec!["privacy"]);
    assert_eq!(took(&each, &[both("ann")]), None, "nobody stands for two");
    assert_eq!(took(&each, &[both("ann"), both("ann")]), None);
    assert_eq!(took(&each, &[dba("ann"), dba("bob")]), None);
    assert_eq!(took(&each, &[dba("ann"), ("eve", vec!["lead"])]), None);
    assert_eq!(took(&each, &[dba("ann"), privacy("bob")]), Some(2));
    // Whoever can stand for either stands for the one that is left.
    assert_eq!(took(&each, &[both("ann"), dba("bob")]), Some(2));
    assert_eq!(took(&each, &[both("ann"), privacy("bob")]), Some(2));
    assert_eq!(took(&each, &[("eve", vec!["lead"]), dba("ann"), both("bob")]), Some(3));
    // As many people as are asked for have to approve, too.
    let three = asked(3, &["dba", "privacy"], None);
    assert_eq!(took(&three, &[dba("ann"), privacy("bob")]), None);
    assert_eq!(took(&three, &[dba("ann"), privacy("bob"), dba("carol")]), Some(3));
    // Whom a group has may have to go to another, and so on.
    let chain = asked(1, &["a", "b", "c"], None);
    let ends = |last: &[&'static str]| [("1", vec!["a", "b"]), ("2", vec!["a", "c"]), ("3", last.to_vec())];
    assert_eq!(took(&chain, &ends(&["a"])), Some(3));
    let none = [("1", vec!["a", "b"]), ("2", vec!["a", "b"]), ("3", vec!["a"])];
    assert_eq!(took(&chain, &none), None);
}

/// Whether each group can be given another person, by trying every order of the people.
fn by_trying(groups: &[String], people: &[(String, Vec<String>)]) -> bool {
    let Some((group, others)) = groups.split_first() else {
        return true;
    };
    (0..people.len()).any(|place| {
        let mut left = people.to_vec();
        let (_, of) = left.remove(place);
        of.contains(group) && by_trying(others, &left)
    })
}

proptest! {
    #[test]
    fn all_groups_have_people_exactly_if_they_can_be_given_some(
        number in 1_usize..=4,
        people in proptest::collection::vec(proptest::collection::btree_set(0_usize..4, 1..=4), 0..=5),
    ) {
        let names: Vec<String> = (0..number).map(|group| group.to_string()).collect();
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        // People of other groups count as people, too.
        let mut body = asked(1, &groups, None);
        body.requirement.groups = (0..4).map(|group| group.to_string()).collect();
        let people: Vec<(String, Vec<String>)> = people
            .into_iter()
            .enumerate()
            .map(|(person, of)| (format!("p{person}"), of.into_iter().map(|group| group.to_string()).collect()))
            .collect();
        prop_assert_eq!(took(&body, &people).is_some(), by_trying(&names, &people));
    }
}

#[test]
fn approvals_count_within_their_hours_and_refusals_always() {
    let thursday = Hours {
        windows: vec!["Thu 22:00-06:00".into()],
        zone: "UTC".into(),
    };
    let body = asked(1, &[], Some(thursday));
    let requester = requester();
    let request = Request {
        leaf: Digest([3; 32]),
        session: SessionId([4; 16]),
        requester: &requester,
        body: &body,
    };
    let signer = person("ann", &["lead"]);
    // 1 January 1970 was a Thursday.
    let at = |hour: u64, verdict| {
        let body = decided(&body, verdict);
        let decided = Decided {
            leaf: Digest([0; 32]),
            time: Timestamp(hour * 3_600_000_000),
            signer: &signer,
            revoked: false,
            body: &body,
        };
        check(&request, &decided)
    };
    for (hour, within) in [
        (0, false),
        (21, false),
        (22, true),
        (29, true),
        (30, false),
        (46, false),
    ] {
        let wanted = if within { Ok(()) } else { Err(ApprovalFault::Hours) };
        assert_eq!(at(hour, Verdict::Approve), wanted, "{hour}");
        assert_eq!(at(hour, Verdict::Deny), Ok(()), "{hour}");
    }
}

#[test]
fn a_requester_is_known_however_its_name_is_spelt() {
    let run = Run {
        provider: "github-actions".into(),
        repository: "octo/app".into(),
        repository_id: "1".into(),
        owner_id: "2".into(),
        reference: "refs/heads/main".into(),
        commit: "c0ffee".into(),
        workflow: None,
        run_id: "3".into(),
        job_id: None,
        actor: "Octo-Ann".into(),
        actor_id: "4".into(),
        trigger: "push".into(),
        environment: None,
    };
    let requester = Principal {
        method: "client-certificate".into(),
        issuer: "build".into(),
        subject: "Ann".into(),
        client_id: Some("Nightly-Job".into()),
        groups: vec!["dba".into()],
        evidence: Digest([1; 32]),
        run: Some(run.into()),
    };
    for own in ["Ann", "ann", "ANN", "nightly-job", "octo-ann", "OCTO-ANN"] {
        assert!(requests(own, &requester), "{own}");
    }
    for other in ["bob", "an", "annn", "dba", "build", ""] {
        assert!(!requests(other, &requester), "{other}");
    }
}
