//! A temporary file without a name, read and written at places.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

/// The file.
#[derive(Debug)]
pub(super) struct Scratch(File);

impl Scratch {
    pub(super) fn new() -> Result<Self, std::io::Error> {
        tempfile::tempfile().map(Self)
    }

    /// Fills the buffer from a place on. What was never written, and what is behind the end, is zero.
    pub(super) fn read(&self, place: u64, buffer: &mut [u8]) -> Result<(), std::io::Error> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(place))?;
        let mut rest = buffer;
        while !rest.is_empty() {
            match file.read(rest) {
                Ok(0) => {
                    rest.fill(0);
                    return Ok(());
                }
                Ok(read) => rest = rest.get_mut(read..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of the bytes at a place.
    pub(super) fn write(&self, place: u64, bytes: &[u8]) -> Result<(), std::io::Error> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(place))?;
        file.write_all(bytes)
    }

    /// A file that takes nothing.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        let mut options = std::fs::OpenOptions::new();
        Self(options.read(true).write(true).open("/dev/full").unwrap())
    }
}
