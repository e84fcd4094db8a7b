//! Whether every name that a pattern matches is matched by one of others: inclusion of languages, not of texts.
//!
//! A pattern is an automaton whose states are places in its text. A name that the pattern matches and none of the others does
//! is looked for in the product of its states and the sets of states that the others can be in. Characters that stand in no
//! pattern all do the same, so one of them stands for the rest.

use std::collections::BTreeSet;

use super::Pattern;

/// Pairs of states that are looked at. Patterns of people take some hundreds; texts made for it grow without end.
const PAIRS_MAX: usize = 4_000;

/// Whether `others` match everything that `pattern` matches. Never wrongly yes: past [`PAIRS_MAX`] it says no.
pub(crate) fn covered(pattern: &Pattern, others: &[&Pattern]) -> bool {
    if others
        .iter()
        .any(|other| other.text == pattern.text || other.text == "*")
    {
        return true;
    }
    let pattern: Vec<char> = pattern.text.chars().collect();
    let others: Vec<Vec<char>> = others.iter().map(|other| other.text.chars().collect()).collect();
    let written = others.iter().flatten().chain(&pattern);
    let mut characters: BTreeSet<Option<char>> = written.filter(|one| **one != '*').map(|one| Some(*one)).collect();
    characters.insert(None);
    let start = (
        past_star(&pattern, 0),
        past_stars(&others, (0..others.len()).map(|other| (other, 0)).collect()),
    );
    let mut waiting: Vec<(usize, BTreeSet<(usize, usize)>)> =
        start.0.iter().map(|own| (*own, start.1.clone())).collect();
    let mut seen: BTreeSet<_> = waiting.iter().cloned().collect();
    while let Some((own, theirs)) = waiting.pop() {
        let ends = |(other, place): &(usize, usize)| others.get(*other).is_some_and(|text| *place == text.len());
        if own == pattern.len() && !theirs.iter().any(ends) {
            return false;
        }
        for character in &characters {
            let Some(next) = step(&pattern, own, *character) else {
                continue;
            };
            let after = theirs.iter().filter_map(|(other, place)| {
                let next = step(others.get(*other)?, *place, *character)?;
                Some((*other, next))
            });
            let after = past_stars(&others, after.collect());
            for own in past_star(&pattern, next) {
                let pair = (own, after.clone());
                if seen.insert(pair.clone()) {
                    waiting.push(pair);
                }
            }
        }
        if seen.len() > PAIRS_MAX {
            return false;
        }
    }
    true
}

/// Where a character leads from a place; `None` as a character stands for one that no pattern has.
fn step(text: &[char], place: usize, character: Option<char>) -> Option<usize> {
    match text.get(place) {
        Some('*') => Some(place),
        Some(own) if Some(*own) == character => Some(place + 1),
        _ => None,
    }
}

/// A place and those after its stars, which need no character.
fn past_star(text: &[char], place: usize) -> Vec<usize> {
    let stars = text.iter().skip(place).take_while(|one| **one == '*').count();
    (place..=place + stars).collect()
}

fn past_stars(texts: &[Vec<char>], places: BTreeSet<(usize, usize)>) -> BTreeSet<(usize, usize)> {
    let past = |(other, place): (usize, usize)| {
        let places = texts.get(other).map(|text| past_star(text, place)).unwrap_or_default();
        places.into_iter().map(move |place| (other, place))
    };
    places.into_iter().flat_map(past).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Pattern, covered};

    fn holds(pattern: &str, others: &[&str]) -> bool {
        let others: Vec<Pattern> = others.iter().map(|text| Pattern::new(text).unwrap()).collect();
        covered(&Pattern::new(pattern).unwrap(), &others.iter().collect::<Vec<_>>())
    }

    #[test]
    fn patterns_cover_by_what_they_match() {
        let check = |pattern: &str, others: &[&str], wanted| {
            assert_eq!(holds(pattern, others), wanted, "{pattern} {others:?}");
        };
        check("public.patients", &["public.*"], true);
        check("public.patients.*", &["public.*"], true);
        check("public.*", &["public.patients", "public.claims"], false);
        check("public.*.ssn", &["public.*", "private.*"], true);
        check("*", &["public.*"], false);
        check("**", &["*"], true);
        check("a*b", &["a*", "*c"], true);
        check("a*", &["a*b", "a*c"], false);
        check("*a*", &["a*", "*a"], false);
        check("x", &[], false);
        // Neither alone, both together: the empty rest, and every other.
        check("a*", &["a"], false);
        check("*", &["a*", "*a"], false);
    }

    #[test]
    fn what_takes_too_long_is_not_said_to_be_covered() {
        // Each of them is in one of three states, whatever the others are in.
        let apart: Vec<String> = (0..10)
            .map(|number| format!("*{}*{}", char::from(b'A' + number), char::from(b'a' + number)))
            .collect();
        let mut others = vec!["**z*"];
        assert!(holds("*z*", &others));
        others.extend(apart.iter().take(3).map(String::as_str));
        assert!(holds("*z*", &others));
        others.extend(apart.iter().skip(3).map(String::as_str));
        assert!(!holds("*z*", &others));
    }

    /// All names of up to five letters of which the last stands for one that no pattern has.
    fn names() -> Vec<String> {
        let mut names = vec![String::new()];
        let mut last = names.clone();
        for _ in 0..5 {
            last = last
                .iter()
                .flat_map(|name| ["a", "b", "c"].map(|end| format!("{name}{end}")))
                .collect();
            names.extend(last.iter().cloned());
        }
        names
    }

    proptest! {
        #[test]
        fn agrees_with_what_matches(pattern in "[ab*]{1,4}", others in prop::collection::vec("[ab*]{1,3}", 0..4)) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let matches = |text: &str, name: &str| Pattern::new(text).unwrap().matches(name);
            let apart = |name: &&String| matches(&pattern, name) && !others.iter().any(|other| matches(other, name));
            // A name that tells such short patterns apart is short, too.
            let counterexample = names().iter().any(|name| apart(&name));
            prop_assert_eq!(holds(&pattern, &others), !counterexample);
        }
    }
}
