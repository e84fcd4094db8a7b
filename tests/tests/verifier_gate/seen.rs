//! Rules by what was seen: what the gate records of it verifies, and a claim that the log does not bear out is found.

use exhibit_policy::seen::{FIRST_SEEN, is_claimed, state};
use exhibit_schemas::event::access::Command;
use exhibit_tests::bundle_builder::clinic::SECOND_PROXY;

use super::*;

const RULE: &str = r#"
[[rules]]
name = "new"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
when = { first_seen = true }
effect = "ask"
approval = "schema"
"#;

fn policy() -> String {
    POLICY.replacen("[[rules]]", &format!("{RULE}[[rules]]"), 1)
}

fn reads(statement: &str) -> Request {
    Request {
        reach: Reach::Nothing,
        ..request(statement, Action::Read)
    }
}

/// One read that two people approve, and the same again without them.
async fn twice(gate: &Gate, keeper: &Keeper) {
    let mut session = open(gate).await;
    let Ruling::Pending(pending) = session.decide(reads("SELECT <string>")) else {
        panic!("nothing like it was seen");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
    let Ruling::Permit(permit) = session.decide(reads("SELECT <string>")) else {
        panic!("one like it has passed");
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
    session.close("agent").await.unwrap();
}

/// The commands of a log, by number.
fn command(plan: &mut Plan, number: usize) -> &mut Command {
    let place = plan.find(|event| matches!(event.body, Body::Command(_)))[number];
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    body
}

#[tokio::test]
async fn what_was_seen_verifies_and_what_was_not_does_not_pass_as_seen() {
    let (gate, keeper, anchors) = start(&policy()).await;
    twice(&gate, &keeper).await;
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    assert!(!is_claimed(&command(&mut plan.clone(), 0).facts) && is_claimed(&command(&mut plan.clone(), 1).facts));
    let check = |change: &dyn Fn(&mut Plan), wanted: &[&str]| {
        let mut plan = plan.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, wanted);
    };
    // The second is like nothing that passed.
    let other = |plan: &mut Plan| command(plan, 1).statement.push_str(" WHERE id = <number>");
    check(&other, &["first-seen"]);
    check(&|plan| command(plan, 1).parameters.push("int4".into()), &["first-seen"]);
    let touched = |plan: &mut Plan| command(plan, 1).facts.columns = Some(Vec::new());
    check(&touched, &["first-seen"]);
    let many = |plan: &mut Plan| command(plan, 1).statement.push_str(&"x".repeat(32 * 1_024));
    check(&many, &["first-seen"]);
    // What stands in the log as seen for the first time was to be asked about, and what does not say it is denied.
    check(&|plan| state(&mut command(plan, 1).facts, false), &["decision-differs"]);
    let unsaid = |plan: &mut Plan| drop(command(plan, 1).facts.attributes.remove(FIRST_SEEN));
    check(&unsaid, &["decision-differs"]);
    // Values may be others.
    check(&|plan| command(plan, 1).digest = Digest([5; 32]), &[]);
}

/// A claim is about one proxy: what passed at another one is asked about here.
#[tokio::test]
async fn each_proxy_speaks_of_itself() {
    let (gate, keeper, anchors) = start(&policy()).await;
    twice(&gate, &keeper).await;
    let (plan, clock) = (Arc::clone(&keeper.plan), Arc::clone(&keeper.clock));
    let (beside, second) = start_beside(&policy(), plan, clock, SECOND_PROXY).await;
    twice(&beside, &second).await;
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    // Without what passed there before it.
    let mut claims = plan.clone();
    command(&mut claims, 2).statement.push_str(" LIMIT <number>");
    let outcome = verified(&claims, &anchors);
    let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes.last(), Some(&"first-seen"), "{codes:?}");
}
