//! Which characters show as themselves.
//!
//! A character that no embedded font has would show as a box, whichever it is, and one that turns the direction of writing or has no
//! look would show as what it is not. Both are written out, as `\u{…}` with their code point, so that what is printed is what is there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::world::{CODE, FONTS, TEXT};

/// The page with every character that does not show as itself written out.
pub(crate) fn shown(page: &str) -> Cow<'_, str> {
    let mut known = BTreeMap::new();
    let mut shows = |character: char| {
        character.is_ascii_graphic()
            || character.is_ascii_whitespace()
            || *known.entry(character).or_insert_with(|| does_show(character))
    };
    if page.chars().all(&mut shows) {
        return Cow::Borrowed(page);
    }
    let mut text = String::with_capacity(page.len());
    for character in page.chars() {
        if shows(character) {
            text.push(character);
        } else {
            text.extend(character.escape_unicode());
        }
    }
    Cow::Owned(text)
}

fn does_show(character: char) -> bool {
    !is_unseen(character) && [TEXT, CODE].iter().any(|family| has(family, character))
}

/// Whether every font of a family has it: the same text may be set bold.
fn has(family: &str, character: char) -> bool {
    let mut fonts = FONTS.iter().filter(|font| font.info().family == family);
    fonts.all(|font| font.info().coverage.contains(character.into()))
}

/// Whether it acts on what is around it, or has no look of its own.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_shows_stays_and_what_does_not_is_written_out() {
        for (text, wanted) in [
            ("a ß é “x” – … → \n", "a ß é “x” – … → \n"),
            ("a\u{1b}[2Kb", "a\\u{1b}[2Kb"),
            ("a\u{202e}b\u{200b}c", "a\\u{202e}b\\u{200b}c"),
            ("\u{1f600} 病", "\\u{1f600} \\u{75c5}"),
        ] {
            assert_eq!(shown(text), wanted);
        }
    }
}
