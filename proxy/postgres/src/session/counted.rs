//! Changes of which people approved so many rows: their number is known before the server may commit them.
//!
//! | what changes rows | waits for its number |
//! | --- | --- |
//! | a message of its own (`Execute`) | what follows it in its pipeline, its `Sync` first of all |
//! | a simple query in a transaction that the agent has opened | nothing: the `COMMIT` is a message to come |
//! | a simple query that commits by itself | the commit: it runs in a transaction of the proxy's own |
//! | what the server does not count, or commits in the same message | nothing passes |
//!
//! Not here: how many people approved (the gate takes them off), what a statement is counted by ([`crate::analysis`]), and what is done
//! where more were changed: the session ends, and its connection to the server, which takes back what is not committed.

use std::collections::VecDeque;

use exhibit_gate::session::{Cleared, Permit};

use super::Driver;
use crate::analysis::{Counting, Statement, TransactionControl};
use crate::group::{Answer, Draft, Item};
use crate::message::backend::TransactionStatus;

/// Why nothing passes that was approved for so many rows.
const UNTOLD: &str = "the target does not say how many rows it changes, or what functions change that it calls; have it approved \
     without a number";
const BESIDE_BOUND: &str =
    "it would be committed in the same message; send the bounds of its transaction by themselves";
const WITHIN_PIPELINE: &str =
    "a simple query that follows other messages before their Sync is committed before anybody can count it";

/// How what a request changes is counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    /// It is not, or changes nothing.
    Unneeded,
    /// By the answer to its message, before what follows it.
    Message,
    /// By the answer to its query, before the agent commits it.
    Query,
    /// By the answer to its query, in a transaction of the proxy's own.
    Within,
    /// Not before it is committed.
    Untold(&'static str),
}

/// A part of a group that goes to the server at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The first of its commands, and the first that is none of them.
    pub(super) from: usize,
    pub(super) to: usize,
    /// How it ends.
    pub(super) end: PieceEnd,
    /// How many items are answered after it.
    pub(super) after: usize,
}

/// How a piece of a group ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceEnd {
    /// As the agent sent it.
    Whole,
    /// The server answers it, and commits nothing.
    Flush,
    /// It is the `Sync` that was left out before it.
    Sync,
}

impl Driver {
    /// How what these change is counted, each by itself.
    pub(super) fn counted(&self, drafts: &[Draft], items: impl Iterator<Item = Answer>) -> Vec<Counted> {
        let alone = drafts.len() == 1
            && items
                .into_iter()
                .all(|answer| matches!(answer, Answer::Query | Answer::Nothing));
        drafts.iter().map(|draft| self.counted_by(draft, alone)).collect()
    }

    fn counted_by(&self, draft: &Draft, alone: bool) -> Counted {
        let statements = draft.statements.iter();
        match statements.map(|statement| statement.counting).max() {
            _ if !draft.runs => Counted::Unneeded,
            None | Some(Counting::Unneeded) => Counted::Unneeded,
            Some(Counting::Untold) => Counted::Untold(UNTOLD),
            Some(Counting::Told) if !draft.ends => Counted::Message,
            Some(Counting::Told) if !alone || self.state.unsynced => Counted::Untold(WITHIN_PIPELINE),
            Some(Counting::Told) => self.query(&draft.statements),
        }
    }

    /// A simple query, alone between transactions or in one.
    fn query(&self, statements: &[Statement]) -> Counted {
        use TransactionControl::{Begin, Release, RollbackTo, Savepoint};
        let bounds: Vec<TransactionControl> = statements.iter().filter_map(|one| one.transaction).collect();
        let leaves_open = |bound: &TransactionControl| matches!(bound, Begin | Release | RollbackTo | Savepoint);
        let open = self.state.status != TransactionStatus::Idle || bounds.contains(&Begin);
        match bounds.iter().all(leaves_open) {
            true if open => Counted::Query,
            true if bounds.is_empty() => Counted::Within,
            _ => Counted::Untold(BESIDE_BOUND),
        }
    }
}

impl Counted {
    /// Why nothing passes by this permit: it is for so many rows, and they are not counted.
    fn uncounted(self, permit: &Permit) -> Option<&'static str> {
        match self {
            Self::Untold(reason) => permit.most_rows().map(|_| reason),
            Self::Unneeded | Self::Message | Self::Query | Self::Within => None,
        }
    }

    /// Whether no number of rows can be held.
    pub(super) const fn is_untold(self) -> bool {
        matches!(self, Self::Untold(_))
    }
}

/// The first of which more rows could last than people approved, and why.
pub(super) fn uncounted<'a>(
    permits: impl Iterator<Item = &'a Permit>,
    counted: &[Counted],
) -> Option<(usize, &'static str)> {
    let mut both = permits.zip(counted).enumerate();
    both.find_map(|(place, (permit, counted))| Some((place, counted.uncounted(permit)?)))
}

/// Whether a group is a query that runs in a transaction of the proxy's own.
pub(super) fn runs_within(commands: &[Cleared], counted: &[Counted]) -> bool {
    let within = |counted: &Counted| matches!(counted, Counted::Within);
    let limited = |command: &Cleared| command.permit().most_rows().is_some();
    let mut both = commands.iter().zip(counted);
    both.any(|(command, counted)| limited(command) && within(counted))
}

/// The pieces in which a group goes to the server: what changes rows, and is approved for so many, ends one.
pub(super) fn pieces(commands: &[Cleared], counted: &[Counted], items: &VecDeque<Item>, synced: bool) -> Vec<Piece> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    let all = commands.len();
    for (place, (command, counted)) in commands.iter().zip(counted).enumerate() {
        let ends = matches!(counted, Counted::Message) && command.permit().most_rows().is_some();
        let (to, last) = (place + 1, place + 1 == all);
        // Without its `Sync` the group ends with a `Flush` of its own.
        if !ends || (last && !synced) {
            continue;
        }
        let after = items.iter().filter(|item| item.owner >= to).count();
        pieces.push(Piece {
            from,
            to,
            end: PieceEnd::Flush,
            after: if last { 1 } else { after },
        });
        from = to;
    }
    let end = if from == all { PieceEnd::Sync } else { PieceEnd::Whole };
    pieces.push(Piece {
        from,
        to: all,
        end,
        after: 0,
    });
    pieces
}
