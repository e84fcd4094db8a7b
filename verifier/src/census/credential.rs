//! Whose each credential is: of one that two use, both are told.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;

use crate::spill::{Slots, Spill};

/// Different credentials that are compared; a gateway with more of them in one log rotates a credential each minute for months.
const CREDENTIALS_MAX: usize = 1_000_000;

/// Bytes of a holder.
const HOLDER_BYTES: usize = 32 + 8 + 8 + 1;

/// Whose a credential is.
struct Holder {
    /// Digest of issuer and subject.
    whose: Digest,
    /// Where it was used first, and when.
    first: (Index, Timestamp),
    /// Somebody else used it, which was said of the first use.
    told: bool,
}

/// Whose a credential that was used is.
pub(super) enum Held {
    /// Nobody else's so far.
    Own,
    /// Somebody else's, who used it first there.
    Shared {
        first: (Index, Timestamp),
        /// It was said before that it has two holders.
        told: bool,
    },
    /// There are more than are compared.
    Uncompared,
}

/// The holders of credentials so far.
#[derive(Debug)]
pub(super) struct Credentials {
    count: usize,
    holders: Slots<32, HOLDER_BYTES>,
}

impl Credentials {
    pub(super) fn new(spill: &Spill) -> Self {
        Self {
            count: 0,
            holders: Slots::new(spill),
        }
    }

    /// Somebody uses a credential: learns whose it is, or says that it is another's.
    pub(super) fn hold(&mut self, credential: Digest, whose: Digest, used: (Index, Timestamp)) -> Held {
        let Some(known) = self.holders.get(&credential.0).map(Holder::parse) else {
            if self.count >= CREDENTIALS_MAX {
                return Held::Uncompared;
            }
            let holder = Holder {
                whose,
                first: used,
                told: false,
            };
            self.count += 1;
            self.holders.insert(credential.0, holder.bytes());
            return Held::Own;
        };
        let Holder {
            whose: holder,
            first,
            told,
        } = known;
        if holder == whose {
            return Held::Own;
        }
        if !told {
            self.holders
                .insert(credential.0, Holder { told: true, ..known }.bytes());
        }
        Held::Shared { first, told }
    }
}

impl Holder {
    fn bytes(&self) -> [u8; HOLDER_BYTES] {
        let (Index(index), Timestamp(time)) = self.first;
        let mut bytes = [0; HOLDER_BYTES];
        let parts: [&[u8]; 4] = [
            &self.whose.0,
            &index.to_be_bytes(),
            &time.to_be_bytes(),
            &[u8::from(self.told)],
        ];
        for (byte, part) in bytes.iter_mut().zip(parts.concat()) {
            *byte = part;
        }
        bytes
    }

    fn parse(bytes: [u8; HOLDER_BYTES]) -> Self {
        let number = |from: usize| {
            let bytes = bytes.get(from..from + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_be_bytes(bytes.unwrap_or_default())
        };
        let whose = bytes.first_chunk().copied().unwrap_or_default();
        Self {
            whose: Digest(whose),
            first: (Index(number(32)), Timestamp(number(40))),
            told: bytes.last() == Some(&1),
        }
    }
}
