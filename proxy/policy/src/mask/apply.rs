//! What each technique makes of a value. `None` is NULL: less is released, never more.

use std::borrow::Cow;

use super::key::MaskKey;
use super::value::{Decimal, Integer, Moment, Value, hyphenated};
use super::{DETECT_FLOOR, REDACTED, Technique, ff1, path, shift, zip};
use crate::detect::{Detectors, Hints};

/// What stands for every age over 89.
const AGE_TOP: i64 = 90;

/// Where the version of a UUID stands (RFC 9562, 4.2), and the mask and bits of version 8.
const UUID_VERSION: (usize, u8, u8) = (6, 0x0f, 0x80);

/// Where the variant of a UUID stands (RFC 9562, 4.1).
const UUID_VARIANT: (usize, u8, u8) = (8, 0x3f, 0x80);

/// The masked form of a text, at the end of `into`; `false` is NULL. What documents are full of needs no memory of its own.
pub(super) fn append(technique: &Technique, text: &str, key: &MaskKey, into: &mut String) -> bool {
    match technique {
        Technique::Redact => into.push_str(REDACTED),
        Technique::Null => return false,
        Technique::Partial { keep } => partial_of(text, *keep, into),
        Technique::Token { domain } => key.append_token(domain, text.as_bytes(), into),
        technique => match apply(technique, Value::Text(text.to_owned()), key) {
            Some(Value::Text(masked)) => into.push_str(&masked),
            _ => return false,
        },
    }
    true
}

/// The masked form of a value.
pub(super) fn apply(technique: &Technique, value: Value, key: &MaskKey) -> Option<Value> {
    match (technique, value) {
        (Technique::Redact, value) => redact(&value),
        (technique, Value::List(elements)) => {
            // Of what type a list without a value is, is not known here.
            let mut values = elements.iter().flatten().peekable();
            if values.peek().is_none() || !values.all(|element| suits(technique, element)) {
                return None;
            }
            let masked = elements
                .into_iter()
                .map(|element| element.and_then(|element| apply(technique, element, key)));
            Some(Value::List(masked.collect()))
        }
        (technique, value) if !suits(technique, &value) => None,
        (Technique::Partial { keep }, value) => partial_value(&value, *keep),
        (Technique::Token { domain }, value) => token(&value, domain, key),
        (Technique::Year, value) => year(&value),
        (
            Technique::DateShift {
                domain,
                days,
                person: None,
            },
            value,
        ) => shift::shifted(&value, shift::days(*days, domain, "", key)),
        (Technique::Ff1 { domain, alphabet }, value) => encrypted(&value, *alphabet, domain, key),
        (Technique::Zip3, value) => zip3(&value),
        (Technique::Age, value) => age(value),
        (Technique::Paths { paths, rest }, Value::Json(document)) => {
            path::mask(&document, paths, rest.as_deref(), key).map(Value::Json)
        }
        // Who a row is about is not known here: where the policy wants it known, nothing is told.
        (Technique::Null | Technique::DateShift { person: Some(_), .. } | Technique::Paths { .. }, _) => None,
        (Technique::Detect, value) => detect(value),
    }
}

/// Whether a technique has a masked form for values of that type.
fn suits(technique: &Technique, value: &Value) -> bool {
    match technique {
        Technique::Redact => true,
        Technique::Null => false,
        Technique::Partial { .. } | Technique::Detect => matches!(value, Value::Text(_) | Value::Json(_)),
        // A date is no name of anything; a list in a list is none that a protocol reads.
        Technique::Token { .. } => !matches!(
            value,
            Value::Date(_) | Value::Moment(_) | Value::List(_) | Value::Other(_)
        ),
        Technique::Year | Technique::DateShift { .. } => {
            matches!(value, Value::Text(_) | Value::Date(_) | Value::Moment(_))
        }
        Technique::Ff1 { .. } | Technique::Zip3 => matches!(value, Value::Text(_) | Value::Integer(_)),
        Technique::Age => matches!(value, Value::Text(_) | Value::Integer(_) | Value::Decimal(_)),
        Technique::Paths { .. } => matches!(value, Value::Json(_)),
    }
}

/// A fixed value of the same type. No number of the elements of a list is told.
fn redact(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Text(_) => Value::Text(REDACTED.to_owned()),
        Value::Json(_) => Value::Json(quoted(REDACTED)),
        Value::Integer(Integer { max, .. }) => Value::Integer(Integer { number: 0, max: *max }),
        Value::Decimal(_) => Value::Decimal(Decimal::from(0)),
        Value::Uuid(_) => Value::Uuid([0; 16]),
        Value::Bytes(_) => Value::Bytes(REDACTED.as_bytes().to_vec()),
        Value::List(elements) => {
            let first = elements.iter().flatten().next();
            Value::List(first.map(redact).into_iter().collect())
        }
        // Every date could be one.
        Value::Date(_) | Value::Moment(_) | Value::Other(_) => return None,
    })
}

fn partial_value(value: &Value, keep: usize) -> Option<Value> {
    match value {
        Value::Text(text) => Some(Value::Text(partial(text, keep))),
        Value::Json(text) => Some(Value::Json(quoted(&partial(text, keep)))),
        _ => None,
    }
}

/// Stars for every letter and digit but the last `keep`; for all of them where fewer than twice `keep` there are.
fn partial(text: &str, keep: usize) -> String {
    let mut masked = String::with_capacity(text.len());
    partial_of(text, keep, &mut masked);
    masked
}

fn partial_of(text: &str, keep: usize, into: &mut String) {
    let letters = text.chars().filter(|character| character.is_alphanumeric()).count();
    let shown = if letters < keep.saturating_mul(2) { 0 } else { keep };
    let mut left = letters;
    into.extend(text.chars().map(|character| {
        if !character.is_alphanumeric() {
            return character;
        }
        let show = left <= shown;
        left -= 1;
        if show { character } else { '*' }
    }));
}

fn token(value: &Value, domain: &str, key: &MaskKey) -> Option<Value> {
    let named = name_of(value)?;
    Some(match value {
        Value::Text(_) => Value::Text(key.token(domain, &named)),
        Value::Json(_) => Value::Json(quoted(&key.token(domain, &named))),
        Value::Integer(Integer { max, .. }) => Value::Integer(Integer {
            number: first_bits(key.token_bytes(domain, &named)) & max,
            max: *max,
        }),
        Value::Decimal(_) => {
            let number = first_bits(key.token_bytes(domain, &named));
            Value::Decimal(Decimal::from(number & i64::MAX))
        }
        Value::Uuid(_) => {
            let mut masked = key.token_bytes(domain, &named);
            for (place, kept, bits) in [UUID_VERSION, UUID_VARIANT] {
                for byte in masked.iter_mut().skip(place).take(1) {
                    *byte = *byte & kept | bits;
                }
            }
            Value::Uuid(masked)
        }
        Value::Bytes(_) => Value::Bytes(key.token_bytes(domain, &named).to_vec()),
        Value::Date(_) | Value::Moment(_) | Value::List(_) | Value::Other(_) => return None,
    })
}

/// What a token of a value is made from: its text, whatever its type; `None` for values that have no token.
pub(crate) fn name_of(value: &Value) -> Option<Cow<'_, [u8]>> {
    Some(match value {
        Value::Text(text) | Value::Json(text) => Cow::Borrowed(text.as_bytes()),
        Value::Integer(Integer { number, .. }) => Cow::Owned(number.to_string().into_bytes()),
        Value::Decimal(decimal) => Cow::Borrowed(decimal.as_str().as_bytes()),
        Value::Uuid(uuid) => Cow::Owned(hyphenated(uuid).into_bytes()),
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Date(_) | Value::Moment(_) | Value::List(_) | Value::Other(_) => return None,
    })
}

/// The first 64 bits of a token as a number of either sign.
fn first_bits(token: [u8; super::TOKEN_BYTES]) -> i64 {
    token
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// The first day of the year.
fn year(value: &Value) -> Option<Value> {
    match value {
        Value::Date(day) => Some(Value::Date(day.first_of_year()?)),
        Value::Moment(moment) => Some(Value::Moment(Moment {
            day: moment.day.first_of_year()?,
            micros: 0,
            offset_s: moment.offset_s,
        })),
        Value::Text(text) => year_of_text(text).map(Value::Text),
        _ => None,
    }
}

/// The first day of the year of a text that begins as an ISO date.
fn year_of_text(text: &str) -> Option<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (year, rest) = text.split_at_checked(digits)?;
    // Years of 4 to 6 digits; a date BC has a suffix that would be lost, so it is NULL.
    let shape = (4..=6).contains(&digits) && rest.starts_with('-') && !text.ends_with("BC");
    shape.then(|| format!("{year}-01-01"))
}

fn encrypted(value: &Value, alphabet: ff1::Alphabet, domain: &str, key: &MaskKey) -> Option<Value> {
    match value {
        Value::Text(text) => ff1::text(text, alphabet, domain, key).map(Value::Text),
        Value::Integer(Integer { number, max }) if alphabet == ff1::Alphabet::Digits => {
            let number = ff1::number(*number, *max, domain, key)?;
            Integer::new(number, *max).map(Value::Integer)
        }
        _ => None,
    }
}

fn zip3(value: &Value) -> Option<Value> {
    match value {
        Value::Text(text) => zip::text(text).map(Value::Text),
        Value::Integer(Integer { number, max }) => Integer::new(zip::number(*number)?, *max).map(Value::Integer),
        _ => None,
    }
}

/// An age, or 90 for what is more. A text is one of up to three digits.
fn age(value: Value) -> Option<Value> {
    match value {
        Value::Integer(Integer { number: 0..AGE_TOP, .. }) => Some(value),
        Value::Integer(Integer { number, max }) if number >= AGE_TOP => Integer::new(AGE_TOP, max).map(Value::Integer),
        Value::Decimal(decimal) => {
            let whole: Option<i64> = decimal.as_str().split('.').next()?.parse().ok();
            match whole {
                _ if decimal.as_str().starts_with('-') => None,
                Some(0..AGE_TOP) => Some(Value::Decimal(decimal)),
                // Also a number that is too great for the type: it has digits alone.
                _ => Some(Value::Decimal(Decimal::from(AGE_TOP))),
            }
        }
        Value::Text(text) => {
            let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse::<i64>().ok().filter(|_| digits)? {
                0..AGE_TOP => Some(Value::Text(text)),
                _ => Some(Value::Text(AGE_TOP.to_string())),
            }
        }
        _ => None,
    }
}

/// The text with a token in place of each identifier.
fn detect(value: Value) -> Option<Value> {
    let detectors = Detectors::shared();
    match value {
        Value::Text(text) => {
            let masked = detectors.mask(&text, &Hints::none(), DETECT_FLOOR);
            Some(Value::Text(masked.unwrap_or(text)))
        }
        Value::Json(text) => {
            let masked = detectors.mask_json(&text, &Hints::none(), DETECT_FLOOR);
            Some(Value::Json(masked.unwrap_or(text)))
        }
        _ => None,
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always a JSON string")
}
