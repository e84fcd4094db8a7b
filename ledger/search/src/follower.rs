//! The follower: brings the index up to the log, a bounded step at a time.
//!
//! A thread of the ledger calls [`Follower::step`] when the log has grown, and again at once while
//! [`Step::behind`] is not 0. A step ends with one commit, which costs a few fsyncs: under load call it every few hundred
//! milliseconds, not for every batch.

use std::path::PathBuf;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Index as EntryIndex, TreeSize};

use crate::index::{Index, Rebuilt, SearchError};
use crate::searcher::Searcher;

/// Entries that one step takes at the most, so that a rebuild becomes searchable, and can be stopped, as it goes.
pub const STEP_ENTRIES_MAX: u64 = 16_384;

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Entries that the index now durably stands for.
    pub high_water: EntryIndex,
    /// Entries of the log after them.
    pub behind: u64,
}

/// An index that follows one log.
#[derive(Debug)]
pub struct Follower {
    // `None` only after a rebuild failed; the next step opens it again.
    index: Option<Index>,
    directory: PathBuf,
    searcher: Searcher,
    /// Whether the index was compared with the log since it was opened.
    compared: bool,
}

impl Follower {
    /// Follows with an index that was just opened.
    pub fn new(index: Index) -> Self {
        Self {
            searcher: index.searcher(),
            directory: index.directory().to_owned(),
            index: Some(index),
            compared: false,
        }
    }

    /// A reader, for any thread.
    pub fn searcher(&self) -> Searcher {
        self.searcher.clone()
    }

    /// Why the index was last emptied, if it was.
    pub fn rebuilt(&self) -> Option<&Rebuilt> {
        self.index.as_ref()?.rebuilt()
    }

    /// Takes entries up to `size`, at most [`STEP_ENTRIES_MAX`], and commits.
    ///
    /// `read` hands out entries below `size`; it is asked in order, after at most one question about the last entry that
    /// the index holds. An index that was built from another log is emptied first.
    ///
    /// # Errors
    /// [`SearchError`]; call again later to go on from the last commit.
    pub fn step(
        &mut self,
        mut read: impl FnMut(EntryIndex) -> Option<Vec<u8>>,
        size: TreeSize,
    ) -> Result<Step, SearchError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => Index::open(&self.directory)?,
        };
        if !self.compared || index.next().0 > size.0 {
            self.compared = false;
            index = compare(index, &mut read, size)?;
            index.take_over(&self.searcher);
            self.compared = true;
        }
        let end = size.0.min(index.next().0.saturating_add(STEP_ENTRIES_MAX));
        let taken = take(&mut index, &mut read, end).and_then(|()| index.commit());
        let step = Step {
            high_water: index.high_water(),
            behind: size.0.saturating_sub(index.high_water().0),
        };
        self.index = Some(index);
        taken.map(|()| step)
    }
}

fn take(index: &mut Index, read: &mut impl FnMut(EntryIndex) -> Option<Vec<u8>>, end: u64) -> Result<(), SearchError> {
    while index.next().0 < end {
        let next = index.next();
        let entry = read(next).ok_or(SearchError::Missing { index: next })?;
        index.apply(next, &entry)?;
    }
    Ok(())
}

/// The last entry that the index stands for must be the log's entry at that place.
fn compare(
    index: Index,
    read: &mut impl FnMut(EntryIndex) -> Option<Vec<u8>>,
    size: TreeSize,
) -> Result<Index, SearchError> {
    let Some(last) = index.next().0.checked_sub(1).map(EntryIndex) else {
        return Ok(index);
    };
    let same = last.0 < size.0 && read(last).map(|entry| Digest::leaf(&entry)) == index.last();
    if same {
        return Ok(index);
    }
    index.rebuild(Rebuilt::OtherLog { index: last })
}
