//! Patterns of IHE BALP 1.1.4 (Basic Audit Log Patterns), and which of them a command is told by.
//!
//! A pattern is of a RESTful interaction. A statement of SQL that reads is a search; a request that names its object is a read.
//! What is neither a search nor a change of content has no pattern of BALP's and is FHIR's own `operation`.

use exhibit_schemas::event::access::Action;
use serde_json::Value;

use super::code::{self, coding};
use crate::evidence::{CommandLine, SessionLine};

/// The protocol whose reads are searches: a statement says what it looks for, and not the record.
const QUERIES: &str = "postgres";

/// First words of statements and requests that only add what was not there.
const CREATES: [&str; 4] = ["INSERT", "COPY", "CREATE", "POST"];

/// First words of definitions that go.
const DROPS: [&str; 2] = ["DROP", "DELETE"];

/// A pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Searches.
    Query,
    /// Reads one object by its name.
    Read,
    /// Adds.
    Create,
    /// Changes, or adds or changes.
    Update,
    /// Removes.
    Delete,
    /// Anything else.
    Operation,
}

impl Pattern {
    /// The pattern of the strongest thing that a command does, and to which resource: it removes, changes, reads, or none of
    /// these.
    pub(super) fn of<'a>(session: &SessionLine, command: &'a CommandLine) -> (Self, Option<&'a str>) {
        let accesses = command.accesses.iter().filter_map(|access| {
            let (word, resource) = match access.split_once(' ') {
                Some((word, resource)) => (word, Some(resource)),
                None => (access.as_str(), None),
            };
            Some((Self::of_action(Action::from_word(word)?, session, command), resource))
        });
        let strongest = accesses.min_by_key(|(pattern, _)| pattern.rank());
        strongest.unwrap_or((Self::Operation, None))
    }

    fn of_action(action: Action, session: &SessionLine, command: &CommandLine) -> Self {
        let first = command.statement.split_whitespace().next().unwrap_or_default();
        let begins = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(first));
        match action {
            Action::Read if session.protocol == QUERIES => Self::Query,
            Action::Read => Self::Read,
            Action::Delete => Self::Delete,
            Action::Define if begins(&DROPS) => Self::Delete,
            Action::Write | Action::Define if begins(&CREATES) => Self::Create,
            Action::Write | Action::Define | Action::Grant => Self::Update,
            Action::Execute | Action::Session | Action::Transaction => Self::Operation,
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Delete => 0,
            Self::Update => 1,
            Self::Create => 2,
            Self::Read => 3,
            Self::Query => 4,
            Self::Operation => 5,
        }
    }

    /// The profile that a successful event of it keeps to.
    pub(super) fn profile(self, of_patient: bool) -> Option<String> {
        let name = match self {
            Self::Query => "Query",
            Self::Read => "Read",
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Operation => return None,
        };
        let patient = if of_patient { "Patient" } else { "" };
        Some(format!("{}{patient}{name}", code::PROFILES))
    }

    /// The word of FHIR's RESTful interactions.
    pub(super) const fn interaction(self) -> &'static str {
        match self {
            Self::Query => "search",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Operation => "operation",
        }
    }

    /// The letter of FHIR's actions.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Query | Self::Operation => "E",
            Self::Read => "R",
            Self::Create => "C",
            Self::Update => "U",
            Self::Delete => "D",
        }
    }

    /// Whether it has the statement as an entity of its own, and no object.
    pub(super) const fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::Operation)
    }

    /// What the client is. BALP tells the ends apart by the way of what is named in the pattern: a query flows to the server,
    /// the object of a read from it.
    pub(super) fn client(self) -> Value {
        match self {
            Self::Read => code::destination(),
            Self::Delete => coding(code::DICOM, "110150", "Application"),
            Self::Query | Self::Create | Self::Update | Self::Operation => code::source(),
        }
    }

    /// What the server is.
    pub(super) fn server(self) -> Value {
        match self {
            Self::Read => code::source(),
            Self::Delete => coding(code::PARTICIPANT, "custodian", "Custodian"),
            Self::Query | Self::Create | Self::Update | Self::Operation => code::destination(),
        }
    }

    /// What the user is: who gets what is read, or the author of what is changed.
    pub(super) fn user(self) -> Value {
        match self {
            Self::Query | Self::Read | Self::Operation => coding(code::PARTICIPATION, "IRCP", "information recipient"),
            Self::Create | Self::Update | Self::Delete => coding(code::PARTICIPATION, "AUT", "author (originator)"),
        }
    }
}
