//! Text as OSCAL wants it: values and titles of one line that is not blank, and prose that its Markdown leaves as it is.
//!
//! OSCAL's `string` is `^\S(.*\S)?$`, its titles hold no line end, and its descriptions are `CommonMark` with few extensions
//! ("markup-line", "markup-multiline"). Details of exceptions name keys, rules and files as others chose them, so they are escaped.

use serde::Serialize;

/// What stands where a text is blank: no value of OSCAL may be.
const BLANK: &str = "(blank)";

/// Not of Unicode's white space, but `\s` of ECMAScript, in whose expressions OSCAL's schemas are written.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A text of one line.
///
/// **Invariant:** it is not blank, has no line end, and neither begins nor ends with white space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Line(String);

impl Line {
    /// A text, with every run of white space as one blank.
    pub(super) fn of(text: &str) -> Self {
        let space = |character: char| character.is_whitespace() || character == BYTE_ORDER_MARK;
        let words: Vec<_> = text.split(space).filter(|word| !word.is_empty()).collect();
        Self(if words.is_empty() {
            BLANK.to_owned()
        } else {
            words.join(" ")
        })
    }

    /// The line as prose, in which nothing is Markdown.
    pub(super) fn escaped(&self) -> String {
        let mut prose = String::with_capacity(self.0.len());
        for character in self.0.chars() {
            // A backslash escapes every ASCII punctuation (`CommonMark` 2.4); these are what means something within a line.
            if matches!(
                character,
                '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '~' | '^' | '&' | '"' | '|'
            ) {
                prose.push('\\');
            }
            prose.push(character);
        }
        prose
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_one_and_is_not_blank() {
        for (text, wanted) in [
            ("a b", "a b"),
            (" a\r\n\tb\u{2028}c\u{85} ", "a b c"),
            ("\u{feff}a\u{feff}", "a"),
            ("", "(blank)"),
            (" \n", "(blank)"),
        ] {
            assert_eq!(Line::of(text).to_string(), wanted, "{text:?}");
        }
    }

    #[test]
    fn prose_holds_no_markup() {
        let line = Line::of("rule `a_b*` of <b>x</b> & [y](z)");
        assert_eq!(line.escaped(), r"rule \`a\_b\*\` of \<b\>x\</b\> \& \[y\](z)");
    }
}
