//! Bodies of approvals: what waits, what a person decided about it, and what nobody decided.
//!
//! A decision is bound to the exact request (by leaf hash), and through it and again by value to the command, the
//! session, the target and the policy, so that it fits no other command.

use std::fmt;

use super::access::{DecisionRecord, Facts, Principal};
use super::{SessionId, Timestamp};
use crate::digest::Digest;

crate::code! {
    /// What a person decided.
    pub enum Verdict {
        /// The command may run, once.
        Approve = 0 "approve",
        /// It may not.
        Deny = 1 "deny",
        /// It may run, once, without the people who would have to approve, because of an emergency.
        Emergency = 2 "emergency",
    }
}

crate::code! {
    /// Which other commands a grant covers.
    pub enum GrantScope {
        /// Those of the same requester that differ in values alone.
        Fingerprint = 0 "fingerprint",
        /// Those of the same session about which the same rules ask.
        Session = 1 "session",
    }
}

crate::record! {
    /// How far a person may let an approval go, as a policy has it for a request.
    pub struct GrantBounds {
        /// For what.
        1 => scopes: Vec<GrantScope>,
        /// For how many minutes at the most.
        2 => minutes: u64,
        /// For how many commands at the most, the one that people were asked about among them.
        3 => uses: u64,
        /// For how many rows at the most, of all of them together.
        (?) 4 => rows: u64,
    }
}

crate::record! {
    /// That an approval is for more than the one command that people were asked about.
    pub struct Grant {
        /// For which others.
        1 => scope: GrantScope,
        /// For how many minutes from when it was signed.
        2 => minutes: u64,
        /// For how many commands, the one that people were asked about among them.
        3 => uses: u64,
    }
}

/// Bytes of the reason of an emergency at the most: a page of text.
pub const REASON_BYTES_MAX: usize = 4_096;

crate::record! {
    /// Times of the week.
    pub struct Hours {
        /// Days and a span of the day each, such as `Mon-Fri 08:00-18:00` or `22:00-06:00`.
        1 => windows: Vec<String>,
        /// Where: `UTC`, an offset such as `+01:00`, or a name of the IANA time zone database.
        2 => zone: String,
    }
}

crate::record! {
    /// Who must approve, and when.
    pub struct Requirement {
        /// Name of the approval in the policy.
        1 => name: String,
        /// A person of any of these groups counts.
        2 => groups: Vec<String>,
        /// How many distinct people must approve.
        3 => people: u64,
        /// Whether whoever asks, or set off the run that asks, may approve it, too.
        4 => requester_may_approve: bool,
        /// Of each of these groups another person must be among them; a person of any of these counts, too.
        (?) 5 => all_groups: Vec<String>,
        /// When approvals count; at any time if absent.
        (?) 6 => hours: Hours,
        /// What may be granted; nothing if absent.
        (?) 7 => grants: GrantBounds,
        /// Who may let it pass in an emergency; nobody if absent.
        (?) 8 => emergency: Box<Emergency>,
    }
}

crate::record! {
    /// Who may let a command pass without those who would have to approve, for how long, and who looks at it afterwards.
    pub struct Emergency {
        /// A person of any of these may.
        1 => groups: Vec<String>,
        /// Minutes that one use lasts: nothing passes, and nothing is released, by it later.
        2 => minutes: u64,
        /// A person of any of these, who had no part in it, has to review each use.
        3 => reviewers: Vec<String>,
        /// In how many days of 24 hours.
        4 => review_within_days: u64,
    }
}

impl fmt::Display for Hours {
    /// `Mon-Fri 08:00-18:00, Sat 22:00-06:00 (Europe/Vienna)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.windows.join(", "), self.zone)
    }
}

impl fmt::Display for Terms {
    /// `as a grant (fingerprint, 30 minutes, 20 uses), at most 500 rows`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Grant { scope, minutes, uses }) = &self.grant {
            write!(formatter, "as a grant ({scope}, {minutes} minutes, {uses} uses), ")?;
        }
        match self.rows {
            Some(rows) => write!(formatter, "at most {rows} rows"),
            None => formatter.write_str("as many rows as come"),
        }
    }
}

impl fmt::Display for GrantBounds {
    /// `fingerprint or session, at most 60 minutes, 100 uses, 5000 rows`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let (minutes, uses) = (self.minutes, self.uses);
        write!(
            formatter,
            "{}, at most {minutes} minutes, {uses} uses",
            scopes.join(" or ")
        )?;
        self.rows.map_or(Ok(()), |rows| write!(formatter, ", {rows} rows"))
    }
}

impl fmt::Display for Requirement {
    /// `2 of dba or lead, another one of each of dba, privacy, at Mon-Fri 08:00-18:00 (UTC)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.people, self.groups.join(" or "))?;
        if self.requester_may_approve {
            formatter.write_str(", whoever asks may be among them")?;
        }
        if let Some(groups) = &self.all_groups {
            write!(formatter, ", another one of each of {}", groups.join(", "))?;
        }
        if let Some(hours) = &self.hours {
            write!(formatter, ", at {hours}")?;
        }
        if let Some(grants) = &self.grants {
            write!(formatter, "; may be granted: {grants}")?;
        }
        match &self.emergency {
            Some(emergency) => write!(formatter, "; in an emergency {emergency}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Emergency {
    /// `one of on-call, for 30 minutes, reviewed by one of privacy within 3 days`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "one of {}, for {} minutes, reviewed by one of {} within {} days",
            self.groups.join(" or "),
            self.minutes,
            self.reviewers.join(" or "),
            self.review_within_days
        )
    }
}

impl ApprovalDecided {
    /// Whether its reason can be that of an emergency: words, and not too many.
    pub fn gives_reason(&self) -> bool {
        !self.reason.trim().is_empty() && self.reason.len() <= REASON_BYTES_MAX
    }
}

crate::record! {
    /// A command waits for people.
    pub struct ApprovalRequested {
        /// Name of the target.
        1 => target: String,
        /// The command as it may be read.
        2 => statement: String,
        /// HMAC-SHA-256 of its exact bytes, as in the command event that follows.
        3 => command: Digest,
        /// What it does.
        4 => facts: Facts,
        /// What the policy says of it.
        5 => decision: DecisionRecord,
        /// Who must approve.
        6 => requirement: Requirement,
        /// When the request expires.
        7 => expires: Timestamp,
        /// Until when its session waits. From then on until it expires, the same command of the same agent, run again, takes
        /// the request up, once. Absent: it ends with the wait.
        (?) 8 => held_until: Timestamp,
        /// Who asks: the principal of its session, so that people see it in what they sign for. Absent in those of older proxies.
        (?) 9 => requester: Box<Principal>,
        /// What a preview of the command has shown, where its policy asks for one.
        (?) 10 => preview: Previewed,
    }
}

/// What people are told that a command would change, by a run of it that was rolled back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum Previewed {
    /// So many rows, by the target's own count.
    Rows(u64),
    /// Nobody knows, and why. Never a value or a message of the target; of an error its code at the most.
    Not(String),
}

impl fmt::Display for Previewed {
    /// `12 rows, by a run that was rolled back`, or why there is none.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(1) => formatter.write_str("1 row, by a run that was rolled back"),
            Self::Rows(rows) => write!(formatter, "{rows} rows, by a run that was rolled back"),
            Self::Not(why) => write!(formatter, "none: {why}"),
        }
    }
}

crate::record! {
    /// A command is about to be run at its target and rolled back, so that people who are asked about it are told how many rows it
    /// changes. It reaches the target only when this is durable.
    pub struct PreviewRun {
        /// The command as it may be read.
        1 => statement: String,
        /// HMAC-SHA-256 of the command's exact bytes, as in the request that follows.
        2 => command: Digest,
        /// What it does.
        3 => facts: Facts,
        /// What the policy says of it: that people are asked.
        4 => decision: DecisionRecord,
        /// HMAC-SHA-256 of the bytes that the target gets for the preview.
        5 => exact: Digest,
    }
}

crate::record! {
    /// A person decided; sealed with that person's own key.
    pub struct ApprovalDecided {
        /// Leaf hash of the request event.
        1 => request: Digest,
        /// The request's command digest.
        2 => command: Digest,
        /// The request's session.
        3 => session: SessionId,
        /// The request's target.
        4 => target: String,
        /// The request's policy.
        5 => policy: Digest,
        /// The request's expiry.
        6 => expires: Timestamp,
        /// The decision.
        7 => verdict: Verdict,
        /// Why, in the person's words.
        8 => reason: String,
        /// How far the approval goes. A refusal has none.
        (?) 9 => terms: Terms,
    }
}

crate::record! {
    /// How far a person lets what is approved go. Of several people the narrowest holds.
    pub struct Terms {
        /// Rows that may be released by it at the most; as many as come if absent.
        (?) 1 => rows: u64,
        /// For which other commands it is, too; for none if absent.
        (?) 2 => grant: Grant,
    }
}

crate::record! {
    /// A person took back what was approved, or refuses it; sealed with that person's own key.
    pub struct ApprovalRevoked {
        /// Index of the request event.
        1 => index: u64,
        /// Leaf hash of the request event.
        2 => request: Digest,
        /// The request's session.
        3 => session: SessionId,
        /// Why, in the person's words.
        4 => reason: String,
    }
}

crate::record! {
    /// A request ended without a decision.
    pub struct ApprovalExpired {
        /// Sequence in this session of the request.
        1 => request: u64,
        /// Why: `time`, `agent` (it went away or cancelled), `shutdown`.
        2 => reason: String,
    }
}
