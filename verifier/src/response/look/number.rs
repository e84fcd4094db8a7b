//! Numbers as techniques leave them, in both formats.
//!
//! A cell is read in each format that it may have; the readings of one cell never both look masked where one of them does
//! not: digits are bytes of 0x30 and more, which are great numbers.

use exhibit_policy::mask::ff1::Alphabet;
use exhibit_policy::mask::{Technique, zip};

/// What stands for every age over 89.
const AGE_TOP: u64 = 90;

/// What one group of digits of a `numeric` in binary form counts to.
const NUMERIC_BASE: u64 = 10_000;

/// A number that is not below zero.
#[derive(Clone, Copy)]
struct Number {
    whole: u64,
    fraction: bool,
}

/// Whether a cell of that type looks as the technique leaves it.
pub(super) fn looks_like(technique: &Technique, data_type: &str, cell: &[u8]) -> bool {
    let readings = [text(cell), binary(data_type, cell)];
    let mut readings = readings.into_iter().flatten();
    readings.any(|number| fits(technique, data_type, number))
}

/// The same of a number in a JSON document, which is a text.
pub(super) fn looks_like_in_document(technique: &Technique, raw: &str) -> bool {
    let data_type = if raw.contains('.') { "numeric" } else { "int8" };
    text(raw.as_bytes()).is_some_and(|number| fits(technique, data_type, number))
}

fn fits(technique: &Technique, data_type: &str, Number { whole, fraction }: Number) -> bool {
    match technique {
        Technique::Redact => whole == 0 && !fraction,
        Technique::Token { .. } => {
            let max = match data_type {
                "int2" => 0x7fff,
                "int4" => 0x7fff_ffff,
                _ => 0x7fff_ffff_ffff_ffff,
            };
            whole <= max && !fraction
        }
        Technique::Ff1 { alphabet, .. } => {
            let past = match data_type {
                "int4" => 1_000_000_000,
                "int8" => 1_000_000_000_000_000_000,
                _ => 0,
            };
            *alphabet == Alphabet::Digits && whole < past && !fraction
        }
        Technique::Zip3 => data_type != "numeric" && !fraction && zip::looks_masked(&format!("{whole:05}")),
        Technique::Age => whole < AGE_TOP || (whole == AGE_TOP && !fraction),
        _ => false,
    }
}

fn text(cell: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(cell).ok()?;
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits);
    Some(Number {
        whole: whole.parse().ok().filter(|_| plain)?,
        fraction: fraction.is_some(),
    })
}

fn binary(data_type: &str, cell: &[u8]) -> Option<Number> {
    let bytes = match data_type {
        "int2" => 2,
        "int4" => 4,
        "int8" => 8,
        _ => return numeric(cell),
    };
    let positive = cell.len() == bytes && cell.first().is_some_and(|byte| *byte < 0x80);
    let whole = cell.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    positive.then_some(Number { whole, fraction: false })
}

/// How many groups of digits, the place of the first, sign and scale; then the groups (`numeric_recv`).
fn numeric(cell: &[u8]) -> Option<Number> {
    let mut words = cell
        .chunks(2)
        .map(|word| Some(i16::from_be_bytes(word.try_into().ok()?)));
    let mut word = || words.next()?;
    let (count, weight, sign) = (usize::try_from(word()?).ok()?, word()?, word()?);
    word()?;
    let groups: Vec<u64> = words.map(|word| u64::try_from(word?).ok()).collect::<Option<_>>()?;
    if groups.len() != count || sign != 0 || groups.iter().any(|group| *group >= NUMERIC_BASE) {
        return None;
    }
    let before = usize::try_from(weight + 1).unwrap_or(0);
    // More groups than a 64-bit number has are no number that a technique makes.
    let groups_of_whole = (before <= 5).then(|| groups.iter().copied().chain(std::iter::repeat(0)).take(before));
    let mut whole: u64 = 0;
    for group in groups_of_whole? {
        whole = whole.checked_mul(NUMERIC_BASE)?.checked_add(group)?;
    }
    Some(Number {
        whole,
        fraction: groups.iter().skip(before).any(|group| *group > 0) || (weight < -1 && !groups.is_empty()),
    })
}
