//! What holds when the ledger is slow, gone or full, and when approvals are attacked.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use exhibit_policy::decide::decide;
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Facts, Outcome, Principal};
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;

use super::{EndStatus, Gate, Opening, Reach, Request, Ruling, Session, Transaction};
use crate::error::GateError;
use crate::memory::{Memory, Mode, Standing, lost};
use crate::recorder::VerifiedDecision;

mod again;
mod asked;
mod attacked;
mod emergencies;
mod flooded;
mod granted;
mod keyed;
mod moved;
mod named;
mod netted;
mod probed;
mod remembered;
mod retried;
mod revoked;
mod sealed;
mod seen;
mod signed;
mod threshold;
mod timed;
mod uncommitted;

const POLICY: &str = r#"
version = 1
[[roles]]
name = "agent"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 2
expires_s = 900
[[rules]]
name = "reads"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
effect = "allow"
[[rules]]
name = "schema"
roles = ["agent"]
targets = ["clinic"]
actions = ["define"]
effect = "ask"
approval = "dba"
"#;

const NOW_US: u64 = 1_000_000_000;
const EXPIRES_US: u64 = NOW_US + 900_000_000;

struct World {
    memory: Arc<Memory>,
    clock: Arc<Standing>,
    session: Session,
}

async fn world() -> World {
    world_of(POLICY).await
}

async fn world_of(policy: &str) -> World {
    world_with(policy, None).await
}

/// Under that policy, for an agent whose credential expires then.
async fn world_with(policy: &str, expires: Option<Timestamp>) -> World {
    let clock = Arc::new(Standing(Mutex::new(NOW_US)));
    world_in(policy, expires, Memory::new(), clock).await
}

/// The same with that recorder and clock.
async fn world_in(policy: &str, expires: Option<Timestamp>, memory: Arc<Memory>, clock: Arc<Standing>) -> World {
    let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
    let policy = (policy.as_bytes().to_vec(), snapshot);
    let (recorder, time) = (Arc::clone(&memory), Arc::clone(&clock));
    let gate = Gate::start(policy, recorder, time, MaskKey::new([1; 32]), [2; 32])
        .await
        .unwrap();
    let session = gate.open(opening(expires)).await.unwrap();
    World { memory, clock, session }
}

fn opening(expires: Option<Timestamp>) -> Opening {
    Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        expires,
        principal: Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci".into(),
            client_id: None,
            groups: vec![],
            evidence: Digest([0; 32]),
            run: None,
        },
        peer: "127.0.0.1:1".into(),
        transport: "TLSv1.3".into(),
        client: None,
        settings: Vec::new(),
        stateless: false,
    }
}

fn request(action: Action) -> Request {
    Request {
        statement: "statement".into(),
        exact: b"exact".to_vec(),
        facts: Facts {
            accesses: vec![Access(action, Some("public.t".into()))],
            attributes: BTreeMap::new(),
            columns: None,
        },
        parameters: vec![],
        reach: Reach::Anything,
        statement_fingerprint: None,
        described: None,
        says_all: true,
        by_name: false,
        names_are_data: false,
    }
}

fn permit(session: &Session) -> super::Permit {
    reaching(session, Reach::Anything)
}

fn reaching(session: &Session, reach: Reach) -> super::Permit {
    let request = Request {
        reach,
        ..request(Action::Read)
    };
    match session.decide(request) {
        Ruling::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn waits<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> bool {
    matches!(
        future.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    )
}

#[tokio::test]
async fn nothing_passes_after_the_credential_where_the_policy_says_so() {
    let ends = format!("{POLICY}[limits]\nexpiry_ends_session = true\n");
    let expires = Some(Timestamp(NOW_US + 1));
    for (policy, ends) in [(ends.as_str(), true), (POLICY, false)] {
        let mut world = world_with(policy, expires).await;
        let permits = |session: &Session| vec![reaching(session, Reach::Nothing)];
        let early = permits(&world.session);
        world.session.clear(early, Transaction::None).await.unwrap();
        *world.clock.0.lock().unwrap() = NOW_US + 1;
        let ahead = permits(&world.session);
        let ahead = world.session.clear(ahead, Transaction::None).await.err();
        let recorded = permits(&world.session);
        let recorded = world.session.record(recorded).await.err();
        let wanted = ends.then_some(GateError::Expired);
        assert_eq!((ahead, recorded), (wanted.clone(), wanted));
    }
}

#[tokio::test]
async fn nothing_passes_or_leaves_before_its_receipt() {
    let World {
        memory, mut session, ..
    } = world().await;
    let permit = permit(&session);
    memory.mode.send_replace(Mode::Hold);
    let mut recording = Box::pin(session.record(vec![permit]));
    assert!(waits(&mut recording));
    assert_eq!(
        memory.kinds().last(),
        Some(&"command"),
        "the intent was handed over first"
    );
    memory.mode.send_replace(Mode::Durable);
    let recorded = recording.await.unwrap().remove(0);
    assert_eq!(recorded.exact(), b"exact");

    let mut reply = recorded.reply();
    memory.mode.send_replace(Mode::Hold);
    let mut releasing = Box::pin(
        session
            .release(&mut reply, None, vec![Masked::framing(b"row".to_vec())])
            .durable(),
    );
    assert!(waits(&mut releasing));
    memory.mode.send_replace(Mode::Durable);
    assert_eq!(releasing.await.unwrap().frames(), [Masked::framing(b"row".to_vec())]);
}

#[tokio::test]
async fn only_what_changes_nothing_that_lasts_runs_ahead_of_its_event() {
    use Reach::{Anything, Nothing, Transaction as Undone};
    let none = Transaction::None;
    let open = Transaction::Open;
    for (reaches, transaction, ahead) in [
        (vec![Nothing], none, true),
        (vec![Undone], none, false),
        (vec![Anything], none, false),
        (vec![Nothing, Nothing], none, true),
        (vec![Nothing, Undone], none, false),
        (vec![Nothing, Undone], open, true),
        (vec![Anything], open, false),
        (vec![Undone, Anything], open, false),
    ] {
        let World {
            memory, mut session, ..
        } = world().await;
        let permits = reaches.iter().map(|reach| reaching(&session, *reach)).collect();
        memory.mode.send_replace(Mode::Hold);
        let mut clearing = Box::pin(session.clear(permits, transaction));
        assert_eq!(!waits(&mut clearing), ahead, "{reaches:?} {transaction:?}");
    }
}

#[tokio::test]
async fn what_runs_ahead_is_recorded_with_its_reply_and_nothing_leaves_before_both() {
    let World {
        memory, mut session, ..
    } = world().await;
    let permits = vec![reaching(&session, Reach::Nothing)];
    let cleared = session.clear(permits, Transaction::None).await.unwrap().remove(0);
    assert_eq!((cleared.receipt(), cleared.command()), (None, 1));
    assert_eq!(memory.kinds().last(), Some(&"session-opened"), "it goes with its reply");
    memory.mode.send_replace(Mode::Hold);
    let end = session.finish(
        cleared.reply(),
        None,
        vec![Masked::framing(b"row".to_vec())],
        EndStatus::Complete,
        None,
        BTreeMap::new(),
    );
    assert_eq!(memory.kinds()[4..], ["command", "response-chunk", "response-end"]);
    let mut releasing = Box::pin(end.durable());
    assert!(waits(&mut releasing));
    memory.mode.send_replace(Mode::Durable);
    releasing.await.unwrap();
}

#[tokio::test]
async fn a_flushed_command_that_is_lost_holds_its_reply_back() {
    let World {
        memory, mut session, ..
    } = world().await;
    let permits = vec![reaching(&session, Reach::Nothing)];
    let cleared = session.clear(permits, Transaction::None).await.unwrap().remove(0);
    memory.mode.send_replace(Mode::Hold);
    assert!(session.holds());
    session.flush().unwrap();
    assert!(!session.holds());
    assert_eq!(memory.kinds().last(), Some(&"command"));
    let mut reply = cleared.reply();
    let releasing = session.release(&mut reply, None, vec![Masked::framing(b"row".to_vec())]);
    let mut releasing = Box::pin(releasing.durable());
    assert!(waits(&mut releasing));
    memory.mode.send_replace(Mode::Lose);
    assert_eq!(releasing.await.unwrap_err(), lost());
    let later = vec![reaching(&session, Reach::Nothing)];
    assert_eq!(session.clear(later, Transaction::None).await.unwrap_err(), lost());
}

#[tokio::test]
async fn a_commit_waits_for_all_that_ran_ahead_of_it() {
    let World {
        memory, mut session, ..
    } = world().await;
    memory.mode.send_replace(Mode::Hold);
    for _ in 0..3 {
        let permits = vec![reaching(&session, Reach::Transaction)];
        session.clear(permits, Transaction::Open).await.unwrap();
        session.flush().unwrap();
    }
    let permits = vec![reaching(&session, Reach::Transaction)];
    session.clear(permits, Transaction::Open).await.unwrap();
    let commit = vec![permit(&session)];
    let mut committing = Box::pin(session.clear(commit, Transaction::Open));
    assert!(waits(&mut committing));
    memory.mode.send_replace(Mode::Durable);
    let cleared = committing.await.unwrap().remove(0);
    assert_eq!(cleared.receipt().unwrap().index, Index(8));
    assert_eq!(memory.kinds()[4..], ["command"; 5]);
}

#[tokio::test]
async fn commands_that_ran_ahead_are_recorded_without_a_gap_however_the_session_ends() {
    let World {
        memory, mut session, ..
    } = world().await;
    let permits = vec![reaching(&session, Reach::Nothing)];
    session.clear(permits, Transaction::None).await.unwrap();
    memory.mode.send_replace(Mode::Refuse);
    assert_eq!(session.flush(), Err(GateError::QueueFull { limit: 0 }));
    memory.mode.send_replace(Mode::Durable);
    drop(session);
    assert_eq!(memory.kinds()[4..], ["command", "response-end", "session-closed"]);
    let events = memory.events.lock().unwrap();
    assert!((3..7).all(|number| events[number].session.unwrap().1 == u64::try_from(number).unwrap() - 3));
}

#[tokio::test]
async fn after_a_lost_ledger_every_later_call_fails() {
    let World {
        memory, mut session, ..
    } = world().await;
    let recorded = session.record(vec![permit(&session)]).await.unwrap().remove(0);
    let mut reply = recorded.reply();
    memory.mode.send_replace(Mode::Hold);
    let first = session.release(&mut reply, None, vec![Masked::framing(b"1".to_vec())]);
    let second = session.release(&mut reply, None, vec![Masked::framing(b"2".to_vec())]);
    memory.mode.send_replace(Mode::Lose);
    assert_eq!(first.durable().await.unwrap_err(), lost());
    memory.mode.send_replace(Mode::Durable);
    assert_eq!(
        second.durable().await.unwrap_err(),
        lost(),
        "what was recorded after a gap does not leave"
    );
    let taken = memory.kinds().len();
    assert_eq!(session.record(vec![permit(&session)]).await.unwrap_err(), lost());
    assert_eq!(session.close("ledger").await, Err(lost()));
    assert_eq!(memory.kinds().len(), taken);
}

#[tokio::test]
async fn after_a_full_queue_nothing_passes_and_the_end_is_recorded_without_a_gap() {
    let World {
        memory, mut session, ..
    } = world().await;
    memory.mode.send_replace(Mode::Refuse);
    let full = GateError::QueueFull { limit: 0 };
    assert_eq!(session.record(vec![permit(&session)]).await.unwrap_err(), full);
    memory.mode.send_replace(Mode::Durable);
    assert_eq!(session.record(vec![permit(&session)]).await.unwrap_err(), full);
    session.close("limit").await.unwrap();
    let last = memory.events.lock().unwrap().last().unwrap().clone();
    assert_eq!((last.kind().as_str(), last.session.unwrap().1), ("session-closed", 1));
}

#[tokio::test]
async fn a_dropped_session_records_its_end_and_cuts_open_replies() {
    let World {
        memory, mut session, ..
    } = world().await;
    let recorded = session.record(vec![permit(&session), permit(&session)]).await.unwrap();
    let reply = recorded[0].reply();
    let end = session.finish(
        reply,
        None,
        vec![Masked::framing(vec![7; 70_000])],
        EndStatus::Complete,
        None,
        BTreeMap::new(),
    );
    end.durable().await.unwrap();
    drop(session);
    let wanted = [
        "policy-snapshot",
        "policy-in-force",
        "mask-key-announced",
        "session-opened",
        "command",
        "command",
        "response-chunk",
        "response-chunk",
        "response-end",
        "response-end",
        "session-closed",
    ];
    assert_eq!(memory.kinds(), wanted);
    let events = memory.events.lock().unwrap();
    match (&events[8].body, &events[9].body, &events[10].body) {
        (Body::ResponseEnd(first), Body::ResponseEnd(second), Body::SessionClosed(closed)) => {
            assert_eq!(
                (first.status.as_str(), first.chunks, first.bytes),
                ("complete", 2, 70_000)
            );
            assert_eq!((second.status.as_str(), second.command), ("cut", 2));
            assert_eq!((closed.commands, closed.bytes), (2, 70_000));
        }
        other => panic!("{other:?}"),
    }
    assert!((3..11).all(|number| events[number].session.unwrap().1 == u64::try_from(number).unwrap() - 3));
}

#[tokio::test]
async fn data_that_follows_a_command_passes_after_its_receipt_and_never_twice_under_one_number() {
    let World {
        memory, mut session, ..
    } = world().await;
    let permit = permit(&session);
    let command = session.record(vec![permit]).await.unwrap().remove(0);
    memory.mode.send_replace(Mode::Hold);
    let mut sending = Box::pin(session.send(&command, b"rows".to_vec()).durable());
    assert!(waits(&mut sending));
    assert_eq!(memory.kinds().last(), Some(&"command-data"), "it was handed over first");
    memory.mode.send_replace(Mode::Durable);
    assert_eq!(sending.await.unwrap().exact(), b"rows");
    session.send(&command, b"more".to_vec()).durable().await.unwrap();
    let events = memory.events.lock().unwrap().clone();
    let parts = events.iter().filter_map(|event| match &event.body {
        Body::CommandData(data) => Some((data.command, data.part, data.bytes)),
        _ => None,
    });
    let number = command.command();
    assert_eq!(parts.collect::<Vec<_>>(), [(number, 0, 4), (number, 1, 4)]);
    // Neither another session nor a command that has ended takes data.
    let mut other = world().await.session;
    let foreign = other.send(&command, b"x".to_vec()).durable().await.unwrap_err();
    assert_eq!(foreign, GateError::Foreign { session: other.id() });
    let end = session.finish(
        command.reply(),
        None,
        Vec::new(),
        EndStatus::Complete,
        None,
        BTreeMap::new(),
    );
    end.durable().await.unwrap();
    assert!(session.send(&command, b"late".to_vec()).durable().await.is_err());
}

#[tokio::test]
async fn values_of_another_session_and_ended_replies_are_refused() {
    let World { mut session, .. } = world().await;
    let mut other = world().await.session;
    let foreign = GateError::Foreign { session: session.id() };
    assert_eq!(session.record(vec![permit(&other)]).await.unwrap_err(), foreign);
    let recorded = other.record(vec![permit(&other)]).await.unwrap().remove(0);
    let mut reply = recorded.reply();
    let frames = || vec![Masked::framing(b"x".to_vec())];
    assert_eq!(
        session.release(&mut reply, None, frames()).durable().await.unwrap_err(),
        foreign
    );
    let end = other.finish(reply, None, frames(), EndStatus::Complete, None, BTreeMap::new());
    end.durable().await.unwrap();
    let mut again = recorded.reply();
    assert!(other.release(&mut again, None, frames()).durable().await.is_err());
}

#[tokio::test]
async fn what_no_event_holds_is_denied_by_a_decision_that_replays() {
    let World { session, .. } = world().await;
    let mut wide = request(Action::Read);
    wide.facts.accesses = vec![Access(Action::Read, Some("public.a_table_with_a_name".into())); 1_000];
    match session.decide(wide) {
        Ruling::Denial(denial) => {
            assert_eq!(denial.outcome(), Outcome::Denied);
            assert!(denial.reason().contains("1000 accesses"), "{}", denial.reason());
            assert!(denial.judged.request.facts.accesses.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_nobody_can_be_asked_about_is_denied_by_a_decision_that_replays() {
    let World { session, .. } = world().await;
    assert!(session.decide_at_once(request(Action::Read), None).is_ok());
    let denial = session.decide_at_once(request(Action::Define), None).unwrap_err();
    assert_eq!((denial.outcome(), denial.asked), (Outcome::Denied, None));
    let facts = &denial.judged.request.facts;
    let policy = session.gate().policy();
    assert_eq!(
        *denial.decision(),
        decide(&policy, session.principal(), session.target(), facts)
    );
    assert!(denial.reason().contains("asks for an approval"), "{}", denial.reason());
}

/// A decision as the recorder would hand it over.
fn decision(world: &World, name: &str, change: impl FnOnce(&mut VerifiedDecision)) -> VerifiedDecision {
    let events = world.memory.events.lock().unwrap();
    let asked = events
        .iter()
        .rev()
        .find(|event| event.kind().as_str() == "approval-requested")
        .unwrap();
    let Body::ApprovalRequested(body) = &asked.body else {
        unreachable!()
    };
    let mut decision = VerifiedDecision {
        leaf: Digest::of(name.as_bytes()),
        time: Timestamp(NOW_US + 1),
        signer: KeyRecord {
            key: SecretKey::from_seed(&[3; 32]).public_key(),
            role: Role::Person,
            name: name.to_owned(),
            groups: vec!["dba".into()],
            enrolled: Index(1),
            ended: None,
            mask_keys: Vec::new(),
        },
        body: ApprovalDecided {
            request: Digest::leaf(&asked.encode().unwrap().0),
            command: body.command,
            session: asked.session.unwrap().0,
            target: body.target.clone(),
            policy: body.decision.policy,
            expires: body.expires,
            verdict: Verdict::Approve,
            reason: "fine".into(),
            terms: None,
        },
    };
    change(&mut decision);
    decision
}
