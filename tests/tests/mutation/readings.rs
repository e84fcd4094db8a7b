//! Mutants of what the ledger says of readings, sealed again by the ledger: it is owned, and would have others believed to
//! have read, or nobody.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::reading::{BY_KEY, Reader, Statement};
use exhibit_tests::bundle_builder::clinic::{ALICE, DAVE, ORIGIN};
use exhibit_tests::bundle_builder::{Plan, key, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 3;

/// What is changed, and what must be found.
type Class = (&'static str, fn(&mut EvidenceRead, &mut Random), Code);

const CLASSES: [Class; 10] = [
    ("read-unproven", |read, _| read.by = None, Code::ReadAuthor),
    (
        "read-without-statement",
        |read, _| by(read).statement = None,
        Code::ReadAuthor,
    ),
    (
        "read-by-another",
        |read, _| read.reader = "alice".into(),
        Code::ReadAuthor,
    ),
    (
        "read-of-more",
        |read, _| read.scope.push_str(" kind:command"),
        Code::ReadAuthor,
    ),
    (
        "read-otherwise",
        |read, _| read.operation = "approvals".into(),
        Code::ReadAuthor,
    ),
    ("read-forged", forged, Code::ReadAuthor),
    (
        "read-by-a-revoked-key",
        |read, _| signed(read, "dave", DAVE),
        Code::ReadAuthor,
    ),
    ("read-for-another-log", |read, _| elsewhere(read), Code::ReadAuthor),
    ("read-of-nobody", |read, _| by(read).times = 0, Code::ReadCount),
    (
        "read-until-before",
        |read, _| by(read).until = Timestamp(by(read).since.0 - 1),
        Code::ReadCount,
    ),
];

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (class, change, code) in CLASSES {
        for _ in 0..EACH {
            let mut plan = base.plan();
            let place = random.pick(&by_key(&plan));
            change(read_mut(&mut plan, place), random);
            mutants.push(mutant(base, class, &plan, place, code));
        }
    }
    mutants.push(twice(base));
    mutants.push(other_signer(base));
    mutants
}

/// One statement stands for another reading.
fn twice(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let places = by_key(&plan);
    let (first, last) = (places[0], places[places.len() - 1]);
    let read = read_mut(&mut plan, first).clone();
    *read_mut(&mut plan, last) = read;
    mutant(base, "read-twice", &plan, last, Code::ReadTwice)
}

/// A reading is said to be alice's, with a statement that she did sign, under the name of who did not.
fn other_signer(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = by_key(&plan)[0];
    signed(read_mut(&mut plan, place), "bob", ALICE);
    mutant(base, "read-under-another-name", &plan, place, Code::ReadAuthor)
}

/// Readings of people who signed.
fn by_key(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::EvidenceRead(read) if read.by.as_ref().is_some_and(|by| by.method == BY_KEY)))
}

fn read_mut(plan: &mut Plan, place: Place) -> &mut EvidenceRead {
    let Body::EvidenceRead(read) = &mut plan.event_mut(place).body else {
        panic!("a reading was looked for");
    };
    read
}

fn by(read: &mut EvidenceRead) -> &mut Reader {
    read.by.as_mut().expect("it says who")
}

/// A byte of the statement is another one, and its digest is made to fit.
fn forged(read: &mut EvidenceRead, random: &mut Random) {
    let reader = by(read);
    let mut statement = reader.statement.take().expect("it is signed").0;
    let place = random.below(statement.len());
    statement[place] ^= 1 << random.below(8);
    reader.evidence = Digest::of(&statement);
    reader.statement = Some(Bytes(statement));
}

/// Another key signs the same.
fn signed(read: &mut EvidenceRead, name: &str, seed: u8) {
    let statement = statement(read, ORIGIN);
    name.clone_into(&mut read.reader);
    sign(read, &statement, seed);
}

/// A statement of the reader's about another log.
fn elsewhere(read: &mut EvidenceRead) {
    let statement = statement(read, "other.example/log");
    sign(read, &statement, exhibit_tests::bundle_builder::clinic::BOB);
}

fn statement(read: &mut EvidenceRead, origin: &str) -> Statement {
    Statement {
        origin: origin.to_owned(),
        channel: Digest([4; 32]),
        operation: read.operation.clone(),
        scope: read.scope.clone(),
        question: Digest([5; 32]),
        time: by(read).since,
        nonce: Bytes(vec![3; 16]),
    }
}

fn sign(read: &mut EvidenceRead, statement: &Statement, seed: u8) {
    let signed = statement.sign(&key(seed)).expect("a key signs");
    let reader = by(read);
    reader.subject = key_id(seed).to_string();
    reader.evidence = Digest::of(&signed.0);
    reader.statement = Some(signed);
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}
