//! Mutants of sealed copies and of who says to have opened one, sealed again by the proxies and people that say it.

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::sealed::TOO_LONG;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Attribute, CommandSealed};
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::event::{Body, Kind};
use exhibit_schemas::merkle::Index;
use exhibit_tests::bundle_builder::clinic::{BOB, LEDGER};
use exhibit_tests::bundle_builder::{Plan, Planned, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 8;

/// Mutants of a log whose policy seals, and of the one of `plain`, whose policy does not.
pub(crate) fn mutants(plain: &Base, random: &mut Random) -> Vec<Mutant> {
    let sealing = Base::sealing();
    let classes = [
        removed,
        cut_short,
        swapped,
        doubled,
        elsewhere,
        in_clear,
        to_fewer,
        excused,
        reveal_moved,
        reveal_of_nothing,
        reveal_of_another,
        in_other_name,
        by_the_ledger,
    ];
    let each = classes.iter().flat_map(|change| std::iter::repeat_n(change, EACH));
    let mut mutants: Vec<_> = each.map(|change| change(&sealing, random)).collect();
    mutants.extend((0..EACH).map(|_| unasked(plain, &sealing, random)));
    mutants
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}

fn of_kind(plan: &Plan, kind: Kind) -> Vec<Place> {
    plan.find(|event| event.kind() == kind)
}

/// A command whose two parts stand directly behind it in its batch.
fn command(plan: &Plan, random: &mut Random) -> Place {
    random.pick(&of_kind(plan, Kind::Command))
}

fn part_mut(plan: &mut Plan, place: Place) -> &mut CommandSealed {
    let Body::CommandSealed(part) = &mut plan.event_mut(place).body else {
        panic!("a part was looked for");
    };
    part
}

fn reveal_mut(plan: &mut Plan, place: Place) -> &mut EvidenceRead {
    let Body::EvidenceRead(read) = &mut plan.event_mut(place).body else {
        panic!("a reveal was looked for");
    };
    read
}

fn reveals(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::EvidenceRead(read) if read.copy.is_some()))
}

/// Everything after an event of a session is numbered anew.
fn renumbered(plan: &mut Plan, place: Place) {
    let session = plan.event(place).session.unwrap().0;
    plan.renumber(session);
}

/// A command without its copy.
fn removed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    for _ in 0..2 {
        plan.remove((place.0, place.1 + 1));
    }
    renumbered(&mut plan, place);
    mutant(base, "copy-removed", &plan, place, Code::CopyMissing)
}

/// The last part of a copy is not there.
fn cut_short(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    plan.remove((place.0, place.1 + 2));
    renumbered(&mut plan, place);
    mutant(base, "copy-cut-short", &plan, place, Code::CopyMissing)
}

/// The first part of a copy is not there, or its parts are in another order.
fn swapped(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let (first, second) = ((place.0, place.1 + 1), (place.0, place.1 + 2));
    if random.below(2) == 0 {
        plan.remove(first);
        renumbered(&mut plan, place);
        return mutant(base, "copy-swapped", &plan, first, Code::CopyPart);
    }
    part_mut(&mut plan, first).part = 1;
    part_mut(&mut plan, second).part = 0;
    mutant(base, "copy-swapped", &plan, first, Code::CopyPart)
}

/// A part comes twice, says that there are more, is empty, or a third one follows.
fn doubled(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let (first, second) = ((place.0, place.1 + 1), (place.0, place.1 + 2));
    match random.below(3) {
        0 => part_mut(&mut plan, second).parts = 3,
        1 => part_mut(&mut plan, second).bytes = Bytes(Vec::new()),
        _ => part_mut(&mut plan, second).bytes = Bytes(vec![0; 60_001]),
    }
    assert!(first < second);
    mutant(base, "copy-part-changed", &plan, second, Code::CopyPart)
}

/// A copy names another command of its session.
fn elsewhere(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let part = (place.0, place.1 + 1);
    part_mut(&mut plan, part).command += 1;
    mutant(base, "copy-elsewhere", &plan, part, Code::CopyPart)
}

/// The statement stands in clear where its copy should.
fn in_clear(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let part = (place.0, place.1 + 1);
    part_mut(&mut plan, part).bytes = Bytes(b"SELECT 1".to_vec());
    mutant(base, "copy-in-clear", &plan, part, Code::CopyForm)
}

/// A copy to one of the recipients alone, or to one more.
fn to_fewer(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let part = (place.0, place.1 + 1);
    let bytes = &mut part_mut(&mut plan, part).bytes.0;
    let text = String::from_utf8(bytes.clone()).unwrap();
    let stanza = format!("-> X25519 {0}\n{0}\n", "A".repeat(43));
    let changed = match random.below(2) {
        0 => text.replacen(&stanza, "", 1),
        _ => text.replacen(&stanza, &stanza.repeat(2), 1),
    };
    assert_ne!(changed, text);
    *bytes = changed.into_bytes();
    mutant(base, "copy-to-others", &plan, part, Code::CopyForm)
}

/// A command that passed says that it is too long for its copy.
fn excused(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    let cause = Attribute::Text(TOO_LONG.to_owned());
    body.facts.attributes.insert(UNPROVEN.to_owned(), cause);
    for _ in 0..2 {
        plan.remove((place.0, place.1 + 1));
    }
    renumbered(&mut plan, place);
    mutant(base, "copy-excused", &plan, place, Code::DecisionDiffers)
}

/// A copy where the policy asks for none.
fn unasked(base: &Base, sealing: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = command(&plan, random);
    let own = sealing.plan();
    let from = command(&own, random);
    let mut planned: Planned = plan.batches[place.0].events[place.1].clone();
    planned.event.body = own.event((from.0, from.1 + 1)).body.clone();
    let sequence = planned.event.session.unwrap().1;
    let Body::CommandSealed(part) = &mut planned.event.body else {
        panic!("a part was looked for");
    };
    (part.command, part.parts) = (sequence, 1);
    // Between the numbers, so that what follows is numbered after it.
    let session = planned.event.session.unwrap().0;
    for later in plan.find(|event| {
        event
            .session
            .is_some_and(|place| place.0 == session && place.1 > sequence)
    }) {
        plan.event_mut(later).session.as_mut().unwrap().1 += 1;
        match &mut plan.event_mut(later).body {
            Body::ResponseChunk(body) if body.command > sequence => body.command += 1,
            Body::ResponseEnd(body) if body.command > sequence => body.command += 1,
            Body::ApprovalExpired(body) if body.request > sequence => body.request += 1,
            Body::Command(body) => {
                if let Some(request) = body.request.as_mut().filter(|request| **request > sequence) {
                    *request += 1;
                }
            }
            _ => {}
        }
    }
    planned.event.session.as_mut().unwrap().1 += 1;
    plan.batches[place.0].events.insert(place.1 + 1, planned);
    let part = (place.0, place.1 + 1);
    mutant(base, "copy-unasked", &plan, part, Code::CopyUnasked)
}

/// A person says to have opened a copy before there was one.
fn reveal_moved(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&reveals(&plan));
    let copies = of_kind(&plan, Kind::CommandSealed);
    let later = copies.into_iter().filter(|copy| copy.0 > place.0).collect::<Vec<_>>();
    if later.is_empty() {
        return reveal_of_nothing(base, random);
    }
    let later = random.pick(&later);
    let index = plan.build().index_of(later);
    let leaf = plan.batches[later.0].events[later.1].leaf;
    let copy = reveal_mut(&mut plan, place).copy.as_mut().unwrap();
    (copy.index, copy.leaf) = (index, leaf);
    mutant(base, "reveal-before-its-copy", &plan, place, Code::RevealCopy)
}

/// A person says to have opened a copy that is none: another hash, or another place.
fn reveal_of_nothing(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&reveals(&plan));
    let copy = reveal_mut(&mut plan, place).copy.as_mut().unwrap();
    match random.below(2) {
        0 => copy.leaf = Digest([7; 32]),
        _ => copy.index = Index(copy.index.0 + 1),
    }
    mutant(base, "reveal-of-nothing", &plan, place, Code::RevealCopy)
}

/// A person says to have opened something that is there and is no copy: the command, or the copy's second part.
fn reveal_of_another(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&reveals(&plan));
    let commands = of_kind(&plan, Kind::Command);
    let before: Vec<_> = commands.into_iter().filter(|command| command.0 < place.0).collect();
    let (batch, event) = random.pick(&before);
    let named = (batch, event + 2 * random.below(2));
    let index = plan.build().index_of(named);
    let leaf = plan.batches[named.0].events[named.1].leaf;
    let copy = reveal_mut(&mut plan, place).copy.as_mut().unwrap();
    (copy.index, copy.leaf) = (index, leaf);
    mutant(base, "reveal-of-another", &plan, place, Code::RevealCopy)
}

/// A person opens a copy in somebody else's name, names none, or says what only the ledger may.
fn in_other_name(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&reveals(&plan));
    match random.below(4) {
        0 => reveal_mut(&mut plan, place).reader = "carol".into(),
        1 => reveal_mut(&mut plan, place).copy = None,
        2 => reveal_mut(&mut plan, place).operation = "search".into(),
        _ => {
            plan.batches[place.0].seed = BOB;
            plan.event_mut(place).emitter.0 = key_id(BOB);
        }
    }
    mutant(base, "reveal-in-other-name", &plan, place, Code::KeyRole)
}

/// The ledger says that somebody opened a copy.
fn by_the_ledger(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&reveals(&plan));
    // In the run that the ledger's own event has, after it.
    let own = plan.find(|event| matches!(&event.body, Body::EvidenceRead(read) if read.copy.is_none()))[0];
    let boot = plan.event(own).emitter.1;
    plan.batches[place.0].seed = LEDGER;
    plan.event_mut(place).emitter = exhibit_schemas::event::Emitter(key_id(LEDGER), boot);
    mutant(base, "reveal-by-the-ledger", &plan, place, Code::KeyRole)
}
