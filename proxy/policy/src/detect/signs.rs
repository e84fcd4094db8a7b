//! What is looked for in a text, and what kinds of bytes it has: together they let most cells go without a detector.

use super::{Category, Confidence, Hints, Names, Wanted};

/// What a search is for. The detector of names does not run where nobody asked for names or places, and none runs where no
/// wanted category can be made of the text's bytes. A search for less finds all of that which one for everything finds, and
/// what a surer finding of another category would have covered.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) wanted: Wanted,
    pub(super) names: Option<&'a Names>,
}

impl<'a> Asked<'a> {
    /// What the detector of names finds.
    pub(super) const NAMES: &'static [Category] = &[Category::Name, Category::Place];
    /// What has a colon and no digit.
    const COLONS: &'static [Category] = &[Category::Url, Category::Ip, Category::Device];
    /// What has a dot and no digit.
    const DOTS: &'static [Category] = &[Category::Url, Category::Ip];

    pub(super) fn everything(hints: &Hints<'a>) -> Self {
        Self {
            wanted: Wanted::from(Confidence::Possible),
            names: hints.names,
        }
    }

    pub(super) fn any(&self, categories: &[Category]) -> bool {
        categories.iter().any(|category| self.wanted.names(*category))
    }

    /// Whether no detector of what is asked for looks at a text of these bytes: the converse of `Detectors::search_piece`
    /// for one without a digit, an encoding, or a character outside ASCII.
    pub(super) fn nothing(&self, signs: Signs) -> bool {
        let hides = Signs::DIGIT | Signs::WIDE | Signs::ESCAPE | Signs::INNER;
        let looked_at = signs.any(hides)
            || self.any(Self::NAMES)
            || self.any(&[Category::Age])
            || (signs.any(Signs::AT) && self.any(&[Category::Email]))
            || (signs.any(Signs::COLON) && self.any(Self::COLONS))
            || (signs.any(Signs::DOT) && self.any(Self::DOTS));
        !looked_at
    }
}

/// What kinds of bytes a text has: one pass that lets clean cells go.
#[derive(Clone, Copy)]
pub(super) struct Signs(u8);

impl Signs {
    /// Something that a finding can be made of.
    pub(super) const WORTH: u8 = 1;
    /// A byte of a character outside ASCII.
    pub(super) const WIDE: u8 = 2;
    /// A mark that an escape begins with.
    pub(super) const ESCAPE: u8 = 4;
    /// A digit.
    pub(super) const DIGIT: u8 = 8;
    /// Capitals as base64 has them and words have not: after a small letter, or two before one.
    pub(super) const INNER: u8 = 16;
    /// An `@`.
    pub(super) const AT: u8 = 32;
    /// A colon.
    pub(super) const COLON: u8 = 64;
    /// A dot.
    pub(super) const DOT: u8 = 128;

    pub(super) fn of(text: &str) -> Self {
        let mut signs = 0;
        let mut letters = 0_usize;
        // Capitals and small letters as bits, so that most texts go through without a branch.
        let (mut inner, mut small_before, mut capital_before, mut capital_second) = (0, 0, 0, 0);
        for byte in text.bytes() {
            let small = u8::from(byte.is_ascii_lowercase());
            let capital = u8::from(byte.is_ascii_uppercase());
            inner |= (capital & small_before) | (small & capital_before & capital_second);
            (capital_second, capital_before, small_before) = (capital_before, capital, small);
            letters += usize::from(small);
            signs |= match byte {
                0x80.. => Self::WIDE | Self::WORTH,
                b'%' | b'&' | b'\\' => Self::ESCAPE,
                b'0'..=b'9' => Self::DIGIT | Self::WORTH,
                b'A'..=b'Z' => Self::WORTH,
                b'@' => Self::AT | Self::WORTH,
                b':' => Self::COLON | Self::WORTH,
                b'.' => Self::DOT,
                _ => 0,
            };
        }
        if inner != 0 {
            signs |= Self::INNER;
        }
        // Small letters alone can still be a name in small letters, where there are enough of them.
        if letters >= 3 {
            signs |= Self::WORTH;
        }
        Self(signs)
    }

    pub(super) fn any(self, of: u8) -> bool {
        self.0 & of != 0
    }

    pub(super) fn nothing(self) -> bool {
        !self.any(Self::WORTH | Self::ESCAPE)
    }
}
