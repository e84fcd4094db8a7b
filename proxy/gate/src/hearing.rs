//! What people say of requests, heard once for the whole proxy.
//!
//! Of everything that the recorder hands over, that is kept which concerns a request that somebody still asks about: it waits, something
//! passes by it, or it is granted. So a session that is quiet for long falls behind nothing. Whoever asks reads first what is there, and
//! what was not read in time is said to be missed, for every request that was asked about by then.
//!
//! Not here: what all of it comes to ([`crate::answers`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::KeyId;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::recorder::{Heard, Recorder, VerifiedDecision};

/// Decisions about one request that are kept at the most; more are a fault of the ledger or of people's tools.
const DECISIONS_MAX: usize = 1_000;

/// Why nobody knows what people say: more was published at once than is kept for whoever is slow.
const BEHIND: &str = "decisions were missed";

/// Why nobody knows what people say: the recorder is gone.
const OVER: &str = "no more decisions come";

const TOO_MANY: &str = "too many decisions";

/// Hears for all sessions of a proxy.
pub(crate) struct Hearing {
    ears: Arc<Mutex<Ears>>,
    /// Reads on while no session asks.
    listener: AbortHandle,
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Hearing {
    /// Hears what is published from now on. To be called where tasks can be begun.
    pub(crate) fn begin(recorder: &dyn Recorder) -> Arc<Self> {
        let ears = Ears {
            heard: recorder.heard(),
            requests: BTreeMap::new(),
        };
        let ears = Arc::new(Mutex::new(ears));
        let listener = tokio::spawn(listen(recorder.heard(), Arc::downgrade(&ears))).abort_handle();
        Arc::new(Self { ears, listener })
    }

    /// What is said of a request; `since` was subscribed before the request was recorded, so nothing about it was missed.
    pub(crate) fn of(&self, request: Digest, mut since: broadcast::Receiver<Arc<Heard>>) -> Arc<Said> {
        let mut ears = lock(&self.ears);
        // Both in this order and in one hand: what comes in between is taken twice, and kept once.
        ears.read();
        let said = Arc::new(Said::default());
        read(&mut since, |heard| said.take(heard));
        ears.requests.retain(|_, said| said.strong_count() > 0);
        ears.requests.insert(request, Arc::downgrade(&said));
        said
    }

    /// Takes in what was published up to now.
    pub(crate) fn catch_up(&self) {
        lock(&self.ears).read();
    }
}

struct Ears {
    heard: broadcast::Receiver<Arc<Heard>>,
    /// Of requests about which somebody still asks: each session waits for one, and each reply, grant and retry is of one.
    requests: BTreeMap<Digest, Weak<Said>>,
}

impl Ears {
    fn read(&mut self) {
        let Self { heard, requests } = self;
        read(heard, |heard| {
            let about = match heard.as_deref() {
                Ok(Heard::Decided(decision)) => Some(decision.body.request),
                Ok(Heard::TakenBack(revocation)) => Some(revocation.body.request),
                // Of a key, and of what was missed, anybody may have to know.
                Ok(Heard::Revoked(_)) | Err(_) => None,
            };
            let concerned = requests
                .iter()
                .filter(|(request, _)| about.is_none_or(|about| about == **request));
            concerned
                .filter_map(|(_, said)| said.upgrade())
                .for_each(|said| said.take(heard.clone()));
        });
    }
}

/// Reads what is there; an error says why not all of it was.
fn read(heard: &mut broadcast::Receiver<Arc<Heard>>, mut take: impl FnMut(Result<Arc<Heard>, &'static str>)) {
    loop {
        match heard.try_recv() {
            Ok(heard) => take(Ok(heard)),
            Err(TryRecvError::Lagged(_)) => take(Err(BEHIND)),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Closed) => return take(Err(OVER)),
        }
    }
}

/// Has everything read as soon as it is there.
async fn listen(mut wake: broadcast::Receiver<Arc<Heard>>, ears: Weak<Mutex<Ears>>) {
    loop {
        let woken = wake.recv().await;
        let Some(ears) = ears.upgrade() else { return };
        lock(&ears).read();
        if matches!(woken, Err(RecvError::Closed)) {
            return;
        }
    }
}

/// What people said of one request.
pub(crate) struct Said {
    words: Mutex<Result<Words, &'static str>>,
    changed: watch::Sender<()>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            words: Mutex::new(Ok(Words::default())),
            changed: watch::channel(()).0,
        }
    }
}

impl Said {
    /// All of it so far; an error says why nobody can know, and stays.
    pub(crate) fn words(&self) -> Result<Words, &'static str> {
        lock(&self.words).clone()
    }

    /// Is told of more.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn take(&self, heard: Result<Arc<Heard>, &'static str>) {
        let mut words = lock(&self.words);
        let taken = match (words.as_mut(), heard) {
            (Err(_), _) => return,
            (Ok(_), Err(missed)) => Err(missed),
            (Ok(words), Ok(heard)) => words.take(heard),
        };
        if let Err(reason) = taken {
            *words = Err(reason);
        }
        drop(words);
        self.changed.send_replace(());
    }
}

/// Decisions about a request and what takes them back, in the order of the log.
#[derive(Clone, Default)]
pub(crate) struct Words {
    pub(crate) made: Vec<Arc<Heard>>,
    /// Keys that have decided, and were revoked since.
    pub(crate) revoked: BTreeSet<KeyId>,
}

impl Words {
    pub(crate) fn decided(&self) -> impl Iterator<Item = &VerifiedDecision> {
        self.made.iter().filter_map(|heard| match &**heard {
            Heard::Decided(decision) => Some(decision.as_ref()),
            Heard::TakenBack(_) | Heard::Revoked(_) => None,
        })
    }

    fn take(&mut self, heard: Arc<Heard>) -> Result<(), &'static str> {
        if let Heard::Revoked(key) = &*heard {
            // Only keys that have decided matter; one that is revoked decides no more.
            let decided = self.decided().any(|decision| decision.signer.key.id() == *key);
            self.revoked.extend(decided.then_some(*key));
            return Ok(());
        }
        if self.made.iter().any(|made| Arc::ptr_eq(made, &heard)) {
            return Ok(());
        }
        if self.made.len() >= DECISIONS_MAX {
            return Err(TOO_MANY);
        }
        self.made.push(heard);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
