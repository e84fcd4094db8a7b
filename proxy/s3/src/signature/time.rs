//! Times as signatures write them: `20130524T000000Z`, the HTTP date, and that of a form's policy.
//!
//! Not here: a clock.

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::Offset;

/// 9999-01-01T00:00:00Z. Later years have four digits until their end, but the library's calendar ends a day before that.
const YEAR_9999_S: i64 = 253_370_764_800;

/// Months of an HTTP date.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A second of the years 1970 to 9998, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(
    /// Not below 0, and below [`YEAR_9999_S`].
    i64,
);

impl UnixSeconds {
    /// Seconds since 1970, if a signature can say them.
    pub fn new(seconds: i64) -> Option<Self> {
        (0..YEAR_9999_S).contains(&seconds).then_some(Self(seconds))
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// Reads `20130524T000000Z`, the form of `x-amz-date`.
    pub fn parse_basic(text: &str) -> Option<Self> {
        if text.len() != 16 || text.get(8..9)? != "T" || text.get(15..)? != "Z" {
            return None;
        }
        let date = (number(text, 0, 4)?, number(text, 4, 6)?, number(text, 6, 8)?);
        let clock = (number(text, 9, 11)?, number(text, 11, 13)?, number(text, 13, 15)?);
        Self::of(civil(date, clock)?)
    }

    /// Reads `Fri, 24 May 2013 00:00:00 GMT`, the preferred form of RFC 9110 section 5.6.7.
    pub fn parse_http(text: &str) -> Option<Self> {
        if text.len() != 29 || text.get(25..)? != " GMT" {
            return None;
        }
        let separators = [(3, ", "), (7, " "), (11, " "), (16, " "), (19, ":"), (22, ":")];
        for (at, separator) in separators {
            if !text.get(at..)?.starts_with(separator) {
                return None;
            }
        }
        let month = MONTHS
            .iter()
            .zip(1..)
            .find(|(name, _)| text.get(8..11) == Some(name))?
            .1;
        let date = (number(text, 12, 16)?, month, number(text, 5, 7)?);
        let clock = (number(text, 17, 19)?, number(text, 20, 22)?, number(text, 23, 25)?);
        let civil = civil(date, clock)?;
        (text.get(..3)? == day_name(civil.weekday())).then_some(())?;
        Self::of(civil)
    }

    /// Reads `2015-12-30T12:00:00.000Z`, the form of a policy's `expiration`; parts of a second may be left out, and do not count.
    pub fn parse_extended(text: &str) -> Option<Self> {
        for (at, separator) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
            if !text.get(at..)?.starts_with(separator) {
                return None;
            }
        }
        let fraction = text.get(19..)?.strip_suffix('Z')?;
        if !fraction.is_empty() {
            let digits = fraction.strip_prefix('.')?;
            if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
        }
        let date = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
        let clock = (number(text, 11, 13)?, number(text, 14, 16)?, number(text, 17, 19)?);
        Self::of(civil(date, clock)?)
    }

    /// `20130524T000000Z`.
    pub fn basic(self) -> String {
        let civil = self.civil();
        format!(
            "{}T{:02}{:02}{:02}Z",
            self.date(),
            civil.hour(),
            civil.minute(),
            civil.second()
        )
    }

    /// `2013-05-24T00:00:00Z`, the form of XML documents.
    pub fn extended(self) -> String {
        let civil = self.civil();
        let (year, month, day) = (civil.year(), civil.month(), civil.day());
        let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20130524`, the date of a scope.
    pub fn date(self) -> String {
        let civil = self.civil();
        format!("{:04}{:02}{:02}", civil.year(), civil.month(), civil.day())
    }

    fn civil(self) -> DateTime {
        let time = Timestamp::from_second(self.0).expect("the years 1970 to 9998 are the library's, too");
        Offset::UTC.to_datetime(time)
    }

    fn of(civil: DateTime) -> Option<Self> {
        Self::new(Offset::UTC.to_timestamp(civil).ok()?.as_second())
    }
}

/// Digits of a text, all of them, as a number.
fn number(text: &str, from: usize, to: usize) -> Option<i16> {
    let digits = text.get(from..to)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// A date and a time of day that exist; no leap seconds.
fn civil((year, month, day): (i16, i16, i16), (hour, minute, second): (i16, i16, i16)) -> Option<DateTime> {
    let small = |number: i16| i8::try_from(number).ok();
    DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    )
    .ok()
}

const fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    }
}

#[cfg(test)]
mod tests {
    use super::UnixSeconds;

    #[test]
    fn three_forms_say_the_same_second() {
        let second = UnixSeconds::new(1_369_353_600);
        assert_eq!(UnixSeconds::parse_basic("20130524T000000Z"), second);
        assert_eq!(UnixSeconds::parse_http("Fri, 24 May 2013 00:00:00 GMT"), second);
        assert_eq!(UnixSeconds::parse_extended("2013-05-24T00:00:00.000Z"), second);
        assert_eq!(UnixSeconds::parse_extended("2013-05-24T00:00:00Z"), second);
        assert_eq!(second.map(UnixSeconds::basic).as_deref(), Some("20130524T000000Z"));
        assert_eq!(second.map(UnixSeconds::date).as_deref(), Some("20130524"));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "20130524T000000",
            "20130230T000000Z",
            "20130524T250000Z",
            "+0130524T000000Z",
            "20130524t000000Z",
            "2013052éT00000Z",
        ] {
            assert_eq!(UnixSeconds::parse_basic(text), None, "{text}");
        }
        for text in [
            "Thu, 24 May 2013 00:00:00 GMT",
            "Fri, 24 May 2013 00:00:00 UTC",
            "Friday, 24-May-13 00:00:00 GMT",
            "Fri, 24 may 2013 00:00:00 GMT",
        ] {
            assert_eq!(UnixSeconds::parse_http(text), None, "{text}");
        }
        for text in [
            "2013-05-24T00:00:00",
            "2013-05-24T00:00:00.Z",
            "2013-05-24 00:00:00Z",
            "2013-05-24T00:00:00+00:00",
            "2013-05-24T00:00:00.0000000000Z",
        ] {
            assert_eq!(UnixSeconds::parse_extended(text), None, "{text}");
        }
    }

    #[test]
    fn years_have_four_digits() {
        assert_eq!(UnixSeconds::new(-1), None);
        assert_eq!(UnixSeconds::new(253_370_764_800), None);
        assert_eq!(UnixSeconds::parse_basic("99990101T000000Z"), None);
        let last = UnixSeconds::new(253_370_764_799).expect("the last second");
        assert_eq!(last.basic(), "99981231T235959Z");
        assert_eq!(UnixSeconds::parse_basic("99981231T235959Z"), Some(last));
    }
}
