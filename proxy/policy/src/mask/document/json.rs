//! Masks of JSON documents, piece by piece: values by path, the rest through detectors and nets, every other byte as it was.
//!
//! A piece is a value of a document. It is read inside of what stands around it, so that the name of a member says what its
//! value is, as it would in the whole document.

use std::fmt;
use std::ops::Range;

use super::{DocumentMasker, STAR, Slot, Standing};
use crate::detect::{Detectors, Hints, Tally, Wanted};
use crate::mask::apply::quoted;
use crate::mask::path::{self, Step};
use crate::mask::{DETECT_FLOOR, Technique};
use crate::net::{NetColumn, SessionNet};

/// What becomes of a value for which no path of its mask is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It stays, as far as nets let it.
    Keep,
    /// Detectors search it as the technique `detect` does.
    Search,
    /// This stands in its place, also where it would be redacted: the form that a redacted text has there.
    Text(&'static str),
}

/// How a value of a document is treated.
#[derive(Clone)]
pub struct Treatment {
    /// The place of its mask, such as the document or its resources of a type.
    pub slot: Slot,
    /// Steps of its place that lead to where the paths of the mask begin.
    pub outer: usize,
    /// What becomes of it where no path covers it.
    pub otherwise: Otherwise,
}

/// A piece of a document.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    /// The name of the member whose value it is, as a JSON string, or whose list it is an element of.
    pub member: Option<&'a str>,
    /// Its number, from 0, where it is an element of a list.
    pub element: Option<usize>,
    /// The value.
    pub text: &'a str,
}

impl fmt::Debug for Treatment {
    /// Of the mask whether there is one alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Treatment")
            .field("is_masked", &self.slot.is_masked())
            .field("outer", &self.outer)
            .field("otherwise", &self.otherwise)
            .finish()
    }
}

impl fmt::Debug for Piece<'_> {
    /// Of what it holds the lengths alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Piece")
            .field("member_bytes", &self.member.map(str::len))
            .field("element", &self.element)
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

/// What was decided of one value.
enum Decided {
    Kept,
    Searched,
    Masked(String),
}

/// The nets over the values of a piece, which may be of several resources.
#[derive(Default)]
struct Nets {
    /// A place for each difference in what nets look for.
    columns: Vec<NetColumn>,
    /// Which of them each value has.
    of_values: Vec<usize>,
}

impl Nets {
    fn add(&mut self, column: &NetColumn) {
        let mut known = self.columns.iter();
        let place = known.position(|known| known.is_under_nets_of(column));
        self.of_values.push(place.unwrap_or(self.columns.len()));
        if place.is_none() {
            self.columns.push(column.clone());
        }
    }

    /// The document as nets leave it, each value by those over its own place.
    fn searched(&self, document: String, name: &str, net: &mut SessionNet) -> Option<String> {
        let mut current = document;
        for (place, column) in self.columns.iter().enumerate() {
            let is_other = |value: usize| self.of_values.get(value).is_some_and(|own| *own != place);
            let column = column.document(name);
            if self.columns.len() == 1 {
                if let Some(searched) = net.searched(&column, current.as_bytes()) {
                    current = String::from_utf8(searched?).ok()?;
                }
                continue;
            }
            let own = with_values(&current, &mut |value, _| is_other(value).then(|| "null".to_owned()))?;
            if let Some(searched) = net.searched(&column, own.as_bytes()) {
                let searched = String::from_utf8(searched?).ok()?;
                let before = values(&current)?;
                current = with_values(&searched, &mut |value, _| {
                    let before = before.get(value).filter(|_| is_other(value))?;
                    Some((*before).to_owned())
                })?;
            }
        }
        Some(current)
    }
}

impl Piece<'_> {
    /// A document of the piece alone, at its depth.
    fn document(&self) -> String {
        let (open, close) = if self.element.is_some() { ("[", "]") } else { ("", "") };
        match self.member {
            None => format!("{open}{}{close}", self.text),
            Some(name) => format!("{{{name}:{open}{}{close}}}", self.text),
        }
    }

    /// Calls for each value of the piece, with its place and how it is written; `None` where it is no JSON.
    pub fn look(&self, visit: &mut dyn FnMut(&[Step], &str)) -> Option<()> {
        let document = self.document();
        self.walk(&document, &mut |place, span| {
            visit(place, document.get(span).unwrap_or_default());
        })
    }

    /// Walks through the document of the piece, in which that has the number that it has in its list.
    fn walk(&self, document: &str, visit: &mut dyn FnMut(&[Step], Range<usize>)) -> Option<()> {
        match self.element {
            None => path::walk(document, visit),
            Some(element) => path::walk_from(document, (usize::from(self.member.is_some()), element), visit),
        }
    }

    /// Where the piece is in such a document, whatever has become of the name.
    fn inside(&self, document: &str) -> Option<Range<usize>> {
        let brackets = usize::from(self.element.is_some());
        let (before, after) = match self.member {
            None => (0, 0),
            Some(_) => (path::string_end(document.as_bytes(), 1)? + 1, 1),
        };
        Some(before + brackets..document.len().checked_sub(after + brackets)?)
    }
}

impl DocumentMasker {
    /// Takes over a piece of a JSON document. `treat` says how the value at a place of [`Piece`] is treated.
    ///
    /// `None` where the text is no document, or what is left of it is not as long as it has to be.
    pub fn json(
        &mut self,
        piece: Piece<'_>,
        treat: &mut dyn FnMut(&[Step]) -> Treatment,
        net: &mut SessionNet,
    ) -> Option<()> {
        let document = piece.document();
        let mut decided = Vec::new();
        let mut nets = Nets::default();
        piece.walk(&document, &mut |place, span| {
            let raw = document.get(span).unwrap_or_default();
            let treatment = treat(place);
            nets.add(&treatment.slot.net);
            decided.push(self.decide(raw, place, &treatment));
        })?;
        if nets.columns.is_empty() {
            // Without a value there are names of members still.
            nets.columns.push(NetColumn::default());
        }
        let masked = self.masked_document(&document, &decided, &nets, net)?;
        let masked = masked.get(piece.inside(&masked)?)?;
        if self.document.keep_length && masked.len() != piece.text.len() {
            return None;
        }
        self.released.extend_from_slice(masked.as_bytes());
        Some(())
    }

    fn decide(&mut self, raw: &str, place: &[Step], treatment: &Treatment) -> Decided {
        if self.is_again() {
            self.look(raw, place, treatment);
            return Decided::Kept;
        }
        let technique = self.technique(&treatment.slot, place.get(treatment.outer..).unwrap_or_default());
        let masked = match (technique, treatment.otherwise) {
            _ if raw == "null" => return Decided::Kept,
            (Some(Technique::Detect), _) | (None, Otherwise::Search) => return Decided::Searched,
            (None, Otherwise::Keep) => return Decided::Kept,
            (None | Some(Technique::Redact), Otherwise::Text(text)) => quoted(text),
            (Some(technique), _) => path::value(raw, technique, &self.key),
        };
        self.count(&treatment.slot);
        Decided::Masked(if self.document.keep_length {
            fitted(raw, masked)
        } else {
            masked
        })
    }

    /// Looks at a value that was released: what [`Self::decide`] would have made of one in its place stands there, or could.
    fn look(&mut self, raw: &str, place: &[Step], treatment: &Treatment) {
        if raw == "null" {
            return;
        }
        let Some(mut again) = self.again.take() else { return };
        let mask = treatment.slot.mask.and_then(|mask| self.masks.get(mask));
        let technique = self.technique(&treatment.slot, place.get(treatment.outer..).unwrap_or_default());
        let is_masked = match (technique, treatment.otherwise) {
            (Some(Technique::Detect), _) | (None, Otherwise::Search | Otherwise::Keep) => false,
            (None | Some(Technique::Redact), Otherwise::Text(text)) => {
                again.by_format(mask.map(|mask| mask.name.as_str()), text, raw);
                true
            }
            (Some(technique), _) => {
                let mask = mask.map_or("", |mask| mask.name.as_str());
                again.under(mask, technique, Standing::Json(raw));
                true
            }
        };
        self.again = Some(again);
        if is_masked {
            self.count(&treatment.slot);
        }
    }

    /// The document with everything masked that was decided to be, and searched that was not.
    fn masked_document(
        &self,
        document: &str,
        decided: &[Decided],
        nets: &Nets,
        net: &mut SessionNet,
    ) -> Option<String> {
        let keep_length = self.document.keep_length;
        // What is masked is no matter of a detector's any more.
        let bare = with_values(document, &mut |value, _| match decided.get(value)? {
            Decided::Masked(_) => Some("null".to_owned()),
            Decided::Kept | Decided::Searched => None,
        })?;
        let mut current = bare.clone();
        if decided.iter().any(|one| matches!(one, Decided::Searched)) {
            let wanted = Wanted::from(DETECT_FLOOR);
            let found = Detectors::shared().mask_json_counted(&bare, &Hints::none(), &wanted, &mut Tally::default());
            if let Some(found) = found {
                let kept = values(&bare)?;
                current = with_values(&found, &mut |value, _| match decided.get(value)? {
                    Decided::Kept => kept.get(value).map(|raw| (*raw).to_owned()),
                    Decided::Searched | Decided::Masked(_) => None,
                })?;
            }
        }
        current = nets.searched(current, &self.document.name, net)?;
        let before = if keep_length { values(document)? } else { Vec::new() };
        with_values(&current, &mut |value, raw| match decided.get(value)? {
            Decided::Masked(masked) => Some(masked.clone()),
            Decided::Kept | Decided::Searched => {
                let before = before.get(value).filter(|before| **before != raw)?;
                Some(fitted(before, raw.to_owned()))
            }
        })
    }
}

/// The values of a document, in order.
fn values(document: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    path::walk(document, &mut |_, span| {
        found.push(document.get(span).unwrap_or_default());
    })?;
    Some(found)
}

/// The document with other values in the place of those for which there is one, by their number.
fn with_values(document: &str, other: &mut dyn FnMut(usize, &str) -> Option<String>) -> Option<String> {
    let mut changed = String::with_capacity(document.len());
    let (mut copied, mut number) = (0, 0);
    path::walk(document, &mut |_, span| {
        if let Some(value) = other(number, document.get(span.clone()).unwrap_or_default()) {
            changed.push_str(document.get(copied..span.start).unwrap_or_default());
            changed.push_str(&value);
            copied = span.end;
        }
        number += 1;
    })?;
    changed.push_str(document.get(copied..)?);
    Some(changed)
}

/// A masked value as long as what it stands for: itself, or stars for a string, and a zero or null and blanks for the rest.
fn fitted(raw: &str, masked: String) -> String {
    if masked.len() == raw.len() {
        return masked;
    }
    let (start, fill) = match raw.as_bytes().first() {
        Some(b'"') => {
            let stars = raw.len().saturating_sub(2);
            let star = char::from(STAR);
            return format!("\"{}\"", std::iter::repeat_n(star, stars).collect::<String>());
        }
        Some(b't' | b'f') => ("null", raw.len().saturating_sub(4)),
        _ => ("0", raw.len().saturating_sub(1)),
    };
    format!("{start}{}", " ".repeat(fill))
}
