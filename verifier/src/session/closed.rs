//! Where sessions stood that were closed: nothing may follow.

use exhibit_schemas::chain::SessionChain;
use exhibit_schemas::event::SessionId;
use exhibit_schemas::key::KeyId;

use crate::spill::{Slots, Spill};

/// All sessions that were closed; emitter, boot and next sequence of each.
pub(super) struct Closed(Slots<16, 24>);

impl Closed {
    pub(super) fn new(spill: &Spill) -> Self {
        Self(Slots::new(spill))
    }

    pub(super) fn insert(&mut self, id: SessionId, chain: SessionChain) {
        let mut bytes = [0; 24];
        let parts = [chain.emitter.0, chain.boot.to_be_bytes(), chain.next.to_be_bytes()];
        bytes.copy_from_slice(parts.as_flattened());
        self.0.insert(id.0, bytes);
    }

    /// Where a session stood at its close.
    pub(super) fn chain(&self, id: SessionId) -> Option<SessionChain> {
        let bytes = self.0.get(&id.0)?;
        let (emitter, rest) = bytes.split_first_chunk::<8>()?;
        let (boot, next) = rest.split_first_chunk::<8>()?;
        Some(SessionChain {
            emitter: KeyId(*emitter),
            boot: u64::from_be_bytes(*boot),
            next: u64::from_be_bytes(next.try_into().ok()?),
            closed: true,
        })
    }
}
