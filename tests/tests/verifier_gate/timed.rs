//! Hours, and people of several groups: what the gate records of them verifies, and what is planted beside it is found.

use exhibit_policy::hours::TIME;
use exhibit_schemas::event::access::Command;
use exhibit_schemas::event::approval::ApprovalRequested;

use super::*;

/// A clinic whose log begins on a Tuesday at 22:13:20 UTC.
fn policy() -> String {
    let night = "hours = { windows = [\"Tue 22:00-22:40\"] }";
    let berlin = "hours = { windows = [\"Tue 23:00-23:40\"], zone = \"Europe/Berlin\" }";
    let each = format!("people = 2\nall_groups = [\"dba\", \"privacy\"]\n{berlin}");
    let policy = POLICY.replace("people = 2", &each);
    policy.replace("actions = [\"read\"]\n", &format!("actions = [\"read\"]\n{night}\n"))
}

/// A read, and a change that alice and bob approve.
async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut session = open(&gate).await;
    read(&mut session, true).await;
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(BOB, "bob", Verdict::Approve);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

fn command(plan: &mut Plan, number: usize) -> &mut Command {
    let place = plan.find(|event| matches!(event.body, Body::Command(_)))[number];
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    body
}

fn asked(plan: &mut Plan) -> &mut ApprovalRequested {
    let place = plan.find(|event| matches!(event.body, Body::ApprovalRequested(_)))[0];
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    body
}

/// Moves everything from a batch on to a later time.
fn later(plan: &mut Plan, from: usize, minutes: u64) {
    for batch in &mut plan.batches[from..] {
        let events = batch.events.iter_mut();
        events.for_each(|one| one.event.time.0 += minutes * 60_000_000);
    }
}

#[tokio::test]
async fn what_the_gate_does_by_the_hour_verifies_and_what_is_planted_is_found() {
    let (plan, anchors) = log().await;
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    let check = |what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]| {
        let mut plan = plan.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let found: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert!(wanted.iter().all(|code| found.contains(code)), "{what}: {found:?}");
    };
    let at = |plan: &mut Plan, number: usize, time_s: u64| {
        let attributes = &mut command(plan, number).facts.attributes;
        attributes.insert(TIME.to_owned(), Attribute::Integer(time_s));
    };
    let (now_s, hour_s) = (START / 1_000_000, 3_600);
    check(
        "at another hour",
        &|plan| at(plan, 0, now_s + hour_s),
        &["decision-differs"],
    );
    check("by another time", &|plan| at(plan, 0, now_s + 60), &["decision-time"]);
    check(
        "without a time",
        &|plan| {
            command(plan, 0).facts.attributes.remove(TIME);
        },
        &["decision-differs"],
    );
    let reads = plan.find(|event| matches!(event.body, Body::Command(_)))[0].0;
    check("an hour later", &|plan| later(plan, reads, 60), &["decision-time"]);
    let [alice, bob] = plan.find(|event| matches!(event.body, Body::ApprovalDecided(_)))[..] else {
        panic!("two people decided");
    };
    let changes = plan.find(|event| matches!(event.body, Body::Command(_)))[1].0;
    // The request has until 22:28, and the hours until 22:40.
    check(
        "approved outside of the hours",
        &|plan| later(plan, alice.0, 60),
        &["approval-hours"],
    );
    check(
        "passed outside of the hours",
        &|plan| later(plan, changes, 60),
        &["approval-hours"],
    );
    check(
        "by two of one group",
        &|plan| {
            plan.batches[bob.0].seed = CAROL;
            plan.event_mut(bob).emitter = Emitter(key_id(CAROL), START + 1_000 + u64::from(CAROL));
        },
        &["approval-people"],
    );
    check(
        "asked without the groups",
        &|plan| asked(plan).requirement.all_groups = None,
        &["approval-requirement"],
    );
    check(
        "asked without the hours",
        &|plan| asked(plan).requirement.hours = None,
        &["approval-requirement"],
    );
}
