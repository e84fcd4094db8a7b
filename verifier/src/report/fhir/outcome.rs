//! How a command or a log-in ended, as FHIR says it: `outcome`, the words beside it, and an `OperationOutcome` where it failed.
//!
//! FHIR's 4 is a minor failure and 8 a serious one. What policy or a person refused is 8, as in BALP's own example of a denied
//! access; what nobody decided, what failed at the target and a log-in that was refused are 4.

use exhibit_schemas::event::access::Outcome as Gate;
use serde_json::{Value, json};

use crate::evidence::CommandLine;

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
        let rule = command.rule.as_deref();
        let rule = rule.map_or_else(|| "no rule matched".to_owned(), |rule| format!("rule {rule}"));
        match Gate::from_word(&command.outcome) {
            Some(Gate::Allowed | Gate::Approved) => Self::passed(command),
            Some(Gate::Denied) => Self::failure("8", "forbidden", format!("denied by policy: {rule}; not sent")),
            Some(Gate::Refused) => Self::failure("8", "forbidden", format!("refused by a person: {rule}; not sent")),
            Some(Gate::Expired) => Self::failure("4", "forbidden", format!("not approved in time: {rule}; not sent")),
            Some(Gate::Postponed) => Self::failure("4", "forbidden", format!("not decided yet: {rule}; not sent")),
            None => Self::unknown(format!("what became of it is not known: {}", command.outcome)),
        }
    }

    fn passed(command: &CommandLine) -> Self {
        let outcome = &command.outcome;
        match command.status.as_deref() {
            Some("complete") => Self {
                code: Some(SUCCESS),
                words: format!("{outcome}; complete"),
                issue: None,
            },
            Some("failed") => Self::failure("4", "processing", format!("{outcome}; failed at the target")),
            Some("skipped") => Self::failure("4", "processing", format!("{outcome}; skipped, one before it failed")),
            Some("cut") => Self::failure("4", "incomplete", format!("{outcome}; the reply was cut off")),
            Some(other) => Self::unknown(format!("{outcome}; {other}")),
            None => Self::unknown(format!("{outcome}; the log holds no end of its reply")),
        }
    }

    /// A refused log-in.
    pub(super) fn login_refused(reason: &str) -> Self {
        Self::failure("4", "login", format!("log-in refused: {reason}"))
    }

    fn failure(code: &'static str, issue: &'static str, words: String) -> Self {
        Self {
            code: Some(code),
            words,
            issue: Some(issue),
        }
    }

    fn unknown(words: String) -> Self {
        Self {
            code: None,
            words,
            issue: None,
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
