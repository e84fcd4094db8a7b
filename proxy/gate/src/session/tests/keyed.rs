//! The key of masks: announced before anything else of the gate, and named by each session.

use std::sync::{Arc, Mutex};

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::{Body, Kind};
use exhibit_schemas::policy_signatures::PolicySignatures;
use tokio::sync::{broadcast, watch};

use super::{POLICY, world};
use crate::error::GateError;
use crate::gate::Gate;
use crate::memory::{Memory, Standing, lost};
use crate::recorder::{Draft, Heard, Recorder, Ticket};

/// Takes everything but keys of masks, as a ledger does that knows another one.
struct RefusesKeys(Arc<Memory>);

impl Recorder for RefusesKeys {
    fn submit(&self, drafts: Vec<Draft>) -> Result<Ticket, GateError> {
        if drafts.iter().any(|draft| draft.body.kind() == Kind::MaskKeyAnnounced) {
            return Ok(Box::pin(async { Err(lost()) }));
        }
        self.0.submit(drafts)
    }

    fn recorded_before(&self) -> bool {
        false
    }

    fn policy_signatures(&self) -> Option<watch::Receiver<PolicySignatures>> {
        None
    }

    fn heard(&self) -> broadcast::Receiver<Arc<Heard>> {
        self.0.heard()
    }
}

#[tokio::test]
async fn each_session_names_the_key_that_was_announced_before_it() {
    let world = world().await;
    let events = world.memory.events.lock().unwrap().clone();
    let wanted = MaskKey::new([1; 32]).id();
    let (Body::MaskKeyAnnounced(announced), Body::SessionOpened(opened)) = (&events[2].body, &events[3].body) else {
        panic!("{:?}", world.memory.kinds());
    };
    assert_eq!((announced.key, &announced.replaces[..]), (wanted, &[][..]));
    assert_eq!(opened.mask_key, Some(wanted));
}

#[tokio::test]
async fn a_gate_whose_key_is_not_recorded_does_not_open() {
    let snapshot = || (POLICY.as_bytes().to_vec(), Snapshot::parse(POLICY.as_bytes()).unwrap());
    let start = async |recorder: Arc<dyn Recorder>| {
        let clock = Arc::new(Standing(Mutex::new(1)));
        let key = MaskKey::new([2; 32]).in_place_of(&[MaskKey::new([1; 32]).id()]);
        Gate::start(snapshot(), recorder, clock, key, [2; 32]).await
    };
    let memory = Memory::new();
    start(memory.clone()).await.unwrap();
    let events = memory.events.lock().unwrap().clone();
    let Body::MaskKeyAnnounced(announced) = &events[2].body else {
        panic!("{:?}", memory.kinds());
    };
    assert_eq!(announced.replaces, [MaskKey::new([1; 32]).id()]);
    let refused = start(Arc::new(RefusesKeys(Memory::new()))).await.map(|_| ());
    assert_eq!(refused.unwrap_err().to_string(), lost().to_string());
}
