//! Values that are tried count for everybody, over sessions and however a request ends, and after a restart nothing is tried.

use std::sync::atomic::Ordering;

use exhibit_policy::probe::{HOUR_US, before};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::Attribute;

use super::*;

const MASKS: &str = r#"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["*.ssn"]
technique = "redact"
predicates = "equality"
probes_per_hour = 3
[[masks]]
name = "mrn"
targets = ["clinic"]
resources = ["*.mrn"]
technique = "redact"
predicates = "ask"
approval = "dba"
probes_per_hour = 3
"#;

fn policy() -> String {
    format!("{POLICY}{MASKS}")
}

/// A request that tries so many values on a column.
fn trying(column: &str, values: u64) -> Request {
    let mut request = request(Action::Read);
    let name = format!("probe:public.t.{column}");
    request.facts.attributes.insert(name, Attribute::Integer(values));
    request
}

/// What was decided, and how many values were tried before, as the facts that are recorded with it say.
fn decided(session: &Session, column: &str, values: u64) -> (&'static str, Option<u64>) {
    let ruling = session.decide(trying(column, values));
    let (word, judged) = match &ruling {
        Ruling::Permit(permit) => ("allow", &permit.judged),
        Ruling::Pending(pending) => ("ask", &pending.judged),
        Ruling::Denial(denial) => ("deny", &denial.judged),
    };
    let facts = &judged.request.facts;
    let again = decide(&session.gate().policy(), session.principal(), session.target(), facts);
    assert_eq!(again, judged.decision, "it replays from its facts");
    (word, before(facts, column))
}

#[tokio::test]
async fn no_session_gives_values_of_its_own() {
    let World { session, clock, .. } = world_of(&policy()).await;
    assert_eq!(decided(&session, "ssn", 2), ("allow", Some(0)));
    let opening = Opening {
        target: "clinic".into(),
        protocol: "postgres".into(),
        expires: None,
        principal: Principal {
            evidence: Digest([7; 32]),
            ..session.principal().clone()
        },
        peer: "127.0.0.1:2".into(),
        transport: "TLSv1.3".into(),
        client: None,
        settings: Vec::new(),
        stateless: false,
    };
    let other = session.gate().open(opening).await.unwrap();
    assert_eq!(
        decided(&other, "ssn", 2),
        ("deny", Some(2)),
        "what is denied does not count"
    );
    assert_eq!(decided(&other, "ssn", 1), ("allow", Some(2)));
    assert_eq!(decided(&session, "ssn", 1), ("deny", Some(3)));
    assert_eq!(
        decided(&session, "mrn", 1),
        ("ask", Some(0)),
        "each mask counts for itself"
    );
    *clock.0.lock().unwrap() += HOUR_US - 1;
    assert_eq!(decided(&session, "ssn", 1), ("deny", Some(3)));
    *clock.0.lock().unwrap() += 1;
    assert_eq!(decided(&session, "ssn", 3), ("allow", Some(0)));
}

#[tokio::test]
async fn no_other_name_of_a_mask_gives_values_of_its_own() {
    let World { mut session, .. } = world_of(&policy()).await;
    assert_eq!(decided(&session, "ssn", 2), ("allow", Some(0)));
    let renamed = policy().replace("name = \"ssn\"", "name = \"numbers\"");
    let snapshot = Snapshot::parse(renamed.as_bytes()).unwrap();
    session
        .gate()
        .replace_policy((renamed.into_bytes(), snapshot))
        .await
        .unwrap();
    session.take_up_policy().await;
    let request = trying("ssn", 2);
    let Ruling::Denial(denial) = session.decide(request) else {
        panic!("it is not denied");
    };
    let facts = &denial.judged.request.facts;
    assert_eq!((before(facts, "numbers"), before(facts, "ssn")), (Some(2), None));
    let Ruling::Permit(permit) = session.decide(trying("ssn", 1)) else {
        panic!("one is left");
    };
    assert_eq!(before(&permit.judged.request.facts, "numbers"), Some(2));
}

#[tokio::test]
async fn what_people_are_asked_about_counts_whatever_they_say() {
    let World {
        memory, mut session, ..
    } = world_of(&policy()).await;
    let Ruling::Pending(pending) = session.decide(trying("mrn", 2)) else {
        panic!("nobody is asked");
    };
    let asked = session.ask(pending).await.unwrap();
    let last = memory.events.lock().unwrap().last().map(|event| event.body.clone());
    let Some(Body::ApprovalRequested(body)) = last else {
        panic!("{last:?}");
    };
    let tried = body.facts.attributes.get("probe:public.t.mrn");
    assert_eq!(tried, Some(&Attribute::Integer(2)), "whoever approves sees it");
    let denial = session.wait(asked, std::future::ready(())).await.unwrap().unwrap_err();
    assert_eq!(denial.outcome(), Outcome::Expired);
    assert_eq!(decided(&session, "mrn", 2), ("deny", Some(2)));
    assert_eq!(decided(&session, "mrn", 1), ("ask", Some(2)));
}

#[tokio::test]
async fn after_a_restart_nothing_is_tried_for_an_hour() {
    let memory = Memory::new();
    memory.before.store(true, Ordering::SeqCst);
    let clock = Arc::new(Standing(Mutex::new(NOW_US)));
    let World { session, .. } = world_in(&policy(), None, memory, Arc::clone(&clock)).await;
    let Ruling::Denial(denial) = session.decide(trying("ssn", 1)) else {
        panic!("it is not denied");
    };
    assert!(
        denial.reason().contains("started again less than an hour ago"),
        "{}",
        denial.reason()
    );
    assert_eq!(decided(&session, "ssn", 1), ("deny", None));
    *clock.0.lock().unwrap() += HOUR_US - 1;
    assert_eq!(decided(&session, "ssn", 1), ("deny", None));
    *clock.0.lock().unwrap() += 1;
    assert_eq!(decided(&session, "ssn", 3), ("allow", Some(0)));
}
