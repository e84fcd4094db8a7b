//! Digests of exact commands, and of the data that follows them.
//!
//! They are keyed: the plain hash of a short statement could be guessed back to its literals. Who holds the key can show that a
//! text which somebody kept is the one that ran.

use exhibit_schemas::digest::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Key of the digests of exact commands; without it a digest does not show whether a guessed command was run.
pub struct DigestKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DigestKey")
    }
}

impl DigestKey {
    /// The key with these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// HMAC-SHA-256 (RFC 2104) of the exact bytes.
    pub fn digest(&self, exact: &[u8]) -> Digest {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes keys of every length");
        mac.update(exact);
        Digest(mac.finalize().into_bytes().into())
    }
}
