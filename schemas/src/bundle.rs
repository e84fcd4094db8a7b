//! The export: what an auditor is handed, as a directory or as one tar archive of the same paths.
//!
//! ```text
//! checkpoint                 the log's signed head (C2SP tlog-checkpoint)
//! tile/<L>/<N>[.p/<W>]       hashes (C2SP tlog-tiles)
//! tile/entries/<N>[.p/<W>]   entries
//! trust.toml                 the log's key and the administrators, as the exporting ledger knows them
//! manifest.json              size and SHA-256 of every other file
//! ```
//!
//! An auditor's trust comes from a `trust.toml` obtained in another way (from the administrators); the copy in the
//! bundle only says what to ask for.
//!
//! Not here: reading and writing files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{CheckpointError, VerifierKey};
use crate::key::{KeyBytes, KeyError, PublicKey};

/// Path of the signed head.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// Path of the trust anchors.
pub const TRUST_PATH: &str = "trust.toml";

/// Path of the manifest.
pub const MANIFEST_PATH: &str = "manifest.json";

/// The format's name and version in the manifest.
pub const BUNDLE_FORMAT: &str = "exhibit-bundle/1";

/// Why trust anchors are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TrustError {
    /// Not TOML of the right shape; the text names the line.
    #[error("the trust file is refused: {0}")]
    Syntax(String),
    /// The log's key is refused.
    #[error("`log`: {0}")]
    Log(#[from] CheckpointError),
    /// An administrator's key is refused.
    #[error("administrator `{name}`: {error}")]
    Administrator {
        /// Name in the file.
        name: String,
        /// What is wrong with the key.
        error: KeyError,
    },
    /// There is no administrator.
    #[error("the trust file names no administrator")]
    Nobody,
}

/// What a verifier believes before it reads anything: the log's key and who may name other keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchors {
    /// The log's name and key.
    pub log: VerifierKey,
    /// The administrators of genesis, in its order: name and key.
    pub administrators: Vec<(String, PublicKey)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    log: String,
    administrators: Vec<AdministratorEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdministratorEntry {
    name: String,
    /// 32 bytes in hexadecimal.
    key: String,
}

impl TrustAnchors {
    /// Reads a `trust.toml`.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn parse(text: &str) -> Result<Self, TrustError> {
        let file: TrustFile = toml::from_str(text).map_err(|error| TrustError::Syntax(error.to_string()))?;
        let log = VerifierKey::parse(&file.log)?;
        if file.administrators.is_empty() {
            return Err(TrustError::Nobody);
        }
        let read = |entry: AdministratorEntry| {
            let key = KeyBytes::from_hex(&entry.key).ok_or(KeyError::NotAKey);
            match key.and_then(PublicKey::from_bytes) {
                Ok(key) => Ok((entry.name, key)),
                Err(error) => Err(TrustError::Administrator {
                    name: entry.name,
                    error,
                }),
            }
        };
        let administrators = file.administrators.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { log, administrators })
    }

    /// Writes a `trust.toml`.
    pub fn to_toml(&self) -> String {
        let file = TrustFile {
            log: self.log.to_string(),
            administrators: self
                .administrators
                .iter()
                .map(|(name, key)| AdministratorEntry {
                    name: name.clone(),
                    key: key.to_bytes().to_string(),
                })
                .collect(),
        };
        toml::to_string(&file).expect("a table of strings is TOML")
    }
}

/// What the manifest says of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// `manifest.json`: everything that is in the bundle, but itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`BUNDLE_FORMAT`].
    pub format: String,
    /// The log's name.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 9162 root over them, hexadecimal.
    pub root: String,
    /// Every other file by its path, in order.
    pub files: BTreeMap<String, ManifestFile>,
}

#[cfg(test)]
mod tests;
