//! Keys in force: who may emit what, as the key events of the log say, entry by entry.
//!
//! The ledger asks it before it takes a batch, a proxy asks it before it believes an approval, and the verifier asks it
//! again for every entry. All three run this code, so what the ledger takes is what the verifier accepts.
//!
//! Not here: signatures ([`crate::seal`]) and the order of seals and sessions ([`crate::chain`]).

use std::collections::BTreeMap;

use crate::event::trust::{Genesis, KeyEnrolled, KeyRevoked, KeyRotated, Role};
use crate::event::{Body, Kind};
use crate::key::{KeyBytes, KeyError, KeyId, PublicKey};
use crate::merkle::Index;

/// Keys that a log may ever enrol; bounds the memory of every reader.
pub const KEYS_MAX: usize = 100_000;

/// Why a key may not do what it did, or a key event cannot be applied.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyringError {
    /// No event has enrolled this key.
    #[error("key {0} is not enrolled")]
    Unknown(KeyId),
    /// The key was revoked, or another took its place.
    #[error("key {key} ended at index {ended}")]
    Ended {
        /// The key.
        key: KeyId,
        /// Index of the event that ended it.
        ended: Index,
    },
    /// The key's role does not emit events of this kind.
    #[error("key {key} has the role {role}, which does not emit {kind} events")]
    WrongRole {
        /// The key.
        key: KeyId,
        /// Its role.
        role: Role,
        /// The kind.
        kind: Kind,
    },
    /// A key event names a key that was named before; a key is enrolled once and never comes back.
    #[error("key {0} was enrolled before; a key is enrolled once and never comes back")]
    Twice(KeyId),
    /// The bytes of an enrolled key are refused.
    #[error("the key to enrol is refused: {0}")]
    Key(#[from] KeyError),
    /// Without an administrator nobody could change keys again.
    #[error("key {0} is the last administrator in force and cannot be revoked")]
    LastAdministrator(KeyId),
    /// A genesis event that is not the first entry, or one without its administrators.
    #[error("genesis is refused: {0}")]
    Genesis(&'static str),
    /// More keys than [`KEYS_MAX`].
    #[error("the log has enrolled {KEYS_MAX} keys; no more are taken")]
    Full,
}

/// A key that the log enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: PublicKey,
    /// What it may emit.
    pub role: Role,
    /// Name for people; people are told apart by it, not by their keys.
    pub name: String,
    /// Groups of a person, sorted.
    pub groups: Vec<String>,
    /// Index of the event that enrolled it.
    pub enrolled: Index,
    /// Index of the event that ended it.
    pub ended: Option<Index>,
}

/// All keys of a log, as of the last event applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    origin: String,
    log_key: KeyBytes,
    keys: BTreeMap<KeyId, KeyRecord>,
}

impl Keyring {
    /// Begins with the log's first event, sealed by `emitter`.
    ///
    /// # Errors
    /// [`KeyringError::Genesis`] when it names no administrator or its first one did not seal it, and
    /// [`KeyringError::Key`], [`KeyringError::Twice`] for the keys in it.
    pub fn begin(genesis: &Genesis, emitter: KeyId) -> Result<Self, KeyringError> {
        let mut keyring = Self {
            origin: genesis.origin.clone(),
            log_key: genesis.log_key,
            keys: BTreeMap::new(),
        };
        PublicKey::from_bytes(genesis.log_key)?;
        for administrator in &genesis.administrators {
            keyring.enrol(
                Index(0),
                administrator.key,
                Role::Administrator,
                &administrator.name,
                &[],
            )?;
        }
        let first = genesis
            .administrators
            .first()
            .ok_or(KeyringError::Genesis("it names no administrator"))?;
        if PublicKey::from_bytes(first.key)?.id() != emitter {
            return Err(KeyringError::Genesis("its first administrator did not seal it"));
        }
        Ok(keyring)
    }

    /// The log's name, as genesis says.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key that signs checkpoints, as genesis says.
    pub fn log_key(&self) -> KeyBytes {
        self.log_key
    }

    /// Every key that was ever enrolled, by its id.
    pub fn keys(&self) -> impl Iterator<Item = (&KeyId, &KeyRecord)> {
        self.keys.iter()
    }

    /// The record of a key, ended or not.
    pub fn record(&self, key: KeyId) -> Option<&KeyRecord> {
        self.keys.get(&key)
    }

    /// The record of a key that is in force now.
    ///
    /// # Errors
    /// [`KeyringError::Unknown`] and [`KeyringError::Ended`].
    pub fn in_force(&self, key: KeyId) -> Result<&KeyRecord, KeyringError> {
        let record = self.keys.get(&key).ok_or(KeyringError::Unknown(key))?;
        match record.ended {
            Some(ended) => Err(KeyringError::Ended { key, ended }),
            None => Ok(record),
        }
    }

    /// The record of a key that may emit this kind now.
    ///
    /// # Errors
    /// As [`Keyring::in_force`], and [`KeyringError::WrongRole`].
    pub fn may_emit(&self, key: KeyId, kind: Kind) -> Result<&KeyRecord, KeyringError> {
        let record = self.in_force(key)?;
        if emits(record.role, kind) {
            Ok(record)
        } else {
            Err(KeyringError::WrongRole {
                key,
                role: record.role,
                kind,
            })
        }
    }

    /// Takes the next event of the log; only key events change anything.
    ///
    /// The caller has checked the seal and [`Keyring::may_emit`].
    ///
    /// # Errors
    /// [`KeyringError`]; nothing has changed then.
    pub fn apply(&mut self, index: Index, body: &Body) -> Result<(), KeyringError> {
        match body {
            Body::Genesis(_) => Err(KeyringError::Genesis("it is not the first entry")),
            Body::KeyEnrolled(KeyEnrolled {
                key,
                role,
                name,
                groups,
            }) => self.enrol(index, *key, *role, name, groups),
            Body::KeyRevoked(KeyRevoked { key, .. }) => self.end(index, *key),
            Body::KeyRotated(KeyRotated { from, to }) => {
                let KeyRecord { role, name, groups, .. } = self.in_force(*from)?.clone();
                self.enrol(index, *to, role, &name, &groups)?;
                self.end(index, *from)
            }
            _ => Ok(()),
        }
    }

    fn enrol(
        &mut self,
        index: Index,
        key: KeyBytes,
        role: Role,
        name: &str,
        groups: &[String],
    ) -> Result<(), KeyringError> {
        let key = PublicKey::from_bytes(key)?;
        // The log's key signs checkpoints and nothing else (design, "Formats").
        if self.keys.contains_key(&key.id()) || key.to_bytes() == self.log_key {
            return Err(KeyringError::Twice(key.id()));
        }
        if self.keys.len() >= KEYS_MAX {
            return Err(KeyringError::Full);
        }
        let record = KeyRecord {
            key,
            role,
            name: name.to_owned(),
            groups: groups.to_vec(),
            enrolled: index,
            ended: None,
        };
        self.keys.insert(key.id(), record);
        Ok(())
    }

    fn end(&mut self, index: Index, key: KeyId) -> Result<(), KeyringError> {
        let role = self.in_force(key)?.role;
        let administrators = self
            .keys
            .values()
            .filter(|record| record.role == Role::Administrator && record.ended.is_none())
            .count();
        if role == Role::Administrator && administrators == 1 {
            return Err(KeyringError::LastAdministrator(key));
        }
        if let Some(record) = self.keys.get_mut(&key) {
            record.ended = Some(index);
        }
        Ok(())
    }
}

/// Which role emits which kind: the separation that promise P5 stands on.
const fn emits(role: Role, kind: Kind) -> bool {
    match kind {
        Kind::Genesis | Kind::KeyEnrolled | Kind::KeyRevoked | Kind::KeyRotated | Kind::Hold | Kind::Erasure => {
            matches!(role, Role::Administrator)
        }
        Kind::PolicySnapshot => matches!(role, Role::Proxy | Role::Administrator),
        Kind::CatalogSnapshot
        | Kind::SessionOpened
        | Kind::SessionClosed
        | Kind::Command
        | Kind::ApprovalRequested
        | Kind::ApprovalExpired
        | Kind::ResponseChunk
        | Kind::ResponseEnd
        | Kind::CommandData
        | Kind::Detection => matches!(role, Role::Proxy),
        Kind::ApprovalDecided | Kind::ReviewSigned => matches!(role, Role::Person),
        Kind::EvidenceRead | Kind::Anchor => matches!(role, Role::Ledger),
        Kind::Fault => matches!(role, Role::Proxy | Role::Ledger),
    }
}

#[cfg(test)]
mod tests;
