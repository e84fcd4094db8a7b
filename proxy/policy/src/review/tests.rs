use exhibit_schemas::event::Timestamp;

use super::{Every, Period};
use crate::snapshot::Snapshot;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is a time"))
}

fn periods(every: Every, zone: &str, within_days: u64, from: Timestamp, to: Timestamp) -> Vec<Period> {
    let text = format!(
        "version = 1\n[[reviews]]\nname = \"r\"\nscope = \"all\"\nevery = \"{every}\"\nzone = \"{zone}\"\nwithin_days = \
         {within_days}\ngroups = [\"g\"]\n"
    );
    let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
    snapshot.reviews()[0].periods(from, to).collect()
}

/// How often, in which zone, a moment; the beginning and the end of its period, and when its review is overdue.
const PERIODS: [(Every, &str, &str, &str, &str, &str); 12] = [
    (
        Every::Day,
        "UTC",
        "2026-11-28T17:00:00Z",
        "2026-11-28",
        "2026-11-29",
        "2026-12-09",
    ),
    (
        Every::Week,
        "UTC",
        "2026-11-29T23:59:59.999999Z",
        "2026-11-23",
        "2026-11-30",
        "2026-12-10",
    ),
    (
        Every::Week,
        "UTC",
        "2026-11-30",
        "2026-11-30",
        "2026-12-07",
        "2026-12-17",
    ),
    (
        Every::Month,
        "UTC",
        "2028-02-29T12:00:00Z",
        "2028-02-01",
        "2028-03-01",
        "2028-03-11",
    ),
    (
        Every::Quarter,
        "UTC",
        "2026-11-28",
        "2026-10-01",
        "2027-01-01",
        "2027-01-11",
    ),
    (
        Every::Quarter,
        "UTC",
        "2026-03-31",
        "2026-01-01",
        "2026-04-01",
        "2026-04-11",
    ),
    (
        Every::Year,
        "UTC",
        "2026-11-28",
        "2026-01-01",
        "2027-01-01",
        "2027-01-11",
    ),
    (
        Every::Month,
        "+02:00",
        "2026-11-30T22:00:00Z",
        "2026-11-30T22:00:00Z",
        "2026-12-31T22:00:00Z",
        "2027-01-10T22:00:00Z",
    ),
    // Summer time ends, and begins, within them.
    (
        Every::Month,
        "Europe/Vienna",
        "2026-10-15",
        "2026-09-30T22:00:00Z",
        "2026-10-31T23:00:00Z",
        "2026-11-10T23:00:00Z",
    ),
    (
        Every::Day,
        "Europe/Vienna",
        "2026-03-29T12:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
        "2026-04-08T22:00:00Z",
    ),
    // The day has no midnight: it begins at one.
    (
        Every::Day,
        "America/Asuncion",
        "2023-10-01T12:00:00Z",
        "2023-10-01T04:00:00Z",
        "2023-10-02T03:00:00Z",
        "2023-10-12T03:00:00Z",
    ),
    (
        Every::Month,
        "UTC",
        "1970-01-01",
        "1970-01-01",
        "1970-02-01",
        "1970-02-11",
    ),
];

#[test]
fn a_period_is_one_of_the_calendar_of_its_zone() {
    for (every, zone, time, from, to, deadline) in PERIODS {
        let time = at(time);
        let found = periods(every, zone, 10, time, Timestamp(time.0 + 1));
        let (from, to, deadline) = (at(from), at(to), at(deadline));
        assert_eq!(found, [Period { from, to, deadline }], "{every} {zone} {time}");
    }
}

#[test]
fn no_moment_is_in_two_periods_and_none_in_none() {
    let (from, to) = (at("2019-11-11T11:11:11Z"), at("2027-02-02"));
    for zone in [
        "UTC",
        "Europe/Vienna",
        "America/Asuncion",
        "Australia/Lord_Howe",
        "America/Scoresbysund",
        "-03:30",
    ] {
        for every in Every::ALL {
            let found = periods(*every, zone, 1, from, to);
            let (first, last) = (found.first().unwrap(), found.last().unwrap());
            assert!(first.from <= from && from < first.to, "{every} {zone}");
            assert!(last.from < to && to <= last.to, "{every} {zone}");
            for pair in found.windows(2) {
                assert!(
                    pair[0].from < pair[0].to && pair[0].to == pair[1].from,
                    "{every} {zone} {pair:?}"
                );
                assert!(pair[0].to < pair[0].deadline);
            }
        }
    }
}

#[test]
fn there_are_no_periods_where_there_are_no_years() {
    assert_eq!(
        periods(Every::Day, "UTC", 1, Timestamp(u64::MAX - 1), Timestamp(u64::MAX)),
        []
    );
    let last = periods(Every::Year, "UTC", 1, at("9997-06-01"), Timestamp(u64::MAX));
    assert_eq!(last.len(), 2, "the review of 9999 would be due in the year 10000");
    assert_eq!(periods(Every::Month, "UTC", 1, at("2026-11-01"), at("2026-11-01")), []);
}
