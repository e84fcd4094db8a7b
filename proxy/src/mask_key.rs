//! The file of the key of masks, `mask.key`.
//!
//! ```text
//! 64 hexadecimal digits                the key
//! replaces 32 hexadecimal digits       the id of the key whose place it took, where there was one; then the one before that
//! ```
//!
//! Key and history stand in one file, so that replacing it is one step: the proxy never starts with a key that does not say
//! which one it replaces, and the ledger refuses such a key where it knows another one.

use std::path::{Path, PathBuf};

use exhibit_policy::mask::MaskKey;
use exhibit_schemas::event::trust::MaskKeyId;
use zeroize::Zeroizing;

use crate::secret::{self, SecretError};

/// Name of the file in the proxy's directory.
pub const FILE: &str = "mask.key";

/// Where keys go that were replaced, beside the file.
pub const RETIRED: &str = "retired";

/// The file of a key that was replaced.
pub fn retired(directory: &Path, id: MaskKeyId) -> PathBuf {
    directory.join(RETIRED).join(format!("mask-{id}.key"))
}

/// The ids of all keys whose files are kept there, in order of their digits.
///
/// # Errors
/// [`SecretError::File`] when the directory cannot be read.
pub fn all_retired(directory: &Path) -> Result<Vec<MaskKeyId>, SecretError> {
    let directory = directory.join(RETIRED);
    let failed = |error| SecretError::File {
        path: directory.clone(),
        error,
    };
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = name
            .to_str()
            .and_then(|name| name.strip_prefix("mask-")?.strip_suffix(".key"));
        ids.extend(name.and_then(MaskKeyId::from_hex));
    }
    ids.sort();
    Ok(ids)
}

/// Earlier keys that a file names. The one that the ledger knows is the last one that a proxy started with, so this bounds
/// how often a key may be rotated between two starts.
pub const REPLACED_MAX: usize = 64;

/// What a line begins with that names an earlier key.
const REPLACES: &str = "replaces ";

/// Reads the file.
///
/// # Errors
/// [`SecretError`].
pub fn read(path: &Path) -> Result<MaskKey, SecretError> {
    let text = secret::text(path)?;
    let format = || SecretError::Format(path.to_owned());
    let mut lines = text.trim_end().lines();
    let key = secret::digits(lines.next().unwrap_or_default()).ok_or_else(format)?;
    let replaced = lines.map(|line| line.strip_prefix(REPLACES).and_then(MaskKeyId::from_hex));
    let replaced: Vec<MaskKeyId> = replaced.collect::<Option<_>>().ok_or_else(format)?;
    if replaced.len() > REPLACED_MAX {
        return Err(format());
    }
    Ok(MaskKey::new(*key).in_place_of(&replaced))
}

/// The file of a key that takes the place of others, the last one first; past [`REPLACED_MAX`] the oldest are left out.
pub fn file(key: &[u8; 32], replaced: &[MaskKeyId]) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(key));
    let lines = replaced.iter().take(REPLACED_MAX).map(|id| format!("{REPLACES}{id}\n"));
    Zeroizing::new(format!("{}\n{}", digits.as_str(), lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use exhibit_policy::mask::MaskKey;
    use exhibit_schemas::event::trust::MaskKeyId;

    use super::{REPLACED_MAX, file, read};
    use crate::secret::SecretError;

    fn check(text: &str) -> Result<MaskKey, SecretError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        read(file.path())
    }

    #[test]
    fn a_key_is_read_back_with_the_keys_that_it_replaced() {
        let id = |number: usize| MaskKeyId([u8::try_from(number).unwrap(); 16]);
        for count in [0, 1, 2, REPLACED_MAX, REPLACED_MAX + 1] {
            let replaced: Vec<_> = (0..count).map(id).collect();
            let key = check(&file(&[7; 32], &replaced)).unwrap();
            assert_eq!(key.id(), MaskKey::new([7; 32]).id());
            assert_eq!(key.replaced(), &replaced[..count.min(REPLACED_MAX)]);
        }
    }

    #[test]
    fn other_forms_are_refused_and_repeat_nothing() {
        let digits = "07".repeat(32);
        let id = "09".repeat(16);
        let many = format!("{digits}\n{}", format!("replaces {id}\n").repeat(REPLACED_MAX + 1));
        for text in [
            "",
            &digits[1..],
            &format!("{digits}\nreplaces\n"),
            &format!("{digits}\nreplaces {}\n", &id[1..]),
            &format!("{digits}\n{id}\n"),
            &format!("{digits}\n\nreplaces {id}\n"),
            &format!("replaces {id}\n{digits}\n"),
            &many,
        ] {
            let error = check(text).unwrap_err();
            assert!(matches!(error, SecretError::Format(_)), "{text}");
            assert!(!format!("{error} {error:?}").contains("0707"));
        }
    }
}
