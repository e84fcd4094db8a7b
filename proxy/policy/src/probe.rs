//! Probes: values that a request has a target compare with masked columns.
//!
//! An answer to `WHERE ssn = $1` tells of each row whether its value is the one that was tried. What bounds that is how many
//! values are tried, so the facts of a request say it, and every decision about it can be made again from them alone:
//!
//! | attribute | value |
//! | --- | --- |
//! | `probe:<column>` | how many values the request tries on that column; the protocol says it |
//! | `probed:<mask>` | how many were tried on columns of that mask in the hour before; the gate says it, by [`Tried`] |
//!
//! Everybody's tries count together, for each mask of a target: no new session, credential or pipeline gives more of them, and
//! no other name of the mask does.
//!
//! Not here: what counts as a probe (the protocol, which refuses all other conditions on masked columns), and the text of the
//! policy ([`crate::snapshot`]).

use std::collections::{BTreeMap, VecDeque};

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::{Attribute, Facts};

use crate::snapshot::Snapshot;

/// What the name of the attribute begins with that says how many values are tried on a column.
pub const PROBE: &str = "probe:";

/// What the name of the attribute begins with that says how many values were tried under a mask before.
pub const PROBED: &str = "probed:";

/// The hour that `probes_per_hour` is about, in microseconds.
pub const HOUR_US: u64 = 3_600_000_000;

/// Values an hour where a mask lets values be tried and does not say how many: enough for people's questions, and far too few
/// to go through birthdays.
pub const PROBES_PER_HOUR: u64 = 10;

/// Values an hour at the most: whoever needs more has to be allowed the column, and what is counted stays small.
pub const PROBES_PER_HOUR_MAX: u64 = 1_000;

/// What a mask says of conditions that go by its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Predicates {
    /// There are none.
    #[default]
    Deny,
    /// Values may be tried, if people approve each statement.
    Ask {
        /// The approval.
        approval: String,
        /// Values in an hour, all requests together, counted when it is asked.
        per_hour: u64,
    },
    /// Values may be tried.
    Equality {
        /// Values in an hour, all requests together.
        per_hour: u64,
    },
}

impl Predicates {
    /// Their words in a policy.
    pub const WORDS: [&str; 3] = ["deny", "ask", "equality"];

    /// The word in a policy.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask { .. } => "ask",
            Self::Equality { .. } => "equality",
        }
    }

    /// Values that may be tried in an hour.
    pub const fn per_hour(&self) -> u64 {
        match self {
            Self::Deny => 0,
            Self::Ask { per_hour, .. } | Self::Equality { per_hour } => *per_hour,
        }
    }
}

/// The columns on which a request tries values, and how many.
pub fn columns(facts: &Facts) -> impl Iterator<Item = (&str, u64)> {
    facts.attributes.iter().filter_map(|(name, values)| {
        let values = match values {
            Attribute::Integer(values) => *values,
            // Nobody writes that; it is more than every policy allows.
            Attribute::Bool(_) | Attribute::Text(_) => u64::MAX,
        };
        Some((name.strip_prefix(PROBE)?, values))
    })
}

/// How many values a request tries, by the name of the mask of their columns. A column without a mask has none.
pub fn by_mask<'a>(snapshot: &'a Snapshot, target: &str, facts: &Facts) -> BTreeMap<&'a str, u64> {
    let mut tried: BTreeMap<&str, u64> = BTreeMap::new();
    for (column, values) in columns(facts) {
        if let Some(mask) = snapshot.mask(target, column) {
            let sum = tried.entry(&mask.name).or_default();
            *sum = sum.saturating_add(values);
        }
    }
    tried
}

/// How many values were tried under a mask before a request, as its facts say.
pub fn before(facts: &Facts, mask: &str) -> Option<u64> {
    match facts.attributes.get(&format!("{PROBED}{mask}")) {
        Some(Attribute::Integer(values)) => Some(*values),
        _ => None,
    }
}

/// Says in the facts of a request how many values were tried under a mask before.
pub fn state(facts: &mut Facts, mask: &str, values: u64) {
    let name = format!("{PROBED}{mask}");
    facts.attributes.insert(name, Attribute::Integer(values));
}

/// What masks say of the values that a request tries.
pub(crate) enum Judged<'a> {
    /// It tries none, or may.
    Allowed,
    /// It may, if people approve.
    Asked {
        approval: &'a str,
        reason: String,
    },
    Denied(String),
}

/// Judges the values that a request tries; the strictest of all its columns holds.
pub(crate) fn judge<'a>(snapshot: &'a Snapshot, target: &str, facts: &Facts) -> Judged<'a> {
    let mut judged = Judged::Allowed;
    for (column, values) in columns(facts) {
        let mask = snapshot.mask(target, column);
        let Some(mask) = mask.filter(|mask| mask.predicates != Predicates::Deny) else {
            return Judged::Denied(format!("no mask lets values be tried on {column}"));
        };
        if values == 0 {
            return Judged::Denied(format!("how many values are tried on {column} is not known"));
        }
        if let Predicates::Ask { approval, .. } = &mask.predicates {
            match &judged {
                Judged::Asked { approval: other, .. } if other != approval => {
                    let reason = "values are tried under masks that ask for different approvals; try them one by one";
                    return Judged::Denied(reason.to_owned());
                }
                Judged::Asked { .. } => {}
                _ => {
                    judged = Judged::Asked {
                        approval,
                        reason: format!("mask `{}` asks before values are tried on {column}", mask.name),
                    };
                }
            }
        }
    }
    let mut tried = by_mask(snapshot, target, facts).into_iter();
    let exceeded = tried.find_map(|(mask, values)| {
        let limit = snapshot.probes_per_hour(mask);
        exceeded(mask, limit, before(facts, mask), values)
    });
    exceeded.map_or(judged, Judged::Denied)
}

/// Why a mask does not let so many values more be tried.
fn exceeded(name: &str, limit: u64, before: Option<u64>, values: u64) -> Option<String> {
    let Some(before) = before else {
        return Some(format!("how many values were tried under mask `{name}` is not known"));
    };
    (before.saturating_add(values) > limit).then(|| {
        format!(
            "mask `{name}` lets {limit} values be tried in an hour; {before} were, and these would be {values} more"
        )
    })
}

/// How many values were tried within the last hour, by target and column.
///
/// Columns are counted, and not masks: another policy may give the mask of a column another name, and what was tried on the
/// column stays tried. A mask has what was tried on all columns that it covers.
///
/// What counts is kept for an hour and a decision at the most [`PROBES_PER_HOUR_MAX`] times for each mask, for a request
/// tries at least one.
#[derive(Debug, Default)]
pub struct Tried {
    by_column: BTreeMap<(String, String), VecDeque<(Timestamp, u64)>>,
}

impl Tried {
    /// Values that were tried within the hour before `now` on columns that have that mask.
    pub fn before(&mut self, snapshot: &Snapshot, target: &str, mask: &str, now: Timestamp) -> u64 {
        self.by_column.retain(|_, tries| {
            // A clock that was set back keeps them for longer.
            while tries
                .front()
                .is_some_and(|(time, _)| time.0.saturating_add(HOUR_US) <= now.0)
            {
                tries.pop_front();
            }
            !tries.is_empty()
        });
        let covered = |(tried_on, column): &(String, String)| {
            tried_on == target && snapshot.mask(target, column).is_some_and(|found| found.name == mask)
        };
        let tries = self.by_column.iter().filter(|(key, _)| covered(key));
        let values = tries.flat_map(|(_, tries)| tries.iter().map(|(_, values)| *values));
        values.fold(0, u64::saturating_add)
    }

    /// Counts the values that a request tries from now on.
    pub fn add(&mut self, target: &str, facts: &Facts, now: Timestamp) {
        for (column, values) in columns(facts) {
            let key = (target.to_owned(), column.to_owned());
            self.by_column.entry(key).or_default().push_back((now, values));
        }
    }
}

#[cfg(test)]
mod tests;
