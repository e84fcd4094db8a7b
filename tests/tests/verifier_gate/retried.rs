//! Requests that outlive their command: what the gate records of them verifies, and what is planted beside it is found.

use exhibit_gate::session::{Denial, Permit};
use exhibit_schemas::event::access::Command;
use exhibit_schemas::event::approval::ApprovalExpired;
use exhibit_schemas::event::trust::KeyRevoked;
use exhibit_schemas::event::{SessionId, SessionPlace};
use exhibit_tests::bundle_builder::clinic::{ADMINISTRATOR, SECOND_PROXY};

use super::*;

type Place = (usize, usize);

const HOLD_US: u64 = 60_000_000;
const MINUTE_US: u64 = 60_000_000;

fn policy() -> String {
    POLICY.replace("expires_s = 900", "expires_s = 900\nhold_s = 60")
}

/// A session that asks, or is a retry, and closes; people answer before it waits, or it waits in vain.
async fn runs(gate: &Gate, keeper: &Keeper, in_vain: bool) -> Became {
    let mut session = open(gate).await;
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    if in_vain {
        keeper.clock.0.fetch_add(HOLD_US, Ordering::SeqCst);
    }
    let answered: Result<Permit, Denial> = session.wait(asked, std::future::pending()).await.unwrap();
    let became = match answered {
        Ok(permit) => {
            let recorded = session.record(vec![permit]).await.unwrap();
            finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
            Became::Approved
        }
        Err(denial) => {
            let outcome = denial.outcome();
            let recorded = session.refuse(denial).await.unwrap();
            finish(&mut session, recorded.reply(), EndStatus::Failed).await;
            outcome
        }
    };
    session.close("agent").await.unwrap();
    became
}

/// One request that is asked, approved and taken up; and one that is asked, waited for again, and refused.
pub(super) async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(&policy()).await;
    assert_eq!(runs(&gate, &keeper, true).await, Became::Postponed);
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    assert_eq!(runs(&gate, &keeper, false).await, Became::Approved);
    assert_eq!(runs(&gate, &keeper, true).await, Became::Postponed);
    assert_eq!(runs(&gate, &keeper, true).await, Became::Postponed);
    keeper.decide(ALICE, "alice", Verdict::Deny);
    assert_eq!(runs(&gate, &keeper, false).await, Became::Refused);
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

/// The places of all commands, in order: postponed, approved, postponed, postponed again, refused.
fn commands(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::Command(_)))
}

fn command(plan: &mut Plan, number: usize) -> &mut Command {
    let place = commands(plan)[number];
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    body
}

fn session(plan: &Plan, number: usize) -> SessionId {
    plan.event(commands(plan)[number]).session.unwrap().0
}

fn of_session(event: &Event, id: SessionId) -> bool {
    event.session.is_some_and(|place| place.0 == id)
}

fn first_request(plan: &mut Plan) -> &mut exhibit_schemas::event::approval::ApprovalRequested {
    let place = plan.find(|event| matches!(event.body, Body::ApprovalRequested(_)))[0];
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    body
}

/// The places of the decisions, in order: alice's and carol's about the first request, alice's about the second.
fn decisions(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(event.body, Body::ApprovalDecided(_)))
}

/// Puts one event, sealed by that key, in front of a batch.
fn insert(plan: &mut Plan, batch: usize, seed: u8, time: u64, session: Option<SessionPlace>, body: Body) {
    let emitter = Emitter(key_id(seed), START + 1_000 + u64::from(seed));
    let event = Event {
        time: Timestamp(time),
        emitter,
        session,
        body,
    };
    let events = vec![Planned::new(event)];
    plan.batches.insert(batch, Batch { seed, events });
}

/// Takes back an approval of the first request: alice's key is revoked, or she refuses after she had approved.
fn take_back(plan: &mut Plan, refuses: bool, before: Place, time: u64) {
    if !refuses {
        let reason = "lost".into();
        let key = key_id(ALICE);
        let body = KeyRevoked { key, reason };
        // What alice says later in this log would be said under a revoked key.
        plan.remove(decisions(plan)[2]);
        insert(plan, before.0, ADMINISTRATOR, time, None, body.into());
        return;
    }
    let Body::ApprovalDecided(mut body) = plan.event(decisions(plan)[0]).body.clone() else {
        panic!("a decision was looked for");
    };
    body.verdict = Verdict::Deny;
    insert(plan, before.0, ALICE, time, None, body.into());
}

#[tokio::test]
async fn what_is_taken_up_later_verifies() {
    let (plan, anchors) = log().await;
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = &verified.get().evidence.commands;
    let taken_up: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome.as_str(), line.request.is_some(), line.approvals.len()))
        .collect();
    assert_eq!(
        taken_up,
        [
            ("postponed", true, 0),
            ("approved", true, 2),
            ("postponed", true, 0),
            ("postponed", true, 0),
            ("refused", true, 0)
        ]
    );
    assert_eq!(lines[0].request, lines[1].request);
}

#[tokio::test]
async fn whatever_is_planted_is_found() {
    let (plan, anchors) = log().await;
    let check = |what: &str, change: &dyn Fn(&mut Plan), wanted: &str| {
        let mut plan = plan.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let found = findings(&outcome);
        assert!(found.iter().any(|(code, _)| *code == wanted), "{what}: {found:?}");
    };
    check(
        "taken up twice",
        &|plan| {
            let taken_up = command(plan, 1).clone();
            *command(plan, 3) = taken_up;
        },
        "approval-reused",
    );
    check(
        "by another agent",
        &|plan| {
            let id = session(plan, 1);
            let opening = plan.find(|event| of_session(event, id))[0];
            let Body::SessionOpened(body) = &mut plan.event_mut(opening).body else {
                panic!("a session begins with its opening");
            };
            body.principal.subject = "ci-other".into();
        },
        "approval-binding",
    );
    check(
        "at another proxy",
        &|plan| {
            let id = session(plan, 1);
            for place in plan.find(|event| of_session(event, id)) {
                plan.batches[place.0].seed = SECOND_PROXY;
                plan.event_mut(place).emitter.0 = key_id(SECOND_PROXY);
            }
        },
        "approval-binding",
    );
    let swapped = |plan: &mut Plan| command(plan, 1).digest = Digest::of(b"DROP TABLE patients");
    check("another command", &swapped, "approval-binding");
    check(
        "of a request that does not stay open",
        &|plan| first_request(plan).held_until = None,
        "approval-binding",
    );
    check(
        "of a request that nobody has asked",
        &|plan| command(plan, 1).retries = Some(Digest([7; 32])),
        "approval-missing",
    );
    check(
        "after the expiry",
        &|plan| {
            let from = commands(plan)[1].0;
            for batch in &mut plan.batches[from..] {
                batch.events.iter_mut().for_each(|one| one.event.time.0 += 900_000_000);
            }
        },
        "approval-late",
    );
    check(
        "of a request that its own session had ended",
        &|plan| {
            let (batch, _) = commands(plan)[0];
            let (id, time) = (session(plan, 0), plan.event((batch, 0)).time.0);
            let (request, reason) = (1, "agent".into());
            let body = ApprovalExpired { request, reason };
            insert(plan, batch, PROXY, time, Some(SessionPlace(id, 1_000)), body.into());
            plan.renumber(id);
        },
        "approval-late",
    );
    check(
        "a longer wait than the policy has",
        &|plan| *first_request(plan).held_until.as_mut().unwrap() = Timestamp(START * 2),
        "approval-requirement",
    );
    let one_person = |plan: &mut Plan| command(plan, 1).approvals.as_mut().unwrap().truncate(1);
    check("by one person", &one_person, "approval-people");
    check(
        "postponed before its session had waited",
        &|plan| first_request(plan).held_until.as_mut().unwrap().0 += MINUTE_US / 2,
        "outcome-differs",
    );
    check(
        "expired before its time",
        &|plan| command(plan, 3).outcome = Became::Expired,
        "outcome-differs",
    );
    let ignored = |plan: &mut Plan| command(plan, 4).outcome = Became::Approved;
    check("a refusal that is ignored", &ignored, "approval-missing");
    check(
        "by two requests",
        &|plan| command(plan, 1).request = Some(1),
        "outcome-differs",
    );
}

#[tokio::test]
async fn what_was_taken_back_permits_nothing_once_its_proxy_had_to_know_it() {
    let (plan, anchors) = log().await;
    let now = plan.event(commands(&plan)[1]).time.0;
    // So much later than it stands in the log is all that stands behind it.
    let check = |refuses: bool, before: Place, later: u64, wanted: &[&str]| {
        let mut plan = plan.clone();
        for batch in &mut plan.batches[before.0..] {
            batch.events.iter_mut().for_each(|one| one.event.time.0 += later);
        }
        take_back(&mut plan, refuses, before, now - 1);
        let outcome = verified(&plan, &anchors);
        let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        // The refusal that was taken out is missed later, and alice's second word is older than her first.
        let errors = found
            .into_iter()
            .filter(|code| !["outcome-differs", "time-order"].contains(code));
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors, wanted, "refuses: {refuses}, {before:?}");
    };
    let [_, carol, _] = decisions(&plan)[..] else {
        panic!("three decisions");
    };
    let taken_up = commands(&plan)[1];
    for (refuses, code) in [(false, "approval-revoked"), (true, "approval-refused")] {
        // It stands before a decision that was counted, so its proxy had seen it.
        check(refuses, carol, 0, &[code]);
        // It stands before the command, and had time to be told.
        check(refuses, taken_up, MINUTE_US + 1, &[code]);
        // It may have crossed with it.
        check(refuses, taken_up, MINUTE_US - 1, &[]);
        check(refuses, (taken_up.0 + 1, 0), MINUTE_US + 1, &[]);
    }
}

#[tokio::test]
async fn a_retry_may_be_recorded_before_the_command_that_asked() {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut first = open(&gate).await;
    let Ruling::Pending(pending) = first.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = first.ask(pending).await.unwrap();
    keeper.clock.0.fetch_add(HOLD_US, Ordering::SeqCst);
    let denial = first.wait(asked, std::future::pending()).await.unwrap().unwrap_err();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    assert_eq!(runs(&gate, &keeper, false).await, Became::Approved);
    let recorded = first.refuse(denial).await.unwrap();
    finish(&mut first, recorded.reply(), EndStatus::Failed).await;
    first.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    // What its own session had ended is another thing.
    let mut ended = plan;
    let approved = commands(&ended)[0];
    let time = ended.event(approved).time.0;
    let id = ended.find(|event| matches!(event.body, Body::ApprovalRequested(_)))[0];
    let id = ended.event(id).session.unwrap().0;
    let (request, reason) = (1, "agent".into());
    let body = ApprovalExpired { request, reason };
    insert(
        &mut ended,
        approved.0,
        PROXY,
        time,
        Some(SessionPlace(id, 1_000)),
        body.into(),
    );
    ended.renumber(id);
    let outcome = verified(&ended, &anchors);
    assert!(findings(&outcome).iter().any(|(code, _)| *code == "approval-late"));
}

#[tokio::test]
async fn what_a_session_leaves_that_ends_while_people_are_asked_verifies() {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut session = open(&gate).await;
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    drop(asked);
    drop(session);
    let outcome = verified(&keeper.plan.lock().unwrap(), &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = &verified.get().evidence.commands;
    let lines: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome.as_str(), line.status.as_deref()))
        .collect();
    assert_eq!(lines, [("expired", Some("cut"))]);
}
