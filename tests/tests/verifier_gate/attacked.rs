//! Attacks on approvals, planted in a log: what was approved for one session passes in another, by whoever asked for it, or twice.
//!
//! The gate's side of the same list is in `proxy/gate/src/session/tests/attacked.rs`.

use exhibit_schemas::event::access::{Command, Run};
use exhibit_schemas::event::trust::KeyEnrolled;
use exhibit_tests::bundle_builder::Slot;

use super::*;

type Place = (usize, usize);

const STATEMENT: &str = "ALTER TABLE patients ADD x text";

/// What a run asks that somebody set off in a CI service.
fn run(opening: &mut Opening) {
    let run = Run {
        provider: "github-actions".into(),
        repository: "octo/app".into(),
        repository_id: "1".into(),
        owner_id: "2".into(),
        reference: "refs/heads/main".into(),
        commit: "c0ffee".into(),
        workflow: None,
        run_id: "3".into(),
        job_id: None,
        actor: "Octo-Ann".into(),
        actor_id: "4".into(),
        trigger: "push".into(),
        environment: None,
    };
    opening.principal.run = Some(run.into());
    opening.principal.client_id = Some("octo-app".into());
}

async fn ask(session: &mut Session) -> exhibit_gate::session::Asked {
    let Ruling::Pending(pending) = session.decide(request(STATEMENT, Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    session.ask(pending).await.unwrap()
}

/// One request of a run, which alice and carol approve, and which passes.
async fn approved() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(POLICY).await;
    let mut session = open_as(&gate, run).await;
    asked(&mut session, &keeper, Some(Verdict::Approve)).await;
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

fn codes(plan: &Plan, anchors: &TrustAnchors) -> Vec<&'static str> {
    let outcome = verified(plan, anchors);
    findings(&outcome).into_iter().map(|(code, _)| code).collect()
}

fn enrolment<'a>(plan: &'a mut Plan, person: &str) -> &'a mut KeyEnrolled {
    let place = plan.find(|event| matches!(&event.body, Body::KeyEnrolled(body) if body.name == person))[0];
    let Body::KeyEnrolled(body) = &mut plan.event_mut(place).body else {
        panic!("an enrolment was looked for");
    };
    body
}

#[tokio::test]
async fn whoever_asked_or_set_the_run_off_is_found_among_those_who_approve() {
    let (honest, anchors) = approved().await;
    assert_eq!(codes(&honest, &anchors), [""; 0]);
    // By subject, by client, and as the run's actor, however the enrolment spells the name.
    for own in ["ci-agent", "CI-AGENT", "octo-app", "octo-ann", "OCTO-ANN"] {
        let mut plan = honest.clone();
        enrolment(&mut plan, "alice").name = own.into();
        assert_eq!(
            codes(&plan, &anchors),
            ["approval-uncounted", "approval-requester"],
            "{own}"
        );
    }
    let mut plan = honest;
    enrolment(&mut plan, "alice").name = "octo".into();
    assert_eq!(codes(&plan, &anchors), [""; 0], "somebody else");
}

/// Two sessions ask the same. The first goes away, and alice and carol have approved what it asked; nobody decides about the other.
async fn same_text() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(POLICY).await;
    for approved in [true, false] {
        let mut session = open(&gate).await;
        let asked = ask(&mut session).await;
        if approved {
            keeper.decide(ALICE, "alice", Verdict::Approve);
        }
        let denial = session.wait(asked, async {}).await.unwrap().unwrap_err();
        if approved {
            keeper.decide(CAROL, "carol", Verdict::Approve);
        }
        let recorded = session.refuse(denial).await.unwrap();
        finish(&mut session, recorded.reply(), EndStatus::Failed).await;
        session.close("agent").await.unwrap();
    }
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

fn of(plan: &Plan, wanted: fn(&Body) -> bool) -> Vec<Place> {
    plan.find(|event| wanted(&event.body))
}

fn decisions(plan: &Plan) -> Vec<Place> {
    of(plan, |body| matches!(body, Body::ApprovalDecided(_)))
}

fn leaf(plan: &Plan, place: Place) -> Digest {
    plan.batches[place.0].events[place.1].leaf
}

fn commands(plan: &Plan) -> Vec<Place> {
    of(plan, |body| matches!(body, Body::Command(_)))
}

/// The second session passes by these decisions.
fn passes_by(plan: &mut Plan, approvals: Vec<Digest>) {
    let expired = of(plan, |body| matches!(body, Body::ApprovalExpired(_)))[1];
    let session = plan.remove(expired).session.unwrap().0;
    plan.renumber(session);
    let place = commands(plan)[1];
    let Body::Command(Command {
        outcome, approvals: by, ..
    }) = &mut plan.event_mut(place).body
    else {
        panic!("a command was looked for");
    };
    (*outcome, *by) = (Became::Approved, Some(approvals));
}

#[tokio::test]
async fn what_was_approved_for_another_session_with_the_same_text_is_found() {
    let (honest, anchors) = same_text().await;
    assert_eq!(codes(&honest, &anchors), [""; 0]);
    let requests = of(&honest, |body| matches!(body, Body::ApprovalRequested(_)));
    let by: Vec<_> = decisions(&honest)
        .into_iter()
        .map(|place| leaf(&honest, place))
        .collect();
    let mut plan = honest.clone();
    passes_by(&mut plan, by.clone());
    assert_eq!(codes(&plan, &anchors), ["approval-binding"; 2]);
    // The same under the name of the second request and with its expiry, in front of which nobody can have signed it.
    let second = leaf(&honest, requests[1]);
    let Body::ApprovalRequested(asked) = honest.event(requests[1]).body.clone() else {
        panic!("a request was looked for");
    };
    let mut plan = honest.clone();
    for place in decisions(&plan) {
        let Body::ApprovalDecided(body) = &mut plan.event_mut(place).body else {
            panic!("a decision was looked for");
        };
        (body.request, body.expires) = (second, asked.expires);
    }
    let relabelled = plan.clone();
    passes_by(&mut plan, by.clone());
    let found = codes(&plan, &anchors);
    assert_eq!(
        found,
        [
            "approval-uncounted",
            "approval-uncounted",
            "approval-binding",
            "approval-binding"
        ]
    );
    // And moved behind it: all that is left of the first is its session.
    let mut plan = relabelled;
    let command = commands(&plan)[1].0;
    let time = plan.event((command, 0)).time;
    let moved: Vec<_> = decisions(&plan)
        .into_iter()
        .rev()
        .map(|place| plan.batches.remove(place.0))
        .collect();
    let behind = of(&plan, |body| matches!(body, Body::ApprovalRequested(_)))[1].0 + 1;
    for mut batch in moved {
        batch.events.iter_mut().for_each(|one| one.event.time = time);
        plan.batches.insert(behind, batch);
    }
    passes_by(&mut plan, by);
    let found = codes(&plan, &anchors);
    assert_eq!(
        found,
        [
            "approval-uncounted",
            "approval-uncounted",
            "approval-binding",
            "approval-binding"
        ]
    );
}

#[tokio::test]
async fn a_batch_that_is_replayed_is_found_and_counts_once() {
    let (plan, anchors) = approved().await;
    let built = plan.build();
    let [alice, _] = decisions(&plan)[..] else {
        panic!("two decisions");
    };
    let in_batch = |slot: &Slot| match slot {
        Slot::Event { batch, .. } | Slot::Seal { batch } => *batch == alice.0,
    };
    let entries = built.entries.iter().zip(&built.slots);
    let replayed: Vec<_> = entries
        .filter(|(_, slot)| in_batch(slot))
        .map(|(entry, _)| entry.clone())
        .collect();
    // At once, byte for byte, under her own seal.
    let after = built.slots.iter().rposition(in_batch).unwrap() + 1;
    let mut entries = built.entries.clone();
    entries.splice(after..after, replayed);
    let outcome = verified_entries(&entries, &anchors);
    let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
    assert!(found.contains(&"seal-chain"), "{found:?}");
    assert!(matches!(outcome, Outcome::Refused(_)));
    // In the place of another person's, sealed anew: she is one person, however often she says it.
    let mut plan = plan;
    let carol = decisions(&plan)[1];
    plan.batches[carol.0].seed = ALICE;
    plan.event_mut(carol).emitter = Emitter(key_id(ALICE), START + 1_000 + u64::from(ALICE));
    assert_eq!(codes(&plan, &anchors), ["approval-people"]);
}
