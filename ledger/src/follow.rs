//! Feeds the search index from the log, in a thread of its own, whenever the log grows.
//!
//! The index is a cache: whatever happens to it, the log goes on, and it is rebuilt from the log. A step of it has a price of
//! its own (a segment of some files, synced, and its merges), so the index rests in proportion to what its steps take, and
//! comes at once when somebody searches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_search::{Follower, SearchError, Searcher};
use tokio::runtime::Handle;

use crate::ledger::Ledger;
use crate::store::{Entries, Store};

/// How long the index rests after a failure before it tries again.
const RETRY: Duration = Duration::from_secs(5);

/// The least that the index rests between two steps, so that its syncs do not compete with the log's.
const REST_MIN: Duration = Duration::from_millis(250);

/// The most that the index rests: it is never older than this and a step, so that a question has not much to wait for.
const REST_MAX: Duration = Duration::from_secs(2);

/// Times its last step that the index rests: under load it takes a twentieth of a core, not all of it.
const REST_STEPS: u32 = 20;

/// Opens the index in a directory and follows the log until the ledger stops.
///
/// # Errors
/// [`SearchError`] when the index cannot be opened.
pub fn follow(ledger: &Ledger, directory: &std::path::Path, runtime: &Handle) -> Result<Searcher, SearchError> {
    let index = exhibit_search::Index::open(directory)?;
    let mut follower = Follower::new(index);
    let searcher = follower.searcher();
    let following = Arc::downgrade(ledger.shared());
    let mut sizes = ledger.sizes();
    runtime.spawn(async move {
        loop {
            let Some(shared) = following.upgrade() else { return };
            let size = TreeSize(*sizes.borrow_and_update());
            let asked = Arc::clone(&shared.asked);
            let step = tokio::task::spawn_blocking(move || {
                let start = Instant::now();
                let mut reading = Reading::new(&shared.store);
                let step = follower.step(|index| reading.entry(index), size);
                (follower, step, start.elapsed())
            });
            let Ok((back, step, took)) = step.await else { return };
            follower = back;
            if let (Ok(step), Some(shared)) = (&step, following.upgrade()) {
                shared.indexed.send_replace(step.high_water.0);
            }
            match step {
                Ok(step) if step.behind > 0 => {}
                Ok(_) => {
                    if sizes.changed().await.is_err() {
                        return;
                    }
                    let rest = took.saturating_mul(REST_STEPS).clamp(REST_MIN, REST_MAX);
                    // Somebody asked, or the time is over: the next step is the same.
                    let _ = tokio::time::timeout(rest, asked.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "the search index fell behind; it tries again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    });
    Ok(searcher)
}

/// Reads the log in order, so that a page of the store is read once and not once for each of its entries.
struct Reading<'store> {
    store: &'store Store,
    next: u64,
    entries: Entries<'store>,
}

impl<'store> Reading<'store> {
    fn new(store: &'store Store) -> Self {
        Self {
            store,
            next: 0,
            entries: store.entries(0),
        }
    }

    fn entry(&mut self, index: Index) -> Option<Vec<u8>> {
        if index.0 != self.next {
            self.entries = self.store.entries(index.0);
        }
        self.next = index.0.saturating_add(1);
        self.entries.next()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::merkle::Index;

    use super::Reading;
    use crate::store::{Durable as _, Store, SyncedCommit};

    #[test]
    fn reads_every_entry_in_order_after_a_jump_and_none_past_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let entry = |index: u64| vec![u8::try_from(index % 251).unwrap(); 700];
        for commit in 0..4 {
            let mut batch = store.commit();
            for index in commit * 30..(commit + 1) * 30 {
                batch.entry(index, &entry(index));
            }
            SyncedCommit.commit(batch.into_batch()).unwrap();
        }
        let mut reading = Reading::new(&store);
        let mut check = |from: u64| {
            for index in from..120 {
                assert_eq!(reading.entry(Index(index)), Some(entry(index)), "{index}");
            }
            assert_eq!(reading.entry(Index(120)), None);
        };
        for from in [0, 37, 0, 119, 30] {
            check(from);
        }
    }
}
