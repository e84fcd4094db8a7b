//! Policies that people must have signed before they come into force, at a start and while the proxy runs.

use std::sync::{Arc, Mutex};

use exhibit_policy::mask::MaskKey;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::trust::PolicySigned;
use exhibit_schemas::key::{KeyBytes, PublicKey, SecretKey, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySigners;

use super::{Memory, NOW_US, POLICY, Standing, opening, waits};
use crate::error::GateError;
use crate::recorder::Recorder;
use crate::session::{Gate, Replaced};

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed(&[seed; 32]).public_key()
}

/// Two of ann, who has two keys, and bob.
fn memory() -> Arc<Memory> {
    let keys = [("ann", 1), ("ann", 2), ("bob", 3)].map(|(name, seed)| (name.to_owned(), key(seed)));
    Memory::signed_by(PolicySigners::new(Index(0), 2, keys.to_vec()).unwrap())
}

fn policy(more: &str) -> (Vec<u8>, Snapshot) {
    let text = format!("{POLICY}{more}").into_bytes();
    let snapshot = Snapshot::parse(&text).unwrap();
    (text, snapshot)
}

fn sign(memory: &Memory, seed: u8, policy: Digest, expires: Option<u64>) {
    let signed = PolicySigned {
        log_key: KeyBytes([0; 32]),
        policy,
        reason: "reviewed".into(),
        expires: expires.map(Timestamp),
    };
    memory.signatures.as_ref().unwrap().send_modify(|known| {
        known.signed(Index(0), key(seed).id(), &signed);
    });
}

fn start(memory: &Arc<Memory>, policy: (Vec<u8>, Snapshot)) -> impl Future<Output = Result<Gate, GateError>> {
    let clock = Arc::new(Standing(Mutex::new(NOW_US)));
    let recorder: Arc<dyn Recorder> = Arc::<Memory>::clone(memory);
    Gate::start(policy, recorder, clock, MaskKey::new([1; 32]), [2; 32])
}

async fn started(memory: &Arc<Memory>) -> Gate {
    for seed in [1, 3] {
        sign(memory, seed, policy("").1.digest(), None);
    }
    start(memory, policy("")).await.unwrap()
}

#[tokio::test]
async fn a_start_waits_until_two_people_have_signed_exactly_its_policy() {
    let memory = memory();
    let mut starting = Box::pin(start(&memory, policy("")));
    assert!(waits(&mut starting));
    let own = policy("").1.digest();
    sign(&memory, 1, own, None);
    sign(&memory, 2, own, None);
    sign(&memory, 3, policy("# another\n").1.digest(), None);
    assert!(waits(&mut starting), "one person has");
    assert_eq!(
        memory.kinds(),
        ["policy-snapshot"],
        "and nothing says that it is in force"
    );
    sign(&memory, 3, own, Some(NOW_US));
    assert!(waits(&mut starting), "that has expired");
    sign(&memory, 3, own, Some(NOW_US + 1));
    starting.await.unwrap();
    assert_eq!(
        memory.kinds(),
        ["policy-snapshot", "policy-in-force", "mask-key-announced"]
    );
}

#[tokio::test]
async fn a_policy_that_is_not_signed_leaves_the_one_before_in_force() {
    let memory = memory();
    let gate = started(&memory).await;
    let first = gate.policy().digest();
    let next = || policy("# another\n");
    let digest = next().1.digest();
    sign(&memory, 1, digest, None);
    let unsigned = GateError::Unsigned {
        policy: digest,
        signed: vec!["ann".to_owned()],
        wanted: 2,
    };
    assert!(
        unsigned.to_string().contains("signed by ann and needs 2 signatures"),
        "{unsigned}"
    );
    assert_eq!(gate.replace_policy(next()).await, Err(unsigned));
    assert_eq!(gate.policy().digest(), first);
    assert!(gate.open(opening(None)).await.is_ok());
    let said = memory.kinds().into_iter().filter(|kind| *kind == "policy-in-force");
    assert_eq!(said.count(), 1, "nothing says that it is in force");
    sign(&memory, 3, digest, None);
    assert_eq!(gate.replace_policy(next()).await, Ok(Replaced::InForce));
    assert_eq!(gate.policy().digest(), digest);
}

#[tokio::test]
async fn who_is_revoked_has_signed_nothing_that_comes_into_force_later() {
    let memory = memory();
    let gate = started(&memory).await;
    let digest = policy("# another\n").1.digest();
    for seed in [1, 3] {
        sign(&memory, seed, digest, None);
    }
    let signatures = memory.signatures.as_ref().unwrap();
    signatures.send_modify(|known| known.revoked(Index(1), key(3).id()));
    let refused = gate.replace_policy(policy("# another\n")).await;
    assert!(matches!(refused, Err(GateError::Unsigned { .. })), "{refused:?}");
    // The one in force stays so, and sessions open.
    assert!(gate.open(opening(None)).await.is_ok());
}
