//! Approvals that people took back, and those for so many rows: what the gate records of them verifies, and what is planted beside it
//! is found.

use exhibit_gate::recorder::VerifiedRevocation;
use exhibit_schemas::event::access::{Outcome as Became, SessionClosed};
use exhibit_schemas::event::approval::ApprovalRevoked;

use super::*;

type Place = (usize, usize);

const MINUTE_US: u64 = 60_000_000;

/// Somebody takes the request that was recorded last back.
pub(super) fn revoke(keeper: &Keeper, seed: u8, name: &str) {
    let body = {
        let plan = keeper.plan.lock().unwrap();
        let place = *plan
            .find(|event| matches!(event.body, Body::ApprovalRequested(_)))
            .last()
            .unwrap();
        let planned = &plan.batches[place.0].events[place.1];
        ApprovalRevoked {
            index: plan.build().index_of(place).0,
            request: planned.leaf,
            session: planned.event.session.unwrap().0,
            reason: "the wrong table".into(),
        }
    };
    let receipt = keeper.keep(
        seed,
        vec![Draft {
            session: None,
            body: body.clone().into(),
        }],
    )[0];
    let revocation = VerifiedRevocation {
        leaf: receipt.leaf,
        signer: person(seed, name),
        body,
    };
    // Nobody may be waiting for it.
    let _ = keeper.heard.send(Arc::new(Heard::TakenBack(revocation.into())));
}

/// Asks about a change that gives rows back; alice approves it for so many, carol for any.
async fn approved(session: &mut Session, keeper: &Keeper, most: u64) -> exhibit_gate::session::Reply {
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    let terms = Terms {
        rows: Some(most),
        grant: None,
    };
    keeper.decide_for(ALICE, "alice", Verdict::Approve, Some(terms));
    keeper.decide(CAROL, "carol", Verdict::Approve);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    session.record(vec![permit]).await.unwrap()[0].reply()
}

fn row() -> Vec<Masked<Frame>> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    let cell = Some(b"x".to_vec());
    vec![
        masker
            .row(vec![cell], &mut exhibit_policy::net::SessionNet::default())
            .unwrap(),
    ]
}

fn column() -> Vec<Column> {
    vec![Column {
        name: "note".into(),
        data_type: "text".into(),
        origin: None,
        technique: None,
        mask: None,
        patients: None,
    }]
}

/// Three sessions: two rows of three that were approved; a reply that was stopped at its third row because somebody took it back; a
/// request that somebody took back, who had approved it before.
pub(super) async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(POLICY).await;
    let mut session = open(&gate).await;
    let mut reply = approved(&mut session, &keeper, 3).await;
    for columns in [Some(column()), None] {
        session.release(&mut reply, columns, row()).durable().await.unwrap();
    }
    finish(&mut session, reply, EndStatus::Complete).await;
    session.close("agent").await.unwrap();

    let mut session = open(&gate).await;
    let mut reply = approved(&mut session, &keeper, 100).await;
    session
        .release(&mut reply, Some(column()), row())
        .durable()
        .await
        .unwrap();
    revoke(&keeper, CAROL, "carol");
    let stopped = session.release(&mut reply, None, row()).durable().await;
    assert!(matches!(stopped, Err(GateError::Approval { .. })));
    session.close("agent").await.unwrap();

    let mut session = open(&gate).await;
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    revoke(&keeper, ALICE, "alice");
    let denial = session.wait(asked, std::future::pending()).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Became::Refused);
    let recorded = session.refuse(denial).await.unwrap();
    finish(&mut session, recorded.reply(), EndStatus::Failed).await;
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

fn of(plan: &Plan, wanted: fn(&Body) -> bool) -> Vec<Place> {
    plan.find(|event| wanted(&event.body))
}

fn revocations(plan: &Plan) -> Vec<Place> {
    of(plan, |body| matches!(body, Body::ApprovalRevoked(_)))
}

fn revocation(plan: &mut Plan, number: usize) -> &mut ApprovalRevoked {
    let place = revocations(plan)[number];
    let Body::ApprovalRevoked(body) = &mut plan.event_mut(place).body else {
        panic!("a revocation was looked for");
    };
    body
}

fn close(plan: &mut Plan, number: usize) -> &mut SessionClosed {
    let place = of(plan, |body| matches!(body, Body::SessionClosed(_)))[number];
    let Body::SessionClosed(body) = &mut plan.event_mut(place).body else {
        panic!("a close was looked for");
    };
    body
}

/// Moves a batch to the place of another.
fn move_before(plan: &mut Plan, from: usize, to: usize, time: u64) {
    let mut batch = plan.batches.remove(from);
    batch.events.iter_mut().for_each(|one| one.event.time.0 = time);
    plan.batches.insert(to, batch);
}

#[tokio::test]
async fn what_was_taken_back_and_what_was_limited_verifies() {
    let (plan, anchors) = log().await;
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = &verified.get().evidence.approvals;
    let found: Vec<_> = lines
        .iter()
        .map(|line| (line.rows, line.revocations.len(), line.decisions[0].terms.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            (2, 0, Some("at most 3 rows")),
            (1, 1, Some("at most 100 rows")),
            (0, 1, None)
        ]
    );
    assert_eq!(lines[1].revocations[0].person, "carol");
    let reason = close(&mut plan.clone(), 1).reason.clone();
    assert_eq!(reason, "approval");
}

#[tokio::test]
async fn what_is_planted_beside_them_is_found() {
    let (plan, anchors) = log().await;
    let check = |what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]| {
        let mut plan = plan.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(found, wanted, "{what}: {:?}", findings(&outcome));
    };
    check(
        "more rows than were approved",
        &|plan| {
            let place = of(plan, |body| matches!(body, Body::ApprovalDecided(_)))[0];
            let Body::ApprovalDecided(body) = &mut plan.event_mut(place).body else {
                panic!("a decision was looked for");
            };
            body.terms = Some(Terms {
                rows: Some(1),
                grant: None,
            });
        },
        &["approval-rows"],
    );
    check(
        "taken back before the command passed, and its proxy was told",
        &|plan| {
            let carol = of(plan, |body| matches!(body, Body::ApprovalDecided(_)))[3].0;
            let from = revocations(plan)[0].0;
            let time = plan.event((carol, 0)).time.0 - 1;
            // By the one who decides nothing before.
            plan.batches[from].seed = ALICE;
            plan.event_mut((from, 0)).emitter = Emitter(key_id(ALICE), START + 1_000 + u64::from(ALICE));
            move_before(plan, from, carol, time);
        },
        &["approval-revoked"],
    );
    check(
        "released a minute after it was taken back",
        &|plan| {
            let chunks = of(plan, |body| matches!(body, Body::ResponseChunk(_)));
            // The rows of the second reply, of which one was let out before.
            let chunk = chunks[3].0;
            let now = plan.event((chunk, 0)).time.0;
            let from = revocations(plan)[0].0;
            for batch in &mut plan.batches[chunk..] {
                batch
                    .events
                    .iter_mut()
                    .for_each(|one| one.event.time.0 += MINUTE_US + 1);
            }
            move_before(plan, from, chunk, now - 1);
        },
        &["approval-revoked"],
    );
    check(
        "released at once after it was taken back by somebody whose clock is slow",
        &|plan| {
            let chunk = of(plan, |body| matches!(body, Body::ResponseChunk(_)))[3].0;
            let now = plan.event((chunk, 0)).time.0;
            let from = revocations(plan)[0].0;
            move_before(plan, from, chunk, now - 2 * MINUTE_US);
        },
        &["time-order"],
    );
    check(
        "by somebody who may not",
        &|plan| {
            let place = revocations(plan)[0];
            plan.batches[place.0].seed = BOB;
            plan.event_mut(place).emitter = Emitter(key_id(BOB), START + 1_000 + u64::from(BOB));
        },
        &["approval-uncounted"],
    );
    check(
        "of a request that nobody has asked",
        &|plan| revocation(plan, 1).request = Digest([7; 32]),
        &["approval-uncounted", "outcome-differs"],
    );
    check(
        "at another place of the log",
        &|plan| revocation(plan, 1).index += 1,
        &["approval-uncounted", "outcome-differs"],
    );
    check(
        "a close for an approval that stopped nothing",
        &|plan| close(plan, 2).reason = "approval".into(),
        &["approval-stopped"],
    );
}

/// A session whose change was approved, and whose reply has ended before its target has committed it: then carol takes it back.
pub(super) async fn left_open() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(POLICY).await;
    let mut session = open(&gate).await;
    let reply = approved(&mut session, &keeper, 3).await;
    finish(&mut session, reply, EndStatus::Complete).await;
    revoke(&keeper, CAROL, "carol");
    assert!(!session.may_commit());
    let stopped = session.record(Vec::new()).await;
    assert!(matches!(stopped, Err(GateError::Approval { .. })));
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

#[tokio::test]
async fn a_session_that_ends_with_a_change_that_is_not_committed_verifies() {
    let (plan, anchors) = left_open().await;
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    assert_eq!(close(&mut plan.clone(), 0).reason, "approval");
    let listed = |list: Option<Vec<u64>>| {
        let mut plan = plan.clone();
        let place = of(&plan, |body| matches!(body, Body::ResponseEnd(_)))[0];
        let Body::ResponseEnd(end) = &mut plan.event_mut(place).body else {
            panic!("an end was looked for");
        };
        assert_eq!(end.uncommitted, Some(vec![end.command]));
        end.uncommitted = list;
        let outcome = verified(&plan, &anchors);
        let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        found
    };
    assert_eq!(listed(None), ["approval-stopped"]);
    assert_eq!(listed(Some(vec![77])), ["response-command", "approval-stopped"]);
    let own = of(&plan, |body| matches!(body, Body::Command(_)))[0];
    let own = plan.event(own).session.unwrap().1;
    assert_eq!(listed(Some(vec![own, own])), ["response-command"]);
    assert_eq!(listed(Some(vec![own])), [""; 0]);
}

#[tokio::test]
async fn more_rows_changed_than_were_approved_are_found_unless_they_were_taken_back() {
    let (plan, anchors) = left_open().await;
    let found = |rows: u64, cut: bool, listed: bool| {
        let mut plan = plan.clone();
        let place = of(&plan, |body| matches!(body, Body::ResponseEnd(_)))[0];
        let Body::ResponseEnd(end) = &mut plan.event_mut(place).body else {
            panic!("an end was looked for");
        };
        end.changed = Some(rows);
        end.uncommitted = end.uncommitted.take().filter(|_| listed);
        if cut {
            end.status = "cut".into();
        }
        let outcome = verified(&plan, &anchors);
        let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        found
    };
    assert_eq!(found(3, false, true), [""; 0]);
    assert_eq!(found(4, false, true), ["approval-rows"]);
    assert_eq!(found(4, true, true), [""; 0]);
    assert_eq!(found(4, true, false), ["approval-rows"]);
}
