//! Sealed copies: with which events they go, of what they are, and what happens where there can be none.

use std::io::Read as _;

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::mask::Masked;
use exhibit_policy::sealed::{COMMAND_BYTES_MAX, Recipient, TOO_LONG, recipients};
use exhibit_schemas::event::access::{Action, Attribute, Command, CommandSealed, Outcome, SEALED_PART_BYTES_MAX};
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Body, Event};
use proptest::prelude::*;

use super::super::{EndStatus, Reach, Request, Ruling, Transaction};
use super::{POLICY, World, decision, request, waits, world, world_of};
use crate::digest::DigestKey;
use crate::memory::{Memory, Mode};
use crate::sealed::Sealing;

/// An identity, and a policy that seals to it and to one more.
fn sealing() -> (age::x25519::Identity, String) {
    let identity = age::x25519::Identity::generate();
    let (own, other) = (identity.to_public(), age::x25519::Identity::generate().to_public());
    let policy = format!("{POLICY}[sealed]\nrecipients = [\"{other}\", \"{own}\"]\n");
    (identity, policy)
}

fn dynamic(identity: &age::x25519::Identity) -> &dyn age::Identity {
    identity
}

fn opened(identity: &age::x25519::Identity, copy: &[u8]) -> Vec<u8> {
    let decryptor = age::Decryptor::new_buffered(copy).unwrap();
    let mut exact = Vec::new();
    let identities = [identity].into_iter().map(dynamic);
    decryptor.decrypt(identities).unwrap().read_to_end(&mut exact).unwrap();
    exact
}

/// Every command of the session with its sequence and its copy, whose parts follow it directly.
fn commands(events: &[Event]) -> Vec<(u64, Command, Vec<CommandSealed>)> {
    let mut found: Vec<(u64, Command, Vec<CommandSealed>)> = Vec::new();
    let mut follows = false;
    for event in events {
        match (&event.body, event.session) {
            (Body::Command(command), Some(place)) => {
                found.push((place.1, command.clone(), Vec::new()));
                follows = true;
            }
            (Body::CommandSealed(part), Some(place)) => {
                assert!(follows, "a part stands by itself");
                let (command, _, parts) = found.last_mut().unwrap();
                assert_eq!(part.command, *command);
                assert_eq!(place.1, *command + 1 + part.part);
                assert!((1..=SEALED_PART_BYTES_MAX).contains(&part.bytes.0.len()));
                parts.push(part.clone());
            }
            _ => follows = false,
        }
    }
    for (_, _, parts) in &found {
        let numbers: Vec<_> = parts.iter().map(|part| (part.part, part.parts)).collect();
        let count = u64::try_from(parts.len()).unwrap();
        assert_eq!(numbers, (0..count).map(|part| (part, count)).collect::<Vec<_>>());
    }
    found
}

/// What stands in the copies, by command; each is compared with its command's digest.
fn contents(memory: &Memory, identity: &age::x25519::Identity) -> Vec<(u64, Outcome, Vec<u8>)> {
    let events = memory.events.lock().unwrap();
    let sequences: Vec<_> = events.iter().filter_map(|event| event.session).collect();
    let numbers: Vec<u64> = sequences.iter().map(|place| place.1).collect();
    assert_eq!(numbers, (0..u64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    let each = commands(&events).into_iter().map(|(sequence, command, parts)| {
        let copy: Vec<u8> = parts.into_iter().flat_map(|part| part.bytes.0).collect();
        assert_eq!(recipients(&copy), Some(2));
        let exact = opened(identity, &copy);
        assert_eq!(DigestKey::new([2; 32]).digest(&exact), command.digest);
        (sequence, command.outcome, exact)
    });
    each.collect()
}

fn asking(action: Action, exact: &[u8], reach: Reach) -> Request {
    Request {
        exact: exact.to_vec(),
        reach,
        ..request(action)
    }
}

fn permit(world: &World, exact: &[u8], reach: Reach) -> super::super::Permit {
    match world.session.decide(asking(Action::Read, exact, reach)) {
        Ruling::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_command_has_its_own_copy_directly_behind_it_whatever_became_of_it() {
    let (identity, policy) = sealing();
    let mut world = world_of(&policy).await;
    // Two in one group, one of them in several parts; then two that run ahead, which go with what comes next.
    let long = vec![b'l'; 3 * SEALED_PART_BYTES_MAX];
    let group = vec![
        permit(&world, b"first", Reach::Anything),
        permit(&world, &long, Reach::Anything),
        permit(&world, b"", Reach::Anything),
    ];
    let cleared = world.session.record(group).await.unwrap();
    assert_eq!(
        cleared.iter().map(super::super::Cleared::command).collect::<Vec<_>>(),
        [1, 3, 8]
    );
    for cleared in &cleared {
        let events = world.memory.events.lock().unwrap();
        let receipt = usize::try_from(cleared.receipt().unwrap().index.0).unwrap();
        let place = events[receipt].session.unwrap();
        assert_eq!(place.1, cleared.command(), "a receipt is that of its command");
    }
    let ahead = vec![
        permit(&world, b"ahead", Reach::Nothing),
        permit(&world, &long, Reach::Nothing),
    ];
    let ahead = world.session.clear(ahead, Transaction::None).await.unwrap();
    assert_eq!((ahead[0].command(), ahead[1].command()), (10, 12));
    let denied = asking(Action::Delete, b"denied", Reach::Anything);
    let Ruling::Denial(denial) = world.session.decide(denied) else {
        panic!("nothing allows it")
    };
    let refused = world.session.refuse(denial).await.unwrap();
    assert_eq!(refused.command(), 17);
    let receipt = usize::try_from(refused.receipt().unwrap().index.0).unwrap();
    assert_eq!(world.memory.events.lock().unwrap()[receipt].session.unwrap().1, 17);
    let (outcome, at_once) = {
        let asked = asking(Action::Define, b"at once", Reach::Anything);
        let denial = world.session.decide_at_once(asked, None).unwrap_err();
        let recorded = world.session.refuse(*denial).await.unwrap();
        (recorded.value().outcome(), recorded.command())
    };
    assert_eq!((outcome, at_once), (Outcome::Denied, 19));
    let wanted: Vec<(u64, Outcome, Vec<u8>)> = vec![
        (1, Outcome::Allowed, b"first".to_vec()),
        (3, Outcome::Allowed, long.clone()),
        (8, Outcome::Allowed, Vec::new()),
        (10, Outcome::Allowed, b"ahead".to_vec()),
        (12, Outcome::Allowed, long),
        (17, Outcome::Denied, b"denied".to_vec()),
        (19, Outcome::Denied, b"at once".to_vec()),
    ];
    assert_eq!(contents(&world.memory, &identity), wanted);
}

#[tokio::test]
async fn what_people_were_asked_about_is_copied_with_its_command() {
    let (identity, policy) = sealing();
    for (verdict, wanted) in [(Verdict::Approve, Outcome::Approved), (Verdict::Deny, Outcome::Refused)] {
        let mut world = world_of(&policy).await;
        let Ruling::Pending(pending) = world.session.decide(asking(Action::Define, b"asked", Reach::Anything)) else {
            panic!("people are asked")
        };
        let asked = world.session.ask(pending).await.unwrap();
        for name in ["ann", "bob"] {
            let decision = decision(&world, name, |decision| decision.body.verdict = verdict);
            world.memory.decide(decision);
        }
        match world.session.wait(asked, std::future::pending()).await.unwrap() {
            Ok(permit) => drop(world.session.record(vec![permit]).await.unwrap()),
            Err(denial) => drop(world.session.refuse(denial).await.unwrap()),
        }
        assert_eq!(contents(&world.memory, &identity), [(2, wanted, b"asked".to_vec())]);
    }
}

#[tokio::test]
async fn nothing_passes_before_the_receipts_of_its_copy() {
    let (_, policy) = sealing();
    let mut world = world_of(&policy).await;
    let permits = vec![permit(&world, b"exact", Reach::Anything)];
    world.memory.mode.send_replace(Mode::Hold);
    let mut recording = Box::pin(world.session.record(permits));
    assert!(waits(&mut recording));
    assert_eq!(world.memory.kinds().last(), Some(&"command-sealed"));
    world.memory.mode.send_replace(Mode::Lose);
    assert!(recording.await.is_err(), "a copy that was lost is no copy");
}

#[tokio::test]
async fn a_refused_hand_over_leaves_no_gap_before_the_close() {
    let (identity, policy) = sealing();
    let mut world = world_of(&policy).await;
    let ahead = vec![permit(&world, b"ahead", Reach::Nothing)];
    let cleared = world.session.clear(ahead, Transaction::None).await.unwrap();
    world.memory.mode.send_replace(Mode::Refuse);
    let reply = cleared[0].reply();
    let frames = vec![Masked::framing(b"row".to_vec())];
    let releasing = world.session.finish(
        reply,
        None,
        frames,
        EndStatus::Complete,
        None,
        std::collections::BTreeMap::new(),
    );
    assert!(releasing.durable().await.is_err());
    world.memory.mode.send_replace(Mode::Durable);
    let World { memory, session, .. } = world;
    session.close("ledger").await.unwrap();
    let kinds = memory.kinds();
    let end = &kinds[kinds.len() - 4..];
    assert_eq!(end, ["command", "command-sealed", "response-end", "session-closed"]);
    assert_eq!(contents(&memory, &identity), [(1, Outcome::Allowed, b"ahead".to_vec())]);
}

#[tokio::test]
async fn what_is_too_long_for_its_copy_is_denied_and_passes_where_nothing_is_copied() {
    let (_, policy) = sealing();
    let longest = vec![b'x'; COMMAND_BYTES_MAX];
    let longer = [longest.as_slice(), b"x"].concat();
    let mut sealed = world_of(&policy).await;
    assert!(matches!(
        sealed.session.decide(asking(Action::Read, &longest, Reach::Anything)),
        Ruling::Permit(_)
    ));
    let Ruling::Denial(denial) = sealed.session.decide(asking(Action::Read, &longer, Reach::Anything)) else {
        panic!("it has no room in a copy")
    };
    sealed.session.refuse(denial).await.unwrap();
    let found = commands(&sealed.memory.events.lock().unwrap());
    let (_, command, parts) = &found[0];
    let cause = Attribute::Text(TOO_LONG.to_owned());
    assert_eq!(command.facts.attributes.get(UNPROVEN), Some(&cause));
    assert_eq!((command.outcome, parts.len()), (Outcome::Denied, 0));
    assert_eq!(command.digest, DigestKey::new([2; 32]).digest(&longer));
    let plain = world().await;
    assert!(matches!(
        plain.session.decide(asking(Action::Read, &longer, Reach::Anything)),
        Ruling::Permit(_)
    ));
}

#[tokio::test]
async fn nothing_is_copied_of_targets_that_the_policy_does_not_name() {
    let (_, policy) = sealing();
    let other = format!("{policy}targets = [\"other\"]\n[[targets]]\nname = \"other\"\nprotocol = \"postgres\"\n");
    for policy in [POLICY, &other] {
        let mut world = world_of(policy).await;
        let permits = vec![permit(&world, b"exact", Reach::Anything)];
        world.session.record(permits).await.unwrap();
        assert_eq!(world.memory.kinds().last(), Some(&"command"));
    }
}

#[test]
fn no_copy_shows_what_it_holds_and_no_two_are_alike() {
    let identity = age::x25519::Identity::generate();
    let recipient = Recipient::parse(&identity.to_public().to_string()).unwrap();
    let sealing = Sealing::new(&[recipient]).unwrap().unwrap();
    let exact = b"SELECT * FROM patients WHERE ssn = '123-45-6789'";
    let (one, two) = (sealing.seal(exact).unwrap(), sealing.seal(exact).unwrap());
    assert_ne!(one, two);
    assert!(
        !one.windows(6)
            .any(|window| exact.windows(6).any(|clear| clear == window))
    );
    assert_eq!(opened(&identity, &one), exact);
    let stranger = age::x25519::Identity::generate();
    let decryptor = age::Decryptor::new_buffered(one.as_slice()).unwrap();
    assert!(decryptor.decrypt([&stranger].into_iter().map(dynamic)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// What the policy takes for a recipient, the encryption takes, too.
    #[test]
    fn the_policy_and_the_encryption_know_the_same_recipients(place in 0_usize..62, other in "[a-z0-9]") {
        let text = age::x25519::Identity::generate().to_public().to_string();
        let recipient = Recipient::parse(&text).unwrap();
        prop_assert!(Sealing::new(&[recipient]).unwrap().is_some());
        let mut changed = text.clone();
        changed.replace_range(place..=place, &other);
        if let Ok(recipient) = Recipient::parse(&changed) {
            prop_assert_eq!(&changed, &text, "one character away is no recipient");
            prop_assert!(Sealing::new(&[recipient]).is_ok());
        }
    }
}
