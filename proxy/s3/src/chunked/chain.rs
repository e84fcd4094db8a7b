//! The chain of signatures: each chunk's covers the one before it, and the first the request's own.
//!
//! Specification: "Defining the chunk body" of `sigv4-streaming`, and the trailer's string to sign of `sigv4-streaming-trailers`.

use sha2::{Digest as _, Sha256};

use super::error::BodyError;
use crate::signature::Signed;
use crate::signature::key::{Signature, SigningKey};

/// SHA-256 of nothing, which each chunk's string to sign has in it.
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) struct Chain {
    key: SigningKey,
    time: String,
    previous: Signature,
}

impl Chain {
    pub(super) fn new(signed: &Signed) -> Self {
        let (key, time, seed) = signed.seed();
        Self {
            key: key.clone(),
            time: time.basic(),
            previous: seed,
        }
    }

    pub(super) fn check_chunk(&mut self, chunk: &[u8], signature: Signature) -> Result<(), BodyError> {
        let digest = hex::encode(Sha256::digest(chunk));
        let string = self.string("PAYLOAD", &format!("{SHA256_OF_NOTHING}\n{digest}"));
        self.check(&string, signature)
            .then_some(())
            .ok_or(BodyError::ChunkSignature)
    }

    /// `trailer` is its lines in the form `name:value\n`.
    pub(super) fn check_trailer(&mut self, trailer: &str, signature: Signature) -> Result<(), BodyError> {
        let string = self.string("TRAILER", &hex::encode(Sha256::digest(trailer)));
        self.check(&string, signature)
            .then_some(())
            .ok_or(BodyError::TrailerSignature)
    }

    fn string(&self, kind: &str, end: &str) -> String {
        let (time, scope, previous) = (&self.time, self.key.scope(), self.previous);
        format!("AWS4-HMAC-SHA256-{kind}\n{time}\n{scope}\n{previous}\n{end}")
    }

    fn check(&mut self, string: &str, signature: Signature) -> bool {
        let same = self.key.sign(string) == signature;
        if same {
            self.previous = signature;
        }
        same
    }
}
