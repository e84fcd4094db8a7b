//! What people sign about a report: that they take it over, who mends an exception, and that one is done with.

use crate::digest::Digest;
use crate::event::Timestamp;
use crate::merkle::Index;

crate::code! {
    /// How an exception was done with.
    pub enum Disposition {
        /// What caused it was mended.
        Remediated = 0 "remediated",
        /// It stays as it is, for the reason that is given.
        Accepted = 1 "accepted",
    }
}

crate::record! {
    /// A reviewer signed a report; sealed with that person's own key.
    pub struct ReportSigned {
        /// SHA-256 of the report's `manifest.json`, which lists SHA-256 of its other files.
        1 => manifest: Digest,
        /// RFC 9162 root of the log that the report is of.
        2 => root: Digest,
        /// Size of that log.
        3 => size: u64,
        /// What the reviewer says of it, without values.
        4 => statement: String,
    }
}

crate::record! {
    /// An entry that is cited.
    pub struct CitedEntry {
        /// Its index in the log.
        1 => index: Index,
        /// Its leaf hash.
        2 => leaf: Digest,
    }
}

crate::record! {
    /// A person says who mends an exception of a report, and how; sealed with that person's own key.
    pub struct ExceptionNoted {
        /// The control that it speaks against, by the word of the report.
        1 => control: String,
        /// Its cause, a word of the report.
        2 => cause: String,
        /// The entry that the report cites for it; absent for what is of the log as a whole.
        (?) 3 => entry: CitedEntry,
        /// What exactly, in the report's words: of several exceptions with the same cause and entry this tells which.
        4 => detail: String,
        /// RFC 9162 root of the log that the report is of.
        5 => root: Digest,
        /// Size of that log.
        6 => size: u64,
        /// Who is to mend it.
        7 => owner: String,
        /// How, without values.
        8 => remediation: String,
        /// Until when.
        (?) 9 => due: Timestamp,
    }
}

crate::record! {
    /// A person signs that an exception is done with; sealed with that person's own key.
    pub struct ExceptionClosed {
        /// The event that noted it.
        1 => note: CitedEntry,
        /// How it was done with.
        2 => disposition: Disposition,
        /// What was done, or why it may stay, without values.
        3 => statement: String,
        /// The control of the exception, as the note has it.
        4 => control: String,
        /// Its cause, as the note has it.
        5 => cause: String,
        /// What exactly, as the note has it.
        6 => detail: String,
    }
}
