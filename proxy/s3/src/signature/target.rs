//! The target of a request: a path and parameters, decoded once, and their one canonical form.
//!
//! Specification: step 1 of `sig-v4-header-based-auth`: each byte of the path is encoded once, `/` stays, and nothing is normalised (`a/../b`
//! is a key of its own); parameters are encoded, `/` too, and sorted by encoded name and then value. A `+` of the query is a blank.
//!
//! ```text
//! /test$file.text?prefix=a+b&lifecycle   as sent
//! /test%24file.text  lifecycle=&prefix=a%20b   canonical, and what goes on to a target
//! ```
//!
//! Not here: which bucket and key that is.

use std::fmt::Write as _;

/// Bytes of a target at the most: a key of 1,024 bytes and a session token, encoded, with room to spare.
pub const TARGET_BYTES_MAX: usize = 32_768;

/// Parameters of a target at the most; the operation with the most has about 20, signature included.
pub const PARAMETERS_MAX: usize = 128;

/// Why a target is refused. No variant repeats it: a path holds an object's key.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// It is no path.
    #[error("the target of the request does not begin with `/`; send the path alone and the host in its header")]
    Form,
    /// A limit.
    #[error("the target of the request has more than {TARGET_BYTES_MAX} bytes")]
    Length,
    /// A limit.
    #[error("the query has more than {PARAMETERS_MAX} parameters")]
    Parameters,
    /// A `%` without two digits.
    #[error("a `%` in the target is not followed by two hexadecimal digits; encode it as `%25`")]
    Encoding,
}

/// A parameter of a query, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value; empty also where there was no `=`.
    pub value: Vec<u8>,
}

/// A path and its parameters, decoded once.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Begins with `/`.
    path: Vec<u8>,
    /// In the order in which they came.
    parameters: Vec<Parameter>,
}

impl Target {
    /// Reads the target of a request as it was sent.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > TARGET_BYTES_MAX {
            return Err(TargetError::Length);
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut parameters = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if parameters.len() == PARAMETERS_MAX {
                return Err(TargetError::Parameters);
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            parameters.push(Parameter {
                name: decode(name, Plus::Blank)?,
                value: decode(value, Plus::Blank)?,
            });
        }
        Self::new(decode(path, Plus::Itself)?, parameters)
    }

    /// A target of ours, of decoded parts.
    ///
    /// # Errors
    /// [`TargetError::Form`] where the path does not begin with `/`.
    pub fn new(path: Vec<u8>, parameters: Vec<Parameter>) -> Result<Self, TargetError> {
        if path.first() != Some(&b'/') {
            return Err(TargetError::Form);
        }
        Ok(Self { path, parameters })
    }

    /// The path, decoded.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Replaces the value of a parameter that is there.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        for parameter in &mut self.parameters {
            if parameter.name == name.as_bytes() {
                parameter.value = value.to_vec();
            }
        }
    }

    /// The parameters, decoded, in the order in which they came.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The values of a parameter, by its exact name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.parameters
            .iter()
            .filter(move |parameter| parameter.name == name.as_bytes())
            .map(|parameter| parameter.value.as_slice())
    }

    /// Without the parameters of some names.
    pub(super) fn without(mut self, names: &[&str]) -> Self {
        self.parameters
            .retain(|parameter| !names.iter().any(|name| parameter.name == name.as_bytes()));
        self
    }

    /// The path, encoded once.
    pub fn canonical_path(&self) -> String {
        let mut text = String::new();
        encode(&self.path, Slash::Itself, &mut text);
        text
    }

    /// The parameters, encoded and sorted.
    pub fn canonical_query(&self) -> String {
        self.canonical_query_without(None)
    }

    /// The same without the parameters of one name: a signature is not in what it signs.
    pub(super) fn canonical_query_without(&self, left_out: Option<&str>) -> String {
        let encoded = |bytes: &[u8]| {
            let mut text = String::new();
            encode(bytes, Slash::Encoded, &mut text);
            text
        };
        let kept = self
            .parameters
            .iter()
            .filter(|parameter| left_out.is_none_or(|name| parameter.name != name.as_bytes()));
        let mut pairs: Vec<_> = kept
            .map(|parameter| (encoded(&parameter.name), encoded(&parameter.value)))
            .collect();
        pairs.sort();
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Target")
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Parameter")
    }
}

/// What a `+` stands for.
#[derive(Clone, Copy)]
enum Plus {
    Itself,
    Blank,
}

fn decode(text: &str, plus: Plus) -> Result<Vec<u8>, TargetError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match (byte, plus) {
            (b'%', _) => {
                let digit = |byte: Option<u8>| {
                    char::from(byte?)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                let high = digit(bytes.next()).ok_or(TargetError::Encoding)?;
                let low = digit(bytes.next()).ok_or(TargetError::Encoding)?;
                high << 4 | low
            }
            (b'+', Plus::Blank) => b' ',
            _ => byte,
        });
    }
    Ok(decoded)
}

/// What becomes of a `/`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Itself,
    Encoded,
}

/// `UriEncode` of the specification: all but the unreserved characters of RFC 3986 section 2.3, digits in upper case.
fn encode(bytes: &[u8], slash: Slash, text: &mut String) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            b'/' if slash == Slash::Itself => text.push('/'),
            _ => write!(text, "%{byte:02X}").expect("a string takes what is written to it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PARAMETERS_MAX, TARGET_BYTES_MAX, Target, TargetError};

    fn check(sent: &str, path: &str, query: &str) {
        let target = Target::parse(sent).expect("a target");
        assert_eq!(target.canonical_path(), path, "{sent}");
        assert_eq!(target.canonical_query(), query, "{sent}");
        let again = format!("{path}?{query}");
        let again = Target::parse(&again).expect("its canonical form is a target");
        assert_eq!(
            (again.canonical_path(), again.canonical_query()),
            (path.to_owned(), query.to_owned())
        );
    }

    #[test]
    fn a_path_is_encoded_once_and_not_normalised() {
        check("/test$file.text", "/test%24file.text", "");
        check("/a%20b%2Fc", "/a%20b/c", "");
        check("/a+b", "/a%2Bb", "");
        check("//a/./b/../c//", "//a/./b/../c//", "");
        check("/%e4%b8%ad/ü~", "/%E4%B8%AD/%C3%BC~", "");
        check("/%2525", "/%2525", "");
    }

    #[test]
    fn parameters_are_sorted_by_encoded_name_and_then_value() {
        check("/?lifecycle", "/", "lifecycle=");
        check("/?prefix=J&max-keys=2", "/", "max-keys=2&prefix=J");
        // By names first: as whole texts, `a-=` would be before `a=`.
        check("/?a-=1&a=2&a=1&A=3", "/", "A=3&a=1&a=2&a-=1");
        // Encoded, `{` is before `a`.
        check("/?a=1&%7B=2", "/", "%7B=2&a=1");
        check("/?p=a/b=c%26d", "/", "p=a%2Fb%3Dc%26d");
        check("/?&&a=1&", "/", "a=1");
        check("/?=x&a=?", "/", "=x&a=%3F");
    }

    #[test]
    fn a_plus_of_the_query_is_a_blank() {
        check("/?a+b=c+d%2Be", "/", "a%20b=c%20d%2Be");
    }

    #[test]
    fn refuses_what_is_no_target() {
        for sent in ["", "*", "a/b", "http://host/a"] {
            assert_eq!(Target::parse(sent), Err(TargetError::Form), "{sent}");
        }
        for sent in ["/%", "/%4", "/%zz", "/?a=%+1", "/?%=1"] {
            assert_eq!(Target::parse(sent), Err(TargetError::Encoding), "{sent}");
        }
    }

    #[test]
    fn limits_hold() {
        assert!(Target::parse(&format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1))).is_ok());
        let long = format!("/{}", "a".repeat(TARGET_BYTES_MAX));
        assert_eq!(Target::parse(&long), Err(TargetError::Length));
        assert!(Target::parse(&format!("/?{}", "a&".repeat(PARAMETERS_MAX))).is_ok());
        let many = format!("/?{}", "a&".repeat(PARAMETERS_MAX + 1));
        assert_eq!(Target::parse(&many), Err(TargetError::Parameters));
    }

    #[test]
    fn keys_are_not_shown() {
        let target = Target::parse("/planted?planted=planted").expect("a target");
        assert_eq!(format!("{target:?} {:?}", target.parameters()), "Target [Parameter]");
    }
}
