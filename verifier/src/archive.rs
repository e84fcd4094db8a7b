//! Where a bundle's bytes are: a directory, or one tar archive of the same paths.
//!
//! Opening makes an index of all paths (for a tar: the place of each file in it, from one pass over the headers), so that
//! a file can be read alone and nothing is unpacked. Only plain files count; links, special files and second files of one
//! name are findings.
//!
//! Not here: which files there must be (`files`), and what is in them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::finding::{Code, Findings, Place};

/// Files that a bundle may hold: 2^24 bundles of 256 entries are 4 thousand million events.
pub const FILES_MAX: usize = 1 << 25;

/// Directories below each other; the deepest path of a tile has ten.
const DEPTH_MAX: usize = 16;

/// Why a bundle cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Nothing is there, or it may not be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is no tar archive.
    #[error("{path} is neither a directory nor a tar archive: {error}")]
    NotTar {
        /// The path.
        path: PathBuf,
        /// What the reader says.
        error: std::io::Error,
    },
    /// More files than [`FILES_MAX`].
    #[error("{path} holds more than {FILES_MAX} files")]
    TooManyFiles {
        /// The path.
        path: PathBuf,
    },
}

/// A bundle that can be read file by file.
#[derive(Debug)]
pub struct Archive {
    place: PathBuf,
    tar: Option<File>,
    files: BTreeMap<String, Stored>,
    findings: Findings,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    offset: u64,
    bytes: u64,
}

impl Archive {
    /// Opens a directory or a tar archive; what belongs into no bundle becomes [`Archive::findings`].
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let read = |error| ArchiveError::Read {
            path: path.to_owned(),
            error,
        };
        let mut archive = Self {
            place: path.to_owned(),
            tar: None,
            files: BTreeMap::new(),
            findings: Findings::default(),
        };
        if std::fs::metadata(path).map_err(read)?.is_dir() {
            archive.walk(path, "", 0)?;
        } else {
            let file = File::open(path).map_err(read)?;
            archive.index(&file)?;
            archive.tar = Some(file);
        }
        Ok(archive)
    }

    /// Every path, in order, with its size in bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files.iter().map(|(path, stored)| (path.as_str(), stored.bytes))
    }

    /// What was found when it was opened: links, special files, second files of one name.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Whether there is such a file.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The bytes of a file; `None` when it is not there or longer than `limit`.
    ///
    /// # Errors
    /// [`ArchiveError::Read`].
    pub fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(stored) = self.files.get(path) else {
            return Ok(None);
        };
        let Some(length) = usize::try_from(stored.bytes).ok().filter(|length| *length <= limit) else {
            return Ok(None);
        };
        let failed = |error| ArchiveError::Read {
            path: self.place.join(path),
            error,
        };
        let mut bytes = Vec::with_capacity(length);
        if let Some(tar) = &self.tar {
            let mut tar = tar;
            tar.seek(SeekFrom::Start(stored.offset)).map_err(failed)?;
            tar.take(stored.bytes).read_to_end(&mut bytes).map_err(failed)?;
        } else {
            let file = File::open(self.place.join(path)).map_err(failed)?;
            file.take(stored.bytes).read_to_end(&mut bytes).map_err(failed)?;
        }
        Ok(Some(bytes))
    }

    fn walk(&mut self, directory: &Path, prefix: &str, depth: usize) -> Result<(), ArchiveError> {
        let failed = |error| ArchiveError::Read {
            path: directory.to_owned(),
            error,
        };
        let mut children = Vec::new();
        for child in std::fs::read_dir(directory).map_err(failed)? {
            let child = child.map_err(failed)?;
            let kind = child.file_type().map_err(failed)?;
            let name = child.file_name().to_string_lossy().into_owned();
            children.push((name, kind, child));
        }
        children.sort_by(|left, right| left.0.cmp(&right.0));
        for (name, kind, child) in children {
            let path = format!("{prefix}{name}");
            if kind.is_dir() && depth < DEPTH_MAX {
                self.walk(&child.path(), &format!("{path}/"), depth + 1)?;
            } else if kind.is_file() {
                let bytes = child.metadata().map_err(failed)?.len();
                self.add(path, Stored { offset: 0, bytes })?;
            } else {
                self.findings.add(
                    Code::FileLink,
                    Place::File(path),
                    "it is not a plain file; it was not read",
                );
            }
        }
        Ok(())
    }

    fn index(&mut self, file: &File) -> Result<(), ArchiveError> {
        let failed = |error| ArchiveError::NotTar {
            path: self.place.clone(),
            error,
        };
        let mut found = Vec::new();
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(failed)? {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if found.is_empty() => return Err(failed(error)),
                Err(error) => {
                    let detail = format!("the archive breaks off after {} files: {error}", found.len());
                    self.findings.add(Code::FileUnreadable, Place::Bundle, detail);
                    break;
                }
            };
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let stored = Stored {
                offset: entry.raw_file_position(),
                bytes: entry.size(),
            };
            found.push((path, entry.header().entry_type(), stored));
            if found.len() > FILES_MAX {
                return Err(ArchiveError::TooManyFiles {
                    path: self.place.clone(),
                });
            }
        }
        for (path, kind, stored) in found {
            if kind.is_file() {
                self.add(path, stored)?;
            } else if !kind.is_dir() {
                self.findings.add(
                    Code::FileLink,
                    Place::File(path),
                    "it is not a plain file; it was not read",
                );
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, stored: Stored) -> Result<(), ArchiveError> {
        if self.files.len() >= FILES_MAX {
            return Err(ArchiveError::TooManyFiles {
                path: self.place.clone(),
            });
        }
        match self.files.entry(path) {
            Entry::Vacant(vacant) => {
                vacant.insert(stored);
            }
            Entry::Occupied(occupied) => {
                let place = Place::File(occupied.key().clone());
                self.findings
                    .add(Code::FileDuplicate, place, "only the first of them was read");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Archive;
    use crate::finding::Code;

    fn tar(files: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(u64::try_from(bytes.len()).unwrap());
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        file.write_all(&builder.into_inner().unwrap()).unwrap();
        file
    }

    #[test]
    fn a_tar_is_read_by_place_and_second_files_are_found() {
        let file = tar(&[
            ("checkpoint", b"one"),
            ("tile/0/000", &[7; 1_000]),
            ("checkpoint", b"two"),
        ]);
        let archive = Archive::open(file.path()).unwrap();
        assert_eq!(archive.read("checkpoint", 10).unwrap().unwrap(), b"one");
        assert_eq!(archive.read("tile/0/000", 1_000).unwrap().unwrap(), [7; 1_000]);
        assert_eq!(archive.read("tile/0/000", 999).unwrap(), None, "one past the limit");
        assert_eq!(archive.read("other", 10).unwrap(), None);
        let codes: Vec<_> = archive.findings().list().iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::FileDuplicate]);
    }

    #[test]
    fn an_archive_that_breaks_off_is_read_as_far_as_it_goes() {
        let whole = std::fs::read(tar(&[("checkpoint", b"one"), ("tile/0/000", &[7; 1_000])]).path()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&whole[..1_100]).unwrap();
        let archive = Archive::open(file.path()).unwrap();
        assert_eq!(archive.read("checkpoint", 10).unwrap().unwrap(), b"one");
        let codes: Vec<_> = archive.findings().list().iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::FileUnreadable]);
    }

    #[test]
    fn links_are_found_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("tile")).unwrap();
        std::fs::File::create(path.join("tile/x"))
            .unwrap()
            .write_all(b"abc")
            .unwrap();
        std::os::unix::fs::symlink(path.join("tile/x"), path.join("checkpoint")).unwrap();
        let archive = Archive::open(path).unwrap();
        assert_eq!(archive.files().collect::<Vec<_>>(), [("tile/x", 3)]);
        let codes: Vec<_> = archive.findings().list().iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [Code::FileLink]);
    }

    #[test]
    fn other_files_are_no_archive() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[b'x'; 2_000]).unwrap();
        assert!(Archive::open(file.path()).is_err());
    }
}
