//! Whether a canary came out: as it stands, in a part of four letters or digits and more, or still encoded.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use exhibit_policy::detect::Category;

/// Whether what identifies is left, as it stands or decoded.
pub(crate) fn out(shown: &str, value: &str) -> bool {
    let body = value.strip_prefix("ZIP ").unwrap_or(value);
    left(shown, body) || opened(shown).is_some_and(|open| left(&open, body))
}

/// What a reader makes of a text that is still hex, base64 or percent encoded.
fn opened(masked: &str) -> Option<String> {
    let bytes = hex::decode(masked)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(masked).ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .or_else(|| serde_json::from_str(masked).ok())
        .or_else(|| percent(masked))
}

/// Whether what identifies is left: the value, or four letters or digits of it in a row.
fn left(masked: &str, value: &str) -> bool {
    let masked = Category::ALL
        .into_iter()
        .fold(masked.to_owned(), |text, one| text.replace(one.token(), " "));
    let parts = value
        .split(|one: char| !one.is_alphanumeric())
        .filter(|part| part.len() >= 4);
    masked.contains(value)
        || parts
            .into_iter()
            .any(|part| masked.contains(part) && !["https", "http", "example"].contains(&part))
}

/// A text whose bytes are written as `%XX`; `None` where it has none.
fn percent(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('%')?;
    let mut bytes = before.as_bytes().to_vec();
    for part in rest.split('%') {
        match part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(part.bytes().take(2)),
        }
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).ok()
}

/// A table of what canaries came through, for messages of failed tests.
pub(crate) fn table(misses: &BTreeMap<Category, Vec<String>>) -> String {
    let mut text = String::new();
    for (category, samples) in misses {
        let shown: Vec<_> = samples.iter().take(3).collect();
        let _ = writeln!(text, "{}: {} out, such as {shown:?}", category.as_str(), samples.len());
    }
    text
}
