//! One cell or text under the net: what is found in it, and what stands in its place.
//!
//! | value | what is searched | what stands for a cell with a finding |
//! | --- | --- | --- |
//! | text | the text | tokens in the text |
//! | a JSON document | its strings and numbers, by their keys | tokens in the document, which stays one |
//! | a list of texts, documents, whole numbers, UUIDs or bytes | each element, and all of them together | the list with its elements so masked |
//! | another list | the same | NULL |
//! | any other value | the text that stands for it | NULL |
//!
//! Where the column's name or type says what its values are, a text is masked whole, and any other value is NULL.

use super::{Category, Tally, Wanted};
use crate::detect::{Detectors, Hints};
use crate::mask::CellKind;
use crate::mask::value::{Value, characters};

/// Bytes of a number below which no detector finds anything in it, however sure it has to be.
pub(super) const NUMBER_BYTES_MIN: usize = 7;

/// A search of one cell or text.
pub(super) struct Search<'a> {
    pub(super) hints: Hints<'a>,
    /// What name or type of the column say.
    pub(super) label: Option<Category>,
    pub(super) wanted: &'a Wanted,
    /// What was found.
    pub(super) tally: Tally,
}

/// What stands in the place of a value with a finding; `None` is NULL.
pub(crate) type Instead<T> = Option<T>;

impl Search<'_> {
    /// The bytes that stand for a cell; `None` where it stays as it is.
    pub(super) fn cell(&mut self, kind: CellKind, cell: &[u8]) -> Option<Instead<Vec<u8>>> {
        match kind {
            CellKind::Roomless => None,
            CellKind::Text => self.bytes(cell).map(Some),
            CellKind::Json => match std::str::from_utf8(cell) {
                Ok(document) => self.json(document).map(|masked| Some(masked.into_bytes())),
                Err(_) => self.other(&characters(cell)),
            },
            CellKind::Coded(coding) => {
                if let Some(value) = coding.read(cell) {
                    return self.value(&value).map(|masked| coding.write(&masked?));
                }
                // What is no value of its type is not known to hold nothing.
                self.labelled();
                Some(None)
            }
            CellKind::Opaque => self.other(&characters(cell)),
        }
    }

    /// The bytes of a text with tokens in the place of what was found. What is no UTF-8 is read byte by byte.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let masked = self.text(&characters(bytes))?;
        Some(if std::str::from_utf8(bytes).is_ok() {
            masked.into_bytes()
        } else {
            // Every character came from one byte, or is a letter of a token.
            masked.chars().filter_map(|one| u8::try_from(one).ok()).collect()
        })
    }

    fn value(&mut self, value: &Value) -> Option<Instead<Value>> {
        match value {
            Value::Text(text) => self.text(text).map(|text| Some(Value::Text(text))),
            Value::Json(document) => self.json(document).map(|document| Some(Value::Json(document))),
            Value::List(elements) => self.list(elements),
            Value::Integer(_) | Value::Decimal(_) if self.label.is_none() && value.text().len() < NUMBER_BYTES_MIN => {
                None
            }
            value => self.other(&value.text()),
        }
    }

    fn list(&mut self, elements: &[Option<Value>]) -> Option<Instead<Value>> {
        let kept = |value: &Value| {
            matches!(
                value,
                Value::Text(_) | Value::Json(_) | Value::Integer(_) | Value::Uuid(_) | Value::Bytes(_)
            )
        };
        let mut changed = false;
        let masked = elements.iter().map(|element| {
            let element = element.as_ref()?;
            match self.value(element) {
                None => Some(element.clone()),
                Some(masked) => {
                    changed = true;
                    masked
                }
            }
        });
        let masked = Value::List(masked.collect());
        // One element may say what the next one is.
        let beside = Search {
            label: None,
            tally: Tally::default(),
            ..*self
        }
        .found(&masked.text());
        self.tally.extend(&beside);
        if !beside.is_empty() || (changed && !elements.iter().flatten().all(kept)) {
            return Some(None);
        }
        changed.then_some(Some(masked))
    }

    /// A value in which no token has room.
    fn other<T>(&mut self, text: &str) -> Option<Instead<T>> {
        let found = self.labelled() || self.text(text).is_some();
        found.then_some(None)
    }

    /// Whether the column says what its values are.
    fn labelled(&mut self) -> bool {
        if let Some(category) = self.label {
            self.tally.add(category);
        }
        self.label.is_some()
    }

    fn found(mut self, text: &str) -> Tally {
        self.text(text);
        self.tally
    }

    fn text(&mut self, text: &str) -> Option<String> {
        let hints = self.hints.category(self.label);
        Detectors::shared().mask_counted(text, &hints, self.wanted, &mut self.tally)
    }

    fn json(&mut self, document: &str) -> Option<String> {
        let hints = self.hints.category(self.label);
        Detectors::shared().mask_json_counted(document, &hints, self.wanted, &mut self.tally)
    }
}
