//! Codes of letters and digits: by their own form (IBAN, VIN, DEA, MBI, UDI, postal codes of other countries) or by the
//! label before them (record, account, plan, licence, vehicle, device and other numbers).

use std::ops::Range;

use super::token::{Case, Kind, Token, Tokens};
use super::{Category, Class, Confidence, Findings, check, date};

/// Classes of words that make a label.
pub(super) const LABELS: Class = Class::MRN
    .with(Class::ACCOUNT)
    .with(Class::PLAN)
    .with(Class::LICENCE)
    .with(Class::VEHICLE)
    .with(Class::DEVICE)
    .with(Class::NPI)
    .with(Class::DEA)
    .with(Class::IBAN)
    .with(Class::ZIP)
    .with(Class::CARD)
    .with(Class::IDENTIFIER);

/// What each label says, the narrower before the wider.
const CATEGORIES: &[(Class, Category)] = &[
    (Class::NPI, Category::Npi),
    (Class::DEA, Category::Dea),
    (Class::IBAN, Category::Iban),
    (Class::ZIP, Category::Zip),
    (Class::MRN, Category::Mrn),
    (Class::CARD, Category::Card),
    (Class::VEHICLE, Category::Vehicle),
    (Class::LICENCE, Category::Licence),
    (Class::PLAN, Category::HealthPlan),
    (Class::DEVICE, Category::Device),
    (Class::ACCOUNT, Category::Account),
    (Class::IDENTIFIER, Category::Unique),
];

/// Words that are labels by themselves: nothing else is called so, and no colon is needed after them.
const SURE: &[&str] = &[
    "mrn", "npi", "dea", "iban", "vin", "mbi", "hicn", "udi", "imei", "meid", "iccid", "passport", "acct", "zip",
    "zipcode", "csn", "hic", "dl", "sn", "postcode",
];

/// Words between a label and its value.
const FILLERS: &[&str] = &[
    "is", "was", "of", "the", "a", "s", "card", "code", "are", "ending", "in", "with",
];

/// Tokens between the first word of a label and its value.
const LABEL_REACH: usize = 5;

/// Tokens that one value has at the most.
const VALUE_TOKENS_MAX: usize = 10;

/// Finds them all.
pub(super) fn find(tokens: &Tokens<'_>, findings: &mut Findings<'_>) {
    let mut labelled_to = 0;
    for (index, token) in tokens.iter() {
        if token.class.any(LABELS)
            && index >= labelled_to
            && let Some(next) = labelled(tokens, index, findings)
        {
            labelled_to = next;
        }
        match token.kind {
            Kind::Mixed => shaped(tokens, index, token, findings),
            Kind::Number => device(tokens, index, token, findings),
            Kind::Word if token.len() == 2 => plate_like_iban(tokens, index, findings),
            Kind::Word => {}
        }
    }
}

/// The classes of the label right before a value: the word before it, over fillers such as `number` and `is`.
pub(super) fn label(tokens: &Tokens<'_>, index: usize) -> Class {
    let mut at = index;
    for _ in 0..LABEL_REACH {
        let Some(before) = at.checked_sub(1) else { break };
        if tokens.gap(before).len() > 4 {
            break;
        }
        at = before;
        let class = tokens.class(at);
        if class.any(LABELS) {
            return class;
        }
        if !class.any(Class::NUMBER_WORD) && !filler(tokens.text(at)) {
            break;
        }
    }
    Class::NONE
}

fn filler(word: &str) -> bool {
    // `A` can begin a value.
    word != "A" && word != "S" && FILLERS.iter().any(|one| word.eq_ignore_ascii_case(one))
}

/// A label that begins at a token, and the value after it; the token after the value.
fn labelled(tokens: &Tokens<'_>, first: usize, findings: &mut Findings<'_>) -> Option<usize> {
    let mut class = Class::NONE;
    let mut marked = false;
    let mut sure = false;
    let mut at = first;
    for _ in 0..LABEL_REACH {
        let word = tokens.class(at).any(LABELS.with(Class::NUMBER_WORD)) && tokens.at(at)?.kind == Kind::Word;
        let between = at > first && filler(tokens.text(at));
        // `serial number: SN-12345`: a word of the value itself.
        let valued = marked && joined(tokens.gap(at));
        if valued || !(word || between) {
            break;
        }
        class = class.with(tokens.class(at));
        sure = sure || SURE.iter().any(|one| tokens.text(at).eq_ignore_ascii_case(one));
        // `id` and `number` after another word are the mark of a label.
        marked = marked || (at > first && tokens.class(at).any(Class::NUMBER_WORD));
        let gap = tokens.gap(at);
        let abbreviated = gap == ". " && tokens.class(at).any(Class::NUMBER_WORD); // `no. 12`
        let parted = gap.len() > 6 || gap.contains([',', ';', ')', '\n']) || gap.contains(". ");
        if parted && !abbreviated && !gap.contains(['#', ':']) {
            return None;
        }
        marked = marked || gap.contains([':', '#', '=']);
        at += 1;
    }
    if at == first || date::at(tokens, at, false).is_some_and(|date| date.confidence >= Confidence::Strong) {
        return None;
    }
    let (_, category) = CATEGORIES.iter().find(|(label, _)| class.any(*label))?;
    let (last, digits, letters) = value(tokens, at, *category)?;
    let fewest = match (*category, marked || sure) {
        (Category::Zip, _) | (_, true) => 3,
        (_, false) => 5,
    };
    // A code of a public vocabulary names no person: "CPT code: 99213".
    if digits < fewest || digits + letters < 4 || (class.any(Class::CODE) && !sure) {
        return None;
    }
    let confidence = if marked || sure {
        Confidence::Strong
    } else {
        Confidence::Likely
    };
    findings.add(tokens.at(at)?.start..tokens.at(last)?.end, *category, confidence);
    Some(last + 1)
}

/// The last token of the value that begins at a token, and how many digits and letters it has.
fn value(tokens: &Tokens<'_>, first: usize, category: Category) -> Option<(usize, usize, usize)> {
    let mut last = first;
    let mut digits = 0;
    let mut letters = 0;
    for at in first..first + VALUE_TOKENS_MAX {
        let token = tokens.at(at)?;
        let own = tokens.text(at).bytes().filter(u8::is_ascii_digit).count();
        // The first word of a value may be letters, in capitals: `ABC-1234`.
        if own == 0 && token.case != Case::Upper && token.len() > 1 && !joined(tokens.gap_before(at)) {
            break;
        }
        digits += own;
        letters += token.len() - own;
        last = at;
        let gap = tokens.gap(at);
        let next = tokens.at(at + 1);
        let grouped = gap == " "
            && next.is_some_and(|next| match category {
                Category::Zip => {
                    next.len() <= 4 && (next.kind != Kind::Word || (next.case == Case::Upper && next.len() == 2))
                }
                Category::Card | Category::Iban => next.kind != Kind::Word,
                _ => next.kind == Kind::Number && (3..=5).contains(&next.len()) && own > 0,
            })
            && !joined(tokens.gap(at + 1));
        let goes_on = grouped || (joined(gap) && next.is_some());
        if !goes_on {
            break;
        }
    }
    (digits > 0).then_some((last, digits, letters))
}

fn joined(gap: &str) -> bool {
    matches!(gap, "-" | "/" | "_" | "." | "*")
}

/// What the form of a token of letters and digits says.
fn shaped(tokens: &Tokens<'_>, index: usize, token: &Token, findings: &mut Findings<'_>) {
    let text = tokens.text(index);
    if !text.is_ascii() {
        return;
    }
    let cue = super::number::near(tokens, index);
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text.len() {
        _ if letters == 2 && account(tokens, index, cue, findings) => {}
        11 if check::mbi(text) => findings.add(token.span(), Category::HealthPlan, Confidence::Strong),
        17 if vehicle(text) => {
            let sure = check::vin(text) || cue.any(Class::VEHICLE);
            let likely = if token.case == Case::Upper || digits > 8 {
                Confidence::Likely
            } else {
                Confidence::Possible
            };
            findings.add(
                token.span(),
                Category::Vehicle,
                if sure { Confidence::Strong } else { likely },
            );
        }
        9 if letters == 2 && digits == 7 => {
            let sure = check::dea(&check::digits(text)) || cue.any(Class::DEA);
            findings.add(
                token.span(),
                Category::Dea,
                if sure { Confidence::Strong } else { Confidence::Possible },
            );
        }
        2..=4 => {
            postal(tokens, index, token, findings);
            beneficiary(tokens, index, findings);
        }
        8 => uuid(tokens, index, findings),
        _ => {}
    }
}

/// An IBAN in one token or in groups of four; whether one was found.
fn account(tokens: &Tokens<'_>, index: usize, cue: Class, findings: &mut Findings<'_>) -> bool {
    let Some(first) = tokens.at(index) else { return false };
    let text = tokens.text(index);
    if !text.bytes().skip(2).take(2).all(|byte| byte.is_ascii_digit()) || text.len() < 4 {
        return false;
    }
    let mut last = index;
    let mut best = check::iban(text).then_some(index);
    let mut size = first.len();
    while matches!(tokens.gap(last), " " | "-") && size <= 34 {
        let Some(next) = tokens.at(last + 1) else { break };
        if tokens.at(last).is_some_and(|token| token.len() != 4) || next.len() > 4 || next.case == Case::Capital {
            break;
        }
        last += 1;
        size += next.len();
        let end = next.end;
        if size >= 15 && check::iban(tokens.text.get(first.start..end).unwrap_or("")) {
            best = Some(last);
        }
    }
    let cued = cue.any(Class::IBAN);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let (last, confidence) = match best {
        Some(last) => (last, Confidence::Strong),
        None if cued && size >= 15 => (last, Confidence::Strong),
        None if (15..=34).contains(&text.len()) && digits >= 10 => (index, Confidence::Likely),
        None => return false,
    };
    findings.add(
        first.start..tokens.at(last).map_or(first.end, |token| token.end),
        Category::Iban,
        confidence,
    );
    true
}

/// `GB 82 WEST ...`: a country apart from its check digits, where a label says IBAN.
fn plate_like_iban(tokens: &Tokens<'_>, index: usize, findings: &mut Findings<'_>) {
    let Some(token) = tokens.at(index) else { return };
    let checks = tokens
        .at(index + 1)
        .is_some_and(|next| next.kind == Kind::Number && next.len() == 2);
    if token.case != Case::Upper || !checks || !matches!(tokens.gap(index), " " | "-") {
        return;
    }
    let mut last = index + 1;
    while last < index + VALUE_TOKENS_MAX && matches!(tokens.gap(last), " " | "-") && tokens.at(last + 1).is_some() {
        last += 1;
        let end = tokens.at(last).map_or(token.end, |token| token.end);
        if check::iban(tokens.text.get(token.start..end).unwrap_or("")) {
            findings.add(token.start..end, Category::Iban, Confidence::Strong);
            return;
        }
    }
}

/// Whether 17 characters can be a VIN: no I, O or Q, letters and digits both (49 CFR 565.15).
fn vehicle(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (4..=16).contains(&digits) && !hexadecimal && !text.bytes().any(|byte| b"IOQioq".contains(&byte))
}

/// An MBI with its dashes: `1EG4-TE5-MK73`.
fn beneficiary(tokens: &Tokens<'_>, index: usize, findings: &mut Findings<'_>) {
    let (Some(first), Some(last)) = (tokens.at(index), tokens.at(index + 2)) else {
        return;
    };
    let parts = [0, 1, 2].map(|part| tokens.text(index + part));
    let dashes = [0, 1].iter().all(|part| matches!(tokens.gap(index + part), "-" | " "));
    if parts.map(str::len) == [4, 3, 4] && dashes && check::mbi(&parts.concat()) {
        findings.add(first.start..last.end, Category::HealthPlan, Confidence::Strong);
    }
}

/// Postal codes of Canada (`K1A 0B1`) and the United Kingdom (`SW1A 1AA`), in capitals.
fn postal(tokens: &Tokens<'_>, index: usize, token: &Token, findings: &mut Findings<'_>) {
    let form = |text: &str| -> String {
        let kind = |byte: u8| {
            if byte.is_ascii_digit() {
                'N'
            } else if byte.is_ascii_uppercase() {
                'A'
            } else {
                'x'
            }
        };
        text.bytes().map(kind).collect()
    };
    let Some(next) = tokens.at(index + 1) else { return };
    if tokens.gap(index) != " " || next.len() != 3 {
        return;
    }
    let forms = (form(tokens.text(index)), form(tokens.text(index + 1)));
    let canadian = matches!((forms.0.as_str(), forms.1.as_str()), ("ANA", "NAN"));
    let british = matches!(forms.0.as_str(), "AN" | "ANN" | "AAN" | "AANN" | "ANA" | "AANA") && forms.1 == "NAA";
    if canadian || british {
        findings.add(token.start..next.end, Category::Zip, Confidence::Likely);
    }
}

/// A UUID (RFC 9562): it names a row, and perhaps a person.
fn uuid(tokens: &Tokens<'_>, index: usize, findings: &mut Findings<'_>) {
    if let Some(span) = uuid_span(tokens, index) {
        findings.add(span, Category::Unique, Confidence::Possible);
    }
}

fn uuid_span(tokens: &Tokens<'_>, index: usize) -> Option<Range<usize>> {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    for (part, length) in LENGTHS.iter().enumerate() {
        let text = tokens.text(index + part);
        if text.len() != *length
            || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
            || (part < 4 && tokens.gap(index + part) != "-")
        {
            return None;
        }
    }
    Some(tokens.at(index)?.start..tokens.at(index + 4)?.end)
}

/// A UDI in the form of GS1 (21 CFR 830; GS1 General Specifications 3.2): `(01)` and 14 digits, then more elements.
fn device(tokens: &Tokens<'_>, index: usize, token: &Token, findings: &mut Findings<'_>) {
    let number = |at: usize| tokens.at(at).is_some_and(|token| token.kind == Kind::Number);
    let element = |at: usize| {
        number(at)
            && (2..=4).contains(&tokens.text(at).len())
            && tokens.gap_before(at).ends_with('(')
            && tokens.gap(at).starts_with(')')
    };
    if token.len() == 8 {
        uuid(tokens, index, findings);
    }
    if tokens.text(index) != "01" || !element(index) || tokens.text(index + 1).len() != 14 || !number(index + 1) {
        return;
    }
    let mut last = index + 1;
    while last < index + 24 && matches!(tokens.gap(last), "(" | "-" | ")") && tokens.at(last + 1).is_some() {
        last += 1;
    }
    let end = tokens.at(last).map_or(token.end, |token| token.end);
    findings.add(token.start - 1..end, Category::Device, Confidence::Strong);
}
