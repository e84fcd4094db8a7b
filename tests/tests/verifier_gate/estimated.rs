//! Rules by estimated rows: what the gate records of them verifies, and what is planted beside it is found.

use exhibit_policy::estimate::{ESTIMATED_ROWS, Estimate};
use exhibit_schemas::event::access::Command;

use super::*;

const HOLD_US: u64 = 60_000_000;

const RULE: &str = r#"
[[rules]]
name = "most"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { estimated_rows = 1000 }
effect = "ask"
approval = "schema"
"#;

fn policy() -> String {
    POLICY
        .replacen("[[rules]]", &format!("{RULE}[[rules]]"), 1)
        .replace("expires_s = 900", "expires_s = 900\nhold_s = 60")
}

fn reads(rows: u64) -> Request {
    let mut request = request("SELECT * FROM patients", Action::Read);
    Estimate::Rows(rows).state(&mut request.facts);
    request
}

/// A read of few rows that nobody is asked about; and one of many, which waits in vain and is taken up when fewer are estimated.
async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut session = open(&gate).await;
    let Ruling::Permit(permit) = session.decide(reads(1000)) else {
        panic!("few rows are allowed");
    };
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
    session.close("agent").await.unwrap();
    for (rows, passes) in [(5000, false), (4000, true)] {
        let mut session = open(&gate).await;
        let Ruling::Pending(pending) = session.decide(reads(rows)) else {
            panic!("many rows are asked about");
        };
        let asked = session.ask(pending).await.unwrap();
        if !passes {
            keeper.clock.0.fetch_add(HOLD_US, Ordering::SeqCst);
        }
        let answered = session.wait(asked, std::future::pending()).await.unwrap();
        match answered {
            Ok(permit) => {
                assert!(passes);
                let recorded = session.record(vec![permit]).await.unwrap();
                finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
            }
            Err(denial) => {
                assert!(!passes);
                let recorded = session.refuse(denial).await.unwrap();
                finish(&mut session, recorded.reply(), EndStatus::Failed).await;
                keeper.decide(ALICE, "alice", Verdict::Approve);
                keeper.decide(CAROL, "carol", Verdict::Approve);
            }
        }
        session.close("agent").await.unwrap();
    }
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

/// The command of that number: of few rows, postponed, approved.
fn command(plan: &mut Plan, number: usize) -> &mut Command {
    let place = plan.find(|event| matches!(event.body, Body::Command(_)))[number];
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    body
}

fn asked(plan: &mut Plan) -> &mut Facts {
    let place = plan.find(|event| matches!(event.body, Body::ApprovalRequested(_)))[0];
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    &mut body.facts
}

#[tokio::test]
async fn what_is_estimated_verifies_and_what_passes_by_another_number_does_not() {
    let (plan, anchors) = log().await;
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    let check = |change: &dyn Fn(&mut Plan), wanted: &[&str]| {
        let mut plan = plan.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, wanted);
    };
    let rows = |facts: &mut Facts, rows: u64| Estimate::Rows(rows).state(facts);
    // More than the rule lets pass, or not known, and allowed all the same.
    check(&|plan| rows(&mut command(plan, 0).facts, 1001), &["decision-differs"]);
    check(
        &|plan| drop(command(plan, 0).facts.attributes.remove(ESTIMATED_ROWS)),
        &["decision-differs"],
    );
    let unknown = |facts: &mut Facts| Estimate::Unknown("nobody asked".into()).state(facts);
    check(&|plan| unknown(&mut command(plan, 0).facts), &["decision-differs"]);
    // Any number that the rule lets pass comes to the same: that it is right is the proxy's word.
    check(&|plan| rows(&mut command(plan, 0).facts, 0), &[]);
    // People were asked about fewer rows than what was postponed, or than what passed.
    check(&|plan| rows(&mut command(plan, 1).facts, 4999), &["approval-binding"]);
    check(
        &|plan| rows(asked(plan), 3000),
        &["approval-binding", "approval-binding"],
    );
    check(&|plan| rows(&mut command(plan, 2).facts, 5000), &[]);
    check(&|plan| rows(&mut command(plan, 2).facts, 5001), &["approval-binding"]);
    check(&|plan| unknown(&mut command(plan, 2).facts), &["approval-binding"]);
    check(&|plan| rows(&mut command(plan, 2).facts, 5), &["decision-differs"]);
}
