//! Connections that have not come in yet. When there are too many, the oldest gives its place to the newest: an agent comes
//! in within milliseconds, and who is silent for longer keeps nobody out.
//!
//! Not here: sessions, which give their places to nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Connections that come in at a time at the most: what a burst of a pipeline opens, some 20 KiB each.
const ARRIVING_MAX: usize = 256;

/// All of them, oldest first, each with a number of its own.
#[derive(Clone, Default)]
pub(crate) struct Arriving {
    places: Arc<Mutex<Places>>,
}

#[derive(Default)]
struct Places {
    next: u64,
    taken: VecDeque<(u64, CancellationToken)>,
}

/// A place among them, until it is dropped.
pub(crate) struct Place {
    arriving: Arriving,
    number: u64,
    given_up: CancellationToken,
}

impl Arriving {
    /// Takes a place, from the oldest where none is free.
    pub(crate) fn enter(&self) -> Place {
        let given_up = CancellationToken::new();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.taken.len() >= ARRIVING_MAX
            && let Some((_, oldest)) = places.taken.pop_front()
        {
            oldest.cancel();
        }
        let number = places.next;
        places.next = number.wrapping_add(1);
        places.taken.push_back((number, given_up.clone()));
        Place {
            arriving: self.clone(),
            number,
            given_up,
        }
    }
}

impl Place {
    /// Resolves when the place went to a newer connection.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.arriving.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.taken.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_past_the_limit_and_not_before() {
        let arriving = Arriving::default();
        let mut places: Vec<Place> = (0..ARRIVING_MAX).map(|_| arriving.enter()).collect();
        let given_up = |places: &[Place]| places.iter().filter(|place| place.given_up.is_cancelled()).count();
        assert_eq!(given_up(&places), 0);
        places.push(arriving.enter());
        assert_eq!(given_up(&places), 1);
        assert!(places[0].given_up.is_cancelled());
        // A place that is left is free again.
        drop(places.split_off(ARRIVING_MAX - 1));
        places.extend([arriving.enter(), arriving.enter()]);
        assert_eq!(given_up(&places), 1);
        drop(places);
        assert!(arriving.places.lock().unwrap().taken.is_empty());
    }
}
