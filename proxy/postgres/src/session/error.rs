//! Why a session ends: what the closing event says of it, and what the agent is told.

use exhibit_gate::GateError;

use crate::agent::LastWords;
use crate::copy::CopyError;
use crate::enforce::Drift;
use crate::link::LinkError;
use crate::message::MessageError;
use crate::upstream::UpstreamError;

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// The evidence failed.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The agent is gone, or does not read.
    #[error("the agent is gone")]
    Agent(#[from] std::io::Error),
    /// The agent sent what is not taken.
    #[error("{0}")]
    Protocol(MessageError),
    /// The server is gone, or sent what is not taken.
    #[error(transparent)]
    Target(#[from] UpstreamError),
    /// The server sent a message out of place.
    #[error("the target sent a message out of place")]
    Unexpected,
    /// A command that is run and rolled back was not over in its time.
    #[error("the target took too long")]
    Slow,
    /// A setting that the proxy depends on has changed.
    #[error("the target changed a setting that values are read by")]
    Setting,
    /// A column comes from a relation that the catalog does not know.
    #[error("the reply has a column of unknown origin, so its mask is unknown")]
    Origin,
    /// Rows that are copied out cannot be masked.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// Policy does not let the session begin.
    #[error("{0}")]
    Refused(String),
    /// What masks in the database is not as it has to be.
    #[error("the database does not mask as the policy says: {0}; see `exhibit target check`")]
    Drift(#[from] Drift),
    /// The policy has changed so that no session goes on that began under the one before.
    #[error("the policy has changed: {0}; connect again")]
    PolicyChanged(&'static str),
    /// The server ended its session; the agent was told.
    #[error("the target ended the session")]
    Ended,
    /// The agent was silent for too long.
    #[error("the session was idle for too long")]
    Idle,
    /// The policy lets no session last longer.
    #[error("the session has lasted as long as the policy lets it")]
    Limit,
    /// What the agent came with was revoked.
    #[error("what this session was opened with was revoked")]
    Revoked,
    /// The proxy stops.
    #[error("the proxy is shutting down")]
    Shutdown,
}

impl From<MessageError> for SessionError {
    fn from(error: MessageError) -> Self {
        Self::Target(error.into())
    }
}

impl SessionError {
    pub(crate) fn target(error: LinkError) -> Self {
        Self::Target(error.into())
    }

    /// The agent hung up while something of it was under way.
    pub(crate) fn gone() -> Self {
        Self::Agent(std::io::ErrorKind::UnexpectedEof.into())
    }

    /// The reason in the closing event.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Gate(GateError::Detected { .. }) => "detection",
            Self::Gate(GateError::Threshold { .. }) => "threshold",
            Self::Gate(GateError::Approval { .. } | GateError::MoreRows { .. }) => "approval",
            Self::Gate(GateError::Expired) => "expiry",
            Self::Agent(_) => "agent",
            Self::Protocol(_) => "protocol",
            Self::Target(_)
            | Self::Unexpected
            | Self::Slow
            | Self::Setting
            | Self::Origin
            | Self::Copy(_)
            | Self::Drift(_)
            | Self::Ended => "target",
            Self::Refused(_)
            | Self::PolicyChanged(_)
            | Self::Gate(GateError::PolicyChanged | GateError::ApprovalEnded { .. } | GateError::Uncounted { .. }) => {
                "policy"
            }
            Self::Gate(_) => "ledger",
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::Revoked => "revoked",
            Self::Shutdown => "shutdown",
        }
    }

    /// What the agent is told, where it still listens.
    pub(crate) fn last_words(&self) -> Option<LastWords> {
        let code = match self {
            Self::Protocol(MessageError::Length { .. }) => "54000",
            Self::Protocol(_) => "08P01",
            Self::Target(error) => error.sqlstate(),
            Self::Unexpected | Self::Slow | Self::Setting | Self::Origin | Self::Copy(_) => "XX000",
            Self::Refused(_)
            | Self::Gate(
                GateError::Detected { .. }
                | GateError::Threshold { .. }
                | GateError::Approval { .. }
                | GateError::MoreRows { .. }
                | GateError::Uncounted { .. }
                | GateError::ApprovalEnded { .. },
            ) => "42501",
            Self::Revoked | Self::Gate(GateError::Expired) => "28000",
            Self::Drift(_) => "55000",
            Self::Idle => "57P05",
            Self::Limit | Self::Shutdown | Self::PolicyChanged(_) | Self::Gate(GateError::PolicyChanged) => "57P01",
            Self::Gate(_) => "58030",
            Self::Agent(_) | Self::Ended => return None,
        };
        Some(LastWords {
            code,
            text: self.to_string(),
        })
    }
}
