//! Patients: whose records the rows of a reply are, by keyed tokens, and how many different ones.
//!
//! A policy names the columns that identify patients (`[[patients]]`). A protocol says with [`Identified`] which columns of a reply
//! are such columns themselves, and whether every other value of a row belongs to whom these name; a [`RowMasker`] makes the
//! tokens, from the raw values, beside the masks. A token is the one that a mask `token` of that domain would begin from (16 bytes
//! of HMAC-SHA-256 under the key of masks), so equal identifiers show, and the ledger holds none of them.
//!
//! | a row is | when |
//! | --- | --- |
//! | a record of a patient | a column names the patient; of each patient once, where several do |
//! | a record of an unknown patient, too | a column that should name one is NULL or has no token, or other values of the row may be somebody else's |
//!
//! Not here: which columns of a reply these are (each protocol proves that), and thresholds ([`crate::snapshot::Over`]).
//!
//! [`RowMasker`]: crate::mask::RowMasker

use std::collections::HashSet;

use exhibit_schemas::event::access::{Attribute, Facts, PatientToken};

use crate::mask::apply::name_of;
use crate::mask::value::Value;
use crate::mask::{CellKind, MaskKey};

/// The attribute of a command that may read or change records of patients.
pub const PATIENTS: &str = "patients";

/// Different patients that are counted at the most, of a reply and of a session; what comes after them counts as one more, and
/// no threshold is higher. A set of so many tokens has some 4 MB.
pub const PATIENTS_MAX: u64 = 100_000;

/// Whether a command with these facts may read or change records of patients.
pub fn are_touched(facts: &Facts) -> bool {
    facts.attributes.get(PATIENTS) == Some(&Attribute::Bool(true))
}

/// The token of an identifier, written as the target's text has it.
pub fn token(key: &MaskKey, domain: &str, identifier: &[u8]) -> PatientToken {
    PatientToken(key.token_bytes(domain, identifier))
}

/// How a column names a patient.
#[derive(Clone, Debug)]
pub enum Naming {
    /// By the identifier, written in this way.
    Value(CellKind),
    /// By a token that the target has made of it, of the same key and domain.
    Token(CellKind),
}

/// A column that identifies patients.
#[derive(Clone, Debug)]
pub struct Identifying {
    /// Its place in the row.
    pub place: usize,
    /// The domain of its tokens.
    pub domain: String,
    /// How it names a patient.
    pub naming: Naming,
}

/// Whose records rows are.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The columns that name patients.
    pub columns: Vec<Identifying>,
    /// Whether all of a row belongs to those whom these columns name.
    pub whole: bool,
}

/// Whose records a part of a reply holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Whose record each is.
    pub patients: Vec<PatientToken>,
    /// Rows that may be a record of somebody of whom nothing is known.
    pub unknown: u64,
}

impl Records {
    /// No records of patients.
    pub const fn none() -> Self {
        Self::unknown(0)
    }

    /// So many rows, and nothing is known of whom they are.
    pub const fn unknown(rows: u64) -> Self {
        Self {
            patients: Vec::new(),
            unknown: rows,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.patients.extend_from_slice(&other.patients);
        self.unknown = self.unknown.saturating_add(other.unknown);
        self
    }
}

impl Identified {
    /// Whether any column names patients.
    pub fn names_any(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Whether a column names patients.
    pub fn reads(&self, column: usize) -> bool {
        self.columns.iter().any(|identifying| identifying.place == column)
    }

    /// Whose record a row is, by its raw cells.
    pub fn records(&self, cells: &[Option<Vec<u8>>], key: &MaskKey) -> Records {
        let mut records = Records::unknown(u64::from(!self.whole || self.columns.is_empty()));
        for column in &self.columns {
            let cell = cells.get(column.place).and_then(Option::as_ref);
            match cell.and_then(|cell| column.token(cell, key)) {
                Some(token) if records.patients.contains(&token) => {}
                Some(token) => records.patients.push(token),
                None => records.unknown = 1,
            }
        }
        records
    }
}

impl Identifying {
    fn token(&self, cell: &[u8], key: &MaskKey) -> Option<PatientToken> {
        match &self.naming {
            Naming::Value(kind) => {
                let value = kind.read(cell.to_vec())?;
                // A document names nobody, whatever is in it.
                let name = (!matches!(value, Value::Json(_))).then(|| name_of(&value)).flatten()?;
                Some(token(key, &self.domain, &name))
            }
            Naming::Token(kind) => match kind.read(cell.to_vec())? {
                Value::Text(text) => PatientToken::from_hex(text.strip_prefix("tok_")?),
                Value::Bytes(bytes) => PatientToken::try_from(bytes.as_slice()).ok(),
                _ => None,
            },
        }
    }
}

/// How many different patients there were, up to [`PATIENTS_MAX`] and one more.
#[derive(Clone, Debug, Default)]
pub struct Distinct {
    known: HashSet<PatientToken>,
    unknown: u64,
}

impl Distinct {
    /// Takes records in.
    pub fn add(&mut self, patients: impl IntoIterator<Item = PatientToken>, unknown: u64) {
        self.unknown = self.unknown.saturating_add(unknown);
        for patient in patients {
            if self.count() > PATIENTS_MAX {
                // The count is what it stays.
                return;
            }
            self.known.insert(patient);
        }
    }

    /// Those that are told apart, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = PatientToken> {
        self.known.iter().copied()
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.with(&HashSet::new(), 0)
    }

    /// How many there would be with these.
    pub fn with(&self, patients: &HashSet<PatientToken>, unknown: u64) -> u64 {
        let new = patients.difference(&self.known).count();
        let all = self.known.len().saturating_add(new);
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        let unknown = self.unknown.saturating_add(unknown);
        all.saturating_add(unknown).min(PATIENTS_MAX + 1)
    }
}

#[cfg(test)]
mod tests;
