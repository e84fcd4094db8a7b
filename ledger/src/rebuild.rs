//! Making the derived records again, from the entries alone and by the committer's own code.
//!
//! Every batch of the log is admitted once more: decoded, its seal verified, its place in all chains checked. What is made
//! is nodes, seals, emitters, sessions, waiting approvals and published batches; entries, commits and the head stay as they
//! are. It is written in parts, and the head says that it is whole in the last one: if it breaks off, it begins again.

use std::sync::Arc;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, SEAL_FIRST_BYTE};
use exhibit_schemas::wire::Append;

use crate::admission;
use crate::committer::Committer;
use crate::error::LedgerError;
use crate::store::HeadRecord;

/// Batches whose records are written together.
const PART_BATCHES: usize = 4_096;

impl Committer {
    /// Makes the derived records of a log with this head; the committer stands at its end then.
    ///
    /// # Errors
    /// [`LedgerError::Store`], and [`LedgerError::Damaged`] when the log holds what the ledger would not take.
    pub(crate) fn rebuild(&mut self, head: &HeadRecord) -> Result<(), LedgerError> {
        let shared = Arc::clone(&self.shared);
        let started = self.shared.now();
        tracing::info!(
            entries = head.size,
            "the derived records are made again from the entries"
        );
        shared.store.clear_projections()?;
        let mut entries = shared.store.entries(0);
        let mut left = head.size;
        while left > 0 {
            let mut staged = self.stage_again();
            while left > 0 && staged.batches() < PART_BATCHES {
                let append = next_batch(&mut entries, &mut left)?;
                let batch = admission::check(append, |key| staged.public_key(key)).map_err(|refusal| {
                    tracing::error!(%refusal.code, %refusal.text, "a batch of the log is not what its emitter sealed");
                    LedgerError::Damaged {
                        rule: "a batch of the log is not what its emitter sealed",
                    }
                })?;
                self.admit_again(&mut staged, batch)?;
            }
            let whole = HeadRecord {
                projected: head.size,
                ..head.clone()
            };
            self.project_again(staged, (left == 0).then_some(&whole))?;
            tracing::info!(left, "derived records were made again");
        }
        let took_us = self.shared.now().0.saturating_sub(started.0);
        tracing::info!(entries = head.size, took_us, "the derived records are whole");
        Ok(())
    }
}

fn next_batch(
    entries: &mut impl Iterator<Item = Result<Vec<u8>, LedgerError>>,
    left: &mut u64,
) -> Result<Append, LedgerError> {
    let damaged = |rule| LedgerError::Damaged { rule };
    let mut events = Vec::new();
    while *left > 0 {
        let entry = entries.next().ok_or(damaged("an entry below the head is missing"))??;
        *left -= 1;
        if entry.first() == Some(&SEAL_FIRST_BYTE) {
            return Ok(Append {
                events,
                seal: Bytes(entry),
            });
        }
        if events.len() >= BATCH_EVENTS_MAX {
            break;
        }
        events.push(Bytes(entry));
    }
    Err(damaged("events of the log stand under no seal"))
}
