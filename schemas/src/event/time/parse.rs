//! Times as people write them: `2026-11-24` or `2026-11-24T09:30:00Z` (RFC 3339, UTC only, to the microsecond).

use crate::event::Timestamp;

const MICROSECONDS: u64 = 1_000_000;
const DAY_S: u64 = 86_400;

impl Timestamp {
    /// Reads `2026-11-24` or `2026-11-24T09:30:00Z` (RFC 3339, UTC only); `None` for any other text. A date alone is its
    /// midnight.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
            None => (text, None),
        };
        let seconds = days(date)?.checked_mul(DAY_S)?;
        let (seconds_of_day, microseconds) = time.map_or(Some((0, 0)), time_of_day)?;
        seconds
            .checked_add(seconds_of_day)?
            .checked_mul(MICROSECONDS)?
            .checked_add(microseconds)
            .map(Self)
    }
}

/// Days from 1970-01-01 to `YYYY-MM-DD`, for years 1970 to 9999.
fn days(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let (year, month, day) = (
        number(parts.next()?, 4)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = |month: u64| match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(28 + u64::from(leap(year))),
        _ => None,
    };
    if parts.next().is_some() || year < 1970 || !(1..=length(month)?).contains(&day) {
        return None;
    }
    // Gregorian leap days before 1 January of the year, less the 477 before 1970.
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    let months: u64 = (1..month).filter_map(length).sum();
    Some((year - 1970) * 365 + leap_days + months + day - 1)
}

/// Seconds of the day and microseconds of `HH:MM:SS` with up to six decimals.
fn time_of_day(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let (hour, minute, second) = (
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let microseconds = match fraction {
        None => 0,
        Some(digits) if (1..=6).contains(&digits.len()) => number(&format!("{digits:0<6}"), 6)?,
        Some(_) => return None,
    };
    Some((hour * 3_600 + minute * 60 + second, microseconds))
}

/// Exactly so many decimal digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use crate::event::Timestamp;

    fn check(text: &str, wanted: Option<u64>) {
        assert_eq!(Timestamp::parse(text).map(|time| time.0), wanted, "{text}");
    }

    #[test]
    fn reads_dates_and_times() {
        // Seconds from `date -u -d … +%s`.
        check("1970-01-01", Some(0));
        check("2000-02-29", Some(951_782_400_000_000));
        check("2026-11-24", Some(1_795_478_400_000_000));
        check("2026-11-24T09:30:01Z", Some(1_795_512_601_000_000));
        check("2026-11-24T09:30:01.5Z", Some(1_795_512_601_500_000));
        check("2026-11-24T09:30:01.000001Z", Some(1_795_512_601_000_001));
        check("2100-03-01", Some(4_107_542_400_000_000));
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "",
            "now",
            "2026",
            "2026-11",
            "2026-1-24",
            "2026-13-01",
            "2026-00-01",
            "2026-02-29",
            "2100-02-29",
            "2026-11-31",
            "2026-11-24-01",
            "1969-12-31",
            "+026-11-24",
            "2026-11-24T",
            "2026-11-24T09:30:01",
            "2026-11-24T09:30:01+01:00",
            "2026-11-24T09:30Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T09:60:00Z",
            "2026-11-24T09:30:60Z",
            "2026-11-24T09:30:01.Z",
            "2026-11-24T09:30:01.1234567Z",
        ] {
            check(text, None);
        }
    }
}
