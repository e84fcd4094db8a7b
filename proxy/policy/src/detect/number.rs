//! Numbers: social security, cards, telephone and fax, NPI, ZIP, dates and ages.
//!
//! A number is judged from its first group of digits on, at most [`GROUPS_MAX`] groups further. The form names the
//! candidates, cues around it and check digits say how sure. What has no form of its own (record and account numbers) needs
//! a label and is found in `code.rs`.

use std::ops::Range;

use super::token::{Kind, Tokens};
use super::vocabulary::Vocabulary;
use super::{Category, Class, Confidence, Findings, check, date};

/// Groups of digits that one number has at the most.
const GROUPS_MAX: usize = 7;

/// Digits of a number that are looked at; no identifier of digits alone is longer.
const DIGITS_MAX: usize = 48;

/// Tokens before a number in which a cue is looked for.
const CUE_REACH: usize = 5;

/// Finds them all.
pub(super) fn find(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    spelled(tokens, findings);
    let mut index = 0;
    while let Some(token) = tokens.at(index) {
        index = match token.kind {
            Kind::Word if !token.class.any(Class::MONTH) => index + 1,
            _ => {
                let cue = near(tokens, index);
                let next = date::at(tokens, index, cue.any(Class::DATE)).map(|date| {
                    findings.add(date.span, Category::Date, date.confidence);
                    // What is only possible hides nothing that begins inside of it.
                    if date.confidence > Confidence::Possible {
                        date.next
                    } else {
                        index + 1
                    }
                });
                next.or_else(|| {
                    (token.kind == Kind::Number)
                        .then(|| number(tokens, index, cue, findings))
                        .flatten()
                })
                .or_else(|| age(tokens, index, cue, findings))
                .unwrap_or(index + 1)
            }
        };
    }
}

/// Finds numbers that letters stand right beside, as in `x123-45-6789y`: only those whose groups, or check digit, no code
/// has by chance.
pub(super) fn find_beside_letters(tokens: &Tokens<'_>, vocabulary: &Vocabulary, findings: &mut Findings<'_>) {
    let Some(tokens) = tokens.loosened(vocabulary) else {
        return;
    };
    let mut list = Vec::new();
    let mut loose = Findings { list: &mut list };
    for (index, token) in tokens.iter() {
        if token.kind != Kind::Number {
            continue;
        }
        let groups = Groups::at(&tokens, index);
        let digits = groups.digits();
        if groups.shape(&[3, 2, 4]) {
            loose.add(groups.span(&tokens, 3), Category::Ssn, Confidence::Likely);
        } else if groups.shape(&[3, 3, 4]) && check::nanp(groups.first_digits(3)) {
            loose.add(groups.span(&tokens, 3), Category::Phone, Confidence::Likely);
        } else if groups.lengths().first().is_some_and(|length| *length >= 13) || groups.shape(&[4, 4, 4, 4]) {
            let count = if groups.shape(&[4, 4, 4, 4]) { 4 } else { 1 };
            let digits = groups.first_digits(count);
            if check::luhn(digits) && check::card_brand(digits) {
                loose.add(groups.span(&tokens, count), Category::Card, Confidence::Likely);
            }
        } else if digits.len() >= 5
            && let Some(date) = date::at(&tokens, index, false)
            && date.confidence == Confidence::Strong
        {
            loose.add(date.span, Category::Date, Confidence::Likely);
        }
    }
    findings.list.append(&mut list);
}

/// Finds ages in words, which need no digit.
pub(super) fn spelled(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    for (index, token) in tokens.iter() {
        if token.class.any(Class::OLD) {
            spelled_age(tokens, index, findings);
        }
    }
}

/// `ninety-three-year-old`, `a hundred years old`, `nonagenarian`.
fn spelled_age(tokens: &Tokens<'_>, index: usize, findings: &mut Findings<'_>) {
    let word = |at: usize, words: &[&str]| words.iter().any(|one| tokens.text(at).eq_ignore_ascii_case(one));
    let Some(start) = tokens.at(index).map(|token| token.start) else {
        return;
    };
    if word(index, &["nonagenarian", "centenarian"]) {
        let end = tokens.at(index).map_or(start, |token| token.end);
        findings.add(start..end, Category::Age, Confidence::Likely);
    } else if word(index, &["ninety", "hundred"]) {
        const ONES: &[&str] = &[
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "and",
        ];
        let mut last = index;
        while last < index + 2 && word(last + 1, ONES) {
            last += 1;
        }
        if word(last + 1, &["year", "years", "yr", "yrs", "yo"]) {
            let end = tokens.at(last).map_or(start, |token| token.end);
            findings.add(start..end, Category::Age, Confidence::Strong);
        }
    }
}

/// The classes of the words before a token, in its sentence.
pub(super) fn near(tokens: &Tokens<'_>, index: usize) -> Class {
    let mut class = Class::NONE;
    for back in 1..=CUE_REACH {
        let Some(at) = index.checked_sub(back) else { break };
        let gap = tokens.gap(at);
        let ends = gap.contains(['?', '!', ';']) || gap.contains(". ");
        if (ends && !gap.contains("? ") && !tokens.class(at).any(Class::NUMBER_WORD))
            || (gap.contains('\n') && !gap.contains(':'))
        {
            break;
        }
        class = class.with(tokens.class(at));
    }
    class
}

/// The classes of the two words after a token, on its line.
fn after(tokens: &Tokens<'_>, last: usize) -> Class {
    let mut class = Class::NONE;
    for at in [last, last + 1] {
        let gap = tokens.gap(at);
        if gap.len() > 3 || gap.contains(['\n', '.', ':', ';', ',']) {
            break;
        }
        class = class.with(tokens.class(at + 1));
    }
    class
}

/// Groups of digits that separators hold together.
struct Groups {
    first: usize,
    count: usize,
    lengths: [usize; GROUPS_MAX],
    separators: [char; GROUPS_MAX],
    kept: usize,
    digits: [u32; DIGITS_MAX],
}

impl Groups {
    fn at(tokens: &Tokens<'_>, first: usize) -> Self {
        let mut groups = Self {
            first,
            count: 0,
            lengths: [0; GROUPS_MAX],
            separators: [' '; GROUPS_MAX],
            kept: 0,
            digits: [0; DIGITS_MAX],
        };
        let places = groups.lengths.iter_mut().zip(&mut groups.separators);
        for (index, (length, mark)) in (first..).zip(places) {
            let text = tokens.text(index);
            *length = text.len();
            groups.count += 1;
            let room = groups.digits.get_mut(groups.kept..).unwrap_or_default();
            for (digit, byte) in room.iter_mut().zip(text.bytes()) {
                *digit = u32::from(byte.saturating_sub(b'0'));
                groups.kept += 1;
            }
            let next = tokens.at(index + 1).is_some_and(|token| token.kind == Kind::Number);
            match separator(tokens.gap(index)) {
                Some(separator) if next => *mark = separator,
                _ => break,
            }
        }
        groups
    }

    /// How many digits each group has.
    fn lengths(&self) -> &[usize] {
        self.lengths.get(..self.count).unwrap_or_default()
    }

    /// What stands between a group and the next.
    fn separators(&self) -> &[char] {
        self.separators.get(..self.count.saturating_sub(1)).unwrap_or_default()
    }

    /// Whether the first groups have these lengths with one separator between all.
    fn shape(&self, lengths: &[usize]) -> bool {
        let inner = self.separators().get(..lengths.len() - 1).unwrap_or_default();
        self.lengths().get(..lengths.len()) == Some(lengths)
            && inner.iter().all(|separator| Some(separator) == inner.first())
            && inner
                .first()
                .is_none_or(|separator| matches!(separator, ' ' | '-' | '.' | '/'))
    }

    /// All digits that were kept.
    fn digits(&self) -> &[u32] {
        self.digits.get(..self.kept).unwrap_or_default()
    }

    fn first_digits(&self, groups: usize) -> &[u32] {
        let count: usize = self.lengths().iter().take(groups).sum();
        self.digits().get(..count).unwrap_or(self.digits())
    }

    fn span(&self, tokens: &Tokens<'_>, groups: usize) -> Range<usize> {
        let start = tokens.at(self.first).map_or(0, |token| token.start);
        let end = tokens.at(self.first + groups - 1).map_or(0, |token| token.end);
        start..end
    }
}

/// The separator that a gap is; `None` where the gap parts two numbers.
fn separator(gap: &str) -> Option<char> {
    match gap {
        " " | "-" | "." | "/" | "_" => gap.chars().next(),
        " - " | "--" | " -" | "- " => Some('-'),
        ") " | ")" | ")-" | ") -" | " (" | "(" | "-(" | ").(" | ")." | "  " => Some('('),
        _ => None,
    }
}

/// What begins at a number; the token after it.
fn number(tokens: &Tokens<'_>, index: usize, cue: Class, findings: &mut Findings<'_>) -> Option<usize> {
    let groups = Groups::at(tokens, index);
    let label = super::code::label(tokens, index);
    social_security(tokens, &groups, cue, findings)
        .or_else(|| card(tokens, &groups, cue, label, findings))
        .or_else(|| zip(tokens, &groups, cue, findings))
        .or_else(|| telephone(tokens, &groups, cue, label, findings))
        .or_else(|| bare(tokens, &groups, cue, label, findings))
}

/// Three, two and four digits, or nine in one.
fn social_security(tokens: &Tokens<'_>, groups: &Groups, cue: Class, findings: &mut Findings<'_>) -> Option<usize> {
    let cued = cue.any(Class::SSN);
    let parted = groups.shape(&[3, 2, 4]);
    let (count, confidence) = match parted {
        true if check::ssn(groups.first_digits(3)) || cued => (3, Confidence::Strong),
        true => (3, Confidence::Likely),
        false if groups.lengths().first() == Some(&9) => {
            let code = cue.any(Class::CODE) && !cued;
            match (cued, check::ssn(groups.first_digits(1)) && !code) {
                (true, _) => (1, Confidence::Strong),
                (false, true) if groups.lengths().len() == 1 => (1, Confidence::Possible),
                _ => return None,
            }
        }
        // The last four digits, where they are called so.
        false if cued && groups.lengths().first() == Some(&4) && groups.lengths().len() == 1 => (1, Confidence::Likely),
        false if cued && (7..=9).contains(&groups.digits().len()) => (groups.lengths().len(), Confidence::Strong),
        false => return None,
    };
    findings.add(groups.span(tokens, count), Category::Ssn, confidence);
    Some(groups.first + count)
}

/// Twelve to nineteen digits, in one or in the groups that cards are printed in.
fn card(tokens: &Tokens<'_>, groups: &Groups, cue: Class, label: Class, findings: &mut Findings<'_>) -> Option<usize> {
    const PRINTED: &[&[usize]] = &[
        &[4, 4, 4, 4, 3],
        &[4, 4, 4, 4],
        &[4, 6, 5],
        &[4, 6, 4],
        &[4, 4, 5],
        &[6, 13],
        &[8, 8],
        &[4, 4, 4],
    ];
    let count = match groups.lengths().first() {
        Some(12..=19) => 1,
        _ => PRINTED.iter().find(|shape| groups.shape(shape))?.len(),
    };
    let digits = groups.first_digits(count);
    if tokens.gap_before(groups.first).ends_with('+') {
        return None; // a telephone number
    }
    let cued = cue.with(label).any(Class::CARD);
    let brand = check::card_brand(digits);
    let confidence = match (check::luhn(digits), brand, cued) {
        (true, true, _) if digits.len() >= 13 || cued => Confidence::Strong,
        (_, _, true) => Confidence::Strong,
        (true, true, _) => Confidence::Possible,
        (false, true, false) if count > 1 && digits.len() >= 14 => Confidence::Likely,
        (true, false, false) if count > 1 => Confidence::Likely,
        _ if count == 1 => Confidence::Possible,
        _ => return None,
    };
    // A code of a public vocabulary may have as many digits; a printed card's groups it has not.
    let confidence = if cue.any(Class::CODE) && count == 1 && !cued {
        Confidence::Possible
    } else {
        confidence
    };
    findings.add(groups.span(tokens, count), Category::Card, confidence);
    Some(groups.first + count)
}

/// ZIP+4, and five digits after a state or a city.
fn zip(tokens: &Tokens<'_>, groups: &Groups, cue: Class, findings: &mut Findings<'_>) -> Option<usize> {
    let plus_four = groups.shape(&[5, 4]) && groups.separators().first() == Some(&'-');
    if !plus_four && groups.lengths().first() != Some(&5) {
        return None;
    }
    let before = groups
        .first
        .checked_sub(1)
        .and_then(|before| tokens.at(before).map(|token| (before, token)));
    let state = before.is_some_and(|(before, token)| {
        let upper = token.class.any(Class::STATE_CODE)
            && tokens.text(before).len() == 2
            && token.case == super::token::Case::Upper;
        let close = matches!(tokens.gap(before), " " | "  " | ", " | "\n" | ",");
        (upper || token.class.any(Class::REGION.with(Class::CITY))) && close && token.capital()
    });
    let confidence = match (cue.any(Class::ZIP), state, plus_four) {
        (true, _, _) => Confidence::Strong,
        (_, true, _) => Confidence::Likely,
        (_, _, true) if groups.lengths().len() == 2 => Confidence::Likely,
        _ => return None,
    };
    let count = if plus_four { 2 } else { 1 };
    findings.add(groups.span(tokens, count), Category::Zip, confidence);
    Some(groups.first + count)
}

/// Telephone and fax: NANP forms, and international or national ones of other countries with a cue, a `+` or a leading zero.
fn telephone(
    tokens: &Tokens<'_>,
    groups: &Groups,
    cue: Class,
    label: Class,
    findings: &mut Findings<'_>,
) -> Option<usize> {
    let before = tokens.gap_before(groups.first);
    let plus = before.ends_with('+') || before.ends_with("+(");
    let opened = before.ends_with('(');
    if before.ends_with(['$', '€', '£']) {
        return None;
    }
    let count = telephone_groups(groups, plus)?;
    let digits = groups.first_digits(count);
    let after = after(tokens, groups.first + count - 1);
    let own = Class::PHONE.with(Class::FAX);
    let cued = cue.with(after).any(own);
    let shape = |lengths: &[usize]| groups.lengths().get(..count) == Some(lengths);
    let national = shape(&[3, 3, 4]) || shape(&[1, 3, 3, 4]);
    let coded = cue.any(Class::CODE) && !cued && !plus;
    let other = label.any(super::code::LABELS) && !label.any(own);
    let confidence = match () {
        () if plus || (cued && !other) => Confidence::Strong,
        () if other && count == 1 => return None,
        () if national && check::nanp(digits) && !coded => Confidence::Strong,
        () if national => Confidence::Likely,
        () if count == 1 && digits.len() == 10 && check::nanp(digits) && !coded => Confidence::Likely,
        () if count == 1 => return None,
        () if opened && digits.len() >= 7 && groups.separators().first() == Some(&'(') => Confidence::Likely,
        () if digits.first() == Some(&0) && digits.len() >= 9 && !coded => Confidence::Likely,
        () if shape(&[3, 4]) && groups.separators().first() != Some(&' ') => Confidence::Possible,
        () if count >= 3 && digits.len() >= 8 => Confidence::Possible,
        () => return None,
    };
    let mut span = groups.span(tokens, count);
    if confidence == Confidence::Possible {
        findings.add(span, Category::Phone, confidence);
        return Some(groups.first + 1); // a surer number may begin inside of it
    }
    if plus || opened {
        let signs = before.len() - before.trim_end_matches(['+', '(']).len();
        span.start -= signs;
    }
    let mut next = groups.first + count;
    if let Some(last) = extension(tokens, next) {
        span.end = tokens.at(last).map_or(span.end, |token| token.end);
        next = last + 1;
    }
    let fax = after.any(Class::FAX) || (cue.any(Class::FAX) && !after.any(Class::PHONE));
    findings.add(span, if fax { Category::Fax } else { Category::Phone }, confidence);
    Some(next)
}

/// How many groups belong to a telephone number; `None` where its digits are too few or too many (ITU-T E.164: 15).
fn telephone_groups(groups: &Groups, plus: bool) -> Option<usize> {
    let whole = groups.lengths().len();
    for shape in [&[1, 3, 3, 4][..], &[3, 3, 4], &[3, 4]] {
        let joined = groups.lengths().get(..shape.len()) == Some(shape);
        if joined && (shape.len() > 2 || whole == 2) && !plus {
            return Some(shape.len());
        }
    }
    let mut count = 0;
    let mut digits = 0;
    for length in groups.lengths() {
        // Groups of telephone numbers are short; a long one stands alone.
        if digits + length > 15 || (count > 0 && *length > 8) {
            break;
        }
        digits += length;
        count += 1;
    }
    (digits >= 7).then_some(count)
}

/// The last token of an extension after a telephone number.
fn extension(tokens: &Tokens<'_>, index: usize) -> Option<usize> {
    let word = tokens.text(index);
    let short = |index: usize| tokens.number(index).is_some() && tokens.at(index).is_some_and(|token| token.len() <= 6);
    if ["ext", "x", "extension"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one))
        && short(index + 1)
        && tokens.gap(index).len() <= 3
    {
        return Some(index + 1);
    }
    let digits = word.strip_prefix('x').or_else(|| word.strip_prefix("ext"))?;
    (!digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(index)
}

/// One group of digits that only its check digit or a cue tells from others.
fn bare(tokens: &Tokens<'_>, groups: &Groups, cue: Class, label: Class, findings: &mut Findings<'_>) -> Option<usize> {
    let span = groups.span(tokens, 1);
    let digits = groups.first_digits(1);
    if label.any(super::code::LABELS) {
        return None; // found by its label
    }
    if digits.len() == 10 && (check::npi(digits) || cue.any(Class::NPI)) {
        let confidence = match (cue.any(Class::NPI), cue.any(Class::CODE)) {
            (true, _) => Confidence::Strong,
            (false, true) => Confidence::Possible,
            (false, false) => Confidence::Likely,
        };
        findings.add(span, Category::Npi, confidence);
        return Some(groups.first + 1);
    }
    // A number that is longer than any count or measure names something.
    if groups.lengths().len() == 1 && digits.len() >= 7 && !cue.any(Class::CODE) {
        findings.add(span, Category::Unique, Confidence::Possible);
        return Some(groups.first + 1);
    }
    None
}

/// An age: strong above 89, which 45 CFR 164.514(b)(2)(i)(C) names, and only possible below.
fn age(tokens: &Tokens<'_>, index: usize, cue: Class, findings: &mut Findings<'_>) -> Option<usize> {
    let token = tokens.at(index)?;
    let text = tokens.text(index);
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let years: u32 = text.get(..count)?.parse().ok()?;
    let ending = text.get(count..)?.to_ascii_lowercase();
    if years > 130 || count > 3 {
        return None;
    }
    let word = |at: usize| tokens.text(at).to_ascii_lowercase();
    let years_word = |word: &str| matches!(word, "year" | "years" | "yr" | "yrs" | "y");
    let joined = matches!(ending.as_str(), "yo" | "y" | "yr" | "yrs" | "yof" | "yom" | "f" | "m");
    let next = word(index + 1);
    let close = tokens.gap(index).len() <= 2;
    let old = (ending.is_empty()
        && close
        && years_word(&next)
        && matches!(word(index + 2).as_str(), "old" | "o" | "of" | "male" | "female"))
        || (ending.is_empty() && close && matches!(next.as_str(), "yo" | "yof" | "yom" | "aged"))
        || (joined && ending != "f" && ending != "m" && ending != "y")
        || (matches!(ending.as_str(), "y") && matches!(next.as_str(), "o" | "old"));
    let told = ending.is_empty()
        && turned(tokens, index, cue)
        && !tokens.class(index + 1).any(Class::MEASURE)
        && !tokens.gap(index).starts_with(['%', '/']);
    if !old && !told {
        return None;
    }
    let confidence = if years >= 90 {
        Confidence::Strong
    } else {
        Confidence::Possible
    };
    findings.add(token.start..token.start + count, Category::Age, confidence);
    Some(index + 1)
}

/// Whether the words before a number make it an age: `age 93`, `aged: 93`, `turned 60`, `when he was 91`.
fn turned(tokens: &Tokens<'_>, index: usize, cue: Class) -> bool {
    let back = |count: usize| tokens.before(index, count).map_or(Class::NONE, |token| token.class);
    if cue.any(Class::AGE) && (1..=3).any(|count| back(count).any(Class::AGE)) {
        return true;
    }
    let word = |count: usize| index.checked_sub(count).map_or("", |at| tokens.text(at));
    let person = ["he", "she", "i", "they"]
        .iter()
        .any(|one| word(2).eq_ignore_ascii_case(one));
    let ends = tokens.gap(index).starts_with(['.', ',', '!', '?', ';']) || index + 1 == tokens.len();
    word(1).eq_ignore_ascii_case("was") && person && ends
}
