//! Signatures of people under policies: who must have signed one before it comes into force, and who has.
//!
//! Whose signatures count, and of how many people, is said by the trust anchors ([`crate::bundle::TrustAnchors`]) and by nothing
//! in the log: one administrator alone can enrol as many keys as it likes. A proxy asks this code before a policy comes into
//! force, and the verifier asks it again for each that did.
//!
//! A signature counts from its event on, until its expiry, and as long as its key is not revoked; where another key took the
//! place of its key, it stays the word of that person. It is for one policy, by its exact bytes, and for one log.
//!
//! Not here: whether a signature's seal is right and its key was in force then ([`crate::seal`], [`crate::keyring`]). What is
//! handed in has passed both.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use crate::digest::Digest;
use crate::event::Timestamp;
use crate::event::trust::PolicySigned;
use crate::key::{KeyId, PublicKey};
use crate::merkle::Index;

/// Signatures that are kept at the most: those of three people under ten policies a day for six years. Later ones count for
/// nothing, here and everywhere, so nobody has to guess.
pub const SIGNATURES_MAX: usize = 65_536;

/// Why nobody could sign so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignersError {
    /// More people are to sign than there are, or none.
    #[error("`people` is 1 to {names}, as many as there are names")]
    People {
        /// How many names there are.
        names: usize,
    },
    /// A key stands twice, so one person could be two.
    #[error("the key {0} stands twice")]
    Twice(KeyId),
}

/// Who must have signed the policies that come into force from an entry of the log on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySigners {
    from: Index,
    // Invariant: at most as many as there are names.
    people: NonZeroUsize,
    // Invariant: no key stands twice.
    keys: Vec<(String, PublicKey)>,
}

impl PolicySigners {
    /// So many of these people, each with one key or several: those of somebody who got another key stay, because what they
    /// signed before is looked at again.
    ///
    /// # Errors
    /// [`SignersError`].
    pub fn new(from: Index, people: usize, keys: Vec<(String, PublicKey)>) -> Result<Self, SignersError> {
        let mut seen = BTreeSet::new();
        if let Some((_, key)) = keys.iter().find(|(_, key)| !seen.insert(key.id())) {
            return Err(SignersError::Twice(key.id()));
        }
        let names = keys.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len();
        match NonZeroUsize::new(people).filter(|people| people.get() <= names) {
            Some(people) => Ok(Self { from, people, keys }),
            None => Err(SignersError::People { names }),
        }
    }

    /// The entry from which on policies that come into force need them.
    pub fn from(&self) -> Index {
        self.from
    }

    /// How many people must have signed.
    pub fn people(&self) -> usize {
        self.people.get()
    }

    /// Names and keys of those whose signatures count.
    pub fn keys(&self) -> &[(String, PublicKey)] {
        &self.keys
    }

    fn name(&self, key: KeyId) -> Option<&str> {
        let found = self.keys.iter().find(|(_, known)| known.id() == key);
        found.map(|(name, _)| name.as_str())
    }
}

/// The signatures of a log under policies, as far as anybody's count.
#[derive(Clone, Debug, Default)]
pub struct PolicySignatures {
    /// In the order of the entries that they hold from.
    signers: Vec<PolicySigners>,
    signed: BTreeMap<(Digest, KeyId), Signature>,
    revoked: BTreeMap<KeyId, Index>,
}

/// The last signature of a key under a policy.
#[derive(Clone, Copy, Debug)]
struct Signature {
    index: Index,
    expires: Option<Timestamp>,
}

/// Who has signed a policy, as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// How many people must have.
    pub wanted: usize,
    /// Names of those who have, and where.
    pub people: BTreeMap<String, Index>,
}

impl SignedBy {
    /// Whether they are enough.
    pub fn suffices(&self) -> bool {
        self.people.len() >= self.wanted
    }
}

impl PolicySignatures {
    /// None yet; `signers` are those of the trust anchors, in their order.
    pub fn new(signers: &[PolicySigners]) -> Self {
        Self {
            signers: signers.to_vec(),
            ..Self::default()
        }
    }

    /// Whether anybody is ever asked for.
    pub fn asks(&self) -> bool {
        !self.signers.is_empty()
    }

    /// Takes the next signature of the log; gives whether its key is anybody's whose signatures count.
    pub fn signed(&mut self, index: Index, key: KeyId, signed: &PolicySigned) -> bool {
        let known = self.knows(key);
        let place = (signed.policy, key);
        if known && (self.signed.len() < SIGNATURES_MAX || self.signed.contains_key(&place)) {
            let expires = signed.expires;
            self.signed.insert(place, Signature { index, expires });
        }
        known
    }

    /// Takes it that a key was revoked.
    pub fn revoked(&mut self, index: Index, key: KeyId) {
        if self.knows(key) {
            self.revoked.entry(key).or_insert(index);
        }
    }

    /// Who has signed a policy that is about to come into force now; `None` where nobody has to.
    pub fn now(&self, policy: Digest, now: Timestamp) -> Option<SignedBy> {
        let signers = self.signers.last()?;
        Some(self.tally(signers, policy, now, |_| true))
    }

    /// Who had signed a policy that came into force at an entry, when the emitter of that entry knew what stands before `known`;
    /// `None` where nobody had to.
    pub fn at(&self, entry: Index, policy: Digest, time: Timestamp, known: Index) -> Option<SignedBy> {
        let signers = self.signers.iter().rfind(|signers| signers.from <= entry)?;
        Some(self.tally(signers, policy, time, |revoked| revoked < known))
    }

    fn tally(
        &self,
        signers: &PolicySigners,
        policy: Digest,
        time: Timestamp,
        counts: impl Fn(Index) -> bool,
    ) -> SignedBy {
        let mut people = BTreeMap::new();
        for (key, signature) in self.of(policy) {
            let expired = signature.expires.is_some_and(|expires| expires <= time);
            let revoked = self.revoked.get(&key).is_some_and(|index| counts(*index));
            if let Some(name) = signers.name(key).filter(|_| !expired && !revoked) {
                people.entry(name.to_owned()).or_insert(signature.index);
            }
        }
        SignedBy {
            wanted: signers.people(),
            people,
        }
    }

    fn of(&self, policy: Digest) -> impl Iterator<Item = (KeyId, Signature)> {
        let each = self.signed.range((policy, KeyId([0; 8]))..);
        let own = each.take_while(move |((of, _), _)| *of == policy);
        own.map(|((_, key), signature)| (*key, *signature))
    }

    fn knows(&self, key: KeyId) -> bool {
        self.signers.iter().any(|signers| signers.name(key).is_some())
    }
}

#[cfg(test)]
mod tests;
