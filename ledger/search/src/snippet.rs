//! Snippets: the piece of a document's text around the words that were asked for.

use crate::text;

/// Characters of a snippet at the most: a line or two on a terminal.
const SNIPPET_CHARACTERS: usize = 160;

/// Characters that stand before the first word found.
const LEAD_CHARACTERS: usize = 40;

/// Texts of a document that are looked through; past it the first text is shown. A chunk holds thousands of rows, and a
/// page of results must stay quick.
pub(crate) const TEXTS_MAX: usize = 2_000;

/// A piece of the first text that holds a word of `runs`, or of the first text where there are none.
pub(crate) fn snippet(texts: &[&str], runs: &[Vec<String>]) -> String {
    let found = texts
        .iter()
        .find_map(|text| place(text, runs).map(|place| (text, place)));
    match found {
        Some((text, at)) => cut(text, at),
        None => texts.first().map_or_else(String::new, |text| cut(text, 0)),
    }
}

/// Byte offset of the first run that stands in the text.
fn place(text: &str, runs: &[Vec<String>]) -> Option<usize> {
    if runs.is_empty() {
        return None;
    }
    let words = text::words(text);
    let found = runs.iter().find_map(|run| {
        words
            .windows(run.len().max(1))
            .find(|window| window.iter().map(|word| &word.text).eq(run))
            .and_then(|window| window.first())
    });
    found.map(|word| word.from)
}

/// Up to [`SNIPPET_CHARACTERS`] around byte `at`, on one line, with `…` where something was cut.
fn cut(text: &str, at: usize) -> String {
    let before: Vec<char> = text.get(..at).unwrap_or_default().chars().rev().collect();
    let lead = before.len().min(LEAD_CHARACTERS);
    let mut snippet = String::new();
    if lead < before.len() {
        snippet.push('…');
    }
    snippet.extend(before.iter().take(lead).rev().copied().map(one_line));
    let mut rest = text.get(at..).unwrap_or_default().chars();
    snippet.extend(rest.by_ref().take(SNIPPET_CHARACTERS - lead).map(one_line));
    if rest.next().is_some() {
        snippet.push('…');
    }
    snippet
}

fn one_line(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

#[cfg(test)]
mod tests {
    use super::{SNIPPET_CHARACTERS, snippet};

    fn check(texts: &[&str], runs: &[&[&str]], wanted: &str) {
        let runs: Vec<Vec<String>> = runs
            .iter()
            .map(|run| run.iter().map(|word| (*word).to_owned()).collect())
            .collect();
        assert_eq!(snippet(texts, &runs), wanted);
    }

    #[test]
    fn shows_the_text_that_holds_the_words() {
        check(&[], &[], "");
        check(&["SELECT a", "b"], &[], "SELECT a");
        check(&["x", "the Smith family"], &[&["smith"]], "the Smith family");
        check(&["smith, jane", "Jane Smith"], &[&["jane", "smith"]], "Jane Smith");
        check(&["one\ntwo\u{1b}[2J"], &[&["two"]], "one two [2J");
    }

    #[test]
    fn cuts_long_texts_at_characters_on_both_sides() {
        let long = format!("{}needle{}", "ü ".repeat(100), " ö".repeat(100));
        let found = snippet(&[long.as_str()], &[vec!["needle".to_owned()]]);
        assert!(found.starts_with('…') && found.ends_with('…'), "{found}");
        assert!(found.contains("needle"));
        assert_eq!(found.chars().count(), SNIPPET_CHARACTERS + 2);
    }
}
