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
use crate::merkle::Index;
use crate::policy_signatures::{PolicySigners, SignersError};

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
    /// Nobody could sign policies so.
    #[error("`policy_signatures` from {from}: {error}")]
    PolicySignatures {
        /// The entry that it holds from.
        from: u64,
        /// What is wrong.
        error: SignersError,
    },
    /// Who signs policies is not in the order of the log.
    #[error("`policy_signatures` from {0} stands after one that holds from there, or from later")]
    PolicySignaturesOrder(u64),
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
    /// Who must have signed a policy before it comes into force, in the order of the entries that each holds from; nobody where it
    /// is empty. Neither the ledger, nor who writes policies, nor one administrator alone can change that.
    pub policy_signers: Vec<PolicySigners>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile {
    log: String,
    administrators: Vec<AdministratorEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policy_signatures: Vec<PolicySignaturesEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicySignaturesEntry {
    /// Index of the entry from which on it holds.
    from: u64,
    people: usize,
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
        let administrators = people(file.administrators)?;
        let mut policy_signers: Vec<PolicySigners> = Vec::new();
        for PolicySignaturesEntry {
            from,
            people: count,
            administrators,
        } in file.policy_signatures
        {
            if policy_signers.last().is_some_and(|last| last.from() >= Index(from)) {
                return Err(TrustError::PolicySignaturesOrder(from));
            }
            let signers = PolicySigners::new(Index(from), count, people(administrators)?);
            policy_signers.push(signers.map_err(|error| TrustError::PolicySignatures { from, error })?);
        }
        Ok(Self {
            log,
            administrators,
            policy_signers,
        })
    }

    /// Writes a `trust.toml`.
    pub fn to_toml(&self) -> String {
        let signatures = |signers: &PolicySigners| PolicySignaturesEntry {
            from: signers.from().0,
            people: signers.people(),
            administrators: entries(signers.keys()),
        };
        let file = TrustFile {
            log: self.log.to_string(),
            administrators: entries(&self.administrators),
            policy_signatures: self.policy_signers.iter().map(signatures).collect(),
        };
        toml::to_string(&file).expect("a table of strings is TOML")
    }
}

fn people(entries: Vec<AdministratorEntry>) -> Result<Vec<(String, PublicKey)>, TrustError> {
    let read = |AdministratorEntry { name, key }| {
        let bytes = KeyBytes::from_hex(&key).ok_or(KeyError::NotAKey);
        match bytes.and_then(PublicKey::from_bytes) {
            Ok(key) => Ok((name, key)),
            Err(error) => Err(TrustError::Administrator { name, error }),
        }
    };
    entries.into_iter().map(read).collect()
}

fn entries(people: &[(String, PublicKey)]) -> Vec<AdministratorEntry> {
    let entry = |(name, key): &(String, PublicKey)| AdministratorEntry {
        name: name.clone(),
        key: key.to_bytes().to_string(),
    };
    people.iter().map(entry).collect()
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
