//! The scoped export: of one log some sessions, each whole and proven, and of everything else hashes alone.
//!
//! ```text
//! checkpoint                 as in a whole bundle ([`crate::bundle`])
//! trust.toml                 as in a whole bundle
//! tile/<L>/<N>[.p/<W>]       all hashes of the log, level 0 too; there is no tile/entries
//! seals/<N>                  the seals among the entries under tile/0/<N>, where there are any: records
//! event/<index>              the bytes of a disclosed event
//! event/<index>.tlog-proof   its proof under the same checkpoint ([`crate::proof`], C2SP tlog-proof)
//! manifest.json              the scope, and size and SHA-256 of every other file
//!
//! record = position (1 byte, ascending), length (2 bytes, big endian), entry
//! <N>    = as in the path of a tile, without a width: 1234067 is x001/x234/067
//! <index> = decimal, without leading zeros
//! ```
//!
//! As every leaf hash and every seal is there, the tree, the batches and the chains of seals are those of the whole log: who sealed an
//! event that is withheld is known, and so nothing of an administrator can be. What is disclosed is one piece of code, which the ledger
//! chooses by and the verifier checks by ([`part`], [`Members`]).
//!
//! Not here: reading and writing files.

mod members;
mod scope;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::members::{Members, Part, Sessions, part};
pub use self::scope::{Member, Opening, Scope, ScopeError};
use crate::bundle::ManifestFile;
use crate::merkle::Index;
use crate::seal::ENTRY_BYTES_MAX;
use crate::tile::{TILE_WIDTH, Tile, TileKind};

/// The format's name and version in the manifest.
pub const SCOPED_FORMAT: &str = "exhibit-scoped-bundle/1";

/// Where the ledger gives what a scope discloses of one tile: this and the tile's number.
pub const DISCLOSED_PATH: &str = "/v1/disclosed";

/// Bytes of a seal at the most, here; one takes about 250.
pub const SEAL_BYTES_MAX: usize = 1_024;

/// Bytes of a file of seals at the most.
pub const SEALS_BYTES_MAX: usize = 256 * (3 + SEAL_BYTES_MAX);

/// Bytes of the records of one tile at the most.
pub const RECORDS_BYTES_MAX: usize = 256 * (3 + ENTRY_BYTES_MAX);

/// Events that a scoped bundle discloses at the most: each is two files, and who needs more needs the whole log.
pub const DISCLOSED_MAX: u64 = 250_000;

const SEALS: &str = "seals/";
const EVENT: &str = "event/";
const PROOF: &str = ".tlog-proof";
const ENTRIES: &str = "tile/entries/";

/// `manifest.json` of a scoped bundle: everything that is in it, but itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopedManifest {
    /// [`SCOPED_FORMAT`].
    pub format: String,
    /// The log's name.
    pub origin: String,
    /// Number of entries of the log.
    pub size: u64,
    /// RFC 9162 root over them, hexadecimal.
    pub root: String,
    /// What was asked for.
    pub scope: Scope,
    /// The same in words.
    pub words: String,
    /// Events that are disclosed; seals are not among them.
    pub disclosed: u64,
    /// Every other file by its path, in order.
    pub files: BTreeMap<String, ManifestFile>,
}

/// Why records are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecordsError {
    /// They break off, hold an empty entry, or bytes follow.
    #[error("a record breaks off, or is empty")]
    Form,
    /// A position does not stand after the one before, or not in its tile.
    #[error("position {0} is not of its tile, or not after the one before")]
    Position(u8),
}

/// A file that a scoped bundle has and a whole one has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopedFile {
    /// Seals of the tile of this number.
    Seals(u64),
    /// An event.
    Event(Index),
    /// The proof of an event.
    Proof(Index),
}

impl ScopedFile {
    /// Its path.
    pub fn path(self) -> String {
        match self {
            Self::Seals(number) => {
                let tile = Tile::new(TileKind::Entries, number, TILE_WIDTH);
                let path = tile.map(|tile| tile.path()).unwrap_or_default();
                format!("{SEALS}{}", path.strip_prefix(ENTRIES).unwrap_or_default())
            }
            Self::Event(index) => format!("{EVENT}{index}"),
            Self::Proof(index) => format!("{EVENT}{index}{PROOF}"),
        }
    }

    /// Reads a path; takes only the form that [`ScopedFile::path`] writes.
    pub fn parse(path: &str) -> Option<Self> {
        let file = if let Some(number) = path.strip_prefix(SEALS) {
            Self::Seals(Tile::parse(&format!("{ENTRIES}{number}")).ok()?.index())
        } else {
            let name = path.strip_prefix(EVENT)?;
            match name.strip_suffix(PROOF) {
                Some(index) => Self::Proof(Index(index.parse().ok()?)),
                None => Self::Event(Index(name.parse().ok()?)),
            }
        };
        (file.path() == path).then_some(file)
    }
}

/// Appends a record; the caller gives positions in ascending order.
///
/// # Errors
/// [`RecordsError::Form`] for an entry that no record holds.
pub fn push_record(records: &mut Vec<u8>, position: u8, entry: &[u8]) -> Result<(), RecordsError> {
    let length = u16::try_from(entry.len()).ok().filter(|length| *length > 0);
    records.push(position);
    records.extend(length.ok_or(RecordsError::Form)?.to_be_bytes());
    records.extend(entry);
    Ok(())
}

/// Reads the records of a tile of this width, by position.
///
/// # Errors
/// [`RecordsError`].
pub fn records(bytes: &[u8], width: u16) -> Result<BTreeMap<u8, &[u8]>, RecordsError> {
    let mut found = BTreeMap::new();
    let mut rest = bytes;
    while let Some((position, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<2>().ok_or(RecordsError::Form)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(RecordsError::Form)?;
        if entry.is_empty() {
            return Err(RecordsError::Form);
        }
        let ascends = found.last_key_value().is_none_or(|(last, _)| last < position);
        if !ascends || u16::from(*position) >= width {
            return Err(RecordsError::Position(*position));
        }
        found.insert(*position, entry);
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
