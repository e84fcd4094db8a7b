//! How a command or a log-in ended, as FHIR says it: `outcome`, the words beside it, and an `OperationOutcome` where it failed.
//!
//! FHIR's 4 is a minor failure and 8 a serious one. What policy, a person or the target refused is 8, as in BALP's own example of a denied
//! access; what nobody decided, what failed at the target and a log-in that was refused are 4.

use serde_json::{Value, json};

use crate::evidence::CommandLine;
use crate::report::ending::Ending;

/// FHIR's word of success.
const SUCCESS: &str = "0";

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// FHIR's code; `None` where the log has no end.
    pub(super) code: Option<&'static str>,
    /// The same in words.
    pub(super) words: String,
    /// FHIR's type of the issue, of a failure.
    issue: Option<&'static str>,
}

impl Outcome {
    /// How a command ended.
    pub(super) fn of(command: &CommandLine) -> Self {
        let ending = Ending::of(command);
        let (code, issue) = match ending {
            Ending::Complete => (Some(SUCCESS), None),
            Ending::Failed | Ending::Skipped => (Some("4"), Some("processing")),
            Ending::Cut => (Some("4"), Some("incomplete")),
            Ending::Denied | Ending::Refused | Ending::Rejected => (Some("8"), Some("forbidden")),
            Ending::Expired | Ending::Postponed => (Some("4"), Some("forbidden")),
            Ending::Unknown => (None, None),
        };
        Self {
            code,
            words: ending.words(command),
            issue,
        }
    }

    /// A refused log-in.
    pub(super) fn login_refused(reason: &str) -> Self {
        Self {
            code: Some("4"),
            words: format!("log-in refused: {reason}"),
            issue: Some("login"),
        }
    }

    /// Whether it is a success, which alone keeps to a profile of BALP.
    pub(super) fn is_success(&self) -> bool {
        self.code == Some(SUCCESS)
    }

    /// The contained `OperationOutcome` of a failure, by which BALP wants one told.
    pub(super) fn resource(&self) -> Option<Value> {
        self.issue.map(|issue| {
            json!({
                "resourceType": "OperationOutcome",
                "id": "outcome",
                "issue": [{ "severity": "error", "code": issue, "details": { "text": self.words } }],
            })
        })
    }
}
