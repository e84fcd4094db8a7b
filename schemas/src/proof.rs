//! The proof of one event: that it stands in the log, under the seal of its emitter, without showing any other event.
//!
//! ```text
//! c2sp.org/tlog-proof@v1                     C2SP tlog-proof, of the seal's entry
//! extra <base64 of the batch path>           { 1: seal, 2: position, 3: [* digest] }, deterministic CBOR
//! index <decimal>                            index of the seal
//! <base64>                                   one line to each hash of the seal's inclusion proof, lowest first
//!                                            an empty line
//! <checkpoint>                               the signed note
//! ```
//!
//! Any tlog-proof reader checks that the seal (the bytes under key 1) is in the log. The path under key 3 then leads from
//! the event's leaf hash, at `position` among the `count` events of the seal, to the root that the seal signs (RFC 9162
//! section 2.1.3.2). The event's own index is `index - count + position`.
//!
//! The event's bytes travel beside the proof, not in it. Of the neighbours a proof holds hashes alone; who can guess a
//! neighbour's every byte can confirm the guess.
//!
//! Not here: whether the emitter's key was in force ([`crate::keyring`]). Its enrolment is an event, with a proof like
//! this one under an administrator's seal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::cbor::{self, Bytes, DecodeError};
use crate::chain::{ChainError, same_emitter};
use crate::checkpoint::{Checkpoint, CheckpointError, NOTE_BYTES_MAX, VerifierKey};
use crate::digest::Digest;
use crate::event::{Event, EventError};
use crate::key::{KeyId, PublicKey};
use crate::merkle::{self, Index, NodeSource, ProofError, TreeSize};
use crate::seal::{BATCH_EVENTS_MAX, SealError, SealPayload, UnverifiedSeal};

/// First line of a proof (C2SP tlog-proof).
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Hashes of an inclusion proof at the most: one to a level of a tree of 2^64 entries.
pub const PATH_HASHES_MAX: usize = 64;

/// Bytes of the batch path at the most: a seal takes about 250, ten hashes of a batch of 1,024 events 340.
pub const EXTRA_BYTES_MAX: usize = 1_024;

/// Bytes of a proof at the most: its checkpoint, its hashes in base64, the batch path in base64, and the fixed words.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + PATH_HASHES_MAX * 45 + EXTRA_BYTES_MAX * 4 / 3 + 128;

crate::record! {
    /// From the event to the root that its seal signs.
    struct BatchPath {
        /// The encoded seal.
        1 => seal: Bytes,
        /// Place of the event in its batch, from 0.
        2 => position: u64,
        /// Hashes from the event's leaf to the seal's root, lowest first.
        3 => path: Vec<Digest>,
    }
}

/// Why a proof of an event is refused, or cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventProofError {
    /// The text breaks a rule of its format.
    #[error("not the proof of an event: {rule}")]
    Format {
        /// The rule.
        rule: &'static str,
    },
    /// The batch path cannot be read.
    #[error("the batch path: {0}")]
    BatchPath(#[from] DecodeError),
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The seal is not in the log of the checkpoint.
    #[error("the seal is not proven to be in the log: {0}")]
    Seal(ProofError),
    /// The seal cannot be read, or is not of the emitter's key.
    #[error(transparent)]
    Signature(#[from] SealError),
    /// The event is not under the seal.
    #[error("the event is not proven to be under its seal: {0}")]
    Event(ProofError),
    /// The bytes that were proven are not an event.
    #[error(transparent)]
    NotAnEvent(#[from] EventError),
    /// The event names another emitter than its seal.
    #[error(transparent)]
    Emitter(#[from] ChainError),
}

/// A proof of one event that nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventProof {
    // Invariant: `to_text` gives a text that `parse` takes; the seal under `batch` can be read, with `payload` in it.
    seal_index: Index,
    path: Vec<Digest>,
    batch: BatchPath,
    seal: UnverifiedSeal,
    checkpoint: String,
}

/// An event that was proven: it stands in the log at `index`, and `seal` is what its emitter signed over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEvent {
    /// The event.
    pub event: Event,
    /// Its index in the log.
    pub index: Index,
    /// What its seal says.
    pub seal: SealPayload,
    /// The head of the log that covers it.
    pub checkpoint: Checkpoint,
}

impl EventProof {
    /// Makes the proof of the event at `position` (from 0) of the batch that `seal` closes.
    ///
    /// `leaves` are the leaf hashes of the batch's events in order, `source` the hashes of the log that `checkpoint` heads.
    ///
    /// # Errors
    /// [`EventProofError::Seal`] when the log of the checkpoint does not hold the seal or the source lacks a hash,
    /// [`EventProofError::Event`] for a position outside the batch, [`EventProofError::Signature`] and
    /// [`EventProofError::Format`] for a seal that is none or not of these leaves.
    pub fn make(
        seal_index: Index,
        seal: Bytes,
        leaves: &[Digest],
        position: u64,
        checkpoint: &Checkpoint,
        source: &impl NodeSource,
    ) -> Result<Self, EventProofError> {
        let read = UnverifiedSeal::read(&seal.0)?;
        let size = TreeSize(u64::try_from(leaves.len()).unwrap_or(u64::MAX));
        if leaves.len() > BATCH_EVENTS_MAX || size.0 != read.claimed().count {
            return Err(refuse("the leaf hashes are not as many as the seal counts"));
        }
        let batch_path =
            merkle::inclusion_proof(Index(position), size, &Leaves(leaves)).map_err(EventProofError::Event)?;
        let leaf = usize::try_from(position).ok().and_then(|place| leaves.get(place));
        let leaf = *leaf.ok_or(EventProofError::Event(ProofError::OutOfRange {
            index: Index(position),
            size,
        }))?;
        merkle::verify_inclusion(leaf, Index(position), size, &batch_path, read.claimed().root)
            .map_err(EventProofError::Event)?;
        let path = merkle::inclusion_proof(seal_index, checkpoint.size(), source).map_err(EventProofError::Seal)?;
        merkle::verify_inclusion(
            Digest::leaf(&seal.0),
            seal_index,
            checkpoint.size(),
            &path,
            checkpoint.root(),
        )
        .map_err(EventProofError::Seal)?;
        let batch = BatchPath {
            seal,
            position,
            path: batch_path,
        };
        Ok(Self {
            seal_index,
            path,
            batch,
            seal: read,
            checkpoint: checkpoint.note().to_owned(),
        })
    }

    /// Reads a proof strictly; takes only the form that [`EventProof::to_text`] writes.
    ///
    /// # Errors
    /// [`EventProofError::Format`], [`EventProofError::BatchPath`] and [`EventProofError::Signature`] for a seal that
    /// cannot be read.
    pub fn parse(text: &str) -> Result<Self, EventProofError> {
        if text.len() > PROOF_BYTES_MAX {
            return Err(refuse("it is longer than a proof can be"));
        }
        let (proof, checkpoint) = text
            .split_once("\n\n")
            .ok_or(refuse("no empty line before the checkpoint"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(refuse("it does not begin with c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = BASE64
            .decode(extra.ok_or(refuse("the second line holds the batch path"))?)
            .map_err(|_| refuse("the batch path is not base64"))?;
        if extra.len() > EXTRA_BYTES_MAX {
            return Err(refuse("the batch path is longer than it can be"));
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|number| number.parse().ok());
        let seal_index = Index(index.ok_or(refuse("the third line holds the index"))?);
        let path = lines.map(hash_line).collect::<Option<Vec<_>>>();
        let path = path.ok_or(refuse("a hash is not the base64 of 32 bytes"))?;
        if path.len() > PATH_HASHES_MAX {
            return Err(refuse("it has more than 64 hashes"));
        }
        let batch: BatchPath = cbor::decode(&extra)?;
        let seal = UnverifiedSeal::read(&batch.seal.0)?;
        let read = Self {
            seal_index,
            path,
            batch,
            seal,
            checkpoint: checkpoint.to_owned(),
        };
        // One text to a proof: signs, leading zeros and other base64 forms end here.
        if read.to_text() == text {
            Ok(read)
        } else {
            Err(refuse("it is not written in the one form of its content"))
        }
    }

    /// The text of the proof.
    pub fn to_text(&self) -> String {
        let extra = BASE64.encode(cbor::encode(&self.batch));
        let mut text = format!("{HEADER}\nextra {extra}\nindex {}\n", self.seal_index);
        for hash in &self.path {
            text.push_str(&BASE64.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// The key that claims to have sealed the event; not proven before [`EventProof::verify`].
    pub fn claimed_emitter(&self) -> KeyId {
        self.seal.claimed_emitter()
    }

    /// Checks the whole way: checkpoint, seal in the log, emitter's signature, event under the seal.
    ///
    /// The caller knows from elsewhere that `log` is the log's key and `emitter` the key of the event's author.
    ///
    /// # Errors
    /// [`EventProofError`] for the first step that fails.
    pub fn verify(&self, event: &[u8], log: &VerifierKey, emitter: &PublicKey) -> Result<ProvenEvent, EventProofError> {
        let checkpoint = Checkpoint::verify(&self.checkpoint, log)?;
        merkle::verify_inclusion(
            Digest::leaf(&self.batch.seal.0),
            self.seal_index,
            checkpoint.size(),
            &self.path,
            checkpoint.root(),
        )
        .map_err(EventProofError::Seal)?;
        let seal = self.seal.verify(emitter)?;
        merkle::verify_inclusion(
            Digest::leaf(event),
            Index(self.batch.position),
            TreeSize(seal.count),
            &self.batch.path,
            seal.root,
        )
        .map_err(EventProofError::Event)?;
        let first = self.seal_index.0.checked_sub(seal.count);
        let first = first.ok_or(refuse("its seal counts more events than entries stand before it"))?;
        let event = Event::decode(event)?;
        same_emitter(&event, &seal)?;
        Ok(ProvenEvent {
            event,
            index: Index(first + self.batch.position),
            seal,
            checkpoint,
        })
    }
}

fn refuse(rule: &'static str) -> EventProofError {
    EventProofError::Format { rule }
}

fn hash_line(line: &str) -> Option<Digest> {
    let bytes = BASE64.decode(line).ok()?;
    Digest::try_from(bytes.as_slice()).ok()
}

/// The leaf hashes of one batch; interior nodes are hashed when they are asked for, which a batch is small enough for.
struct Leaves<'leaves>(&'leaves [Digest]);

impl NodeSource for Leaves<'_> {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        let Some(below) = level.checked_sub(1) else {
            return self.0.get(usize::try_from(index).ok()?).copied();
        };
        let left = index.checked_mul(2)?;
        Some(Digest::node(self.node(below, left)?, self.node(below, left + 1)?))
    }
}

#[cfg(test)]
mod tests;
