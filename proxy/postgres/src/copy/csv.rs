//! CSV format: one row to a line, cells between delimiters, quotes around what would be read otherwise. A quoted cell may
//! hold line feeds, and is never NULL.

use super::{CopyError, Format, Piece};
use crate::analysis::CsvOptions;

pub(super) struct Csv {
    delimiter: u8,
    null: Vec<u8>,
    quote: u8,
    escape: u8,
    /// Whether the next line holds the names of columns.
    header: bool,
    /// Whether each column is quoted whatever it holds.
    forced: Vec<bool>,
}

impl Csv {
    pub(super) fn new(options: &CsvOptions, names: &[String]) -> Self {
        Self {
            delimiter: options.delimiter,
            null: options.null.clone(),
            quote: options.quote,
            escape: options.escape,
            header: options.header,
            forced: names.iter().map(|name| options.forces(name)).collect(),
        }
    }

    /// The length of the cell at the beginning of the bytes; `None` when it is not whole.
    fn cell(&self, bytes: &[u8]) -> Result<Option<usize>, CopyError> {
        let ends = |byte: u8| byte == self.delimiter || byte == b'\n';
        if bytes.first() != Some(&self.quote) {
            return Ok(bytes.iter().position(|byte| ends(*byte)));
        }
        let mut place = 1;
        loop {
            let (Some(byte), next) = (bytes.get(place).copied(), bytes.get(place + 1).copied()) else {
                return Ok(None);
            };
            let Some(next) = next else { return Ok(None) };
            if byte == self.escape && (next == self.quote || next == self.escape) {
                place += 2;
            } else if byte == self.quote {
                return if ends(next) {
                    Ok(Some(place + 1))
                } else {
                    Err(CopyError::Shape("something follows a closing quote"))
                };
            } else {
                place += 1;
            }
        }
    }
}

impl Format for Csv {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>, CopyError> {
        let mut cells = Vec::new();
        let mut start = 0;
        loop {
            let rest = bytes.get(start..).unwrap_or_default();
            let Some(length) = self.cell(rest)? else {
                return Ok(None);
            };
            cells.push(rest.get(..length).unwrap_or_default().to_vec());
            start += length + 1;
            if rest.get(length) == Some(&b'\n') {
                break;
            }
        }
        Ok(Some(if std::mem::take(&mut self.header) {
            Piece::Names(start)
        } else {
            Piece::Row(start, cells)
        }))
    }

    fn read(&self, cell: &[u8]) -> Option<Vec<u8>> {
        if cell == self.null {
            return None;
        }
        let quoted = cell.strip_prefix(&[self.quote]);
        let Some(inner) = quoted.and_then(|rest| rest.strip_suffix(&[self.quote])) else {
            return Some(cell.to_vec());
        };
        let mut value = Vec::with_capacity(inner.len());
        let mut bytes = inner.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escapes = byte == self.escape;
            let next = bytes.next_if(|next| escapes && (*next == self.quote || *next == self.escape));
            value.push(next.unwrap_or(byte));
        }
        Some(value)
    }

    fn write(&self, column: usize, columns: usize, value: Option<&[u8]>) -> Vec<u8> {
        let Some(value) = value else {
            return self.null.clone();
        };
        let special = |byte: &u8| *byte == self.delimiter || *byte == self.quote || matches!(byte, b'\n' | b'\r');
        let forced = self.forced.get(column).copied().unwrap_or_default();
        let quoted = forced || value == self.null || (columns == 1 && value == b"\\.") || value.iter().any(special);
        if !quoted {
            return value.to_vec();
        }
        let mut cell = vec![self.quote];
        for byte in value.iter().copied() {
            if byte == self.quote || byte == self.escape {
                cell.push(self.escape);
            }
            cell.push(byte);
        }
        cell.push(self.quote);
        cell
    }

    fn row(&self, cells: &[Vec<u8>]) -> Vec<u8> {
        let mut row = cells.join(&self.delimiter);
        row.push(b'\n');
        row
    }

    fn ends(&self) -> bool {
        true
    }
}
