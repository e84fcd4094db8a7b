//! Sessions: the only way from a request to the target, and from a reply to the agent.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Column, DecisionRecord, Facts, Frame, Principal};
use exhibit_schemas::event::{SessionId, Timestamp};

use crate::clock::Clock;
use crate::error::GateError;
use crate::recorder::Recorder;

/// Bytes of one frame's cells at the most; a protocol turns a longer row into its wire bytes first
/// ([`Masked::framed`]), which are then cut into several chunks.
pub const ROW_BYTES_MAX: usize = 48 * 1_024;

/// A request of an agent, parsed by its protocol.
#[derive(Clone)]
pub struct Request {
    /// The command as it may be read: every literal replaced by a typed placeholder.
    pub statement: String,
    /// The exact bytes that the target would get.
    pub exact: Vec<u8>,
    /// What it does.
    pub facts: Facts,
    /// Types of its bound parameters, as the protocol names them.
    pub parameters: Vec<String>,
}

/// What the policy says of a request.
pub enum Ruling {
    /// It may pass once it is recorded.
    Permit(Permit),
    /// People must be asked.
    Pending(Pending),
    /// It may not pass.
    Denial(Denial),
}

/// A request that may pass once it is recorded.
pub struct Permit {
    _request: Request,
}

/// A request that people must be asked about.
pub struct Pending {
    _request: Request,
}

/// A request that does not pass.
pub struct Denial {
    _request: Request,
}

/// A request whose question is in the ledger.
pub struct Asked {
    _pending: Pending,
}

/// A value whose event is durable in the ledger.
pub struct Recorded<T> {
    _value: T,
}

/// Frames on their way into the ledger.
pub struct Releasing;

/// The reply to one command, as far as it was released.
pub struct Reply;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndStatus {
    /// As asked.
    Complete,
    /// With an error.
    Failed,
    /// Not run, because an earlier command of its group failed.
    Skipped,
    /// The session broke.
    Cut,
}

/// Who comes, and to what.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Name of the target.
    pub target: String,
    /// `postgres`, `s3`, `kubernetes`.
    pub protocol: String,
    /// Who it is.
    pub principal: Principal,
    /// Address and port.
    pub peer: String,
    /// TLS version and cipher suite.
    pub transport: String,
    /// Name that the client gives itself.
    pub client: Option<String>,
}

/// The gate of one proxy.
#[derive(Clone)]
pub struct Gate {
    _inner: Arc<()>,
}

/// One connection of an agent.
pub struct Session {
    _gate: Gate,
}

impl Gate {
    /// A gate with a policy in force; records the policy's snapshot before it returns.
    ///
    /// # Errors
    /// [`GateError`] when the snapshot cannot be recorded.
    pub async fn start(
        _policy: (Vec<u8>, Snapshot),
        _recorder: Arc<dyn Recorder>,
        _clock: Arc<dyn Clock>,
        _mask_key: MaskKey,
        _digest_key: [u8; 32],
    ) -> Result<Self, GateError> {
        todo!()
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// The key of tokens.
    pub fn mask_key(&self) -> &MaskKey {
        todo!()
    }

    /// Records a target's catalog; gives its digest. A catalog recorded before is not recorded again.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn record_catalog(&self, _target: &str, _catalog: &[u8]) -> Result<Digest, GateError> {
        todo!()
    }

    /// Opens a session: its first event is durable when this returns.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn open(&self, _opening: Opening) -> Result<Session, GateError> {
        todo!()
    }
}

impl Session {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        todo!()
    }

    /// The gate that it belongs to.
    pub fn gate(&self) -> &Gate {
        todo!()
    }

    /// Decides a request.
    pub fn decide(&self, _request: Request) -> Ruling {
        todo!()
    }

    /// Records the commands of one group, all in one flush, and waits until they are durable.
    ///
    /// # Errors
    /// [`GateError`]; then nothing of the group may pass.
    pub async fn record(&mut self, _permits: Vec<Permit>) -> Result<Vec<Recorded<Permit>>, GateError> {
        todo!()
    }

    /// Records a denied, refused or expired command.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn refuse(&mut self, _denial: Denial) -> Result<Recorded<Denial>, GateError> {
        todo!()
    }

    /// Records the question.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn ask(&mut self, _pending: Pending) -> Result<Asked, GateError> {
        todo!()
    }

    /// Waits for people, for the request's expiry, or for `gone` (the agent went away or cancelled), whichever is first.
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn wait(
        &mut self,
        _asked: Asked,
        _gone: impl Future<Output = ()> + Send,
    ) -> Result<Result<Permit, Denial>, GateError> {
        todo!()
    }

    /// Begins the reply to a command, permitted or not.
    pub fn reply<T>(&self, _command: &Recorded<T>) -> Reply {
        todo!()
    }

    /// Hands over frames for recording, in chunks that fit events. Several may be under way; await them in order.
    pub fn release(
        &mut self,
        _reply: &mut Reply,
        _columns: Option<Vec<Column>>,
        _frames: Vec<Masked<Frame>>,
    ) -> Releasing {
        todo!()
    }

    /// Hands over the last frames together with the end of the command.
    pub fn finish(
        &mut self,
        _reply: Reply,
        _frames: Vec<Masked<Frame>>,
        _status: EndStatus,
        _code: Option<String>,
        _masked: BTreeMap<String, u64>,
    ) -> Releasing {
        todo!()
    }

    /// Closes the session (`agent`, `target`, `idle`, `limit`, `ledger`, `shutdown`, `protocol`).
    ///
    /// # Errors
    /// [`GateError`].
    pub async fn close(self, _reason: &str) -> Result<(), GateError> {
        todo!()
    }
}

impl Denial {
    /// What the policy, or a person, said.
    pub fn decision(&self) -> &DecisionRecord {
        todo!()
    }

    /// What to tell the agent, without values.
    pub fn reason(&self) -> &str {
        todo!()
    }
}

impl Asked {
    /// The id that people type: the first 12 hexadecimal digits of the request event's leaf hash.
    pub fn id(&self) -> String {
        todo!()
    }

    /// Groups of which people must approve.
    pub fn groups(&self) -> &[String] {
        todo!()
    }

    /// When the request expires.
    pub fn expires(&self) -> Timestamp {
        todo!()
    }
}

impl Recorded<Permit> {
    /// The exact bytes that the target may get.
    pub fn exact(&self) -> &[u8] {
        todo!()
    }
}

impl Recorded<Vec<Masked<Frame>>> {
    /// What the agent may get.
    pub fn frames(&self) -> &[Masked<Frame>] {
        todo!()
    }
}

impl Releasing {
    /// Waits until the events are durable, and gives the frames back for the agent's socket.
    ///
    /// # Errors
    /// [`GateError`]; then none of the frames may leave.
    pub async fn durable(self) -> Result<Recorded<Vec<Masked<Frame>>>, GateError> {
        todo!()
    }
}
