//! Admission, the parallel part: everything about a batch that needs no state of the log but a key.
//!
//! Decoding, hashing and the strict signature check are the price of an event; they run in the caller's thread, so that
//! several connections use several cores. What depends on the order of the log is checked by the committer.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::chain;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Event;
use exhibit_schemas::key::PublicKey;
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, SealPayload, Sealed, UnverifiedSeal};
use exhibit_schemas::wire::{Append, BATCH_BYTES_MAX, Refusal, RefusalCode};

/// A batch whose events decode, whose seal verifies under the key that it names, and whose events say that emitter.
///
/// **Invariant:** made by [`check`] alone. That the key is in force is not checked yet.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    sealed: Sealed,
    events: Vec<Event>,
    seal_leaf: Digest,
}

impl CheckedBatch {
    /// The events, decoded, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The leaf hashes of the events, in order.
    pub fn leaves(&self) -> &[Digest] {
        self.sealed.leaves()
    }

    /// The leaf hash of the seal.
    pub fn seal_leaf(&self) -> Digest {
        self.seal_leaf
    }

    /// What the seal says.
    pub fn payload(&self) -> &SealPayload {
        self.sealed.payload()
    }

    /// The entries as they go into the log: the events, and then the seal.
    pub fn entries(&self) -> impl Iterator<Item = &Bytes> {
        self.sealed.events().iter().chain([self.sealed.seal_bytes()])
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> usize {
        self.entries().map(|entry| entry.0.len()).sum()
    }
}

/// Checks a batch; `key` looks up the public key of an emitter that the log has enrolled.
///
/// # Errors
/// The [`Refusal`] to answer with; nothing of the batch may be taken.
pub fn check(
    append: Append,
    key: impl FnOnce(exhibit_schemas::key::KeyId) -> Option<PublicKey>,
) -> Result<CheckedBatch, Refusal> {
    let seal = UnverifiedSeal::take(append.seal).map_err(|error| refusal((0, 0), RefusalCode::Seal, &error))?;
    let place = (seal.claimed().boot, seal.claimed().sequence);
    let refuse = |code, cause: &dyn std::fmt::Display| refusal(place, code, cause);
    let bytes: usize = append.events.iter().map(|event| event.0.len()).sum();
    if append.events.len() > BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX {
        return Err(refuse(
            RefusalCode::Malformed,
            &format!("a batch has at most {BATCH_EVENTS_MAX} events and {BATCH_BYTES_MAX} bytes"),
        ));
    }
    let emitter = seal.claimed_emitter();
    let key = key(emitter).ok_or_else(|| refuse(RefusalCode::Key, &format!("key {emitter} is not enrolled")))?;
    let sealed = seal
        .verify_over(append.events, &key)
        .map_err(|error| refuse(RefusalCode::Seal, &error))?;
    let mut events = Vec::with_capacity(sealed.events().len());
    for (position, bytes) in sealed.events().iter().enumerate() {
        let at = |cause: &dyn std::fmt::Display| format!("event {position} of the batch: {cause}");
        let event = Event::decode(&bytes.0).map_err(|error| refuse(RefusalCode::Malformed, &at(&error)))?;
        chain::same_emitter(&event, sealed.payload()).map_err(|error| refuse(RefusalCode::Chain, &at(&error)))?;
        events.push(event);
    }
    Ok(CheckedBatch {
        seal_leaf: Digest::leaf(&sealed.seal_bytes().0),
        sealed,
        events,
    })
}

/// A refusal of the batch whose seal has this boot and sequence.
pub fn refusal((boot, sequence): (u64, u64), code: RefusalCode, cause: &dyn std::fmt::Display) -> Refusal {
    Refusal {
        boot,
        sequence,
        code,
        text: cause.to_string(),
    }
}
