//! Mutants of what is said of keys of masks, sealed again by the proxies that say it.

use exhibit_schemas::event::trust::{MaskKeyAnnounced, MaskKeyId};
use exhibit_schemas::event::{Body, Event, Kind};
use exhibit_tests::bundle_builder::clinic::{MASK_KEYS, PROXY};
use exhibit_tests::bundle_builder::{Plan, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 8;

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let classes = [never_announced, unlinked, brought_back, within_run, hidden, unknown];
    let each = classes.iter().flat_map(|change| std::iter::repeat_n(change, EACH));
    each.map(|change| change(base, random)).collect()
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}

fn masks_under(event: &Event, key: MaskKeyId) -> bool {
    matches!(&event.body, Body::SessionOpened(opened) if opened.mask_key == Some(key))
}

fn of_kind(plan: &Plan, kind: Kind) -> Vec<Place> {
    plan.find(|event| event.kind() == kind)
}

fn name_key(plan: &mut Plan, place: Place, key: Option<MaskKeyId>) {
    let Body::SessionOpened(opened) = &mut plan.event_mut(place).body else {
        panic!("an opening was looked for");
    };
    opened.mask_key = key;
}

/// An announcement is taken out: the first session under that key is the fault.
fn never_announced(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::MaskKeyAnnounced));
    let removed = plan.remove(place);
    let Body::MaskKeyAnnounced(announced) = &removed.body else {
        panic!("an announcement was looked for");
    };
    let proxy = removed.emitter.0;
    let first = plan.find(|event| event.emitter.0 == proxy && masks_under(event, announced.key))[0];
    mutant(base, "mask-key-never-announced", &plan, first, Code::MaskKeyNotInForce)
}

/// A rotation does not say what it replaces, or names another key.
fn unlinked(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let rotations = plan.find(|event| matches!(&event.body, Body::MaskKeyAnnounced(body) if !body.replaces.is_empty()));
    let place = random.pick(&rotations);
    let Body::MaskKeyAnnounced(body) = &mut plan.event_mut(place).body else {
        panic!("a rotation was looked for");
    };
    body.replaces = match random.below(2) {
        0 => Vec::new(),
        _ => vec![MaskKeyId([9; 16])],
    };
    mutant(base, "mask-key-unlinked", &plan, place, Code::MaskKeyOrder)
}

/// The proxy that rotated comes back to its first key: for one session, or by an announcement.
fn brought_back(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&plan.find(|event| masks_under(event, MASK_KEYS[1])));
    if random.below(2) == 0 {
        name_key(&mut plan, place, Some(MASK_KEYS[0]));
        return mutant(base, "mask-key-brought-back", &plan, place, Code::MaskKeyNotInForce);
    }
    let mut planned = plan.batches[place.0].clone();
    planned.events.truncate(1);
    let announced = MaskKeyAnnounced {
        key: MASK_KEYS[0],
        replaces: vec![MASK_KEYS[1]],
    };
    planned.events[0].event.session = None;
    planned.events[0].event.body = announced.into();
    plan.batches.insert(place.0, planned);
    assert_eq!(plan.event((place.0, 0)).emitter.0, key_id(PROXY));
    mutant(base, "mask-key-brought-back", &plan, (place.0, 0), Code::MaskKeyOrder)
}

/// A proxy goes on under another key while its sessions are open; also in a run that it began without an announcement.
fn within_run(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&plan.find(|event| masks_under(event, MASK_KEYS[1])));
    if random.below(2) == 0 {
        let later = plan.batches[place.0..].iter_mut().filter(|batch| batch.seed == PROXY);
        for planned in later.flat_map(|batch| &mut batch.events) {
            planned.event.emitter.1 += 5;
        }
    }
    let mut planned = plan.batches[place.0].clone();
    planned.events.truncate(1);
    let announced = MaskKeyAnnounced {
        key: MaskKeyId([9; 16]),
        replaces: MASK_KEYS.to_vec(),
    };
    planned.events[0].event.session = None;
    planned.events[0].event.body = announced.into();
    plan.batches.insert(place.0 + 1, planned);
    mutant(base, "mask-key-within-run", &plan, (place.0 + 1, 0), Code::MaskKeyOrder)
}

/// A session says nothing of its key.
fn hidden(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::SessionOpened));
    name_key(&mut plan, place, None);
    mutant(base, "mask-key-hidden", &plan, place, Code::MaskKeyNotInForce)
}

/// A session names a key that nobody announced.
fn unknown(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::SessionOpened));
    name_key(&mut plan, place, Some(MaskKeyId([9; 16])));
    mutant(base, "mask-key-unknown", &plan, place, Code::MaskKeyNotInForce)
}
