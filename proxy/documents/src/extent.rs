//! How much a piece of a JSON document may hold, whatever its length: what is kept of each name and value while it is masked
//! is many times what the shortest of them takes.
//!
//! Not here: the length of a piece ([`crate::reader`]), its levels and its grammar (the policy's walk over it).

use crate::error::Reason;
use crate::json::string_end;

/// Bytes of the name of a member at the most, as it is written: every value below it is looked up by it.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Strings, numbers, truth values and nulls of a piece at the most: with what is kept of each, a piece of the shortest ones takes
/// no more memory than a few of the longest pieces.
pub const VALUES_MAX: usize = 1 << 18;

/// Holds a piece to its limits. What is no JSON may pass: that is found out when it is read.
pub(crate) fn bounded(text: &str) -> Result<(), Reason> {
    let bytes = text.as_bytes();
    let (mut at, mut values) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let (length, is_value) = match byte {
            b'"' => string(rest)?,
            byte if DELIMITERS.contains(byte) => (1, false),
            _ => (rest.iter().take_while(|byte| !ends_bare(**byte)).count(), true),
        };
        at += length;
        values += usize::from(is_value);
        if values > VALUES_MAX {
            return Err(Reason::TooManyValues);
        }
    }
    Ok(())
}

/// What stands between values.
const DELIMITERS: &[u8] = b"{}[]:, \t\r\n";

fn ends_bare(byte: u8) -> bool {
    byte == b'"' || DELIMITERS.contains(&byte)
}

/// The length of a string with which bytes begin, and whether it is a value; a name is held to its limit.
fn string(bytes: &[u8]) -> Result<(usize, bool), Reason> {
    let length = string_end(bytes).ok_or(Reason::Json)?;
    let mut behind = bytes.iter().skip(length).filter(|byte| !byte.is_ascii_whitespace());
    if behind.next() != Some(&b':') {
        return Ok((length, true));
    }
    name(length)?;
    Ok((length, false))
}

/// Holds a name to its limit, which has so many bytes with its quotes, or more.
pub(crate) const fn name(bytes: usize) -> Result<(), Reason> {
    if bytes > NAME_BYTES_MAX + 2 {
        return Err(Reason::NameTooLong);
    }
    Ok(())
}
