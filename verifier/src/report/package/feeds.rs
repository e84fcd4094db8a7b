//! The accesses as FHIR and OCSF, a document to a line (NDJSON), written while the log is read.

use std::io::Write as _;

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

/// Both files in the making.
pub(super) struct Feeds {
    fhir: Measured,
    ocsf: Measured,
    fhir_documents: u64,
    ocsf_documents: u64,
    origin: String,
    /// Of a log of which nobody signed a root nothing is written, and nothing is kept in the end.
    root: Option<String>,
    entity: Option<String>,
}

impl Feeds {
    pub(super) fn begin(place: &Place, entity: Option<&str>) -> Result<Self, PackageError> {
        Ok(Self {
            fhir: place.create(FHIR)?,
            ocsf: place.create(OCSF)?,
            fhir_documents: 0,
            ocsf_documents: 0,
            origin: String::new(),
            root: None,
            entity: entity.map(str::to_owned),
        })
    }

    /// Of which log it is.
    pub(super) fn of(&mut self, origin: &str, root: Option<Digest>) {
        origin.clone_into(&mut self.origin);
        self.root = root.map(|root| root.to_string());
    }

    /// Adds the documents of a line.
    pub(super) fn take(&mut self, line: &Line) -> Result<(), std::io::Error> {
        let (origin, entity) = (self.origin.clone(), self.entity.clone());
        let Some(root) = self.root.clone() else { return Ok(()) };
        let about = About {
            origin: &origin,
            root: &root,
            entity: entity.as_deref(),
            verifier: VERIFIER_VERSION,
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
            Line::Approval(_) | Line::Reveal(_) | Line::Read(_) | Line::Review(_) => {}
        }
        Ok(())
    }

    fn command(&mut self, about: &About<'_>, ran: &Ran) -> Result<(), std::io::Error> {
        // A command of a session without an opening is of a log that is not sound: none of this is kept.
        let Some(session) = &ran.session else { return Ok(()) };
        for event in fhir::command(about, session, &ran.command, &ran.patients) {
            self.fhir(&event)?;
        }
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

    /// Adds what speaks against controls, as of the last entry.
    pub(super) fn finish(mut self, report: &Report<'_>) -> Result<Vec<FileEntry>, PackageError> {
        let cover = &report.cover;
        if let (Some(root), Some(time)) = (&cover.root, cover.events.map(|events| events.last)) {
            let about = About {
                origin: &cover.origin,
                root,
                entity: cover.entity.as_deref(),
                verifier: VERIFIER_VERSION,
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

    /// The log is not sound: nothing of it stays.
    pub(super) fn discard(self, place: &Place) -> Result<(), PackageError> {
        drop(self);
        place.discard(FHIR)?;
        place.discard(OCSF)
    }
}

/// Writes a document at once: its pieces are a few bytes each, and every write is hashed.
fn write(file: &mut Measured, document: &Value) -> Result<(), std::io::Error> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    file.write_all(&line)
}
