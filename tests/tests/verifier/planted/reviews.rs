//! What a policy wants reviewed, and what people sign: 308.a.1.ii.D, with a policy that is not whole, 316.b.2.i.
//!
//! The log begins on 14 November 2023, and that day is to be reviewed by the end of the 15th.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{PolicySnapshot, ReviewSigned};
use exhibit_schemas::event::{Kind, Timestamp};
use exhibit_schemas::review::Scope;
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, Clinic, POLICY, SECOND_PROXY, clinic, clinic_under};

use super::emergencies::{over, passes};
use super::plans::{Place, append, event, of_kind, put};
use super::{Case, Planted, Wanted, planted};

const ROW: &str = "308.a.1.ii.D";

const SCHEDULE: &str = "
[[reviews]]
name = \"daily\"
scope = \"commands\"
every = \"day\"
within_days = 1
groups = [\"privacy\"]
";

/// Populations of one person that one event is counted into.
const POPULATIONS: u64 = 64;

pub(super) const CASES: &[Case] = &[
    ("a day that was reviewed", || {
        scheduled(|plan| {
            sign(plan, BOB, Scope::Commands, "2023-11-15T10:00:00Z", |_| {});
            Vec::new()
        })
    }),
    ("a day that nobody reviewed", || {
        scheduled(|plan| said("review-overdue", first(plan)))
    }),
    ("a day that was reviewed too late", || {
        scheduled(|plan| {
            passes(plan, time("2023-11-16T01:00:00Z"));
            let review = sign(plan, BOB, Scope::Commands, "2023-11-16T01:00:00Z", |_| {});
            said("review-late", review)
        })
    }),
    ("a day of another population", || {
        scheduled(|plan| {
            let review = sign(plan, BOB, Scope::Commands, "2023-11-15T10:00:00Z", |said| {
                said.population.0[0] ^= 1;
            });
            [said("review-population", review), said("review-overdue", first(plan))].concat()
        })
    }),
    ("a day of another log", || {
        scheduled(|plan| {
            let review = sign(plan, BOB, Scope::Commands, "2023-11-15T10:00:00Z", |said| {
                said.root.0[0] ^= 1;
            });
            [said("review-log", review), said("review-overdue", first(plan))].concat()
        })
    }),
    ("a review of one's own decisions", || {
        planted(clinic(6), |plan| {
            let review = sign(plan, ALICE, Scope::Approvals, "2023-11-15T10:00:00Z", |_| {});
            said("review-own", review)
        })
    }),
    ("a review of half the log", || {
        planted(clinic(6), |plan| {
            let entries = plan.build().entries;
            let half = &entries[..entries.len() / 2];
            let said_of_half = over(half, Scope::Commands, (day(), time("2023-11-15T00:00:00Z")), None);
            let review = append(plan, BOB, Timestamp(time("2023-11-15T10:00:00Z")), said_of_half.into());
            said("review-later", review)
        })
    }),
    ("a day of which more was told after its review", || {
        planted(log(), |plan| {
            // The last session reaches the log behind the review, with its own times.
            let opening = *of_kind(plan, Kind::SessionOpened).last().unwrap();
            let late = plan.batches.split_off(opening.0);
            passes(plan, time("2023-11-15T09:00:00Z"));
            let review = sign(plan, BOB, Scope::Commands, "2023-11-15T10:00:00Z", |_| {});
            plan.batches.extend(late);
            passes(plan, time("2023-11-16T02:00:00Z"));
            [said("review-later", review), said("review-reopened", first(plan))].concat()
        })
    }),
    ("more reviews than are counted", || {
        planted(clinic(2), |plan| {
            let honest = reviewed(plan, Scope::Commands, (day(), time("2023-11-15T00:00:00Z")));
            let mut first = None;
            for from in 0..=POPULATIONS {
                let mut said = honest.clone();
                said.from.0 -= from;
                let place = append(plan, BOB, Timestamp(time("2023-11-15T10:00:00Z")), said.into());
                first.get_or_insert(place);
            }
            // Of those that begin first, there is one too many.
            let (batch, _) = first.unwrap();
            said("review-unchecked", (batch + usize::try_from(POPULATIONS).unwrap(), 0))
        })
    }),
    ("half a policy", || {
        planted(clinic(6), |plan| {
            let body = PolicySnapshot {
                policy: Digest([9; 32]),
                part: 0,
                parts: 2,
                bytes: Bytes(POLICY.as_bytes().to_vec()),
            };
            let place = put(plan, plan.batches.len(), SECOND_PROXY, body.into());
            vec![("316.b.2.i", "policy-incomplete", event(place))]
        })
    }),
];

fn said(cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(ROW, cause, event(place))]
}

/// A log whose commands of each day are to be reviewed within the next one, and which is over two hours after that.
pub(super) fn scheduled(change: fn(&mut Plan) -> Vec<Wanted>) -> Planted {
    planted(log(), |plan| {
        passes(plan, time("2023-11-15T09:00:00Z"));
        let wanted = change(plan);
        passes(plan, time("2023-11-16T02:00:00Z"));
        wanted
    })
}

pub(super) fn log() -> Clinic {
    clinic_under(&format!("{POLICY}{SCHEDULE}"), 6)
}

/// Where the first proxy says that the policy with the schedule is in force.
fn first(plan: &Plan) -> Place {
    of_kind(plan, Kind::PolicyInForce)[0]
}

pub(super) fn time(text: &str) -> u64 {
    Timestamp::parse(text).unwrap().0
}

fn day() -> u64 {
    time("2023-11-14T00:00:00Z")
}

/// An honest review of the day, as far as the log goes now.
fn reviewed(plan: &Plan, scope: Scope, period: (u64, u64)) -> ReviewSigned {
    over(&plan.build().entries, scope, period, None)
}

/// A person signs a review of the first day.
pub(super) fn sign(plan: &mut Plan, seed: u8, scope: Scope, at: &str, change: fn(&mut ReviewSigned)) -> Place {
    let mut said = reviewed(plan, scope, (day(), time("2023-11-15T00:00:00Z")));
    change(&mut said);
    append(plan, seed, Timestamp(time(at)), said.into())
}
