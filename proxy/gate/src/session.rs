//! Sessions: the only way from a request to the target, and from a reply to the agent.
//!
//! A session numbers its events, so it hands them over one after another. Once the ledger failed it, every later call
//! fails (P3).
//!
//! Not here: asking people ([`crate::approval`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_policy::mask::Masked;
use exhibit_schemas::cbor;
use exhibit_schemas::event::access::{Column, Frame, Principal, ResponseChunk, ResponseEnd, SessionClosed};
use exhibit_schemas::event::{Body, SessionId, SessionPlace};

pub use crate::approval::Asked;
use crate::error::GateError;
pub use crate::gate::{Gate, Opening};
use crate::recorder::{Draft, Receipt, Ticket};
use crate::release::{self, Totals};
pub use crate::release::{EndStatus, ROW_BYTES_MAX, Releasing, Reply};
use crate::request::{self, Asker};
pub use crate::request::{Denial, Pending, Permit, Recorded, Request, Ruling};

/// Encoded columns that still share a chunk with frames; longer ones are a chunk of their own.
const COLUMNS_BYTES_SHARED_MAX: usize = 4_000;

/// Why a session that nobody closed ended, in its closing event.
const DROPPED: &str = "agent";

/// One connection of an agent.
pub struct Session {
    gate: Gate,
    id: SessionId,
    principal: Principal,
    target: String,
    /// Sequence of the next event.
    next: u64,
    commands: u64,
    bytes: u64,
    /// Recorded commands whose reply has not ended, by sequence.
    open: BTreeMap<u64, Totals>,
    failure: Failure,
    closed: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Session({}, next event {})", self.id, self.next)
    }
}

impl Session {
    /// A session whose opening event was handed over.
    pub(crate) fn begin(gate: Gate, id: SessionId, principal: Principal, target: String) -> Self {
        Self {
            gate,
            id,
            principal,
            target,
            next: 1,
            commands: 0,
            bytes: 0,
            open: BTreeMap::new(),
            failure: Failure::default(),
            closed: false,
        }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The gate that it belongs to.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who is calling.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Decides a request.
    pub fn decide(&self, request: Request) -> Ruling {
        let asker = Asker {
            session: self.id,
            principal: &self.principal,
            target: &self.target,
        };
        request::rule(&self.gate.policy(), &asker, request, self.gate.digest_key())
    }

    /// Records the commands of one group, all in one flush, and waits until they are durable.
    ///
    /// # Errors
    /// [`GateError`]; then nothing of the group may pass.
    pub async fn record(&mut self, permits: Vec<Permit>) -> Result<Vec<Recorded<Permit>>, GateError> {
        self.own(permits.iter().map(|permit| permit.judged.session))?;
        let bodies = permits.iter().map(|permit| request::permitted(permit).into()).collect();
        let (first, receipts) = self.commands(bodies).await?;
        // P1: only here, after the receipts, do permits come out that a target takes.
        let recorded = |((value, command), receipt)| Recorded {
            value,
            session: self.id,
            command,
            receipt: Some(receipt),
        };
        Ok(permits.into_iter().zip(first..).zip(receipts).map(recorded).collect())
    }

    /// Records a denied, refused or expired command.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn refuse(&mut self, denial: Denial) -> Result<Recorded<Denial>, GateError> {
        self.own([denial.judged.session])?;
        let (command, receipts) = self.commands(vec![request::denied(&denial).into()]).await?;
        Ok(Recorded {
            value: denial,
            session: self.id,
            command,
            receipt: receipts.last().copied(),
        })
    }

    /// Begins the reply to a command, permitted or not.
    pub fn reply<T>(&self, command: &Recorded<T>) -> Reply {
        Reply {
            session: command.session,
            command: command.command,
        }
    }

    /// Hands over frames for recording, in chunks that fit events. Several may be under way; await them in order.
    ///
    /// `columns` describe the rows that follow; give them once, where a table begins.
    pub fn release(
        &mut self,
        reply: &mut Reply,
        columns: Option<Vec<Column>>,
        frames: Vec<Masked<Frame>>,
    ) -> Releasing {
        let ticket = self.hand_over_reply(reply, columns, &frames, None);
        self.releasing(reply, frames, ticket)
    }

    /// Hands over the last frames together with the end of the command.
    ///
    /// `code` is the protocol's own (SQLSTATE, HTTP status); `masked` counts cells by mask.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a reply is given up when it ends, so that nothing is released after it"
    )]
    pub fn finish(
        &mut self,
        reply: Reply,
        frames: Vec<Masked<Frame>>,
        status: EndStatus,
        code: Option<String>,
        masked: BTreeMap<String, u64>,
    ) -> Releasing {
        let end = End { status, code, masked };
        let ticket = self.hand_over_reply(&reply, None, &frames, Some(end));
        self.releasing(&reply, frames, ticket)
    }

    /// Closes the session (`agent`, `target`, `idle`, `limit`, `ledger`, `shutdown`, `protocol`). Replies that have not
    /// ended are recorded as cut.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn close(mut self, reason: &str) -> Result<(), GateError> {
        self.hand_over_close(reason)?.await?;
        Ok(())
    }

    /// Notes an error that makes the session unusable, and gives it back.
    pub(crate) fn failed(&self, error: GateError) -> GateError {
        self.failure.lost(error)
    }

    /// Refuses values of other sessions.
    pub(crate) fn own(&self, sessions: impl IntoIterator<Item = SessionId>) -> Result<(), GateError> {
        if sessions.into_iter().all(|session| session == self.id) {
            Ok(())
        } else {
            Err(GateError::Foreign { session: self.id })
        }
    }

    /// Hands over events; gives the sequence of the first.
    pub(crate) fn hand_over(&mut self, bodies: Vec<Body>) -> Result<(u64, Ticket), GateError> {
        self.failure.check()?;
        self.submit(bodies)
    }

    /// Waits until events that were handed over are durable.
    pub(crate) async fn durable(&self, count: usize, ticket: Ticket) -> Result<Vec<Receipt>, GateError> {
        match ticket.await {
            // A recorder that acknowledges another number than it was given has acknowledged nothing.
            Ok(receipts) if receipts.len() == count => self.failure.check().map(|()| receipts),
            Ok(_) => Err(self.failed(GateError::LedgerUnavailable {
                reason: "it acknowledged another number of events".to_owned(),
            })),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Records command events; gives the sequence of the first.
    async fn commands(&mut self, bodies: Vec<Body>) -> Result<(u64, Vec<Receipt>), GateError> {
        if bodies.is_empty() {
            self.failure.check()?;
            return Ok((self.next, Vec::new()));
        }
        let count = bodies.len();
        let (first, ticket) = self.hand_over(bodies)?;
        // Counted with the hand-over, so that the close of a session whose caller went away states the right totals.
        for sequence in (first..).take(count) {
            self.commands = self.commands.saturating_add(1);
            self.open.insert(sequence, Totals::default());
        }
        let receipts = self.durable(count, ticket).await?;
        Ok((first, receipts))
    }

    fn submit(&mut self, bodies: Vec<Body>) -> Result<(u64, Ticket), GateError> {
        let first = self.next;
        let count = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
        let place = |(sequence, body)| Draft {
            session: Some(SessionPlace(self.id, sequence)),
            body,
        };
        let drafts = (first..).zip(bodies).map(place).collect();
        match self.gate.recorder().submit(drafts) {
            Ok(ticket) => {
                self.next = self.next.saturating_add(count);
                Ok((first, ticket))
            }
            Err(error) => Err(self.failure.refused(error)),
        }
    }

    fn hand_over_reply(
        &mut self,
        reply: &Reply,
        columns: Option<Vec<Column>>,
        frames: &[Masked<Frame>],
        end: Option<End>,
    ) -> Result<Option<Ticket>, GateError> {
        self.failure.check()?;
        self.own([reply.session])?;
        let foreign = GateError::Foreign { session: self.id };
        let mut totals = *self.open.get(&reply.command).ok_or(foreign)?;
        let before = totals.bytes;
        release::count(frames, &mut totals);
        let frames = release::chunks(frames).map_err(|error| self.failure.refused(error))?;
        let mut bodies = Vec::new();
        for (columns, frames) in with_columns(columns, frames) {
            bodies.push(Body::from(ResponseChunk {
                command: reply.command,
                chunk: totals.chunks,
                columns,
                frames,
            }));
            totals.chunks = totals.chunks.saturating_add(1);
        }
        let ends = end.is_some();
        bodies.extend(end.map(|end| end.event(reply.command, &totals)));
        if bodies.is_empty() {
            return Ok(None);
        }
        let (_, ticket) = self.hand_over(bodies)?;
        self.bytes = self.bytes.saturating_add(totals.bytes.saturating_sub(before));
        if ends {
            self.open.remove(&reply.command);
        } else {
            self.open.insert(reply.command, totals);
        }
        Ok(Some(ticket))
    }

    fn releasing(
        &self,
        reply: &Reply,
        frames: Vec<Masked<Frame>>,
        ticket: Result<Option<Ticket>, GateError>,
    ) -> Releasing {
        Releasing {
            session: self.id,
            command: reply.command,
            frames,
            ticket,
            failure: self.failure.clone(),
        }
    }

    fn hand_over_close(&mut self, reason: &str) -> Result<Ticket, GateError> {
        self.closed = true;
        // A refused submission left no gap, so the end of the session can still be recorded; a lost one may have.
        self.failure.check_lost()?;
        let cut = |(command, totals): (&u64, &Totals)| {
            let end = End {
                status: EndStatus::Cut,
                code: None,
                masked: BTreeMap::new(),
            };
            end.event(*command, totals)
        };
        let mut bodies: Vec<Body> = self.open.iter().map(cut).collect();
        bodies.push(
            SessionClosed {
                reason: reason.to_owned(),
                commands: self.commands,
                bytes: self.bytes,
            }
            .into(),
        );
        self.submit(bodies).map(|(_, ticket)| ticket)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // The hand-over alone records the end; nobody is left to wait for the ticket.
        if let Err(error) = self.hand_over_close(DROPPED) {
            tracing::warn!(session = %self.id, %error, "the end of a session was not recorded");
        }
    }
}

struct End {
    status: EndStatus,
    code: Option<String>,
    masked: BTreeMap<String, u64>,
}

impl End {
    fn event(self, command: u64, totals: &Totals) -> Body {
        ResponseEnd {
            command,
            status: self.status.as_str().to_owned(),
            code: self.code,
            chunks: totals.chunks,
            rows: totals.rows,
            bytes: totals.bytes,
            masked: self.masked,
        }
        .into()
    }
}

/// Puts the columns on the first chunk, or on one of their own where they are long or nothing follows yet.
fn with_columns(
    columns: Option<Vec<Column>>,
    frames: Vec<Vec<Frame>>,
) -> impl Iterator<Item = (Option<Vec<Column>>, Vec<Frame>)> {
    let alone = columns
        .as_ref()
        .is_some_and(|columns| frames.is_empty() || cbor::encode(columns).len() > COLUMNS_BYTES_SHARED_MAX);
    let own = alone.then(Vec::new);
    let mut columns = columns;
    own.into_iter()
        .chain(frames)
        .map(move |frames| (columns.take(), frames))
}

/// What went wrong with a session, shared with the frames that it has under way.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Failed>>>);

#[derive(Clone)]
enum Failed {
    /// A submission was refused before anything of it was taken.
    Refused(GateError),
    /// What was handed over is not known to be recorded.
    Lost(GateError),
}

impl Failure {
    /// Fails when anything went wrong before.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        match self.state() {
            Some(Failed::Refused(error) | Failed::Lost(error)) => Err(error),
            None => Ok(()),
        }
    }

    fn check_lost(&self) -> Result<(), GateError> {
        match self.state() {
            Some(Failed::Lost(error)) => Err(error),
            Some(Failed::Refused(_)) | None => Ok(()),
        }
    }

    fn state(&self) -> Option<Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a submission of which nothing was taken.
    fn refused(&self, error: GateError) -> GateError {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.get_or_insert(Failed::Refused(error.clone()));
        error
    }

    /// Notes a submission whose fate is not known.
    pub(crate) fn lost(&self, error: GateError) -> GateError {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, Some(Failed::Lost(_))) {
            *state = Some(Failed::Lost(error.clone()));
        }
        error
    }
}

#[cfg(test)]
mod tests;
