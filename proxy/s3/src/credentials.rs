//! Temporary credentials that are kept nowhere: who has them, and until when, stands encrypted in the session token that comes with each
//! request, and the secret follows from the token.
//!
//! ```text
//! token  = base64url(version 1 ‖ key (4) ‖ nonce (24) ‖ XChaCha20-Poly1305(holder))      draft-irtf-cfrg-xchacha-03, RFC 8439
//! id     = "ASIA" ‖ 16 letters of HMAC-SHA-256(k_id, token)          as AWS writes ids of temporary credentials
//! secret = base64(HMAC-SHA-256(k_secret, token))                    43 letters
//! ```
//!
//! The keys are HMAC-SHA-256 of the root secret over a label each. A proxy seals under its current secret, and opens what was sealed under
//! earlier ones that it still has. Nothing of a token is believed before its tag is good, and the id of a request has to be the token's own.
//!
//! What is not here: taking credentials back before they end. They are as short as the token of the pipeline that they were given for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use exhibit_schemas::cbor;
use exhibit_schemas::event::access::Principal;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::signature::NoKey;
use crate::signature::credential::{AccessKeyId, SESSION_TOKEN_BYTES_MAX, SessionToken};
use crate::signature::key::SecretKey;
use crate::signature::time::UnixSeconds;

/// Bytes of the secret that everything follows from.
pub const ROOT_BYTES: usize = 32;

/// Bytes of a nonce; random ones of that length do not meet.
const NONCE_BYTES: usize = 24;

/// What one sealing is made unlike every other by. It is used up: two holders under one nonce would give away both.
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// A random one.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; NONCE_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for Nonce {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Nonce")
    }
}

/// Earlier secrets that are still opened with, at the most: one for each time that it was changed within the longest life of credentials.
pub const EARLIER_MAX: usize = 8;

/// The first byte of a token.
const VERSION: u8 = 1;

/// Bytes of a key's name.
const NAME_BYTES: usize = 4;

/// Before a sealed holder stand version, key and nonce.
const HEAD_BYTES: usize = 1 + NAME_BYTES + NONCE_BYTES;

/// How ids of temporary credentials begin.
const PREFIX: &str = "ASIA";

/// Letters behind that.
const ID_LETTERS: usize = 16;

/// The letters of ids (RFC 4648 base32).
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Why credentials are not taken.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// Not sealed by this gateway, or changed, or of another id.
    #[error("the session token is none of this gateway's, or belongs to another access key; log in again")]
    Unknown,
    /// Their time is over.
    #[error("the temporary credentials have expired; log in again")]
    Expired,
}

impl From<TokenError> for NoKey {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Unknown => Self::Unknown,
            TokenError::Expired => Self::Expired,
        }
    }
}

/// Why no credentials are given.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("what is known of the caller does not fit a session token of {SESSION_TOKEN_BYTES_MAX} bytes")]
pub struct TooLong;

/// More earlier secrets than are kept.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error(
    "more than {EARLIER_MAX} earlier secrets of temporary credentials; leave out those under which none can be valid any more"
)]
pub struct TooMany;

exhibit_schemas::record! {
    /// Who has temporary credentials.
    pub struct Holder {
        /// Who it is.
        1 => principal: Principal,
        /// When they end, in seconds since 1970.
        2 => expires_s: u64,
        /// What the holder called its session.
        3 => session_name: String,
    }
}

/// What a holder is given, once.
pub struct Temporary {
    /// The id.
    pub access_key_id: AccessKeyId,
    /// The secret.
    pub secret: Zeroizing<String>,
    /// The token that comes with each request.
    pub token: SessionToken,
}

impl std::fmt::Debug for Temporary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Temporary({})", self.access_key_id.as_str())
    }
}

/// Seals and opens.
pub struct Sealer {
    current: Root,
    earlier: Vec<Root>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealer({} earlier)", self.earlier.len())
    }
}

/// The keys of one root secret.
struct Root {
    name: [u8; NAME_BYTES],
    sealing: Zeroizing<[u8; 32]>,
    id: Zeroizing<[u8; 32]>,
    secret: Zeroizing<[u8; 32]>,
    of_keys: Zeroizing<[u8; 32]>,
}

impl Root {
    fn of(root: &[u8; ROOT_BYTES]) -> Self {
        let derive = |label: &str| mac(root, label.as_bytes());
        let named = derive("exhibit-s3-credentials/1 name");
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(named.first_chunk::<NAME_BYTES>().expect("a digest is longer"));
        Self {
            name,
            sealing: derive("exhibit-s3-credentials/1 sealing"),
            id: derive("exhibit-s3-credentials/1 id"),
            secret: derive("exhibit-s3-credentials/1 secret"),
            of_keys: derive("exhibit-s3-credentials/1 secret of a key"),
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(self.sealing.as_slice()))
    }

    fn access_key_id(&self, token: &SessionToken) -> AccessKeyId {
        let digest = mac(&self.id, token.as_str().as_bytes());
        let letters = digest.iter().take(ID_LETTERS);
        let letters = letters.filter_map(|byte| LETTERS.get(usize::from(byte & 31)));
        let id: String = PREFIX
            .chars()
            .chain(letters.map(|letter| char::from(*letter)))
            .collect();
        AccessKeyId::new(&id).expect("letters and digits are an id")
    }

    fn secret(&self, token: &SessionToken) -> Zeroizing<String> {
        let digest = mac(&self.secret, token.as_str().as_bytes());
        Zeroizing::new(STANDARD_NO_PAD.encode(digest.as_slice()))
    }
}

impl Sealer {
    /// With one secret.
    pub fn of(current: &[u8; ROOT_BYTES]) -> Self {
        Self {
            current: Root::of(current),
            earlier: Vec::new(),
        }
    }

    /// With the secret that is sealed under, and those that only are opened with.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn new(current: &[u8; ROOT_BYTES], earlier: &[Zeroizing<[u8; ROOT_BYTES]>]) -> Result<Self, TooMany> {
        if earlier.len() > EARLIER_MAX {
            return Err(TooMany);
        }
        Ok(Self {
            current: Root::of(current),
            earlier: earlier.iter().map(|root| Root::of(root)).collect(),
        })
    }

    /// The secret access key of an id that lasts: it follows from the current secret alone.
    pub fn secret_of_key(&self, access_key_id: &AccessKeyId) -> Zeroizing<String> {
        let digest = mac(&self.current.of_keys, access_key_id.as_str().as_bytes());
        Zeroizing::new(STANDARD_NO_PAD.encode(digest.as_slice()))
    }

    pub(crate) fn of_key(&self, access_key_id: &AccessKeyId) -> SecretKey {
        SecretKey::new(self.secret_of_key(access_key_id))
    }

    /// Credentials of a holder.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn seal(&self, holder: &Holder, Nonce(nonce): Nonce) -> Result<Temporary, TooLong> {
        let root = &self.current;
        let mut token = vec![VERSION];
        token.extend_from_slice(&root.name);
        token.extend_from_slice(&nonce);
        let text = Zeroizing::new(cbor::encode(holder));
        let payload = Payload {
            msg: &text,
            aad: token.get(..=NAME_BYTES).unwrap_or_default(),
        };
        let sealed = root.cipher().encrypt(XNonce::from_slice(&nonce), payload);
        token.extend(sealed.map_err(|_| TooLong)?);
        let token = SessionToken::new(&URL_SAFE_NO_PAD.encode(token)).ok_or(TooLong)?;
        Ok(Temporary {
            access_key_id: root.access_key_id(&token),
            secret: root.secret(&token),
            token,
        })
    }

    /// The secret and the holder of credentials that come with a request.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(
        &self,
        access_key_id: &AccessKeyId,
        token: &SessionToken,
        now: UnixSeconds,
    ) -> Result<(SecretKey, Holder), TokenError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(token.as_str())
            .map_err(|_| TokenError::Unknown)?;
        let (head, sealed) = bytes.split_at_checked(HEAD_BYTES).ok_or(TokenError::Unknown)?;
        let (aad, nonce) = head.split_at_checked(1 + NAME_BYTES).ok_or(TokenError::Unknown)?;
        let (version, name) = aad.split_first().ok_or(TokenError::Unknown)?;
        let mut roots = std::iter::once(&self.current).chain(&self.earlier);
        let root = roots.find(|root| *version == VERSION && root.name == name);
        let root = root.ok_or(TokenError::Unknown)?;
        let payload = Payload { msg: sealed, aad };
        let text = root.cipher().decrypt(XNonce::from_slice(nonce), payload);
        let text = Zeroizing::new(text.map_err(|_| TokenError::Unknown)?);
        let holder: Holder = cbor::decode(&text).map_err(|_| TokenError::Unknown)?;
        if root.access_key_id(token) != *access_key_id {
            return Err(TokenError::Unknown);
        }
        let over = u64::try_from(now.seconds()).map_or(true, |now_s| now_s >= holder.expires_s);
        if over {
            return Err(TokenError::Expired);
        }
        Ok((SecretKey::new(root.secret(token)), holder))
    }
}

fn mac(key: &[u8; 32], message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests;
