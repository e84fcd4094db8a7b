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
    /// It passed, and the target refused it to the gateway's account.
    Rejected,
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
                Some("failed") if command.code.as_deref().is_some_and(is_refusal) => Self::Rejected,
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
            Self::Rejected => "refused by the target",
            Self::Failed => "failed at the target",
            Self::Skipped => "skipped, because one before it failed",
            Self::Cut => "the reply was cut off",
            Self::Denied => "by policy, not sent",
            Self::Refused => "by a person, not sent",
            Self::Expired => "not approved in time, not sent",
            Self::Postponed => "not decided yet, not sent",
            Self::Unknown => "the log holds no end of its reply",
        };
        let code = command
            .code
            .as_deref()
            .filter(|_| matches!(self, Self::Rejected | Self::Failed));
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{}; {words}{code}; {rule}", command.outcome)
    }

    /// What the target says of what it did not do, where that is known.
    pub(super) fn detail(self, command: &CommandLine) -> Option<String> {
        let code = command.code.as_deref()?;
        match self {
            Self::Rejected => Some(format!("refused by the target: {code}")),
            Self::Failed => Some(format!("failed at the target: {code}")),
            _ => None,
        }
    }

    /// Whether nothing was sent to the target.
    pub(super) const fn is_stopped(self) -> bool {
        matches!(self, Self::Denied | Self::Refused | Self::Expired | Self::Postponed)
    }
}

/// Whether a target says by a code that it does not let the gateway's account do that: SQLSTATE 42501 and class 28 (PostgreSQL,
/// appendix A), HTTP 401 and 403 (RFC 9110, 15.5.2 and 15.5.4).
fn is_refusal(code: &str) -> bool {
    matches!(code, "42501" | "401" | "403") || (code.len() == 5 && code.starts_with("28"))
}

#[cfg(test)]
mod tests {
    use super::is_refusal;

    #[test]
    fn a_refusal_is_told_from_other_failures() {
        for (code, refusal) in [
            ("42501", true),
            ("28P01", true),
            ("28000", true),
            ("401", true),
            ("403", true),
            ("404", false),
            ("500", false),
            ("23505", false),
            ("280", false),
            ("", false),
        ] {
            assert_eq!(is_refusal(code), refusal, "{code}");
        }
    }
}
