//! Views of a text: what it says when characters of other scripts, escapes, hex and base64 are read.
//!
//! A view remembers which bytes of the text each of its own came from, so a finding in it covers the text that hides it.
//! Each layer is no longer than the one around it and at most [`DEPTH_MAX`] are opened, so the work stays linear.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Finding;

/// Layers of encodings that are opened: base64 of hex is, and no more.
pub(super) const DEPTH_MAX: usize = 2;

/// Bytes of the shortest run that is tried: eight letters of base64 hold a short name.
const RUN_BYTES_MIN: usize = 8;

/// Bytes of a number before its exponent: the 17 digits of a float, a point, and some more.
const MANTISSA_BYTES_MAX: usize = 24;

/// The largest exponent that is read; no identifier has more digits.
const EXPONENT_MAX: usize = 30;

/// Groups of three digits from which on a number is read without the marks between them: shorter ones are amounts.
const GROUPS_MIN: usize = 5;

/// Bytes of a line after which a run of base64 goes on in the next: PostgreSQL's `encode` and MIME (RFC 2045) break at 76,
/// PEM (RFC 7468) at 64.
const LINE_BYTES: [usize; 2] = [76, 64];

/// A text made of another.
pub(super) struct View {
    /// What is searched.
    pub(super) text: String,
    /// For each byte of it, and for its end, the byte of the outer text.
    from: Vec<usize>,
}

impl View {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            from: Vec::with_capacity(bytes + 1),
        }
    }

    fn push(&mut self, character: char, place: usize) {
        self.text.push(character);
        self.from.resize(self.text.len(), place);
    }

    fn finish(mut self, outer: &str) -> Self {
        self.from.push(outer.len());
        self
    }

    /// A finding of the view as one of the outer text.
    pub(super) fn outer(&self, finding: &Finding) -> Finding {
        let place = |byte: usize| self.from.get(byte).or(self.from.last()).copied().unwrap_or(0);
        Finding {
            span: place(finding.span.start)..place(finding.span.end),
            ..finding.clone()
        }
    }
}

/// The text with digits, dashes, blanks and full-width forms of all scripts as ASCII, and without characters that have no
/// width; `None` where it has none of them.
pub(super) fn fold(text: &str) -> Option<View> {
    if !text.chars().any(|one| !one.is_ascii() && plain(one) != Some(one)) {
        return None;
    }
    let mut view = View::with_capacity(text.len());
    for (place, character) in text.char_indices() {
        if let Some(plain) = plain(character) {
            view.push(plain, place);
        }
    }
    Some(view.finish(text))
}

/// What a character stands for; `None` for one without width.
fn plain(character: char) -> Option<char> {
    if character.is_ascii() {
        return Some(character);
    }
    let code = u32::from(character);
    let digit = |zero: u32| char::from_digit((code - zero) % 10, 10);
    match code {
        0xad | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2064 | 0xfe00..=0xfe0f | 0xfeff => None,
        0xa0 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Some(' '),
        0x2010..=0x2015 | 0x2212 | 0xfe58 | 0xfe63 => Some('-'),
        0x2018 | 0x2019 | 0x2bc => Some('\''),
        0x2024 | 0x3002 => Some('.'),
        0x660..=0x669 => digit(0x660),
        0x6f0..=0x6f9 => digit(0x6f0),
        0x966..=0x96f => digit(0x966),
        0x9e6..=0x9ef => digit(0x9e6),
        0xe50..=0xe59 => digit(0xe50),
        0x2070 | 0x2074..=0x2079 => digit(0x2070),
        0xb2 => Some('2'),
        0xb3 => Some('3'),
        0xb9 => Some('1'),
        0x2080..=0x2089 => digit(0x2080),
        0x2460..=0x2468 => digit(0x245f),
        0x1d7ce..=0x1d7ff => digit(0x1d7ce),
        0xff01..=0xff5e => char::from_u32(code - 0xfee0),
        _ => Some(character),
    }
}

/// The text with percent encoding (RFC 3986 2.1), character references of HTML and escapes of JSON and C read; `None` where
/// it has none.
pub(super) fn unescape(text: &str) -> Option<View> {
    let mut view = View::with_capacity(text.len());
    let mut place = 0;
    let mut any = false;
    while let Some(rest) = text.get(place..)
        && let Some(character) = rest.chars().next()
    {
        let escape = match character {
            '%' => numbered(rest, "%", 2, 2, 16, ""),
            '&' => numbered(rest, "&#x", 1, 6, 16, ";")
                .or_else(|| numbered(rest, "&#X", 1, 6, 16, ";"))
                .or_else(|| numbered(rest, "&#", 1, 7, 10, ";"))
                .or_else(|| entity(rest)),
            '\\' => numbered(rest, "\\u", 4, 4, 16, "")
                .or_else(|| numbered(rest, "\\x", 2, 2, 16, ""))
                .or_else(|| backslash(rest)),
            _ => None,
        };
        let (read, length) = escape.unwrap_or((character, character.len_utf8()));
        any |= escape.is_some();
        view.push(read, place);
        place += length;
    }
    any.then(|| view.finish(text))
}

/// A character by its number: what it is, and the bytes of the escape.
fn numbered(rest: &str, before: &str, least: usize, most: usize, radix: u32, after: &str) -> Option<(char, usize)> {
    let body = rest.strip_prefix(before)?;
    let digits = body.chars().take(most).take_while(|one| one.is_digit(radix)).count();
    let number = u32::from_str_radix(body.get(..digits)?, radix).ok()?;
    let ends = body.get(digits..)?.starts_with(after);
    // Half of a surrogate pair is a letter to the detectors.
    (digits >= least && ends).then(|| {
        (
            char::from_u32(number).unwrap_or('\u{fffd}'),
            before.len() + digits + after.len(),
        )
    })
}

fn entity(rest: &str) -> Option<(char, usize)> {
    const NAMED: &[(&str, char)] = &[
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&apos;", '\''),
        ("&nbsp;", ' '),
        ("&commat;", '@'),
        ("&period;", '.'),
        ("&hyphen;", '-'),
        ("&colon;", ':'),
    ];
    NAMED
        .iter()
        .find(|(name, _)| rest.starts_with(name))
        .map(|(name, character)| (*character, name.len()))
}

fn backslash(rest: &str) -> Option<(char, usize)> {
    let read = match rest.as_bytes().get(1)? {
        b'n' | b'r' => '\n',
        b't' => '\t',
        b'"' => '"',
        b'/' => '/',
        b'\\' => '\\',
        _ => return None,
    };
    Some((read, 2))
}

/// Every run of hex or base64 that reads as text, with its span, to `search`.
pub(super) fn runs(text: &str, mut search: impl FnMut(std::ops::Range<usize>, &str)) {
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len() {
        let Some(run) = Run::at(bytes, place) else {
            place += 1;
            continue;
        };
        place = run.end.max(place + 1);
        if run.end - run.start >= RUN_BYTES_MIN && run.encoded {
            let body: Vec<u8> = bytes
                .get(run.start..run.end)
                .unwrap_or_default()
                .iter()
                .copied()
                .filter(|byte| *byte != b'\n' && *byte != b'\r')
                .collect();
            open(run.start..run.end, &body, &mut search);
        }
    }
}

/// Numbers with an exponent, as PostgreSQL writes long floats (`4.5e+15`): calls `search` with their places and digits.
pub(super) fn powers(text: &str, mut search: impl FnMut(std::ops::Range<usize>, &str)) {
    let bytes = text.as_bytes();
    let signs = bytes
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| matches!(pair, [before, b'e' | b'E'] if before.is_ascii_digit()));
    for (place, _) in signs {
        if let Some((span, digits)) = power(bytes, place + 1) {
            search(span, &digits);
        }
    }
}

/// Numbers in groups of three digits, as amounts of money are written (`4,539,578,763,621,486`): calls `search` with their
/// places and digits.
pub(super) fn grouped(text: &str, mut search: impl FnMut(std::ops::Range<usize>, &str)) {
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(found) = bytes
        .get(place..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b','))
    {
        let mark = place + found;
        place = mark + 1;
        let before = bytes.get(mark.saturating_sub(3)..mark).unwrap_or_default();
        let first = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let groups = bytes.get(mark..).unwrap_or_default().chunks(4);
        let groups = groups.take_while(
            |group| matches!(group, [b',', digits @ ..] if digits.len() == 3 && digits.iter().all(u8::is_ascii_digit)),
        );
        let after = groups.count();
        let span = mark - first..mark + 4 * after;
        if first > 0 && after + 1 >= GROUPS_MIN {
            let digits: String = text.get(span.clone()).unwrap_or_default().replace(',', "");
            search(span.clone(), &digits);
        }
        place = place.max(span.end);
    }
}

/// The number whose exponent begins at this `e`, and its digits.
fn power(bytes: &[u8], sign: usize) -> Option<(std::ops::Range<usize>, String)> {
    let before = bytes.get(sign.saturating_sub(MANTISSA_BYTES_MAX)..sign)?;
    let number = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let mantissa = before.get(before.len() - before.iter().rev().take_while(number).count()..)?;
    let after = bytes.get(sign + 1..)?;
    let after = after.strip_prefix(b"+").unwrap_or(after);
    let exponent = after.get(..after.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count())?;
    let power: usize = std::str::from_utf8(exponent).ok()?.parse().ok()?;
    let (whole, fraction) = std::str::from_utf8(mantissa)
        .ok()?
        .split_once('.')
        .unwrap_or((std::str::from_utf8(mantissa).ok()?, ""));
    if power > EXPONENT_MAX {
        return None;
    }
    let moved = fraction.get(..power.min(fraction.len()))?;
    let zeros = "0".repeat(power.saturating_sub(fraction.len()));
    let end = bytes.len() - after.len() + exponent.len();
    Some((sign - mantissa.len()..end, format!("{whole}{moved}{zeros}")))
}

/// Whether a letter after two others is as in base64 and hardly as in a word: a capital after a small letter, or a small
/// letter after two capitals.
const fn coded(before: [u8; 2], byte: u8) -> bool {
    let [first, second] = before;
    (byte.is_ascii_uppercase() && second.is_ascii_lowercase())
        || (byte.is_ascii_lowercase() && second.is_ascii_uppercase() && first.is_ascii_uppercase())
}

/// Letters that base64 is made of, in a row.
struct Run {
    start: usize,
    end: usize,
    /// Whether it has the mixture of a coded text: digits, or capitals as words have none.
    encoded: bool,
}

impl Run {
    fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/_-=".contains(&byte);
        letter(*bytes.get(start)?).then_some(())?;
        let mut run = Self {
            start,
            end: start,
            encoded: false,
        };
        let mut before = [b' '; 2];
        let mut line = start;
        while let Some(byte) = bytes.get(run.end).copied() {
            if byte == b'\n' && LINE_BYTES.contains(&(run.end - line)) {
                line = run.end + 1;
            } else if !letter(byte) || (before[1] == b'=' && byte != b'=') {
                break; // padding is at the end
            } else {
                run.encoded |= byte.is_ascii_digit() || coded(before, byte);
                before = [before[1], byte];
            }
            run.end += 1;
        }
        Some(run)
    }
}

/// Tries what a run can be: hex, base64, and parts of it where marks of the alphabet part words.
fn open(span: std::ops::Range<usize>, body: &[u8], search: &mut impl FnMut(std::ops::Range<usize>, &str)) {
    if let Some(decoded) = hexadecimal(body).or_else(|| sixty_four(body)) {
        search(span, &decoded);
        return;
    }
    // Padding and marks of a path: each piece alone.
    let mut start = 0;
    for piece in body.split(|byte| b"/-_=".contains(byte)) {
        if piece.len() >= RUN_BYTES_MIN
            && piece.len() < body.len()
            && let Some(decoded) = hexadecimal(piece).or_else(|| sixty_four(piece))
        {
            // Where lines were joined the places are not those of the text; the whole run stands for its piece.
            let inner = if body.len() == span.len() {
                span.start + start..span.start + start + piece.len()
            } else {
                span.clone()
            };
            search(inner, &decoded);
        }
        start += piece.len() + 1;
    }
}

/// What hex digits say, with or without `0x` or `x` before them.
fn hexadecimal(body: &[u8]) -> Option<String> {
    let digits = body
        .strip_prefix(b"0x")
        .or_else(|| body.strip_prefix(b"x"))
        .unwrap_or(body);
    if digits.len() < RUN_BYTES_MIN || !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    readable(hex::decode(digits).ok()?)
}

/// What base64 says, in either alphabet, with or without padding, and with up to three letters before it.
fn sixty_four(body: &[u8]) -> Option<String> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let end = body.iter().rposition(|byte| *byte != b'=')? + 1;
    let standard: Vec<u8> = body
        .get(..end)?
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        })
        .collect();
    (0..4).find_map(|skipped| {
        let letters = standard.get(skipped..)?;
        let whole = letters.len() - usize::from(letters.len() % 4 == 1);
        if whole + 2 < RUN_BYTES_MIN {
            return None;
        }
        readable(ENGINE.decode(letters.get(..whole)?).ok()?)
    })
}

/// The bytes as text, where they are text that a person can read.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let control = |one: char| one.is_control() && !matches!(one, '\n' | '\r' | '\t');
    (!text.is_empty() && !text.contains(control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{fold, runs, unescape};

    #[test]
    fn other_scripts_and_widthless_characters_are_folded() {
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(fold(text).map(|view| view.text).as_deref(), wanted, "{text}");
        };
        check("plain", None);
        check("Szöllösy", None);
        check("１２３－４５", Some("123-45"));
        check("12\u{200b}3\u{2011}45", Some("123-45"));
        check("٣٤", Some("34"));
        check("𝟏𝟐", Some("12"));
        check("a\u{a0}b", Some("a b"));
    }

    #[test]
    fn escapes_are_read_and_lead_back_to_their_place() {
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(unescape(text).map(|view| view.text).as_deref(), wanted, "{text}");
        };
        check("50% of", None);
        check("a%40b.org", Some("a@b.org"));
        check("&#49;&#x32;&commat;", Some("12@"));
        check("\\u0031\\x32", Some("12"));
        check("\\ud800", Some("\u{fffd}"));
        check("%é", None);
        let view = unescape("x%40y").unwrap();
        assert_eq!(view.from, [0, 1, 4, 5]);
    }

    #[test]
    fn numbers_with_an_exponent_are_their_digits() {
        let digits = |text: &str| {
            let mut found = Vec::new();
            super::powers(text, |span, digits| {
                found.push((text[span].to_owned(), digits.to_owned()));
            });
            found
        };
        let check = |text: &str, wanted: &[(&str, &str)]| {
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(one, two)| ((*one).to_owned(), (*two).to_owned()))
                .collect();
            assert_eq!(digits(text), wanted, "{text}");
        };
        let card = ("4.539578763621486e+15", "4539578763621486");
        check(card.0, &[card]);
        check("(7,4.539578763621486e+15,x)", &[card]);
        check("1.5e3 and 2E2", &[("1.5e3", "1500"), ("2E2", "200")]);
        check("12.3456e2", &[("12.3456e2", "1234")]);
        check("9e31 1e-5 the e 4e", &[]);
    }

    #[test]
    fn long_numbers_in_groups_are_their_digits() {
        let check = |text: &str, wanted: Option<(&str, &str)>| {
            let mut found = None;
            super::grouped(text, |span, digits| {
                found = Some((text[span].to_owned(), digits.to_owned()));
            });
            let wanted = wanted.map(|(one, two)| (one.to_owned(), two.to_owned()));
            assert_eq!(found, wanted, "{text}");
        };
        let card = ("4,539,578,763,621,486", "4539578763621486");
        check("paid $4,539,578,763,621,486.00", Some(card));
        check("x, 4,539,578,763,621,486,", Some(card));
        check("4,539,578,763", None);
        check(",539,578,763,621,486", None);
        check("4,539,578,76,621,486", None);
    }

    #[test]
    fn runs_of_hex_and_base64_are_read() {
        let check = |text: &str, wanted: &[&str]| {
            let mut found = Vec::new();
            runs(text, |span, decoded| found.push(format!("{} {decoded}", &text[span])));
            assert_eq!(found, wanted, "{text}");
        };
        check("value 3132332d34352d36373839.", &["3132332d34352d36373839 123-45-6789"]);
        check("\\x3132332d34352d36373839", &["x3132332d34352d36373839 123-45-6789"]);
        check("MTIzLTQ1LTY3ODk=", &["MTIzLTQ1LTY3ODk= 123-45-6789"]);
        check("k=MTIzLTQ1LTY3ODk", &["MTIzLTQ1LTY3ODk 123-45-6789"]);
        check("Hypertension and ordinary words", &[]);
        let long = "The patient said that she lives at 12 Main Street and that nobody else does";
        let coded = hex::encode(long);
        let broken = format!("{}\n{}", &coded[..76], &coded[76..]);
        check(&broken, &[&format!("{broken} {long}")]);
    }
}
