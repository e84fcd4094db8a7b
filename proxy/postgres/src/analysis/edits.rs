//! A message's text with parts of it replaced, and the way back from places in what the server got to those in what the
//! agent sent. All other bytes stay as they were.
//!
//! Not here: what is replaced ([`super::mapping`], and [`super::lineage`] for what is withheld).

use std::collections::BTreeSet;

use pg_query::protobuf::{ScanToken, Token};

use super::AnalysisError;

/// A text with parts replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// The text for the server.
    pub(crate) text: String,
    /// What was replaced, in order: where it began in characters of the agent's text, how long it was, how long it is.
    shifts: Vec<(usize, usize, usize)>,
}

impl Mapped {
    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.shifts.len() * size_of::<(usize, usize, usize)>()
    }

    /// The place in the agent's text of a place in the text that the server got; both count characters from one. A place
    /// inside of what was replaced is where that began.
    pub(crate) fn back(&self, position: u32) -> u32 {
        let position = usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
        let mut grown = 0_i64;
        for &(start, old, new) in &self.shifts {
            let here = as_i64(start) + grown;
            if as_i64(position) < here {
                break;
            }
            if as_i64(position) < here + as_i64(new) {
                return u32::try_from(start + 1).unwrap_or(u32::MAX);
            }
            grown += as_i64(new) - as_i64(old);
        }
        u32::try_from(as_i64(position) - grown + 1).unwrap_or(1)
    }
}

fn as_i64(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// What stands in the place of a part of the text: its bytes, and the new text.
pub(super) type Edit = (usize, usize, String);

/// What the server does not get.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    /// References to masked columns: where each begins in the text, and how many parts it has.
    pub(super) references: BTreeSet<(usize, usize)>,
    /// That a plan shall have estimates; the message is an `EXPLAIN` alone.
    pub(super) estimates: Option<Estimates>,
}

/// How an `EXPLAIN` asks for estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Estimates {
    /// By having no options.
    WithoutOptions,
    /// By options that do not switch them off.
    AfterOptions,
}

impl Withheld {
    pub(super) fn is_empty(&self) -> bool {
        self.references.is_empty() && self.estimates.is_none()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.references.extend(other.references);
        self.estimates = self.estimates.or(other.estimates);
    }
}

/// Withholds from the server: each reference becomes a NULL of the same type and name, and a plan has no estimates. `None`
/// where one of them is not found in the text.
pub(super) fn withhold(sql: &str, withheld: &Withheld) -> Option<Mapped> {
    let tokens = Tokens::of(sql).ok()?;
    let edit = |(location, parts): &(usize, usize)| {
        let (start, end) = tokens.name(*location, *parts)?;
        let reference = sql.get(start..end)?;
        Some((start, end, format!("(SELECT {reference} WHERE false)")))
    };
    let estimates = withheld.estimates.map(|estimates| tokens.without_estimates(estimates));
    let references = withheld.references.iter().map(edit);
    let edits: Vec<Edit> = estimates.into_iter().chain(references).collect::<Option<_>>()?;
    Some(splice(sql, &edits))
}

/// Puts the new texts in.
pub(super) fn splice(sql: &str, edits: &[Edit]) -> Mapped {
    let mut text = String::with_capacity(sql.len());
    let mut shifts = Vec::new();
    let mut done = 0;
    let mut characters = 0;
    for (start, end, new) in edits {
        let (Some(before), Some(old)) = (sql.get(done..*start), sql.get(*start..*end)) else {
            continue;
        };
        text.push_str(before);
        characters += before.chars().count();
        let old = old.chars().count();
        shifts.push((characters, old, new.chars().count()));
        characters += old;
        text.push_str(new);
        done = *end;
    }
    text.push_str(sql.get(done..).unwrap_or_default());
    Mapped { text, shifts }
}

/// The words of a text, to find where a name ends.
pub(super) struct Tokens(Vec<ScanToken>, String);

impl Tokens {
    pub(super) fn of(sql: &str) -> Result<Self, AnalysisError> {
        let scanned = pg_query::scan(sql).map_err(|_| AnalysisError::Syntax)?;
        let comments = [Token::SqlComment, Token::CComment].map(i32::from);
        let words = scanned
            .tokens
            .into_iter()
            .filter(|token| !comments.contains(&token.token));
        Ok(Self(words.collect(), sql.to_owned()))
    }

    fn place(&self, location: usize) -> Option<usize> {
        let found = self
            .0
            .binary_search_by_key(&location, |token| usize::try_from(token.start).unwrap_or(0));
        found.ok()
    }

    /// From where to where a name of that many parts stands.
    pub(super) fn name(&self, location: usize, parts: usize) -> Option<(usize, usize)> {
        let first = self.place(location)?;
        let last = first + (parts.checked_sub(1)?) * 2;
        let dots = (first + 1..last).step_by(2);
        let dotted = dots
            .map(|place| self.0.get(place))
            .all(|token| token.is_some_and(|token| self.is(token, ".")));
        let end = usize::try_from(self.0.get(last)?.end).ok()?;
        dotted.then_some((location, end))
    }

    /// Has the `EXPLAIN` that the text begins with show no estimates.
    fn without_estimates(&self, estimates: Estimates) -> Option<Edit> {
        let explain = self.0.first().filter(|token| self.is(token, "explain"))?;
        let (place, new) = match estimates {
            Estimates::WithoutOptions => (explain.end, " (COSTS OFF)"),
            Estimates::AfterOptions => (self.0.iter().find(|token| self.is(token, ")"))?.start, ", COSTS OFF"),
        };
        let place = usize::try_from(place).ok()?;
        Some((place, place, new.to_owned()))
    }

    /// Whether a name stands right after a word.
    pub(super) fn follows(&self, location: usize, word: &str) -> bool {
        let before = self.place(location).and_then(|place| self.0.get(place.checked_sub(1)?));
        before.is_some_and(|token| self.is(token, word))
    }

    /// Where a word begins that a name follows.
    pub(super) fn word_before(&self, location: usize, word: &str) -> Option<usize> {
        let before = self.0.get(self.place(location)?.checked_sub(1)?)?;
        let start = usize::try_from(before.start).ok()?;
        self.is(before, word).then_some(start)
    }

    /// Where the word `TABLE` stands that a name follows.
    pub(super) fn table_before(&self, location: usize) -> Option<(usize, usize)> {
        let before = self.0.get(..self.place(location)?)?;
        let mut before = before.iter().rev().skip_while(|token| self.is(token, "only"));
        let word = before.next().filter(|token| self.is(token, "table"))?;
        Some((usize::try_from(word.start).ok()?, usize::try_from(word.end).ok()?))
    }

    /// The list in parentheses that follows a name that ends there, and where that ends; the name's end where there is none.
    pub(super) fn columns(&self, end: usize) -> (Option<String>, usize) {
        let starts_after = |token: &&ScanToken| usize::try_from(token.start).is_ok_and(|start| start >= end);
        let mut after = self.0.iter().filter(starts_after);
        let Some(open) = after.next().filter(|token| self.is(token, "(")) else {
            return (None, end);
        };
        let Some(close) = after.find(|token| self.is(token, ")")) else {
            return (None, end);
        };
        let bounds = [open.end, close.start, close.end].map(|place| usize::try_from(place).unwrap_or(0));
        let [from, to, end] = bounds;
        (self.1.get(from..to).map(str::to_owned), end)
    }

    fn is(&self, token: &ScanToken, text: &str) -> bool {
        let bounds = [token.start, token.end].map(|place| usize::try_from(place).unwrap_or(0));
        self.1
            .get(bounds[0]..bounds[1])
            .is_some_and(|word| word.eq_ignore_ascii_case(text))
    }
}
