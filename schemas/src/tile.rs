//! Tiles: coordinates, paths and entry bundles (C2SP tlog-tiles).
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]         hashes of level 8*L, 256 to a full tile, W to a partial one
//! tile/entries/<N>[.p/<W>]     the entries under tile/0/<N>: each a big-endian u16 length and its bytes
//! <N>                          groups of three digits, all but the last with an x: 1234067 is x001/x234/067
//! ```
//!
//! Not here: hashing (in [`crate::merkle`]) and where tiles are kept.

use crate::merkle::TreeSize;
use crate::seal::ENTRY_BYTES_MAX;

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// The highest level that tlog-tiles knows.
pub const LEVEL_MAX: u8 = 63;

/// Bytes of an entry bundle at the most: 256 entries of the largest size, each with its length.
pub const BUNDLE_BYTES_MAX: usize = 256 * (ENTRY_BYTES_MAX + 2);

/// Why a path or a bundle is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TileError {
    /// The text is not the path of a tile.
    #[error("not the path of a tile: {rule}")]
    Path {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// A bundle breaks off or holds the wrong number of entries.
    #[error("entry bundle: {rule} (entry {position})")]
    Bundle {
        /// The rule that is broken.
        rule: &'static str,
        /// Entry at which it was found, counted from the start of the bundle.
        position: usize,
    },
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of this level, 0 to 63.
    Hashes(u8),
    /// Entries.
    Entries,
}

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    // Invariant: the level is at most LEVEL_MAX and the width 1 to 256.
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// Names a tile; `None` for a level or a width that does not exist.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let level_exists = !matches!(kind, TileKind::Hashes(level) if level > LEVEL_MAX);
        (level_exists && (1..=TILE_WIDTH).contains(&width)).then_some(Self { kind, index, width })
    }

    /// What it holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its place among the tiles of its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries in it, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Its path below the log's prefix.
    pub fn path(&self) -> String {
        let level = match self.kind {
            TileKind::Hashes(level) => level.to_string(),
            TileKind::Entries => "entries".to_owned(),
        };
        let mut number = format!("{:03}", self.index % 1_000);
        let mut rest = self.index / 1_000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1_000);
            rest /= 1_000;
        }
        let partial = if self.width == TILE_WIDTH {
            String::new()
        } else {
            format!(".p/{}", self.width)
        };
        format!("tile/{level}/{number}{partial}")
    }

    /// Reads a path; takes only the form that [`Tile::path`] writes.
    ///
    /// # Errors
    /// [`TileError::Path`].
    pub fn parse(path: &str) -> Result<Self, TileError> {
        let refuse = |rule| TileError::Path { rule };
        let rest = path.strip_prefix("tile/").ok_or(refuse("it begins with tile/"))?;
        let (level, rest) = rest.split_once('/').ok_or(refuse("a level is followed by a number"))?;
        let kind = match level {
            "entries" => TileKind::Entries,
            _ => TileKind::Hashes(level.parse().map_err(|_| refuse("a level is `entries` or 0 to 63"))?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| refuse("a width is 1 to 255"))?),
            None => (rest, TILE_WIDTH),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let index = digits.parse().map_err(|_| refuse("a number fits 64 bits"))?;
        let tile = Self::new(kind, index, width).ok_or(refuse("a level is 0 to 63 and a width 1 to 255"))?;
        // One form to a tile: whatever reads the same but is written in another way is refused here.
        if tile.path() == path {
            Ok(tile)
        } else {
            Err(refuse("it is not written in the one form of its tile"))
        }
    }
}

/// The tiles of a log of this size: entries first, then hashes level by level, each from left to right.
///
/// Full tiles, and the partial one at the right edge of each level.
pub fn tiles(size: TreeSize) -> impl Iterator<Item = Tile> {
    tiles_of(TileKind::Entries, size).chain(hash_tiles(size))
}

/// Those of them that hold hashes, in the same order.
pub fn hash_tiles(size: TreeSize) -> impl Iterator<Item = Tile> {
    (0..=7u8).flat_map(move |level| tiles_of(TileKind::Hashes(level), size))
}

fn tiles_of(kind: TileKind, size: TreeSize) -> impl Iterator<Item = Tile> {
    let shift = match kind {
        TileKind::Hashes(level) => u32::from(level) * 8,
        TileKind::Entries => 0,
    };
    let hashes = size.0 >> shift;
    let (full, rest) = (hashes / u64::from(TILE_WIDTH), hashes % u64::from(TILE_WIDTH));
    let rest = u16::try_from(rest).expect("a remainder of 256 fits 16 bits");
    let whole = (0..full).map(move |index| Tile {
        kind,
        index,
        width: TILE_WIDTH,
    });
    whole.chain((rest > 0).then_some(Tile {
        kind,
        index: full,
        width: rest,
    }))
}

/// Appends one entry to a bundle.
///
/// # Errors
/// [`TileError::Bundle`] for an entry that its length field cannot state.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let too_long = TileError::Bundle {
        rule: "an entry has at most 65,535 bytes",
        position: 0,
    };
    let length = u16::try_from(entry.len()).map_err(|_| too_long)?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

/// Splits a bundle into its entries; they must be exactly as many as the tile is wide.
///
/// # Errors
/// [`TileError::Bundle`] for one that breaks off, is empty, or holds more or fewer entries.
pub fn entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let found = split(bundle, usize::from(width))?;
    if found.len() == usize::from(width) {
        Ok(found)
    } else {
        Err(TileError::Bundle {
            rule: "it holds fewer entries than its width",
            position: found.len(),
        })
    }
}

/// Splits bytes written by [`push_entry`] into their entries, at most that many.
///
/// # Errors
/// [`TileError::Bundle`] for bytes that break off, an empty entry, or more entries.
pub fn split(bundle: &[u8], most: usize) -> Result<Vec<&[u8]>, TileError> {
    let mut found = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        let refuse = |rule| TileError::Bundle {
            rule,
            position: found.len(),
        };
        if found.len() == most {
            return Err(refuse("bytes follow the last entry"));
        }
        let (length, after) = rest
            .split_first_chunk::<2>()
            .ok_or(refuse("it breaks off in a length"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 {
            return Err(refuse("an entry is empty"));
        }
        let (entry, after) = after
            .split_at_checked(length)
            .ok_or(refuse("it breaks off in an entry"))?;
        found.push(entry);
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Tile, TileKind, entries, push_entry, tiles};
    use crate::merkle::TreeSize;

    fn check_path(kind: TileKind, index: u64, width: u16, path: &str) {
        let tile = Tile::new(kind, index, width).unwrap();
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::parse(path), Ok(tile));
    }

    #[test]
    fn paths_are_those_of_the_spec() {
        check_path(TileKind::Hashes(0), 1_234_067, 256, "tile/0/x001/x234/067");
        check_path(TileKind::Hashes(1), 0, 8, "tile/1/000.p/8");
        check_path(TileKind::Entries, 999, 1, "tile/entries/999.p/1");
        check_path(TileKind::Entries, 1_000, 255, "tile/entries/x001/000.p/255");
        check_path(
            TileKind::Hashes(63),
            u64::MAX,
            256,
            "tile/63/x018/x446/x744/x073/x709/x551/615",
        );
    }

    #[test]
    fn refuses_every_other_form() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/64/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000/",
            "tile/0/../000",
            "tile/0/+00",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(Tile::parse(path).is_err(), "{path}");
        }
        assert!(Tile::new(TileKind::Hashes(64), 0, 1).is_none());
        assert!(Tile::new(TileKind::Entries, 0, 0).is_none() && Tile::new(TileKind::Entries, 0, 257).is_none());
    }

    #[test]
    fn the_tiles_of_a_log_are_its_full_ones_and_the_right_edge() {
        let paths = |size| tiles(TreeSize(size)).map(|tile| tile.path()).collect::<Vec<_>>();
        assert_eq!(paths(0), Vec::<String>::new());
        assert_eq!(paths(256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        let edge = [
            "tile/entries/000",
            "tile/entries/001.p/1",
            "tile/0/000",
            "tile/0/001.p/1",
            "tile/1/000.p/1",
        ];
        assert_eq!(paths(257), edge);
        assert!(paths(65_536).ends_with(&["tile/1/000".to_owned(), "tile/2/000.p/1".to_owned()]));
    }

    #[test]
    fn bundles_round_trip_and_are_read_strictly() {
        let long = vec![7; 65_535];
        let wanted = [&b"a"[..], &long, b"bc"];
        let mut bundle = Vec::new();
        for entry in wanted {
            push_entry(&mut bundle, entry).unwrap();
        }
        assert_eq!(entries(&bundle, 3).unwrap(), wanted);
        assert!(entries(&bundle, 2).is_err() && entries(&bundle, 4).is_err());
        for length in [bundle.len() - 1, bundle.len() - 3, 1, 2] {
            assert!(entries(&bundle[..length], 3).is_err(), "{length}");
        }
        assert!(entries(&[0, 0], 1).is_err(), "an empty entry");
        assert!(push_entry(&mut bundle, &vec![0; 65_536]).is_err());
    }
}
