//! Why the gate stops a session. Every variant fails closed: nothing passes after it.

use exhibit_schemas::event::EventError;
use exhibit_schemas::wire::RefusalCode;

/// Why the gate does not go on.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum GateError {
    /// The ledger cannot be reached, or did not answer in time.
    #[error("the evidence ledger is not available ({reason}); nothing passes without it")]
    LedgerUnavailable {
        /// What was tried, without values.
        reason: String,
    },
    /// The ledger refused a batch.
    #[error("the evidence ledger refused an event ({code}: {text}); nothing passes without it")]
    LedgerRefused {
        /// The cause, for programs.
        code: RefusalCode,
        /// The cause, for people.
        text: String,
    },
    /// Too much waits to be recorded.
    #[error("the evidence queue is over its limit of {limit} events; try again later")]
    QueueFull {
        /// The limit.
        limit: usize,
    },
    /// The clock is before the time of an event already recorded, or before 1970.
    #[error("this machine's clock is broken (it reads {now_us} µs after {last_us} µs)")]
    Clock {
        /// What it reads.
        now_us: u64,
        /// What it read before.
        last_us: u64,
    },
    /// An event could not be encoded.
    #[error("the evidence of this request cannot be recorded: {0}")]
    Event(#[from] EventError),
    /// The proxy is shutting down.
    #[error("the proxy is shutting down")]
    Stopping,
}
