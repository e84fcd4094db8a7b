//! Tables of comma- or tab-separated values (RFC 4180), row by row.
//!
//! ```text
//! row     cell *(separator cell) (LF / CRLF / end)
//! cell    *(any byte but separator, quote, CR, LF)   or   '"' *(any byte but quote / '""') '"'
//! ```
//!
//! Cells that no mask and no net changes keep their bytes, quotes and all; so do line ends. A cell without a byte holds no
//! value and stays so. A row with another number of cells than the first is refused: nobody could say which mask is for
//! which of them. An empty line is no row.
//!
//! Most writers of tabs know no quotes, so a quote there may be a character as any other, and what stands up to the next one several
//! cells. Both ways to read a cell in quotes agree on where it ends as long as it holds no tab and no line end; one that does is refused.
//!
//! Columns are called as the header calls them, without blanks around, and also in small letters where no mask names them so;
//! without a header by their number. Where a document holds PHI, each column that a mask names has to be there, so that a
//! renamed one is no way out; some column has to be masked; and no cell of a header may look like data, for what stands in a
//! header is released.

use std::fmt;

use exhibit_policy::mask::document::{DocumentMasker, Slot, Spelling, Written};
use exhibit_policy::net::SessionNet;

use crate::error::Reason;
use crate::header::{are_names, name};
use crate::reader::{Pending, RECORD_BYTES_MAX, Reader, text};

/// Columns of a table at the most.
pub const COLUMNS_MAX: usize = 4_096;

/// Reads a table.
pub(crate) struct Table {
    separator: u8,
    pending: Pending,
    columns: Option<Vec<Slot>>,
    /// Cells of the row that is being read, whose end may not be there yet.
    cells: Vec<Cell>,
    /// Where in that row the next cell begins.
    at: usize,
    /// How far that cell was looked through, where it is one in quotes.
    inside: Inside,
    /// Room for the text of a cell with quotes in it.
    unquoted: String,
    records: u64,
}

impl fmt::Debug for Table {
    /// Without bytes of the table.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.as_ref().map(Vec::len);
        write!(
            formatter,
            "Table({:?}, {columns:?} columns, {} records)",
            self.pending, self.records
        )
    }
}

/// A cell of a row, by its bytes in it.
#[derive(Clone, Copy, Debug)]
struct Cell {
    start: usize,
    end: usize,
    is_quoted: bool,
    has_quotes: bool,
}

/// What is known of a cell in quotes whose end is not there yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Inside {
    /// Bytes that were looked through.
    seen: usize,
    has_quotes: bool,
}

/// Where a row ends: its cells, and the line end behind them.
struct Row {
    cells: usize,
    whole: usize,
}

impl Table {
    pub(crate) fn new(separator: u8) -> Self {
        Self {
            separator,
            pending: Pending::default(),
            columns: None,
            cells: Vec::new(),
            at: 0,
            inside: Inside::default(),
            unquoted: String::new(),
            records: 0,
        }
    }

    fn rows(&mut self, is_last: bool, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.rest();
        let mut done = 0;
        while !rest.is_empty() {
            let row = self.scan(rest, is_last);
            let Some(row) = row.inspect_err(|_| self.records += 1)? else {
                break;
            };
            let (bytes, after) = rest.split_at_checked(row.whole).ok_or(Reason::Unfinished)?;
            self.row(bytes, &row, out, net)?;
            self.cells.clear();
            self.at = 0;
            rest = after;
            done += row.whole;
        }
        self.pending = pending;
        self.pending.advance(done);
        self.pending.bounded().inspect_err(|_| self.records += 1)
    }

    /// Finds the cells of the first row; `None` where its end is not there yet. Then the next call goes on where this one ended, with
    /// the same bytes and more behind them.
    fn scan(&mut self, bytes: &[u8], is_last: bool) -> Result<Option<Row>, Reason> {
        loop {
            let Some(cell) = self.cell(bytes, is_last)? else {
                return Ok(None);
            };
            let end = cell.end;
            let whole = match (bytes.get(end), bytes.get(end + 1)) {
                (Some(byte), _) if *byte == self.separator => None,
                (Some(b'\n'), _) => Some(end + 1),
                (Some(b'\r'), Some(b'\n')) => Some(end + 2),
                (Some(b'\r') | None, None) if !is_last => return Ok(None),
                (Some(b'\r'), _) => return Err(Reason::LineEnd),
                (None, _) => Some(end),
                (Some(_), _) => return Err(Reason::Quote),
            };
            self.cells.push(cell);
            self.inside = Inside::default();
            self.at = end + 1;
            if self.cells.len() > COLUMNS_MAX {
                return Err(Reason::TooManyColumns);
            }
            if let Some(whole) = whole {
                return Ok(Some(Row { cells: end, whole }));
            }
        }
    }

    /// The next cell of the row; `None` where its end is not there yet.
    fn cell(&mut self, bytes: &[u8], is_last: bool) -> Result<Option<Cell>, Reason> {
        let start = self.at;
        let rest = bytes.get(start..).unwrap_or_default();
        if rest.first() == Some(&b'"') {
            let Some(length) = self.inside.quoted(rest, is_last)? else {
                return Ok(None);
            };
            let inside = rest.get(..length).unwrap_or_default();
            if self.separator == b'\t' && memchr::memchr3(b'\t', b'\r', b'\n', inside).is_some() {
                return Err(Reason::QuotedTab);
            }
            return Ok(Some(Cell {
                start,
                end: start + length,
                is_quoted: true,
                has_quotes: self.inside.has_quotes,
            }));
        }
        let end = memchr::memchr3(self.separator, b'\n', b'"', rest).or(is_last.then_some(rest.len()));
        let cell = end.map(|length| {
            let at_line_end =
                rest.get(length) == Some(&b'\n') && rest.get(..length).unwrap_or_default().ends_with(b"\r");
            Cell {
                start,
                end: start + length - usize::from(at_line_end),
                is_quoted: false,
                has_quotes: false,
            }
        });
        Ok(cell)
    }

    fn row(&mut self, bytes: &[u8], row: &Row, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        if row.cells == 0 {
            out.structure(bytes);
            return Ok(());
        }
        self.records += 1;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Reason::RecordTooLong);
        }
        let row_text = text(bytes)?;
        if memchr::memchr(b'\r', bytes.get(..row.cells).unwrap_or_default()).is_some() {
            let alone = |cell: &Cell| {
                !cell.is_quoted
                    && row_text
                        .get(cell.start..cell.end)
                        .is_none_or(|cell| cell.contains('\r'))
            };
            if self.cells.iter().any(alone) {
                return Err(Reason::LineEnd);
            }
        }
        let is_header = self.columns.is_none() && out.document().header;
        if self.columns.is_none() {
            self.columns = Some(self.describe(row_text, out, net)?);
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        if columns.len() != self.cells.len() {
            return Err(Reason::Width {
                found: self.cells.len(),
                wanted: columns.len(),
            });
        }
        let spelling = Cells {
            separator: self.separator,
        };
        let mut copied = 0;
        for (cell, slot) in self.cells.iter().zip(columns) {
            out.structure(bytes.get(copied..cell.start).unwrap_or_default());
            copied = cell.end;
            if cell.start == cell.end {
                continue;
            }
            let written = Written {
                raw: bytes.get(cell.start..cell.end).unwrap_or_default(),
                text: cell.text(row_text, &mut self.unquoted),
                spelling: &spelling,
            };
            if is_header {
                out.name(written, net);
            } else {
                out.value(slot, written, net);
            }
        }
        out.structure(bytes.get(copied..).unwrap_or_default());
        Ok(())
    }

    /// The columns of a table whose first row this is.
    fn describe(&mut self, row: &str, out: &DocumentMasker, net: &SessionNet) -> Result<Vec<Slot>, Reason> {
        let has_header = out.document().header;
        let mut names = Vec::with_capacity(self.cells.len());
        for (number, cell) in self.cells.iter().enumerate() {
            names.push(if has_header {
                name(cell.text(row, &mut self.unquoted))
            } else {
                (number + 1).to_string()
            });
        }
        if out.document().phi {
            let is_there = |place: &str| names.iter().any(|name| name == place || name.to_lowercase() == place);
            if let Some((mask, _)) = out.named_places().find(|(_, place)| !is_there(place)) {
                return Err(Reason::MaskedColumn { mask: mask.to_owned() });
            }
            if has_header && !are_names(&names) {
                return Err(Reason::Header);
            }
        }
        let slots = names.iter().enumerate().map(|(number, name)| {
            if has_header {
                out.column(number + 1, name, net)
            } else {
                out.slot(name, "", net)
            }
        });
        let slots: Vec<Slot> = slots.collect();
        if out.document().phi && !slots.iter().any(Slot::is_masked) {
            return Err(Reason::UnmaskedTable);
        }
        Ok(slots)
    }
}

impl Reader for Table {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.pending.push(bytes);
        // No row ends without one, so a long row is not looked through again for each piece of it.
        if memchr::memchr(b'\n', bytes).is_none() {
            return self.pending.bounded().inspect_err(|_| self.records += 1);
        }
        self.rows(false, out, net)
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.rows(true, out, net)
    }

    fn records(&self) -> u64 {
        self.records
    }
}

impl Cell {
    /// What a cell says.
    fn text<'a>(&self, row: &'a str, unquoted: &'a mut String) -> &'a str {
        if !self.is_quoted {
            return row.get(self.start..self.end).unwrap_or_default();
        }
        let inner = row.get(self.start + 1..self.end - 1).unwrap_or_default();
        if !self.has_quotes {
            return inner;
        }
        unquoted.clear();
        for (number, part) in inner.split("\"\"").enumerate() {
            if number > 0 {
                unquoted.push('"');
            }
            unquoted.push_str(part);
        }
        unquoted
    }
}

impl Inside {
    /// The length of a cell in quotes; `None` where its end is not there yet.
    fn quoted(&mut self, bytes: &[u8], is_last: bool) -> Result<Option<usize>, Reason> {
        loop {
            // The quote that opens it is looked at once, before anything else.
            self.seen = self.seen.max(1);
            let Some(quote) = memchr::memchr(b'"', bytes.get(self.seen..).unwrap_or_default()) else {
                self.seen = bytes.len().max(1);
                return if is_last { Err(Reason::Unfinished) } else { Ok(None) };
            };
            // What stands behind a quote says whether it is the end, so one that is last is looked at again.
            self.seen += quote;
            match bytes.get(self.seen + 1) {
                Some(b'"') => {
                    self.has_quotes = true;
                    self.seen += 2;
                }
                None if !is_last => return Ok(None),
                _ => return Ok(Some(self.seen + 1)),
            }
        }
    }
}

/// How cells are written.
#[derive(Debug)]
struct Cells {
    separator: u8,
}

impl Spelling for Cells {
    fn spell(&self, text: Option<&str>, raw: &[u8], into: &mut Vec<u8>) {
        let Some(text) = text else { return };
        let special = |byte: u8| byte == self.separator || matches!(byte, b'"' | b'\r' | b'\n');
        if raw.first() != Some(&b'"') && !text.bytes().any(special) {
            into.extend_from_slice(text.as_bytes());
            return;
        }
        into.push(b'"');
        for (number, part) in text.split('"').enumerate() {
            if number > 0 {
                into.extend_from_slice(b"\"\"");
            }
            into.extend_from_slice(part.as_bytes());
        }
        into.push(b'"');
    }

    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize> {
        if raw.first() == Some(&b'"') {
            1..raw.len().saturating_sub(1)
        } else {
            0..raw.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Inside, Table};

    #[test]
    fn what_was_looked_through_is_not_looked_through_again() {
        let mut table = Table::new(b',');
        let row = b"a,\"b\n\"\"c\nd\",e\r\n";
        for (end, cells, at, seen) in [
            (1, 0, 0, 0),
            (4, 1, 2, 2),
            (6, 1, 2, 3),
            (10, 1, 2, 8),
            (11, 1, 2, 8),
            (12, 2, 12, 0),
            (14, 2, 12, 0),
        ] {
            assert!(table.scan(&row[..end], false).unwrap().is_none(), "{end}");
            let found = (table.cells.len(), table.at, table.inside.seen);
            assert_eq!(found, (cells, at, seen), "{end}");
        }
        let whole = table.scan(row, false).unwrap().unwrap();
        assert_eq!((whole.cells, whole.whole), (13, 15));
        assert!(table.cells.len() == 3 && table.cells[1].has_quotes);
        assert_eq!(table.inside, Inside::default());
    }
}
