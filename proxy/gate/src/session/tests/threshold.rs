//! Replies that come to more than a rule lets out.

use std::future::pending;
use std::sync::Arc;

use exhibit_policy::mask::{MaskKey, Masked, RowMasker};
use exhibit_policy::net::SessionNet;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Action, Effect, Frame, Outcome, ThresholdDecided};
use exhibit_schemas::event::approval::Verdict;

use super::super::{EndStatus, Reach, Reply, Ruling};
use super::{EXPIRES_US, POLICY, World, decision, request, world_of};
use crate::error::GateError;

const THRESHOLDS: &str = r#"
[[rules]]
name = "never"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 100 }
effect = "deny"
reason = "nobody reads so much"
[[rules]]
name = "bulk"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 3, bytes = 1000 }
effect = "ask"
approval = "dba"
"#;

fn policy() -> String {
    // Rules about what replies come to stand before the one that allows.
    POLICY.replacen("[[rules]]", &format!("{THRESHOLDS}[[rules]]"), 1)
}

fn rows(count: usize) -> Vec<Masked<Frame>> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([0; 32]));
    let mut row = || {
        masker
            .row(vec![Some(b"x".to_vec())], &mut SessionNet::default())
            .unwrap()
    };
    (0..count).map(|_| row()).collect()
}

async fn reading(world: &mut World) -> Reply {
    let Ruling::Permit(permit) = world.session.decide(request(Action::Read)) else {
        panic!("reads are allowed")
    };
    world.session.record(vec![permit]).await.unwrap()[0].reply()
}

async fn begun() -> (World, Reply) {
    let mut world = world_of(&policy()).await;
    let reply = reading(&mut world).await;
    (world, reply)
}

/// Lets frames out as a protocol does, where nobody has to be asked.
async fn out(world: &mut World, reply: &mut Reply, frames: Vec<Masked<Frame>>) -> Result<(), GateError> {
    assert!(world.session.weigh(reply, &frames).await?.is_none(), "nobody is asked");
    world.session.release(reply, None, frames).durable().await.map(|_| ())
}

fn decided(world: &World) -> Vec<ThresholdDecided> {
    let events = world.memory.events.lock().unwrap();
    let decided = |body: &Body| match body {
        Body::ThresholdDecided(decided) => Some(decided.clone()),
        _ => None,
    };
    events.iter().filter_map(|event| decided(&event.body)).collect()
}

#[tokio::test]
async fn what_is_more_waits_until_people_let_it_out_once_for_the_command() {
    let (mut world, mut reply) = begun().await;
    out(&mut world, &mut reply, rows(3)).await.unwrap();
    let more = rows(2);
    let held = world
        .session
        .weigh(&reply, &more)
        .await
        .unwrap()
        .expect("more than three rows");
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    world.session.held(held, pending()).await.unwrap();
    world.session.release(&mut reply, None, more).durable().await.unwrap();
    // Bytes are the same rule's, which is approved.
    out(&mut world, &mut reply, vec![Masked::framing(vec![0; 2_000])])
        .await
        .unwrap();
    out(&mut world, &mut reply, rows(95)).await.unwrap();
    let found = decided(&world);
    let [found] = found.as_slice() else {
        panic!("one decision: {found:?}")
    };
    assert_eq!((found.command, found.rows, found.outcome), (1, 5, Outcome::Approved));
    assert_eq!((found.request, found.decision.rule.as_deref()), (Some(3), Some("bulk")));
    assert_eq!(found.approvals.as_ref().map(Vec::len), Some(2));
    let order = [
        "command",
        "response-chunk",
        "approval-requested",
        "threshold-decided",
        "response-chunk",
    ];
    let kinds = world.memory.kinds();
    let command = kinds.iter().position(|kind| *kind == "command").unwrap();
    assert_eq!(kinds[command..command + order.len()], order);
    // The hundredth is out; one more never is, whoever approved.
    let ended = out(&mut world, &mut reply, rows(1)).await.unwrap_err();
    assert!(
        matches!(&ended, GateError::Threshold { rule, rows: 101, .. } if rule == "never"),
        "{ended}"
    );
    let last = decided(&world).pop().unwrap();
    assert_eq!(
        (last.outcome, last.decision.effect, last.request),
        (Outcome::Denied, Effect::Deny, None)
    );
    // Nothing of the session passes any more, and its close says what was cut.
    assert_eq!(out(&mut world, &mut reply, rows(0)).await.unwrap_err(), ended);
    world.session.close("threshold").await.unwrap();
    assert_eq!(
        world.memory.kinds().iter().rev().take(2).copied().collect::<Vec<_>>(),
        ["session-closed", "response-end"]
    );
}

#[tokio::test]
async fn the_next_command_asks_again() {
    let (mut world, mut reply) = begun().await;
    let more = rows(4);
    let held = world.session.weigh(&reply, &more).await.unwrap().unwrap();
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    world.session.held(held, pending()).await.unwrap();
    world.session.release(&mut reply, None, more).durable().await.unwrap();
    let reply = reading(&mut world).await;
    assert!(world.session.weigh(&reply, &rows(4)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_release_that_nobody_weighed_is_refused() {
    let (mut world, mut reply) = begun().await;
    let before = world.memory.kinds().len();
    let ended = world
        .session
        .release(&mut reply, None, rows(4))
        .durable()
        .await
        .unwrap_err();
    assert!(matches!(ended, GateError::Threshold { .. }));
    assert_eq!(world.memory.kinds().len(), before);
    let (mut world, reply) = begun().await;
    let finished = world
        .session
        .finish(reply, None, rows(4), EndStatus::Complete, None, [].into());
    assert!(matches!(finished.durable().await, Err(GateError::Threshold { .. })));
}

#[tokio::test]
async fn a_release_that_is_not_the_one_that_was_weighed_is_refused() {
    let (mut world, mut reply) = begun().await;
    assert!(world.session.weigh(&reply, &rows(3)).await.unwrap().is_none());
    let ended = world.session.release(&mut reply, None, rows(4)).durable().await;
    assert!(matches!(ended, Err(GateError::Threshold { .. })));
}

#[tokio::test]
async fn refusal_expiry_and_withdrawal_end_the_session() {
    for (word, wanted) in [
        ("refuse", Outcome::Refused),
        ("time", Outcome::Expired),
        ("gone", Outcome::Expired),
    ] {
        let (mut world, reply) = begun().await;
        let held = world.session.weigh(&reply, &rows(4)).await.unwrap().unwrap();
        let ended = match word {
            "refuse" => {
                let refusal = decision(&world, "ann", |one| one.body.verdict = Verdict::Deny);
                world.memory.decide(refusal);
                world.session.held(held, pending()).await
            }
            "time" => {
                *world.clock.0.lock().unwrap() = EXPIRES_US;
                world.session.held(held, pending()).await
            }
            _ => world.session.held(held, async {}).await,
        };
        assert!(matches!(ended, Err(GateError::Threshold { .. })), "{word}");
        let found = decided(&world);
        assert_eq!(
            (found[0].outcome, found[0].approvals.as_ref()),
            (wanted, None),
            "{word}"
        );
        let expired = world.memory.kinds().contains(&"approval-expired");
        assert_eq!(expired, wanted == Outcome::Expired, "{word}");
        assert!(world.session.record(vec![]).await.is_err(), "{word}");
    }
}

#[tokio::test]
async fn one_of_two_people_or_an_approval_of_something_else_lets_nothing_out() {
    let (mut world, reply) = begun().await;
    let held = world.session.weigh(&reply, &rows(4)).await.unwrap().unwrap();
    let ann = decision(&world, "ann", |_| ());
    let again = decision(&world, "ann", |one| one.leaf = super::Digest([9; 32]));
    let other = decision(&world, "bob", |one| one.body.command = super::Digest([9; 32]));
    for decision in [ann, again, other] {
        world.memory.decide(decision);
    }
    let clock = Arc::clone(&world.clock);
    let expire = async {
        tokio::task::yield_now().await;
        *clock.0.lock().unwrap() = EXPIRES_US;
    };
    let (ended, ()) = tokio::join!(world.session.held(held, pending()), expire);
    assert!(matches!(ended, Err(GateError::Threshold { .. })));
}

#[tokio::test]
async fn a_session_that_ends_while_it_waits_says_that_nobody_answered() {
    let (mut world, reply) = begun().await;
    let held = world.session.weigh(&reply, &rows(4)).await.unwrap().unwrap();
    drop(held);
    world.session.close("agent").await.unwrap();
    let kinds = world.memory.kinds();
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["approval-expired", "response-end", "session-closed"]
    );
}

#[tokio::test]
async fn what_people_approved_at_the_beginning_is_not_asked_again() {
    let asks = policy().replacen(
        "actions = [\"read\"]\neffect = \"allow\"",
        "actions = [\"read\"]\neffect = \"ask\"\napproval = \"dba\"",
        1,
    );
    let mut world =
        world_of(&asks.replacen("over = { rows = 3, bytes = 1000 }\n", "over = { bytes = 1000 }\n", 1)).await;
    let Ruling::Pending(question) = world.session.decide(request(Action::Read)) else {
        panic!("reads are asked about")
    };
    let asked = world.session.ask(question).await.unwrap();
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let mut reply = world.session.record(vec![permit]).await.unwrap()[0].reply();
    out(&mut world, &mut reply, rows(99)).await.unwrap();
    assert_eq!(decided(&world), []);
    assert!(
        world
            .session
            .weigh(&reply, &[Masked::framing(vec![0; 2_000])])
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn rows_in_verbatim_frames_count_and_are_recorded() {
    let (mut world, mut reply) = begun().await;
    let masker = RowMasker::new(Vec::new(), MaskKey::new([0; 32]));
    let copied = |rows| {
        vec![
            masker
                .whole(b"1\t2\n".to_vec(), rows, None, &SessionNet::default())
                .unwrap(),
        ]
    };
    out(&mut world, &mut reply, copied(3)).await.unwrap();
    assert!(world.session.weigh(&reply, &copied(1)).await.unwrap().is_some());
    let events = world.memory.events.lock().unwrap();
    let framed = events.iter().find_map(|event| match &event.body {
        Body::ResponseChunk(chunk) => Some(chunk.framed_rows),
        _ => None,
    });
    assert_eq!(framed, Some(Some(3)));
}

#[tokio::test]
async fn a_command_that_runs_ahead_is_watched_too() {
    let mut world = world_of(&policy()).await;
    let permit = super::reaching(&world.session, Reach::Nothing);
    let cleared = world
        .session
        .clear(vec![permit], super::Transaction::None)
        .await
        .unwrap();
    let reply = cleared[0].reply();
    assert!(world.session.weigh(&reply, &rows(4)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_approval_of_one_rule_is_none_of_another_that_asks_the_same_people() {
    let asks = r#"
[[rules]]
name = "asked"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
resources = ["public.asked"]
effect = "ask"
approval = "dba"
"#;
    let mut world = world_of(&policy().replacen("[[rules]]", &format!("{asks}[[rules]]"), 1)).await;
    let mut both = request(Action::Read);
    both.facts
        .accesses
        .insert(0, super::Access(Action::Read, Some("public.asked".into())));
    let Ruling::Pending(question) = world.session.decide(both) else {
        panic!("it is asked about")
    };
    let asked = world.session.ask(question).await.unwrap();
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let mut reply = world.session.record(vec![permit]).await.unwrap()[0].reply();
    out(&mut world, &mut reply, rows(3)).await.unwrap();
    // The decision names `asked`, which was approved; `bulk` asks as well, and was not.
    let more = rows(1);
    let held = world.session.weigh(&reply, &more).await.unwrap().expect("bulk asks");
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    world.session.held(held, pending()).await.unwrap();
    world.session.release(&mut reply, None, more).durable().await.unwrap();
}

#[tokio::test]
async fn a_denial_that_nobody_waited_for_is_why_the_session_ended() {
    let (mut world, reply) = begun().await;
    let ended = world.session.weigh(&reply, &rows(101)).await.unwrap_err();
    assert!(matches!(ended, GateError::Threshold { .. }));
    // The agent went away meanwhile; that is not why nothing more left.
    world.session.close("agent").await.unwrap();
    let events = world.memory.events.lock().unwrap();
    let Body::SessionClosed(closed) = &events.last().unwrap().body else {
        panic!("a close")
    };
    assert_eq!(closed.reason, "threshold");
}

#[tokio::test]
async fn a_question_whose_session_ends_while_it_is_recorded_is_ended_too() {
    let (mut world, reply) = begun().await;
    world.memory.mode.send_replace(super::Mode::Hold);
    {
        let frames = rows(4);
        let asking = std::pin::pin!(world.session.weigh(&reply, &frames));
        let mut context = super::Context::from_waker(super::Waker::noop());
        assert!(matches!(Future::poll(asking, &mut context), super::Poll::Pending));
    }
    world.memory.mode.send_replace(super::Mode::Durable);
    world.session.close("agent").await.unwrap();
    let kinds = world.memory.kinds();
    let end = [
        "approval-requested",
        "approval-expired",
        "response-end",
        "session-closed",
    ];
    assert_eq!(kinds[kinds.len() - end.len()..], end);
}

#[tokio::test]
async fn a_reply_without_rows_is_not_asked_about_because_others_were_long() {
    let long = policy().replacen("{ rows = 3, bytes = 1000 }", "{ session_rows = 3 }", 1);
    let mut world = world_of(&long).await;
    let mut reply = reading(&mut world).await;
    out(&mut world, &mut reply, rows(3)).await.unwrap();
    let mut next = reading(&mut world).await;
    let framing = || vec![Masked::framing(vec![0; 500])];
    out(&mut world, &mut next, framing()).await.unwrap();
    assert!(world.session.weigh(&next, &rows(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn cells_without_a_value_count_as_bytes() {
    let (mut world, reply) = begun().await;
    let mut masker = RowMasker::new(vec![None; 300], MaskKey::new([0; 32]));
    let row = masker.row(vec![None; 300], &mut SessionNet::default()).unwrap();
    let held = world.session.weigh(&reply, &[row]).await.unwrap();
    assert!(held.is_some(), "1,200 bytes are more than 1,000");
}
