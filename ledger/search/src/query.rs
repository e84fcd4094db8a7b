//! Questions: `key:value words "a phrase"`.
//!
//! ```text
//! query  = [ term *( space term ) ]
//! term   = word | phrase | key ":" value
//! phrase = DQUOTE text DQUOTE           inside, \" is a quote and \\ a backslash; nothing else is escaped
//! value  = phrase | text without space
//! ```
//!
//! Words and phrases are looked for in statements, released rows and reasons, in any case; **all** must be there. The words
//! of a phrase, or of a word with marks in it (`public.patients`), must follow each other, in one statement, row or reason.
//!
//! | key | value |
//! | --- | --- |
//! | `agent` (or `subject`) | subject of the principal |
//! | `client` | client id of the principal, or the name that the client gives itself |
//! | `group` | a group of the principal |
//! | `target`, `protocol` | of the session |
//! | `resource` (or `table`, `relation`) | a resource of an access: its whole name, or what follows its last dot |
//! | `action` | of an access: `read`, `write`, `delete`, `define`, `grant`, `execute`, `session`, `transaction` |
//! | `decision` | what the policy said: `allow`, `ask`, `deny` |
//! | `outcome` | what the gate did: `allowed`, `approved`, `denied`, `refused`, `expired` |
//! | `rule` | the rule that decided |
//! | `observed` | a rule that matched and was not enforced |
//! | `approver` | a person who decided, and the commands that the person's decision let pass |
//! | `verdict` | what a person decided: `approve`, `deny`, `emergency` |
//! | `patient` | a patient whose records a reply holds, by the token of the policy's `[[patients]]`: 32 hexadecimal digits |
//! | `kind` | kind of the event: `session-opened`, `command`, … |
//! | `session` | session id, 32 hexadecimal digits |
//! | `from`, `to` | time of the event, at or after, and before: `2026-11-24` or `2026-11-24T09:30:00Z` |
//!
//! Different keys must **all** hold; of one key given several times **any** value may. `from` and `to` come once. Values
//! are compared exactly. Anything else is an error that says what to write; nothing is ignored or guessed.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::access::{Action, Effect, Outcome, PatientToken};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Kind, SessionId, Timestamp};

use crate::text::{self, WORD_BYTES_MAX};

/// Bytes of a question at the most; it comes in a URL.
pub const QUERY_BYTES_MAX: usize = 4_096;

/// Terms of a question at the most; each is one lookup in every segment of the index.
pub const TERMS_MAX: usize = 64;

/// Why a question is refused. The texts repeat only what the person typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Longer than [`QUERY_BYTES_MAX`].
    #[error("the query has {bytes} bytes; at most {QUERY_BYTES_MAX} are taken")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// More than [`TERMS_MAX`].
    #[error("the query has more than {TERMS_MAX} terms")]
    TooManyTerms,
    /// A key that there is not.
    #[error(
        "`{key}` is not a key{}; the keys are {}; to search for the text itself, put it in double quotes",
        nearest(.key),
        words(KEYS.iter().map(|(word, _)| *word))
    )]
    UnknownKey {
        /// What stands before the colon.
        key: String,
    },
    /// A key without a value.
    #[error("`{key}:` has no value; write `{key}:value` without a space, or `{key}:\"a value\"`")]
    NoValue {
        /// The key.
        key: String,
    },
    /// A value that its key does not have.
    #[error("`{value}` is no value of `{key}`; it takes {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What the key takes.
        wanted: String,
    },
    /// `from` or `to` twice.
    #[error("`{key}` is given twice")]
    Twice {
        /// The key.
        key: &'static str,
    },
    /// A phrase that does not end.
    #[error("a double quote is open at the end; close it, or write \\\" inside quotes for a quote")]
    OpenQuote,
    /// A quote inside a word, or text right after a phrase.
    #[error("a double quote in the middle of a term; put a space between terms")]
    StrayQuote,
    /// A backslash before something other than a quote or a backslash.
    #[error("inside quotes a backslash stands only before a quote or another backslash")]
    Escape,
    /// A term that looks like an exclusion or a choice.
    #[error("`{term}` would exclude or choose, which this search cannot do; put it in double quotes to search for it")]
    Operator {
        /// The term.
        term: String,
    },
    /// A term of marks alone.
    #[error("`{term}` holds no letter or digit to search for")]
    NoWord {
        /// The term.
        term: String,
    },
    /// A word that is too long to be in the index.
    #[error("a word of {bytes} bytes is not in the index; words have at most {WORD_BYTES_MAX}")]
    LongWord {
        /// Its size in lower case.
        bytes: usize,
    },
}

/// What an event can be filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Filter {
    Agent,
    Client,
    Group,
    Target,
    Protocol,
    Resource,
    Action,
    Decision,
    Outcome,
    Rule,
    /// Rules that matched and were not enforced.
    Observed,
    Approver,
    Verdict,
    /// Whose records a reply holds.
    Patient,
    Kind,
    Session,
}

#[derive(Clone, Copy)]
enum Key {
    Filter(Filter),
    From,
    To,
}

/// Every key, in the order of the documentation; a filter's first word is its name.
const KEYS: &[(&str, Key)] = &[
    ("agent", Key::Filter(Filter::Agent)),
    ("subject", Key::Filter(Filter::Agent)),
    ("client", Key::Filter(Filter::Client)),
    ("group", Key::Filter(Filter::Group)),
    ("target", Key::Filter(Filter::Target)),
    ("protocol", Key::Filter(Filter::Protocol)),
    ("resource", Key::Filter(Filter::Resource)),
    ("table", Key::Filter(Filter::Resource)),
    ("relation", Key::Filter(Filter::Resource)),
    ("action", Key::Filter(Filter::Action)),
    ("decision", Key::Filter(Filter::Decision)),
    ("outcome", Key::Filter(Filter::Outcome)),
    ("rule", Key::Filter(Filter::Rule)),
    ("observed", Key::Filter(Filter::Observed)),
    ("approver", Key::Filter(Filter::Approver)),
    ("verdict", Key::Filter(Filter::Verdict)),
    ("patient", Key::Filter(Filter::Patient)),
    ("kind", Key::Filter(Filter::Kind)),
    ("session", Key::Filter(Filter::Session)),
    ("from", Key::From),
    ("to", Key::To),
];

impl Filter {
    pub(crate) const ALL: &'static [Self] = &[
        Self::Agent,
        Self::Client,
        Self::Group,
        Self::Target,
        Self::Protocol,
        Self::Resource,
        Self::Action,
        Self::Decision,
        Self::Outcome,
        Self::Rule,
        Self::Observed,
        Self::Approver,
        Self::Verdict,
        Self::Patient,
        Self::Kind,
        Self::Session,
    ];

    /// Its name in questions and in the index.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Client => "client",
            Self::Group => "group",
            Self::Target => "target",
            Self::Protocol => "protocol",
            Self::Resource => "resource",
            Self::Action => "action",
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Rule => "rule",
            Self::Observed => "observed",
            Self::Approver => "approver",
            Self::Verdict => "verdict",
            Self::Patient => "patient",
            Self::Kind => "kind",
            Self::Session => "session",
        }
    }

    /// Refuses values that no event can have.
    fn check(self, value: &str) -> Result<(), QueryError> {
        let (known, wanted) = match self {
            Self::Action => one_of(value, Action::ALL.iter().map(|word| word.as_str())),
            Self::Decision => one_of(value, Effect::ALL.iter().map(|word| word.as_str())),
            Self::Outcome => one_of(value, Outcome::ALL.iter().map(|word| word.as_str())),
            Self::Verdict => one_of(value, Verdict::ALL.iter().map(|word| word.as_str())),
            Self::Kind => one_of(value, Kind::ALL.iter().map(|word| word.as_str())),
            Self::Patient => (
                PatientToken::from_hex(value).is_some_and(|patient| patient.to_string() == value),
                "a patient's token, as `exhibit patient token` gives it: 32 hexadecimal digits in lower case"
                    .to_owned(),
            ),
            Self::Session => (
                SessionId::from_hex(value).is_some_and(|session| session.to_string() == value),
                "a session id: 32 hexadecimal digits in lower case".to_owned(),
            ),
            _ => return Ok(()),
        };
        if known {
            return Ok(());
        }
        Err(QueryError::Value {
            key: self.as_str(),
            value: value.to_owned(),
            wanted,
        })
    }
}

fn one_of<'a>(value: &str, mut known: impl Iterator<Item = &'a str> + Clone) -> (bool, String) {
    let wanted = words(known.clone());
    (known.any(|word| word == value), wanted)
}

fn words<'a>(known: impl Iterator<Item = &'a str>) -> String {
    known.collect::<Vec<_>>().join(", ")
}

/// A question, understood whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Runs of words; each run must be there, its words one after the other. No run is empty.
    pub(crate) runs: Vec<Vec<String>>,
    /// For each filter the values of which one must be there.
    pub(crate) filters: BTreeMap<Filter, BTreeSet<String>>,
    /// At this time or later.
    pub(crate) from: Option<Timestamp>,
    /// Before this time.
    pub(crate) to: Option<Timestamp>,
}

impl Query {
    /// Reads a question in the language of [this module](self). An empty one asks for everything.
    ///
    /// # Errors
    /// [`QueryError`], for the first term that is not understood.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong { bytes: text.len() });
        }
        let mut query = Self::default();
        let mut rest = text.trim_start();
        let mut terms = 0;
        while !rest.is_empty() {
            terms += 1;
            if terms > TERMS_MAX {
                return Err(QueryError::TooManyTerms);
            }
            let (term, after) = Term::read(rest)?;
            query.add(term)?;
            rest = after.trim_start();
        }
        Ok(query)
    }

    fn add(&mut self, term: Term<'_>) -> Result<(), QueryError> {
        match term {
            Term::Text(text) => {
                self.runs.push(run(&text)?);
                Ok(())
            }
            Term::Pair { key: word, value } => {
                let known = KEYS.iter().find(|(known, _)| *known == word);
                let (name, key) = known.ok_or_else(|| QueryError::UnknownKey { key: word.to_owned() })?;
                if value.is_empty() {
                    return Err(QueryError::NoValue { key: word.to_owned() });
                }
                match key {
                    Key::Filter(filter) => {
                        filter.check(&value)?;
                        self.filters.entry(*filter).or_default().insert(value);
                        Ok(())
                    }
                    Key::From => set_time(name, &mut self.from, value),
                    Key::To => set_time(name, &mut self.to, value),
                }
            }
        }
    }
}

fn set_time(key: &'static str, place: &mut Option<Timestamp>, value: String) -> Result<(), QueryError> {
    if place.is_some() {
        return Err(QueryError::Twice { key });
    }
    *place = Some(Timestamp::parse(&value).ok_or_else(|| QueryError::Value {
        key,
        value,
        wanted: "a date in UTC, such as 2026-11-24 or 2026-11-24T09:30:00Z".to_owned(),
    })?);
    Ok(())
}

/// The words of a text, in order.
fn run(term: &str) -> Result<Vec<String>, QueryError> {
    let words: Vec<String> = text::words(term).into_iter().map(|word| word.text).collect();
    if let Some(long) = words.iter().find(|word| word.len() > WORD_BYTES_MAX) {
        return Err(QueryError::LongWord { bytes: long.len() });
    }
    if words.is_empty() {
        return Err(QueryError::NoWord { term: term.to_owned() });
    }
    Ok(words)
}

/// One term, as written.
enum Term<'a> {
    Text(String),
    Pair { key: &'a str, value: String },
}

impl<'a> Term<'a> {
    /// Reads the term at the beginning of `text`, which starts with something other than space; gives what follows.
    fn read(text: &'a str) -> Result<(Self, &'a str), QueryError> {
        if let Some(inside) = text.strip_prefix('"') {
            let (phrase, after) = quoted(inside)?;
            return Ok((Self::Text(phrase), after));
        }
        let (word, after) = bare(text);
        if let Some((key, value)) = word.split_once(':') {
            if value.starts_with('"') {
                let inside = text.get(key.len() + 2..).unwrap_or_default();
                let (value, after) = quoted(inside)?;
                return Ok((Self::Pair { key, value }, after));
            }
            if value.contains('"') {
                return Err(QueryError::StrayQuote);
            }
            let value = value.to_owned();
            return Ok((Self::Pair { key, value }, after));
        }
        if word.contains('"') {
            return Err(QueryError::StrayQuote);
        }
        if word.starts_with(['-', '+', '!']) || matches!(word, "AND" | "OR" | "NOT") {
            return Err(QueryError::Operator { term: word.to_owned() });
        }
        Ok((Self::Text(word.to_owned()), after))
    }
}

/// Up to the next space.
fn bare(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// Up to the closing quote, which a space or the end must follow.
fn quoted(inside: &str) -> Result<(String, &str), QueryError> {
    let mut value = String::new();
    let mut chars = inside.chars();
    loop {
        match chars.next().ok_or(QueryError::OpenQuote)? {
            '"' => break,
            '\\' => match chars.next().ok_or(QueryError::OpenQuote)? {
                escaped @ ('"' | '\\') => value.push(escaped),
                _ => return Err(QueryError::Escape),
            },
            other => value.push(other),
        }
    }
    let after = chars.as_str();
    match after.chars().next() {
        Some(next) if !next.is_whitespace() => Err(QueryError::StrayQuote),
        _ => Ok((value, after)),
    }
}

/// ` (did you mean …?)` where one key is at most two edits away.
fn nearest(word: &str) -> String {
    let near = KEYS
        .iter()
        .map(|(key, _)| (distance(word, key), *key))
        .min_by_key(|(edits, _)| *edits);
    match near {
        Some((edits, key)) if edits <= 2 => format!(" (did you mean `{key}`?)"),
        _ => String::new(),
    }
}

/// Levenshtein's distance, by the usual rows.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for ((to, above), diagonal) in right.chars().zip(row.iter().skip(1)).zip(&row) {
            let beside = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(from != to)).min(above + 1).min(beside + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Filter, QUERY_BYTES_MAX, Query, QueryError, TERMS_MAX};
    use crate::text::WORD_BYTES_MAX;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn check_runs(text: &str, wanted: &[&[&str]]) {
        assert_eq!(query(text).runs, wanted, "{text}");
    }

    fn check_filter(text: &str, filter: Filter, wanted: &[&str]) {
        let values: Vec<_> = query(text)
            .filters
            .get(&filter)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        assert_eq!(values, wanted, "{text}");
        assert!(query(text).runs.is_empty(), "{text}");
    }

    fn check_error(text: &str, wanted: &str) {
        let error = Query::parse(text).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }

    #[test]
    fn words_and_phrases_are_cut_alike() {
        check_runs("", &[]);
        check_runs("  \t ", &[]);
        check_runs("Smith", &[&["smith"]]);
        check_runs("select patients", &[&["select"], &["patients"]]);
        check_runs("public.patients", &[&["public", "patients"]]);
        check_runs("\"Jane Q. Doe\"  x", &[&["jane", "q", "doe"], &["x"]]);
        check_runs(r#""a \"b\" c:\\d""#, &[&["a", "b", "c", "d"]]);
        check_runs("\"-x\"", &[&["x"]]);
        check_runs("\"agent:x\"", &[&["agent", "x"]]);
        check_runs("ÜBER", &[&["über"]]);
    }

    #[test]
    fn filters_keep_their_values_exactly() {
        check_filter("agent:ci-Agent", Filter::Agent, &["ci-Agent"]);
        check_filter("subject:a agent:b", Filter::Agent, &["a", "b"]);
        check_filter("table:public.patients", Filter::Resource, &["public.patients"]);
        check_filter("relation:x resource:y", Filter::Resource, &["x", "y"]);
        check_filter("group:\"data team\"", Filter::Group, &["data team"]);
        check_filter("client:a:b", Filter::Client, &["a:b"]);
        check_filter("kind:command kind:fault", Filter::Kind, &["command", "fault"]);
        let session = "000102030405060708090a0b0c0d0e0f";
        check_filter(&format!("session:{session}"), Filter::Session, &[session]);
    }

    #[test]
    fn times_bound_a_half_open_range() {
        let query = query("from:1970-01-02 to:1970-01-02T00:00:01Z");
        assert_eq!(query.from.map(|time| time.0), Some(86_400_000_000));
        assert_eq!(query.to.map(|time| time.0), Some(86_401_000_000));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_what_to_write() {
        check_error("agnt:x", "did you mean `agent`?");
        check_error("zzzzzzzz:x", "`zzzzzzzz` is not a key; the keys are agent,");
        check_error("http://x", "put it in double quotes");
        check_error("agent:", "`agent:` has no value");
        check_error("agent: x", "`agent:` has no value");
        check_error("agent:\"\"", "`agent:` has no value");
        check_error(":x", "is not a key");
        check_error("Agent:x", "did you mean `agent`?");
        check_error("decision:denied", "it takes allow, ask, deny");
        check_error("outcome:deny", "it takes allowed, approved, denied, refused, expired");
        check_error("kind:commands", "genesis, key-enrolled");
        check_error("session:abc", "32 hexadecimal digits");
        check_error("session:000102030405060708090A0B0C0D0E0F", "lower case");
        check_error("from:yesterday", "such as 2026-11-24");
        check_error("from:2026-01-01 from:2026-01-02", "`from` is given twice");
        check_error("\"open", "a double quote is open");
        check_error("agent:\"open\\\"", "a double quote is open");
        check_error("a\"b\"", "put a space between terms");
        check_error("agent:a\"b\"", "put a space between terms");
        check_error("\"a\"b", "put a space between terms");
        check_error("\"a\\n\"", "only before a quote");
        check_error("-smith", "cannot do");
        check_error("a OR b", "cannot do");
        check_error("...", "no letter or digit");
        check_error("\"\"", "no letter or digit");
    }

    #[test]
    fn limits_hold_at_and_past_the_edge() {
        let terms = |count: usize| "a ".repeat(count);
        assert_eq!(query(&terms(TERMS_MAX)).runs.len(), TERMS_MAX);
        assert_eq!(Query::parse(&terms(TERMS_MAX + 1)), Err(QueryError::TooManyTerms));
        assert!(Query::parse(&" ".repeat(QUERY_BYTES_MAX)).is_ok());
        let bytes = QUERY_BYTES_MAX + 1;
        assert_eq!(Query::parse(&" ".repeat(bytes)), Err(QueryError::TooLong { bytes }));
        assert!(Query::parse(&"a".repeat(WORD_BYTES_MAX)).is_ok());
        let bytes = WORD_BYTES_MAX + 1;
        assert_eq!(Query::parse(&"a".repeat(bytes)), Err(QueryError::LongWord { bytes }));
    }
}
