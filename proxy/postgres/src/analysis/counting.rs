//! Whether the server says how many rows a statement changes: in the tag that it ends with (PostgreSQL documentation, "Message Formats",
//! `CommandComplete`).
//!
//! What people approve for so many rows passes only where it is counted, and is counted before the server may commit it.
//!
//! # Known limits
//! What hangs on relations (triggers, rules, views, foreign keys) may change other rows, which are not in the tag. It is the choice of who
//! owns them.
//!
//! Not here: tags themselves ([`crate::reply`]).

use exhibit_schemas::event::access::Access;

use super::CopyDirection;
use super::foreign::Foreign;
use super::kind::{Form, StatementClass, TransactionControl};
use super::tree::{Place, Tree};

/// What the server says of the rows that a statement changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counting {
    /// Nothing: it changes none.
    #[default]
    Unneeded,
    /// Their number, when it has ended.
    Told,
    /// Not how many they are.
    Untold,
}

/// What the server says of a statement; an [`super::Analysis`] of what a name stands for says more.
pub(super) fn counting(form: &Form, tree: &Tree, accesses: &[Access], foreign: Foreign) -> Counting {
    use StatementClass as Class;
    // What a function changes nobody counts, whatever calls it: an operator, a cast or a check of a type may, too.
    if foreign == Foreign::Called || accesses.iter().any(super::foreign::calls) {
        return Counting::Untold;
    }
    let targets = tree.ranges.iter().filter(|range| range.place == Place::Target).count();
    let changes = !super::class::changes(tree).is_empty();
    match form.class {
        Class::Insert | Class::Update | Class::Delete | Class::Merge if targets == 1 => Counting::Told,
        Class::Copy => match form.copy.as_ref().map(|copy| copy.direction) {
            Some(CopyDirection::In) => Counting::Told,
            Some(CopyDirection::Out) if !changes => Counting::Unneeded,
            _ => Counting::Untold,
        },
        Class::Transaction => match form.transaction {
            // What was prepared may be anything.
            Some(TransactionControl::CommitPrepared) => Counting::Untold,
            _ => Counting::Unneeded,
        },
        // What a name of its own stands for is counted when it runs.
        Class::Prepare => Counting::Unneeded,
        // It fills what it makes.
        Class::Explain if form.changes_catalog => Counting::Untold,
        Class::Select | Class::Explain | Class::Cursor | Class::Notify | Class::Lock | Class::Session if !changes => {
            Counting::Unneeded
        }
        _ => Counting::Untold,
    }
}

impl Counting {
    /// The same of a statement of that kind that runs what a name stands for.
    pub(crate) fn by_name(self, kind: &str, inner: Self) -> Self {
        match (kind, inner) {
            (_, Self::Unneeded) => self,
            ("ExecuteStmt", inner) => self.max(inner),
            // The tag is that of the rows which it gives, or of another statement.
            _ => Self::Untold,
        }
    }
}
