//! Decisions that do not follow: 312.a.1.

use exhibit_policy::hours::timed;
use exhibit_policy::probe;
use exhibit_policy::seen;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Attribute, Column, Facts, Frame, Outcome};
use exhibit_schemas::event::trust::{PolicyInForce, PolicySigned};
use exhibit_schemas::event::{Body, Event, Kind, Timestamp};
use exhibit_schemas::key::{KeyBytes, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::PolicySigners;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, Clinic, LOG, POLICY, clinic, clinic_under, later_policy};
use exhibit_tests::bundle_builder::{Plan, key, text};

use super::plans::{
    Place, SECOND_US, chunk_mut, closed_mut, command_mut, delay, end_mut, event, of, of_kind, opened_mut, put, read,
    restate,
};
use super::{Case, Wanted, planted};

const ROW: &str = "312.a.1";

/// A moment more than a proxy may take from its look at the clock to the event.
const APART_US: u64 = 10 * SECOND_US;

/// A rule for reads that hangs on what was seen, before the one for all reads.
const SEEN: &str = r#"[[rules]]
name = "again"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
when = { first_seen = false }
effect = "allow"

[[rules]]
name = "reads""#;

/// A mask of whose column an agent may try five values in an hour.
const PROBED: &str = r#"
[[masks]]
name = "card"
targets = ["clinic"]
resources = ["public.patients.card"]
technique = "redact"
predicates = "equality"
probes_per_hour = 5
"#;

pub(super) const CASES: &[Case] = &[
    ("proxies that never say which policy is in force", || {
        planted(clinic(6), |plan| {
            while let Some(place) = plan.find(|event| event.kind() == Kind::PolicyInForce).first() {
                plan.remove(*place);
            }
            let openings = of_kind(plan, Kind::SessionOpened);
            let of = |session: usize| (ROW, "policy-unsaid", event(openings[session]));
            vec![of(0), of(1)]
        })
    }),
    ("another reason", || {
        planted(clinic(6), |plan| {
            let command = of(plan, 1, Kind::Command)[1];
            command_mut(plan, command).decision.reason = "another".into();
            said("decision-differs", command)
        })
    }),
    ("a question that does not follow", || {
        planted(clinic(6), |plan| {
            let request = of(plan, 5, Kind::ApprovalRequested)[0];
            let command = of(plan, 5, Kind::Command)[1];
            for place in [request, command] {
                match &mut plan.event_mut(place).body {
                    Body::ApprovalRequested(body) => body.decision.rule = Some("other".into()),
                    Body::Command(body) => body.decision.rule = Some("other".into()),
                    _ => panic!("a request and its command were looked for"),
                }
            }
            vec![
                (ROW, "decision-differs", event(request)),
                (ROW, "decision-differs", event(command)),
            ]
        })
    }),
    ("denied, and let through", || {
        planted(clinic(6), |plan| {
            let command = of(plan, 1, Kind::Command)[1];
            command_mut(plan, command).outcome = Outcome::Allowed;
            said("outcome-differs", command)
        })
    }),
    ("rows of what was denied", || planted(clinic(6), rows_of_denied)),
    ("a policy that is not there", || {
        planted(clinic(6), |plan| {
            let command = read(plan, 4).0;
            command_mut(plan, command).decision.policy = Digest([9; 32]);
            vec![
                (ROW, "policy-missing", event(command)),
                (ROW, "policy-not-in-force", event(command)),
            ]
        })
    }),
    ("a policy that was in force before", || {
        planted(clinic(6), |plan| {
            let command = read(plan, 4).0;
            command_mut(plan, command).decision.policy = Digest::of(POLICY.as_bytes());
            said("policy-not-in-force", command)
        })
    }),
    ("a policy that one person signed", || {
        planted(signed(), |plan| {
            let place = signature(plan);
            plan.remove(place);
            said("policy-unsigned", in_force(plan))
        })
    }),
    ("a signature for another log", || {
        planted(signed(), |plan| {
            let place = signature(plan);
            if let Body::PolicySigned(body) = &mut plan.event_mut(place).body {
                body.log_key = KeyBytes([9; 32]);
            }
            vec![
                (ROW, "policy-signature", event(place)),
                (ROW, "policy-unsigned", event(in_force(plan))),
            ]
        })
    }),
    ("policies that people signed", || planted(signed(), |_| Vec::new())),
    ("a command after its credential", || {
        planted(clinic(6), |plan| {
            let command = read(plan, 5).0;
            delay(plan, command.0, APART_US);
            let opening = of(plan, 5, Kind::SessionOpened)[0];
            let expires = Timestamp(plan.event(opening).time.0 + 1);
            opened_mut(plan, opening).expires = Some(expires);
            said("session-expired", command)
        })
    }),
    ("reads by the hour", || {
        planted(by_the_hour(), |plan| told_time(plan, None))
    }),
    ("a read by another hour", || {
        planted(by_the_hour(), |plan| {
            let command = read(plan, 3).0;
            let mut wanted = told_time(plan, Some(command));
            wanted.extend(said("decision-time", command));
            wanted
        })
    }),
    ("reads that were seen", || {
        planted(by_what_was_seen(), |plan| told_seen(plan, None))
    }),
    ("a read that was not seen", || {
        planted(by_what_was_seen(), |plan| {
            let command = read(plan, 3).0;
            told_seen(plan, Some(command));
            said("first-seen", command)
        })
    }),
    ("values that were tried", || {
        planted(probed(), |plan| tried(plan, &[(3, 5, 0)]))
    }),
    ("values that were tried and not counted", || {
        planted(probed(), |plan| {
            // The second read of the same proxy leaves the first one's value out.
            tried(plan, &[(3, 1, 0), (5, 1, 0)]);
            let again = read(plan, 5).0;
            delay(plan, again.0, APART_US);
            said("probe-count", again)
        })
    }),
    ("values that two proxies let be tried", || {
        planted(probed(), |plan| {
            tried(plan, &[(3, 3, 0), (4, 3, 0)]);
            said("probe-limit", read(plan, 4).0)
        })
    }),
];

fn said(cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(ROW, cause, event(place))]
}

/// A row in the reply to a command that was denied, which its totals count.
fn rows_of_denied(plan: &mut Plan) -> Vec<Wanted> {
    let (batch, _) = of(plan, 1, Kind::Command)[1];
    let chunk = chunk_mut(plan, (batch, 1));
    let column = Column {
        name: "note".into(),
        data_type: "text".into(),
        origin: None,
        technique: None,
        mask: None,
        patients: None,
    };
    chunk.columns = Some(vec![column]);
    chunk.frames.push(Frame::Row(vec![Some(text("x"))]));
    let end = end_mut(plan, (batch, 2));
    (end.rows, end.bytes) = (end.rows + 1, end.bytes + 1);
    let close = of(plan, 1, Kind::SessionClosed)[0];
    closed_mut(plan, close).bytes += 1;
    said("response-denied", (batch, 1))
}

/// The log with signatures of two people under each policy.
fn signed() -> Clinic {
    let mut clinic = clinic(6);
    let keys = [("alice", ALICE), ("bob", BOB)].map(|(name, seed)| (name.to_owned(), key(seed).public_key()));
    clinic.anchors = TrustAnchors {
        policy_signers: vec![PolicySigners::new(Index(0), 2, keys.to_vec()).unwrap()],
        ..clinic.anchors
    };
    let first = of_kind(&clinic.plan, Kind::PolicyInForce)[0];
    for policy in [POLICY.to_owned(), later_policy()] {
        for seed in [ALICE, BOB] {
            let body = PolicySigned {
                log_key: key(LOG).public_key().to_bytes(),
                policy: Digest::of(policy.as_bytes()),
                reason: "reviewed".into(),
                expires: None,
            };
            put(&mut clinic.plan, first.0, seed, body.into());
        }
    }
    clinic
}

fn later() -> Digest {
    Digest::of(later_policy().as_bytes())
}

/// A signature under the later policy.
fn signature(plan: &Plan) -> Place {
    plan.find(|event| matches!(&event.body, Body::PolicySigned(body) if body.policy == later()))[0]
}

/// Where the later policy comes into force.
fn in_force(plan: &Plan) -> Place {
    plan.find(|event| matches!(&event.body, Body::PolicyInForce(PolicyInForce { policy }) if *policy == later()))[0]
}

/// A clinic whose agents read in the hour in which its log begins.
fn by_the_hour() -> Clinic {
    let hours =
        "actions = [\"read\"]\nresources = [\"public.*\", \"none\"]\nhours = { windows = [\"Tue 22:00-22:40\"] }\n";
    let policy = POLICY.replacen("actions = [\"read\"]\nresources = [\"public.*\", \"none\"]\n", hours, 1);
    assert_ne!(policy, POLICY);
    clinic_under(&policy, 6)
}

/// Every command says its time; one of them that of a minute later.
fn told_time(plan: &mut Plan, other: Option<Place>) -> Vec<Wanted> {
    let other = other.map(|place| plan.event(place).clone());
    restate(plan, |facts, event| {
        let later = if other.as_ref() == Some(event) {
            60 * SECOND_US
        } else {
            0
        };
        timed(facts, Timestamp(event.time.0 + later));
    });
    Vec::new()
}

fn by_what_was_seen() -> Clinic {
    let policy = POLICY.replacen("[[rules]]\nname = \"reads\"", SEEN, 1);
    assert_ne!(policy, POLICY);
    clinic_under(&policy, 6)
}

/// Every command says whether one like it had passed: the second read of each session; and one that does so falsely.
fn told_seen(plan: &mut Plan, other: Option<Place>) -> Vec<Wanted> {
    let other = other.map(|place| plan.event(place).clone());
    let last: Vec<Event> = (0..6)
        .map(|number| plan.event(*of(plan, number, Kind::Command).last().unwrap()).clone())
        .collect();
    restate(plan, |facts, event| {
        seen::state(facts, last.contains(event) || other.as_ref() == Some(event));
    });
    Vec::new()
}

fn probed() -> Clinic {
    clinic_under(&format!("{POLICY}{PROBED}"), 6)
}

/// The first reads of some sessions try so many values, and say that so many were tried before.
fn tried(plan: &mut Plan, reads: &[(usize, u64, u64)]) -> Vec<Wanted> {
    let reads = reads.iter().map(|(number, values, before)| {
        let place = read(plan, *number).0;
        (plan.event(place).clone(), *values, *before)
    });
    let reads: Vec<_> = reads.collect();
    restate(plan, |facts: &mut Facts, event| {
        if let Some((_, values, before)) = reads.iter().find(|(read, _, _)| read == event) {
            let column = format!("{}public.patients.card", probe::PROBE);
            facts.attributes.insert(column, Attribute::Integer(*values));
            probe::state(facts, "card", *before);
        }
    });
    Vec::new()
}
