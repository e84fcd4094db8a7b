//! Why the gate stops a session. Every variant fails closed: nothing passes after it.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{EventError, SessionId};
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
    /// What the ledger says cannot be trusted: it lost what it acknowledged, or its signatures do not hold.
    #[error("the evidence ledger cannot be trusted ({reason}); nothing passes until an operator has looked at it")]
    LedgerDistrusted {
        /// What does not hold.
        reason: String,
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
    /// A row that no event holds; the protocol must frame it itself.
    #[error("a row of {bytes} bytes does not fit an event; its protocol must send it as framed bytes")]
    RowTooLong {
        /// Bytes of its cells.
        bytes: usize,
    },
    /// A value of one session was used in another, or one command's reply was finished twice.
    #[error("session {session}: a value of another session, or of a reply that has ended, was handed over")]
    Foreign {
        /// The session that refused it.
        session: SessionId,
    },
    /// The session's events would not follow each other: an earlier one was not taken.
    #[error("session {session}: its evidence would have a gap")]
    Gap {
        /// The session.
        session: SessionId,
    },
    /// Detectors found in what was about to be released what a net of the policy ends the session for.
    #[error("the session ends by policy: an identifier was about to be released (net: {net})")]
    Detected {
        /// The net.
        net: String,
    },
    /// A reply came to more than policy or people let out.
    #[error("refused by policy: {reason} (rule: {rule}); the reply came to {rows} rows and {bytes} bytes")]
    Threshold {
        /// The rule.
        rule: String,
        /// Why: the rule's reason, or how people decided.
        reason: String,
        /// Rows with those that were held.
        rows: u64,
        /// Bytes.
        bytes: u64,
    },
    /// What people approved lets no more of a reply out.
    #[error("{reason}; {rows} rows of it had left before")]
    Approval {
        /// Why.
        reason: &'static str,
        /// Rows that were released before.
        rows: u64,
    },
    /// A command changed more rows than people approved; the target has not committed them.
    #[error(
        "it changed {}, and request {request} was approved for {most}: more rows than people approved. Nothing of its transaction lasts",
        rows(*.changed)
    )]
    MoreRows {
        /// The request.
        request: String,
        /// Rows that all by that approval have changed; `None` where nobody can say how many.
        changed: Option<u64>,
        /// Rows that people approved.
        most: u64,
    },
    /// People approved so many rows of what the target does not count before it commits it.
    #[error("request {request} was approved for {most} rows, and {reason}; nothing of it ran")]
    Uncounted {
        /// The request.
        request: String,
        /// Rows that people approved.
        most: u64,
        /// Why it is not counted.
        reason: &'static str,
    },
    /// The approval that a command was to pass by ended before it was recorded.
    #[error("{reason}, while it waited; send it again")]
    ApprovalEnded {
        /// Why.
        reason: &'static str,
    },
    /// Fewer people have signed a policy than the trust anchors ask for.
    #[error(
        "policy {policy} is signed by {} and needs {wanted} signatures; each person gives one with `exhibit policy sign FILE`",
        names(.signed)
    )]
    Unsigned {
        /// Its digest.
        policy: Digest,
        /// Names of those who have.
        signed: Vec<String>,
        /// How many people must have.
        wanted: usize,
    },
    /// Another policy came into force between a decision and its record.
    #[error("the policy has changed since it was decided; send it again")]
    PolicyChanged,
    /// What was decided waited until its rule holds no more.
    #[error("it waited past the hours for which it was decided; send it again")]
    Hours,
    /// The agent's credential expired, and the policy ends sessions with it.
    #[error("what this session was opened with has expired")]
    Expired,
    /// Random bytes could not be had from the operating system.
    #[error("the operating system gives no random bytes")]
    Random,
    /// The exact bytes of a command could not be encrypted to the recipients of the policy.
    #[error("the exact command cannot be sealed to the recipients of the policy; nothing passes without its copy")]
    Sealing,
    /// The proxy is shutting down.
    #[error("the proxy is shutting down")]
    Stopping,
}

fn rows(changed: Option<u64>) -> String {
    changed.map_or_else(
        || "rows of which nobody can say how many they are".to_owned(),
        |rows| format!("{rows} rows"),
    )
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    names.join(", ")
}
