//! Values in the text format, as the server writes them with `DateStyle` ISO and `bytea_output` hex.
//!
//! | type | text |
//! | --- | --- |
//! | `int2`, `int4`, `int8`, `numeric` | digits, with `-` before and a point among them |
//! | `date`, `timestamp`, `timestamptz` | `YYYY-MM-DD`, ` HH:MM:SS[.f…]`, `±HH[:MM[:SS]]` |
//! | `uuid` | 8-4-4-4-12 hexadecimal digits |
//! | `bytea` | `\x` and hexadecimal digits |
//! | arrays | `{a,"b c",NULL}` (documentation, "Array Input and Output Syntax") |
//!
//! What is written otherwise (other settings of those, years BC, `infinity`, `NaN`, arrays of more than one dimension or that
//! begin elsewhere than at 1, what is no UTF-8) is its own text: it can be searched, and a mask makes it NULL.

use exhibit_policy::mask::value::{Coding, DAY_MICROS, Day, Decimal, Integer, Moment, Value, characters, hyphenated};

use super::{Number, Type};

/// Digits of a fraction of a second at the most.
const FRACTION_DIGITS: usize = 6;

/// The text format of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Type);

impl Coding for Text {
    fn read(&self, bytes: &[u8]) -> Option<Value> {
        let read = std::str::from_utf8(bytes).ok().and_then(|text| self.value(text));
        Some(read.unwrap_or_else(|| Value::Other(self.other(bytes))))
    }

    fn write(&self, value: &Value) -> Option<Vec<u8>> {
        let text = match (self.0, value) {
            (Type::Text, Value::Text(text)) | (Type::Json | Type::Jsonb, Value::Json(text)) => text.clone(),
            (Type::Integer(max), Value::Integer(integer)) => Integer::new(integer.number, max)?.number.to_string(),
            (Type::Numeric, Value::Decimal(decimal)) => decimal.as_str().to_owned(),
            (Type::Date, Value::Date(day)) => day.iso(),
            (Type::Timestamp { zoned }, Value::Moment(moment)) => written(moment, zoned)?,
            (Type::Uuid, Value::Uuid(uuid)) => hyphenated(uuid),
            (Type::Bytea, Value::Bytes(bytes)) => format!("\\x{}", hex::encode(bytes)),
            (Type::Array(element), Value::List(values)) => {
                let written = values.iter().map(|value| match value {
                    None => Some("NULL".to_owned()),
                    Some(value) => String::from_utf8(element.text.write(value)?).ok().map(quoted),
                });
                format!("{{{}}}", written.collect::<Option<Vec<_>>>()?.join(","))
            }
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

impl Text {
    /// The value that masks know, where the text is one.
    fn value(self, text: &str) -> Option<Value> {
        Some(match self.0 {
            Type::Text => Value::Text(text.to_owned()),
            Type::Json | Type::Jsonb => Value::Json(text.to_owned()),
            Type::Integer(max) => {
                let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text)?;
                Value::Integer(Integer::new(number, max)?)
            }
            Type::Numeric => Value::Decimal(Decimal::parse(text)?),
            Type::Date => match Day::read_iso(text)? {
                (day, "") => Value::Date(day),
                _ => return None,
            },
            Type::Timestamp { zoned } => Value::Moment(moment(text, zoned)?),
            Type::Uuid => {
                let digits: String = text.split('-').collect();
                let mut uuid = [0; 16];
                hex::decode_to_slice(digits, &mut uuid).ok()?;
                let value = Value::Uuid(uuid);
                (self.write(&value)? == text.as_bytes()).then_some(value)?
            }
            Type::Bytea => Value::Bytes(hex::decode(text.strip_prefix("\\x")?).ok()?),
            Type::Array(element) => Value::List(list(text, element.text)?),
            Type::Number(_) | Type::Row | Type::Roomless => return None,
        })
    }

    /// The text that stands for what is written otherwise.
    fn other(self, bytes: &[u8]) -> String {
        match self.0 {
            Type::Bytea => characters(&unescaped(bytes)).into_owned(),
            Type::Number(Number::Cents) => amount(&characters(bytes)),
            _ => characters(bytes).into_owned(),
        }
    }
}

/// The bytes that a `bytea` stands for under `bytea_output = escape`: `\\` and `\ooo` (`byteain`).
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                let digit = |byte: &u8| byte - b'0';
                (digit(a) * 64 + digit(b) * 8 + digit(c), after)
            }
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// The digits of an amount of money before its cents. `lc_monetary` says what stands around and between them.
fn amount(written: &str) -> String {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    match written.rsplit_once(['.', ',']) {
        Some((whole, cents)) if digits(cents).len() == 2 => digits(whole),
        _ => digits(written),
    }
}

/// Reads a timestamp.
fn moment(text: &str, zoned: bool) -> Option<Moment> {
    let (day, rest) = Day::read_iso(text)?;
    let rest = rest.strip_prefix(' ')?;
    let (time, offset) = match rest.find(['+', '-']) {
        Some(place) => rest.split_at_checked(place)?,
        None => (rest, ""),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    if time.ends_with('.') || fraction.len() > FRACTION_DIGITS {
        return None;
    }
    let micros = format!("{fraction:0<6}");
    let micros = sexagesimal(clock, 24).filter(|_| clock.len() == 8)? * 1_000_000 + digits(&micros)?;
    let offset_s = match (zoned, offset.split_at_checked(1)) {
        (false, None) => None,
        (true, Some((sign, offset))) => {
            let seconds = i32::try_from(sexagesimal(offset, 24)?).ok()?;
            Some(if sign == "-" { -seconds } else { seconds })
        }
        _ => return None,
    };
    Some(Moment { day, micros, offset_s })
}

/// Reads `HH[:MM[:SS]]` as seconds.
fn sexagesimal(text: &str, hours: i64) -> Option<i64> {
    let mut seconds = 0;
    let mut unit = 3_600;
    for (place, part) in text.split(':').enumerate() {
        let limit = if place == 0 { hours } else { 60 };
        let number = digits(part).filter(|number| part.len() == 2 && *number < limit)?;
        seconds += number * unit;
        unit = match unit {
            3_600 => 60,
            60 => 1,
            _ => 0,
        };
        if place > 2 {
            return None;
        }
    }
    Some(seconds)
}

fn digits(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn written(moment: &Moment, zoned: bool) -> Option<String> {
    if !(0..DAY_MICROS).contains(&moment.micros) {
        return None;
    }
    let clock = |seconds: i64| format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = moment.iso();
    match (zoned, moment.offset_s) {
        (false, _) => {}
        (true, Some(offset)) => {
            text.push(if offset < 0 { '-' } else { '+' });
            let offset = clock(i64::from(offset.unsigned_abs()));
            let offset = offset.strip_suffix(":00").unwrap_or(&offset);
            text.push_str(offset.strip_suffix(":00").unwrap_or(offset));
        }
        (true, None) => return None,
    }
    Some(text)
}

/// An element of an array: quoted where the server quotes it.
fn quoted(text: String) -> String {
    let special = |byte: u8| b"{},\"\\".contains(&byte) || matches!(byte, b' ' | b'\t'..=b'\r');
    if !text.is_empty() && !text.eq_ignore_ascii_case("null") && !text.bytes().any(special) {
        return text;
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Reads the elements of an array of one dimension.
fn list(text: &str, element: Text) -> Option<Vec<Option<Value>>> {
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut values = Vec::new();
    let mut rest = inside.chars().peekable();
    while rest.peek().is_some() {
        let mut read = String::new();
        let quoted = rest.next_if_eq(&'"').is_some();
        loop {
            match rest.next_if(|character| quoted || *character != ',') {
                Some('"') if quoted => break,
                Some('\\') if quoted => read.push(rest.next()?),
                Some('"' | '{' | '}' | '\\') if !quoted => return None,
                Some(character) => read.push(character),
                None if quoted => return None,
                None => break,
            }
        }
        values.push(match read.as_str() {
            "NULL" if !quoted => None,
            "" if !quoted => return None,
            text => Some(element.value(text)?),
        });
        match rest.next() {
            None => break,
            Some(',') => {
                rest.peek()?;
            }
            Some(_) => return None,
        }
    }
    Some(values)
}
