//! Mutants of files: bytes, whole files, and the manifest with them.

use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::tile::{Tile, TileKind};
use exhibit_tests::bundle_builder::clinic::{LOG, ORIGIN};
use exhibit_tests::bundle_builder::{checkpoint, state_manifest};
use exhibit_verify::Code;

use super::{Base, Expected, Head, Mutant, Random};

pub(crate) fn mutants(base: &Base, random: &mut Random) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for _ in 0..60 {
        mutants.push(flip(base, random, false));
        mutants.push(flip(base, random, true));
    }
    for _ in 0..15 {
        mutants.push(cut(base, random));
        mutants.push(missing(base, random));
        mutants.push(twice(base, random));
    }
    for path in [
        "notes.txt",
        "tile/2/000.p/1",
        "tile/0/009",
        "tile/entries/000.p/7",
        "../checkpoint",
        "Checkpoint",
    ] {
        mutants.push(unknown(base, path));
    }
    mutants
}

fn honest(base: &Base, class: &'static str, what: String) -> Mutant {
    base.entries(class, what, &base.built.entries, Head::Kept, Expected::default())
}

fn pick(mutant: &Mutant, random: &mut Random) -> String {
    let paths: Vec<&str> = mutant.files.keys().map(String::as_str).collect();
    random.pick(&paths).to_owned()
}

fn state(base: &Base, mutant: &mut Mutant) {
    let head = checkpoint(&base.built.entries, ORIGIN, LOG);
    let size = TreeSize(u64::try_from(base.built.entries.len()).expect("fits"));
    state_manifest(&mut mutant.files, ORIGIN, size, head.root());
}

/// One bit of any file; with `stated`, the manifest is made right for it.
fn flip(base: &Base, random: &mut Random, stated: bool) -> Mutant {
    let class = if stated { "flip-bit-and-manifest" } else { "flip-bit" };
    let mut mutant = honest(base, class, String::new());
    let mut path = pick(&mutant, random);
    while stated && path == "manifest.json" {
        path = pick(&mutant, random);
    }
    let bytes = mutant.files.get_mut(&path).expect("the path was picked from it");
    let place = random.below(bytes.len());
    bytes[place] ^= 1 << random.below(8);
    mutant.what = format!("{path} byte {place}");
    if stated {
        state(base, &mut mutant);
        mutant.expected = meant(&path, place, &base.built.entries);
    } else {
        mutant.expected = Expected::file(
            &[
                Code::ManifestHash,
                Code::ManifestFormat,
                Code::ManifestEntry,
                Code::ManifestHead,
            ],
            &path,
        );
        // A changed name in the manifest is found at the file that it no longer names.
        if path == "manifest.json" {
            mutant.expected = anywhere(&mutant);
        }
    }
    mutant
}

/// A flipped bit of the manifest may show at any file that it then states wrongly.
fn anywhere(mutant: &Mutant) -> Expected {
    let original: serde_json::Result<exhibit_schemas::bundle::Manifest> =
        serde_json::from_slice(&mutant.files["manifest.json"]);
    let Ok(manifest) = original else {
        return Expected::file(&[Code::ManifestFormat], "manifest.json");
    };
    let wrong = mutant.files.iter().find(|(path, bytes)| {
        *path != "manifest.json"
            && manifest.files.get(*path).is_none_or(|stated| {
                stated.bytes != u64::try_from(bytes.len()).expect("fits")
                    || stated.sha256 != exhibit_schemas::digest::Digest::of(bytes).to_string()
            })
    });
    match wrong {
        Some((path, _)) => Expected::file(&[Code::ManifestHash, Code::ManifestEntry], path),
        None => Expected::file(&[Code::ManifestFormat, Code::ManifestHead], "manifest.json"),
    }
}

/// What a changed byte of a file means, and where.
fn meant(path: &str, place: usize, entries: &[Vec<u8>]) -> Expected {
    match path {
        "checkpoint" => return Expected::file(&[Code::CheckpointSignature], path),
        "trust.toml" => return Expected::file(&[Code::TrustDiffers], path),
        _ => {}
    }
    let tile = Tile::parse(path).expect("all other files are tiles");
    let first = tile.index() * 256;
    match tile.kind() {
        TileKind::Hashes(0) => {
            let index = Index(first + u64::try_from(place / 32).expect("fits"));
            Expected::at(&[Code::TileHash], index, index)
        }
        TileKind::Hashes(_) => Expected::file(&[Code::TileHash], path),
        TileKind::Entries => {
            let mut index = first;
            let mut end = 0;
            for entry in entries.iter().skip(usize::try_from(first).expect("fits")) {
                end += 2 + entry.len();
                if place < end {
                    break;
                }
                index += 1;
            }
            // A changed length shifts what follows: the break may show at any later entry of the file.
            let mut expected = Expected::at(&[Code::TileHash, Code::EntryBundle], Index(index), Index(index));
            expected.file = Some(path.to_owned());
            if place + entries[usize::try_from(index).expect("fits")].len() + 2 < end + 2 {
                expected.entries = Some((index, first + 255));
            }
            expected
        }
    }
}

/// A file that breaks off, as the manifest states it.
fn cut(base: &Base, random: &mut Random) -> Mutant {
    let mut mutant = honest(base, "cut-file-and-manifest", String::new());
    let mut path = pick(&mutant, random);
    while path == "manifest.json" {
        path = pick(&mutant, random);
    }
    let bytes = mutant.files.get_mut(&path).expect("the path was picked from it");
    let length = random.below(bytes.len());
    bytes.truncate(length);
    mutant.what = format!("{path} to {length} bytes");
    state(base, &mut mutant);
    let codes = [
        Code::TileHash,
        Code::EntryBundle,
        Code::CheckpointSignature,
        Code::TrustDiffers,
    ];
    mutant.expected = Expected::file(&codes, &path);
    if let Some(tile) = Tile::parse(&path).ok().filter(|tile| tile.kind() == TileKind::Entries) {
        mutant.expected.entries = Some((tile.index() * 256, tile.index() * 256 + 255));
    }
    mutant
}

fn missing(base: &Base, random: &mut Random) -> Mutant {
    let mut mutant = honest(base, "missing-file", String::new());
    let path = pick(&mutant, random);
    mutant.files.remove(&path);
    if path != "manifest.json" && random.below(2) == 0 {
        state(base, &mut mutant);
    }
    mutant.expected = Expected::file(&[Code::FileMissing], &path);
    mutant.what = path;
    mutant
}

fn twice(base: &Base, random: &mut Random) -> Mutant {
    let mut mutant = honest(base, "file-twice", String::new());
    let path = pick(&mutant, random);
    let mut bytes = mutant.files[&path].clone();
    let place = random.below(bytes.len());
    bytes[place] ^= 1;
    mutant.again.insert(path.clone(), bytes);
    mutant.expected = Expected::file(&[Code::FileDuplicate], &path);
    mutant.what = path;
    mutant
}

fn unknown(base: &Base, path: &str) -> Mutant {
    let mut mutant = honest(base, "unknown-file", path.to_owned());
    // A path that leads out of the archive cannot be written by the archive's own writer, so it is named from within.
    let path = path.replace("../", "tile/");
    mutant.files.insert(path.clone(), b"more".to_vec());
    state(base, &mut mutant);
    mutant.expected = Expected::file(&[Code::FileUnknown], &path);
    mutant
}
