//! Documents, read record by record, so that the policy can mask what objects hold.
//!
//! ```text
//! bytes of an object ─▶ opening: BOM, gzip, zstd, or nothing that can be read ─▶ reader of the format ─▶ policy ─▶ Masked<Frame>
//! ```
//!
//! A [`Masker`] takes an object in pieces of any size and gives what may be released of it. Its memory is that of one
//! record, whatever the size of the object. It has no clock, no socket and no randomness, and it waits for nothing.
//!
//! **Invariant:** a reader finds where the values of a format are and hands each to [`DocumentMasker`] of the policy crate, which
//! writes it masked, or as its nets leave it, and makes the frames. What a reader hands over as structure is released as it is: that it
//! takes no value for structure is tested and not proven. What is packed again is framed here, from masked bytes alone.
//!
//! **Invariant:** what a reader does not understand ends the document with a [`DocumentError`], and after that nothing more
//! comes out. Errors say which record and why, and hold nothing of the data.
//!
//! Not here: which objects are read as what (`[[documents]]` of a policy), what becomes of a value (`exhibit-policy`),
//! and any protocol that serves objects.
//!
//! [`DocumentMasker`]: exhibit_policy::mask::document::DocumentMasker

mod error;
mod extent;
mod header;
mod hl7;
mod json;
mod lines;
mod mark;
mod masker;
mod opaque;
mod packing;
mod reader;
mod resource;
mod table;
mod text;

pub use self::error::{DocumentError, Reason};
pub use self::extent::{NAME_BYTES_MAX, VALUES_MAX};
pub use self::hl7::FIELDS_MAX;
pub use self::mark::{Mark, Marks};
pub use self::masker::Masker;
pub use self::opaque::{OPENING_BYTES, Opaque};
pub use self::packing::{EXPANSION_FREE_BYTES, EXPANSION_MAX, Packing, UNPACKED_BYTES_MAX};
pub use self::reader::RECORD_BYTES_MAX;
pub use self::resource::{RESOURCE_TYPES_MAX, RESOURCES_MAX};
pub use self::table::COLUMNS_MAX;
