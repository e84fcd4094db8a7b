//! Mutants of which policy was in force, sealed again by the proxies that say it.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::trust::PolicyInForce;
use exhibit_schemas::event::{Body, Event};
use exhibit_tests::bundle_builder::clinic::{POLICY, PROXY, later_policy};
use exhibit_tests::bundle_builder::{Plan, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Mutant, Random};

type Place = (usize, usize);

/// How many of each class.
const EACH: usize = 8;

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let classes = [
        never_said,
        said_early,
        said_late,
        kept_before,
        opened_by_another,
        asked_by_another,
        unknown,
        approved_in_another_term,
    ];
    let each = classes.iter().flat_map(|change| std::iter::repeat_n(change, EACH));
    each.map(|change| change(base, random)).collect()
}

fn mutant(base: &Base, class: &'static str, plan: &Plan, place: Place, code: Code) -> Mutant {
    let index = plan.build().index_of(place);
    base.sealed(class, format!("#{index}"), plan, Expected::at(&[code], index, index))
}

/// The policy by which an event was decided; not of what people were asked about, or did not let pass, which follows another.
fn decided_by(event: &mut Event) -> Option<&mut Digest> {
    match &mut event.body {
        Body::Command(command) if command.request.is_none() => Some(&mut command.decision.policy),
        Body::SessionOpened(opened) => Some(&mut opened.policy),
        _ => None,
    }
}

fn is_decided_by(event: &Event, proxy: u8, policy: Digest) -> bool {
    event.emitter.0 == key_id(proxy) && decided_by(&mut event.clone()).is_some_and(|named| *named == policy)
}

fn policies() -> (Digest, Digest) {
    (Digest::of(POLICY.as_bytes()), Digest::of(later_policy().as_bytes()))
}

/// Where the first proxy says that the later policy is in force.
fn change(plan: &Plan) -> Place {
    let (_, later) = policies();
    plan.find(|event| matches!(&event.body, Body::PolicyInForce(now) if now.policy == later))[0]
}

/// The proxy does not say that it decides by another policy: the first thing that it decides by that is the fault.
fn never_said(base: &Base, _random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (_, later) = policies();
    let place = change(&plan);
    plan.remove(place);
    let first = plan.find(|event| is_decided_by(event, PROXY, later))[0];
    mutant(base, "policy-never-said", &plan, first, Code::PolicyNotInForce)
}

/// It says so before something that it decided by the policy before.
fn said_early(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (first, _) = policies();
    let before = plan.find(|event| is_decided_by(event, PROXY, first));
    let place = random.pick(&before);
    let moved = plan.batches.remove(change(&plan).0);
    plan.batches.insert(place.0, moved);
    let fault = before.into_iter().find(|at| at.0 >= place.0).expect("one was picked");
    mutant(
        base,
        "policy-said-early",
        &plan,
        (fault.0 + 1, fault.1),
        Code::PolicyNotInForce,
    )
}

/// It says so after something that it decided by the new one.
fn said_late(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (_, later) = policies();
    let after = plan.find(|event| is_decided_by(event, PROXY, later));
    let place = random.pick(&after);
    let at = change(&plan);
    let said = plan.event(at).body.clone();
    plan.remove(at);
    let mut planned = plan.batches[place.0].clone();
    planned.events.truncate(1);
    planned.events[0].event.session = None;
    planned.events[0].event.body = said;
    plan.batches.insert(place.0 + 1, planned);
    mutant(base, "policy-said-late", &plan, after[0], Code::PolicyNotInForce)
}

/// One command goes on by the policy before.
fn kept_before(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (first, later) = policies();
    let commands = plan.find(|event| is_decided_by(event, PROXY, later) && matches!(event.body, Body::Command(_)));
    let place = random.pick(&commands);
    *decided_by(plan.event_mut(place)).expect("it was looked for") = first;
    mutant(base, "policy-kept", &plan, place, Code::PolicyNotInForce)
}

/// A session is opened by another policy than its proxy's.
fn opened_by_another(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (first, later) = policies();
    // Before the later policy stands in the log it would be missing, too.
    let at = change(&plan);
    let places = plan.find(|event| matches!(event.body, Body::SessionOpened(_)));
    let places: Vec<_> = places.into_iter().filter(|place| *place > at).collect();
    let place = random.pick(&places);
    let named = decided_by(plan.event_mut(place)).expect("it was looked for");
    *named = if *named == first { later } else { first };
    mutant(base, "policy-opened-by-another", &plan, place, Code::PolicyNotInForce)
}

/// People are asked by another policy, and nobody answers.
fn asked_by_another(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (_, later) = policies();
    let at = change(&plan);
    let expired = plan.find(|event| matches!(event.body, Body::ApprovalExpired(_)));
    let expired: Vec<_> = expired.into_iter().filter(|place| *place > at).collect();
    let session = plan.event(random.pick(&expired)).session.expect("it has one").0;
    let own = |event: &Event| event.session.is_some_and(|place| place.0 == session);
    let asked = plan.find(|event| own(event) && matches!(event.body, Body::ApprovalRequested(_)))[0];
    let answered =
        plan.find(|event| own(event) && matches!(&event.body, Body::Command(body) if body.request.is_some()))[0];
    if let Body::ApprovalRequested(body) = &mut plan.event_mut(asked).body {
        body.decision.policy = later;
    }
    if let Body::Command(body) = &mut plan.event_mut(answered).body {
        body.decision.policy = later;
    }
    mutant(base, "policy-asked-by-another", &plan, asked, Code::PolicyNotInForce)
}

/// The policy that asked leaves and comes back while people are asked, and the command passes by what they say.
fn approved_in_another_term(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let at = change(&plan);
    let approved = plan.find(|event| matches!(&event.body, Body::Command(body) if body.outcome == Outcome::Approved));
    // Before the later policy stands in the log it would be missing, too.
    let approved: Vec<_> = approved.into_iter().filter(|place| *place > at).collect();
    let place = random.pick(&approved);
    let Body::Command(body) = &plan.event(place).body else {
        panic!("a command was looked for");
    };
    let (session, asked) = (plan.event(place).session.expect("it has one").0, body.request);
    let asked = plan.find(|event| {
        event
            .session
            .is_some_and(|place| place.0 == session && Some(place.1) == asked)
    })[0];
    let (first, later) = policies();
    let own = body.decision.policy;
    for policy in [own, if own == first { later } else { first }] {
        let mut planned = plan.batches[asked.0].clone();
        planned.events.truncate(1);
        planned.events[0].event.session = None;
        planned.events[0].event.body = PolicyInForce { policy }.into();
        plan.batches.insert(asked.0 + 1, planned);
    }
    let place = (place.0 + 2, place.1);
    mutant(base, "policy-came-back", &plan, place, Code::ApprovalLate)
}

/// A proxy says that a policy is in force which the log does not hold.
fn unknown(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let said = plan.find(|event| matches!(event.body, Body::PolicyInForce(_)));
    let place = random.pick(&said);
    plan.event_mut(place).body = PolicyInForce {
        policy: Digest([9; 32]),
    }
    .into();
    let faults = Expected::at(
        &[Code::PolicyMissing],
        plan.build().index_of(place),
        plan.build().index_of(place),
    );
    let mutant = base.sealed("policy-unknown", String::new(), &plan, faults);
    Mutant { many: true, ..mutant }
}
