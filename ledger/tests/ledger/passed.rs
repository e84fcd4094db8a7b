//! What comes of requests that were approved, and what takes approvals back.

use exhibit_ledger::Ledger;
use exhibit_ledger::projection::PassedRecord;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Frame, Outcome, ResponseChunk, ResponseEnd};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalRevoked, Grant, GrantBounds, GrantScope, Terms,
    Verdict,
};
use exhibit_schemas::event::trust::{KeyEnrolled, Role};
use exhibit_schemas::event::{Body, SessionId, Timestamp};
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::RefusalCode;

use crate::fixture::{administrator, begin, beginning, event, key, now, open, opened, proxy, start, submit};
use crate::rebuild::requested;
use crate::retries::{closed, command, send};

fn passed(ledger: &Ledger) -> Vec<(Digest, PassedRecord)> {
    let approvals = ledger.approvals().unwrap();
    approvals
        .into_iter()
        .filter_map(|(leaf, record)| Some((leaf, record.passed?)))
        .collect()
}

fn chunk(command: u64, rows: usize) -> Body {
    ResponseChunk {
        command,
        chunk: 0,
        columns: None,
        frames: vec![Frame::Row(vec![Some(Bytes(b"x".to_vec()))]); rows],
        framed_rows: Some(3),
        patients: None,
    }
    .into()
}

fn end(command: u64) -> Body {
    ResponseEnd {
        command,
        status: "complete".into(),
        code: None,
        chunks: 1,
        rows: 5,
        bytes: 5,
        masked: std::collections::BTreeMap::new(),
        uncommitted: None,
        changed: None,
    }
    .into()
}

/// Enrols ada, who may decide.
fn enrol(ledger: &Ledger) {
    let enrolled = KeyEnrolled {
        key: key(7).public_key().to_bytes(),
        role: Role::Person,
        name: "ada".into(),
        groups: vec!["dba".into()],
        application: None,
    };
    let chain = Chain {
        boot: 2,
        sequence: 0,
        previous: beginning()[0].next().previous,
    };
    let enrolled = event(&administrator(), 2, None, enrolled);
    submit(ledger, &Sealed::seal(vec![enrolled], chain, &administrator()).unwrap()).unwrap();
}

/// A ledger in which somebody may decide, and one session whose request, at that index, was approved.
fn begun(ledger: &Ledger) -> (Chain, Digest, u64) {
    enrol(ledger);
    let asks = vec![(0, opened().into()), (1, requested().into())];
    let chain = send(ledger, &proxy(), start(10), 1, asks);
    let (request, record) = ledger.approvals().unwrap().remove(0);
    assert!(record.waits());
    let chain = send(ledger, &proxy(), chain, 1, vec![(2, command(Outcome::Approved, None))]);
    (chain, request, record.index)
}

#[test]
fn what_was_approved_is_kept_in_mind_until_its_reply_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let (chain, request, _) = begun(&ledger);
    let chain = send(&ledger, &proxy(), chain, 1, vec![(3, chunk(2, 2)), (4, chunk(9, 7))]);
    let found = PassedRecord {
        commands: 1,
        rows: 5,
        open: 1,
        rows_most: None,
        commands_most: None,
        until_us: None,
    };
    assert_eq!(passed(&ledger), [(request, found)]);
    ledger.shutdown();
    let ledger = open(&config);
    assert_eq!(passed(&ledger).len(), 1, "it outlives a start of the ledger");
    send(&ledger, &proxy(), chain, 1, vec![(5, end(2))]);
    assert_eq!(ledger.approvals().unwrap(), []);
}

#[test]
fn what_is_not_committed_is_kept_in_mind_until_it_is_or_its_session_ends() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let (chain, request, _) = begun(&ledger);
    let open_ones = |ledger: &Ledger| -> Vec<_> {
        let all = passed(ledger).into_iter();
        all.map(|(leaf, passed)| (leaf, passed.open)).collect()
    };
    let leaves = |command: u64, uncommitted: Option<Vec<u64>>| -> Body {
        let Body::ResponseEnd(body) = end(command) else {
            panic!("it is an end")
        };
        ResponseEnd { uncommitted, ..body }.into()
    };
    let other = |place| (place, about(None, Outcome::Allowed));
    let first = vec![(3, leaves(2, Some(vec![2]))), other(4), (5, leaves(4, Some(vec![2])))];
    let chain = send(&ledger, &proxy(), chain, 1, first);
    assert_eq!(open_ones(&ledger), [(request, 1)]);
    ledger.shutdown();
    let ledger = open(&config);
    assert_eq!(open_ones(&ledger), [(request, 1)], "it outlives a start of the ledger");
    let chain = send(&ledger, &proxy(), chain, 1, vec![other(6), (7, leaves(6, None))]);
    assert_eq!(ledger.approvals().unwrap(), [], "it is committed, or taken back");
    // Nothing that was settled comes back.
    send(
        &ledger,
        &proxy(),
        chain,
        1,
        vec![other(8), (9, leaves(8, Some(vec![2])))],
    );
    assert_eq!(ledger.approvals().unwrap(), []);
}

#[test]
fn what_is_not_committed_when_its_session_ends_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let (chain, ..) = begun(&ledger);
    let Body::ResponseEnd(body) = end(2) else {
        panic!("it is an end")
    };
    let left = ResponseEnd {
        uncommitted: Some(vec![2]),
        ..body
    };
    let chain = send(&ledger, &proxy(), chain, 1, vec![(3, left.into())]);
    assert_eq!(passed(&ledger).len(), 1);
    send(&ledger, &proxy(), chain, 1, vec![(4, closed())]);
    assert_eq!(ledger.approvals().unwrap(), []);
}

/// A command about which the request at that place of its session asked; none asked about it where that is `None`.
fn about(request: Option<u64>, outcome: Outcome) -> Body {
    let Body::Command(body) = command(outcome, None) else {
        panic!("it is a command")
    };
    Command { request, ..body }.into()
}

#[test]
fn each_of_several_requests_of_one_pipeline_comes_to_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let questions = (1..=4).map(|place| (place, requested().into()));
    let asks = std::iter::once((0, opened().into())).chain(questions).collect();
    let chain = send(&ledger, &proxy(), start(10), 1, asks);
    // While one is asked about, those before it still wait.
    let mut asked = ledger.approvals().unwrap();
    asked.sort_by_key(|(_, record)| record.index);
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|place: usize| asked[place].0);
    assert!(asked.iter().all(|(_, record)| record.waits()));
    let expired = ApprovalExpired {
        request: 3,
        reason: "time".into(),
    };
    let pipeline = vec![
        (5, about(None, Outcome::Allowed)),
        (6, about(Some(1), Outcome::Approved)),
        (7, about(Some(2), Outcome::Approved)),
        (8, expired.into()),
        (9, about(Some(3), Outcome::Expired)),
        (10, chunk(6, 2)),
        (11, chunk(7, 1)),
        (12, end(6)),
    ];
    let chain = send(&ledger, &proxy(), chain, 1, pipeline);
    let found: Vec<_> = passed(&ledger)
        .into_iter()
        .map(|(leaf, passed)| (leaf, passed.rows, passed.open))
        .collect();
    assert_eq!(found, [(second, 4, 1)]);
    let left: Vec<_> = ledger.approvals().unwrap().into_iter().map(|(leaf, _)| leaf).collect();
    assert!(!left.contains(&first) && !left.contains(&third) && left.contains(&fourth));
    // The close ends what nothing came of.
    send(&ledger, &proxy(), chain, 1, vec![(13, end(7)), (14, closed())]);
    assert_eq!(ledger.approvals().unwrap(), []);
}

/// Asks in another session of a proxy that was started so, which takes out what is over.
fn asks(ledger: &Ledger, chain: Chain, session: u8) -> Chain {
    let asks = vec![(0, opened().into()), (1, requested().into())];
    send(ledger, &proxy(), chain, session, asks)
}

#[test]
fn what_is_released_for_longer_than_a_day_stays_in_mind_as_long_as_its_proxy_runs() {
    const DAYS_US: u64 = 2 * 86_400_000_000;
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let old = ApprovalRequested {
        expires: Timestamp(now().0 - DAYS_US),
        ..requested()
    };
    let long = vec![
        (0, opened().into()),
        (1, old.clone().into()),
        (2, about(Some(1), Outcome::Approved)),
        (3, old.into()),
    ];
    let chain = send(&ledger, &proxy(), start(10), 1, long);
    let chain = asks(&ledger, chain, 2);
    let found = |ledger: &Ledger| (passed(ledger).len(), ledger.approvals().unwrap().len());
    assert_eq!(found(&ledger), (1, 2), "what waited is gone, and what passes is not");
    let again = Chain {
        boot: 11,
        sequence: 0,
        ..chain
    };
    asks(&ledger, again, 3);
    assert_eq!(found(&ledger), (0, 2), "a proxy that was started anew releases nothing");
}

#[test]
fn a_grant_is_kept_in_mind_until_its_uses_are_gone() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    enrol(&ledger);
    let mut asks = requested();
    asks.requirement.grants = Some(GrantBounds {
        scopes: vec![GrantScope::Session],
        minutes: 60,
        uses: 100,
        rows: Some(9),
    });
    let asks = vec![(0, opened().into()), (1, asks.into())];
    let chain = send(&ledger, &proxy(), start(10), 1, asks);
    let (request, _) = ledger.approvals().unwrap().remove(0);
    let requested = requested();
    let decided = ApprovalDecided {
        request,
        command: requested.command,
        session: SessionId([1; 16]),
        target: requested.target,
        policy: requested.decision.policy,
        expires: requested.expires,
        verdict: Verdict::Approve,
        reason: "fine".into(),
        terms: Some(Terms {
            rows: None,
            grant: Some(Grant {
                scope: GrantScope::Session,
                minutes: 30,
                uses: 2,
            }),
        }),
    };
    let decided = event(&key(7), 5, None, decided);
    let leaf = Digest::leaf(&decided.0);
    submit(&ledger, &Sealed::seal(vec![decided], start(5), &key(7)).unwrap()).unwrap();
    let by = |retries| {
        let Body::Command(body) = command(Outcome::Approved, retries) else {
            panic!("it is a command")
        };
        let approvals = Some(vec![leaf]);
        Body::from(Command { approvals, ..body })
    };
    let chain = send(
        &ledger,
        &proxy(),
        chain,
        1,
        vec![(2, by(None)), (3, chunk(2, 2)), (4, end(2))],
    );
    let found = PassedRecord {
        commands: 1,
        rows: 5,
        open: 0,
        rows_most: Some(9),
        commands_most: Some(2),
        until_us: Some(now().0 + 30 * 60_000_000),
    };
    assert_eq!(passed(&ledger), [(request, found)]);
    let again = vec![(5, by(Some(request))), (6, chunk(5, 1))];
    let chain = send(&ledger, &proxy(), chain, 1, again);
    let [
        (
            _,
            PassedRecord {
                commands: 2,
                rows: 9,
                open: 1,
                ..
            },
        ),
    ] = passed(&ledger)[..]
    else {
        panic!("{:?}", passed(&ledger));
    };
    send(&ledger, &proxy(), chain, 1, vec![(7, end(5))]);
    assert_eq!(ledger.approvals().unwrap(), []);
}

#[test]
fn a_session_that_closes_leaves_nothing_in_mind() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let (chain, _, _) = begun(&ledger);
    send(&ledger, &proxy(), chain, 1, vec![(3, closed())]);
    assert_eq!(ledger.approvals().unwrap(), []);
}

#[test]
fn a_person_takes_back_what_people_were_asked_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let (_, request, index) = begun(&ledger);
    let revoked = ApprovalRevoked {
        index,
        request,
        session: SessionId([1; 16]),
        reason: "the wrong month".into(),
    };
    let sealed = |body: ApprovalRevoked, boot| {
        Sealed::seal(vec![event(&key(7), boot, None, body)], start(boot), &key(7)).unwrap()
    };
    let wrong = [
        ApprovalRevoked {
            index: index + 1,
            ..revoked.clone()
        },
        ApprovalRevoked {
            request: Digest([9; 32]),
            ..revoked.clone()
        },
        ApprovalRevoked {
            session: SessionId([9; 16]),
            ..revoked.clone()
        },
    ];
    for body in wrong {
        let refused = submit(&ledger, &sealed(body, 5)).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Request);
    }
    assert_eq!(passed(&ledger).len(), 1);
    submit(&ledger, &sealed(revoked.clone(), 5)).unwrap();
    assert_eq!(passed(&ledger).len(), 1);
    // Nobody sends them without end.
    let mut chain = sealed(revoked.clone(), 5).next();
    for number in 1..=200 {
        let again = vec![event(&key(7), 5, None, revoked.clone())];
        let again = Sealed::seal(again, chain, &key(7)).unwrap();
        chain = again.next();
        let answer = submit(&ledger, &again);
        assert_eq!(answer.is_ok(), number < 200, "{number}: {answer:?}");
    }
    // Whether it counts says the proxy, which ends the reply then; until it has, others find what they may take back.
    assert_eq!(passed(&ledger).len(), 1);
}
