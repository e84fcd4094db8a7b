//! What decisions of people make of a request that waits.

use std::future::pending;
use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Outcome};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, SessionId, Timestamp};

use super::super::{Asked, Ruling};
use super::{EXPIRES_US, World, decision, permit, request, world};
use crate::recorder::VerifiedDecision;

/// One good approval and the changed one, of two that are wanted; then the clock passes the expiry.
async fn check(name: &str, change: impl FnOnce(&mut VerifiedDecision), wanted: Outcome) {
    let mut world = world().await;
    let Ruling::Pending(pending_request) = world.session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    let asked = world.session.ask(pending_request).await.unwrap();
    for decision in [decision(&world, "ann", |_| ()), decision(&world, name, change)] {
        world.memory.decide(decision);
    }
    let clock = Arc::clone(&world.clock);
    let waiting = world.session.wait(asked, pending());
    // The expiry comes while it waits: both decisions are queued, so they are read first.
    let expire = async {
        tokio::task::yield_now().await;
        *clock.0.lock().unwrap() = EXPIRES_US;
    };
    let (found, ()) = tokio::join!(waiting, expire);
    let found = found.unwrap();
    let outcome = match found {
        Ok(permit) => {
            let recorded = world.session.record(vec![permit]).await.unwrap();
            assert_eq!(recorded[0].permit().approved.as_ref().unwrap().decisions.len(), 2);
            Outcome::Approved
        }
        Err(denial) => {
            let outcome = denial.outcome();
            world.session.refuse(denial).await.unwrap();
            outcome
        }
    };
    assert_eq!(outcome, wanted, "{name}");
    let expired = world.memory.kinds().contains(&"approval-expired");
    assert_eq!(expired, wanted == Outcome::Expired);
}

#[tokio::test]
async fn decisions_that_do_not_count_never_make_a_permit() {
    check("ann", |one| one.leaf = Digest([9; 32]), Outcome::Expired).await;
    check("bob", |one| one.body.command = Digest([9; 32]), Outcome::Expired).await;
    check("bob", |one| one.body.session = SessionId([9; 16]), Outcome::Expired).await;
    check("bob", |one| one.body.request = Digest([9; 32]), Outcome::Expired).await;
    check("bob", |one| one.body.target = "billing".into(), Outcome::Expired).await;
    check("bob", |one| one.body.policy = Digest([9; 32]), Outcome::Expired).await;
    check("bob", |one| one.time = Timestamp(EXPIRES_US + 1), Outcome::Expired).await;
    check(
        "bob",
        |one| one.signer.groups = vec!["privacy".into()],
        Outcome::Expired,
    )
    .await;
    check("bob", |one| one.signer.role = Role::Proxy, Outcome::Expired).await;
    check("ci", |_| (), Outcome::Expired).await;
}

#[tokio::test]
async fn a_refusal_by_a_person_of_the_group_ends_the_request() {
    check("bob", |one| one.body.verdict = Verdict::Deny, Outcome::Refused).await;
}

pub(super) async fn asked(world: &mut World) -> Asked {
    let Ruling::Pending(pending_request) = world.session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    world.session.ask(pending_request).await.unwrap()
}

#[tokio::test]
async fn two_people_of_the_group_make_a_permit() {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    world.session.record(vec![permit]).await.unwrap();
    let events = world.memory.events.lock().unwrap();
    let Body::Command(command) = &events.last().unwrap().body else {
        panic!("a command")
    };
    let leaves = vec![Digest::of(b"ann"), Digest::of(b"bob")];
    assert_eq!(
        (command.outcome, command.request, command.approvals.clone()),
        (Outcome::Approved, Some(1), Some(leaves))
    );
}

#[tokio::test]
async fn an_agent_that_goes_away_withdraws_its_request() {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    let denial = world.session.wait(asked, async {}).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    assert_eq!(world.memory.kinds().last(), Some(&"approval-expired"));
}

#[tokio::test]
async fn missed_decisions_fail_closed() {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    for _ in 0..5 {
        world.memory.decide(decision(&world, "ann", |_| ()));
    }
    assert!(world.session.wait(asked, pending()).await.is_err());
    assert!(world.session.record(vec![permit(&world.session)]).await.is_err());
}
