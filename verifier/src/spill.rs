//! What is kept of a log while it is read, without memory that grows with the log.
//!
//! Something may be said until the log ends about a session that was closed, or about a question that was settled, so what is
//! known of each is kept. Here the most of it lies in temporary files: [`Slots`] holds records of one size by their keys,
//! [`Shelf`] values of any size, of which those that were used last stand in memory.
//!
//! **Nothing is left behind.** The files have no name from the moment that they are made, and the system takes them back when the
//! program ends, however it ends. They lie where the system has such files (`TMPDIR`), and there are none while what is kept is little.
//!
//! **Nothing is lost silently.** Where a file cannot be written or read, that is noted once for all that share a [`Spill`], and what is
//! asked for is answered as if it was not there. An answer about the log takes what [`Spill::check`] gives: what was found after a
//! failure stands on nothing.
//!
//! Not here: what is kept. No answer depends on where something is kept, or on the order in which records lie in a file, which differs from
//! run to run: it follows a hash under a random key, so that no log can be made whose records fall together.

mod scratch;
mod shelf;
mod slots;

use std::sync::{Arc, OnceLock};

pub(crate) use self::shelf::Shelf;
pub(crate) use self::slots::Slots;

/// Why something could not be kept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot keep what was read of the log in a temporary file in {directory}: {error}")]
pub struct SpillError {
    directory: String,
    /// Shared, since everybody who asks is told.
    error: Arc<std::io::Error>,
}

/// That nothing which was to be kept was lost; [`Spill::check`] alone says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept(());

/// What went wrong first in the files of one reading; its clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spill(Arc<OnceLock<SpillError>>);

impl Spill {
    /// Holds that everything that was to be kept so far is.
    ///
    /// # Errors
    /// The first failure.
    pub(crate) fn check(&self) -> Result<Kept, SpillError> {
        self.0.get().cloned().map_or(Ok(Kept(())), Err)
    }

    /// Takes the value of what may have failed.
    fn note<T>(&self, result: Result<T, std::io::Error>) -> Option<T> {
        let noted = result.map_err(|error| {
            self.0.get_or_init(|| SpillError {
                directory: std::env::temp_dir().display().to_string(),
                error: Arc::new(error),
            });
        });
        noted.ok()
    }
}
