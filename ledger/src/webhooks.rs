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
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::merkle::Index;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::watch;

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

/// The first wait after a failure; each one doubles it.
const AGAIN_MIN: Duration = Duration::from_secs(1);

/// The longest wait: within it a receiver that came back is told, and a store that can be read again is read.
const AGAIN_MAX: Duration = Duration::from_mins(1);

/// Notifications that a webhook may be behind with; a receiver that is further behind is down, and told again after its next start.
const QUEUE_MAX: usize = 1_024;

/// Requests that wait, by leaf hash.
type Known = BTreeMap<Digest, Arc<Waiting>>;

/// Where notifications to each webhook wait, by its name.
type Queues = Vec<(String, mpsc::Sender<Waiting>)>;

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
    let mut follower = Follower {
        ledger: ledger.clone(),
        told: Known::new(),
        emergencies: Emergencies::default(),
    };
    let stopping = ledger.clone();
    let stopping = async move { stopping.stopping().await };
    tokio::spawn(watch(move || follower.look(), ledger.sizes(), stopping, queues));
    Ok(())
}

/// What waits, and who was told of what.
struct Follower {
    ledger: Ledger,
    told: Known,
    emergencies: Emergencies,
}

impl Follower {
    /// What is to be told, once: it has not changed where anything cannot be read, so all of it comes with the next look.
    fn look(&mut self) -> Result<Vec<Arc<Waiting>>, LedgerError> {
        let (emergencies, mut news) = self.emergencies.look(&self.ledger, &self.told)?;
        let (waiting, new) = look(&self.ledger, &self.told)?;
        self.emergencies = emergencies;
        self.told = waiting;
        news.extend(new);
        Ok(news)
    }
}

/// Has what `look` finds told, at first and whenever the log has grown. What cannot be read is read again after a while.
async fn watch<L>(mut look: L, mut sizes: watch::Receiver<u64>, stopping: impl Future<Output = ()>, queues: Queues)
where
    L: FnMut() -> Result<Vec<Arc<Waiting>>, LedgerError> + Send + 'static,
{
    let mut stopping = std::pin::pin!(stopping);
    let mut again = AGAIN_MIN;
    loop {
        sizes.borrow_and_update();
        let looked = tokio::task::spawn_blocking(move || {
            let news = look();
            (look, news)
        });
        let news = match looked.await {
            Ok((back, news)) => {
                look = back;
                news
            }
            Err(error) => {
                return tracing::error!(%error, "looking for what waits has ended, so webhooks are told nothing more");
            }
        };
        let failed = news.is_err();
        let rest = if failed { again } else { REST };
        match news {
            Ok(news) => {
                for waiting in news {
                    tell(&queues, &waiting);
                }
                again = AGAIN_MIN;
            }
            Err(error) => {
                let seconds = again.as_secs();
                tracing::error!(%error, seconds, "which approvals wait cannot be read, so webhooks are told later");
                again = longer(again);
            }
        }
        tokio::select! {
            () = &mut stopping => return,
            () = tokio::time::sleep(rest) => {}
        }
        if failed {
            continue;
        }
        tokio::select! {
            () = &mut stopping => return,
            changed = sizes.changed() => if changed.is_err() { return },
        }
    }
}

/// The wait after the next failure.
fn longer(again: Duration) -> Duration {
    again.saturating_mul(2).min(AGAIN_MAX)
}

/// Everything that waits, and what of it was not known yet.
fn look(ledger: &Ledger, known: &Known) -> Result<(Known, Vec<Arc<Waiting>>), LedgerError> {
    let now = ledger.shared().now().0;
    let mut waiting = Known::new();
    let mut new = Vec::new();
    for (leaf, record) in ledger.approvals()? {
        if record.expires_us < now || !record.waits() {
            continue;
        }
        if let Some(before) = known.get(&leaf) {
            waiting.insert(leaf, Arc::clone(before));
        } else if let Some(found) = read(ledger, leaf, &record)? {
            let found = Arc::new(found);
            waiting.insert(leaf, Arc::clone(&found));
            new.push(found);
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

#[cfg(test)]
mod tests;
