//! Values as masks see them, whatever the form is in which a protocol writes them.
//!
//! A protocol gives a [`Coding`] for each type and format that it can read and write. A mask takes the [`Value`] and makes
//! another of the same type, so what leaves is valid for its type.
//!
//! Not here: what the bytes of a protocol look like, and what a technique makes of a value (`apply`).

use std::borrow::Cow;
use std::fmt;

/// Days of 400 years of the Gregorian calendar.
const DAYS_OF_400_YEARS: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// The last year that masks know; no system of records goes further, and its days fit every type.
const YEAR_MAX: i64 = 999_999;

/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// How a protocol writes the values of one type in one format.
///
/// One reader serves masks and the net. Both directions are strict: what is not as the protocol writes it is `None`, and is
/// released as NULL.
pub trait Coding: fmt::Debug + Send + Sync {
    /// The value that the bytes stand for.
    fn read(&self, bytes: &[u8]) -> Option<Value>;

    /// The bytes of a value of the type; `None` for one that it cannot hold.
    fn write(&self, value: &Value) -> Option<Vec<u8>>;
}

/// A value of the target; never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// UTF-8 text.
    Text(String),
    /// A JSON document.
    Json(String),
    /// A whole number.
    Integer(Integer),
    /// A decimal fraction of any length.
    Decimal(Decimal),
    /// A day.
    Date(Day),
    /// A day and a time of it.
    Moment(Moment),
    /// A UUID (RFC 9562).
    Uuid([u8; 16]),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of values of one type; `None` is NULL.
    List(Vec<Option<Value>>),
    /// A value that no technique has a form for (`infinity`, a row, a list of lists), as the text that stands for it. It is
    /// searched and not written.
    Other(String),
}

impl Value {
    /// The text in which identifiers are looked for. See [`BETWEEN`] for lists and rows.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) | Self::Json(text) | Self::Other(text) => Cow::Borrowed(text),
            Self::Integer(integer) => Cow::Owned(integer.number.to_string()),
            Self::Decimal(decimal) => Cow::Borrowed(decimal.as_str()),
            Self::Date(day) => Cow::Owned(day.iso()),
            Self::Moment(moment) => Cow::Owned(moment.iso()),
            Self::Uuid(uuid) => Cow::Owned(hyphenated(uuid)),
            Self::Bytes(bytes) => characters(bytes),
            Self::List(values) => {
                let values: Vec<_> = values.iter().flatten().map(Self::text).collect();
                Cow::Owned(values.join(BETWEEN))
            }
        }
    }
}

/// What stands between the values of a list or a row where they are searched together: one may say what the next one is, and
/// digits on both sides are no number.
pub const BETWEEN: &str = ", ";

/// Bytes as text: UTF-8, or else a character to a byte. In the encodings that a protocol reads, a byte of ASCII is always
/// itself.
pub fn characters(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Value(..)")
    }
}

/// A whole number of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Integer {
    /// The number.
    pub number: i64,
    /// The greatest one that its type holds.
    pub max: i64,
}

impl Integer {
    /// A number of the type whose greatest one is `max`, and whose least one is one further from zero.
    pub fn new(number: i64, max: i64) -> Option<Self> {
        (-max - 1..=max).contains(&number).then_some(Self { number, max })
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Integer(..)")
    }
}

/// A decimal fraction as its shortest text: no zero before the point but one, none at the end behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Reads digits with a sign and a point; `None` for what is no finite number.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || (text.contains('.') && fraction.is_empty()) {
            return None;
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        Some(Self(match fraction.trim_end_matches('0') {
            "" if whole == "0" => "0".to_owned(),
            "" => format!("{sign}{whole}"),
            fraction => format!("{sign}{whole}.{fraction}"),
        }))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Decimal(..)")
    }
}

/// A day of the Gregorian calendar, of the years 1 to 999999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day that is so many days after 1970-01-01.
    pub fn from_epoch(days: i64) -> Option<Self> {
        let day = Self(days);
        (i64::MIN / 2..i64::MAX / 2)
            .contains(&days)
            .then_some(day)
            .filter(|day| (1..=YEAR_MAX).contains(&day.civil().0))
    }

    /// Days after 1970-01-01.
    pub fn days(self) -> i64 {
        self.0
    }

    /// The day of a date, where there is such a day.
    pub fn from_civil(year: i64, month: i64, day: i64) -> Option<Self> {
        if !(1..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        // Years are counted from March, so that the leap day is the last (Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms").
        let year_from_march = if month <= 2 { year - 1 } else { year };
        let era = year_from_march.div_euclid(400);
        let year_of_era = year_from_march.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let found = Self(era * DAYS_OF_400_YEARS + day_of_era - DAYS_TO_EPOCH);
        // A day that its month does not have comes out as one of the next month.
        (found.civil() == (year, month, day)).then_some(found)
    }

    /// Year, month and day.
    pub fn civil(self) -> (i64, i64, i64) {
        let days = self.0 + DAYS_TO_EPOCH;
        let era = days.div_euclid(DAYS_OF_400_YEARS);
        let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, month, day)
    }

    /// The first day of its year.
    #[must_use]
    pub fn first_of_year(self) -> Option<Self> {
        Self::from_civil(self.civil().0, 1, 1)
    }

    /// So many days later.
    pub fn later(self, days: i64) -> Option<Self> {
        Self::from_epoch(self.0.checked_add(days)?)
    }

    /// Reads `YYYY-MM-DD`, with a year of four to six digits, and gives what follows it.
    pub fn read_iso(text: &str) -> Option<(Self, &str)> {
        let year = text.bytes().take_while(u8::is_ascii_digit).count();
        let date = text.get(..year + 6).filter(|_| (4..=6).contains(&year))?;
        let mut parts = date.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<i64>().ok().filter(|_| digits)
        };
        let day = Self::from_civil(part(year)?, part(2)?, part(2)?)?;
        Some((day, text.get(year + 6..)?))
    }

    /// As `YYYY-MM-DD`.
    pub fn iso(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Day(..)")
    }
}

/// A UUID as RFC 9562, 4 writes it.
pub fn hyphenated(uuid: &[u8; 16]) -> String {
    let digits = hex::encode(uuid);
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts = parts.map(|(from, to)| digits.get(from..to).unwrap_or_default());
    parts.join("-")
}

/// A time of a day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The day, at the place where the time is told.
    pub day: Day,
    /// Microseconds since its midnight, less than [`DAY_MICROS`].
    pub micros: i64,
    /// Seconds that the place is ahead of UTC, where that is told.
    pub offset_s: Option<i32>,
}

impl Moment {
    /// As `YYYY-MM-DD HH:MM:SS[.f…]`, without an offset.
    pub fn iso(&self) -> String {
        let seconds = self.micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let fraction = format!(".{:06}", self.micros % 1_000_000);
        let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
        format!("{} {hour:02}:{minute:02}:{second:02}{fraction}", self.day.iso())
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Moment(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Day, Decimal};

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, days) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-01-01", Some(10_957)),
            ("2000-02-29", Some(11_016)),
            ("1900-02-29", None),
            ("2023-02-29", None),
            ("2024-02-29", Some(19_782)),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-00", None),
            ("2024-04-31", None),
            ("0001-01-01", Some(-719_162)),
            ("0000-12-31", None),
            ("9999-12-31", Some(2_932_896)),
            ("999999-12-31", Some(364_522_971)),
            ("1000000-01-01", None),
            ("70-01-01", None),
            ("1970-1-01", None),
            ("1970-01-1", None),
            ("1970/01/01", None),
            ("", None),
            ("é970-01-01", None),
        ] {
            assert_eq!(Day::read_iso(text).map(|(day, _)| day.days()), days, "{text}");
        }
        assert_eq!(Day::read_iso("2024-02-29T10:00").map(|(_, rest)| rest), Some("T10:00"));
        for days in [i64::MIN, i64::MAX, -719_163, 364_522_972] {
            assert_eq!(Day::from_epoch(days), None);
        }
    }

    #[test]
    fn equal_numbers_have_one_text() {
        for (text, wanted) in [
            ("0", Some("0")),
            ("-0.00", Some("0")),
            ("007.500", Some("7.5")),
            ("-12.0", Some("-12")),
            ("0.001", Some("0.001")),
            ("100", Some("100")),
            (".5", None),
            ("5.", None),
            ("", None),
            ("-", None),
            ("NaN", None),
            ("Infinity", None),
            ("1e5", None),
            ("1.2.3", None),
        ] {
            let found = Decimal::parse(text);
            assert_eq!(found.as_ref().map(Decimal::as_str), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn days_go_both_ways(days in -719_162_i64..=364_522_971) {
            let day = Day::from_epoch(days).unwrap();
            let (year, month, of_month) = day.civil();
            prop_assert_eq!(Day::from_civil(year, month, of_month), Some(day));
            let text = day.iso();
            prop_assert_eq!(Day::read_iso(&text), Some((day, "")));
        }
    }
}
