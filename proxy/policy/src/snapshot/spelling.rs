//! Names that have to be defined, with the nearest right spelling of one that is not.

use std::collections::BTreeSet;

use super::PolicyError;

pub(super) fn known(
    place: &str,
    kind: &'static str,
    names: &[String],
    defined: &BTreeSet<String>,
) -> Result<(), PolicyError> {
    let Some(name) = names.iter().find(|name| !defined.contains(*name)) else {
        return Ok(());
    };
    let nearest = defined.iter().min_by_key(|other| distance(name, other));
    let hint = nearest
        .map(|other| format!("; the nearest is `{other}`"))
        .unwrap_or_default();
    Err(PolicyError::Unknown {
        place: place.to_owned(),
        kind,
        name: name.clone(),
        hint,
    })
}

/// Levenshtein's edit distance, for the nearest right spelling.
pub(super) fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut before = line + 1;
        let mut next = vec![before];
        for (to, pair) in right.chars().zip(row.windows(2)) {
            let (diagonal, above) = match pair {
                [diagonal, above] => (*diagonal, *above),
                _ => (usize::MAX - 1, usize::MAX - 1),
            };
            before = (before + 1).min(above + 1).min(diagonal + usize::from(from != to));
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
