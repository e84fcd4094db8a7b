//! Foreign words in a line of text: paths of a bundle, names in a manifest, what people signed.
//!
//! Nothing of them may look like a line of the program's own, move a cursor, or turn the direction of writing.

/// A text in one line: control characters, line ends among them, and characters that turn or hide text are written out.
pub fn in_one_line(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || hides(character) {
            plain.extend(character.escape_unicode());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Whether a character shows nothing and changes how others are shown, or ends a line without being a control character
/// (Unicode Standard Annex 9, section 2, and chapter 23).
pub(crate) const fn hides(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn nothing_foreign_ends_a_line_or_turns_it() {
        assert_eq!(in_one_line("tile/entries/000 ü"), "tile/entries/000 ü");
        assert_eq!(in_one_line("x\nVERIFIED\r"), "x\\u{a}VERIFIED\\u{d}");
        assert_eq!(
            in_one_line("a\u{202e}b\u{200b}c\u{2028}"),
            "a\\u{202e}b\\u{200b}c\\u{2028}"
        );
    }
}
