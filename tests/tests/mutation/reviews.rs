//! Mutants of reviews: what a reviewer signs off is not what happened. The reviewer signs it anew each time.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::ReviewSigned;
use exhibit_schemas::event::{Emitter, Event, Timestamp};
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_tests::bundle_builder::clinic::{BOB, PROXY, START};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

/// What is changed of an honest review, and what must be found.
type Class = (&'static str, fn(&mut ReviewSigned, &mut Random), Code);

const CLASSES: [Class; 11] = [
    (
        "review-of-other-events",
        |said, random| said.population.0[random.below(32)] ^= 1,
        Code::ReviewPopulation,
    ),
    (
        "review-of-more",
        |said, _| *said.counts.entry("command".into()).or_default() += 1,
        Code::ReviewPopulation,
    ),
    ("review-of-fewer", |said, _| said.counts.clear(), Code::ReviewPopulation),
    (
        "review-of-another-scope",
        |said, _| said.scope = "sessions".into(),
        Code::ReviewPopulation,
    ),
    (
        "review-of-a-longer-period",
        |said, _| said.to.0 += 10_000_000,
        Code::ReviewLog,
    ),
    (
        "review-of-a-shorter-period",
        |said, _| said.from.0 = said.to.0 - 20_000,
        Code::ReviewPopulation,
    ),
    ("review-of-no-period", |said, _| said.from = said.to, Code::ReviewLog),
    (
        "review-of-another-log",
        |said, random| said.root.0[random.below(32)] ^= 1,
        Code::ReviewLog,
    ),
    ("review-of-a-shorter-log", |said, _| said.size -= 1, Code::ReviewLog),
    ("review-of-a-longer-log", |said, _| said.size += 1_000, Code::ReviewLog),
    (
        "review-of-no-scope",
        |said, _| said.scope = "everything".into(),
        Code::ReviewLog,
    ),
];

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for scope in [Scope::Commands, Scope::All, Scope::Approvals] {
        for (class, change, code) in CLASSES {
            let (mut plan, mut said) = (base.plan(), honest(&base.plan(), scope));
            change(&mut said, random);
            let place = sign(&mut plan, BOB, said);
            let index = plan.build().index_of(place);
            mutants.push(base.sealed(
                class,
                format!("{scope} #{index}"),
                &plan,
                Expected::at(&[code], index, index),
            ));
        }
    }
    // A proxy signs one off.
    let mut plan = base.plan();
    let said = honest(&plan, Scope::All);
    let place = sign(&mut plan, PROXY, said);
    let index = plan.build().index_of(place);
    let expected = Expected::at(&[Code::KeyRole], index, index);
    mutants.push(base.sealed("review-by-a-proxy", format!("#{index}"), &plan, expected));
    mutants
}

/// A review of everything of a scope so far.
fn honest(plan: &Plan, scope: Scope) -> ReviewSigned {
    let entries = plan.build().entries;
    let size = TreeSize(u64::try_from(entries.len()).expect("fits"));
    let mut population = Population::new(scope, (Timestamp(START), Timestamp(last(plan) + 1)), size);
    for entry in &entries {
        let event = (entry.first() != Some(&SEAL_FIRST_BYTE)).then(|| Event::decode(entry).expect("an event"));
        population.take(Digest::leaf(entry), event.as_ref());
    }
    population.signed("nothing unusual".into())
}

fn last(plan: &Plan) -> u64 {
    let events = plan.batches.iter().flat_map(|batch| &batch.events);
    events
        .map(|planned| planned.event.time.0)
        .max()
        .expect("there are events")
}

/// Appends it as one more batch, in the last run of the key where it has one.
fn sign(plan: &mut Plan, seed: u8, said: ReviewSigned) -> (usize, usize) {
    let before = plan.find(|event| event.emitter.0 == key_id(seed));
    let boot = before
        .last()
        .map_or(START + u64::from(seed), |place| plan.event(*place).emitter.1);
    let event = Event {
        time: Timestamp(last(plan) + 2),
        emitter: Emitter(key_id(seed), boot),
        session: None,
        body: said.into(),
    };
    plan.batches.push(Batch {
        seed,
        events: vec![Planned::new(event)],
    });
    (plan.batches.len() - 1, 0)
}
