//! The link to the ledger: the recorder that owns the emitter's chain.
//!
//! Submissions are encoded as they are handed over (`queue`), sealed in batches, sent over one stream (the append
//! protocol of [`exhibit_schemas::wire`]), and acknowledged by receipts whose checkpoints are checked here (`driver`).
//! When the stream breaks, what has no receipt is sent again byte for byte. When the ledger stays away past
//! [`GIVE_UP`], everything that waits fails, and nothing is taken until it is back; then a new boot begins, in which no
//! old session goes on. A ledger that lost what it acknowledged is never used again. One that is only slow is waited for:
//! what waits is bounded, and who would add to it stands in line while batches leave.
//!
//! Not here: how a stream is opened ([`connect`]).

pub mod connect;
mod driver;
mod published;
mod queue;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::SecretKey;
use exhibit_schemas::policy_signatures::PolicySignatures;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::connect::Connect;
use self::driver::Driver;
use self::queue::Queue;
use crate::clock::Clock;
use crate::error::GateError;
use crate::recorder::{Draft, Heard, Keeping, Recorder, Room, Ticket};

pub use self::state::StateError;

/// How long a broken link may be mended before everything that waits on it fails.
pub const GIVE_UP: Duration = Duration::from_secs(5);

/// How long a batch may wait for its receipt before the stream counts as broken.
const RECEIPT_WAIT: Duration = Duration::from_secs(10);

/// Batches sent and not acknowledged at the most; enough to cover a commit of the ledger with the next ones on their way.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// Decisions and revocations that a slow waiter may fall behind; past it the waiter fails closed.
const HEARD_QUEUED_MAX: usize = 1_024;

/// What a link needs.
pub struct LinkConfig {
    /// Opens streams to the ledger.
    pub connect: Arc<dyn Connect>,
    /// Signs the proxy's events.
    pub key: SecretKey,
    /// What is believed before the ledger says anything.
    pub trust: TrustAnchors,
    /// Times events.
    pub clock: Arc<dyn Clock>,
    /// Keeps the last acknowledged head over restarts.
    pub state: PathBuf,
}

/// A recorder over the append protocol.
pub struct Link {
    queue: Arc<Queue>,
    heard: broadcast::Sender<Arc<Heard>>,
    /// `None` where nobody has to sign policies.
    signatures: Option<watch::Receiver<PolicySignatures>>,
    stop: CancellationToken,
    keeping: Keeping,
    /// Whether the ledger knew this key when it took the link in.
    before: OnceLock<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Link {
    /// Starts the link; returns when the ledger took it in.
    ///
    /// # Errors
    /// [`GateError::LedgerUnavailable`] after [`GIVE_UP`], [`GateError::LedgerDistrusted`] when the ledger is behind the
    /// state file or breaks its trust anchors.
    pub async fn start(config: LinkConfig) -> Result<Self, GateError> {
        let (heard, _) = broadcast::channel(HEARD_QUEUED_MAX);
        let stop = CancellationToken::new();
        let (ready, up) = oneshot::channel();
        let key = exhibit_schemas::key::Signer::public_key(&config.key).id();
        let queue = Arc::new(Queue::new(key, Arc::clone(&config.clock)));
        let signatures = PolicySignatures::new(&config.trust.policy_signers);
        let asked = signatures.asks();
        let log = &config.trust.log;
        let of = [log.origin.as_str().as_bytes(), &[0], &log.key.to_bytes().0, &key.0].concat();
        let keeping = Keeping {
            path: config.state.with_extension("seen"),
            of: Digest::of(&of),
        };
        let (signed, signatures) = watch::channel(signatures);
        let driver = Driver::new(config, Arc::clone(&queue), (heard.clone(), signed), stop.clone(), ready)?;
        let task = tokio::spawn(driver.run());
        let link = Self {
            queue,
            heard,
            signatures: asked.then_some(signatures),
            stop,
            keeping,
            before: OnceLock::new(),
            task: Mutex::new(Some(task)),
        };
        match up.await {
            Ok(Ok(before)) => {
                link.before.get_or_init(|| before);
                Ok(link)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(GateError::Stopping),
        }
    }

    /// Takes nothing more, waits until what was taken is durable or has failed, and writes the state file.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the link to the ledger ended by a panic");
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Recorder for Link {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        if self.stop.is_cancelled() {
            return Err(GateError::Stopping);
        }
        let receipts = self.queue.submit(drafts)?;
        Ok(Box::pin(
            async move { receipts.await.unwrap_or(Err(GateError::Stopping)) },
        ))
    }

    fn room(&self) -> Option<Room> {
        self.queue.room()
    }

    fn recorded_before(&self) -> bool {
        self.before.get().copied().unwrap_or(true)
    }

    fn keeping(&self) -> Option<Keeping> {
        Some(self.keeping.clone())
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.heard.subscribe()
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        self.signatures.clone()
    }
}
