//! The head of a request as it came: nothing decoded, nothing sorted, nothing left out.
//!
//! Not here: HTTP. Whoever reads it hands over the method, the target as sent, and each header line, `Host` among them.

use super::error::SignatureError;

/// Header lines that are looked at, at the most; HTTP libraries stop at 100.
pub const HEADERS_MAX: usize = 128;

/// The head of a request, borrowed.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The target, as sent: path and query, still encoded.
    pub target: &'a str,
    /// Names and values of header lines, in their order; names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    /// The values of a header, line by line.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The value of a header that may come once, without blanks around it.
    ///
    /// # Errors
    /// [`SignatureError::Repeated`] and [`SignatureError::Value`].
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
        let mut values = self.values(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(SignatureError::Repeated { name });
        }
        let text = str::from_utf8(value).ok().filter(|text| printable(text.as_bytes()));
        let text = text.ok_or(SignatureError::Value)?;
        Ok(Some(text.trim_matches([' ', '\t'])))
    }

    /// The value of a header as it is signed: lines joined by commas, each without blanks around it, runs of blanks as one.
    ///
    /// # Errors
    /// [`SignatureError::Value`].
    pub(super) fn canonical(&self, name: &str) -> Result<Option<Vec<u8>>, SignatureError> {
        let mut joined: Option<Vec<u8>> = None;
        for value in self.values(name) {
            if !printable(value) {
                return Err(SignatureError::Value);
            }
            let value = folded(value);
            match &mut joined {
                None => joined = Some(value),
                Some(joined) => {
                    joined.push(b',');
                    joined.extend(value);
                }
            }
        }
        Ok(joined)
    }
}

impl std::fmt::Debug for Head<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Head")
    }
}

/// No line breaks or other controls, which could pass for parts of a canonical request. HTTP libraries refuse them, too.
fn printable(value: &[u8]) -> bool {
    value
        .iter()
        .all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

fn folded(value: &[u8]) -> Vec<u8> {
    let mut folded: Vec<u8> = Vec::with_capacity(value.len());
    for &byte in value.trim_ascii() {
        if byte != b' ' || folded.last() != Some(&b' ') {
            folded.push(byte);
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::Head;
    use crate::signature::SignatureError;

    fn head<'a>(headers: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        Head {
            method: "GET",
            target: "/",
            headers,
        }
    }

    #[test]
    fn values_are_trimmed_folded_and_joined_in_order() {
        let lines: [(&str, &[u8]); 4] = [("A", b"  b   c \t"), ("x", b"no"), ("a", b""), ("a", b"\xff,  d")];
        let value = head(&lines).canonical("a").expect("no controls");
        assert_eq!(value.as_deref(), Some(&b"b c,,\xff, d"[..]));
        assert_eq!(head(&lines).canonical("b"), Ok(None));
    }

    #[test]
    fn refuses_controls_and_repetitions() {
        for value in [&b"a\nb"[..], b"a\rb", b"a\0", b"\x7f"] {
            let lines = [("a", value)];
            assert_eq!(head(&lines).canonical("a"), Err(SignatureError::Value));
            assert_eq!(head(&lines).text("a"), Err(SignatureError::Value));
        }
        let lines: [(&str, &[u8]); 2] = [("a", b"1"), ("A", b"1")];
        assert_eq!(head(&lines).text("a"), Err(SignatureError::Repeated { name: "a" }));
    }
}
