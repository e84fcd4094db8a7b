//! Dates and timestamps that are the first of a year, or moved by some days, in both formats and every `DateStyle`.

use exhibit_policy::mask::value::{DAY_MICROS, Day};
use exhibit_policy::mask::{Technique, shift};

/// 2000-01-01 in days since 1970-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i64 = 10_957;

/// Hours that a place is away from UTC at the most; a first of January there is none in UTC.
const OFFSET_HOURS_MAX: i64 = 16;

/// Bytes of a time zone's abbreviation at the most; those that PostgreSQL knows have up to six, and a POSIX one more.
const ZONE_BYTES_MAX: usize = 12;

/// As `DateStyle = 'Postgres'` writes them.
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Whether a cell of that type looks as the technique leaves it.
pub(super) fn looks_like(technique: &Technique, data_type: &str, cell: &[u8]) -> bool {
    match technique {
        Technique::Year => is_first_of_year(data_type, cell),
        Technique::DateShift { .. } => may_be_shifted(data_type, cell),
        _ => false,
    }
}

/// Any day could be a shifted one, of the years that shifts reach.
fn may_be_shifted(data_type: &str, cell: &[u8]) -> bool {
    let reached = |day: Day| shift::years_reached().contains(&day.civil().0);
    if let Ok(text) = std::str::from_utf8(cell) {
        let time = |rest: &str| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || b" :.+-".contains(&byte))
        };
        if let Some((day, rest)) = Day::read_iso(text) {
            return reached(day) && rest.is_empty() == (data_type == "date") && time(rest);
        }
        let mut words = text.split(' ');
        let first = words.next().unwrap_or_default();
        let more = words.count();
        if numeric_date(first) && (more == 0) == (data_type == "date") || WEEKDAYS.contains(&first) && more >= 4 {
            return true;
        }
    }
    let day = match (data_type, <[u8; 4]>::try_from(cell), <[u8; 8]>::try_from(cell)) {
        ("date", Ok(days), _) => i64::from(i32::from_be_bytes(days)),
        ("timestamp" | "timestamptz", _, Ok(micros)) => i64::from_be_bytes(micros).div_euclid(DAY_MICROS),
        _ => return false,
    };
    Day::from_epoch(EPOCH_DAYS + day).is_some_and(reached)
}

/// `31.12.1970`, `12/31/1970` or `12-31-1970`.
fn numeric_date(word: &str) -> bool {
    let lengths: Vec<usize> = word.split(['.', '/', '-']).map(str::len).collect();
    let plain = word.bytes().all(|byte| byte.is_ascii_digit() || b"./-".contains(&byte));
    plain && lengths == [2, 2, 4]
}

fn is_first_of_year(data_type: &str, cell: &[u8]) -> bool {
    let first = |days: i64| Day::from_epoch(EPOCH_DAYS + days).is_some_and(|day| day.first_of_year() == Some(day));
    if let Ok(text) = std::str::from_utf8(cell)
        && let Some((day, rest)) = Day::read_iso(text)
    {
        let midnight = rest.strip_prefix(" 00:00:00").unwrap_or("none");
        let offset = midnight
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-:".contains(&byte));
        let rest = match data_type {
            "date" => rest.is_empty(),
            "timestamp" => midnight.is_empty(),
            _ => !midnight.is_empty() && offset,
        };
        return rest && day.first_of_year() == Some(day);
    }
    if std::str::from_utf8(cell).is_ok_and(|text| new_year(data_type, text)) {
        return true;
    }
    match (data_type, <[u8; 4]>::try_from(cell), <[u8; 8]>::try_from(cell)) {
        ("date", Ok(days), _) => first(i32::from_be_bytes(days).into()),
        ("timestamp", _, Ok(micros)) => {
            let micros = i64::from_be_bytes(micros);
            micros.rem_euclid(DAY_MICROS) == 0 && first(micros.div_euclid(DAY_MICROS))
        }
        ("timestamptz", _, Ok(micros)) => {
            let micros = i64::from_be_bytes(micros);
            let away = DAY_MICROS / 24 * OFFSET_HOURS_MAX;
            [-away, 0, away]
                .iter()
                .any(|away| first(micros.saturating_add(*away).div_euclid(DAY_MICROS)))
        }
        _ => false,
    }
}

/// The first of January as the other settings of `DateStyle` write it, which a session with a database that masks may choose:
/// `01/01/1970` (SQL), `01.01.1970` (German), `01-01-1970` and `Thu Jan 01 00:00:00 1970` or `Thu 01 Jan …` (Postgres).
fn new_year(data_type: &str, text: &str) -> bool {
    let year = |year: &str| (4..=6).contains(&year.len()) && year.bytes().all(|byte| byte.is_ascii_digit());
    let date = |date: &str| {
        ["01/01/", "01.01.", "01-01-"]
            .iter()
            .any(|head| date.strip_prefix(head).is_some_and(year))
    };
    let zone = |rest: &[&str]| match (data_type, rest) {
        ("timestamp", []) => true,
        ("timestamptz", [zone]) => {
            zone.len() <= ZONE_BYTES_MAX
                && zone
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+-:<>".contains(&byte))
        }
        _ => false,
    };
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [day] => data_type == "date" && date(day),
        [day, "00:00:00", rest @ ..] => date(day) && zone(rest),
        [weekday, "Jan", "01", "00:00:00", last, rest @ ..] | [weekday, "01", "Jan", "00:00:00", last, rest @ ..] => {
            WEEKDAYS.contains(weekday) && year(last) && zone(rest)
        }
        _ => false,
    }
}
