//! Mutants of what events say, sealed again by keys that may seal: an owned proxy, and people and keys that overreach.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Effect, Frame, Outcome};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Body, Event, Kind, Timestamp};
use exhibit_tests::bundle_builder::clinic::{
    ALICE, BOB, CAROL, DAVE, LEDGER, POLICY, PROXY, SECOND_ADMINISTRATOR, SECOND_PROXY,
};
use exhibit_tests::bundle_builder::{Batch, Plan, Planned, Slot, key_id};
use exhibit_verify::Code;

use super::{Base, Expected, Head, Mutant, Random};

type Place = (usize, usize);
type Change = fn(&Base, &mut Random) -> Mutant;

/// Each class with how many of it are made.
const CLASSES: [(Change, usize); 33] = [
    (decision_flipped, 20),
    (rule_renamed, 10),
    (observation_changed, 20),
    (facts_changed, 15),
    (outcome_changed, 15),
    (policy_swapped, 4),
    (policy_renamed, 4),
    (mask_dropped, 20),
    (mask_claimed, 15),
    (mask_count_changed, 10),
    (chunk_removed, 20),
    (row_removed, 15),
    (row_widened, 10),
    (rows_to_denied, 8),
    (opening_removed, 10),
    (session_taken_over, 10),
    (command_count_changed, 8),
    (byte_count_changed, 8),
    (credential_expired, 8),
    (time_turned_back, 10),
    (other_key, 20),
    (role_exceeded, 10),
    (wrong_group, 8),
    (revoked_approver, 8),
    (one_person_twice, 8),
    (requester_approves, 8),
    (another_asks, 4),
    (approval_late, 8),
    (approval_of_other_command, 8),
    (approval_reused, 8),
    (requirement_lowered, 8),
    (approval_after_execution, 8),
    (refusal_ignored, 8),
];

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let each = CLASSES
        .iter()
        .flat_map(|(change, count)| std::iter::repeat_n(change, *count));
    let mut mutants: Vec<_> = each.map(|change| change(base, random)).collect();
    mutants.extend(genesis(base));
    mutants
}

fn commands(plan: &Plan, outcome: Outcome) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::Command(body) if body.outcome == outcome))
}

pub(super) fn of_kind(plan: &Plan, kind: Kind) -> Vec<Place> {
    plan.find(|event| event.kind() == kind)
}

/// A mutant whose fault is at one event.
pub(super) fn at(base: &Base, class: &'static str, plan: &Plan, place: Place, codes: &[Code]) -> Mutant {
    let built = plan.build();
    let index = built.index_of(place);
    let what = format!("{} at #{index}", plan.event(place).kind());
    base.sealed(class, what, plan, Expected::at(codes, index, index))
}

pub(super) fn command_mut(plan: &mut Plan, place: Place) -> &mut exhibit_schemas::event::access::Command {
    let Body::Command(body) = &mut plan.event_mut(place).body else {
        panic!("a command was looked for");
    };
    body
}

fn decision_flipped(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&commands(&plan, Outcome::Denied));
    let body = command_mut(&mut plan, place);
    body.decision.effect = Effect::Allow;
    body.outcome = Outcome::Allowed;
    at(base, "decision-flipped", &plan, place, &[Code::DecisionDiffers])
}

fn rule_renamed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::Command));
    command_mut(&mut plan, place).decision.rule = Some("reads-all".into());
    let codes = [Code::DecisionDiffers];
    at(base, "rule-renamed", &plan, place, &codes)
}

/// An observed rule is left out, or does something else, or one is added that did not match.
fn observation_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let holds = |event: &Event| match &event.body {
        Body::Command(body) => body.decision.observed.is_some(),
        _ => false,
    };
    let place = random.pick(&plan.find(holds));
    let way = random.below(6);
    if way == 5 {
        let place = random.pick(&commands(&plan, Outcome::Denied));
        command_mut(&mut plan, place).decision.observed = Some(Vec::new());
        return at(base, "observation-changed", &plan, place, &[Code::DecisionDiffers]);
    }
    let observed = &mut command_mut(&mut plan, place).decision.observed;
    let first = observed
        .as_mut()
        .and_then(|observed| observed.first_mut())
        .expect("one was looked for");
    match way {
        0 => *observed = None,
        1 => first.effect = Effect::Deny,
        2 => first.approval = None,
        3 => first.rule = "patients-later".into(),
        _ => {
            let twice = first.clone();
            observed.as_mut().expect("it is there").push(twice);
        }
    }
    at(base, "observation-changed", &plan, place, &[Code::DecisionDiffers])
}

fn facts_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&commands(&plan, Outcome::Allowed));
    let access = command_mut(&mut plan, place).facts.accesses.first_mut();
    let access = access.expect("every command has an access");
    match random.below(3) {
        0 => access.0 = Action::Write,
        1 => access.1 = Some("secret.patients".into()),
        _ => command_mut(&mut plan, place).facts.accesses.clear(),
    }
    at(base, "facts-changed", &plan, place, &[Code::DecisionDiffers])
}

fn outcome_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let from = random.pick(&[Outcome::Denied, Outcome::Refused, Outcome::Expired]);
    let place = random.pick(&commands(&plan, from));
    let to = if from == Outcome::Denied {
        Outcome::Allowed
    } else {
        Outcome::Approved
    };
    command_mut(&mut plan, place).outcome = to;
    let codes = [
        Code::OutcomeDiffers,
        Code::ApprovalMissing,
        Code::ApprovalRefused,
        Code::ApprovalLate,
    ];
    at(base, "outcome-changed", &plan, place, &codes)
}

/// The bytes of the policy are others, under the digest that decisions name.
fn policy_swapped(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let parts = plan.find(|event| matches!(&event.body, Body::PolicySnapshot(body) if body.part == 1));
    let place = random.pick(&parts);
    let Body::PolicySnapshot(body) = &mut plan.event_mut(place).body else {
        panic!("a policy was looked for");
    };
    let text = String::from_utf8(body.bytes.0.clone()).expect("policies are text");
    let permissive = text.replacen("effect = \"ask\"", "effect = \"allow\"", 1);
    let permissive = permissive.replacen("keep = 4", "keep = 9", 1);
    assert_ne!(text, permissive);
    body.bytes = Bytes(permissive.into_bytes());
    let mut mutant = at(base, "policy-swapped", &plan, place, &[Code::PolicyDigest]);
    mutant.many = true;
    mutant
}

/// Another policy stands in the log under its own digest, and the one that decisions name is gone.
fn policy_renamed(base: &Base, _: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let permissive = POLICY.replacen("people = 2", "people = 1", 1);
    let (first, second) = permissive.as_bytes().split_at(permissive.len() / 2);
    for place in of_kind(&plan, Kind::PolicySnapshot) {
        let Body::PolicySnapshot(body) = &mut plan.event_mut(place).body else {
            panic!("a policy was looked for");
        };
        body.policy = Digest::of(permissive.as_bytes());
        body.bytes = Bytes(if body.part == 0 {
            first.to_vec()
        } else {
            second.to_vec()
        });
    }
    // That they are in force is the first that is said of the two policies which are gone.
    let place = of_kind(&plan, Kind::PolicyInForce)[0];
    let mut mutant = at(base, "policy-renamed", &plan, place, &[Code::PolicyMissing]);
    mutant.many = true;
    mutant
}

fn with_columns(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::ResponseChunk(body) if body.columns.is_some()))
}

fn chunk_mut(plan: &mut Plan, place: Place) -> &mut exhibit_schemas::event::access::ResponseChunk {
    let Body::ResponseChunk(body) = &mut plan.event_mut(place).body else {
        panic!("a chunk was looked for");
    };
    body
}

fn put_cell(body: &mut exhibit_schemas::event::access::ResponseChunk, column: usize, cell: &str) {
    let Some(Frame::Row(cells)) = body.frames.last_mut() else {
        panic!("a row was looked for");
    };
    cells[column] = Some(Bytes(cell.as_bytes().to_vec()));
}

/// A column is released as it is, and says so.
fn mask_dropped(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&with_columns(&plan));
    let masked = 1 + random.below(4);
    let body = chunk_mut(&mut plan, place);
    put_cell(body, masked, "987-65-4321");
    let column = body.columns.as_mut().and_then(|columns| columns.get_mut(masked));
    let column = column.expect("five columns");
    match random.below(3) {
        0 => (column.mask, column.technique) = (None, None),
        1 => column.technique = Some("none".into()),
        _ => column.mask = Some("other".into()),
    }
    at(base, "mask-dropped", &plan, place, &[Code::MaskMissing])
}

/// A column says that it is masked, and a cell of it is not.
fn mask_claimed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let rows = plan.find(
        |event| matches!(&event.body, Body::ResponseChunk(body) if matches!(body.frames.last(), Some(Frame::Row(_)))),
    );
    let place = random.pick(&rows);
    let masked = 1 + random.below(4);
    let raw = ["", "987-65-4321", "Lovelace", "MRN-0001", "1970-07-15"][masked];
    put_cell(chunk_mut(&mut plan, place), masked, raw);
    at(base, "mask-claimed", &plan, place, &[Code::MaskValue])
}

fn end_mut(plan: &mut Plan, place: Place) -> &mut exhibit_schemas::event::access::ResponseEnd {
    let Body::ResponseEnd(body) = &mut plan.event_mut(place).body else {
        panic!("an end was looked for");
    };
    body
}

fn with_rows(plan: &Plan) -> Vec<Place> {
    plan.find(|event| matches!(&event.body, Body::ResponseEnd(body) if body.rows > 0))
}

fn mask_count_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&with_rows(&plan));
    let masked = &mut end_mut(&mut plan, place).masked;
    match random.below(4) {
        0 => drop(masked.remove("ssn")),
        1 => drop(masked.insert("names".into(), 8)),
        2 => drop(masked.insert("birth".into(), 10)),
        _ => drop(masked.insert("other".into(), 1)),
    }
    at(base, "mask-count-changed", &plan, place, &[Code::MaskCount])
}

fn chunk_removed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let chunks = plan.find(|event| matches!(&event.body, Body::ResponseChunk(body) if body.columns.is_none()));
    let (batch, event) = random.pick(&chunks);
    let session = plan.event((batch, event)).session.expect("a chunk is of a session").0;
    plan.remove((batch, event));
    plan.renumber(session);
    // It shows at the next chunk of the command, or else at its end.
    let built = plan.build();
    let later = built.slots.iter().position(|slot| {
        matches!(slot, Slot::Event { batch: of, event: place } if (*of, *place) >= (batch, event)) && {
            let Slot::Event { batch, event } = *slot else {
                return false;
            };
            matches!(
                plan.event((batch, event)).kind(),
                Kind::ResponseChunk | Kind::ResponseEnd
            )
        }
    });
    let index = exhibit_schemas::merkle::Index(u64::try_from(later.expect("an end follows")).expect("fits"));
    let expected = Expected::at(&[Code::ResponseChunk, Code::ResponseTotals], index, index);
    base.sealed("chunk-removed", format!("before #{index}"), &plan, expected)
}

fn row_removed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let ends = with_rows(&plan);
    let end = random.pick(&ends);
    // The chunks of an end are the batch before it.
    let rows = &mut chunk_mut(&mut plan, (end.0 - 1, random.below(3))).frames;
    rows.pop();
    at(base, "row-removed", &plan, end, &[Code::ResponseTotals])
}

/// A row has a cell more than its columns.
fn row_widened(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&with_columns(&plan));
    let Some(Frame::Row(cells)) = chunk_mut(&mut plan, place).frames.first_mut() else {
        panic!("a row was looked for");
    };
    cells.push(Some(Bytes(b"987-65-4321".to_vec())));
    at(base, "row-widened", &plan, place, &[Code::ResponseColumns])
}

fn rows_to_denied(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (batch, event) = random.pick(&commands(&plan, Outcome::Denied));
    let frames = &mut chunk_mut(&mut plan, (batch, event + 1)).frames;
    frames.push(Frame::Row(vec![Some(Bytes(b"1".to_vec()))]));
    let end = end_mut(&mut plan, (batch, event + 2));
    (end.rows, end.bytes) = (1, end.bytes + 1);
    at(
        base,
        "rows-to-denied",
        &plan,
        (batch, event + 1),
        &[Code::ResponseDenied],
    )
}

fn opening_removed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::SessionOpened));
    let session = plan.event(place).session.expect("an opening has one").0;
    plan.remove(place);
    let next = plan.find(|event| event.session.is_some_and(|place| place.0 == session))[0];
    at(base, "opening-removed", &plan, next, &[Code::SessionChain])
}

/// An event of a session comes from the other proxy.
fn session_taken_over(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&with_rows(&plan));
    reseal(
        &mut plan,
        place.0,
        |seed| if seed == PROXY { SECOND_PROXY } else { PROXY },
    );
    let built = plan.build();
    let index = built.index_of(place);
    let expected = Expected::at(&[Code::SessionChain, Code::TimeOrder], index, index);
    base.sealed("session-taken-over", format!("#{index}"), &plan, expected)
}

/// Gives a batch to another emitter, its events saying so.
pub(super) fn reseal(plan: &mut Plan, batch: usize, to: fn(u8) -> u8) {
    let batch = &mut plan.batches[batch];
    batch.seed = to(batch.seed);
    for planned in &mut batch.events {
        planned.event.emitter.0 = key_id(batch.seed);
        planned.event.emitter.1 = exhibit_tests::bundle_builder::clinic::START + u64::from(batch.seed);
    }
}

fn command_count_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::SessionClosed));
    let Body::SessionClosed(body) = &mut plan.event_mut(place).body else {
        panic!("a close was looked for");
    };
    body.commands -= 1;
    at(base, "command-count-changed", &plan, place, &[Code::SessionTotals])
}

/// The credential had expired before the session's first command that passed.
fn credential_expired(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let passed = commands(&plan, Outcome::Allowed);
    let session = plan
        .event(random.pick(&passed))
        .session
        .expect("a command is of a session")
        .0;
    let of_it = |place: &&Place| plan.event(**place).session.is_some_and(|it| it.0 == session);
    let first = *passed.iter().find(of_it).expect("it has one that was picked");
    let opening = *of_kind(&plan, Kind::SessionOpened)
        .iter()
        .find(of_it)
        .expect("a session has an opening");
    let late = Timestamp(plan.event(first).time.0 - 5_000_001);
    let Body::SessionOpened(body) = &mut plan.event_mut(opening).body else {
        panic!("an opening was looked for");
    };
    body.expires = Some(late);
    at(base, "credential-expired", &plan, first, &[Code::SessionExpired])
}

fn byte_count_changed(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let place = random.pick(&of_kind(&plan, Kind::ResponseEnd));
    end_mut(&mut plan, place).bytes += 1;
    at(base, "byte-count-changed", &plan, place, &[Code::ResponseTotals])
}

fn time_turned_back(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let places = with_rows(&plan);
    let place = random.pick(&places[1..]);
    plan.event_mut(place).time.0 -= 500_000;
    at(base, "time-turned-back", &plan, place, &[Code::TimeOrder])
}

/// Another enrolled key seals events that name their own emitter.
fn other_key(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let batch = 4 + random.below(plan.batches.len() - 4);
    let before = plan.batches[batch].seed;
    let others: Vec<u8> = [PROXY, SECOND_PROXY, ALICE, LEDGER]
        .into_iter()
        .filter(|seed| *seed != before)
        .collect();
    plan.batches[batch].seed = random.pick(&others);
    at(base, "other-key", &plan, (batch, 0), &[Code::EventUnsealed])
}

/// A key makes events that its role may not make: a person, the ledger or a proxy enrols a key or records a command.
fn role_exceeded(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (kind, to): (Kind, fn(u8) -> u8) = match random.below(4) {
        0 => (Kind::KeyRevoked, |_| PROXY),
        1 => (Kind::ApprovalDecided, |_| PROXY),
        2 => (Kind::EvidenceRead, |_| ALICE),
        _ => (Kind::ApprovalDecided, |_| SECOND_ADMINISTRATOR),
    };
    let place = random.pick(&of_kind(&plan, kind));
    reseal(&mut plan, place.0, to);
    let mut mutant = at(base, "role-exceeded", &plan, place, &[Code::KeyRole]);
    mutant.many = true;
    mutant
}

/// An approved command with the places of its request and its two decisions.
fn approval(plan: &Plan, random: &mut Random) -> (Place, Place, [Place; 2]) {
    let command = random.pick(&commands(plan, Outcome::Approved));
    let (batch, _) = command;
    (command, (batch - 3, 0), [(batch - 2, 0), (batch - 1, 0)])
}

fn wrong_group(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, decisions) = approval(&plan, random);
    reseal(&mut plan, random.pick(&decisions).0, |_| BOB);
    at(base, "wrong-group", &plan, command, &[Code::ApprovalGroup])
}

fn revoked_approver(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let revoked = of_kind(&plan, Kind::KeyRevoked)[0];
    let (_, _, mut decisions) = approval(&plan, random);
    while decisions[0] < revoked {
        decisions = approval(&plan, random).2;
    }
    let place = random.pick(&decisions);
    reseal(&mut plan, place.0, |_| DAVE);
    at(base, "revoked-approver", &plan, place, &[Code::KeyNotInForce])
}

fn one_person_twice(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, decisions) = approval(&plan, random);
    reseal(&mut plan, decisions[1].0, |_| ALICE);
    at(base, "one-person-twice", &plan, command, &[Code::ApprovalPeople])
}

/// People saw somebody else ask than opened the session.
fn another_asks(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (_, request, _) = approval(&plan, random);
    let Body::ApprovalRequested(body) = &mut plan.event_mut(request).body else {
        panic!("a request was looked for");
    };
    let requester = body.requester.as_mut().expect("it says who asks");
    requester.subject.push('x');
    at(base, "another-asks", &plan, request, &[Code::ApprovalAsker])
}

/// The agent of the session is alice herself.
fn requester_approves(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, _) = approval(&plan, random);
    let session = plan.event(command).session.expect("a command is of a session").0;
    let is_opening = |event: &Event| event.kind() == Kind::SessionOpened;
    let opening = plan.find(|event| is_opening(event) && event.session.is_some_and(|place| place.0 == session))[0];
    let Body::SessionOpened(body) = &mut plan.event_mut(opening).body else {
        panic!("an opening was looked for");
    };
    body.principal.client_id = Some("alice".into());
    let principal = body.principal.clone();
    let requests = plan
        .find(|event| event.kind() == Kind::ApprovalRequested && event.session.is_some_and(|place| place.0 == session));
    for request in requests {
        if let Body::ApprovalRequested(body) = &mut plan.event_mut(request).body {
            body.requester = Some(Box::new(principal.clone()));
        }
    }
    at(base, "requester-approves", &plan, command, &[Code::ApprovalRequester])
}

fn approval_late(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, request, decisions) = approval(&plan, random);
    let Body::ApprovalRequested(body) = &plan.event(request).body else {
        panic!("a request was looked for");
    };
    let late = body.expires.0 + 1;
    plan.event_mut(random.pick(&decisions)).time = Timestamp(late);
    at(base, "approval-late", &plan, command, &[Code::ApprovalLate])
}

/// The command that runs is another than the one that people saw.
fn approval_of_other_command(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, decisions) = approval(&plan, random);
    if random.below(2) == 0 {
        let body = command_mut(&mut plan, command);
        body.digest = Digest::of(b"DROP TABLE patients");
        body.statement = "DROP TABLE patients".into();
    } else {
        let Body::ApprovalDecided(body) = &mut plan.event_mut(random.pick(&decisions)).body else {
            panic!("a decision was looked for");
        };
        body.command = Digest::of(b"SELECT $integer");
    }
    at(
        base,
        "approval-of-other-command",
        &plan,
        command,
        &[Code::ApprovalBinding],
    )
}

/// A second command leans on the same decisions.
fn approval_reused(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, _) = approval(&plan, random);
    let mut again = plan.event(command).clone();
    let session = again.session.expect("a command is of a session").0;
    let end = (command.0 + 1, 1);
    again.time = plan.event(end).time;
    // The same number twice would renumber wrongly; numbers only have to differ before they are given anew.
    if let Some(place) = again.session.as_mut() {
        place.1 = 1_000;
    }
    let batch = Batch {
        seed: plan.batches[command.0].seed,
        events: vec![Planned::new(again)],
    };
    plan.batches.insert(command.0 + 2, batch);
    plan.renumber(session);
    let mut mutant = at(
        base,
        "approval-reused",
        &plan,
        (command.0 + 2, 0),
        &[Code::ApprovalReused],
    );
    mutant.many = true;
    mutant
}

fn requirement_lowered(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (_, request, _) = approval(&plan, random);
    let Body::ApprovalRequested(body) = &mut plan.event_mut(request).body else {
        panic!("a request was looked for");
    };
    match random.below(4) {
        0 => body.requirement.people = 1,
        1 => body.requirement.groups.push("privacy".into()),
        2 => body.requirement.requester_may_approve = true,
        _ => body.expires.0 += 3_600_000_000,
    }
    at(
        base,
        "requirement-lowered",
        &plan,
        request,
        &[Code::ApprovalRequirement],
    )
}

/// A decision stands in the log only after the command that leans on it.
fn approval_after_execution(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, _, decisions) = approval(&plan, random);
    let batch = plan.batches.remove(random.pick(&decisions).0);
    plan.batches.insert(command.0, batch);
    let moved = (command.0 - 1, command.1);
    at(base, "approval-after-execution", &plan, moved, &[Code::ApprovalMissing])
}

/// A person refuses first, and two others approve.
fn refusal_ignored(base: &Base, random: &mut Random) -> Mutant {
    let mut plan = base.plan();
    let (command, request, decisions) = approval(&plan, random);
    let mut refusal = plan.event(decisions[0]).clone();
    let Body::ApprovalDecided(body) = &mut refusal.body else {
        panic!("a decision was looked for");
    };
    body.verdict = Verdict::Deny;
    let batch = Batch {
        seed: ALICE,
        events: vec![Planned::new(refusal)],
    };
    plan.batches.insert(request.0 + 1, batch);
    let moved = (command.0 + 1, command.1);
    at(base, "refusal-ignored", &plan, moved, &[Code::ApprovalRefused])
}

/// Another beginning, signed by everybody who may sign.
fn genesis(base: &Base) -> Vec<Mutant> {
    let changes: [fn(&mut exhibit_schemas::event::trust::Genesis); 3] = [
        |body| body.origin = "other.example/log".into(),
        |body| body.log_key = exhibit_schemas::key::KeyBytes([7; 32]),
        |body| drop(body.administrators.pop()),
    ];
    let mut mutants = Vec::new();
    for change in changes {
        let mut plan = base.plan();
        let Body::Genesis(body) = &mut plan.event_mut((0, 0)).body else {
            panic!("the log begins with genesis");
        };
        change(body);
        mutants.push(at(base, "genesis-changed", &plan, (0, 0), &[Code::GenesisAnchors]));
    }
    let mut plan = base.plan();
    plan.batches[0].seed = SECOND_ADMINISTRATOR;
    reseal(&mut plan, 0, |_| SECOND_ADMINISTRATOR);
    mutants.push(at(base, "genesis-changed", &plan, (0, 0), &[Code::GenesisAnchors]));
    // The whole log under another key of the log, which the bundle itself then names.
    let mut other = base.entries(
        "other-log-key",
        "the whole log".into(),
        &base.built.entries,
        Head::Stranger,
        Expected::file(&[Code::CheckpointSignature], "checkpoint"),
    );
    other.many = true;
    mutants.push(other);
    // A person whose enrolment is gone.
    let mut plan = base.plan();
    let enrolled = plan.find(|event| matches!(&event.body, Body::KeyEnrolled(body) if body.name == "carol"))[0];
    plan.remove(enrolled);
    let place = plan.find(|event| event.emitter.0 == key_id(CAROL))[0];
    let mut unknown = at(base, "enrolment-removed", &plan, place, &[Code::KeyNotInForce]);
    unknown.many = true;
    mutants.push(unknown);
    mutants
}
