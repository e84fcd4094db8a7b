//! The workbook: every table as a sheet, with the cells of the CSV.
//!
//! Text is written as text, whatever it looks like; numbers past 2^53, which a spreadsheet would round, are text, too. A table that
//! has more rows than a sheet goes on in another one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, XlsxError};

use super::Measured;
use crate::report::about::SCOPED_LABEL;
use crate::report::cells::{Cell, Cells};
use crate::report::table::Table;

/// Rows of a sheet with its head, as the format has it.
const ROWS_MAX: u32 = 1_048_576;

/// Characters of a cell, as the format has it.
const CHARACTERS_MAX: usize = 32_767;

/// Characters of a scope on paper at the most; a header has 255, and the sheet `cover` all of them.
const SCOPE_CHARACTERS_MAX: usize = 100;

/// The tabs of sheets of a scoped bundle.
const LABEL_COLOR: &str = "#C05000";

/// What stands at the end of a cell that was cut.
const CUT: &str = " … (cut; whole in the CSV)";

/// The largest number up to which a spreadsheet knows every one.
const EXACT_MAX: u64 = 1 << 53;

/// A workbook in the making.
pub(super) struct Workbook {
    book: rust_xlsxwriter::Workbook,
    sheets: BTreeMap<Table, Sheet>,
    head: Format,
    directory: PathBuf,
}

/// The sheet that a table is at.
struct Sheet {
    place: usize,
    rows: u32,
    parts: u32,
}

impl Workbook {
    /// Begins one, whose sheets stand in this directory until it is written.
    pub(super) fn new(sheets: &Path) -> Result<Self, XlsxError> {
        let mut book = rust_xlsxwriter::Workbook::new();
        book.set_tempdir(sheets)?;
        book.use_zip_large_file(true);
        // The day of the file would be the day on which it was made: the same report gives the same bytes.
        let day = ExcelDateTime::from_ymd(2000, 1, 1)?;
        book.set_properties(
            &DocProperties::new()
                .set_title("Exhibit workpapers")
                .set_creation_datetime(&day),
        );
        Ok(Self {
            book,
            sheets: BTreeMap::new(),
            head: Format::new().set_bold(),
            directory: sheets.to_owned(),
        })
    }

    /// Begins the sheet of a table.
    pub(super) fn begin(&mut self, table: Table) -> Result<(), XlsxError> {
        let parts = self.sheets.get(&table).map_or(1, |sheet| sheet.parts + 1);
        let place = self.book.worksheets().len();
        let sheet = self.book.add_worksheet_with_constant_memory();
        let name = match parts {
            1 => table.name().to_owned(),
            part => format!("{} {part}", table.name()),
        };
        sheet.set_name(name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, name) in (0_u16..).zip(table.columns()) {
            sheet.write_string_with_format(0, column, *name, &self.head)?;
        }
        self.sheets.insert(table, Sheet { place, rows: 1, parts });
        Ok(())
    }

    /// Adds a row.
    pub(super) fn row(&mut self, table: Table, cells: &Cells<'_>) -> Result<(), XlsxError> {
        if self.sheets.get(&table).is_some_and(|sheet| sheet.rows == ROWS_MAX) {
            self.begin(table)?;
        }
        let Some(at) = self.sheets.get_mut(&table) else {
            return Ok(());
        };
        let sheet = self.book.worksheet_from_index(at.place)?;
        for (column, cell) in (0_u16..).zip(cells) {
            match cell {
                Cell::Empty => {}
                Cell::Number(number) if *number > EXACT_MAX => {
                    sheet.write_string(at.rows, column, number.to_string())?;
                }
                Cell::Number(number) => {
                    sheet.write_number(at.rows, column, exact(*number))?;
                }
                Cell::Signed(number) => {
                    let size = exact(number.unsigned_abs().min(EXACT_MAX));
                    sheet.write_number(at.rows, column, if *number < 0 { -size } else { size })?;
                }
                Cell::Text(text) => {
                    sheet.write_string(at.rows, column, fitting(text))?;
                }
            }
        }
        at.rows += 1;
        Ok(())
    }

    /// Says of every sheet, on paper and at its tab, that it is of a scoped bundle, so that none can be handed on alone as of a whole log.
    pub(super) fn label(&mut self, scope: &str) {
        // `&` begins a code there; what is doubled is itself.
        let words = format!(
            "{SCOPED_LABEL}: {}",
            scope.chars().take(SCOPE_CHARACTERS_MAX).collect::<String>()
        )
        .replace('&', "&&");
        for sheet in self.book.worksheets_mut() {
            sheet.set_header(format!("&L{words}"));
            sheet.set_tab_color(LABEL_COLOR);
        }
    }

    /// Writes it.
    pub(super) fn write(&mut self, to: &mut Measured) -> Result<(), XlsxError> {
        let mut file = tempfile::tempfile_in(&self.directory)?;
        self.book.save_to_writer(&mut file)?;
        file.flush()?;
        to.copy(file)?;
        Ok(())
    }
}

/// A number that a spreadsheet has exactly.
fn exact(number: u64) -> f64 {
    let (high, low) = (number >> 32, number & u64::from(u32::MAX));
    let part = |bits: u64| u32::try_from(bits).map_or(0.0, f64::from);
    part(high) * 4_294_967_296.0 + part(low)
}

/// A text as a cell can hold it.
fn fitting(text: &str) -> String {
    if text.encode_utf16().count() <= CHARACTERS_MAX {
        return text.to_owned();
    }
    let room = CHARACTERS_MAX - CUT.encode_utf16().count();
    let mut cut = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += character.len_utf16();
        if used > room {
            break;
        }
        cut.push(character);
    }
    cut + CUT
}

#[cfg(test)]
mod tests {
    use super::{CHARACTERS_MAX, CUT, EXACT_MAX, exact, fitting};

    #[test]
    fn what_is_too_long_for_a_cell_is_cut_and_says_so() {
        let fits = "a".repeat(CHARACTERS_MAX);
        assert_eq!(fitting(&fits), fits);
        let cut = fitting(&"\u{1F600}".repeat(CHARACTERS_MAX));
        assert!(cut.ends_with(CUT) && cut.encode_utf16().count() <= CHARACTERS_MAX);
    }

    #[test]
    fn numbers_are_exact() {
        for (number, float) in [
            (0, 0.0),
            (4_294_967_297, 4_294_967_297.0),
            (EXACT_MAX, 9_007_199_254_740_992.0),
        ] {
            assert!((exact(number) - float).abs() < f64::EPSILON, "{number}");
        }
    }
}
