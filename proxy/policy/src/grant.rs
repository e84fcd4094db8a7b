//! `grants` of `[[approvals]]`: what people may grant beside the one command that they are asked about, and which commands that covers.
//!
//! ```toml
//! grants = { scopes = ["fingerprint", "session"], minutes = 60, uses = 100, rows = 100000 }
//! ```
//!
//! A *fingerprint* is everything that is recorded of a command but its values: its statement with placeholders, the types of its
//! parameters, what it does, and the decision about it. Values can be anything then, so it is only for commands whose values are data: they
//! read or change rows, and nothing else. What is not recorded whole has none, nor has a statement of which a name is hidden
//! ([`HIDDEN_NAME`]): which of its names stands where is not in its record, so it can be another statement.
//!
//! What tries values on masks, and replies at a threshold, are asked about each time.
//!
//! Not here: how much of a grant is left, and for how long it holds ([`exhibit_schemas::terms`]).

use std::collections::BTreeSet;

use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::access::{Access, Action, DecisionRecord, Facts, Principal};
use exhibit_schemas::event::approval::{GrantBounds, GrantScope};
use exhibit_schemas::terms::Granted;
use serde::Deserialize;

use crate::approval::same_requester;
use crate::decide::Asker;
use crate::estimate::{no_more, same_again};
use crate::probe;
use crate::snapshot::Counts;

/// Minutes of a grant at the most: a day, after which somebody looks again.
const MINUTES_MAX: u64 = 1_440;

/// Uses of a grant at the most; more are a rule that allows.
const USES_MAX: u64 = 100_000;

/// Bytes of a recorded statement at the most; a longer one is cut, and a mark says so.
pub const STATEMENT_BYTES_MAX: usize = 32 * 1_024;

/// What a recorded statement has in the place of each name that may be a value.
pub const HIDDEN_NAME: &str = "\"?\"";

/// What people may grant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    scopes: Vec<String>,
    minutes: u64,
    uses: u64,
    rows: Option<u64>,
}

impl Grants {
    /// Why there can be none such.
    pub(crate) fn unfit(&self) -> Option<&'static str> {
        let known = |word: &String| GrantScope::from_word(word).is_some();
        let distinct: BTreeSet<_> = self.scopes.iter().collect();
        match () {
            () if self.scopes.is_empty() || !self.scopes.iter().all(known) => {
                Some("scopes of grants are `fingerprint` and `session`, at least one of them")
            }
            () if distinct.len() < self.scopes.len() => Some("grants names each scope once"),
            () if !(1..=MINUTES_MAX).contains(&self.minutes) => Some("grants are for 1 to 1440 minutes, a day"),
            () if !(2..=USES_MAX).contains(&self.uses) => Some("grants are for 2 to 100000 uses"),
            () if self.rows == Some(0) => Some("grants are for at least one row"),
            () => None,
        }
    }

    /// What of it people may grant for a request, as far as its record says; `None` where nothing.
    pub fn bounds(&self, statement: &str, facts: &Facts) -> Option<GrantBounds> {
        let values_are_data = has_fingerprint(statement, facts);
        let scopes = self.scopes.iter().filter_map(|word| GrantScope::from_word(word));
        let scopes: Vec<_> = scopes
            .filter(|scope| *scope == GrantScope::Session || values_are_data)
            .collect();
        (is_asked_once(facts) && !scopes.is_empty()).then_some(GrantBounds {
            scopes,
            minutes: self.minutes,
            uses: self.uses,
            rows: self.rows,
        })
    }
}

/// Whether a request has a fingerprint, as far as its record says: it reads and changes rows alone, tries no values, and is recorded
/// whole, with all of its names.
pub(crate) fn has_fingerprint(statement: &str, facts: &Facts) -> bool {
    let rows_alone = |Access(action, _): &Access| matches!(action, Action::Read | Action::Write | Action::Delete);
    let is_whole = statement.len() <= STATEMENT_BYTES_MAX && !statement.contains(HIDDEN_NAME);
    facts.accesses.iter().all(rows_alone) && is_whole && is_asked_once(facts)
}

/// Whether what is stated is no more than what may be.
pub fn within(stated: &GrantBounds, most: &GrantBounds) -> bool {
    stated.scopes.iter().all(|scope| most.scopes.contains(scope))
        && (stated.minutes, stated.uses, stated.rows) == (most.minutes, most.uses, most.rows)
}

/// Whether people are asked about a request for the sake of what it names alone: it is about no reply, and tries no values.
fn is_asked_once(facts: &Facts) -> bool {
    Counts::of(facts).is_none() && probe::columns(facts).next().is_none()
}

/// A command that a grant may cover, or the first that passed by it.
#[derive(Clone, Copy, Debug)]
pub struct Covered<'a> {
    /// Who asks.
    pub requester: &'a Principal,
    /// Name of the target.
    pub target: &'a str,
    /// Its session.
    pub session: SessionId,
    /// The command as it is recorded.
    pub statement: &'a str,
    /// Types of its parameters.
    pub parameters: &'a [String],
    /// What it does.
    pub facts: &'a Facts,
    /// The decision about it.
    pub decision: &'a DecisionRecord,
    /// All rules that ask about it.
    pub askers: &'a BTreeSet<Asker>,
}

/// What of a command is not as the grant has it that the first one passed by; `None` for one that is covered.
pub fn differs(granted: &Granted, first: &Covered<'_>, next: &Covered<'_>) -> Option<&'static str> {
    let fingerprint = granted.scopes.contains(&GrantScope::Fingerprint);
    let session = granted.scopes.contains(&GrantScope::Session);
    let differs = [
        ("its requester", !same_requester(first.requester, next.requester)),
        ("its target", first.target != next.target),
        ("its decision", first.decision != next.decision),
        ("a rule that asks about it", !next.askers.is_subset(first.askers)),
        ("what it tries, or that it is a reply", !is_asked_once(next.facts)),
        ("its session", session && first.session != next.session),
        ("its statement", fingerprint && first.statement != next.statement),
        (
            "the types of its parameters",
            fingerprint && first.parameters != next.parameters,
        ),
        ("what it does", fingerprint && !same_again(first.facts, next.facts)),
        ("how many rows are estimated", !no_more(first.facts, next.facts)),
    ];
    differs.into_iter().find_map(|(what, differs)| differs.then_some(what))
}

#[cfg(test)]
mod tests;
