//! Mutants of emergency access and of grants: uses by others, for others, for longer and for more than people signed.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalRequested, Emergency, Grant, GrantBounds, GrantScope, Terms, Verdict,
};
use exhibit_schemas::event::{Body, Event, Kind};
use exhibit_tests::bundle_builder::Plan;
use exhibit_tests::bundle_builder::clinic::{BOB, DAVE, POLICY, clinic_under};
use exhibit_verify::Code;

use super::events::{at, command_mut, of_kind, reseal};
use super::{Base, Mutant, Random};

type Place = (usize, usize);

/// Sessions of the log; of the first and the fourth people approve something.
const SESSIONS: u8 = 4;

/// How many of each class.
const EACH: usize = 3;

const MINUTE_US: u64 = 60_000_000;

/// How the policy of the log says what is in [`emergency`] and [`bounds`].
const TERMS: [&str; 2] = [
    "emergency = { groups = [\"dba\"], minutes = 10, reviewers = [\"privacy\"], review_within_days = 1 }",
    "grants = { scopes = [\"session\"], minutes = 60, uses = 100, rows = 100 }",
];

fn emergency() -> Emergency {
    Emergency {
        groups: vec!["dba".into()],
        minutes: 10,
        reviewers: vec!["privacy".into()],
        review_within_days: 1,
    }
}

fn bounds() -> GrantBounds {
    GrantBounds {
        scopes: vec![GrantScope::Session],
        minutes: 60,
        uses: 100,
        rows: Some(100),
    }
}

/// An approved command that people were asked about, with its request and what they decided.
struct Use {
    request: Place,
    decisions: Vec<Place>,
    command: Place,
}

fn uses(plan: &Plan) -> Vec<Use> {
    let asked = |event: &Event| match &event.body {
        Body::Command(body) => body.outcome == Outcome::Approved && body.request.is_some(),
        _ => false,
    };
    let uses = plan.find(asked).into_iter().map(|command| {
        let session = plan.event(command).session.expect("a command is of a session").0;
        let of_it = |event: &Event| match &event.body {
            Body::ApprovalRequested(_) => event.session.is_some_and(|place| place.0 == session),
            Body::ApprovalDecided(body) => body.session == session,
            _ => false,
        };
        let mut places = plan.find(of_it).into_iter();
        Use {
            request: places.next().expect("it was asked about"),
            decisions: places.collect(),
            command,
        }
    });
    uses.collect()
}

fn request_mut(plan: &mut Plan, place: Place) -> &mut ApprovalRequested {
    let Body::ApprovalRequested(body) = &mut plan.event_mut(place).body else {
        panic!("a request was looked for");
    };
    body
}

fn decision_mut(plan: &mut Plan, place: Place) -> &mut ApprovalDecided {
    let Body::ApprovalDecided(body) = &mut plan.event_mut(place).body else {
        panic!("a decision was looked for");
    };
    body
}

/// The log in which alice alone let pass, in an emergency, what was approved; carol's decisions are gone.
pub(crate) fn in_emergencies() -> Base {
    let mut clinic = clinic_under(&policy(), SESSIONS);
    let plan = &mut clinic.plan;
    state(plan);
    for Use { decisions, command, .. } in uses(plan).into_iter().rev() {
        let [alice, carol] = decisions[..] else {
            panic!("two people decide");
        };
        decision_mut(plan, alice).verdict = Verdict::Emergency;
        let leaf = plan.batches[alice.0].events[alice.1].leaf;
        command_mut(plan, command).approvals = Some(vec![leaf]);
        plan.remove(carol);
    }
    Base::of(clinic)
}

/// The log in which alice and carol grant for a session what they approve, and one more command passes by it.
pub(crate) fn granting() -> Base {
    let mut clinic = clinic_under(&policy(), SESSIONS);
    let plan = &mut clinic.plan;
    state(plan);
    for used in uses(plan).into_iter().rev() {
        for place in &used.decisions {
            let (scope, minutes, uses) = (GrantScope::Session, 30, 2);
            decision_mut(plan, *place).terms = Some(Terms {
                rows: None,
                grant: Some(Grant { scope, minutes, uses }),
            });
        }
        passes_again(plan, &used);
    }
    Base::of(clinic)
}

fn policy() -> String {
    POLICY.replacen("expires_s = 900", &format!("expires_s = 900\n{}", TERMS.join("\n")), 1)
}

/// Every request says what its policy does.
fn state(plan: &mut Plan) {
    for place in of_kind(plan, Kind::ApprovalRequested) {
        let requirement = &mut request_mut(plan, place).requirement;
        requirement.emergency = Some(Box::new(emergency()));
        requirement.grants = Some(bounds());
    }
}

/// What is changed of a use, and what must be found where.
type Change = fn(&mut Plan, &Use) -> (Place, &'static [Code]);

const EMERGENCIES: [(&str, Change); 9] = [
    ("emergency-by-another", |plan, used| {
        reseal(plan, used.decisions[0].0, |_| BOB);
        (used.command, &[Code::EmergencyInitiator])
    }),
    ("emergency-by-a-revoked-key", |plan, _| {
        // Dave's key is revoked behind the third session, so the last use alone is wrong.
        let last = uses(plan).pop().expect("there are uses");
        reseal(plan, last.decisions[0].0, |_| DAVE);
        (last.decisions[0], &[Code::KeyNotInForce])
    }),
    ("emergency-of-the-requester", |plan, used| {
        requested_by_alice(plan, used);
        (used.command, &[Code::ApprovalRequester])
    }),
    ("emergency-without-reason", |plan, used| {
        decision_mut(plan, used.decisions[0]).reason = " \n".into();
        (used.command, &[Code::EmergencyReason])
    }),
    ("emergency-that-nobody-may", |plan, used| {
        request_mut(plan, used.request).requirement.emergency = None;
        (used.command, &[Code::EmergencyPolicy])
    }),
    ("emergency-for-longer", |plan, used| {
        let stated = &mut request_mut(plan, used.request).requirement.emergency;
        stated.as_mut().expect("it is stated").minutes += 1;
        (used.request, &[Code::ApprovalRequirement])
    }),
    ("emergency-over", |plan, used| {
        delay(plan, used.command, 12 * MINUTE_US);
        (used.command, &[Code::EmergencyOver])
    }),
    ("emergency-of-another-command", |plan, used| {
        decision_mut(plan, used.decisions[0]).command = Digest::of(b"DROP TABLE patients");
        (used.command, &[Code::ApprovalBinding])
    }),
    ("emergency-with-a-grant", |plan, used| {
        let (scope, minutes, uses) = (GrantScope::Session, 1, 2);
        decision_mut(plan, used.decisions[0]).terms = Some(Terms {
            rows: None,
            grant: Some(Grant { scope, minutes, uses }),
        });
        (used.command, &[Code::EmergencyPolicy])
    }),
];

/// Of what passed by a grant behind the command that people were asked about.
const GRANTS: [(&str, Change); 4] = [
    ("grant-used-up", |plan, used| {
        for place in &used.decisions {
            grant_mut(plan, *place).uses = 1;
        }
        (next(used), &[Code::GrantUses])
    }),
    ("grant-late", |plan, used| {
        delay(plan, next(used), 32 * MINUTE_US);
        (next(used), &[Code::GrantLate])
    }),
    ("grant-by-other-decisions", |plan, used| {
        let named = command_mut(plan, next(used)).approvals.as_mut();
        named.expect("it names decisions").reverse();
        (next(used), &[Code::GrantScope])
    }),
    ("grant-that-one-did-not-sign", |plan, used| {
        decision_mut(plan, used.decisions[1]).terms = None;
        (next(used), &[Code::ApprovalReused])
    }),
];

fn grant_mut(plan: &mut Plan, place: Place) -> &mut Grant {
    let terms = decision_mut(plan, place).terms.as_mut();
    let grant = terms.and_then(|terms| terms.grant.as_mut());
    grant.expect("it is a grant")
}

/// Where the command is that passed by the grant.
fn next(used: &Use) -> Place {
    (used.command.0 + 2, used.command.1)
}

fn delay(plan: &mut Plan, from: Place, by_us: u64) {
    for batch in &mut plan.batches[from.0..] {
        batch.events.iter_mut().for_each(|one| one.event.time.0 += by_us);
    }
}

/// The agent of the session comes by alice's own client.
fn requested_by_alice(plan: &mut Plan, used: &Use) {
    let session = plan.event(used.command).session.expect("a command is of a session").0;
    for place in plan.find(|event| event.session.is_some_and(|place| place.0 == session)) {
        match &mut plan.event_mut(place).body {
            Body::SessionOpened(body) => body.principal.client_id = Some("alice".into()),
            Body::ApprovalRequested(body) => {
                let requester = body.requester.as_mut().expect("it says who asks");
                requester.client_id = Some("alice".into());
            }
            _ => {}
        }
    }
}

/// One more command passes by the grant, behind the reply to the first.
fn passes_again(plan: &mut Plan, used: &Use) {
    let session = plan.event(used.command).session.expect("a command is of a session").0;
    let request = plan.batches[used.request.0].events[used.request.1].leaf;
    let reply = used.command.0 + 1;
    let last = plan.batches[reply]
        .events
        .last()
        .expect("a reply has an end")
        .event
        .time
        .0;
    let mut more: Vec<_> = plan.batches[reply - 1..=reply].to_vec();
    let mut bytes = 0;
    // The numbers only have to differ from all others before they are given anew.
    for (number, planned) in (1..).zip(more.iter_mut().flat_map(|batch| &mut batch.events)) {
        planned.event.time.0 = last + number;
        planned.leaf = Digest::of(&[session.0, [u8::try_from(number).expect("few events"); 16]].concat());
        planned.event.session.as_mut().expect("all are of the session").1 = 999 + number;
        match &mut planned.event.body {
            Body::Command(body) => (body.request, body.retries) = (None, Some(request)),
            Body::ResponseChunk(body) => body.command = 1_000,
            Body::ResponseEnd(body) => (body.command, bytes) = (1_000, body.bytes),
            other => panic!("a command and its reply: {other:?}"),
        }
    }
    plan.batches.splice(reply + 1..=reply, more);
    plan.renumber(session);
    let close = plan
        .find(|event| event.kind() == Kind::SessionClosed && event.session.is_some_and(|place| place.0 == session))[0];
    if let Body::SessionClosed(body) = &mut plan.event_mut(close).body {
        body.commands += 1;
        body.bytes += bytes;
    }
}

pub(crate) fn mutants(random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (base, classes) in [(in_emergencies(), &EMERGENCIES[..]), (granting(), &GRANTS[..])] {
        for (class, change) in classes.iter().flat_map(|class| std::iter::repeat_n(class, EACH)) {
            let mut plan = base.plan();
            let mut all = uses(&plan);
            let used = all.swap_remove(random.below(all.len()));
            let (place, codes) = change(&mut plan, &used);
            let mut mutant = at(&base, class, &plan, place, codes);
            // What is later by all of it, and what nobody could review then, is found as well.
            mutant.many = true;
            mutants.push(mutant);
        }
    }
    mutants
}
