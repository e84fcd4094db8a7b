//! Fingerprints of commands that have passed at this proxy ([`exhibit_policy::seen`]), so that a request can say whether its own is
//! among them.
//!
//! One is remembered when the ledger's receipt for its command is here (and of what people approved later still, see
//! `session/remembered.rs`), so what a request claims stands in the log before it, in the chain of the same key. Whatever is not
//! remembered counts as never seen: what passed while no policy went by it, what is still on its way, the oldest past [`FINGERPRINTS_MAX`], and all of it where the file is lost or of another log or key.
//!
//! ```text
//! exhibit-seen/1 <64 digits: of which log and key>
//! <64 digits: a fingerprint>          one to a line, the oldest first
//! ```
//!
//! The file is a cache and nothing that anybody has to believe: a fingerprint that somebody writes into it becomes a claim that
//! the log does not bear out, and the verifier finds that. It is not synchronised to the disk; a line that is lost is asked about again.
//!
//! Not here: other proxies. Each knows what passed at itself.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use exhibit_policy::seen;
use exhibit_schemas::digest::Digest;

use crate::request::{Asker, Reach, Request};

/// Fingerprints that are remembered at the most. A pipeline has some hundreds of statements; with the set they take 8 MiB.
const FINGERPRINTS_MAX: usize = 65_536;

/// Lines of the file at the most before it is written anew: the oldest half of a file that is full is gone from memory.
const LINES_MAX: usize = 2 * FINGERPRINTS_MAX;

/// Bytes of a line: a digest in hexadecimal, and its end.
const LINE_BYTES: usize = 65;

/// What the file begins with.
const FORMAT: &str = "exhibit-seen/1";

/// Where a proxy may keep what it remembers, over its runs.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The file.
    pub path: PathBuf,
    /// Which log and key it is about; another's is not read.
    pub of: Digest,
}

/// What has passed at this proxy.
pub(crate) struct Seen {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: BTreeSet<Digest>,
    /// The same, the oldest first.
    order: VecDeque<Digest>,
    /// `None` where nothing is kept, or it cannot be.
    keeping: Option<Keeping>,
    /// What this run writes on; made with the first line.
    kept: Option<Kept>,
}

struct Kept {
    file: File,
    lines: usize,
}

impl Request {
    /// Whether one like it is known to have passed, so that it is the same but for its values. Those can be nothing but data then: it
    /// runs no code that is not known, and its text says all but them.
    pub(crate) fn is_known(&self, asker: &Asker<'_>) -> bool {
        let Asker {
            principal,
            target,
            gate,
            ..
        } = *asker;
        let values_are_data = self.reach < Reach::Anything && !self.by_name;
        let known_by = seen::fingerprint(principal, target, &self.statement, &self.parameters, &self.facts);
        values_are_data && known_by.is_some_and(|known_by| gate.seen().knows(&known_by))
    }
}

impl Seen {
    /// What the last run kept; nothing where that cannot be read, which is asked about again then.
    pub(crate) fn begin(keeping: Option<Keeping>) -> Self {
        let mut state = State::default();
        if let Some(keeping) = keeping {
            for fingerprint in read(&keeping) {
                state.remember(fingerprint);
            }
            state.keeping = Some(keeping);
        }
        Self {
            state: Mutex::new(state),
        }
    }

    /// Whether a command of this fingerprint is known to have passed.
    pub(crate) fn knows(&self, fingerprint: &Digest) -> bool {
        self.state().known.contains(fingerprint)
    }

    /// Commands of these fingerprints have passed, and their events are durable.
    pub(crate) fn passed(&self, fingerprints: &[Digest]) {
        let mut state = self.state();
        for fingerprint in fingerprints {
            if state.remember(*fingerprint) {
                state.write(*fingerprint);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether it is a new one.
    fn remember(&mut self, fingerprint: Digest) -> bool {
        if !self.known.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > FINGERPRINTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Adds a line. Where that cannot be, nothing more is kept in this run.
    fn write(&mut self, fingerprint: Digest) {
        let Some(keeping) = &self.keeping else { return };
        let written = match &mut self.kept {
            Some(kept) if kept.lines < LINES_MAX => {
                kept.lines = kept.lines.saturating_add(1);
                kept.file.write_all(line(&fingerprint).as_bytes())
            }
            // With all that is remembered, of which it is the last.
            _ => {
                let text = self.order.iter().map(line).collect::<String>();
                let lines = self.order.len();
                replace(keeping, &text).map(|file| self.kept = Some(Kept { file, lines }))
            }
        };
        if let Err(error) = written {
            tracing::warn!(path = %keeping.path.display(), %error, "fingerprints of what passed are not kept for the next run");
            (self.keeping, self.kept) = (None, None);
        }
    }
}

fn line(fingerprint: &Digest) -> String {
    format!("{fingerprint}\n")
}

fn head(keeping: &Keeping) -> String {
    format!("{FORMAT} {}\n", keeping.of)
}

/// The fingerprints of a file, the oldest first. A line that is none is passed over: it was cut off as it was written.
fn read(keeping: &Keeping) -> Vec<Digest> {
    let bytes_max = (LINES_MAX + 1)
        .saturating_mul(LINE_BYTES)
        .saturating_add(head(keeping).len());
    let text = || -> std::io::Result<String> {
        let mut text = String::new();
        let file = File::open(&keeping.path)?;
        file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX))
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let text = match text() {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::warn!(path = %keeping.path.display(), %error, "fingerprints of what passed before are not known");
            return Vec::new();
        }
    };
    let Some(lines) = text.strip_prefix(&head(keeping)) else {
        tracing::warn!(path = %keeping.path.display(), "fingerprints of another log or key are passed over");
        return Vec::new();
    };
    lines.lines().filter_map(Digest::from_hex).collect()
}

/// Puts a new file in the place of the old one, and gives it to be written on.
fn replace(keeping: &Keeping, lines: &str) -> std::io::Result<File> {
    let next = keeping.path.with_extension("seen-next");
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(head(keeping).as_bytes())?;
    file.write_all(lines.as_bytes())?;
    std::fs::rename(&next, &keeping.path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use exhibit_schemas::digest::Digest;

    use super::{FINGERPRINTS_MAX, Keeping, LINE_BYTES, LINES_MAX, Seen};

    fn number(number: usize) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    fn keeping(directory: &tempfile::TempDir, of: u8) -> Keeping {
        Keeping {
            path: directory.path().join("link.seen"),
            of: Digest([of; 32]),
        }
    }

    #[test]
    fn what_passed_is_known_in_the_next_run_of_the_same_log_and_key_alone() {
        let place = tempfile::tempdir().unwrap();
        let begin = |of| Seen::begin(Some(keeping(&place, of)));
        let seen = begin(1);
        assert!(!seen.knows(&number(1)));
        seen.passed(&[number(1), number(2), number(1)]);
        assert!(seen.knows(&number(1)) && seen.knows(&number(2)) && !seen.knows(&number(3)));
        drop(seen);
        let again = begin(1);
        assert!(again.knows(&number(1)) && again.knows(&number(2)) && !again.knows(&number(3)));
        again.passed(&[number(3)]);
        assert!(begin(1).knows(&number(3)));
        assert!(!begin(2).knows(&number(1)), "of another log");
        assert!(begin(1).knows(&number(1)), "which has only looked");
        begin(2).passed(&[number(9)]);
        assert!(begin(2).knows(&number(9)) && !begin(2).knows(&number(1)));
        assert!(!begin(1).knows(&number(1)), "and then taken the file over");
        assert!(!Seen::begin(None).knows(&number(1)));
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_known_and_spoils_no_other() {
        let place = tempfile::tempdir().unwrap();
        Seen::begin(Some(keeping(&place, 1))).passed(&[number(1), number(2)]);
        let path = keeping(&place, 1).path;
        let whole = std::fs::read(&path).unwrap();
        std::fs::File::create(&path)
            .unwrap()
            .write_all(&whole[..whole.len() - 9])
            .unwrap();
        let seen = Seen::begin(Some(keeping(&place, 1)));
        assert!(seen.knows(&number(1)) && !seen.knows(&number(2)));
        seen.passed(&[number(3)]);
        let again = Seen::begin(Some(keeping(&place, 1)));
        assert!(again.knows(&number(1)) && again.knows(&number(3)));
    }

    #[test]
    fn the_oldest_go_first_in_memory_and_in_the_file() {
        let place = tempfile::tempdir().unwrap();
        let seen = Seen::begin(Some(keeping(&place, 1)));
        let all: Vec<_> = (0..=3 * FINGERPRINTS_MAX).map(number).collect();
        seen.passed(&all);
        let check = |seen: &Seen| {
            assert!(!seen.knows(&number(2 * FINGERPRINTS_MAX)) && seen.knows(&number(2 * FINGERPRINTS_MAX + 1)));
            assert!(seen.knows(&number(3 * FINGERPRINTS_MAX)));
        };
        check(&seen);
        drop(seen);
        let again = Seen::begin(Some(keeping(&place, 1)));
        check(&again);
        let bytes = || std::fs::metadata(keeping(&place, 1).path).unwrap().len();
        let line = |lines: usize| u64::try_from((lines + 2) * LINE_BYTES).unwrap();
        assert!(bytes() < line(LINES_MAX), "written anew on the way");
        again.passed(&[number(0)]);
        assert!(bytes() < line(FINGERPRINTS_MAX), "and with the first line of a run");
    }

    #[test]
    fn a_file_that_cannot_be_written_keeps_nothing_and_stops_nothing() {
        let place = tempfile::tempdir().unwrap();
        let nowhere = Keeping {
            path: place.path().join("none").join("link.seen"),
            of: Digest([1; 32]),
        };
        let seen = Seen::begin(Some(nowhere));
        seen.passed(&[number(1)]);
        assert!(seen.knows(&number(1)));
    }
}
