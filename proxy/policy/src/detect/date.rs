//! Dates: every form that has more than a year, as 45 CFR 164.514(b)(2)(i)(C) asks.
//!
//! ISO 8601 and RFC 3339 with and without a time, month-day-year and day-month-year with `/`, `-` and `.`, months by name,
//! month and year, HL7 timestamps. A year alone is no finding. A day and month without a year (`3/14`) is also a fraction,
//! so it needs a cue to be more than possible.

use std::ops::Range;

use super::token::{Kind, Tokens};
use super::{Class, Confidence};

/// A date that begins at a token.
pub(super) struct Date {
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// The first token after it.
    pub(super) next: usize,
    /// How sure it is.
    pub(super) confidence: Confidence,
}

/// The date that begins at a token, if there is one. `cue` says that a word of dates stands before it.
pub(super) fn at(tokens: &Tokens<'_>, index: usize, cue: bool) -> Option<Date> {
    let (last, confidence) = match tokens.at(index)?.kind {
        Kind::Word => named(tokens, index)?,
        Kind::Number => numeric(tokens, index, cue)
            .or_else(|| day_first(tokens, index))
            .or_else(|| compact(tokens, index, cue))?,
        Kind::Mixed => stamp(tokens, index).or_else(|| day_first(tokens, index))?,
    };
    let last = time(tokens, last);
    Some(Date {
        span: tokens.at(index)?.start..tokens.at(last)?.end,
        next: last + 1,
        confidence,
    })
}

fn year(tokens: &Tokens<'_>, index: usize) -> bool {
    let length = tokens.at(index).map_or(0, super::token::Token::len);
    length == 4 && tokens.number(index).is_some_and(|year| (1_850..=2_100).contains(&year))
}

fn year_or_two_digits(tokens: &Tokens<'_>, index: usize) -> bool {
    year(tokens, index) || (tokens.at(index).is_some_and(|token| token.len() == 2) && tokens.number(index).is_some())
}

fn part(tokens: &Tokens<'_>, index: usize, most: u32) -> bool {
    tokens.at(index).is_some_and(|token| token.len() <= 2)
        && tokens.number(index).is_some_and(|part| (1..=most).contains(&part))
}

/// Whether two numbers can be a day and a month, in one order or the other.
fn day_and_month(tokens: &Tokens<'_>, first: usize, second: usize) -> bool {
    (part(tokens, first, 31) && part(tokens, second, 12)) || (part(tokens, first, 12) && part(tokens, second, 31))
}

/// `2021-03-04`, `3/4/2021`, `04.03.21`, `2021-03`, `03/2021`, `3/14`. The last token and how sure.
fn numeric(tokens: &Tokens<'_>, index: usize, cue: bool) -> Option<(usize, Confidence)> {
    let separator = tokens.gap(index);
    if !matches!(separator, "-" | "/" | "." | " - " | " / ") {
        return None;
    }
    // A date inside a longer chain of numbers (an OID, a version) is none.
    let chained = index > 0
        && tokens.gap_before(index) == separator
        && tokens.before(index, 1).is_some_and(|token| token.kind == Kind::Number);
    let three = tokens.gap(index + 1) == separator;
    let longer = |last: usize| {
        tokens.gap(last) == separator && tokens.at(last + 1).is_some_and(|token| token.kind == Kind::Number)
    };
    if three && !chained && !longer(index + 2) {
        if year(tokens, index) && part(tokens, index + 1, 12) {
            // With a time in the same token: `2021-03-04T10`.
            let day = part(tokens, index + 2, 31) || day_with_time(tokens.text(index + 2));
            return day.then_some((index + 2, Confidence::Strong));
        }
        if day_and_month(tokens, index, index + 1) && year_or_two_digits(tokens, index + 2) {
            let confidence = match (year(tokens, index + 2) || separator == "/" || cue, separator) {
                (true, _) => Confidence::Strong,
                (false, ".") => Confidence::Possible, // a version, too
                _ => Confidence::Likely,
            };
            return Some((index + 2, confidence));
        }
    }
    // A month by name in the middle: `3-Mar-2021`.
    if tokens.class(index + 1).any(Class::MONTH) {
        return None;
    }
    if chained || longer(index + 1) {
        return None;
    }
    // A month after a year has two digits: `1920-8` is a code of LOINC.
    let month = part(tokens, index + 1, 12) && tokens.text(index + 1).len() == 2;
    if (year(tokens, index) && month && separator != ".")
        || (part(tokens, index, 12) && year(tokens, index + 1) && separator != ".")
    {
        return Some((index + 1, Confidence::Likely));
    }
    (separator == "/" && day_and_month(tokens, index, index + 1)).then(|| {
        let confidence = if cue { Confidence::Likely } else { Confidence::Possible };
        (index + 1, confidence)
    })
}

/// `04T10` and `04T101112Z`: a day, and a time after it.
fn day_with_time(text: &str) -> bool {
    matches!(text.as_bytes(), [tens @ b'0'..=b'3', ones @ b'0'..=b'9', b'T' | b't', b'0'..=b'2', b'0'..=b'9', ..]
        if (1..=31).contains(&((tens - b'0') * 10 + (ones - b'0'))))
}

/// `3 March 2021`, `3rd of March`, `3-Mar-21`, `14 March`.
fn day_first(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    if !day(tokens, index) {
        return None;
    }
    let mut month = index + 1;
    if tokens.text(month).eq_ignore_ascii_case("of") {
        month += 1;
    }
    let close = |gap: &str| gap.len() <= 2 && !gap.contains('\n');
    if !tokens.class(month).any(Class::MONTH) || !close(tokens.gap(month - 1)) {
        return None;
    }
    if close(tokens.gap(month)) && year_or_apostrophe(tokens, month + 1) {
        return Some((month + 1, Confidence::Strong));
    }
    // "Take 2 may help": a month that is also a word needs its capital.
    let sure = tokens.at(month).is_some_and(|token| token.capital() || token.len() > 4);
    sure.then_some((month, Confidence::Likely))
}

/// A year of four digits, or of two that are a year by their place.
fn year_or_apostrophe(tokens: &Tokens<'_>, index: usize) -> bool {
    year(tokens, index)
        || (year_or_two_digits(tokens, index) && matches!(tokens.gap_before(index), "-" | "/" | " '" | "'"))
}

/// A day of the month: `3`, `03`, `3rd`.
fn day(tokens: &Tokens<'_>, index: usize) -> bool {
    let text = tokens.text(index);
    let digits = text.trim_end_matches(|one: char| one.is_ascii_alphabetic());
    let ending = text.get(digits.len()..).unwrap_or("");
    (ending.is_empty()
        || ["st", "nd", "rd", "th"]
            .iter()
            .any(|one| ending.eq_ignore_ascii_case(one)))
        && (1..=2).contains(&digits.len())
        && digits.parse().is_ok_and(|day: u32| (1..=31).contains(&day))
}

/// `March 3, 2021`, `Mar 3rd`, `March 2021`, `Mar-03-2021`.
fn named(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    if !tokens.class(index).any(Class::MONTH) {
        return None;
    }
    let close = |gap: &str| gap.len() <= 2 && !gap.contains('\n');
    let written = tokens.at(index).is_some_and(|token| token.capital() || token.len() > 4);
    if !close(tokens.gap(index)) {
        return None;
    }
    if day(tokens, index + 1) {
        if close(tokens.gap(index + 1)) && year_or_two_digits(tokens, index + 2) && tokens.gap(index + 1) != ". " {
            let sure = year(tokens, index + 2) || matches!(tokens.gap(index + 1), "-" | "/" | ", '" | " '");
            if sure {
                return Some((index + 2, Confidence::Strong));
            }
        }
        // "may 5 mg" is no date.
        let measure = tokens.class(index + 2).any(Class::MEASURE) && tokens.gap(index + 1) == " ";
        return (written && !measure).then_some((index + 1, Confidence::Likely));
    }
    if year(tokens, index + 1) && written {
        return Some((index + 1, Confidence::Likely));
    }
    None
}

/// `20210304`, `20210304101112`: eight digits of a date, and a time.
fn compact(tokens: &Tokens<'_>, index: usize, cue: bool) -> Option<(usize, Confidence)> {
    let text = tokens.text(index);
    let number = |range: Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
    if !matches!(text.len(), 8 | 12 | 14) || !(1_900..=2_100).contains(&number(0..4)) {
        return None;
    }
    if !(1..=12).contains(&number(4..6)) || !(1..=31).contains(&number(6..8)) {
        return None;
    }
    if text.len() > 8 && (number(8..10) > 23 || number(10..12) > 59) {
        return None;
    }
    let sure = cue || text.len() == 14;
    Some((index, if sure { Confidence::Likely } else { Confidence::Possible }))
}

/// The months' first three letters, in a row.
const MONTHS: &str = "janfebmaraprmayjunjulaugsepoctnovdec";

/// `20210304T101112Z`, and a month between day and year in one token: `03MAR2021`.
fn stamp(tokens: &Tokens<'_>, index: usize) -> Option<(usize, Confidence)> {
    let text = tokens.text(index);
    let date = text.get(..8)?;
    let rest = text.get(8..)?;
    let compact = date.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.starts_with(['T', 't']) || rest.is_empty())
        && date.get(..2).is_some_and(|century| matches!(century, "19" | "20"));
    if compact {
        return Some((index, Confidence::Strong));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let month = text.get(digits..digits + 3)?;
    let year = text.get(digits + 3..)?;
    let known = MONTHS
        .find(&month.to_ascii_lowercase())
        .is_some_and(|place| place % 3 == 0);
    let shaped = (1..=2).contains(&digits) && known && matches!(year.len(), 2 | 4);
    (shaped && year.bytes().all(|byte| byte.is_ascii_digit())).then_some((index, Confidence::Strong))
}

/// The last token of the time that follows a date's last token, or that token.
fn time(tokens: &Tokens<'_>, date: usize) -> usize {
    let mut last = date;
    let with_time = day_with_time(tokens.text(date)) || tokens.text(date).len() == 11;
    let clock = |index: usize, gap: &str| {
        gap == ":"
            && tokens.text(index + 1).len() >= 2
            && tokens.text(index + 1).starts_with(|one: char| one.is_ascii_digit())
    };
    if !with_time {
        let begins = matches!(tokens.gap(date), " " | ", " | "T" | "  ")
            && tokens.number(date + 1).is_some_and(|hour| hour < 24)
            && tokens.at(date + 1).is_some_and(|token| token.len() <= 2)
            && clock(date + 1, tokens.gap(date + 1));
        if !begins {
            return last;
        }
        last += 1;
    }
    for _ in 0..2 {
        if clock(last, tokens.gap(last)) {
            last += 1;
        }
    }
    // Fractions and the zone.
    if tokens.gap(last) == "." && tokens.number(last + 1).is_some() {
        last += 1;
    }
    if matches!(tokens.gap(last), "+" | "-") && tokens.at(last + 1).is_some_and(|token| token.len() <= 4) {
        last += 1;
        if clock(last, tokens.gap(last)) {
            last += 1;
        }
    }
    last
}
