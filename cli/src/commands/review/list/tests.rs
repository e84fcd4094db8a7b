use exhibit_schemas::merkle::Index;
use exhibit_verify::emergency::EmergencyLine;
use exhibit_verify::schedule::{CountedLine, Fault, PeriodLine, ScheduleLine, State, UncountedLine};

use super::{page, uses};

fn schedule() -> ScheduleLine {
    ScheduleLine {
        name: "monthly".into(),
        scope: "commands".into(),
        every: "month".into(),
        zone: "Europe/Vienna".into(),
        within_days: 10,
        groups: vec!["privacy".into()],
        own: "deny".into(),
        first: Index(7),
        from: "2026-09-15T08:00:00.000000Z".into(),
        until: None,
    }
}

fn period(
    state: State,
    (from, to): (&str, &str),
    reviews: Vec<CountedLine>,
    uncounted: Vec<UncountedLine>,
) -> PeriodLine {
    PeriodLine {
        schedule: "monthly".into(),
        first: Index(7),
        scope: "commands".into(),
        from: from.into(),
        to: to.into(),
        deadline: "2026-11-10T23:00:00.000000Z".into(),
        state,
        reviews,
        uncounted,
    }
}

fn signed(late: bool, later: u64) -> CountedLine {
    CountedLine {
        review: Index(99),
        person: "bob".into(),
        signed: "2026-11-03T10:00:00.000000Z".into(),
        late,
        own: 0,
        later,
        size: 90,
        population: "ab".repeat(32),
        counts: [("command".to_owned(), 40), ("response-end".to_owned(), 39)].into(),
    }
}

#[test]
fn the_list_says_what_is_to_be_done_and_how() {
    let october = ("2026-09-30T22:00:00.000000Z", "2026-10-31T23:00:00.000000Z");
    let whole = ("2026-10-01T00:00:00.000000Z", "2026-11-01T00:00:00.000000Z");
    let uncounted = |why| UncountedLine {
        review: Index(98),
        person: "ann".into(),
        why,
    };
    let periods = [
        period(State::Done, october, vec![signed(false, 0)], Vec::new()),
        period(State::Late, october, vec![signed(true, 0)], vec![uncounted(Fault::Cut)]),
        period(State::Reopened, whole, vec![signed(false, 3)], Vec::new()),
        period(State::Due, whole, Vec::new(), Vec::new()),
        period(
            State::Overdue,
            whole,
            Vec::new(),
            vec![uncounted(Fault::Own), uncounted(Fault::Group)],
        ),
    ];
    insta::assert_snapshot!("list", page(&[schedule()], &periods, true));
    assert!(page(&[schedule()], &[], false).starts_with("Nothing is to be reviewed"));
    assert!(page(&[], &[], false).starts_with("No policy that was in force"));
}

fn used(state: State, reviews: Vec<CountedLine>, uncounted: Vec<UncountedLine>) -> EmergencyLine {
    EmergencyLine {
        used: Index(72),
        time: "2026-11-03T02:10:00.000000Z".into(),
        request: Index(70),
        decision: Index(71),
        leaf: "cd".repeat(32),
        signed: "2026-11-03T02:09:58.000000Z".into(),
        person: "ann".into(),
        groups: vec!["on-call".into()],
        reason: "ward 3\u{1b}[2J\nis down".into(),
        subject: Some("ci-nightly".into()),
        target: "clinic".into(),
        session: "09".repeat(16),
        statement: "SELECT * FROM lists".into(),
        rows: 12,
        ends: "2026-11-03T02:39:58.000000Z".into(),
        from_us: 1,
        to_us: 2,
        reviewers: vec!["privacy".into()],
        deadline: "2026-11-06T02:10:00.000000Z".into(),
        state,
        reviews,
        uncounted,
    }
}

#[test]
fn uses_of_emergency_access_are_listed_with_what_is_to_be_done() {
    let uncounted = |why| UncountedLine {
        review: Index(98),
        person: "ann".into(),
        why,
    };
    let lines = [
        used(State::Done, vec![signed(false, 0)], vec![uncounted(Fault::Cut)]),
        used(State::Late, vec![signed(true, 0)], Vec::new()),
        used(State::Due, Vec::new(), Vec::new()),
        used(
            State::Overdue,
            Vec::new(),
            vec![uncounted(Fault::Own), uncounted(Fault::Group)],
        ),
    ];
    insta::assert_snapshot!("uses", uses(&lines));
}
