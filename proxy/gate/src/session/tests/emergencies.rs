//! What one listed person lets pass in an emergency, and how long.

use std::future::pending;

use exhibit_policy::mask::Masked;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Action, Outcome};
use exhibit_schemas::event::approval::Verdict;

use super::super::{Asked, Cleared, Ruling};
use super::{EXPIRES_US, NOW_US, POLICY, World, decision, request, waits, world_of};
use crate::error::GateError;
use crate::recorder::{Heard, VerifiedDecision};

const OVER: &str = "the time of the emergency by which it passed is over";

/// Ten minutes.
const LASTS_US: u64 = 600_000_000;

pub(super) fn policy(more: &str) -> String {
    let emergency =
        "emergency = { groups = [\"on-call\"], minutes = 10, reviewers = [\"privacy\"], review_within_days = 3 }";
    POLICY.replace("expires_s = 900", &format!("expires_s = 900\n{emergency}\n{more}"))
}

async fn asked(more: &str) -> (World, Asked) {
    let mut world = world_of(&policy(more)).await;
    let Ruling::Pending(pending) = world.session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    let asked = world.session.ask(pending).await.unwrap();
    (world, asked)
}

pub(super) fn emergency(world: &World, name: &str, change: impl FnOnce(&mut VerifiedDecision)) -> VerifiedDecision {
    decision(world, name, |one| {
        one.signer.groups = vec!["on-call".into()];
        one.body.verdict = Verdict::Emergency;
        change(one);
    })
}

fn set(world: &World, now_us: u64) {
    *world.clock.0.lock().unwrap() = now_us;
}

/// A command that passes by an emergency alone.
async fn passed(more: &str) -> (World, Cleared) {
    let (mut world, asked) = asked(more).await;
    let said = emergency(&world, "ann", |_| ());
    world.memory.decide(said.clone());
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let cleared = world.session.record(vec![permit]).await.unwrap().remove(0);
    let by = &cleared.permit().approved.as_ref().unwrap().decisions;
    assert_eq!(*by, [said.leaf]);
    (world, cleared)
}

async fn out(world: &mut World, command: &Cleared) -> Result<(), GateError> {
    let frames = vec![Masked::framing(b"x".to_vec())];
    let releasing = world.session.release(&mut command.reply(), None, frames);
    releasing.durable().await.map(|_| ())
}

#[tokio::test]
async fn one_listed_person_is_enough_at_any_hour() {
    // The clock stands at a Thursday in 1970.
    let (mut world, command) = passed("hours = { windows = [\"Fri 08:00-09:00\"] }").await;
    out(&mut world, &command).await.unwrap();
}

#[tokio::test]
async fn nobody_else_lets_anything_pass() {
    type Change = fn(&mut VerifiedDecision);
    let strangers: [Change; 6] = [
        |one| one.signer.groups = vec!["dba".into()],
        |one| one.signer.name = "CI".into(),
        |one| one.body.reason = " ".into(),
        |one| one.body.command = Digest([9; 32]),
        |one| one.time = Timestamp(EXPIRES_US + 1),
        // Signed so long before that it is over.
        |one| one.time = Timestamp(NOW_US - LASTS_US - 1),
    ];
    for change in strangers {
        let (mut world, asked) = asked("").await;
        world.memory.decide(emergency(&world, "ann", change));
        world.memory.decide(decision(&world, "bob", |_| ()));
        let mut waiting = Box::pin(world.session.wait(asked, pending()));
        assert!(waits(&mut waiting));
    }
    // Where the policy names nobody, nobody may.
    let mut world = super::world().await;
    let asked = super::asked::asked(&mut world).await;
    world.memory.decide(emergency(&world, "ann", |_| ()));
    let mut waiting = Box::pin(world.session.wait(asked, pending()));
    assert!(waits(&mut waiting));
}

#[tokio::test]
async fn a_refusal_ends_it_all_the_same() {
    let (mut world, asked) = asked("").await;
    world.memory.decide(emergency(&world, "ann", |_| ()));
    world
        .memory
        .decide(decision(&world, "bob", |one| one.body.verdict = Verdict::Deny));
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Refused);
}

#[tokio::test]
async fn people_whose_hours_are_over_do_not_stand_in_its_way() {
    let (mut world, asked) = asked("hours = { windows = [\"Thu 00:00-00:16\"] }").await;
    // They approved within their hours; the clock stands at 00:16:40.
    for name in ["bob", "cid"] {
        world
            .memory
            .decide(decision(&world, name, |one| one.time = Timestamp(1)));
    }
    let said = emergency(&world, "ann", |_| ());
    let wanted = said.leaf;
    world.memory.decide(said);
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let cleared = world.session.record(vec![permit]).await.unwrap().remove(0);
    assert_eq!(cleared.permit().approved.as_ref().unwrap().decisions, [wanted]);
}

#[tokio::test]
async fn enough_people_come_before_an_emergency() {
    let (mut world, asked) = asked("").await;
    world.memory.decide(emergency(&world, "ann", |_| ()));
    for name in ["bob", "cid"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    assert_eq!(permit.approved.as_ref().unwrap().decisions.len(), 2);
}

#[tokio::test]
async fn it_is_asked_about_again_before_anything_comes_of_it() {
    type Meanwhile = fn(&World);
    let meanwhile: [(Meanwhile, bool); 5] = [
        (|_| (), true),
        // Enough people approve: that does not undo it.
        (
            |world| {
                for name in ["bob", "cid"] {
                    world.memory.decide(decision(world, name, |_| ()));
                }
            },
            true,
        ),
        (
            |world| {
                let key = emergency(world, "ann", |_| ()).signer.key.id();
                let _ = world.memory.heard.send(Heard::Revoked(key).into());
            },
            false,
        ),
        (
            |world| {
                let refuses = decision(world, "bob", |one| one.body.verdict = Verdict::Deny);
                world.memory.decide(refuses);
            },
            false,
        ),
        (|world| set(world, NOW_US + LASTS_US + 1), false),
    ];
    for (number, (meanwhile, passes)) in meanwhile.into_iter().enumerate() {
        let (mut world, asked) = asked("hours = { windows = [\"Fri 08:00-09:00\"] }").await;
        world.memory.decide(emergency(&world, "ann", |_| ()));
        let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
        meanwhile(&world);
        let recorded = world.session.record(vec![permit]).await;
        assert_eq!(recorded.is_ok(), passes, "{number}");
    }
}

#[tokio::test]
async fn nothing_is_released_when_its_time_is_over() {
    let (mut world, command) = passed("").await;
    // It was signed a moment after it passed, by that person's clock; the proxy's is earlier and holds.
    set(&world, NOW_US + LASTS_US);
    out(&mut world, &command).await.unwrap();
    set(&world, NOW_US + LASTS_US + 1);
    let ended = out(&mut world, &command).await.unwrap_err();
    assert_eq!(ended, GateError::Approval { reason: OVER, rows: 0 });
    assert_eq!(out(&mut world, &command).await.unwrap_err(), ended);
}

#[tokio::test]
async fn a_retry_takes_it_up_in_its_time_alone() {
    for (later_us, passes) in [(LASTS_US, true), (LASTS_US + 2, false)] {
        let mut world = world_of(&policy("hold_s = 60")).await;
        let Ruling::Pending(asks) = world.session.decide(request(Action::Define)) else {
            panic!("it asks")
        };
        let asked = world.session.ask(asks).await.unwrap();
        set(&world, NOW_US + 60_000_000);
        let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
        world.session.refuse(denial).await.unwrap();
        // Signed at a microsecond past the beginning.
        world.memory.decide(emergency(&world, "ann", |_| ()));
        set(&world, NOW_US + later_us);
        let mut again = world.session.gate().open(super::opening(None)).await.unwrap();
        let Ruling::Pending(asks) = again.decide(request(Action::Define)) else {
            panic!("it asks")
        };
        let asked = again.ask(asks).await.unwrap();
        set(&world, NOW_US + later_us + if passes { 0 } else { 60_000_000 });
        let found = again.wait(asked, pending()).await.unwrap();
        assert_eq!(found.is_ok(), passes, "{later_us}");
    }
}
