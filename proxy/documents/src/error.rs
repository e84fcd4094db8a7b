//! Why a document is not released any further.

use exhibit_policy::mask::path::LEVELS_MAX;

use crate::extent::{NAME_BYTES_MAX, VALUES_MAX};
use crate::opaque::Opaque;
use crate::packing::{EXPANSION_MAX, UNPACKED_BYTES_MAX};
use crate::reader::RECORD_BYTES_MAX;
use crate::resource::RESOURCES_MAX;
use crate::table::COLUMNS_MAX;

/// Why a document ends before its end; it holds nothing of the document.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("record {record}: {reason}")]
pub struct DocumentError {
    /// The record in which that is, from 1.
    pub record: u64,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a document.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Reason {
    /// A format in which no value is found.
    #[error("it is {0}, in which nothing is masked")]
    Opaque(Opaque),
    /// It is not UTF-8.
    #[error("it is no UTF-8 text")]
    NotText,
    /// A byte that no text has.
    #[error("it has a zero byte, as no text has")]
    ZeroByte,
    /// A record is too long.
    #[error("it has more than {RECORD_BYTES_MAX} bytes")]
    RecordTooLong,
    /// The document ends inside of a record.
    #[error("the document ends inside of it")]
    Unfinished,
    /// A table has too many columns.
    #[error("it has more than {COLUMNS_MAX} columns")]
    TooManyColumns,
    /// A record has another number of cells than the table has columns.
    #[error("it has {found} cells where the table has {wanted} columns")]
    Width {
        /// Cells of the record.
        found: usize,
        /// Columns of the table.
        wanted: usize,
    },
    /// A quote stands inside of a cell without quotes, or something behind a closing one.
    #[error("a quote stands where RFC 4180 has none")]
    Quote,
    /// A cell of a TSV in quotes holds what ends a cell where quotes mean nothing.
    #[error(
        "a cell in quotes holds a tab or a line end, which is the end of the cell to whoever writes tabs without quotes"
    )]
    QuotedTab,
    /// A carriage return without a line feed, outside of quotes.
    #[error("a carriage return stands alone")]
    LineEnd,
    /// A mask names a column that the table does not have.
    #[error("the table has no column as the mask {mask} names it")]
    MaskedColumn {
        /// Name of the mask in the policy.
        mask: String,
    },
    /// A header of a table with PHI that may be a row of data.
    #[error(
        "its header has a cell that names no column: an empty one, one of digits, one that is there twice, or one that looks like a value"
    )]
    Header,
    /// No mask is for any column of a table with PHI.
    #[error("no mask is for any of its columns")]
    UnmaskedTable,
    /// No JSON, or nested too deeply.
    #[error("it is no JSON document of at most {LEVELS_MAX} levels, or what is masked of it has another length")]
    Json,
    /// The name of a member is too long.
    #[error("a name in it has more than {NAME_BYTES_MAX} bytes")]
    NameTooLong,
    /// A piece has too many values.
    #[error("it has more than {VALUES_MAX} values")]
    TooManyValues,
    /// No mask names the document or a place in it, which holds PHI.
    #[error("no mask names the document or a place in it")]
    UnmaskedDocument,
    /// No resource of FHIR, or one inside of another where none may be.
    #[error("it is no FHIR resource, or has one where none may be")]
    Resource,
    /// No mask names resources of this type.
    #[error("no mask is for resources of its type")]
    UnmaskedResource,
    /// Too many types of resources.
    #[error("it has resources of too many types")]
    TooManyTypes,
    /// A piece has too many resources.
    #[error("it has more than {RESOURCES_MAX} resources")]
    TooManyResources,
    /// No segment of HL7 version 2 where one has to be.
    #[error("a segment has no name of three letters and digits and a separator, or stands before a header")]
    Segment,
    /// A segment ends with other bytes than the first one.
    #[error("a segment ends otherwise than the first one")]
    SegmentEnd,
    /// A field goes on in another segment or message, where its mask does not reach.
    #[error("it goes on in another segment or message")]
    Continued,
    /// A header does not say its separators, or says them twice.
    #[error("a header has no separators that can be told apart")]
    Separators,
    /// A segment has too many fields, or a field too many parts.
    #[error("a segment has too many fields or parts of one")]
    TooManyFields,
    /// The message says that it has another character set.
    #[error("its header names a character set that is not read")]
    CharacterSet,
    /// An escape changes the character set, or stands for no text.
    #[error("an escape stands for no text that can be read")]
    Escape,
    /// What is packed cannot be unpacked.
    #[error("what is packed cannot be unpacked, or something stands behind it")]
    Packed,
    /// What is packed becomes far more than it was.
    #[error("it unpacks to more than {EXPANSION_MAX} times its size")]
    Expansion,
    /// What is packed becomes too much.
    #[error("it unpacks to more than {UNPACKED_BYTES_MAX} bytes")]
    TooMuch,
}
