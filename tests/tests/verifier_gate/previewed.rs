//! Previews: what the gate records of them verifies, a run says nothing of another command, and how many there may be.

use exhibit_gate::session::{NotAsked, Pending};
use exhibit_policy::preview::FRESH_US;
use exhibit_schemas::event::Kind;
use exhibit_schemas::event::approval::Previewed;
use exhibit_tests::bundle_builder::clinic::{SEALING, previewing_policy};

use super::*;

fn change(session: &Session, statement: &str) -> Pending {
    let mut request = request(statement, Action::Write);
    // One that is not masked.
    request.facts.columns = Some(vec!["public.patients.id".into()]);
    let Ruling::Pending(pending) = session.decide(request) else {
        panic!("changes of rows are asked about");
    };
    pending
}

/// People are asked, and approve what then runs.
async fn approved(session: &mut Session, keeper: &Keeper, pending: Pending) {
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    let recorded = session.record(vec![permit]).await.unwrap();
    finish(session, recorded[0].reply(), EndStatus::Complete).await;
}

#[tokio::test]
async fn what_is_previewed_verifies_and_is_of_its_own_command() {
    let (gate, keeper, anchors) = start(&previewing_policy()).await;
    let mut session = open(&gate).await;
    let mut first = change(&session, "UPDATE patients SET a = $1");
    assert!(first.wants_preview() && session.is_to_preview(&mut first).await.unwrap());
    let ran = session
        .preview(&first, vec![b"begin".to_vec(), b"run".to_vec()], &[])
        .await;
    let ran = ran.unwrap().unwrap();
    assert_eq!(
        (ran.part(0), ran.part(1), ran.part(2)),
        (&b"begin"[..], &b"run"[..], &b""[..])
    );
    approved(&mut session, &keeper, first.previewed(&ran, Ok(3))).await;
    // What was run before was another command; without anything said of it, there is none.
    let second = change(&session, "UPDATE patients SET b = $1");
    approved(&mut session, &keeper, second.previewed(&ran, Ok(7))).await;
    let third = change(&session, "UPDATE patients SET c = $1").unpreviewed("it stands in an open transaction");
    approved(&mut session, &keeper, third).await;
    drop(ran);
    session.close("agent").await.unwrap();
    // A session may end between the run and the question.
    let mut session = open(&gate).await;
    let fourth = change(&session, "UPDATE patients SET d = $1");
    session
        .preview(&fourth, vec![b"run".to_vec()], &[])
        .await
        .unwrap()
        .unwrap();
    session.close("agent").await.unwrap();

    let plan = keeper.plan.lock().unwrap().clone();
    let shown: Vec<_> = plan
        .find(|event| event.kind() == Kind::ApprovalRequested)
        .into_iter()
        .map(|place| match &plan.event(place).body {
            Body::ApprovalRequested(body) => body.preview.clone().unwrap(),
            _ => panic!("requests were looked for"),
        })
        .collect();
    let not = |why: &str| Previewed::Not(why.to_owned());
    let wanted = [
        Previewed::Rows(3),
        not("commands of this protocol are not run and rolled back"),
        not("it stands in an open transaction"),
    ];
    assert_eq!(shown, wanted);
    let outcome = verified(&plan, &anchors);
    assert_eq!(findings(&outcome), []);
    let Outcome::Verified(verified) = &outcome else {
        panic!("a bundle without findings is verified");
    };
    let lines = &verified.get().evidence.approvals;
    let told: Vec<_> = lines.iter().map(|line| line.preview.as_deref().unwrap()).collect();
    assert_eq!(told[0], "3 rows, by a run that was rolled back");
    assert_eq!(told[2], "none: it stands in an open transaction");
}

#[tokio::test]
async fn what_its_policy_asks_no_preview_for_is_not_run() {
    let (gate, keeper, _) = start(POLICY).await;
    let mut session = open(&gate).await;
    let asked = session.decide(request("ALTER TABLE patients ADD a text", Action::Define));
    let Ruling::Pending(pending) = asked else {
        panic!("definitions are asked about");
    };
    let ran = session.preview(&pending, vec![b"run".to_vec()], &[]).await.unwrap();
    assert_eq!(ran.unwrap_err(), "its policy asks for none");
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    assert!(plan.find(|event| event.kind() == Kind::PreviewRun).is_empty());
}

#[tokio::test]
async fn what_has_its_exact_bytes_sealed_is_not_run() {
    let (gate, keeper, _) = start(&format!("{}{SEALING}", previewing_policy())).await;
    let mut session = open(&gate).await;
    let pending = change(&session, "UPDATE patients SET a = $1");
    let ran = session.preview(&pending, vec![b"run".to_vec()], &[]).await.unwrap();
    assert!(ran.unwrap_err().contains("sealed"));
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    assert!(plan.find(|event| event.kind() == Kind::PreviewRun).is_empty());
}

/// Requests of one requester that wait at once, at the most.
const WAITING_MAX: usize = 32;

#[tokio::test]
async fn a_request_has_its_place_before_its_run_and_nothing_is_run_without_one() {
    let (gate, _keeper, _) = start(&previewing_policy()).await;
    let mut session = open(&gate).await;
    let mut waiting = Vec::new();
    for number in 0..WAITING_MAX {
        let mut pending = change(&session, &format!("UPDATE patients SET a{number} = $1"));
        assert!(session.is_to_preview(&mut pending).await.unwrap(), "{number}");
        waiting.push(pending);
    }
    let mut more = change(&session, "UPDATE patients SET b = $1");
    assert!(!session.is_to_preview(&mut more).await.unwrap());
    let Err(NotAsked::Denied(denial)) = session.ask(more).await else {
        panic!("as many wait as may");
    };
    assert!(denial.reason().contains("32 requests"), "{}", denial.reason());
    // Those that have a place are asked about in it.
    session.ask(waiting.pop().unwrap()).await.unwrap();
    session.close("agent").await.unwrap();
}

#[tokio::test]
async fn a_requester_has_one_run_at_a_time_in_whatever_session() {
    let (gate, keeper, _) = start(&previewing_policy()).await;
    let (mut one, mut other) = (open(&gate).await, open(&gate).await);
    let first = change(&one, "UPDATE patients SET a = $1");
    let ran = one.preview(&first, vec![b"run".to_vec()], &[]).await.unwrap().unwrap();
    let second = change(&other, "UPDATE patients SET b = $1");
    let refused = other.preview(&second, vec![b"run".to_vec()], &[]).await.unwrap();
    assert!(refused.unwrap_err().starts_with("too many"));
    drop(ran);
    assert!(
        other
            .preview(&second, vec![b"run".to_vec()], &[])
            .await
            .unwrap()
            .is_ok()
    );
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(plan.find(|event| event.kind() == Kind::PreviewRun).len(), 2);
}

/// One of two sessions with the same command has run it when the other has asked: it goes on by the other's question, so no request
/// follows its run, but the command itself.
#[tokio::test]
async fn a_run_whose_question_another_session_has_asked_verifies() {
    let policy = previewing_policy().replacen("expires_s = 900", "expires_s = 900\nhold_s = 60", 1);
    let (gate, keeper, anchors) = start(&policy).await;
    let (mut one, mut other) = (open(&gate).await, open(&gate).await);
    let mut first = change(&one, "UPDATE patients SET a = $1");
    assert!(one.is_to_preview(&mut first).await.unwrap());
    let ran = one.preview(&first, vec![b"run".to_vec()], &[]).await.unwrap().unwrap();
    let second = change(&other, "UPDATE patients SET a = $1").unpreviewed("too many");
    let asked = other.ask(second).await.unwrap();
    let behind = one.ask(first.previewed(&ran, Ok(3))).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    let (own, behind) = tokio::join!(
        other.wait(asked, std::future::pending()),
        one.wait(behind, std::future::pending()),
    );
    let recorded = other.record(vec![own.unwrap().unwrap()]).await.unwrap();
    finish(&mut other, recorded[0].reply(), EndStatus::Complete).await;
    let Err(denial) = behind.unwrap() else {
        panic!("it was taken up by the other");
    };
    let recorded = one.refuse(denial).await.unwrap();
    finish(&mut one, recorded.reply(), EndStatus::Failed).await;
    one.close("agent").await.unwrap();
    other.close("agent").await.unwrap();

    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(plan.find(|event| event.kind() == Kind::ApprovalRequested).len(), 1);
    assert_eq!(findings(&verified(&plan, &anchors)), []);
}

#[tokio::test]
async fn a_count_is_told_within_its_time_and_no_later() {
    let (gate, keeper, anchors) = start(&previewing_policy()).await;
    for (later_us, told) in [(FRESH_US / 2, true), (FRESH_US, false)] {
        let mut session = open(&gate).await;
        let pending = change(&session, "UPDATE patients SET a = $1");
        let ran = session
            .preview(&pending, vec![b"run".to_vec()], &[])
            .await
            .unwrap()
            .unwrap();
        keeper.clock.0.fetch_add(later_us, Ordering::SeqCst);
        let asked = session.ask(pending.previewed(&ran, Ok(3))).await.unwrap();
        drop(ran);
        let plan = keeper.plan.lock().unwrap().clone();
        let requests = plan.find(|event| event.kind() == Kind::ApprovalRequested);
        let Body::ApprovalRequested(body) = &plan.event(*requests.last().unwrap()).body else {
            panic!("requests were looked for")
        };
        assert_eq!(body.preview == Some(Previewed::Rows(3)), told, "{:?}", body.preview);
        drop(asked);
        session.close("agent").await.unwrap();
    }
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
}
