//! Reading the policy again while the proxy runs.
//!
//! A file that is refused changes nothing: the policy in force stays in force, the log says why, and the ledger that a policy
//! was refused.

use exhibit_gate::session::Replaced;
use exhibit_gate::{Gate, GateError};
use exhibit_startup::process::ReloadSignal;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::start::{ProxyError, policy};

/// Reads the policy of a configuration again, for its gate.
#[derive(Debug)]
pub struct Reload {
    gate: Gate,
    config: Config,
}

impl Reload {
    pub(crate) fn new(gate: Gate, config: Config) -> Self {
        Self { gate, config }
    }

    /// Reads the policy again at each signal, until `stop`; logs what came of it and tells it in a line: `policy`, and its
    /// digest, `unchanged`, `unsigned` or `refused`; after its digest `unrecorded`, where it is in force and the ledger is not known to have
    /// heard of it.
    pub async fn run(self, mut signal: ReloadSignal, stop: CancellationToken, mut told: impl FnMut(&str) + Send) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = signal.next() => {}
            }
            let read = self.policy().await;
            let in_force = self.gate.policy().digest();
            match read {
                Ok(Replaced::InForce) => {
                    tracing::info!(policy = %in_force, "another policy is in force");
                    told(&format!("policy {in_force}"));
                }
                Ok(Replaced::Unsaid(error)) => {
                    tracing::error!(
                        policy = %in_force,
                        "another policy is in force, and no session opens before the ledger has heard of it: {error}"
                    );
                    told(&format!("policy {in_force} unrecorded"));
                }
                Ok(Replaced::Unchanged) => {
                    tracing::info!(policy = %in_force, "the policy was read again, and has not changed");
                    told("policy unchanged");
                }
                Err(error) => {
                    tracing::error!(%in_force, "the policy was not taken: {error}");
                    let unsigned = matches!(error, ProxyError::Gate(GateError::Unsigned { .. }));
                    told(if unsigned { "policy unsigned" } else { "policy refused" });
                }
            }
        }
    }

    /// Reads the policy again and puts it in force.
    ///
    /// # Errors
    /// [`ProxyError`]; the policy before stays in force, and where the file is refused or not signed that is recorded.
    pub async fn policy(&self) -> Result<Replaced, ProxyError> {
        let replaced = match policy(&self.config) {
            Ok(policy) => self.gate.replace_policy(policy).await.map_err(ProxyError::from),
            Err(error) => Err(error),
        };
        // Of a ledger that failed nothing can be told to it.
        let refused = !matches!(replaced, Ok(_) | Err(ProxyError::Gate(_)));
        let unsigned = matches!(replaced, Err(ProxyError::Gate(GateError::Unsigned { .. })));
        if refused || unsigned {
            let in_force = self.gate.policy().digest();
            let why = if unsigned { "is not signed" } else { "was refused" };
            let text = format!("a policy {why}; {in_force} stays in force");
            if let Err(error) = self.gate.record_fault("gate", text).await {
                unrecorded(&error);
            }
        }
        replaced
    }
}

fn unrecorded(error: &GateError) {
    tracing::warn!(%error, "that a policy was not taken was not recorded");
}
