//! Ed25519 keys of emitters (RFC 8032): identifiers, signing and strict verifying.
//!
//! A key is named by the first 8 bytes of SHA-256 of its 32 bytes. Signatures are accepted by `verify_strict` alone,
//! which refuses small-order points and non-canonical encodings, so one signature is valid under one key only.
//! The key of a security key ([`security`]) signs in its own way and in no other.
//! Not here: key files, passphrases and ssh-agent, which belong to the programs.

pub mod security;

use std::borrow::Cow;

use ed25519_dalek::{Signer as _, VerifyingKey};

use crate::digest::Digest;
use security::{Application, SecuritySignature};

crate::fixed_bytes! {
    /// The name of a key: the first 8 bytes of SHA-256 of the public key. COSE `kid` (RFC 9052 section 3.1).
    pub struct KeyId([u8; 8]);
}

crate::fixed_bytes! {
    /// The bytes of an Ed25519 public key as they stand in events, not yet known to be usable.
    pub struct KeyBytes([u8; 32]);
}

crate::fixed_bytes! {
    /// An Ed25519 signature, R and then S (RFC 8032 section 5.1.6).
    pub struct PlainSignature([u8; 64]);
}

/// A signature as it stands in a signed structure: 64 bytes of an ordinary key, 69 of a security key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Over the bytes themselves.
    Plain(PlainSignature),
    /// Over what a security key makes of them.
    Security(SecuritySignature),
}

impl Signature {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Plain(signature) => signature.as_bytes(),
            Self::Security(signature) => signature.as_bytes(),
        }
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = std::array::TryFromSliceError;

    /// Which of both it is, its length says.
    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        match SecuritySignature::try_from(bytes) {
            Ok(signature) => Ok(Self::Security(signature)),
            Err(_) => PlainSignature::try_from(bytes).map(Self::Plain),
        }
    }
}

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.as_bytes())
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = serde_bytes::deserialize::<&[u8], D>(deserializer)?;
        Self::try_from(bytes).map_err(|_| serde::de::Error::custom("a signature has 64 bytes, or 69 of a security key"))
    }
}

/// Why a public key or a signature is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The bytes are no point of the curve, or not in canonical form.
    #[error("the 32 bytes are not a canonical Ed25519 public key")]
    NotAKey,
    /// A point of small order: anybody can make signatures that it accepts.
    #[error("key {0} is weak: a point of small order, for which anybody can sign")]
    Weak(KeyId),
    /// The signature does not verify strictly.
    #[error("the signature is not one of key {0}")]
    BadSignature(KeyId),
    /// A signature of an ordinary key where a security key signs, or the other way round.
    #[error("the signature is not of the kind that key {0} makes: security keys and ordinary keys sign differently")]
    OtherKind(KeyId),
    /// A security key signed without anybody who touched it.
    #[error("security key {0} signed without being touched; such a signature is nobody's")]
    Absent(KeyId),
    /// A security key says of its signature what one for us cannot have.
    #[error("security key {0} signed more than it is asked to: its flags say that other data follows")]
    Flags(KeyId),
    /// The holder of the key could not sign (an agent that refused, a device that is gone).
    #[error("key {key} did not sign: {reason}")]
    DidNotSign {
        /// The key that was asked.
        key: KeyId,
        /// What its holder answered.
        reason: String,
    },
}

/// A usable Ed25519 public key: a canonical point that is not of small order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    // Invariant: canonical and not weak; checked by the only constructors.
    point: VerifyingKey,
    id: KeyId,
    /// SHA-256 of the application that the key of a security key is bound to; it signs for no other.
    application: Option<Digest>,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 section 5.1.5.
    ///
    /// # Errors
    /// [`KeyError::NotAKey`] and [`KeyError::Weak`].
    pub fn from_bytes(bytes: KeyBytes) -> Result<Self, KeyError> {
        let point = VerifyingKey::from_bytes(&bytes.0).map_err(|_| KeyError::NotAKey)?;
        if point.to_bytes() != bytes.0 {
            return Err(KeyError::NotAKey);
        }
        let id = key_id(bytes);
        if point.is_weak() {
            return Err(KeyError::Weak(id));
        }
        Ok(Self {
            point,
            id,
            application: None,
        })
    }

    /// The key of a security key that signs for this application; an ordinary one without an application.
    ///
    /// Its name is that of its 32 bytes, as for every key, so one point is one key, of one kind.
    ///
    /// # Errors
    /// As [`PublicKey::from_bytes`].
    pub fn of(bytes: KeyBytes, application: Option<&Application>) -> Result<Self, KeyError> {
        Ok(Self {
            application: application.map(Application::digest),
            ..Self::from_bytes(bytes)?
        })
    }

    /// Whether it is that of a security key.
    pub const fn is_security_key(&self) -> bool {
        self.application.is_some()
    }

    /// The name of this key.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The 32 bytes of the key.
    pub fn to_bytes(&self) -> KeyBytes {
        KeyBytes(self.point.to_bytes())
    }

    /// Accepts `signature` over `message` strictly (RFC 8032 with canonical S and R, no small-order points), and of a security key
    /// only with somebody's presence.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`], [`KeyError::OtherKind`], [`KeyError::Absent`] and [`KeyError::Flags`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let (signed, plain) = match (self.application, signature) {
            (None, Signature::Plain(plain)) => (Cow::Borrowed(message), *plain),
            (Some(application), Signature::Security(signature)) => {
                signature.check_flags(self.id)?;
                (Cow::Owned(signature.signed(application, message)), signature.plain())
            }
            _ => return Err(KeyError::OtherKind(self.id)),
        };
        let plain = ed25519_dalek::Signature::from_bytes(&plain.0);
        self.point
            .verify_strict(&signed, &plain)
            .map_err(|_| KeyError::BadSignature(self.id))
    }
}

/// Something that signs with one Ed25519 key: a key in memory, or an agent that holds it.
///
/// `sign` may block and may fail; a caller checks nothing, because [`crate::seal::Sealed::seal`] verifies what came back.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// Signs exactly these bytes.
    ///
    /// # Errors
    /// [`KeyError::DidNotSign`] when the holder of the key refuses or is gone.
    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError>;
}

/// A private key in memory; wiped when dropped, never printed.
pub struct SecretKey(ed25519_dalek::SigningKey);

impl SecretKey {
    /// Takes the 32-byte seed of RFC 8032 section 5.1.5.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SecretKey(of {})", self.public_key().id())
    }
}

impl Signer for SecretKey {
    fn public_key(&self) -> PublicKey {
        let point = self.0.verifying_key();
        PublicKey {
            point,
            id: key_id(KeyBytes(point.to_bytes())),
            application: None,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        Ok(Signature::Plain(PlainSignature(self.0.sign(message).to_bytes())))
    }
}

fn key_id(bytes: KeyBytes) -> KeyId {
    let digest = Digest::of(&bytes.0);
    KeyId(
        *digest
            .0
            .first_chunk()
            .expect("a SHA-256 digest has 32 bytes, more than 8"),
    )
}

#[cfg(test)]
mod tests {
    use super::{KeyBytes, KeyError, PlainSignature, PublicKey, SecretKey, Signature, Signer as _};

    fn sign(key: &SecretKey, message: &[u8]) -> PlainSignature {
        match key.sign(message).unwrap() {
            Signature::Plain(signature) => signature,
            Signature::Security(_) => unreachable!("a key in memory is an ordinary one"),
        }
    }

    #[test]
    fn makes_the_signature_of_rfc_8032_test_2() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let key = SecretKey::from_seed(&seed.try_into().unwrap());
        let wanted = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                      085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        let signature = sign(&key, &[0x72]);
        assert_eq!(signature.to_string(), wanted);
        let signature = Signature::Plain(signature);
        key.public_key().verify(&[0x72], &signature).unwrap();
        let id = key.public_key().id();
        assert_eq!(
            key.public_key().verify(&[0x73], &signature),
            Err(KeyError::BadSignature(id))
        );
    }

    #[test]
    fn refuses_weak_and_non_canonical_keys() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(matches!(
            PublicKey::from_bytes(KeyBytes(identity)),
            Err(KeyError::Weak(_))
        ));
        // y = p + 1 encodes the same point as y = 1, in a second way.
        let mut alias = [0xff; 32];
        alias[0] = 0xee;
        alias[31] = 0x7f;
        assert!(PublicKey::from_bytes(KeyBytes(alias)).is_err());
    }

    #[test]
    fn refuses_the_second_form_of_a_signature() {
        let key = SecretKey::from_seed(&[7; 32]);
        let mut signature = sign(&key, b"event");
        // S + L, with L the order of the base point: accepted by lax verifiers.
        let order: [u8; 32] = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
            .unwrap()
            .try_into()
            .unwrap();
        let mut carry = 0u16;
        for (byte, add) in signature.0[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let refused = key.public_key().verify(b"event", &Signature::Plain(signature));
        assert!(refused.is_err());
    }

    #[test]
    fn debug_of_a_secret_key_shows_no_secret() {
        assert!(!format!("{:?}", SecretKey::from_seed(&[7; 32])).contains("07070707"));
    }
}
