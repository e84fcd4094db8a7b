//! What one person let pass because it could not wait, and who looked at it afterwards: 312.a.2.ii.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::{Emergency, Grant, GrantScope, Terms, Verdict};
use exhibit_schemas::event::trust::{EmergencyUse, Fault, ReviewSigned};
use exhibit_schemas::event::{Event, Kind, Timestamp};
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::seal::SEAL_FIRST_BYTE;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, Clinic, LOG, ORIGIN, POLICY, PROXY, START, clinic_under};
use exhibit_tests::bundle_builder::{Plan, checkpoint};

use super::plans::{
    Place, SECOND_US, append, approval, command_mut, decision_mut, delay, event, of_kind, principal, request_mut,
    reseal, session,
};
use super::{Case, Planted, Wanted, planted};

const ROW: &str = "312.a.2.ii";
const APPROVALS: &str = "308.a.4";
const REVIEWS: &str = "308.a.1.ii.D";

const MINUTE_US: u64 = 60 * SECOND_US;
const DAY_US: u64 = 86_400 * SECOND_US;

/// The terms of the approval, as the policy says them.
const TERMS: &str =
    "emergency = { groups = [\"dba\"], minutes = 10, reviewers = [\"dba\", \"privacy\"], review_within_days = 1 }";

pub(super) const CASES: &[Case] = &[
    ("an emergency", || used(|_, _, _, _| Vec::new())),
    ("an emergency by somebody who is not listed", || {
        used(|plan, _, alice, command| {
            reseal(plan, alice.0, BOB);
            said("emergency-initiator", command)
        })
    }),
    ("an emergency of the requester's own", || {
        used(|plan, _, _, command| {
            principal(plan, 0, |who| who.client_id = Some("alice".into()));
            vec![(APPROVALS, "approval-requester", event(command))]
        })
    }),
    ("an emergency without words", || {
        used(|plan, _, alice, command| {
            decision_mut(plan, alice).reason = " \n".into();
            said("emergency-reason", command)
        })
    }),
    ("an emergency with a grant", || {
        used(|plan, _, alice, command| {
            let (scope, minutes, uses) = (GrantScope::Session, 1, 2);
            decision_mut(plan, alice).terms = Some(Terms {
                rows: None,
                grant: Some(Grant { scope, minutes, uses }),
            });
            said("emergency-policy", command)
        })
    }),
    ("an emergency that is over", || {
        used(|plan, _, _, command| {
            delay(plan, command.0, 12 * MINUTE_US);
            // It passed, and something was released by it.
            let released = (command.0 + 1, 0);
            [said("emergency-over", command), said("emergency-over", released)].concat()
        })
    }),
    ("an emergency that nobody reviewed, not yet due", || {
        used(|plan, _, _, _| {
            passes(plan, START + DAY_US);
            Vec::new()
        })
    }),
    ("an emergency that nobody reviewed", || {
        used(|plan, _, _, command| {
            passes(plan, START + 3 * DAY_US);
            said("emergency-unreviewed", command)
        })
    }),
    ("an emergency that was reviewed", || {
        used(|plan, _, _, _| {
            reviewed(plan, BOB, START + MINUTE_US);
            passes(plan, START + 3 * DAY_US);
            Vec::new()
        })
    }),
    ("an emergency that was reviewed too late", || {
        used(|plan, _, _, _| {
            passes(plan, START + 3 * DAY_US);
            let review = reviewed(plan, BOB, START + 3 * DAY_US);
            said("emergency-review-late", review)
        })
    }),
    ("an emergency that its initiator reviewed", || {
        used(|plan, _, _, command| {
            let review = reviewed(plan, ALICE, START + MINUTE_US);
            passes(plan, START + 3 * DAY_US);
            vec![
                (ROW, "emergency-review-own", event(review)),
                (ROW, "emergency-unreviewed", event(command)),
                (REVIEWS, "review-own", event(review)),
            ]
        })
    }),
    ("a review of no emergency", || {
        used(|plan, _, _, _| {
            reviewed(plan, BOB, START + MINUTE_US);
            let stray = reviewed_as(plan, BOB, START + 2 * MINUTE_US, |used| used.decision = Digest([7; 32]));
            vec![(REVIEWS, "review-log", event(stray))]
        })
    }),
];

fn said(cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(ROW, cause, event(place))]
}

/// A log in which alice alone let pass, in an emergency, what people were asked about; with the request, her decision and the command.
fn used(change: fn(&mut Plan, Place, Place, Place) -> Vec<Wanted>) -> Planted {
    planted(log(), |plan| {
        let request = of_kind(plan, Kind::ApprovalRequested)[0];
        let alice = of_kind(plan, Kind::ApprovalDecided)[0];
        let command = (alice.0 + 1, 0);
        change(plan, request, alice, command)
    })
}

pub(super) fn log() -> Clinic {
    let policy = POLICY.replacen("expires_s = 900", &format!("expires_s = 900\n{TERMS}"), 1);
    let mut clinic = clinic_under(&policy, 1);
    let plan = &mut clinic.plan;
    let (request, [alice, carol], command) = approval(plan, 0);
    request_mut(plan, request).requirement.emergency = Some(Box::new(Emergency {
        groups: vec!["dba".into()],
        minutes: 10,
        reviewers: vec!["dba".into(), "privacy".into()],
        review_within_days: 1,
    }));
    decision_mut(plan, alice).verdict = Verdict::Emergency;
    let leaf = plan.batches[alice.0].events[alice.1].leaf;
    command_mut(plan, command).approvals = Some(vec![leaf]);
    plan.remove(carol);
    clinic
}

/// A proxy says something then.
pub(super) fn passes(plan: &mut Plan, time: u64) {
    let (place, text) = ("gate".to_owned(), "nothing".to_owned());
    append(plan, PROXY, Timestamp(time), Fault { place, text }.into());
}

/// A person reviews all of the use.
pub(super) fn reviewed(plan: &mut Plan, seed: u8, time: u64) -> Place {
    reviewed_as(plan, seed, time, |_| {})
}

/// The same of what is said to be the use.
fn reviewed_as(plan: &mut Plan, seed: u8, time: u64, change: fn(&mut EmergencyUse)) -> Place {
    let decision = of_kind(plan, Kind::ApprovalDecided)[0];
    let built = plan.build();
    let index = built.index_of(decision);
    let mut used = EmergencyUse {
        index,
        decision: Digest::leaf(&built.entries[usize::try_from(index.0).unwrap()]),
        session: session(plan, 0),
    };
    change(&mut used);
    let said = over(&built.entries, Scope::All, (START, time), Some(used));
    append(plan, seed, Timestamp(time), said.into())
}

/// A review of all that the entries hold of a scope and a period.
pub(super) fn over(
    entries: &[Vec<u8>],
    scope: Scope,
    (from, to): (u64, u64),
    used: Option<EmergencyUse>,
) -> ReviewSigned {
    let size = TreeSize(u64::try_from(entries.len()).unwrap());
    let mut population = Population::new(scope, (Timestamp(from), Timestamp(to)), size).of_use(used);
    for (index, entry) in (0..).map(Index).zip(entries) {
        if entry.first() != Some(&SEAL_FIRST_BYTE) {
            population.take(index, Digest::leaf(entry), &Event::decode(entry).unwrap());
        }
    }
    population.signed(checkpoint(entries, ORIGIN, LOG).root(), "nothing unusual".into())
}
