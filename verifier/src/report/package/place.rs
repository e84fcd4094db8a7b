//! Where the files of a report are written: beside the report that may be there, and then in its place; or nowhere.
//!
//! Each file is complete and on the disk before the first takes its place. The manifest of an earlier report is removed before
//! anything else is, and the new one comes last: whatever a crash leaves has no manifest that fits, or is whole.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::feeds::{FHIR, OCSF};
use super::{CATALOG, FileEntry, JSON, MANIFEST, Manifest, PAGE, PDF, PackageError, RESULTS, WORKBOOK};
use crate::report::table::Table;

/// The directory of what is not in its place yet.
const PARTIAL: &str = ".partial";

/// Where files go.
pub(super) struct Place(Option<PathBuf>);

/// What a file's bytes go through: counted, hashed, and written where they are to be kept.
pub(super) struct Measured {
    file: Option<BufWriter<File>>,
    hash: Sha256,
    bytes: u64,
}

impl Place {
    pub(super) fn begin(directory: Option<&Path>) -> Result<Self, PackageError> {
        let Some(directory) = directory else {
            return Ok(Self(None));
        };
        std::fs::create_dir_all(directory).map_err(failed(directory))?;
        refuse_links(directory)?;
        for entry in std::fs::read_dir(directory).map_err(failed(directory))? {
            let entry = entry.map_err(failed(directory))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_ours(&name) {
                return Err(PackageError::Occupied {
                    path: directory.to_owned(),
                    file: name,
                });
            }
        }
        let partial = directory.join(PARTIAL);
        if partial.exists() {
            std::fs::remove_dir_all(&partial).map_err(failed(&partial))?;
        }
        let tables = partial.join("tables");
        std::fs::create_dir_all(&tables).map_err(failed(&tables))?;
        // Not before: what is dropped removes what stands at `.partial`, which may have been somebody else's.
        Ok(Self(Some(directory.to_owned())))
    }

    fn partial(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|directory| directory.join(PARTIAL).join(name))
    }

    /// Where files may stand while the report is made: beside it, or where the system has such files.
    pub(super) fn scratch(&self) -> PathBuf {
        self.partial("").unwrap_or_else(std::env::temp_dir)
    }

    pub(super) fn create(&self, name: &str) -> Result<Measured, PackageError> {
        let file = match self.partial(name) {
            Some(path) => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(failed(parent))?;
                }
                Some(BufWriter::new(File::create(&path).map_err(failed(&path))?))
            }
            None => None,
        };
        Ok(Measured {
            file,
            ..Measured::nowhere()
        })
    }

    pub(super) fn discard(&self, name: &str) -> Result<(), PackageError> {
        match self.partial(name) {
            Some(path) => std::fs::remove_file(&path).map_err(failed(&path)),
            None => Ok(()),
        }
    }

    /// Puts everything in its place.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<(), PackageError> {
        let Some(directory) = &self.0 else { return Ok(()) };
        let mut file = self.create(MANIFEST)?;
        let bytes = manifest.json();
        file.write_all(bytes.as_bytes())
            .map_err(failed(&directory.join(MANIFEST)))?;
        file.finish(MANIFEST, None)?;
        refuse_links(directory)?;
        for name in std::iter::once(MANIFEST.to_owned()).chain(every_file()) {
            let path = directory.join(name);
            if path.exists() {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            }
        }
        let names = manifest.files.iter().map(|file| file.name.as_str());
        for name in names.chain([MANIFEST]) {
            let path = directory.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(failed(parent))?;
            }
            let partial = directory.join(PARTIAL).join(name);
            std::fs::rename(&partial, &path).map_err(failed(&path))?;
        }
        // The new names are on the disk, too.
        let parents = manifest.files.iter().filter_map(|file| Path::new(&file.name).parent());
        for parent in std::iter::once(Path::new("")).chain(parents) {
            let path = directory.join(parent);
            File::open(&path)
                .and_then(|directory| directory.sync_all())
                .map_err(failed(&path))?;
        }
        Ok(())
    }
}

/// Every file that a report may have.
fn every_file() -> impl Iterator<Item = String> {
    let others = [PAGE, PDF, JSON, WORKBOOK, RESULTS, CATALOG, FHIR, OCSF].map(str::to_owned);
    others.into_iter().chain(Table::ALL.iter().map(|table| table.path()))
}

/// Whether something in the directory is of a report, whole or not.
fn is_ours(name: &str) -> bool {
    let first = |path: String| path.split('/').next() == Some(name);
    name == PARTIAL || name == MANIFEST || every_file().any(first)
}

/// What a link leads to is not the report's to replace.
fn refuse_links(directory: &Path) -> Result<(), PackageError> {
    for entry in std::fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        if entry.file_type().map_err(failed(directory))?.is_symlink() {
            return Err(PackageError::Occupied {
                path: directory.to_owned(),
                file: entry.file_name().to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}

/// What is not in its place when the making ends is of a log of which nothing may be known.
impl Drop for Place {
    fn drop(&mut self) {
        if let Some(partial) = self.partial("") {
            // Nobody is left to tell; the next report removes it first.
            let _ = std::fs::remove_dir_all(partial);
        }
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> PackageError + use<'_> {
    move |error| PackageError::File {
        path: path.to_owned(),
        error,
    }
}

impl Measured {
    /// Keeps nothing but the digest.
    pub(super) fn nowhere() -> Self {
        Self {
            file: None,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    pub(super) fn sha256(self) -> String {
        hex::encode(self.hash.finalize())
    }

    /// The file is complete, and on the disk where it is kept.
    pub(super) fn finish(self, name: &str, rows: Option<u64>) -> Result<FileEntry, PackageError> {
        if let Some(file) = self.file {
            let path = Path::new(name);
            let file = file.into_inner().map_err(|error| failed(path)(error.into_error()))?;
            file.sync_all().map_err(failed(path))?;
        }
        Ok(FileEntry {
            name: name.to_owned(),
            bytes: self.bytes,
            sha256: hex::encode(self.hash.finalize()),
            rows,
        })
    }

    /// Takes a whole file over.
    pub(super) fn copy(&mut self, mut from: File) -> Result<(), std::io::Error> {
        from.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut from, self)?;
        Ok(())
    }
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, std::io::Error> {
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
        }
        self.hash.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), std::io::Error> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}
