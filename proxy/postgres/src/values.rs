//! Values as the net reads them: the text that stands for a value of a type, in text or binary form.
//!
//! | type | text form | binary form | what stands for a cell with a finding |
//! | --- | --- | --- | --- |
//! | text, varchar, char, name, unknown | as it is | the same | tokens in the text |
//! | json, jsonb | as a document | json the same, jsonb without its version | tokens in the document; of binary jsonb NULL |
//! | integers, numeric, floats, money, oid | its digits; of money those before its cents | the same | NULL |
//! | bytea | its bytes as text, from hex or escapes | its bytes as text | NULL |
//! | arrays, rows | as text | each element by its own type | NULL |
//! | date, timestamps; inet, cidr; macaddr | the type says what it is | the same | NULL |
//! | bool, char (one byte), times, intervals, void | nothing to find | the same | |
//! | others | as text | their bytes as text | NULL |
//!
//! Sources: PostgreSQL's `pg_type.dat`, `numeric_recv`, `array_recv`, `record_recv`, `jsonb_recv`, `byteain`.
//!
//! Not here: masks of columns ([`crate::types`]).

use exhibit_policy::net::{Form, Meaning};

/// Layers of arrays and rows in each other that are read; deeper ones are searched as bytes.
const DEPTH_MAX: usize = 8;

/// How the net reads values of a type.
pub(crate) fn form(oid: u32, binary: bool) -> Form {
    match (oid, binary) {
        (19 | 25 | 705 | 1042 | 1043, _) => Form::Text,
        (114, _) | (3802, false) => Form::Json,
        (20 | 21 | 23 | 26 | 700 | 701 | 1700, false) => Form::Number,
        (790, false) => Form::Other(|value| Some(amount(value))),
        (17, false) => Form::Other(|value| Some(bytes_of_text(value))),
        (16 | 18 | 1083 | 1186 | 1266 | 2278, _) => Form::Nothing,
        (17, true) => Form::Other(|value| Some(plain(value))),
        (20 | 21 | 23 | 26, true) => Form::Other(integer),
        (790, true) => Form::Other(cents),
        (700 | 701, true) => Form::Other(float),
        (1700, true) => Form::Other(numeric),
        (3802, true) => Form::Other(|value| value.get(1..).map(plain)),
        (2249 | 2287, true) => Form::Other(|value| Some(row(value, DEPTH_MAX).unwrap_or_else(|| plain(value)))),
        (oid, true) if is_array(oid) => {
            Form::Other(|value| Some(array(value, DEPTH_MAX).unwrap_or_else(|| plain(value))))
        }
        _ => Form::Unknown,
    }
}

/// What a type says that its values are.
pub(crate) fn meaning(oid: u32) -> Option<Meaning> {
    match oid {
        1082 | 1114 | 1184 => Some(Meaning::Date),
        650 | 869 => Some(Meaning::NetworkAddress),
        774 | 829 => Some(Meaning::HardwareAddress),
        _ => None,
    }
}

/// The server's own arrays of what is read here.
fn is_array(oid: u32) -> bool {
    matches!(
        oid,
        199 | 1000..=1003 | 1005 | 1007 | 1009 | 1014..=1016 | 1021 | 1022 | 1028 | 1231 | 3807
    )
}

/// The text that stands for a value of a type in binary form.
fn read(oid: u32, value: &[u8], depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return plain(value);
    };
    let read = match oid {
        20 | 21 | 23 | 26 => integer(value),
        790 => cents(value),
        700 | 701 => float(value),
        1700 => numeric(value),
        2249 => row(value, depth),
        3802 => value.get(1..).map(plain),
        oid if is_array(oid) => array(value, depth),
        _ => None,
    };
    read.unwrap_or_else(|| plain(value))
}

/// Bytes as text: UTF-8, or else a character to a byte.
fn plain(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// The bytes that a bytea in text form stands for: hex after `\x`, or escapes (`\\`, `\ooo`).
fn bytes_of_text(value: &[u8]) -> String {
    if let Some(digits) = value.strip_prefix(b"\\x") {
        return hex::decode(digits).map_or_else(|_| plain(value), |bytes| plain(&bytes));
    }
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
    plain(&bytes)
}

/// The digits of an amount of money before its cents. `lc_monetary` says what stands around and between them.
fn amount(value: &[u8]) -> String {
    let written = plain(value);
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    match written.rsplit_once(['.', ',']) {
        Some((whole, cents)) if digits(cents).len() == 2 => digits(whole),
        _ => digits(&written),
    }
}

/// The same of the number of cents.
fn cents(value: &[u8]) -> Option<String> {
    Some((i64::from_be_bytes(value.try_into().ok()?) / 100).to_string())
}

fn integer(value: &[u8]) -> Option<String> {
    Some(match value.len() {
        2 => i16::from_be_bytes(value.try_into().ok()?).to_string(),
        4 => u32::from_be_bytes(value.try_into().ok()?).to_string(),
        8 => i64::from_be_bytes(value.try_into().ok()?).to_string(),
        _ => return None,
    })
}

fn float(value: &[u8]) -> Option<String> {
    Some(match value.len() {
        4 => f32::from_be_bytes(value.try_into().ok()?).to_string(),
        8 => f64::from_be_bytes(value.try_into().ok()?).to_string(),
        _ => return None,
    })
}

/// Digits in groups of four, the first of which stands for `10000^weight`.
fn numeric(value: &[u8]) -> Option<String> {
    let mut words = Words(value);
    let count = usize::try_from(words.int16()?).ok()?;
    let weight = i32::from(words.int16()?);
    let sign = words.int16()?;
    words.int16()?;
    // A special value (NaN, the infinities) has no digits.
    let mut text = if sign == 0x4000 { "-".to_owned() } else { String::new() };
    for place in 0..count {
        let digit = words.int16()?;
        let power = weight - i32::try_from(place).ok()?;
        if power == -1 {
            text.push('.');
        }
        // The first group has no leading zeros, unless it stands behind the point.
        if place == 0 && power >= 0 {
            text.push_str(&digit.to_string());
        } else {
            let digit = digit.to_string();
            text.extend(std::iter::repeat_n('0', 4_usize.saturating_sub(digit.len())));
            text.push_str(&digit);
        }
    }
    // Groups of zeros before the point are left out.
    let written = i32::try_from(count).ok()?;
    for _ in 0..(weight + 1 - written).clamp(0, 16) {
        text.push_str("0000");
    }
    Some(text)
}

/// An array: dimensions, a flag, the type of elements, the dimensions' lengths and bounds, elements with their lengths.
fn array(value: &[u8], depth: usize) -> Option<String> {
    let mut words = Words(value);
    let dimensions = words.int32()?;
    words.int32()?;
    let oid = u32::try_from(words.int32()?).ok()?;
    for _ in 0..dimensions.clamp(0, 6) {
        words.int32()?;
        words.int32()?;
    }
    let mut text = String::new();
    while !words.0.is_empty() {
        if let Some(element) = words.value()? {
            text.push_str(&read(oid, element, depth));
        }
        text.push('\n');
    }
    Some(text)
}

/// A row: the number of columns, each with its type and its length.
fn row(value: &[u8], depth: usize) -> Option<String> {
    let mut words = Words(value);
    let mut text = String::new();
    for _ in 0..words.int32()? {
        let oid = u32::try_from(words.int32()?).ok()?;
        if let Some(cell) = words.value()? {
            text.push_str(&read(oid, cell, depth));
        }
        text.push('\n');
    }
    words.0.is_empty().then_some(text)
}

/// Big-endian numbers one after another.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn int16(&mut self) -> Option<i16> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i16::from_be_bytes(*word))
    }

    fn int32(&mut self) -> Option<i32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*word))
    }

    /// A length and so many bytes; no value where the length is -1.
    #[expect(clippy::option_option, reason = "nothing there, NULL, and a value are three answers")]
    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.int32()?;
        if length == -1 {
            return Some(None);
        }
        let (value, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::{array, bytes_of_text, float, integer, numeric, row};

    #[test]
    fn numbers_in_binary_form_are_their_digits() {
        let int = |value: &[u8]| integer(value).unwrap();
        assert_eq!(int(&(-7_i16).to_be_bytes()), "-7");
        assert_eq!(int(&123_456_789_i32.to_be_bytes()), "123456789");
        assert_eq!(int(&4_111_111_111_111_111_i64.to_be_bytes()), "4111111111111111");
        assert_eq!(int(&u32::MAX.to_be_bytes()), "4294967295");
        assert_eq!(integer(&[1, 2, 3]), None);
        assert_eq!(
            float(&4_111_111_111_111_111.0_f64.to_be_bytes()).unwrap(),
            "4111111111111111"
        );
    }

    #[test]
    fn amounts_are_their_digits_without_cents() {
        for (value, wanted) in [
            ("$4,539,578,763,621,486.00", "4539578763621486"),
            ("-4.539.578,50 €", "4539578"),
            ("4.539.578,50", "4539578"),
            ("¥4,539", "4539"),
        ] {
            assert_eq!(super::amount(value.as_bytes()), wanted);
        }
        let cents = 453_957_876_362_148_650_i64.to_be_bytes();
        assert_eq!(super::cents(&cents).as_deref(), Some("4539578763621486"));
        assert_eq!(super::cents(&cents[1..]), None);
    }

    #[test]
    fn numerics_are_written_as_the_server_does() {
        let check = |count: i16, weight: i16, sign: i16, digits: &[i16], wanted: &str| {
            let words = [&[count, weight, sign, 0], digits].concat();
            let value: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            assert_eq!(numeric(&value).as_deref(), Some(wanted));
        };
        check(3, 2, 0, &[1, 2345, 6789], "123456789");
        check(3, 1, 0, &[12, 345, 5000], "120345.5000");
        check(2, 0, 0x4000, &[7, 500], "-7.0500");
        check(1, 2, 0, &[41], "4100000000");
        check(1, -1, 0, &[1234], ".1234");
        check(0, 0, 0, &[], "0000");
        assert_eq!(numeric(&[0, 1]), None);
    }

    #[test]
    fn bytes_are_read_from_hex_and_from_escapes() {
        for (value, wanted) in [
            ("\\x3132332d3435", "123-45"),
            ("123-45", "123-45"),
            ("\\061\\062\\\\", "12\\"),
            ("\\x3", "\\x3"),
            ("\\9", "\\9"),
        ] {
            assert_eq!(bytes_of_text(value.as_bytes()), wanted);
        }
    }

    #[test]
    fn elements_and_columns_are_read_by_their_types() {
        let mut value = Vec::new();
        for word in [1_i32, 0, 20, 2, 1, 8] {
            value.extend(word.to_be_bytes());
        }
        value.extend(123_456_789_i64.to_be_bytes());
        value.extend((-1_i32).to_be_bytes());
        assert_eq!(array(&value, 8).as_deref(), Some("123456789\n\n"));
        let mut whole = Vec::new();
        for word in [2_i32, 25, 2] {
            whole.extend(word.to_be_bytes());
        }
        whole.extend(b"ab");
        whole.extend(1016_i32.to_be_bytes());
        whole.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
        whole.extend(&value);
        assert_eq!(row(&whole, 8).as_deref(), Some("ab\n123456789\n\n\n"));
        assert_eq!(row(&whole[..whole.len() - 1], 8), None);
        assert!(row(&whole, 1).unwrap().contains("ab"));
    }
}
