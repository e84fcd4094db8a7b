//! One append stream to an emitter at a time: what an emitter that was killed had sent is decided before the next one is told
//! where its chain stands. Told earlier, it would seal after a batch that is not the last.
//!
//! Who keeps its stream open is waited for a short while and then passed by: its machine may have vanished, and the chain
//! itself refuses what does not follow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exhibit_schemas::key::KeyId;
use tokio::sync::OwnedMutexGuard;

/// How long a stream waits for the one before it: less than the emitter waits for its welcome.
const WAIT: Duration = Duration::from_millis(1_500);

type Places = HashMap<KeyId, Arc<tokio::sync::Mutex<()>>>;

/// Who has the turn, by emitter.
#[derive(Default)]
pub(crate) struct Turns {
    places: Mutex<Places>,
}

/// The turn of one stream, until it is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    emitter: KeyId,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the stream of the same emitter before, until it has ended or for a short while.
    pub(crate) async fn take(&self, emitter: KeyId) -> Turn<'_> {
        let place = Arc::clone(self.places().entry(emitter).or_default());
        let held = tokio::time::timeout(WAIT, place.lock_owned()).await.ok();
        if held.is_none() {
            tracing::warn!(%emitter, "an earlier stream of an emitter is still open");
        }
        Turn {
            turns: self,
            emitter,
            held,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut places = self.turns.places();
        drop(self.held.take());
        // Whoever waits has the place in hand, too; without any the emitter is forgotten.
        if places
            .get(&self.emitter)
            .is_some_and(|place| Arc::strong_count(place) == 1)
        {
            places.remove(&self.emitter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMITTERS: [KeyId; 2] = [KeyId([1; 8]), KeyId([2; 8])];

    #[tokio::test(start_paused = true)]
    async fn the_next_stream_of_an_emitter_waits_for_the_one_before_but_not_for_ever() {
        let turns = Turns::default();
        let [one, other] = EMITTERS;
        let start = tokio::time::Instant::now();
        let first = turns.take(one).await;
        let _apart = turns.take(other).await;
        assert!(start.elapsed().is_zero(), "nobody waited");
        let second = {
            let second = std::pin::pin!(turns.take(one));
            let ended = async {
                tokio::time::sleep(WAIT / 2).await;
                drop(first);
            };
            tokio::join!(second, ended).0
        };
        assert_eq!(start.elapsed(), WAIT / 2, "until the first had ended");
        assert!(second.held.is_some());
        let third = turns.take(one).await;
        assert_eq!(start.elapsed(), WAIT / 2 + WAIT);
        assert!(third.held.is_none(), "passed by");
        drop((second, third));
        assert_eq!(turns.places().len(), 1, "only the other emitter is known");
    }
}
