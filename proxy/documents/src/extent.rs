//! How much a piece of a JSON document may hold, whatever its length: what is kept of each name and value while it is masked
//! is many times what the shortest of them takes.
//!
//! Not here: the length of a piece ([`crate::reader`]), its levels and its grammar (the policy's walk over it).

use crate::error::Reason;
use crate::json::string_end;

/// Bytes of the name of a member at the most, as it is written: every value below it is looked up by it.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Holds a piece to its limits. What is no JSON may pass: that is found out when it is read.
pub(crate) fn bounded(text: &str) -> Result<(), Reason> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', bytes.get(at..).unwrap_or_default()) {
        let rest = bytes.get(at + quote..).unwrap_or_default();
        let length = string_end(rest).ok_or(Reason::Json)?;
        let mut behind = rest.iter().skip(length).filter(|byte| !byte.is_ascii_whitespace());
        if behind.next() == Some(&b':') {
            name(length)?;
        }
        at += quote + length;
    }
    Ok(())
}

/// Holds a name to its limit, which has so many bytes with its quotes, or more.
pub(crate) const fn name(bytes: usize) -> Result<(), Reason> {
    if bytes > NAME_BYTES_MAX + 2 {
        return Err(Reason::NameTooLong);
    }
    Ok(())
}
