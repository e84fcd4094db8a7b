//! What a command does in one word, as other formats tell it: the strongest of its accesses.
//!
//! A statement of SQL that reads is a search; a request that names its object is a read.
//!
//! Not here: the codes of each format.

use exhibit_schemas::event::access::Action;

use crate::evidence::{CommandLine, SessionLine};

/// The protocol whose reads are searches: a statement says what it looks for, and not the record.
pub(super) const QUERIES: &str = "postgres";

/// First words of statements and requests that only add what was not there.
const CREATES: [&str; 4] = ["INSERT", "COPY", "CREATE", "POST"];

/// First words of definitions that go.
const DROPS: [&str; 2] = ["DROP", "DELETE"];

/// What a command does, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Interaction {
    /// Removes.
    Delete,
    /// Changes, or adds or changes.
    Update,
    /// Adds.
    Create,
    /// Reads one object by its name.
    Read,
    /// Searches.
    Query,
    /// Anything else.
    Operation,
}

impl Interaction {
    /// The strongest thing that a command does, and to which resource.
    pub(super) fn of<'a>(session: &SessionLine, command: &'a CommandLine) -> (Self, Option<&'a str>) {
        let accesses = command.accesses.iter().filter_map(|access| {
            let (word, resource) = word_and_resource(access);
            Some((Self::of_action(Action::from_word(word)?, session, command), resource))
        });
        let strongest = accesses.min_by_key(|(interaction, _)| *interaction);
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
}

/// An access as lines have it: the word of its action, and the resource, where there is one.
pub(super) fn word_and_resource(access: &str) -> (&str, Option<&str>) {
    match access.split_once(' ') {
        Some((word, resource)) => (word, Some(resource)),
        None => (access, None),
    }
}
