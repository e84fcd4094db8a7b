//! The issuers of a configuration, with the files that their sections name.
//!
//! Not here: what a token has to be ([`super::issuer`]).

use exhibit_schemas::event::Timestamp;

use super::config::Config;
use super::issuer::Issuers;
use crate::fetch::tls;

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
                None => issuers.fetched(config.clone(), tls(config.ca.as_deref()).map_err(refused)?, now),
            };
            if !new {
                return Err(refused("it is configured twice".to_owned()));
            }
        }
        Ok(issuers)
    }
}
