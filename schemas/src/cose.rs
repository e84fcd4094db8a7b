//! One signature over one payload: tagged COSE_Sign1 (RFC 9052 section 4.2) by an Ed25519 key.
//!
//! ```text
//! d2 84 <protected> a0 <payload> <signature>
//! protected = { 1: -19 (Ed25519, RFC 9864), 3: content type, 4: kid }
//!             { 1: -65555, ... } where a security key signs (crate::key::security): 69 bytes of signature
//! ```
//!
//! The content type keeps what is signed for one purpose from being taken for another. Not here: what a payload means
//! ([`crate::seal`], [`crate::reading`]).

use crate::cbor::{self, Bytes, DecodeError};
use crate::key::{KeyError, KeyId, PublicKey, Signature, Signer};

/// First byte of the structure: CBOR tag 18.
pub(crate) const FIRST_BYTE: u8 = 0xd2;

const ALGORITHM_ED25519: i32 = -19; // RFC 9864 section 2.2
const ALGORITHM_EDDSA: i32 = -8; // RFC 9053 section 2.2, accepted on reading
const ALGORITHM_SECURITY_KEY: i32 = -65_555; // ours, of the range for private use that RFC 9053 section 2 leaves below -65,536

crate::record! {
    struct ProtectedHeader {
        1 => algorithm: i32,
        3 => content_type: String,
        4 => key: KeyId,
    }
}

crate::record! {
    struct UnprotectedHeader {}
}

type Parts = (Bytes, UnprotectedHeader, Bytes, Signature);

/// Why a signed structure is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CoseError {
    /// It has another first byte.
    #[error("it does not begin with the COSE_Sign1 tag (0xd2)")]
    Tag,
    /// It cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is signed otherwise.
    #[error("its algorithm is not that of its signature: Ed25519, or that of security keys")]
    Algorithm,
    /// It is for another purpose.
    #[error("its content type is another one")]
    ContentType,
    /// The key or the signature is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Signs a payload for the purpose that its content type names.
///
/// # Errors
/// [`KeyError`] when the signer fails, or signs wrongly.
pub(crate) fn sign(content_type: &str, payload: Vec<u8>, signer: &impl Signer) -> Result<Bytes, KeyError> {
    let key = signer.public_key();
    let header = ProtectedHeader {
        algorithm: if key.is_security_key() {
            ALGORITHM_SECURITY_KEY
        } else {
            ALGORITHM_ED25519
        },
        content_type: content_type.into(),
        key: key.id(),
    };
    let (protected, payload) = (Bytes(cbor::encode(&header)), Bytes(payload));
    let message = signed_bytes(&protected, &payload);
    let signature = signer.sign(&message)?;
    key.verify(&message, &signature)?;
    let parts: Parts = (protected, UnprotectedHeader {}, payload, signature);
    Ok(Bytes(cbor::encode_after(FIRST_BYTE, &parts)))
}

/// A structure that could be read, whose signature nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign1 {
    protected: Bytes,
    payload: Bytes,
    signature: Signature,
    key: KeyId,
}

impl Sign1 {
    /// Reads the structure strictly.
    ///
    /// # Errors
    /// [`CoseError`], for all but the signature.
    pub(crate) fn read(bytes: &[u8], content_type: &str) -> Result<Self, CoseError> {
        let Some((&FIRST_BYTE, rest)) = bytes.split_first() else {
            return Err(CoseError::Tag);
        };
        let (protected, _empty, payload, signature) = cbor::decode::<Parts>(rest)?;
        let header = cbor::decode::<ProtectedHeader>(&protected.0)?;
        match (header.algorithm, &signature) {
            (ALGORITHM_ED25519 | ALGORITHM_EDDSA, Signature::Plain(_))
            | (ALGORITHM_SECURITY_KEY, Signature::Security(_)) => {}
            _ => return Err(CoseError::Algorithm),
        }
        if header.content_type != content_type {
            return Err(CoseError::ContentType);
        }
        Ok(Self {
            protected,
            payload,
            signature,
            key: header.key,
        })
    }

    /// The key that claims to have signed; not yet proven.
    pub(crate) fn claimed_key(&self) -> KeyId {
        self.key
    }

    /// What is signed; not yet proven.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload.0
    }

    /// Checks the signature strictly.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), KeyError> {
        key.verify(&signed_bytes(&self.protected, &self.payload), &self.signature)
    }
}

/// The `Sig_structure` of RFC 9052 section 4.4, with empty external data.
fn signed_bytes(protected: &Bytes, payload: &Bytes) -> Vec<u8> {
    cbor::encode(&("Signature1", protected, Bytes::default(), payload))
}
