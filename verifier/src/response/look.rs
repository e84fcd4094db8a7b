//! Whether a released cell looks as its technique leaves it.
//!
//! The type of the column is known, its format is not: a cell passes when it looks right in one of the two formats that
//! PostgreSQL has, which differ in length or in their first byte wherever both are checked. Types that have no masked form
//! are released as NULL alone.
//!
//! Not here: whether the value in a mask's place is the right one, which nobody can tell who has neither key nor value.

use exhibit_policy::mask::value::{DAY_MICROS, Day};
use exhibit_policy::mask::{REDACTED, TOKEN_BYTES, Technique};

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
    match data_type.strip_suffix("[]") {
        Some(element) => elements(cell).is_some_and(|elements| {
            let one = !matches!(technique, Technique::Redact) || elements.len() <= 1;
            one && elements.iter().all(|cell| looks_like(technique, element, cell))
        }),
        None => match data_type {
            "int2" | "int4" | "int8" | "numeric" => number(technique, data_type, cell),
            "uuid" => uuid(technique, cell),
            "bytea" => bytes(technique, cell),
            "date" | "timestamp" | "timestamptz" => day(technique, data_type, cell),
            "jsonb" => text(technique, cell.strip_prefix(&[1]).unwrap_or(cell)),
            _ => text(technique, cell),
        },
    }
}

/// A text, or a JSON string of it.
fn text(technique: &Technique, cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    let json = serde_json::from_str::<String>(text).ok();
    [Some(text), json.as_deref()]
        .into_iter()
        .flatten()
        .any(|text| match technique {
            Technique::Redact => text == REDACTED,
            Technique::Null => false,
            // What stays of a text has no form of its own, and detectors of another release find more or less in it.
            Technique::Detect => true,
            Technique::Partial { keep } => {
                text.chars().filter(|character| character.is_alphanumeric()).count() <= *keep
            }
            Technique::Token { .. } => text
                .strip_prefix("tok_")
                .is_some_and(|digits| hexadecimal(digits, TOKEN_BYTES)),
            Technique::Year => text
                .strip_suffix("-01-01")
                .is_some_and(|year| (4..=6).contains(&year.len()) && year.bytes().all(|byte| byte.is_ascii_digit())),
        })
}

fn number(technique: &Technique, data_type: &str, cell: &[u8]) -> bool {
    let digits = !cell.is_empty() && cell.iter().all(u8::is_ascii_digit);
    let zero = cell == b"0" || cell.iter().all(|byte| *byte == 0);
    let length = match data_type {
        "int2" => cell.len() == 2,
        "int4" => cell.len() == 4,
        "int8" => cell.len() == 8,
        // Digits, weight, sign and scale, two bytes each; a whole number has no sign and no scale.
        _ => cell.len() >= 8 && cell.get(4..8) == Some(&[0; 4]),
    };
    match technique {
        Technique::Redact => zero && (digits || length),
        // A token is never below zero.
        Technique::Token { .. } => digits || (length && cell.first().is_some_and(|byte| *byte < 0x80)),
        _ => false,
    }
}

fn uuid(technique: &Technique, cell: &[u8]) -> bool {
    let digits = match cell.len() {
        36 => String::from_utf8_lossy(cell).replace('-', ""),
        16 => hex::encode(cell),
        _ => return false,
    };
    let at = |place: usize| digits.as_bytes().get(place);
    match technique {
        Technique::Redact => digits.len() == 32 && digits.bytes().all(|digit| digit == b'0'),
        // Version 8 and the variant of RFC 9562.
        Technique::Token { .. } => {
            hexadecimal(&digits, 16) && at(12) == Some(&b'8') && at(16).is_some_and(|digit| b"89ab".contains(digit))
        }
        _ => false,
    }
}

fn bytes(technique: &Technique, cell: &[u8]) -> bool {
    let digits = std::str::from_utf8(cell).ok().and_then(|text| text.strip_prefix("\\x"));
    match technique {
        Technique::Redact => cell == REDACTED.as_bytes() || digits == Some(&hex::encode(REDACTED)),
        Technique::Token { .. } => {
            cell.len() == TOKEN_BYTES || digits.is_some_and(|digits| hexadecimal(digits, TOKEN_BYTES))
        }
        _ => false,
    }
}

fn day(technique: &Technique, data_type: &str, cell: &[u8]) -> bool {
    if *technique != Technique::Year {
        return false;
    }
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

fn hexadecimal(digits: &str, bytes: usize) -> bool {
    digits.len() == bytes * 2 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The elements of an array of one dimension that are not NULL, in either format.
fn elements(cell: &[u8]) -> Option<Vec<Vec<u8>>> {
    match std::str::from_utf8(cell).ok().and_then(|text| text.strip_prefix('{')) {
        Some(text) => text_elements(text.strip_suffix('}')?),
        None => binary_elements(cell),
    }
}

fn text_elements(inside: &str) -> Option<Vec<Vec<u8>>> {
    let mut elements = Vec::new();
    let mut rest = inside.chars();
    let mut element = String::new();
    let mut quoted = false;
    while !inside.is_empty() {
        match rest.next() {
            Some('"') => {
                quoted = true;
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => element.push(rest.next()?),
                        character => element.push(character),
                    }
                }
            }
            Some(character) if character != ',' => element.push(character),
            end => {
                let element = std::mem::take(&mut element);
                if quoted || element != "NULL" {
                    elements.push(element.into_bytes());
                }
                quoted = false;
                if end.is_none() {
                    break;
                }
            }
        }
    }
    Some(elements)
}

fn binary_elements(mut cell: &[u8]) -> Option<Vec<Vec<u8>>> {
    let number = |cell: &mut &[u8]| {
        let (number, rest) = cell.split_first_chunk()?;
        *cell = rest;
        Some(i32::from_be_bytes(*number))
    };
    let dimensions = number(&mut cell)?;
    // Whether NULLs are there, and the type.
    number(&mut cell).and(number(&mut cell))?;
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = number(&mut cell)?;
            number(&mut cell)?;
            count
        }
        _ => return None,
    };
    let mut elements = Vec::new();
    for _ in 0..count {
        if let Ok(length) = usize::try_from(number(&mut cell)?) {
            let (element, rest) = cell.split_at_checked(length)?;
            elements.push(element.to_vec());
            cell = rest;
        }
    }
    cell.is_empty().then_some(elements)
}

#[cfg(test)]
mod tests {
    use exhibit_policy::mask::Technique;

    use super::looks_like;

    fn check(technique: &Technique, data_type: &str, cell: &[u8], wanted: bool) {
        let shown = String::from_utf8_lossy(cell);
        assert_eq!(
            looks_like(technique, data_type, cell),
            wanted,
            "{technique:?} {data_type} {shown}"
        );
    }

    #[test]
    fn masked_texts_look_as_their_technique_leaves_them() {
        let token = Technique::Token { domain: "mrn".into() };
        let partial = Technique::Partial { keep: 4 };
        for (technique, cell, wanted) in [
            (&Technique::Redact, "[redacted]", true),
            (&Technique::Redact, "\"[redacted]\"", true),
            (&Technique::Redact, "[redacted] ", false),
            (&Technique::Null, "", false),
            (&partial, "***-**-1234", true),
            (&partial, "**1-**-1234", false),
            (&partial, "\"**\\n1234\"", true),
            (&token, "tok_0123456789abcdef0123456789abcdef", true),
            (&token, "tok_0123456789abcdef0123456789abcdeF", false),
            (&token, "tok_0123456789abcdef0123456789abcde", false),
            (&Technique::Year, "1970-01-01", true),
            (&Technique::Detect, "Dr. [name] called", true),
            (&Technique::Year, "1970-01-02", false),
            (&Technique::Year, "1970-01-01 BC", false),
        ] {
            check(technique, "text", cell.as_bytes(), wanted);
        }
        check(&Technique::Redact, "text", &[0xff], false);
        check(&Technique::Detect, "text", &[0xff], false);
        check(&Technique::Redact, "jsonb", b"\x01\"[redacted]\"", true);
        check(&Technique::Redact, "jsonb", b"\x01{\"a\":1}", false);
    }

    #[test]
    fn a_first_of_january_is_taken_in_every_style_of_dates() {
        for (data_type, cell, wanted) in [
            ("date", "01.01.1970", true),
            ("date", "01/01/1970", true),
            ("date", "01-01-1970", true),
            ("date", "02.01.1970", false),
            ("date", "01/02/1970", false),
            ("date", "01.01.1970 00:00:00", false),
            ("timestamp", "01/01/1970 00:00:00", true),
            ("timestamp", "01/01/1970 00:00:01", false),
            ("timestamp", "Thu Jan 01 00:00:00 1970", true),
            ("timestamp", "Thu 01 Jan 00:00:00 1970", true),
            ("timestamp", "Thu Jan 02 00:00:00 1970", false),
            ("timestamp", "Any Jan 01 00:00:00 1970", false),
            ("timestamptz", "01.01.1970 00:00:00 JST", true),
            ("timestamptz", "01.01.1970 00:00:00", false),
            ("timestamptz", "Thu Jan 01 00:00:00 1970 +0530", true),
            ("int4", "01.01.1970", false),
        ] {
            let fits = looks_like(&Technique::Year, data_type, cell.as_bytes());
            assert_eq!(fits, wanted, "{data_type} {cell}");
        }
    }

    #[test]
    fn masked_values_of_other_types_look_so_in_both_formats() {
        let token = Technique::Token { domain: "mrn".into() };
        let tokens = b"{tok_0123456789abcdef0123456789abcdef,NULL}";
        let new_year_2001 = 366 * 86_400_000_000_i64;
        for (technique, data_type, cell, wanted) in [
            (&Technique::Redact, "int4", &b"0"[..], true),
            (&Technique::Redact, "int4", &[0, 0, 0, 0], true),
            (&Technique::Redact, "int4", &[0, 0, 0, 7], false),
            (&Technique::Redact, "int8", &[0, 0, 0, 0], false),
            (&Technique::Redact, "int4", b"12", false),
            (&token, "int4", b"2147483647", true),
            (&token, "int4", b"-1", false),
            (&token, "int4", &[0x7f, 0xff, 0xff, 0xff], true),
            (&token, "int4", &[0xff, 0xff, 0xff, 0xff], false),
            (&Technique::Year, "int4", b"1970", false),
            (&Technique::Redact, "numeric", &[0; 8], true),
            (&Technique::Redact, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7], false),
            (&token, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7], true),
            (&token, "numeric", &[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 7], false),
            (&token, "numeric", b"1.5", false),
            (
                &Technique::Redact,
                "uuid",
                b"00000000-0000-0000-0000-000000000000",
                true,
            ),
            (&Technique::Redact, "uuid", &[0; 16], true),
            (
                &Technique::Redact,
                "uuid",
                b"00000000-0000-0000-0000-000000000001",
                false,
            ),
            (&token, "uuid", b"82a09473-289e-88df-8c56-d19e316d4d40", true),
            (&token, "uuid", b"82a09473-289e-48df-8c56-d19e316d4d40", false),
            (&token, "uuid", b"82a09473-289e-88df-7c56-d19e316d4d40", false),
            (&token, "bytea", &[7; 16], true),
            (&token, "bytea", &[7; 15], false),
            (&token, "bytea", b"\\x82a09473289e88df8c56d19e316d4d40", true),
            (&Technique::Redact, "bytea", b"\\x5b72656461637465645d", true),
            (&Technique::Redact, "bytea", b"[redacted]", true),
            (&Technique::Redact, "bytea", b"\\x00", false),
            (&Technique::Year, "date", &[0; 4], true),
            (&Technique::Year, "date", &[0, 0, 0, 1], false),
            (&Technique::Year, "date", b"1970-01-01", true),
            (&Technique::Year, "date", b"1970-01-02", false),
            (&token, "date", b"1970-01-01", false),
            (&Technique::Year, "timestamp", b"1970-01-01 00:00:00", true),
            (&Technique::Year, "timestamp", b"1970-01-01 00:00:01", false),
            (&Technique::Year, "timestamp", &new_year_2001.to_be_bytes(), true),
            (&Technique::Year, "timestamp", &1_i64.to_be_bytes(), false),
            (&Technique::Year, "timestamptz", b"1970-01-01 00:00:00+05:30", true),
            (
                &Technique::Year,
                "timestamptz",
                b"1970-01-01 00:00:00+05 and more",
                false,
            ),
            (
                &Technique::Year,
                "timestamptz",
                &(new_year_2001 - 3_600_000_000).to_be_bytes(),
                true,
            ),
            (
                &Technique::Year,
                "timestamptz",
                &(2 * new_year_2001 / 3).to_be_bytes(),
                false,
            ),
            (&token, "text[]", tokens, true),
            (&token, "text[]", b"{Ann}", false),
            (&token, "text[]", b"{}", true),
            (&token, "text[]", b"Ann", false),
            (&Technique::Redact, "text[]", b"{[redacted]}", true),
            (&Technique::Redact, "text[]", b"{[redacted],[redacted]}", false),
            (
                &Technique::Redact,
                "int4[]",
                &[
                    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0,
                ],
                true,
            ),
            (
                &Technique::Redact,
                "int4[]",
                &[
                    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9,
                ],
                false,
            ),
        ] {
            check(technique, data_type, cell, wanted);
        }
    }
}
