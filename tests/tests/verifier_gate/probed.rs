//! Values that were tried on masked columns are counted again from the log alone.

use exhibit_tests::bundle_builder::clinic::SECOND_PROXY;

use super::*;

/// Five values an hour on a column that the clinic's own masks do not name.
const MASK: &str = r#"
[[masks]]
name = "card"
targets = ["clinic"]
resources = ["public.patients.card"]
technique = "redact"
predicates = "equality"
probes_per_hour = 5
[[masks]]
name = "chart"
targets = ["clinic"]
resources = ["public.patients.chart"]
technique = "redact"
predicates = "ask"
approval = "schema"
probes_per_hour = 5
"#;

const MINUTE_US: u64 = 60_000_000;

/// A request that tries so many values.
fn trying(column: &str, values: u64) -> Request {
    let mut request = request("SELECT id FROM patients WHERE card = $1", Action::Read);
    let name = format!("probe:public.patients.{column}");
    request.facts.attributes.insert(name, Attribute::Integer(values));
    request
}

/// Tries so many values; says whether they may be.
async fn tries(session: &mut Session, values: u64) -> bool {
    match session.decide(trying("card", values)) {
        Ruling::Permit(permit) => {
            let recorded = session.record(vec![permit]).await.unwrap();
            finish(session, recorded[0].reply(), EndStatus::Complete).await;
            true
        }
        Ruling::Denial(denial) => {
            let recorded = session.refuse(denial).await.unwrap();
            finish(session, recorded.reply(), EndStatus::Failed).await;
            false
        }
        Ruling::Pending(_) => panic!("nobody is asked"),
    }
}

/// The last command that passed and tried values.
fn last(plan: &Plan) -> (usize, usize) {
    let tried = |event: &Event| match &event.body {
        Body::Command(command) => {
            command.outcome.as_str() == "allowed" && command.facts.attributes.contains_key("probed:card")
        }
        _ => false,
    };
    *plan.find(tried).last().unwrap()
}

#[tokio::test]
async fn what_was_tried_verifies_and_a_count_that_is_too_low_does_not() {
    let policy = format!("{POLICY}{MASK}");
    let (gate, keeper, anchors) = start(&policy).await;
    let pass = |minutes: u64| keeper.clock.0.fetch_add(minutes * MINUTE_US, Ordering::SeqCst);
    let mut session = open(&gate).await;
    assert!(tries(&mut session, 3).await);
    pass(50);
    assert!(!tries(&mut session, 3).await);
    assert!(tries(&mut session, 2).await);
    pass(11);
    // The first three are more than an hour ago.
    assert!(tries(&mut session, 3).await);
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified_bundle) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = &verified_bundle.get().evidence.commands;
    let tried: Vec<_> = lines
        .iter()
        .map(|line| line.probes.get("public.patients.card").copied())
        .collect();
    assert_eq!(tried, [Some(3), Some(3), Some(2), Some(3)]);

    let state = |before: u64| {
        let mut plan = plan.clone();
        let place = last(&plan);
        let Body::Command(command) = &mut plan.event_mut(place).body else {
            panic!("a command was looked for");
        };
        command
            .facts
            .attributes
            .insert("probed:card".into(), Attribute::Integer(before));
        verified(&plan, &anchors)
    };
    assert_eq!(
        findings(&state(1)),
        [(
            "probe-count",
            "it states that 1 values were tried under mask `card` in the hour before; its proxy had recorded 2"
        )]
    );
    assert_eq!(findings(&state(2)), [], "as it was recorded");
    let codes = |outcome: &Outcome| findings(outcome).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(&state(3)), ["decision-differs"], "more than are left");
}

#[tokio::test]
async fn a_mask_that_another_policy_names_anew_has_what_was_tried_before() {
    let policy = format!("{POLICY}{MASK}");
    let (gate, keeper, anchors) = start(&policy).await;
    let mut session = open(&gate).await;
    assert!(tries(&mut session, 3).await);
    keeper.clock.0.fetch_add(10 * MINUTE_US, Ordering::SeqCst);
    let renamed = policy.replace("name = \"card\"", "name = \"cards\"");
    let snapshot = Snapshot::parse(renamed.as_bytes()).unwrap();
    gate.replace_policy((renamed.into_bytes(), snapshot)).await.unwrap();
    session.take_up_policy().await;
    assert!(!tries(&mut session, 3).await, "two are left");
    assert!(tries(&mut session, 2).await);
    session.close("agent").await.unwrap();
    let mut plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    let stated = |event: &Event| match &event.body {
        Body::Command(command) => command.facts.attributes.contains_key("probed:cards"),
        _ => false,
    };
    let place = *plan.find(stated).last().unwrap();
    let Body::Command(command) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    let fresh = Attribute::Integer(0);
    command.facts.attributes.insert("probed:cards".into(), fresh);
    assert_eq!(
        findings(&verified(&plan, &anchors)),
        [(
            "probe-count",
            "it states that 0 values were tried under mask `cards` in the hour before; its proxy had recorded 3"
        )]
    );
}

#[tokio::test]
async fn a_decision_without_its_count_does_not_replay() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{MASK}")).await;
    let mut session = open(&gate).await;
    assert!(tries(&mut session, 1).await);
    session.close("agent").await.unwrap();
    let mut plan = keeper.plan.lock().unwrap().clone();
    let place = last(&plan);
    let Body::Command(command) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    command.facts.attributes.remove("probed:card");
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome)[0].0, "decision-differs");
}

#[tokio::test]
async fn several_proxies_together_are_counted_over_all() {
    let policy = format!("{POLICY}{MASK}");
    let (gate, keeper, anchors) = start(&policy).await;
    let (plan, clock) = (Arc::clone(&keeper.plan), Arc::clone(&keeper.clock));
    let (other_gate, _other) = start_beside(&policy, plan, clock, SECOND_PROXY).await;
    let mut sessions = [open(&gate).await, open(&other_gate).await];
    for session in &mut sessions {
        assert!(tries(session, 4).await, "each counts for itself");
    }
    for session in sessions {
        session.close("agent").await.unwrap();
    }
    let outcome = verified(&keeper.plan.lock().unwrap(), &anchors);
    assert_eq!(
        findings(&outcome),
        [(
            "probe-limit",
            "8 values were tried under mask `card` of clinic within an hour up to here, by 2 proxies in all; its policy lets 5 be"
        )]
    );
    assert!(matches!(outcome, Outcome::Verified(_)), "a note refuses nothing");
}

#[tokio::test]
async fn what_people_approve_counts_from_when_they_were_asked() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{MASK}")).await;
    let mut session = open(&gate).await;
    let Ruling::Pending(pending) = session.decide(trying("chart", 4)) else {
        panic!("people are asked");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(&mut session, recorded[0].reply(), EndStatus::Complete).await;
    assert!(matches!(session.decide(trying("chart", 2)), Ruling::Denial(_)));
    session.close("agent").await.unwrap();
    let outcome = verified(&keeper.plan.lock().unwrap(), &anchors);
    assert_eq!(findings(&outcome), []);
}
