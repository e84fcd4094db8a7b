//! What an agent is told about a statement that is no SQL: what the server would say of it.
//!
//! PostgreSQL's own parser words the message, which repeats a word of the statement. So it goes to the agent alone, where the
//! server's own messages go to it too: on targets without masks. The parser names no place of the error here;
//! [`Complaint::of`] finds it again.
//!
//! # Known limits
//! Hints, details and the few codes other than 42601 and 0A000 are not told.
//!
//! Not here: the reason that is recorded, which holds no word of the statement ([`super::AnalysisError::Syntax`]).

use std::fmt;

use super::parse_error;

/// Places at which a word is tried at the most; a statement that repeats it more often is told without its place.
const PLACES_MAX: usize = 64;

/// The parser's message about a statement.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// SQLSTATE.
    pub(crate) code: &'static str,
    /// The message.
    pub(crate) text: String,
    /// The character that it is about, the first one being 1.
    pub(crate) position: Option<u32>,
}

impl fmt::Debug for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, position, .. } = self;
        write!(formatter, "Complaint({code}, {position:?})")
    }
}

impl Complaint {
    /// What the parser has against a statement; `None` when it has nothing.
    pub(crate) fn of(sql: &str) -> Option<Self> {
        let text = parse_error(sql)?;
        let end = text.ends_with(" at end of input").then_some(sql.len());
        let place = end.or_else(|| place(sql, &text));
        let unfinished = text.ends_with("not yet implemented") || text.ends_with("not implemented");
        Some(Self {
            code: if unfinished { "0A000" } else { "42601" },
            position: place.and_then(|place| {
                let before = sql.get(..place)?.chars().count();
                u32::try_from(before + 1).ok()
            }),
            text,
        })
    }
}

/// Where in the statement the word stands that the message ends with: where the statement up to that word, and not before,
/// draws the same message.
fn place(sql: &str, text: &str) -> Option<usize> {
    let (_, near) = text.split_once(" at or near \"")?;
    let word = near.strip_suffix('"').filter(|word| !word.is_empty())?;
    let mut places = sql.match_indices(word).map(|(place, _)| place).peekable();
    let first = places.next()?;
    if places.peek().is_none() {
        return Some(first);
    }
    let letter = |found: Option<char>| found.is_some_and(|found| found.is_alphanumeric() || found == '_');
    let (begins, ends) = (letter(word.chars().next()), letter(word.chars().next_back()));
    // Not a part of a longer word.
    let whole = |place: &usize| {
        let before = sql.get(..*place).and_then(|before| before.chars().next_back());
        let after = sql.get(place + word.len()..).and_then(|after| after.chars().next());
        let inside = (begins && letter(before)) || (ends && letter(after));
        !inside
    };
    std::iter::once(first)
        .chain(places)
        .take(PLACES_MAX)
        .filter(whole)
        .find(|place| {
            let upto = sql.get(..place + word.len());
            upto.and_then(parse_error).is_some_and(|error| error == text)
        })
}

#[cfg(test)]
mod tests {
    use super::Complaint;

    /// Messages and places are those of a PostgreSQL 15 server.
    #[test]
    fn says_what_the_server_says() {
        let check = |sql: &str, text: &str, position: u32| {
            let complaint = Complaint::of(sql).expect("it is no SQL");
            assert_eq!(
                (complaint.text.as_str(), complaint.position),
                (text, Some(position)),
                "{sql}"
            );
            assert!(!format!("{complaint:?}").contains(text), "{sql}");
        };
        check("SELEC 1;", "syntax error at or near \"SELEC\"", 1);
        check("SELECT 1 FROM FROM t", "syntax error at or near \"FROM\"", 15);
        check("SELECT 1 FROM", "syntax error at end of input", 14);
        check("SELECT 'jane", "unterminated quoted string at or near \"'jane\"", 8);
        check("SELECT a, ba, a b c FROM a", "syntax error at or near \"c\"", 19);
        check(
            "CREATE TABLE t (a int NOT NULL, b int NOT NUL)",
            "syntax error at or near \"NUL\"",
            43,
        );
        check("SELECT 'é' AS é 1", "syntax error at or near \"1\"", 17);
        check("SELECT \"\"", "zero-length delimited identifier at or near \"\"\"\"", 8);
    }

    #[test]
    fn has_nothing_against_sql() {
        assert_eq!(Complaint::of("SELECT 1"), None);
    }
}
