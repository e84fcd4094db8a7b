//! `exhibit.toml`, read once and refused whole: an error names the file, the line and the nearest right spelling.
//!
//! Each program gives the type of the file that it reads ([`File::parse`]); a fault that types cannot show is refused at
//! the line of its place ([`File::refuse`]).

mod spelling;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// Bytes of a configuration at the most; a thousand listeners are less.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is too long.
    #[error("{} has {bytes} bytes; a configuration has at most {FILE_BYTES_MAX}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// Something in it is wrong, unknown or missing.
    #[error("{}, line {line}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A section that the program needs is missing.
    #[error("{} has no [{section}] section", path.display())]
    Section {
        /// The file.
        path: PathBuf,
        /// The section.
        section: &'static str,
    },
}

/// A step on the way to a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the value of a key.
    Key(&'static str),
    /// Into an element of an array, from 0.
    Element(usize),
}

/// The text of a configuration, and where it stands.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    text: String,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigurationError`] when it cannot be read, is too long, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let bytes = std::fs::read(path).map_err(|error| ConfigurationError::File {
            path: path.to_owned(),
            error,
        })?;
        let path = path.to_owned();
        if bytes.len() > FILE_BYTES_MAX {
            let bytes = bytes.len();
            return Err(ConfigurationError::TooLong { path, bytes });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let lines = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n');
                Err(ConfigurationError::Refused {
                    line: lines.count() + 1,
                    path,
                    reason: "it is not UTF-8 text".to_owned(),
                })
            }
        }
    }

    /// A text that was read from a file before.
    pub fn of(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that the paths in it are relative to.
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// [`ConfigurationError::Refused`] for the first thing that is wrong.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigurationError> {
        toml::from_str(&self.text).map_err(|error| {
            let reason = match spelling::nearest(error.message()) {
                Some(name) => format!("{}; did you mean `{name}`?", error.message()),
                None => error.message().to_owned(),
            };
            self.refused(error.span().map_or(0, |span| span.start), reason)
        })
    }

    /// Refuses what stands at a place, at the line of its deepest part that is there.
    pub fn refuse(&self, place: &[Step], reason: impl Display) -> ConfigurationError {
        self.refused(self.start(place).unwrap_or(0), reason.to_string())
    }

    /// The line, from 1, of the deepest part of a place that is there.
    pub fn line(&self, place: &[Step]) -> usize {
        self.line_at(self.start(place).unwrap_or(0))
    }

    /// Refuses the file for want of a section.
    pub fn missing(&self, section: &'static str) -> ConfigurationError {
        ConfigurationError::Section {
            path: self.path.clone(),
            section,
        }
    }

    fn refused(&self, start: usize, reason: String) -> ConfigurationError {
        ConfigurationError::Refused {
            path: self.path.clone(),
            line: self.line_at(start),
            reason,
        }
    }

    fn line_at(&self, start: usize) -> usize {
        let before = self.text.as_bytes().iter().take(start);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    /// Where a place begins: its own key where it has one, otherwise its value.
    fn start(&self, place: &[Step]) -> Option<usize> {
        let root = DeTable::parse(&self.text).ok()?;
        let mut start = None;
        let mut table = Some(root.get_ref());
        let mut array = None;
        for step in place {
            let value = match (*step, table, array) {
                (Step::Key(key), Some(table), _) => {
                    let Some((key, value)) = table.get_key_value(key) else {
                        break;
                    };
                    start = Some(key.span().start);
                    value
                }
                (Step::Element(index), _, Some(array)) => {
                    let elements: &toml::de::DeArray<'_> = array;
                    let Some(value) = elements.get(index) else { break };
                    start = Some(value.span().start);
                    value
                }
                _ => break,
            };
            (table, array) = match value.get_ref() {
                DeValue::Table(table) => (Some(table), None),
                DeValue::Array(array) => (None, Some(array)),
                _ => (None, None),
            };
        }
        start
    }
}

#[cfg(test)]
mod tests;
