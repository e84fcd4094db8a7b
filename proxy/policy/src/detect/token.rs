//! Tokens: a text cut once into runs of letters and digits, each with what the vocabulary knows of it.
//!
//! Every detector works on these and looks a bounded number of tokens around itself, so the whole is linear in the text.
//! A byte of a character outside ASCII counts as a letter, but for the punctuation and currency blocks (U+0080 to U+00BF,
//! U+2000 to U+20BF, U+3000 to U+303F, U+FFC0 to U+FFFF, emoji): names of every script stay whole, and no Unicode table is asked for them.

use std::ops::Range;

use super::vocabulary::{Class, Vocabulary};

/// Digits of the shortest number that is looked for beside letters.
const LOOSE_DIGITS_MIN: usize = 8;

/// What a token consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters alone.
    Word,
    /// ASCII digits alone.
    Number,
    /// Both.
    Mixed,
}

/// How a token is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Begins with a small letter or a digit.
    Lower,
    /// Begins with a capital and goes on in small letters, or is one capital.
    Capital,
    /// Capitals alone, two or more.
    Upper,
}

/// One run of letters and digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// First byte.
    pub(super) start: usize,
    /// Byte after the last.
    pub(super) end: usize,
    /// What it consists of.
    pub(super) kind: Kind,
    /// How it is written.
    pub(super) case: Case,
    /// What the vocabulary knows of it, whatever its case.
    pub(super) class: Class,
}

impl Token {
    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether it begins with a capital.
    pub(super) fn capital(&self) -> bool {
        self.case != Case::Lower
    }
}

/// A text and its tokens.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    /// The text that was cut.
    pub(super) text: &'a str,
    list: Vec<Token>,
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const UPPER: u8 = 4;
const WIDE: u8 = 8;

/// Bits of each byte.
static BYTES: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    let mut slot = 0;
    while slot < 256 {
        #[expect(clippy::indexing_slicing, reason = "slot is below 256, checked at compile time")]
        {
            table[slot] = match byte {
                b'a'..=b'z' => LETTER,
                b'A'..=b'Z' => LETTER | UPPER,
                b'0'..=b'9' => DIGIT,
                0x80..=0xff => WIDE,
                _ => 0,
            };
        }
        byte = byte.wrapping_add(1);
        slot += 1;
    }
    table
}

fn bits(byte: u8) -> u8 {
    BYTES.get(usize::from(byte)).copied().unwrap_or(0)
}

impl<'a> Tokens<'a> {
    /// Cuts a text.
    pub(super) fn new(text: &'a str, vocabulary: &Vocabulary) -> Self {
        let bytes = text.as_bytes();
        let mut list = Vec::with_capacity(text.len() / 5 + 4);
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            if bits(*byte) == 0 {
                place += 1;
            } else if let Some(end) = token_end(bytes, place) {
                list.push(token(text, place, end, vocabulary));
                place = end;
            } else {
                place += wide_length(*byte);
            }
        }
        Self { text, list }
    }

    /// The same text with tokens of letters and digits cut into both; `None` where that can show no number that
    /// [`Self::new`] does not: a letter put beside a number must not hide it.
    pub(super) fn loosened(&self, vocabulary: &Vocabulary) -> Option<Self> {
        let digits = self
            .list
            .iter()
            .filter(|token| token.kind != Kind::Word)
            .map(Token::len)
            .sum::<usize>();
        let mixed = self.list.iter().any(|token| token.kind == Kind::Mixed);
        if !mixed || digits < LOOSE_DIGITS_MIN {
            return None;
        }
        let bytes = self.text.as_bytes();
        let mut list = Vec::with_capacity(self.list.len() * 2);
        for whole in &self.list {
            if whole.kind != Kind::Mixed {
                list.push(*whole);
                continue;
            }
            let mut start = whole.start;
            for end in whole.start + 1..=whole.end {
                let digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
                if end == whole.end || digit(end) != digit(start) {
                    list.push(token(self.text, start, end, vocabulary));
                    start = end;
                }
            }
        }
        Some(Self { text: self.text, list })
    }

    /// Their number.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The token at an index.
    pub(super) fn at(&self, index: usize) -> Option<&Token> {
        self.list.get(index)
    }

    /// The token `back` places before an index.
    pub(super) fn before(&self, index: usize, back: usize) -> Option<&Token> {
        self.list.get(index.checked_sub(back)?)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Token)> {
        self.list.iter().enumerate()
    }

    /// The text of a token; empty where there is none.
    pub(super) fn text(&self, index: usize) -> &'a str {
        self.at(index)
            .and_then(|token| self.text.get(token.span()))
            .unwrap_or("")
    }

    /// The byte after a token; zero at the end of the text.
    pub(super) fn follows(&self, index: usize) -> u8 {
        let end = self.at(index).map_or(self.text.len(), |token| token.end);
        self.text.as_bytes().get(end).copied().unwrap_or(0)
    }

    /// What stands between a token and the next one, or the end of the text.
    pub(super) fn gap(&self, index: usize) -> &'a str {
        let start = self.at(index).map_or(self.text.len(), |token| token.end);
        let end = self.at(index + 1).map_or(self.text.len(), |token| token.start);
        self.text.get(start..end).unwrap_or("")
    }

    /// What stands between a token and the one before it, or the beginning of the text.
    pub(super) fn gap_before(&self, index: usize) -> &'a str {
        match index.checked_sub(1) {
            Some(before) => self.gap(before),
            None => self.text.get(..self.at(0).map_or(0, |token| token.start)).unwrap_or(""),
        }
    }

    /// The class of a token; none where there is no token.
    pub(super) fn class(&self, index: usize) -> Class {
        self.at(index).map_or(Class::NONE, |token| token.class)
    }

    /// The value of a number token of at most nine digits.
    pub(super) fn number(&self, index: usize) -> Option<u32> {
        let token = self.at(index)?;
        if token.kind != Kind::Number || token.len() > 9 {
            return None;
        }
        self.text(index).parse().ok()
    }

    /// Whether a token begins a sentence, a line or the text.
    pub(super) fn begins_sentence(&self, index: usize) -> bool {
        if index == 0 {
            return true;
        }
        let gap = self.gap_before(index);
        gap.contains(['\n', '!', '?', ':', ';', '"', '>', '*', '|', '[', '\t', '•'])
            || gap.contains(". ")
            || (gap.contains('.') && gap.len() > 1)
            || gap.starts_with(" - ")
    }
}

/// The end of the token that begins at `start`; `None` where a character outside ASCII there is punctuation. A digit and a
/// character outside ASCII never share a token: nobody's code has both, and a sign put beside a number must not hide it.
fn token_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut place = start;
    let mut before = 0;
    while let Some(byte) = bytes.get(place) {
        let kind = bits(*byte);
        if (kind | before) & (DIGIT | WIDE) == DIGIT | WIDE {
            break;
        }
        if kind & (LETTER | DIGIT) != 0 {
            place += 1;
        } else if kind & WIDE != 0 && !punctuation(bytes.get(place..).unwrap_or_default()) {
            place += wide_length(*byte);
        } else {
            break;
        }
        before = kind;
    }
    (place > start).then(|| place.min(bytes.len()))
}

/// Whether the character that these bytes begin with is punctuation, space or a currency sign outside ASCII.
fn punctuation(bytes: &[u8]) -> bool {
    match bytes {
        [0xc2, ..] | [0xe3, 0x80, ..] | [0xef, 0xbf, ..] | [0xf0, 0x9f, ..] => true,
        [0xe2, second, ..] => (0x80..=0x82).contains(second),
        _ => false,
    }
}

/// Bytes of the character that begins with this one.
const fn wide_length(byte: u8) -> usize {
    match byte {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
        _ => 1,
    }
}

fn token(text: &str, start: usize, end: usize, vocabulary: &Vocabulary) -> Token {
    let word = text.get(start..end).unwrap_or("");
    let all = word.bytes().fold(0, |all, byte| all | bits(byte));
    let kind = match (all & DIGIT != 0, all & (LETTER | WIDE) != 0) {
        (true, false) => Kind::Number,
        (true, true) => Kind::Mixed,
        _ => Kind::Word,
    };
    let case = if all & (UPPER | WIDE) == 0 {
        Case::Lower
    } else {
        case(word)
    };
    // What a mask left (`[ssn]`) is no cue for what stands after it.
    let left = case == Case::Lower && text.as_bytes().get(end) == Some(&b']');
    let class = if kind == Kind::Number || left {
        Class::NONE
    } else {
        vocabulary.class(word)
    };
    Token {
        start,
        end,
        kind,
        case,
        class,
    }
}

fn case(word: &str) -> Case {
    let mut characters = word.chars();
    if !characters.next().is_some_and(char::is_uppercase) {
        return Case::Lower;
    }
    let mut rest = characters.peekable();
    if rest.peek().is_some() && rest.all(|one| one.is_uppercase() || one.is_ascii_digit()) {
        Case::Upper
    } else {
        Case::Capital
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Kind, Tokens};
    use crate::detect::vocabulary::Vocabulary;

    #[test]
    fn a_text_is_cut_into_runs_of_letters_and_digits() {
        let vocabulary = Vocabulary::new();
        let text = "Dr. Szöllösy–at 12:05, GB56X, ΛΕΥΚΩΣΙΑ\u{a0}x_y 12é";
        let tokens = Tokens::new(text, &vocabulary);
        let shown: Vec<_> = tokens
            .iter()
            .map(|(index, token)| (tokens.text(index), token.kind, token.case))
            .collect();
        let wanted = [
            ("Dr", Kind::Word, Case::Capital),
            ("Szöllösy", Kind::Word, Case::Capital),
            ("at", Kind::Word, Case::Lower),
            ("12", Kind::Number, Case::Lower),
            ("05", Kind::Number, Case::Lower),
            ("GB56X", Kind::Mixed, Case::Upper),
            ("ΛΕΥΚΩΣΙΑ", Kind::Word, Case::Upper),
            ("x", Kind::Word, Case::Lower),
            ("y", Kind::Word, Case::Lower),
            ("12", Kind::Number, Case::Lower),
            ("é", Kind::Word, Case::Lower),
        ];
        assert_eq!(shown, wanted);
        assert_eq!((tokens.gap(1), tokens.gap_before(0), tokens.gap(10)), ("–", "", ""));
    }
}
