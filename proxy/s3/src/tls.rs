//! TLS towards agents and towards the store.

use std::path::Path;
use std::sync::Arc;

use exhibit_startup::pem::{self, PemError};

use crate::config::{Config, ConfigError};

/// What agents see; `None` where they come without TLS.
pub(crate) fn acceptor(config: &Config) -> Result<Option<tokio_rustls::TlsAcceptor>, ConfigError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let identity = pem::identity(&tls.certificate, &tls.key);
    let pem::Identity { chain, key } = identity.map_err(|error| refused(config, error))?;
    let mut server = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| broken(config, &tls.certificate, &error))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(server).into()))
}

/// How the store is checked: by the authorities of a file, or those of the system.
pub(crate) fn connector(config: &Config) -> Result<rustls::ClientConfig, ConfigError> {
    let is_plain = config.store.url.starts_with("http://");
    let roots = match &config.store.ca {
        Some(path) => pem::authorities(path),
        // Nobody is asked for a certificate.
        None if is_plain => Ok(rustls::RootCertStore::empty()),
        None => pem::system_authorities(),
    };
    let roots = roots.map_err(|error| refused(config, error))?;
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(config, config.store.ca.as_deref().unwrap_or(Path::new("")), &error))?;
    Ok(client.with_root_certificates(roots).with_no_client_auth())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn refused(config: &Config, error: PemError) -> ConfigError {
    ConfigError::Pem {
        target: config.target.clone(),
        error,
    }
}

fn broken(config: &Config, path: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Tls {
        target: config.target.clone(),
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
