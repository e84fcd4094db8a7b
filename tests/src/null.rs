//! The null ledger: a recorder that drops every event. For benches that ask what the gate alone costs.
//!
//! It exists in the harness only; no product program can run without evidence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exhibit_gate::clock::{Clock, SystemClock};
use exhibit_gate::recorder::{Draft, Heard, Receipt, Recorder, Ticket};
use exhibit_gate::{Gate, GateError};
use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{ApiKeys, Callers, Certificates};
use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::HarnessError;

/// Drops events, and says at once that they are durable.
pub struct NullRecorder {
    next: AtomicU64,
    heard: broadcast::Sender<Arc<Heard>>,
}

impl Default for NullRecorder {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(0),
            heard: broadcast::channel(1).0,
        }
    }
}

impl Recorder for NullRecorder {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        let receipt = |_draft| Receipt {
            index: Index(self.next.fetch_add(1, Ordering::Relaxed)),
            leaf: Digest([0; 32]),
            time: SystemClock.now(),
        };
        let receipts: Vec<Receipt> = drafts.into_iter().map(receipt).collect();
        Ok(Box::pin(std::future::ready(Ok(receipts))))
    }

    fn recorded_before(&self) -> bool {
        false
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        None
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.heard.subscribe()
    }
}

/// Runs the proxies of a configuration over the null ledger until `stop`; tells when they listen.
///
/// # Errors
/// [`HarnessError::Failed`] when a part does not start.
pub async fn serve(
    config: &exhibit_proxy::Config,
    stop: CancellationToken,
    listening: impl FnOnce(),
) -> Result<(), HarnessError> {
    let failed = |error: &dyn std::fmt::Display| HarnessError::Failed {
        program: "the proxy over the null ledger".to_owned(),
        said: error.to_string(),
    };
    let policy = std::fs::read(&config.policy)?;
    let snapshot = Snapshot::parse(&policy).map_err(|error| failed(&error))?;
    let keys = std::fs::read_to_string(&config.api_keys)?;
    let keys = ApiKeys::parse(&keys).map_err(|error| failed(&error))?;
    let callers = Arc::new(Callers::new(
        keys,
        Issuers::default(),
        Endpoints::default(),
        Certificates::default(),
    ));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let recorder: Arc<dyn Recorder> = Arc::new(NullRecorder::default());
    let gate = Gate::start((policy, snapshot), recorder, clock, MaskKey::new([1; 32]), [2; 32]).await;
    let gate = gate.map_err(|error| failed(&error))?;
    let mut running = Vec::new();
    for listener in &config.postgres {
        let bound = exhibit_postgres::Listener::bind(gate.clone(), listener, Arc::clone(&callers)).await;
        running.push(tokio::spawn(bound.map_err(|error| failed(&error))?.run(stop.clone())));
    }
    let sealer = exhibit_proxy::credentials::sealer(config).map_err(|error| failed(&error))?;
    let sealer = Arc::new(sealer);
    for listener in &config.s3 {
        let (callers, sealer) = (Arc::clone(&callers), Arc::clone(&sealer));
        let bound = exhibit_s3::Listener::bind(gate.clone(), listener, callers, sealer).await;
        running.push(tokio::spawn(bound.map_err(|error| failed(&error))?.run(stop.clone())));
    }
    listening();
    for listener in running {
        listener.await.map_err(|error| failed(&error))?;
    }
    Ok(())
}
