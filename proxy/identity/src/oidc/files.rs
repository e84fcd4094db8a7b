//! The issuers of a configuration, with the files that their sections name.
//!
//! Not here: what a token has to be ([`super::issuer`]).

use std::sync::Arc;

use exhibit_schemas::event::Timestamp;
use exhibit_startup::pem;

use super::config::Config;
use super::issuer::Issuers;

/// Why an issuer cannot be believed.
#[derive(Debug, thiserror::Error)]
#[error("issuer `{issuer}`: {error}")]
pub struct IssuerError {
    /// The issuer.
    pub issuer: String,
    /// What is wrong.
    pub error: String,
}

impl Issuers {
    /// Reads the files of every issuer; nothing is fetched before a token comes. `now` is the time at which this process starts.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn read(configured: &[Config], now: Timestamp) -> Result<Self, IssuerError> {
        let mut issuers = Self::default();
        for config in configured {
            let refused = |error: String| IssuerError {
                issuer: config.issuer.clone(),
                error,
            };
            let new = match &config.keys {
                Some(path) => {
                    let place = |error: &dyn std::fmt::Display| refused(format!("{}: {error}", path.display()));
                    let file = std::fs::read(path).map_err(|error| place(&error))?;
                    issuers
                        .with_keys(config.clone(), &file, now)
                        .map_err(|error| place(&error))?
                }
                None => issuers.fetched(config.clone(), tls(config).map_err(refused)?, now),
            };
            if !new {
                return Err(refused("it is configured twice".to_owned()));
            }
        }
        Ok(issuers)
    }
}

/// TLS towards an issuer.
fn tls(config: &Config) -> Result<rustls::ClientConfig, String> {
    let roots = match &config.ca {
        Some(path) => pem::authorities(path),
        None => pem::system_authorities(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| error.to_string())?;
    let roots = roots.map_err(|error| error.to_string())?;
    Ok(tls.with_root_certificates(roots).with_no_client_auth())
}
