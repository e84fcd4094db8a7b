//! The files of a bundle: exactly those that a log of its size has, each as the manifest states it.
//!
//! The size comes from the signed checkpoint. Where that is not accepted, it is read off the entry files, so that the rest
//! can still be checked and located; the bundle is refused all the same.
//!
//! Not here: what the entries and hashes say (`tree`, `batch`).

use exhibit_schemas::bundle::{BUNDLE_FORMAT, CHECKPOINT_PATH, MANIFEST_PATH, Manifest, TRUST_PATH, TrustAnchors};
use exhibit_schemas::checkpoint::{Checkpoint, NOTE_BYTES_MAX};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, LEVEL_MAX, TILE_WIDTH, Tile, TileKind, tiles};

use crate::archive::{Archive, ArchiveError};
use crate::finding::{Code, Findings, Place};

/// Bytes of a manifest at the most: some 150 to a file, for a million files and more.
const MANIFEST_BYTES_MAX: usize = 1 << 28;

/// Bytes of the trust anchors at the most: hundreds of administrators.
const TRUST_BYTES_MAX: usize = 1 << 16;

/// Missing files that are named; a log of which that many are missing needs no longer list.
const MISSING_MAX: usize = 1_000;

/// The head of the log, as far as it can be believed.
#[derive(Debug)]
pub(crate) struct Head {
    /// The signed head; `None` when it is not accepted.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Its size, or that of the entry files.
    pub(crate) size: TreeSize,
}

/// Checks everything about the files but their meaning.
pub(crate) fn check(
    archive: &Archive,
    anchors: &TrustAnchors,
    findings: &mut Findings,
    step: &mut dyn FnMut(u64),
) -> Result<Head, ArchiveError> {
    let checkpoint = read_checkpoint(archive, anchors, findings)?;
    let size = checkpoint
        .as_ref()
        .map_or_else(|| size_of_files(archive), Checkpoint::size);
    let head = Head { checkpoint, size };
    check_names(archive, size, findings);
    check_trust(archive, anchors, findings)?;
    check_manifest(archive, &head, findings, step)?;
    Ok(head)
}

fn file(path: &str) -> Place {
    Place::File(path.to_owned())
}

fn read_checkpoint(
    archive: &Archive,
    anchors: &TrustAnchors,
    findings: &mut Findings,
) -> Result<Option<Checkpoint>, ArchiveError> {
    let Some(bytes) = archive.read(CHECKPOINT_PATH, NOTE_BYTES_MAX)? else {
        return Ok(None); // missing or too long, which the other checks say
    };
    let verified = match String::from_utf8(bytes) {
        Ok(note) => Checkpoint::verify(&note, &anchors.log).map_err(|error| error.to_string()),
        Err(_) => Err("it is not text".to_owned()),
    };
    Ok(verified
        .inspect_err(|fault| findings.add(Code::CheckpointSignature, file(CHECKPOINT_PATH), fault.clone()))
        .ok())
}

/// The size that the entry files themselves have.
fn size_of_files(archive: &Archive) -> TreeSize {
    let entries = |path| {
        let tile = Tile::parse(path).ok().filter(|tile| tile.kind() == TileKind::Entries)?;
        tile.index()
            .checked_mul(u64::from(TILE_WIDTH))?
            .checked_add(u64::from(tile.width()))
    };
    TreeSize(archive.files().filter_map(|(path, _)| entries(path)).max().unwrap_or(0))
}

fn check_names(archive: &Archive, size: TreeSize, findings: &mut Findings) {
    for path in [CHECKPOINT_PATH, TRUST_PATH, MANIFEST_PATH] {
        if !archive.has(path) {
            findings.add(Code::FileMissing, file(path), "every bundle holds it");
        }
    }
    let missing = tiles(size).map(|tile| tile.path()).filter(|path| !archive.has(path));
    for path in missing.take(MISSING_MAX) {
        findings.add(
            Code::FileMissing,
            Place::File(path),
            format!("a log of {size} entries has it"),
        );
    }
    for (path, bytes) in archive.files() {
        match limit(path, size) {
            None => findings.add(
                Code::FileUnknown,
                file(path),
                format!("a log of {size} entries has no such file"),
            ),
            Some(limit) if usize::try_from(bytes).is_ok_and(|bytes| bytes <= limit) => {}
            Some(limit) => findings.add(
                Code::FileUnreadable,
                file(path),
                format!("it has {bytes} bytes; its kind has at most {limit}"),
            ),
        }
    }
}

/// Bytes that the file of this path may have; `None` where a bundle of this size has no such file.
fn limit(path: &str, size: TreeSize) -> Option<usize> {
    match path {
        CHECKPOINT_PATH => Some(NOTE_BYTES_MAX),
        TRUST_PATH => Some(TRUST_BYTES_MAX),
        MANIFEST_PATH => Some(MANIFEST_BYTES_MAX),
        _ => {
            let tile = Tile::parse(path).ok()?;
            let (level, limit) = match tile.kind() {
                TileKind::Entries => (0, BUNDLE_BYTES_MAX),
                TileKind::Hashes(level) => (level, usize::from(tile.width()) * 32),
            };
            (level <= LEVEL_MAX && Some(tile.width()) == width(level, tile.index(), size)).then_some(limit)
        }
    }
}

/// The width of the tile at this place in a log of this size; `None` where there is none.
pub(crate) fn width(level: u8, index: u64, size: TreeSize) -> Option<u16> {
    let hashes = size.0.checked_shr(u32::from(level) * 8).unwrap_or(0);
    let before = index.checked_mul(u64::from(TILE_WIDTH))?;
    let rest = hashes.checked_sub(before).filter(|rest| *rest > 0)?;
    u16::try_from(rest.min(u64::from(TILE_WIDTH))).ok()
}

fn check_trust(archive: &Archive, anchors: &TrustAnchors, findings: &mut Findings) -> Result<(), ArchiveError> {
    let Some(bytes) = archive.read(TRUST_PATH, TRUST_BYTES_MAX)? else {
        return Ok(());
    };
    if bytes != anchors.to_toml().as_bytes() {
        let detail = match std::str::from_utf8(&bytes).ok().map(TrustAnchors::parse) {
            Some(Ok(copy)) if copy == *anchors => "the same anchors, but not written in their one form",
            Some(Ok(_)) => "it names another log key, other administrators or other signatures under policies",
            _ => "it cannot be read",
        };
        findings.add(Code::TrustDiffers, file(TRUST_PATH), detail);
    }
    Ok(())
}

fn check_manifest(
    archive: &Archive,
    head: &Head,
    findings: &mut Findings,
    step: &mut dyn FnMut(u64),
) -> Result<(), ArchiveError> {
    let Some(bytes) = archive.read(MANIFEST_PATH, MANIFEST_BYTES_MAX)? else {
        return Ok(());
    };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
        findings.add(
            Code::ManifestFormat,
            file(MANIFEST_PATH),
            "it is not the JSON of a manifest",
        );
        return Ok(());
    };
    if !in_one_form(&manifest, &bytes) {
        findings.add(
            Code::ManifestFormat,
            file(MANIFEST_PATH),
            "it is not written in its one form",
        );
    }
    if manifest.format != BUNDLE_FORMAT {
        findings.add(
            Code::ManifestFormat,
            file(MANIFEST_PATH),
            format!("its format is not {BUNDLE_FORMAT}"),
        );
    }
    if let Some(checkpoint) = &head.checkpoint {
        let same = manifest.origin == checkpoint.origin().as_str()
            && manifest.size == checkpoint.size().0
            && manifest.root == checkpoint.root().to_string();
        if !same {
            findings.add(Code::ManifestHead, file(MANIFEST_PATH), "origin, size or root");
        }
    }
    // A file that must be there and is not was named before; here are those that only the manifest speaks of.
    for path in manifest.files.keys() {
        if !archive.has(path) && limit(path, head.size).is_none() {
            findings.add(
                Code::ManifestEntry,
                file(path),
                "the manifest lists it, and it is not there",
            );
        }
    }
    for (path, _) in archive.files() {
        check_file(archive, path, &manifest, head.size, findings)?;
        step(1);
    }
    Ok(())
}

fn check_file(
    archive: &Archive,
    path: &str,
    manifest: &Manifest,
    size: TreeSize,
    findings: &mut Findings,
) -> Result<(), ArchiveError> {
    let Some(stated) = manifest.files.get(path) else {
        if path != MANIFEST_PATH {
            findings.add(Code::ManifestEntry, file(path), "the manifest does not list it");
        }
        return Ok(());
    };
    // Files without a limit are unknown, and files past it are unreadable: both were named before.
    let Some(bytes) = limit(path, size)
        .map(|limit| archive.read(path, limit))
        .transpose()?
        .flatten()
    else {
        return Ok(());
    };
    if u64::try_from(bytes.len()) != Ok(stated.bytes) {
        let detail = format!("it has {} bytes, the manifest states {}", bytes.len(), stated.bytes);
        findings.add(Code::ManifestHash, file(path), detail);
    } else if Digest::of(&bytes).to_string() != stated.sha256 {
        findings.add(Code::ManifestHash, file(path), "its SHA-256 is another");
    }
    Ok(())
}

/// Nothing signs the manifest, so every byte of it must follow from its values: compact or indented JSON.
fn in_one_form(manifest: &Manifest, bytes: &[u8]) -> bool {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    serde_json::to_vec(manifest).is_ok_and(|form| form == bytes)
        || serde_json::to_vec_pretty(manifest).is_ok_and(|form| form == bytes)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::merkle::TreeSize;
    use exhibit_schemas::tile::tiles;

    use super::limit;

    #[test]
    fn the_files_of_a_log_are_its_tiles_and_no_others() {
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537] {
            for tile in tiles(TreeSize(size)) {
                assert!(limit(&tile.path(), TreeSize(size)).is_some(), "{size} {}", tile.path());
            }
        }
        for (size, path) in [
            (0, "tile/0/000.p/1"),
            (256, "tile/0/000.p/255"),
            (256, "tile/0/001.p/1"),
            (257, "tile/entries/001"),
            (255, "tile/1/000.p/1"),
            (256, "tile/63/000.p/1"),
            (256, "notes.txt"),
        ] {
            assert!(limit(path, TreeSize(size)).is_none(), "{size} {path}");
        }
    }
}
