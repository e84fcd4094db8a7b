//! Rows that are copied out (`COPY … TO STDOUT`), found in the bytes of `CopyData` and put together again with masks.
//!
//! PostgreSQL documentation, `COPY`, "File Formats". Cells without a mask stay the bytes that they were; a masked cell is
//! read, masked and written by the rules of its format:
//!
//! | format | a cell ends at | read as | written as |
//! | --- | --- | --- | --- |
//! | text | the delimiter, a line feed | `\b \f \n \r \t \v` and `\` before any other byte | the same, as the server escapes |
//! | CSV | the same, outside of quotes | quotes taken off, escapes resolved | quoted where the server would |
//! | binary | its length | as it is | its length, its bytes |
//!
//! Where a net holds for the target, every cell is read; one in which nothing is found stays the bytes that it was.
//!
//! Rows may be cut anywhere by messages. What is not as the server writes it ends the session.
//!
//! Not here: which columns have masks (the session asks the server), and copying in (nothing of it is read).

mod binary;
mod csv;
mod text;

use exhibit_policy::mask::{Masked, RowMasker};
use exhibit_policy::net::{Channel, SessionNet};
use exhibit_policy::patients::Records;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;

use self::binary::Binary;
use self::csv::Csv;
use self::text::Text;
use crate::analysis::CopyForm;
use crate::message::MESSAGE_BYTES_MAX;
use crate::message::Raw;
use crate::message::encode;

/// Bytes of one row at the most, as of one message: a row is held in memory while it is masked.
const ROW_BYTES_MAX: usize = MESSAGE_BYTES_MAX;

/// Why rows that are copied out cannot be masked. Repeats nothing of them.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CopyError {
    /// A row is longer than the limit.
    #[error("a row that is copied out has more than {ROW_BYTES_MAX} bytes")]
    RowTooLong,
    /// A row is not as the format has it.
    #[error("a row that is copied out is malformed: {0}")]
    Shape(&'static str),
    /// A row has another number of cells than there are columns.
    #[error("a row that is copied out has another number of cells than columns were described")]
    Width,
}

/// A format that can be read cell by cell.
trait Format {
    /// The next whole row, or what stands around rows; `None` when more bytes are needed.
    fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>, CopyError>;

    /// A cell as the value that a mask takes; `None` is NULL.
    fn read(&self, cell: &[u8]) -> Option<Vec<u8>>;

    /// A masked value as a cell of that column.
    fn write(&self, column: usize, columns: usize, value: Option<&[u8]>) -> Vec<u8>;

    /// A row of cells in their written form.
    fn row(&self, cells: &[Vec<u8>]) -> Vec<u8>;

    /// Whether the rows may end here.
    fn ends(&self) -> bool;
}

/// The first piece of the bytes that are there.
enum Piece {
    /// So many bytes that hold no value: the header or trailer of the binary format.
    Framing(usize),
    /// So many bytes that name the columns.
    Names(usize),
    /// A row of so many bytes: its cells in their written form.
    Row(usize, Vec<Vec<u8>>),
}

/// Masks the rows of one `COPY … TO STDOUT`.
pub(crate) struct CopyMasker {
    format: Box<dyn Format + Send>,
    masker: RowMasker,
    waiting: Vec<u8>,
}

impl CopyMasker {
    /// `names` are those of the columns, in order; `FORCE_QUOTE` goes by them.
    pub(crate) fn new(form: &CopyForm, names: &[String], masker: RowMasker) -> Self {
        let format: Box<dyn Format + Send> = match form {
            CopyForm::Text {
                delimiter,
                null,
                header,
            } => Box::new(Text::new(*delimiter, null.clone(), *header)),
            CopyForm::Csv(options) => Box::new(Csv::new(options, names)),
            CopyForm::Binary => Box::new(Binary::default()),
        };
        Self {
            format,
            masker,
            waiting: Vec::new(),
        }
    }

    /// Takes the bytes of one message, and gives the rows that are whole, as messages.
    pub(crate) fn take(&mut self, bytes: &[u8], net: &mut SessionNet) -> Result<Vec<Masked<Frame>>, CopyError> {
        self.waiting.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut used = 0;
        while let Some(rest) = self.waiting.get(used..).filter(|rest| !rest.is_empty()) {
            match self.format.next(rest)? {
                None => break,
                Some(Piece::Framing(length)) => {
                    let framing = rest.get(..length).unwrap_or_default();
                    frames.push(Masked::framing(encode::message(b'd', framing)));
                    used += length;
                }
                Some(Piece::Names(length)) => {
                    let names = rest.get(..length).unwrap_or_default();
                    let masked = net.text(Channel::Column, names);
                    let names = masked.as_deref().unwrap_or(names);
                    frames.push(Masked::framing(encode::message(b'd', names)));
                    used += length;
                }
                Some(Piece::Row(length, cells)) => {
                    frames.push(masked(self.format.as_ref(), &mut self.masker, &cells, net)?);
                    used += length;
                }
            }
        }
        self.waiting.drain(..used);
        if self.waiting.len() > ROW_BYTES_MAX {
            return Err(CopyError::RowTooLong);
        }
        Ok(frames)
    }

    /// Takes one message of rows that leave as they are, and says whose records they are.
    pub(crate) fn seen(&mut self, message: &Raw, net: &mut SessionNet) -> Result<Masked<Frame>, CopyError> {
        let frames = self.take(message.body(), net)?;
        let rows = frames.iter().map(Masked::rows).sum();
        if rows > 1 {
            // The server sends each by itself; the records of many would not fit the event of their bytes.
            return Err(CopyError::Shape("a message has several rows"));
        }
        let records = frames.iter().map(Masked::records);
        let records = records.fold(Records::none(), Records::and);
        let whole = self.masker.whole(message.bytes().to_vec(), rows, Some(records), net);
        whole.map_err(|_| CopyError::Shape("a mask or a net holds for it"))
    }

    /// Gives the counts of masked cells back after an error, whatever is left over.
    pub(crate) fn abandon(self) -> RowMasker {
        self.masker
    }

    /// Proves that nothing is left over, and gives the counts of masked cells back.
    pub(crate) fn end(self) -> Result<RowMasker, CopyError> {
        if self.waiting.is_empty() && self.format.ends() {
            Ok(self.masker)
        } else {
            Err(CopyError::Shape("it ends within a row"))
        }
    }
}

/// One row through the masks and the net, as a message.
fn masked(
    format: &(dyn Format + Send),
    masker: &mut RowMasker,
    cells: &[Vec<u8>],
    net: &mut SessionNet,
) -> Result<Masked<Frame>, CopyError> {
    let columns = masker.columns().iter().enumerate();
    let looked_at =
        |(place, mask): (usize, &Option<_>)| mask.is_some() || !net.is_empty() || masker.is_identifying(place);
    let looked_at: Vec<bool> = columns.map(looked_at).collect();
    if cells.len() != looked_at.len() {
        return Err(CopyError::Width);
    }
    // What no mask, no net and no count of patients looks at stays where it is.
    let read = |(cell, looked_at): (&Vec<u8>, &bool)| if *looked_at { format.read(cell) } else { None };
    let values: Vec<Option<Vec<u8>>> = cells.iter().zip(&looked_at).map(read).collect();
    let row = masker.row(values.clone(), net).map_err(|_| CopyError::Width)?;
    Ok(row.framed(|frame| {
        let Frame::Row(released) = frame else {
            return Vec::new();
        };
        let columns = released.iter().zip(&values).zip(cells).enumerate();
        let written = columns.map(|(column, ((cell, value), written))| {
            let cell = cell.as_ref().map(|Bytes(cell)| cell.as_slice());
            if cell == value.as_deref() {
                written.clone()
            } else {
                format.write(column, cells.len(), cell)
            }
        });
        encode::message(b'd', &format.row(&written.collect::<Vec<_>>()))
    }))
}

#[cfg(test)]
mod tests;
