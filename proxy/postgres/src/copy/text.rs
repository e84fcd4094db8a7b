//! Text format: one row to a line, cells between delimiters, `\` before what would be read otherwise.

use super::{CopyError, Format, Piece};

pub(super) struct Text {
    delimiter: u8,
    null: Vec<u8>,
    /// Whether the next line holds the names of columns.
    header: bool,
}

impl Text {
    pub(super) fn new(delimiter: u8, null: Vec<u8>, header: bool) -> Self {
        Self {
            delimiter,
            null,
            header,
        }
    }
}

impl Format for Text {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>, CopyError> {
        let mut cells = vec![Vec::new()];
        let mut escaped = false;
        for (place, byte) in bytes.iter().copied().enumerate() {
            let ends = !escaped && byte == b'\n';
            if ends {
                if std::mem::take(&mut self.header) {
                    return Ok(Some(Piece::Names(place + 1)));
                }
                return Ok(Some(Piece::Row(place + 1, cells)));
            }
            if !escaped && byte == self.delimiter {
                cells.push(Vec::new());
            } else if let Some(cell) = cells.last_mut() {
                cell.push(byte);
            }
            escaped = !escaped && byte == b'\\';
        }
        Ok(None)
    }

    fn read(&self, cell: &[u8]) -> Option<Vec<u8>> {
        if cell == self.null {
            return None;
        }
        let mut value = Vec::with_capacity(cell.len());
        let mut bytes = cell.iter().copied();
        while let Some(byte) = bytes.next() {
            value.push(match byte {
                b'\\' => match bytes.next().unwrap_or(b'\\') {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    other => other,
                },
                byte => byte,
            });
        }
        Some(value)
    }

    fn write(&self, _column: usize, _columns: usize, value: Option<&[u8]>) -> Vec<u8> {
        let Some(value) = value else {
            return self.null.clone();
        };
        let mut cell = Vec::with_capacity(value.len());
        for byte in value.iter().copied() {
            let letter = match byte {
                8 => b'b',
                12 => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                11 => b'v',
                byte if byte == b'\\' || byte == self.delimiter => byte,
                byte => {
                    cell.push(byte);
                    continue;
                }
            };
            cell.extend([b'\\', letter]);
        }
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
