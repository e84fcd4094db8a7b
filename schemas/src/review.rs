//! Reviews: the population that a reviewer signs off, which everybody can count again.
//!
//! ```text
//! population = the events before `size`, of the kinds of `scope`, whose time is in [from, to), in the order of the log
//! its root   = RFC 9162 root over their leaf hashes
//! ```
//!
//! A review of one use of emergency access is of everything in the period that is of, or about, the session of that use.
//!
//! Which kinds a scope holds has been defined twice; a review says by which definition it counts, and is counted again by that.
//!
//! Not here: who has to review what, and how often, which policies say.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::event::trust::{EmergencyUse, ReviewSigned};
use crate::event::{Event, Kind, Timestamp};
use crate::merkle::{Frontier, Index, TreeSize};

/// Bytes of a finding at the most: a page of text.
pub const FINDING_BYTES_MAX: usize = 4_096;

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
        /// Who read and reviewed the evidence.
        Readings = 4 "readings",
        /// Keys, policies, catalogs, what is kept, faults.
        Changes = 5 "changes",
    }
}

crate::code! {
    /// Which kinds of events the scopes hold.
    pub enum Definition {
        /// That of reviews that name none: outside of `all` it leaves out responses, signatures under policies and others.
        First = 1 "first",
        /// Every kind is of exactly one scope beside `all`, so that the others together are everything.
        Second = 2 "second",
    }
}

impl Scope {
    /// Whether events of this kind are of it.
    pub fn holds(self, kind: Kind, definition: Definition) -> bool {
        match definition {
            _ if self == Self::All => true,
            Definition::First => self.held_first(kind),
            Definition::Second => self == Self::of(kind),
        }
    }

    /// The scope of a kind beside [`Scope::All`].
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::SessionOpened | Kind::SessionClosed | Kind::LoginRefused => Self::Sessions,
            Kind::Command
            | Kind::CommandData
            | Kind::CommandSealed
            | Kind::ResponseChunk
            | Kind::ResponseEnd
            | Kind::Detection
            | Kind::ThresholdDecided
            | Kind::PreviewRun => Self::Commands,
            Kind::ApprovalRequested | Kind::ApprovalDecided | Kind::ApprovalExpired | Kind::ApprovalRevoked => {
                Self::Approvals
            }
            Kind::EvidenceRead
            | Kind::ReviewSigned
            | Kind::ReportSigned
            | Kind::ExceptionNoted
            | Kind::ExceptionClosed => Self::Readings,
            Kind::Genesis
            | Kind::KeyEnrolled
            | Kind::KeyRevoked
            | Kind::KeyRotated
            | Kind::PolicySnapshot
            | Kind::PolicySigned
            | Kind::PolicyInForce
            | Kind::CatalogSnapshot
            | Kind::MaskKeyAnnounced
            | Kind::Anchor
            | Kind::Hold
            | Kind::Erasure
            | Kind::Fault => Self::Changes,
        }
    }

    /// As the first definition has it; it stays as it is, or old reviews would no longer verify.
    const fn held_first(self, kind: Kind) -> bool {
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

impl ReviewSigned {
    /// By which definition it counts.
    pub fn definition(&self) -> Definition {
        self.definition.unwrap_or(Definition::First)
    }
}

/// Why a review cannot be. Nothing that the reviewer wrote is repeated.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ReviewError {
    /// A scope that there is not.
    #[error("it names no scope that there is")]
    Scope,
    /// A period that is empty or not over.
    #[error("its period from {from} to {to} is empty, or was not over")]
    Period {
        /// Start.
        from: Timestamp,
        /// End.
        to: Timestamp,
    },
    /// A log that is empty, or longer than the one that there was.
    #[error("it is of a log of {size} entries, and there were {before}")]
    Size {
        /// What it says.
        size: TreeSize,
        /// What there was.
        before: TreeSize,
    },
    /// A finding of more than [`FINDING_BYTES_MAX`].
    #[error("its finding has {0} bytes; {FINDING_BYTES_MAX} at the most")]
    Finding(usize),
    /// A count of a kind that there is not.
    #[error("it counts a kind of events that there is not")]
    Kind,
    /// The first definition, said: there is one way to say it, which is not to.
    #[error("it names the first definition of scopes, which is that of reviews that name none")]
    Definition,
    /// Of a use of emergency access, and not of everything in its session; or of one that the log did not have.
    #[error("it is of an emergency, and not of everything in its session, or of one behind the log that was read")]
    Emergency,
}

/// What a review is of, if it can be: of a scope, of a period that was over at `time`, and of one of the logs up to `before`.
///
/// The ledger asks it before it takes a review, and the verifier asks it again. Whether it is of the events that it says
/// shows in the log alone.
///
/// # Errors
/// [`ReviewError`].
pub fn check(said: &ReviewSigned, time: Timestamp, before: TreeSize) -> Result<Scope, ReviewError> {
    let (from, to, size) = (said.from, said.to, TreeSize(said.size));
    let scope = Scope::from_word(&said.scope).ok_or(ReviewError::Scope)?;
    if from >= to || to > time {
        Err(ReviewError::Period { from, to })
    } else if size == TreeSize(0) || size > before {
        Err(ReviewError::Size { size, before })
    } else if said.finding.len() > FINDING_BYTES_MAX {
        Err(ReviewError::Finding(said.finding.len()))
    } else if said.counts.keys().any(|kind| Kind::from_word(kind).is_none()) {
        Err(ReviewError::Kind)
    } else if said.definition == Some(Definition::First) {
        Err(ReviewError::Definition)
    } else if said
        .emergency
        .as_ref()
        .is_some_and(|used| scope != Scope::All || used.index.0 >= said.size)
    {
        Err(ReviewError::Emergency)
    } else {
        Ok(scope)
    }
}

/// A population, as it is counted event by event.
#[derive(Clone, Debug)]
pub struct Population {
    scope: Scope,
    definition: Definition,
    from: Timestamp,
    to: Timestamp,
    size: TreeSize,
    /// Where it is of the session of such a use alone.
    emergency: Option<EmergencyUse>,
    members: Frontier,
    counts: BTreeMap<String, u64>,
    later: u64,
}

impl Population {
    /// One of the events before a size, of a scope and a period, as reviews have it now; nothing is counted yet.
    pub fn new(scope: Scope, period: (Timestamp, Timestamp), size: TreeSize) -> Self {
        Self::by(Definition::Second, scope, period, size)
    }

    /// The same by any definition of scopes.
    pub fn by(definition: Definition, scope: Scope, (from, to): (Timestamp, Timestamp), size: TreeSize) -> Self {
        Self {
            scope,
            definition,
            from,
            to,
            size,
            emergency: None,
            members: Frontier::default(),
            counts: BTreeMap::new(),
            later: 0,
        }
    }

    /// The same of the session of a use of emergency access alone; of all sessions where there is none.
    #[must_use]
    pub fn of_use(self, emergency: Option<EmergencyUse>) -> Self {
        Self { emergency, ..self }
    }

    /// Whether an event is of the scope and the period, before the size or not.
    pub fn concerns(&self, event: &Event) -> bool {
        let of_use = |used: &EmergencyUse| event.about() == Some(used.session);
        self.scope.holds(event.kind(), self.definition)
            && (self.from..self.to).contains(&event.time)
            && self.emergency.as_ref().is_none_or(of_use)
    }

    /// Takes the next event of the log. Says whether it is one of the population.
    pub fn take(&mut self, index: Index, leaf: Digest, event: &Event) -> bool {
        if !self.concerns(event) {
            return false;
        }
        let before = index.0 < self.size.0;
        if before {
            self.members.append(leaf, |_, _, _| {});
            *self.counts.entry(event.kind().as_str().to_owned()).or_default() += 1;
        } else {
            self.later = self.later.saturating_add(1);
        }
        before
    }

    /// Start of the period.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// End of the period, not part of it.
    pub const fn to(&self) -> Timestamp {
        self.to
    }

    /// Events of the scope and the period that stand behind the size.
    pub const fn later(&self) -> u64 {
        self.later
    }

    /// What a reviewer signs of it; `root` is that of the log of its size.
    pub fn signed(&self, root: Digest, finding: String) -> ReviewSigned {
        ReviewSigned {
            from: self.from,
            to: self.to,
            root,
            size: self.size.0,
            finding,
            scope: self.scope.as_str().to_owned(),
            population: self.members.root(),
            counts: self.counts.clone(),
            definition: Some(self.definition).filter(|definition| *definition != Definition::First),
            emergency: self.emergency.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Definition, FINDING_BYTES_MAX, Population, ReviewError, Scope, check};
    use crate::digest::Digest;
    use crate::event::trust::{Fault, ReviewSigned};
    use crate::event::{Emitter, Event, Kind, Timestamp};
    use crate::key::KeyId;
    use crate::merkle::{Index, TreeSize};

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
        for (number, time) in (0..).zip([9, 10, 19, 20, 30, 12]) {
            let index = Index(u64::from(number) + u64::from(number > 3)); // 4 is a seal
            let event = fault(time);
            assert_eq!(
                all.take(index, leaf(number), &event),
                matches!(number, 1 | 2),
                "{number}"
            );
            assert!(!none.take(index, leaf(number), &event));
        }
        let signed = all.signed(leaf(9), "fine".into());
        assert_eq!(signed.population, Digest::node(leaf(1), leaf(2)));
        assert_eq!(signed.counts, [("fault".to_owned(), 2)].into());
        assert_eq!((signed.size, signed.root, all.later()), (6, leaf(9), 1));
        let signed = none.signed(leaf(9), String::new());
        assert_eq!(signed.population, crate::merkle::empty_root());
    }

    #[test]
    fn the_scopes_beside_all_hold_every_kind_once_and_as_the_first_definition_had_it() {
        for kind in Kind::ALL {
            let beside = Scope::ALL.iter().filter(|scope| **scope != Scope::All);
            let of = beside.filter(|scope| scope.holds(*kind, Definition::Second));
            assert_eq!(of.count(), 1, "{kind}");
            for definition in Definition::ALL {
                assert!(Scope::All.holds(*kind, *definition));
            }
            for scope in Scope::ALL {
                let dropped = scope.holds(*kind, Definition::First) && !scope.holds(*kind, Definition::Second);
                assert!(!dropped, "{scope} held {kind} and does no more");
            }
        }
        let signed = Kind::PolicySigned;
        assert!(Scope::Changes.holds(signed, Definition::Second) && !Scope::Changes.holds(signed, Definition::First));
        let period = (Timestamp(10), Timestamp(20));
        let changes = |definition| {
            let mut changes = Population::by(definition, Scope::Changes, period, TreeSize(1));
            let taken = changes.take(Index(0), Digest([1; 32]), &fault(10));
            (taken, changes.signed(Digest([1; 32]), String::new()).definition)
        };
        assert_eq!(changes(Definition::First), (false, None));
        assert_eq!(changes(Definition::Second), (true, Some(Definition::Second)));
    }

    #[test]
    fn a_review_is_of_a_scope_a_period_that_is_over_and_a_log_that_there_was() {
        let honest = Population::new(Scope::All, (Timestamp(10), Timestamp(20)), TreeSize(6));
        let honest = honest.signed(Digest([1; 32]), "f".repeat(FINDING_BYTES_MAX));
        let said = |change: fn(&mut ReviewSigned)| {
            let mut said = honest.clone();
            change(&mut said);
            check(&said, Timestamp(20), TreeSize(6))
        };
        let period = |from, to| {
            let (from, to) = (Timestamp(from), Timestamp(to));
            Err(ReviewError::Period { from, to })
        };
        let size = |size| {
            let (size, before) = (TreeSize(size), TreeSize(6));
            Err(ReviewError::Size { size, before })
        };
        assert_eq!(said(|_| {}), Ok(Scope::All));
        assert_eq!(said(|said| said.scope = "everything".into()), Err(ReviewError::Scope));
        assert_eq!(said(|said| said.to = said.from), period(10, 10));
        assert_eq!(said(|said| said.to.0 += 1), period(10, 21));
        assert_eq!(said(|said| said.size = 0), size(0));
        assert_eq!(said(|said| said.size += 1), size(7));
        let long = said(|said| said.finding.push('f'));
        assert_eq!(long, Err(ReviewError::Finding(FINDING_BYTES_MAX + 1)));
        let kind = said(|said| _ = said.counts.insert("anything".into(), 1));
        assert_eq!(kind, Err(ReviewError::Kind));
        assert_eq!(said(|said| said.definition = None), Ok(Scope::All));
        let first = said(|said| said.definition = Some(Definition::First));
        assert_eq!(first, Err(ReviewError::Definition));
    }
}
