//! Rules of what people sign about a report ([`crate::event::sign_off`]): which log it may be of, and how long its words may be.
//!
//! The ledger asks before it takes one, and the verifier asks again. What does not hold counts for nothing: it is the word of its
//! signer alone.
//!
//! Not here: whether the log has that root, or the cited entry that leaf hash, which shows in the log; and whether a report has such an
//! exception, which shows in the report.

use crate::event::Timestamp;
use crate::event::sign_off::{CitedEntry, ExceptionClosed, ExceptionNoted, ReportSigned};
use crate::merkle::TreeSize;

/// Bytes of a statement, a remediation or a detail at the most: a page of text.
pub const TEXT_BYTES_MAX: usize = 4_096;

/// Bytes of a name at the most: of a control, a cause, an owner.
pub const NAME_BYTES_MAX: usize = 256;

/// Why something that was signed about a report cannot be. Nothing that the signer wrote is repeated.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SignOffError {
    /// A log that is empty, or longer than the one that there was.
    #[error("it is of a log of {size} entries, and there were {before}")]
    Size {
        /// What it says.
        size: TreeSize,
        /// What there was.
        before: TreeSize,
    },
    /// A text that is too long, or empty.
    #[error("its {field} has {bytes} bytes; it has 1 to {most}")]
    Text {
        /// Which.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// A name with characters that end lines or act on terminals.
    #[error("its {0} has control characters")]
    Control(&'static str),
    /// What ends a note says that it is about another exception.
    #[error("it is said to end another exception than its note is about")]
    Other,
    /// An entry behind the log that it is of.
    #[error("it cites an entry that does not stand before it, or not in the log that it is of")]
    Entry,
    /// A day that was over when it was named.
    #[error("it is due at {0}, which was over when it was signed")]
    Due(Timestamp),
}

/// Whether a signature under a report can be, in a log of `before` entries.
///
/// # Errors
/// [`SignOffError`].
pub fn check_report(said: &ReportSigned, before: TreeSize) -> Result<(), SignOffError> {
    of_log(said.size, before)?;
    text("statement", &said.statement, TEXT_BYTES_MAX)
}

/// Whether a note of an exception can be, in a log of `before` entries, signed at `time`.
///
/// # Errors
/// [`SignOffError`].
pub fn check_note(said: &ExceptionNoted, time: Timestamp, before: TreeSize) -> Result<(), SignOffError> {
    of_log(said.size, before)?;
    name("control", &said.control)?;
    name("cause", &said.cause)?;
    text("detail", &said.detail, TEXT_BYTES_MAX)?;
    name("owner", &said.owner)?;
    text("remediation", &said.remediation, TEXT_BYTES_MAX)?;
    if said.entry.as_ref().is_some_and(|entry| entry.index.0 >= said.size) {
        return Err(SignOffError::Entry);
    }
    match said.due {
        Some(due) if due <= time => Err(SignOffError::Due(due)),
        _ => Ok(()),
    }
}

/// Whether the end of an exception can be, in a log of `before` entries. Whether it is about the same exception as its note says
/// [`ends`].
///
/// # Errors
/// [`SignOffError`].
pub fn check_close(said: &ExceptionClosed, before: TreeSize) -> Result<(), SignOffError> {
    let CitedEntry { index, .. } = said.note;
    if index.0 >= before.0 {
        return Err(SignOffError::Entry);
    }
    text("statement", &said.statement, TEXT_BYTES_MAX)
}

/// Whether what ends a note says that it is about the same exception: whoever signs it says what was seen.
///
/// # Errors
/// [`SignOffError::Other`].
pub fn ends(said: &ExceptionClosed, note: &ExceptionNoted) -> Result<(), SignOffError> {
    let same = (&said.control, &said.cause, &said.detail) == (&note.control, &note.cause, &note.detail);
    if same { Ok(()) } else { Err(SignOffError::Other) }
}

fn of_log(size: u64, before: TreeSize) -> Result<(), SignOffError> {
    let size = TreeSize(size);
    if size == TreeSize(0) || size > before {
        return Err(SignOffError::Size { size, before });
    }
    Ok(())
}

/// A name stands in a line with others.
fn name(field: &'static str, name: &str) -> Result<(), SignOffError> {
    if name.chars().any(char::is_control) {
        return Err(SignOffError::Control(field));
    }
    text(field, name, NAME_BYTES_MAX)
}

fn text(field: &'static str, text: &str, most: usize) -> Result<(), SignOffError> {
    let bytes = text.len();
    if text.trim().is_empty() || bytes > most {
        return Err(SignOffError::Text { field, bytes, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{NAME_BYTES_MAX, SignOffError, TEXT_BYTES_MAX, check_close, check_note, check_report, ends};
    use crate::digest::Digest;
    use crate::event::Timestamp;
    use crate::event::sign_off::{CitedEntry, Disposition, ExceptionClosed, ExceptionNoted, ReportSigned};
    use crate::merkle::{Index, TreeSize};

    const BEFORE: TreeSize = TreeSize(9);
    const NOW: Timestamp = Timestamp(50);

    fn cited(index: u64) -> CitedEntry {
        CitedEntry {
            index: Index(index),
            leaf: Digest([2; 32]),
        }
    }

    fn note() -> ExceptionNoted {
        ExceptionNoted {
            control: "312.b".into(),
            cause: "session-open".into(),
            entry: Some(cited(8)),
            detail: "d".repeat(TEXT_BYTES_MAX),
            root: Digest([1; 32]),
            size: 9,
            owner: "o".repeat(NAME_BYTES_MAX),
            remediation: "restarted".into(),
            due: Some(Timestamp(51)),
        }
    }

    fn is_text(result: Result<(), SignOffError>, field: &str) -> bool {
        matches!(result, Err(SignOffError::Text { field: found, .. }) if found == field)
    }

    #[test]
    fn a_signature_is_under_a_report_of_a_log_that_there_was() {
        let said = |size, statement: &str| {
            let (manifest, root, statement) = (Digest([1; 32]), Digest([2; 32]), statement.to_owned());
            check_report(
                &ReportSigned {
                    manifest,
                    root,
                    size,
                    statement,
                },
                BEFORE,
            )
        };
        assert_eq!(said(9, &"s".repeat(TEXT_BYTES_MAX)), Ok(()));
        for size in [0, 10, u64::MAX] {
            let (size, before) = (TreeSize(size), BEFORE);
            assert_eq!(said(size.0, "read"), Err(SignOffError::Size { size, before }));
        }
        for statement in ["", " \n", &"s".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(is_text(said(9, statement), "statement"));
        }
    }

    #[test]
    fn a_note_names_an_owner_and_an_exception_of_a_log_that_there_was() {
        let said = |change: &dyn Fn(&mut ExceptionNoted)| {
            let mut said = note();
            change(&mut said);
            check_note(&said, NOW, BEFORE)
        };
        assert_eq!(said(&|_| {}), Ok(()));
        assert_eq!(said(&|said| (said.entry, said.due) = (None, None)), Ok(()));
        assert!(matches!(said(&|said| said.size = 10), Err(SignOffError::Size { .. })));
        assert_eq!(said(&|said| said.entry = Some(cited(9))), Err(SignOffError::Entry));
        assert_eq!(said(&|said| said.due = Some(NOW)), Err(SignOffError::Due(NOW)));
        assert!(is_text(said(&|said| said.control.clear()), "control"));
        assert!(is_text(said(&|said| said.cause.clear()), "cause"));
        assert!(is_text(said(&|said| said.detail.push('d')), "detail"));
        assert!(is_text(said(&|said| said.owner.push('o')), "owner"));
        assert!(is_text(said(&|said| said.remediation.clear()), "remediation"));
        let control = said(&|said| said.owner = "bob\nclosed".into());
        assert_eq!(control, Err(SignOffError::Control("owner")));
    }

    #[test]
    fn what_ends_an_exception_stands_behind_its_note() {
        let said = |index, statement: &str| {
            let (note, statement) = (cited(index), statement.to_owned());
            let disposition = Disposition::Accepted;
            let words = self::note();
            let mut said = ExceptionClosed {
                note,
                disposition,
                statement,
                control: words.control.clone(),
                cause: words.cause.clone(),
                detail: words.detail.clone(),
            };
            assert_eq!(ends(&said, &words), Ok(()));
            let checked = check_close(&said, BEFORE);
            said.cause.push('.');
            assert_eq!(ends(&said, &words), Err(SignOffError::Other));
            checked
        };
        assert_eq!(said(8, "mended"), Ok(()));
        assert_eq!(said(9, "mended"), Err(SignOffError::Entry));
        assert!(is_text(said(8, ""), "statement"));
    }
}
