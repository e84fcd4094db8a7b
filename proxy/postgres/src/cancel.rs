//! Cancelling: agents get keys of the proxy's own, and a key reaches the session that it was given to and no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Process number and secret, as agents know them: 64 random bits together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AgentKey {
    pub(crate) process: i32,
    pub(crate) secret: [u8; 4],
}

/// Process number and secret, as the server knows them.
#[derive(Clone)]
pub(crate) struct ServerKey {
    pub(crate) process: i32,
    pub(crate) secret: Vec<u8>,
}

type Sessions = HashMap<AgentKey, (ServerKey, Arc<Notify>)>;

/// The sessions that can be cancelled.
#[derive(Clone, Default)]
pub(crate) struct Cancels {
    sessions: Arc<Mutex<Sessions>>,
}

/// A session's place among them, until it is dropped.
pub(crate) struct Registered {
    cancels: Cancels,
    pub(crate) key: AgentKey,
    /// Told when the agent cancels while nothing runs at the server, as when people are asked.
    pub(crate) cancelled: Arc<Notify>,
}

impl Cancels {
    /// Gives a session a key; `None` when the machine has no random bytes.
    pub(crate) fn register(&self, server: ServerKey) -> Option<Registered> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        let [a, b, c, d, secret @ ..] = random;
        let key = AgentKey {
            process: i32::from_be_bytes([a, b, c, d]),
            secret,
        };
        let cancelled = Arc::new(Notify::new());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.contains_key(&key) {
            return None;
        }
        sessions.insert(key, (server, Arc::clone(&cancelled)));
        Some(Registered {
            cancels: self.clone(),
            key,
            cancelled,
        })
    }

    /// The server's key of the session with that key, which is told, too.
    pub(crate) fn cancel(&self, process: i32, secret: &[u8]) -> Option<ServerKey> {
        let secret = secret.try_into().ok()?;
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let (server, cancelled) = sessions.get(&AgentKey { process, secret })?;
        cancelled.notify_waiters();
        Some(server.clone())
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut sessions = self.cancels.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.key);
    }
}
