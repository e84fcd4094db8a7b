//! Where events go to become durable, and where approvals come from.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRevoked};
use exhibit_schemas::event::{Body, SessionPlace, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use tokio::sync::{broadcast, watch};

use crate::error::GateError;
pub use crate::seen::Keeping;

/// An event before it has its emitter and its time, which the recorder adds.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its place in a session, where it has one.
    pub session: Option<SessionPlace>,
    /// What happened.
    pub body: Body,
}

/// Proof that an event is durable in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its index in the log.
    pub index: Index,
    /// Its leaf hash.
    pub leaf: Digest,
    /// The time that it states.
    pub time: Timestamp,
}

/// Resolves when all events of one submission are durable, in their order.
pub type Ticket = Pin<Box<dyn Future<Output = Result<Vec<Receipt>, GateError>> + Send>>;

/// Resolves when there is room for one submission, or none will be; safe to be dropped while it waits.
pub type Room = Pin<Box<dyn Future<Output = Result<(), GateError>> + Send>>;

/// A decision of a person whose seal was verified here, under a key that was in force.
#[derive(Clone, Debug)]
pub struct VerifiedDecision {
    /// Leaf hash of the decision event.
    pub leaf: Digest,
    /// Its time, by the signer's clock.
    pub time: Timestamp,
    /// Whose key sealed it.
    pub signer: KeyRecord,
    /// The decision.
    pub body: ApprovalDecided,
}

/// A person's word that takes back what was approved, whose seal was verified here, under a key that was in force.
#[derive(Clone, Debug)]
pub struct VerifiedRevocation {
    /// Leaf hash of its event.
    pub leaf: Digest,
    /// Whose key sealed it.
    pub signer: KeyRecord,
    /// What it says.
    pub body: ApprovalRevoked,
}

/// What the ledger publishes that the answer to a question depends on, verified here, in the order of the log.
#[derive(Clone, Debug)]
pub enum Heard {
    /// A person decided.
    Decided(Box<VerifiedDecision>),
    /// A person took back what was approved.
    TakenBack(Box<VerifiedRevocation>),
    /// An administrator revoked a key; what it approved, and nothing has come of yet, counts no more.
    Revoked(KeyId),
}

/// Makes events durable.
///
/// Contract: submissions of one caller become durable in the order of the calls. An error of `submit` itself means that
/// nothing of the submission was taken or will be. A ticket resolves to receipts only after the ledger's receipt, and to
/// an error when durability failed or is unknown; dropping it takes nothing back. After an error of the ledger every
/// later submission fails too until the recorder has connected again and knows where it stands. `submit` never blocks.
///
/// Whoever can wait asks for room first, and submits at once when there is. A submission that ends a session is always taken.
pub trait Recorder: Send + Sync {
    /// Waits until there is room for one more submission, in the order of the calls; `None` where nobody has to wait. An error
    /// is that of a ledger that is gone, or [`GateError::QueueFull`] where it takes nothing any more.
    ///
    /// A recorder that keeps no queue has room.
    fn room(&self) -> Option<Room> {
        None
    }

    /// Hands over events of one flush, all or none.
    ///
    /// # Errors
    /// [`GateError::QueueFull`], [`GateError::Event`], [`GateError::Clock`], and those of a ledger that is gone.
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError>;

    /// Whether anything may have been recorded under its key before this run.
    fn recorded_before(&self) -> bool;

    /// Where the next run of this recorder finds what this one remembers; `None` where nothing is kept.
    fn keeping(&self) -> Option<Keeping> {
        None
    }

    /// What is published from now on.
    fn heard(&self) -> broadcast::Receiver<Arc<Heard>>;

    /// The signatures under policies, where any are asked for, checked here and kept up to date: they are those that stand in the
    /// log before an event of ours when the ticket of that event resolves.
    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>>;
}

/// Hands over events that follow nothing, once there is room for them.
///
/// # Errors
/// Those of [`Recorder::room`] and [`Recorder::submit`].
pub(crate) async fn submit(recorder: &dyn Recorder, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
    has_room(recorder).await?;
    recorder.submit(drafts)
}

/// Waits until there is room for one submission.
///
/// # Errors
/// Those of [`Recorder::room`].
pub(crate) async fn has_room(recorder: &dyn Recorder) -> Result<(), GateError> {
    match recorder.room() {
        Some(room) => room.await,
        None => Ok(()),
    }
}
