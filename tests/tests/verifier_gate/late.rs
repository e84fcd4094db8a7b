//! What is said long after: of a question that was settled, and after which so many others were asked that it stands in memory no
//! longer. Whatever is said of it, what is found is the same as if nothing had stood in between.

use exhibit_schemas::event::access::{Command, SessionClosed};
use exhibit_schemas::event::approval::ApprovalRequested;
use exhibit_schemas::event::{SessionId, SessionPlace};

use super::*;

/// Questions that stand in between: more than the verifier holds in memory of sessions, questions or decisions, and few enough that a test
/// may put them in many places.
const CROWD: u64 = 150;

/// A session that asks, what somebody decided about it, and a close: what a crowd is made of.
struct Asker {
    opened: Event,
    requested: Event,
    decided: (u8, Event),
    closed: Event,
}

impl Asker {
    /// As the first one of a log.
    fn of(plan: &Plan) -> Self {
        let first = |fits: &dyn Fn(&Event) -> bool| plan.find(fits)[0];
        let place = first(&|event| matches!(event.body, Body::ApprovalRequested(_)));
        let requested = plan.event(place).clone();
        let session = requested.session.unwrap().0;
        let of_session = |event: &Event| event.session.is_some_and(|place| place.0 == session);
        let opened = first(&|event| of_session(event) && matches!(event.body, Body::SessionOpened(_)));
        let closed = first(&|event| of_session(event) && matches!(event.body, Body::SessionClosed(_)));
        let decided = first(&|event| matches!(&event.body, Body::ApprovalDecided(body) if body.session == session));
        Self {
            opened: plan.event(opened).clone(),
            requested,
            decided: (plan.batches[decided.0].seed, plan.event(decided).clone()),
            closed: plan.event(closed).clone(),
        }
    }

    /// The events of one more, whose session has that number: what it begins with, what is decided, and its close.
    fn events(&self, number: u64, time: Timestamp) -> [Vec<Planned>; 3] {
        let mut id = [0xcc; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        let session = SessionId(id);
        let event = |of: &Event, sequence: Option<u64>, body: Body| {
            Planned::new(Event {
                time,
                emitter: of.emitter,
                session: sequence.map(|sequence| SessionPlace(session, sequence)),
                body,
            })
        };
        let opened = event(&self.opened, Some(0), self.opened.body.clone());
        let requested = event(&self.requested, Some(1), self.requested.body.clone());
        let (_, decided) = &self.decided;
        let Body::ApprovalDecided(body) = &decided.body else {
            panic!("a decision was looked for");
        };
        let body = ApprovalDecided {
            request: requested.leaf,
            session,
            ..body.clone()
        };
        let decided = event(decided, None, body.into());
        let body = SessionClosed {
            reason: "agent".into(),
            commands: 0,
            bytes: 0,
        };
        let closed = event(&self.closed, Some(2), body.into());
        [vec![opened, requested], vec![decided], vec![closed]]
    }

    /// The batches of a crowd: three, since what is shown is not what seals cost.
    fn crowd(&self, first: u64, time: Timestamp) -> [Batch; 3] {
        let mut events = [Vec::new(), Vec::new(), Vec::new()];
        for number in first..first + CROWD {
            for (all, one) in events.iter_mut().zip(self.events(number, time)) {
                all.extend(one);
            }
        }
        let [began, decided, closed] = events;
        let batch = |seed, events| Batch { seed, events };
        [
            batch(PROXY, began),
            batch(self.decided.0, decided),
            batch(PROXY, closed),
        ]
    }
}

/// The same log with a crowd in front of each batch that says something of what people were asked, or that comes of it.
fn crowded(plan: &Plan, asker: &Asker) -> Plan {
    let mut crowded = Plan::default();
    let (mut number, mut begun, mut now) = (0, false, Timestamp(0));
    for batch in &plan.batches {
        let says = |planned: &Planned| {
            matches!(
                planned.event.body,
                Body::ApprovalRequested(_)
                    | Body::ApprovalDecided(_)
                    | Body::ApprovalRevoked(_)
                    | Body::Command(_)
                    | Body::ResponseChunk(_)
                    | Body::ResponseEnd(_)
                    | Body::SessionClosed(_)
            )
        };
        if begun && batch.events.iter().any(says) {
            crowded.batches.extend(asker.crowd(number, now));
            number += CROWD;
        }
        for planned in &batch.events {
            now = now.max(planned.event.time);
            begun |= matches!(planned.event.body, Body::ApprovalRequested(_));
        }
        crowded.batches.push(batch.clone());
    }
    assert!(number >= 3 * CROWD, "there is something to be said later");
    for place in crowded.find(|event| matches!(event.body, Body::ApprovalRevoked(_))) {
        let Body::ApprovalRevoked(mut body) = crowded.event(place).body.clone() else {
            panic!("a revocation was looked for");
        };
        body.index = index_of(&crowded, body.request).unwrap_or(body.index);
        crowded.event_mut(place).body = body.into();
    }
    crowded
}

/// Index of the event that is called so.
fn index_of(plan: &Plan, leaf: Digest) -> Option<u64> {
    let mut index = 0;
    for batch in &plan.batches {
        for planned in &batch.events {
            if planned.leaf == leaf {
                return Some(index);
            }
            index += 1;
        }
        index += 1; // its seal
    }
    None
}

/// What is found, without indexes, which a crowd moves.
fn found(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let without = |detail: &str| {
        let mut parts = detail.split('#');
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + "#" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
        })
    };
    let found = findings(outcome).into_iter();
    found.map(|(code, detail)| (code, without(detail))).collect()
}

/// What the report lists of questions, but for those of the crowd; nothing of a log that is refused.
fn questions(outcome: &Outcome) -> Vec<String> {
    let Outcome::Verified(verified) = outcome else {
        return Vec::new();
    };
    let lines = verified.get().evidence.approvals.iter();
    let lines = lines.filter(|line| !line.session.starts_with("cccccccc"));
    lines
        .map(|line| {
            let people = |people: Vec<&String>| format!("{people:?}");
            let decided = people(line.decisions.iter().map(|decision| &decision.person).collect());
            let revoked = people(line.revocations.iter().map(|revoked| &revoked.person).collect());
            let grant = line.grant.as_ref().map(|grant| grant.used);
            format!(
                "{} rows, decided {decided}, revoked {revoked}, grant {grant:?}",
                line.rows
            )
        })
        .collect()
}

/// Holds that a crowd as the first of an honest log changes nothing of what is found in one; gives the codes.
fn same(what: &str, plan: &Plan, (honest, anchors): (&Plan, &TrustAnchors)) -> Vec<&'static str> {
    let alone = verified(plan, anchors);
    let among = verified(&crowded(plan, &Asker::of(honest)), anchors);
    assert_eq!(found(&among), found(&alone), "{what}");
    assert_eq!(questions(&among), questions(&alone), "{what}");
    if let Outcome::Verified(verified) = &among {
        let all = verified.get().evidence.lines["approvals"];
        assert!(
            all > CROWD,
            "{what}: all of them are handed out, and not the first alone: {all}"
        );
    }
    findings(&alone).into_iter().map(|(code, _)| code).collect()
}

fn change<'a, T: 'a>(plan: &'a mut Plan, number: usize, of: fn(&mut Body) -> Option<&mut T>) -> &'a mut T {
    let places = plan.find(|event| of(&mut event.body.clone()).is_some());
    of(&mut plan.event_mut(places[number]).body).unwrap()
}

fn command(body: &mut Body) -> Option<&mut Command> {
    match body {
        Body::Command(body) => Some(body),
        _ => None,
    }
}

fn requested(body: &mut Body) -> Option<&mut ApprovalRequested> {
    match body {
        Body::ApprovalRequested(body) => Some(body),
        _ => None,
    }
}

fn decided(body: &mut Body) -> Option<&mut ApprovalDecided> {
    match body {
        Body::ApprovalDecided(body) => Some(body),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_taken_back_long_after_is() {
    let (plan, anchors) = revoked::left_open().await;
    assert_eq!(same("taken back", &plan, (&plan, &anchors)), [""; 0]);
    let mut without = plan.clone();
    let revocation = without.find(|event| matches!(event.body, Body::ApprovalRevoked(_)))[0];
    without.remove(revocation);
    // A limit of rows is a reason to stop, too.
    for number in 0..2 {
        change(&mut without, number, decided).terms = None;
    }
    assert_eq!(
        same("not taken back", &without, (&plan, &anchors)),
        ["approval-stopped"]
    );

    let (plan, anchors) = revoked::log().await;
    assert_eq!(same("limited, stopped, refused", &plan, (&plan, &anchors)), [""; 0]);
    let mut more = plan.clone();
    change(&mut more, 0, decided).terms.as_mut().unwrap().rows = Some(1);
    assert_eq!(same("more rows", &more, (&plan, &anchors)), ["approval-rows"]);
}

#[tokio::test]
async fn what_is_taken_up_or_used_again_long_after_is() {
    let (plan, anchors) = retried::log().await;
    assert_eq!(same("taken up", &plan, (&plan, &anchors)), [""; 0]);
    let mut twice = plan.clone();
    let taken_up = change(&mut twice, 1, command).clone();
    *change(&mut twice, 3, command) = taken_up;
    let found = same("taken up twice", &twice, (&plan, &anchors));
    assert!(found.contains(&"approval-reused"), "{found:?}");
    let mut other = plan.clone();
    change(&mut other, 1, command).digest = Digest::of(b"DROP TABLE patients");
    let found = same("another command", &other, (&plan, &anchors));
    assert!(found.contains(&"approval-binding"), "{found:?}");
}

#[tokio::test]
async fn what_passes_by_a_grant_long_after_is_counted() {
    let (plan, anchors) = granted::log().await;
    assert_eq!(same("granted", &plan, (&plan, &anchors)), [""; 0]);
    let mut once = plan.clone();
    for number in 0..2 {
        let terms = change(&mut once, number, decided).terms.as_mut().unwrap();
        terms.grant.as_mut().unwrap().uses = 1;
    }
    assert_eq!(same("one use", &once, (&plan, &anchors)), ["grant-uses"]);
    let mut other = plan.clone();
    change(&mut other, 1, command).statement.push(';');
    assert_eq!(same("another statement", &other, (&plan, &anchors)), ["grant-scope"]);
}

#[tokio::test]
async fn what_passes_in_an_emergency_is_reviewed_long_after() {
    let (plan, anchors) = emergency::log().await;
    let found = same("nobody's", &plan, (&plan, &anchors));
    assert_eq!(found, ["emergency-used"]);
    let mut longer = plan.clone();
    let stated = change(&mut longer, 0, requested).requirement.emergency.as_mut();
    stated.unwrap().minutes += 1;
    let found = same("longer than its policy has it", &longer, (&plan, &anchors));
    assert!(found.contains(&"approval-requirement"), "{found:?}");
}

/// The same question twice in one log is one question, the later of the two, wherever either is kept.
#[tokio::test]
async fn an_event_that_stands_in_the_log_twice_confuses_nothing() {
    let (plan, anchors) = granted::log().await;
    for (kind, is_told) in [("approval-requested", true), ("approval-decided", false)] {
        let mut twice = plan.clone();
        let place = twice.find(|event| event.kind().as_str() == kind)[0];
        let again = twice.event(place).clone();
        let (batch, seed) = (place.0 + 1, twice.batches[place.0].seed);
        let events = vec![Planned::new(again)];
        twice.batches.insert(batch, Batch { seed, events });
        let found = same(kind, &twice, (&plan, &anchors));
        // An event of a session has its number, and one of a person has none.
        assert_eq!(!found.is_empty(), is_told, "{kind}: {found:?}");
    }
}
