//! The key of masks, and what is derived from it.
//!
//! ```text
//! token digest   HMAC-SHA-256(key, domain ‖ 0x00 ‖ value)          a domain is never empty and holds no 0x00
//! subkey         HMAC-SHA-256(key, 0x00 ‖ label ‖ 0x00 ‖ part ‖ 0x00 ‖ part)
//! id             the first 16 bytes of HMAC-SHA-256(key, 0x00 ‖ "mask-key-id")
//! ```
//!
//! No message of one kind begins as one of the other, so what a token shows tells nothing about a subkey, and what the id in
//! the ledger shows tells nothing about either.

use std::sync::Arc;

use exhibit_schemas::event::trust::MaskKeyId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the HMAC that a token shows; 128 bits, so that two values of one domain never meet by chance.
pub const TOKEN_BYTES: usize = 16;

/// What every token of a text begins with.
pub const TOKEN_PREFIX: &str = "tok_";

/// What the id of a key is derived under.
const ID_LABEL: &str = "mask-key-id";

/// Bytes of a block of SHA-256, which HMAC fills its keys up to.
const HMAC_BLOCK_BYTES: usize = 64;

/// The key of tokens; wiped when dropped, never printed.
#[derive(Clone)]
pub struct MaskKey {
    key: Zeroizing<[u8; 32]>,
    /// Shared by all copies, and not in them, because sessions hold keys by value.
    prepared: Arc<Prepared>,
    replaced: Arc<[MaskKeyId]>,
}

impl MaskKey {
    /// Takes 32 random bytes, as a key that replaced no other.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self {
            prepared: Arc::new(Prepared::new(&bytes)),
            key: Zeroizing::new(bytes),
            replaced: Arc::new([]),
        }
    }

    /// The same key, in the place of others: the last one first.
    #[must_use]
    pub fn in_place_of(self, replaced: &[MaskKeyId]) -> Self {
        let replaced = replaced.into();
        Self { replaced, ..self }
    }

    /// What the ledger calls it. Nothing of the key or of its tokens can be found from it, other than whether a guess of all
    /// 256 bits is right; proxies that share a key show the same id.
    pub fn id(&self) -> MaskKeyId {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *self.subkey(&[ID_LABEL]);
        MaskKeyId(id)
    }

    /// The keys whose place it took, the last one first.
    pub fn replaced(&self) -> &[MaskKeyId] {
        &self.replaced
    }

    /// The token of a text.
    pub fn token(&self, domain: &str, value: &[u8]) -> String {
        let mut token = String::with_capacity(TOKEN_PREFIX.len() + 2 * TOKEN_BYTES);
        self.append_token(domain, value, &mut token);
        token
    }

    /// The same, at the end of a text.
    pub(super) fn append_token(&self, domain: &str, value: &[u8], into: &mut String) {
        let digit = |nibble: u8| char::from(nibble + if nibble < 10 { b'0' } else { b'a' - 10 });
        into.push_str(TOKEN_PREFIX);
        for byte in self.token_bytes(domain, value) {
            into.extend([digit(byte >> 4), digit(byte & 0x0f)]);
        }
    }

    /// The token of a value, as bytes.
    pub fn token_bytes(&self, domain: &str, value: &[u8]) -> [u8; TOKEN_BYTES] {
        let digest = self.digest(&[domain.as_bytes(), &[0], value]);
        let mut token = [0; TOKEN_BYTES];
        token.iter_mut().zip(digest).for_each(|(byte, from)| *byte = from);
        token
    }

    /// The key as the two blocks that HMAC-SHA-256 hashes before the message and before the inner digest (RFC 2104, 2), for
    /// a target that makes tokens itself. They are as secret as the key.
    pub fn pads(&self) -> [Zeroizing<[u8; HMAC_BLOCK_BYTES]>; 2] {
        [0x36, 0x5c].map(|pad| {
            let mut block = Zeroizing::new([pad; HMAC_BLOCK_BYTES]);
            for (byte, key) in block.iter_mut().zip(self.key.iter()) {
                *byte ^= key;
            }
            block
        })
    }

    /// A key of its own for what a label says. Only the last part may hold a zero byte.
    pub(super) fn subkey(&self, parts: &[&str]) -> Zeroizing<[u8; 32]> {
        let parts = parts.iter().flat_map(|part| [&[0], part.as_bytes()]);
        Zeroizing::new(self.digest(&parts.collect::<Vec<_>>()))
    }

    fn digest(&self, message: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.prepared.0.clone();
        for part in message {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// HMAC with its key taken in, which is half of what a short message costs.
struct Prepared(Hmac<Sha256>);

impl Prepared {
    fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of every length"))
    }
}

impl Drop for Prepared {
    /// The state is as secret as the key, and has no wiping of its own.
    fn drop(&mut self) {
        self.0 = Hmac::new_from_slice(&[]).expect("HMAC takes keys of every length");
        std::hint::black_box(&self.0);
    }
}

impl std::fmt::Debug for MaskKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MaskKey(..)")
    }
}
