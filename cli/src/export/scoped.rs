//! The scoped export: what the ledger discloses of a scope, each event with its proof, and of all else the hashes.
//!
//! The ledger chooses, and hands out nothing else; here proofs are made of the published hashes. One tile is held at a time, and the leaf
//! hashes of the batch that is open.
//!
//! Not here: whether the ledger chose rightly, which is the verifier's work as far as it can be told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exhibit_schemas::bundle::{CHECKPOINT_PATH, ManifestFile, TRUST_PATH, TrustAnchors};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::Checkpoint;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::{Index, NodeSource};
use exhibit_schemas::proof::EventProof;
use exhibit_schemas::reading::Question;
use exhibit_schemas::scoped::{
    DISCLOSED_MAX, DISCLOSED_PATH, SCOPED_FORMAT, Scope, ScopedFile, ScopedManifest, push_record, records,
};
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, SEAL_FIRST_BYTE};
use exhibit_schemas::tile::{TILE_WIDTH, Tile, TileKind, tiles};

use super::{begin, beside, finish, put, remove_strangers};
use crate::client::{Client, ClientError};
use crate::error::CliError;
use crate::output::Output;
use crate::reader::Reader;

const HASH_BYTES: usize = 32;

/// How often a question is asked again that had no answer in time, a minute each.
const AGAIN_MAX: usize = 30;

/// Tiles that are kept in mind to make proofs from: the right edges of all levels, and some beside them.
const TILES_MAX: usize = 64;

/// What was exported.
pub(crate) struct Exported {
    /// The head of the log.
    pub(crate) checkpoint: Checkpoint,
    /// Events that are disclosed.
    pub(crate) disclosed: u64,
}

/// Fetches what of the log as it is now is of a scope into `out`, as [`super::export`] does the whole of it.
///
/// # Errors
/// [`CliError`]; what was fetched stays in `OUT.part/` for the next try.
pub(crate) async fn export(
    client: &mut Client,
    reader: &Reader,
    trust: &TrustAnchors,
    scope: &Scope,
    out: &Path,
    output: &Output,
) -> Result<Exported, CliError> {
    let part = beside(out, ".part");
    let checkpoint = begin(client, trust, &part).await?;
    let size = checkpoint.size();
    let question = Question::Scoped(size, Box::new(scope.clone()));
    client.read(reader, &trust.log.origin, question).await?;
    let mut manifest = BTreeMap::new();
    put(&part, CHECKPOINT_PATH, checkpoint.note().as_bytes(), &mut manifest)?;
    put(&part, TRUST_PATH, trust.to_toml().as_bytes(), &mut manifest)?;
    let hashes = || tiles(size).filter(|tile| tile.kind() != TileKind::Entries);
    let width = u64::from(TILE_WIDTH);
    let steps = u64::try_from(hashes().count()).unwrap_or(0) + size.0.div_ceil(width);
    let bar = output.progress(steps, "exporting");
    for tile in hashes() {
        super::tile(client, &part, tile, &mut manifest).await?;
        bar.inc(1);
    }
    let mut writer = Writer {
        part: &part,
        checkpoint: &checkpoint,
        hashes: Hashes::new(&part, size.0),
        manifest,
        leaves: Vec::new(),
        waiting: Vec::new(),
        disclosed: 0,
    };
    for number in 0..size.0.div_ceil(width) {
        let bytes = disclosed(client, number).await?;
        writer.tile(number, &bytes)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Writer {
        manifest, disclosed, ..
    } = writer;
    remove_strangers(&part, &part, &manifest)?;
    let files = manifest;
    let manifest = ScopedManifest {
        format: SCOPED_FORMAT.to_owned(),
        origin: checkpoint.origin().as_str().to_owned(),
        size: size.0,
        root: checkpoint.root().to_string(),
        scope: scope.clone(),
        words: scope.to_string(),
        disclosed,
        files,
    };
    let bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest of strings and numbers is JSON");
    finish(&part, &bytes, &manifest.files, out)?;
    Ok(Exported { checkpoint, disclosed })
}

/// Fetches what is disclosed of a tile. Of the first one the ledger looks through its whole log, which may take longer than a question
/// may: it is asked again, and has gone on meanwhile.
async fn disclosed(client: &mut Client, number: u64) -> Result<hyper::body::Bytes, CliError> {
    let path = format!("{DISCLOSED_PATH}/{number}");
    for _ in 0..AGAIN_MAX {
        match client.fetch(&path).await {
            Err(ClientError::Timeout) => {}
            answer => return Ok(answer?),
        }
    }
    Ok(client.fetch(&path).await?)
}

/// Writes what is disclosed, tile by tile, and the proofs of a batch when its seal comes.
struct Writer<'a> {
    part: &'a Path,
    checkpoint: &'a Checkpoint,
    hashes: Hashes,
    manifest: BTreeMap<String, ManifestFile>,
    /// Leaf hashes of the events since the last seal.
    leaves: Vec<Digest>,
    /// Those of them that are disclosed, by their places in the batch.
    waiting: Vec<(Index, usize)>,
    disclosed: u64,
}

impl Writer<'_> {
    fn tile(&mut self, number: u64, bytes: &[u8]) -> Result<(), CliError> {
        let first = number.saturating_mul(u64::from(TILE_WIDTH));
        let rest = self.checkpoint.size().0.saturating_sub(first);
        let width = u16::try_from(rest.min(u64::from(TILE_WIDTH))).unwrap_or(TILE_WIDTH);
        let disclosed = records(bytes, width).map_err(|error| untrusted(&error))?;
        let mut seals = Vec::new();
        for (position, index) in (0..=u8::MAX).take(usize::from(width)).zip(first..) {
            let index = Index(index);
            match disclosed.get(&position) {
                Some(seal) if seal.first() == Some(&SEAL_FIRST_BYTE) => {
                    push_record(&mut seals, position, seal).map_err(|error| untrusted(&error))?;
                    self.seal(index, seal)?;
                }
                Some(event) => {
                    self.waiting.push((index, self.leaves.len()));
                    self.leaf(Digest::leaf(event))?;
                    self.disclosed += 1;
                    if self.disclosed > DISCLOSED_MAX {
                        return Err(CliError::Usage(format!(
                            "more than {DISCLOSED_MAX} events are of this scope; narrow it, or export the whole log"
                        )));
                    }
                    put(self.part, &ScopedFile::Event(index).path(), event, &mut self.manifest)?;
                }
                None => {
                    let leaf = self.hashes.node(0, index.0);
                    let missing = "a hash of the log is missing";
                    self.leaf(leaf.ok_or_else(|| CliError::Untrusted(missing.to_owned()))?)?;
                }
            }
        }
        if seals.is_empty() {
            return Ok(());
        }
        put(self.part, &ScopedFile::Seals(number).path(), &seals, &mut self.manifest)
    }

    fn leaf(&mut self, leaf: Digest) -> Result<(), CliError> {
        if self.leaves.len() >= BATCH_EVENTS_MAX {
            return Err(CliError::Untrusted("a batch without its seal".to_owned()));
        }
        self.leaves.push(leaf);
        Ok(())
    }

    /// Makes the proofs of the batch that a seal ends.
    fn seal(&mut self, index: Index, seal: &[u8]) -> Result<(), CliError> {
        let leaves = std::mem::take(&mut self.leaves);
        for (event, place) in std::mem::take(&mut self.waiting) {
            let place = u64::try_from(place).unwrap_or(u64::MAX);
            let seal = Bytes(seal.to_vec());
            let proof = EventProof::make(index, seal, &leaves, place, self.checkpoint, &self.hashes);
            let proof = proof.map_err(|error| untrusted(&error))?;
            let path = ScopedFile::Proof(event).path();
            put(self.part, &path, proof.to_text().as_bytes(), &mut self.manifest)?;
        }
        Ok(())
    }
}

fn untrusted(error: &impl std::fmt::Display) -> CliError {
    CliError::Untrusted(error.to_string())
}

/// The hashes of the log, from the tiles that were fetched.
struct Hashes {
    part: PathBuf,
    size: u64,
    read: RefCell<BTreeMap<(u8, u64), Vec<u8>>>,
}

impl Hashes {
    fn new(part: &Path, size: u64) -> Self {
        Self {
            part: part.to_owned(),
            size,
            read: RefCell::default(),
        }
    }

    /// The hash at a place of a level of tiles.
    fn at(&self, level: u8, place: u64) -> Option<Digest> {
        let (number, within) = (place / u64::from(TILE_WIDTH), place % u64::from(TILE_WIDTH));
        let mut read = self.read.borrow_mut();
        if !read.contains_key(&(level, number)) {
            let all = self.size.checked_shr(u32::from(level) * 8)?;
            let rest = all.checked_sub(number.checked_mul(u64::from(TILE_WIDTH))?)?;
            let width = u16::try_from(rest.min(u64::from(TILE_WIDTH))).ok()?;
            let tile = Tile::new(TileKind::Hashes(level), number, width)?;
            let bytes = std::fs::read(self.part.join(tile.path())).ok()?;
            // Those on the left are not needed again soon.
            while read.len() >= TILES_MAX {
                read.pop_first();
            }
            read.insert((level, number), bytes);
        }
        let bytes = read.get(&(level, number))?;
        let start = usize::try_from(within).ok()?.checked_mul(HASH_BYTES)?;
        Digest::try_from(bytes.get(start..start.checked_add(HASH_BYTES)?)?).ok()
    }
}

impl NodeSource for Hashes {
    fn node(&self, level: u8, index: u64) -> Option<Digest> {
        if level.is_multiple_of(8) {
            return self.at(level / 8, index);
        }
        // Between the levels of tiles: of both halves below, at most seven levels.
        let left = index.checked_mul(2)?;
        Some(Digest::node(
            self.node(level - 1, left)?,
            self.node(level - 1, left + 1)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::merkle::{Frontier, Index, TreeSize, inclusion_proof, verify_inclusion};
    use exhibit_schemas::tile::{TILE_WIDTH, TileKind, tiles};

    use super::Hashes;

    #[test]
    fn proofs_are_made_of_the_tiles_of_every_level() {
        let directory = tempfile::tempdir().unwrap();
        let (size, mut levels) = (65_800u64, vec![Vec::new(); 8]);
        let leaf = |index: u64| Digest::leaf(&index.to_be_bytes());
        let mut frontier = Frontier::default();
        for index in 0..size {
            frontier.append(leaf(index), |level, _, hash| {
                if level % 8 == 0 {
                    levels[usize::from(level / 8)].push(hash);
                }
            });
        }
        for tile in tiles(TreeSize(size)) {
            let TileKind::Hashes(level) = tile.kind() else { continue };
            let first = usize::try_from(tile.index()).unwrap() * usize::from(TILE_WIDTH);
            let hashes = &levels[usize::from(level)][first..first + usize::from(tile.width())];
            let path = directory.path().join(tile.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            crate::files::replace(&path, &bytes, crate::files::PUBLIC).unwrap();
        }
        let hashes = Hashes::new(directory.path(), size);
        for index in [0, 255, 256, 65_535, 65_536, 65_799] {
            let proof = inclusion_proof(Index(index), TreeSize(size), &hashes).unwrap();
            verify_inclusion(leaf(index), Index(index), TreeSize(size), &proof, frontier.root()).unwrap();
        }
    }
}
