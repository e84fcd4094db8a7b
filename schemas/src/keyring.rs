//! Keys in force: who may emit what, as the key events of the log say, entry by entry.
//!
//! The ledger asks it before it takes a batch, a proxy asks it before it believes an approval, and the verifier asks it
//! again for every entry. All three run this code, so what the ledger takes is what the verifier accepts.
//!
//! Not here: signatures ([`crate::seal`]) and the order of seals and sessions ([`crate::chain`]).

use std::collections::BTreeMap;

use crate::event::access::SessionOpened;
use crate::event::trust::{
    EvidenceRead, Genesis, KeyEnrolled, KeyRevoked, KeyRotated, MaskKeyAnnounced, MaskKeyId, PolicySigned, REVEAL, Role,
};
use crate::event::{Body, Emitter, Kind};
use crate::key::{KeyBytes, KeyError, KeyId, PublicKey};
use crate::merkle::Index;
use crate::reading::{self, ReadingError};

/// Keys that a log may ever enrol; bounds the memory of every reader.
pub const KEYS_MAX: usize = 100_000;

/// Keys of masks that one proxy may ever announce; one a day for ten years is fewer.
pub const MASK_KEYS_MAX: usize = 4_096;

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
    /// The key of a security key for a role that signs without anybody who touches something.
    #[error("key {key} is that of a security key, which is for people; the role {role} signs without anybody's touch")]
    SecurityKey {
        /// The key.
        key: KeyId,
        /// Its role.
        role: Role,
    },
    /// Without an administrator nobody could change keys again.
    #[error("key {0} is the last administrator in force and cannot be revoked")]
    LastAdministrator(KeyId),
    /// A genesis event that is not the first entry, or one without its administrators.
    #[error("genesis is refused: {0}")]
    Genesis(&'static str),
    /// More keys than [`KEYS_MAX`].
    #[error("the log has enrolled {KEYS_MAX} keys; no more are taken")]
    Full,
    /// A proxy announces a key of masks that does not say that it took the place of the one before it.
    #[error(
        "the key of masks {key} of proxy {proxy} does not say that it replaces {current}, which it announced before: put that \
         key back, or rotate and name it"
    )]
    MaskKeyUnlinked {
        /// The proxy.
        proxy: KeyId,
        /// The key that it announces.
        key: MaskKeyId,
        /// The key that it announced before.
        current: MaskKeyId,
    },
    /// A proxy announces a key of masks that another one replaced.
    #[error("proxy {proxy} replaced the key of masks {key} at index {ended}; a replaced key never comes back")]
    MaskKeyReplaced {
        /// The proxy.
        proxy: KeyId,
        /// The key.
        key: MaskKeyId,
        /// Index of the event that ended it.
        ended: Index,
    },
    /// A proxy announces another key of masks than its run began with: sessions of that run are open under the first.
    #[error("proxy {proxy} announces the key of masks {key} in the middle of a run; a key changes with a start alone")]
    MaskKeyWithinRun {
        /// The proxy.
        proxy: KeyId,
        /// The key that it announces.
        key: MaskKeyId,
    },
    /// A session is opened under a key of masks that is not the one that its proxy announced last, or under none.
    #[error("a session of proxy {proxy} does not mask under the key that it announced last")]
    MaskKeyNotInForce {
        /// The proxy.
        proxy: KeyId,
        /// The key that the session names.
        key: Option<MaskKeyId>,
    },
    /// A person says of itself anything but that it opens a sealed copy, says it of somebody else, or the ledger says it.
    #[error(
        "key {key} may not say that: a person says that it opens a sealed copy itself, and the ledger what else is read"
    )]
    Reading {
        /// The key.
        key: KeyId,
    },
    /// The ledger does not say who read in a way that can be believed.
    #[error(transparent)]
    Reader(#[from] ReadingError),
    /// A signature under a policy is for another log.
    #[error("key {key} signed a policy for another log than this one")]
    OtherLog {
        /// The key.
        key: KeyId,
    },
    /// More keys of masks than [`MASK_KEYS_MAX`].
    #[error("proxy {0} has announced {MASK_KEYS_MAX} keys of masks; no more are taken")]
    MaskKeysFull(KeyId),
}

impl KeyringError {
    /// Whether it is about keys of masks, which vouch for nothing: what a proxy says of them is out of order.
    pub const fn is_of_masks(&self) -> bool {
        matches!(
            self,
            Self::MaskKeyUnlinked { .. }
                | Self::MaskKeyWithinRun { .. }
                | Self::MaskKeyReplaced { .. }
                | Self::MaskKeyNotInForce { .. }
                | Self::MaskKeysFull(_)
        )
    }
}

/// A key of masks that a proxy announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskKeyRecord {
    /// The key.
    pub key: MaskKeyId,
    /// Index of the first event that announced it.
    pub announced: Index,
    /// Run of the proxy that announced it last, or that is known to have opened a session under it.
    pub boot: u64,
    /// Index of the event that announced the next one.
    pub ended: Option<Index>,
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
    /// Keys of masks of a proxy, in the order of their announcement: the last one is in force. A rotation of the proxy's
    /// own key hands them on.
    pub mask_keys: Vec<MaskKeyRecord>,
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
                PublicKey::from_bytes(administrator.key)?,
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

    /// Holds that a session is opened under the key of masks that its proxy announced last.
    ///
    /// A proxy of a version that announced none opens its sessions under none.
    ///
    /// # Errors
    /// [`KeyringError::MaskKeyNotInForce`], and those of [`Keyring::in_force`].
    pub fn may_open(&self, proxy: KeyId, opened: &SessionOpened) -> Result<(), KeyringError> {
        let current = self.in_force(proxy)?.mask_keys.last().map(|record| record.key);
        if opened.mask_key == current {
            return Ok(());
        }
        let key = opened.mask_key;
        Err(KeyringError::MaskKeyNotInForce { proxy, key })
    }

    /// Holds that a person speaks of nothing but a sealed copy that it opens, under its own name; and the ledger of anything
    /// else, with what the reader proved.
    ///
    /// # Errors
    /// [`KeyringError::Reading`], [`KeyringError::Reader`], and those of [`Keyring::in_force`].
    pub fn may_read(&self, key: KeyId, read: &EvidenceRead) -> Result<(), KeyringError> {
        let record = self.in_force(key)?;
        let reveals = read.operation == REVEAL && read.copy.is_some();
        let right = match record.role {
            Role::Person => reveals && read.reader == record.name && read.by.is_none(),
            _ => read.operation != REVEAL && read.copy.is_none(),
        };
        match record.role {
            _ if !right => Err(KeyringError::Reading { key }),
            Role::Person => Ok(()),
            _ => Ok(reading::check(read, self)?),
        }
    }

    /// Holds that a signature under a policy is for this log, by a key in force.
    ///
    /// # Errors
    /// [`KeyringError::OtherLog`], and those of [`Keyring::may_emit`].
    pub fn may_sign(&self, key: KeyId, signed: &PolicySigned) -> Result<(), KeyringError> {
        self.may_emit(key, Kind::PolicySigned)?;
        if signed.log_key == self.log_key {
            return Ok(());
        }
        Err(KeyringError::OtherLog { key })
    }

    /// Notes that a session was opened in this run of its proxy, whose key of masks does not change any more in it. A run can
    /// begin without an announcement, where the proxy had lost its ledger; only who reads all sessions sees that.
    pub fn opened(&mut self, emitter: Emitter) {
        let record = self.keys.get_mut(&emitter.0);
        if let Some(current) = record.and_then(|record| record.mask_keys.last_mut()) {
            current.boot = emitter.1;
        }
    }

    /// Takes the next event of the log, by `emitter`; only key events change anything.
    ///
    /// The caller has checked the seal and [`Keyring::may_emit`].
    ///
    /// # Errors
    /// [`KeyringError`]; nothing has changed then.
    pub fn apply(&mut self, index: Index, emitter: Emitter, body: &Body) -> Result<(), KeyringError> {
        match body {
            Body::Genesis(_) => Err(KeyringError::Genesis("it is not the first entry")),
            Body::KeyEnrolled(KeyEnrolled {
                key,
                role,
                name,
                groups,
                application,
            }) => {
                let key = PublicKey::of(*key, application.as_ref())?;
                self.enrol(index, key, *role, name, groups).map(|_| ())
            }
            Body::KeyRevoked(KeyRevoked { key, .. }) => self.end(index, *key),
            Body::KeyRotated(KeyRotated { from, to, application }) => {
                let KeyRecord {
                    role,
                    name,
                    groups,
                    mask_keys,
                    ..
                } = self.in_force(*from)?.clone();
                let to = PublicKey::of(*to, application.as_ref())?;
                let to = self.enrol(index, to, role, &name, &groups)?;
                if let Some(record) = self.keys.get_mut(&to) {
                    record.mask_keys = mask_keys;
                }
                self.end(index, *from)
            }
            Body::MaskKeyAnnounced(announced) => self.announce(index, emitter, announced),
            _ => Ok(()),
        }
    }

    fn enrol(
        &mut self,
        index: Index,
        key: PublicKey,
        role: Role,
        name: &str,
        groups: &[String],
    ) -> Result<KeyId, KeyringError> {
        if key.is_security_key() && role != Role::Person {
            return Err(KeyringError::SecurityKey { key: key.id(), role });
        }
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
            mask_keys: Vec::new(),
        };
        self.keys.insert(key.id(), record);
        Ok(key.id())
    }

    /// The next key of masks of a proxy, or the one in force once more.
    fn announce(&mut self, index: Index, emitter: Emitter, announced: &MaskKeyAnnounced) -> Result<(), KeyringError> {
        let MaskKeyAnnounced { key, replaces } = announced;
        let Emitter(proxy, boot) = emitter;
        self.in_force(proxy)?;
        let record = self.keys.get_mut(&proxy).ok_or(KeyringError::Unknown(proxy))?;
        let known = &mut record.mask_keys;
        if let Some(MaskKeyRecord {
            key,
            ended: Some(ended),
            ..
        }) = known.iter().find(|record| record.key == *key).copied()
        {
            return Err(KeyringError::MaskKeyReplaced { proxy, key, ended });
        }
        let full = known.len() >= MASK_KEYS_MAX;
        match known.last_mut() {
            Some(current) if current.key == *key => {
                current.boot = boot;
                return Ok(());
            }
            Some(current) if current.boot == boot => return Err(KeyringError::MaskKeyWithinRun { proxy, key: *key }),
            Some(current) if !replaces.contains(&current.key) => {
                let current = current.key;
                return Err(KeyringError::MaskKeyUnlinked {
                    proxy,
                    key: *key,
                    current,
                });
            }
            Some(_) if full => return Err(KeyringError::MaskKeysFull(proxy)),
            Some(current) => current.ended = Some(index),
            None => {}
        }
        known.push(MaskKeyRecord {
            key: *key,
            announced: index,
            boot,
            ended: None,
        });
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
        // Who may change keys need not be who may change policies.
        Kind::PolicySigned => matches!(role, Role::Administrator | Role::Person),
        Kind::CatalogSnapshot
        | Kind::SessionOpened
        | Kind::SessionClosed
        | Kind::Command
        | Kind::ApprovalRequested
        | Kind::ApprovalExpired
        | Kind::ResponseChunk
        | Kind::ResponseEnd
        | Kind::CommandData
        | Kind::Detection
        | Kind::MaskKeyAnnounced
        | Kind::ThresholdDecided
        | Kind::LoginRefused
        | Kind::CommandSealed
        | Kind::PreviewRun
        | Kind::PolicyInForce => matches!(role, Role::Proxy),
        Kind::ApprovalDecided
        | Kind::ReviewSigned
        | Kind::ApprovalRevoked
        | Kind::ReportSigned
        | Kind::ExceptionNoted
        | Kind::ExceptionClosed => matches!(role, Role::Person),
        // Which of the two says what is held by `Keyring::may_read`.
        Kind::EvidenceRead => matches!(role, Role::Ledger | Role::Person),
        Kind::Anchor => matches!(role, Role::Ledger),
        Kind::Fault => matches!(role, Role::Proxy | Role::Ledger),
    }
}

#[cfg(test)]
mod tests;
