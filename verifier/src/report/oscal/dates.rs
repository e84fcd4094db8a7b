//! The dates that OSCAL asks for. No clock is read: they are the period's, and those of the log's events by their emitters' clocks.
//!
//! A bounded period says from when to when, as far as the log reaches; without one the log's first and last events do. Where
//! neither is known, in a bundle of which no event can be read, the dates are the first moment of 1970 and mean nothing.

use exhibit_schemas::event::Timestamp;
use serde::Serialize;

use crate::period::{Period, Span};
use crate::report::Cover;

/// The last moment that `dateTime-with-timezone` of OSCAL can say: 2999-12-31T23:59:59.999999Z. Events may be dated later.
const LAST: Timestamp = Timestamp(32_503_679_999_999_999);

/// A date as OSCAL can say it.
///
/// **Invariant:** it is not after [`LAST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(Timestamp);

impl Date {
    /// A time, or the last date there is.
    pub(super) fn of(time: Timestamp) -> Self {
        Self(time.min(LAST))
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The dates of a document.
///
/// **Invariant:** `start` ≤ `end` ≤ `modified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dates {
    /// From when on evidence was collected.
    pub(super) start: Date,
    /// Until when.
    pub(super) end: Date,
    /// Of when the log is that was read.
    pub(super) modified: Date,
}

impl Dates {
    /// The dates of a report.
    pub(super) fn of(cover: &Cover) -> Self {
        let nothing = Span {
            first: Timestamp(0),
            last: Timestamp(0),
        };
        let (start, end, head) = match (cover.period, cover.events) {
            (Period::ALWAYS, events) => {
                let Span { first, last } = events.unwrap_or(nothing);
                (first, last, last)
            }
            (period, Some(Span { last, .. })) => (period.from(), period.to().min(last), last),
            (period, None) => (period.from(), period.to(), period.to()),
        };
        let start = Date::of(start);
        let end = Date::of(end).max(start);
        Self {
            start,
            end,
            modified: Date::of(head).max(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::{Date, Dates, LAST};
    use crate::period::{Period, Span};
    use crate::report::oscal::tests::cover;

    #[test]
    fn the_last_moment_is_that_of_the_schema() {
        assert_eq!(LAST.to_string(), "2999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn dates_are_in_order_and_never_past_what_is_known() {
        let period = |text: &str| Period::parse(text).unwrap();
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let span = |first: &str, last: &str| {
            let (first, last) = (time(first), time(last));
            Some(Span { first, last })
        };
        let november = period("2026-11-01..2026-12-01");
        let late = Some(Span {
            first: Timestamp(u64::MAX),
            last: Timestamp(u64::MAX),
        });
        for (period, events, wanted) in [
            // The log's own dates, and those of a log whose last event was dated before its first.
            (
                Period::ALWAYS,
                span("2026-01-02", "2026-11-20"),
                ["2026-01-02", "2026-11-20", "2026-11-20"],
            ),
            (Period::ALWAYS, span("2026-01-02", "2026-01-01"), ["2026-01-02"; 3]),
            (Period::ALWAYS, None, ["1970-01-01"; 3]),
            // A period that the log holds whole, one that goes on, one that had not begun, and one before the log.
            (
                november,
                span("2026-01-02", "2026-12-20"),
                ["2026-11-01", "2026-12-01", "2026-12-20"],
            ),
            (
                november,
                span("2026-01-02", "2026-11-20"),
                ["2026-11-01", "2026-11-20", "2026-11-20"],
            ),
            (november, span("2026-01-02", "2026-10-20"), ["2026-11-01"; 3]),
            (
                november,
                span("2026-12-02", "2026-12-20"),
                ["2026-11-01", "2026-12-01", "2026-12-20"],
            ),
            (november, None, ["2026-11-01", "2026-12-01", "2026-12-01"]),
            (Period::ALWAYS, late, ["2999-12-31T23:59:59.999999Z"; 3]),
        ] {
            let mut cover = cover();
            (cover.period, cover.events) = (period, events);
            let Dates { start, end, modified } = Dates::of(&cover);
            assert_eq!(
                [start, end, modified],
                wanted.map(|text| Date::of(time(text))),
                "{period} {events:?}"
            );
        }
    }
}
