//! Signatures of security keys: FIDO authenticators as OpenSSH uses them, `sk-ssh-ed25519@openssh.com` (OpenSSH's PROTOCOL.u2f,
//! "SSH U2F Signatures").
//!
//! ```text
//! signature = Ed25519 signature (64) flags (1) counter (4, big endian)
//! signed    = SHA-256(application) flags counter SHA-256(message)
//! ```
//!
//! These are the bytes that an authenticator signs for a FIDO assertion, so nothing but an authenticator has the key. It is
//! bound to one application, which every OpenSSH names `ssh:` and something of its user's. The counter is under the signature
//! and in the evidence; it is not compared with others, because many authenticators count all their keys together and some do
//! not count at all.
//!
//! Not here: ECDSA (`sk-ecdsa-sha2-nistp256@openssh.com`), assertions of browsers, attestation, and signatures over extensions.

use super::{KeyError, KeyId, PlainSignature};
use crate::digest::Digest;

/// Bytes of an application at the most; OpenSSH's own are `ssh:` and a name.
pub const APPLICATION_BYTES_MAX: usize = 255;

/// What an application begins with. ssh-agent signs such data as ours for no other (`restrict-websafe`), and a key for a web site
/// belongs to that site.
pub const APPLICATION_PREFIX: &str = "ssh:";

/// Somebody was there: who touched the authenticator (Web Authentication level 2, section 6.1, bit 0).
const USER_PRESENT: u8 = 0x01;

/// Data of a new credential, or of extensions, follows the counter (the same, bits 6 and 7). Neither stands in what is signed here.
const MORE_FOLLOWS: u8 = 0xc0;

/// Bytes of flags and counter behind the Ed25519 signature.
const TRAILER_BYTES: usize = 5;

crate::fixed_bytes! {
    /// A signature by a security key: that of Ed25519, then flags and counter.
    pub struct SecuritySignature([u8; 69]);
}

impl SecuritySignature {
    /// Joins what an authenticator answers with.
    pub fn new(signature: PlainSignature, flags: u8, counter: u32) -> Self {
        let joined = [&signature.0[..], &[flags], &counter.to_be_bytes()].concat();
        Self::try_from(joined.as_slice()).expect("64, 1 and 4 bytes are 69")
    }

    /// Holds that somebody touched the authenticator, and that it signed nothing else.
    pub(super) fn check_flags(&self, key: KeyId) -> Result<(), KeyError> {
        let (_, [flags, ..]) = self.split();
        match () {
            () if flags & USER_PRESENT == 0 => Err(KeyError::Absent(key)),
            () if flags & MORE_FOLLOWS != 0 => Err(KeyError::Flags(key)),
            () => Ok(()),
        }
    }

    /// What was signed for this application where it was asked to sign this message.
    pub(super) fn signed(&self, application: Digest, message: &[u8]) -> Vec<u8> {
        let (_, trailer) = self.split();
        [&application.0[..], &trailer, &Digest::of(message).0].concat()
    }

    /// The Ed25519 signature.
    pub(super) fn plain(&self) -> PlainSignature {
        self.split().0
    }

    fn split(&self) -> (PlainSignature, [u8; TRAILER_BYTES]) {
        let halves = self.0.split_first_chunk().zip(self.0.last_chunk());
        let ((plain, _), trailer) = halves.expect("64 and 5 bytes are 69");
        (PlainSignature(*plain), *trailer)
    }
}

/// The application that a key is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application(
    // Invariant: begins with `ssh:`, of 255 bytes of printable ASCII at the most.
    String,
);

/// Why a text is no application.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the application of a security key begins with `{APPLICATION_PREFIX}` and is of at most {APPLICATION_BYTES_MAX} bytes of printable ASCII"
)]
pub struct ApplicationError;

impl Application {
    /// Takes the application that stands in the public key.
    ///
    /// # Errors
    /// [`ApplicationError`].
    pub fn new(text: &str) -> Result<Self, ApplicationError> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.starts_with(APPLICATION_PREFIX) && text.len() <= APPLICATION_BYTES_MAX && printable {
            Ok(Self(text.to_owned()))
        } else {
            Err(ApplicationError)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of it, which the authenticator signs.
    pub(super) fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl serde::Serialize for Application {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Application {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}
