//! Reviews that a policy asks for: signed in time, late, by somebody else, of less, with a key that was revoked, or not at all.
//!
//! The log begins on 14 November 2023, and its day is to be reviewed by the end of the 15th.

use exhibit_schemas::event::trust::{Fault, KeyEnrolled, KeyRevoked, ReviewSigned, Role};
use exhibit_schemas::event::{Body, Emitter, Event, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::review::{Definition, Scope};
use exhibit_tests::bundle_builder::clinic::{ADMINISTRATOR, ALICE, BOB, POLICY, PROXY, START, clinic_under};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, key, key_id};
use exhibit_verify::Code;
use exhibit_verify::schedule::{Fault as Why, State};

use super::reviews::{of_period, size};
use super::{Base, Expected, Mutant};

/// A person of the group `privacy` beside Bob.
const EVE: u8 = 40;

/// The day on which it begins.
const TUESDAY: (&str, &str) = ("2023-11-14", "2023-11-15");

/// A log, and how the review of its first day stands: the state, whose reviews do not count and why, and the notes.
pub(crate) struct Case {
    pub(crate) mutant: Mutant,
    pub(crate) state: State,
    pub(crate) uncounted: Vec<Why>,
    pub(crate) notes: Vec<Code>,
}

type Told = (State, &'static [Why], &'static [Code]);

/// Each with what is done to an honest log, and what is told then.
type Class = (&'static str, Scope, fn(&mut Plan, Scope), Told);

const CLASSES: [Class; 12] = [
    ("signed", Scope::Commands, bob, (State::Done, &[], &[])),
    (
        "signed-by-nobody",
        Scope::Commands,
        |_, _| {},
        (State::Overdue, &[], &[Code::ReviewOverdue]),
    ),
    (
        "signed-of-everything",
        Scope::Commands,
        // Bob's own readings are among it, and somebody without any signs, too.
        |plan, _| {
            bob(plan, Scope::All);
            enrol(plan);
            // Her enrolment came after the day.
            sign(plan, EVE, "2023-11-15T11:00:00Z", Scope::All, |_| {});
        },
        (State::Done, &[], &[Code::ReviewOwn]),
    ),
    (
        "signed-in-another-scope",
        Scope::Commands,
        |plan, _| bob(plan, Scope::Approvals),
        (State::Overdue, &[], &[Code::ReviewOverdue]),
    ),
    (
        "signed-by-somebody-else",
        Scope::Commands,
        |plan, scope| sign(plan, ALICE, "2023-11-15T10:00:00Z", scope, |_| {}),
        (State::Overdue, &[Why::Group], &[Code::ReviewOverdue]),
    ),
    (
        "signed-falsely",
        Scope::Commands,
        |plan, scope| {
            sign(plan, BOB, "2023-11-15T10:00:00Z", scope, |said| {
                said.population.0[0] ^= 1;
            });
        },
        (
            State::Overdue,
            &[Why::False],
            &[Code::ReviewOverdue, Code::ReviewPopulation],
        ),
    ),
    (
        "signed-by-the-first-definition",
        Scope::Changes,
        |plan, scope| {
            let said = of_period(plan, scope, Definition::First, TUESDAY, size(plan));
            append(plan, BOB, "2023-11-15T10:00:00Z", said.into());
        },
        (
            State::Overdue,
            &[Why::Definition],
            &[Code::ReviewOwn, Code::ReviewOverdue],
        ),
    ),
    (
        "signed-of-a-shorter-log",
        Scope::Commands,
        |plan, scope| {
            let half = TreeSize(size(plan).0 / 2);
            let said = of_period(plan, scope, Definition::Second, TUESDAY, half);
            append(plan, BOB, "2023-11-15T10:00:00Z", said.into());
        },
        (State::Overdue, &[Why::Cut], &[Code::ReviewLater, Code::ReviewOverdue]),
    ),
    (
        "signed-with-a-clock-that-was-set-back",
        Scope::Commands,
        |plan, scope| {
            passes(plan, "2023-11-16T01:00:00Z");
            bob(plan, scope);
        },
        (State::Late, &[], &[Code::ReviewLate, Code::TimeApart]),
    ),
    (
        "signed-with-a-key-that-was-revoked",
        Scope::Commands,
        |plan, scope| {
            bob(plan, scope);
            let (key, reason) = (key_id(BOB), "lost".to_owned());
            append(
                plan,
                ADMINISTRATOR,
                "2023-11-15T11:00:00Z",
                KeyRevoked { key, reason }.into(),
            );
        },
        (State::Overdue, &[Why::Revoked], &[Code::ReviewOverdue]),
    ),
    (
        "signed-by-a-reader-of-it",
        Scope::Readings,
        bob,
        (State::Overdue, &[Why::Own], &[Code::ReviewOwn, Code::ReviewOverdue]),
    ),
    (
        "signed-by-a-reader-of-it-and-another",
        Scope::Readings,
        |plan, scope| {
            bob(plan, scope);
            enrol(plan);
            sign(plan, EVE, "2023-11-15T11:00:00Z", scope, |_| {});
        },
        (State::Done, &[], &[Code::ReviewOwn]),
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let case = |(class, scope, change, (state, uncounted, notes)): Class| {
        let schedule = format!(
            "\n[[reviews]]\nname = \"daily\"\nscope = \"{scope}\"\nevery = \"day\"\nwithin_days = 1\ngroups = [\"privacy\"]\n"
        );
        let base = Base::of(clinic_under(&format!("{POLICY}{schedule}"), 6));
        let mut plan = base.plan();
        passes(&mut plan, "2023-11-15T09:00:00Z");
        change(&mut plan, scope);
        passes(&mut plan, "2023-11-16T02:00:00Z");
        let mut notes = notes.to_vec();
        // Of the second day nobody signs anything, and it is not overdue yet.
        notes.sort_unstable();
        Case {
            mutant: base.sealed(class, scope.to_string(), &plan, Expected::default()),
            state,
            uncounted: uncounted.to_vec(),
            notes,
        }
    };
    CLASSES.map(case).into()
}

fn bob(plan: &mut Plan, scope: Scope) {
    sign(plan, BOB, "2023-11-15T10:00:00Z", scope, |_| {});
}

fn sign(plan: &mut Plan, seed: u8, time: &str, scope: Scope, change: fn(&mut ReviewSigned)) {
    let mut said = of_period(plan, scope, Definition::Second, TUESDAY, size(plan));
    change(&mut said);
    append(plan, seed, time, said.into());
}

fn enrol(plan: &mut Plan) {
    let enrolled = KeyEnrolled {
        key: key(EVE).public_key().to_bytes(),
        role: Role::Person,
        name: "eve".into(),
        groups: vec!["privacy".into()],
        application: None,
    };
    append(plan, ADMINISTRATOR, "2023-11-15T10:30:00Z", enrolled.into());
}

/// A proxy says something then.
fn passes(plan: &mut Plan, time: &str) {
    let (place, text) = ("gate".to_owned(), "nothing".to_owned());
    append(plan, PROXY, time, Fault { place, text }.into());
}

fn append(plan: &mut Plan, seed: u8, time: &str, body: Body) {
    let before = plan.find(|event| event.emitter.0 == key_id(seed));
    let boot = before
        .last()
        .map_or(START + u64::from(seed), |place| plan.event(*place).emitter.1);
    let event = Event {
        time: Timestamp::parse(time).expect("a time"),
        emitter: Emitter(key_id(seed), boot),
        session: None,
        body,
    };
    plan.batches.push(Batch {
        seed,
        events: vec![Planned::new(event)],
    });
}
