//! Masks: what becomes of a cell before it may be recorded or released.
//!
//! A mask names resources (`schema.relation.column` by pattern) and a technique. A protocol asks [`Snapshot::mask`] for
//! each column that a reply has, builds a [`RowMasker`] from the answers, and sends every row through it. What comes out
//! is a [`Masked`] value; the agent's socket and the events take nothing else, so no row can pass by.
//!
//! A protocol says for each column how its values are written ([`CellKind`]), so a masked value is valid for its type. What
//! has no valid masked form is NULL.
//!
//! Tokens are HMAC-SHA-256 (RFC 2104) under the proxy's mask key, over the mask's domain, a zero byte and the value: equal
//! values of one domain give equal tokens, so that joins still work. None of partial, token and year-only is called
//! de-identified (45 CFR 164.514(b)).
//!
//! Not here: which column a value comes from and what its bytes mean (each protocol knows), and what detectors find
//! ([`crate::detect`]).
//!
//! [`Snapshot::mask`]: crate::snapshot::Snapshot::mask

pub(crate) mod apply;
pub mod document;
pub mod ff1;
mod key;
pub mod path;
pub mod shift;
pub mod value;
pub mod zip;

use std::collections::BTreeMap;

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;
use serde_json::json;

use self::ff1::Alphabet;
pub use self::key::{MaskKey, TOKEN_BYTES, TOKEN_PREFIX};
use self::path::PathMask;
use self::value::{Coding, Value};
use crate::detect::Confidence;
use crate::net::{NetColumn, SessionNet};
use crate::patients::{Identified, Records};

/// What stands in the place of a redacted text.
pub const REDACTED: &str = "[redacted]";

/// How sure a detector must be for [`Technique::Detect`] to mask what it finds.
pub const DETECT_FLOOR: Confidence = Confidence::Likely;

/// How a mask changes a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Technique {
    /// A fixed text in its place.
    Redact,
    /// NULL in its place.
    Null,
    /// Every letter and digit but the last `keep` becomes `*`.
    Partial {
        /// Letters and digits that stay, counted from the end.
        keep: usize,
    },
    /// A keyed token.
    Token {
        /// Values of one domain share their tokens.
        domain: String,
    },
    /// The first day of the date's year.
    Year,
    /// A date so many days earlier or later, by a keyed number. See [`shift`].
    DateShift {
        /// Dates of one domain, and one person in it, are moved alike.
        domain: String,
        /// Days that they are moved by at the most.
        days: u32,
        /// The column of the same relation that names the person.
        person: Option<String>,
    },
    /// A value of the same form, by format-preserving encryption. See [`ff1`].
    Ff1 {
        /// Values of one domain are encrypted alike.
        domain: String,
        /// What is encrypted.
        alphabet: Alphabet,
    },
    /// The first three digits of a ZIP code. See [`zip`].
    Zip3,
    /// An age up to 89; 90 for all others (45 CFR 164.514(b)(2)(i)(C)).
    Age,
    /// Of a JSON document, the values at some paths. See [`path`].
    Paths {
        /// Where, and how.
        paths: Vec<PathMask>,
        /// What becomes of all other values; `None` keeps them.
        rest: Option<Box<Technique>>,
    },
    /// A typed token in the place of each identifier that detectors find in a text or a JSON document; the rest stays. A net
    /// and no proof: it suits columns of free text, and no column that holds an identifier by itself.
    Detect,
}

impl Technique {
    /// The word in policy files, events and reports.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Redact => "redact",
            Self::Null => "null",
            Self::Partial { .. } => "partial",
            Self::Token { .. } => "token",
            Self::Year => "year",
            Self::DateShift { .. } => "date_shift",
            Self::Ff1 { .. } => "ff1",
            Self::Zip3 => "zip3",
            Self::Age => "age",
            Self::Paths { .. } => "paths",
            Self::Detect => "detect",
        }
    }

    /// The words of all of them.
    pub const WORDS: [&str; 11] = [
        "redact",
        "null",
        "partial",
        "token",
        "year",
        "date_shift",
        "ff1",
        "zip3",
        "age",
        "paths",
        "detect",
    ];

    /// Whether what it leaves depends on the key of masks.
    pub fn is_keyed(&self) -> bool {
        match self {
            Self::Token { .. } | Self::DateShift { .. } | Self::Ff1 { .. } => true,
            Self::Paths { paths, rest } => {
                paths.iter().any(|mask| mask.technique.is_keyed()) || rest.as_ref().is_some_and(|rest| rest.is_keyed())
            }
            Self::Redact | Self::Null | Self::Partial { .. } | Self::Year | Self::Zip3 | Self::Age | Self::Detect => {
                false
            }
        }
    }

    /// What the policy says of it beside its word, by name. What has a default is named, too.
    pub fn parameters(&self) -> serde_json::Map<String, serde_json::Value> {
        let parameters = match self {
            Self::Redact | Self::Null | Self::Year | Self::Zip3 | Self::Age | Self::Detect => json!({}),
            Self::Partial { keep } => json!({ "keep": keep }),
            Self::Token { domain } => json!({ "domain": domain }),
            Self::DateShift { domain, days, person } => json!({ "domain": domain, "days": days, "person": person }),
            Self::Ff1 { domain, alphabet } => json!({ "domain": domain, "alphabet": alphabet.as_str() }),
            Self::Paths { paths, rest } => {
                let paths = paths.iter().map(|mask| {
                    let mut one = mask.technique.parameters();
                    one.insert("path".to_owned(), mask.path.as_str().into());
                    one.insert("technique".to_owned(), mask.technique.as_str().into());
                    serde_json::Value::Object(one)
                });
                let rest = rest.as_ref().map_or("keep", |rest| rest.as_str());
                json!({ "paths": paths.collect::<Vec<_>>(), "rest": rest })
            }
        };
        match parameters {
            serde_json::Value::Object(parameters) => parameters,
            _ => serde_json::Map::new(),
        }
    }
}

/// What kind of value a cell holds, and how it is written.
#[derive(Clone, Copy, Debug, Default)]
pub enum CellKind {
    /// UTF-8 text.
    Text,
    /// A JSON document in text form.
    Json,
    /// A value as its protocol writes it.
    Coded(&'static dyn Coding),
    /// Not known: every mask makes it NULL, and so does a net that finds anything in its bytes.
    #[default]
    Opaque,
    /// A value that has no room for an identifier, such as a truth value: every mask makes it NULL, and no net searches it.
    Roomless,
}

impl CellKind {
    /// The value that the bytes of a cell stand for; `None` where they stand for none of its kind.
    pub(crate) fn read(self, bytes: Vec<u8>) -> Option<Value> {
        match self {
            Self::Text => String::from_utf8(bytes).ok().map(Value::Text),
            Self::Json => String::from_utf8(bytes).ok().map(Value::Json),
            Self::Coded(coding) => coding.read(&bytes),
            Self::Opaque | Self::Roomless => None,
        }
    }

    fn write(self, value: Value) -> Option<Vec<u8>> {
        match (self, value) {
            (Self::Text, Value::Text(text)) | (Self::Json, Value::Json(text)) => Some(text.into_bytes()),
            (Self::Coded(coding), value) => coding.write(&value),
            _ => None,
        }
    }
}

/// The mask of one column of a reply.
#[derive(Clone, Debug)]
pub struct ColumnMask {
    /// Name of the mask in the policy.
    pub mask: String,
    /// How it changes a value.
    pub technique: Technique,
    /// What kind of value the column has.
    pub kind: CellKind,
}

impl ColumnMask {
    /// The masked form of a cell; `None` is NULL.
    fn masked(&self, cell: Vec<u8>, key: &MaskKey) -> Option<Vec<u8>> {
        let value = self.kind.read(cell)?;
        self.kind.write(apply::apply(&self.technique, value, key)?)
    }
}

/// Something that may be recorded and released: it went through the masks of its policy, or holds no value of the target.
///
/// **Invariant:** only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked<T> {
    value: T,
    /// Rows that begin in it.
    rows: u64,
    /// Whose records they are, where that is to be known.
    records: Records,
}

impl<T> Masked<T> {
    /// What may be released.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// What may be released, by value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl Masked<Frame> {
    /// Bytes of the protocol that hold no value of the target's data: completion tags, states; and descriptions of columns,
    /// errors and their like, whose texts the protocol has cut down to what policy lets through and sent through
    /// [`SessionNet::text`].
    pub fn framing(bytes: Vec<u8>) -> Self {
        Self::verbatim(bytes, 0)
    }

    const fn verbatim(bytes: Vec<u8>, rows: u64) -> Self {
        let value = Frame::Verbatim(Bytes(bytes));
        let records = Records::none();
        Self { value, rows, records }
    }

    /// Whose records the rows are that begin in it.
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// Rows that begin in it: one of a row, and as many of verbatim bytes as their protocol counted.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The same bytes in pieces of at most `bytes`; a row is one piece.
    pub fn pieces(self, bytes: usize) -> impl Iterator<Item = Self> {
        let Self {
            value,
            mut rows,
            mut records,
        } = self;
        let (row, verbatim) = match value {
            value @ Frame::Row(_) => (
                Some(Self {
                    value,
                    rows,
                    records: std::mem::take(&mut records),
                }),
                Vec::new(),
            ),
            Frame::Verbatim(Bytes(verbatim)) => (None, verbatim),
        };
        let mut start = 0;
        let pieces = std::iter::from_fn(move || {
            let end = verbatim.len().min(start + bytes.max(1));
            let piece = verbatim.get(start..end).filter(|piece| !piece.is_empty())?.to_vec();
            start = end;
            Some(Self {
                records: std::mem::take(&mut records),
                ..Self::verbatim(piece, std::mem::take(&mut rows))
            })
        });
        row.into_iter().chain(pieces)
    }

    /// A part of verbatim bytes. Of the rows that begin in them as many are counted as may begin in the part; a row is none.
    #[must_use]
    pub fn part(self, range: std::ops::Range<usize>) -> Self {
        let Frame::Verbatim(Bytes(bytes)) = &self.value else {
            return Self::verbatim(Vec::new(), 0);
        };
        let bytes = bytes.get(range).unwrap_or_default().to_vec();
        let rows = self.rows.min(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Self {
            records: self.records,
            ..Self::verbatim(bytes, rows)
        }
    }

    /// The same frames with their rows moved to later ones where a frame counts more than it has bytes, as what is packed does: each row
    /// begins in a byte of its own as far as there are as many.
    pub fn spread(frames: &mut [Self]) {
        let mut owed = 0_u64;
        for frame in frames {
            let Frame::Verbatim(Bytes(bytes)) = &frame.value else {
                continue;
            };
            let rows = frame.rows.saturating_add(owed);
            frame.rows = rows.min(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            owed = rows - frame.rows;
        }
    }

    /// The same frame as the bytes that `wire` makes of it, for a row that is too long for one event.
    #[must_use]
    pub fn framed(self, wire: impl FnOnce(&Frame) -> Vec<u8>) -> Self {
        Self {
            records: self.records,
            ..Self::verbatim(wire(&self.value), self.rows)
        }
    }
}

/// Why a row is not released.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MaskError {
    /// The row has another number of cells than the reply's description.
    #[error("a row has {found} cells where its description has {wanted} columns")]
    Width {
        /// Cells in the row.
        found: usize,
        /// Columns described.
        wanted: usize,
    },
    /// The data comes as a whole, but a column of it has a mask.
    #[error("data comes as a whole where the mask {mask} holds for a column")]
    Mask {
        /// Name of the mask in the policy.
        mask: String,
    },
    /// The data comes as a whole, but a net holds for its cells.
    #[error("data comes as a whole where a net holds for its cells")]
    Net,
}

/// Masks the rows of one table of a reply.
#[derive(Clone, Debug)]
pub struct RowMasker {
    columns: Vec<Option<ColumnMask>>,
    nets: Vec<NetColumn>,
    key: MaskKey,
    masked: BTreeMap<String, u64>,
    /// Whose records the rows are; `None` where they are no patients'.
    identified: Option<Identified>,
}

impl RowMasker {
    /// A masker for rows of these columns; `None` for a column that is released as it is.
    pub fn new(columns: Vec<Option<ColumnMask>>, key: MaskKey) -> Self {
        Self {
            nets: vec![NetColumn::default(); columns.len()],
            columns,
            key,
            masked: BTreeMap::new(),
            identified: None,
        }
    }

    /// The same, of rows that may be records of patients.
    #[must_use]
    pub fn identified(self, identified: Option<Identified>) -> Self {
        Self { identified, ..self }
    }

    /// Whether rows may be records of patients that some column names.
    pub fn identifies(&self) -> bool {
        self.identified.as_ref().is_some_and(Identified::names_any)
    }

    /// Whether a column names patients.
    pub fn is_identifying(&self, column: usize) -> bool {
        self.identified
            .as_ref()
            .is_some_and(|identified| identified.reads(column))
    }

    /// The same, with what the net knows of the columns: without, their cells are searched as text, and NULL where anything
    /// is found.
    #[must_use]
    pub fn described(mut self, nets: Vec<NetColumn>) -> Self {
        self.nets = nets;
        self.nets.resize(self.columns.len(), NetColumn::default());
        self
    }

    /// Masks one row; what no column's mask takes goes through the net.
    ///
    /// # Errors
    /// [`MaskError::Width`]: a row that does not fit its description is not released.
    pub fn row(&mut self, cells: Vec<Option<Vec<u8>>>, net: &mut SessionNet) -> Result<Masked<Frame>, MaskError> {
        if cells.len() != self.columns.len() {
            return Err(MaskError::Width {
                found: cells.len(),
                wanted: self.columns.len(),
            });
        }
        let records = self.identified.as_ref();
        let records = records.map_or_else(Records::none, |identified| identified.records(&cells, &self.key));
        let mut row = Vec::with_capacity(cells.len());
        for ((cell, column), known) in cells.into_iter().zip(&self.columns).zip(&self.nets) {
            let cell = match (cell, column) {
                (Some(value), Some(column)) => {
                    *self.masked.entry(column.mask.clone()).or_default() += 1;
                    net.learn(known, &value);
                    column.masked(value, &self.key)
                }
                (Some(value), None) => {
                    net.learn(known, &value);
                    net.cell(known, value)
                }
                (None, _) => None,
            };
            row.push(cell.map(Bytes));
        }
        Ok(Masked {
            value: Frame::Row(row),
            rows: 1,
            records,
        })
    }

    /// Data of a table none of whose columns has a mask, as the protocol framed it, with so many rows, where no net holds. `seen`
    /// are records of the same rows, as far as somebody looked at them; without, nobody knows whose they are.
    ///
    /// # Errors
    /// [`MaskError::Mask`] when a column has one, [`MaskError::Net`] when a net holds.
    pub fn whole(
        &self,
        bytes: Vec<u8>,
        rows: u64,
        seen: Option<Records>,
        net: &SessionNet,
    ) -> Result<Masked<Frame>, MaskError> {
        if !net.is_empty() {
            return Err(MaskError::Net);
        }
        match self.columns.iter().flatten().next() {
            None => Ok(Masked {
                records: match (&self.identified, seen) {
                    (None, _) => Records::none(),
                    (Some(_), Some(seen)) => seen,
                    (Some(_), None) => Records::unknown(rows),
                },
                ..Masked::verbatim(bytes, rows)
            }),
            Some(column) => Err(MaskError::Mask {
                mask: column.mask.clone(),
            }),
        }
    }

    /// The columns, in order; `None` for one that is released as it is.
    pub fn columns(&self) -> &[Option<ColumnMask>] {
        &self.columns
    }

    /// Cells masked so far, by name of the mask.
    pub fn masked(&self) -> &BTreeMap<String, u64> {
        &self.masked
    }
}

#[cfg(test)]
mod tests;
