//! What the log says of sessions and approvals, kept beside the entries and derived from them alone.

use exhibit_schemas::chain::SessionChain;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::{Body, Event, Kind, SessionId};
use exhibit_schemas::key::KeyId;

exhibit_schemas::record! {
    /// A session, as far as its events say.
    pub struct SessionRecord {
        /// Emitter of its events.
        1 => emitter: KeyId,
        /// Boot of the emitter.
        2 => boot: u64,
        /// Sequence of its next event.
        3 => next: u64,
        /// Whether it was closed.
        4 => closed: bool,
        /// Index of its opening.
        5 => opened: u64,
        /// Index of its last event.
        6 => last: u64,
        /// Unix microseconds of its opening.
        7 => opened_us: u64,
        /// Unix microseconds of its last event.
        8 => last_us: u64,
        /// Name of the target.
        9 => target: String,
        /// The principal's subject.
        10 => subject: String,
        /// Commands recorded.
        11 => commands: u64,
        /// Leaf hash of the approval request that waits in it; a session waits for one at a time.
        (?) 12 => waiting: Digest,
    }
}

exhibit_schemas::record! {
    /// An approval request that waits.
    pub struct ApprovalRecord {
        /// Index of the request event.
        1 => index: u64,
        /// The session that waits.
        2 => session: SessionId,
        /// Unix microseconds at which it expires.
        3 => expires_us: u64,
        /// Indexes of the decisions so far.
        4 => decisions: Vec<u64>,
    }
}

impl SessionRecord {
    /// The part that the order of events is checked against.
    pub fn chain(&self) -> SessionChain {
        SessionChain {
            emitter: self.emitter,
            boot: self.boot,
            next: self.next,
            closed: self.closed,
        }
    }
}

/// What happens to the approval requests that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalChange {
    /// A request begins to wait.
    Begins(Digest, ApprovalRecord),
    /// A request does not wait any more.
    Ends(Digest),
    /// A retry has ended a request of another session; it is one of the same proxy, or nothing changes.
    TakenUp(Digest),
    /// A person decided about a request.
    Decided(Digest, u64),
}

/// The session's record after an event whose place in the session was checked.
///
/// `chain` is where the session stands after it, `leaf` the event's leaf hash.
pub fn step_session(
    before: Option<SessionRecord>,
    chain: SessionChain,
    event: &Event,
    index: u64,
    leaf: Digest,
) -> SessionRecord {
    let (target, subject) = match &event.body {
        Body::SessionOpened(opened) => (opened.target.clone(), opened.principal.subject.clone()),
        _ => (String::new(), String::new()),
    };
    let mut record = before.unwrap_or(SessionRecord {
        emitter: chain.emitter,
        boot: chain.boot,
        next: 0,
        closed: false,
        opened: index,
        last: index,
        opened_us: event.time.0,
        last_us: event.time.0,
        target,
        subject,
        commands: 0,
        waiting: None,
    });
    record.next = chain.next;
    record.closed = chain.closed;
    record.last = index;
    record.last_us = event.time.0;
    record.commands += u64::from(event.kind() == Kind::Command);
    match &event.body {
        Body::ApprovalRequested(_) => record.waiting = Some(leaf),
        Body::ApprovalExpired(_) | Body::Command(_) | Body::ThresholdDecided(_) | Body::SessionClosed(_) => {
            record.waiting = None;
        }
        _ => {}
    }
    record
}

/// What an event changes among the requests that wait; `before` is its session's record before it.
pub fn approval_changes(
    before: Option<&SessionRecord>,
    event: &Event,
    index: u64,
    leaf: Digest,
) -> Vec<ApprovalChange> {
    let ended = before.and_then(|record| record.waiting).map(ApprovalChange::Ends);
    if let Body::Command(command) = &event.body {
        match (command.outcome, command.retries) {
            // Its request stays open.
            (Outcome::Postponed, _) => return Vec::new(),
            (_, Some(request)) => return vec![ApprovalChange::TakenUp(request)],
            (_, None) => {}
        }
    }
    match (&event.body, event.session) {
        (Body::ApprovalRequested(request), Some(place)) => {
            let record = ApprovalRecord {
                index,
                session: place.0,
                expires_us: request.expires.0,
                decisions: Vec::new(),
            };
            ended
                .into_iter()
                .chain([ApprovalChange::Begins(leaf, record)])
                .collect()
        }
        (Body::ApprovalExpired(_) | Body::Command(_) | Body::ThresholdDecided(_) | Body::SessionClosed(_), _) => {
            ended.into_iter().collect()
        }
        (Body::ApprovalDecided(decided), _) => vec![ApprovalChange::Decided(decided.request, index)],
        _ => Vec::new(),
    }
}

/// Whether streams publish a batch with this event: proxies check key events, decisions and signatures under policies for
/// themselves. The ledger
/// finds its own keyring again by these batches.
pub const fn is_published(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Genesis
            | Kind::KeyEnrolled
            | Kind::KeyRevoked
            | Kind::KeyRotated
            | Kind::ApprovalDecided
            | Kind::MaskKeyAnnounced
            | Kind::PolicySigned
    )
}
