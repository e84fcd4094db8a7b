//! Reviews: the population that a reviewer signs off, which everybody can count again.
//!
//! ```text
//! population = the events before `size`, of the kinds of `scope`, whose time is in [from, to), in the order of the log
//! its root   = RFC 9162 root over their leaf hashes
//! ```
//!
//! Not here: who has to review what, and how often.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::event::trust::ReviewSigned;
use crate::event::{Event, Kind, Timestamp};
use crate::merkle::{Frontier, TreeSize};

crate::code! {
    /// What is reviewed.
    pub enum Scope {
        /// Everything.
        All = 0 "all",
        /// Who was let in, or not.
        Sessions = 1 "sessions",
        /// What agents asked, and what became of it.
        Commands = 2 "commands",
        /// What people were asked, and decided.
        Approvals = 3 "approvals",
        /// Who read the evidence.
        Readings = 4 "readings",
        /// Keys and policies.
        Changes = 5 "changes",
    }
}

impl Scope {
    /// Whether events of this kind are of it.
    pub const fn holds(self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Sessions => matches!(kind, Kind::SessionOpened | Kind::SessionClosed | Kind::LoginRefused),
            Self::Commands => matches!(kind, Kind::Command | Kind::ThresholdDecided),
            Self::Approvals => matches!(
                kind,
                Kind::ApprovalRequested | Kind::ApprovalDecided | Kind::ApprovalExpired
            ),
            Self::Readings => matches!(kind, Kind::EvidenceRead),
            Self::Changes => matches!(
                kind,
                Kind::KeyEnrolled | Kind::KeyRevoked | Kind::KeyRotated | Kind::PolicyInForce | Kind::MaskKeyAnnounced
            ),
        }
    }
}

/// A population, as it is counted entry by entry.
#[derive(Clone, Debug)]
pub struct Population {
    scope: Scope,
    from: Timestamp,
    to: Timestamp,
    size: TreeSize,
    log: Frontier,
    members: Frontier,
    counts: BTreeMap<String, u64>,
    later: u64,
}

impl Population {
    /// One of the events before a size, of a scope and a period; nothing is counted yet.
    pub fn new(scope: Scope, (from, to): (Timestamp, Timestamp), size: TreeSize) -> Self {
        Self {
            scope,
            from,
            to,
            size,
            log: Frontier::default(),
            members: Frontier::default(),
            counts: BTreeMap::new(),
            later: 0,
        }
    }

    /// Takes the next entry of the log, from the first on; a seal is no event. Says whether it is one of the population.
    pub fn take(&mut self, leaf: Digest, event: Option<&Event>) -> bool {
        let before = self.log.size() < self.size;
        if before {
            self.log.append(leaf, |_, _, _| {});
        }
        let member = |event: &&Event| self.scope.holds(event.kind()) && (self.from..self.to).contains(&event.time);
        let Some(event) = event.filter(member) else {
            return false;
        };
        if before {
            self.members.append(leaf, |_, _, _| {});
            *self.counts.entry(event.kind().as_str().to_owned()).or_default() += 1;
        } else {
            self.later = self.later.saturating_add(1);
        }
        before
    }

    /// Events of the scope and the period that stand behind the size.
    pub const fn later(&self) -> u64 {
        self.later
    }

    /// What a reviewer signs of it.
    pub fn signed(&self, finding: String) -> ReviewSigned {
        ReviewSigned {
            from: self.from,
            to: self.to,
            root: self.log.root(),
            size: self.log.size().0,
            finding,
            scope: self.scope.as_str().to_owned(),
            population: self.members.root(),
            counts: self.counts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Population, Scope};
    use crate::digest::Digest;
    use crate::event::trust::Fault;
    use crate::event::{Emitter, Event, Timestamp};
    use crate::key::KeyId;
    use crate::merkle::TreeSize;

    fn fault(time: u64) -> Event {
        let (place, text) = ("gate".to_owned(), "stopped".to_owned());
        Event {
            time: Timestamp(time),
            emitter: Emitter(KeyId([1; 8]), 1),
            session: None,
            body: Fault { place, text }.into(),
        }
    }

    #[test]
    fn a_population_is_of_its_scope_its_period_and_the_log_that_was_read() {
        let leaf = |number: u8| Digest::leaf(&[number]);
        let period = (Timestamp(10), Timestamp(20));
        let mut all = Population::new(Scope::All, period, TreeSize(6));
        let mut none = Population::new(Scope::Readings, period, TreeSize(6));
        let times = [9, 10, 19, 20, 15, 30, 12];
        for (number, time) in (0..).zip(times) {
            let event = fault(time);
            let event = (number != 4).then_some(&event); // a seal
            assert_eq!(all.take(leaf(number), event), matches!(number, 1 | 2), "{number}");
            assert!(!none.take(leaf(number), event));
        }
        let signed = all.signed("fine".into());
        assert_eq!(signed.population, Digest::node(leaf(1), leaf(2)));
        assert_eq!(signed.counts, [("fault".to_owned(), 2)].into());
        assert_eq!((signed.size, all.later()), (6, 1));
        assert_eq!(none.signed(String::new()).population, crate::merkle::empty_root());
        assert_eq!(none.signed(String::new()).root, signed.root);
    }
}
