//! Order: the chain of an emitter's seals, and the chain of a session's events.
//!
//! Both are small state machines that take one step to a seal or an event. The ledger steps them before it takes a batch,
//! the emitter before it sends one, the verifier for every entry of a bundle.
//!
//! Not here: who may emit ([`crate::keyring`]).

use crate::digest::Digest;
use crate::event::{Event, Kind, SessionId};
use crate::key::KeyId;
use crate::seal::{Chain, SealPayload};

/// Why a seal or an event does not follow what came before it.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// The seal's boot is before the last one's.
    #[error("key {emitter}: boot {found} is before its last boot {last}")]
    OldBoot {
        /// The emitter.
        emitter: KeyId,
        /// Boot found.
        found: u64,
        /// Boot of its last seal.
        last: u64,
    },
    /// The seal is not the next one of its boot.
    #[error("key {emitter}: seal {found} where {wanted} must follow")]
    SealSequence {
        /// The emitter.
        emitter: KeyId,
        /// Sequence found.
        found: u64,
        /// Sequence that must come.
        wanted: u64,
    },
    /// The seal names another seal before it.
    #[error("key {emitter}: seal {sequence} does not name the seal before it")]
    Previous {
        /// The emitter.
        emitter: KeyId,
        /// Its sequence.
        sequence: u64,
    },
    /// The event's emitter or boot is not that of its seal.
    #[error("an event of emitter {event} stands under a seal of {seal}, or of another boot")]
    OtherEmitter {
        /// Emitter of the event.
        event: KeyId,
        /// Emitter of the seal.
        seal: KeyId,
    },
    /// A session begins with something else than its opening, or opens twice.
    #[error("session {session}: a {kind} event at {sequence}; a session is opened once, by its event 0")]
    Opening {
        /// The session.
        session: SessionId,
        /// Kind found.
        kind: Kind,
        /// Sequence found.
        sequence: u64,
    },
    /// An event of the session is missing, repeated or out of order.
    #[error("session {session}: event {found} where {wanted} must follow")]
    SessionSequence {
        /// The session.
        session: SessionId,
        /// Sequence found.
        found: u64,
        /// Sequence that must come.
        wanted: u64,
    },
    /// An event after the session's close.
    #[error("session {session}: event {found} after it was closed")]
    Closed {
        /// The session.
        session: SessionId,
        /// Sequence found.
        found: u64,
    },
    /// An event of the session by another emitter, or another boot of it.
    #[error("session {session}: event {found} is of another emitter or boot than its opening")]
    SessionEmitter {
        /// The session.
        session: SessionId,
        /// Sequence found.
        found: u64,
    },
}

/// Takes the next seal of an emitter and gives where it stands then.
///
/// `state` is where it stood: `None` before its first seal ever. `seal_leaf` is the leaf hash of the seal.
///
/// # Errors
/// [`ChainError::OldBoot`], [`ChainError::SealSequence`], [`ChainError::Previous`].
pub fn next_seal(state: Option<Chain>, payload: &SealPayload, seal_leaf: Digest) -> Result<Chain, ChainError> {
    let emitter = payload.emitter;
    let wanted = match state {
        Some(Chain { boot, .. }) if payload.boot < boot => {
            return Err(ChainError::OldBoot {
                emitter,
                found: payload.boot,
                last: boot,
            });
        }
        Some(Chain { boot, sequence, .. }) if payload.boot == boot => sequence,
        _ => 0, // the first seal of a boot
    };
    if payload.sequence != wanted {
        return Err(ChainError::SealSequence {
            emitter,
            found: payload.sequence,
            wanted,
        });
    }
    if payload.previous != state.and_then(|state| state.previous) {
        return Err(ChainError::Previous {
            emitter,
            sequence: payload.sequence,
        });
    }
    Ok(Chain {
        boot: payload.boot,
        sequence: payload.sequence.saturating_add(1),
        previous: Some(seal_leaf),
    })
}

/// Checks that an event says the same emitter and boot as its seal.
///
/// # Errors
/// [`ChainError::OtherEmitter`].
pub fn same_emitter(event: &Event, payload: &SealPayload) -> Result<(), ChainError> {
    if (event.emitter.0, event.emitter.1) == (payload.emitter, payload.boot) {
        Ok(())
    } else {
        Err(ChainError::OtherEmitter {
            event: event.emitter.0,
            seal: payload.emitter,
        })
    }
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionChain {
    /// Emitter of all its events.
    pub emitter: KeyId,
    /// Boot of the emitter.
    pub boot: u64,
    /// Sequence of its next event.
    pub next: u64,
    /// Whether it was closed.
    pub closed: bool,
}

/// Takes the next event of a session and gives where it stands then; `None` for an event without a session.
///
/// `state` is where the session stood: `None` before its first event.
///
/// # Errors
/// [`ChainError`] of the session's kind.
pub fn next_event(state: Option<SessionChain>, event: &Event) -> Result<Option<SessionChain>, ChainError> {
    let Some(place) = event.session else {
        return Ok(None);
    };
    let (session, found, kind) = (place.0, place.1, event.kind());
    let opening = kind == Kind::SessionOpened;
    let Some(state) = state else {
        return if opening && found == 0 {
            Ok(Some(SessionChain {
                emitter: event.emitter.0,
                boot: event.emitter.1,
                next: 1,
                closed: false,
            }))
        } else {
            Err(ChainError::Opening {
                session,
                kind,
                sequence: found,
            })
        };
    };
    match () {
        () if state.closed => Err(ChainError::Closed { session, found }),
        () if opening => Err(ChainError::Opening {
            session,
            kind,
            sequence: found,
        }),
        () if found != state.next => Err(ChainError::SessionSequence {
            session,
            found,
            wanted: state.next,
        }),
        () if (event.emitter.0, event.emitter.1) != (state.emitter, state.boot) => {
            Err(ChainError::SessionEmitter { session, found })
        }
        () => Ok(Some(SessionChain {
            next: state.next.saturating_add(1),
            closed: kind == Kind::SessionClosed,
            ..state
        })),
    }
}

#[cfg(test)]
mod tests;
