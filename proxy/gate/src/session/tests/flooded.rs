//! What holds when one requester asks people more than they can look at.

use std::future::pending;

use exhibit_policy::decide::{NOBODY_TO_ASK, UNPROVEN, decide};
use exhibit_policy::mask::{MaskKey, RowMasker};
use exhibit_policy::net::SessionNet;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Action, Attribute, Command, Outcome};

use super::super::{Asked, Denial, NotAsked, Request, Ruling, Session};
use super::{NOW_US, POLICY, World, decision, opening, request, waits, world_of};
use crate::waits::WAITING_OF_ONE_MAX;

const SECOND_US: u64 = 1_000_000;

fn policy() -> String {
    POLICY.replace("subject = \"ci\"", "subject = \"ci*\"")
}

async fn session_of(world: &World, subject: &str) -> Session {
    let mut opening = opening(None);
    opening.principal.subject = subject.into();
    world.session.gate().open(opening).await.unwrap()
}

async fn ask(session: &mut Session, request: Request) -> Result<Asked, Box<Denial>> {
    let Ruling::Pending(pending) = session.decide(request) else {
        panic!("it asks")
    };
    match session.ask(pending).await {
        Ok(asked) => Ok(asked),
        Err(NotAsked::Denied(denial)) => Err(denial),
        Err(NotAsked::Failed(error)) => panic!("{error}"),
    }
}

/// As many sessions of one account as may wait, each with its request.
async fn full(world: &World) -> Vec<(Session, Asked)> {
    let mut waiting = Vec::new();
    for _ in 0..WAITING_OF_ONE_MAX {
        let mut session = session_of(world, "ci").await;
        let asked = ask(&mut session, request(Action::Define)).await.unwrap();
        waiting.push((session, asked));
    }
    waiting
}

fn requests(world: &World) -> usize {
    let kinds = world.memory.kinds();
    kinds.iter().filter(|kind| **kind == "approval-requested").count()
}

fn last_command(world: &World) -> Command {
    let events = world.memory.events.lock().unwrap();
    let mut commands = events.iter().rev().filter_map(|event| match &event.body {
        Body::Command(command) => Some(command.clone()),
        _ => None,
    });
    commands.next().unwrap()
}

#[tokio::test]
async fn one_request_more_than_may_wait_is_denied_and_says_so() {
    let mut world = world_of(&policy()).await;
    let mut waiting = full(&world).await;
    let denial = ask(&mut world.session, request(Action::Define)).await.unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Denied);
    let wanted = format!("{WAITING_OF_ONE_MAX} requests of this requester wait");
    assert!(denial.reason().contains(&wanted), "{}", denial.reason());
    world.session.refuse(*denial).await.unwrap();
    assert_eq!(requests(&world), WAITING_OF_ONE_MAX, "nobody is asked");
    // The evidence is a decision that replays.
    let command = last_command(&world);
    assert_eq!((command.outcome, command.request), (Outcome::Denied, None));
    let Some(Attribute::Text(cause)) = command.facts.attributes.get(UNPROVEN) else {
        panic!("it says why")
    };
    assert!(cause.ends_with(NOBODY_TO_ASK), "{cause}");
    let policy = world.session.gate().policy();
    let again = decide(&policy, world.session.principal(), "clinic", &command.facts);
    assert_eq!(again, command.decision);

    // Others are not held up by it.
    let mut other = session_of(&world, "ci-other").await;
    drop(ask(&mut other, request(Action::Define)).await.unwrap());
    // What people decided makes room, before it passes.
    let (mut last, asked) = waiting.pop().unwrap();
    drop(other);
    for name in ["ann", "bob"] {
        world.memory.decide(decision_of(&world, name, &asked));
    }
    let permit = last.wait(asked, pending()).await.unwrap().unwrap();
    let asked = ask(&mut world.session, request(Action::Define)).await.unwrap();
    last.record(vec![permit]).await.unwrap();
    // So does an agent that goes away.
    assert!(ask(&mut last, request(Action::Define)).await.is_err());
    drop(asked);
    drop(ask(&mut last, request(Action::Define)).await.unwrap());
}

/// A decision about that request, of those that wait.
fn decision_of(world: &World, name: &str, asked: &Asked) -> crate::recorder::VerifiedDecision {
    decision(world, name, |one| {
        let question = asked.question();
        one.body.request = question.leaf();
        one.body.session = question.session;
    })
}

#[tokio::test]
async fn requests_that_stay_open_count_and_a_retry_of_one_is_not_denied() {
    let mut world = world_of(&policy().replace("expires_s = 900", "expires_s = 900\nhold_s = 1")).await;
    let numbered = |number: usize| Request {
        exact: number.to_string().into_bytes(),
        ..request(Action::Define)
    };
    for number in 0..WAITING_OF_ONE_MAX {
        let asked = ask(&mut world.session, numbered(number)).await.unwrap();
        *world.clock.0.lock().unwrap() += SECOND_US;
        let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
        assert_eq!(denial.outcome(), Outcome::Postponed);
        world.session.refuse(denial).await.unwrap();
    }
    let denial = ask(&mut world.session, numbered(WAITING_OF_ONE_MAX)).await.unwrap_err();
    world.session.refuse(*denial).await.unwrap();
    let retry = ask(&mut world.session, numbered(3)).await.unwrap();
    assert_eq!(requests(&world), WAITING_OF_ONE_MAX);
    drop(retry);
    // The first of them expires.
    *world.clock.0.lock().unwrap() = NOW_US + 900 * SECOND_US;
    ask(&mut world.session, numbered(WAITING_OF_ONE_MAX)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_held_waits_until_one_more_may_wait_for_people() {
    let over = "[[rules]]\nname = \"bulk\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\n\
                over = { rows = 1 }\neffect = \"ask\"\napproval = \"dba\"\n[[rules]]";
    let mut world = world_of(&policy().replacen("[[rules]]", over, 1)).await;
    let mut waiting = full(&world).await;
    let Ruling::Permit(permit) = world.session.decide(request(Action::Read)) else {
        panic!("reads are allowed")
    };
    let reply = world.session.record(vec![permit]).await.unwrap()[0].reply();
    let mut masker = RowMasker::new(vec![None], MaskKey::new([0; 32]));
    let mut row = || {
        masker
            .row(vec![Some(b"x".to_vec())], &mut SessionNet::default())
            .unwrap()
    };
    let rows = [row(), row()];
    let before = world.memory.kinds().len();
    let (memory, session) = (&world.memory, &mut world.session);
    let mut weighing = Box::pin(session.weigh(&reply, &rows));
    assert!(waits(&mut weighing));
    assert_eq!(memory.kinds().len(), before, "nobody is asked, and nothing leaves");
    drop(waiting.pop());
    let held = weighing.await.unwrap().expect("it is more than one row");
    assert_eq!(held.question().people(), 2);
    assert_eq!(requests(&world), WAITING_OF_ONE_MAX + 1);
}
