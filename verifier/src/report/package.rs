//! The report as files: the page, the JSON, every table whole as CSV and in one workbook, and the manifest over them.
//!
//! ```text
//! DIR/report.html  report.json                     for people, for programs
//!     report.pdf                                   the page on paper, where a typesetter was given ([`super::paper`])
//!     workpapers.xlsx  tables/*.csv                every population whole
//!     oscal/assessment-results.json  catalog.json  [`super::oscal`]
//!     fhir/audit-events.ndjson                     [`super::fhir`]
//!     ocsf/events.ndjson                           [`super::ocsf`]
//!     manifest.json                                SHA-256 of each of them
//! ```
//!
//! Tables are written while the log is read, so that memory holds none of them. Whether the log is sound is known at its end:
//! until then everything stands in `DIR/.partial`, and nothing of the tables is kept where it is not. The manifest is put in
//! place last; a directory without one that fits holds no report.
//!
//! The same bundle and the same options give the same bytes, which [`compare`] stands on: it makes the files again without writing
//! them, and says of a directory whether it holds these.
//!
//! Not here: what the files say (`html`, [`super::cells`]).

mod check;
mod feeds;
mod manifest;
mod place;
mod workbook;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use exhibit_schemas::digest::Digest;

pub use self::check::{Difference, compare};
use self::feeds::Feeds;
pub use self::manifest::{
    FileEntry, Head, MANIFEST, MANIFEST_BYTES_MAX, MANIFEST_FORMAT, Made, Manifest, ManifestError,
};
use self::place::{Measured, Place};
use self::workbook::Workbook;
use super::cells::{self, Cell, Cells};
use super::paper::{Typesetter, TypesetterError};
use super::table::Table;
use super::{Report, oscal};
use crate::evidence::{Evidence, Line, Lines};

/// The page.
pub const PAGE: &str = "report.html";

/// The page on paper.
pub const PDF: &str = "report.pdf";

/// The report for programs.
pub const JSON: &str = "report.json";

/// The report as OSCAL assessment results.
pub const RESULTS: &str = "oscal/assessment-results.json";

/// The catalog that they refer to.
pub const CATALOG: &str = "oscal/catalog.json";

/// All tables in one workbook.
pub const WORKBOOK: &str = "workpapers.xlsx";

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Something is there that is no report.
    #[error("{path} holds files, and they are no report: {file} is among them")]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// One of them.
        file: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The workbook cannot be written.
    #[error("{WORKBOOK}: {0}")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The typesetter could not set the page.
    #[error("{PDF}: {0}")]
    Typesetter(TypesetterError),
}

/// The files of a report in the making.
pub struct Package {
    place: Place,
    tables: BTreeMap<Table, Sheet>,
    workbook: Workbook,
    feeds: Option<Feeds>,
    typesetter: Option<&'static dyn Typesetter>,
}

/// A table in the making.
struct Sheet {
    csv: csv::Writer<Measured>,
    rows: u64,
}

impl Package {
    /// Begins a report in a directory, which is made if it is not there, and may hold nothing but an earlier report; or nowhere,
    /// so that only its manifest is left.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn begin(directory: Option<&Path>, entity: Option<&str>) -> Result<Self, PackageError> {
        let place = Place::begin(directory)?;
        let feeds = Some(Feeds::begin(&place, entity)?);
        let workbook = Workbook::new(&place.scratch())?;
        let mut package = Self {
            place,
            tables: BTreeMap::new(),
            workbook,
            feeds,
            typesetter: None,
        };
        for table in Table::ALL {
            package.table(*table)?;
        }
        Ok(package)
    }

    /// The same package with the page as PDF, where there is a typesetter.
    #[must_use]
    pub fn set_by(mut self, typesetter: Option<&'static dyn Typesetter>) -> Self {
        self.typesetter = typesetter;
        self
    }

    fn table(&mut self, table: Table) -> Result<(), PackageError> {
        let path = table.path();
        let failed = |error| PackageError::File {
            path: path.clone().into(),
            error,
        };
        let mut csv = csv::Writer::from_writer(self.place.create(&path)?);
        csv.write_record(table.columns())
            .map_err(|error| failed(error.into()))?;
        self.tables.insert(table, Sheet { csv, rows: 0 });
        self.workbook.begin(table)?;
        Ok(())
    }

    fn row(&mut self, table: Table, cells: &Cells<'_>) -> Result<(), PackageError> {
        debug_assert_eq!(cells.len(), table.columns().len(), "{table:?}");
        self.workbook.row(table, cells)?;
        if let Some(sheet) = self.tables.get_mut(&table) {
            sheet.rows += 1;
            let written = sheet.csv.write_record(cells.iter().map(Cell::field));
            written.map_err(|error| PackageError::File {
                path: table.path().into(),
                error: error.into(),
            })?;
        }
        Ok(())
    }

    /// Writes the rest, and puts everything in place.
    ///
    /// # Errors
    /// [`PackageError`]; what was there before is then still there, or has no manifest that fits.
    pub fn finish(mut self, report: &Report<'_>, made: Made) -> Result<Manifest, PackageError> {
        match report.evidence {
            Some(evidence) => self.evidence(evidence)?,
            None => self.discard()?,
        }
        for cells in cells::cover(report) {
            self.row(Table::Cover, &cells)?;
        }
        if let Some(scoped) = &report.cover.scoped {
            self.workbook.label(&scoped.words);
        }
        for (name, day) in report.figures.iter().flat_map(|figures| &figures.days) {
            self.row(Table::Days, &cells::day(name, day))?;
        }
        for row in &report.controls {
            self.row(Table::Controls, &cells::control(row))?;
            for exception in &row.exceptions {
                self.row(Table::Exceptions, &cells::exception(row, exception))?;
            }
        }
        for cells in report.since.iter().flat_map(cells::changes) {
            self.row(Table::Changes, &cells)?;
        }
        for finding in &report.findings {
            self.row(Table::Findings, &cells::finding(finding))?;
        }
        let mut files = Vec::new();
        for (table, sheet) in std::mem::take(&mut self.tables) {
            let path = table.path();
            let measured = sheet.csv.into_inner().map_err(|error| PackageError::File {
                path: path.clone().into(),
                error: std::io::Error::other(error.to_string()),
            })?;
            files.push(measured.finish(&path, Some(sheet.rows))?);
        }
        if let Some(feeds) = self.feeds.take() {
            files.extend(feeds.finish(report)?);
        }
        // One after the other, so that no two of them stand in memory; the longest never stands there whole.
        files.push(self.text(PAGE, |file| file.write_all(report.html().as_bytes()))?);
        files.push(self.text(JSON, |file| report.write_json(file))?);
        files.push(self.text(RESULTS, |file| {
            file.write_all(oscal::assessment_results(report).as_bytes())
        })?);
        files.push(self.text(CATALOG, |file| file.write_all(oscal::catalog().as_bytes()))?);
        if let Some(pdf) = self.pdf(report)? {
            files.push(self.text(PDF, |file| file.write_all(&pdf))?);
        }
        let mut file = self.place.create(WORKBOOK)?;
        self.workbook.write(&mut file)?;
        files.push(file.finish(WORKBOOK, None)?);
        files.sort_by(|left, right| left.name.cmp(&right.name));
        let manifest = Manifest::of(report, made, files);
        self.place.finish(&manifest)?;
        Ok(manifest)
    }

    /// The page as PDF, where it is wanted.
    fn pdf(&self, report: &Report<'_>) -> Result<Option<Vec<u8>>, PackageError> {
        let set = |typesetter: &dyn Typesetter| typesetter.pdf(&report.paper());
        self.typesetter.map(set).transpose().map_err(PackageError::Typesetter)
    }

    /// Writes a file of text.
    fn text(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<Measured>) -> Result<(), std::io::Error>,
    ) -> Result<FileEntry, PackageError> {
        let failed = |error| PackageError::File {
            path: name.into(),
            error,
        };
        let mut file = BufWriter::new(self.place.create(name)?);
        write(&mut file).map_err(failed)?;
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.finish(name, None)
    }

    /// The log is not sound: nothing that was read from it stays.
    fn discard(&mut self) -> Result<(), PackageError> {
        for (table, sheet) in std::mem::take(&mut self.tables) {
            drop(sheet);
            self.place.discard(&table.path())?;
        }
        if let Some(feeds) = self.feeds.take() {
            feeds.discard(&self.place)?;
        }
        self.workbook = Workbook::new(&self.place.scratch())?;
        for table in [Table::Cover, Table::Controls, Table::Exceptions, Table::Findings] {
            self.table(table)?;
        }
        Ok(())
    }

    /// What is known only at the end of the log.
    fn evidence(&mut self, evidence: &Evidence) -> Result<(), PackageError> {
        for line in &evidence.report_signatures {
            self.row(Table::ReportSignatures, &cells::report_signature(line))?;
        }
        for line in &evidence.exception_notes {
            self.row(Table::ExceptionNotes, &cells::exception_note(line))?;
        }
        for line in &evidence.exception_closes {
            self.row(Table::ExceptionCloses, &cells::exception_close(line))?;
        }
        for line in &evidence.review_schedules {
            self.row(Table::ReviewSchedules, &cells::review_schedule(line))?;
        }
        for line in &evidence.review_periods {
            self.row(Table::ReviewPeriods, &cells::review_period(line))?;
        }
        for line in &evidence.emergencies {
            self.row(Table::Emergencies, &cells::emergency(line))?;
        }
        for line in &evidence.observed {
            self.row(Table::ObservedRules, &cells::observed(line))?;
        }
        for line in &evidence.fields {
            self.row(Table::Fields, &cells::touched(line))?;
        }
        for line in &evidence.policy_masks {
            self.row(Table::PolicyMasks, &cells::policy_mask(line))?;
        }
        for line in &evidence.policies {
            self.row(Table::Policies, &cells::policy(line))?;
        }
        for line in &evidence.policy_terms {
            self.row(Table::PolicyTerms, &cells::policy_term(line))?;
        }
        for line in &evidence.keys {
            self.row(Table::Keys, &cells::key(line))?;
        }
        for line in &evidence.mask_keys {
            self.row(Table::MaskKeys, &cells::mask_key(line))?;
        }
        Ok(())
    }
}

impl Lines for Package {
    fn begin(&mut self, origin: &str, root: Option<Digest>, scoped: bool) {
        if let Some(feeds) = &self.feeds {
            feeds.of(origin, root, scoped);
        }
    }

    fn take(&mut self, line: &Line) -> Result<(), std::io::Error> {
        if let Some(feeds) = self.feeds.take_if(|feeds| !feeds.take(line)) {
            return Err(feeds.why_ended());
        }
        for (table, cells) in cells::of_line(line) {
            self.row(table, &cells).map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}
