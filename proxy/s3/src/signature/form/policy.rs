//! The policy of a form: until when it holds, and its conditions.
//!
//! ```json
//! { "expiration": "2015-12-30T12:00:00.000Z",
//!   "conditions": [ {"bucket": "b"}, ["eq", "$acl", "private"], ["starts-with", "$key", "user/"], ["content-length-range", 1, 1024] ] }
//! ```
//!
//! Specification: `sigv4-HTTPPOSTConstructPolicy`. Strict JSON: the escape `\$`, which that page has and JSON has not, is refused.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::FormError;
use crate::signature::time::UnixSeconds;

/// Conditions of a policy at the most.
pub(super) const CONDITIONS_MAX: usize = 128;

/// Lengths of a file, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRange {
    /// Not above `max`.
    min: u64,
    max: u64,
}

impl LengthRange {
    /// The smallest.
    pub const fn min(self) -> u64 {
        self.min
    }

    /// The greatest.
    pub const fn max(self) -> u64 {
        self.max
    }
}

/// A policy, read.
pub(super) struct Policy {
    pub(super) expiration: UnixSeconds,
    pub(super) conditions: Vec<Condition>,
    pub(super) length: Option<LengthRange>,
}

/// What a field has to be.
pub(super) struct Condition {
    /// In lower case.
    pub(super) field: String,
    expected: Expected,
}

enum Expected {
    Equal(String),
    StartingWith(String),
}

impl Condition {
    pub(super) fn is_met(&self, value: &str) -> bool {
        match &self.expected {
            Expected::Equal(expected) => value == expected,
            // Of a list of types, each one ("Condition matching").
            Expected::StartingWith(prefix) if self.field == "content-type" => value
                .split(',')
                .all(|part| part.trim_matches(' ').starts_with(prefix.as_str())),
            Expected::StartingWith(prefix) => value.starts_with(prefix.as_str()),
        }
    }
}

impl Policy {
    pub(super) fn parse(json: &[u8]) -> Result<Self, FormError> {
        let written: Written = serde_json::from_slice(json).map_err(|_| FormError::PolicyForm)?;
        let expiration = UnixSeconds::parse_extended(&written.expiration).ok_or(FormError::PolicyForm)?;
        if written.conditions.len() > CONDITIONS_MAX {
            return Err(FormError::TooMuch);
        }
        let (mut conditions, mut length) = (Vec::new(), None);
        for part in written.conditions {
            match part {
                Part::Field(condition) => conditions.push(condition),
                Part::Length(range) if length.is_none() && range.min <= range.max => length = Some(range),
                Part::Length(_) => return Err(FormError::PolicyForm),
            }
        }
        Ok(Self {
            expiration,
            conditions,
            length,
        })
    }
}

/// A policy as it is written. The derived reader refuses a key that comes twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    expiration: String,
    conditions: Vec<Part>,
}

enum Part {
    Field(Condition),
    Length(LengthRange),
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a condition")
    }

    /// `{"acl": "private"}`: one field.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let (field, value) = map
            .next_entry::<String, String>()?
            .ok_or(A::Error::custom("an empty condition"))?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a condition of two fields"));
        }
        Ok(condition(&field, Expected::Equal(value)))
    }

    /// `["eq", "$acl", "private"]`, `["starts-with", "$key", "user/"]`, `["content-length-range", 1, 1024]`.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Part, A::Error> {
        let short = || A::Error::custom("a condition of fewer than three parts");
        let operator: String = parts.next_element()?.ok_or_else(short)?;
        let part = if operator == "content-length-range" {
            let min = parts.next_element()?.ok_or_else(short)?;
            let max = parts.next_element()?.ok_or_else(short)?;
            Part::Length(LengthRange { min, max })
        } else {
            let field: String = parts.next_element()?.ok_or_else(short)?;
            let field = field.strip_prefix('$').ok_or(A::Error::custom("a field without `$`"))?;
            let value = parts.next_element()?.ok_or_else(short)?;
            let expected = match operator.as_str() {
                "eq" => Expected::Equal(value),
                "starts-with" => Expected::StartingWith(value),
                _ => return Err(A::Error::custom("an unknown operator")),
            };
            condition(field, expected)
        };
        if parts.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a condition of more than three parts"));
        }
        Ok(part)
    }
}

fn condition(field: &str, expected: Expected) -> Part {
    Part::Field(Condition {
        field: field.to_ascii_lowercase(),
        expected,
    })
}
