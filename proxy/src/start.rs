//! Starting and stopping what every listener shares.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use exhibit_gate::clock::SystemClock;
use exhibit_gate::link::connect::{Connect, TlsConnect};
use exhibit_gate::link::{Link, LinkConfig};
use exhibit_gate::recorder::Recorder;
use exhibit_gate::{Gate, GateError};
use exhibit_identity::Callers;
use exhibit_policy::snapshot::{PolicyError, Snapshot, Target};
use exhibit_s3::credentials::Sealer;
use exhibit_schemas::bundle::{TrustAnchors, TrustError};
use exhibit_schemas::key::SecretKey;
use exhibit_startup::pem;
use rustls_pki_types::ServerName;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::callers::Watched;
use crate::config::{Config, LedgerConfig};
use crate::mask_key;
use crate::reload::Reload;
use crate::secret::{self, SecretError};

/// Why a proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A secret file is refused.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The policy is refused.
    #[error("{}: {error}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PolicyError,
    },
    /// The API keys are refused.
    #[error("{}: {error}", path.display())]
    ApiKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: exhibit_identity::IdentityError,
    },
    /// An issuer of tokens cannot be used.
    #[error("proxy.oidc: {0}")]
    Issuer(#[from] exhibit_identity::oidc::IssuerError),
    /// An endpoint of AWS STS cannot be used.
    #[error("proxy.aws: {0}")]
    Aws(#[from] exhibit_identity::aws::EndpointError),
    /// A file of certificates or revocations is refused.
    #[error("proxy.certificates: {0}")]
    Certificates(pem::PemError),
    /// Authorities of client certificates cannot be used.
    #[error("proxy.certificates: {0}")]
    Authority(#[from] exhibit_identity::certificate::ConfigError),
    /// The trust anchors are refused.
    #[error("{}: {error}", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: TrustError,
    },
    /// A listener's target is not in the policy, or of another protocol.
    #[error("proxy.{protocol} names target `{target}`, which the policy does not define for the protocol {protocol}")]
    Target {
        /// The protocol, which is the section's name, too.
        protocol: &'static str,
        /// The target.
        target: String,
    },
    /// The ledger's address or the TLS files cannot be used.
    #[error("proxy.ledger: {0}")]
    Ledger(String),
    /// A listener cannot start.
    #[error("proxy.postgres: {0}")]
    Postgres(#[from] exhibit_postgres::ConfigError),
    /// A listener cannot start.
    #[error("proxy.s3: {0}")]
    S3(#[from] exhibit_s3::ConfigError),
    /// The gate does not open.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// What every listener shares.
pub struct Proxy {
    gate: Gate,
    callers: Arc<Callers>,
    watched: Watched,
    link: Arc<Link>,
    /// What makes credentials for stores of objects, where there is one.
    sealer: Option<Arc<Sealer>>,
}

impl Proxy {
    /// Reads the files, links the ledger and opens the gate: the policy's snapshot is durable when this returns.
    ///
    /// # Errors
    /// [`ProxyError`].
    pub async fn start(config: &Config, connect: Arc<dyn Connect>) -> Result<Self, ProxyError> {
        let policy = policy(config)?;
        let (callers, watched) = crate::callers::read(config)?;
        let trust = TrustAnchors::parse(&text(&config.trust)?).map_err(|error| ProxyError::Trust {
            path: config.trust.clone(),
            error,
        })?;
        let key = |name: &str| secret::read(&config.directory.join(name));
        let (event_key, digest_key) = (key("proxy.key")?, key("digest.key")?);
        let mask_key = mask_key::read(&config.directory.join(mask_key::FILE))?;
        let sealer = match config.s3.as_slice() {
            [] => None,
            _ => Some(Arc::new(crate::credentials::sealer(config)?)),
        };
        let clock = Arc::new(SystemClock);
        let link = Link::start(LinkConfig {
            connect,
            key: SecretKey::from_seed(&event_key),
            trust,
            clock: clock.clone(),
            state: config.directory.join("link.state"),
        });
        let link = Arc::new(link.await?);
        let recorder: Arc<dyn Recorder> = link.clone();
        let gate = Gate::start(policy, recorder, clock, mask_key, *digest_key).await?;
        Ok(Self {
            gate,
            callers,
            watched,
            link,
            sealer,
        })
    }

    /// The gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// What reads the policy again while the proxy runs.
    pub fn reload(&self, config: &Config) -> Reload {
        Reload::new(self.gate.clone(), config.clone())
    }

    /// Binds every listener of the configuration; nobody is let in before [`Listeners::run`].
    ///
    /// # Errors
    /// [`ProxyError::Postgres`] and [`ProxyError::S3`].
    pub async fn listen(&self, config: &Config) -> Result<Listeners, ProxyError> {
        let mut listeners = Vec::new();
        for listener in &config.postgres {
            let callers = Arc::clone(&self.callers);
            let bound = exhibit_postgres::Listener::bind(self.gate.clone(), listener, callers).await?;
            listeners.push((listener.target.clone(), listener.listen, Bound::Postgres(bound)));
        }
        for (listener, sealer) in config.s3.iter().zip(self.sealer.iter().cycle()) {
            let (gate, callers) = (self.gate.clone(), Arc::clone(&self.callers));
            let bound = exhibit_s3::Listener::bind(gate, listener, callers, Arc::clone(sealer)).await?;
            listeners.push((listener.target.clone(), listener.listen, Bound::S3(bound)));
        }
        Ok(Listeners {
            bound: listeners,
            watched: Some(self.watched.clone()),
        })
    }

    /// Ends the link; call it after every listener has closed its sessions. What they recorded is durable or has failed
    /// when this returns.
    pub async fn shutdown(self) {
        self.link.shutdown().await;
    }
}

/// Bound listeners, and the files in which credentials of their agents may be revoked.
pub struct Listeners {
    /// Each with its target and the address that its configuration names.
    bound: Vec<(String, SocketAddr, Bound)>,
    watched: Option<Watched>,
}

/// A bound listener of some protocol.
enum Bound {
    Postgres(exhibit_postgres::Listener),
    S3(exhibit_s3::Listener),
}

impl Bound {
    const fn protocol(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::S3(_) => "s3",
        }
    }

    async fn run(self, stop: CancellationToken) {
        match self {
            Self::Postgres(listener) => listener.run(stop).await,
            Self::S3(listener) => listener.run(stop).await,
        }
    }
}

impl Listeners {
    /// Protocol, target and address of each.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, &str, SocketAddr)> {
        let bound = self.bound.iter();
        bound.map(|(target, address, bound)| (bound.protocol(), target.as_str(), *address))
    }

    /// Lets agents in until `stop`; returns when every session has closed. Without listeners it waits for `stop` alone.
    pub async fn run(self, stop: CancellationToken) {
        if self.bound.is_empty() {
            return stop.cancelled().await;
        }
        let tasks = TaskTracker::new();
        if let Some(watched) = self.watched {
            tasks.spawn(watched.run(stop.clone()));
        }
        for (_, _, listener) in self.bound {
            tasks.spawn(listener.run(stop.clone()));
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// The way to a ledger in another process, over mutual TLS.
///
/// # Errors
/// [`ProxyError::Ledger`].
pub fn tls_connect(config: &LedgerConfig) -> Result<Arc<dyn Connect>, ProxyError> {
    let refuse = |error: &dyn std::fmt::Display| ProxyError::Ledger(error.to_string());
    let authority = config
        .url
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    let address = || ProxyError::Ledger("`url` is https://host:port".to_owned());
    let authority = authority.ok_or_else(address)?;
    let (host, _port) = authority.rsplit_once(':').ok_or_else(address)?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| address())?;
    let roots = pem::authorities(&config.ca).map_err(|error| refuse(&error))?;
    let identity = pem::identity(&config.certificate, &config.key);
    let pem::Identity { chain, key } = identity.map_err(|error| refuse(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| refuse(&error))?;
    Ok(Arc::new(TlsConnect::new(authority.to_owned(), name, Arc::new(tls))))
}

/// The policy that the configuration names, with its exact bytes; it has the targets of all listeners.
///
/// # Errors
/// [`ProxyError::File`], [`ProxyError::Policy`] and [`ProxyError::Target`].
pub(crate) fn policy(config: &Config) -> Result<(Vec<u8>, Snapshot), ProxyError> {
    let bytes = read(&config.policy)?;
    let snapshot = Snapshot::parse(&bytes).map_err(|error| ProxyError::Policy {
        path: config.policy.clone(),
        error,
    })?;
    let postgres = config.postgres.iter().map(|listener| ("postgres", &listener.target));
    let s3 = config.s3.iter().map(|listener| ("s3", &listener.target));
    for (protocol, name) in postgres.chain(s3) {
        let known = |target: &Target| target.name == *name && target.protocol == protocol;
        if !snapshot.targets().iter().any(known) {
            let target = name.clone();
            return Err(ProxyError::Target { protocol, target });
        }
    }
    Ok((bytes, snapshot))
}

fn read(path: &Path) -> Result<Vec<u8>, ProxyError> {
    std::fs::read(path).map_err(|error| ProxyError::File {
        path: path.to_owned(),
        error,
    })
}

fn text(path: &Path) -> Result<String, ProxyError> {
    std::fs::read_to_string(path).map_err(|error| ProxyError::File {
        path: path.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::Listeners;

    #[tokio::test]
    async fn a_proxy_without_targets_runs_until_it_is_stopped() {
        let stop = CancellationToken::new();
        let running = tokio::spawn(
            Listeners {
                bound: Vec::new(),
                watched: None,
            }
            .run(stop.clone()),
        );
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!running.is_finished());
        stop.cancel();
        running.await.unwrap();
    }
}
