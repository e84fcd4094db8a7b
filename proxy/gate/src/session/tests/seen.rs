//! What a proxy says was seen, and when it knows.

use std::sync::{Arc, Mutex};

use exhibit_policy::seen;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Action};

use super::super::{Permit, Reach, Request, Ruling, Session, Transaction};
use super::{NOW_US, POLICY, World, opening, request, waits, world_in, world_of};
use crate::memory::{Memory, Mode, Standing};
use crate::recorder::Keeping;

const RULE: &str = r#"
[[rules]]
name = "known"
roles = ["agent"]
targets = ["clinic"]
actions = ["read", "execute"]
when = { first_seen = false }
effect = "allow"
"#;

/// Under which both kinds of reads pass, by different rules.
fn policy() -> String {
    POLICY.replacen("[[rules]]", &format!("{RULE}[[rules]]"), 1)
}

fn reads(statement: &str) -> Request {
    Request {
        statement: statement.to_owned(),
        reach: Reach::Nothing,
        ..request(Action::Read)
    }
}

/// The permit of a request, and whether that is said to have been seen.
fn permit(session: &Session, request: Request) -> (Permit, bool) {
    let Ruling::Permit(permit) = session.decide(request) else {
        panic!("both rules allow");
    };
    let claimed = seen::is_claimed(&permit.judged.request.facts);
    let rule = permit.decision().rule.clone().unwrap();
    assert_eq!(rule, if claimed { "known" } else { "reads" });
    (permit, claimed)
}

fn is_known(session: &Session, request: Request) -> bool {
    permit(session, request).1
}

async fn pass(session: &mut Session, request: Request) {
    let (permit, _) = permit(session, request);
    session.record(vec![permit]).await.unwrap();
}

#[tokio::test]
async fn what_passed_is_known_by_all_but_its_values() {
    let World { mut session, .. } = world_of(&policy()).await;
    let statement = "SELECT <string>";
    assert!(!is_known(&session, reads(statement)));
    pass(&mut session, reads(statement)).await;
    let other = Request {
        exact: b"other values".to_vec(),
        ..reads(statement)
    };
    assert!(is_known(&session, other));
    assert!(!is_known(&session, reads("SELECT <string>, 1")));
    let typed = Request {
        parameters: vec!["int4".to_owned()],
        ..reads(statement)
    };
    assert!(!is_known(&session, typed));
    // Another session of the same account, and one of somebody else.
    let again = session.gate().open(opening(None)).await.unwrap();
    assert!(is_known(&again, reads(statement)));
    let mut opening = opening(None);
    opening.principal.groups = vec!["more".to_owned()];
    let grouped = session.gate().open(opening.clone()).await.unwrap();
    assert!(is_known(&grouped, reads(statement)));
    opening.principal.issuer = "other".to_owned();
    let other = session.gate().open(opening).await.unwrap();
    assert!(!is_known(&other, reads(statement)));
}

/// Where the same record can be something else, what passed says nothing of it.
#[tokio::test]
async fn what_runs_unknown_code_or_goes_by_names_is_never_known() {
    let World { mut session, .. } = world_of(&policy()).await;
    let kinds: [fn(Request) -> Request; 2] = [
        |one| Request {
            reach: Reach::Anything,
            ..one
        },
        |one| Request { by_name: true, ..one },
    ];
    for kind in kinds {
        pass(&mut session, kind(reads("SELECT <string>"))).await;
        assert!(!is_known(&session, kind(reads("SELECT <string>"))));
    }
}

#[tokio::test]
async fn it_is_known_when_its_event_is_durable_and_not_before() {
    let World {
        memory, mut session, ..
    } = world_of(&policy()).await;
    let gate = session.gate().clone();
    let second = gate.open(opening(None)).await.unwrap();
    // Ahead of its event.
    let (first, _) = permit(&session, reads("SELECT 1"));
    session.clear(vec![first], Transaction::None).await.unwrap();
    assert!(!is_known(&second, reads("SELECT 1")));
    session.flush().unwrap();
    assert!(!is_known(&second, reads("SELECT 1")));
    // The next submission of the session waits for it.
    pass(&mut session, reads("SELECT 2")).await;
    assert!(is_known(&second, reads("SELECT 1")) && is_known(&second, reads("SELECT 2")));
    memory.mode.send_replace(Mode::Hold);
    let (third, _) = permit(&session, reads("SELECT 3"));
    let mut recording = Box::pin(session.record(vec![third]));
    assert!(waits(&mut recording) && !is_known(&second, reads("SELECT 3")));
    // The ledger has lost it.
    memory.mode.send_replace(Mode::Lose);
    assert!(recording.await.is_err());
    assert!(!is_known(&second, reads("SELECT 3")));
}

#[tokio::test]
async fn what_does_not_pass_is_not_known() {
    let denies = policy().replace("[[rules]]", "[[rules]]\nmode = \"observe\"");
    let World { mut session, .. } = world_of(&denies).await;
    for _ in 0..2 {
        let Ruling::Denial(denial) = session.decide(reads("SELECT 1")) else {
            panic!("nothing allows it");
        };
        assert!(!seen::is_claimed(&denial.judged.request.facts));
        session.refuse(denial).await.unwrap();
    }
}

#[tokio::test]
async fn the_next_run_knows_it_where_it_is_kept() {
    let place = tempfile::tempdir().unwrap();
    let known = |of: u8, pass_first: bool| {
        let keeping = Keeping {
            path: place.path().join("link.seen"),
            of: Digest([of; 32]),
        };
        async move {
            let clock = Arc::new(Standing(Mutex::new(NOW_US)));
            let World { mut session, .. } = world_in(&policy(), None, Memory::keeping(keeping), clock).await;
            if pass_first {
                pass(&mut session, reads("SELECT 1")).await;
            }
            is_known(&session, reads("SELECT 1"))
        }
    };
    assert!(known(1, true).await);
    assert!(known(1, false).await);
    assert!(!known(2, false).await, "of another log");
}

/// Where no rule of the target goes by it, facts do not say it, and nothing is remembered for later.
#[tokio::test]
async fn without_such_a_rule_nothing_is_said() {
    let World { mut session, .. } = world_of(POLICY).await;
    let Ruling::Permit(permit) = session.decide(reads("SELECT 1")) else {
        panic!("reads are allowed");
    };
    assert!(!seen::is_stated(&permit.judged.request.facts));
    session.record(vec![permit]).await.unwrap();
    let facts = reads("SELECT 1").facts;
    assert!(facts.accesses.iter().all(|Access(action, _)| *action == Action::Read));
    let principal = session.principal().clone();
    let known_by = seen::fingerprint(&principal, "clinic", "SELECT 1", &[], &facts).unwrap();
    assert!(!session.gate().seen().knows(&known_by));
}

/// Whether a target is asked how many rows it expects hangs on what is known, too.
#[tokio::test]
async fn what_is_known_says_whether_rows_are_estimated() {
    let many = RULE
        .replacen("known", "many", 1)
        .replacen(
            "effect = \"allow\"",
            "over = { estimated_rows = 10 }\neffect = \"deny\"",
            1,
        )
        .replacen("when = { first_seen = false }\n", "", 1);
    let new = RULE
        .replacen("known", "new", 1)
        .replacen("first_seen = false", "first_seen = true", 1)
        .replacen("effect = \"allow\"", "mode = \"observe\"\neffect = \"deny\"", 1);
    let World { session, .. } = world_of(&POLICY.replacen("[[rules]]", &format!("{new}{many}[[rules]]"), 1)).await;
    assert!(session.wants_estimate(&reads("SELECT 1")));
}
