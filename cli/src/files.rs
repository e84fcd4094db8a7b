//! Files of a deployment: secrets with mode 0600, directories with mode 0700, writes that are whole or not at all.
//!
//! A secret is 32 random bytes as 64 hexadecimal digits and a newline: the seed of an Ed25519 key (RFC 8032 section
//! 5.1.5), or the key of an HMAC.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use exhibit_schemas::key::SecretKey;
use zeroize::Zeroizing;

/// Mode of a file that others may read.
pub(crate) const PUBLIC: u32 = 0o644;

/// Mode of a file that only its owner may read.
pub(crate) const SECRET: u32 = 0o600;

/// Bytes of a file that a person names at the most; configuration, keys, certificates.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others may read a secret.
    #[error("{path} holds a secret, but its mode is {mode:o}: others may read it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not the form that it must have.
    #[error("{path} is not {wanted}")]
    Form {
        /// The file.
        path: PathBuf,
        /// The form.
        wanted: &'static str,
    },
    /// Longer than such a file can be.
    #[error("{path} has more than {limit} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// The operating system's refusal with the file that it is about.
pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    let path = path.to_owned();
    move |error| FileError::Io { path, error }
}

/// Reads a whole file.
///
/// # Errors
/// [`FileError::Io`], [`FileError::TooLong`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    read_at_most(path, FILE_BYTES_MAX)
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let length = std::fs::metadata(path).map_err(at(path))?.len();
    if length > limit {
        let path = path.to_owned();
        return Err(FileError::TooLong { path, limit });
    }
    std::fs::read(path).map_err(at(path))
}

/// Reads a text file.
///
/// # Errors
/// As [`read`], and [`FileError::Form`] for bytes that are not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| FileError::Form {
        path: path.to_owned(),
        wanted: "UTF-8 text",
    })
}

/// Makes a directory that only its owner may enter; its parents must be there.
///
/// # Errors
/// [`FileError::Io`].
pub(crate) fn make_directory(path: &Path) -> Result<(), FileError> {
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(at(path))
}

/// Writes a file beside its place, makes it durable, and moves it there: a reader sees the old bytes or the new ones.
///
/// # Errors
/// [`FileError::Io`].
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(at(path))?;
    file.write_all(bytes).map_err(at(path))?;
    file.as_file().sync_all().map_err(at(path))?;
    file.persist(path).map_err(|error| at(path)(error.error))?;
    // The commit point: the directory entry itself is durable from here on.
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(at(path))
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// [`FileError::Io`], also when there is such a file.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

/// 32 bytes of the operating system's randomness.
///
/// # Errors
/// [`FileError::Random`].
pub(crate) fn random() -> Result<Zeroizing<[u8; 32]>, FileError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(bytes)
}

/// Makes a secret, writes it, and gives its bytes.
///
/// # Errors
/// [`FileError`], also when there is such a file.
pub(crate) fn create_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, FileError> {
    let secret = random()?;
    let text = Zeroizing::new(format!("{}\n", Zeroizing::new(hex::encode(secret.as_ref())).as_str()));
    create(path, text.as_bytes(), SECRET)?;
    Ok(secret)
}

/// Reads an Ed25519 seed that only its owner may read.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read_key(path: &Path) -> Result<SecretKey, FileError> {
    Ok(SecretKey::from_seed(&*read_secret(path)?))
}

/// Reads a secret that only its owner may read.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, FileError> {
    let text = read_secret_text(path)?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_end(), secret.as_mut()).map_err(|_| FileError::Form {
        path: path.to_owned(),
        wanted: "a key: 64 hexadecimal digits",
    })?;
    Ok(secret)
}

/// Reads a text that only its owner may read.
///
/// # Errors
/// [`FileError`].
pub(crate) fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let mode = std::fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(FileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    read_text(path).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use exhibit_schemas::key::Signer as _;

    use super::{FileError, PUBLIC, create, create_secret, make_directory, read_key, replace};

    #[test]
    fn a_secret_reads_back_as_its_key_and_only_for_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("event.key");
        let seed = create_secret(&path).unwrap();
        let key = read_key(&path).unwrap();
        let wanted = exhibit_schemas::key::SecretKey::from_seed(&seed);
        assert_eq!(key.public_key(), wanted.public_key());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_key(&path), Err(FileError::Mode { mode: 0o640, .. })));
    }

    #[test]
    fn a_secret_never_overwrites_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("event.key");
        create_secret(&path).unwrap();
        assert!(matches!(create_secret(&path), Err(FileError::Io { .. })));
    }

    #[test]
    fn other_forms_of_a_key_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        for (place, text) in ["", "zz", &"0".repeat(63), &"0".repeat(66)].iter().enumerate() {
            let path = directory.path().join(place.to_string());
            create(&path, text.as_bytes(), 0o600).unwrap();
            assert!(matches!(read_key(&path), Err(FileError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn a_replaced_file_has_the_new_bytes_and_mode() {
        let directory = tempfile::tempdir().unwrap();
        make_directory(&directory.path().join("deep")).unwrap();
        let path = directory.path().join("deep").join("file");
        replace(&path, b"one", 0o600).unwrap();
        replace(&path, b"two", PUBLIC).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
