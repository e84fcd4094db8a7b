//! Snapshots: policies and catalogs put together from their parts, and the policies that decisions name.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::snapshot::{POLICY_BYTES_MAX, Snapshot};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::{CatalogSnapshot, PolicySnapshot};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;

use crate::finding::{Code, Findings, Place};

/// Bytes of a catalog at the most: names and types of hundreds of thousands of columns.
const CATALOG_BYTES_MAX: usize = 1 << 25;

/// Snapshots that may be half read at once: one to an emitter is usual, and each holds its bytes.
const PARTIAL_MAX: usize = 16;

/// What a half-read snapshot is told apart by: its emitter, its target (empty for a policy) and its digest.
type PartialKey = (KeyId, String, Digest);

/// A policy that the log holds whole.
pub(crate) struct Policy {
    pub(crate) snapshot: Snapshot,
    /// Index of its last part, when it was first held whole.
    pub(crate) index: Index,
    pub(crate) bytes: usize,
}

#[derive(Default)]
pub(crate) struct Policies {
    whole: BTreeMap<Digest, Policy>,
    partial: BTreeMap<PartialKey, Partial>,
    missed: BTreeSet<Digest>,
    /// Entries are missing, and a snapshot may have been among them.
    pub(crate) after_gap: bool,
}

struct Partial {
    first: Index,
    next: u64,
    parts: u64,
    bytes: Vec<u8>,
}

/// One part of a snapshot, of either kind.
struct Part<'a> {
    index: Index,
    number: u64,
    parts: u64,
    bytes: &'a [u8],
    limit: usize,
    code: Code,
}

impl Policies {
    /// Every policy, by digest.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Digest, &Policy)> {
        self.whole.iter()
    }

    /// The policy that an event names; where it is not there, that is said once.
    pub(crate) fn find(&mut self, digest: Digest, index: Index, findings: &mut Findings) -> Option<&Snapshot> {
        if !self.whole.contains_key(&digest) && !self.after_gap && self.missed.insert(digest) {
            findings.add(Code::PolicyMissing, Place::Entry(index), format!("policy {digest}"));
        }
        self.whole.get(&digest).map(|policy| &policy.snapshot)
    }

    /// A policy that was looked up before.
    pub(crate) fn get(&self, digest: Digest) -> Option<&Snapshot> {
        self.whole.get(&digest).map(|policy| &policy.snapshot)
    }

    /// Takes a part of a policy.
    pub(crate) fn policy(&mut self, index: Index, emitter: KeyId, body: &PolicySnapshot, findings: &mut Findings) {
        let part = Part {
            index,
            number: body.part,
            parts: body.parts,
            bytes: &body.bytes.0,
            limit: POLICY_BYTES_MAX,
            code: Code::PolicyDigest,
        };
        let Some(bytes) = self.part((emitter, String::new(), body.policy), &part, findings) else {
            return;
        };
        match Snapshot::parse(&bytes) {
            Ok(snapshot) => {
                let bytes = bytes.len();
                let policy = Policy { snapshot, index, bytes };
                self.whole.entry(body.policy).or_insert(policy);
            }
            // The reader's own text quotes the file, which is no secret, but may be long.
            Err(_) => findings.add(
                Code::PolicyDigest,
                Place::Entry(index),
                "this program cannot read the policy",
            ),
        }
    }

    /// Takes a part of a catalog.
    pub(crate) fn catalog(&mut self, index: Index, emitter: KeyId, body: &CatalogSnapshot, findings: &mut Findings) {
        let part = Part {
            index,
            number: body.part,
            parts: body.parts,
            bytes: &body.bytes.0,
            limit: CATALOG_BYTES_MAX,
            code: Code::CatalogDigest,
        };
        self.part((emitter, body.target.clone(), body.catalog), &part, findings);
    }

    /// Puts a part to the ones before it; gives the whole when this was its last and its digest is right.
    fn part(&mut self, key: PartialKey, part: &Part<'_>, findings: &mut Findings) -> Option<Vec<u8>> {
        let digest = key.2;
        let mut refuse = |what: &str| findings.add(part.code, Place::Entry(part.index), what.to_owned());
        // A part 0 begins again: an emitter that was stopped half-way does so.
        let mut partial = match self.partial.remove(&key) {
            Some(partial) if part.number > 0 => partial,
            _ => Partial {
                first: part.index,
                next: 0,
                parts: part.parts,
                bytes: Vec::new(),
            },
        };
        if part.number != partial.next || part.parts != partial.parts || part.number >= part.parts {
            if !self.after_gap {
                refuse("its parts are missing, repeated or out of order");
            }
            return None;
        }
        if partial.bytes.len() + part.bytes.len() > part.limit {
            refuse("it is longer than a snapshot may be");
            return None;
        }
        partial.bytes.extend(part.bytes);
        partial.next += 1;
        if partial.next == partial.parts {
            if Digest::of(&partial.bytes) == digest {
                return Some(partial.bytes);
            }
            refuse("its bytes have another digest");
        } else if self.partial.len() < PARTIAL_MAX {
            self.partial.insert(key, partial);
        } else {
            refuse("too many snapshots are under way at once");
        }
        None
    }

    /// The log ends.
    pub(crate) fn finish(&mut self, findings: &mut Findings) {
        for (key, partial) in std::mem::take(&mut self.partial) {
            let detail = format!("{} of {} parts of {}", partial.next, partial.parts, key.2);
            findings.add(Code::PolicyIncomplete, Place::Entry(partial.first), detail);
        }
    }
}
