//! Reviews of what did not happen, signed by the reviewer: each is found, counts for nothing, and is no fault of the log.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::ReviewSigned;
use exhibit_schemas::event::{Emitter, Event, Timestamp};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::review::{Definition, FINDING_BYTES_MAX, Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, LOG, ORIGIN, PROXY, START};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, checkpoint, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

/// What is changed of an honest review, and what must be found.
type Class = (&'static str, fn(&mut ReviewSigned, &mut Random), Code);

const CLASSES: [Class; 15] = [
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
    ("review-of-nothing", |said, _| said.size = 0, Code::ReviewLog),
    (
        "review-of-many-words",
        |said, _| said.finding = "f".repeat(FINDING_BYTES_MAX + 1),
        Code::ReviewLog,
    ),
    (
        "review-of-a-kind-of-its-own",
        |said, _| _ = said.counts.insert("anything".into(), 1),
        Code::ReviewLog,
    ),
    ("review-of-a-longer-log", |said, _| said.size += 1_000, Code::ReviewLog),
    (
        "review-by-the-first-definition-said",
        |said, _| said.definition = Some(Definition::First),
        Code::ReviewLog,
    ),
    (
        "review-of-no-scope",
        |said, _| said.scope = "everything".into(),
        Code::ReviewLog,
    ),
];

/// A proxy signs one off, which its key may not.
pub(crate) fn mutants(base: &Base) -> Vec<Mutant> {
    let mut plan = base.plan();
    let said = honest(&plan, Scope::All);
    let place = sign(&mut plan, PROXY, vec![said]);
    let index = plan.build().index_of(place);
    let expected = Expected::at(&[Code::KeyRole], index, index);
    vec![base.sealed("review-by-a-proxy", format!("#{index}"), &plan, expected)]
}

/// False reviews of a person, beside an honest one.
pub(crate) fn noted(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for scope in [Scope::Commands, Scope::All, Scope::Approvals] {
        let first_for_second: Class = (
            "review-by-the-first-definition",
            |said, _| said.definition = None,
            Code::ReviewPopulation,
        );
        // Of some scopes both definitions say the same.
        let more = (scope == Scope::Commands).then_some(first_for_second);
        for (class, change, code) in CLASSES.into_iter().chain(more) {
            let mut plan = base.plan();
            let said = honest(&plan, scope);
            let mut changed = said.clone();
            change(&mut changed, random);
            let place = sign(&mut plan, ALICE, vec![changed, said]);
            let index = plan.build().index_of(place);
            let expected = Expected::at(&[code], index, index);
            mutants.push(base.sealed(class, format!("{scope} #{index}"), &plan, expected));
        }
    }
    mutants
}

/// A log with honest reviews of before and after scopes were defined anew.
pub(crate) fn of_both_definitions(base: &Base) -> (Mutant, usize) {
    let mut plan = base.plan();
    let period = (Timestamp(START), Timestamp(last(&plan) + 1));
    let mut said = Vec::new();
    for scope in Scope::ALL {
        for definition in Definition::ALL {
            said.push(of(&plan, *scope, *definition, period, size(&plan)));
        }
    }
    let count = said.len();
    sign(&mut plan, BOB, said);
    (
        base.sealed("reviews-of-both-definitions", String::new(), &plan, Expected::default()),
        count,
    )
}

/// A log in which a person signs off as many different populations of all events as are counted, and one more; another the
/// same one as often. Where the first of them stands.
pub(crate) fn many(base: &Base, counted: u64) -> (Mutant, Index) {
    let mut plan = base.plan();
    let said = honest(&plan, Scope::Commands);
    let from = |from: u64| {
        let mut said = said.clone();
        said.from.0 -= from;
        said
    };
    let place = sign(&mut plan, BOB, (0..=counted).map(from).collect());
    sign(&mut plan, ALICE, (0..=counted).map(|_| said.clone()).collect());
    let index = plan.build().index_of(place);
    let mutant = base.sealed("many-reviews", format!("#{index}"), &plan, Expected::default());
    (mutant, index)
}

/// A review of everything of a scope so far.
fn honest(plan: &Plan, scope: Scope) -> ReviewSigned {
    of(
        plan,
        scope,
        Definition::Second,
        (Timestamp(START), Timestamp(last(plan) + 1)),
        size(plan),
    )
}

/// Entries so far.
pub(crate) fn size(plan: &Plan) -> TreeSize {
    TreeSize(u64::try_from(plan.build().entries.len()).expect("fits"))
}

/// A review of a period of the log of a size.
pub(crate) fn of_period(
    plan: &Plan,
    scope: Scope,
    definition: Definition,
    (from, to): (&str, &str),
    size: TreeSize,
) -> ReviewSigned {
    let time = |text| Timestamp::parse(text).expect("a time");
    of(plan, scope, definition, (time(from), time(to)), size)
}

fn of(
    plan: &Plan,
    scope: Scope,
    definition: Definition,
    period: (Timestamp, Timestamp),
    size: TreeSize,
) -> ReviewSigned {
    let entries = plan.build().entries;
    let entries = &entries[..usize::try_from(size.0).expect("fits")];
    let mut population = Population::by(definition, scope, period, size);
    for (index, entry) in (0..).zip(entries) {
        if entry.first() != Some(&SEAL_FIRST_BYTE) {
            let event = Event::decode(entry).expect("an event");
            population.take(Index(index), Digest::leaf(entry), &event);
        }
    }
    population.signed(checkpoint(entries, ORIGIN, LOG).root(), "nothing unusual".into())
}

fn last(plan: &Plan) -> u64 {
    let events = plan.batches.iter().flat_map(|batch| &batch.events);
    events
        .map(|planned| planned.event.time.0)
        .max()
        .expect("there are events")
}

/// Appends them as one more batch, in the last run of the key where it has one.
fn sign(plan: &mut Plan, seed: u8, said: Vec<ReviewSigned>) -> (usize, usize) {
    let before = plan.find(|event| event.emitter.0 == key_id(seed));
    let boot = before
        .last()
        .map_or(START + u64::from(seed), |place| plan.event(*place).emitter.1);
    let time = Timestamp(last(plan) + 2);
    let event = |said: ReviewSigned| Event {
        time,
        emitter: Emitter(key_id(seed), boot),
        session: None,
        body: said.into(),
    };
    let events = said.into_iter().map(|said| Planned::new(event(said)));
    plan.batches.push(Batch {
        seed,
        events: events.collect(),
    });
    (plan.batches.len() - 1, 0)
}
