//! One object on its way out: unpacked, read by its format, masked by the policy, packed again.

use std::collections::BTreeMap;
use std::fmt;

use exhibit_policy::document::{Document, Format};
use exhibit_policy::mask::document::{DocumentMasker, Looks};
use exhibit_policy::mask::{MaskKey, Masked};
use exhibit_policy::net::SessionNet;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::event::access::Frame;

use crate::error::{DocumentError, Reason};
use crate::hl7::Hl7;
use crate::json::Json;
use crate::lines::Lines;
use crate::opaque::{OPENING_BYTES, Opaque};
use crate::packing::{Outer, PACKING_BYTES, Packer, Packing, Unpacker};
use crate::reader::Reader;
use crate::table::Table;
use crate::text::Text;

/// Bytes that are read at once; a frame of what is released comes from about as many.
const PIECE_BYTES: usize = 64 * 1024;

/// The mark of UTF-8 at the beginning of a file, which stays.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Masks one object.
///
/// Pieces go in by [`Self::push`] in order, and [`Self::finish`] takes the end; what they give is released in order. After an
/// error every call gives that error again, and nothing of the object comes out any more.
#[derive(Debug)]
pub struct Masker {
    out: DocumentMasker,
    outer: Outer,
    plain: Plain,
    packer: Option<Packer>,
    /// Records that frames were already counted with.
    counted: u64,
    fault: Option<DocumentError>,
    is_finished: bool,
}

/// The document itself.
struct Plain {
    /// Its first bytes, until there are enough to say what it is not.
    opening: Option<Vec<u8>>,
    reader: Box<dyn Reader>,
}

impl Masker {
    /// A masker for an object of a target that this document of the policy is for. Where that holds PHI and no mask names it or a
    /// place in it, the masker refuses everything.
    pub fn new(policy: &Snapshot, target: &str, document: &Document, key: MaskKey) -> Self {
        Self::of(document, DocumentMasker::new(policy, target, document, key))
    }

    /// One that reads again what was released of such an object, and makes nothing: whether each value at a masked place looks as its mask
    /// leaves it ([`Self::unlike`]). The frames that it gives are for nobody.
    pub fn again(policy: &Snapshot, target: &str, document: &Document, looks: Looks) -> Self {
        Self::of(document, DocumentMasker::again(policy, target, document, looks))
    }

    fn of(document: &Document, out: DocumentMasker) -> Self {
        let reader: Box<dyn Reader> = match document.format {
            Format::Csv => Box::new(Table::new(b',')),
            Format::Tsv => Box::new(Table::new(b'\t')),
            Format::Json => Box::new(Json::plain()),
            Format::Ndjson => Box::new(Lines::json()),
            Format::Fhir => Box::new(Json::resource()),
            Format::FhirNdjson => Box::new(Lines::resources()),
            Format::Hl7 => Box::new(Hl7::default()),
            Format::Text => Box::new(Text::default()),
        };
        // Of a table its header says which columns have masks; of all else the policy alone.
        let is_unmasked = document.phi && !document.format.is_table() && !out.has_masks();
        Self {
            out,
            outer: Outer::default(),
            plain: Plain {
                opening: Some(Vec::new()),
                reader,
            },
            packer: None,
            counted: 0,
            fault: is_unmasked.then_some(DocumentError {
                record: 1,
                reason: Reason::UnmaskedDocument,
            }),
            is_finished: false,
        }
    }

    /// Takes the next bytes of the object and gives what may be released.
    ///
    /// # Errors
    /// [`DocumentError`] for what its format does not allow; then nothing more comes out.
    pub fn push(&mut self, bytes: &[u8], net: &mut SessionNet) -> Result<Vec<Masked<Frame>>, DocumentError> {
        self.guarded(|masker, frames| {
            if masker.is_finished {
                return Err(Reason::Unfinished);
            }
            for piece in bytes.chunks(PIECE_BYTES) {
                masker.outer(piece, net, frames)?;
            }
            Ok(())
        })
    }

    /// Takes the end of the object and gives what is left.
    ///
    /// # Errors
    /// [`DocumentError`] where the document is not whole; then nothing more comes out.
    pub fn finish(&mut self, net: &mut SessionNet) -> Result<Vec<Masked<Frame>>, DocumentError> {
        self.guarded(|masker, frames| {
            if std::mem::replace(&mut masker.is_finished, true) {
                return Ok(());
            }
            if matches!(masker.outer, Outer::Opening(_)) {
                masker.opened(net, frames)?;
            }
            if let Outer::Packed(unpacker) = &masker.outer {
                unpacker.end()?;
            }
            masker.plain.end(&mut masker.out, net)?;
            masker.release(frames)?;
            if let Some(packer) = masker.packer.take() {
                let last = packer.end()?;
                frames.push(masker.out.take(0).framed(|_| last));
            }
            Ok(())
        })
    }

    /// Reads what waits because it takes more bytes to say what it begins: no more come, and it is not the end. A record that is not whole
    /// stays unread.
    ///
    /// # Errors
    /// [`DocumentError`] for what its format does not allow; then nothing more comes out.
    pub fn break_off(&mut self, net: &mut SessionNet) -> Result<Vec<Masked<Frame>>, DocumentError> {
        self.guarded(|masker, frames| {
            if matches!(masker.outer, Outer::Opening(_)) {
                masker.opened(net, frames)?;
            }
            masker.plain.opened(&mut masker.out, net)?;
            masker.release(frames)
        })
    }

    /// Whether what is released is as long as what was read: the document's policy says so, and it is not packed, as far as its
    /// first four bytes are there.
    pub const fn preserves_length(&self) -> bool {
        self.out.preserves_length() && self.packer.is_none()
    }

    /// Records that have begun to go out, the header of a table among them; after an error those that were given before it.
    pub fn records(&self) -> u64 {
        if self.fault.is_some() {
            return self.counted;
        }
        self.plain.reader.records()
    }

    /// Values masked so far, by name of the mask; after an error those that were given before it.
    pub fn masked(&self) -> BTreeMap<String, u64> {
        self.out.masked()
    }

    /// Of what was released, values that do not look as their mask leaves them, by its name; by no name those for which the format alone says
    /// what stands there.
    pub fn unlike(&self) -> impl Iterator<Item = (&str, u64)> {
        self.out.unlike()
    }

    /// How the object is packed, as far as its first bytes are there.
    pub const fn is_packed(&self) -> bool {
        self.packer.is_some()
    }

    fn guarded(
        &mut self,
        run: impl FnOnce(&mut Self, &mut Vec<Masked<Frame>>) -> Result<(), Reason>,
    ) -> Result<Vec<Masked<Frame>>, DocumentError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut frames = Vec::new();
        let (tally, counted) = (self.out.tally(), self.counted);
        match run(self, &mut frames) {
            Ok(()) => Ok(frames),
            Err(reason) => {
                // What this call would have given nobody gets.
                self.out.drop_since(tally);
                self.counted = counted;
                let record = self.plain.reader.records().max(1);
                let fault = DocumentError { record, reason };
                self.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    fn outer(&mut self, bytes: &[u8], net: &mut SessionNet, frames: &mut Vec<Masked<Frame>>) -> Result<(), Reason> {
        match &mut self.outer {
            Outer::Opening(opening) => {
                opening.extend_from_slice(bytes);
                if opening.len() < PACKING_BYTES {
                    return Ok(());
                }
                self.opened(net, frames)
            }
            Outer::Plain => {
                self.plain.read(bytes, &mut self.out, net)?;
                self.release(frames)
            }
            Outer::Packed(_) => self.packed(bytes, net, frames),
        }
    }

    /// Goes on with the first bytes, once it is known what they begin.
    fn opened(&mut self, net: &mut SessionNet, frames: &mut Vec<Masked<Frame>>) -> Result<(), Reason> {
        let Outer::Opening(opening) = std::mem::replace(&mut self.outer, Outer::Plain) else {
            return Ok(());
        };
        if let Some(packing) = Packing::of(&opening) {
            self.outer = Outer::Packed(Unpacker::new(packing)?);
            if !self.out.is_again() {
                self.packer = Some(Packer::new(packing)?);
            }
        }
        self.outer(&opening, net, frames)
    }

    fn packed(&mut self, bytes: &[u8], net: &mut SessionNet, frames: &mut Vec<Masked<Frame>>) -> Result<(), Reason> {
        let Outer::Packed(mut unpacker) = std::mem::replace(&mut self.outer, Outer::Plain) else {
            return Ok(());
        };
        let result = unpacker.push(bytes, &mut |piece| {
            self.plain.read(piece, &mut self.out, net)?;
            self.release(frames)
        });
        self.outer = Outer::Packed(unpacker);
        result
    }

    /// Makes a frame of what is masked, packed as the object was.
    fn release(&mut self, frames: &mut Vec<Masked<Frame>>) -> Result<(), Reason> {
        if self.out.waiting() == 0 {
            return Ok(());
        }
        let records = self.plain.reader.records();
        let frame = self.out.take(records.saturating_sub(self.counted));
        self.counted = records;
        let Some(packer) = &mut self.packer else {
            frames.push(frame);
            return Ok(());
        };
        let mut wire = Ok(Vec::new());
        let frame = frame.framed(|frame| {
            let Frame::Verbatim(Bytes(bytes)) = frame else {
                return Vec::new();
            };
            wire = packer.push(bytes);
            wire.clone().unwrap_or_default()
        });
        wire?;
        // Records are counted with the frame that they begin in, also where none of its bytes are ready yet.
        frames.push(frame);
        Ok(())
    }
}

impl fmt::Debug for Plain {
    /// Without bytes of the document; what a reader holds of it is its own matter, and not asked for.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opening = self.opening.as_ref().map(Vec::len);
        write!(
            formatter,
            "Plain({opening:?} bytes wait, {} records)",
            self.reader.records()
        )
    }
}

impl Plain {
    fn read(&mut self, bytes: &[u8], out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let Some(opening) = &mut self.opening else {
            return self.reader.read(bytes, out, net);
        };
        opening.extend_from_slice(bytes);
        if opening.len() < OPENING_BYTES {
            return Ok(());
        }
        self.opened(out, net)
    }

    fn opened(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        let Some(opening) = self.opening.take() else {
            return Ok(());
        };
        if let Some(opaque) = Opaque::of(&opening) {
            return Err(Reason::Opaque(opaque));
        }
        let rest = opening.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&opening);
        out.structure(opening.get(..opening.len() - rest.len()).unwrap_or_default());
        for piece in rest.chunks(PIECE_BYTES) {
            self.reader.read(piece, out, net)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut DocumentMasker, net: &mut SessionNet) -> Result<(), Reason> {
        self.opened(out, net)?;
        self.reader.end(out, net)
    }
}
