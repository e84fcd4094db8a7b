//! A security key in software: what an authenticator signs for OpenSSH, with flags and counters as a test wants them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "whoever includes it uses a part of it, and the tests of bundles all"
)]

use std::sync::atomic::{AtomicU32, Ordering};

use ed25519_dalek::{Signer as _, SigningKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::security::{Application, SecuritySignature};
use exhibit_schemas::key::{KeyBytes, KeyError, PlainSignature, PublicKey, Signature, Signer};

/// Somebody touched it.
pub const TOUCHED: u8 = 0x01;

/// A key that no authenticator has.
pub struct SoftwareKey {
    key: SigningKey,
    application: Application,
    /// Signatures that it has made.
    counter: AtomicU32,
}

impl SoftwareKey {
    /// The key of a seed, for an application that begins with `ssh:`.
    pub fn new(seed: u8, application: &str) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            application: Application::new(application).expect("an application of OpenSSH's"),
            counter: AtomicU32::new(6),
        }
    }

    /// What it signs for.
    pub fn application(&self) -> &Application {
        &self.application
    }

    /// Signs as the next of its signatures.
    pub fn answer(&self, message: &[u8], flags: u8) -> SecuritySignature {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        self.assert(message, flags, counter)
    }

    /// Signs as the authenticator does (PROTOCOL.u2f), with flags and a counter that it may not have.
    pub fn assert(&self, message: &[u8], flags: u8, counter: u32) -> SecuritySignature {
        let application = Digest::of(self.application.as_str().as_bytes());
        let message = Digest::of(message);
        let signed = [&application.0[..], &[flags], &counter.to_be_bytes(), &message.0].concat();
        SecuritySignature::new(PlainSignature(self.key.sign(&signed).to_bytes()), flags, counter)
    }
}

impl Signer for SoftwareKey {
    fn public_key(&self) -> PublicKey {
        let bytes = KeyBytes(self.key.verifying_key().to_bytes());
        PublicKey::of(bytes, Some(&self.application)).expect("a key of a seed is one")
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        Ok(Signature::Security(self.answer(message, TOUCHED)))
    }
}
