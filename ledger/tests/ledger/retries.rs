//! Requests that stay open longer than their session waits.

use exhibit_ledger::Ledger;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Outcome, SessionClosed};
use exhibit_schemas::event::trust::{KeyEnrolled, Role};
use exhibit_schemas::event::{Body, SessionId, SessionPlace};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::seal::{Chain, Sealed};

use crate::fixture::{administrator, begin, beginning, event, key, open, opened, proxy, start, submit};
use crate::rebuild::requested;

/// Sends the next events of a session.
pub(crate) fn send(ledger: &Ledger, signer: &SecretKey, chain: Chain, session: u8, bodies: Vec<(u64, Body)>) -> Chain {
    let id = SessionId([session; 16]);
    let events = bodies.into_iter().map(|(sequence, body)| {
        let place = Some(SessionPlace(id, sequence));
        event(signer, chain.boot, place, body)
    });
    let sealed = Sealed::seal(events.collect(), chain, signer).unwrap();
    submit(ledger, &sealed).unwrap();
    sealed.next()
}

pub(crate) fn command(outcome: Outcome, retries: Option<Digest>) -> Body {
    let requested = requested();
    Command {
        statement: requested.statement,
        digest: requested.command,
        facts: requested.facts,
        decision: requested.decision,
        outcome,
        parameters: Vec::new(),
        request: retries.is_none().then_some(1),
        approvals: None,
        retries,
        statement_fingerprint: None,
        described: None,
    }
    .into()
}

pub(crate) fn closed() -> Body {
    let reason = "agent".into();
    let (commands, bytes) = (1, 0);
    SessionClosed {
        reason,
        commands,
        bytes,
    }
    .into()
}

fn waiting(ledger: &Ledger) -> Vec<Digest> {
    let approvals = ledger.approvals().unwrap();
    let waiting = approvals.into_iter().filter(|(_, record)| record.waits());
    waiting.map(|(leaf, _)| leaf).collect()
}

#[test]
fn a_request_that_stays_open_waits_until_a_retry_at_its_proxy_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = open(&begin(directory.path()));
    let other = key(9);
    let enrolled = KeyEnrolled {
        key: other.public_key().to_bytes(),
        role: Role::Proxy,
        name: "other".into(),
        groups: vec![],
        application: None,
    };
    let previous = beginning()[0].next().previous;
    let chain = Chain {
        boot: 2,
        sequence: 0,
        previous,
    };
    let enrolled = event(&administrator(), 2, None, enrolled);
    submit(&ledger, &Sealed::seal(vec![enrolled], chain, &administrator()).unwrap()).unwrap();

    let asks = vec![(0, opened().into()), (1, requested().into())];
    let chain = send(&ledger, &proxy(), start(10), 1, asks);
    let [request] = waiting(&ledger)[..] else {
        panic!("one request");
    };
    let leaves = vec![(2, command(Outcome::Postponed, None)), (3, closed())];
    let chain = send(&ledger, &proxy(), chain, 1, leaves);
    assert_eq!(
        waiting(&ledger),
        [request],
        "neither the command nor the close ended it"
    );

    let waits = vec![(0, opened().into()), (1, command(Outcome::Postponed, Some(request)))];
    let chain = send(&ledger, &proxy(), chain, 2, waits);
    assert_eq!(waiting(&ledger), [request]);

    let foreign = vec![(0, opened().into()), (1, command(Outcome::Approved, Some(request)))];
    send(&ledger, &other, start(20), 3, foreign);
    assert_eq!(waiting(&ledger), [request], "another proxy has no part in it");

    let takes_up = vec![(2, command(Outcome::Approved, Some(request)))];
    send(&ledger, &proxy(), chain, 2, takes_up);
    assert_eq!(waiting(&ledger), []);
}
