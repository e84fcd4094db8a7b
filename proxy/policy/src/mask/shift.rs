//! Dates moved by a keyed number of days, one for all values of a domain or one for each person in it.
//!
//! Intervals are kept, and the time of day is: both can identify, and so can a season. The rule is not met by a
//! shifted date: 45 CFR 164.514(b)(2)(i)(C) wants all of a date but its year gone.

use super::key::MaskKey;
use super::value::{Day, Moment, Value};

/// Days that a shift goes at the most, and the range where the policy names none: a year, so that no date keeps its year
/// for sure.
pub const DAYS_MAX: u32 = 3_650;

/// See [`DAYS_MAX`].
pub const DAYS: u32 = 365;

/// Years whose days are shifted; what stands outside (`9999-12-31`) says that there is no date. All of them and
/// [`DAYS_MAX`] days more have four digits.
pub const YEARS: std::ops::RangeInclusive<i64> = 11..=9_989;

/// Days that the dates of a person are moved by: from `-range` to `range`, never 0.
pub(super) fn days(range: u32, domain: &str, person: &str, key: &MaskKey) -> i64 {
    let range = i64::from(range.max(1));
    let digest = key.subkey(&[LABEL, domain, person]);
    let first = digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | i64::from(*byte));
    match (first & i64::MAX) % (2 * range) {
        number if number < range => number - range,
        number => number - range + 1,
    }
}

/// Years that a shifted date may have.
pub fn years_reached() -> std::ops::RangeInclusive<i64> {
    let years = i64::from(DAYS_MAX) / 365 + 1;
    YEARS.start() - years..=YEARS.end() + years
}

/// Whether a text could be a shifted date.
pub fn looks_shifted(text: &str) -> bool {
    Day::read_iso(text).is_some_and(|(day, rest)| years_reached().contains(&day.civil().0) && time(rest).is_some())
}

/// What the subkeys of shifts begin with.
pub const LABEL: &str = "date-shift";

/// A value so many days later.
pub(super) fn shifted(value: &Value, days: i64) -> Option<Value> {
    match value {
        Value::Date(day) => Some(Value::Date(later(*day, days)?)),
        Value::Moment(moment) => Some(Value::Moment(Moment {
            day: later(moment.day, days)?,
            ..*moment
        })),
        Value::Text(text) => {
            let (day, rest) = Day::read_iso(text).filter(|(_, rest)| time(rest).is_some())?;
            Some(Value::Text(later(day, days)?.iso() + rest))
        }
        _ => None,
    }
}

fn later(day: Day, days: i64) -> Option<Day> {
    YEARS.contains(&day.civil().0).then_some(day)?.later(days)
}

/// Takes a time of day and an offset (ISO 8601), or nothing: `THH:MM[:SS[.f]][Z|±HH[[:]MM]]`.
fn time(text: &str) -> Option<()> {
    let pair = |text: &str| {
        let (digits, rest) = text.split_at_checked(2)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| rest.to_owned())
    };
    if text.is_empty() {
        return Some(());
    }
    let mut rest = pair(pair(text.strip_prefix(['T', ' '])?)?.strip_prefix(':')?)?;
    if let Some(seconds) = rest.strip_prefix(':') {
        rest = pair(seconds)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            rest = fraction.get(digits..).filter(|_| (1..=9).contains(&digits))?.to_owned();
        }
    }
    match rest.strip_prefix(['+', '-']) {
        None => matches!(rest.as_str(), "" | "Z").then_some(()),
        Some(offset) => {
            let minutes = pair(offset)?;
            if minutes.is_empty() {
                return Some(());
            }
            let minutes = pair(minutes.strip_prefix(':').unwrap_or(&minutes))?;
            minutes.is_empty().then_some(())
        }
    }
}
