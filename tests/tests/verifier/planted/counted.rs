//! What rows count and say besides their exceptions: populations of logs that were counted by hand, what is of a period, and
//! controls that nothing is planted against.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Kind, Timestamp};
use exhibit_schemas::review::Scope;
use exhibit_tests::bundle_builder::clinic::{BOB, START, clinic};
use exhibit_verify::Period;
use exhibit_verify::report::Report;
use exhibit_verify::report::matrix::{Row, State};

use super::emergencies::{log as emergency, passes, reviewed};
use super::plans::{Place, SECOND_US, command_mut, event, of, of_kind, principal};
use super::reviews::{log as daily, sign, time};
use super::{PLANTED, Planted, Said, listed, planted};

/// The rows of a report, for a period.
fn rows(planted: &Planted, period: &str) -> Vec<Row> {
    let period = match period {
        "always" => Period::ALWAYS,
        period => Period::parse(period).unwrap(),
    };
    Report::of(&planted.judged(period)).controls
}

fn counts(rows: &[Row]) -> Vec<(&'static str, u64, State)> {
    rows.iter().map(|row| (row.id, row.count, row.state)).collect()
}

fn row<'a>(rows: &'a [Row], id: &str) -> &'a Row {
    rows.iter().find(|row| row.id == id).unwrap()
}

/// One session: a masked read, a change that alice let pass in an emergency, the same read again. Bob reviews it.
#[test]
fn an_emergency_is_counted_in_each_row_that_it_is_of() {
    let planted = planted(emergency(), |plan| {
        reviewed(plan, BOB, START + 60 * SECOND_US);
        Vec::new()
    });
    let rows = rows(&planted, "always");
    // The log of one session has genesis and 8 more events of keys in 2 batches, 3 events of each proxy's policy in 1, 1 of each
    // one's key of masks in 1, the opening in 1, each read's command, 3 chunks and end in 3, the request, the decision and its
    // command in 1 each, their reply's chunk and end in 1, the close in 1, and the review in 1: each batch with its seal.
    let events = 9 + 2 * 3 + 2 + 1 + 2 * 5 + 3 + 2 + 1 + 1;
    let batches = 2 + 2 + 2 + 1 + 2 * 3 + 3 + 1 + 1 + 1;
    let wanted = [
        // Three commands and a question.
        ("312.a.1", 4, State::Pass),
        ("312.a.2.i", 1, State::Pass),
        ("312.a.2.ii", 1, State::Pass),
        ("312.a.2.iii", 1, State::Pass),
        ("312.b", 1, State::Pass),
        // The review; no schedule wants one.
        ("308.a.1.ii.D", 1, State::Pass),
        ("312.c.2", events + batches, State::Pass),
        ("308.a.4", 1, State::Pass),
        ("308.a.3.ii.C", 0, State::NotTested),
        ("308.a.5.ii.C", 0, State::NoPopulation),
        ("502.b", 2, State::Pass),
        ("514.b", 0, State::NoPopulation),
        ("316.b.2.i", 1, State::Pass),
        ("528", 0, State::NotTested),
    ];
    assert_eq!(counts(&rows), wanted);
}

/// Twelve sessions of three commands each: of every six, two ask and are approved, one asks and is refused, one asks in vain.
#[test]
fn a_clinic_of_twelve_sessions_is_counted() {
    let planted = planted(clinic(12), |_| Vec::new());
    let rows = rows(&planted, "always");
    let entries = row(&rows, "312.c.2").count;
    let wanted = [
        ("312.a.1", 12 * 3 + 8, State::Pass),
        ("312.a.2.i", 12, State::Pass),
        ("312.a.2.ii", 0, State::NoPopulation),
        ("312.a.2.iii", 12, State::Pass),
        ("312.b", 12, State::Pass),
        ("308.a.1.ii.D", 0, State::NoPopulation),
        ("312.c.2", entries, State::Pass),
        ("308.a.4", 4, State::Pass),
        ("308.a.3.ii.C", 1, State::NotTested),
        ("308.a.5.ii.C", 3, State::NotTested),
        ("502.b", 12 * 2, State::Pass),
        ("514.b", 0, State::NoPopulation),
        ("316.b.2.i", 2, State::Pass),
        ("528", 0, State::NotTested),
    ];
    assert_eq!(counts(&rows), wanted);
}

/// A decision about a reply is one of 312.a.1, whatever it is worth.
#[test]
fn a_decision_at_a_threshold_is_counted() {
    let count = |name: &str| {
        let (_, planted) = PLANTED.iter().find(|(case, _)| *case == name).unwrap();
        row(&rows(planted, "always"), "312.a.1").count
    };
    let (commands, questions) = (18, 4);
    assert_eq!(count("nine rows where nine may leave"), commands + questions);
    assert_eq!(count("a threshold where there is none"), commands + questions + 1);
}

#[test]
fn what_is_not_tested_says_why_whatever_there_is() {
    let busy = rows(&planted(clinic(6), |_| Vec::new()), "always");
    let words = |id| row(&busy, id).result.as_str();
    assert_eq!(words("514.b"), "0 instances in the period");
    assert_eq!(
        words("528"),
        "no event says that an access was a disclosure, so the log cannot tell how many there were"
    );
    assert_eq!(
        words("308.a.3.ii.C"),
        "no feed of terminations is read; nothing stands under a key after its end"
    );
    assert_eq!(
        words("308.a.5.ii.C"),
        "each is listed; whether somebody was told of them is not in the log"
    );
    for id in ["514.b", "528"] {
        assert_eq!(row(&busy, id).test, "none", "{id}");
        assert_eq!(row(&busy, id).strength.as_str(), "none", "{id}");
    }
}

/// A fault in the second session and one in the fifth.
fn both() -> (Planted, [Said; 2], Timestamp) {
    let mut border = Timestamp(0);
    let planted = planted(clinic(6), |plan| {
        let opening = principal(plan, 1, |who| who.evidence = Digest([0; 32]));
        let command: Place = of(plan, 4, Kind::Command)[0];
        command_mut(plan, command).decision.reason = "another".into();
        border = plan.event(command).time;
        vec![
            ("312.a.2.i", "identity-missing", event(opening)),
            ("312.a.1", "decision-differs", event(command)),
        ]
    });
    let said = [planted.said[0], planted.said[1]];
    (planted, said, border)
}

#[test]
fn an_exception_outside_of_the_period_is_not_listed() {
    let (planted, [before, at], border) = both();
    let all = rows(&planted, "always");
    assert_eq!(listed(&all), [at, before]);
    // A period has its first moment, and not its last.
    let from = rows(&planted, &format!("{border}..9999-01-01"));
    assert_eq!(listed(&from), [at]);
    let until = rows(&planted, &format!("2000-01-01..{border}"));
    assert_eq!(listed(&until), [before]);
    let after = rows(&planted, &format!("{}..9999-01-01", Timestamp(border.0 + 1)));
    assert_eq!(listed(&after), []);
    for rows in [all, from, until, after] {
        // The bundle has errors, in the period or not.
        assert!(rows.iter().all(|row| row.state != State::Pass));
    }
}

/// What comes before a period is no exception of it, and what is told apart by it is.
#[test]
fn a_credential_that_another_used_before_the_period_is_found_in_it() {
    let mut border = Timestamp(0);
    let planted = planted(clinic(6), |plan| {
        let opening = principal(plan, 3, |who| who.evidence = Digest::of(b"ci-agent-1"));
        border = plan.event(opening).time;
        let before = of_kind(plan, Kind::SessionOpened)[1];
        ["credential-shared"; 2]
            .into_iter()
            .zip([before, opening])
            .map(|(cause, opening)| ("312.a.2.i", cause, event(opening)))
            .collect()
    });
    let of = |period: &str| listed(&rows(&planted, period)).len();
    assert_eq!(listed(&rows(&planted, "always")), planted.said);
    // Each of both is of the period of its own opening.
    assert_eq!(of(&format!("2000-01-01..{border}")), 1);
    assert_eq!(
        listed(&rows(&planted, &format!("{border}..9999-01-01"))),
        planted.said[1..]
    );
}

/// The review of a day is of every report that holds the day's last moment, and of no other.
#[test]
fn the_review_of_a_day_is_of_the_report_of_that_day() {
    let planted = planted(daily(), |plan| {
        let first = of_kind(plan, Kind::PolicyInForce)[0];
        passes(plan, time("2023-11-15T09:00:00Z"));
        sign(plan, BOB, Scope::Approvals, "2023-11-15T10:00:00Z", |_| {});
        passes(plan, time("2023-11-16T02:00:00Z"));
        vec![("308.a.1.ii.D", "review-overdue", event(first))]
    });
    let of = |period: &str| {
        let rows = rows(&planted, period);
        let months = row(&rows, "308.a.1.ii.D").months.clone();
        let months: Vec<_> = months
            .into_iter()
            .map(|(month, tested)| (month, tested.count, tested.exceptions))
            .collect();
        (row(&rows, "308.a.1.ii.D").count, listed(&rows).len(), months)
    };
    let november = |count, exceptions| vec![("2023-11".to_owned(), count, exceptions)];
    // The first day, and a review of another scope; the second day may still be signed.
    assert_eq!(of("always"), (2, 1, november(2, 1)));
    assert_eq!(of("2023-11-01..2023-12-01"), (2, 1, november(2, 1)));
    assert_eq!(of("2023-11-14..2023-11-15"), (1, 1, november(1, 1)));
    // The second day, which is not due yet, and the review.
    assert_eq!(of("2023-11-15..2023-11-16"), (1, 0, november(1, 0)));
    assert_eq!(of("2023-11-16..2023-11-17"), (0, 0, Vec::new()));
    assert_eq!(listed(&rows(&planted, "always")), planted.said);
}

/// What speaks against the review of a use is of the report of the use, whenever that review was.
#[test]
fn a_late_review_of_an_emergency_is_of_the_period_of_its_use() {
    let (_, planted) = PLANTED
        .iter()
        .find(|(name, _)| *name == "an emergency that was reviewed too late")
        .unwrap();
    let of = |period: &str| {
        let rows = rows(planted, period);
        let row = row(&rows, "312.a.2.ii").clone();
        (row.count, row.exceptions.len(), row.state)
    };
    assert_eq!(of("2023-11-14..2023-11-16"), (1, 1, State::Exception));
    assert_eq!(of("2023-11-16..2023-12-01"), (0, 0, State::NoPopulation));
}
