//! Who came, and for how long: 312.a.2.i, 312.a.2.iii and 308.a.5.ii.C.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Principal;
use exhibit_schemas::event::{Kind, Timestamp};
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::clinic::{Clinic, POLICY, clinic, clinic_under};

use exhibit_schemas::event::Body;

use super::emergencies::passes;
use super::plans::{Place, SECOND_US, apart, delay, event, of, of_kind, opened_mut, principal, read};
use super::{Case, Planted, Wanted, planted};

const IDENTITY: &str = "312.a.2.i";
const LOGOFF: &str = "312.a.2.iii";
const LOGINS: &str = "308.a.5.ii.C";

/// The limits of the policy of [`limited`], in microseconds, each with the minute of grace.
const IDLE_US: u64 = (100 + 60) * SECOND_US;
const SESSION_US: u64 = (2_000 + 60) * SECOND_US;

/// The last session, whose agent nobody answered.
const LAST: usize = 5;

pub(super) const CASES: &[Case] = &[
    ("no subject", || identity("identity-missing", |who| who.subject.clear())),
    ("no issuer", || identity("identity-missing", |who| who.issuer.clear())),
    ("no credential", || {
        identity("identity-missing", |who| who.evidence = Digest([0; 32]))
    }),
    ("nothing of all three", || {
        identity("identity-missing", |who| {
            who.subject.clear();
            who.issuer.clear();
            who.evidence = Digest([0; 32]);
        })
    }),
    ("a credential that expires at its opening", || expiring(0, true)),
    ("a credential that expires after its opening", || expiring(1, false)),
    ("a credential of two subjects", || {
        identity("credential-shared", |who| who.evidence = Digest::of(b"ci-agent-1"))
    }),
    ("a credential of one subject twice", || {
        planted(clinic(6), |plan| {
            principal(plan, 4, |who| {
                who.subject = "ci-agent-1".into();
                who.evidence = Digest::of(b"ci-agent-1");
            });
            Vec::new()
        })
    }),
    ("a credential of two issuers", || {
        identity("credential-shared", |who| {
            who.issuer = "other.toml".into();
            who.subject = "ci-agent-1".into();
            who.evidence = Digest::of(b"ci-agent-1");
        })
    }),
    ("silent for the limit and the grace", || silent(IDLE_US, &[])),
    ("silent for a moment longer", || silent(IDLE_US + 1, &["idle-longer"])),
    ("silent while a command runs", || {
        planted(limited(), |plan| {
            let (_, _, end) = read(plan, LAST);
            delay(plan, end.0, 2 * IDLE_US);
            Vec::new()
        })
    }),
    ("silent while people are asked", || {
        planted(limited(), |plan| {
            let expired = of(plan, LAST, Kind::ApprovalExpired)[0];
            delay(plan, expired.0, 2 * IDLE_US);
            Vec::new()
        })
    }),
    ("silent after people were asked", || {
        planted(limited(), |plan| {
            let expired = of(plan, LAST, Kind::ApprovalExpired)[0];
            let command = of(plan, LAST, Kind::Command)[1];
            delay(plan, expired.0, IDLE_US);
            apart(plan, expired, command, IDLE_US + 1);
            vec![(LOGOFF, "idle-longer", event(command))]
        })
    }),
    ("silent before its close", || {
        planted(limited(), |plan| {
            let ends = of(plan, LAST, Kind::ResponseEnd);
            let close = of(plan, LAST, Kind::SessionClosed)[0];
            apart(plan, ends[ends.len() - 1], close, IDLE_US + 1);
            vec![(LOGOFF, "idle-longer", event(close))]
        })
    }),
    ("open for the limit and the grace", || lasting(SESSION_US, false)),
    ("open for a moment longer", || lasting(SESSION_US + 1, true)),
    ("never closed, up to the limit and the grace", || unclosed(IDLE_US, &[])),
    ("never closed, for a moment longer", || {
        unclosed(IDLE_US + 1, &["idle-longer"])
    }),
    ("a refused log-in of nobody", || refused(|_, body| body.count = 0)),
    ("a refused log-in from later on", || {
        refused(|time, body| body.since = Timestamp(time.0 + 1))
    }),
];

/// The policy with short limits; who comes by a key is an agent, whoever that is.
fn limited() -> Clinic {
    let limits = "expiry_ends_session = true\nidle_s = 100\nsession_s = 2000";
    clinic_under(&anybody().replacen("expiry_ends_session = true", limits, 1), 6)
}

/// The policy under which everybody with a key is an agent, also without a name.
fn anybody() -> String {
    let policy = POLICY.replacen(", subject = \"ci-*\"", "", 1);
    assert_ne!(policy, POLICY);
    policy
}

/// One session whose opening says otherwise who it is.
fn identity(cause: &'static str, change: fn(&mut Principal)) -> Planted {
    planted(clinic_under(&anybody(), 6), |plan| {
        let opening = principal(plan, 3, change);
        let mut wanted = vec![(IDENTITY, cause, event(opening))];
        if cause == "credential-shared" {
            // Whose it was before is told, too.
            wanted.push((IDENTITY, cause, event(of_kind(plan, Kind::SessionOpened)[1])));
        }
        wanted
    })
}

/// A credential that expires so long after its session was opened.
fn expiring(after_us: u64, found: bool) -> Planted {
    planted(clinic(6), |plan| {
        let opening = of_kind(plan, Kind::SessionOpened)[3];
        let time = plan.event(opening).time;
        opened_mut(plan, opening).expires = Some(Timestamp(time.0 + after_us));
        let wanted: Wanted = (IDENTITY, "credential-expired", event(opening));
        if found { vec![wanted] } else { Vec::new() }
    })
}

/// So long between the opening of the last session and its first command.
fn silent(us: u64, causes: &[&'static str]) -> Planted {
    planted(limited(), |plan| {
        let opening = of_kind(plan, Kind::SessionOpened)[LAST];
        let command = read(plan, LAST).0;
        apart(plan, opening, command, us);
        causes.iter().map(|cause| (LOGOFF, *cause, event(command))).collect()
    })
}

/// So long from the opening of the last session to its close, which a command takes nearly all of.
fn lasting(us: u64, found: bool) -> Planted {
    planted(limited(), |plan| {
        let (opening, close) = ends_of(plan);
        let (_, _, end) = read(plan, LAST);
        let now = plan.event(close).time.0 - plan.event(opening).time.0;
        delay(plan, end.0, us - now);
        let wanted: Wanted = (LOGOFF, "session-longer", event(close));
        if found { vec![wanted] } else { Vec::new() }
    })
}

/// The last session has no close, and the log ends so long after its last event.
fn unclosed(us: u64, causes: &[&'static str]) -> Planted {
    planted(limited(), |plan| {
        let (opening, close) = ends_of(plan);
        plan.remove(close);
        let id = plan.event(opening).session.unwrap().0;
        let events = plan.find(|event| event.session.is_some_and(|place| place.0 == id));
        let last = events.iter().map(|place| plan.event(*place).time.0).max().unwrap();
        passes(plan, last + us);
        let mut wanted = vec![("312.b", "session-open", event(opening))];
        wanted.extend(causes.iter().map(|cause| (LOGOFF, *cause, event(opening))));
        wanted
    })
}

fn ends_of(plan: &Plan) -> (Place, Place) {
    (
        of_kind(plan, Kind::SessionOpened)[LAST],
        of(plan, LAST, Kind::SessionClosed)[0],
    )
}

fn refused(change: fn(Timestamp, &mut exhibit_schemas::event::access::LoginRefused)) -> Planted {
    planted(clinic(6), |plan| {
        let place = of_kind(plan, Kind::LoginRefused)[0];
        let time = plan.event(place).time;
        if let Body::LoginRefused(body) = &mut plan.event_mut(place).body {
            change(time, body);
        }
        vec![(LOGINS, "login-count", event(place))]
    })
}
