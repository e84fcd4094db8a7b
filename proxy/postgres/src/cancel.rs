//! Cancelling: agents get secrets of the proxy's own, and one reaches the session that it was given to and no other.
//!
//! The process number is the server's, so that agents find themselves in `pg_stat_activity` and in notifications. Secrets
//! have 32 bytes under protocol 3.2 and 4 under 3.0, as the server's have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::message::startup::MINOR_LONG_SECRETS;

/// Bytes of a secret under protocol 3.0.
pub(crate) const SHORT_SECRET_BYTES: usize = 4;

/// Bytes of a secret under protocol 3.2, as PostgreSQL 18 makes them.
const LONG_SECRET_BYTES: usize = 32;

/// Process number and secret, as one side of the proxy knows them.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) process: i32,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// A session that can be cancelled.
struct Session {
    secret: Zeroizing<Vec<u8>>,
    server: Key,
    cancelled: Arc<Notify>,
}

/// The sessions that can be cancelled, by the server's process number. The server may use a number again while the session
/// that it was given to before still closes here, so there may be several.
#[derive(Clone, Default)]
pub(crate) struct Cancels {
    sessions: Arc<Mutex<HashMap<i32, Vec<Session>>>>,
}

/// A session's place among them, until it is dropped.
pub(crate) struct Registered {
    cancels: Cancels,
    /// What the agent cancels with.
    pub(crate) key: Key,
    /// Told when the agent cancels while nothing runs at the server, as when people are asked.
    pub(crate) cancelled: Arc<Notify>,
}

impl Cancels {
    /// Gives a session of protocol 3.`minor` a key; `None` when the machine has no random bytes.
    pub(crate) fn register(&self, server: Key, minor: u16) -> Option<Registered> {
        let bytes = if minor >= MINOR_LONG_SECRETS {
            LONG_SECRET_BYTES
        } else {
            SHORT_SECRET_BYTES
        };
        let mut secret = Zeroizing::new(vec![0; bytes]);
        getrandom::fill(&mut secret).ok()?;
        let key = Key {
            process: server.process,
            secret: secret.clone(),
        };
        let cancelled = Arc::new(Notify::new());
        let session = Session {
            secret,
            server,
            cancelled: Arc::clone(&cancelled),
        };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.entry(key.process).or_default().push(session);
        Some(Registered {
            cancels: self.clone(),
            key,
            cancelled,
        })
    }

    /// The server's key of the session with that key, which is told, too. Secrets are compared in constant time.
    pub(crate) fn cancel(&self, process: i32, secret: &[u8]) -> Option<Key> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = sessions.get(&process)?.iter();
        let session = sessions.find(|session| bool::from(session.secret.as_slice().ct_eq(secret)))?;
        session.cancelled.notify_waiters();
        Some(session.server.clone())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut sessions = self.cancels.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_process) = sessions.get_mut(&self.key.process) else {
            return;
        };
        of_process.retain(|session| !Arc::ptr_eq(&session.cancelled, &self.cancelled));
        if of_process.is_empty() {
            sessions.remove(&self.key.process);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(process: i32, secret: u8) -> Key {
        Key {
            process,
            secret: Zeroizing::new(vec![secret; 32]),
        }
    }

    #[test]
    fn a_key_reaches_its_own_session_alone() {
        let cancels = Cancels::default();
        let first = cancels.register(server(7, 1), 2).unwrap();
        // The server has used the number again, for another agent.
        let second = cancels.register(server(7, 2), 0).unwrap();
        assert_eq!((first.key.secret.len(), second.key.secret.len()), (32, 4));
        let reached = |process, secret: &[u8]| cancels.cancel(process, secret).map(|key| key.secret.first().copied());
        assert_eq!(reached(7, &first.key.secret), Some(Some(1)));
        assert_eq!(reached(7, &second.key.secret), Some(Some(2)));
        assert_eq!(reached(8, &first.key.secret), None);
        let mut other = first.key.secret.clone();
        *other.last_mut().unwrap() ^= 1;
        let cut = &first.key.secret[..4];
        let long = [first.key.secret.as_slice(), &[0]].concat();
        for wrong in [other.as_slice(), cut, &long, &[]] {
            assert_eq!(reached(7, wrong), None, "{} bytes", wrong.len());
        }
        let secret = first.key.secret.clone();
        drop(first);
        assert_eq!(reached(7, &secret), None);
        assert_eq!(reached(7, &second.key.secret), Some(Some(2)));
        drop(second);
        assert!(cancels.sessions.lock().unwrap().is_empty());
    }
}
