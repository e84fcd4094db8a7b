//! The report on paper: the same page with as many lines as people print, and what sets it as PDF.
//!
//! Only the contract is here. A typesetter is more code than the verifier, so it is a crate of its own (`verifier/pdf`), and an
//! auditor who wants to link none of it verifies and reports without.

use super::{Report, html};

/// Why there is no PDF: whatever the typesetter says.
pub type TypesetterError = Box<dyn std::error::Error + Send + Sync>;

/// What sets a report as PDF.
///
/// The same paper gives the same bytes, on every machine: it takes no clock, no font and no setting from where it runs. It takes
/// all text for text, whatever it looks like. What it cannot set it refuses, and leaves nothing out.
pub trait Typesetter: Sync {
    /// The bytes of the PDF.
    ///
    /// # Errors
    /// When the paper cannot be set whole.
    fn pdf(&self, paper: &Paper) -> Result<Vec<u8>, TypesetterError>;
}

/// A report as it is printed.
#[derive(Clone, Debug)]
pub struct Paper {
    /// What it is of.
    pub title: String,
    /// What stands at the foot of each sheet: which record it is of, and what came of verifying it.
    pub foot: String,
    /// The page, as HTML of the elements that `report.html` has.
    pub page: String,
}

impl Paper {
    pub(super) fn of(report: &Report<'_>) -> Self {
        let cover = &report.cover;
        let record = match &cover.root {
            Some(root) => format!("root {root}"),
            None => "no root, because the record is broken".to_owned(),
        };
        Self {
            title: html::title(report),
            foot: format!("{}, {} entries, {record}", cover.result, cover.size),
            page: html::paper(report),
        }
    }
}
