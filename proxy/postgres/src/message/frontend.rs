//! What an agent sends after start-up.

use super::read::Reader;
use super::{MessageError, Raw};
use crate::encoding::Encoding;

/// A statement or a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

impl Kind {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Statement => b'S',
            Self::Portal => b'P',
        }
    }
}

/// A message of an agent. Values of bind parameters are not taken out: they stay in the exact bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Frontend {
    /// Runs statements, by the simple protocol.
    Query {
        /// The statements.
        sql: String,
    },
    /// Prepares a statement.
    Parse {
        /// Its name; empty for the unnamed one.
        name: String,
        /// Its text.
        sql: String,
        /// Types of parameters, as far as the agent says them; zero where not.
        types: Vec<u32>,
    },
    /// Makes a portal of a statement.
    Bind {
        /// The portal; empty for the unnamed one.
        portal: String,
        /// The statement.
        statement: String,
        /// How many values it binds.
        parameters: usize,
    },
    /// Asks for a description.
    Describe {
        /// Of what.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Runs a portal.
    Execute {
        /// The portal.
        portal: String,
    },
    /// Forgets a statement or portal.
    Close {
        /// What.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// Asks for what is answered so far.
    Flush,
    /// Ends a group.
    Sync,
    /// A part of what is copied in; its bytes stay in the message.
    CopyData,
    /// Copying in is done.
    CopyDone,
    /// Copying in failed at the agent.
    CopyFail,
    /// Calls a function by its number; its arguments stay in the message.
    FunctionCall,
    /// Ends the session.
    Terminate,
}

impl std::fmt::Debug for Frontend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Query { .. } => "Query",
            Self::Parse { .. } => "Parse",
            Self::Bind { .. } => "Bind",
            Self::Describe { .. } => "Describe",
            Self::Execute { .. } => "Execute",
            Self::Close { .. } => "Close",
            Self::Flush => "Flush",
            Self::Sync => "Sync",
            Self::CopyData => "CopyData",
            Self::CopyDone => "CopyDone",
            Self::CopyFail => "CopyFail",
            Self::FunctionCall => "FunctionCall",
            Self::Terminate => "Terminate",
        })
    }
}

impl Frontend {
    /// Reads a message whose text is UTF-8.
    ///
    /// # Errors
    /// [`MessageError::Unknown`] for one that is not taken (what no protocol knows),
    /// [`MessageError::Shape`] for one that is not as it must be.
    pub fn parse(raw: &Raw) -> Result<Self, MessageError> {
        Self::parse_in(raw, Encoding::Utf8)
    }

    /// The same of a message whose text is in that encoding.
    ///
    /// # Errors
    /// [`MessageError::Unknown`] for one that is not taken (what no protocol knows),
    /// [`MessageError::Shape`] for one that is not as it must be.
    pub(crate) fn parse_in(raw: &Raw, encoding: Encoding) -> Result<Self, MessageError> {
        let mut reader = Reader::new(raw.tag(), raw.body());
        let message = match raw.tag() {
            b'Q' => Self::Query {
                sql: text(&mut reader, encoding)?,
            },
            b'P' => Self::parse_statement(&mut reader, encoding)?,
            b'B' => Self::parse_bind(&mut reader, encoding)?,
            b'D' => Self::Describe {
                kind: kind(&mut reader)?,
                name: text(&mut reader, encoding)?,
            },
            b'E' => {
                let portal = text(&mut reader, encoding)?;
                reader.int32()?;
                Self::Execute { portal }
            }
            b'C' => Self::Close {
                kind: kind(&mut reader)?,
                name: text(&mut reader, encoding)?,
            },
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'd' => return Ok(Self::CopyData),
            b'c' => Self::CopyDone,
            b'f' => {
                reader.string()?;
                Self::CopyFail
            }
            b'F' => return Ok(Self::FunctionCall),
            b'X' => Self::Terminate,
            tag => return Err(MessageError::Unknown { tag }),
        };
        reader.end()?;
        Ok(message)
    }

    /// Whether what it means may depend on the settings that text is read by (`client_encoding`,
    /// `standard_conforming_strings`): statements, and names beyond ASCII, which alone is the same in every encoding.
    pub(crate) fn depends_on_settings(&self) -> bool {
        match self {
            Self::Query { .. } | Self::Parse { .. } => true,
            Self::Bind { portal, statement, .. } => !portal.is_ascii() || !statement.is_ascii(),
            Self::Describe { name, .. } | Self::Close { name, .. } => !name.is_ascii(),
            Self::Execute { portal } => !portal.is_ascii(),
            Self::Flush
            | Self::Sync
            | Self::CopyData
            | Self::CopyDone
            | Self::CopyFail
            | Self::FunctionCall
            | Self::Terminate => false,
        }
    }

    /// The same of a message that is not read yet: true at least where it is true once it is read.
    pub(crate) fn may_depend_on_settings(raw: &Raw) -> bool {
        matches!(raw.tag(), b'Q' | b'P') || !raw.body().is_ascii()
    }

    fn parse_statement(reader: &mut Reader<'_>, encoding: Encoding) -> Result<Self, MessageError> {
        let name = text(reader, encoding)?;
        let sql = text(reader, encoding)?;
        let count = reader.count()?;
        let types = (0..count).map(|_| reader.oid()).collect::<Result<_, _>>()?;
        Ok(Self::Parse { name, sql, types })
    }

    fn parse_bind(reader: &mut Reader<'_>, encoding: Encoding) -> Result<Self, MessageError> {
        let portal = text(reader, encoding)?;
        let statement = text(reader, encoding)?;
        formats(reader)?;
        let parameters = reader.count()?;
        for _ in 0..parameters {
            reader.value()?;
        }
        formats(reader)?;
        Ok(Self::Bind {
            portal,
            statement,
            parameters,
        })
    }
}

fn text(reader: &mut Reader<'_>, encoding: Encoding) -> Result<String, MessageError> {
    let text = encoding.read(reader.string()?);
    text.ok_or(reader.shape("a string is not in the client's encoding"))
}

fn kind(reader: &mut Reader<'_>) -> Result<Kind, MessageError> {
    match reader.byte()? {
        b'S' => Ok(Kind::Statement),
        b'P' => Ok(Kind::Portal),
        _ => Err(reader.shape("it is about neither a statement nor a portal")),
    }
}

fn formats(reader: &mut Reader<'_>) -> Result<(), MessageError> {
    for _ in 0..reader.count()? {
        if !matches!(reader.int16()?, 0 | 1) {
            return Err(reader.shape("a format is neither text nor binary"));
        }
    }
    Ok(())
}
