//! Hours: the times of the week at which a rule matches, or people may approve.
//!
//! ```toml
//! hours = { windows = ["Mon-Fri 08:00-18:00", "Sat 22:00-06:00"], zone = "Europe/Vienna" }   # UTC if the zone is left out
//! ```
//!
//! A window is days and a span of the day, which has its beginning and not its end; every day where it names none. A span whose
//! end is not later than its beginning goes over midnight, and belongs to the day on which it begins.
//!
//! A zone is an offset (`+01:00`), `UTC`, or a name of the IANA time zone database. The database is compiled in, so that the
//! machine on which something is decided, or verified, does not matter. It moves with versions of this program: where a state
//! changes its time, a proxy that is older than that goes by what held before, and a newer verifier says so.

use std::cmp::Ordering;

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Attribute, Facts};
use exhibit_schemas::event::approval::Hours as Stated;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::Deserialize;

/// The attribute (an integer: Unix seconds by the proxy's clock) of every request under a policy whose rules have hours.
pub const TIME: &str = "time_s";

/// Windows at the most; people are shown them all.
const WINDOWS_MAX: usize = 16;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The day of the week, from Monday, of 1 January 1970.
const FIRST_DAY: i64 = 3;

const DAY_S: i64 = 86_400;

/// Hours of an offset at the most; the largest one on earth is +14:00.
const OFFSET_HOURS_MAX: u8 = 14;

/// Why hours cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// Too few or too many windows.
    #[error("hours have 1 to {WINDOWS_MAX} windows")]
    Windows,
    /// A window that is none.
    #[error("`{0}` is no window, such as `Mon-Fri 08:00-18:00` or `22:00-06:00`")]
    Window(String),
    /// A zone that does not look like one.
    #[error("`{0}` is no zone: an offset such as `+01:00`, or a name such as `Europe/Vienna`")]
    Zone(String),
    /// A name that no zone has.
    #[error("`{0}` is not in the time zone database")]
    Unknown(String),
}

/// Hours as a policy has them.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "HoursText")]
pub struct Hours {
    // Invariant: `windows` and `zone` are what `stated` says.
    stated: Stated,
    windows: Vec<Window>,
    zone: TimeZone,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoursText {
    windows: Vec<String>,
    zone: Option<String>,
}

impl TryFrom<HoursText> for Hours {
    type Error = HoursError;

    fn try_from(text: HoursText) -> Result<Self, HoursError> {
        Self::read(Stated {
            windows: text.windows,
            zone: text.zone.unwrap_or_else(|| "UTC".to_owned()),
        })
    }
}

impl PartialEq for Hours {
    fn eq(&self, other: &Self) -> bool {
        self.stated == other.stated
    }
}

impl Eq for Hours {}

impl PartialOrd for Hours {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hours {
    /// By what is stated; the order says nothing.
    fn cmp(&self, other: &Self) -> Ordering {
        let (own, others) = (&self.stated, &other.stated);
        (&own.windows, &own.zone).cmp(&(&others.windows, &others.zone))
    }
}

impl Hours {
    /// Reads hours as an event states them.
    ///
    /// # Errors
    /// [`HoursError`].
    pub fn read(stated: Stated) -> Result<Self, HoursError> {
        if !(1..=WINDOWS_MAX).contains(&stated.windows.len()) {
            return Err(HoursError::Windows);
        }
        let window = |text: &String| Window::read(text).ok_or_else(|| HoursError::Window(text.clone()));
        let windows = stated.windows.iter().map(window).collect::<Result<_, _>>()?;
        let zone = zone(&stated.zone)?;
        Ok(Self { stated, windows, zone })
    }

    /// Hours as events state them.
    pub fn stated(&self) -> &Stated {
        &self.stated
    }

    /// Whether a time is within them.
    pub fn hold(&self, time: Timestamp) -> bool {
        i64::try_from(time.0 / 1_000_000).is_ok_and(|time_s| self.hold_at(time_s))
    }

    /// Whether the time of a request is within them; a request without a time is not.
    pub(crate) fn hold_for(&self, facts: &Facts) -> bool {
        match facts.attributes.get(TIME) {
            Some(Attribute::Integer(time_s)) => i64::try_from(*time_s).is_ok_and(|time_s| self.hold_at(time_s)),
            _ => false,
        }
    }

    fn hold_at(&self, time_s: i64) -> bool {
        let Ok(time) = jiff::Timestamp::from_second(time_s) else {
            return false; // past the year 9999
        };
        let there = time_s + i64::from(self.zone.to_offset(time).seconds());
        let (day, second) = (there.div_euclid(DAY_S) + FIRST_DAY, there.rem_euclid(DAY_S));
        self.windows.iter().any(|window| window.holds(day, second / 60))
    }
}

impl std::fmt::Display for Hours {
    /// `Mon-Fri 08:00-18:00, Sat 22:00-06:00 (Europe/Vienna)`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stated.fmt(formatter)
    }
}

/// Whether a time is within the hours that an event states; those that cannot be read hold no time.
pub fn hold(stated: &Stated, time: Timestamp) -> bool {
    Hours::read(stated.clone()).is_ok_and(|hours| hours.hold(time))
}

/// The facts of a request with its time.
pub fn timed(facts: &mut Facts, time: Timestamp) {
    facts
        .attributes
        .insert(TIME.to_owned(), Attribute::Integer(time.0 / 1_000_000));
}

/// The time of a request, as its facts say it.
pub fn time_of(facts: &Facts) -> Option<Timestamp> {
    match facts.attributes.get(TIME) {
        Some(Attribute::Integer(time_s)) => Some(Timestamp(time_s.saturating_mul(1_000_000))),
        _ => None,
    }
}

/// Days of the week, and minutes of the day.
#[derive(Clone, Debug)]
struct Window {
    days: [bool; 7],
    from: i64,
    to: i64,
}

impl Window {
    fn read(text: &str) -> Option<Self> {
        let (days, span) = match text.split_once(' ') {
            Some((days, span)) => (days_of(days)?, span),
            None => ([true; 7], text),
        };
        let (from, to) = span.split_once('-')?;
        let to = match to {
            "24:00" => 24 * 60,
            to => minutes(to, 23)?,
        };
        let from = minutes(from, 23)?;
        Some(Self { days, from, to })
    }

    /// Whether it has a minute of a day, counted from a Monday.
    fn holds(&self, day: i64, minute: i64) -> bool {
        let named = |day: i64| {
            let place = usize::try_from(day.rem_euclid(7)).ok();
            place.and_then(|place| self.days.get(place)).is_some_and(|named| *named)
        };
        if self.from < self.to {
            named(day) && (self.from..self.to).contains(&minute)
        } else {
            (named(day) && minute >= self.from) || (named(day - 1) && minute < self.to)
        }
    }
}

/// `Mon`, or `Fri-Mon` with all in between.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let place = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (place(first)?, place(last)?),
        None => (place(text)?, place(text)?),
    };
    let mut days = [false; 7];
    for (day, named) in days.iter_mut().enumerate() {
        *named = if first <= last {
            (first..=last).contains(&day)
        } else {
            day >= first || day <= last
        };
    }
    Some(days)
}

/// Minutes of `HH:MM`.
fn minutes(text: &str, hours_max: u8) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u8>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours <= hours_max && minutes < 60).then(|| i64::from(hours) * 60 + i64::from(minutes))
}

/// The zone of a text, as the head of this file has them.
pub(crate) fn zone(text: &str) -> Result<TimeZone, HoursError> {
    let wrong = || HoursError::Zone(text.to_owned());
    let offset = match text.split_at_checked(1) {
        Some(("+", ahead)) => Some((ahead, 1)),
        Some(("-", behind)) => Some((behind, -1)),
        _ => None,
    };
    if let Some((offset, sign)) = offset {
        let minutes = minutes(offset, OFFSET_HOURS_MAX).and_then(|minutes| i32::try_from(minutes).ok());
        let offset = minutes.and_then(|minutes| Offset::from_seconds(sign * minutes * 60).ok());
        return offset.map(TimeZone::fixed).ok_or_else(wrong);
    }
    let part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
        !part.is_empty() && part.bytes().all(letter)
    };
    if !text.starts_with(|first: char| first.is_ascii_uppercase()) || !text.split('/').all(part) {
        return Err(wrong());
    }
    // The database looks names up without regard to case; events and people compare them with it.
    let found = TimeZoneDatabase::bundled().get(text).ok();
    let found = found.filter(|zone| zone.iana_name() == Some(text));
    found.ok_or_else(|| HoursError::Unknown(text.to_owned()))
}

#[cfg(test)]
mod tests;
