//! Formats in which no mask finds a value, told by how they begin.
//!
//! It is for the text of a refusal: what is not on this list is refused all the same, where its format's reader does not
//! understand it.

use std::fmt;

use crate::packing::Packing;

/// Bytes of a document's beginning that say what it is: a tar archive has its mark behind the first 257.
pub const OPENING_BYTES: usize = 262;

/// A format that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opaque(&'static str);

impl Opaque {
    /// What begins so, where that is known and is not read.
    pub fn of(opening: &[u8]) -> Option<Self> {
        if Packing::is_skipped(opening) {
            return Some(Self("a Zstandard file that begins with what its readers skip"));
        }
        let begins = MARKS
            .iter()
            .find(|(offset, mark, _)| opening.get(*offset..).is_some_and(|rest| rest.starts_with(mark)));
        begins.map(|(.., name)| Self(name))
    }

    /// Its name, as a sentence part.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// Where a mark stands, the mark, and what has it.
const MARKS: &[(usize, &[u8], &str)] = &[
    (0, b"PAR1", "a Parquet file"),
    (0, b"PARE", "an encrypted Parquet file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"ORC", "an ORC file"),
    (0, b"ARROW1", "an Arrow file"),
    (128, b"DICM", "a DICOM file"),
    (0, b"%PDF-", "a PDF file"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"RIFF", "a RIFF file, such as WebP or WAV"),
    (4, b"ftyp", "an ISO media file, such as HEIC or MP4"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (0, b"PK\x03\x04", "a ZIP archive, such as those of office programs"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (
        0,
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an OLE file of an office program",
    ),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 file"),
    (0, b"\xff\x06\0\0sNaPpY", "a Snappy file"),
    (0, b"\x1f\x8b", "gzip in what is packed already"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard in what is packed already"),
    (0, b"age-encryption.org/", "an age file, encrypted"),
    (0, b"-----BEGIN AGE ENCRYPTED FILE-----", "an age file, encrypted"),
    (0, b"-----BEGIN PGP MESSAGE-----", "a PGP message, encrypted"),
    (0, b"-----BEGIN PKCS7-----", "a PKCS #7 message"),
    (0, b"-----BEGIN CMS-----", "a CMS message"),
    (0, b"Salted__", "a file of `openssl enc`, encrypted"),
    (0, b"SQLite format 3\0", "a SQLite database"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"{\\rtf", "an RTF document"),
    (257, b"ustar", "a tar archive"),
];

#[cfg(test)]
mod tests {
    use super::{OPENING_BYTES, Opaque};

    #[test]
    fn formats_are_told_by_their_marks() {
        let dicom = [&[0; 128][..], b"DICM"].concat();
        let tar = [&b"patients.csv"[..], &[0; 245], b"ustar"].concat();
        assert_eq!(tar.len(), OPENING_BYTES);
        for (opening, wanted) in [
            (&b"PAR1\x15\x04"[..], Some("a Parquet file")),
            (b"Obj\x01\x04", Some("an Avro file")),
            (&dicom, Some("a DICOM file")),
            (&tar, Some("a tar archive")),
            (&tar[..261], None),
            (b"%PDF-1.7\n", Some("a PDF file")),
            (b"\x89PNG\r\n\x1a\n\0", Some("a PNG image")),
            (
                b"PK\x03\x04\x14",
                Some("a ZIP archive, such as those of office programs"),
            ),
            (b"age-encryption.org/v1\n", Some("an age file, encrypted")),
            (
                b"\x50*M\x18\x04\0\0\0",
                Some("a Zstandard file that begins with what its readers skip"),
            ),
            (
                b"_*M\x18abcd",
                Some("a Zstandard file that begins with what its readers skip"),
            ),
            (b"O*M\x18abcd", None),
            (b"", None),
            (b"PAR", None),
            (b"id,ssn\n", None),
            (b"{\"a\":1}", None),
            (b"MSH|^~\\&|", None),
            (&dicom[..131], None),
        ] {
            assert_eq!(Opaque::of(opening).map(Opaque::as_str), wanted);
        }
    }
}
