//! Detectors: a net under everything that is released. They find personal identifiers in text and say how sure they are.
//!
//! The identifiers are those of 45 CFR 164.514(b)(2)(i); [`Category`] has one word for each. `docs/detectors.md` says what
//! each detector knows, from which source, and what it is known to miss. It is a net and no proof: what must not leave is
//! named in the policy, by column.
//!
//! A text is cut into tokens once (`token`), each looked up once in one table (`vocabulary`), and each detector looks a
//! bounded number of tokens around itself. So time is linear in the text whatever it holds; no pattern backtracks, and no
//! Unicode table is asked.
//!
//! **Confidence** is an order and not a probability:
//!
//! | | meaning |
//! | --- | --- |
//! | [`Confidence::Possible`] | the form alone, which ordinary text also has: an unknown capitalised word, nine bare digits |
//! | [`Confidence::Likely`] | the form and one thing more: separators of the kind, a cue nearby, a name of the lists |
//! | [`Confidence::Strong`] | the form and its check digit or number plan, or a label right before it |
//! | [`Confidence::Certain`] | the column or key says so ([`Hints`]), whatever the value looks like |
//!
//! Not here: values that are reversed, split or spelled out (column lineage refuses what could make them), images, and
//! languages other than English as far as cues go.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

pub use self::category::Category;
use self::signs::{Asked, Signs};
use self::token::Tokens;
use self::vocabulary::{Class, Vocabulary};

mod address;
mod category;
mod check;
mod code;
mod date;
mod decode;
mod json;
mod name;
mod network;
mod number;
mod signs;
mod token;
mod vocabulary;

/// Bytes that are searched in one piece. Longer texts go through overlapping windows, so that memory for tokens stays
/// small.
pub const WINDOW_BYTES: usize = 64 * 1024;

/// Bytes that two windows share: longer than any finding of a detector and the surroundings that it looks at, so nothing
/// hides at a cut.
pub const OVERLAP_BYTES: usize = 2 * 1024;

/// Names that a session remembers at the most; a cohort of patients, not a register.
pub const NAMES_MAX: usize = 100_000;

/// How sure a detector is; an order, not a probability. The module's text says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// The form alone, which ordinary text also has.
    Possible,
    /// The form and one thing more.
    Likely,
    /// The form and its check digit, or a label right before it.
    Strong,
    /// The column or key says so.
    Certain,
}

impl Confidence {
    /// All of them, from the least.
    pub const ALL: [Self; 4] = [Self::Possible, Self::Likely, Self::Strong, Self::Certain];

    /// The word in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Strong => "strong",
            Self::Certain => "certain",
        }
    }

    /// The confidence of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|confidence| confidence.as_str() == word)
    }
}

/// One identifier in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Bytes of the text, on character boundaries.
    pub span: Range<usize>,
    /// What it is.
    pub category: Category,
    /// How sure that is.
    pub confidence: Confidence,
}

/// Which findings are masked: for each category how sure a detector must be. A category that is not named passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted([Option<Confidence>; Category::ALL.len()]);

impl Wanted {
    /// The same with a category, from a confidence on; the lower of two confidences holds.
    #[must_use]
    pub fn with(mut self, category: Category, floor: Confidence) -> Self {
        if let Some(slot) = self.0.get_mut(category.place()) {
            *slot = Some(slot.map_or(floor, |before| before.min(floor)));
        }
        self
    }

    /// The same with no floor below `floor`: for words of a schema, where only what cannot be one is masked.
    #[must_use]
    pub fn at_least(mut self, floor: Confidence) -> Self {
        for slot in self.0.iter_mut().flatten() {
            *slot = floor.max(*slot);
        }
        self
    }

    /// What either of two wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let floors = Category::ALL
            .into_iter()
            .filter_map(|category| Some((category, other.floor(category)?)));
        floors.fold(self, |wanted, (category, floor)| wanted.with(category, floor))
    }

    /// Whether findings of this category are masked at all.
    pub fn names(&self, category: Category) -> bool {
        self.floor(category).is_some()
    }

    /// How sure a detector must be of a category.
    pub fn floor(&self, category: Category) -> Option<Confidence> {
        self.0.get(category.place()).copied().flatten()
    }

    pub(crate) fn takes(&self, finding: &Finding) -> bool {
        self.floor(finding.category)
            .is_some_and(|floor| finding.confidence >= floor)
    }
}

impl From<Confidence> for Wanted {
    /// Every category from that confidence on.
    fn from(floor: Confidence) -> Self {
        Self([Some(floor); Category::ALL.len()])
    }
}

/// Findings that were masked, by category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Category::ALL.len()]);

impl Tally {
    /// One finding more.
    pub fn add(&mut self, category: Category) {
        if let Some(count) = self.0.get_mut(category.place()) {
            *count = count.saturating_add(1);
        }
    }

    /// All of another one more.
    pub fn extend(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    /// Categories that were found, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (Category, u64)> + '_ {
        let counts = Category::ALL.into_iter().zip(self.0);
        counts.filter(|(_, count)| *count > 0)
    }
}

/// What is known of a text from where it stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    label: Option<Category>,
    names: Option<&'a Names>,
}

impl<'a> Hints<'a> {
    /// Nothing is known.
    pub const fn none() -> Self {
        Self {
            label: None,
            names: None,
        }
    }

    /// The column's name, or the key, says what the value is ([`Category::of_label`]).
    #[must_use]
    pub fn labelled(self, label: &str) -> Self {
        self.category(Category::of_label(label))
    }

    /// The policy says what the value is.
    #[must_use]
    pub const fn category(self, category: Option<Category>) -> Self {
        Self {
            label: category,
            names: self.names,
        }
    }

    /// Names that the session has read from columns of names.
    #[must_use]
    pub const fn names(self, names: &'a Names) -> Self {
        Self {
            label: self.label,
            names: Some(names),
        }
    }
}

/// Words of names that a session has read from columns of names: `Duran` in a note is then a name, however it is written.
#[derive(Clone, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// Remembers the words of a name: those of three letters or more. English words are remembered too, and then found
    /// only where they begin with a capital.
    pub fn learn(&mut self, name: &str) {
        for word in name.split(|one: char| !one.is_alphanumeric()) {
            if word.chars().count() >= 3 && self.0.len() < NAMES_MAX {
                self.0.insert(word.to_lowercase());
            }
        }
    }

    /// Words that are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn holds(&self, word: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&word.to_lowercase())
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Names({} words)", self.0.len())
    }
}

/// The detectors, built once (some milliseconds, some megabytes) and shared.
#[derive(Debug)]
pub struct Detectors {
    vocabulary: Vocabulary,
}

impl Default for Detectors {
    fn default() -> Self {
        Self::new()
    }
}

impl Detectors {
    /// Builds them.
    pub fn new() -> Self {
        Self {
            vocabulary: Vocabulary::new(),
        }
    }

    /// The detectors of this process, built when they are first asked for. They hold nothing but the word lists.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Detectors> = LazyLock::new(Detectors::new);
        &SHARED
    }

    /// What a text holds: sorted, not overlapping, on character boundaries.
    pub fn find(&self, text: &str, hints: &Hints<'_>) -> Vec<Finding> {
        if let Some(category) = hints.label {
            return whole(text, category, Confidence::Certain);
        }
        self.settled(text, &Asked::everything(hints))
    }

    /// What a text holds of what is wanted: sorted, not overlapping, on character boundaries.
    pub(crate) fn find_wanted(&self, text: &str, hints: &Hints<'_>, wanted: &Wanted) -> Vec<Finding> {
        let asked = Asked {
            wanted: *wanted,
            ..Asked::everything(hints)
        };
        let mut found = self.settled(text, &asked);
        found.retain(|finding| wanted.takes(finding));
        found
    }

    fn settled(&self, text: &str, asked: &Asked<'_>) -> Vec<Finding> {
        let mut found = Vec::new();
        self.search(text, asked, decode::DEPTH_MAX, &mut found);
        settle(text, found)
    }

    /// The text with a typed token such as `[ssn]` in place of each finding that is wanted; `None` where there is none, so
    /// that the text may be released as it is.
    pub fn mask(&self, text: &str, hints: &Hints<'_>, wanted: impl Into<Wanted>) -> Option<String> {
        self.mask_counted(text, hints, &wanted.into(), &mut Tally::default())
    }

    /// The same, and counts what it masks.
    pub fn mask_counted(&self, text: &str, hints: &Hints<'_>, wanted: &Wanted, tally: &mut Tally) -> Option<String> {
        let findings = match hints.label {
            Some(_) => self.find(text, hints),
            None => self.settled(
                text,
                &Asked {
                    wanted: *wanted,
                    ..Asked::everything(hints)
                },
            ),
        };
        replace(text, findings.iter().filter(|finding| wanted.takes(finding)), tally)
    }

    /// Like [`Self::mask`] for a JSON document, which stays one: only string and number values that hold a finding change,
    /// and every other byte is kept. A value under a key that names a category ([`Category::of_label`], and the elements
    /// of FHIR resources) is masked whole. What is not JSON is masked as text. `None` where nothing is found.
    pub fn mask_json(&self, document: &str, hints: &Hints<'_>, wanted: impl Into<Wanted>) -> Option<String> {
        self.mask_json_counted(document, hints, &wanted.into(), &mut Tally::default())
    }

    /// The same, and counts what it masks.
    pub fn mask_json_counted(
        &self,
        document: &str,
        hints: &Hints<'_>,
        wanted: &Wanted,
        tally: &mut Tally,
    ) -> Option<String> {
        json::mask(self, document, hints, wanted, tally)
    }

    /// Collects findings, which may overlap; `depth` layers of encodings are opened.
    fn search(&self, text: &str, asked: &Asked<'_>, depth: usize, found: &mut Vec<Finding>) {
        let signs = Signs::of(text);
        if (signs.nothing() && asked.names.is_none()) || asked.nothing(signs) {
            return;
        }
        if signs.any(Signs::WIDE)
            && let Some(view) = decode::fold(text)
        {
            let mut inner = Vec::new();
            self.search(&view.text, asked, depth, &mut inner);
            found.extend(inner.iter().map(|finding| view.outer(finding)));
            return;
        }
        for window in windows(text) {
            let piece = text.get(window.clone()).unwrap_or("");
            let before = found.len();
            self.search_piece(piece, signs, asked, found);
            for finding in found.iter_mut().skip(before) {
                finding.span = finding.span.start + window.start..finding.span.end + window.start;
            }
        }
        let Some(depth) = depth.checked_sub(1) else { return };
        if signs.any(Signs::ESCAPE)
            && let Some(view) = decode::unescape(text)
        {
            let mut inner = Vec::new();
            self.search(&view.text, asked, depth, &mut inner);
            found.extend(inner.iter().map(|finding| view.outer(finding)));
        }
        if !signs.any(Signs::DIGIT | Signs::INNER) {
            return; // no run of hex or base64 is without both
        }
        let mut hidden = |span, decoded: &str| {
            let mut inner = Vec::new();
            self.search(decoded, asked, depth, &mut inner);
            inner.retain(|finding| finding.confidence >= Confidence::Likely);
            if let Some(best) = inner.into_iter().max_by_key(|finding| finding.confidence) {
                found.push(Finding { span, ..best });
            }
        };
        decode::runs(text, &mut hidden);
        if signs.any(Signs::DIGIT) {
            decode::powers(text, &mut hidden);
            decode::grouped(text, &mut hidden);
        }
    }

    fn search_piece(&self, piece: &str, signs: Signs, asked: &Asked<'_>, found: &mut Vec<Finding>) {
        let tokens = Tokens::new(piece, &self.vocabulary);
        let mut findings = Findings { list: found };
        network::find(&tokens, signs, &mut findings);
        if signs.any(Signs::DIGIT) {
            number::find(&tokens, &mut findings);
            number::find_beside_letters(&tokens, &self.vocabulary, &mut findings);
            code::find(&tokens, &mut findings);
            address::find(&tokens, &mut findings);
        } else {
            number::spelled(&tokens, &mut findings);
        }
        if asked.any(Asked::NAMES) {
            name::find(&tokens, asked.names, &mut findings);
        }
    }
}

/// Where detectors put what they find.
struct Findings<'a> {
    list: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, span: Range<usize>, category: Category, confidence: Confidence) {
        if span.start < span.end {
            self.list.push(Finding {
                span,
                category,
                confidence,
            });
        }
    }
}

/// The whole of a text but blanks around it.
fn whole(text: &str, category: Category, confidence: Confidence) -> Vec<Finding> {
    let start = text.len() - text.trim_start().len();
    let span = start..start + text.trim().len();
    if span.is_empty() {
        return Vec::new();
    }
    vec![Finding {
        span,
        category,
        confidence,
    }]
}

/// Windows over a text: each begins [`OVERLAP_BYTES`] before the end of the last, at a blank where there is one.
fn windows(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let end = floor_boundary(text, start + WINDOW_BYTES);
        next = (end < text.len()).then(|| {
            let from = floor_boundary(text, end - OVERLAP_BYTES);
            // A piece of a number must not look like a number: begin after a blank.
            let blank = text
                .get(from..end - OVERLAP_BYTES / 2)
                .and_then(|piece| piece.find([' ', '\n', '\t']));
            blank.map_or(from, |place| from + place + 1)
        });
        Some(start..end)
    })
}

/// The last character boundary at or before a byte.
fn floor_boundary(text: &str, byte: usize) -> usize {
    let mut place = byte.min(text.len());
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    place
}

/// Makes findings sorted and disjoint. The surer one keeps its bytes, then the longer; of the other what sticks out stays a
/// finding, so that nothing that was found is uncovered.
fn settle(text: &str, mut found: Vec<Finding>) -> Vec<Finding> {
    if found.len() > 1 {
        found.sort_by(|one, other| {
            let order = |finding: &Finding| {
                let length = finding.span.end - finding.span.start;
                (std::cmp::Reverse(finding.confidence), std::cmp::Reverse(length))
            };
            order(one)
                .cmp(&order(other))
                .then(one.span.start.cmp(&other.span.start))
                .then(one.category.cmp(&other.category))
        });
    }
    let mut placed: BTreeMap<usize, Finding> = BTreeMap::new();
    for finding in found {
        for piece in uncovered(&placed, &finding.span) {
            if let Some(span) = trimmed(text, piece) {
                placed.insert(
                    span.start,
                    Finding {
                        span,
                        ..finding.clone()
                    },
                );
            }
        }
    }
    placed.into_values().collect()
}

/// The parts of a span that no placed finding covers.
fn uncovered(placed: &BTreeMap<usize, Finding>, span: &Range<usize>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = span.start;
    if let Some((_, before)) = placed.range(..=span.start).next_back() {
        start = start.max(before.span.end);
    }
    for (_, other) in placed.range(span.start..span.end) {
        if start < other.span.start {
            pieces.push(start..other.span.start);
        }
        start = start.max(other.span.end);
    }
    if start < span.end {
        pieces.push(start..span.end);
    }
    pieces
}

/// A span without the blanks and marks around it; `None` where nothing else is in it. A finding that begins or ends with a
/// mark of its own, such as `+1` or a slash, keeps it, because only pieces that another finding cut are marks alone.
fn trimmed(text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let piece = text.get(span.clone())?;
    if !piece.contains(char::is_alphanumeric) {
        return None;
    }
    let blank = |one: char| one.is_whitespace() || matches!(one, ',' | ';');
    let start = span.end - piece.trim_start_matches(blank).len();
    Some(start..start + piece.trim_matches(blank).len())
}

/// The text with the token of each finding in its place; `None` where there is none.
fn replace<'a>(text: &str, findings: impl Iterator<Item = &'a Finding>, tally: &mut Tally) -> Option<String> {
    let mut masked = String::new();
    let mut place = 0;
    let mut any = false;
    for finding in findings {
        masked.push_str(text.get(place..finding.span.start)?);
        masked.push_str(finding.category.token());
        tally.add(finding.category);
        place = finding.span.end;
        any = true;
    }
    masked.push_str(text.get(place..)?);
    any.then_some(masked)
}

#[cfg(test)]
mod tests;
