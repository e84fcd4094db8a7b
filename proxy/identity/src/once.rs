//! Tokens and requests that were used, where one is good once only.
//!
//! The memory is this process's. A token that was issued before the process started might have been used with the one before
//! it, so it is not taken: after a restart a pipeline asks for a new one.
//!
//! Not here: other proxies. Two of them share no memory, so each has an audience of its own where this matters.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;

/// Tokens that are remembered at the most; when as many are good at one time, no other is let in.
const REMEMBERED_MAX: usize = 100_000;

/// What became of a token that was shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    First,
    Again,
    /// Nothing can be said of it: the memory is full.
    Full,
}

/// The memory of one issuer or endpoint.
#[derive(Debug, Default)]
pub(crate) struct Once {
    /// Digests of what tells them apart (`jti`, signature), with the time from which the token is refused anyway.
    used: Mutex<BTreeMap<Digest, Timestamp>>,
}

impl Once {
    /// Notes that a token is shown.
    pub(crate) fn show(&self, identifier: &str, expires: Timestamp, now: Timestamp) -> Shown {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= REMEMBERED_MAX {
            used.retain(|_, expires| *expires > now);
        }
        let full = used.len() >= REMEMBERED_MAX;
        match used.entry(Digest::of(identifier.as_bytes())) {
            std::collections::btree_map::Entry::Occupied(_) => Shown::Again,
            std::collections::btree_map::Entry::Vacant(_) if full => Shown::Full,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(expires);
                Shown::First
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;

    use super::{Once, REMEMBERED_MAX, Shown};

    #[test]
    fn a_full_memory_lets_nobody_in_until_tokens_expire() {
        let once = Once::default();
        for number in 0..REMEMBERED_MAX {
            assert_eq!(
                once.show(&number.to_string(), Timestamp(10), Timestamp(1)),
                Shown::First
            );
        }
        assert_eq!(once.show("7", Timestamp(10), Timestamp(1)), Shown::Again);
        assert_eq!(once.show("new", Timestamp(10), Timestamp(9)), Shown::Full);
        assert_eq!(once.show("new", Timestamp(20), Timestamp(10)), Shown::First);
        assert_eq!(once.show("new", Timestamp(20), Timestamp(10)), Shown::Again);
    }
}
