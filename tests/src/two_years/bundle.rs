//! The bundle: every file of the log's size that the ledger would answer with, whom to trust, and the manifest.

use std::path::Path;

use exhibit_schemas::bundle::{BUNDLE_FORMAT, CHECKPOINT_PATH, MANIFEST_PATH, Manifest, ManifestFile, TRUST_PATH};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::tile::tiles;

use super::log::{Log, said};
use super::{ADMINISTRATORS, Counts, LOG, ORIGIN};
use crate::HarnessError;
use crate::bundle_builder::anchors;

/// Ends the ledger and leaves its bundle.
pub(super) fn write(mut log: Log, directory: &Path) -> Result<Counts, HarnessError> {
    log.answered(0)?;
    let Log { ledger, counts, .. } = log;
    let head = ledger.shared().head();
    if head.size().0 != counts.entries {
        return Err(said(format!(
            "the ledger has {} entries, not {}",
            head.size(),
            counts.entries
        )));
    }
    let trust = anchors(ORIGIN, LOG, &ADMINISTRATORS).to_toml();
    crate::write(&directory.join("trust.toml"), trust.as_bytes())?;
    let mut manifest = Manifest {
        format: BUNDLE_FORMAT.into(),
        origin: ORIGIN.into(),
        size: head.size().0,
        root: head.root().to_string(),
        files: [].into(),
    };
    let bundle = directory.join("bundle");
    let mut put = |path: &str, bytes: &[u8]| {
        let place = bundle.join(path);
        std::fs::create_dir_all(place.parent().unwrap_or(&place))?;
        let file = ManifestFile {
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: Digest::of(bytes).to_string(),
        };
        manifest.files.insert(path.to_owned(), file);
        crate::write(&place, bytes)
    };
    put(CHECKPOINT_PATH, head.note().as_bytes())?;
    put(TRUST_PATH, trust.as_bytes())?;
    for tile in tiles(head.size()) {
        let bytes = ledger.tile(tile).map_err(said)?;
        put(&tile.path(), &bytes.ok_or_else(|| said("the ledger lacks a tile"))?)?;
    }
    let json = serde_json::to_vec_pretty(&manifest).map_err(said)?;
    crate::write(&bundle.join(MANIFEST_PATH), &json)?;
    ledger.shutdown();
    Ok(counts)
}
