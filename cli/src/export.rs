//! The export: the ledger's static files of one size, fetched, hashed and put in place as a bundle.
//!
//! Files are fetched into `OUT.part/` first, each whole or not at all, so an export that broke goes on where it was: full
//! tiles never change. `OUT` is there only when all of it is.
//!
//! Not here: whether the log is right, which is the verifier's work; only the head's signature is checked, so that an
//! export never stands for a size that nobody signed.

pub(crate) mod scoped;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use exhibit_schemas::bundle::{
    BUNDLE_FORMAT, CHECKPOINT_PATH, MANIFEST_PATH, Manifest, ManifestFile, TRUST_PATH, TrustAnchors,
};
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::reading::Question;
use exhibit_schemas::tile::{TILE_WIDTH, Tile, tiles};

use crate::client::Client;
use crate::error::CliError;
use crate::files::{self, PUBLIC, at};
use crate::output::Output;
use crate::reader::Reader;

/// Fetches the log as it is now into `out`: a directory, or one tar archive where the name ends in `.tar`.
///
/// # Errors
/// [`CliError`]; what was fetched stays in `OUT.part/` for the next try.
pub(crate) async fn export(
    client: &mut Client,
    reader: &Reader,
    trust: &TrustAnchors,
    out: &Path,
    output: &Output,
) -> Result<Checkpoint, CliError> {
    let part = beside(out, ".part");
    let checkpoint = begin(client, trust, &part).await?;
    // The event of this reading comes behind what is read, so the bundle is the log as it was signed, without it.
    let question = Question::Export(checkpoint.size());
    client.read(reader, &trust.log.origin, question).await?;
    let mut manifest = BTreeMap::new();
    put(&part, CHECKPOINT_PATH, checkpoint.note().as_bytes(), &mut manifest)?;
    put(&part, TRUST_PATH, trust.to_toml().as_bytes(), &mut manifest)?;
    let bar = output.progress(
        u64::try_from(tiles(checkpoint.size()).count()).unwrap_or(0),
        "exporting",
    );
    for tile in tiles(checkpoint.size()) {
        self::tile(client, &part, tile, &mut manifest).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    remove_strangers(&part, &part, &manifest)?;
    let manifest = Manifest {
        format: BUNDLE_FORMAT.to_owned(),
        origin: checkpoint.origin().as_str().to_owned(),
        size: checkpoint.size().0,
        root: checkpoint.root().to_string(),
        files: manifest,
    };
    let bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest of strings and numbers is JSON");
    finish(&part, &bytes, &manifest.files, out)?;
    Ok(checkpoint)
}

/// Makes the place of an export, and fetches the head of the log.
async fn begin(client: &mut Client, trust: &TrustAnchors, part: &Path) -> Result<Checkpoint, CliError> {
    directories(part)?;
    let note = client.fetch(&format!("/{CHECKPOINT_PATH}")).await?;
    std::str::from_utf8(&note)
        .map_err(|error| error.to_string())
        .and_then(|note| Checkpoint::verify(note, &trust.log).map_err(|error| error.to_string()))
        .map_err(CliError::Untrusted)
}

/// Fetches a tile, unless an earlier try has left it.
async fn tile(
    client: &mut Client,
    part: &Path,
    tile: Tile,
    manifest: &mut BTreeMap<String, ManifestFile>,
) -> Result<(), CliError> {
    let path = tile.path();
    let kept = part.join(&path);
    // Full tiles never change, and a file is there only when it is whole.
    let bytes = if tile.width() == TILE_WIDTH && kept.is_file() {
        std::fs::read(&kept).map_err(at(&kept))?
    } else {
        client.fetch(&format!("/{path}")).await?.to_vec()
    };
    put(part, &path, &bytes, manifest)
}

/// Writes the manifest, and puts the bundle in place.
fn finish(part: &Path, manifest: &[u8], files: &BTreeMap<String, ManifestFile>, out: &Path) -> Result<(), CliError> {
    files::replace(&part.join(MANIFEST_PATH), manifest, PUBLIC)?;
    if out.extension().is_some_and(|extension| extension == "tar") {
        pack(part, files, out)?;
        std::fs::remove_dir_all(part).map_err(at(part))?;
    } else {
        // The commit point of a directory.
        std::fs::rename(part, out).map_err(at(out))?;
    }
    Ok(())
}

/// Writes one file of the bundle, unless it is there already, and notes it in the manifest.
fn put(part: &Path, path: &str, bytes: &[u8], manifest: &mut BTreeMap<String, ManifestFile>) -> Result<(), CliError> {
    let place = part.join(path);
    if let Some(parent) = place.parent() {
        directories(parent)?;
    }
    let there = std::fs::metadata(&place).is_ok_and(|metadata| u64::try_from(bytes.len()) == Ok(metadata.len()));
    if !there || std::fs::read(&place).map_err(at(&place))? != bytes {
        files::replace(&place, bytes, PUBLIC)?;
    }
    let file = ManifestFile {
        bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        sha256: Digest::of(bytes).to_string(),
    };
    manifest.insert(path.to_owned(), file);
    Ok(())
}

/// Removes what an earlier try of another size left: its partial tiles are no part of this bundle.
fn remove_strangers(part: &Path, directory: &Path, manifest: &BTreeMap<String, ManifestFile>) -> Result<(), CliError> {
    for child in std::fs::read_dir(directory).map_err(at(directory))? {
        let child = child.map_err(at(directory))?.path();
        let name = child
            .strip_prefix(part)
            .unwrap_or(&child)
            .to_string_lossy()
            .into_owned();
        if child.is_dir() {
            remove_strangers(part, &child, manifest)?;
        } else if !manifest.contains_key(&name) {
            std::fs::remove_file(&child).map_err(at(&child))?;
        }
    }
    Ok(())
}

/// Packs the files of a bundle into one archive, put in place whole.
fn pack(part: &Path, files: &BTreeMap<String, ManifestFile>, out: &Path) -> Result<(), CliError> {
    let partial = beside(out, ".tmp");
    let file = std::fs::File::create(&partial).map_err(at(&partial))?;
    let mut archive = tar::Builder::new(file);
    archive.mode(tar::HeaderMode::Deterministic);
    for path in [MANIFEST_PATH].into_iter().chain(files.keys().map(String::as_str)) {
        let place = part.join(path);
        archive.append_path_with_name(&place, path).map_err(at(&place))?;
    }
    let file = archive.into_inner().map_err(at(&partial))?;
    file.sync_all().map_err(at(&partial))?;
    // The commit point of an archive.
    std::fs::rename(&partial, out).map_err(at(out))?;
    Ok(())
}

fn directories(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(path).map_err(at(path))?;
    Ok(())
}

fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(out.as_os_str());
    name.push(suffix);
    name.into()
}
