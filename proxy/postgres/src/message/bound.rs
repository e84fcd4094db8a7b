//! What a `Bind` message brings: its values as they stand, and how many an array of them holds, no fewer than the server will
//! find in it.
//!
//! | format | what it looks at | source |
//! | --- | --- | --- |
//! | text | commas; every type that is asked about is separated by them, and one inside of an element counts, too | `array_in`, `pg_type.typdelim` |
//! | binary | the product of its dimensions, which stand in its head | `array_recv` |
//!
//! Not here: what a value is, which nothing reads.

use super::HEAD_BYTES;
use super::read::Reader;
use crate::analysis::separated;

/// Dimensions of an array at the most (`MAXDIM`).
const DIMENSIONS_MAX: u32 = 6;

/// Elements of the array that the parameter of that number, from 1, is bound to; NULL counts as one. `None` where it is not
/// bound, or no array.
pub(crate) fn elements(bind: &[u8], number: u32) -> Option<u64> {
    let mut reader = Reader::new(b'B', bind.get(HEAD_BYTES..)?);
    reader.string().ok()?;
    reader.string().ok()?;
    let formats = reader.count().ok()?;
    let formats: Vec<i16> = (0..formats).map(|_| reader.int16().ok()).collect::<Option<_>>()?;
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    if place >= reader.count().ok()? {
        return None;
    }
    for _ in 0..place {
        reader.value().ok()?;
    }
    let Some(value) = reader.value().ok()? else {
        return Some(1);
    };
    let format = match formats.as_slice() {
        [] => 0,
        [all] => *all,
        each => *each.get(place)?,
    };
    if format == 0 {
        return Some(separated(value));
    }
    let mut array = Reader::new(b'B', value);
    let dimensions = array.oid().ok()?;
    if dimensions > DIMENSIONS_MAX {
        return None;
    }
    // Whether there are NULLs, and the type of the elements.
    array.take(8).ok()?;
    let mut held: u64 = 1;
    for _ in 0..dimensions {
        held = held.saturating_mul(u64::from(array.oid().ok()?));
        array.int32().ok()?;
    }
    Some(held.max(1))
}

/// The formats and values of its parameters, as they stand in it; `None` of what is no `Bind`.
pub(crate) fn values(bind: &[u8]) -> Option<&[u8]> {
    let body = bind.get(HEAD_BYTES..)?;
    let mut reader = Reader::new(b'B', body);
    let names = reader.string().ok()?.len() + reader.string().ok()?.len() + 2;
    let mut bytes: usize = 4;
    for _ in 0..reader.count().ok()? {
        reader.int16().ok()?;
        bytes += 2;
    }
    for _ in 0..reader.count().ok()? {
        bytes += 4 + reader.value().ok()?.map_or(0, <[u8]>::len);
    }
    body.get(names..names.checked_add(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::{elements, values};

    fn bind(formats: &[i16], values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = b"B\0\0\0\0portal\0statement\0".to_vec();
        bytes.extend(u16::try_from(formats.len()).unwrap().to_be_bytes());
        bytes.extend(formats.iter().flat_map(|format| format.to_be_bytes()));
        bytes.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            match value {
                None => bytes.extend((-1_i32).to_be_bytes()),
                Some(value) => {
                    bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
                    bytes.extend(*value);
                }
            }
        }
        bytes.extend([0, 0]);
        bytes
    }

    /// The head of an array of these dimensions, with nothing behind it.
    fn array(dimensions: &[i32]) -> Vec<u8> {
        let mut bytes = i32::try_from(dimensions.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 25]);
        for dimension in dimensions {
            bytes.extend(dimension.to_be_bytes());
            bytes.extend(1_i32.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn an_array_holds_no_more_than_is_counted() {
        let text = |value: &str| elements(&bind(&[], &[Some(b"{a,b,c,d}"), Some(value.as_bytes())]), 2);
        assert_eq!(text("{}"), Some(1));
        assert_eq!(text("{a}"), Some(1));
        assert_eq!(text("{a,b,c}"), Some(3));
        assert_eq!(text(r#"{"a,b",{c,d}}"#), Some(4));
        assert_eq!(text("[0:1]={a,b}"), Some(2));
        let binary = |dimensions: &[i32]| elements(&bind(&[1], &[Some(&array(dimensions))]), 1);
        assert_eq!(binary(&[]), Some(1));
        assert_eq!(binary(&[3]), Some(3));
        assert_eq!(binary(&[2, 2, 5]), Some(20));
        assert_eq!(binary(&[-1]), Some(u64::from(u32::MAX)));
        assert_eq!(binary(&[i32::MAX, i32::MAX, i32::MAX, i32::MAX]), Some(u64::MAX));
        assert_eq!(binary(&[1, 1, 1, 1, 1, 1, 1]), None);
    }

    #[test]
    fn each_parameter_has_its_format() {
        let values: &[Option<&[u8]>] = &[Some(b"{a,b}"), None, Some(&array(&[7]))];
        let mixed = bind(&[0, 0, 1], values);
        let found: Vec<_> = (0..5).map(|number| elements(&mixed, number)).collect();
        assert_eq!(found, [None, Some(2), Some(1), Some(7), None]);
        assert_eq!(elements(&bind(&[0, 1], values), 3), None, "a format is missing");
        assert_eq!(elements(&bind(&[1], &[Some(b"{a,b}")]), 1), None, "no array");
        assert_eq!(elements(b"B", 1), None);
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        let of = |formats: &[i16], held: &[Option<&[u8]>]| values(&bind(formats, held)).map(<[u8]>::to_vec);
        assert_eq!(of(&[], &[]), Some(vec![0; 4]));
        let wanted = b"\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff";
        assert_eq!(of(&[1], &[Some(b"ab"), None]), Some(wanted.to_vec()));
        assert_eq!(values(b"B"), None);
        let whole = bind(&[1], &[Some(b"ab")]);
        assert_eq!(values(&whole[..whole.len() - 4]), None);
    }
}
