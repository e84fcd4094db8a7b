//! What the hour makes of rules and approvals, and of which groups people have to be.

use std::future::pending;
use std::sync::Arc;

use exhibit_schemas::event::access::{Action, Outcome};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Body, Timestamp};

use super::super::{Permit, Ruling, Transaction};
use super::asked::asked;
use super::{EXPIRES_US, NOW_US, POLICY, World, decision, permit, request, world_of};
use crate::error::GateError;

/// The clock of these tests begins on a Thursday, 00:16:40.
const QUARTER: &str = "{ windows = [\"Thu 00:15-00:20\"] }";

/// When that window ends.
const AFTER_US: u64 = 20 * 60_000_000;

fn hours_of_rule() -> String {
    POLICY.replace(
        "actions = [\"read\"]\n",
        &format!("actions = [\"read\"]\nhours = {QUARTER}\n"),
    )
}

fn set(world: &World, now_us: u64) {
    *world.clock.0.lock().unwrap() = now_us;
}

fn time(permit: &Permit) -> Option<Timestamp> {
    exhibit_policy::hours::time_of(&permit.judged.request.facts)
}

#[tokio::test]
async fn a_rule_with_hours_holds_within_them_by_the_time_in_the_facts() {
    let world = world_of(&hours_of_rule()).await;
    assert_eq!(time(&permit(&world.session)), Some(Timestamp(NOW_US)));
    for outside in [AFTER_US, NOW_US - 2 * 60_000_000] {
        set(&world, outside);
        let Ruling::Denial(denial) = world.session.decide(request(Action::Read)) else {
            panic!("nothing allows it at {outside}")
        };
        assert_eq!(denial.reason(), "no rule allows it");
    }
    // Without rules that have hours there is no time in the facts.
    let plain = world_of(POLICY).await;
    assert_eq!(time(&permit(&plain.session)), None);
}

#[tokio::test]
async fn what_waited_past_its_hours_does_not_pass() {
    for ahead in [false, true] {
        let mut world = world_of(&hours_of_rule()).await;
        let early = permit(&world.session);
        let late = permit(&world.session);
        // As long as the hours last it passes by the time at which it does.
        set(&world, AFTER_US - 1);
        let cleared = world.session.record(vec![early]).await.unwrap().remove(0);
        assert_eq!(time(cleared.permit()), Some(Timestamp(AFTER_US - 1_000_000)));
        set(&world, AFTER_US);
        let late = if ahead {
            world.session.clear(vec![late], Transaction::Open).await
        } else {
            world.session.record(vec![late]).await
        };
        assert_eq!(late.err(), Some(GateError::Hours));
        let commands = world.memory.kinds().iter().filter(|kind| **kind == "command").count();
        assert_eq!(commands, 1);
    }
}

/// A policy whose approvals count in that quarter alone.
fn hours_of_approval() -> String {
    POLICY.replace("expires_s = 900", &format!("expires_s = 900\nhours = {QUARTER}"))
}

/// What the approvals of two people come to who say that they approve at that time, when the proxy looks at one.
async fn approved_at(said_us: u64, looked_us: u64) -> Outcome {
    let mut world = world_of(&hours_of_approval()).await;
    let asked = asked(&mut world).await;
    for name in ["ann", "bob"] {
        let decision = decision(&world, name, |one| one.time = Timestamp(said_us));
        world.memory.decide(decision);
    }
    set(&world, looked_us);
    let clock = Arc::clone(&world.clock);
    let waiting = world.session.wait(asked, pending());
    let expire = async {
        tokio::task::yield_now().await;
        *clock.0.lock().unwrap() = EXPIRES_US;
    };
    match tokio::join!(waiting, expire).0.unwrap() {
        Ok(_) => Outcome::Approved,
        Err(denial) => denial.outcome(),
    }
}

#[tokio::test]
async fn approvals_count_within_their_hours_by_the_clocks_of_people_and_of_the_proxy() {
    assert_eq!(approved_at(NOW_US + 1, NOW_US + 2).await, Outcome::Approved);
    assert_eq!(approved_at(NOW_US + 1, AFTER_US - 1).await, Outcome::Approved);
    // A person whose clock is set back does not approve later than the hours.
    assert_eq!(approved_at(NOW_US + 1, AFTER_US).await, Outcome::Expired);
    assert_eq!(approved_at(AFTER_US, NOW_US + 2).await, Outcome::Expired);
}

#[tokio::test]
async fn people_refuse_at_any_hour() {
    let mut world = world_of(&hours_of_approval()).await;
    let asked = asked(&mut world).await;
    set(&world, AFTER_US);
    let decision = decision(&world, "ann", |one| {
        one.time = Timestamp(AFTER_US);
        one.body.verdict = Verdict::Deny;
    });
    world.memory.decide(decision);
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Refused);
}

#[tokio::test]
async fn of_each_of_all_groups_another_person_is_there() {
    let policy = POLICY.replace("people = 2", "people = 2\nall_groups = [\"dba\", \"privacy\"]");
    let mut world = world_of(&policy).await;
    let asked = asked(&mut world).await;
    let people: [(&str, &[&str]); 3] = [("ann", &["dba"]), ("bob", &["dba"]), ("eve", &["privacy"])];
    for (name, groups) in people {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        world
            .memory
            .decide(decision(&world, name, |one| one.signer.groups = groups));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    world.session.record(vec![permit]).await.unwrap();
    let events = world.memory.events.lock().unwrap();
    let asked = events.iter().find_map(|event| match &event.body {
        Body::ApprovalRequested(body) => body.requirement.all_groups.clone(),
        _ => None,
    });
    assert_eq!(asked, Some(vec!["dba".to_owned(), "privacy".to_owned()]));
    let Body::Command(command) = &events.last().unwrap().body else {
        panic!("a command")
    };
    assert_eq!(command.approvals.as_ref().map(Vec::len), Some(3));
}
