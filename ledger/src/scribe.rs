//! The ledger's own events, sealed by its own key and appended as every emitter appends.
//!
//! Not here: what they say.

use exhibit_schemas::event::{Body, Emitter, Event, EventError};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::seal::{Chain, SealError, Sealed};
use exhibit_schemas::wire::{Append, Receipt, RefusalCode};

use crate::error::LedgerError;
use crate::ledger::Ledger;

/// Why an event of the ledger's own is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum ScribeError {
    /// The store failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It cannot be encoded.
    #[error("the event cannot be encoded: {0}")]
    Event(#[from] EventError),
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The committer refused it.
    #[error("the ledger's own event is refused ({code}): {text}")]
    Refused {
        /// The cause, for programs.
        code: RefusalCode,
        /// The cause, for people.
        text: String,
    },
}

/// Seals and appends, one batch after the other.
pub(crate) struct Scribe {
    ledger: Ledger,
    key: SecretKey,
    /// Where the next seal stands; `None` before the first of a run, and after one of which nothing is known.
    chain: Option<Chain>,
}

impl Scribe {
    pub(crate) fn new(ledger: Ledger, key: SecretKey) -> Self {
        Self {
            ledger,
            key,
            chain: None,
        }
    }

    /// Records an event; durable when this returns its receipt.
    pub(crate) async fn record(&mut self, body: Body) -> Result<Receipt, ScribeError> {
        // Should this not come to its end, nothing is known of where the chain stands.
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => self.next_boot()?,
        };
        let event = Event {
            time: self.ledger.shared().now(),
            emitter: Emitter(self.key.public_key().id(), chain.boot),
            session: None,
            body,
        };
        let sealed = Sealed::seal(vec![event.encode()?], chain, &self.key)?;
        let append = Append {
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        };
        let answer = self.ledger.queue(append).await.await;
        let receipt = answer
            .map_err(|_| LedgerError::Stopped)?
            .map_err(|refusal| ScribeError::Refused {
                code: refusal.code,
                text: refusal.text,
            })?;
        self.chain = Some(sealed.next());
        Ok(receipt)
    }

    /// A new boot after everything that the key has sealed.
    fn next_boot(&self) -> Result<Chain, LedgerError> {
        let now = self.ledger.shared().now().0;
        let standing = self.ledger.shared().store.emitter(self.key.public_key().id())?;
        Ok(match standing {
            None => Chain {
                boot: now,
                sequence: 0,
                previous: None,
            },
            Some(standing) => Chain {
                boot: now.max(standing.boot.saturating_add(1)),
                sequence: 0,
                previous: Some(standing.previous),
            },
        })
    }
}
