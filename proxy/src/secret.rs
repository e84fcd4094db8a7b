//! Secret files: 32 bytes in hexadecimal, readable by their owner alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a secret file is refused. No variant repeats its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Others may read it.
    #[error("{} may be read by others (mode {mode:o}); run chmod 600 on it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold 64 hexadecimal digits.
    #[error("{} does not hold 64 hexadecimal digits", .0.display())]
    Format(PathBuf),
}

/// Reads 32 secret bytes.
///
/// # Errors
/// [`SecretError`].
pub fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    digits(text(path)?.trim_end()).ok_or_else(|| SecretError::Format(path.to_owned()))
}

/// 64 hexadecimal digits.
pub(crate) fn digits(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

/// Reads a file that only its owner may read.
pub(crate) fn text(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let file = |error| SecretError::File {
        path: path.to_owned(),
        error,
    };
    let mode = std::fs::metadata(path).map_err(file)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(Zeroizing::new(std::fs::read_to_string(path).map_err(file)?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{SecretError, read};

    fn check(text: &str, mode: u32) -> Result<[u8; 32], SecretError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        read(file.path()).map(|bytes| *bytes)
    }

    #[test]
    fn only_64_digits_that_the_owner_alone_may_read_are_taken() {
        let digits = "07".repeat(32);
        assert_eq!(check(&digits, 0o600).unwrap(), [7; 32]);
        assert_eq!(check(&format!("{digits}\n"), 0o400).unwrap(), [7; 32]);
        assert!(matches!(
            check(&digits, 0o640),
            Err(SecretError::Mode { mode: 0o640, .. })
        ));
        assert!(matches!(check(&digits, 0o604), Err(SecretError::Mode { .. })));
        assert!(matches!(check(&digits[1..], 0o600), Err(SecretError::Format(_))));
        let error = check(&format!("x{}", &digits[1..]), 0o600).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("0707"));
    }
}
