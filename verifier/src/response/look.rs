//! Whether a released cell looks as its technique leaves it.
//!
//! The type of the column is known, its format is not: a cell passes when it looks right in one of the two formats that
//! PostgreSQL has, which differ in length or in their first byte wherever both are checked. Types that have no masked form
//! are released as NULL alone.
//!
//! Not here: whether the value in a mask's place is the right one, which nobody can tell who has neither key nor value.

mod day;
mod elements;
mod number;

use exhibit_policy::mask::document::Standing;
use exhibit_policy::mask::ff1::{Alphabet, CHARACTERS_MAX};
use exhibit_policy::mask::path;
use exhibit_policy::mask::{REDACTED, TOKEN_BYTES, Technique, shift, zip};

/// Whether a cell of that type looks as the technique leaves it.
pub(super) fn looks_like(technique: &Technique, data_type: &str, cell: &[u8]) -> bool {
    match data_type.strip_suffix("[]") {
        Some(element) => elements::of(cell).is_some_and(|elements| {
            let one = !matches!(technique, Technique::Redact) || elements.len() <= 1;
            one && elements.iter().all(|cell| looks_like(technique, element, cell))
        }),
        None => match data_type {
            "json" | "jsonb" if matches!(technique, Technique::Paths { .. }) => {
                document(technique, cell.strip_prefix(&[1]).unwrap_or(cell))
            }
            "int2" | "int4" | "int8" | "numeric" => number::looks_like(technique, data_type, cell),
            "uuid" => uuid(technique, cell),
            "bytea" => bytes(technique, cell),
            "date" | "timestamp" | "timestamptz" => day::looks_like(technique, data_type, cell),
            "jsonb" => text(technique, cell.strip_prefix(&[1]).unwrap_or(cell)),
            _ => text(technique, cell),
        },
    }
}

/// Whether what stands at a masked place of an object looks as the technique leaves it there.
pub(super) fn stands(technique: &Technique, standing: Standing<'_>) -> bool {
    match standing {
        Standing::Text(text) => plain(technique, text),
        Standing::Json(value) => of_document(technique, value),
    }
}

/// A document whose values at the paths look as the techniques there leave them.
fn document(technique: &Technique, cell: &[u8]) -> bool {
    let (Technique::Paths { paths, rest }, Ok(document)) = (technique, std::str::from_utf8(cell)) else {
        return false;
    };
    let mut right = true;
    let walked = path::walk(document, &mut |place, span| {
        let value = document.get(span).unwrap_or_default();
        let Some(technique) = path::technique(paths, rest.as_deref(), place).filter(|_| value != "null") else {
            return;
        };
        right &= of_document(technique, value);
    });
    walked.is_some() && right
}

/// A string or a number of a document.
fn of_document(technique: &Technique, value: &str) -> bool {
    match serde_json::from_str::<String>(value) {
        Ok(value) => plain(technique, &value),
        Err(_) => number::looks_like_in_document(technique, value),
    }
}

/// A text, or a JSON string of it.
fn text(technique: &Technique, cell: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    let json = serde_json::from_str::<String>(text).ok();
    plain(technique, text) || json.is_some_and(|text| plain(technique, &text))
}

fn plain(technique: &Technique, text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match technique {
        Technique::Redact => text == REDACTED,
        Technique::Null | Technique::Paths { .. } => false,
        // What stays of a text has no form of its own, and detectors of another release find more or less in it.
        Technique::Detect => true,
        Technique::Partial { keep } => text.chars().filter(|character| character.is_alphanumeric()).count() <= *keep,
        Technique::Token { .. } => text
            .strip_prefix("tok_")
            .is_some_and(|digits| hexadecimal(digits, TOKEN_BYTES)),
        Technique::DateShift { .. } => shift::looks_shifted(text),
        Technique::Ff1 { alphabet, .. } => ff1(*alphabet, text),
        Technique::Zip3 => zip::looks_masked(text),
        Technique::Age => text.len() <= 3 && digits(text) && text.parse().is_ok_and(|age: u8| age <= 90),
        Technique::Year => text
            .strip_suffix("-01-01")
            .is_some_and(|year| (4..=6).contains(&year.len()) && digits(year)),
    }
}

/// Letters and digits of one alphabet alone, as many as a million values have.
fn ff1(alphabet: Alphabet, text: &str) -> bool {
    let of_value = || text.chars().filter(|character| character.is_alphanumeric());
    let (least, inside): (usize, fn(&char) -> bool) = match alphabet {
        Alphabet::Digits => (6, |one| one.is_ascii_digit()),
        Alphabet::Letters => (5, |one| one.is_ascii_alphabetic()),
        Alphabet::Alphanumeric => (4, |one| one.is_ascii_alphanumeric()),
    };
    (least..=CHARACTERS_MAX).contains(&of_value().count()) && of_value().all(|one| inside(&one))
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

fn hexadecimal(digits: &str, bytes: usize) -> bool {
    digits.len() == bytes * 2 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
