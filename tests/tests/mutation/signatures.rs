//! Mutants of a log whose policies people sign: signatures that are missing, another's, too late or taken back.

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{KeyRevoked, PolicyInForce, PolicySigned};
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::key::{KeyBytes, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySigners;
use exhibit_tests::bundle_builder::clinic::{
    ADMINISTRATOR, ALICE, BOB, LOG, POLICY, SECOND_ADMINISTRATOR, START, later_policy,
};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, key, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 4;

/// The log with signatures of two people under each policy; one of them has two keys.
pub(crate) fn signing(mut base: Base) -> Base {
    let keys = [("alice", ALICE), ("alice", SECOND_ADMINISTRATOR), ("bob", BOB)];
    let keys = keys.map(|(name, seed)| (name.to_owned(), key(seed).public_key()));
    let signers = PolicySigners::new(Index(0), 2, keys.to_vec()).expect("two people of two");
    base.clinic.anchors = TrustAnchors {
        policy_signers: vec![signers],
        ..base.clinic.anchors
    };
    let said = said(&base.plan(), &Digest::of(POLICY.as_bytes()))[0];
    for policy in [POLICY.to_owned(), later_policy()] {
        for seed in [ALICE, BOB] {
            let batch = signature(seed, Digest::of(policy.as_bytes()));
            base.clinic.plan.batches.insert(said.0, batch);
        }
    }
    Base::of(base.clinic)
}

pub(crate) fn mutants(plain: Base, random: &mut Random) -> Vec<Mutant> {
    let base = signing(plain);
    let classes = [
        missing,
        one_person_with_two_keys,
        of_another_policy,
        of_another_log,
        made_afterwards,
        expired,
        taken_back,
        by_a_revoked_key,
    ];
    let each = classes.iter().flat_map(|change| std::iter::repeat_n(change, EACH));
    each.map(|change| change(&base, random)).collect()
}

fn batch(seed: u8, body: Body) -> Batch {
    let event = Event {
        // Its signer has said nothing else before.
        time: Timestamp(START),
        emitter: Emitter(key_id(seed), START + u64::from(seed)),
        session: None,
        body,
    };
    Batch {
        seed,
        events: vec![Planned::new(event)],
    }
}

fn signature(seed: u8, policy: Digest) -> Batch {
    let signed = PolicySigned {
        log_key: key(LOG).public_key().to_bytes(),
        policy,
        reason: "reviewed".into(),
        expires: None,
    };
    batch(seed, signed.into())
}

fn later() -> Digest {
    Digest::of(later_policy().as_bytes())
}

/// Where proxies say that a policy is in force.
fn said(plan: &Plan, wanted: &Digest) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::PolicyInForce(PolicyInForce { policy }) if policy == wanted))
}

/// A signature under the later policy.
fn signed(plan: &Plan, seeds: &[u8], random: &mut Random) -> Place {
    let seed = random.pick(seeds);
    plan.find(|event| {
        event.emitter.0 == key_id(seed) && matches!(&event.body, Body::PolicySigned(signed) if signed.policy == later())
    })[0]
}

fn signed_mut(plan: &mut Plan, place: Place) -> &mut PolicySigned {
    let Body::PolicySigned(signed) = &mut plan.event_mut(place).body else {
        panic!("a signature was looked for");
    };
    signed
}

/// The later policy comes into force without what it needs.
fn unsigned(base: &Base, class: &'static str, plan: &Plan) -> Mutant {
    let index = plan.build().index_of(said(plan, &later())[0]);
    let expected = Expected::at(&[Code::PolicyUnsigned], index, index);
    let mutant = base.sealed(class, format!("#{index}"), plan, expected);
    Mutant { many: true, ..mutant }
}

fn missing(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[ALICE, BOB], random);
    plan.remove(place);
    unsigned(base, "policy-signature-missing", &plan)
}

fn one_person_with_two_keys(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[BOB], random);
    plan.batches[place.0] = signature(SECOND_ADMINISTRATOR, later());
    unsigned(base, "policy-signed-by-one-person", &plan)
}

fn of_another_policy(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[ALICE, BOB], random);
    signed_mut(&mut plan, place).policy = random.pick(&[Digest([9; 32]), Digest::of(POLICY.as_bytes())]);
    unsigned(base, "policy-signature-of-another", &plan)
}

fn of_another_log(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[ALICE, BOB], random);
    signed_mut(&mut plan, place).log_key = KeyBytes([9; 32]);
    if random.below(2) == 0 {
        return unsigned(base, "policy-signature-of-another-log", &plan);
    }
    let index = plan.build().index_of(place);
    let expected = Expected::at(&[Code::PolicySignature], index, index);
    base.sealed("policy-signature-of-another-log", format!("#{index}"), &plan, expected)
}

fn made_afterwards(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[ALICE, BOB], random);
    let late = plan.batches.remove(place.0);
    let after = said(&plan, &later())[0].0 + 1;
    plan.batches.insert(after, late);
    unsigned(base, "policy-signed-afterwards", &plan)
}

fn expired(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[ALICE, BOB], random);
    signed_mut(&mut plan, place).expires = Some(Timestamp(START - 10_000_000));
    unsigned(base, "policy-signature-expired", &plan)
}

/// The key of a signature is revoked before the policy is recorded.
fn taken_back(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let seed = random.pick(&[ALICE, BOB]);
    let place = said(&plan, &later())[0].0;
    plan.batches.insert(place, revoked(&plan, seed));
    unsigned(base, "policy-signature-taken-back", &plan)
}

/// The same, and the signature comes after it.
fn by_a_revoked_key(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = signed(&plan, &[BOB], random);
    let late = plan.batches.remove(place.0);
    let at = said(&plan, &later())[0].0;
    plan.batches.insert(at, revoked(&plan, BOB));
    plan.batches.insert(at + 1, late);
    unsigned(base, "policy-signed-by-a-revoked-key", &plan)
}

fn revoked(plan: &Plan, seed: u8) -> Batch {
    let last = plan.find(|event| event.emitter.0 == key_id(ADMINISTRATOR));
    let time = last.iter().map(|place| plan.event(*place).time.0).max();
    let body = KeyRevoked {
        key: key_id(seed),
        reason: "lost".into(),
    };
    let mut batch = batch(ADMINISTRATOR, body.into());
    batch.events[0].event.time = Timestamp(time.unwrap_or(START));
    batch
}
