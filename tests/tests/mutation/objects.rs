//! Mutants of objects that were released, sealed again by the proxy that says it masked them.

use exhibit_schemas::event::Body;
use exhibit_schemas::event::access::{Attribute, Frame, Outcome, ResponseChunk};
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::lake::{CLAIMS, LAKE_SESSION, TABLE, lake};
use exhibit_verify::Code;

use super::events::command_mut;
use super::{Base, Expected, Mutant};

type Place = (usize, usize);

/// What is read, in the order of the session: a table, claims, a part of the table, its head, what is open, and what is refused.
const TABLE_READ: usize = 0;
const CLAIMS_READ: usize = 1;
const PART_READ: usize = 2;
const HEAD_READ: usize = 3;
const OPEN_READ: usize = 4;
const DENIED: usize = 5;

/// The log with a session that reads objects.
pub(crate) fn reading_objects() -> Base {
    Base::of(lake(2))
}

/// Mutants of that log.
pub(crate) fn mutants() -> Vec<Mutant> {
    let base = reading_objects();
    let classes = [
        unmasked,
        claims_unmasked,
        one_value,
        cut_short,
        left_open,
        far_behind,
        as_a_part,
        part_from_the_start,
        in_the_body_of_a_head,
        unreadable,
        headless,
        uncounted,
        counted_by_another,
        undocumented,
        misdocumented,
        open_as_another,
        unnamed,
        refused,
        denied,
    ];
    classes.iter().map(|change| change(&base)).collect()
}

/// The command of that number, the chunks of its answer, and its end.
fn read(plan: &Plan, number: usize) -> (Place, Vec<Place>, Place) {
    let of = |fits: fn(&Body) -> bool| {
        plan.find(|event| event.session.is_some_and(|place| place.0 == LAKE_SESSION) && fits(&event.body))
    };
    let commands = of(|body| matches!(body, Body::Command(_)));
    let ends = of(|body| matches!(body, Body::ResponseEnd(_)));
    let chunks = of(|body| matches!(body, Body::ResponseChunk(_)));
    let (command, end) = (commands[number], ends[number]);
    let own = chunks.into_iter().filter(|place| (command..end).contains(place));
    (command, own.collect(), end)
}

/// Puts other bytes in the place of those of a frame, and keeps all counts of bytes right.
fn released(plan: &mut Plan, number: usize, chunk: usize, change: impl FnOnce(&mut Vec<u8>)) -> Place {
    let (_, chunks, end) = read(plan, number);
    let place = chunks[chunk];
    let Body::ResponseChunk(ResponseChunk { frames, .. }) = &mut plan.event_mut(place).body else {
        panic!("a chunk was looked for");
    };
    let Some(Frame::Verbatim(bytes)) = frames.first_mut() else {
        panic!("objects have no rows");
    };
    let before = bytes.0.len();
    change(&mut bytes.0);
    let moved = |count: &mut u64, after: usize| {
        *count = *count + u64::try_from(after).unwrap() - u64::try_from(before).unwrap();
    };
    let after = bytes.0.len();
    let Body::ResponseEnd(body) = &mut plan.event_mut(end).body else {
        panic!("an end was looked for");
    };
    moved(&mut body.bytes, after);
    let closes = plan.find(|event| {
        let own = event.session.is_some_and(|place| place.0 == LAKE_SESSION);
        own && matches!(event.body, Body::SessionClosed(_))
    });
    let Body::SessionClosed(body) = &mut plan.event_mut(closes[0]).body else {
        panic!("a close was looked for");
    };
    moved(&mut body.bytes, after);
    place
}

fn masked_mut(plan: &mut Plan, number: usize) -> (&mut std::collections::BTreeMap<String, u64>, Place) {
    let (_, _, end) = read(plan, number);
    let Body::ResponseEnd(body) = &mut plan.event_mut(end).body else {
        panic!("an end was looked for");
    };
    (&mut body.masked, end)
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}

/// A mutant whose fault is seen when the answer ends: what is short is read when all of it is there.
fn by_the_end(base: &Base, class: &'static str, plan: &Plan, number: usize, code: Code) -> Mutant {
    let (command, _, end) = read(plan, number);
    let built = plan.build();
    let (first, last) = (built.index_of(command), built.index_of(end));
    base.sealed(class, format!("#{first}"), plan, Expected::at(&[code], first, last))
}

/// The table leaves as the store has it; the count of masks stays.
fn unmasked(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, TABLE_READ, 1, |bytes| *bytes = TABLE.into());
    by_the_end(base, "object-unmasked", &plan, TABLE_READ, Code::ObjectValue)
}

fn claims_unmasked(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, CLAIMS_READ, 1, |bytes| *bytes = CLAIMS.into());
    by_the_end(base, "object-unmasked", &plan, CLAIMS_READ, Code::ObjectValue)
}

/// One value of the table is not masked.
fn one_value(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, TABLE_READ, 1, |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        let at = text.rfind("tok_").unwrap();
        let end = at + text[at..].find(',').unwrap();
        *bytes = [&text[..at], "987-65-4322", &text[end..]].concat().into_bytes();
    });
    by_the_end(base, "object-value", &plan, TABLE_READ, Code::ObjectValue)
}

/// What is not masked leaves in an answer that is cut off.
fn cut_short(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, TABLE_READ, 1, |bytes| {
        *bytes = TABLE[..TABLE.len() - 3].into();
    });
    let (_, _, end) = read(&plan, TABLE_READ);
    if let Body::ResponseEnd(body) = &mut plan.event_mut(end).body {
        body.status = "cut".into();
        body.masked.clear();
    }
    by_the_end(base, "object-cut", &plan, TABLE_READ, Code::ObjectValue)
}

/// The table, said to be a part that nobody asked for.
fn as_a_part(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = released(&mut plan, TABLE_READ, 0, |bytes| {
        *bytes = b"HTTP/1.1 206\r\ncontent-range: bytes 1-40/41\r\n\r\n".to_vec();
    });
    mutant(base, "object-as-a-part", &plan, place, Code::ObjectForm)
}

/// A part that begins where the object does is read.
fn part_from_the_start(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, PART_READ, 0, |bytes| {
        *bytes = b"HTTP/1.1 206\r\ncontent-range: bytes 0-29/60\r\n\r\n".to_vec();
    });
    released(&mut plan, PART_READ, 1, |bytes| {
        *bytes = TABLE.as_bytes()[..30].to_vec();
    });
    by_the_end(base, "object-part", &plan, PART_READ, Code::ObjectValue)
}

/// The head of an object comes with all of it.
fn in_the_body_of_a_head(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, HEAD_READ, 0, |bytes| bytes.extend(TABLE.as_bytes()));
    by_the_end(base, "object-behind-a-head", &plan, HEAD_READ, Code::ObjectValue)
}

/// A table that is not masked, and an answer that does not end.
fn left_open(base: &Base) -> Mutant {
    let mut plan = base.plan();
    released(&mut plan, TABLE_READ, 1, |bytes| *bytes = TABLE.into());
    let (command, _, end) = read(&plan, TABLE_READ);
    let removed = plan.remove(end);
    plan.renumber(removed.session.unwrap().0);
    let built = plan.build();
    let last = built.index_of(command).0 + 2;
    let expected = Expected::at(
        &[Code::ObjectValue],
        built.index_of(command),
        exhibit_schemas::merkle::Index(last),
    );
    let mut mutant = base.sealed("object-left-open", format!("#{last}"), &plan, expected);
    mutant.many = true;
    mutant
}

/// A long table of which one row far behind is not masked.
fn far_behind(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = released(&mut plan, TABLE_READ, 1, |bytes| {
        bytes.extend("4,,\n".repeat(2_000).bytes());
        bytes.extend(b"5,987-65-4323,\n");
    });
    mutant(base, "object-far-behind", &plan, place, Code::ObjectValue)
}

/// Something else than a table.
fn unreadable(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = released(&mut plan, TABLE_READ, 1, |bytes| {
        *bytes = [b"%PDF-1.7\n", TABLE.as_bytes()].concat().repeat(20);
    });
    let mut mutant = mutant(base, "object-unreadable", &plan, place, Code::ObjectForm);
    mutant.many = true;
    mutant
}

fn headless(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = released(&mut plan, TABLE_READ, 0, |bytes| {
        bytes.drain(.."HTTP/1.1 ".len());
    });
    mutant(base, "object-headless", &plan, place, Code::ObjectForm)
}

/// Nothing is said to be masked.
fn uncounted(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let (masked, place) = masked_mut(&mut plan, TABLE_READ);
    masked.clear();
    mutant(base, "object-uncounted", &plan, place, Code::ObjectCount)
}

/// A mask is counted that is of another document.
fn counted_by_another(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let (masked, place) = masked_mut(&mut plan, TABLE_READ);
    masked.insert("holders".into(), 1);
    mutant(base, "object-mask-of-another", &plan, place, Code::ObjectMask)
}

fn documented(base: &Base, class: &'static str, number: usize, document: Option<&str>) -> Mutant {
    let mut plan = base.plan();
    let (place, ..) = read(&plan, number);
    let attributes = &mut command_mut(&mut plan, place).facts.attributes;
    match document {
        None => drop(attributes.remove("document")),
        Some(name) => drop(attributes.insert("document".into(), Attribute::Text(name.into()))),
    }
    mutant(base, class, &plan, place, Code::ObjectDocument)
}

fn undocumented(base: &Base) -> Mutant {
    documented(base, "object-undocumented", TABLE_READ, None)
}

fn misdocumented(base: &Base) -> Mutant {
    documented(base, "object-misdocumented", HEAD_READ, Some("open"))
}

fn open_as_another(base: &Base) -> Mutant {
    documented(base, "object-misdocumented", OPEN_READ, Some("tables"))
}

/// A command that reads an object does not say what it does, nor as which document.
fn unnamed(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let (place, ..) = read(&plan, TABLE_READ);
    command_mut(&mut plan, place).facts.attributes.clear();
    mutant(base, "object-unnamed", &plan, place, Code::ObjectDocument)
}

/// An object passes that no document names.
fn refused(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let (place, ..) = read(&plan, OPEN_READ);
    let access = command_mut(&mut plan, place).facts.accesses.first_mut();
    access.unwrap().1 = Some("lake/other/a.txt".into());
    mutant(base, "object-refused", &plan, place, Code::ObjectRefused)
}

/// An object is released to a command that was denied.
fn denied(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let (command, ..) = read(&plan, DENIED);
    assert_eq!(command_mut(&mut plan, command).outcome, Outcome::Denied);
    let place = released(&mut plan, DENIED, 0, |bytes| *bytes = b"HTTP/1.1 200\r\n\r\n".to_vec());
    mutant(base, "object-denied", &plan, place, Code::ResponseDenied)
}
