//! Schedules of reviews: whose reviews of what a policy asks for, and when each is due.
//!
//! A period is a day, a week (from Monday), a month, a quarter or a year of a zone, from its first moment there to that of the
//! next one: no moment is in two of them, and none is left out where clocks are put forward or back. A review of it is due
//! until the first moment of the day that comes `within_days` days after its end.
//!
//! Not here: which reviews there are, and whether they count, which the verifier says.

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::review::Scope;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};

exhibit_schemas::code! {
    /// How long the periods of a schedule are.
    pub enum Every {
        /// A day.
        Day = 0 "day",
        /// A week, from Monday to Sunday.
        Week = 1 "week",
        /// A month of the calendar.
        Month = 2 "month",
        /// Three of them, from January on.
        Quarter = 3 "quarter",
        /// A year of the calendar.
        Year = 4 "year",
    }
}

exhibit_schemas::code! {
    /// Whether somebody with a part in what is reviewed is enough to review it.
    pub enum Own {
        /// No: somebody without a part has to sign, or two people, of whom each looks at what the other did.
        Deny = 0 "deny",
        /// Yes.
        Allow = 1 "allow",
    }
}

/// Days that people have for a review at the most.
pub const WITHIN_DAYS_MAX: u64 = 366;

/// A schedule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// What is to be reviewed.
    pub scope: Scope,
    /// How often.
    pub every: Every,
    /// Whose days and months, as the policy has it.
    pub zone: String,
    /// How many days after the end of a period its review is due.
    pub within_days: u64,
    /// A person of any of these may sign.
    pub groups: Vec<String>,
    /// Whether people with a part in it may review it alone.
    pub own: Own,
    // Invariant: what `zone` says.
    pub(crate) time_zone: TimeZone,
}

/// A period that is to be reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment of the next one.
    pub to: Timestamp,
    /// From when on its review is overdue.
    pub deadline: Timestamp,
}

impl Schedule {
    /// The periods that have a moment from `from` on and before `to`, in order. Past the year 9999 there are none.
    pub fn periods(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Period> + '_ {
        let first = moment(from).map(|time| time.to_zoned_datetime(self.time_zone.clone()).date());
        // Where a day begins twice, what its clock says of a moment may be the day before: begin one period earlier.
        let first = first.map(|date| self.first_day(date));
        let first = first.map(|date| self.first_day(date.yesterday().unwrap_or(date)));
        let days = std::iter::successors(first, |day| self.next(*day));
        let periods = days.map_while(|day| self.period(day));
        periods
            .skip_while(move |period| period.to <= from)
            .take_while(move |period| period.from < to)
    }

    fn period(&self, first: Date) -> Option<Period> {
        let next = self.next(first)?;
        let due = next.checked_add(days(self.within_days)?).ok()?;
        Some(Period {
            from: self.beginning(first)?,
            to: self.beginning(next)?,
            deadline: self.beginning(due)?,
        })
    }

    /// The first day of the period that a day is in.
    fn first_day(&self, day: Date) -> Date {
        let in_month = |month: i8| Date::new(day.year(), month, 1).unwrap_or(day);
        match self.every {
            Every::Day => day,
            Every::Week => {
                let since = i64::from(day.weekday().since(Weekday::Monday));
                day.checked_sub(Span::new().days(since)).unwrap_or(day)
            }
            Every::Month => in_month(day.month()),
            Every::Quarter => in_month((day.month() - 1) / 3 * 3 + 1),
            Every::Year => in_month(1),
        }
    }

    /// The first day of the next period.
    fn next(&self, first: Date) -> Option<Date> {
        let length = match self.every {
            Every::Day => Span::new().days(1),
            Every::Week => Span::new().weeks(1),
            Every::Month => Span::new().months(1),
            Every::Quarter => Span::new().months(3),
            Every::Year => Span::new().years(1),
        };
        first.checked_add(length).ok()
    }

    /// The first moment of a day: not always its midnight, which may be left out.
    fn beginning(&self, day: Date) -> Option<Timestamp> {
        let zoned = day.to_zoned_datetime(self.time_zone.clone()).ok()?;
        let since = zoned.timestamp().as_duration();
        // Before 1970 there is nothing.
        let since = since.max(SignedDuration::ZERO);
        u64::try_from(since.as_micros()).ok().map(Timestamp)
    }
}

fn moment(time: Timestamp) -> Option<jiff::Timestamp> {
    let time_s = i64::try_from(time.0 / 1_000_000).ok()?;
    jiff::Timestamp::from_second(time_s).ok()
}

fn days(count: u64) -> Option<Span> {
    Span::new().try_days(i64::try_from(count).ok()?).ok()
}

#[cfg(test)]
mod tests;
