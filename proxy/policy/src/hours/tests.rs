use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Attribute, Facts};
use exhibit_schemas::event::approval::Hours as Stated;

use super::{Hours, HoursError, TIME, hold, time_of, timed};

/// Monday 23 November 2026, 00:00 UTC.
const MONDAY_US: u64 = 1_795_392_000_000_000;

fn hours(windows: &[&str], zone: &str) -> Stated {
    Stated {
        windows: windows.iter().map(|window| (*window).to_owned()).collect(),
        zone: zone.into(),
    }
}

fn at(day: u64, hour: u64, minute: u64) -> Timestamp {
    Timestamp(MONDAY_US + ((day * 24 + hour) * 60 + minute) * 60_000_000)
}

fn check(hours: &Stated, cases: &[(Timestamp, bool)]) {
    for (time, within) in cases {
        assert_eq!(hold(hours, *time), *within, "{hours:?} at {time}");
    }
}

#[test]
fn a_window_has_its_beginning_and_not_its_end() {
    assert_eq!(at(0, 0, 0).to_string(), "2026-11-23T00:00:00.000000Z");
    check(
        &hours(&["Mon-Wed 09:00-17:00", "Fri 09:00-24:00"], "UTC"),
        &[
            (at(0, 8, 59), false),
            (at(0, 9, 0), true),
            (Timestamp(at(0, 17, 0).0 - 1), true),
            (at(0, 17, 0), false),
            (at(2, 12, 0), true),
            (at(3, 12, 0), false),
            (at(4, 23, 59), true),
            (at(5, 0, 0), false),
            (at(7, 12, 0), true),
        ],
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    check(
        &hours(&["Sun 22:00-06:00"], "UTC"),
        &[
            (at(6, 21, 59), false),
            (at(6, 22, 0), true),
            (at(7, 5, 59), true),
            (at(7, 6, 0), false),
            (at(6, 3, 0), false),
            (at(7, 22, 0), false),
        ],
    );
    let whole = hours(&["Mon 06:00-06:00"], "UTC");
    check(
        &whole,
        &[(at(0, 6, 0), true), (at(1, 5, 59), true), (at(1, 6, 0), false)],
    );
    let every = hours(&["22:00-06:00"], "UTC");
    check(
        &every,
        &[(at(2, 23, 0), true), (at(3, 5, 0), true), (at(3, 12, 0), false)],
    );
    let week_end = hours(&["Fri-Mon 10:00-11:00"], "UTC");
    let named: Vec<u64> = (0..7).filter(|day| hold(&week_end, at(*day, 10, 0))).collect();
    assert_eq!(named, [0, 4, 5, 6]);
}

#[test]
fn the_day_and_the_time_are_those_of_the_zone() {
    let east = hours(&["Tue 00:00-08:00"], "+13:45");
    check(
        &east,
        &[(at(0, 10, 15), true), (at(0, 10, 14), false), (at(1, 10, 15), false)],
    );
    let west = hours(&["Sun 20:00-23:59"], "-08:00");
    check(&west, &[(at(7, 4, 0), true), (at(7, 3, 59), false)]);
    // The first day that there is.
    let first = hours(&["Thu 00:00-01:00"], "UTC");
    let before = hours(&["Wed 20:00-21:00"], "-04:00");
    assert!(hold(&first, Timestamp(0)) && hold(&before, Timestamp(0)));
    // Past the last year that calendars know.
    assert!(!hold(&hours(&["00:00-24:00"], "UTC"), Timestamp(u64::MAX)));
}

#[test]
fn a_named_zone_has_its_summer_time() {
    let office = hours(&["08:00-09:00"], "Europe/Vienna");
    // November, an hour ahead of UTC; July, two.
    check(&office, &[(at(0, 7, 0), true), (at(0, 6, 0), false)]);
    let july = 212 * 24 * 3_600_000_000;
    let at_july = |hour| Timestamp(at(0, hour, 0).0 + july);
    assert!(at_july(6).to_string().starts_with("2027-06-23T06:00"));
    check(&office, &[(at_july(6), true), (at_july(7), false)]);
    // 28 March 2027: the clock there goes from 02:00 to 03:00, so an hour of the window is not there.
    let night = hours(&["Sun 01:30-03:30"], "Europe/Vienna");
    let spring = |hour, minute| at(125, hour, minute);
    assert!(spring(0, 30).to_string().starts_with("2027-03-28T00:30"));
    check(
        &night,
        &[
            (spring(0, 29), false),
            (spring(0, 30), true),
            (spring(1, 29), true),
            (spring(1, 30), false),
        ],
    );
    // 31 October 2027: 02:30 comes twice, and is within both times.
    let twice = hours(&["Sun 02:30-02:31"], "Europe/Vienna");
    let autumn = |hour, minute| at(342, hour, minute);
    assert!(autumn(0, 30).to_string().starts_with("2027-10-31T00:30"));
    check(
        &twice,
        &[
            (autumn(0, 30), true),
            (autumn(0, 31), false),
            (autumn(1, 30), true),
            (autumn(1, 31), false),
        ],
    );
}

#[test]
fn what_cannot_be_read_holds_no_time() {
    let read = |windows: &[&str], zone: &str| Hours::read(hours(windows, zone)).map(|_| ());
    assert_eq!(read(&["00:00-24:00"], "+14:59"), Ok(()));
    assert_eq!(read(&["00:00-24:00"], "Etc/GMT+5"), Ok(()));
    assert_eq!(read(&["00:00-24:00"; 16], "America/Argentina/Buenos_Aires"), Ok(()));
    assert_eq!(read(&["00:00-24:00"; 17], "UTC"), Err(HoursError::Windows));
    assert_eq!(read(&[], "UTC"), Err(HoursError::Windows));
    for window in [
        "",
        "24:00-23:59",
        "0:00-23:59",
        "00:00-23:60",
        "00:00-24:01",
        "00:00 - 12:00",
        "00:00-+3:59",
        "mon 00:00-12:00",
        "Mon, Tue 00:00-12:00",
        "Mon-Tue-Wed 00:00-12:00",
        "Mon  00:00-12:00",
        "Mon",
        "Mon 00:00",
    ] {
        assert_eq!(read(&[window], "UTC"), Err(HoursError::Window(window.into())));
        assert!(!hold(&hours(&[window], "UTC"), at(0, 3, 0)), "{window}");
    }
    for zone in [
        "", "01:00", "+15:00", "+1:00", "é01:00", "+01:60", "europe", "/", "UTC/", "Ü",
    ] {
        assert_eq!(read(&["00:00-12:00"], zone), Err(HoursError::Zone(zone.into())));
    }
    for zone in ["Europe/Wien", "Europe/vienna", "Utc"] {
        assert_eq!(read(&["00:00-12:00"], zone), Err(HoursError::Unknown(zone.into())));
    }
}

#[test]
fn a_time_is_told_by_an_integer_alone() {
    let mut facts = Facts {
        accesses: Vec::new(),
        attributes: [("class".to_owned(), Attribute::Text("select".into()))].into(),
        columns: None,
    };
    assert_eq!(time_of(&facts), None);
    timed(&mut facts, at(0, 4, 0));
    assert_eq!(time_of(&facts), Some(at(0, 4, 0)));
    facts.attributes.insert(TIME.into(), Attribute::Text("noon".into()));
    assert_eq!(time_of(&facts), None);
}
