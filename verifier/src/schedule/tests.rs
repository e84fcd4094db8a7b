use std::collections::BTreeMap;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{Genesis, KeyRevoked, KeyRotated, PolicyInForce, ReviewSigned, Role};
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::key::{KeyBytes, KeyId};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::review::{Definition, Scope};

use super::{Fault, PeriodLine, Scheduled, Schedules, State, clipped, merged};
use crate::batch::Placed;
use crate::finding::{Code, Findings};
use crate::review::Review;

/// What is otherwise about a review.
type Change = fn(&mut Review);

const PROXY: KeyId = KeyId([1; 8]);
const OTHER: KeyId = KeyId([2; 8]);
const BOB: KeyId = KeyId([3; 8]);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is a time"))
}

fn policy(schedules: &[&str]) -> Snapshot {
    let section = |more: &&str| {
        format!(
            "[[reviews]]\nscope = \"commands\"\nevery = \"month\"\nwithin_days = 10\ngroups = [\"privacy\"]\n{more}\n"
        )
    };
    let text = format!("version = 1\n{}", schedules.iter().map(section).collect::<String>());
    Snapshot::parse(text.as_bytes()).unwrap()
}

/// A log as schedules see it.
#[derive(Default)]
struct Log {
    schedules: Schedules,
    findings: Findings,
    next: u64,
}

impl Log {
    fn placed(&mut self, time: &str, emitter: KeyId, body: Body) -> Placed {
        self.next += 1;
        Placed {
            index: Index(self.next),
            leaf: Digest([0; 32]),
            event: Event {
                time: at(time),
                emitter: Emitter(emitter, 1),
                session: None,
                body,
            },
            signer: None,
        }
    }

    fn event(&mut self, time: &str, emitter: KeyId, role: Role, body: Body) {
        let placed = self.placed(time, emitter, body);
        self.schedules.event(&placed, Some(role));
    }

    fn in_force(&mut self, time: &str, proxy: KeyId, policy: &Snapshot) {
        let body = PolicyInForce {
            policy: policy.digest(),
        };
        let placed = self.placed(time, proxy, body.into());
        self.schedules.event(&placed, Some(Role::Proxy));
        self.schedules.in_force(&placed, Some(policy), &mut self.findings);
    }

    fn revoke(&mut self, time: &str, key: KeyId) {
        let reason = "left".to_owned();
        self.event(
            time,
            KeyId([9; 8]),
            Role::Administrator,
            KeyRevoked { key, reason }.into(),
        );
    }

    fn says(&mut self, time: &str, person: KeyId) {
        let (key, reason) = (KeyId([8; 8]), String::new());
        self.event(time, person, Role::Person, KeyRevoked { key, reason }.into());
    }

    fn finish(mut self, reviews: Vec<Review>) -> (Scheduled, Findings) {
        (self.schedules.finish(reviews, &mut self.findings), self.findings)
    }

    fn passes(&mut self, time: &str) {
        let body = PolicyInForce {
            policy: Digest([0; 32]),
        };
        self.event(time, OTHER, Role::Proxy, body.into());
    }
}

/// A review that counts for what is looked at, of August 2026.
fn review(index: u64, person: &str) -> Review {
    Review {
        index: Index(index),
        time: at("2026-09-02"),
        signed: at("2026-09-02"),
        key: BOB,
        person: person.to_owned(),
        groups: vec!["privacy".to_owned()],
        scope: Scope::Commands,
        said: ReviewSigned {
            from: at("2026-08-01"),
            to: at("2026-09-01"),
            root: Digest([0; 32]),
            size: 10,
            finding: String::new(),
            scope: "commands".to_owned(),
            population: Digest([0; 32]),
            counts: BTreeMap::new(),
            definition: Some(Definition::Second),
            emergency: None,
        },
        fault: None,
        own: 0,
        later: 0,
        first_later: None,
    }
}

/// How August 2026 stands on 15 September, or then, with these reviews.
fn august(reviews: Vec<Review>, now: &str) -> PeriodLine {
    let mut log = Log::default();
    log.in_force("2026-07-20T10:00:00Z", PROXY, &policy(&["name = \"r\""]));
    let (scheduled, _) = log.finish(reviews);
    let (lines, more) = scheduled.periods(at(now));
    assert!(!more);
    let august = |line: &PeriodLine| line.from.starts_with("2026-08-01");
    lines.into_iter().find(august).expect("it is over")
}

fn spans(scheduled: &Scheduled, now: &str) -> Vec<(String, String, String)> {
    let (lines, _) = scheduled.periods(at(now));
    let short = |time: String| time.trim_end_matches(":00.000000Z").to_owned();
    let line = |line: PeriodLine| (line.schedule, short(line.from), short(line.to));
    lines.into_iter().map(line).collect()
}

#[test]
fn a_schedule_asks_for_what_of_each_period_it_held() {
    let (none, plain) = (policy(&[]), policy(&["name = \"r\""]));
    let more = policy(&["name = \"s\"\nown = \"allow\"", "name = \"r\""]);
    let mut log = Log::default();
    log.in_force("2026-03-15T12:00:00Z", PROXY, &plain);
    // Another policy with the same schedule changes nothing, and neither does the same one again.
    log.in_force("2026-03-20T12:00:00Z", PROXY, &more);
    log.in_force("2026-03-21T12:00:00Z", PROXY, &more);
    log.in_force("2026-05-10T12:00:00Z", PROXY, &none);
    log.in_force("2026-05-20T12:00:00Z", OTHER, &plain);
    log.in_force("2026-05-21T12:00:00Z", OTHER, &none);
    log.in_force("2026-07-01T00:00:00Z", OTHER, &plain);
    // When a proxy's key ended is said by the log's clock: an administrator could date it back to before it held anything.
    log.passes("2026-07-05T00:00:00Z");
    log.revoke("2026-06-01T00:00:00Z", OTHER);
    let (scheduled, _) = log.finish(Vec::new());
    let wanted = [
        ("r", "2026-03-15T12:00", "2026-04-01T00:00"),
        ("r", "2026-04-01T00:00", "2026-05-01T00:00"),
        ("r", "2026-05-01T00:00", "2026-05-21T12:00"),
        ("r", "2026-07-01T00:00", "2026-07-05T00:00"),
        ("s", "2026-03-20T12:00", "2026-04-01T00:00"),
        ("s", "2026-04-01T00:00", "2026-05-01T00:00"),
        ("s", "2026-05-01T00:00", "2026-05-10T12:00"),
    ];
    let wanted = wanted.map(|(name, from, to)| (name.to_owned(), from.to_owned(), to.to_owned()));
    assert_eq!(spans(&scheduled, "2026-09-01"), wanted);
    // A period that is not over is not listed, whenever its schedule ended.
    assert_eq!(spans(&scheduled, "2026-07-31T23:59:59Z").len(), wanted.len() - 1);
    let until: Vec<_> = scheduled.schedules().into_iter().map(|line| line.until).collect();
    assert!(until.iter().all(Option::is_some), "{until:?}");

    let mut log = Log::default();
    log.in_force("2026-03-15T12:00:00Z", PROXY, &plain);
    let (from, to) = (PROXY, KeyBytes([7; 32]));
    let rotated = KeyRotated {
        from,
        to,
        application: None,
    }
    .into();
    log.passes("2026-04-02T00:00:00Z");
    log.event("2026-04-02T00:00:00Z", KeyId([9; 8]), Role::Administrator, rotated);
    assert_eq!(spans(&log.finish(Vec::new()).0, "2026-09-01").len(), 2);
}

#[test]
fn a_period_is_due_then_overdue_and_done_by_who_may_sign_alone() {
    assert_eq!(august(Vec::new(), "2026-09-01").state, State::Due);
    assert_eq!(august(Vec::new(), "2026-09-10T23:59:59.999999Z").state, State::Due);
    assert_eq!(august(Vec::new(), "2026-09-11").state, State::Overdue);
    let done = august(vec![review(20, "bob")], "2026-09-15");
    assert_eq!(
        (done.state, done.reviews.len(), done.uncounted.len()),
        (State::Done, 1, 0)
    );
    let faults: [(Fault, Change); 6] = [
        (Fault::False, |review| review.fault = Some(Fault::False)),
        (Fault::Unchecked, |review| review.fault = Some(Fault::Unchecked)),
        (Fault::Group, |review| review.groups = vec!["dba".to_owned()]),
        (Fault::Definition, |review| review.said.definition = None),
        (Fault::Cut, |review| review.first_later = Some(Index(19))),
        (Fault::Own, |review| review.own = 1),
    ];
    for (fault, change) in faults {
        let mut changed = review(20, "bob");
        change(&mut changed);
        let line = august(vec![changed], "2026-09-15");
        let why: Vec<_> = line.uncounted.iter().map(|line| (line.review, line.why)).collect();
        assert_eq!((line.state, line.reviews.len()), (State::Overdue, 0), "{fault:?}");
        assert_eq!(why, [(Index(20), fault)]);
    }
    // Of something else, or of less: not of it at all.
    let other: [Change; 3] = [
        |review| review.scope = Scope::Readings,
        |review| review.said.from.0 += 1,
        |review| review.said.to.0 -= 1,
    ];
    for change in other {
        let mut changed = review(20, "bob");
        change(&mut changed);
        let line = august(vec![changed], "2026-09-15");
        assert_eq!((line.state, line.uncounted.len()), (State::Overdue, 0));
    }
    // Of more, in period and scope.
    let mut more = review(20, "bob");
    (more.scope, more.said.from, more.said.definition) = (Scope::All, at("2026-01-01"), None);
    // A shorter one that begins later does not hide it.
    let mut shorter = review(21, "bob");
    shorter.said.from = at("2026-07-31");
    shorter.said.to = at("2026-08-02");
    assert_eq!(august(vec![more, shorter], "2026-09-15").state, State::Done);
}

#[test]
fn who_has_a_part_in_it_needs_another_person() {
    let own = |index, person: &str| {
        let mut own = review(index, person);
        own.own = 3;
        own
    };
    let state = |reviews| august(reviews, "2026-09-15").state;
    assert_eq!(
        state(vec![own(20, "bob"), own(21, "Bob")]),
        State::Overdue,
        "one person twice"
    );
    assert_eq!(state(vec![own(20, "bob"), own(21, "ann")]), State::Done);
    assert_eq!(state(vec![own(20, "bob"), review(21, "ann")]), State::Done);
    let mut stranger = review(21, "ann");
    stranger.groups.clear();
    assert_eq!(state(vec![own(20, "bob"), stranger]), State::Overdue);
    let mut late = review(21, "ann");
    late.signed = at("2026-09-11");
    assert_eq!(
        state(vec![own(20, "bob"), late]),
        State::Late,
        "the first alone was in time"
    );

    let mut log = Log::default();
    log.in_force("2026-08-01", PROXY, &policy(&["name = \"r\"\nown = \"allow\""]));
    let (lines, _) = log.finish(vec![own(20, "bob")]).0.periods(at("2026-09-15"));
    assert_eq!(lines[0].state, State::Done);
}

#[test]
fn what_came_after_a_review_opens_its_period_again() {
    let later = |index, later| {
        let mut review = review(index, "bob");
        review.later = later;
        review.first_later = Some(Index(index + 1)).filter(|_| later > 0);
        review
    };
    assert_eq!(august(vec![later(20, 2)], "2026-09-02").state, State::Reopened);
    let mut again = later(30, 0);
    again.signed = at("2026-10-01");
    let line = august(vec![later(20, 2), again], "2026-10-02");
    assert_eq!(line.state, State::Done, "the first was in time, and the second saw all");
    assert_eq!(
        line.reviews.iter().map(|line| line.late).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn a_key_that_was_revoked_in_time_to_sign_again_has_signed_nothing() {
    for (revoked, state) in [("2026-09-10T23:59:59Z", State::Overdue), ("2026-09-11", State::Done)] {
        let mut log = Log::default();
        log.in_force("2026-08-01", PROXY, &policy(&["name = \"r\""]));
        // The log's clock says when, and not the administrator's.
        log.passes(revoked);
        log.revoke("2026-08-02", BOB);
        let (scheduled, _) = log.finish(vec![review(20, "bob")]);
        let (lines, _) = scheduled.periods(at("2026-09-15"));
        assert_eq!(lines[0].state, state, "{revoked}");
    }
}

#[test]
fn the_log_itself_shows_what_is_overdue_and_a_person_s_clock_does_not_move_it() {
    let mut log = Log::default();
    log.in_force("2026-08-01", PROXY, &policy(&["name = \"r\""]));
    log.passes("2026-10-20");
    log.says("2030-01-01", BOB);
    let (scheduled, _) = log.finish(Vec::new());
    assert_eq!(scheduled.head(), at("2026-10-20"));
    let mut findings = Findings::default();
    let lines = scheduled.find(&mut findings);
    let states: Vec<_> = lines.iter().map(|line| line.state).collect();
    assert_eq!(states, [State::Overdue, State::Overdue]);
    let told: Vec<_> = findings.list().iter().map(|finding| finding.code).collect();
    assert_eq!(told, [Code::ReviewOverdue, Code::ReviewOverdue]);
}

#[test]
fn what_people_date_off_what_stands_around_it_is_told() {
    let told = |people: &[&str], then: Option<&str>| {
        let mut log = Log::default();
        log.passes("2026-10-20");
        for time in people {
            log.says(time, BOB);
        }
        if let Some(then) = then {
            log.passes(then);
            log.passes(then);
        }
        let (_, findings) = log.finish(Vec::new());
        let list = findings
            .list()
            .iter()
            .map(|finding| (finding.code, finding.detail.clone()));
        list.collect::<Vec<_>>()
    };
    let apart = |what: &str| vec![(Code::TimeApart, format!("key {BOB}: {what} at the most"))];
    assert_eq!(told(&["2026-10-19T23:50:00Z"], None), []);
    assert_eq!(told(&["2026-10-19T23:49:59Z"], None), apart("1 events, 601 s"));
    let twice = &["2026-10-19T23:49:59Z", "2026-10-19T00:00:00Z"];
    assert_eq!(
        told(twice, None),
        apart("2 events, 86400 s"),
        "what comes after a small one is told, too"
    );
    // Ahead of the log's clock: nobody knows until something stands behind it.
    assert_eq!(told(&["2030-01-01"], None), []);
    assert_eq!(told(&["2026-10-20T00:10:00Z"], Some("2026-10-20")), []);
    assert_eq!(
        told(&["2026-10-20T00:10:01Z"], Some("2026-10-20")),
        apart("1 events, 601 s")
    );
    assert_eq!(
        told(&["2026-10-20", "2026-10-22"], Some("2026-10-21")),
        apart("1 events, 86400 s")
    );
    // After a night in which nobody else said anything.
    assert_eq!(told(&["2026-10-21"], Some("2026-10-21")), []);
}

#[test]
fn nothing_was_to_be_reviewed_before_the_log_began() {
    let mut log = Log::default();
    let genesis = Genesis {
        origin: "o".to_owned(),
        log_key: KeyBytes([0; 32]),
        administrators: Vec::new(),
    };
    log.event("2026-08-10", KeyId([9; 8]), Role::Administrator, genesis.into());
    // Its clock had run down, and was set later.
    log.in_force("1970-01-02", PROXY, &policy(&["name = \"r\""]));
    log.passes("2026-09-02");
    let (scheduled, _) = log.finish(Vec::new());
    let wanted = (
        "r".to_owned(),
        "2026-08-10T00:00".to_owned(),
        "2026-09-01T00:00".to_owned(),
    );
    assert_eq!(spans(&scheduled, "2026-09-02"), [wanted]);
}

#[test]
fn spans_are_merged_and_periods_clipped_to_them() {
    let spans = |spans: &[(u64, u64)]| -> Vec<_> {
        spans
            .iter()
            .map(|(from, to)| (Timestamp(*from), Timestamp(*to)))
            .collect()
    };
    let merged = merged(spans(&[(30, 40), (1, 5), (5, 9), (2, 3), (35, 50)]));
    assert_eq!(merged, spans(&[(1, 9), (30, 50)]));
    let clip = |from, to| {
        let (from, to, deadline) = (Timestamp(from), Timestamp(to), Timestamp(99));
        let period = exhibit_policy::review::Period { from, to, deadline };
        clipped(&period, &merged).map(|(from, to)| (from.0, to.0))
    };
    assert_eq!(clip(0, 1), None);
    assert_eq!(clip(0, 2), Some((1, 2)));
    assert_eq!(clip(8, 31), Some((8, 31)));
    assert_eq!(clip(9, 30), None);
    assert_eq!(clip(0, 100), Some((1, 50)));
    assert_eq!(clip(50, 60), None);
}
