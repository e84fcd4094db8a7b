//! Attacks on approvals that none of the other tests names: what was approved for one is used for another, people who are one person
//! or the requester, and clocks that are wrong.

use std::future::{pending, ready};
use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Outcome, Run};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};

use super::super::{Asked, Denial, Permit, Ruling, Session};
use super::{EXPIRES_US, NOW_US, World, decision, opening, request, waits, world};
use crate::error::GateError;
use crate::memory::{Mode, lost};
use crate::recorder::VerifiedDecision;
use crate::session::Opening;

async fn ask(session: &mut Session) -> Asked {
    let Ruling::Pending(pending) = session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    session.ask(pending).await.unwrap()
}

fn approve(world: &World, name: &str) {
    world.memory.decide(decision(world, name, |_| ()));
}

/// What a session gets that waits until its request expires.
async fn to_the_end(world: &World, session: &mut Session, asked: Asked) -> Result<Permit, Denial> {
    let clock = Arc::clone(&world.clock);
    let expire = async {
        tokio::task::yield_now().await;
        *clock.0.lock().unwrap() = EXPIRES_US;
    };
    tokio::join!(session.wait(asked, pending()), expire).0.unwrap()
}

/// The same agent, in a session of its own that differs so.
async fn another(world: &World, change: impl FnOnce(&mut Opening)) -> Session {
    let mut opening = opening(None);
    change(&mut opening);
    world.session.gate().open(opening).await.unwrap()
}

#[tokio::test]
async fn an_approval_of_one_session_lets_the_same_text_of_another_wait() {
    let mut world = world().await;
    let mut second = another(&world, |_| ()).await;
    let first = ask(&mut world.session).await;
    let of_first: Vec<VerifiedDecision> = ["ann", "bob"].map(|name| decision(&world, name, |_| ())).into();
    let also = ask(&mut second).await;
    assert_ne!(first.question().id(), also.question().id());
    // Both, and the same again relabelled to the second request: all that is left of the first is its session.
    let about_second = decision(&world, "ann", |_| ()).body.request;
    for one in of_first {
        let mut relabelled = one.clone();
        relabelled.body.request = about_second;
        world.memory.decide(relabelled);
        world.memory.decide(one);
    }
    let permit = world.session.wait(first, pending()).await.unwrap();
    assert!(permit.is_ok());
    let denial = to_the_end(&world, &mut second, also).await.unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
}

/// What two approvals come to for an agent that comes so.
async fn approved_by(change: impl FnOnce(&mut Opening), people: [VerifiedChange; 2]) -> Outcome {
    let world = world().await;
    let mut session = another(&world, change).await;
    let asked = ask(&mut session).await;
    for (name, change) in people {
        world.memory.decide(decision(&world, name, change));
    }
    match to_the_end(&world, &mut session, asked).await {
        Ok(_) => Outcome::Approved,
        Err(denial) => denial.outcome(),
    }
}

type VerifiedChange = (&'static str, fn(&mut VerifiedDecision));

fn run(opening: &mut Opening) {
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
    opening.principal.run = Some(run.into());
}

#[tokio::test]
async fn nobody_approves_what_is_their_own() {
    let other: VerifiedChange = ("bob", |_| ());
    assert_eq!(approved_by(run, [("eve", |_| ()), other]).await, Outcome::Approved);
    // Whoever set the pipeline off, and the account itself, however the key spells the name.
    for own in ["octo-ann", "OCTO-ANN", "ci", "CI"] {
        assert_eq!(
            approved_by(run, [(own, |_| ()), other]).await,
            Outcome::Expired,
            "{own}"
        );
    }
    // That the agent is in the approvers' group itself makes it nobody who approves.
    let in_group = |opening: &mut Opening| opening.principal.groups = vec!["dba".into()];
    assert_eq!(approved_by(in_group, [("ci", |_| ()), other]).await, Outcome::Expired);
}

#[tokio::test]
async fn a_person_with_two_keys_or_groups_is_one_person() {
    let first: VerifiedChange = ("ann", |_| ());
    let second_key: VerifiedChange = ("ann", |one| {
        one.leaf = Digest([9; 32]);
        one.signer.key = SecretKey::from_seed(&[9; 32]).public_key();
        one.signer.groups = vec!["privacy".into(), "dba".into()];
    });
    assert_eq!(approved_by(|_| (), [first, second_key]).await, Outcome::Expired);
}

#[tokio::test]
async fn wrong_clocks_of_people_give_nobody_more_time() {
    let other: VerifiedChange = ("bob", |_| ());
    // What it is about is named by hash, so a clock that is behind takes nothing away.
    let behind: VerifiedChange = ("ann", |one| one.time = Timestamp(0));
    assert_eq!(approved_by(|_| (), [behind, other]).await, Outcome::Approved);
    let ahead: VerifiedChange = ("ann", |one| one.time = Timestamp(EXPIRES_US + 1));
    assert_eq!(approved_by(|_| (), [ahead, other]).await, Outcome::Expired);
}

#[tokio::test]
async fn a_clock_that_jumps_ends_or_goes_on_by_what_it_says() {
    for (jump_us, wanted) in [
        // Past the expiry, with both approvals made in time.
        (EXPIRES_US + 1, Outcome::Expired),
        (EXPIRES_US, Outcome::Approved),
        // Back to before it asked.
        (NOW_US - 500_000_000, Outcome::Approved),
    ] {
        let mut world = world().await;
        let asked = ask(&mut world.session).await;
        let decided = ["ann", "bob"].map(|name| decision(&world, name, |_| ()));
        let mut waiting = Box::pin(world.session.wait(asked, pending()));
        assert!(waits(&mut waiting));
        *world.clock.0.lock().unwrap() = jump_us;
        for one in decided {
            world.memory.decide(one);
        }
        let found = waiting.await.unwrap();
        let outcome = found.map_or_else(|denial| denial.outcome(), |_| Outcome::Approved);
        assert_eq!(outcome, wanted, "{jump_us}");
    }
}

#[tokio::test]
async fn of_an_approval_and_a_disconnect_at_once_one_counts() {
    // Approved before anybody looked: it is taken up, and recorded, once.
    let mut world = world().await;
    let asked = ask(&mut world.session).await;
    approve(&world, "ann");
    approve(&world, "bob");
    let permit = world.session.wait(asked, ready(())).await.unwrap().unwrap();
    world.session.record(vec![permit]).await.unwrap();
    // Gone before enough had approved: what comes later counts for nothing.
    let asked = ask(&mut world.session).await;
    approve(&world, "ann");
    let denial = world.session.wait(asked, ready(())).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    world.session.refuse(denial).await.unwrap();
    approve(&world, "bob");
    let outcomes: Vec<Outcome> = {
        let events = world.memory.events.lock().unwrap();
        let commands = events.iter().filter_map(|event| match &event.body {
            Body::Command(command) => Some(command.outcome),
            _ => None,
        });
        commands.collect()
    };
    assert_eq!(outcomes, [Outcome::Approved, Outcome::Expired]);
}

#[tokio::test]
async fn what_was_approved_does_not_pass_when_the_ledger_goes_before_it_is_recorded() {
    let mut world = world().await;
    let asked = ask(&mut world.session).await;
    approve(&world, "ann");
    approve(&world, "bob");
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    world.memory.mode.send_replace(Mode::Lose);
    assert_eq!(world.session.record(vec![permit]).await.err(), Some(lost()));
    world.memory.mode.send_replace(Mode::Durable);
    // The session is at its end; another one asks anew.
    let error: GateError = world.session.record(Vec::new()).await.unwrap_err();
    assert_eq!(error, lost());
    let mut second = another(&world, |_| ()).await;
    let asked = ask(&mut second).await;
    let denial = to_the_end(&world, &mut second, asked).await.unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
}
