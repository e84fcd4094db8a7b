//! Mutants of what the ledger says of readings, sealed again by the ledger: it is owned, and would have others believed to
//! have read, or nobody.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::EvidenceRead;
use exhibit_schemas::event::{Body, Timestamp};
use exhibit_schemas::reading::{BY_KEY, BY_TOKEN, Reader, Statement, TIMES_MAX};
use exhibit_tests::bundle_builder::clinic::{ALICE, DAVE, ORIGIN};
use exhibit_tests::bundle_builder::{Plan, key, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 3;

/// What is changed, and what must be found.
type Class = (&'static str, fn(&mut EvidenceRead, &mut Random), Code);

/// Thirty days, longer than any reading.
const LONG_US: u64 = 30 * 86_400_000_000;

const CLASSES: [Class; 16] = [
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
    (
        "read-too-often",
        |read, _| by(read).times = TIMES_MAX + 1,
        Code::ReadCount,
    ),
    (
        "read-since-long",
        |read, _| by(read).since.0 -= LONG_US,
        Code::ReadCount,
    ),
    (
        "read-for-ever",
        |read, _| by(read).until = Timestamp(1 << 62),
        Code::ReadCount,
    ),
    ("read-long-ago", |read, _| long_ago(read), Code::ReadCount),
    ("read-after-its-statement", |read, _| later(read), Code::ReadAuthor),
    (
        "read-in-no-role",
        |read, _| by(read).role = "owner of everything".into(),
        Code::ReadAuthor,
    ),
];

/// The same of readings by token, of which the ledger's word is all that there is.
const TOKEN_CLASSES: [Class; 4] = [
    (
        "token-of-another",
        |read, _| read.reader = "alice".into(),
        Code::ReadAuthor,
    ),
    (
        "token-with-a-value",
        |read, _| (read.operation, read.scope) = ("search".into(), "ssn 078-05-1120".into()),
        Code::ReadAuthor,
    ),
    (
        "token-of-no-question",
        |read, _| (read.operation, read.scope) = ("replay".into(), "nothing".into()),
        Code::ReadAuthor,
    ),
    ("token-too-often", |read, _| by(read).times = u64::MAX, Code::ReadCount),
];

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let by_key = CLASSES.map(|class| (class, BY_KEY));
    let by_token = TOKEN_CLASSES.map(|class| (class, BY_TOKEN));
    for ((class, change, code), method) in by_key.into_iter().chain(by_token) {
        for _ in 0..EACH {
            let mut plan = base.plan();
            let place = random.pick(&by_method(&plan, method));
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
    let places = by_method(&plan, BY_KEY);
    let (first, last) = (places[0], places[places.len() - 1]);
    let read = read_mut(&mut plan, first).clone();
    *read_mut(&mut plan, last) = read;
    mutant(base, "read-twice", &plan, last, Code::ReadTwice)
}

/// A reading is said to be alice's, with a statement that she did sign, under the name of who did not.
fn other_signer(base: &Base) -> Mutant {
    let mut plan = base.plan();
    let place = by_method(&plan, BY_KEY)[0];
    signed(read_mut(&mut plan, place), "bob", ALICE);
    mutant(base, "read-under-another-name", &plan, place, Code::ReadAuthor)
}

/// Readings of those who proved who they are in this way.
fn by_method(plan: &Plan, method: &str) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::EvidenceRead(read) if read.by.as_ref().is_some_and(|by| by.method == method)))
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

/// Bob signed a month ago and was shown nothing; the ledger says that it was then, today.
fn long_ago(read: &mut EvidenceRead) {
    let reader = by(read);
    (reader.since.0, reader.until.0) = (reader.since.0 - LONG_US, reader.until.0 - LONG_US);
    let statement = statement(read, ORIGIN);
    sign(read, &statement, exhibit_tests::bundle_builder::clinic::BOB);
}

/// The same, said to be of today.
fn later(read: &mut EvidenceRead) {
    let mut statement = statement(read, ORIGIN);
    statement.time.0 -= LONG_US;
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
