//! Which decisions say that something passes in an emergency: found in the batches that the log publishes, so none is missed, however soon
//! what it lets pass is over.

use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::merkle::Index;

use super::message::{Signed, Waiting};
use super::{Known, principal, read};
use crate::error::LedgerError;
use crate::ledger::Ledger;

/// How old an emergency may be of which a webhook is told, by the clocks of its signer and of the ledger, in microseconds: two days. What
/// was signed a day before lets nothing pass any more.
const RECENT_US: u64 = 172_800_000_000;

/// Follows the decisions of a log.
#[derive(Default)]
pub(super) struct Emergencies {
    next: u64,
}

/// Whether somebody has to be told of an emergency.
pub(super) fn is_recent(signed: Timestamp, now: Timestamp) -> bool {
    signed.0.saturating_add(RECENT_US) >= now.0
}

impl Emergencies {
    /// Those that were signed since the last look, at first the recent ones; and where the next look goes on.
    pub(super) fn look(&self, ledger: &Ledger, known: &Known) -> Result<(Self, Vec<Arc<Waiting>>), LedgerError> {
        let now = ledger.shared().now();
        let mut next = self.next;
        let mut found = Vec::new();
        for place in ledger.published(next)? {
            // A commit in progress is told of once its head is published, as to streams.
            if ledger.entry(Index(place.first))?.is_none() {
                break;
            }
            let batch = ledger.batch(place)?;
            for (index, entry) in (batch.first..).zip(&batch.events) {
                let Ok(event) = Event::decode(&entry.0) else { continue };
                if let Body::ApprovalDecided(decided) = &event.body
                    && decided.verdict == Verdict::Emergency
                    && is_recent(event.time, now)
                {
                    let signed = signed(ledger, &event, decided, (Index(index), Digest::leaf(&entry.0)));
                    found.push(Arc::new(told(ledger, decided, signed, known)?));
                }
            }
            next = place.first.saturating_add(place.count);
        }
        Ok((Self { next }, found))
    }
}

fn signed(ledger: &Ledger, event: &Event, decided: &ApprovalDecided, (index, leaf): (Index, Digest)) -> Signed {
    let key = event.emitter.0;
    let keyring = ledger.shared().keyring();
    Signed {
        leaf,
        index,
        time: event.time,
        person: keyring
            .record(key)
            .map(|record| record.name.clone())
            .unwrap_or_default(),
        key,
        reason: decided.reason.clone(),
    }
}

/// With what was asked, where the request was seen to wait before: what passes soon ends soon.
fn told(ledger: &Ledger, decided: &ApprovalDecided, signed: Signed, known: &Known) -> Result<Waiting, LedgerError> {
    let waited = known.get(&decided.request).map(|waited| Waiting::clone(waited));
    let waited = match waited {
        Some(waited) => Some(waited),
        None => match ledger.shared().store.approval(decided.request)? {
            Some(record) => read(ledger, decided.request, &record)?,
            None => None,
        },
    };
    let principal = match &waited {
        Some(waited) => waited.principal.clone(),
        None => principal(ledger, decided.session)?,
    };
    Ok(Waiting {
        leaf: decided.request,
        session: decided.session,
        target: decided.target.clone(),
        request: waited.and_then(|waited| waited.request),
        principal,
        emergency: Some(signed),
    })
}
