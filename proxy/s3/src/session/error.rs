//! Why a session ends: what the closing event says of it, and what the agent is told.

use exhibit_gate::GateError;

use crate::answer::Failure;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The evidence failed, or a limit of the policy ends the session.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// It had ended before.
    #[error("the session has ended; connect again")]
    Ended,
    /// The policy lets no session last longer.
    #[error("the session has lasted as long as the policy lets it; connect again")]
    Limit,
    /// The agent was silent for too long.
    #[error("the session was idle for too long")]
    Idle,
    /// What the agent came with was revoked.
    #[error("what this session was opened with was revoked")]
    Revoked,
    /// What the agent came with has expired.
    #[error("what this session was opened with has expired")]
    Expired,
    /// The agent went away, or does not read.
    #[error("the agent is gone")]
    Agent,
    /// The store broke off in the middle of an answer.
    #[error("the store broke off in the middle of its answer")]
    Store,
}

impl SessionError {
    /// The reason in the closing event.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Gate(GateError::Detected { .. }) => "detection",
            Self::Gate(GateError::Threshold { .. }) => "threshold",
            Self::Gate(GateError::Approval { .. }) => "approval",
            Self::Gate(GateError::PolicyChanged | GateError::ApprovalEnded { .. }) => "policy",
            Self::Gate(GateError::Expired) | Self::Expired => "expiry",
            Self::Gate(GateError::Stopping) => "shutdown",
            Self::Gate(_) => "ledger",
            Self::Ended | Self::Agent => "agent",
            Self::Limit => "limit",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::Store => "target",
        }
    }

    /// What the agent is told, where it still listens.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Gate(
                GateError::Detected { .. }
                | GateError::Threshold { .. }
                | GateError::Approval { .. }
                | GateError::ApprovalEnded { .. }
                | GateError::Expired,
            )
            | Self::Revoked
            | Self::Expired => Failure::denied(self.to_string()),
            _ => Failure::unavailable(self.to_string()),
        }
    }
}
