//! Data that follows a command to the target, such as rows that are copied in: recorded part by part, by count and keyed
//! digest, before any of it is forwarded (P1). Its bytes are values, so none of them is in an event (P4).
//!
//! Not here: what the data means, and how it is cut.

use exhibit_schemas::event::SessionId;

use crate::error::GateError;
use crate::failure::Failure;
use crate::request::Recorded;
use crate::session::Handed;

/// A part of the data that follows a command.
pub struct Data(pub(crate) Vec<u8>);

impl std::fmt::Debug for Data {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Data({} bytes)", self.0.len())
    }
}

/// Data on its way into the ledger.
#[must_use = "data that is not awaited never reaches the target"]
pub struct Sending {
    pub(crate) session: SessionId,
    pub(crate) command: u64,
    pub(crate) data: Data,
    pub(crate) handed: Result<Handed, GateError>,
    pub(crate) failure: Failure,
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sending({:?})", self.data)
    }
}

impl Sending {
    /// Waits until the event is durable, and gives the data back for the target.
    ///
    /// # Errors
    /// [`GateError`]; then none of the data may pass.
    pub async fn durable(self) -> Result<Recorded<Data>, GateError> {
        let Handed { events, ticket, .. } = self.handed?;
        let receipts = match ticket.await {
            Ok(receipts) => receipts,
            Err(error) => return Err(self.failure.lost(error)),
        };
        // A recorder that acknowledges another number than it was given has acknowledged nothing.
        let Some(receipt) = receipts.last().filter(|_| receipts.len() == events) else {
            return Err(self.failure.lost(GateError::LedgerUnavailable {
                reason: "it acknowledged another number of events".to_owned(),
            }));
        };
        // P1: only here, after the receipt, do the bytes come out again.
        self.failure.check()?;
        Ok(Recorded {
            value: self.data,
            session: self.session,
            command: self.command,
            receipt: Some(*receipt),
        })
    }
}

impl Recorded<Data> {
    /// The exact bytes that the target may get.
    pub fn exact(&self) -> &[u8] {
        &self.value.0
    }
}
