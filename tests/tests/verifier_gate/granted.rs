//! Grants: what the gate records of them verifies, and what is planted beside it is found.

use std::collections::BTreeSet;

use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::access::Command;
use exhibit_schemas::event::approval::{ApprovalRequested, Grant, GrantScope};
use exhibit_schemas::event::trust::KeyRevoked;
use exhibit_tests::bundle_builder::clinic::{ADMINISTRATOR, SECOND_PROXY};

use super::*;

type Place = (usize, usize);

const MINUTE_US: u64 = 60_000_000;

fn policy() -> String {
    let grants = "grants = { scopes = [\"fingerprint\", \"session\"], minutes = 60, uses = 100, rows = 1000 }";
    POLICY
        .replace("expires_s = 900", &format!("expires_s = 900\n{grants}"))
        .replace("\"define\"]", "\"define\", \"write\"]")
}

/// A change of rows with that value.
fn update(value: &str) -> Request {
    Request {
        statement: "UPDATE patients SET note = <string> WHERE id = <number>".into(),
        exact: value.as_bytes().to_vec(),
        reach: Reach::Transaction,
        facts: Facts {
            accesses: vec![Access(Action::Write, Some("public.patients.note".into()))],
            attributes: BTreeMap::new(),
            columns: None,
        },
        ..request("", Action::Write)
    }
}

fn pending(session: &Session, request: Request) -> exhibit_gate::session::Pending {
    match session.decide(request) {
        Ruling::Pending(pending) => pending,
        other => panic!("changes are asked about: {other:?}"),
    }
}

fn grant(scope: GrantScope, minutes: u64, uses: u64) -> Terms {
    Terms {
        rows: Some(2),
        grant: Some(Grant { scope, minutes, uses }),
    }
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

/// Records what passes, with a row.
async fn runs(session: &mut Session, permit: exhibit_gate::session::Permit) {
    let mut reply = session.record(vec![permit]).await.unwrap()[0].reply();
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    let row = masker.row(vec![Some(b"x".to_vec())], session.net()).unwrap();
    let released = session.release(&mut reply, Some(column()), vec![row]);
    released.durable().await.unwrap();
    finish(session, reply, EndStatus::Complete).await;
}

async fn begins(session: &mut Session, keeper: &Keeper, value: &str, terms: Terms) {
    let asked = session.ask(pending(session, update(value))).await.unwrap();
    keeper.decide_for(ALICE, "alice", Verdict::Approve, Some(terms.clone()));
    keeper.decide_for(CAROL, "carol", Verdict::Approve, Some(terms));
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    runs(session, permit).await;
}

/// A fingerprint by which another session does something, too; and then one session that goes on by a grant of its own.
pub(super) async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut session = open(&gate).await;
    let terms = grant(GrantScope::Fingerprint, 30, 2);
    begins(&mut session, &keeper, "one", terms).await;
    let mut other = open(&gate).await;
    let covered = pending(&other, update("two"));
    let permit = other.covered(covered).await.unwrap().unwrap();
    runs(&mut other, permit).await;
    other.close("agent").await.unwrap();
    session.close("agent").await.unwrap();

    let mut session = open(&gate).await;
    let terms = grant(GrantScope::Session, 30, 2);
    begins(&mut session, &keeper, "three", terms).await;
    let define = pending(&session, request("ALTER TABLE patients ADD x text", Action::Write));
    let permit = session.covered(define).await.unwrap().unwrap();
    runs(&mut session, permit).await;
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

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

fn asked(plan: &mut Plan, number: usize) -> &mut ApprovalRequested {
    let place = plan.find(|event| matches!(event.body, Body::ApprovalRequested(_)))[number];
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    body
}

/// The terms of the decisions about a request: alice's and carol's.
fn terms(plan: &mut Plan, number: usize, change: impl Fn(&mut Terms)) {
    let decisions = plan.find(|event| matches!(event.body, Body::ApprovalDecided(_)));
    for place in &decisions[2 * number..2 * number + 2] {
        let Body::ApprovalDecided(body) = &mut plan.event_mut(*place).body else {
            panic!("a decision was looked for");
        };
        change(body.terms.as_mut().unwrap());
    }
}

/// The log up to where its third session opens.
fn without_last_session(plan: &mut Plan) {
    let third: SessionId = plan.event(commands(plan)[2]).session.unwrap().0;
    let opening = plan.find(|event| event.session.is_some_and(|place| place.0 == third))[0];
    plan.batches.truncate(opening.0);
}

fn insert(plan: &mut Plan, batch: usize, seed: u8, time: u64, body: Body) {
    let event = Event {
        time: Timestamp(time),
        emitter: Emitter(key_id(seed), START + 1_000 + u64::from(seed)),
        session: None,
        body,
    };
    let events = vec![Planned::new(event)];
    plan.batches.insert(batch, Batch { seed, events });
}

#[tokio::test]
async fn what_passes_by_grants_verifies_and_is_listed() {
    let (plan, anchors) = log().await;
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let evidence = &verified.get().evidence;
    let outcomes: Vec<_> = evidence
        .commands
        .iter()
        .map(|line| (line.outcome.as_str(), line.request.is_some(), line.approvals.len()))
        .collect();
    assert_eq!(outcomes, [("approved", true, 2); 4]);
    let grants: Vec<_> = evidence
        .approvals
        .iter()
        .map(|line| {
            let grant = line.grant.as_ref().unwrap();
            (grant.scopes.join("+"), grant.uses, grant.used, line.rows)
        })
        .collect();
    assert_eq!(
        grants,
        [("fingerprint".to_owned(), 2, 2, 2), ("session".to_owned(), 2, 2, 2)]
    );
}

/// Moves what the session of the second command did before the first command.
fn other_session_first(plan: &mut Plan) {
    let id = plan.event(commands(plan)[1]).session.unwrap().0;
    let to = commands(plan)[0].0;
    let time = plan.event(commands(plan)[0]).time.0;
    let of_other = |event: &Event| event.session.is_some_and(|place| place.0 == id);
    let places = plan.find(of_other);
    let batches: BTreeSet<usize> = places.iter().map(|place| place.0).collect();
    let moved: Vec<_> = batches.iter().rev().map(|batch| plan.batches.remove(*batch)).collect();
    for mut batch in moved {
        batch.events.iter_mut().for_each(|one| one.event.time.0 = time);
        plan.batches.insert(to, batch);
    }
}

/// A log in which something was changed, with the codes of what must be found.
async fn check(what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]) {
    let (mut plan, anchors) = log().await;
    change(&mut plan);
    let outcome = verified(&plan, &anchors);
    let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
    assert_eq!(found, wanted, "{what}: {:?}", findings(&outcome));
}

#[tokio::test]
async fn more_than_was_granted_is_found() {
    let uses = |uses: u64| move |terms: &mut Terms| terms.grant.as_mut().unwrap().uses = uses;
    check(
        "more commands than were granted",
        &|plan| terms(plan, 0, uses(1)),
        &["grant-uses"],
    )
    .await;
    check(
        "more rows of both together than were granted",
        &|plan| terms(plan, 0, |terms| terms.rows = Some(1)),
        &["approval-rows"],
    )
    .await;
    check(
        "approved for one command",
        &|plan| terms(plan, 0, |terms| terms.grant = None),
        // The other values are another command, of a request that does not stay open, and settles it again.
        &["approval-binding", "approval-binding", "approval-reused"],
    )
    .await;
    check(
        "after its minutes",
        &|plan| {
            without_last_session(plan);
            let from = commands(plan)[1].0;
            for batch in &mut plan.batches[from..] {
                batch
                    .events
                    .iter_mut()
                    .for_each(|one| one.event.time.0 += 31 * MINUTE_US);
            }
        },
        &["grant-late"],
    )
    .await;
    check(
        "more than the policy lets people grant",
        &|plan| terms(plan, 0, |terms| terms.grant.as_mut().unwrap().minutes = 61),
        &["grant-terms", "grant-terms"],
    )
    .await;
    check(
        "another question than the policy's",
        &|plan| asked(plan, 0).requirement.grants.as_mut().unwrap().minutes = 61,
        &["approval-requirement"],
    )
    .await;
}

#[tokio::test]
async fn what_a_grant_does_not_cover_is_found() {
    check(
        "before the command that people were asked about is in the log",
        &other_session_first,
        // By another digest, and after the wait of another session.
        &["approval-binding", "approval-binding"],
    )
    .await;
    check(
        "another statement",
        &|plan| command(plan, 1).statement.push(';'),
        &["grant-scope"],
    )
    .await;
    check(
        "another type of a parameter",
        &|plan| command(plan, 1).parameters = vec!["text".into()],
        &["grant-scope"],
    )
    .await;
    check(
        "more than the statement did",
        &|plan| {
            let accesses = &mut command(plan, 1).facts.accesses;
            accesses.push(Access(Action::Write, Some("public.patients.other".into())));
        },
        &["grant-scope"],
    )
    .await;
    check(
        "by other decisions",
        &|plan| command(plan, 1).approvals.as_mut().unwrap().reverse(),
        &["grant-scope"],
    )
    .await;
    check(
        "by another agent",
        &|plan| {
            let id = plan.event(commands(plan)[1]).session.unwrap().0;
            let opening = plan.find(|event| event.session.is_some_and(|place| place.0 == id))[0];
            let Body::SessionOpened(body) = &mut plan.event_mut(opening).body else {
                panic!("a session begins with its opening");
            };
            body.principal.subject = "ci-other".into();
        },
        &["grant-scope"],
    )
    .await;
    check(
        "at another proxy",
        &|plan| {
            let id = plan.event(commands(plan)[1]).session.unwrap().0;
            for place in plan.find(|event| event.session.is_some_and(|place| place.0 == id)) {
                plan.batches[place.0].seed = SECOND_PROXY;
                plan.event_mut(place).emitter.0 = key_id(SECOND_PROXY);
            }
        },
        // Which has another policy and key of masks in force.
        &[
            "mask-key-not-in-force",
            "policy-not-in-force",
            "approval-late",
            "grant-scope",
        ],
    )
    .await;
    check(
        "by a grant of another session",
        &|plan| {
            terms(plan, 0, |terms| {
                terms.grant.as_mut().unwrap().scope = GrantScope::Session;
            });
        },
        &["grant-scope"],
    )
    .await;
    check(
        "by a key that was revoked",
        &|plan| {
            // What carol says later in this log would be said under a revoked key.
            without_last_session(plan);
            let (batch, _) = commands(plan)[1];
            let now = plan.event((batch, 0)).time.0;
            let (key, reason) = (key_id(CAROL), "lost".into());
            let later = plan.batches[batch..].iter_mut().flat_map(|batch| &mut batch.events);
            later.for_each(|one| one.event.time.0 += MINUTE_US + 1);
            insert(plan, batch, ADMINISTRATOR, now, KeyRevoked { key, reason }.into());
        },
        &["approval-revoked"],
    )
    .await;
}
