//! Names of people, and of places and organisations where they look alike.
//!
//! A capitalised word that is no English, no medicine and no cue may be a name: a run of such words is taken together, and
//! titles, labels, relations, verbs and the census lists around and in it say how sure. An eponym before its noun
//! (`Crohn's disease`) is medicine. In small letters only words of the census lists that are no English count, and what
//! follows `name:` or `call me`.

use super::token::{Case, Kind, Token, Tokens};
use super::{Category, Class, Confidence, Findings, Names};

/// Words of one name at the most; a longer run is several findings side by side.
const NAME_WORDS_MAX: usize = 6;

/// Tokens from an eponym to its noun.
const EPONYM_REACH: usize = 5;

/// What a capitalised word can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// A given name that is no English word.
    Given,
    /// A surname that is no English word.
    Surname,
    /// In no list.
    Unknown,
    /// A name, and an English word.
    Ambiguous,
    /// One capital.
    Initial,
    /// A city.
    City,
    /// A country, a state, a people.
    Region,
    /// A word that is no name.
    Plain,
}

/// Words of the lists that say that a word is none of a name, if no list of names has it.
const PLAIN: Class = Class::ENGLISH
    .with(Class::MEDICAL)
    .with(Class::MONTH)
    .with(Class::WEEKDAY)
    .with(Class::TITLE)
    .with(Class::STREET)
    .with(Class::UNIT)
    .with(Class::MEASURE)
    .with(Class::EPONYM_NOUN)
    .with(Class::NAME_LABEL)
    .with(Class::NAME_CUE)
    .with(Class::COMPANY)
    .with(Class::SSN)
    .with(Class::PHONE)
    .with(Class::FAX)
    .with(Class::MRN)
    .with(Class::ACCOUNT)
    .with(Class::CARD)
    .with(Class::IBAN)
    .with(Class::NPI)
    .with(Class::DEA)
    .with(Class::PLAN)
    .with(Class::LICENCE)
    .with(Class::VEHICLE)
    .with(Class::DEVICE)
    .with(Class::ZIP)
    .with(Class::DATE)
    .with(Class::AGE)
    .with(Class::CODE)
    .with(Class::NUMBER_WORD)
    .with(Class::IDENTIFIER)
    .with(Class::NAME_ENDING)
    .with(Class::PLACE_CUE)
    .with(Class::VERSION)
    .with(Class::RELATION)
    .with(Class::PERSON_VERB);

/// Finds them all; `names` are those that the session has read.
pub(super) fn find(tokens: &Tokens<'_>, names: Option<&Names>, findings: &mut Findings<'_>) {
    let mut index = 0;
    while let Some(token) = tokens.at(index) {
        if let Some(names) = names
            && token.kind != Kind::Number
            && (token.capital() || !token.class.any(Class::ENGLISH))
            && names.holds(tokens.text(index))
        {
            findings.add(token.span(), Category::Name, Confidence::Strong);
        }
        if token.kind == Kind::Number || !token.capital() {
            small(tokens, index, token, findings);
            index += 1;
            continue;
        }
        let last = run_end(tokens, index);
        match last {
            Some(last) => {
                run(tokens, index, last, findings);
                index = last + 1;
            }
            None => index = titled(tokens, index, findings) + 1,
        }
    }
}

fn nature(tokens: &Tokens<'_>, index: usize) -> Nature {
    let Some(token) = tokens.at(index) else {
        return Nature::Plain;
    };
    let class = token.class;
    if !token.capital() || (token.kind == Kind::Mixed && !numbered(tokens.text(index))) {
        return Nature::Plain;
    }
    if token.len() == 1 {
        return Nature::Initial;
    }
    if class.any(Class::EPONYM) && eponym(tokens, index) {
        return Nature::Plain;
    }
    let listed = class.any(Class::GIVEN.with(Class::SURNAME));
    match () {
        () if class.any(Class::COMMON_GIVEN) => Nature::Given,
        () if class.any(PLAIN) && listed => Nature::Ambiguous,
        () if class.any(PLAIN) => Nature::Plain,
        () if class.any(Class::REGION.with(Class::GROUP)) && !class.any(Class::GIVEN) => Nature::Region,
        () if class.any(Class::CITY) && !class.any(Class::GIVEN) => Nature::City,
        () if class.any(Class::GIVEN) => Nature::Given,
        () if class.any(Class::SURNAME) => Nature::Surname,
        // Abbreviations of medicine are capitals, or short.
        () if token.case == Case::Upper && token.len() <= 5 => Nature::Plain,
        () if token.len() <= 2 => Nature::Plain,
        () => Nature::Unknown,
    }
}

/// `Maynard46`: a name as test systems number them.
fn numbered(text: &str) -> bool {
    let letters = text.trim_end_matches(|one: char| one.is_ascii_digit());
    letters.len() >= 3 && text.len() - letters.len() <= 4 && letters.chars().all(char::is_alphabetic)
}

/// Whether an eponym stands before its noun: `Crohn's disease`, `Wolff-Parkinson-White syndrome`.
fn eponym(tokens: &Tokens<'_>, index: usize) -> bool {
    for at in index + 1..=index + EPONYM_REACH {
        let class = tokens.class(at);
        if tokens.gap(at - 1).len() > 2 || tokens.gap(at - 1).contains(['.', '\n']) {
            return false;
        }
        if class.any(Class::EPONYM_NOUN) {
            return true;
        }
        let small = tokens
            .at(at)
            .is_some_and(|token| token.len() <= 6 && (!token.capital() || class.any(Class::ENGLISH)));
        if !class.any(Class::EPONYM) && !small {
            return false;
        }
    }
    false
}

/// Whether two words of one name may have this between them.
fn holds_together(tokens: &Tokens<'_>, index: usize) -> bool {
    let initial = tokens.at(index).is_some_and(|token| token.len() == 1);
    match tokens.gap(index) {
        " " | "-" | "'" | "  " => true,
        ". " | "." => initial,
        _ => false,
    }
}

/// The last token of the run of possible name words that begins here; `None` where none begins.
fn run_end(tokens: &Tokens<'_>, first: usize) -> Option<usize> {
    if matches!(nature(tokens, first), Nature::Plain) {
        return None;
    }
    let mut last = first;
    while last - first + 1 < NAME_WORDS_MAX && holds_together(tokens, last) {
        if nature(tokens, last + 1) != Nature::Plain {
            last += 1;
            continue;
        }
        // `van der Berg`: particles in small letters before another word of the name.
        let particle =
            |at: usize| tokens.class(at).any(Class::PARTICLE) && tokens.at(at).is_some_and(|token| !token.capital());
        let after = (1..=3).find(|count| !particle(last + count));
        match after {
            Some(count)
                if count > 1 && nature(tokens, last + count) != Nature::Plain && tokens.gap(last + 1) == " " =>
            {
                last += count;
            }
            _ => break,
        }
    }
    // `Smith, John` and `SMITH, JOHN`.
    let surname = |at: usize| match nature(tokens, at) {
        Nature::Surname | Nature::Unknown => true,
        Nature::Ambiguous => tokens.class(at).any(Class::SURNAME),
        _ => false,
    };
    if last == first && tokens.gap(last) == ", " && surname(last) && nature(tokens, last + 1) == Nature::Given {
        last += 1;
        if holds_together(tokens, last) && nature(tokens, last + 1) == Nature::Initial {
            last += 1;
        }
    }
    Some(last)
}

/// How many words of each nature a run has.
#[derive(Default)]
struct Counts {
    given: usize,
    surname: usize,
    unknown: usize,
    ambiguous: usize,
    initial: usize,
    city: usize,
    region: usize,
    upper: usize,
    words: usize,
}

impl Counts {
    fn of(tokens: &Tokens<'_>, first: usize, last: usize) -> Self {
        let mut counts = Self::default();
        for index in first..=last {
            match nature(tokens, index) {
                Nature::Given => counts.given += 1,
                Nature::Surname => counts.surname += 1,
                Nature::Unknown => counts.unknown += 1,
                Nature::Ambiguous => counts.ambiguous += 1,
                Nature::Initial => counts.initial += 1,
                Nature::City => counts.city += 1,
                Nature::Region => counts.region += 1,
                Nature::Plain => continue,
            }
            counts.words += 1;
            counts.upper += usize::from(tokens.at(index).is_some_and(|token| token.case == Case::Upper));
        }
        counts
    }
}

/// What stands around a run.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a sign of its own, and they go together in all ways"
)]
struct Around {
    titled: bool,
    labelled: bool,
    cued: bool,
    begins: bool,
    verb: bool,
    place: bool,
    heading: bool,
    dose: bool,
    /// A comma and another name follow: `Yamada, Mateo`.
    listed: bool,
}

impl Around {
    fn of(tokens: &Tokens<'_>, first: usize, last: usize) -> Self {
        let before = first.checked_sub(1);
        let gap = tokens.gap_before(first);
        let class = before.map_or(Class::NONE, |at| tokens.class(at));
        let near = gap.len() <= 2 && !gap.contains(['\n', '.']);
        let begins = tokens.begins_sentence(first);
        let next = tokens.class(last + 1);
        let capital = |at: Option<usize>| at.and_then(|at| tokens.at(at)).is_some_and(Token::capital);
        Self {
            titled: class.any(Class::TITLE) && matches!(gap, " " | ". " | "."),
            labelled: labelled(tokens, first),
            cued: near && !begins && class.any(Class::NAME_CUE.with(Class::RELATION).with(Class::NAME_LABEL)),
            begins,
            verb: tokens.gap(last) == " "
                && next.any(Class::PERSON_VERB)
                && tokens.at(last + 1).is_some_and(|token| !token.capital()),
            place: gap == " "
                && class.any(Class::PLACE_CUE)
                && before.is_some_and(|at| tokens.at(at).is_some_and(|token| !token.capital())),
            heading: !begins && capital(before) && gap == " " && tokens.gap(last) == " " && capital(Some(last + 1)),
            // What is in no list counts as well: the second word is found where it stands, so the first one is, too.
            listed: tokens.gap(last) == ", "
                && matches!(
                    nature(tokens, last + 1),
                    Nature::Given | Nature::Surname | Nature::Unknown
                ),
            dose: tokens.gap(last) == " " && tokens.text(last + 1).starts_with(|one: char| one.is_ascii_digit()),
        }
    }
}

/// Whether `name:`, `my name is`, `call me`, `I'm` or the like stands right before a token.
fn labelled(tokens: &Tokens<'_>, index: usize) -> bool {
    let Some(before) = index.checked_sub(1) else {
        return false;
    };
    let gap = tokens.gap(before);
    let word = |back: usize| index.checked_sub(back).map_or("", |at| tokens.text(at));
    let is = |back: usize, words: &[&str]| words.iter().any(|one| word(back).eq_ignore_ascii_case(one));
    if gap.trim_start_matches(' ').starts_with([':', '=']) || gap.starts_with("\":") {
        return tokens.class(before).any(Class::NAME_LABEL) && gap.len() <= 12;
    }
    if gap != " " {
        return gap.starts_with("? ") && is(1, &["name"]);
    }
    (is(1, &["is", "was"]) && is(2, &["name", "surname"]))
        || (is(1, &["me", "him", "her", "them"]) && is(2, &["call", "calls", "called"]))
        || is(1, &["named", "called"])
        || (is(1, &["m"]) && is(2, &["i"]))
        || (is(1, &["am"]) && is(2, &["i"]))
        || (is(1, &["is"]) && is(2, &["this"]))
}

/// A run of words that may be a name.
fn run(tokens: &Tokens<'_>, first: usize, last: usize, findings: &mut Findings<'_>) {
    let counts = Counts::of(tokens, first, last);
    let around = Around::of(tokens, first, last);
    let (Some(start), Some(end)) = (
        tokens.at(first).map(|token| token.start),
        tokens.at(last).map(|token| token.end),
    ) else {
        return;
    };
    let company = tokens.gap(last) == " "
        && tokens
            .at(last + 1)
            .is_some_and(|token| token.capital() && token.class.any(Class::COMPANY));
    let Some((category, confidence)) = judge(&counts, &around, company) else {
        return;
    };
    let end = if company {
        tokens.at(last + 1).map_or(end, |token| token.end)
    } else {
        end
    };
    findings.add(start..end, category, confidence);
}

/// What a run is, and how sure that is.
fn judge(counts: &Counts, around: &Around, company: bool) -> Option<(Category, Confidence)> {
    use Confidence::{Likely, Possible, Strong};
    let names = counts.given + counts.surname + counts.unknown;
    let places = counts.city + counts.region;
    if counts.words == counts.initial {
        return None;
    }
    if names + counts.ambiguous == 0 {
        let confidence = if counts.city > 0 { Likely } else { Possible };
        return (places > 0).then_some((Category::Place, confidence));
    }
    if around.titled || around.labelled {
        return Some((Category::Name, Strong));
    }
    let listed = counts.given + counts.surname;
    if counts.given > 0 && counts.words >= 2 && names >= 1 && (names + counts.ambiguous + counts.initial) >= 2 {
        return Some((
            Category::Name,
            if counts.upper == counts.words && counts.words == 2 && listed < 2 {
                Likely
            } else {
                Strong
            },
        ));
    }
    if around.place && names > 0 && counts.given == 0 {
        return Some((Category::Place, Likely));
    }
    let confidence = match () {
        () if around.cued || (company && names > 0) || (around.listed && names > 0) => Likely,
        () if counts.upper == counts.words && counts.words == 1 => Possible,
        () if around.dose && counts.given == 0 => Possible,
        () if names >= 2 || counts.given > 0 => Likely,
        () if names == 1 && counts.words >= 2 && counts.initial + counts.ambiguous > 0 => Likely,
        () if around.verb && names > 0 => Likely,
        () if around.heading || around.begins => {
            // One word that no list has, where every word has a capital.
            if names == 0 && counts.words < 2 {
                return None;
            }
            Possible
        }
        () if names > 0 => Likely,
        () if counts.words >= 2 => Possible,
        () => Possible,
    };
    Some((Category::Name, confidence))
}

/// A plain word after a title (`Dr. Young`), and a capitalised run of plain words within a
/// sentence, which may be an organisation. Returns the last token that it looked at.
fn titled(tokens: &Tokens<'_>, index: usize, findings: &mut Findings<'_>) -> usize {
    let Some(token) = tokens.at(index) else { return index };
    if token.class.any(Class::TITLE.with(Class::EPONYM)) || token.kind == Kind::Mixed || token.len() < 2 {
        return index;
    }
    if token.case != Case::Capital {
        return index;
    }
    let before = index.checked_sub(1).map_or(Class::NONE, |at| tokens.class(at));
    if before.any(Class::TITLE) && matches!(tokens.gap_before(index), " " | ". " | ".") {
        let mut last = index;
        while tokens.gap(last) == " " && nature(tokens, last + 1) != Nature::Plain && last < index + NAME_WORDS_MAX {
            last += 1;
        }
        let end = tokens.at(last).map_or(token.end, |token| token.end);
        findings.add(token.start..end, Category::Name, Confidence::Strong);
        return last;
    }
    // Within a text of small letters; a heading is all capitals at its beginning.
    let small = index
        .checked_sub(1)
        .and_then(|at| tokens.at(at))
        .is_some_and(|before| !before.capital());
    if !small || tokens.begins_sentence(index) {
        return index;
    }
    let mut last = index;
    while matches!(tokens.gap(last), " " | "-" | " & ")
        && tokens
            .at(last + 1)
            .is_some_and(|token| token.case == Case::Capital && token.kind == Kind::Word)
        && last - index < NAME_WORDS_MAX
        && nature(tokens, last + 1) == Nature::Plain
    {
        last += 1;
    }
    if last > index {
        let end = tokens.at(last).map_or(token.end, |token| token.end);
        findings.add(token.start..end, Category::Name, Confidence::Possible);
    }
    last
}

/// A name in small letters.
fn small(tokens: &Tokens<'_>, index: usize, token: &Token, findings: &mut Findings<'_>) {
    if token.kind != Kind::Word || token.len() < 3 {
        return;
    }
    let listed = token.class.any(Class::GIVEN)
        && !token.class.any(
            PLAIN
                .with(Class::REGION)
                .with(Class::GROUP)
                .with(Class::PARTICLE)
                .with(Class::EPONYM),
        );
    if !listed && token.class != Class::NONE && token.class != Class::SURNAME {
        return;
    }
    let told = labelled(tokens, index);
    let confidence = match (listed, told, token.len() >= 5) {
        (_, true, _) | (true, _, true) => Confidence::Likely,
        (true, _, false) => Confidence::Possible,
        _ => return,
    };
    findings.add(token.span(), Category::Name, confidence);
}
