//! Masks inside a JSON document (RFC 8259), by path; every byte that no mask touches is kept.
//!
//! A path is a JSON Pointer (RFC 6901) in which a token `*` stands for every member and every element: `/name/*/family`. It
//! masks all values at and below its place. A string is masked as text, a whole number as an `int8`, another number as a
//! `numeric`; what a technique has no form for is `null`, as `true` and `false` always are.
//!
//! Of members with the same name every one is masked: which of them a reader takes is its own choice (RFC 8259, 4).

use std::ops::Range;

use serde::de::IgnoredAny;

use super::Technique;
use super::apply::{apply, quoted};
use super::key::MaskKey;
use super::value::{Decimal, Integer, Value};

/// Paths of one mask at the most: each is compared with the place of each value.
pub const PATHS_MAX: usize = 256;

/// Levels of a document at the most: what is kept of each while it is walked through. Documents of FHIR have some ten.
pub const LEVELS_MAX: usize = 127;

/// Tokens of a path at the most: as deep as documents are read.
pub const TOKENS_MAX: usize = LEVELS_MAX;

/// A path of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    /// `None` is every member and element.
    tokens: Vec<Option<String>>,
}

impl Path {
    /// Reads a JSON Pointer with `*`; `None` for what is none, or too deep.
    pub fn parse(text: &str) -> Option<Self> {
        let unescaped = |token: &str| {
            let mut plain = String::with_capacity(token.len());
            let mut rest = token.chars();
            while let Some(character) = rest.next() {
                plain.push(match character {
                    '~' => match rest.next()? {
                        '0' => '~',
                        '1' => '/',
                        _ => return None,
                    },
                    character => character,
                });
            }
            Some(if token == "*" { None } else { Some(plain) })
        };
        let tokens = match text {
            "" => Vec::new(),
            text => text
                .strip_prefix('/')?
                .split('/')
                .map(unescaped)
                .collect::<Option<_>>()?,
        };
        let text = text.to_owned();
        Some(Self { text, tokens }).filter(|path| path.tokens.len() <= TOKENS_MAX)
    }

    /// As the policy has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a place is this one, or below it.
    pub fn covers(&self, place: &[Step]) -> bool {
        self.tokens.len() <= place.len()
            && self.tokens.iter().zip(place).all(|(token, step)| match (token, step) {
                (None, _) => true,
                (Some(token), Step::Member(name)) => token == name,
                (Some(token), Step::Element(index)) => *token == index.to_string(),
            })
    }
}

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the member of that name.
    Member(String),
    /// Into the element at that place.
    Element(usize),
}

/// A path and what becomes of the values there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMask {
    /// Where.
    pub path: Path,
    /// How.
    pub technique: Technique,
}

/// The technique for a value at a place: that of the first path that covers it.
pub fn technique<'a>(paths: &'a [PathMask], rest: Option<&'a Technique>, place: &[Step]) -> Option<&'a Technique> {
    let covering = paths.iter().find(|mask| mask.path.covers(place));
    covering.map(|mask| &mask.technique).or(rest)
}

/// The document with its values masked; `None` where it is none.
pub(super) fn mask(document: &str, paths: &[PathMask], rest: Option<&Technique>, key: &MaskKey) -> Option<String> {
    let mut masked = String::with_capacity(document.len());
    let mut copied = 0;
    walk(document, &mut |place, span| {
        let raw = document.get(span.clone()).unwrap_or_default();
        if let Some(technique) = technique(paths, rest, place)
            && raw != "null"
        {
            masked.push_str(document.get(copied..span.start).unwrap_or_default());
            masked.push_str(&value(raw, technique, key));
            copied = span.end;
        }
    })?;
    masked.push_str(document.get(copied..)?);
    Some(masked)
}

/// A string, number or truth value, masked.
pub(super) fn value(raw: &str, technique: &Technique, key: &MaskKey) -> String {
    let value = match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok().map(Value::Text),
        Some(b'-' | b'0'..=b'9') => match raw.parse() {
            Ok(number) => Integer::new(number, i64::MAX).map(Value::Integer),
            Err(_) => Decimal::parse(raw).map(Value::Decimal),
        },
        _ => None,
    };
    match value.and_then(|value| apply(technique, value, key)) {
        Some(Value::Text(text)) => quoted(&text),
        Some(Value::Integer(integer)) => integer.number.to_string(),
        Some(Value::Decimal(decimal)) => decimal.as_str().to_owned(),
        _ => "null".to_owned(),
    }
}

/// Calls for each string, number, truth value and null of a document, with where it is and the bytes that it has; `None`
/// where the document is none, or nested too deeply.
pub fn walk(document: &str, visit: &mut dyn FnMut(&[Step], Range<usize>)) -> Option<()> {
    walk_from(document, (0, 0), visit)
}

/// The same, where the first element of a list at this level has that number and no other list is at it: what is walked through
/// is a part of a document.
pub(super) fn walk_from(
    document: &str,
    (level, first): (usize, usize),
    visit: &mut dyn FnMut(&[Step], Range<usize>),
) -> Option<()> {
    // What follows counts on the grammar.
    serde_json::from_str::<IgnoredAny>(document).ok()?;
    let bytes = document.as_bytes();
    let mut place: Vec<Step> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b'{' => {
                place.push(Step::Member(String::new()));
                at + 1
            }
            b'[' => {
                place.push(Step::Element(if place.len() == level { first } else { 0 }));
                at + 1
            }
            b'}' | b']' => {
                place.pop();
                at + 1
            }
            b',' => {
                if let Some(Step::Element(index)) = place.last_mut() {
                    *index += 1;
                }
                at + 1
            }
            b':' | b' ' | b'\t' | b'\n' | b'\r' => at + 1,
            b'"' => {
                let end = string_end(bytes, at)?;
                let after = bytes.get(end..)?.iter().find(|byte| !byte.is_ascii_whitespace());
                if after == Some(&b':') {
                    let name = serde_json::from_str(document.get(at..end)?).ok()?;
                    *place.last_mut()? = Step::Member(name);
                } else {
                    visit(&place, at..end);
                }
                end
            }
            _ => {
                let length = bytes
                    .get(at..)?
                    .iter()
                    .take_while(|byte| !b",]} \t\r\n".contains(byte))
                    .count();
                visit(&place, at..at + length);
                at + length
            }
        };
        if place.len() > LEVELS_MAX {
            return None;
        }
        at = end;
    }
    Some(())
}

/// The byte after a string that begins at a quote.
pub(super) fn string_end(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LEVELS_MAX, Path, PathMask, mask};
    use crate::mask::{MaskKey, Technique};

    const PATIENT: &str = "{ \"resourceType\":\"Patient\",\n \"name\" : [{\"family\":\"O\\u2019Neil\",\"given\":[\"Ann\",\"B\\\"\"]}, \
        {\"text\":\"Ann\"}],\"birthDate\":\"1970-02-03\", \"active\":true,\"age\":93,\"weight\":70.5,\"big\":1e5,\
        \"a/b~*\":{\"*\":\"x\"},\"none\":null}";

    fn paths(list: &[(&str, Technique)]) -> Vec<PathMask> {
        let one = |(path, technique): &(&str, Technique)| PathMask {
            path: Path::parse(path).unwrap(),
            technique: technique.clone(),
        };
        list.iter().map(one).collect()
    }

    fn check(list: &[(&str, Technique)], rest: Option<&Technique>, changes: &[(&str, &str)]) {
        let mut wanted = PATIENT.to_owned();
        for (from, to) in changes {
            assert!(wanted.contains(from), "{from}");
            wanted = wanted.replacen(from, to, 1);
        }
        let found = mask(PATIENT, &paths(list), rest, &MaskKey::new([7; 32])).unwrap();
        assert_eq!(found, wanted, "{list:?}");
    }

    #[test]
    fn values_at_a_path_are_masked_and_every_other_byte_is_kept() {
        let (redact, null) = (Technique::Redact, Technique::Null);
        let redacted = "\"[redacted]\"";
        check(&[], None, &[]);
        check(
            &[("/nowhere", redact.clone()), ("/name/0/family/x", redact.clone())],
            None,
            &[],
        );
        check(
            &[("/name/*/family", redact.clone())],
            None,
            &[("\"O\\u2019Neil\"", redacted)],
        );
        check(
            &[("/name/1", redact.clone())],
            None,
            &[("\"text\":\"Ann\"", "\"text\":\"[redacted]\"")],
        );
        check(
            &[("/name/0", redact.clone())],
            None,
            &[
                ("\"O\\u2019Neil\"", redacted),
                ("\"Ann\"", redacted),
                ("\"B\\\"\"", redacted),
            ],
        );
        check(
            &[("/birthDate", Technique::Year)],
            None,
            &[("1970-02-03", "1970-01-01")],
        );
        check(&[("/active", redact.clone())], None, &[("true", "null")]);
        check(
            &[("/age", redact.clone()), ("/weight", redact.clone())],
            None,
            &[("93", "0"), ("70.5", "0")],
        );
        check(&[("/big", redact.clone())], None, &[("1e5", "null")]);
        check(&[("/none", redact.clone())], None, &[]);
        check(&[("/a~1b~0*/*", redact.clone())], None, &[("\"x\"", redacted)]);
        // The first path that covers a place holds there, and what no path covers has the technique of the rest.
        check(
            &[
                ("/name/*/given", null.clone()),
                ("/name", redact),
                ("/resourceType", Technique::Partial { keep: 3 }),
            ],
            Some(&null),
            &[
                ("\"Patient\"", "\"****ent\""),
                ("\"O\\u2019Neil\"", redacted),
                ("\"Ann\"", "null"),
                ("\"B\\\"\"", "null"),
                ("\"text\":\"Ann\"", "\"text\":\"[redacted]\""),
                ("\"1970-02-03\"", "null"),
                ("true", "null"),
                ("93", "null"),
                ("70.5", "null"),
                ("1e5", "null"),
                ("\"x\"", "null"),
            ],
        );
    }

    #[test]
    fn what_is_no_document_is_not_masked() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let deep = nested(LEVELS_MAX + 1);
        for document in [
            "",
            "{",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "[1] 2",
            "nul",
            "\"\\ud800\"x",
            "\u{feff}1",
            &deep,
        ] {
            let masked = mask(document, &[], Some(&Technique::Redact), &MaskKey::new([7; 32]));
            assert_eq!(masked, None, "{document}");
        }
        for document in ["1", "\"a\"", " null ", "[]", "{}", &nested(LEVELS_MAX)] {
            assert!(mask(document, &[], None, &MaskKey::new([7; 32])).as_deref() == Some(document));
        }
    }

    #[test]
    fn members_of_one_name_are_all_masked_however_they_are_written() {
        let document = "{\"a\":\"x\",\"\\u0061\":\"y\",\"a\":\"z\"}";
        let masked = mask(
            document,
            &paths(&[("/a", Technique::Null)]),
            None,
            &MaskKey::new([7; 32]),
        );
        assert_eq!(masked.as_deref(), Some("{\"a\":null,\"\\u0061\":null,\"a\":null}"));
    }

    #[test]
    fn a_path_is_a_pointer() {
        for (text, is_one) in [
            ("", true),
            ("/", true),
            ("/a/0/*", true),
            ("/~0~1", true),
            ("a", false),
            ("$.a", false),
            ("/~2", false),
            ("/~", false),
            (&"/a".repeat(127), true),
            (&"/a".repeat(128), false),
        ] {
            assert_eq!(Path::parse(text).is_some(), is_one, "{text}");
        }
    }

    /// Any document of some depth.
    fn document() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[a-c*~/\"]{0,2}", inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The document with null in the place of each value.
    fn emptied(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Array(elements) => elements.iter().map(emptied).collect(),
            serde_json::Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), emptied(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            _ => serde_json::Value::Null,
        }
    }

    proptest! {
        #[test]
        fn a_masked_document_has_the_same_shape_and_no_value(document in document(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let masked = mask(&text.unwrap(), &[], Some(&Technique::Null), &MaskKey::new([7; 32])).unwrap();
            let masked: serde_json::Value = serde_json::from_str(&masked).unwrap();
            prop_assert_eq!(masked, emptied(&document));
        }

        #[test]
        fn no_text_makes_masking_panic(text: String) {
            let _ = mask(&text, &[], Some(&Technique::Null), &MaskKey::new([7; 32]));
        }
    }
}
