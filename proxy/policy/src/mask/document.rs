//! Masks of documents: what becomes of the values of an object before it may be recorded or released.
//!
//! Whoever reads a document (`exhibit-documents`) finds where its values are and what they say. It hands over every byte,
//! in order: what holds no value ([`DocumentMasker::structure`]), and each value with the place in which it stands. What
//! comes out is [`Masked`].
//!
//! **Invariant:** a masker writes a value only through the mask of its place, or, where there is none, through the session's
//! nets.
//!
//! No type proves that what is [`Masked`] was masked: [`DocumentMasker::structure`], [`Masked::framing`] and [`Masked::framed`] take any
//! bytes, on the word of whoever calls them that they hold no value. A test of the architecture names the files that may.
//!
//! Where a document keeps its length ([`Document::keep_length`]), what a mask or a net makes of a value has as many bytes
//! as the value had: its own form where that is as long, and stars where it is not.
//!
//! Not here: the grammar of any format; records of patients, of which objects have none yet.
//!
//! [`Document::keep_length`]: crate::document::Document::keep_length

mod again;
mod json;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use exhibit_schemas::event::access::Frame;

use self::again::Again;
pub use self::again::{Looks, Standing};
pub use self::json::{Otherwise, Piece, Treatment};
pub use self::text::{TEXT_OVERLAP_BYTES, TEXT_WINDOW_BYTES};
use super::path::Step;
use super::{CellKind, DETECT_FLOOR, MaskKey, Masked, Technique, apply, path};
use crate::detect::{Detectors, Hints, Wanted};
use crate::document::{Document, Format};
use crate::net::{Channel, Known, NetColumn, SessionNet};
use crate::snapshot::{Mask, Snapshot};

/// What stands for each byte of a masked value that has to keep its length.
pub const STAR: u8 = b'*';

/// A value as it stands in a document.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// The bytes that stand for it.
    pub raw: &'a [u8],
    /// What they say.
    pub text: &'a str,
    /// How the format writes a text in their place.
    pub spelling: &'a dyn Spelling,
}

/// How a format writes texts.
pub trait Spelling {
    /// Writes a text in the place of the value with these bytes; `None` is no value.
    fn spell(&self, text: Option<&str>, raw: &[u8], into: &mut Vec<u8>);

    /// Where in the bytes of a value stars can stand for every byte, when it has to keep its length.
    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize>;
}

/// A place of a document with its mask and its net, looked up once.
#[derive(Clone, Default)]
pub struct Slot {
    mask: Option<usize>,
    net: NetColumn,
}

impl fmt::Debug for Slot {
    /// Without the place, which may be data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Slot(mask {:?})", self.mask)
    }
}

impl Slot {
    /// Whether a mask is for it.
    pub const fn is_masked(&self) -> bool {
        self.mask.is_some()
    }
}

/// Masks one document, and makes what is released of it.
pub struct DocumentMasker {
    document: Document,
    /// The masks of the target, in the order of the file.
    masks: Vec<Mask>,
    /// How many values each of them masked.
    counts: Vec<u64>,
    key: MaskKey,
    released: Vec<u8>,
    /// Room for one masked text.
    scratch: String,
    /// What it reads was released already, and it looks at it alone.
    again: Option<Again>,
}

impl fmt::Debug for DocumentMasker {
    /// Without anything of the document.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DocumentMasker")
            .field("document", &self.document.name)
            .field("counts", &self.counts)
            .field("released_bytes", &self.released.len())
            .finish_non_exhaustive()
    }
}

impl DocumentMasker {
    /// A masker for an object of a target that this document of the policy names.
    pub fn new(policy: &Snapshot, target: &str, document: &Document, key: MaskKey) -> Self {
        let masks: Vec<Mask> = policy
            .masks()
            .iter()
            .filter(|mask| mask.is_for(target))
            .cloned()
            .collect();
        Self {
            document: document.clone(),
            counts: vec![0; masks.len()],
            masks,
            key,
            released: Vec::new(),
            scratch: String::new(),
            again: None,
        }
    }

    /// One that reads again what was released of such an object: it makes no value, and counts those that do not look as their mask leaves
    /// them. What comes out of it is for nobody.
    pub fn again(policy: &Snapshot, target: &str, document: &Document, looks: Looks) -> Self {
        // Nothing is made under this key.
        let mut masker = Self::new(policy, target, document, MaskKey::new([0; 32]));
        masker.again = Some(Again::new(looks, document.keep_length));
        masker
    }

    /// Whether it reads again what was released.
    pub const fn is_again(&self) -> bool {
        self.again.is_some()
    }

    /// Values that do not look as their mask leaves them, by its name; by no name those for which the format alone says what stands there.
    pub fn unlike(&self) -> impl Iterator<Item = (&str, u64)> {
        self.again.iter().flat_map(Again::unlike)
    }

    /// How the document is read.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Whether everything that it releases is as long as what it read.
    pub const fn preserves_length(&self) -> bool {
        self.document.keep_length
    }

    /// The place of that name; the document itself where the name is empty. `label` is what says what its values are.
    pub fn slot(&self, place: &str, label: &str, net: &SessionNet) -> Slot {
        let resource = match place {
            "" => self.document.name.clone(),
            place => self.document.resource(place),
        };
        let names = |mask: &Mask| mask.resources().iter().any(|pattern| pattern.matches(&resource));
        let known = Known {
            name: label,
            origin: Some(&resource),
            label: Some(label),
            meaning: None,
        };
        Slot {
            mask: self.masks.iter().position(names),
            net: net.column(known, CellKind::Text),
        }
    }

    /// The column of that number of a table, from 1, by the name in its header. A name that no mask knows as it stands is looked up in
    /// small letters, too.
    ///
    /// Evidence calls the column by its number, for what stands in a header may be a row of data.
    pub fn column(&self, number: usize, name: &str, net: &SessionNet) -> Slot {
        let mut slot = self.slot(name, name, net);
        if !slot.is_masked() {
            let small = self.slot(&name.to_lowercase(), name, net);
            if small.is_masked() {
                slot = small;
            }
        }
        slot.net = slot.net.called(&self.document.resource(&format!("#{number}")));
        slot
    }

    /// The first of these places, from the innermost to the outermost, with the mask that names any of them: of several the
    /// first of the policy.
    pub fn first_slot(&self, places: &[&str], net: &SessionNet) -> Slot {
        let mut slots = places.iter().map(|place| self.slot(place, "", net));
        let mut first = slots.next().unwrap_or_default();
        first.mask = slots.filter_map(|slot| slot.mask).chain(first.mask).min();
        first
    }

    /// Whether a mask can name a place of the document, where its format has places, and else the document itself.
    pub fn has_masks(&self) -> bool {
        let below = format!("{}.", self.document.name);
        let mut patterns = self.masks.iter().flat_map(Mask::resources);
        patterns.any(|pattern| match self.document.format {
            Format::Json | Format::Ndjson | Format::Text => pattern.matches(&self.document.name),
            Format::Csv | Format::Tsv | Format::Fhir | Format::FhirNdjson | Format::Hl7 => {
                pattern.can_match_below(&below) && self.document.may_have(pattern.as_str())
            }
        })
    }

    /// Places of this document that masks name by themselves and not by a pattern, each with its mask.
    pub fn named_places(&self) -> impl Iterator<Item = (&str, &str)> {
        let masks = self.masks.iter();
        masks.flat_map(|mask| {
            let own = mask.resources().iter().filter_map(|pattern| {
                let place = pattern.as_str().strip_prefix(self.document.name.as_str())?;
                place.strip_prefix('.').filter(|place| !place.contains('*'))
            });
            own.map(|place| (mask.name.as_str(), place))
        })
    }

    /// Whether detectors take a text for a value, as sure as the technique `detect` has to be: then it names no column.
    pub fn looks_like_value(text: &str) -> bool {
        let wanted = Wanted::from(DETECT_FLOOR);
        !Detectors::shared()
            .find_wanted(text, &Hints::none(), &wanted)
            .is_empty()
    }

    /// Takes over bytes that hold no value: separators, marks, line ends.
    pub fn structure(&mut self, bytes: &[u8]) {
        self.released.extend_from_slice(bytes);
    }

    /// Takes over the name of a column or its like: a word of a schema, in which only what cannot be one is masked.
    pub fn name(&mut self, written: Written<'_>, net: &mut SessionNet) {
        match net.text(Channel::Column, written.text.as_bytes()) {
            None => self.released.extend_from_slice(written.raw),
            Some(masked) => {
                let masked = String::from_utf8(masked).ok();
                spell(
                    &mut self.released,
                    self.document.keep_length,
                    masked.as_deref(),
                    written,
                );
            }
        }
    }

    /// Takes over a value of a place.
    pub fn value(&mut self, slot: &Slot, written: Written<'_>, net: &mut SessionNet) {
        net.learn(&slot.net, written.text.as_bytes());
        let mask = slot
            .mask
            .and_then(|mask| Some((self.masks.get(mask)?, self.counts.get_mut(mask)?)));
        let Some((mask, count)) = mask else {
            match net.searched(&slot.net, written.text.as_bytes()) {
                None => self.released.extend_from_slice(written.raw),
                Some(masked) => {
                    let masked = masked.and_then(|masked| String::from_utf8(masked).ok());
                    spell(
                        &mut self.released,
                        self.document.keep_length,
                        masked.as_deref(),
                        written,
                    );
                }
            }
            return;
        };
        *count = count.saturating_add(1);
        if let Some(again) = &mut self.again {
            again.under(&mask.name, &mask.technique, Standing::Text(written.text));
            return;
        }
        self.scratch.clear();
        // A path is one into a JSON document, and this is a value of no document: nothing of it is told.
        let told = apply::append(&mask.technique, written.text, &self.key, &mut self.scratch);
        let masked = told.then_some(self.scratch.as_str());
        spell(&mut self.released, self.document.keep_length, masked, written);
    }

    /// Takes what may be released, in which so many records begin.
    pub fn take(&mut self, records: u64) -> Masked<Frame> {
        Masked::verbatim(std::mem::take(&mut self.released), records)
    }

    /// Bytes that [`Self::take`] would give.
    pub const fn waiting(&self) -> usize {
        self.released.len()
    }

    /// How many values each mask has masked so far, for [`Self::drop_since`].
    pub fn tally(&self) -> Vec<u64> {
        self.counts.clone()
    }

    /// Drops what was not taken, and what was counted since that tally: nobody gets it.
    pub fn drop_since(&mut self, tally: Vec<u64>) {
        self.released.clear();
        self.counts = tally;
    }

    /// Values masked so far, by name of the mask.
    pub fn masked(&self) -> BTreeMap<String, u64> {
        let counted = self.masks.iter().zip(&self.counts).filter(|(_, count)| **count > 0);
        counted.map(|(mask, count)| (mask.name.clone(), *count)).collect()
    }

    /// What the mask of a slot does at a place of a JSON document.
    fn technique(&self, slot: &Slot, place: &[Step]) -> Option<&Technique> {
        match &self.masks.get(slot.mask?)?.technique {
            Technique::Paths { paths, rest } => path::technique(paths, rest.as_deref(), place),
            technique => Some(technique),
        }
    }

    fn count(&mut self, slot: &Slot) {
        if let Some(count) = slot.mask.and_then(|mask| self.counts.get_mut(mask)) {
            *count = count.saturating_add(1);
        }
    }
}

/// Writes a masked text in the place of a value, as long as the value where the length is kept.
fn spell(into: &mut Vec<u8>, keep_length: bool, masked: Option<&str>, written: Written<'_>) {
    let start = into.len();
    written.spelling.spell(masked, written.raw, into);
    if keep_length && into.len() - start != written.raw.len() {
        into.truncate(start);
        let inside = written.spelling.inside(written.raw);
        let bytes = written.raw.iter().enumerate();
        into.extend(bytes.map(|(place, byte)| if inside.contains(&place) { STAR } else { *byte }));
    }
}

#[cfg(test)]
mod tests;
