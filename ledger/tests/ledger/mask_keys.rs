//! Keys of masks: what the ledger takes of a proxy's announcements and of the sessions under them, also after a restart.

use exhibit_ledger::Ledger;
use exhibit_schemas::event::trust::{MaskKeyAnnounced, MaskKeyId};
use exhibit_schemas::event::{Body, SessionId, SessionPlace};
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::wire::RefusalCode;

use crate::fixture::{begin, check_whole, event, open, opened, proxy, start, submit};

fn announced(key: u8, replaces: &[u8]) -> Body {
    MaskKeyAnnounced {
        key: MaskKeyId([key; 16]),
        replaces: replaces.iter().map(|key| MaskKeyId([*key; 16])).collect(),
    }
    .into()
}

/// A session of this number that names this key.
fn session(number: u8, key: Option<u8>) -> (Option<SessionPlace>, Body) {
    let mut body = opened();
    body.mask_key = key.map(|key| MaskKeyId([key; 16]));
    (Some(SessionPlace(SessionId([number; 16]), 0)), body.into())
}

fn sealed(chain: Chain, bodies: Vec<(Option<SessionPlace>, Body)>) -> Sealed {
    let events = bodies.into_iter();
    let events = events.map(|(place, body)| event(&proxy(), chain.boot, place, body));
    Sealed::seal(events.collect(), chain, &proxy()).unwrap()
}

fn refused(ledger: &Ledger, chain: Chain, bodies: Vec<(Option<SessionPlace>, Body)>) {
    let size = check_whole(ledger);
    let refusal = submit(ledger, &sealed(chain, bodies)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::Key, "{}", refusal.text);
    assert_eq!(check_whole(ledger), size, "it is refused whole");
}

fn take(ledger: &Ledger, chain: &mut Chain, bodies: Vec<(Option<SessionPlace>, Body)>) -> Chain {
    let batch = sealed(*chain, bodies);
    submit(ledger, &batch).unwrap();
    *chain = batch.next();
    *chain
}

/// Where the proxy stands after its next start.
fn restarted(chain: Chain) -> Chain {
    Chain {
        boot: chain.boot + 1,
        sequence: 0,
        ..chain
    }
}

#[test]
fn a_proxy_masks_under_the_key_that_it_announced_last_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    let ledger = open(&config);
    let mut chain = start(10);
    // One of a version that knows no keys of masks.
    take(&ledger, &mut chain, vec![session(1, None)]);
    // The session may stand in the same batch as the announcement, behind it.
    let at = take(
        &ledger,
        &mut chain,
        vec![(None, announced(1, &[])), session(2, Some(1))],
    );
    refused(&ledger, at, vec![session(3, None)]);
    refused(&ledger, at, vec![session(3, Some(2))]);
    refused(&ledger, at, vec![(None, announced(2, &[]))]);
    refused(&ledger, at, vec![session(3, Some(2)), (None, announced(2, &[1]))]);
    let at = take(
        &ledger,
        &mut chain,
        vec![(None, announced(1, &[])), session(3, Some(1))],
    );
    // Sessions of this run are open under the first key.
    refused(&ledger, at, vec![(None, announced(2, &[1]))]);
    chain = restarted(at);
    refused(&ledger, chain, vec![(None, announced(2, &[1])), session(4, Some(1))]);
    take(
        &ledger,
        &mut chain,
        vec![(None, announced(2, &[1])), session(4, Some(2))],
    );
    ledger.shutdown();

    let ledger = open(&config);
    refused(&ledger, chain, vec![session(5, Some(1))]);
    refused(&ledger, chain, vec![(None, announced(1, &[2]))]);
    refused(&ledger, restarted(chain), vec![(None, announced(3, &[1]))]);
    refused(&ledger, chain, vec![(None, announced(4, &[3, 2]))]);
    let batch = sealed(
        restarted(chain),
        vec![(None, announced(4, &[3, 2])), session(5, Some(4))],
    );
    submit(&ledger, &batch).unwrap();
    let keyring = ledger.shared().keyring();
    let (_, record) = keyring.keys().find(|(_, record)| !record.mask_keys.is_empty()).unwrap();
    let known: Vec<_> = record
        .mask_keys
        .iter()
        .map(|term| (term.key.0[0], term.ended.is_some()))
        .collect();
    assert_eq!(known, [(1, true), (2, true), (4, false)]);
}
