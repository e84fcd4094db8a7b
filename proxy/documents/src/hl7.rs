//! Messages of HL7 version 2 (its chapter 2, "Control"), segment by segment, alone or in a batch (FHS, BHS, BTS, FTS).
//!
//! ```text
//! MSH|^~\&|…              header: its fourth byte separates fields; then component, repetition, escape, subcomponent
//! PID|1||123^^^MRN~…      segment: three letters or digits, then fields
//! ```
//!
//! A mask names a field (`adt.PID-5`), a component (`adt.PID-5.1`) or a subcomponent (`adt.PID-3.4.1`), and masks what is in it,
//! in every repetition; of several the first of the policy holds. What is masked is the text with its escapes resolved. A part
//! without a byte, and `""` (delete what is there), hold no value. Separators, line ends and everything unmasked keep their bytes.
//!
//! Segments end with CR as the standard says, or LF, or both, as files have them: all of a document as the first one does. Not
//! here: other character sets than ASCII and
//! UTF-8 (MSH-18), which are refused; segments and messages that go on in others (ADD, DSC), which are refused where the document
//! holds PHI, and else read as segments of their own; the meaning of a field.

use std::collections::HashMap;

use exhibit_policy::mask::document::{DocumentMasker, Slot, Spelling, Written};
use exhibit_policy::net::SessionNet;

use crate::error::Reason;
use crate::reader::{Pending, RECORD_BYTES_MAX, Reader, text};

/// Fields of a segment, repetitions of a field, and parts of one at the most.
pub const FIELDS_MAX: usize = 1_024;

/// Places whose masks are remembered at the most; later ones are looked up each time.
const PLACES_MAX: usize = 65_536;

/// Segments that say the separators of what follows.
const HEADERS: [&str; 3] = ["MSH", "FHS", "BHS"];

/// Segments that go on with the last field of the one before, and that say that the message goes on in another.
const CONTINUED: [&str; 2] = ["ADD", "DSC"];

/// Where the header of a message names its character set.
const CHARACTER_SET: usize = 18;

/// A place of a segment: name, field, component, subcomponent.
type Place = ([u8; 3], usize, usize, usize);

/// Reads messages.
#[derive(Default)]
pub(crate) struct Hl7 {
    pending: Pending,
    /// How the first segment ends, and so every other.
    end: Option<&'static [u8]>,
    separators: Option<Separators>,
    slots: HashMap<Place, Slot>,
    unescaped: String,
    messages: u64,
}

impl std::fmt::Debug for Hl7 {
    /// Of what is read its length alone.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Hl7")
            .field("pending", &self.pending)
            .field("places", &self.slots.len())
            .field("unescaped_bytes", &self.unescaped.len())
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

/// The separators of a message.
#[derive(Clone, Copy, Debug)]
struct Separators {
    field: char,
    component: char,
    repetition: char,
    escape: char,
    subcomponent: char,
    truncation: Option<char>,
}

impl Separators {
    /// Reads those of a header, and what follows them.
    fn read(segment: &str) -> Result<(Self, &str), Reason> {
        let mut rest = segment.get(3..).unwrap_or_default().chars();
        let field = rest.next().ok_or(Reason::Separators)?;
        let rest = rest.as_str();
        let encoding = rest.split(field).next().unwrap_or_default();
        let marks: Vec<char> = encoding.chars().collect();
        let (component, repetition, escape, subcomponent, truncation) = match *marks.as_slice() {
            [component, repetition, escape, subcomponent] => (component, repetition, escape, subcomponent, None),
            [component, repetition, escape, subcomponent, last] => {
                (component, repetition, escape, subcomponent, Some(last))
            }
            _ => return Err(Reason::Separators),
        };
        let mut all = vec![field];
        all.extend(&marks);
        let apart = all.iter().enumerate().all(|(number, mark)| {
            mark.is_ascii_punctuation() && *mark != '"' && !all.iter().skip(number + 1).any(|other| other == mark)
        });
        if !apart {
            return Err(Reason::Separators);
        }
        let separators = Self {
            field,
            component,
            repetition,
            escape,
            subcomponent,
            truncation,
        };
        Ok((separators, rest.get(encoding.len()..).unwrap_or_default()))
    }

    /// The letter of the escape that stands for a separator.
    fn letter(&self, mark: char) -> Option<char> {
        let letters = [
            (self.field, 'F'),
            (self.component, 'S'),
            (self.subcomponent, 'T'),
            (self.repetition, 'R'),
            (self.escape, 'E'),
        ];
        let truncation = self.truncation.map(|mark| (mark, 'P'));
        let mut all = letters.into_iter().chain(truncation);
        all.find(|(own, _)| *own == mark).map(|(_, letter)| letter)
    }

    /// What a part says, its escapes resolved.
    fn resolve<'a>(&self, raw: &'a str, into: &'a mut String) -> Result<&'a str, Reason> {
        if !raw.contains(self.escape) {
            return Ok(raw);
        }
        into.clear();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once(self.escape) {
            into.push_str(before);
            let Some((escape, after)) = after.split_once(self.escape) else {
                // A mark that escapes nothing is a mark.
                into.push(self.escape);
                rest = after;
                continue;
            };
            self.one(escape, into)?;
            rest = after;
        }
        into.push_str(rest);
        Ok(into)
    }

    /// What an escape stands for.
    fn one(&self, escape: &str, into: &mut String) -> Result<(), Reason> {
        let marks = [
            ("F", Some(self.field)),
            ("S", Some(self.component)),
            ("T", Some(self.subcomponent)),
            ("R", Some(self.repetition)),
            ("E", Some(self.escape)),
            ("P", self.truncation),
        ];
        if let Some((_, Some(mark))) = marks.iter().find(|(letter, _)| *letter == escape) {
            into.push(*mark);
            return Ok(());
        }
        let hex_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match escape.split_at_checked(1) {
            // Highlighting stands for no text.
            _ if escape == "H" || escape == "N" => {}
            Some((".", _)) => into.push('\n'),
            Some(("X", digits)) if !digits.is_empty() && hex_digits(digits) => {
                let bytes = decoded(digits).ok_or(Reason::Escape)?;
                into.push_str(text(&bytes).map_err(|_| Reason::Escape)?);
            }
            Some(("C" | "M", digits)) if hex_digits(digits) => return Err(Reason::Escape),
            // What is no escape stands for itself.
            _ => {
                into.push(self.escape);
                into.push_str(escape);
                into.push(self.escape);
            }
        }
        Ok(())
    }
}

/// Bytes of hexadecimal digits, two to a byte.
fn decoded(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

impl Spelling for Separators {
    fn spell(&self, text: Option<&str>, _raw: &[u8], into: &mut Vec<u8>) {
        let mut bytes = [0; 4];
        for character in text.unwrap_or_default().chars() {
            if character == '\n' || character == '\r' {
                into.extend(self.escape.encode_utf8(&mut bytes).bytes());
                into.extend_from_slice(b".br");
                into.extend(self.escape.encode_utf8(&mut bytes).bytes());
            } else if let Some(letter) = self.letter(character) {
                for one in [self.escape, letter, self.escape] {
                    into.extend(one.encode_utf8(&mut bytes).bytes());
                }
            } else {
                into.extend(character.encode_utf8(&mut bytes).bytes());
            }
        }
    }

    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize> {
        0..raw.len()
    }
}

impl Hl7 {
    /// Takes the segments that are there with their ends, of which the first is looked for from a byte on.
    fn segments(
        &mut self,
        mut from: usize,
        is_last: bool,
        out: &mut DocumentMasker,
        net: &mut SessionNet,
    ) -> Result<(), Reason> {
        let pending = std::mem::take(&mut self.pending);
        let mut start = 0;
        while let Some(before) = memchr::memchr2(b'\r', b'\n', pending.rest().get(from..).unwrap_or_default()) {
            let rest = pending.rest().get(from + before..).unwrap_or_default();
            let Some(end) = segment_end(rest, self.end, is_last) else {
                break;
            };
            // Another end may be one for who wrote it and a part of a field for who reads it, or the other way around.
            if *self.end.get_or_insert(end) != end {
                return Err(Reason::SegmentEnd);
            }
            let at = from + before;
            self.segment(pending.rest().get(start..at).unwrap_or_default(), out, net)?;
            out.structure(end);
            from = at + end.len();
            start = from;
        }
        self.pending = pending;
        self.pending.advance(start);
        Ok(())
    }

    fn segment(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.starts_with(b"MSH") {
            self.messages += 1;
        }
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(Reason::RecordTooLong);
        }
        let segment = text(bytes)?;
        let Some(name) = bytes.first_chunk::<3>().copied().filter(|name| is_name(*name)) else {
            return Err(Reason::Segment);
        };
        if out.document().phi && CONTINUED.iter().any(|other| other.as_bytes() == name) {
            return Err(Reason::Continued);
        }
        let rest = if HEADERS.iter().any(|header| header.as_bytes() == name) {
            let (separators, rest) = Separators::read(segment)?;
            self.separators = Some(separators);
            rest
        } else {
            segment.get(3..).unwrap_or_default()
        };
        let separators = self.separators.ok_or(Reason::Segment)?;
        // The first separator of a header is its first field, and the others are its second.
        let before = if rest.len() < segment.len() - 3 { 2 } else { 0 };
        out.structure(bytes.get(..bytes.len() - rest.len()).unwrap_or_default());
        let Some(fields) = rest.strip_prefix(separators.field) else {
            return if rest.is_empty() { Ok(()) } else { Err(Reason::Segment) };
        };
        for (number, field) in fields.split(separators.field).enumerate() {
            if number >= FIELDS_MAX {
                return Err(Reason::TooManyFields);
            }
            put(separators.field, out);
            let number = number + before + 1;
            if name == *b"MSH" && number == CHARACTER_SET && !is_read(field, separators) {
                return Err(Reason::CharacterSet);
            }
            self.field((name, number, 0, 0), field, separators, out, net)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        place: Place,
        field: &str,
        separators: Separators,
        out: &mut DocumentMasker,
        net: &mut SessionNet,
    ) -> Result<(), Reason> {
        let (name, number, ..) = place;
        for (repetition, repeated) in parts(field, separators.repetition)? {
            separate(repetition, separators.repetition, out);
            for (component, whole) in parts(repeated, separators.component)? {
                separate(component, separators.component, out);
                for (subcomponent, raw) in parts(whole, separators.subcomponent)? {
                    separate(subcomponent, separators.subcomponent, out);
                    if raw.is_empty() || raw == "\"\"" {
                        out.structure(raw.as_bytes());
                        continue;
                    }
                    let slot = self.slot((name, number, component + 1, subcomponent + 1), out, net);
                    let mut unescaped = std::mem::take(&mut self.unescaped);
                    let written = Written {
                        raw: raw.as_bytes(),
                        text: separators.resolve(raw, &mut unescaped)?,
                        spelling: &separators,
                    };
                    out.value(&slot, written, net);
                    self.unescaped = unescaped;
                }
            }
        }
        Ok(())
    }

    fn slot(&mut self, place: Place, out: &DocumentMasker, net: &SessionNet) -> Slot {
        if let Some(slot) = self.slots.get(&place) {
            return slot.clone();
        }
        let (name, field, component, subcomponent) = place;
        let segment: String = name.iter().copied().map(char::from).collect();
        let slot = out.first_slot(
            &[
                &format!("{segment}-{field}.{component}.{subcomponent}"),
                &format!("{segment}-{field}.{component}"),
                &format!("{segment}-{field}"),
            ],
            net,
        );
        if self.slots.len() < PLACES_MAX {
            self.slots.insert(place, slot.clone());
        }
        slot
    }
}

impl Reader for Hl7 {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        // Of what waits only the last byte can be an end of a line.
        let from = self.pending.rest().len().saturating_sub(1);
        self.pending.push(bytes);
        self.segments(from, false, out, net)?;
        self.pending.bounded()
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let from = self.pending.rest().len().saturating_sub(1);
        self.segments(from, true, out, net)?;
        let pending = std::mem::take(&mut self.pending);
        self.segment(pending.rest(), out, net)
    }

    fn records(&self) -> u64 {
        self.messages
    }
}

/// The end of a segment with which bytes begin; `None` where that hangs on a byte that is not there yet. `first` is how the
/// first segment ends: behind a CR that is one a line feed is found by itself.
fn segment_end(bytes: &[u8], first: Option<&[u8]>, is_last: bool) -> Option<&'static [u8]> {
    match *bytes {
        [b'\n', ..] => Some(b"\n"),
        [_, b'\n', ..] => Some(b"\r\n"),
        [_] if !is_last && first != Some(b"\r") => None,
        _ => Some(b"\r"),
    }
}

fn is_name(name: [u8; 3]) -> bool {
    let [first, rest @ ..] = name;
    first.is_ascii_uppercase()
        && rest
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether a message in the character sets of this field is read.
fn is_read(field: &str, separators: Separators) -> bool {
    let mut sets = field.split(separators.repetition);
    sets.all(|set| matches!(set, "" | "ASCII" | "UNICODE UTF-8"))
}

/// The parts of a text between a separator, numbered from 0.
fn parts(text: &str, separator: char) -> Result<impl Iterator<Item = (usize, &str)>, Reason> {
    if text.split(separator).nth(FIELDS_MAX).is_some() {
        return Err(Reason::TooManyFields);
    }
    Ok(text.split(separator).enumerate())
}

fn separate(number: usize, separator: char, out: &mut DocumentMasker) {
    if number > 0 {
        put(separator, out);
    }
}

fn put(separator: char, out: &mut DocumentMasker) {
    out.structure(separator.encode_utf8(&mut [0; 4]).as_bytes());
}
