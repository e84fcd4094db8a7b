//! Binary format.
//!
//! ```text
//! header:   "PGCOPY\n" 0xff "\r\n" 0x00   flags (4)   length of the extension (4)   extension
//! row:      number of cells (2)   each: length (4, -1 is NULL), bytes
//! trailer:  -1 (2)
//! ```

use super::{CopyError, Format, Piece};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags and the length of the extension.
const HEADER_BYTES: usize = 19;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Header,
    Rows,
    End,
}

#[derive(Default)]
pub(super) struct Binary {
    place: Place,
}

impl Format for Binary {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>, CopyError> {
        match self.place {
            Place::Header => {
                let Some(extension) = number(bytes, HEADER_BYTES - 4) else {
                    return Ok(None);
                };
                if !bytes.starts_with(SIGNATURE) || number(bytes, SIGNATURE.len()) != Some(0) {
                    return Err(CopyError::Shape("its header is another one"));
                }
                let extension = usize::try_from(extension).map_err(|_| CopyError::Shape("a length is below zero"))?;
                if bytes.len() < HEADER_BYTES + extension {
                    return Ok(None);
                }
                self.place = Place::Rows;
                Ok(Some(Piece::Framing(HEADER_BYTES + extension)))
            }
            Place::Rows => self.row_or_end(bytes),
            Place::End => Err(CopyError::Shape("something follows its end")),
        }
    }

    fn read(&self, cell: &[u8]) -> Option<Vec<u8>> {
        // The length stands in the cell; below zero it is NULL.
        match number(cell, 0) {
            Some(0..) => cell.get(4..).map(<[u8]>::to_vec),
            _ => None,
        }
    }

    fn write(&self, _column: usize, _columns: usize, value: Option<&[u8]>) -> Vec<u8> {
        let Some(value) = value else {
            return (-1_i32).to_be_bytes().to_vec();
        };
        // A value is no longer than its row, far below this.
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        [&length.to_be_bytes(), value].concat()
    }

    fn row(&self, cells: &[Vec<u8>]) -> Vec<u8> {
        let count = i16::try_from(cells.len()).unwrap_or(i16::MAX);
        [count.to_be_bytes().to_vec(), cells.concat()].concat()
    }

    fn ends(&self) -> bool {
        self.place == Place::End
    }
}

impl Binary {
    fn row_or_end(&mut self, bytes: &[u8]) -> Result<Option<Piece>, CopyError> {
        let Some(count) = bytes.first_chunk().copied().map(i16::from_be_bytes) else {
            return Ok(None);
        };
        if count == -1 {
            self.place = Place::End;
            return Ok(Some(Piece::Framing(2)));
        }
        let count = usize::try_from(count).map_err(|_| CopyError::Shape("a row has less than no cells"))?;
        let mut cells = Vec::with_capacity(count);
        let mut start = 2;
        for _ in 0..count {
            let Some(length) = number(bytes, start) else {
                return Ok(None);
            };
            let length = match length {
                -1 => 0,
                length => usize::try_from(length).map_err(|_| CopyError::Shape("a length is below zero"))?,
            };
            let Some(cell) = bytes.get(start..start + 4 + length) else {
                return Ok(None);
            };
            cells.push(cell.to_vec());
            start += 4 + length;
        }
        Ok(Some(Piece::Row(start, cells)))
    }
}

/// Four bytes at that place.
fn number(bytes: &[u8], place: usize) -> Option<i32> {
    let bytes = bytes.get(place..)?.first_chunk().copied()?;
    Some(i32::from_be_bytes(bytes))
}
