//! Grants: what passes by them without a question, and what ends them.

use std::future::pending;

use exhibit_policy::mask::{MaskKey, Masked, RowMasker};
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action, Attribute, Command, Frame, Outcome};
use exhibit_schemas::event::approval::{ApprovalRequested, ApprovalRevoked, Grant, GrantScope, Terms, Verdict};
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};

use super::super::{Cleared, Opening, Pending, Permit, Reach, Request, Ruling, Session};
use super::{NOW_US, POLICY, World, decision, opening, waits, world_of};
use crate::error::GateError;
use crate::memory::{Memory, Mode, lost};
use crate::recorder::{Heard, VerifiedDecision, VerifiedRevocation};

const MINUTE_US: u64 = 60_000_000;

const FINGERPRINT: GrantScope = GrantScope::Fingerprint;
const SESSION: GrantScope = GrantScope::Session;

const CHANGES: &str = r#"
[[rules]]
name = "deletes"
roles = ["agent"]
targets = ["clinic"]
actions = ["delete"]
effect = "ask"
approval = "dba"
[[rules]]
name = "changes"
roles = ["agent"]
targets = ["clinic"]
actions = ["write"]
effect = "ask"
approval = "dba"
[[rules]]
name = "own-session"
roles = ["agent"]
targets = ["clinic"]
actions = ["session", "transaction"]
effect = "allow"
"#;

pub(super) fn policy() -> String {
    let grants = "grants = { scopes = [\"fingerprint\", \"session\"], minutes = 60, uses = 5, rows = 10 }";
    POLICY.replace("expires_s = 900", &format!("expires_s = 900\n{grants}")) + CHANGES
}

/// `UPDATE claims SET paid = <number>`, with that number.
pub(super) fn update(number: u64) -> Request {
    Request {
        statement: "UPDATE claims SET paid = <number>".into(),
        exact: format!("UPDATE claims SET paid = {number}").into_bytes(),
        reach: Reach::Transaction,
        ..super::request(Action::Write)
    }
}

pub(super) fn terms(scope: GrantScope, minutes: u64, uses: u64) -> Terms {
    let grant = Some(Grant { scope, minutes, uses });
    Terms { rows: None, grant }
}

fn asks(session: &Session, request: Request) -> Pending {
    match session.decide(request) {
        Ruling::Pending(pending) => pending,
        other => panic!("{other:?}"),
    }
}

/// The command that people are asked about, approved by ann and bob with their terms, each with a key of its own.
pub(super) async fn granted_by(world: &mut World, request: Request, given: [Option<Terms>; 2]) -> Cleared {
    let asked = asks(&world.session, request);
    let asked = world.session.ask(asked).await.unwrap();
    for ((name, seed), terms) in [("ann", 11), ("bob", 12)].into_iter().zip(given) {
        let decision = decision(world, name, |one: &mut VerifiedDecision| {
            one.signer.key = SecretKey::from_seed(&[seed; 32]).public_key();
            one.body.terms = terms;
        });
        world.memory.decide(decision);
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    world.session.record(vec![permit]).await.unwrap().remove(0)
}

/// A world in which a grant is in force, and the command that passed by it first.
async fn granted(scope: GrantScope, minutes: u64, uses: u64) -> (World, Cleared) {
    let mut world = world_of(&policy()).await;
    let both = [Some(terms(scope, minutes, uses)), Some(terms(scope, 60, 5))];
    let command = granted_by(&mut world, update(1), both).await;
    (world, command)
}

/// Whether a session's request passes by a grant.
pub(super) async fn covered(session: &mut Session, request: Request) -> Option<Permit> {
    let pending = asks(session, request);
    session.covered(pending).await.unwrap().ok()
}

async fn passes(session: &mut Session, request: Request) -> bool {
    let Some(permit) = covered(session, request).await else {
        return false;
    };
    session.record(vec![permit]).await.unwrap();
    true
}

async fn another(world: &World, change: impl FnOnce(&mut Opening)) -> Session {
    let mut opening = opening(None);
    opening.principal.evidence = Digest([9; 32]);
    change(&mut opening);
    world.session.gate().open(opening).await.unwrap()
}

fn commands(world: &World) -> Vec<Command> {
    let events = world.memory.events.lock().unwrap();
    let command = |body: &Body| match body {
        Body::Command(command) => Some(command.clone()),
        _ => None,
    };
    events.iter().filter_map(|event| command(&event.body)).collect()
}

fn asked(world: &World) -> ApprovalRequested {
    let events = world.memory.events.lock().unwrap();
    let mut asked = events.iter().rev().filter_map(|event| match &event.body {
        Body::ApprovalRequested(asked) => Some(asked.clone()),
        _ => None,
    });
    asked.next().unwrap()
}

fn rows(count: usize) -> Vec<Masked<Frame>> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([0; 32]));
    let mut row = || masker.row(vec![Some(b"x".to_vec())], &mut SessionNet::default());
    (0..count).map(|_| row().unwrap()).collect()
}

async fn out(session: &mut Session, command: &Cleared, count: usize) -> Result<(), GateError> {
    let releasing = session.release(&mut command.reply(), None, rows(count));
    releasing.durable().await.map(|_| ())
}

pub(super) fn revoke(world: &World, name: &str) {
    take_back(&world.memory, decision(world, name, |_| ()));
}

/// The same by one who would have decided so.
pub(super) fn take_back(memory: &Memory, decision: VerifiedDecision) {
    let revocation = VerifiedRevocation {
        leaf: Digest::of(b"revoked"),
        signer: decision.signer,
        body: ApprovalRevoked {
            index: 0,
            request: decision.body.request,
            session: decision.body.session,
            reason: "enough".into(),
        },
    };
    let _ = memory.heard.send(Heard::TakenBack(revocation.into()).into());
}

#[tokio::test]
async fn a_fingerprint_lets_other_values_through_until_its_uses_are_gone() {
    let (mut world, _) = granted(FINGERPRINT, 60, 3).await;
    let mut other = another(&world, |_| ()).await;
    assert!(passes(&mut other, update(2)).await);
    assert!(passes(&mut world.session, update(3)).await);
    assert!(!passes(&mut other, update(4)).await, "three were granted");
    assert!(!passes(&mut world.session, update(4)).await);
    let commands = commands(&world);
    let leaf = decision(&world, "ann", |_| ()).body.request;
    let first = &commands[0];
    assert_eq!((first.request, first.retries), (Some(1), None));
    for later in &commands[1..] {
        assert_eq!((later.outcome, later.request), (Outcome::Approved, None));
        assert_eq!((later.retries, &later.approvals), (Some(leaf), &first.approvals));
    }
}

#[tokio::test]
async fn two_sessions_at_once_take_no_more_than_is_left() {
    let (world, _) = granted(FINGERPRINT, 60, 5).await;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(another(&world, |_| ()).await);
    }
    let tasks: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            tokio::spawn(async move {
                let mut passed = 0;
                for number in 0..3 {
                    passed += u64::from(passes(&mut session, update(number)).await);
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    assert_eq!(passed, 4, "five with the first");
}

#[tokio::test]
async fn a_fingerprint_covers_nothing_that_values_do_not_tell_apart() {
    type Change = fn(&mut Request);
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    let others: [Change; 7] = [
        |one| one.statement.push(';'),
        |one| one.parameters = vec!["text".into()],
        |one| one.facts.accesses[0] = Access(Action::Write, Some("audit.claims".into())),
        |one| one.facts.accesses.push(Access(Action::Write, Some("public.t".into()))),
        |one| {
            one.facts.attributes.insert("no_where".into(), Attribute::Bool(true));
        },
        // Code that is not known, and a name that its session alone knows.
        |one| one.reach = Reach::Anything,
        |one| one.says_all = false,
    ];
    for (number, change) in others.iter().enumerate() {
        let mut request = update(2);
        change(&mut request);
        assert!(!passes(&mut world.session, request).await, "{number}");
    }
    assert!(passes(&mut world.session, update(2)).await);
}

#[tokio::test]
async fn a_fingerprint_is_of_the_same_requester_in_a_session_that_is_the_same() {
    type Change = fn(&mut Opening);
    let (world, _) = granted(FINGERPRINT, 60, 5).await;
    let others: [Change; 3] = [
        |one| one.principal.groups = vec!["other".into()],
        |one| one.principal.issuer = "other".into(),
        // Another search path, say.
        |one| one.settings = vec![("search_path".into(), "audit".into())],
    ];
    for (number, change) in others.iter().enumerate() {
        let mut session = another(&world, change).await;
        assert!(!passes(&mut session, update(2)).await, "{number}");
    }
    let mut session = another(&world, |_| ()).await;
    let own = |action, reach| Request {
        reach,
        facts: super::request(action).facts,
        ..update(0)
    };
    // Bounds of transactions and reads leave it as it was, and so does what passes by the grant. A setting does not.
    for (action, reach, same) in [
        (Action::Transaction, Reach::Nothing, true),
        (Action::Read, Reach::Nothing, true),
        (Action::Session, Reach::Nothing, false),
    ] {
        let Ruling::Permit(permit) = session.decide(own(action, reach)) else {
            panic!("it is allowed")
        };
        session.record(vec![permit]).await.unwrap();
        assert_eq!(passes(&mut session, update(2)).await, same, "{action}");
    }
}

#[tokio::test]
async fn a_session_lets_its_own_requests_through_that_the_same_rule_asks_about() {
    let (mut world, _) = granted(SESSION, 60, 5).await;
    let mut request = update(2);
    request.statement = "INSERT INTO notes".into();
    request.facts.accesses = vec![Access(Action::Write, Some("public.notes".into()))];
    request.reach = Reach::Anything;
    assert!(passes(&mut world.session, request.clone()).await);
    let mut other = another(&world, |_| ()).await;
    assert!(!passes(&mut other, request.clone()).await);
    // Another rule asks, alone or beside the one of the decision.
    request
        .facts
        .accesses
        .push(Access(Action::Delete, Some("public.notes".into())));
    assert!(!passes(&mut world.session, request.clone()).await);
    request.facts.accesses.remove(0);
    assert!(!passes(&mut world.session, request).await);
}

#[tokio::test]
async fn it_ends_with_the_minutes_of_both_clocks() {
    for (signed_us, last_us) in [(NOW_US, 10 * MINUTE_US), (NOW_US - 4 * MINUTE_US, 6 * MINUTE_US)] {
        let mut world = world_of(&policy()).await;
        let asked = asks(&world.session, update(1));
        let asked = world.session.ask(asked).await.unwrap();
        for name in ["ann", "bob"] {
            world.memory.decide(decision(&world, name, |one| {
                one.time = Timestamp(signed_us);
                one.body.terms = Some(terms(FINGERPRINT, 10, 5));
            }));
        }
        let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
        world.session.record(vec![permit]).await.unwrap();
        *world.clock.0.lock().unwrap() = NOW_US + last_us - 1;
        assert!(passes(&mut world.session, update(2)).await);
        *world.clock.0.lock().unwrap() = NOW_US + last_us;
        assert!(!passes(&mut world.session, update(3)).await);
    }
}

#[tokio::test]
async fn whoever_approves_without_a_grant_approves_one_command() {
    for given in [
        [Some(terms(FINGERPRINT, 10, 5)), None],
        [None, Some(terms(FINGERPRINT, 10, 5))],
        [
            Some(terms(FINGERPRINT, 10, 5)),
            Some(Terms {
                rows: Some(3),
                grant: None,
            }),
        ],
    ] {
        let mut world = world_of(&policy()).await;
        granted_by(&mut world, update(1), given).await;
        assert!(!passes(&mut world.session, update(2)).await);
    }
    // Who says it again is heard, though the one before is enough.
    let mut world = world_of(&policy()).await;
    let asked = asks(&world.session, update(1));
    let asked = world.session.ask(asked).await.unwrap();
    for (number, name) in [(1, "ann"), (2, "ann"), (3, "bob")] {
        world.memory.decide(decision(&world, name, |one| {
            one.leaf = Digest([number; 32]);
            one.body.terms = (number != 2).then(|| terms(FINGERPRINT, 10, 5));
        }));
    }
    let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
    world.session.record(vec![permit]).await.unwrap();
    assert!(!passes(&mut world.session, update(2)).await);
    // Where the policy lets nobody grant, too.
    let mut world = world_of(&(POLICY.to_owned() + CHANGES)).await;
    let both = [Some(terms(FINGERPRINT, 10, 5)), Some(terms(FINGERPRINT, 10, 5))];
    granted_by(&mut world, update(1), both).await;
    assert!(!passes(&mut world.session, update(2)).await);
}

#[tokio::test]
async fn a_question_says_what_may_be_granted_for_it() {
    let mut world = world_of(&policy()).await;
    let mut say = async |request: Request| {
        let asked = asks(&world.session, request);
        let _ = world.session.ask(asked).await.unwrap();
        self::asked(&world).requirement.grants.unwrap().scopes
    };
    assert_eq!(say(update(1)).await, [FINGERPRINT, SESSION]);
    let unknown = Request {
        reach: Reach::Anything,
        ..update(1)
    };
    assert_eq!(say(unknown).await, [SESSION]);
    assert_eq!(say(super::request(Action::Define)).await, [SESSION]);
}

#[tokio::test]
async fn nothing_passes_by_a_grant_that_was_taken_back() {
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    assert!(passes(&mut world.session, update(2)).await);
    revoke(&world, "cid");
    assert!(!passes(&mut world.session, update(3)).await);
    assert!(!passes(&mut another(&world, |_| ()).await, update(3)).await);
}

#[tokio::test]
async fn a_grant_ends_with_the_key_of_one_who_gave_it_and_so_does_a_reply_by_it() {
    let (mut world, command) = granted(FINGERPRINT, 60, 5).await;
    out(&mut world.session, &command, 1).await.unwrap();
    let key = SecretKey::from_seed(&[12; 32]).public_key().id();
    let _ = world.memory.heard.send(Heard::Revoked(key).into());
    assert!(!passes(&mut another(&world, |_| ()).await, update(2)).await);
    let ended = out(&mut world.session, &command, 1).await.unwrap_err();
    assert!(matches!(ended, GateError::Approval { .. }), "{ended}");
}

#[tokio::test]
async fn a_grant_ends_with_a_refusal_that_crossed_with_it() {
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    let refuses = decision(&world, "cid", |one| one.body.verdict = Verdict::Deny);
    world.memory.decide(refuses);
    assert!(!passes(&mut world.session, update(2)).await);
}

#[tokio::test]
async fn a_grant_ends_where_somebody_may_have_taken_it_back_unheard_and_stays_ended() {
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    for number in 0..8 {
        let other = decision(&world, "ann", |one| one.body.request = Digest([number; 32]));
        world.memory.decide(other);
    }
    for number in 2..4 {
        assert!(!passes(&mut world.session, update(number)).await);
    }
}

#[tokio::test]
async fn a_grant_ends_with_its_policy_also_where_that_comes_back() {
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    let gate = world.session.gate().clone();
    let other = policy() + "# another\n";
    for text in [&other, &policy()] {
        let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
        world.session.let_go_of_policy();
        gate.replace_policy((text.as_bytes().to_vec(), snapshot)).await.unwrap();
        world.session.take_up_policy().await;
        assert!(!passes(&mut world.session, update(2)).await);
    }
}

#[tokio::test]
async fn rows_of_all_replies_by_a_grant_count_together() {
    let (mut world, first) = granted(FINGERPRINT, 60, 5).await;
    out(&mut world.session, &first, 6).await.unwrap();
    let mut other = another(&world, |_| ()).await;
    let permit = covered(&mut other, update(2)).await.unwrap();
    let second = other.record(vec![permit]).await.unwrap().remove(0);
    out(&mut other, &second, 3).await.unwrap();
    // Ten by the policy, of which one is left.
    let ended = out(&mut other, &second, 2).await.unwrap_err();
    assert!(matches!(ended, GateError::Approval { rows: 3, .. }), "{ended}");
    out(&mut world.session, &first, 1).await.unwrap();
    assert!(!passes(&mut world.session, update(3)).await, "no row is left");
}

#[tokio::test]
async fn nothing_passes_by_a_grant_before_the_first_command_is_in_the_ledger() {
    for mode in [Mode::Hold, Mode::Lose] {
        let mut world = world_of(&policy()).await;
        let asked = asks(&world.session, update(1));
        let asked = world.session.ask(asked).await.unwrap();
        for name in ["ann", "bob"] {
            world.memory.decide(decision(&world, name, |one| {
                one.body.terms = Some(terms(FINGERPRINT, 60, 5));
            }));
        }
        let permit = world.session.wait(asked, pending()).await.unwrap().unwrap();
        let mut other = another(&world, |_| ()).await;
        assert!(!passes(&mut other, update(2)).await, "nothing is recorded");
        world.memory.mode.send_replace(mode);
        let mut record = Box::pin(world.session.record(vec![permit]));
        if mode == Mode::Hold {
            assert!(waits(&mut record), "it is not durable");
        } else {
            assert_eq!(record.as_mut().await.unwrap_err(), lost());
        }
        assert!(!passes(&mut other, update(2)).await, "{mode:?}");
        world.memory.mode.send_replace(Mode::Durable);
        if mode == Mode::Hold {
            record.await.unwrap();
        }
        assert_eq!(passes(&mut other, update(2)).await, mode == Mode::Hold);
    }
}

#[tokio::test]
async fn what_passes_by_a_grant_waits_for_its_receipt() {
    let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
    let permit = covered(&mut world.session, update(2)).await.unwrap();
    let cleared = world
        .session
        .clear(vec![permit], super::Transaction::Open)
        .await
        .unwrap();
    assert!(cleared[0].receipt().is_some(), "people's approval never runs ahead");
}

#[tokio::test]
async fn a_grant_that_ends_before_the_record_lets_nothing_through() {
    for revoked in [false, true] {
        let (mut world, _) = granted(FINGERPRINT, 60, 5).await;
        world.session.settled();
        let permit = covered(&mut world.session, update(2)).await.unwrap();
        if revoked {
            revoke(&world, "cid");
        } else {
            *world.clock.0.lock().unwrap() = NOW_US + 60 * MINUTE_US;
        }
        let ended = world.session.record(vec![permit]).await.unwrap_err();
        let reason = if revoked {
            "a person took its approval back"
        } else {
            "the time of its approval is over"
        };
        assert_eq!(ended, GateError::ApprovalEnded { reason });
        assert_eq!(commands(&world).len(), 1);
    }
}
