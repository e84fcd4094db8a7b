//! `tlog_tiles`, another implementation of C2SP tlog-tiles, against ours: paths, the tiles of a size, and checkpoints.
//!
//! Its paths carry the height of a tile before the level, and say `data` where ours say `entries`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::collections::BTreeSet;

use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::{Frontier, TreeSize};
use exhibit_schemas::tile::{Tile, TileKind, tiles};
use proptest::prelude::*;

/// Height of every tile of tlog-tiles: 256 hashes.
const HEIGHT: u8 = 8;

/// Our path as `tlog_tiles` writes it.
fn theirs(path: &str) -> String {
    let rest = path.strip_prefix("tile/").unwrap_or(path);
    let rest = rest
        .strip_prefix("entries/")
        .map_or_else(|| rest.to_owned(), |rest| format!("data/{rest}"));
    format!("tile/{HEIGHT}/{rest}")
}

fn same_verdict(path: &str) -> Result<(), TestCaseError> {
    let ours = Tile::parse(path);
    // At a width of 0 it panics, which is no verdict; ours refuses.
    if path.split_once(".p/").is_some_and(|(_, width)| width.parse() == Ok(0)) {
        prop_assert!(ours.is_err(), "{}", path);
        return Ok(());
    }
    let their = tlog_tiles::Tile::from_path(&theirs(path));
    prop_assert_eq!(ours.is_ok(), their.is_ok(), "{}", path);
    if let (Ok(ours), Ok(their)) = (ours, their) {
        let kind = if their.is_data() {
            TileKind::Entries
        } else {
            TileKind::Hashes(their.level())
        };
        prop_assert_eq!(ours.kind(), kind);
        prop_assert_eq!(ours.index(), their.level_index());
        prop_assert_eq!(u32::from(ours.width()), their.width());
    }
    Ok(())
}

fn kind() -> impl Strategy<Value = TileKind> {
    prop_oneof![Just(TileKind::Entries), (0..=63u8).prop_map(TileKind::Hashes)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn every_path_is_theirs(kind in kind(), index in 0..u64::MAX >> 8, shift in 0..56u32, width in 1..=256u16) {
        let tile = Tile::new(kind, index >> shift, width).unwrap();
        let (level, is_data) = match kind {
            TileKind::Entries => (0, true),
            TileKind::Hashes(level) => (level, false),
        };
        let their = tlog_tiles::Tile::new(HEIGHT, level, index >> shift, width.into(), is_data);
        prop_assert_eq!(theirs(&tile.path()), their.path());
        same_verdict(&tile.path())?;
    }

    #[test]
    fn near_paths_are_taken_or_refused_alike(
        level in "(entries|[0-9]|[0-5][0-9]|6[0-3])",
        number in "(x[0-9]{3}/){0,3}[0-9]{2,4}",
        partial in "(|\\.p/[0-9]{1,3}|\\.p/|\\.p)",
    ) {
        same_verdict(&format!("tile/{level}/{number}{partial}"))?;
    }

    #[test]
    fn the_tiles_of_a_size_are_theirs(size in 0..300_000u64) {
        let ours: BTreeSet<_> = tiles(TreeSize(size))
            .filter(|tile| tile.kind() != TileKind::Entries)
            .map(|tile| theirs(&tile.path()))
            .collect();
        let their: BTreeSet<_> = tlog_tiles::Tile::new_tiles(HEIGHT, 0, size)
            .iter()
            .map(tlog_tiles::Tile::path)
            .collect();
        prop_assert_eq!(ours, their);
    }

    #[test]
    fn our_checkpoints_read_as_theirs(entries in proptest::collection::vec(any::<u8>(), 0..50)) {
        let (mut frontier, mut stored) = (Frontier::default(), Stored::default());
        for (number, entry) in (0..).zip(&entries) {
            frontier.append(Digest::leaf(&[*entry]), |_, _, _| {});
            let hashes = tlog_tiles::stored_hashes(number, &[*entry], &stored).unwrap();
            stored.0.extend(hashes);
        }
        let signer = SecretKey::from_seed(&[2; 32]);
        let origin = Origin::new("exhibit.example/oracle").unwrap();
        let signed = Checkpoint::sign(origin.clone(), frontier.size(), frontier.root(), &signer).unwrap();
        let (text, _) = signed.note().split_once("\n\n").unwrap();
        let text = format!("{text}\n");
        let their = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        prop_assert_eq!(their.origin(), origin.as_str());
        prop_assert_eq!(their.size(), signed.size().0);
        prop_assert_eq!(their.hash().0, signed.root().0);
        prop_assert_eq!(their.extension(), "");
        prop_assert_eq!(their.to_bytes(), text.as_bytes());
        if !entries.is_empty() {
            let root = tlog_tiles::tree_hash(signed.size().0, &stored).unwrap();
            prop_assert_eq!(root.0, signed.root().0);
        }
        let key = VerifierKey { origin, key: signer.public_key() };
        prop_assert!(Checkpoint::verify(signed.note(), &key).is_ok());
    }
}

/// The hashes of a tree as `tlog_tiles` numbers them.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let hash = |index: &u64| self.0.get(usize::try_from(*index).ok()?).copied();
        Ok(indexes
            .iter()
            .map(|index| hash(index).expect("a stored hash"))
            .collect())
    }
}
