//! `[limits]` of a policy file: how long sessions may last.

use serde::Deserialize;

use super::PolicyError;

/// Seconds that a limit of sessions has at the most: a month, so that every session ends.
pub const LIMIT_S_MAX: u64 = 31 * 86_400;

/// How long sessions may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Seconds that an agent may be silent while nothing of it is under way.
    pub idle_s: u64,
    /// Seconds from the opening of a session to its end.
    pub session_s: u64,
    /// Whether a session ends when the credential of its agent expires. Tokens of CI services last for minutes, and runs
    /// for hours, so it is the policy's to choose.
    pub expiry_ends_session: bool,
}

impl Default for Limits {
    /// An hour, and a day: longer than pipelines run, short enough that a forgotten session ends.
    fn default() -> Self {
        Self {
            idle_s: 3_600,
            session_s: 86_400,
            expiry_ends_session: false,
        }
    }
}

impl Limits {
    pub(super) fn check(self) -> Result<(), PolicyError> {
        for seconds in [self.idle_s, self.session_s] {
            if !(1..=LIMIT_S_MAX).contains(&seconds) {
                return Err(PolicyError::Rule {
                    place: "limits".to_owned(),
                    rule: "idle_s and session_s are each 1 to 2678400, a month",
                });
            }
        }
        Ok(())
    }
}
