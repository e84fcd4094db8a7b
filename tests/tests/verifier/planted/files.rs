//! What breaks the record, by its files and its entries as they are, which nobody signs again: 312.c.2 and 312.b.

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_tests::bundle_builder::clinic::{BOB, LEDGER, LOG, ORIGIN, START, clinic};
use exhibit_tests::bundle_builder::{Built, Slot, checkpoint, key, key_id, state_manifest};
use exhibit_verify::KeptHead;

use super::plans::{event, read, seal};
use super::{Case, Planted, Said};

const AUDIT: &str = "312.b";
const INTEGRITY: &str = "312.c.2";

/// More than the anchors may have.
const LONG_BYTES: usize = 2 * 1_024 * 1_024;

pub(super) const CASES: &[Case] = &[
    ("a file that is gone", || {
        file(true, &["file-missing"], |files, entries| {
            files.files.remove(&tile("tile/0", entries));
        })
    }),
    ("a file too much", || {
        file(true, &["file-unknown"], |files, _| {
            files.files.insert("notes.txt".into(), b"more".to_vec());
        })
    }),
    ("a file twice", || {
        file(true, &["file-duplicate"], |files, _| {
            let trust = files.files["trust.toml"].clone();
            files.again.insert("trust.toml".into(), trust);
        })
    }),
    ("a file that is too long", || {
        file(true, &["file-unreadable"], |files, _| {
            files.files.get_mut("trust.toml").unwrap().resize(LONG_BYTES, b'\n');
        })
    }),
    ("no manifest that can be read", || {
        file(false, &["manifest-format"], |files, _| {
            files.files.insert("manifest.json".into(), b"{}".to_vec());
        })
    }),
    ("a manifest that leaves a file out", || {
        file(false, &["manifest-entry"], |files, entries| {
            let without = tile("tile/0", entries);
            let bytes = files.files.remove(&without).unwrap();
            state(files, ORIGIN, entries);
            files.files.insert(without, bytes);
        })
    }),
    ("a manifest of other bytes", || {
        file(false, &["manifest-hash", "trust-differs"], |files, _| {
            files.files.get_mut("trust.toml").unwrap().push(b'\n');
        })
    }),
    ("a manifest of another log", || {
        file(false, &["manifest-head"], |files, entries| {
            state(files, "other.example/log", entries);
        })
    }),
    ("other anchors", || {
        file(true, &["trust-differs"], |files, _| {
            files.files.get_mut("trust.toml").unwrap().push(b'\n');
        })
    }),
    ("a head by another key", || {
        file(true, &["checkpoint-signature"], |files, entries| {
            let note = checkpoint(entries, ORIGIN, 99).note().as_bytes().to_vec();
            files.files.insert("checkpoint".into(), note);
        })
    }),
    ("a head of other entries", || {
        file(false, &["checkpoint-root"], |files, entries| {
            let mut others = entries.to_vec();
            others[7].push(0);
            let head = checkpoint(&others, ORIGIN, LOG);
            files.files.insert("checkpoint".into(), head.note().as_bytes().to_vec());
            state_manifest(&mut files.files, ORIGIN, size(entries), head.root());
        })
    }),
    ("entries that break off", || {
        let mut cut = file(true, &[], |files, entries| {
            let path = tile("tile/entries", entries);
            files.files.get_mut(&path).unwrap().pop();
        });
        let last = u64::try_from(clinic(6).plan.build().entries.len() - 1).unwrap();
        cut.said = vec![(INTEGRITY, "entry-bundle", Some(last))];
        cut
    }),
    ("a hash of another entry", || {
        let mut other = file(true, &[], |files, entries| {
            let path = tile("tile/0", entries);
            files.files.get_mut(&path).unwrap()[7 * 32] ^= 1;
        });
        other.said = vec![(INTEGRITY, "tile-hash", Some(7))];
        other
    }),
    ("a kept head by another key", || {
        kept("receipt-signature", |entries| {
            checkpoint(entries, ORIGIN, 99).note().to_owned()
        })
    }),
    ("a kept head of a longer log", || {
        kept("receipt-inconsistent", |entries| {
            let longer = [entries, &[vec![0xa0]]].concat();
            checkpoint(&longer, ORIGIN, LOG).note().to_owned()
        })
    }),
    ("a byte on the disk", || {
        // Everything over the entry says so: its seal, its tile, the root, and the manifest of the file that it is in.
        let mut flipped = file(false, &["manifest-hash", "checkpoint-root"], |planted, entries| {
            let files = &mut planted.files;
            let bytes = files.get_mut(&tile("tile/entries", entries)).unwrap();
            let place = bytes.windows(12).position(|window| window == b"DELETE FROM ");
            bytes[place.unwrap()] ^= 0x20;
        });
        let built = clinic(6).plan.build();
        let denied = built
            .entries
            .iter()
            .position(|entry| entry.windows(12).any(|window| window == b"DELETE FROM "));
        let at = Some(u64::try_from(denied.unwrap()).unwrap());
        flipped
            .said
            .extend([(INTEGRITY, "seal-root", at), (INTEGRITY, "tile-hash", at)]);
        flipped
    }),
    ("a byte of an event", || {
        entries(|entries, built| {
            let slot = place(built);
            let index = index(built, slot);
            let entry = &mut entries[usize::try_from(index).unwrap()];
            *entry.last_mut().unwrap() ^= 1;
            vec![(INTEGRITY, "seal-root", Some(index))]
        })
    }),
    ("an entry that is no event", || {
        entries(|entries, _| {
            let chain = Chain {
                boot: START + u64::from(BOB),
                sequence: 0,
                previous: None,
            };
            let sealed = Sealed::seal(vec![Bytes(vec![0xa0])], chain, &key(BOB)).unwrap();
            let index = u64::try_from(entries.len()).unwrap();
            entries.push(vec![0xa0]);
            entries.push(sealed.seal_bytes().0.clone());
            vec![(INTEGRITY, "event-format", Some(index))]
        })
    }),
    ("a seal that cannot be read", || {
        entries(|entries, built| {
            let Slot::Event { batch, .. } = place(built) else {
                panic!("an event was looked for");
            };
            let (first, last) = (index(built, place(built)), index(built, seal(batch)));
            entries[usize::try_from(last).unwrap()].push(0);
            vec![(INTEGRITY, "seal-format", Some(first))]
        })
    }),
    ("a seal of more events", || {
        entries(|entries, built| {
            // The first of three chunks is gone.
            let clinic = clinic(6);
            let (_, chunk, _) = read(&clinic.plan, 1);
            let at = index(built, event(chunk));
            entries.remove(usize::try_from(at).unwrap());
            vec![(INTEGRITY, "seal-count", Some(at)), (AUDIT, "session-chain", Some(at))]
        })
    }),
    ("a seal by another key", || {
        entries(|entries, built| {
            let Slot::Event { batch, .. } = place(built) else {
                panic!("an event was looked for");
            };
            let at = index(built, seal(batch));
            let entry = &mut entries[usize::try_from(at).unwrap()];
            let signature = key(77).sign(entry).unwrap();
            let from = entry.len() - signature.as_bytes().len();
            entry[from..].copy_from_slice(signature.as_bytes());
            // The next seal of its emitter names it by what it was.
            let next = next_seal(built, batch);
            vec![
                (INTEGRITY, "seal-signature", Some(at)),
                (AUDIT, "seal-chain", Some(next)),
            ]
        })
    }),
    ("a batch that is gone", || {
        entries(|entries, built| {
            // Of the three readings by token and key that the ledger tells one after the other, the second.
            let clinic = clinic(6);
            let told = clinic.plan.find(|event| event.emitter.0 == key_id(LEDGER));
            let at = index(built, event(told[1]));
            let from = usize::try_from(at).unwrap();
            entries.drain(from..from + 2);
            vec![(AUDIT, "seal-chain", Some(at + 1))]
        })
    }),
    ("an event without a seal", || {
        entries(|entries, built| {
            let at = entries.len() - 1;
            assert!(matches!(built.slots[at], Slot::Seal { .. }));
            entries.pop();
            vec![(INTEGRITY, "event-unsealed", Some(u64::try_from(at - 1).unwrap()))]
        })
    }),
];

/// The files of the clinic's log, changed; `stated`, with a manifest of what they are then.
fn file(stated: bool, causes: &[&'static str], change: fn(&mut Planted, &[Vec<u8>])) -> Planted {
    let clinic = clinic(6);
    let entries = clinic.plan.build().entries;
    let said = causes.iter().map(|cause| (INTEGRITY, *cause, None)).collect();
    let mut planted = Planted::of(&clinic, &entries, said);
    change(&mut planted, &entries);
    if stated {
        state(&mut planted, ORIGIN, &entries);
    }
    planted
}

fn state(planted: &mut Planted, origin: &str, entries: &[Vec<u8>]) {
    let root = checkpoint(entries, ORIGIN, LOG).root();
    state_manifest(&mut planted.files, origin, size(entries), root);
}

fn size(entries: &[Vec<u8>]) -> TreeSize {
    TreeSize(u64::try_from(entries.len()).unwrap())
}

/// The one tile of a kind, which the log does not fill.
fn tile(kind: &str, entries: &[Vec<u8>]) -> String {
    format!("{kind}/000.p/{}", entries.len())
}

/// A head that somebody kept.
fn kept(cause: &'static str, note: fn(&[Vec<u8>]) -> String) -> Planted {
    let clinic = clinic(6);
    let entries = clinic.plan.build().entries;
    let mut planted = Planted::of(&clinic, &entries, vec![(INTEGRITY, cause, None)]);
    planted.heads = vec![KeptHead {
        name: "kept".into(),
        note: note(&entries),
    }];
    planted
}

/// The entries of the clinic's log, changed, under a new head of the log's own key.
fn entries(change: fn(&mut Vec<Vec<u8>>, &Built) -> Vec<Said>) -> Planted {
    let clinic = clinic(6);
    let built = clinic.plan.build();
    let mut entries = built.entries.clone();
    let said = change(&mut entries, &built);
    Planted::of(&clinic, &entries, said)
}

/// The end of the first reply of the second session, alone under its seal.
fn place(_: &Built) -> Slot {
    let (_, _, end) = read(&clinic(6).plan, 1);
    event(end)
}

fn index(built: &Built, slot: Slot) -> u64 {
    built.index(slot).0
}

/// The next seal of the key that seals a batch.
fn next_seal(built: &Built, batch: usize) -> u64 {
    let batches = clinic(6).plan.batches;
    let next = (batch + 1..batches.len()).find(|next| batches[*next].seed == batches[batch].seed);
    index(built, seal(next.unwrap()))
}
