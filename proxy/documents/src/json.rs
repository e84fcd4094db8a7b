//! JSON documents (RFC 8259) in pieces, so that one of any size needs the memory of its largest piece.
//!
//! ```text
//! [ piece , piece , … ]
//! { name : piece , name : [ piece , piece , … ] , … }
//! piece
//! ```
//!
//! A piece is read as a document of its own, strictly; what stands between pieces is held to the grammar here. Of FHIR a
//! bundle is read so (where it says first that it is one, as every server writes it), and any other resource is one piece: its
//! type may stand behind what it is said of.

use exhibit_policy::mask::document::{DocumentMasker, Otherwise, Piece, Slot, Spelling, Treatment, Written};
use exhibit_policy::mask::path::Step;
use exhibit_policy::net::SessionNet;

use crate::error::Reason;
use crate::extent;
use crate::reader::{Pending, RECORD_BYTES_MAX, Reader, text};
use crate::resource::{BUNDLE, RESOURCE_TYPE, Resources};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Document,
    /// A name, or the end of the object where it has none yet.
    FirstName,
    Name,
    Colon,
    MemberValue,
    /// An element, or the end of the list where it has none yet.
    FirstElement,
    Element,
    /// The document as one piece.
    Whole,
    AfterMember,
    AfterElement,
    End,
}

/// Whose values the pieces hold.
enum Kind {
    /// Any document's; the slot is that of all of it.
    Plain(Option<Slot>),
    /// A resource's.
    Resource(Resources),
}

/// Reads one JSON document.
pub(crate) struct Json {
    kind: Kind,
    next: Next,
    pending: Pending,
    /// How far into what waits a value was looked through.
    scan: Scan,
    /// The name of the member that is being read, as it is written.
    member: Option<String>,
    /// The number of the element that is being read.
    element: usize,
    /// Whether the bundle has said what it is.
    has_type: bool,
    records: u64,
}

impl std::fmt::Debug for Json {
    /// Of what is read its length alone.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Json")
            .field("next", &self.next)
            .field("pending", &self.pending)
            .field("member_bytes", &self.member.as_ref().map(String::len))
            .field("element", &self.element)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// The end of a value, looked for in bytes that come in pieces.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
}

/// A step of the reader: it went on, or waits for more.
type Went = Option<()>;

impl Json {
    pub(crate) fn plain() -> Self {
        Self::of(Kind::Plain(None))
    }

    pub(crate) fn resource() -> Self {
        Self::of(Kind::Resource(Resources::default()))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            next: Next::Document,
            pending: Pending::default(),
            scan: Scan::default(),
            member: None,
            element: 0,
            has_type: false,
            records: 0,
        }
    }

    fn go(&mut self, is_last: bool, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        loop {
            if self.scan.at == 0 {
                self.blanks(out);
            }
            if self.pending.is_empty() || self.step(is_last, out, net)?.is_none() {
                return self.pending.bounded();
            }
        }
    }

    fn blanks(&mut self, out: &mut DocumentMasker) {
        let rest = self.pending.rest();
        let blanks = rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        out.structure(rest.get(..blanks).unwrap_or_default());
        self.pending.advance(blanks);
    }

    /// Takes the next part of the grammar, which begins with a byte that is no blank.
    fn step(&mut self, is_last: bool, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<Went, Reason> {
        let byte = self.pending.rest().first().copied().unwrap_or_default();
        let following = match (self.next, byte) {
            (Next::Document, _) => return Ok(self.begin(is_last, out)),
            (Next::FirstName | Next::Name, b'"') => return self.name(out, net),
            (Next::Colon, b':') => Next::MemberValue,
            (Next::MemberValue, b'[') => {
                self.element = 0;
                Next::FirstElement
            }
            (Next::FirstElement | Next::AfterElement, b']') => {
                if self.member.is_some() {
                    Next::AfterMember
                } else {
                    Next::End
                }
            }
            (Next::MemberValue | Next::FirstElement | Next::Element | Next::Whole, _) => {
                return self.value(is_last, out, net);
            }
            (Next::AfterMember, b',') => Next::Name,
            (Next::FirstName | Next::AfterMember, b'}') => Next::End,
            (Next::AfterElement, b',') => Next::Element,
            _ => return Err(Reason::Json),
        };
        self.next = following;
        self.structure(1, out);
        Ok(Some(()))
    }

    fn structure(&mut self, bytes: usize, out: &mut DocumentMasker) {
        out.structure(self.pending.rest().get(..bytes).unwrap_or_default());
        self.pending.advance(bytes);
    }

    fn begin(&mut self, is_last: bool, out: &mut DocumentMasker) -> Went {
        let rest = self.pending.rest();
        let in_parts = match &self.kind {
            Kind::Plain(_) => true,
            Kind::Resource(_) => begins_as_bundle(rest).or(is_last.then_some(false))?,
        };
        self.next = match rest.first() {
            Some(b'{') if in_parts => Next::FirstName,
            Some(b'[') if in_parts => Next::FirstElement,
            _ => {
                self.next = Next::Whole;
                return Some(());
            }
        };
        self.structure(1, out);
        Some(())
    }

    /// The name of a member.
    fn name(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<Went, Reason> {
        let Some(end) = string_end(self.pending.rest()) else {
            return extent::name(self.pending.rest().len()).map(|()| None);
        };
        extent::name(end)?;
        let raw = text(self.pending.rest().get(..end).unwrap_or_default())?.to_owned();
        let name: String = serde_json::from_str(&raw).map_err(|_| Reason::Json)?;
        let written = Written {
            raw: raw.as_bytes(),
            text: &name,
            spelling: &Strings,
        };
        out.name(written, net);
        self.pending.advance(end);
        if matches!(self.kind, Kind::Resource(_))
            && name == RESOURCE_TYPE
            && std::mem::replace(&mut self.has_type, true)
        {
            return Err(Reason::Resource);
        }
        self.member = Some(raw);
        self.next = Next::Colon;
        Ok(Some(()))
    }

    /// A value, once all of it is there.
    fn value(&mut self, is_last: bool, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<Went, Reason> {
        let Some(end) = self.scan.end(self.pending.rest(), is_last) else {
            return Ok(None);
        };
        self.scan = Scan::default();
        self.records += 1;
        // No value at all would be a good list of none inside of its brackets.
        if end == 0 {
            return Err(Reason::Json);
        }
        if end > RECORD_BYTES_MAX {
            return Err(Reason::RecordTooLong);
        }
        let is_element = matches!(self.next, Next::FirstElement | Next::Element);
        let raw = text(self.pending.rest().get(..end).unwrap_or_default())?;
        extent::bounded(raw)?;
        let element = is_element.then_some(self.element);
        let piece = Piece {
            member: self.member.as_deref(),
            element,
            text: raw,
        };
        match &mut self.kind {
            Kind::Plain(slot) => {
                let slot = slot.get_or_insert_with(|| out.slot("", "", net));
                let mut treat = |_: &[Step]| Treatment {
                    slot: slot.clone(),
                    outer: 0,
                    otherwise: Otherwise::Keep,
                };
                out.json(piece, &mut treat, net).ok_or(Reason::Json)?;
            }
            Kind::Resource(resources) => {
                let outer = self.member.as_deref().filter(|name| !names_type(name)).map(|_| BUNDLE);
                resources.piece(piece, outer, out, net)?;
            }
        }
        self.pending.advance(end);
        self.next = match self.next {
            Next::MemberValue => Next::AfterMember,
            Next::Whole => Next::End,
            _ => {
                self.element += 1;
                Next::AfterElement
            }
        };
        Ok(Some(()))
    }
}

impl Reader for Json {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.pending.push(bytes);
        self.go(false, out, net)
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.go(true, out, net)?;
        match self.next {
            Next::End | Next::Document if self.pending.is_empty() => Ok(()),
            _ => Err(Reason::Unfinished),
        }
    }

    fn records(&self) -> u64 {
        self.records
    }
}

impl Scan {
    /// The byte behind the value that begins the bytes; `None` where it is not there yet. It counts brackets and strings alone:
    /// whether the value is one is found out when it is read.
    fn end(&mut self, bytes: &[u8], is_last: bool) -> Option<usize> {
        let is_bare = !bytes.first().is_some_and(|byte| b"{[\"".contains(byte));
        if is_bare {
            let end = bytes.iter().position(|byte| b",]}: \t\r\n{[\"".contains(byte));
            return end.or(is_last.then_some(bytes.len()));
        }
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' if !self.in_string => self.in_string = true,
                b'"' => self.in_string = false,
                b'\\' if self.in_string => {
                    if bytes.get(self.at).is_none() {
                        // What is escaped comes with the next bytes.
                        self.at -= 1;
                        return None;
                    }
                    self.at += 1;
                }
                _ if self.in_string => {
                    let rest = bytes.get(self.at..).unwrap_or_default();
                    self.at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 && !self.in_string {
                return Some(self.at);
            }
        }
        None
    }
}

/// The byte behind a string that begins the bytes.
pub(crate) fn string_end(bytes: &[u8]) -> Option<usize> {
    Scan::default().end(bytes, false)
}

/// Whether a document begins as a bundle does; `None` where that is not said yet.
fn begins_as_bundle(bytes: &[u8]) -> Option<bool> {
    let Some(rest) = bytes.strip_prefix(b"{") else {
        return Some(false);
    };
    let mut rest = rest.trim_ascii_start();
    for (wanted, then) in [(RESOURCE_TYPE, Some(b':')), (BUNDLE, None)] {
        if *rest.first()? != b'"' {
            return Some(false);
        }
        let (raw, after) = rest.split_at_checked(string_end(rest)?)?;
        if serde_json::from_slice::<String>(raw).ok().as_deref() != Some(wanted) {
            return Some(false);
        }
        rest = after.trim_ascii_start();
        if let Some(mark) = then {
            if *rest.first()? != mark {
                return Some(false);
            }
            rest = rest.get(1..)?.trim_ascii_start();
        }
    }
    Some(true)
}

/// Whether a name, as it is written, says what type a resource is of.
fn names_type(raw: &str) -> bool {
    serde_json::from_str::<String>(raw).is_ok_and(|name| name == RESOURCE_TYPE)
}

/// How strings are written.
#[derive(Debug)]
struct Strings;

impl Spelling for Strings {
    fn spell(&self, text: Option<&str>, _raw: &[u8], into: &mut Vec<u8>) {
        into.extend_from_slice(serde_json::Value::from(text.unwrap_or_default()).to_string().as_bytes());
    }

    fn inside(&self, raw: &[u8]) -> std::ops::Range<usize> {
        1..raw.len().saturating_sub(1)
    }
}
