//! The endpoints of a configuration, with the files that their sections name.
//!
//! Not here: what a token has to be ([`super::presigned`]).

use exhibit_schemas::event::Timestamp;

use super::config::Config;
use super::endpoint::Endpoints;
use crate::fetch::tls;

/// Why an endpoint cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("STS of `{region}`: {error}")]
pub struct EndpointError {
    /// Its region.
    pub region: String,
    /// What is wrong.
    pub error: String,
}

impl Endpoints {
    /// Reads the files of every endpoint; nothing is asked before a token comes. `now` is the time at which this process starts.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn read(configured: &[Config], now: Timestamp) -> Result<Self, EndpointError> {
        let mut endpoints = Self::default();
        for config in configured {
            let refused = |error: String| EndpointError {
                region: config.region.clone(),
                error,
            };
            let tls = tls(config.ca.as_deref()).map_err(refused)?;
            if !endpoints.add(config.clone(), tls, now) {
                return Err(refused("its endpoint is configured twice".to_owned()));
            }
        }
        Ok(endpoints)
    }
}
