//! What breaks the record, by events that are signed again: 312.b and 312.c.2. Nothing is read from such a record.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{CommandData, CommandSealed, ResponseEnd};
use exhibit_schemas::event::trust::{
    CatalogSnapshot, EvidenceRead, KeyRevoked, MaskKeyAnnounced, MaskKeyId, PolicySnapshot,
};
use exhibit_schemas::event::{Body, Kind};
use exhibit_tests::bundle_builder::clinic::{
    ADMINISTRATOR, Clinic, DAVE, POLICY, PROXY, SEALING, SECOND_PROXY, clinic, clinic_under,
};
use exhibit_tests::bundle_builder::key_id;

use super::plans::{
    Place, approval, chunk_mut, closed_mut, end_mut, event, insert, of, of_kind, put, read, remove, reseal,
};
use super::{Case, Planted, Wanted, planted};

const AUDIT: &str = "312.b";
const INTEGRITY: &str = "312.c.2";

/// The session of which something is changed: nobody is asked in it.
const ONE: usize = 1;

/// The last one, behind which nobody opens a copy.
const LAST: usize = 5;

pub(super) const CASES: &[Case] = &[
    ("a time that goes back", || {
        planted(clinic(6), |plan| {
            let (_, _, end) = read(plan, ONE);
            plan.event_mut(end).time.0 -= 500_000;
            said(AUDIT, "time-order", end)
        })
    }),
    ("an opening that is gone", || {
        planted(clinic(6), |plan| {
            let opening = of_kind(plan, Kind::SessionOpened)[ONE];
            let (command, _, _) = read(plan, ONE);
            plan.remove(opening);
            said(AUDIT, "session-chain", (command.0 - 1, command.1))
        })
    }),
    ("a close that counts fewer commands", || {
        planted(clinic(6), |plan| {
            let close = of(plan, ONE, Kind::SessionClosed)[0];
            closed_mut(plan, close).commands -= 1;
            said(AUDIT, "session-totals", close)
        })
    }),
    ("a session without a close", || {
        planted(clinic(6), |plan| {
            let opening = of_kind(plan, Kind::SessionOpened)[5];
            plan.batches.pop();
            said(AUDIT, "session-open", opening)
        })
    }),
    ("data of a command that was denied", || {
        planted(clinic(6), |plan| {
            let command = of(plan, ONE, Kind::Command)[1];
            let body = CommandData {
                command: plan.event(command).session.unwrap().1,
                part: 0,
                bytes: 1,
                digest: Digest([3; 32]),
            };
            let place = insert(plan, command, body.into());
            said(AUDIT, "command-data", place)
        })
    }),
    ("a response to nothing", || {
        planted(clinic(6), |plan| {
            let (_, _, end) = read(plan, ONE);
            let Body::ResponseEnd(body) = plan.event(end).body.clone() else {
                panic!("an end was looked for");
            };
            // What had ended ends again.
            let place = insert(plan, end, ResponseEnd { ..body }.into());
            said(AUDIT, "response-command", place)
        })
    }),
    ("a chunk that does not follow", || {
        planted(clinic(6), |plan| {
            let (_, chunk, end) = read(plan, ONE);
            let last = (chunk.0, 2);
            chunk_mut(plan, last).chunk = 3;
            end_mut(plan, end).chunks = 4;
            said(AUDIT, "response-chunk", last)
        })
    }),
    ("an end that counts more bytes", || {
        planted(clinic(6), |plan| {
            let (_, _, end) = read(plan, ONE);
            end_mut(plan, end).bytes += 1;
            said(AUDIT, "response-totals", end)
        })
    }),
    ("a command without its end", || {
        planted(clinic(6), |plan| {
            let (command, _, end) = read(plan, ONE);
            remove(plan, end);
            said(AUDIT, "response-open", command)
        })
    }),
    ("a command without its copy", || {
        planted(sealing(), |plan| {
            let (batch, place) = read(plan, LAST).0;
            for _ in 0..2 {
                remove(plan, (batch, place + 1));
            }
            said(AUDIT, "copy-missing", (batch, place))
        })
    }),
    ("a copy without its first part", || {
        planted(sealing(), |plan| {
            let (batch, place) = read(plan, LAST).0;
            remove(plan, (batch, place + 1));
            said(AUDIT, "copy-part", (batch, place + 1))
        })
    }),
    ("a copy in clear", || {
        planted(sealing(), |plan| {
            let (batch, place) = read(plan, LAST).0;
            if let Body::CommandSealed(part) = &mut plan.event_mut((batch, place + 1)).body {
                part.bytes = Bytes(b"SELECT 1".to_vec());
            }
            said(AUDIT, "copy-form", (batch, place + 1))
        })
    }),
    ("a copy that nobody asks for", || {
        planted(clinic(6), |plan| {
            let (command, _, _) = read(plan, ONE);
            let body = CommandSealed {
                command: plan.event(command).session.unwrap().1,
                part: 0,
                parts: 1,
                bytes: Bytes(b"age".to_vec()),
            };
            let place = insert(plan, command, body.into());
            said(AUDIT, "copy-unasked", place)
        })
    }),
    ("copies", || planted(sealing(), |_| Vec::new())),
    ("another beginning", || {
        planted(clinic(6), |plan| {
            if let Body::Genesis(body) = &mut plan.event_mut((0, 0)).body {
                body.origin = "other.example/log".into();
            }
            said(INTEGRITY, "genesis-anchors", (0, 0))
        })
    }),
    ("a decision by a revoked key", || {
        planted(clinic(6), |plan| {
            let (_, decisions, _) = approval(plan, 3);
            reseal(plan, decisions[0].0, DAVE);
            said(INTEGRITY, "key-not-in-force", decisions[0])
        })
    }),
    ("approved by a proxy", || {
        planted(clinic(6), |plan| {
            let (_, decisions, _) = approval(plan, 3);
            reseal(plan, decisions[0].0, PROXY);
            // Said of the key alone; that the decision does not count would be read from a record that is broken.
            said(INTEGRITY, "key-role", decisions[0])
        })
    }),
    ("a key that is revoked again", || {
        planted(clinic(6), |plan| {
            let revoked = of_kind(plan, Kind::KeyRevoked)[0];
            let body = KeyRevoked {
                key: key_id(DAVE),
                reason: "left".into(),
            };
            let place = put(plan, revoked.0 + 1, ADMINISTRATOR, body.into());
            said(INTEGRITY, "key-event", place)
        })
    }),
    ("events of another emitter than their seal's", || {
        planted(clinic(6), |plan| {
            // The batch of an end is sealed by a key that seals nothing else.
            let (_, _, end) = read(plan, ONE);
            plan.batches[end.0].seed = DAVE;
            said(INTEGRITY, "event-unsealed", end)
        })
    }),
    ("a policy with another digest", || {
        planted(clinic(6), |plan| {
            let body = PolicySnapshot {
                policy: Digest([9; 32]),
                part: 0,
                parts: 1,
                bytes: Bytes(POLICY.as_bytes().to_vec()),
            };
            let place = put(plan, plan.batches.len(), SECOND_PROXY, body.into());
            said(INTEGRITY, "policy-digest", place)
        })
    }),
    ("a catalog with another digest", || {
        planted(clinic(6), |plan| {
            let body = CatalogSnapshot {
                target: "clinic".into(),
                catalog: Digest([9; 32]),
                part: 0,
                parts: 1,
                bytes: Bytes(b"{}".to_vec()),
            };
            let place = put(plan, plan.batches.len(), SECOND_PROXY, body.into());
            said(INTEGRITY, "catalog-digest", place)
        })
    }),
    ("a reading in another's name", || {
        reading("read-author", |read| read.reader = "alice".into())
    }),
    ("a reading that counts none", || {
        reading("read-count", |read| read.by.as_mut().unwrap().times = 0)
    }),
    ("a reading that stands twice", || {
        planted(clinic(6), |plan| {
            let readings = of_kind(plan, Kind::EvidenceRead);
            plan.event_mut(readings[1]).body = plan.event(readings[0]).body.clone();
            said(INTEGRITY, "read-twice", readings[1])
        })
    }),
    ("a copy that is opened and is not there", || {
        planted(sealing(), |plan| {
            let place = plan.find(|event| matches!(&event.body, Body::EvidenceRead(read) if read.copy.is_some()))[0];
            if let Body::EvidenceRead(read) = &mut plan.event_mut(place).body {
                read.copy.as_mut().unwrap().leaf = Digest([7; 32]);
            }
            said(INTEGRITY, "reveal-copy", place)
        })
    }),
    ("a key of masks that replaces nothing", || {
        planted(clinic(6), |plan| {
            let place = *of_kind(plan, Kind::MaskKeyAnnounced).last().unwrap();
            if let Body::MaskKeyAnnounced(body) = &mut plan.event_mut(place).body {
                *body = MaskKeyAnnounced {
                    replaces: vec![MaskKeyId([9; 16])],
                    ..body.clone()
                };
            }
            said(INTEGRITY, "mask-key-order", place)
        })
    }),
];

fn said(row: &'static str, cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(row, cause, event(place))]
}

fn sealing() -> Clinic {
    clinic_under(&format!("{POLICY}{SEALING}"), 6)
}

/// What the ledger says of a person's first reading is changed.
fn reading(cause: &'static str, change: fn(&mut EvidenceRead)) -> Planted {
    planted(clinic(6), |plan| {
        let place = of_kind(plan, Kind::EvidenceRead)[0];
        if let Body::EvidenceRead(read) = &mut plan.event_mut(place).body {
            change(read);
        }
        said(INTEGRITY, cause, place)
    })
}
