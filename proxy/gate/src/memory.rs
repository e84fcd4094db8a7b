//! A recorder for tests: it holds events in memory, and can hold receipts back, refuse, or lose what it was given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Emitter, Event, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::{PolicySignatures, PolicySigners};
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::error::GateError;
use crate::recorder::{Draft, Heard, Keeping, Receipt, Recorder, Ticket, VerifiedDecision};

/// What happens to receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Given at once.
    Durable,
    /// Held back until the mode changes.
    Hold,
    /// The ledger is gone: tickets fail.
    Lose,
    /// Nothing is taken.
    Refuse,
}

pub(crate) struct Memory {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) mode: watch::Sender<Mode>,
    pub(crate) heard: broadcast::Sender<Arc<Heard>>,
    /// Who has signed which policy, where anybody must.
    pub(crate) signatures: Option<watch::Sender<PolicySignatures>>,
    /// Where it has kept what is remembered.
    pub(crate) keeping: Option<Keeping>,
    /// Whether it says that it was used before.
    pub(crate) before: AtomicBool,
}

pub(crate) fn lost() -> GateError {
    GateError::LedgerUnavailable {
        reason: "test".to_owned(),
    }
}

impl Memory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::new(Vec::new()),
            mode: watch::channel(Mode::Durable).0,
            heard: broadcast::channel(4).0,
            signatures: None,
            keeping: None,
            before: AtomicBool::new(false),
        })
    }

    /// One whose trust anchors have these people sign policies.
    pub(crate) fn signed_by(signers: PolicySigners) -> Arc<Self> {
        let mut memory = Arc::into_inner(Self::new()).expect("nobody else has it");
        memory.signatures = Some(watch::channel(PolicySignatures::new(&[signers])).0);
        Arc::new(memory)
    }

    /// One that keeps what is remembered there.
    pub(crate) fn keeping(keeping: Keeping) -> Arc<Self> {
        let mut memory = Arc::into_inner(Self::new()).expect("nobody else has it");
        memory.keeping = Some(keeping);
        Arc::new(memory)
    }

    /// A person has decided.
    pub(crate) fn decide(&self, decision: VerifiedDecision) {
        // Nobody may be waiting for it.
        let _ = self.heard.send(Heard::Decided(decision.into()).into());
    }

    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| event.kind().as_str()).collect()
    }
}

impl Recorder for Memory {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        if *self.mode.borrow() == Mode::Refuse {
            return Err(GateError::QueueFull { limit: 0 });
        }
        let mut events = self.events.lock().unwrap();
        let mut receipts = Vec::new();
        for draft in drafts {
            let time = Timestamp(u64::try_from(events.len()).unwrap() + 1);
            let event = Event {
                time,
                emitter: Emitter(KeyId([0; 8]), 1),
                session: draft.session,
                body: draft.body,
            };
            let leaf = Digest::leaf(&event.encode()?.0);
            let index = Index(u64::try_from(events.len()).unwrap());
            events.push(event);
            receipts.push(Receipt { index, leaf, time });
        }
        let mut mode = self.mode.subscribe();
        Ok(Box::pin(async move {
            match *mode.wait_for(|mode| *mode != Mode::Hold).await.unwrap() {
                Mode::Lose => Err(lost()),
                _ => Ok(receipts),
            }
        }))
    }

    fn recorded_before(&self) -> bool {
        self.before.load(Ordering::SeqCst)
    }

    fn keeping(&self) -> Option<Keeping> {
        self.keeping.clone()
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        self.signatures.as_ref().map(watch::Sender::subscribe)
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.heard.subscribe()
    }
}

/// A clock that stands until it is set.
pub(crate) struct Standing(pub(crate) Mutex<u64>);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(*self.0.lock().unwrap())
    }
}
