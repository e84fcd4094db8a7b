//! How a command ended, as other formats tell it.
//!
//! Not here: the codes of each format.

use exhibit_schemas::event::access::Outcome;

use crate::evidence::CommandLine;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It passed and its reply is complete.
    Complete,
    /// It passed and failed at the target.
    Failed,
    /// It passed and was skipped, because one before it failed.
    Skipped,
    /// It passed and its reply was cut off.
    Cut,
    /// Policy denied it.
    Denied,
    /// A person refused it.
    Refused,
    /// Nobody approved it in time.
    Expired,
    /// It was not decided when its session stopped waiting.
    Postponed,
    /// The log does not say.
    Unknown,
}

impl Ending {
    /// How a command ended.
    pub(super) fn of(command: &CommandLine) -> Self {
        match Outcome::from_word(&command.outcome) {
            Some(Outcome::Denied) => Self::Denied,
            Some(Outcome::Refused) => Self::Refused,
            Some(Outcome::Expired) => Self::Expired,
            Some(Outcome::Postponed) => Self::Postponed,
            Some(Outcome::Allowed | Outcome::Approved) => match command.status.as_deref() {
                Some("complete") => Self::Complete,
                Some("failed") => Self::Failed,
                Some("skipped") => Self::Skipped,
                Some("cut") => Self::Cut,
                _ => Self::Unknown,
            },
            None => Self::Unknown,
        }
    }

    /// The same in words, with what the gate did and the rule.
    pub(super) fn words(self, command: &CommandLine) -> String {
        let rule = command.rule.as_deref();
        let rule = rule.map_or_else(|| "no rule matched".to_owned(), |rule| format!("rule {rule}"));
        let words = match self {
            Self::Complete => "complete",
            Self::Failed => "failed at the target",
            Self::Skipped => "skipped, because one before it failed",
            Self::Cut => "the reply was cut off",
            Self::Denied => "by policy, not sent",
            Self::Refused => "by a person, not sent",
            Self::Expired => "not approved in time, not sent",
            Self::Postponed => "not decided yet, not sent",
            Self::Unknown => "the log holds no end of its reply",
        };
        format!("{}; {words}; {rule}", command.outcome)
    }

    /// Whether nothing was sent to the target.
    pub(super) const fn is_stopped(self) -> bool {
        matches!(self, Self::Denied | Self::Refused | Self::Expired | Self::Postponed)
    }
}
