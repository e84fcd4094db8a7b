//! Batches and their seals: one signature over what an emitter flushes together (as RFC 5848 section 4 does for syslog).
//!
//! ```text
//! batch = 1 to 1,024 events, and then their seal; consecutive entries of the log
//! seal  = COSE_Sign1 (RFC 9052 section 4.2), tag 18:
//!         d2 84 <protected> a0 <payload> <signature>
//! protected = { 1: -19 (Ed25519, RFC 9864; -65555 of a security key), 3: "application/vnd.exhibit.seal+cbor", 4: kid }
//! payload   = { 1: version, 2: kid, 3: boot, 4: sequence, 5: count, 6: root, ? 7: previous }
//! ```
//!
//! The root is that of RFC 9162 over the leaf hashes of the events, so the log and the seal hash each event once. The
//! previous seal is named by its own leaf hash, across boots, so a seal that is taken out leaves a broken chain.
//! Not here: who may emit what; the ledger and the verifier decide that from the key events.

use crate::cbor::{self, Bytes, DecodeError};
use crate::cose::{self, CoseError, Sign1};
use crate::digest::Digest;
use crate::key::{KeyError, KeyId, PublicKey, Signer};

/// Events in a batch at the most. A flush under load holds hundreds; more would delay the first event's receipt.
pub const BATCH_EVENTS_MAX: usize = 1_024;

/// Bytes of one entry at the most: tlog-tiles writes an entry's length in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// First byte of a seal: CBOR tag 18, COSE_Sign1.
pub const SEAL_FIRST_BYTE: u8 = cose::FIRST_BYTE;

const VERSION: u8 = 1;
const CONTENT_TYPE: &str = "application/vnd.exhibit.seal+cbor";

crate::record! {
    /// What a seal says of its batch.
    pub struct SealPayload {
        /// Version of this format: 1.
        1 => version: u8,
        /// The emitter's key, the same as the COSE `kid`.
        2 => emitter: KeyId,
        /// Start of this run of the emitter, unix microseconds; grows from run to run.
        3 => boot: u64,
        /// Place of this seal in the run, from 0 without gaps.
        4 => sequence: u64,
        /// Number of events sealed, 1 to 1,024.
        5 => count: u64,
        /// RFC 9162 root over the leaf hashes of the events, in order.
        6 => root: Digest,
        /// Leaf hash of the emitter's previous seal; absent in its first one ever.
        (?) 7 => previous: Digest,
    }
}

/// Why a batch or a seal is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// The bytes are not a seal.
    #[error("the seal cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The key or the signature is refused.
    #[error("the seal is not accepted: {0}")]
    Key(#[from] KeyError),
    /// A rule of the format is broken.
    #[error("the seal is not accepted: {rule}")]
    Rule {
        /// The rule.
        rule: &'static str,
    },
    /// A batch holds too many events, or none.
    #[error("a batch holds 1 to {BATCH_EVENTS_MAX} events, this one {count}")]
    Count {
        /// Events in the batch.
        count: usize,
    },
    /// An entry has no bytes, or too many.
    #[error("entry {position} of the batch has {bytes} bytes; the limit is 1 to {ENTRY_BYTES_MAX}")]
    EntrySize {
        /// Place in the batch, from 0.
        position: usize,
        /// Its size.
        bytes: usize,
    },
}

impl From<CoseError> for SealError {
    fn from(error: CoseError) -> Self {
        match error {
            CoseError::Decode(error) => Self::Decode(error),
            CoseError::Key(error) => Self::Key(error),
            CoseError::Tag => Self::Rule {
                rule: "it does not begin with the COSE_Sign1 tag (0xd2)",
            },
            CoseError::Algorithm => Self::Rule {
                rule: "its algorithm is not that of its signature: Ed25519 (-19, or -8 of old), or that of security keys (-65555)",
            },
            CoseError::ContentType => Self::Rule {
                rule: "its content type is not that of a seal",
            },
        }
    }
}

/// Where an emitter stands: what its next seal must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Start of this run, unix microseconds.
    pub boot: u64,
    /// Sequence of the next seal.
    pub sequence: u64,
    /// Leaf hash of the previous seal, if there ever was one.
    pub previous: Option<Digest>,
}

/// Entries under a seal that was made or verified here: the events in order, and the seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    // Invariant: `seal` decodes to `payload`, is signed by `payload.emitter`, and its count and root are of `events`;
    // `leaves` are their leaf hashes.
    events: Vec<Bytes>,
    leaves: Vec<Digest>,
    seal: Bytes,
    payload: SealPayload,
}

impl Sealed {
    /// Signs encoded events as one batch.
    ///
    /// # Errors
    /// [`SealError::Count`], [`SealError::EntrySize`], and [`SealError::Key`] when the signer fails or signs wrongly.
    pub fn seal(events: Vec<Bytes>, chain: Chain, signer: &impl Signer) -> Result<Self, SealError> {
        let (leaves, root) = batch_root(&events)?;
        let key = signer.public_key();
        let count = u64::try_from(events.len()).map_err(|_| SealError::Count { count: events.len() })?;
        let Chain {
            boot,
            sequence,
            previous,
        } = chain;
        let payload = SealPayload {
            version: VERSION,
            emitter: key.id(),
            boot,
            sequence,
            count,
            root,
            previous,
        };
        let seal = cose::sign(CONTENT_TYPE, cbor::encode(&payload), signer)?;
        Ok(Self {
            events,
            leaves,
            seal,
            payload,
        })
    }

    /// Checks a seal against its events and the key that it must be of.
    ///
    /// # Errors
    /// [`SealError`] for the first rule that is broken.
    pub fn verify(events: Vec<Bytes>, seal: Bytes, key: &PublicKey) -> Result<Self, SealError> {
        UnverifiedSeal::take(seal)?.verify_over(events, key)
    }

    /// The encoded events, in order.
    pub fn events(&self) -> &[Bytes] {
        &self.events
    }

    /// The leaf hashes of the events, in order.
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// The encoded seal.
    pub fn seal_bytes(&self) -> &Bytes {
        &self.seal
    }

    /// What the seal says.
    pub fn payload(&self) -> &SealPayload {
        &self.payload
    }

    /// Where the emitter stands after this seal.
    pub fn next(&self) -> Chain {
        let sequence = self.payload.sequence.saturating_add(1);
        Chain {
            boot: self.payload.boot,
            sequence,
            previous: Some(Digest::leaf(&self.seal.0)),
        }
    }
}

/// A seal that could be read, whose signature nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedSeal {
    // Invariant: what `bytes` decode to.
    bytes: Bytes,
    signed: Sign1,
    payload: SealPayload,
}

impl UnverifiedSeal {
    /// Reads the COSE structure strictly.
    ///
    /// # Errors
    /// [`SealError::Decode`] and [`SealError::Rule`].
    pub fn read(bytes: &[u8]) -> Result<Self, SealError> {
        Self::take(Bytes(bytes.to_vec()))
    }

    /// The same with bytes that it may keep.
    ///
    /// # Errors
    /// As [`UnverifiedSeal::read`].
    pub fn take(bytes: Bytes) -> Result<Self, SealError> {
        if bytes.0.first() != Some(&SEAL_FIRST_BYTE) {
            return Err(CoseError::Tag.into());
        }
        if bytes.0.len() > ENTRY_BYTES_MAX {
            return Err(SealError::EntrySize {
                position: 0,
                bytes: bytes.0.len(),
            });
        }
        let signed = Sign1::read(&bytes.0, CONTENT_TYPE)?;
        let payload = cbor::decode::<SealPayload>(signed.payload())?;
        let refuse = |rule| Err(SealError::Rule { rule });
        match () {
            () if signed.claimed_key() != payload.emitter => refuse("its kid is not its emitter"),
            () if payload.version != VERSION => refuse("its version is not 1"),
            () if payload.count == 0 => refuse("it seals no event"),
            () if usize::try_from(payload.count).is_ok_and(|count| count > BATCH_EVENTS_MAX) => {
                refuse("it seals more than 1,024 events")
            }
            () => Ok(Self { bytes, signed, payload }),
        }
    }

    /// The key that claims to have signed; not yet proven.
    pub fn claimed_emitter(&self) -> KeyId {
        self.payload.emitter
    }

    /// What the seal says; not yet proven. Enough to say where a broken seal's batch begins.
    pub fn claimed(&self) -> &SealPayload {
        &self.payload
    }

    /// Checks the signature strictly and gives what the seal says.
    ///
    /// # Errors
    /// [`SealError::Rule`] when `key` is another than the one named, [`SealError::Key`] for a bad signature.
    pub fn verify(&self, key: &PublicKey) -> Result<SealPayload, SealError> {
        if key.id() != self.payload.emitter {
            return Err(SealError::Rule {
                rule: "it names another key",
            });
        }
        self.signed.verify(key)?;
        Ok(self.payload.clone())
    }

    /// Checks the seal against its events and the key that it must be of, as [`Sealed::verify`] does.
    ///
    /// # Errors
    /// [`SealError`] for the first rule that is broken.
    pub fn verify_over(self, events: Vec<Bytes>, key: &PublicKey) -> Result<Sealed, SealError> {
        let payload = self.verify(key)?;
        if payload.count != u64::try_from(events.len()).unwrap_or(u64::MAX) {
            return Err(SealError::Rule {
                rule: "its count is not the number of events before it",
            });
        }
        let (leaves, root) = batch_root(&events)?;
        if payload.root != root {
            return Err(SealError::Rule {
                rule: "its root is not that of the events before it",
            });
        }
        Ok(Sealed {
            events,
            leaves,
            seal: self.bytes,
            payload,
        })
    }
}

/// RFC 9162 section 2.1.1 over the leaf hashes of a batch, after its limits are checked.
fn batch_root(events: &[Bytes]) -> Result<(Vec<Digest>, Digest), SealError> {
    if events.is_empty() || events.len() > BATCH_EVENTS_MAX {
        return Err(SealError::Count { count: events.len() });
    }
    for (position, event) in events.iter().enumerate() {
        if event.0.is_empty() || event.0.len() > ENTRY_BYTES_MAX {
            return Err(SealError::EntrySize {
                position,
                bytes: event.0.len(),
            });
        }
    }
    // Pairs are joined level by level and an odd last one moves up: the same tree as the RFC's split at a power of two.
    let leaves: Vec<Digest> = events.iter().map(|event| Digest::leaf(&event.0)).collect();
    let mut level = leaves.clone();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match *pair {
                [left, right] => Digest::node(left, right),
                [only] => only,
                _ => unreachable!("chunks of two hold one or two"),
            })
            .collect();
    }
    let root = level.first().copied().ok_or(SealError::Count { count: 0 })?;
    Ok((leaves, root))
}

#[cfg(test)]
mod tests {
    use super::{Chain, ENTRY_BYTES_MAX, SealError, Sealed, UnverifiedSeal};
    use crate::cbor::Bytes;
    use crate::digest::Digest;
    use crate::key::{SecretKey, Signer as _};

    const START: Chain = Chain {
        boot: 1_700_000_000_000_000,
        sequence: 0,
        previous: None,
    };

    fn events(count: usize) -> Vec<Bytes> {
        (0..count)
            .map(|number| Bytes(format!("event {number}").into_bytes()))
            .collect()
    }

    fn key() -> SecretKey {
        SecretKey::from_seed(&[9; 32])
    }

    /// The definition of RFC 9162 section 2.1.1, word by word: split at the largest power of two below n.
    fn root_by_definition(leaves: &[Digest]) -> Digest {
        if let [only] = leaves {
            return *only;
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(split);
        Digest::node(root_by_definition(left), root_by_definition(right))
    }

    #[test]
    fn seals_verify_at_every_size_and_have_the_root_of_the_rfc() {
        for count in (1..70).chain([255, 256, 257, 1_023, 1_024]) {
            let sealed = Sealed::seal(events(count), START, &key()).unwrap();
            let leaves: Vec<_> = events(count).iter().map(|event| Digest::leaf(&event.0)).collect();
            assert_eq!(sealed.payload().root, root_by_definition(&leaves), "{count}");
            let again = Sealed::verify(events(count), sealed.seal_bytes().clone(), &key().public_key()).unwrap();
            assert_eq!(again, sealed);
        }
    }

    #[test]
    fn limits_hold_at_and_past_the_edge() {
        let count = |count| Sealed::seal(events(count), START, &key()).map(|_| ());
        assert_eq!(count(0), Err(SealError::Count { count: 0 }));
        assert_eq!(count(1_025), Err(SealError::Count { count: 1_025 }));
        let size = |bytes| Sealed::seal(vec![Bytes(vec![0; bytes])], START, &key()).map(|_| ());
        assert_eq!(size(ENTRY_BYTES_MAX), Ok(()));
        assert!(matches!(size(ENTRY_BYTES_MAX + 1), Err(SealError::EntrySize { .. })));
        assert!(matches!(size(0), Err(SealError::EntrySize { .. })));
    }

    #[test]
    fn a_change_of_any_byte_of_the_seal_is_refused() {
        let sealed = Sealed::seal(events(3), START, &key()).unwrap();
        for position in 0..sealed.seal_bytes().0.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = sealed.seal_bytes().0.clone();
                bytes[position] ^= flip;
                let result = Sealed::verify(events(3), Bytes(bytes), &key().public_key());
                assert!(result.is_err(), "byte {position} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn a_seal_fits_no_other_events() {
        let sealed = Sealed::seal(events(3), START, &key()).unwrap();
        let check = |events: Vec<Bytes>| {
            assert!(Sealed::verify(events, sealed.seal_bytes().clone(), &key().public_key()).is_err());
        };
        check(events(2));
        check(events(4));
        check(events(3).into_iter().rev().collect());
        check(vec![
            Bytes(b"event 0".to_vec()),
            Bytes(b"event 1".to_vec()),
            Bytes(b"event x".to_vec()),
        ]);
    }

    #[test]
    fn another_key_is_refused() {
        let sealed = Sealed::seal(events(1), START, &key()).unwrap();
        let other = SecretKey::from_seed(&[8; 32]).public_key();
        assert!(Sealed::verify(events(1), sealed.seal_bytes().clone(), &other).is_err());
    }

    #[test]
    fn trailing_bytes_and_a_filled_unprotected_header_are_refused() {
        let sealed = Sealed::seal(events(1), START, &key()).unwrap();
        let mut trailing = sealed.seal_bytes().0.clone();
        trailing.push(0);
        assert!(UnverifiedSeal::read(&trailing).is_err());
        let mut bytes = sealed.seal_bytes().0.clone();
        let header_length = usize::from(bytes[3]);
        let place = 4 + header_length;
        assert_eq!(bytes[place], 0xa0, "the empty unprotected map");
        bytes.splice(place..=place, [0xa1, 0x01, 0x26]);
        assert!(UnverifiedSeal::read(&bytes).is_err());
    }

    #[test]
    fn the_chain_names_the_seal_before() {
        let first = Sealed::seal(events(1), START, &key()).unwrap();
        let second = Sealed::seal(events(1), first.next(), &key()).unwrap();
        assert_eq!(second.payload().sequence, 1);
        assert_eq!(second.payload().previous, Some(Digest::leaf(&first.seal_bytes().0)));
    }
}
