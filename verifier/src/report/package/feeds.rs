//! The accesses as FHIR and OCSF, a document to a line (NDJSON), written while the log is read.

use std::io::Write as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use exhibit_schemas::digest::Digest;
use serde_json::Value;

use super::{FileEntry, Measured, PackageError, Place};
use crate::VERIFIER_VERSION;
use crate::evidence::{Line, Ran};
use crate::report::about::About;
use crate::report::{Report, fhir, ocsf};

/// Events of FHIR.
pub(super) const FHIR: &str = "fhir/audit-events.ndjson";

/// Events of OCSF.
pub(super) const OCSF: &str = "ocsf/events.ndjson";

/// Lines that wait for the thread at the most. A file that is slow for a moment stops nobody, and memory holds no more.
const WAITING_MAX: usize = 1_024;

/// Both files in the making, by a thread of their own: the documents cost more than all checks of the log together.
pub(super) struct Feeds {
    lines: SyncSender<Message>,
    thread: JoinHandle<Result<Writer, std::io::Error>>,
}

/// What the thread is told.
enum Message {
    Of(String, Option<Digest>, bool),
    Line(Line),
}

/// What the thread writes.
struct Writer {
    fhir: Measured,
    ocsf: Measured,
    fhir_documents: u64,
    ocsf_documents: u64,
    origin: String,
    /// Of a log of which nobody signed a root nothing is written, and nothing is kept in the end.
    root: Option<String>,
    scoped: bool,
    entity: Option<String>,
}

impl Feeds {
    pub(super) fn begin(place: &Place, entity: Option<&str>) -> Result<Self, PackageError> {
        let writer = Writer {
            fhir: place.create(FHIR)?,
            ocsf: place.create(OCSF)?,
            fhir_documents: 0,
            ocsf_documents: 0,
            origin: String::new(),
            root: None,
            scoped: false,
            entity: entity.map(str::to_owned),
        };
        let (lines, waiting) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("feeds".to_owned());
        let thread = thread.spawn(move || writer.run(&waiting)).map_err(failed)?;
        Ok(Self { lines, thread })
    }

    /// Of which log it is.
    pub(super) fn of(&self, origin: &str, root: Option<Digest>, scoped: bool) {
        // A thread that has ended is noticed at the next line, or at the end.
        let _ = self.lines.send(Message::Of(origin.to_owned(), root, scoped));
    }

    /// Adds the documents of a line. Says whether the thread still takes any; [`Self::why_ended`] says why it does not.
    #[must_use]
    pub(super) fn take(&self, line: &Line) -> bool {
        match line {
            Line::Session(_) | Line::Refused(_) | Line::Command(_) | Line::Detection(_) => {
                self.lines.send(Message::Line(line.clone())).is_ok()
            }
            Line::Approval(_) | Line::Reveal(_) | Line::Read(_) | Line::Reader(_) | Line::Review(_) | Line::Void(_) => {
                true
            }
        }
    }

    /// Why the thread takes no lines any more.
    pub(super) fn why_ended(self) -> std::io::Error {
        match self.ended() {
            Ok(_) => broke(),
            Err(error) => error,
        }
    }

    /// Everything that was taken is written.
    fn ended(self) -> Result<Writer, std::io::Error> {
        drop(self.lines);
        self.thread.join().map_err(|_| broke())?
    }

    /// Adds what speaks against controls, as of the last entry.
    pub(super) fn finish(self, report: &Report<'_>) -> Result<Vec<FileEntry>, PackageError> {
        self.ended().map_err(failed)?.finish(report)
    }

    /// The log is not sound: nothing of it stays.
    pub(super) fn discard(self, place: &Place) -> Result<(), PackageError> {
        // What it could not write is thrown away, too.
        drop(self.ended());
        place.discard(FHIR)?;
        place.discard(OCSF)
    }
}

impl Writer {
    fn run(mut self, lines: &Receiver<Message>) -> Result<Self, std::io::Error> {
        for message in lines {
            match message {
                Message::Of(origin, root, scoped) => {
                    self.origin = origin;
                    self.scoped = scoped;
                    self.root = root.map(|root| root.to_string());
                }
                Message::Line(line) => self.take(&line)?,
            }
        }
        Ok(self)
    }

    fn take(&mut self, line: &Line) -> Result<(), std::io::Error> {
        let (origin, entity) = (self.origin.clone(), self.entity.clone());
        let Some(root) = self.root.clone() else { return Ok(()) };
        let about = About {
            origin: &origin,
            root: &root,
            entity: entity.as_deref(),
            verifier: VERIFIER_VERSION,
            scoped: self.scoped,
        };
        match line {
            Line::Session(session) => {
                self.ocsf(&ocsf::opened(&about, session))?;
                if let Some(closed) = ocsf::closed(&about, session) {
                    self.ocsf(&closed)?;
                }
            }
            Line::Refused(refused) => {
                self.fhir(&fhir::refused(&about, refused))?;
                self.ocsf(&ocsf::refused(&about, refused))?;
            }
            Line::Command(ran) => self.command(&about, ran)?,
            Line::Detection(detection) => self.ocsf(&ocsf::detection(&about, detection))?,
            Line::Approval(_) | Line::Reveal(_) | Line::Read(_) | Line::Reader(_) | Line::Review(_) | Line::Void(_) => {
            }
        }
        Ok(())
    }

    fn command(&mut self, about: &About<'_>, ran: &Ran) -> Result<(), std::io::Error> {
        // A command of a session without an opening is of a log that is not sound: none of this is kept.
        let Some(session) = &ran.session else { return Ok(()) };
        fhir::command(about, session, &ran.command, &ran.patients, |event| self.fhir(event))?;
        self.ocsf(&ocsf::command(about, session, &ran.command))
    }

    fn fhir(&mut self, document: &Value) -> Result<(), std::io::Error> {
        self.fhir_documents += 1;
        write(&mut self.fhir, document)
    }

    fn ocsf(&mut self, document: &Value) -> Result<(), std::io::Error> {
        self.ocsf_documents += 1;
        write(&mut self.ocsf, document)
    }

    fn finish(mut self, report: &Report<'_>) -> Result<Vec<FileEntry>, PackageError> {
        let cover = &report.cover;
        if let (Some(root), Some(time)) = (&cover.root, cover.events.map(|events| events.last)) {
            let about = About {
                origin: &cover.origin,
                root,
                entity: cover.entity.as_deref(),
                verifier: VERIFIER_VERSION,
                scoped: self.scoped,
            };
            let controls = report.controls.iter();
            for document in controls.filter_map(|row| ocsf::control(&about, row, &time.to_string())) {
                self.ocsf(&document).map_err(|error| PackageError::File {
                    path: OCSF.into(),
                    error,
                })?;
            }
        }
        Ok(vec![
            self.fhir.finish(FHIR, Some(self.fhir_documents))?,
            self.ocsf.finish(OCSF, Some(self.ocsf_documents))?,
        ])
    }
}

fn broke() -> std::io::Error {
    std::io::Error::other("the thread that writes FHIR and OCSF broke")
}

fn failed(error: std::io::Error) -> PackageError {
    PackageError::File {
        path: FHIR.into(),
        error,
    }
}

/// Writes a document at once: its pieces are a few bytes each, and every write is hashed.
fn write(file: &mut Measured, document: &Value) -> Result<(), std::io::Error> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    file.write_all(&line)
}
