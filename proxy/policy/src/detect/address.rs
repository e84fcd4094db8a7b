//! Street addresses: a house number and a street, a box, a unit, and the place, state and postal code after them.
//!
//! What stands on the same line, or after a break within a sentence, is one finding. In a block that has a line to each
//! part, each line is a finding of its own.

use std::ops::Range;

use super::token::{Case, Kind, Tokens};
use super::{Category, Class, Confidence, Findings};

/// Words between a house number and the kind of street.
const STREET_WORDS_MAX: usize = 5;

/// Parts that follow a street: unit, town, state, postal code, country.
const PARTS_MAX: usize = 8;

/// Kinds of streets that are taken in small letters, too.
const SMALL: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "drive",
];

/// Kinds of streets that stand before the name.
const LEADING: &[&str] = &[
    "rue", "via", "calle", "avenida", "rua", "rúa", "ulica", "ul", "strada", "viale", "piazza", "corso", "carrer",
    "paseo", "chemin", "vicolo", "allée", "quai", "avenue",
];

/// Endings of street names in Finnish, German, Danish, Swedish, Norwegian, Dutch and Hungarian.
const ENDINGS: &[&str] = &[
    "katu", "tie", "kuja", "polku", "strasse", "straße", "gasse", "weg", "platz", "allee", "damm", "ring", "vej",
    "gade", "gata", "gatan", "vägen", "väg", "vegen", "veien", "straat", "laan", "plein", "gracht", "utca", "brücke",
];

/// Finds them all.
pub(super) fn find(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    let mut index = 0;
    while tokens.at(index).is_some() {
        let Some((last, confidence)) = street(tokens, index)
            .or_else(|| box_number(tokens, index))
            .or_else(|| unit_alone(tokens, index))
        else {
            index += 1;
            continue;
        };
        index = extend(tokens, index, last, confidence, findings) + 1;
    }
}

fn capital(tokens: &Tokens<'_>, index: usize) -> bool {
    tokens
        .at(index)
        .is_some_and(|token| token.capital() && token.kind != Kind::Number)
}

fn house(tokens: &Tokens<'_>, index: usize) -> bool {
    let Some(token) = tokens.at(index) else { return false };
    let text = tokens.text(index);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (1..=6).contains(&digits) && text.len() - digits <= 1 && token.kind != Kind::Word
}

fn leading(word: &str) -> bool {
    LEADING.iter().any(|one| word.eq_ignore_ascii_case(one))
}

fn close(gap: &str) -> bool {
    matches!(gap, " " | ". " | "." | "  " | "-" | ", " | " #" | "'")
}

/// A street that begins at a token: its last token and how sure it is.
fn street(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    if tokens.gap_before(index).ends_with(['$', '.', '/', ':']) && tokens.gap_before(index).len() == 1 {
        return None;
    }
    if house(tokens, index) {
        return after_house(tokens, index);
    }
    if !capital(tokens, index) {
        return None;
    }
    // `Via Franscini 71`, `Hauptstrasse 5`.
    if tokens.class(index).any(Class::STREET) && leading(tokens.text(index)) {
        let mut last = index;
        while last < index + STREET_WORDS_MAX
            && close(tokens.gap(last))
            && (capital(tokens, last + 1) || tokens.class(last + 1).any(Class::PARTICLE))
        {
            last += 1;
        }
        if last > index && tokens.gap(last) == " " && house(tokens, last + 1) {
            return Some((last + 1, Confidence::Likely));
        }
    }
    if tokens.gap(index) == " "
        && house(tokens, index + 1)
        && !tokens.class(index).any(Class::ENGLISH.with(Class::MEDICAL))
    {
        let word = tokens.text(index).to_lowercase();
        if ENDINGS
            .iter()
            .any(|ending| word.len() > ending.len() + 2 && word.ends_with(ending))
        {
            return Some((index + 1, Confidence::Likely));
        }
    }
    foreign(tokens, index)
}

/// What follows a house number: a kind of street within a few words, or a word that no list has and a second number.
fn after_house(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    for (words, at) in (index + 1..=index + 1 + STREET_WORDS_MAX).enumerate() {
        let gap = tokens.gap(at - 1);
        if !close(gap) || gap == ", " {
            break;
        }
        let class = tokens.class(at);
        let kind = class.any(Class::STREET) && tokens.at(at)?.kind == Kind::Word;
        let small = SMALL.iter().any(|one| tokens.text(at).eq_ignore_ascii_case(one));
        if kind && words > 0 && (capital(tokens, at) || small) {
            // `Crown St Kishiev Squares`: the widest kind of street wins.
            let wider = (at + 1..=at + 3).rev().find(|last| {
                tokens.class(*last).any(Class::STREET)
                    && (at..=*last).all(|one| capital(tokens, one) && (one == *last || close(tokens.gap(one))))
            });
            let mut last = wider.unwrap_or(at);
            // `12 Avenue Teboulbi`, `Ul. Miła 53`: the kind came first.
            while last == at
                && last < index + STREET_WORDS_MAX
                && tokens.gap(last) == " "
                && words == 0
                && capital(tokens, last + 1)
            {
                last += 1;
            }
            return Some((last, Confidence::Strong));
        }
        if class.any(Class::STREET) && leading(tokens.text(at)) {
            let mut last = at;
            while last < at + 4
                && tokens.gap(last) == " "
                && (capital(tokens, last + 1) || tokens.class(last + 1).any(Class::PARTICLE))
            {
                last += 1;
            }
            if last > at {
                let number = tokens.gap(last) == " " && house(tokens, last + 1);
                return Some((if number { last + 1 } else { last }, Confidence::Strong));
            }
        }
        let own = tokens.text(at);
        let ordinal = own.starts_with(|one: char| one.is_ascii_digit());
        let lower = class.any(Class::ENGLISH.with(Class::SURNAME).with(Class::GIVEN)) && !class.any(Class::MEASURE);
        if !(capital(tokens, at) || ordinal || class.any(Class::PARTICLE) || (lower && words == 0)) {
            break;
        }
    }
    // `6750 Koskikatu 25`: house numbers after the street, and a code before it.
    let (last, _) = foreign(tokens, index + 1).filter(|_| tokens.gap(index) == " ")?;
    let confidence = if tokens.at(index)?.len() >= 3 {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    Some((last, confidence))
}

/// Up to three words that no list has, and a number: `Pivovarská 276`.
fn foreign(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    let known = Class::ENGLISH
        .with(Class::MEDICAL)
        .with(Class::MONTH)
        .with(Class::TITLE)
        .with(Class::CARD)
        .with(Class::CODE)
        .with(Class::UNIT)
        .with(Class::STATE_CODE);
    let mut last = index;
    let mut strange = false;
    for at in index..index + 4 {
        let token = tokens.at(at)?;
        let particle = at > index && token.class.any(Class::PARTICLE);
        if token.kind != Kind::Word || !(token.capital() || particle) {
            break;
        }
        if !particle {
            let is_known = token.class.any(known) || (token.case == Case::Upper && token.len() <= 4);
            if at == index && is_known {
                return None;
            }
            strange |= !is_known;
        }
        last = at;
        if !matches!(tokens.gap(at), " " | ". " | "-") {
            break;
        }
    }
    let number = house(tokens, last + 1) && tokens.at(last + 1)?.len() <= 4;
    if !strange || !matches!(tokens.gap(last), " ") || !number {
        return None;
    }
    let last = last + 1;
    let gap = tokens.gap(last);
    let ends = last + 1 == tokens.len()
        || gap.contains('\n')
        || gap.starts_with([',', '?'])
        || gap.starts_with(". ")
        || gap == ".";
    let unit = tokens.class(last + 1).any(Class::UNIT);
    if tokens.class(last + 1).any(Class::MEASURE)
        || gap.starts_with(['%', '/', '-', ':'])
        || (gap.starts_with('.') && gap.len() == 1 && last + 1 < tokens.len())
    {
        return None;
    }
    match (unit, ends) {
        (true, _) => Some((last, Confidence::Likely)),
        (_, true) => Some((last, Confidence::Possible)),
        _ => None,
    }
}

/// `PO Box 12`, `PSC 6293, Box 8158`, `Unit 4719 Box 7394`.
fn box_number(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    let is = |at: usize, words: &[&str]| words.iter().any(|one| tokens.text(at).eq_ignore_ascii_case(one));
    let number = |at: usize| {
        tokens
            .at(at)
            .is_some_and(|token| token.kind != Kind::Word && token.len() <= 6)
    };
    let boxed = |at: usize| (is(at, &["box"]) && number(at + 1)).then_some((at + 1, Confidence::Strong));
    let first = tokens.text(index).as_bytes().first().map_or(0, u8::to_ascii_lowercase);
    if !matches!(first, b'p' | b'u' | b'c') || tokens.text(index).len() > 4 {
        return None;
    }
    if is(index, &["po", "pob"]) {
        return boxed(index + 1);
    }
    if is(index, &["p"]) && is(index + 1, &["o"]) {
        return boxed(index + 2);
    }
    if is(index, &["psc", "unit", "cmr"]) && number(index + 1) {
        return boxed(index + 2);
    }
    None
}

/// `Apt. 595` on a line of its own.
fn unit_alone(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    if !tokens.class(index).any(Class::UNIT) {
        return None;
    }
    let named = ["apt", "apartment", "suite", "ste"]
        .iter()
        .any(|one| tokens.text(index).eq_ignore_ascii_case(one));
    let last = if named { unit(tokens, index)? } else { return None };
    Some((last, Confidence::Likely))
}

/// The last token of a unit that begins at a token.
fn unit(tokens: &Tokens<'_>, index: usize) -> Option<usize> {
    let short = |at: usize| {
        tokens
            .at(at)
            .is_some_and(|token| token.len() <= 5 && (token.kind != Kind::Word || token.len() == 1))
    };
    let gap = tokens.gap(index);
    (tokens.class(index).any(Class::UNIT) && matches!(gap, " " | ". " | "." | " #" | "# " | "#") && short(index + 1))
        .then_some(index + 1)
}

/// A part of an address after the street.
struct Part {
    last: usize,
    category: Category,
    /// Whether it may only stand where a state, a country or a code follows.
    town: bool,
}

/// Adds the street and the parts after it; returns the last token.
fn extend(
    tokens: &Tokens<'_>,
    first: usize,
    street: usize,
    confidence: Confidence,
    findings: &mut Findings<'_>,
) -> usize {
    let span = |from: usize, to: usize| {
        tokens.at(from).map_or(0, |token| token.start)..tokens.at(to).map_or(0, |token| token.end)
    };
    let block = first == 0 || tokens.gap_before(first).contains('\n');
    let mut pieces: Vec<(Range<usize>, Category)> = vec![(span(first, street), Category::Address)];
    let mut last = street;
    for _ in 0..PARTS_MAX {
        let Some(part) = part(tokens, last) else { break };
        if part.town {
            let follows = self::part(tokens, part.last).is_some_and(|next| !next.town);
            let ends = part.last + 1 == tokens.len()
                || (tokens.gap(part.last).contains('\n') && tokens.gap(last).contains('\n'));
            if !follows && !ends {
                break;
            }
        }
        let parted = block && (tokens.gap(last).contains('\n') || pieces_are_lines(tokens, first, last));
        let own = span(last + 1, part.last);
        match pieces.last_mut() {
            Some((whole, Category::Address)) if !parted => {
                whole.end = own.end;
            }
            _ => pieces.push((own, part.category)),
        }
        last = part.last;
    }
    for (span, category) in pieces {
        findings.add(span, category, confidence);
    }
    last
}

/// Whether a break stands within a block that began at a token.
fn pieces_are_lines(tokens: &Tokens<'_>, first: usize, last: usize) -> bool {
    (first..last).any(|index| tokens.gap(index).contains('\n'))
}

/// The part of an address after a token.
fn part(tokens: &Tokens<'_>, before: usize) -> Option<Part> {
    let gap = tokens.gap(before);
    let only = |one: char| matches!(one, ' ' | ',' | '\n' | '\r' | '\t' | '.' | '>' | '?' | '(' | ')' | '|');
    if gap.is_empty() || gap.len() > 10 || !gap.chars().all(only) || gap.contains(". ") || gap.starts_with('?') {
        return None;
    }
    let index = before + 1;
    let token = tokens.at(index)?;
    let text = tokens.text(index);
    if let Some(last) = unit(tokens, index) {
        return Some(Part {
            last,
            category: Category::Address,
            town: false,
        });
    }
    if token.kind == Kind::Number && (4..=6).contains(&token.len()) {
        let plus = tokens.gap(index) == "-" && tokens.text(index + 1).len() == 4 && tokens.number(index + 1).is_some();
        return Some(Part {
            last: index + usize::from(plus),
            category: Category::Zip,
            town: false,
        });
    }
    if matches!(text, "APO" | "FPO" | "DPO")
        || (token.case == Case::Upper && text.len() == 2 && !tokens.class(index).any(Class::MEASURE))
    {
        return Some(Part {
            last: index,
            category: Category::Place,
            town: false,
        });
    }
    if token.kind == Kind::Word && token.capital() {
        let mut last = index;
        while last < index + 3
            && matches!(tokens.gap(last), " " | "-")
            && capital(tokens, last + 1)
            && tokens.at(last + 1)?.len() > 2
            && !tokens.class(last + 1).any(Class::REGION)
            && unit(tokens, last + 1).is_none()
        {
            last += 1;
        }
        let region = token.class.any(Class::REGION) || matches!(text, "United" | "New" | "Czech" | "South");
        return Some(Part {
            last,
            category: Category::Place,
            town: !region,
        });
    }
    None
}
