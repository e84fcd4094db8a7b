//! Feeds the search index from the log, in a thread of its own, whenever the log grows.
//!
//! The index is a cache: whatever happens to it, the log goes on, and it is rebuilt from the log.

use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_search::{Follower, SearchError, Searcher};
use tokio::runtime::Handle;

use crate::ledger::Ledger;

/// How long the index rests after a failure before it tries again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// How long the index rests between two commits of its own, so that its syncs do not compete with the log's.
const REST: std::time::Duration = std::time::Duration::from_millis(250);

/// Opens the index in a directory and follows the log until the ledger stops.
///
/// # Errors
/// [`SearchError`] when the index cannot be opened.
pub fn follow(ledger: &Ledger, directory: &std::path::Path, runtime: &Handle) -> Result<Searcher, SearchError> {
    let index = exhibit_search::Index::open(directory)?;
    let mut follower = Follower::new(index);
    let searcher = follower.searcher();
    let shared = std::sync::Arc::downgrade(ledger.shared());
    let mut sizes = ledger.sizes();
    runtime.spawn(async move {
        loop {
            let Some(shared) = shared.upgrade() else { return };
            let size = TreeSize(*sizes.borrow_and_update());
            let step = tokio::task::spawn_blocking(move || {
                let read = |index: Index| shared.store.entry(index.0).ok().flatten();
                let step = follower.step(read, size);
                (follower, step)
            });
            let Ok((back, step)) = step.await else { return };
            follower = back;
            match step {
                Ok(step) if step.behind > 0 => {}
                Ok(_) => {
                    if sizes.changed().await.is_err() {
                        return;
                    }
                    tokio::time::sleep(REST).await;
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
