//! One authority: its roots, and what it revoked so far.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::{Config, ConfigError};

#[derive(Debug)]
pub(super) struct Authority {
    config: Config,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    /// Twice in an `Arc` because what is swapped has a size.
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
}

impl Authority {
    pub(super) fn new(
        config: Config,
        roots: RootCertStore,
        revocations: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, ConfigError> {
        let roots = Arc::new(roots);
        let verifier = verifier(&config, &roots, revocations, &provider)?;
        Ok(Self {
            config,
            roots,
            provider,
            verifier: ArcSwap::from_pointee(verifier),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn issuer(&self) -> String {
        self.config.issuer()
    }

    pub(super) fn trust_domain(&self) -> Option<&str> {
        self.config.trust_domain.as_deref()
    }

    /// Whether a root of these is one of its own; the key and not the whole certificate counts.
    pub(super) fn shares_root(&self, roots: &RootCertStore) -> bool {
        let own = |other: &rustls::pki_types::TrustAnchor<'_>| {
            let mut roots = self.roots.roots.iter();
            roots.any(|root| root.subject_public_key_info == other.subject_public_key_info)
        };
        roots.roots.iter().any(own)
    }

    pub(super) fn revoke(&self, revocations: Vec<CertificateRevocationListDer<'static>>) -> Result<(), ConfigError> {
        let verifier = verifier(&self.config, &self.roots, revocations, &self.provider)?;
        self.verifier.store(Arc::new(verifier));
        Ok(())
    }

    pub(super) fn verify(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), rustls::Error> {
        let verifier = self.verifier.load();
        verifier.verify_client_cert(own, intermediates, at).map(|_| ())
    }
}

/// With lists of revocations, every certificate below the root has to be on none of them, and they have to be of today: a list
/// that is too old, or missing for an authority of the chain, lets nobody in.
fn verifier(
    config: &Config,
    roots: &Arc<RootCertStore>,
    revocations: Vec<CertificateRevocationListDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    if config.crl.is_some() && revocations.is_empty() {
        return Err(ConfigError::new(
            config,
            "its `crl` holds no list of revocations".to_owned(),
        ));
    }
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .with_crls(revocations)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| ConfigError::new(config, error.to_string()))
}
