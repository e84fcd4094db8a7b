//! Sessions: the only way from a request to the target, and from a reply to the agent.
//!
//! A session numbers its events, so it hands them over one after another. Once the ledger failed it, every later call
//! fails (P3).
//!
//! Not here: asking people ([`crate::approval`]), and how what they approved is asked about again (`allowance.rs`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use exhibit_policy::mask::Masked;
use exhibit_policy::net::SessionNet;
use exhibit_schemas::cbor;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Column, CommandData, Frame, Principal, ResponseChunk};
use exhibit_schemas::event::{Body, SessionId, Timestamp};

pub(crate) use self::handed::Handed;
use self::handed::Turn;
use self::uncommitted::Uncommitted;
use crate::approval::Waiting;
pub use crate::approval::{Asked, NotAsked, Question};
pub use crate::data::{Data, Sending};
use crate::error::GateError;
use crate::failure::Failure;
pub use crate::gate::{Changes, Gate, Opening, Replaced};
use crate::in_force::{Deciding, Policy};
use crate::patients::Patients;
use crate::recorder::Ticket;
use crate::release::{self, End, Totals, with_columns};
pub use crate::release::{EndStatus, ROW_BYTES_MAX, Releasing, Reply};
use crate::request::{self, Asker};
pub use crate::request::{Cleared, Denial, Pending, Permit, Reach, Recorded, Request, Ruling, Transaction};
pub use crate::threshold::Held;

/// What stops a reply for good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stopped {
    /// A threshold of its policy.
    Threshold,
    /// What people approved lets no more out.
    Approval,
}

/// Whether a request that is sent again is another one where something else ran before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    /// What ran may have left the session another one.
    Counts,
    /// Each request stands for itself.
    IsNothing,
}

/// One connection of an agent.
pub struct Session {
    gate: Gate,
    id: SessionId,
    principal: Principal,
    target: String,
    /// Sequence of the next event.
    next: u64,
    /// Of its settings, and of what it ran that may have left it another session.
    before: Digest,
    /// Something of that ran.
    touched: bool,
    /// The same, without what passed by grants and is proven to change rows alone.
    shape: Digest,
    /// Something of that ran.
    shaped: bool,
    /// Whether what ran before tells the same request apart.
    past: Past,
    commands: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) cells: u64,
    pub(crate) patients: Patients,
    /// Recorded commands whose reply has not ended, by sequence.
    pub(crate) open: BTreeMap<u64, Totals>,
    /// What has stopped a reply of it, and with that all of it.
    pub(crate) stopped: Option<Stopped>,
    /// What it changed by people's approval, and the target has not committed.
    uncommitted: Uncommitted,
    /// What waits for people.
    pub(crate) waiting: Option<Waiting>,
    /// Commands that run ahead, with their copies, and are numbered, but not handed over: they go with the next events, in one
    /// flush.
    held: Vec<Body>,
    /// Tickets that nobody has awaited, of events before the next ones. The lock is never waited for: it is there because
    /// a ticket alone cannot be shared between threads, and a session can.
    earlier: Mutex<Vec<Ticket>>,
    /// What catches identifiers in its replies.
    net: SessionNet,
    /// When the agent's credential expires.
    expires: Option<Timestamp>,
    /// What its commands are decided by.
    policy: Arc<Policy>,
    /// Holds that policy in force while something was decided that is not handed over.
    deciding: Option<Deciding>,
    failure: Failure,
    /// Whether there is room for what is handed over next.
    turn: Turn,
    closed: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Session({}, next event {})", self.id, self.next)
    }
}

impl Session {
    /// A session whose opening event was handed over.
    pub(crate) fn begin(
        gate: Gate,
        id: SessionId,
        (principal, expires): (Principal, Option<Timestamp>),
        target: String,
        (settings, stateless): (&[(String, String)], bool),
        policy: Arc<Policy>,
    ) -> Self {
        let before = gate.digest_key().digest(&cbor::encode(&settings.to_vec()));
        let net = SessionNet::new(policy.snapshot(), &target);
        Self {
            gate,
            id,
            principal,
            target,
            next: 1,
            before,
            touched: false,
            shape: before,
            shaped: false,
            past: if stateless { Past::IsNothing } else { Past::Counts },
            commands: 0,
            rows: 0,
            bytes: 0,
            cells: 0,
            patients: Patients::default(),
            open: BTreeMap::new(),
            stopped: None,
            uncommitted: Uncommitted::default(),
            waiting: None,
            held: Vec::new(),
            earlier: Mutex::default(),
            net,
            expires,
            policy,
            deciding: None,
            failure: Failure::default(),
            turn: Turn::default(),
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

    /// What it began with and ran so far, as one digest: sessions of which that is the same are the same to a command. What is
    /// proven to read rows alone is passed over, and so are the bounds of transactions while there is nothing else that a
    /// rollback could have taken back.
    pub(crate) fn before(&self) -> Digest {
        self.before
    }

    /// The same for commands that a grant may cover: what passed by grants, and is proven to change rows alone, is passed over, too.
    pub(crate) fn shape(&self) -> Digest {
        self.shape
    }

    /// Sequence of the next event.
    pub(crate) fn upcoming(&self) -> u64 {
        self.next
    }

    /// What every cell and text of a reply goes through. What it catches is recorded with the next frames.
    pub fn net(&mut self) -> &mut SessionNet {
        &mut self.net
    }

    /// Whether no net is under its replies.
    pub fn has_no_net(&self) -> bool {
        self.net.is_empty()
    }

    /// Decides a request.
    pub fn decide(&self, request: Request) -> Ruling {
        request::rule(&self.asker(), request)
    }

    /// Decides a request about which nobody can be asked. Where the policy would have people asked, it is denied, as a
    /// decision about a request that is not proven; `why` says why nobody can be asked, where that is not plain.
    ///
    /// # Errors
    /// The denial, which is to be recorded like any other.
    pub fn decide_at_once(&self, request: Request, why: Option<&str>) -> Result<Permit, Box<Denial>> {
        request::rule_at_once(&self.asker(), request, why)
    }

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker {
            session: self.id,
            principal: &self.principal,
            target: &self.target,
            gate: &self.gate,
            policy: &self.policy,
        }
    }

    /// Hands over data that follows a command to the target; await it before any of the bytes is forwarded. [`Session::room`]
    /// comes first.
    pub fn send(&mut self, command: &Cleared, exact: Vec<u8>) -> Sending {
        let handed = self.hand_over_data(command, &exact);
        Sending {
            session: self.id,
            command: command.command,
            data: Data(exact),
            handed,
            failure: self.failure.clone(),
        }
    }

    /// Hands over frames for recording, in chunks that fit events. Several may be under way; await them in order.
    /// [`Session::room`] comes first.
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

    /// Hands over the last frames together with the end of the command, in one flush; `columns`, and room, as for
    /// [`Session::release`].
    ///
    /// `code` is the protocol's own (SQLSTATE, HTTP status); `masked` counts cells by mask.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a reply is given up when it ends, so that nothing is released after it"
    )]
    pub fn finish(
        &mut self,
        reply: Reply,
        columns: Option<Vec<Column>>,
        frames: Vec<Masked<Frame>>,
        status: EndStatus,
        code: Option<String>,
        masked: BTreeMap<String, u64>,
    ) -> Releasing {
        let end = End { status, code, masked };
        let ticket = self.hand_over_reply(&reply, columns, &frames, Some(end));
        self.releasing(&reply, frames, ticket)
    }

    /// Closes the session (`agent`, `target`, `idle`, `limit`, `expiry`, `ledger`, `shutdown`, `protocol`, `detection`). Replies that have not
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

    /// Notes an error before which nothing was handed over, and gives it back.
    pub(crate) fn refused(&self, error: GateError) -> GateError {
        self.failure.refused(error)
    }

    /// Has what is handed over next, and the close, wait for a ticket.
    pub(crate) fn later(&mut self, ticket: Ticket) {
        self.earlier().push(ticket);
    }

    /// Refuses values of other sessions.
    pub(crate) fn own(&self, sessions: impl IntoIterator<Item = SessionId>) -> Result<(), GateError> {
        if sessions.into_iter().all(|session| session == self.id) {
            Ok(())
        } else {
            Err(GateError::Foreign { session: self.id })
        }
    }

    fn earlier(&mut self) -> &mut Vec<Ticket> {
        self.earlier.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over_data(&mut self, command: &Cleared, exact: &[u8]) -> Result<Handed, GateError> {
        self.failure.check()?;
        self.own([command.session])?;
        let foreign = GateError::Foreign { session: self.id };
        let part = self.open.get(&command.command).ok_or(foreign)?.parts;
        self.goes_on(command.command, 0)?;
        let body = CommandData {
            command: command.command,
            part,
            bytes: u64::try_from(exact.len()).unwrap_or(u64::MAX),
            digest: self.gate.digest_key().digest(exact),
        };
        let handed = self.hand_over(vec![body.into()])?;
        if let Some(totals) = self.open.get_mut(&command.command) {
            totals.parts = totals.parts.saturating_add(1);
        }
        Ok(handed)
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
        let weighed = self.weighed(reply, frames).map_err(|error| self.refused(error))?;
        self.lets_out(reply.command, frames)?;
        let mut totals = self.open.get(&reply.command).ok_or(foreign)?.clone();
        totals.weighed = weighed;
        let before = (totals.rows, totals.bytes, totals.cells);
        let mut bodies = self.caught(reply.command, &mut totals)?;
        release::count(frames, &mut totals);
        let chunks = release::chunks(frames).map_err(|error| self.failure.refused(error))?;
        for (columns, mut packed) in with_columns(columns, chunks) {
            let patients = packed.released();
            bodies.push(Body::from(ResponseChunk {
                command: reply.command,
                chunk: totals.chunks,
                columns,
                frames: packed.frames,
                framed_rows: Some(packed.framed_rows).filter(|rows| *rows > 0),
                patients,
            }));
            totals.chunks = totals.chunks.saturating_add(1);
        }
        let ends = end.is_some();
        let complete = end.as_ref().is_some_and(|end| end.status == EndStatus::Complete);
        bodies.extend(end.map(|end| end.event(reply.command, &totals, self.uncommitted())));
        if bodies.is_empty() {
            return Ok(None);
        }
        let Handed { mut ticket, .. } = self.hand_over(bodies)?;
        if complete {
            ticket = self.completes(&totals, ticket);
        }
        self.rows = self.rows.saturating_add(totals.rows.saturating_sub(before.0));
        self.bytes = self.bytes.saturating_add(totals.bytes.saturating_sub(before.1));
        self.cells = self.cells.saturating_add(totals.cells.saturating_sub(before.2));
        self.patients.add(reply.command, frames);
        if ends {
            self.open.remove(&reply.command);
            self.patients.end(reply.command);
        } else {
            self.open.insert(reply.command, totals);
        }
        Ok(Some(ticket))
    }

    /// The events of what the net caught, which go before what it was caught in; that goes nowhere where a net ends the
    /// session.
    fn caught(&mut self, command: u64, totals: &mut Totals) -> Result<Vec<Body>, GateError> {
        let caught = self.net.take();
        let ends = caught
            .iter()
            .find(|caught| caught.ends)
            .map(|caught| caught.net.clone());
        let detections = caught
            .into_iter()
            .map(|caught| release::detection(command, caught, totals));
        let bodies = detections.map(Body::from).collect();
        let Some(net) = ends else { return Ok(bodies) };
        if let Some(open) = self.open.get_mut(&command) {
            open.caught.clone_from(&totals.caught);
        }
        let Handed { ticket, .. } = self.hand_over(bodies)?;
        // The close of the session waits for it.
        self.earlier().push(ticket);
        Err(self.failure.refused(GateError::Detected { net }))
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
}

fn count(bodies: &[Body]) -> u64 {
    u64::try_from(bodies.len()).unwrap_or(u64::MAX)
}

mod closing;
mod handed;
mod moving;
mod recording;
mod remembered;
#[cfg(test)]
mod tests;
mod timed;
mod uncommitted;
