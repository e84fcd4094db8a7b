//! Values in the binary format, as the server's `*_send` functions write them. All numbers are big-endian.
//!
//! ```text
//! int2, int4, int8   the number in two's complement
//! numeric            int16 digits, int16 weight, uint16 sign, uint16 scale, then int16 to a digit of base 10000
//! date               int32 days since 2000-01-01
//! timestamp[tz]      int64 microseconds since 2000-01-01 00:00 (UTC)
//! uuid, bytea        the bytes
//! jsonb              0x01, then the text
//! arrays             int32 dimensions, int32 whether NULLs are there, uint32 element type,
//!                    per dimension int32 length, int32 lower bound, then per element int32 length (-1: NULL) and bytes
//! rows               int32 columns, then per column uint32 type, int32 length (-1: NULL) and bytes
//! ```
//!
//! Where no value of the type is known to masks (`NaN`, infinities, years BC, arrays of more than one dimension or that begin
//! elsewhere than at 1, rows), what can be searched is read: a mask makes it NULL.

use exhibit_policy::mask::value::{BETWEEN, Coding, DAY_MICROS, Day, Decimal, Integer, Moment, Value, characters};

use super::{Known, Number, Type};

/// Layers of arrays and rows in each other that are read; deeper ones are searched as bytes.
const DEPTH_MAX: usize = 8;

/// 2000-01-01 in days since 1970-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// Dimensions of an array at the most (`MAXDIM`).
const DIMENSIONS_MAX: i32 = 6;

/// Decimal digits to one digit of a `numeric`.
const GROUP: usize = 4;

/// Groups of digits behind the point at the most: the server's scale ends at 16383 digits.
const FRACTION_GROUPS_MAX: i64 = 4_096;

/// The sign of a negative `numeric`.
const NEGATIVE: u16 = 0x4000;

/// `NaN` and the infinities, which have no digits.
const SPECIAL: [u16; 3] = [0xc000, 0xd000, 0xf000];

/// The binary format of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binary(pub(super) Type);

impl Coding for Binary {
    fn read(&self, bytes: &[u8]) -> Option<Value> {
        read(self.0, bytes, DEPTH_MAX)
    }

    fn write(&self, value: &Value) -> Option<Vec<u8>> {
        Some(match (self.0, value) {
            (Type::Text, Value::Text(text)) | (Type::Json, Value::Json(text)) => text.clone().into_bytes(),
            (Type::Jsonb, Value::Json(text)) => [&[1], text.as_bytes()].concat(),
            (Type::Integer(max), Value::Integer(integer)) => match max {
                0x7fff => i16::try_from(integer.number).ok()?.to_be_bytes().to_vec(),
                0x7fff_ffff => i32::try_from(integer.number).ok()?.to_be_bytes().to_vec(),
                _ => integer.number.to_be_bytes().to_vec(),
            },
            (Type::Numeric, Value::Decimal(decimal)) => written(decimal)?,
            (Type::Date, Value::Date(day)) => {
                let days = i32::try_from(day.days() - EPOCH_DAYS).ok()?;
                days.to_be_bytes().to_vec()
            }
            (Type::Timestamp { .. }, Value::Moment(moment)) => {
                let micros = (moment.day.days() - EPOCH_DAYS).checked_mul(DAY_MICROS)?;
                let offset = i64::from(moment.offset_s.unwrap_or(0)) * 1_000_000;
                let micros = micros.checked_add(moment.micros)?.checked_sub(offset)?;
                micros.to_be_bytes().to_vec()
            }
            (Type::Uuid, Value::Uuid(uuid)) => uuid.to_vec(),
            (Type::Bytea, Value::Bytes(bytes)) => bytes.clone(),
            (Type::Array(element), Value::List(values)) => listed(values, element)?,
            _ => return None,
        })
    }
}

fn read(of: Type, bytes: &[u8], depth: usize) -> Option<Value> {
    let text = || std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(match of {
        Type::Text => Value::Text(text()?),
        Type::Json => Value::Json(text()?),
        Type::Jsonb => Value::Json(std::str::from_utf8(bytes.strip_prefix(&[1])?).ok()?.to_owned()),
        Type::Integer(max) => {
            let number = match max {
                0x7fff => i16::from_be_bytes(bytes.try_into().ok()?).into(),
                0x7fff_ffff => i32::from_be_bytes(bytes.try_into().ok()?).into(),
                _ => i64::from_be_bytes(bytes.try_into().ok()?),
            };
            Value::Integer(Integer::new(number, max)?)
        }
        Type::Numeric => numeric(bytes)?,
        Type::Date => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            match Day::from_epoch(EPOCH_DAYS + days) {
                Some(day) => Value::Date(day),
                None => Value::Other(format!("{days} days")),
            }
        }
        Type::Timestamp { zoned } => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            let day = Day::from_epoch(EPOCH_DAYS + micros.div_euclid(DAY_MICROS));
            // The greatest number is `infinity`.
            match day.filter(|_| micros != i64::MAX) {
                Some(day) => Value::Moment(Moment {
                    day,
                    micros: micros.rem_euclid(DAY_MICROS),
                    offset_s: zoned.then_some(0),
                }),
                None => Value::Other(format!("{micros} microseconds")),
            }
        }
        Type::Uuid => Value::Uuid(bytes.try_into().ok()?),
        Type::Bytea => Value::Bytes(bytes.to_vec()),
        Type::Array(element) => list(bytes, element, depth)?,
        Type::Number(number) => Value::Other(match number {
            Number::Unsigned => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
            Number::Cents => (i64::from_be_bytes(bytes.try_into().ok()?) / 100).to_string(),
            Number::Float => match bytes.len() {
                4 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
                _ => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
            },
        }),
        Type::Row => Value::Other(row(bytes, depth)?),
        Type::Roomless => Value::Other(characters(bytes).into_owned()),
    })
}

/// The text of a value inside of an array or a row, by the type that stands before it.
fn inner(oid: u32, bytes: &[u8], depth: usize) -> Option<String> {
    match (super::readable(oid), depth.checked_sub(1)) {
        (Some(known), Some(depth)) => Some(read(known.of, bytes, depth)?.text().into_owned()),
        _ => Some(characters(bytes).into_owned()),
    }
}

/// Takes the first bytes away.
fn take<const LENGTH: usize>(bytes: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// A length and so many bytes; no value where the length is -1.
#[expect(clippy::option_option, reason = "nothing there, NULL, and a value are three answers")]
fn value<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let size = i32::from_be_bytes(take(bytes)?);
    if size == -1 {
        return Some(None);
    }
    let (value, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
    *bytes = rest;
    Some(Some(value))
}

fn numeric(mut bytes: &[u8]) -> Option<Value> {
    let count = usize::from(u16::from_be_bytes(take(&mut bytes)?));
    let weight = i64::from(i16::from_be_bytes(take(&mut bytes)?));
    let sign = u16::from_be_bytes(take(&mut bytes)?);
    let _scale: [u8; 2] = take(&mut bytes)?;
    let fraction_groups = i64::try_from(count).ok()? - weight - 1;
    if SPECIAL.contains(&sign) && bytes.is_empty() {
        return Some(Value::Other("NaN".to_owned()));
    }
    if bytes.len() != count * 2 || !matches!(sign, 0 | NEGATIVE) || fraction_groups > FRACTION_GROUPS_MAX {
        return None;
    }
    let mut groups = Vec::with_capacity(count);
    while !bytes.is_empty() {
        groups.push(u16::from_be_bytes(take(&mut bytes)?));
    }
    if groups.iter().any(|group| *group > 9_999) {
        return None;
    }
    // The group at place n stands for 10000 to the power of `weight - n`; zeros at both ends are left out.
    let group = |place: i64| {
        let group = usize::try_from(place).ok().and_then(|place| groups.get(place));
        format!("{:04}", group.copied().unwrap_or(0))
    };
    let sign = if sign == NEGATIVE { "-" } else { "" };
    let whole: String = (0..=weight).map(group).collect();
    let fraction: String = (weight + 1..i64::try_from(count).ok()?).map(group).collect();
    Decimal::parse(&format!("{sign}0{whole}.{fraction}0")).map(Value::Decimal)
}

fn written(decimal: &Decimal) -> Option<Vec<u8>> {
    let (sign, digits) = match decimal.as_str().strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (0, decimal.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let width = whole.len().next_multiple_of(GROUP);
    let digits = format!(
        "{whole:0>width$}{fraction:0<more$}",
        more = fraction.len().next_multiple_of(GROUP)
    );
    let mut groups = Vec::with_capacity(digits.len() / GROUP);
    let mut rest = digits.as_str();
    while let Some((group, after)) = rest.split_at_checked(GROUP).filter(|_| !rest.is_empty()) {
        groups.push(group.parse::<u16>().ok()?);
        rest = after;
    }
    let mut weight = i16::try_from(width / GROUP - 1).ok()?;
    // Zeros at both ends are left out, as the server does.
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight = weight.checked_sub(i16::try_from(leading).ok()?)?;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let head = [u16::try_from(groups.len()).ok()?.to_be_bytes(), weight.to_be_bytes()];
    let head = head
        .into_iter()
        .chain([sign.to_be_bytes(), u16::try_from(fraction.len()).ok()?.to_be_bytes()]);
    Some(head.chain(groups.into_iter().map(u16::to_be_bytes)).flatten().collect())
}

fn list(mut bytes: &[u8], element: &Known, depth: usize) -> Option<Value> {
    let dimensions = i32::from_be_bytes(take(&mut bytes)?);
    let _nulls: [u8; 4] = take(&mut bytes)?;
    let oid = u32::from_be_bytes(take(&mut bytes)?);
    if !(0..=DIMENSIONS_MAX).contains(&dimensions) {
        return None;
    }
    let mut length: i32 = 1;
    let mut first = 1;
    for _ in 0..dimensions {
        length = length.checked_mul(i32::from_be_bytes(take(&mut bytes)?))?;
        first = i32::from_be_bytes(take(&mut bytes)?);
    }
    if dimensions == 0 {
        length = 0;
    }
    let mut cells = Vec::new();
    for _ in 0..length {
        cells.push(value(&mut bytes)?);
    }
    if !bytes.is_empty() {
        return None;
    }
    if oid == element.oid && dimensions <= 1 && first == 1 {
        let read = |cell: Option<&[u8]>| match cell {
            None => Some(None),
            Some(cell) => Some(Some(read(element.of, cell, depth.checked_sub(1)?)?)),
        };
        return Some(Value::List(cells.into_iter().map(read).collect::<Option<_>>()?));
    }
    let texts = cells.into_iter().flatten().map(|cell| inner(oid, cell, depth));
    Some(Value::Other(texts.collect::<Option<Vec<_>>>()?.join(BETWEEN)))
}

fn row(mut bytes: &[u8], depth: usize) -> Option<String> {
    let mut texts = Vec::new();
    for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
        let oid = u32::from_be_bytes(take(&mut bytes)?);
        if let Some(cell) = value(&mut bytes)? {
            texts.push(inner(oid, cell, depth)?);
        }
    }
    bytes.is_empty().then(|| texts.join(BETWEEN))
}

fn listed(values: &[Option<Value>], element: &Known) -> Option<Vec<u8>> {
    let dimensions = i32::from(!values.is_empty());
    let nulls = i32::from(values.iter().any(Option::is_none));
    let mut bytes = [dimensions.to_be_bytes(), nulls.to_be_bytes(), element.oid.to_be_bytes()].concat();
    if !values.is_empty() {
        bytes.extend(i32::try_from(values.len()).ok()?.to_be_bytes());
        bytes.extend(1_i32.to_be_bytes());
    }
    for value in values {
        match value {
            None => bytes.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                let written = element.binary.write(value)?;
                bytes.extend(i32::try_from(written.len()).ok()?.to_be_bytes());
                bytes.extend(written);
            }
        }
    }
    Some(bytes)
}
