//! Names of resources that are data, and sessions that know nothing of each other.

use exhibit_policy::decide::UNPROVEN;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Access, Action, Attribute, Outcome};

use super::*;

const NAMED: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "s3"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 600
hold_s = 1
[[rules]]
name = "secret"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["lake/*6789.csv"]
effect = "deny"
[[rules]]
name = "asked"
roles = ["ci"]
targets = ["clinic"]
actions = ["delete"]
effect = "ask"
approval = "privacy"
[[rules]]
name = "all"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write"]
effect = "allow"
"#;

fn named(action: Action, name: &str) -> Request {
    Request {
        names_are_data: true,
        facts: Facts {
            accesses: vec![Access(action, Some(name.into()))],
            attributes: BTreeMap::new(),
            columns: None,
        },
        ..request(action)
    }
}

#[tokio::test]
async fn evidence_has_the_category_and_a_digest_in_the_place_of_an_identifier() {
    let mut world = world_with(NAMED, None).await;
    let Ruling::Permit(permit) = world.session.decide(named(Action::Write, "lake/ssn-123-45-6789.csv")) else {
        panic!("it may pass")
    };
    world.session.record(vec![permit]).await.unwrap();
    let events = world.memory.events.lock().unwrap().clone();
    let command = events.into_iter().find_map(|event| match event.body {
        Body::Command(command) => Some(command),
        _ => None,
    });
    let Access(_, resource) = command.unwrap().facts.accesses.remove(0);
    let resource = resource.unwrap();
    assert!(
        resource.starts_with("lake/") && resource.contains("[ssn:"),
        "{resource}"
    );
    assert!(!resource.contains("6789"), "{resource}");
}

#[tokio::test]
async fn what_rules_say_otherwise_of_the_own_name_is_denied() {
    let world = world_with(NAMED, None).await;
    // By the name that evidence has, the rule `all` would allow it.
    let Ruling::Denial(denial) = world.session.decide(named(Action::Read, "lake/ssn-123-45-6789.csv")) else {
        panic!("it may not pass")
    };
    assert_eq!(denial.outcome(), Outcome::Denied);
    let attributes = &denial.judged.request.facts.attributes;
    assert!(
        matches!(attributes.get(UNPROVEN), Some(Attribute::Text(_))),
        "{attributes:?}"
    );
    // The same rule decides a name without an identifier by itself.
    let Ruling::Denial(denial) = world.session.decide(named(Action::Read, "lake/6789.csv")) else {
        panic!("it may not pass")
    };
    assert_eq!(denial.decision().rule.as_deref(), Some("secret"));
    let allowed = world.session.decide(named(Action::Read, "lake/ssn-123-45-6780.csv"));
    assert!(matches!(allowed, Ruling::Permit(_)), "{allowed:?}");
}

#[tokio::test]
async fn a_retry_is_the_same_in_another_stateless_session_whatever_ran_before() {
    for (stateless, taken_up) in [(true, true), (false, false)] {
        let world = world_with(NAMED, None).await;
        let gate = world.session.gate().clone();
        let open = || {
            gate.open(Opening {
                stateless,
                ..opening(None)
            })
        };
        let ask = async |session: &mut Session| {
            let Ruling::Pending(pending) = session.decide(named(Action::Delete, "lake/a")) else {
                panic!("people are asked")
            };
            session.ask(pending).await.unwrap()
        };
        let mut first = open().await.unwrap();
        let asked = ask(&mut first).await;
        let mut second = open().await.unwrap();
        let Ruling::Permit(permit) = second.decide(named(Action::Write, "lake/b")) else {
            panic!("it may pass")
        };
        second.record(vec![permit]).await.unwrap();
        let again = ask(&mut second).await;
        assert_eq!(
            again.question().id() == asked.question().id(),
            taken_up,
            "stateless: {stateless}"
        );
    }
}
