//! What people say who take an approval back, or approve no more than so many rows.

use std::future::pending;

use exhibit_policy::mask::{MaskKey, Masked, RowMasker};
use exhibit_policy::net::SessionNet;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Frame, Outcome};
use exhibit_schemas::event::approval::{ApprovalRevoked, Terms, Verdict};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, SessionId};

use super::super::{Cleared, EndStatus, Ruling};
use super::asked::asked;
use super::{World, decision, request, world};
use crate::error::GateError;
use crate::recorder::{Heard, VerifiedRevocation};

const ROWS: &str = "it came to more rows than people approved";
pub(super) const TAKEN_BACK: &str = "a person took its approval back";

/// A revocation of the last request as the recorder would hand it over.
pub(super) fn revocation(
    world: &World,
    name: &str,
    change: impl FnOnce(&mut VerifiedRevocation),
) -> VerifiedRevocation {
    let decision = decision(world, name, |_| ());
    let mut revocation = VerifiedRevocation {
        leaf: Digest::of(b"revoked"),
        signer: decision.signer,
        body: ApprovalRevoked {
            index: 0,
            request: decision.body.request,
            session: decision.body.session,
            reason: "the wrong month".into(),
        },
    };
    change(&mut revocation);
    revocation
}

pub(super) fn revoke(world: &World, revocation: VerifiedRevocation) {
    // Nobody may be waiting for it.
    let _ = world.memory.heard.send(Heard::TakenBack(revocation.into()).into());
}

pub(super) fn rows(count: usize) -> Vec<Masked<Frame>> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([0; 32]));
    let mut row = || masker.row(vec![Some(b"x".to_vec())], &mut SessionNet::default());
    (0..count).map(|_| row().unwrap()).collect()
}

/// A command that ann and bob have approved, for so many rows each.
pub(super) async fn approved(limits: [Option<u64>; 2]) -> (World, Cleared) {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    for (name, rows) in ["ann", "bob"].into_iter().zip(limits) {
        let terms = rows.map(|rows| Terms {
            rows: Some(rows),
            grant: None,
        });
        world
            .memory
            .decide(decision(&world, name, |one| one.body.terms = terms));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let cleared = world.session.record(vec![permit]).await.unwrap().remove(0);
    (world, cleared)
}

async fn out(world: &mut World, command: &Cleared, count: usize) -> Result<(), GateError> {
    let releasing = world.session.release(&mut command.reply(), None, rows(count));
    releasing.durable().await.map(|_| ())
}

fn released(world: &World) -> u64 {
    let events = world.memory.events.lock().unwrap();
    let rows = |body: &Body| match body {
        Body::ResponseChunk(chunk) => chunk.rows(),
        _ => 0,
    };
    events.iter().map(|event| rows(&event.body)).sum()
}

#[tokio::test]
async fn no_more_rows_leave_than_the_fewest_that_somebody_approved() {
    for limits in [[Some(3), None], [Some(9), Some(3)], [None, Some(3)]] {
        let (mut world, command) = approved(limits).await;
        out(&mut world, &command, 1).await.unwrap();
        out(&mut world, &command, 2).await.unwrap();
        let ended = out(&mut world, &command, 1).await.unwrap_err();
        assert_eq!(ended, GateError::Approval { reason: ROWS, rows: 3 });
        assert_eq!(
            out(&mut world, &command, 0).await.unwrap_err(),
            ended,
            "nothing passes after it"
        );
        assert_eq!(released(&world), 3);
        world.session.close("agent").await.unwrap();
        let events = world.memory.events.lock().unwrap();
        let Body::SessionClosed(closed) = &events.last().unwrap().body else {
            panic!("it was closed")
        };
        assert_eq!(closed.reason, "approval");
    }
    let (mut world, command) = approved([None, None]).await;
    out(&mut world, &command, 500).await.unwrap();
}

/// A command that these decisions are about, in their order, of which the last is the second person that is needed.
async fn approved_by(said: &[(&str, Option<u64>)]) -> (World, Cleared) {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    for (number, (name, rows)) in said.iter().enumerate() {
        let terms = rows.map(|rows| Terms {
            rows: Some(rows),
            grant: None,
        });
        let leaf = Digest::of(&[u8::try_from(number).unwrap()]);
        world.memory.decide(decision(&world, name, |one| {
            one.leaf = leaf;
            one.body.terms = terms;
        }));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    let cleared = world.session.record(vec![permit]).await.unwrap().remove(0);
    (world, cleared)
}

#[tokio::test]
async fn who_says_again_how_many_rows_is_heard() {
    let (mut world, command) = approved_by(&[("ann", None), ("ann", Some(3)), ("bob", None)]).await;
    out(&mut world, &command, 3).await.unwrap();
    let ended = out(&mut world, &command, 1).await.unwrap_err();
    assert_eq!(ended, GateError::Approval { reason: ROWS, rows: 3 });
}

#[tokio::test]
async fn a_refusal_that_comes_late_stops_what_is_under_way() {
    let (mut world, command) = approved([None, None]).await;
    out(&mut world, &command, 1).await.unwrap();
    let refused = decision(&world, "cid", |one| one.body.verdict = Verdict::Deny);
    let _ = world.memory.heard.send(Heard::Decided(refused.into()).into());
    let ended = out(&mut world, &command, 1).await.unwrap_err();
    let wanted = GateError::Approval {
        reason: TAKEN_BACK,
        rows: 1,
    };
    assert_eq!(ended, wanted);
}

#[tokio::test]
async fn of_frames_that_would_pass_the_limit_none_leaves() {
    let (mut world, command) = approved([Some(3), None]).await;
    assert!(out(&mut world, &command, 4).await.is_err());
    assert_eq!(released(&world), 0);
}

#[tokio::test]
async fn what_is_taken_back_before_it_passed_is_refused() {
    let mut world = world().await;
    let asked = asked(&mut world).await;
    for name in ["ann", "bob"] {
        world.memory.decide(decision(&world, name, |_| ()));
    }
    revoke(&world, revocation(&world, "cid", |_| ()));
    let denial = world.session.wait(asked, pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Refused);
}

#[tokio::test]
async fn a_reply_under_way_stops_when_its_approval_is_taken_back() {
    let (mut world, command) = approved([None, None]).await;
    out(&mut world, &command, 2).await.unwrap();
    revoke(&world, revocation(&world, "cid", |_| ()));
    let ended = out(&mut world, &command, 1).await.unwrap_err();
    assert_eq!(
        ended,
        GateError::Approval {
            reason: TAKEN_BACK,
            rows: 2
        }
    );
    assert_eq!(released(&world), 2);
}

#[tokio::test]
async fn data_for_the_target_stops_as_well() {
    let (mut world, command) = approved([None, None]).await;
    world.session.send(&command, b"rows".to_vec()).durable().await.unwrap();
    revoke(&world, revocation(&world, "cid", |_| ()));
    let sent = world.session.send(&command, b"more".to_vec()).durable().await;
    assert!(matches!(sent, Err(GateError::Approval { reason: TAKEN_BACK, .. })));
}

#[tokio::test]
async fn nobody_else_takes_an_approval_back() {
    type Change = fn(&mut VerifiedRevocation);
    let strangers: [(&str, Change); 4] = [
        ("dora", |one| one.signer.groups = vec!["privacy".into()]),
        ("ann", |one| one.signer.role = Role::Administrator),
        ("ann", |one| one.body.request = Digest([9; 32])),
        ("ann", |one| one.body.session = SessionId([9; 16])),
    ];
    for (name, change) in strangers {
        let (mut world, command) = approved([None, None]).await;
        revoke(&world, revocation(&world, name, change));
        out(&mut world, &command, 1).await.unwrap();
    }
    // Whoever approved may, though no more in a group that counts.
    let (mut world, command) = approved([None, None]).await;
    revoke(&world, revocation(&world, "ann", |one| one.signer.groups = Vec::new()));
    assert!(out(&mut world, &command, 1).await.is_err());
}

#[tokio::test]
async fn a_reply_stops_where_somebody_may_have_taken_it_back_unheard() {
    let (mut world, command) = approved([None, None]).await;
    for number in 0..8 {
        let other = |one: &mut VerifiedRevocation| one.body.request = Digest([number; 32]);
        revoke(&world, revocation(&world, "ann", other));
    }
    let ended = out(&mut world, &command, 1).await.unwrap_err();
    assert!(matches!(ended, GateError::LedgerUnavailable { .. }), "{ended}");
}

#[tokio::test]
async fn what_passed_is_not_asked_about_again_and_ends_as_it_is() {
    let (mut world, command) = approved([Some(1), None]).await;
    out(&mut world, &command, 1).await.unwrap();
    let end = world.session.finish(
        command.reply(),
        None,
        vec![Masked::framing(b"Z".to_vec())],
        EndStatus::Complete,
        None,
        std::collections::BTreeMap::new(),
    );
    end.durable().await.unwrap();
    // What one approval let out is nothing to the next command, which people are asked about anew.
    assert!(matches!(
        world.session.decide(request(Action::Define)),
        Ruling::Pending(_)
    ));
}
