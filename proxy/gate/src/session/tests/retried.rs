//! What a retry makes of a request that an earlier command left open.

use std::future::pending;
use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Access, Action, Attribute, Command, Outcome, Run};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::key::{KeyId, SecretKey, Signer as _};

use super::super::{Asked, Denial, Permit, Ruling, Session};
use exhibit_policy::snapshot::Snapshot;

use super::{EXPIRES_US, NOW_US, POLICY, World, decision, opening, request, waits, world_in, world_of};
use crate::approval::{MISSED, TAKEN};
use crate::memory::Standing;
use crate::recorder::{Heard, VerifiedDecision};
use crate::session::{Opening, Request};

const HELD_UNTIL_US: u64 = NOW_US + 60_000_000;

const OWN_SESSION: &str = r#"
[[rules]]
name = "own-session"
roles = ["agent"]
targets = ["clinic"]
actions = ["write", "session", "transaction"]
effect = "allow"
"#;

fn policy() -> String {
    POLICY.replace("expires_s = 900", "expires_s = 900\nhold_s = 60") + OWN_SESSION
}

/// A world whose session has asked, and waits no longer.
async fn left_open() -> World {
    let mut world = world_of(&policy()).await;
    let asked = ask(&mut world.session, request(Action::Define)).await;
    set(&world, HELD_UNTIL_US);
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Postponed);
    assert!(
        denial.reason().contains("run the same statement again"),
        "{}",
        denial.reason()
    );
    world.session.refuse(denial).await.unwrap();
    world
}

fn set(world: &World, now_us: u64) {
    *world.clock.0.lock().unwrap() = now_us;
}

async fn ask(session: &mut Session, request: Request) -> Asked {
    let Ruling::Pending(pending) = session.decide(request) else {
        panic!("it asks")
    };
    session.ask(pending).await.unwrap()
}

/// Another session of the same agent, which came with another token.
async fn again(world: &World) -> Session {
    again_as(world, |_| ()).await
}

async fn again_as(world: &World, change: impl FnOnce(&mut Opening)) -> Session {
    let mut opening = opening(None);
    opening.principal.evidence = Digest([9; 32]);
    change(&mut opening);
    world.session.gate().open(opening).await.unwrap()
}

/// The retry of a session, with what it came to.
async fn retry(session: &mut Session) -> Result<Permit, Denial> {
    let asked = ask(session, request(Action::Define)).await;
    session.wait(asked, pending()).await.unwrap()
}

/// A decision of a person with a key of its own.
fn keyed(world: &World, name: &str, seed: u8) -> VerifiedDecision {
    decision(world, name, |one| {
        one.signer.key = SecretKey::from_seed(&[seed; 32]).public_key();
    })
}

fn key(seed: u8) -> KeyId {
    SecretKey::from_seed(&[seed; 32]).public_key().id()
}

fn approve(world: &World, people: &[&str]) {
    for name in people {
        world.memory.decide(decision(world, name, |_| ()));
    }
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
async fn a_retry_in_another_session_takes_up_what_was_approved_meanwhile_once() {
    let world = left_open().await;
    let postponed = last_command(&world);
    assert_eq!((postponed.outcome, postponed.request), (Outcome::Postponed, Some(1)));
    assert!(!world.memory.kinds().contains(&"approval-expired"));
    approve(&world, &["ann", "bob"]);
    let mut second = again(&world).await;
    let asked = ask(&mut second, request(Action::Define)).await;
    assert_eq!(requests(&world), 1);
    let permit = second.wait(asked, pending()).await.unwrap().unwrap();
    let leaf = decision(&world, "ann", |_| ()).body.request;
    second.record(vec![permit]).await.unwrap();
    let command = last_command(&world);
    let leaves = vec![Digest::of(b"ann"), Digest::of(b"bob")];
    assert_eq!((command.outcome, command.request), (Outcome::Approved, None));
    assert_eq!((command.retries, command.approvals), (Some(leaf), Some(leaves)));

    let mut third = again(&world).await;
    ask(&mut third, request(Action::Define)).await;
    assert_eq!(requests(&world), 2, "what was approved once is used up");
}

#[tokio::test]
async fn a_retry_waits_as_long_again_and_opens_no_second_request() {
    let world = left_open().await;
    let mut session = again(&world).await;
    for round in 1..3 {
        let asked = ask(&mut session, request(Action::Define)).await;
        set(&world, HELD_UNTIL_US + round * 60_000_000);
        let denial = session.wait(asked, pending()).await.unwrap().unwrap_err();
        assert_eq!(denial.outcome(), Outcome::Postponed);
        session.refuse(denial).await.unwrap();
        let command = last_command(&world);
        assert!(command.request.is_none() && command.retries.is_some());
    }
    assert_eq!(requests(&world), 1);
}

#[tokio::test]
async fn of_two_that_retry_at_once_one_takes_it_up() {
    let world = left_open().await;
    let (mut one, mut other) = (again(&world).await, again(&world).await);
    let (asked, also) = (
        ask(&mut one, request(Action::Define)).await,
        ask(&mut other, request(Action::Define)).await,
    );
    let people = async {
        tokio::task::yield_now().await;
        approve(&world, &["ann", "bob"]);
    };
    let (first, second, ()) = tokio::join!(one.wait(asked, pending()), other.wait(also, pending()), people);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.is_ok());
    let denial = second.unwrap_err();
    assert_eq!((denial.outcome(), denial.reason()), (Outcome::Postponed, TAKEN));
    assert_eq!(requests(&world), 1);
}

#[tokio::test]
async fn while_the_first_asker_waits_another_session_does_not_ask_a_second_time() {
    let mut world = world_of(&policy()).await;
    let mut second = again(&world).await;
    let asked = ask(&mut world.session, request(Action::Define)).await;
    let also = ask(&mut second, request(Action::Define)).await;
    assert_eq!(requests(&world), 1);
    approve(&world, &["ann", "bob"]);
    let (first, second) = tokio::join!(world.session.wait(asked, pending()), second.wait(also, pending()));
    let (first, second) = (first.unwrap(), second.unwrap());
    let permit = first.unwrap();
    assert_eq!(second.unwrap_err().reason(), TAKEN);
    world.session.record(vec![permit]).await.unwrap();
    let command = last_command(&world);
    assert_eq!((command.request, command.retries), (Some(1), None));
}

/// Whether a command in that session asks anew.
async fn asks_anew(world: &World, session: &mut Session, request: Request) -> bool {
    let before = requests(world);
    ask(session, request).await;
    requests(world) > before
}

#[tokio::test]
async fn what_differs_from_what_people_saw_is_asked_about_anew() {
    let define = || request(Action::Define);
    let world = left_open().await;
    approve(&world, &["ann", "bob"]);
    let changed: [fn(&mut Request); 4] = [
        |request| request.exact = b"exact, and more".to_vec(),
        |request| request.statement = "another".into(),
        |request| request.facts.accesses = vec![Access(Action::Define, Some("public.u".into()))],
        |request| {
            drop(
                request
                    .facts
                    .attributes
                    .insert("no_where".into(), Attribute::Bool(true)),
            );
        },
    ];
    for change in changed {
        let mut other = define();
        change(&mut other);
        let mut session = again(&world).await;
        assert!(asks_anew(&world, &mut session, other).await);
    }
    let run = |actor: &str| Run {
        provider: "github-actions".into(),
        repository: "octo/app".into(),
        repository_id: "1".into(),
        owner_id: "2".into(),
        reference: "refs/heads/main".into(),
        commit: "c0ffee".into(),
        workflow: None,
        run_id: "3".into(),
        job_id: None,
        actor: actor.to_owned(),
        actor_id: "4".into(),
        trigger: "push".into(),
        environment: None,
    };
    let changed: [&dyn Fn(&mut Opening); 5] = [
        &|opening| opening.principal.issuer = "another".into(),
        &|opening| opening.principal.groups = vec!["dba".into()],
        &|opening| opening.principal.client_id = Some("another".into()),
        &|opening| opening.principal.run = Some(run("ann").into()),
        &|opening| opening.settings = vec![("search_path".into(), "other".into())],
    ];
    for change in changed {
        let mut session = again_as(&world, change).await;
        assert!(asks_anew(&world, &mut session, define()).await);
    }
    let mut session = again(&world).await;
    assert!(!asks_anew(&world, &mut session, define()).await, "the same is the same");
}

/// A command that the policy allows, and that ran.
async fn ran(session: &mut Session, action: Action, exact: &[u8]) {
    let request = Request {
        exact: exact.to_vec(),
        reach: crate::request::Reach::Nothing,
        ..request(action)
    };
    let Ruling::Permit(permit) = session.decide(request) else {
        panic!("it passes")
    };
    session.record(vec![permit]).await.unwrap();
}

#[tokio::test]
async fn a_session_that_may_have_become_another_asks_anew() {
    let world = left_open().await;
    let define = || request(Action::Define);
    let mut session = again(&world).await;
    ran(&mut session, Action::Session, b"SET search_path = other").await;
    assert!(asks_anew(&world, &mut session, define()).await);
    // Rows that were changed may be those of a temporary table, which only the session has.
    let mut session = again(&world).await;
    ran(&mut session, Action::Write, b"INSERT INTO scratch VALUES (1)").await;
    assert!(asks_anew(&world, &mut session, define()).await);
    // Rows that were read, and transactions in which nothing else ran, leave a session as it was.
    let mut session = again(&world).await;
    for (action, exact) in [
        (Action::Transaction, &b"BEGIN"[..]),
        (Action::Read, b"SELECT 1"),
        (Action::Transaction, b"ROLLBACK"),
    ] {
        ran(&mut session, action, exact).await;
    }
    assert!(!asks_anew(&world, &mut session, define()).await);
    // The same way again leads to the same session; the way counts, where a rollback took some of it back, too.
    let mut first = again(&world).await;
    let mut ways = vec![&mut first];
    let mut second = again(&world).await;
    ways.push(&mut second);
    let (mut third, mut news, mut waiting) = (again(&world).await, Vec::new(), Vec::new());
    ways.push(&mut third);
    for (session, end) in ways.into_iter().zip([&b"COMMIT"[..], b"COMMIT", b"ROLLBACK"]) {
        ran(session, Action::Transaction, b"BEGIN").await;
        ran(session, Action::Session, b"SET search_path = third").await;
        ran(session, Action::Transaction, end).await;
        let before = requests(&world);
        waiting.push(ask(session, define()).await);
        news.push(requests(&world) > before);
    }
    assert_eq!(news, [true, false, true]);
}

#[tokio::test]
async fn what_goes_by_a_name_of_its_session_waits_to_the_end_and_is_not_taken_up() {
    let mut world = world_of(&policy()).await;
    let by_name = || Request {
        says_all: false,
        by_name: false,
        names_are_data: false,
        ..request(Action::Define)
    };
    let asked = ask(&mut world.session, by_name()).await;
    set(&world, HELD_UNTIL_US + 1);
    approve(&world, &["ann", "bob"]);
    assert!(
        world.session.wait(asked, pending()).await.unwrap().is_ok(),
        "it still waited"
    );
    let world = left_open().await;
    let mut session = again(&world).await;
    assert!(asks_anew(&world, &mut session, by_name()).await);
}

#[tokio::test]
async fn an_approval_ends_with_the_key_that_gave_it() {
    let world = left_open().await;
    world.memory.decide(keyed(&world, "ann", 11));
    world.memory.decide(keyed(&world, "bob", 12));
    world.memory.heard.send(Heard::Revoked(key(11)).into()).unwrap();
    let mut session = again(&world).await;
    let asked = ask(&mut session, request(Action::Define)).await;
    set(&world, HELD_UNTIL_US + 60_000_000);
    let denial = session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Postponed);
    world.memory.decide(keyed(&world, "eve", 13));
    let permit = retry(&mut session).await.unwrap();
    session.record(vec![permit]).await.unwrap();
    let leaves = vec![Digest::of(b"bob"), Digest::of(b"eve")];
    assert_eq!(last_command(&world).approvals, Some(leaves));
}

#[tokio::test]
async fn a_refusal_ends_it_also_after_enough_have_approved() {
    let world = left_open().await;
    approve(&world, &["ann", "bob"]);
    let refusal = decision(&world, "eve", |one| one.body.verdict = Verdict::Deny);
    world.memory.decide(refusal);
    let mut session = again(&world).await;
    let denial = retry(&mut session).await.unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Refused);
    assert!(asks_anew(&world, &mut session, request(Action::Define)).await);
}

#[tokio::test]
async fn nothing_is_taken_up_after_it_expired() {
    let world = left_open().await;
    approve(&world, &["ann"]);
    let mut session = again(&world).await;
    let asked = ask(&mut session, request(Action::Define)).await;
    set(&world, EXPIRES_US);
    approve(&world, &["bob"]);
    // At its very end it still counts; one past it nothing does.
    assert!(session.wait(asked, pending()).await.unwrap().is_ok());

    let world = left_open().await;
    let mut session = again(&world).await;
    let asked = ask(&mut session, request(Action::Define)).await;
    approve(&world, &["ann", "bob"]);
    set(&world, EXPIRES_US + 1);
    let denial = session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    assert!(asks_anew(&world, &mut session, request(Action::Define)).await);
}

#[tokio::test]
async fn a_retry_that_goes_away_leaves_it_open() {
    let world = left_open().await;
    let mut gone = again(&world).await;
    let asked = ask(&mut gone, request(Action::Define)).await;
    let denial = gone.wait(asked, async {}).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Postponed);
    // One that is dropped in the middle of its wait leaves it, too.
    let mut dropped = again(&world).await;
    let asked = ask(&mut dropped, request(Action::Define)).await;
    assert!(waits(&mut Box::pin(dropped.wait(asked, pending()))));
    approve(&world, &["ann", "bob"]);
    let mut session = again(&world).await;
    assert!(retry(&mut session).await.is_ok());
    assert_eq!(requests(&world), 1);
}

#[tokio::test]
async fn a_first_asker_that_goes_away_ends_it() {
    let mut world = world_of(&policy()).await;
    let asked = ask(&mut world.session, request(Action::Define)).await;
    world.session.wait(asked, async {}).await.unwrap().unwrap_err();
    assert_eq!(world.memory.kinds().last(), Some(&"approval-expired"));
    let mut session = again(&world).await;
    assert!(asks_anew(&world, &mut session, request(Action::Define)).await);
    // And one that is dropped while it waits.
    let mut dropped = again_as(&world, |opening| opening.principal.groups = vec!["x".into()]).await;
    let asked = ask(&mut dropped, request(Action::Define)).await;
    assert!(waits(&mut Box::pin(dropped.wait(asked, pending()))));
    approve(&world, &["ann", "bob"]);
    drop(dropped);
    let mut session = again_as(&world, |opening| opening.principal.groups = vec!["x".into()]).await;
    assert!(asks_anew(&world, &mut session, request(Action::Define)).await);
}

#[tokio::test]
async fn a_restart_ends_what_is_open() {
    let world = left_open().await;
    approve(&world, &["ann", "bob"]);
    let clock = Arc::new(Standing(std::sync::Mutex::new(HELD_UNTIL_US)));
    let mut started = world_in(&policy(), None, Arc::clone(&world.memory), clock).await;
    let before = requests(&started);
    ask(&mut started.session, request(Action::Define)).await;
    assert_eq!(requests(&started), before + 1);
}

#[tokio::test]
async fn where_the_policy_says_nothing_a_session_waits_to_the_end() {
    let mut world = world_of(POLICY).await;
    let asked = ask(&mut world.session, request(Action::Define)).await;
    assert_eq!(world.memory.events.lock().unwrap().last().map(held_until), Some(None));
    set(&world, EXPIRES_US - 1);
    approve(&world, &["ann", "bob"]);
    assert!(world.session.wait(asked, pending()).await.unwrap().is_ok());
}

fn held_until(event: &exhibit_schemas::event::Event) -> Option<u64> {
    match &event.body {
        Body::ApprovalRequested(body) => body.held_until.map(|until| until.0),
        _ => panic!("a request was last"),
    }
}

/// The same policy with one more rule.
fn another() -> (Vec<u8>, Snapshot) {
    let text = format!("{}# another\n", policy()).into_bytes();
    let snapshot = Snapshot::parse(&text).unwrap();
    (text, snapshot)
}

#[tokio::test]
async fn a_retry_keeps_no_policy_in_force_while_it_waits_and_takes_nothing_up_under_another() {
    let world = left_open().await;
    let gate = world.session.gate().clone();
    let mut second = again(&world).await;
    // Already while the agent is told that it waits.
    let asked = ask(&mut second, request(Action::Define)).await;
    gate.replace_policy(another()).await.unwrap();
    let mut waiting = Box::pin(second.wait(asked, pending()));
    assert!(waits(&mut waiting));
    approve(&world, &["ann", "bob"]);
    let denial = waiting.await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Postponed);
    assert_eq!(denial.reason(), "the policy has changed since it was asked");
    second.refuse(denial).await.unwrap();
    // The one that was approved is gone; run again, it is asked about anew, by the other policy.
    second.take_up_policy().await;
    let asked = ask(&mut second, request(Action::Define)).await;
    assert_eq!(requests(&world), 2);
    assert_eq!(asked.question().body.decision.policy, another().1.digest());
}

#[tokio::test]
async fn what_was_left_open_is_not_taken_up_when_its_policy_has_come_back() {
    let world = left_open().await;
    let gate = world.session.gate().clone();
    approve(&world, &["ann", "bob"]);
    let text = policy().into_bytes();
    let snapshot = Snapshot::parse(&text).unwrap();
    for policy in [another(), (text, snapshot)] {
        gate.replace_policy(policy).await.unwrap();
    }
    let mut second = again(&world).await;
    assert!(asks_anew(&world, &mut second, request(Action::Define)).await);
}

#[tokio::test]
async fn what_a_retry_takes_up_is_handed_over_before_another_policy_is_in_force() {
    let world = left_open().await;
    let gate = world.session.gate().clone();
    approve(&world, &["ann", "bob"]);
    let mut second = again(&world).await;
    let permit = retry(&mut second).await.unwrap();
    let mut replacing = Box::pin(gate.replace_policy(another()));
    assert!(waits(&mut replacing));
    second.record(vec![permit]).await.unwrap();
    replacing.await.unwrap();
    let kinds = world.memory.kinds();
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["policy-snapshot", "command", "policy-in-force"]
    );
}

#[tokio::test]
async fn an_open_request_of_which_decisions_were_missed_is_taken_up_by_nobody_and_ends_no_session() {
    let world = left_open().await;
    // One more than a receiver keeps.
    for name in ["ann", "bob", "carol", "dave", "eve"] {
        approve(&world, &[name]);
    }
    let mut session = again(&world).await;
    let denial = retry(&mut session).await.unwrap_err();
    assert_eq!((denial.outcome(), denial.reason()), (Outcome::Postponed, MISSED));
    session.refuse(denial).await.unwrap();
    assert!(last_command(&world).approvals.is_none());
    // The session lives, and the same command asks anew.
    assert!(asks_anew(&world, &mut session, request(Action::Define)).await);
}

/// Kinds of the last events, and the last command.
fn ended(world: &World, events: usize) -> (Vec<&'static str>, Command) {
    let kinds = world.memory.kinds();
    (kinds[kinds.len() - events..].to_vec(), last_command(world))
}

#[tokio::test]
async fn a_command_whose_session_ends_while_people_are_asked_has_its_event() {
    let mut world = world_of(&policy()).await;
    let asked = ask(&mut world.session, request(Action::Define)).await;
    let mut waiting = Box::pin(world.session.wait(asked, pending()));
    assert!(waits(&mut waiting));
    drop(waiting);
    let mut second = again(&world).await;
    let also = ask(&mut second, request(Action::Define)).await;
    assert_eq!(requests(&world), 2, "nobody waits for the first any more");
    let mut waiting = Box::pin(second.wait(also, pending()));
    assert!(waits(&mut waiting));
    drop(waiting);
    second.close("agent").await.unwrap();
    let (kinds, command) = ended(&world, 4);
    assert_eq!(kinds, ["approval-expired", "command", "response-end", "session-closed"]);
    assert_eq!((command.outcome, command.request), (Outcome::Expired, Some(1)));
    let events = world.memory.events.lock().unwrap();
    let Body::SessionClosed(closed) = &events.last().unwrap().body else {
        panic!("it was closed")
    };
    assert_eq!(closed.commands, 1);
}

#[tokio::test]
async fn a_retry_whose_session_ends_meanwhile_has_its_event_and_leaves_the_question_open() {
    let world = left_open().await;
    let mut session = again(&world).await;
    let asked = ask(&mut session, request(Action::Define)).await;
    let mut waiting = Box::pin(session.wait(asked, pending()));
    assert!(waits(&mut waiting));
    drop(waiting);
    drop(session);
    let (kinds, command) = ended(&world, 3);
    assert_eq!(kinds, ["command", "response-end", "session-closed"]);
    assert_eq!((command.outcome, command.request), (Outcome::Postponed, None));
    assert!(command.retries.is_some());
    approve(&world, &["ann", "bob"]);
    let mut third = again(&world).await;
    assert!(retry(&mut third).await.is_ok());
}
