//! The line of what is wrong: errors name an element of a list by its name, and the text says where that stands.

use toml::de::{DeTable, DeValue};

use super::PolicyError;

/// What errors call an element of a list, and the list.
const LISTS: [(&str, &str); 9] = [
    ("role", "roles"),
    ("target", "targets"),
    ("approval", "approvals"),
    ("rule", "rules"),
    ("mask", "masks"),
    ("net", "nets"),
    ("document", "documents"),
    ("review", "reviews"),
    ("patients", "patients"),
];

/// The same error with its line, where the text shows it.
pub(super) fn placed(error: PolicyError, text: &str) -> PolicyError {
    match start(&error, text) {
        Some(start) => {
            let before = text.as_bytes().iter().take(start);
            PolicyError::At {
                line: before.filter(|byte| **byte == b'\n').count() + 1,
                error: Box::new(error),
            }
        }
        None => error,
    }
}

/// Where the place of an error begins in the text.
fn start(error: &PolicyError, text: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let root = root.get_ref();
    match error {
        PolicyError::Version { .. } => key(root, "version"),
        PolicyError::Twice { kind, name } => {
            // Masks and nets share their names.
            let lists = LISTS
                .iter()
                .filter(|(word, _)| kind.split(" or ").any(|kind| kind == *word));
            lists.flat_map(|(_, list)| elements(root, list, name)).nth(1)
        }
        PolicyError::Unknown { place, .. }
        | PolicyError::Pattern { place, .. }
        | PolicyError::Recipient { place, .. }
        | PolicyError::Zone { place, .. }
        | PolicyError::MaskedOpen { place, .. }
        | PolicyError::Rule { place, .. } => {
            let Some((word, name)) = place.split_once(" `") else {
                return key(root, place);
            };
            let (_, list) = LISTS.iter().find(|(known, _)| *known == word)?;
            // A path of a mask stands behind the mask's name.
            let name = match name.split_once("`, path `") {
                Some((name, _)) => name,
                None => name.strip_suffix('`')?,
            };
            elements(root, list, name).first().copied()
        }
        PolicyError::TooLong { .. } | PolicyError::NotText { .. } | PolicyError::Syntax(_) | PolicyError::At { .. } => {
            None
        }
    }
}

fn key(root: &DeTable<'_>, name: &str) -> Option<usize> {
    root.get_key_value(name).map(|(key, _)| key.span().start)
}

/// Where each element of a list begins that has this name.
fn elements(root: &DeTable<'_>, list: &str, name: &str) -> Vec<usize> {
    let elements = root.get(list).and_then(|value| value.get_ref().as_array());
    let named = elements
        .into_iter()
        .flatten()
        .filter(|element| match element.get_ref() {
            DeValue::Table(table) => table.get("name").and_then(|value| value.get_ref().as_str()) == Some(name),
            _ => false,
        });
    named.map(|element| element.span().start).collect()
}
