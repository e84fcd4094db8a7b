//! The evidence report as PDF, set by [Typst](https://typst.app): the page of `report.html`, element by element.
//!
//! ```text
//! Paper (HTML) ─▶ shown     what no embedded font has, or what acts on the reader, is written out
//!              ─▶ page      elements that are known; any other is refused
//!              ─▶ columns   how wide each column is, and which words may break
//!              ─▶ report.typ, with the page as data  ─▶ Typst ─▶ tagged PDF
//! ```
//!
//! The text is made once, by the verifier; nothing is worded here. It comes to Typst as strings and is never evaluated, so no text of
//! a log is markup. The world that Typst sees holds two files and the embedded fonts, and no clock, network, package or file of the
//! machine. The document has no date and its identifier is of its content, so the same paper gives the same bytes.
//!
//! Not here: what the report says (`exhibit-verify`), and conformance to an archival profile, which nobody has certified.

mod columns;
mod page;
mod shown;
mod world;

use exhibit_verify::report::paper::{Paper, Typesetter, TypesetterError};
use typst::diag::SourceDiagnostic;
use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

use self::page::Page;
pub use self::page::PageError;
use self::world::World;

/// Who made the file, as its metadata say.
const CREATOR: &str = concat!("exhibit-verify-pdf ", env!("CARGO_PKG_VERSION"));

/// The typesetter.
#[derive(Clone, Copy, Debug)]
pub struct Typst;

/// Why a page cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum TypstError {
    /// The page is not of the elements that are known here.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The page cannot be handed over.
    #[error("the page is no data: {0}")]
    Data(#[from] serde_json::Error),
    /// Typst says that it cannot set it, or cannot set it as it should be.
    #[error("{what} ({count} such)")]
    Setting {
        /// The first thing that it says.
        what: String,
        /// How many things it says.
        count: usize,
    },
}

impl Typesetter for Typst {
    fn pdf(&self, paper: &Paper) -> Result<Vec<u8>, TypesetterError> {
        Ok(set(paper)?)
    }
}

/// Sets a paper as PDF.
///
/// # Errors
/// [`TypstError`]; a warning of Typst is one, because it says of the result that it is not what it should be.
pub fn set(paper: &Paper) -> Result<Vec<u8>, TypstError> {
    let page = Page::of(paper)?;
    let world = World::of(serde_json::to_vec(&page)?);
    let compiled = typst::compile::<PagedDocument>(&world);
    let document = compiled.output.map_err(|errors| said(&errors))?;
    if !compiled.warnings.is_empty() {
        return Err(said(&compiled.warnings));
    }
    let options = PdfOptions {
        ident: Smart::Custom(paper.page.clone()),
        creator: Smart::Custom(Some(CREATOR.to_owned())),
        ..PdfOptions::default()
    };
    typst_pdf::pdf(&document, &options).map_err(|errors| said(&errors))
}

fn said(diagnostics: &[SourceDiagnostic]) -> TypstError {
    let first = diagnostics.first().map(|first| first.message.to_string());
    TypstError::Setting {
        what: first.unwrap_or_default(),
        count: diagnostics.len(),
    }
}
