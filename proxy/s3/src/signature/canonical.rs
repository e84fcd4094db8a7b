//! The canonical request and the string to sign, for requests of agents and of ours alike.
//!
//! Specification: steps 1 and 2 of `sig-v4-header-based-auth`.

use sha2::{Digest as _, Sha256};

use super::ALGORITHM;
use super::credential::Scope;
use super::time::UnixSeconds;

/// What is hashed and signed.
pub(super) struct Canonical<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Names in lower case, ascending; values trimmed, folded, joined.
    pub(super) headers: &'a [(String, Vec<u8>)],
    pub(super) payload: &'a str,
}

impl Canonical<'_> {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n{}\n{}\n", self.method, self.path, self.query).into_bytes();
        for (name, value) in self.headers {
            bytes.extend(name.as_bytes());
            bytes.push(b':');
            bytes.extend(value);
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend(names(self.headers).as_bytes());
        bytes.push(b'\n');
        bytes.extend(self.payload.as_bytes());
        bytes
    }

    pub(super) fn string_to_sign(&self, time: UnixSeconds, scope: &Scope) -> String {
        let digest = hex::encode(Sha256::digest(self.bytes()));
        format!("{ALGORITHM}\n{}\n{scope}\n{digest}", time.basic())
    }
}

/// `SignedHeaders`.
pub(super) fn names(headers: &[(String, Vec<u8>)]) -> String {
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.join(";")
}
