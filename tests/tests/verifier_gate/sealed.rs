//! Sealed copies as the real gate makes them, and what a proxy that makes them otherwise is found for.

use exhibit_policy::sealed::COMMAND_BYTES_MAX;
use exhibit_schemas::event::access::CommandSealed;
use exhibit_tests::bundle_builder::clinic::SEALING;

use super::*;

/// A read with that statement, all of it.
async fn reads(session: &mut Session, exact: Vec<u8>) -> bool {
    let mut request = request("SELECT id FROM patients", Action::Read);
    request.exact = exact;
    match session.decide(request) {
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

fn first_part(event: &Event) -> bool {
    matches!(&event.body, Body::CommandSealed(part) if part.part == 0)
}

fn part(body: &mut Body) -> &mut CommandSealed {
    match body {
        Body::CommandSealed(part) => part,
        _ => panic!("a part was looked for"),
    }
}

#[tokio::test]
async fn what_the_gate_seals_verifies_and_shows_nothing() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{SEALING}")).await;
    let mut session = open(&gate).await;
    read(&mut session, true).await;
    denied(&mut session).await;
    for verdict in [Some(Verdict::Approve), Some(Verdict::Deny), None] {
        asked(&mut session, &keeper, verdict).await;
    }
    assert!(reads(&mut session, b"SELECT '123-45-6789'".repeat(10_000)).await);
    assert!(!reads(&mut session, vec![b'x'; COMMAND_BYTES_MAX + 1]).await);
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let copies: Vec<_> = verified.get().evidence.commands.iter().map(|line| line.copy).collect();
    let lengths: Vec<_> = copies
        .iter()
        .map(|copy| copy.map(|(first, last)| last.0 - first.0 + 1))
        .collect();
    // The long one stands in four parts; what was denied for its length has none.
    let one = Some(1);
    assert_eq!(lengths, [one, one, one, one, one, Some(4), None]);
    let recorded = plan.build().entries.concat();
    assert!(!recorded.windows(11).any(|window| window == b"123-45-6789"));
}

#[tokio::test]
async fn a_proxy_that_writes_otherwise_is_found() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{SEALING}")).await;
    let mut session = open(&gate).await;
    assert!(reads(&mut session, b"SELECT 1".to_vec()).await);
    let long = vec![b'x'; COMMAND_BYTES_MAX + 1];
    assert!(!reads(&mut session, long).await);
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
    let codes = |plan: &Plan| -> Vec<_> {
        let outcome = verified(plan, &anchors);
        findings(&outcome).into_iter().map(|(code, _)| code).collect()
    };
    let changed = |change: fn(&mut CommandSealed)| {
        let mut plan = plan.clone();
        let place = plan.find(first_part)[0];
        change(part(&mut plan.event_mut(place).body));
        codes(&plan)
    };
    assert_eq!(changed(|part| part.bytes.0 = b"SELECT 1".to_vec()), ["copy-form"]);
    assert_eq!(changed(|part| part.parts = 2), ["copy-missing"]);
    assert_eq!(changed(|part| part.part = 1), ["copy-part"]);
    assert_eq!(changed(|part| part.command += 1), ["copy-part"]);
    assert_eq!(changed(|part| part.bytes.0.clear()), ["copy-part"]);

    // The log ends within a copy, which is honest: the proxy was killed, or the export came in between.
    let mut cut = plan.clone();
    let place = cut.find(first_part)[0];
    part(&mut cut.event_mut(place).body).parts = 2;
    cut.batches.truncate(place.0 + 1);
    cut.batches[place.0].events.truncate(place.1 + 1);
    assert_eq!(codes(&cut), ["copy-open", "session-open"]);

    // A command that passed may not say that it is too long for its copy.
    let mut excused = plan.clone();
    let place = excused.find(first_part)[0];
    let session = excused.remove(place).session.unwrap().0;
    excused.renumber(session);
    assert_eq!(codes(&excused), ["copy-missing"]);
}
