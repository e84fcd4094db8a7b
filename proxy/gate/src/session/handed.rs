//! What a session hands over to the recorder: numbered, in order, and once there is room for it.

use exhibit_schemas::event::{Body, SessionPlace};

use super::{Session, count};
use crate::error::GateError;
use crate::recorder::{Draft, Receipt, Ticket, has_room};

/// Events that were handed over.
pub(crate) struct Handed {
    /// How many, with those that were held before.
    pub(crate) events: usize,
    /// Resolves when they and all before them are durable.
    pub(crate) ticket: Ticket,
}

/// Whether a session stood in line for what it hands over next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has to.
    #[default]
    ToCome,
    /// There is room.
    Had,
}

impl Session {
    /// Waits until there is room for what is handed over next, in the order in which sessions come: so a target that is faster
    /// than the ledger is waited for, and does not end the session. Whatever can wait and is not `async` itself has to be preceded
    /// by it. Safe to be dropped while it waits.
    ///
    /// # Errors
    /// [`GateError::QueueFull`] when the ledger takes nothing any more, and those of a ledger that is gone; then nothing passes.
    pub async fn room(&mut self) -> Result<(), GateError> {
        self.failure.check()?;
        if self.turn == Turn::ToCome {
            let room = has_room(self.gate.recorder()).await;
            room.map_err(|error| self.refused(error))?;
            self.turn = Turn::Had;
        }
        Ok(())
    }

    /// Hands over events.
    pub(crate) fn hand_over(&mut self, bodies: Vec<Body>) -> Result<Handed, GateError> {
        self.failure.check()?;
        self.submit(bodies)
    }

    /// Waits until events that were handed over are durable.
    pub(crate) async fn durable(&self, count: usize, ticket: Ticket) -> Result<Vec<Receipt>, GateError> {
        match ticket.await {
            // A recorder that acknowledges another number than it was given has acknowledged nothing.
            Ok(receipts) if receipts.len() == count => self.failure.check().map(|()| receipts),
            Ok(_) => Err(self.failed(GateError::LedgerUnavailable {
                reason: "it acknowledged another number of events".to_owned(),
            })),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Hands over what is held and these events, in one submission.
    pub(super) fn submit(&mut self, bodies: Vec<Body>) -> Result<Handed, GateError> {
        let first = self.next;
        let (added, held) = (count(&bodies), count(&self.held));
        let place = |(sequence, body)| Draft {
            session: Some(SessionPlace(self.id, sequence)),
            body,
        };
        let all = self.held.iter().cloned().chain(bodies);
        let drafts: Vec<Draft> = (first.saturating_sub(held)..).zip(all).map(place).collect();
        let events = drafts.len();
        let ahead = self.ahead();
        match self.gate.recorder().submit(drafts) {
            Ok(ticket) => {
                self.next = first.saturating_add(added);
                self.held.clear();
                self.turn = Turn::ToCome;
                self.deciding = None;
                let ticket = after(std::mem::take(self.earlier()), ticket);
                let ticket = self.remembered(ahead, Vec::new(), ticket);
                Ok(Handed { events, ticket })
            }
            // What is held stays numbered and goes with the closing event.
            Err(error) => Err(self.failure.refused(error)),
        }
    }
}

/// The last ticket, once those before it are good too.
fn after(earlier: Vec<Ticket>, last: Ticket) -> Ticket {
    if earlier.is_empty() {
        return last;
    }
    Box::pin(async move {
        for ticket in earlier {
            ticket.await?;
        }
        last.await
    })
}
