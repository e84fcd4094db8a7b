//! Emergency access: what the gate records of a use verifies, is reviewed or not, and what is planted beside it is found.

use exhibit_schemas::event::approval::Emergency;
use exhibit_schemas::event::trust::{EmergencyUse, Fault, KeyRevoked, ReviewSigned};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_tests::bundle_builder::clinic::{ADMINISTRATOR, DAVE};
use exhibit_verify::emergency::EmergencyLine;
use exhibit_verify::schedule::{Fault as Why, State};

use super::*;

type Place = (usize, usize);

const MINUTE_US: u64 = 60_000_000;

const HOUR_US: u64 = 60 * MINUTE_US;

/// Bob may use it, who approves nothing.
const EMERGENCY: &str = "emergency = { groups = [\"privacy\"], minutes = 10, reviewers = [\"dba\"], review_within_days = 1, targets = [\"clinic\"] }";

fn policy() -> String {
    // At the time of the log nobody may approve.
    let hours = "hours = { windows = [\"Mon 00:00-00:01\"] }";
    POLICY.replacen("expires_s = 900", &format!("expires_s = 900\n{hours}\n{EMERGENCY}"), 1)
}

fn row() -> Vec<Masked<Frame>> {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    let row = masker.row(
        vec![Some(b"x".to_vec())],
        &mut exhibit_policy::net::SessionNet::default(),
    );
    vec![row.unwrap()]
}

fn column() -> Vec<Column> {
    vec![Column {
        name: "note".into(),
        data_type: "text".into(),
        origin: None,
        technique: None,
        mask: None,
        patients: None,
    }]
}

/// One session with one command, which bob lets pass and which gives two rows back.
pub(super) async fn log() -> (Plan, TrustAnchors) {
    let (gate, keeper, anchors) = start(&policy()).await;
    let mut session = open(&gate).await;
    let Ruling::Pending(pending) = session.decide(request("ALTER TABLE patients ADD x text", Action::Define)) else {
        panic!("changes of the schema are asked about");
    };
    let asked = session.ask(pending).await.unwrap();
    keeper.decide(BOB, "bob", Verdict::Emergency);
    let permit = session.wait(asked, std::future::pending()).await.unwrap().unwrap();
    let mut reply = session.record(vec![permit]).await.unwrap()[0].reply();
    for columns in [Some(column()), None] {
        session.release(&mut reply, columns, row()).durable().await.unwrap();
    }
    finish(&mut session, reply, EndStatus::Complete).await;
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    (plan, anchors)
}

fn place(plan: &Plan, wanted: fn(&Body) -> bool) -> Place {
    *plan.find(|event| wanted(&event.body)).last().unwrap()
}

fn decision(plan: &Plan) -> Place {
    place(plan, |body| matches!(body, Body::ApprovalDecided(_)))
}

fn decided(plan: &mut Plan) -> &mut ApprovalDecided {
    let place = decision(plan);
    let Body::ApprovalDecided(body) = &mut plan.event_mut(place).body else {
        panic!("a decision was looked for");
    };
    body
}

fn emergency(plan: &mut Plan) -> &mut Option<Box<Emergency>> {
    let place = place(plan, |body| matches!(body, Body::ApprovalRequested(_)));
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    &mut body.requirement.emergency
}

fn command(plan: &Plan) -> Place {
    place(plan, |body| matches!(body, Body::Command(_)))
}

/// The first of the two rows, and the second.
fn chunk(plan: &Plan, number: usize) -> Place {
    plan.find(|event| matches!(event.body, Body::ResponseChunk(_)))[number]
}

/// All that stands there and behind it comes so much later.
fn delay(plan: &mut Plan, from: Place, by_us: u64) {
    for batch in &mut plan.batches[from.0..] {
        batch.events.iter_mut().for_each(|one| one.event.time.0 += by_us);
    }
}

fn resign(plan: &mut Plan, place: Place, seed: u8) {
    plan.batches[place.0].seed = seed;
    plan.event_mut(place).emitter = Emitter(key_id(seed), START + 1_000 + u64::from(seed));
}

fn append(plan: &mut Plan, seed: u8, time_us: u64, body: Body) {
    let event = Event {
        time: Timestamp(time_us),
        emitter: Emitter(key_id(seed), START + 2_000 + u64::from(seed)),
        session: None,
        body,
    };
    let events = vec![Planned::new(event)];
    plan.batches.push(Batch { seed, events });
}

/// A proxy says something so long after the beginning.
fn passes(plan: &mut Plan, after_us: u64) {
    let fault = Fault {
        place: "gate".into(),
        text: "nothing".into(),
    };
    append(plan, PROXY, START + after_us, fault.into());
}

/// What somebody reviews who looks at all of it.
fn reviewed(
    plan: &Plan,
    change: impl FnOnce(&mut EmergencyUse, &mut (Timestamp, Timestamp), &mut TreeSize),
) -> ReviewSigned {
    let built = plan.build();
    let decided = built.index_of(decision(plan));
    let entry = &built.entries[usize::try_from(decided.0).unwrap()];
    let mut used = EmergencyUse {
        index: decided,
        decision: Digest::leaf(entry),
        session: Event::decode(entry).unwrap().about().unwrap(),
    };
    let mut period = (Timestamp(START + 1_000_000), Timestamp(START + HOUR_US));
    let mut size = TreeSize(u64::try_from(built.entries.len()).unwrap());
    change(&mut used, &mut period, &mut size);
    let entries = &built.entries[..usize::try_from(size.0).unwrap()];
    let mut population = Population::new(Scope::All, period, size).of_use(Some(used));
    for (index, entry) in (0..).zip(entries) {
        if entry.first() != Some(&SEAL_FIRST_BYTE) {
            let event = Event::decode(entry).unwrap();
            population.take(Index(index), Digest::leaf(entry), &event);
        }
    }
    population.signed(checkpoint(entries, ORIGIN, LOG).root(), "it was one".into())
}

/// Somebody reviews it so long after the beginning, and the log goes on for two days.
fn review(plan: &mut Plan, seed: u8, after_us: u64, said: ReviewSigned) {
    passes(plan, after_us);
    append(plan, seed, START + after_us, said.into());
}

fn whole(plan: &Plan) -> ReviewSigned {
    reviewed(plan, |_, _, _| ())
}

fn lines(outcome: &Outcome) -> Vec<EmergencyLine> {
    let Outcome::Verified(verified) = outcome else {
        panic!("it verifies: {:?}", findings(outcome));
    };
    verified.get().evidence.emergencies.clone()
}

fn codes(outcome: &Outcome) -> Vec<&'static str> {
    findings(outcome).into_iter().map(|(code, _)| code).collect()
}

#[tokio::test]
async fn a_use_is_told_with_all_of_it_and_reviewed_by_somebody_else() {
    let (mut plan, anchors) = log().await;
    let population = whole(&plan);
    // The session's own events, with the words of people about it, and of no other session.
    let kinds: Vec<_> = population
        .counts
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(
        kinds,
        [
            ("approval-decided", 1),
            ("approval-requested", 1),
            ("command", 1),
            ("response-chunk", 3),
            ("response-end", 1),
            ("session-closed", 1),
            ("session-opened", 1),
        ]
    );
    review(&mut plan, ALICE, 2 * HOUR_US, population);
    let outcome = verified(&plan, &anchors);
    assert_eq!(codes(&outcome), ["emergency-used"]);
    let [line] = &lines(&outcome)[..] else {
        panic!("there is one use")
    };
    assert_eq!(
        (line.person.as_str(), line.reason.as_str(), line.rows),
        ("bob", "reviewed", 2)
    );
    assert_eq!(
        (line.target.as_str(), line.subject.as_deref()),
        ("clinic", Some("ci-agent"))
    );
    assert_eq!(line.statement, "ALTER TABLE patients ADD x text");
    assert_eq!((line.state, line.reviews[0].person.as_str()), (State::Done, "alice"));
    let report = Report::of(&outcome);
    assert!(report.html().contains("Emergency access (1)"));
    let control = report
        .controls
        .iter()
        .find(|control| control.cite == "164.312(a)(2)(ii)");
    let control = control.unwrap();
    assert_eq!((control.count, control.result.as_str()), (1, "no exception among 1"));
    // A review of one use is of no period, and so of none that a policy asks for.
    let Outcome::Verified(verified) = &outcome else {
        panic!("it verifies")
    };
    assert_eq!(verified.get().evidence.reviews[0].emergency, Some(line.decision));
}

/// How the use stands, whose reviews do not count and why, and what is noted, after that was done.
type Class = (
    &'static str,
    fn(&mut Plan),
    State,
    &'static [Why],
    &'static [&'static str],
);

const CLASSES: [Class; 13] = [
    ("nobody reviewed it, and there is time", |_| (), State::Due, &[], &[]),
    (
        "nobody reviewed it",
        |plan| passes(plan, 48 * HOUR_US),
        State::Overdue,
        &[],
        &["emergency-unreviewed"],
    ),
    (
        "late",
        |plan| {
            let said = whole(plan);
            review(plan, ALICE, 48 * HOUR_US, said);
        },
        State::Late,
        &[],
        &["emergency-review-late"],
    ),
    (
        "late by a clock that was set back",
        |plan| {
            let said = whole(plan);
            passes(plan, 48 * HOUR_US);
            append(plan, ALICE, START + 2 * HOUR_US, said.into());
        },
        State::Late,
        &[],
        &["emergency-review-late", "time-apart"],
    ),
    (
        "by the one who let it pass",
        |plan| {
            let said = whole(plan);
            review(plan, BOB, 2 * HOUR_US, said);
            passes(plan, 48 * HOUR_US);
        },
        State::Overdue,
        &[Why::Own],
        &["emergency-review-own", "emergency-unreviewed", "review-own"],
    ),
    (
        "by the one who let it pass, and by another",
        |plan| {
            for seed in [BOB, ALICE] {
                let said = whole(plan);
                review(plan, seed, 2 * HOUR_US, said);
            }
        },
        State::Done,
        &[Why::Own],
        &["emergency-review-own", "review-own"],
    ),
    (
        "of a part of its time",
        |plan| {
            let end = plan.event(chunk(plan, 1)).time;
            let said = reviewed(plan, |_, period, _| period.1 = end);
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[Why::Cut],
        &[],
    ),
    (
        "from after its request on",
        |plan| {
            let from = plan.event(command(plan)).time;
            let said = reviewed(plan, |_, period, _| period.0 = from);
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[Why::Cut],
        &[],
    ),
    (
        "of a log that ends within it",
        |plan| {
            let last = plan.build().index_of(chunk(plan, 1));
            let said = reviewed(plan, |_, _, size| *size = TreeSize(last.0));
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[Why::Cut],
        &["review-later"],
    ),
    (
        "of another session",
        |plan| {
            let said = reviewed(plan, |used, _, _| used.session.0[0] ^= 1);
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[Why::False],
        &[],
    ),
    (
        "of other events",
        |plan| {
            let mut said = whole(plan);
            said.population = Digest([1; 32]);
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[Why::False],
        &["review-population"],
    ),
    (
        "of something that was no emergency",
        |plan| {
            let said = reviewed(plan, |used, _, _| used.decision = Digest([1; 32]));
            review(plan, ALICE, 2 * HOUR_US, said);
        },
        State::Due,
        &[],
        &["review-log"],
    ),
    (
        "with a key that was revoked before it was due",
        |plan| {
            let said = whole(plan);
            review(plan, ALICE, 2 * HOUR_US, said);
            let (key, reason) = (key_id(ALICE), "lost".to_owned());
            append(
                plan,
                ADMINISTRATOR,
                START + 3 * HOUR_US,
                KeyRevoked { key, reason }.into(),
            );
        },
        State::Due,
        &[Why::Revoked],
        &[],
    ),
];

#[tokio::test]
async fn whether_a_use_was_reviewed_is_told() {
    let (honest, anchors) = log().await;
    for (what, change, state, uncounted, notes) in CLASSES {
        let mut plan = honest.clone();
        change(&mut plan);
        let outcome = verified(&plan, &anchors);
        let line = &lines(&outcome)[0];
        assert_eq!(line.state, state, "{what}: {:?}", findings(&outcome));
        let found: Vec<_> = line.uncounted.iter().map(|review| review.why).collect();
        assert_eq!(found, uncounted, "{what}");
        let mut found = codes(&outcome);
        found.retain(|code| *code != "emergency-used");
        found.sort_unstable();
        assert_eq!(found, notes, "{what}: {:?}", findings(&outcome));
    }
}

/// What is found of an honest log with that change.
fn planted(honest: &Plan, anchors: &TrustAnchors, what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]) {
    let mut plan = honest.clone();
    change(&mut plan);
    let outcome = verified(&plan, anchors);
    let mut found = codes(&outcome);
    found.retain(|code| *code != "emergency-used");
    assert_eq!(found, wanted, "{what}: {:?}", findings(&outcome));
    assert!(matches!(outcome, Outcome::Refused(_)), "{what}");
}

#[tokio::test]
async fn what_nobody_may_is_found() {
    let (honest, anchors) = log().await;
    let check =
        |what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]| planted(&honest, &anchors, what, change, wanted);
    let uncounted = "approval-uncounted";
    check(
        "by somebody who is not on the list",
        &|plan| {
            let place = decision(plan);
            resign(plan, place, CAROL);
        },
        &[uncounted, "emergency-initiator"],
    );
    check(
        "without a reason",
        &|plan| decided(plan).reason = "  ".into(),
        &[uncounted, "emergency-reason"],
    );
    check(
        "where nobody may",
        &|plan| *emergency(plan) = None,
        // And nobody could review it.
        &[
            "approval-requirement",
            uncounted,
            "emergency-policy",
            "emergency-unreviewed",
        ],
    );
    check(
        "by a list that is not the policy's",
        &|plan| emergency(plan).as_mut().unwrap().groups.push("dba".into()),
        &["approval-requirement"],
    );
    check(
        "for longer than the policy says",
        &|plan| emergency(plan).as_mut().unwrap().minutes += 1,
        &["approval-requirement"],
    );
    check(
        "with more time for its review",
        &|plan| emergency(plan).as_mut().unwrap().review_within_days += 1,
        &["approval-requirement"],
    );
    check(
        "as an approval of somebody who approves nothing",
        &|plan| decided(plan).verdict = Verdict::Approve,
        &[uncounted, "approval-hours", "approval-group"],
    );
    check(
        "of another command",
        &|plan| decided(plan).command = Digest([9; 32]),
        &[uncounted, "approval-binding"],
    );
}

#[tokio::test]
async fn keys_and_times_that_are_planted_beside_it_are_found() {
    let (honest, anchors) = log().await;
    let check =
        |what: &str, change: &dyn Fn(&mut Plan), wanted: &[&str]| planted(&honest, &anchors, what, change, wanted);
    check(
        "with a key that was revoked before it was used",
        &|plan| {
            let (key, reason) = (key_id(BOB), "lost".to_owned());
            let at = plan.event(command(plan)).time.0;
            append(plan, ADMINISTRATOR, at, KeyRevoked { key, reason }.into());
            let revoked = plan.batches.pop().unwrap();
            let place = command(plan);
            delay(plan, place, 2 * MINUTE_US);
            plan.batches.insert(place.0, revoked);
        },
        &["approval-revoked"],
    );
    check(
        "after its time",
        &|plan| {
            let place = command(plan);
            delay(plan, place, 12 * MINUTE_US);
        },
        &["emergency-over", "emergency-over"],
    );
    check(
        "released after its time, told once",
        &|plan| {
            let place = chunk(plan, 1);
            delay(plan, place, 12 * MINUTE_US);
        },
        &["emergency-over"],
    );
    check(
        "for longer by a clock that was ahead",
        &|plan| {
            let place = decision(plan);
            plan.event_mut(place).time.0 += 12 * MINUTE_US;
            let place = chunk(plan, 1);
            delay(plan, place, 12 * MINUTE_US);
        },
        &["emergency-over", "time-apart"],
    );
    check(
        "signed with a key that was revoked by then",
        &|plan| {
            let place = decision(plan);
            resign(plan, place, DAVE);
            let (key, reason) = (key_id(DAVE), "left".to_owned());
            let at = plan.event(place).time.0 - 1;
            append(plan, ADMINISTRATOR, at, KeyRevoked { key, reason }.into());
            let revoked = plan.batches.pop().unwrap();
            plan.batches.insert(place.0, revoked);
        },
        &["key-not-in-force", "approval-uncounted", "emergency-initiator"],
    );
}
