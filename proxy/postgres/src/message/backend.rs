//! What the server sends.

use super::read::Reader;
use super::{MessageError, Raw};

/// A column of a description of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the reply.
    pub name: String,
    /// The relation that it comes from; zero when it is computed.
    pub relation: u32,
    /// The attribute of the relation; zero when it is computed.
    pub attribute: i16,
    /// Its type.
    pub type_oid: u32,
    /// Bytes of its values; below zero when they differ.
    pub size: i16,
    /// The modifier of the type.
    pub modifier: i32,
    /// Whether its values come in binary form.
    pub binary: bool,
}

/// What a transaction is in, as `ReadyForQuery` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In none.
    Idle,
    /// In one.
    Open,
    /// In one that failed.
    Failed,
}

/// Cells of a row; `None` is NULL.
pub type Cells = Vec<Option<Vec<u8>>>;

/// A message of the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Backend {
    /// Asks for, or grants, authentication; the code and what follows it.
    Authentication(i32, Vec<u8>),
    /// The key for cancelling.
    KeyData(i32, Vec<u8>),
    /// A setting.
    ParameterStatus {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Ready for the next command.
    Ready(TransactionStatus),
    /// A statement was prepared.
    ParseComplete,
    /// A portal was made.
    BindComplete,
    /// A statement or portal was closed.
    CloseComplete,
    /// Types of parameters.
    ParameterDescription(Vec<u32>),
    /// Columns of rows.
    RowDescription(Vec<Field>),
    /// There are no rows.
    NoData,
    /// A row.
    DataRow(Cells),
    /// A statement has run.
    CommandComplete {
        /// What it did.
        tag: String,
    },
    /// There was no statement.
    EmptyQuery,
    /// A portal has more rows.
    PortalSuspended,
    /// An error: its fields.
    Error(Vec<(u8, String)>),
    /// A notice: its fields.
    Notice(Vec<(u8, String)>),
    /// A notification, mostly of another session; its payload stays in the message.
    Notification {
        /// The process of the server that sent it.
        process: i32,
        /// Its channel.
        channel: String,
    },
    /// The server speaks no later version of the protocol than this, or does not know some options.
    NegotiateVersion {
        /// Major version in the upper half, minor in the lower.
        version: i32,
        /// How many options it does not know.
        options: u32,
    },
    /// The server copies rows out: the format, and the number of columns.
    CopyOut {
        /// Whether the rows come in binary form.
        binary: bool,
        /// Columns of a row.
        columns: usize,
    },
    /// The server takes rows in; the message as it came holds format and columns.
    CopyIn,
    /// A part of what is copied out; its bytes stay in the message.
    CopyData,
    /// Copying out is done.
    CopyDone,
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Most of them hold data; the kind is enough.
        write!(formatter, "Backend({:?})", std::mem::discriminant(self))
    }
}

impl Backend {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] for one that is not known, or not as it must be.
    pub fn parse(raw: &Raw) -> Result<Self, MessageError> {
        let mut reader = Reader::new(raw.tag(), raw.body());
        let message = match raw.tag() {
            b'R' => {
                let code = reader.int32()?;
                return Ok(Self::Authentication(code, rest(raw, 4)));
            }
            b'K' => {
                let process = reader.int32()?;
                return Ok(Self::KeyData(process, rest(raw, 4)));
            }
            b'd' => return Ok(Self::CopyData),
            b'H' => {
                let (binary, columns) = copied(&mut reader)?;
                Self::CopyOut { binary, columns }
            }
            b'G' => {
                copied(&mut reader)?;
                Self::CopyIn
            }
            b'c' => Self::CopyDone,
            b'v' => negotiation(&mut reader)?,
            b'A' => {
                let process = reader.int32()?;
                let channel = reader.any_text()?;
                reader.string()?;
                Self::Notification { process, channel }
            }
            b'S' => Self::ParameterStatus {
                name: reader.any_text()?,
                value: reader.any_text()?,
            },
            b'Z' => Self::Ready(status(&mut reader)?),
            b'1' => Self::ParseComplete,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'n' => Self::NoData,
            b'I' => Self::EmptyQuery,
            b's' => Self::PortalSuspended,
            b't' => {
                let count = reader.count()?;
                Self::ParameterDescription((0..count).map(|_| reader.oid()).collect::<Result<_, _>>()?)
            }
            b'T' => {
                let count = reader.count()?;
                Self::RowDescription((0..count).map(|_| field(&mut reader)).collect::<Result<_, _>>()?)
            }
            b'D' => {
                let count = reader.count()?;
                let cell = |_| Ok(reader.value()?.map(<[u8]>::to_vec));
                Self::DataRow((0..count).map(cell).collect::<Result<_, MessageError>>()?)
            }
            b'C' => Self::CommandComplete {
                tag: reader.any_text()?,
            },
            b'E' => Self::Error(fields(&mut reader)?),
            b'N' => Self::Notice(fields(&mut reader)?),
            tag => return Err(MessageError::Unknown { tag }),
        };
        reader.end()?;
        Ok(message)
    }
}

fn negotiation(reader: &mut Reader<'_>) -> Result<Backend, MessageError> {
    let version = reader.int32()?;
    let options = reader.oid()?;
    for _ in 0..options {
        reader.text()?;
    }
    Ok(Backend::NegotiateVersion { version, options })
}

/// What is copied: whether in binary form, and how many columns, each with a format of its own.
fn copied(reader: &mut Reader<'_>) -> Result<(bool, usize), MessageError> {
    let binary = match reader.byte()? {
        0 => false,
        1 => true,
        _ => return Err(reader.shape("a format is neither text nor binary")),
    };
    let columns = reader.count()?;
    for _ in 0..columns {
        if !matches!(reader.int16()?, 0 | 1) {
            return Err(reader.shape("a format is neither text nor binary"));
        }
    }
    Ok((binary, columns))
}

fn rest(raw: &Raw, from: usize) -> Vec<u8> {
    raw.body().get(from..).unwrap_or_default().to_vec()
}

fn status(reader: &mut Reader<'_>) -> Result<TransactionStatus, MessageError> {
    match reader.byte()? {
        b'I' => Ok(TransactionStatus::Idle),
        b'T' => Ok(TransactionStatus::Open),
        b'E' => Ok(TransactionStatus::Failed),
        _ => Err(reader.shape("it has no state of a transaction")),
    }
}

impl TransactionStatus {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}

fn field(reader: &mut Reader<'_>) -> Result<Field, MessageError> {
    let name = reader.any_text()?;
    let relation = reader.oid()?;
    let attribute = reader.int16()?;
    let type_oid = reader.oid()?;
    let size = reader.int16()?;
    let modifier = reader.int32()?;
    let binary = match reader.int16()? {
        0 => false,
        1 => true,
        _ => return Err(reader.shape("a format is neither text nor binary")),
    };
    Ok(Field {
        name,
        relation,
        attribute,
        type_oid,
        size,
        modifier,
        binary,
    })
}

fn fields(reader: &mut Reader<'_>) -> Result<Vec<(u8, String)>, MessageError> {
    let mut fields = Vec::new();
    loop {
        match reader.byte()? {
            0 => return Ok(fields),
            code => fields.push((code, reader.any_text()?)),
        }
    }
}
