//! Changes by approvals that are not committed, when people take the approval back.

use std::collections::BTreeMap;

use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::Action;

use super::super::{Cleared, EndStatus};
use super::revoked::{TAKEN_BACK, approved, revocation, revoke};
use super::{World, permit};
use crate::error::GateError;

async fn end(world: &mut World, command: &Cleared) {
    let ending = world.session.finish(
        command.reply(),
        None,
        Vec::new(),
        EndStatus::Complete,
        None,
        BTreeMap::new(),
    );
    ending.durable().await.unwrap();
}

/// What the last end of a reply says.
fn said(world: &World) -> Option<Vec<u64>> {
    let events = world.memory.events.lock().unwrap();
    let end = events.iter().rev().find_map(|event| match &event.body {
        Body::ResponseEnd(end) => Some(end.uncommitted.clone()),
        _ => None,
    });
    end.unwrap()
}

#[tokio::test]
async fn nothing_passes_behind_a_change_that_was_taken_back() {
    for ahead in [false, true] {
        let (mut world, command) = approved([None, None]).await;
        end(&mut world, &command).await;
        assert_eq!(said(&world), Some(vec![command.command()]));
        assert!(world.session.may_commit());
        let next = permit(&world.session);
        let again = world.session.record(vec![next]).await.unwrap().remove(0);
        end(&mut world, &again).await;
        revoke(&world, revocation(&world, "cid", |_| ()));
        assert!(!world.session.may_commit());
        let next = if ahead {
            Vec::new()
        } else {
            vec![permit(&world.session)]
        };
        let ended = world.session.record(next).await.map(|_| ()).unwrap_err();
        let wanted = GateError::Approval {
            reason: TAKEN_BACK,
            rows: 0,
        };
        assert_eq!(ended, wanted);
    }
}

#[tokio::test]
async fn what_is_settled_is_nobodys_to_take_back() {
    let (mut world, command) = approved([None, None]).await;
    world.session.settled();
    end(&mut world, &command).await;
    assert_eq!(said(&world), None);
    revoke(&world, revocation(&world, "cid", |_| ()));
    assert!(world.session.may_commit());
    let next = permit(&world.session);
    world.session.record(vec![next]).await.unwrap();
}

#[tokio::test]
async fn what_nobody_was_asked_about_is_not_listed() {
    let mut world = super::world().await;
    let next = permit(&world.session);
    let command = world.session.record(vec![next]).await.unwrap().remove(0);
    assert_eq!(command.permit().judged.request.facts.accesses[0].0, Action::Read);
    end(&mut world, &command).await;
    assert_eq!(said(&world), None);
}

#[tokio::test]
async fn no_more_rows_are_changed_than_people_approved() {
    let (mut world, command) = approved([Some(3), Some(9)]).await;
    world.session.changed(&command.reply(), Some(2)).unwrap();
    world.session.changed(&command.reply(), Some(1)).unwrap();
    assert_eq!(command.permit().most_rows(), Some(3));
    let ended = world.session.changed(&command.reply(), Some(1)).unwrap_err();
    let GateError::MoreRows { changed, most, .. } = ended else {
        panic!("{ended}")
    };
    assert_eq!((changed, most), (Some(4), 3));
    world.session.close("agent").await.unwrap();
    let events = world.memory.events.lock().unwrap();
    let [.., end, closed] = events.as_slice() else {
        panic!("it was cut off and closed")
    };
    let Body::ResponseEnd(end) = &end.body else {
        panic!("it was cut off")
    };
    assert_eq!((end.status.as_str(), end.changed), ("cut", Some(4)));
    assert!(end.uncommitted.is_some(), "the target takes it back");
    let Body::SessionClosed(closed) = &closed.body else {
        panic!("it was closed")
    };
    assert_eq!(closed.reason, "approval");
}

#[tokio::test]
async fn what_tells_its_rows_in_parts_is_held_to_be_more_than_anybody_approved() {
    for (limits, passes) in [([None, None], true), ([Some(3), None], false)] {
        let (mut world, command) = approved(limits).await;
        let held = world.session.changed(&command.reply(), None);
        assert_eq!(held.is_ok(), passes);
    }
}

#[tokio::test]
async fn what_commits_nothing_passes_once() {
    let (mut world, command) = approved([None, None]).await;
    end(&mut world, &command).await;
    revoke(&world, revocation(&world, "cid", |_| ()));
    world.session.commits_nothing();
    let next = permit(&world.session);
    world.session.record(vec![next]).await.unwrap();
    assert!(!world.session.may_commit(), "whatever came of it");
    let next = permit(&world.session);
    world.session.record(vec![next]).await.unwrap_err();
}

#[tokio::test]
async fn what_was_committed_before_a_command_is_not_what_it_changed() {
    let (mut world, first) = approved([None, None]).await;
    end(&mut world, &first).await;
    let next = permit(&world.session);
    let commit = world.session.record(vec![next]).await.unwrap().remove(0);
    world.session.committed(&first.reply());
    assert!(world.session.uncommitted().is_some(), "its own change came behind");
    world.session.committed(&commit.reply());
    assert!(world.session.uncommitted().is_none());
}

#[tokio::test]
async fn what_is_not_counted_passes_by_no_approval_for_so_many_rows() {
    let (mut world, command) = approved([None, None]).await;
    assert_eq!(command.permit().most_rows(), None);
    assert!(world.session.has_uncommitted());
    world.session.commits().unwrap();
    revoke(&world, revocation(&world, "cid", |_| ()));
    world.session.commits().unwrap_err();
    let (mut world, command) = approved([Some(3), None]).await;
    let refused = world.session.uncounted_now(&command, "nobody counts it");
    let text = refused.to_string();
    assert!(text.contains("was approved for 3 rows, and nobody counts it"), "{text}");
    world.session.close("agent").await.unwrap();
}
