//! When what people approved counts as seen, and what of it never does.

use std::collections::BTreeMap;
use std::future::pending;

use exhibit_policy::seen;
use exhibit_schemas::event::access::Action;
use exhibit_schemas::event::approval::{GrantScope, Terms};

use super::super::{Cleared, EndStatus, Reach, Releasing, Request, Ruling, Session, Transaction};
use super::granted::{covered, granted_by, revoke, terms, update};
use super::{World, decision, emergencies, granted, opening, request, world_of};
use crate::memory::Mode;

const RULE: &str = r#"
[[rules]]
name = "known"
roles = ["agent"]
targets = ["clinic"]
actions = ["read", "write"]
when = { first_seen = false }
effect = "allow"
[[rules]]"#;

/// Under which changes are asked about until they are known.
async fn world(policy: &str) -> World {
    world_of(&policy.replacen("[[rules]]", RULE, 1)).await
}

fn read() -> Request {
    Request {
        reach: Reach::Nothing,
        ..request(Action::Read)
    }
}

/// Whether one like it is known in a session that has nothing to do with it.
async fn is_known(world: &World, request: Request) -> bool {
    let session = world.session.gate().open(opening(None)).await.unwrap();
    let facts = match session.decide(request) {
        Ruling::Permit(permit) => permit.judged.request.facts,
        Ruling::Pending(pending) => pending.judged.request.facts,
        Ruling::Denial(denial) => panic!("{denial:?}"),
    };
    assert!(seen::is_stated(&facts));
    seen::is_claimed(&facts)
}

fn ends(session: &mut Session, command: &Cleared, status: EndStatus) -> Releasing {
    session.finish(command.reply(), None, Vec::new(), status, None, BTreeMap::new())
}

/// The change that people are asked about, and approve.
async fn approved(world: &mut World, terms: Option<Terms>) -> Cleared {
    granted_by(world, update(1), [terms.clone(), terms]).await
}

#[tokio::test]
async fn what_people_approved_is_known_when_its_reply_is_complete() {
    for (status, known) in [
        (EndStatus::Complete, true),
        (EndStatus::Failed, false),
        (EndStatus::Skipped, false),
    ] {
        let mut world = world(&granted::policy()).await;
        let command = approved(&mut world, None).await;
        assert!(!is_known(&world, update(2)).await, "it has not run");
        let releasing = ends(&mut world.session, &command, status);
        assert!(!is_known(&world, update(2)).await, "its end is not durable");
        releasing.durable().await.unwrap();
        assert_eq!(is_known(&world, update(2)).await, known, "{status:?}");
    }
}

#[tokio::test]
async fn what_people_took_back_before_its_end_is_not_known() {
    for while_it_is_recorded in [false, true] {
        let mut world = world(&granted::policy()).await;
        let command = approved(&mut world, None).await;
        let mut other = world.session.gate().open(opening(None)).await.unwrap();
        if !while_it_is_recorded {
            revoke(&world, "cid");
        }
        let releasing = ends(&mut world.session, &command, EndStatus::Complete);
        if while_it_is_recorded {
            revoke(&world, "cid");
        }
        releasing.durable().await.unwrap();
        assert!(!is_known(&world, update(2)).await);
        // Of what nobody was asked about, the approval says nothing.
        let Ruling::Permit(permit) = other.decide(read()) else {
            panic!("reads are allowed")
        };
        other.record(vec![permit]).await.unwrap();
        assert!(is_known(&world, read()).await);
    }
}

#[tokio::test]
async fn what_passed_by_a_grant_is_known_where_it_is_for_the_same_alone() {
    for (scope, known) in [(GrantScope::Fingerprint, true), (GrantScope::Session, false)] {
        let mut world = world(&granted::policy()).await;
        let first = approved(&mut world, Some(terms(scope, 60, 5))).await;
        let by_grant = covered(&mut world.session, update(2)).await.unwrap();
        let second = world.session.record(vec![by_grant]).await.unwrap().remove(0);
        for (command, status) in [(&first, EndStatus::Failed), (&second, EndStatus::Complete)] {
            assert!(!is_known(&world, update(3)).await);
            let releasing = ends(&mut world.session, command, status);
            releasing.durable().await.unwrap();
        }
        assert_eq!(is_known(&world, update(3)).await, known, "{scope:?}");
    }
    // The first one of a session's grant is one of it, too.
    let mut world = world(&granted::policy()).await;
    let first = approved(&mut world, Some(terms(GrantScope::Session, 60, 5))).await;
    let releasing = ends(&mut world.session, &first, EndStatus::Complete);
    releasing.durable().await.unwrap();
    assert!(!is_known(&world, update(3)).await);
}

#[tokio::test]
async fn what_passed_in_an_emergency_is_not_known() {
    let changes = emergencies::policy("").replace("actions = [\"define\"]", "actions = [\"define\", \"write\"]");
    let mut world = world(&changes).await;
    let Ruling::Pending(asked) = world.session.decide(update(1)) else {
        panic!("it asks")
    };
    let asked = world.session.ask(asked).await.unwrap();
    world.memory.decide(emergencies::emergency(&world, "ann", |_| ()));
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let command = world.session.record(vec![permit]).await.unwrap().remove(0);
    let releasing = ends(&mut world.session, &command, EndStatus::Complete);
    releasing.durable().await.unwrap();
    assert!(!is_known(&world, update(2)).await);
}

/// A group of which something ends while it is recorded: nothing of it reaches the target.
#[tokio::test]
async fn what_did_not_pass_after_all_is_not_known_though_it_is_recorded() {
    let mut world = world(&granted::policy()).await;
    let ahead = Request {
        statement: "SELECT ahead".into(),
        ..read()
    };
    let Ruling::Permit(permit) = world.session.decide(ahead.clone()) else {
        panic!("reads are allowed")
    };
    world.session.clear(vec![permit], Transaction::None).await.unwrap();
    let Ruling::Pending(asked) = world.session.decide(update(1)) else {
        panic!("it asks")
    };
    let Ruling::Permit(beside) = world.session.decide(read()) else {
        panic!("reads are allowed")
    };
    let asked = world.session.ask(asked).await.unwrap();
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let changes = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let refuses = decision(&world, "cid", |_| ());
    world.memory.mode.send_replace(Mode::Hold);
    let mut recording = Box::pin(world.session.record(vec![beside, changes]));
    assert!(super::waits(&mut recording));
    granted::take_back(&world.memory, refuses);
    world.memory.mode.send_replace(Mode::Durable);
    assert!(recording.await.is_err());
    assert_eq!(
        world.memory.kinds().last(),
        Some(&"command"),
        "it is recorded as passed"
    );
    assert!(!is_known(&world, read()).await && !is_known(&world, update(2)).await);
    assert!(is_known(&world, ahead).await, "which had passed before");
}
