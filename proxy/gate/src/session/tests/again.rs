//! What people approved is asked about again before anything comes of it, however long it waited for something beside it.

use std::future::pending;
use std::sync::Arc;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Outcome};
use exhibit_schemas::event::approval::{ApprovalRevoked, Terms, Verdict};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};

use super::super::{Permit, Ruling};
use super::revoked::rows;
use super::{EXPIRES_US, POLICY, World, decision, request, waits, world};
use crate::error::GateError;
use crate::memory::{Memory, Mode, Standing};
use crate::recorder::{Heard, VerifiedDecision, VerifiedRevocation};

const TAKEN_BACK: &str = "a person took its approval back";
const KEY: &str = "the key of a person who approved it was revoked";
const OVER: &str = "the time of its approval is over";

/// Something that ann, bob and cid say of the first of two commands of one pipeline.
struct Said {
    refuses: VerifiedDecision,
    limits: VerifiedDecision,
    takes_back: VerifiedRevocation,
}

/// A command that ann and bob approve, each with a key of its own, and what else they may say of it.
async fn approved(world: &mut World) -> (Permit, Said) {
    let Ruling::Pending(pending_one) = world.session.decide(request(Action::Define)) else {
        panic!("it asks")
    };
    let asked = world.session.ask(pending_one).await.unwrap();
    let said = Said {
        refuses: decision(world, "cid", |one| one.body.verdict = Verdict::Deny),
        limits: decision(world, "cid", |one| {
            one.body.terms = Some(Terms {
                rows: Some(2),
                grant: None,
            });
        }),
        takes_back: {
            let one = decision(world, "cid", |_| ());
            VerifiedRevocation {
                leaf: Digest::of(b"revoked"),
                signer: one.signer,
                body: ApprovalRevoked {
                    index: 0,
                    request: one.body.request,
                    session: one.body.session,
                    reason: "enough".into(),
                },
            }
        },
    };
    for (name, seed) in [("ann", 11), ("bob", 12)] {
        world.memory.decide(decision(world, name, |one| {
            one.signer.key = SecretKey::from_seed(&[seed; 32]).public_key();
            one.time = Timestamp(1);
        }));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    (permit, said)
}

fn hears(memory: &Memory, heard: Heard) {
    let _ = memory.heard.send(heard.into());
}

fn loses_key(memory: &Memory) {
    hears(
        memory,
        Heard::Revoked(SecretKey::from_seed(&[12; 32]).public_key().id()),
    );
}

fn outcomes(world: &World) -> Vec<Outcome> {
    let events = world.memory.events.lock().unwrap();
    let outcome = |body: &Body| match body {
        Body::Command(command) => Some(command.outcome),
        _ => None,
    };
    events.iter().filter_map(|event| outcome(&event.body)).collect()
}

async fn close(world: World) -> String {
    world.session.close("agent").await.unwrap();
    let events = world.memory.events.lock().unwrap();
    match &events.last().unwrap().body {
        Body::SessionClosed(closed) => closed.reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_passes_whose_approval_ended_while_something_beside_it_waited() {
    type Ends = fn(&Memory, &Standing, Said);
    let ends: [(&str, Outcome, Ends); 4] = [
        (TAKEN_BACK, Outcome::Refused, |memory, _, said| {
            hears(memory, Heard::TakenBack(said.takes_back.into()));
        }),
        (TAKEN_BACK, Outcome::Refused, |memory, _, said| {
            memory.decide(said.refuses);
        }),
        (KEY, Outcome::Expired, |memory, _, _| loses_key(memory)),
        (OVER, Outcome::Expired, |_, clock, _| {
            *clock.0.lock().unwrap() = EXPIRES_US + 1;
        }),
    ];
    for (reason, outcome, end) in ends {
        let mut world = world().await;
        let (first, said) = approved(&mut world).await;
        let (second, _) = approved(&mut world).await;
        end(&world.memory, &world.clock, said);
        let ended = world.session.record(vec![first, second]).await.unwrap_err();
        assert_eq!(ended, GateError::ApprovalEnded { reason });
        // Both stand in the ledger as what they came to, and nothing of either passed.
        assert_eq!(outcomes(&world), [outcome, Outcome::Expired]);
        let kinds = world.memory.kinds();
        let expired = kinds.iter().filter(|kind| **kind == "approval-expired").count();
        assert_eq!(expired, if outcome == Outcome::Refused { 1 } else { 2 });
        assert_eq!(close(world).await, "agent");
    }
}

#[tokio::test]
async fn nothing_passes_whose_approval_ended_while_its_event_was_on_its_way() {
    type Ends = fn(&Memory, &Standing, Said);
    let ends: [(&str, Ends); 4] = [
        (TAKEN_BACK, |memory, _, said| {
            hears(memory, Heard::TakenBack(said.takes_back.into()));
        }),
        (TAKEN_BACK, |memory, _, said| memory.decide(said.refuses)),
        (KEY, |memory, _, _| loses_key(memory)),
        (OVER, |_, clock, _| *clock.0.lock().unwrap() = EXPIRES_US + 1),
    ];
    for (reason, end) in ends {
        let mut world = world().await;
        let (permit, said) = approved(&mut world).await;
        world.memory.mode.send_replace(Mode::Hold);
        let (memory, clock) = (Arc::clone(&world.memory), Arc::clone(&world.clock));
        let mut record = Box::pin(world.session.record(vec![permit]));
        assert!(waits(&mut record));
        end(&memory, &clock, said);
        memory.mode.send_replace(Mode::Durable);
        let ended = record.await.unwrap_err();
        assert_eq!(ended, GateError::Approval { reason, rows: 0 });
        assert_eq!(outcomes(&world), [Outcome::Approved]);
        assert_eq!(close(world).await, "approval");
    }
}

#[tokio::test]
async fn nothing_passes_by_what_another_term_of_the_policy_asked() {
    let mut world = world().await;
    let (permit, _) = approved(&mut world).await;
    // What is asked beside it lets go of the policy.
    world.session.let_go_of_policy();
    let gate = world.session.gate().clone();
    for text in [POLICY.to_owned() + "# another\n", POLICY.to_owned()] {
        let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
        gate.replace_policy((text.into_bytes(), snapshot)).await.unwrap();
    }
    let ended = world.session.record(vec![permit]).await.unwrap_err();
    let reason = "the policy has changed since it was asked";
    assert_eq!(ended, GateError::ApprovalEnded { reason });
    assert_eq!(outcomes(&world), [Outcome::Expired]);
}

#[tokio::test]
async fn who_limits_it_while_something_beside_it_waits_is_heard() {
    let mut world = world().await;
    let (permit, said) = approved(&mut world).await;
    world.memory.decide(said.limits);
    let command = world.session.record(vec![permit]).await.unwrap().remove(0);
    let out = async |world: &mut World, count| {
        let releasing = world.session.release(&mut command.reply(), None, rows(count));
        releasing.durable().await.map(|_| ())
    };
    out(&mut world, 2).await.unwrap();
    assert!(out(&mut world, 1).await.is_err());
}

/// What nobody of this proxy waits for: more than a slow reader may leave unread, bit by bit.
async fn much_is_said_of_others(world: &World) {
    for number in 0..32 {
        let other = decision(world, "ann", |one| one.body.request = Digest([number; 32]));
        world.memory.decide(other);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_quiet_session_misses_nothing_of_what_is_said_meanwhile() {
    let mut world = world().await;
    let (permit, said) = approved(&mut world).await;
    much_is_said_of_others(&world).await;
    let command = world.session.record(vec![permit]).await.unwrap().remove(0);
    much_is_said_of_others(&world).await;
    let mut reply = command.reply();
    let releasing = world.session.release(&mut reply, None, rows(1));
    releasing.durable().await.unwrap();
    // Also what concerns it is kept, before as well as behind all the rest.
    hears(&world.memory, Heard::TakenBack(said.takes_back.into()));
    much_is_said_of_others(&world).await;
    let ended = world.session.release(&mut reply, None, rows(1)).durable().await;
    let reason = TAKEN_BACK;
    assert_eq!(ended.unwrap_err(), GateError::Approval { reason, rows: 1 });
}

#[tokio::test]
async fn nothing_passes_where_somebody_may_have_taken_it_back_unheard() {
    let mut world = world().await;
    let (permit, _) = approved(&mut world).await;
    for number in 0..8 {
        let other = decision(&world, "ann", |one| one.body.request = Digest([number; 32]));
        world.memory.decide(other);
    }
    let ended = world.session.record(vec![permit]).await.unwrap_err();
    assert!(matches!(ended, GateError::LedgerUnavailable { .. }), "{ended}");
    assert_eq!(outcomes(&world), [Outcome::Expired]);
}
