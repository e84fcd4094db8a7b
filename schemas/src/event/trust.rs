//! Bodies of trust and upkeep: the log's beginning, keys, policy, readers, reviewers, retention and faults.
//!
//! Genesis and every change of keys are sealed by an administrator's key, so that the ledger cannot enrol an approver.

use std::collections::BTreeMap;

use super::{SessionId, Timestamp};
use crate::cbor::Bytes;
use crate::digest::Digest;
use crate::key::security::Application;
use crate::key::{KeyBytes, KeyId};
use crate::merkle::Index;
use crate::reading::Reader;
use crate::review::Definition;

crate::code! {
    /// What a key may emit.
    pub enum Role {
        /// Sessions, commands, responses, snapshots.
        Proxy = 0 "proxy",
        /// The ledger's own events.
        Ledger = 1 "ledger",
        /// Approvals and reviews.
        Person = 2 "person",
        /// Changes of keys.
        Administrator = 3 "administrator",
    }
}

crate::record! {
    /// An administrator named at the beginning.
    pub struct Administrator {
        /// Name for people.
        1 => name: String,
        /// Ed25519 public key.
        2 => key: KeyBytes,
    }
}

crate::record! {
    /// The first event of a log.
    pub struct Genesis {
        /// The log's name, as in its checkpoints (C2SP tlog-checkpoint origin).
        1 => origin: String,
        /// Ed25519 public key that signs its checkpoints; signs nothing else.
        2 => log_key: KeyBytes,
        /// Who may enrol and revoke keys; the first one seals this event.
        3 => administrators: Vec<Administrator>,
    }
}

crate::record! {
    /// A key may emit from here on.
    pub struct KeyEnrolled {
        /// Ed25519 public key.
        1 => key: KeyBytes,
        /// What it may emit.
        2 => role: Role,
        /// Name for people.
        3 => name: String,
        /// Groups of a person, sorted; empty for the other roles.
        4 => groups: Vec<String>,
        /// The application that a person's security key signs for; absent where the key is an ordinary one.
        (?) 5 => application: Application,
    }
}

crate::record! {
    /// A key may not emit any more.
    pub struct KeyRevoked {
        /// The key.
        1 => key: KeyId,
        /// Why.
        2 => reason: String,
    }
}

crate::record! {
    /// A key takes the place, role, name and groups of another.
    pub struct KeyRotated {
        /// The key that ends here.
        1 => from: KeyId,
        /// The key that begins here.
        2 => to: KeyBytes,
        /// The application that `to` signs for where it is that of a security key.
        (?) 3 => application: Application,
    }
}

crate::fixed_bytes! {
    /// A key of masks, by what can be told of it: the first bytes of a value that is derived one way from the key itself, so
    /// that equal ids mean equal keys and nothing of a key or of its tokens follows from an id.
    pub struct MaskKeyId([u8; 16]);
}

crate::record! {
    /// From here on the emitter masks under this key; said at each of its starts.
    pub struct MaskKeyAnnounced {
        /// The key.
        1 => key: MaskKeyId,
        /// The keys whose place it took, the last one first. The key that the emitter announced before must be among them, or
        /// be this one; those that never were announced were replaced before they were used.
        2 => replaces: Vec<MaskKeyId>,
    }
}

crate::record! {
    /// The exact bytes of a policy; long ones in several parts, one event each.
    pub struct PolicySnapshot {
        /// SHA-256 of the whole.
        1 => policy: Digest,
        /// Which part this is, from 0.
        2 => part: u64,
        /// How many there are.
        3 => parts: u64,
        /// The bytes of this part.
        4 => bytes: Bytes,
    }
}

crate::record! {
    /// From here on the emitter decides by this policy; said at each of its starts, and whenever another one takes the place of
    /// the one before. Its snapshot stands before in the log.
    pub struct PolicyInForce {
        /// SHA-256 of the policy's exact bytes.
        1 => policy: Digest,
    }
}

crate::record! {
    /// Somebody signed a policy, so that it may come into force; sealed with that person's own key. Whose signatures count, the
    /// trust anchors say.
    pub struct PolicySigned {
        /// Ed25519 public key of the log, as in genesis: in another log the signature counts for nothing.
        1 => log_key: KeyBytes,
        /// SHA-256 of the policy's exact bytes.
        2 => policy: Digest,
        /// Why, in the person's words.
        3 => reason: String,
        /// From when on the policy does not come into force by it any more. One that is in force stays so.
        (?) 4 => expires: Timestamp,
    }
}

crate::record! {
    /// A target's catalog, from which names were resolved; long ones in several parts.
    pub struct CatalogSnapshot {
        /// Name of the target.
        1 => target: String,
        /// SHA-256 of the whole.
        2 => catalog: Digest,
        /// Which part this is, from 0.
        3 => part: u64,
        /// How many there are.
        4 => parts: u64,
        /// The bytes of this part.
        5 => bytes: Bytes,
    }
}

/// The operation of who opens a sealed copy.
pub const REVEAL: &str = "reveal";

crate::record! {
    /// Somebody read the evidence. The ledger says it of what it answers; that a sealed copy is opened says the person who
    /// opens it, with the person's own key.
    pub struct EvidenceRead {
        /// Who: the name under which the person's key was enrolled, or the subject of a token.
        1 => reader: String,
        /// What was done: a word of [`crate::reading::Operation`]; [`REVEAL`] by a person.
        2 => operation: String,
        /// The question without values, or why.
        3 => scope: String,
        /// The copy that is opened; named exactly by [`REVEAL`].
        (?) 4 => copy: CopyPlace,
        /// How the reader proved who it is, and what was read; said exactly by the ledger.
        (?) 5 => by: Reader,
    }
}

crate::record! {
    /// A sealed copy of a command: the event of its first part.
    pub struct CopyPlace {
        /// Its index in the log.
        1 => index: Index,
        /// Its leaf hash.
        2 => leaf: Digest,
    }
}

crate::record! {
    /// A reviewer signed off a period; sealed with that person's own key.
    pub struct ReviewSigned {
        /// Start of the period.
        1 => from: Timestamp,
        /// End of the period, not part of it.
        2 => to: Timestamp,
        /// RFC 9162 root of the log that was reviewed.
        3 => root: Digest,
        /// Size of that log.
        4 => size: u64,
        /// What was found, in the reviewer's words and without values.
        5 => finding: String,
        /// What was reviewed: a word of [`crate::review::Scope`].
        6 => scope: String,
        /// RFC 9162 root over the leaf hashes of the events of the period and the scope, in the order of the log.
        7 => population: Digest,
        /// How many they are, by kind.
        8 => counts: BTreeMap<String, u64>,
        /// By which definition the scope holds kinds; the first one where it is absent.
        (?) 9 => definition: Definition,
        /// The use of emergency access that was reviewed: of all the scope holds, what is of its session. Absent: no such.
        (?) 10 => emergency: EmergencyUse,
    }
}

crate::record! {
    /// A person's decision to let something pass in an emergency, as it stands in the log.
    pub struct EmergencyUse {
        /// Index of the decision.
        1 => index: Index,
        /// Its leaf hash.
        2 => decision: Digest,
        /// Its session.
        3 => session: SessionId,
    }
}

crate::record! {
    /// A checkpoint was witnessed elsewhere.
    pub struct Anchor {
        /// By whom.
        1 => witness: String,
        /// The signed note, or the RFC 3161 reply.
        2 => evidence: Bytes,
    }
}

crate::record! {
    /// Evidence of a session is kept past its retention.
    pub struct Hold {
        /// The session.
        1 => session: SessionId,
        /// Why.
        2 => reason: String,
        /// Whether the hold ends here.
        3 => released: bool,
    }
}

crate::record! {
    /// Entries past their retention were erased; their hashes stay.
    pub struct Erasure {
        /// First index.
        1 => first: u64,
        /// Number of entries.
        2 => count: u64,
        /// Under which rule.
        3 => rule: String,
    }
}

crate::record! {
    /// Something went wrong.
    pub struct Fault {
        /// Where: `gate`, `target`, `ledger`, `clock`.
        1 => place: String,
        /// What, in words of ours, without values.
        2 => text: String,
    }
}
