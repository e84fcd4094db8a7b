//! Key events, decisions and signatures under policies that the ledger publishes, checked from genesis on: the ledger's word is not taken.

use std::collections::HashMap;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::chain::same_emitter;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Event};
use exhibit_schemas::key::{KeyId, PublicKey};
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySignatures;
use exhibit_schemas::seal::{Sealed, UnverifiedSeal};
use exhibit_schemas::wire::Published;
use tokio::sync::watch;

use crate::recorder::{Heard, VerifiedDecision, VerifiedRevocation};

/// Keys in force as this proxy has checked them.
pub(super) struct PublishedKeys {
    trust: TrustAnchors,
    keyring: Option<Keyring>,
    /// First index that was not published yet.
    next: u64,
    /// Boot and sequence of each emitter's last published seal: a batch is believed once.
    seals: HashMap<KeyId, (u64, u64)>,
    signatures: watch::Sender<PolicySignatures>,
}

impl PublishedKeys {
    pub(super) fn new(trust: TrustAnchors, signatures: watch::Sender<PolicySignatures>) -> Self {
        Self {
            trust,
            keyring: None,
            next: 0,
            seals: HashMap::new(),
            signatures,
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Checks a batch and applies it; gives the decisions and revocations in it. An error says what does not hold.
    pub(super) fn take(&mut self, batch: Published) -> Result<Vec<Heard>, String> {
        let Published { first, events, seal } = batch;
        if first < self.next {
            return Err(format!("it published index {first} again"));
        }
        let emitter = UnverifiedSeal::read(&seal.0).map_err(text)?.claimed_emitter();
        let key = self.key(emitter, first)?;
        let sealed = Sealed::verify(events, seal, &key).map_err(text)?;
        let payload = sealed.payload();
        let place = (payload.boot, payload.sequence);
        if self.seals.get(&emitter).is_some_and(|last| *last >= place) {
            return Err(format!("it published a seal of key {emitter} again, or out of order"));
        }
        let mut heard = Vec::new();
        for (index, bytes) in (first..).zip(sealed.events()) {
            let event = Event::decode(&bytes.0).map_err(text)?;
            same_emitter(&event, payload).map_err(text)?;
            self.apply(Index(index), emitter, &event)?;
            match (event.body, &self.keyring) {
                (Body::ApprovalDecided(body), Some(keyring)) => {
                    let decision = VerifiedDecision {
                        leaf: Digest::leaf(&bytes.0),
                        time: event.time,
                        signer: keyring.in_force(emitter).map_err(text)?.clone(),
                        body,
                    };
                    heard.push(Heard::Decided(decision.into()));
                }
                (Body::ApprovalRevoked(body), Some(keyring)) => {
                    let revocation = VerifiedRevocation {
                        leaf: Digest::leaf(&bytes.0),
                        signer: keyring.in_force(emitter).map_err(text)?.clone(),
                        body,
                    };
                    heard.push(Heard::TakenBack(revocation.into()));
                }
                (Body::KeyRevoked(revoked), _) => {
                    self.signatures
                        .send_modify(|known| known.revoked(Index(index), revoked.key));
                    heard.push(Heard::Revoked(revoked.key));
                }
                (Body::PolicySigned(signed), _) => self.signatures.send_modify(|known| {
                    known.signed(Index(index), emitter, &signed);
                }),
                _ => {}
            }
        }
        self.seals.insert(emitter, place);
        self.next = first.saturating_add(payload.count).saturating_add(1);
        Ok(heard)
    }

    /// The key that must have sealed a batch: the first administrator for genesis, an enrolled one after it.
    fn key(&self, emitter: KeyId, first: u64) -> Result<PublicKey, String> {
        match (&self.keyring, first) {
            (Some(keyring), _) => keyring.in_force(emitter).map(|record| record.key).map_err(text),
            (None, 0) => match self.trust.administrators.first() {
                Some((_, key)) => Ok(*key),
                None => Err("no administrator is trusted".to_owned()),
            },
            (None, _) => Err("the first batch that it published is not the log's first".to_owned()),
        }
    }

    fn apply(&mut self, index: Index, emitter: KeyId, event: &Event) -> Result<(), String> {
        match (&mut self.keyring, &event.body) {
            (Some(keyring), body) => {
                keyring.may_emit(emitter, event.kind()).map_err(text)?;
                if let Body::PolicySigned(signed) = body {
                    keyring.may_sign(emitter, signed).map_err(text)?;
                }
                keyring.apply(index, event.emitter, body).map_err(text)
            }
            (none, Body::Genesis(genesis)) => {
                let log = &self.trust.log;
                let named: Vec<_> = genesis.administrators.iter().map(|one| one.key).collect();
                let trusted: Vec<_> = self
                    .trust
                    .administrators
                    .iter()
                    .map(|(_, key)| key.to_bytes())
                    .collect();
                if genesis.origin != log.origin.as_str() || genesis.log_key != log.key.to_bytes() || named != trusted {
                    return Err("its genesis is not the one that this proxy trusts".to_owned());
                }
                *none = Some(Keyring::begin(genesis, emitter).map_err(text)?);
                Ok(())
            }
            (_, _) => Err("its first event is not a genesis".to_owned()),
        }
    }
}

/// The text of an error of ours; those of the formats repeat no value.
fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
