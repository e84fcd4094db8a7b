//! Room for objects that are kept until all of them is masked: shared by all, and no more than a quarter of it for one principal, so
//! that nobody who reads slowly stops the others.
//!
//! Room is given back as pieces go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use exhibit_schemas::event::access::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a unit, and units in all: a gibibyte.
const UNIT_BYTES: u64 = 1 << 20;
const UNITS: usize = 1_024;

/// Units that one principal has at the most.
const OWN_UNITS: usize = UNITS / 4;

/// How long a request waits for room.
const ROOM_IN: Duration = Duration::from_secs(30);

/// Who has room: issuer and subject, whatever the credential of the moment.
type Own = (String, String);

/// All room that there is.
pub(crate) struct Rooms {
    all: Arc<Semaphore>,
    /// What is left to each principal who has some.
    own: Mutex<HashMap<Own, Weak<Semaphore>>>,
}

/// Room that is taken.
pub(super) struct Room {
    // Invariant: both have as many units.
    all: OwnedSemaphorePermit,
    own: OwnedSemaphorePermit,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(UNITS)),
            own: Mutex::default(),
        }
    }
}

impl Rooms {
    /// Room for so many bytes, and for as many that are made of them; `None` where there was none for a while.
    pub(super) async fn take(&self, principal: &Principal, bytes: u64) -> Option<Room> {
        let units = units(bytes);
        let own = self.of(principal);
        let taken = async {
            let own = own.acquire_many_owned(units).await.ok()?;
            let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok()?;
            Some(Room { all, own })
        };
        tokio::time::timeout(ROOM_IN, taken).await.ok()?
    }

    fn of(&self, principal: &Principal) -> Arc<Semaphore> {
        let name = (principal.issuer.clone(), principal.subject.clone());
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(&name).and_then(Weak::upgrade) {
            return known;
        }
        own.retain(|_, known| known.strong_count() > 0);
        let new = Arc::new(Semaphore::new(OWN_UNITS));
        own.insert(name, Arc::downgrade(&new));
        new
    }
}

impl Room {
    /// Gives back what so many bytes do not need.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let kept = usize::try_from(units(bytes)).unwrap_or(usize::MAX);
        for permit in [&mut self.all, &mut self.own] {
            let spare = permit.num_permits().saturating_sub(kept);
            drop(permit.split(spare));
        }
    }
}

/// Units that bytes and what is made of them need.
fn units(bytes: u64) -> u32 {
    let units = bytes.div_ceil(UNIT_BYTES).saturating_mul(2).max(1);
    // Never more than one principal may have, or it would wait for ever.
    let most = u32::try_from(OWN_UNITS).unwrap_or(u32::MAX);
    u32::try_from(units).unwrap_or(u32::MAX).min(most)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::access::Principal;

    use super::{OWN_UNITS, Rooms, UNIT_BYTES, UNITS, units};

    fn principal(subject: &str) -> Principal {
        Principal {
            method: "oidc".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            subject: subject.to_owned(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest([0; 32]),
            run: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_principal_leaves_room_for_others_and_gets_back_what_it_gives() {
        let rooms = Rooms::default();
        let slow = principal("slow");
        let most = UNIT_BYTES * 64;
        let mut held = Vec::new();
        while let Some(room) = rooms.take(&slow, most).await {
            held.push(room);
        }
        assert_eq!(held.len(), OWN_UNITS / 128);
        assert_eq!(rooms.all.available_permits(), UNITS - OWN_UNITS);
        assert!(rooms.take(&principal("other"), most).await.is_some());
        held[0].shrink(1);
        assert!(rooms.take(&slow, 1).await.is_some());
        drop(held);
        assert_eq!(rooms.all.available_permits(), UNITS);
        assert!(rooms.take(&slow, most).await.is_some());
    }

    #[test]
    fn what_is_larger_than_all_room_takes_what_one_may_have() {
        assert_eq!(units(0), 1);
        assert_eq!(units(1), 2);
        assert_eq!(units(u64::MAX), u32::try_from(OWN_UNITS).unwrap());
    }
}
