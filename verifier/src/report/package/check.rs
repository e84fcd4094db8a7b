//! Whether a directory holds the report that a bundle gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use super::{MANIFEST, Manifest, Measured, PackageError};
use crate::plain::in_one_line;

/// Directories below each other that are looked through; a report has one.
const DEPTH_MAX: usize = 4;

/// Something in which a directory differs from the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The bundle gives a file, and the directory has none.
    Missing(String),
    /// The directory has a file, and the bundle gives none.
    Unknown(String),
    /// The file is not what the bundle gives.
    Changed(String),
    /// The file was not made again, and is not even the one that the manifest lists.
    Unlisted(String),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(formatter, "{} is missing", in_one_line(name)),
            Self::Unknown(name) => write!(formatter, "{} is no file of this report", in_one_line(name)),
            Self::Changed(name) => write!(formatter, "{} is not what the bundle gives", in_one_line(name)),
            Self::Unlisted(name) => write!(
                formatter,
                "{} is not the file that the manifest lists",
                in_one_line(name)
            ),
        }
    }
}

/// What a directory differs in from a report that was made again; nothing where it holds exactly that.
///
/// # Errors
/// [`PackageError::File`] where something cannot be read.
pub fn compare(directory: &Path, again: &Manifest) -> Result<Vec<Difference>, PackageError> {
    let mut found = BTreeMap::new();
    walk(directory, "", 0, &mut found)?;
    let files = again.files.iter();
    let mut wanted: BTreeMap<_, _> = files.map(|file| (file.name.clone(), file.sha256.clone())).collect();
    wanted.insert(MANIFEST.to_owned(), again.digest().to_string());
    let mut differences = BTreeSet::new();
    for (name, sha256) in &wanted {
        match found.get(name) {
            None => differences.insert(Difference::Missing(name.clone())),
            Some(other) if other != sha256 => differences.insert(Difference::Changed(name.clone())),
            Some(_) => false,
        };
    }
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        differences.insert(Difference::Unknown(name.clone()));
    }
    Ok(differences.into_iter().collect())
}

/// SHA-256 of every file below a directory, by path. What is no plain file is there under a digest that no file has.
fn walk(directory: &Path, at: &str, depth: usize, found: &mut BTreeMap<String, String>) -> Result<(), PackageError> {
    let path = directory.join(at);
    let failed = |error| PackageError::File {
        path: path.clone(),
        error,
    };
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = if at.is_empty() { name } else { format!("{at}/{name}") };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth < DEPTH_MAX {
            walk(directory, &name, depth + 1, found)?;
            continue;
        }
        let digest = if kind.is_file() {
            digest(&entry.path()).map_err(failed)?
        } else {
            String::new()
        };
        found.insert(name, digest);
    }
    Ok(())
}

fn digest(path: &Path) -> Result<String, std::io::Error> {
    let mut measured = Measured::nowhere();
    std::io::copy(&mut File::open(path)?, &mut measured)?;
    Ok(measured.sha256())
}
