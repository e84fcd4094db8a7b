//! Emergency access ("break-glass"): that one listed person lets a request pass without those who would have to approve.
//!
//! ```toml
//! [[approvals]]
//! emergency = { groups = ["on-call"], minutes = 30, reviewers = ["privacy"], review_within_days = 3, targets = ["clinic"] }
//! ```
//!
//! It is for what waits for that approval, on the targets named, or on all. Who it is that may, that a reason is given, and that nobody
//! lets pass what is that person's own is checked with the approvals ([`crate::approval::check`]).
//!
//! Not here: whether a use was reviewed, which the verifier says.

use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::approval::{ApprovalRequested, Emergency as Stated};
use serde::Deserialize;

use crate::review::WITHIN_DAYS_MAX;

/// Minutes that one use lasts at the most: a day. What takes longer has time for people.
pub const MINUTES_MAX: u64 = 1_440;

const MINUTE_US: u64 = 60_000_000;

const DAY_US: u64 = 86_400_000_000;

/// What a policy says of emergencies for one of its approvals.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emergency {
    /// A person of any of these may let a request pass.
    pub groups: Vec<String>,
    /// Minutes that one use lasts.
    pub minutes: u64,
    /// A person of any of these, who had no part in it, has to review each use.
    pub reviewers: Vec<String>,
    /// In how many days of 24 hours.
    pub review_within_days: u64,
    /// On which targets; on all if left out.
    pub targets: Option<Vec<String>>,
}

impl Emergency {
    /// Why it cannot be.
    pub(crate) fn unfit(&self) -> Option<&'static str> {
        match self {
            Self { groups, .. } if groups.is_empty() => Some("emergency: name at least one group that may use it"),
            Self { reviewers, .. } if reviewers.is_empty() => {
                Some("emergency: name at least one group that reviews each use")
            }
            Self { minutes, .. } if !(1..=MINUTES_MAX).contains(minutes) => Some("emergency: minutes is 1 to 1440"),
            Self { review_within_days, .. } if !(1..=WITHIN_DAYS_MAX).contains(review_within_days) => {
                Some("emergency: review_within_days is 1 to 366")
            }
            Self {
                targets: Some(targets), ..
            } if targets.is_empty() => Some("emergency: targets is left out for all of them"),
            Self { .. } => None,
        }
    }

    /// Whether it is for a target.
    pub fn is_for(&self, target: &str) -> bool {
        self.targets
            .as_ref()
            .is_none_or(|targets| targets.iter().any(|named| named == target))
    }

    /// As a request to a target says it.
    pub fn stated(&self, target: &str) -> Option<Stated> {
        self.is_for(target).then(|| Stated {
            groups: self.groups.clone(),
            minutes: self.minutes,
            reviewers: self.reviewers.clone(),
            review_within_days: self.review_within_days,
        })
    }
}

/// Until when something may pass, and be released, by a decision of `decided`, where something comes of it at `first`, by the proxy's clock:
/// neither that clock nor the person's lets it last longer. Nothing may where nobody could have signed one.
pub fn ends(request: &ApprovalRequested, decided: Timestamp, first: Timestamp) -> Timestamp {
    let minutes = request
        .requirement
        .emergency
        .as_ref()
        .map_or(0, |stated| stated.minutes);
    let lasts_us = minutes.saturating_mul(MINUTE_US);
    Timestamp(decided.min(first).0.saturating_add(lasts_us))
}

/// From when on the review of a use is overdue, of which something came at `used`.
pub fn deadline(request: &ApprovalRequested, used: Timestamp) -> Timestamp {
    let stated = request.requirement.emergency.as_ref();
    let days = stated.map_or(0, |stated| stated.review_within_days);
    Timestamp(used.0.saturating_add(days.saturating_mul(DAY_US)))
}

#[cfg(test)]
mod tests;
