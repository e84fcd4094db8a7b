//! The first message of an emitter, and its word that the key which it names is its own.
//!
//! ```text
//! proof = COSE_Sign1 by the emitter's key, content type "application/vnd.exhibit.hello+cbor", payload
//!         { 1: origin, 2: challenge, 3: since }
//! ```
//!
//! The challenge is random and of this stream, so a proof is good once; the origin keeps one log from passing a challenge of
//! another on.

use super::{Challenge, WIRE_VERSION};
use crate::cbor::{self, Bytes};
use crate::cose::{self, CoseError, Sign1};
use crate::key::{KeyError, KeyId, PublicKey, Signer};

const CONTENT_TYPE: &str = "application/vnd.exhibit.hello+cbor";

/// Bytes of a proof at the most; a log's name is far shorter than what this leaves to it.
const PROOF_BYTES_MAX: usize = 1_024;

crate::record! {
    /// The first message of an emitter.
    pub struct Hello {
        /// Version of the protocol: 2.
        1 => version: u8,
        /// The key that it seals with.
        2 => emitter: KeyId,
        /// First index from which it wants batches of key events and decisions.
        3 => since: u64,
        /// What proves that it has the key.
        4 => proof: Bytes,
    }
}

crate::record! {
    /// What a proof signs.
    struct Proven {
        1 => origin: String,
        2 => challenge: Challenge,
        3 => since: u64,
    }
}

/// Why a hello proves nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HelloError {
    /// It is of another version.
    #[error("a stream begins with a hello of version {WIRE_VERSION}; this one is of version {0}")]
    Version(u8),
    /// The proof is longer than any.
    #[error("the proof of the hello has more than {PROOF_BYTES_MAX} bytes")]
    TooLong,
    /// The proof is no signature by the key.
    #[error("the hello does not prove that its key is the emitter's: {0}")]
    Cose(#[from] CoseError),
    /// The proof is about another log, challenge or place.
    #[error("the hello proves its key for another stream")]
    Another,
}

impl Hello {
    /// The answer to the challenge of the log with this name.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn sign(origin: &str, challenge: &Challenge, since: u64, signer: &impl Signer) -> Result<Self, KeyError> {
        let proven = Proven {
            origin: origin.to_owned(),
            challenge: challenge.clone(),
            since,
        };
        Ok(Self {
            version: WIRE_VERSION,
            emitter: signer.public_key().id(),
            since,
            proof: cose::sign(CONTENT_TYPE, cbor::encode(&proven), signer)?,
        })
    }

    /// Holds that the emitter has this key: that of the id which it names.
    ///
    /// # Errors
    /// [`HelloError`].
    pub fn verify(&self, origin: &str, challenge: &Challenge, key: &PublicKey) -> Result<(), HelloError> {
        if self.version != WIRE_VERSION {
            return Err(HelloError::Version(self.version));
        }
        if self.proof.0.len() > PROOF_BYTES_MAX {
            return Err(HelloError::TooLong);
        }
        let signed = Sign1::read(&self.proof.0, CONTENT_TYPE)?;
        signed.verify(key).map_err(CoseError::from)?;
        let proven: Proven = cbor::decode(signed.payload()).map_err(CoseError::from)?;
        let says = (proven.origin.as_str(), &proven.challenge, proven.since);
        let asked = (origin, challenge, self.since);
        if says == asked && [self.emitter, signed.claimed_key()] == [key.id(); 2] {
            Ok(())
        } else {
            Err(HelloError::Another)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    const ORIGIN: &str = "log.example";

    fn challenge(byte: u8) -> Challenge {
        Challenge {
            nonce: super::super::Nonce([byte; 32]),
        }
    }

    #[test]
    fn a_hello_is_good_for_its_own_stream_alone() {
        let (mine, other) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
        let hello = Hello::sign(ORIGIN, &challenge(1), 7, &mine).unwrap();
        let key = mine.public_key();
        hello.verify(ORIGIN, &challenge(1), &key).unwrap();
        let another = Err(HelloError::Another);
        assert_eq!(hello.verify("other.example", &challenge(1), &key), another);
        assert_eq!(hello.verify(ORIGIN, &challenge(2), &key), another);
        let moved = Hello {
            since: 8,
            ..hello.clone()
        };
        assert_eq!(moved.verify(ORIGIN, &challenge(1), &key), another);
        let forged = HelloError::Cose(CoseError::Key(KeyError::BadSignature(key.id())));
        // Somebody who names the key of another, and signs with its own or shows what that one signed elsewhere.
        let named = Hello {
            emitter: key.id(),
            ..Hello::sign(ORIGIN, &challenge(1), 7, &other).unwrap()
        };
        assert_eq!(named.verify(ORIGIN, &challenge(1), &key), Err(forged));
        let named = Hello {
            emitter: other.public_key().id(),
            ..hello.clone()
        };
        assert_eq!(named.verify(ORIGIN, &challenge(1), &key), another);
        let old = Hello {
            version: 1,
            ..hello.clone()
        };
        assert_eq!(old.verify(ORIGIN, &challenge(1), &key), Err(HelloError::Version(1)));
        let long = Hello {
            proof: Bytes(vec![0xd2; PROOF_BYTES_MAX + 1]),
            ..hello
        };
        assert_eq!(long.verify(ORIGIN, &challenge(1), &key), Err(HelloError::TooLong));
    }
}
