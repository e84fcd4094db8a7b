//! Credentials of stores of objects that follow from the proxy's own secret and the id of an API key.
//!
//! Not here: temporary credentials, which agents get for their tokens.

use exhibit_s3::callers::STATIC_PREFIX;
use exhibit_s3::credentials::Sealer;
use exhibit_s3::signature::credential::AccessKeyId;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::secret::{self, SecretError};

/// The secret that they follow from, below the proxy's directory.
pub const FILE: &str = "credentials.key";

/// What an agent signs with.
pub struct Pair {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Zeroizing<String>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pair({})", self.access_key_id)
    }
}

/// What makes credentials.
///
/// # Errors
/// [`SecretError`].
pub fn sealer(config: &Config) -> Result<Sealer, SecretError> {
    Ok(Sealer::of(&*secret::read(&config.directory.join(FILE))?))
}

/// The pair of an API key, by the key's id; `None` for what is no such id.
///
/// # Errors
/// [`SecretError`].
pub fn pair(config: &Config, id: &str) -> Result<Option<Pair>, SecretError> {
    let id = format!("{STATIC_PREFIX}{}", id.to_ascii_uppercase());
    let Some(access_key_id) = AccessKeyId::new(&id) else {
        return Ok(None);
    };
    let secret_access_key = sealer(config)?.secret_of_key(&access_key_id);
    Ok(Some(Pair {
        access_key_id: id,
        secret_access_key,
    }))
}
