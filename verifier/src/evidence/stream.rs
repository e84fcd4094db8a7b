//! Lines that are finished, as they are handed out.

use std::sync::Arc;

use exhibit_schemas::digest::Digest;

use super::{ApprovalLine, CommandLine, DetectionLine, RefusedLine, RevealLine, SessionLine};
use crate::reading::{ReadLine, ReaderLine};
use crate::report::table::Table;
use crate::review::ReviewLine;
use crate::void::VoidLine;

/// A line to which nothing more is added.
#[derive(Clone, Debug)]
pub enum Line {
    /// A session, at its close; those that are open when the log ends come last.
    Session(Arc<SessionLine>),
    /// Somebody who was not let in.
    Refused(RefusedLine),
    /// A command.
    Command(Box<Ran>),
    /// What people were asked; all at the end of the log.
    Approval(Box<ApprovalLine>),
    /// What a net caught.
    Detection(DetectionLine),
    /// A sealed copy that a person opened.
    Reveal(RevealLine),
    /// A reading of the evidence.
    Read(ReadLine),
    /// All readings of a reader; all at the end of the log.
    Reader(ReaderLine),
    /// A review that a person signed; all at the end of the log.
    Review(ReviewLine),
    /// What a person signed that counts for nothing.
    Void(VoidLine),
}

/// A command with its session and whose records it released.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its session as far as it was known then; absent where its opening is missing.
    pub session: Option<Arc<SessionLine>>,
    /// The command.
    pub command: CommandLine,
    /// Tokens of the patients whose records were released, in order.
    pub patients: Vec<String>,
    /// Patients that are not among them: rows of unknown ones, and those past the limit of what is told apart.
    pub unknown: u64,
}

impl Line {
    /// The table that it is a line of.
    pub const fn table(&self) -> Table {
        match self {
            Self::Session(_) => Table::Sessions,
            Self::Refused(_) => Table::RefusedLogins,
            Self::Command(_) => Table::Commands,
            Self::Approval(_) => Table::Approvals,
            Self::Detection(_) => Table::Detections,
            Self::Reveal(_) => Table::Reveals,
            Self::Read(_) => Table::Readings,
            Self::Reader(_) => Table::Readers,
            Self::Review(_) => Table::Reviews,
            Self::Void(_) => Table::Void,
        }
    }
}

/// Takes finished lines, one after the other, while the log is read. Whether the log is sound is not known before its end:
/// what was made of them must be thrown away where it is not.
pub trait Lines {
    /// Is told what log it is, before the first line; the root where anybody signed one, and whether the bundle is a scoped one.
    fn begin(&mut self, origin: &str, root: Option<Digest>, scoped: bool);

    /// Takes a line.
    ///
    /// # Errors
    /// What keeps it from being taken; the reading ends with it.
    fn take(&mut self, line: &Line) -> Result<(), std::io::Error>;
}
