//! Policies that come into force while sessions are open: what is decided stands on the right side of the event that says so.

use std::future::pending;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Outcome};
use exhibit_schemas::event::{Body, Event};

use super::asked::asked;
use super::{
    BTreeMap, EndStatus, Masked, Mode, POLICY, Reach, Ruling, Transaction, World, decision, lost, permit, reaching,
    request, waits, world,
};
use crate::error::GateError;
use crate::session::{NotAsked, Opening, Replaced};

/// The policy before, without its rule about reads.
fn stricter() -> (Vec<u8>, Snapshot) {
    let text = POLICY.replace(r#"effect = "allow""#, r#"effect = "deny""#);
    let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
    (text.into_bytes(), snapshot)
}

/// What each event says of policies, from the first session on.
fn said(world: &World) -> Vec<(&'static str, Option<Digest>)> {
    let events = world.memory.events.lock().unwrap();
    let opened = events
        .iter()
        .position(|event| matches!(event.body, Body::SessionOpened(_)));
    let policy = |event: &Event| match &event.body {
        Body::PolicyInForce(now) => Some(now.policy),
        Body::SessionOpened(opened) => Some(opened.policy),
        Body::Command(command) => Some(command.decision.policy),
        Body::ApprovalRequested(asked) => Some(asked.decision.policy),
        _ => None,
    };
    let told = |event: &Event| (event.kind().as_str(), policy(event));
    events[opened.unwrap()..]
        .iter()
        .map(told)
        .filter(|(kind, _)| *kind != "policy-snapshot")
        .collect()
}

fn opening(world: &World) -> Opening {
    Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: world.session.principal().clone(),
        expires: None,
        peer: "127.0.0.1:2".into(),
        transport: "TLSv1.3".into(),
        client: None,
        settings: Vec::new(),
        stateless: false,
    }
}

#[tokio::test]
async fn a_session_moves_at_its_next_command_and_the_reply_under_way_ends_as_it_began() {
    let mut world = world().await;
    let gate = world.session.gate().clone();
    let first = gate.policy().digest();
    let permit = permit(&world.session);
    let cleared = world.session.record(vec![permit]).await.unwrap().remove(0);
    let second = stricter().1.digest();
    assert_eq!(gate.replace_policy(stricter()).await, Ok(Replaced::InForce));
    assert_eq!(gate.replace_policy(stricter()).await, Ok(Replaced::Unchanged));
    let frames = vec![Masked::framing(b"row".to_vec())];
    let end = world.session.finish(
        cleared.reply(),
        None,
        frames,
        EndStatus::Complete,
        None,
        BTreeMap::new(),
    );
    end.durable().await.unwrap();
    assert_eq!(world.session.take_up_policy().await.digest(), second);
    let Ruling::Denial(denial) = world.session.decide(request(Action::Read)) else {
        panic!("it is denied now")
    };
    world.session.refuse(denial).await.unwrap();
    let other = gate.open(opening(&world)).await.unwrap();
    let wanted = [
        ("session-opened", Some(first)),
        ("command", Some(first)),
        ("policy-in-force", Some(second)),
        ("response-chunk", None),
        ("response-end", None),
        ("command", Some(second)),
        ("session-opened", Some(second)),
    ];
    assert_eq!(said(&world), wanted);
    drop(other);
}

#[tokio::test]
async fn nothing_comes_into_force_between_a_decision_and_its_record() {
    for reach in [Reach::Anything, Reach::Nothing] {
        let mut world = world().await;
        let gate = world.session.gate().clone();
        let first = world.session.take_up_policy().await.digest();
        let permit = reaching(&world.session, reach);
        let mut replacing = Box::pin(gate.replace_policy(stricter()));
        assert!(waits(&mut replacing), "something was decided");
        world.session.clear(vec![permit], Transaction::None).await.unwrap();
        if reach == Reach::Nothing {
            assert!(waits(&mut replacing), "what ran ahead is not recorded yet");
            // The next policy does not wait for ever: no more runs ahead than what the session is at.
            world.session.flush().unwrap();
        }
        assert_eq!(replacing.await, Ok(Replaced::InForce));
        let second = stricter().1.digest();
        let wanted = [
            ("session-opened", Some(first)),
            ("command", Some(first)),
            ("policy-in-force", Some(second)),
        ];
        assert_eq!(said(&world), wanted, "{reach:?}");
    }
}

#[tokio::test]
async fn what_was_decided_by_another_policy_is_not_recorded_as_if_it_still_held() {
    let mut world = world().await;
    let permit = permit(&world.session);
    world.session.gate().replace_policy(stricter()).await.unwrap();
    let refused = world.session.record(vec![permit]).await.unwrap_err();
    assert_eq!(refused, GateError::PolicyChanged);
    let mut world = super::world().await;
    let ahead = reaching(&world.session, Reach::Nothing);
    world.session.gate().replace_policy(stricter()).await.unwrap();
    let refused = world.session.clear(vec![ahead], Transaction::None).await;
    assert_eq!(refused.unwrap_err(), GateError::PolicyChanged);
    let mut world = super::world().await;
    let Ruling::Pending(pending) = world.session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    world.session.gate().replace_policy(stricter()).await.unwrap();
    let error = world.session.ask(pending).await.unwrap_err();
    assert!(matches!(error, NotAsked::Failed(GateError::PolicyChanged)), "{error}");
    assert_eq!(
        said(&world).last().unwrap().0,
        "policy-in-force",
        "nothing was recorded"
    );
}

#[tokio::test]
async fn what_people_approve_under_another_policy_does_not_pass() {
    let mut world = world().await;
    let gate = world.session.gate().clone();
    let first = gate.policy().digest();
    let asked = asked(&mut world).await;
    gate.replace_policy(stricter()).await.unwrap();
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    assert_eq!(denial.reason(), "the policy has changed since it was asked");
    world.session.refuse(denial).await.unwrap();
    let second = stricter().1.digest();
    let wanted = [
        ("session-opened", Some(first)),
        ("approval-requested", Some(first)),
        ("policy-in-force", Some(second)),
        ("approval-expired", None),
        ("command", Some(first)),
    ];
    assert_eq!(said(&world), wanted);
}

#[tokio::test]
async fn what_people_approve_does_not_pass_when_the_policy_that_asked_has_come_back() {
    let mut world = world().await;
    let gate = world.session.gate().clone();
    let asked = asked(&mut world).await;
    let before = (POLICY.as_bytes().to_vec(), Snapshot::parse(POLICY.as_bytes()).unwrap());
    for policy in [stricter(), before] {
        assert_eq!(gate.replace_policy(policy).await, Ok(Replaced::InForce));
    }
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    assert_eq!(denial.reason(), "the policy has changed since it was asked");
}

#[tokio::test]
async fn an_approval_and_the_policy_that_it_was_asked_by_hold_until_it_is_recorded() {
    let mut world = world().await;
    let gate = world.session.gate().clone();
    let first = gate.policy().digest();
    let asked = asked(&mut world).await;
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let mut replacing = Box::pin(gate.replace_policy(stricter()));
    assert!(waits(&mut replacing));
    world.session.record(vec![permit]).await.unwrap();
    replacing.await.unwrap();
    let kinds: Vec<_> = said(&world).into_iter().skip(2).collect();
    let second = stricter().1.digest();
    assert_eq!(kinds, [("command", Some(first)), ("policy-in-force", Some(second))]);
}

#[tokio::test]
async fn a_policy_that_the_ledger_does_not_take_does_not_come_into_force() {
    let world = world().await;
    let gate = world.session.gate().clone();
    let first = gate.policy().digest();
    for mode in [Mode::Refuse, Mode::Lose] {
        world.memory.mode.send_replace(mode);
        assert!(gate.replace_policy(stricter()).await.is_err(), "{mode:?}");
        assert_eq!(gate.policy().digest(), first);
    }
    world.memory.mode.send_replace(Mode::Durable);
    assert_eq!(said(&world).len(), 1, "nothing says that it is in force");
    assert_eq!(gate.replace_policy(stricter()).await, Ok(Replaced::InForce));
}

#[tokio::test]
async fn where_it_is_not_known_what_the_ledger_heard_that_is_said_again_before_a_session_opens() {
    let mut world = world().await;
    let gate = world.session.gate().clone();
    let first = world.session.take_up_policy().await.digest();
    let mut replacing = Box::pin(gate.replace_policy(stricter()));
    assert!(waits(&mut replacing), "the session decides");
    world.memory.mode.send_replace(Mode::Lose);
    world.session.let_go_of_policy();
    assert_eq!(replacing.await, Ok(Replaced::Unsaid(lost())));
    let second = stricter().1.digest();
    assert_eq!(gate.policy().digest(), second, "the ledger may know it");
    assert!(gate.open(opening(&world)).await.is_err());
    world.memory.mode.send_replace(Mode::Durable);
    let other = gate.open(opening(&world)).await.unwrap();
    let wanted = [
        ("session-opened", Some(first)),
        ("policy-in-force", Some(second)),
        ("policy-in-force", Some(second)),
        ("session-opened", Some(second)),
    ];
    assert_eq!(said(&world), wanted);
    drop(other);
}
