//! Tells other systems that an approval waits, or that somebody lets one pass in an emergency: a signed HTTP request to each configured
//! webhook.
//!
//! ```text
//! log grows ─▶ requests that wait, emergencies ─▶ a queue for each webhook ─▶ POST, again and again until it is taken or expires
//! ```
//!
//! Nothing waits for a webhook: what it does not take in time is tried again, and dropped when its request has expired or its queue is
//! full. After a start everything that waits is told again, under the same id; a receiver takes each id once.
//!
//! The signature is that of [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA-256 over id, time and body, in the headers
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`.
//!
//! Not here: that a notification grants nothing; who decides signs with its own key, as `exhibit approve` does.

mod config;
mod delivery;
mod emergencies;
mod message;

use std::collections::BTreeMap;
use std::time::Duration;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::merkle::Index;
use tokio::sync::mpsc::{self, error::TrySendError};

pub use self::config::{Shape, Webhook, WebhookError};
use self::delivery::Delivery;
pub use self::delivery::signature;
use self::emergencies::Emergencies;
use self::message::Waiting;
use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::projection::ApprovalRecord;

/// The least between two looks at what waits, however fast the log grows.
const REST: Duration = Duration::from_millis(250);

/// Notifications that a webhook may be behind with; a receiver that is further behind is down, and told again after its next start.
const QUEUE_MAX: usize = 1_024;

/// Requests that wait, by leaf hash.
type Known = BTreeMap<Digest, Waiting>;

/// Tells the webhooks of every request that waits, and of every emergency, until the ledger stops.
///
/// # Errors
/// [`WebhookError`] for a secret or an authority that cannot be used; nothing is told then.
pub fn follow(ledger: &Ledger, webhooks: &[Webhook]) -> Result<(), WebhookError> {
    if webhooks.is_empty() {
        return Ok(());
    }
    let mut queues = Vec::new();
    for webhook in webhooks {
        let delivery = Delivery::new(webhook, ledger.clone())?;
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        queues.push((webhook.name.clone(), sender));
        tokio::spawn(delivery.run(receiver));
    }
    tokio::spawn(watch(ledger.clone(), queues));
    Ok(())
}

async fn watch(ledger: Ledger, queues: Vec<(String, mpsc::Sender<Waiting>)>) {
    let mut sizes = ledger.sizes();
    let mut told = Known::new();
    let mut emergencies = Emergencies::default();
    loop {
        sizes.borrow_and_update();
        let reading = ledger.clone();
        let known = std::mem::take(&mut told);
        let looked = tokio::task::spawn_blocking(move || {
            let signed = emergencies.look(&reading, &known);
            let new = signed.and_then(|signed| Ok((look(&reading, known)?, signed)));
            (emergencies, new)
        });
        let Ok((back, looked)) = looked.await else { return };
        emergencies = back;
        match looked {
            Ok(((waiting, new), signed)) => {
                told = waiting;
                for waiting in signed.iter().chain(new.iter().filter_map(|leaf| told.get(leaf))) {
                    tell(&queues, waiting);
                }
            }
            Err(error) => {
                tracing::error!(%error, "which approvals wait cannot be read, so webhooks are told nothing more");
                return;
            }
        }
        tokio::select! {
            () = ledger.stopping() => return,
            () = tokio::time::sleep(REST) => {}
        }
        tokio::select! {
            () = ledger.stopping() => return,
            changed = sizes.changed() => if changed.is_err() { return },
        }
    }
}

/// Everything that waits, and what of it was not known yet.
fn look(ledger: &Ledger, mut known: Known) -> Result<(Known, Vec<Digest>), LedgerError> {
    let now = ledger.shared().now().0;
    let mut waiting = Known::new();
    let mut new = Vec::new();
    for (leaf, record) in ledger.approvals()? {
        if record.expires_us < now || !record.waits() {
            continue;
        }
        if let Some(before) = known.remove(&leaf) {
            waiting.insert(leaf, before);
        } else if let Some(found) = read(ledger, leaf, &record)? {
            waiting.insert(leaf, found);
            new.push(leaf);
        }
    }
    Ok((waiting, new))
}

/// The request and who asks; `None` for an entry that is no request, which the projection rules out.
fn read(ledger: &Ledger, leaf: Digest, record: &ApprovalRecord) -> Result<Option<Waiting>, LedgerError> {
    let Some(Body::ApprovalRequested(request)) = event(ledger, record.index)?.map(|event| event.body) else {
        return Ok(None);
    };
    Ok(Some(Waiting {
        leaf,
        session: record.session,
        target: request.target.clone(),
        request: Some(request),
        principal: principal(ledger, record.session)?,
        emergency: None,
    }))
}

/// Who opened a session.
fn principal(ledger: &Ledger, session: SessionId) -> Result<Option<Principal>, LedgerError> {
    let session = ledger.shared().store.session(session.0)?;
    let opened = match session {
        Some(session) => event(ledger, session.opened)?.map(|event| event.body),
        None => None,
    };
    Ok(match opened {
        Some(Body::SessionOpened(opened)) => Some(opened.principal),
        _ => None,
    })
}

fn event(ledger: &Ledger, index: u64) -> Result<Option<Event>, LedgerError> {
    let entry = ledger.entry(Index(index))?;
    Ok(entry.and_then(|entry| Event::decode(&entry).ok()))
}

fn tell(queues: &[(String, mpsc::Sender<Waiting>)], waiting: &Waiting) {
    for (webhook, queue) in queues {
        if let Err(TrySendError::Full(_)) = queue.try_send(waiting.clone()) {
            tracing::error!(webhook, request = %waiting.leaf, "a webhook is too far behind, and is not told of a request");
        }
    }
}
