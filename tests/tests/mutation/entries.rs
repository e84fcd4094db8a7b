//! Mutants of the sequence of entries: edited, stripped, moved, dropped, repeated, spliced. No emitter signs again.

use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::Index;
use exhibit_tests::bundle_builder::clinic::{LOG, ORIGIN, clinic};
use exhibit_tests::bundle_builder::{Slot, checkpoint, key};
use exhibit_verify::Code;

use super::{Base, Expected, Head, Mutant, Random};

const SEALS: [Code; 6] = [
    Code::SealRoot,
    Code::SealCount,
    Code::SealFormat,
    Code::SealSignature,
    Code::SealChain,
    Code::EventUnsealed,
];

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for _ in 0..25 {
        mutants.push(edit(base, random, "edit-entry", Head::Kept));
        mutants.push(edit(base, random, "edit-entry-other-log-key", Head::Stranger));
        mutants.push(edit(base, random, "edit-entry-owned-ledger", Head::Owned));
        mutants.push(strip_seal(base, random));
        mutants.push(move_seal(base, random));
        mutants.push(drop_event(base, random));
        mutants.push(drop_batch(base, random));
        mutants.push(repeat(base, random));
    }
    for _ in 0..15 {
        mutants.push(swap_events(base, random));
        mutants.push(swap_batches(base, random));
        mutants.push(repeat_batch(base, random));
        mutants.push(splice(base, random));
        mutants.push(forge_seal(base, random));
        mutants.push(cut_off(base, random));
        mutants.push(insert(base, random));
    }
    mutants
}

fn index(place: usize) -> Index {
    Index(u64::try_from(place).expect("fits"))
}

/// First and last place of the batch that an entry belongs to.
fn batch_of(base: &Base, place: usize) -> (usize, usize) {
    let (Slot::Event { batch, .. } | Slot::Seal { batch }) = base.built.slots[place];
    batch_span(base, batch)
}

fn batch_span(base: &Base, wanted: usize) -> (usize, usize) {
    let in_batch = |slot: &Slot| matches!(slot, Slot::Event { batch, .. } | Slot::Seal { batch } if *batch == wanted);
    let slots = &base.built.slots;
    let first = slots.iter().position(in_batch).expect("the batch is there");
    let last = slots.iter().rposition(in_batch).expect("the batch is there");
    (first, last)
}

fn batches(base: &Base) -> usize {
    base.clinic.plan.batches.len()
}

/// The batches of which the same key seals a later one, not far behind.
fn followed(base: &Base) -> Vec<(usize, usize)> {
    let batches = &base.clinic.plan.batches;
    let next = |batch: usize| (batch + 1..batches.len()).find(|later| batches[*later].seed == batches[batch].seed);
    (1..batches.len())
        .filter_map(|batch| Some((batch, next(batch)?)))
        .collect()
}

fn edit(base: &Base, random: &mut Random, class: &'static str, head: Head) -> Mutant {
    let mut entries = base.built.entries.clone();
    let place = random.below(entries.len());
    let byte = random.below(entries[place].len());
    entries[place][byte] ^= 1 << random.below(8);
    let (first, last) = batch_of(base, place);
    let mut codes = SEALS.to_vec();
    codes.extend([Code::EventFormat, Code::KeyNotInForce]);
    let mut expected = Expected::at(&codes, index(first), index(last));
    if head == Head::Stranger {
        expected = Expected::file(&[Code::CheckpointSignature], "checkpoint");
    }
    // A seal that turns into an event, or an event into a seal, moves its batch into the next.
    if byte == 0 && expected.entries.is_some() {
        let next = base.built.slots.len().min(last + 6) - 1;
        expected.entries = Some((index(first).0, index(next).0));
    }
    base.entries(class, format!("entry {place} byte {byte}"), &entries, head, expected)
}

fn strip_seal(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let batch = random.below(batches(base));
    let (first, last) = batch_span(base, batch);
    entries.remove(last);
    let mut mutant = base.entries(
        "strip-seal",
        format!("of batch {batch}"),
        &entries,
        Head::Owned,
        Expected::at(&[Code::EventUnsealed], index(first), index(last - 1)),
    );
    mutant.many = last - first > 6;
    mutant
}

fn move_seal(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let batch = random.below(batches(base) - 2);
    let (first, last) = batch_span(base, batch);
    let seal = entries.remove(last);
    // Forward into the batch, or behind the next one.
    let to = if random.below(2) == 0 {
        first
    } else {
        batch_span(base, batch + 1).1
    };
    entries.insert(to, seal);
    let (_, next) = batch_span(base, batch + 1);
    let mut mutant = base.entries(
        "move-seal",
        format!("of batch {batch} from {last} to {to}"),
        &entries,
        Head::Owned,
        Expected::at(&SEALS, index(first), index(next)),
    );
    mutant.many = true;
    mutant
}

fn drop_event(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let events: Vec<usize> = (0..entries.len())
        .filter(|place| matches!(base.built.slots[*place], Slot::Event { .. }))
        .collect();
    let place = random.pick(&events);
    entries.remove(place);
    let (first, last) = batch_of(base, place);
    let expected = Expected::at(&[Code::SealCount, Code::SealRoot], index(first), index(last));
    let mut mutant = base.entries("drop-event", format!("{place}"), &entries, Head::Owned, expected);
    // An enrolment or a policy that is gone is missed by everything that leans on it.
    mutant.many = place < 20;
    mutant
}

fn drop_batch(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let (batch, next) = random.pick(&followed(base));
    let (first, last) = batch_span(base, batch);
    entries.drain(first..=last);
    let gone = last - first + 1;
    let (from, to) = batch_span(base, next);
    let expected = Expected::at(&[Code::SealChain], index(from - gone), index(to - gone));
    let mut mutant = base.entries("drop-batch", format!("{batch}"), &entries, Head::Owned, expected);
    mutant.many = true;
    mutant
}

fn repeat(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let place = random.below(entries.len());
    entries.insert(place, entries[place].clone());
    let (first, last) = batch_of(base, place);
    let expected = Expected::at(&SEALS, index(first), index(last + 1));
    base.entries("repeat-entry", format!("{place}"), &entries, Head::Owned, expected)
}

fn insert(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let (from, to) = (random.below(entries.len()), random.below(entries.len()));
    let entry = entries[from].clone();
    entries.insert(to, entry);
    let (first, last) = batch_of(base, to);
    let expected = Expected::at(&SEALS, index(first), index(last + 1));
    let mut mutant = base.entries(
        "insert-entry",
        format!("{from} at {to}"),
        &entries,
        Head::Owned,
        expected,
    );
    mutant.many = true;
    mutant
}

fn swap_events(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let pairs: Vec<usize> = (0..entries.len() - 1)
        .filter(|place| {
            let slots = &base.built.slots;
            matches!(
                (slots[*place], slots[*place + 1]),
                (Slot::Event { .. }, Slot::Event { .. })
            )
        })
        .collect();
    let place = random.pick(&pairs);
    entries.swap(place, place + 1);
    let (first, last) = batch_of(base, place);
    let expected = Expected::at(&[Code::SealRoot], index(first), index(last));
    base.entries("swap-events", format!("{place}"), &entries, Head::Owned, expected)
}

fn swap_batches(base: &Base, random: &mut Random) -> Mutant {
    let neighbours: Vec<(usize, usize)> = followed(base)
        .into_iter()
        .filter(|(one, next)| one + 1 == *next)
        .collect();
    let (one, next) = random.pick(&neighbours);
    let ((first, middle), (_, last)) = (batch_span(base, one), batch_span(base, next));
    let mut entries = base.built.entries.clone();
    entries[first..=last].rotate_left(middle + 1 - first);
    let expected = Expected::at(&[Code::SealChain], index(first), index(last));
    let mut mutant = base.entries(
        "swap-batches",
        format!("{one} and {next}"),
        &entries,
        Head::Owned,
        expected,
    );
    mutant.many = true;
    mutant
}

fn repeat_batch(base: &Base, random: &mut Random) -> Mutant {
    let batch = 2 + random.below(batches(base) - 2);
    let (first, last) = batch_span(base, batch);
    let mut entries = base.built.entries.clone();
    let copy = entries[first..=last].to_vec();
    entries.splice(last + 1..=last, copy);
    let length = last - first + 1;
    let expected = Expected::at(&[Code::SealChain], index(first + length), index(last + length));
    let mut mutant = base.entries("repeat-batch", format!("{batch}"), &entries, Head::Owned, expected);
    mutant.many = true;
    mutant
}

/// A batch of another log of the same keys (its sessions differ in number), put in between two batches.
fn splice(base: &Base, random: &mut Random) -> Mutant {
    let other = clinic(6 + u8::try_from(random.below(8)).expect("fits"));
    let mut plan = other.plan;
    for batch in &mut plan.batches {
        batch.seed += 100; // its own keys: proxies and people of another clinic
        for planned in &mut batch.events {
            planned.event.emitter.0 = key(batch.seed).public_key().id();
        }
    }
    let built = plan.build();
    let batch = 3 + random.below(plan.batches.len() - 3);
    let in_batch =
        |slot: &Slot| matches!(slot, Slot::Event { batch: of, .. } | Slot::Seal { batch: of } if *of == batch);
    let taken = built
        .entries
        .iter()
        .zip(&built.slots)
        .filter(|(_, slot)| in_batch(slot));
    let taken: Vec<Vec<u8>> = taken.map(|(entry, _)| entry.clone()).collect();
    let (_, at) = batch_span(base, 2 + random.below(batches(base) - 2));
    let mut entries = base.built.entries.clone();
    let length = taken.len();
    entries.splice(at + 1..=at, taken);
    let expected = Expected::at(&[Code::KeyNotInForce], index(at + 1), index(at + length));
    let mut mutant = base.entries(
        "splice-other-log",
        format!("batch {batch} at {at}"),
        &entries,
        Head::Owned,
        expected,
    );
    mutant.many = true;
    mutant
}

/// A seal signed by another key under the name of its emitter.
fn forge_seal(base: &Base, random: &mut Random) -> Mutant {
    let mut entries = base.built.entries.clone();
    let (_, seal) = batch_span(base, random.below(batches(base)));
    let signature = key(77).sign(&entries[seal]).expect("the key signs");
    let from = entries[seal].len() - signature.as_bytes().len();
    entries[seal][from..].copy_from_slice(signature.as_bytes());
    let expected = Expected::at(&[Code::SealSignature], index(seal), index(seal));
    base.entries("forge-seal", format!("{seal}"), &entries, Head::Owned, expected)
}

/// The end is cut off between two batches and the log's own key signs what is left: only a kept head shows it.
fn cut_off(base: &Base, random: &mut Random) -> Mutant {
    let (first, _) = batch_span(base, 1 + random.below(batches(base) - 1));
    let entries = &base.built.entries[..first];
    let expected = Expected::file(&[Code::ReceiptInconsistent], "kept");
    let mut mutant = base.entries("cut-off", format!("at {first}"), entries, Head::Owned, expected);
    mutant.heads = vec![base.kept()];
    assert_ne!(checkpoint(entries, ORIGIN, LOG).note(), mutant.heads[0].note);
    mutant
}
