//! Estimated rows: how many rows the target itself expects a command to read out or to change, before it runs.
//!
//! Rules go by it with `over = { estimated_rows = … }`, and people are told where their approval says so (`estimate = true`). The facts of a command have it as one attribute ([`ESTIMATED_ROWS`]): a
//! number, or a text that says why nobody knows. What is not known, or not there, counts as more than any number, so a
//! decision that lacks it is never the milder one.
//!
//! Not here: how a target is asked (the protocol), and what replies really come to ([`crate::snapshot::Over`]).

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{Attribute, Effect, Facts, Principal};

use crate::decide::decide;
use crate::hours::TIME;
use crate::seen::FIRST_SEEN;
use crate::snapshot::Snapshot;

/// The attribute: an integer, or a text where there is no estimate.
pub const ESTIMATED_ROWS: &str = "estimated_rows";

/// What is known of the rows of a command before it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Estimate {
    /// So many, by the target's own word or by the command's.
    Rows(u64),
    /// Nobody knows, and why.
    Unknown(String),
}

impl Estimate {
    /// What facts say; `None` where nothing went by it.
    pub fn of(facts: &Facts) -> Option<Self> {
        match facts.attributes.get(ESTIMATED_ROWS)? {
            Attribute::Integer(rows) => Some(Self::Rows(*rows)),
            Attribute::Text(cause) => Some(Self::Unknown(cause.clone())),
            Attribute::Bool(_) => Some(Self::Unknown("no number".to_owned())),
        }
    }

    /// Has facts say it.
    pub fn state(self, facts: &mut Facts) {
        let value = match self {
            Self::Rows(rows) => Attribute::Integer(rows),
            Self::Unknown(cause) => Attribute::Text(cause),
        };
        facts.attributes.insert(ESTIMATED_ROWS.to_owned(), value);
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(1) => write!(formatter, "1 row"),
            Self::Rows(rows) => write!(formatter, "{rows} rows"),
            Self::Unknown(cause) => write!(formatter, "not known, which counts as more than any number: {cause}"),
        }
    }
}

/// Whether facts are over a number of estimated rows.
pub(crate) fn is_over(facts: &Facts, limit: u64) -> bool {
    !matches!(facts.attributes.get(ESTIMATED_ROWS), Some(Attribute::Integer(rows)) if *rows <= limit)
}

impl Snapshot {
    /// Whether those who are asked for that approval are told of estimated rows.
    fn tells_rows(&self, approval: Option<&str>) -> bool {
        approval
            .and_then(|name| self.approval(name))
            .is_some_and(|approval| approval.estimate)
    }

    /// Whether a target is to be asked about a request: the decision hangs on it, or people are to be told.
    pub fn wants_estimate(&self, principal: &Principal, target: &str, facts: &Facts) -> bool {
        if self.hangs_on_estimate(principal, target, facts) {
            return true;
        }
        // It is the same whatever is estimated.
        let decision = decide(self, principal, target, facts);
        decision.effect == Effect::Ask && self.tells_rows(decision.approval.as_deref())
    }

    /// Whether it matters to the decision about a request how many rows are estimated, and not all of what could be decided denies
    /// it: nobody asks a target about what may not run.
    pub fn hangs_on_estimate(&self, principal: &Principal, target: &str, facts: &Facts) -> bool {
        // One number below each limit, and one above it.
        let above = self.estimate_limits(target).map(|limit| limit.saturating_add(1));
        let numbers: BTreeSet<u64> = above.chain([0]).collect();
        if numbers.len() < 2 {
            return false;
        }
        let decided = numbers.into_iter().map(|rows| {
            let mut facts = facts.clone();
            Estimate::Rows(rows).state(&mut facts);
            decide(self, principal, target, &facts)
        });
        let mut unknown = facts.clone();
        unknown.attributes.remove(ESTIMATED_ROWS);
        let unknown = decide(self, principal, target, &unknown);
        let passes = |effect| effect != Effect::Deny;
        let (differs, may_pass) = decided.fold((false, passes(unknown.effect)), |(differs, may_pass), one| {
            (differs || one != unknown, may_pass || passes(one.effect))
        });
        differs && may_pass
    }
}

/// Whether no more rows are estimated than people were told of.
pub fn no_more(told: &Facts, again: &Facts) -> bool {
    match (Estimate::of(told), Estimate::of(again)) {
        (Some(Estimate::Rows(told)), Some(Estimate::Rows(again))) => again <= told,
        (Some(Estimate::Unknown(_)), Some(_)) | (None, None) => true,
        (Some(Estimate::Rows(_)), Some(Estimate::Unknown(_)) | None)
        | (None, Some(_))
        | (Some(Estimate::Unknown(_)), None) => false,
    }
}

/// Whether a command does what an earlier request says, asked again: another time does not matter, nor that fewer rows are
/// estimated than people were told of, nor that its like has passed meanwhile.
pub fn same_again(earlier: &Facts, again: &Facts) -> bool {
    let others = |facts: &Facts| -> Vec<_> {
        let of_moment = [TIME, ESTIMATED_ROWS, FIRST_SEEN];
        let attributes = facts.attributes.iter();
        let attributes = attributes.filter(|(name, _)| !of_moment.contains(&name.as_str()));
        attributes.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    no_more(earlier, again)
        && (&earlier.accesses, &earlier.columns) == (&again.accesses, &again.columns)
        && others(earlier) == others(again)
}

#[cfg(test)]
mod tests;
