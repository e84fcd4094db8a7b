//! Approvals that ended before anything came of them: what the gate records of them verifies.

use exhibit_gate::session::Permit;
use exhibit_schemas::event::trust::KeyRevoked;
use exhibit_tests::bundle_builder::clinic::ADMINISTRATOR;

use super::revoked::revoke;
use super::*;

/// A change that alice and carol approve.
async fn approved(session: &mut Session, keeper: &Keeper) -> Permit {
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(ALICE, "alice", Verdict::Approve);
    keeper.decide(CAROL, "carol", Verdict::Approve);
    session.wait(asked, std::future::pending()).await.unwrap().unwrap()
}

fn revoke_key(keeper: &Keeper, seed: u8) {
    let key = key_id(seed);
    let body = KeyRevoked {
        key,
        reason: "lost".into(),
    };
    let draft = Draft {
        session: None,
        body: body.into(),
    };
    keeper.keep(ADMINISTRATOR, vec![draft]);
    let _ = keeper.heard.send(Arc::new(Heard::Revoked(key)));
}

/// What the log says of commands that were asked about, and why their session ended.
fn outcomes(outcome: &Outcome) -> Vec<String> {
    let Outcome::Verified(verified) = outcome else {
        panic!("a bundle without findings is verified");
    };
    let commands = &verified.get().evidence.commands;
    commands.iter().map(|line| line.outcome.clone()).collect()
}

#[tokio::test]
async fn what_ended_while_something_beside_it_waited_verifies() {
    for (by_key, wanted) in [(false, ["expired", "refused"]), (true, ["expired", "expired"])] {
        let (gate, keeper, anchors) = start(POLICY).await;
        let mut session = open(&gate).await;
        let first = approved(&mut session, &keeper).await;
        let second = approved(&mut session, &keeper).await;
        if by_key {
            revoke_key(&keeper, CAROL);
        } else {
            revoke(&keeper, CAROL, "carol");
        }
        let ended = session.record(vec![first, second]).await.unwrap_err();
        assert!(matches!(ended, GateError::ApprovalEnded { .. }), "{ended}");
        session.close("policy").await.unwrap();
        let outcome = verified(&keeper.plan.lock().unwrap(), &anchors);
        assert_eq!(findings(&outcome), []);
        assert_eq!(outcomes(&outcome), wanted);
    }
}

#[tokio::test]
async fn what_ended_while_its_event_was_on_its_way_verifies() {
    for by_key in [false, true] {
        let (gate, keeper, anchors) = start(POLICY).await;
        let mut session = open(&gate).await;
        let permit = approved(&mut session, &keeper).await;
        // People speak while the ledger takes the command.
        let meanwhile = Arc::clone(&keeper);
        keeper.later(Box::new(move || {
            if by_key {
                revoke_key(&meanwhile, CAROL);
            } else {
                revoke(&meanwhile, CAROL, "carol");
            }
        }));
        let ended = session.record(vec![permit]).await.unwrap_err();
        assert!(matches!(ended, GateError::Approval { .. }), "{ended}");
        session.close("agent").await.unwrap();
        let plan = keeper.plan.lock().unwrap().clone();
        let outcome = verified(&plan, &anchors);
        assert_eq!(findings(&outcome), []);
        assert_eq!(outcomes(&outcome), ["approved"]);
        // The same close is found where nothing had ended.
        let mut without = plan;
        let place = without.find(|event| matches!(event.body, Body::KeyRevoked(_) | Body::ApprovalRevoked(_)));
        without.batches.remove(place.last().unwrap().0);
        let found: Vec<_> = findings(&verified(&without, &anchors))
            .iter()
            .map(|(code, _)| *code)
            .collect();
        assert_eq!(found, ["approval-stopped"]);
    }
}
