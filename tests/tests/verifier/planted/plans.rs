//! Changes to the plan of a log: finding what is to be changed, and keeping what hangs on it right.

use std::collections::BTreeMap;

use exhibit_policy::decide::decide;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Command, Effect, Facts, Outcome, Principal, ResponseChunk, ResponseEnd, SessionClosed, SessionOpened,
};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, PreviewRun};
use exhibit_schemas::event::{Body, Emitter, Event, Kind, SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_tests::bundle_builder::clinic::START;
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, Slot, key_id};

/// Batch of an event, and which of the batch it is.
pub(super) type Place = (usize, usize);

pub(super) const SECOND_US: u64 = 1_000_000;

/// A number of a session's event that no other has, before the session is numbered anew.
const UNUSED: u64 = 1_000_000;

/// The entry of an event.
pub(super) const fn event((batch, event): Place) -> Slot {
    Slot::Event { batch, event }
}

/// The entry of a seal.
pub(super) const fn seal(batch: usize) -> Slot {
    Slot::Seal { batch }
}

macro_rules! bodies {
    ($( $name:ident $kind:ident )*) => { $(
        pub(super) fn $name(plan: &mut Plan, place: Place) -> &mut $kind {
            match &mut plan.event_mut(place).body {
                Body::$kind(body) => body,
                other => panic!("a {} was looked for: {}", stringify!($kind), other.kind()),
            }
        }
    )* };
}

bodies! {
    opened_mut SessionOpened
    closed_mut SessionClosed
    command_mut Command
    chunk_mut ResponseChunk
    end_mut ResponseEnd
    request_mut ApprovalRequested
    run_mut PreviewRun
    decision_mut ApprovalDecided
}

/// All events of a kind.
pub(super) fn of_kind(plan: &Plan, kind: Kind) -> Vec<Place> {
    plan.find(|event| event.kind() == kind)
}

/// The events of a kind of one session; sessions are numbered from 0 by their openings.
pub(super) fn of(plan: &Plan, number: usize, kind: Kind) -> Vec<Place> {
    let session = session(plan, number);
    plan.find(|event| event.kind() == kind && event.session.is_some_and(|place| place.0 == session))
}

pub(super) fn session(plan: &Plan, number: usize) -> SessionId {
    let opening = of_kind(plan, Kind::SessionOpened)[number];
    plan.event(opening).session.unwrap().0
}

/// The first command of a session, the first chunk of its response, and the end of that: nine masked rows in three chunks of one
/// batch.
pub(super) fn read(plan: &Plan, number: usize) -> (Place, Place, Place) {
    let command = of(plan, number, Kind::Command)[0];
    (command, (command.0 + 1, 0), (command.0 + 2, 0))
}

/// The request, both decisions and the command of a session of which people approved one: of the first, and each third after it.
pub(super) fn approval(plan: &Plan, number: usize) -> (Place, [Place; 2], Place) {
    let (batch, event) = of(plan, number, Kind::ApprovalRequested)[0];
    ((batch, event), [(batch + 1, 0), (batch + 2, 0)], (batch + 3, 0))
}

/// Changes who a session is of, also where its requests say it.
pub(super) fn principal(plan: &mut Plan, number: usize, change: impl Fn(&mut Principal)) -> Place {
    let opening = of_kind(plan, Kind::SessionOpened)[number];
    change(&mut opened_mut(plan, opening).principal);
    for request in of(plan, number, Kind::ApprovalRequested) {
        change(request_mut(plan, request).requester.as_mut().unwrap());
    }
    opening
}

/// Moves everything from a batch on to a later time.
pub(super) fn delay(plan: &mut Plan, from: usize, by_us: u64) {
    let batches = plan.batches[from..].iter_mut();
    for planned in batches.flat_map(|batch| &mut batch.events) {
        planned.event.time.0 += by_us;
    }
}

/// Moves an event and all batches from its own on, so that it is so much later than another.
pub(super) fn apart(plan: &mut Plan, from: Place, to: Place, us: u64) {
    let now = plan.event(to).time.0 - plan.event(from).time.0;
    delay(plan, to.0, us - now);
}

/// Puts one more event of the same session behind another, and numbers the session anew.
pub(super) fn insert(plan: &mut Plan, (batch, event): Place, body: Body) -> Place {
    let mut planned = plan.batches[batch].events[event].clone();
    let session = planned.event.session.as_mut().unwrap();
    session.1 = UNUSED;
    let id = session.0;
    planned.event.body = body;
    plan.batches[batch]
        .events
        .insert(event + 1, Planned::new(planned.event));
    plan.renumber(id);
    (batch, event + 1)
}

/// Takes an event of a session out, and numbers the session anew.
pub(super) fn remove(plan: &mut Plan, place: Place) {
    let removed = plan.remove(place);
    plan.renumber(removed.session.unwrap().0);
}

/// Puts a batch of one event without a session in; it has the time of the batch that stands there now, or of the last.
pub(super) fn put(plan: &mut Plan, batch: usize, seed: u8, body: Body) -> Place {
    let near = plan.batches.get(batch).and_then(|batch| batch.events.first());
    let last = plan.batches.last().and_then(|batch| batch.events.last());
    let time = near.or(last).unwrap().event.time;
    let before = plan.find(|event| event.emitter.0 == key_id(seed));
    let before = before.iter().rfind(|place| place.0 < batch);
    let boot = before.map_or(START + u64::from(seed), |place| plan.event(*place).emitter.1);
    let event = Event {
        time,
        emitter: Emitter(key_id(seed), boot),
        session: None,
        body,
    };
    let events = vec![Planned::new(event)];
    plan.batches.insert(batch, Batch { seed, events });
    (batch, 0)
}

/// Appends a batch of one event without a session.
pub(super) fn append(plan: &mut Plan, seed: u8, time: Timestamp, body: Body) -> Place {
    let place = put(plan, plan.batches.len(), seed, body);
    plan.event_mut(place).time = time;
    place
}

/// Gives a batch to another emitter, its events saying so.
pub(super) fn reseal(plan: &mut Plan, batch: usize, seed: u8) {
    let before = plan.find(|event| event.emitter.0 == key_id(seed));
    let boot = before
        .first()
        .map_or(START + u64::from(seed), |place| plan.event(*place).emitter.1);
    let batch = &mut plan.batches[batch];
    batch.seed = seed;
    for planned in &mut batch.events {
        planned.event.emitter = Emitter(key_id(seed), boot);
    }
}

/// Changes the facts of every command and request, and decides each again as its policy does.
pub(super) fn restate(plan: &mut Plan, change: impl Fn(&mut Facts, &Event)) {
    let policies = policies(plan);
    let openings = of_kind(plan, Kind::SessionOpened);
    let principals: BTreeMap<SessionId, Principal> = openings
        .into_iter()
        .map(|place| {
            let event = plan.event(place);
            let Body::SessionOpened(opened) = &event.body else {
                panic!("openings were looked for");
            };
            (event.session.unwrap().0, opened.principal.clone())
        })
        .collect();
    for place in plan.find(|event| matches!(event.body, Body::Command(_) | Body::ApprovalRequested(_))) {
        let before = plan.event(place).clone();
        let principal = &principals[&before.session.unwrap().0];
        let again = |facts: &mut Facts, policy: &Digest| {
            change(facts, &before);
            decide(&policies[policy], principal, "clinic", facts)
        };
        match &mut plan.event_mut(place).body {
            Body::Command(body) => {
                body.decision = again(&mut body.facts, &body.decision.policy);
                body.outcome = match (body.decision.effect, body.outcome) {
                    (Effect::Allow, _) => Outcome::Allowed,
                    (Effect::Deny, _) => Outcome::Denied,
                    (Effect::Ask, outcome) => outcome,
                };
            }
            Body::ApprovalRequested(body) => body.decision = again(&mut body.facts, &body.decision.policy),
            _ => {}
        }
    }
}

/// The policies that a plan records whole.
fn policies(plan: &Plan) -> BTreeMap<Digest, Snapshot> {
    let mut bytes: BTreeMap<(Digest, KeyId), Vec<u8>> = BTreeMap::new();
    for place in of_kind(plan, Kind::PolicySnapshot) {
        let event = plan.event(place);
        if let Body::PolicySnapshot(part) = &event.body {
            let whole = bytes.entry((part.policy, event.emitter.0)).or_default();
            whole.extend(&part.bytes.0);
        }
    }
    let snapshot = |((digest, _), bytes): ((Digest, KeyId), Vec<u8>)| (digest, Snapshot::parse(&bytes).unwrap());
    bytes.into_iter().map(snapshot).collect()
}
