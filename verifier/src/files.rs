//! The files of a bundle: exactly those that a log of its size has, each as the manifest states it.
//!
//! The size comes from the signed checkpoint. Where that is not accepted, it is read off the entry files, so that the rest
//! can still be checked and located; the bundle is refused all the same.
//!
//! A scoped bundle says so in its manifest, and has the files of its own format: every hash of the log, and of the entries the seals
//! and what it discloses. What says that it is whole has to be.
//!
//! Not here: what the entries and hashes say (`tree`, `batch`).

use exhibit_schemas::bundle::{BUNDLE_FORMAT, CHECKPOINT_PATH, MANIFEST_PATH, Manifest, TRUST_PATH, TrustAnchors};
use exhibit_schemas::checkpoint::{Checkpoint, NOTE_BYTES_MAX};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Index, TreeSize};
use exhibit_schemas::proof::PROOF_BYTES_MAX;
use exhibit_schemas::scoped::{SCOPED_FORMAT, SEALS_BYTES_MAX, Scope, ScopedFile, ScopedManifest};
use exhibit_schemas::seal::ENTRY_BYTES_MAX;
use exhibit_schemas::tile::{BUNDLE_BYTES_MAX, LEVEL_MAX, TILE_WIDTH, Tile, TileKind, hash_tiles, tiles};

use crate::archive::{Archive, ArchiveError};
use crate::finding::{Code, Findings, Place};

/// Bytes of a manifest at the most: some 150 to a file, for a million files and more.
const MANIFEST_BYTES_MAX: usize = 1 << 28;

/// Bytes of the trust anchors at the most: hundreds of administrators.
const TRUST_BYTES_MAX: usize = 1 << 16;

/// Missing files that are named; a log of which that many are missing needs no longer list.
const MISSING_MAX: usize = 1_000;

/// Which format the files are in.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// Every entry is there.
    Whole,
    /// What a scope discloses is; what it states, where its manifest can be read.
    Scoped(Option<Stated>),
}

/// What the manifest of a scoped bundle states.
#[derive(Clone, Debug)]
pub(crate) struct Stated {
    /// What was asked for.
    pub(crate) scope: Scope,
    /// How many events are disclosed.
    pub(crate) disclosed: u64,
}

impl Layout {
    /// Whether it is that of a scoped bundle.
    pub(crate) const fn is_scoped(&self) -> bool {
        matches!(self, Self::Scoped(_))
    }
}

/// The head of the log, as far as it can be believed.
#[derive(Debug)]
pub(crate) struct Head {
    /// The signed head; `None` when it is not accepted.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Its size, or that of the entry files.
    pub(crate) size: TreeSize,
    /// The format of the bundle.
    pub(crate) layout: Layout,
}

/// What of a manifest says its format.
#[derive(serde::Deserialize)]
struct Format {
    format: String,
}

/// The format that the manifest states; one that cannot be read is held to that of a whole bundle.
pub(crate) fn layout(archive: &Archive) -> Result<Layout, ArchiveError> {
    let Some(bytes) = archive.read(MANIFEST_PATH, MANIFEST_BYTES_MAX)? else {
        return Ok(Layout::Whole);
    };
    let stated = serde_json::from_slice::<Format>(&bytes);
    if !stated.is_ok_and(|stated| stated.format == SCOPED_FORMAT) {
        return Ok(Layout::Whole);
    }
    let manifest = serde_json::from_slice::<ScopedManifest>(&bytes).ok();
    Ok(Layout::Scoped(manifest.map(|manifest| Stated {
        scope: manifest.scope,
        disclosed: manifest.disclosed,
    })))
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
    let layout = layout(archive)?;
    let head = Head {
        checkpoint,
        size,
        layout,
    };
    check_names(archive, &head, findings);
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
        let leaves = |tile: &Tile| matches!(tile.kind(), TileKind::Entries | TileKind::Hashes(0));
        let tile = Tile::parse(path).ok().filter(leaves)?;
        tile.index()
            .checked_mul(u64::from(TILE_WIDTH))?
            .checked_add(u64::from(tile.width()))
    };
    TreeSize(archive.files().filter_map(|(path, _)| entries(path)).max().unwrap_or(0))
}

fn check_names(archive: &Archive, head: &Head, findings: &mut Findings) {
    let (size, scoped) = (head.size, head.layout.is_scoped());
    for path in [CHECKPOINT_PATH, TRUST_PATH, MANIFEST_PATH] {
        if !archive.has(path) {
            findings.add(Code::FileMissing, file(path), "every bundle holds it");
        }
    }
    // Without a signed head the size is what a file's name says: what is looked through ends with the first ones that are missing, so
    // none may be passed over.
    let entries = (!scoped).then(|| tiles(size)).into_iter().flatten();
    let hashes = scoped.then(|| hash_tiles(size)).into_iter().flatten();
    let missing = entries
        .chain(hashes)
        .map(|tile| tile.path())
        .filter(|path| !archive.has(path));
    for path in missing.take(MISSING_MAX) {
        findings.add(
            Code::FileMissing,
            Place::File(path),
            format!("a log of {size} entries has it"),
        );
    }
    for (path, bytes) in archive.files() {
        let pair = match ScopedFile::parse(path).filter(|_| scoped) {
            Some(ScopedFile::Event(index)) => Some(ScopedFile::Proof(index)),
            Some(ScopedFile::Proof(index)) => Some(ScopedFile::Event(index)),
            _ => None,
        };
        if let Some(pair) = pair.map(ScopedFile::path).filter(|pair| !archive.has(pair)) {
            findings.add(Code::ScopeFile, file(path), format!("{pair} is not there"));
        }
        match limit(path, size, scoped) {
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
fn limit(path: &str, size: TreeSize, scoped: bool) -> Option<usize> {
    if let Some(file) = ScopedFile::parse(path).filter(|_| scoped) {
        let (index, limit) = match file {
            ScopedFile::Seals(number) => (number.checked_mul(u64::from(TILE_WIDTH))?, SEALS_BYTES_MAX),
            ScopedFile::Event(Index(index)) => (index, ENTRY_BYTES_MAX),
            ScopedFile::Proof(Index(index)) => (index, PROOF_BYTES_MAX),
        };
        return (index < size.0).then_some(limit);
    }
    match path {
        CHECKPOINT_PATH => Some(NOTE_BYTES_MAX),
        TRUST_PATH => Some(TRUST_BYTES_MAX),
        MANIFEST_PATH => Some(MANIFEST_BYTES_MAX),
        _ => {
            let tile = Tile::parse(path).ok()?;
            let (level, limit) = match tile.kind() {
                TileKind::Entries if scoped => return None,
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
    let scoped = head.layout.is_scoped();
    let read = if scoped {
        read_scoped_manifest(&bytes)
    } else {
        let manifest = serde_json::from_slice::<Manifest>(&bytes);
        manifest.ok().map(|manifest| (in_one_form(&manifest, &bytes), manifest))
    };
    let Some((in_one_form, manifest)) = read else {
        findings.add(
            Code::ManifestFormat,
            file(MANIFEST_PATH),
            "it is not the JSON of a manifest",
        );
        return Ok(());
    };
    if !in_one_form {
        findings.add(
            Code::ManifestFormat,
            file(MANIFEST_PATH),
            "it is not written in its one form",
        );
    }
    if !scoped && manifest.format != BUNDLE_FORMAT {
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
        let may_be = limit(path, head.size, scoped).is_some() && ScopedFile::parse(path).is_none();
        if !archive.has(path) && !may_be {
            findings.add(
                Code::ManifestEntry,
                file(path),
                "the manifest lists it, and it is not there",
            );
        }
    }
    for (path, _) in archive.files() {
        check_file(archive, path, &manifest, head, findings)?;
        step(1);
    }
    Ok(())
}

fn check_file(
    archive: &Archive,
    path: &str,
    manifest: &Manifest,
    head: &Head,
    findings: &mut Findings,
) -> Result<(), ArchiveError> {
    let Some(stated) = manifest.files.get(path) else {
        if path != MANIFEST_PATH {
            findings.add(Code::ManifestEntry, file(path), "the manifest does not list it");
        }
        return Ok(());
    };
    // Files without a limit are unknown, and files past it are unreadable: both were named before.
    let Some(bytes) = limit(path, head.size, head.layout.is_scoped())
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

/// The manifest of a scoped bundle as far as it is that of any other, and whether it is in its one form.
fn read_scoped_manifest(bytes: &[u8]) -> Option<(bool, Manifest)> {
    let scoped = serde_json::from_slice::<ScopedManifest>(bytes).ok()?;
    let one = in_one_form(&scoped, bytes) && scoped.words == scoped.scope.to_string();
    let ScopedManifest {
        format,
        origin,
        size,
        root,
        files,
        ..
    } = scoped;
    let manifest = Manifest {
        format,
        origin,
        size,
        root,
        files,
    };
    Some((one, manifest))
}

/// Nothing signs the manifest, so every byte of it must follow from its values: compact or indented JSON.
fn in_one_form(manifest: &impl serde::Serialize, bytes: &[u8]) -> bool {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let (mut compact, mut indented) = (Wanted(bytes), Wanted(bytes));
    serde_json::to_writer(&mut compact, manifest).is_ok_and(|()| compact.0.is_empty())
        || serde_json::to_writer_pretty(&mut indented, manifest).is_ok_and(|()| indented.0.is_empty())
}

/// What has still to be written for two texts to be the same; neither of them stands in memory once more for that.
struct Wanted<'a>(&'a [u8]);

impl std::io::Write for Wanted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let rest = self.0.strip_prefix(bytes);
        self.0 = rest.ok_or_else(|| std::io::Error::other("another text"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::merkle::TreeSize;
    use exhibit_schemas::tile::{TileKind, tiles};

    use super::{in_one_form, limit};

    #[test]
    fn json_is_in_one_form_compact_or_indented_and_in_no_other() {
        let value = serde_json::json!({ "a": [1, "b"], "c": null });
        let (compact, indented) = (serde_json::to_vec(&value), serde_json::to_vec_pretty(&value));
        for form in [compact.unwrap(), indented.unwrap()] {
            assert!(in_one_form(&value, &form));
            assert!(in_one_form(&value, &[&form[..], b"\n"].concat()));
            for other in [
                &form[1..],
                &form[..form.len() - 1],
                &[&form[..], b" "].concat()[..],
                b"",
                b"\n",
            ] {
                assert!(!in_one_form(&value, other), "{:?}", str::from_utf8(other));
            }
        }
    }

    #[test]
    fn the_files_of_a_log_are_its_tiles_and_no_others() {
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_537] {
            for tile in tiles(TreeSize(size)) {
                assert!(
                    limit(&tile.path(), TreeSize(size), false).is_some(),
                    "{size} {}",
                    tile.path()
                );
                let entries = tile.kind() == TileKind::Entries;
                assert_eq!(
                    limit(&tile.path(), TreeSize(size), true).is_none(),
                    entries,
                    "{size} {}",
                    tile.path()
                );
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
            assert!(limit(path, TreeSize(size), false).is_none(), "{size} {path}");
        }
        for (path, scoped) in [("event/255", true), ("event/255.tlog-proof", true), ("seals/000", true)] {
            assert_eq!(limit(path, TreeSize(256), true).is_some(), scoped, "{path}");
            assert!(limit(path, TreeSize(256), false).is_none(), "{path}");
        }
        for path in [
            "event/256",
            "event/256.tlog-proof",
            "seals/001",
            "event/0255",
            "tile/entries/000",
        ] {
            assert!(limit(path, TreeSize(256), true).is_none(), "{path}");
        }
    }
}
