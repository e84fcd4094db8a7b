//! What the log says of sessions and approvals, kept beside the entries and derived from them alone.

use exhibit_schemas::chain::SessionChain;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Outcome, ResponseEnd};
use exhibit_schemas::event::{Body, Event, Kind, SessionId, Timestamp};
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
        /// Of a store of before: what waits in it. Not written any more; it is listed until a day after its expiry.
        (?) 12 => waiting: Digest,
        /// Commands whose reply is released by people's approval, and has not ended.
        (?) 13 => passing: Vec<Passing>,
        /// Requests of the session of which nothing came yet: they wait, or were approved and wait for others beside them.
        (?) 14 => asked: Vec<Passing>,
        /// Commands whose reply has ended, and that changed something by people's approval which is not committed.
        (?) 15 => uncommitted: Vec<Passing>,
    }
}

/// A command of a session by its sequence, and leaf hash of the request by whose approval it passed; or such a request by its
/// own sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Passing(pub u64, pub Digest);

exhibit_schemas::record! {
    /// An approval request that waits, or by whose approval something is released.
    pub struct ApprovalRecord {
        /// Index of the request event.
        1 => index: u64,
        /// The session that waits.
        2 => session: SessionId,
        /// Unix microseconds at which it expires.
        3 => expires_us: u64,
        /// Indexes of the decisions so far.
        4 => decisions: Vec<u64>,
        /// What came of it; absent while it waits.
        (?) 5 => passed: PassedRecord,
    }
}

exhibit_schemas::record! {
    /// What came of an approval.
    pub struct PassedRecord {
        /// Commands, and replies at a threshold, that passed by it.
        1 => commands: u64,
        /// Rows that were released by it.
        2 => rows: u64,
        /// Commands by it whose reply has not ended, or whose changes are not committed.
        3 => open: u64,
        /// Rows at the most.
        (?) 4 => rows_most: u64,
        /// Of a grant, commands at the most.
        (?) 5 => commands_most: u64,
        /// Of a grant, unix microseconds of its end.
        (?) 6 => until_us: u64,
    }
}

impl PassedRecord {
    /// Whether something can still come of it at a time.
    pub fn goes_on(&self, now: Timestamp) -> bool {
        let lasts = self.until_us.is_some_and(|until| now.0 < until);
        let left = self.commands_most.is_some_and(|most| self.commands < most);
        self.open > 0 || (lasts && left)
    }
}

impl ApprovalRecord {
    /// Whether it still waits for people.
    pub const fn waits(&self) -> bool {
        self.passed.is_none()
    }
}

/// Replies by approvals in one session of which the ledger keeps in mind that they have not ended; more are in the log alone.
const PASSING_MAX: usize = 256;

/// Requests of one session of which nothing came yet, that the ledger keeps in mind; those of more are listed until a day after their expiry.
const ASKED_MAX: usize = 256;

impl SessionRecord {
    /// Leaf hash of the request that stands at that place of the session.
    fn asked(&self, request: Option<u64>) -> Option<Digest> {
        let mut asked = self.asked.iter().flatten();
        let found = asked.find(|Passing(sequence, _)| Some(*sequence) == request);
        found.map(|Passing(_, leaf)| *leaf)
    }

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
    /// Something passes by the approval of a request, with leaf hashes of the decisions; it is one of the same proxy, or nothing changes.
    Passes(Digest, Vec<Digest>),
    /// So many rows were released by it.
    Released(Digest, u64),
    /// A reply by it has ended, or what a command by it changed is committed or taken back.
    Answered(Digest),
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
        passing: None,
        asked: None,
        uncommitted: None,
    });
    if let Some(uncommitted) = uncommitted(&record, event) {
        record.uncommitted = Some(uncommitted).filter(|uncommitted| !uncommitted.is_empty());
    }
    if let Some(passing) = passing(&record, event) {
        record.passing = Some(passing).filter(|passing| !passing.is_empty());
    }
    record.next = chain.next;
    record.closed = chain.closed;
    record.last = index;
    record.last_us = event.time.0;
    record.commands += u64::from(event.kind() == Kind::Command);
    let mut asked = record.asked.take().unwrap_or_default();
    match &event.body {
        Body::ApprovalRequested(_) if asked.len() < ASKED_MAX => {
            asked.extend(event.session.map(|place| Passing(place.1, leaf)));
        }
        Body::SessionClosed(_) => asked.clear(),
        body => asked.retain(|Passing(sequence, _)| Some(*sequence) != came_of(body)),
    }
    record.asked = Some(asked).filter(|asked| !asked.is_empty());
    record
}

/// The request of its session, by its sequence, of which something comes with an event, or which that ends.
const fn came_of(body: &Body) -> Option<u64> {
    match body {
        Body::Command(command) => command.request,
        Body::ThresholdDecided(decided) => decided.request,
        Body::ApprovalExpired(expired) => Some(expired.request),
        _ => None,
    }
}

/// Replies that are released by approvals after an event, where it changes which.
fn passing(before: &SessionRecord, event: &Event) -> Option<Vec<Passing>> {
    let mut passing = before.passing.clone().unwrap_or_default();
    let sequence = event.session.map_or(0, |place| place.1);
    let begins = match &event.body {
        Body::Command(command) if command.outcome == Outcome::Approved => Some(Passing(
            sequence,
            command.retries.or_else(|| before.asked(command.request))?,
        )),
        Body::ThresholdDecided(decided) if decided.outcome == Outcome::Approved => {
            Some(Passing(decided.command, before.asked(decided.request)?))
        }
        Body::ResponseEnd(end) => {
            passing.retain(|Passing(command, _)| *command != end.command);
            None
        }
        Body::SessionClosed(_) => return Some(Vec::new()),
        _ => return None,
    };
    passing.extend(begins.filter(|_| passing.len() < PASSING_MAX));
    Some(passing)
}

/// Commands that changed something by people's approval which is not committed after an event, where it changes which.
fn uncommitted(before: &SessionRecord, event: &Event) -> Option<Vec<Passing>> {
    match &event.body {
        Body::ResponseEnd(end) => {
            let known = before.uncommitted.iter().flatten();
            let ended = before.passing.iter().flatten().filter(|one| one.0 == end.command);
            let all = known.chain(ended).copied();
            Some(all.filter(|one| is_uncommitted(end, *one)).collect())
        }
        Body::SessionClosed(_) => Some(Vec::new()),
        _ => None,
    }
}

/// Whether the end of a reply says that what a command changed is not committed.
fn is_uncommitted(end: &ResponseEnd, Passing(command, _): Passing) -> bool {
    end.uncommitted
        .as_ref()
        .is_some_and(|commands| commands.contains(&command))
}

/// What an event changes among the requests that wait; `before` is its session's record before it.
pub fn approval_changes(
    before: Option<&SessionRecord>,
    event: &Event,
    index: u64,
    leaf: Digest,
) -> Vec<ApprovalChange> {
    let asked = before.and_then(|record| record.asked(came_of(&event.body)));
    let ended = asked.map(ApprovalChange::Ends);
    let passing = before.and_then(|record| record.passing.as_deref()).unwrap_or_default();
    let of = |command: u64| passing.iter().filter(move |one| one.0 == command);
    let uncommitted = before
        .and_then(|record| record.uncommitted.as_deref())
        .unwrap_or_default();
    if let Body::Command(command) = &event.body {
        match (command.outcome, command.retries) {
            // Its request stays open.
            (Outcome::Postponed, _) => return Vec::new(),
            (Outcome::Approved, request) => {
                let request = request.or(asked);
                let decisions = command.approvals.clone().unwrap_or_default();
                let passes = request.map(|request| ApprovalChange::Passes(request, decisions));
                return passes.into_iter().collect();
            }
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
                passed: None,
            };
            vec![ApprovalChange::Begins(leaf, record)]
        }
        (Body::ThresholdDecided(decided), _) if decided.outcome == Outcome::Approved => {
            let decisions = decided.approvals.clone().unwrap_or_default();
            let passes = asked.map(|request| ApprovalChange::Passes(request, decisions));
            passes.into_iter().collect()
        }
        // Replies that it cuts off have their ends before it.
        (Body::SessionClosed(_), _) => {
            let cut = passing.iter().chain(uncommitted);
            let cut = cut.map(|Passing(_, request)| ApprovalChange::Answered(*request));
            let unasked = before.and_then(|record| record.asked.as_deref()).unwrap_or_default();
            let unasked = unasked.iter().map(|Passing(_, request)| ApprovalChange::Ends(*request));
            unasked.chain(cut).collect()
        }
        (Body::ApprovalExpired(_) | Body::Command(_) | Body::ThresholdDecided(_), _) => ended.into_iter().collect(),
        (Body::ResponseChunk(chunk), _) => {
            let rows = chunk.rows();
            of(chunk.command)
                .map(|Passing(_, request)| ApprovalChange::Released(*request, rows))
                .collect()
        }
        (Body::ResponseEnd(end), _) => {
            let over = of(end.command)
                .chain(uncommitted)
                .filter(|one| !is_uncommitted(end, **one));
            over.map(|Passing(_, request)| ApprovalChange::Answered(*request))
                .collect()
        }
        (Body::ApprovalDecided(decided), _) => vec![ApprovalChange::Decided(decided.request, index)],
        _ => Vec::new(),
    }
}

/// Whether streams publish a batch with this event: proxies check key events, decisions, what takes them back, and signatures
/// under policies for themselves. The ledger
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
            | Kind::ApprovalRevoked
    )
}
